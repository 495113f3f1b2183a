"""The SolarData contract: pipelines, evaluation, loading a class from a file."""

import os
import pathlib
import subprocess
import sys

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_models import batches
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from dataset_models.simulated.sun import SimulatedSun
from dataset_models.solar_data import EVALUATION_COLUMNS, SolarData, load_solar_data
from tools.errors import UserError

TINY = pathlib.Path(__file__).parents[1] / "network_models" / "tiny_data.py"


@pytest.fixture
def tiny():
    return load_solar_data(TINY)


def collected(batches, steps=None):
    inputs, targets = zip(*list(batches if steps is None else batches.take(steps)), strict=True)
    return numpy.concatenate([i["image"] for i in inputs]), numpy.concatenate(targets)


def test_one_pass_is_in_the_order_of_time(tiny):
    data = tiny()
    images, targets = collected(data.pipeline("validation", batch_size=5))
    times = data.times("validation")
    assert len(images) == len(times) == 13
    assert data.steps("validation", 5) == 3
    numpy.testing.assert_array_equal(images, [data.inputs(time)["image"] for time in times])
    assert targets == pytest.approx([data.target(time) for time in times])


def test_order_depends_on_seed_and_epoch_alone(tiny):
    def targets(seed, readers, first_epoch=0, epochs=2):
        data = tiny()
        batches = data.pipeline("training", batch_size=7, seed=seed, readers=readers, first_epoch=first_epoch)
        return collected(batches, data.steps("training", 7) * epochs)[1].reshape(epochs, -1)

    first = targets(3, readers=1)
    numpy.testing.assert_array_equal(first, targets(3, readers=8))
    numpy.testing.assert_array_equal(first[1:], targets(3, readers=2, first_epoch=1, epochs=1))
    assert not numpy.array_equal(first[0], first[1])
    assert not numpy.array_equal(first, targets(4, readers=1))
    numpy.testing.assert_array_equal(numpy.sort(first[0]), numpy.sort(first[1]))


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 6), st.integers(0, 5))
def test_blocks_stay_together_in_any_order(count, length, mixed, epoch):
    block = numpy.arange(count) // length
    order = batches.order(count, seed=1, epoch=epoch, blocks=batches.Blocks(block, mixed))
    assert sorted(order) == list(range(count))
    seen = block[order]
    groups = [set(seen[numpy.flatnonzero(seen == one)[0] : numpy.flatnonzero(seen == one)[-1] + 1]) for one in set(block)]
    assert max(map(len, groups)) <= mixed


@pytest.mark.parametrize(("batch", "shards"), [(12, 3), (13, 3), (16, 4)])
def test_shards_share_every_batch_without_overlap(tiny, batch, shards):
    """Together they are the batches of one process: of 40 samples, the last batch is smaller, at times than the shards."""
    data = tiny(count=40 if batch != 13 else 41)
    steps = data.steps("training", batch)
    whole = list(data.pipeline("training", batch_size=batch, seed=1).take(steps))
    parts = [list(data.pipeline("training", batch_size=batch, seed=1, shard=(i, shards)).take(steps)) for i in range(shards)]
    for step, (inputs, targets) in enumerate(whole):
        shares = [part[step] for part in parts]
        for index, (own_inputs, own, all_targets) in enumerate(shares):
            numpy.testing.assert_array_equal(all_targets, targets)
            numpy.testing.assert_array_equal(own, targets[index::shards])
            count = max(1, len(own))
            assert len(own_inputs["image"]) == count
            if len(own):
                numpy.testing.assert_array_equal(own_inputs["image"], inputs["image"][index::shards])


def test_an_epoch_goes_on_where_it_was_left(tiny):
    data = tiny()
    steps = data.steps("training", 12)
    whole = list(data.pipeline("training", batch_size=12, seed=1, first_epoch=3).take(2 * steps))
    rest = list(data.pipeline("training", batch_size=12, seed=1, first_epoch=3, first_step=2).take(2 * steps - 2))
    for (one, target), (other, same) in zip(whole[2:], rest, strict=True):
        numpy.testing.assert_array_equal(target, same)
        numpy.testing.assert_array_equal(one["image"], other["image"])


def test_samples_are_read_once_while_they_fit_in_memory(tiny, monkeypatch):
    reads = []
    original = tiny.inputs
    monkeypatch.setattr(tiny, "inputs", lambda self, time: reads.append(time) or original(self, time))
    data = tiny()
    for _ in range(2):
        collected(data.pipeline("validation", batch_size=4))
    assert len(reads) == 13
    reads.clear()
    data = tiny()
    data.memory_budget = 5 * 16 * 16 * 2 * 4
    for _ in range(2):
        collected(data.pipeline("validation", batch_size=4))
    assert len(reads) == 13 + 8


def test_an_error_while_reading_comes_out_as_itself(tiny):
    data = tiny(broken=3)
    with pytest.raises(UserError, match="is damaged"), data.reporting_reads():
        collected(data.pipeline("training", batch_size=4))


def test_an_empty_split_is_an_error(tiny):
    with pytest.raises(UserError, match="training split is empty"):
        tiny(count=0).pipeline("training", batch_size=4)


class Constant:
    """Stands for a network: the same outputs for every sample."""

    def __init__(self, outputs):
        self.outputs = outputs

    def predict_on_batch(self, inputs):
        return numpy.tile(self.outputs, (len(inputs["image"]), 1))


@pytest.mark.parametrize(
    ("kind", "outputs", "expected"),
    [
        ("regression", [1.25], 1.25),
        ("classification", [0.0], 0.5),
        ("classification", [1.0, 3.0], 1 / (1 + numpy.exp(-2.0))),
        ("classification", [-2000.0], 0.0),
    ],
)
def test_evaluate_writes_forecast_truth_and_prior(tiny, tmp_path, kind, outputs, expected):
    data = tiny(kind=kind)
    path = tmp_path / "new" / "forecasts.csv"
    assert data.evaluate(Constant(outputs), path, batch_size=4) == 13
    table = pandas.read_csv(path)
    assert list(table) == ["time", "prediction", "true_delta", "true_value", "prior_value", "simulated"]
    assert set(table["simulated"]) == {1}
    assert list(table["time"]) == [f"{time}Z" for time in data.times("validation")]
    assert list(table["prediction"]) == pytest.approx([expected] * 13)
    assert list(table["true_value"]) == pytest.approx([data.target(time) for time in data.times("validation")])
    numpy.testing.assert_allclose(table["true_delta"], table["true_value"] - table["prior_value"], atol=1e-7)


def test_forecasts_of_observations_have_no_column_that_says_so(tiny, tmp_path):
    data = tiny()
    data.simulated = False
    data.evaluate(Constant([1.0]), tmp_path / "forecasts.csv")
    assert list(pandas.read_csv(tmp_path / "forecasts.csv")) == list(EVALUATION_COLUMNS)


def test_an_evaluation_that_fails_writes_nothing(tiny, tmp_path):
    class Failing:
        def predict_on_batch(self, inputs):
            raise RuntimeError("device lost")

    with pytest.raises(RuntimeError, match="device lost"):
        tiny().evaluate(Failing(), tmp_path / "forecasts.csv")
    assert list(tmp_path.glob("*.csv")) == []


def test_a_file_of_the_project_is_not_loaded_twice(monkeypatch, tmp_path):
    from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms

    monkeypatch.chdir(tmp_path)
    path = pathlib.Path(__file__).parents[2] / "dataset_models" / "SDO" / "HMI" / "full_disk.py"
    assert load_solar_data(path) is FullDiskMagnetograms
    assert load_solar_data(TINY) is load_solar_data(str(TINY))


HEADER = "from dataset_models.solar_data import SolarData\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "defines no SolarData class"),
        ("import nonexistent_package\n", r"cannot be imported \(ModuleNotFoundError"),
        ("def broken(:\n", r"cannot be imported \(SyntaxError"),
        ("1 / 0\n", r"cannot be imported \(ZeroDivisionError"),
        (HEADER, "defines no SolarData class"),
        (HEADER + "class Half(SolarData):\n    pass\n", "defines no SolarData class; Half lacks channels, input_shapes"),
        ("class One(Base):\n    pass\nclass Two(Base):\n    pass\n", r"several SolarData classes \(One, Two\)"),
    ],
)
def test_files_without_exactly_one_data_set(tmp_path, content, message):
    path = tmp_path / "mine.py"
    if "Base" in content:
        # Imported classes do not count, only those that the file defines.
        tiny = f"from dataset_models.solar_data import load_solar_data\nBase = load_solar_data({str(TINY)!r})\n"
        content = tiny + content
    path.write_text(content)
    with pytest.raises(UserError, match=message) as raised:
        load_solar_data(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_missing_data_set_file(tmp_path):
    for path in (tmp_path / "none.py", tmp_path, tmp_path / "data.txt"):
        with pytest.raises(UserError, match="no such data set file"):
            load_solar_data(path)


def test_solar_data_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SolarData()


def test_a_sample_in_both_splits_is_refused(tiny, monkeypatch):
    assert "0 of 13" in tiny().check_leaks()
    same = tiny().times("validation")
    monkeypatch.setattr(tiny, "times", lambda self, split: same)
    with pytest.raises(UserError, match="in training and in validation"):
        tiny().check_leaks()


STREAMED = """
import sys, tempfile
import keras, numpy
from dataset_models.solar_data import Availability, Channel, SolarData

class Many(SolarData):
    title, channels, task, target_label = "many", (Channel("x"),), "regression", "x"
    input_shapes = {"image": (4, 4, 1)}
    count = 0
    def times(self, split):
        return numpy.datetime64("2010-01-01", "s") + numpy.arange(self.count) * numpy.timedelta64(60, "s")
    def inputs(self, time):
        return {"image": numpy.zeros((4, 4, 1), "float32")}
    def target(self, time):
        return 0.0
    def targets(self, split):
        return numpy.zeros(self.count, "float32")
    def truth(self, time):
        return 0.0, 0.0
    def value(self, prediction, prior):
        return prediction
    def read_image(self, path):
        raise NotImplementedError
    def is_downloaded(self):
        return Availability((), self.count)

image = keras.Input((4, 4, 1), name="image")
model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
for count in sys.argv[1:]:
    Many.count = int(count)
    with tempfile.TemporaryDirectory() as folder:
        assert Many().evaluate(model, f"{folder}/forecasts.csv", batch_size=500) == Many.count
    # Not ru_maxrss, with which a process begins at the peak of the one that started it.
    print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads the peak of memory as Linux tells it")
@pytest.mark.parametrize(
    ("count", "most"), [(100_000, 30), pytest.param(1_000_000, 120, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.long
def test_forecasts_stream(count, most):
    """Of a thousand or a million samples, what stays in memory besides is their times and targets (MB)."""
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2]), "TF_NUM_INTRAOP_THREADS": "1"}
    command = [sys.executable, "-c", STREAMED, "1000", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    few, many = map(float, done.stdout.split()[-2:])
    assert many < few + most


def test_a_data_set_shows_itself():
    sun = SimulatedSun(image_size=32, days=40, channel_set="both")
    text, markup = str(sun), sun._repr_html_()
    times = {split: sun.times(split) for split in ("training", "validation")}
    for split, some in times.items():
        moments = [str(time.astype("datetime64[m]")).replace("T", " ") for time in some[[0, -1]]]
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {split} ")]
        assert line.split() == [split, str(len(some)), *" ".join(moments).split()]
        assert all(moment in markup for moment in moments)
    for words in (sun.title, sun.target_label, "image 32 x 32 x 9", "94, 131, 171, 193, 211, 304, 335, 1600 (DN/s)"):
        assert words in text
        assert words in markup


def test_a_data_set_without_its_files_says_so_instead(tmp_path):
    data = FullDiskMagnetograms(folder=str(tmp_path / "<b>"), flares=(str(tmp_path / "none.csv"),))
    assert "missing" in str(data)
    assert "&lt;b&gt;" in data._repr_html_()
    assert "<b>" not in data._repr_html_()


def test_samples_are_listed_with_target_truth_and_metadata():
    sun = SimulatedSun(image_size=32, days=40)
    table = sun.samples("validation")
    times = sun.times("validation")
    assert (table["time"].to_numpy("datetime64[s]") == times).all()
    assert table["true_value"].to_numpy() == pytest.approx([sun.truth(time)[0] for time in times])
    assert table["target"].to_numpy() == pytest.approx(numpy.log10(table["true_value"]))
    assert list(table["class"]) == [sun.metadata(time)["class"] for time in times]
    with pytest.raises(UserError, match="validation split is empty"):
        SimulatedSun(image_size=32, days=40, validation_fraction=0.0).samples("validation")
