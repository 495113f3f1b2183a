"""Load a saved network: with our layers, nothing compiled, nothing executed from the file."""

import dataclasses
import inspect
import pathlib

import numpy

from dataset_models.solar_data import SolarData, load_solar_data
from network_models import loss_table, network_size
from network_models.run_folder import RunFolder, run_folder_of
from tools import options
from tools.errors import UserError
from tools.reading import apart


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A saved network with its data set. Pickled, it is opened again from its files: in another process, or on another machine.

    Attributes
    ----------
    model : keras.Model
    path : pathlib.Path
    data : SolarData
    run : RunFolder or None
        The run that the network belongs to.
    """

    model: object
    path: pathlib.Path
    data: SolarData
    run: RunFolder | None

    def __reduce__(self):
        return open_network, places_of(self.path, self.data)


def places_of(path, data):
    """Return what `open_network` opens a network and a data set by: its path, the file of the data set's class, and options."""
    return path, inspect.getfile(type(data)), options.as_dictionary(data)


SUFFIXES = (".hdf5", ".h5", ".keras")  # of saved networks


def open_network(path, dataset, given=None):
    """Load a network and its data set, with the data options of the network's run where that used this data set.

    Parameters
    ----------
    path : str or pathlib.Path
        A saved network, in a run folder or elsewhere.
    dataset : str or pathlib.Path
        The file that defines a SolarData class.
    given : dict, optional
        Data options that override those of the run.

    Returns
    -------
    TrainedNetwork

    Raises
    ------
    UserError
        A file is missing, options are wrong, or as `load_network`.
    """
    path = pathlib.Path(path)
    _require_file(path)  # before the seconds that TensorFlow takes
    data_class = load_solar_data(dataset)
    run = run_folder_of(path)
    stored = run.data_options(dataset) if run else {}
    origin = "command line" if given or not run else str(run.settings_file)
    data = options.build(data_class, {**stored, **(given or {})}, origin=origin)
    return TrainedNetwork(load_network(path), path, data, run)


def _require_file(path):
    if not path.is_file():
        raise UserError(f"{path}: no such network file{_elsewhere(path)}")


def _elsewhere(path):
    """Words on where the networks of the run are, when a file is missing from a run folder: str."""
    folder = RunFolder(path.parent)
    saved = sorted(folder.epochs.glob("weights.*.hdf5")) if folder.settings_file.is_file() else []
    if not saved:
        return ""
    words = f"; {folder.epochs} has the network of each epoch"
    if path != folder.best:
        return words
    rows, _ = loss_table.whole_rows(folder.performance / loss_table.NAME)
    best = min(rows, key=lambda epoch: (float(rows[epoch]["val_loss"]), epoch), default=None)
    same = [file for file in saved if best is not None and file.name.startswith(f"weights.{best:02d}-")]
    return f"{words}: copy {same[0].name}, of the lowest validation loss, from there" if same else words


def load_network(path):
    """Load a network saved as ``.hdf5`` or ``.keras``.

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
        which carry code, are refused). It declares more parameters than it holds, or than `network_size.LARGEST` unless its
        run was begun with --allow_large, or more than `network_size.MOST_LAYERS` layers: seen before any takes memory. A layer
        makes more than `network_size.MOST_ACTIVATIONS` numbers of one image. A weight is no finite number.
    """
    path = pathlib.Path(path)
    _require_file(path)
    import keras
    import tensorflow

    import network_models.layers  # noqa: F401

    tensorflow.get_logger().setLevel("ERROR")  # warns of retracing: every network and method traces functions of its own

    try:
        held = apart.call(network_size.stored_parameters, path, library="HDF5")
        largest = max(held, 1) if _is_of_large_run(path) else min(max(held, 1), network_size.LARGEST)
        words = f"that is more than {'the file holds' if largest == held else 'are loaded'}"
        with network_size.parameter_limit(largest, words=words):
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        network_size.require_modest_activations(model, path)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except Exception as error:
        # Keras raises many types here: OSError, ValueError, TypeError, KeyError, UnicodeDecodeError.
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: cannot be read as a saved network ({reason})") from error
    for weight in model.weights:
        if weight.dtype.startswith(("float", "bfloat")) and not numpy.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise UserError(f"{path}: its weights hold what is no finite number ({weight.path}); train it anew")
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    return model


def _is_of_large_run(path):
    run = run_folder_of(path)
    if run is None:
        return False
    training = run.settings().get("training_options")
    return isinstance(training, dict) and training.get("allow_large") is True


def input_sources(model, data, path):
    """Find which input of a data set feeds each input of a network, by name where all names agree, else by order.

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
    """Save a network as ``.hdf5`` or ``.keras``, by its name, complete or not at all.

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
