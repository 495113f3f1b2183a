"""AlexNet behind one added convolution, for full-disk magnetograms.

The network of Pandey et al. (2022, 2023): a 3x3 convolution makes three channels of the image, then follows
torchvision's AlexNet (Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks").
"""

import dataclasses

from tools.options import option

from .building_blocks import INITIALISERS, InitialWeights, logits, network_inputs

LEAST = 95  # pixels: of smaller images one position is left, which Keras cannot pool to 6x6 in a compiled function

UNITS = 4096  # of each of the two hidden dense layers


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of AlexNet."""

    dropout: float = option(0.5, "share of features dropped before each of the two hidden dense layers", least=0.0, most=0.95)
    initialiser: str = option("he_normal", "distribution of the initial kernels", choices=INITIALISERS)


def build(inputs, options, seed=0):
    """Build AlexNet for images of a size.

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
    The studies start from ImageNet weights and draw the dense kernels from N(0, 0.01); here every kernel starts from
    He et al. (2015). Features are flattened as (height, width, channel).
    """
    import keras
    from keras import layers

    from network_models.layers import BlockConv2D

    weights = InitialWeights(options.initialiser, seed)
    tensors, x, side_channel = network_inputs(inputs, least=LEAST)

    def convolution(x, channels, width, name):
        return layers.Conv2D(
            channels, width, padding="same", activation="relu", kernel_initializer=weights.kernel(), name=name
        )(x)

    x = convolution(x, 3, 3, "first_conv")
    x = layers.ZeroPadding2D(2, name="conv_1_padding")(x)
    x = BlockConv2D(64, 11, 4, activation="relu", kernel_initializer=weights.kernel(), name="conv_1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool_1")(x)
    x = convolution(x, 192, 5, "conv_2")
    x = layers.MaxPooling2D(3, 2, name="pool_2")(x)
    x = convolution(x, 384, 3, "conv_3")
    x = convolution(x, 256, 3, "conv_4")
    x = convolution(x, 256, 3, "conv_5")
    x = layers.MaxPooling2D(3, 2, name="pool_5")(x)
    x = layers.AdaptiveAveragePooling2D((6, 6), name="adaptive_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("dense_1", "dense_2"):
        x = layers.Dropout(options.dropout, seed=weights.next_seed(), name=f"{name}_dropout")(x)
        x = layers.Dense(UNITS, activation="relu", kernel_initializer=weights.kernel(), name=name)(x)
    return keras.Model(tensors, logits(x, side_channel, weights), name="alexnet")
