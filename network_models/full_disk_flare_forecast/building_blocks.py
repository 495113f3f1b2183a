"""Parts that the full-disk networks share: inputs, seeded initial weights, the end that returns logits."""

from network_models.image_inputs import described, image_inputs
from tools.errors import UserError

INITIALISERS = ("he_uniform", "he_normal")
BATCH_NORM = {"epsilon": 1e-5, "momentum": 0.9}  # PyTorch's defaults; its momentum 0.1 is the share of the new batch


class InitialWeights:
    """Initialisers and dropout seeds, a different one at every call, all determined by one seed.

    The fan-in is that of PyTorch's ``kaiming_uniform_`` and ``kaiming_normal_`` (the normal one is not truncated).

    Parameters
    ----------
    name : str
        One of `INITIALISERS`.
    seed : int
    """

    def __init__(self, name, seed):
        import numpy

        self.name = name
        self._seeds = numpy.random.default_rng(seed)

    def next_seed(self):
        return int(self._seeds.integers(2**31))

    def kernel(self):
        """Make an initialiser of a convolution or dense kernel (He et al. 2015, fan in)."""
        import keras

        distribution = "uniform" if self.name == "he_uniform" else "untruncated_normal"
        return keras.initializers.VarianceScaling(2.0, "fan_in", distribution, seed=self.next_seed())

    def batch_norm_scale(self):
        """Make an initialiser of the scale of a BatchNorm as the attention study sets it: U(0, 1) or N(0, 0.01)."""
        import keras

        if self.name == "he_uniform":
            return keras.initializers.RandomUniform(0.0, 1.0, seed=self.next_seed())
        return keras.initializers.RandomNormal(0.0, 0.01, seed=self.next_seed())


def network_inputs(inputs, *, least):
    """Make the input layers, and the image tensor that enters the first convolution.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        Images (height, width, channel) and at most one vector (n,). Several images (earlier ones beside the current one)
        become channels of one.
    least : int
        The smallest height and width that the network can take, in pixels.

    Returns
    -------
    tensors : dict of str to keras.KerasTensor
        What a `keras.Model` takes, by input.
    image : keras.KerasTensor
        Shape (n, height, width, channels of all images together).
    side_channel : keras.KerasTensor or None
        Whitened by the statistics of the training split (`network_models.training.start.fit_statistics`).

    Raises
    ------
    UserError
        As `network_models.image_inputs.image_inputs`; or the images are too small.
    """
    layers = image_inputs(inputs)
    if min(layers.image_shape[:2]) < least:
        given = described({name: given for name, given in inputs.items() if len(given.shape) == 3})
        raise UserError(f"the network takes images of at least {least}x{least} pixels; the data set has {given}")
    return layers.tensors, layers.stacked("image_stack"), layers.side_channel()


def logits(features, side_channel, weights):
    """Apply the last layer: two logits, no event and event, float32 whatever the policy.

    Parameters
    ----------
    features : keras.KerasTensor
        Shape (n, features).
    side_channel : keras.KerasTensor or None
        Joined to the features.
    weights : InitialWeights

    Returns
    -------
    keras.KerasTensor
        Shape (n, 2).
    """
    import keras

    if side_channel is not None:
        features = keras.layers.Concatenate(name="with_side_channel")([features, side_channel])
    return keras.layers.Dense(2, kernel_initializer=weights.kernel(), dtype="float32", name="logits")(features)
