"""Samples of two splits that share what they see or forecast."""

import dataclasses

import numpy

from dataset_models import observation_times
from tools.errors import UserError

DAY = numpy.timedelta64(24, "h")


@dataclasses.dataclass(frozen=True)
class SplitReport:
    """Result of :func:`check_split`.

    Attributes
    ----------
    training, validation : int
        Times in each split.
    overlapping : int
        Validation windows that overlap a training window.
    nearest : numpy.timedelta64 or None
        The least distance between a training and a validation time; None when a split is empty.
    """

    training: int
    validation: int
    overlapping: int
    nearest: numpy.timedelta64 | None

    def __str__(self):
        share = 100 * self.overlapping / max(self.validation, 1)
        return f"{self.overlapping} of {self.validation} validation windows ({share:.1f} %) overlap a training window"


def distance(times, others):
    """Measure how far each time is from the nearest of `others` (sorted, not empty): int64 (n,), in the arrays' unit."""
    after = (
        numpy.clip(numpy.searchsorted(others, times), 1, len(others) - 1) if len(others) > 1 else numpy.zeros(len(times), int)
    )
    return numpy.minimum(numpy.abs(others[after] - times), numpy.abs(others[numpy.maximum(after - 1, 0)] - times))


def check_split(training_times, validation_times, window=DAY, *, published_folds=False):
    """Refuse splits of which a validation window (t, t + window) overlaps one of training.

    Parameters
    ----------
    training_times, validation_times : array_like
        ``datetime64`` (n,), UTC, in any order.
    window : numpy.timedelta64
        Time after a sample that its target depends on.
    published_folds : bool
        Allow overlap, and only count it: the folds of the published studies have it at each border of a quarter.

    Returns
    -------
    SplitReport

    Raises
    ------
    UserError
        A time is in both splits, or windows overlap without `published_folds`; times are missing or carry a zone.

    Examples
    --------
    >>> days = numpy.arange("2014-01-01", "2014-01-05", dtype="datetime64[D]")
    >>> print(check_split(days[:2], days[3:]))
    0 of 1 validation windows (0.0 %) overlap a training window
    >>> print(check_split(days[:2], days[2:], numpy.timedelta64(36, "h"), published_folds=True))
    1 of 2 validation windows (50.0 %) overlap a training window
    """
    training = numpy.sort(observation_times.utc(training_times, origin="training times")).astype("int64")
    validation = numpy.sort(observation_times.utc(validation_times, origin="validation times")).astype("int64")
    if not len(training) or not len(validation):
        return SplitReport(len(training), len(validation), 0, None)
    width = numpy.timedelta64(window).astype("timedelta64[s]").astype("int64")
    apart = distance(validation, training)
    if apart.min() == 0:
        time = validation[numpy.argmin(apart)].astype("datetime64[s]")
        raise UserError(f"{int((apart == 0).sum())} times are in training and in validation (among them {time}); split again")
    nearest = numpy.timedelta64(int(apart.min()), "s")
    report = SplitReport(len(training), len(validation), int((apart < width).sum()), nearest)
    if report.overlapping and not published_folds:
        hours = width / 3600
        raise UserError(f"{report}; leave a gap of {hours:g} h between the splits, or ask for the published folds explicitly")
    return report
