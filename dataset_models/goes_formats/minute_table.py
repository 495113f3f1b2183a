"""Tables of GOES flux, as sunpy's time series and many repositories have them: a time, ``xrsb`` and perhaps its flags.

Such a table states neither satellite nor calibration: whoever imports it does (`Stated`). Nor does it give the meanings of its
flags (``xrsb_flag``, ``xrsb_flags`` or ``xrsb_quality``): a row whose flag is not 0 is left out.
"""

import dataclasses
import io

import numpy

from dataset_models.goes_formats.minutes import NotGoes, Records, means

CALIBRATIONS = ("science", "operational")  # that a table can be stated to have
_FLUX = "xrsb"
_TIMES = ("time", "", "date", "timestamp")  # sunpy's index has no name
_FLAGS = ("xrsb_flag", "xrsb_flags", "xrsb_quality")
_LEAST, _MOST = 1e-9, 0.2  # W m^-2: valid_min, which stands for a missing flux in some, and valid_max of NOAA's averages
_BEFORE, _AFTER = 0, 4102444800  # seconds since 1970: 1970 to 2100
_MOST_COLUMNS = 100


@dataclasses.dataclass(frozen=True)
class Stated:
    """Statement of the user about tables: ``satellite``, a GOES number, and ``calibration``, of `CALIBRATIONS`."""

    satellite: int
    calibration: str


def _names(line):
    text = line.decode("utf-8-sig", "replace")
    return [name.strip().strip('"').strip().lower() for name in text.rstrip("\r\n").split(",")]


def is_table(head):
    """Check whether the first bytes of a file begin such a table: bool."""
    names = _names(head.partition(b"\n")[0])
    return names[0] in _TIMES and _FLUX in names


def read(path, content, stated):
    """Read the bytes of a table: `dataset_models.goes_formats.minutes.Minutes`."""
    import pandas

    if stated is None:
        text = "is a table, which states neither its satellite nor its calibration"
        raise NotGoes(f"{path}: {text}; give --table_satellite and --table_calibration")
    names = _names(content.partition(b"\n")[0])
    if len(names) > _MOST_COLUMNS:
        raise NotGoes(f"{path}: has {len(names)} columns; give a table of time and {_FLUX}")
    flag = next((name for name in _FLAGS if name in names), None)
    wanted = [0, names.index(_FLUX), *([names.index(flag)] if flag else [])]
    table = pandas.read_csv(
        io.BytesIO(content), header=0, names=range(len(names)), usecols=wanted, dtype=str, index_col=False, on_bad_lines="error"
    )
    times = pandas.to_datetime(table[0], utc=True, errors="coerce", format="ISO8601")
    seconds = times.dt.tz_localize(None).to_numpy("datetime64[ms]").astype("int64") / 1000
    seconds = numpy.where((seconds >= _BEFORE) & (seconds < _AFTER), seconds, numpy.nan)  # none is far before 1970
    flux = pandas.to_numeric(table[wanted[1]], errors="coerce").to_numpy("float64")
    flux = numpy.where((flux > _LEAST) & (flux <= _MOST), flux, numpy.nan)
    flags = numpy.zeros(len(table))
    if flag:
        flags = pandas.to_numeric(table[wanted[2]], errors="coerce").to_numpy("float64")
    quality = numpy.where(numpy.isfinite(flags) & (numpy.abs(flags) < 2**31), flags, 2**31).astype("int64")
    timed = seconds[~numpy.isnan(seconds)]
    records = Records(
        satellite=stated.satellite,
        calibration=stated.calibration,
        seconds=seconds,
        flux=flux,
        rejected=quality != 0,
        quality=quality,
        samples=numpy.ones(len(table), "int64"),
        spans=[(timed.min(), timed.max() + 1)] if len(timed) else [],  # it states none, so none of its records is stray
    )
    return means(path, records)
