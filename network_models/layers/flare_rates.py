"""Flare rates of places that add up: what past flares excite, a power law of sizes in each place, the chance of any flare.

All compute in float32, also under mixed precision: rates span many decades.
"""

import math

import keras

from tools.goes_class import MAGNITUDES

NOTHING = -60.0  # log of the rate of a place without a region
FIELD_UNIT = 100.0  # Gauss
_BLACK = 0.02  # grey level up to which a pixel can be sky
_SKY = 14  # part of the image's height that is wider than any spot
_EDGE = 128  # part of it that is as wide as the mixture of disk and sky


@keras.saving.register_keras_serializable(package="solar")
class Logarithm(keras.layers.Layer):
    """Logarithm of counts: log(1 + x)."""

    def call(self, x):
        return keras.ops.log1p(x)


@keras.saving.register_keras_serializable(package="solar")
class PlaceLogRates(keras.layers.Layer):
    """Logarithms of the rates of regions and, last, of what is elsewhere, (n, cells + 1).

    Takes [regions (n, cells, features), region (n, cells, 1), elsewhere (n, 1)]; the first feature is 1 where there is a
    region, and 0 where the rate is nothing.
    """

    def __init__(self, **keywords):
        super().__init__(autocast=False, **keywords)

    def call(self, inputs):
        regions, region, elsewhere = (keras.ops.cast(tensor, "float32") for tensor in inputs)
        return keras.ops.concatenate([region[..., 0] + NOTHING * (1 - regions[..., 0]), elsewhere], axis=1)


@keras.saving.register_keras_serializable(package="solar")
class MagneticField(keras.layers.Layer):
    """Field of a full-disk magnetogram in units of `FIELD_UNIT`, (n, height, width, 1), 0 off the disk.

    Parameters
    ----------
    unit : str
        ``"G"``: the image is in Gauss, 0 off the disk; ``"grey"``: grey levels from 0 to 1, 0.5 no field, black off the disk.
    gauss : float
        Field of grey level 1.

    Notes
    -----
    Strong negative field is black as well: off the disk are black places so large that a square of 1/14 of the image's height
    fits into them. Spots are smaller. What is next to the sky, 1/128 of the height, counts as sky: images that were shrunk have
    pixels there that are part disk, part sky, and would pass for strong field.
    """

    def __init__(self, unit="G", gauss=256.0, **keywords):
        super().__init__(autocast=False, **keywords)
        if unit not in ("G", "grey"):
            raise ValueError(f"Expected G or grey. Received: {unit!r}")
        self.unit, self.gauss = unit, float(gauss)

    def call(self, x):
        x = keras.ops.cast(x, "float32")
        if self.unit == "grey":
            black = keras.ops.cast(x < _BLACK, "float32")
            width = 2 * (x.shape[1] // _SKY // 2) + 1
            around = {"pool_size": width, "strides": 1, "padding": "same"}
            wide = 1 - keras.ops.max_pool(1 - black, **around)  # nothing but black around, as far as the image goes
            around["pool_size"] = width + 2 * max(x.shape[1] // _EDGE, 1)
            x = (2 * x - 1) * self.gauss * (1 - keras.ops.max_pool(wide, **around))
        return x / FIELD_UNIT

    def get_config(self):
        return {**super().get_config(), "unit": self.unit, "gauss": self.gauss}


@keras.saving.register_keras_serializable(package="solar")
class FieldGate(keras.layers.Layer):
    """Logarithm of the share of its rate that a place has, by the mean unsigned field around it: (n, height, width).

    The share is 0 up to a mean of `none`, 1 from `whole` on, and between them s^2 (3 - 2 s) with s the part of the way: where
    there is no field nothing flares, whatever a network has learned, and the share can be differentiated.

    Parameters
    ----------
    stride : int
        Pixels of the image per place, along each axis.
    window : int
        Pixels of the square of which the mean is taken, around the middle of the place.
    none, whole : float
        Gauss.

    Notes
    -----
    Takes what `MagneticField` returns. The quiet Sun has 2 to 8 G in full-disk images of 128 pixels.
    """

    def __init__(self, stride, window, none=10.0, whole=20.0, **keywords):
        super().__init__(autocast=False, **keywords)
        self.stride, self.window, self.none, self.whole = int(stride), int(window), float(none), float(whole)

    def call(self, field):
        unsigned = FIELD_UNIT * keras.ops.abs(field)
        mean = keras.ops.average_pool(unsigned, self.window, strides=self.stride, padding="same")[..., 0]
        part = keras.ops.clip((mean - self.none) / (self.whole - self.none), 0.0, 1.0)
        return keras.ops.log(part**2 * (3 - 2 * part) + math.exp(NOTHING))

    def get_config(self):
        own = {"stride": self.stride, "window": self.window, "none": self.none, "whole": self.whole}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="solar")
class GatedLogRates(keras.layers.Layer):
    """Logarithms of the rates of places in an image: takes [(n, height, width, 1), gate (n, height, width)], adds them."""

    def __init__(self, **keywords):
        super().__init__(autocast=False, **keywords)

    def call(self, inputs):
        rate, gate = (keras.ops.cast(tensor, "float32") for tensor in inputs)
        return rate[..., 0] + gate


@keras.saving.register_keras_serializable(package="solar")
class JoinedLogRates(keras.layers.Layer):
    """Logarithms of the rates of larger places, the sums of those of squares: (n, height, width, k) to a map of fewer.

    Parameters
    ----------
    width : int
        Places along each side of a square.
    """

    def __init__(self, width, **keywords):
        super().__init__(autocast=False, **keywords)
        self.width = int(width)

    def call(self, log_rates):
        height, width, classes = log_rates.shape[1:]
        squares = (height // self.width, self.width, width // self.width, self.width)
        return keras.ops.logsumexp(keras.ops.reshape(log_rates, (-1, *squares, classes)), axis=(2, 4))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="solar")
class PowerLawRates(keras.layers.Layer):
    """Rates of flares of several sizes, from that of C1.0 and above and an exponent, place by place.

    The rate of flares of at least 10^m times the flux of C1.0 is rate 10^(-a m): a power law of peak fluxes, of cumulative
    exponent a. Above M1.0 it goes on with another exponent, a times a factor that is trained, the same in all places: flare
    lists lack C flares while the Sun is bright, and strong flares are rarer than weak ones let expect.

    Parameters
    ----------
    event : float
        The size m of the event, not negative.

    Notes
    -----
    Takes [log_rate, exponent], both (n, ...), the natural logarithm of the rate and a number above 0. Returns log rates of
    `CLASSES`, (n, ..., 4), and of the event, (n, ...).
    """

    def __init__(self, event=1.0, **keywords):
        super().__init__(autocast=False, **keywords)
        self.event = float(event)

    def build(self, shapes):
        self.steepening = self.add_weight(name="steepening", shape=(), initializer="zeros", autocast=False)  # its logarithm

    def call(self, inputs):
        log_rate, exponent = (keras.ops.cast(tensor, "float32") for tensor in inputs)
        sizes = [self._log_rate(log_rate, exponent, magnitude) for magnitude in (*MAGNITUDES, self.event)]
        return keras.ops.stack(sizes[:-1], axis=-1), sizes[-1]

    def _log_rate(self, log_rate, exponent, magnitude):
        decades = min(magnitude, 1.0) + keras.ops.exp(self.steepening) * max(magnitude - 1.0, 0.0)
        return log_rate - math.log(10) * exponent * decades

    def get_config(self):
        return {**super().get_config(), "event": self.event}


@keras.saving.register_keras_serializable(package="solar")
class DiskLogit(keras.layers.Layer):
    """Log-odds of at least one flare anywhere: places flare independently, so that their rates add up.

    Takes log rates (n, ...) of all places and returns log(p / (1 - p)), (n, 1), with p = 1 - exp(-sum of rates).
    """

    def __init__(self, **keywords):
        super().__init__(autocast=False, **keywords)

    def call(self, log_rates):
        places = keras.ops.reshape(keras.ops.cast(log_rates, "float32"), (-1, math.prod(log_rates.shape[1:])))
        return log_expm1(keras.ops.logsumexp(places, axis=1, keepdims=True))


@keras.saving.register_keras_serializable(package="solar")
class ExcitedLogRates(keras.layers.Layer):
    """Logarithms of rates that past flares raise, (n, cells + 1): a linear Hawkes process, its kernel a sum of exponentials.

    Parameters
    ----------
    start : float
        Flares that one flare of the last hours brings, of each size and scale, before training.

    Notes
    -----
    Takes [excitation (n, cells + 1, scales), elsewhere (n, 1)]: faded sums of past flares of each region and, last, of the
    rest, and the logarithm of the rate that the rest has without them. Weights are not negative: softplus of what is trained.
    """

    def __init__(self, start=0.05, **keywords):
        super().__init__(autocast=False, **keywords)
        self.start = float(start)

    def build(self, shapes):
        initial = keras.initializers.Constant(math.log(math.expm1(self.start)))
        self.kernel = self.add_weight(name="kernel", shape=(shapes[0][-1],), initializer=initial, autocast=False)

    def call(self, inputs):
        excitation, elsewhere = (keras.ops.cast(tensor, "float32") for tensor in inputs)
        rate = keras.ops.sum(excitation * keras.ops.softplus(self.kernel), axis=-1) + math.exp(NOTHING)
        rest = keras.ops.logaddexp(keras.ops.log(rate[:, -1:]), elsewhere)
        return keras.ops.concatenate([keras.ops.log(rate[:, :-1]), rest], axis=1)

    def get_config(self):
        return {**super().get_config(), "start": self.start}


def log_expm1(log_rate):
    """Compute log(exp(r) - 1) from log r: the log-odds of at least one event of a Poisson process with the mean r."""
    rate = keras.ops.exp(keras.ops.minimum(log_rate, 10.0))
    small = log_rate + rate / 2  # log r + r / 2 + O(r^2)
    safe = keras.ops.maximum(rate, 1e-3)
    return keras.ops.where(rate < 1e-3, small, safe + keras.ops.log(-keras.ops.expm1(-safe)))


def log_probability(log_rate):
    """Compute log(1 - exp(-r)) from log r: of at least one event of a Poisson process with the mean r."""
    rate = keras.ops.exp(keras.ops.minimum(log_rate, 10.0))
    safe = keras.ops.maximum(rate, 1e-3)
    return keras.ops.where(rate < 1e-3, log_rate - rate / 2, keras.ops.log(-keras.ops.expm1(-safe)))
