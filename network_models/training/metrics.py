"""Keras metrics of a training, that hold on any number of devices.

Sample weights only mark here which samples count: those with a weight above 0, all alike
(`network_models.distribution.weighted_batches`, step 5).
"""

import keras


def _counting(sample_weight, like):
    if sample_weight is None:
        return keras.ops.ones_like(like)
    return keras.ops.cast(keras.ops.reshape(sample_weight, (-1,)) > 0, like.dtype)


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
        # y_pred: logits (n, 1) of the event, (n, 2) of (no event, event), or more columns, the first the logit of the event.
        y_pred = keras.ops.cast(y_pred, "float32")
        logit = y_pred[:, 1] - y_pred[:, 0] if y_pred.shape[-1] == 2 else y_pred[:, 0]
        yes = keras.ops.cast(keras.ops.sigmoid(logit) >= self.threshold, "float64")
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
