"""Other behaviour for some layers of a network, for as long as something is traced."""

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
