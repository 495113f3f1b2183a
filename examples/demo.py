"""The main job from beginning to end on the simulated Sun: train, then look inside the network.

    python examples/demo.py [--out FOLDER] [--pictures FOLDER]

Each step is a script that can be run by hand; the commands are printed as they run. About three minutes on two cores.
--pictures copies those that README.md and docs/start.md show, for which it is examples/pictures.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import time

from tools import atomic_files, command_line
from tools.errors import UserError

PROJECT = pathlib.Path(__file__).resolve().parents[1]
DATASET = "dataset_models/simulated/sun.py"
NETWORK = "network_models/xray_flux_forecast/fdl1"
SHOWN = {
    "loss_curve": "performance/loss_curve.png",
    "saliency": "maps/*_saliency_image_94.png",
    "deconvolution": "features/*_deconvolution_conv_2_image.png",
    "embedding": "embeddings/embedding.png",
}  # on pages, by their names there


def demo(out=None, *, data=(), training=()):
    """Train the FDL 2017 network, save one validation image, and explain and embed what was learned.

    Parameters
    ----------
    out : str or pathlib.Path, optional
        Where ``trained_models`` is made instead of beside the training script.
    data : sequence of str
        Flags of the simulated Sun, for another one than the default.
    training : sequence of str
        Further flags of the training script.

    Returns
    -------
    pathlib.Path
        The run folder.
    """
    begin = time.monotonic()
    where = ["--out", str(pathlib.Path(out).expanduser().resolve())] if out else []  # the scripts run in the project's folder
    last_line = run_script(f"{NETWORK}/aia_only.py", *data, *training, *where)
    folder = pathlib.Path(json.loads(last_line)["run_folder"])
    image = run_script("dataset_models/simulated/archive.py", "--image", "validation", *data, "--out", str(folder / "images"))
    network = str(folder / "best_performing.hdf5")
    run_script("science/saliency/saliency.py", network, DATASET, image)
    run_script("science/deconvolutional/deconvolutional.py", network, DATASET, image)
    run_script("science/embedding/tsne.py", network, DATASET)
    print(f"\nEverything is in {folder} ({time.monotonic() - begin:.0f} s). Pictures:")
    for picture in sorted(folder.rglob("*.png")):
        print(f"  {picture.relative_to(folder)}")
    print(f"To explore the embedding and the loss curves: .venv/bin/tensorboard --logdir {folder}")
    return folder


def copy_pictures(folder, to):
    """Copy the pictures of `SHOWN` from a run folder to another folder, each complete or not at all.

    Raises
    ------
    UserError
        The run has none of a name, or several.
    """
    found = {name: sorted(folder.glob(pattern)) for name, pattern in SHOWN.items()}
    for name, pictures in found.items():
        if len(pictures) != 1:
            raise UserError(f"{folder}: expected one picture {SHOWN[name]}, found {len(pictures)}; run the demonstration anew")
    for name, (picture,) in found.items():
        with atomic_files.replacing(pathlib.Path(to) / f"{name}.png") as temporary:
            shutil.copyfile(picture, temporary)


def run_script(script, *arguments):
    """Run a script of the project, show what it prints, and return its last line."""
    print(f"\n$ python {' '.join([script, *arguments])}", flush=True)
    command = [sys.executable, str(PROJECT / script), *arguments]
    last = ""
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    if process.returncode:
        raise UserError(f"{script} ended with code {process.returncode}")
    return last


def main(arguments=None):
    """Run the demonstration."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--out", metavar="FOLDER", help="make trained_models here (default: beside the training script)")
    parser.add_argument("--pictures", metavar="FOLDER", help="copy the pictures that pages show to here")
    given = parser.parse_args(arguments)
    folder = demo(given.out)
    if given.pictures:
        copy_pictures(folder, given.pictures)


if __name__ == "__main__":
    command_line.run(main)
