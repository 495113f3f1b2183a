"""Does anything of the future, or of the validation split, reach the training?

    python dataset_models/leak_check.py --training TRAIN.csv --validation VALIDATION.csv [--images FOLDER]

checks a user's own tables: times in the column label, timestamp or time (times in UTC or HMI file names), the target in the
column target (SuryaBench's in label_max), every other column taken for a feature. The functions are what the data sets and the
fold maker of :mod:`dataset_models.flare_labels` run before training.
"""

import pathlib

import numpy

from dataset_models import observation_times

# Data sets of users import these from here.
from dataset_models.leaks.causality import altered, check_causality  # noqa: F401
from dataset_models.leaks.columns import FORETELLS, as_target, check_columns  # noqa: F401
from dataset_models.leaks.duplicates import check_duplicates, content, identical, note_identical  # noqa: F401
from dataset_models.leaks.splits import DAY, SplitReport, check_split, distance  # noqa: F401
from tools import command_line, tables
from tools.errors import UserError
from tools.options import add_duration

TARGETS = ("target", "label_max")  # columns that hold it: our own and the published ones, SuryaBench's


def check_tables(training, validation, *, window=DAY, features=None, images=None, published_folds=False):
    """Run all checks that two tables allow.

    Parameters
    ----------
    training, validation : str or pathlib.Path
        CSV files with a column label, timestamp or time, and for the check of features one of `TARGETS`.
    window : numpy.timedelta64
    features : sequence of str, optional
        Columns that the network takes; all but time and target when not given.
    images : str or pathlib.Path, optional
        Folder of the images that the label column names.
    published_folds : bool
        As for :func:`check_split`.

    Returns
    -------
    tuple
        (findings, leaks): lines about what is in order, and about what is not.

    Raises
    ------
    UserError
        A file cannot be read, has no such columns, repeats a time, or its target is no number.
    """
    paths = (training, validation)
    splits = [tables.read(path) for path in paths]
    times = [observation_times.table_times(table, origin=str(path)) for table, path in zip(splits, paths, strict=True)]
    for path, some in zip(paths, times, strict=True):
        observation_times.checked(numpy.sort(some), origin=str(path))
    findings, leaks = [], []

    def attempt(words, check, *arguments, **options):
        try:
            findings.append(words(check(*arguments, **options)))
        except UserError as error:
            leaks.append(str(error))

    attempt(str, check_split, *times, window, published_folds=published_folds)
    if images is not None:
        files = [
            [pathlib.Path(images) / str(name) for name in _labels(table, path)]
            for table, path in zip(splits, paths, strict=True)
        ]
        attempt(lambda count: f"no image in both splits ({count} compared by content)", check_duplicates, *files)
    for table, path in zip(splits, paths, strict=True):
        named = next((name for name in TARGETS if name in table.columns), None)
        columns = _features(table, path, features, named)
        if columns and named:
            target = as_target(table[named], origin=f"{path}: column {named}")
            checked = f"{path}: no column foretells the target"
            attempt(lambda scores, text=checked: f"{text} ({_best(scores)})", _named_check, path, table[columns], target)
    return findings, leaks


def _labels(table, path):
    if "label" not in table.columns:
        raise UserError(f"{path}: no column label with the images' names; leave out --images")
    return table["label"]


def _features(table, path, features, target):
    if features is None:
        return [name for name in table.columns if name not in (*observation_times.TIME_COLUMNS, target)]
    missing = [name for name in features if name not in table.columns]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; it has {', '.join(table.columns)}")
    return list(features)


def _named_check(path, columns, target):
    try:
        return check_columns(columns, target)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _best(scores):
    if not scores:
        return "none to judge"
    name = max(scores, key=scores.get)
    return f"{len(scores)} judged, the best is {name} with {scores[name]:.3f}"


def main(arguments=None):
    """Check a user's own tables and print what was found."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--training", required=True, metavar="CSV", help="table of the training split")
    parser.add_argument("--validation", required=True, metavar="CSV", help="table of the validation split")
    parser.add_argument("--images", metavar="FOLDER", help="also compare the images that the label columns name")
    add_duration(parser, "--window", "hours", default=24.0, help="length of the window (default: %(default)g)")
    parser.add_argument("--features", nargs="*", metavar="COLUMN", help="columns that the network takes (default: all others)")
    parser.add_argument("--published_folds", action="store_true", help="only count overlapping windows")
    options = parser.parse_args(arguments)
    findings, leaks = check_tables(
        options.training,
        options.validation,
        window=numpy.timedelta64(round(options.window * 3600), "s"),
        features=options.features,
        images=options.images,
        published_folds=options.published_folds,
    )
    print("\n".join([*findings, *(f"LEAK: {leak}" for leak in leaks)]))
    if leaks:
        raise UserError(f"{len(leaks)} leak{'s' if len(leaks) > 1 else ''}: {'; '.join(leaks)}")


if __name__ == "__main__":
    command_line.run(main)
