"""Read a file in a process apart, with a time limit.

Libraries in C may never return from a damaged file, or die of it, and no other thread can stop them. Here only the process
apart is lost; it is started at the first file (a third of a second) and serves all others.
"""

import atexit
import contextlib
import importlib
import json
import math
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import warnings

from tools.errors import UserError

SECONDS = 15.0  # of processor time
_WAITED = 4  # times as long by the clock: on a busy machine a sound file takes its time
_PROJECT = pathlib.Path(__file__).resolve().parents[2]
_BYTES_PER_SECOND = 5e6  # of a slow disk: large files are given more time
_lock = threading.Lock()


class Failed(Exception):
    """Tell in words what the function raised, other than a `UserError`."""


class _Process:
    """The process apart of this process."""

    def __init__(self):
        code = f"import sys; sys.path.insert(0, {str(_PROJECT)!r}); from tools.reading import apart; apart.serve()"
        self.owner, self.rest = os.getpid(), b""
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def ask(self, request, seconds):
        """Send a request: the answer (bytes), None where there is none in time or any more."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(request + b"\n")
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                return None
            self.rest += piece
        line, _, self.rest = self.rest.partition(b"\n")
        return line

    def end(self):
        """End it: its exit code; None where it had to be killed."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            return self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.process.stdout.close()


_running = None


def call(function, path, *, library):
    """Call a function of one file there.

    Parameters
    ----------
    function : callable
        Of a module, by its name; takes a `pathlib.Path`, and what it returns is plain enough for JSON.
    path : str or pathlib.Path
    library : str
        What reads the file, for errors.

    Returns
    -------
    object

    Raises
    ------
    UserError
        That of the function; or it did not return in time, or its process died.
    Failed
        It raised something else.
    """
    global _running
    path = pathlib.Path(path)
    size = path.stat().st_size if path.is_file() else 0
    limit = math.ceil(SECONDS + size / _BYTES_PER_SECOND)
    request = json.dumps([function.__module__, function.__name__, str(path.absolute()), str(path), limit]).encode()
    with _lock:
        if _running is not None and _running.owner == os.getpid() and _running.process.poll() is not None:
            _running.end()
            _running = None
        if _running is None or _running.owner != os.getpid():  # that of a process which this one was forked from is not ours
            _running = _Process()
        answer = _running.ask(request, _WAITED * limit)
        if answer is None:
            code, _running = _running.end(), None
            endless = code in (None, -signal.SIGXCPU)
            what = f"does not come to an end with it in {limit} s" if endless else "dies of it"
            raise UserError(f"{path}: is damaged: {library} {what}; make or fetch it again")
    kind, value = json.loads(answer)
    if kind == "refused":
        raise UserError(value)
    if kind == "failed":
        raise Failed(value)
    return value


@atexit.register
def _end():
    if _running is not None and _running.owner == os.getpid():
        _running.end()


def serve():
    """Answer the requests on standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    for line in sys.stdin.buffer:
        module, name, path, shown, limit = json.loads(line)
        # The kernel ends it, also where who asked has been killed.
        most = int(time.process_time()) + limit
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        try:
            answer = json.dumps(["value", getattr(importlib.import_module(module), name)(pathlib.Path(path))])
        except UserError as error:
            answer = json.dumps(["refused", str(error).replace(path, shown)])
        except Exception as error:
            answer = json.dumps(["failed", f"{type(error).__name__}: {error}".replace(path, shown)[:1000]])
        answers.write(answer.encode() + b"\n")
