"""Beta-VAEs of magnetogram sequences: convolutions in space and time, in the layouts that the thesis tried."""

import dataclasses
import math

from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option

from .building_blocks import VAEOptions, assemble, only_input, posterior


@dataclasses.dataclass(frozen=True)
class Layout:
    """Convolutions from a sequence to its features; the way back mirrors them.

    Attributes
    ----------
    channels : tuple of int
        Of each convolution, or of each block.
    kernels : tuple of tuple of int
        Frames, rows and columns, of each convolution.
    strides, padding : tuple of int
        Likewise, of all convolutions.
    blocks : tuple of int
        Convolutions of 3 x 3 x 3 without biases in each block, which a pooling halves; instead of strided convolutions.
    multiple : int
        Of which height and width have to be multiples.
    """

    channels: tuple[int, ...]
    kernels: tuple = ()
    strides: tuple[int, int, int] = (1, 2, 2)
    padding: tuple[int, int, int] = (0, 0, 0)
    blocks: tuple[int, ...] = ()
    multiple: int = 1


LAYOUTS = {
    "d6": Layout((6, 12, 24, 24), ((3, 4, 4), (3, 3, 3), (2, 3, 3), (1, 3, 3)), multiple=16),
    "d6_v2": Layout((6, 12, 24, 48, 64, 128), ((3, 4, 4), (3, 4, 4), (2, 4, 4), *[(1, 4, 4)] * 3), padding=(0, 1, 1)),
    "simple": Layout((16, 32, 64), ((4, 4, 4),) * 3, strides=(2, 2, 2), padding=(1, 1, 1)),
    "simple2": Layout((16, 32), ((5, 5, 5),) * 2, strides=(5, 5, 5), padding=(2, 2, 2)),
    "vgg": Layout((64, 128, 256, 512, 512), blocks=(2, 2, 3, 3, 3)),
}
BATCH_NORM = {"epsilon": 1e-5, "momentum": 0.9}  # PyTorch's defaults; its momentum 0.1 is the share of the new batch


@dataclasses.dataclass(kw_only=True)
class Options(VAEOptions):
    """As in the thesis: 32 latents. Dropout is off: at a share of 0.2 nothing was learned from 800 simulated sequences."""

    latent_dim: int = option(32, "latent variables; 0: none, the decoder is given all features", least=0, most=4096)
    layout: str = option("d6", "of the convolutions", choices=tuple(LAYOUTS))
    normalised: bool = option(False, "batch normalisation between the convolutions")
    dense_units: tuple[int, ...] = option(
        (), "of dense layers between convolutions and latents, the same backwards", least=1, most=65_536
    )
    dense_dropout: float = option(0.0, "share dropped before each dense layer of the encoder", least=0.0, most=0.95)
    mean_image: bool = option(True, "work on the difference to the mean sequence, which the thesis did not")
    annealing_steps: int = option(
        1000, "training steps in which the weight of the divergence grows from 0", least=0, most=10**9
    )


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        One sequence (frames, height, width, channel). The published layout, ``d6``, takes at least 6 frames and multiples of
        16 pixels, and was trained at (6, 512, 512, 1).
    options : Options
    seed : int
        Of the initial weights, of dropout and of the sampling.

    Returns
    -------
    network_models.layers.variational.BetaVAE

    Raises
    ------
    UserError
        Too few frames, another size, or single images.

    Notes
    -----
    ``d6``: four 3-D convolutions without padding take (6, 512, 512) to (1, 31, 31): kernels (3, 4, 4), (3, 3, 3), (2, 3, 3)
    and (1, 3, 3), strides (1, 2, 2), 6, 12, 24 and 24 channels. ``d6_v2``: six of 4 x 4 pixels that halve exactly. ``simple``
    and ``simple2`` halve, or divide by five, frames too. ``vgg``: blocks of two or three convolutions and a pooling.
    A dense layer gives mean and log-variance, another one leads back, and the same kernels, transposed, to the sequence.
    Dropout takes away whole channels before each ReLU; batch normalisation stands there too, but for the innermost features
    and the sequence itself. The thesis has two dense layers for mean and log-variance, which is the same; the mean sequence,
    taken away before and added after, is ours.

    Three of its layouts could not be trained as written there: ``simple`` gives 56 frames back for 60, ``simple2`` and the
    60 frames of the full disk (``vgg``) expect features of another shape than their convolutions give, and the latter's
    decoder ends with 64 channels. Here each gives back what it was given: sizes that do not divide are rounded up in pooling
    and cut to the size that the encoder had; a last convolution makes one channel of 64.

    References
    ----------
    The networks of a master's thesis on flares: vanhumbeecka/mai-thesis-public, ``ModelDepth6Layer4Dropout`` and its siblings.
    """
    name, shape = only_input(inputs, 4, "sequence")
    layout = LAYOUTS[options.layout]
    _require_size(options.layout, *shape[:3])
    if options.capacity and not options.latent_dim:
        raise UserError(f"--capacity {options.capacity:g}: needs latents; --latent_dim is 0")
    weights = InitialWeights(seed)
    encoder, sizes = _encoder(name, shape, layout, options, weights)
    decoder = _decoder(sizes, shape[-1], layout, options, weights)
    return assemble(encoder, decoder, options, name="sequence", seed=seed, deterministic=not options.latent_dim)


def _require_size(name, *size):
    """Check frames, height and width against what a layout can take."""
    layout = LAYOUTS[name]
    if layout.blocks:
        return
    least = [1, 1, 1]
    for kernel in layout.kernels[::-1]:
        parts = zip(least, kernel, layout.strides, layout.padding, strict=True)
        least = [max((inner - 1) * stride + width - 2 * pad, 1) for inner, width, stride, pad in parts]
    frames, height, width = size
    if frames < least[0]:
        raise UserError(f"sequence: takes sequences of at least {least[0]} frames, received {frames}; set --frames or --images")
    smallest = -(-max(least[1:]) // layout.multiple) * layout.multiple
    if height % layout.multiple or width % layout.multiple or min(height, width) < smallest:
        if layout.multiple > 1:
            examples = f"multiples of {layout.multiple} from {smallest} on (128, 256, 512 ...)"
        else:
            examples = f"{smallest} or more"
        raise UserError(
            f"sequence: takes frames whose height and width are {examples}, received {height} x {width}; set --image_size"
        )


def _encoder(name, shape, layout, options, weights):
    """Build the half from the sequence `name` to mean and log-variance: keras.Model, and the shapes of all features."""
    import keras

    from network_models.layers.variational import RemoveMean

    x = image = keras.Input(shape, name=name)
    if options.mean_image:
        x = RemoveMean(name="remove_mean")(x)
    sizes = [tuple(shape)]
    for number, channels in enumerate(layout.channels, 1):
        if layout.blocks:
            for place in range(1, layout.blocks[number - 1] + 1):
                keywords = {"padding": "same", "use_bias": False, "kernel_initializer": weights.he_normal()}
                x = keras.layers.Conv3D(channels, 3, name=f"conv_{number}_{place}", **keywords)(x)
                x = _activated(x, f"conv_{number}_{place}", options, weights, normalised=options.normalised)
            x = keras.layers.MaxPooling3D(2, padding="same", name=f"pool_{number}")(x)
        else:
            if any(layout.padding):
                x = keras.layers.ZeroPadding3D(layout.padding, name=f"conv_{number}_padding")(x)
            kernel, initial = layout.kernels[number - 1], weights.he_normal()
            x = keras.layers.Conv3D(channels, kernel, layout.strides, kernel_initializer=initial, name=f"conv_{number}")(x)
            last = number == len(layout.channels)
            x = _activated(x, f"conv_{number}", options, weights, normalised=options.normalised and not last)
        sizes.append(tuple(x.shape[1:]))
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in enumerate(options.dense_units, 1):
        if options.dense_dropout:
            x = keras.layers.Dropout(options.dense_dropout, seed=weights.next_seed(), name=f"dense_{number}_dropout")(x)
        x = keras.layers.Dense(units, activation="relu", kernel_initializer=weights.he_normal(), name=f"dense_{number}")(x)
    if options.latent_dim:
        outputs = posterior(x, options, weights)
    else:
        mean = keras.layers.Activation("linear", dtype="float32", name="mean")(x)
        outputs = [mean, keras.layers.Rescaling(0.0, dtype="float32", name="log_variance")(mean)]
    return keras.Model(image, outputs, name="encoder"), sizes


def _decoder(sizes, depth, layout, options, weights):
    """Build the half from latents to a sequence of `depth` channels, by way of features of the shapes of the encoder."""
    import keras

    from network_models.layers.variational import AddMean

    inner = sizes[-1]
    features = options.latent_dim or (options.dense_units[-1] if options.dense_units else math.prod(inner))
    x = latents = keras.Input((features,), name="latents")
    for number, units in enumerate(options.dense_units[::-1], 1):
        x = keras.layers.Dense(units, activation="relu", kernel_initializer=weights.he_normal(), name=f"dense_{number}")(x)
    if options.latent_dim or options.dense_units:
        activation = "relu" if options.dense_units else None
        initial = weights.he_normal()
        x = keras.layers.Dense(math.prod(inner), activation=activation, kernel_initializer=initial, name="dense")(x)
    x = keras.layers.Reshape(inner, name="features")(x)
    if layout.blocks:
        x = _widened(x, sizes, layout, options, weights)
        # Near zero, so that the first sequences are the mean sequence.
        keywords = {"kernel_initializer": weights.near_zero(), "padding": "same", "dtype": "float32", "name": "image"}
        x = keras.layers.Conv3D(depth, 3, **keywords)(x)
    else:
        count = len(layout.channels)
        for number in range(1, count):
            level = count - number
            x = _transposed(x, layout.channels[level - 1], level, sizes, layout, weights.he_normal(), f"transposed_{number}")
            normalised = options.normalised and number > 1
            x = _activated(x, f"transposed_{number}", options, weights, normalised=normalised)
        x = _transposed(x, depth, 0, sizes, layout, weights.near_zero(), f"transposed_{count}", dtype="float32")
    if options.mean_image:
        x = AddMean(name="add_mean", dtype="float32")(x)
    return keras.Model(latents, x, name="decoder")


def _transposed(x, channels, level, sizes, layout, initial, name, **keywords):
    """Apply a transposed convolution that gives features of the size that the encoder had at a level, 0 being the sequence."""
    import keras

    kernel = layout.kernels[level]
    parts = zip(sizes[level][:3], sizes[level + 1][:3], layout.strides, kernel, layout.padding, strict=True)
    missing = tuple(size - ((inner - 1) * stride + width - 2 * pad) for size, inner, stride, width, pad in parts)
    if any(missing):
        keywords["output_padding"] = missing
    keywords |= {"kernel_initializer": initial, "name": name}
    x = keras.layers.Conv3DTranspose(channels, kernel, layout.strides, **keywords)(x)
    if any(layout.padding):
        x = keras.layers.Cropping3D(layout.padding, name=f"{name}_cropping", dtype=keywords.get("dtype"))(x)
    return x


def _widened(x, sizes, layout, options, weights):
    """Apply the blocks backwards: convolutions, and each position doubled, cut to the size that the encoder had."""
    import keras

    channels = (*layout.channels[:0:-1], layout.channels[0])
    for number, (count, width) in enumerate(zip(layout.blocks[::-1], channels, strict=True), 1):
        for place in range(1, count + 1):
            name = f"transposed_{number}_{place}"
            keywords = {"padding": "same", "use_bias": False, "kernel_initializer": weights.he_normal()}
            x = keras.layers.Conv3DTranspose(width, 3, name=name, **keywords)(x)
            x = _activated(x, name, options, weights, normalised=options.normalised)
        x = keras.layers.UpSampling3D(2, name=f"doubled_{number}")(x)
        target = sizes[len(layout.blocks) - number][:3]
        over = tuple((0, size - wanted) for size, wanted in zip(x.shape[1:4], target, strict=True))
        if any(cut for _, cut in over):
            x = keras.layers.Cropping3D(over, name=f"doubled_{number}_cropping")(x)
    return x


def _activated(x, name, options, weights, *, normalised):
    """Normalise if asked for, drop whole channels if the options ask for dropout, and apply the ReLU."""
    import keras

    if normalised:
        x = keras.layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
    if options.dropout:
        x = keras.layers.SpatialDropout3D(options.dropout, seed=weights.next_seed())(x)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)
