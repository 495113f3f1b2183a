"""Scores of maps, against values worked out by hand, and the study on a small simulated Sun."""

import json
import types

import numpy
import pytest

from dataset_models import simulation_mark
from dataset_models.simulated.sun import SimulatedSun
from science.explanation_quality import faithfulness, localisation, randomisation, study
from tools.errors import UserError

MASK = numpy.array([[True, True, False], [False, False, False], [False, False, False]])


def test_localisation_by_hand():
    strength = numpy.array([[4.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    others = numpy.zeros((3, 3), bool)
    others[2, 2] = others[0, 0] = True  # what overlaps the place to find is not counted against the map
    found = localisation.localisation(strength, MASK, others)
    assert found == {"pointing": 1.0, "mass": 0.5, "rank": 0.5, "distractor mass": 0.3}
    assert localisation.pointing_game(strength.T[::-1], MASK) == 0.0


def test_a_map_of_nothing_has_no_score():
    found = localisation.localisation(numpy.zeros((3, 3)), MASK, ~MASK)
    assert all(numpy.isnan(value) for value in found.values())


def test_what_speaks_for_the_output_counts():
    values = numpy.array([[[1.0, -3.0], [2.0, 1.0]]])
    numpy.testing.assert_array_equal(localisation.strength_of(values), [[0.0, 3.0]])
    numpy.testing.assert_array_equal(localisation.strength_of(values, positive=False), [[2.0, 3.0]])


def test_deletion_and_insertion_of_a_sum_by_hand():
    """The output is the sum of four pixels 4, 3, 2, 1: taken away in order, what is left is 10, 6, 3, 1, 0."""
    image = numpy.array([[4.0, 3.0], [2.0, 1.0]], "float32")[..., None]

    def outputs(images):
        return images.sum(axis=(1, 2, 3))

    found = faithfulness.deletion_and_insertion(outputs, image, image[..., 0], numpy.zeros_like(image), steps=4)
    assert found["deletion"] == pytest.approx((1.0 + 0.6 + 0.3 + 0.1 + 0.0) / 5)
    assert found["insertion"] == pytest.approx((0.0 + 0.4 + 0.7 + 0.9 + 1.0) / 5)
    worst = faithfulness.deletion_and_insertion(outputs, image, -image[..., 0], numpy.zeros_like(image), steps=4)
    assert worst["deletion"] > found["deletion"]
    flat = faithfulness.deletion_and_insertion(outputs, image, image[..., 0], image, steps=4)
    assert numpy.isnan(flat["deletion"])


def test_sensitivity_of_a_constant_and_of_a_scaled_map():
    image = numpy.random.default_rng(0).random((6, 6, 1))
    assert faithfulness.max_sensitivity(lambda images: numpy.ones((len(images), 6, 6)), image) == 0.0
    small = faithfulness.max_sensitivity(lambda images: images, image, radius=0.01)
    large = faithfulness.max_sensitivity(lambda images: images, image, radius=0.1)
    assert 0 < small < large
    assert large == pytest.approx(10 * small, rel=1e-4)


def test_counterfactual_is_the_change():
    image = numpy.ones((2, 2, 1))
    found = faithfulness.counterfactual(lambda images: images.sum(axis=(1, 2, 3)), image, [0 * image, image])
    numpy.testing.assert_allclose(found, [4.0, 0.0])


def test_cascade_names_layers_from_the_last(network):
    from science.saliency.saliency import explain

    model = network()
    image = numpy.random.default_rng(0).normal(size=(1, 24, 24, 2)).astype("float32")
    found = randomisation.cascade(model, lambda one: explain(one, {"image": image}))
    assert list(found) == ["output", "hidden", "second", "first"]
    assert all(-1 <= value <= 1 for value in found.values())
    assert found["first"] < 0.5


@pytest.mark.parametrize(("flags", "message"), [(["--seed", "-1"], "--seed -1"), (["--images", "1"], "--images 1")])
def test_wrong_flags_are_named_before_training(tmp_path, flags, message):
    with pytest.raises(UserError, match=f"{message}: must be at least"):
        study.main(["--out", str(tmp_path / "out"), *flags])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("biases", "hits"), [([10.0, 5.0], False), ([-10.0, -5.0], True)])
def test_hits_are_forecasts_of_all_outputs(biases, hits):
    """Of two outputs the event is forecast where it is the larger one, whatever its sign."""
    import keras

    keywords = {"channel_set": "hmi", "activity": "clear cut", "flaring_within": 60.0, "dependent_variable": "flare"}
    sun = SimulatedSun(**keywords, image_size=32, start="1976-01-01", days=200)
    image = keras.Input((32, 32, 1), name="image")
    layer = keras.layers.Dense(2, kernel_initializer="zeros")
    model = keras.Model(image, layer(keras.layers.Flatten()(image)))
    layer.bias.assign(biases)
    times, report = study.chosen_times(types.SimpleNamespace(model=model, data=sun), 150)
    share = (sun.targets("validation") > 0.5).mean()
    assert 0.2 < share < 0.8
    assert report["accuracy"] == pytest.approx(share if hits else 1 - share)
    assert bool(len(times)) == hits


@pytest.mark.slow
def test_the_study_finds_what_it_should(tmp_path, monkeypatch, capsys):
    """A small network and few images: methods that are right must beat random maps, and every file appears."""
    monkeypatch.setattr(study, "FEW", 2)
    small = dict(zip(study.TRAINING[::2], study.TRAINING[1::2], strict=False))
    assert small["--activity"] == "clear cut"
    training = [*study.TRAINING, "--image_size", "64", "--days", "1500", "--epochs", "4"]
    monkeypatch.setattr(study, "TRAINING", training)
    study.main(["--out", str(tmp_path), "--images", "6"])
    results = json.loads((tmp_path / "quality.json").read_text())
    mass = {row["method"]: row["mass"] for row in results["scores"]}
    assert set(study.CONTROLS) < set(mass)
    assert mass["integrated gradients"] > 3 * mass["random map"]
    assert results["counterfactual"]["without the flaring region"] > results["counterfactual"]["without another region"]
    found = [
        tmp_path / name for name in ("quality.csv", "quality_per_image.csv", "randomisation.csv", "quality.png", "quality.json")
    ]
    assert all(path.stat().st_size > 100 for path in found)
    assert [path.name for path in found if not simulation_mark.of_file(path)] == []
