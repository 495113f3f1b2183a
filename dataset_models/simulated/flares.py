"""Flares and X-ray flux of the simulated Sun, and the best possible forecast.

A region flares at random, at a rate that depends on one of its properties: the unsigned flux near its polarity
inversion lines. Peak fluxes follow a power law. The 1-8 Angstrom flux is a background from all regions in view plus the
flares, each with a fast rise and an exponential decay.

Sources of the numbers: the power law of peak fluxes and the times of rise and decay after Veronig et al. (2002, A&A 382,
1070); the dependence of the rate on flux near inversion lines after Schrijver (2007, ApJ 655, L117), in kind, not in size.
"""

import dataclasses
import itertools

import numpy

from dataset_models.simulated import active_regions

QUIET_FLUX = 4e-8  # W m^-2, 1-8 Angstrom, of a Sun without regions
LARGEST_PEAK = 2e-3  # W m^-2
POWER_LAW = 1.0  # exponent of the cumulative distribution of peak fluxes: N(> F) ~ F^-1
VISIBLE_UNTIL = (90.0, 100.0)  # degrees from the disk centre: in full view, wholly behind the limb

_HOUR = 1 / 24  # days
_LONGEST_GLOW = 24  # hours after which no flare is seen any more


@dataclasses.dataclass(frozen=True)
class FlareLaw:
    """How often a region flares and how strongly.

    Attributes
    ----------
    smallest_peak : float
        W m^-2; flares are drawn from here up.
    rate : float
        Flares per day of a region with `reference` near its inversion lines.
    reference : float
        Mx.
    exponent : float
        Of the rate's growth with that flux; infinite for a step from 0 to `rate` at `reference`.
    """

    smallest_peak: float
    rate: float
    reference: float
    exponent: float

    def flares_per_day(self, inversion_line_flux):
        """Compute the rate of flares above `smallest_peak` for regions of the given flux near inversion lines (Mx)."""
        relative = numpy.asarray(inversion_line_flux, "float64") / self.reference
        if numpy.isinf(self.exponent):
            return numpy.where(relative >= 1, self.rate, 0.0)
        return self.rate * relative**self.exponent

    def exceeds(self, peak):
        """Compute the probability that a flare's peak is at least `peak` (W m^-2)."""
        peak = numpy.maximum(peak, self.smallest_peak)
        tail = (self.smallest_peak / LARGEST_PEAK) ** POWER_LAW
        return numpy.clip(((self.smallest_peak / peak) ** POWER_LAW - tail) / (1 - tail), 0, 1)

    def draw_peaks(self, uniform):
        """Draw peak fluxes for uniform random numbers in [0, 1): the inverse of `exceeds`."""
        tail = (self.smallest_peak / LARGEST_PEAK) ** POWER_LAW
        return self.smallest_peak / (tail + (1 - tail) * (1 - uniform)) ** (1 / POWER_LAW)


LAWS = {
    "natural": FlareLaw(smallest_peak=5e-7, rate=9.0, reference=5e20, exponent=1.5),
    "clear cut": FlareLaw(smallest_peak=1.3e-5, rate=14.0, reference=2e20, exponent=numpy.inf),
}


def visibility(angle):
    """Compute the share of a flare's X-rays that reach the observer, by its angle from the disk centre (degrees).

    The loops stand high enough to be seen from some degrees behind the limb.
    """
    front, behind = VISIBLE_UNTIL
    return numpy.clip((behind - angle) / (behind - front), 0, 1)


def profile(minutes, rise, decay):
    """Compute the time profile of a flare, 1 at its peak.

    Parameters
    ----------
    minutes : array_like
        Since the peak.
    rise, decay : array_like
        Gaussian width of the rise and e-folding time of the decay, minutes.
    """
    before = numpy.exp(-(numpy.minimum(minutes, 0) ** 2) / (2 * rise**2))
    return before * numpy.exp(-numpy.maximum(minutes, 0) / decay)


@dataclasses.dataclass(frozen=True)
class Flares:
    """Flares in the order of their peaks: arrays (n,).

    Attributes
    ----------
    peak_time : numpy.ndarray
        ``datetime64[s]``, the middle of a minute.
    flux : numpy.ndarray
        What the flare alone adds at its peak as seen from Earth, W m^-2.
    rise, decay : numpy.ndarray
        Minutes, see `profile`.
    region : numpy.ndarray
        int64, `Regions.number`.
    latitude, longitude : numpy.ndarray
        Stonyhurst degrees at the peak.
    """

    peak_time: numpy.ndarray
    flux: numpy.ndarray
    rise: numpy.ndarray
    decay: numpy.ndarray
    region: numpy.ndarray
    latitude: numpy.ndarray
    longitude: numpy.ndarray

    def __len__(self):
        return len(self.flux)

    @property
    def start(self):
        """When the flare reaches about a twentieth of its peak: ``datetime64[s]``."""
        return self.peak_time - (60 * numpy.ceil(2.5 * self.rise) + 30).astype("timedelta64[s]")

    @property
    def end(self):
        """When the flare has fallen to half its peak: ``datetime64[s]``."""
        return self.peak_time + (60 * numpy.ceil(numpy.log(2) * self.decay) - 30).astype("timedelta64[s]")

    def take(self, which):
        """Select flares by a mask or by indices."""
        return Flares(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    def at(self, time):
        """Compute the flux that each flare adds at a time: float64 (n,), W m^-2."""
        return self.flux * profile(
            (active_regions.to_days(time) - active_regions.to_days(self.peak_time)) * 1440, self.rise, self.decay
        )


class XRays:
    """The X-ray flux of a population of regions over a span, minute by minute.

    Parameters
    ----------
    population : dataset_models.simulated.active_regions.Population
    seed : int
    start, end : datetime64
        Whole minutes; the population covers the span.

    Attributes
    ----------
    flares : Flares
        Those seen from Earth that peak in the span or in the day before it.
    flux, background : numpy.ndarray
        float64 (minutes,), W m^-2: means over the minutes from `start` on, with and without flares.
    law : FlareLaw
        That all regions obey.
    """

    def __init__(self, population, seed, start, end):
        self.law = LAWS[population.activity]
        self.start = numpy.datetime64(start, "m")
        self.minutes = int((numpy.datetime64(end, "m") - self.start) // numpy.timedelta64(1, "m"))
        # Each region at each whole hour of its life, whatever part of it the span covers: a span that begins later has
        # the same flares.
        begin = numpy.ceil(population.born * 24).astype("int64")
        count = numpy.ceil(population.ends * 24).astype("int64") - begin
        which = numpy.repeat(numpy.arange(len(population)), count)
        hour = numpy.arange(count.sum()) - numpy.repeat(numpy.cumsum(count) - count, count) + begin[which]
        regions = population.evolve(which, hour / 24)
        rate = self.law.flares_per_day(regions.inversion_line_flux)
        seen = visibility(regions.angle)
        flares = _draw(seed, self.law, regions, which, hour, rate, seen)
        opening, closing = (active_regions.to_days(edge) for edge in (self.start, numpy.datetime64(end, "s")))
        peaks = active_regions.to_days(flares.peak_time)
        self.flares = flares.take((peaks > opening - _LONGEST_GLOW * _HOUR) & (peaks < closing))

        self._first_hour = int(numpy.floor(opening * 24))
        hours = self.minutes // 60 + 2
        inside = (hour >= self._first_hour) & (hour < self._first_hour + hours) & (seen > 0)
        self._hour = hour[inside] - self._first_hour
        self._rate, self._seen, regions = rate[inside], seen[inside], regions.take(inside)
        warmth = 5e-8 * (regions.flux / 1e22) ** 1.2 + 2.5e-7 * (regions.inversion_line_flux / 5e20) ** 1.2
        self._hourly_background = QUIET_FLUX + numpy.bincount(self._hour, warmth * self._seen, hours)
        self.background = self.background_at(self.start + numpy.arange(self.minutes) * numpy.timedelta64(60, "s"))
        self.flux = self.background + self._flaring()

    def background_at(self, times):
        """Compute the flux without flares during the minute that begins at each time: float64, W m^-2."""
        hours = active_regions.to_days(times) * 24 - self._first_hour + 0.5 / 60
        return numpy.interp(hours, numpy.arange(len(self._hourly_background)), self._hourly_background)

    def flaring(self, numbers, time):
        """Compute what flares in progress add at a time, by region.

        Parameters
        ----------
        numbers : array_like of int
            Region numbers (n,).
        time : datetime64

        Returns
        -------
        numpy.ndarray
            float64 (n,), W m^-2.
        """
        time = numpy.datetime64(time, "s")
        edges = time + numpy.array([-60 * _LONGEST_GLOW, 20]) * numpy.timedelta64(60, "s")
        events = self.flares.take(slice(*numpy.searchsorted(self.flares.peak_time, edges)))
        same = numpy.asarray(numbers)[:, None] == events.region
        return (same * events.at(time)).sum(axis=1)

    def _flaring(self):
        flux = numpy.zeros(self.minutes)
        minute = ((self.flares.peak_time - self.start.astype("datetime64[s]")) // numpy.timedelta64(60, "s")).astype("int64")
        for i in range(len(self.flares)):
            before, after = int(4 * self.flares.rise[i]), int(7 * self.flares.decay[i])
            begin, stop = max(0, minute[i] - before), min(self.minutes, minute[i] + after)
            if begin < stop:
                steps = numpy.arange(begin, stop) - minute[i]
                flux[begin:stop] += self.flares.flux[i] * profile(steps, self.flares.rise[i], self.flares.decay[i])
        return flux

    def probability(self, times, thresholds, *, lag, catch):
        """Compute the probability that the flux reaches a threshold in a window, from the process without the future.

        Parameters
        ----------
        times : array_like of datetime64
            Shape (n,).
        thresholds : array_like
            W m^-2, shape (k,).
        lag, catch : timedelta64
            The window is [t + lag, t + lag + catch).

        Returns
        -------
        numpy.ndarray
            float64 (n, k).

        Notes
        -----
        Known are every region's flare rate and visibility over the window (regions that have yet to emerge included: an
        upper bound of what images can show), the background, and the flares that peaked before the window opens. Unknown
        are the flares to come: 1 - exp(-sum of rate x share of peaks that lift the background over the threshold).
        With a lag, the decay of a flare that peaks before the window opens counts as known; that two flares add up is
        neglected.
        """
        times = numpy.atleast_1d(numpy.asarray(times, "datetime64[s]"))
        begin = times + numpy.timedelta64(lag, "s")
        end = begin + numpy.timedelta64(catch, "s")
        opens, closes = (active_regions.to_days(edge) * 24 - self._first_hour for edge in (begin, end))
        floor = numpy.maximum(self.background_at(begin) + self._glow(begin), self.background_at(end))
        hours = len(self._hourly_background)
        background = self._hourly_background[self._hour]
        probability = numpy.empty((len(times), len(numpy.atleast_1d(thresholds))))
        for column, threshold in enumerate(numpy.atleast_1d(thresholds)):
            expected = self._rate * _HOUR * self.law.exceeds((threshold - background) / self._seen)
            cumulative = numpy.concatenate([[0], numpy.cumsum(numpy.bincount(self._hour, expected, hours))])
            many = numpy.interp(closes, numpy.arange(hours + 1), cumulative)
            many -= numpy.interp(opens, numpy.arange(hours + 1), cumulative)
            probability[:, column] = numpy.where(floor >= threshold, 1.0, -numpy.expm1(-many))
        return probability

    def _glow(self, times):
        """Compute what flares that peaked before still add at each time: float64 (n,), W m^-2."""
        latest = numpy.searchsorted(self.flares.peak_time, times)
        oldest = numpy.searchsorted(self.flares.peak_time, times - numpy.timedelta64(_LONGEST_GLOW, "h"))
        middles = times + numpy.timedelta64(30, "s")  # of the minutes that begin then
        pairs = zip(middles, oldest, latest, strict=True)
        return numpy.array([self.flares.take(slice(first, last)).at(middle).sum() for middle, first, last in pairs])


def _draw(seed, law, regions, which, hour, rate, seen):
    """Draw the flares of all regions, each region's from a random stream of its own: `Flares`."""
    edges = numpy.append(numpy.flatnonzero(numpy.diff(which, prepend=-1)), len(which))
    index, uniform = [], []
    for begin, stop in itertools.pairwise(edges):
        generator = numpy.random.default_rng([seed, 2, int(regions.number[begin])])
        often = generator.poisson(rate[begin:stop] * _HOUR)
        index.append(numpy.repeat(numpy.arange(begin, stop), often))
        uniform.append(generator.random((int(often.sum()), 4)))
    index = numpy.concatenate([numpy.empty(0, "int64"), *index])
    when, strength, quickness, length = numpy.concatenate([numpy.empty((0, 4)), *uniform]).T
    peak = law.draw_peaks(strength)
    flares = Flares(
        peak_time=(hour[index] * 3600 + (60 * when).astype("int64") * 60 + 30).astype("datetime64[s]"),
        flux=peak * seen[index],
        rise=1.5 + 3 * quickness,
        decay=(8 + 22 * length) * (peak / 1e-6) ** 0.2,  # larger flares last longer
        region=regions.number[index],
        latitude=regions.latitude[index],
        longitude=regions.longitude[index],
    )
    flares = flares.take(flares.flux > 0)
    return flares.take(numpy.argsort(flares.peak_time, kind="stable"))


def best_scores(probability, happened):
    """Score the best possible forecast, and the climatology of the same times.

    Parameters
    ----------
    probability : array_like
        Of the event, (n,), from the generating process: see `XRays.probability`.
    happened : array_like
        Bool (n,).

    Returns
    -------
    dict of str to float
        ``brier``, ``brier_skill`` (against climatology), ``tss`` (largest over thresholds), ``tss_threshold``, and what
        the process itself expects: ``expected_brier``, ``expected_rate``; ``rate`` is what happened. Scores of a
        sample without events, or without others, are NaN.
    """
    probability, happened = numpy.asarray(probability, "float64"), numpy.asarray(happened, bool)
    rate = float(happened.mean())
    brier = float(numpy.mean((probability - happened) ** 2))
    climatology = rate * (1 - rate)
    scores = {
        "rate": rate,
        "expected_rate": float(probability.mean()),
        "brier": brier,
        "expected_brier": float(numpy.mean(probability * (1 - probability))),
        "brier_skill": 1 - brier / climatology if climatology > 0 else numpy.nan,
        "tss": numpy.nan,
        "tss_threshold": numpy.nan,
    }
    if climatology > 0:
        order = numpy.argsort(-probability, kind="stable")
        hits = numpy.cumsum(happened[order]) / happened.sum()
        alarms = numpy.cumsum(~happened[order]) / (~happened).sum()
        last = numpy.flatnonzero(numpy.diff(probability[order], append=-1.0))  # equal probabilities go together
        best = last[numpy.argmax((hits - alarms)[last])]
        scores["tss"], scores["tss_threshold"] = float((hits - alarms)[best]), float(probability[order][best])
    return scores
