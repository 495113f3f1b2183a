"""Label tables, such as the published folds: what followed each image, as one row per image says it.

Read as they are: :mod:`dataset_models.flare_labels` writes such tables too. A row names its image (column ``label``: a file
name with the time, or a time) and what followed, in one of three ways:

====================================== =======================================================================
columns                                of
====================================== =======================================================================
label, target, goes_class, fl_lon, ... full tables: 0 or 1, and the strongest flare of the window (NF: none)
label, target or label, goes_class     simplified tables: 0 or 1 alone, in the older ones under the name goes_class
label, goes_class, fl_lon, ...         tables before they were made binary: the class decides
timestamp, max_goes_class, label_max   SuryaBench, every hour: see below
====================================== =======================================================================

SuryaBench (`SURYA_BENCH`; older tables call the time ``timestep``) looks at (t, t + 23:59:59], as the published folds do. All
its columns beside the time are made from the flares of that window: they are answers, and none may become an input. The
class is the last one in the order of the alphabet, in which X10 comes before X2: ``label_max`` is right all the same, but a
class from X2 on may stand for a stronger flare. ``cumulative_index``, the sum over all flares in units of C1.0, says where:
such classes count as not stated.
"""

import ast
import dataclasses
import pathlib

import numpy

from dataset_models import observation_times
from dataset_models.flares.flare_index import NO_FLARE, UNKNOWN, threshold_flux
from tools import goes_class, tables
from tools.errors import UserError, quoted

_ADVICE = "give tables of labels like the published Fold1_train.csv (label and target, or label and goes_class)"
_QUIET = {NO_FLARE, "FQ", "0", "0.0", "", "nan"}  # what stands for no flare in a column of classes
SURYA_BENCH = ("max_goes_class", "cumulative_index", "label_max", "label_cum")  # its columns beside the time
_X2, _X10, _C1 = 2e-4, 1e-3, 1e-6  # W m^-2


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """Labels of one or several files.

    Attributes
    ----------
    paths : tuple of pathlib.Path
    times : numpy.ndarray
        ``datetime64[s]`` (n,), sorted and distinct.
    event : numpy.ndarray
        bool (n,): whether a flare followed.
    flux : numpy.ndarray
        float64 (n,), peak of the strongest flare that followed, W m^-2; 0 where none did, NaN where the table does not say.
    longitude, latitude : numpy.ndarray
        float64 (n,), of that flare, Stonyhurst degrees; NaN where unknown.
    repeated : int
        Rows that said the same again.
    unstated : int
        Classes that may stand for a stronger flare than they say; their flux is NaN.
    """

    paths: tuple
    times: numpy.ndarray
    event: numpy.ndarray
    flux: numpy.ndarray
    longitude: numpy.ndarray
    latitude: numpy.ndarray
    repeated: int = 0
    unstated: int = 0

    def __len__(self):
        return len(self.times)

    def __getitem__(self, rows):
        """Some of the rows: `LabelTable`."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return dataclasses.replace(self, **columns)

    def stated(self):
        """Leave out what `unstated` counts: `LabelTable`. A table without any class stays whole."""
        known = ~numpy.isnan(self.flux)
        return dataclasses.replace(self[known], unstated=0) if self.unstated else self

    def rows(self, times, *, tolerance):
        """Find the label nearest to each time: int64 (n,), -1 where there is none within `tolerance`."""
        return observation_times.nearest(self.times, numpy.asarray(times, "datetime64[s]"), tolerance)


_COLUMNS = ("times", "event", "flux", "longitude", "latitude")


def read(paths, *, threshold="M1.0"):
    """Read label tables as one.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
    threshold : str or float
        GOES class or flux that made the labels, or makes them where a table has classes alone.

    Returns
    -------
    LabelTable

    Raises
    ------
    UserError
        A file cannot be read or has other columns; a row has no time, no label, a label that contradicts its own class, or
        contradicts another row about the same time. The line is named.
    """
    flux = threshold_flux(threshold)
    return joined([_read(pathlib.Path(path), flux, threshold) for path in paths])


def joined(parts):
    """Join tables, rows about one time once; a `UserError` where two contradict each other: `LabelTable`."""
    paths = tuple(path for part in parts for path in part.paths)
    columns = {name: numpy.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    order = numpy.argsort(columns["times"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    again = numpy.append(False, numpy.diff(columns["times"]) == numpy.timedelta64(0, "s"))[: len(order)]
    differs = again & numpy.append(False, numpy.diff(columns["event"].astype("int8")) != 0)[: len(order)]
    if differs.any():
        time = columns["times"][numpy.argmax(differs)]
        raise UserError(f"{', '.join(map(str, paths))}: {time} is labelled with a flare and without; keep one of the rows")
    repeated = int(again.sum()) + sum(part.repeated for part in parts)
    unstated = sum(part.unstated for part in parts)
    return LabelTable(paths, **{name: column[~again] for name, column in columns.items()}, repeated=repeated, unstated=unstated)


def match(table, times, *, tolerance):
    """Give images their labels: each image at most one label, and each label at most one image, the nearest.

    Parameters
    ----------
    table : LabelTable
    times : numpy.ndarray
        ``datetime64[s]`` (m,) of the images, sorted.
    tolerance : timedelta64
        Most time between the two. The studies asked for hourly images and took what lay within 12 minutes.

    Returns
    -------
    rows, images : numpy.ndarray
        int64 (k,), positions in `table` and in `times`, both increasing.
    """
    return observation_times.pairs(table.times, times, tolerance=tolerance)


def _read(path, least, threshold):
    table = tables.read(path, advice=_ADVICE)
    times = observation_times.table_times(table, origin=str(path))
    if set(SURYA_BENCH) & set(table.columns):
        return _surya_bench(path, table, times, least, threshold)
    classes = table["goes_class"] if "goes_class" in table.columns else None
    binary = classes is not None and {str(value).strip() for value in classes.unique()} <= {"0", "1", "0.0", "1.0"}
    if "target" not in table.columns and classes is None:
        raise UserError(f"{path}: no column target or goes_class; it has {', '.join(map(str, table.columns))}; {_ADVICE}")
    flux = numpy.full(len(table), numpy.nan) if classes is None or binary else _fluxes(path, classes)
    if "target" in table.columns:
        event = _zeros_and_ones(path, table["target"], "target")
        _require_threshold(path, event, flux, least, threshold, column="target", classes=classes)
    else:
        event = _zeros_and_ones(path, classes, "goes_class") if binary else flux >= least
    longitude, latitude = _positions(table)
    return joined([LabelTable((path,), times, event, flux, longitude, latitude)]) if len(times) else None


def _surya_bench(path, table, times, least, threshold):
    """Read a table of SuryaBench: `LabelTable`."""
    import pandas

    missing = [name for name in ("max_goes_class", "label_max") if name not in table.columns]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; a table of SuryaBench has {', '.join(SURYA_BENCH)}")
    event = _zeros_and_ones(path, table["label_max"], "label_max")
    classes = table["max_goes_class"]
    flux = _fluxes(path, classes)
    _require_threshold(path, event, flux, least, threshold, column="label_max", classes=classes)
    others = numpy.full(len(table), numpy.inf)  # W m^-2 of the other flares together, where the table does not say
    if "cumulative_index" in table.columns:
        others = pandas.to_numeric(table["cumulative_index"], errors="coerce").to_numpy("float64") * _C1 - flux
    unstated = (flux >= _X2) & (flux < _X10) & ~(others < _X10 - _C1 / 2)
    flux = numpy.where(unstated, numpy.nan, flux)
    unknown = numpy.full(len(table), numpy.nan)
    found = LabelTable((path,), times, event, flux, unknown, unknown, unstated=int(unstated.sum()))
    return joined([found]) if len(times) else None


def _require_threshold(path, event, flux, least, threshold, *, column, classes):
    wrong = ~numpy.isnan(flux) & (event != (flux >= least))
    if wrong.any():
        row = int(numpy.argmax(wrong))
        text = f"line {row + 2}: {column} {int(event[row])} for {classes.iloc[row]} is not that of {threshold}"
        raise UserError(f"{path}: {text}; give the --threshold that the table was made with")


def _zeros_and_ones(path, column, name):
    texts = column.astype(str).str.strip()
    wrong = ~texts.isin(["0", "1", "0.0", "1.0"]).to_numpy()
    if wrong.any():
        row = int(numpy.argmax(wrong))
        raise UserError(f"{path}: line {row + 2}: {name} is {quoted(str(column.iloc[row]))}, neither 0 nor 1; {_ADVICE}")
    return (texts.str[0] == "1").to_numpy()


def _fluxes(path, classes):
    """Convert classes to peak fluxes, 0 for no flare: float64 (n,)."""
    fluxes = {}
    for word in classes.unique():
        text = str(word).strip()
        try:
            fluxes[word] = 0.0 if text in _QUIET else goes_class.to_flux(text)
        except ValueError:
            row = int((classes == word).to_numpy().argmax())
            raise UserError(f"{path}: line {row + 2}: {quoted(text)} is no GOES class and not {NO_FLARE}; {_ADVICE}") from None
    return numpy.array([fluxes.get(word, 0.0) for word in classes], "float64")


def _positions(table):
    """Read longitude and latitude from fl_lon and fl_lat, or from fl_location, "(15.1, -21)": two float64 (n,)."""
    import pandas

    if {"fl_lon", "fl_lat"} <= set(table.columns):
        pair = [pandas.to_numeric(table[name], errors="coerce") for name in ("fl_lon", "fl_lat")]
        return tuple(column.to_numpy("float64", na_value=numpy.nan) for column in pair)
    if "fl_location" not in table.columns:
        return numpy.full((2, len(table)), numpy.nan)
    return tuple(numpy.array([position(text) for text in table["fl_location"]], "float64").reshape(-1, 2).T)


def position(text):
    """Read a position as instance tables write it, ``"(15.1, -21)"``: (longitude, latitude), NaN where it is none.

    Examples
    --------
    >>> position("(15.1, -21)"), position("unk")
    ((15.1, -21.0), (nan, nan))
    """
    try:
        longitude, latitude = ast.literal_eval(str(text).strip())
        return float(longitude), float(latitude)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return float("nan"), float("nan")


def location(longitude, latitude):
    """Write a position as instance tables do: str.

    Examples
    --------
    >>> location(15.1, -21), location("unk", "unk")
    ('(15.1, -21)', 'unk')
    """
    return UNKNOWN if UNKNOWN in (longitude, latitude) else f"({longitude}, {latitude})"
