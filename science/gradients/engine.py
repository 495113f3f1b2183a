"""Gradients of what a network says with respect to what it sees, and of what a layer says.

Every method that explains a network stands on this engine. It explains the logit (or the regression output), in
float32, at inference; it takes networks with several inputs, nested and shared parts, and any mixture of ways to
write a ReLU. Rules that change the backward pass of ReLU are applied to the operations of the traced graph, not to
Keras layers, because an activation can hide in a layer, in a nested network or in a custom ``call``.
"""

import collections
import concurrent.futures
import contextlib
import functools
import weakref

import numpy

from science.gradients.layer_calls import replaced
from science.gradients.network_structure import default_target, explainable, last_with_weights, layers_of, logits_of
from tools.errors import UserError

RULES = ("plain", "deconvolution", "guided")

STREAMS = 2  # parts of a batch computed at the same time: one fills the processors that the other leaves idle

# Operations whose backward pass is not the one of a rectifier: the ReLU rules say nothing about them.
_UNRULED = ("Elu", "LeakyRelu", "Selu", "Softplus", "Softsign", "Erf")


class GradientEngine:
    """Gradients of one output of a network.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one output, or a dict of outputs of which ``"logits"`` is explained. It is
        not changed.
    target : int, optional
        Which output to explain. By default the only one, or of two the second (the event).

    Attributes
    ----------
    model : keras.Model
        The network that is explained: float32, its final softmax or sigmoid taken off, inputs as a list.
    input_names : tuple of str
        In the order of ``model.inputs``.
    target : int

    Raises
    ------
    UserError
        The target is out of range, must be chosen, or the network cannot be rebuilt.
    """

    def __init__(self, model, *, target=None, precision="float32"):
        self.model = explainable(model, precision)
        self.input_names = tuple(tensor.name for tensor in self.model.inputs)
        self.target = _target(self.model, target)
        self._functions = {}

    def outputs(self, inputs, *, batch_size=16):
        """The explained output: float32 (n,), for a dict of arrays (n, ...) by input name."""
        return self._batched("outputs", self._outputs, inputs, batch_size)[0]

    def gradients(self, inputs, *, rule="plain", batch_size=16):
        """Gradient of the explained output with respect to every input.

        Parameters
        ----------
        inputs : dict of str to numpy.ndarray
            Arrays (n, ...) by input name; sample i of the result depends on sample i alone.
        rule : str
            ``"plain"``; ``"deconvolution"``: a ReLU passes the positive part of the gradient (Zeiler & Fergus 2013);
            ``"guided"``: the positive part where its input was positive (Springenberg et al. 2014).
        batch_size : int
            Samples at once; bounds memory.

        Returns
        -------
        dict of str to numpy.ndarray
            float32, of the shapes of `inputs`; zero for an input that the output does not depend on.

        Raises
        ------
        UserError
            The rule does not apply to this network's activations, or cannot reach all of them.
        """
        results = self._batched(f"gradients {rule}", functools.partial(self._gradients, rule), inputs, batch_size)
        return dict(zip(self.input_names, results, strict=True))

    def relu_count(self, *, rule="deconvolution"):
        """How many ReLU operations a rule overrides in this network: int."""
        import tensorflow

        counts = []

        def count(*tensors):
            with _overriding(rule) as check:
                outputs = self._forward(tensors)
            counts.append(check())
            return outputs

        tensorflow.function(count).get_concrete_function(*self._signature())
        return counts[0]

    def calls(self, kinds):
        """Layers of the given classes that the network calls, nested ones included: dict of layer to number of calls.

        In the order of their first calls; a shared layer has several.
        """
        import tensorflow

        found = [layer for layer in layers_of(self.model) if isinstance(layer, kinds)]
        with _recording(found, "output") as recorded:
            tensorflow.function(lambda *tensors: self._forward(tensors)).get_concrete_function(*self._signature())
        return collections.Counter(layer for layer, _ in recorded)

    def layer(self, name):
        """A layer by name, those of nested networks included; a `UserError` that lists the names when there is none."""
        layers = {layer.name: layer for layer in layers_of(self.model)}
        if name not in layers:
            raise UserError(f"--layer {name}: the network has no such layer; it has {', '.join(layers)}")
        return layers[name]

    def activations(self, inputs, layer, *, which="output", batch_size=16):
        """What a layer puts out or takes in, and the explained output.

        Parameters
        ----------
        inputs : dict of str to numpy.ndarray
            Arrays (n, ...).
        layer : keras.layers.Layer
            One of `model`'s.
        which : str
            ``"output"``, ``"response"`` (the output before the layer's own activation) or ``"input"`` (the first one).

        Returns
        -------
        list of numpy.ndarray, numpy.ndarray
            float32 (n, ...) for each call of the layer (a shared layer has several), and the network's whole output
            (n, k).
        """
        *values, outputs = self._batched(
            ("activations", which, layer), functools.partial(self._activations, layer, which), inputs, batch_size
        )
        return values, outputs

    def projections(self, inputs, layer, channels, *, call=0, rule="deconvolution", keep="maximum", batch_size=4):
        """Carry single feature maps of a convolution back to the inputs.

        The backward pass starts at the convolution's own output with its rectified activation: rectifying there or
        in the ReLU that follows is the same, so inline activations and separate ReLU layers agree.

        Parameters
        ----------
        inputs : dict of str to numpy.ndarray
            One sample: arrays (1, ...).
        layer : keras.layers.Layer
            One of `model`'s, with output (n, height, width, channel).
        channels : sequence of int
            Feature maps, each carried back by itself.
        call : int
            Which call of a shared layer.
        rule : str
            One of `RULES`, applied to the ReLUs below.
        keep : str
            ``"maximum"``: the feature map's strongest activation; ``"map"``: all of its activations.
        batch_size : int
            Feature maps at once.

        Returns
        -------
        dict of str to numpy.ndarray
            float32 (len(channels), ...) by input name.
        """
        import tensorflow

        key = ("projections", layer, call, rule, keep)
        if key not in self._functions:
            self._functions[key] = tensorflow.function(functools.partial(self._projections, layer, call, rule, keep))
        parts = []
        for start in range(0, len(channels), batch_size):
            some = numpy.asarray(channels[start : start + batch_size], "int32")
            tensors = [tensorflow.repeat(tensor, len(some), axis=0) for tensor in self._tensors(inputs, slice(0, 1))]
            parts.append(self._functions[key](tensorflow.constant(some), *tensors))
        return {name: numpy.concatenate([part[index].numpy() for part in parts]) for index, name in enumerate(self.input_names)}

    def layer_gradients(self, inputs, layer, *, which="output", call=-1, batch_size=16):
        """What a layer puts out, the gradient of the explained output with respect to it, and this output.

        Parameters
        ----------
        inputs : dict of str to numpy.ndarray
            Arrays (n, ...).
        layer : keras.layers.Layer
            One of `model`'s.
        which : str
            ``"output"``, or ``"response"``: before the layer's own activation.
        call : int
            Which call of a shared layer; the last one by default.
        batch_size : int

        Returns
        -------
        tuple of numpy.ndarray
            float32 (n, ...), (n, ...) and (n,).
        """
        return tuple(
            self._batched(
                ("layer gradients", which, call, layer),
                functools.partial(self._layer_gradients, layer, which, call),
                inputs,
                batch_size,
            )
        )

    def attention(self, inputs, layer, *, batch_size=16):
        """The normalised weights of an attention layer: float32 (n, height, width, 1)."""
        key = ("attention", layer)
        return self._batched(key, functools.partial(self._attention, layer), inputs, batch_size)[0]

    def path_gradients(self, start, end, shares, weights, *, batch_size=16, compiled=False):
        """Weighted sum of gradients at points on the line between two samples.

        Parameters
        ----------
        start, end : dict of str to numpy.ndarray
            One sample each: arrays (1, ...) by input name.
        shares : numpy.ndarray
            float (k,): where the points lie, 0 at the start, 1 at the end.
        weights : numpy.ndarray
            float (k,).
        batch_size : int
            Points at once, in `STREAMS` equal parts; bounds memory, whatever k.
        compiled : bool
            With XLA, which compiles for each size of a batch anew, so that the last one gets points of weight 0.

        Returns
        -------
        dict of str to numpy.ndarray
            float64 (1, ...).
        """
        import tensorflow

        ends = [self._tensors(one, slice(0, 1)) for one in (start, end)]
        key = "path", compiled
        if key not in self._functions:
            function = tensorflow.function(self._path_gradients, jit_compile=compiled)
            points = [tensorflow.TensorSpec((None,), "float64")] * 2
            self._functions[key] = function.get_concrete_function(*points, ends)  # before several threads call it
        streams = min(STREAMS, batch_size)
        size = batch_size // streams
        if compiled:
            missing = -len(shares) % size
            shares, weights = numpy.pad(shares, (0, missing), "edge"), numpy.pad(weights, (0, missing))

        def part(first):
            some = slice(first, first + size)
            points = [tensorflow.constant(values[some], "float64") for values in (shares, weights)]
            return self._functions[key](*points, ends)

        totals = [numpy.zeros((1, *tensor.shape[1:]), "float64") for tensor in self.model.inputs]
        with concurrent.futures.ThreadPoolExecutor(streams) as pool:
            for found in pool.map(part, range(0, len(shares), size)):
                for total, one in zip(totals, found, strict=True):
                    total += one.numpy()
        return dict(zip(self.input_names, totals, strict=True))

    def contributions(self, inputs, baselines, *, batch_size=16):
        """Contributions by the rescale rule, see `science.gradients.rescale_rule`.

        Parameters
        ----------
        inputs, baselines : dict of str to numpy.ndarray
            Arrays (n, ...) by input name, each sample with its baseline.
        batch_size : int
            Pairs at once.

        Returns
        -------
        dict of str to numpy.ndarray, numpy.ndarray, numpy.ndarray
            Multipliers, float32 (n, ...); the explained output of the samples and of the baselines, float32 (n,).
        """
        import tensorflow

        if "rescale" not in self._functions:
            self._functions["rescale"] = tensorflow.function(self._contributions, reduce_retracing=True)
        count = len(next(iter(inputs.values())))
        parts = []
        for first in range(0, count, batch_size):
            part = slice(first, first + batch_size)
            pair = (self._tensors(values, part) for values in (inputs, baselines))
            parts.append(self._functions["rescale"](*(tensorflow.concat(both, 0) for both in zip(*pair, strict=True))))
        *multipliers, outputs, start = (
            numpy.concatenate([part[index].numpy() for part in parts]) for index in range(len(parts[0]))
        )
        return dict(zip(self.input_names, multipliers, strict=True)), outputs, start

    def feature_layer(self):
        """The layer whose input is the network's last hidden representation: the last one with weights before the output.

        Raises
        ------
        UserError
            When several branches join behind the last weights, so that there is no single such layer.
        """
        return last_with_weights(self.model)

    # What is traced

    def _forward(self, tensors):
        return logits_of(self.model(list(tensors), training=False))

    def _outputs(self, *tensors):
        return (self._forward(tensors)[:, self.target],)

    def _gradients(self, rule, *tensors):
        import tensorflow

        with _overriding(rule) as check:
            explained = self._forward(tensors)[:, self.target]
        check()
        return _filled(tensorflow.gradients(explained, list(tensors)), tensors)

    def _activations(self, layer, which, *tensors):
        import tensorflow

        with _recording([layer], which) as recorded:
            outputs = self._forward(tensors)
        return *(tensorflow.identity(value) for _, value in recorded), outputs

    def _layer_gradients(self, layer, which, call, *tensors):
        import tensorflow

        with _recording([layer], which) as recorded:
            explained = self._forward(tensors)[:, self.target]
        value = recorded[call][1]
        (gradient,) = _filled(tensorflow.gradients(explained, [value]), [value])
        return tensorflow.identity(value), gradient, explained

    def _attention(self, layer, *tensors):
        import tensorflow

        with _recording([layer], "output") as recorded:
            self._forward(tensors)
        _, _, weights = recorded[-1][1]
        return (tensorflow.identity(weights),)

    def _path_gradients(self, shares, weights, ends):
        import tensorflow

        def between(first, last):
            share = tensorflow.reshape(shares, [-1] + [1] * (len(first.shape) - 1))
            exact, far = tensorflow.cast(first, "float64"), tensorflow.cast(last, "float64")
            return tensorflow.cast(exact + share * (far - exact), first.dtype)

        # In float64 and rounded once: a point falls less often on another side of a ReLU or a maximum.
        points = [between(*pair) for pair in zip(*ends, strict=True)]
        gradients = _filled(tensorflow.gradients(self._forward(points)[:, self.target], points), points)
        return [tensorflow.tensordot(tensorflow.cast(weights, one.dtype), one, 1)[None] for one in gradients]

    def _contributions(self, *tensors):
        import tensorflow

        from science.gradients.rescale_rule import rescaling

        with rescaling(tensors):
            explained = self._forward(tensors)[:, self.target]
        gradients = _filled(tensorflow.gradients(explained, list(tensors)), tensors)
        half = tensorflow.shape(explained)[0] // 2
        return *(gradient[:half] for gradient in gradients), explained[:half], explained[half:]

    def _projections(self, layer, call, rule, keep, channels, *tensors):
        import tensorflow

        with _overriding(rule) as check, _recording([layer], "response") as recorded:
            self._forward(tensors)
        check()
        response = recorded[call][1]
        chosen = tensorflow.one_hot(channels, response.shape[-1], dtype=response.dtype)
        response = tensorflow.einsum("nhwc,nc->nhw", response, chosen)
        start = tensorflow.nn.relu(response)
        if keep == "maximum":
            flat = tensorflow.reshape(start, [tensorflow.shape(start)[0], -1])
            strongest = tensorflow.one_hot(tensorflow.argmax(flat, axis=1), tensorflow.shape(flat)[1], dtype=start.dtype)
            start *= tensorflow.reshape(strongest, tensorflow.shape(start))
        return _filled(tensorflow.gradients(response, list(tensors), grad_ys=start), tensors)

    # How it is run

    def _signature(self):
        import tensorflow

        return [
            tensorflow.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=f"input_{index}")
            for index, tensor in enumerate(self.model.inputs)
        ]

    def _tensors(self, inputs, part):
        import tensorflow

        missing = [name for name in self.input_names if name not in inputs]
        if missing:
            raise ValueError(f"no input {', '.join(missing)}; received {', '.join(inputs)}")
        return [
            tensorflow.convert_to_tensor(numpy.asarray(inputs[tensor.name][part]), dtype=tensor.dtype)
            for tensor in self.model.inputs
        ]

    def _batched(self, key, function, inputs, batch_size):
        import tensorflow

        if key not in self._functions:
            # A fixed signature: the last, smaller batch does not trace anew.
            self._functions[key] = tensorflow.function(function, input_signature=self._signature())
        count = len(next(iter(inputs.values())))
        parts = [
            self._functions[key](*self._tensors(inputs, slice(start, start + batch_size)))
            for start in range(0, count, batch_size)
        ]
        return [numpy.concatenate([part[index].numpy() for part in parts]) for index in range(len(parts[0]))]


_engines = weakref.WeakKeyDictionary()


def engine_of(model, *, target=None, precision="float32"):
    """The `GradientEngine` of a network, the same one at every call: what it traced once serves again.

    Parameters
    ----------
    model : keras.Model
        Where the engine works on a copy of it, the copy gets its present weights.
    target : int, optional
    precision : str

    Returns
    -------
    GradientEngine
    """
    known = _engines.setdefault(model, {})
    if (target, precision) not in known:
        known[target, precision] = GradientEngine(model, target=target, precision=precision)
        return known[target, precision]
    engine = known[target, precision]
    if any(one is not other for one, other in zip(engine.model.weights, model.weights, strict=True)):
        engine.model.set_weights(model.get_weights())
    return engine


def _target(model, target):
    width = logits_of(model.output).shape[-1]
    if len(logits_of(model.output).shape) != 2:
        raise UserError(f"{model.name}: puts out {logits_of(model.output).shape}; expected one row of numbers for an image")
    target = default_target(model) if target is None else target
    if target is None:
        raise UserError(f"{model.name}: has {width} outputs; choose one with --target 0 to {width - 1}")
    if not 0 <= target < width:
        raise UserError(f"--target {target}: the network has {width} outputs, 0 to {width - 1}")
    return target


def _filled(gradients, tensors):
    """Gradients of each input, zeros for an input that the network ignores."""
    import tensorflow

    return [
        tensorflow.zeros_like(tensor) if gradient is None else gradient
        for gradient, tensor in zip(gradients, tensors, strict=True)
    ]


# ReLU rules, at the level of operations


@functools.cache
def _register_rules():
    """Register the backward passes under the names that `_overriding` uses; TensorFlow allows it once per process."""
    import tensorflow

    def deconvolution(op, gradient):
        return tensorflow.nn.relu(gradient)

    def guided(op, gradient):
        above = tensorflow.cast(op.inputs[0] > 0, gradient.dtype)
        if op.type == "Relu6":
            above *= tensorflow.cast(op.inputs[0] < 6, gradient.dtype)
        return tensorflow.nn.relu(gradient) * above

    for rule in (deconvolution, guided):
        tensorflow.RegisterGradient(f"Solar_{rule.__name__}")(rule)


@contextlib.contextmanager
def _overriding(rule):
    """Give every ReLU that is added to the graph in this block the backward pass of `rule`.

    Yields a function to call after the block: it checks that no ReLU escaped and returns how many were overridden.
    """
    import tensorflow

    if rule not in RULES:
        raise ValueError(f"rule is one of {', '.join(RULES)}; received {rule!r}")
    if rule == "plain":
        yield lambda: 0
        return
    _register_rules()
    graph = tensorflow.compat.v1.get_default_graph()
    first = len(graph.get_operations())
    name = f"Solar_{rule}"
    end = []

    def check():
        operations = graph.get_operations()[first : end[0]]
        kinds = {operation.type for operation in operations}
        unruled = sorted(kinds & set(_UNRULED))
        if unruled:
            raise UserError(f"the {rule} rule is defined for ReLU; this network also has {', '.join(unruled)} activations")
        rectifiers = [operation for operation in operations if operation.type in ("Relu", "Relu6")]
        plain = [operation.name for operation in rectifiers if operation.get_attr("_gradient_op_type") != name.encode()]
        inner = [
            node.name
            for function in graph.as_graph_def().library.function
            for node in function.node_def
            if node.op in ("Relu", "Relu6")
        ]
        if plain or inner:
            raise UserError(
                f"the {rule} rule does not reach the ReLU {(plain + inner)[0]}: it lies inside a compiled function;"
                " build the network without tf.function, jit_compile or loops around its activations"
            )
        if not rectifiers:
            raise UserError(f"the {rule} rule changes the backward pass of ReLU; this network has none")
        return len(rectifiers)

    with graph.gradient_override_map({"Relu": name, "Relu6": name}):
        yield check
    end.append(len(graph.get_operations()))


@contextlib.contextmanager
def _recording(layers, which):
    """Collect (layer, tensor) at each call of some layers, in the order of the calls; see `GradientEngine.activations`."""
    recorded = []

    def recording_call(layer, call):
        def recorder(*arguments, **keywords):
            value = call(*arguments, **keywords)
            recorded.append((layer, (*arguments, *keywords.values())[0] if which == "input" else value))
            return value

        return recorder

    def recording_activation(layer, activation):
        def recorder(value):
            recorded.append((layer, value))
            return activation(value)

        return recorder

    activated = [layer for layer in layers if which == "response" and callable(layer.__dict__.get("activation"))]
    others = [layer for layer in layers if layer not in activated]
    with replaced(activated, "activation", recording_activation), replaced(others, "call", recording_call):
        yield recorded
