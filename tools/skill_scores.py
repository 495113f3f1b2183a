"""Verification scores of forecasts, on numpy arrays.

Scores that are undefined for a sample (one class only, a constant series) are NaN, never 0.

References
----------
Leka et al. 2019, ApJS 243, 36 (comparison of operational flare forecasts); Bloomfield et al. 2012, ApJL 747, L41 (TSS).
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
    """
    probability, event = _pair(probability, event)
    threshold = numpy.asarray(threshold, "float64")
    # Sorted once, so that many thresholds cost no more than a search each.
    with_event, without = numpy.sort(probability[event]), numpy.sort(probability[~event])
    hits = len(with_event) - numpy.searchsorted(with_event, threshold, side="left")
    false_alarms = len(without) - numpy.searchsorted(without, threshold, side="left")
    return ContingencyTable(hits, false_alarms, len(with_event) - hits, len(without) - false_alarms)


def true_skill_statistic(table):
    """TSS: probability of detection minus probability of false detection, -1 to 1."""
    hits, false_alarms, misses, nulls = (numpy.asarray(cell, "float64") for cell in table)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return hits / (hits + misses) - false_alarms / (false_alarms + nulls)


def heidke_skill_score(table):
    """HSS: accuracy relative to a random forecast with the same numbers of yes and no (HSS2 of the field)."""
    hits, false_alarms, misses, nulls = (numpy.asarray(cell, "float64") for cell in table)
    chance = (hits + misses) * (misses + nulls) + (hits + false_alarms) * (false_alarms + nulls)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return 2 * (hits * nulls - false_alarms * misses) / chance


def brier_score(probability, event):
    """Mean squared difference of probability and outcome; 0 is perfect."""
    probability, event = _pair(probability, event)
    return float(numpy.mean((probability - event) ** 2))


def brier_skill_score(probability, event, reference=None):
    """Brier score relative to a reference forecast: 1 is perfect, 0 as good as the reference, below 0 worse.

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
    """Area under the ROC curve: the chance that an event got a higher probability than a non-event, ties half."""
    import scipy.stats

    probability, event = _pair(probability, event)
    events, others = int(event.sum()), int((~event).sum())
    if not events or not others:
        return float("nan")
    ranks = scipy.stats.rankdata(probability)
    return float((ranks[event].sum() - events * (events + 1) / 2) / (events * others))


def probability_scores(probability, event, *, threshold=0.5, reference=None):
    """TSS and HSS at a threshold, ROC area, Brier score and Brier skill score: dict of float."""
    table = contingency_table(probability, event, threshold)
    return {
        "tss": float(true_skill_statistic(table)),
        "hss": float(heidke_skill_score(table)),
        "auc": roc_area(probability, event),
        "brier": brier_score(probability, event),
        "brier_skill": brier_skill_score(probability, event, reference),
    }


def regression_scores(forecast, truth, references):
    """Errors of a forecast, and its skill against others.

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
