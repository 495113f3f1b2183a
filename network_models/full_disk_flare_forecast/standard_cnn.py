"""The attention network's twin without attention: the same convolutions, the global vector alone is classified.

The baseline of Pandey et al. (2023, "Interpretable solar flare prediction with attention-based deep neural networks").
"""

import dataclasses

from tools.options import option

from .attention import LEAST, trunk
from .building_blocks import INITIALISERS, InitialWeights, logits, network_inputs


@dataclasses.dataclass(kw_only=True)
class Options:
    """Settings of the standard network."""

    initialiser: str = option("he_uniform", "distribution of the initial kernels", choices=INITIALISERS)


def build(inputs, options, seed=0):
    """Build the standard network for images of a size.

    Parameters
    ----------
    inputs : dict of str to network_models.image_inputs.Input
        Several images are stacked as channels; a side channel joins before the last layer.
    options : Options
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        Named inputs; the output ``logits``, shape (n, 2): no event, event.

    Raises
    ------
    UserError
        Inputs that the network cannot take.
    """
    import keras

    weights = InitialWeights(options.initialiser, seed)
    tensors, image, side_channel = network_inputs(inputs, least=LEAST)
    _, global_vector = trunk(image, weights)
    return keras.Model(tensors, logits(global_vector, side_channel, weights), name="standard_cnn")
