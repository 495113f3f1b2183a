"""The encoder and decoder of Burgess et al. (2018), for images of 32 x 32 or 64 x 64 pixels."""

import dataclasses

from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option

from .building_blocks import VAEOptions, assemble, dropped, only_input

SIZES = (32, 64)
CHANNELS = 32
UNITS = 256


@dataclasses.dataclass(kw_only=True)
class Options(VAEOptions):
    """As published: 10 latents, no dropout. The annealing is ours: without it the latents collapse for the first 300 steps."""

    annealing_steps: int = option(500, "training steps in which the weight of the divergence grows from 0", least=0, most=10**9)


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        One image (32, 32, channel) or (64, 64, channel).
    options : Options
    seed : int
        Of the initial weights, of dropout and of the sampling.

    Returns
    -------
    network_models.layers.variational.BetaVAE

    Raises
    ------
    UserError
        Another image size, or a sequence.

    Notes
    -----
    Three (32 pixels) or four (64) convolutions of 32 channels, 4 x 4, stride 2, ReLU; two dense layers of 256 units; a dense
    layer in which mean and log-variance of the latents alternate. The decoder mirrors it; the sigmoid of its output is
    part of the loss. Layers carry the numbers of the published code, in which the fourth convolution of the encoder,
    and the first of the decoder, is called 64. Kernels start as Keras's do, not as PyTorch's.

    References
    ----------
    Burgess et al. 2018, Understanding disentangling in beta-VAE, arXiv:1804.03599; Y. Dubois, disentangling-vae.
    """
    import keras

    from network_models.layers.variational import MeanAndLogVariance

    name, shape = only_input(inputs, 3, "burgess")
    if shape[0] != shape[1] or shape[0] not in SIZES:
        raise UserError(
            f"burgess: takes images of 32 x 32 or 64 x 64 pixels, received {shape[0]} x {shape[1]};"
            " set --image_size, or choose --architecture full_disk"
        )
    weights = InitialWeights(seed)

    def dense(units, layer, **keywords):
        return keras.layers.Dense(units, kernel_initializer=weights.glorot_uniform(), name=layer, **keywords)

    def convolution(kind, channels, layer, **keywords):
        return kind(channels, 4, 2, padding="same", kernel_initializer=weights.glorot_uniform(), name=layer, **keywords)

    last = ["64"] if shape[0] == 64 else []
    x = image = keras.Input(shape, name=name)
    for number in ("1", "2", "3", *last):
        x = convolution(keras.layers.Conv2D, CHANNELS, f"conv_{number}", activation="relu")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = dropped(dense(UNITS, f"dense_{number}", activation="relu")(x), options, weights)
    x = dense(2 * options.latent_dim, "mean_and_log_variance", dtype="float32")(x)
    encoder = keras.Model(image, MeanAndLogVariance(name="posterior", dtype="float32")(x), name="encoder")

    x = latents = keras.Input((options.latent_dim,), name="latents")
    for number in (1, 2):
        x = dropped(dense(UNITS, f"dense_{number}", activation="relu")(x), options, weights)
    x = dense(4 * 4 * CHANNELS, "dense_3", activation="relu")(x)
    x = keras.layers.Reshape((4, 4, CHANNELS), name="features")(x)
    for number in (*last, "1", "2"):
        x = convolution(keras.layers.Conv2DTranspose, CHANNELS, f"transposed_{number}", activation="relu")(x)
    x = convolution(keras.layers.Conv2DTranspose, shape[-1], "transposed_3", dtype="float32")(x)
    return assemble(encoder, keras.Model(latents, x, name="decoder"), options, name=f"burgess_{shape[0]}", seed=seed)
