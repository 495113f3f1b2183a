"""A beta-VAE of single images of the whole disk, of any size from 16 pixels on."""

import dataclasses

from tools.errors import UserError
from tools.options import option

from .building_blocks import VAEOptions, assemble, listened_to, only_input

SMALLEST = 8  # pixels of the innermost feature maps, at least; fewer than twice as many


@dataclasses.dataclass(kw_only=True)
class Options(VAEOptions):
    """As Burgess et al. (2018), with as many convolutions as the size of the image asks for."""

    latent_dim: int = option(16, "latent variables", least=1, most=4096)
    channels: int = option(32, "of the first two convolutions; further ones have twice as many", least=1)
    units: int = option(256, "of the dense layer", least=1)
    annealing_steps: int = option(300, "training steps in which the weight of the divergence grows from 0", least=0)


def build(input_shapes, options, *, seed=0):
    """Build the network.

    Parameters
    ----------
    input_shapes : dict of str to tuple of int
        One image (height, width, channel), both at least 16, halved until the smaller is below 16.
    options : Options
    seed : int
        Of the initial weights, of dropout and of the sampling.

    Returns
    -------
    network_models.layers.variational.BetaVAE

    Raises
    ------
    UserError
        A size that cannot be halved so often, or a sequence.

    Notes
    -----
    The mean image of the training split is taken away before the encoder and added after the decoder, so that the
    latents describe what differs from it. (Without that, a network spends its latents on the disk itself.)
    """
    import keras

    from network_models.layers.variational import AddMean, MeanAndLogVariance, RemoveMean

    name, shape = only_input(input_shapes, 3, "full_disk")
    halvings = 0
    while min(shape[:2]) >> halvings >= 2 * SMALLEST:
        halvings += 1
    if not halvings or any(size % 2**halvings for size in shape[:2]):
        least = 2 ** max(halvings, 1)
        raise UserError(
            f"full_disk: takes images of at least 16 x 16 pixels that can be halved {max(halvings, 1)} times, multiples of"
            f" {least} (64, 128, 256, 512 ...), received {shape[0]} x {shape[1]}; set --image_size"
        )
    channels = [options.channels * (1 if number < 2 else 2) for number in range(halvings)]
    inner = (shape[0] >> halvings, shape[1] >> halvings, channels[-1])
    seeds = iter(range(seed * 1000, seed * 1000 + 1000))

    def he():
        return keras.initializers.HeNormal(next(seeds))

    def drop(x):
        return keras.layers.Dropout(options.dropout, seed=next(seeds))(x) if options.dropout else x

    def glorot():
        return keras.initializers.GlorotUniform(next(seeds))

    def quiet():  # so that the first images are the mean image
        return keras.initializers.RandomNormal(stddev=0.01, seed=next(seeds))

    image = keras.Input(shape, name=name)
    x = RemoveMean(name="remove_mean")(image)
    for number, count in enumerate(channels, 1):
        layer = keras.layers.Conv2D(
            count, 4, 2, padding="same", activation="relu", kernel_initializer=he(), name=f"conv_{number}"
        )
        x = layer(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = drop(keras.layers.Dense(options.units, activation="relu", kernel_initializer=he(), name="dense")(x))
    layer = keras.layers.Dense(
        2 * options.latent_dim,
        kernel_initializer=glorot(),
        bias_initializer=listened_to(options.latent_dim),
        dtype="float32",
        name="mean_and_log_variance",
    )
    encoder = keras.Model(image, MeanAndLogVariance(name="posterior", dtype="float32")(layer(x)), name="encoder")

    x = latents = keras.Input((options.latent_dim,), name="latents")
    x = drop(keras.layers.Dense(options.units, activation="relu", kernel_initializer=he(), name="dense_1")(x))
    x = keras.layers.Dense(inner[0] * inner[1] * inner[2], activation="relu", kernel_initializer=he(), name="dense_2")(x)
    x = keras.layers.Reshape(inner, name="features")(x)
    for number, count in enumerate([*channels[-2::-1], shape[-1]], 1):
        outer = number == halvings
        layer = keras.layers.Conv2DTranspose(
            count,
            4,
            2,
            padding="same",
            activation=None if outer else "relu",
            kernel_initializer=quiet() if outer else he(),
            dtype="float32" if outer else None,
            name=f"transposed_{number}",
        )
        x = layer(x)
    x = AddMean(name="add_mean", dtype="float32")(x)
    return assemble(encoder, keras.Model(latents, x, name="decoder"), options, name="full_disk", seed=seed)
