"""Files that appear complete or not at all: written beside their place, flushed to disk, then renamed."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import tempfile

from tools.errors import UserError

_FULL = re.compile(r"No space left on device|Not enough space on disk|database or disk is full|\d+ requested and \d+ written")


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
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}.", suffix=path.suffix, dir=path.parent)
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
def results(folder):
    """Give a temporary folder whose files move to `folder` when the block ends without an exception.

    Results that belong together appear together. On an exception none appears and no folder is left behind.
    """
    folder = pathlib.Path(folder)
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=".unfinished.", dir=folder))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror}); give another folder with --out") from error
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            os.replace(file, folder / file.name)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        if disk_is_full(error):
            raise full_disk(folder) from error
        raise
    temporary.rmdir()


def disk_is_full(error):
    """Check whether an exception, or one that it came from, means that the disk is full.

    h5py, TensorFlow and astropy wrap the operating system's error in their own and keep only its text; numpy says how
    much it could write, and SQLite has words of its own.
    """
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if _FULL.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_disk(path):
    """Make the error for a full disk, with the name of what was being written: `OSError`."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


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
    """Write a `pandas.DataFrame` as CSV without its index, complete or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def safe_name(*parts):
    """Make a file name stem from words: letters, digits, dot, dash and underscore."""
    return "_".join(re.sub(r"[^A-Za-z0-9_.+-]+", "_", str(part)).strip("_") for part in parts if str(part))
