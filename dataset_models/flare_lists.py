"""Published lists of solar flares: one reader per format, each claiming its files by their header.

=========== ======================================================================================================
HEK         CSV of Heliophysics Event Knowledgebase queries (event_starttime, fl_goescls, ...)
GOES        CSV of NOAA's GOES reports with NOAA regions (DATE as yymmdd, times as hhmm, CMX, CMX_VALUE, AR, ...)
FlareNet    CSV of nasa-fdl/flarenet: Year, Month, Day, Hour Start, ..., Peak Flux
LMSAL       "latest events" of LMSAL: the saved HTML page, or a CSV of it (EName, Start, Stop, Peak, GOES Class, ...)
DONKI       JSON of NASA CCMC's DONKI, records with or without catalog, note, submissionTime and versionId
integrated  CSV of the full-disk studies: start_time, goes_class, and where known fl_lon, fl_lat, peak_time, end_time
catalogue   CSV written by :mod:`dataset_models.flare_catalogue`
=========== ======================================================================================================

Rows whose start or class cannot be read are malformed: left out, counted, and named by file and line. Rows with
another field that cannot be read keep the flare, with that field unknown; these are counted as incomplete and named
as well. Lists that give times of day only, or the date of the start with every time, put the peak or end of a flare
across midnight before its start; such times are moved one day on and counted as repaired.
"""

import csv
import dataclasses
import datetime
import html.parser
import io
import json
import math
import pathlib
import re
import typing

from tools import goes_class
from tools.errors import UserError

LONGEST = datetime.timedelta(hours=12)  # a moved peak or end further than this from the start is no roll-over
# NOAA region 10000 was numbered on 2002-06-14; lists go on dropping the leading 1.
FIVE_DIGITS_SINCE = datetime.datetime(2002, 6, 14)

_UNKNOWN = {"", "none", "nan", "nat", "null", "unk", "n/a", "-"}
_POSITION = re.compile(r"([NS])(\d{1,2})\s*([EW])(\d{1,3})", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,]*")
_REGION = re.compile(r"\(\s*(\d+)\s*\)")


class Flare(typing.NamedTuple):
    """One flare as a list gives it.

    Attributes
    ----------
    start, peak, end : datetime.datetime
        UTC without a time zone; peak and end may be None.
    flux : float
        Peak flux, 1-8 Angstrom, W m^-2.
    longitude, latitude : float
        Stonyhurst degrees, west and north positive; NaN where unknown.
    region : int or None
        NOAA active region, five digits since 2002-06-14.
    source : str
        The list's name.
    line : int
        Where in the file.
    """

    start: datetime.datetime
    peak: datetime.datetime | None
    end: datetime.datetime | None
    flux: float
    longitude: float
    latitude: float
    region: int | None
    source: str
    line: int


@dataclasses.dataclass(frozen=True)
class FlareList:
    """What one file holds: its flares in the order of the file, and how many rows were read, left out or put right."""

    path: pathlib.Path
    source: str
    flares: tuple[Flare, ...]
    rows: int
    malformed: int
    incomplete: int
    repaired: int
    problems: tuple[str, ...]


def read_list(path):
    """Read one file of flares in whichever known format it is.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    FlareList

    Raises
    ------
    UserError
        The file is missing, unreadable, of no known format or of several; columns are missing; a time carries a time
        zone other than UTC; or not one of its rows is a flare.
    """
    path = pathlib.Path(path)
    text = _text(path)
    form, columns = _claimed(path, text)
    missing = [name for name in form.required if name not in columns]
    if missing:
        raise UserError(f"{path}: {form.name} flare list without {', '.join(missing)}; it needs {', '.join(form.required)}")
    flares, problems, counts = [], [], {"rows": 0, "malformed": 0, "incomplete": 0, "repaired": 0}
    try:
        for line, values in form.rows(text):
            counts["rows"] += 1
            row = _Row(line, values)
            try:
                if values is None:
                    raise ValueError("not as many fields as the header has")
                flare = form.parse(row)
            except _ZonedTime as error:
                raise UserError(f"{path}:{line}: {error}; flare lists are in UTC, without a time zone") from error
            except ValueError as error:
                counts["malformed"] += 1
                problems.append(f"{path}:{line}: {error}")
                continue
            flares.append(flare)
            counts["repaired"] += row.repaired
            counts["incomplete"] += bool(row.notes)
            problems.extend(f"{path}:{line}: {note}" for note in row.notes)
    except csv.Error as error:
        raise UserError(f"{path}: not readable as CSV ({error})") from error
    if counts["rows"] and not flares:
        raise UserError(f"{path}: none of its {counts['rows']} rows is a flare ({problems[0]})")
    return FlareList(path, form.name, tuple(flares), problems=tuple(problems), **counts)


def _text(path):
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file; give a flare list as CSV, JSON or HTML") from error
    if "\0" in text:
        raise UserError(f"{path}: not a text file; give a flare list as CSV, JSON or HTML")
    if not text.strip():
        raise UserError(f"{path}: empty file; give a flare list")
    return text


def _claimed(path, text):
    try:
        columns = _columns(text)
    except (csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not readable as a flare list ({error})") from error
    found = [form for form in FORMATS if form.can_read(columns)]
    if len(found) == 1:
        return found[0], columns
    if found:
        names = " and ".join(form.name for form in found)
        raise UserError(f"{path}: its columns are those of several flare lists ({names}); keep those of one")
    known = "; ".join(f"{form.name} ({', '.join(form.required)})" for form in FORMATS)
    shown = ", ".join(list(columns)[:12]) or "none"
    raise UserError(f"{path}: no known flare list (columns found: {shown}); known are {known}")


def _columns(text):
    """Column names: a CSV's first line, all keys of JSON records, LMSAL's own for its HTML page."""
    first = text.lstrip()[:1]
    if first in "[{":
        records = json.loads(text)
        if not isinstance(records, list):
            return []
        # An empty answer is a DONKI answer for days without flares.
        return list(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record)) or (
            [] if records else list(_donki.required)
        )
    if first == "<":
        return list(_LMSAL_COLUMNS) if "gev_" in text else []
    return [name.strip() for name in next(csv.reader(io.StringIO(text)), [])]


class _ZonedTime(ValueError):
    pass


class _Row:
    """The fields of one row; notes what could not be read or had to be moved across midnight."""

    def __init__(self, line, values):
        self.line = line
        self.values = values
        self.notes = []
        self.repaired = False

    def get(self, name):
        """A field's text, "" when the list has no such column or says unknown."""
        text = str(self.values.get(name, "")).strip()
        return "" if text.lower() in _UNKNOWN else text

    def optional(self, what, read, *texts, default=None):
        if not any(texts):
            return default
        try:
            return read(*texts)
        except _ZonedTime:
            raise
        except ValueError as error:
            self.notes.append(f"{what} left unknown: {error}")
            return default

    def flare(self, start, flux, source, *, peak=None, end=None, position=(math.nan, math.nan), region=None):
        moments = {"peak": peak, "end": end}
        repaired = False
        for what, moment in moments.items():
            if moment is not None and moment < start:
                moved = moment + datetime.timedelta(days=1)
                if start <= moved <= start + LONGEST:
                    moments[what], repaired = moved, True
                else:
                    moments[what] = None
                    self.notes.append(f"{what} left unknown: {moment} is before the start, {start}")
        self.repaired = repaired
        if region is not None and region < 10000 and start >= FIVE_DIGITS_SINCE:
            region += 10000
        return Flare(start, moments["peak"], moments["end"], flux, *position, region, source, self.line)


def _time(text):
    if not text:
        raise ValueError("no start time")
    try:
        moment = datetime.datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        raise ValueError(f"not a time: {text!r}") from None
    if ":" not in text:
        raise ValueError(f"no time of day: {text!r}")
    if moment.tzinfo is not None:
        if moment.utcoffset():
            raise _ZonedTime(f"the time {text} has a time zone")
        moment = moment.replace(tzinfo=None)
    return moment.replace(microsecond=0)


def _time_of_day(day):
    """Read hhmm, h:mm or hh:mm:ss on a given day."""

    def read(text):
        parts = text.split(":")
        if len(parts) == 1 and text.isdigit() and len(text) <= 4:
            parts = [text[:-2] or "0", text[-2:]]
        try:
            hours, minutes, seconds = [int(part) for part in (*parts, "0")][:3] if len(parts) > 1 else [99, 0, 0]
            return datetime.datetime.combine(day, datetime.time(hours, minutes, seconds))
        except ValueError:
            raise ValueError(f"not a time of day: {text!r}") from None

    return read


def _number(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"not a number: {text!r}")
    return value


def _flux(text):
    flux = _number(text)
    if not 1e-9 <= flux <= 1:
        raise ValueError(f"not a peak flux in W m^-2: {text!r}")
    return flux


def _region(text):
    number = _number(text)
    if number != int(number) or not 0 <= number < 100000:
        raise ValueError(f"not a NOAA region: {text!r}")
    return int(number) or None


def _degrees(longitude, latitude):
    west, north = _number(longitude), _number(latitude)
    if abs(west) > 180 or abs(north) > 90:
        raise ValueError(f"not a position on the Sun: {longitude}, {latitude}")
    return west, north


def _compass(text):
    match = _POSITION.match(text)
    if match is None:
        raise ValueError(f"not a position: {text!r}")
    north = float(match[2]) * (1 if match[1] in "Nn" else -1)
    west = float(match[4]) * (1 if match[3] in "Ww" else -1)
    return _degrees(west, north)


_NOWHERE = (math.nan, math.nan)


def _hek(row):
    # hgs_x and hgs_y are Stonyhurst whatever the reporting system; event_coord1 and 2 are so in the lists of NOAA.
    pair = ("hgs_x", "hgs_y") if "hgs_x" in row.values else ("event_coord1", "event_coord2")
    position = row.optional("position", _degrees, *map(row.get, pair), default=_NOWHERE)
    return row.flare(
        _time(row.get("event_starttime")),
        goes_class.to_flux(row.get("fl_goescls")),
        "HEK",
        peak=row.optional("peak", _time, row.get("event_peaktime")),
        end=row.optional("end", _time, row.get("event_endtime")),
        position=_NOWHERE if position == (0, 0) else position,  # HEK's way to say unknown
        region=row.optional("region", _region, row.get("ar_noaanum")),
    )


def _goes(row):
    date = row.get("DATE")
    if not re.fullmatch(r"\d{6}", date):
        raise ValueError(f"not a date as yymmdd: {date!r}")
    try:
        day = datetime.date((1900 if date > "75" else 2000) + int(date[:2]), int(date[2:4]), int(date[4:]))
    except ValueError:
        raise ValueError(f"not a date as yymmdd: {date!r}") from None
    read = _time_of_day(day)
    tenths = row.get("CMX_VALUE")
    if not tenths.isdigit():
        raise ValueError(f"not tenths of a class: {tenths!r}")
    # Not INTENSITY, which is ten times this in most rows and anything in others. In LOCATION two digits of longitude
    # are followed by the optical importance: S32W481F is W48, importance 1, faint.
    return row.flare(
        read(row.get("START_TIME")),
        goes_class.to_flux(f"{row.get('CMX')}{int(tenths) // 10}.{int(tenths) % 10}"),
        "GOES",
        peak=row.optional("peak", read, row.get("MAX_TIME")),
        end=row.optional("end", read, row.get("END_TIME")),
        position=row.optional("position", _compass, row.get("LOCATION")[:6], default=_NOWHERE),
        region=row.optional("region", _region, row.get("AR")),
    )


def _flarenet(row):
    try:
        day = datetime.date(*(int(row.get(name)) for name in ("Year", "Month", "Day")))
    except ValueError as error:
        raise ValueError(f"not a date: {error}") from None
    read = _time_of_day(day)

    def clock(name):
        return ":".join(row.get(f"{unit} {name}") for unit in ("Hour", "Minute"))

    return row.flare(
        read(clock("Start")),
        _flux(row.get("Peak Flux")),
        "FlareNet",
        peak=row.optional("peak", read, clock("Peak")),
        end=row.optional("end", read, clock("End")),
    )


def _lmsal(row):
    start = _time(row.get("Start"))
    where = row.get("Derived Position")
    region = _REGION.search(where)

    def moment(text):
        return _time(text) if "/" in text or "-" in text else _time_of_day(start.date())(text)

    return row.flare(
        start,
        goes_class.to_flux(row.get("GOES Class")),
        "LMSAL",
        peak=row.optional("peak", moment, row.get("Peak")),
        end=row.optional("end", moment, row.get("Stop")),
        position=row.optional("position", _compass, _REGION.sub("", where).strip(), default=_NOWHERE),
        region=row.optional("region", _region, region[1] if region else ""),
    )


def _donki_record(row):
    return row.flare(
        _time(row.get("beginTime")),
        goes_class.to_flux(row.get("classType")),
        "DONKI",
        peak=row.optional("peak", _time, row.get("peakTime")),
        end=row.optional("end", _time, row.get("endTime")),
        position=row.optional("position", _compass, row.get("sourceLocation"), default=_NOWHERE),
        region=row.optional("region", _region, row.get("activeRegionNum")),
    )


def _integrated(row):
    return row.flare(
        _time(row.get("start_time")),
        goes_class.to_flux(row.get("goes_class")),
        "integrated",
        peak=row.optional("peak", _time, row.get("peak_time")),
        end=row.optional("end", _time, row.get("end_time")),
        position=row.optional("position", _degrees, row.get("fl_lon"), row.get("fl_lat"), default=_NOWHERE),
        region=row.optional("region", _region, row.get("noaa_active_region")),
    )


def _catalogue(row):
    return row.flare(
        _time(row.get("start")),
        _flux(row.get("flux")),
        row.get("source") or "catalogue",
        peak=row.optional("peak", _time, row.get("peak")),
        end=row.optional("end", _time, row.get("end")),
        position=row.optional("position", _degrees, row.get("longitude"), row.get("latitude"), default=_NOWHERE),
        region=row.optional("region", _region, row.get("noaa_region")),
    )


def _csv_rows(text):
    """(line, {column: field}) of each row, or (line, None) where the number of fields is not the header's."""
    reader = csv.reader(io.StringIO(text))
    names = [name.strip() for name in next(reader)]
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        values = {}
        for name, field in zip(names, fields, strict=False):
            values.setdefault(name, field)  # FlareNet has its peak twice; the second is that of the nearest AIA image
        yield reader.line_num, values if len(fields) == len(names) else None


def _json_rows(text):
    decoder = json.JSONDecoder()
    place, line, counted = text.index("[") + 1, 1, 0
    while True:
        place = _BETWEEN.match(text, place).end()
        if text[place] == "]":
            return
        line, counted = line + text.count("\n", counted, place), place
        record, place = decoder.raw_decode(text, place)
        fields = {key: "" if value is None else value for key, value in record.items()} if isinstance(record, dict) else None
        yield line, fields


_LMSAL_COLUMNS = ("Event#", "EName", "Start", "Stop", "Peak", "GOES Class", "Derived Position")


class _TableRows(html.parser.HTMLParser):
    """Rows of an HTML page's tables as (line, texts of the cells)."""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.cell = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append((self.getpos()[0], []))
        self.cell = tag == "td" or (self.cell and tag != "tr")
        if tag == "td" and self.rows:
            self.rows[-1][1].append("")

    def handle_endtag(self, tag):
        self.cell = self.cell and tag not in ("td", "tr", "table")

    def handle_data(self, data):
        if self.cell and self.rows:
            self.rows[-1][1][-1] += data


def _lmsal_rows(text):
    if text.lstrip()[0] != "<":
        yield from _csv_rows(text)
        return
    parser = _TableRows()
    parser.feed(text)
    for line, cells in parser.rows:
        cells = [" ".join(cell.split()) for cell in cells]
        if any(cell.startswith("gev_") for cell in cells[:2]):
            whole = len(cells) >= len(_LMSAL_COLUMNS)
            yield line, dict(zip(_LMSAL_COLUMNS, cells, strict=False)) if whole else None


@dataclasses.dataclass(frozen=True)
class Format:
    """One kind of flare list: its name, the columns that give it away, those it cannot do without, and its reading."""

    name: str
    telling: frozenset[str]
    required: tuple[str, ...]
    rows: typing.Callable
    parse: typing.Callable

    def can_read(self, columns):
        return not self.telling.isdisjoint(columns)


def _form(name, telling, required, parse, rows=_csv_rows):
    return Format(name, frozenset(telling), required, rows, parse)


_donki = _form("DONKI", {"beginTime", "classType"}, ("beginTime", "classType"), _donki_record, _json_rows)

_CLOCKS = tuple(f"{unit} {name}" for name in ("Start", "End", "Peak") for unit in ("Hour", "Minute"))

FORMATS = (
    _form("HEK", {"event_starttime", "fl_goescls"}, ("event_starttime", "fl_goescls"), _hek),
    _form("GOES", {"CMX", "CMX_VALUE"}, ("DATE", "START_TIME", "END_TIME", "MAX_TIME", "CMX", "CMX_VALUE", "AR"), _goes),
    _form("FlareNet", {"Hour Start", "Peak Flux"}, ("Year", "Month", "Day", *_CLOCKS, "Peak Flux"), _flarenet),
    _form("LMSAL", {"EName", "GOES Class"}, ("Start", "GOES Class"), _lmsal, _lmsal_rows),
    _donki,
    _form("integrated", {"start_time"}, ("start_time", "goes_class"), _integrated),
    _form("catalogue", {"noaa_region"}, ("start", "flux", "source", "noaa_region"), _catalogue),
)
