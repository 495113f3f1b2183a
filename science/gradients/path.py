"""Gradients along the straight line between two samples, summed with weights, for integrated gradients."""

import concurrent.futures
import functools

import numpy

from science.gradients.engine import function_of, gradients_of

STREAMS = 2  # parts of a batch computed at the same time: one fills the processors that the other leaves idle


def weighted_gradients(engine, start, end, shares, weights, *, batch_size=16, compiled=False):
    """Sum gradients, with weights, at points on the line between two samples.

    Parameters
    ----------
    engine : science.gradients.engine.GradientEngine
    start, end : dict of str to numpy.ndarray
        One sample each: arrays (1, ...) by input name.
    shares : numpy.ndarray
        float (k,): where the points lie, 0 at the start, 1 at the end.
    weights : numpy.ndarray
        float (k,).
    batch_size : int
        Points at once, in `STREAMS` equal parts; bounds memory, whatever k.
    compiled : bool
        With XLA, which compiles for each size of a batch anew, so that the last one gets points of weight 0.

    Returns
    -------
    dict of str to numpy.ndarray
        float64 (1, ...).
    """
    import tensorflow

    ends = [engine.tensors(sample, slice(0, 1)) for sample in (start, end)]

    def trace():
        function = function_of(functools.partial(_summed, engine), jit_compile=compiled)
        points = [tensorflow.TensorSpec((None,), "float64")] * 2
        return function.get_concrete_function(*points, ends)  # before several threads call it

    function = engine.traced(("path", compiled), trace)
    streams = min(STREAMS, batch_size)
    size = batch_size // streams
    if compiled:
        missing = -len(shares) % size
        shares, weights = numpy.pad(shares, (0, missing), "edge"), numpy.pad(weights, (0, missing))

    def part(first):
        rows = slice(first, first + size)
        points = [tensorflow.constant(values[rows], "float64") for values in (shares, weights)]
        return function(*points, ends)

    totals = [numpy.zeros((1, *tensor.shape[1:]), "float64") for tensor in engine.model.inputs]
    with concurrent.futures.ThreadPoolExecutor(streams) as pool:
        for sums in pool.map(part, range(0, len(shares), size)):
            for total, values in zip(totals, sums, strict=True):
                total += values.numpy()
    return dict(zip(engine.input_names, totals, strict=True))


def _summed(engine, shares, weights, ends):
    import tensorflow

    def between(first, last):
        share = tensorflow.reshape(shares, [-1] + [1] * (len(first.shape) - 1))
        exact, far = tensorflow.cast(first, "float64"), tensorflow.cast(last, "float64")
        return tensorflow.cast(exact + share * (far - exact), first.dtype)

    # In float64 and rounded once: a point falls less often on another side of a ReLU or a maximum.
    points = [between(*pair) for pair in zip(*ends, strict=True)]
    gradients = gradients_of(engine.explained(points), points)
    return [tensorflow.tensordot(tensorflow.cast(weights, values.dtype), values, 1)[None] for values in gradients]
