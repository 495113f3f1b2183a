"""Scores with block-bootstrap intervals against a loop over scikit-learn, and what they take in time and memory.

    python benchmarks/verification.py

The baseline draws the same blocks, puts the hours of each sample together and asks scikit-learn for each score.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import numpy

from tools import command_line
from tools.block_bootstrap import BlockBootstrap

HOURS, SAMPLES = 64000, 1000
SAMPLES_OF_BASELINE = 20  # its time per sample is constant
SECONDS, GIGABYTES = 20.0, 1.0
COMMON = ("accuracy", "pod", "csi", "hss", "tss", "brier", "log_loss", "auc", "average_precision")


def forecasts(hours=HOURS, *, seed=0):
    """Times, probabilities and outcomes like those of hourly forecasts over seven years: persistent, 18 % events."""
    random = numpy.random.default_rng(seed)
    times = numpy.datetime64("2011-01-01", "s") + numpy.arange(hours) * numpy.timedelta64(1, "h")
    activity = numpy.repeat(random.normal(size=hours // 100 + 1), 100)[:hours] + 0.5 * random.normal(size=hours)
    probability = 1 / (1 + numpy.exp(2 - 1.5 * activity))
    return times, probability, random.random(hours) < probability


def ours():
    """All scores and their samples: seconds, and the result."""
    from science.verification.scores import score

    times, probability, event = forecasts()
    begun = time.perf_counter()
    bootstrap = BlockBootstrap(times, samples=SAMPLES)
    references = {"climatology": numpy.full(HOURS, event.mean())}
    found = score(probability, event, references=references, bootstrap=bootstrap)
    intervals = {name: found.interval(name) for name in found.samples}
    return time.perf_counter() - begun, found, intervals, bootstrap


def with_scikit_learn(bootstrap, samples):
    """The scores that scikit-learn has, for some samples: seconds, and a list of dict."""
    from sklearn import metrics

    _, probability, event = forecasts()
    begun = time.perf_counter()
    found = []
    for weights in bootstrap.weights[:samples]:
        rows = numpy.repeat(numpy.arange(HOURS), weights[bootstrap.block])
        happened, forecast = event[rows], probability[rows]
        yes = forecast >= 0.5
        values = (
            metrics.accuracy_score(happened, yes),
            metrics.recall_score(happened, yes),
            metrics.jaccard_score(happened, yes),
            metrics.cohen_kappa_score(happened, yes),
            metrics.balanced_accuracy_score(happened, yes, adjusted=True),
            metrics.brier_score_loss(happened, forecast),
            metrics.log_loss(happened, forecast),
            metrics.roc_auc_score(happened, forecast),
            metrics.average_precision_score(happened, forecast),
        )
        found.append(dict(zip(COMMON, values, strict=True)))
    return time.perf_counter() - begun, found


def alone():
    """Seconds and largest memory in GB of `ours` in a process of its own with one thread."""
    text = "import json, resource, verification as v; s = v.ours()[0]; m = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    here = pathlib.Path(__file__).resolve().parent
    answer = subprocess.run(
        [sys.executable, "-c", f"{text}; print(json.dumps([s, m / 1e6]))"],
        cwd=here,
        env={**os.environ, **environment, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def measure():
    """Measure time on one core, memory, and the ratio to scikit-learn.

    Returns
    -------
    list of dict
        what, baseline and ours (seconds or GB), ratio, required, passed.
    """
    seconds, memory = alone()
    _, found, _, bootstrap = ours()
    taken, theirs = with_scikit_learn(bootstrap, SAMPLES_OF_BASELINE)
    for name in COMMON:
        numpy.testing.assert_allclose([one[name] for one in theirs], found.samples[name][: len(theirs)], rtol=1e-6)
    loop = taken / SAMPLES_OF_BASELINE * SAMPLES
    what = f"all scores, {SAMPLES} samples of {HOURS} forecasts"
    return [
        _row(f"{what}, seconds on one core", SECONDS, seconds, 1.0),
        _row(f"{what}, GB", GIGABYTES, memory, 1.0),
        _row(f"{what}, against scikit-learn for nine of them", loop, seconds, 10.0),
    ]


def _row(what, baseline, ours, required):
    ratio = baseline / ours
    return {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": required, "passed": ratio >= required}


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
