"""The mark of simulated data: how files state that they are no observations, and what is made of them as well.

============================ =====================================================================================
FITS                         keyword SIMULATD = T in the header of any HDU
JPEG 2000                    <SIMULATD> in the FITS keywords that Helioviewer keeps as XML
jpg and npy of picture trees SIMULATD among the FITS keywords in its comment, or in the ``.json`` file beside it
FlareNet's arrays (.dat)     a ``.json`` file beside it, as of npy
CSV, TSV                     a column ``simulated`` of ones, as forecasts and flare lists of a simulation have it
JSON, YAML                   ``"simulated": true``, of the whole, of a record or of what stands under a name
arrays (.npz)                an entry ``simulated`` that is true
pictures drawn here          a title that says so, and `WORDS` in their metadata (PNG, PDF, SVG, GIF)
flux store (SQLite)          mark of the files imported into it, see `dataset_models.goes_xrs`
============================ =====================================================================================

What carries no mark counts as observed.
"""

import csv
import io
import pathlib
import warnings

import numpy

from dataset_models.images import fits_files, jpeg2000, picture_files, picture_tree
from tools import figures
from tools.errors import UserError
from tools.reading import arrays, raw_files, structures

KEYWORD = picture_tree.MARK
COLUMN = "simulated"
WORDS = figures.SIMULATED
_MARK_BYTES = 1 << 10  # of the array that is a mark
LOOKED_AT = 8  # files of an archive: its first, its last, and some between

_YES = {"t", "true", "1", "1.0", "yes", "y"}


def is_set(value):
    """Check whether the value of a mark means yes: True, 1, ``"T"``, ``"true"``, ``"yes"``; upper and lower case."""
    return str(value).strip().strip("'\"").strip().lower() in _YES


def of_header(header):
    """Check whether FITS keywords mark an image as simulated.

    Parameters
    ----------
    header : mapping
        An `astropy.io.fits.Header` or a dict.
    """
    return any(str(key).upper() == KEYWORD and is_set(header[key]) for key in header if key)


def of_table(table):
    """Check whether any row of a `pandas.DataFrame` is marked in the column `COLUMN`."""
    return COLUMN in table.columns and any(is_set(value) for value in table[COLUMN].unique())


def columns(simulated, count):
    """Return the column that marks `count` rows: dict of `COLUMN` to int64 (count,), empty for observations."""
    return {COLUMN: numpy.ones(count, "int64")} if simulated else {}


def marked(table, simulated):
    """Mark all rows of a `pandas.DataFrame` where they are of simulated data; another table, as `columns` has it."""
    return table.assign(**columns(simulated, len(table)))


def row(simulated):
    """Return what marks one row of a table: dict of `COLUMN` to 1, empty for observations."""
    return {COLUMN: 1} if simulated else {}


def entry(simulated):
    """Return the entry that marks a record, in JSON, YAML or arrays: dict of `COLUMN` to True, empty for observations."""
    return {COLUMN: True} if simulated else {}


def of_file(path):
    """Check whether a file is marked as simulated.

    Parameters
    ----------
    path : str or pathlib.Path
        Its suffix shows what it is; a flux store has any.

    Returns
    -------
    bool or None
        None for a file that cannot be read: its reader names the reason.
    """
    path = pathlib.Path(path)
    if not path.is_file():  # a pipe would never end
        return None
    name = path.name.lower().removesuffix(".gz")
    reader = next((reader for suffixes, reader in _READERS if name.endswith(suffixes)), None)
    if reader is None:
        return _is_store(path) and _of_store(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(reader(path))
    except Exception:  # astropy and Pillow raise anything on damaged files
        return None


def of_any(paths):
    """Check whether one of a few files is marked as simulated, as of `of_file`: bool."""
    return any(bool(of_file(path)) for path in paths)


def of_archive(paths):
    """Check whether the files of one archive are simulated; `LOOKED_AT` of them, evenly spread, stand for all.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        In any order that keeps: the same files are looked at each time.

    Raises
    ------
    UserError
        Some of those looked at are simulated and some are not.
    """
    paths = list(paths)
    places = numpy.unique(numpy.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).round().astype(int))
    examples = {}
    for place in places:
        examples.setdefault(of_file(paths[place]), paths[place])
    if True in examples and False in examples:
        raise UserError(
            f"{examples[True]}: is simulated ({KEYWORD}), and {examples[False]} is not; keep them in different folders"
        )
    return True in examples


def of_archives(archives):
    """Check whether what is made of several archives is simulated: one of them suffices.

    Parameters
    ----------
    archives : iterable of sequence of pathlib.Path
        Each as of `of_archive`: images, flare lists, ...
    """
    marks = [of_archive(paths) for paths in archives]  # all of them, so that no mixture stays hidden behind the first
    return any(marks)


def refuse_mixture(marks):
    """Refuse forecasts to be compared or joined of which some are simulated.

    Parameters
    ----------
    marks : dict of str to bool
        By name.

    Raises
    ------
    UserError
        Some are and some are not.
    """
    names = {mark: name for name, mark in reversed(marks.items())}
    if len(names) > 1:
        raise UserError(f"{names[True]} is of simulated data and {names[False]} is not; nothing compares the two")


def _of_fits(path):
    return any(of_header(header) for header in fits_files.headers(path))


def _of_jp2(path):
    return of_header(jpeg2000.stored_header(jpeg2000.read(path)))


def _of_picture(path):
    with picture_files.opened(path, ("JPEG", "PNG", "GIF")) as picture:
        comment = picture.info.get("comment") or picture.info.get("Comment") or b""
    comment = comment.encode() if isinstance(comment, str) else comment
    return comment == WORDS.encode("ascii") or of_header(picture_tree.from_comment(comment) or {})


def _of_drawing(path):
    return WORDS.encode("ascii") in raw_files.read_bytes(path)


def _of_array(path):
    if not path.is_file():
        raise FileNotFoundError(path)
    return of_header(picture_tree.from_file(path) or {})


def _of_arrays(path):
    mark = arrays.read_arrays(path, most=_MARK_BYTES, only=(COLUMN,)).get(COLUMN)
    return mark is not None and mark.size == 1 and is_set(mark.item())


def _of_csv(path, delimiter=","):
    text = raw_files.read_unpacked(path).decode("utf-8-sig")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows, [])]
    if COLUMN not in names:
        return False
    place = names.index(COLUMN)
    return any(is_set(row[place]) for row in rows if len(row) > place)


def _of_tsv(path):
    return _of_csv(path, delimiter="\t")


def _of_json(path):
    return _of_records(structures.read_json(path))


def _of_yaml(path):
    return _of_records(structures.read_yaml(path))


def _of_records(content):
    records = [content, *content.values()] if isinstance(content, dict) else content if isinstance(content, list) else []
    return any(isinstance(record, dict) and is_set(record.get(COLUMN, False)) for record in records)


def _is_store(path):
    try:
        with open(path, "rb") as file:
            return file.read(15) == b"SQLite format 3"
    except OSError:
        return False


def _of_store(path):
    from dataset_models import goes_xrs

    return goes_xrs.is_simulated(path)


_READERS = (
    ((".fits", ".fit", ".fts"), _of_fits),
    ((".jp2", ".j2k"), _of_jp2),
    ((".jpg", ".jpeg", ".png", ".gif"), _of_picture),
    ((".pdf", ".svg"), _of_drawing),
    ((".npy", ".dat"), _of_array),
    ((".npz",), _of_arrays),
    ((".csv",), _of_csv),
    ((".tsv",), _of_tsv),
    ((".json",), _of_json),
    ((".yml", ".yaml"), _of_yaml),
)
