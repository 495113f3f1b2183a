"""The network of NASA FDL 2017: INPUT -> [[CONV -> RELU]*N -> POOL]*M -> [FC -> RELU]*K -> FC, every parameter an option.

FlareNet's own script pools before each convolution: ``--pool_first``, and ``--preset flarenet`` for all of its defaults.
"""

import dataclasses

from network_models.image_inputs import image_inputs
from network_models.initial_weights import InitialWeights
from network_models.presets import Preset
from tools.errors import UserError
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Options:
    """Layers of the network; 0 channels leave a convolution out, pooling with width, height and stride 1 is none."""

    conv_1_channels: int = option(8, "channels of the first convolution; 0: none", least=0, most=4096)
    conv_1_width: int = option(5, "pixels", least=1, most=512)
    conv_1_height: int = option(5, "pixels", least=1, most=512)
    conv_1_stride: int = option(2, "pixels", least=1, most=512)
    pool_1_width: int = option(4, "pixels", least=1, most=512)
    pool_1_height: int = option(4, "pixels", least=1, most=512)
    pool_1_stride: int = option(4, "pixels", least=1, most=512)
    conv_2_channels: int = option(16, "channels of the second convolution; 0: none", least=0, most=4096)
    conv_2_width: int = option(3, "pixels", least=1, most=512)
    conv_2_height: int = option(3, "pixels", least=1, most=512)
    conv_2_stride: int = option(1, "pixels", least=1, most=512)
    pool_2_width: int = option(4, "pixels", least=1, most=512)
    pool_2_height: int = option(4, "pixels", least=1, most=512)
    pool_2_stride: int = option(4, "pixels", least=1, most=512)
    dropout_rate: float = option(0.2, "share of features dropped in training", least=0.0, most=0.95)
    dense_1_count: int = option(64, "units of the dense layer; 0: none", least=0, most=65_536)
    pool_first: bool = option(False, "pool before each convolution instead of after it")


_SQUARES = {"pool_1": 4, "conv_1": 4, "pool_2": 4, "conv_2": 2}  # pixels on a side
_FLARENET = {f"{layer}_{side}": size for layer, size in _SQUARES.items() for side in ("width", "height")}
_FLARENET |= {"pool_1_stride": 4, "conv_1_stride": 1, "pool_2_stride": 4, "conv_2_stride": 1, "pool_first": True}
_FLARENET |= {"conv_1_channels": 8, "conv_2_channels": 8, "dropout_rate": 0.3, "dense_1_count": 16}
_FLARENET |= {"optimizer": "adadelta", "learning_rate": 1.0, "regression_error": "absolute", "dependent_variable": "forecast"}
_FLARENET |= {"epochs": 10, "batch_size": 32, "steps_per_epoch": 100, "validation_steps": 32}
PRESETS = {
    "flarenet": Preset(
        "FlareNet's fdl1/aia_only.py of 2017 and its config.yml; its strides of convolutions other than 1 had no effect",
        _FLARENET,
    )
}


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        Several images are stacked as channels; a side channel joins at the dense layer.
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
        As `network_models.image_inputs.image_inputs`; or the image becomes smaller than a kernel or pooling window.

    Notes
    -----
    The original fed images in DN; here INPUT includes whitening per channel (`network_models.layers.Whiten`), because
    channels whose counts differ by orders of magnitude hardly train otherwise. Borders are padded, so that strides that
    do not divide the image leave no limb out.
    """
    import keras

    weights = InitialWeights(seed)
    layers = image_inputs(inputs)
    x = layers.stacked("images", whitened=True)
    for number in (1, 2):
        if options.pool_first:
            x = _pooling(x, options, f"pool_{number}")
        if getattr(options, f"conv_{number}_channels"):
            x = _convolution(x, options, f"conv_{number}", weights)
        if not options.pool_first:
            x = _pooling(x, options, f"pool_{number}")
    x = keras.layers.Flatten(name="flatten")(x)
    side_channel = layers.side_channel()
    if side_channel is not None:
        x = keras.layers.Concatenate(name="with_side_channel")([x, side_channel])
    x = keras.layers.Dropout(options.dropout_rate, seed=weights.next_seed(), name="dropout")(x)
    if options.dense_1_count:
        initial = weights.he_normal()
        x = keras.layers.Dense(options.dense_1_count, activation="relu", kernel_initializer=initial, name="dense_1")(x)
    output = keras.layers.Dense(1, dtype="float32", kernel_initializer=weights.glorot_uniform(), name="output")(x)
    return keras.Model(layers.tensors, output, name="fdl1")


def _convolution(x, options, name, weights):
    """Apply the convolution `name` of the options, with its ReLU."""
    import keras

    height, width, stride = (getattr(options, f"{name}_{part}") for part in ("height", "width", "stride"))
    _refuse_smaller(x, height, width, name)
    if (height, width) == (1, 1) and stride > 1:
        # The same numbers; TensorFlow 2.21 crashes in the gradient of a strided 1x1 convolution of few channels.
        x = keras.layers.MaxPooling2D(1, stride, name=f"{name}_stride")(x)
        stride = 1
    return keras.layers.Conv2D(
        getattr(options, f"{name}_channels"),
        (height, width),
        stride,
        padding="same",
        activation="relu",
        kernel_initializer=weights.he_normal(),
        name=name,
    )(x)


def _pooling(x, options, name):
    """Apply the pooling `name` of the options, none where its window and stride are 1."""
    import keras

    height, width, stride = (getattr(options, f"{name}_{part}") for part in ("height", "width", "stride"))
    if (height, width, stride) == (1, 1, 1):
        return x
    _refuse_smaller(x, height, width, name)
    return keras.layers.MaxPooling2D((height, width), stride, padding="same", name=name)(x)


def _refuse_smaller(x, height, width, layer):
    if x.shape[1] < height or x.shape[2] < width:
        raise UserError(
            f"--{layer}_height {height} and --{layer}_width {width}: larger than the {x.shape[1]} x {x.shape[2]} pixels that"
            " reach the layer; make them or the layers before smaller"
        )
