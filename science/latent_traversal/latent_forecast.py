"""Forecast flares from the latent variables of a beta-VAE alone, and score the forecast beside its baselines.

    python science/latent_traversal/latent_forecast.py MODEL.hdf5 DATASET.py [--lists LIST] [--block 2] [--out FOLDER]

Logistic regression and gradient boosting learn from the latents of the training split, the beta-VAE's own, and forecast
the validation split. Thresholds are chosen on forecasts of the training split that come from models fitted on other
parts of it. Scores, intervals and baselines (climatology, persistence, flare rate, class table) are those of
science/verification; where the target is not of the time right after a sample, climatology of the training split alone.
Writes the forecasts as CSV, verification.json and the pictures into the run's features/.
"""

import pathlib

import numpy

from dataset_models import flare_catalogue, simulation_mark
from network_models.forecasts import references
from network_models.forecasts.files import Forecasts
from science.explanation import subject as explanation
from science.latent_traversal import latents
from science.verification import output, report
from tools import atomic_files, block_bootstrap, command_line, skill_scores
from tools.errors import UserError
from tools.options import add_number
from tools.paths import Files, data_path

FOLDS = 5
TRAINING, VALIDATION = 0, 1  # as folds of the forecasts
KINDS = ("logistic regression", "gradient boosting")


def classifier(kind, *, seed=0):
    """Make a scikit-learn classifier of `KINDS`, small, since neighbouring hours are much alike."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "logistic regression":
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.05, max_depth=2, min_samples_leaf=30, l2_regularization=1.0, random_state=seed
    )


def cross_fitted(kind, vectors, event, times, *, gap, folds=FOLDS, seed=0):
    """Forecast samples by classifiers that were fitted neither on them nor on their neighbours.

    Parameters
    ----------
    kind : str
    vectors : numpy.ndarray
        (n, k), in the order of time.
    event : numpy.ndarray
        bool (n,).
    times : numpy.ndarray
        ``datetime64[s]`` (n,).
    gap : numpy.timedelta64
        Samples nearer than this to a part are not used to forecast it.
    folds : int
        Parts of equal length.
    seed : int

    Returns
    -------
    numpy.ndarray
        float64 (n,); the event rate of the rest where that has one outcome only.
    """
    result = numpy.empty(len(event))
    for part in numpy.array_split(numpy.arange(len(event)), folds):
        near = (times > times[part[0]] - gap) & (times < times[part[-1]] + gap)
        if near.all():
            near = numpy.isin(numpy.arange(len(event)), part)
        rest = event[~near]
        if rest.all() or not rest.any():
            result[part] = rest.mean() if len(rest) else event.mean()
            continue
        result[part] = classifier(kind, seed=seed).fit(vectors[~near], rest).predict_proba(vectors[part])[:, 1]
    return result


def forecasts(subject, encoded, *, seed=0):
    """Forecast both splits from the latents.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    encoded : science.latent_traversal.latents.Encoded
        Of both splits.
    seed : int

    Returns
    -------
    list of network_models.forecasts.files.Forecasts
        One of each of `KINDS`, in order of time: fold `TRAINING` cross-fitted, fold `VALIDATION` by a classifier of the whole
        training split. The threshold is that of the highest TSS on the training split.

    Raises
    ------
    UserError
        The target is no event, or the training split has one outcome only.
    """
    images = subject.data
    if images.task != "classification":
        raise UserError(f"{images.title}: the target is no event; set its options so that it is (for example a flare)")
    training, validation = encoded.of("training"), encoded.of("validation")
    event = numpy.array([images.truth(time)[0] > 0.5 for time in encoded.times])
    seen = encoded.splits == "training"
    if event[seen].all() or not event[seen].any():
        raise UserError(f"{images.title}: all {seen.sum()} training samples have one outcome; nothing can be learned")
    results = []
    order = numpy.argsort(encoded.times, kind="stable")  # validation may lie before training, or amid it
    fold = numpy.where(seen, TRAINING, VALIDATION)
    for kind in KINDS:
        own = cross_fitted(kind, training.mean, event[seen], training.times, gap=images.reach, seed=seed)
        coming = classifier(kind, seed=seed).fit(training.mean, event[seen]).predict_proba(validation.mean)[:, 1]
        probability = numpy.empty(len(event))
        probability[seen], probability[~seen] = own, coming
        threshold = numpy.full(len(event), skill_scores.best_threshold(own, event[seen])[0])
        name, simulated = f"latents {kind}", images.simulated
        whole = Forecasts(name, encoded.times, probability, event, fold, threshold, simulated=simulated)
        results.append(whole.where(order))
    return results


def events_of(data, lists=None):
    """Read the flares that baselines are made of: `pandas.DataFrame`, or None where the data set has no flare list.

    Parameters
    ----------
    data : SolarData
    lists : sequence of str, optional
        Flare lists, instead of the data set's own.
    """
    if lists:
        return flare_catalogue.read(lists).events
    if hasattr(data, "ground_truth"):
        times = numpy.concatenate([data.times("training"), data.times("validation")])
        return data.ground_truth.flares(times.min(), times.max() + numpy.timedelta64(1, "D"))
    if hasattr(data, "flares"):
        return flare_catalogue.read([data_path("flares", path) for path in data.flares] or [data_path("flares")]).events
    return None


def window_of(data):
    """Find the time that the target of a data set looks at.

    Returns
    -------
    length : numpy.timedelta64
        A day where the data set does not say.
    other : str
        Why baselines, which forecast flares of so long a time from the sample on, would be of another event; else empty.
    """
    window = next((window for window in data.windows if window.kind == "target"), None)
    if window is None:
        return numpy.timedelta64(1, "D"), f"{data.title} does not say which time its target looks at"
    length = window.end - window.begin
    if length and not window.begin:
        return length, ""
    when = f"{window.words} after a sample" if length else f"at the {window.name}, the time of the sample"
    return length, f"the target of {data.title} is {when}"


def verify(forecasts, events, *, window, event, block_days, samples=1000, seed=0):
    """Score forecasts on the validation split.

    Parameters
    ----------
    forecasts : list of Forecasts
        From the function of this name.
    events : pandas.DataFrame or None
        Of the baselines; None leaves climatology alone, the event rate of the training split.
    window : numpy.timedelta64
    event : str
        GOES class.
    block_days : float
        Of the bootstrap.
    samples, seed : int
        Of the bootstrap.

    Returns
    -------
    science.verification.report.Report, science.verification.report.Settings
    """
    keywords = {"window": window, "event": event, "block_days": block_days, "samples": samples, "seed": seed}
    settings = report.Settings(threshold=None, **keywords)
    scored = [forecast.where(forecast.fold == VALIDATION) for forecast in forecasts]
    if events is not None:
        return report.verify(scored, events, settings), settings
    training, times = forecasts[0].event[forecasts[0].fold == TRAINING], scored[0].times
    rate = numpy.full(len(times), references.climatology(training))
    known = Forecasts(report.CLIMATOLOGY, times, rate, None, scored[0].fold, simulated=scored[0].simulated)
    return report.verify(scored, None, settings, references=[known]), settings


def write(folder, forecasts, checked, settings):
    """Write the forecasts of each kind as CSV, and what verification writes.

    Parameters
    ----------
    folder : pathlib.Path
    forecasts : list of Forecasts
    checked : science.verification.report.Report
    settings : science.verification.report.Settings
    """
    import pandas

    for forecast in forecasts:
        table = pandas.DataFrame({"time": [f"{time}Z" for time in forecast.times], "probability": forecast.probability})
        table["target"] = forecast.event.astype(int)
        table = simulation_mark.marked(table, forecast.simulated)
        atomic_files.write_table(folder / f"{atomic_files.safe_name(forecast.name)}.csv", table)
    output.write(folder, checked, settings)


def main(arguments=None):
    """Forecast from the latents of one beta-VAE and verify the forecast."""

    def add(parser):
        parser.add_argument(
            "--lists", nargs="+", action=Files, metavar="LIST", help="flare lists of the baselines (default: the data set's)"
        )
        block_bootstrap.add_flags(parser, seeds="boosting and the bootstrap")
        add_number(parser, "--batch", int, least=1, most=65_536, default=16, help="images at once (default: 16)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    subject = latents.load(flags.model, flags.dataset, given)
    folder = pathlib.Path(explanation.output_folder(subject, "features", flags.out)) / "latent_forecast"
    encoded = latents.encode(subject, batch_size=flags.batch)
    latent_forecasts = forecasts(subject, encoded, seed=flags.seed)
    data = subject.data.data
    window, other = window_of(data)
    events = None if other else events_of(data, flags.lists)
    checked, settings = verify(
        latent_forecasts,
        events,
        window=window,
        event=getattr(data, "threshold", "M1.0"),
        block_days=flags.block,
        samples=flags.samples,
        seed=flags.seed,
    )
    if events is None:
        why = other or f"{data.title} has no flare list (--lists)"
        checked.notes.append(f"of the baselines climatology of the training split alone: {why}")
    write(folder, latent_forecasts, checked, settings)
    print("\n".join(output.table(checked, settings)))
    print(f"wrote {folder}")


if __name__ == "__main__":
    command_line.run(main)
