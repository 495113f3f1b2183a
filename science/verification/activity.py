"""Hours around the beginning and the end of flaring activity, where a forecast of persistence must fail."""

import numpy

from dataset_models.flare_labels import covered
from dataset_models.flares.flare_index import DAY, FlareIndex

QUIET_DAYS = 2
SECOND = numpy.timedelta64(1, "s")


def subsets(events, times, event, *, quiet_days=QUIET_DAYS, window=DAY, threshold="M1.0", until=None):
    """Choose the hours where activity changes, and those after quiet days.

    Parameters
    ----------
    events : pandas.DataFrame
        Flares; hours whose quiet days before or after they do not cover belong to no subset.
    times : array_like
        ``datetime64`` (n,).
    event : array_like of bool (n,)
        Whether a flare of the threshold starts in the window after each time.
    quiet_days : float
        A quiet spell is as long without a flare of the threshold.
    window : numpy.timedelta64
    threshold : str or float
    until : datetime64, optional
        As of `dataset_models.flare_labels.list_span`.

    Returns
    -------
    dict of str to numpy.ndarray
        bool (n,). ``activity changes``: hours with an event and none in the quiet days before (the first after them), and
        hours with a flare in the last window but none in the quiet days after (the last before them). ``after quiet
        days``: all hours with no flare in the quiet days before.

    Notes
    -----
    That activity is about to change is not known at the time: scores of the first subset measure how a forecast reacts, and
    compare forecasts, but are no skill that a user could have had (a persistence forecast has a TSS near -1 there). The
    second subset is chosen by the past alone. Park et al. 2020 (ApJ 890, 124) look at flare-quiet and quiet-flare days
    in this way.

    Examples
    --------
    >>> import pandas
    >>> days = numpy.arange("2014-06-01", "2014-06-12", dtype="datetime64[D]").astype("datetime64[s]")
    >>> events = pandas.DataFrame({"start": [days[0], days[5] + 3600, days[-1]], "flux": [1e-6, 2e-5, 1e-6]})
    >>> parts = subsets(events, days, FlareIndex(events).label(days))
    >>> {name: numpy.flatnonzero(members).tolist() for name, members in parts.items()}
    {'activity changes': [5, 6], 'after quiet days': [2, 3, 4, 5, 8, 9, 10]}
    """
    times, event = numpy.asarray(times, "datetime64[s]"), numpy.asarray(event, bool)
    index, quiet = FlareIndex(events), numpy.timedelta64(round(quiet_days * 86400), "s")
    # FlareIndex leaves out both ends: one second more makes these (t - span, t].
    calm_before = ~index.label(times - quiet, window=quiet + SECOND, threshold=threshold)
    flared_before = index.label(times - window, window=window + SECOND, threshold=threshold)
    calm_after = ~index.label(times, window=max(quiet, window), threshold=threshold)
    listed = covered(events, times - quiet, quiet, until=until)
    first = listed & calm_before & event
    last = listed & covered(events, times, quiet, until=until) & flared_before & calm_after & ~event
    return {"activity changes": first | last, "after quiet days": listed & calm_before}
