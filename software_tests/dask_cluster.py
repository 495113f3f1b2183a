"""A Dask scheduler and its workers on loopback, which end by themselves."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import typing

_PATIENCE = 120  # seconds
_PROJECT = pathlib.Path(__file__).resolve().parents[1]


class Cluster(typing.NamedTuple):
    """A running cluster."""

    address: str
    workers: list  # of subprocess.Popen, each a process that does one thing at a time
    folder: pathlib.Path

    def addresses(self):
        """What the workers listen at: list of str."""
        return [_said(self.folder / f"worker{number}", r"Start worker at: +(tcp://\S+)") for number in range(len(self.workers))]


@contextlib.contextmanager
def running(folder, workers=2):
    """Run a scheduler and workers while a ``with`` block lasts: `Cluster`. Should nobody end them, they do so in 5 minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    common = ["--no-dashboard"]
    started = [_start(folder / "scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common)]
    try:
        address = _said(folder / "scheduler", r"Scheduler at: +(tcp://\S+)")
        common += ["--no-nanny", "--nthreads", "1", "--death-timeout", "10", "--local-directory", folder / "scratch"]
        started += [_start(folder / f"worker{number}", "dask_worker", address, *common) for number in range(workers)]
        cluster = Cluster(address, started[1:], folder)
        cluster.addresses()
        yield cluster
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait(_PATIENCE)


def _start(log, module, *arguments):
    ends = ("--idle-timeout", "300s") if module == "dask_scheduler" else ()
    command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, arguments), *ends]
    environment = os.environ | {"PYTHONPATH": str(_PROJECT)}
    with open(log, "wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)


def _said(log, pattern):
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = re.search(pattern, log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found[1]
        time.sleep(0.05)
    raise TimeoutError(f"{log}: {log.read_text(encoding='utf-8', errors='replace')}")
