"""Activation maximisation: the image that a network would like best to forecast a flare from.

    python science/activation_maximisation/activation_maximisation.py MODEL.hdf5 DATASET.py [--steps 200] [--out FOLDER]

The image is made by ascending the gradient of the logit from noise, by tf-keras-vis; it is no image of the Sun.
"""

import numpy

from science import explanation
from tools import command_line, figures
from tools.errors import UserError


def activation_maximisation(model, *, target=None, steps=200, low=0.0, high=1.0, seed=0):
    """An image with a high output.

    Parameters
    ----------
    model : keras.Model
        With one input, an image.
    target : int, optional
    steps : int
        Of gradient ascent.
    low, high : float
        Range of the image's values.
    seed : int
        Of the noise it starts from and of the library's jitter; sets the global seeds of Keras.

    Returns
    -------
    numpy.ndarray, float, float
        float32 (height, width, channel); the explained output at the start and at the end.

    Raises
    ------
    UserError
        The network has several inputs.

    References
    ----------
    Erhan et al. 2009; tf-keras-vis, ActivationMaximization.
    """
    import keras
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.activation_maximization.input_modifiers import Jitter, Rotate2D

    from science.gradient_engine import engine_of
    from science.network_structure import logits_of

    engine = engine_of(model, target=target)
    if len(engine.model.inputs) != 1 or len(engine.model.inputs[0].shape) != 4:
        raise UserError(f"{model.name}: has inputs {', '.join(engine.input_names)}; activation maximisation takes one image")
    if steps < 1:
        raise UserError(f"--steps {steps}: must be at least 1")
    shape = engine.model.inputs[0].shape[1:]
    # tf-keras-vis wants a single tensor in and out.
    single = keras.Model([engine.model.inputs[0]], logits_of(engine.model.output))
    start = numpy.random.default_rng(seed).uniform(low, high, (1, *shape)).astype("float32")
    keras.utils.set_random_seed(seed)  # the jitter draws from numpy's global generator
    rotate = Rotate2D(degree=1)
    rotate.random_generator = numpy.random.default_rng(seed)
    found = ActivationMaximization(single, clone=False)(
        lambda output: output[:, engine.target],
        seed_input=start,
        input_range=(low, high),
        steps=steps,
        input_modifiers=[Jitter(jitter=4), rotate],
    )
    image = numpy.asarray(found, "float32")
    before, after = (float(engine.outputs({engine.input_names[0]: one})[0]) for one in (start, image))
    return image[0], before, after


def main(arguments=None):
    """Make an image for one network."""

    def add(parser):
        parser.add_argument("--target", type=int, help="which output (default: the event, or the only one)")
        parser.add_argument("--steps", type=int, default=200, help="of gradient ascent (default: %(default)s)")
        parser.add_argument("--seed", type=int, default=0, help="of the noise at the start (default: %(default)s)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    subject = explanation.load(flags.model, flags.dataset, given)
    folder = explanation.output_folder(subject, "maps", flags.out)
    times = subject.data.require_samples("training")
    pictures = [subject.data.inputs(time)[subject.data.image_inputs[0]] for time in times[:: max(len(times) // 16, 1)]]
    low, high = float(numpy.min(pictures)), float(numpy.max(pictures))
    image, before, after = activation_maximisation(
        subject.model, target=flags.target, steps=flags.steps, low=low, high=high, seed=flags.seed
    )
    with explanation.results(folder) as unfinished, figures.style():
        for index, channel in enumerate(subject.data.channels):
            figure, axes = figures.new(figsize=(6, 5.4))
            look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, "unit": channel.unit}
            figures.show_image(axes, image[..., index], **look)
            axes.set_title(f"{channel.name}: made to maximise\n{subject.data.target_label}", fontsize=11)
            figures.save(figure, unfinished / f"activation_maximisation_{explanation.safe_name(channel.name)}.png")
        numpy.savez_compressed(unfinished / "activation_maximisation.npz", image=image, output=numpy.float64(after))
    print(f"output {before:.3g} of noise, {after:.3g} of the image made in {flags.steps} steps; in {folder}")


if __name__ == "__main__":
    command_line.run(main)
