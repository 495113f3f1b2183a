"""Embedding: which images a network takes for alike, as a map to explore.

    python science/embedding/tsne.py MODEL.hdf5 DATASET.py [--samples both] [--layer NAME] [--perplexity 30] [--out FOLDER]

The activations before the output layer, reduced by principal components and then t-SNE, written into the run's
embeddings/ for TensorBoard's projector (vectors, metadata, thumbnails), as arrays and as a scatter picture.
"""

import dataclasses
import math

import numpy

from dataset_models.solar_data import SPLITS
from science import explanation
from science.embedding import projector
from tools import command_line, figures, goes_class
from tools.errors import UserError

LEAST = 5  # samples; fewer have no neighbourhoods


@dataclasses.dataclass(frozen=True)
class Activations:
    """What a layer makes of the samples of one or both splits.

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
        What `vectors` are.
    """

    times: numpy.ndarray
    splits: numpy.ndarray
    vectors: numpy.ndarray
    predictions: numpy.ndarray
    truths: numpy.ndarray
    thumbnails: numpy.ndarray
    layer: str


def collect(subject, *, splits=SPLITS, layer=None, channel=None, batch_size=16):
    """Run the network over splits, batch by batch, and keep what one layer says of each sample.

    Parameters
    ----------
    subject : science.explanation.Subject
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

    from science.gradient_engine import GradientEngine

    data = subject.data
    times = {split: data.require_samples(split) for split in splits}
    count = sum(map(len, times.values()))
    if count < LEAST:
        raise UserError(f"{data.title}: {count} samples in {', '.join(splits)}; an embedding needs at least {LEAST}")
    painter = projector.Painter(*_thumbnail_channel(data, channel), size=projector.thumbnail_size(count))
    engine = GradientEngine(subject.model, target=0)
    taken, which = (engine.layer(layer), "output") if layer else (engine.feature_layer(), "input")
    names = explanation.model_inputs(subject)
    vectors, forecasts, thumbnails = [], [], []
    with data.reporting_reads(), tqdm(total=count, desc="activations", unit="image", disable=None) as bar:
        for split in splits:
            for inputs, _ in data.pipeline(split, batch_size=batch_size):
                arrays = {name: inputs[source].numpy() for name, source in names.items()}
                values, outputs = engine.activations(arrays, taken, which=which, batch_size=batch_size)
                vectors.append(numpy.concatenate([_flat(value) for value in values], axis=1))
                forecasts.append(data.forecast(outputs))
                thumbnails.append(painter(inputs[data.image_inputs[0]].numpy()))
                bar.update(len(outputs))
    vectors = numpy.concatenate(vectors)
    if not numpy.isfinite(vectors).all():
        raise UserError(f"{subject.model_path}: the activations of {taken.name} are not finite; check the network and images")
    every = numpy.concatenate(list(times.values()))
    known = numpy.array([data.truth(time) for time in every], "float64")
    return Activations(
        times=every,
        splits=numpy.repeat(list(times), [len(part) for part in times.values()]),
        vectors=vectors,
        predictions=numpy.asarray(data.value(numpy.concatenate(forecasts), known[:, 1]), "float64"),
        truths=known[:, 0],
        thumbnails=numpy.concatenate(thumbnails),
        layer=f"{which} of layer {taken.name}",
    )


def embed(vectors, *, perplexity=30.0, components=50, seed=0):
    """Reduce vectors to two dimensions: principal components, then t-SNE.

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, units), finite; n at least 5.
    perplexity : float
        About how many neighbours count; lowered to (n - 1) / 3 where there are few samples.
    components : int
        Principal components kept at most.
    seed : int

    Returns
    -------
    numpy.ndarray
        float32 (n, 2). The same seed and vectors give the same map.

    Raises
    ------
    UserError
        All vectors are the same.

    References
    ----------
    van der Maaten & Hinton 2008, Journal of Machine Learning Research 9, 2579.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    vectors = numpy.asarray(vectors, "float64")
    if not numpy.ptp(vectors, axis=0).any():
        raise UserError("the activations are the same for every image: the network does not tell them apart, train it first")
    count = min(components, len(vectors) - 1, vectors.shape[1])
    reduced = PCA(count, random_state=seed).fit_transform(vectors)
    if reduced.shape[1] == 1:
        reduced = numpy.pad(reduced, ((0, 0), (0, 1)))  # t-SNE starts from two components
    perplexity = min(float(perplexity), (len(vectors) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced).astype("float32")


def labels(subject, activations):
    """One row of readable facts per sample, for the projector: dict of column name to list.

    ``group`` has few values and is meant for colouring: event or no event, or the letter of the GOES class.
    """
    data = subject.data
    flux = _is_flux(data, activations.truths)
    rows = []
    for time, split, truth, prediction in zip(
        activations.times, activations.splits, activations.truths, activations.predictions, strict=True
    ):
        row = {"time": f"{time}Z", "split": str(split)}
        if flux:
            name = goes_class.from_flux(truth)
            row |= {"flux": truth, "class": name, "group": name[0]}
        else:
            event = "event" if truth > 0.5 else "no event"
            row |= {"value": truth} | ({"class": event, "group": event} if data.task == "classification" else {})
        row["prediction"] = prediction
        rows.append(row | data.metadata(time))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name, "") for row in rows] for name in columns}


def write(folder, subject, activations, positions):
    """Write projector files, arrays and the scatter picture.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.Subject
    activations : Activations
    positions : numpy.ndarray
        (n, 2), from `embed`.
    """
    with explanation.results(folder) as unfinished, figures.style():
        projector.write(
            unfinished,
            {f"activations ({activations.layer})": activations.vectors, "t-SNE": positions},
            labels(subject, activations),
            activations.thumbnails,
        )
        _draw(activations, positions, subject.data, unfinished / "embedding.png")
        numpy.savez_compressed(
            unfinished / "embedding.npz",
            times=activations.times,
            splits=activations.splits,
            vectors=activations.vectors,
            positions=positions,
            predictions=activations.predictions,
            truths=activations.truths,
        )


def _draw(activations, positions, data, path):
    flux = _is_flux(data, activations.truths)
    unit = "W m$^{-2}$" if flux else "probability" if data.task == "classification" else data.target_label
    values = {"true value": activations.truths, "forecast": activations.predictions}
    figure, axes = figures.new(1, 2, figsize=(12.5, 5.6), sharex=True, sharey=True)
    norm = _norm(numpy.concatenate(list(values.values())), flux, data.task)
    for panel, (name, colours) in zip(axes, values.items(), strict=True):
        for marker, split in zip(figures.MARKERS, dict.fromkeys(activations.splits), strict=False):
            chosen = activations.splits == split
            drawn = panel.scatter(
                *positions[chosen].T,
                c=colours[chosen],
                norm=norm,
                cmap="cividis",
                marker=marker,
                s=max(8, min(40, 6000 / len(positions))),
                linewidths=0.3,
                edgecolors="0.4",
                label=f"{split} ({chosen.sum()})",
            )
        panel.set(title=name, xlabel="t-SNE 1", xticks=[], yticks=[])
    axes[0].set_ylabel("t-SNE 2")
    figure.colorbar(drawn, ax=list(axes), label=unit)
    legend = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    for handle in legend.legend_handles:
        handle.set(array=None, facecolor="0.4")  # shapes tell the splits apart, not colours
    heading = figures.title(f"{activations.layer}: {data.title}", simulated=data.simulated)
    figure.suptitle(f"{heading}\n{data.target_label}", fontsize="medium")
    figures.save(figure, path)


def _norm(values, flux, task):
    from matplotlib import colors

    if task == "classification":
        return colors.Normalize(0, 1)
    if flux:
        values = numpy.maximum(values, 1e-9)  # a forecast delta can lead below zero
        return colors.LogNorm(values.min(), max(values.max(), 1.01 * values.min()), clip=True)
    return colors.Normalize(values.min(), values.max())


def _is_flux(data, truths):
    return data.task == "regression" and "W m" in data.target_label and bool(((truths > 0) & (truths < 1)).all())


def _flat(value):
    """(n, ...) -> (n, units), feature maps averaged over their pixels."""
    return value if value.ndim == 2 else value.reshape(len(value), -1, value.shape[-1]).mean(axis=1)


def _thumbnail_channel(data, name):
    names = [channel.name for channel in data.channels]
    if name is not None and name not in names:
        raise UserError(f"--channel {name}: the data set has {', '.join(names)}")
    index = names.index(name) if name is not None else 0
    return data.channels[index], index


def main(arguments=None):
    """Embed the samples of a data set as one network sees them."""

    def add(parser):
        parser.add_argument("--samples", choices=("both", *SPLITS), default="both", help="split to embed (default: both)")
        parser.add_argument("--layer", metavar="NAME", help="embed this layer's output (default: what the output layer reads)")
        parser.add_argument("--channel", metavar="NAME", help="channel of the thumbnails (default: the first)")
        parser.add_argument("--perplexity", type=float, default=30.0, help="neighbours that count (default: 30)")
        parser.add_argument("--seed", type=int, default=0, help="of the map (default: 0)")
        parser.add_argument("--batch", type=int, default=16, help="images at once (default: 16)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    for name, least in (("perplexity", 1), ("batch", 1), ("seed", 0)):
        value = getattr(flags, name)
        if not (math.isfinite(value) and value >= least):
            raise UserError(f"--{name} {value}: must be at least {least}")
    subject = explanation.load(flags.model, flags.dataset, given)
    folder = explanation.output_folder(subject, "embeddings", flags.out)
    splits = SPLITS if flags.samples == "both" else (flags.samples,)
    activations = collect(subject, splits=splits, layer=flags.layer, channel=flags.channel, batch_size=flags.batch)
    positions = embed(activations.vectors, perplexity=flags.perplexity, seed=flags.seed)
    write(folder, subject, activations, positions)
    logdir = folder
    if subject.run and folder.resolve() == subject.run.embeddings.resolve():
        projector.link(subject.run.path, folder.name)
        logdir = subject.run.path
    print(f"{len(positions)} samples, {activations.layer}; files in {folder}")
    print(f"explore: tensorboard --logdir {logdir}  (then choose Projector)")


if __name__ == "__main__":
    command_line.run(main)
