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

    import network_models.layers
    import network_models.metrics
    import network_models.variational  # noqa: F401

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises many types here: OSError, ValueError, TypeError, KeyError, UnicodeDecodeError.
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: cannot be read as a saved network ({reason})") from error
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    return model


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
