"""One X-ray flux across satellites and calibrations: fluxes brought to one scale, the best one of every minute chosen.

The scale is that of science-quality data, true irradiance. Operational fluxes of GOES 8 to 15 are divided by 0.7, the factor by
which SWPC had scaled 1-8 Angstrom to match GOES-7 (0.85 in 0.5-4 Angstrom, which the store does not hold). GOES-16 and later
have no such factor. That of the operational fluxes of GOES-7 and earlier is not documented: they are left out.

A minute comes from NOAA's primary satellite of its time, else from the secondary one (`dataset_models.goes_satellites`); of one
satellite science quality stands before operational flux; and near-real-time flux, which is preliminary, stands only where
neither satellite has another one.

References
----------
NOAA NCEI, User's Guide for GOES-R XRS L2 Products (Machol, Codrescu and Peck 2021), section 2.2; GOES 1-15 XRS Science-Quality
Data Readme.
"""

import collections
import dataclasses

import numpy

from dataset_models import goes_satellites
from dataset_models.flux_series import OPERATIONAL_SCALING
from dataset_models.goes_files import NEAR_REAL_TIME

HOMOGENISED = "homogenised"
SCIENCE, OPERATIONAL = "science", "operational"
SOURCES = (SCIENCE, OPERATIONAL, NEAR_REAL_TIME)  # calibrations that are brought to one scale, the preferred first
_SCALED = (8, 15)  # satellites whose operational flux carries the documented factor
_NEITHER = "minutes of a satellite that was neither NOAA's primary nor its secondary one"
_UNDOCUMENTED = "operational minutes of satellites other than GOES 8 to 15, whose scale is not documented"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where every minute of a homogenised series comes from.

    Attributes
    ----------
    satellite : numpy.ndarray
        GOES number, int16 (n,); 0 where there is no flux.
    calibration : numpy.ndarray
        Place in `SOURCES`, int8 (n,); -1 where there is no flux.
    filled : numpy.ndarray
        Whether the minute is the secondary satellite's, bool (n,).
    left_out : dict of str to int
        Why minutes of the store were not candidates, and how many.
    """

    satellite: numpy.ndarray
    calibration: numpy.ndarray
    filled: numpy.ndarray
    left_out: dict = dataclasses.field(default_factory=dict)

    @property
    def preliminary(self):
        """Whether the minute is near real time: bool (n,)."""
        return self.calibration == SOURCES.index(NEAR_REAL_TIME)

    def counts(self):
        """Count minutes by satellite, calibration and whether they were filled in: dict of (int, str, bool) to int, ordered."""
        present = self.calibration >= 0
        columns = (self.satellite[present], self.calibration[present], self.filled[present])
        keys, numbers = numpy.unique(numpy.stack(columns), axis=1, return_counts=True)
        return {
            (int(satellite), SOURCES[place], bool(filled)): int(number)
            for (satellite, place, filled), number in zip(keys.T, numbers, strict=True)
        }


def joined(parts):
    """Join the provenances of spans that follow each other: `Provenance`."""
    columns = {
        name: numpy.concatenate([getattr(part, name) for part in parts]) for name in ("satellite", "calibration", "filled")
    }
    return Provenance(
        **columns, left_out=dict(sum((collections.Counter(part.left_out) for part in parts), collections.Counter()))
    )


def scaled(rows):
    """Bring fluxes to the scale of science-quality data.

    Parameters
    ----------
    rows : numpy.ndarray
        Fields ``satellite``, ``calibration`` (place in `SOURCES`) and ``flux`` (W m^-2), shape (n,).

    Returns
    -------
    numpy.ndarray
        float64 (n,), W m^-2; NaN where the factor is not documented.
    """
    operational = rows["calibration"] == SOURCES.index(OPERATIONAL)
    documented = (rows["satellite"] >= _SCALED[0]) & (rows["satellite"] <= _SCALED[1])
    factor = numpy.where(operational, numpy.where(documented, OPERATIONAL_SCALING, numpy.nan), 1.0)
    return rows["flux"] / factor


def homogenise(start, minutes, rows, *, any_satellite=False):
    """Choose the flux of every minute.

    Parameters
    ----------
    start : datetime64
        The first minute, UTC.
    minutes : int
        How many.
    rows : numpy.ndarray
        Fields ``time`` (seconds since 1970, UTC, within the span), and those of `scaled`; shape (n,), in any order.
    any_satellite : bool
        Take every satellite as if it were the primary one: for rows of one satellite.

    Returns
    -------
    numpy.ndarray
        float64 (minutes,), W m^-2; NaN where there is none.
    Provenance

    Examples
    --------
    GOES-15 was the primary satellite of 2014 and GOES-14 the secondary one, here on two scales:

    >>> columns = [("time", "i8"), ("satellite", "i8"), ("calibration", "i1"), ("flux", "f8")]
    >>> noon = int(numpy.datetime64("2014-06-10T12:00", "s").astype("int64"))
    >>> rows = numpy.array([(noon, 14, 1, 0.63e-6), (noon, 15, 0, 1e-6), (noon + 60, 14, 1, 0.7e-6)], columns)
    >>> flux, provenance = homogenise("2014-06-10T12:00", 3, rows)
    >>> flux.round(9).tolist()
    [1e-06, 1e-06, nan]
    >>> provenance.counts()
    {(14, 'operational', True): 1, (15, 'science', False): 1}
    """
    first = int(numpy.datetime64(start, "s").astype("int64"))
    flux = scaled(rows)
    times = rows["time"].astype("datetime64[s]")
    secondary = numpy.zeros(len(rows), bool)
    listed = numpy.ones(len(rows), bool)
    if not any_satellite:
        secondary = rows["satellite"] == goes_satellites.secondary(times)
        listed = secondary | (rows["satellite"] == goes_satellites.primary(times))
    documented = ~numpy.isnan(flux)
    left_out = collections.Counter({_UNDOCUMENTED: int((~documented).sum()), _NEITHER: int((documented & ~listed).sum())})
    kept = documented & listed
    rows, flux, secondary = rows[kept], flux[kept], secondary[kept]
    preliminary = rows["calibration"] == SOURCES.index(NEAR_REAL_TIME)
    # The best one of a minute comes last, and stands.
    order = numpy.lexsort((rows["satellite"], -rows["calibration"].astype("int8"), ~secondary, ~preliminary))
    place = ((rows["time"] - first) // 60)[order]
    chosen = numpy.full(minutes, numpy.nan)
    provenance = Provenance(
        satellite=numpy.zeros(minutes, "int16"),
        calibration=numpy.full(minutes, -1, "int8"),
        filled=numpy.zeros(minutes, bool),
        left_out=dict(+left_out),
    )
    chosen[place] = flux[order]
    provenance.satellite[place] = rows["satellite"][order]
    provenance.calibration[place] = rows["calibration"][order]
    provenance.filled[place] = secondary[order]
    return chosen, provenance
