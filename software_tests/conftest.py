"""Fixtures of all tests: real data where it is present, and nothing of the user's within reach."""

import gc
import os
import pathlib
import resource
import sys
import typing

import pytest
from hypothesis import settings

from network_models.training import board
from tools import command_line, figures, modules, notes, quiet_tensorflow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # the numbers that scripts give
os.environ["MPLBACKEND"] = "Agg"
# Threads of scikit-learn and openTSNE that wait for each other give the processor to the other worker, instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PROJECT = pathlib.Path(__file__).resolve().parents[1]

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


SHARED = pathlib.Path(os.environ.get("SOLAR_SHARED") or PROJECT.parent / "shared" / "real")
HAS_SHARED = SHARED.is_dir() and any(SHARED.iterdir())


@pytest.fixture(scope="session")
def shared():
    """Folder of real images and catalogues; tests that need it skip where it is absent."""
    if not HAS_SHARED:
        pytest.skip(f"no real data at {SHARED} (set SOLAR_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def shared_or_none():
    """As `shared`, for tests that have more to check where real data are: None where they are absent."""
    return SHARED if HAS_SHARED else None


@pytest.fixture(scope="session")
def golden_folder():
    """Folder of golden numbers that other software gave, see its README."""
    return PROJECT / "software_tests" / "golden"


@pytest.fixture(autouse=True)
def user_folders(tmp_path, monkeypatch):
    """Point every data location at an empty temporary folder."""
    config = tmp_path / "user" / "config.yml"
    config.parent.mkdir()
    config.write_text("aia: aia\nhmi: hmi\ngoes: xrs.sqlite\nflares: flares.csv\ncache: cache\n")
    monkeypatch.setenv("SOLAR_CONFIG", str(config))
    for key in ("AIA", "HMI", "GOES", "FLARES", "CACHE"):
        monkeypatch.delenv(f"SOLAR_{key}", raising=False)
    return config.parent


@pytest.fixture(autouse=True)
def every_remark():
    """Print remarks in each test, though each is printed once in a process."""
    notes.forget()


@pytest.fixture(autouse=True)
def pictures_as_png():
    """Forget what a script of another test was asked to write beside PNG."""
    figures.choose_formats(())


@pytest.fixture(autouse=True, scope="session")
def one_sample_on_the_board():
    """Draw one of the samples that TensorBoard shows after each epoch: all of them take a third of a short run."""
    draw = board.draw_samples

    def draw_one(images, channel, titles, *, title, maps=None):
        return draw(images[:1], channel, titles[:1], title=title, maps=None if maps is None else maps[:1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "draw_samples", draw_one)
        yield


class Ended(typing.NamedTuple):
    """How a script ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys):
    """Run a script with flags as its command line does, but in this process: `Ended`. For tests of no process of its own."""

    def run(script, *arguments):
        main = modules.load(script).main
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.syspath_prepend(str(pathlib.Path(script).parent))  # as Python does
            patch.setattr(sys, "argv", [str(script)])
            patch.setattr(sys, "unraisablehook", sys.unraisablehook)  # command_line.run replaces it
            patch.setattr(quiet_tensorflow, "install", lambda: None)
            capsys.readouterr()
            command_line.run(main, [str(argument) for argument in arguments])
        return Ended(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True, scope="module")
def memory_of_a_file():
    """Give back what a test file held that took more than any before: networks refer to themselves, so they stay for long."""
    before = _peak()
    yield
    if _peak() > before + 0.05:
        if "keras" in sys.modules:
            sys.modules["keras"].backend.clear_session()
        gc.collect()


# The largest memory of each process that ran tests is a line of the summary.


def _peak():
    """Largest memory of this process so far: float, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def pytest_configure(config):
    config.peaks = {}


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["peak"] = _peak()
    else:
        session.config.peaks["main"] = _peak()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    if "peak" in getattr(node, "workeroutput", {}):
        node.config.peaks[node.gateway.id] = node.workeroutput["peak"]


def pytest_terminal_summary(terminalreporter, config):
    peaks = ", ".join(f"{name} {peak:.1f}" for name, peak in sorted(config.peaks.items()))
    terminalreporter.write_line(f"largest memory of a process, GB: {peaks}")
