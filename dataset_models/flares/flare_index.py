"""The strongest flare in any window, found at once."""

import functools

import numpy

from dataset_models import observation_times
from tools import goes_class
from tools.errors import UserError
from tools.notes import note

DAY = numpy.timedelta64(24, "h")
NO_FLARE, UNKNOWN = "NF", "unk"  # as the published labels write them
PAUSE = numpy.timedelta64(60, "D")  # C1.0 and above of 1986 to 2019 pause for longer at solar minimum alone, up to 214 days


class FlareIndex:
    """Flares arranged so that the strongest in any window is found without walking through the window.

    Parameters
    ----------
    events : pandas.DataFrame
        Columns start (``datetime64``, UTC) and flux (W m^-2), in any order; `describe` also needs goes_class,
        longitude and latitude.

    Attributes
    ----------
    events : pandas.DataFrame
        As given.

    Notes
    -----
    Sorted starts, and a sparse table of the positions of maxima over runs of 1, 2, 4, ... flares: building it takes
    O(n log n), a window two binary searches and one comparison.

    Examples
    --------
    >>> import pandas
    >>> starts = numpy.array(["2014-06-10T11:36", "2014-06-10T12:36"], "datetime64[s]")
    >>> index = FlareIndex(pandas.DataFrame({"start": starts, "flux": [2.2e-4, 1.5e-4]}))
    >>> times = numpy.array(["2014-06-10T11:36", "2014-06-09T12:00", "2014-06-11T00:00"], "datetime64[s]")
    >>> index.peak_flux(times).tolist()
    [0.00015, 0.00022, 0.0]
    >>> index.label(times, threshold="X2.0").tolist()
    [False, True, False]
    """

    def __init__(self, events):
        missing = [name for name in ("start", "flux") if name not in events.columns]
        if missing:
            raise UserError(f"flare events without {', '.join(missing)}; give a table with start and flux")
        self.events = events
        starts = observation_times.utc(events["start"], origin="flare starts").astype("int64")
        self._order = numpy.argsort(starts, kind="stable")
        self._starts = starts[self._order]
        self._flux = events["flux"].to_numpy("float64")[self._order]
        if not (self._flux > 0).all():
            raise UserError("flare events: a flux is missing or not positive")
        self._levels = [numpy.arange(len(starts))]
        while 2 ** len(self._levels) <= len(starts):
            half = 2 ** (len(self._levels) - 1)
            self._levels.append(self._stronger(self._levels[-1][:-half], self._levels[-1][half:]))

    def __len__(self):
        return len(self._starts)

    def _stronger(self, left, right):
        # Of equally strong flares the earlier one, as in the published labels.
        return numpy.where(self._flux[right] > self._flux[left], right, left)

    def span(self, times, window):
        """Find the first and one past the last flare, in order of start, in (t, t + window): two int64 arrays (n,)."""
        seconds = numpy.asarray(times, "datetime64[s]").astype("int64")
        width = seconds_of(window)
        if width <= 0:
            raise UserError(f"a window of {window}: give a time span above zero")
        first = numpy.searchsorted(self._starts, seconds, "right")
        return first, numpy.maximum(numpy.searchsorted(self._starts, seconds + width, "left"), first)

    def between(self, first, last):
        """List the flares number `first` to `last` - 1 in order of start, as of `span`: positions in `events`, int64."""
        return self._order[first:last]

    def strongest(self, times, window=DAY):
        """Find the strongest flare that starts in (t, t + window), the earlier of equal ones, as position in `events`.

        Parameters
        ----------
        times : array_like
            ``datetime64`` (n,), in any order.
        window : numpy.timedelta64
            Whole seconds. Both ends are open: a flare at t, or at t + window, does not count.

        Returns
        -------
        numpy.ndarray
            int64 (n,); -1 where no flare starts.
        """
        first, last = self.span(times, window)
        positions = numpy.full(first.shape, -1, "int64")
        count = last - first
        level = numpy.frexp(count)[1] - 1  # of the longest run that fits
        for size in numpy.unique(level[count > 0]):
            here = numpy.flatnonzero((level == size) & (count > 0))
            runs = self._levels[size]
            positions[here] = self._order[self._stronger(runs[first[here]], runs[last[here] - 2**size])]
        return positions

    def peak_flux(self, times, window=DAY):
        """Find the peak flux of the strongest flare that starts in (t, t + window), W m^-2: float64 (n,), 0 without any."""
        positions = self.strongest(times, window)
        flux = numpy.append(self.events["flux"].to_numpy("float64"), 0.0)  # the last one answers for -1
        return flux[positions]

    def label(self, times, *, window=DAY, threshold="M1.0"):
        """Check whether a flare of at least `threshold` starts in (t, t + window).

        Parameters
        ----------
        times : array_like
            ``datetime64`` (n,).
        window : numpy.timedelta64
        threshold : str or float
            A GOES class, or a peak flux in W m^-2.

        Returns
        -------
        numpy.ndarray
            bool (n,).

        Raises
        ------
        UserError
            The threshold is neither; the window is not positive.
        """
        return self.peak_flux(times, window) >= threshold_flux(threshold)

    @functools.cached_property
    def _words(self):
        """Class, longitude and latitude of each flare, strongest first, then earliest; and each flare's place in there."""
        by_rank = numpy.argsort(-self._flux, kind="stable")
        rank = numpy.empty(len(self), "int64")
        rank[by_rank] = numpy.arange(len(self))
        ranked = self.events.iloc[self._order[by_rank]]
        places = [
            [UNKNOWN if numpy.isnan(value) else value for value in ranked[name].to_numpy("float64").tolist()]
            for name in ("longitude", "latitude")
        ]
        values = (ranked["goes_class"].astype(str).tolist(), *places)
        return rank, values, [[repr(value) for value in column] for column in values]

    def describe(self, first, last):
        """Write the published columns after the target, for the flares number first to last - 1 in order of start."""
        rank, values, texts = self._words
        if first >= last:
            return NO_FLARE, UNKNOWN, UNKNOWN, "0", "0", "0"
        strongest, *rest = sorted(rank[first:last].tolist())
        described = [column[strongest] for column in values]
        if not rest:
            return *described, "0", "0", "0"
        return *described, *(f"[{', '.join([column[number] for number in rest])}]" for column in texts)


def seconds_of(span):
    """Convert a `numpy.timedelta64` to whole seconds: int; a `UserError` for anything else."""
    try:
        return int(numpy.timedelta64(span).astype("timedelta64[s]").astype("int64"))
    except (TypeError, ValueError) as error:
        raise UserError(f"not a time span: {span!r}; give numpy.timedelta64") from error


def threshold_flux(threshold):
    """Convert a threshold given as GOES class or as flux: float, W m^-2.

    Raises
    ------
    UserError
        It is neither.

    Examples
    --------
    >>> threshold_flux("M5.0"), threshold_flux(1e-6)
    (5e-05, 1e-06)
    """
    try:
        flux = float(threshold)
    except ValueError:
        try:
            return goes_class.to_flux(threshold)
        except ValueError as error:
            raise UserError(f"threshold: {error}") from error
    if not 1e-9 <= flux <= 1:
        raise UserError(f"threshold {threshold}: not a peak flux in W m^-2; give one like 1e-5, or a class like M1.0")
    return flux


def list_span(events, until=None):
    """Find the first and last moment that a flare list covers: two ``datetime64[s]``, NaT for a list without flares.

    A list is taken to be complete from the start of its first flare to that of its last; outside of them nobody can
    tell a quiet Sun from the end of the list. Near solar minimum weeks pass without a C flare, so the last flare may be
    much older than the list: `until`, where it is known, moves the end on. It does not shorten a list.
    """
    starts = events["start"].to_numpy("datetime64[s]")
    if not len(starts):
        return numpy.datetime64("NaT", "s"), numpy.datetime64("NaT", "s")
    return starts.min(), starts.max() if until is None else max(starts.max(), numpy.datetime64(until, "s"))


def covered(events, times, window, *, until=None):
    """Check whether a flare list covers the window after each time, as `list_span` has it: bool (n,)."""
    times = numpy.asarray(times, "datetime64[s]")
    first, last = list_span(events, until)  # NaT, of an empty list, compares as false
    return (times >= first) & (times + numpy.timedelta64(seconds_of(window), "s") <= last)


def note_pauses(events, times):
    """Remark upon times in long pauses of flare lists: none of them says whether the Sun was quiet or nobody listed it.

    Parameters
    ----------
    events : pandas.DataFrame
    times : numpy.ndarray
        ``datetime64[s]`` (n,), which `covered` takes for covered.
    """
    starts = numpy.sort(events["start"].to_numpy("datetime64[s]"))
    pause = numpy.flatnonzero(numpy.diff(starts) > PAUSE)
    count = numpy.array([((times >= starts[place]) & (times < starts[place + 1])).sum() for place in pause], "int64")
    if not count.any():
        return
    place = pause[count.argmax()]
    others = f", and {(count > 0).sum() - 1} more pauses" if (count > 0).sum() > 1 else ""
    days = PAUSE // numpy.timedelta64(1, "D")
    note(
        f"{count.sum()} of {len(times)} samples lie where the flare lists hold no flare for over {days} days"
        f" ({starts[place]}Z to {starts[place + 1]}Z{others}): quiet near solar minimum, else days that the lists lack"
    )


def weakest_class(events, threshold):
    """Find out whether flare lists leave out flares of a class altogether.

    Parameters
    ----------
    events : pandas.DataFrame
        With ``flux``.
    threshold : str or float
        As of `FlareIndex.label`.

    Returns
    -------
    str or None
        ``"M1.0"`` where the lists hold flares, none of them below this class, and the threshold does lie below it: they do not
        tell when flares of the threshold happened. None where they can.

    Examples
    --------
    >>> import pandas
    >>> weakest_class(pandas.DataFrame({"flux": [2e-5, 1.5e-4]}), "C1.0")
    'M1.0'
    >>> weakest_class(pandas.DataFrame({"flux": [2e-5, 1.5e-4]}), "M1.0") is None
    True
    """
    if not len(events):
        return None
    weakest = f"{goes_class.from_flux(float(events['flux'].min()))[0]}1.0"
    return weakest if goes_class.to_flux(weakest) > threshold_flux(threshold) * (1 + 1e-9) else None
