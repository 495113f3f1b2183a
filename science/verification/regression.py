"""Verification of X-ray flux forecasts: errors in dex, skill, and the flux read as a forecast of classes."""

import dataclasses
import json
import math
import pathlib
import sys

import numpy

from dataset_models import observation_times, simulation_mark
from network_models.forecasts.files import Forecasts
from science.verification import output, report
from science.verification.scores import words as written
from tools import atomic_files, figures, skill_scores, tables
from tools.block_bootstrap import interval
from tools.errors import UserError
from tools.views import Table, View

COLUMNS = ("prediction", "true_value", "prior_value")
CLASSES = {"below C": (0.0, 1e-6), "C": (1e-6, 1e-5), "M": (1e-5, 1e-4), "X": (1e-4, numpy.inf)}
BOUNDS = (1e-6, 1e-5, 1e-4)
LEAST_SPREAD = 0.01  # dex
MANY = 500  # forecasts from which on points are drawn small
KINDS = ("rmse", "mae", "bias", "correlation", "skill_persistence", "skill_climatology", "gmgs")
ERRORS = ("rmse", "mae", "bias")  # those that each class of true fluxes has too


def is_flux(path):
    """Check whether a CSV holds flux forecasts, as a run writes them: values that are not 0 or 1, or not known yet."""
    if not pathlib.Path(path).is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        header = file.readline().strip().split(",")
    if not set(COLUMNS) <= set(header):
        return False
    values = tables.read(path)["true_value"].dropna()
    return not len(values) or not set(values.unique()) <= {0, 1}


def read(path):
    """Read the flux forecasts of a CSV.

    Returns
    -------
    times : numpy.ndarray
        ``datetime64[s]`` (n,).
    forecast, truth, prior : numpy.ndarray
        float64 (n,), W m^-2; prior is what persistence forecasts.

    Raises
    ------
    UserError
        A column is missing, a value is not above zero, times are repeated, no true value is known.

    Notes
    -----
    Forecasts from images of now have no true value yet: such rows are left out, and counted on standard error.
    """
    table = tables.read(path)
    times = observation_times.checked(observation_times.table_times(table, origin=str(path)), origin=str(path))
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; give flux forecasts as a run writes them")
    usable = (table["true_value"].notna() & table["prior_value"].notna()).to_numpy()
    if not usable.any():
        raise UserError(f"{path}: no true value is known of its {len(table)} forecasts; forecast again once the flux is there")
    if not usable.all():
        print(f"{path}: {(~usable).sum()} forecasts left out whose true value is not known", file=sys.stderr)
        table, times = table[usable], times[usable]
    try:
        columns = [table[name].to_numpy("float64") for name in COLUMNS]
    except ValueError as error:
        raise UserError(f"{path}: holds something else than numbers ({error})") from error
    for name, values in zip(COLUMNS, columns, strict=True):
        wrong = ~((values > 0) & numpy.isfinite(values))
        if wrong.any():
            raise UserError(f"{path}: column {name}: {wrong.sum()} values are not above zero; fluxes are in W m^-2")
    return times, *columns


def scores(forecast, truth, prior, *, climatology=None, spread=None):
    """Compute errors of flux forecasts, in dex.

    Parameters
    ----------
    forecast, truth, prior : array_like (n,)
        W m^-2.
    climatology : float, optional
        Mean log10 flux of training time; without it that of these hours, which flatters climatology.
    spread : float, optional
        Standard deviation of the errors, in dex, for class probabilities; without it that of these very errors.

    Returns
    -------
    dict
        Of all: rmse, mae, bias, correlation, skill_persistence, skill_climatology, gmgs; ``classes``: the same errors for
        the hours of each true class, with their number.

    Examples
    --------
    >>> result = scores(forecast=[1e-6, 2e-5], truth=[1e-6, 1e-5], prior=[1e-6, 1e-6])
    >>> round(result["rmse"], 3), result["classes"]["M"]["hours"]
    (0.213, 1)
    """
    forecast, truth, prior = (numpy.log10(numpy.asarray(values, "float64")) for values in (forecast, truth, prior))
    climatology = truth.mean() if climatology is None else climatology
    result = skill_scores.regression_scores(forecast, truth, {"persistence": prior, "climatology": climatology})
    result["gmgs"] = float(skill_scores.gandin_murphy_gerrity_score(_confusion(10**forecast, 10**truth)))
    result["classes"] = {}
    for name, (least, most) in CLASSES.items():
        inside = (truth >= numpy.log10(max(least, 1e-300))) & (truth < numpy.log10(most))
        error = (forecast - truth)[inside]
        result["classes"][name] = {
            "hours": int(inside.sum()),
            "rmse": float(numpy.sqrt(numpy.mean(error**2))) if inside.any() else math.nan,
            "mae": float(numpy.mean(numpy.abs(error))) if inside.any() else math.nan,
            "bias": float(error.mean()) if inside.any() else math.nan,
        }
    result["error_spread"] = float((forecast - truth).std()) if spread is None else spread
    return result


def _confusion(forecast, truth):
    """Count forecast class (rows) and true class (columns), of the classes that happened or were forecast."""
    rows, columns = (numpy.searchsorted(BOUNDS, values, "right") for values in (forecast, truth))
    counts = numpy.zeros((len(CLASSES), len(CLASSES)))
    numpy.add.at(counts, (rows, columns), 1)
    used = numpy.flatnonzero(counts.sum(0) + counts.sum(1))
    return counts[numpy.ix_(used, used)]


def class_probability(forecast, threshold, spread):
    """Compute the probability that the flux reaches a threshold, for a forecast with normally distributed errors in dex.

    Parameters
    ----------
    forecast : array_like (n,)
        W m^-2.
    threshold : float
        W m^-2.
    spread : float
        Standard deviation of the errors in dex, above 0; of hours that are not scored with it.

    Returns
    -------
    numpy.ndarray
        float64 (n,).

    Examples
    --------
    >>> class_probability([1e-5, 1e-4], threshold=1e-5, spread=0.5).round(3).tolist()
    [0.5, 0.977]
    """
    from scipy.special import ndtr

    return ndtr((numpy.log10(numpy.asarray(forecast, "float64")) - math.log10(threshold)) / spread)


@dataclasses.dataclass(frozen=True, repr=False)
class FluxReport(View):
    """Results of a verification of flux forecasts, which show themselves as tables of scores.

    Attributes
    ----------
    name : str
    count : int
        Forecasts.
    errors : dict
        Of `scores`, and ``intervals``: (low, high) by score, empty where there are too few blocks of days.
    classes : dict of str to report.Report
        By letter, the later half of the forecasts read as probabilities that the flux reaches it.
    undefined : list of str
        Why classes have no scores.
    settings : report.Settings
    simulated : bool
    """

    name: str
    count: int
    errors: dict
    classes: dict
    undefined: list
    settings: report.Settings
    simulated: bool

    def view(self):
        """List what the verification shows of itself: see `tools.views.View.view`."""
        bounds = self.errors["intervals"]
        rows = [(kind, written(self.errors[kind], *bounds.get(kind, (math.nan, math.nan)))) for kind in KINDS]
        of_classes = [
            (letter, row["hours"], f"{row['rmse']:.3f}", f"{row['bias']:+.3f}")
            for letter, row in self.errors["classes"].items()
            if row["hours"]
        ]
        level = f", {100 * self.settings.level:g} % intervals" if bounds else ""
        shown = [
            figures.title(f"{self.name}: {self.count} flux forecasts", simulated=self.simulated),
            Table(f"Errors in dex{level}", ("score", "value"), tuple(rows)),
            Table("By true class", ("class", "forecasts", "rmse", "bias"), tuple(of_classes)),
        ]
        if self.classes:
            rows = [row for verification in self.classes.values() for row in verification.rows()]
            shown.append(Table("Read as probabilities that the flux reaches a class", report.HEADINGS, tuple(rows)))
        notes = dict.fromkeys(note for verification in self.classes.values() for note in verification.notes)
        return [*shown, *self.undefined, *(f"note: {note}" for note in notes)]


def run(words, settings, out):
    """Verify flux forecasts of files: print, and write verification.json and pictures.

    Parameters
    ----------
    words : sequence of tuple
        Name, or None for the file's, and list of one file.
    settings : report.Settings
    out : pathlib.Path
        A folder.

    Notes
    -----
    The first half of the hours gives bias and spread of the errors, from which the class probabilities of the other half
    are made; those of persistence likewise. They are scored like any others.
    """
    out, results = pathlib.Path(out), {}
    for _, files in words:
        if len(files) > 1:
            raise UserError(f"{','.join(files)}: flux forecasts are verified file by file; give one file")
    # All is read and scored before anything is drawn or written: what is wrong with the last file leaves nothing.
    every = {name or pathlib.Path(files[0]).stem: read(files[0]) for name, files in words}
    files = dict(zip(every, (several[0] for _, several in words), strict=True))
    simulated = {name: bool(simulation_mark.of_file(path)) for name, path in files.items()}
    verified = {name: verify(name, *columns, settings, simulated=simulated[name]) for name, columns in every.items()}
    for name, (times, forecast, truth, _) in every.items():
        errors, classes, undefined = verified[name].errors, verified[name].classes, verified[name].undefined
        _print(name, errors, len(times))
        draw(out / name / "flux.png", times, forecast, truth, title=title_of(name, errors, len(times), simulated[name]))
        print("\n".join(undefined), end="\n" if undefined else "")
        for letter, verification in classes.items():
            print("\n".join(output.table(verification, settings)))
            output.write(out / name / f"class_{letter}", verification, settings)
        of_classes = {f"{letter}1.0": output.as_dictionary(verification, settings) for letter, verification in classes.items()}
        results[name] = {"simulated": simulated[name]} | _plain(errors) | {"classes_as_probabilities": of_classes}
    atomic_files.write_text(out / "verification.json", json.dumps(results, indent=1) + "\n")
    found = table({name: (verified[name].errors, len(columns[0]), simulated[name]) for name, columns in every.items()})
    atomic_files.write_table(out / "scores.csv", found)
    atomic_files.write_text(out / "scores.md", f"Errors in dex\n\n{tables.markdown(found)}")
    print(f"wrote {out}")


def verify(name, times, forecast, truth, prior, settings, *, simulated=False):
    """Verify flux forecasts.

    Parameters
    ----------
    name : str
    times, forecast, truth, prior : numpy.ndarray
        As of `read`.
    settings : report.Settings
    simulated : bool

    Returns
    -------
    FluxReport

    Notes
    -----
    As of `run`.
    """
    errors = scores(forecast, truth, prior)
    bootstrap = report.bootstrap_of(times, numpy.zeros(len(times), "int64"), settings)
    errors["intervals"] = {} if bootstrap is None else _intervals(forecast, truth, prior, bootstrap, settings.level)
    half = len(times) // 2
    classes, undefined = {}, []
    for letter, least in zip("CMX", BOUNDS, strict=True):
        event = truth[half:] >= least
        if not half or not event.any() or event.all():
            undefined.append(
                f"{name}: class {letter}: {'all' if event.all() else 'none'} of the later {len(event)} reach it; undefined"
            )
            continue
        forecasts = [
            _as_classes(f"{who} {letter}1.0", values, truth, times, half, least, simulated)
            for who, values in ((name, forecast), ("persistence", prior))
        ]
        classes[letter] = report.verify(forecasts, None, settings)
        classes[letter].notes.append(
            f"these are the later {len(times) - half} of {len(times)} forecasts; the {half} before give bias and spread of the"
            " errors, which make probabilities of fluxes"
        )
    return FluxReport(name, len(times), errors, classes, undefined, settings, simulated)


def _as_classes(name, flux, truth, times, half, least, simulated):
    """Forecast, in the later half, that a flux threshold is reached; errors as in the first half."""
    error = numpy.log10(flux[:half] / truth[:half])
    probability = class_probability(flux[half:] * 10 ** -error.mean(), least, max(error.std(), LEAST_SPREAD))
    fold = numpy.zeros(len(times) - half, "int64")
    return Forecasts(name, times[half:], probability, truth[half:] >= least, fold, simulated=simulated)


def _intervals(forecast, truth, prior, bootstrap, level):
    error, persistence, spread = (
        numpy.log10(forecast / truth) ** 2,
        numpy.log10(prior / truth) ** 2,
        (numpy.log10(truth) - numpy.log10(truth).mean()) ** 2,
    )
    sums = bootstrap.sums(numpy.stack([error, persistence, spread, numpy.ones(len(error))], axis=1))
    samples = {
        "rmse": numpy.sqrt(sums[:, 0] / sums[:, 3]),
        "skill_persistence": 1 - sums[:, 0] / sums[:, 1],
        "skill_climatology": 1 - sums[:, 0] / sums[:, 2],
    }
    return {name: interval(values, level) for name, values in samples.items()}


def table(every):
    """Make the table of scores of `run`: a row for each forecast and, behind it, for each class of its true fluxes.

    Parameters
    ----------
    every : dict of str to tuple
        By forecast: its scores, as of `scores` with an entry ``intervals``; number of forecasts; whether simulated.

    Returns
    -------
    pandas.DataFrame
        forecast, true_class (``"all"`` or a letter), forecasts, scores in dex with ``<score>_low`` and ``<score>_high``;
        NaN where undefined or not computed.
    """
    import pandas

    rows, marks = [], []
    for name, (errors, count, simulated) in every.items():
        row = {"forecast": name, "true_class": "all", "forecasts": count}
        for kind in KINDS:
            row[kind] = float(errors[kind])
            if kind in errors["intervals"]:
                row[f"{kind}_low"], row[f"{kind}_high"] = errors["intervals"][kind]
        parts = [
            {"forecast": name, "true_class": letter, "forecasts": part["hours"]} | {kind: part[kind] for kind in ERRORS}
            for letter, part in errors["classes"].items()
            if part["hours"]
        ]
        rows += [row, *parts]
        marks += [simulated] * (1 + len(parts))
    return pandas.DataFrame(rows).assign(**({simulation_mark.COLUMN: numpy.array(marks, int)} if any(marks) else {}))


def title_of(name, errors, count, simulated):
    """Write the title of a picture of flux forecasts, with the numbers that it stands for: str."""
    words = (
        f"{count:,} forecasts, rms error {errors['rmse']:.2f} dex, skill {errors['skill_persistence']:.2f} against persistence"
    )
    return f"{figures.title(f'Flux forecasts: {name}', simulated=simulated)}\n{words}"


def _print(name, errors, count):
    print(f"{name}: {count} forecasts; errors in dex")
    for kind in KINDS:
        bounds = errors["intervals"].get(kind)
        text = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""
        print(f"  {kind:18s} {errors[kind]:7.3f}{text}" if math.isfinite(errors[kind]) else f"  {kind:18s} undefined")
    for letter, row in errors["classes"].items():
        if row["hours"]:
            print(f"  true class {letter:7s} {row['hours']:6d} forecasts: rmse {row['rmse']:.3f}, bias {row['bias']:+.3f}")


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def draw(path, times, forecast, truth, *, title):
    """Draw forecast against true flux, and the residuals against time."""
    with figures.style():
        figure, (left, right) = figures.new(1, 2, figsize=(12, 5.4))
        low, high = min(forecast.min(), truth.min()) / 1.5, max(forecast.max(), truth.max()) * 1.5
        left.plot([low, high], [low, high], color="0.6", ls="--", lw=1)
        points = {"ms": 3, "alpha": 0.4, "mew": 0} if len(truth) > MANY else {"ms": 5, "alpha": 0.7, "mew": 0}
        left.plot(truth, forecast, "o", **points)
        for bound, letter in zip(BOUNDS, "CMX", strict=True):
            if low < bound < high:
                left.axvline(bound, color="0.85", lw=0.8, zorder=0)
                left.axhline(bound, color="0.85", lw=0.8, zorder=0)
                left.text(bound * 1.05, low * 1.1, letter, color="0.4", fontsize=10)
        left.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
        figure.suptitle(title, fontsize="medium")
        left.set(xlabel="true flux, 1-8 Å (W m$^{-2}$)", ylabel="forecast flux (W m$^{-2}$)")
        right.axhline(0, color="0.6", ls="--", lw=1)
        right.plot(times, numpy.log10(forecast / truth), "o", **points)
        right.set(ylabel="forecast - truth (dex)", title="residuals")
        figures.utc_axis(right)
        figures.save(figure, path)
