"""Archive files of GOES X-ray flux -> 1-minute means.

Read with sunpy, but for NOAA's own 1-minute averages: sunpy reads twice as many variables of them as are needed here, and
a year of daily files is to be imported in seconds.

Daily FITS files of GOES 8 to 15 (SDAC, about 2 s) hold operational values. NOAA's netCDF files are science-quality:
``sci_gxrs-l2-irrad`` and ``sci_xrsf-l2-flx1s`` at 1 or 2 s, ``sci_xrsf-l2-avg1m`` with means of a minute.
"""

import dataclasses
import pathlib
import re
import warnings

import numpy

from tools.errors import UserError

# Meanings of NOAA's flags (xrsb_flag, xrsb_flags, b_flags) that take a sample out of the mean. The other ones say that
# the flux is good or how the electron background was corrected. NOAA leaves the same ones out of its 1-minute averages.
REJECTED_MEANINGS = frozenset(
    {
        "bad_data",
        "unknown_bad_data",
        "missing_data",
        "data_quality_error",
        "L0_error",
        "invalid_mode",
        "eclipse",
        "eclipsed_by_earth",
        "eclipsed_by_moon",
        "eclipsed_by_unknown",
        "off_pointed",
        "off_point",
        "pointing_error",
        "calibration",
        "temperature_recovery",
        "temperature_error",
        "spike",
        "particle_spike",
        "saturated",
        "gain_state_change",
    }
)

# Bits of the second status word in daily FITS files (octal in their headers) that concern the long channel, and of the
# first one the eclipse by the Moon.
REJECTED_STATUS = (0o1000, 0o1 | 0o2 | 0o4 | 0o20 | 0o200)


class NotGoes(UserError):
    """A file that cannot be read as GOES X-ray flux."""


@dataclasses.dataclass(frozen=True)
class Minutes:
    """Means over the minutes of a file, those without a good sample left out.

    Attributes
    ----------
    satellite : int
        GOES number.
    calibration : str
        ``"operational"`` or ``"science"``.
    time : numpy.ndarray
        Start of the minute, int64 seconds since 1970-01-01 UTC.
    flux : numpy.ndarray
        1-8 Angstrom, W m^-2, float64, as the file has it.
    samples : numpy.ndarray
        Good samples in the minute, int64; 1-minute files: of the archive's own average, or 1.
    quality : numpy.ndarray
        Flags of all samples of the minute, or-ed, int64.
    """

    satellite: int
    calibration: str
    time: numpy.ndarray
    flux: numpy.ndarray
    samples: numpy.ndarray
    quality: numpy.ndarray


def read_minutes(path):
    """Read a file.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Minutes

    Raises
    ------
    NotGoes
        A `tools.errors.UserError`: the file is missing, truncated, not GOES X-ray flux, or of unknown calibration.

    Notes
    -----
    Left out of the means: samples whose flags say so, fill values, and fluxes that are not positive (drop-outs are
    stored as 0). A minute needs half of the samples that the file's cadence gives it.
    """
    path = pathlib.Path(path)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            averages = _read_averages(path)
            if averages is None:
                table, header = _read_with_sunpy(path)
                rejected, quality, samples = _flags(path, table)
                seconds = table.index.values.astype("datetime64[ns]").astype("int64") / 1e9
                flux = table["xrsb"].to_numpy("float64")
            else:
                seconds, flux, rejected, quality, samples, header = averages
    except NotGoes:
        raise
    except Exception as error:  # sunpy, astropy and HDF5 raise anything on files that are not what they seem
        raise NotGoes(f"{path}: cannot be read as GOES X-ray flux ({_reason(error, path)})") from error
    for warning in caught:
        if "truncated" in str(warning.message):
            raise NotGoes(f"{path}: is truncated; fetch it again")
    satellite = _satellite(path, header)
    calibration = _calibration(path, header)
    return _means(path, satellite, calibration, seconds, flux, rejected, quality, samples)


def _read_averages(path):
    """(seconds, flux, rejected, quality, samples, header) of a netCDF file of 1-minute averages; None for any other file."""
    if not path.is_file():
        raise NotGoes(f"{path}: no such file")
    with open(path, "rb") as file:
        if file.read(8) != b"\x89HDF\r\n\x1a\n":
            return None
    import h5py

    # In memory: NOAA stores each sample of a daily file as a chunk of its own.
    with h5py.File(path, "r", driver="core", backing_store=False) as file:
        if not {"time", "xrsb_flux", "xrsb_num"} <= file.keys():
            return None
        header = {key.lower(): _text(value) for key, value in file.attrs.items()}
        epoch = _text(file["time"].attrs["units"]).removeprefix("seconds since").removesuffix("UTC").strip()
        seconds = file["time"][:] + numpy.datetime64(epoch, "s").astype("int64")
        flux = file["xrsb_flux"][:].astype("float64")
        name = _flag_name(file)
        rejected, quality = _judged(file[name], file[name][:])
        return seconds, flux, rejected, quality, file["xrsb_num"][:].astype("int64"), header


def _read_with_sunpy(path):
    from sunpy.timeseries import TimeSeries

    loaded = TimeSeries(str(path), source="XRS")
    return loaded.to_dataframe(), {str(key).lower(): _text(value) for key, value in loaded.meta.metas[0].items()}


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _reason(error, path):
    text = str(error).replace(str(path), "it").replace("Something went wrong: ", "")
    return " ".join(f"{type(error).__name__}: {text}".split())[:120]


def _satellite(path, header):
    for text in (header.get("id", ""), header.get("telescop", ""), path.name):
        match = re.search(r"(?:_g|^go|goes[ _-]?)(\d{2})", text, re.IGNORECASE)
        if match:
            return int(match[1])
    raise NotGoes(f"{path}: does not say which GOES satellite it is from; give it its archive name")


def _calibration(path, header):
    if header.get("telescop", "").startswith("GOES"):
        return "operational"
    # Files of GOES 8 to 15 with this title were only ever made as science-quality; their id is often empty.
    identity = header.get("id", "").strip() or path.name
    if identity.startswith("sci_") or header.get("title", "").startswith("GOES 1-15 L2 XRS"):
        return "science"
    raise NotGoes(f"{path}: is neither a daily FITS nor a science-quality netCDF file (sci_...), so its calibration is unknown")


def _flags(path, table):
    """(rejected, quality, samples) of every row: bool, int64, int64 (n,)."""
    ones = numpy.ones(len(table), "int64")
    if "xrsb_quality" not in table:
        return (*_status(path, table), ones)
    import h5py

    with h5py.File(path) as file:
        return (*_judged(file[_flag_name(file)], table["xrsb_quality"].to_numpy("float64")), ones)


def _flag_name(file):
    return next(name for name in ("xrsb_flag", "xrsb_flags", "b_flags") if name in file)


def _judged(variable, flags):
    """(rejected, quality) of samples with these flags, by what the netCDF variable says of their meaning."""
    attributes = variable.attrs
    meanings = _text(attributes["flag_meanings"]).split()
    masks = numpy.broadcast_to(attributes.get("flag_masks", attributes["flag_values"]), len(meanings)).astype("int64")
    values = numpy.asarray(attributes["flag_values"]).astype("int64")
    fill = int(numpy.ravel(attributes["_FillValue"])[0]) if "_FillValue" in attributes else -1
    quality = numpy.nan_to_num(numpy.asarray(flags, "float64"), nan=fill).astype("int64")
    rejected = quality == fill
    for meaning, mask, value in zip(meanings, masks, values, strict=True):
        if meaning in REJECTED_MEANINGS:
            rejected |= (quality & mask) == value
    return rejected, quality


def _status(path, table):
    """(rejected, quality) of a daily FITS file, whose STATUS extension lists the times at which a status word was set."""
    from astropy.io import fits

    rejected, quality = numpy.zeros(len(table), bool), numpy.zeros(len(table), "int64")
    with fits.open(path) as file:
        if len(file) != 4:
            return rejected, quality
        record = file[3].data[0]
        day = table.index[len(table) // 2].floor("D").value / 1e9
    seconds = table.index.values.astype("datetime64[ns]").astype("int64") / 1e9 - day
    words = numpy.reshape(record["STATUS"], (-1, 2)).astype("int64")
    for time, first, second in zip(numpy.ravel(record["TIME"]), *words.T, strict=True):
        near = numpy.abs(seconds - time) < 2
        quality[near] |= (first & 0xFFFF) << 16 | second & 0xFFFF
        if first & REJECTED_STATUS[0] or second & REJECTED_STATUS[1]:
            rejected |= near
    return rejected, quality


def _means(path, satellite, calibration, seconds, flux, rejected, quality, samples):
    if len(seconds) == 0:
        raise NotGoes(f"{path}: holds no samples")
    cadence = numpy.median(numpy.diff(seconds)) if len(seconds) > 1 else 60.0
    expected = max(1.0, 60.0 / cadence)
    good = ~rejected & numpy.isfinite(flux) & (flux > 0)
    minutes, which = numpy.unique(numpy.floor(seconds / 60).astype("int64"), return_inverse=True)
    count = numpy.bincount(which, good)
    total = numpy.bincount(which, numpy.where(good, flux, 0.0))
    used = numpy.bincount(which, numpy.where(good, samples, 0)).astype("int64")
    flags = numpy.zeros(len(minutes), "int64")
    numpy.bitwise_or.at(flags, which, quality)
    enough = count >= expected / 2
    if not enough.any():
        raise NotGoes(f"{path}: holds no minute with good samples")
    mean = total[enough] / count[enough]
    return Minutes(satellite, calibration, minutes[enough] * 60, mean, used[enough], flags[enough])
