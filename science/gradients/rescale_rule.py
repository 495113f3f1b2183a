"""The rescale rule of DeepLIFT at the level of operations, so that it holds for any network.

A batch holds samples in its first half and their baselines in the second. Backwards each nonlinear operation passes on,
instead of its derivative, the ratio of what the two halves differ by after and before it: contributions then add up to
the difference of the outputs. Linear operations need no rule. What has several arguments is divided among them:

- maxima (pooling, global pooling) give the difference to the place of the larger maximum of the two halves, which is
  complete for overlapping windows too;
- products and quotients of two values that both depend on the input take the mean of the other one;
- a softmax is an exponential, a sum, and a quotient.

References
----------
Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685 (DeepLIFT, rescale); Lundberg & Lee 2017, arXiv:1705.07874 (Deep
SHAP, and the rule for maxima).
"""

import contextlib
import functools

# Differences below this share of the values are no denominators in float32: the mean derivative of both ends takes their
# place, which is off by the third power of the difference only.
SMALL = 1e-3


@functools.cache
def _derivatives():
    """List derivatives of elementwise operations, from their input x and output y."""
    import tensorflow as tf

    return {
        "Relu": None,
        "Relu6": lambda x, y: tf.cast((x > 0) & (x < 6), x.dtype),
        "LeakyRelu": None,
        "Elu": lambda x, y: tf.where(x > 0, tf.ones_like(x), y + 1),
        "Selu": None,
        "Softplus": lambda x, y: tf.sigmoid(x),
        "Softsign": lambda x, y: 1 / tf.square(1 + tf.abs(x)),
        "Sigmoid": lambda x, y: y * (1 - y),
        "Tanh": lambda x, y: 1 - tf.square(y),
        "Exp": lambda x, y: y,
        "Log": lambda x, y: 1 / x,
        "Log1p": lambda x, y: 1 / (1 + x),
        "Square": lambda x, y: 2 * x,
        "Sqrt": lambda x, y: 0.5 / y,
        "Rsqrt": lambda x, y: -0.5 * y / x,
        "Abs": lambda x, y: tf.sign(x),
        "Erf": lambda x, y: 1.1283791670955126 * tf.exp(-tf.square(x)),
    }


_PAIRS = ("Mul", "RealDiv", "BatchMatMulV2", "MatMul")
_OTHERS = ("MaxPool", "Max", "Softmax", "Maximum", "Minimum")


@functools.cache
def _register():
    """Register the rules under the names that `rescaling` uses; TensorFlow allows it once per process."""
    import tensorflow as tf

    for kind, derivative in _derivatives().items():
        tf.RegisterGradient(f"Solar_rescale_{kind}")(functools.partial(_elementwise, derivative))
    rules = dict.fromkeys(_PAIRS, _pair) | {"MaxPool": _max_pool, "Max": _max, "Softmax": _softmax}
    for kind, rule in (rules | dict.fromkeys(("Maximum", "Minimum"), _bound)).items():
        tf.RegisterGradient(f"Solar_rescale_{kind}")(rule)


@contextlib.contextmanager
def rescaling(inputs):
    """Give the nonlinear operations that are added to the graph in this block the rescale rule.

    Parameters
    ----------
    inputs : sequence of tensors
        That the graph starts from; samples in the first half of the batch, baselines in the second. ``tf.gradients`` must
        be called in the same graph.
    """
    import tensorflow as tf

    _register()
    graph = tf.compat.v1.get_default_graph()
    kinds = (*_derivatives(), *_PAIRS, *_OTHERS)
    graph.solar_rescale_inputs = [tensor.op.name for tensor in inputs]
    graph.solar_rescale_dependent = {}
    with graph.gradient_override_map({kind: f"Solar_rescale_{kind}" for kind in kinds}):
        yield


def _depends(tensor):
    """Check whether a tensor depends on the inputs of its graph."""
    dependent = tensor.graph.solar_rescale_dependent
    starts = set(tensor.graph.solar_rescale_inputs)
    stack = [tensor.op]
    while stack:
        op = stack[-1]
        if op.name in dependent:
            stack.pop()
            continue
        if op.name in starts:
            dependent[op.name] = True
            continue
        # Shapes depend on the size of the batch alone, not on values.
        before = [] if op.type in ("Shape", "ShapeN", "Size", "Rank") else [source.op for source in op.inputs]
        unknown = [source for source in before if source.name not in dependent]
        if unknown:
            stack.extend(unknown)
        else:
            dependent[op.name] = any(dependent[source.name] for source in before)
    return dependent[tensor.op.name]


def _halves(tensor):
    import tensorflow as tf

    return tf.split(tensor, 2, axis=0)


def _twice(tensor):
    import tensorflow as tf

    return tf.concat([tensor, tensor], 0)


def _slope(op, derivative):
    """Compute the ratio of what the halves differ by after and before an elementwise operation, of half a batch's shape."""
    import tensorflow as tf

    (x, reference), (y, start) = _halves(op.inputs[0]), _halves(op.outputs[0])
    if op.type == "Relu":  # without any rounding where both are on one side
        above, below = (x > 0) & (reference > 0), (x <= 0) & (reference <= 0)
        mixed = (y - start) / tf.where(above | below, tf.ones_like(x), x - reference)
        return tf.where(above, tf.ones_like(x), tf.where(below, tf.zeros_like(x), mixed))
    if derivative is None:
        (plain,) = tf.gradients(_again(op, [op.inputs[0]]), [op.inputs[0]])
    else:
        plain = derivative(op.inputs[0], op.outputs[0])
    large = tf.abs(x - reference) > SMALL * tf.maximum(1.0, tf.maximum(tf.abs(x), tf.abs(reference)))
    ratio = (y - start) / tf.where(large, x - reference, tf.ones_like(x))
    return tf.where(large, ratio, sum(_halves(plain)) / 2)


def _elementwise(derivative, op, gradient):
    return gradient * _twice(_slope(op, derivative))


def _again(op, inputs):
    """Apply the same operation to other inputs, without a rule."""
    import tensorflow as tf

    if op.type == "LeakyRelu":
        return tf.nn.leaky_relu(inputs[0], op.get_attr("alpha"))
    if op.type == "Selu":
        return tf.nn.selu(inputs[0])
    if op.type == "Mul":
        return inputs[0] * inputs[1]
    if op.type == "RealDiv":
        return inputs[0] / inputs[1]
    if op.type == "MatMul":
        names = ("transpose_a", "transpose_b")
        return tf.matmul(*inputs, **{name: op.get_attr(name) for name in names})
    return tf.matmul(*inputs, adjoint_a=op.get_attr("adj_x"), adjoint_b=op.get_attr("adj_y"))


def _pair(op, gradient):
    """Pass a gradient through a product (or quotient) of two arguments."""
    import tensorflow as tf

    values = list(op.inputs)
    dependent = [_depends(value) for value in values]
    if op.type == "RealDiv" and dependent[1]:
        # a / b is a times 1 / b, and 1 / b differs by -1 / (b b') times the difference of b.
        below, reference = _halves(values[1])
        inverse = _mean(1 / values[1]) if dependent[0] else 1 / values[1]
        above = _mean(values[0]) if dependent[0] else values[0]
        first, second = tf.gradients(above * inverse, [above, inverse], gradient)
        return first, second * _twice(-1 / (below * reference))
    if all(dependent):
        values = [_mean(value) for value in values]
    return tf.gradients(_again(op, values), values, gradient)


def _mean(tensor):
    first, second = _halves(tensor)
    return _twice((first + second) / 2)


def _bound(op, gradient):
    """Pass a gradient through max(x, c) or min(x, c) with a constant c; between two values of the input, the derivative."""
    import tensorflow as tf

    dependent = [_depends(value) for value in op.inputs]
    function = tf.maximum if op.type == "Maximum" else tf.minimum
    plain = tf.gradients(function(*(tf.identity(value) for value in op.inputs)), list(op.inputs), gradient)
    if sum(dependent) != 1:
        return plain
    index = dependent.index(True)
    (x, reference), (y, start) = _halves(op.inputs[index] + tf.zeros_like(op.outputs[0])), _halves(op.outputs[0])
    result = list(plain)
    result[index] = gradient * _twice(_ratio(y - start, x - reference, tf.cast(tf.equal(x, y), x.dtype)))
    return result


def _ratio(after, before, otherwise):
    import tensorflow as tf

    zero = tf.equal(before, 0)
    return tf.where(zero, otherwise, after / tf.where(zero, tf.ones_like(before), before))


def _shares(op, gradient, placed):
    """Give the difference to the places of the larger maximum: the common part of both rules for maxima."""
    import tensorflow as tf

    (x, reference), (y, start) = _halves(op.inputs[0]), _halves(op.outputs[0])
    larger = tf.maximum(y, start)
    amount = gradient * tf.concat([larger - start, y - larger], 0)
    first, second = _halves(placed(amount))
    return _twice(_ratio(first + second, x - reference, tf.zeros_like(x)))


def _max_pool(op, gradient):
    import tensorflow as tf

    def placed(amount):
        names = ("ksize", "strides", "padding", "data_format")
        settings = {name: op.get_attr(name) for name in names}
        settings |= {name: settings[name].decode() for name in ("padding", "data_format")}
        return tf.raw_ops.MaxPoolGrad(orig_input=op.inputs[0], orig_output=op.outputs[0], grad=amount, **settings)

    return _shares(op, gradient, placed)


def _max(op, gradient):
    import tensorflow as tf

    axes = op.inputs[1]
    kept = tf.reduce_max(op.inputs[0], axis=axes, keepdims=True)

    def placed(amount):
        largest = tf.cast(tf.equal(op.inputs[0], kept), amount.dtype)
        count = tf.reduce_sum(largest, axis=axes, keepdims=True)
        return largest / count * tf.reshape(amount, tf.shape(kept))

    return _shares(op, gradient, placed), None


def _softmax(op, gradient):
    import tensorflow as tf

    z, reference = _halves(op.inputs[0])
    highest = tf.maximum(tf.reduce_max(z, -1, keepdims=True), tf.reduce_max(reference, -1, keepdims=True))
    e, start = tf.exp(z - highest), tf.exp(reference - highest)
    total, start_total = (tf.reduce_sum(values, -1, keepdims=True) for values in (e, start))
    g = _halves(gradient)[0]
    to_quotient = g * (1 / total + 1 / start_total) / 2
    to_sum = -tf.reduce_sum(g * (e + start) / 2, -1, keepdims=True) / (total * start_total)
    return _twice((to_quotient + to_sum) * _exponential_slope(e, start, z - reference))


def _exponential_slope(e, start, difference):
    """Compute (e - start) / difference, where e and start are exponentials of values that differ by it."""
    import tensorflow as tf

    small = tf.abs(difference) < SMALL
    return tf.where(small, (e + start) / 2, (e - start) / tf.where(small, tf.ones_like(difference), difference))
