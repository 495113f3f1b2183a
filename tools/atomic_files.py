"""Files that appear complete or not at all: written beside their place, flushed to disk, then renamed."""

import contextlib
import functools
import hashlib
import os
import pathlib
import re
import shutil
import socket
import tempfile
import time

from tools import processes, tables
from tools.errors import UserError
from tools.full_disks import disk_is_full, full_disk

OLD = 86400.0  # seconds without a change after which a temporary file of a process that cannot be asked is given up

# Machine, process id and its start are in the name: what a killed process leaves is told from what is being written.
_TEMPORARY = re.compile(r"\..*\.([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-[a-z0-9_]{8}(\.\w+)?", re.DOTALL)
_EARLIER = re.compile(
    r"\.unfinished\.[a-z0-9_]{8}|\..+\.[a-z0-9_]{8}\.(hdf5|npz|npy|csv|tsv|json|yml|txt|png|pbtxt)", re.DOTALL
)


@contextlib.contextmanager
def replacing(path):
    """Give a temporary path beside `path`; it takes the name `path` when the block ends without an exception.

    Parameters
    ----------
    path : str or pathlib.Path
        The file to create or replace. Missing parent folders are created.

    Yields
    ------
    pathlib.Path
        A file of the same suffix in the same folder, empty. It is removed when the block raises.

    Raises
    ------
    UserError
        When the folder cannot be made or written to.
    OSError
        When the disk is full; its ``filename`` is `path`.
    """
    path = pathlib.Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_prefix(path.stem[:40]), suffix=path.suffix, dir=path.parent)
    except OSError as error:
        if disk_is_full(error):
            raise full_disk(path) from error
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only their owner can read
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if disk_is_full(error):
            raise full_disk(path) from error
        raise


@contextlib.contextmanager
def results(folder, *, names=()):
    """Give a temporary folder whose files move to `folder` when the block ends without an exception.

    Results that belong together appear together. On an exception none appears and no folder is left behind; those of killed
    processes are removed.

    Parameters
    ----------
    folder : str or pathlib.Path
    names : iterable of str
        Of files that belong together whenever some are written: those in `folder` that the block does not write are of an
        earlier run, and are removed once the new ones are there.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    UserError
        When the folder cannot be made or written to.
    """
    folder = pathlib.Path(folder)
    sweep(folder, below=False)
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=_prefix("unfinished"), dir=folder))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror}); give another folder with --out") from error
    try:
        yield temporary
        written = sorted(temporary.iterdir())
        for file in written:
            os.replace(file, folder / file.name)
        for name in {*names} - {file.name for file in written}:
            (folder / name).unlink(missing_ok=True)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        if disk_is_full(error):
            raise full_disk(folder) from error
        raise
    temporary.rmdir()


@contextlib.contextmanager
def new_folder(parent):
    """Give a temporary folder in `parent`, for the caller to rename; what is left of it at the end of the block is removed."""
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=_prefix("new"), dir=parent))
    try:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o777 & ~umask)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder, *, below=True):
    """Remove the hidden temporary files and folders that killed processes of ours left.

    Parameters
    ----------
    folder : str or pathlib.Path
    below : bool
        The folder is ours alone: in the folders in it too, and what has the names of earlier versions.

    Returns
    -------
    list of pathlib.Path
        What was removed. Of a living process nothing is; of one that cannot be asked (of another machine or an earlier
        version) only what has not changed for a day.
    """
    removed = []
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = pathlib.Path(place, name)
            if not name.startswith(".") or not _left_behind(path, earlier=below):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
            removed.append(path)
        folders[:] = [name for name in folders if below and pathlib.Path(place, name) not in removed]
    return removed


def _left_behind(path, *, earlier):
    named = _TEMPORARY.fullmatch(path.name)
    if named and named[1] == _machine():
        return not processes.alive(int(named[2]), int(named[3]) or None)
    if not named and not (earlier and _EARLIER.fullmatch(path.name)):
        return False
    try:
        inside = path.rglob("*") if path.is_dir() else ()
        return time.time() - max(one.lstat().st_mtime for one in (path, *inside)) > OLD
    except OSError:
        return False  # gone, or somebody's who is at work


def _prefix(stem):
    pid = os.getpid()
    return f".{stem}.{_machine()}-{pid}-{processes.start_of(pid) or 0}-"


@functools.cache
def _machine():
    """Return eight digits for this machine, and where containers share its name for this one's set of process ids: str."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def write_text(path, text):
    """Write a text file (UTF-8), complete or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_array(path, array):
    """Write a ``.npy`` file (`numpy.ndarray`, no objects), complete or not at all."""
    import numpy

    with replacing(path) as temporary, open(temporary, "wb") as file:
        numpy.save(file, array, allow_pickle=False)


def write_arrays(path, **arrays):
    """Write a compressed ``.npz`` file of named arrays, complete or not at all."""
    import numpy

    with replacing(path) as temporary, open(temporary, "wb") as file:
        numpy.savez_compressed(file, allow_pickle=False, **arrays)


def second_name(path, name):
    """Let the file `path` be found as `name` too, in place of what was there: a hard link, or a copy where none can be made."""
    if os.path.exists(name) and os.path.samefile(path, name):
        return  # renaming one name of a file to another does nothing, and would leave the temporary one
    with replacing(name) as temporary:
        temporary.unlink()
        try:
            os.link(path, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, temporary)


def write_table(path, table):
    """Write a `pandas.DataFrame` as CSV by `tools.tables.write`, complete or not at all."""
    with replacing(path) as temporary:
        tables.write(temporary, table)


def safe_name(*parts):
    """Make a file name stem from words: letters, digits, dot, dash and underscore."""
    return "_".join(re.sub(r"[^A-Za-z0-9_.+-]+", "_", str(part)).strip("_") for part in parts if str(part))
