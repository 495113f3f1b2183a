"""Records of a GOES file -> means over its minutes, and which records do not belong to it."""

import dataclasses

import numpy

from tools.errors import UserError

DAY = 86400
_SLACK = 60  # seconds by which genuine files leave their day: a leap second, the first and the last sample
_FEW, _PART = 3, 0.01  # stray records that are left out; more than either is a file that is wrong as a whole
_YEAR_10000 = 253_402_300_800  # seconds since 1970: netCDF's own default for "no value" lies far beyond it
_STRAY = "records outside the file's own time, left out"
TIMELESS = "records without a time, left out"


class NotGoes(UserError):
    """A file that cannot be read as GOES X-ray flux."""


@dataclasses.dataclass(frozen=True)
class Minutes:
    """Means over the minutes of a file, those without a good sample left out.

    Attributes
    ----------
    satellite : int
        GOES number; the newest one where the file holds several.
    calibration : str
        ``"operational"``, ``"science"`` or ``"near real time"``.
    time : numpy.ndarray
        Start of the minute, int64 seconds since 1970-01-01 UTC.
    flux : numpy.ndarray
        1-8 Angstrom, W m^-2, float64, as the file has it.
    samples : numpy.ndarray
        Good samples in the minute, int64; 1-minute files: of the archive's own average, or 1.
    quality : numpy.ndarray
        Flags of all samples of the minute, or-ed, int64.
    satellites : numpy.ndarray or None
        GOES number of every minute, int64, where the file holds several.
    faults : dict of str to int
        What a sound file would not have, and how often. Flagged samples, fill values of the flux and drop-outs are everyday
        and not counted, but in tables and JSON, whose meaning is less certain.
    simulated : bool
        Whether a FITS file holds SIMULATD = T.
    """

    satellite: int
    calibration: str
    time: numpy.ndarray
    flux: numpy.ndarray
    samples: numpy.ndarray
    quality: numpy.ndarray
    satellites: numpy.ndarray | None = None
    faults: dict = dataclasses.field(default_factory=dict)
    simulated: bool = False


@dataclasses.dataclass
class Records:
    """Content of a file; `rejected` by its own flags, and `spans` of time that its name and header state."""

    satellite: int
    calibration: str
    seconds: numpy.ndarray  # NaN where there is no time
    flux: numpy.ndarray  # NaN where there is no value
    rejected: numpy.ndarray
    quality: numpy.ndarray
    samples: numpy.ndarray
    spans: list
    faults: dict = dataclasses.field(default_factory=dict)


def means(path, records):
    """Average the records of a file over its minutes; what is left out and what raises: `goes_files.read_minutes`.

    Parameters
    ----------
    path : pathlib.Path
        Of the file, named in errors.
    records : Records

    Returns
    -------
    Minutes
    """
    if len(records.seconds) == 0:
        raise NotGoes(f"{path}: holds no samples; leave it out")
    faults = dict(records.faults)
    timed = numpy.isfinite(records.seconds) & (numpy.abs(records.seconds) < _YEAR_10000)
    if not timed.any():
        raise NotGoes(f"{path}: none of its {len(timed)} records has a time; fetch it again")
    if not timed.all():
        faults[TIMELESS] = int((~timed).sum())
    kept = numpy.flatnonzero(timed)
    kept = kept[in_place(path, records.seconds[kept], records.spans, DAY, faults)]
    columns = (records.seconds, records.flux, records.rejected, records.quality, records.samples)
    seconds, flux, rejected, quality, samples = (column[kept] for column in columns)
    steps = numpy.diff(numpy.unique(seconds))
    if len(seconds) > 1 and len(steps) == 0:
        raise NotGoes(f"{path}: all of its {len(seconds)} records have the same time; fetch it again")
    expected = max(1.0, 60.0 / numpy.median(steps)) if len(steps) else 1.0
    good = ~rejected & numpy.isfinite(flux) & (flux > 0)
    minutes, which = numpy.unique(numpy.floor(seconds / 60).astype("int64"), return_inverse=True)
    count = numpy.bincount(which, good)
    total = numpy.bincount(which, numpy.where(good, flux, 0.0))
    used = numpy.bincount(which, numpy.where(good, samples, 0)).astype("int64")
    flags = numpy.zeros(len(minutes), "int64")
    numpy.bitwise_or.at(flags, which, quality)
    enough = count >= expected / 2
    if not enough.any():
        raise NotGoes(f"{path}: holds no minute with good samples; leave it out")
    mean = total[enough] / count[enough]
    return Minutes(
        records.satellite, records.calibration, minutes[enough] * 60, mean, used[enough], flags[enough], faults=faults
    )


def in_place(path, seconds, spans, reach, faults):
    """Find the records that lie in the time that their file is of: bool (n,).

    Strays are counted in `faults`; too many of them raise (see `goes_files.read_minutes`). Where `spans` are
    none, or of different days, the records lie within `reach` seconds of their median.
    """
    stated = bool(spans)
    divided = stated and max(first for first, _ in spans) >= min(end for _, end in spans)
    if divided:
        faults["name and header of different days"] = 1
    if divided or not stated:
        middle = numpy.median(seconds)
        spans = [*spans, (middle - reach, middle + reach)]
    inside = numpy.zeros(len(seconds), bool)
    for first, end in spans:
        inside |= (seconds >= first - _SLACK) & (seconds <= end + _SLACK)
    strays = int((~inside).sum())
    if strays > max(_FEW, _PART * len(seconds)) or not inside.any():
        first, expected = _shown(seconds[~inside][0]), f"{_shown(spans[-1][0])} to {_shown(spans[-1][1])}"
        own = "the time of its name and header" if stated and not divided else "the time around its median"
        text = f"{strays} of {len(seconds)} records lie outside {own} ({expected}), the first at {first}"
        raise NotGoes(f"{path}: {text}; fetch it again, or give it the name of its day")
    if strays:
        faults[_STRAY] = strays
    return inside


def _shown(seconds):
    """Write seconds since 1970 as a time in UTC: str."""
    return f"{numpy.datetime64(int(seconds), 's')}Z"
