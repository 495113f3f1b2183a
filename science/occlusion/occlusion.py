"""Occlusion: what the output loses when a window of the image is covered.

    python science/occlusion/occlusion.py MODEL.hdf5 DATASET.py IMAGE [--window 32] [--stride 16] [--baseline quiet]

The only method here that needs the network's output alone, not its derivatives.
"""

import numpy

from science.explanation import baselines
from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution
from science.gradients.engine import engine_of
from tools import command_line
from tools.errors import UserError
from tools.options import add_number


def occlusion(model, inputs, *, target=None, window=32, stride=16, baseline=None, batch_size=16):
    """Compute differences f(x) - f(x with a window covered), averaged over the windows that cover a pixel.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    target : int, optional
    window, stride : int
        Pixels; windows at the edge are cut off.
    baseline : dict of str to numpy.ndarray, optional
        What windows are covered with: (1, ...) or (n, ...); zeros by default.
    batch_size : int
        Windows at once.

    Returns
    -------
    science.explanation.attribution.Attribution
        Maps (n, height, width, 1), all channels of an input covered together; entries of a side channel one by one.

    References
    ----------
    Zeiler & Fergus 2014, arXiv:1311.2901.

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> occlusion(model, pixels, window=1, stride=1).maps["image"].ravel()
    array([0., 1., 2., 3.], dtype=float32)
    """
    if window < 1 or stride < 1:
        raise UserError(f"--window {window} and --stride {stride}: give pixels, at least 1")
    if stride > window:
        raise UserError(f"--stride {stride}: leaves pixels uncovered between windows of {window}; give {window} or less")
    engine = engine_of(model, target=target)
    zeros = {name: numpy.zeros((1, *array.shape[1:]), "float32") for name, array in inputs.items()}
    cover = baselines.checked(zeros if baseline is None else baseline, inputs)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    maps = {}
    for name, array in inputs.items():
        if array.ndim == 4 and window > max(array.shape[1:3]):
            raise UserError(f"--window {window}: larger than the image of {array.shape[1]} x {array.shape[2]} pixels")
        rows = []
        for row in range(len(array)):
            sample = {key: values[row] for key, values in inputs.items()}
            own = cover[name][row % len(cover[name])]
            rows.append(_sample(engine, sample, name, own, outputs[row], window, stride, batch_size))
        maps[name] = numpy.stack(rows).astype("float32")
    parameters = {"window": window, "stride": stride, "baseline": "zero" if baseline is None else "given"}
    return Attribution("occlusion", maps, outputs, engine.target, f"output {engine.target}", parameters)


def _sample(engine, sample, name, cover, output, window, stride, batch_size):
    image = sample[name]
    if image.ndim == 3:
        height, width = image.shape[:2]
        corners = [(top, left) for top in _starts(height, window, stride) for left in _starts(width, window, stride)]
        places = [(slice(top, top + window), slice(left, left + window)) for top, left in corners]
        total, count = numpy.zeros((height, width, 1)), numpy.zeros((height, width, 1))
    else:
        places = list(numpy.ndindex(image.shape))
        total, count = numpy.zeros(image.shape), numpy.zeros(image.shape)
    for first in range(0, len(places), batch_size):
        part = places[first : first + batch_size]
        batch = {key: numpy.repeat(values[None], len(part), axis=0) for key, values in sample.items()}
        for number, place in enumerate(part):
            batch[name][(number, *place)] = cover[place]
        for place, value in zip(part, engine.outputs(batch, batch_size=batch_size), strict=True):
            total[place] += output - value
            count[place] += 1
    return total / count


def _starts(length, window, stride):
    """List where windows begin: the last one ends at the edge or is cut off by it."""
    return range(0, int(numpy.ceil(max(length - window, 0) / stride)) * stride + 1, stride)


def main(arguments=None):
    """Explain one image of one network."""

    def add(parser):
        add_number(parser, "--window", int, least=1, most=16_384, default=32, help="pixels (default: %(default)s)")
        add_number(parser, "--stride", int, least=1, most=16_384, default=16, help="pixels (default: %(default)s)")
        parser.add_argument("--baseline", default="quiet", help=baselines.HELP)

    def keywords(flags, subject, sample):
        cover = baselines.choose(flags.baseline, subject, sample)
        return {"window": flags.window, "stride": flags.stride, "baseline": cover}

    explanation_script.run(arguments, __doc__, occlusion, add=add, keywords=keywords)


if __name__ == "__main__":
    command_line.run(main)
