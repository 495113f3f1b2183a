"""What belongs to one process: a lock file beside it, which the kernel releases when the process dies, however it dies."""

import datetime
import errno
import json
import os
import pathlib
import socket
import sys
import time

from tools import processes
from tools.errors import UserError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_TRIES = 20  # of taking a lock whose file another process removes meanwhile
_PAUSE = 0.02  # seconds between two looks at a lock that is waited for


class _HeldError(UserError):
    """Another process holds the lock, or may."""


class Lock:
    """A file that one living process holds, with its host, process id and start in it.

    The lock is ``flock``'s, so that nothing has to be put right after a kill: a file that nobody holds is taken over. On a
    file system without it the content decides, as far as it can.

    Parameters
    ----------
    path : str or pathlib.Path
        The lock file, in a folder that exists.
    what : str
        What belongs to the holder, as messages name it.
    wait : float
        Seconds that a living holder is given to end, before it is an error.
    """

    def __init__(self, path, what, *, wait=0.0):
        self.path = pathlib.Path(path)
        self.what = str(what)
        self.wait = wait
        self._file = None
        self._by_content = False

    def __enter__(self):
        self.take()
        return self

    def __exit__(self, *exception):
        self.release()

    def take(self):
        """Take the lock.

        Raises
        ------
        UserError
            Another process holds it, or may, and did so for as long as is waited; host and process id are named. Or the file
            cannot be written.
        """
        end, tries = time.monotonic() + self.wait, 0
        while tries < _TRIES or time.monotonic() < end:
            tries += 1
            try:
                if self._taken():
                    return
            except _HeldError:
                if time.monotonic() >= end:
                    raise
                time.sleep(_PAUSE)
            except OSError as error:
                raise UserError(f"{self.path}: cannot be written ({error.strerror}); {self.what} needs it") from error
        raise UserError(f"{self.path}: changes all the time; is another process starting on {self.what}?")

    def _taken(self):
        """Try to take the lock; False when the file has been removed or replaced meanwhile."""
        new = True
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o644)
        except FileExistsError:
            new = False
            try:
                file = os.open(self.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
            except FileNotFoundError:
                return False
        try:
            locked = _flock(file)
            if locked is False:
                raise _HeldError(self._refusal(_read(file)))
            if locked is None and not new:  # no locks here: the content decides
                self._require_dead(_read(file))
                self.path.unlink(missing_ok=True)
                return False
            if locked and not _is_at(file, self.path):
                return False  # its last holder removed it before we had it
            if locked and not new:
                self._say_other_host(_read(file))
            if locked is None:
                print(
                    f"note: {self.path.parent}: this file system has no locks; a second process of this host is refused, one of"
                    f" another host until {self.path.name} is gone",
                    file=sys.stderr,
                )
            os.ftruncate(file, 0)
            os.pwrite(file, (json.dumps(_identity()) + "\n").encode(), 0)
            self._file, file, self._by_content = file, None, locked is None
            return True
        except OSError:  # a full disk
            if new:
                self.path.unlink(missing_ok=True)
            raise
        finally:
            if file is not None:
                os.close(file)

    def release(self):
        """Give the lock back and remove its file; nothing when it is not held."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            if _is_at(file, self.path):
                os.unlink(self.path)
        except OSError:
            pass  # the folder is gone, or may not be written any more
        finally:
            os.close(file)

    def left_by_the_dead(self):
        """Check whether the file is there and its holder ended without giving it back: bool.

        Where that cannot be known, of another host or without locks, it counts as held.
        """
        try:
            file = os.open(self.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return False
        try:
            holder = _read(file)
            return holder.get("host") == socket.gethostname() and _flock(file) is True
        finally:
            os.close(file)

    def _refusal(self, holder):
        who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
        since = f" since {holder['since']}" if holder else ""
        return f"{self.what}: belongs to {who}, at work there{since}; wait until it ends, or stop it"

    def _require_dead(self, holder):
        """A `_HeldError` unless the process that wrote a lock file, without a lock of the kernel, is known to have ended."""
        if not holder:
            raise _HeldError(f"{self.path}: says nothing of who holds {self.what}; if no process is at work there, remove it")
        if holder["host"] != socket.gethostname():
            raise _HeldError(
                f"{self.what}: belongs to process {holder['pid']} on {holder['host']}, which cannot be asked from here (no"
                f" locks on this file system); if it has ended, remove {self.path}"
            )
        if processes.alive(holder["pid"], holder.get("start")):
            raise _HeldError(self._refusal(holder))

    def _say_other_host(self, holder):
        """Note on standard error that a lock was left by a process of another host, which may have only local locks."""
        if holder and holder["host"] != socket.gethostname():
            print(
                f"note: {self.what}: was left by process {holder['pid']} on {holder['host']} without ending; going on here. If"
                " that one still runs, stop one of the two",
                file=sys.stderr,
            )


def _flock(file):
    """Lock an open file if nobody holds it: True, False when somebody does, None where there are no such locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            return None
        raise
    return True


def _is_at(file, path):
    try:
        there = os.stat(path)
    except OSError:
        return False
    return os.path.samestat(os.fstat(file), there)


def _identity():
    now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "start": processes.start_of(pid), "since": now}


def _read(file):
    """Read who wrote a lock file: dict with host, pid, start and since; empty when that is not to be read."""
    try:
        holder = json.loads(os.pread(file, 4096, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    kinds = {"host": str, "pid": int, "since": str}
    if not isinstance(holder, dict) or any(type(holder.get(name)) is not kind for name, kind in kinds.items()):
        return {}
    return holder if len(holder["host"]) <= 255 and 0 < holder["pid"] < 2**31 else {}
