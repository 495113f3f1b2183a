"""Saliency: the gradient of a network's output with respect to every pixel that it sees.

    python science/saliency/saliency.py MODEL.hdf5 DATASET.py IMAGE [--target 1] [--out FOLDER]

Writes into the run's maps/: a figure per channel (image, signed map, overlay), the gradients of all inputs as .npz, and
as FITS in the image's coordinates. The logit or the regression output is explained, never a probability.
"""

import numpy

from science import explanation
from science.attribution import Attribution
from tools import command_line, figures


def saliency(model, inputs, *, target=None, batch_size=16):
    """Gradient of a network's output with respect to its inputs.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name, side channel included.
    target : int, optional
        Which output; by default the event's logit or the only output.
    batch_size : int
        Samples at once.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 of the inputs' shapes, signed: change of the output per unit of the input.

    References
    ----------
    Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034, who take the largest absolute value over colours; here
    channels and signs are kept apart.
    """
    from science.gradient_engine import GradientEngine

    return GradientEngine(model, target=target).gradients(inputs, batch_size=batch_size)


def explain(model, inputs, *, target=None, batch_size=16):
    """`saliency` as a `science.attribution.Attribution`."""
    from science.gradient_engine import GradientEngine

    engine = GradientEngine(model, target=target)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    maps = engine.gradients(inputs, batch_size=batch_size)
    return Attribution("saliency", maps, outputs, engine.target, f"output {engine.target}", {})


def write(folder, subject, sample, gradients, output):
    """Write figures, arrays and FITS of one sample's saliency.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.Subject
    sample : science.explanation.Sample
    gradients : dict of str to numpy.ndarray
        As returned by `saliency`, (1, ...).
    output : float
        The explained output.

    Returns
    -------
    list of str
        Names of the files.
    """
    data = subject.data
    stem = explanation.safe_name(sample.label, "saliency")
    names = []
    with explanation.results(folder) as unfinished, figures.style():

        def path(*parts):
            names.append(f"{explanation.safe_name(stem, *parts[:-1])}{parts[-1]}")
            return unfinished / names[-1]

        for name, gradient in gradients.items():
            source, values, image = sample.names[name], gradient[0], sample.inputs[name][0]
            if source not in data.image_inputs:
                _draw_side_channel(values, data.side_channel_names, data, sample, path(source, ".png"))
                continue
            header = sample.header if source == data.image_inputs[0] else None  # earlier images lie elsewhere
            for index, channel in enumerate(data.channels):
                arrays = image[..., index], values[..., index]
                heading = figures.title(f"{sample.label}, {_words(source, channel)}", simulated=data.simulated)
                heading += f"\n{data.target_label}; {explanation.output_words(subject, output)}"
                _draw(*arrays, channel, header, heading, path(source, channel.name, ".png"))
                if header is not None:
                    history = (
                        f"gradient of a network's output with respect to channel {channel.name}",
                        f"network {subject.model_path.name}, output {output:.6g}: {data.target_label}",
                        f"simulated: {data.simulated}",
                    )
                    explanation.write_fits(path(source, channel.name, ".fits"), arrays[1], header, history)
        arrays = {sample.names[name]: gradient[0] for name, gradient in gradients.items()}
        numpy.savez_compressed(path(".npz"), output=numpy.float64(output), **arrays)
    return names


def _words(source, channel):
    return channel.name if source == "image" else f"{channel.name} ({source.replace('_', ' ')})"


def _draw(image, gradient, channel, header, heading, path):
    extent = figures.extent_of(header, image.shape)
    shown, unit = explanation.per_meaning(gradient, image, channel)
    look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, "extent": extent}
    figure, axes = figures.new(1, 3, figsize=(15.5, 5.2), sharex=True, sharey=True)
    figures.show_image(axes[0], image, unit=channel.unit, **look)
    figures.show_signed(axes[1], shown, label=f"gradient of the output, {unit}", extent=extent)
    figures.show_overlay(axes[2], image, shown, **look)
    for panel, name in zip(axes, ("image", "saliency", "saliency over image"), strict=True):
        panel.set_title(name)
    for panel in axes[1:]:
        panel.set_ylabel("")
    figure.suptitle(heading)
    figures.save(figure, path)


def _draw_side_channel(values, names, data, sample, path):
    names = list(names) or [str(index) for index in range(len(values))]
    figure, axes = figures.new(figsize=(8, 1.8 + 0.32 * len(values)))
    colours = [figures.PALETTE[1] if value > 0 else figures.PALETTE[0] for value in values]
    axes.barh(numpy.arange(len(values)), values, color=colours)
    axes.set_yticks(numpy.arange(len(values)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="gradient of the output, per unit of the entry")
    axes.set_title(figures.title(f"{sample.label}, side channel", simulated=data.simulated))
    figures.save(figure, path)


def main(arguments=None):
    """Explain one image of one network."""
    flags, given = explanation.parse(arguments, __doc__, add=lambda parser: None)
    subject = explanation.load(flags.model, flags.dataset, given)
    sample = explanation.sample(subject, flags.image)
    folder = explanation.output_folder(subject, "maps", flags.out)

    from science.gradient_engine import GradientEngine

    engine = GradientEngine(subject.model, target=flags.target)
    output = explanation.finite_output(engine.outputs(sample.inputs), flags.image)
    names = write(folder, subject, sample, engine.gradients(sample.inputs), output)
    words = explanation.output_words(subject, output)
    print(f"{words}: {subject.data.target_label}; {len(names)} files in {folder}")
    if sample.header is None:
        print("no FITS: only an image file whose coordinates are known gives one")


if __name__ == "__main__":
    command_line.run(main)
