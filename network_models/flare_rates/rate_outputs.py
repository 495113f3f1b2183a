"""What networks of flare rates share: their inputs, and the outputs that add up."""

import math

from dataset_models.flares import flare_marks
from dataset_models.flares.flare_index import threshold_flux
from network_models.image_inputs import described, require_inputs
from tools.errors import UserError

LIKELIHOODS = ("counts", "yes or no", "both")
LOG_START_RATE = math.log(0.1)  # flares of C1.0 and above in a window and place
START_EXPONENT = math.log(math.expm1(1.0))  # of which softplus is the cumulative exponent


def region_inputs(inputs, names):
    """Make the input layers of a network on regions.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
    names : sequence of str
        Those that the network takes.

    Returns
    -------
    dict of str to keras.KerasTensor

    Raises
    ------
    UserError
        One is not there.
    """
    import keras

    require_inputs(inputs)
    missing = [name for name in names if name not in inputs]
    if missing:
        given = (
            "give --summaries or --patches"
            if missing == ["regions"]
            else "give a data set such as dataset_models/NOAA/active_regions.py"
        )
        raise UserError(f"the network takes {', '.join(names)}; the data set has {described(inputs)}: {given}")
    return {name: keras.Input(inputs[name].shape, name=name) for name in names}


def whitened(tensors, name):
    """Whiten an input by the statistics of the training split: keras.KerasTensor of the same shape."""
    from network_models.layers import Whiten

    return Whiten((False,) * tensors[name].shape[-1], name=f"whiten_{name}")(tensors[name])


def rows(tensor, first, last, name):
    """Take the rows of a tensor (n, rows, k) from the first to before the last: keras.KerasTensor."""
    from keras import layers

    return layers.Cropping1D((first, tensor.shape[1] - last), name=name)(tensor)


def magnitude_of(event):
    """Convert a GOES class to log10 of its flux over that of C1.0: float.

    Raises
    ------
    UserError
        It is none, or below C1.0, where flare lists are not complete.
    """
    magnitude = float(flare_marks.magnitudes(threshold_flux(event)))
    if magnitude < 0:
        raise UserError(f"--event {event}: is below C1.0, where flare lists are not complete; give C1.0 or more")
    return magnitude


def last_of_one(x, part, *, start, weights):
    """Add the last layer of a quantity, with one unit that starts near a value: keras.KerasTensor (n, ..., 1)."""
    from keras import initializers, layers

    bias = initializers.Constant(start)
    return layers.Dense(1, kernel_initializer=weights.near_zero(), bias_initializer=bias, dtype="float32", name=part)(x)


def positive(x, name):
    """Make exponents of places, (n, ...), of one number each, (n, ..., 1), by softplus."""
    from keras import layers

    return layers.Activation("softplus", dtype="float32", name=name)(layers.Reshape(x.shape[1:-1], name=f"{name}_of_places")(x))


def rate_network(tensors, log_rate, exponent, *, event, name, join=1):
    """Make the network whose outputs are the log-odds of an event, and the rates of each place that they come from.

    Parameters
    ----------
    tensors : list of keras.KerasTensor
        Inputs.
    log_rate, exponent : keras.KerasTensor
        (n, ...): natural logarithm of the expected flares of C1.0 and above in the window, and the cumulative exponent.
    event : str
    name : str
    join : int
        Places of a map along each axis that are one of ``rates``.

    Returns
    -------
    keras.Model
        Outputs ``logits`` (n, 1) and ``rates`` (n, ..., 4).
    """
    import keras

    from network_models.layers.flare_rates import DiskLogit, JoinedLogRates, PowerLawRates

    classes, of_event = PowerLawRates(magnitude_of(event), name="sizes")([log_rate, exponent])
    if join > 1:
        classes = JoinedLogRates(join, name="joined_places")(classes)
    rates = keras.layers.Activation("exponential", dtype="float32", name="rates")(classes)
    return keras.Model(tensors, {"logits": DiskLogit(name="logits")(of_event), "rates": rates}, name=name)
