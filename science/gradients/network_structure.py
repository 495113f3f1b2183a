"""Layers of a saved network, and the copy of it that can be explained."""

from network_models import keras_internals
from tools.errors import UserError

_TYPES = ("float16", "bfloat16", "float32", "float64")
_SATURATING = {"Softmax": "softmax", "Sigmoid": "sigmoid"}


def explainable(model, precision="float32"):
    """Copy a network so that it computes in float32, or in float64, and returns logits.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential. Layers in another type or a mixed policy get this one, nested ones too; a softmax or
        sigmoid at the very end (as a layer or as the activation of one) is taken off, because a saturated one has no
        gradient.
    precision : str
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    keras.Model
        With inputs as a list and the same weights; it shares `model`'s layers when nothing had to change.

    Raises
    ------
    UserError
        When it has to change and cannot be rebuilt from its configuration.
    """
    import keras

    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs[0])
    other = any({layer.compute_dtype, layer.variable_dtype} & set(_TYPES) - {precision} for layer in layers_of(model))
    path = _saturating_path(model)
    if other or path:
        classes = {type(layer).__name__: type(layer) for layer in layers_of(model)}
        try:
            config = model.get_config()
            if path:
                _make_linear(config, path)
            copy = type(model).from_config(_in_precision(config, precision) if other else config, custom_objects=classes)
            copy.set_weights(model.get_weights())
        except (NotImplementedError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{model.name}: cannot be rebuilt in {precision} to be explained ({reason})") from error
        model = copy
    return keras.Model(model.inputs, model.output, name=model.name)


def logits_of(outputs):
    """Select the output to explain: the only one, or of a dict the one named ``"logits"``; a `UserError` otherwise."""
    if isinstance(outputs, dict):
        if "logits" not in outputs:
            raise UserError(f"the network's outputs are {', '.join(outputs)}; expected one named logits")
        return outputs["logits"]
    if isinstance(outputs, (list, tuple)):
        if len(outputs) != 1:
            raise UserError(f"the network has {len(outputs)} unnamed outputs; expected one, or a dict with logits")
        return outputs[0]
    return outputs


def default_target(model):
    """Choose the output that is explained by default: the only one, or of two the second, the event; None of more."""
    width = logits_of(model.output).shape[-1]
    return width - 1 if width <= 2 else None


def layers_of(model):
    """List all layers of a network, those of nested networks included, the networks themselves left out."""
    import keras

    return [
        layer for layer in keras_internals.layers_within(model) if not isinstance(layer, (keras.Model, keras.layers.InputLayer))
    ]


def last_with_weights(model):
    """Find the last layer with weights before the logits, nested networks included.

    Raises
    ------
    UserError
        Several branches join behind the last weights, or in them: there is no single such layer, or no single input of it.
    """
    import keras

    operation, parents = keras_internals.origin(logits_of(model.output))
    while True:
        if isinstance(operation, keras.Model):
            return last_with_weights(operation)
        weighted = bool(getattr(operation, "weights", None))
        if len(parents) != 1:
            what = "takes several inputs" if weighted else "has no single layer with weights before it"
            raise UserError(f"{model.name}: ends in {operation.name}, which {what}; choose a layer with --layer")
        if weighted:
            return operation
        operation, parents = keras_internals.origin(parents[0])


def _saturating_path(model):
    """List the names from `model` down to the layer that ends it with a softmax or sigmoid; None when none does."""
    import keras

    operation, _ = keras_internals.origin(logits_of(model.output))
    if isinstance(operation, keras.Model):
        inner = _saturating_path(operation)
        return inner and (operation.name, *inner)
    activation = getattr(operation, "activation", None)
    saturating = getattr(activation, "__name__", "") in _SATURATING.values() or type(operation).__name__ in _SATURATING
    return (operation.name,) if saturating else None


def _make_linear(config, path):
    """Take the activation off the layer at `path` in a model's configuration, in place."""
    entry = next(entry for entry in config["layers"] if entry["config"].get("name", entry.get("name")) == path[0])
    if len(path) > 1:
        _make_linear(entry["config"], path[1:])
    elif "activation" in entry["config"]:
        entry["config"]["activation"] = "linear"
    else:
        linear = {"name": path[0], "activation": "linear"}
        entry |= {"module": "keras.layers", "class_name": "Activation", "config": linear, "registered_name": None}
        for node in entry.get("inbound_nodes", []):
            node["kwargs"] = {}  # softmax's mask and axis


def _in_precision(config, precision):
    """Replace every floating point type and mixed policy in a model's configuration by one."""
    if isinstance(config, dict):
        return {key: _in_precision(value, precision) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_precision(value, precision) for value in config)
    return precision if config in (*_TYPES, "mixed_float16", "mixed_bfloat16") else config
