"""Archive files of GOES X-ray flux -> 1-minute means.

Daily FITS files of GOES 6 to 15 (SDAC, about 2 s) hold operational values. NOAA's netCDF files are science-quality:
``sci_gxrs-l2-irrad`` and ``sci_xrsf-l2-flx1s`` at 1 or 2 s, ``sci_xrsf-l2-avg1m`` with means of a minute. SWPC's JSON
(``xrays-6-hour.json`` to ``xrays-7-day.json``, primary and secondary) holds 1-minute means in near real time. FlareNet's
tables (``Flux_2010_2017_max.csv``) hold maxima of two minutes. Tables with ``xrsb``, as sunpy's time series are written, hold
what the user states.

Read here and not with sunpy, which gives up a file for one time without a value, for an HDU that is not needed, or for a
status table without rows, and reads twice as much as is needed; a year of daily files is to be imported in seconds.
"""

import dataclasses
import functools
import pathlib
import warnings

from dataset_models.goes_formats import daily_fits, flarenet_csv, minute_table, netcdf, swpc_json
from dataset_models.goes_formats.flarenet_csv import FLARENET, UNKNOWN_SATELLITE  # noqa: F401
from dataset_models.goes_formats.headers import short_reason
from dataset_models.goes_formats.minute_table import CALIBRATIONS as TABLE_CALIBRATIONS  # noqa: F401
from dataset_models.goes_formats.minute_table import Stated  # noqa: F401
from dataset_models.goes_formats.minutes import Minutes, NotGoes  # noqa: F401
from dataset_models.goes_formats.swpc_json import CONTAMINATED, NEAR_REAL_TIME  # noqa: F401
from tools.reading import raw_files

_SIMULATED = b"SIMULATD=                    T"  # as a FITS card has it


def read_minutes(path, *, stated=None):
    """Read a file, gzipped or not, of a kind that its content shows.

    Parameters
    ----------
    path : str or pathlib.Path
    stated : Stated, optional
        Satellite and calibration of a plain table; other files state their own.

    Returns
    -------
    Minutes

    Raises
    ------
    NotGoes
        A `tools.errors.UserError`: the file is missing, truncated, not GOES X-ray flux, of unknown calibration or unit, or
        of another time than its name and header give.

    Notes
    -----
    Left out of the means: samples whose flags reject them, fill values, fluxes outside the variable's valid_min and valid_max,
    and fluxes that are not positive (drop-outs are stored as 0). A minute needs half of the samples that the file's cadence
    gives it.

    Left out and counted: records whose time is a fill value, not finite or outside its own valid range, and stray records.
    A record is stray when it lies more than a minute outside of the time that the file states: the day (or first and
    last day, or year) in its name or ``id``, its ``time_coverage_...`` attributes, or its ``DATE-OBS``. Where it states
    none, or its name one day and its header another (renamed files do; it counts as a fault), a record is stray more than
    a day from the median time. Three stray records, or one in a hundred, are bad time stamps among good ones. More of them
    mean that the clock, the name or the content is wrong: such a file is refused as a whole.

    Near-real-time fluxes are those corrected for electrons (``flux``). SWPC scales none of GOES-16 and later: they are true
    irradiances as science-quality ones are, with preliminary calibration and without its quality flags (User's Guide for
    GOES-R XRS L2 Products, Machol, Codrescu and Peck 2021, sections 2.1 and 2.2). Records of older satellites, whose
    operational flux is scaled by 0.7, are left out.

    Examples
    --------
    >>> import json, tempfile
    >>> record = {"time_tag": "2026-08-01T00:00:00Z", "satellite": 18, "flux": 1e-6, "energy": "0.1-0.8nm"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "xrays-6-hour.json"
    ...     _ = path.write_text(json.dumps([record]))
    ...     minutes = read_minutes(path)
    >>> minutes.satellite, minutes.calibration, minutes.flux.tolist()
    (18, 'near real time', [1e-06])
    """
    path = pathlib.Path(path)
    content = _content(path)
    head = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    reader = next((reader for start, reader in _READERS if head.startswith(start)), None)
    if reader is None and daily_fits.hdu_starts(content):
        reader = daily_fits.read  # its primary HDU is broken, which is not needed
    if reader is None and minute_table.is_table(head):
        reader = functools.partial(minute_table.read, stated=stated)
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
        raise NotGoes(f"{path}: cannot be read as GOES X-ray flux ({short_reason(error, path)}); fetch it again") from error


def _content(path):
    """Read the bytes of a file, unpacked where it is gzipped."""
    packed = raw_files.read_bytes(path, advice="give a GOES XRS file", error=NotGoes)
    if not packed:
        raise NotGoes(f"{path}: is empty; fetch it again")
    return raw_files.unpack(packed, path, error=NotGoes)


def _netcdf_3(path, content):
    raise NotGoes(f"{path}: is netCDF 3, NOAA's older operational data; give daily FITS or science-quality netCDF-4 (sci_...)")


_READERS = (
    (b"\x89HDF\r\n\x1a\n", netcdf.read),
    (b"SIMPLE", daily_fits.read),
    (b"CDF", _netcdf_3),
    (b"[", swpc_json.read),
    (b"{", swpc_json.read),
    (b'"Time","Flux"', flarenet_csv.read),
    (b"Time,Flux", flarenet_csv.read),
)
