"""Activations of one layer for the samples of a data set, and what is known of each sample."""

import dataclasses

import numpy

from dataset_models.solar_data import SPLITS
from science.embedding import projector
from science.explanation import subject as explanation
from science.gradients.engine import GradientEngine
from tools import goes_class
from tools.errors import UserError

LEAST = 5  # samples; fewer have no neighbourhoods
OUTCOMES = ("hit", "miss", "false alarm", "correct null")


@dataclasses.dataclass(frozen=True)
class Activations:
    """Activations of a layer, forecasts and true values for the samples of one or both splits.

    Attributes
    ----------
    times : numpy.ndarray
        ``datetime64[s]`` (n,), each split in the order of time.
    splits : numpy.ndarray
        str (n,).
    vectors : numpy.ndarray
        float32 (n, units).
    predictions, truths : numpy.ndarray
        float64 (n,) in physical units: W m^-2, or probability and 0 or 1.
    thumbnails : numpy.ndarray
        uint8 (n, size, size, 3).
    layer : str
        The layer and which of its tensors `vectors` are, in words.
    """

    times: numpy.ndarray
    splits: numpy.ndarray
    vectors: numpy.ndarray
    predictions: numpy.ndarray
    truths: numpy.ndarray
    thumbnails: numpy.ndarray
    layer: str


def collect(subject, *, splits=SPLITS, layer=None, channel=None, batch_size=16):
    """Run the network over splits, batch by batch, and keep the activations of one layer.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    splits : sequence of str
    layer : str, optional
        Name of the layer whose output is taken; feature maps are averaged over their pixels. By default the input of
        the last layer with weights before the output: the representation that the forecast is read from.
    channel : str, optional
        Channel of the thumbnails; by default the first.
    batch_size : int

    Returns
    -------
    Activations

    Raises
    ------
    UserError
        A split is empty, there are fewer than 5 samples, no such layer or channel, or activations are not finite.
    """
    from tqdm import tqdm

    data = subject.data
    times = {split: data.require_samples(split) for split in splits}
    count = sum(map(len, times.values()))
    if count < LEAST:
        raise UserError(f"{data.title}: {count} samples in {', '.join(splits)}; an embedding needs at least {LEAST}")
    place = explanation.channel_place(data, channel)
    painter = projector.Painter(data.channels[place], place, size=projector.thumbnail_size(count))
    engine = GradientEngine(subject.model, target=0)
    source, which = (engine.layer(layer), "output") if layer else (engine.feature_layer(), "input")
    names = subject.input_sources
    vectors, forecasts, thumbnails = [], [], []
    with data.reporting_reads(), tqdm(total=count, desc="activations", unit="image", disable=None) as bar:
        for split in splits:
            for inputs, _ in data.pipeline(split, batch_size=batch_size):
                arrays = {name: inputs[own].numpy() for name, own in names.items()}
                values, outputs = engine.activations(arrays, source, which=which, batch_size=batch_size)
                vectors.append(numpy.concatenate([_flat(value) for value in values], axis=1))
                forecasts.append(data.forecast(outputs))
                thumbnails.append(painter(inputs[data.image_inputs[0]].numpy()))
                bar.update(len(outputs))
    vectors = numpy.concatenate(vectors)
    if not numpy.isfinite(vectors).all():
        raise UserError(f"{subject.model_path}: the activations of {source.name} are not finite; check the network and images")
    every = numpy.concatenate(list(times.values()))
    truths = numpy.array([data.truth(time) for time in every], "float64")
    return Activations(
        times=every,
        splits=numpy.repeat(list(times), [len(part) for part in times.values()]),
        vectors=vectors,
        predictions=numpy.asarray(data.value(numpy.concatenate(forecasts), truths[:, 1]), "float64"),
        truths=truths[:, 0],
        thumbnails=numpy.concatenate(thumbnails),
        layer=f"{which} of layer {source.name}",
    )


def outcomes(data, activations, *, event="M1.0", threshold=0.5):
    """Name each forecast a hit, miss, false alarm or correct null.

    Parameters
    ----------
    data : SolarData
    activations : Activations
    event : str
        GOES class from which on a flux is an event; without meaning for a classification.
    threshold : float
        Probability from which on a forecast is a yes; without meaning for a flux.

    Returns
    -------
    numpy.ndarray or None
        str (n,), of `OUTCOMES`; None where the target is neither flux nor event.
    """
    if data.task == "classification":
        forecast, happened = activations.predictions >= threshold, activations.truths > 0.5
    elif data.target_quantity == "flux":
        least = goes_class.to_flux(event)
        forecast, happened = activations.predictions >= least, activations.truths >= least
    else:
        return None
    return numpy.select([happened & forecast, happened, forecast], OUTCOMES[:3], OUTCOMES[3])


def nearest(vectors, index, count):
    """Find the samples most like one.

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, units).
    index : int
        Row of the sample; it is left out.
    count : int
        How many to find, at most n - 1.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        Their rows, int64 (count,), and Euclidean distances, (count,), the nearest first.

    Examples
    --------
    >>> import numpy
    >>> rows, distances = nearest(numpy.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]]), 0, 2)
    >>> rows.tolist(), distances.tolist()
    ([2, 1], [1.0, 5.0])
    """
    distances = numpy.linalg.norm(vectors - vectors[index], axis=1)
    distances[index] = numpy.inf
    rows = numpy.argsort(distances, kind="stable")[:count]
    return rows, distances[rows]


def labels(subject, activations, outcome=None):
    """List readable facts about each sample, for the projector: dict of column name to list.

    ``group`` and ``outcome`` have few values and are meant for colouring: event or no event, or the letter of the GOES
    class; hit, miss, false alarm or correct null.
    """
    data = subject.data
    flux = data.target_quantity == "flux"
    rows = []
    outcome = [None] * len(activations.times) if outcome is None else outcome
    for time, split, truth, prediction, kind in zip(
        activations.times, activations.splits, activations.truths, activations.predictions, outcome, strict=True
    ):
        row = {"time": f"{time}Z", "split": str(split)}
        if flux:
            name = goes_class.from_flux(truth)
            row |= {"flux": truth, "class": name, "group": name[0]}
        else:
            event = "event" if truth > 0.5 else "no event"
            row |= {"value": truth} | ({"class": event, "group": event} if data.task == "classification" else {})
        row["prediction"] = prediction
        if kind is not None:
            row["outcome"] = str(kind)
        rows.append(row | data.metadata(time) | ({"simulated": "yes"} if data.simulated else {}))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name, "") for row in rows] for name in columns}


def _flat(value):
    """Average feature maps over their pixels: (n, ...) -> (n, units)."""
    return value if value.ndim == 2 else value.reshape(len(value), -1, value.shape[-1]).mean(axis=1)
