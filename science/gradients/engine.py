"""Gradients of a network's output, or of a layer's, with respect to the network's inputs or to a layer.

Every method that explains a network uses this engine. It explains the logit (or the regression output), in float32, at
inference; it takes networks with several inputs, nested and shared parts, and any mixture of ways to write a ReLU.
"""

import collections
import functools
import weakref

import numpy

from science.gradients.layer_calls import recording
from science.gradients.network_structure import default_target, explainable, last_with_weights, layers_of, logits_of
from science.gradients.rescale_rule import rescaling
from science.gradients.rules import overriding
from tools.errors import UserError


class GradientEngine:
    """Gradients of one output of a network.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one output, or a dict of outputs of which ``"logits"`` is explained. It is
        not changed.
    target : int, optional
        Which output to explain. By default the only one, or of two the second (the event).
    precision : str
        ``"float32"`` or ``"float64"``.

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

    Examples
    --------
    >>> import keras
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> engine = GradientEngine(keras.Model(image, total))
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> engine.outputs(pixels).tolist(), engine.gradients(pixels)["image"].ravel().tolist()
    ([6.0], [1.0, 1.0, 1.0, 1.0])
    """

    def __init__(self, model, *, target=None, precision="float32"):
        self.model = explainable(model, precision)
        self.input_names = tuple(tensor.name for tensor in self.model.inputs)
        self.target = _target(self.model, target)
        self._functions = {}

    def outputs(self, inputs, *, batch_size=16):
        """Compute the explained output: float32 (n,), for a dict of arrays (n, ...) by input name."""
        return self._batched("outputs", self._outputs, inputs, batch_size)[0]

    def gradients(self, inputs, *, rule="plain", batch_size=16):
        """Differentiate the explained output with respect to every input.

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
        """Count the ReLU operations that a rule overrides in this network: int."""

        counts = []

        def count(*tensors):
            with overriding(rule) as check:
                outputs = self._forward(tensors)
            counts.append(check())
            return outputs

        function_of(count).get_concrete_function(*self._signature())
        return counts[0]

    def calls(self, kinds):
        """List the layers of given classes that the network calls, nested ones included: dict of layer to number of calls.

        In the order of their first calls; a shared layer has several.
        """

        def count():
            layers = [layer for layer in layers_of(self.model) if isinstance(layer, kinds)]
            with recording(layers, "output") as recorded:
                function_of(lambda *tensors: self._forward(tensors)).get_concrete_function(*self._signature())
            return collections.Counter(layer for layer, _ in recorded)

        return self.traced(("calls", kinds), count)

    def convolutions(self):
        """List the convolutions that the network calls: dict of layer to number of calls, as of `calls`."""
        import keras

        return self.calls((keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D))

    def layer(self, name):
        """Look up a layer by name, in nested networks too; a `UserError` that lists the names when there is none."""
        layers = {layer.name: layer for layer in layers_of(self.model)}
        if name not in layers:
            raise UserError(f"--layer {name}: the network has no such layer; it has {', '.join(layers)}")
        return layers[name]

    def activations(self, inputs, layer, *, which="output", batch_size=16):
        """Record what a layer puts out or takes in, and the network's output.

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
            One of `science.gradients.rules.RULES`, applied to the ReLUs below.
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

        own = layer, call, rule, keep
        function = self.traced(("projections", *own), lambda: function_of(functools.partial(self._projections, *own)))
        parts = []
        for start in range(0, len(channels), batch_size):
            maps = numpy.asarray(channels[start : start + batch_size], "int32")
            tensors = [tensorflow.repeat(tensor, len(maps), axis=0) for tensor in self.tensors(inputs, slice(0, 1))]
            parts.append(function(tensorflow.constant(maps), *tensors))
        return {name: numpy.concatenate([part[index].numpy() for part in parts]) for index, name in enumerate(self.input_names)}

    def layer_gradients(self, inputs, layer, *, which="output", call=-1, batch_size=16):
        """Record what a layer puts out, and differentiate the explained output with respect to it.

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
            The layer's output and the gradient, float32 (n, ...) each, and the explained output, float32 (n,).
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
        """Record the normalised weights of an attention layer: float32 (n, height, width, 1)."""
        key = ("attention", layer)
        return self._batched(key, functools.partial(self._attention, layer), inputs, batch_size)[0]

    def contributions(self, inputs, baselines, *, batch_size=16):
        """Compute contributions by the rescale rule, see `science.gradients.rescale_rule`.

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

        function = self.traced("rescale", lambda: function_of(self._contributions, reduce_retracing=True))
        count = len(next(iter(inputs.values())))
        parts = []
        for first in range(0, count, batch_size):
            part = slice(first, first + batch_size)
            pair = (self.tensors(values, part) for values in (inputs, baselines))
            parts.append(function(*(tensorflow.concat(both, 0) for both in zip(*pair, strict=True))))
        *multipliers, outputs, start = (
            numpy.concatenate([part[index].numpy() for part in parts]) for index in range(len(parts[0]))
        )
        return dict(zip(self.input_names, multipliers, strict=True)), outputs, start

    def feature_layer(self):
        """Find the layer whose input is the network's last hidden representation: the last with weights before the output.

        Raises
        ------
        UserError
            When several branches join behind the last weights, so that there is no single such layer.
        """
        return last_with_weights(self.model)

    # What is traced

    def _forward(self, tensors):
        return logits_of(self.model(list(tensors), training=False))

    def explained(self, tensors):
        """Compute the explained output of symbolic inputs, in the order of `input_names`: tensor (n,)."""
        return self._forward(tensors)[:, self.target]

    def _outputs(self, *tensors):
        return (self.explained(tensors),)

    def _gradients(self, rule, *tensors):

        with overriding(rule) as check:
            explained = self.explained(tensors)
        check()
        return gradients_of(explained, tensors)

    def _activations(self, layer, which, *tensors):
        import tensorflow

        with recording([layer], which) as recorded:
            outputs = self._forward(tensors)
        return *(tensorflow.identity(value) for _, value in recorded), outputs

    def _layer_gradients(self, layer, which, call, *tensors):
        import tensorflow

        with recording([layer], which) as recorded:
            explained = self.explained(tensors)
        value = recorded[call][1]
        (gradient,) = gradients_of(explained, [value])
        return tensorflow.identity(value), gradient, explained

    def _attention(self, layer, *tensors):
        import tensorflow

        with recording([layer], "output") as recorded:
            self._forward(tensors)
        _, _, weights = recorded[-1][1]
        return (tensorflow.identity(weights),)

    def _contributions(self, *tensors):
        import tensorflow

        with rescaling(tensors):
            explained = self.explained(tensors)
        gradients = gradients_of(explained, tensors)
        half = tensorflow.shape(explained)[0] // 2
        return *(gradient[:half] for gradient in gradients), explained[:half], explained[half:]

    def _projections(self, layer, call, rule, keep, channels, *tensors):
        import tensorflow

        with overriding(rule) as check, recording([layer], "response") as recorded:
            self._forward(tensors)
        check()
        response = recorded[call][1]
        selection = tensorflow.one_hot(channels, response.shape[-1], dtype=response.dtype)
        response = tensorflow.einsum("nhwc,nc->nhw", response, selection)
        start = tensorflow.nn.relu(response)
        if keep == "maximum":
            flat = tensorflow.reshape(start, [tensorflow.shape(start)[0], -1])
            strongest = tensorflow.one_hot(tensorflow.argmax(flat, axis=1), tensorflow.shape(flat)[1], dtype=start.dtype)
            start *= tensorflow.reshape(strongest, tensorflow.shape(start))
        return gradients_of(response, tensors, start)

    # How it is run

    def traced(self, key, trace):
        """Return what `trace` returned at the first call with this key: a traced function, or what is read off a graph."""
        if key not in self._functions:
            self._functions[key] = trace()
        return self._functions[key]

    def _signature(self):
        import tensorflow

        return [
            tensorflow.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=f"input_{index}")
            for index, tensor in enumerate(self.model.inputs)
        ]

    def tensors(self, inputs, part):
        """Convert the rows `part` (a slice) of arrays by input name to tensors, in the order of `input_names`."""
        import tensorflow

        missing = [name for name in self.input_names if name not in inputs]
        if missing:
            raise ValueError(f"no input {', '.join(missing)}; received {', '.join(inputs)}")
        return [
            tensorflow.convert_to_tensor(numpy.asarray(inputs[tensor.name][part]), dtype=tensor.dtype)
            for tensor in self.model.inputs
        ]

    def _batched(self, key, function, inputs, batch_size):

        # A fixed signature: the last, smaller batch does not trace anew.
        traced = self.traced(key, lambda: function_of(function, input_signature=self._signature()))
        count = len(next(iter(inputs.values())))
        parts = [traced(*self.tensors(inputs, slice(start, start + batch_size))) for start in range(0, count, batch_size)]
        return [numpy.concatenate([part[index].numpy() for part in parts]) for index in range(len(parts[0]))]


_engines = weakref.WeakKeyDictionary()


def engine_of(model, *, target=None, precision="float32"):
    """Return the `GradientEngine` of a network, the same one at every call: what it traced once serves again.

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
    engines = _engines.setdefault(model, {})
    if (target, precision) not in engines:
        engines[target, precision] = GradientEngine(model, target=target, precision=precision)
        return engines[target, precision]
    engine = engines[target, precision]
    if any(copy is not original for copy, original in zip(engine.model.weights, model.weights, strict=True)):
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


def function_of(python_function, **keywords):
    """Make a `tensorflow.function` that is traced as it is written: AutoGraph would wrap what it raises in its own words."""
    import tensorflow

    return tensorflow.function(python_function, autograph=False, **keywords)


def gradients_of(output, tensors, weights=None):
    """Differentiate the sum of a tensor, or that with `weights`, in a traced graph: list, 0 for inputs that it ignores."""
    import tensorflow

    return tensorflow.gradients(output, list(tensors), weights, unconnected_gradients="zero")
