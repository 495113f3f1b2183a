"""A beta-VAE of magnetogram sequences: convolutions in space and time."""

import dataclasses
import math

from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option

from .building_blocks import VAEOptions, assemble, only_input, posterior

CHANNELS = (6, 12, 24, 24)
KERNELS = ((3, 4, 4), (3, 3, 3), (2, 3, 3), (1, 3, 3))
STRIDES = (1, 2, 2)
FRAMES = 1 + sum(kernel[0] - 1 for kernel in KERNELS)  # what the kernels span in time: 6


@dataclasses.dataclass(kw_only=True)
class Options(VAEOptions):
    """As in the thesis: 32 latents. Dropout is off: at a share of 0.2 nothing was learned from 800 simulated sequences."""

    latent_dim: int = option(32, "latent variables", least=1, most=4096)
    annealing_steps: int = option(
        1000, "training steps in which the weight of the divergence grows from 0", least=0, most=10**9
    )


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        One sequence (frames, height, width, channel) of at least 6 frames; height and width are multiples of 16. The
        published size is (6, 512, 512, 1).
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
    Four 3-D convolutions without padding take (6, 512, 512) to (1, 31, 31): kernels (3, 4, 4), (3, 3, 3), (2, 3, 3) and
    (1, 3, 3), strides (1, 2, 2), 6, 12, 24 and 24 channels. A dense layer gives mean and log-variance, another one leads
    back, and the same kernels, transposed, to the sequence. Dropout takes away whole channels before each ReLU. The
    thesis has two dense layers for mean and log-variance, which is the same; the mean sequence, taken away before and
    added after, is ours.

    References
    ----------
    The network of a master's thesis on flares: vanhumbeecka/mai-thesis-public, ``ModelDepth6Layer4Dropout``.
    """
    name, shape = only_input(inputs, 4, "sequence")
    _require_size(*shape[:3])
    weights = InitialWeights(seed)
    encoder, inner = _encoder(name, shape, options, weights)
    return assemble(encoder, _decoder(inner, shape[-1], options, weights), options, name="sequence", seed=seed)


def _require_size(frames, height, width):
    if frames < FRAMES:
        raise UserError(f"sequence: takes sequences of at least {FRAMES} frames, received {frames}; set --frames or --images")
    if height % 16 or width % 16 or min(height, width) < 32:
        raise UserError(
            "sequence: takes frames whose height and width are multiples of 16 from 32 on (128, 256, 512 ...), received"
            f" {height} x {width}; set --image_size"
        )


def _encoder(name, shape, options, weights):
    """Build the half from the sequence `name` to mean and log-variance: keras.Model, and the shape of its last features."""
    import keras

    from network_models.layers.variational import RemoveMean

    image = keras.Input(shape, name=name)
    x = RemoveMean(name="remove_mean")(image)
    for number, (channels, kernel) in enumerate(zip(CHANNELS, KERNELS, strict=True), 1):
        initial = weights.he_normal()
        x = keras.layers.Conv3D(channels, kernel, STRIDES, kernel_initializer=initial, name=f"conv_{number}")(x)
        x = keras.layers.Activation("relu", name=f"conv_{number}_relu")(_dropped(x, options, weights))
    features = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(image, posterior(features, options, weights), name="encoder"), tuple(x.shape[1:])


def _decoder(inner, depth, options, weights):
    """Build the half from latents to a sequence of `depth` channels, by way of features of the shape `inner`."""
    import keras

    from network_models.layers.variational import AddMean

    latents = keras.Input((options.latent_dim,), name="latents")
    x = keras.layers.Dense(math.prod(inner), kernel_initializer=weights.he_normal(), name="dense")(latents)
    x = keras.layers.Reshape(inner, name="features")(x)
    for number, (channels, kernel) in enumerate(zip(CHANNELS[-2::-1], KERNELS[:0:-1], strict=True), 1):
        initial = weights.he_normal()
        x = keras.layers.Conv3DTranspose(channels, kernel, STRIDES, kernel_initializer=initial, name=f"transposed_{number}")(x)
        x = keras.layers.Activation("relu", name=f"transposed_{number}_relu")(_dropped(x, options, weights))
    # Near zero, so that the first sequences are the mean sequence.
    keywords = {"kernel_initializer": weights.near_zero(), "dtype": "float32", "name": f"transposed_{len(KERNELS)}"}
    x = keras.layers.Conv3DTranspose(depth, KERNELS[0], STRIDES, **keywords)(x)
    return keras.Model(latents, AddMean(name="add_mean", dtype="float32")(x), name="decoder")


def _dropped(x, options, weights):
    """Drop whole channels, if the options ask for dropout."""
    import keras

    return keras.layers.SpatialDropout3D(options.dropout, seed=weights.next_seed())(x) if options.dropout else x
