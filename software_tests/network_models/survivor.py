"""A training that is killed and resumed: dropout, shuffled samples, classes made equal by changed copies, a moving rate."""

import pathlib

from dataset_models.augmentation import EqualClasses
from network_models import experiment, settings
from network_models.training import schedules
from network_models.xray_flux_forecast.starting_point import architecture
from tools import command_line


def main(arguments=None):
    """Train, or continue to train, with the starting point's flags."""
    chosen = settings.parse(arguments, __doc__, network_folder=pathlib.Path(__file__).parent, network=architecture.Options)
    targets = chosen.data.targets("training")
    return experiment.run(
        architecture.build,
        chosen,
        sampling=EqualClasses(targets, seed=chosen.training.seed),
        callbacks=[schedules.ReduceOnPlateau(0.5, 0)],
    )


if __name__ == "__main__":
    command_line.run(main)
