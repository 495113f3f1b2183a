"""How good are flare forecasts: published forecasts and ours in one table, each on its own hours beside baselines on the same.

    python science/verification/published_record.py SOURCES.yml [--data FOLDER] --out FOLDER

SOURCES.yml names forecasts, their flare lists and events (science/verification/published_sources.py says how); its files lie in
--data. Each forecast is scored on all hours or days that it covers: TSS at the threshold that is best on the other folds, Brier
skill against the event rate of these hours, ROC area, with intervals from blocks of days; as published, and calibrated on the
other folds. Climatology, persistence and class table are scored on the same hours. Folds are the files of a cross-validation or
parts of a series between given times; no forecast is fitted on whose window overlaps one of the fold.

Writes record.csv (every score with its bounds), differences.csv (each two forecasts of the same hours, and each beside the
baselines), record.md (the table, the date and the files that made it) and record.png. Numbers that a page states of forecasts
whose files are not at hand are marked as quoted.
"""

import dataclasses
import datetime
import pathlib

import numpy

from dataset_models import simulation_mark
from dataset_models.flare_labels import covered
from dataset_models.flares.flare_index import FlareIndex
from network_models.forecasts import calibration
from science.verification import published_pictures, published_sources, report
from science.verification.scores import DIFFERENCES, words
from tools import atomic_files, block_bootstrap, command_line, digests
from tools.errors import UserError

SHOWN = (report.CLIMATOLOGY, "persistence", report.TABLE)
CALIBRATED = " (calibrated)"
DIGITS = 6  # of scores, after the point


@dataclasses.dataclass(frozen=True)
class Record:
    """Scores of published forecasts.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each forecast as published, calibrated, or quoted, and for each baseline on each set of hours: period, event,
        window_hours, hours (a number that rows on the same hours share), forecast, role (published, ours, baseline),
        calibrated (yes, no, quoted), n, events, first, last, page; of each score of `DIFFERENCES` its value, low and high.
    differences : pandas.DataFrame
        period, hours, forecast, other, score, difference, low, high; calibrated forecasts are named as such.
    notes : list of str
        What was left out.
    """

    table: object
    differences: object
    notes: list[str]


def score(periods, settings):
    """Score the forecasts of all periods.

    Parameters
    ----------
    periods : sequence of published_sources.Period
    settings : report.Settings
        Of the bootstrap; event, window and threshold are those of the periods.

    Returns
    -------
    Record

    Raises
    ------
    UserError
        As `published_sources.forecasts_of` and `report.verify`; two forecasts of a period have one name.
    """
    import pandas

    rows, differences, notes = [], [], []
    for period in periods:
        parts = _score_period(period, settings)
        for collected, part in zip((rows, differences, notes), parts, strict=True):
            collected += part
    columns = ["period", "hours", "forecast", "other", "score", "difference", "low", "high"]
    columns += [simulation_mark.COLUMN] if any(simulation_mark.COLUMN in row for row in differences) else []
    tables = pandas.DataFrame(rows), pandas.DataFrame(differences, columns=columns)
    return Record(*(table.round(DIGITS) for table in tables), list(dict.fromkeys(notes)))


def _score_period(period, settings):
    """Score the forecasts of a period: (rows, differences, notes)."""
    events, earlier = published_sources.flares_of(period)
    settings = dataclasses.replace(settings, threshold=None, window=period.window, event=period.event)
    simulated = simulation_mark.of_any(period.flares)
    groups, ours, kept, different, notes, published = {}, set(), set(), {}, [], None
    for source in period.sources:
        if source.kind == "quoted":
            continue
        forecasts, remarks = published_sources.forecasts_of(period, source, events, published)
        published = max(forecasts, key=len) if source.kind == "methods" else published
        notes += [f"{period.title}: {remark}" for remark in remarks]
        for forecast in forecasts:
            different.setdefault(_different_outcomes(period, forecast, events), []).append(forecast.name)
            key = forecast.times.tobytes(), forecast.fold.tobytes()
            if forecast.name in [one.name for group in groups.values() for one in group] or forecast.name in report.BASELINES:
                raise UserError(f"{period.title}: {forecast.name} is the name of another forecast or baseline too")
            groups.setdefault(key, []).append(dataclasses.replace(forecast, simulated=forecast.simulated or simulated))
            ours |= {forecast.name} if source.ours else set()
            kept |= set() if source.calibrate else {forecast.name}
    notes += [
        f"{period.title}: the flare lists would decide {count} of {total} outcomes otherwise ({', '.join(names)})"
        for (count, total), names in different.items()
        if count
    ]
    rows, differences = [], []
    for number, group in enumerate(groups.values(), start=1):
        calibrated = []
        for forecast in group:
            if forecast.name in kept:
                continue
            try:
                fitted = calibration.cross_fitted(forecast, kind=period.calibration, window=period.window)
            except UserError as error:
                notes.append(f"{period.title}: {forecast.name} is not calibrated ({error})")
                continue
            name = forecast.name + CALIBRATED
            calibrated.append(dataclasses.replace(forecast, name=name, probability=fitted, threshold=None))
        result = report.verify([*group, *calibrated], events, settings, training=earlier, subsets=False)
        about = ", ".join(forecast.name for forecast in group)
        notes += [f"{period.title}: {about}: {note}" for note in result.notes]
        rows += _rows(period, number, result, ours, settings.level)
        differences += _differences(period, number, result, settings.level)
    rows += [_quoted(period, source) for source in period.sources if source.kind == "quoted"]
    return rows, differences, notes


def _different_outcomes(period, forecast, events):
    """Count the outcomes that the flare lists would decide otherwise than they were published, and those compared: two int."""
    inside = covered(events, forecast.times, period.window)
    labels = FlareIndex(events).label(forecast.times[inside], window=period.window, threshold=period.event)
    return int((labels != forecast.event[inside]).sum()), int(inside.sum())


def _rows(period, number, result, ours, level):
    rows = []
    for name, scored in result.scored.items():
        if name in result.baselines and name not in SHOWN:
            continue
        forecast = (result.forecasts | result.baselines)[name]
        plain = name.removesuffix(CALIBRATED)
        row = {
            "period": period.title,
            "event": period.event,
            "window_hours": period.window / numpy.timedelta64(1, "h"),
            "hours": number,
            "forecast": plain,
            "role": "baseline" if name in result.baselines else "ours" if plain in ours else "published",
            "calibrated": "no" if plain == name else "yes",
            "n": len(forecast),
            "events": int(forecast.event.sum()),
            "first": f"{forecast.times[0]}Z",
            "last": f"{forecast.times[-1]}Z",
            "page": "",
        }
        for kind in DIFFERENCES:
            values = scored.value[kind], *scored.interval(kind, level)
            if name == report.CLIMATOLOGY and kind != "brier_skill":
                values = (numpy.nan,) * 3  # one number in each fold, which puts no hour before another
            row |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), values, strict=True))
        rows.append(row | ({simulation_mark.COLUMN: 1} if result.simulated else {}))
    return rows


def _differences(period, number, result, level):
    """List the differences of forecasts that are both calibrated or both not, and of each to the baselines shown."""
    rows = []
    for name, other, *values in result.differences(level):
        alike = name.endswith(CALIBRATED) == other.endswith(CALIBRATED) and other not in result.baselines
        if alike or (other in SHOWN and (other != report.CLIMATOLOGY or values[0] == "brier_skill")):
            row = {"period": period.title, "hours": number, "forecast": name, "other": other}
            row |= dict(zip(("score", "difference", "low", "high"), values, strict=True))
            rows.append(row | ({simulation_mark.COLUMN: 1} if result.simulated else {}))
    return rows


def _quoted(period, source):
    row = {
        "period": period.title,
        "event": period.event,
        "window_hours": period.window / numpy.timedelta64(1, "h"),
        "hours": 0,
        "forecast": source.name,
        "role": "ours" if source.ours else "published",
        "calibrated": "quoted",
        **{name: source.quoted[name] for name in ("n", "events", "page")},
    }
    for kind in DIFFERENCES:
        row |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), source.quoted[kind], strict=True))
    return row


def arranged(table):
    """Arrange a record's table for reading.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `Record`, or record.csv as `pandas.read_csv` reads it.

    Returns
    -------
    dict of str to list of dict
        By period, a dict for each forecast: ``plain``, its row; ``calibrated``, the row of the calibrated one or None;
        ``baselines``, a dict of their rows on the same hours. The highest Brier skill, as published or calibrated,
        stands first; what is quoted last.
    """
    result = {}
    for title, part in table.groupby("period", sort=False):
        records = part.to_dict("records")
        entries = []
        for row in records:
            if row["role"] == "baseline" or row["calibrated"] == "yes":
                continue
            same = [one for one in records if one["hours"] == row["hours"]]
            again = [one for one in same if one["calibrated"] == "yes" and one["forecast"] == row["forecast"]]
            baselines = {one["forecast"]: one for one in same if one["role"] == "baseline"}
            entries.append({"plain": row, "calibrated": again[0] if again else None, "baselines": baselines})
        result[title] = sorted(entries, key=_rank, reverse=True)
    return result


def _rank(entry):
    skills = [row["brier_skill"] for row in (entry["plain"], entry["calibrated"]) if row]
    return entry["plain"]["calibrated"] != "quoted", max(
        [skill for skill in skills if numpy.isfinite(skill)], default=-numpy.inf
    )


def markdown(table, differences):
    """Write a record as one table in Markdown.

    Parameters
    ----------
    table, differences : pandas.DataFrame
        Of `Record`, or its CSVs read again.

    Returns
    -------
    list of str
        Lines; scores with two digits.
    """
    heads = (
        "forecast",
        "n (events)",
        "TSS",
        "Brier skill",
        "Brier skill, calibrated",
        "ROC area",
        *(f"{name}: TSS, Brier skill, ROC area" for name in SHOWN[1:]),
        f"{SHOWN[0]}: Brier skill",
        f"Brier skill minus {report.TABLE}'s",
        "the same, calibrated",
    )
    lines = [_line(heads), _line(["---"] * len(heads))]
    gains = differences[(differences["other"] == report.TABLE) & (differences["score"] == "brier_skill")]
    gains = {(row.period, row.forecast): (row.difference, row.low, row.high) for row in gains.itertuples()}
    for title, entries in arranged(table).items():
        lines.append(_line([f"**{title}**", *[""] * (len(heads) - 1)]))
        for entry in entries:
            row, again = entry["plain"], entry["calibrated"]
            name = f"**{row['forecast']}**" if row["role"] == "ours" else row["forecast"]
            name = f"{name}, quoted from [this page]({row['page']})" if row["calibrated"] == "quoted" else name
            baselines = [entry["baselines"].get(one) for one in SHOWN]
            triples = [", ".join(_number(one[kind]) for kind in DIFFERENCES) if one else "" for one in baselines[1:]]
            more = [gains.get((title, row["forecast"] + mark)) for mark in ("", CALIBRATED)]
            cells = [name, counts(row), _cell(row, "tss"), _cell(row, "brier_skill")]
            cells += [_cell(again, "brier_skill") if again else "", _cell(row, "auc"), *triples]
            cells += [_number(baselines[0]["brier_skill"]) if baselines[0] else ""]
            lines.append(_line([*cells, *(_signed(*gain) if gain else "" for gain in more)]))
    return lines


def counts(row):
    """Write how many forecasts a row is of, and how many of them had an event, where that is known: str."""
    return f"{row['n']}" if numpy.isnan(row["events"]) else f"{row['n']} ({row['events']:.0f})"


def _line(cells):
    return f"| {' | '.join(cells)} |"


def _number(value):
    return "undefined" if numpy.isnan(value) else f"{value:.2f}"


def _cell(row, kind):
    value, low, high = (row[name] for name in (kind, f"{kind}_low", f"{kind}_high"))
    if numpy.isnan(value):
        return "" if row["calibrated"] == "quoted" else "undefined"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if numpy.isfinite(low) else f"{value:.2f}"


def _signed(value, low, high):
    """Write a difference: str, bold where its interval excludes zero."""
    if not numpy.isfinite(low):
        return f"{value:+.2f}"
    text = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def made_by(path, periods, folder, settings):
    """Say by what a record was made: list of lines, the files with the first 12 digits of their SHA-256."""
    files = list(dict.fromkeys(file for period in periods for file in period.files))
    date = datetime.datetime.now(datetime.UTC).date()
    lines = [
        f"Made on {date} from `{path.name}` by `science/verification/published_record.py`;"
        f" {100 * settings.level:g} % intervals, {settings.samples} samples of blocks of {settings.block_days:g} days,"
        f" seed {settings.seed}.",
        "",
        "| file | SHA-256 begins with |",
        "|---|---|",
    ]
    folder = path.parent if folder is None else folder
    return lines + [f"| {file.relative_to(folder).as_posix()} | {digests.of_file(file)[:12]} |" for file in files]


def main(arguments=None):
    """Score the forecasts that a YAML file names, and write table and picture."""
    parser = command_line.parser(__doc__)
    parser.add_argument("sources", type=pathlib.Path, metavar="SOURCES.yml", help="forecasts, flare lists and events")
    parser.add_argument(
        "--data", type=pathlib.Path, metavar="FOLDER", help="of the files that it names (default: where SOURCES.yml lies)"
    )
    block_bootstrap.add_flags(parser)
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for the tables and the picture")
    flags = parser.parse_args(arguments)
    settings = report.Settings(block_days=flags.block, samples=flags.samples, seed=flags.seed)
    periods = published_sources.read(flags.sources, flags.data)
    record = score(periods, settings)
    simulated = simulation_mark.of_table(record.table)
    with atomic_files.results(flags.out) as folder:
        atomic_files.write_table(folder / "record.csv", record.table)
        atomic_files.write_table(folder / "differences.csv", record.differences)
        head = [f"{simulation_mark.WORDS}", ""] if simulated else []
        tail = ["", *made_by(flags.sources, periods, flags.data, settings)]
        atomic_files.write_text(
            folder / "record.md", "\n".join([*head, *markdown(record.table, record.differences), *tail]) + "\n"
        )
        published_pictures.draw(folder / "record.png", arranged(record.table), level=settings.level, simulated=simulated)
    print("\n".join([*lines(record.table), *(f"note: {note}" for note in record.notes)]))
    print(f"wrote {flags.out}")


def lines(table):
    """Write a record to print: list of lines, a line for each forecast as published."""
    width = max(map(len, table["forecast"])) + 2
    result = []
    for title, entries in arranged(table).items():
        head = "".join(f"{label:>26}" for label in ("TSS", "Brier skill", "calibrated", "ROC area"))
        result += [title, f"{'forecast':{width}}{'n (events)':>14}{head}"]
        for entry in entries:
            cells = [_spoken(entry["plain"], kind) for kind in ("tss", "brier_skill")]
            cells += [_spoken(entry["calibrated"], "brier_skill"), _spoken(entry["plain"], "auc")]
            row = entry["plain"]
            mark = " (quoted)" if row["calibrated"] == "quoted" else ""
            numbers = "".join(f"{cell:>26}" for cell in cells)
            result.append(f"{row['forecast']:{width}}{counts(row):>14}{numbers}{mark}")
    return result


def _spoken(row, kind):
    return words(*(row[name] for name in (kind, f"{kind}_low", f"{kind}_high"))) if row else ""


if __name__ == "__main__":
    command_line.run(main)
