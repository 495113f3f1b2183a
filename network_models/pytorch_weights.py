"""Published PyTorch weights (.pth, .pt) -> the same network as .hdf5.

    python network_models/pytorch_weights.py WEIGHTS.pth ARCHITECTURE OUT.hdf5

ImageNet weights as torchvision has them (alexnet, vgg16, resnet34) fill the convolutions behind the added one; the rest of the
network starts anew. Which files are taken: `network_models.state_dicts`.
"""

import pathlib

from network_models.networks import NETWORKS, inputs_of, name_of
from network_models.state_dicts import ARCHITECTURES, architecture_of, assign_state_dict, read_state_dict
from network_models.trained_network import SUFFIXES, save_network
from tools import command_line
from tools.errors import UserError
from tools.options import add_number


def import_state_dict(path, architecture, *, image_size=None, options=None):
    """Build a network and fill it from a file of PyTorch weights.

    Parameters
    ----------
    path : str or pathlib.Path
        A ``.pth`` or ``.pt`` file.
    architecture : str
        A key of `ARCHITECTURES`, or the name of its model (alexnet for alex).
    image_size : int, optional
        Height and width in pixels; the published ones by default.
    options : object, optional
        An ``Options`` of the network; its defaults are the published ones.

    Returns
    -------
    keras.Model
        One input ``image``, (n, image_size, image_size, 1); or ``sequence``, with frames.

    Raises
    ------
    UserError
        PyTorch is absent, the file cannot be read in weights-only mode, tensors are missing, left over or misshapen, the
        network takes no images of this size.
    """
    return _filled(path, architecture, image_size, options)[0]


def _filled(path, architecture, image_size=None, options=None):
    """Import as `import_state_dict`: the network, and how many of its parameters came from the file."""
    tensors = read_state_dict(path)
    table = architecture_of(architecture)
    network = NETWORKS[table.network]
    size = table.image_size if image_size is None else image_size
    try:
        inputs = inputs_of(table.network, size, frames=table.frames)
        model = network.build(inputs, options or network.Options(**(table.options or {})))
    except UserError as error:
        raise UserError(f"{architecture} for images of {size} pixels: {error}") from error
    return model, assign_state_dict(model, tensors, architecture, origin=path)


def main(arguments=None):
    """Convert one file of published weights."""
    parser = command_line.parser(__doc__)
    parser.add_argument("weights", metavar="WEIGHTS", help="a .pth or .pt file")
    names = ", ".join(ARCHITECTURES)
    parser.add_argument("architecture", metavar="ARCHITECTURE", type=name_of, choices=ARCHITECTURES, help=names)
    parser.add_argument("out", metavar="OUT.hdf5", help="the network to write")
    add_number(
        parser, "--size", int, least=1, most=8192, help="height and width of the images, in pixels (default: as published)"
    )
    flags = parser.parse_args(arguments)
    if pathlib.Path(flags.out).suffix not in SUFFIXES:
        parser.error(f"{flags.out}: name the network .hdf5 or .keras")

    model, count = _filled(flags.weights, flags.architecture, flags.size)
    save_network(model, flags.out)
    whole = model.count_params()
    steps = sum(weight.name == "step" for weight in model.weights)  # the counter of a beta-VAE, which no file has
    partly = f", {count:,} of them from {flags.weights}; the others start anew" if count < whole - steps else ""
    print(f"{flags.out}: {model.name}, {whole:,} parameters{partly}")


if __name__ == "__main__":
    command_line.run(main)
