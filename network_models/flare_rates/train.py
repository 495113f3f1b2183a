"""Train rates of flares: per region, from past flares alone, or per place of a magnetogram; the disk is the sum of them.

    python network_models/flare_rates/train.py --summaries SRS_FOLDER --flares LIST [--architecture history] [--epochs 30 ...]

takes NOAA's region summaries (dataset_models/download/noaa_regions.py fetches them) and a flare list with regions. Twenty years
take two to four minutes on two cores. See README.md beside this script for the data, what to expect, and what the numbers mean.
"""

import dataclasses
import pathlib

from network_models import experiment, settings
from network_models.settings import TrainingOptions
from tools import command_line, modules
from tools.errors import UserError
from tools.options import option

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = {name: modules.load(HERE / f"{name}.py") for name in ("regions", "history", "images")}  # a copied folder's own
DATASET = "dataset_models/NOAA/active_regions.py"
LIKELIHOODS = modules.load(HERE / "rate_outputs.py").LIKELIHOODS
ALIASES = {"lr": "learning_rate"}


@dataclasses.dataclass(kw_only=True)
class RateTraining(TrainingOptions):
    """Training of flare rates."""

    epochs: int = option(30, "passes over the training split", least=1, most=100_000)
    batch_size: int = option(64, "samples per step, over all devices together", least=1, most=65_536)
    learning_rate: float = option(2e-3, "learning rate in the first epoch", least=0.0, most=100.0)
    clip_norm: float = option(
        0.0, "largest norm of the gradient of a step, longer ones are shortened; 0: any", least=0.0, most=1e9
    )
    gamma: float = option(0.9, "by which the rate is multiplied after each epoch", least=0.0, most=1.0)
    likelihood: str = option(
        "yes or no",
        "of each class and place, whether there was a flare; or of how many flares there were, and how strong; or both",
        choices=LIKELIHOODS,
    )
    class_weights: tuple[float, ...] = option(
        (), "of C1.0, M1.0, M5.0 and X1.0 in 'yes or no' (default: 1 each)", least=0.0, most=1e6
    )


def choice():
    """Make the flag ``--architecture``: `network_models.settings.NetworkChoice`."""
    return settings.NetworkChoice("--architecture", "regions", {name: module.Options for name, module in NETWORKS.items()})


def train(run_settings):
    """Train, or continue to train, a network of flare rates.

    Parameters
    ----------
    run_settings : network_models.settings.RunSettings
        Its training is a `RateTraining`, its architecture a key of `NETWORKS`.

    Returns
    -------
    network_models.experiment.Result

    Raises
    ------
    UserError
        As `network_models.experiment.run`; the network is for another event than the data set.
    """
    from network_models.training import schedules

    network_file, event = NETWORKS[run_settings.architecture], getattr(run_settings.data, "threshold", "")
    if hasattr(network_file, "with_data"):
        network = network_file.with_data(run_settings.network, run_settings.data)
        run_settings = dataclasses.replace(run_settings, network=network)
    if not run_settings.network.event:
        run_settings = dataclasses.replace(run_settings, network=dataclasses.replace(run_settings.network, event=event))
    if run_settings.network.event != event:
        raise UserError(
            f"--event {run_settings.network.event}: the data set asks for {event}; give one class, with --threshold"
        )
    objective = modules.load(HERE / "likelihood.py").FlareRates(run_settings)
    rate = schedules.StepDecay(run_settings.training.learning_rate, run_settings.training.gamma)
    return experiment.run(network_file.build, run_settings, objective=objective, callbacks=[rate])


def main(arguments=None):
    """Train with the given flags; the last line printed is the result as JSON."""
    return train(
        settings.parse(
            arguments,
            __doc__,
            network_folder=HERE,
            choose_network=choice(),
            training=RateTraining,
            dataset=DATASET,
            aliases=ALIASES,
        )
    )


if __name__ == "__main__":
    command_line.run(main)
