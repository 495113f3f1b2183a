"""The network of NASA FDL 2017: INPUT -> [[CONV -> RELU]*N -> POOL]*M -> [FC -> RELU]*K -> FC, every parameter an option."""

import dataclasses

from network_models.image_inputs import image_inputs
from tools.errors import UserError
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Options:
    """Layers of the network; 0 channels leave a convolution out, pooling with width, height and stride 1 is none."""

    conv_1_channels: int = option(8, "channels of the first convolution; 0: none", least=0)
    conv_1_width: int = option(5, "pixels", least=1)
    conv_1_height: int = option(5, "pixels", least=1)
    conv_1_stride: int = option(2, "pixels", least=1)
    pool_1_width: int = option(4, "pixels", least=1)
    pool_1_height: int = option(4, "pixels", least=1)
    pool_1_stride: int = option(4, "pixels", least=1)
    conv_2_channels: int = option(16, "channels of the second convolution; 0: none", least=0)
    conv_2_width: int = option(3, "pixels", least=1)
    conv_2_height: int = option(3, "pixels", least=1)
    conv_2_stride: int = option(1, "pixels", least=1)
    pool_2_width: int = option(4, "pixels", least=1)
    pool_2_height: int = option(4, "pixels", least=1)
    pool_2_stride: int = option(4, "pixels", least=1)
    dropout_rate: float = option(0.2, "share of features dropped in training", least=0.0, most=0.95)
    dense_1_count: int = option(64, "units of the dense layer; 0: none", least=0)


def build(input_shapes, options, *, logarithmic=(), seed=0):
    """Build the network.

    Parameters
    ----------
    input_shapes : dict of str to tuple of int
        As `SolarData.input_shapes`. Several images are stacked as channels; a side channel joins at the dense layer.
    options : Options
    logarithmic : sequence of bool
        For each channel of an image, whether it is whitened by its logarithm. All linear when not given.
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

    from network_models.layers import Whiten

    inputs, names, vector = image_inputs(input_shapes)
    depth = input_shapes[names[0]][-1]
    mask = list(logarithmic) or [False] * depth
    whitened = [Whiten(mask, name=f"whiten_{name}")(inputs[name]) for name in names]
    x = keras.layers.Concatenate(name="images")(whitened) if len(whitened) > 1 else whitened[0]
    kernel = iter(range(seed * 1000, seed * 1000 + 1000))
    for i in (1, 2):
        take = {part: getattr(options, f"conv_{i}_{part}") for part in ("channels", "height", "width", "stride")}
        if take["channels"]:
            _refuse_smaller(x, take, f"conv_{i}")
            initializer = keras.initializers.HeNormal(next(kernel))
            size, stride = (take["height"], take["width"]), take["stride"]
            if size == (1, 1) and stride > 1:
                # The same numbers; TensorFlow 2.21 crashes in the gradient of a strided 1x1 convolution of few channels.
                x = keras.layers.MaxPooling2D(1, stride, name=f"conv_{i}_stride")(x)
                stride = 1
            x = keras.layers.Conv2D(
                take["channels"],
                size,
                stride,
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
                name=f"conv_{i}",
            )(x)
        pool = {part: getattr(options, f"pool_{i}_{part}") for part in ("height", "width", "stride")}
        if set(pool.values()) != {1}:
            _refuse_smaller(x, pool, f"pool_{i}")
            window = (pool["height"], pool["width"])
            x = keras.layers.MaxPooling2D(window, pool["stride"], padding="same", name=f"pool_{i}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    if vector:
        side = Whiten([False] * input_shapes[vector][0], name=f"whiten_{vector}")(inputs[vector])
        x = keras.layers.Concatenate(name="with_side_channel")([x, side])
    x = keras.layers.Dropout(options.dropout_rate, seed=next(kernel), name="dropout")(x)
    if options.dense_1_count:
        initializer = keras.initializers.HeNormal(next(kernel))
        x = keras.layers.Dense(options.dense_1_count, activation="relu", kernel_initializer=initializer, name="dense_1")(x)
    initializer = keras.initializers.GlorotUniform(next(kernel))
    output = keras.layers.Dense(1, dtype="float32", kernel_initializer=initializer, name="output")(x)
    return keras.Model(inputs, output, name="fdl1")


def _refuse_smaller(x, window, layer):
    if x.shape[1] < window["height"] or x.shape[2] < window["width"]:
        raise UserError(
            f"--{layer}_height {window['height']} and --{layer}_width {window['width']}: larger than the {x.shape[1]} x"
            f" {x.shape[2]} pixels that reach the layer; make them or the layers before smaller"
        )
