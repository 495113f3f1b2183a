"""Published tables of several methods' forecasts, a column a method, each compared with ours on the days that it covers.

Such a table has a date, the outcome (a column ``rlz`` or ``rlz.M1``), and probabilities; a negative or empty cell means that
the method made no forecast for the day. A forecast of the table is for its whole day, 00:00 to 24:00 UTC; ours of a date is the
one issued on it, by 01:00, and there must be no more than one.

References
----------
Leka et al. 2019, ApJS 243, 36 (operational forecasts of 2016 and 2017, compared in this way).
"""

import dataclasses

import numpy

from dataset_models import observation_times
from network_models.forecasts.files import PROBABILITY_COLUMNS, Forecasts
from science.verification import report
from science.verification.scores import WITHOUT_THRESHOLD, Scored, difference, score, words
from tools import atomic_files, figures, tables
from tools.errors import UserError

DATES = ("VALID_DATE", "valid_date", "date")
OUTCOME = "rlz"
COMPARED = ("brier_skill", "auc")
LATEST = numpy.timedelta64(1, "h")  # after 00:00: an issue of later in the day knows hours that it is scored on


@dataclasses.dataclass(frozen=True)
class Row:
    """A method of the table, and a forecast of ours on the same days.

    Attributes
    ----------
    method : str
    days, events : int
    scored : Scored
        Of the method.
    ours : dict of str to Scored
        Of our forecasts on these days, by name.
    """

    method: str
    days: int
    events: int
    scored: Scored
    ours: dict[str, Scored]


def is_table(path):
    """Check whether a file is a table of methods: it has an outcome of this kind, and no column of one forecast alone."""
    columns = tables.header(path)
    return any(_is_outcome(name) for name in columns) and not set(columns) & set(PROBABILITY_COLUMNS)


def read(path):
    """Read a table of methods.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    list of Forecasts
        One of each method that made a forecast, on its own days.

    Raises
    ------
    UserError
        There is no date, several outcomes, an outcome that is neither 0 nor 1, a probability above 1, a date that is repeated.
    """
    columns = tables.header(path)
    outcomes = [name for name in columns if _is_outcome(name)]
    dates = [name for name in DATES if name in columns]
    if len(outcomes) != 1 or not dates:
        raise UserError(f"{path}: needs one column {OUTCOME} of the outcome and one of the date ({', '.join(DATES)})")
    methods = [name for name in columns if name not in (*outcomes, dates[0])]
    table = tables.read(path, numbers=(*methods, *outcomes))
    times = observation_times.from_texts(table[dates[0]].astype(str), origin=f"{path}, column {dates[0]}")
    observation_times.checked(times, origin=f"{path}, column {dates[0]}")
    outcome = table[outcomes[0]].to_numpy()
    if not numpy.isin(outcome, (0, 1)).all():
        raise UserError(f"{path}: column {outcomes[0]} holds something else than 0 and 1")
    result = []
    for name in methods:
        values = table[name].to_numpy()
        if (values > 1).any():
            raise UserError(f"{path}: column {name}: {values[values > 1][0]:g} is no probability")
        made = values >= 0  # neither missing nor marked as none
        if made.any():
            fold = numpy.zeros(made.sum(), "int64")
            result.append(Forecasts(name, times[made], values[made], outcome[made] > 0.5, fold))
    if not result:
        raise UserError(f"{path}: no method has a forecast")
    return result


def _is_outcome(name):
    return name == OUTCOME or name.startswith(f"{OUTCOME}.")


def days_of(forecast, name):
    """Find the day that each forecast is scored on: ``datetime64[D]`` (n,).

    Parameters
    ----------
    forecast : Forecasts
    name : str
        For errors.

    Raises
    ------
    UserError
        There are several forecasts for a day, or one was issued more than `LATEST` after its day began.
    """
    days = forecast.times.astype("datetime64[D]")
    if len(numpy.unique(days)) < len(days):
        raise UserError(f"{name}: has several forecasts for a day; give one a day")
    latest = numpy.max(forecast.times - days, initial=numpy.timedelta64(0, "s"))
    if latest > LATEST:
        clock = [str(numpy.datetime64(0, "s") + length)[11:16] for length in (latest, LATEST)]
        raise UserError(f"{name}: issued up to {clock[0]} of the day that is scored; give forecasts issued by {clock[1]}")
    return days


def compare(methods, ours, settings):
    """Score each method on its days, and ours on the same.

    Parameters
    ----------
    methods : sequence of Forecasts
        Of `read`.
    ours : sequence of Forecasts
        At most one a day, as of `days_of`; their outcomes are those of the table.
    settings : science.verification.report.Settings
        Of the bootstrap.

    Returns
    -------
    list of Row
        The highest Brier skill first. Methods of which no day is forecast by all of ours are left out.

    Raises
    ------
    UserError
        There are two forecasts of ours for a day, one was issued late in it, or no day is common.
    """
    by_day = {}
    for forecast in ours:
        days = days_of(forecast, forecast.name)
        by_day[forecast.name] = dict(zip(days.tolist(), forecast.probability.tolist(), strict=True))
    rows = []
    for method in methods:
        days = method.times.astype("datetime64[D]").tolist()
        shared = numpy.array([all(day in known for known in by_day.values()) for day in days])
        if not shared.any():
            continue
        part = method.where(shared)
        keywords = {"bootstrap": report.bootstrap_of(part.times, part.fold, settings)}
        kept = [day for day, here in zip(days, shared, strict=True) if here]
        mine = {
            name: score(numpy.array([known[day] for day in kept]), part.event, **keywords) for name, known in by_day.items()
        }
        scored = score(part.probability, part.event, **keywords)
        rows.append(Row(method.name, len(part), int(part.event.sum()), scored, mine))
    if not rows:
        raise UserError("no day of the table is forecast by all of the other files; give forecasts of its dates")
    return sorted(rows, key=lambda row: -numpy.nan_to_num(row.scored.value["brier_skill"], nan=-numpy.inf))


def lines(rows, settings):
    """Write the comparison to print: list of lines."""
    names = list(rows[0].ours)
    head = f"{'method':10} {'days':>5} {'with':>5}" + "".join(f"{label:>25}" for label in WITHOUT_THRESHOLD.values())
    head += "".join(f"{f'{name}: {WITHOUT_THRESHOLD[kind]} more':>40}" for name in names for kind in COMPARED)
    result = [
        f"{100 * settings.level:g} % intervals, blocks of {settings.block_days:g} days; each method on its own days",
        head,
    ]
    for row in rows:
        cells = [_cell(row.scored, kind, settings) for kind in WITHOUT_THRESHOLD]
        more = [
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(*difference(row.ours[name], row.scored, kind, settings.level))
            for name in names
            for kind in COMPARED
        ]
        text = f"{row.method:10} {row.days:5} {row.events:5}" + "".join(f"{cell:>25}" for cell in cells)
        result.append(text + "".join(f"{cell:>40}" for cell in more))
    most = max(rows, key=lambda row: row.days)
    for name in names:
        cells = [_cell(most.ours[name], kind, settings) for kind in WITHOUT_THRESHOLD]
        result.append(f"{name:10} {most.days:5} {most.events:5}" + "".join(f"{cell:>25}" for cell in cells))
    return result


def _cell(scored, kind, settings):
    return words(scored.value[kind], *scored.interval(kind, settings.level))


def table(rows, settings):
    """Arrange the comparison as a `pandas.DataFrame`: a row for each method, and for each of ours on the days of each."""
    import pandas

    records = []
    for row in rows:
        for name, scored in {row.method: row.scored, **row.ours}.items():
            record = {"on_the_days_of": row.method, "forecast": name, "days": row.days, "events": row.events}
            for kind in WITHOUT_THRESHOLD:
                record[kind] = scored.value[kind]
                if kind in scored.samples:
                    record[f"{kind}_low"], record[f"{kind}_high"] = scored.interval(kind, settings.level)
            if name != row.method:
                for kind in COMPARED:
                    more = difference(scored, row.scored, kind, settings.level)
                    record |= dict(zip((f"{kind}_more", f"{kind}_more_low", f"{kind}_more_high"), more, strict=True))
            records.append(record)
    return pandas.DataFrame(records)


def draw(path, rows, settings, *, title, simulated=False):
    """Draw the scores of each method and of ours on the same days, with their intervals."""
    with figures.style():
        figure, panels = figures.new(1, len(COMPARED), figsize=(11, 0.42 * len(rows) + 2.4), sharey=True)
        places = numpy.arange(len(rows))[::-1]
        names = list(rows[0].ours)
        for axes, kind in zip(panels, COMPARED, strict=True):
            for number, name in enumerate([None, *names]):
                scored = [row.scored if name is None else row.ours[name] for row in rows]
                y = places + 0.22 * (number - len(names) / 2)
                colour = "0.35" if name is None else figures.PALETTE[number - 1]
                bounds = numpy.array([one.interval(kind, settings.level) for one in scored])
                axes.hlines(y, *bounds.T, color=colour, lw=1.6)
                style = {"marker": "s" if name is None else "o", "ls": "", "color": colour, "ms": 5}
                axes.plot([one.value[kind] for one in scored], y, label=name or "method", **style)
            axes.set(xlabel=WITHOUT_THRESHOLD[kind])
            everything = [one for row in rows for one in (row.scored, *row.ours.values())]
            values = [one.value[kind] for one in everything]
            most = numpy.nanmax([values, [one.interval(kind, settings.level)[1] for one in everything]])
            least = max(min(values) - 0.1, -1.0)
            axes.set_xlim(least, min(most + 0.03, 1.0))
            for place, row in zip(places, rows, strict=True):
                if row.scored.value[kind] < least:
                    text = f" \N{BLACK LEFT-POINTING SMALL TRIANGLE} {row.scored.value[kind]:.2f}"
                    axes.annotate(text, (least, place), va="center", fontsize=9, color="0.35")
            axes.axvline(0.5 if kind == "auc" else 0.0, color="0.7", lw=1)
        panels[0].set_yticks(places, [f"{row.method}  ({row.days}, {row.events})" for row in rows])
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(names))
        words = f"in brackets the number of days and of those with an event; {100 * settings.level:g} % intervals"
        figure.suptitle(f"{figures.title(title, simulated=simulated)}\n{words}", fontsize=13)
        figures.save(figure, path)


def write(folder, rows, settings, *, title, simulated=False):
    """Write methods.csv, methods.md and methods.png."""
    found = table(rows, settings)
    atomic_files.write_table(folder / "methods.csv", found)
    words = f"{figures.title(title, simulated=simulated)}; {100 * settings.level:g} % intervals"
    atomic_files.write_text(folder / "methods.md", f"{words}\n\n{tables.markdown(found)}")
    draw(folder / "methods.png", rows, settings, title=title, simulated=simulated)
