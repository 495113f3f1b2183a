"""Score the forecasts of a log whose windows have closed: beside baselines, and beside other forecasters.

    python science/operational_forecast/verify.py LOG --flares LIST --out FOLDER [--others NAME=FILE ...]

For each class the flare lists say what came. Baselines (climatology, persistence, flare rate, class table) are
those of science/verification/verification.py, fitted outside what is scored. Others are probabilities in a CSV, SWPC's
solar_probabilities.json and 3-day forecasts, answers of the CCMC flare scoreboard, or files sent to it: each is compared on the
forecasts that both made, ours the last one issued up to --match minutes before the other's window begins.

Writes scores.csv (a row for each forecast and class), regions.csv (of single regions), all_clear.csv, months.csv, one
verification.json for each class, and pictures: reliability_<class>.png, brier_skill_by_month.png. Withdrawn forecasts are not
scored; those that were withdrawn or corrected once their windows had closed are, as issued. --modes leaves out those that were
late or replayed. Of these files those of an earlier run that this one does not write are removed from FOLDER.
"""

import collections
import dataclasses
import json
import pathlib

import numpy

from dataset_models import flare_labels, simulation_mark
from dataset_models.flares.flare_index import FlareIndex
from dataset_models.observation_times import given_time
from network_models.forecasts.exchange import formats, others
from network_models.forecasts.exchange.issued import MODES
from network_models.forecasts.files import Forecasts
from science.operational_forecast import chain, region_scores
from science.verification import output, pictures, report
from science.verification.scores import words
from science.verification.verification import files_of, flares_of
from tools import atomic_files, block_bootstrap, command_line, figures, notes, skill_scores
from tools.errors import UserError
from tools.goes_class import CLASSES
from tools.options import add_number
from tools.paths import Files

OURS = "forecast"
WRITTEN = (
    *("scores.csv", "regions.csv", "all_clear.csv", "months.csv", "brier_skill_by_month.png"),
    *(name for event in CLASSES for name in (f"verification_{event}.json", f"reliability_{event}.png")),
)
SCORES = ("brier_skill", "auc", "tss", "hss", "best_tss", "log_loss", "reliability", "resolution")
ALL = "all closed forecasts"
_LEAST_MONTH = 5  # forecasts
_LEAST_SKILL = -1.0  # that is drawn


@dataclasses.dataclass(frozen=True)
class Closed:
    """Forecasts of a log whose windows the flare lists cover, in order of issue.

    Attributes
    ----------
    records : list of Record
    times : numpy.ndarray
        ``datetime64[s]`` (n,), when the windows begin.
    window : numpy.timedelta64
    open : int
        How many forecasts have windows that the lists do not cover.
    """

    records: list
    times: numpy.ndarray
    window: numpy.timedelta64
    open: int


def closed_of(records, events, *, until=None, modes=MODES):
    """Choose the forecasts that can be scored.

    Parameters
    ----------
    records : sequence of Record
        As of `chain.current`.
    events : pandas.DataFrame
        Flares.
    until : numpy.datetime64, optional
        As of `dataset_models.flare_labels.list_span`.
    modes : collection of str

    Returns
    -------
    Closed

    Raises
    ------
    UserError
        There is none; or windows are of several lengths.
    """
    chosen = [record for record in records if record.forecast.mode in modes]
    if not chosen:
        raise UserError(f"no forecast is {' or '.join(modes)}; give other --modes")
    times = numpy.array([record.forecast.begin for record in chosen], "datetime64[s]")
    lengths = {record.forecast.end - record.forecast.begin for record in chosen}
    if len(lengths) > 1:
        raise UserError(f"the log has windows of {len(lengths)} lengths; keep a log for each")
    window = lengths.pop()
    inside = flare_labels.covered(events, times, window, until=until)
    if not inside.any():
        first, last = flare_labels.list_span(events, until)
        raise UserError(
            f"--flares: the lists ({first}Z to {last}Z) cover none of the {len(times)} windows, the first from {times[0]}Z;"
            " wait, give newer lists, or --flares_until if they are complete until then"
        )
    kept = [record for record, one in zip(chosen, inside, strict=True) if one]
    return Closed(kept, times[inside], window, int((~inside).sum()))


def standing(records):
    """List the forecasts that stand, without what was corrected or withdrawn in hindsight: Records, and how often it was.

    Parameters
    ----------
    records : sequence of Record
        As of `chain.read`.
    """
    foresight = [record for record in records if not chain.in_hindsight(record)]
    return chain.current(foresight), len(records) - len(foresight)


def forecasts_of(closed, event, name=OURS):
    """Collect the probabilities of one class: `Forecasts`, or None where none was given."""
    probability = [record.forecast.probabilities.get(event) for record in closed.records]
    there = numpy.array([one is not None for one in probability])
    if not there.any():
        return None
    values = numpy.array([one.value for one in probability if one is not None])
    simulated = any(record.forecast.simulated for record in closed.records)
    times, order = numpy.unique(closed.times[there], return_index=True)
    return Forecasts(name, times, values[order], None, numpy.zeros(len(times), "int64"), simulated=simulated)


def beside(ours, other, match):
    """Choose what two forecasters forecast both: two `Forecasts` at the times of the other's windows.

    Parameters
    ----------
    ours, other : Forecasts
    match : numpy.timedelta64
        Ours is the last one up to so long before.

    Raises
    ------
    UserError
        There is no such pair.
    """
    place = numpy.searchsorted(ours.times, other.times, "right") - 1
    near = (place >= 0) & (other.times - ours.times[numpy.maximum(place, 0)] <= match)
    if not near.any():
        raise UserError(
            f"{other.name}: none of its {len(other)} windows begins up to {match / numpy.timedelta64(1, 'm'):g} minutes after a"
            f" forecast of the log ({ours.times[0]}Z to {ours.times[-1]}Z)"
        )
    return dataclasses.replace(ours.where(place[near]), times=other.times[near]), other.where(near)


def all_clears(closed, events):
    """Count all-clears and what came: dict of str to int, or None where the log has none."""
    stated = [(time, record.all_clear) for time, record in zip(closed.times, closed.records, strict=True) if record.all_clear]
    if not stated:
        return None
    event = stated[-1][1].event
    same = [(time, one.clear) for time, one in stated if one.event == event]
    times, clear = numpy.array([time for time, _ in same], "datetime64[s]"), numpy.array([one for _, one in same], bool)
    flared = FlareIndex(events).label(times, window=closed.window, threshold=event)
    return {
        "event": event,
        "forecasts": len(times),
        "all_clear": int(clear.sum()),
        "missed": int((clear & flared).sum()),
        "quiet": int((~flared).sum()),
        "quiet_and_clear": int((clear & ~flared).sum()),
    }


def months(forecast, reference):
    """Score months by themselves.

    Parameters
    ----------
    forecast, reference : Forecasts
        On the same times.

    Returns
    -------
    list of dict
        month, forecasts, events, brier_skill against the reference (NaN of less than a few forecasts).
    """
    of_month, rows = forecast.times.astype("datetime64[M]"), []
    for month in numpy.unique(of_month):
        here = of_month == month
        mine, theirs = (skill_scores.brier_score(one.probability[here], forecast.event[here]) for one in (forecast, reference))
        skill = 1 - mine / theirs if here.sum() >= _LEAST_MONTH and theirs > 0 else numpy.nan
        rows.append(
            {
                "month": str(month),
                "forecasts": int(here.sum()),
                "events": int(forecast.event[here].sum()),
                "brier_skill": float(skill),
                "against": reference.name,
            }
        )
    return rows


def draw_months(path, tables, *, simulated):
    """Draw Brier skill by month.

    Parameters
    ----------
    path : pathlib.Path
    tables : dict of str to list of dict
        As of `months`, by class.
    simulated : bool
    """
    names = sorted({row["month"] for rows in tables.values() for row in rows})
    with figures.style():
        figure, axes = figures.new(figsize=(max(7.5, 1.2 + 0.55 * len(names) * len(tables)), 4.6))
        width = 0.8 / len(tables)
        for number, (event, rows) in enumerate(tables.items()):
            places = [names.index(row["month"]) + (number - (len(tables) - 1) / 2) * width for row in rows]
            heights = [max(row["brier_skill"], _LEAST_SKILL) for row in rows]
            bars = axes.bar(places, heights, 0.9 * width, color=figures.PALETTE[number], label=f"{event} or more")
            axes.bar_label(bars, [row["events"] for row in rows], fontsize=8, padding=2)
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set_xticks(range(len(names)), names, rotation=45 if len(names) > 6 else 0)
        against = next(iter(tables.values()))[0]["against"]
        axes.set(ylabel=f"Brier skill against {against}", ylim=(min(-0.2, axes.get_ylim()[0] - 0.08), 1.08))
        title = f"Skill by month, bars cut at {_LEAST_SKILL:g} (numbers: forecasts with an event)"
        axes.set_title(figures.title(title, simulated=simulated))
        figure.legend(loc="outside lower center", ncols=len(tables), fontsize=10)
        figures.save(figure, path)


def verify(closed, events, event, settings, *, rivals=(), match, training=None):
    """Score one class.

    Parameters
    ----------
    closed : Closed
    events : pandas.DataFrame
    event : str
    settings : science.verification.report.Settings
    rivals : sequence of Forecasts
        Of other forecasters.
    match : numpy.timedelta64
    training : pandas.DataFrame, optional
        Flares that climatology and class table are fitted on.

    Returns
    -------
    dict of str to science.verification.report.Report
        `ALL`, and one for each other forecaster.

    Raises
    ------
    UserError
        As of `science.verification.report.verify`.
    """
    ours = forecasts_of(closed, event)
    if ours is None:
        raise UserError(f"the log has no forecasts of {event}")
    settings = dataclasses.replace(settings, event=event, window=closed.window)
    result = {ALL: report.verify([ours], events, settings, training=training)}
    outcomes = result[ALL].forecasts[OURS].event
    if outcomes.all() or not outcomes.any():
        answer = "yes" if outcomes.all() else "no"
        raise UserError(f"all {len(outcomes)} outcomes are {answer}, and skill is undefined")
    for other in rivals:
        try:
            pair = beside(ours, dataclasses.replace(other, event=None), match)
            result[f"beside {other.name}"] = report.verify(list(pair), events, settings, training=training)
        except UserError as error:
            notes.note(f"{event}: {error}")
    return result


def rows_of(event, reports, level):
    """List the scores of all forecasts in some reports: list of dict."""
    rows = []
    for part, result in reports.items():
        for name, scored in result.scored.items():
            forecast = (result.forecasts | result.baselines)[name]
            row = {"event": event, "hours": part, "name": name, "count": len(forecast), "events": int(forecast.event.sum())}
            for score in SCORES:
                low, high = scored.interval(score, level)
                row |= {score: scored.value[score], f"{score}_low": low, f"{score}_high": high}
            rows.append(row | ({simulation_mark.COLUMN: 1} if result.simulated else {}))
    return rows


def main(arguments=None):
    """Verify a log."""
    parser = command_line.parser(__doc__)
    parser.add_argument("log", type=pathlib.Path, metavar="LOG", help="of forecast.py")
    parser.add_argument("--flares", nargs="+", action=Files, metavar="LIST", required=True, help="flare lists: what came")
    parser.add_argument("--flares_until", metavar="TIME", help=flare_labels.UNTIL_HELP)
    text = "of another time, on which climatology and class table are fitted (default: --flares, outside what is scored)"
    parser.add_argument("--training_flares", nargs="+", action=Files, metavar="LIST", help=text)
    parser.add_argument("--others", nargs="+", default=[], metavar="NAME=FILE", help="others' forecasts of the same time")
    parser.add_argument("--others_event", default="M1.0", help="class that others' CSVs are of (default: %(default)s)")
    add_number(
        parser,
        "--match",
        float,
        least=0,
        most=1440,
        default=60.0,
        metavar="MINUTES",
        help="most from ours to the beginning of another's window (default: %(default)g)",
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="which forecasts (default: all)")
    parser.add_argument("--events", nargs="+", choices=CLASSES, default=list(CLASSES), help="classes (default: all)")
    block_bootstrap.add_flags(parser)
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for scores.csv and pictures")
    flags = parser.parse_args(arguments)
    records, afterwards = standing(chain.read(flags.log))
    if afterwards:
        notes.note(f"{afterwards} forecasts were corrected or withdrawn when their windows had closed; scored as issued")
    events, training = (flares_of(flag, getattr(flags, flag)) for flag in ("flares", "training_flares"))
    until = given_time("--flares_until", flags.flares_until) if flags.flares_until else None
    closed = closed_of(records, events, until=until, modes=flags.modes)
    settings = report.Settings(
        threshold=0.5, block_days=flags.block, samples=flags.samples, seed=flags.seed, flares_until=until
    )
    match = numpy.timedelta64(round(60 * flags.match), "s")
    named, reports = _named(flags.others), {}
    for event in flags.events:
        rivals = _others(named, event, closed.window, flags.others_event)
        try:
            reports[event] = verify(closed, events, event, settings, rivals=rivals, match=match, training=training)
        except UserError as error:
            notes.note(f"{event}: not scored: {error}")
    if not reports:
        raise UserError(f"{flags.log}: no class can be scored, see above")
    regions = _region_scores(closed, named, events, flags, settings, until)
    _write(flags, closed, events, reports, regions, settings)


def _region_scores(closed, named, events, flags, settings, until):
    """Score forecasts of regions, ours and others': list of rows of regions.csv, empty where there are none."""
    methods = {OURS: [record.forecast for record in closed.records if record.forecast.regions]}
    for name, paths in named.items():
        issued = [one for path in paths if not others.is_series(path) for one in formats.read(path)]
        found = region_scores.by_method(issued)
        methods |= {name if len(found) == 1 else f"{name} {method}": part for method, part in found.items()}
    return region_scores.table(methods, events, flags.events, settings=settings, until=until, late={OURS})


def _named(texts):
    """Read the words of --others: dict of str to list of files, of what each name is of is seen when a class is scored."""
    words = files_of(texts) if texts else []
    named = {}
    for name, paths in words:
        name = name or pathlib.Path(paths[0]).stem
        if name in named or name in (OURS, *report.BASELINES):
            raise UserError(f"--others {name}={paths[0]}: the name {name} is taken; name it otherwise")
        for path in paths:
            if not pathlib.Path(path).is_file():
                raise UserError(f"{path}: no such file")
        named[name] = paths
    return named


def _others(named, event, window, of_csv):
    """Read the others' forecasts of one class; those that have none of it are noted."""
    series = []
    for name, paths in named.items():
        try:
            series.append(others.series(name, paths, event, window=window, of_csv=of_csv))
        except UserError as error:
            notes.note(f"{event}: {error}")
    return series


def _write(flags, closed, events, reports, regions, settings):
    """Print the tables, and write everything."""
    import pandas

    modes = collections.Counter(record.forecast.mode for record in closed.records)
    counted = ", ".join(f"{count} {mode}" for mode, count in modes.items())
    print(f"{len(closed.records)} closed forecasts ({counted}), {closed.open} whose windows are open")
    rows, tables = [], {}
    clear = all_clears(closed, events)
    with atomic_files.results(flags.out, names=WRITTEN) as folder:
        for event, parts in reports.items():
            of_class = dataclasses.replace(settings, event=event, window=closed.window)
            for part, result in parts.items():
                print(f"\n{event} or more, {part}")
                print("\n".join(output.table(result, of_class)))
            rows += rows_of(event, parts, settings.level)
            content = {part: output.as_dictionary(result, of_class) for part, result in parts.items()}
            atomic_files.write_text(folder / f"verification_{event}.json", json.dumps(content, indent=1) + "\n")
            tables[event] = _of_class(folder, event, parts[ALL], of_class)
        simulated = any(record.forecast.simulated for record in closed.records)
        draw_months(folder / "brier_skill_by_month.png", tables, simulated=simulated)
        listed = [{"event": event} | row for event, part in tables.items() for row in part]
        atomic_files.write_table(folder / "months.csv", simulation_mark.marked(pandas.DataFrame(listed), simulated))
        atomic_files.write_table(folder / "scores.csv", pandas.DataFrame(rows))
        if clear is not None:
            atomic_files.write_table(folder / "all_clear.csv", simulation_mark.marked(pandas.DataFrame([clear]), simulated))
        if regions:
            atomic_files.write_table(folder / "regions.csv", pandas.DataFrame(regions))
            print("\nregions, a day each")
            print(region_scores.shown(regions))
    if clear is not None:
        print(
            f"\nall-clears of {clear['event']}: {clear['all_clear']} of {clear['forecasts']}, {clear['missed']} of them missed"
            f" a flare; {clear['quiet_and_clear']} of {clear['quiet']} quiet windows were cleared"
        )
    print(f"wrote {flags.out}")


def _of_class(folder, event, result, settings):
    """Draw the reliability of one class; return its months."""
    forecast, scored = result.forecasts[OURS], result.scored[OURS]
    bounds = scored.interval("brier_skill", settings.level)
    title = f"{event} or more: Brier skill {words(scored.value['brier_skill'], *bounds)}"
    bootstrap = report.bootstrap_of(forecast.times, forecast.fold, settings)
    pictures.reliability(folder / f"reliability_{event}.png", forecast, title=title, bootstrap=bootstrap)
    reference = result.baselines.get(report.CLIMATOLOGY)
    if reference is None:  # the lists hold nothing but what is scored
        rate = numpy.full(len(forecast), forecast.event.mean())
        reference = dataclasses.replace(forecast, name="event rate", probability=rate)
    return months(forecast, reference)


if __name__ == "__main__":
    command_line.run(main)
