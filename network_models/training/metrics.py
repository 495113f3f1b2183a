"""Keras metrics of a training, that hold on any number of devices.

Sample weights only mark here which samples count: those with a weight above 0, all alike
(`network_models.distribution.weighted_batches`, step 5).
"""

import keras
import numpy

_LOGITS = 12.0  # of bins of probability; what lies beyond is in the first and the last
_STEPS = 20  # of bins, per unit of logit


def _edges():
    """List the edges of bins of probability: even steps of the logit, for forecasts of rare events, and tenths."""
    even = 1 / (1 + numpy.exp(-numpy.arange(-_LOGITS, _LOGITS + 1e-9, 1 / _STEPS)))
    return numpy.unique(numpy.concatenate([even, numpy.arange(1, 10) / 10]))


EDGES = _edges()


def _counting(sample_weight, like):
    if sample_weight is None:
        return keras.ops.ones_like(like)
    return keras.ops.cast(keras.ops.reshape(sample_weight, (-1,)) > 0, like.dtype)


def _probability(y_pred):
    """Compute probabilities, float32 (n,), of logits (n, 1) of the event, (n, 2) of (no event, event), or more columns, the
    first the logit of the event.
    """
    y_pred = keras.ops.cast(y_pred, "float32")
    return keras.ops.sigmoid(y_pred[:, 1] - y_pred[:, 0] if y_pred.shape[-1] == 2 else y_pred[:, 0])


@keras.saving.register_keras_serializable(package="solar")
class MeanLoss(keras.metrics.Mean):
    """A loss averaged over samples.

    Keras averages its own loss over batches and devices, weighting an uneven last batch wrongly on several devices.

    Parameters
    ----------
    loss : keras.losses.Loss
        With ``reduction="none"``.
    class_weights : sequence of float, optional
        Weights of samples without and with an event, of which the mean is then a weighted one.
    """

    def __init__(self, loss, class_weights=None, name="mean_loss", **keywords):
        super().__init__(name=name, **keywords)
        self.loss = keras.losses.get(loss)
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = keras.ops.reshape(self.loss(y_true, y_pred), (-1,))
        weights = _counting(sample_weight, values)
        if self.class_weights is not None:
            none, event = self.class_weights
            weights = weights * keras.ops.where(y_true[:, 0] > 0.5, event, none)
        super().update_state(values, sample_weight=weights)

    def get_config(self):
        return {**super().get_config(), "loss": keras.losses.serialize(self.loss), "class_weights": self.class_weights}


class _ContingencyTable(keras.metrics.Metric):
    """Counts hits, false alarms, misses and correct nulls of logits at a probability threshold.

    Parameters
    ----------
    threshold : float
        Forecasts of this probability or more are a yes.
    """

    def __init__(self, threshold=0.5, name=None, **keywords):
        super().__init__(name=name, **keywords)
        self.threshold = threshold
        self.counts = self.add_weight(name="counts", shape=(4,), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        yes = keras.ops.cast(_probability(y_pred) >= self.threshold, "float64")
        event = keras.ops.cast(y_true[:, 0] > 0.5, "float64")
        cells = [yes * event, yes * (1 - event), (1 - yes) * event, (1 - yes) * (1 - event)]
        counting = _counting(sample_weight, yes)
        self.counts.assign_add(keras.ops.stack([keras.ops.sum(counting * cell) for cell in cells]))

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


@keras.saving.register_keras_serializable(package="solar")
class TrueSkillStatistic(_ContingencyTable):
    """TSS: probability of detection minus probability of false detection; NaN while one class has no samples."""

    def __init__(self, threshold=0.5, name="tss", **keywords):
        super().__init__(threshold, name, **keywords)

    def result(self):
        hits, false_alarms, misses, nulls = keras.ops.unstack(self.counts)
        return hits / (hits + misses) - false_alarms / (false_alarms + nulls)


@keras.saving.register_keras_serializable(package="solar")
class HeidkeSkillScore(_ContingencyTable):
    """HSS: accuracy relative to that of a random forecast with the same numbers of yes and no (HSS2 of the field)."""

    def __init__(self, threshold=0.5, name="hss", **keywords):
        super().__init__(threshold, name, **keywords)

    def result(self):
        hits, false_alarms, misses, nulls = keras.ops.unstack(self.counts)
        chance = (hits + misses) * (misses + nulls) + (hits + false_alarms) * (false_alarms + nulls)
        return 2 * (hits * nulls - false_alarms * misses) / chance


@keras.saving.register_keras_serializable(package="solar")
class CountedProbabilities(HeidkeSkillScore):
    """HSS, and how many forecasts of each probability there were, without and with an event, in bins between `EDGES`.

    Keras logs a number for each metric, and pictures need more: so what they need stands beside one.

    Attributes
    ----------
    bins : keras.Variable
        float64 (3, len(EDGES) + 1): forecasts without and with an event, and the sum of their probabilities.
    """

    def __init__(self, threshold=0.5, name="hss", **keywords):
        super().__init__(threshold, name, **keywords)
        self.bins = self.add_weight(name="bins", shape=(3, len(EDGES) + 1), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, y_pred, sample_weight)
        probability = keras.ops.cast(_probability(y_pred), "float64")
        event = keras.ops.cast(y_true[:, 0] > 0.5, "float64")
        place = keras.ops.one_hot(keras.ops.searchsorted(EDGES, probability, side="right"), len(EDGES) + 1, dtype="float64")
        counting = _counting(sample_weight, probability)
        self.bins.assign_add(
            keras.ops.matmul(keras.ops.stack([counting * (1 - event), counting * event, counting * probability]), place)
        )


def forecasts_of(bins):
    """Return forecasts that stand for those counted in bins.

    Parameters
    ----------
    bins : numpy.ndarray
        `CountedProbabilities.bins`.

    Returns
    -------
    probability, event, count : numpy.ndarray
        float64 (n,): the mean of a bin, whether there was an event, and for how many forecasts it stands. A bin is at most one
        `_STEPS`-th of a logit wide, but for the first and the last, and none crosses a tenth.
    """
    total = bins[:2].sum(axis=0)
    used = total > 0
    least = numpy.concatenate([[0.0], EDGES])[used]
    mean = numpy.maximum(bins[2, used] / total[used], least)  # rounding puts none into the bin below
    probability, event = numpy.tile(mean, 2), numpy.repeat([0.0, 1.0], len(mean))
    count = bins[:2, used].ravel()
    return probability[count > 0], event[count > 0], count[count > 0]
