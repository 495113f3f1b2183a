"""Samples at times -> batches as a `tf.data.Dataset`: read ahead, in an order that seed and epoch alone determine.

The way of a loss, from here to the number in the log:

1. A batch is (inputs, targets (n,) or (n, k)). With several processes, each reads every count-th sample of each batch, its
   share, and is given the targets of the whole batch besides. A share without samples brings one that does not count.
2. `network_models.distribution.weighted_batches` gives targets (n,) their axis (n, 1) and, on several devices or with class
   weights, each sample a weight w = c / sum(c): c is the weight of its class, or 1, and the sum goes over the whole batch,
   shares of other processes included. Samples that fill up a device or an empty share have w = 0.
3. The objective's ``compile`` takes the mean of the losses l over a batch; where there are weights, the sum of w l on each
   device, whose gradients are added over devices: sum(c l) / sum(c) of the batch either way, whoever has which sample.
4. The loss of an epoch is the metric ``mean_loss``: sum(c l) / sum(c) over all samples of the epoch. It uses w only to know
   which samples count, since a mean of batches would give those of a smaller last batch too much weight.
"""

import concurrent.futures
import math
import os
import sys
import threading
import typing

import numpy

from dataset_models.images.image_cache import empty_aligned


class Blocks(typing.NamedTuple):
    """Samples that lie together where they are stored, and are read in one.

    Attributes
    ----------
    block : numpy.ndarray
        int64 (n,), the block of each sample, from 0.
    mixed : int
        Blocks whose samples are shuffled with each other: as many as memory holds.
    """

    block: numpy.ndarray
    mixed: int


def order(count, *, seed, epoch, blocks=None):
    """Draw the order of samples in one epoch: a permutation that depends on seed and epoch alone.

    Parameters
    ----------
    count, seed, epoch : int
    blocks : Blocks, optional
        Of the samples: the blocks come in an order drawn anew, `Blocks.mixed` at a time, and only the samples of those are
        shuffled with each other. So a block is read once in an epoch, by whoever keeps two times as many.
    """
    draw = numpy.random.default_rng([seed, epoch])
    if blocks is None or not count:
        return draw.permutation(count)
    turn = draw.permutation(int(blocks.block.max()) + 1)[blocks.block] // blocks.mixed
    return numpy.lexsort((draw.permutation(count), turn))


def batches(
    read,
    times,
    targets,
    shapes,
    *,
    batch_size,
    seed,
    first_epoch,
    first_step,
    shard,
    readers,
    sampling,
    most_steps=0,
    blocks=None,
):
    """Make batches of (inputs, target).

    Parameters
    ----------
    read : callable
        ``read(seconds)`` returns the inputs at a time (int, seconds since 1970): list of float32 arrays, in the order of
        `shapes`. Called from several threads.
    times : numpy.ndarray
        ``datetime64[s]`` (n,).
    targets : numpy.ndarray
        float32 (n,) or (n, k).
    shapes : dict of str to tuple of int
        Of the inputs, without the batch axis.
    batch_size, seed, first_epoch, first_step, shard, readers, sampling, most_steps
        As `SolarData.pipeline` has them.
    blocks : Blocks, optional
        Of the samples at `times`, see `order`.

    Returns
    -------
    tf.data.Dataset
        Of (dict of float32 (batch, ...), float32 (batch,)); for one of several shards of (dict, its targets, the targets
        of the whole batch).
    """
    import tensorflow

    seconds = times.astype("datetime64[s]").astype("int64")
    index, count = shard
    entry_count = sampling.count if sampling else len(times)
    reader = _Reader(read, seconds, shapes, sampling, readers or min(8, os.cpu_count() or 1))

    def epoch_order(epoch):
        most = min(most_steps * batch_size or entry_count, entry_count)
        positions = sampling.positions(int(epoch)) if sampling else None
        if seed is None and most == entry_count:
            entries = numpy.arange(entry_count)
        elif seed is None:
            entries = numpy.unique(numpy.linspace(0, entry_count - 1, most).round())
        else:
            of_entries = blocks._replace(block=blocks.block[positions]) if blocks and sampling else blocks
            entries = order(entry_count, seed=seed, epoch=int(epoch), blocks=of_entries)[:most]
        entries = entries.astype("int64")
        if epoch == first_epoch:
            entries = entries[first_step * batch_size :]
        return (entries, positions[entries]) if sampling else entries

    def epoch_batches(epoch):
        def read_batch(entries, samples=None):
            samples = entries if samples is None else samples  # one vector in memory where they are the same
            whole = samples
            if count > 1:
                # A last batch can have fewer samples than there are shards: one of them is read then, and does not count.
                entries, samples = (
                    tensorflow.cond(tensorflow.size(v) > index, lambda v=v: v[index::count], lambda v=v: v[:1])
                    for v in (entries, samples)
                )
            arguments = [epoch, entries, samples]
            arrays = tensorflow.numpy_function(reader.batch, arguments, [tensorflow.float32] * len(shapes))
            for array, shape in zip(arrays, shapes.values(), strict=True):
                array.set_shape((None, *shape))
            inputs = dict(zip(shapes, arrays, strict=True))
            if count == 1:
                return inputs, tensorflow.gather(targets, samples)
            return inputs, tensorflow.gather(targets, whole[index::count]), tensorflow.gather(targets, whole)

        # One vector comes without a list around it.
        positions = tensorflow.nest.flatten(
            tensorflow.numpy_function(epoch_order, [epoch], [tensorflow.int64] * (2 if sampling else 1))
        )
        for vector in positions:
            vector.set_shape([None])
        grouped = tensorflow.data.Dataset.from_tensor_slices(tuple(positions)).batch(batch_size)
        return grouped.map(read_batch, num_parallel_calls=2, deterministic=True)

    if seed is None:
        result = epoch_batches(tensorflow.constant(0, tensorflow.int64))
    else:
        result = tensorflow.data.Dataset.counter(start=first_epoch).flat_map(epoch_batches)
    plan = tensorflow.data.Options()
    # Samples are already sharded where that is wanted; TensorFlow must not do it a second time.
    plan.experimental_distribute.auto_shard_policy = tensorflow.data.experimental.AutoShardPolicy.OFF
    return result.with_options(plan).prefetch(1)


class _Reader:
    """Reads the samples of a batch in several threads, changed as `sampling` has it."""

    def __init__(self, read, seconds, shapes, sampling, threads):
        self._read, self._seconds, self._shapes, self._sampling = read, seconds, shapes, sampling
        self._buffers = _Buffers()
        self._pool = concurrent.futures.ThreadPoolExecutor(threads)

    def batch(self, epoch, entries, samples):
        """Read a batch: list of float32 arrays (batch, ...), for entries of an epoch and the sample of each."""
        batch = [self._buffers.take((len(samples), *shape)) for shape in self._shapes.values()]

        def fill(row):
            arrays = self._read(int(self._seconds[samples[row]]))
            if self._sampling:
                arrays = self._sampling.changed(arrays, int(epoch), int(entries[row]))
            for places, array in zip(batch, arrays, strict=True):
                places[row] = array

        list(self._pool.map(fill, range(len(samples))))
        return batch


class _Buffers:
    """Memory for batches, used again once TensorFlow has let go of it.

    TensorFlow takes an aligned array as it is and keeps a reference to it while a tensor needs it. Fresh memory for
    every batch would cost more than filling it: the operating system clears it page by page.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.kept = []

    def take(self, shape):
        """Take a float32 array of a shape, with arbitrary content, aligned to 64 bytes."""
        size = math.prod(shape)
        with self.lock:
            for array, unused in self.kept:
                # Views refer to the array's base; with no more references than at first there is none.
                if array.size == size and sys.getrefcount(array.base) == unused:
                    return array.reshape(shape)
            array = empty_aligned(size)
            self.kept.append((array, sys.getrefcount(array.base)))
            return array.reshape(shape)
