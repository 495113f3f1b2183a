"""Samples per second of the input pipeline against the number of reader threads, and against the bare disk.

    python benchmarks/reader_threads.py [--picture FILE.png]

Two kinds of samples: 8-channel 1024 x 1024 arrays of 32 MB, which only have to be read, and 512 x 512 jpg magnetograms,
which have to be decoded. Nothing is kept in memory by us. The bare disk is one thread reading the same files with
`numpy.fromfile`, after the operating system was told to forget them, and again when it remembers them.
"""

import os
import pathlib
import statistics
import tempfile
import time

import numpy

from tools import command_line, figures

READERS = (1, 2, 4, 8)
SECONDS = 2.0  # per measurement
ROUNDS = 3
LEAST = 0.9  # of the rate of one reader: more readers must not cost


def measure(readers=READERS):
    """The rates as rows of the table: the default number of readers against one reader, and against the disk.

    Returns
    -------
    list of dict
    """
    rows = []
    for kind, rates in measured(readers).items():
        ours = max(rates["readers"].values())
        for name, baseline, required in (
            ("one reader", rates["readers"][1], LEAST),
            ("the disk, files forgotten", rates["forgotten"], None),
            ("the disk, files remembered", rates["remembered"], None),
        ):
            row = {
                "what": f"{kind}: samples/s of the best number of readers, against {name}",
                "baseline": baseline,
                "ours": ours,
            }
            ratio = ours / baseline
            passed = required is None or ratio >= required
            rows.append({**row, "ratio": ratio, "required": required or float("nan"), "passed": passed})
    return rows


def measured(readers=READERS):
    """Samples per second: dict of kind to ``{"readers": {n: rate}, "forgotten": rate, "remembered": rate}``."""
    import image_pipeline
    import reading

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "arrays").mkdir()
        data = reading.data_set(folder / "arrays")
        data.memory_budget = 0
        data.require_samples("training")
        files = sorted((folder / "arrays" / "cache").rglob("*.npy"))
        found["arrays of 32 MB"] = _rates(data, files, readers)
        data = image_pipeline.data_set(folder / "pictures")
        data.memory_budget = 0
        files = sorted((folder / "pictures").rglob("*.jpg"))
        found["jpg magnetograms"] = _rates(data, files, readers)
    return found


def _rates(data, files, readers):
    rates = {"readers": {}}
    for count in readers:
        batches = iter(data.pipeline("training", batch_size=1, seed=0, readers=count))
        next(batches)
        rates["readers"][count] = _rate(lambda batches=batches: next(batches))
        del batches
    order = iter(files * 100_000)
    rates["remembered"] = _rate(lambda: numpy.fromfile(next(order), "uint8"))
    forgotten = []
    for _ in range(ROUNDS):
        for file in files:
            _forget(file)
        begin = time.perf_counter()
        for file in files:
            numpy.fromfile(file, "uint8")
        forgotten.append(len(files) / (time.perf_counter() - begin))
    rates["forgotten"] = statistics.median(forgotten)
    return rates


def _rate(step):
    rates = []
    for _ in range(ROUNDS):
        count, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < SECONDS / ROUNDS or count < 8:
            step()
            count += 1
        rates.append(count / (time.perf_counter() - begin))
    return statistics.median(rates)


def _forget(file):
    """Tell the operating system that a file's pages are not needed again; they must be on the disk for that."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def draw(path, found):
    """Draw the rates of `measured`, a panel for each kind of sample."""
    from matplotlib import ticker

    with figures.style():
        figure, panels = figures.new(1, len(found), figsize=(5.2 * len(found), 4.2))
        for axes, (kind, rates) in zip(panels, found.items(), strict=True):
            every = (rates["forgotten"], rates["remembered"], *rates["readers"].values())
            low, high = min(every), max(every)
            axes.plot(list(rates["readers"]), list(rates["readers"].values()), "o-", label="pipeline")
            for name, colour, line in (("remembered", figures.PALETTE[1], "--"), ("forgotten", figures.PALETTE[2], ":")):
                label = "disk, files in the page cache" if name == "remembered" else "disk, files not in the page cache"
                axes.axhline(rates[name], color=colour, ls=line, label=label)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(
                ticker.LogLocator(subs=(1, 2, 5), numticks=20) if high < 50 * low else ticker.LogLocator()
            )
            axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
            axes.yaxis.set_minor_formatter(ticker.NullFormatter())
            axes.set_xscale("log", base=2)
            axes.set_xticks(list(rates["readers"]), [str(count) for count in rates["readers"]])
            axes.set(xlabel="reader threads", ylabel="samples per second", title=f"{kind}, {os.cpu_count()} processors")
            axes.set_ylim(low / 1.5, 1.3 * high * (high / low) ** 0.5)  # room for the legend
            axes.legend(fontsize=10, loc="upper center")
        figures.save(figure, path)


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    parser = command_line.parser(__doc__)
    parser.add_argument("--picture", type=pathlib.Path, metavar="PNG", help="draw the rates instead of a table")
    chosen = parser.parse_args(arguments)
    if chosen.picture:
        draw(chosen.picture, measured())
    else:
        show(measure())


if __name__ == "__main__":
    command_line.run(main)
