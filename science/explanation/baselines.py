"""Baselines to explain a network's output against: the image as it would be without what is looked for."""

import pathlib

import numpy

from dataset_models.solar_data import some_of
from science.explanation import solar_disk
from science.explanation import subject as explanation
from tools.errors import UserError

KINDS = ("zero", "quiet", "mean")
HELP = "zero, quiet, mean, an image file or a time (default: %(default)s)"
IMAGES = 48  # of the training split, for the mean and the quiet Sun
_SCALED = "their disks scaled to the image's where both are known"


def choose(kind, subject, sample):
    """Make a baseline for one sample.

    Parameters
    ----------
    kind : str
        ``"zero"``; ``"quiet"``: the median of each pixel over training images, a disk from which active regions, which
        come and go, have vanished; ``"mean"``: their mean; or an image file, or the UTC time of a sample. The disks of
        training images are those of `background`; an image file and a sample stay as they are.
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
        The sample that is explained.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 (1, ...) by model input name.

    Raises
    ------
    UserError
        `kind` is none of these, or an image of another shape.
    """
    if kind == "zero":
        return {name: numpy.zeros_like(array) for name, array in sample.inputs.items()}
    if kind in KINDS:
        stacks = background(subject, sample, IMAGES)
        reduce = numpy.median if kind == "quiet" else numpy.mean
        return {name: reduce(stack, axis=0, keepdims=True).astype("float32") for name, stack in stacks.items()}
    try:
        other = explanation.sample(subject, kind)
    except UserError as error:
        if pathlib.Path(kind).exists():
            raise
        text = f"--baseline {kind}: give {', '.join(KINDS)}, an image file or the time of a sample ({error})"
        raise UserError(text) from error
    return other.inputs


def words(kind):
    """Describe a kind of baseline, as of `choose`, for passports: str."""
    made = {"quiet": "quiet: median", "mean": "mean"}.get(kind)
    return f"{made} of up to {IMAGES} images of the training split, {_SCALED}" if made else kind


def background_words(arrays):
    """Describe a `background`: str."""
    return f"{len(next(iter(arrays.values())))} evenly spaced images of the training split, {_SCALED}"


def background(subject, sample, count):
    """Read evenly spaced samples of the training split, their disks scaled to that of the image.

    The disk's apparent radius changes over the year by 3 %: unscaled, a ring at the limb would differ between image and
    baseline, and be explained.

    Parameters
    ----------
    subject, sample
        As of `choose`.
    count : int
        At most.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 (count, ...) by model input name. Unscaled where image or training image show no disk, see
        `science.explanation.solar_disk.find`.
    """
    from tqdm import tqdm

    data = subject.data
    times = some_of(data.require_samples("training"), count)
    current = data.image_inputs[0] if data.image_inputs else None
    shown = next((array[0] for name, array in sample.inputs.items() if sample.names[name] == current), None)
    onto = None if shown is None else solar_disk.find(sample.header, shown)
    rows = []
    for time in tqdm(times, desc="baseline", unit="image", disable=None, leave=False):
        row = {source: numpy.asarray(values, "float32") for source, values in data.kept_inputs(time).items()}
        if onto is not None:
            disk = solar_disk.find(data.header(time), row[current])
            # Earlier images of a sample are a few hours older, in which the radius stays what it is.
            row |= {source: solar_disk.moved(row[source], disk, onto) for source in data.image_inputs}
        rows.append(row)
    return {name: numpy.stack([row[source] for row in rows]) for name, source in sample.names.items()}


def checked(baseline, inputs):
    """Check that a baseline has the inputs' names and shapes, else a `UserError`: float32 arrays (m, ...) by input name."""
    if set(baseline) != set(inputs):
        raise UserError(f"baseline: has {', '.join(sorted(baseline))}; the network takes {', '.join(sorted(inputs))}")
    arrays = {name: numpy.asarray(baseline[name], "float32") for name in inputs}
    for name, array in arrays.items():
        if array.shape[1:] != inputs[name].shape[1:]:
            raise UserError(f"baseline: {name} is of shape {array.shape[1:]}; the network takes {inputs[name].shape[1:]}")
    return arrays
