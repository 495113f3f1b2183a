"""Look into the weights of a trained network: kernels as pictures, a histogram for each layer, a table.

    python network_models/network_weights.py MODEL.hdf5 [--layer NAME] [--out FOLDER]

Writes weights.csv, weights.png and kernels_NAME.png into the run's features/: the kernels of the first convolution, or of the
one that --layer names, the strongest first.
"""

import pathlib

import numpy

from dataset_models import simulation_mark
from network_models import keras_internals
from network_models.run_folder import run_folder_of
from network_models.trained_network import load_network
from tools import atomic_files, command_line, figures
from tools.errors import UserError
from tools.options import add_number

COLUMNS = 8  # of the pictures
CHANNELS = 8  # input channels of a kernel that are drawn


def weights_of(model):
    """List the weights of a network.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    list of (str, str, numpy.ndarray)
        Layer, name and values of each, nested networks included, in the order of the layers.
    """
    import keras

    found = {}
    for layer in _layers(model):
        for variable in layer.weights:  # of a layer made of others those of all of them: seen by then
            found.setdefault(id(variable), (layer.name, variable.name, keras.ops.convert_to_numpy(variable)))
    return list(found.values())


def _layers(model):
    """List the layers of a network in its order, those that a network or a layer is made of before it."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield from (part for part in reversed(keras_internals.layers_within(layer)) if not isinstance(part, keras.Model))
            yield layer


def table(weights):
    """Tabulate `weights_of`: `pandas.DataFrame`, a row for each with its shape, mean, deviation, range and share of zeros."""
    import pandas

    rows = []
    for layer, name, values in weights:
        numbers = values.astype("float64").ravel()
        row = {"layer": layer, "weight": name, "shape": " x ".join(map(str, values.shape)) or "1", "count": numbers.size}
        row |= {"mean": numbers.mean(), "deviation": numbers.std(), "least": numbers.min(), "largest": numbers.max()}
        rows.append(row | {"zeros": float((numbers == 0).mean())})
    return pandas.DataFrame(rows)


def draw_histograms(path, weights, *, title):
    """Draw the distribution of every kernel, from its 0.05th to its 99.95th percentile.

    Parameters
    ----------
    path : pathlib.Path
    weights : list
        From `weights_of`.
    title : str
    """
    kernels = [(layer, values.ravel()) for layer, _, values in weights if values.ndim > 1]
    columns = min(4, len(kernels))
    rows = -(-len(kernels) // columns)
    with figures.style():
        figure, axes = figures.new(rows, columns, figsize=(3.6 * columns, 2.5 * rows + 0.7), squeeze=False)
        for panel in axes.flat[len(kernels) :]:
            panel.set_visible(False)
        for panel, (layer, values) in zip(axes.flat, kernels, strict=False):
            low, high = numpy.percentile(values, (0.05, 99.95))
            low, high = (low, high) if high > low else (low - 0.5, low + 0.5)
            panel.hist(values, bins=int(numpy.clip(values.size**0.5, 10, 60)), range=(low, high), color=figures.PALETTE[0])
            panel.axvline(0, color="0.3", linewidth=0.8)
            panel.set_title(f"{layer} ({values.size:,})", fontsize=11)
            panel.ticklabel_format(axis="y", style="sci", scilimits=(0, 4))
            panel.locator_params(axis="x", nbins=4)
        for panel in axes[:, 0]:
            panel.set_ylabel("weights")
        for panel in axes.flat[max(len(kernels) - columns, 0) : len(kernels)]:
            panel.set_xlabel("value")
        figure.suptitle(title)
        figures.save(figure, path)


def draw_kernels(path, kernels, *, count, title):
    """Draw the kernels of a convolution as images, one scale for all of them, the strongest (by their norm) first.

    Parameters
    ----------
    path : pathlib.Path
    kernels : numpy.ndarray
        (height, width, input channel, filter).
    count : int
        At most.
    title : str
        Followed by which are shown.
    """
    strength = numpy.sqrt((kernels.astype("float64") ** 2).sum(axis=(0, 1, 2)))
    filters = numpy.argsort(-strength, kind="stable")[:count]
    inputs = kernels.shape[2]
    if inputs > 1:  # a row for each filter, its strongest input channels beside each other in the order that they have
        norms = numpy.sqrt((kernels[..., filters].astype("float64") ** 2).sum(axis=(0, 1)))
        shown = [numpy.sort(numpy.argsort(-norms[:, place], kind="stable")[:CHANNELS]) for place in range(len(filters))]
        panels = [
            [(kernels[:, :, channel, one], f"{one}, from {channel}") for channel in row]
            for one, row in zip(filters, shown, strict=True)
        ]
    else:
        drawn = [(kernels[:, :, 0, one], f"filter {one}") for one in filters]
        panels = [drawn[start : start + COLUMNS] for start in range(0, len(drawn), COLUMNS)]
    columns = max(map(len, panels))
    limit = float(max(numpy.abs(values).max() for row in panels for values, _ in row)) or 1.0
    with figures.style():
        figure, axes = figures.new(len(panels), columns, figsize=(1.35 * columns + 1.6, 1.5 * len(panels) + 1.0), squeeze=False)
        for line, row in zip(axes, panels, strict=True):
            for panel in line[len(row) :]:
                panel.set_visible(False)
            for panel, (values, name) in zip(line, row, strict=False):
                drawn = panel.imshow(values, cmap=figures.SIGNED, vmin=-limit, vmax=limit)
                panel.set_title(name, fontsize=10)
                panel.set(xticks=[], yticks=[])
        figure.colorbar(drawn, ax=list(axes.flat), label="weight", shrink=0.8, aspect=30)
        words = f"{len(filters)} of {kernels.shape[3]} filters, {kernels.shape[0]} x {kernels.shape[1]} pixels"
        words += f", from up to {CHANNELS} of {inputs} channels" if inputs > 1 else ""
        figure.suptitle(f"{title}\n{words}, the strongest first", fontsize=12)
        figures.save(figure, path)


def kernels_of(weights, name=None):
    """Choose the kernels of a convolution.

    Parameters
    ----------
    weights : list
        From `weights_of`.
    name : str, optional
        Of the layer; the first convolution without it.

    Returns
    -------
    str, numpy.ndarray
        The layer, and (height, width, input channel, filter).

    Raises
    ------
    UserError
        There is no such layer, or none with kernels that are images.
    """
    found = {layer: values for layer, weight, values in reversed(weights) if values.ndim == 4 and "kernel" in weight}
    if name is None:
        if not found:
            raise UserError("the network has no convolution of images, so there are no kernels to draw")
        return next(reversed(found.items()))
    if name not in found:
        raise UserError(f"--layer {name}: no convolution of the network; it has {', '.join(reversed(found))}")
    return name, found[name]


def main(arguments=None):
    """Look into the weights of one network."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("model", metavar="MODEL.hdf5", type=pathlib.Path, help="a trained network")
    parser.add_argument("--layer", metavar="NAME", help="convolution whose kernels are drawn (default: the first)")
    add_number(parser, "--count", int, least=1, most=1024, default=32, help="kernels drawn at most (default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="where results go (default: in the run folder)")
    flags = parser.parse_args(arguments)
    weights, run = weights_of(load_network(flags.model)), run_folder_of(flags.model)
    if not any(values.ndim > 1 for _, _, values in weights):
        raise UserError(f"{flags.model}: has no kernels")
    folder = flags.out or (run.features if run else flags.model.parent / "features")
    simulated = bool(run and run.settings().get("simulated"))
    title = figures.title(
        f"{flags.model.name}" if run is None else f"{flags.model.name} of {run.path.name}", simulated=simulated
    )
    try:
        layer, kernels = kernels_of(weights, flags.layer)
    except UserError as error:
        if flags.layer:
            raise
        layer, reason = None, str(error)
    with atomic_files.results(folder) as unfinished:
        numbers = table(weights)
        atomic_files.write_table(unfinished / "weights.csv", simulation_mark.marked(numbers, simulated))
        draw_histograms(unfinished / "weights.png", weights, title=f"{title}: kernels")
        if layer is not None:
            picture = f"kernels_{atomic_files.safe_name(layer)}.png"
            draw_kernels(unfinished / picture, kernels, count=flags.count, title=f"{title}: {layer}")
    for row in numbers[numbers["shape"].str.contains(" x ")].itertuples():
        print(f"  {row.layer:24s} {row.shape:>20s}  deviation {row.deviation:.3g}, {row.least:.3g} to {row.largest:.3g}")
    print(f"weights.csv, weights.png{f', {picture}' if layer is not None else ''} in {folder}")
    if layer is None:
        print(f"note: {reason}")


if __name__ == "__main__":
    command_line.run(main)
