"""The gradient engine against golden numbers and finite differences, and what all explanation scripts share."""

import numpy
import pytest
from astropy.io import fits
from PIL import Image

from dataset_models.simulated.sun import image_header
from dataset_models.solar_data import Channel
from science.explanation import map_files
from science.explanation import subject as explanation
from science.explanation.attribution import Attribution
from science.gradients.engine import GradientEngine
from tools import figures
from tools.errors import UserError

WAYS = ("inline", "Activation", "ReLU", "custom", "nested", "mixed")
RULES = {"plain": "saliency_t1", "guided": "guided_backprop", "deconvolution": "deconvolution"}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_relu_gives_the_golden_attributions(way, golden, golden_network):
    model = golden_network(way)
    engine = GradientEngine(model)
    for rule, name in RULES.items():
        expected = golden[f"A/attr/{name}"]
        received = engine.gradients({"image": golden["x"]}, rule=rule, batch_size=3)["image"]
        numpy.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * numpy.abs(expected).max(), err_msg=rule)
    assert engine.relu_count() == 3
    numpy.testing.assert_allclose(engine.outputs({"image": golden["x"]}), golden["A/logits"][:, 1], atol=1e-5)
    if way == "mixed":
        assert model.get_layer("c1").compute_dtype == "float16", "the network itself was changed"


def test_the_rules_differ_from_the_plain_gradient(golden):
    """Or else the test above could pass without any override."""
    for name in ("guided_backprop", "deconvolution"):
        difference = numpy.abs(golden[f"A/attr/{name}"] - golden["A/attr/saliency_t1"]).max()
        assert difference > 0.1 * numpy.abs(golden[f"A/attr/{name}"]).max()


def test_target_and_softmax(golden, golden_network):
    import keras

    model = golden_network()
    softmax = keras.Model(model.input, keras.layers.Softmax()(model.output))
    sigmoid = keras.Model(model.input, keras.layers.Activation("sigmoid")(model.output))
    inline = keras.models.clone_model(model)
    inline.set_weights(model.get_weights())
    inline.get_layer("out").activation = keras.activations.softmax
    inline = keras.Model.from_config(inline.get_config())
    inline.set_weights(model.get_weights())
    outer = keras.Input((24, 24, 1), name="image")
    nested = keras.Model(outer, softmax(outer))
    for changed in (model, softmax, sigmoid, inline, nested):
        for target, name in ((0, "saliency_t0"), (None, "saliency_t1")):
            expected = golden[f"A/attr/{name}"]
            received = GradientEngine(changed, target=target).gradients({"image": golden["x"]})["image"]
            numpy.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * numpy.abs(expected).max())


def test_gradients_of_several_inputs_equal_finite_differences():
    """Image, earlier image and side channel, one tower shared by both images, logits in a dict, inputs not in order."""
    import keras

    keras.utils.set_random_seed(5)
    inputs = {
        name: keras.Input(shape, name=name) for name, shape in (("side", (3,)), ("image", (6, 6, 2)), ("before", (6, 6, 2)))
    }
    tower = keras.Sequential([keras.layers.Conv2D(3, 3, activation="tanh"), keras.layers.AveragePooling2D(2)], name="tower")
    x = [keras.layers.Flatten()(tower(inputs[name])) for name in ("image", "before")]
    x = keras.layers.Concatenate()([*x, inputs["side"]])
    output = keras.layers.Dense(1)(keras.layers.Dense(4, activation="tanh")(x))
    engine = GradientEngine(keras.Model(inputs, {"logits": output, "attention": x}))
    random = numpy.random.default_rng(0)
    arrays = {name: random.normal(0, 1, (2, *tensor.shape[1:])) for name, tensor in inputs.items()}
    gradients = engine.gradients(arrays)
    step = 1e-2
    for name, array in arrays.items():
        for index in ((0, *[1] * (array.ndim - 1)), (1, *[0] * (array.ndim - 1))):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                ends.append(engine.outputs({**arrays, name: moved})[index[0]])
            assert gradients[name][index] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=2e-2, abs=1e-4)
    assert list(engine.calls(keras.layers.Conv2D).values()) == [2]


def test_an_ignored_input_has_a_gradient_of_zero():
    import keras

    used, ignored = keras.Input((2,), name="used"), keras.Input((3,), name="ignored")
    engine = GradientEngine(keras.Model([used, ignored], keras.layers.Dense(1)(used)))
    gradients = engine.gradients({"used": numpy.ones((2, 2)), "ignored": numpy.ones((2, 3))})
    assert not gradients["ignored"].any()
    assert gradients["used"].all()


def test_dropout_and_batch_normalisation_are_at_inference():
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(keras.layers.ReLU()(x)))
    engine = GradientEngine(keras.Model(image, keras.layers.Dense(1)(x)))
    images = numpy.random.default_rng(0).normal(0, 1, (4, 8, 8, 1))
    together = engine.gradients({"image": images})["image"]
    alone = numpy.concatenate([engine.gradients({"image": images[i : i + 1]})["image"] for i in range(4)])
    numpy.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_relu_that_a_rule_cannot_reach_is_refused():
    import keras
    import tensorflow

    class Hidden(keras.layers.Layer):
        @tensorflow.function
        def rectified(self, x):
            return tensorflow.nn.relu(x)

        def call(self, x):
            return self.rectified(x)

    def model(layer):
        image = keras.Input((4, 4, 1), name="image")
        x = keras.layers.Flatten()(layer(keras.layers.Conv2D(2, 3, activation="relu")(image)))
        return keras.Model(image, keras.layers.Dense(1)(x))

    images = {"image": numpy.ones((1, 4, 4, 1))}
    assert GradientEngine(model(Hidden())).gradients(images)["image"].shape == (1, 4, 4, 1)
    for layer, words in ((Hidden(), "compiled function"), (keras.layers.LeakyReLU(), "LeakyRelu")):
        with pytest.raises(UserError, match=words) as caught:
            GradientEngine(model(layer)).gradients(images, rule="guided")
        assert "\n" not in str(caught.value)


def test_the_network_works_on_after_its_layers_were_recorded(golden, golden_network):
    model = golden_network("ReLU")
    before = model.predict(golden["x"], verbose=0)
    engine = GradientEngine(model)
    values, outputs = engine.activations({"image": golden["x"]}, engine.layer("c2"))
    numpy.testing.assert_allclose(values[0], golden["A/attr/layer_c2_activation"], atol=1e-5)
    numpy.testing.assert_allclose(outputs, golden["A/logits"], atol=1e-5)
    assert "call" not in vars(model.get_layer("c2"))
    numpy.testing.assert_array_equal(model.predict(golden["x"], verbose=0), before)


@pytest.mark.parametrize(
    ("outputs", "target", "words"), [(3, None, "--target 0 to 2"), (2, 2, "--target 2"), (1, -1, "--target -1")]
)
def test_targets_out_of_range(network, outputs, target, words):
    with pytest.raises(UserError, match=words):
        GradientEngine(network(outputs=outputs), target=target)


def test_unknown_layers_are_answered_with_the_known(network):
    with pytest.raises(UserError, match=r"--layer x: .*first.*second.*hidden.*output"):
        GradientEngine(network()).layer("x")


# Loading and checking


def test_inputs_of_another_shape_name_both(saved, dataset):
    with pytest.raises(UserError, match=r"input image expects 32 x 32 x 2, the data set gives image of 24 x 24 x 2"):
        explanation.load(saved(size=32), dataset)
    assert explanation.load(saved(size=32), dataset, {"size": 32}).data.size == 32


def test_side_channels_that_only_one_side_has(saved, dataset):
    with pytest.raises(UserError, match=r"takes 2 inputs \(image, side_channel\), the data set gives 1 \(image\)"):
        explanation.load(saved(side=3), dataset)


def test_data_options_come_from_the_run(saved, dataset, tmp_path):
    path = saved(size=32)
    (path.parent / "settings.yml").write_text(f"dataset: {dataset}\ndata_options: {{size: 32}}\n")
    subject = explanation.load(path, dataset)
    assert subject.data.size == 32
    assert explanation.output_folder(subject, "maps") == path.parent / "maps"
    assert explanation.output_folder(subject, "maps", tmp_path / "x" / "y") == tmp_path / "x" / "y"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (numpy.full((24, 24, 2), numpy.nan), "all values are NaN"),
        (numpy.where(numpy.arange(24)[:, None, None] > 22, numpy.nan, numpy.ones((24, 24, 2))), "48 of 1152 values are NaN"),
        (numpy.full((24, 24, 2), 7.0), "every pixel is 7"),
        (numpy.zeros((24, 20, 2)), "expects 24 x 24 x 2, .* of 24 x 20 x 2"),
        (numpy.zeros((24, 24)), "expects 24 x 24 x 2, .* of 24 x 24;"),
        (numpy.array([{}], object), "not a readable array"),
    ],
)
def test_images_that_cannot_be_explained(saved, dataset, tmp_path, array, words):
    path = tmp_path / "image.npy"
    numpy.save(path, array, allow_pickle=True)
    with pytest.raises(UserError, match=words) as caught:
        explanation.sample(explanation.load(saved(), dataset), str(path))
    assert "\n" not in str(caught.value)
    assert "image.npy" in str(caught.value)


def test_a_title_states_the_time_or_names_the_file():
    nothing = {"inputs": {}, "names": {}, "header": None}
    to_the_second = explanation.Sample(label="", time=numpy.datetime64("2026-02-01T00:00:36"), **nothing)
    assert to_the_second.title == "2026-02-01 00:00:36 UTC"
    assert explanation.Sample(label="HMI.m2026.02.01_05.00.00", **nothing).title == "HMI.m2026.02.01_05.00.00"
    file = explanation.Sample(label="HMI.m2026.02.01_05.00.00", observed=numpy.datetime64("2026-02-01T05:00"), **nothing)
    assert file.title == "2026-02-01 05:00 UTC"


def test_an_image_file_is_called_by_the_time_in_its_header(saved, dataset, tmp_path):
    values = numpy.arange(576, dtype="float32").reshape(24, 24)
    for name, cards in (("with.fits", {"DATE-OBS": "2014-06-01T12:34:56"}), ("without.fits", {})):
        fits.PrimaryHDU(values, fits.Header(cards)).writeto(tmp_path / name)
    subject = explanation.load(saved(), dataset)
    samples = [explanation.sample(subject, str(tmp_path / name)) for name in ("with.fits", "without.fits")]
    assert [sample.title for sample in samples] == ["2014-06-01 12:34:56 UTC", "without"]
    assert [sample.label for sample in samples] == ["with", "without"]  # files keep their names


def test_times_instead_of_files(saved, dataset):
    subject = explanation.load(saved(), dataset)
    sample = explanation.sample(subject, "2026-02-01T05:00Z")
    numpy.testing.assert_array_equal(
        sample.inputs["image"][0], subject.data.inputs(numpy.datetime64("2026-02-01T05:00"))["image"]
    )
    assert sample.label == "2026-02-01T050000"
    assert sample.title == "2026-02-01 05:00 UTC"
    assert explanation.sample(subject, "2026-02-01T05:00+00:00").time == sample.time  # numpy would warn of the zone
    for text, words in (
        ("2026-02-01T05:30", "no sample at this time; the nearest is 2026-02-01T05:00:00"),
        ("missing.jpg", "no such image file, nor a UTC time"),
        ("HMI.m2026.02.01_05.00.00.jpg", "no such image file, nor a UTC time"),
        ("2026-02-01T05:00+01:00", "no such image file, nor a UTC time"),
        ("NaT", "no such image file, nor a UTC time"),
    ):
        with pytest.raises(UserError, match=words):
            explanation.sample(subject, text)


def test_output_folders_that_cannot_be(saved, dataset, tmp_path):
    subject = explanation.load(saved(), dataset)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--out"):
        explanation.output_folder(subject, "maps", tmp_path / "file" / "maps")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_labels_stay_in_the_picture_under_a_title_of_several_lines(count, tmp_path):
    header, values = image_header(64, numpy.datetime64("2026-02-02")), numpy.zeros((64, 64))
    values[20:24, 15:20] = 0.5
    attribution = Attribution("rate map", {}, numpy.zeros(1), 0, "", {}, units={"magnetogram": "M1.0+ flares per day"})
    channel, title = Channel("magnetogram", "hmimag", "G"), "\n".join(["a line"] * count)
    with figures.style():
        map_files.draw(values, values, channel, header, (), title, attribution, tmp_path / "map.png")
    picture = numpy.asarray(Image.open(tmp_path / "map.png").convert("L"))
    assert (picture[[0, -1]] == 255).all()
