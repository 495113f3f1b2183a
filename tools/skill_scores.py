"""Verification scores of forecasts, on numpy arrays.

Scores that are undefined for a sample (one class only, a constant series) are NaN, never 0.

References
----------
Leka et al. 2019, ApJS 243, 36 (comparison of operational flare forecasts); Bloomfield et al. 2012, ApJL 747, L41 (TSS);
Wilks 2011, Statistical Methods in the Atmospheric Sciences, chapter 8 (all others).
"""

import typing

import numpy


class ContingencyTable(typing.NamedTuple):
    """Counts of a yes-or-no forecast; each a number or an array of the same shape."""

    hits: numpy.ndarray
    false_alarms: numpy.ndarray
    misses: numpy.ndarray
    correct_nulls: numpy.ndarray


def contingency_table(probability, event, threshold=0.5):
    """Count hits, false alarms, misses and correct nulls.

    Parameters
    ----------
    probability : array (n,)
        Forecast probabilities; a yes is `threshold` or more.
    event : array (n,) of bool or 0 and 1
    threshold : float or array (k,)

    Returns
    -------
    ContingencyTable
        Of int64 numbers, or of arrays (k,) when several thresholds are given.

    Examples
    --------
    >>> table = contingency_table(numpy.array([True, True, False]), numpy.array([True, False, False]))
    >>> [int(count) for count in table]
    [1, 1, 0, 1]
    """
    probability, event = _pair(probability, event)
    threshold = numpy.asarray(threshold, "float64")
    # Sorted once, so that many thresholds cost no more than a search each.
    with_event, without = numpy.sort(probability[event]), numpy.sort(probability[~event])
    hits = len(with_event) - numpy.searchsorted(with_event, threshold, side="left")
    false_alarms = len(without) - numpy.searchsorted(without, threshold, side="left")
    return ContingencyTable(hits, false_alarms, len(with_event) - hits, len(without) - false_alarms)


def true_skill_statistic(table):
    """Compute TSS: probability of detection minus probability of false detection, -1 to 1.

    Examples
    --------
    >>> round(float(true_skill_statistic(ContingencyTable(hits=8, false_alarms=10, misses=2, correct_nulls=90))), 3)
    0.7
    """
    hits, false_alarms, misses, nulls = (numpy.asarray(cell, "float64") for cell in table)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return hits / (hits + misses) - false_alarms / (false_alarms + nulls)


def heidke_skill_score(table):
    """Compute HSS: accuracy relative to a random forecast with the same numbers of yes and no (HSS2 of the field).

    Examples
    --------
    >>> round(float(heidke_skill_score(ContingencyTable(hits=8, false_alarms=10, misses=2, correct_nulls=90))), 3)
    0.515
    """
    hits, false_alarms, misses, nulls = (numpy.asarray(cell, "float64") for cell in table)
    chance = (hits + misses) * (misses + nulls) + (hits + false_alarms) * (false_alarms + nulls)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return 2 * (hits * nulls - false_alarms * misses) / chance


def _cells(table):
    return tuple(numpy.asarray(cell, "float64") for cell in table)


def _ratio(above, below):
    """Divide, NaN instead of a division by zero."""
    above, below = numpy.broadcast_arrays(numpy.asarray(above, "float64"), numpy.asarray(below, "float64"))
    return numpy.divide(above, below, out=numpy.full(above.shape, numpy.nan), where=below != 0)[()]


def probability_of_detection(table):
    """Compute POD, also recall: share of the events that were forecast."""
    hits, _, misses, _ = _cells(table)
    return _ratio(hits, hits + misses)


def probability_of_false_detection(table):
    """Compute POFD: share of the non-events for which an event was forecast."""
    _, false_alarms, _, nulls = _cells(table)
    return _ratio(false_alarms, false_alarms + nulls)


def false_alarm_ratio(table):
    """Compute FAR: share of the forecast events that did not happen."""
    hits, false_alarms, _, _ = _cells(table)
    return _ratio(false_alarms, hits + false_alarms)


def critical_success_index(table):
    """Compute CSI: hits among all that was forecast or happened."""
    hits, false_alarms, misses, _ = _cells(table)
    return _ratio(hits, hits + false_alarms + misses)


def gilbert_skill_score(table):
    """Compute GSS, also equitable threat score: CSI beyond the hits of a random forecast."""
    hits, false_alarms, misses, nulls = _cells(table)
    chance = _ratio((hits + misses) * (hits + false_alarms), hits + false_alarms + misses + nulls)
    return _ratio(hits - chance, hits + false_alarms + misses - chance)


def frequency_bias(table):
    """Compute the events forecast per event that happened: 1 is unbiased."""
    hits, false_alarms, misses, _ = _cells(table)
    return _ratio(hits + false_alarms, hits + misses)


def accuracy(table):
    """Compute the share of the forecasts that were right."""
    hits, false_alarms, misses, nulls = _cells(table)
    return _ratio(hits + nulls, hits + false_alarms + misses + nulls)


def appleman_skill_score(table):
    """Compute ApSS: accuracy relative to always forecasting the more frequent outcome."""
    hits, false_alarms, misses, nulls = _cells(table)
    rarer = numpy.minimum(hits + misses, false_alarms + nulls)
    return _ratio(rarer - false_alarms - misses, rarer)


TABLE_SCORES = {
    "tss": true_skill_statistic,
    "hss": heidke_skill_score,
    "gss": gilbert_skill_score,
    "pod": probability_of_detection,
    "pofd": probability_of_false_detection,
    "far": false_alarm_ratio,
    "csi": critical_success_index,
    "frequency_bias": frequency_bias,
    "accuracy": accuracy,
    "apss": appleman_skill_score,
}


def gandin_murphy_gerrity_score(counts):
    """Compute GMGS, for ordered classes: rare classes and near misses earn more. 1 is perfect, 0 is chance.

    Parameters
    ----------
    counts : array (..., k, k)
        How often class i was forecast (rows) and class j happened (columns), weakest class first.

    Returns
    -------
    float or array (...)
        NaN when the weakest or the strongest class never happened.

    References
    ----------
    Gerrity 1992, Mon. Weather Rev. 120, 2709. For two classes it is the TSS.

    Examples
    --------
    >>> round(float(gandin_murphy_gerrity_score([[30, 5], [10, 55]])), 3)
    0.667
    """
    counts = numpy.asarray(counts, "float64")
    size = counts.shape[-1]
    share = counts / counts.sum((-2, -1), keepdims=True)
    below = numpy.cumsum(share.sum(-2), axis=-1)[..., :-1]
    odds = _ratio(1 - below, below)
    inverse = _ratio(below, 1 - below)
    nothing = numpy.zeros((*odds.shape[:-1], 1))
    lower = numpy.concatenate([nothing, numpy.cumsum(inverse, axis=-1)], axis=-1)
    upper = numpy.concatenate([numpy.cumsum(odds[..., ::-1], axis=-1)[..., ::-1], nothing], axis=-1)
    first, second = numpy.indices((size, size))
    low, high = numpy.minimum(first, second), numpy.maximum(first, second)
    reward = (lower[..., low] - (high - low) + upper[..., high]) / (size - 1)
    return (share * reward).sum((-2, -1))


def log_loss(probability, event, *, least=1e-7):
    """Average the negative logarithm of the probability given to what happened; probabilities are kept `least` from 0 and 1."""
    probability, event = _pair(probability, event)
    return float(numpy.mean(log_losses(probability, event, least=least)))


def log_losses(probability, event, *, least=1e-7):
    """Compute the log-loss of each forecast: float64 (n,)."""
    kept = numpy.clip(numpy.asarray(probability, "float64"), least, 1 - least)
    return -numpy.log(numpy.where(event, kept, 1 - kept))


def bin_of(probability, bins=10):
    """Find the bin of equal width that each probability lies in: int64 (n,), 0 to bins - 1."""
    return numpy.minimum((numpy.asarray(probability, "float64") * bins).astype("int64"), bins - 1)


def brier_parts(count, total, events):
    """Compute reliability, resolution and uncertainty: parts of the Brier score of forecasts replaced by bin means.

    Parameters
    ----------
    count, total, events : array (..., k)
        For each bin the number of forecasts, the sum of their probabilities, and the number of events.

    Returns
    -------
    tuple of float or array (...)
        Brier score = reliability - resolution + uncertainty, but for the spread of probabilities within bins.

    References
    ----------
    Murphy 1973, J. Appl. Meteorol. 12, 595.
    """
    count, total, events = (numpy.asarray(part, "float64") for part in (count, total, events))
    number = count.sum(-1)
    rate = _ratio(events.sum(-1), number)
    mean, seen = (numpy.nan_to_num(_ratio(part, count)) for part in (total, events))
    reliability = _ratio((count * (mean - seen) ** 2).sum(-1), number)
    resolution = _ratio((count * (seen - numpy.asarray(rate)[..., None]) ** 2).sum(-1), number)
    return reliability, resolution, rate * (1 - rate)


def brier_score(probability, event):
    """Compute the mean squared difference of probability and outcome; 0 is perfect."""
    probability, event = _pair(probability, event)
    return float(numpy.mean((probability - event) ** 2))


def brier_skill_score(probability, event, reference=None):
    """Compute the Brier score relative to a reference forecast: 1 is perfect, 0 as good as the reference, below 0 worse.

    Parameters
    ----------
    probability, event : array (n,)
    reference : float or array (n,), optional
        Probabilities of the reference; without it, the event rate of this very sample.
    """
    probability, event = _pair(probability, event)
    reference = event.mean() if reference is None else numpy.asarray(reference, "float64")
    worst = numpy.mean((reference - event) ** 2)
    return float(1 - numpy.mean((probability - event) ** 2) / worst) if worst > 0 else float("nan")


def roc_area(probability, event):
    """Compute the area under the ROC curve: the chance that an event got a higher probability than a non-event, ties half.

    Examples
    --------
    >>> roc_area(numpy.array([0.9, 0.8, 0.3]), numpy.array([True, False, True]))
    0.5
    """
    import scipy.stats

    probability, event = _pair(probability, event)
    events, others = int(event.sum()), int((~event).sum())
    if not events or not others:
        return float("nan")
    ranks = scipy.stats.rankdata(probability)
    return float((ranks[event].sum() - events * (events + 1) / 2) / (events * others))


def roc_curve(probability, event):
    """Compute POFD and POD at every distinct threshold, and the thresholds from the highest down: three float64 (k + 1,)."""
    probability, event = _pair(probability, event)
    thresholds = numpy.unique(probability)[::-1]
    table = contingency_table(probability, event, thresholds)
    start = numpy.zeros(1)
    return (
        numpy.concatenate([start, probability_of_false_detection(table)]),
        numpy.concatenate([start, probability_of_detection(table)]),
        numpy.concatenate([[numpy.inf], thresholds]),
    )


def average_precision(probability, event):
    """Compute the area under the precision-recall curve as steps, as scikit-learn has it; NaN without an event."""
    probability, event = _pair(probability, event)
    if not event.any():
        return float("nan")
    table = contingency_table(probability, event, numpy.unique(probability)[::-1])
    recall, precision = probability_of_detection(table), 1 - false_alarm_ratio(table)
    return float(numpy.sum(numpy.diff(recall, prepend=0.0) * precision))


def best_threshold(probability, event, *, score=true_skill_statistic):
    """Find the threshold of the highest score; choose it on other hours than those that are scored with it.

    Parameters
    ----------
    probability, event : array (n,)
    score : callable
        Of a `ContingencyTable`.

    Returns
    -------
    threshold, score : float
        The threshold lies half-way to the next lower probability, so that equal forecasts of other hours fall on the
        same side. NaN, NaN when the score is undefined.
    """
    probability, event = _pair(probability, event)
    thresholds = numpy.unique(probability)
    scores = score(contingency_table(probability, event, thresholds))
    if numpy.isnan(scores).all():
        return float("nan"), float("nan")
    best = int(numpy.nanargmax(scores))
    lower = thresholds[best - 1] if best else 0.0
    return float((thresholds[best] + lower) / 2), float(scores[best])


def probability_scores(probability, event, *, threshold=0.5, reference=None):
    """Compute TSS and HSS at a threshold, ROC area, Brier score and Brier skill score: dict of float."""
    table = contingency_table(probability, event, threshold)
    return {
        "tss": float(true_skill_statistic(table)),
        "hss": float(heidke_skill_score(table)),
        "auc": roc_area(probability, event),
        "brier": brier_score(probability, event),
        "brier_skill": brier_skill_score(probability, event, reference),
    }


def regression_scores(forecast, truth, references):
    """Compute the errors of a forecast, and its skill against others.

    Parameters
    ----------
    forecast, truth : array (n,)
        In the same unit; for X-ray flux the decadic logarithm, so that errors are in dex.
    references : dict of str to float or array (n,)
        Other forecasts by name.

    Returns
    -------
    dict of float
        ``rmse``, ``mae``, ``bias``, ``correlation``, and for each reference ``skill_<name>``: 1 - MSE / MSE of it.

    Examples
    --------
    >>> scores = regression_scores(numpy.array([1.0, 2.0]), numpy.array([1.0, 3.0]), {"zero": numpy.zeros(2)})
    >>> scores["mae"], scores["bias"], round(scores["skill_zero"], 3)
    (0.5, -0.5, 0.9)
    """
    forecast, truth = numpy.asarray(forecast, "float64"), numpy.asarray(truth, "float64")
    error = forecast - truth
    spread = forecast.std() * truth.std()
    centred = numpy.mean((forecast - forecast.mean()) * (truth - truth.mean()))
    scores = {
        "rmse": float(numpy.sqrt(numpy.mean(error**2))),
        "mae": float(numpy.mean(numpy.abs(error))),
        "bias": float(error.mean()),
        "correlation": float(centred / spread) if spread > 0 else float("nan"),
    }
    for name, reference in references.items():
        worst = numpy.mean((reference - truth) ** 2)
        scores[f"skill_{name}"] = float(1 - numpy.mean(error**2) / worst) if worst > 0 else float("nan")
    return scores


def _pair(probability, event):
    probability, event = numpy.asarray(probability, "float64"), numpy.asarray(event)
    if probability.shape != event.shape or probability.ndim != 1:
        raise ValueError(f"expected two vectors of one length, received shapes {probability.shape} and {event.shape}")
    if len(probability) == 0:
        raise ValueError("no forecasts")
    return probability, event.astype(bool)


def gerrity_score(counts):
    """Compute the Gandin-Murphy-Gerrity score of forecasts of ordered categories: 1 is perfect, 0 as good as a constant.

    Parameters
    ----------
    counts : array_like
        (k, k): how often category i was forecast and j happened, from the weakest to the strongest.

    Returns
    -------
    float
        NaN where only one category happened. Of two categories it is the TSS.

    References
    ----------
    Gerrity 1992, Mon. Weather Rev. 120, 2709; Kubo et al. 2017, J. Space Weather Space Clim. 7, A20 (for flare classes).

    Examples
    --------
    >>> gerrity_score([[50, 0, 0], [0, 30, 0], [0, 0, 20]]), round(gerrity_score([[40, 10], [10, 40]]), 3)
    (1.0, 0.6)
    """
    counts = numpy.asarray(counts, "float64")
    seen = counts.sum(axis=0) > 0
    if seen.sum() < 2:
        return float("nan")
    counts = _merged_categories(counts, seen)
    happened = counts.sum(axis=0)
    share = numpy.cumsum(happened / happened.sum())[:-1]
    odds = (1 - share) / share
    size = len(happened)
    rewards = numpy.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            rewards[i, j] = rewards[j, i] = ((1 / odds[:i]).sum() - (j - i) + odds[j:].sum()) / (size - 1)
    return float((counts * rewards).sum() / counts.sum())


def _merged_categories(counts, seen):
    """Join categories that never happened with the next weaker one that did, or with the weakest that did: fewer counts."""
    group = numpy.maximum(numpy.cumsum(seen) - 1, 0)
    merged = numpy.zeros((group[-1] + 1, group[-1] + 1))
    numpy.add.at(merged, (group[:, None], group[None, :]), counts)
    return merged
