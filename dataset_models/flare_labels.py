"""Flare events to labels for observation times, and time-ordered folds for cross-validation.

    python dataset_models/flare_labels.py --flares LIST [LIST ...] --images FOLDER --out FOLDER

labels every image with what the Sun did in the 24 hours after it, and writes all labels (``all.csv``) and training and
validation tables of four folds (``Fold1_train.csv``, ``Fold1_val.csv``, ...): under ``full`` with the strongest and all
other flares of each window, under ``simplified`` with the target alone, under ``located`` with place and start of the
strongest flare. :mod:`dataset_models.SDO.HMI.full_disk` trains from any of them (``--labels``).

The window is that of the published full-disk studies (Pandey et al. 2022, 2023): (t, t + 24 h), that is from one
second after the observation to t + 23:59:59. A flare belongs to it when it starts in it.
"""

import argparse
import dataclasses
import pathlib
import typing

import numpy
import pandas

from dataset_models import flare_catalogue, label_tables, leak_check, observation_times, simulation_mark

# Data sets of users import these from here.
from dataset_models.flares.flare_index import (  # noqa: F401
    DAY,
    NO_FLARE,
    UNKNOWN,
    FlareIndex,
    covered,
    list_span,
    note_pauses,
    seconds_of,
    threshold_flux,
)
from dataset_models.images import picture_tree
from dataset_models.observation_times import given_time
from tools import atomic_files, command_line
from tools.errors import UserError
from tools.options import add_duration
from tools.paths import Files, data_path

FOLDS = 4
MOST_LISTED = 20_000_000  # flares in all windows together; the published tables have 0.4 million
QUARTERS = ("January to March", "April to June", "July to September", "October to December")
COLUMNS = ("label", "target", "goes_class", "fl_lon", "fl_lat", "rest_fl", "rest_lon", "rest_lat")
SIMPLIFIED = COLUMNS[:2]
LOCATED = (*COLUMNS[:3], "fl_location", "flare_start")  # as instance tables of the later studies have them
KINDS = {"full": COLUMNS, "simplified": SIMPLIFIED, "located": LOCATED}
UNTIL_HELP = "UTC time until which the flare lists are complete, where that is later than their last flare"


def label_table(index, times, *, names=None, window=DAY, threshold="M1.0"):
    """Label observation times in the published columns.

    Parameters
    ----------
    index : FlareIndex
    times : array_like
        ``datetime64`` (n,), sorted and distinct.
    names : sequence of str, optional
        The label column, for example file names. Without them: the names of the published jpg tree.
    window : numpy.timedelta64
    threshold : str or float
        A GOES class, or a peak flux in W m^-2.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: label, target (0 or 1); class, longitude and latitude (Stonyhurst degrees) of the strongest
        flare that starts in the window, NF and unk where there is none; and of all others, strongest first, as texts
        of Python lists, 0 where there are none. Positions that the flare list lacks are unk.

    Raises
    ------
    UserError
        Times are unsorted, repeated or carry a time zone; the threshold or window makes no sense; or all windows together
        hold more than `MOST_LISTED` flares, each of which would be put into words.

    Examples
    --------
    >>> start = numpy.array(["2014-06-10T11:36", "2014-06-10T12:36"], "datetime64[s]")
    >>> events = {"start": start, "flux": [2.2e-4, 1.5e-4], "goes_class": ["X2.2", "X1.5"]}
    >>> events = pandas.DataFrame(events | {"longitude": [-82.0, -89.0], "latitude": [-15.0, -17.0]})
    >>> table = label_table(FlareIndex(events), numpy.array(["2014-06-10T00:00", "2014-06-11T00:00"], "datetime64[s]"))
    >>> table[["label", "target", "goes_class", "rest_fl"]].values.tolist()[0]
    ['2014/06/10/HMI.m2014.06.10_00.00.00.jpg', 1, 'X2.2', "['X1.5']"]
    >>> table[["target", "goes_class", "rest_fl"]].values.tolist()[1]
    [0, 'NF', '0']
    """
    times = observation_times.checked(times, origin="observation times")
    first, last = index.span(times, window)
    # Neighbouring windows hold the same flares: each run of flares is put into words once.
    new = numpy.append(True, (numpy.diff(first) != 0) | (numpy.diff(last) != 0))[: len(times)]
    which = numpy.cumsum(new) - 1
    listed = int((last - first)[new].sum())
    if listed > MOST_LISTED:
        raise UserError(
            f"the windows of {len(times)} times hold {listed:,} flares in all, more than the {MOST_LISTED:,} that a table"
            " lists; give a shorter window or fewer images"
        )
    words = [index.describe(*run) for run in zip(first[new].tolist(), last[new].tolist(), strict=True)]
    columns = {"label": image_names(times) if names is None else list(names)}
    columns["target"] = index.label(times, window=window, threshold=threshold).astype("int64")
    for number, name in enumerate(COLUMNS[2:]):
        values = numpy.empty(len(words), object)
        values[:] = [row[number] for row in words]
        columns[name] = values[which]
    return pandas.DataFrame(columns)


def located(table, index, times, *, window=DAY):
    """Add where and when the strongest flare of each window starts: the table with the further columns of `LOCATED`.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`label_table`, for the same index, times and window.
    index, times, window
        As there.
    """
    places = list(map(label_tables.location, table["fl_lon"], table["fl_lat"]))
    starts = numpy.append(index.events["start"].to_numpy("datetime64[s]"), numpy.datetime64("NaT", "s"))
    starts = starts[index.strongest(times, window)]
    words = [UNKNOWN if numpy.isnat(start) else str(start).replace("T", " ") for start in starts]
    return table.assign(fl_location=places, flare_start=words)


def image_names(times):
    """Name magnetograms as the published jpg tree does, ``2011/01/01/HMI.m2011.01.01_00.00.00.jpg``: list of str."""
    return picture_tree.names(picture_tree.MAGNETOGRAM, times, "jpg")


class Fold(typing.NamedTuple):
    """One fold of a cross-validation: its number from 1, and positions into the times, int64, both in order of time."""

    number: int
    training: numpy.ndarray
    validation: numpy.ndarray


def partition(times):
    """Number the quarter of its year that each time lies in: January to March is 1 (int64 (n,))."""
    months = numpy.asarray(times, "datetime64[M]").astype("int64") % 12
    return months // 3 + 1


def split_folds(times, *, gap=None):
    """Split times into the studies' four folds: fold k validates on quarter k of every year and trains on the other three.

    Parameters
    ----------
    times : array_like
        ``datetime64`` (n,), sorted and distinct.
    gap : numpy.timedelta64, optional
        Training times closer than this to a validation time are left out. With the length of the window, no window of
        one split overlaps one of the other. The published folds have no gap.

    Returns
    -------
    list of Fold

    Raises
    ------
    UserError
        Times are unsorted, repeated or carry a time zone; a quarter has none; or the gap leaves none for training.

    Examples
    --------
    >>> days = numpy.arange("2011-01-01", "2013-01-01", dtype="datetime64[D]")
    >>> [len(fold.validation) for fold in split_folds(days)]
    [181, 182, 184, 184]
    >>> len(split_folds(days)[0].training), len(split_folds(days, gap=numpy.timedelta64(7, "D"))[0].training)
    (550, 532)
    """
    times = observation_times.checked(times, origin="observation times")
    parts = partition(times)
    empty = [QUARTERS[number - 1] for number in range(1, FOLDS + 1) if not (parts == number).any()]
    if empty:
        raise UserError(
            f"no observations in {', '.join(empty)}: give times of all four quarters, or make no folds (--no-folds)"
        )
    return [split_fold(times, number, gap=gap) for number in range(1, FOLDS + 1)]


def split_fold(times, number, *, gap=None):
    """Make one fold of :func:`split_folds`, which needs observations in its own quarter and in any other.

    Parameters
    ----------
    times, gap
        As there.
    number : int
        Of the fold, from 1.

    Returns
    -------
    Fold

    Raises
    ------
    UserError
        As there; or all times are in one of training and validation.
    """
    times = observation_times.checked(times, origin="observation times")
    seconds, parts = times.astype("int64"), partition(times)
    validation, training = (numpy.flatnonzero(members) for members in (parts == number, parts != number))
    if not len(validation) or not len(training):
        where = f"no observations in {QUARTERS[number - 1]}" if not len(validation) else f"all are in {QUARTERS[number - 1]}"
        raise UserError(f"fold {number}: {where}; choose another fold, or a split in time")
    least = 0 if gap is None else seconds_of(gap)
    training = training[leak_check.distance(seconds[training], seconds[validation]) >= least]
    if not len(training):
        raise UserError(f"fold {number}: a gap of {least / 3600:g} h leaves no training times; give a smaller gap")
    return Fold(number, training, validation)


def require_flares(target, folds):
    """Raise a `UserError` that names a fold whose training or validation has no flare, or nothing but flares."""
    target = numpy.asarray(target, bool)
    for fold in folds:
        for split in ("training", "validation"):
            flaring = target[getattr(fold, split)]
            if flaring.all() or not flaring.any():
                kind = "only windows with" if flaring.all() else "no window with"
                raise UserError(f"fold {fold.number}: {kind} a flare in {split}; check dates and threshold, or --no-folds")


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Labels and folds (none when not asked for), how many images were left out, and the leak check of each fold."""

    table: pandas.DataFrame
    times: numpy.ndarray
    folds: list
    uncovered: int
    off_cadence: int
    overlaps: list


def label_images(events, names, times, *, window=DAY, threshold="M1.0", cadence=None, gap=None, folds=True, until=None):
    """Label images and split them into the studies' folds, checked for leaks.

    Parameters
    ----------
    events : pandas.DataFrame
        Of :class:`dataset_models.flare_catalogue.Catalogue`.
    names, times
        Of :func:`dataset_models.observation_times.images` or ``read_index``.
    window, threshold
        As for :func:`label_table`.
    cadence : numpy.timedelta64, optional
        Keep only times that are a multiple of this after midnight.
    gap : numpy.timedelta64, optional
        As for :func:`split_folds`; without one the overlap of training and validation windows is counted.
    folds : bool
        Whether to split; images of a part of the year cannot be split by its quarters.
    until : datetime64, optional
        As for :func:`list_span`.

    Returns
    -------
    Labelled

    Raises
    ------
    UserError
        As the functions above; or no time is of the cadence, the flare list covers none, or a fold has no flare.
    """
    whole = numpy.ones(len(times), bool)
    if cadence is not None:
        if seconds_of(cadence) <= 0:
            raise UserError(f"a cadence of {cadence}: give a time span above zero")
        whole = times.astype("int64") % 86400 % seconds_of(cadence) == 0
    if len(times) and not whole.any():
        wanted = f"a multiple of {seconds_of(cadence) / 60:g} minutes after midnight"
        raise UserError(f"none of the {len(times)} images was taken {wanted}; give another --cadence")
    kept = whole & covered(events, times, window, until=until)
    if not kept.any():
        raise UserError(f"the flare list covers none of the {whole.sum()} images; give a list of their dates")
    times = times[kept]
    index = FlareIndex(events)
    labels = [name for name, keep in zip(names, kept, strict=True) if keep]
    table = located(label_table(index, times, names=labels, window=window, threshold=threshold), index, times, window=window)
    split = split_folds(times, gap=gap) if folds else []
    require_flares(table["target"], split)
    overlaps = [
        leak_check.check_split(times[fold.training], times[fold.validation], window, published_folds=gap is None)
        for fold in split
    ]
    return Labelled(table, times, split, int((whole & ~kept).sum()), int((~whole).sum()), overlaps)


def write(labelled, folder, *, simulated=False):
    """Write the table of all images and those of every fold, of every kind of `KINDS`, under `folder`; returns the paths.

    Those of simulated flares get a column of ones, see `dataset_models.simulation_mark`.
    """
    from tqdm import tqdm

    parts = {"all.csv": slice(None)}
    for fold in labelled.folds:
        parts |= {f"Fold{fold.number}_train.csv": fold.training, f"Fold{fold.number}_val.csv": fold.validation}
    written = []
    for name, rows in tqdm(parts.items(), desc="write labels", unit="table", disable=None):
        for kind, columns in KINDS.items():
            path = pathlib.Path(folder) / kind / name
            part = labelled.table.iloc[rows][list(columns)]
            atomic_files.write_table(path, simulation_mark.marked(part, simulated))
            written.append(path)
    return written


def summary(labelled):
    """Summarise sizes and class counts, in the lines that the script prints: list of str."""
    table = labelled.table
    lines = [
        f"{len(table)} images from {labelled.times[0]} to {labelled.times[-1]} UTC, {int(table['target'].sum())} with a flare",
        f"left out: {labelled.uncovered} outside the flare list's dates, {labelled.off_cadence} off the cadence",
    ]
    if labelled.folds:
        lines.append(f"{'fold':>4} {'training':>9} {'flaring':>8} {'validation':>11} {'flaring':>8} {'overlapping':>12}")
    target = table["target"].to_numpy()
    for fold, overlap in zip(labelled.folds, labelled.overlaps, strict=True):
        training, validation = target[fold.training], target[fold.validation]
        sizes = f"{len(training):9} {training.sum():8} {len(validation):11} {validation.sum():8}"
        lines.append(f"{fold.number:4} {sizes} {overlap.overlapping:12}")
    letters = table["goes_class"].str[0].replace({"N": NO_FLARE}).value_counts()
    lines.append("strongest of the window: " + ", ".join(f"{name} {count}" for name, count in letters.sort_index().items()))
    return lines


def main(arguments=None):
    """Label images, write the tables and print a summary."""
    parser = command_line.parser(__doc__)
    parser.add_argument(
        "--flares", nargs="+", action=Files, metavar="LIST", help="flare lists, the preferred first (default: config.yml)"
    )
    parser.add_argument("--flares_until", metavar="TIME", help=UNTIL_HELP)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--images", metavar="FOLDER", help="folder of magnetograms (default: hmi of config.yml)")
    source.add_argument("--index", metavar="FILE", help="image names or times, one per line, or a CSV with label or time")
    add_duration(parser, "--window", "hours", default=24.0, help="length of the window (default: %(default)g)")
    parser.add_argument("--threshold", default="M1.0", help="GOES class or flux in W m^-2 that counts (default: M1.0)")
    add_duration(parser, "--cadence", "minutes", help="only images at multiples of this (default: all)")
    text = "hours left out of training around validation; the window's length prevents overlap (default: none, as published)"
    add_duration(parser, "--gap", "hours", help=text)
    text = "write training and validation tables of four folds by quarter of the year"
    parser.add_argument("--folds", action=argparse.BooleanOptionalAction, default=True, help=text)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the tables go")
    options = parser.parse_args(arguments)

    def span(value, hours):
        return None if value is None else numpy.timedelta64(round(value * hours * 3600), "s")

    window, gap = span(options.window, 1), span(options.gap, 1)
    cadence = span(options.cadence, 1 / 60)
    catalogue = flare_catalogue.read(options.flares or [data_path("flares")])
    print("\n".join([*flare_catalogue.summary(catalogue), *catalogue.problems]))
    if options.index:
        names, times = observation_times.read_index(options.index)
    else:
        names, times = observation_times.images(data_path("hmi", options.images))
    labelled = label_images(
        catalogue.events,
        names,
        times,
        window=window,
        threshold=options.threshold,
        cadence=cadence,
        gap=gap,
        folds=options.folds,
        until=given_time("--flares_until", options.flares_until) if options.flares_until else None,
    )
    note_pauses(catalogue.events, labelled.times)
    print("\n".join(summary(labelled)))
    paths = write(labelled, options.out, simulated=catalogue.simulated)
    print(f"wrote {len(paths)} tables to {options.out}")


if __name__ == "__main__":
    command_line.run(main)
