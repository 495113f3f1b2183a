"""Batch normalisation of images in one operation, with PyTorch's moving variance."""

import keras


@keras.saving.register_keras_serializable(package="solar")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation over the last axis of images in one operation, several times faster than Keras's on a CPU.

    Same weights and arguments as `keras.layers.BatchNormalization`. The moving variance takes the unbiased variance of
    the batch, as PyTorch's BatchNorm2d does; Keras's takes the biased one. Statistics are float32 under every policy.
    """

    def __init__(self, **keywords):
        super().__init__(**keywords)
        if self.axis not in (-1, 3) or self.renorm or self.synchronized or not (self.center and self.scale):
            raise ValueError("Expected the last axis, scale and offset, neither renormalised nor synchronised")

    def call(self, inputs, training=None):
        # The operation has no counterpart in keras.ops.
        import tensorflow

        training = bool(training and self.trainable)
        if keras.backend.standardize_dtype(inputs.dtype) == "float64":  # which the operation does not support
            return super().call(inputs, training=training)
        unused = tensorflow.zeros((0,))
        result = tensorflow.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=keras.ops.cast(self.gamma, "float32"),
            offset=keras.ops.cast(self.beta, "float32"),
            mean=unused if training else keras.ops.cast(self.moving_mean, "float32"),
            variance=unused if training else keras.ops.cast(self.moving_variance, "float32"),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            new = 1.0 - self.momentum
            self.moving_mean.assign(self.moving_mean * self.momentum + result.batch_mean * new)
            self.moving_variance.assign(self.moving_variance * self.momentum + result.batch_variance * new)
        return result.y
