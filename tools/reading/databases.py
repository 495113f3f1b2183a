"""SQLite files, whose damage shows at any query."""

import contextlib
import sqlite3

from tools import full_disks
from tools.errors import UserError
from tools.reading import raw_files


@contextlib.contextmanager
def damage_named(path, *, kind="a database", advice="give another file"):
    """Name the file in errors of SQLite, and in those of rows that hold other values than they should, inside this block.

    Parameters
    ----------
    path : str or pathlib.Path
    kind : str
        What the file is used as, for example ``"a flux store"``.
    advice : str
        What to do.

    Raises
    ------
    UserError
        In place of `sqlite3.Error`, and of the `TypeError`, `ValueError` and `OverflowError` of a row with NULL, with another
        type, or with a number that is too large.
    OSError
        The disk is full.
    """
    try:
        yield
    except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:
        if full_disks.disk_is_full(error):
            raise full_disks.full_disk(path) from error
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: cannot be used as {kind} ({reason}); {advice}") from error


def typed(value, kind, name):
    """Return a value of a row, which must be of a kind.

    Parameters
    ----------
    value : object
    kind : type
        int, float (an int will do), str or bytes.
    name : str
        Of the column.

    Raises
    ------
    ValueError
        It is NULL or of another type.
    """
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"a row's {name} is {'missing' if value is None else 'no ' + kind.__name__}")
    return value


def require_database(path, *, kind="a database", advice="give another file"):
    """Require a path to be a regular file that begins like an SQLite database. Parameters as of `damage_named`.

    Raises
    ------
    UserError
        It is missing, no regular file, or something else.
    """
    raw_files.regular_file(path, advice=advice)
    with open(path, "rb") as file:
        head = file.read(16)
    if head and head != b"SQLite format 3\0":
        raise UserError(f"{path}: cannot be used as {kind} (it is no SQLite database); {advice}")
