"""Samples of a data set as a network is given them: a labelled batch, and one sample with all its images."""

import typing

import numpy

from dataset_models import batches
from dataset_models.images import solar_grid
from dataset_models.pictures.image_file import LIMB
from tools import figures, goes_class
from tools.errors import UserError


class Batch(typing.NamedTuple):
    """A batch of a data set's pipeline.

    Attributes
    ----------
    times : numpy.ndarray
        ``datetime64[s]`` (n,).
    inputs : dict of str to numpy.ndarray
        float32 (n, ...).
    targets : numpy.ndarray
        float32 (n,).
    changed : numpy.ndarray
        bool (n,): whether the images are changed copies.
    """

    times: numpy.ndarray
    inputs: dict
    targets: numpy.ndarray
    changed: numpy.ndarray


def batch(data, split, *, number=0, size=16, seed=None, sampling=None):
    """Take a batch of the first epoch from the pipeline that training reads.

    Parameters
    ----------
    data : dataset_models.solar_data.SolarData
    split : str
    number : int
        Of the batch in the epoch, from 0.
    size : int
        Samples; the last batch may have fewer.
    seed : int, optional
        Order of the epoch; without it that of time.
    sampling : object, optional
        As for `SolarData.pipeline`, for example `dataset_models.augmentation.EqualClasses`.

    Returns
    -------
    Batch

    Raises
    ------
    UserError
        The epoch has no such batch.
    """
    times = data.require_samples(split)
    steps = data.steps(split, size, sampling)
    if number >= steps:
        raise UserError(f"--batch {number}: an epoch of the {split} split has {steps} batches of {size}, numbered from 0")
    count = sampling.count if sampling else len(times)
    entries = numpy.arange(count) if seed is None else batches.order(count, seed=seed, epoch=0)
    entries = entries[number * size : (number + 1) * size]
    samples = sampling.positions(0)[entries] if sampling else entries
    stream = data.pipeline(split, batch_size=size, seed=seed, first_step=number, sampling=sampling, keep=False)
    with data.reporting_reads():
        inputs, targets = next(stream.as_numpy_iterator())
    changed = numpy.array([entry >= len(times) for entry in entries])  # every sample once, then copies
    inputs = {name: numpy.array(values) for name, values in inputs.items()}  # the pipeline uses its memory again
    return Batch(times[samples], inputs, numpy.array(targets), changed)


def draw_batch(path, data, found, *, channel=0, title):
    """Draw a batch in rows, each image with time and label above it; events of a classification have a frame.

    Parameters
    ----------
    path : str or pathlib.Path
    data : dataset_models.solar_data.SolarData
    found : Batch
    channel : int
        Which channel is drawn.
    title : str
    """
    name = _pictured(data)
    images = found.inputs[name][..., channel]
    images = images[:, -1] if images.ndim == 4 else images  # of a sequence the last frame
    columns = min(len(images), max(4, int(numpy.ceil(numpy.sqrt(len(images))))))
    rows = -(-len(images) // columns)
    look = data.channels[channel]
    finite = images[:: max(1, len(images) // 8), ::2, ::2]
    colours, norm = figures.image_look(finite, look.colour_table, logarithmic=look.logarithmic)
    with figures.style():
        figure, axes = figures.new(rows, columns, figsize=(2.5 * columns, 2.85 * rows + 0.7), squeeze=False)
        for place in axes.flat[len(images) :]:
            place.set_axis_off()
        for index, (place, image) in enumerate(zip(axes.flat, images, strict=False)):
            place.imshow(image, cmap=colours, norm=norm)
            place.set(xticks=(), yticks=())
            event = data.task == "classification" and found.targets[index] > 0.5
            for spine in place.spines.values():
                spine.set(color=figures.PALETTE[1] if event else "0.6", linewidth=4 if event else 1)
            mark = ", changed" if found.changed[index] else ""
            text = f"{data.sample_name(found.times[index])}\n{label(data, found.times[index], found.targets[index])}{mark}"
            place.set_title(text, fontsize=9, pad=4, color=figures.PALETTE[1] if event else "black")
        words = figures.title(f"{data.title}, {look.name}: {title}", simulated=data.simulated)
        figure.suptitle(f"{words}\n{data.target_label}", fontsize=11)
        figures.save(figure, path)


def draw_sample(path, data, time):
    """Draw every image of one sample: the frames of a sequence, or each channel of each image, with limb and grid where known.

    Parameters
    ----------
    path : str or pathlib.Path
    data : dataset_models.solar_data.SolarData
    time : numpy.datetime64
        Of one of its samples.
    """
    inputs = data.inputs(time)
    header, panels = data.header(time), []
    for name, shape in data.input_shapes.items():
        array = inputs[name]
        if len(shape) == 4:  # a sequence of frames
            moments = data.frame_times(time)
            words = [f"{clock(moment)} ({_before(moment, time)})" for moment in moments]
            panels += [(word, frame[..., 0], data.channels[0], None) for word, frame in zip(words, array, strict=True)]
        elif len(shape) == 3:
            earlier = "" if name == data.image_inputs[0] else f" ({name.replace('_', ' ')})"
            own = None if earlier else header
            panels += [(f"{one.name}{earlier}", array[..., index], one, own) for index, one in enumerate(data.channels)]
    columns = 3 if len(panels) in (2, 3, 5, 6, 9) else min(4, len(panels))
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    size = 3.6 if len(panels) > 1 else 7
    with figures.style():
        figure, axes = figures.new(rows, columns, figsize=(size * columns, size * rows + 0.8), squeeze=False)
        for place in axes.flat[len(panels) :]:
            place.set_axis_off()
        for place, (words, image, channel, own) in zip(axes.flat, panels, strict=False):
            extent = figures.extent_of(own, image.shape)
            look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, "extent": extent}
            figures.show_image(place, image, unit=channel.unit, names=channel.axis_names, bar=len(panels) == 1, **look)
            if extent is not None:
                solar_grid.draw(place, own, data.places(time) if len(panels) == 1 else (), limb=LIMB)
            place.set_title(words, fontsize=11)
            place.label_outer()
        title = f"{data.title}, {data.sample_name(time)}: {label(data, time, data.target(time))}"
        figure.suptitle(figures.title(title, simulated=data.simulated))
        figures.save(figure, path)


def label(data, time, target):
    """Write the target of a sample for people: a class and 0 or 1, or a number: str.

    Parameters
    ----------
    data : dataset_models.solar_data.SolarData
    time : numpy.datetime64
    target : float
        As the network is given it.
    """
    known = data.metadata(time).get("class")
    if data.target_quantity == "number":
        return f"{float(target):g}"
    if data.task == "classification":
        return f"label {target:.0f}" + (f", {known}" if known else "")
    return f"{known or goes_class.from_flux(data.truth(time)[0])}, target {target:.3g}"


def clock(time):
    """Write a time to the minute: str."""
    date, hours = str(numpy.datetime64(time, "m")).split("T")
    return f"{date} {hours}"


def _before(moment, time):
    hours = (time - moment) / numpy.timedelta64(3600, "s")
    return "at the peak" if hours == 0 else f"{hours:.1f} h before"


def _pictured(data):
    """Choose the input that is drawn: the first that has pixels; a `UserError` where none has."""
    name = next((name for name, shape in data.input_shapes.items() if len(shape) >= 3), None)
    if name is None:
        raise UserError(f"{data.title}: has no images to look at")
    return name
