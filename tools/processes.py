"""Which processes are alive, and processes that end with the one that started them."""

import os
import threading
import time

_LOOK = 0.3  # seconds


def die_with(parent):
    """End this process soon after its parent, which may have been killed: somebody may go on with the work.

    Parameters
    ----------
    parent : int
        Process id of the one that started this one.
    """

    def watch():
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def start_of(pid):
    """Return when a process of this machine began, in ticks since the machine did: int, or None where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def alive(pid, start=None):
    """Check whether a process of this machine is alive.

    Parameters
    ----------
    pid : int
    start : int, optional
        As of `start_of`: a process with the same number that began at another time is another one.

    Returns
    -------
    bool
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    now = start_of(pid)
    return start is None or now is None or now == start
