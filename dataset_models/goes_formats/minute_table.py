"""Tables of GOES flux, as sunpy's time series and many repositories have them: a time, ``xrsb`` and perhaps its flags.

Such a table states neither satellite nor calibration: whoever imports it does (`Stated`). Nor does it give the meanings of its
flags (``xrsb_flag``, ``xrsb_flags`` or ``xrsb_quality``). Those of NOAA's science-quality 1-minute means are known: bits that
mark bad data, an eclipse or a recovering temperature leave a row out, and those about contamination by electrons do not, as in
`dataset_models.goes_formats.netcdf`. Of any other table a row whose flag is not 0 is left out.
"""

import dataclasses
import io

import numpy

from dataset_models.goes_formats.minutes import NotGoes, Records, means

CALIBRATIONS = ("science", "operational")  # that a table can be stated to have
_FLUX = "xrsb"
_TIMES = ("time", "", "date", "timestamp")  # sunpy's index has no name
_FLAGS = ("xrsb_flag", "xrsb_flags", "xrsb_quality")
# Bits of NOAA's 1-minute means that reject one: bad_data 1, eclipsed_by_earth 2 and temperature_recovery 4 up to GOES-15, whose
# good minutes have 8 to 64 for the state of the electron correction; eclipse 1 and bad_data 2 from GOES-16 on.
_REJECTING, _REJECTING_FROM_16 = 0b111, 0b11
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
    known = (flags >= 0) & (flags < 2**31)  # NaN is neither
    quality = numpy.where(known, flags, 2**31).astype("int64")
    timed = seconds[~numpy.isnan(seconds)]
    rejected = ~known | (quality & _rejecting(stated, timed) != 0)
    faults = {
        "rows that their flag rejects, left out": int(rejected.sum()),
        "rows without a flux, left out": int((~rejected & numpy.isnan(flux)).sum()),
    }
    records = Records(
        satellite=stated.satellite,
        calibration=stated.calibration,
        seconds=seconds,
        flux=flux,
        rejected=rejected,
        quality=quality,
        samples=numpy.ones(len(table), "int64"),
        spans=[(timed.min(), timed.max() + 1)] if len(timed) else [],  # it states none, so none of its records is stray
        faults={what: count for what, count in faults.items() if count},
    )
    return means(path, records)


def _rejecting(stated, seconds):
    """Choose the bits of a flag that reject a row: those of 1-minute means where the table is one of them, else all of them."""
    steps = numpy.diff(numpy.unique(seconds))
    if stated.calibration != "science" or (len(steps) and numpy.median(steps) < 60):
        return -1  # the bits of NOAA's 1 s and 2 s samples have other meanings
    return _REJECTING if stated.satellite < 16 else _REJECTING_FROM_16
