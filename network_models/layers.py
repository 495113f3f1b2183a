"""Every Keras layer of the project, registered so that saved networks load in any process that imports this file."""

import keras


@keras.saving.register_keras_serializable(package="solar")
class Whiten(keras.layers.Layer):
    """Subtract the mean and divide by the standard deviation of each channel, intensities by their logarithm.

    The statistics are weights that are not trained: they are saved with the model, and are taken over the training
    split in the same transformation that is applied here, log10(1 + max(x, 0)) for logarithmic channels.

    Parameters
    ----------
    logarithmic : sequence of bool
        One entry per channel (last axis) of the input.
    """

    def __init__(self, logarithmic, **keywords):
        super().__init__(trainable=False, **keywords)
        self.logarithmic = [bool(entry) for entry in logarithmic]

    def build(self, shape):
        self.mean = self.add_weight(name="mean", shape=(shape[-1],), initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=(shape[-1],), initializer="ones", trainable=False)

    def call(self, x):
        x = self.transform(x)
        return (x - keras.ops.cast(self.mean, x.dtype)) / keras.ops.cast(self.deviation, x.dtype)

    def transform(self, x):
        """Logarithm of the logarithmic channels: array or tensor (..., channel) -> the same shape."""
        if not any(self.logarithmic):
            return x
        logarithm = keras.ops.log10(1 + keras.ops.maximum(x, 0))
        return logarithm if all(self.logarithmic) else keras.ops.where(self.logarithmic, logarithm, x)

    def set_statistics(self, mean, deviation):
        """Store mean and standard deviation per channel (of transformed values); a constant channel is only centred."""
        self.mean.assign(mean)
        self.deviation.assign([value if value > 0 else 1.0 for value in deviation])

    def get_config(self):
        return {**super().get_config(), "logarithmic": self.logarithmic}
