"""A year of 1-minute GOES data into the store, and targets for every hour of it, against the time allowed.

    python benchmarks/goes_import.py

The year is 365 daily netCDF files laid out as NOAA's science-quality ones: the same variables and attributes, each sample
a compressed chunk of its own. Making them is not measured; finding what is new, reading, writing and computing is.
"""

import pathlib
import tempfile
import time

import numpy

from dataset_models import goes_xrs
from tools import command_line

REQUIRED = 10.0  # seconds
YEAR = numpy.arange("2014-01-01", "2015-01-01", dtype="datetime64[D]")
_EPOCH = numpy.datetime64("2000-01-01T12:00:00", "s")
_MEANINGS = "good_data eclipse bad_data missing_data electron_correction_interp"


def measure():
    """Measure once: what takes seconds varies little.

    Returns
    -------
    list of dict
        One entry: what, baseline (seconds allowed), ours (seconds), ratio, required, passed.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        flux = write_year(folder)
        files = sorted(folder.glob("*.nc"))
        begun = time.perf_counter()
        outcome = goes_xrs.import_files(folder / "xrs.sqlite", files)
        series = goes_xrs.series(folder / "xrs.sqlite", calibration="science")
        hours = numpy.arange(YEAR[0], YEAR[-1] + 1, dtype="datetime64[h]")
        targets = {
            (lag, catch): series.maximum(hours, lag=numpy.timedelta64(lag, "m"), catch=numpy.timedelta64(catch, "m"))
            for lag in (0, 60)
            for catch in (12, 1440)
        }
        current = series.current(hours)
        seconds = time.perf_counter() - begun
    if len(outcome.imported) != len(YEAR) or outcome.rejected:
        raise AssertionError(f"{len(outcome.imported)} of {len(YEAR)} files were imported")
    hour = 5000
    expected = flux[hour * 60 + 60 : hour * 60 + 72].max()
    if not numpy.isclose(targets[60, 12][hour], expected, rtol=1e-6) or not numpy.isfinite(current[1:]).all():
        raise AssertionError("the targets are not those of the flux that was written")
    what = f"{len(files)} daily files of 1-minute GOES data imported, targets of {len(hours)} hours"
    ratio = REQUIRED / seconds
    return [{"what": what, "baseline": REQUIRED, "ours": seconds, "ratio": ratio, "required": 1.0, "passed": ratio >= 1}]


def write_year(folder):
    """Write the files; returns the flux of every minute, float32 (n,)."""
    import h5py

    generator = numpy.random.default_rng(0)
    flux = 10 ** generator.normal(-6, 0.4, len(YEAR) * 1440).astype("float32")
    for index, day in enumerate(YEAR):
        name = f"sci_xrsf-l2-avg1m_g15_d{str(day).replace('-', '')}_v1-0-0.nc"
        with h5py.File(folder / name, "w") as file:
            file.attrs["id"] = name
            file.attrs["title"] = "GOES 1-15 L2 XRS 1-minute Irradiance averages"
            start = (day.astype("datetime64[s]") - _EPOCH).astype("int64")
            times = start + 60.0 * numpy.arange(1440)
            here = flux[index * 1440 : (index + 1) * 1440]
            layout = {"chunks": (1,), "compression": "gzip"}
            file.create_dataset("time", data=times, **layout).attrs["units"] = "seconds since 2000-01-01 12:00:00 UTC"
            for channel in ("xrsa", "xrsb"):
                for part in ("", "_observed", "_electrons"):
                    file.create_dataset(f"{channel}_flux{part}", data=here, **layout)
                flags = file.create_dataset(f"{channel}_flag", data=numpy.zeros(1440, "uint16"), **layout)
                flags.attrs["flag_meanings"] = _MEANINGS
                flags.attrs["flag_values"] = numpy.array([0, 1, 2, 4, 8], "uint16")
                flags.attrs["flag_masks"] = numpy.array([7, 1, 2, 4, 8], "uint16")
                flags.attrs["_FillValue"] = numpy.uint16(65535)
                file.create_dataset(f"{channel}_num", data=numpy.full(1440, 29, "uint8"), **layout)
    return flux


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
