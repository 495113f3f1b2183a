"""A training run: what it leaves behind, resuming it, several devices, and bad input."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy
import pandas
import pytest

from dataset_models.solar_data import load_solar_data
from network_models import settings as settings_module
from network_models.image_inputs import Input
from network_models.run_folder import RunFolder, run_folder_of
from network_models.trained_network import load_network, open_network
from network_models.training import forecast, start
from network_models.xray_flux_forecast.fdl1 import aia_only
from network_models.xray_flux_forecast.fdl1 import architecture as fdl1
from network_models.xray_flux_forecast.starting_point import architecture as starting_point
from network_models.xray_flux_forecast.starting_point import network
from tools.errors import UserError

TINY = pathlib.Path(__file__).with_name("tiny_data.py")
QUIET = ["--tensorboard_images", "0"]  # its pictures take a third of a short run: test_tensorboard.py
SMALL = [
    *QUIET,
    "--pool_1_height",
    "2",
    "--pool_1_width",
    "2",
    "--pool_1_stride",
    "2",
    "--conv_1_stride",
    "1",
    "--conv_1_channels",
    "4",
]
SMALL += ["--pool_2_width", "1", "--pool_2_height", "1", "--pool_2_stride", "1", "--dense_1_count", "8", "--batch_size", "8"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of fdl1 with a side channel and dropout over four epochs."""
    out = tmp_path_factory.mktemp("run")
    return aia_only.main(["--dataset", str(TINY), "--out", str(out), "--epochs", "4", "--side", *SMALL])


@pytest.mark.long
def test_run_folder_is_complete(finished):
    folder = finished.folder
    assert folder.path.parent.name == "trained_models"
    assert folder.path.name[:12].isdigit()
    epochs = sorted(p.name for p in folder.epochs.iterdir())
    table = pandas.read_csv(folder.performance / "loss_and_architecture.csv")
    assert epochs == [f"weights.{row.epoch:02d}-{row.val_loss:.2f}.hdf5" for row in table.itertuples()]
    assert list(table["epoch"]) == [1, 2, 3, 4]
    assert {"loss", "val_loss", "conv_1_channels", "learning_rate", "seed", "count"} <= set(table)
    assert "conv_1" in folder.summary.read_text()
    stored = folder.settings()
    assert stored["data_options"]["side"] is True
    assert stored["network_options"]["dense_1_count"] == 8
    assert stored["samples"] == {"training": 40, "validation": 13}
    assert stored["file_count"] == 53
    assert set(stored["versions"]) >= {"python", "tensorflow", "keras"}
    assert len(stored["git_commit"]) >= 7
    assert list(folder.logs.rglob("events.out.tfevents.*"))
    assert (folder.performance / "loss_curve.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.path.rglob(".*"))


def test_a_network_opens_with_the_data_options_of_its_run(finished, tmp_path):
    trained = open_network(finished.folder.best, TINY)
    assert trained.run.path.samefile(finished.folder.path)
    assert trained.data.side
    assert trained.path == finished.folder.best
    assert not open_network(finished.folder.best, TINY, {"side": False}).data.side
    elsewhere = tmp_path / "network.hdf5"
    elsewhere.write_bytes(finished.folder.best.read_bytes())
    trained = open_network(elsewhere, TINY)
    assert (trained.run, trained.data.side) == (None, False)
    with pytest.raises(UserError, match=r"none\.hdf5: no such network file"):
        open_network(tmp_path / "none.hdf5", TINY)
    with pytest.raises(UserError, match="command line: TinySun has no option width"):
        open_network(elsewhere, TINY, {"width": 3})


def test_best_network_is_the_one_of_lowest_validation_loss(finished):
    folder = finished.folder
    table = pandas.read_csv(folder.performance / "loss_and_architecture.csv")
    best = int(table["epoch"][table["val_loss"].idxmin()])
    path = next(folder.epochs.glob(f"weights.{best:02d}-*.hdf5"))
    assert folder.best.read_bytes() == path.read_bytes()
    forecasts = pandas.read_csv(folder.performance / "validation_forecasts.csv")
    assert list(forecasts) == ["time", "prediction", "true_delta", "true_value", "prior_value", "simulated"]
    assert forecasts["time"][0] == "2016-01-01T00:00:00Z"
    error = ((forecasts["prediction"] - forecasts["true_value"]) ** 2).mean()
    assert error == pytest.approx(finished.val_loss, rel=1e-5)
    assert finished.scores["rmse"] ** 2 == pytest.approx(error, rel=1e-5)


@pytest.mark.long
def test_network_loads_in_a_process_that_knows_only_our_layers(finished):
    code = (
        "import sys, keras, network_models.layers\n"
        "model = keras.models.load_model(sys.argv[1], compile=False)\n"
        "assert not any(name.startswith(('dataset_models', 'network_models.experiment')) for name in sys.modules)\n"
        "print(sorted(model.input) if isinstance(model.input, dict) else [i.name for i in model.inputs])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(finished.folder.best)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "side_channel" in done.stdout


def test_the_network_whitens_with_statistics_of_the_training_split(finished):
    data = load_solar_data(TINY)(side=True)
    layer = load_network(finished.folder.best).get_layer("whiten_image")
    images = numpy.stack([data.inputs(time)["image"] for time in data.times("training")]).astype("float64")
    logarithm = numpy.log10(1 + numpy.maximum(images[..., 0], 0))
    assert layer.logarithmic == [True, False]
    assert numpy.asarray(layer.mean) == pytest.approx([logarithm.mean(), images[..., 1].mean()], rel=1e-5)
    assert numpy.asarray(layer.deviation) == pytest.approx([logarithm.std(), images[..., 1].std()], rel=1e-4)


@pytest.mark.long
def test_the_last_line_is_for_machines(tmp_path, capsys):
    result = aia_only.main(
        ["--dataset", str(TINY), "--out", str(tmp_path), "--epochs", "1", "--kind", "classification", *SMALL]
    )
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert line["run_folder"] == str(result.folder)
    assert line["val_loss"] == pytest.approx(result.val_loss)
    assert {"tss", "hss", "auc", "brier_skill", "persistence_tss"} <= set(line)


@pytest.mark.long
def test_an_interrupted_run_continues_to_the_same_network(finished, tmp_path):
    arguments = ["--dataset", str(TINY), "--out", str(tmp_path), "--epochs", "2", "--side", *SMALL]
    first = aia_only.main(arguments)
    (first.folder.epochs / "weights.03-9.99.hdf5").write_bytes(b"left by a run that was killed")
    with open(first.folder.performance / "loss_and_architecture.csv", "a") as file:
        file.write("3,9,9.99\n")
    second = aia_only.main(["--resume", str(first.folder), "--epochs", "4"])
    table = pandas.read_csv(second.folder.performance / "loss_and_architecture.csv")
    whole = pandas.read_csv(finished.folder.performance / "loss_and_architecture.csv")
    assert list(table["epoch"]) == [1, 2, 3, 4]
    numpy.testing.assert_allclose(table[["loss", "val_loss"]], whole[["loss", "val_loss"]], rtol=1e-6)
    ours, theirs = (load_network(f.folder.best).get_weights() for f in (second, finished))
    for a, b in zip(ours, theirs, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.long
def test_a_mixed_precision_run_is_continued(tmp_path):
    """Its optimizer is wrapped by one that scales the loss, which Keras builds but once."""
    flags = ["--dataset", str(TINY), "--mixed_precision", *SMALL]
    whole = aia_only.main([*flags, "--out", str(tmp_path / "whole"), "--epochs", "3"])
    first = aia_only.main([*flags, "--out", str(tmp_path), "--epochs", "2"])
    second = aia_only.main(["--resume", str(first.folder), "--epochs", "3"])
    with numpy.load(second.folder.state) as ours, numpy.load(whole.folder.state) as theirs:
        assert sorted(ours.files) == sorted(theirs.files)
        for name in set(ours.files) - {"state"}:
            numpy.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("adam", -0.1),  # the sign of the first gradient
        ("sgd", -0.1 * 2),
        ("adadelta", -0.1 * 2 * numpy.sqrt(1e-8 / (0.05 * 2**2 + 1e-8))),
    ],
)
def test_the_first_step_of_each_optimizer(name, step):
    import keras

    variable = keras.Variable([0.0])
    optimizer = forecast.optimizer_of(settings_module.TrainingOptions(optimizer=name, learning_rate=0.1))
    optimizer.apply([keras.ops.convert_to_tensor([2.0])], [variable])
    assert float(variable.numpy()[0]) == pytest.approx(step, rel=1e-4)


@pytest.mark.slow
def test_a_run_with_adadelta_and_the_absolute_error_is_continued(tmp_path):
    """As FlareNet trained; the loss is the mean of the error that the forecasts have."""
    flags = ["--dataset", str(TINY), *SMALL]
    flags += ["--optimizer", "adadelta", "--learning_rate", "1", "--regression_error", "absolute"]
    whole = aia_only.main([*flags, "--out", str(tmp_path / "whole"), "--epochs", "2"])
    forecasts = pandas.read_csv(whole.folder.performance / "validation_forecasts.csv")
    assert (forecasts["prediction"] - forecasts["true_value"]).abs().mean() == pytest.approx(whole.val_loss, rel=1e-5)
    first = aia_only.main([*flags, "--out", str(tmp_path), "--epochs", "1"])
    second = aia_only.main(["--resume", str(first.folder), "--epochs", "2"])
    with numpy.load(second.folder.state) as ours, numpy.load(whole.folder.state) as theirs:
        assert sorted(ours.files) == sorted(theirs.files)
        for name in set(ours.files) - {"state"}:
            numpy.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.long
def test_a_run_that_was_stopped_and_is_asked_for_more_has_its_patience_again(tmp_path):
    """With a rate of 0 nothing gets better: two epochs of patience end the run after the third."""
    flags = ["--dataset", str(TINY), "--out", str(tmp_path), "--learning_rate", "0", "--patience", "2", *SMALL]
    first = aia_only.main([*flags, "--epochs", "8"])
    assert first.epochs == 3
    with pytest.raises(UserError, match="already has 3 epochs"):
        aia_only.main(["--resume", str(first.folder)])
    assert aia_only.main(["--resume", str(first.folder), "--epochs", "9"]).epochs == 5


@pytest.mark.long
def test_a_run_that_starts_from_a_saved_network(finished, tmp_path):
    flags = ["--epochs", "1", "--side", "--learning_rate", "0", "--start_from", str(finished.folder.best)]
    result = run("--out", tmp_path / "same", *flags)
    assert result.val_loss == pytest.approx(finished.val_loss, rel=1e-6)
    with pytest.raises(UserError, match=r"--start_from .*best_performing\.hdf5: has other layers than this network"):
        run("--out", tmp_path / "other", *flags, "--conv_1_channels", "5")
    with pytest.raises(UserError, match=r"none\.hdf5: no such network file"):
        run("--out", tmp_path / "other", *flags[:-1], tmp_path / "none.hdf5")
    assert not (tmp_path / "other").exists()


@pytest.mark.long
def test_states_on_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    folder = run("--out", tmp_path, "--epochs", "2").folder
    with numpy.load(folder.state) as last, numpy.load(folder.path / "training_state_before.npz") as before:
        assert [json.loads(str(one["state"]))["finished_epochs"] for one in (last, before)] == [2, 1]
    assert folder.best.read_bytes() in [path.read_bytes() for path in folder.epochs.iterdir()]


@pytest.mark.long
def test_two_devices_give_the_losses_of_one(tmp_path):
    """13 validation and 40 training samples in batches of 8 and of 6: the last batch is uneven."""
    tables = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        arguments = [
            "--dataset",
            str(TINY),
            "--out",
            str(out),
            "--epochs",
            "3",
            "--dropout_rate",
            "0",
            "--count",
            "39",
            "--optimizer",
            "sgd",
        ]
        arguments += [*SMALL[:-1], "6", "--devices", devices]
        if devices == "1":
            aia_only.main(arguments)
        else:  # TensorFlow takes the number of devices once in a process
            done = subprocess.run([sys.executable, aia_only.__file__, *arguments], capture_output=True, text=True, timeout=240)
            assert done.returncode == 0, done.stderr[-2000:]
        tables.append(pandas.read_csv(next(out.rglob("loss_and_architecture.csv"))))
    one, two = tables
    numpy.testing.assert_allclose(two[["loss", "val_loss"]], one[["loss", "val_loss"]], rtol=1e-5)


@pytest.mark.long
def test_classification_with_side_channel_in_the_starting_point(tmp_path):
    arguments = ["--dataset", str(TINY), "--out", str(tmp_path), "--epochs", "12", "--kind", "classification", "--side"]
    result = network.main(
        [*arguments, *QUIET, "--block_channels", "8", "16", "--dropout_rate", "0", "--learning_rate", "0.01", "--count", "120"]
    )
    assert result.scores["tss"] > 0.6
    table = pandas.read_csv(result.folder.performance / "loss_and_architecture.csv")
    assert {"tss", "hss", "val_tss", "val_hss"} <= set(table)


def test_all_layers_can_be_left_out():
    options = fdl1.Options(
        conv_1_channels=0,
        conv_2_channels=0,
        dense_1_count=0,
        **dict.fromkeys([f"pool_{i}_{part}" for i in (1, 2) for part in ("width", "height", "stride")], 1),
    )
    model = fdl1.build({"image": Input((16, 16, 2))}, options)
    names = [layer.name for layer in model.layers]
    assert names == ["image", "whiten_image", "flatten", "dropout", "output"]
    assert model.count_params() == 16 * 16 * 2 + 1 + 4


def test_a_strided_1x1_convolution_trains():
    import keras

    options = fdl1.Options(conv_1_width=1, conv_1_height=1, conv_1_stride=2, conv_1_channels=3, conv_2_channels=0)
    model = fdl1.build({"image": Input((32, 32, 4))}, options)
    whole = fdl1.build({"image": Input((32, 32, 4))}, dataclasses.replace(options, conv_1_stride=1))
    images = numpy.random.default_rng(0).random((4, 32, 32, 4), "float32")
    layers = [keras.Model(one.input, one.get_layer("conv_1").output) for one in (model, whole)]
    layers[1].set_weights(layers[0].get_weights())
    numpy.testing.assert_allclose(layers[0]({"image": images}), layers[1]({"image": images})[:, ::2, ::2], rtol=1e-5)
    model.compile("sgd", "mse")
    model.train_on_batch({"image": images}, numpy.ones((4, 1)))  # crashes the process where TensorFlow strides it itself


def test_several_images_are_stacked():
    image = Input((64, 64, 2), (True, False))
    inputs = {"image": image, "image_prior_1": image, "side_channel": Input((4,))}
    for architecture in (fdl1, starting_point):
        model = architecture.build(inputs, architecture.Options())
        assert {tensor.name for tensor in model.inputs} == set(inputs)
        assert model.get_layer("whiten_image_prior_1").logarithmic == [True, False]
        assert model.get_layer("whiten_side_channel").logarithmic == [False] * 4
        assert model.output_shape == (None, 1)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"sequence": (6, 64, 64, 1)}, "takes images and at most one side channel; the data set has sequence 6x64x64x1"),
        ({"image": (64, 64, 1), "image_prior_1": (32, 32, 1)}, "images of one size"),
        ({"side_channel": (4,)}, "the data set has side_channel 4"),
    ],
)
def test_data_without_the_images_that_a_network_takes(shapes, words):
    for architecture in (fdl1, starting_point):
        with pytest.raises(UserError, match=words):
            architecture.build({name: Input(shape) for name, shape in shapes.items()}, architecture.Options())


def run(*arguments):
    return aia_only.main(["--dataset", str(TINY), *SMALL, *map(str, arguments)])


def test_bad_input_is_one_line(tmp_path, finished):
    cases = {
        "the training split is empty": ["--count", 0],
        "larger than the": ["--conv_1_width", 17],
        "more than 150,000,000 parameters": ["--conv_2_channels", 4096, "--dense_1_count", 65_536],
        r"T03:00:00\.fits: is damaged": ["--broken", 3],
        "seed is at most": ["--seed", 2**32],
        "--xla: cannot be combined with --devices 2 without GPUs": ["--xla", "--devices", 2],
    }
    for number, (message, arguments) in enumerate(cases.items()):
        out = tmp_path / str(number)
        with pytest.raises(UserError, match=message) as raised:
            run("--out", out, *arguments)
        assert "\n" not in str(raised.value)
        assert not list(out.rglob("*.hdf5"))
    with pytest.raises(UserError, match="no such run folder"):
        aia_only.main(["--resume", str(tmp_path / "none")])
    with pytest.raises(UserError, match="is not a run folder"):
        aia_only.main(["--resume", str(tmp_path)])
    with pytest.raises(UserError, match="remove --seed"):
        aia_only.main(["--resume", str(finished.folder), "--seed", "3"])
    with pytest.raises(UserError, match="already has 4 epochs"):
        aia_only.main(["--resume", str(finished.folder)])
    with pytest.raises(UserError, match="has no option"):
        network.main(["--resume", str(finished.folder), "--epochs", "9"])


def test_a_damaged_state_is_named(finished, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished.folder.path, copy)
    state = copy / "training_state.npz"
    state.write_bytes(state.read_bytes()[:500])
    before = copy / "training_state_before.npz"
    before.rename(copy / "kept.npz")
    with pytest.raises(UserError, match=r"training_state\.npz: cannot be read"):
        aia_only.main(["--resume", str(copy), "--epochs", "9"])
    state.unlink()
    with pytest.raises(UserError, match="start a new one"):
        aia_only.main(["--resume", str(copy), "--epochs", "9"])


def test_two_runs_in_one_minute_get_two_folders(tmp_path):
    import datetime

    now = datetime.datetime(2017, 7, 4, 12, 30)
    names = [RunFolder.create(tmp_path, now=now).path.name for _ in range(3)]
    assert names == ["201707041230", "201707041230_2", "201707041230_3"]


def test_run_folder_of_a_network(finished, tmp_path):
    assert run_folder_of(finished.folder.best).path == finished.folder.path.resolve()
    assert run_folder_of(next(finished.folder.epochs.iterdir())).path == finished.folder.path.resolve()
    assert run_folder_of(tmp_path / "x.hdf5") is None
    assert finished.folder.data_options(TINY)["side"] is True
    assert finished.folder.data_options(tmp_path / "other.py") == {}


def test_networks_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no such network file"):
        load_network(tmp_path / "none.hdf5")
    (tmp_path / "text.hdf5").write_text("not a network")
    with pytest.raises(UserError, match=r"text.hdf5: cannot be read as a saved network"):
        load_network(tmp_path / "text.hdf5")


def test_networks_that_carry_code_are_refused(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)])
    import logging

    logging.getLogger("absl").setLevel(logging.ERROR)
    model.save(tmp_path / "code.hdf5")
    with pytest.raises(UserError, match="cannot be read as a saved network"):
        load_network(tmp_path / "code.hdf5")


def test_help_lists_the_options_of_the_data_set(capsys):
    with pytest.raises(SystemExit) as stopped:
        settings_module.parse(["--dataset", str(TINY), "--help"], "words", network_folder=".", network=fdl1.Options)
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "--conv_1_channels" in text
    assert "--kind" in text


def test_options_must_not_clash(tmp_path):
    copy = tmp_path / "clash.py"
    copy.write_text(TINY.read_text().replace("broken", "seed"))
    with pytest.raises(UserError, match="option seed is also an option of TrainingOptions"):
        settings_module.parse(["--dataset", str(copy)], "words", network_folder=".", network=fdl1.Options)


def test_statistics_of_a_constant_channel_do_not_divide_by_zero():
    import keras

    from network_models.layers import Whiten

    layer = Whiten([False])
    model = keras.Sequential([keras.Input((4, 4, 1)), layer])
    layer.set_statistics([3.0], [0.0])
    assert numpy.asarray(model(numpy.full((1, 4, 4, 1), 3.0, "float32"))) == pytest.approx(numpy.zeros((1, 4, 4, 1)))
    assert start.LARGEST == 150_000_000


def test_statistics_of_a_constant_channel_are_exact():
    """Of values whose mean and mean square round: 0.1 squared is not what the mean of its squares comes to."""
    from types import SimpleNamespace

    import keras

    from network_models.layers import Whiten
    from network_models.training.start import fit_statistics

    model = keras.Sequential([keras.Input((3, 3, 2), name="image"), Whiten([False, False], name="whiten_image")])
    random = numpy.random.default_rng(0)
    images = random.normal(5, 2, (7, 3, 3, 2)).astype("float32")
    images[..., 0] = 0.1
    data = SimpleNamespace(
        times=lambda split: numpy.arange(7), input_shapes={"image": (3, 3, 2)}, inputs=lambda time: {"image": images[time]}
    )
    fit_statistics(model, data)
    layer = model.layers[0]
    assert numpy.asarray(layer.deviation) == pytest.approx([1.0, images[..., 1].std()])
    assert numpy.asarray(layer.mean) == pytest.approx([0.1, images[..., 1].mean()])
    assert not numpy.asarray(model(images))[..., 0].any()


def test_statistics_beyond_float16_whiten_under_mixed_precision():
    import keras

    from network_models.layers import Whiten

    layer = Whiten([False, True], dtype="mixed_float16")
    model = keras.Sequential([keras.Input((1, 1, 2)), layer])
    layer.set_statistics([200_000.0, 4.0], [100_000.0, 0.5])
    image = numpy.array([[[[350_000.0, 99_999.0]]]], "float32")
    whitened = model(image)
    assert keras.backend.standardize_dtype(whitened.dtype) == "float16"
    assert numpy.asarray(whitened).ravel() == pytest.approx([1.5, 2.0], abs=1e-3)
