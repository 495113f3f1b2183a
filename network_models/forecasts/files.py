"""Forecasts in CSV files: those that runs write and those that were published, read into one form and compared."""

import dataclasses
import pathlib

import numpy

from dataset_models import flare_labels, observation_times, simulation_mark
from dataset_models.flares import flare_history, flare_index
from dataset_models.observation_times import given_time
from tools import atomic_files, tables
from tools.errors import UserError
from tools.notes import note
from tools.options import LONGEST_DAYS, add_duration, add_number
from tools.paths import Files

PROBABILITY_COLUMNS = ("probability", "flare_prob", "prediction")
TARGET_COLUMNS = ("target", "true_value")


@dataclasses.dataclass(frozen=True)
class Forecasts:
    """Probabilities of an event at times, and what happened.

    Attributes
    ----------
    name : str
    times : numpy.ndarray
        ``datetime64[s]`` (n,), in order, distinct.
    probability : numpy.ndarray
        float64 (n,).
    event : numpy.ndarray or None
        bool (n,).
    fold : numpy.ndarray
        int64 (n,): number of the file that a forecast comes from.
    threshold : numpy.ndarray or None
        float64 (n,): from where on the forecaster means yes, where the files have a column of this name.
    files : numpy.ndarray or None
        str (n,): the images forecast from, where the files have a column ``file``.
    simulated : bool
        Whether a file marks its forecasts as of simulated data, see `dataset_models.simulation_mark`.
    """

    name: str
    times: numpy.ndarray
    probability: numpy.ndarray
    event: numpy.ndarray | None
    fold: numpy.ndarray
    threshold: numpy.ndarray | None = None
    files: numpy.ndarray | None = None
    simulated: bool = False

    def __len__(self):
        return len(self.times)

    def where(self, places):
        """Some of them: `places` is bool (n,) or positions."""
        event, threshold, files = (
            None if values is None else values[places] for values in (self.event, self.threshold, self.files)
        )
        return dataclasses.replace(
            self,
            times=self.times[places],
            probability=self.probability[places],
            event=event,
            fold=self.fold[places],
            threshold=threshold,
            files=files,
        )


def read(paths, *, name=None, target=True, column=None):
    """Read forecasts from one CSV, or from several that are folds of one cross-validation.

    Parameters
    ----------
    paths : str, pathlib.Path or sequence of them
        CSVs with a column time, timestamp, label or file (UTC times, or file names that state them), one of
        `PROBABILITY_COLUMNS` and one of `TARGET_COLUMNS`.
    name : str, optional
        The first file's stem without it.
    target : bool or None
        Whether outcomes must be there; None: if they are. Forecasts whose field of it is empty, since nobody knows it yet, are
        then left out, with a note. Where outcomes need not be there, one that is missing counts as all of them missing.
    column : str, optional
        Another column of probabilities, as ``probability_C1.0`` of flare rates. Outcomes, which may be of another event, are
        then not read.

    Returns
    -------
    Forecasts
        In order of time.

    Raises
    ------
    UserError
        A file is missing or no CSV, a column is missing, a value is no probability or no outcome, a time is repeated, some
        files are of simulated data and some not.
    """
    paths = [paths] if isinstance(paths, (str, pathlib.Path)) else list(paths)
    parts = [_one(path, target, column) for path in paths]
    simulation_mark.refuse_mixture({str(path): part[5] for path, part in zip(paths, parts, strict=True)})
    fold = numpy.repeat(numpy.arange(len(parts)), [len(part[0]) for part in parts])
    times, probability = (numpy.concatenate([part[index] for part in parts]) for index in (0, 1))
    event, threshold, files = (
        None if any(part[index] is None for part in parts) else numpy.concatenate([part[index] for part in parts])
        for index in (2, 3, 4)
    )
    order = numpy.argsort(times, kind="stable")
    observation_times.checked(times[order], origin=" and ".join(map(str, paths)))
    whole = Forecasts(name or pathlib.Path(paths[0]).stem, times, probability, event, fold, threshold, files, parts[0][5])
    return whole.where(order)


def _one(path, target, column):
    table = tables.read(path)
    times = observation_times.table_times(table, origin=str(path))
    columns = {}
    wanted = (PROBABILITY_COLUMNS, TARGET_COLUMNS) if column is None else ((column,), ())
    for what, names in zip(("probability", "outcome"), wanted, strict=True):
        present = [name for name in names if name in table.columns]
        if not present and (what == "probability" or (target and column is None)):
            raise UserError(f"{path}: no column of the {what} ({', '.join(names)}); it has {', '.join(table.columns)}")
        try:
            columns[what] = table[present[0]].to_numpy("float64") if present else None
        except ValueError as error:
            raise UserError(f"{path}: column {present[0]} holds something else than numbers ({error})") from error
    outcome, settled = _settled(path, columns["outcome"], target, column="".join(present[:1]))
    threshold = None
    if "threshold" in table.columns:
        threshold, _ = checked(table["threshold"], origin=f"{path}, column threshold")
    files = table["file"].fillna("").to_numpy(str) if "file" in table.columns else None
    outcome, threshold, files = (None if values is None else values[settled] for values in (outcome, threshold, files))
    probability, outcome = checked(columns["probability"][settled], outcome, origin=str(path))
    return times[settled], probability, outcome, threshold, files, simulation_mark.of_table(table)


def _settled(path, outcome, target, *, column):
    """Choose the forecasts to keep, `target` as of `read`: (outcomes or None, what chooses among the rows).

    Raises
    ------
    UserError
        Outcomes must be there, and none is known yet.
    """
    everything = slice(None)
    if outcome is None:
        return None, everything
    known = ~numpy.isnan(outcome)
    if known.all():
        return outcome, everything
    if target is False or (target is None and not known.any()):
        return None, everything
    if not known.any():
        raise UserError(f"{path}: column {column} holds no outcome yet; give forecasts whose windows have closed")
    note(f"{path}: {(~known).sum()} of {len(known)} forecasts left out, whose outcome is not known yet")
    return outcome, known


def write(path, times, *, files=None, simulated=False, **columns):
    """Write forecasts as `read` reads them, complete or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
    times : array_like
        ``datetime64`` (n,), of observation, UTC.
    files : array_like of str, optional
        The images forecast from (n,).
    simulated : bool
        Mark the forecasts as of simulated data.
    **columns
        What else to write, in this order (n,); those that are None are left out.
    """
    atomic_files.write_table(path, table(times, files=files, simulated=simulated, **columns))


def table(times, *, files=None, simulated=False, **columns):
    """Make the table that `write` writes: `pandas.DataFrame`. Its first column is the time, beside it the file."""
    import pandas

    content = {"time": [f"{time}Z" for time in numpy.asarray(times, "datetime64[s]")], "file": files} | columns
    content |= simulation_mark.columns(simulated, len(times))
    return pandas.DataFrame({name: values for name, values in content.items() if values is not None})


def labelled(forecasts, events, *, window=flare_index.DAY, threshold="M1.0", until=None):
    """Give forecasts the outcomes of flares, where their files have none.

    Parameters
    ----------
    forecasts : Forecasts
    events : pandas.DataFrame or None
        Flares of `dataset_models.flare_catalogue`.
    window : numpy.timedelta64
        That a forecast is for.
    threshold : str or float
        Smallest flare that is an event.
    until : datetime64, optional
        As of `dataset_models.flare_labels.list_span`.

    Returns
    -------
    Forecasts
        As given where there are outcomes.
    str or None
        What was left out, in words.

    Raises
    ------
    UserError
        There are neither outcomes nor flares, or these cover no window or hold no flare so weak as the event.
    """
    if forecasts.event is not None:
        return forecasts, None
    if events is None:
        columns = ", ".join(TARGET_COLUMNS)
        raise UserError(f"{forecasts.name}: no column of the outcome ({columns}); add one, or give --flares")
    weakest = flare_index.weakest_class(events, threshold)
    if weakest is not None:
        raise UserError(
            f"{forecasts.name}: the flare lists hold no flare below {weakest}; give lists that do, or a stronger event"
        )
    inside = flare_labels.covered(events, forecasts.times, window, until=until)
    if not inside.any():
        first, last = flare_labels.list_span(events, until)
        begin, end = forecasts.times[[0, -1]]
        raise UserError(
            f"{forecasts.name}: the flare lists ({first}Z to {last}Z) cover no window of it ({begin}Z to {end}Z);"
            " give lists of its dates, or --flares_until TIME if they are complete until then"
        )
    left_out = f"{forecasts.name}: {(~inside).sum()} forecasts left out whose windows the flare lists do not cover"
    kept = forecasts.where(inside)
    event = flare_index.FlareIndex(events).label(kept.times, window=window, threshold=threshold)
    return dataclasses.replace(kept, event=event), None if inside.all() else left_out


def with_outcomes_of(forecasts, published):
    """Give forecasts the outcomes that others have, at the times of both: `Forecasts`, without the other times."""
    _, mine, theirs = numpy.intersect1d(forecasts.times, published.times, assume_unique=True, return_indices=True)
    return dataclasses.replace(forecasts.where(mine), event=published.event[theirs])


def add_flare_flags(parser, purpose, *, history=True):
    """Give a parser the flags about flare lists: --flares, --flares_until, --event, --window, and --history_age."""
    parser.add_argument("--flares", nargs="+", action=Files, metavar="LIST", help=f"flare lists, for {purpose}")
    parser.add_argument("--flares_until", metavar="TIME", help=flare_labels.UNTIL_HELP)
    if history:
        default = flare_history.AGE
        text = f"{flare_history.AGE_HELP} (default: %(default)g)"
        add_number(
            parser,
            "--history_age",
            float,
            least=0,
            most=24 * LONGEST_DAYS,
            says="give hours, 0 or more",
            default=default,
            metavar="HOURS",
            help=text,
        )
    parser.add_argument("--event", default="M1.0", help="smallest flare that is an event (default: %(default)s)")
    add_duration(parser, "--window", "hours", default=24.0, help="that a forecast is for (default: %(default)g)")


def flare_flags(flags):
    """Check the flags of `add_flare_flags` beside the lists: (window, event, until, age or None).

    Raises
    ------
    UserError
        A time or a class that is none.
    """
    age = getattr(flags, "history_age", None)
    flare_index.threshold_flux(flags.event)
    until = given_time("--flares_until", flags.flares_until) if flags.flares_until else None
    return numpy.timedelta64(round(flags.window * 3600), "s"), flags.event, until, age


def checked(values, event=None, *, origin="forecasts"):
    """Forecasts as float64 probabilities and outcomes as bool, once it is sure that they are.

    Raises
    ------
    UserError
        They differ in length, there are none, one is NaN or no probability, an outcome is neither 0 nor 1.
    """
    values = numpy.asarray(values, "float64")
    if values.ndim != 1 or not len(values):
        raise UserError(f"{origin}: expected a vector of forecasts, received shape {values.shape}")
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise UserError(f"{origin}: {values[wrong][0]:g} is no probability ({wrong.sum()} such); give numbers from 0 to 1")
    if event is None:
        return values, None
    event = numpy.asarray(event)
    if event.shape != values.shape:
        raise UserError(f"{origin}: {len(values)} forecasts but outcomes of shape {event.shape}")
    wrong = ~numpy.isin(event, (0, 1))
    if wrong.any():
        raise UserError(f"{origin}: the outcome {event[wrong][0]} is neither 0 nor 1 ({wrong.sum()} such)")
    return values, event.astype(bool)


def common(forecasts):
    """Find the hours that several forecasts share.

    Parameters
    ----------
    forecasts : sequence of Forecasts

    Returns
    -------
    list of Forecasts
        All on the same times.
    list of int
        How many hours of each were left out.

    Raises
    ------
    UserError
        No hour is common to all; they disagree on what happened in one; some are of simulated data and some not.
    """
    simulation_mark.refuse_mixture({part.name: part.simulated for part in forecasts})
    times = forecasts[0].times
    for part in forecasts[1:]:
        times = numpy.intersect1d(times, part.times, assume_unique=True)
    if not len(times):
        raise UserError(
            f"{', '.join(part.name for part in forecasts)}: no hour is common to all; compare forecasts of one period"
        )
    shared = [part.where(numpy.searchsorted(part.times, times)) for part in forecasts]
    labelled_parts = [part for part in shared if part.event is not None]
    for part in labelled_parts[1:]:
        different = part.event != labelled_parts[0].event
        if different.any():
            raise UserError(
                f"{part.name}: {different.sum()} outcomes differ from those of {labelled_parts[0].name}, the first at"
                f" {times[different][0]}; compare forecasts of one event"
            )
    return shared, [len(part) - len(times) for part in forecasts]
