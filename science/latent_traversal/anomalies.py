"""Images that are unusual to a beta-VAE: the reconstruction error of every image as a time series.

    python science/latent_traversal/anomalies.py MODEL.hdf5 DATASET.py [--count 6] [--out FOLDER]

The anomaly score is the reconstruction error in standard deviations from the mean of the training split. Draws it over
time, with the samples that an event followed marked, and the images of the highest scores with their reconstructions;
writes anomalies.csv. Everything goes into the run's features/.
"""

import numpy

from dataset_models import simulation_mark
from dataset_models.solar_data import SPLITS
from science.explanation import subject as explanation
from science.latent_traversal import latents
from tools import atomic_files, command_line, figures, tables
from tools.options import add_number


def scores(encoded):
    """Compute anomaly scores: float64 (n,), standard deviations from the mean of the training split.

    Parameters
    ----------
    encoded : science.latent_traversal.latents.Encoded
        With samples of the training split.
    """
    usual = encoded.error[encoded.splits == "training"]
    return (encoded.error - usual.mean()) / (usual.std() or 1.0)


def write(folder, subject, encoded, *, count=6):
    """Write anomalies.csv, the time series and the most unusual images.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    encoded : latents.Encoded
        Of both splits.
    count : int
        Images shown.
    """
    import pandas

    from network_models.beta_vae import pictures

    images, score = subject.data, scores(encoded)
    truth = numpy.array([images.truth(time)[0] for time in encoded.times])
    heading = figures.title(images.title, simulated=images.simulated)
    highest = distinct(score, encoded.times, count, apart=images.reach)
    shown = numpy.stack([images.image(encoded.times[place]) for place in highest])
    rebuilt = numpy.asarray(subject.model.images(subject.model(shown, training=False)["output"]))
    with atomic_files.results(folder) as unfinished:
        columns = {
            "time": [f"{time}Z" for time in encoded.times],
            "split": encoded.splits,
            "reconstruction_error": encoded.error,
            "mean_squared_error": encoded.squares,
            "score": score,
            "true_value": truth,
        }
        table = simulation_mark.marked(pandas.DataFrame(columns), images.simulated)
        tables.write(unfinished / "anomalies.csv", table, float_format="%.6g")
        draw(encoded, score, truth > 0.5 if images.task == "classification" else None, heading, unfinished / "anomalies.png")
        labels = [f"{images.sample_name(encoded.times[place])}\nscore {score[place]:.1f}" for place in highest]
        path = unfinished / "most_unusual.png"
        pictures.reconstructions(path, shown, rebuilt, labels=labels, title=f"{heading}: the most unusual images")


def distinct(score, times, count, *, apart):
    """Find the places of the highest scores, no two nearer in time than `apart`: list of int, the highest first.

    Examples
    --------
    >>> import numpy
    >>> distinct(numpy.array([1.0, 5.0, 4.0, 3.0]), numpy.array([0, 1, 2, 9]), 2, apart=3)
    [1, 3]
    """
    places = []
    for place in numpy.argsort(-score, kind="stable"):
        if all(abs(times[place] - times[other]) >= apart for other in places):
            places.append(int(place))
        if len(places) == count:
            break
    return places


def draw(encoded, score, event, heading, path):
    """Draw anomaly scores over time; arguments as `write` has them, `event` bool (n,) or None."""
    with figures.style():
        figure, axes = figures.new(figsize=(10, 4.2))
        for colour, split in zip(figures.PALETTE, SPLITS, strict=False):
            members = encoded.splits == split
            axes.plot(encoded.times[members], score[members], ".", markersize=4, color=colour, label=split)
        if event is not None and event.any():
            top = score.max() + 0.06 * numpy.ptp(score)
            marks = encoded.times[event]
            axes.plot(marks, numpy.full(len(marks), top), "|", color=figures.PALETTE[3], label="an event follows")
        axes.axhline(0, color="0.7", linewidth=1, zorder=0)
        axes.set(ylabel="reconstruction error\n(deviations from training)", title=heading)
        figures.utc_axis(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        figures.save(figure, path)


def main(arguments=None):
    """Score every image of both splits."""

    def add(parser):
        add_number(parser, "--count", int, least=1, most=10_000, default=6, help="images shown, the most unusual (default: 6)")
        add_number(parser, "--batch", int, least=1, most=65_536, default=16, help="images at once (default: 16)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    subject = latents.load(flags.model, flags.dataset, given)
    folder = explanation.output_folder(subject, "features", flags.out)
    encoded = latents.encode(subject, batch_size=flags.batch)
    write(folder, subject, encoded, count=flags.count)
    score = scores(encoded)
    for split in SPLITS:
        part = score[encoded.splits == split]
        print(f"{split}: mean score {part.mean():.2f}, highest {part.max():.2f}")
    print(f"files in {folder}")


if __name__ == "__main__":
    command_line.run(main)
