"""All scores of probability forecasts, each with an interval from the same samples of blocks of days."""

import dataclasses

import numpy

from tools import skill_scores
from tools.block_bootstrap import interval

BINS = 10
WITHOUT_THRESHOLD = {"brier_skill": "Brier skill", "auc": "ROC area", "best_tss": "best TSS"}
DIFFERENCES = ("tss", "brier_skill", "auc")  # by which forecasts are compared
CELLS = 4 + 2 + 1 + 3 * BINS  # columns of the sums before those of the references


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores of one forecast.

    Attributes
    ----------
    value : dict of str to float
        Of all hours; NaN where a score is undefined.
    samples : dict of str to numpy.ndarray
        Of every bootstrap sample, float64 (samples,); empty without bootstrap.
    """

    value: dict[str, float]
    samples: dict[str, numpy.ndarray]

    def interval(self, name, level=0.95):
        """Compute lower and upper bound of a score: two floats, NaN where it was not sampled."""
        return interval(self.samples[name], level) if name in self.samples else (numpy.nan, numpy.nan)


def words(value, low, high):
    """Write a score and its interval, where it has one: str.

    Examples
    --------
    >>> words(0.5, 0.25, 0.75), words(0.5, numpy.nan, numpy.nan), words(numpy.nan, numpy.nan, numpy.nan)
    ('0.500 [0.250, 0.750]', '0.500', 'undefined')
    """
    if numpy.isnan(value):
        return "undefined"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if numpy.isfinite(low) else f"{value:.3f}"


def score(probability, event, *, threshold=0.5, references=None, bootstrap=None):
    """Score a forecast.

    Parameters
    ----------
    probability, event : array_like (n,)
    threshold : float or array_like (n,)
        A yes is this or more; an array where it differs between folds.
    references : dict of str to array_like (n,)
        Probabilities of other forecasts; ``brier_skill_<name>`` is the Brier skill against each. ``brier_skill`` itself
        is against the event rate of the hours scored, and so flatters no forecast but is known only afterwards.
    bootstrap : tools.block_bootstrap.BlockBootstrap, optional
        Of these hours.

    Returns
    -------
    Scored

    Examples
    --------
    >>> scored = score([0.9, 0.8, 0.3, 0.1], [True, False, True, False])
    >>> scored.value["tss"], scored.value["auc"]
    (0.0, 0.75)
    """
    probability, event = numpy.asarray(probability, "float64"), numpy.asarray(event, bool)
    references = references or {}
    columns = _columns(probability, event, threshold, references)
    value = _scores(columns.sum(axis=0), tuple(references))
    value |= {"auc": skill_scores.roc_area(probability, event), "average_precision": _precision(probability, event)}
    value["best_threshold"], value["best_tss"] = skill_scores.best_threshold(probability, event)
    if bootstrap is None:
        return Scored(_plain(value), {})
    samples = _scores(bootstrap.sums(columns), tuple(references))
    samples["auc"] = bootstrap.roc_areas(probability, event)
    samples["average_precision"] = bootstrap.average_precisions(probability, event)
    return Scored(_plain(value), samples)


def difference(first, second, name, level=0.95):
    """Compute how much higher one forecast scores than a second on the same samples: (difference, lower, upper)."""
    low, high = interval(first.samples[name] - second.samples[name], level) if first.samples else (numpy.nan, numpy.nan)
    return first.value[name] - second.value[name], low, high


def _plain(value):
    return {name: float(number) for name, number in value.items()}


def _precision(probability, event):
    return skill_scores.average_precision(probability, event)


def _columns(probability, event, threshold, references):
    """Compute what is summed over forecasts: all scores but those of curves are functions of these sums."""
    yes = probability >= threshold
    parts = [yes & event, yes & ~event, ~yes & event, ~yes & ~event]
    parts += [(probability - event) ** 2, skill_scores.log_losses(probability, event), event]
    columns = numpy.zeros((len(event), CELLS + len(references)))
    columns[:, :7] = numpy.stack(parts, axis=1)
    place = skill_scores.bin_of(probability, BINS)
    rows = numpy.arange(len(event))
    for offset, amount in ((0, 1.0), (BINS, probability), (2 * BINS, event)):
        columns[rows, 7 + offset + place] = amount
    for position, reference in enumerate(references.values()):
        columns[:, CELLS + position] = (numpy.asarray(reference, "float64") - event) ** 2
    return columns


def _scores(sums, references):
    """Compute scores from sums (..., k): dict of arrays (...)."""
    table = skill_scores.ContingencyTable(*(sums[..., index] for index in range(4)))
    number = sums[..., :4].sum(-1)
    scores = {name: function(table) for name, function in skill_scores.TABLE_SCORES.items()}
    scores |= {name: getattr(table, name) for name in table._fields}
    rate = sums[..., 6] / number
    scores["event_rate"] = rate
    scores["brier"], scores["log_loss"] = sums[..., 4] / number, sums[..., 5] / number
    bins = [sums[..., 7 + offset * BINS : 7 + (offset + 1) * BINS] for offset in range(3)]
    scores["reliability"], scores["resolution"], scores["uncertainty"] = skill_scores.brier_parts(*bins)
    scores["brier_skill"] = _skill(scores["brier"], rate * (1 - rate))
    for position, name in enumerate(references):
        scores[f"brier_skill_{name}"] = _skill(scores["brier"], sums[..., CELLS + position] / number)
    return scores


def _skill(mine, other):
    mine, other = numpy.asarray(mine), numpy.asarray(other)
    return 1 - numpy.divide(mine, other, out=numpy.full(mine.shape, numpy.nan), where=other > 0)
