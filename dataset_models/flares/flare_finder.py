"""Flares in a series of X-ray flux, by NOAA's definition, and how they agree with a flare list.

NOAA's Space Weather Prediction Center defines an X-ray event of its reports so: it begins with the first minute of four in
which the flux from 1 to 8 Angstrom rises steeply and without a pause, to more than 1.4 times where it began; its maximum is the
minute of the largest flux; it ends when the flux has fallen half of the way from the maximum back to where it began.
"""

import typing

import numpy
import pandas

from tools import goes_class

RISE = 1.4  # flux after the minutes of the rise / flux at its beginning
MINUTES = 4  # minutes of the rise
_LONGEST_GAP = 60  # minutes without a flux that end a flare


def find_flares(series, *, rise=RISE, minutes=MINUTES):
    """Find the flares of a series of 1-minute fluxes.

    Parameters
    ----------
    series : dataset_models.flux_series.FluxSeries
    rise : float
        What the flux of the last of the rising minutes exceeds, in units of that of the first. NOAA's is 1.4; less finds
        the gradual flares that its analysts add, and more that they do not list.
    minutes : int
        Of the rise, without a pause.

    Returns
    -------
    pandas.DataFrame
        ``start``, ``peak``, ``end`` (datetime64[s], the start of each minute), ``flux`` (W m^-2, at the peak, the
        background included), ``background`` (at the start) and ``goes_class``, ordered by time. A flare that has not ended
        with the series ends with it, as one does before a gap of more than an hour; and a new rise after the peak ends it.

    References
    ----------
    SWPC, GOES X-ray flux (product page): begin, maximum and end of an event.

    Examples
    --------
    >>> from dataset_models.flux_series import FluxSeries
    >>> flux = [1.0e-6, 1.1e-6, 1.5e-6, 3e-6, 8e-6, 2e-5, 1.2e-5, 1e-5, 5e-6, 2e-6]
    >>> series = FluxSeries("2026-02-01T00:01", flux, calibration="science")
    >>> find_flares(series)[["start", "peak", "end", "goes_class"]].astype(str).values.tolist()
    [['2026-02-01 00:01:00', '2026-02-01 00:06:00', '2026-02-01 00:08:00', 'M2.0']]
    """
    if minutes < 2:
        raise ValueError(f"a rise has at least two minutes; received {minutes}")
    flux = series.flux
    begins = _rises(flux, rise, minutes)
    rows, place = [], 0
    starts = numpy.flatnonzero(begins)
    while place < len(starts):
        start = starts[place]
        peak, end = _follow(flux, begins, start, start + minutes - 1)
        rows.append((start, peak, end))
        place = max(place + 1, int(numpy.searchsorted(starts, end)))
    start, peak, end = numpy.array(rows, "int64").reshape(-1, 3).T
    moments = series.start.astype("datetime64[s]") + 60 * numpy.arange(len(flux)).astype("timedelta64[s]")
    return pandas.DataFrame(
        {
            "start": moments[start],
            "peak": moments[peak],
            "end": moments[end],
            "flux": flux[peak],
            "background": flux[start],
            "goes_class": pandas.Series([goes_class.from_flux(value) for value in flux[peak]], dtype=str),  # of none too
        }
    )


def _rises(flux, rise, minutes):
    """Find where a rise begins: bool (n,)."""
    begins = numpy.zeros(len(flux), bool)
    count = len(flux) - minutes + 1
    if count > 0:
        steps = [flux[later : later + count] > flux[later - 1 : later - 1 + count] for later in range(1, minutes)]
        begins[:count] = numpy.logical_and.reduce([*steps, flux[minutes - 1 :] > rise * flux[:count]])
    return begins


def _follow(flux, begins, start, peak):
    """Follow a flare from its rise: places of its peak and of its end."""
    gap = 0
    for place in range(peak + 1, len(flux)):
        value = flux[place]
        if numpy.isnan(value):
            gap += 1
            if gap > _LONGEST_GAP:
                return peak, place - gap
            continue
        gap = 0
        if value > flux[peak]:
            peak = place
        elif value <= (flux[peak] + flux[start]) / 2 or begins[place]:
            return peak, place
    return peak, len(flux) - 1 - gap


class Agreement(typing.NamedTuple):
    """How flares found in a series agree with those of a list, for one least class.

    Attributes
    ----------
    least_class : str
    listed, recalled : int
        Flares of the list of at least this class at whose peak there is a flux, and those of them that were found (in
        whatever class).
    found, confirmed : int
        Flares found of at least this class, and those of them that the list has (in whatever class).
    error : float
        Median of log10(found / listed peak flux) over the recalled ones, dex; NaN without one.
    largest_error : float
        The largest absolute value of it.
    """

    least_class: str
    listed: int
    recalled: int
    found: int
    confirmed: int
    error: float
    largest_error: float

    def __str__(self):
        recall = f"{self.recalled} of {self.listed} listed flares found" if self.listed else "no flare listed"
        precision = f"{self.confirmed} of {self.found} found ones listed" if self.found else "none found"
        if not self.recalled:
            return f"{self.least_class} and above: {recall}; {precision}"
        error = f"peak flux {self.error:+.3f} dex in the median, {self.largest_error:.2f} dex at most"
        return f"{self.least_class} and above: {recall}; {precision}; {error}"


def agreement(found, listed, series, *, least_class, within=5):
    """Compare found flares with those of a list over the minutes that a series has.

    Parameters
    ----------
    found : pandas.DataFrame
        As `find_flares` returns it.
    listed : pandas.DataFrame
        With ``peak`` (datetime64, NaT where unknown: such a flare is left out) and ``flux``, as
        `dataset_models.flare_catalogue.Catalogue.events` has them. Its classes and the series should be on one scale.
    series : dataset_models.flux_series.FluxSeries
    least_class : str
        GOES class.
    within : int
        Minutes between the peaks of one flare.

    Returns
    -------
    Agreement
    """
    least = goes_class.to_flux(least_class) * (1 - 1e-9)
    listed = listed[listed["peak"].notna()]
    minute = (listed["peak"].to_numpy("datetime64[m]") - series.start).astype("int64")
    inside = (minute >= 0) & (minute < len(series))
    inside[inside] = ~numpy.isnan(series.flux[minute[inside]])
    listed, minute = listed[inside], minute[inside]
    own = (found["peak"].to_numpy("datetime64[m]") - series.start).astype("int64")
    great, great_found = listed["flux"].to_numpy() >= least, found["flux"].to_numpy() >= least
    match = _nearest(minute[great], own, within)
    ratio = numpy.log10(found["flux"].to_numpy()[match[match >= 0]] / listed["flux"].to_numpy()[great][match >= 0])
    return Agreement(
        least_class,
        listed=int(great.sum()),
        recalled=int((match >= 0).sum()),
        found=int(great_found.sum()),
        confirmed=int((_nearest(own[great_found], minute, within) >= 0).sum()),
        error=float(numpy.median(ratio)) if len(ratio) else numpy.nan,
        largest_error=float(numpy.abs(ratio).max()) if len(ratio) else numpy.nan,
    )


def _nearest(times, others, within):
    """Find the nearest of other times, in minutes: its place, int64 (n,), -1 where it is further than `within`."""
    if not len(others) or not len(times):
        return numpy.full(len(times), -1)
    order = numpy.argsort(others, kind="stable")
    ordered = others[order]
    after = numpy.clip(numpy.searchsorted(ordered, times), 0, len(ordered) - 1)
    before = numpy.clip(after - 1, 0, None)
    place = numpy.where(numpy.abs(ordered[before] - times) <= numpy.abs(ordered[after] - times), before, after)
    return numpy.where(numpy.abs(ordered[place] - times) <= within, order[place], -1)
