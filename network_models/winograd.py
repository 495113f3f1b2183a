"""Convolutions with half the multiplications, or a quarter: Winograd's minimal filtering, compiled by XLA.

Along a row, four outputs of a filter of width r need 4 r multiplications done directly and r + 3 as products of
polynomials (Winograd 1980, "Arithmetic complexity of computations"; Lavin & Gray 2016, "Fast algorithms for convolutional
neural networks"). The sums before and after cost memory traffic and pay only where a compiler fuses them: hence XLA. Down
the columns the convolution stays as it is, which keeps the rounding error that of the direct one, but for networks that are
not trained further: there filters of 3 x 3 with many channels are taken along both, at two to three times that error.
"""

import contextlib
import fractions
import functools

from network_models.layer_calls import replaced

OUTPUTS = 4  # of each piece of a row
# By width of the filter. In a plane those for 3 have a third of the rounding error of 0, 1, -1, 2, -2; for 4 and 5 no other
# fractions up to 3 are much better than these.
POINTS = {
    3: (0, "3/4", "-3/4", "3/2", "-3/2"),
    4: (0, 1, -1, 2, -2, "1/2"),
    5: (0, 1, -1, 2, -2, "1/2", "-1/2"),
}
# Of the images; below these TensorFlow's own convolution is as fast.
LEAST_CHANNELS = 12
LEAST_WIDTH = 12  # pixels
LEAST_CHANNELS_IN_PLANE = 128  # of images and filters; below it the sums of a plane cost what its products save


@functools.cache
def matrices(width):
    """The linear maps of minimal filtering, by Cook and Toom's construction.

    Parameters
    ----------
    width : int
        Of the filter, r.

    Returns
    -------
    before, filters, after : numpy.ndarray
        float64, shapes (r + 3, r + 3), (r + 3, r) and (4, r + 3): with d the pixels of a piece of a row and g the filter,
        its four outputs are after @ ((filters @ g) * (before @ d)).
    """
    import numpy

    points = [fractions.Fraction(point) for point in POINTS[width]]
    before, filters, after = [], [], []
    for number, point in enumerate(points):
        others = points[:number] + points[number + 1 :]
        scale = fractions.Fraction(1)
        for other in others:
            scale *= point - other
        before.append([*_polynomial(others), 0])
        filters.append([point**power / scale for power in range(width)])
        after.append([point**power for power in range(OUTPUTS)])
    # The last point is infinity: only the highest powers count there.
    before.append(_polynomial(points))
    filters.append([0] * (width - 1) + [1])
    after.append([0] * (OUTPUTS - 1) + [1])
    return numpy.array(before, float), numpy.array(filters, float), numpy.array(after, float).T


def _polynomial(roots):
    """Coefficients of the product of (x - root), lowest power first."""
    coefficients = [fractions.Fraction(1)]
    for root in roots:
        coefficients = [low - root * same for low, same in zip([0, *coefficients], [*coefficients, 0], strict=True)]
    return coefficients


def wide_convolutions(model):
    """The convolutions of a network for which this is worth it: on CPUs, in float32.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    list of keras.layers.Layer
        `keras.layers.Conv2D` with stride 1 and enough channels, `network_models.layers.BlockConv2D` likewise, those of
        nested networks included. None where there are GPUs, whose library chooses by itself.
    """
    import tensorflow

    if tensorflow.config.list_logical_devices("GPU"):
        return []
    return [layer for layer in model._flatten_layers(include_self=False) if _suitable(layer)]


def compile_convolutions(model):
    """Let the wide convolutions of a network compute like this from now on.

    Parameters
    ----------
    model : keras.Model
        What is saved of it does not change. The rest of it must not be compiled by XLA as well, whose gradient of max
        pooling is slow.

    Returns
    -------
    bool
        Whether there is any `wide_convolutions`.
    """
    from network_models.layers import BlockConv2D

    chosen = wide_convolutions(model)
    for layer in chosen:
        name = "convolve_blocks" if isinstance(layer, BlockConv2D) else "convolution_op"
        plain = getattr(type(layer), name).__get__(layer)
        setattr(layer, name, functools.partial(_convolve_if_worth_it, plain, layer.padding.upper()))
    return bool(chosen)


def frozen_kernels(layers):
    """What `frozen_convolutions` multiplies with, transformed once instead of with every batch.

    Parameters
    ----------
    layers : sequence of keras.layers.Layer
        Of `wide_convolutions`.

    Returns
    -------
    list of list of tensorflow.Tensor
        For every layer the factors of its kernel, and of the kernel turned by 180 degrees for the way back.
    """
    import tensorflow

    return [
        _compiled_factors(layer.strides[0], tuple(layer.kernel.shape))(tensorflow.convert_to_tensor(layer.kernel))
        for layer in layers
    ]


@contextlib.contextmanager
def frozen_convolutions(layers, kernels):
    """Let some layers compute like this in what is traced within this block, as far as gradients of images need it.

    The gradients of kernels and biases are none. Without them the gradient of an image is a convolution like any other,
    bias and ReLU cost no pass over memory of their own, and the whole is faster than `compile_convolutions` makes it.

    Parameters
    ----------
    layers : sequence of keras.layers.Layer
        Of `wide_convolutions`.
    kernels : list of list of tensorflow.Tensor
        Of `frozen_kernels`.
    """
    factors = dict(zip(layers, kernels, strict=True))
    with replaced(layers, "call", lambda layer, call: functools.partial(_respond, layer, call, factors[layer])):
        yield


def _suitable(layer):
    import keras

    from network_models.layers import BlockConv2D

    if not isinstance(layer, keras.layers.Conv2D) or layer.data_format != "channels_last" or layer.compute_dtype != "float32":
        return False
    if layer.groups > 1 or set(layer.dilation_rate) != {1} or layer.padding not in ("same", "valid"):
        return False
    width, stride, channels = layer.kernel_size[1], set(layer.strides), layer.kernel.shape[2]
    if isinstance(layer, BlockConv2D):
        block = layer.strides[0]
        width, stride, channels = -(-width // block), {1}, channels * block**2
    return width in POINTS and stride == {1} and channels >= LEAST_CHANNELS


def _convolve_if_worth_it(plain, padding, images, kernel):
    import tensorflow

    if images.shape[2] < LEAST_WIDTH:
        return plain(images, kernel)
    return convolve(images, tensorflow.convert_to_tensor(kernel), padding)


@functools.cache
def _compiled_factors(stride, shape):
    import tensorflow

    from network_models.layers import blocks_of_kernel

    def factors(kernel):
        kernel = tensorflow.cast(kernel, "float64")  # once for many images, so their rounding error need not be added
        kernel = blocks_of_kernel(kernel, stride)
        turned = tensorflow.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
        return [tensorflow.cast(_factors(one, _in_plane(one.shape)), "float32") for one in (kernel, turned)]

    # Concrete, because TensorFlow warns of functions that are traced for many networks.
    specification = tensorflow.TensorSpec(shape, "float32")
    return tensorflow.function(factors, jit_compile=True).get_concrete_function(specification)


def _in_plane(shape):
    return tuple(shape[:2]) == (3, 3) and min(shape[2:]) >= LEAST_CHANNELS_IN_PLANE


def _respond(layer, plain, factors, images):
    """What a layer puts out, by `frozen_convolutions`."""
    import keras
    import tensorflow

    stride = layer.strides[0]
    if images.shape[2] // stride < LEAST_WIDTH:
        return plain(images)
    bias = None if layer.bias is None else tensorflow.convert_to_tensor(layer.bias)
    rectified = layer.activation is keras.activations.relu
    shapes = tuple(images.shape[1:]), tuple(layer.kernel.shape)
    response = _compiled_response(layer.padding.upper(), stride, rectified, *shapes)(images, factors, bias)
    return response if rectified else layer.activation(response)


@functools.cache
def _compiled_response(padding, stride, rectified, image_shape, kernel_shape):
    import tensorflow

    from network_models.layers import blocks_of_images

    def respond(images, factors, bias):
        images = blocks_of_images(images, kernel_shape[:2], stride)
        response = _convolve_frozen(images, [-(-length // stride) for length in kernel_shape[:2]], factors, padding)
        if bias is not None:
            response += tensorflow.stop_gradient(bias)
        return tensorflow.nn.relu(response) if rectified else response

    return tensorflow.function(respond, jit_compile=True)


def _convolve_frozen(images, lengths, factors, padding):
    import tensorflow

    ends = [_ends(length, padding) for length in lengths]
    turned_ends = [tuple(length - 1 - end for end in pair) for length, pair in zip(lengths, ends, strict=True)]
    factors, turned = (tensorflow.stop_gradient(one) for one in factors)

    @tensorflow.custom_gradient
    def convolve(images):
        return _convolve(images, factors, *ends), lambda upstream: _convolve(upstream, turned, *turned_ends)

    return convolve(images)


def convolve(images, kernel, padding):
    """What ``tensorflow.nn.conv2d(images, kernel, 1, padding)`` gives, but for rounding, and so for its gradients.

    Parameters
    ----------
    images : tensorflow.Tensor
        Shape (n, height, width, channel), float32; all but n known.
    kernel : tensorflow.Tensor
        Shape (height, width, channel, filter), float32, its width a key of `POINTS`.
    padding : str
        ``"SAME"`` or ``"VALID"``.

    Returns
    -------
    tensorflow.Tensor
        Shape (n, height, width, filter).

    Notes
    -----
    Compiled once for every shape, in one to two seconds with its gradients.
    """
    return _compiled(padding, tuple(images.shape[1:]), tuple(kernel.shape))(images, kernel)


@functools.cache
def _compiled(padding, *shapes):
    """A function of its own for all shapes but n: TensorFlow warns of one that is traced for many."""
    import tensorflow

    def convolve(images, kernel):
        return _convolve(images, _factors(kernel), *(_ends(length, padding) for length in kernel.shape[:2]))

    return tensorflow.function(convolve, jit_compile=True)


def _ends(length, padding):
    """Zeros before and after an axis; as in conv2d, a filter of even length has the odd one at the end."""
    return ((length - 1) // 2, length // 2) if padding == "SAME" else (0, 0)


def _factors(kernel, in_plane=False):
    """A kernel as `_convolve` takes it: transformed along axis 1, its rows, or along both."""
    import tensorflow

    factors = tensorflow.stack(_sums(matrices(kernel.shape[1])[1], tensorflow.unstack(kernel, axis=1)))
    if in_plane:
        factors = tensorflow.stack(_sums(matrices(kernel.shape[0])[1], tensorflow.unstack(factors, axis=1)))[:, :, None]
    return factors


def _convolve(images, factors, column_ends, row_ends):
    """Convolve with stride 1, with so many zeros at the ends of columns (axis 1) and of rows (axis 2)."""
    import tensorflow

    if len(factors.shape) == 5:
        return _filter(images, factors, column_ends, 1, lambda pieces, part: _convolve(pieces, part, (0, 0), row_ends))
    ends = [[0, 0], list(column_ends), [0, 0], [0, 0]]
    return _filter(images, factors, row_ends, 2, lambda pieces, part: tensorflow.nn.conv2d(pieces, part[:, None], 1, ends))


def _filter(images, factors, ends, axis, multiply):
    """Minimal filtering along an axis of images, with so many zeros at its ends: `multiply` takes each point's sums."""
    import tensorflow

    before, _, after = matrices(factors.shape[0] - OUTPUTS + 1)
    outputs = images.shape[axis] + sum(ends) - (len(before) - OUTPUTS)
    pieces = -(-outputs // OUTPUTS)
    added = [[0, 0]] * 4
    added[axis] = [ends[0], OUTPUTS * (pieces - 1) + len(before) - images.shape[axis] - ends[0]]
    images = tensorflow.pad(images, added)

    def along(part):
        return (slice(None),) * axis + (part,)

    last = OUTPUTS * (pieces - 1)
    pixels = [images[along(slice(place, place + last + 1, OUTPUTS))] for place in range(len(before))]
    products = [multiply(values, factors[place]) for place, values in enumerate(_sums(before, pixels))]
    found = tensorflow.stack(_sums(after, products), axis=axis + 1)
    shape = [-1, *products[0].shape[1:]]
    shape[axis] = OUTPUTS * pieces
    return tensorflow.reshape(found, shape)[along(slice(outputs))]


def _sums(matrix, terms):
    """matrix @ terms without the multiplications by zero and one."""
    sums = []
    for row in matrix:
        total = None
        for factor, term in zip(row, terms, strict=True):
            if factor:
                part = term if factor == 1 else term * factor
                total = part if total is None else total + part
        sums.append(total)
    return sums
