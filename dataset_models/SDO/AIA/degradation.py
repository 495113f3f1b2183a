"""How much of its sensitivity at launch an AIA channel has left, from aiapy."""

import functools
import importlib.util
import inspect
import pathlib
import warnings

import numpy

from tools.errors import UserError

_LEAST = 0.01


def response_table_path(table=None):
    """Find a response table: the one given, else version 8 of December 2017 that aiapy ships."""
    if table is not None:
        return pathlib.Path(table)
    package = importlib.util.find_spec("aiapy")  # without importing it, which takes seconds
    shipped = sorted(pathlib.Path(package.origin).parent.rglob("aia_V*_response_table.txt"))
    if not shipped:
        raise UserError("aiapy ships no response table; give one with --correction_table")
    return shipped[-1]


def degradation(channel, time, *, table=None):
    """Compute the effective area of a channel relative to launch, on the day of a time.

    Parameters
    ----------
    channel : int
        Angstrom.
    time : datetime64
        UTC.
    table : str, optional
        A response table (``aia_V*_response_table.txt`` of SolarSoft) of one version; see `response_table_path`.

    Returns
    -------
    float

    Raises
    ------
    UserError
        The table cannot be read, does not reach that day, or extrapolates to less than 1 % of the sensitivity at launch.

    Notes
    -----
    Computed by `aiapy.calibrate.degradation` (Barnes et al. 2020, Boerner et al. 2014) once a day and kept.
    The table of December 2017 is extrapolated for later times: at 304 Angstrom it becomes negative, which is refused here.
    """
    return _daily_degradation(channel, numpy.datetime64(time, "D"), table)


@functools.lru_cache(maxsize=200_000)
def _daily_degradation(channel, day, table):
    from aiapy.calibrate import degradation as of_aiapy
    from astropy import units
    from astropy.time import Time

    table = _response_table(table)
    keywords = {"correction_table": table}
    if "calibration_version" in inspect.signature(of_aiapy).parameters:  # aiapy 0.12 takes version 10 by default
        keywords["calibration_version"] = table["VER_NUM"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ERFA's, about dates of 2030 in the table
        try:
            factor = float(of_aiapy(channel * units.angstrom, Time(str(day)), **keywords)[0])
        except ValueError as error:
            raise UserError(f"{day}: no degradation of AIA {channel} is known ({error}); give a --correction_table") from error
    if not factor >= _LEAST:
        raise UserError(
            f"{day}: the response table extrapolates AIA {channel} to {factor:.3f} of launch; give a newer --correction_table"
        )
    return factor


@functools.lru_cache(maxsize=4)
def _response_table(path):
    try:
        from aiapy.calibrate.utils import get_correction_table
    except ImportError:  # aiapy 0.10, the last one for Python 3.11
        from aiapy.calibrate.util import get_correction_table

    path = response_table_path(path)
    try:
        table = get_correction_table(path)
    except Exception as error:  # astropy's table readers raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise UserError(f"{path}: cannot be read as an AIA response table ({reason})") from error
    # aiapy would mix versions within one factor.
    versions = sorted(set(numpy.asarray(table["VER_NUM"]).tolist()))
    if len(versions) > 1:
        raise UserError(f"{path}: expected one version of the response table, received {len(versions)} ({versions})")
    # The first row of a channel counts as launch and the last of an epoch as newest, which aiapy 0.12 no longer does.
    return table[numpy.lexsort((table["T_START"].jd, numpy.asarray(table["DATE"])))]
