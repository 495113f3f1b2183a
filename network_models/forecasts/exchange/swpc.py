"""NOAA's own forecasts: ``solar_probabilities.json`` and the text ``3-day-forecast`` of the Space Weather Prediction Center.

Both are for days of UT, from 00:00 of the day that is named. A class is that class alone: ``M`` is M1.0 up to M9.9, and so is
R1-R2 of the text; R3 or greater is X1.0 or more. -1 and null are missing, not 0.

The JSON (``date``, ``c_class_1_day`` to ``x_class_3_day``, per cent; newest first) states no time of issue. Its date is the
first of its three days; the probabilities of a day are issued at 22:00 UT of the day before, and the begin of the first day
stands for it. The text says when it was issued, 00:30 or 12:30. More than an hour into the first day that day's forecast is
`late`: it knows part of what it forecasts.
"""

import re

import numpy

from network_models.forecasts.exchange import scoreboard
from tools.errors import UserError, quoted
from tools.reading import structures

METHOD = "SWPC"
ADVICE = "give solar_probabilities.json or 3-day-forecast.txt of SWPC"

_DAY = numpy.timedelta64(86_400, "s")
_CLASSES = {"c_class": "C", "m_class": "M", "x_class": "X1.0"}
_ROWS = {"R1-R2": "M", "R3 or greater": "X1.0"}
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: place for place, name in enumerate(_NAMES, 1)}
_ISSUED = re.compile(r"^:Issued:\s*(\d{4}) ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):?(\d\d)(?: UTC?)?\s*$", re.MULTILINE)
_TITLE = re.compile(r"^Radio Blackout Forecast for\b.*$", re.MULTILINE)
_DATE = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2})")
_ROW = re.compile(r"^(R1-R2|R3 or greater)((?:\s+-?\d{1,3}\s?%)+)\s*$", re.MULTILINE)
_PERCENT = re.compile(r"(-?\d{1,3})\s?%")


def read_json(file, source=None):
    """Read ``solar_probabilities.json``.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
    source : str, optional
        Named in errors.

    Returns
    -------
    list of issued.Issued
        Three days of each record at most, in order of issue and window.

    Raises
    ------
    UserError
        It is no such JSON, or something in it is impossible.
    """
    content, source = scoreboard.content_of(file, source, advice=ADVICE)
    records = structures.parse_json(content, source, finite=True, kind=list, advice=ADVICE)
    forecasts = []
    for count, record in enumerate(records, 1):
        where = f"{source}, record {count}"
        if not isinstance(record, dict) or "date" not in record:
            raise UserError(f"{where}: has no date; {ADVICE}")
        values = {str(name).lower(): value for name, value in record.items()}
        text = str(values["date"]).strip()
        first = scoreboard.time_of(f"{text}T00:00" if len(text) == 10 else text, "date", where)
        first = first.astype("datetime64[D]").astype("datetime64[s]")
        for day in (1, 2, 3):
            disk = {}
            for name, key in _CLASSES.items():
                value = scoreboard.number_of(values.get(f"{name}_{day}_day"), f"{name}_{day}_day", where)
                if value is not None and value != -1:
                    disk[key] = scoreboard.of_percent(value, f"{name}_{day}_day", where)
            if disk:
                begin = first + (day - 1) * _DAY
                forecasts.append(scoreboard.issued_of(where, METHOD, first, begin, begin + _DAY, disk, ()))
    if not forecasts:
        raise UserError(f"{source}: holds no probability of flares; {ADVICE}")
    return sorted(forecasts, key=lambda one: (one.issued, one.begin))


def read_text(file, source=None):
    """Read a ``3-day-forecast``.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
    source : str, optional
        Named in errors.

    Returns
    -------
    list of issued.Issued
        Day by day, three in all the texts that we know.

    Raises
    ------
    UserError
        It is no such text, or a row does not fit the days.
    """
    content, source = scoreboard.content_of(file, source, advice=ADVICE)
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    stamps, title = _ISSUED.findall(text), _TITLE.search(text)
    if len(stamps) != 1 or title is None:
        missing = "no title Radio Blackout Forecast" if len(stamps) == 1 else f"{len(stamps)} lines :Issued: where one belongs"
        raise UserError(f"{source}: holds {missing}; {ADVICE}")
    year, month, day, hour, minute = stamps[0]
    issued = scoreboard.time_of(f"{year}-{_month(month, source):02}-{int(day):02}T{hour}:{minute}", ":Issued:", source)
    below = text[title.end() :]
    dates = _DATE.findall(next((line for line in below.splitlines() if line.strip()), ""))
    if not dates:
        raise UserError(f"{source}: the days of the Radio Blackout Forecast are missing; {ADVICE}")
    rows = {name: [int(value) for value in _PERCENT.findall(cells)] for name, cells in _ROW.findall(below)}
    for name in _ROWS:
        if len(rows.get(name, ())) != len(dates):
            raise UserError(f"{source}: the row {name} has {len(rows.get(name, ()))} values for {len(dates)} days; {ADVICE}")
    forecasts = []
    for place, (name, number) in enumerate(dates):
        begin = _nearest(_month(name, source), int(number), issued, source)
        values = {row: rows[row][place] for row in _ROWS}
        disk = {_ROWS[row]: scoreboard.of_percent(value, row, source) for row, value in values.items() if value != -1}
        mode = "late" if issued > begin + scoreboard.LATE else "on time"
        if disk:
            forecasts.append(scoreboard.issued_of(source, METHOD, issued, begin, begin + _DAY, disk, (), mode))
    return forecasts


def _month(name, source):
    if name not in _MONTHS:
        raise UserError(f"{source}: {quoted(name)} is no month; {ADVICE}")
    return _MONTHS[name]


def _nearest(month, day, issued, source):
    """Find the day of this name nearest to the time of issue: a text of 31 December names days of two years, and no year."""
    year = int(str(issued)[:4])
    days = []
    for near in (year - 1, year, year + 1):
        try:
            days.append(scoreboard.time_of(f"{near}-{month:02}-{day:02}T00:00", "a day of the forecast", source))
        except UserError:
            continue  # 29 February
    if not days:
        raise UserError(f"{source}: there is no day {day} of month {month}; {ADVICE}")
    return min(days, key=lambda one: abs(one - issued))
