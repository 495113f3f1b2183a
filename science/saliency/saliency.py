"""Saliency: the gradient of a network's output with respect to every pixel.

    python science/saliency/saliency.py MODEL.hdf5 DATASET.py IMAGE [--target 1] [--out FOLDER]

Writes into the run's maps/: a figure per channel (image, signed map, overlay), the gradients of all inputs as .npz, and
as FITS in the image's coordinates, and the map's passport as .json. The logit or the regression output is explained,
never a probability. Gradients of logarithmic channels are per dex of 1 + x in all of these.
"""

from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution
from science.gradients.engine import engine_of
from tools import command_line


def saliency(model, inputs, *, target=None, batch_size=16):
    """Differentiate a network's output with respect to its inputs.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name, side channel included.
    target : int, optional
        Which output; by default the event's logit or the only output.
    batch_size : int
        Samples at once.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 of the inputs' shapes, signed: change of the output per unit of the input.

    References
    ----------
    Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034, who take the largest absolute value over colours; here
    channels and signs are kept apart.

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> saliency(model, pixels)["image"].ravel()
    array([1., 1., 1., 1.], dtype=float32)
    """
    return engine_of(model, target=target).gradients(inputs, batch_size=batch_size)


def explain(model, inputs, *, target=None, batch_size=16):
    """Compute `saliency` as a `science.explanation.attribution.Attribution`."""
    engine = engine_of(model, target=target)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    maps = engine.gradients(inputs, batch_size=batch_size)
    return Attribution("saliency", maps, outputs, engine.target, f"output {engine.target}", {}, derivative=1)


def main(arguments=None):
    """Explain one image of one network."""
    explanation_script.run(arguments, __doc__, explain)


if __name__ == "__main__":
    command_line.run(main)
