"""The forecasts of the last days, each beside the strongest flare that came in its window."""

import dataclasses

import numpy

from dataset_models.flares import flare_index
from tools import goes_class

DAYS = 30
EVENTS = ("M1.0", "C1.0", "M5.0", "X1.0")  # of which the first that was forecast is shown
_SHOWN_FROM = goes_class.to_flux("M1.0")


@dataclasses.dataclass(frozen=True)
class History:
    """Forecasts of an event for the disk, and what came.

    Attributes
    ----------
    event : str
    records : list of science.operational_forecast.record.Record
        In order of issue.
    times : numpy.ndarray
        ``datetime64[s]`` (n,), of issue.
    values : numpy.ndarray
        float64 (n,), the probabilities.
    settled : numpy.ndarray
        bool (n,): the window has closed, and it is known whether there was an event.
    words : list of str
        What came.
    flares : list of (numpy.datetime64, str)
        Start and class of those from M1.0 on.
    span : (numpy.datetime64, numpy.datetime64)
        From the first issue to the end of the last window.
    sources : tuple of str or None
        Names of the flare lists; None without any.
    """

    event: str
    records: list
    times: numpy.ndarray
    values: numpy.ndarray
    settled: numpy.ndarray
    words: list
    flares: list
    span: tuple
    sources: tuple | None

    def last_of_each_day(self):
        """Find the last forecast of each UTC day: list of int, places in `records`."""
        days = self.times.astype("datetime64[D]")
        return numpy.flatnonzero(numpy.append(days[1:] != days[:-1], True)).tolist()


def gather(records, catalogue, now, *, until=None):
    """Gather the forecasts of the `DAYS` before the newest, of its method, simulated or observed as it is.

    Parameters
    ----------
    records : list of science.operational_forecast.record.Record
        In order of issue.
    catalogue : dataset_models.flare_catalogue.Catalogue or None
    now : numpy.datetime64
        Windows that end later are open.
    until : numpy.datetime64, optional
        When the flare lists are complete beyond their last flare.

    Returns
    -------
    History or None
        None where no forecast for the disk is of one of `EVENTS`.
    """
    newest = records[-1].forecast
    begin = newest.issued - numpy.timedelta64(DAYS, "D")
    alike = [
        one
        for one in records
        if one.forecast.issued > begin and (one.forecast.method, one.forecast.simulated) == (newest.method, newest.simulated)
    ]
    event = next((name for name in EVENTS if any(name in one.forecast.probabilities for one in alike)), None)
    members = [one for one in alike if event in one.forecast.probabilities]
    if not members:
        return None
    outcomes = [_outcome(one.forecast, event, None, now, until) for one in members]
    flares = []
    if catalogue is not None:
        index = flare_index.FlareIndex(catalogue.events)
        outcomes = [_outcome(one.forecast, event, index, now, until) for one in members]
        strong = catalogue.events[catalogue.events["flux"] >= _SHOWN_FROM]
        flares = list(zip(strong["start"].to_numpy("datetime64[s]"), strong["goes_class"], strict=True))
    return History(
        event=event,
        records=members,
        times=numpy.array([one.forecast.issued for one in members], "datetime64[s]"),
        values=numpy.array([one.forecast.probabilities[event].value for one in members]),
        settled=numpy.array([settled for settled, _ in outcomes]),
        words=[words for _, words in outcomes],
        flares=flares,
        span=(members[0].forecast.issued, max(one.forecast.end for one in members)),
        sources=None if catalogue is None else tuple(one.path.name for one in catalogue.lists),
    )


def _outcome(issued, event, index, now, until):
    """Find out what came in a window: (bool whether that is settled, str)."""
    is_open = issued.end > now
    if index is None:
        return False, "window open" if is_open else "not known"
    window = issued.end - issued.begin
    place = int(index.strongest([issued.begin], window)[0])
    flux = float(index.events["flux"].iloc[place]) if place >= 0 else 0.0
    found = f"{goes_class.from_flux(flux)}, {index.events['start'].iloc[place]:%m-%d %H:%M}" if place >= 0 else "none"
    if is_open:
        return False, f"window open; so far {found}"
    covered = bool(flare_index.covered(index.events, [issued.begin], window, until=until)[0])
    if covered or flux >= goes_class.to_flux(event):
        return True, found
    return False, f"the list ends before; so far {found}"
