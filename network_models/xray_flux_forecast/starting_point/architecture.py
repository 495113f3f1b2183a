"""A deeper network to start from: copy this folder, change what you like."""

import dataclasses

from network_models.image_inputs import image_inputs
from network_models.initial_weights import InitialWeights
from network_models.presets import Preset
from tools.errors import UserError
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Options:
    """Blocks of two convolutions and pooling, then dense layers that the side channel joins."""

    block_channels: tuple[int, ...] = option((16, 32, 64, 64), "channels of the convolutions of each block", least=1, most=4096)
    kernel_size: int = option(3, "pixels", least=1, most=512)
    kernel_sizes: tuple[int, ...] = option((), "pixels, one for each block, instead of one for all", least=1, most=512)
    pool_sizes: tuple[int, ...] = option((), "pixels, one for each block, instead of 2 for all", least=1, most=512)
    flatten: bool = option(
        False, "give every feature of the last block to the dense layers, not maximum and mean over the disk"
    )
    bias: bool = option(True, "biases of all layers but the last")
    dense_counts: tuple[int, ...] = option((64,), "units of the dense layers", least=1, most=65_536)
    dropout_rate: float = option(0.3, "share of features dropped in training", least=0.0, most=0.95)
    l2: float = option(0.0, "L2 penalty of kernels", least=0.0, most=100.0)


PRESETS = {
    "flarenet": Preset(
        "FlareNet's starting_point/network.py of 2017 and its config.yml; kernels start from He et al. (2015), where it had"
        " LeCun's distribution and gradients clipped to a norm of 1",
        {
            "block_channels": (16, 32, 64),
            "kernel_sizes": (16, 8, 8),
            "pool_sizes": (8, 8, 4),
            "flatten": True,
            "bias": False,
            "dense_counts": (10,),
            "dropout_rate": 0.2,
            "learning_rate": 1e-3,
            "epochs": 100,
            "batch_size": 20,
            "steps_per_epoch": 100,
            "validation_steps": 90,
            "readers": 2,
            "dependent_variable": "forecast",
        },
    )
}


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
        As `network_models.image_inputs.image_inputs`; the image is too small for the number of blocks; sizes are given for
        another number of blocks.

    Notes
    -----
    The image is whitened inside the network, with statistics of the training split in the same logarithm, so that a
    saved network takes images as the data set hands them out. The last features are pooled over the disk by their
    maximum and their mean: how strong the strongest place is, and how much there is of it. Pools of given sizes are padded,
    so that they may be larger than what is left of the image.
    """
    import keras

    layers = image_inputs(inputs)
    height, width, _ = layers.image_shape
    count = len(options.block_channels)
    kernel_sizes = _per_block("kernel_sizes", options.kernel_sizes, count) or (options.kernel_size,) * count
    pool_sizes = _per_block("pool_sizes", options.pool_sizes, count)
    if not pool_sizes and min(height, width) < 2**count:
        raise UserError(f"--block_channels: {count} blocks halve {height} x {width} pixels to none")
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
                    kernel_sizes[block - 1],
                    padding="same",
                    use_bias=options.bias,
                    kernel_initializer=weights.he_normal(),
                    kernel_regularizer=penalty,
                    name=f"block_{block}_conv_{number}",
                ),
            )
        size, padding = (pool_sizes[block - 1], "same") if pool_sizes else (2, "valid")
        x = keras.layers.MaxPooling2D(size, padding=padding, name=f"block_{block}_pool")(x)
    if options.flatten:
        features = [keras.layers.Flatten(name="flatten")(x)]
    else:
        features = [
            keras.layers.GlobalMaxPooling2D(name="strongest")(x),
            keras.layers.GlobalAveragePooling2D(name="mean")(x),
        ]
    side_channel = layers.side_channel()
    features += [] if side_channel is None else [side_channel]
    x = keras.layers.Concatenate(name="features")(features) if len(features) > 1 else features[0]
    for number, units in enumerate(options.dense_counts, 1):
        x = keras.layers.Dropout(options.dropout_rate, seed=weights.next_seed(), name=f"dropout_{number}")(x)
        initial = weights.he_normal()
        keywords = {"kernel_initializer": initial, "kernel_regularizer": penalty, "use_bias": options.bias}
        x = relu(x, keras.layers.Dense(units, name=f"dense_{number}", **keywords))
    output = keras.layers.Dense(1, dtype="float32", kernel_initializer=weights.glorot_uniform(), name="output")(x)
    return keras.Model(layers.tensors, output, name="starting_point")


def _per_block(name, sizes, count):
    """Check that an option has a size for each of `count` blocks, or none: the sizes."""
    if sizes and len(sizes) != count:
        raise UserError(f"--{name}: {len(sizes)} sizes for {count} blocks (--block_channels); give one for each")
    return sizes
