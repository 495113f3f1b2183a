"""Presets and settings files: what they set, what wins over them, what is refused."""

import pathlib

import numpy
import pytest
import yaml

from dataset_models.solar_data import load_solar_data
from network_models import presets, settings
from network_models.image_inputs import Input
from network_models.xray_flux_forecast.fdl1 import aia_only
from network_models.xray_flux_forecast.fdl1 import architecture as fdl1
from network_models.xray_flux_forecast.starting_point import architecture as starting_point
from network_models.xray_flux_forecast.starting_point import network
from tools import options
from tools.errors import UserError

TINY = pathlib.Path(__file__).with_name("tiny_data.py")
SMALL = {"pool_1_width": 2, "pool_1_height": 2, "pool_1_stride": 2, "conv_1_channels": 4, "dense_1_count": 8, "batch_size": 8}


def parsed(module, *arguments):
    return settings.parse(
        ["--dataset", str(TINY), *map(str, arguments)],
        "",
        network_folder=TINY.parent,
        network=module.Options,
        presets=module.PRESETS,
    )


def layers_of(module, preset, size=64):
    values = {name: value for name, value in module.PRESETS[preset].values.items() if name in options.fields(module.Options)}
    return module.build({"image": Input((size, size, 8), (True,) * 8)}, module.Options(**values))


# The networks of FlareNet


def test_fdl1_as_flarenet_had_it_pools_before_it_convolves():
    """Shapes by hand: 64 -> pool 16 -> 8 channels of 4 x 4 -> pool 4 -> 8 channels of 2 x 2 -> 16 units -> 1."""
    model = layers_of(fdl1, "flarenet")
    names = [layer.name for layer in model.layers]
    assert names == ["image", "whiten_image", "pool_1", "conv_1", "pool_2", "conv_2", "flatten", "dropout", "dense_1", "output"]
    shapes = [model.get_layer(name).output.shape[1:] for name in ("pool_1", "conv_1", "pool_2", "conv_2", "flatten")]
    assert shapes == [(16, 16, 8), (16, 16, 8), (4, 4, 8), (4, 4, 8), (128,)]
    assert model.get_layer("conv_1").kernel.shape == (4, 4, 8, 8)
    assert model.get_layer("dropout").rate == 0.3
    chosen = parsed(fdl1, "--preset", "flarenet").training
    assert (chosen.epochs, chosen.batch_size, chosen.steps_per_epoch, chosen.validation_steps) == (10, 32, 100, 32)
    assert (chosen.optimizer, chosen.learning_rate, chosen.regression_error) == ("adadelta", 1.0, "absolute")


def test_the_starting_point_as_flarenet_had_it():
    model = layers_of(starting_point, "flarenet", size=256)
    kernels = [model.get_layer(f"block_{block}_conv_{number}").kernel.shape for block in (1, 2, 3) for number in (1, 2)]
    assert kernels == [(16, 16, 8, 16), (16, 16, 16, 16), (8, 8, 16, 32), (8, 8, 32, 32), (8, 8, 32, 64), (8, 8, 64, 64)]
    assert [model.get_layer(f"block_{block}_pool").output.shape[1] for block in (1, 2, 3)] == [32, 4, 1]
    assert model.get_layer("flatten").output.shape == (None, 64)
    assert [weight.path for weight in model.trainable_weights if weight.name == "bias"] == ["output/bias"]
    assert model.get_layer("dense_1").units == 10
    with pytest.raises(UserError, match=r"--pool_sizes: 2 sizes for 4 blocks"):
        starting_point.build({"image": Input((64, 64, 1))}, starting_point.Options(pool_sizes=(2, 2)))


# What wins


def test_flags_win_over_a_file_that_over_a_preset_that_over_defaults(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("batch_size: 7\nepochs: 3\nlearning_rate: 1e-2\nkind: classification\n")
    chosen = parsed(fdl1, "--preset", "flarenet", "--settings", file, "--epochs", 2)
    training = chosen.training
    assert (training.epochs, training.batch_size, training.steps_per_epoch, training.patience) == (2, 7, 100, 0)
    assert training.learning_rate == 0.01  # which YAML takes for a text
    assert chosen.data.kind == "classification"
    assert chosen.network.pool_first is True
    assert parsed(fdl1, "--preset", "flarenet", "--no-pool_first").network.pool_first is False
    assert parsed(fdl1).training == settings.TrainingOptions()


def test_help_lists_the_presets_and_shows_their_values(capsys):
    with pytest.raises(SystemExit):
        parsed(fdl1, "--preset", "flarenet", "--help")
    shown = capsys.readouterr().out
    assert "flarenet: FlareNet's fdl1/aia_only.py" in shown
    assert "the default: 32" not in shown
    assert "samples per step, over all devices together (default: 32)" in " ".join(shown.split())


@pytest.mark.long
def test_settings_of_a_run_begin_a_new_one(tmp_path):
    flags = options.as_flags(SMALL | {"epochs": 1, "count": 24}).split()
    first = aia_only.main(["--dataset", str(TINY), "--out", str(tmp_path / "first"), *flags])
    second = aia_only.main(["--settings", str(first.folder.settings_file), "--out", str(tmp_path / "second")])
    assert second.val_loss == pytest.approx(first.val_loss, rel=1e-6)
    ours, theirs = (result.folder.settings() for result in (second, first))
    for section in ("dataset", "data_options", "network_options", "training_options"):
        assert ours[section] == theirs[section]
    # With another data set its options stay behind.
    other = settings.parse(
        ["--settings", str(first.folder.settings_file), "--dataset", "dataset_models/digits.py"],
        "",
        network_folder=tmp_path,
        network=fdl1.Options,
    )
    assert (other.training.batch_size, other.network.dense_1_count) == (8, 8)
    # The file goes into the run: what is resumed needs it no more.
    with pytest.raises(UserError, match="--resume continues the run as it is; remove --settings"):
        aia_only.main(["--resume", str(first.folder), "--settings", str(first.folder.settings_file), "--epochs", "2"])
    assert aia_only.main(["--resume", str(second.folder), "--epochs", "2", "--readers", "1", "--cpu"]).epochs == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3\nconv_3_channels: 2\n", "mine.yml: no option is called conv_3_channels, epoch; --help lists"),
        ("training_options: {epoch: 3}\n", "mine.yml: TrainingOptions has no option epoch"),
        ("network_options: 3\n", "mine.yml: network_options is no section of options"),
        ("epochs: many\n", "mine.yml: epochs expects int, received 'many'"),
        ("epochs: 0\n", "mine.yml: epochs is at least 1"),
        ("epochs: 3\ntraining_options: {epochs: 4}\n", "mine.yml: epochs stands twice"),
        ("[1, 2]\n", "mine.yml: holds a list where an object belongs"),
        ("3: 4\n", "mine.yml: no option is called 3"),
        ("dataset: [1]\n", "mine.yml: dataset is no text"),
        ("epochs: [\n", "mine.yml: is no sound YAML"),
        ("dataset: nowhere.py\n", "nowhere.py: no such data set file"),
    ],
)
def test_bad_settings_files_are_one_line(text, message, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        settings.parse(["--settings", str(file)], "", network_folder=tmp_path, network=fdl1.Options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_presets_and_files_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="--preset fdl: is unknown; presets are flarenet"):
        parsed(fdl1, "--preset", "fdl")
    with pytest.raises(UserError, match="this network has none"):
        settings.parse(["--preset", "x"], "", network_folder=tmp_path, network=fdl1.Options)
    with pytest.raises(UserError, match=r"none\.yml"):
        parsed(fdl1, "--settings", tmp_path / "none.yml")


def test_times_in_a_file_need_no_quotes(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("validation_start: 2012-05-01\nend: 2013-01-01T00:00:00\n")
    found = presets.read(file).values(
        (settings.TrainingOptions, fdl1.Options, load_solar_data("dataset_models/SDO/HMI/full_disk.py")),
        dataset=TINY,
        architecture=None,
        aliases={},
    )
    assert list(found.values())[2] == {"validation_start": "2012-05-01", "end": "2013-01-01T00:00:00"}


def test_a_copied_network_brings_its_own_presets(tmp_path):
    from network_models import network_file

    copy = tmp_path / "architecture.py"
    copy.write_text(
        pathlib.Path(starting_point.__file__).read_text() + '\nPRESETS = {"mine": Preset("mine", {"kernel_size": 5})}\n'
    )
    assert list(network_file.load(copy).presets) == ["mine"]


# A first look: steps capped


@pytest.mark.slow
def test_a_capped_run_is_resumed_to_the_same_network(tmp_path):
    """Two of five steps, one of two batches of validation; other samples in every epoch."""
    flags = options.as_flags(SMALL | {"steps_per_epoch": 2, "validation_steps": 1, "dropout_rate": 0.2}).split()
    flags = ["--dataset", str(TINY), *flags]
    whole = aia_only.main([*flags, "--out", str(tmp_path / "whole"), "--epochs", "3", "--checkpoint_steps", "1"])
    first = aia_only.main([*flags, "--out", str(tmp_path / "part"), "--epochs", "1"])
    second = aia_only.main(["--resume", str(first.folder), "--epochs", "3"])
    with numpy.load(second.folder.state) as ours, numpy.load(whole.folder.state) as theirs:
        for name in set(ours.files) - {"state"}:
            numpy.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-7, err_msg=name)
    import csv

    with open(whole.folder.performance / "loss_and_architecture.csv") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        parts = float(row["training_seconds"]), float(row["validation_seconds"])
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(float(row["seconds"]), abs=0.002)
    scored = (whole.folder.performance / "validation_forecasts.csv").read_text().splitlines()
    assert len(scored) == 14  # the scores are those of the whole split


def test_capped_epochs_are_the_beginnings_of_whole_ones():
    data = load_solar_data(TINY)()
    assert data.steps("training", 8) == 5
    assert data.steps("training", 8, most_steps=2) == 2
    assert data.steps("training", 8, most_steps=9) == 5

    def targets(first_epoch, steps, **keywords):
        batches = data.pipeline("training", batch_size=8, seed=1, first_epoch=first_epoch, **keywords)
        return numpy.concatenate([target for _, target in batches.take(steps).as_numpy_iterator()])

    whole = [targets(epoch, 5) for epoch in (0, 1)]
    capped = targets(0, 4, most_steps=2).reshape(2, 16)
    for ours, theirs in zip(capped, whole, strict=True):
        numpy.testing.assert_array_equal(ours, theirs[:16])
    assert not numpy.array_equal(*capped)
    numpy.testing.assert_array_equal(targets(0, 3, most_steps=2, first_step=1), numpy.concatenate([capped[0][8:], capped[1]]))
    spread = numpy.concatenate([t for _, t in data.pipeline("validation", batch_size=2, most_steps=2).as_numpy_iterator()])
    numpy.testing.assert_array_equal(spread, data.targets("validation")[[0, 4, 8, 12]])


@pytest.mark.long
def test_rows_of_a_run_from_before_keep_their_columns(tmp_path):
    """Its table has seconds alone, its settings no caps."""
    flags = ["--dataset", str(TINY), *options.as_flags(SMALL).split(), "--out", str(tmp_path), "--epochs", "1"]
    folder = aia_only.main(flags).folder
    stored = folder.settings()
    for name in ("steps_per_epoch", "validation_steps", "readers", "cpu"):
        del stored["training_options"][name]
    del stored["network_options"]["pool_first"]
    folder.write_settings(stored)
    table = folder.performance / "loss_and_architecture.csv"
    header, row = (line.split(",") for line in table.read_text().splitlines())
    new = {"training_seconds", "validation_seconds", "steps_per_epoch", "validation_steps", "readers", "cpu", "pool_first"}
    kept = [place for place, name in enumerate(header) if name not in new]
    assert len(kept) == len(header) - len(new)
    table.write_text("".join(",".join(line[place] for place in kept) + "\n" for line in (header, row)))
    assert aia_only.main(["--resume", str(folder), "--epochs", "2"]).epochs == 2
    lines = table.read_text().splitlines()
    assert lines[0].split(",") == [header[place] for place in kept]
    assert len(lines) == 3


def test_yaml_of_a_run_is_what_the_new_one_reads(tmp_path):
    """Sections of another network are left out, those of the training stay."""
    file = tmp_path / "settings.yml"
    stored = {
        "architecture": "vgg",
        "network_options": {"dropout": 0.1},
        "training_options": {"epochs": 4},
        "started": "",
        "versions": {},
    }
    file.write_text(yaml.safe_dump(stored | {"git_commit": "x"}))
    owners = (settings.TrainingOptions, fdl1.Options, load_solar_data(TINY))
    found = presets.read(file).values(owners, dataset=TINY, architecture="alex", aliases={})
    assert list(found.values()) == [{"epochs": 4}, {}, {}]
    with pytest.raises(UserError, match="Options has no option dropout"):
        presets.read(file).values(owners, dataset=TINY, architecture="vgg", aliases={})


def test_the_script_of_a_network_offers_its_presets(capsys):
    with pytest.raises(SystemExit):
        network.main(["--help"])
    assert "--kernel_sizes 16 8 8 --pool_sizes 8 8 4" in " ".join(capsys.readouterr().out.split())
