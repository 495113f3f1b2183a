"""Tables of daily forecasts in percent, as forecasters' archives are published: a line an issue, without a header.

A line is ``year month day hour minute`` (or ``hhmm``), then percents of M flares for day 1, day 2 and so on, then as many of X
flares. Day 1 of the issue around midnight is the day that begins there; issues at other hours are of windows of their own.

References
----------
Murray et al. 2017, Space Weather 15, 577 (doi:10.1002/2016SW001579), whose data are such tables.
"""

import numpy

from dataset_models import observation_times
from network_models.forecasts.files import Forecasts
from tools import tables
from tools.errors import UserError, quoted

EVENTS = ("M1.0", "X1.0")
ADVICE = "give lines of year, month, day, hour, minute, percents of M flares, as many of X flares"
NEAR = numpy.timedelta64(3, "h")  # from midnight: the Met Office's issue for the day came from 22:16 to 04:00
_DAY = numpy.timedelta64(86_400, "s")


def read(path, event="M1.0", *, name=None):
    """Read the forecasts of day 1 that were issued around midnight.

    Parameters
    ----------
    path : str or pathlib.Path
    event : str
        One of `EVENTS`.
    name : str, optional
        The path without it.

    Returns
    -------
    network_models.forecasts.files.Forecasts
        Without outcomes; each at the midnight with which its day begins. Of two issues the one closer to midnight, of
        equally close ones the later line.

    Raises
    ------
    UserError
        The event is another, a line is none of such a table or of another length, a percentage is none, no issue is near
        midnight.
    """
    if event not in EVENTS:
        raise UserError(f"{path}: its percents are of {' and '.join(EVENTS)}, not of {event}")
    best = {}
    length = None
    for number, line in enumerate(tables.read_lines(path, advice=ADVICE), start=1):
        words = line.split()
        length = length or len(words)
        issued, percents = _parts(words, length, f"{path}, line {number}")
        day = (issued + _DAY // 2).astype("datetime64[D]")
        distance = abs(issued - day)
        percent = percents[0 if event == EVENTS[0] else len(percents) // 2]
        if distance <= NEAR and numpy.isfinite(percent) and (day not in best or distance <= best[day][0]):
            best[day] = distance, percent
    if not best:
        raise UserError(f"{path}: no issue within {NEAR.astype(int)} hours of midnight has a forecast; {ADVICE}")
    days = sorted(best)
    times = numpy.array(days, "datetime64[s]")
    probability = numpy.array([best[day][1] for day in days]) / 100
    return Forecasts(name or str(path), times, probability, None, numpy.zeros(len(times), "int64"))


def _parts(words, length, origin):
    """Parse a line: (time of issue, percents as float64 (k,), NaN where there is none)."""
    clock = 1 if len(words) > 3 and len(words[3]) == 4 else 2
    if len(words) != length or len(words) < 5 + clock or (len(words) - 3 - clock) % 2:
        raise UserError(f"{origin}: {quoted(' '.join(words))} is no line of such a table; {ADVICE}")
    clock_text = "".join(words[3 : 3 + clock])
    text = f"{'-'.join(words[:3])}T{clock_text[:2]}:{clock_text[2:]}:00"
    issued = observation_times.from_texts([text], origin=origin)[0].astype("datetime64[s]")
    try:
        percents = numpy.array(words[3 + clock :], "float64")
    except ValueError as error:
        raise UserError(f"{origin}: a percentage is no number ({error}); {ADVICE}") from error
    wrong = ~(numpy.isnan(percents) | ((percents >= 0) & (percents <= 100)))
    if wrong.any():
        raise UserError(f"{origin}: {percents[wrong][0]:g} is no percentage; {ADVICE}")
    return issued, percents
