"""Folders of converted pictures: file names of the published trees, the pointing kept with each file, how they were made.

A tree holds ``2026/02/01/HMI.m2026.02.01_00.00.00.jpg`` (or ``.npy``) and ``conversion.json``, the record of how
its pictures were made. Pictures made in different ways never share a tree. The FITS keywords of a picture stand in the
comment of its jpg, or in a ``.json`` file beside its npy.
"""

import json
import pathlib
import re

import numpy

from tools import atomic_files
from tools.errors import UserError
from tools.reading import raw_files, structures

RECORD = "conversion.json"
MAGNETOGRAM, CONTINUUM = "HMI.m", "HMI.c"  # what names of HMI's pictures begin with
MARK = "SIMULATD"  # the keyword of `dataset_models.simulation_mark`
_COMMENT = "FITS keywords "
_MOST = 1 << 20  # bytes of keywords or of a record


def relative_path(kind, time, suffix):
    """Find where a picture lies in its tree: `pathlib.PurePosixPath`.

    Parameters
    ----------
    kind : str
        What the name begins with: ``"HMI.m"`` for magnetograms, ``"HMI.c"`` for continuum, ``"AIA.171."``, ...
    time : datetime64
        UTC; whole seconds count.
    suffix : str
        ``"jpg"`` or ``"npy"``.
    """
    return pathlib.PurePosixPath(names(kind, [time], suffix)[0])


def names(kind, times, suffix):
    """Name the pictures of many times as `relative_path` does that of one: list of str.

    Examples
    --------
    >>> names(MAGNETOGRAM, ["2011-01-01T00:00:00"], "jpg")
    ['2011/01/01/HMI.m2011.01.01_00.00.00.jpg']
    """
    paths = []
    for text in numpy.datetime_as_string(numpy.asarray(times, "datetime64[s]")):
        date, clock = text.split("T")
        paths.append(f"{date.replace('-', '/')}/{kind}{date.replace('-', '.')}_{clock.replace(':', '.')}.{suffix}")
    return paths


def name_pattern(kind, suffix):
    """Write the regular expression of the pictures' names, for a suffix given as one: str; its groups are year to second."""
    return rf"{re.escape(kind)}(\d{{4}})\.(\d\d)\.(\d\d)_(\d\d)\.(\d\d)\.(\d\d)\.{suffix}"


def comment(wcs):
    """Write FITS keywords as the comment of a jpg: bytes."""
    return (_COMMENT + json.dumps(wcs)).encode("ascii")


def from_comment(text):
    """Read the FITS keywords from the comment of a jpg: dict; None when it holds none."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text or "")
    return _keywords(text.removeprefix(_COMMENT)) if text.startswith(_COMMENT) else None


def pointing(wcs):
    """Return the keywords of `from_comment` or `from_file`, None where they hold only the mark of simulation."""
    return wcs if wcs and wcs.keys() - {MARK} else None


def header_path(path):
    """Find where the FITS keywords of a npy picture are: `pathlib.Path`."""
    return pathlib.Path(path).with_suffix(".json")


def from_file(path):
    """Read the FITS keywords that lie beside a npy picture: dict; None when there are none."""
    try:
        return _keywords(raw_files.read_text(header_path(path), most=_MOST))
    except UserError:
        return None


def is_by_product(path):
    """Check whether a file of an image folder is no image but what our scripts keep beside images, or hidden."""
    path = pathlib.Path(path)
    beside = path.suffix == ".json" and path.with_suffix(".npy").exists()
    return beside or path.name.startswith((".", "manifest.sqlite")) or path.name in (RECORD, "contact_sheet.png")


def _keywords(text):
    try:
        return structures.parse_json(text, "FITS keywords", kind=dict) or None
    except UserError:
        return None


def begin(folder, recipe):
    """Record how the pictures of a tree are made, or check that those already there were made in the same way.

    Parameters
    ----------
    folder : str or pathlib.Path
    recipe : dict
        JSON-able; at least ``mode``.

    Raises
    ------
    UserError
        The tree was made in another way, or holds pictures without a record of how they were made.
    """
    folder = pathlib.Path(folder)
    there = read_record(folder)
    if there is None:
        if next(_pictures(folder), None) is not None:
            raise UserError(
                f"{folder}: holds pictures without the record of how they were made, {RECORD}; choose an empty folder"
            )
        atomic_files.write_text(folder / RECORD, json.dumps(recipe, indent=1, sort_keys=True) + "\n")
        there = read_record(folder)  # another process may have been here at the same moment
    different = [key for key in sorted(recipe.keys() | there.keys()) if recipe.get(key) != there.get(key)]
    if different:
        listed = ", ".join(f"{key} {there.get(key)}, not {recipe.get(key)}" for key in different)
        raise UserError(f"{folder}: its pictures were made with {listed}; use the same or choose another folder")


def pictures(folder):
    """List what lies in the places of pictures of a tree: set of `pathlib.Path`."""
    return set(_pictures(pathlib.Path(folder)))


def _pictures(folder):
    return folder.glob("[12][0-9][0-9][0-9]/*/*/*.*")


def read_record(folder):
    """Read how the pictures of a tree were made: dict; None where there is no record.

    Raises
    ------
    UserError
        The record is damaged.
    """
    path = pathlib.Path(folder) / RECORD
    if not path.exists():
        return None
    advice = "it is the record of a conversion; convert into another folder"
    return structures.read_json(path, most=_MOST, kind=dict, advice=advice)


def require_one_making(folder, records, pictures):
    """Refuse pictures of one data set that were made in different ways.

    Parameters
    ----------
    folder : str or pathlib.Path
        Named in errors.
    records : sequence of pathlib.Path
        Every `RECORD` below the folder.
    pictures : iterable of pathlib.Path

    Raises
    ------
    UserError
        Two records differ, or some pictures lie below a record and some do not.
    """
    if not records:
        return
    made = {path: read_record(path.parent) for path in records}
    first = made[records[0]]
    other = next((path for path in records if made[path] != first), None)
    if other is not None:
        raise UserError(f"{folder}: its pictures were made in different ways ({records[0]}, {other}); separate them")
    trees = [path.parent for path in records]
    stray = next((path for path in pictures if not any(path.is_relative_to(tree) for tree in trees)), None)
    if stray is not None:
        raise UserError(f"{folder}: {stray} lies outside the tree of {records[0]}; separate them")
