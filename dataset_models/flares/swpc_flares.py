"""Flares as NOAA's Space Weather Prediction Center itself publishes them, the first source of every other list.

- Edited events, one text per UTC day since 1996 (YYYYMMDDevents.txt): X-ray flares are the rows of type XRA; the place of
  one is that of an optical (FLA) or imaged (XFL) flare with its event number. Times carry B (before), A (after) or U
  (uncertain); //// is missing; region numbers have four digits.
- edited_events.json: the same rows as records.
- xray-flares-7-day.json and xray-flares-latest.json: flares found automatically, near real time, without region or place.
"""

import bisect
import collections
import datetime
import math
import re

from dataset_models.flares import flare_rows, region_numbers

_IS_EVENTS = re.compile(
    r"^#\s*Event\s+Begin\s+Max\s+End\b|^#.*\bEdited\s+Events\b|^:Product:.*events", re.IGNORECASE | re.MULTILINE
)
_DATES = (
    re.compile(r"^:Date:\s*(\d{4})\s+(\d{1,2})\s+(\d{1,2})\b", re.IGNORECASE | re.MULTILINE),
    re.compile(r"\bEdited\s+Events\s+for\s+(\d{4})\s+([a-z]{3})[a-z]*\s+(\d{1,2})\b", re.IGNORECASE),
    re.compile(r"^:Product:\s*(\d{4})(\d\d)(\d\d)events", re.IGNORECASE | re.MULTILINE),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# What a part takes it keeps: trying less for it would make a long run of spaces one of squares and cubes.
_MOMENT = r"\s++([ABU]?)\s*+(\d{4}|/++)"
_EVENT = re.compile(
    rf"\s*+(\d++)(?:\s*+\+)?+{_MOMENT * 3}\s++(\S{{2,4}})\s++(?:\S{{1,2}}\s++)?([A-Z]{{3}})\s++(\S++)\s*+(.*)",
    re.IGNORECASE,
)
_CLASS = re.compile(r"[<>]?[ABCMX]\d+(\.\d*)?[+e]?", re.IGNORECASE)
_QUALIFIERS = {"B": "began, peaked or ended before the time given", "A": "began, peaked or ended after the time given"}
_QUALIFIERS["U"] = "a time is uncertain"
_ROLL_OVER = datetime.timedelta(days=60)  # for which 0000 is region 10000, and not the lack of one
_COLUMNS = ("Event", "Begin", "Max", "End", "Type", "Loc/Frq", "Particulars", "Reg#")


def is_events_text(text):
    """Check whether a text is one of SWPC's edited events."""
    return _IS_EVENTS.search(text[:4000]) is not None


def _day(text):
    for pattern in _DATES:
        match = pattern.search(text)
        if match:
            year, month, day = match.groups()
            month = _MONTHS.index(month.lower()) + 1 if month.lower() in _MONTHS else month
            try:
                return datetime.date(int(year), int(month), int(day))
            except ValueError:
                continue
    raise ValueError("it does not give its day")


def _text_rows(text):
    """Yield (line, fields) of each X-ray flare of a day's text, or (line, None) where the line of one cannot be read."""
    day = _day(text)
    flares, places = [], {}
    for line, content in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if content.lstrip().startswith(("#", ":")):
            continue
        match = _EVENT.fullmatch(content)
        kind = match[9].upper() if match else ""
        if kind in ("FLA", "XFL"):
            places.setdefault(int(match[1]), []).append((kind, _minute(match[3]), match[10], _tail(match[11])[1]))
        elif kind == "XRA":
            flares.append((line, match))
        elif "XRA" in content.upper() or "1-8A" in content.upper():
            flares.append((line, None))
    optical = collections.defaultdict(_OpticalFlares, {event: _OpticalFlares(some) for event, some in places.items()})
    for line, match in flares:
        if match is None:
            yield line, None
            continue
        particulars, region = _tail(match[11])
        fields = {"Event": match[1], "day": day, "Class": next(filter(_CLASS.fullmatch, particulars.split()), particulars)}
        fields |= {"Begin": match[3], "Max": match[5], "End": match[7], "qualifiers": match[2] + match[4] + match[6]}
        fields |= {"Reg#": region, "place": optical[int(match[1])].place(_minute(match[3]), region)}
        yield line, fields


def _tail(text):
    """Split the end of a row into particulars and region."""
    match = re.fullmatch(r"(.*?)(?:(?<!\S)(\d{1,5}))?", text.rstrip())
    return match[1].strip(), match[2] or ""


def _minute(text):
    """Convert hhmm to minutes since midnight, 0 where it is missing."""
    return int(text[:2]) * 60 + int(text[2:]) if text.isdecimal() else 0


class _OpticalFlares:
    """Places of the optical flares of one event, found by region and time however many there are.

    Parameters
    ----------
    flares : iterable of tuple
        Type (FLA or XFL), time as a number, place, region number ("": any) of each; those whose place is none are left out.
    """

    def __init__(self, flares=()):
        self._places = {}  # of each type and region: time to the first place then, and its rank among all
        for rank, (kind, moment, place, number) in enumerate(flares):
            if flare_rows.POSITION.match(place):
                for region in (number, None):  # None: of all
                    self._places.setdefault((kind, region), {}).setdefault(moment, (rank, place))
        self._moments = {group: sorted(places) for group, places in self._places.items()}

    def place(self, moment, region):
        """Choose the place nearest in time and of the same region, the first type before the second: str, "" without any."""
        for kind in ("FLA", "XFL"):
            nearest = []
            for group in [(kind, region), (kind, "")] if region else [(kind, None)]:
                moments = self._moments.get(group, [])
                after = bisect.bisect_left(moments, moment)
                nearest += [(abs(one - moment), *self._places[group][one]) for one in moments[max(after - 1, 0) : after + 1]]
            if nearest:
                return min(nearest)[2]
        return ""


def _event(row):
    """Read an X-ray flare of a day's text."""
    values = row.values
    clock = flare_rows.time_of_day(values["day"])
    for letter in values["qualifiers"].upper():
        row.remarks[_QUALIFIERS[letter]] = f"event {values['Event']}"
    moments = {name: "" if values[name].startswith("/") else values[name] for name in ("Begin", "Max", "End")}
    peak = row.optional("peak", clock, moments["Max"])
    if not moments["Begin"] and peak is not None:
        row.notes.append("no start: its peak is taken for it")
    start = clock(moments["Begin"]) if moments["Begin"] or peak is None else peak
    return row.flare(
        start,
        row.flux_of_class("Class"),
        "SWPC",
        peak=peak,
        end=row.optional("end", clock, moments["End"]),
        position=row.optional("position", flare_rows.compass, values["place"], default=flare_rows.NOWHERE),
        region=row.optional("region", _region(start), values["Reg#"]),
    )


def _region(start):
    """Read a region number of four digits that was printed at some time."""

    def read(text):
        first = datetime.datetime.combine(region_numbers.FIRST_ROLL_OVER, datetime.time())
        if text.strip("0") == "" and first <= start < first + _ROLL_OVER:
            return 10000
        return flare_rows.region(text)

    return read


def _record_rows(text):
    """Yield (line, fields) of each X-ray flare of edited_events.json, or (line, None) where a record cannot be read."""
    flares, places = [], {}
    for line, record in flare_rows.json_rows(text):
        kind = str(record.get("type", "XRA")).upper() if record else "XRA"
        if kind in ("FLA", "XFL"):
            region = str(record.get("region", ""))
            places.setdefault(str(record.get("bin", "")), []).append(
                (kind, _moment(record), str(record.get("location")), region)
            )
        elif kind == "XRA":
            flares.append((line, record))
    places.pop("", None)  # of no event
    optical = collections.defaultdict(_OpticalFlares, {event: _OpticalFlares(some) for event, some in places.items()})
    for line, record in flares:
        if record is not None:
            of_event, moment = optical[str(record.get("bin", ""))], _moment(record)
            record = record | {"place": of_event.place(moment, str(record.get("region", ""))) if moment < math.inf else ""}
        yield line, record


def _moment(record):
    """Read when an event of edited_events.json begins: float, seconds; infinite where that is no time."""
    try:
        return (flare_rows.time(str(record.get("begin_datetime"))) - datetime.datetime.min).total_seconds()
    except ValueError:
        return math.inf


def _record(row):
    """Read an X-ray flare of edited_events.json."""
    for name in ("begin_quality", "max_quality", "end_quality"):
        if row.get(name).upper() in _QUALIFIERS:
            row.remarks[_QUALIFIERS[row.get(name).upper()]] = f"event {row.get('bin')}"
    start = flare_rows.time(row.get("begin_datetime"))
    return row.flare(
        start,
        row.flux_of_class("particulars1"),
        "SWPC",
        peak=row.optional("peak", flare_rows.time, row.get("max_datetime")),
        end=row.optional("end", flare_rows.time, row.get("end_datetime")),
        position=row.optional("position", flare_rows.compass, row.get("place"), default=flare_rows.NOWHERE),
        region=row.optional("region", _region(start), row.get("region")),
    )


def _automatic(row):
    """Read a flare of xray-flares-7-day.json or xray-flares-latest.json; the class of one that rises is a lower bound."""
    name = "max_class"
    if not row.get(name):
        so_far = [name for name in ("current_class", "begin_class") if row.get(name)]
        if not so_far:
            raise ValueError("no class")
        name = max(so_far, key=row.flux_of_class)
        row.remarks["still rises; its class so far is a lower bound"] = row.get(name)
    return row.flare(
        flare_rows.time(row.get("begin_time")),
        row.flux_of_class(name),
        "SWPC 7-day",
        peak=row.optional("peak", flare_rows.time, row.get("max_time")),
        end=row.optional("end", flare_rows.time, row.get("end_time")),
    )


EVENTS = flare_rows.form("SWPC", {"Loc/Frq"}, _COLUMNS, _event, _text_rows)
EDITED = flare_rows.form(
    "SWPC JSON", {"begin_datetime", "particulars1"}, ("begin_datetime", "type", "particulars1"), _record, _record_rows
)
SEVEN_DAYS = flare_rows.form("SWPC 7-day", {"max_class"}, ("begin_time", "max_class"), _automatic, flare_rows.json_rows)
