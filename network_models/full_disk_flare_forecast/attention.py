"""A convolutional network with maps of its attention: three trainable attention estimators, full-disk magnetograms.

The network of Pandey et al. (2023, "Interpretable solar flare prediction with attention-based deep neural networks"),
after Jetley et al. (2018, "Learn to pay attention"): attention before max pooling at the outputs of blocks 3, 4 and 5.
"""

import dataclasses

from tools.options import option

from .building_blocks import (
    BATCH_NORM,
    INITIALISERS,
    InitialWeights,
    logits,
    network_inputs,
)

LEAST = 192  # pixels: smaller images leave nothing for the last convolution
CHANNELS = (64, 128, 256, 512, 512)


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of the attention network."""

    normalisation: str = option("softmax", "how scores become attention weights", choices=("softmax", "sigmoid"))
    initialiser: str = option("he_uniform", "distribution of the initial kernels", choices=INITIALISERS)


def build(inputs, options, seed=0):
    """Build the attention network for images of a size.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        Several images are stacked as channels; a side channel joins before the last layer.
    options : Options
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        Named inputs. Outputs, by name: ``logits``, shape (n, 2): no event, event; ``attention_scores_1`` to
        ``attention_scores_3``, shape (n, height, width, 1), float32: compatibility of each position with the global
        vector, before normalisation, at 1/4, 1/8 and 1/16 of the image's size. The normalised weights are the last
        outputs of the layers ``attention_1`` to ``attention_3``.

    Raises
    ------
    UserError
        Inputs that the network cannot take.

    Notes
    -----
    The original takes images smaller than 384 pixels, for which there is one global vector. Larger images have several,
    and their mean is taken.
    """
    import keras
    from keras import layers

    from network_models.layers import LinearAttention

    weights = InitialWeights(options.initialiser, seed)
    tensors, image, side_channel = network_inputs(inputs, least=LEAST)
    blocks, global_vector = trunk(image, weights)
    attended, outputs = [], {}
    for number, local in enumerate(blocks[2:], 1):
        attend = LinearAttention(
            projection=512 if local.shape[-1] != 512 else None,
            normalisation=options.normalisation,
            score_initializer=weights.kernel(),
            projector_initializer=weights.kernel(),
            name=f"attention_{number}",
        )
        vector, scores, _ = attend([local, global_vector])
        attended.append(vector)
        outputs[f"attention_scores_{number}"] = scores
    features = layers.Concatenate(name="attended")(attended)
    outputs["logits"] = logits(features, side_channel, weights)
    return keras.Model(tensors, outputs, name="attention")


def trunk(image, weights):
    """Apply the convolutions that the attention network and the standard network share.

    Parameters
    ----------
    image : keras.KerasTensor
        Shape (n, height, width, channel).
    weights : InitialWeights

    Returns
    -------
    blocks : list of keras.KerasTensor
        Outputs of the five blocks before max pooling, the first at the size of the image, each next one at half.
    global_vector : keras.KerasTensor
        Shape (n, 512).
    """
    from keras import layers

    from network_models.layers import FusedBatchNormalization

    def block(x, channels, number, **convolution):
        name = f"block_{number}"
        x = layers.Conv2D(channels, 3, kernel_initializer=weights.kernel(), name=f"{name}_conv", **convolution)(x)
        scale = weights.batch_norm_scale()
        x = FusedBatchNormalization(**BATCH_NORM, gamma_initializer=scale, name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    blocks, x = [], image
    for number, channels in enumerate(CHANNELS, 1):
        blocks.append(block(x, channels, number, padding="same"))
        x = layers.MaxPooling2D(2, name=f"pool_{number}")(blocks[-1])
    x = block(x, 512, 6, strides=3)
    x = layers.Conv2D(512, 2, 2, kernel_initializer=weights.kernel(), name="global_conv")(x)
    return blocks, layers.GlobalAveragePooling2D(name="global_vector")(x)
