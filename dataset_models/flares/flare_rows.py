"""Parts that the readers of flare lists share: a flare, a row and its fields, and rows of CSV and JSON."""

import csv
import dataclasses
import datetime
import io
import json
import math
import re
import typing

from dataset_models.flares import region_numbers
from tools import goes_class, tables

LONGEST = datetime.timedelta(hours=12)  # a moved peak or end further than this from the start is no roll-over
NOWHERE = (math.nan, math.nan)

MOVED = "peak or end before the start, moved to the next day"
_UNKNOWN = {"", "none", "nan", "nat", "null", "unk", "n/a", "-"}
POSITION = re.compile(r"([NS])(\d{1,2})\s*([EW])(\d{1,3})", re.IGNORECASE)
_LEAP_SECOND = re.compile(r"(\d:\d\d:)60\b")
_FIRST_KEY = re.compile(r'\{\s*"[^"]+"')
_BETWEEN = re.compile(r"[\s,]*")
_PIECE = 1 << 14  # letters of a JSON list in which a record is looked for first
_LONGEST_WORD = 20  # letters of JSON that make sense only together: -Infinity, pairs of \ud83d\ude00
_CLASS = re.compile(r"([<>~\u2264\u2265]?)=?\s*([ABCMX]\s*[\d.,]+)\s*(\+*|e)", re.IGNORECASE)
_BOUNDS = {
    ">": "peak flux is a lower bound",
    "+": "peak flux is a lower bound",
    "<": "peak flux is an upper bound",
    "~": "peak flux is an estimate",
    "e": "peak flux is an estimate",
}


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


class ZonedTime(ValueError):
    """A time with a time zone other than UTC."""


class Row:
    """The fields of one row; notes what could not be read, and remarks on what was put right or is no exact value.

    Attributes
    ----------
    line : int
    values : dict of str to object
        By column.
    notes : list of str
        Fields left unknown, and why.
    remarks : dict of str to str
        What is remarked upon, with its detail.
    """

    def __init__(self, line, values):
        self.line = line
        self.values = values
        self.notes = []
        self.remarks = {}

    def get(self, name):
        """Return a field's text, "" where the list has no such column or marks it as unknown."""
        text = str(self.values.get(name, "")).strip()
        return "" if text.lower() in _UNKNOWN else text

    def optional(self, what, read, *texts, default=None):
        """Read a field that may be unknown: what `read` makes of its texts, or `default`."""
        if not any(texts):
            return default
        try:
            return read(*texts)
        except ZonedTime:
            raise
        except ValueError as error:
            self.notes.append(f"{what} left unknown: {error}")
            return default

    def flux_of_class(self, name):
        """Read the peak flux of a column with GOES classes: float.

        Saturated peaks are given as >X17 or X17+, estimates of them as X28e: the flux that is stated, with a remark.
        """
        text = self.get(name)
        match = _CLASS.fullmatch(text)
        if match is None:
            return goes_class.to_flux(text)
        flux = goes_class.to_flux(match[2].replace(",", "."))
        bound = match[1] or match[3][:1].lower()
        if bound:
            self.remarks[_BOUNDS.get(bound, _BOUNDS[">"])] = text
        return flux

    def flare(self, start, flux, source, *, peak=None, end=None, position=NOWHERE, region=None):
        """Make the row a flare, with what contradicts itself put right or left unknown."""
        if not 1900 <= start.year <= 2200:
            raise ValueError(f"not a time of a flare: {start}")
        moments = {"peak": peak, "end": end}
        for what, moment in moments.items():
            if moment is not None and moment < start:
                moved = moment + datetime.timedelta(days=1)
                if start <= moved <= start + LONGEST:
                    moments[what] = moved
                    self.remarks[MOVED] = f"{what} {moment}, start {start}"
                else:
                    moments[what] = None
                    self.notes.append(f"{what} left unknown: {moment} is before the start, {start}")
        peak, end = moments.values()
        # NOAA's list of 1986 to 2019 has 86 such rows; in 60 of them the peak is the midnight after, its way to have none.
        if peak and end and peak > end:
            self.notes.append(f"peak left unknown: {peak} is after the end, {end}")
            self.remarks["peak after the end, left unknown"] = f"peak {peak}, end {end}"
            peak = None
        if region is not None:
            region = region_numbers.full_number(region, start)
        return Flare(start, peak, end, flux, *position, region, source, self.line)


def time(text):
    """Read a date and time of day in UTC, to the second; a leap second is the first second of the next minute."""
    if not text:
        raise ValueError("no start time")
    leap = _LEAP_SECOND.sub(r"\g<1>59", text) if ":60" in text else text
    try:
        moment = datetime.datetime.fromisoformat(leap.replace("/", "-"))
    except ValueError:
        raise ValueError(f"not a time: {text!r}") from None
    if ":" not in text:
        raise ValueError(f"no time of day: {text!r}")
    if moment.tzinfo is not None:
        if moment.utcoffset():
            raise ZonedTime(f"the time {text} has a time zone")
        moment = moment.replace(tzinfo=None)
    if not 1900 <= moment.year <= 2200:
        raise ValueError(f"not a time of a flare: {text!r}")
    return moment.replace(microsecond=0) + datetime.timedelta(seconds=leap != text)


def time_of_day(day):
    """Read hhmm, h:mm or hh:mm:ss on a given day; 24:00 is its end."""

    def read(text):
        parts = text.split(":")
        if len(parts) == 1 and text.isdigit() and len(text) <= 4:
            parts = [text[:-2] or "0", text[-2:]]
        try:
            hours, minutes, seconds = [int(part) for part in (*parts, "0")][:3] if len(parts) > 1 else [99, 0, 0]
            if (hours, minutes, seconds) == (24, 0, 0):
                return datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(days=1)
            return datetime.datetime.combine(day, datetime.time(hours, minutes, seconds))
        except (ValueError, OverflowError):
            raise ValueError(f"not a time of day: {text!r}") from None

    return read


def number(text):
    """Read a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"not a number: {text!r}")
    return value


def flux(text):
    """Read a peak flux in W m^-2."""
    value = number(text)
    if not 1e-9 <= value <= 1:
        raise ValueError(f"not a peak flux in W m^-2: {text!r}")
    return value


def region(text):
    """Read a NOAA region as printed; 0 is none."""
    value = number(text)
    if value != int(value) or not 0 <= value < 100000:
        raise ValueError(f"not a NOAA region: {text!r}")
    return int(value) or None


def degrees(longitude, latitude):
    """Read Stonyhurst longitude and latitude."""
    west, north = number(longitude), number(latitude)
    if abs(west) > 180 or abs(north) > 90:
        raise ValueError(f"not a position on the Sun: {longitude}, {latitude}")
    return west, north


def compass(text):
    """Read a position like N08E37: longitude and latitude, west and north positive."""
    match = POSITION.match(text)
    if match is None:
        raise ValueError(f"not a position: {text!r}")
    north = float(match[2]) * (1 if match[1] in "Nn" else -1)
    west = float(match[4]) * (1 if match[3] in "Ww" else -1)
    return degrees(west, north)


def csv_rows(text):
    """Yield (line, {column: field}) of each row, or (line, None) where the number of fields is not the header's."""
    reader = csv.reader(io.StringIO(text))
    names = [name.strip() for name in next(reader)]
    numbered = None
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        if numbered is None:  # tables that programs write may number their rows in a column without a name
            numbered = len(fields) == len(names) + 1 and fields[0].strip() in ("0", "1")
        if numbered and len(fields) == len(names) + 1:
            fields = fields[1:]
        values = {}
        for name, field in zip(names, fields, strict=False):
            # FlareNet has its peak twice; the second is that of the nearest AIA image.
            values.setdefault(name, tables.unguarded(field))
        yield reader.line_num, values if len(fields) == len(names) else None


def json_rows(text):
    """Yield (line, {key: value}) of each record of a list, or (line, None) where it is no record or cannot be read.

    Raises
    ------
    ValueError
        The text is no list, or the list does not end.
    """
    decoder = json.JSONDecoder(strict=False)
    first = _FIRST_KEY.search(text)
    start = re.compile(re.escape(first[0]) if first else r"\{", re.DOTALL)
    place, line, counted = text.index("[") + 1, 1, 0
    ends = text.rstrip().endswith("]")
    while True:
        place = _BETWEEN.match(text, place).end()
        if text[place : place + 1] == "]":
            return
        line, counted = line + text.count("\n", counted, place), place
        try:
            record, place = _decoded(decoder, text, place)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        except json.JSONDecodeError as error:
            # The next record begins as the first one does.
            following = start.search(text, place + 1)
            if not ends or (following is None and not counted):
                raise ValueError(f"it is cut short or no JSON: {error.msg}, in the record of line {line}") from error
            yield line, None
            place = following.start() if following else text.rindex("]")
            continue
        fields = {key: "" if value is None else value for key, value in record.items()} if isinstance(record, dict) else None
        yield line, fields


def _decoded(decoder, text, place):
    """Decode the JSON value that begins at a place: (value, place after it); errors as of ``decoder.raw_decode``.

    Its error counts all lines before the fault. In a short piece they are few, however long the text and many its faults.
    """
    size = _PIECE
    while True:
        try:
            value, end = decoder.raw_decode(text[place : place + size])
            return value, place + end
        except json.JSONDecodeError as error:
            is_cut = error.pos > size - _LONGEST_WORD or error.msg.startswith("Unterminated")
            if place + size >= len(text) or not is_cut:
                raise
            size *= 16


@dataclasses.dataclass(frozen=True)
class Format:
    """One kind of flare list.

    Attributes
    ----------
    name : str
    distinctive : frozenset of str
        Columns that no other kind has.
    required : tuple of str
        Columns that it needs.
    parse : callable
        ``parse(row)``: the flare of a `Row`. Raises ValueError for a row that is none.
    rows : callable
        ``rows(text)``: iterator of line and values. Raises ValueError where the text is no such list.
    synonyms : dict of str to str
        Other names of columns, and the name here.
    """

    name: str
    distinctive: frozenset[str]
    required: tuple[str, ...]
    parse: typing.Callable
    rows: typing.Callable = csv_rows
    synonyms: dict[str, str] = dataclasses.field(default_factory=dict)

    def can_read(self, columns):
        """Check whether columns are those of this kind of list."""
        return not self.distinctive.isdisjoint(columns)

    def named_here(self, names):
        """Translate columns to the names that this kind of list gives them: dict of name to name here."""
        return {name: self.synonyms.get(name, name) if self.synonyms.get(name) not in names else name for name in names}


def form(name, distinctive, required, parse, rows=csv_rows, **synonyms):
    """Make a `Format`."""
    return Format(name, frozenset(distinctive), required, parse, rows, synonyms)
