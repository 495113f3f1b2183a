"""Published lists of solar flares: one reader per format, which recognises its files by what they hold.

=========== ======================================================================================================
SWPC        edited events of NOAA's SWPC, YYYYMMDDevents.txt of a day; :mod:`dataset_models.flares.swpc_flares`
SWPC JSON   SWPC's edited_events.json; SWPC 7-day: its xray-flares-7-day.json and xray-flares-latest.json
HEK         CSV of Heliophysics Event Knowledgebase queries (event_starttime, fl_goescls or goes_class, ...); rows whose
            frm_name is not SWPC are of another source, as HEK/SSW Latest Events
GOES        CSV of NOAA's GOES reports with NOAA regions (DATE as yymmdd, times as hhmm, CMX, CMX_VALUE, AR, ...)
FlareNet    CSV of nasa-fdl/flarenet: Year, Month, Day, Hour Start, ..., Peak Flux
LMSAL       "latest events" of LMSAL: the saved HTML page, or a CSV of it (EName, Start, Stop, Peak, GOES Class, ...)
DONKI       JSON of NASA CCMC's DONKI, records with or without catalog, note, submissionTime and versionId
integrated  CSV of the full-disk studies: start_time, goes_class, and where known fl_lon, fl_lat, peak_time, end_time
catalogue   CSV written by :mod:`dataset_models.flare_catalogue`
=========== ======================================================================================================

Any of them may be compressed by gzip. Rows whose start or class cannot be read are malformed: left out, counted, and
named by file and line. Rows with another field that cannot be read, or that contradicts the others (an end before the
start, a peak after the end), keep the flare, with that field unknown; these are counted as incomplete and named as
well. Lists that give times of day only, or the date of the start with every time, put the peak or end of a flare across
midnight before its start; such times are moved one day on and counted as repaired. What a row gives with a reservation
(a saturated peak, a byte that is no text) is remarked upon.
"""

import csv
import dataclasses
import datetime
import html.parser
import io
import pathlib
import re

from dataset_models.flares import flare_rows, swpc_flares
from tools import goes_class
from tools.errors import UserError
from tools.reading import raw_files

_REGION = re.compile(r"\(\s*(\d+)\s*\)")
_NO_TEXT = "not a text file; give a flare list as text, CSV, JSON or HTML"


@dataclasses.dataclass(frozen=True)
class FlareList:
    """Content of one file: its flares in the order of the file, and how many rows were read, left out or put right.

    Attributes
    ----------
    path : pathlib.Path
    source : str
        The format's name.
    flares : tuple of flare_rows.Flare
    rows, malformed, incomplete, repaired : int
    problems : tuple of str
        "file:line: why" of every malformed or incomplete row.
    remarks : dict of str to tuple of str
        By what is remarked upon: "file:line: detail" of every row.
    """

    path: pathlib.Path
    source: str
    flares: tuple[flare_rows.Flare, ...]
    rows: int
    malformed: int
    incomplete: int
    repaired: int
    problems: tuple[str, ...]
    remarks: dict


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

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "flares.csv"
    ...     _ = path.write_text("start_time,goes_class\\n2026-02-01 12:10:00,M1.1\\n2026-02-01 soon,M1.2\\n")
    ...     flares = read_list(path)
    >>> flares.source, flares.rows, flares.malformed, str(flares.flares[0].start)
    ('integrated', 2, 1, '2026-02-01 12:10:00')
    """
    path = pathlib.Path(path)
    text = _text(path)
    form, columns = _recognised(path, text)
    names = form.named_here(columns)
    missing = [name for name in form.required if name not in names.values()]
    if missing:
        raise UserError(f"{path}: {form.name} flare list without {', '.join(missing)}; it needs {', '.join(form.required)}")
    flares, problems, remarks, counts = [], [], {}, {"rows": 0, "malformed": 0, "incomplete": 0}
    try:
        for line, values in form.rows(text):
            counts["rows"] += 1
            try:
                if values is None:
                    raise ValueError("not as many fields as the header has")
                row = flare_rows.Row(line, {names.get(name, name): value for name, value in values.items()})
                flares.append(form.parse(row))
            except flare_rows.ZonedTime as error:
                raise UserError(f"{path}:{line}: {error}; flare lists are in UTC, without a time zone") from error
            except ValueError as error:
                counts["malformed"] += 1
                problems.append(f"{path}:{line}: {error}")
                continue
            counts["incomplete"] += bool(row.notes)
            problems.extend(f"{path}:{line}: {note}" for note in row.notes)
            for what, detail in row.remarks.items():
                remarks.setdefault(what, []).append(f"{path}:{line}: {detail}")
    except (csv.Error, ValueError) as error:
        raise UserError(f"{path}: not readable as a flare list of {form.name} ({error})") from error
    if counts["rows"] and not flares:
        raise UserError(f"{path}: none of its {counts['rows']} rows is a flare ({problems[0]})")
    counts["repaired"] = len(remarks.get(flare_rows.MOVED, ()))
    remarks = {what: tuple(places) for what, places in remarks.items()}
    return FlareList(path, form.name, tuple(flares), problems=tuple(problems), remarks=remarks, **counts)


def _text(path):
    data = raw_files.read_unpacked(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Single bytes of another encoding cost their field; what begins with such bytes is no text.
        if not data.lstrip()[:1].isascii() or error.start < data.find(b"\n"):
            raise UserError(f"{path}: {_NO_TEXT}") from error
        text = data.decode("utf-8-sig", "replace")
    if "\0" in text:
        raise UserError(f"{path}: {_NO_TEXT}")
    if not text.strip():
        raise UserError(f"{path}: empty file; give a flare list")
    return text


def _recognised(path, text):
    try:
        columns = _columns(text)
    except (csv.Error, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as a flare list ({error})") from error
    forms = [form for form in FORMATS if form.can_read(columns)]
    if len(forms) == 1:
        return forms[0], columns
    if forms:
        names = " and ".join(form.name for form in forms)
        raise UserError(f"{path}: its columns are those of several flare lists ({names}); keep those of one")
    readable = "; ".join(f"{form.name} ({', '.join(form.required)})" for form in FORMATS)
    shown = " ".join(", ".join(list(columns)[:12]).split())[:200] or "none"
    raise UserError(f"{path}: no known flare list (columns found: {shown}); known are {readable}")


def _columns(text):
    """List the column names: a CSV's first line, all keys of JSON records, those of SWPC's texts and of LMSAL's HTML page."""
    first = text.lstrip()[:1]
    if first == "[":
        records = [record for _, record in flare_rows.json_rows(text)]
        # An empty answer is a DONKI answer for days without flares.
        return list(dict.fromkeys(key for record in records if record for key in record)) or (
            [] if records else list(_donki.required)
        )
    if first == "{":
        return []
    if first == "<":
        return list(_LMSAL_COLUMNS) if "gev_" in text else []
    if swpc_flares.is_events_text(text):
        return list(swpc_flares.EVENTS.required)
    return [name.strip() for name in next(csv.reader(io.StringIO(text)), [])]


def _hek(row):
    # hgs_x and hgs_y are Stonyhurst whatever the reporting system; event_coord1 and 2 are so in the lists of NOAA.
    pair = ("hgs_x", "hgs_y") if "hgs_x" in row.values else ("event_coord1", "event_coord2")
    position = row.optional("position", flare_rows.degrees, *map(row.get, pair), default=flare_rows.NOWHERE)
    method = " ".join(row.get("frm_name").replace("+", " ").split())
    return row.flare(
        flare_rows.time(row.get("event_starttime")),
        row.flux_of_class("fl_goescls"),
        "HEK" if method in ("", "SWPC") else f"HEK/{method}",
        peak=row.optional("peak", flare_rows.time, row.get("event_peaktime")),
        end=row.optional("end", flare_rows.time, row.get("event_endtime")),
        position=flare_rows.NOWHERE if position == (0, 0) else position,  # HEK's mark of unknown
        region=row.optional("region", flare_rows.region, row.get("ar_noaanum")),
    )


def _goes(row):
    date = row.get("DATE")
    if not re.fullmatch(r"\d{6}", date):
        raise ValueError(f"not a date as yymmdd: {date!r}")
    try:
        day = datetime.date((1900 if date > "75" else 2000) + int(date[:2]), int(date[2:4]), int(date[4:]))
    except ValueError:
        raise ValueError(f"not a date as yymmdd: {date!r}") from None
    read = flare_rows.time_of_day(day)
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
        position=row.optional("position", flare_rows.compass, row.get("LOCATION")[:6], default=flare_rows.NOWHERE),
        region=row.optional("region", flare_rows.region, row.get("AR")),
    )


def _flarenet(row):
    try:
        day = datetime.date(*(int(row.get(name)) for name in ("Year", "Month", "Day")))
    except ValueError as error:
        raise ValueError(f"not a date: {error}") from None
    read = flare_rows.time_of_day(day)

    def clock(name):
        return ":".join(row.get(f"{unit} {name}") for unit in ("Hour", "Minute"))

    return row.flare(
        read(clock("Start")),
        flare_rows.flux(row.get("Peak Flux")),
        "FlareNet",
        peak=row.optional("peak", read, clock("Peak")),
        end=row.optional("end", read, clock("End")),
    )


def _lmsal(row):
    start = flare_rows.time(row.get("Start"))
    where = row.get("Derived Position")
    number = _REGION.search(where)

    def moment(text):
        return flare_rows.time(text) if "/" in text or "-" in text else flare_rows.time_of_day(start.date())(text)

    return row.flare(
        start,
        row.flux_of_class("GOES Class"),
        "LMSAL",
        peak=row.optional("peak", moment, row.get("Peak")),
        end=row.optional("end", moment, row.get("Stop")),
        position=row.optional("position", flare_rows.compass, _REGION.sub("", where).strip(), default=flare_rows.NOWHERE),
        region=row.optional("region", flare_rows.region, number[1] if number else ""),
    )


def _donki_record(row):
    return row.flare(
        flare_rows.time(row.get("beginTime")),
        row.flux_of_class("classType"),
        "DONKI",
        peak=row.optional("peak", flare_rows.time, row.get("peakTime")),
        end=row.optional("end", flare_rows.time, row.get("endTime")),
        position=row.optional("position", flare_rows.compass, row.get("sourceLocation"), default=flare_rows.NOWHERE),
        region=row.optional("region", flare_rows.region, row.get("activeRegionNum")),
    )


def _integrated(row):
    return row.flare(
        flare_rows.time(row.get("start_time")),
        row.flux_of_class("goes_class"),
        "integrated",
        peak=row.optional("peak", flare_rows.time, row.get("peak_time")),
        end=row.optional("end", flare_rows.time, row.get("end_time")),
        position=row.optional("position", flare_rows.degrees, row.get("fl_lon"), row.get("fl_lat"), default=flare_rows.NOWHERE),
        region=row.optional("region", flare_rows.region, row.get("noaa_active_region")),
    )


def _catalogue(row):
    return row.flare(
        flare_rows.time(row.get("start")),
        flare_rows.flux(row.get("flux")),
        row.get("source") or "catalogue",
        peak=row.optional("peak", flare_rows.time, row.get("peak")),
        end=row.optional("end", flare_rows.time, row.get("end")),
        position=row.optional(
            "position", flare_rows.degrees, row.get("longitude"), row.get("latitude"), default=flare_rows.NOWHERE
        ),
        region=row.optional("region", flare_rows.region, row.get("noaa_region")),
    )


_LMSAL_COLUMNS = ("Event#", "EName", "Start", "Stop", "Peak", "GOES Class", "Derived Position")


class _TableRows(html.parser.HTMLParser):
    """Rows of an HTML page's tables as (line, pieces of text of each cell)."""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.cell = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append((self.getpos()[0], []))
        self.cell = tag == "td" or (self.cell and tag != "tr")
        if tag == "td" and self.rows:
            self.rows[-1][1].append([])

    def handle_endtag(self, tag):
        self.cell = self.cell and tag not in ("td", "tr", "table")

    def handle_data(self, data):
        if self.cell and self.rows:
            self.rows[-1][1][-1].append(data)


def _lmsal_rows(text):
    if text.lstrip()[0] != "<":
        yield from flare_rows.csv_rows(text)
        return
    parser = _TableRows()
    parser.feed(text)
    for line, cells in parser.rows:
        cells = [" ".join("".join(pieces).split()) for pieces in cells]
        if any(cell.startswith("gev_") for cell in cells[:2]):
            whole = len(cells) >= len(_LMSAL_COLUMNS)
            yield line, dict(zip(_LMSAL_COLUMNS, cells, strict=False)) if whole else None


_donki = flare_rows.form("DONKI", {"beginTime", "classType"}, ("beginTime", "classType"), _donki_record, flare_rows.json_rows)

_HEK_NAMES = {"goes_class": "fl_goescls", "noaa_ar": "ar_noaanum", "hgs_lon": "hgs_x", "hgs_lat": "hgs_y"}
_CLOCKS = tuple(f"{unit} {name}" for name in ("Start", "End", "Peak") for unit in ("Hour", "Minute"))

FORMATS = (
    flare_rows.form("HEK", {"event_starttime", "fl_goescls"}, ("event_starttime", "fl_goescls"), _hek, **_HEK_NAMES),
    flare_rows.form(
        "GOES", {"CMX", "CMX_VALUE"}, ("DATE", "START_TIME", "END_TIME", "MAX_TIME", "CMX", "CMX_VALUE", "AR"), _goes
    ),
    flare_rows.form("FlareNet", {"Hour Start", "Peak Flux"}, ("Year", "Month", "Day", *_CLOCKS, "Peak Flux"), _flarenet),
    flare_rows.form("LMSAL", {"EName", "GOES Class"}, ("Start", "GOES Class"), _lmsal, _lmsal_rows),
    _donki,
    flare_rows.form("integrated", {"start_time"}, ("start_time", "goes_class"), _integrated, noaa_ar="noaa_active_region"),
    swpc_flares.EVENTS,
    swpc_flares.EDITED,
    swpc_flares.SEVEN_DAYS,
    flare_rows.form("catalogue", {"noaa_region"}, ("start", "flux", "source", "noaa_region"), _catalogue),
)
