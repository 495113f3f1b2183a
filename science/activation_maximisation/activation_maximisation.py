"""Activation maximisation: an image that raises a network's output as far as it can.

    python science/activation_maximisation/activation_maximisation.py MODEL.hdf5 DATASET.py [IMAGE] [--steps 200] [--out FOLDER]

The image is made by ascending the gradient of the logit from noise, or from IMAGE, by tf-keras-vis, within the range
of each channel and in logarithmic ones by decades; it is no image of the Sun.
"""

import numpy

from science.explanation import subject as explanation
from science.explanation.attribution import target_of
from science.gradients.engine import engine_of
from science.gradients.network_structure import logits_of
from tools import atomic_files, command_line, figures
from tools.errors import UserError
from tools.options import add_number

RATE = 0.1  # of Adam, in units of the sigmoid that keeps values in their range
SPREAD = 0.3  # of the noise at the start, in the same units, around the middle of the range
EDGE = 0.02  # share of the range at whose ends an image starts at most: at the very ends nothing moves
IMAGES = 16  # of the training split, for the range


def activation_maximisation(model, *, target=None, steps=200, low=0.0, high=1.0, logarithmic=False, seed=0, start=None):
    """Make an image with a high output.

    Parameters
    ----------
    model : keras.Model
        With one input, an image.
    target : int, optional
    steps : int
        Of gradient ascent.
    low, high : float or array_like (channel,)
        Range of the image's values.
    logarithmic : bool or array_like of bool (channel,)
        Channels that climb by their logarithm; in these no value is below 0.
    seed : int
        Of the noise that it starts from.
    start : array_like (height, width, channel), optional
        Image to start from instead; what lies beyond the range begins just inside it.

    Returns
    -------
    numpy.ndarray, float, float
        float32 (height, width, channel); the explained output at the start and at the end.

    Raises
    ------
    UserError
        The network has several inputs, or its output is not finite; tf-keras-vis does not work beside the installed Keras.

    References
    ----------
    Erhan et al. 2009; tf-keras-vis, ActivationMaximization.

    Notes
    -----
    The library's jitter and rotation move the image at every step, which pays for networks that take an object anywhere
    in the image for the same, not for those of full disks: they undid the ascent. Its penalties (total variation, norm)
    are in units of images from 0 to 255. None of them is used; a sigmoid keeps values inside their range.

    Examples
    --------
    >>> import keras
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> made, before, after = activation_maximisation(keras.Model(image, total), steps=20)
    >>> made.shape, after > before, bool(((made >= 0) & (made <= 1)).all())
    ((2, 2, 1), True, True)
    """
    import keras

    library = _library()
    engine = engine_of(model, target=target)
    if len(engine.model.inputs) != 1 or len(engine.model.inputs[0].shape) != 4:
        raise UserError(f"{model.name}: has inputs {', '.join(engine.input_names)}; activation maximisation takes one image")
    if steps < 1:
        raise UserError(f"--steps {steps}: must be at least 1")
    if seed < 0:
        raise UserError(f"--seed {seed}: must be at least 0")
    shape = engine.model.inputs[0].shape[1:]
    free = keras.Input(shape)
    within = _within(low, high, logarithmic)
    single = keras.Model([free], logits_of(engine.model([within(free)])))
    if start is None:
        start = numpy.random.default_rng(seed).normal(0, SPREAD, (1, *shape)).astype("float32")
    else:
        start = _free(start, low, high, logarithmic)[None]
    climbed = library(single, clone=False)(
        lambda output: output[:, engine.target],
        seed_input=start,
        input_range=None,
        input_modifiers=None,
        regularizers=None,
        steps=steps,
        optimizer=keras.optimizers.Adam(RATE),
    )
    images = [numpy.asarray(within(numpy.asarray(values, "float32")), "float32") for values in (start, climbed)]
    before, after = (float(engine.outputs({engine.input_names[0]: values})[0]) for values in images)
    if not numpy.isfinite([before, after]).all():
        raise UserError(f"{model.name}: returns {before:g} for noise and {after:g} for the image made; nothing to maximise")
    return images[1][0], before, after


def _library():
    """Import ``ActivationMaximization`` of tf-keras-vis, the one place that does: its last release is older than Keras 3.15.

    Raises
    ------
    UserError
        It is absent, or uses what Keras or TensorFlow no longer have.
    """
    try:
        from tf_keras_vis.activation_maximization import ActivationMaximization
    except (ImportError, AttributeError) as error:
        import importlib.metadata

        import keras

        try:
            installed = f"{importlib.metadata.version('tf-keras-vis')} does not work with Keras {keras.__version__}"
        except importlib.metadata.PackageNotFoundError:
            installed = "is not installed"
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"activation maximisation: tf-keras-vis {installed} ({reason}); install the versions of constraints.txt"
        ) from error
    return ActivationMaximization


def _within(low, high, logarithmic):
    """Make a layer that maps any number into the range of its channel, evenly or by decades."""
    import keras

    start, width, logarithmic = _scale(low, high, logarithmic)

    class Within(keras.layers.Layer):
        def call(self, values):
            values = start + width * keras.ops.sigmoid(values)
            decades = keras.ops.power(10.0, keras.ops.where(logarithmic, values, 0.0)) - 1
            return keras.ops.where(logarithmic, decades, values)

    return Within()


def _scale(low, high, logarithmic):
    """Compute start and width of each channel's range, in decades of 1 + x where logarithmic, and which channels are so."""
    low, high, logarithmic = numpy.broadcast_arrays(low, high, logarithmic)
    low, high = (numpy.where(logarithmic, numpy.log10(1 + numpy.maximum(ends, 0)), ends) for ends in (low, high))
    return low.astype("float32"), (high - low).astype("float32"), logarithmic


def _free(image, low, high, logarithmic):
    """Compute the numbers that `_within` maps to an image: float32 (height, width, channel)."""
    start, width, logarithmic = _scale(low, high, logarithmic)
    image = numpy.asarray(image, "float64")
    values = numpy.where(logarithmic, numpy.log10(1 + numpy.maximum(image, 0)), image)
    share = numpy.clip((values - start) / numpy.where(width > 0, width, 1), EDGE, 1 - EDGE)
    return numpy.log(share / (1 - share)).astype("float32")


def ranges(data):
    """Find the smallest and largest value of each channel over a few training images: two float64 arrays (channel,)."""
    times = data.require_samples("training")
    low, high = numpy.inf, -numpy.inf
    for time in times[:: max(len(times) // IMAGES, 1)]:
        image = data.inputs(time)[data.image_inputs[0]]
        low, high = numpy.fmin(low, numpy.nanmin(image, axis=(0, 1))), numpy.fmax(high, numpy.nanmax(image, axis=(0, 1)))
    return low.astype("float64"), high.astype("float64")


def beyond(output, data):
    """Say that an output is none that the network was trained for: str, empty for those that lie among its targets."""
    if data.task == "classification":
        return ""
    targets = data.targets("training")
    low, high = float(targets.min()), float(targets.max())
    if low <= output <= high:
        return ""
    return f"BEYOND ALL TARGETS OF TRAINING, {low:.3g} to {high:.3g}: no forecast, only how far the network can be driven"


def draw(path, image, channel, data, words):
    """Draw one channel (height, width) of the image that was made; `words` describes it."""
    with figures.style():
        figure, axes = figures.new(figsize=(6.6, 5.4 + 0.2 * words.count("\n")))
        look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, "unit": channel.unit}
        figures.show_image(axes, image, **look)
        heading = figures.title(f"{channel.name}: made to maximise", simulated=data.simulated)
        axes.set_title(f"{heading}\n{words}", fontsize=10)
        figures.save(figure, path)


def main(arguments=None):
    """Make an image for one network."""

    def add(parser):
        parser.add_argument(
            "image", metavar="IMAGE", nargs="?", help="climb from this image, as of the other methods, not noise"
        )
        add_number(parser, "--target", int, least=0, most=1_000_000, help="which output (default: the event, or the only one)")
        add_number(
            parser,
            "--batch",
            int,
            least=1,
            most=65_536,
            default=16,
            help="as of the other methods; here one image is made at a time",
        )
        add_number(
            parser, "--steps", int, least=1, most=1_000_000, default=200, help="of gradient ascent (default: %(default)s)"
        )
        add_number(
            parser, "--seed", int, least=0, most=2**32 - 1, default=0, help="of the noise at the start (default: %(default)s)"
        )

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    subject = explanation.load(flags.model, flags.dataset, given)
    folder = explanation.output_folder(subject, "maps", flags.out)
    data, target = subject.data, target_of(subject, engine_of(subject.model, target=flags.target).target)
    start = None
    if flags.image:
        sample = explanation.sample(subject, flags.image)
        start = next(iter(sample.inputs.values()))[0]
    low, high = ranges(data)
    image, before, after = activation_maximisation(
        subject.model,
        target=target.index,
        steps=flags.steps,
        low=low,
        high=high,
        logarithmic=[channel.logarithmic for channel in data.channels],
        seed=flags.seed,
        start=start,
    )
    origin = "of noise" if start is None else f"of {sample.title}"
    climb = f"output {after:.3g}, {origin} {before:.3g}"
    if not after > before:
        climb += "\nDID NOT CLIMB: this image does not raise the output"
    far = beyond(after, data)
    if far:
        climb += f"\n{far.replace(': ', ':' + chr(10), 1)}"
    of_image = [] if start is None else [sample.label]
    stem = atomic_files.safe_name(*of_image, "activation_maximisation", target.stem)
    with atomic_files.results(folder) as unfinished:
        for index, channel in enumerate(data.channels):
            path = unfinished / f"{atomic_files.safe_name(stem, channel.name)}.png"
            draw(path, image[..., index], channel, data, f"{target.words}\n{climb}")
        explanation.write_arrays(
            unfinished / f"{stem}.npz",
            simulated=subject.data.simulated,
            image=image,
            output=numpy.float64(after),
            start=numpy.float64(before),
        )
    print(f"{target.words}: output {before:.3g} {origin}, {after:.3g} of the image made in {flags.steps} steps; in {folder}")
    if far:
        print(f"note: {far}")
    if not after > before:
        print("note: the output did not climb: the image shows nothing that raises it")


if __name__ == "__main__":
    command_line.run(main)
