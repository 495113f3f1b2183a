"""A folder belongs to one living process, and what dead ones left is taken over or swept."""

import errno
import json
import multiprocessing
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tools import atomic_files, locks, processes
from tools.errors import UserError

PROJECT = pathlib.Path(__file__).parents[2]
HOLD = """
import sys, time
from tools import atomic_files, locks
with locks.Lock(sys.argv[1] + "/run.lock", "RUN"), atomic_files.replacing(sys.argv[1] + "/a b.csv") as path:
    with atomic_files.new_folder(sys.argv[1]) as folder, atomic_files.results(sys.argv[1] + "/maps") as maps:
        print("held", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of a folder, and writes there: subprocess.Popen."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def lock(tmp_path):
    return locks.Lock(tmp_path / "run.lock", "RUN")


def test_the_holder_is_named(holder, tmp_path):
    with pytest.raises(UserError) as raised:
        lock(tmp_path).take()
    line = f"RUN: belongs to process {holder.pid} on {socket.gethostname()}, at work there since 20"
    assert str(raised.value).startswith(line)
    assert "\n" not in str(raised.value)


def test_a_lock_of_a_killed_process_is_taken_over_silently(holder, tmp_path, capfd):
    assert not lock(tmp_path).left_by_the_dead()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock(tmp_path).left_by_the_dead()
    with lock(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "run.lock").exists()
    assert capfd.readouterr() == ("", "")


def test_a_living_holder_is_waited_for_and_then_named(holder, tmp_path):
    begun = time.monotonic()
    with pytest.raises(UserError, match=f"RUN: belongs to process {holder.pid} on"):
        locks.Lock(tmp_path / "run.lock", "RUN", wait=0.3).take()
    assert time.monotonic() - begun >= 0.3
    ending = threading.Timer(0.2, holder.kill)
    ending.start()
    with locks.Lock(tmp_path / "run.lock", "RUN", wait=60):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
    ending.join()


def test_it_is_given_back_on_errors_and_only_by_its_holder(tmp_path):
    with pytest.raises(ZeroDivisionError), lock(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / "run.lock").exists()
    mine = lock(tmp_path)
    mine.take()
    (tmp_path / "run.lock").unlink()  # by hand
    with lock(tmp_path):
        mine.release()
        assert (tmp_path / "run.lock").exists()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"host": 3}', '{"host": "h", "pid": -1, "since": ""}', "[" * 3000])
def test_a_damaged_lock_file_that_nobody_holds(tmp_path, content):
    (tmp_path / "run.lock").write_text(content)
    with lock(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()


def stated(**changes):
    me = os.getpid()
    return json.dumps({"host": socket.gethostname(), "pid": me, "start": processes.start_of(me), "since": "then"} | changes)


def test_another_host_that_left_it_is_said(tmp_path, capsys):
    (tmp_path / "run.lock").write_text(stated(host="elsewhere", pid=12))
    with lock(tmp_path):
        assert "RUN: was left by process 12 on elsewhere without ending; going on here" in capsys.readouterr().err


def test_without_locks_of_the_file_system(tmp_path, monkeypatch, capsys):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    path = tmp_path / "run.lock"
    for content, message in (
        (stated(), f"RUN: belongs to process {os.getpid()} on"),
        (stated(host="elsewhere", pid=12), r"process 12 on elsewhere, which cannot be asked from here .* remove .*run\.lock"),
        ("", "says nothing of who holds RUN; if no process is at work there, remove it"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=message):
            lock(tmp_path).take()
        assert path.read_text() == content
    for dead in (stated(pid=2**22 + 1), stated(start=1)):  # no such process; the number is another's by now
        path.write_text(dead)
        with lock(tmp_path):
            assert "this file system has no locks" in capsys.readouterr().err
            with pytest.raises(UserError, match="belongs to process"):
                lock(tmp_path).take()
        assert not path.exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"run\.lock: cannot be written"):
        locks.Lock(tmp_path / "none" / "run.lock", "RUN").take()


def _fight(folder, results):
    try:
        with locks.Lock(folder / "run.lock", "RUN"):
            (folder / "inside").touch(exist_ok=False)
            time.sleep(0.002)
            (folder / "inside").unlink()
        results.put("held")
    except UserError:
        results.put("refused")
    except FileExistsError:
        results.put("two at once")


def _fighter(folder, results):
    for _ in range(60):
        _fight(folder, results)


def test_never_two_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    fighters = [context.Process(target=_fighter, args=(tmp_path, results)) for _ in range(4)]
    for fighter in fighters:
        fighter.start()
    found = [results.get(timeout=60) for _ in range(240)]
    for fighter in fighters:
        fighter.join()
    assert "two at once" not in found
    assert "held" in found


def test_temporary_files_are_swept_when_their_process_is_dead(holder, tmp_path):
    theirs = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    inside = {path.name for path in (tmp_path / "maps").iterdir()}
    assert len(theirs) == 2
    assert len(inside) == 1
    old = time.time() - 3 * 86400
    kept = [".gitignore", ".a.12345678-1-1-abcdefgh.csv", ".loss.abcdefgh.csv", ".hidden.settings.csv", "x.abcdefgh.csv"]
    gone = [".b.12345678-1-1-abcdefgh.csv", ".loss.abcdefg1.csv"]  # of another machine, of an earlier version
    for name in [*kept, *gone]:
        (tmp_path / name).write_text("")
    for name in [*gone, ".gitignore", ".hidden.settings.csv", "x.abcdefgh.csv"]:
        os.utime(tmp_path / name, (old, old))
    kept.remove(".hidden.settings.csv")  # looks like one of an earlier version
    with atomic_files.replacing(tmp_path / "mine.csv"):
        atomic_files.sweep(tmp_path)
        names = {path.name for path in tmp_path.iterdir()}
        assert theirs < names
        assert set(kept) < names
        assert not set(gone) & names
        assert any(name.startswith(".mine.") for name in names)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        removed = {path.name for path in atomic_files.sweep(tmp_path)}
    assert removed == theirs | inside
    assert {path.name for path in tmp_path.iterdir()} - {"user"} == {*kept, "mine.csv", "maps", "run.lock"}


def test_in_a_folder_of_the_user_only_what_is_certainly_ours_goes(tmp_path):
    for name in (".loss.abcdefg1.csv", ".unfinished.abcdefgh"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (0, 0))
    with atomic_files.results(tmp_path) as unfinished:
        (unfinished / "one").write_text("1")
    assert {path.name for path in tmp_path.iterdir()} - {"user"} == {".loss.abcdefg1.csv", ".unfinished.abcdefgh", "one"}
