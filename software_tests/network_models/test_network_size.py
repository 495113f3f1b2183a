"""Networks in files that declare more than they hold: refused in a line, before anything takes memory."""

import json
import shutil
import zipfile

import h5py
import numpy
import pytest

from network_models import network_size
from network_models.trained_network import load_network
from tools.errors import UserError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small network in both formats: dict of suffix to path."""
    import keras

    folder = tmp_path_factory.mktemp("saved")
    model = keras.Sequential([keras.layers.Input((10,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(1)])
    from network_models.trained_network import save_network

    save_network(model, folder / "base.hdf5")
    model.save(folder / "base.keras")
    return {path.suffix: path for path in folder.iterdir()}


def changed(source, path, change):
    """A copy of a saved network whose description went through ``change(config)``."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, json.dumps(change(json.loads(content))) if name == "config.json" else content)
        return path
    with h5py.File(source) as old, h5py.File(path, "w", libver="latest") as new:  # long attributes
        old.copy("model_weights", new)
        for name, value in old.attrs.items():
            new.attrs[name] = json.dumps(change(json.loads(value))) if name == "model_config" else value
    return path


def with_units(count):
    def change(config):
        config["config"]["layers"][1]["config"]["units"] = count
        return config

    return change


def with_layers(count, *, nested=False):
    def change(config):
        layers = config["config"]["layers"]
        text = json.dumps(layers[1])
        more = [json.loads(text) for _ in range(count)]
        for i, layer in enumerate(more):
            layer["config"]["name"] = f"more_{i}"
        if nested:
            more = [{"class_name": "Sequential", "module": "keras", "config": {"name": "inner", "layers": more}}]
        layers[1:1] = more
        return config

    return change


@pytest.mark.parametrize("suffix", [".hdf5", ".keras"])
def test_an_honest_network_is_loaded(saved, suffix):
    assert load_network(saved[suffix]).count_params() == network_size.stored_parameters(saved[suffix]) == 49


@pytest.mark.parametrize("suffix", [".hdf5", ".keras"])
@pytest.mark.parametrize("units", [10**12, 10**8, 2**62, 5])
def test_more_parameters_than_the_file_holds(saved, tmp_path, suffix, units):
    path = changed(saved[suffix], tmp_path / f"x{suffix}", with_units(units))
    with pytest.raises(UserError, match=rf"x{suffix}: the network has more than 49 parameters \(layer first brings them to"):
        load_network(path)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("suffix", [".hdf5", ".keras"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("count", [2000, 100_000])
@pytest.mark.long
def test_too_many_layers(saved, tmp_path, suffix, nested, count):
    path = changed(saved[suffix], tmp_path / f"x{suffix}", with_layers(count, nested=nested))
    with pytest.raises(UserError, match=r"more than 2,000 layers|its description takes|cannot hold"):
        load_network(path)


def test_a_shape_beyond_the_file(saved, tmp_path):
    path = tmp_path / "x.hdf5"
    shutil.copy(saved[".hdf5"], path)
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, entry: names.append(name) if getattr(entry, "shape", None) == (10, 4) else None)
        del file[names[0]]
        file.create_dataset(names[0], shape=(10**6, 10**5), chunks=(1000, 1000), dtype="float32")
    with pytest.raises(UserError, match=r"x\.hdf5: declares 400,000,000,036 bytes of weights, which a file of .* cannot hold"):
        load_network(path)


def test_a_zip_bomb(saved, tmp_path):
    path = tmp_path / "x.keras"
    shutil.copy(saved[".keras"], path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more", bytes(100 << 20))
    with pytest.raises(UserError, match=r"x\.keras: declares .* bytes of weights, which a file of .* cannot hold"):
        load_network(path)


def test_the_stated_limit_and_runs_that_were_allowed_more(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(network_size, "LARGEST", 40)
    path = tmp_path / "best_performing.hdf5"
    shutil.copy(saved[".hdf5"], path)
    with pytest.raises(UserError, match=r"more than 40 parameters .*; that is more than are loaded"):
        load_network(path)
    settings = "dataset: x.py\ndata_options: {}\ntraining_options: {allow_large: true}\n"
    (tmp_path / "settings.yml").write_text(settings)
    assert load_network(path).count_params() == 49
    (tmp_path / "settings.yml").write_text(settings.replace("true", "1"))
    with pytest.raises(UserError, match="more than 40 parameters"):
        load_network(path)


def test_truncated_and_foreign_files_are_one_line(saved, tmp_path):
    for suffix, source in saved.items():
        data = source.read_bytes()
        for size in numpy.linspace(0, len(data) - 1, 12).astype(int):
            path = tmp_path / f"x{suffix}"
            path.write_bytes(data[:size])
            with pytest.raises(UserError, match=rf"x{suffix}: "):
                load_network(path)


@pytest.mark.parametrize("suffix", [".hdf5", ".keras"])
@pytest.mark.parametrize("nested", [False, True])
def test_activations_that_no_memory_holds(tmp_path, suffix, nested):
    import keras

    def network(shape, *layers):
        image = keras.Input(shape)
        x = image
        for layer in layers:
            x = layer(x)
        return keras.Model(image, x)

    def wide(size):
        inner = [keras.layers.UpSampling2D(size, name="wide"), keras.layers.GlobalAveragePooling2D()]
        return network((16, 16, 2), *([network((16, 16, 2), *inner)] if nested else inner))

    path = tmp_path / f"x{suffix}"
    wide(20).save(path)
    assert load_network(path).count_params() == 0
    wide(2000).save(path)
    words = rf"x{suffix}: its layer wide makes 2,048,000,000 numbers of one image, more than the 2,000,000,000 that are allowed"
    with pytest.raises(UserError, match=words):
        load_network(path)
