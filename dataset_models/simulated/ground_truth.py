"""Truth about the simulated Sun at a time: regions, where they show, which one flares, how good a forecast can be."""

import numpy

from dataset_models.simulated import flares
from dataset_models.xray_flux_data import DURATIONS
from tools import goes_class

FACTORS = (
    "regions on the disk",
    "total flux",
    "log flux of the largest region",
    "latitude of the largest region",
    "longitude of the largest region",
    "size of the largest region",
    "inversion line flux",
    "background",
)


class GroundTruth:
    """The truth behind the samples of a simulated Sun; reached as ``sun.ground_truth``.

    Parameters
    ----------
    sun : dataset_models.simulated.sun.SimulatedSun

    Examples
    --------
    >>> from dataset_models.simulated.sun import SimulatedSun
    >>> sun = SimulatedSun(image_size=32, days=20)
    >>> regions = sun.ground_truth.regions(sun.times("training")[0])
    >>> list(regions.columns[:4])
    ['number', 'latitude', 'longitude', 'angle']
    >>> bool((regions["angle"] < 90).all())
    True
    """

    def __init__(self, sun):
        self._sun = sun

    def regions(self, time, *, visible=True):
        """Tabulate the regions at a time.

        Parameters
        ----------
        time : datetime64
        visible : bool
            Leave out those whose centre is behind the limb.

        Returns
        -------
        pandas.DataFrame
            One row per region: number, latitude, longitude (Stonyhurst degrees), angle (from the disk centre, degrees),
            area (millionths of the hemisphere), flux (Mx), inversion_line_flux (Mx), complexity (0 to 1), polarity (of the
            leader), flares_per_day (that alone reach the data set's threshold in full view).
        """
        import pandas

        regions = self._sun.regions(time)
        if visible:
            regions = regions.take(regions.angle < 90)
        law = self._sun.xrays.law
        rate = law.flares_per_day(regions.inversion_line_flux) * law.exceeds(goes_class.to_flux(self._sun.threshold))
        names = ("number", "latitude", "longitude", "angle", "area", "flux", "inversion_line_flux", "complexity", "polarity")
        return pandas.DataFrame({name: getattr(regions, name) for name in names} | {"flares_per_day": rate})

    def masks(self, time):
        """Find where each region shows in the image of a time.

        Returns
        -------
        dict of int to numpy.ndarray
            Region number to bool (height, width); regions that do not show are left out. Regions behind the limb whose
            loops stand above it are included, and masks of neighbours may overlap.
        """
        regions = self._sun.regions(time)
        shown = {}
        for i in numpy.flatnonzero(regions.angle < 125):
            mask = self._sun.renderer.mask(regions.take(slice(i, i + 1)))
            if mask.any():
                shown[int(regions.number[i])] = mask
        return shown

    def image_without(self, time, numbers):
        """Draw the image of a time as it would be without some regions; quiet Sun and noise stay as they are.

        Parameters
        ----------
        time : datetime64
        numbers : int or sequence of int
            Region numbers.

        Returns
        -------
        numpy.ndarray
            float32 (height, width, channel).
        """
        return self._sun.image_of(self._sun.regions(time).without(numpy.atleast_1d(numbers)), time)

    def flares(self, start, end):
        """Tabulate the flares that peak in [start, end), however weak, in the order of their peaks.

        Returns
        -------
        pandas.DataFrame
            start, peak, end (``datetime64[s]``), goes_class and flux (of the 1-minute mean at the peak, all sources
            together, W m^-2), flare_flux (the flare alone, W m^-2), longitude, latitude (Stonyhurst degrees), region.
        """
        import pandas

        events = self._sun.xrays.flares
        events = events.take(slice(*numpy.searchsorted(events.peak_time, numpy.array([start, end], "datetime64[s]"))))
        series = self._sun.flux_series
        minute = ((events.peak_time - series.start.astype("datetime64[s]")) // numpy.timedelta64(60, "s")).astype("int64")
        inside = (minute >= 0) & (minute < len(series))
        events, flux = events.take(inside), series.flux[minute[inside]]
        return pandas.DataFrame(
            {
                "start": events.start,
                "peak": events.peak_time,
                "end": events.end,
                "goes_class": [goes_class.from_flux(value) for value in flux],
                "flux": flux,
                "flare_flux": events.flux,
                "longitude": events.longitude,
                "latitude": events.latitude,
                "region": events.region,
            }
        )

    def flaring_region(self, time):
        """Find the region whose flare is the strongest in the forecast window of a time: its number.

        None when the largest flux of the window is below the data set's threshold, or comes from a flare that peaked
        before the window opened or from the background.
        """
        begin = numpy.datetime64(time, "s") + DURATIONS[self._sun.lag]
        table = self.flares(begin, begin + DURATIONS[self._sun.catch])
        if len(table) == 0:
            return None
        strongest = table.loc[table["flux"].idxmax()]
        largest = self._sun.flux_series.maximum([time], lag=DURATIONS[self._sun.lag], catch=DURATIONS[self._sun.catch])[0]
        own = strongest["flare_flux"] >= 0.5 * strongest["flux"] and strongest["flux"] >= 0.999 * largest
        return int(strongest["region"]) if own and strongest["flux"] >= goes_class.to_flux(self._sun.threshold) else None

    def probability(self, times):
        """Compute the best possible forecast of the event "the flux reaches the data set's threshold in the window".

        Parameters
        ----------
        times : array_like of datetime64
            Shape (n,).

        Returns
        -------
        numpy.ndarray
            float64 (n,). See `dataset_models.simulated.flares.XRays.probability` for what is taken as known.
        """
        return self._exceedance(times, [goes_class.to_flux(self._sun.threshold)])[:, 0]

    def expected_log_flux(self, times):
        """Compute the best possible forecast of log10 of the window's largest flux, by least squares: float64 (n,)."""
        decades = numpy.linspace(-7.6, -2.6, 101)
        exceedance = self._exceedance(times, 10.0**decades)
        middles = (exceedance[:, 1:] + exceedance[:, :-1]) / 2
        return decades[0] + (middles * numpy.diff(decades)).sum(axis=1)

    def _exceedance(self, times, thresholds):
        lag, catch = DURATIONS[self._sun.lag], DURATIONS[self._sun.catch]
        return self._sun.xrays.probability(times, thresholds, lag=lag, catch=catch)

    def best_scores(self, split="validation"):
        """Score the best possible forecast of the event on a split: dict, see `flares.best_scores`."""
        times = self._sun.require_samples(split)
        flux = self._sun.flux_series.maximum(times, lag=DURATIONS[self._sun.lag], catch=DURATIONS[self._sun.catch])
        return flares.best_scores(self.probability(times), flux >= goes_class.to_flux(self._sun.threshold))

    def factors(self, time):
        """Compute the hidden variables of a time, for measures of disentanglement.

        Returns
        -------
        dict of str to float
            The names of `FACTORS`: counts, Mx, degrees and W m^-2; of the largest region on the disk NaN when there is
            none.
        """
        regions = self._sun.regions(time)
        regions = regions.take(regions.angle < 75)
        largest = regions.take(numpy.argsort(-regions.flux)[:1])
        of_largest = [numpy.log10(largest.flux), largest.latitude, largest.longitude, largest.size]
        values = [
            len(regions),
            regions.flux.sum(),
            *(float(value[0]) if len(largest) else numpy.nan for value in of_largest),
            regions.inversion_line_flux.sum(),
            self._sun.xrays.background_at(time),
        ]
        return dict(zip(FACTORS, map(float, values), strict=True))
