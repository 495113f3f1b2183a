"""The map whose sum is the forecast."""

import astropy.io.fits
import keras
import numpy
import pandas
import pytest

from dataset_models.images import solar_grid
from dataset_models.simulated.sun import SimulatedSun, image_header
from network_models.flare_rates import images
from network_models.image_inputs import Input
from network_models.trained_network import save_network
from science import methods
from science.rate_map import rate_map
from tools.errors import UserError
from tools.goes_class import CLASSES
from tools.paths import PROJECT

SUN = {"channel_set": "hmi", "dependent_variable": "flare", "start": "1980-01-01", "days": 20, "image_size": 32}
FLAGS = [word for name, value in SUN.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def sun():
    return SimulatedSun(**SUN)


def network(event="M1.0", seed=0):
    model = images.build({"image": Input((32, 32, 1))}, images.Options(event=event, filters=(2, 4, 4)), seed)
    random = numpy.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.2 * random.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def inputs(sun):
    return {"image": numpy.stack([sun.inputs(time)["image"] for time in sun.times("training")[:5]])}


@pytest.mark.parametrize("event", ["M1.0", "M3.0", "X1.0"])
def test_the_sum_of_the_map_is_the_forecast(inputs, event):
    explanation = rate_map.rate_map(network(event), inputs, batch_size=2)
    total = explanation.maps["image"].sum(axis=(1, 2, 3), dtype="float64")
    assert (total > 1e-3).all()
    numpy.testing.assert_allclose(1 / (1 + numpy.exp(-explanation.outputs)), 1 - numpy.exp(-total), rtol=1e-4)
    assert explanation.complete.all()
    assert explanation.parameters["event"] == event
    assert explanation.maps["image"].shape == inputs["image"].shape


def test_a_place_keeps_its_rate():
    rates = numpy.zeros((1, 8, 8, 1))
    rates[0, 2, 5], rates[0, 7, 0] = 3.0, 1.0  # in the middle and in a corner
    values = rate_map.spread(rates, (32, 32))[0, ..., 0]
    assert values.sum() == pytest.approx(4.0, rel=1e-6)
    assert values[6:14, 18:26].sum() == pytest.approx(3.0, rel=1e-5)
    assert values[26:, :6].sum() == pytest.approx(1.0, rel=1e-5)
    assert not rate_map.spread(numpy.zeros((1, 8, 8, 1)), (32, 32)).any()


def test_densities_add_up_over_the_surface():
    header = image_header(128, "2011-01-01")
    x, y, radius = rate_map.solar_coordinates.geometry(header, (128, 128))
    inside = numpy.hypot(x, y) < 0.5 * radius
    even = inside[None, ..., None] / inside.sum()  # one flare in two days, within 30 degrees of the middle
    density = rate_map.density(even, header, days=2.0)[0, ..., 0]
    cosine = numpy.sqrt(1 - numpy.minimum((x**2 + y**2) / radius**2, 1))
    area = (header["CDELT1"] / radius) ** 2 / cosine[inside] * numpy.degrees(1) ** 2  # square degrees
    assert (density[inside] * area / 100).sum() == pytest.approx(0.5, rel=1e-6)
    cap = 2 * numpy.pi * (1 - numpy.cos(numpy.radians(30))) * numpy.degrees(1) ** 2
    assert numpy.average(density[inside], weights=area) == pytest.approx(100 * 0.5 / cap, rel=0.01)
    assert rate_map.density(numpy.ones((1, 128, 128, 1)), header, 1.0)[0, 0, 0, 0] == 0  # the sky


def test_regions_and_the_rest_add_up_to_the_disk():
    header, rates = image_header(64, "2011-01-01"), numpy.random.default_rng(0).uniform(0, 1e-3, (64, 64, 4))
    row, column, _ = (numpy.rint(part).astype(int) for part in solar_grid.pixels(header, (64, 64), -30.0, 15.0))
    rates[row, column] += (2.0, 1.0, 0.5, 0.2)
    places = (("near", -30.0, 15.0), ("the same", -28.0, 16.0), ("far", 40.0, -20.0), ("behind", 170.0, 0.0))
    table = rate_map.region_table(rates, header, places, simulated=True).set_index("region")
    assert list(table.index) == ["near", "far", "behind", "elsewhere", "disk"]
    assert table["expected_M1.0"]["near"] > 1.0 > 0.1 > table["expected_M1.0"]["far"] > 0
    for name in CLASSES:
        expected = table[f"expected_{name}"]
        assert (
            expected.iloc[:-1].sum() == pytest.approx(expected["disk"]) == pytest.approx(rates[..., CLASSES.index(name)].sum())
        )
        numpy.testing.assert_allclose(table[f"probability_{name}"], 1 - numpy.exp(-expected))
    assert (table["simulated"] == 1).all()
    assert list(rate_map.region_table(rates, None, places)["region"]) == ["elsewhere", "disk"]


def test_it_needs_rates_of_places(inputs):
    assert "rate map" in methods.applicable(network())[0]
    image = keras.Input((32, 32, 1), name="image")
    other = keras.Model(
        image, keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.Conv2D(2, 3, activation="relu")(image)))
    )
    names, skipped = methods.applicable(other)
    assert "rate map" not in names
    assert "no rates of places" in skipped["rate map"]
    with pytest.raises(UserError, match="no rates of places"):
        rate_map.rate_map(other, inputs)


@pytest.mark.long
def test_what_the_script_writes(sun, tmp_path, capsys):
    model, time = tmp_path / "network.hdf5", sun.times("training")[2]
    save_network(network(), model)
    dataset = str(PROJECT / "dataset_models" / "simulated" / "sun.py")
    rate_map.main([str(model), dataset, f"{time}", *FLAGS, "--out", str(tmp_path / "maps")])
    printed = capsys.readouterr().out
    assert "elsewhere" in printed
    (fits,) = (tmp_path / "maps").rglob("*.fits")
    with astropy.io.fits.open(fits) as opened:
        header, values = opened[0].header, opened[0].data
    assert header["CTYPE1"] == "HPLN-TAN"
    assert "M1.0+ flares per day per 100 deg2" in str(header["HISTORY"])
    (path,) = (tmp_path / "maps").rglob("*.csv")
    table = pandas.read_csv(path).set_index("region")
    pixels = rate_map.rate_map(network(), {"image": sun.inputs(time)["image"][None]}).maps["image"]
    assert table["expected_M1.0"]["disk"] == pytest.approx(pixels.sum(dtype="float64"), rel=1e-4)
    numpy.testing.assert_allclose(
        values[::-1], rate_map.density(pixels, sun.header(time), 1.0)[0, ..., 0], rtol=1e-4, atol=1e-12
    )
