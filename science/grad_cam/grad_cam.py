"""Grad-CAM, Grad-CAM++ and Guided Grad-CAM: where the feature maps of the last convolution raise the output.

    python science/grad_cam/grad_cam.py MODEL.hdf5 DATASET.py IMAGE [--kind grad-cam] [--layer NAME] [--tensor after]

A convolution's feature maps before and after their ReLU give different maps (they correlate about 0.5): the tensor is
named in every result.
"""

import math

import numpy

from network_models import keras_internals
from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution, resized
from science.gradients.engine import engine_of
from tools import command_line
from tools.errors import UserError

KINDS = ("grad-cam", "grad-cam++", "guided")
TENSORS = ("after", "before")


def grad_cam(model, inputs, *, target=None, layer=None, tensor="after", kind="grad-cam", rectify=True, batch_size=16):
    """Compute the class activation map of a layer, resized to the image.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    target : int, optional
    layer : str, optional
        A layer with output (n, height, width, channel), nested ones included; by default the last convolution with more
        than one position.
    tensor : str
        ``"after"`` or ``"before"`` the ReLU of a convolution. After is the output of the layer when it rectifies itself,
        else of the ReLU that it feeds.
    kind : str
        ``"grad-cam"``; ``"grad-cam++"``, which weighs places by higher derivatives of an exponential; ``"guided"``: the
        product with guided backpropagation.
    rectify : bool
        Keep only what raises the output.
    batch_size : int

    Returns
    -------
    science.explanation.attribution.Attribution
        Maps (n, height, width, 1), the same for every image input of that size; for ``"guided"`` of the inputs' shapes.

    References
    ----------
    Selvaraju et al. 2017, arXiv:1610.02391; Chattopadhay et al. 2018, arXiv:1710.11063.

    Examples
    --------
    >>> import keras, numpy
    >>> image = keras.Input((8, 8, 1), name="image")
    >>> features = keras.layers.Conv2D(2, 3, activation="relu", name="last")(image)
    >>> model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(features)))
    >>> explanation = grad_cam(model, {"image": numpy.ones((1, 8, 8, 1))})
    >>> explanation.maps["image"].shape, explanation.target_tensor
    ((1, 8, 8, 1), 'last, after its relu')
    """
    if kind not in KINDS:
        raise UserError(f"--kind {kind}: choose one of {', '.join(KINDS)}")
    if tensor not in TENSORS:
        raise UserError(f"--tensor {tensor}: choose one of {', '.join(TENSORS)}")
    engine = engine_of(model, target=target)
    source, which, words = _tensor(engine, layer, tensor)
    values, gradients, outputs = engine.layer_gradients(inputs, source, which=which, batch_size=batch_size)
    small = _plus(values, gradients) if kind == "grad-cam++" else _plain(values, gradients)
    if rectify:
        small = numpy.maximum(small, 0)
    images = {name: array for name, array in inputs.items() if array.ndim == 4}
    maps = {name: resized(small, array.shape[1:3]) for name, array in images.items()}
    count = None
    if kind == "guided":
        guided = engine.gradients(inputs, rule="guided", batch_size=batch_size)
        maps = {name: (guided[name] * maps[name]).astype("float32") for name in images}
        count = engine.relu_count(rule="guided")
    names = {"grad-cam": "Grad-CAM", "grad-cam++": "Grad-CAM++", "guided": "Guided Grad-CAM"}
    parameters = {"kind": kind, "layer": source.name, "tensor": tensor, "rectify": rectify, "map_size": list(small.shape[1:3])}
    derivative = 1 if kind == "guided" else 0
    return Attribution(names[kind], maps, outputs, engine.target, words, parameters, relu_count=count, derivative=derivative)


def guided_grad_cam(model, inputs, **keywords):
    """Compute `grad_cam` with ``kind="guided"``."""
    return grad_cam(model, inputs, kind="guided", **keywords)


def grad_cam_plus(model, inputs, **keywords):
    """Compute `grad_cam` with ``kind="grad-cam++"``."""
    return grad_cam(model, inputs, kind="grad-cam++", **keywords)


def _plain(values, gradients):
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return (weights * values).sum(axis=-1, keepdims=True)


def _plus(values, gradients):
    square, cube = gradients**2, gradients**3
    below = 2 * square + values.sum(axis=(1, 2), keepdims=True) * cube
    share = numpy.divide(square, below, out=numpy.zeros_like(square), where=below != 0)
    weights = (share * numpy.maximum(gradients, 0)).sum(axis=(1, 2), keepdims=True)
    return (weights * values).sum(axis=-1, keepdims=True)


def _tensor(engine, name, tensor):
    """Choose the layer to read and which of its tensors: both, and the two in words."""
    convolutions = list(engine.convolutions())
    if name is None:
        if not convolutions:
            raise UserError(f"{engine.model.name}: has no convolutions; Grad-CAM explains feature maps")
        # A convolution that puts out a single position has no map to give.
        layer = next((layer for layer in reversed(convolutions) if _positions(layer) > 1), convolutions[-1])
    else:
        layer = engine.layer(name)
        shape = keras_internals.first_output_shape(layer)
        if not shape or len(shape) != 4:
            examples = ", ".join(convolution.name for convolution in convolutions)
            raise UserError(f"--layer {name}: puts out no feature maps; choose, for example, {examples}")
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if tensor == "before":
        if activation != "linear":
            return layer, "response", f"{layer.name}, before its {activation}"
        return layer, "output", f"{layer.name}, its output"
    if activation != "linear":
        return layer, "output", f"{layer.name}, after its {activation}"
    follower = _rectifier_after(layer) if layer in convolutions else None
    if follower is not None:
        return follower, "output", f"{follower.name}, which rectifies {layer.name}"
    return layer, "output", f"{layer.name}, its output"


def _positions(layer):
    """Count the places where a layer puts out features: int, infinite where the network leaves it open."""
    height, width = keras_internals.first_output_shape(layer)[1:3]
    return math.inf if height is None or width is None else height * width


def _rectifier_after(layer):
    """Find the ReLU layer that a convolution feeds, normalisation in between or not; None when there is none."""
    import keras

    passing = (keras.layers.BatchNormalization, keras.layers.Dropout, keras.layers.SpatialDropout2D)
    while True:
        followers = keras_internals.followers(layer)
        if len(followers) != 1:
            return None
        layer = followers[0]
        rectifies = getattr(getattr(layer, "activation", None), "__name__", "") == "relu"
        if isinstance(layer, keras.layers.ReLU) or (isinstance(layer, keras.layers.Activation) and rectifies):
            return layer
        if not isinstance(layer, passing):
            return None


def main(arguments=None):
    """Explain one image of one network."""

    def add(parser):
        parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(default: %(default)s)")
        parser.add_argument("--layer", metavar="NAME", help="whose feature maps (default: the last convolution)")
        parser.add_argument("--tensor", choices=TENSORS, default="after", help="its ReLU (default: %(default)s)")

    def keywords(flags, subject, sample):
        return {"kind": flags.kind, "layer": flags.layer, "tensor": flags.tensor}

    explanation_script.run(arguments, __doc__, grad_cam, add=add, keywords=keywords)


if __name__ == "__main__":
    command_line.run(main)
