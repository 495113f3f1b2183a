"""Several processes on loopback train as one does; what is lost or different is named."""

import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy
import pytest

from network_models import settings
from network_models.distribution import cluster, workers
from network_models.distribution.devices import OneProcess
from network_models.distribution.workers import Workers
from network_models.run_folder import RunFolder
from network_models.xray_flux_forecast.starting_point import architecture, network
from tools.errors import UserError

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parents[1]
SCRIPT = pathlib.Path(network.__file__)
VAE = PROJECT / "network_models" / "beta_vae" / "train.py"
DATA = ["--dataset", HERE / "tiny_data.py", "--count", "45", "--batch_size", "16"]  # three batches, the last of 13
FLAGS = [*DATA, "--epochs", "3", "--dropout_rate", "0", "--block_channels", "4", "8", "--learning_rate", "0.01"]
FLAGS += ["--tensorboard_images", "0"]  # pictures take a third of a short run


def free_ports(count):
    """Ports of loopback that nobody listens on."""
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in with_ports]
    for server in with_ports:
        server.close()
    return ports


def start(index, addresses, *flags, patience=60, script=SCRIPT):
    """One process of a cluster, its output in one pipe; alone with `addresses` None."""
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TF_NUM_INTRAOP_THREADS": "1", "SOLAR_PATIENCE": str(patience)}
    environment |= {"CUDA_VISIBLE_DEVICES": ""} | ({"TF_CONFIG": json.dumps(cluster)} if addresses else {})
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, flags)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def together(count, *flags, **keywords):
    """Run a cluster to its end: list of (exit code, output)."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    processes = [start(index, addresses, *flags, **keywords) for index in range(count)]
    return [(process.communicate(timeout=200)[0], process.returncode)[::-1] for process in processes]


def folder_of(out):
    (path,) = (pathlib.Path(out) / "trained_models").iterdir()
    return RunFolder(path)


def table_of(folder):
    import pandas

    return pandas.read_csv(folder.performance / "loss_and_architecture.csv")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Make the run of one process, this one, with some flags: its folder."""

    def make(*flags):
        out = tmp_path_factory.mktemp("alone")
        return network.main([*map(str, [*FLAGS, *flags, "--out", out])]).folder

    return make


def same_losses(one, other, tolerance=1e-5):
    mine, theirs = table_of(one), table_of(other)
    assert list(mine["epoch"]) == list(theirs["epoch"])
    for name in ("loss", "val_loss", "tss", "val_tss", "hss", "val_hss"):
        if name in mine:
            numpy.testing.assert_allclose(mine[name], theirs[name], rtol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("count", "flags"),
    [
        (2, ["--kind", "classification", "--l2", "0.1"]),
        pytest.param(2, ["--optimizer", "sgd"], marks=pytest.mark.slow),
        pytest.param(3, ["--batch_size", "22"], marks=pytest.mark.slow),  # the last batch has one sample for three
    ],
)
@pytest.mark.long
def test_processes_train_as_one_does(alone, tmp_path, count, flags):
    ended = together(count, *FLAGS, *flags, "--out", tmp_path)
    assert [code for code, _ in ended] == [0] * count, "\n".join(output for _, output in ended)
    folder = folder_of(tmp_path)  # one set of outputs: the chief's
    same_losses(folder, alone(*flags))
    assert "run folder" in ended[0][1]
    for _, output in ended[1:]:
        assert "has the results" in output
        assert "run folder" not in output
    assert (folder.performance / "scores.json").is_file()


@pytest.mark.slow
def test_four_logical_devices_train_as_one_does(alone, tmp_path):
    process = start(0, None, *FLAGS, "--devices", "4", "--out", tmp_path)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0, output
    same_losses(folder_of(tmp_path), alone())


@pytest.mark.slow
def test_a_beta_vae_on_devices_and_processes_has_the_losses_of_one(tmp_path):
    """At a rate of 0, since the noise of a sample differs: what does not depend on noise has to be equal."""
    flags = ["--most", "45", "--batch_size", "16", "--epochs", "2", "--lr", "0", "--shown", "2", "--beta", "3"]
    for name, more in (("one", []), ("devices", ["--devices", "2"])):
        process = start(0, None, *flags, *more, "--out", tmp_path / name, script=VAE)
        output = process.communicate(timeout=200)[0]
        assert process.returncode == 0, output
    ended = together(2, *flags, "--out", tmp_path / "processes", script=VAE)
    assert [code for code, _ in ended] == [0, 0], "\n".join(output for _, output in ended)
    expected = folder_of(tmp_path / "one")
    for name in ("devices", "processes"):
        found = folder_of(tmp_path / name)
        for column in ("kl", "val_kl", "val_reconstruction", "val_loss"):
            numpy.testing.assert_allclose(table_of(found)[column], table_of(expected)[column], rtol=1e-5, err_msg=column)
        numpy.testing.assert_allclose(table_of(found)["loss"], table_of(expected)["loss"], rtol=0.05)
        ours, theirs = (numpy.loadtxt(run.path / "latent_kl.csv", delimiter=",", usecols=range(2, 13), skiprows=1)
                        for run in (found, expected))  # fmt: skip
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [1, 0.5])
def test_the_rate_scaled_with_the_devices(tmp_path, gamma):
    """Whether a schedule moves it or not."""
    flags = ["--most", "45", "--batch_size", "16", "--epochs", "2", "--lr", "0.001", "--shown", "2"]
    more = ["--gamma", gamma, "--devices", "2", "--scale_rate", "--out", tmp_path]
    process = start(0, None, *flags, *more, script=VAE)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0, output
    with numpy.load(folder_of(tmp_path).state) as state:
        rates = [float(state[name]) for name in state.files if name.startswith("optimizer_") and state[name].ndim == 0]
    assert any(rate == pytest.approx(0.002 * gamma) for rate in rates)


@pytest.mark.slow
def test_a_killed_worker_is_named_and_all_resume(tmp_path):
    """One of two processes is killed in mid-epoch; the other ends by itself within a minute; both go on from the state."""
    flags = [*FLAGS, "--count", "400", "--epochs", "12", "--kind", "classification", "--checkpoint_steps", "5"]
    out = tmp_path / "lost"
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    chief, other = (start(i, addresses, *flags, "--out", out) for i in range(2))
    for line in chief.stdout:
        if "Epoch 3/" in line:
            break
    other.send_signal(signal.SIGKILL)
    begun = time.monotonic()
    output = chief.communicate(timeout=90)[0]
    assert time.monotonic() - begun < 60
    other.communicate()
    assert chief.returncode == 2, output
    message = output.strip().splitlines()[-1]
    folder = folder_of(out)
    assert f"{addresses[1]}: was lost" in message
    assert f"start all processes again with --resume {folder}" in message
    ended = together(2, "--resume", folder)
    assert [code for code, _ in ended] == [0, 0], "\n".join(output for _, output in ended)
    assert list(table_of(folder)["epoch"]) == list(range(1, 13))
    together(2, *flags, "--out", tmp_path / "whole")
    same_losses(folder, folder_of(tmp_path / "whole"), tolerance=0)


@pytest.mark.slow
def test_a_signal_to_one_stops_all(tmp_path):
    flags = [*FLAGS, "--count", "400", "--epochs", "400"]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    chief, other = (start(i, addresses, *flags, "--out", tmp_path) for i in range(2))
    for line in chief.stdout:
        if "Epoch 2/" in line:
            break
    other.send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=60)[0] for process in (chief, other)]
    assert [chief.returncode, other.returncode] == [143, 143], outputs
    assert folder_of(tmp_path).state.is_file()
    assert "stopped by SIGTERM after epoch" in outputs[0]


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        (["--learning_rate", "0.02"], "--learning_rate differs: 0.01 on {}, 0.02 on {}"),
        (["--count", "44"], "--count differs: 45 on"),
    ],
)
def test_workers_with_different_settings_are_not_connected(monkeypatch, differing, words):
    monkeypatch.setenv("SOLAR_PATIENCE", "20")

    def chosen(*more):
        given = [str(flag) for flag in (*FLAGS, *more)]
        return settings.parse(given, "", network_folder=HERE, network=architecture.Options)

    addresses, found = _all_agree([chosen(), chosen(*differing)], workers.connect)
    assert len(set(found.values())) == 1
    assert words.format(*addresses) in found[0]


@pytest.mark.slow  # the same by processes of their own
@pytest.mark.parametrize(
    ("differing", "words"),
    [(["--learning_rate", "0.02"], "--learning_rate differs: 0.01 on"), (["--count", "44"], "--count differs: 45 on")],
)
def test_different_settings_are_refused_at_the_start(tmp_path, differing, words):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = [start(0, addresses, *FLAGS, "--out", tmp_path), start(1, addresses, *FLAGS, *differing, "--out", tmp_path)]
    for process in processes:
        output = process.communicate(timeout=100)[0]
        assert process.returncode == 2, output
        assert words in output
        assert all(address in output for address in addresses)
    assert not (tmp_path / "trained_models").exists()


def _outcome(agree, members, about, found):
    try:
        agree(members, about)
        found[members.index] = None
    except UserError as error:
        found[members.index] = str(error)


def _all_agree(abouts, agree=cluster.agree, **keywords):
    """Let threads take part in a cluster as processes do, those with None stay away: addresses, and errors by index."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(len(abouts)))
    found = {}
    threads = [
        threading.Thread(
            target=_outcome, args=(functools.partial(agree, **keywords), cluster.Cluster(addresses, index), about, found)
        )
        for index, about in enumerate(abouts)
        if about is not None
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return addresses, found


def test_processes_agree_or_name_the_difference():
    same = {"Keras": "3.15", "seed": "0"}
    assert _all_agree([same] * 3, patience=20)[1] == {0: None, 1: None, 2: None}
    addresses, found = _all_agree([same, same, same | {"Keras": "3.14"}], patience=20)
    assert set(found.values()) == {f"Keras differs: 3.15 on {addresses[0]}, 3.14 on {addresses[2]}; make them the same"}


def test_all_are_told_why_the_chief_refuses():
    line = "RUN: belongs to process 7 on another"
    assert _all_agree([{}, {}, {}], patience=20, refusal=line)[1] == {0: line, 1: line, 2: line}


@pytest.mark.long
def test_who_does_not_report_is_named():
    addresses, found = _all_agree([{}, {}, None], patience=2)
    assert found[0].startswith(f"{addresses[2]}: did not report within 2 s")
    assert found[1] == found[0]
    addresses, found = _all_agree([None, {}], patience=2)
    assert found[1].startswith(f"{addresses[0]}: does not answer")


def test_one_process_and_many_have_one_interface():
    public = [{name for name in dir(kind) if not name.startswith("_")} for kind in (OneProcess, Workers)]
    assert public[0] <= public[1] | {"shard", "is_chief"}  # which Workers has once connected
    assert public[1] - public[0] == {"share_moving_statistics"}


def test_one_process_is_its_own_chief_and_stops_when_asked():
    devices = OneProcess()
    assert (devices.replicas, devices.shard, devices.is_chief, devices.alone) == (1, (0, 1), True, True)
    assert not devices.agreed_to_stop()
    devices.ask_to_stop()
    assert devices.agreed_to_stop()
    (array,) = devices.sums([numpy.arange(3)])
    assert array.tolist() == [0, 1, 2]


def config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_clusters_from_tf_config():
    two = {"worker": ["a:1", "b:2"]}
    assert cluster.from_environment({}) is None
    assert cluster.from_environment(config(two, index=1)) == cluster.Cluster(("a:1", "b:2"), 1)
    assert cluster.from_environment(config({"worker": ["a:1"]})) is None
    with_chief = {"worker": ["b:2"], "chief": ["a:1"]}
    assert cluster.from_environment(config(with_chief, "worker", 0)) == cluster.Cluster(("a:1", "b:2"), 1)
    assert cluster.from_environment(config(with_chief, "chief", 0)) == cluster.Cluster(("a:1", "b:2"), 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "TF_CONFIG: is no sound JSON"),
        ("[]", "TF_CONFIG: holds a list where an object belongs"),
        ('{"cluster": {"worker": ["a:1", "b:2"]}}', "TF_CONFIG: is malformed"),
        (config({"worker": ["a", "b:2"]})["TF_CONFIG"], "'a' is no address"),
        (config({"worker": ["a:70000", "b:2"]})["TF_CONFIG"], "'a:70000' is no address"),
        (config({"worker": ["a:1", "a:1"]})["TF_CONFIG"], "listed twice"),
        (config({"worker": ["a:1", "b:2"]}, index=2)["TF_CONFIG"], "no task worker 2"),
        (config({"worker": ["a:1"], "ps": ["b:2"]})["TF_CONFIG"], "has ps"),
    ],
)
def test_malformed_tf_config(text, words):
    with pytest.raises(UserError, match=words):
        cluster.from_environment({"TF_CONFIG": text})


def test_clusters_from_slurm():
    environment = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gpu[07-08]",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        "SLURM_PROCID": "3",
    }
    found = cluster.from_environment(environment)
    assert found.index == 3
    assert [address.split(":")[0] for address in found.addresses] == ["gpu07", "gpu07", "gpu08", "gpu08"]
    assert len(set(found.addresses)) == 4
    assert not any(name.startswith("SLURM") for name in os.environ)
    with pytest.raises(UserError, match="SLURM's environment: cannot be understood"):
        cluster.from_environment({"SLURM_STEP_NUM_TASKS": "4"})
    with pytest.raises(UserError, match="SLURM's environment: cannot be understood"):
        cluster.from_environment({"SLURM_STEP_NUM_TASKS": "four"})


@pytest.mark.long
def test_a_run_of_another_network_or_data_set_is_refused(alone, tmp_path):
    from network_models.xray_flux_forecast.fdl1 import aia_only

    folder = alone("--epochs", 1)
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    with pytest.raises(UserError, match="has no option"):
        aia_only.main(["--resume", str(folder)])
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before
