"""Training of the full-disk networks: flags, folds, balancing, schedules, resuming, what is written, bad input."""

import json
import pathlib
import subprocess
import sys

import numpy
import pandas
import pytest
from PIL import Image

from dataset_models.flare_labels import image_names
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from network_models import settings
from network_models.distribution import weighted_batches
from network_models.full_disk_flare_forecast import train
from network_models.full_disk_flare_forecast.training_options import FullDiskTraining
from network_models.trained_network import load_network
from network_models.training import schedules
from tools import skill_scores
from tools.errors import UserError

HERE = pathlib.Path(__file__).parent
QUIET = ["--tensorboard_images", 0]  # its pictures take a third of a short run: test_tensorboard.py
START = numpy.array(["2020-02-01", "2020-05-01", "2020-08-01", "2020-11-01"], "datetime64[s]")
FLARES = START[:, None] + numpy.array([50, 150], "timedelta64[h]")  # of quarters: M2.0 each


@pytest.fixture(scope="module")
def sun(tmp_path_factory):
    """Nine days of pictures in each quarter of 2020, every six hours; a bright spot in the 24 h before each flare."""
    folder = tmp_path_factory.mktemp("hmi")
    random = numpy.random.default_rng(1)
    times = (START[:, None] + numpy.arange(0, 216, 6) * numpy.timedelta64(1, "h")).ravel()
    for time, name in zip(times, image_names(times), strict=True):
        picture = random.integers(90, 110, (32, 32), dtype="uint8")
        ahead = FLARES.ravel() - time
        if ((ahead > numpy.timedelta64(0)) & (ahead < numpy.timedelta64(24, "h"))).any():
            row, column = random.integers(6, 22, 2)
            picture[row : row + 6, column : column + 6] = 250
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=95)
    lines = [f"{time},M2.0" for time in FLARES.ravel()] + ["2020-01-01T00:00:00,C1.0", "2020-12-30T00:00:00,C1.0"]
    (folder / "flares.csv").write_text("start_time,goes_class\n" + "\n".join(line.replace("T", " ") for line in lines) + "\n")
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """--models cnn is a network small enough for a test."""
    monkeypatch.syspath_prepend(str(HERE))
    import small_full_disk

    monkeypatch.setitem(train.NETWORKS, "cnn", small_full_disk)


def arguments(sun, out, *more, models="cnn"):
    data = ["--folder", sun, "--flares", sun / "flares.csv", "--im_size", 32]
    return [str(part) for part in ["--models", models, *data, "--out", out, "--batch_size", 16, *QUIET, *more]]


def table_of(result):
    return pandas.read_csv(result.folder.performance / "loss_and_architecture.csv")


def same_run(one, other):
    names = ["loss", "val_loss", "tss", "hss", "val_tss", "val_hss", "rate"]
    ours, theirs = table_of(one), table_of(other)
    assert list(ours["epoch"]) == list(theirs["epoch"])
    numpy.testing.assert_allclose(ours[names], theirs[names], rtol=1e-5, atol=1e-6)
    for name in ("best", "most_skilful"):
        pair = [load_network(getattr(run.folder, name)).get_weights() for run in (one, other)]
        for a, b in zip(*pair, strict=True):
            numpy.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def learned(sun, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        import small_full_disk

        patch.setitem(train.NETWORKS, "cnn", small_full_disk)
        more = ["--fold", 2, "--epochs", 12, "--max_lr", 0.05, "--weight_decay", 1e-4]
        return train.main(arguments(sun, tmp_path_factory.mktemp("learned"), *more))


@pytest.mark.long
def test_a_run_of_a_published_fold(learned):
    folder = learned.folder
    table = table_of(learned)
    assert {"loss", "tss", "hss", "val_loss", "val_tss", "val_hss", "rate", "seconds"} <= set(table)
    assert (table["seconds"] > 0).all()
    predictions = pandas.read_csv(folder.performance / "validation_predictions.csv")
    assert list(predictions) == ["time", "probability", "target"]
    assert predictions["time"].str[5:7].isin(["05"]).all()
    assert predictions["target"].sum() == 4 + 3  # 2, 8, 14, 20 h before the first; 6, 12, 18 h before the second, not 0, 24 h
    stored = folder.settings()
    assert stored["architecture"] == "cnn"
    assert stored["data_options"]["fold"] == 2
    assert stored["overlapping_windows"] == 0
    assert learned.scores["tss"] > 0.8


def test_most_skilful_is_chosen_by_tss_while_hss_holds(learned):
    table = table_of(learned)
    chosen, tss, hss = None, None, None
    for row in table.itertuples():
        if chosen is None or (row.val_tss > tss and row.val_hss - hss >= -0.02):
            chosen, tss, hss = row.epoch, row.val_tss, row.val_hss
    expected = next(learned.folder.epochs.glob(f"weights.{chosen:02d}-*.hdf5"))
    assert learned.folder.most_skilful.read_bytes() == expected.read_bytes()
    predictions = pandas.read_csv(learned.folder.performance / "validation_predictions.csv")
    found = skill_scores.contingency_table(predictions["probability"], predictions["target"])
    assert skill_scores.true_skill_statistic(found) == pytest.approx(tss, abs=1e-6)
    assert learned.scores["most_skilful_tss"] == pytest.approx(tss, abs=1e-6)
    assert learned.scores["most_skilful_hss"] == pytest.approx(hss, abs=1e-6)


def test_the_loss_is_the_weighted_mean_of_the_cross_entropy(learned):
    """Weights of the training split: the share of flares for quiet windows, that of quiet windows for flares."""
    data = settings_of(learned).data
    rate = data.targets("training").mean(dtype="float64")
    forecasts = pandas.read_csv(learned.folder.performance / "validation_forecasts.csv")
    truth, probability = forecasts["true_value"], forecasts["prediction"]
    loss = -numpy.log(numpy.where(truth == 1, probability, 1 - probability))
    weight = numpy.where(truth == 1, 1 - rate, rate)
    assert (weight * loss).sum() / weight.sum() == pytest.approx(learned.val_loss, rel=1e-3)
    assert loss.mean() != pytest.approx(learned.val_loss, rel=1e-3)


def settings_of(result):
    chosen = settings.parse(
        ["--resume", str(result.folder)],
        "",
        network_folder=HERE,
        choose_network=train.choice(),
        training=FullDiskTraining,
    )
    return chosen


def test_the_rate_of_one_cycle_is_written(learned):
    table = table_of(learned)
    steps = -(-settings_of(learned).data.times("training").size // 16)
    expected = [schedules.one_cycle(steps * epoch - 1, steps * 12, 0.05)[0] for epoch in table["epoch"]]
    numpy.testing.assert_allclose(table["rate"], expected, rtol=1e-5)


class Interruption(Exception):
    """The machine is switched off."""


@pytest.mark.parametrize(
    "more",
    [
        ["--schedule", "onecycle", "--max_lr", 0.05, "--balance", "augment"],
        ["--schedule", "plateau", "--lr", 0.5, "--factor", 0.5, "--plateau_epochs", 0, "--momentum", 0.9, "--history"],
        [
            "--schedule",
            "steps",
            "--lr",
            0.05,
            "--step_every",
            2,
            "--balance",
            "both",
            "--augment_quiet",
            "--steps_per_epoch",
            3,
        ],
        pytest.param(
            ["--schedule", "halving", "--lr", 0.05, "--halve_every", 2, "--balance", "none", "--optimizer", "adam"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["one cycle, augmented", "plateau, history", "steps, both, capped", "halving, Adam"],
)
@pytest.mark.long
def test_an_interrupted_run_continues_as_if_it_had_not_been(sun, tmp_path, monkeypatch, more):
    from network_models.training.state import TrainingState

    run = arguments(sun, tmp_path, "--epochs", 4, "--fold", 1, *more)
    whole = train.main(run)
    keep = TrainingState.on_epoch_end

    def interrupted(self, epoch, logs=None):
        keep(self, epoch, logs)
        if epoch == 1:
            raise Interruption

    monkeypatch.setattr(TrainingState, "on_epoch_end", interrupted)
    with pytest.raises(Interruption):
        train.main(run)
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setitem(train.NETWORKS, "cnn", __import__("small_full_disk"))
    (folder,) = [path for path in (tmp_path / "trained_models").iterdir() if path != whole.folder.path]
    continued = train.main(["--resume", str(folder)])
    assert continued.folder.path == folder
    same_run(continued, whole)
    assert table_of(whole)["rate"].nunique() > 1


def test_one_cycle_has_a_planned_end(learned):
    with pytest.raises(UserError, match="ends at epoch 12"):
        train.main(["--resume", str(learned.folder), "--epochs", "20"])
    with pytest.raises(UserError, match="remove --models"):
        train.main(["--resume", str(learned.folder), "--models", "vgg"])


@pytest.mark.long
def test_the_simulated_sun_comes_as_full_disk_magnetograms_do(tmp_path):
    flags = ["--models", "cnn", "--dataset", str(HERE.parents[1] / "dataset_models/simulated/sun.py"), "--days", "365"]
    result = train.main([*flags, "--im_size", "32", "--epochs", "1", "--out", str(tmp_path)])
    stored = result.folder.settings()["data_options"]
    assert (stored["channel_set"], stored["magnetogram_unit"], stored["dependent_variable"]) == ("hmi", "grey", "flare")


@pytest.mark.long
def test_the_plateau_schedule_does_not_stop_training(sun, tmp_path):
    """--plateau_epochs is that of the schedule; --patience ends the training, as everywhere."""
    more = ["--fold", 1, "--schedule", "plateau", "--plateau_epochs", 0, "--lr", 0, "--balance", "none"]
    assert train.main(arguments(sun, tmp_path, "--epochs", 3, *more)).epochs == 3
    assert train.main(arguments(sun, tmp_path, "--epochs", 6, "--patience", 1, *more)).epochs == 2


def test_weights_of_a_batch_make_a_sum_the_weighted_mean():
    import tensorflow

    target = numpy.array([1, 0, 0], "float32")
    image = numpy.arange(3, dtype="float32")[:, None]
    for replicas, count in ((1, 3), (2, 4), (4, 4)):
        inputs, targets, weights = weighted_batches.for_devices(replicas, (0.2, 0.8))(
            {"image": tensorflow.constant(image)}, target
        )
        assert inputs["image"].shape == (count, 1)
        assert targets.shape == weights.shape == (count, 1)
        assert list(weights[:3, 0].numpy()) == pytest.approx([0.8 / 1.2, 0.2 / 1.2, 0.2 / 1.2])
        assert not weights[3:].numpy().any()
    assert len(weighted_batches.for_devices(1)({"image": image}, target)) == 2


@pytest.mark.slow
def test_two_devices_give_the_losses_of_one_with_class_weights(sun, tmp_path):
    """With uneven last batches, several outputs, and weights that differ between the halves of a batch."""
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import small_full_disk\n"
        "from network_models.full_disk_flare_forecast import train\n"
        "train.NETWORKS['cnn'] = small_full_disk\n"
        "train.main(sys.argv[1:])\n"
    )
    tables = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        more = ["--fold", 3, "--epochs", 3, "--batch_size", 13, "--devices", devices, "--dropout", 0, "--max_lr", 0.05]
        command = [sys.executable, "-c", code, str(HERE), *arguments(sun, out, *more)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout.splitlines()[-1])["epochs"] == 3
        tables.append(pandas.read_csv(next(out.rglob("loss_and_architecture.csv"))))
    one, two = (table[["loss", "val_loss", "tss", "val_tss"]] for table in tables)
    numpy.testing.assert_allclose(two, one, rtol=1e-5)
    assert one["loss"].iloc[-1] != one["loss"].iloc[0]


@pytest.mark.long
def test_a_run_of_before_keeps_its_schedule_and_its_columns(sun, tmp_path):
    """Its --patience was that of the plateau schedule, and its --stop_after ended training."""
    more = ["--fold", 1, "--schedule", "plateau", "--plateau_epochs", 0, "--factor", 0.5, "--lr", 0.5, "--patience", 5]
    folder = train.main(arguments(sun, tmp_path, "--epochs", 1, *more)).folder
    stored = folder.settings()
    stored["training_options"]["stop_after"] = stored["training_options"].pop("patience")
    stored["training_options"]["patience"] = stored["training_options"].pop("plateau_epochs")
    folder.write_settings(stored)
    path = folder.performance / "loss_and_architecture.csv"
    names = {"patience": "stop_after", "plateau_epochs": "patience"}
    pandas.read_csv(path).rename(columns=names).to_csv(path, index=False)
    train.main(["--resume", str(folder), "--epochs", "2"])
    table = pandas.read_csv(path)
    assert list(table["epoch"]) == [1, 2]
    assert list(table["patience"]) == [0, 0]
    assert list(table["stop_after"]) == [5, 5]
    assert FullDiskTraining.from_stored({"patience": 4, "stop_after": 7}) == {"plateau_epochs": 4, "patience": 7}
    assert FullDiskTraining.from_stored({"patience": 7, "plateau_epochs": 4}) == {"plateau_epochs": 4, "patience": 7}


def test_a_training_script_of_an_earlier_version_is_told_in_one_line():
    with pytest.raises(UserError, match=r"of an earlier version; copy the folder anew"):
        settings.parse([], "", network_folder=HERE, choose_network=("--models", "alex", {}))


def parsed(*given):
    return settings.parse(
        [str(part) for part in given],
        "",
        network_folder=HERE,
        choose_network=train.choice(),
        training=FullDiskTraining,
        dataset=train.DATASET,
        data_defaults=train.data_defaults,
        aliases=train.ALIASES,
        presets=train.PRESETS,
    )


def test_flags_are_those_of_the_studies():
    chosen = parsed()
    training = chosen.training
    assert chosen.architecture == "alex"
    assert (training.epochs, training.batch_size, training.learning_rate, training.weight_decay) == (50, 64, 1e-4, 1e-3)
    assert (training.max_lr, training.schedule, training.plateau_epochs, training.factor) == (1e-5, "onecycle", 4, 0.03)
    assert (chosen.data.fold, chosen.data.image_size) == (1, 512)
    chosen = parsed("--models", "vgg", "--lr", 0.2, "--im_size", 300, "--validation_start", "2020-05-01")
    assert (chosen.training.learning_rate, chosen.data.image_size, chosen.data.fold) == (0.2, 300, 0)
    assert parsed("--attention").architecture == "attention"
    assert parsed("--attention").data.image_size == 256
    assert parsed("--no-attention").architecture == "cnn"
    # As the attention study's README writes it.
    assert parsed("--attention=1").architecture == parsed("--attention", "1").architecture == "attention"
    assert parsed("--attention=0").architecture == "cnn"
    assert parsed("--attention", "0", "--im_size", 256).architecture == "cnn"
    assert parsed("--models", "vgg16").architecture == parsed("--models", "vgg").architecture == "vgg"


def test_commands_of_the_attention_study_word_by_word():
    """As its README writes them after train.py, and with its values beside them."""
    first, second = (
        parsed(*words.split()) for words in ("--fold=1 --epochs=50 --attention=1", "--fold=4 --epochs=10 --attention=0")
    )
    assert (first.architecture, first.data.fold, first.data.image_size, first.training.epochs) == ("attention", 1, 256, 50)
    assert (second.architecture, second.data.fold, second.training.epochs) == ("cnn", 4, 10)
    chosen = parsed("--preset", "attention_study", *["--fold=4", "--epochs=10", "--attention=0"])
    assert (chosen.architecture, chosen.training.epochs, chosen.training.batch_size) == ("cnn", 10, 128)


@pytest.mark.parametrize("name", train.PRESETS)
def test_presets_are_for_their_networks_and_set_what_they_say(name):
    preset = train.PRESETS[name]
    for architecture in preset.networks:
        chosen = parsed("--preset", name, "--models", architecture)
        for option, value in preset.values.items():
            owner = next(owner for owner in (chosen.training, chosen.network, chosen.data) if hasattr(owner, option))
            assert getattr(owner, option) == value
    assert parsed("--preset", name).architecture == preset.networks[0]
    other = next(network for network in train.NETWORKS if network not in preset.networks)
    with pytest.raises(UserError, match=f"--preset {name}: is for .*, not for {other}"):
        parsed("--preset", name, "--models", other)


def test_the_presets_train_as_the_studies_did():
    attention, steps = (parsed("--preset", name).training for name in ("attention_study", "cnn_study_steps"))
    assert (attention.batch_size, attention.learning_rate, attention.weight_decay, attention.epochs) == (128, 1e-3, 0.5, 30)
    (schedule,) = train.schedule_of(attention)
    rates = [schedules.stepped_before(epoch, 1e-3, schedule.factor, every=schedule.every) for epoch in (2, 3, 6, 29)]
    assert rates == [1e-3, 5e-4, 2.5e-4, 1e-3 / 2**9]
    (schedule,) = train.schedule_of(steps)
    assert (schedule.every, schedule.since, schedule.factor) == (20, 45, 0.1)
    assert parsed("--preset", "explaining_study").training.factor == 0.03
    assert train.optimizer_of(steps).momentum is None


def test_rules_of_the_most_skilful_epoch():
    """Four epochs: TSS up with HSS down by .01, then TSS up with HSS down by .1, then both up."""
    from network_models.settings import SKILL_RULES
    from network_models.training_callbacks import more_skilful

    skills = [(0.4, 0.3), (0.5, 0.29), (0.6, 0.19), (0.55, 0.35)]
    kept = {}
    for rule in SKILL_RULES:
        best = None
        for skill in skills:
            best = skill if more_skilful(skill, best, rule) else best
        kept[rule] = best
    assert kept == {"hss held": (0.55, 0.35), "both higher": (0.55, 0.35), "tss alone": (0.6, 0.19)}
    assert more_skilful((0.5, 0.29), (0.4, 0.3)) is True
    assert more_skilful((0.5, 0.29), (0.4, 0.3), "both higher") is False


def test_class_weights_of_augmented_epochs_are_those_of_the_studies(sun, tmp_path, monkeypatch):
    """Shares of the entries of an epoch: the quiet class weighs what flares are of it, 4 FL / (4 FL + 2 NF)."""
    seen = {}

    def note(build, chosen, *, objective, callbacks, sampling):
        seen.update(weights=objective.class_weights, count=sampling.count)

    monkeypatch.setattr(train.experiment, "run", note)
    train.main(arguments(sun, tmp_path, "--fold", 2, "--balance", "both", "--augment_quiet"))
    data = parsed("--folder", sun, "--flares", sun / "flares.csv", "--fold", 2, "--im_size", 32).data
    flares = int(data.targets("training").sum())
    quiet = len(data.times("training")) - flares
    share = 4 * flares / (4 * flares + 2 * quiet)
    assert seen["weights"] == pytest.approx((share, 1 - share))
    assert seen["count"] == 4 * flares + 2 * quiet
    with pytest.raises(UserError, match="--augment_quiet: has no meaning with --balance weights"):
        train.main(arguments(sun, tmp_path, "--fold", 2, "--augment_quiet"))


def test_attention_is_yes_or_no(capsys):
    with pytest.raises(SystemExit, match="2"):
        parsed("--attention=2")
    assert "--attention: expected 0 or 1, received '2'" in capsys.readouterr().err


def test_the_optimizer_has_momentum_only_where_it_is_used():
    plain = train.optimizer_of(FullDiskTraining(schedule="constant", learning_rate=0.3, weight_decay=0.2))
    assert (float(plain.learning_rate), plain.momentum, plain.coupled_decay) == (pytest.approx(0.3), None, 0.2)
    assert train.optimizer_of(FullDiskTraining()).momentum == 0.0
    assert train.optimizer_of(FullDiskTraining(schedule="halving", momentum=0.9)).momentum == 0.9


def test_overlap_of_the_published_folds_is_counted(sun, tmp_path, capsys):
    """A picture six hours before the end of March shares its window with the first of April."""
    import shutil

    copy = tmp_path / "hmi"
    shutil.copytree(sun, copy)
    times = numpy.array(["2020-03-31T18:00:00", "2020-04-01T00:00:00"], "datetime64[s]")
    random = numpy.random.default_rng(2)
    for name in image_names(times):
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(90, 110, (32, 32), dtype="uint8")).save(path)
    result = train.main(arguments(copy, tmp_path / "out", "--fold", 1, "--epochs", 1))
    assert "1 of 37 validation windows (2.7 %) overlap" in capsys.readouterr().out
    assert result.folder.settings()["overlapping_windows"] == 1
    apart = parsed("--folder", copy, "--flares", copy / "flares.csv", "--fold", 1, "--gap_hours", 24)
    assert apart.data.split_report.overlapping == 0
    assert numpy.datetime64("2020-04-01T00:00:00") not in apart.data.times("training")


def test_bad_input_is_one_line(sun, tmp_path, command):
    import shutil

    quarter = tmp_path / "quarter"
    shutil.copytree(sun / "2020/02", quarter / "2020/02")
    mixed = tmp_path / "mixed"
    shutil.copytree(sun, mixed)
    odd = mixed / image_names(START[1:2] + numpy.timedelta64(30, "h"))[0]
    Image.fromarray(numpy.random.default_rng(0).integers(0, 255, (48, 48), dtype="uint8")).save(odd)
    late = tmp_path / "late.csv"
    late.write_text("start_time,goes_class\n2024-01-01 00:00:00,M1.0\n2024-12-30 00:00:00,M1.0\n")
    quiet = tmp_path / "quiet.csv"
    lines = (sun / "flares.csv").read_text().splitlines()
    quiet.write_text("\n".join(line for line in lines if not line.startswith("2020-08")) + "\n")
    broken = tmp_path / "broken.csv"
    broken.write_text("begin,size\n1,2\n")
    cases = [
        ("fold 3: no window with a flare in validation", ["--flares", quiet, "--fold", 3]),
        (
            "no window with a flare in the validation split",
            ["--flares", quiet, "--validation_start", "2020-08-01", "--end", "2020-10-01"],
        ),
        ("fold 1: all are in January to March", ["--folder", quarter]),
        (r"HMI\.m2020\.05\.02_06\.00\.00\.jpg: is 48 pixels wide, the data set's other images are 32", ["--folder", mixed]),
        ("the training split is empty", ["--flares", late]),
        (r"broken\.csv", ["--flares", broken]),
        ("--fold 2 and --validation_start", ["--fold", 2, "--validation_start", "2020-08-01"]),
        ("fold is at most 4", ["--fold", 5]),
        ("choose a target of that kind", ["--target_kind", "log flux"]),
        ("fewer than the 64 asked for", ["--im_size", 64]),
    ]
    for number, (message, more) in enumerate(cases):
        out = tmp_path / f"out{number}"
        with pytest.raises(UserError, match=message) as raised:
            train.main(arguments(sun, out, "--epochs", 1, *more))
        assert "\n" not in str(raised.value)
        assert not list(out.rglob("*.hdf5"))
    done = command(train.__file__, *arguments(sun, tmp_path / "out", "--fold", 5))
    assert done.code == 2
    assert done.err == "train.py: command line: fold is at most 4; received 5\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alex", "vgg", "resnet", "attention", "cnn"])
def test_every_network_trains_with_history(shared, tmp_path, monkeypatch, name):
    """Two days of real magnetograms of the least size, with flare history; one network in mixed precision."""
    from network_models.full_disk_flare_forecast import standard_cnn

    monkeypatch.setitem(train.NETWORKS, "cnn", standard_cnn)
    size = train.NETWORKS[name].LEAST
    flags = ["--folder", shared / "hmi_2026", "--flares", shared / "flares_2026.csv", "--im_size", size, "--history"]
    flags += ["--start", "2026-02-07", "--end", "2026-02-09T12:00", "--validation_start", "2026-02-09", "--gap_hours", 1]
    flags += ["--epochs", 1, "--batch_size", 8, "--out", tmp_path]
    flags += ["--mixed_precision"] if name == "alex" else []
    result = train.main([str(flag) for flag in ["--models", name, *flags]])
    assert numpy.isfinite(result.val_loss)
    network = load_network(result.folder.most_skilful)
    assert (numpy.asarray(network.get_layer("whiten_side_channel").deviation) > 0).all()


@pytest.mark.long
def test_published_folds_train_as_they_are_without_a_flare_list(sun, tmp_path, monkeypatch):
    """The same samples and targets as with the list that the tables were made of; persistence is what the tables tell.

    The run goes on from another folder than the one that its tables were named from.
    """
    from dataset_models import flare_labels

    flare_labels.main(["--flares", str(sun / "flares.csv"), "--images", str(sun), "--out", str(tmp_path / "labels")])
    tables = [tmp_path / "labels" / "simplified" / f"Fold1_{part}.csv" for part in ("train", "val")]
    monkeypatch.chdir(tables[0].parent)
    flags = ["--labels", tables[0].name, "--validation_labels", tables[1].name]
    flags += ["--folder", sun, "--im_size", 32, "--batch_size", 16, "--schedule", "constant", *QUIET]
    result = train.main([str(flag) for flag in ["--models", "cnn", "--epochs", 1, *flags, "--out", tmp_path]])
    data = FullDiskMagnetograms(folder=str(sun), labels=(str(tables[0]),), validation_labels=(str(tables[1]),), image_size=32)
    listed = FullDiskMagnetograms(folder=str(sun), flares=(str(sun / "flares.csv"),), fold=1, image_size=32)
    for split in ("training", "validation"):
        assert numpy.array_equal(data.times(split), listed.times(split))
        assert numpy.array_equal(data.targets(split), listed.targets(split))
    forecasts = pandas.read_csv(result.folder.performance / "validation_forecasts.csv")
    known = forecasts["prior_value"].notna()
    assert 0 < known.sum() < len(forecasts), "the first day of a quarter has no day before it"
    assert numpy.isfinite(result.scores["tss"])
    assert numpy.isfinite(result.scores["persistence_tss"])
    monkeypatch.chdir(tmp_path)
    resumed = train.main(["--resume", str(result.folder.path), "--epochs", "2"])
    assert resumed.folder.settings()["data_options"]["labels"] == [str(tables[0])]
    assert len(pandas.read_csv(resumed.folder.performance / "loss_and_architecture.csv")) == 2


@pytest.mark.parametrize("known", [0, 3, 6])
def test_persistence_is_judged_where_the_prior_is_known(sun, tmp_path, known):
    from network_models.training import forecast

    data = FullDiskMagnetograms(
        folder=str(sun), flares=(str(sun / "flares.csv"),), fold=1, image_size=32, target_kind="log flux"
    )
    truth = numpy.array([1e-7, 1e-6, 2e-5, 1e-7, 1e-6, 2e-5])
    prior = numpy.where(numpy.arange(6) < known, 1e-6, numpy.nan)
    table = pandas.DataFrame({"prediction": truth[::-1], "true_value": truth, "prior_value": prior})
    table.to_csv(tmp_path / "forecasts.csv", index=False)
    scores = forecast.scores_of(tmp_path / "forecasts.csv", data)
    assert scores["rmse"] == pytest.approx(numpy.sqrt(((numpy.log10(truth) - numpy.log10(truth[::-1])) ** 2).mean()))
    assert ("skill_persistence" in scores) == (known > 0)
    assert numpy.isfinite(scores["skill_climatology"])
    if known:
        ours, theirs = (numpy.log10(values[:known]) - numpy.log10(truth[:known]) for values in (truth[::-1], prior))
        assert scores["skill_persistence"] == pytest.approx(1 - (ours**2).mean() / (theirs**2).mean())
    table.assign(prediction=numpy.nan).to_csv(tmp_path / "forecasts.csv", index=False)
    with pytest.raises(UserError, match="holds values that are no numbers"):
        forecast.scores_of(tmp_path / "forecasts.csv", data)
