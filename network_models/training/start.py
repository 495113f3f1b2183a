"""The start of a training: a network within a limit of parameters, its statistics, and the weights it takes over."""

import contextlib
import math
import pathlib

import numpy

from dataset_models.solar_data import some_of
from network_models import state_dicts
from network_models.image_inputs import inputs_of
from network_models.network_file import require_current
from network_models.network_size import LARGEST, parameter_limit
from network_models.trained_network import load_network
from tools.errors import UserError


def compiled_network(build, settings, objective, devices, callbacks=()):
    """Build a network and compile the part that is trained, on the devices and with the seed of a run.

    Parameters
    ----------
    build : callable
        As for `network_models.experiment.run`.
    settings : network_models.settings.RunSettings
    objective : network_models.training.objective.Objective
    devices : network_models.distribution.devices.OneProcess or network_models.distribution.workers.Workers
    callbacks : sequence of keras.callbacks.Callback
        Schedules among them move a rate that --scale_rate multiplies.

    Returns
    -------
    network : keras.Model
        What is saved.
    model : keras.Model
        What is trained: the network, or a part of it.

    Raises
    ------
    UserError
        The network is too large, cannot be trained for this, or is built as in earlier versions.
    """
    import keras

    from network_models.training.schedules import Schedule

    training = settings.training
    require_current(build)
    keras.utils.set_random_seed(training.seed)
    with devices.scope(), parameter_limit(math.inf if training.allow_large else LARGEST):
        network = build(inputs_of(objective.data), settings.network, training.seed)
        model = objective.trained_part(network)
        objective.compile(model, replicas=devices.replicas)
        if training.scale_rate and devices.replicas > 1:
            model.optimizer.learning_rate = devices.replicas * training.learning_rate
            for callback in callbacks:
                if isinstance(callback, Schedule):
                    callback.scale = devices.replicas
    return network, model


def fit_statistics(model, data, *, most=512):
    """Fill every `Whiten` layer from the training split.

    Parameters
    ----------
    model : keras.Model
        Whiten layers are found by their names, ``whiten_<input>``.
    data : SolarData
    most : int
        Samples used: all, or this many evenly spaced ones.
    """
    from tqdm import tqdm

    from network_models.layers import Whiten

    layers = {layer.name.removeprefix("whiten_"): layer for layer in model.layers if isinstance(layer, Whiten)}
    if not layers:
        return
    times = some_of(data.times("training"), most)
    totals = {name: numpy.zeros((3, data.input_shapes[name][-1])) for name in layers}
    origin = {}
    for time in tqdm(times, desc="statistics", unit="image", disable=None, leave=False):
        inputs = data.inputs(time)
        for name, layer in layers.items():
            values = numpy.asarray(layer.transform(inputs[name][None]), "float64").reshape(-1, inputs[name].shape[-1])
            # From a value of the channel on, so that a constant one has no deviation, not one of rounding.
            values -= origin.setdefault(name, values[0].copy())
            totals[name] += numpy.stack([numpy.full(values.shape[1], len(values)), values.sum(0), (values**2).sum(0)])
    for name, layer in layers.items():
        count, total, squares = totals[name]
        mean = total / count
        layer.set_statistics(origin[name] + mean, numpy.sqrt(numpy.maximum(squares / count - mean**2, 0)))


def start_at_climatology(model, data):
    """Set the bias of the last layer so that an untrained network forecasts the mean of the training split.

    Applies to networks whose last layer is named ``output`` and has one unit: it gets the mean target, or for
    classification the logit of the event rate (kept within 0.1 % and 99.9 %).
    """
    layer = next((layer for layer in model.layers if layer.name == "output"), None)
    if layer is None or layer.bias is None or layer.bias.shape != (1,):
        return
    mean = float(data.targets("training").mean())
    if data.task == "classification":
        rate = min(max(mean, 0.001), 0.999)
        mean = math.log(rate / (1 - rate))
    layer.bias.assign([mean])


def take_weights(network, path):
    """Give a network the weights of a saved one, statistics of whitening and normalisation included.

    Parameters
    ----------
    network : keras.Model
    path : str or pathlib.Path
        A saved network, whose weights have to be of the same shapes in the same order; or a file of PyTorch weights, such as
        torchvision's of ImageNet (`network_models.state_dicts`).

    Returns
    -------
    str
        What was taken, in a line.

    Raises
    ------
    UserError
        As `network_models.trained_network.load_network`, and as `network_models.state_dicts.read_state_dict` and
        `network_models.state_dicts.assign_state_dict`; or the network is another one.
    """
    if pathlib.Path(path).suffix in state_dicts.SUFFIXES:
        state_dicts.architecture_of(network.name)  # before the seconds that PyTorch takes
        count = state_dicts.assign_state_dict(network, state_dicts.read_state_dict(path), network.name, origin=path)
        return f"{path}: {count:,} of {network.count_params():,} parameters start from it"
    received = load_network(path).weights
    if [tuple(weight.shape) for weight in received] != [tuple(weight.shape) for weight in network.weights]:
        raise UserError(f"--start_from {path}: has other layers than this network; give the same options as it was made with")
    for weight, value in zip(network.weights, received, strict=True):
        weight.assign(value)
    return f"{path}: all parameters start from it"


@contextlib.contextmanager
def precision(mixed):
    """Let layers compute in float16 where it is safe, if `mixed`, else in float32, within this context."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
