"""Training from Python gives the runs of the training scripts, and says what is wrong as they do."""

import dataclasses
import pathlib

import numpy
import pytest

from dataset_models.digits import Digits
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from dataset_models.simulated.sun import SimulatedSun
from dataset_models.solar_data import load_solar_data
from network_models import experiment, settings, trainers
from network_models.run_folder import RunFolder
from network_models.xray_flux_forecast.fdl1 import aia_only
from tools import options
from tools.errors import UserError

TINY = pathlib.Path(__file__).with_name("tiny_data.py")
SMALL = {"epochs": 1, "batch_size": 8, "conv_1_channels": 2, "conv_2_channels": 0, "pool_2_stride": 1, "dense_1_count": 4}
SMALL |= {"pool_2_width": 1, "pool_2_height": 1, "tensorboard_images": 0}


@pytest.mark.slow
def test_a_run_from_python_is_that_of_the_script(tmp_path, capsys):
    tiny = load_solar_data(TINY)
    result = trainers.train("fdl1", tiny(kind="classification"), out=tmp_path / "python", **SMALL)
    flags = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    data = ["--dataset", str(TINY), "--kind", "classification"]
    script = aia_only.main([*data, *flags, "--out", str(tmp_path / "script")])
    assert result.scores == script.scores
    ours, theirs = (one.folder.settings() for one in (result, script))
    for name in ("dataset", "data_options", "network_options", "training_options", "sample_times_sha256"):
        assert ours[name] == theirs[name], name

    text, markup = str(result), result._repr_html_()
    assert RunFolder(result.folder.path)._repr_html_() == markup
    assert str(result.folder) == str(result.folder.path)
    for words in ("tiny test data", "training 40, validation 13", str(result.folder.path), "simulated"):
        assert words in text
        assert words in markup
    for name in ("tss", "persistence_tss"):
        assert f"{result.scores[name]:.4g}" in text
    assert markup.count("data:image/png;base64,") == 1

    (result.folder.performance / "scores.json").write_text("[")
    (result.folder.performance / "loss_curve.png").unlink()
    assert "no scores" in str(result.folder.view())
    assert "<img" not in result._repr_html_()
    (result.folder.path / "settings.yml").write_text("- <i>\n")
    assert "no settings" in repr(result)
    assert "<i>" not in result._repr_html_()


@pytest.mark.parametrize("name", trainers.NAMES)
def test_every_network_has_options_that_no_two_owners_share(name):
    found = trainers.trainer(name)
    settings.refuse_clashes((found.training, found.network, SimulatedSun), pathlib.Path("sun.py"))
    assert issubclass(found.training, settings.TrainingOptions)
    assert callable(found.train)


def test_second_names_and_files_are_networks_too():
    assert trainers.trainer("alexnet") == trainers.trainer("alex")
    fdl1 = pathlib.Path(aia_only.__file__).with_name("architecture.py")
    assert trainers.trainer(fdl1).network is trainers.trainer(str(fdl1)).network is trainers.trainer("fdl1").network


@pytest.mark.parametrize(
    ("network", "values", "message"),
    [
        ("fdl2", {}, "network 'fdl2': choose from fdl1, starting_point, alex"),
        ("none.py", {}, "none.py: no such .py file"),
        ("fdl1", {"epoch": 3}, "epoch: no option of network or training; the closest is epochs"),
        ("fdl1", {"epochs": "3"}, "epochs expects int"),
        ("fdl1", {"epochs": 0}, "epochs is at least 1"),
        ("fdl1", {"days": 3}, r"days: of the data set; give it there: SimulatedSun\(days=...\)"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(network, values, message, tmp_path):
    with pytest.raises(UserError, match=message):
        trainers.train(network, SimulatedSun(), out=tmp_path / "runs", **values)
    assert not (tmp_path / "runs").exists()


def test_second_names_of_options_are_those_of_the_flags():
    found = trainers.trainer("burgess")
    keywords = {"network_folder": ".", "network": found.network, "training": found.training, "aliases": found.aliases}
    given = settings.of_objects(Digits(), {"lr": 0.5, "loss": "gaussian", "beta": 2.0}, **keywords)
    assert (given.training.learning_rate, given.network.likelihood, given.network.beta) == (0.5, "gaussian", 2.0)
    with pytest.raises(UserError, match="lr, learning_rate: are one option; give one of them"):
        settings.of_objects(Digits(), {"learning_rate": 0.5, "lr": 0.4}, **keywords)


def test_values_that_no_flag_would_take_are_refused_in_a_class_too(tmp_path):
    with pytest.raises(UserError, match="SimulatedSun: image_size is at least 16; received 8"):
        trainers.train("fdl1", SimulatedSun(image_size=8), out=tmp_path)


def test_a_class_must_be_found_again_by_its_file(tmp_path):
    typed = dataclasses.dataclass(kw_only=True)(type("Typed", (SimulatedSun,), {"__module__": "__main__"}))
    with pytest.raises(UserError, match=r"Typed: .*write the class to a \.py file"):
        settings.dataset_of(typed())
    other = dataclasses.dataclass(kw_only=True)(type("Other", (SimulatedSun,), {"__module__": SimulatedSun.__module__}))
    with pytest.raises(UserError, match=r"sun\.py: defines another data set than Other"):
        settings.dataset_of(other())
    assert settings.dataset_of(SimulatedSun()).parts[-3:] == ("dataset_models", "simulated", "sun.py")


def test_places_are_kept_as_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = FullDiskMagnetograms(folder="images", flares=("flares.csv",))
    found = trainers.trainer("alex")
    made = settings.of_objects(data, {}, network_folder=tmp_path, network=found.network, training=found.training)
    assert made.data.folder == str(tmp_path / "images")
    assert made.data.flares == (str(tmp_path / "flares.csv"),)
    absolute = FullDiskMagnetograms(**options.as_dictionary(made.data) | {"flares": made.data.flares})
    again = settings.of_objects(absolute, {}, network_folder=tmp_path, network=found.network, training=found.training)
    assert again.data is absolute  # with the samples that it keeps in memory


def test_a_run_is_taken_as_itself_its_result_or_its_path(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.write_settings({"dataset": "sun.py", "data_options": {}})
    result = experiment.Result(folder, 0, numpy.nan, {})
    assert RunFolder.of(folder) is folder
    assert RunFolder.of(result) is folder
    assert RunFolder.of(str(folder)).path == folder.path
    with pytest.raises(UserError, match="no such run folder"):
        RunFolder.of(tmp_path / "none")
