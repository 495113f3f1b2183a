"""Parts that the formats of the CCMC flare scoreboard share: names of bins, times, places, and what a format carries.

The scoreboard's own schema and manual could not be read when this was written. The formats are known from files that were sent
to it, from programs that send and read such files, and from what its interface (HAPI) answers; where these leave something
open, the module of the format says what is assumed.

A bin with a plus, ``M+``, stands for a flare of this class or more: our ``M1.0``. A letter alone, ``M``, stands for M1.0 to
M9.9. Above X there is nothing: ``X`` and ``X+`` are both ``X1.0``. The scoreboard has no bin for M5.0 or more, so its files
carry none.
"""

import dataclasses
import datetime
import re

import numpy

from dataset_models import observation_times
from dataset_models.flares import region_numbers
from dataset_models.flares.flare_rows import POSITION
from network_models.forecasts.exchange.issued import Issued, Probability, rounded
from tools.errors import UserError, quoted
from tools.reading import raw_files

BINS = {"X1.0": "X", "M1.0": "M+", "M": "M", "C1.0": "C+", "C": "C"}  # what the scoreboard has, by key of ours
LATE = numpy.timedelta64(3600, "s")  # into the window: SWPC's edition of 00:30 is for the day that has just begun
MOST = 1 << 22  # bytes that a file with one forecast may hold
ADVICE = "give a file as sent to the flare scoreboard"

_BIN = re.compile(r"([ABCMX])(\d+(?:\.\d*)?)?(\+|PLUS)?", re.IGNORECASE)
_RANGE = re.compile(r"([ABCM])1(?:\.0*)?\s*-\s*\1?9\.9+", re.IGNORECASE)
# 2016-03-22T08-59-56Z, 2024-01-01T04:00Z, 2016-03-22T08:59UT and 2026-09-24T12:30:04.0 are all there.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d)[:-](\d\d)(?:[:-](\d\d))?(?:\.\d+)?\s*(?:Z|UTC?|\+00:00)?", re.IGNORECASE)
_LONGEST_NAME = 100
_MISSING = {"", "-", "--", "---", "----", "none", "null", "nan", "n/a"}


def content_of(file, source=None, *, most=MOST, advice=ADVICE):
    """Read what a format is read from.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
        The content itself, or where it is; gzipped or plain.
    source : str, optional
        Named in errors; the path without it.

    Returns
    -------
    bytes
    str
        What errors name.
    """
    if isinstance(file, bytes):
        source = source or "the forecast"
        return raw_files.unpack(file, source, most=most, advice=advice), str(source)
    return raw_files.read_unpacked(file, most=most, advice=advice), str(source or file)


def key_of(name, source):
    """Read the name of a bin: the key that `issued.Issued` has for it.

    Raises
    ------
    UserError
        It is none.

    Examples
    --------
    >>> [key_of(name, "") for name in ("M", "M+", "MPlus", "M5+", "X", "C1.0-C9.9")]
    ['M', 'M1.0', 'M1.0', 'M5.0', 'X1.0', 'C']
    """
    text = str(name).strip()
    span, match = _RANGE.fullmatch(text), _BIN.fullmatch(text)
    if span:
        return span[1].upper()
    if match is None or (match[2] and float(match[2]) == 0):
        raise UserError(f"{source}: the bin {quoted(name)} is no flare class; {ADVICE}")
    letter, number, more = match[1].upper(), match[2], match[3]
    if number:
        return f"{letter}{float(number):.1f}"
    return f"{letter}1.0" if more or letter == "X" else letter


def time_of(text, what, source):
    """Read a time of a file: ``numpy.datetime64`` in seconds. Clocks with dashes, without seconds or with UT are taken too.

    Raises
    ------
    UserError
        It is missing or no time in UTC.
    """
    match = _TIME.fullmatch(str(text or "").strip())
    if match is None or not "1900" <= match[1][:4] <= "2200":
        raise UserError(f"{source}: {what} {quoted(text or '')} is no UTC time like 2026-02-01T00:30:00Z; {ADVICE}")
    plain = f"{match[1]}T{match[2]}:{match[3]}:{match[4] or '00'}"
    return observation_times.from_texts([plain], origin=f"{source}: {what}")[0]


def short_time(time):
    """Write a time as the scoreboard's examples do, ``2026-02-01T00:30Z``; with seconds where there are some."""
    text = str(numpy.datetime64(time, "s"))
    return f"{text.removesuffix(':00') if text.endswith(':00') else text}Z"


def number_of(value, what, source):
    """Read a number, or None for one that is missing (empty, null, ``----``). A missing one is never 0.

    Raises
    ------
    UserError
        It is neither.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return None
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        number = float(value)
        if not numpy.isfinite(number):
            raise ValueError(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{source}: {what} is no number ({quoted(value)}); {ADVICE}") from None
    return number


def around(value, below, above):
    """Make a probability of a value and how far its interval reaches below and above it; cut at 0 and 1."""
    if below is None or above is None:
        return Probability(value)
    if min(below, above) < 0:
        raise UserError(f"an uncertainty is negative ({min(below, above):g})")
    return Probability(value, max(0.0, rounded(value - below)), min(1.0, rounded(value + above)))


def of_percent(value, what, source):
    """Make a probability of per cent.

    Raises
    ------
    UserError
        They are none from 0 to 100.
    """
    if not 0 <= value <= 100:
        raise UserError(f"{source}: {what} is {value:g}, no per cent from 0 to 100")
    return Probability(rounded(value / 100))


def region_number(value, time, source, numbering="NOAA"):
    """Read the number of a region: int, NOAA's in full, or None where the file marks it as missing.

    Raises
    ------
    UserError
        It is something else.
    """
    number = number_of(value, "the number of a region", source)
    if number is None:
        return None
    if number != int(number) or not 0 < number < 100_000:
        raise UserError(f"{source}: {quoted(value)} is no number of a region; {ADVICE}")
    if numbering != "NOAA":
        return int(number)
    return region_numbers.full_number(int(number), numpy.datetime64(time, "s").astype(datetime.datetime))


def place_of(text):
    """Read a place like ``N15E06``: (longitude, latitude), Stonyhurst degrees, or (None, None) where it is none."""
    match = POSITION.fullmatch(str(text or "").strip())
    if match is None:
        return None, None
    latitude, longitude = int(match[2]), int(match[4])
    return (
        float(longitude if match[3].upper() == "W" else -longitude) + 0.0,
        float(latitude if match[1].upper() == "N" else -latitude) + 0.0,
    )


def written_place(region):
    """Write the place of a region as ``N15E06``, or None where it has none."""
    if region.longitude is None or region.latitude is None:
        return None
    east, south = region.longitude < 0, region.latitude < 0
    return f"{'S' if south else 'N'}{abs(region.latitude):02.0f}{'E' if east else 'W'}{abs(region.longitude):02.0f}"


def carried(issued, *, digits=6, numberings=("NOAA",), places=False, intervals=True, inside=False, one_kind=False):
    """Reduce a forecast to what a format has room for: what its reader gives back.

    Parameters
    ----------
    issued : issued.Issued
    digits : int
        After the point.
    numberings : sequence of str
        Of the regions that it can name.
    places : bool
        It has their places, in whole degrees.
    intervals : bool
    inside : bool
        Only intervals that hold their value.
    one_kind : bool
        Of a letter alone and of the letter or more it has one: the latter where both are there.

    Returns
    -------
    issued.Issued

    Raises
    ------
    UserError
        Nothing is left, or the name of the method is none that a file can carry.
    """
    if not 0 < len(issued.method) <= _LONGEST_NAME or not issued.method.isprintable() or issued.method != issued.method.strip():
        raise UserError(f"the method {quoted(issued.method)}: give a name of 1 to {_LONGEST_NAME} printable letters")

    def reduced(probabilities):
        kept = {key: probabilities[key] for key in BINS if key in probabilities}
        if one_kind:
            kept = {key: one for key, one in kept.items() if f"{key}1.0" not in kept}
        return {key: _rounded(one, digits, intervals, inside) for key, one in kept.items()}

    regions = []
    for region in issued.regions:
        longitude, latitude = _whole_degrees(region) if places else (None, None)
        known = {"longitude": longitude, "latitude": latitude, "probabilities": reduced(region.probabilities)}
        if region.numbering in numberings and known["probabilities"]:
            regions.append(dataclasses.replace(region, **known))
    disk = reduced(issued.probabilities)
    if not disk and not regions:
        raise UserError(f"the forecast of {issued.issued}Z holds no class that the flare scoreboard has a bin for (C, M, X)")
    times = {name: numpy.datetime64(getattr(issued, name), "s") for name in ("issued", "begin", "end")}
    return dataclasses.replace(issued, probabilities=disk, regions=tuple(regions), **times)


def _whole_degrees(region):
    longitude, latitude = region.longitude, region.latitude
    if longitude is None or latitude is None or not (abs(longitude) <= 180 and abs(latitude) <= 90):
        return None, None
    return round(longitude) + 0.0, round(latitude) + 0.0


def _rounded(one, digits, intervals, inside):
    value, low, high = (rounded(number, digits) for number in (one.value, one.low, one.high))
    if not intervals or low is None or (inside and not low <= value <= high):
        low = high = None
    return Probability(value, low, high)


def issued_of(source, method, issued, begin, end, disk, regions, mode="on time", simulated=False):
    """Make the forecast of a file, errors named with it: `issued.Issued`."""
    try:
        return Issued(method, issued, begin, end, disk, tuple(regions), mode, simulated)
    except UserError as error:
        raise UserError(f"{source}: {error}; {ADVICE}") from error


def only(forecasts, source):
    """Return the one forecast of a file.

    Raises
    ------
    UserError
        There are several.
    """
    if len(forecasts) != 1:
        raise UserError(f"{source}: holds {len(forecasts)} forecasts where one belongs; {ADVICE}")
    return forecasts[0]
