"""Convolutions with half the multiplications must give the numbers of the direct ones, and their gradients."""

import types

import numpy
import pytest

SHAPES = (  # image, kernel, padding
    ((2, 18, 21, 16), (3, 3, 16, 8), "SAME"),
    ((1, 16, 16, 12), (4, 4, 12, 4), "SAME"),
    ((2, 13, 19, 12), (5, 5, 12, 4), "VALID"),
)


@pytest.mark.parametrize("width", [3, 4, 5])
def test_matrices_filter_a_row(width):
    from network_models.winograd import OUTPUTS, matrices

    before, filters, after = matrices(width)
    random = numpy.random.default_rng(width)
    pixels, weights = random.normal(size=width + OUTPUTS - 1), random.normal(size=width)
    assert len(before) == width + OUTPUTS - 1  # multiplications, of the direct OUTPUTS * width
    found = after @ ((filters @ weights) * (before @ pixels))
    numpy.testing.assert_allclose(found, numpy.correlate(pixels, weights, "valid"), rtol=0, atol=1e-13)


def outputs_and_gradients(convolution, images, kernel):
    import tensorflow

    @tensorflow.function
    def call(images, kernel):
        with tensorflow.GradientTape() as tape:
            tape.watch([images, kernel])
            outputs = convolution(images, kernel)
            loss = tensorflow.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, [images, kernel])]

    return [array.numpy() for array in call(images, kernel)]


@pytest.mark.parametrize(("image_shape", "kernel_shape", "padding"), SHAPES)
def test_outputs_and_gradients_are_the_direct_ones(image_shape, kernel_shape, padding):
    import tensorflow

    from network_models.winograd import convolve

    random = numpy.random.default_rng(0)
    images, kernel = random.normal(size=image_shape), random.normal(size=kernel_shape)

    def direct(images, kernel):
        return tensorflow.nn.conv2d(images, kernel, 1, padding)

    exact = outputs_and_gradients(direct, tensorflow.constant(images), tensorflow.constant(kernel))
    images, kernel = tensorflow.constant(images, "float32"), tensorflow.constant(kernel, "float32")
    found = outputs_and_gradients(lambda images, kernel: convolve(images, kernel, padding), images, kernel)
    for ours, expected in zip(found, exact, strict=True):
        assert ours.dtype == "float32"
        numpy.testing.assert_allclose(ours, expected, rtol=0, atol=4e-6 * numpy.abs(expected).max())


@pytest.fixture
def network():
    import keras

    from network_models.layers import BlockConv2D

    keras.utils.set_random_seed(3)
    inputs = keras.Input((40, 40, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="few_channels")(inputs)
    x = BlockConv2D(16, 5, 2, activation="relu", name="blocks")(x)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="wide")(x)
    x = keras.layers.Conv2D(16, 3, 2, padding="same", activation="relu", name="strided")(x)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="small")(x)
    x = keras.layers.Conv2D(16, 1, activation="relu", name="pointwise")(x)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


def compiled_calls(model, images):
    """Convolutions of a forward pass that XLA compiles."""
    import tensorflow

    return compiled_nodes(tensorflow.function(lambda x: model(x)).get_concrete_function(images).graph)


def compiled_nodes(graph):
    return sum("_XlaMustCompile" in node.attr and node.attr["_XlaMustCompile"].b for node in graph.as_graph_def().node)


def test_networks_compute_the_same_and_are_saved_as_before(network, tmp_path):
    import keras

    from network_models.winograd import compile_convolutions

    images = numpy.random.default_rng(1).normal(size=(3, 40, 40, 1)).astype("float32")
    before, config = network(images).numpy(), network.get_config()
    assert compiled_calls(network, images) == 0
    for _ in range(2):  # again, as when a network is compiled a second time
        assert compile_convolutions(network)
        assert compiled_calls(network, images) == 2  # "blocks" and "wide"; "small" has 9 pixels
        for count in (3, 2):  # each is compiled by itself
            numpy.testing.assert_allclose(network(images[:count]), before[:count], rtol=1e-4, atol=1e-6)
    assert network.get_config() == config
    network.save(tmp_path / "network.hdf5")
    loaded = keras.models.load_model(tmp_path / "network.hdf5")
    assert compiled_calls(loaded, images) == 0
    numpy.testing.assert_array_equal(loaded(images), before)


def test_training_takes_the_same_steps(network):
    import keras

    from network_models.winograd import compile_convolutions

    random = numpy.random.default_rng(2)
    images, targets = random.normal(size=(8, 40, 40, 1)).astype("float32"), random.integers(0, 2, 8)
    start, losses, ends = network.get_weights(), [], []
    for compiled in (False, True):
        network.set_weights(start)
        assert not compiled or compile_convolutions(network)
        loss = keras.losses.SparseCategoricalCrossentropy(True)
        network.compile(keras.optimizers.SGD(0.01), loss, jit_compile=False)
        losses.append(network.fit(images, targets, batch_size=4, shuffle=False, verbose=0).history["loss"])
        ends.append(network.get_weights())
    numpy.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for ours, expected, begin in zip(ends[1], ends[0], start, strict=True):
        moved = numpy.abs(expected - begin).max()
        assert moved > 0
        numpy.testing.assert_allclose(ours, expected, rtol=0, atol=1e-3 * moved)


def test_half_precision_stays_direct():
    import keras

    from network_models.winograd import compile_convolutions

    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    inputs = keras.Input((40, 40, 16))
    mixed = keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same", dtype=policy)(inputs))
    assert not compile_convolutions(mixed)  # so that the flag compiles all of such a network
    assert compiled_calls(mixed, numpy.zeros((1, 40, 40, 16), "float32")) == 0


@pytest.mark.parametrize(("channels", "whole"), [(16, False), (3, True)])
def test_the_flag_compiles_the_wide_convolutions_or_everything(channels, whole):
    import keras

    from network_models.forecast import Forecast
    from network_models.settings import TrainingOptions

    inputs = keras.Input((16, 16, channels))
    features = keras.layers.Conv2D(4, 3, padding="same", name="convolution")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(features)))
    images = numpy.zeros((1, 16, 16, channels), "float32")
    for flag in (False, True):
        data = types.SimpleNamespace(task="classification", target_label="flare", title="tiny")
        settings = types.SimpleNamespace(data=data, training=TrainingOptions(xla=flag))
        Forecast(settings).compile(model, replicas=1)
        assert model.jit_compile is (flag and whole)
        assert compiled_calls(model, images) == (flag and not whole)


def test_networks_without_wide_convolutions_are_left_alone():
    import keras

    from network_models.winograd import compile_convolutions

    inputs = keras.Input((40, 40, 3))
    assert not compile_convolutions(keras.Model(inputs, keras.layers.Conv2D(8, 3)(inputs)))
    inputs = keras.Input((40, 40, 16))
    for keywords in ({"strides": 2}, {"dilation_rate": 2}, {"groups": 2}, {"kernel_size": 7}):
        layer = keras.layers.Conv2D(**{"filters": 4, "kernel_size": 3, **keywords})
        assert not compile_convolutions(keras.Model(inputs, layer(inputs)))


RESPONSES = (  # channels, layer, and what the kernel becomes: the points of a row by its height, or points by points
    (16, "Conv2D", {"filters": 8, "kernel_size": 3, "padding": "same", "activation": "relu"}, (6, 3)),
    (16, "Conv2D", {"filters": 8, "kernel_size": (2, 4), "padding": "same", "activation": "elu"}, (7, 2)),
    (16, "Conv2D", {"filters": 8, "kernel_size": (4, 5), "use_bias": False}, (8, 4)),
    (16, "BlockConv2D", {"filters": 8, "kernel_size": 7, "strides": 2, "activation": "relu"}, (7, 4)),
    (130, "Conv2D", {"filters": 128, "kernel_size": 3, "activation": "relu"}, (6, 6, 1)),
)


@pytest.mark.parametrize(("channels", "kind", "keywords", "lengths"), RESPONSES)
def test_frozen_layers_respond_and_carry_gradients_back_as_before(channels, kind, keywords, lengths):
    import keras
    import tensorflow

    from network_models import layers
    from network_models.winograd import frozen_convolutions, frozen_kernels, wide_convolutions

    images = tensorflow.constant(numpy.random.default_rng(4).normal(size=(3, 27, 30, channels)), "float32")
    keras.utils.set_random_seed(4)
    inputs = keras.Input((27, 30, channels))
    layer = getattr(keras.layers if kind == "Conv2D" else layers, kind)(bias_initializer="random_normal", **keywords)
    network = keras.Model(inputs, layer(inputs))

    def outputs_and_gradients_of(frozen):
        kernels = frozen_kernels(frozen)

        @tensorflow.function
        def call(x, kernels):
            with frozen_convolutions(frozen, kernels):
                outputs = network(x)
            return [outputs, *tensorflow.gradients(tensorflow.reduce_sum(outputs**2), [x])]

        assert compiled_nodes(call.get_concrete_function(images, kernels).graph) == 2 * len(frozen)  # forward and back
        return [array.numpy() for array in call(images, kernels)]

    assert wide_convolutions(network) == [layer]
    for factors in frozen_kernels([layer])[0]:
        assert factors.shape[:-2] == lengths
    expected, found = outputs_and_gradients_of([]), outputs_and_gradients_of([layer])
    assert compiled_calls(network, images) == 0  # outside of the block all is as before
    for ours, plain in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(ours, plain, rtol=0, atol=1e-5 * numpy.abs(plain).max())


def test_layers_thaw_when_tracing_fails(network):
    from network_models.winograd import frozen_convolutions, frozen_kernels, wide_convolutions

    layers = wide_convolutions(network)
    with pytest.raises(ValueError, match="on purpose"), frozen_convolutions(layers, frozen_kernels(layers)):
        assert all("call" in vars(layer) for layer in layers)
        raise ValueError("on purpose")
    assert not any("call" in vars(layer) for layer in layers)
