"""Embedding: which images a network takes for alike, as a map to explore.

    python science/embedding/tsne.py MODEL.hdf5 DATASET.py [--samples both] [--layer NAME] [--perplexity 30] [--out FOLDER]

The activations before the output layer, or of a named one, reduced by principal components and then t-SNE, written into
the run's embeddings/ for TensorBoard's projector (vectors, metadata, thumbnails), as arrays, and as scatter pictures
coloured by value, by class, by outcome (hit, miss, false alarm, correct null) and by date. With --nearest TIME a strip
shows the images that the network takes for most alike.
"""

import numpy

from dataset_models import observation_times
from dataset_models.solar_data import SPLITS
from science.embedding import pictures, projector
from science.embedding.activations import collect, labels, outcomes
from science.explanation import subject as explanation
from tools import atomic_files, command_line, figures, goes_class
from tools.errors import UserError
from tools.options import add_number

MANY = 20_000  # samples from which on openTSNE is the faster one, see benchmarks/tsne.py


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
        Start from random positions: another seed is another map, and only what maps of several seeds share is in the data.
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

    Examples
    --------
    >>> import numpy
    >>> embed(numpy.random.default_rng(0).normal(size=(12, 8)), dimensions=3).shape
    (12, 3)
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
    """Run t-SNE with Barnes and Hut's tree, quicker for few points and good for three dimensions: (n, dimensions)."""
    from sklearn.manifold import TSNE

    return TSNE(dimensions, perplexity=perplexity, init=start, random_state=seed, n_jobs=-1).fit_transform(vectors)


def with_opentsne(vectors, dimensions, perplexity, seed, start="pca"):
    """Run t-SNE with interpolation on a grid, quicker for many points: (n, dimensions)."""
    import openTSNE

    method = openTSNE.TSNE(dimensions, perplexity=perplexity, initialization=start, random_state=seed, n_jobs=-1)
    return numpy.asarray(method.fit(vectors))


def write(folder, subject, activations, positions, *, outcome=None, yes="", strips=(), neighbours=6):
    """Write projector files, arrays and pictures; those of a map in space are called embedding_3d beside those of a flat one.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    activations : science.embedding.activations.Activations
    positions : numpy.ndarray
        (n, 2) or (n, 3), from `embed`.
    outcome : numpy.ndarray, optional
        From `science.embedding.activations.outcomes`.
    yes : str
        What counts as an event and as a yes, in words for the legend of outcomes.
    strips : sequence of int
        Samples whose nearest neighbours are drawn.
    neighbours : int
        How many of them.
    """
    rows = labels(subject, activations, outcome)
    stem, name = ("embedding_3d", "t-SNE-3d") if positions.shape[1] == 3 else ("embedding", "t-SNE")
    with atomic_files.results(folder) as unfinished, figures.style():
        thumbnails = activations.thumbnails
        if "group" in rows:
            thumbnails = projector.framed(thumbnails, pictures.colours_of(rows["group"], "class"))
        vectors = {name: positions, f"activations ({activations.layer})": activations.vectors}
        projector.write(unfinished, vectors, rows, thumbnails, simulated=subject.data.simulated)
        pictures.draw_values(activations, positions, subject.data, unfinished / f"{stem}.png")
        if "group" in rows:
            pictures.draw_groups(rows["group"], "class", activations, positions, subject.data, unfinished / f"{stem}_class.png")
        if outcome is not None:
            file = unfinished / f"{stem}_outcome.png"
            pictures.draw_groups(outcome, "outcome", activations, positions, subject.data, file, words=yes)
        pictures.draw_dates(activations, positions, subject.data, unfinished / f"{stem}_date.png")
        for index in strips:
            stamp = atomic_files.safe_name(f"{activations.times[index]}".replace(":", ""))
            pictures.draw_strip(activations, subject.data, index, neighbours, unfinished / f"nearest_{stamp}.png")
        explanation.write_arrays(
            unfinished / f"{stem}.npz",
            simulated=subject.data.simulated,
            times=activations.times,
            splits=activations.splits,
            vectors=activations.vectors,
            positions=positions,
            predictions=activations.predictions,
            truths=activations.truths,
        )


def _utc(text):
    try:
        return observation_times.from_texts([text], origin="--nearest")[0]
    except UserError as error:
        raise UserError(f"--nearest {text}: is not a time in UTC; write it like 2014-06-01T00:00:00Z") from error


def at_times(times, wanted):
    """Find the samples nearest to some times: list of their places in `times`, none twice.

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
    """Embed the samples of a data set by a layer of a network."""

    def add(parser):
        parser.add_argument("--samples", choices=("both", *SPLITS), default="both", help="split to embed (default: both)")
        parser.add_argument("--layer", metavar="NAME", help="embed this layer's output (default: what the output layer reads)")
        parser.add_argument("--channel", metavar="NAME", help="channel of the thumbnails (default: the first)")
        add_number(
            parser, "--perplexity", float, least=1, most=100_000, default=30.0, help="neighbours that count (default: 30)"
        )
        add_number(parser, "--dimensions", int, least=2, most=3, choices=(2, 3), default=2, help="of the map (default: 2)")
        text = "of random positions to start from (default: start from principal components, the same map at every call)"
        add_number(parser, "--seed", int, least=0, most=2**32 - 1, help=text)
        parser.add_argument("--event", default="M1.0", help="GOES class that is an event in a flux forecast (default: M1.0)")
        add_number(
            parser,
            "--threshold",
            float,
            least=0,
            most=1,
            says="give a probability from 0 to 1",
            default=0.5,
            help="probability that is a yes (default: 0.5)",
        )
        parser.add_argument("--nearest", nargs="+", metavar="TIME", default=[], help="draw the neighbours of these samples")
        add_number(parser, "--neighbours", int, least=1, most=1000, default=6, help="how many of them (default: 6)")
        add_number(parser, "--batch", int, least=1, most=65_536, default=16, help="images at once (default: 16)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
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
    event = subject.data.task == "classification"
    yes = f"yes from a probability of {flags.threshold:g} on" if event else f"event, and yes, from {flags.event} on"
    drawn = {"outcome": outcome, "yes": yes, "strips": strips, "neighbours": flags.neighbours}
    write(folder, subject, activations, positions, **drawn)
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
