"""How fast the simulated Sun draws its samples on one core.

    python benchmarks/simulated_sun.py

Whole samples as a data set hands them out: regions, eight channels of 128 x 128 pixels, noise. Laying out the disk and the
regions and flares of the span, which happens once, is left out; nothing is kept from one sample to the next. Counted is
processor time, of all threads together: what one core would take, whatever else the machine does.
"""

import time

from dataset_models.simulated.sun import SimulatedSun
from tools import command_line

REQUIRED = 100.0  # samples per second
SAMPLES = 200


def measure():
    """Measure samples per second.

    Returns
    -------
    list of dict
        ``what``, ``baseline`` (the required rate), ``ours`` (samples per second), ``ratio``, ``required``, ``passed``.
    """
    sun = SimulatedSun()
    times = sun.times("training")
    step = len(times) // SAMPLES
    sun.inputs(times[0])
    fastest = float("inf")
    for _ in range(3):
        begun = time.process_time()
        for moment in times[: SAMPLES * step : step]:
            sun.inputs(moment)
        fastest = min(fastest, time.process_time() - begun)
    rate = SAMPLES / fastest
    return [
        {
            "what": "simulated Sun, 8 x 128 x 128, samples per second of one core",
            "baseline": REQUIRED,
            "ours": rate,
            "ratio": rate / REQUIRED,
            "required": 1.0,
            "passed": rate >= REQUIRED,
        }
    ]


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
