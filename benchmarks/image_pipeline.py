"""Does the image pipeline keep up with the fastest of the five full-disk networks, at 512x512?

    python benchmarks/image_pipeline.py

Magnetograms are generated as 8-bit 512x512 jpgs. The pipeline reads, decodes, augments and batches them as in training,
shuffled and with nothing kept in memory, more than a third of them changed copies; then each network takes training
steps on a batch that lies in memory. Both rates are samples per second on this machine, the pipeline alone having it
for itself; a network that runs on the same processors gets what the pipeline leaves.
"""

import pathlib
import statistics
import tempfile
import time

import numpy

from tools import command_line

SIZE = 512
IMAGES = 160
BATCH = 8
ROUNDS = 5
PIPELINE_STEPS = 20  # per round
REQUIRED = 2.0
NETWORKS = ("alexnet", "vgg16", "resnet34", "attention", "standard_cnn")
STEPS = {"alexnet": 5}  # timed steps; of the slower networks 2


def measure():
    """Samples per second of the pipeline, and of every network.

    Returns
    -------
    list of dict
        One entry: what, baseline (samples per second that the fastest network consumes), ours (those that the pipeline
        delivers), ratio, required, passed.
    """
    delivered = pipeline_rate()
    consumed = {name: network_rate(name) for name in NETWORKS}
    fastest = max(consumed, key=consumed.get)
    what = f"samples per second of the image pipeline, {SIZE}x{SIZE}, against training of {fastest}, the fastest network"
    ratio = delivered / consumed[fastest]
    row = {"what": what, "baseline": consumed[fastest], "ours": delivered, "ratio": ratio, "required": REQUIRED}
    return [row | {"passed": ratio >= REQUIRED}]


def pipeline_rate():
    """Samples per second that the pipeline delivers: median of rounds."""
    from dataset_models.augmentation import EqualClasses

    with tempfile.TemporaryDirectory() as folder:
        data = data_set(pathlib.Path(folder))
        data.memory_budget = 0
        sampling = EqualClasses(data.targets("training"), seed=0)
        batches = iter(data.pipeline("training", batch_size=BATCH, seed=0, sampling=sampling))
        rates = []
        for _ in range(ROUNDS + 1):
            begin = time.perf_counter()
            for _ in range(PIPELINE_STEPS):
                next(batches)
            rates.append(PIPELINE_STEPS * BATCH / (time.perf_counter() - begin))
        del batches
    return statistics.median(rates[1:])  # the first round warms up


def network_rate(name):
    """Samples per second that training steps of a network consume: of its fastest step."""
    import importlib

    import keras

    from network_models.image_inputs import Input
    from network_models.training.sgd import CoupledSGD

    keras.backend.clear_session()
    network = importlib.import_module(f"network_models.full_disk_flare_forecast.{name}")
    model = network.build({"image": Input((SIZE, SIZE, 1))}, network.Options())
    if isinstance(model.output, dict):
        model = keras.Model(model.input, model.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(CoupledSGD(1e-5, coupled_decay=1e-3), loss, jit_compile=False)
    random = numpy.random.default_rng(0)
    images, targets = random.random((BATCH, SIZE, SIZE, 1), "float32"), random.integers(0, 2, BATCH)
    seconds = []
    for _ in range(1 + STEPS.get(name, 2)):
        begin = time.perf_counter()
        model.train_on_batch({"image": images}, targets)
        seconds.append(time.perf_counter() - begin)
    return BATCH / min(seconds[1:])  # the first step compiles


def data_set(folder):
    """Hourly pictures with the texture of a magnetogram, a third of them before a flare."""
    import scipy.ndimage
    from PIL import Image

    from dataset_models.flare_labels import image_names
    from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms

    random = numpy.random.default_rng(0)
    start = numpy.datetime64("2020-05-01T00:00:00")
    rows, columns = numpy.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    disk = numpy.hypot(rows, columns) < 0.39 * SIZE
    for name in image_names(start + numpy.arange(IMAGES) * numpy.timedelta64(1, "h")):
        field = random.normal(0, 12, (SIZE, SIZE))
        field += scipy.ndimage.gaussian_filter(random.normal(0, 900, (SIZE, SIZE)), 8)
        picture = numpy.where(disk, numpy.clip(128 + field, 0, 255), 0).astype("uint8")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / name, quality=90)
    flares = folder / "flares.csv"
    hours = (-1, IMAGES // 4, IMAGES + 48)
    lines = [f"{start + numpy.timedelta64(hour, 'h')},M1.0".replace("T", " ") for hour in hours]
    flares.write_text("start_time,goes_class\n" + "\n".join(lines) + "\n")
    return FullDiskMagnetograms(folder=str(folder), flares=(str(flares),), image_size=SIZE, validation_start="2020-05-07")


def main(arguments=None):
    """Measure and print."""
    command_line.parser(__doc__).parse_args(arguments)
    from benchmark_table import show

    show(measure())


if __name__ == "__main__":
    command_line.run(main)
