"""Helioviewer's 4096 x 4096 JPEG 2000 to 512 x 512: the wavelet level that fits, against a full decode and an area resize.

    python benchmarks/jpeg2000.py

Measures on genuine files, decoding alone and from JP2 files to JPEG files; without them there is nothing to measure. How
much a level saves depends on what the image holds: the ratio is about 19 for HMI magnetograms, 16 for AIA 304 and 13 for
AIA 171. The row is of the three together, one file of each.
"""

import os
import pathlib
import shutil
import statistics
import tempfile
import time

import numpy

from dataset_models.conversion import jp2_to_images
from dataset_models.images import jpeg2000
from tools import command_line

SIZE = 512
ROUNDS = 7
COPIES = 320  # files converted by the processes
DECODING, CONVERTING = 15.0, 20.0  # ratios required


def measure():
    """Measure both, round by round in turn.

    Returns
    -------
    list of dict
        what, baseline and ours (seconds per file), ratio, required, passed. Empty without genuine files.
    """
    files = genuine_files()
    return [decoding(files), converting(files)] if files else []


def genuine_files():
    """A genuine file of each kind of image: list of paths, empty where there are none."""
    real = pathlib.Path(os.environ.get("SOLAR_SHARED") or pathlib.Path(__file__).parents[2] / "shared" / "real")
    kinds = {path.name.split("__")[2]: path for path in sorted((real / "jp2").glob("*__*__*.jp2"))}
    return list(kinds.values())


def fully(path):
    """A full decode and an area resize, as Pillow does them."""
    from PIL import Image

    with Image.open(path) as picture:
        return picture.resize((SIZE, SIZE), Image.Resampling.BOX)


def decoding(files):
    """Decoding alone, with all that is checked and read of the header: all files once per round."""
    seconds = {"baseline": [], "ours": []}
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        for path in files:
            fully(path)
        between = time.perf_counter()
        for path in files * 4:
            jpeg2000.decode(jpeg2000.read(path), size=SIZE, mode="reduced")
        seconds["baseline"].append((between - begun) / len(files))
        seconds["ours"].append((time.perf_counter() - between) / len(files) / 4)
    baseline, ours = (statistics.median(seconds[side][1:]) for side in ("baseline", "ours"))  # the first round warms up
    return _row(f"JPEG 2000 4096 -> {SIZE}, decoding, s per file", baseline, ours, DECODING)


def converting(files):
    """From JP2 to JPEG: two processes and their start against one, which decodes fully."""
    seconds = {"baseline": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        copies = copy(files, folder / "jp2")
        for index in range(3):
            begun = time.perf_counter()
            for number, path in enumerate(copies[:16]):
                fully(path).convert("L").save(folder / f"{number}.jpg", quality=95)
            between = time.perf_counter()
            outcome = jp2_to_images.convert(copies, folder / str(index), jp2_to_images.Recipe(size=SIZE), workers=2)
            seconds["ours"].append((time.perf_counter() - between) / len(copies))
            seconds["baseline"].append((between - begun) / 16)
            if len(outcome.converted) != len(copies):
                raise AssertionError(f"{len(outcome.converted)} of {len(copies)} files were converted")
    baseline, ours = (statistics.median(seconds[side]) for side in ("baseline", "ours"))
    return _row("JPEG 2000 -> JPEG, two processes against a full decode in one, s per file", baseline, ours, CONVERTING)


def copy(files, folder):
    """The same files under names of other times: list of paths."""
    folder.mkdir()
    copies = []
    for number in range(COPIES):
        source = files[number % len(files)]
        moment = str(numpy.datetime64("2020-01-01T00:00:00") + numpy.timedelta64(12 * number, "m"))
        stamp = moment.replace("-", "_").replace(":", "_").replace("T", "__")
        copies.append(folder / f"{stamp}_00__{source.name.split('__')[2]}")
        shutil.copy(source, copies[-1])
    return copies


def _row(what, baseline, ours, required):
    ratio = baseline / ours
    return {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": required, "passed": ratio >= required}


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    rows = measure()
    if rows:
        show(rows)
    else:
        print("no genuine JPEG 2000 files; set SOLAR_SHARED to a folder with jp2/*.jp2")


if __name__ == "__main__":
    command_line.run(main)
