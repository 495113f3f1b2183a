"""Reading 8-channel 1024 x 1024 samples through the pipeline, against `numpy.fromfile` of the same bytes.

    python benchmarks/reading.py

Legacy arrays are converted once (not measured). Then both sides read the converted files over and over; neither keeps
samples in memory, both profit alike from what the operating system caches. The pipeline runs as in training: shuffled,
one endless iterator, whose start-up is not measured, several readers; numpy.fromfile runs in one thread.
"""

import pathlib
import statistics
import tempfile
import time

import numpy

from dataset_models.flux_series import FluxSeries
from dataset_models.SDO.AIA.fdl_1 import AIA8
from tools import command_line

SAMPLES = 8
EPOCHS = 5  # per round
ROUNDS = 9
REQUIRED = 1.5


def measure():
    """Time both ways, round by round in turn.

    Returns
    -------
    list of dict
        One entry: what, baseline and ours (seconds per sample, medians), ratio, required, passed.
    """
    seconds = {"baseline": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        data = data_set(pathlib.Path(folder))
        samples = len(data.require_samples("training"))
        files = sorted((pathlib.Path(folder) / "cache").rglob("*.npy"))
        if samples != len(files):
            raise AssertionError(f"{samples} samples in {len(files)} files")
        batches = iter(data.pipeline("training", batch_size=1, seed=0))
        for _ in range(ROUNDS + 1):
            begin = time.perf_counter()
            for file in files * EPOCHS:
                numpy.fromfile(file, "float32")
            between = time.perf_counter()
            for _ in range(samples * EPOCHS):
                next(batches)
            seconds["baseline"].append((between - begin) / (samples * EPOCHS))
            seconds["ours"].append((time.perf_counter() - between) / (samples * EPOCHS))
        del batches
    baseline, ours = (statistics.median(seconds[side][1:]) for side in ("baseline", "ours"))  # the first round warms up
    what = "a sample of 1024 x 1024 x 8 through the pipeline, against numpy.fromfile"
    ratio = ours / baseline
    return [
        {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": REQUIRED, "passed": ratio <= REQUIRED}
    ]


class _Unkept(AIA8):
    memory_budget = 0


def data_set(folder):
    """A data set of `SAMPLES` AIA samples of 1024 x 1024 pixels, written below `folder`: AIA8."""
    generator = numpy.random.default_rng(0)
    start = numpy.datetime64("2014-01-01T00:00", "m")
    (folder / "aia").mkdir()
    for index in range(SAMPLES):
        moment = str(start + 12 * index).replace("-", "").replace(":", "").replace("T", "_")
        with open(folder / "aia" / f"{moment}_AIA_08_1024_1024.dat", "wb") as file:
            numpy.save(file, generator.random((1024, 1024, 8), "float32"))
    data = AIA8(
        folder=str(folder / "aia"), cache=str(folder / "cache"), image_size=1024, catch="12min", validation_fraction=0.0
    )
    flux = FluxSeries(start - 60, numpy.full(400, 1e-6), calibration="science")
    data.__dict__["flux_series"] = flux  # in place of a store
    return data


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
