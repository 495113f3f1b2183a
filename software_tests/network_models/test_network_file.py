"""Networks in files, and folders of networks that were copied and changed."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from network_models import network_file
from tools import modules
from tools.errors import UserError
from tools.options import fields

PROJECT = pathlib.Path(__file__).resolve().parents[2]
NETWORKS = PROJECT / "network_models"
TINY = pathlib.Path(__file__).with_name("tiny_data.py")


def copied(folder, target, **changes):
    """A copy of a network's folder, with texts replaced in its files: {file stem: (old, new)}."""
    left_out = shutil.ignore_patterns("trained_models", "__pycache__")
    shutil.copytree(NETWORKS / folder, target, ignore=left_out)
    for stem, (old, new) in changes.items():
        file = target / f"{stem}.py"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
    return target


def trained(capsys, script, *arguments):
    """Train by a script; the result that it prints."""
    modules.load(script).main([str(argument) for argument in arguments])
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def trained_by_a_user(script, *arguments):
    """The same in a process of its own, from another folder."""
    command = [sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=script.parent.parent, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def room():
    """A folder beside the networks of the project, as README says to copy to."""
    folder = NETWORKS / "xray_flux_forecast" / f"copied_in_a_test_{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def check(result, target):
    from network_models.trained_network import load_network

    run = pathlib.Path(result["run_folder"])
    assert run.parent.parent == target
    assert "changed_by_me" in (run / "summary.txt").read_text()
    assert load_network(run / "best_performing.hdf5").name == "changed_by_me"


def test_a_folder_copied_beside_the_original_trains_the_network_in_it(room, capsys):
    copied("xray_flux_forecast/starting_point", room, architecture=('name="starting_point"', 'name="changed_by_me"'))
    check(trained(capsys, room / "network.py", "--dataset", TINY, "--epochs", 1), room)


def test_a_folder_copied_out_of_the_project_trains_the_network_in_it(tmp_path):
    target = copied("xray_flux_forecast/fdl1", tmp_path / "mine", architecture=('name="fdl1"', 'name="changed_by_me"'))
    flags = ("--dataset", TINY, "--epochs", 1, "--pool_1_stride", 1, "--pool_2_stride", 1)
    check(trained_by_a_user(target / "aia_only.py", *flags), target)


def test_a_copied_family_of_networks_uses_its_own_building_blocks(tmp_path):
    """Not only the file that the script names: what that one imports is the copy's too."""
    target = copied(
        "full_disk_flare_forecast",
        tmp_path / "mine",
        building_blocks=('name="logits"', 'name="logits", bias_initializer="ones"'),
        training_options=('("constant", ', '("constant", "mine", '),
    )
    from network_models.full_disk_flare_forecast import train as original

    train = modules.load(target / "train.py")
    network = train.NETWORKS["attention"]
    model = network.build({"image": (192, 192, 1)}, network.Options(), seed=0)
    assert model.get_layer("logits").bias.numpy().tolist() == [1.0, 1.0]
    network = original.NETWORKS["attention"]
    model = network.build({"image": (192, 192, 1)}, network.Options(), seed=0)
    assert model.get_layer("logits").bias.numpy().tolist() == [0.0, 0.0]
    choices = [fields(one.FullDiskTraining)["schedule"].metadata["choices"] for one in (train, original)]
    assert ["mine" in one for one in choices] == [True, False]


def test_a_copied_beta_vae_uses_its_own_encoder(tmp_path, capsys):
    target = copied("beta_vae", tmp_path / "mine", burgess=("CHANNELS = 32", "CHANNELS = 5"))
    result = trained(capsys, target / "train.py", "--epochs", 1, "--most", 16, "--batch_size", 16)
    summary = (pathlib.Path(result["run_folder"]) / "summary.txt").read_text()
    assert "(None, 16, 16, 5)" in summary.replace("\n", "")


def test_two_networks_called_architecture_in_one_process(tmp_path):
    mine = copied("xray_flux_forecast/starting_point", tmp_path / "a", architecture=("(16, 32, 64, 64)", "(4,)"))
    other = copied("xray_flux_forecast/fdl1", tmp_path / "b")
    first, second = (network_file.load(folder / "architecture.py") for folder in (mine, other))
    original = network_file.load(NETWORKS / "xray_flux_forecast/starting_point/architecture.py")
    assert first.options().block_channels == (4,)
    assert original.options().block_channels == (16, 32, 64, 64)
    assert hasattr(second.options(), "conv_1_channels")
    assert len({first.build, second.build, original.build}) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("value = 1\n", r"mine\.py: has no function build\(input_shapes, options, seed=\.\.\.\)"),
        ("def build(*a, **k): ...\n", r"mine\.py: has no dataclass of options"),
        (
            "import dataclasses\n@dataclasses.dataclass\nclass Options:\n    width: int = 3\ndef build(*a, **k): ...\n",
            r"mine\.py: Options\.width is no option",
        ),
    ],
)
def test_a_file_that_is_no_network_says_what_it_lacks(tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=message):
        network_file.load(tmp_path / "mine.py")
