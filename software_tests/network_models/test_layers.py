"""Layers whose numbers must be those of a plainer one."""

import numpy
import pytest


@pytest.mark.parametrize(
    ("height", "width", "kernel", "stride"), [(22, 22, 7, 2), (21, 24, 7, 2), (17, 16, 3, 2), (20, 19, 5, 3)]
)
def test_block_convolution_is_the_strided_one(height, width, kernel, stride):
    import keras
    import tensorflow

    from network_models.layers import BlockConv2D

    keras.utils.set_random_seed(1)
    blocks, plain = BlockConv2D(4, kernel, stride), keras.layers.Conv2D(4, kernel, stride)
    x = tensorflow.random.normal((2, height, width, 3), seed=2)
    blocks.build(x.shape), plain.build(x.shape)
    bias = numpy.arange(4, dtype="float32")
    plain.set_weights([blocks.get_weights()[0], bias])
    blocks.set_weights(plain.get_weights())
    found = []
    for layer in (blocks, plain):
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            output = layer(x)
            loss = tensorflow.reduce_sum(output**2)
        found.append([output, *tape.gradient(loss, [x, *layer.trainable_variables])])
    assert blocks.compute_output_shape(x.shape) == tuple(found[0][0].shape)
    for ours, expected in zip(*found, strict=True):
        numpy.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * float(numpy.abs(expected).max()))


@pytest.mark.parametrize("keywords", [{"strides": 1}, {"padding": "same"}, {"strides": (2, 1)}, {"dilation_rate": 2}])
def test_block_convolution_refuses_what_it_does_not_do(keywords):
    from network_models.layers import BlockConv2D

    with pytest.raises(ValueError, match=r"one stride|strides"):
        BlockConv2D(4, 3, **keywords)
