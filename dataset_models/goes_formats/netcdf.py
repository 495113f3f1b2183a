"""NOAA's science-quality netCDF files of GOES X-ray flux."""

import math
import re

import numpy

from dataset_models.goes_formats import headers
from dataset_models.goes_formats.minutes import NotGoes, Records, means

# Meanings of NOAA's flags (xrsb_flag, xrsb_flags, b_flags) that take a sample out of the mean. The other ones mark
# good fluxes or how the electron background was corrected. NOAA leaves the same ones out of its 1-minute averages.
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
_MOST = 20_000_000  # samples: 38 years of minutes, which NOAA's longest files of a satellite stay below
_FLUXES = ("xrsb_flux", "b_flux")
_FLAGS = ("xrsb_flag", "xrsb_flags", "b_flags")
_UNITS = {"milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}  # of netCDF times


def read(path, content):
    """Read the bytes of a file and average them over minutes: `Minutes`."""
    import h5py

    # In memory: NOAA stores each sample of a daily file as a chunk of its own.
    with h5py.File(h5py.h5f.open_file_image(content), "r") as file:
        header = {key.lower(): headers.plain_text(value) for key, value in file.attrs.items()}
        flux = _variable(path, file, _FLUXES)
        flags = _variable(path, file, _FLAGS)
        time = _variable(path, file, ("time",))
        lengths = {len(variable) for variable in (time, flux, flags)}
        if len(lengths) > 1:
            raise NotGoes(f"{path}: holds times, fluxes and flags of different number; fetch it again")
        headers.require_watts(path, flux.name.lstrip("/"), flux.attrs.get("units"))
        rejected, quality = _judged(path, flags)
        samples = numpy.ones(len(flux), "int64")
        if "xrsb_num" in file and len(file["xrsb_num"]) == len(flux):
            samples = numpy.nan_to_num(_values(file["xrsb_num"]), nan=1.0).astype("int64")
        spans = [headers.named_span(path.name), headers.named_span(header.get("id", "")), headers.coverage(header)]
        records = Records(
            satellite=headers.satellite_number(path, header),
            calibration=_calibration(path, header),
            seconds=_seconds(path, time),
            flux=_values(flux),
            rejected=rejected,
            quality=quality,
            samples=samples,
            spans=[span for span in spans if span],
        )
    return means(path, records)


def _variable(path, file, names):
    """Return the first netCDF variable of these names that has one dimension."""
    for name in names:
        if name in file and len(getattr(file[name], "shape", ())) == 1:
            if len(file[name]) > _MOST:  # a chunked variable may announce any number and hold none
                raise NotGoes(f"{path}: announces {len(file[name])} samples, more than {_MOST}; fetch it again")
            return file[name]
    raise NotGoes(f"{path}: has no variable {' or '.join(names)}; give NOAA's 1 s, 2 s or 1-minute fluxes")


def _numbers(variable, name):
    """List the numbers in an attribute, which may be missing, a scalar, an array or text."""
    numbers = []
    for entry in numpy.ravel(variable.attrs.get(name, [])):
        for word in re.split(r"[\s,]+", headers.plain_text(entry)):
            try:
                number = float(word)
            except ValueError:
                continue
            if variable.dtype.kind == "f":  # the limits of a variable are of its own precision
                with numpy.errstate(over="ignore"):
                    number = float(variable.dtype.type(number))
            numbers.append(number)
    return [number for number in numbers if not math.isnan(number)]


def _values(variable):
    """Read the values of a netCDF variable, NaN where they are fill values or outside of the valid range: float64 (n,)."""
    values = variable[:].astype("float64")
    good = numpy.isfinite(values)
    for name in ("_FillValue", "missing_value"):
        for fill in _numbers(variable, name):
            good &= values != fill
    span = _numbers(variable, "valid_range")
    span = span if len(span) == 2 else []
    for least in _numbers(variable, "valid_min")[:1] + span[:1]:
        good &= values >= least
    for most in _numbers(variable, "valid_max")[:1] + span[1:]:
        good &= values <= most
    return numpy.where(good, values, numpy.nan)


def _seconds(path, variable):
    """Read the times of a netCDF file as seconds since 1970, which like NOAA's do not count leap seconds: float64 (n,)."""
    text = headers.plain_text(variable.attrs.get("units", ""))
    unit, _, epoch = text.partition(" since ")
    try:
        start = numpy.datetime64(epoch.replace("UTC", "").strip().removesuffix("Z"), "ms").astype("int64") / 1000
        seconds = _values(variable) * _UNITS[unit.strip().lower()] + start
    except (KeyError, ValueError):
        raise NotGoes(f"{path}: its times are in {text!r}, expected seconds since a date; fetch it again") from None
    return seconds


def _judged(path, variable):
    """Judge samples by their flags, whose meanings the netCDF variable gives: (rejected, quality), bool and int64 (n,)."""
    attributes = variable.attrs
    flags = _values(variable)
    try:
        meanings = headers.plain_text(attributes["flag_meanings"]).split()
        masks = numpy.broadcast_to(attributes.get("flag_masks", attributes["flag_values"]), len(meanings)).astype("int64")
        values = numpy.broadcast_to(attributes["flag_values"], len(meanings)).astype("int64")
    except (KeyError, ValueError, TypeError):
        name = variable.name.lstrip("/")
        raise NotGoes(
            f"{path}: does not give the meanings of its flags ({name}: flag_meanings, flag_values); fetch it again"
        ) from None
    # A sample whose flag is a fill value or not a valid one may be good or bad: it counts as bad.
    fill = next(iter(_numbers(variable, "_FillValue")), -1)
    rejected, quality = numpy.isnan(flags), numpy.nan_to_num(flags, nan=fill).astype("int64")
    for meaning, mask, value in zip(meanings, masks, values, strict=True):
        if meaning in REJECTED_MEANINGS:
            rejected |= (quality & mask) == value
    return rejected, quality


def _calibration(path, header):
    # Files of GOES 8 to 15 with this title were only ever made as science-quality; their id is often empty.
    identity = header.get("id", "").strip() or path.name
    if identity.startswith("sci_") or header.get("title", "").startswith("GOES 1-15 L2 XRS"):
        return "science"
    raise NotGoes(f"{path}: is neither a daily FITS nor a science-quality netCDF file (sci_...), so its calibration is unknown")
