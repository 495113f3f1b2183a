"""Calibration: probabilities that mean what they say, fitted on time held out of the network's training.

    python network_models/forecasts/calibration.py fit FORECASTS.csv [MORE.csv ...] --out RUN/calibration.json [--kind isotonic]
    python network_models/forecasts/calibration.py apply RUN/calibration.json FORECASTS.csv --out CALIBRATED.csv
    python network_models/forecasts/calibration.py cross FOLD1.csv FOLD2.csv [MORE.csv ...] --out FOLDER

Forecasts are CSV files with a time, a probability and, to fit, a target: those of a run's evaluation and published ones.
Targets that they lack come from the lists given with --flares.
A network trained with class weights, or for too long, overstates flares; its order of hours can still be good. A
calibration changes the probabilities and keeps the order. With --coverage the file also holds conformal sets (see
network_models.forecasts.conformal), and applying it gives for each hour which of yes and no cannot be excluded. With cross each
file is a fold of one cross-validation and is recalibrated on the others.
"""

import dataclasses
import json
import pathlib
import typing

import numpy

from dataset_models import leak_check, simulation_mark
from network_models.forecasts import conformal as conformal_sets
from network_models.forecasts import files as forecast_files
from tools import atomic_files, command_line
from tools.errors import UserError
from tools.options import add_duration, add_number
from tools.paths import Files
from tools.reading import structures

KINDS = ("isotonic", "platt", "temperature")
FORMAT = "calibration 1"
NAME = "calibration.json"  # beside the network's .hdf5
LARGEST_LOGIT = 16.0  # float32 outputs closer to 0 or 1 than 1e-7 have lost their logit
HELD_TOGETHER = numpy.timedelta64(24, "h")  # gaps up to this, or up to twice the usual one, do not end a period of a fit


def logit(probability):
    """Compute log-odds of probabilities, at most `LARGEST_LOGIT` in size: float64 of the same shape."""
    probability = numpy.asarray(probability, "float64")
    with numpy.errstate(divide="ignore"):
        odds = numpy.log(probability) - numpy.log1p(-probability)
    return numpy.clip(odds, -LARGEST_LOGIT, LARGEST_LOGIT)


def probability_of(logits):
    """Probabilities of log-odds: float64 of the same shape."""
    return 0.5 * (1 + numpy.tanh(numpy.asarray(logits, "float64") / 2))


@dataclasses.dataclass(frozen=True)
class Scaling:
    """Log-odds times `slope` plus `offset`; temperature scaling has a slope of 1 / temperature and no offset."""

    kind: str
    slope: float
    offset: float = 0.0

    def apply(self, probability):
        """Calibrated probabilities: float64 of the shape given."""
        return probability_of(self.slope * logit(probability) + self.offset)


@dataclasses.dataclass(frozen=True)
class Isotonic:
    """A non-decreasing broken line through `points` (probability, float64 (k,)) and `values` (calibrated, (k,))."""

    points: numpy.ndarray
    values: numpy.ndarray
    kind: str = "isotonic"

    def apply(self, probability):
        """Calibrated probabilities: float64 of the shape given."""
        return numpy.interp(numpy.asarray(probability, "float64"), self.points, self.values)


def fit(values, event, *, kind="isotonic", logits=False):
    """Fit a calibration.

    Parameters
    ----------
    values : array_like (n,)
        Forecast probabilities, or log-odds if `logits`, of hours that the network was not trained on.
    event : array_like (n,) of bool or 0 and 1
    kind : str
        ``"temperature"`` (one number; the probability 0.5 stays where it is), ``"platt"`` (two: slope and offset, which
        also undoes class weights) or ``"isotonic"`` (any non-decreasing function).
    logits : bool
        Whether `values` are log-odds.

    Returns
    -------
    Scaling or Isotonic

    Raises
    ------
    UserError
        Values that are no probabilities; no event, or nothing but events; forecasts that are the lower the more events.

    References
    ----------
    Guo et al. 2017, ICML, arXiv:1706.04599 (temperature); Platt 1999 (slope and offset); Zadrozny & Elkan 2002, KDD
    (isotonic).

    Notes
    -----
    Isotonic regression calls its ends certain. Here no probability comes closer to 0 or 1 than 1 / (n + 2), as a rule
    of succession has it, so that the logarithmic score stays finite.
    """
    probability, event = forecast_files.checked(probability_of(values) if logits else values, event)
    if event.all() or not event.any():
        answer = "yes" if event.all() else "no"
        raise UserError(f"calibration: all {len(event)} outcomes are {answer}; give hours of both kinds")
    if kind == "isotonic":
        return _isotonic(probability, event)
    if kind in KINDS:
        return _scaling(kind, logit(probability), event)
    raise UserError(f"calibration kind {kind!r}: choose one of {', '.join(KINDS)}")


def _isotonic(probability, event):
    from sklearn.isotonic import IsotonicRegression

    certain = 1 / (len(event) + 2)
    line = IsotonicRegression(y_min=certain, y_max=1 - certain, out_of_bounds="clip").fit(probability, event)
    if line.y_thresholds_[-1] <= line.y_thresholds_[0]:
        raise UserError("calibration: hours with higher forecasts do not flare more often; there is nothing to calibrate")
    return Isotonic(line.X_thresholds_.astype("float64"), line.y_thresholds_.astype("float64"))


def _scaling(kind, odds, event):
    import scipy.optimize

    sign = numpy.where(event, -1.0, 1.0)

    def loss(parameters):
        slope, offset = parameters if kind == "platt" else (parameters[0], 0.0)
        margin = sign * (slope * odds + offset)
        share = sign * probability_of(margin)
        gradient = [numpy.mean(share * odds), numpy.mean(share)]
        return numpy.mean(numpy.logaddexp(0, margin)), numpy.array(gradient[: len(parameters)])

    start = numpy.array([1.0, 0.0] if kind == "platt" else [1.0])
    minimum = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9})
    if minimum.x[0] <= 0:
        raise UserError("calibration: hours with higher forecasts do not flare more often; there is nothing to calibrate")
    return Scaling(kind, *map(float, minimum.x))


def apply(calibration, values, *, logits=False):
    """Calibrated probabilities.

    Parameters
    ----------
    calibration : Scaling or Isotonic
    values : array_like (n,)
        Probabilities, or log-odds if `logits`.

    Returns
    -------
    numpy.ndarray
        float64 (n,).
    """
    probability, _ = forecast_files.checked(probability_of(values) if logits else values)
    return calibration.apply(probability)


class Saved(typing.NamedTuple):
    """Hold the contents of a calibration file.

    Attributes
    ----------
    calibration : Scaling or Isotonic
    conformal : network_models.forecasts.conformal.Conformal or None
        It takes the network's own probabilities, not the calibrated ones.
    periods : numpy.ndarray
        ``datetime64[s]`` (k, 2): first and last time of each period that it was fitted on; (0, 2) when unknown.
    simulated : bool
        Whether it was fitted on forecasts of simulated data.
    """

    calibration: Scaling | Isotonic
    conformal: conformal_sets.Conformal | None
    periods: numpy.ndarray
    simulated: bool = False


def save(path, calibration, *, conformal=None, times=(), simulated=False):
    """Write a calibration as JSON, complete or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        `NAME` in the folder of the network's .hdf5 by convention.
    calibration : Scaling or Isotonic
    conformal : network_models.forecasts.conformal.Conformal, optional
    times : array_like
        ``datetime64`` (n,) of the forecasts that it was fitted on, in any order.
    simulated : bool
        Whether these are of simulated data.
    """
    content = {"format": FORMAT, "kind": calibration.kind}
    if isinstance(calibration, Isotonic):
        content |= {"points": calibration.points.tolist(), "values": calibration.values.tolist()}
    else:
        content |= {"slope": calibration.slope, "offset": calibration.offset}
    content["fitted_on"] = [[f"{moment}Z" for moment in period] for period in periods(times)]
    content["conformal"] = None if conformal is None else conformal.as_dictionary()
    content |= simulation_mark.entry(simulated)
    atomic_files.write_text(path, json.dumps(content, indent=1) + "\n")


def load(path):
    """Read a calibration.

    Parameters
    ----------
    path : str or pathlib.Path
        A calibration file; or a network's .hdf5, for the one beside it.

    Returns
    -------
    Saved

    Raises
    ------
    UserError
        The file is missing, not a calibration, or its numbers make no sense.
    """
    path = pathlib.Path(path)
    path = path.parent / NAME if path.suffix in (".hdf5", ".h5", ".keras") else path
    content = read_json(path, FORMAT)
    try:
        if content["kind"] == "isotonic":
            calibration = Isotonic(*(numpy.array(content[name], "float64") for name in ("points", "values")))
            increasing = numpy.all(numpy.diff(calibration.points) >= 0) and numpy.all(numpy.diff(calibration.values) >= 0)
            inside = all(numpy.all((line >= 0) & (line <= 1)) for line in (calibration.points, calibration.values))
            sound = len(calibration.points) == len(calibration.values) > 0 and increasing and inside
        else:
            calibration = Scaling(content["kind"], float(content["slope"]), float(content["offset"]))
            sound = calibration.kind in KINDS and calibration.slope > 0 and numpy.isfinite(calibration.offset)
        conformal = content["conformal"] and conformal_sets.Conformal.from_dictionary(content["conformal"])
        texts = [moment.removesuffix("Z") for period in content["fitted_on"] for moment in period]
        spans = numpy.array(texts, "datetime64[s]").reshape(-1, 2)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not a sound calibration file ({type(error).__name__}: {error}); fit it again") from error
    if not sound:
        raise UserError(f"{path}: not a sound calibration file (it does not increase); fit it again")
    return Saved(calibration, conformal or None, spans, bool(content.get("simulated", False)))


def read_json(path, form):
    """Read a JSON object whose entry format is `form`: dict; a `UserError` when the file is anything else."""
    content = structures.read_json(path, kind=dict, finite=True, advice=f"give a file of format {form!r}, or fit one first")
    if content.get("format") != form:
        raise UserError(f"{path}: not a file of format {form!r}; give one that this program wrote")
    return content


def periods(times):
    """Find the first and last time of each run of times that no long gap interrupts: ``datetime64[s]`` (k, 2).

    Gaps are long above `HELD_TOGETHER` and above twice their median: of every hundredth hour, the hours between belong to it.
    """
    times = numpy.sort(numpy.asarray(times, "datetime64[s]"))
    if not len(times):
        return numpy.empty((0, 2), "datetime64[s]")
    gaps = numpy.diff(times)
    longest = max(HELD_TOGETHER, 2 * numpy.median(gaps)) if len(gaps) else HELD_TOGETHER
    ends = numpy.flatnonzero(gaps > longest)
    return numpy.stack([times[numpy.append(0, ends + 1)], times[numpy.append(ends, len(times) - 1)]], axis=1)


def inside(times, spans):
    """Find which times lie in one of the periods: bool (n,)."""
    times = numpy.asarray(times, "datetime64[s]")
    last = numpy.searchsorted(spans[:, 0], times, "right") - 1
    return (last >= 0) & (times <= spans[numpy.maximum(last, 0), 1]) if len(spans) else numpy.zeros(len(times), bool)


def cross_fitted(forecasts, *, kind="isotonic", window=None):
    """Forecasts of several folds, each recalibrated on the other folds.

    Parameters
    ----------
    forecasts : network_models.forecasts.files.Forecasts
        With outcomes, of at least two folds.
    kind : str
        As of `fit`.
    window : numpy.timedelta64, optional
        That a forecast is for: hours of other folds whose windows overlap one of the fold are not fitted on either.

    Returns
    -------
    numpy.ndarray
        float64 (n,).

    Raises
    ------
    UserError
        There is one fold only, or as `fit`.
    """
    folds = numpy.unique(forecasts.fold)
    if len(folds) < 2:
        raise UserError(f"{forecasts.name}: one file is one fold; give two or more, each is calibrated on the others")
    result = numpy.empty(len(forecasts))
    for fold in folds:
        mine = forecasts.fold == fold
        others = ~mine
        if window is not None:
            seconds = forecasts.times.astype("int64")
            others &= leak_check.distance(seconds, seconds[mine]) >= window / numpy.timedelta64(1, "s")
        fitted = fit(forecasts.probability[others], forecasts.event[others], kind=kind)
        result[mine] = fitted.apply(forecasts.probability[mine])
    return result


def main(arguments=None):
    """Fit a calibration on forecasts of known outcome, or apply one to others."""
    parser = command_line.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="fit | apply | cross")
    fitting = commands.add_parser("fit", help="fit a calibration on forecasts of held-out hours")
    fitting.add_argument("forecasts", nargs="+", action=Files, metavar="CSV", help="forecasts with their outcomes")
    fitting.add_argument("--out", required=True, metavar="JSON", help=f"the calibration; {NAME} beside the network")
    fitting.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(default: %(default)s)")
    text = "also fit conformal sets that hold the truth this often, in flaring and in quiet hours"
    add_number(
        fitting,
        "--coverage",
        float,
        least=1e-6,
        most=1 - 1e-6,
        says="give a share between 0 and 1, for example 0.9",
        metavar="SHARE",
        help=text,
    )
    text = "days that are taken as one draw, for conformal sets (default: %(default)g, a solar rotation)"
    add_duration(fitting, "--block", "days", default=27.0, help=text)
    forecast_files.add_flare_flags(fitting, "outcomes that the files lack", history=False)
    applying = commands.add_parser("apply", help="apply a calibration to forecasts")
    applying.add_argument("calibration", help="calibration file, or the network that it lies beside")
    applying.add_argument("forecasts", metavar="CSV", help="forecasts, with or without outcomes")
    applying.add_argument("--out", required=True, metavar="CSV", help="calibrated forecasts")
    text = "also calibrate hours that the calibration was fitted on (their scores mean nothing)"
    applying.add_argument("--fitted_hours", action="store_true", help=text)
    crossing = commands.add_parser("cross", help="recalibrate each fold of a cross-validation on the others")
    crossing.add_argument(
        "forecasts", nargs="+", action=Files, metavar="CSV", help="forecasts with their outcomes, a file for each fold"
    )
    crossing.add_argument("--out", required=True, metavar="FOLDER", help="recalibrated forecasts, under the files' names")
    crossing.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(default: %(default)s)")
    forecast_files.add_flare_flags(crossing, "outcomes that the files lack", history=False)
    options = parser.parse_args(arguments)
    {"fit": _fit_files, "apply": _apply_file, "cross": _cross_files}[options.command](options)


def _labelled(options):
    """Read the forecasts of the files, with the outcomes of the flare lists where they have none."""
    from dataset_models import flare_catalogue

    window, threshold, until, _ = forecast_files.flare_flags(options)
    events = flare_catalogue.read(options.flares).events if options.flares else None
    read = forecast_files.read(options.forecasts, target=None if events is None else False)
    labelled, note = forecast_files.labelled(read, events, window=window, threshold=threshold, until=until)
    if note:
        print(note)
    return labelled


def _fit_files(options):
    read = _labelled(options)
    calibration = fit(read.probability, read.event, kind=options.kind)
    sets = None
    if options.coverage is not None:
        block = conformal_sets.block_length(options.block)
        sets = conformal_sets.fit(read.probability, read.event, read.times, coverage=options.coverage, block=block)
    save(options.out, calibration, conformal=sets, times=read.times, simulated=read.simulated)
    before, after = (
        numpy.mean((values - read.event) ** 2) for values in (read.probability, calibration.apply(read.probability))
    )
    print(
        f"{calibration.kind} on {len(read)} forecasts, {read.event.sum()} flaring;"
        f" Brier score {before:.4f}, of the fit {after:.4f}"
    )
    if sets is not None:
        print("\n".join(sets.statement()))
    print(f"wrote {options.out}")


def _cross_files(options):
    read = _labelled(options)
    probability = cross_fitted(read, kind=options.kind, window=forecast_files.flare_flags(options)[0])
    names = [pathlib.Path(path).name for path in options.forecasts]
    if len(set(names)) < len(names):
        raise UserError("two of the files have one name; rename them, the results take these names")
    for fold, name in enumerate(names):
        mine = read.fold == fold
        part = read.where(mine)
        columns = {"probability": probability[mine], "target": part.event.astype(int)}
        forecast_files.write(
            pathlib.Path(options.out) / name, part.times, files=part.files, simulated=part.simulated, **columns
        )
    before, after = (numpy.mean((values - read.event) ** 2) for values in (read.probability, probability))
    print(f"{options.kind}, {len(names)} folds: Brier score {before:.4f} before, {after:.4f} after; wrote {options.out}")


def _apply_file(options):
    saved = load(options.calibration)
    read = forecast_files.read(options.forecasts, target=False)
    times, probability, event = read.times, read.probability, read.event
    fitted = inside(times, saved.periods)
    if fitted.any() and not options.fitted_hours:
        raise UserError(
            f"{options.forecasts}: {fitted.sum()} of {len(times)} hours were used to fit {options.calibration};"
            " give other hours, or --fitted_hours to calibrate them all the same"
        )
    columns = {
        "probability": apply(saved.calibration, probability),
        "target": None if event is None else event.astype(int),
        "set": None if saved.conformal is None else conformal_sets.words(saved.conformal.sets(probability)),
    }
    forecast_files.write(options.out, times, files=read.files, simulated=read.simulated or saved.simulated, **columns)
    print(f"{saved.calibration.kind} applied to {len(times)} forecasts: {options.out}")


if __name__ == "__main__":
    command_line.run(main)
