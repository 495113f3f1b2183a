"""Daily FITS files of GOES 6 to 15."""

import io
import math
import re

import numpy

from dataset_models.goes_formats import headers
from dataset_models.goes_formats.minutes import DAY, NotGoes, Records, means

# Bits of the second status word in daily FITS files (octal in their headers) that concern the long channel, and of the
# first one the eclipse by the Moon.
REJECTED_STATUS = (0o1000, 0o1 | 0o2 | 0o4 | 0o20 | 0o200)
_COLUMNS = 999  # of a table: the most that the FITS standard allows


def read(path, content):
    """Read the bytes of a file and average them over minutes: `Minutes`."""
    hdus, broken = _hdus(path, content)
    cards = [_cards(hdu) for hdu in hdus]
    telescope = next(filter(None, (header.get("telescop") for header in cards)), "")
    if not telescope.upper().startswith("GOES"):
        raise NotGoes(f"{path}: its TELESCOP is {telescope or 'missing'}, not GOES; give a daily file of GOES X-ray flux")
    faults = {}
    table, status = _table(hdus, "FLUXES", {"TIME", "FLUX"}), _table(hdus, "STATUS", {"TIME", "STATUS"})
    if table is not None:
        headers.require_watts(path, "FLUX", table.columns["FLUX"].unit)
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
    day = math.floor(start / DAY) * DAY
    records = Records(
        satellite=headers.satellite_number(path, {"telescop": telescope}),
        calibration="operational",
        seconds=start + clock,
        flux=flux,
        rejected=rejected,
        quality=quality,
        samples=numpy.ones(len(clock), "int64"),
        spans=[span for span in (headers.named_span(path.name), (day, day + DAY)) if span],
        faults=faults,
    )
    return means(path, records)


def _hdus(path, content):
    """Read the HDUs of a FITS file, each by itself so that a broken one costs no other.

    Returns
    -------
    hdus : list of astropy HDU
        Those that can be read.
    broken : dict of str to str
        Name of the HDU, or its place, and why it cannot be read.
    """
    from astropy.io import fits

    hdus, broken = [], {}
    starts = hdu_starts(content)
    for start in starts:
        kind = fits.PrimaryHDU if content.startswith(b"SIMPLE", start) else fits.BinTableHDU
        name = f"the HDU at byte {start}"
        try:
            header = fits.Header.fromfile(io.BytesIO(content[start:]))
            name = str(header.get("EXTNAME", name)).strip().upper()
            if not 0 <= int(header.get("TFIELDS", 0)) <= _COLUMNS:
                raise ValueError(f"TFIELDS = {header['TFIELDS']}")
            size = len(header.tostring()) + header.data_size
            hdu = kind.fromstring(content[start:])
            if kind is fits.BinTableHDU and not hdu.columns.names:
                raise ValueError("no columns")
        except Exception as error:  # astropy raises anything on a header that makes no sense
            broken[name] = headers.short_reason(error, path)
            continue
        if start == starts[-1] and start + size > len(content):
            raise NotGoes(f"{path}: is truncated; fetch it again")
        hdus.append(hdu)
    if not hdus:
        raise NotGoes(f"{path}: has no HDU that can be read; fetch it again")
    return hdus, broken


def hdu_starts(content):
    """List the bytes at which HDUs begin: list of int."""
    return [at for at in range(0, len(content), 2880) if content.startswith((b"SIMPLE  =", b"XTENSION="), at)]


def _cards(hdu):
    """List keywords in lower case and their values as text: dict, without those that cannot be read."""
    values = {}
    for key in hdu.header:
        try:
            values[key.lower()] = str(hdu.header[key]).strip()
        except Exception:  # astropy reads a card when it is asked for
            continue
    return values


def _table(hdus, name, columns):
    """Return the table with these columns, one of this name first; None where there is none."""
    tables = [hdu for hdu in hdus if hasattr(hdu, "columns") and columns <= set(map(str.upper, hdu.columns.names))]
    return next((hdu for hdu in tables if hdu.name == name), tables[0] if tables else None)


def _fluxes(path, table):
    """Read times and long channel of a table with one row of arrays, or a row per sample: two float64 (n,)."""
    if table.data is None or len(table.data) == 0:
        raise NotGoes(f"{path}: its table {table.name} has no rows, so the file holds no flux; leave it out")
    seconds = numpy.ravel(table.data["TIME"]).astype("float64")
    fluxes = numpy.ravel(table.data["FLUX"]).astype("float64")
    if len(fluxes) != 2 * len(seconds):
        raise NotGoes(f"{path}: holds {len(seconds)} times and {len(fluxes)} fluxes, expected two per time; fetch it again")
    return seconds, fluxes[::2]


def _start_of_day(path, cards):
    """Read the start of the day that times of the table FLUXES count from: DATE-OBS, or TIMEZERO (a modified Julian date)."""
    for header in cards:
        text = header.get("date-obs", "")
        match = re.match(r"(\d\d)/(\d\d)/(\d{4}|\d\d)$", text)
        day = headers.start_of_day(match[3] + match[2] + match[1]) if match else headers.moment(text[:10])
        if day is not None:
            return day
    for header in cards:
        if re.fullmatch(r"\d{5}(\.0*)?", header.get("timezero", "")):
            return (int(header["timezero"][:5]) - 40587) * DAY
    raise NotGoes(f"{path}: does not give its day (DATE-OBS = {cards[0].get('date-obs', '')!r}); fetch it again")


def _start_of_times(path, cards):
    """Read the time that the oldest files count from: TIMEZERO, seconds since 1979."""
    try:
        return float(cards["timezero"]) + headers.moment("1979-01-01")
    except (KeyError, ValueError):
        raise NotGoes(f"{path}: does not give the start of its times (TIMEZERO); fetch it again") from None


def _status(table, clock):
    """Judge samples by a table of times (seconds of the day) and status words: (rejected, quality), bool and int64 (n,)."""
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
