"""One function over many items, in processes of their own."""

import concurrent.futures
import multiprocessing
import os

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
    """
    if workers == 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(function, items, chunksize=_CHUNK)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
