"""Architecture search: spaces, strategies that survive a kill, and what is made of the trials."""

import json
import os
import pathlib
import subprocess
import sys

import numpy
import pandas
import pytest

from network_models.architecture_search import search as search_script
from network_models.architecture_search import trials
from network_models.architecture_search.spaces import SPACES, Parameter, unword, word
from tools import options
from tools.errors import UserError

PROJECT = pathlib.Path(__file__).parents[2]
TINY = pathlib.Path(__file__).with_name("tiny_data.py")
FEW = tuple(one for one in SPACES["fdl1"].parameters if one.name.startswith(("conv_1", "pool_2_width", "dropout")))
SMALL = {
    "conv_1_channels": 2,
    "conv_2_channels": 0,
    "pool_1_width": 2,
    "pool_1_height": 2,
    "pool_2_width": 1,
    "pool_2_height": 1,
}


def chosen(folder, *flags, network="fdl1"):
    arguments = ["--network", network, "--dataset", str(TINY), "--search", str(folder), "--epochs", "1", *flags]
    return search_script.parse(arguments)[0]


@pytest.mark.parametrize("name", SPACES)
def test_every_value_of_a_space_is_an_option(name):
    space = SPACES[name]
    for parameter in space.parameters:
        for value in parameter.bounds or parameter.values:
            network, training = space.split({parameter.name: word(value)})
            built = options.build(space.network_options, network)
            if training:
                built = options.build(space.training_options, training)
            assert getattr(built, parameter.name) == value


def test_lists_travel_as_words():
    assert [unword(word(value)) for value in ((16, 32), (64,), 5, 0.2, "adam")] == [[16, 32], [64], 5, 0.2, "adam"]


def strategy(folder, method="random", *, problem=lambda values: None, count=7, parameters=FEW):
    from network_models.architecture_search.oracles import oracle

    made = oracle(
        method,
        parameters,
        objective="val_loss",
        direction="min",
        trials=count,
        epochs=9,
        seed=3,
        folder=folder,
        problem=problem,
    )
    made._set_project_dir(str(folder), "tuner")
    if (folder / "tuner" / "oracle.json").is_file():
        made.reload()
    return made


def finish(made, trial, value):
    made.update_trial(trial.trial_id, {"val_loss": value})
    trial.status = "COMPLETED"
    made.end_trial(trial)


def loss_of(values):
    return values.get("conv_1_channels", 0) / 16 + values["dropout_rate"]


def run_all(folder, method, most=100, **keywords):
    made = strategy(folder, method, **keywords)
    proposed = []
    for _ in range(most):
        trial = made.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        proposed.append(dict(trial.hyperparameters.values))
        finish(made, trial, loss_of(trial.hyperparameters.values))
    return proposed


@pytest.mark.parametrize("method", ["random", pytest.param("bayesian", marks=pytest.mark.slow)])
def test_impossible_proposals_never_become_trials(tmp_path, method):
    def problem(values):
        return "too wide" if values["pool_2_width"] > 4 else None

    proposed = run_all(tmp_path, method, problem=problem)
    assert len(proposed) == 7
    assert all(values["pool_2_width"] <= 4 for values in proposed)
    skipped = json.loads((tmp_path / "skipped.json").read_text())
    assert skipped
    assert all(entry["why"] == "too wide" and entry["values"]["pool_2_width"] > 4 for entry in skipped)


@pytest.mark.parametrize("method", ["random", "bayesian", "hyperband"])
def test_no_values_are_tried_twice_from_the_start(tmp_path, method):
    proposed = run_all(tmp_path, method)
    assert len(proposed) == 7
    fresh = [json.dumps(values, sort_keys=True) for values in proposed if "tuner/trial_id" not in values]
    assert len(set(fresh)) == len(fresh)
    for values in proposed:  # an option of a convolution that is left out is not a difference
        assert ("conv_1_width" in values) == (values["conv_1_channels"] > 0)


@pytest.mark.long
def test_a_small_space_is_exhausted(tmp_path):
    parameters = (Parameter("conv_1_channels", (1, 2, 3)), Parameter("dropout_rate", (0.0, 0.5)))
    assert len(run_all(tmp_path, "bayesian", parameters=parameters)) == 6


@pytest.mark.parametrize("method", ["random", "bayesian", "hyperband"])
@pytest.mark.long
def test_resumed_after_every_trial_it_proposes_the_same(tmp_path, method):
    whole = run_all(tmp_path / "whole", method)
    (tmp_path / "parts").mkdir()
    parts = []
    while more := run_all(tmp_path / "parts", method, most=1):
        parts += more
    assert parts == whole


def test_killed_between_the_files_of_a_new_trial(tmp_path):
    made = strategy(tmp_path)
    finish(made, made.create_trial("tuner0"), 1.0)
    before = (tmp_path / "tuner" / "oracle.json").read_bytes()
    lost = made.create_trial("tuner0")
    (tmp_path / "tuner" / "oracle.json").write_bytes(before)  # the trial's own file is there, the list is older

    made = strategy(tmp_path)
    again = made.create_trial("tuner0")
    assert again.trial_id == lost.trial_id
    assert again.hyperparameters.values == lost.hyperparameters.values
    finish(made, again, 1.0)
    following = made.create_trial("tuner0")
    assert following.trial_id not in {lost.trial_id, "00"}
    assert following.hyperparameters.values != lost.hyperparameters.values


def test_killed_between_the_files_of_a_finished_trial(tmp_path):
    made = strategy(tmp_path)
    trial = made.create_trial("tuner0")
    before = (tmp_path / "tuner" / "oracle.json").read_bytes()
    finish(made, trial, 1.0)
    (tmp_path / "tuner" / "oracle.json").write_bytes(before)

    made = strategy(tmp_path)
    assert made.create_trial("tuner0").trial_id != trial.trial_id
    assert made.trials[trial.trial_id].score == 1.0


def test_networks_that_cannot_be_built_are_named(tmp_path):
    search = chosen(tmp_path / "s", "--parameter_limit", "1000")
    values = {"conv_1_channels": 0, "conv_2_channels": 0, "dense_1_count": 8}
    good = {
        "pool_1_width": 8,
        "pool_1_height": 8,
        "pool_1_stride": 4,
        "pool_2_stride": 4,
        "pool_2_width": 1,
        "pool_2_height": 1,
    }
    assert trials.problem(search, values | good) is None
    assert "larger than" in trials.problem(search, values | good | {"pool_2_width": 64})
    assert "more than 1,000 parameters" in trials.problem(search, values | good | {"pool_1_stride": 1, "pool_2_stride": 1})


@pytest.mark.long
def test_a_search_runs_is_interrupted_and_goes_on(tmp_path, monkeypatch, capsys):
    flags = ["--method", "random", "--trials", "3", "--count", "16", "--batch_size", "16"]
    arguments = ["--dataset", str(TINY), "--search", str(tmp_path / "s"), "--epochs", "1", *flags]
    calls = []

    def interrupted(processes, name, values):
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return trials.run(processes.search, name, values)

    monkeypatch.setattr(trials.Processes, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search_script.main(arguments)
    search_script.main(arguments)
    assert calls == ["0", "1", "1", "2"]
    table = pandas.read_csv(tmp_path / "s" / "trials.csv")
    assert sorted(table["trial"]) == [0, 1, 2]
    assert (table["status"] == "COMPLETED").all()
    assert table["score"].is_monotonic_increasing
    for run in table["run_folder"]:
        assert (pathlib.Path(run) / "best_performing.hdf5").is_file()
    last = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert last["val_loss"] == pytest.approx(table["score"].iloc[0])
    # The same seed and device: trained anew it is the same network.
    assert last["val_loss_trained_anew"] == pytest.approx(last["val_loss"])
    assert (pathlib.Path(last["run_folder"]) / "best_performing.hdf5").is_file()
    assert (tmp_path / "s" / "trials.png").stat().st_size > 10_000
    assert list((tmp_path / "s" / "hparams").glob("*/events*"))
    with pytest.raises(UserError, match=r"holds another search \(objective differ\)"):
        search_script.main([*arguments, "--objective", "rmse"])
    # Done, the same command says the same; more trials extend it.
    search_script.main(arguments)
    again = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert again == last
    arguments[arguments.index("--trials") + 1] = "4"
    search_script.main(arguments)
    assert calls[4:] == ["3"]
    assert len(pandas.read_csv(tmp_path / "s" / "trials.csv")) == 4


@pytest.mark.long
def test_killed_between_the_end_of_a_training_and_its_entry(tmp_path):
    search = chosen(tmp_path / "s", "--epochs", "1", "--count", "16")
    score = trials.run(search, "0", SMALL)
    assert trials.run(search, "0", SMALL) == score
    assert len(list((tmp_path / "s" / "trials" / "0" / "trained_models").iterdir())) == 1


@pytest.mark.slow
def test_a_search_within_a_cluster_trains_alone(tmp_path, monkeypatch):
    """Where SLURM has started several workers of one search, each trial is still one process's."""
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}'
    )
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    flags = ["--method", "random", "--trials", "1", "--count", "16", "--batch_size", "16", "--epochs", "1"]
    search_script.main(["--dataset", str(TINY), "--search", str(tmp_path / "s"), *flags])
    assert pandas.read_csv(tmp_path / "s" / "trials.csv")["status"].tolist() == ["COMPLETED"]


@pytest.mark.long
def test_hyperband_goes_on_with_the_weights_of_the_earlier_trial(tmp_path):
    search = chosen(tmp_path / "s", "--method", "hyperband", "--epochs", "3", "--count", "16")
    values = SMALL | {"tuner/epochs": 1, "tuner/initial_epoch": 0}
    trials.run(search, "0000", values)
    more = values | {"tuner/epochs": 3, "tuner/initial_epoch": 1, "tuner/trial_id": "0000"}
    trials.run(search, "0001", more)
    rows = [
        pandas.read_csv(trials.existing_run(search.folder / "trials" / name).performance / "loss_and_architecture.csv")
        for name in ("0000", "0001")
    ]
    assert rows[0]["epoch"].tolist() == [1]
    assert rows[1]["epoch"].tolist() == [1, 2, 3]
    assert rows[1]["loss"][0] == rows[0]["loss"][0]


@pytest.mark.slow
def test_a_crash_costs_a_trial_and_not_the_search(tmp_path):
    fragile = tmp_path / "fragile.py"
    # The process dies when a network of this size is trained for the first time.
    fragile.write_text(
        "import os, dataclasses\nfrom network_models import experiment\n"
        f"exec(compile(open({str(TINY)!r}).read(), {str(TINY)!r}, 'exec'))\n"
        "real = experiment.run\n"
        "def run(build, settings, **keywords):\n"
        "    if settings.network.dropout_rate == 0.5:\n        os.abort()\n"
        "    return real(build, settings, **keywords)\n"
        "experiment.run = run\n"
    )
    script = PROJECT / "network_models" / "architecture_search" / "search.py"
    given = {one.name: one.values[0] for one in SPACES["fdl1"].parameters if one.name != "dropout_rate"}
    fixed = [text for name, value in (given | SMALL).items() for text in (f"--{name}", str(value))]
    flags = ["--dataset", fragile, "--search", tmp_path / "s", "--epochs", "1", "--count", "16", "--method", "random", *fixed]
    done = subprocess.run([sys.executable, script, *flags], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    table = pandas.read_csv(tmp_path / "s" / "trials.csv")
    assert sorted(table["dropout_rate"]) == [0.0, 0.2, 0.5]
    failed = table[table["status"] == "FAILED"]
    assert failed["dropout_rate"].tolist() == [0.5]
    assert "its process died" in failed["message"].iloc[0]


@pytest.mark.slow
def test_importance_finds_the_option_that_decides(tmp_path):
    from network_models.architecture_search.report import importance

    search = chosen(tmp_path / "s")
    random = numpy.random.default_rng(0)
    rows = []
    for _ in range(60):
        row = {parameter.name: parameter.values[random.integers(len(parameter.values))] for parameter in search.parameters}
        rows.append(row | {"score": row["dropout_rate"] + 0.05 * random.random()})
    weights, explained = importance(search, pandas.DataFrame(rows))
    assert weights["option"][0] == "dropout_rate"
    assert weights["importance"][0] > 5 * weights["importance"][1]
    assert explained > 0.5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--trials", "0"], "--trials 0: must be at least 1"),
        (["--workers", "0"], "--workers 0"),
        (["--conv_1_channels", "-2"], "conv_1_channels is at least 0"),
        (["--objective", "tss"], "--objective tss: one of val_loss, rmse"),
        (["--objective", "bias"], "--objective bias: one of val_loss, rmse, mae, correlation"),
    ],
)
def test_bad_flags(tmp_path, flags, message):
    with pytest.raises(UserError, match=message):
        chosen(tmp_path / "s", *flags)


def test_a_schedule_that_ignores_what_is_varied_is_refused(tmp_path):
    flags = ["--network", "alex", "--dataset", str(TINY), "--kind", "classification", "--schedule", "onecycle"]
    with pytest.raises(UserError, match="--schedule onecycle: takes its rate from --max_lr"):
        search_script.parse([*flags, "--search", str(tmp_path / "s")])


def test_losses_of_different_kinds_are_not_ranked(tmp_path):
    flags = ["--network", "alex", "--dataset", str(TINY), "--kind", "classification", "--search", str(tmp_path / "s")]
    assert search_script.parse(flags)[0].objective == "brier_skill"
    assert search_script.parse([*flags, "--objective", "tss"])[0].objective == "tss"
    assert search_script.parse([*flags, "--balance", "weights"])[0].objective == "val_loss"
    with pytest.raises(UserError, match="--objective val_loss: is another loss for each --balance"):
        search_script.parse([*flags, "--objective", "val_loss"])


def test_a_space_without_freedom_is_refused(tmp_path):
    given = {parameter.name: parameter.values[0] for parameter in SPACES["fdl1"].parameters}
    with pytest.raises(UserError, match="every option of the space is given"):
        chosen(tmp_path / "s", *(text for name, value in given.items() for text in (f"--{name}", str(value))))


def test_a_folder_with_other_things_is_refused(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="neither empty nor the folder of a search"):
        chosen(folder).claim()
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_two_workers_share_one_search(tmp_path):
    script = PROJECT / "network_models" / "architecture_search" / "search.py"
    flags = ["--dataset", TINY, "--search", tmp_path / "s", "--epochs", "1", "--count", "16", "--trials", "6", "--workers", "2"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KERASTUNER")}
    done = subprocess.run([sys.executable, script, *flags], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    table = pandas.read_csv(tmp_path / "s" / "trials.csv")
    assert sorted(table["trial"]) == list(range(6))
    assert (table["status"] == "COMPLETED").all()
    assert {path.name for path in (tmp_path / "s" / "tuner").glob("worker_*.json")} == {"worker_0.json", "worker_1.json"}
    assert json.loads(done.stdout.strip().splitlines()[-1])["best_trial"]


def own_network(folder, *, extra=""):
    """A copied starting point outside the project, its default made small."""
    folder.mkdir()
    original = PROJECT / "network_models/xray_flux_forecast/starting_point/architecture.py"
    text = original.read_text().replace("(16, 32, 64, 64)", "(4, 8)").replace('name="starting_point"', 'name="my_own"')
    (folder / "architecture.py").write_text(text + extra)
    return folder / "architecture.py"


@pytest.mark.slow
def test_a_file_of_ones_own_is_searched(tmp_path):
    """One trial, trained in a process of its own that reads the file from what search.yml holds."""
    flags = ("--trials", "1", "--method", "random", "--dense_counts", "4", "--kernel_size", "3", "--bias", "--no-flatten")
    file = own_network(tmp_path / "mine")
    search = chosen(tmp_path / "s", *flags, network=str(file))
    varied = {parameter.name: parameter.values or parameter.bounds for parameter in search.parameters}
    assert varied == {
        "block_channels": ((2, 4), (4, 8), (8, 16)),
        "dropout_rate": (0.15, 0.3, 0.6),
        "learning_rate": (1e-4, 1e-2),
    }
    search.claim()
    processes = trials.Processes(search)
    try:
        score = processes.run("0", {"block_channels": "2-4", "dropout_rate": 0.3, "learning_rate": 1e-3})
    finally:
        processes.close()
    (run,) = (tmp_path / "s/trials/0/trained_models").iterdir()
    assert numpy.isfinite(score)
    assert "my_own" in (run / "summary.txt").read_text()
    assert f"architecture: {file}" in (run / "settings.yml").read_text()


def test_a_file_says_itself_what_is_varied(tmp_path):
    file = own_network(tmp_path / "a", extra='\nVARIED = {"l2": (0.0, 1e-3), "block_channels": ((4,), (4, 4))}\n')
    assert {one.name: one.values for one in chosen(tmp_path / "s", network=str(file)).parameters} == {
        "l2": (0.0, 1e-3),
        "block_channels": ((4,), (4, 4)),
        "learning_rate": (),
    }
    file = own_network(tmp_path / "b", extra='\nVARIED = {"width": (1, 2)}\n')
    with pytest.raises(UserError, match=r"architecture\.py: VARIED: width is no option of the network"):
        chosen(tmp_path / "s", network=str(file))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("fdl2", "--network fdl2: is neither a network's .py file nor one of fdl1, starting_point"),
        ("nothing.py", r"nothing\.py: no such \.py file"),
        (str(PROJECT / "network_models/xray_flux_forecast/starting_point/network.py"), r"network\.py: has no function build"),
    ],
)
def test_a_network_that_is_none(tmp_path, network, message):
    with pytest.raises(UserError, match=message):
        chosen(tmp_path / "s", network=network)
