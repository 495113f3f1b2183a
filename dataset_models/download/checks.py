"""Is a downloaded file what it should be? One check per kind of file, on the content, never on the name or the size alone.

A check takes the path of a file and what is expected of it, returns the time of the observation (or None), and raises
`Rejected` otherwise. Kinds and expectations are plain values, so that a manifest can repeat every check later.

What no check can see: a flipped bit inside the body of a JPEG 2000 file, which carries no checksum. FITS files with
CHECKSUM and DATASUM are protected, netCDF-4 files where they carry Fletcher-32 sums.
"""

import contextlib
import pathlib
import threading

import numpy

from dataset_models.images.helioviewer_sources import AIA_SOURCES, HMI_SOURCES
from tools import full_disks
from tools.errors import UserError
from tools.reading import raw_files


class Rejected(Exception):
    """A file is not what it should be; the text says why."""


def check(kind, path, expected):
    """Check a file.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    path : str or pathlib.Path
    expected : dict of str to value
        JSON values; see the checks.

    Returns
    -------
    numpy.datetime64 or None
        When the observation was made.

    Raises
    ------
    Rejected
    """
    path = pathlib.Path(path)
    if kind not in KINDS:
        raise Rejected("is of a kind that this program does not know")
    try:
        size = raw_files.regular_file(path).stat().st_size
        if size > LARGEST[kind]:
            raise Rejected(f"has {size} bytes, more than the {LARGEST[kind]} that a file of its kind may have")
        with open(path, "rb") as file:
            head = file.read(512)
    except UserError as error:
        raise Rejected(str(error).removeprefix(f"{path}: ").split(";")[0]) from error
    except OSError as error:
        raise Rejected(f"cannot be read ({error.strerror})") from error
    if not head:
        raise Rejected("is empty")
    refusal = _refusal(head)
    if refusal and kind not in _TEXTS:
        raise Rejected(refusal)
    try:
        with _ONE_AT_A_TIME if kind in _WARNED else contextlib.nullcontext():
            return KINDS[kind](path, expected)
    except Rejected:
        raise
    except UserError as error:
        raise Rejected(str(error).removeprefix(f"{path}: ").removeprefix(str(path)).strip()) from error
    except Exception as error:  # what libraries raise for a file that means harm has no bounds
        if full_disks.disk_is_full(error):
            raise
        raise Rejected(f"cannot be read ({' '.join(f'{type(error).__name__}: {error}'.split())[:120]})") from error


def _refusal(head):
    """Read the refusal that a server sent in place of a file; None when it seems to have sent one."""
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")) or b"<head>" in text:
        return "is an HTML page"
    if text.startswith(b"file not found"):
        return "the server answered: File not found."
    if text.startswith((b"{", b"[")):
        return f"the server answered: {' '.join(head.decode('utf-8', 'replace').split())[:120]}"
    return None


def _near(observed, expected, what="observed"):
    """Check a time against the expected ``time`` within ``tolerance`` seconds."""
    if expected.get("time") is None:
        return
    away = abs((observed - numpy.datetime64(expected["time"].removesuffix("Z"), "ms")) / numpy.timedelta64(1000, "ms"))
    if away > expected["tolerance"]:
        raise Rejected(f"{what} {observed}Z, {away:.0f} s away from {expected['time']}")


def aia_fits(path, expected):
    """Check that a file is an AIA image as FITS.

    ``channel`` (Angstrom), ``size`` (pixels), ``time`` and ``tolerance`` (s). Whole, DATASUM and CHECKSUM hold where there
    are any, finite, EXPTIME above 0, no damaging QUALITY bit.
    """
    from dataset_models.images import fits_files
    from dataset_models.images.headers import Keywords
    from dataset_models.SDO.AIA import aia_images

    data, header = fits_files.read(path)
    size = expected["size"]
    if data.shape != (size, size):
        raise Rejected(f"expected {size} x {size} pixels, received {' x '.join(map(str, data.shape))}")
    if not numpy.isfinite(data).all():
        raise Rejected(f"{numpy.count_nonzero(~numpy.isfinite(data))} pixels are no numbers")
    if data.min() == data.max():
        raise Rejected(f"every pixel is {data.min():g}")
    keywords = Keywords(header, path)
    aia_images.require_usable(keywords, expected["channel"])
    observed = keywords.time()
    _near(observed, expected)
    return observed


def hmi_fits(path, expected):
    """Check that a file is an HMI magnetogram as JSOC exports it.

    ``size`` (pixels), ``series`` (``hmi.M_720s``), ``record`` (its T_REC), ``time`` and ``tolerance`` (s). Whole, DATASUM and
    CHECKSUM hold where there are any, in gauss, the full disk with a pointing and without holes, no damaging QUALITY bit.
    """
    from dataset_models.SDO.HMI import magnetogram_images

    gauss, keywords = magnetogram_images.checked_fits(path)[:2]
    size = expected["size"]
    if gauss.shape != (size, size):
        raise Rejected(f"expected {size} x {size} pixels, received {' x '.join(map(str, gauss.shape))}")
    if numpy.nanmin(gauss) == numpy.nanmax(gauss):
        raise Rejected(f"every pixel is {numpy.nanmin(gauss):g}")
    record = keywords.text("T_REC")
    if record and record != expected["record"]:
        raise Rejected(f"is of T_REC {record}, not of {expected['record']}")
    seconds = keywords.described("CADENCE")
    if seconds and abs(seconds - expected["tolerance"]) > 1:
        raise Rejected(f"is of a series of {seconds:g} s, not of {expected['series']}")
    observed = keywords.time()
    _near(observed, expected)
    return observed


def jp2(path, expected):
    """Check a JPEG 2000 of Helioviewer: whole, of the expected ``time`` within ``tolerance``, of ``source`` where it is known.

    Headers that give a day and no clock time must be of the expected day.
    """
    from dataset_models.images import jpeg2000
    from dataset_models.images.headers import Keywords

    file = jpeg2000.read(path)
    header = jpeg2000.stored_header(file)
    if not header:
        raise Rejected("has no FITS keywords")
    keywords = Keywords(header, path)
    day = keywords.day()
    if day is None:
        observed = keywords.time()
        _near(observed, expected, "DATE_OBS")
    elif expected.get("time") is None:
        observed = day.astype("datetime64[ms]")
    else:
        observed = numpy.datetime64(expected["time"].removesuffix("Z"), "ms")
        if observed.astype("datetime64[D]") != day:
            raise Rejected(f"is of {day}, not of {expected['time']}")
    source = expected.get("source")
    instrument = header.get("INSTRUME", "")
    if source in AIA_SOURCES:
        wavelength = str(header.get("WAVELNTH", "")).split(".")[0]
        if not instrument.startswith("AIA") or wavelength != str(AIA_SOURCES[source]):
            raise Rejected(f"is of {instrument} {wavelength}, not of AIA {AIA_SOURCES[source]}")
    if source in HMI_SOURCES:
        content = header.get("CONTENT", "").lower()
        if not instrument.startswith("HMI") or HMI_SOURCES[source] not in content:
            raise Rejected(f"is of {instrument} {content}, not an HMI {HMI_SOURCES[source]}")
    return observed


def goes(path, expected):
    """Check a file of GOES X-ray flux: readable, mostly of ``day`` (YYYY-MM-DD), of ``satellite`` where it is given."""
    from dataset_models import goes_files

    minutes = goes_files.read_minutes(path)
    first, last = (numpy.datetime64(int(minutes.time[place]), "s") for place in (0, -1))
    if expected.get("satellite") not in (None, minutes.satellite):
        raise Rejected(f"is of GOES-{minutes.satellite}, not of GOES-{expected['satellite']}")
    day = expected.get("day")
    if day is not None:
        of_day = minutes.time // 86400 == numpy.datetime64(day, "D").astype("int64")
        if 2 * of_day.sum() < len(of_day):
            part = f"only {of_day.sum()} of {len(of_day)} minutes" if of_day.any() else "nothing"
            raise Rejected(f"holds {first}Z to {last}Z and {part} of {day}")
    return first


def near_real_time(path, expected):
    """Check SWPC's JSON of X-ray flux: readable, and its newest minute is ``not_before`` a time: a feed may stand still."""
    from dataset_models import goes_files

    minutes = goes_files.read_minutes(path)
    if minutes.calibration != goes_files.NEAR_REAL_TIME:
        raise Rejected(f"is {minutes.calibration} flux, not near real time")
    newest = numpy.datetime64(int(minutes.time.max()), "s")
    _not_stale(newest, expected)
    return newest


def probabilities(path, expected):
    """Check SWPC's flare probabilities: records with a date and per cent of each class, the newest ``not_before`` a time."""
    from dataset_models import observation_times
    from tools.reading import structures

    records = structures.parse_json(path.read_bytes(), path, finite=True, kind=list, advice="fetch it again")
    if not records:
        raise Rejected("has no record")
    dates = []
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict) or "date" not in record:
            raise Rejected(f"record {number} has no date")
        dates.append(observation_times.from_texts([str(record["date"])], origin=f"record {number}")[0])
        for name in (f"{letter}_class_{day}_day" for letter in "cmx" for day in (1, 2, 3)):
            value = record.get(name)
            if value is not None and not (type(value) in (int, float) and -1 <= value <= 100):  # -1: missing
                raise Rejected(f"record {number} has a {name} of {str(value)[:40]}, not 0 to 100 per cent")
    if all(record.get("m_class_1_day") is None for record in records):
        raise Rejected("has no record with m_class_1_day")
    newest = max(dates)
    _not_stale(newest, expected)
    return newest


def _not_stale(newest, expected):
    if newest < numpy.datetime64(expected["not_before"].removesuffix("Z"), "s"):
        raise Rejected(f"ends at {newest}Z, before {expected['not_before']}: the feed stands still")


def json_list(path, expected):
    """Check a JSON list that ends, of records of which at least one has ``fields``; what reads it names the others."""
    from dataset_models.flares import flare_rows

    text = path.read_bytes().decode("utf-8", "replace").strip()
    if not text.startswith("["):
        raise Rejected(f"is no list of records: {' '.join(text.split())[:120]}")
    try:
        records = [record for _, record in flare_rows.json_rows(text)]
    except (ValueError, RecursionError) as error:
        raise Rejected(f"is no JSON ({error})") from error
    if records and not any(record and all(name in record for name in expected["fields"]) for record in records):
        raise Rejected(f"has no record with {', '.join(expected['fields'])}")


def flare_list(path, expected):
    """Check a flare list that the catalogue reads, with ``rows`` rows; of these some may be malformed, not all."""
    from dataset_models.flares import flare_lists

    if expected["rows"] == 0:
        return
    rows = flare_lists.read_list(path).rows
    if rows != expected["rows"]:
        raise Rejected(f"holds {rows} rows, not {expected['rows']}")


def region_summary(path, expected):
    """Check NOAA's solar region summary of ``day``: issued on it, and not cut short."""
    from dataset_models.flares import region_summaries

    issued = region_summaries.read(path).issued
    if str(issued) != expected["day"]:
        raise Rejected(f"was issued on {issued}, not on {expected['day']}")
    return numpy.datetime64(issued, "ms")


# Bytes of one file at most: several times the largest that the archives have.
LARGEST = {
    "aia": 256 << 20,
    "hmi": 256 << 20,
    "jp2": 64 << 20,
    "goes": 512 << 20,
    "near real time": 64 << 20,
    "json": 64 << 20,
    "flares": 64 << 20,
    "regions": 4 << 20,
    "probabilities": 4 << 20,
}
KINDS = {
    "aia": aia_fits,
    "hmi": hmi_fits,
    "jp2": jp2,
    "goes": goes,
    "near real time": near_real_time,
    "json": json_list,
    "flares": flare_list,
    "regions": region_summary,
    "probabilities": probabilities,
}
_WARNED = {"aia", "hmi", "goes"}  # kinds whose readers tell damage by warnings, which Python collects for all threads at once
_ONE_AT_A_TIME = threading.Lock()
_TEXTS = {"json", "near real time", "probabilities"}  # kinds whose files begin as a server's complaint may
