"""Rates of flares region by region: one small network for all regions of a day, and a rate for what no region holds.

The rate of a region depends on what NOAA's summary or the parameters of its patch say of it, on its own past flares and on how
active the disk has been; the rate elsewhere on past flares alone, so that a day without a summary is forecast from history. The
disk is the sum.
"""

import dataclasses

from network_models.initial_weights import InitialWeights
from tools.options import option

from .rate_outputs import LOG_START_RATE, START_EXPONENT, last_of_one, positive, rate_network, region_inputs, rows, whitened


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of the network of regions."""

    units: tuple[int, ...] = option((32, 32), "units of the dense layers that all regions share", least=1, most=4096)
    disk_units: int = option(8, "numbers that tell each region how active the disk is", least=1, most=4096)
    dropout_rate: float = option(0.2, "share of features dropped in training", least=0.0, most=0.95)
    l2: float = option(1e-4, "L2 penalty of kernels", least=0.0, most=100.0)
    event: str = option("", "GOES class whose probability is the first output (default: that of the data set)")


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        ``regions`` (cells, features), the first feature 1 where there is a region; ``excitation`` (cells + 1, scales), the last
        row for what no region holds; ``side_channel`` (n,).
    options : Options
    seed : int
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        Outputs ``logits`` (n, 1), the log-odds of a flare of `Options.event` or more anywhere, and ``rates`` (n, cells + 1, 4):
        expected flares in the window, of C1.0, M1.0, M5.0 and X1.0 or more, in each region and, last, elsewhere.

    Raises
    ------
    UserError
        Inputs that are not those of regions.
    """
    from keras import layers, regularizers

    from network_models.layers.flare_rates import Logarithm, PlaceLogRates

    weights = InitialWeights(seed)
    tensors = region_inputs(inputs, ("regions", "excitation", "side_channel"))
    cells = tensors["regions"].shape[1]

    def dense(units, name, activation="gelu"):
        penalty = regularizers.L2(options.l2) if options.l2 else None
        kernel = weights.glorot_uniform()
        return layers.Dense(units, activation=activation, kernel_initializer=kernel, kernel_regularizer=penalty, name=name)

    disk = whitened(tensors, "side_channel")
    excitation = Logarithm(name="log_excitation")(tensors["excitation"])
    about_disk = layers.RepeatVector(cells, name="every_region")(dense(options.disk_units, "disk", "tanh")(disk))
    own = rows(excitation, 0, cells, "own_flares")
    x = layers.Concatenate(name="region_features")([tensors["regions"], own, about_disk])
    for number, units in enumerate(options.units, 1):
        x = dense(units, f"region_{number}")(x)
        x = layers.Dropout(options.dropout_rate, seed=weights.next_seed(), name=f"region_dropout_{number}")(x)
    others = rows(excitation, cells, cells + 1, "flares_elsewhere")
    rest = layers.Concatenate(name="disk_features")([disk, layers.Flatten(name="elsewhere_excitation")(others)])
    rest = dense(max(options.units[-1] // 2, 1), "elsewhere")(rest)
    region_rate, rest_rate = (
        last_of_one(features, f"{part}_rate", start=LOG_START_RATE, weights=weights)
        for part, features in (("region", x), ("elsewhere", rest))
    )
    log_rate = PlaceLogRates(name="log_rates")([tensors["regions"], region_rate, rest_rate])
    region_exponent, rest_exponent = (
        last_of_one(features, f"{part}_exponent", start=START_EXPONENT, weights=weights)
        for part, features in (("region", x), ("elsewhere", layers.Reshape((1, rest.shape[-1]), name="elsewhere_row")(rest)))
    )
    exponents = layers.Concatenate(axis=1, name="exponents")([region_exponent, rest_exponent])
    return rate_network(list(tensors.values()), log_rate, positive(exponents, "exponent"), event=options.event, name="regions")
