"""FlareNet's tables of targets: X-ray flux in a window after each image, written for every lag and catch, and read.

    python dataset_models/flux_tables.py --store xrs.sqlite --calibration operational --times data/AIA --out data/AIA/y

writes ``All_Ys_01hrDelay_24hrMax.csv`` and its like, one per lag and catch, with a row per image: its time, the largest flux
of the window, the current flux, their difference (all in W m^-2) and the file name. AIA data sets train from one of them, or
from FlareNet's ``Flux_FeatherAIA2014.csv``, in place of a flux store (``--flux_table``).
"""

import functools
import pathlib
import re

import numpy
import pandas

from dataset_models import goes_xrs, observation_times, simulation_mark
from dataset_models.xray_flux_data import CATCHES, DURATIONS, LAGS
from tools import atomic_files, command_line, tables
from tools.errors import UserError
from tools.options import add_number
from tools.paths import data_path

COLUMNS = ("Date Stamp", "Catch Flux", "Current Flux", "Delta", "Filename")
# Of Flux_FeatherAIA2014.csv; its columns Flux_1h_1d1h_top1 to top10 are left out, see `FluxTable`.
FEATHER = {"Flux_1h_1h12m": ("01hr", "12min"), "Flux_1h_2h": ("01hr", "01hr")}
_NAME = re.compile(r"All_Ys_([^\W_]+)Delay_([^\W_]+)Max\.csv")
_STAMP = r"\d{8}_\d{4}"
_ADVICE = "give All_Ys_01hrDelay_24hrMax.csv or the like, or Flux_FeatherAIA2014.csv"


class FluxTable:
    """Maxima and current flux at the times of a table; stands in for `dataset_models.flux_series.FluxSeries`.

    Parameters
    ----------
    path : str or pathlib.Path
        ``All_Ys_{lag}Delay_{catch}Max.csv``, whose name gives lag and catch, or ``Flux_FeatherAIA2014.csv``.

    Attributes
    ----------
    windows : dict of (str, str) to numpy.ndarray
        By lag and catch: float64 (n,), W m^-2, NaN where missing.

    Raises
    ------
    UserError
        The file is missing or no such table; a row has no time, or a flux that is none; a time is there twice.

    Notes
    -----
    FlareNet wrote 0 where nothing is known; such values count as missing. The columns Flux_1h_1d1h_top... of
    Flux_FeatherAIA2014.csv are not what their name says: top1 is the maximum over (t + 20 h, t + 44 h) in 98 % of the rows of
    January 2014, measured with the table's own Flux_1h_1h12m. They are not used.
    """

    calibration = "flarenet"
    satellite = None

    def __init__(self, path):
        self.path = pathlib.Path(path)
        table = tables.read(self.path, missing=("NA",), advice=_ADVICE)
        if "Date Stamp" in table.columns:
            name = _NAME.fullmatch(self.path.name)
            if name is None or name[1] not in LAGS or name[2] not in CATCHES:
                raise UserError(f"{path}: its name gives no lag and catch; name it like All_Ys_01hrDelay_24hrMax.csv")
            columns, current = {"Catch Flux": (name[1], name[2])}, "Current Flux"
            times = self._stamps(table["Date Stamp"])
        elif "Time" in table.columns:
            columns, current = FEATHER, "Flux"
            times = observation_times.from_texts(table["Time"], origin=f"{path}: column Time")
        else:
            raise UserError(f"{path}: has neither a column Date Stamp nor Time; {_ADVICE}")
        fluxes = tables.read(self.path, numbers=(*columns, current), missing=("NA",), advice=_ADVICE)
        order = numpy.argsort(times, kind="stable")
        self.times = observation_times.checked(times[order], origin=str(path))
        values = {name: self._flux(fluxes[name], name)[order] for name in (*columns, current)}
        self.windows = {window: values[name] for name, window in columns.items()}
        self._current = values[current]

    def _stamps(self, column):
        texts = column.astype(str).str.strip()
        wrong = ~texts.str.fullmatch(_STAMP).to_numpy(bool)
        if wrong.any():
            row = int(numpy.argmax(wrong))
            raise UserError(f"{self.path}: line {row + 2}: {texts.iloc[row]!r} is no time like 20140617_2136; {_ADVICE}")
        written = [f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[9:11]}:{text[11:]}" for text in texts]
        return observation_times.from_texts(written, origin=str(self.path))

    def _flux(self, column, name):
        values = column.to_numpy("float64")
        wrong = (values < 0) | (values > 1)
        if wrong.any():
            row = int(numpy.argmax(wrong))
            raise UserError(f"{self.path}: line {row + 2}: {name} is {values[row]:g}, no flux in W m^-2; {_ADVICE}")
        return numpy.where(values > 0, values, numpy.nan)

    def __repr__(self):
        known = ", ".join(f"{lag} to {catch}" for lag, catch in self.windows)
        return f"FluxTable({self.path.name}, {len(self.times)} times, {known})"

    def require(self, lag, catch):
        """Refuse a lag and catch that the table does not have."""
        if (lag, catch) not in self.windows:
            known = " or ".join(f"--lag {lag} --catch {catch}" for lag, catch in self.windows)
            raise UserError(f"{self.path}: has no maxima for lag {lag} and catch {catch}; give {known}, or another table")

    def maximum(self, times, *, lag, catch):
        """Find the maximum in [t + lag, t + lag + catch): float64 (n,), NaN where no row of the table tells.

        A window of the table's catch with another lag is that of another row.
        """
        for (own_lag, own_catch), values in self.windows.items():
            if DURATIONS[own_catch] == catch:
                return self._at(numpy.asarray(times, "datetime64[s]") + (lag - DURATIONS[own_lag]), values)
        return numpy.full(numpy.shape(times), numpy.nan)

    def current(self, times):
        """Find the current flux at times of the table: float64 (n,), NaN at others."""
        return self._at(numpy.asarray(times, "datetime64[s]"), self._current)

    def last_known(self, time):
        """Return the latest time of the table with a flux that is not after `time`: ``datetime64[s]``, NaT without any."""
        known = self.times[~numpy.isnan(self._current) & (self.times <= time)]
        return known[-1] if len(known) else numpy.datetime64("NaT", "s")

    def _at(self, times, values):
        place = numpy.searchsorted(self.times, times)
        found = numpy.append(self.times, numpy.datetime64("NaT", "s"))[place] == times
        return numpy.where(found, numpy.append(values, numpy.nan)[place], numpy.nan)


@functools.lru_cache(maxsize=4)
def _read(path, changed):
    return FluxTable(path)


def read(path, *, lag, catch):
    """Read a table that must have maxima for a lag and a catch: `FluxTable`, read once while it does not change."""
    path = pathlib.Path(path).expanduser()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    table = _read(path, changed)
    table.require(lag, catch)
    return table


def write(folder, series, times, names, *, lags=LAGS, catches=CATCHES, simulated=False):
    """Write a table for every lag and catch.

    Parameters
    ----------
    folder : str or pathlib.Path
    series : dataset_models.flux_series.FluxSeries
    times : numpy.ndarray
        ``datetime64[s]`` (n,) of the images.
    names : sequence of str
        Of their files, "" where there is none.
    lags, catches : sequence of str
        Of `dataset_models.xray_flux_data.LAGS` and ``CATCHES``.
    simulated : bool

    Returns
    -------
    dict of pathlib.Path to int
        Rows written, by file. A time without current flux, or with less than half of its window known, has no row.
    """
    from tqdm import tqdm

    written, current = {}, series.current(times)
    stamps = [str(time)[:16].replace("-", "").replace(":", "").replace("T", "_") for time in times]
    pairs = [(lag, catch) for lag in lags for catch in catches]
    for lag, catch in tqdm(pairs, desc="write tables", unit="table", disable=None):
        largest = series.maximum(times, lag=DURATIONS[lag], catch=DURATIONS[catch])
        known = ~(numpy.isnan(largest) | numpy.isnan(current))
        columns = (stamps, largest, current, largest - current, names)
        table = pandas.DataFrame(dict(zip(COLUMNS, columns, strict=True)))[known]
        path = pathlib.Path(folder) / f"All_Ys_{lag}Delay_{catch}Max.csv"
        atomic_files.write_table(path, simulation_mark.marked(table, simulated))
        written[path] = len(table)
    return written


def main(arguments=None):
    """Write the tables and say how many rows each has."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--store", help="X-ray flux store (default: 'goes' of config.yml)")
    text = "of the flux (default: operational, as FlareNet's)"
    parser.add_argument("--calibration", choices=goes_xrs.CALIBRATIONS, default="operational", help=text)
    add_number(parser, "--satellite", int, least=0, most=99, help="GOES number (default: the newest that has a flux)")
    text = "folder of images of any archive, whose names state their times, or a list of names or times (default: --cadence)"
    parser.add_argument("--times", metavar="FOLDER_OR_FILE", help=text)
    add_number(
        parser, "--cadence", int, least=1, most=527_040, default=12, metavar="MINUTES", help="without --times (default: 12)"
    )
    parser.add_argument("--lags", nargs="+", choices=LAGS, default=LAGS, help="(default: all)")
    parser.add_argument("--catches", nargs="+", choices=CATCHES, default=CATCHES, help="(default: all)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the tables go")
    flags = parser.parse_args(arguments)
    store = data_path("goes", flags.store)
    series = goes_xrs.series(store, calibration=flags.calibration, satellite=flags.satellite)
    if flags.times:
        place = pathlib.Path(flags.times).expanduser()
        names, times = observation_times.stamped(place) if place.is_dir() else observation_times.read_index(place)
    else:
        step = numpy.timedelta64(flags.cadence, "m")
        first = series.start.astype("datetime64[D]").astype("datetime64[m]")
        times = numpy.arange(first, series.end, step).astype("datetime64[s]")
        names = [""] * len(times)
    written = write(
        flags.out,
        series,
        times,
        names,
        lags=flags.lags,
        catches=flags.catches,
        simulated=goes_xrs.is_simulated(store),
    )
    if not any(written.values()):
        raise UserError(f"{store}: covers none of the {len(times)} times; the tables in {flags.out} have no rows")
    print(f"{series}: {len(times)} times, of which in each table")
    for path, count in written.items():
        print(f"  {count:8} {path.name}")
    print(f"wrote {len(written)} tables to {flags.out}")


if __name__ == "__main__":
    command_line.run(main)
