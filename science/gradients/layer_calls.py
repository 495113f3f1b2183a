"""Layers of a network replaced, or their calls recorded, for as long as a graph is traced."""

import contextlib


@contextlib.contextmanager
def replaced(layers, name, make):
    """Replace a method, or an attribute that can be called, of some layers within this block.

    Parameters
    ----------
    layers : iterable of keras.layers.Layer
    name : str
        Such as ``"call"`` or ``"activation"``.
    make : callable
        Takes a layer and what it has by that name, and returns what it shall have.
    """
    # An entry in the instance hides the method of its class; set past Keras, which tracks and locks attributes.
    former = []
    try:
        for layer in layers:
            former.append((layer, layer.__dict__.get(name)))
            layer.__dict__[name] = make(layer, getattr(layer, name))
        yield
    finally:
        for layer, own in reversed(former):
            if own is None:
                layer.__dict__.pop(name, None)
            else:
                layer.__dict__[name] = own


@contextlib.contextmanager
def recording(layers, which):
    """Record the tensors of some layers within this block.

    Parameters
    ----------
    layers : iterable of keras.layers.Layer
    which : str
        ``"output"``, ``"response"`` (the output before the layer's own activation) or ``"input"`` (the first one).

    Yields
    ------
    list of (keras.layers.Layer, tensor)
        One for each call, in the order of the calls: complete at the end of the block.
    """
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
