"""A data set of a few small magnetograms, networks to explain, and golden attributions."""

import pathlib
import warnings

import numpy
import pytest

SIZE = 24

DATA_SET = '''
"""Discs with one bright and one dark spot; the target is the spot's strength."""

import dataclasses
import pathlib

import numpy
from astropy.io import fits

from dataset_models.solar_data import Availability, Channel, SolarData
from tools.errors import UserError
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Spots(SolarData):
    title = "spots"
    simulated = True

    size: int = option(24, "pixels")
    count: int = option(12, "samples per split")
    side: bool = option(False, "with a side channel")
    kind: str = option("regression", "task")

    @property
    def input_shapes(self):
        return {"image": (self.size, self.size, 2)} | ({"side_channel": (3,)} if self.side else {})

    @property
    def channels(self):
        return Channel("171", "sdoaia171", "DN/s", True), Channel("magnetogram", "hmimag", "G")

    @property
    def side_channel_names(self):
        return ("flux now", "flares today", "hours since") if self.side else ()

    @property
    def task(self):
        return self.kind

    @property
    def target_quantity(self):
        return "event" if self.kind == "classification" else "flux"

    @property
    def target_label(self):
        return "flare tomorrow" if self.kind == "classification" else "log10 of flux [W m-2]"

    def times(self, split):
        first = numpy.datetime64("2026-02-01" if split == "training" else "2026-03-01", "s")
        return first + numpy.arange(self.count) * numpy.timedelta64(3600, "s")

    def _strength(self, time):
        return int(numpy.datetime64(time, "s").astype("int64") // 3600 % 7) / 7

    def inputs(self, time):
        random = numpy.random.default_rng(int(numpy.datetime64(time, "s").astype("int64")))
        y, x = numpy.mgrid[: self.size, : self.size] - (self.size - 1) / 2
        disc = numpy.hypot(x, y) < 0.4 * self.size
        spot = numpy.exp(-((x - 4) ** 2 + (y + 3) ** 2) / 8) * self._strength(time)
        image = numpy.stack([disc * (200 + 2000 * spot), disc * 900 * numpy.sign(x - 4) * spot], axis=-1)
        image += disc[..., None] * random.normal(0, 10, image.shape)
        arrays = {"image": image.astype("float32")}
        return arrays | ({"side_channel": numpy.arange(3, dtype="float32")} if self.side else {})

    def target(self, time):
        return float(self._strength(time) > 0.5) if self.kind == "classification" else self._strength(time) - 6

    def truth(self, time):
        value = self.target(time)
        return (value, 0.0) if self.kind == "classification" else (10**value, 1e-6)

    def value(self, prediction, prior):
        return prediction if self.kind == "classification" else 10.0**prediction

    def metadata(self, time):
        return {"note": "a\\tb"}

    def read_image(self, path):
        if pathlib.Path(path).suffix == ".fits":
            data = fits.getdata(path)[::-1]
            image = numpy.repeat(data[..., None], 2, axis=-1).astype("float32")
        else:
            try:
                image = numpy.load(path, allow_pickle=False)
            except ValueError as error:
                raise UserError(f"{path}: is not a readable array") from error
        return {"image": image} | ({"side_channel": numpy.zeros(3, "float32")} if self.side else {})

    def image_header(self, path):
        return fits.getheader(path) if pathlib.Path(path).suffix == ".fits" else None

    def is_downloaded(self):
        return Availability(("here",), 2 * self.count)
'''


@pytest.fixture
def dataset(tmp_path):
    """Path of the data set's file."""
    path = tmp_path / "spots.py"
    path.write_text(DATA_SET)
    return path


@pytest.fixture(scope="session")
def network():
    """Make a small network with pooling and two ways to write a ReLU."""

    def make(*, size=SIZE, channels=2, outputs=1, side=0):
        import keras

        keras.utils.set_random_seed(3)
        image = keras.Input((size, size, channels), name="image")
        x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(image)
        x = keras.layers.MaxPooling2D(2)(x)
        x = keras.layers.ReLU()(keras.layers.Conv2D(4, 3, padding="same", name="second")(x))
        x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
        inputs = {"image": image}
        if side:
            inputs["side_channel"] = keras.Input((side,), name="side_channel")
            x = keras.layers.Concatenate()([x, inputs["side_channel"]])
        x = keras.layers.Dense(5, activation="relu", name="hidden")(x)
        return keras.Model(inputs, keras.layers.Dense(outputs, name="output")(x))

    return make


@pytest.fixture
def saved(tmp_path, network):
    """Save a small network beside a file name: path of the .hdf5 file."""
    from network_models.trained_network import save_network

    def save(model=None, name="network.hdf5", **keywords):
        path = tmp_path / "model" / name
        save_network(model or network(**keywords), path)
        return path

    return save


@pytest.fixture(scope="session")
def golden(golden_folder):
    """Golden attributions, made by other software in float64: dict of arrays."""
    with numpy.load(golden_folder / "attribution_parity.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="session")
def golden_network(golden):
    """Build the golden network with its ReLUs written in a given way.

    ``inline``, ``Activation``, ``ReLU`` (layers), ``custom`` (``keras.ops.relu`` inside a layer of our own), ``nested``
    (convolutions in a network inside the network), ``mixed`` (mixed_float16).
    """

    def make(way="inline"):
        import keras

        @keras.saving.register_keras_serializable(package="tests")
        class Rectify(keras.layers.Layer):
            def call(self, x):
                return keras.ops.relu(x)

        policy = "mixed_float16" if way == "mixed" else "float32"
        inline = "relu" if way in ("inline", "nested", "mixed") else None
        after = {"Activation": lambda: keras.layers.Activation("relu"), "ReLU": keras.layers.ReLU, "custom": Rectify}

        def rectified(layer, x):
            x = layer(x)
            return x if inline else after[way]()(x)

        def convolutions(x):
            for name, filters in (("c1", 8), ("c2", 16)):
                x = rectified(keras.layers.Conv2D(filters, 3, padding="same", activation=inline, name=name, dtype=policy), x)
                x = keras.layers.MaxPooling2D(2, dtype=policy)(x)
            return x

        image = keras.Input((24, 24, 1), name="image")
        if way == "nested":
            inner = keras.Input((24, 24, 1))
            x = keras.Model(inner, convolutions(inner), name="inside")(image)
        else:
            x = convolutions(image)
        x = keras.layers.Flatten(dtype=policy)(x)
        x = rectified(keras.layers.Dense(16, activation=inline, name="d1", dtype=policy), x)
        model = keras.Model(image, keras.layers.Dense(2, name="out", dtype=policy)(x))
        for name in ("c1", "c2", "d1", "out"):
            owner = model.get_layer("inside") if way == "nested" and name.startswith("c") else model
            owner.get_layer(name).set_weights([golden[f"A/{name}/kernel"], golden[f"A/{name}/bias"]])
        return model

    return make


@pytest.fixture
def sun_file(tmp_path):
    """A FITS magnetogram of 24 x 24 pixels: sunpy's HMI test file, reduced."""
    import sunpy.data.test
    from astropy.io import fits

    source = pathlib.Path(sunpy.data.test.get_test_filepath("resampled_hmi.fits"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)  # sunpy's file has a BLANK card that does not apply
        with fits.open(source, memmap=False) as hdus:
            data, header = numpy.nan_to_num(hdus[0].data.astype("float64")), hdus[0].header.copy(strip=True)
    step = data.shape[0] // SIZE
    reduced = data[: step * SIZE, : step * SIZE].reshape(SIZE, step, SIZE, step).mean(axis=(1, 3))
    for axis in "12":
        header[f"CRPIX{axis}"] = (header[f"CRPIX{axis}"] - 0.5) / step + 0.5
        header[f"CDELT{axis}"] *= step
    header.remove("BLANK", ignore_missing=True)
    path = tmp_path / "magnetogram.fits"
    fits.PrimaryHDU(reduced.astype("float32"), header).writeto(path, output_verify="silentfix")
    return path
