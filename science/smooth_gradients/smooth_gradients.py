"""SmoothGrad, VarGrad and input x gradient: variations on the plain gradient.

    python science/smooth_gradients/smooth_gradients.py MODEL.hdf5 DATASET.py IMAGE [--kind mean] [--samples 50] [--noise 0.1]

SmoothGrad is the mean gradient over noisy copies of the image, VarGrad its variance; input x gradient multiplies the
plain gradient with the image.
"""

import numpy

from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution
from science.gradients.engine import engine_of
from tools import command_line
from tools.errors import UserError
from tools.options import add_number

KINDS = ("mean", "square", "variance", "input x gradient")
WORDS = {"mean": "SmoothGrad", "square": "SmoothGrad squared", "variance": "VarGrad", "input x gradient": "input x gradient"}


def smooth_gradients(model, inputs, *, target=None, kind="mean", samples=50, noise=0.1, seed=0, added=None, batch_size=16):
    """Compute statistics of gradients over noisy copies of the images.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name; noise is added to images alone.
    target : int, optional
    kind : str
        ``"mean"``, ``"square"`` (mean of squares) or ``"variance"``.
    samples : int
    noise : float
        Standard deviation as a share of each image's range (largest minus smallest value).
    seed : int
    added : dict of str to numpy.ndarray, optional
        (samples, n, ...): the noise itself, instead of drawing it.
    batch_size : int

    Returns
    -------
    science.explanation.attribution.Attribution

    References
    ----------
    Smilkov et al. 2017, arXiv:1706.03825; Adebayo et al. 2018, arXiv:1810.03307 (VarGrad).

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> smooth_gradients(model, pixels, samples=4).maps["image"].ravel()
    array([1., 1., 1., 1.], dtype=float32)
    """
    if samples < 1 or not 0 <= noise < numpy.inf:
        raise UserError(f"--samples {samples} and --noise {noise:g}: give at least one sample and no negative noise")
    if seed < 0:
        raise UserError(f"--seed {seed}: must be at least 0")
    engine = engine_of(model, target=target)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    parameters = {"kind": kind}
    if kind == "input x gradient":
        gradients = engine.gradients(inputs, batch_size=batch_size)
        maps = {name: gradients[name] * inputs[name] for name in inputs}
    elif kind in KINDS:
        parameters |= {"samples": samples, "noise": noise, "seed": seed}
        maps = _statistics(engine, inputs, kind, samples, noise, numpy.random.default_rng(seed), added, batch_size)
    else:
        raise UserError(f"--kind {kind}: choose one of {', '.join(KINDS)}")
    difference = dict(inputs) if kind == "input x gradient" else None
    words = f"output {engine.target}"
    derivative = {"mean": 1, "square": 2, "variance": 2}.get(kind, 0)
    return Attribution(
        WORDS[kind], maps, outputs, engine.target, words, parameters, difference=difference, derivative=derivative
    )


def input_x_gradient(model, inputs, **keywords):
    """Compute `smooth_gradients` with ``kind="input x gradient"``."""
    return smooth_gradients(model, inputs, kind="input x gradient", **keywords)


def vargrad(model, inputs, **keywords):
    """Compute `smooth_gradients` with ``kind="variance"``."""
    return smooth_gradients(model, inputs, kind="variance", **keywords)


def _statistics(engine, inputs, kind, samples, noise, random, added, batch_size):
    totals = {name: numpy.zeros((2, *array.shape)) for name, array in inputs.items()}
    for number in range(samples):
        noisy = dict(inputs)
        for name, array in inputs.items():
            if array.ndim == 4:
                spread = noise * numpy.ptp(array, axis=(1, 2, 3), keepdims=True)
                # The same noise for every sample: a map does not depend on the samples beside it.
                own = random.standard_normal((1, *array.shape[1:]), "float32")
                extra = own * spread if added is None else added[name][number]
                noisy[name] = (array + extra).astype("float32")
        for name, gradient in engine.gradients(noisy, batch_size=batch_size).items():
            totals[name] += gradient, gradient.astype("float64") ** 2
    maps = {}
    for name, (first, second) in totals.items():
        mean, square = first / samples, second / samples
        maps[name] = {"mean": mean, "square": square, "variance": square - mean**2}[kind].astype("float32")
    return maps


def main(arguments=None):
    """Explain one image of one network."""

    def add(parser):
        parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(default: %(default)s)")
        add_number(parser, "--samples", int, least=1, most=100_000, default=50, help="noisy copies (default: %(default)s)")
        add_number(
            parser, "--noise", float, least=0, most=1000, default=0.1, help="share of the image's range (default: %(default)s)"
        )
        add_number(parser, "--seed", int, least=0, most=2**32 - 1, default=0, help="of the noise (default: %(default)s)")

    def keywords(flags, subject, sample):
        return {"kind": flags.kind, "samples": flags.samples, "noise": flags.noise, "seed": flags.seed}

    explanation_script.run(arguments, __doc__, smooth_gradients, add=add, keywords=keywords)


if __name__ == "__main__":
    command_line.run(main)
