"""Deconvolution: what in the image excites the strongest feature maps of each convolution.

    python science/deconvolutional/deconvolutional.py MODEL.hdf5 DATASET.py IMAGE [--count 6] [--layer NAME] [--out FOLDER]

Writes into the run's features/: for each convolution layer and image input a grid of its strongest feature maps and
their projections back to every channel, and the arrays as .npz.
"""

import dataclasses

import numpy

from dataset_models import simulation_mark
from science.explanation import image_list, list_results, list_table
from science.explanation import subject as explanation
from science.explanation.attribution import per_unit
from science.gradients.engine import engine_of
from tools import atomic_files, command_line, figures
from tools.errors import UserError
from tools.options import add_number

CHANNELS = 3  # drawn of each grid, at most
LEAST = 0.1  # of the strongest channel's share: weaker ones would be white rows


@dataclasses.dataclass(frozen=True)
class Projections:
    """The strongest feature maps of one call of one convolution.

    Attributes
    ----------
    layer : str
        The layer's name, with the number of the call when a shared layer has several.
    channels : numpy.ndarray
        int (k,): the feature maps, the strongest first. Maps that are nowhere positive are left out, so k may be 0.
    responses : numpy.ndarray
        float32 (k, height, width): rectified activations.
    inputs : dict of str to numpy.ndarray
        float32 (k, ...): projections by input name.
    """

    layer: str
    channels: numpy.ndarray
    responses: numpy.ndarray
    inputs: dict[str, numpy.ndarray]


def deconvolve(model, inputs, *, layers=None, count=6, keep="maximum", batch_size=4):
    """Project the strongest feature maps of convolutions back to the inputs.

    All but the activations of one feature map are set to zero; what is left runs down through unpooling (to the
    places where max pooling found its maximum: the switches), rectification and transposed filters. In one network
    these are the backward passes of pooling, of ReLU under the rule that passes positive signals, and of convolution.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        One sample: arrays (1, ...) by input name.
    layers : sequence of str, optional
        Names of convolution layers; by default all, those of nested networks included.
    count : int
        Feature maps of each layer: those with the highest activations.
    keep : str
        ``"maximum"``: start from the feature map's strongest activation only, as the paper does; ``"map"``: from all
        of its activations.
    batch_size : int
        Feature maps at once.

    Yields
    ------
    Projections
        One for each call of each layer, in the order of the network.

    Raises
    ------
    UserError
        The network has no convolutions or no ReLU, or `layers` names none of them.

    References
    ----------
    Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, arXiv:1311.2901.

    Notes
    -----
    The activation of a feature map is the convolution's own output, rectified; a normalisation between convolution
    and ReLU is below the next layer's starting point, not part of this one's.

    Examples
    --------
    >>> import keras, numpy
    >>> image = keras.Input((8, 8, 1), name="image")
    >>> features = keras.layers.Conv2D(2, 3, activation="relu", name="last")(image)
    >>> model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(features)))
    >>> for projections in deconvolve(model, {"image": numpy.ones((1, 8, 8, 1))}, count=1):
    ...     print(projections.layer, projections.inputs["image"].shape[1:])
    last (8, 8, 1)
    """
    engine = engine_of(model, target=0)
    for layer, calls in _convolutions(engine, layers).items():
        responses, _ = engine.activations(inputs, layer, which="response")
        for call in range(calls):
            response = numpy.maximum(responses[call][0], 0)
            strength = response.max(axis=(0, 1))
            order = numpy.argsort(-strength, kind="stable")[:count]
            channels = order[strength[order] > 0]
            projected = {name: numpy.zeros((0, *array.shape[1:]), "float32") for name, array in inputs.items()}
            if len(channels):
                projected = engine.projections(inputs, layer, channels, call=call, keep=keep, batch_size=batch_size)
            name = layer.name if calls == 1 else f"{layer.name} call {call + 1}"
            yield Projections(name, channels, numpy.moveaxis(response[..., channels], -1, 0), projected)


def _convolutions(engine, names=None):
    calls = engine.convolutions()
    if not calls:
        raise UserError(f"{engine.model.name}: has no convolution layers, so there are no feature maps to project")
    unknown = sorted(set(names or ()) - {layer.name for layer in calls})
    if unknown:
        listed = ", ".join(layer.name for layer in calls)
        raise UserError(f"--layer {unknown[0]}: is not a convolution of the network; it has {listed}")
    return {layer: count for layer, count in calls.items() if not names or layer.name in names}


def write(folder, subject, sample, projections):
    """Write grids and arrays of one sample's projections.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    projections : iterable of Projections
        Computed while they are written.

    Returns
    -------
    list of str
        Names of the files.
    """
    from tqdm import tqdm

    stem = atomic_files.safe_name(sample.label, "deconvolution")
    names = []
    with atomic_files.results(folder) as unfinished, figures.style():

        def path(*parts):
            names.append(f"{atomic_files.safe_name(stem, *parts[:-1])}{parts[-1]}")
            return unfinished / names[-1]

        for projection in tqdm(projections, desc="convolutions", unit="layer", disable=None):
            for name, source in sample.names.items():
                if source in subject.data.image_inputs and len(projection.channels):
                    _draw(projection, name, source, subject.data, sample, path(projection.layer, source, ".png"))
            arrays = {sample.names[name]: array for name, array in projection.inputs.items()}
            file = path(projection.layer, ".npz")
            arrays |= {"feature_maps": projection.channels, "responses": projection.responses}
            explanation.write_arrays(file, simulated=sample.simulated, **arrays)
    return names


def _draw(projection, name, source, data, sample, path):
    """Draw a grid: a column for each feature map; rows of activations, the image there, and the projections there.

    Of many channels those are drawn that most of the projections' absolute values fall to, see `strongest_channels`.
    """
    from matplotlib import cm, colors, patches

    image, projected = sample.inputs[name][0], projection.inputs[name]
    shown = numpy.stack(
        [per_unit(projected[..., index], image[..., index], channel) for index, channel in enumerate(data.channels)],
        axis=-1,
    )
    corners, side = windows(shown)
    drawn, shares = strongest_channels(shown)
    best = drawn[0]
    columns, rows = len(projection.channels), 2 + len(drawn)
    figure, axes = figures.new(rows, columns, figsize=(2.2 * columns + 2.4, 2.15 * rows + 0.9), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.12)
    height, width = image.shape[:2]
    norm = figures.image_norm(image[..., best], logarithmic=data.channels[best].logarithmic)
    for column, (number, (y, x)) in enumerate(zip(projection.channels, corners, strict=True)):
        response = projection.responses[column]
        top = axes[0, column].imshow(
            response, cmap="cividis", vmin=0, vmax=projection.responses.max(), extent=(0, width, height, 0)
        )
        axes[0, column].add_patch(patches.Rectangle((x, y), side, side, fill=False, edgecolor="white", linewidth=1.5))
        axes[0, column].set_title(f"map {number}\nactivation {response.max():.2g}", fontsize="small")
        axes[1, column].imshow(image[y : y + side, x : x + side, best], cmap="gray", norm=norm)
        # Each feature map has its own scale: the strengths of different ones cannot be compared.
        largest = numpy.abs(shown[column]).max() or 1.0
        for row in range(2, rows):
            part = shown[column, y : y + side, x : x + side, drawn[row - 2]] / largest
            axes[row, column].imshow(part, cmap=figures.SIGNED, vmin=-1, vmax=1)
    figure.colorbar(top, ax=list(axes[0]), shrink=0.9, label="activation")
    scale = cm.ScalarMappable(colors.Normalize(-1, 1), figures.SIGNED)
    figure.colorbar(
        scale, ax=list(axes[1:].flat), shrink=0.45 if rows < 5 else 0.3, label="projection,\nof its largest", ticks=(-1, 0, 1)
    )
    names = [
        f"to {data.channels[place].name}" + (f"\n{100 * shares[place]:.0f} %" if len(shares) > 1 else "") for place in drawn
    ]
    labels = ["feature map", f"image, {data.channels[best].name}", *names]
    for panel, label in zip(axes[:, 0], labels, strict=True):
        panel.set_ylabel(label, fontsize="small")
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    where = "" if source == "image" else f", {source.replace('_', ' ')}"
    heading = figures.title(f"{projection.layer}: {sample.title}{where}", simulated=sample.simulated)
    words = f"below the feature maps: {side} of {width} pixels, marked by the squares"
    if len(shares) > 1:
        words += f"\n{len(drawn)} of {len(shares)} channels, with their shares of all projections"
    figure.suptitle(f"{heading}\n{words}", fontsize="medium")
    figures.save(figure, path)


def strongest_channels(projected):
    """Choose the channels of projections to draw.

    Parameters
    ----------
    projected : numpy.ndarray
        (k, height, width, channel), in units that compare.

    Returns
    -------
    list of int, numpy.ndarray
        The strongest, at most `CHANNELS`, none with less than `LEAST` of the first's share; and the share of the absolute
        values that each of all channels has, float64 (channel,).

    Examples
    --------
    >>> places, shares = strongest_channels(numpy.array([1.0, 9.0, 0.1, 5.0]).reshape(1, 1, 1, 4))
    >>> places, shares.round(2).tolist()
    ([1, 3, 0], [0.07, 0.6, 0.01, 0.33])
    """
    total = numpy.abs(projected).sum(axis=(0, 1, 2), dtype="float64")
    order = [int(place) for place in numpy.argsort(-total, kind="stable")[:CHANNELS]]
    shares = total / (total.sum() or 1.0)
    return [place for place in order if shares[place] >= LEAST * shares[order[0]]], shares


def write_list(folder, subject, entries, flags, keywords):
    """Write the grids of each image of a list, and one table of the feature maps that they excite.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    entries : sequence of science.explanation.image_list.Entry
    flags : argparse.Namespace
    keywords : dict
        Of `deconvolve`.

    Raises
    ------
    Stopped
        Images were left out.
    """
    import pandas

    rows, left_out = [], []
    for entry, sample in image_list.each(subject, entries, left_out):
        time = list_table.time_of(subject, entry, sample)
        shown = {"time": "" if time is None else f"{time}Z", "file": "" if sample.time is not None else entry.image}
        marks = simulation_mark.row(sample.simulated)
        found = []
        write(folder, subject, sample, _noting(deconvolve(subject.model, sample.inputs, **keywords), found))
        rows += [shown | entry.facts() | values | marks for values in found]
    path = folder / f"{atomic_files.safe_name(image_list.name_of(flags.image), 'deconvolution')}.csv"
    atomic_files.write_table(path, pandas.DataFrame(rows))
    print(f"{len(entries) - len(left_out)} images; grids of each and {path.name} in {folder}")
    list_results.tell_left_out(left_out, len(entries), folder)


def _noting(projections, found):
    """Pass projections on, and append to the list `found` a dict for each feature map of them."""
    for projection in projections:
        for number, response in zip(projection.channels, projection.responses, strict=True):
            found.append({"layer": projection.layer, "feature_map": int(number), "activation": float(response.max())})
        yield projection


def windows(projected):
    """Place squares of one size that hold everything that was projected: corners (row, column) and side, in pixels.

    Parameters
    ----------
    projected : numpy.ndarray
        (k, height, width, channel).
    """
    count, height, width, _ = projected.shape
    boxes = numpy.zeros((count, 2, 2), int)
    for index, values in enumerate(numpy.abs(projected).max(axis=-1)):
        for axis in (0, 1):
            places = numpy.flatnonzero(values.max(axis=1 - axis) > 1e-3 * values.max())
            boxes[index, axis] = (places[0], places[-1] + 1) if len(places) else (0, 1)
    side = min(max(12, int((boxes[..., 1] - boxes[..., 0]).max()) + 4), height, width)
    corners = boxes.mean(axis=2) - side / 2
    return numpy.clip(corners, 0, [height - side, width - side]).astype(int), side


def main(arguments=None):
    """Project the feature maps that one image excites."""

    def add(parser):
        add_number(
            parser, "--count", int, least=1, most=10_000, default=6, metavar="K", help="feature maps of each layer (default: 6)"
        )
        parser.add_argument("--layer", action="append", metavar="NAME", help="only this convolution; may be repeated")
        parser.add_argument(
            "--keep", choices=("maximum", "map"), default="maximum", help="activations to start from (default: maximum)"
        )

    flags, given = explanation.parse(arguments, __doc__, add=add, target=False)
    subject = explanation.load(flags.model, flags.dataset, given)
    keywords = {"layers": flags.layer, "count": flags.count, "keep": flags.keep}
    if image_list.is_list(flags.image):
        entries = image_list.read(flags.image, subject.data)
        write_list(explanation.output_folder(subject, "features", flags.out), subject, entries, flags, keywords)
        return
    sample = explanation.sample(subject, flags.image[0])
    folder = explanation.output_folder(subject, "features", flags.out)
    names = write(folder, subject, sample, deconvolve(subject.model, sample.inputs, **keywords))
    print(f"{len(names)} files in {folder}")


if __name__ == "__main__":
    command_line.run(main)
