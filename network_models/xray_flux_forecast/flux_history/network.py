"""Forecast the X-ray flux from the X-ray flux of the last hours alone: what images have to add to.

    python network_models/xray_flux_forecast/flux_history/network.py --goes xrs.sqlite [--lag 01hr] [--hours 24 ...]

Another data set is given with --dataset; its pictures are read as lines in time, row after row.
"""

import pathlib

from network_models import experiment, network_file, settings
from tools import command_line

HERE = pathlib.Path(__file__).resolve().parent
DATASET = "dataset_models/flux_history.py"


def main(arguments=None):
    """Train with the given flags; the last line printed is the result as JSON."""
    network = network_file.load(HERE / "architecture.py")
    about = {"network": network.options, "presets": network.presets, "dataset": DATASET}
    run_settings = settings.parse(arguments, __doc__, network_folder=HERE, **about)
    return experiment.run(network.build, run_settings)


if __name__ == "__main__":
    command_line.run(main)
