"""VGG16 behind one added convolution, for full-disk magnetograms.

The network of Pandey et al. (2022): a 3x3 convolution makes three channels of the image, then follows torchvision's
VGG16 without batch normalisation (Simonyan & Zisserman 2015, configuration D).
"""

import dataclasses

from tools.options import option

from .building_blocks import INITIALISERS, InitialWeights, logits, network_inputs

LEAST = 64  # pixels: of smaller images one position is left, which Keras cannot pool to 7x7 in a compiled function
UNITS = 4096  # of each of the two hidden dense layers
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of VGG16."""

    dropout: float = option(0.5, "share of features dropped after each of the two hidden dense layers", least=0.0, most=0.95)
    initialiser: str = option("he_normal", "distribution of the initial kernels", choices=INITIALISERS)


def build(inputs, options, seed=0):
    """Build VGG16 for images of a size.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        Several images are stacked as channels; a side channel joins before the last layer.
    options : Options
    seed : int
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        Named inputs; the output ``logits``, shape (n, 2): no event, event.

    Raises
    ------
    UserError
        Inputs that the network cannot take.

    Notes
    -----
    The study starts from ImageNet weights and draws the dense kernels from N(0, 0.01); here every kernel starts from
    He et al. (2015). Features are flattened as (height, width, channel).
    """
    import keras
    from keras import layers

    weights = InitialWeights(options.initialiser, seed)
    tensors, x, side_channel = network_inputs(inputs, least=LEAST)

    def convolution(x, channels, name):
        return layers.Conv2D(channels, 3, padding="same", activation="relu", kernel_initializer=weights.kernel(), name=name)(x)

    x = convolution(x, 3, "first_conv")
    for block, (channels, count) in enumerate(BLOCKS, 1):
        for number in range(1, count + 1):
            x = convolution(x, channels, f"conv_{block}_{number}")
        x = layers.MaxPooling2D(2, name=f"pool_{block}")(x)
    x = layers.AdaptiveAveragePooling2D((7, 7), name="adaptive_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("dense_1", "dense_2"):
        x = layers.Dense(UNITS, activation="relu", kernel_initializer=weights.kernel(), name=name)(x)
        x = layers.Dropout(options.dropout, seed=weights.next_seed(), name=f"{name}_dropout")(x)
    return keras.Model(tensors, logits(x, side_channel, weights), name="vgg16")
