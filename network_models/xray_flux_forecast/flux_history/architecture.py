"""Convolutions along time on the flux of the last hours, and dense layers."""

import dataclasses

from network_models.image_inputs import image_inputs
from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Options:
    """Blocks of a convolution along time and a pooling, then a dense layer that the side channel joins."""

    block_channels: tuple[int, ...] = option((8, 16, 16), "channels of the convolution of each block", least=1, most=4096)
    kernel_minutes: int = option(9, "places along time that a convolution sees", least=1, most=512)
    pool_minutes: int = option(4, "places along time of which one is left by each block", least=1, most=512)
    dense_count: int = option(32, "units of the dense layer", least=1, most=65_536)
    dropout_rate: float = option(0.2, "share of features dropped in training", least=0.0, most=0.95)


PRESETS = {}


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        A picture whose rows follow each other in time, as of `dataset_models.flux_history.FluxHistory`; a side channel joins
        at the dense layer.
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
        As `network_models.image_inputs.image_inputs`; the picture is too small for the number of blocks.

    Notes
    -----
    Rows are joined to one line in time. The last minutes, as many as are pooled, reach the dense layer as they are, so
    that the flux of now is not lost to the maxima.
    """
    import keras

    layers = image_inputs(inputs)
    height, width, channels = layers.image_shape
    count, pool = len(options.block_channels), options.pool_minutes
    if height * width < pool**count:
        left = f"{count} blocks leave nothing of {height} x {width} minutes"
        raise UserError(f"--block_channels: {left}; give fewer, or more --hours")
    weights = InitialWeights(seed)
    line = keras.layers.Reshape((1, height * width, channels), name="line")(layers.stacked("images", whitened=True))
    x = line
    for block, features in enumerate(options.block_channels, 1):
        initial = {"padding": "same", "kernel_initializer": weights.he_normal(), "name": f"conv_{block}"}
        x = keras.layers.Conv2D(features, (1, options.kernel_minutes), **initial)(x)
        x = keras.layers.Activation("relu", name=f"conv_{block}_relu")(x)
        x = keras.layers.MaxPooling2D((1, pool), name=f"pool_{block}")(x)
    latest = keras.layers.Cropping2D(((0, 0), (height * width - pool, 0)), name="latest")(line)
    parts = [keras.layers.Flatten(name="features")(x), keras.layers.Flatten(name="now")(latest)]
    side_channel = layers.side_channel()
    parts += [] if side_channel is None else [side_channel]
    x = keras.layers.Concatenate(name="with_now")(parts)
    x = keras.layers.Dropout(options.dropout_rate, seed=weights.next_seed(), name="dropout")(x)
    x = keras.layers.Dense(options.dense_count, kernel_initializer=weights.he_normal(), name="dense")(x)
    x = keras.layers.Activation("relu", name="dense_relu")(x)
    output = keras.layers.Dense(1, dtype="float32", kernel_initializer=weights.glorot_uniform(), name="output")(x)
    return keras.Model(layers.tensors, output, name="flux_history")
