"""Features that depend on the future."""

import numpy
import pandas

from dataset_models import observation_times
from tools import goes_class
from tools.errors import UserError


def check_causality(feature_function, events, times, *, names=None, samples=24, seed=0):
    """Refuse features that change at t when everything from t on is altered.

    Parameters
    ----------
    feature_function : callable
        ``feature_function(events, times)`` -> array (n, k), as :func:`dataset_models.flares.flare_history.history`.
    events : pandas.DataFrame
        Of :class:`dataset_models.flare_catalogue.Catalogue`.
    times : array_like
        ``datetime64`` (n,); `samples` of them are tried.
    names : sequence of str, optional
        Of the k features, for the message.
    samples : int
    seed : int

    Returns
    -------
    int
        Times tried.

    Raises
    ------
    UserError
        Names the first feature and time that depend on the future.

    Notes
    -----
    Altering means, for a time t: flares that start at t or later disappear, and a storm of X flares takes their place;
    flares that have begun but whose last stated moment (end, else peak, else start) is not before t become ten times
    stronger, and those of their moments that are not before t come days later. The rest stays: a feature that uses a
    flare from its start on is detected only where the list gives more than the start.

    Examples
    --------
    >>> from dataset_models.flares import flare_history
    >>> times = numpy.arange("2014-06-10T00:00", "2014-06-10T06:00", numpy.timedelta64(1, "h"), "datetime64[s]")
    >>> events = pandas.DataFrame({"start": times[:3], "peak": times[:3], "end": times[:3], "flux": [1e-6, 2e-5, 1e-6]})
    >>> check_causality(flare_history.history, events.assign(goes_class="C1.0"), times, samples=4)
    4
    """
    times = observation_times.utc(times, origin="times")
    places = numpy.sort(numpy.random.default_rng(seed).choice(len(times), min(samples, len(times)), replace=False))
    for time in times[places]:
        before = numpy.asarray(feature_function(events, time[None]))[0]
        after = numpy.asarray(feature_function(altered(events, time), time[None]))[0]
        changed = ~((before == after) | (numpy.isnan(before) & numpy.isnan(after)))
        if changed.any():
            which = int(numpy.argmax(changed))
            name = names[which] if names is not None else f"number {which}"
            values = f"from {before[which]:g} to {after[which]:g}"
            raise UserError(f"feature {name} at {time} changes {values} when the flares from then on are altered")
    return len(places)


def altered(events, time):
    """Copy the events with all that became known at `time` or later made different; see :func:`check_causality`."""
    time = numpy.datetime64(time, "s")
    start, peak, end = (events[name].to_numpy("datetime64[s]").copy() for name in ("start", "peak", "end"))
    last = numpy.where(numpy.isnat(end), numpy.where(numpy.isnat(peak), start, peak), end)
    kept = start < time
    under_way = kept & (numpy.maximum(last, numpy.where(numpy.isnat(peak), start, peak)) >= time)
    flux = events["flux"].to_numpy("float64").copy()
    flux[under_way] *= 10
    peak[under_way & (peak >= time)] += numpy.timedelta64(2, "D")
    end[under_way & (end >= time)] += numpy.timedelta64(3, "D")
    past = events.assign(start=start, peak=peak, end=end, flux=flux, goes_class=[goes_class.from_flux(value) for value in flux])
    storm = events.iloc[numpy.zeros(50, int)].copy() if len(events) else events
    if len(events):
        moments = time + numpy.arange(50) * numpy.timedelta64(1, "h")
        storm = storm.assign(start=moments, peak=moments, end=moments, flux=1e-3, goes_class="X10.0")
    return pandas.concat([past[kept], storm], ignore_index=True)
