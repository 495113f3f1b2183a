"""Attention maps: how the estimators of the attention network weight the places of an image.

    python science/attention_maps/attention_maps.py MODEL.hdf5 DATASET.py IMAGE [--estimator 3]

They are the weights that the network itself uses, not an explanation of its output: a place of high weight can
lower the output.
"""

from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution, resized
from science.gradients.engine import engine_of
from tools import command_line
from tools.errors import UserError
from tools.options import add_number


def attention_maps(model, inputs, *, target=None, estimator=3, batch_size=16):
    """Map the attention weights of one estimator over the image.

    Parameters
    ----------
    model : keras.Model
        With outputs ``attention_scores_1``, ... as `network_models.full_disk_flare_forecast.attention` builds it.
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    target : int, optional
        Of the output that is reported; the maps do not depend on it.
    estimator : int
        1 (finest) to 3.
    batch_size : int

    Returns
    -------
    science.explanation.attribution.Attribution
        Maps (n, height, width, 1), bilinear between the estimator's positions.

    References
    ----------
    Jetley et al. 2018, arXiv:1804.02391; Pandey et al. 2023 (attention-based full-disk forecasts).

    Examples
    --------
    >>> import keras, numpy
    >>> from network_models.layers import LinearAttention
    >>> image = keras.Input((4, 4, 2), name="image")
    >>> context = keras.layers.GlobalAveragePooling2D()(image)
    >>> attended, _, _ = LinearAttention(name="estimator")([image, context])
    >>> model = keras.Model(image, keras.layers.Dense(1)(attended))
    >>> maps = attention_maps(model, {"image": numpy.ones((1, 4, 4, 2))}, estimator=1).maps
    >>> maps["image"].shape, maps["image"].round(4).ravel()[:3].tolist()  # all places are alike
    ((1, 4, 4, 1), [0.0625, 0.0625, 0.0625])
    """
    from network_models.layers import LinearAttention

    engine = engine_of(model, target=target)
    layers = list(engine.calls((LinearAttention,)))
    if not layers:
        raise UserError(f"{model.name}: has no attention estimators; attention maps are of the attention network")
    if not 1 <= estimator <= len(layers):
        raise UserError(f"--estimator {estimator}: the network has 1 to {len(layers)}")
    layer = layers[estimator - 1]
    weights = engine.attention(inputs, layer, batch_size=batch_size)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    maps = {name: resized(weights, array.shape[1:3]) for name, array in inputs.items() if array.ndim == 4}
    parameters = {"estimator": estimator, "normalisation": layer.normalisation, "map_size": list(weights.shape[1:3])}
    words = f"{layer.name}, normalised weights"
    return Attribution(f"attention, estimator {estimator}", maps, outputs, engine.target, words, parameters)


def main(arguments=None):
    """Map the attention of a network in one image."""

    def add(parser):
        add_number(parser, "--estimator", int, least=1, most=1000, default=3, help="1 is the finest (default: %(default)s)")

    explanation_script.run(
        arguments, __doc__, attention_maps, add=add, keywords=lambda flags, subject, sample: {"estimator": flags.estimator}
    )


if __name__ == "__main__":
    command_line.run(main)
