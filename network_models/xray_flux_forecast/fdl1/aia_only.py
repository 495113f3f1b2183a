"""Forecast the X-ray flux from AIA images alone, with the network of NASA FDL 2017.

    python network_models/xray_flux_forecast/fdl1/aia_only.py [--dataset FILE.py] [--conv_1_channels 8 ...]

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
