"""Networks as .keras: the same network and settings as .hdf5, and damaged or foreign files in a line."""

import json
import logging
import pathlib
import sys
import zipfile

import keras
import numpy
import pandas
import pytest

from network_models import convert_network, networks, predict
from network_models.image_inputs import Input
from network_models.trained_network import load_network, open_network, save_network
from network_models.xray_flux_forecast.fdl1 import aia_only
from science.saliency import saliency
from tools import command_line
from tools.errors import UserError

TINY = pathlib.Path(__file__).with_name("tiny_data.py")
SMALL = ["--pool_1_height", "2", "--pool_1_width", "2", "--pool_1_stride", "2", "--conv_1_stride", "1"]
SMALL += ["--conv_1_channels", "4", "--pool_2_width", "1", "--pool_2_height", "1", "--pool_2_stride", "1"]
SMALL += ["--dense_1_count", "8", "--batch_size", "8", "--tensorboard_images", "0"]


@pytest.fixture(autouse=True)
def hook(monkeypatch):
    """Scripts that are run here to their end set it for their process."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


def outputs(model, inputs):
    """What a network gives, part by part: list of arrays."""
    return [numpy.asarray(part) for part in keras.tree.flatten(model(inputs, training=False))]


def dense(units=3, name="first"):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, name=name), keras.layers.Dense(1, name="last")])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small network as .keras: path."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    save_network(dense(), path)
    return path


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("burgess", 32),
        pytest.param("sequence", 32, marks=pytest.mark.long),
        pytest.param("fdl1", 64, marks=pytest.mark.long),
        pytest.param("starting_point", 64, marks=pytest.mark.long),
        pytest.param("attention", 192, marks=pytest.mark.long),
        *(pytest.param(name, size, marks=pytest.mark.slow) for name, size in (("cnn", 192), ("resnet", 64), ("alex", 96))),
    ],
)
def test_every_network_gives_the_same_in_both_formats(tmp_path, name, size):
    inputs = networks.inputs_of(name, size)
    if name in ("fdl1", "starting_point"):
        inputs |= {"side_channel": Input((4,))}
    network = networks.named(name)
    save_network(network.build(inputs, network.Options(), 1), tmp_path / "network.hdf5")
    made = convert_network.convert(tmp_path / "network.hdf5", tmp_path / "network.keras")
    back = convert_network.convert(tmp_path / "network.keras", tmp_path / "back.hdf5")
    random = numpy.random.default_rng(0)
    batch = {name: random.random((2, *one.shape)).astype("float32") for name, one in inputs.items()}
    expected = outputs(load_network(tmp_path / "network.hdf5"), batch)
    for model in (made, back):
        for one, other in zip(expected, outputs(model, batch), strict=True):
            numpy.testing.assert_array_equal(one, other)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["back.hdf5", "network.hdf5", "network.keras"]


@pytest.mark.long
def test_settings_travel_with_a_network_of_a_run(tmp_path, capsys):
    """Forecasts and maps by scripts, with the side channel of the run."""
    run = aia_only.main(["--dataset", str(TINY), "--out", str(tmp_path), "--epochs", "1", "--side", *SMALL]).folder
    convert_network.main([str(run.best)])
    made = run.path / "best_performing.keras"
    assert f"{made}: " in capsys.readouterr().out
    trained = open_network(made, TINY)
    assert trained.data.side is True
    assert trained.run.path.samefile(run.path)
    time = str(trained.data.times("validation")[0])
    for network in (run.best, made):
        predict.main([str(network), str(TINY), "--split", "validation", "--out", str(tmp_path / f"{network.suffix}.csv")])
        saliency.main([str(network), str(TINY), time, "--out", str(tmp_path / network.suffix[1:])])
    tables = [pandas.read_csv(tmp_path / f"{suffix}.csv") for suffix in (".hdf5", ".keras")]
    pandas.testing.assert_frame_equal(*tables, check_exact=True)
    maps = sorted(path.name for path in (tmp_path / "hdf5").glob("*.npz"))
    assert maps
    for name in maps:
        with numpy.load(tmp_path / "hdf5" / name) as one, numpy.load(tmp_path / "keras" / name) as other:
            for key in one.files:
                if one[key].dtype.kind == "f":
                    numpy.testing.assert_array_equal(one[key], other[key])
    convert_network.main([str(made), str(tmp_path / "outside.hdf5")])
    assert "whose settings.yml is not found from there" in capsys.readouterr().err


def rewritten(source, path, change):
    """A copy of a .keras file of whose members ``change(name, content)`` makes others, or None to leave one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return path


def without(member):
    return lambda name, content: None if name == member else content


def with_layer(**entries):
    """Change what the description says of the first layer with weights."""

    def change(name, content):
        if name != "config.json":
            return content
        config = json.loads(content)
        config["config"]["layers"][1] |= entries
        return json.dumps(config)

    return change


def weights_of(model, folder):
    save_network(model, folder / "other.keras")
    with zipfile.ZipFile(folder / "other.keras") as archive:
        return archive.read("model.weights.h5")


def failed(path, capsys):
    """How a script ends with a network: the line that it says, with exit code 2."""
    out = path.with_name("out.hdf5")
    with pytest.raises(SystemExit) as ended:
        command_line.run(convert_network.main, [str(path), str(out)])
    line = capsys.readouterr().err
    assert ended.value.code == 2
    assert line.count("\n") == 1
    assert path.name in line
    assert not out.exists()
    return line


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_member_that_is_missing(small, tmp_path, capsys, member):
    assert member in failed(rewritten(small, tmp_path / "x.keras", without(member)), capsys)


def test_files_that_are_no_network(small, tmp_path, capsys):
    path = tmp_path / "x.keras"
    contents = (b"", b"not a zip", small.read_bytes()[:-30], small.read_bytes()[:200], small.read_bytes()[200:])
    for content in contents:
        path.write_bytes(content)
        failed(path, capsys)
    save_network(dense(), tmp_path / "x.hdf5")
    path.write_bytes((tmp_path / "x.hdf5").read_bytes())
    failed(path, capsys)
    other = tmp_path / "y.hdf5"
    other.write_bytes(small.read_bytes())
    failed(other, capsys)


def test_weights_of_another_network(small, tmp_path, capsys):
    content = weights_of(dense(units=2), tmp_path)
    change = lambda name, old: content if name == "model.weights.h5" else old  # noqa: E731
    failed(rewritten(small, tmp_path / "x.keras", change), capsys)
    content = weights_of(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), tmp_path)
    failed(rewritten(small, tmp_path / "y.keras", change), capsys)


def test_code_in_a_file_is_never_executed(small, tmp_path, capsys, monkeypatch):
    (tmp_path / "planted.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nclass Dense: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries = {"module": "planted", "class_name": "Dense", "registered_name": None}
    failed(rewritten(small, tmp_path / "x.keras", with_layer(**entries)), capsys)
    entries = {"module": "os", "class_name": "system", "registered_name": "os>system", "config": {"command": "true"}}
    failed(rewritten(small, tmp_path / "y.keras", with_layer(**entries)), capsys)
    assert "planted" not in sys.modules
    assert not (tmp_path / "ran").exists()
    logging.getLogger("absl").setLevel(logging.ERROR)
    ran = tmp_path / "ran"
    code = eval(f"lambda x: (open({str(ran)!r}, 'w').close(), x)[1]")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(code, output_shape=(2,))])
    model.save(tmp_path / "code.keras")
    ran.unlink(missing_ok=True)
    assert "Lambda" in failed(tmp_path / "code.keras", capsys)
    assert not ran.exists()


def test_what_is_there_stays_where_a_conversion_fails(small, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"small\.keras: is the network to convert"):
        convert_network.convert(small, small)
    with pytest.raises(UserError, match=r"x\.txt: a network's name ends in \.hdf5, \.h5, \.keras"):
        convert_network.convert(small, tmp_path / "x.txt")
    out = tmp_path / "out.hdf5"
    out.write_bytes(b"mine")

    def of_another(model, path):
        other = keras.models.clone_model(model)
        other.set_weights([weight + 1 for weight in model.get_weights()])
        save_network(other, path)

    monkeypatch.setattr(convert_network, "save_network", of_another)
    with pytest.raises(UserError, match=r"small\.keras: is another network as \.hdf5 \(the weight .* is another\)"):
        convert_network.convert(small, out)
    assert out.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.hdf5"]
