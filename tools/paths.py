"""Where data lives: config.yml, overridden by an environment variable, overridden by a flag; and files that flags name."""

import argparse
import glob
import os
import pathlib
import stat

from tools import notes
from tools.errors import UserError
from tools.reading import structures

PROJECT = pathlib.Path(__file__).resolve().parents[1]
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{name}{number}" for name in ("COM", "LPT") for number in range(1, 10))}
_LONGEST_PATH = 1000  # bytes
KEYS = ("aia", "hmi", "goes", "flares", "cache")
FILE = "file"  # the kind of files that flags alone name
ARCHIVES = {
    "jsoc": "http://jsoc.stanford.edu",
    "jsoc_aia": "http://jsoc.stanford.edu/data/aia/synoptic",
    "helioviewer": "https://api.helioviewer.org/v2",
    "donki": "https://api.nasa.gov/DONKI/FLR",
    "hek": "https://www.lmsal.com/hek/her",
    "noaa_regions": "https://www.ngdc.noaa.gov/stp/space-weather/swpc-products/daily_reports/solar_region_summaries",
    "swpc": "https://services.swpc.noaa.gov/json",
    "goes_mirror": "",
}


def data_path(key, flag=None):
    """Find the path of one kind of data.

    Parameters
    ----------
    key : str
        One of `KEYS`: ``aia`` and ``hmi`` (folders of images), ``goes`` (the flux store), ``flares`` (a flare list),
        ``cache`` (a folder for converted images).
    flag : str or pathlib.Path, optional
        What the user gave on the command line; wins when given.

    Returns
    -------
    pathlib.Path
        The flag, else the environment variable ``SOLAR_<KEY>``, else the entry of ``config.yml`` (the file named by
        ``SOLAR_CONFIG``, else the one in the project's folder; relative entries are relative to that file).

    Raises
    ------
    UserError
        When the configuration cannot be read or has unknown keys.
    """
    if key not in KEYS:
        raise KeyError(key)
    if flag:
        return pathlib.Path(flag).expanduser()
    if os.environ.get(f"SOLAR_{key.upper()}"):
        return pathlib.Path(os.environ[f"SOLAR_{key.upper()}"]).expanduser()
    config = pathlib.Path(os.environ.get("SOLAR_CONFIG") or PROJECT / "config.yml")
    entries = _read(config)
    if key not in entries:
        raise UserError(f"{config}: no entry {key!r}; add it, or set SOLAR_{key.upper()}")
    return config.parent / pathlib.Path(str(entries[key])).expanduser()


def environment_path(key):
    """Look up where the environment puts one kind of data.

    Parameters
    ----------
    key : str
        One of `KEYS`, or `FILE`.

    Returns
    -------
    pathlib.Path or None
        ``SOLAR_<KEY>``, else the entry of the file that ``SOLAR_CONFIG`` names; None when neither is set, and of `FILE`. The
        project's own ``config.yml`` is no part of the environment.

    Raises
    ------
    UserError
        The file cannot be read.
    """
    if key == FILE:
        return None
    if os.environ.get(f"SOLAR_{key.upper()}"):
        return data_path(key)
    if os.environ.get("SOLAR_CONFIG") and key in _read(pathlib.Path(os.environ["SOLAR_CONFIG"])):
        return data_path(key)
    return None


def archive_url(name, flag=None):
    """Find an archive: the flag, else ``SOLAR_<NAME>_URL``, else ``archives`` in ``config.yml``, else `ARCHIVES`.

    Parameters
    ----------
    name : str
        Of `ARCHIVES`.
    flag : str, optional

    Returns
    -------
    str
        Without a slash at the end.

    Raises
    ------
    UserError
        It is no URL, or the configuration cannot be read.
    """
    config = pathlib.Path(os.environ.get("SOLAR_CONFIG") or PROJECT / "config.yml")
    given = flag or os.environ.get(f"SOLAR_{name.upper()}_URL")
    if not given:
        given = ((_read(config).get("archives") or {}) if config.is_file() else {}).get(name) or ARCHIVES[name]
    if given and not given.startswith(("http://", "https://")):
        raise UserError(f"{name}: {given} is no http:// or https:// URL; set --url, SOLAR_{name.upper()}_URL or {config}")
    return given.rstrip("/")


def inside(folder, name):
    """Find a file of a folder by a name that came from elsewhere: a manifest, or an archive's answer.

    Parameters
    ----------
    folder : str or pathlib.Path
    name : str
        Relative, with ``/``.

    Returns
    -------
    pathlib.Path
        Whether there is such a file or not; never anything but a regular file of the folder.

    Raises
    ------
    UserError
        The name is none of a file in the folder: it is absolute, leads outside (``..``, a symbolic link), is hidden, has
        characters that no file name should have, is one of a device, or is too long; or something else has this name.

    Examples
    --------
    >>> inside("data", "2014/06/a.fits").as_posix()
    'data/2014/06/a.fits'
    >>> inside("data", "../a.fits")
    Traceback (most recent call last):
    tools.errors.UserError: data: '../a.fits' is no name of a file in this folder
    """
    folder = pathlib.Path(folder)
    parts = name.split("/") if isinstance(name, str) else []
    if not parts or len(name.encode("utf-8", "replace")) > _LONGEST_PATH or not all(map(_is_plain, parts)):
        shown = repr(name) if len(repr(name)) <= 120 else f"{repr(name)[:120]}..."
        raise UserError(f"{folder}: {shown} is no name of a file in this folder")
    place, outside = folder.joinpath(*parts), False
    try:
        resolved = place.resolve()
        outside = not resolved.is_relative_to(folder.resolve())
        mode = resolved.stat().st_mode
    except (FileNotFoundError, PermissionError):
        mode = None
    except NotADirectoryError:
        raise UserError(f"{folder}: {name} lies below a file; move that away") from None
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links
        raise UserError(f"{folder}: {name} cannot be looked up ({error}); move it away") from error
    if outside:
        raise UserError(f"{folder}: {name} leads outside of this folder by a symbolic link")
    if mode is not None and not stat.S_ISREG(mode):
        raise UserError(f"{folder}: {name} is a folder or a device, not a file; move it away")
    return place


def _is_plain(part):
    """Check that a piece of a path names a file or folder on any system, and nothing hidden: bool."""
    if (
        not part
        or part.startswith(".")
        or part != part.strip()
        or part.endswith(".")
        or len(part.encode("utf-8", "replace")) > 200
    ):
        return False
    return part.isprintable() and not set(part) & set('\\:*?"<>|') and part.split(".")[0].upper() not in _DEVICES


def matching(words):
    """Expand patterns: a shell hands on one that matches nothing, and one in quotes.

    Parameters
    ----------
    words : sequence of str
        File names and patterns (``*``, ``?``, ``[...]``, and ``**`` for folders within folders). The name of a file that is
        there is no pattern.

    Returns
    -------
    files : list of str
        In the order of the words, those of one pattern sorted. A word without a pattern is kept, whether there is such a
        file or not.
    unmatched : list of str
        Patterns that match nothing.

    Examples
    --------
    >>> matching(["flares.csv", "no/such/folder/*.csv"])
    (['flares.csv'], ['no/such/folder/*.csv'])
    """
    files, unmatched = [], []
    for word in words:
        if glob.has_magic(word) and not os.path.lexists(word):
            matches = sorted(glob.glob(word, recursive=True))
            files += matches
            unmatched += [] if matches else [word]
        else:
            files.append(word)
    return files, unmatched


def given_files(words):
    """Expand patterns as `matching` does, with a note for each that matches nothing.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    list of str

    Raises
    ------
    UserError
        There are patterns, and no file.
    """
    files, unmatched = matching(words)
    if unmatched and not files:
        raise no_file(unmatched)
    for pattern in unmatched:
        notes.note(f"no file matches {pattern}")
    return files


def no_file(unmatched):
    """Make the error for patterns of which none matches a file: `UserError`."""
    return UserError(f"no file matches {', '.join(unmatched)}; check the folder and the pattern")


class Files(argparse.Action):
    """The action of an argument that takes several files: patterns are expanded, see `given_files`."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Store the files."""
        setattr(namespace, self.dest, given_files(values))


def _read(config):
    advice = "write entries like 'aia: data/AIA', or set SOLAR_CONFIG to another config.yml"
    entries = structures.read_yaml(config, kind=dict, advice=advice)
    unknown = sorted(set(map(str, entries)) - {*KEYS, "archives"})
    if unknown:
        raise UserError(f"{config}: unknown entries {', '.join(unknown)}; known are {', '.join(KEYS)}, archives")
    archives = entries.get("archives") or {}
    if not isinstance(archives, dict) or set(archives) - set(ARCHIVES):
        raise UserError(f"{config}: archives takes URLs of {', '.join(ARCHIVES)}")
    return entries
