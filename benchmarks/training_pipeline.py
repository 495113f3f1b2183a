"""Does training wait for data? Steps of fdl1 at 256 x 256 x 8 fed by the pipeline, against a batch that lies in memory.

    python benchmarks/training_pipeline.py

The pipeline reads converted images from files for every step (nothing is kept in memory) and shuffles, as in training.
"""

import dataclasses
import pathlib
import statistics
import tempfile
import time

import numpy

from dataset_models.images.image_cache import read_aligned
from dataset_models.solar_data import Availability, Channel, SolarData
from network_models.image_inputs import inputs_of
from network_models.xray_flux_forecast.fdl1 import architecture
from tools import command_line

SHAPE = (256, 256, 8)
SAMPLES = 96
BATCH = 16
STEPS = 12  # per round
ROUNDS = 9
REQUIRED = 1.1


def measure():
    """Time both ways, round by round in turn.

    Returns
    -------
    list of dict
        One entry: what, baseline and ours (seconds per step, medians), ratio, required, passed.
    """
    import keras
    import tensorflow

    seconds = {"baseline": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        data = _Files(folder=folder)
        keras.utils.set_random_seed(0)
        model = architecture.build(inputs_of(data), architecture.Options())
        model.compile("adam", "mse")
        inputs, target = next(iter(data.pipeline("training", batch_size=BATCH)))
        in_memory = tensorflow.data.Dataset.from_tensors((inputs, target[:, None])).repeat()
        from_files = data.pipeline("training", batch_size=BATCH, seed=0).map(lambda x, y: (x, y[:, None]))
        feeds = {"baseline": iter(in_memory), "ours": iter(from_files)}
        for _ in range(ROUNDS + 1):
            for side, feed in feeds.items():
                begin = time.perf_counter()
                for _ in range(STEPS):
                    model.train_on_batch(*next(feed))
                seconds[side].append((time.perf_counter() - begin) / STEPS)
        feeds.clear()
    baseline, ours = (statistics.median(seconds[side][1:]) for side in ("baseline", "ours"))  # the first round compiles
    ratio = ours / baseline
    what = "a training step of fdl1 at 256 x 256 fed from files, against a batch in memory"
    return [
        {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": REQUIRED, "passed": ratio <= REQUIRED}
    ]


@dataclasses.dataclass(kw_only=True)
class _Files(SolarData):
    """Converted images as the AIA data set keeps them, with random content."""

    title = "random images"
    memory_budget = 0

    folder: str = ""

    def __post_init__(self):
        random = numpy.random.default_rng(0)
        for index in range(SAMPLES):
            numpy.save(self._path(index), random.gamma(2, 100, SHAPE).astype("float32"))

    def _path(self, index):
        return pathlib.Path(self.folder) / f"{index}.npy"

    @property
    def input_shapes(self):
        return {"image": SHAPE}

    @property
    def channels(self):
        return tuple(Channel(str(index)) for index in range(SHAPE[-1]))

    @property
    def target_label(self):
        return "a number"

    def times(self, split):
        return numpy.arange(SAMPLES).astype("datetime64[s]")

    def inputs(self, time):
        return {"image": read_aligned(self._path(int(time.astype("int64"))), SHAPE)}

    def target(self, time):
        return float(time.astype("int64") % 7)

    def truth(self, time):
        return self.target(time), 0.0

    def read_image(self, path):
        return {"image": read_aligned(path, SHAPE)}

    def is_downloaded(self):
        return Availability((self.folder,), SAMPLES)


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
