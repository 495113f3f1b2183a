"""Forecast X-ray flux or flares from any data set with a deeper network: the place to start from.

    python network_models/xray_flux_forecast/starting_point/network.py [--dataset FILE.py] [--epochs 20 ...]

Without --dataset it trains on the simulated Sun.
"""

import pathlib

from network_models import experiment, network_file, settings
from tools import command_line

HERE = pathlib.Path(__file__).resolve().parent


def main(arguments=None):
    """Train with the given flags; the last line printed is the result as JSON."""
    network = network_file.load(HERE / "architecture.py")
    run_settings = settings.parse(arguments, __doc__, network_folder=HERE, network=network.options, presets=network.presets)
    return experiment.run(network.build, run_settings)


if __name__ == "__main__":
    command_line.run(main)
