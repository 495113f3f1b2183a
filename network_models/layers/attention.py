"""Attention to positions of an image (Jetley et al. 2018)."""

import keras


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
