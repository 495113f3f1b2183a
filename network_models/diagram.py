"""Draw a network: its layers with shapes and parameters, and how they are joined.

    python network_models/diagram.py RUN/best_performing.hdf5
    python network_models/diagram.py attention --out attention.png [--image_size 256 --channels 1]
    python network_models/diagram.py sequence --image_size 512 --frames 6

draws a saved network, beside its summary.txt when it lies in a run folder, or one of the networks by its name. Neither
graphviz nor pydot is needed. Layers that always follow each other share a box, blocks that repeat are drawn once.
"""

import collections
import math
import pathlib
import textwrap

from network_models import keras_internals, networks
from network_models.run_folder import run_folder_of
from tools import atomic_files, command_line, figures, options
from tools.errors import UserError

_FOLLOWING = {
    "ReLU",
    "LeakyReLU",
    "BatchNormalization",
    "FusedBatchNormalization",
    "Dropout",
    "Activation",
    "ZeroPadding2D",
    "Rescaling",
}
_KINDS = (  # words of a class's name, and the colour of its boxes
    (("Input",), "#E6E6E6"),
    (("Conv",), "#B9D7EA"),
    (("Pool", "Upsampl"), "#CFE8DA"),
    (("Dense",), "#F6DDB8"),
    (("Attention", "Project", "Estimator"), "#F3C6D3"),
)
_WIDTH, _LINE, _GAP, _LANE = 4.6, 0.24, 0.32, 5.0  # inches
_TALLEST = 14.0  # inches, before another column is begun


class Box:
    """Layers that are drawn as one.

    Attributes
    ----------
    layers : list of keras.layers.Layer
    sources : set of Box
        What it takes.
    repeated : int
        How often boxes like it follow each other.
    """

    def __init__(self, layers, sources):
        self.layers, self.sources, self.repeated = layers, sources, 1

    @property
    def shape(self):
        """Output shape without the batch axis: str."""
        return _shape(self.layers[-1])

    @property
    def parameters(self):
        """Weights of all its layers, with those of nested networks: int."""
        return sum(layer.count_params() for layer in self.layers)

    @property
    def lines(self):
        """Write the text of the box: list of str."""
        words = [_words(layer) for layer in self.layers]
        first = words[0] + (f"  \N{MULTIPLICATION SIGN} {self.repeated}" if self.repeated > 1 else "")
        rest = ", ".join(words[1:])
        count = f"{self.parameters:,} parameters" if self.parameters else ""
        return [line for line in (first, rest, "    ".join(filter(None, (self.shape, count)))) if line]


def boxes(model):
    """Group the layers of a network into boxes, in the order of computation.

    Parameters
    ----------
    model : keras.Model
        A nested network is one box. Of one that joins networks by a program, such as a beta-VAE, each of them is drawn.

    Returns
    -------
    list of Box
    """
    layers = list(model.layers)
    if not getattr(model, "inputs", None) or keras_internals.first_output_shape(layers[-1]) is None:
        return [box for layer in layers if hasattr(layer, "layers") for box in boxes(layer)]
    takes, given = _connections(layers)
    owner, found = {}, []
    for layer in layers:
        sources = takes[layer.name]
        only = sources[0] if len(sources) == 1 else None
        joins = type(layer).__name__ in _FOLLOWING and only and len(given[only]) == 1 and only in owner
        if joins and type(owner[only].layers[0]).__name__ != "InputLayer":
            owner[only].layers.append(layer)
            owner[layer.name] = owner[only]
            continue
        box = Box([layer], {owner[name] for name in sources if name in owner})
        found.append(box)
        owner[layer.name] = box
    return found


def _connections(layers):
    """List which layers each takes its inputs from, and which take its output: two dicts of name to list of names."""
    given = {layer.name: [] for layer in layers}
    takes = {layer.name: [] for layer in layers}
    for layer in layers:
        for follower in keras_internals.followers(layer):
            if follower.name in takes and layer.name not in takes[follower.name]:
                given[layer.name].append(follower.name)
                takes[follower.name].append(layer.name)
    return takes, given


def blocks(found):
    """Replace runs of alike residual blocks by one that says how often it comes: list of list of Box.

    A block ends where several branches meet. Blocks are alike if their layers, sizes and shapes are.

    Parameters
    ----------
    found : list of Box

    Returns
    -------
    list of (list of Box, int)
        Boxes, and how often they follow each other.
    """
    groups, current = [], []
    for box in found:
        current.append(box)
        if len(box.sources) > 1 and "Add" in type(box.layers[0]).__name__:
            groups.append(current)
            current = []
    groups += [[box] for box in current]
    if groups and len(groups[0]) > 1:  # what comes before the first block is not of it
        first = groups.pop(0)
        start = min(found.index(source) for source in first[-1].sources)
        head, block = first[: start + 1], first[start + 1 :]
        while block and not any(found.index(source) >= start for source in block[0].sources):
            head.append(block.pop(0))
        groups = [*([box] for box in head), block, *groups]
    merged = []
    for group in groups:
        signature = [(tuple(map(_words, box.layers)), box.shape) for box in group]
        if merged and len(group) > 1 and merged[-1][1] == signature:
            merged[-1][2] += 1
        else:
            merged.append([group, signature, 1])
    return [(group, count) for group, _, count in merged]


def draw(path, model, *, title):
    """Draw a network.

    Parameters
    ----------
    path : str or pathlib.Path
        Suffix ``.png``, ``.pdf`` or ``.svg``.
    model : keras.Model
    title : str
    """
    from matplotlib.figure import Figure

    groups = blocks(boxes(model))
    heights = [sum(len(box.lines) * _LINE + 0.16 + _GAP for box in group) for group, _ in groups]
    columns = _columns(groups, heights, max(1, math.ceil(sum(heights) / _TALLEST)))
    tall = max(sum(heights[groups.index(group)] for group in column) for column in columns)
    width = _LANE * len(columns) + 0.3
    # Not by matplotlib's wrap=True, for which there is no room.
    heading = textwrap.wrap(f"{title}: {model.count_params():,} parameters", int(8 * width))
    top_of_all = 0.8 + 0.22 * (len(heading) - 1)
    height = tall + top_of_all + 0.1
    with figures.style():
        figure = Figure(figsize=(width, height), layout="none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        look = {"ha": "center", "va": "center", "fontsize": 13, "fontweight": "bold"}
        axes.text(width / 2, top_of_all / 2, "\n".join(heading), **look)
        places, order = {}, {}
        for number, column in enumerate(columns):
            top, left = top_of_all, 0.7 + number * _LANE
            for group, times in column:
                begin = top
                for box in group:
                    size = len(box.lines) * _LINE + 0.16
                    places[box], order[box] = (left, top, size), len(order)
                    _draw_box(axes, box, left, top, size)
                    top += size + _GAP
                if times > 1:
                    _draw_repetition(axes, left, begin, top - _GAP, times)
        _draw_arrows(axes, places, order)
        figures.save(figure, path)


def _columns(groups, heights, most):
    """Distribute groups over at most so many columns, the tallest of which is as short as their order allows."""
    limit = max(heights)
    while True:
        columns, filled = [[]], 0.0
        for group, height in zip(groups, heights, strict=True):
            if filled and filled + height > limit:
                columns.append([])
                filled = 0.0
            columns[-1].append(group)
            filled += height
        if len(columns) <= most:
            return columns
        limit += _LINE


def _draw_box(axes, box, left, top, size):
    from matplotlib.patches import FancyBboxPatch

    look = {"boxstyle": "round,pad=0,rounding_size=0.06", "facecolor": _colour(box), "edgecolor": "0.35", "linewidth": 0.8}
    axes.add_patch(FancyBboxPatch((left, top), _WIDTH - 0.9, size, **look))
    for index, line in enumerate(box.lines):
        last = index == len(box.lines) - 1
        style = {"fontsize": 8.5 if index else 9.5, "color": "0.25" if last else "black"}
        most = 62 if index else 50
        axes.text(left + 0.1, top + 0.08 + (index + 0.5) * _LINE, line[:most], va="center", **style)


def _draw_repetition(axes, left, top, bottom, times):
    edge = left - 0.12
    axes.plot([edge + 0.06, edge, edge, edge + 0.06], [top, top, bottom, bottom], color=figures.PALETTE[1], linewidth=1.6)
    words = f"{times} \N{MULTIPLICATION SIGN}"
    axes.text(
        edge - 0.06, (top + bottom) / 2, words, ha="right", va="center", color=figures.PALETTE[1], fontsize=10, rotation=90
    )


def _draw_arrows(axes, places, order):
    """Draw what goes where: straight on to the next box, else around the boxes between, in lanes beside them."""
    arrow = {"arrowstyle": "-|>,head_width=0.16,head_length=0.3", "color": "0.35", "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    lanes = collections.defaultdict(list)  # by column: last box of each lane
    middle = (_WIDTH - 0.9) / 2
    for box, (left, top, _) in places.items():
        for source in sorted(box.sources, key=lambda other: -order.get(other, -1)):
            if source not in places:
                source = _stand_in(source, places, order, box)
            if source is None or source is box:
                continue
            from_left, from_top, from_size = places[source]
            if order[source] == order[box] - 1 and from_left == left:
                axes.annotate("", (left + middle, top), (left + middle, from_top + from_size), arrowprops=arrow)
            elif from_left == left:
                lane = next((n for n, end in enumerate(lanes[left]) if end <= order[source]), len(lanes[left]))
                lanes[left][lane : lane + 1] = [order[box]]
                right = left + _WIDTH - 0.9
                out = right + 0.12 + 0.11 * lane
                start = from_top + from_size * 0.5
                axes.plot([right, out, out], [start, start, top + 0.12], color="0.35", linewidth=1)
                axes.annotate("", (right, top + 0.12), (out + 0.01, top + 0.12), arrowprops=arrow)
            else:
                edge = left - 0.5
                x, y = from_left + middle, from_top + from_size
                axes.plot([x, x, edge, edge], [y, y + 0.14, y + 0.14, top + 0.12], color="0.35", linewidth=1)
                axes.annotate("", (left, top + 0.12), (edge, top + 0.12), arrowprops=arrow)


def _stand_in(source, places, order, box):
    """Find the box that is drawn for one of a block that is not: the last one before `box`."""
    before = [other for other in places if order[other] < order[box] and other.shape == source.shape]
    return max(before, key=order.get, default=None)


def _colour(box):
    names = [type(layer).__name__ for layer in box.layers]
    return next((colour for words, colour in _KINDS if any(word in name for word in words for name in names)), "white")


def _words(layer):
    """Describe a layer: kind, kernel, stride and units, in a few words: str."""
    kind = type(layer).__name__
    config = layer.get_config() if hasattr(layer, "get_config") else {}
    parts = [f"input {layer.name}" if kind == "InputLayer" else kind]
    for name in ("kernel_size", "pool_size", "size"):
        if isinstance(config.get(name), list | tuple):
            parts.append(" \N{MULTIPLICATION SIGN} ".join(map(str, config[name])))
    strides = config.get("strides")
    if isinstance(strides, list | tuple) and set(strides) != {1}:
        parts.append(f"stride {strides[0]}" if len(set(strides)) == 1 else f"strides {tuple(strides)}")
    if kind == "Dropout":
        parts.append(f"{config.get('rate', 0):g}")
    activation = config.get("activation")
    if isinstance(activation, str) and activation != "linear":
        parts.append(activation)
    if hasattr(layer, "layers") and kind != "InputLayer":
        parts.append(f"network of {len(layer.layers)} layers")
    return " ".join(parts)


def _shape(layer):
    output = layer.output if not isinstance(layer.output, list | tuple | dict) else None
    if output is None:
        values = layer.output.values() if isinstance(layer.output, dict) else layer.output
        return ", ".join(_sizes(value.shape) for value in values)
    return _sizes(output.shape)


def _sizes(shape):
    return " \N{MULTIPLICATION SIGN} ".join("?" if size is None else str(size) for size in shape[1:])


def main(arguments=None):
    """Draw a network and print where the picture is."""
    parser = command_line.parser(__doc__, draws=True)
    known = ", ".join(networks.NETWORKS)
    parser.add_argument("network", metavar="NETWORK.hdf5 | NAME", help=f"a saved network, or one of: {known}")
    parser.add_argument("--out", type=pathlib.Path, metavar="PICTURE", help="(default: diagram.png in the run folder)")
    text = "pixels of the images, for a network by name (default: 256, or 32 for burgess)"
    options.add_number(parser, "--image_size", int, least=16, most=4096, help=text)
    text = "of them, or of their sequences (default: %(default)s)"
    options.add_number(parser, "--channels", int, least=1, most=100, default=1, help=text)
    options.add_number(parser, "--frames", int, least=1, most=1000, default=6, help="of sequences (default: %(default)s)")
    flags = parser.parse_args(arguments)
    path = pathlib.Path(flags.network)
    if path.suffix in (".hdf5", ".h5", ".keras"):
        from network_models.trained_network import load_network

        model, run = load_network(path), run_folder_of(path)
        out = flags.out or (run.path if run else path.parent) / "diagram.png"
        title = f"{run.path.name}/{path.name}" if run else path.name
    else:
        model, title = _named(flags), flags.network
        out = flags.out or pathlib.Path(f"{atomic_files.safe_name(flags.network)}.png")
    if out.suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--out {out}: give a name that ends in .png, .pdf or .svg")
    draw(out, model, title=title)
    drawn = sum(len(group) for group, _ in blocks(boxes(model)))
    print(f"{out}: {len(model.layers)} layers in {drawn} boxes, {model.count_params():,} parameters")


def _named(flags):
    """Build a network by its name, with its default options."""
    name = flags.network
    if networks.name_of(name) not in networks.NETWORKS:
        raise UserError(f"{name}: no such network; there are {', '.join(networks.NETWORKS)}, or give the path of a saved one")
    module = networks.named(name)
    inputs = networks.inputs_of(name, flags.image_size, channels=flags.channels, frames=flags.frames)
    return module.build(inputs, module.Options(), 0)


if __name__ == "__main__":
    command_line.run(main)
