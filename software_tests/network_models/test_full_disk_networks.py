"""The five full-disk networks: shapes, initial weights, exact layers, saving, mixed precision, XLA."""

import functools
import subprocess
import sys

import numpy
import pytest

from network_models import layers, networks
from network_models.image_inputs import Input
from tools.errors import UserError

# h5py copies Keras variables through numpy's older protocol.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")

SMALL = ("resnet34", "attention", "standard_cnn")
LARGE = ("alexnet", "vgg16")  # 57 and 134 million parameters
EVERY = (*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE))


def built(architecture, shapes, *, seed=0, **options):
    network = networks.named(architecture)
    return network.build({name: Input(shape) for name, shape in shapes.items()}, network.Options(**options), seed)


def logits_of(outputs):
    return numpy.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)


def image(size, count=2, seed=0):
    return numpy.random.default_rng(seed).random((count, size, size, 1), "float32")


SHAPES = {"image": (192, 192, 1), "image_prior_1": (192, 192, 1), "side_channel": (3,)}


@pytest.fixture(scope="module")
def network_of():
    """Build a network for `SHAPES`, once for all tests: they leave its weights alone."""
    return functools.cache(lambda architecture: built(architecture, SHAPES))


def inputs_of_shapes():
    return {"image": image(192), "image_prior_1": image(192, seed=1), "side_channel": numpy.ones((2, 3), "float32")}


@pytest.fixture
def precision():
    """Restores the dtype policy."""
    import keras

    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("size", [224, *(pytest.param(size, marks=pytest.mark.slow) for size in (512, 1024))])
@pytest.mark.parametrize("architecture", EVERY)
def test_any_size_gives_two_logits(architecture, size):
    model = built(architecture, {"image": (size, size, 1)})
    outputs = model({"image": image(size, 1)}, training=False)
    assert logits_of(outputs).shape == (1, 2)
    assert numpy.isfinite(logits_of(outputs)).all()
    if architecture == "attention":
        shapes = [outputs[f"attention_scores_{number}"].shape for number in (1, 2, 3)]
        assert shapes == [(1, size // part, size // part, 1) for part in (4, 8, 16)]


@pytest.mark.parametrize("length", [6, 7, 13, 15, 31])
@pytest.mark.parametrize("bins", [6, 7])
def test_adaptive_pooling_has_the_bins_of_pytorch(length, bins):
    import keras

    values = numpy.random.default_rng(0).random((1, length, length, 2), "float32")
    edges = [(i * length // bins, -(-(i + 1) * length // bins)) for i in range(bins)]
    expected = [[values[0, a:b, c:d].mean((0, 1)) for c, d in edges] for a, b in edges]
    numpy.testing.assert_allclose(keras.layers.AdaptiveAveragePooling2D(bins)(values)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("architecture", EVERY)
@pytest.mark.long
def test_every_weight_receives_a_gradient(architecture, network_of):
    import tensorflow

    model = network_of(architecture)
    with tensorflow.GradientTape() as tape:
        outputs = model(inputs_of_shapes(), training=True)
        loss = tensorflow.reduce_sum((outputs["logits"] if isinstance(outputs, dict) else outputs)[:, 1])
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert all(gradient is not None for gradient in gradients)
    kernels = [g for g, v in zip(gradients, model.trainable_variables, strict=True) if v.name == "kernel"]
    assert all(numpy.abs(gradient).max() > 0 for gradient in kernels)


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.long
def test_seed_determines_the_weights(architecture):
    shapes = {"image": (192, 192, 1)}
    first, again, other = (built(architecture, shapes, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(numpy.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not numpy.array_equal(a, b) for a, b in zip(first, other, strict=True))
    kernels = [weight.ravel()[:50].tobytes() for weight in first if weight.ndim == 4]
    assert len(set(kernels)) == len(kernels)


@pytest.mark.parametrize(("name", "kurtosis"), [("he_uniform", 1.8), ("he_normal", 3.0)])
def test_initial_kernels_are_of_he(name, kurtosis):
    model = built("standard_cnn", {"image": (192, 192, 1)}, initialiser=name)
    for layer in ("block_3_conv", "block_5_conv", "global_conv"):
        kernel = numpy.asarray(model.get_layer(layer).kernel)
        fan_in = kernel[..., 0].size
        assert kernel.std() == pytest.approx(numpy.sqrt(2 / fan_in), rel=0.02)
        assert (kernel**4).mean() / kernel.var() ** 2 == pytest.approx(kurtosis, rel=0.03)  # normal: not truncated


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.long
def test_side_channel_and_earlier_images_reach_the_logits(architecture, network_of):
    model = network_of(architecture)
    assert set(model.input) == set(SHAPES)
    inputs = inputs_of_shapes()
    before = logits_of(model(inputs, training=False))
    for name in SHAPES:
        changed = {**inputs, name: inputs[name] + 1}
        assert not numpy.allclose(before, logits_of(model(changed, training=False))), name


@pytest.mark.parametrize(
    ("shapes", "complaint"),
    [
        ({"side_channel": (3,)}, "images and at most one side channel; the data set has side_channel 3"),
        ({"image": (224, 224, 1), "a": (2,), "b": (3,)}, "at most one side channel"),
        ({"image": (224, 224, 1), "image_prior_1": (256, 256, 1)}, "images of one size.*image_prior_1 256x256x1"),
        ({"image": (128, 128, 1)}, "at least 192x192 pixels; the data set has image 128x128x1"),
    ],
)
def test_inputs_that_do_not_fit_are_named(shapes, complaint):
    with pytest.raises(UserError, match=complaint):
        built("attention", shapes)


@pytest.mark.parametrize("architecture", ["alexnet", "vgg16", *SMALL])
def test_least_size_is_the_least(architecture):
    network = networks.named(architecture)
    if architecture in SMALL:
        model = built(architecture, {"image": (network.LEAST, network.LEAST, 1)})
        # Compiled, as in training: some operations take sizes eagerly that they refuse there.
        assert numpy.isfinite(logits_of(model.predict_on_batch({"image": image(network.LEAST)}))).all()
    with pytest.raises(UserError, match=f"at least {network.LEAST}x{network.LEAST}"):
        built(architecture, {"image": (network.LEAST - 1, network.LEAST, 1)})


@pytest.mark.parametrize("architectures", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)])
@pytest.mark.long
def test_reload_in_a_process_that_knows_only_the_layers(architectures, network_of, tmp_path):
    inputs = inputs_of_shapes()
    numpy.savez(tmp_path / "inputs.npz", **inputs)
    expected = {}
    for architecture in architectures:
        model = network_of(architecture)
        outputs = model(inputs, training=False)
        expected[architecture] = outputs if isinstance(outputs, dict) else {"logits": outputs}
        model.save(tmp_path / f"{architecture}.hdf5")
    code = (
        "import sys, keras, numpy, network_models.layers\n"
        "for name in sys.argv[1:]:\n"
        "    model = keras.models.load_model(f'{name}.hdf5', compile=False)\n"
        "    outputs = model(dict(numpy.load('inputs.npz')), training=False)\n"
        "    outputs = outputs if isinstance(outputs, dict) else {'logits': outputs}\n"
        "    numpy.savez(f'{name}.npz', **{key: numpy.asarray(value) for key, value in outputs.items()})\n"
    )
    command = [sys.executable, "-c", code, *architectures]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    for architecture, outputs in expected.items():
        reloaded = numpy.load(tmp_path / f"{architecture}.npz")
        assert set(reloaded) == set(outputs)
        for name, value in outputs.items():
            numpy.testing.assert_allclose(reloaded[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", EVERY)
@pytest.mark.long
def test_mixed_precision_agrees_with_float32(architecture, network_of, precision):
    inputs, full = inputs_of_shapes(), network_of(architecture)
    precision("mixed_float16")
    mixed = built(architecture, SHAPES)
    mixed.set_weights(full.get_weights())
    assert mixed.get_layer(index=3).compute_dtype == "float16"
    outputs, expected = mixed(inputs, training=False), logits_of(full(inputs, training=False))
    values = outputs.values() if isinstance(outputs, dict) else [outputs]
    assert all(value.dtype == "float32" for value in values)
    assert numpy.abs(logits_of(outputs) - expected).max() < 0.02 * numpy.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["attention", "resnet34"])  # without dropout, which XLA draws differently
def test_xla_takes_the_same_step(architecture):
    import keras

    losses = []
    for compiled in (False, True):
        model = built(architecture, {"image": (192, 192, 1)})
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        loss = {"logits": loss} if isinstance(model.output, dict) else loss
        model.compile(keras.optimizers.SGD(1e-5), loss, jit_compile=compiled)
        losses.append([model.train_on_batch({"image": image(192)}, numpy.array([0, 1])) for _ in range(2)])
    assert losses[0][0] != losses[0][1]
    numpy.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


@pytest.mark.parametrize("normalisation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("projection", [None, 7])
def test_linear_attention_is_its_formula(normalisation, projection):
    random = numpy.random.default_rng(0)
    local = random.normal(size=(2, 3, 5, 4)).astype("float32")
    context = random.normal(size=(2, projection or 4)).astype("float32")
    layer = layers.LinearAttention(projection=projection, normalisation=normalisation, name="attention")
    attended, scores, weights = layer([local, context])
    projected = local @ numpy.asarray(layer.projector) if projection else local
    expected = ((projected + context[:, None, None]) @ numpy.asarray(layer.score))[..., 0]
    numpy.testing.assert_allclose(scores[..., 0], expected, rtol=1e-4, atol=1e-5)
    if normalisation == "softmax":
        share = numpy.exp(expected) / numpy.exp(expected).sum((1, 2), keepdims=True)
        numpy.testing.assert_allclose(numpy.sum(weights, (1, 2, 3)), 1, rtol=1e-5)
        total = (projected * share[..., None]).sum((1, 2))
    else:
        share = 1 / (1 + numpy.exp(-expected))
        total = (projected * share[..., None]).mean((1, 2))
    numpy.testing.assert_allclose(weights[..., 0], share, rtol=1e-4)
    numpy.testing.assert_allclose(attended, total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_fused_batch_normalisation_is_that_of_keras(training):
    import keras
    import tensorflow

    values = 3 + 2 * numpy.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype("float32")
    weight = numpy.random.default_rng(1).normal(size=values.shape).astype("float32")
    ours, theirs = (
        kind(epsilon=1e-5, momentum=0.9, gamma_initializer=keras.initializers.RandomUniform(0.5, 1, seed=3))
        for kind in (layers.FusedBatchNormalization, keras.layers.BatchNormalization)
    )
    results = []
    for layer in (ours, theirs):
        tensor = tensorflow.constant(values)
        with tensorflow.GradientTape() as tape:
            tape.watch(tensor)
            output = layer(tensor, training=training)
            loss = tensorflow.reduce_sum(weight * output**2)
        results.append([output, *tape.gradient(loss, [tensor, layer.gamma.value, layer.beta.value])])
    for mine, reference in zip(*results, strict=True):
        numpy.testing.assert_allclose(mine, reference, rtol=1e-3, atol=2e-4)
    count = values[..., 0].size
    variance = values.var((0, 1, 2)) * count / (count - 1)  # PyTorch's running_var is unbiased
    numpy.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-5)
    numpy.testing.assert_allclose(ours.moving_variance, 0.9 + 0.1 * variance if training else numpy.ones(6), rtol=1e-5)


def test_frozen_batch_normalisation_keeps_its_statistics():
    layer = layers.FusedBatchNormalization()
    values = numpy.random.default_rng(0).normal(5, 2, (2, 4, 4, 3)).astype("float32")
    layer(values, training=False)
    layer.trainable = False
    numpy.testing.assert_allclose(layer(values, training=True), values / numpy.sqrt(1.001), rtol=1e-5)
    numpy.testing.assert_array_equal(layer.moving_mean, numpy.zeros(3))


def test_batch_statistics_are_float32_under_mixed_precision(precision):
    precision("mixed_float16")
    layer = layers.FusedBatchNormalization(momentum=0.0)
    values = numpy.full((2, 4, 4, 1), 4.0, "float16")
    values[0] = 4.0 + 2**-8  # a mean that float16 cannot hold
    assert layer(values, training=True).dtype == "float16"
    assert layer.moving_mean.dtype == "float32"
    assert float(layer.moving_mean.value[0]) == 4.0 + 2**-9
