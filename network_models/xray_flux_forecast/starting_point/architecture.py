"""A deeper network to start from: copy this folder, change what you like."""

import dataclasses

from network_models.image_inputs import image_inputs
from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Options:
    """Blocks of two convolutions and pooling, then dense layers that the side channel joins."""

    block_channels: tuple[int, ...] = option((16, 32, 64, 64), "channels of the convolutions of each block", least=1, most=4096)
    kernel_size: int = option(3, "pixels", least=1, most=512)
    dense_counts: tuple[int, ...] = option((64,), "units of the dense layers", least=1, most=65_536)
    dropout_rate: float = option(0.3, "share of features dropped in training", least=0.0, most=0.95)
    l2: float = option(0.0, "L2 penalty of kernels", least=0.0, most=100.0)


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        Several images are stacked as channels; a side channel joins at the first dense layer.
    options : Options
    seed : int
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        Output (n, 1), linear: the target, or the logit of the event.

    Raises
    ------
    UserError
        As `network_models.image_inputs.image_inputs`; or the image is too small for the number of blocks.

    Notes
    -----
    The image is whitened inside the network, with statistics of the training split in the same logarithm, so that a
    saved network takes images as the data set hands them out. The last features are pooled over the disk by their
    maximum and their mean: how strong the strongest place is, and how much there is of it.
    """
    import keras

    layers = image_inputs(inputs)
    height, width, _ = layers.image_shape
    if min(height, width) < 2 ** len(options.block_channels):
        raise UserError(f"--block_channels: {len(options.block_channels)} blocks halve {height} x {width} pixels to none")
    weights = InitialWeights(seed)
    penalty = keras.regularizers.L2(options.l2) if options.l2 else None

    def relu(x, layer):
        return keras.layers.Activation("relu", name=f"{layer.name}_relu")(layer(x))

    x = layers.stacked("images", whitened=True)
    for block, channels in enumerate(options.block_channels, 1):
        for number in (1, 2):
            x = relu(
                x,
                keras.layers.Conv2D(
                    channels,
                    options.kernel_size,
                    padding="same",
                    kernel_initializer=weights.he_normal(),
                    kernel_regularizer=penalty,
                    name=f"block_{block}_conv_{number}",
                ),
            )
        x = keras.layers.MaxPooling2D(2, name=f"block_{block}_pool")(x)
    strongest = keras.layers.GlobalMaxPooling2D(name="strongest")(x)
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    side_channel = layers.side_channel()
    features = [strongest, mean] if side_channel is None else [strongest, mean, side_channel]
    x = keras.layers.Concatenate(name="features")(features)
    for number, count in enumerate(options.dense_counts, 1):
        x = keras.layers.Dropout(options.dropout_rate, seed=weights.next_seed(), name=f"dropout_{number}")(x)
        initial = weights.he_normal()
        x = relu(x, keras.layers.Dense(count, kernel_initializer=initial, kernel_regularizer=penalty, name=f"dense_{number}"))
    output = keras.layers.Dense(1, dtype="float32", kernel_initializer=weights.glorot_uniform(), name="output")(x)
    return keras.Model(layers.tensors, output, name="starting_point")
