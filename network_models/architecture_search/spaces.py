"""Spaces of architecture searches: for each network the options varied, their values, and when they matter."""

import dataclasses
import pathlib
import typing

from network_models import network_file
from network_models.full_disk_flare_forecast.training_options import FullDiskTraining
from network_models.networks import NETWORKS, name_of
from network_models.run_folder import portable_dataset
from network_models.settings import TrainingOptions
from tools import options
from tools.errors import UserError


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
        """Return its range in words: str."""
        if self.bounds:
            return f"{self.bounds[0]:g} to {self.bounds[1]:g}"
        return ", ".join(str(word(value)) for value in self.values)


@dataclasses.dataclass(frozen=True)
class Space:
    """A network whose options are varied.

    Attributes
    ----------
    network : network_models.network_file.NetworkFile
    parameters : tuple of Parameter
    title : str
    full_disk : bool
        Whether it is trained as the full-disk networks are.
    training : dict
        Defaults of training options in a search, where they are not those of a training.
    """

    network: network_file.NetworkFile
    parameters: tuple[Parameter, ...]
    title: str
    full_disk: bool = False
    training: dict = dataclasses.field(default_factory=dict)

    @property
    def network_options(self):
        """The options dataclass of the network."""
        return self.network.options

    @property
    def training_options(self):
        """The options dataclass of its training."""
        return FullDiskTraining if self.full_disk else TrainingOptions

    def free(self, fixed):
        """Return the parameters that are varied when the user has set the options `fixed` (names)."""
        return tuple(parameter for parameter in self.parameters if parameter.name not in fixed)

    def split(self, values):
        """Divide a trial's values into (network options, training options): two dicts, ready for `tools.options.build`."""
        values = {name: unword(value) for name, value in values.items() if not name.startswith("tuner/")}
        names = options.fields(self.network_options)
        network = {name: value for name, value in values.items() if name in names}
        return network, {name: value for name, value in values.items() if name not in names}


def word(value):
    """Write a value as keras-tuner can choose it: lists become words ("16-32-64"), the rest stays."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def unword(value):
    """Undo `word`."""
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

_RATE = Parameter("learning_rate", bounds=(1e-4, 1e-2))

_STARTING_POINT = (
    Parameter("block_channels", ((8, 16, 32), (16, 32, 64), (8, 16, 32, 32), (16, 32, 64, 64), (32, 64, 128, 128))),
    Parameter("kernel_size", (3, 5)),
    Parameter("dense_counts", ((32,), (64,), (128,), (64, 64))),
    Parameter("dropout_rate", (0.0, 0.1, 0.3, 0.5)),
    Parameter("l2", (0.0, 1e-5, 1e-4, 1e-3)),
    _RATE,
)

_FULL_DISK_TRAINING = (
    Parameter("learning_rate", bounds=(1e-6, 1e-3)),
    Parameter("weight_decay", bounds=(1e-5, 1e-1)),
    Parameter("balance", ("none", "weights", "augment")),
    Parameter("initialiser", ("he_uniform", "he_normal")),
)

# A one-cycle schedule ends with its last epoch, which a search may move.
_full_disk = {"full_disk": True, "training": {"schedule": "constant", "optimizer": "adam", "epochs": 8}}

_DROPOUT = Parameter("dropout", (0.0, 0.3, 0.5, 0.7))
_NORMALISATION = Parameter("normalisation", ("softmax", "sigmoid"))


def _space(name, parameters, title, **keywords):
    return Space(network_file.of_module(NETWORKS[name]), parameters, title, **keywords)


SPACES = {
    "fdl1": _space("fdl1", _FDL, "the network of NASA FDL 2017"),
    "starting_point": _space("starting_point", _STARTING_POINT, "the starting point"),
    "alex": _space("alex", (*_FULL_DISK_TRAINING, _DROPOUT), "AlexNet", **_full_disk),
    "vgg": _space("vgg", (*_FULL_DISK_TRAINING, _DROPOUT), "VGG16", **_full_disk),
    "resnet": _space("resnet", _FULL_DISK_TRAINING, "ResNet34", **_full_disk),
    "attention": _space("attention", (*_FULL_DISK_TRAINING, _NORMALISATION), "the attention network", **_full_disk),
    "cnn": _space("cnn", _FULL_DISK_TRAINING, "the standard CNN", **_full_disk),
}


def of(network):
    """Find the space of a network.

    Parameters
    ----------
    network : str
        A key of `SPACES`, or its second spelling (alexnet for alex), or the path of a network's file.

    Returns
    -------
    str, Space
        The network as settings.yml and search.yml store it; a file's space is that of `varied`.

    Raises
    ------
    UserError
        Neither; or as `network_models.network_file.load`.
    """
    name = name_of(network)
    if name in SPACES:
        return name, SPACES[name]
    path = pathlib.Path(network)
    if path.suffix != ".py":
        raise UserError(f"--network {network}: is neither a network's .py file nor one of {', '.join(SPACES)}")
    loaded = network_file.load(path)
    return portable_dataset(path), Space(loaded, varied(loaded), f"{path.resolve().parent.name}/{path.name}")


def varied(network):
    """List what a search varies of a network in a file.

    Parameters
    ----------
    network : network_models.network_file.NetworkFile

    Returns
    -------
    tuple of Parameter
        As ``VARIED`` in the file, a dict of option names to sequences of values. Without it: yes and no, all choices,
        and of numbers above 0 (lists of whole ones: of all their entries) half, once and twice the default, as far as their
        bounds allow. And the learning rate.

    Raises
    ------
    UserError
        ``VARIED`` names an option that the network has not, or no values.
    """
    fields = options.fields(network.options)
    if network.varied is not None:
        wrong = [name for name, values in network.varied.items() if name not in fields or not tuple(values)]
        if wrong:
            raise UserError(f"{network.path}: VARIED: {wrong[0]} is no option of the network, or has no values")
        varied_values = {name: tuple(values) for name, values in network.varied.items()}
    else:
        annotations = typing.get_type_hints(network.options)
        varied_values = {name: _around(field, annotations[name]) for name, field in fields.items()}
    parameters = tuple(Parameter(name, values) for name, values in varied_values.items() if values)
    return parameters if _RATE.name in fields else (*parameters, _RATE)


def _around(field, annotation):
    """List values to try of an option, its default among them; none where nothing follows from it: tuple."""
    default, limits = field.default, field.metadata
    if annotation is bool:
        return (False, True)
    if limits["choices"]:
        return () if isinstance(default, tuple) else tuple(limits["choices"])
    several = isinstance(default, tuple)
    kind = int if several else type(default)
    entries = default if several else (default,)
    if kind not in (int, float) or not entries or not all(type(entry) is kind and entry > 0 for entry in entries):
        return ()
    least = 0 if limits["least"] is None else limits["least"]
    most = float("inf") if limits["most"] is None else limits["most"]
    tried = [tuple(kind(factor * entry) for entry in entries) for factor in (0.5, 1, 2)]
    tried = [values for values in dict.fromkeys(tried) if all(least <= value <= most and value > 0 for value in values)]
    return tuple(values if several else values[0] for values in tried)
