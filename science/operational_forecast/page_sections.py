"""Sections of the forecast page, each from what it shows."""

import math
import re

import numpy

from network_models.forecasts.exchange.issued import text_of
from science.operational_forecast import page_drawings, page_history
from tools import goes_class
from tools.web_pages import Section, definitions, element, interval, items, joined, moment, percent, picture
from tools.web_pages import table as web_table

_PART = {"image": "image", "regions": "regions", "history": "past flares"}
_MODE = {
    "on time": "on time",
    "late": "late: issued when its window had begun already",
    "replayed": "replayed: issued afterwards, with only what was known at the time",
}
_SCORED = {  # columns of scores.csv: heading, and how a value is written
    "count": ("Forecasts", "{:.0f}".format),
    "events": ("Events", "{:.0f}".format),
    "brier_skill": ("Brier skill score", "{:z.2f}".format),
    "auc": ("ROC area", "{:z.2f}".format),
    "tss": ("TSS", "{:z.2f}".format),
    "best_tss": ("Best TSS", "{:z.2f}".format),
}
SCORES = tuple(_SCORED)
_PICTURES = {
    "reliability": "Reliability diagram: how often the event came, against the probability that was forecast. Points on the"
    " diagonal are forecasts that came true as often as they said.",
    "brier_skill_by_month": "Brier skill score of each month; above zero is better than climatology.",
}


def said(name):
    """Say which flares a key of probabilities stands for: str.

    Examples
    --------
    >>> said("M1.0"), said("M")
    ('M1.0 or more', 'M1.0 to M9.9')
    """
    return f"{name}1.0 to {name}9.9" if len(name) == 1 else f"{name} or more"


def in_order(probabilities):
    """Order probabilities by class: list of (str, Probability)."""

    def rank(item):
        try:
            return goes_class.to_flux(item[0] if len(item[0]) > 1 else f"{item[0]}1"), item[0]
        except ValueError:
            return math.inf, item[0]

    return sorted(probabilities.items(), key=rank)


def warnings(record, now):
    """Say what a reader must know first: that the window has closed, that it was issued late or later: list of Markup."""
    issued, found = record.forecast, []
    if issued.mode != "on time":
        found.append(f"{_MODE[issued.mode].capitalize()}.")
    if issued.end <= now:
        found.append(joined(["The window of this forecast closed ", moment(issued.end), ": nothing newer has been issued."]))
    return [element("p", words, class_="key alert") for words in found]


def forecast(record):
    """Show the newest forecast: window, all-clear, and probabilities of the disk."""
    issued = record.forecast
    content = [
        element("p", "Issued ", moment(issued.issued), " for ", moment(issued.begin), " to ", moment(issued.end), "."),
        element("p", "After that this page says nothing about what is coming.", class_="faint"),
        all_clear(record.all_clear),
    ]
    rows = in_order(issued.probabilities)
    if rows:
        cells = [[said(name), percent(one.value), interval(one.low, one.high)] for name, one in rows]
        columns = ("Flare of", "Probability", "Interval")
        content.append(web_table("Probability for the whole disk of the Sun", columns, cells, numbers=(1, 2)))
        content.append(page_drawings.probabilities(rows))
    else:
        content.append(element("p", "Nothing was forecast for the whole disk, only for regions."))
    return Section("Forecast", tuple(content), "forecast")


def all_clear(statement):
    """Say in words whether all is clear, at which level and confidence: Markup."""
    if statement is None:
        return element("p", "No statement of all-clear was made.", class_="key")
    # A line of the log may hold anything here; only a plain yes is one.
    level, confidence = (
        percent(value) if type(value) in (int, float) else value for value in (statement.below, statement.confidence)
    )
    event, level = f"a flare of {statement.event} or more", f"below {level}"
    if statement.clear is True:
        words = f"All clear: with a confidence of {confidence} the probability of {event} is {level}."
        return element("p", words, class_="key")
    words = f"No all-clear: that the probability of {event} is {level} cannot be said with a confidence of {confidence}."
    return element("p", words, class_="key alert")


def map_of(record, path, page):
    """Show the map, or say why there is none."""
    if path is None:
        words = "The forecast has no map." if record.map is None else f"The map {record.map} is not beside the log."
        return Section("Map", (element("p", words),), "map")
    places = [
        f"{region.numbering} {region.number}{f' at {_place(region)}' if region.latitude is not None else ''}"
        for region in record.forecast.regions
    ]
    alternative = (
        f"Map of the Sun, {record.map_method or 'method not named'}, of the forecast of {text_of(record.forecast.issued)}"
    )
    alternative += f"; regions {', '.join(places)}." if places else "; no region is named."
    caption = f"Where the probability comes from, by {record.map_method or 'a method that the log does not name'}."
    return Section("Map", (picture(path, page, alternative, caption),), "map")


def regions(record):
    """Tabulate the regions."""
    members = record.forecast.regions
    if not members:
        return Section("Regions", (element("p", "No region was forecast."),), "regions")
    names = [name for name, _ in in_order(dict.fromkeys(name for region in members for name in region.probabilities))]
    rows = []
    for region in sorted(members, key=lambda one: -max((value.value for value in one.probabilities.values()), default=0)):
        row = [f"{region.numbering} {region.number}", _place(region)]
        for name in names:
            one = region.probabilities.get(name)
            row.append("–" if one is None else _with_interval(one))
        rows.append(row)
    columns = ["Region", "Place", *map(said, names)]
    return Section(
        "Regions",
        (
            web_table("Probability by region, the highest first", columns, rows, numbers=range(2, len(columns))),
            element("p", "What comes from elsewhere on the Sun, beyond these regions, is in the forecast for the disk alone."),
        ),
        "regions",
    )


def _place(region):
    if region.longitude is None or region.latitude is None:
        return "place unknown"
    north, west = ("N" if region.latitude >= 0 else "S"), ("W" if region.longitude >= 0 else "E")
    return f"{north}{abs(region.latitude):02.0f} {west}{abs(region.longitude):02.0f}"


def _with_interval(one):
    bounds = element("span", f" ({interval(one.low, one.high)})", class_="faint") if one.low is not None else None
    return joined([percent(one.value), bounds])


def reasons(record):
    """Show what each member said, what it was made from, and what is missing."""
    issued, content = record.forecast, []
    basis = ", ".join(_PART.get(part, part) for part in record.basis) or "nothing that the log names"
    content.append(definitions([("Mode", _MODE[issued.mode]), ("Stands on", basis)]))
    if record.left_out:
        content.append(element("h3", "Left out"))
        content.append(items(joined([element("strong", _PART.get(part, part)), f": {why}"]) for part, why in record.left_out))
    if record.members:
        content.append(element("h3", "Members"))
        names = [name for name, _ in in_order(dict.fromkeys(name for one in record.members for name in one.probabilities))]
        rows = []
        for one in record.members:
            values = [percent(one.probabilities[name]) if name in one.probabilities else "–" for name in names]
            before = "–" if one.uncalibrated is None else percent(one.uncalibrated)
            rows.append([one.name, _PART.get(one.part, one.part), *values, before])
        columns = ["Member", "From", *map(said, names), "Event, before calibration"]
        content.append(web_table("What each member said", columns, rows, numbers=range(2, len(columns))))
    if record.inputs:
        content.append(element("h3", "Inputs"))
        rows = [[one.kind, _name(one.file), *_age(one.time, issued.issued), _digest(one.sha256)] for one in record.inputs]
        columns = ("Input", "File", "Time", "Age at issue", "SHA-256")
        content.append(web_table("What the forecast was made from", columns, rows, numbers=(3,)))
    return Section("Reasons", tuple(content), "reasons")


def _age(text, issued):
    try:
        time = numpy.datetime64(str(text).removesuffix("Z"), "s")
        age = float((issued - time) / numpy.timedelta64(60, "s"))
    except (ValueError, TypeError):
        return ["–" if text is None else text, "–"]
    if not math.isfinite(age):
        return ["–", "–"]
    return [moment(time), f"{age:.0f} min" if abs(age) < 120 else f"{age / 60:.1f} h"]


def _name(path):
    """Return the name of a file, whose folder is nobody's business: str."""
    return re.split(r"[/\\]", str(path))[-1]


def _digest(text):
    return element("code", text)


def last_days(history):
    """Show the forecasts of the last days beside what came; `history` is a `page_history.History`, or None."""
    heading = f"Last {page_history.DAYS} days"
    if history is None:
        return Section(heading, (element("p", "The log has no probability of an event for the disk."),), "days")
    content = []
    if history.sources is None:
        content.append(element("p", "No flare list was given (--flares), so what came is not known here."))
    drawn = [flare for flare in history.flares if history.span[0] <= flare[0] <= history.span[1]]
    shown = history.event, history.times, history.values, history.settled
    content.append(page_drawings.last_days(*shown, drawn, history.span))
    key = (
        f"Probability of a flare of {history.event} or more in the window of each forecast. Blue: what came is known; grey: the"
        " window is open, or the list does not reach its end. Triangles: M flares; diamonds: X flares."
    )
    content.append(element("p", key, class_="faint"))
    rows = []
    for place in history.last_of_each_day()[::-1]:
        one = history.records[place].forecast
        value = one.probabilities[history.event]
        rows.append([moment(one.issued), percent(value.value), history.words[place], interval(value.low, value.high), one.mode])
    columns = ("Issued", "Probability", "Strongest flare that came", "Interval", "Mode")
    caption = f"The last forecast of each day, {history.event} or more; {len(history.times)} forecasts in all"
    content.append(web_table(caption, columns, rows, numbers=(1, 3)))
    if history.sources:
        content.append(element("p", f"Flares from {', '.join(history.sources)}.", class_="faint"))
    return Section(heading, tuple(content), "days")


def skill(scores, pictures, page):
    """Show reliability and skill as verify.py wrote them; `scores` (pandas.DataFrame) is None where it was not asked."""
    heading = "Reliability and skill"
    if scores is None:
        command = element("code", "python science/operational_forecast/verify.py LOG --flares LIST --out FOLDER")
        words = joined(
            ["None were computed for this page. Compute them with ", command, " and give this page --scores FOLDER."]
        )
        return Section(heading, (element("p", words),), "skill")
    content = []
    shown = [name for name in _SCORED if name in scores.columns]
    columns = ["Forecast"]
    for name in shown:
        columns += [_SCORED[name][0], *(["Interval"] if f"{name}_low" in scores.columns else [])]
    parts = ["event", *(["hours"] if "hours" in scores.columns else [])]
    for part, members in scores.groupby(parts, sort=False):
        rows = []
        for row in members.to_dict("records"):
            cells = [row["name"]]
            for name in shown:
                write = _SCORED[name][1]
                cells.append(write(row[name]) if math.isfinite(row[name]) else "–")
                if f"{name}_low" in row:
                    cells.append(interval(row[f"{name}_low"], row.get(f"{name}_high"), write))
            rows.append(cells)
        caption = f"Scores of forecasts of {', '.join([said(part[0]), *part[1:]])}"
        content.append(web_table(caption, columns, rows, numbers=range(1, len(columns))))
    words = (
        "A Brier skill score is 1 for perfect forecasts, 0 for the climatology that it is measured against, negative below it."
    )
    content.append(element("p", words, class_="faint"))
    drawn = []
    for path in pictures:
        name = path.stem.split("_", 1)[1]
        kind = next((kind for kind in _PICTURES if name.startswith(kind)), None)
        event = name.removeprefix("reliability_") if kind == "reliability" and name != kind else None
        alternative = _PICTURES[kind] if kind else f"Picture {name} of the scores."
        drawn.append(picture(path, page, f"{said(event)}. {alternative}" if event else alternative, event and said(event)))
    content.append(element("div", drawn, class_="pictures") if drawn else None)
    return Section(heading, tuple(content), "skill")


def passport(record):
    """Show what computed the forecast."""
    rows = [[name, one.name, _digest(digest)] for one in record.members for name, digest in one.networks]
    pairs = [
        ("Method", record.forecast.method),
        ("Method of the map", record.map_method),
        ("Configuration (SHA-256)", _digest(record.configuration) if record.configuration else "not named"),
        ("Software", record.software or "not named"),
    ]
    networks = web_table("Networks", ("File", "Member", "SHA-256"), rows) if rows else element("p", "No network took part.")
    return Section("Passport", (definitions(pairs), networks), "passport")


def log(state, in_hindsight, newest, path):
    """Show the state of the log.

    Parameters
    ----------
    state : science.operational_forecast.chain.Verified
    in_hindsight : int
        Forecasts that were corrected or withdrawn when it could be known what came.
    newest : science.operational_forecast.record.Record
    path : pathlib.Path
    """
    pairs = [
        ("File", path.name),
        ("Lines", str(state.count)),
        ("Corrections", str(state.corrections)),
        ("Withdrawals", str(state.withdrawals)),
        ("Of both, written when the window had closed", str(in_hindsight)),
        ("SHA-256 of the last line", _digest(state.last)),
        ("Chain", "verified: each line carries the SHA-256 of the line before it"),
        ("This forecast", f"line {newest.number}, logged {newest.logged}"),
    ]
    content = [definitions(pairs)]
    if newest.kind != "forecast":
        content.append(element("p", f"It corrects line {newest.corrects}: {newest.reason}"))
    content.append(
        element("p", "A log that was cut at its end shows only against a digest that was kept elsewhere, such as this one.")
    )
    return Section("Log", tuple(content), "log")
