"""Training from Python, of any network by its name or file: the same runs as those of the training scripts."""

import dataclasses
import functools
import pathlib
import typing

from network_models import experiment, network_file, settings
from network_models.beta_vae import train as beta_vae
from network_models.flare_rates import train as flare_rates
from network_models.full_disk_flare_forecast import train as full_disk
from network_models.networks import name_of
from network_models.xray_flux_forecast.fdl1 import architecture as fdl1
from network_models.xray_flux_forecast.starting_point import architecture as starting_point
from tools import command_line
from tools.errors import UserError

FORECASTS = {"fdl1": fdl1, "starting_point": starting_point}
FAMILIES = (
    (full_disk, full_disk.FullDiskTraining),
    (beta_vae, beta_vae.VAETraining),
    (flare_rates, flare_rates.RateTraining),
)  # scripts that train several networks, and the options of their training
NAMES = (*FORECASTS, *(name for script, _ in FAMILIES for name in script.NETWORKS))


@dataclasses.dataclass(frozen=True)
class Trainer:
    """How a network is trained.

    Attributes
    ----------
    network, training : type
        Dataclasses of the options of both.
    train : callable
        ``train(run_settings)`` returns a `network_models.experiment.Result`.
    architecture : str or None
        Name of the network, where its script trains several.
    aliases : dict of str to str
        Other names of options.
    """

    network: type
    training: type
    train: typing.Callable
    architecture: str | None = None
    aliases: dict = dataclasses.field(default_factory=dict)


def trainer(network):
    """Find how a network is trained: `Trainer`; arguments and errors as of `train`."""
    if isinstance(network, pathlib.PurePath) or str(network).endswith(".py"):
        return _alone(network_file.load(network))
    name = name_of(network)
    if name in FORECASTS:
        return _alone(network_file.of_module(FORECASTS[name]))
    for script, training in FAMILIES:
        if name in script.NETWORKS:
            return Trainer(script.NETWORKS[name].Options, training, script.train, name, script.ALIASES)
    raise UserError(f"network {network!r}: choose from {', '.join(NAMES)}, or give a network's .py file")


def _alone(file):
    return Trainer(file.options, settings.TrainingOptions, functools.partial(experiment.run, file.build))


def train(network, data, *, out=".", **options):
    """Train a network on a data set, as its training script does.

    Parameters
    ----------
    network : str or pathlib.Path
        One of `NAMES`, or the path of a network's ``.py`` file.
    data : SolarData
        Its class is in a file, not typed into the notebook.
    out : str or pathlib.Path
        Where ``trained_models`` is made, with a folder for this run.
    **options
        Of the network and of its training, by the names of their flags: ``epochs=4``.

    Returns
    -------
    network_models.experiment.Result
        Shows itself.

    Raises
    ------
    UserError
        There is no such network or option, or as `network_models.experiment.run`.

    Examples
    --------
    >>> from dataset_models.digits import Digits
    >>> train("fdl1", Digits(), epoch=3)
    Traceback (most recent call last):
    tools.errors.UserError: epoch: no option of network or training; the closest is epochs
    """
    command_line.set_up_tensorflow()
    found = trainer(network)
    run_settings = settings.of_objects(
        data,
        options,
        network_folder=pathlib.Path(out),
        network=found.network,
        training=found.training,
        architecture=found.architecture,
        aliases=found.aliases,
    )
    return found.train(run_settings)
