"""Labels of observation times: the index of :mod:`dataset_models.flare_labels` against filtering the event table.

    python benchmarks/labels.py

The published studies filter the whole table of flares once per hour; that method is written out here as the baseline.
"""

import time

import numpy
import pandas

from dataset_models.flare_labels import label_table
from dataset_models.flares.flare_index import DAY, FlareIndex
from tools import command_line
from tools.goes_class import from_flux

HOURS_OF_BASELINE = 400  # its time per hour is constant, so a sample of the hours is enough


def flares(first, last, *, per_year=2500, seed=0):
    """A flare list of a real list's size and slope (index -2 in flux), as `Catalogue.events`."""
    random = numpy.random.default_rng(seed)
    seconds = numpy.arange(numpy.datetime64(first, "s"), numpy.datetime64(last, "s"), numpy.timedelta64(1, "m"))
    start = numpy.sort(random.choice(seconds, round(len(seconds) / 525960 * per_year), replace=False))
    flux = numpy.round(numpy.minimum(2e-7 / (1 - random.random(len(start))), 9e-4), 8)
    position = random.uniform(-80, 80, (2, len(start))).round()
    return pandas.DataFrame(
        {
            "start": start,
            "flux": flux,
            "goes_class": [from_flux(one) for one in flux],
            "longitude": position[0],
            "latitude": position[1] / 2,
        }
    )


def by_filtering(events, times):
    """Target and strongest class of each window, by filtering the whole table once per time."""
    labels = []
    for moment in times:
        window = events[(events["start"] > moment) & (events["start"] < moment + DAY)]
        strongest = window.sort_values("flux", ascending=False, kind="stable")
        flaring = len(strongest) > 0 and strongest["flux"].iloc[0] >= 1e-5
        labels.append((flaring, strongest["goes_class"].iloc[0] if len(strongest) else "NF"))
    return labels


def fastest(function, repeats=5):
    """The shortest time of several calls, seconds, and the result."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - begun)
    return min(times), result


def measure():
    """Measure both claims.

    Returns
    -------
    list of dict
        what, baseline and ours (seconds), ratio, required, passed.
    """
    events = flares("2010-01-01", "2019-01-01")
    hours = numpy.arange(numpy.datetime64("2010-01-01", "s"), numpy.datetime64("2018-12-31", "s"), numpy.timedelta64(1, "h"))

    def ours():
        index = FlareIndex(events)
        return index.label(hours), index.strongest(hours)

    seconds, (target, strongest) = fastest(ours)
    some = numpy.sort(numpy.random.default_rng(1).choice(len(hours), HOURS_OF_BASELINE, replace=False))
    sample, labels = fastest(lambda: by_filtering(events, hours[some]), repeats=2)
    baseline = sample / len(some) * len(hours)
    classes = numpy.append(events["goes_class"].to_numpy(object), "NF")
    if labels != list(zip(target[some].tolist(), classes[strongest[some]].tolist(), strict=True)):
        raise AssertionError("the two methods disagree")
    filtered = {"what": f"labels of {len(hours)} hours, 2010-2018, against filtering", "baseline": baseline, "ours": seconds}
    filtered |= {"ratio": baseline / seconds, "required": 500.0, "passed": baseline / seconds >= 500}

    long = flares("2010-01-01", "2027-01-01")
    times = numpy.arange(numpy.datetime64("2010-01-01", "s"), numpy.datetime64("2026-01-01", "s"), numpy.timedelta64(12, "m"))
    names = numpy.zeros(len(times), "U1")  # names of images come from a folder
    seconds, _ = fastest(lambda: label_table(FlareIndex(long), times, names=names), repeats=3)
    cadence = {"what": f"full labels of {len(times)} windows, 2010-2026 at 12 min", "baseline": 2.0, "ours": seconds}
    cadence |= {"ratio": 2.0 / seconds, "required": 1.0, "passed": seconds <= 2.0}
    return [filtered, cadence]


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
