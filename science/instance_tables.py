"""Instance tables: hours with a forecast, each with the strongest flare of its window, its place, and what became of it.

The full-disk studies publish them as x_class.csv, m_class.csv and c_class.csv; near_limb writes its own, and the explanation
scripts take them as lists.
"""

import re

import numpy

from dataset_models import observation_times, simulation_mark
from dataset_models.flare_labels import DAY, NO_FLARE, UNKNOWN, FlareIndex
from science.verification import regression
from tools import atomic_files, goes_class, tables
from tools.errors import UserError

PROBABILITY_COLUMNS = ("probability", "flare_prob", "prediction")
EVENT = 1e-5  # W m^-2: a flare of M1.0 or more is what is forecast
CLASSES = {"x": (1e-4, numpy.inf), "m": (EVENT, 1e-4), "c": (1e-6, EVENT)}
_PLACE = re.compile(r"\(([^,()]+),([^,()]+)\)")


def read(paths, *, flares=None, window=DAY):
    """Read the instances of one or several CSV files.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        With a time, a probability, and the flare as `flares_of` reads it.
    flares : pandas.DataFrame, optional
        Events of :class:`dataset_models.flare_catalogue.Catalogue`; class and place of the strongest flare in the window
        after each time come from here, not from the file.
    window : numpy.timedelta64

    Returns
    -------
    pandas.DataFrame
        A row for each row of the files: time (``datetime64[s]``), probability, flux (W m^-2; 0 without a flare), longitude,
        latitude (Stonyhurst degrees, NaN where unknown), flare (int64, the same number for hours before the same flare),
        flare_start (``datetime64[s]``, NaT where unknown), file (str, empty where none is named).

    Raises
    ------
    UserError
        A file is missing or no CSV, lacks a column, holds a probability outside 0 to 1, a malformed class or place, an hour
        before the same M or X flare twice, or fluxes; or `flares` is empty.
    """
    import pandas

    if flares is not None and not len(flares):
        raise UserError("--flares: the lists hold no flare; give lists of the forecasts' dates")
    index = None if flares is None else FlareIndex(flares)
    parts, seen = [], set()
    for path in paths:
        table, times, probability = _forecasts(path)
        found = flares_of(table, times, path) if index is None else _from_catalogue(index, times, window)
        part = pandas.DataFrame({"time": times, "probability": probability, **found, "file": files_of(table)})
        parts.append(part)
        strong = part["flux"] >= EVENT
        keys = list(zip(times[strong].tolist(), part["flare"][strong].tolist(), strict=True))
        before = len(seen)
        seen.update(keys)
        if len(seen) < before + len(keys):
            raise UserError(f"{path}: an hour before the same flare occurs twice; remove the copies")
    return pandas.concat(parts, ignore_index=True)


def with_outcomes(hours, *, threshold):
    """Write instances as people and the explanation scripts read them.

    Parameters
    ----------
    hours : pandas.DataFrame
        Of `read`.
    threshold : float
        A forecast of at least this is a yes.

    Returns
    -------
    pandas.DataFrame
        Columns time, probability, goes_class, fl_lon, fl_lat, flare_start, outcome (TP and FN where the flare is of M1.0 or
        more, FP and TN where it is not), file.
    """
    import pandas

    outcome = _outcomes(hours["probability"] >= threshold, hours["flux"] >= EVENT)
    columns = {
        "time": _words(hours["time"]),
        "probability": hours["probability"],
        "goes_class": [goes_class.from_flux(flux) if flux > 0 else NO_FLARE for flux in hours["flux"]],
        "fl_lon": hours["longitude"],
        "fl_lat": hours["latitude"],
        "flare_start": _words(hours["flare_start"]),
        "outcome": outcome,
        "file": hours["file"],
    }
    return pandas.DataFrame(columns)


def surest(path, *, hits, false_alarms, threshold=0.5):
    """Choose the surest hits and the surest false alarms of a table of forecasts, as a list for the explanation scripts.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV as `SolarData.evaluate` writes it.
    hits, false_alarms : int
        How many of each; fewer where there are fewer.
    threshold : float or str
        A forecast of at least this is a yes; ``"median"`` for that of the table.

    Returns
    -------
    pandas.DataFrame
        Columns time, probability and outcome (TP or FP), and the mark of simulated ones: hits first, the surest of each
        kind first.

    Raises
    ------
    UserError
        The table has no times, probabilities or outcomes, or no forecast of `threshold` or more.
    """
    import pandas

    table, times, probability = _forecasts(path)
    if "true_value" not in table.columns:
        raise UserError(f"{path}: no column true_value; give a table that predict.py --split writes")
    limit = numpy.median(probability) if threshold == "median" else threshold
    outcome = _outcomes(probability >= limit, table["true_value"].to_numpy("float64") > 0.5)
    order = numpy.argsort(-probability, kind="stable")
    chosen = [order[outcome[order] == kind][:count] for kind, count in (("TP", hits), ("FP", false_alarms))]
    rows = numpy.concatenate(chosen)
    if not len(rows):
        raise UserError(f"{path}: no forecast of {limit:g} or more; give a lower threshold")
    columns = {"time": _words(times[rows]), "probability": probability[rows], "outcome": outcome[rows]}
    return simulation_mark.marked(pandas.DataFrame(columns), simulation_mark.of_table(table))


def write(folder, hours, *, threshold, simulated=False):
    """Write x_class.csv, m_class.csv and c_class.csv, each where there is an hour before such a flare: list of names.

    Parameters
    ----------
    folder : pathlib.Path
    hours, threshold
        As of `with_outcomes`.
    simulated : bool
    """
    names = []
    for name, (least, most) in CLASSES.items():
        part = hours[(hours["flux"] >= least) & (hours["flux"] < most)]
        if len(part):
            table = with_outcomes(part, threshold=threshold)
            names.append(f"{name}_class.csv")
            atomic_files.write_table(folder / names[-1], simulation_mark.marked(table, simulated))
    return names


def has_flares(table):
    """Check whether a table has the columns that `flares_of` reads: bool."""
    columns = set(table.columns)
    return "goes_class" in columns and ("fl_location" in columns or {"fl_lon", "fl_lat"} <= columns)


def flares_of(table, times, path):
    """Read the flare in each row of a table.

    Parameters
    ----------
    table : pandas.DataFrame
        With goes_class, and fl_location ("(longitude, latitude)") or fl_lon and fl_lat; flare_start if known.
    times : numpy.ndarray
        ``datetime64[s]`` (n,), of the rows.
    path : str or pathlib.Path
        Named in errors.

    Returns
    -------
    dict of str to numpy.ndarray
        flux, longitude, latitude, flare and flare_start (n,), as of `read`.
    """
    if not has_flares(table):
        raise UserError(f"{path}: no columns goes_class and fl_location (or fl_lon and fl_lat); give --flares LIST")
    unknown = ("", UNKNOWN, "nan", "None")
    flux = numpy.zeros(len(table))
    place = numpy.full((2, len(table)), numpy.nan)
    for row, name in enumerate(texts(table["goes_class"], NO_FLARE)):
        try:
            flux[row] = 0.0 if name in (NO_FLARE, "FQ", "") else goes_class.to_flux(name)
        except ValueError as error:
            raise UserError(f"{path}: row {row + 1}: {error}") from error
    if "fl_location" in table.columns:
        places = texts(table["fl_location"])
        pairs = [match.groups() if (match := _PLACE.fullmatch(text)) else (text, text) for text in places]
        pairs = [tuple(text.strip() for text in pair) for pair in pairs]
    else:
        pairs = list(zip(*(texts(table[name]) for name in ("fl_lon", "fl_lat")), strict=True))
    for row, pair in enumerate(pairs):
        if not any(text in unknown for text in pair):
            try:
                place[:, row] = [float(text) for text in pair]
            except ValueError:
                raise UserError(f"{path}: row {row + 1}: no place: {pair}; give (longitude, latitude) in degrees") from None
    wrong = (numpy.abs(place[0]) > 180) | (numpy.abs(place[1]) > 90)
    if wrong.any():
        row = int(numpy.argmax(wrong))
        raise UserError(
            f"{path}: row {row + 1}: longitude {place[0, row]:g}, latitude {place[1, row]:g} is no place on the Sun"
        )
    starts = numpy.full(len(table), numpy.datetime64("NaT", "s"))
    if "flare_start" in table.columns:
        known = table["flare_start"].notna().to_numpy()
        starts[known] = observation_times.from_texts(table["flare_start"][known], origin=f"{path}: flare_start")
    flare = starts.astype("int64")
    unknown = numpy.isnat(starts)
    flare[unknown] = _numbered(flux, place, times)[unknown]
    return _columns(flux, *place, flare, starts)


def files_of(table):
    """Find the names of image files in a table's rows: list of str, empty where a row names none."""
    column = next((name for name in ("file", "label", "timestamp") if name in table.columns), None)
    if column is None:
        return [""] * len(table)
    names = texts(table[column])
    return list(names if column == "file" else names.where(names.str.contains(r"\.[A-Za-z]\w+$", regex=True), ""))


def texts(column, missing=""):
    """Read a column, which is one of numbers where every field is missing, as stripped texts: `pandas.Series` of str."""
    return column.astype(object).where(column.notna(), missing).astype(str).str.strip()


def _numbered(flux, place, times):
    """Number flares without a start: by class and place, as long as its hours follow each other within a day: int64 (n,)."""
    order = numpy.argsort(times, kind="stable")
    same = numpy.all(numpy.diff(numpy.nan_to_num(numpy.vstack([flux, place])[:, order], nan=999.0)) == 0, axis=0)
    same &= numpy.diff(times[order]) <= numpy.timedelta64(24, "h")
    number = numpy.cumsum(numpy.append(1, ~same)[: len(times)])
    flare = numpy.empty(len(times), "int64")
    flare[order] = times[order].astype("int64")[numpy.searchsorted(number, number)]
    return flare


def _from_catalogue(index, times, window):
    rows = index.strongest(times, window)
    events, any_flare = index.events.iloc[numpy.maximum(rows, 0)], rows >= 0
    flux = numpy.where(any_flare, events["flux"].to_numpy("float64"), 0.0)
    starts = numpy.where(any_flare, events["start"].to_numpy("datetime64[s]"), numpy.datetime64("NaT", "s"))
    place = [numpy.where(any_flare, events[name].to_numpy("float64"), numpy.nan) for name in ("longitude", "latitude")]
    return _columns(flux, *place, starts.astype("int64"), starts)


def _columns(flux, longitude, latitude, flare, starts):
    return {"flux": flux, "longitude": longitude, "latitude": latitude, "flare": flare, "flare_start": starts}


def _words(times):
    """Write times as ISO 8601 with a Z, missing ones empty: list of str."""
    return ["" if numpy.isnat(time) else f"{time}Z" for time in numpy.asarray(times, "datetime64[s]")]


def _outcomes(yes, event):
    """Name what became of forecasts: array of str, TP, FN, FP and TN."""
    return numpy.where(event, numpy.where(yes, "TP", "FN"), numpy.where(yes, "FP", "TN"))


def _forecasts(path):
    """Read a table of forecasts of flares: the table, times (n,) and probabilities (n,)."""
    table = tables.read(path)
    if regression.is_flux(path):
        raise UserError(f"{path}: holds flux forecasts (W m^-2), no probabilities; give forecasts of flares")
    return table, observation_times.table_times(table, origin=str(path)), _probabilities(table, path)


def _probabilities(table, path):
    columns = [name for name in PROBABILITY_COLUMNS if name in table.columns]
    if not columns:
        raise UserError(f"{path}: no column {', '.join(PROBABILITY_COLUMNS)}; it has {', '.join(table.columns)}")
    try:
        values = table[columns[0]].to_numpy("float64")
    except ValueError as error:
        raise UserError(f"{path}: column {columns[0]} holds something else than numbers ({error})") from error
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise UserError(f"{path}: {values[wrong][0]:g} is no probability ({wrong.sum()} such); give numbers from 0 to 1")
    return values
