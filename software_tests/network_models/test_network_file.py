"""Networks in files, and folders of networks that were copied and changed."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from network_models import network_file
from network_models.image_inputs import Input
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


@pytest.mark.long
def test_a_folder_copied_beside_the_original_trains_the_network_in_it(room, capsys):
    copied("xray_flux_forecast/starting_point", room, architecture=('name="starting_point"', 'name="changed_by_me"'))
    check(trained(capsys, room / "network.py", "--dataset", TINY, "--epochs", 1), room)


@pytest.mark.long
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
    model = network.build({"image": Input((192, 192, 1))}, network.Options(), seed=0)
    assert model.get_layer("logits").bias.numpy().tolist() == [1.0, 1.0]
    network = original.NETWORKS["attention"]
    model = network.build({"image": Input((192, 192, 1))}, network.Options(), seed=0)
    assert model.get_layer("logits").bias.numpy().tolist() == [0.0, 0.0]
    choices = [fields(one.FullDiskTraining)["schedule"].metadata["choices"] for one in (train, original)]
    assert ["mine" in one for one in choices] == [True, False]


@pytest.mark.long
def test_a_copied_beta_vae_uses_its_own_encoder(tmp_path, capsys):
    target = copied("beta_vae", tmp_path / "mine", burgess=("CHANNELS = 32", "CHANNELS = 5"))
    result = trained(capsys, target / "train.py", "--epochs", 1, "--most", 16, "--batch_size", 16)
    summary = (pathlib.Path(result["run_folder"]) / "summary.txt").read_text()
    assert "(None, 16, 16, 5)" in summary.replace("\n", "")


EARLIER = {
    "logarithmic": """
from network_models.image_inputs import image_inputs
from tools.options import option

@dataclasses.dataclass(kw_only=True)
class Options:
    units: int = option(3, "units", least=1)

def build(input_shapes, options, *, logarithmic=(), seed=0):
    inputs, names, vector = image_inputs(input_shapes)
""",
    "input_shapes": """
from network_models.full_disk_flare_forecast.building_blocks import network_inputs
from tools.options import option

@dataclasses.dataclass(kw_only=True)
class Options:
    units: int = option(3, "units", least=1)

def build(input_shapes, options, seed=0):
    inputs, image, side_channel = network_inputs(input_shapes, least=8)
""",
}
NOW = r"it is now build\(inputs, options, seed\), with inputs\[name\]\.shape and inputs\[name\]\.logarithmic"


@pytest.mark.parametrize("kind", EARLIER)
def test_a_copied_network_of_an_earlier_version_ends_in_one_line(tmp_path, kind):
    """Trained by a copied script, and searched: the line has the file, what stands there, and what it has to be."""
    from network_models.architecture_search import search

    target = copied("xray_flux_forecast/starting_point", tmp_path / "mine")
    (target / "architecture.py").write_text("import dataclasses\n" + EARLIER[kind])
    line = r"mine/architecture\.py: build\(input_shapes, options, .*seed=0\) is of an earlier version; " + NOW
    with pytest.raises(UserError, match=line) as caught:
        modules.load(target / "network.py").main(["--dataset", str(TINY), "--out", str(tmp_path / "out")])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match=line):
        search.parse(["--network", str(target / "architecture.py"), "--dataset", str(TINY), "--search", str(tmp_path / "s")])


def test_a_copied_family_of_an_earlier_version_ends_in_one_line(tmp_path):
    """Its train.py finds the networks itself, so that only the training sees how they are built."""
    changes = {"burgess": ("def build(inputs, options, seed=0)", "def build(input_shapes, options, *, seed=0)")}
    target = copied("beta_vae", tmp_path / "mine", **changes)
    with pytest.raises(UserError, match=r"mine/burgess\.py: build\(input_shapes, .*seed=0\) is of an earlier.*" + NOW):
        modules.load(target / "train.py").main(["--epochs", "1", "--most", "16", "--out", str(tmp_path / "out")])
    assert not list(tmp_path.glob("out/trained_models/*"))


@pytest.mark.parametrize("current", [True, False])
def test_a_script_that_adds_the_logarithm_itself_ends_in_one_line(current):
    """As the first scripts did; around a build of then, and around one of now."""
    from network_models.xray_flux_forecast.starting_point import architecture

    def build(input_shapes, options, *, logarithmic=(), seed=0): ...

    given = functools.partial(architecture.build if current else build, logarithmic=[True])
    with pytest.raises(UserError, match=r"\.py: was given to experiment\.run as functools\.partial\(build, log"):
        network_file.require_current(given)


@pytest.mark.long
def test_a_script_copied_while_networks_needed_a_builder_trains(tmp_path, capsys):
    """Its architecture.py may have been brought up to date without it."""
    changes = {"architecture": ('name="starting_point"', 'name="changed_by_me"')}
    earlier = "experiment.run(network.builder(run_settings.data), run_settings)"
    changes["network"] = ("experiment.run(network.build, run_settings)", earlier)
    target = copied("xray_flux_forecast/starting_point", tmp_path / "mine", **changes)
    check(trained(capsys, target / "network.py", "--dataset", TINY, "--epochs", 1), target)


def test_plain_shapes_in_place_of_inputs_end_in_one_line():
    from network_models.beta_vae import burgess
    from network_models.xray_flux_forecast.fdl1 import architecture as fdl1

    for network in (fdl1, burgess):
        with pytest.raises(UserError, match=r"input image: is \(32, 32, 1\); give network_models\.image_inputs\.In"):
            network.build({"image": (32, 32, 1)}, network.Options())


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
        ("value = 1\n", r"mine\.py: has no function build\(inputs, options, seed\)"),
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
