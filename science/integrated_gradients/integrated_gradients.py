"""Integrated gradients: what each pixel adds to the output on the way from a baseline to the image.

    python science/integrated_gradients/integrated_gradients.py MODEL.hdf5 DATASET.py IMAGE [--baseline quiet] [--steps 50]

The contributions add up to the difference of the outputs of image and baseline. How well they do is measured, and the
number of steps doubled until the residual is below 1 %.
"""

import functools

import numpy

from science.explanation import baselines
from science.explanation import script as explanation_script
from science.explanation.attribution import COMPLETE, Attribution, residual
from science.gradients.engine import engine_of
from science.gradients.path import weighted_gradients
from tools import command_line
from tools.errors import UserError
from tools.options import add_number

MOST = 1600  # steps
RULES = ("midpoint", "gauss-legendre", "trapezoid", "left", "right")


def integrated_gradients(
    model,
    inputs,
    *,
    baseline=None,
    target=None,
    steps=50,
    rule="midpoint",
    tolerance=COMPLETE,
    precision="float32",
    batch_size=16,
    xla=False,
):
    """Integrate gradients along the straight line from a baseline.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    baseline : dict of str to numpy.ndarray, optional
        (1, ...) for all samples, or (n, ...); zeros by default.
    target : int, optional
    steps : int
        To begin with.
    rule : str
        Of integration, one of `RULES`.
    tolerance : float or None
        Steps double, up to `MOST`, until the residual is below this; None keeps `steps`.
    precision : str
        ``"float64"`` for the last digits: in float32 a ReLU or a maximum can fall on its other side at a few points.
    batch_size : int
        Points of the line at once; bounds memory.
    xla : bool
        Compile the network with XLA, see `science.gradients.path.weighted_gradients`.

    Returns
    -------
    science.explanation.attribution.Attribution

    References
    ----------
    Sundararajan, Taly & Yan 2017, arXiv:1703.01365.

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> explanation = integrated_gradients(model, pixels)
    >>> explanation.maps["image"].ravel().round(3), explanation.complete
    (array([0., 1., 2., 3.], dtype=float32), array([ True]))
    """
    if steps < 1:
        raise UserError(f"--steps {steps}: must be at least 1")
    engine = engine_of(model, target=target, precision=precision)
    zeros = {name: numpy.zeros((1, *array.shape[1:]), "float32") for name, array in inputs.items()}
    start = baselines.checked(zeros if baseline is None else baseline, inputs)
    count = len(next(iter(inputs.values())))
    together = {name: numpy.concatenate([inputs[name], start[name]]) for name in inputs}
    outputs, ground = numpy.split(engine.outputs(together, batch_size=batch_size), [count])
    differences = outputs - numpy.resize(ground, count)
    line = functools.partial(_integral, engine, rule=rule, batch_size=batch_size, compiled=xla)
    maps, left, used = _integrated(line, start, inputs, differences, steps, tolerance)
    notes = ()
    if tolerance is not None and (left >= tolerance).any():
        notes = (f"not complete to {tolerance:g} with {used[left >= tolerance].max()} steps",)
    return Attribution(
        "integrated gradients",
        maps,
        outputs,
        engine.target,
        f"output {engine.target}",
        {"steps": used.tolist(), "rule": rule, "baseline": "zero" if baseline is None else "given"},
        residual=left,
        notes=notes,
        difference={name: inputs[name] - start[name] for name in inputs},
    )


def _integrated(line, start, inputs, differences, steps, tolerance):
    """Integrate for one sample after the other: maps by input name, residuals float64 (n,) and steps int (n,)."""
    maps = {name: numpy.empty(array.shape, "float32") for name, array in inputs.items()}
    left, used = numpy.empty(len(differences)), numpy.empty(len(differences), int)
    for row, difference in enumerate(differences):
        sample = {name: array[row : row + 1] for name, array in inputs.items()}
        own = {name: array[row % len(array)][None] for name, array in start.items()}
        contributions, left[row], used[row] = _refined(functools.partial(line, own, sample), difference, steps, tolerance)
        for name in inputs:
            maps[name][row] = contributions[name][0]
    return maps, left, used


def _integral(engine, start, end, steps, *, rule, batch_size, compiled):
    """Integrate gradients on the line from start to end: dict of float64 (1, ...) by input name."""
    mean = weighted_gradients(engine, start, end, *points(steps, rule), batch_size=batch_size, compiled=compiled)
    return {name: (end[name] - start[name]) * mean[name] for name in end}


def _refined(integral, difference, steps, tolerance):
    """Double the steps of an integral until it is complete: contributions, their residual, and the steps used."""
    while True:
        contributions = integral(steps)
        left = residual(contributions, [difference])[0]
        if tolerance is None or left < tolerance or 2 * steps > MOST:
            return contributions, left, steps
        steps *= 2


def points(count, rule):
    """List where a rule takes gradients, 0 to 1, and their weights, which sum to 1: two float64 arrays (count,).

    Examples
    --------
    >>> points(4, "midpoint")
    (array([0.125, 0.375, 0.625, 0.875]), array([0.25, 0.25, 0.25, 0.25]))
    """
    steps = numpy.arange(count, dtype="float64")
    even = numpy.full(count, 1 / count)
    if rule == "midpoint":
        return (steps + 0.5) / count, even
    if rule == "left":
        return steps / count, even
    if rule == "right":
        return (steps + 1) / count, even
    if rule == "trapezoid":
        weights = numpy.full(count, 1 / max(count - 1, 1))
        weights[[0, -1]] /= 2
        return numpy.linspace(0, 1, count), weights / weights.sum()
    if rule == "gauss-legendre":
        places, weights = numpy.polynomial.legendre.leggauss(count)
        return (places + 1) / 2, weights / 2
    raise UserError(f"rule {rule!r}: choose one of {', '.join(RULES)}")


def main(arguments=None):
    """Explain one image of one network."""

    def add(parser):
        parser.add_argument("--baseline", default="quiet", help=baselines.HELP)
        add_number(
            parser,
            "--steps",
            int,
            least=1,
            most=100_000,
            default=50,
            help="of the line, doubled as needed (default: %(default)s)",
        )
        parser.add_argument("--rule", choices=RULES, default="midpoint", help="of integration (default: %(default)s)")
        parser.add_argument("--xla", action="store_true", help="compile the network with XLA first")

    def keywords(flags, subject, sample):
        return {
            "baseline": baselines.choose(flags.baseline, subject, sample),
            "steps": flags.steps,
            "rule": flags.rule,
            "xla": flags.xla,
        }

    explanation_script.run(arguments, __doc__, integrated_gradients, add=add, keywords=keywords)


if __name__ == "__main__":
    command_line.run(main)
