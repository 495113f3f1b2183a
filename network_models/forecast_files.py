"""Forecasts in CSV files: those that runs write and those that were published, read into one form and compared."""

import dataclasses
import pathlib

import numpy

from dataset_models import observation_times
from tools.errors import UserError

PROBABILITY_COLUMNS = ("probability", "flare_prob", "prediction")
TARGET_COLUMNS = ("target", "true_value")


@dataclasses.dataclass(frozen=True)
class Forecasts:
    """Probabilities of an event at times, and what happened.

    Attributes
    ----------
    name : str
    times : numpy.ndarray
        ``datetime64[s]`` (n,), in order, distinct.
    probability : numpy.ndarray
        float64 (n,).
    event : numpy.ndarray or None
        bool (n,).
    fold : numpy.ndarray
        int64 (n,): number of the file that a forecast comes from.
    threshold : numpy.ndarray or None
        float64 (n,): from where on the forecaster means yes, where the files have a column of this name.
    """

    name: str
    times: numpy.ndarray
    probability: numpy.ndarray
    event: numpy.ndarray | None
    fold: numpy.ndarray
    threshold: numpy.ndarray | None = None

    def __len__(self):
        return len(self.times)

    def where(self, chosen):
        """Some of them: `chosen` is bool (n,) or positions."""
        optional = [None if values is None else values[chosen] for values in (self.event, self.threshold)]
        return Forecasts(self.name, self.times[chosen], self.probability[chosen], optional[0], self.fold[chosen], optional[1])


def read(paths, *, name=None, target=True):
    """Read forecasts from one CSV, or from several that are folds of one cross-validation.

    Parameters
    ----------
    paths : str, pathlib.Path or sequence of them
        CSVs with a column label, timestamp or time (UTC times, or file names that state them), one of
        `PROBABILITY_COLUMNS` and one of `TARGET_COLUMNS`.
    name : str, optional
        The first file's stem without it.
    target : bool
        Whether outcomes must be there.

    Returns
    -------
    Forecasts
        In order of time.

    Raises
    ------
    UserError
        A file is missing or no CSV, a column is missing, a value is no probability or no outcome, a time is repeated.
    """
    paths = [paths] if isinstance(paths, (str, pathlib.Path)) else list(paths)
    parts = [_one(path, target) for path in paths]
    fold = numpy.repeat(numpy.arange(len(parts)), [len(part[0]) for part in parts])
    times, probability = (numpy.concatenate([part[index] for part in parts]) for index in (0, 1))
    event, threshold = (
        None if any(part[index] is None for part in parts) else numpy.concatenate([part[index] for part in parts])
        for index in (2, 3)
    )
    order = numpy.argsort(times, kind="stable")
    observation_times.checked(times[order], origin=" and ".join(map(str, paths)))
    whole = Forecasts(name or pathlib.Path(paths[0]).stem, times, probability, event, fold, threshold)
    return whole.where(order)


def _one(path, target):
    table = observation_times.read_table(path)
    times = observation_times.table_times(table, origin=str(path))
    columns = {}
    for what, names in (("probability", PROBABILITY_COLUMNS), ("outcome", TARGET_COLUMNS)):
        found = [name for name in names if name in table.columns]
        if not found and (what == "probability" or target):
            raise UserError(f"{path}: no column of the {what} ({', '.join(names)}); it has {', '.join(table.columns)}")
        try:
            columns[what] = table[found[0]].to_numpy("float64") if found else None
        except ValueError as error:
            raise UserError(f"{path}: column {found[0]} holds something else than numbers ({error})") from error
    threshold = None
    if "threshold" in table.columns:
        threshold, _ = checked(table["threshold"], origin=f"{path}, column threshold")
    return times, *checked(columns["probability"], columns["outcome"], origin=str(path)), threshold


def checked(values, event=None, *, origin="forecasts"):
    """Forecasts as float64 probabilities and outcomes as bool, once it is sure that they are.

    Raises
    ------
    UserError
        They differ in length, there are none, one is NaN or no probability, an outcome is neither 0 nor 1.
    """
    values = numpy.asarray(values, "float64")
    if values.ndim != 1 or not len(values):
        raise UserError(f"{origin}: expected a vector of forecasts, received shape {values.shape}")
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise UserError(f"{origin}: {values[wrong][0]:g} is no probability ({wrong.sum()} such); give numbers from 0 to 1")
    if event is None:
        return values, None
    event = numpy.asarray(event)
    if event.shape != values.shape:
        raise UserError(f"{origin}: {len(values)} forecasts but outcomes of shape {event.shape}")
    wrong = ~numpy.isin(event, (0, 1))
    if wrong.any():
        raise UserError(f"{origin}: the outcome {event[wrong][0]} is neither 0 nor 1 ({wrong.sum()} such)")
    return values, event.astype(bool)


def common(forecasts):
    """The hours that several forecasts share.

    Parameters
    ----------
    forecasts : sequence of Forecasts

    Returns
    -------
    list of Forecasts
        All on the same times.
    list of int
        How many hours of each were left out.

    Raises
    ------
    UserError
        No hour is common to all; they disagree on what happened in one.
    """
    times = forecasts[0].times
    for one in forecasts[1:]:
        times = numpy.intersect1d(times, one.times, assume_unique=True)
    if not len(times):
        raise UserError(
            f"{', '.join(one.name for one in forecasts)}: no hour is common to all; compare forecasts of one period"
        )
    shared = [one.where(numpy.searchsorted(one.times, times)) for one in forecasts]
    known = [one for one in shared if one.event is not None]
    for one in known[1:]:
        different = one.event != known[0].event
        if different.any():
            raise UserError(
                f"{one.name}: {different.sum()} outcomes differ from those of {known[0].name}, the first at"
                f" {times[different][0]}; compare forecasts of one event"
            )
    return shared, [len(one) - len(times) for one in forecasts]
