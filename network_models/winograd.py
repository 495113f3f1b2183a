"""Convolutions with half the multiplications: Winograd's minimal filtering along the rows of an image, compiled by XLA.

Along a row, four outputs of a filter of width r need 4 r multiplications done directly and r + 3 as products of
polynomials (Winograd 1980, "Arithmetic complexity of computations"; Lavin & Gray 2016, "Fast algorithms for convolutional
neural networks"). The sums before and after cost memory traffic and pay only where a compiler fuses them: hence XLA. Across
rows the convolution stays as it is, which keeps the rounding error that of the direct one.
"""

import contextlib
import fractions
import functools

OUTPUTS = 4  # of each piece of a row
WIDTHS = (3, 4, 5)  # of the filters that this file knows
POINTS = (0, 1, -1, 2, -2, "1/2", "-1/2")  # the smallest numerators and denominators: the smallest rounding errors
# Of the images; below these TensorFlow's own convolution is as fast.
LEAST_CHANNELS = 12
LEAST_WIDTH = 12  # pixels


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

    points = [fractions.Fraction(point) for point in POINTS[: width + OUTPUTS - 2]]
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


@contextlib.contextmanager
def frozen_convolutions(layers):
    """Let some layers compute like this in what is traced within this block, as far as gradients of images need it.

    The gradients of kernels and biases are none. Without them the gradient of an image is a convolution like any other,
    bias and ReLU cost no pass over memory of their own, and the whole is faster than `compile_convolutions` makes it.

    Parameters
    ----------
    layers : sequence of keras.layers.Layer
        Of `wide_convolutions`.
    """
    # An entry in the instance hides the method of its class; set past Keras, which tracks and locks attributes.
    for layer in layers:
        layer.__dict__["call"] = functools.partial(_respond, layer, layer.call)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["call"]


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
    return width in WIDTHS and stride == {1} and channels >= LEAST_CHANNELS


def _convolve_if_worth_it(plain, padding, images, kernel):
    import tensorflow

    if images.shape[2] < LEAST_WIDTH:
        return plain(images, kernel)
    return convolve(images, tensorflow.convert_to_tensor(kernel), padding)


def _respond(layer, plain, images):
    """What a layer puts out, by `frozen_convolutions`."""
    import keras
    import tensorflow

    stride = layer.strides[0]
    if images.shape[2] // stride < LEAST_WIDTH:
        return plain(images)
    kernel, bias = (None if value is None else tensorflow.convert_to_tensor(value) for value in (layer.kernel, layer.bias))
    rectified = layer.activation is keras.activations.relu
    shapes = tuple(images.shape[1:]), tuple(kernel.shape)
    response = _compiled_response(layer.padding.upper(), stride, rectified, *shapes)(images, kernel, bias)
    return response if rectified else layer.activation(response)


@functools.cache
def _compiled_response(padding, stride, rectified, *shapes):
    import tensorflow

    from network_models.layers import blocks_of

    def respond(images, kernel, bias):
        kernel = tensorflow.stop_gradient(kernel)
        if stride > 1:
            images, kernel = blocks_of(images, kernel, stride)
        response = _convolve_frozen(images, kernel, padding)
        if bias is not None:
            response += tensorflow.stop_gradient(bias)
        return tensorflow.nn.relu(response) if rectified else response

    return tensorflow.function(respond, jit_compile=True)


def _convolve_frozen(images, kernel, padding):
    import tensorflow

    ends = [_ends(length, padding) for length in kernel.shape[:2]]
    turned = tensorflow.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
    turned_ends = [tuple(length - 1 - end for end in pair) for length, pair in zip(kernel.shape, ends, strict=False)]

    @tensorflow.custom_gradient
    def convolve(images):
        return _convolve(images, kernel, *ends), lambda upstream: _convolve(upstream, turned, *turned_ends)

    return convolve(images)


def convolve(images, kernel, padding):
    """What ``tensorflow.nn.conv2d(images, kernel, 1, padding)`` gives, but for rounding, and so for its gradients.

    Parameters
    ----------
    images : tensorflow.Tensor
        Shape (n, height, width, channel), float32; all but n known.
    kernel : tensorflow.Tensor
        Shape (height, width, channel, filter), float32, its width one of `WIDTHS`.
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
        return _convolve(images, kernel, *(_ends(length, padding) for length in kernel.shape[:2]))

    return tensorflow.function(convolve, jit_compile=True)


def _ends(length, padding):
    """Zeros before and after an axis; as in conv2d, a filter of even length has the odd one at the end."""
    return ((length - 1) // 2, length // 2) if padding == "SAME" else (0, 0)


def _convolve(images, kernel, column_ends, row_ends):
    """Convolve with stride 1, with so many zeros at the ends of columns (axis 1) and of rows (axis 2)."""
    import tensorflow

    width = kernel.shape[1]
    before, filters, after = matrices(width)
    outputs = images.shape[2] + sum(row_ends) - width + 1
    pieces = -(-outputs // OUTPUTS)
    added = OUTPUTS * pieces + width - 1 - images.shape[2] - row_ends[0]
    images = tensorflow.pad(images, [[0, 0], [0, 0], [row_ends[0], added], [0, 0]])
    last = OUTPUTS * (pieces - 1)
    pixels = [images[:, :, place : place + last + 1 : OUTPUTS] for place in range(len(before))]
    kernels = tensorflow.einsum("pw,hwcf->phcf", tensorflow.constant(filters, kernel.dtype), kernel)
    ends = [[0, 0], list(column_ends), [0, 0], [0, 0]]
    products = [
        tensorflow.nn.conv2d(values, kernels[place][:, None], 1, ends) for place, values in enumerate(_sums(before, pixels))
    ]
    rows = tensorflow.stack(_sums(after, products), axis=3)
    rows = tensorflow.reshape(rows, (-1, rows.shape[1], OUTPUTS * pieces, kernel.shape[3]))
    return rows[:, :, :outputs]


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
