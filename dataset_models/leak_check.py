"""Does anything of the future, or of the validation split, reach the training?

    python dataset_models/leak_check.py --training TRAIN.csv --validation VALIDATION.csv [--images FOLDER]

checks a user's own tables: times in the column label, timestamp or time (times in UTC or HMI file names), the target
in the column target, every other column taken for a feature. The functions are what the data sets and the fold maker
of :mod:`dataset_models.flare_labels` run before training.
"""

import collections
import dataclasses
import hashlib
import pathlib
import re
import sys

import numpy
import pandas

from dataset_models import observation_times
from tools import command_line, digests, goes_class, tables
from tools.errors import UserError

FORETELLS = 0.98  # AUC, or absolute rank correlation with a target that is a number
DAY = numpy.timedelta64(24, "h")
SHOWN = 6  # times, and groups of them, that are named
_COMPARING = {"desc": "compare images", "unit": "file", "disable": None}


@dataclasses.dataclass(frozen=True)
class SplitReport:
    """Result of :func:`check_split`.

    Attributes
    ----------
    training, validation : int
        Times in each split.
    overlapping : int
        Validation windows that overlap a training window.
    nearest : numpy.timedelta64 or None
        The least distance between a training and a validation time; None when a split is empty.
    """

    training: int
    validation: int
    overlapping: int
    nearest: numpy.timedelta64 | None

    def __str__(self):
        share = 100 * self.overlapping / max(self.validation, 1)
        return f"{self.overlapping} of {self.validation} validation windows ({share:.1f} %) overlap a training window"


def distance(times, others):
    """Distance of each time to the nearest of `others` (sorted, not empty): int64 (n,), in the unit of the two arrays."""
    after = (
        numpy.clip(numpy.searchsorted(others, times), 1, len(others) - 1) if len(others) > 1 else numpy.zeros(len(times), int)
    )
    return numpy.minimum(numpy.abs(others[after] - times), numpy.abs(others[numpy.maximum(after - 1, 0)] - times))


def check_split(training_times, validation_times, window=DAY, *, published_folds=False):
    """No validation window (t, t + window) may overlap one of training.

    Parameters
    ----------
    training_times, validation_times : array_like
        ``datetime64`` (n,), UTC, in any order.
    window : numpy.timedelta64
        What a sample's target looks at after its time.
    published_folds : bool
        Allow overlap, and only count it: the folds of the published studies have it at each border of a quarter.

    Returns
    -------
    SplitReport

    Raises
    ------
    UserError
        A time is in both splits, or windows overlap without `published_folds`; times are missing or carry a zone.
    """
    training = numpy.sort(observation_times.utc(training_times, origin="training times")).astype("int64")
    validation = numpy.sort(observation_times.utc(validation_times, origin="validation times")).astype("int64")
    if not len(training) or not len(validation):
        return SplitReport(len(training), len(validation), 0, None)
    width = numpy.timedelta64(window).astype("timedelta64[s]").astype("int64")
    apart = distance(validation, training)
    if apart.min() == 0:
        time = validation[numpy.argmin(apart)].astype("datetime64[s]")
        raise UserError(f"{int((apart == 0).sum())} times are in training and in validation ({time} is one); split again")
    nearest = numpy.timedelta64(int(apart.min()), "s")
    report = SplitReport(len(training), len(validation), int((apart < width).sum()), nearest)
    if report.overlapping and not published_folds:
        hours = width / 3600
        raise UserError(f"{report}; leave a gap of {hours:g} h between the splits, or ask for the published folds explicitly")
    return report


def content(source):
    """Digest of what an image is, whatever it is called: of a file's bytes, or of the shape and values of an array."""
    if isinstance(source, numpy.ndarray):
        return hashlib.sha256(f"{source.shape} {source.dtype.str}".encode() + source.tobytes()).digest()
    return bytes.fromhex(digests.of_file(source))


def identical(times, contents):
    """Images of several times that are one and the same, as from a feed that stands still, in words.

    Parameters
    ----------
    times : sequence of datetime64
        (n,), UTC.
    contents : sequence of bytes
        (n,), of `content`.

    Returns
    -------
    str or None
        One line with the times; None where all differ.
    """
    groups = {}
    for time, one in zip(times, contents, strict=True):
        groups.setdefault(one, set()).add(time)
    groups = sorted(sorted(group) for group in groups.values() if len(group) > 1)
    if not groups:
        return None
    words = []
    for group in groups[:SHOWN]:
        named = [f"{time}Z" for time in group]
        if len(named) > SHOWN:
            named = [*named[: SHOWN - 1], f"... to {named[-1]}"]
        words.append(f"{len(group)} images are identical ({', '.join(named)})")
    more = f"; and {len(groups) - SHOWN} more groups" if len(groups) > SHOWN else ""
    return f"{'; '.join(words)}{more}: a frozen feed?"


def say_identical(times, contents):
    """Say on standard error what `identical` finds."""
    found = identical(times, contents)
    if found:
        print(f"note: {found}", file=sys.stderr)


def check_duplicates(training_paths, validation_paths, *, times=None):
    """No file of training may have the content of one of validation, whatever the two are called.

    Parameters
    ----------
    training_paths, validation_paths : sequence of str or pathlib.Path
        Image files.
    times : tuple of array_like, optional
        ``datetime64`` of the training and of the validation files. With them files that are the same are also said
        where they are in one split: see `identical`.

    Returns
    -------
    int
        Files compared with the other split by content; only files whose size occurs in both need to be read.

    Raises
    ------
    UserError
        Two files are the same, or one cannot be read.
    """
    from tqdm import tqdm

    splits = [[pathlib.Path(path) for path in paths] for paths in (training_paths, validation_paths)]
    try:
        sizes = [[path.stat().st_size for path in paths] for paths in splits]
        common = set(sizes[0]) & set(sizes[1])
        often = {size for size, count in collections.Counter(sizes[0] + sizes[1]).items() if count > 1}
        wanted = common if times is None else often
        digests = [{}, {}]  # by position in the split
        with tqdm(total=sum(size in wanted for size in sizes[0] + sizes[1]), **_COMPARING) as bar:
            for found, paths, own in zip(digests, splits, sizes, strict=True):
                for place, (path, size) in enumerate(zip(paths, own, strict=True)):
                    if size in wanted:
                        found[place] = content(path)
                        bar.update()
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error
    if times is not None:
        pairs = [(moments[place], one) for moments, found in zip(times, digests, strict=True) for place, one in found.items()]
        say_identical([time for time, _ in pairs], [one for _, one in pairs])
    first = [
        {one: paths[place] for place, one in reversed(found.items())} for paths, found in zip(splits, digests, strict=True)
    ]
    twice = first[0].keys() & first[1].keys()
    if twice:
        one, other = min((first[0][digest], first[1][digest]) for digest in twice)
        raise UserError(f"{len(twice)} images are in training and in validation: {one} is {other}; remove one of each pair")
    return sum(size in common for size in sizes[0] + sizes[1])


def check_causality(feature_function, events, times, *, names=None, samples=24, seed=0):
    """Features at t may not change when everything from t on is altered.

    Parameters
    ----------
    feature_function : callable
        ``feature_function(events, times)`` -> array (n, k), as :func:`dataset_models.flares.flare_history.history`.
    events : pandas.DataFrame
        Of :class:`dataset_models.flare_catalogue.Catalogue`.
    times : array_like
        ``datetime64`` (n,); `samples` of them are tried.
    names : sequence of str, optional
        Of the k features, for the message.
    samples : int
    seed : int

    Returns
    -------
    int
        Times tried.

    Raises
    ------
    UserError
        Names the first feature and time that saw the future.

    Notes
    -----
    Altering means, for a time t: flares that start at t or later disappear, and a storm of X flares takes their place;
    flares that have begun but whose last stated moment (end, else peak, else start) is not before t become ten times
    stronger, and those of their moments that are not before t come days later. The rest stays: a feature that takes a
    flare for known at its start is found out only where the list says more than the start.
    """
    times = observation_times.utc(times, origin="times")
    chosen = numpy.sort(numpy.random.default_rng(seed).choice(len(times), min(samples, len(times)), replace=False))
    for time in times[chosen]:
        before = numpy.asarray(feature_function(events, time[None]))[0]
        after = numpy.asarray(feature_function(altered(events, time), time[None]))[0]
        changed = ~((before == after) | (numpy.isnan(before) & numpy.isnan(after)))
        if changed.any():
            which = int(numpy.argmax(changed))
            name = names[which] if names is not None else f"number {which}"
            values = f"from {before[which]:g} to {after[which]:g}"
            raise UserError(f"feature {name} at {time} changes {values} when the flares from then on are altered")
    return len(chosen)


def altered(events, time):
    """Copy the events with all that became known at `time` or later made different; see :func:`check_causality`."""
    time = numpy.datetime64(time, "s")
    start, peak, end = (events[name].to_numpy("datetime64[s]").copy() for name in ("start", "peak", "end"))
    last = numpy.where(numpy.isnat(end), numpy.where(numpy.isnat(peak), start, peak), end)
    kept = start < time
    under_way = kept & (numpy.maximum(last, numpy.where(numpy.isnat(peak), start, peak)) >= time)
    flux = events["flux"].to_numpy("float64").copy()
    flux[under_way] *= 10
    peak[under_way & (peak >= time)] += numpy.timedelta64(2, "D")
    end[under_way & (end >= time)] += numpy.timedelta64(3, "D")
    past = events.assign(start=start, peak=peak, end=end, flux=flux, goes_class=[goes_class.from_flux(value) for value in flux])
    storm = events.iloc[numpy.zeros(50, int)].copy() if len(events) else events
    if len(events):
        moments = time + numpy.arange(50) * numpy.timedelta64(1, "h")
        storm = storm.assign(start=moments, peak=moments, end=moments, flux=1e-3, goes_class="X10.0")
    return pandas.concat([past[kept], storm], ignore_index=True)


def check_columns(table, target, *, limit=FORETELLS):
    """No column may foretell the target almost perfectly.

    Parameters
    ----------
    table : pandas.DataFrame
        Features. GOES classes written as text count by their flux; other texts by the mean target of each word, if
        words repeat often enough for that to mean something.
    target : array_like
        bool, 0 and 1, or a number (n,).
    limit : float
        Area under the ROC curve, in either direction, or absolute rank correlation where the target takes more than
        two values.

    Returns
    -------
    dict of str to float
        How well each column foretells the target, from 0.5 (or 0) to 1; columns that could not be judged are absent.

    Raises
    ------
    UserError
        Names the columns at or above the limit; or the target is no number.
    """
    target = as_target(target)
    table, target = table[~numpy.isnan(target)], target[~numpy.isnan(target)]
    scores = {}
    for name in table.columns:
        values = _as_numbers(table[name], target)
        if values is None:
            continue
        judged = ~numpy.isnan(values)
        score = _foretelling(values[judged], target[judged])
        # Whether a value is missing may give away as much as the value.
        absent = _foretelling((~judged).astype("float64"), target)
        found = [one for one in (score, absent) if one is not None]
        if found:
            scores[str(name)] = max(found)
    leaking = {name: score for name, score in scores.items() if score >= limit}
    if leaking:
        named = ", ".join(f"{name} ({score:.3f})" for name, score in sorted(leaking.items(), key=lambda item: -item[1]))
        raise UserError(f"columns that foretell the target almost perfectly: {named}; they know the window, leave them out")
    return scores


def as_target(target, *, origin="target"):
    """Convert a target to float64 (n,), NaN where it is missing.

    Parameters
    ----------
    target : array_like
        As of :func:`check_columns`.
    origin : str
        Named in errors.

    Raises
    ------
    UserError
        Something in it is no number, or all of it is missing.
    """
    given = pandas.Series(numpy.asarray(target), dtype=object)
    numbers = pandas.to_numeric(given, errors="coerce").to_numpy("float64", na_value=numpy.nan)
    wrong = numpy.isnan(numbers) & given.notna().to_numpy()
    if wrong.any():
        raise UserError(f"{origin}: {given[wrong].iloc[0]!r} is no number; give 0 and 1, or a number to forecast")
    if len(numbers) and numpy.isnan(numbers).all():
        raise UserError(f"{origin}: every value is missing; give 0 and 1, or a number to forecast")
    return numbers


_NO_FLARE = {"nf", "fq", "none", "0", ""}


def _as_numbers(column, target):
    """Convert a column to float64 that can be ranked against the target, or None."""
    if column.dtype.kind in "biuf":
        return column.to_numpy("float64", na_value=numpy.nan)
    if column.dtype.kind == "M":
        return None
    texts = column.astype("string").fillna("").str.strip()
    numbers = pandas.to_numeric(texts, errors="coerce").to_numpy("float64")
    if (~numpy.isnan(numbers)).mean() > 0.5:
        return numbers
    words = texts.unique()
    fluxes = {word: _class_flux(word) for word in words}
    if sum(flux is not None for flux in fluxes.values()) > 0.5 * len(words):
        return numpy.array([fluxes[word] if fluxes[word] is not None else numpy.nan for word in texts], "float64")
    if len(words) > len(texts) / 10:
        return None
    return pandas.Series(target).groupby(texts.to_numpy()).transform("mean").to_numpy("float64")


def _class_flux(word):
    if word.lower() in _NO_FLARE:
        return 0.0
    if not re.fullmatch(r"[ABCMX]\d+(\.\d+)?", word):
        return None
    try:
        return goes_class.to_flux(word)
    except ValueError:
        return None


def _foretelling(values, target):
    """AUC folded to 0.5..1 for a target of two values, absolute rank correlation for one of more; None if undefined."""
    kinds = numpy.unique(target)
    if len(kinds) < 2 or len(numpy.unique(values)) < 2:
        return None
    ranks = pandas.Series(values).rank().to_numpy()
    if len(kinds) > 2:
        return float(abs(numpy.corrcoef(ranks, pandas.Series(target).rank())[0, 1]))
    positive = target == kinds[1]
    count = positive.sum()
    area = (ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(target) - count))
    return float(max(area, 1 - area))


def check_tables(training, validation, *, window=DAY, features=None, images=None, published_folds=False):
    """All checks that two tables allow.

    Parameters
    ----------
    training, validation : str or pathlib.Path
        CSV files with a column label, timestamp or time, and for the check of features a column target.
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

    def attempt(say, check, *arguments, **options):
        try:
            findings.append(say(check(*arguments, **options)))
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
        columns = _features(table, path, features)
        if columns and "target" in table.columns:
            target = as_target(table["target"], origin=f"{path}: column target")
            checked = f"{path}: no column foretells the target"
            attempt(lambda scores, say=checked: f"{say} ({_best(scores)})", _named_check, path, table[columns], target)
    return findings, leaks


def _labels(table, path):
    if "label" not in table.columns:
        raise UserError(f"{path}: no column label with the images' names; leave out --images")
    return table["label"]


def _features(table, path, features):
    if features is None:
        return [name for name in table.columns if name not in (*observation_times.TIME_COLUMNS, "target")]
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
    parser.add_argument("--window", type=float, default=24.0, metavar="HOURS", help="length of the window (default: 24)")
    parser.add_argument("--features", nargs="*", metavar="COLUMN", help="columns that the network takes (default: all others)")
    parser.add_argument("--published_folds", action="store_true", help="only count overlapping windows")
    options = parser.parse_args(arguments)
    if not 0 < options.window < 1e6:
        raise UserError(f"--window {options.window}: give a number of hours above zero")
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
