"""Files of images whose names give the time of observation."""

import datetime
import pathlib

import numpy

from dataset_models.images import picture_tree
from tools import notes
from tools.errors import UserError

_PARTS = ("year", "month", "day", "hour", "minute", "second")


def time_in(path, *patterns):
    """Read the time of observation from a file's name.

    Parameters
    ----------
    path : str or pathlib.Path
    *patterns : re.Pattern
        Of whole names, with the groups year (two digits are of this century), month, day, hour, minute, and second where names
        have it.

    Returns
    -------
    numpy.datetime64
        In seconds, UTC; None for a name that fits no pattern, or whose numbers are no time.

    Examples
    --------
    >>> import re
    >>> day = r"(?P<year>\\d\\d)(?P<month>\\d\\d)(?P<day>\\d\\d)"
    >>> pattern = re.compile(f"sun{day}t(?P<hour>\\\\d\\\\d)(?P<minute>\\\\d\\\\d)[.]png")
    >>> str(time_in("folder/sun240201t0004.png", pattern)), time_in("sun240231t0004.png", pattern)
    ('2024-02-01T00:04:00', None)
    """
    name = pathlib.Path(path).name
    match = next(filter(None, (pattern.fullmatch(name) for pattern in patterns)), None)
    if match is None:
        return None
    found = match.groupdict(default="0")
    year, *rest = (int(found.get(part, 0)) for part in _PARTS)
    try:
        return numpy.datetime64(datetime.datetime(year + 2000 if year < 100 else year, *rest), "s")
    except ValueError:
        return None


def by_time(folder, time_of, *, expected, counted):
    """Find the images below a folder.

    Parameters
    ----------
    folder : str or pathlib.Path
    time_of : callable
        From a path to its time, None for a file that is no such image.
    expected : str
        A name as it should be, for the note about others.
    counted : callable
        Whether a file without a time, given by its path, is counted in that note.

    Returns
    -------
    dict of numpy.datetime64 to pathlib.Path
        In the order of time. Files whose names fit no pattern are counted in a note.

    Raises
    ------
    UserError
        Two files of one time.
    """
    paths, unknown = {}, []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        time = time_of(path)
        if time is None:
            if counted(path) and path.is_file() and not picture_tree.is_by_product(path):
                unknown.append(path)
        elif time in paths:
            raise UserError(f"{path}: has the same time as {paths[time]}; keep one of them")
        else:
            paths[time] = path
    notes.note_unknown_names(folder, unknown, expected=expected)
    return dict(sorted(paths.items()))
