"""Rates of flares place by place on full-disk magnetograms: a map of the disk whose sum is the forecast.

The network is fully convolutional and sees a small part of the image around a place: no normalisation over the image, no
pooling of all of it, so that a place cannot tell of another. Where there is no field there is no rate.
"""

import dataclasses

from network_models.image_inputs import described, require_inputs
from network_models.initial_weights import InitialWeights
from tools.errors import UserError
from tools.options import option

from .rate_outputs import LOG_START_RATE, START_EXPONENT, last_of_one, positive, rate_network

STRIDE = 2  # pixels of the image per place before places are joined
_WINDOW = 32  # part of the image's height over which the field of a gate is averaged
_SIZES = ("full", "half", "quarter", "eighth", "sixteenth")
UNITS = ("", "G", "grey")


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of the network of images."""

    filters: tuple[int, ...] = option(
        (8, 16, 32), "of the convolutions at full, half, quarter size and further; half of the last, of those that join them",
        least=1, most=4096,
    )  # fmt: skip
    stride: int = option(STRIDE, "pixels of the image per place of the map: 2, 4, 8 ...", least=STRIDE, most=256)
    dropout_rate: float = option(0.0, "share of features dropped in training, of the last layer", least=0.0, most=0.95)
    field_unit: str = option(
        "", "of pixels: Gauss, or grey levels with 0.5 no field and black sky (default: as the data set says)", choices=UNITS
    )
    gauss: float = option(256.0, "field of grey level 1, Gauss", least=1.0, most=10_000.0)
    gate_none: float = option(10.0, "mean |B| around a place up to which it has no rate, Gauss", least=0.0, most=10_000.0)
    gate_whole: float = option(20.0, "mean |B| from which on it has all of it, Gauss", least=0.1, most=10_000.0)
    event: str = option("", "GOES class whose probability is the first output (default: that of the data set)")

    def __post_init__(self):
        if not self.gate_none < self.gate_whole:
            raise UserError(f"--gate_none {self.gate_none:g}: give less than --gate_whole {self.gate_whole:g}")
        if not 3 <= len(self.filters) <= len(_SIZES):
            raise UserError(
                f"--filters: {len(self.filters)} numbers; give three, of full, half and quarter size, up to {len(_SIZES)}"
            )
        if self.stride & (self.stride - 1):
            raise UserError(f"--stride {self.stride}: give a power of two")


def with_data(options, data):
    """Fill in what a data set decides: the unit of its pixels.

    Parameters
    ----------
    options : Options
    data : dataset_models.solar_data.SolarData

    Returns
    -------
    Options
    """
    unit = "grey" if data.channels and data.channels[0].unit.startswith("grey") else "G"
    return options if options.field_unit else dataclasses.replace(options, field_unit=unit)


def build(inputs, options, seed=0):
    """Build the network.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        ``image`` (height, width, 1), a full-disk magnetogram, its sides multiples of 4, or more with more filters or stride.
    options : Options
    seed : int
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        Outputs ``logits`` (n, 1), the log-odds of a flare of `Options.event` or more anywhere, and ``rates``
        (n, height / stride, width / stride, 4): expected flares in the window, of C1.0, M1.0, M5.0 and X1.0 or more, of each
        place.

    Raises
    ------
    UserError
        Inputs that are not one magnetogram.

    Notes
    -----
    Features of half size, and of quarter size and less enlarged again, are joined. The rate of two pixels depends on a
    square of 29 pixels around them with three filters, and on about twice as many with each one more. Rates of a larger
    stride are sums of these.
    """
    import keras
    from keras import layers

    from network_models.layers.flare_rates import FieldGate, GatedLogRates, MagneticField

    require_inputs(inputs)
    shape = inputs["image"].shape if "image" in inputs else ()
    multiple = max(2 ** (len(options.filters) - 1), options.stride)
    if len(inputs) != 1 or len(shape) != 3 or shape[-1] != 1 or any(side % multiple for side in shape[:2]):
        raise UserError(
            f"the network takes one magnetogram of one channel, its sides multiples of {multiple}; the data set has"
            f" {described(inputs)}: give such a --channel_set or --image_size, and no history or other inputs"
        )
    weights = InitialWeights(seed)
    image = keras.Input(shape, name="image")
    field = MagneticField(options.field_unit or "G", options.gauss, name="field")(image)
    full, half, *further = options.filters

    def convolution(x, filters, name, size=3, **keywords):
        kernel = weights.he_normal()
        keywords = {"padding": "same", "activation": "relu", "kernel_initializer": kernel, "name": name, **keywords}
        return layers.Conv2D(filters, size, **keywords)(x)

    x = convolution(field, full, "full_size")
    x = convolution(x, half, "half_size_1", strides=STRIDE)
    x = convolution(x, half, "half_size_2")
    joined = [x]
    for factor, (filters, size) in enumerate(zip(further, _SIZES[2:], strict=False), start=1):
        x = layers.MaxPooling2D(name=f"{size}_size")(x)
        x = convolution(x, filters, f"{size}_size_1")
        x = convolution(x, filters, f"{size}_size_2")
        joined.append(layers.UpSampling2D(2**factor, name=f"half_size_from_{size}")(x))
    x = layers.Concatenate(name="all_sizes")(joined)
    x = convolution(x, max(options.filters[-1] // 2, 1), "places", size=1)
    x = layers.SpatialDropout2D(options.dropout_rate, seed=weights.next_seed(), name="dropout")(x)
    gate = FieldGate(
        STRIDE, max(shape[0] // _WINDOW, STRIDE), options.gate_none, options.gate_whole, name="gate"
    )(field)  # fmt: skip
    rate = last_of_one(x, "place_rate", start=LOG_START_RATE, weights=weights)
    log_rate = GatedLogRates(name="log_rates")([rate, gate])
    exponent = positive(last_of_one(x, "exponents", start=START_EXPONENT, weights=weights), "exponent")
    join = options.stride // STRIDE
    return rate_network([image], log_rate, exponent, event=options.event, join=join, name="images")
