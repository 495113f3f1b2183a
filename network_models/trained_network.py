"""Load a saved network: our layers known, nothing compiled, nothing executed from the file."""

import pathlib

from tools.errors import UserError


def load_network(path):
    """Load a network saved as ``.hdf5`` (or ``.keras``).

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    keras.Model
        Not compiled. A Sequential is wrapped as a functional model with named inputs.

    Raises
    ------
    UserError
        The file is missing, is not a saved network, or holds layers that are not ours or Keras's own (Lambda layers,
        which carry code, are refused).
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such network file")
    import keras

    import network_models.layers  # noqa: F401

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises many types here: OSError, ValueError, TypeError, KeyError, UnicodeDecodeError.
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: cannot be read as a saved network ({reason})") from error
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    return model


def input_sources(model, data, path):
    """Which input of a data set feeds each input of a network, by name where all names agree, else by order.

    Parameters
    ----------
    model : keras.Model
    data : dataset_models.solar_data.SolarData
    path : str or pathlib.Path
        The network's file, for messages.

    Returns
    -------
    dict of str to str
        Name of the network's input to name of the data set's.

    Raises
    ------
    UserError
        Their numbers or shapes differ.
    """
    shapes = data.input_shapes
    tensors = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    if len(shapes) != len(tensors):
        raise UserError(
            f"{path}: takes {len(tensors)} inputs ({', '.join(tensors)}), the data set gives {len(shapes)}"
            f" ({', '.join(shapes)}); choose the data options that it was trained with"
        )
    sources = {name: name for name in tensors} if set(tensors) == set(shapes) else dict(zip(tensors, shapes, strict=True))
    for name, source in sources.items():
        require_shape(path, name, tensors[name], shapes[source], f"the data set gives {source}")
    return sources


def require_shape(path, name, expected, received, who):
    """Raise a `UserError` unless an array of shape `received`, from `who`, fits the input `name` of the network `path`."""
    if len(expected) != len(received) or any(e not in (None, r) for e, r in zip(expected, received, strict=True)):
        raise UserError(
            f"{path}: input {name} expects {_by(expected)}, {who} of {_by(received)};"
            " choose the data options that it was trained with"
        )


def _by(shape):
    return " x ".join("any" if size is None else str(size) for size in shape)


def save_network(model, path):
    """Save a network as ``.hdf5``, complete or not at all.

    Parameters
    ----------
    model : keras.Model
    path : str or pathlib.Path
    """
    import logging

    from tools import atomic_files

    absl = logging.getLogger("absl")
    level = absl.level
    with atomic_files.replacing(path) as temporary:
        absl.setLevel(logging.ERROR)  # Keras calls the format legacy at every save
        try:
            model.save(temporary, include_optimizer=False)
        finally:
            absl.setLevel(level)
