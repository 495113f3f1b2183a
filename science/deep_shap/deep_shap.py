"""DeepLIFT and Deep SHAP: contributions that add up exactly, against one baseline or a set of them.

    python science/deep_shap/deep_shap.py MODEL.hdf5 DATASET.py IMAGE [--background 8 | --baseline quiet]

With --baseline it is DeepLIFT (rescale rule), with --background Deep SHAP: the mean over that many images of the training
split as baselines.
"""

import numpy

from science.explanation import baselines
from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution, residual
from science.gradients.engine import engine_of
from tools import command_line
from tools.errors import UserError
from tools.options import add_number


def deep_lift(model, inputs, *, baseline=None, target=None, multipliers=False, precision="float32", batch_size=16):
    """Compute contributions by the rescale rule against one baseline.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    baseline : dict of str to numpy.ndarray, optional
        (1, ...) for all samples, or (n, ...); zeros by default.
    target : int, optional
    multipliers : bool
        The contributions per difference of the input instead.
    precision : str
        ``"float64"`` for the last digits: a small difference between nearly equal maxima is rounded in float32.
    batch_size : int

    Returns
    -------
    science.explanation.attribution.Attribution

    References
    ----------
    Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685; see `science.gradients.rescale_rule`.

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> deep_lift(model, pixels, baseline={"image": numpy.ones((1, 2, 2, 1))}).maps["image"].ravel()
    array([-1.,  0.,  1.,  2.], dtype=float32)
    """
    zeros = {name: numpy.zeros((1, *array.shape[1:]), "float32") for name, array in inputs.items()}
    start = baselines.checked(zeros if baseline is None else baseline, inputs)
    count = len(next(iter(inputs.values())))
    if len(next(iter(start.values()))) not in (1, count):
        raise UserError(f"baseline: {len(next(iter(start.values())))} of them for {count} samples; give one, or as many")
    return _explain("DeepLIFT, rescale rule", model, inputs, start, target, multipliers, precision, batch_size, paired=True)


def deep_shap(model, inputs, *, background=None, target=None, precision="float32", batch_size=16):
    """Average the contributions against each sample of a background set.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    background : dict of str to numpy.ndarray, optional
        (m, ...); one sample of zeros by default.
    target : int, optional
    precision : str
        ``"float32"`` or ``"float64"``.
    batch_size : int
        Pairs of sample and baseline at once.

    Returns
    -------
    science.explanation.attribution.Attribution
        Complete against the mean output of the background.

    References
    ----------
    Lundberg & Lee 2017, arXiv:1705.07874.

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> background = {"image": numpy.stack([numpy.zeros((2, 2, 1)), numpy.ones((2, 2, 1))])}
    >>> deep_shap(model, pixels, background=background).maps["image"].ravel()
    array([-0.5,  0.5,  1.5,  2.5], dtype=float32)
    """
    zeros = {name: numpy.zeros((1, *array.shape[1:]), "float32") for name, array in inputs.items()}
    start = baselines.checked(zeros if background is None else background, inputs)
    return _explain("Deep SHAP", model, inputs, start, target, False, precision, batch_size, paired=False)


def _explain(method, model, inputs, start, target, multipliers, precision, batch_size, *, paired):
    engine = engine_of(model, target=target, precision=precision)
    count, size = len(next(iter(inputs.values()))), len(next(iter(start.values())))
    maps = {name: numpy.empty(array.shape, "float32") for name, array in inputs.items()}
    outputs, grounds = numpy.empty(count, "float32"), numpy.empty(count)
    if paired:
        start = {name: numpy.broadcast_to(array, inputs[name].shape) for name, array in start.items()}
        slopes, outputs, grounds = engine.contributions(inputs, start, batch_size=batch_size)
        for name in inputs:
            maps[name][:] = slopes[name] if multipliers else slopes[name] * (inputs[name] - start[name])
    else:
        for row in range(count):
            sample = {name: numpy.repeat(array[row : row + 1], size, axis=0) for name, array in inputs.items()}
            slopes, values, ground = engine.contributions(sample, start, batch_size=batch_size)
            outputs[row], grounds[row] = values[0], ground.mean(dtype="float64")
            for name in inputs:
                maps[name][row] = (slopes[name] * (sample[name] - start[name])).mean(axis=0)
    return Attribution(
        method,
        maps,
        outputs,
        engine.target,
        f"output {engine.target}",
        {"baselines": 1 if paired else size, "multipliers": multipliers},
        residual=None if multipliers else residual(maps, outputs - grounds),
        difference=None if multipliers else {name: inputs[name] - _middle(start[name], paired) for name in inputs},
        derivative=1 if multipliers else 0,
    )


def _middle(start, paired):
    return start if paired else start.mean(axis=0, keepdims=True)


def main(arguments=None):
    """Explain one image of one network."""

    def add(parser):
        add_number(
            parser,
            "--background",
            int,
            least=1,
            most=100_000,
            default=8,
            metavar="N",
            help="training images (default: %(default)s)",
        )
        parser.add_argument("--baseline", help="DeepLIFT against zero, quiet, mean, an image file or a time instead")

    def method(model, inputs, *, baseline=None, background=None, **keywords):
        if baseline is not None:
            return deep_lift(model, inputs, baseline=baseline, **keywords)
        return deep_shap(model, inputs, background=background, **keywords)

    def keywords(flags, subject, sample):
        if flags.baseline:
            return {"baseline": baselines.choose(flags.baseline, subject, sample)}
        return {"background": baselines.background(subject, sample, flags.background)}

    explanation_script.run(arguments, __doc__, method, add=add, keywords=keywords)


if __name__ == "__main__":
    command_line.run(main)
