"""Verify forecasts of single regions: every class scored by region and day, and what a forecast tells beyond a region's class.

    python science/verification/regions.py REGIONS.csv [--training OTHER_REGIONS.csv] --out FOLDER

Tables are those of network_models/flare_rates/forecast.py. Of C1.0, M1.0, M5.0 and X1.0: Brier skill, ROC area, best TSS, the
information gained per flare over climatology and over the rates of McIntosh classes, all with intervals from blocks of days;
and the Gandin-Murphy-Gerrity score of the classes none, C, M and X. References and thresholds are those of the training table;
without one they are of the very regions that are scored, which flatters them. Prints a table; writes regions.json and
reliability.png.
"""

import dataclasses
import json
import math
import pathlib

import numpy

from dataset_models import observation_times, simulation_mark
from dataset_models.flares.flare_index import NO_FLARE
from dataset_models.flares.region_flares import ELSEWHERE
from network_models.forecasts import references
from network_models.forecasts.files import Forecasts
from science.verification import pictures, report
from science.verification.scores import WITHOUT_THRESHOLD, score, words
from tools import atomic_files, block_bootstrap, command_line, figures, goes_class, notes, skill_scores, tables
from tools.block_bootstrap import interval
from tools.errors import UserError
from tools.goes_class import CLASSES

CATEGORIES = ("none", "C", "M", "X")
_ADVICE = "give a table of regions that network_models/flare_rates/forecast.py wrote"


@dataclasses.dataclass(frozen=True)
class RegionForecasts:
    """Forecasts of regions.

    Attributes
    ----------
    times : numpy.ndarray
        ``datetime64[s]`` (n,).
    mcintosh : numpy.ndarray
        str (n,), "" where unknown.
    probability : numpy.ndarray
        float64 (n, 4): of `CLASSES`.
    event : numpy.ndarray
        bool (n, 4).
    simulated : bool
    """

    times: numpy.ndarray
    mcintosh: numpy.ndarray
    probability: numpy.ndarray
    event: numpy.ndarray
    simulated: bool = False

    def __len__(self):
        return len(self.times)

    @property
    def fold(self):
        """Number of the file that a forecast comes from, as of `network_models.forecasts.files.Forecasts`: there is one."""
        return numpy.zeros(len(self), "int64")


def read(path):
    """Read a table of forecasts of regions; what is elsewhere, and what nobody knows the outcome of yet, is left out.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    RegionForecasts

    Raises
    ------
    UserError
        A column is missing, a value is no probability or no GOES class, no region is there, or outcomes are not known.

    Notes
    -----
    Tables made before `NO_FLARE` was written for regions without a flare leave them empty; so where no row has it, empty is
    taken as no flare.
    """
    numbers = [f"probability_{name}" for name in CLASSES]
    table = tables.read(path, numbers=numbers, texts=("time", "region", "mcintosh", "flare"), advice=_ADVICE)
    said = (table["flare"] == NO_FLARE).any()
    table = table[table["region"] != ELSEWHERE]
    if not len(table):
        raise UserError(f"{path}: holds no region; {_ADVICE}")
    unknown = (table["flare"] == "").to_numpy() & said
    if unknown.any():
        table = table[~unknown]
        notes.note(
            f"{path}: {unknown.sum()} of {len(unknown)} forecasts of regions are left out, their outcome is not known yet"
        )
    probability = table[numbers].to_numpy("float64")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise UserError(f"{path}: holds something else than probabilities; {_ADVICE}")
    try:
        flux = numpy.array([0.0 if text in (NO_FLARE, "") else goes_class.to_flux(text) for text in table["flare"]])
    except ValueError as error:
        raise UserError(f"{path}: column flare: {error}; {_ADVICE}") from error
    event = numpy.stack([flux >= goes_class.to_flux(name) * (1 - 1e-6) for name in CLASSES], axis=1)
    if not event.any():
        raise UserError(f"{path}: no region flared, or outcomes are not known yet; give forecasts whose windows are over")
    times = observation_times.from_texts(table["time"], origin=str(path))
    mark = simulation_mark.of_table(table)
    return RegionForecasts(times, table["mcintosh"].to_numpy(str), probability, event, mark)


def information_gain(probability, event, reference, bootstrap=None):
    """Compute the information that forecasts give beyond a reference, in bits per event.

    Parameters
    ----------
    probability, reference : array_like (n,)
    event : array_like of bool (n,)
    bootstrap : tools.block_bootstrap.BlockBootstrap, optional

    Returns
    -------
    tuple of float
        Gain, lower and upper bound of 95 %; bounds are NaN without a bootstrap, all without an event.

    References
    ----------
    Kagan & Knopoff 1977, Phys. Earth Planet. Inter. 14, 97; Harte & Vere-Jones 2005, Pure Appl. Geophys. 162, 1229.
    """
    event = numpy.asarray(event, bool)
    losses = [skill_scores.log_losses(numpy.asarray(values, "float64"), event) for values in (reference, probability)]
    gained = (losses[0] - losses[1]) / math.log(2)
    if not event.any():
        return (math.nan,) * 3
    value = float(gained.sum() / event.sum())
    if bootstrap is None:
        return value, math.nan, math.nan
    sums = bootstrap.sums(numpy.stack([gained, event], axis=1))
    with numpy.errstate(divide="ignore", invalid="ignore"):
        low, high = interval(numpy.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], numpy.nan))
    return value, low, high


def climatology(training):
    """Compute how often regions flared: float64 (4,), of `CLASSES`, each away from 0 and 1."""
    return numpy.array([references.climatology(event) for event in training.event.T])


def rates_of_classes(training, mcintosh):
    """Look up how often regions of each McIntosh class flared: float64 (n, 4).

    Parameters
    ----------
    training : RegionForecasts
    mcintosh : array_like of str (n,)

    Notes
    -----
    Each share is shrunk to the rate of all regions by one region-day more, so that a class that was never seen has that rate.
    """
    whole = climatology(training)
    names, place = numpy.unique(training.mcintosh, return_inverse=True)
    count = numpy.bincount(place, minlength=len(names))
    flared = numpy.stack([numpy.bincount(place, column, len(names)) for column in training.event.T], axis=1)
    share = (flared + whole) / (count + 1)[:, None]
    known = dict(zip(names.tolist(), share, strict=True))
    return numpy.stack([known.get(str(name), whole) for name in mcintosh])


def categories(forecasts, thresholds):
    """Choose the strongest category whose probability reaches its threshold: int64 (n,), 0 for none."""
    probability = forecasts.probability[:, [0, 1, 3]]
    reached = probability >= thresholds
    return numpy.where(reached.any(axis=1), 3 - numpy.argmax(reached[:, ::-1], axis=1), 0)


def as_frequent(training):
    """Choose thresholds from which on C, M and X are forecast as often as they happened: float64 (3,)."""
    chosen = []
    for number in (0, 1, 3):
        probability, rate = training.probability[:, number], training.event[:, number].mean()
        chosen.append(float(numpy.quantile(probability, 1 - rate)) if rate else 1.0)
    return numpy.array(chosen)


def verify(forecasts, training, *, bootstrap=None):
    """Score forecasts of regions.

    Parameters
    ----------
    forecasts, training : RegionForecasts
    bootstrap : tools.block_bootstrap.BlockBootstrap, optional
        Of `forecasts`; without it there are no intervals.

    Returns
    -------
    dict
        By class the scores, each [value, low, high]; ``gerrity`` of the categories, and their counts. Bits are NaN of a class
        without a flare in `training`, which says nothing of how rare such flares are.
    """
    whole, by_class = climatology(training), rates_of_classes(training, forecasts.mcintosh)
    result = {}
    for number, name in enumerate(CLASSES):
        probability, event = forecasts.probability[:, number], forecasts.event[:, number]
        scored = score(probability, event, bootstrap=bootstrap)
        values = {kind: [scored.value[kind], *scored.interval(kind)] for kind in WITHOUT_THRESHOLD}
        rates = {"climatology": numpy.full(len(event), whole[number]), "mcintosh": by_class[:, number]}
        known = training.event[:, number].any()
        for kind, rate in rates.items():
            gain = information_gain(probability, event, rate, bootstrap) if known else (math.nan,) * 3
            values[f"bits_over_{kind}"] = list(gain)
        result[name] = {"regions": len(event), "flaring": int(event.sum()), **values}
    happened = forecasts.event[:, [0, 1, 3]].sum(axis=1)
    counts = numpy.zeros((4, 4), "int64")
    numpy.add.at(counts, (categories(forecasts, as_frequent(training)), happened), 1)
    return {"classes": result, "gerrity": skill_scores.gerrity_score(counts), "counts": counts.tolist()}


def lines(result):
    """Write the scores to print: list of lines."""
    heads = [*WITHOUT_THRESHOLD.values(), "bits over climatology", "bits over McIntosh"]
    text = [f"{'class':6} {'regions':>8} {'flaring':>8}" + "".join(f"{head:>26}" for head in heads)]
    for name, values in result["classes"].items():
        cells = [words(*values[kind]) for kind in (*WITHOUT_THRESHOLD, "bits_over_climatology", "bits_over_mcintosh")]
        text.append(f"{name:6} {values['regions']:8} {values['flaring']:8}" + "".join(f"{cell:>26}" for cell in cells))
    text.append(
        f"Gandin-Murphy-Gerrity score of {', '.join(CATEGORIES)}: {result['gerrity']:.3f}; forecast (rows) and happened:"
    )
    return text + [
        f"{name:6}" + "".join(f"{count:8}" for count in row) for name, row in zip(CATEGORIES, result["counts"], strict=True)
    ]


def draw(path, forecasts, *, bootstrap=None):
    """Draw a reliability diagram of each class, with the number of regions at each point and intervals of the bootstrap."""
    with figures.style():
        figure, panels = figures.new(2, 2, figsize=(9, 8.4))
        columns = zip(panels.flat, CLASSES, forecasts.probability.T, forecasts.event.T, strict=True)
        for axes, name, probability, event in columns:
            one = Forecasts(name, forecasts.times, probability, event, forecasts.fold)
            points = pictures.reliability_points(one, bootstrap)
            used = points["count"] > 0
            mean, observed, low, high, count = (points[key][used] for key in ("mean", "observed", "low", "high", "count"))
            axes.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1.2)
            axes.axhline(event.mean(), color="0.6", ls=":", lw=1.2)
            lengths = numpy.nan_to_num([numpy.maximum(observed - low, 0), numpy.maximum(high - observed, 0)])
            axes.errorbar(mean, observed, lengths, fmt="o-", color=figures.PALETTE[0], capsize=3, lw=1.4)
            for x, y, number in zip(mean, observed, count, strict=True):
                place = (6, -11 if y > 0.1 else 6)
                axes.annotate(f"{number:.0f}", (x, y), place, textcoords="offset points", fontsize=8, color="0.35")
            axes.set(xlim=(0, 1), ylim=(-0.04, 1.04), title=f"{name} or more: {int(event.sum())} of {len(event)}")
            axes.set(xlabel="forecast probability", ylabel="observed frequency")
        figure.suptitle(figures.title("Reliability of forecasts of single regions", simulated=forecasts.simulated))
        figures.save(figure, path)


def main(arguments=None):
    """Verify the forecasts of a table of regions."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("regions", type=pathlib.Path, metavar="REGIONS.csv", help="forecasts of regions, with what happened")
    text = "forecasts of an earlier time, for references and thresholds (default: those that are scored)"
    parser.add_argument("--training", type=pathlib.Path, metavar="REGIONS.csv", help=text)
    block_bootstrap.add_flags(parser)
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for regions.json and reliability.png"
    )
    flags = parser.parse_args(arguments)
    forecasts = read(flags.regions)
    training = read(flags.training) if flags.training else forecasts
    settings = report.Settings(block_days=flags.block, samples=flags.samples, seed=flags.seed)
    bootstrap = report.bootstrap_of(forecasts.times, forecasts.fold, settings)
    result = verify(forecasts, training, bootstrap=bootstrap)
    print("\n".join(lines(result)))
    if training is forecasts:
        print("note: references and thresholds are of the regions that are scored (--training gives others)")
    stored = json.loads(json.dumps(result), parse_constant=lambda _: None) | {"simulated": forecasts.simulated}
    with atomic_files.results(flags.out) as folder:
        atomic_files.write_text(folder / "regions.json", json.dumps(stored, indent=1) + "\n")
        draw(folder / "reliability.png", forecasts, bootstrap=bootstrap)
    print(f"wrote {flags.out}")


if __name__ == "__main__":
    command_line.run(main)
