"""Kill -9 and signals: a resumed run is the run that was never interrupted, bit by bit."""

import functools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy
import pytest

from network_models import loss_table
from network_models.run_folder import RunFolder
from network_models.training.state import TrainingState

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parents[1]
FLAGS = ["--dataset", str(HERE / "tiny_data.py"), "--kind", "classification", "--count", "120", "--batch_size", "8"]
FLAGS += ["--dropout_rate", "0.5", "--block_channels", "4", "8", "--learning_rate", "0.01"]


def start(*arguments, environment=None, script=HERE / "survivor.py"):
    """A training in a process of its own, its output in one pipe."""
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TF_NUM_INTRAOP_THREADS": "1", **(environment or {})},
    )


def wait_for(process, words):
    """Read its output until a line has some words: that line."""
    for line in process.stdout:
        if words in line:
            return line
    process.stdout.close()
    raise AssertionError(f"ended with {process.wait()} before {words!r}")


def folder_of(out):
    (path,) = (pathlib.Path(out) / "trained_models").iterdir()
    return RunFolder(path)


def rows_of(folder):
    import pandas

    return pandas.read_csv(folder.performance / "loss_and_architecture.csv").drop(columns=list(loss_table.SECONDS))


def same(one, other):
    """Weights, optimizer, random state, every row and every forecast are equal, bit by bit."""
    import pandas

    with numpy.load(one.state) as mine, numpy.load(other.state) as theirs:
        assert set(mine.files) == set(theirs.files)
        for name in mine.files:
            numpy.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
    rows = other.performance / "loss_and_architecture.csv"
    drop = [name for name in rows_of(one).columns if name in ("checkpoint_steps",)]
    pandas.testing.assert_frame_equal(rows_of(one).drop(columns=drop), rows_of(other).drop(columns=drop))
    written = {path.relative_to(other.path) for path in other.path.rglob("*.csv")} - {rows.relative_to(other.path)}
    assert written
    for name in written:
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes(), name
    names = sorted(path.name for path in one.epochs.iterdir())
    assert names == sorted(path.name for path in other.epochs.iterdir())


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Make the run of some epochs that nothing happens to: its folder."""

    @functools.cache
    def make(epochs):
        out = tmp_path_factory.mktemp("whole")
        process = start(*FLAGS, "--epochs", epochs, "--checkpoint_steps", "2", "--out", out)
        output = process.communicate(timeout=400)[0]
        assert process.returncode == 0, output
        return folder_of(out)

    return make


@pytest.fixture
def uninterrupted(whole_run):
    return whole_run(4)


@pytest.mark.long
def test_killed_within_an_epoch(uninterrupted, tmp_path):
    process = start(*FLAGS, "--epochs", "4", "--checkpoint_steps", "2", "--out", tmp_path)
    wait_for(process, "Epoch 3/4")
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder = folder_of(tmp_path)
    assert folder.state.is_file()
    assert not (folder.performance / "scores.json").is_file()
    process = start("--resume", folder)
    output = process.communicate(timeout=400)[0]
    assert process.returncode == 0, output
    same(folder, uninterrupted)


def nothing_left_over(out):
    """The runs in a folder, after any kills: one, without lock or temporary files."""
    assert len(list((pathlib.Path(out) / "trained_models").iterdir())) == 1
    left = [path for path in pathlib.Path(out).rglob("*") if path.name.startswith(".") or path.name == "run.lock"]
    assert not left


def same_networks(one, other):
    import h5py

    def arrays(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, entry: found.update({name: entry[()]}) if hasattr(entry, "shape") else None)
        return found

    for name in ("best_performing.hdf5", "most_skilful.hdf5"):
        mine, theirs = arrays(one.path / name), arrays(other.path / name)
        assert mine.keys() == theirs.keys()
        assert all((mine[key] == theirs[key]).all() for key in mine)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_at_random_moments(whole_run, tmp_path):
    """20 kills within training, or in the seconds before and after; 10 in start-up, 5 of them of a run that is resumed."""
    kills, epochs = 20, 60
    random_ = random.Random(kills)
    flags = [*FLAGS, "--epochs", epochs, "--checkpoint_steps", "2", "--out", tmp_path]

    def killed_in_start_up(*arguments):
        """Kill a start, at the latest when it is a new run that has its first state: such a run is no remnant, it can go on."""
        before, process = states(), start(*arguments)
        moment = time.monotonic() + random_.uniform(0.0, longest)
        while time.monotonic() < moment and states() == before:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for state in states() - before:
            shutil.rmtree(state.parent)

    def states():
        return set((tmp_path / "trained_models").glob("*/training_state.npz"))

    begun = time.monotonic()
    process = start(*flags)
    wait_for(process, "run folder")
    longest = time.monotonic() - begun + 1.0  # into the first step
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for _ in range(5):
        killed_in_start_up(*flags)
    process = start(*flags)
    done, trained = 0, set()
    while True:
        line = wait_for(process, "run folder")
        folder = RunFolder(line.split("run folder ")[1].strip())
        if done == kills:
            break
        # Compiling, training, a state being written, validation, pictures, on a busy machine too: up to two epochs on.
        for _ in range(random_.randrange(4)):
            wait_for(process, "Epoch ")
        time.sleep(random_.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        done += 1
        trained.add(len(list(folder.epochs.glob("*"))))
        if done % 4 == 0 and folder.state.is_file():
            killed_in_start_up("--resume", folder)
        process = start("--resume", folder) if folder.state.is_file() else start(*flags)
    process.communicate(timeout=400)
    assert (folder.performance / "scores.json").is_file()
    assert done == kills, "the training was over before it had been killed often enough"
    assert len(trained) > kills // 4, "most kills were before training"
    whole = whole_run(epochs)
    nothing_left_over(tmp_path)
    same(folder, whole)
    same_networks(folder, whole)
    for name in ("performance/scores.json", "summary.txt"):
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes()


@pytest.mark.slow
def test_two_resumes_at_once(uninterrupted, tmp_path):
    run = RunFolder(tmp_path / "trained_models" / "run")
    shutil.copytree(uninterrupted.path, run.path)
    first = start("--resume", run, "--epochs", "14")
    wait_for(first, "run folder")
    second = start("--resume", run, "--epochs", "14")
    said = second.communicate(timeout=200)[0].strip().splitlines()
    assert second.returncode == 2
    assert f"{run}: belongs to process {first.pid} on " in said[-1]
    first.communicate(timeout=400)
    assert first.returncode == 0
    assert rows_of(run)["epoch"].tolist() == list(range(1, 15))
    nothing_left_over(tmp_path)


@pytest.mark.slow
def test_a_beta_vae_killed_within_epochs(tmp_path):
    """Its sampling, its annealing and its table of divergences go on too."""
    script = PROJECT / "network_models" / "beta_vae" / "train.py"
    flags = ["--most", "120", "--batch_size", "8", "--epochs", "6", "--gamma", "0.8", "--annealing_steps", "40", "--shown", "2"]
    flags += ["--dropout", "0.1", "--checkpoint_steps", "2"]
    process = start(*flags, "--out", tmp_path / "whole", script=script)
    output = process.communicate(timeout=400)[0]
    assert process.returncode == 0, output
    process = start(*flags, "--out", tmp_path / "killed", script=script)
    for epoch in (2, 4):
        wait_for(process, f"Epoch {epoch}/6")
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        folder = folder_of(tmp_path / "killed")
        assert not (folder.performance / "scores.json").is_file()
        process = start("--resume", folder, script=script)
    output = process.communicate(timeout=400)[0]
    assert process.returncode == 0, output
    same(folder, folder_of(tmp_path / "whole"))


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGUSR1", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_signal_keeps_the_step_under_way(uninterrupted, tmp_path, name):
    number = getattr(signal, name)
    process = start(*FLAGS, "--epochs", 4, "--out", tmp_path)  # no states between epochs: only the signal's
    wait_for(process, "Epoch 2/4")
    time.sleep(0.05)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number
    folder = folder_of(tmp_path)
    assert f"stopped by {name} after epoch" in output
    assert output.strip().splitlines()[-1].endswith(f"go on with --resume {folder}")
    process = start("--resume", folder)
    assert process.communicate(timeout=240)[0] is not None
    assert process.returncode == 0
    same(folder, uninterrupted)


def _interrupted(uninterrupted, tmp_path, state):
    """A copy of a finished run as a kill would have left it, with `state` as its last one."""
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(uninterrupted.path, copy.path)
    (copy.performance / "scores.json").unlink()
    if state is not None:
        copy.state.write_bytes(state)
    return copy


@pytest.mark.long
def test_killed_between_the_last_epoch_and_the_scores(uninterrupted, tmp_path):
    sys.path.insert(0, str(HERE))
    try:
        import survivor
    finally:
        sys.path.remove(str(HERE))
    copy = _interrupted(uninterrupted, tmp_path, None)
    result = survivor.main(["--resume", str(copy)])
    assert result.epochs == 4
    assert (copy.performance / "scores.json").read_bytes() == (uninterrupted.performance / "scores.json").read_bytes()
    same(copy, uninterrupted)


@pytest.mark.long
def test_a_state_that_was_spoiled_falls_back_to_the_one_before(uninterrupted, tmp_path, capsys):
    sys.path.insert(0, str(HERE))
    try:
        import survivor
    finally:
        sys.path.remove(str(HERE))
    copy = _interrupted(uninterrupted, tmp_path, uninterrupted.state.read_bytes()[:1000])
    survivor.main(["--resume", str(copy)])
    assert "going on from training_state_before.npz" in capsys.readouterr().out
    same(copy, uninterrupted)


def test_a_row_cut_short_is_written_anew(uninterrupted, tmp_path):
    from network_models.training_callbacks import PerformanceTable

    copy = _interrupted(uninterrupted, tmp_path, None)
    path = copy.performance / "loss_and_architecture.csv"
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:4]) + whole[4][:1])  # the fourth epoch's row, one byte of it
    table = PerformanceTable(copy, {}, first_epoch=3)
    table.on_train_begin()
    assert [row["epoch"] for row in table.rows] == ["1", "2", "3"]
    assert path.read_text() == "".join(whole[:4])


def test_signals_are_watched_in_the_main_thread_alone(tmp_path):
    import threading

    state = TrainingState(RunFolder(tmp_path), None)
    before = signal.getsignal(signal.SIGTERM)
    with state.watching_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    seen = []

    def elsewhere():
        with state.watching_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]
