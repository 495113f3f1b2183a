"""Options and layers that all beta-VAEs share, and the options of their training."""

import dataclasses

import numpy

from network_models.image_inputs import require_inputs
from network_models.settings import TrainingOptions
from tools.errors import UserError
from tools.options import option

LOSSES = ("bernoulli", "gaussian")
# Mean divergence, in nats, from which on a latent is in use. In the last epoch of the published training at beta 4 two
# latents lie at 0.001 and the other eight at 0.3 to 2. (Burda et al. 2016, arXiv:1509.00519, count those whose mean varies
# by more than 0.01 over the data, which a latent of 0.04 nats passes.)
ACTIVE = 0.1


@dataclasses.dataclass(kw_only=True)
class VAEOptions:
    """Latent space and loss.

    The defaults of the loss are those of the code that the published weights come from.
    """

    latent_dim: int = option(10, "latent variables", least=1, most=4096)
    dropout: float = option(0.0, "share of features dropped in training", least=0.0, most=0.95)
    beta: float = option(1.0, "weight of the divergence of the latents", least=0.0, most=1e6)
    likelihood: str = option("bernoulli", "of pixels: 'bernoulli' for images of 0 to 1, 'gaussian' for any", choices=LOSSES)
    deviation: float = option(0.0443, "of a pixel in the Gaussian loss", least=1e-6, most=1000.0)
    annealing_steps: int = option(0, "training steps in which the weight of the divergence grows from 0", least=0, most=10**9)
    capacity: float = option(0.0, "nats that the divergence is held near, instead of beta; 0: none", least=0.0, most=1e6)
    capacity_steps: int = option(25_000, "training steps in which the capacity grows from 0", least=1, most=10**9)
    capacity_weight: float = option(100.0, "of the difference to the capacity", least=0.0, most=1e6)
    disk: float = option(
        0.0,
        "blank images beyond this share of half their width, for the limb moves with the seasons; 0.745 lies within any Sun on"
        " full-disk magnetograms; 0: nothing is blanked",
        least=0.0,
        most=1.5,
    )


@dataclasses.dataclass(kw_only=True)
class VAETraining(TrainingOptions):
    """Training of the beta-VAEs, for data sets of some thousand images.

    Burgess et al. (2018) use Adam at 5e-4 on batches of 64. On MNIST that makes 938 steps an epoch, on scikit-learn's digits
    23: after 20 epochs of these a network has only learned the mean digit.
    """

    epochs: int = option(30, "passes over the training split", least=1, most=100_000)
    batch_size: int = option(16, "images, or sequences, per step", least=1, most=65_536)
    learning_rate: float = option(1e-3, "learning rate of the first epoch", least=0.0, most=100.0)
    gamma: float = option(0.97, "by which the learning rate is multiplied after each epoch", least=0.0, most=1.0)
    shown: int = option(8, "images in the pictures of reconstructions and samples", least=1, most=64)
    kl_steps: int = option(0, "steps between rows of latent_kl_steps.csv; 0: no such file", least=0, most=10**9)


def assemble(encoder, decoder, options, *, name, seed, deterministic=False):
    """Make a beta-VAE of two halves: `network_models.layers.variational.BetaVAE`, built.

    Parameters
    ----------
    encoder, decoder : keras.Model
    options : VAEOptions
    name : str
    seed : int
        Of the sampling.
    deterministic : bool
        As of `BetaVAE`.
    """
    from network_models.layers.variational import BetaVAE

    kept = ("beta", "deviation", "annealing_steps", "capacity", "capacity_steps", "capacity_weight", "disk")
    keywords = {key: getattr(options, key) for key in kept} | {"loss": options.likelihood, "deterministic": deterministic}
    model = BetaVAE(encoder, decoder, **keywords, seed=seed, name=name)
    model.build(None)
    return model


def posterior(features, options, weights):
    """Make mean and log-variance of the latents from features: the end of an encoder that is trained from the start.

    Parameters
    ----------
    features : keras.KerasTensor
        Shape (n, features).
    options : VAEOptions
    weights : network_models.initial_weights.InitialWeights

    Returns
    -------
    mean, log_variance : keras.KerasTensor
        Shape (n, latents), float32.

    Notes
    -----
    The first posteriors are much narrower than the prior (log-variance -4): a decoder whose input is mostly noise learns to
    ignore the latents before it learns to use them.
    """
    import keras

    from network_models.layers.variational import MeanAndLogVariance

    both = keras.layers.Dense(
        2 * options.latent_dim,  # means and log-variances alternate
        kernel_initializer=weights.glorot_uniform(),
        bias_initializer=keras.initializers.Constant(numpy.tile([0.0, -4.0], options.latent_dim)),
        dtype="float32",
        name="mean_and_log_variance",
    )
    return MeanAndLogVariance(name="posterior", dtype="float32")(both(features))


def dropped(x, options, weights):
    """Drop features, if the options ask for dropout: keras.KerasTensor."""
    import keras

    return keras.layers.Dropout(options.dropout, seed=weights.next_seed())(x) if options.dropout else x


def only_input(inputs, axes, name):
    """Return name and shape of the one input of a network, which must have so many axes: str, tuple of int.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
    axes : int
    name : str
        Of the network, for messages.

    Raises
    ------
    UserError
        There are several inputs, or the one has another number of axes.
    """
    require_inputs(inputs)
    input_shapes = {key: given.shape for key, given in inputs.items()}
    given = ", ".join(f"{key} {shape_words(shape)}" for key, shape in input_shapes.items())
    kind = "images (height, width, channel)" if axes == 3 else "sequences (frames, height, width, channel)"
    if len(input_shapes) != 1 or len(next(iter(input_shapes.values()))) != axes:
        raise UserError(f"{name}: takes {kind}, received {given}; choose another --architecture or --dataset")
    return next(iter(input_shapes.items()))


def shape_words(shape):
    """Write a shape as in messages: ``6 x 512 x 512 x 1``."""
    return " x ".join(map(str, shape))
