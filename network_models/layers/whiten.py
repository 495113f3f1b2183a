"""Whitening of images inside a network, with statistics of its training split."""

import keras


@keras.saving.register_keras_serializable(package="solar")
class Whiten(keras.layers.Layer):
    """Subtract the mean and divide by the standard deviation of each channel, intensities by their logarithm.

    The statistics are weights that are not trained: they are saved with the model, and are taken over the training
    split in the same transformation that is applied here, log10(1 + max(x, 0)) for logarithmic channels. Under mixed
    precision it computes in float32: float16 ends at 65,504, and AIA images do not.

    Parameters
    ----------
    logarithmic : sequence of bool
        One entry per channel (last axis) of the input.
    """

    def __init__(self, logarithmic, **keywords):
        super().__init__(autocast=False, **keywords)
        self.logarithmic = [bool(entry) for entry in logarithmic]

    def build(self, shape):
        keywords = {"shape": (shape[-1],), "trainable": False, "autocast": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **keywords)
        self.deviation = self.add_weight(name="deviation", initializer="ones", **keywords)

    def call(self, x):
        x = self.transform(x)
        whitened = (x - keras.ops.cast(self.mean, x.dtype)) / keras.ops.cast(self.deviation, x.dtype)
        return keras.ops.cast(whitened, self.compute_dtype)

    def transform(self, x):
        """Take the logarithm of the logarithmic channels: array or tensor (..., channel) -> the same shape."""
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
