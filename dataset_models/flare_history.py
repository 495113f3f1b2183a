"""What was known of past flares at forecast time, as a side channel.

A flare enters the history when its class is settled: at its end, since GOES reports close an event, and state its
class, when the flux has fallen half-way back. A list without the end, or without the peak as well, is taken as late:
the flare enters `AFTER_PEAK` after its peak, or `AFTER_START` after its start. Both exceed what 99 % of the flares of
2011 to 2018 took (64 and 137 minutes; HEK, C1.0 and above). Only what is settled before t is used at t, so that no
feature depends on a flare still under way; a flare just past its peak is therefore missing although the flux itself
was already public.
"""

import weakref

import numpy

from dataset_models.flare_labels import FlareIndex

HOURS = (1, 6, 24, 72)
CLASSES = {"C": (1e-6, 1e-5), "M": (1e-5, 1e-4), "X": (1e-4, numpy.inf)}
QUIET = -8.0  # log10 W m^-2 (A1.0): the peak flux of hours without a flare
CAP = 240.0  # hours since the last M flare count no further than this
AFTER_PEAK = numpy.timedelta64(90, "m")
AFTER_START = numpy.timedelta64(150, "m")

NAMES = (
    *(f"{name}_{hours}h" for hours in HOURS for name in ("log10_peak_flux", *(f"{letter}_flares" for letter in CLASSES))),
    "hours_since_M",
)


def known_at(events):
    """When the class of each flare was settled: ``datetime64[s]`` (n,).

    Parameters
    ----------
    events : pandas.DataFrame
        Columns start, peak and end; peak and end may be NaT.

    Returns
    -------
    numpy.ndarray
        The end (or the peak, should a list put that later); without an end `AFTER_PEAK` after the peak; without both
        `AFTER_START` after the start.
    """
    start, peak, end = (events[name].to_numpy("datetime64[s]") for name in ("start", "peak", "end"))
    late = numpy.where(numpy.isnat(peak), start + AFTER_START, peak + AFTER_PEAK)
    settled = numpy.where(numpy.isnat(end), late, numpy.fmax(end, peak))
    return numpy.maximum(settled, start)


class FlareHistory:
    """Flares by the time they became known, arranged for windows into the past.

    Parameters
    ----------
    events : pandas.DataFrame
        Of :class:`dataset_models.flare_catalogue.Catalogue`.
    """

    def __init__(self, events):
        known = known_at(events)
        order = numpy.argsort(known, kind="stable")
        flux = events["flux"].to_numpy("float64")[order]
        self._known = known[order].astype("int64")
        self._index = FlareIndex(events[["flux"]].assign(start=known))
        classes = [(flux >= least) & (flux < most) for least, most in CLASSES.values()]
        self._counts = [numpy.concatenate([[0], numpy.cumsum(one)]) for one in classes]
        self._strong = self._known[flux >= CLASSES["M"][0]]

    def peak_flux(self, times, window):
        """Peak flux of the strongest flare whose class was settled in [t - window, t), W m^-2: float64 (n,), 0 without any."""
        # FlareIndex leaves out both ends: one second earlier and wider is [t - window, t).
        width = window + numpy.timedelta64(1, "s")
        return self._index.peak_flux(numpy.asarray(times, "datetime64[s]") - width, width)

    def features(self, times):
        """Features at times: float32 (n, k) with the columns `NAMES`; see :func:`history`."""
        times = numpy.asarray(times, "datetime64[s]")
        seconds = times.astype("int64")
        now = numpy.searchsorted(self._known, seconds, "left")
        columns = []
        for hours in HOURS:
            since = numpy.searchsorted(self._known, seconds - 3600 * hours, "left")
            flux = self.peak_flux(times, numpy.timedelta64(3600 * hours, "s"))
            columns.append(numpy.log10(numpy.maximum(flux, 10.0**QUIET)))
            columns.extend(count[now] - count[since] for count in self._counts)
        last = numpy.searchsorted(self._strong, seconds, "left") - 1
        hours_since = numpy.full(len(times), CAP)
        seen = last >= 0
        hours_since[seen] = (seconds[seen] - self._strong[last[seen]]) / 3600
        columns.append(numpy.minimum(hours_since, CAP))
        return numpy.stack(columns, axis=-1).astype("float32")


_of_index = weakref.WeakKeyDictionary()


def history(events, times):
    """What was known of flares at each time.

    Parameters
    ----------
    events : pandas.DataFrame or FlareIndex
        Flares with start, peak, end and flux. An index remembers what was prepared for it.
    times : array_like
        ``datetime64`` (n,), UTC.

    Returns
    -------
    numpy.ndarray
        float32 (n, k) with the columns `NAMES`. Of flares whose class was settled in [t - h, t), for h of 1, 6, 24 and
        72 hours: log10 of the largest peak flux (W m^-2, `QUIET` without any), and the numbers of C, M and X flares;
        then the hours since the class of an M or X flare was last settled, at most `CAP`.
    """
    if not isinstance(events, FlareIndex):
        return FlareHistory(events).features(times)
    if events not in _of_index:
        _of_index[events] = FlareHistory(events.events)
    return _of_index[events].features(times)
