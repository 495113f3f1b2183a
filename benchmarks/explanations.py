"""Explanation methods against Captum, AlexNet at 512 x 512 with the same weights, on this machine's CPU.

    python benchmarks/explanations.py

Needs the extra `pytorch` and captum. Measured are integrated gradients with 50 steps (both with the fastest of several batch
sizes, in turns; tracing, which the first call waits for, is not counted), Deep SHAP over 8 baselines (Captum's DeepLiftShap,
which is wrong where pooling follows a ReLU), and saliency against a bare gradient call of the same network; that the
memory of integrated gradients depends on the batch, not on the number of steps; and the saliency script with a list of 32
images against as many calls of it with one image each (four are timed, in processes of their own, and counted eight times).
The list saves the start, reading the network, tracing, and the network of random weights of the checks; the gradients take as
long. Takes about eight minutes.
"""

import functools
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

from dataset_models.solar_data import load_solar_data
from tools import command_line
from tools.options import add_number
from tools.paths import PROJECT

SIZE = 512
STEPS = 50
BASELINES = 8
INTERNAL = (5, 10, 20, 50)  # batch sizes tried, ours and Captum's
IMAGES = 32  # of the list
CALLS = 4  # with one of them each


def measure():
    """Seconds of both sides, and peak memory.

    Returns
    -------
    list of dict
    """
    memory = _memory()
    ours, theirs = _keras_network(), _torch_network()
    image = numpy.random.default_rng(0).random((1, SIZE, SIZE, 1), "float32")
    rows = []

    from science.deep_shap.deep_shap import deep_shap
    from science.integrated_gradients.integrated_gradients import integrated_gradients

    def own(size):
        integrated_gradients(ours, {"image": image}, tolerance=None, steps=STEPS, batch_size=size)

    calls = {("Captum", size): functools.partial(_captum_gradients, theirs, image, size) for size in INTERNAL}
    calls |= {("ours", size): functools.partial(own, size) for size in INTERNAL}
    times = _in_turns(calls)
    best = {name: min(times[name, size] for size in INTERNAL) for name, _ in calls}
    rows.append(_row(f"integrated gradients, {STEPS} steps, Captum against ours", best["Captum"], best["ours"], 1.2))

    background = numpy.random.default_rng(1).random((BASELINES, SIZE, SIZE, 1), "float32")
    calls = {
        "ours": lambda: deep_shap(ours, {"image": image}, background={"image": background}),
        "Captum": lambda: _captum_shap(theirs, image, background),
    }
    times = _in_turns(calls)
    rows.append(_row(f"Deep SHAP, {BASELINES} baselines, Captum against ours", times["Captum"], times["ours"], 1.0))

    rows.append(_saliency(ours, image))
    return [*rows, memory, list_of_images(ours)]


def list_of_images(network):
    """Time the saliency script with a list of images against calls of it with one: a row of the table."""
    from network_models.trained_network import save_network

    dataset, flags = "dataset_models/simulated/sun.py", ["--image_size", str(SIZE), "--channel_set", "hmi"]
    times = load_solar_data(PROJECT / dataset)(image_size=SIZE, channel_set="hmi").times("training")[:IMAGES]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "alexnet.hdf5"
        save_network(network, path)

        def seconds(words):
            begin = time.perf_counter()
            script = [sys.executable, "science/saliency/saliency.py", str(path), dataset, *words, "--target", "1", *flags]
            subprocess.run([*script, "--out", f"{folder}/maps"], cwd=PROJECT, check=True, capture_output=True)
            return time.perf_counter() - begin

        calls = IMAGES * statistics.median(seconds([str(one)]) for one in times[:CALLS])
        together = seconds([str(one) for one in times])
    return _row(f"saliency of a list of {IMAGES} images against {IMAGES} calls of the script", calls, together, 3.0)


def _row(what, baseline, ours, required):
    ratio = baseline / ours
    return {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": required, "passed": ratio >= required}


def _in_turns(calls, repeats=3):
    """Shortest seconds of each call, by its key; in turns, since this machine's speed varies."""
    times = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if turn:  # the first one traces and compiles
                times[name].append(time.perf_counter() - begin)
    return {name: min(seconds) for name, seconds in times.items()}


def _keras_network():
    from network_models.full_disk_flare_forecast import alexnet
    from network_models.image_inputs import Input

    return alexnet.build({"image": Input((SIZE, SIZE, 1))}, alexnet.Options())


def _torch_network():
    from training_step import pytorch_network

    return pytorch_network("alexnet").eval()


def _captum_gradients(network, image, size):
    import torch
    from captum.attr import IntegratedGradients

    tensor = torch.from_numpy(image).permute(0, 3, 1, 2).contiguous()
    return IntegratedGradients(network).attribute(
        tensor, target=1, n_steps=STEPS, method="riemann_middle", internal_batch_size=size
    )


def _captum_shap(network, image, background):
    import torch
    from captum.attr import DeepLiftShap

    tensor, others = (torch.from_numpy(array).permute(0, 3, 1, 2).contiguous() for array in (image, background))
    return DeepLiftShap(_one_use(network)).attribute(tensor, others, target=1)


def _one_use(network):
    """The network with a module of its own for every ReLU, none in place, as Captum's DeepLIFT needs it."""
    import copy

    from torch import nn

    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return network


def _saliency(network, image):
    import tensorflow

    from science.gradients.engine import GradientEngine

    engine = GradientEngine(network)

    @tensorflow.function
    def bare(x):
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            output = engine.model([x], training=False)[:, 1]
        return tape.gradient(output, x)

    tensor = tensorflow.constant(image)
    times = {"bare": [], "ours": []}
    for _ in range(12):
        for name, call in (("bare", lambda: bare(tensor).numpy()), ("ours", lambda: engine.gradients({"image": image}))):
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    baseline, ours = (statistics.median(times[name][2:]) for name in ("bare", "ours"))
    ratio = ours / baseline
    what = "saliency of one image, against a bare gradient"
    return {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": 1.3, "passed": ratio <= 1.3}


def _memory():
    # Before anything large is loaded: a process begins with the peak of the one that started it.
    small, large = (
        float(
            subprocess.run(
                [sys.executable, __file__, "--memory", str(steps)], capture_output=True, text=True, check=True
            ).stdout.splitlines()[-1]
        )
        for steps in (20, 200)
    )
    ratio = large / small
    what = "integrated gradients: peak memory (MB) with 200 steps against 20"
    return {"what": what, "baseline": small, "ours": large, "ratio": ratio, "required": 1.1, "passed": ratio <= 1.1}


def main(arguments=None):
    """Measure and print; ``--memory`` is what the script calls itself with."""
    parser = command_line.parser(__doc__)
    add_number(
        parser,
        "--memory",
        int,
        least=1,
        most=100_000,
        metavar="STEPS",
        help="print the peak memory of integrated gradients, MB",
    )
    flags = parser.parse_args(arguments)
    if flags.memory:
        from science.integrated_gradients.integrated_gradients import integrated_gradients

        image = numpy.random.default_rng(0).random((1, SIZE, SIZE, 1), "float32")
        integrated_gradients(_keras_network(), {"image": image}, steps=flags.memory, tolerance=None, batch_size=4)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    from benchmark_table import show

    show(measure())


if __name__ == "__main__":
    command_line.run(main)
