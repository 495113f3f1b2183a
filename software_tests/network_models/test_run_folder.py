"""A run folder belongs to one process; what is damaged in it is named, and mended from what is whole."""

import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import types

import numpy
import pytest

from network_models import experiment, loss_table, settings, training_callbacks
from network_models.image_inputs import inputs_of
from network_models.run_folder import RunFolder
from network_models.trained_network import load_network
from network_models.training.state import TrainingState
from network_models.training_callbacks import PerformanceTable, SaveNetworks
from network_models.xray_flux_forecast.starting_point import architecture
from tools import figures, locks
from tools.errors import UserError

NOW = datetime.datetime(2026, 3, 1, 12, 30)
PROJECT = settings.pathlib.Path(__file__).parents[2]
DATASET = settings.pathlib.Path(__file__).with_name("tiny_data.py")


def train(*flags):
    chosen = settings.parse([str(flag) for flag in flags], "", network_folder=PROJECT, network=architecture.Options)
    return experiment.run(architecture.build, chosen)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two epochs: `RunFolder`."""
    flags = ["--count", 16, "--batch_size", 8, "--block_channels", 4, "--epochs", 2, "--checkpoint_steps", 1]
    return train("--dataset", DATASET, *flags, "--out", tmp_path_factory.mktemp("run")).folder


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "copy")
    return RunFolder(tmp_path / "copy")


# Whose it is


def test_a_finished_run_is_nobodys(finished):
    assert not finished.lock.exists()
    assert not list(finished.path.rglob(".*"))


def test_a_second_resume_is_refused_before_anything_is_read(copy):
    shutil.rmtree(copy.performance)
    copy.state.unlink()
    with copy.owned(), pytest.raises(UserError, match=rf"copy: belongs to process {os.getpid()} on .*; wait until it ends"):
        train("--resume", copy, "--epochs", 4)
    assert not copy.lock.exists()


def test_a_new_run_appears_with_its_lock(tmp_path):
    with contextlib.ExitStack() as owner:
        folders = [RunFolder.create(tmp_path, now=NOW, owner=owner) for _ in range(3)]
        assert [folder.path.name for folder in folders] == ["202603011230", "202603011230_2", "202603011230_3"]
        for folder in folders:
            assert folder.lock.is_file()
            with pytest.raises(UserError, match=f"{folder}: belongs to process"):
                locks.Lock(folder.lock, folder).take()
    assert sorted(path.name for path in (tmp_path / "trained_models").rglob("*")) == [one.path.name for one in folders]


KILLED = """
import contextlib, os, pathlib, sys
from network_models.run_folder import RunFolder
owner = contextlib.ExitStack()
folder = RunFolder.create(sys.argv[1], owner=owner)
for name in sys.argv[2:]:
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
(folder.path / ".settings.0.yml").write_text("x")
print(folder, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("names", "stays"),
    [
        ((), False),
        (("settings.yml", "summary.txt", "logs/events"), False),
        (("settings.yml", "training_state.npz"), True),
        (("settings.yml", "epochs/weights.01-0.10.hdf5"), True),
        (("settings.yml", "notes.txt"), True),
    ],
)
def test_a_run_killed_before_its_first_state_goes_at_the_next_start(tmp_path, capsys, names, stays):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), *names]
    path = settings.pathlib.Path(subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip())
    assert (path / "run.lock").is_file()
    others = tmp_path / "trained_models" / "mine"
    others.mkdir()
    with contextlib.ExitStack() as owner:
        alive = RunFolder.create(tmp_path, now=NOW, owner=owner)
        RunFolder.create(tmp_path, now=NOW, owner=owner)
        assert alive.path.is_dir()
    assert path.exists() == stays
    assert (f"removed {path}: it was killed before its first state" in capsys.readouterr().err) != stays
    assert others.is_dir()
    assert not list((tmp_path / "trained_models").glob(".*"))


# The loss table and the scores


def resumed(copy):
    return train("--resume", copy, "--epochs", 2)


def table_of(folder):
    return folder.performance / loss_table.NAME


def cut(text):
    return text[: text.rindex("\n", 0, -1) + 9]


DAMAGE = {
    "a row cut short": cut,
    "cut within its last field": lambda text: text[:-3],
    "a row missing": lambda text: "".join(text.splitlines(keepends=True)[::2]),
    "a row twice": lambda text: text + text.splitlines(keepends=True)[-1],
    "zeroed bytes": lambda text: text[:-40] + "\0" * 40,
    "no number": lambda text: text.replace("\n2,", "\n2,x", 1),
    "NaN": lambda text: re.sub(r"\n2,[^,]*,[^,]*", "\n2,nan,nan", text),
    "another order": lambda text: "\n".join([(lines := text.splitlines())[0], lines[2], lines[1], ""]),
    "empty": lambda text: "",
    "no header": lambda text: text.split("\n", 1)[1],
    "another file": lambda text: "{}",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_table_is_named(copy, damage):
    path = table_of(copy)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=r"loss_and_architecture\.csv: damaged \(.*\); --resume of the run restores it"):
        loss_table.read(path)


def table_and_state(copy, finished):
    table = PerformanceTable(copy, {})
    with numpy.load(finished.state) as stored:
        state = json.loads(str(stored["state"]))
    table.settings = {
        name: value for name, value in loss_table.read(table_of(finished))[0].items() if name not in state["callbacks"]
    }
    return table, state["callbacks"]["PerformanceTable"]


@pytest.mark.parametrize("damage", [*DAMAGE.values(), lambda text: text.replace("\n1,", "\n1,0", 1)])
def test_a_damaged_table_is_restored_from_the_state(copy, finished, damage, capsys):
    whole = loss_table.read(table_of(finished))
    path = table_of(copy)
    path.write_text(damage(path.read_text()))
    table, kept = table_and_state(copy, finished)
    table.settings = {name: value for name, value in whole[0].items() if name not in {*kept[0], *loss_table.SECONDS}}
    table.restore(kept)
    table.go_on(2)
    found = loss_table.read(path)
    for row, expected in zip(found, whole, strict=True):
        timeless = dict.fromkeys(loss_table.SECONDS, 0)
        assert row | timeless == expected | timeless
        assert row["seconds"] in (expected["seconds"], "")
    assert list(found[0]) == list(whole[0])
    said = capsys.readouterr().out
    assert ("restored epoch" in said) == any(row["seconds"] == "" for row in found) or "another number" in said


def test_rows_after_the_state_go(copy, finished):
    table, kept = table_and_state(copy, finished)
    table.restore(kept[:1])
    table.go_on(1)
    assert [row["epoch"] for row in loss_table.read(table_of(copy))] == ["1"]


def test_without_rows_in_the_state_nothing_is_resumed_with_one_missing(copy):
    path = table_of(copy)
    path.write_text(cut(path.read_text()))
    with pytest.raises(
        UserError, match=r"csv: the row of epoch 2 is missing \(row 2: cut.*\), and training_state\.npz is of an"
    ):
        PerformanceTable(copy, {}).go_on(2)
    PerformanceTable(copy, {}).go_on(1)
    assert [row["epoch"] for row in loss_table.read(path)] == ["1"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rmse": "x"}', '{"rmse": null}', "\0" * 90, "[" * 9000, "1" * 9000])
def test_damaged_scores_are_named_and_made_anew(copy, text, capsys):
    (copy.performance / "scores.json").write_text(text)
    arguments = ["--resume", str(copy)]
    chosen = settings.parse(arguments, "", network_folder=PROJECT, network=architecture.Options)
    assert experiment.finished(chosen) is None
    line = capsys.readouterr().out
    assert line.startswith(f"{copy.performance / 'scores.json'}: ")
    assert "; it is damaged; both are made anew from the training state and the best network" in line
    assert line.count("\n") == 1
    assert len(line) < 400 + len(str(copy))


def test_a_finished_run_with_damage_is_whole_after_resume(copy, finished, capsys):
    (copy.performance / "scores.json").write_text("{")
    table_of(copy).write_text(cut(table_of(copy).read_text()))
    assert resumed(copy).epochs == 2
    for name in ("scores.json", "validation_forecasts.csv"):
        assert (copy.performance / name).read_bytes() == (finished.performance / name).read_bytes()
    said = capsys.readouterr().out
    assert "scores.json: is no sound JSON" in said
    assert "restored epoch 2 from training_state.npz" in said
    with pytest.raises(UserError, match="already has 2 epochs"):
        resumed(copy)


# The state


@pytest.fixture(scope="module")
def model(finished):
    import keras

    chosen = settings.parse(["--resume", str(finished)], "", network_folder=PROJECT, network=architecture.Options)
    from network_models.training.forecast import Forecast

    network = architecture.build(inputs_of(chosen.data), chosen.network)
    Forecast(chosen).compile(network, replicas=1)
    assert isinstance(network, keras.Model)
    return network


def changed(path, change):
    with numpy.load(path) as stored:
        arrays = dict(stored)
    state = json.loads(str(arrays.pop("state")))
    state, arrays = change(state, arrays) or (state, arrays)
    numpy.savez(path, state=numpy.array(json.dumps(state)), **arrays)


def put(**values):
    return lambda state, arrays: state.update(values)


def without(name):
    return lambda state, arrays: (state.pop(name, None), arrays.pop(name, None))[:0] or None


def array(name, value):
    return lambda state, arrays: arrays.update({name: value(arrays[name])})


IMPOSSIBLE = {
    "no key": without("finished_epochs"),
    "no callbacks": without("callbacks"),
    "a list": lambda state, arrays: ([1], arrays),
    "negative epochs": put(finished_epochs=-1),
    "more epochs": put(finished_epochs=7),
    "fewer epochs": put(finished_epochs=1),
    "epochs as text": put(finished_epochs="2"),
    "epochs as a share": put(finished_epochs=2.0),
    "true epochs": put(finished_epochs=True),
    "huge epochs": put(finished_epochs=10**30),
    "a step that does not go with it": put(step=3),
    "stopped of another type": put(stopped="no"),
    "NaN as lowest loss": put(best_loss=float("nan")),
    "another lowest loss": put(best_loss=-3.0),
    "a best epoch to come": put(best_epoch=2),
    "no best epoch": put(best_epoch=None),
    "patience from later": put(patient_from=3),
    "skill of one number": put(skill=[1.0]),
    "callbacks of another type": put(callbacks=[]),
    "a table of another length": lambda state, arrays: state["callbacks"]["PerformanceTable"].pop() and None,
    "a table of numbers": put(callbacks={"PerformanceTable": [1, 2]}),
    "NaN weights": array("model_0", lambda value: value * numpy.nan),
    "infinite optimizer": array("optimizer_3", lambda value: value + numpy.inf),
    "another shape": array("model_2", lambda value: value[..., :1]),
    "complex weights": array("model_2", lambda value: value + 1j),
    "text": array("model_2", lambda value: value.astype(str)),
    "dates": array("optimizer_1", lambda value: numpy.zeros(value.shape, "datetime64[s]")),
    "an array missing": without("model_1"),
    "an array too many": lambda state, arrays: arrays.update(model_99=numpy.zeros(3)),
    "metrics after an epoch": lambda state, arrays: arrays.update(metric_0=numpy.zeros(1)),
}


def restore(folder, model, **keywords):
    savers = SaveNetworks(folder, model, writes=False)
    state = TrainingState(folder, savers, others=[PerformanceTable(folder, {})])
    state.restore(model, **keywords)
    return state


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_an_impossible_state_gives_place_to_the_one_before(copy, model, change, capsys):
    expected = restore(copy, model)
    assert (expected.first_epoch, expected.first_step) == (2, 0)
    changed(copy.state, change)
    found = restore(copy, model)
    assert (found.first_epoch, found.first_step) == (1, 2)
    said = capsys.readouterr().out
    assert said.startswith(f"{copy.state}: ")
    assert said.endswith("; going on from training_state_before.npz, the state before\n")
    assert said.count("\n") == 1
    assert len(said) < 350 + len(str(copy))
    assert all(numpy.isfinite(numpy.asarray(variable)).all() for variable in model.variables)


def test_two_impossible_states_are_one_line(copy, model):
    for name in (copy.state, copy.state.with_name("training_state_before.npz")):
        changed(name, IMPOSSIBLE["NaN weights"])
    with pytest.raises(UserError, match=r"training_state\.npz: damaged \(model_0 holds what is no finite number\)"):
        restore(copy, model)


def test_a_state_within_an_epoch_that_the_data_have_not(copy, model):
    shutil.copy(copy.state.with_name("training_state_before.npz"), copy.state)
    with pytest.raises(UserError, match=r"is of step 2 of an epoch, which has 1; the data are others"):
        restore(copy, model, steps=1)


def test_a_state_that_declares_more_than_the_network_has(copy, model, capsys):
    changed(copy.state, lambda state, arrays: arrays.update(model_0=numpy.zeros((70 << 20,), "uint8")))
    assert restore(copy, model).first_epoch == 1
    assert "declares 73.4 MB of arrays, more than the 67.1 MB expected at most" in capsys.readouterr().out


def test_states_of_earlier_versions_have_no_table(copy, model):
    changed(copy.state, lambda state, arrays: state["callbacks"].pop("PerformanceTable") and None)
    assert restore(copy, model).first_epoch == 2


# Networks


def test_a_deleted_best_network_is_in_epochs(copy):
    best = min(loss_table.read(table_of(copy)), key=lambda row: float(row["val_loss"]))["epoch"]
    copy.best.unlink()
    words = rf"best_performing\.hdf5: no such network file; .*epochs has the network of each epoch: copy weights\.0{best}-"
    with pytest.raises(UserError, match=words):
        load_network(copy.best)
    table_of(copy).unlink()
    with pytest.raises(UserError, match=r"epochs has the network of each epoch$"):
        load_network(copy.best)
    with pytest.raises(UserError, match=r"epochs has the network of each epoch$"):
        load_network(copy.most_skilful)
    shutil.rmtree(copy.epochs)
    with pytest.raises(UserError, match=r"no such network file$"):
        load_network(copy.best)


@pytest.mark.parametrize(("seconds", "drawn"), [(0.1, [1, 5]), (2.0, [1, 2, 3, 4, 5])])
def test_short_epochs_are_not_all_drawn_but_the_last_one_is(seconds, drawn, tmp_path, monkeypatch):
    """Of epochs that take so long, the rows that each picture of the loss shows."""
    rows, found = [], []
    monkeypatch.setattr(training_callbacks.time, "monotonic", lambda: 1000 + seconds * len(rows))
    monkeypatch.setattr(figures, "save", lambda figure, path: found.append(len(rows)))
    curve = training_callbacks.LossCurve(RunFolder(tmp_path), types.SimpleNamespace(rows=rows), label="loss", title="a run")
    for epoch in range(5):
        rows.append({"epoch": str(epoch + 1), "loss": "1", "val_loss": "2"})
        curve.on_epoch_end(epoch)
    curve.on_train_end()
    assert found == drawn
