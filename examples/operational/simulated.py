"""A forecast from beginning to end on the simulated Sun: train, calibrate, issue, replay, verify, and make the page.

    python examples/operational/simulated.py [--out FOLDER]

as `make forecast` does. Each step is a script that can be run by hand; the commands are printed as they run. About two minutes
on two cores. None of it is an observation, and a network of sixty days has no skill to speak of.
"""

import json
import pathlib
import time

import pandas

from science.operational_forecast import configuration
from science.operational_forecast.forecast import SIMULATED
from tools import atomic_files, command_line, modules
from tools.errors import UserError

PROJECT = pathlib.Path(__file__).resolve().parents[2]
OPERATIONAL = "science/operational_forecast"
VALIDATION = "2013-12-16"  # earlier days train the network, half of the later ones calibrate it, and the rest is replayed
REPLAYED = ("2014-01-01", "2014-01-14T18:00")
run_script = modules.load(PROJECT / "examples" / "demo.py").run_script


def forecast(out, *, training=()):
    """Go all the way.

    Parameters
    ----------
    out : str or pathlib.Path
    training : sequence of str
        Further flags of the training script.

    Returns
    -------
    pathlib.Path
        The page.
    """
    begin = time.monotonic()
    folder = pathlib.Path(out).expanduser().resolve()
    first, own, log = folder / "HISTORY.yml", folder / "FORECAST.yml", folder / "forecasts.jsonl"
    if own.exists():
        raise UserError(f"{own}: is there already; give another folder with --out")
    if not first.exists():
        run_script(f"{OPERATIONAL}/forecast.py", str(first), "--init")
    images, flares = folder / SIMULATED / "hmi_jpg", folder / SIMULATED / "flares.csv"
    data = ["--folder", str(images), "--flares", str(flares), "--image_size", "64", "--validation_start", VALIDATION]
    last_line = run_script(
        "network_models/flare_rates/train.py", "--architecture", "images", "--dataset", "dataset_models/SDO/HMI/full_disk.py",
        *data, "--epochs", "8", "--batch_size", "16", "--clip_norm", "1", "--out", str(folder / "runs"), *training,
    )  # fmt: skip
    run = pathlib.Path(json.loads(last_line)["run_folder"])
    calibration, held_out = run / "calibration.json", folder / "to_calibrate.csv"
    table = pandas.read_csv(run / "performance" / "validation_forecasts.csv")
    atomic_files.write_table(held_out, table[pandas.to_datetime(table["time"]) < _closed_before(REPLAYED[0])])
    run_script("network_models/forecasts/calibration.py", "fit", str(held_out), "--kind", "platt", "--out", str(calibration))
    configuration.write_first(
        own, folder=str(images), flares=str(flares), simulated=True, network=str(run / "best_performing.hdf5"),
        calibration=str(calibration), image_size=64, map_method="rate map",
    )  # fmt: skip
    run_script(f"{OPERATIONAL}/forecast.py", str(own), "--replay", *REPLAYED, "--every", "6")
    run_script(f"{OPERATIONAL}/forecast.py", str(own))
    run_script(f"{OPERATIONAL}/log.py", str(log), "--verify")
    scores = folder / "scores"
    run_script(f"{OPERATIONAL}/verify.py", str(log), "--flares", str(flares), "--out", str(scores))
    page = folder / "page"
    run_script(
        f"{OPERATIONAL}/page.py", str(log), "--out", str(page), "--flares", str(flares), "--scores", str(scores)
    )  # fmt: skip
    print(f"\nThe page is {page / 'index.html'} ({time.monotonic() - begin:.0f} s).")
    return page


def _closed_before(text):
    """Return the time up to which windows of a day close before another time."""
    return pandas.Timestamp(text, tz="UTC") - pandas.Timedelta(days=1)


def main(arguments=None):
    """Run the demonstration."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--out", metavar="FOLDER", default="simulated_forecast", help="(default: %(default)s)")
    forecast(parser.parse_args(arguments).out)


if __name__ == "__main__":
    command_line.run(main)
