"""How large a network may be: counted before its weights take memory, when it is built and when a file is loaded."""

import contextlib
import json
import math
import zipfile

from network_models import keras_internals
from tools.errors import UserError

LARGEST = 150_000_000  # parameters
MOST_LAYERS = 2_000
MOST_ACTIVATIONS = 2_000_000_000  # numbers that one layer gives for one image: 8 GB
_MOST_OBJECTS = 60_000  # layers, initialisers and their like, and calls of layers, in a file
_LONGEST_CONFIG = 16 << 20  # bytes
_DEEPEST = 200  # objects within objects
_TIMES = 20  # that what a file declares may exceed its own size: compression of weights
_SMALL = 16 << 20  # bytes that any file may declare


@contextlib.contextmanager
def parameter_limit(limit, *, words="make it smaller or give --allow_large"):
    """Inside this block a network is refused before the layer that makes it too large takes its memory.

    Parameters
    ----------
    limit : int
        Parameters; a network with more raises a `UserError`.
    words : str
        What to do then.
    """
    count = 0

    def check(layer, shape):
        nonlocal count
        shape = (shape,) if isinstance(shape, int) else shape
        count += math.prod(size or 0 for size in shape or ())
        if count > limit:
            raise UserError(
                f"the network has more than {limit:,} parameters (layer {layer.name[:60]} brings them to {count:,}); {words}"
            )

    with keras_internals.counting_weights(check):
        yield


def stored_parameters(path):
    """Count what a saved network declares, without loading it; everything in it is read once, see `tools.reading.apart`.

    Parameters
    ----------
    path : pathlib.Path
        ``.hdf5``, ``.h5`` or ``.keras``.

    Returns
    -------
    int
        Numbers in the weights that the file holds.

    Raises
    ------
    UserError
        It declares more layers than `MOST_LAYERS`, or weights that a file of its size cannot hold.
    Exception
        It is no saved network: h5py, zipfile and json raise many types.
    """
    import h5py

    size = path.stat().st_size
    if not zipfile.is_zipfile(path):
        with h5py.File(path, "r") as file:
            _check_layers(path, file.attrs.get("model_config"))
            return _numbers_in(path, file, size)
    with zipfile.ZipFile(path) as archive:
        _require_held(path, sum(member.file_size for member in archive.infolist()), size)
        config = archive.getinfo("config.json")
        with archive.open(config) as file:
            _check_layers(path, file.read(_LONGEST_CONFIG + 1))
        with archive.open("model.weights.h5") as weights, h5py.File(weights, "r") as file:
            return _numbers_in(path, file, size)


def _numbers_in(path, file, size):
    """Count the numbers of all arrays in an open HDF5 file, each of which the file of `size` bytes has to be able to hold."""
    import h5py

    numbers = held = 0

    def add(name, entry):
        nonlocal numbers, held
        dict(entry.attrs)
        if isinstance(entry, h5py.Dataset):
            count = math.prod(entry.shape or ())
            numbers, held = numbers + count, held + count * entry.dtype.itemsize
            _require_held(path, held, size)
            entry[()]

    add("/", file)
    file.visititems(add)
    return numbers


def _require_held(path, declared, size):
    if declared > _TIMES * size + _SMALL:
        raise UserError(f"{path}: declares {declared:,} bytes of weights, which a file of {size:,} cannot hold; it is damaged")


def _check_layers(path, config):
    """A `UserError` when the description of a network (JSON) has too many layers, or other parts."""
    if config is None:
        return  # which Keras refuses
    if len(config) > _LONGEST_CONFIG:
        raise UserError(f"{path}: its description takes {len(config) >> 20} MB; that is no network")
    layers = objects = 0
    entries = [(json.loads(config), 0)]
    while entries:
        entry, depth = entries.pop()
        if depth > _DEEPEST:
            raise UserError(f"{path}: describes objects {depth} deep in each other; that is no network")
        if isinstance(entry, dict):
            objects += "class_name" in entry
            for name in ("layers", "cells"):
                layers += len(entry[name]) if isinstance(entry.get(name), list) else 0
            layers += isinstance(entry.get("layer"), dict)
            if isinstance(entry.get("inbound_nodes"), list):
                objects += len(entry["inbound_nodes"])
            entries += [(value, depth + 1) for value in entry.values() if isinstance(value, dict | list)]
        else:
            entries += [(value, depth + 1) for value in entry if isinstance(value, dict | list)]
        if layers > MOST_LAYERS:
            raise UserError(f"{path}: declares more than {MOST_LAYERS:,} layers, the most that are loaded")
        if objects > _MOST_OBJECTS:
            raise UserError(f"{path}: declares more than {_MOST_OBJECTS:,} parts of layers, the most that are loaded")


def require_modest_activations(model, path):
    """Raise a `UserError` when one layer of a network gives more than `MOST_ACTIVATIONS` numbers for one image.

    What is made within a layer, and sides of images that the network leaves open, are not counted.
    """
    for name, shape in keras_internals.output_shapes(model):
        numbers = math.prod(size or 1 for size in shape[1:])
        if numbers > MOST_ACTIVATIONS:
            raise UserError(
                f"{path}: its layer {name[:60]} makes {numbers:,} numbers of one image, more than the {MOST_ACTIVATIONS:,} that"
                " are allowed; make it or its images smaller"
            )
