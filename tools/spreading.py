"""One function over many items, in processes of this machine or on the workers of a Dask scheduler."""

import collections
import concurrent.futures
import contextlib
import contextvars
import functools
import itertools
import multiprocessing
import os
import pickle
import platform
import sys
import threading
import time
import types

from tools import command_line, modules, notes, options, processes
from tools.errors import UserError

ANSWER = 15.0  # seconds within which a scheduler answers
LOST = 3  # times that processes of this machine die in turn with nothing done, as Dask's allowed-failures of a task
_CHUNK = 4  # items that a process receives at once
_AHEAD = 4  # chunks on their way for each worker
_FEWEST_AHEAD = 16
_LOOK = 10.0  # seconds after which a cluster that does nothing is looked at again
_CLUSTER = contextvars.ContextVar("cluster", default=None)
_ONE = threading.Lock()  # the folder and the environment are a process's, not a thread's


def add_flags(parser, *, workers=True, default="one per processor"):
    """Give a parser ``--scheduler``, whose value goes to `on`, and ``--workers``, of which one is given at most.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    workers : bool
        Whether it gets ``--workers``.
    default : str
        How many they are by default, for ``--help``.
    """
    group = parser.add_mutually_exclusive_group()
    if workers:
        text = f"of this machine (default: {default})"
        options.add_number(group, "--workers", int, least=1, most=1024, metavar="PROCESSES", help=text)
    text = "Dask scheduler whose workers do it instead, such as tcp://host:8786 (docs/machines.md)"
    group.add_argument("--scheduler", metavar="ADDRESS", help=text)


@contextlib.contextmanager
def on(scheduler):
    """Let `mapped` work on a cluster while a ``with`` block lasts.

    Parameters
    ----------
    scheduler : str or None
        Address of a Dask scheduler; None changes nothing.

    Raises
    ------
    UserError
        The extra ``cluster`` is not installed, the address is none, no scheduler answers there within `ANSWER` seconds, or
        what answers is something else.
    """
    if scheduler is None:
        yield
        return
    cluster = _Cluster(scheduler)
    token = _CLUSTER.set(cluster)
    try:
        yield
    finally:
        _CLUSTER.reset(token)
        cluster.close()


def worker_count(items, given=None, *, many=64, most=None):
    """Choose how many processes of this machine work on so many items.

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


def mapped(function, items, *, workers, chunk=_CHUNK, name=str):
    """Yield what a function returns for each item, in the order of the items.

    Parameters
    ----------
    function : callable
        Takes an item. Unless this process does it all, it, the items and the results are pickled; the function once for each
        process, so that what it holds (an opened network) is made once. Where a process is lost its items are done again by
        others: the function may meet an item twice, and results must not depend on it.
    items : iterable
    workers : int
        Processes of this machine; 1 computes in this one. In a block of `on` the cluster's do it.
    chunk : int
        Items that a process receives at once: few for long work, or for large results.
    name : callable
        ``name(item)`` is what messages call it.

    Yields
    ------
    object

    Raises
    ------
    Exception
        What the function raised first. Items that no process has begun are dropped then, and when the caller stops early.
    UserError
        Every process that took an item died; the scheduler was lost.

    Notes
    -----
    The function finds the working folder and the ``SOLAR_`` variables of this process wherever it runs.

    Processes are spawned, not forked: the caller may have threads by now (TensorFlow's, for one), which do not survive a fork.
    A spawned process imports the program that was started once more, and runs it where it has no ``__main__`` guard, as
    notebooks have none. It is told of the program only when it needs something that the program itself defines.
    """
    cluster = _CLUSTER.get()
    if cluster is not None:
        yield from cluster.mapped(function, items, chunk=chunk, name=name)
    elif workers == 1:
        yield from map(function, items)
    else:
        yield from _in_processes(function, list(items), workers, chunk, name)


def _in_processes(function, items, workers, chunk, name):
    done, losses = 0, 0
    while done < len(items):
        before = done
        try:
            for result in _in_one_pool(function, items[done:], workers, chunk):
                done += 1
                yield result
        except concurrent.futures.process.BrokenProcessPool as error:
            losses = 1 if done > before else losses + 1
            if losses == LOST:
                raise UserError(
                    f"{name(items[done])}: processes that worked on this or what follows died {LOST} times (out of memory, or a"
                    " crash inside a library); take fewer --workers, or leave it out"
                ) from error
            notes.note("a process died (out of memory, or killed); others do what it had")


def _in_one_pool(function, items, workers, chunk):
    needs_program = b"__main__" in pickle.dumps((function, items[:1]))
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=processes.die_with, initargs=(os.getpid(),)
    ) as pool:
        try:
            work = functools.partial(_work, pickle.dumps(function))
            with contextlib.nullcontext() if needs_program else _program_hidden():
                results = pool.map(work, _chunks(items, chunk))  # starts all processes
            yield from itertools.chain.from_iterable(results)
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


def _chunks(items, size):
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _work(pickled, items):
    return list(map(_unpickled(pickled), items))


@functools.lru_cache(maxsize=1)
def _unpickled(pickled):
    return pickle.loads(pickled)


def _work_elsewhere(pickled, folder, variables, items):
    """Do on a worker of a cluster what `_work` does in a process of this machine, which inherits folder and environment."""
    with _ONE, _as_in(folder, variables):
        command_line.set_up_libraries()
        return _work(pickled, items)


@contextlib.contextmanager
def _as_in(folder, variables):
    before, kept = os.getcwd(), _variables()
    try:
        os.chdir(folder)
    except OSError as error:
        reason = f"does not see the folder {folder} ({error.strerror}); its workers need the files of this machine"
        raise UserError(f"--scheduler: a worker on {platform.node()} {reason}") from error
    try:
        _replace_variables(kept, variables)
        yield
    finally:
        _replace_variables(variables, kept)
        os.chdir(before)


def _variables():
    return {key: value for key, value in os.environ.items() if key.startswith("SOLAR_")}


def _replace_variables(old, new):
    for key in old.keys() - new.keys():
        os.environ.pop(key, None)
    os.environ.update(new)


class _Cluster:
    """Workers of a Dask scheduler."""

    def __init__(self, scheduler):
        self._scheduler = scheduler
        try:
            import distributed
        except ImportError as error:
            raise UserError('--scheduler: needs the extra cluster: pip install -c constraints.txt -e ".[cluster]"') from error
        _quieten(distributed.__name__)
        try:
            kind = _identity(scheduler)
            if kind != "Scheduler":
                raise UserError(f"--scheduler {scheduler}: is the address of a Dask {kind.lower()}, not of a scheduler")
            self._client = distributed.Client(scheduler, timeout=ANSWER, set_as_default=False)
        except ValueError as error:
            raise UserError(f"--scheduler {scheduler}: is no address ({error}); give one like tcp://host:8786") from error
        except OSError as error:  # a TimeoutError is one
            raise UserError(
                f"--scheduler {scheduler}: no Dask scheduler answers there within {ANSWER:.0f} s; start one (dask scheduler),"
                " or check the address"
            ) from error
        self._looked = -_LOOK
        self._workers = 0

    def close(self):
        with contextlib.suppress(OSError):  # the scheduler is gone
            self._client.close(timeout=ANSWER)

    def mapped(self, function, items, *, chunk, name):
        import cloudpickle

        common = cloudpickle.dumps(function), os.getcwd(), _variables()
        waiting, chunks = collections.deque(), _chunks(items, chunk)
        try:
            for some in chunks:
                waiting.append((some, self._submit(common, some)))
                if len(waiting) >= self._ahead():
                    yield from self._results(common, *waiting.popleft(), name)
            while waiting:
                yield from self._results(common, *waiting.popleft(), name)
        finally:
            self._client.cancel([future for _, future in waiting])

    def _submit(self, common, items):
        return self._client.submit(_work_elsewhere, *common, items, pure=False)

    def _ahead(self):
        now = time.monotonic()
        if now - self._looked > _LOOK:
            self._look()
            self._looked = now
        return max(_FEWEST_AHEAD, _AHEAD * self._workers)

    def _look(self):
        before, self._workers = self._workers, len(self._client.nthreads())
        if self._workers < before:
            notes.note(f"{self._scheduler} has lost workers; others do what they had", about=(self._scheduler, "lost"))
        if not self._workers:
            notes.note(f"{self._scheduler} has no workers; waiting for some (dask worker {self._scheduler})")

    def _results(self, common, items, future, name):
        """Wait for what a chunk gives: list."""
        import distributed

        try:
            while True:
                try:
                    return future.result(timeout=_LOOK)
                except TimeoutError:
                    if future.status == "error":
                        raise  # the function's own
                    self._look()
        except distributed.KilledWorker as error:
            if len(items) > 1:  # the others are no fault
                return [self._results(common, [item], self._submit(common, [item]), name)[0] for item in items]
            raise UserError(
                f"{name(items[0])}: every worker that took it died (out of memory, or a crash inside a library); give workers"
                " more memory, or leave it out"
            ) from error
        except (distributed.CancelledError, OSError) as error:
            if future.status == "error":
                raise  # the function's own
            raise UserError(f"{self._scheduler}: the scheduler was lost; what is done is kept, run again to go on") from error
        except Exception as error:
            missing = _missing_room(error)
            if missing is None:
                raise
            raise UserError(
                f"{self._scheduler}: the scheduler or a worker does not find {missing}; start all in this project's environment"
            ) from error


def _quieten(library):
    """Keep a library's log away from a script's own messages: it tells with tracebacks what we tell in a line."""
    import logging

    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == library:
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _identity(address):
    """Ask what listens at an address of Dask: str. Its client waits without end for what accepts and says nothing."""
    import asyncio

    from distributed import core

    async def ask():
        async with core.rpc(address, timeout=ANSWER) as remote:
            return (await remote.identity())["type"]

    async def ask_in_time():
        return await asyncio.wait_for(ask(), ANSWER)

    return asyncio.run(ask_in_time())


def _missing_room(error):
    """Name the module of the project that an exception says cannot be imported; None where it says nothing of the kind."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in modules.ROOMS:
            return error.name
        error = error.__cause__ or error.__context__
    return None
