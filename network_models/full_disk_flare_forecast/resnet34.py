"""ResNet34 behind one added convolution, for full-disk magnetograms.

The network of Pandey et al. (2022): a 3x3 convolution makes three channels of the image, then follows torchvision's
ResNet34 (He et al. 2016).
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

LEAST = 32  # pixels: five halvings
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels, residual blocks


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of ResNet34."""

    initialiser: str = option("he_normal", "distribution of the initial kernels", choices=INITIALISERS)


def build(inputs, options, seed=0):
    """Build ResNet34 for images of a size.

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
        Named inputs; the output ``logits``, shape (n, 2): no event, event.

    Raises
    ------
    UserError
        Inputs that the network cannot take.

    Notes
    -----
    The study starts from ImageNet weights and draws the dense kernel from N(0, 0.01); here every kernel starts from
    He et al. (2015).
    """
    import keras
    from keras import layers

    from network_models.layers import BlockConv2D, FusedBatchNormalization

    weights = InitialWeights(options.initialiser, seed)
    tensors, x, side_channel = network_inputs(inputs, least=LEAST)

    def convolution(x, channels, width, stride, name):
        # "same" padding of a strided convolution is one-sided for even sizes; PyTorch's is not.
        if stride > 1 and width > 1:
            x = layers.ZeroPadding2D(width // 2, name=f"{name}_padding")(x)
        padding = "same" if stride == 1 else "valid"
        return layers.Conv2D(channels, width, stride, padding, use_bias=False, kernel_initializer=weights.kernel(), name=name)(
            x
        )

    def normalised(x, name):
        return FusedBatchNormalization(**BATCH_NORM, name=name)(x)

    x = layers.Conv2D(3, 3, padding="same", activation="relu", kernel_initializer=weights.kernel(), name="first_conv")(x)
    x = layers.ZeroPadding2D(3, name="conv1_padding")(x)
    x = BlockConv2D(64, 7, 2, use_bias=False, kernel_initializer=weights.kernel(), name="conv1")(x)
    x = layers.ReLU(name="relu")(normalised(x, "bn1"))
    x = layers.ZeroPadding2D(1, name="pool_padding")(x)  # zero is as good as -infinity after the ReLU
    x = layers.MaxPooling2D(3, 2, name="pool")(x)
    for stage, (channels, count) in enumerate(STAGES, 1):
        for block in range(count):
            name = f"stage{stage}_block{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            shortcut = x
            if stride > 1:
                shortcut = normalised(convolution(x, channels, 1, 2, f"{name}_shortcut"), f"{name}_shortcut_bn")
            x = layers.ReLU(name=f"{name}_relu1")(
                normalised(convolution(x, channels, 3, stride, f"{name}_conv1"), f"{name}_bn1")
            )
            x = normalised(convolution(x, channels, 3, 1, f"{name}_conv2"), f"{name}_bn2")
            x = layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_sum")([x, shortcut]))
    x = layers.GlobalAveragePooling2D(name="global_pool")(x)
    return keras.Model(tensors, logits(x, side_channel, weights), name="resnet34")
