"""Observation times: from folders of images, lists of them and tables, checked."""

import pathlib
import re

import numpy

from dataset_models.images import picture_tree
from tools import tables
from tools.errors import UserError

# An image's name in the last one stands beside a time, or for it.
TIME_COLUMNS = ("label", "timestamp", "time", "timestep", "file")

# As users write one: the only form that is taken. numpy alone takes more, such as now, NaT, and 20260301 as a year.
_TIME = re.compile(r"(\d{4}(?:-\d\d(?:-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?)?)?)(?:Z|\+00:00)?")
_NAME = re.compile(picture_tree.name_pattern(picture_tree.MAGNETOGRAM, r"(?i:jpe?g|npy)\Z"))
# In the names of other archives; one in TAI (HMI's FITS) is no UTC time.
_STAMP = re.compile(r"(?<!\d)(\d{4})[._-]?(\d\d)[._-]?(\d\d)[T_]{1,2}(\d\d)[._:]?(\d\d)(?:[._:]?(\d\d))?(?!\d)(?!_TAI)")
_PICTURES = (".jpg", ".jpeg", ".npy")  # beside an npy lies a .json with its pointing
_TREE = re.compile(r".*/(\d{4}/\d\d/\d\d/[^/]+)\Z")


def from_names(names, *, origin="file names"):
    """Read the times that file names like ``2011/01/01/HMI.m2011.01.01_00.00.00.jpg`` state.

    Parameters
    ----------
    names : sequence of str
    origin : str
        Named in errors.

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]`` UTC (n,), in the order given.

    Raises
    ------
    UserError
        For the first name without a time.
    """
    texts = []
    for name in names:
        match = _NAME.search(str(name).strip())
        if match is None:
            raise UserError(f"{origin}: no time in {str(name).strip()!r}; expected a name like HMI.m2011.01.01_00.00.00.jpg")
        texts.append("{}-{}-{}T{}:{}:{}".format(*match.groups()))
    try:
        return numpy.array(texts, "datetime64[s]")
    except ValueError as error:
        raise UserError(f"{origin}: a file name with an impossible time ({error})") from error


def from_texts(texts, *, origin="times"):
    """Read times written as ISO 8601 in UTC, or file names that state them.

    Parameters
    ----------
    texts : sequence of str
        ``2011-01-01 00:00:00``, with or without T, fraction and a final Z; or names as for :func:`from_names`.
    origin : str
        Named in errors.

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]`` (n,).

    Raises
    ------
    UserError
        A text is no time, or carries a time zone other than Z.

    Examples
    --------
    >>> from_texts(["2014/06/10 11:36", "2014-06-11"]).astype(str).tolist()
    ['2014-06-10T11:36:00', '2014-06-11T00:00:00']
    >>> from_texts(["HMI.m2011.01.01_00.00.00.jpg"]).astype(str).tolist()
    ['2011-01-01T00:00:00']
    """
    texts = [str(text).strip() for text in texts]
    if texts and _NAME.search(texts[0]):
        return from_names(texts, origin=origin)
    times = []
    for text in texts:
        if text.lower() in ("", "nat"):
            raise UserError(f"{origin}: a time is missing")
        plain = text.removesuffix("Z").removesuffix("+00:00")
        clock, zone = re.search(r"\d:\d\d", plain), re.search(r"([+-]\d\d:?\d\d|[A-Za-z])$", plain)
        if clock and zone and clock.end() <= zone.start():
            raise UserError(f"{origin}: the time {text} carries a time zone; give times in UTC without one")
        try:
            times.append(_parsed(text))
        except ValueError:
            raise UserError(f"{origin}: not a time: {text!r}; give UTC times like 2011-01-01T00:00:00") from None
    return numpy.array(times, "datetime64[s]")


def _parsed(text):
    """Read a UTC time: ``datetime64[s]``; ValueError for anything else, the thirtieth of February too."""
    match = _TIME.fullmatch(text.replace("/", "-"))
    if match is None:
        raise ValueError(text)
    return numpy.datetime64(match[1].replace(" ", "T"), "s")


def given_time(flag, text):
    """Read the UTC time of a flag.

    Parameters
    ----------
    flag : str
        Named in errors: ``"--start"``.
    text : str
        ``2026-03-01`` or ``2026-03-01T12:00``, shorter or longer, with or without a final Z.

    Returns
    -------
    numpy.datetime64
        In seconds.

    Raises
    ------
    UserError
        It is something else.

    Examples
    --------
    >>> given_time("--start", "2026-03-01 12:00Z")
    np.datetime64('2026-03-01T12:00:00')
    """
    try:
        return _parsed(text)
    except ValueError:
        raise UserError(f"{flag} {text}: expected a UTC time like 2026-03-01 or 2026-03-01T12:00") from None


def checked(times, *, origin="times"):
    """Check that times are sorted, distinct and in UTC, and return them as ``datetime64[s]``.

    Parameters
    ----------
    times : array_like
        ``datetime64`` array, pandas datetimes, or `datetime.datetime` objects without a time zone.
    origin : str
        Named in errors.

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]`` (n,).

    Raises
    ------
    UserError
        A time carries a time zone, is missing, repeated, or earlier than the one before it.
    """
    times = utc(times, origin=origin)
    steps = numpy.diff(times.astype("int64"))
    if (steps < 0).any():
        raise UserError(f"{origin}: not in order of time ({times[numpy.argmax(steps < 0) + 1]} after a later one); sort them")
    if (steps == 0).any():
        raise UserError(f"{origin}: {times[numpy.argmax(steps == 0)]} occurs twice; remove the copies")
    return times


def utc(times, *, origin="times"):
    """Check that times, in any order, carry no time zone and none is missing, and return them as ``datetime64[s]``.

    Parameters, result and errors as for :func:`checked`.
    """
    if getattr(getattr(times, "dtype", None), "tz", None) is not None or getattr(times, "tz", None) is not None:
        raise UserError(f"{origin}: they carry a time zone; convert them to UTC and drop it")
    values = numpy.asarray(times)
    if values.dtype == object and any(getattr(value, "tzinfo", None) is not None for value in values.flat):
        raise UserError(f"{origin}: they carry a time zone; convert them to UTC and drop it")
    if values.dtype.kind in "iuf" and values.size:
        raise UserError(f"{origin}: numbers, not times; give datetime64")
    try:
        values = values.astype("datetime64[s]")
    except ValueError as error:
        raise UserError(f"{origin}: not times ({error})") from error
    if numpy.isnat(values).any():
        raise UserError(f"{origin}: a time is missing")
    return values


def nearest(sorted_times, wanted, tolerance):
    """Find the position of the time nearest to each wanted one: int64 (n,), -1 beyond the tolerance; the earlier of two."""
    if not len(sorted_times):
        return numpy.full(len(wanted), -1, "int64")
    after = numpy.clip(numpy.searchsorted(sorted_times, wanted), 0, len(sorted_times) - 1)
    before = numpy.maximum(after - 1, 0)
    places = numpy.where(wanted - sorted_times[before] <= sorted_times[after] - wanted, before, after)
    places = numpy.where(sorted_times[after] == wanted, after, places)
    return numpy.where(numpy.abs(sorted_times[places] - wanted) <= tolerance, places, -1).astype("int64")


def pairs(times, others, *, tolerance):
    """Pair times of two kinds: each with at most one of the other, the nearest.

    Parameters
    ----------
    times, others : numpy.ndarray
        ``datetime64[s]`` (n,) and (m,), sorted.
    tolerance : timedelta64
        Most time between the two of a pair.

    Returns
    -------
    rows, places : numpy.ndarray
        int64 (k,), positions in `times` and in `others`, both increasing.

    Examples
    --------
    >>> some, others = (numpy.array(clock, "datetime64[s]") for clock in (["2011-01-01T00:00", "2011-01-01T00:10"],
    ...                                                                   ["2011-01-01T00:08", "2011-01-01T01:00"]))
    >>> [positions.tolist() for positions in pairs(some, others, tolerance=numpy.timedelta64(12, "m"))]
    [[1], [0]]
    """
    places = nearest(others, times, tolerance)
    rows = numpy.flatnonzero(places >= 0)
    chosen = places[rows]
    away = numpy.abs(times[rows] - others[chosen])
    best = rows[numpy.lexsort((rows, away, chosen))]
    chosen = places[best]
    first = numpy.append(True, numpy.diff(chosen) > 0)[: len(best)]
    return best[first], chosen[first]


def together(series, *, tolerance):
    """Choose times of several kinds that belong together, each used once: those nearest to one of the first kind.

    Parameters
    ----------
    series : sequence of numpy.ndarray
        ``datetime64[s]``, sorted.
    tolerance : timedelta64
        Most time between the first and the last of those chosen together.

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]`` (kinds, n), the times of each kind increasing.
    """
    chosen = series[:1]
    for times in series[1:]:
        rows, places = pairs(chosen[0], times, tolerance=tolerance)
        chosen = [*(moments[rows] for moments in chosen), times[places]]
    chosen = numpy.stack(chosen)
    return chosen[:, chosen.max(axis=0) - chosen.min(axis=0) <= tolerance]


def images(folder):
    """Find the images of a folder tree by name: (names relative to the folder, times), sorted by time.

    Raises
    ------
    UserError
        The folder is missing or holds no magnetogram with a time in its name; two images are of one time.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of images")
    pictures = [path for path in folder.rglob("HMI.m*") if path.suffix.lower() in _PICTURES and path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in pictures]
    if not names:
        raise UserError(f"{folder}: no magnetograms named like HMI.m2011.01.01_00.00.00.jpg")
    return _in_order(names, from_names(names, origin=str(folder)), str(folder))


def stamped(folder):
    """Find the files of a folder tree, of any archive, whose names state a UTC time: (names, times), sorted by time.

    Of several files of one minute, such as the channels of a frame, the first by name stands for all.

    Raises
    ------
    UserError
        The folder is missing, or no name in it states a time.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of images")
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not picture_tree.is_by_product(path)):
        match = _STAMP.search(path.name)
        if match:
            texts = ["{}-{}-{}T{}:{}:{}".format(*(part or "00" for part in match.groups()))]
            found.setdefault(from_texts(texts, origin=str(path))[0], path.name)
    if not found:
        raise UserError(f"{folder}: no file whose name states a time, like AIA20140617_2136_0094.fits")
    times = numpy.array(sorted(found), "datetime64[s]")
    return [found[time] for time in times], times


def read_index(path):
    """Read the image names of an index file: one per line, or a CSV with a column label, timestamp or time.

    Returns
    -------
    tuple
        (names, times), sorted by time; of paths like ``/data/2011/01/01/HMI.m2011.01.01_00.00.00.jpg`` the names keep
        the part from the year on. Lines that name another kind of file (.csv in the published index) are left out.

    Raises
    ------
    UserError
        The file is missing or not text, a time in it has a time zone or is repeated, or it holds no time.
    """
    path = pathlib.Path(path)
    header, *lines = tables.read_lines(path)
    columns = [name.strip() for name in header.split(",")]
    named = [name for name in TIME_COLUMNS if name in columns]
    if named:
        names = tables.read(path)[named[0]].tolist()
    else:
        names = [line for line in (header, *lines) if not line.lower().endswith((".csv", ".txt", ".json"))]
    times = from_texts(names, origin=str(path))
    if not len(times):
        raise UserError(f"{path}: no image names or times")
    matches = [_TREE.match(str(name)) for name in names]  # sub would begin anew at each character of a long name
    names = [str(name) if match is None else match[1] for name, match in zip(names, matches, strict=True)]
    return _in_order(names, times, str(path))


def _in_order(names, times, origin):
    order = numpy.argsort(times, kind="stable")
    return [str(names[number]) for number in order], checked(times[order], origin=origin)


def table_times(table, *, origin):
    """Read the times of a table's rows, from the first of `TIME_COLUMNS` that it has: ``datetime64[s]`` (n,).

    Raises
    ------
    UserError
        It has none of these columns, or one holds something else than times or names that state them.
    """
    named = [name for name in TIME_COLUMNS if name in table.columns]
    if not named:
        raise UserError(f"{origin}: no column {', '.join(TIME_COLUMNS)}; it has {', '.join(map(str, table.columns))}")
    if named[0] == "file":
        return _from_image_files(table["file"], origin)
    return from_texts(table[named[0]], origin=origin)


def _from_image_files(names, origin):
    """Read the times of image files of any archive, as forecasts named them before they had a column time."""
    texts = []
    for name in names:
        match = _STAMP.search(pathlib.PurePath(str(name)).name)
        if match is None:
            raise UserError(f"{origin}: no UTC time in {str(name)!r}, and no column time; forecast again, or add the column")
        texts.append("{}-{}-{}T{}:{}:{}".format(*(part or "00" for part in match.groups())))
    return from_texts(texts, origin=origin)
