"""One function over many items: the same results on processes and on a Dask cluster, whatever is lost meanwhile."""

import importlib.util
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tools import command_line, spreading
from tools.errors import UserError

_place = pathlib.Path(__file__).parents[1] / "dask_cluster.py"
_spec = importlib.util.spec_from_file_location("dask_cluster", _place)
dask_cluster = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dask_cluster)

PROGRAM = """
import os, pathlib, sys, time
from tools import command_line, spreading
from tools.errors import UserError

class Counted:  # counts how often it is opened
    def __init__(self, folder):
        self.folder = folder
    def __reduce__(self):
        return opened, (self.folder,)
    def __call__(self, item):
        pathlib.Path(self.folder, f"{os.getpid()}").touch()
        return str(item)

def opened(folder):
    (pathlib.Path(folder) / f"opened-{os.getpid()}-{time.monotonic_ns()}").touch()
    return Counted(folder)

def shown(item):
    return f"{item} {os.getcwd()} {os.environ.get('SOLAR_GOES')}"

def fatal(item):
    if item == "bad":
        os._exit(9)
    return item

def refusing(item):
    if item == "bad":
        raise UserError("bad: is damaged")
    if item == "slow":
        raise TimeoutError("mine")
    return item

def waiting(item):
    pathlib.Path(f"{os.getpid()}.pid").touch()
    time.sleep(0.2)
    return item

def main(arguments):
    where, name, *items = arguments
    function = Counted(items.pop(0)) if name == "counted" else globals()[name]
    with spreading.on(None if where == "here" else where):
        print("|".join(spreading.mapped(function, items, workers=2)))

if __name__ == "__main__":
    command_line.run(main, sys.argv[1:])
"""


@pytest.fixture
def program(tmp_path):
    """Run the program above in a folder: `subprocess.CompletedProcess`; with start its `subprocess.Popen`."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(_place.parents[1]), "SOLAR_GOES": "flux of the caller"}

    started = []

    def run(*arguments, start=False):
        command = [sys.executable, file, *map(str, arguments)]
        common = {"text": True, "env": environment, "cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if not start:
            return subprocess.run(command, **common, timeout=120)
        started.append(subprocess.Popen(command, **common))
        return started[-1]

    run.folder = folder
    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("distributed", reason="the extra cluster")
    with dask_cluster.running(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def doomed(tmp_path):
    """A cluster of its own, for a test that ends parts of it."""
    pytest.importorskip("distributed", reason="the extra cluster")
    with dask_cluster.running(tmp_path / "doomed") as running:
        yield running


def test_many_processes_keep_the_order_and_one_computes_here():
    items = range(9)
    assert list(spreading.mapped(float, items, workers=2)) == list(spreading.mapped(float, items, workers=1))
    with pytest.raises(ValueError, match="could not convert"):
        list(spreading.mapped(float, ["1", "x", *"2345"], workers=2))


@pytest.mark.parametrize(
    ("function", "guard", "total"), [("float", "", "31.0"), ("half", "if __name__ == '__main__': ", "15.5")]
)
def test_a_program_runs_once_unless_processes_need_what_it_defines(tmp_path, function, guard, total):
    """Without a guard, as a notebook that is run as a program; with a function of its own it needs the guard, as ever."""
    program = tmp_path / "program.py"
    program.write_text(
        "from tools import spreading\ndef half(text):\n    return float(text) / 2\n"
        f"{guard}print(sum(spreading.mapped({function}, ['1', '2', '4', '8', '16'], workers=2)))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stdout) == (0, f"{total}\n"), done.stderr


def test_processes_start_for_many_items_only(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert spreading.worker_count(63) == 1
    assert spreading.worker_count(64) == 16
    assert spreading.worker_count(64, most=4) == 4
    assert spreading.worker_count(20, many=16) == 16
    assert spreading.worker_count(1, 3, most=2) == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert spreading.worker_count(1000) == 1


def ended(pid):
    """Whether a process is gone, or waits for nobody but a parent that does not ask."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def eventually(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@pytest.mark.long
@pytest.mark.skipif(not pathlib.Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_processes_end_with_the_one_that_was_killed(program):
    items = [str(number) for number in range(400)]
    process = program("here", "waiting", *items, start=True)
    assert eventually(lambda: len(list(program.folder.glob("*.pid"))) == 2)
    workers = [int(path.stem) for path in program.folder.glob("*.pid")]
    assert not any(map(ended, workers))
    process.kill()
    process.communicate()
    assert eventually(lambda: all(map(ended, workers)), seconds=20)


@pytest.mark.long
def test_a_process_that_dies_is_replaced_and_what_kills_each_is_named(program):
    items = [str(number) for number in range(8)]
    done = program("here", "waiting", *items, start=True)
    assert eventually(lambda: list(program.folder.glob("*.pid")))
    os.kill(int(next(program.folder.glob("*.pid")).stem), signal.SIGKILL)
    out, err = done.communicate(timeout=120)
    assert (done.returncode, out) == (0, "|".join(items) + "\n")
    assert err == "program.py: note: a process died (out of memory, or killed); others do what it had\n"
    failed = program("here", "fatal", *items, "bad")
    assert failed.returncode == 2
    assert "bad: processes that worked on this or what follows died 3 times" in failed.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize("where", ["here", "cluster"])
def test_the_same_comes_from_processes_and_from_a_cluster(program, where, request):
    place = where if where == "here" else request.getfixturevalue(where).address
    items = [str(number) for number in range(41)]
    done = program(place, "shown", *items)
    assert done.stderr == ""
    assert done.stdout.strip().split("|") == [f"{item} {program.folder} flux of the caller" for item in items]
    assert program(place, "counted", program.folder, *items).stdout.strip().split("|") == items
    processes = {path.name for path in program.folder.iterdir() if path.name.isdecimal()}
    opened = [path.name.split("-")[1] for path in program.folder.glob("opened-*")]
    assert sorted(opened) == sorted(processes), "what a function holds is opened once for each process"
    refused = program(place, "refusing", *items, "bad", "slow")
    assert (refused.returncode, refused.stderr) == (2, "program.py: bad: is damaged\n")
    own = program(place, "refusing", *items, "slow", "bad")
    assert own.returncode == 1
    assert own.stderr.endswith("TimeoutError: mine\n")


@pytest.mark.long
def test_a_lost_worker_is_said_and_its_items_are_done_by_the_other(program, doomed):
    items = [str(number) for number in range(60)]
    process = program(doomed.address, "waiting", *items, start=True)
    assert eventually(lambda: len(list(program.folder.glob("*.pid"))) == 2)
    doomed.workers[0].kill()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "|".join(items) + "\n"), err
    assert len(err.splitlines()) <= 1  # nothing where it was over before the cluster was looked at again


@pytest.mark.long
def test_a_lost_scheduler_ends_in_a_line(program, tmp_path):
    pytest.importorskip("distributed", reason="the extra cluster")
    with dask_cluster.running(tmp_path / "cluster") as cluster:
        process = program(cluster.address, "waiting", *map(str, range(400)), start=True)
        assert eventually(lambda: len(list(program.folder.glob("*.pid"))) == 2)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    lost = f"{cluster.address}: the scheduler was lost; what is done is kept, run again to go on"
    assert err.splitlines()[-1] == f"program.py: {lost}"
    assert len(err.splitlines()) <= 2


@pytest.mark.long
def test_workers_that_do_not_see_the_folder_are_named(program, cluster):
    process = program(cluster.address, "waiting", *map(str, range(400)), start=True)
    assert eventually(lambda: list(program.folder.glob("*.pid")))
    program.folder.rename(program.folder.with_name("elsewhere"))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "its workers need the files of this machine" in err


@pytest.mark.long
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "--scheduler nonsense: is no address"),
        ("", "--scheduler : is no address"),
        ("http://127.0.0.1:8786", "--scheduler http://127.0.0.1:8786: is no address"),
        ("tcp://127.0.0.1:1", "--scheduler tcp://127.0.0.1:1: no Dask scheduler answers there within 1 s; start one"),
    ],
)
def test_wrong_addresses_end_in_a_line(address, message, monkeypatch):
    pytest.importorskip("distributed", reason="the extra cluster")
    monkeypatch.setattr(spreading, "ANSWER", 1.0)
    with pytest.raises(UserError) as raised, spreading.on(address):
        pass
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.long
def test_what_accepts_and_says_nothing_is_no_scheduler(monkeypatch):
    pytest.importorskip("distributed", reason="the extra cluster")
    monkeypatch.setattr(spreading, "ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match="no Dask scheduler answers there within 1 s"), spreading.on(address):
            pass


@pytest.mark.long
def test_a_worker_is_no_scheduler(cluster):
    address = cluster.addresses()[0]
    with (
        pytest.raises(UserError, match=f"{address}: is the address of a Dask worker, not of a scheduler"),
        spreading.on(address),
    ):
        pass


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r'needs the extra cluster: pip install -c constraints\.txt -e "\.\[cluster\]"'
    with pytest.raises(UserError, match=message), spreading.on("tcp://127.0.0.1:8786"):
        pass


def test_without_a_scheduler_nothing_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with spreading.on(None):
        assert list(spreading.mapped(float, "123", workers=1)) == [1, 2, 3]


def test_processes_of_this_machine_or_a_scheduler(capsys):
    parser = command_line.parser("x")
    spreading.add_flags(parser)
    assert vars(parser.parse_args(["--workers", "3"])) == {"workers": 3, "scheduler": None}
    with pytest.raises(SystemExit):
        parser.parse_args(["--workers", "3", "--scheduler", "tcp://here:1"])
    assert "--scheduler: not allowed with argument --workers" in capsys.readouterr().err
