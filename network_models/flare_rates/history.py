"""Rates of flares from past flares alone: a self-exciting process for each region and for the disk.

Each flare raises the rate of its region, by an amount that depends on its size and fades with its age; a region that has not
flared has no rate of its own and is part of what flares elsewhere, which past activity of the whole disk drives.
"""

import dataclasses

from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option

from .rate_outputs import LOG_START_RATE, START_EXPONENT, last_of_one, positive, rate_network, region_inputs, whitened


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of the self-exciting process."""

    disk_units: int = option(8, "units of the layer that turns past activity into the rate elsewhere", least=1, most=4096)
    event: str = option("", "GOES class whose probability is the first output (default: that of the data set)")


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        ``excitation`` (cells + 1, scales): faded sums of past flares of each region and, last, of no region among them;
        ``side_channel`` (n,): activity of the disk.
    options : Options
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        Outputs ``logits`` (n, 1) and ``rates`` (n, cells + 1, 4), as of `network_models.flare_rates.regions.build`.

    Raises
    ------
    UserError
        Inputs that are not those of regions, or what describes them as well.

    Notes
    -----
    The kernel is a sum of exponentials in time, with weights that are not negative, for flares of C1.0, M1.0 and X1.0 and above
    each: a linear Hawkes process with piecewise constant marks.

    References
    ----------
    Hawkes 1971, Biometrika 58, 83; Wheatland 2004, ApJ 609, 1134 (flare forecasts from past flares).
    """
    from keras import layers

    from network_models.layers.flare_rates import ExcitedLogRates, Logarithm

    if "regions" in inputs:
        raise UserError("history is of flare lists alone: leave out --summaries and --patches, or take --architecture regions")
    weights = InitialWeights(seed)
    tensors = region_inputs(inputs, ("excitation", "side_channel"))
    disk = whitened(tensors, "side_channel")
    x = layers.Dense(options.disk_units, activation="gelu", kernel_initializer=weights.glorot_uniform(), name="activity")(disk)
    background = last_of_one(x, "elsewhere_rate", start=LOG_START_RATE, weights=weights)
    log_rate = ExcitedLogRates(name="log_rates")([tensors["excitation"], background])
    logarithm = Logarithm(name="log_excitation")(tensors["excitation"])
    exponents = last_of_one(logarithm, "exponents", start=START_EXPONENT, weights=weights)
    return rate_network(list(tensors.values()), log_rate, positive(exponents, "exponent"), event=options.event, name="history")
