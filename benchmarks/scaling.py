"""What many GPUs would bring: step time against workers, from measured parts and a stated model.

    python benchmarks/scaling.py [--picture FILE.png]

Measured here: the time of a training step of the attention network on this machine's CPU and how much it varies, and
the time of all-reduces of several sizes between two processes on loopback, as TensorFlow's ring does them. The model:

    step(n) = longest of n compute times + 2 (n - 1) latency + 2 (n - 1) / n * bytes / bandwidth

for n workers with a GPU each and the same batch on every one (weak scaling), without overlap of the two parts, which
TensorFlow's ring would allow in part: a lower bound. Computing times on a GPU are not measured but stated: --gpu_step.
The first two rows of the table check the model where it can be checked: against the measured all-reduces.
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

import numpy

from tools import command_line, figures
from tools.options import add_number

# An image of 256 x 256 takes 26 GFLOP forwards and backwards; 64 of them at 12 TFLOP/s, six tenths of an A100's float32 peak.
GPU_STEP = 0.14  # s
LATENCY = 30e-6  # s per hop: TCP on a data centre's Ethernet
NETWORKS = {"10 Gbit/s": 10e9 / 8, "100 Gbit/s": 100e9 / 8}  # bytes/s
EFFICIENCY = 0.8  # of the line rate that NCCL and TCP reach
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SIZES = (2**16, 2**20, 2**22, 2**24)  # float32 values


def all_reduce_time(count, workers, *, latency, bandwidth):
    """Seconds of a ring all-reduce.

    Parameters
    ----------
    count : float or array
        Bytes.
    workers : int
    latency : float
        Seconds per hop.
    bandwidth : float
        Bytes per second of each worker's link.

    Returns
    -------
    float or array

    References
    ----------
    Patarasuk & Yuan 2009, J. Parallel Distrib. Comput. 69, 117.
    """
    return 2 * (workers - 1) * latency + 2 * (workers - 1) / workers * numpy.asarray(count) / bandwidth


def speed_up(workers, *, step, variation, count, latency, bandwidth, seed=0, steps=400):
    """How many times as many images per second as one worker, at the same batch on each.

    Parameters
    ----------
    workers : int
    step, variation : float
        Seconds of a step's computation, and its standard deviation as a share of it.
    count : int
        Bytes of the gradients.
    latency, bandwidth : float
    seed, steps : int
        Of the simulation: all wait for the slowest, whose time is drawn at every step.

    Returns
    -------
    float
    """
    if workers == 1:
        return 1.0  # waits for nobody
    random = numpy.random.default_rng(seed)
    # Lognormal: no step takes less than none.
    spread = numpy.sqrt(numpy.log1p(variation**2))
    times = step * random.lognormal(-(spread**2) / 2, spread, (steps, workers))
    slowest = times.max(axis=1).mean()
    return workers * step / (slowest + all_reduce_time(count, workers, latency=latency, bandwidth=bandwidth))


def measured_steps(steps=12):
    """Seconds of single training steps of the attention network here (256 x 256, batch 4), and its parameters."""
    done = _python("--steps", str(steps))
    return json.loads(done)


def measured_all_reduces(repeats=12):
    """Seconds of an all-reduce between two processes on loopback: dict of bytes to median seconds."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--all_reduce", str(repeats)],
            env={**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for index in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return {int(count): seconds for count, seconds in json.loads(outputs[0].splitlines()[-1]).items()}


def fit(times):
    """Latency (s) and bandwidth (bytes/s) that give the measured all-reduces of two workers."""
    counts, seconds = numpy.array(list(times)), numpy.array(list(times.values()))
    # Relative errors count alike, so that the small ones are not drowned.
    slope, start = numpy.polyfit(counts, seconds, 1, w=1 / seconds)
    return max(start, 0) / 2, 1 / slope


def measure():
    """How well the model gives the measured all-reduces, and the predicted speed-ups as rows of the table."""
    steps, parameters = measured_steps()
    times = measured_all_reduces()
    latency, bandwidth = fit(times)
    rows = []
    for count in (min(times), max(times)):
        model = float(all_reduce_time(count, 2, latency=latency, bandwidth=bandwidth))
        ratio = model / times[count]
        what = f"all-reduce of {count / 1e6:.1f} MB by two processes, model"
        passed = 0.5 < ratio < 2
        rows.append({"what": what, "baseline": times[count], "ours": model, "ratio": ratio, "required": 2.0, "passed": passed})
    variation = statistics.stdev(steps) / statistics.fmean(steps)
    for name, line in NETWORKS.items():
        for workers in (8, 64, 512):
            found = predicted(workers, parameters, variation, line)
            row = {"what": f"predicted speed-up, {workers} GPUs, {name}", "baseline": 1.0, "ours": 1 / found, "ratio": found}
            rows.append({**row, "required": float("nan"), "passed": True})
    return rows


def predicted(workers, parameters, variation, line_rate, *, gpu_step=GPU_STEP):
    """`speed_up` of the attention network with this script's assumptions."""
    return speed_up(
        workers,
        step=gpu_step,
        variation=variation,
        count=4 * parameters,
        latency=LATENCY,
        bandwidth=EFFICIENCY * line_rate,
    )


def draw(path, steps, parameters, times, *, gpu_step=GPU_STEP):
    """Draw the measured all-reduces with the model through them, and the predicted speed-ups.

    Parameters
    ----------
    path : pathlib.Path
    steps : sequence of float
    parameters : int
    times : dict of int to float
        As `measured_all_reduces`.
    gpu_step : float
    """
    variation = statistics.stdev(steps) / statistics.fmean(steps)
    latency, bandwidth = fit(times)
    with figures.style():
        figure, (left, right) = figures.new(1, 2, figsize=(11, 4.6))
        counts = numpy.array(sorted(times))
        left.loglog(counts / 1e6, [1e3 * times[count] for count in counts], "o", label="measured")
        sizes = numpy.geomspace(counts[0], counts[-1], 50)
        model = all_reduce_time(sizes, 2, latency=latency, bandwidth=bandwidth)
        left.loglog(sizes / 1e6, 1e3 * model, label=f"model: {1e6 * latency:.0f} µs, {bandwidth / 1e9:.1f} GB/s")
        left.set(xlabel="size (MB)", ylabel="time (ms)", title="All-reduce of two processes on loopback")
        left.legend()
        right.loglog(WORKERS, WORKERS, color="0.6", ls="--", label="ideal")
        for (name, line), marker in zip(NETWORKS.items(), figures.MARKERS, strict=False):
            found = [predicted(workers, parameters, variation, line, gpu_step=gpu_step) for workers in WORKERS]
            right.loglog(WORKERS, found, marker=marker, label=name)
            for workers in (8, 64, 512):
                value = found[WORKERS.index(workers)]
                above = name.startswith("100")
                right.annotate(
                    f"{value:.3g}",
                    (workers, value),
                    (-24, 7) if above else (14, -16),
                    textcoords="offset points",
                    ha="center",
                    fontsize=10,
                )
        right.set(xlabel="GPUs", ylabel="images per second, relative to one GPU")
        right.set_title(f"Attention network, {parameters / 1e6:.1f} M parameters,\n64 images per GPU and step (predicted)")
        right.legend()
        figures.save(figure, path)


def _python(*flags):
    done = subprocess.run([sys.executable, __file__, *flags], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def _steps(count):
    import keras

    from network_models.full_disk_flare_forecast import attention
    from network_models.image_inputs import Input

    model = attention.build({"image": Input((256, 256, 1))}, attention.Options())
    loss = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile(keras.optimizers.SGD(1e-4), loss)
    random = numpy.random.default_rng(0)
    images, targets = {"image": random.random((4, 256, 256, 1), "float32")}, random.integers(0, 2, 4)
    times = []
    for _ in range(count + 2):
        begin = time.perf_counter()
        model.train_on_batch(images, targets)
        times.append(time.perf_counter() - begin)
    return times[2:], model.count_params()


def _all_reduces(repeats):
    import tensorflow

    options = tensorflow.distribute.experimental.CommunicationOptions(
        implementation=tensorflow.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tensorflow.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    times = {}
    for size in SIZES:

        def one(values):
            context = tensorflow.distribute.get_replica_context()
            # Computed here, the values belong to this replica's device.
            return tensorflow.reduce_sum(context.all_reduce("sum", values * 1.0)[:1])

        step = tensorflow.function(lambda values, one=one: strategy.run(one, (values,)))
        values = tensorflow.ones((size,))
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            step(values).numpy()
            seconds.append(time.perf_counter() - begin)
        times[4 * size] = statistics.median(seconds[2:])
    return times


def main(arguments=None):
    """Measure, predict and print; ``--steps`` and ``--all_reduce`` are what the script calls itself with."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--picture", type=pathlib.Path, metavar="PNG", help="draw measurements and prediction")
    add_number(
        parser,
        "--gpu_step",
        float,
        least=1e-6,
        most=3600,
        default=GPU_STEP,
        help="seconds of a step on a GPU (default: %(default)s)",
    )
    add_number(parser, "--steps", int, least=1, most=100_000, help="time this many training steps, printed as JSON")
    add_number(
        parser,
        "--all_reduce",
        int,
        least=1,
        most=100_000,
        help="time this many all-reduces as a worker of TF_CONFIG, printed as JSON",
    )
    chosen = parser.parse_args(arguments)
    if chosen.steps or chosen.all_reduce:
        print(json.dumps(_steps(chosen.steps) if chosen.steps else _all_reduces(chosen.all_reduce)))
        return
    steps, parameters = measured_steps()
    times = measured_all_reduces()
    latency, bandwidth = fit(times)
    variation = statistics.stdev(steps) / statistics.fmean(steps)
    print(f"training step here {statistics.fmean(steps):.3f} s, varying by {100 * variation:.1f} %; {parameters:,} parameters")
    print(f"all-reduce on loopback: latency {1e6 * latency:.0f} us, {bandwidth / 1e9:.2f} GB/s")
    for name, line in NETWORKS.items():
        found = [predicted(workers, parameters, variation, line, gpu_step=chosen.gpu_step) for workers in WORKERS]
        print(
            f"{name}: "
            + ", ".join(f"{n} GPU{'s' if n > 1 else ''} {value:.3g}" for n, value in zip(WORKERS, found, strict=True))
        )
    if chosen.picture:
        draw(chosen.picture, steps, parameters, times, gpu_step=chosen.gpu_step)


if __name__ == "__main__":
    command_line.run(main)
