"""Intervals for scores of forecasts that are not independent: whole blocks of days are drawn, not hours.

Hourly forecasts of the next 24 hours share most of their windows, and an active region stays on the disk for two weeks.
Drawing single hours would give intervals far too narrow.
"""

import copy

import numpy

from tools.options import add_duration, add_number

CHUNK = 2**21  # weights at a time: 16 MB, a few such arrays at once
UNDEFINED = 0.1  # share of undefined samples above which there is no interval


def add_flags(parser, *, seeds="the bootstrap"):
    """Give a parser the flags of a bootstrap: --block (days), --samples (0: no intervals), and --seed, of what `seeds` says."""
    text = "drawn together by the bootstrap (default: %(default)g)"
    add_duration(parser, "--block", "days", default=7.0, help=text)
    says, text = "give 0 or more, at most a million", "of the bootstrap; 0: no intervals (default: %(default)s)"
    add_number(parser, "--samples", int, least=0, most=1_000_000, says=says, default=1000, help=text)
    add_number(parser, "--seed", int, least=0, most=2**32 - 1, default=0, help=f"of {seeds} (default: %(default)s)")


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
        self._draw((seconds - seconds.min() // 86400 * 86400) // max(int(days * 86400), 1), samples, seed, strata)

    @classmethod
    def of_groups(cls, groups, *, samples=1000, seed=0):
        """Draw groups instead of blocks of days, such as the hours before one flare.

        Parameters
        ----------
        groups : array_like of int (n,)
            Forecasts of the same number are drawn together.
        samples, seed : int

        Returns
        -------
        BlockBootstrap

        Examples
        --------
        >>> bootstrap = BlockBootstrap.of_groups([7, 7, 9], samples=4)
        >>> bootstrap.count, bootstrap.weights.sum(axis=1).tolist()
        (2, [2, 2, 2, 2])
        """
        bootstrap = cls.__new__(cls)
        bootstrap._draw(numpy.asarray(groups, "int64"), samples, seed)
        return bootstrap

    def _draw(self, block, samples, seed, strata=None):
        stratum = numpy.zeros(len(block), "int64") if strata is None else numpy.asarray(strata, "int64")
        keys = numpy.stack([stratum, block], axis=1)
        blocks, self.block = numpy.unique(keys, axis=0, return_inverse=True)
        self.block = self.block.reshape(-1)
        self.count = len(blocks)
        random = numpy.random.default_rng(seed)
        self.weights = numpy.zeros((samples, self.count), "uint16")
        for number in numpy.unique(blocks[:, 0]):
            here = numpy.flatnonzero(blocks[:, 0] == number)
            drawn = random.integers(0, len(here), (samples, len(here)))
            for sample, positions in enumerate(drawn):
                self.weights[sample, here] = numpy.bincount(positions, minlength=len(here))

    def __len__(self):
        return len(self.weights)

    def sums(self, values):
        """Sum over the forecasts of every sample.

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

    def whole(self):
        """Return the sample as it is: the same blocks, each drawn once, as a bootstrap of one sample."""
        sample = copy.copy(self)
        sample.weights = numpy.ones((1, self.count), "uint16")
        return sample

    def roc_areas(self, values, event):
        """Compute the area under the ROC curve of every sample, NaN where one has events or others only: float64 (samples,).

        The number of pairs of an event and another hour in their right order, ties half, is a sum over pairs of blocks:
        counted once for each pair of blocks, it gives every sample's area as a quadratic form of the blocks' weights.
        """
        values, event = numpy.asarray(values, "float64"), numpy.asarray(event, bool)
        events, others = values[event], values[~event]
        block_of_event, block_of_other = self.block[event], self.block[~event]
        pairs = numpy.zeros((self.count, self.count))
        order = numpy.lexsort((others, block_of_other))
        others, ends = others[order], numpy.searchsorted(block_of_other[order], numpy.arange(self.count + 1))
        for other in range(self.count):
            below = others[ends[other] : ends[other + 1]]
            if len(below) and len(events):
                passed = (numpy.searchsorted(below, events, "left") + numpy.searchsorted(below, events, "right")) / 2
                pairs[:, other] = numpy.bincount(block_of_event, passed, self.count)
        weights = self.weights.astype("float64")
        right = ((weights @ pairs) * weights).sum(axis=1)
        count = (weights @ numpy.bincount(block_of_event, minlength=self.count)) * (
            weights @ numpy.bincount(block_of_other, minlength=self.count)
        )
        return numpy.divide(right, count, out=numpy.full(len(self), numpy.nan), where=count > 0)

    def average_precisions(self, values, event):
        """Compute the stepwise area under the precision-recall curve of every sample: float64 (samples,), or NaN."""
        values, event = numpy.asarray(values, "float64"), numpy.asarray(event, bool)
        order = numpy.argsort(-values, kind="stable")
        block, flared = self.block[order], event[order]
        new = numpy.append(numpy.diff(values[order]) != 0, True)  # the last forecast of each distinct value
        areas = []
        step = max(1, CHUNK // len(order))
        for begin in range(0, len(self), step):
            weight = self.weights[begin : begin + step][:, block].astype("float64")
            hits = numpy.cumsum(weight * flared, axis=1)[:, new]
            forecast = numpy.cumsum(weight, axis=1, out=weight)[:, new]
            gained = numpy.diff(hits, axis=1, prepend=0.0)
            precision = numpy.divide(hits, forecast, out=numpy.zeros_like(hits), where=forecast > 0)
            total = hits[:, -1]
            area = (precision * gained).sum(axis=1)
            areas.append(numpy.divide(area, total, out=numpy.full(len(total), numpy.nan), where=total > 0))
        return numpy.concatenate(areas)


def interval(samples, level=0.95):
    """Compute the percentile interval of a score's samples.

    Parameters
    ----------
    samples : array_like (b,) or (b, k)
        Undefined ones (NaN) are left out.
    level : float

    Returns
    -------
    tuple of float or of array (k,)
        Lower and upper bound; NaN when more than `UNDEFINED` of the samples are undefined.
    """
    samples = numpy.asarray(samples, "float64")
    columns = samples.reshape(len(samples), -1).T
    bounds = numpy.full((2, len(columns)), numpy.nan)
    for number, column in enumerate(columns):
        defined = column[~numpy.isnan(column)]
        if len(defined) >= (1 - UNDEFINED) * len(column):
            bounds[:, number] = numpy.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    low, high = bounds.reshape(2, *samples.shape[1:])
    return (float(low), float(high)) if samples.ndim == 1 else (low, high)
