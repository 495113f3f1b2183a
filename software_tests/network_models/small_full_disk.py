"""A network of the full-disk family that trains within a test: one convolution, dropout, named outputs, a side channel."""

import dataclasses

from network_models.full_disk_flare_forecast.building_blocks import InitialWeights, logits, network_inputs
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of the small network."""

    dropout: float = option(0.2, "share of features dropped", least=0.0, most=0.9)


def build(inputs, options, seed=0):
    """As the five networks; `attention_scores_1` comes before `logits` among the outputs."""
    import keras

    weights = InitialWeights("he_normal", seed)
    tensors, image, side_channel = network_inputs(inputs, least=8)
    x = keras.layers.Conv2D(16, 5, 2, activation="relu", kernel_initializer=weights.kernel())(image)
    scores = keras.layers.Conv2D(1, 1, kernel_initializer=weights.kernel(), name="scores")(x)
    x = keras.layers.Multiply()([x, keras.layers.Activation("sigmoid")(scores)])
    x = keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dropout(options.dropout, seed=weights.next_seed())(x)
    outputs = {"attention_scores_1": scores, "logits": logits(x, side_channel, weights)}
    return keras.Model(tensors, outputs, name="small")
