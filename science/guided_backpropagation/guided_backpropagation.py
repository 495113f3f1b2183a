"""Guided backpropagation and deconvolution of the whole network: gradients whose negative parts ReLUs hold back.

    python science/guided_backpropagation/guided_backpropagation.py MODEL.hdf5 DATASET.py IMAGE [--rule guided]

Both are sharp and depend little on what the network learned (Adebayo et al. 2018): hold them against the map of the same
network with random weights, which the passport beside every map does. Single feature maps are projected back by
science/deconvolutional.
"""

from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution
from science.gradients.engine import engine_of
from tools import command_line

RULES = ("guided", "deconvolution")
WORDS = {"guided": "guided backpropagation", "deconvolution": "deconvolution"}


def guided_backpropagation(model, inputs, *, target=None, rule="guided", batch_size=16):
    """Backpropagate with another rule for ReLU.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    target : int, optional
    rule : str
        ``"guided"`` (Springenberg et al. 2014, arXiv:1412.6806) or ``"deconvolution"`` (Zeiler & Fergus 2014,
        arXiv:1311.2901).
    batch_size : int

    Returns
    -------
    science.explanation.attribution.Attribution

    Examples
    --------
    >>> import keras, numpy
    >>> image = keras.Input((8, 8, 1), name="image")
    >>> features = keras.layers.Conv2D(2, 3, activation="relu", name="last")(image)
    >>> model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(features)))
    >>> explanation = guided_backpropagation(model, {"image": numpy.ones((1, 8, 8, 1))})
    >>> explanation.maps["image"].shape, explanation.relu_count
    ((1, 8, 8, 1), 1)
    """
    engine = engine_of(model, target=target)
    maps = engine.gradients(inputs, rule=rule, batch_size=batch_size)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    count = engine.relu_count(rule=rule)
    words = f"output {engine.target}"
    return Attribution(WORDS[rule], maps, outputs, engine.target, words, {"rule": rule}, relu_count=count, derivative=1)


def deconvolution(model, inputs, **keywords):
    """Compute `guided_backpropagation` with the rule of deconvolution."""
    return guided_backpropagation(model, inputs, rule="deconvolution", **keywords)


def main(arguments=None):
    """Explain one image of one network."""

    def add(parser):
        parser.add_argument("--rule", choices=RULES, default=RULES[0], help="of the ReLUs (default: %(default)s)")

    explanation_script.run(
        arguments, __doc__, guided_backpropagation, add=add, keywords=lambda flags, subject, sample: {"rule": flags.rule}
    )


if __name__ == "__main__":
    command_line.run(main)
