"""Full disks, however a library reports them."""

import errno
import os
import re

_FULL = re.compile(
    r"No space left on device|Not enough space on disk|database or disk is full|(?<!\d)\d+ requested and \d+ written"
)


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
