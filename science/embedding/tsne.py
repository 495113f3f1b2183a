"""Embedding: which images a network takes for alike, as a map to explore.

    python science/embedding/tsne.py MODEL.hdf5 DATASET.py [--samples both] [--layer NAME] [--perplexity 30] [--out FOLDER]

The activations before the output layer, or of a named one, reduced by principal components and then t-SNE, written into
the run's embeddings/ for TensorBoard's projector (vectors, metadata, thumbnails), as arrays, and as scatter pictures
coloured by value, by class, by outcome (hit, miss, false alarm, correct null) and by date. With --nearest TIME a strip
shows the images that the network takes for most alike.
"""

import dataclasses
import math

import numpy

from dataset_models import observation_times
from dataset_models.solar_data import SPLITS
from science.embedding import projector
from science.explanation import subject as explanation
from tools import atomic_files, command_line, figures, goes_class
from tools.errors import UserError

LEAST = 5  # samples; fewer have no neighbourhoods
MANY = 20_000  # samples from which on openTSNE is the faster one, see benchmarks/tsne.py
OUTCOMES = ("hit", "miss", "false alarm", "correct null")


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

    from science.gradients.engine import GradientEngine

    data = subject.data
    times = {split: data.require_samples(split) for split in splits}
    count = sum(map(len, times.values()))
    if count < LEAST:
        raise UserError(f"{data.title}: {count} samples in {', '.join(splits)}; an embedding needs at least {LEAST}")
    place = explanation.channel_place(data, channel)
    painter = projector.Painter(data.channels[place], place, size=projector.thumbnail_size(count))
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


def embed(vectors, *, perplexity=30.0, components=50, dimensions=2, seed=None):
    """Reduce vectors to two or three dimensions: principal components, then t-SNE.

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, units), finite; n at least 5.
    perplexity : float
        About how many neighbours count; lowered to (n - 1) / 3 where there are few samples.
    components : int
        Principal components kept at most.
    dimensions : int
        2 or 3.
    seed : int, optional
        Start from random positions: another seed is another map, and what maps of several seeds share can be believed.
        Without it the start is the first principal components, which keeps the large scale of the data.

    Returns
    -------
    numpy.ndarray
        float32 (n, dimensions). The same seed, or none, and the same vectors give the same map.

    Raises
    ------
    UserError
        All vectors are the same.

    References
    ----------
    van der Maaten & Hinton 2008, Journal of Machine Learning Research 9, 2579; Linderman et al. 2019, Nature Methods 16,
    243 (for many samples in two dimensions).
    """
    from sklearn.decomposition import PCA

    if not numpy.ptp(vectors, axis=0).any():
        raise UserError("the activations are the same for every image: the network does not tell them apart, train it first")
    count = min(components, len(vectors) - 1, vectors.shape[1])
    vectors = numpy.asarray(vectors, "float64" if len(vectors) < MANY else "float32")
    reduced = PCA(count, random_state=0).fit_transform(vectors)
    if reduced.shape[1] < dimensions:
        reduced = numpy.pad(reduced, ((0, 0), (0, dimensions - reduced.shape[1])))  # t-SNE starts from components
    perplexity = min(float(perplexity), (len(vectors) - 1) / 3)
    method = with_opentsne if len(vectors) >= MANY and dimensions == 2 else with_scikit_learn
    start = "pca" if seed is None else "random"
    return method(reduced, dimensions, perplexity, seed or 0, start).astype("float32")


def with_scikit_learn(vectors, dimensions, perplexity, seed, start="pca"):
    """t-SNE by Barnes and Hut's tree, quicker for few points and good for three dimensions: (n, dimensions)."""
    from sklearn.manifold import TSNE

    return TSNE(dimensions, perplexity=perplexity, init=start, random_state=seed, n_jobs=-1).fit_transform(vectors)


def with_opentsne(vectors, dimensions, perplexity, seed, start="pca"):
    """t-SNE by interpolation on a grid, quicker for many points: (n, dimensions)."""
    import openTSNE

    method = openTSNE.TSNE(dimensions, perplexity=perplexity, initialization=start, random_state=seed, n_jobs=-1)
    return numpy.asarray(method.fit(vectors))


def outcomes(data, activations, *, event="M1.0", threshold=0.5):
    """Whether each forecast was a hit, miss, false alarm or correct null.

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
    elif _is_flux(data, activations.truths):
        least = goes_class.to_flux(event)
        forecast, happened = activations.predictions >= least, activations.truths >= least
    else:
        return None
    return numpy.select([happened & forecast, happened, forecast], OUTCOMES[:3], OUTCOMES[3])


def nearest(vectors, index, count):
    """The samples most like one: their places in `vectors` and Euclidean distances, nearest first, itself left out."""
    distances = numpy.linalg.norm(vectors - vectors[index], axis=1)
    distances[index] = numpy.inf
    found = numpy.argsort(distances, kind="stable")[:count]
    return found, distances[found]


def labels(subject, activations, outcome=None):
    """One row of readable facts per sample, for the projector: dict of column name to list.

    ``group`` and ``outcome`` have few values and are meant for colouring: event or no event, or the letter of the GOES
    class; hit, miss, false alarm or correct null.
    """
    data = subject.data
    flux = _is_flux(data, activations.truths)
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


def write(folder, subject, activations, positions, *, outcome=None, strips=(), neighbours=6):
    """Write projector files, arrays and pictures; those of a map in space are called embedding_3d beside those of a flat one.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    activations : Activations
    positions : numpy.ndarray
        (n, 2) or (n, 3), from `embed`.
    outcome : numpy.ndarray, optional
        From `outcomes`.
    strips : sequence of int
        Samples whose nearest neighbours are drawn.
    neighbours : int
        How many of them.
    """
    rows = labels(subject, activations, outcome)
    stem, name = ("embedding_3d", "t-SNE-3d") if positions.shape[1] == 3 else ("embedding", "t-SNE")
    with atomic_files.results(folder) as unfinished, figures.style():
        projector.write(
            unfinished,
            {f"activations ({activations.layer})": activations.vectors, name: positions},
            rows,
            activations.thumbnails,
        )
        _draw(activations, positions, subject.data, unfinished / f"{stem}.png")
        if "group" in rows:
            _draw_groups(rows["group"], "class", activations, positions, subject.data, unfinished / f"{stem}_class.png")
        if outcome is not None:
            _draw_groups(outcome, "outcome", activations, positions, subject.data, unfinished / f"{stem}_outcome.png")
        _draw_dates(activations, positions, subject.data, unfinished / f"{stem}_date.png")
        for index in strips:
            stamp = atomic_files.safe_name(f"{activations.times[index]}".replace(":", ""))
            _draw_strip(activations, subject.data, index, neighbours, unfinished / f"nearest_{stamp}.png")
        numpy.savez_compressed(
            unfinished / f"{stem}.npz",
            times=activations.times,
            splits=activations.splits,
            vectors=activations.vectors,
            positions=positions,
            predictions=activations.predictions,
            truths=activations.truths,
        )


def _panels(positions, columns, figsize):
    solid = {"subplot_kw": {"projection": "3d"}} if positions.shape[1] == 3 else {"sharex": True, "sharey": True}
    figure, axes = figures.new(1, columns, figsize=figsize, squeeze=False, **solid)
    for panel in axes[0]:
        panel.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
        if positions.shape[1] == 3:
            panel.set(zlabel="t-SNE 3", zticks=[])
    return figure, list(axes[0])


def _look(positions):
    size = max(3, min(40, 6000 / len(positions)))
    return {"s": size, "linewidths": 0.3 if size > 8 else 0.0, "edgecolors": "0.4"}


def _heading(figure, activations, data):
    heading = figures.title(f"{activations.layer}: {data.title}", simulated=data.simulated)
    figure.suptitle(f"{heading}\n{data.target_label}", fontsize="medium")


def _draw(activations, positions, data, path):
    flux = _is_flux(data, activations.truths)
    unit = "W m$^{-2}$" if flux else "probability" if data.task == "classification" else data.target_label
    values = {"true value": activations.truths, "forecast": activations.predictions}
    figure, axes = _panels(positions, 2, (12.5, 5.6))
    norm = _norm(numpy.concatenate(list(values.values())), flux, data.task)
    for panel, (name, colours) in zip(axes, values.items(), strict=True):
        for marker, split in zip(figures.MARKERS, dict.fromkeys(activations.splits), strict=False):
            chosen = activations.splits == split
            look = {"norm": norm, "cmap": "cividis", "marker": marker, "label": f"{split} ({chosen.sum()})"}
            drawn = panel.scatter(*positions[chosen].T, c=colours[chosen], **look, **_look(positions))
        panel.set_title(name)
    figure.colorbar(drawn, ax=axes, label=unit)
    legend = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    for handle in legend.legend_handles:
        handle.set(array=None, facecolor="0.4", sizes=[40])  # shapes tell the splits apart, not colours
    _heading(figure, activations, data)
    figures.save(figure, path)


def _draw_groups(groups, name, activations, positions, data, path):
    groups = numpy.asarray(groups)
    known = OUTCOMES if name == "outcome" else tuple(sorted(set(groups)))
    colours = dict(zip(OUTCOMES, (figures.PALETTE[2], figures.PALETTE[1], figures.PALETTE[4], "0.72"), strict=True))
    if name != "outcome":
        colours = dict(zip(known, figures.PALETTE * (1 + len(known) // len(figures.PALETTE)), strict=False))
    figure, (panel,) = _panels(positions, 1, (7.6, 7.2))
    # The rarer kinds are drawn last, over the others.
    for kind in sorted(known, key=lambda one: -(groups == one).sum()):
        chosen = groups == kind
        marker = figures.MARKERS[known.index(kind) % len(figures.MARKERS)]
        panel.scatter(
            *positions[chosen].T, color=colours[kind], marker=marker, label=f"{kind} ({chosen.sum()})", **_look(positions)
        )
    # Below the map: beside it the title, which is centred on the whole figure, would run into it.
    legend = figure.legend(loc="outside lower center", title=name, ncols=min(len(known), 4))
    for handle in legend.legend_handles:
        handle.set(sizes=[40])
    _heading(figure, activations, data)
    figures.save(figure, path)


def _draw_dates(activations, positions, data, path):
    from matplotlib import dates

    figure, (panel,) = _panels(positions, 1, (8.2, 6.4))
    days = dates.date2num(activations.times)
    drawn = panel.scatter(*positions.T, c=days, cmap="viridis", **_look(positions))
    locator = dates.AutoDateLocator()
    figure.colorbar(drawn, ax=panel, ticks=locator, format=dates.ConciseDateFormatter(locator), label="time (UTC)")
    _heading(figure, activations, data)
    figures.save(figure, path)


def _draw_strip(activations, data, index, count, path):
    found, distances = nearest(activations.vectors, index, count)
    channel = data.channels[0]
    chosen = [index, *found]
    shown = [data.inputs(activations.times[place])[data.image_inputs[0]][..., 0] for place in chosen]
    table, norm = figures.image_look(numpy.stack(shown), channel.colour_table, logarithmic=channel.logarithmic)
    figure, axes = figures.new(1, len(chosen), figsize=(2.3 * len(chosen), 3.5))
    for axis, image, place, distance in zip(axes, shown, chosen, [None, *distances], strict=True):
        axis.imshow(image, cmap=table, norm=norm)
        axis.set(xticks=[], yticks=[])
        truth, forecast = activations.truths[place], activations.predictions[place]
        if _is_flux(data, activations.truths):
            words = f"was {goes_class.from_flux(truth)}, forecast {goes_class.from_flux(max(forecast, 1e-9))}"
        elif data.task == "classification":
            words = f"{'event' if truth > 0.5 else 'no event'}, forecast {forecast:.2f}"
        else:
            words = f"was {truth:.3g}, forecast {forecast:.3g}"
        where = "this image" if distance is None else f"distance {distance:.3g}"
        axis.set_title(f"{where}\n{str(activations.times[place])[:16].replace('T', ' ')}\n{words}", fontsize=9)
    heading = f"Nearest neighbours by {activations.layer}, {channel.name}: {data.title}"
    figure.suptitle(figures.title(heading, simulated=data.simulated), fontsize=11)
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


def _utc(text):
    try:
        return observation_times.from_texts([text], origin="--nearest")[0]
    except UserError as error:
        raise UserError(f"--nearest {text}: is not a time in UTC; write it like 2014-06-01T00:00:00Z") from error


def at_times(times, wanted):
    """The samples nearest to some times: list of their places in `times`, none twice.

    Raises
    ------
    UserError
        A time is before the first or after the last sample.
    """
    first, last = times.min(), times.max()
    for time in wanted:
        if not first <= time <= last:
            raise UserError(f"--nearest {time}Z: the samples are of {first}Z to {last}Z; give a time in between")
    return list(dict.fromkeys(int(numpy.abs(times - time).argmin()) for time in wanted))


def main(arguments=None):
    """Embed the samples of a data set as one network sees them."""

    def add(parser):
        parser.add_argument("--samples", choices=("both", *SPLITS), default="both", help="split to embed (default: both)")
        parser.add_argument("--layer", metavar="NAME", help="embed this layer's output (default: what the output layer reads)")
        parser.add_argument("--channel", metavar="NAME", help="channel of the thumbnails (default: the first)")
        parser.add_argument("--perplexity", type=float, default=30.0, help="neighbours that count (default: 30)")
        parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2, help="of the map (default: 2)")
        text = "of random positions to start from (default: start from principal components, the same map at every call)"
        parser.add_argument("--seed", type=int, help=text)
        parser.add_argument("--event", default="M1.0", help="GOES class that is an event in a flux forecast (default: M1.0)")
        parser.add_argument("--threshold", type=float, default=0.5, help="probability that is a yes (default: 0.5)")
        parser.add_argument("--nearest", nargs="+", metavar="TIME", default=[], help="draw the neighbours of these samples")
        parser.add_argument("--neighbours", type=int, default=6, help="how many of them (default: 6)")
        parser.add_argument("--batch", type=int, default=16, help="images at once (default: 16)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    for name, least in (("perplexity", 1), ("batch", 1), ("seed", 0), ("neighbours", 1)):
        value = getattr(flags, name)
        if value is not None and not (math.isfinite(value) and value >= least):
            raise UserError(f"--{name} {value}: must be at least {least}")
    if not 0 <= flags.threshold <= 1:
        raise UserError(f"--threshold {flags.threshold:g}: give a probability from 0 to 1")
    try:
        goes_class.to_flux(flags.event)
    except ValueError as error:
        raise UserError(f"--event {flags.event}: is no GOES class; write it like M1.0") from error
    wanted = [_utc(text) for text in flags.nearest]
    subject = explanation.load(flags.model, flags.dataset, given)
    folder = explanation.output_folder(subject, "embeddings", flags.out)
    splits = SPLITS if flags.samples == "both" else (flags.samples,)
    strips = at_times(numpy.concatenate([subject.data.require_samples(split) for split in splits]), wanted)
    activations = collect(subject, splits=splits, layer=flags.layer, channel=flags.channel, batch_size=flags.batch)
    positions = embed(activations.vectors, perplexity=flags.perplexity, dimensions=flags.dimensions, seed=flags.seed)
    outcome = outcomes(subject.data, activations, event=flags.event, threshold=flags.threshold)
    write(folder, subject, activations, positions, outcome=outcome, strips=strips, neighbours=flags.neighbours)
    logdir = folder
    if subject.run and folder.resolve() == subject.run.embeddings.resolve():
        projector.link(subject.run.path, folder.name)
        logdir = subject.run.path
    print(f"{len(positions)} samples, {activations.layer}; files in {folder}")
    for index in strips:
        print(f"neighbours of the sample of {activations.times[index]}Z drawn")
    print(f"explore: tensorboard --logdir {logdir}  (then choose Projector)")


if __name__ == "__main__":
    command_line.run(main)
