"""What an architecture search varies: for each network the options, their values, and when they matter."""

import dataclasses
import functools
import importlib

from network_models.settings import TrainingOptions
from tools import options

FULL_DISK = "network_models.full_disk_flare_forecast"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """An option that is varied.

    Attributes
    ----------
    name : str
        Of an option of the network, or of the training.
    values : tuple
        What to choose from, in order; tuples for options that are lists.
    bounds : tuple of float, optional
        Instead of `values`: lowest and highest value, taken on a logarithmic scale.
    needs : str, optional
        An option that must not be 0 for this one to matter; it is left alone otherwise.
    """

    name: str
    values: tuple = ()
    bounds: tuple[float, float] | None = None
    needs: str | None = None

    def described(self):
        """Its range in words."""
        if self.bounds:
            return f"{self.bounds[0]:g} to {self.bounds[1]:g}"
        return ", ".join(str(word(value)) for value in self.values)


@dataclasses.dataclass(frozen=True)
class Space:
    """A network whose options are varied.

    Attributes
    ----------
    module : str
        Of the network: has `Options` and ``build``.
    parameters : tuple of Parameter
    title : str
    intensities : bool
        Whether ``build`` takes the channels that are whitened by their logarithm.
    full_disk : bool
        Whether it is trained as the full-disk networks are.
    training : dict
        Defaults of training options in a search, where they are not those of a training.
    """

    module: str
    parameters: tuple[Parameter, ...]
    title: str
    intensities: bool = False
    full_disk: bool = False
    training: dict = dataclasses.field(default_factory=dict)

    @property
    def network_options(self):
        """The options dataclass of the network."""
        return importlib.import_module(self.module).Options

    @property
    def training_options(self):
        """The options dataclass of its training."""
        if not self.full_disk:
            return TrainingOptions
        return importlib.import_module(f"{FULL_DISK}.training_options").FullDiskTraining

    def builder(self, data):
        """``build(input_shapes, options, seed=...)`` for the images of `data`, a SolarData."""
        build = importlib.import_module(self.module).build
        if not self.intensities:
            return build
        return functools.partial(build, logarithmic=[channel.logarithmic for channel in data.channels])

    def free(self, fixed):
        """The parameters that are varied when the user has set the options `fixed` (names)."""
        return tuple(parameter for parameter in self.parameters if parameter.name not in fixed)

    def split(self, values):
        """A trial's values as (network options, training options): two dicts, ready for `tools.options.build`."""
        values = {name: unword(value) for name, value in values.items() if not name.startswith("tuner/")}
        names = options.fields(self.network_options)
        network = {name: value for name, value in values.items() if name in names}
        return network, {name: value for name, value in values.items() if name not in names}


def word(value):
    """A value as keras-tuner can choose it: lists become words ("16-32-64"), the rest stays."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def unword(value):
    """The opposite of `word`."""
    numbers = isinstance(value, str) and all(part.isdigit() for part in value.split("-"))
    return [int(part) for part in value.split("-")] if numbers else value


def _whole(low, high):
    return tuple(range(low, high + 1))


# The space that NASA FDL searched with SMAC in 2017.
_FDL = (
    Parameter("conv_1_channels", _whole(0, 16)),
    Parameter("conv_1_width", _whole(1, 5), needs="conv_1_channels"),
    Parameter("conv_1_height", _whole(1, 5), needs="conv_1_channels"),
    Parameter("conv_1_stride", (1, 2, 4), needs="conv_1_channels"),
    Parameter("pool_1_width", (1, 2, 4, 8)),
    Parameter("pool_1_height", (1, 2, 4, 8)),
    Parameter("pool_1_stride", (1, 2, 4)),
    Parameter("conv_2_channels", _whole(0, 8)),
    Parameter("conv_2_width", _whole(1, 7), needs="conv_2_channels"),
    Parameter("conv_2_height", _whole(1, 7), needs="conv_2_channels"),
    Parameter("conv_2_stride", (1, 2, 4), needs="conv_2_channels"),
    Parameter("pool_2_width", (1, 4, 32, 64)),
    Parameter("pool_2_height", (1, 4, 32, 64)),
    Parameter("pool_2_stride", (1, 2, 4)),
    Parameter("dropout_rate", (0.0, 0.2, 0.5)),
    Parameter("dense_1_count", (8, 16, 32, 64, 128, 256)),
)

_STARTING_POINT = (
    Parameter("block_channels", ((8, 16, 32), (16, 32, 64), (8, 16, 32, 32), (16, 32, 64, 64), (32, 64, 128, 128))),
    Parameter("kernel_size", (3, 5)),
    Parameter("dense_counts", ((32,), (64,), (128,), (64, 64))),
    Parameter("dropout_rate", (0.0, 0.1, 0.3, 0.5)),
    Parameter("l2", (0.0, 1e-5, 1e-4, 1e-3)),
    Parameter("learning_rate", bounds=(1e-4, 1e-2)),
)

_FULL_DISK_TRAINING = (
    Parameter("learning_rate", bounds=(1e-6, 1e-3)),
    Parameter("weight_decay", bounds=(1e-5, 1e-1)),
    Parameter("balance", ("none", "weights", "augment")),
    Parameter("initialiser", ("he_uniform", "he_normal")),
)

# A one-cycle schedule ends with its last epoch, which a search may move.
_full_disk = {"full_disk": True, "training": {"schedule": "constant", "optimizer": "adam", "epochs": 8}}

SPACES = {
    "fdl1": Space(
        "network_models.xray_flux_forecast.fdl1.architecture", _FDL, "the network of NASA FDL 2017", intensities=True
    ),
    "starting_point": Space(
        "network_models.xray_flux_forecast.starting_point.architecture", _STARTING_POINT, "the starting point", intensities=True
    ),
    "alex": Space(
        f"{FULL_DISK}.alexnet", (*_FULL_DISK_TRAINING, Parameter("dropout", (0.0, 0.3, 0.5, 0.7))), "AlexNet", **_full_disk
    ),
    "vgg": Space(
        f"{FULL_DISK}.vgg16", (*_FULL_DISK_TRAINING, Parameter("dropout", (0.0, 0.3, 0.5, 0.7))), "VGG16", **_full_disk
    ),
    "resnet": Space(f"{FULL_DISK}.resnet34", _FULL_DISK_TRAINING, "ResNet34", **_full_disk),
    "attention": Space(
        f"{FULL_DISK}.attention",
        (*_FULL_DISK_TRAINING, Parameter("normalisation", ("softmax", "sigmoid"))),
        "the attention network",
        **_full_disk,
    ),
    "cnn": Space(f"{FULL_DISK}.standard_cnn", _FULL_DISK_TRAINING, "the standard CNN", **_full_disk),
}
