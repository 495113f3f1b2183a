"""Passports, solar coordinates of maps, the figure of all methods, and activation maximisation."""

import argparse
import dataclasses
import hashlib
import json
import types

import numpy
import pytest
from astropy.io import fits

from dataset_models.simulated.sun import image_header
from science import methods
from science.activation_maximisation import activation_maximisation as maximisation
from science.deconvolutional import deconvolutional
from science.explanation import baselines, passport, solar_coordinates, solar_disk
from science.explanation import script as explanation_script
from science.explanation import subject as explanation
from science.explanation.attribution import in_channel_units, strongest_channel, target_of, unit_of
from science.gradients.engine import engine_of
from science.integrated_gradients import integrated_gradients
from science.saliency.saliency import explain as saliency
from science.saliency.saliency import main as saliency_main
from science.side_by_side import side_by_side
from science.smooth_gradients.smooth_gradients import smooth_gradients
from tools import digests, figures
from tools.errors import UserError

TIME = "2026-03-01T05:00:00Z"

LARGEST = numpy.finfo("float32").max  # twice as much is infinite


def test_a_passport_of_a_gradient(saved, dataset):
    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, TIME)
    found = passport.passport(subject, sample, saliency(subject.model, sample.inputs), saliency)
    assert found["model"]["sha256"] == digests.of_file(subject.model_path)
    assert len(found["inputs"]["image"]) == 64
    assert found["residual"] is None
    assert "complete" not in found["checks"]
    assert set(found["checks"]) == {"shows something", "depends on the weights", "is no edge detector"}
    assert json.loads(passport.text(found)) == found


def test_a_map_of_the_image_alone_fails_both_checks(saved, dataset):
    """What looks at the picture and not at the network is caught."""
    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, TIME)

    def of_edges(model, inputs):
        right = saliency(model, inputs)
        return dataclasses.replace(right, maps={"image": passport.edges(inputs["image"][0])[None, ..., None]})

    found = passport.passport(subject, sample, of_edges(subject.model, sample.inputs), of_edges)
    assert passport.failed(found) == ["depends on the weights", "is no edge detector"]
    assert passport.failures(found) == ["does not depend on the weights", "is like an edge detector's"]


@pytest.mark.parametrize(
    ("outputs", "biases", "logit"), [(2, [20.0, 22.0], None), (2, [-10.0, 8.0], 18.0), (1, [-17.0], -17.0)]
)
def test_saturation_is_of_the_probability(saved, network, dataset, outputs, biases, logit):
    """Of two outputs the difference is the logit: both may be large, and the probability far from 0 and 1."""
    model = network(outputs=outputs)
    weights, _ = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([0 * weights, numpy.array(biases, "float32")])
    subject = explanation.load(saved(model), dataset, {"kind": "classification"})
    sample = explanation.sample(subject, TIME)
    notes = passport.passport(subject, sample, saliency(subject.model, sample.inputs), saliency)["notes"]
    said = [note for note in notes if "is saturated" in note]
    assert said == [] if logit is None else f"(logit {logit:.1f})" in said[0]


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_an_empty_and_a_constant_map_show_nothing(saved, dataset, value):
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
    x, y, radius = solar_coordinates.geometry(header, (100, 100))
    assert abs(x.mean()) < 1e-9
    assert y[0, 0] > 0 > y[-1, 0]
    assert x[0, 0] < 0
    values = numpy.zeros((100, 100))
    values[50, 50], values[0, 0] = 3.0, -1.0
    found = solar_coordinates.shares(values, header, [("NOAA 1", 0.0, 0.0), ("NOAA 2", 60.0, 0.0), ("behind", 170.0, 0.0)])
    assert found == {"on disk": 0.75, "off disk": 0.25, "near the limb": 0.0, "NOAA 1": 0.75, "NOAA 2": 0.0}
    ring = (numpy.hypot(x, y) < radius) & (numpy.hypot(x, y) > 0.97 * radius)
    assert solar_coordinates.shares(ring, header)["near the limb"] == 1.0
    assert solar_coordinates.shares(0 * values, header) == {}


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
        ((_, x, y),) = solar_coordinates.projected(header, [("place", longitude, latitude)])
        assert x == pytest.approx(expected.Tx.to_value("arcsec"), abs=0.3)
        assert y == pytest.approx(expected.Ty.to_value("arcsec"), abs=0.3)


@pytest.mark.long
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


@pytest.mark.long
def test_the_script_compiles_on_demand(saved, dataset, tmp_path):
    maps = []
    for flags in ([], ["--xla"]):
        out = tmp_path / f"out{len(flags)}"
        integrated_gradients.main([str(saved()), str(dataset), TIME, "--out", str(out), *flags])
        with numpy.load(next(out.glob("*.npz"))) as file:
            maps.append(file["image"])
    numpy.testing.assert_allclose(maps[1], maps[0], rtol=0, atol=1e-2 * numpy.abs(maps[0]).max())


def test_a_baseline_that_is_nothing(saved, dataset, tmp_path):
    with pytest.raises(UserError, match="--baseline moon: give zero, quiet, mean, an image file or the time of a sample"):
        integrated_gradients.main([str(saved()), str(dataset), TIME, "--baseline", "moon", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_all_methods_in_one_figure(saved, dataset, tmp_path, capsys):
    names = ["saliency", "integrated gradients", "occlusion", "Grad-CAM"]
    side_by_side.main([str(saved()), str(dataset), TIME, "--out", str(tmp_path / "out"), "--methods", *names])
    (figure,) = (tmp_path / "out").glob("*.png")
    passports = json.loads(figure.with_suffix(".json").read_text())
    assert list(passports) == [name for name in side_by_side.methods.NAMES if name in names]
    with numpy.load(figure.with_suffix(".npz")) as maps:
        assert all(maps[name].shape[:2] == (24, 24) for name in maps.files if name != "simulated")
        assert maps["simulated"]
    assert "4 methods" in capsys.readouterr().out
    with pytest.raises(UserError, match="--methods nonsense: choose from"):
        side_by_side.main([str(saved()), str(dataset), TIME, "--methods", "nonsense"])


@pytest.mark.long
def test_side_by_side_draws_the_channel_asked_for(saved, dataset, tmp_path):
    """Pictures of the two channels differ; that of the strongest in the map is the default; the maps are the same in all."""
    from PIL import Image

    model, pictures, maps = saved(), {}, []
    for channel in (None, "171", "magnetogram"):
        out = tmp_path / str(channel)
        flags = [] if channel is None else ["--channel", channel]
        side_by_side.main([str(model), str(dataset), TIME, "--out", str(out), "--methods", "saliency", *flags])
        (figure,) = out.glob("*.png")
        assert channel is None or channel in figure.name
        pictures[channel] = numpy.asarray(Image.open(figure))
        with numpy.load(next(out.glob("*.npz"))) as arrays:
            maps.append(arrays["saliency"])
    strongest = ("171", "magnetogram")[int(numpy.abs(maps[0]).sum(axis=(0, 1)).argmax())]
    numpy.testing.assert_array_equal(pictures[strongest], pictures[None])
    assert not numpy.array_equal(pictures["171"], pictures["magnetogram"])
    numpy.testing.assert_array_equal(maps[0], maps[1])
    with pytest.raises(UserError, match="--channel 1700: the data set has 171, magnetogram"):
        side_by_side.main([str(model), str(dataset), TIME, "--out", str(tmp_path / "none"), "--channel", "1700"])


def test_methods_that_do_not_apply_are_named(saved, dataset, tmp_path, capsys):
    with pytest.raises(UserError, match="none of them applies"):
        side_by_side.main([str(saved()), str(dataset), TIME, "--out", str(tmp_path), "--methods", "attention 1"])
    assert "attention 1: left out" in capsys.readouterr().out


def decades_network(size=24, *, both=False):
    """A network that is linear in log10(1 + x) of the first channel, or of both, and its weights (size, size, 2)."""
    import keras

    from network_models.layers import Whiten

    image = keras.Input((size, size, 2), name="image")
    x = keras.layers.Flatten()(Whiten([True, both], name="whiten")(image))
    model = keras.Model(image, keras.layers.Dense(1, name="output")(x))
    weights = numpy.random.default_rng(4).normal(size=(size, size, 2)) * [1.0, 1.0 if both else 1e-6]
    model.get_layer("output").set_weights([weights.reshape(-1, 1), numpy.zeros(1)])
    return model, weights


def test_maps_of_logarithmic_channels_are_per_dex(saved, dataset):
    """Gradients of a network that is linear in the logarithm are its weights, whatever the brightness."""
    model, weights = decades_network()
    weights = weights[..., 0]
    subject = explanation.load(saved(model), dataset)
    inputs = {"image": numpy.random.default_rng(0).uniform(1, 5000, (1, 24, 24, 2)).astype("float32")}

    def converted(name, **keywords):
        return in_channel_units(methods.explain(name, subject.model, inputs, **keywords), subject, inputs)

    raw = methods.explain("saliency", subject.model, inputs)
    gradient = converted("saliency").maps["image"][0]
    numpy.testing.assert_allclose(gradient[..., 0], weights, rtol=1e-4)
    numpy.testing.assert_array_equal(gradient[..., 1], raw.maps["image"][0, ..., 1])
    squares = smooth_gradients(subject.model, inputs, kind="square", samples=1, noise=0.0)
    found = in_channel_units(squares, subject, inputs).maps["image"][0, ..., 0]
    numpy.testing.assert_allclose(found, weights**2, rtol=1e-3)
    for name in ("integrated gradients", "DeepLIFT"):
        baseline = {"image": numpy.full((1, 24, 24, 2), 0.5, "float32")}
        found, plain = converted(name, baseline=baseline), methods.explain(name, subject.model, inputs, baseline=baseline)
        numpy.testing.assert_array_equal(found.maps["image"], plain.maps["image"])  # contributions stay what they are
        numpy.testing.assert_allclose(found.multipliers("image")[0, ..., 0], weights, rtol=0.02, atol=0.01)
    places = methods.explain("occlusion", subject.model, inputs, window=8, stride=8)
    numpy.testing.assert_array_equal(in_channel_units(places, subject, inputs).maps["image"], places.maps["image"])


def test_units_of_maps(saved, dataset):
    from dataset_models.solar_data import Channel

    channel, field = Channel("171", "sdoaia171", "DN/s", True), Channel("magnetogram", "hmimag", "G")
    assert [unit_of(channel, kind) for kind in (0, 1, 2)] == ["", "per dex", "per dex²"]
    assert [unit_of(field, kind) for kind in (0, 1, 2)] == ["", "per G", "per G²"]
    assert unit_of(Channel("x", unit="DN/s"), 2) == "per (DN/s)²"


@pytest.mark.long
def test_checks_shares_files_and_figures_are_of_the_same_map(saved, dataset, tmp_path, monkeypatch):
    """Per DN the brightness hides the network, whose weights are everywhere the same in size."""
    model, weights = decades_network(both=True)
    header = image_header(24, numpy.datetime64("2014-01-01"))
    text = dataset.read_text().replace('Channel("magnetogram", "hmimag", "G")', 'Channel("94", "sdoaia94", "DN/s", True)')
    dataset.write_text(text + "\n    def header(self, time):\n        return self.here\n")
    subject = explanation.load(saved(model), dataset)
    type(subject.data).here = header
    bright = 10 ** numpy.random.default_rng(0).uniform(0, 4, (1, 24, 24, 2)).astype("float32")
    sample = dataclasses.replace(explanation.sample(subject, TIME), inputs={"image": bright})
    seen, drawn = [], figures.show_signed
    monkeypatch.setattr(figures, "show_signed", lambda axes, values, **keywords: seen.append(values) or drawn(axes, values))
    flags = argparse.Namespace(target=None, batch=16, image=TIME)
    explanation_script.explain(subject, sample, saliency, {}, tmp_path, flags)
    (passport_file,) = tmp_path.glob("*.json")
    checked = json.loads(passport_file.read_text())
    assert checked["checks"]["depends on the weights"]
    assert checked["units"] == {"171": "output per dex", "94": "output per dex"}
    with numpy.load(passport_file.with_suffix(".npz")) as arrays:
        values = arrays["image"]
    numpy.testing.assert_allclose(values, weights, rtol=1e-3)
    numpy.testing.assert_array_equal(seen[0], values[..., 0])
    assert checked["shares"] == solar_coordinates.shares(values, header)
    (fits_file,) = tmp_path.glob("*171.fits")
    with fits.open(fits_file) as hdus:
        numpy.testing.assert_array_equal(hdus[0].data[::-1], values[..., 0])
        assert "unit: output per dex" in str(hdus[0].header["HISTORY"])
    # The check itself: of raw gradients, those of any weights look alike.
    raw = passport.passport(subject, sample, saliency(subject.model, sample.inputs), saliency)
    assert raw["randomised_correlation"]["image"] > 0.5 > checked["randomised_correlation"]["image"]
    found = side_by_side.side_by_side(subject, sample, ["saliency"])["saliency"][0]
    numpy.testing.assert_array_equal(found.maps["image"][0], values)


def test_outputs_beyond_the_targets_of_training_are_named(saved, dataset):
    data = explanation.load(saved(), dataset).data
    targets = data.targets("training")
    assert maximisation.beyond(float(targets.mean()), data) == ""
    assert f"{targets.min():.3g} to {targets.max():.3g}" in maximisation.beyond(255.0, data)


def test_the_channel_of_most_of_the_maps():
    """Maps in units of the output decide, each alike; gradients only where there are no others."""

    def of(units, *shares):
        return types.SimpleNamespace(units=units, maps={"image": numpy.array(shares).reshape(1, 1, 1, 2)}), {}

    gradient, small, large = of({"a": "per dex"}, 9.0, 1.0), of({"a": ""}, -0.1, 0.2), of({"a": ""}, 40.0, -60.0)
    assert strongest_channel({"saliency": gradient}, "image") == 0
    assert strongest_channel({"saliency": gradient, "DeepLIFT": small, "Deep SHAP": large}, "image") == 1


@pytest.mark.long
def test_activation_maximisation_climbs(saved, dataset, tmp_path, capsys):
    model = saved()
    arguments = [str(model), str(dataset), "--out", str(tmp_path / "one"), "--steps", "30"]
    maximisation.main(arguments)
    with numpy.load(tmp_path / "one" / "activation_maximisation.npz") as arrays:
        image = arrays["image"]
    assert image.shape == (24, 24, 2)
    assert "did not climb" not in capsys.readouterr().out
    subject = explanation.load(model, dataset)
    image, before, after = maximisation.activation_maximisation(subject.model, steps=30, low=-1, high=1)
    assert after > before
    assert numpy.abs(image).max() <= 1
    again, _, _ = maximisation.activation_maximisation(subject.model, steps=30, low=-1, high=1)
    numpy.testing.assert_allclose(image, again, atol=1e-6)
    for wrong in ({"steps": 0}, {"seed": -1}):
        with pytest.raises(UserError, match=f"--{next(iter(wrong))} "):
            maximisation.activation_maximisation(subject.model, **wrong)


@pytest.mark.long
def test_activation_maximisation_takes_the_arguments_of_the_other_methods(saved, dataset, tmp_path, capsys):
    """From an image given as for them, and by the flags that READMEs name for all."""
    subject = explanation.load(model := saved(), dataset)
    sample = explanation.sample(subject, TIME)
    maximisation.main([str(model), str(dataset), TIME, "--target", "0", "--batch", "4", "--out", str(tmp_path), "--steps", "1"])
    assert f"of {sample.title}" in capsys.readouterr().out
    (file,) = tmp_path.glob(f"{sample.label}*activation_maximisation*.npz")
    low, high = maximisation.ranges(subject.data)
    given = sample.inputs["image"][0]
    with numpy.load(file) as arrays:
        made = arrays["image"]
    assert numpy.corrcoef(made.ravel(), given.ravel())[0, 1] > 0.9  # one step away from it
    keywords = {"low": low, "high": high, "logarithmic": [channel.logarithmic for channel in subject.data.channels]}
    _, before, after = maximisation.activation_maximisation(subject.model, steps=30, start=given, **keywords)
    assert after > before


@pytest.mark.long
def test_activation_maximisation_climbs_by_decades_to_the_ends_of_each_channel():
    """The image that a network linear in the logarithm likes best is known: each pixel at one end of its range."""
    model, weights = decades_network()
    low, high = numpy.array([2.0, -300.0]), numpy.array([5000.0, 700.0])
    keywords = {"low": low, "high": high, "logarithmic": [True, False], "steps": 200}
    image, before, after = maximisation.activation_maximisation(model, **keywords)
    assert after > before + 100
    ends = numpy.log10(1 + numpy.where(weights[..., 0] > 0, high[0], low[0]))
    certain = numpy.abs(weights[..., 0]) > 0.1  # of the others the gradient is too small
    numpy.testing.assert_allclose(numpy.log10(1 + image[..., 0])[certain], ends[certain], atol=0.1)
    assert (image[..., 1] >= low[1]).all()
    assert (image[..., 1] <= high[1]).all()


@pytest.mark.long
def test_activation_maximisation_climbs_after_training(dataset):
    """A trained convolutional network on intensities over decades, where linear steps go nowhere."""
    import keras

    from network_models.layers import Whiten

    keras.utils.set_random_seed(1)
    image = keras.Input((24, 24, 2), name="image")
    whiten = Whiten([True, False], name="whiten")
    x = whiten(image)
    whiten.set_statistics([2.0, 0.0], [1.0, 300.0])
    for filters in (4, 8):
        x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(x)))
    random = numpy.random.default_rng(0)
    images = random.uniform(0, 300, (64, 24, 24, 2)) * [1, 0.1]
    images[::2, 8:12, 8:12] += [3000, 500]
    model.compile("adam", "binary_crossentropy")
    model.fit(images, numpy.resize([1.0, 0.0], 64), epochs=15, verbose=0)
    assert model.predict(images, verbose=0)[::2].min() > model.predict(images, verbose=0)[1::2].max()
    keywords = {"low": images.min(axis=(0, 1, 2)), "high": images.max(axis=(0, 1, 2)), "logarithmic": [True, False]}
    _, before, after = maximisation.activation_maximisation(model, steps=60, **keywords)
    assert after > before + 5
    assert after > float(engine_of(model).outputs({"image": images}).max())


def test_activation_maximisation_that_does_not_climb_says_so(saved, dataset, tmp_path, capsys, monkeypatch):
    """The title tells of the simulation and of a failed ascent."""
    from matplotlib.axes import Axes

    titles, plain = [], Axes.set_title
    monkeypatch.setattr(Axes, "set_title", lambda self, text, **keywords: titles.append(text) or plain(self, text, **keywords))
    model, _ = decades_network()
    model.get_layer("output").set_weights([numpy.zeros((24 * 24 * 2, 1)), numpy.ones(1)])
    maximisation.main([str(saved(model)), str(dataset), "--out", str(tmp_path / "out"), "--steps", "3"])
    assert "note: the output did not climb" in capsys.readouterr().out
    assert all("(simulated)" in text and "DID NOT CLIMB" in text for text in titles)
    model.get_layer("output").set_weights([numpy.full((24 * 24 * 2, 1), LARGEST), numpy.full(1, LARGEST)])
    with pytest.raises(UserError, match="nothing to maximise"):
        maximisation.main([str(saved(model)), str(dataset), "--out", str(tmp_path / "none"), "--steps", "3"])
    assert not (tmp_path / "none").exists()


def test_activation_maximisation_takes_one_image(saved, dataset):
    subject = explanation.load(saved(side=3), dataset, {"side": True})
    with pytest.raises(UserError, match="takes one image"):
        maximisation.activation_maximisation(subject.model)


# Targets and baselines


def two_classes(dataset):
    return [str(dataset), TIME, "--kind", "classification"]


@pytest.mark.long
def test_the_other_output_is_named_and_keeps_its_own_files(saved, dataset, sun_file, tmp_path, capsys):
    model = saved(outputs=2)
    out = tmp_path / "out"
    arguments = [str(model), str(dataset), str(sun_file), "--kind", "classification", "--out", str(out)]
    saliency_main(arguments)
    event = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    saliency_main([*arguments, "--target", "0"])
    assert "output 0, no event: flare tomorrow" in capsys.readouterr().out
    assert {name: (out / name).read_bytes() for name in event} == event
    (other,) = out.glob("*output_0.json")
    assert json.loads(other.read_text())["explains"] == "output 0, no event: flare tomorrow"
    (file,) = out.glob("*output_0*171.fits")
    assert "output 0, no event: flare tomorrow" in "".join(fits.getheader(file)["HISTORY"])
    (kept,) = [path for path in out.glob("*.json") if path != other]
    assert json.loads(kept.read_text())["explains"] == "flare tomorrow"
    side_by_side.main([*arguments, "--target", "0", "--methods", "saliency"])
    assert (out / "magnetogram_side_by_side_output_0.png").is_file()
    maximisation.main([str(model), *two_classes(dataset)[:1], "--kind", "classification", "--target", "0", "--steps", "2",
                       "--out", str(out)])  # fmt: skip
    assert "output 0, no event" in capsys.readouterr().out
    assert (out / "activation_maximisation_output_0.npz").is_file()


def test_words_of_targets(saved, dataset):
    for outputs, target, words, stem in (
        (1, 0, "flare tomorrow", ""),
        (2, 1, "flare tomorrow", ""),
        (2, 0, "output 0, no event: flare tomorrow", "output_0"),
        (3, 2, "output 2: flare tomorrow", "output_2"),
    ):
        subject = explanation.load(saved(outputs=outputs), dataset, {"kind": "classification"})
        described = target_of(subject, target)
        assert (described.words, described.stem) == (words, stem)


@pytest.mark.slow
def test_passports_tell_the_baseline(saved, dataset, tmp_path):
    model = saved()
    records = {}
    for kind in ("zero", "quiet", "mean", "2026-02-01T03:00:00Z"):
        out = tmp_path / kind[:5]
        integrated_gradients.main([str(model), str(dataset), TIME, "--baseline", kind, "--out", str(out)])
        (path,) = out.glob("*.json")
        records[kind] = json.loads(path.read_text())["baseline"]
    subject = explanation.load(model, dataset)
    sample = explanation.sample(subject, TIME)
    for kind, record in records.items():
        array = baselines.choose(kind, subject, sample)["image"]
        assert record["sha256"] == {"image": hashlib.sha256(array.tobytes()).hexdigest()}
    assert len({record["sha256"]["image"] for record in records.values()}) == 4
    assert records["quiet"]["words"].startswith("quiet: median")
    assert records["2026-02-01T03:00:00Z"]["words"] == "2026-02-01T03:00:00Z"
    found = side_by_side.side_by_side(subject, sample, ["saliency", "occlusion", "DeepLIFT", "Deep SHAP"], baseline="zero")
    told = {name: checked["baseline"] for name, (_, checked) in found.items()}
    assert told["saliency"] is None
    assert told["occlusion"] == told["DeepLIFT"] == records["zero"]
    assert told["Deep SHAP"]["words"].startswith("8 evenly spaced images of the training split, their disks scaled")


def test_side_by_side_checks_first(saved, dataset, tmp_path, network, monkeypatch):
    path = saved()
    with pytest.raises(UserError, match="--batch 0: must be at least 1"):
        side_by_side.main([str(path), str(dataset), TIME, "--batch", "0", "--out", str(tmp_path / "out")])
    model = network()
    model.get_layer("output").set_weights([numpy.full((5, 1), LARGEST), numpy.full(1, LARGEST)])
    with pytest.raises(UserError, match="the network returns inf"):
        side_by_side.main([str(saved(model)), str(dataset), TIME, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="JSON"):
        passport.text({"residual": float("nan")})


def test_the_lowest_panel_of_each_column_has_ticks(saved, dataset, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, path: kept.append(figure))
    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, TIME)
    found = side_by_side.side_by_side(subject, sample, ["saliency", "input x gradient", "occlusion", "Grad-CAM"])
    side_by_side.draw(tmp_path / "x.png", subject, sample, found)
    panels = kept[0].axes[:8]  # those after are colour bars
    labelled = [panel.get_visible() and panel.xaxis.get_tick_params()["labelbottom"] for panel in panels]
    assert labelled == [False, True, True, True, True, False, False, False]
    assert [bool(panel.get_xlabel()) for panel in panels] == labelled


def test_deconvolution_has_no_target(saved, dataset, capsys):
    with pytest.raises(SystemExit):
        deconvolutional.main([str(saved(outputs=2)), *two_classes(dataset), "--target", "0"])
    assert "unrecognized arguments: --target 0" in capsys.readouterr().err


# The disk


def on_sky(saved, dataset, size=24, radius=None):
    """A subject and a sample whose image has coordinates: of the simulated Sun, or with a disk of `radius` pixels."""
    subject = explanation.load(saved(size=size), dataset, {"size": size})
    header = image_header(size, numpy.datetime64("2026-03-01"))
    if radius is not None:
        header["RSUN_OBS"] = radius * header["CDELT1"]
    return subject, dataclasses.replace(explanation.sample(subject, TIME), header=header)


def checked_map(subject, sample, values):
    def method(model, inputs):
        return dataclasses.replace(saliency(model, inputs), maps={"image": values[None, ..., None].astype("float32")})

    return passport.passport(subject, sample, method(subject.model, sample.inputs), method)


def test_a_map_off_the_disk_or_in_a_ring_at_the_limb_fails(saved, dataset):
    subject, sample = on_sky(saved, dataset, size=64)
    x, y, radius = solar_coordinates.geometry(sample.header, (64, 64))
    distance = numpy.hypot(x, y) / radius
    noise = numpy.random.default_rng(0).random((64, 64)) + 0.5
    names = {"lies on the disk", "is no ring at the limb"}

    def found(values):
        return names & set(passport.failed(checked_map(subject, sample, values)))

    assert found(noise * (distance < 1)) == set()
    assert found(noise) == {"lies on the disk"}  # knows nothing of the disk, which has 48 % of the image
    ring = numpy.abs(distance - 1) < 0.04
    assert found(noise * (0.3 * (distance < 1) + 3 * ring)) == {"is no ring at the limb"}
    region = numpy.hypot(x - 0.98 * radius, y) < 100  # at the limb, but one region
    assert found(noise * (0.1 * (distance < 1) + 20 * region * (distance < 1))) == set()
    assert checked_map(subject, sample, noise)["not_applicable"] == {}


@pytest.mark.long
def test_without_coordinates_the_checks_of_the_disk_are_not_made_and_said_so(saved, dataset, tmp_path, capsys):
    saliency_main([str(saved()), str(dataset), TIME, "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "check not made: lies on the disk, is no ring at the limb: not applicable, the image has no coordinates" in said
    (path,) = tmp_path.glob("*.json")
    assert set(json.loads(path.read_text())["not_applicable"]) == {"lies on the disk", "is no ring at the limb"}
    side_by_side.main([str(saved()), str(dataset), TIME, "--out", str(tmp_path), "--methods", "saliency"])
    assert "all checks passed" not in capsys.readouterr().out


def disk_of(size, radius, *, row=0.0, column=0.0):
    """An image (size, size, 1) of a disk, 0.5 within, 0 outside, its edge pixels by area."""
    y, x = numpy.mgrid[: 8 * size, : 8 * size] / 8 + 1 / 16 - 0.5 - (size - 1) / 2
    inside = numpy.hypot(x - column, y - row) <= radius
    return 0.5 * inside.reshape(size, 8, size, 8).mean(axis=(1, 3))[..., None].astype("float32")


@pytest.mark.parametrize("radius", [18.3, 22.0, 25.4])
def test_a_sharp_disk_is_measured(radius):
    found = solar_disk.measured(disk_of(64, radius, row=1.5, column=-0.7))
    assert found == pytest.approx((33.0, 30.8, radius), abs=0.15)
    assert solar_disk.measured(numpy.zeros((64, 64, 1))) is None
    y, x = numpy.mgrid[:64, :64] - 31.5
    assert solar_disk.measured(numpy.exp(-((x**2 + y**2) / 400))[..., None]) is None  # fades, as the corona does
    assert solar_disk.measured(disk_of(64, 40.0)) is None  # reaches beyond the image


def test_a_header_and_the_image_agree_on_real_magnetograms(shared):
    from dataset_models.SDO.HMI import magnetogram_images

    for name in ("2026/02/01/HMI.m2026.02.01_00.00.00.jpg", "2026/03/30/HMI.m2026.03.30_21.00.00.jpg"):
        seen = magnetogram_images.read(shared / "hmi_2026" / name, size=256)
        stated = solar_disk.of_header(seen.header, (256, 256))
        assert solar_disk.measured(seen.image) == pytest.approx(stated, abs=0.2)


def both(size, radius):
    return numpy.repeat(disk_of(size, radius), 2, axis=-1)


def test_baselines_have_the_disk_of_the_image(saved, dataset, monkeypatch):
    subject = explanation.load(saved(size=64), dataset, {"size": 64})
    monkeypatch.setattr(type(subject.data), "inputs", lambda self, time: {"image": both(64, 25.4)})
    sample = explanation.Sample({"image": both(64, 24.6)[None]}, {"image": "image"}, "x", None)
    for kind in ("quiet", "mean"):
        found = baselines.choose(kind, subject, sample)["image"][0]
        assert solar_disk.measured(found).radius == pytest.approx(24.6, abs=0.1)
        # What differs is a blurred edge: less than a third of what the unscaled ring has.
        assert (
            numpy.abs(found - sample.inputs["image"][0]).sum() < numpy.abs(both(64, 25.4) - sample.inputs["image"][0]).sum() / 3
        )
    same = explanation.Sample({"image": both(64, 25.4)[None]}, {"image": "image"}, "x", None)
    numpy.testing.assert_array_equal(baselines.choose("quiet", subject, same)["image"], same.inputs["image"])
