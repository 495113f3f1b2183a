"""Archive files of GOES X-ray flux -> 1-minute means.

Daily FITS files of GOES 6 to 15 (SDAC, about 2 s) hold operational values. NOAA's netCDF files are science-quality:
``sci_gxrs-l2-irrad`` and ``sci_xrsf-l2-flx1s`` at 1 or 2 s, ``sci_xrsf-l2-avg1m`` with means of a minute. SWPC's JSON
(``xrays-6-hour.json`` to ``xrays-7-day.json``, primary and secondary) holds 1-minute means in near real time.

Read here and not with sunpy, which gives up a file for one time without a value, for an HDU that is not needed, or for a
status table without rows, and reads twice as much as is needed; a year of daily files is to be imported in seconds.
"""

import collections
import dataclasses
import gzip
import io
import json
import math
import pathlib
import re
import warnings
import zlib

import numpy

from tools.errors import UserError

NEAR_REAL_TIME = "near real time"

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

CONTAMINATED = 1  # quality of a near-real-time minute whose flux SWPC calls contaminated by electrons

_FLUXES = ("xrsb_flux", "b_flux")
_FLAGS = ("xrsb_flag", "xrsb_flags", "b_flags")
_UNITS = {"milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}  # of netCDF times
_LONG = "0.1-0.8nm"  # SWPC's name of 1-8 Angstrom
_UNSCALED = 16  # the first satellite whose operational fluxes are true irradiances
_LEAST, _MOST = 1e-9, 0.2  # W m^-2: valid_min and valid_max of NOAA's 1-minute averages, which SWPC's JSON does not state
_DAY = 86400
_SLACK = 60  # seconds by which genuine files leave their day: a leap second, the first and the last sample
_FEW, _PART = 3, 0.01  # stray records that are left out; more than either is a file that is wrong as a whole
_SIMULATED = b"SIMULATD=                    T"  # as a FITS card has it
_YEAR_10000 = 253_402_300_800  # seconds since 1970: netCDF's own default for "no value" lies far beyond it
_STRAY = "records outside the file's own time, left out"
_TIMELESS = "records without a time, left out"


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
        and not counted.
    simulated : bool
        Whether a FITS file says SIMULATD = T.
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
class _Records:
    """Content of a file; `rejected` by its own flags, and `spans` of time that its name and header promise."""

    satellite: int
    calibration: str
    seconds: numpy.ndarray  # NaN where there is no time
    flux: numpy.ndarray  # NaN where there is no value
    rejected: numpy.ndarray
    quality: numpy.ndarray
    samples: numpy.ndarray
    spans: list
    faults: dict = dataclasses.field(default_factory=dict)


def read_minutes(path):
    """Read a file, gzipped or not, of a kind that its content shows.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Minutes

    Raises
    ------
    NotGoes
        A `tools.errors.UserError`: the file is missing, truncated, not GOES X-ray flux, of unknown calibration or unit, or
        of another time than it says.

    Notes
    -----
    Left out of the means: samples whose flags say so, fill values, fluxes outside the variable's valid_min and valid_max,
    and fluxes that are not positive (drop-outs are stored as 0). A minute needs half of the samples that the file's cadence
    gives it.

    Left out and counted: records whose time is a fill value, not finite or outside its own valid range, and stray records.
    A record is stray when it lies more than a minute outside of the time that the file promises: the day (or first and
    last day, or year) in its name or ``id``, its ``time_coverage_...`` attributes, or its ``DATE-OBS``. Where it promises
    nothing, or its name one day and its header another (renamed files do; it counts as a fault), a record is stray more than
    a day from the median time. Three stray records, or one in a hundred, are bad time stamps among good ones. More of them
    mean that the clock, the name or the content is wrong: such a file is refused as a whole.

    Near-real-time fluxes are those corrected for electrons (``flux``). SWPC scales none of GOES-16 and later: they are true
    irradiances as science-quality ones are, with preliminary calibration and without its quality flags (User's Guide for
    GOES-R XRS L2 Products, Machol, Codrescu and Peck 2021, sections 2.1 and 2.2). Records of older satellites, whose
    operational flux is scaled by 0.7, are left out.
    """
    path = pathlib.Path(path)
    content = _content(path)
    head = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    reader = next((reader for start, reader in _READERS if head.startswith(start)), None)
    if reader is None and _hdu_starts(content):
        reader = _fits_minutes  # its primary HDU is broken, which is not needed
    if reader is None:
        if head.lower().startswith((b"<!doctype html", b"<html")):
            raise NotGoes(f"{path}: is an HTML page; fetch the file again")
        raise NotGoes(f"{path}: is no file of GOES X-ray flux; give daily FITS, science-quality netCDF-4 or SWPC's JSON")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy's on cards that are not needed here
            return dataclasses.replace(reader(path, content), simulated=_SIMULATED in content)
    except NotGoes:
        raise
    except Exception as error:  # astropy and HDF5 raise anything on files that are not what they seem
        if "truncated" in str(error):
            raise NotGoes(f"{path}: is truncated; fetch it again") from error
        raise NotGoes(f"{path}: cannot be read as GOES X-ray flux ({_reason(error, path)}); fetch it again") from error


def _content(path):
    """Bytes of a file, unpacked where it is gzipped."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotGoes(f"{path}: no such file") from None
    except OSError as error:
        raise NotGoes(f"{path}: cannot be read ({error.strerror}); give a GOES XRS file") from error
    if not content:
        raise NotGoes(f"{path}: is empty; fetch it again")
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise NotGoes(f"{path}: is truncated or no whole gzip file; fetch it again") from error
    return content


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _reason(error, path):
    text = str(error).replace(str(path), "it")
    return " ".join(f"{type(error).__name__}: {text}".split())[:120]


# Science-quality netCDF


def _netcdf_minutes(path, content):
    import h5py

    # In memory: NOAA stores each sample of a daily file as a chunk of its own.
    with h5py.File(h5py.h5f.open_file_image(content), "r") as file:
        header = {key.lower(): _text(value) for key, value in file.attrs.items()}
        flux = _variable(path, file, _FLUXES)
        flags = _variable(path, file, _FLAGS)
        time = _variable(path, file, ("time",))
        lengths = {len(variable) for variable in (time, flux, flags)}
        if len(lengths) > 1:
            raise NotGoes(f"{path}: holds times, fluxes and flags of different number; fetch it again")
        _require_watts(path, flux.name.lstrip("/"), flux.attrs.get("units"))
        rejected, quality = _judged(path, flags)
        samples = numpy.ones(len(flux), "int64")
        if "xrsb_num" in file and len(file["xrsb_num"]) == len(flux):
            samples = numpy.nan_to_num(_values(file["xrsb_num"]), nan=1.0).astype("int64")
        spans = [_named_span(path.name), _named_span(header.get("id", "")), _coverage(header)]
        records = _Records(
            satellite=_satellite(path, header),
            calibration=_science(path, header),
            seconds=_seconds(path, time),
            flux=_values(flux),
            rejected=rejected,
            quality=quality,
            samples=samples,
            spans=[span for span in spans if span],
        )
    return _means(path, records)


def _variable(path, file, names):
    """Return the first netCDF variable of these names that has one dimension."""
    for name in names:
        if name in file and len(getattr(file[name], "shape", ())) == 1:
            return file[name]
    raise NotGoes(f"{path}: has no variable {' or '.join(names)}; give NOAA's 1 s, 2 s or 1-minute fluxes")


def _numbers(variable, name):
    """Numbers in an attribute, which may be missing, a scalar, an array or text; those that are none are left out."""
    numbers = []
    for entry in numpy.ravel(variable.attrs.get(name, [])):
        for word in re.split(r"[\s,]+", _text(entry)):
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
    """Values of a netCDF variable, NaN where they are fill values or outside of the valid range: float64 (n,)."""
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
    """Times of a netCDF file as seconds since 1970, which like NOAA's do not count leap seconds: float64 (n,)."""
    text = _text(variable.attrs.get("units", ""))
    unit, _, epoch = text.partition(" since ")
    try:
        start = numpy.datetime64(epoch.replace("UTC", "").strip().removesuffix("Z"), "ms").astype("int64") / 1000
        seconds = _values(variable) * _UNITS[unit.strip().lower()] + start
    except (KeyError, ValueError):
        raise NotGoes(f"{path}: its times are in {text!r}, expected seconds since a date; fetch it again") from None
    return seconds


def _judged(path, variable):
    """(rejected, quality) of samples with these flags, by what the netCDF variable says of their meaning."""
    attributes = variable.attrs
    flags = _values(variable)
    try:
        meanings = _text(attributes["flag_meanings"]).split()
        masks = numpy.broadcast_to(attributes.get("flag_masks", attributes["flag_values"]), len(meanings)).astype("int64")
        values = numpy.broadcast_to(attributes["flag_values"], len(meanings)).astype("int64")
    except (KeyError, ValueError, TypeError):
        name = variable.name.lstrip("/")
        raise NotGoes(
            f"{path}: does not say what its flags mean ({name}: flag_meanings, flag_values); fetch it again"
        ) from None
    # A flag that is a fill value or not a valid one says nothing of its sample, which cannot be trusted then.
    fill = next(iter(_numbers(variable, "_FillValue")), -1)
    rejected, quality = numpy.isnan(flags), numpy.nan_to_num(flags, nan=fill).astype("int64")
    for meaning, mask, value in zip(meanings, masks, values, strict=True):
        if meaning in REJECTED_MEANINGS:
            rejected |= (quality & mask) == value
    return rejected, quality


def _require_watts(path, name, unit):
    """Refuse a flux whose unit is stated and not W m^-2, in any spelling."""
    text = "" if unit is None else _text(unit).strip()
    plain = re.sub(r"[\s*^().]|-(?=2$)", "", text.lower()).replace("watts", "w").replace("watt", "w").replace("/", "")
    if plain not in ("", "wm2"):
        raise NotGoes(f"{path}: its {name} is in {text!r}, expected W/m2; give the archive's own file")


def _satellite(path, header):
    for text in (header.get("id", ""), header.get("telescop", ""), path.name, header.get("platform", "")):
        match = re.search(r"(?:_g|^go?|goes[ _-]*)(\d{2})|goes[ _-]*(\d)(?!\d)", text, re.IGNORECASE)
        if match:
            return int(match[1] or match[2])
    raise NotGoes(f"{path}: does not say which GOES satellite it is from; give it its archive name")


def _science(path, header):
    # Files of GOES 8 to 15 with this title were only ever made as science-quality; their id is often empty.
    identity = header.get("id", "").strip() or path.name
    if identity.startswith("sci_") or header.get("title", "").startswith("GOES 1-15 L2 XRS"):
        return "science"
    raise NotGoes(f"{path}: is neither a daily FITS nor a science-quality netCDF file (sci_...), so its calibration is unknown")


# Spans of time that a file promises: (first, end) in seconds since 1970


def _named_span(name):
    """Return the span in an archive name, or None: a day, first and last day, or a year."""
    day = re.search(r"_d(\d{8})(?!\d)|^go\d\d(\d{8}|\d{6})(?!\d)", name, re.IGNORECASE)
    days = re.search(r"_s(\d{8})_e(\d{8})(?!\d)", name)
    year = re.search(r"_y(\d{4})(?!\d)", name)
    if day:
        first = _day(day[1] or day[2])
        return first and (first, first + _DAY)
    if days:
        first, last = _day(days[1]), _day(days[2])
        return first and last and (first, last + _DAY)
    if year:
        first, end = _day(f"{year[1]}0101"), _day(f"{int(year[1]) + 1}0101")
        return first and end and (first, end)
    return None


def _day(digits):
    """Start of YYYYMMDD or YYMMDD in seconds, None where there is no such day."""
    if len(digits) == 6:
        digits = ("19" if digits >= "70" else "20") + digits
    return _moment(f"{digits[:-4]}-{digits[-4:-2]}-{digits[-2:]}")


def _moment(text):
    """Seconds since 1970 of an ISO time in UTC, None where it is none."""
    match = re.fullmatch(r"\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d*)?)?))?(?:Z|\+00:?00)?\s*", text)
    if not match:
        return None
    try:
        return int(numpy.datetime64("T".join(filter(None, match.groups())), "ms").astype("int64")) // 1000
    except ValueError:
        return None


def _coverage(header):
    first, end = (_moment(header.get(f"time_coverage_{name}", "")) for name in ("start", "end"))
    return (first, end) if first is not None and end is not None and first < end else None


# Daily FITS


def _fits_minutes(path, content):
    hdus, broken = _hdus(path, content)
    cards = [_cards(hdu) for hdu in hdus]
    telescope = next((one["telescop"] for one in cards if one.get("telescop")), "")
    if not telescope.upper().startswith("GOES"):
        raise NotGoes(f"{path}: its TELESCOP is {telescope or 'missing'}, not GOES; give a daily file of GOES X-ray flux")
    faults = {}
    table, status = _table(hdus, "FLUXES", {"TIME", "FLUX"}), _table(hdus, "STATUS", {"TIME", "STATUS"})
    if table is not None:
        _require_watts(path, "FLUX", table.columns["FLUX"].unit)
        clock, flux = _fluxes(path, table)
        start = _start_of_day(path, cards)
    elif len(shape := getattr(hdus[0], "shape", ())) == 2 and shape[0] >= 3:
        # The oldest files: time, long and short channel as an image. What their status words mean is not known here.
        status = None
        clock, flux = (row.astype("float64") for row in hdus[0].data[:2])
        start = _start_of_times(path, cards[0])
    else:
        why = "".join(f"; {name} cannot be read: {reason}" for name, reason in broken.items())
        raise NotGoes(f"{path}: has no table FLUXES with TIME and FLUX{why}; fetch it again")
    rejected, quality = numpy.zeros(len(clock), bool), numpy.zeros(len(clock), "int64")
    try:
        if status is not None:
            rejected, quality = _status(status, clock)
        elif table is not None and (broken or any(hdu.name == "STATUS" for hdu in hdus)):
            raise ValueError("the table of status words is among what cannot be read")
    except Exception:  # whatever astropy raises on a broken table is no reason to lose the flux
        faults["status table that cannot be read: its samples count as good"] = 1
    day = math.floor(start / _DAY) * _DAY
    records = _Records(
        satellite=_satellite(path, {"telescop": telescope}),
        calibration="operational",
        seconds=start + clock,
        flux=flux,
        rejected=rejected,
        quality=quality,
        samples=numpy.ones(len(clock), "int64"),
        spans=[span for span in (_named_span(path.name), (day, day + _DAY)) if span],
        faults=faults,
    )
    return _means(path, records)


def _hdus(path, content):
    """HDUs of a FITS file, each read by itself so that a broken one costs no other.

    Returns
    -------
    hdus : list of astropy HDU
        Those that can be read.
    broken : dict of str to str
        Name of the HDU, or its place, and why it cannot be read.
    """
    from astropy.io import fits

    hdus, broken = [], {}
    starts = _hdu_starts(content)
    for start in starts:
        kind = fits.PrimaryHDU if content.startswith(b"SIMPLE", start) else fits.BinTableHDU
        name = f"the HDU at byte {start}"
        try:
            header = fits.Header.fromfile(io.BytesIO(content[start:]))
            name = str(header.get("EXTNAME", name)).strip().upper()
            size = len(header.tostring()) + header.data_size
            hdu = kind.fromstring(content[start:])
            if kind is fits.BinTableHDU and not hdu.columns.names:
                raise ValueError("no columns")
        except Exception as error:  # astropy raises anything on a header that makes no sense
            broken[name] = _reason(error, path)
            continue
        if start == starts[-1] and start + size > len(content):
            raise NotGoes(f"{path}: is truncated; fetch it again")
        hdus.append(hdu)
    if not hdus:
        raise NotGoes(f"{path}: has no HDU that can be read; fetch it again")
    return hdus, broken


def _hdu_starts(content):
    return [at for at in range(0, len(content), 2880) if content.startswith((b"SIMPLE  =", b"XTENSION="), at)]


def _cards(hdu):
    """Keywords in lower case and their values as text, those that cannot be read left out."""
    values = {}
    for key in hdu.header:
        try:
            values[key.lower()] = str(hdu.header[key]).strip()
        except Exception:  # astropy reads a card when it is asked for
            continue
    return values


def _table(hdus, name, columns):
    """Return the table with these columns, one of this name first; None where there is none."""
    tables = [hdu for hdu in hdus if hasattr(hdu, "columns") and columns <= {one.upper() for one in hdu.columns.names}]
    return next((hdu for hdu in tables if hdu.name == name), tables[0] if tables else None)


def _fluxes(path, table):
    """(seconds, flux of the long channel) of a table with one row of arrays, or a row per sample: float64 (n,) each."""
    if table.data is None or len(table.data) == 0:
        raise NotGoes(f"{path}: its table {table.name} has no rows, so the file holds no flux; leave it out")
    seconds = numpy.ravel(table.data["TIME"]).astype("float64")
    fluxes = numpy.ravel(table.data["FLUX"]).astype("float64")
    if len(fluxes) != 2 * len(seconds):
        raise NotGoes(f"{path}: holds {len(seconds)} times and {len(fluxes)} fluxes, expected two per time; fetch it again")
    return seconds, fluxes[::2]


def _start_of_day(path, cards):
    """Start of the day that times of the table FLUXES count from: DATE-OBS, or TIMEZERO (a modified Julian date)."""
    for one in cards:
        text = one.get("date-obs", "")
        match = re.match(r"(\d\d)/(\d\d)/(\d{4}|\d\d)$", text)
        day = _day(match[3] + match[2] + match[1]) if match else _moment(text[:10])
        if day is not None:
            return day
    for one in cards:
        if re.fullmatch(r"\d{5}(\.0*)?", one.get("timezero", "")):
            return (int(one["timezero"][:5]) - 40587) * _DAY
    raise NotGoes(f"{path}: does not say its day (DATE-OBS = {cards[0].get('date-obs', '')!r}); fetch it again")


def _start_of_times(path, cards):
    """Time that the oldest files count from: TIMEZERO, seconds since 1979."""
    try:
        return float(cards["timezero"]) + _moment("1979-01-01")
    except (KeyError, ValueError):
        raise NotGoes(f"{path}: does not say what its times count from (TIMEZERO); fetch it again") from None


def _status(table, clock):
    """(rejected, quality) by a table of times, in seconds of the day, at which status words were set."""
    rejected, quality = numpy.zeros(len(clock), bool), numpy.zeros(len(clock), "int64")
    if table.data is None or len(table.data) == 0:
        return rejected, quality
    times = numpy.ravel(table.data["TIME"]).astype("float64")
    words = numpy.reshape(table.data["STATUS"], (-1, 2)).astype("float64")
    for time, (first, second) in zip(times, words, strict=True):
        if not numpy.isfinite([time, first, second]).all():
            continue
        first, second = int(first), int(second)
        near = numpy.abs(clock - time) < 2
        quality[near] |= (first & 0xFFFF) << 16 | second & 0xFFFF
        if first & REJECTED_STATUS[0] or second & REJECTED_STATUS[1]:
            rejected |= near
    return rejected, quality


# SWPC's JSON


def _json_minutes(path, content):
    try:
        entries = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotGoes(f"{path}: is no whole JSON ({_reason(error, path)}); fetch it again") from error
    if not isinstance(entries, list):
        raise NotGoes(f"{path}: is no list of records; give SWPC's xrays-6-hour.json to xrays-7-day.json")
    entries = [entry for entry in entries if isinstance(entry, dict)]
    entries = [entry for entry in entries if re.sub(r"\s", "", str(entry.get("energy"))).lower() == _LONG]
    if not entries:
        raise NotGoes(f"{path}: has no records of {_LONG}; give SWPC's xrays-6-hour.json to xrays-7-day.json")
    faults, rows = collections.Counter(), {}
    for entry in entries:
        time = _moment(str(entry.get("time_tag")))
        satellite, flux = _number(entry.get("satellite")), _number(entry.get("flux"))
        if time is None:
            faults[_TIMELESS] += 1
        elif not 0 < satellite < 100:
            faults["records without a satellite, left out"] += 1
        elif satellite < _UNSCALED:
            faults[f"records of satellites before GOES-{_UNSCALED}, whose operational flux is scaled by 0.7, left out"] += 1
        elif not _LEAST < flux <= _MOST:
            faults["records without a flux, left out"] += 1
        else:  # of several records of a minute the last one stands
            contaminated = entry.get("electron_contaminaton") or entry.get("electron_contamination")  # the first is SWPC's
            rows[time // 60 * 60, int(satellite)] = flux, CONTAMINATED if contaminated is True else 0
    if not rows:
        reasons = "; ".join(f"{count} {reason.removesuffix(', left out')}" for reason, count in faults.items())
        raise NotGoes(f"{path}: has no good record of {_LONG} ({reasons}); leave it out")
    keys = numpy.array(sorted(rows), "int64")
    # A file holds a week at most, wherever its median lies.
    inside = _in_place(path, keys[:, 0], [], 7 * _DAY, faults)
    keys = keys[inside]
    flux, quality = zip(*(rows[int(time), int(satellite)] for time, satellite in keys), strict=True)
    satellites = keys[:, 1]
    return Minutes(
        satellite=int(satellites.max()),
        calibration=NEAR_REAL_TIME,
        time=keys[:, 0],
        flux=numpy.array(flux),
        samples=numpy.ones(len(keys), "int64"),
        quality=numpy.array(quality, "int64"),
        satellites=satellites if len(set(satellites.tolist())) > 1 else None,
        faults=dict(faults),
    )


def _number(value):
    """Return a number of a JSON record, NaN where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


# Means over minutes


def _in_place(path, seconds, spans, reach, faults):
    """Which records lie in the time that their file is of: bool (n,).

    Strays are counted in `faults`; too many of them raise (see :func:`read_minutes`). Where `spans` are
    none, or of different days, the records lie within `reach` seconds of their median.
    """
    promised = bool(spans)
    divided = promised and max(first for first, _ in spans) >= min(end for _, end in spans)
    if divided:
        faults["name and header of different days"] = 1
    if divided or not promised:
        middle = numpy.median(seconds)
        spans = [*spans, (middle - reach, middle + reach)]
    inside = numpy.zeros(len(seconds), bool)
    for first, end in spans:
        inside |= (seconds >= first - _SLACK) & (seconds <= end + _SLACK)
    strays = int((~inside).sum())
    if strays > max(_FEW, _PART * len(seconds)) or not inside.any():
        found, expected = _shown(seconds[~inside][0]), f"{_shown(spans[-1][0])} to {_shown(spans[-1][1])}"
        own = "the time that it says it is of" if promised and not divided else "the time around its median"
        text = f"{strays} of {len(seconds)} records lie outside {own} ({expected}), the first at {found}"
        raise NotGoes(f"{path}: {text}; fetch it again, or give it the name of its day")
    if strays:
        faults[_STRAY] = strays
    return inside


def _shown(seconds):
    return f"{numpy.datetime64(int(seconds), 's')}Z"


def _means(path, records):
    if len(records.seconds) == 0:
        raise NotGoes(f"{path}: holds no samples; leave it out")
    faults = dict(records.faults)
    timed = numpy.isfinite(records.seconds) & (numpy.abs(records.seconds) < _YEAR_10000)
    if not timed.any():
        raise NotGoes(f"{path}: none of its {len(timed)} records has a time; fetch it again")
    if not timed.all():
        faults[_TIMELESS] = int((~timed).sum())
    kept = numpy.flatnonzero(timed)
    kept = kept[_in_place(path, records.seconds[kept], records.spans, _DAY, faults)]
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


def _netcdf_3(path, content):
    raise NotGoes(f"{path}: is netCDF 3, NOAA's older operational data; give daily FITS or science-quality netCDF-4 (sci_...)")


_READERS = (
    (b"\x89HDF\r\n\x1a\n", _netcdf_minutes),
    (b"SIMPLE", _fits_minutes),
    (b"CDF", _netcdf_3),
    (b"[", _json_minutes),
    (b"{", _json_minutes),
)
