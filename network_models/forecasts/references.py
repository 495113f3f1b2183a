"""Forecasts that any network has to beat: climatology, persistence, flare rate, and a table by recent flare class.

Each takes a flare list and times, and uses nothing that was not known at the time.
"""

import dataclasses

import numpy

from dataset_models.flare_labels import covered, list_span
from dataset_models.flares.flare_history import known_at
from dataset_models.flares.flare_index import DAY, FlareIndex, threshold_flux

HOUR = numpy.timedelta64(1, "h")
RATE_DAYS = 120  # Leka et al. 2019 take the climatology of the 120 days before
POISSON_DAYS = 7
# Bounds of the classes of the table, W m^-2: below C1, C1-C2, C2-C5, C5-M1, M1-M2, M2-M5, M5-X1, X1 and above.
CLASS_BOUNDS = (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4)
CLASS_NAMES = ("below C1", "C1-C2", "C2-C5", "C5-M1", "M1-M2", "M2-M5", "M5-X1", "X1 and above")
LEAST = 30  # hours of a class below which its neighbours are asked as well


def _past(events):
    """Make an index by the time at which each flare was known; `FlareIndex` leaves the end of a window out."""
    return FlareIndex(events[["flux"]].assign(start=known_at(events)))


def persistence(events, times, *, window=DAY, threshold="M1.0"):
    """Forecast 1 where a flare of the threshold was settled in the window before, else 0: float64 (n,)."""
    second = numpy.timedelta64(1, "s")
    times = numpy.asarray(times, "datetime64[s]")
    return _past(events).label(times - window - second, window=window + second, threshold=threshold).astype("float64")


def flare_rate(events, times, *, days=POISSON_DAYS, window=DAY, threshold="M1.0"):
    """Probability of at least one flare in the window if they come at the rate of the days before, independently.

    Parameters
    ----------
    events : pandas.DataFrame
        Flares with start, peak, end and flux.
    times : array_like
        ``datetime64`` (n,).
    days : float
        The rate is (flares + 1/2) / (days + 1/2 day): half a flare in half a day more, so that no rate is 0.
    window : numpy.timedelta64
    threshold : str or float

    Returns
    -------
    numpy.ndarray
        float64 (n,).
    """
    times = numpy.asarray(times, "datetime64[s]").astype("int64")
    strong = events[events["flux"] >= threshold_flux(threshold)]
    settled = numpy.sort(known_at(strong).astype("int64"))
    before = numpy.searchsorted(settled, times, "left") - numpy.searchsorted(settled, times - int(days * 86400), "left")
    rate = (before + 0.5) / (days + 0.5)
    return 1 - numpy.exp(-rate * (window / DAY))


def recent_climatology(events, times, *, days=RATE_DAYS, window=DAY, threshold="M1.0", until=None):
    """Share of the hours of the days before whose windows held a flare: float64 (n,).

    Only windows that had ended an hour before count, when the classes of nearly all their flares were
    settled. NaN where the list does not cover a window of all these days.

    Parameters
    ----------
    events, times, window, threshold
        As of `flare_rate`.
    days : int
    until : datetime64, optional
        As of `dataset_models.flare_labels.list_span`.

    References
    ----------
    Leka et al. 2019, ApJS 243, 36.
    """
    times = numpy.asarray(times, "datetime64[s]")
    first = times.min().astype("datetime64[h]").astype("datetime64[s]") - numpy.timedelta64(days * 24 + 48, "h") - window
    hours = numpy.arange(first, times.max() + HOUR, HOUR)
    flared = FlareIndex(events).label(hours, window=window, threshold=threshold)
    covered_hours = numpy.concatenate([[0], numpy.cumsum(covered(events, hours, window, until=until))])
    total = numpy.concatenate([[0], numpy.cumsum(flared)])
    last = numpy.searchsorted(hours, times - window - HOUR, "right")
    start = last - days * 24
    whole = covered_hours[last] - covered_hours[start] == days * 24
    return numpy.where(whole, (total[last] - total[start]) / (days * 24), numpy.nan)


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """Probability of the event given the class of the strongest recent flare.

    Attributes
    ----------
    probability : numpy.ndarray
        float64 (k,), for the classes between `CLASS_BOUNDS`.
    hours : numpy.ndarray
        int64 (k,): training hours of each class.
    """

    probability: numpy.ndarray
    hours: numpy.ndarray

    def forecast(self, events, times):
        """Probabilities at times: float64 (n,)."""
        return self.probability[recent_class(events, times)]


def recent_class(events, times):
    """Find the class, 0 to 7, of the strongest flare that started in (t - 25 h, t - 1 h]: int64 (n,).

    A flare whose class was settled more than an hour after its start counts as started an hour before that, so that
    none is used before it was known.
    """
    settled, second = known_at(events), numpy.timedelta64(1, "s")
    starts = numpy.maximum(events["start"].to_numpy("datetime64[s]"), settled - HOUR + second)
    index = FlareIndex(events[["flux"]].assign(start=starts))
    flux = index.peak_flux(numpy.asarray(times, "datetime64[s]") - 25 * HOUR, DAY + second)
    return numpy.searchsorted(CLASS_BOUNDS, flux * (1 + 1e-9), "right")  # M1.0 is 1e-5 but for rounding


def fit_class_table(events, times, event):
    """Fit a class table.

    Parameters
    ----------
    events : pandas.DataFrame
    times : array_like
        ``datetime64`` (n,) of training hours.
    event : array_like of bool (n,)

    Returns
    -------
    ClassTable
        Probabilities do not decrease with the class (isotonic regression, weighted by hours), and each is shrunk to its
        share of one more flaring and one more quiet hour. A class without hours gets that of the nearest lower one.
    """
    from sklearn.isotonic import IsotonicRegression

    classes, event = recent_class(events, times), numpy.asarray(event, bool)
    count = len(CLASS_NAMES)
    hours = numpy.bincount(classes, minlength=count)
    flared = numpy.bincount(classes[event], minlength=count)
    share = (flared + 1) / (hours + 2)
    seen = numpy.flatnonzero(hours)
    line = IsotonicRegression(out_of_bounds="clip").fit(seen, share[seen], sample_weight=hours[seen])
    return ClassTable(line.predict(seen[numpy.maximum(numpy.searchsorted(seen, numpy.arange(count), "right") - 1, 0)]), hours)


def climatology(event):
    """Compute the event rate of training hours: float, at least 1 / (n + 2) away from 0 and 1."""
    event = numpy.asarray(event, bool)
    return float((event.sum() + 1) / (len(event) + 2))


def training_hours(events, scored, *, window=DAY, before=None, until=None):
    """Hours that baselines may be fitted on: those that a flare list covers, apart from the hours that are scored.

    Parameters
    ----------
    events : pandas.DataFrame
    scored : array_like
        ``datetime64`` (n,): no training window reaches into the window, or the history, of one of these.
    window : numpy.timedelta64
    before : numpy.datetime64, optional
        Only hours whose windows end by then.
    until : datetime64, optional
        As of `dataset_models.flare_labels.list_span`.

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]`` (m,), hourly.
    """
    first, last = list_span(events, until)
    hours = numpy.arange(first.astype("datetime64[h]") + 26, last, HOUR).astype("datetime64[s]")
    hours = hours[covered(events, hours, window, until=until)]
    if before is not None:
        return hours[hours + window <= before]
    scored = numpy.sort(numpy.asarray(scored, "datetime64[s]"))
    after = numpy.searchsorted(scored, hours)
    distance = numpy.full(len(hours), numpy.timedelta64(10**6, "h"))
    for neighbour in (numpy.minimum(after, len(scored) - 1), numpy.maximum(after - 1, 0)):
        distance = numpy.minimum(distance, numpy.abs(hours - scored[neighbour]))
    return hours[distance >= window + 25 * HOUR]
