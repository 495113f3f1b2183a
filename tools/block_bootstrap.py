"""Intervals for scores of forecasts that are not independent: whole blocks of days are drawn, not hours.

Hourly forecasts of the next 24 hours share most of their windows, and an active region stays on the disk for two weeks.
Drawing single hours would give intervals far too narrow.
"""

import numpy

CHUNK = 2**22  # weights at a time, bounds memory


class BlockBootstrap:
    """Samples of blocks of days, the same for every score and every forecast of these hours.

    Parameters
    ----------
    times : array_like
        ``datetime64`` (n,) of the forecasts.
    days : float
        Length of a block. Blocks are cut from the first day on; those without forecasts do not exist.
    samples : int
    seed : int
    strata : array_like of int (n,), optional
        For example folds: each sample holds as many blocks of every stratum as there are.

    Attributes
    ----------
    count : int
        Number of blocks.
    weights : numpy.ndarray
        uint16 (samples, count): how often each block was drawn.

    References
    ----------
    Kuensch 1989, Ann. Statist. 17, 1217 (blocks); Efron & Tibshirani 1993 (percentile intervals).
    """

    def __init__(self, times, *, days=7.0, samples=1000, seed=0, strata=None):
        seconds = numpy.asarray(times, "datetime64[s]").astype("int64")
        day = (seconds - seconds.min() // 86400 * 86400) // max(int(days * 86400), 1)
        stratum = numpy.zeros(len(seconds), "int64") if strata is None else numpy.asarray(strata, "int64")
        keys = numpy.stack([stratum, day], axis=1)
        blocks, self.block = numpy.unique(keys, axis=0, return_inverse=True)
        self.block = self.block.reshape(-1)
        self.count = len(blocks)
        random = numpy.random.default_rng(seed)
        self.weights = numpy.zeros((samples, self.count), "uint16")
        for one in numpy.unique(blocks[:, 0]):
            here = numpy.flatnonzero(blocks[:, 0] == one)
            drawn = random.integers(0, len(here), (samples, len(here)))
            for sample, chosen in enumerate(drawn):
                self.weights[sample, here] = numpy.bincount(chosen, minlength=len(here))

    def __len__(self):
        return len(self.weights)

    def sums(self, values):
        """Sums over the forecasts of every sample.

        Parameters
        ----------
        values : array_like (n,) or (n, k)

        Returns
        -------
        numpy.ndarray
            float64 (samples,) or (samples, k).
        """
        values = numpy.asarray(values, "float64")
        columns = values.reshape(len(values), -1).T
        per_block = numpy.stack([numpy.bincount(self.block, column, self.count) for column in columns], axis=1)
        return (self.weights.astype("float64") @ per_block).reshape(len(self), *values.shape[1:])

    def curves(self, values, event):
        """For every sample and every distinct forecast value, how many events, and others, had at least this value.

        Parameters
        ----------
        values : array_like (n,)
        event : array_like of bool (n,)

        Yields
        ------
        numpy.ndarray, numpy.ndarray
            float64 (some samples, k + 1), samples in order; the last column, above the largest value, is 0. Columns are
            those of increasing distinct values.
        """
        event = numpy.asarray(event, bool)
        _, place = numpy.unique(numpy.asarray(values, "float64"), return_inverse=True)
        order = numpy.argsort(place, kind="stable")
        block, flared = self.block[order], event[order]
        starts = numpy.flatnonzero(numpy.diff(place[order], prepend=-1))
        step = max(1, CHUNK // len(order))
        for begin in range(0, len(self), step):
            weight = self.weights[begin : begin + step][:, block].astype("float32")
            found = []
            for part in (weight * flared, weight * ~flared):
                at = numpy.add.reduceat(part, starts, axis=1).astype("float64")
                above = numpy.cumsum(at[:, ::-1], axis=1)[:, ::-1]
                found.append(numpy.concatenate([above, numpy.zeros((len(above), 1))], axis=1))
            yield tuple(found)

    def roc_areas(self, values, event):
        """Area under the ROC curve of every sample, NaN where one has events or others only: float64 (samples,)."""
        areas = []
        for events, others in self.curves(values, event):
            # The trapezium between neighbouring thresholds counts ties as halves.
            area = ((events[:, 1:] + events[:, :-1]) / 2 * -numpy.diff(others, axis=1)).sum(axis=1)
            with numpy.errstate(invalid="ignore", divide="ignore"):
                areas.append(area / (events[:, 0] * others[:, 0]))
        return numpy.concatenate(areas)


def interval(samples, level=0.95):
    """The percentile interval of a score's samples.

    Parameters
    ----------
    samples : array_like (b,) or (b, k)
        Undefined ones (NaN) are left out.
    level : float

    Returns
    -------
    tuple of float or of array (k,)
        Lower and upper bound; NaN when more than a tenth of the samples are undefined.
    """
    samples = numpy.asarray(samples, "float64")
    undefined = numpy.isnan(samples).mean(axis=0)
    with numpy.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of columns without any number
            bounds = numpy.nanquantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = (numpy.where(undefined > 0.1, numpy.nan, bound) for bound in bounds)
    return (float(low), float(high)) if samples.ndim == 1 else (low, high)
