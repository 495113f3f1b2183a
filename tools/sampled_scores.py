"""Every score of a probability forecast, for all samples of a block bootstrap at once."""

import dataclasses

import numpy

from tools import skill_scores
from tools.block_bootstrap import interval

BINS = 10
# Scores that are better when they are lower, and those that have no better or worse.
LOWER_IS_BETTER = ("pofd", "far", "brier", "reliability", "log_loss")
NEITHER = ("frequency_bias", "uncertainty")


@dataclasses.dataclass(frozen=True)
class Sampled:
    """A score and its bootstrap samples.

    Attributes
    ----------
    value : float
        Of the sample itself, NaN where undefined.
    samples : numpy.ndarray
        float64 (b,).
    """

    value: float
    samples: numpy.ndarray

    def __sub__(self, other):
        """The difference to a score of another forecast of the same hours, from the same bootstrap."""
        return Sampled(self.value - other.value, self.samples - other.samples)

    def interval(self, level=0.95):
        """Lower and upper bound, see `block_bootstrap.interval`."""
        return interval(self.samples, level)


def sampled_scores(bootstrap, probability, event, *, threshold=0.5, references=None, least=1e-7):
    """All scores of a probability forecast with their bootstrap samples.

    Parameters
    ----------
    bootstrap : tools.block_bootstrap.BlockBootstrap
        Of the same hours; forecasts that are to be compared share one.
    probability : array_like (n,)
    event : array_like of bool (n,)
    threshold : float or array_like (n,)
        A yes is this or more; one for each hour when hours have thresholds of their own (chosen on other folds).
        NaN leaves the scores of a yes or no undefined.
    references : dict of str to float or array_like (n,), optional
        Probabilities of other forecasts; hours where one is NaN count neither for it nor for the forecast.
    least : float
        Probabilities are kept this far from 0 and 1 in the log-loss.

    Returns
    -------
    dict of str to Sampled
        Those of `skill_scores.TABLE_SCORES`; ``brier``, ``reliability``, ``resolution``, ``uncertainty``,
        ``log_loss``, ``auc``, ``average_precision``, and ``brier_skill_<name>`` for each reference.
    """
    probability, event = numpy.asarray(probability, "float64"), numpy.asarray(event, bool)
    squares = (probability - event) ** 2
    names = list(references or {})
    sums = _Sums(bootstrap)
    sums.add("cells", _cells(probability, event, threshold))
    sums.add("count", numpy.ones(len(event)))
    sums.add("brier", squares)
    sums.add("log_loss", skill_scores.log_losses(probability, event, least=least))
    inside = skill_scores.bin_of(probability, BINS)[:, None] == numpy.arange(BINS)
    for name, weight in (("bins", 1.0), ("bin_total", probability[:, None]), ("bin_events", event[:, None])):
        sums.add(name, inside * weight)
    for name in names:
        reference = numpy.broadcast_to(numpy.asarray(references[name], "float64"), event.shape)
        known = ~numpy.isnan(reference)
        sums.add(f"own_{name}", numpy.where(known, squares, 0.0))
        sums.add(f"other_{name}", numpy.where(known, (reference - event) ** 2, 0.0))
    found = {}
    table = skill_scores.ContingencyTable(*numpy.moveaxis(sums["cells"], -1, 0))
    for name, score in skill_scores.TABLE_SCORES.items():
        found[name] = score(table)
    for name in ("brier", "log_loss"):
        found[name] = sums[name] / sums["count"]
    parts = skill_scores.brier_parts(sums["bins"], sums["bin_total"], sums["bin_events"])
    found |= dict(zip(("reliability", "resolution", "uncertainty"), parts, strict=True))
    for name in names:
        own, other = sums[f"own_{name}"], sums[f"other_{name}"]
        found[f"brier_skill_{name}"] = 1 - numpy.divide(own, other, out=numpy.full(own.shape, numpy.nan), where=other > 0)
    whole = bootstrap.whole()
    for name, method in (("auc", "roc_areas"), ("average_precision", "average_precisions")):
        found[name] = numpy.concatenate([getattr(one, method)(probability, event) for one in (whole, bootstrap)])
    return {name: Sampled(float(values[0]), values[1:]) for name, values in found.items()}


class _Sums:
    """Named sums over the forecasts: of the sample itself first, then of every bootstrap sample."""

    def __init__(self, bootstrap):
        self._bootstraps = (bootstrap.whole(), bootstrap)
        self._found = {}

    def add(self, name, values):
        self._found[name] = numpy.concatenate([one.sums(values) for one in self._bootstraps])

    def __getitem__(self, name):
        return self._found[name]


def _cells(probability, event, threshold):
    """Which cell of the contingency table each forecast is in: float64 (n, 4), NaN with a threshold of NaN."""
    threshold = numpy.broadcast_to(numpy.asarray(threshold, "float64"), event.shape)
    yes = probability >= threshold
    cells = numpy.stack([yes & event, yes & ~event, ~yes & event, ~yes & ~event], axis=1).astype("float64")
    cells[numpy.isnan(threshold)] = numpy.nan
    return cells


def better(name, difference):
    """How much better a score is by a difference: turned where lower is better, NaN where neither is."""
    if name in NEITHER:
        return float("nan")
    return -difference if name in LOWER_IS_BETTER else difference
