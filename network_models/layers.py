"""Every Keras layer of the project, registered so that saved networks load in any process that imports this file."""

import math

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


@keras.saving.register_keras_serializable(package="solar")
class BlockConv2D(keras.layers.Conv2D):
    """A strided convolution computed on blocks of pixels: the same numbers, several times faster backwards on a CPU.

    Each stride x stride block of pixels becomes one position with stride^2 times the channels, and the kernel, which
    keeps the shape and the weights of `keras.layers.Conv2D`, is rearranged likewise. The stride is then 1. Worth it for
    the first strided convolution of a network, whose few channels make the gradient of its input slow.

    Parameters
    ----------
    filters, kernel_size, strides, **keywords
        As of `keras.layers.Conv2D`; padding is ``"valid"``, one stride greater than 1 for both directions.
    """

    def __init__(self, filters, kernel_size, strides=2, **keywords):
        super().__init__(filters, kernel_size, strides, **keywords)
        same = len(set(self.strides)) == 1 and self.strides[0] > 1
        if not same or self.padding != "valid" or self.groups != 1 or set(self.dilation_rate) != {1}:
            raise ValueError("Expected one stride above 1, padding 'valid', no groups and no dilation")

    def convolution_op(self, inputs, kernel):
        stride = self.strides[0]
        return self.convolve_blocks(blocks_of_images(inputs, kernel.shape[:2], stride), blocks_of_kernel(kernel, stride))

    def convolve_blocks(self, blocks, kernel):
        """Convolve with stride 1: blocks (n, height, width, channel) and kernel (height, width, channel, filter)."""
        import tensorflow

        return tensorflow.nn.conv2d(blocks, kernel, 1, "VALID")


def blocks_of_images(images, widths, stride):
    """Rearrange images so that a convolution of some stride, without padding, becomes one of stride 1.

    Parameters
    ----------
    images : tensorflow.Tensor
        Shape (n, height, width, channel), all but n known.
    widths : tuple of int
        Height and width of the kernel.
    stride : int

    Returns
    -------
    tensorflow.Tensor
        Of a `stride`-th of the height and width, with stride^2 times the channels.
    """
    import tensorflow

    if stride == 1:
        return images
    # The image grows, by zeros at its ends, to what the grown kernel needs; the output keeps its size.
    lengths = images.shape[1:3]
    size = [
        stride * ((length - width) // stride + math.ceil(width / stride)) for length, width in zip(lengths, widths, strict=True)
    ]
    added = [[0, max(0, needed - length)] for needed, length in zip(size, lengths, strict=True)]
    if any(end for _, end in added):
        images = tensorflow.pad(images, [[0, 0], *added, [0, 0]])
    return tensorflow.nn.space_to_depth(images[:, : size[0], : size[1]], stride)


def blocks_of_kernel(kernel, stride):
    """Rearrange a kernel (height, width, channel, filter) likewise; it grows, by zeros at its ends, to whole blocks."""
    import tensorflow

    if stride == 1:
        return kernel
    counts = [math.ceil(width / stride) for width in kernel.shape[:2]]
    grown = [[0, stride * count - width] for count, width in zip(counts, kernel.shape[:2], strict=True)]
    kernel = tensorflow.pad(kernel, [*grown, [0, 0], [0, 0]])
    channels, filters = kernel.shape[2:]
    kernel = tensorflow.reshape(kernel, (counts[0], stride, counts[1], stride, channels, filters))
    kernel = tensorflow.transpose(kernel, (0, 2, 1, 3, 4, 5))
    return tensorflow.reshape(kernel, (*counts, stride**2 * channels, filters))


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
        if keras.backend.standardize_dtype(inputs.dtype) == "float64":  # which the operation does not know
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


@keras.saving.register_keras_serializable(package="solar")
class LinearAttention(keras.layers.Layer):
    """Attention to the positions of an image that agree with a global vector (Jetley et al. 2018, addition and 1x1 score).

    With local vectors l, projected to the length of the global vector g where they differ, the score of a position is
    w . (P l + g). Normalised over positions, scores are the weights a, and the layer returns the sum of a P l (softmax)
    or its mean (sigmoid).

    Parameters
    ----------
    projection : int or None
        Length of the global vector when the local vectors have another one.
    normalisation : str
        ``"softmax"`` over all positions or ``"sigmoid"`` of each.
    score_initializer, projector_initializer : str or keras.initializers.Initializer

    Notes
    -----
    Takes [local (n, height, width, channel), global (n, length)] and returns the attended vector (n, length), the
    scores (n, height, width, 1) and the weights (n, height, width, 1), the last two in float32. P is linear and has no
    bias, so it is applied to the sum instead of to every position: the same numbers, without a projected image.
    """

    def __init__(
        self,
        projection=None,
        normalisation="softmax",
        score_initializer="he_uniform",
        projector_initializer="he_uniform",
        **keywords,
    ):
        super().__init__(**keywords)
        if normalisation not in ("softmax", "sigmoid"):
            raise ValueError(f"Expected normalisation 'softmax' or 'sigmoid'. Received: {normalisation!r}")
        self.projection = projection
        self.normalisation = normalisation
        self.score_initializer = keras.initializers.get(score_initializer)
        self.projector_initializer = keras.initializers.get(projector_initializer)

    def build(self, shapes):
        channels = shapes[0][-1]
        self.projector = None
        if self.projection is not None:
            shape = (channels, self.projection)
            self.projector = self.add_weight(name="projector", shape=shape, initializer=self.projector_initializer)
        shape = (self.projection or channels, 1)
        self.score = self.add_weight(name="score", shape=shape, initializer=self.score_initializer)

    def call(self, inputs):
        local, context = inputs
        height, width, channels = local.shape[1:]
        positions = keras.ops.reshape(local, (-1, height * width, channels))
        local_score = self.score if self.projector is None else keras.ops.matmul(self.projector, self.score)
        scores = keras.ops.matmul(positions, local_score) + keras.ops.matmul(context, self.score)[:, None]
        scores = keras.ops.cast(scores, "float32")
        if self.normalisation == "softmax":
            weights = keras.ops.softmax(scores, axis=1)
            share = weights
        else:
            weights = keras.ops.sigmoid(scores)
            share = weights / (height * width)
        # float16 hardly holds a share of one in 65,536 positions.
        attended = keras.ops.matmul(keras.ops.transpose(share, (0, 2, 1)), keras.ops.cast(positions, "float32"))[:, 0]
        attended = keras.ops.cast(attended, self.compute_dtype)
        if self.projector is not None:
            attended = keras.ops.matmul(attended, self.projector)
        shape = (-1, height, width, 1)
        return attended, keras.ops.reshape(scores, shape), keras.ops.reshape(weights, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "projection": self.projection,
            "normalisation": self.normalisation,
            "score_initializer": keras.initializers.serialize(self.score_initializer),
            "projector_initializer": keras.initializers.serialize(self.projector_initializer),
        }
