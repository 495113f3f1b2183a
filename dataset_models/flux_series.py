"""X-ray flux at every minute of a span, and the maxima and current values that forecasts need."""

import functools

import numpy

OPERATIONAL_SCALING = 0.7  # operational flux / true flux in 1-8 A (0.85 in 0.5-4 A): NOAA NCEI, GOES XRS user's guide
_MINUTE = numpy.timedelta64(1, "m")
_OLDEST_CURRENT = numpy.timedelta64(10, "m")


class FluxSeries:
    """Flux at every minute of a span, with the maxima and current values that a forecast needs.

    Parameters
    ----------
    start : datetime64
        The first minute, UTC.
    flux : array_like
        float64 (n,), means over the minutes from `start` on, 1-8 Angstrom, W m^-2; NaN where missing.
    calibration : str
        ``"operational"``, ``"science"``, ``"near real time"``, ``"science and near real time"``, ``"flarenet"``,
        ``"homogenised"``, or the name of a simulation's own.
    satellite : int, optional
        GOES number; None for a mixture.
    provenance : dataset_models.flux_homogenisation.Provenance, optional
        Of a homogenised series: satellite and calibration of every minute.

    Examples
    --------
    A quiet hour with a flare in its middle:

    >>> series = FluxSeries("2014-06-17T00:00", [1e-7] * 30 + [2e-5] + [1e-7] * 29, calibration="science")
    >>> series
    FluxSeries(2014-06-17T00:00 to 2014-06-17T01:00, science, 60 of 60 minutes)
    >>> times = numpy.array(["2014-06-17T00:10", "2014-06-17T00:35"], "datetime64[s]")
    >>> series.maximum(times, lag=numpy.timedelta64(0, "m"), catch=numpy.timedelta64(24, "m")).tolist()
    [2e-05, 1e-07]
    >>> series.current(times).tolist()
    [1e-07, 1e-07]
    """

    def __init__(self, start, flux, *, calibration, satellite=None, provenance=None):
        self.start = numpy.datetime64(start, "m")
        self.flux = numpy.array(flux, "float64")
        if self.flux.ndim != 1:
            raise ValueError(f"expected fluxes of shape (n,), received {self.flux.shape}")
        self.flux.flags.writeable = False
        self.calibration = calibration
        self.satellite = satellite
        self.provenance = provenance
        self._valid = numpy.concatenate([[0], numpy.cumsum(~numpy.isnan(self.flux))])
        self._maxima = {}

    def __len__(self):
        return len(self.flux)

    def __repr__(self):
        satellite = "" if self.satellite is None else f", GOES-{self.satellite}"
        return (
            f"FluxSeries({self.start} to {self.end}, {self.calibration}{satellite}, {self._valid[-1]} of {len(self)} minutes)"
        )

    @property
    def end(self):
        """The minute after the last one: datetime64[m]."""
        return self.start + len(self) * _MINUTE

    @property
    def minutes(self):
        """Start of every minute: datetime64[m] (n,)."""
        return self.start + numpy.arange(len(self)) * _MINUTE

    def maximum(self, times, *, lag, catch):
        """Find the largest 1-minute mean among the minutes that begin in [t + lag, t + lag + catch).

        Parameters
        ----------
        times : array_like of datetime64
            Shape (n,), UTC.
        lag : timedelta64
            May be negative, to look back.
        catch : timedelta64
            Length of the window, at least a minute.

        Returns
        -------
        numpy.ndarray
            float64 (n,), W m^-2; NaN where less than half of the window's minutes have a flux.

        Notes
        -----
        The first call with a new `catch` costs O(n log catch) over the whole series, every window after it O(1).
        """
        begin = numpy.asarray(times, "datetime64[s]") + numpy.timedelta64(lag, "s")
        length = int(numpy.timedelta64(catch, "s") // _MINUTE)
        if length < 1 or length * _MINUTE != catch:
            raise ValueError(f"catch is a whole number of minutes, at least one; received {catch}")
        first = -((self.start.astype("datetime64[s]") - begin) // _MINUTE)  # the first minute not before `begin`
        inner_first = numpy.clip(first, 0, len(self))
        inner_end = numpy.clip(first + length, 0, len(self))
        covered = self._valid[inner_end] - self._valid[inner_first]
        answered = 2 * covered >= length
        largest = numpy.full(begin.shape, numpy.nan)
        if answered.any():
            span, maxima = self._maxima_of(length)
            left = first[answered] + length
            largest[answered] = numpy.maximum(maxima[left], maxima[left + length - span])
        return largest

    def _maxima_of(self, length):
        """Return the maxima of runs of `span` minutes, the largest power of two within `length`: two of them cover a window.

        Returns (span, maxima); ``maxima[length + i]`` belongs to the run that begins at minute i. The series is padded by
        `length` on both sides, as far as a window that touches it can reach.
        """
        if length not in self._maxima:
            edge = numpy.full(length, -numpy.inf)
            maxima = numpy.concatenate([edge, numpy.nan_to_num(self.flux, nan=-numpy.inf), edge])
            span = 1
            while 2 * span <= length:
                maxima = numpy.maximum(maxima[:-span], maxima[span:])
                span *= 2
            self._maxima[length] = span, maxima
        return self._maxima[length]

    @functools.cached_property
    def _latest_valid(self):
        """Index of the latest minute with a flux up to each minute, -1 where there is none: int64 (n,)."""
        return numpy.maximum.accumulate(numpy.where(numpy.isnan(self.flux), -1, numpy.arange(len(self))))

    def last_known(self, time):
        """Return when the latest minute with a flux ended that was complete at a time: ``datetime64[s]``, NaT without any."""
        place = min(int((numpy.datetime64(time, "s") - self.start) // _MINUTE) - 1, len(self) - 1)
        latest = self._latest_valid[place] if place >= 0 else -1
        return (self.start + (latest + 1) * _MINUTE).astype("datetime64[s]") if latest >= 0 else numpy.datetime64("NaT", "s")

    def known(self, times, span):
        """Count the minutes with a flux among those that begin in [t - span, t): int64 (n,).

        Parameters
        ----------
        times : array_like of datetime64
            Shape (n,), UTC, whole minutes.
        span : timedelta64
        """
        times = numpy.asarray(times, "datetime64[s]")
        moments = (times - numpy.timedelta64(span, "s"), times)
        begin, end = (numpy.clip((moment - self.start) // _MINUTE, 0, len(self)) for moment in moments)
        return self._valid[end] - self._valid[begin]

    def filled(self):
        """Give minutes without a flux that of the latest one before, or of the first where none is before: float64 (n,)."""
        first = int(numpy.argmax(~numpy.isnan(self.flux))) if len(self) else 0
        return self.flux[numpy.where(self._latest_valid < 0, first, self._latest_valid)]

    def current(self, times):
        """Find the latest 1-minute mean that was complete at a time.

        Parameters
        ----------
        times : array_like of datetime64
            Shape (n,), UTC.

        Returns
        -------
        numpy.ndarray
            float64 (n,), W m^-2; NaN where the latest minute with a flux ended more than 10 minutes before.
        """
        times = numpy.asarray(times, "datetime64[s]")
        result = numpy.full(times.shape, numpy.nan)
        if len(self) == 0:
            return result
        complete = (times - self.start) // _MINUTE - 1
        inside = complete >= 0
        latest = self._latest_valid[numpy.clip(complete[inside], 0, len(self) - 1)]
        ended = self.start + (latest + 1) * _MINUTE
        fresh = (latest >= 0) & (times[inside] - ended <= _OLDEST_CURRENT)
        result[inside] = numpy.where(fresh, self.flux[latest], numpy.nan)
        return result


def remove_operational_scaling(series):
    """Convert an operational series to true irradiance: its fluxes divided by 0.7.

    Parameters
    ----------
    series : FluxSeries
        Of calibration ``"operational"``.

    Returns
    -------
    FluxSeries
        Of calibration ``"operational / 0.7"``: the scale of science-quality data, though not their processing.

    Examples
    --------
    The M2.5 of 2011-06-07 is an M3.6 on the scale of today:

    >>> operational = FluxSeries("2011-06-07T06:41", [2.555e-5], calibration="operational", satellite=15)
    >>> remove_operational_scaling(operational).flux.round(7).tolist()
    [3.65e-05]
    """
    if series.calibration != "operational":
        raise ValueError(f"expected an operational series, received {series.calibration}")
    return FluxSeries(
        series.start, series.flux / OPERATIONAL_SCALING, calibration="operational / 0.7", satellite=series.satellite
    )
