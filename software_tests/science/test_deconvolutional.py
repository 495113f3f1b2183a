"""Deconvolution against a deconvnet written out by hand, and the files it leaves."""

import numpy
import pytest

from science.deconvolutional import deconvolutional
from tools.errors import UserError


def _transposed(signal, kernel):
    """Transposed filters of a 'same' 3 x 3 convolution: (h, w, out) and (3, 3, in, out) -> (h, w, in)."""
    height, width, _ = signal.shape
    padded = numpy.zeros((height + 2, width + 2, kernel.shape[2]))
    for row in range(3):
        for column in range(3):
            padded[row : row + height, column : column + width] += signal @ kernel[row, column].T
    return padded[1:-1, 1:-1]


def _unpooled(signal, before):
    """Put each value to where 2 x 2 max pooling found the maximum of `before`."""
    result = numpy.zeros_like(before)
    for row, column, channel in numpy.ndindex(signal.shape):
        patch = before[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
        y, x = numpy.unravel_index(patch.argmax(), (2, 2))
        result[2 * row + y, 2 * column + x, channel] = signal[row, column, channel]
    return result


@pytest.mark.parametrize("keep", ["maximum", "map"])
@pytest.mark.parametrize("way", ["inline", "ReLU", "nested", "mixed"])
def test_projections_are_those_of_a_deconvnet(golden, golden_network, way, keep):
    """The paper's three steps in numpy: unpool with switches, rectify, filter with transposed kernels."""
    image = golden["x"][:1]
    model = golden_network(way)
    first, second = list(deconvolutional.deconvolve(model, {"image": image}, keep=keep, batch_size=4))
    assert (first.layer, second.layer) == ("c1", "c2")

    # The feature maps of the golden network, forward by hand.
    windows = numpy.lib.stride_tricks.sliding_window_view(numpy.pad(image[0], ((1, 1), (1, 1), (0, 0))), (3, 3), axis=(0, 1))
    maps_1 = numpy.maximum(numpy.einsum("hwirc,rcio->hwo", windows, golden["A/c1/kernel"]) + golden["A/c1/bias"], 0)
    maps_2 = numpy.maximum(golden["A/attr/layer_c2_activation"][0], 0)

    strongest = numpy.argsort(-maps_2.max(axis=(0, 1)), kind="stable")[:6]
    numpy.testing.assert_array_equal(second.channels, strongest)
    for position, channel in enumerate(strongest):
        numpy.testing.assert_allclose(second.responses[position], maps_2[..., channel], atol=1e-4)
        signal = numpy.zeros_like(maps_2)
        signal[..., channel] = maps_2[..., channel]
        if keep == "maximum":
            signal *= maps_2[..., channel : channel + 1] == maps_2[..., channel].max()
        signal = numpy.maximum(_unpooled(_transposed(signal, golden["A/c2/kernel"]), maps_1), 0)
        expected = _transposed(signal, golden["A/c1/kernel"])
        tolerance = 1e-5 * numpy.abs(expected).max()
        numpy.testing.assert_allclose(second.inputs["image"][position], expected, rtol=0, atol=tolerance)

    channel = first.channels[0]
    signal = numpy.zeros_like(maps_1)
    signal[..., channel] = maps_1[..., channel]
    if keep == "maximum":
        signal *= maps_1[..., channel : channel + 1] == maps_1[..., channel].max()
    expected = _transposed(signal, golden["A/c1/kernel"])
    numpy.testing.assert_allclose(first.inputs["image"][0], expected, rtol=0, atol=1e-5 * numpy.abs(expected).max())


def test_a_shared_tower_is_projected_to_each_of_its_images():
    import keras

    keras.utils.set_random_seed(2)
    inputs = {name: keras.Input((12, 12, 1), name=name) for name in ("image", "image_prior_1")}
    tower = keras.Sequential([keras.layers.Conv2D(4, 3, activation="relu", name="seen"), keras.layers.Flatten()])
    x = keras.layers.Concatenate()([tower(image) for image in inputs.values()])
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    random = numpy.random.default_rng(0)
    arrays = {name: random.normal(size=(1, 12, 12, 1)) for name in inputs}
    calls = list(deconvolutional.deconvolve(model, arrays, count=2))
    assert [call.layer for call in calls] == ["seen call 1", "seen call 2"]
    for call, own, other in zip(calls, inputs, reversed(inputs), strict=True):
        assert call.inputs[own].any(axis=(1, 2, 3)).all()
        assert not call.inputs[other].any()


def test_silent_feature_maps_are_left_out(network):
    model = network()
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel * 0, numpy.where(numpy.arange(6) == 4, 1.0, -1.0)])
    first = next(deconvolutional.deconvolve(model, {"image": numpy.ones((1, 24, 24, 2))}))
    numpy.testing.assert_array_equal(first.channels, [4])
    model.get_layer("first").set_weights([kernel * 0, bias - 1])
    first = next(deconvolutional.deconvolve(model, {"image": numpy.ones((1, 24, 24, 2))}))
    assert first.inputs["image"].shape == (0, 24, 24, 2)


def test_the_square_holds_everything_that_was_projected():
    projected = numpy.zeros((2, 40, 60, 1))
    projected[0, 0:5, 50:60] = 1
    projected[1, 20:30, 10:14] = -1
    corners, side = deconvolutional.windows(projected)
    for values, (row, column) in zip(projected, corners, strict=True):
        assert values[row : row + side, column : column + side].any()
        assert numpy.abs(values).sum() == numpy.abs(values[row : row + side, column : column + side]).sum()
    assert side < 40


@pytest.mark.long
def test_files(saved, dataset):
    model = saved(side=3)
    deconvolutional.main([str(model), str(dataset), "2026-03-01T02:00", "--side", "--count", "2"])
    stem = "2026-03-01T020000_deconvolution"
    names = sorted(file.name for file in (model.parent / "features").iterdir())
    assert names == [f"{stem}_{name}" for name in ("first.npz", "first_image.png", "second.npz", "second_image.png")]
    with numpy.load(model.parent / "features" / f"{stem}_second.npz", allow_pickle=False) as arrays:
        assert arrays["feature_maps"].shape == (2,)
        assert arrays["responses"].shape == (2, 12, 12)
        assert arrays["image"].shape == (2, 24, 24, 2)
        assert not arrays["side_channel"].any()


def _without_convolutions():
    import keras

    image = keras.Input((24, 24, 2), name="image")
    return keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))


def _without_relu():
    import keras

    image = keras.Input((24, 24, 2), name="image")
    x = keras.layers.Conv2D(2, 3, activation="tanh")(image)
    return keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize(
    ("make", "flags", "words"),
    [
        (_without_convolutions, [], "has no convolution layers"),
        (_without_relu, [], "changes the backward pass of ReLU; this network has none"),
        (None, ["--layer", "hidden"], "--layer hidden: is not a convolution of the network; it has first, second"),
        (None, ["--count", "0"], "--count 0"),
    ],
)
def test_networks_and_flags_that_cannot_be(saved, dataset, make, flags, words):
    model = saved(make() if make else None)
    with pytest.raises(UserError, match=words):
        deconvolutional.main([str(model), str(dataset), "2026-03-01T02:00", *flags])
    assert [file.name for file in model.parent.iterdir()] == [model.name]
