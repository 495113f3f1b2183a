"""A beta-VAE of single images of the whole disk, of any size from 16 pixels on."""

import dataclasses
import math

from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option

from .building_blocks import VAEOptions, assemble, dropped, only_input, posterior

SMALLEST = 8  # pixels of the innermost feature maps, at least; fewer than twice as many


@dataclasses.dataclass(kw_only=True)
class Options(VAEOptions):
    """As Burgess et al. (2018), with as many convolutions as the size of the image asks for."""

    latent_dim: int = option(16, "latent variables", least=1, most=4096)
    channels: int = option(32, "of the first two convolutions; further ones have twice as many", least=1, most=4096)
    units: int = option(256, "of the dense layer", least=1, most=65_536)
    annealing_steps: int = option(300, "training steps in which the weight of the divergence grows from 0", least=0, most=10**9)


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
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
    name, shape = only_input(inputs, 3, "full_disk")
    counts = [options.channels * (1 if number < 2 else 2) for number in range(_halvings(shape))]
    weights = InitialWeights(seed)
    encoder = _encoder(name, shape, counts, options, weights)
    decoder = _decoder(shape, counts, options, weights)
    return assemble(encoder, decoder, options, name="full_disk", seed=seed)


def _halvings(shape):
    """Count how often an image is halved until its smaller side is below 16 pixels: int; a `UserError` if it cannot be."""
    halvings = 0
    while min(shape[:2]) >> halvings >= 2 * SMALLEST:
        halvings += 1
    if not halvings or any(size % 2**halvings for size in shape[:2]):
        least = 2 ** max(halvings, 1)
        raise UserError(
            f"full_disk: takes images of at least 16 x 16 pixels that can be halved {max(halvings, 1)} times, multiples of"
            f" {least} (64, 128, 256, 512 ...), received {shape[0]} x {shape[1]}; set --image_size"
        )
    return halvings


def _encoder(name, shape, counts, options, weights):
    """Build the half from the image `name` to mean and log-variance, with so many channels of each convolution."""
    import keras

    from network_models.layers.variational import RemoveMean

    image = keras.Input(shape, name=name)
    x = RemoveMean(name="remove_mean")(image)
    for number, count in enumerate(counts, 1):
        convolution = keras.layers.Conv2D(
            count, 4, 2, padding="same", activation="relu", kernel_initializer=weights.he_normal(), name=f"conv_{number}"
        )
        x = convolution(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(options.units, activation="relu", kernel_initializer=weights.he_normal(), name="dense")(x)
    x = posterior(dropped(x, options, weights), options, weights)
    return keras.Model(image, x, name="encoder")


def _decoder(shape, counts, options, weights):
    """Build the half from latents to an image of a shape, with the channels of the encoder in the opposite order."""
    import keras

    from network_models.layers.variational import AddMean

    inner = (shape[0] >> len(counts), shape[1] >> len(counts), counts[-1])
    latents = keras.Input((options.latent_dim,), name="latents")
    x = keras.layers.Dense(options.units, activation="relu", kernel_initializer=weights.he_normal(), name="dense_1")(latents)
    x = dropped(x, options, weights)
    x = keras.layers.Dense(math.prod(inner), activation="relu", kernel_initializer=weights.he_normal(), name="dense_2")(x)
    x = keras.layers.Reshape(inner, name="features")(x)
    for number, count in enumerate([*counts[-2::-1], shape[-1]], 1):
        outer = number == len(counts)
        convolution = keras.layers.Conv2DTranspose(
            count,
            4,
            2,
            padding="same",
            activation=None if outer else "relu",
            kernel_initializer=weights.near_zero() if outer else weights.he_normal(),  # the first images are the mean image
            dtype="float32" if outer else None,
            name=f"transposed_{number}",
        )
        x = convolution(x)
    return keras.Model(latents, AddMean(name="add_mean", dtype="float32")(x), name="decoder")
