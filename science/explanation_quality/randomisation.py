"""Does a map depend on what was learned? Weights are shuffled layer by layer, from the output down.

References
----------
Adebayo et al. 2018, arXiv:1810.03292.
"""

import numpy

from science.explanation.passport import randomised, rank_correlation, strength
from science.gradients.network_structure import layers_of


def cascade(model, explain, *, seed=0):
    """Correlate a map by rank with that of the same network, more and more of its layers random.

    Parameters
    ----------
    model : keras.Model
        Functional.
    explain : callable
        ``explain(model)`` returns a `science.explanation.attribution.Attribution` of one sample. Maps that are products with
        the image are compared by their multipliers.
    seed : int

    Returns
    -------
    dict of str to float
        By layer with weights, from the last to the first: the correlation with it and all after it random.

    Examples
    --------
    >>> import keras
    >>> from science import methods
    >>> hidden, last = keras.layers.Dense(4, activation="relu", name="hidden"), keras.layers.Dense(1, name="last")
    >>> model = keras.Sequential([keras.Input((4, 4, 1), name="image"), keras.layers.Flatten(), hidden, last])
    >>> pixels = {"image": numpy.random.default_rng(0).random((1, 4, 4, 1))}
    >>> list(cascade(model, lambda network: methods.explain("saliency", network, pixels)))
    ['last', 'hidden']
    """
    before = explain(model)
    name = next(name for name, values in before.maps.items() if values.ndim == 4)
    original = strength(before.multipliers(name)[0])
    trained = [layer.name for layer in layers_of(model) if layer.trainable_weights]
    correlations = {}
    for count in range(1, len(trained) + 1):
        after = explain(randomised(model, seed=seed, layers=trained[-count:]))
        correlations[trained[-count]] = rank_correlation(original, strength(numpy.nan_to_num(after.multipliers(name)[0])))
    return correlations
