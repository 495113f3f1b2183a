"""One function over many items, in processes of their own; and which processes are alive."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import pickle
import sys
import types

_CHUNK = 4  # items that a process receives at once


def worker_count(items, given=None, *, many=64, most=None):
    """Choose how many processes work on so many items.

    Parameters
    ----------
    items : int
    given : int, optional
        The user's choice; wins.
    many : int
        Items from which on processes are worth starting.
    most : int, optional
        Processes beyond which the work gets no faster.

    Returns
    -------
    int
        `given`; else 1 for less than `many` items; else one per processor, at most `most`.
    """
    if given:
        return given
    return min(os.cpu_count() or 1, most or items) if items >= many else 1


def mapped(function, items, *, workers):
    """Yield what a function returns for each item, in the order of the items.

    Parameters
    ----------
    function : callable
        Takes an item. With several workers it, the items and the results are pickled.
    items : iterable
    workers : int
        Processes; 1 computes in this one.

    Yields
    ------
    object

    Raises
    ------
    Exception
        What the function raised first. Items that no process has begun are dropped then, and when the caller stops early.

    Notes
    -----
    Processes are spawned, not forked: the caller may have threads by now (TensorFlow's, for one), which do not survive a fork.
    A spawned process imports the program that was started once more, and runs it where it has no ``__main__`` guard, as
    notebooks have none. It is told of the program only when it needs something that the program itself defines.
    """
    if workers == 1:
        yield from map(function, items)
        return
    items = list(items)
    needs_program = b"__main__" in pickle.dumps((function, items[:1]))
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            with contextlib.nullcontext() if needs_program else _program_hidden():
                results = pool.map(function, items, chunksize=_CHUNK)  # starts all processes
            yield from results
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextlib.contextmanager
def _program_hidden():
    """Keep the program that was started from processes that are spawned in a ``with`` block."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


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
