"""Passports, solar coordinates of maps, the figure of all methods, and activation maximisation."""

import json

import numpy
import pytest
from astropy.io import fits

from dataset_models.simulated.sun import image_header
from science import explanation, passport, solar_output
from science.activation_maximisation import activation_maximisation as maximisation
from science.integrated_gradients import integrated_gradients
from science.saliency.saliency import explain as saliency
from science.side_by_side import side_by_side
from tools.errors import UserError

TIME = "2026-03-01T05:00:00Z"


def test_a_passport_of_a_gradient(saved, dataset):
    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, TIME)
    found = passport.passport(subject, sample, saliency(subject.model, sample.inputs), saliency)
    assert found["model"]["sha256"] == passport.fingerprint(subject.model_path)
    assert len(found["inputs"]["image"]) == 64
    assert found["residual"] is None
    assert "complete" not in found["checks"]
    assert set(found["checks"]) == {"shows something", "depends on the weights", "is no edge detector"}
    assert json.loads(passport.text(found)) == found


def test_a_map_of_the_image_alone_fails_both_checks(saved, dataset):
    """What looks at the picture and not at the network is caught."""
    import dataclasses

    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, TIME)

    def of_edges(model, inputs):
        right = saliency(model, inputs)
        return dataclasses.replace(right, maps={"image": passport.edges(inputs["image"][0])[None, ..., None]})

    found = passport.passport(subject, sample, of_edges(subject.model, sample.inputs), of_edges)
    assert passport.failed(found) == ["depends on the weights", "is no edge detector"]


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_an_empty_and_a_constant_map_show_nothing(saved, dataset, value):
    import dataclasses

    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, TIME)

    def flat(model, inputs):
        return dataclasses.replace(saliency(model, inputs), maps={"image": numpy.full((1, 24, 24, 1), value, "float32")})

    found = passport.passport(subject, sample, flat(subject.model, sample.inputs), flat)
    assert "shows something" in passport.failed(found)


def test_shuffled_weights_are_the_same_numbers(network):
    model = network()
    before = [values.copy() for values in model.get_weights()]
    other = passport.randomised(model, seed=1)
    for mine, kept, shuffled in zip(model.get_weights(), before, other.get_weights(), strict=True):
        numpy.testing.assert_array_equal(mine, kept)
        numpy.testing.assert_array_equal(numpy.sort(mine.ravel()), numpy.sort(shuffled.ravel()))
    kernels = [(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True) if a.ndim > 1]
    assert all((a != b).any() for a, b in kernels)
    only = passport.randomised(model, seed=1, layers=["output"])
    numpy.testing.assert_array_equal(only.get_layer("first").get_weights()[0], before[0])


def test_rank_correlation_leaves_out_the_empty_sky():
    disk = numpy.zeros(1000)
    one, other = disk.copy(), disk.copy()
    random = numpy.random.default_rng(0)
    one[:50], other[:50] = random.random(50), random.random(50)
    assert abs(passport.rank_correlation(one, other)) < 0.4
    assert passport.rank_correlation(one, 3 * one) == pytest.approx(1.0)
    assert numpy.isnan(passport.rank_correlation(disk, disk))


def test_shares_of_a_map():
    header = image_header(100, numpy.datetime64("2014-01-01"))
    x, y, radius = solar_output.geometry(header, (100, 100))
    assert abs(x.mean()) < 1e-9
    assert y[0, 0] > 0 > y[-1, 0]
    assert x[0, 0] < 0
    values = numpy.zeros((100, 100))
    values[50, 50], values[0, 0] = 3.0, -1.0
    found = solar_output.shares(values, header, [("NOAA 1", 0.0, 0.0), ("NOAA 2", 60.0, 0.0), ("behind", 170.0, 0.0)])
    assert found == {"on disk": 0.75, "off disk": 0.25, "near the limb": 0.0, "NOAA 1": 0.75, "NOAA 2": 0.0}
    ring = (numpy.hypot(x, y) < radius) & (numpy.hypot(x, y) > 0.97 * radius)
    assert solar_output.shares(ring, header)["near the limb"] == 1.0
    assert solar_output.shares(0 * values, header) == {}


def test_projection_agrees_with_sunpy():
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from sunpy.coordinates import HeliographicStonyhurst, Helioprojective

    observer = SkyCoord(0 * u.deg, 5 * u.deg, 1 * u.AU, frame=HeliographicStonyhurst, obstime="2014-01-01")
    radius = float(numpy.degrees(numpy.arcsin(695.7e6 / 1.495978707e11)) * 3600)
    header = fits.Header({"HGLT_OBS": 5.0, "HGLN_OBS": 0.0, "RSUN_OBS": radius})
    for longitude, latitude in ((0, 0), (30, 15), (-60, -20), (75, 40)):
        place = SkyCoord(longitude * u.deg, latitude * u.deg, 695.7 * u.Mm, frame=HeliographicStonyhurst, obstime="2014-01-01")
        expected = place.transform_to(Helioprojective(observer=observer, obstime="2014-01-01"))
        ((_, x, y),) = solar_output.projected(header, [("place", longitude, latitude)])
        assert x == pytest.approx(expected.Tx.to_value("arcsec"), abs=0.3)
        assert y == pytest.approx(expected.Ty.to_value("arcsec"), abs=0.3)


def test_the_script_writes_map_passport_and_figure(saved, dataset, tmp_path, capsys):
    integrated_gradients.main([str(saved(side=3)), str(dataset), TIME, "--side", "--out", str(tmp_path / "out")])
    names = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert names.count(".json") == 1
    assert names.count(".npz") == 1
    assert ".png" in names
    (path,) = (tmp_path / "out").glob("*.json")
    found = json.loads(path.read_text())
    assert found["residual"] < 0.01
    assert found["checks"]["complete"]
    assert 0 <= found["side_channel_share"] <= 1
    assert found["parameters"]["steps"][0] >= 8


def test_a_baseline_that_is_nothing(saved, dataset, tmp_path):
    with pytest.raises(UserError, match="--baseline moon: give zero, quiet, mean, an image file or the time of a sample"):
        integrated_gradients.main([str(saved()), str(dataset), TIME, "--baseline", "moon", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_all_methods_in_one_figure(saved, dataset, tmp_path, capsys):
    names = ["saliency", "integrated gradients", "occlusion", "Grad-CAM"]
    side_by_side.main([str(saved()), str(dataset), TIME, "--out", str(tmp_path / "out"), "--methods", *names])
    (figure,) = (tmp_path / "out").glob("*.png")
    passports = json.loads(figure.with_suffix(".json").read_text())
    assert list(passports) == [name for name in side_by_side.methods.NAMES if name in names]
    with numpy.load(figure.with_suffix(".npz")) as maps:
        assert all(maps[name].shape[:2] == (24, 24) for name in maps.files)
    assert "4 methods" in capsys.readouterr().out
    with pytest.raises(UserError, match="--methods nonsense: choose from"):
        side_by_side.main([str(saved()), str(dataset), TIME, "--methods", "nonsense"])


def test_methods_that_do_not_apply_are_named(saved, dataset, tmp_path, capsys):
    with pytest.raises(UserError, match="none of them applies"):
        side_by_side.main([str(saved()), str(dataset), TIME, "--out", str(tmp_path), "--methods", "attention 1"])
    assert "attention 1: left out" in capsys.readouterr().out


def test_activation_maximisation_climbs(saved, dataset, tmp_path, capsys):
    model = saved()
    arguments = [str(model), str(dataset), "--out", str(tmp_path / "one"), "--steps", "30"]
    maximisation.main(arguments)
    with numpy.load(tmp_path / "one" / "activation_maximisation.npz") as arrays:
        image = arrays["image"]
    assert image.shape == (24, 24, 2)
    subject = explanation.load(model, dataset)
    image, before, after = maximisation.activation_maximisation(subject.model, steps=30, low=-1, high=1)
    assert after > before
    again, _, _ = maximisation.activation_maximisation(subject.model, steps=30, low=-1, high=1)
    numpy.testing.assert_allclose(image, again, atol=1e-6)
    with pytest.raises(UserError, match="--steps 0"):
        maximisation.activation_maximisation(subject.model, steps=0)


def test_activation_maximisation_takes_one_image(saved, dataset):
    subject = explanation.load(saved(side=3), dataset, {"side": True})
    with pytest.raises(UserError, match="takes one image"):
        maximisation.activation_maximisation(subject.model)
