"""Past flares as they are known at forecast time, as a side channel.

A flare enters the history when its class is settled: at its end, since GOES reports close an event, and state its
class, when the flux has fallen half-way back. A list without the end, or without the peak as well, is taken as late:
the flare enters `AFTER_PEAK` after its peak, or `AFTER_START` after its start. Both exceed what 99 % of the flares of
2011 to 2018 took (64 and 137 minutes; HEK, C1.0 and above). Only what is settled before t is used at t, so that no
feature depends on a flare still under way; a flare just past its peak is therefore missing although the flux itself
was already public.

A list that ends before the time of a forecast looks like a quiet Sun. :meth:`FlareHistory.asked` is what every forecast
that uses the history goes through: up to `AGE` after the list's end (see :func:`dataset_models.flares.flare_index.list_span`)
the history is taken as it was known then, beyond that it is not known.
"""

import weakref

import numpy

from dataset_models.flares.flare_index import FlareIndex, list_span
from tools.errors import UserError

HOURS = (1, 6, 24, 72)
CLASSES = {"C": (1e-6, 1e-5), "M": (1e-5, 1e-4), "X": (1e-4, numpy.inf)}
QUIET = -8.0  # log10 W m^-2 (A1.0): the peak flux of hours without a flare
CAP = 240.0  # hours since the last M flare count no further than this
AFTER_PEAK = numpy.timedelta64(90, "m")
AFTER_START = numpy.timedelta64(150, "m")
AGE = 12.0  # hours after the end of a list up to which its history is used
AGE_HELP = "most hours from the end of the flare lists to a forecast that uses their history as it was known then"
_SECOND = numpy.timedelta64(1, "s")

NAMES = (
    *(f"{name}_{hours}h" for hours in HOURS for name in ("log10_peak_flux", *(f"{letter}_flares" for letter in CLASSES))),
    "hours_since_M",
)


def known_at(events):
    """Find when the class of each flare was settled: ``datetime64[s]`` (n,).

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
    until : datetime64, optional
        Until when the list is complete, where that is later than its last flare.

    Attributes
    ----------
    first, last : numpy.datetime64
        What the list covers, as of :func:`dataset_models.flares.flare_index.list_span`.
    """

    def __init__(self, events, *, until=None):
        settled = known_at(events)
        self.first, self.last = list_span(events, until)
        order = numpy.argsort(settled, kind="stable")
        flux = events["flux"].to_numpy("float64")[order]
        self._known = settled[order].astype("int64")
        self._index = FlareIndex(events[["flux"]].assign(start=settled))
        classes = [(flux >= least) & (flux < most) for least, most in CLASSES.values()]
        self._counts = [numpy.concatenate([[0], numpy.cumsum(members)]) for members in classes]
        self._strong = self._known[flux >= CLASSES["M"][0]]

    def peak_flux(self, times, window):
        """Find the peak flux of the strongest flare settled in [t - window, t), W m^-2: float64 (n,), 0 without any."""
        # FlareIndex leaves out both ends: one second earlier and wider is [t - window, t).
        width = window + numpy.timedelta64(1, "s")
        return self._index.peak_flux(numpy.asarray(times, "datetime64[s]") - width, width)

    def asked(self, times, *, age=AGE, back=None):
        """Find the time whose history a forecast at each time may use.

        Parameters
        ----------
        times : array_like
            ``datetime64`` (n,), UTC, of the forecasts.
        age : float
            Most hours from the end of the list to a forecast.
        back : numpy.timedelta64, optional
            How much of the past the list must cover; without it, only the time itself.

        Returns
        -------
        numpy.ndarray
            ``datetime64[s]`` (n,): the time itself up to the end of the list; after it the moment when the class of the
            last flare was settled, or the end where that is later; NaT where the history is not known, after `age` or
            before the list begins.
        """
        times = numpy.asarray(times, "datetime64[s]")
        end = self.last + numpy.timedelta64(round(age * 3600), "s")
        covered = (times - (back or 0 * _SECOND) >= self.first) & (times <= end)
        if not covered.any():
            return numpy.full(times.shape, "NaT", "datetime64[s]")
        settled = self._known[-1].astype("datetime64[s]") + _SECOND
        return numpy.where(covered, numpy.minimum(times, max(self.last, settled)), numpy.datetime64("NaT", "s"))

    def require(self, times, *, age=AGE, back=None, origin="the flare lists", subject="the image"):
        """Return what `asked` does, where the history of every time must be known.

        Parameters
        ----------
        times, age, back
            As of `asked`.
        origin : str
            The lists, named in errors.
        subject : str
            What is forecast from, named in errors.

        Raises
        ------
        UserError
            Names the lists, their last flare, the first time without a history, the gap and what can be done.
        """
        asked = self.asked(times, age=age, back=back)
        if not numpy.isnat(asked).any():
            return asked
        unknown = numpy.isnat(asked)
        time = numpy.asarray(times, "datetime64[s]")[unknown][0]
        subject = f"{subject}; {unknown.sum()} of {len(asked)} times" if len(asked) > 1 else subject
        if numpy.isnat(self.last):
            raise UserError(f"{origin}: hold no flare, so nothing is known of the flares before {time}Z; {_newer(time, time)}")
        gap = (time - self.last) / numpy.timedelta64(1, "h")
        if gap <= age:
            needed = f", and {back / numpy.timedelta64(1, 'h'):g} h of history are needed" if back else ""
            raise UserError(
                f"{origin}: begin with the flare of {self.first}Z and do not cover {time}Z ({subject}){needed}; add a list of"
                " the time before"
            )
        raise UserError(
            f"{origin}: the last flare is of {self.last}Z, {gap:.1f} h before {time}Z ({subject}), more than --history_age"
            f" {age:g}: a quiet Sun cannot be told from the end of the list; {_newer(self.last, time)}, or --flares_until TIME"
            f" if the list is complete until then, or --history_age {int(numpy.ceil(gap))} to use what was known at its end"
        )

    def features(self, times):
        """Compute the features at times: float32 (n, k) with the columns `NAMES`; see :func:`history`."""
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


def _newer(last, time):
    """Describe how to get flares from one time to another."""
    day = numpy.timedelta64(1, "D")
    start, end = last.astype("datetime64[D]"), time.astype("datetime64[D]") + day
    return (
        f"give a newer list too (python dataset_models/download/hek.py --start {start} --end {end} --out FOLDER, then --flares"
        " ... FOLDER/catalogue.csv)"
    )


_of_index = weakref.WeakKeyDictionary()


def history(events, times):
    """Compute what was known of flares at each time.

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

    Examples
    --------
    >>> import pandas
    >>> start, minute = numpy.datetime64("2014-06-10T00:00"), numpy.timedelta64(1, "m")
    >>> moments = {"start": [start], "peak": [start + 6 * minute], "end": [start + 10 * minute]}
    >>> events = pandas.DataFrame(moments | {"flux": [2e-5]})
    >>> features = history(events, [start + 10 * minute, start + 11 * minute])
    >>> features[:, NAMES.index("M_flares_1h")].tolist()  # counted once its class is settled
    [0.0, 1.0]
    """
    if not isinstance(events, FlareIndex):
        return FlareHistory(events).features(times)
    if events not in _of_index:
        _of_index[events] = FlareHistory(events.events)
    return _of_index[events].features(times)
