"""One device, all GPUs of a machine, or several machines."""

import contextlib
import json
import os

from tools import options
from tools.errors import UserError


def strategy(devices=0, *, xla=False):
    """How training is spread over devices.

    Parameters
    ----------
    devices : int
        0: all visible GPUs, or the CPU where there is none. n: the first n GPUs; without GPUs, the CPU as n logical
        devices, which runs the same code path and so tests it. Logical devices can only be made before TensorFlow
        has been used in the process.
    xla : bool
        Whether the network is to be compiled with XLA, which knows no logical CPU devices.

    Returns
    -------
    tf.distribute.MirroredStrategy or None
        None for one device. Batch sizes are global: each of R devices gets a part of every batch.

    Raises
    ------
    UserError
        When fewer devices are there than asked for, or XLA is to compile for parts of a CPU.
    """
    import tensorflow

    gpus = tensorflow.config.list_logical_devices("GPU") if tensorflow.config.list_physical_devices("GPU") else []
    if gpus:
        if devices > len(gpus):
            raise UserError(f"--devices {devices}: only {len(gpus)} GPUs are visible")
        names = [device.name for device in gpus[: devices or len(gpus)]]
    elif devices > 1 and xla:
        raise UserError(f"--xla: cannot be combined with --devices {devices} without GPUs")
    else:
        names = _logical_cpus(devices) if devices > 1 else ["CPU:0"]
    if len(names) == 1:
        return None
    return tensorflow.distribute.MirroredStrategy(names)


def scope(chosen):
    """The context in which a network is built and compiled: the strategy's scope, or nothing for one device."""
    return chosen.scope() if chosen is not None else contextlib.nullcontext()


def workers(settings, architecture):
    """The other processes that train the same network, when TF_CONFIG or SLURM's environment says so.

    Parameters
    ----------
    settings : network_models.settings.RunSettings
    architecture : str or None

    Returns
    -------
    network_models.distribution.workers.Workers or None
        Connected, all of them with the same versions and settings; None for a process on its own.

    Raises
    ------
    UserError
        The environment is malformed, a process does not report in time, versions or settings differ.
    """
    from network_models.distribution import workers as others
    from network_models.training.state import fingerprint

    members = others.cluster()
    if members is None:
        return None
    if settings.training.devices > 1:
        raise UserError(f"--devices {settings.training.devices}: with several processes each has one device")
    if settings.training.xla:
        raise UserError("--xla: cannot be combined with several processes")
    stored = settings.as_dictionary()
    caches = [name for name, key in options.places(settings.data).items() if key == "cache"]  # each machine may have its own
    stored["data_options"] = {name: value for name, value in stored["data_options"].items() if name not in caches}
    about = others.versions() | {f"settings: {key}": json.dumps(stored[key], sort_keys=True, default=str) for key in stored}
    about |= {"architecture": architecture, "run to resume": fingerprint(settings.resume.state) if settings.resume else "none"}
    text = os.environ.get("SOLAR_PATIENCE") or str(others.PATIENCE)
    if not text.replace(".", "", 1).isdigit():
        raise UserError(f"SOLAR_PATIENCE: {text!r} is no number of seconds")
    others.agree(members, _differing_options(about), patience=float(text))
    return others.Workers(members)


def _differing_options(about):
    """One entry for each option, so that what differs can be named."""
    found = {}
    for key, value in about.items():
        stored = json.loads(value) if key.startswith("settings: ") else None
        if isinstance(stored, dict):
            found |= {f"--{name}": json.dumps(one) for name, one in stored.items()}
        else:
            found[key.removeprefix("settings: ")] = str(value)
    return found


def _logical_cpus(count):
    import tensorflow

    cpu = tensorflow.config.list_physical_devices("CPU")[0]
    try:
        if tensorflow.config.get_logical_device_configuration(cpu) is None:
            parts = [tensorflow.config.LogicalDeviceConfiguration() for _ in range(count)]
            tensorflow.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        raise UserError(f"--devices {count}: TensorFlow is already running on one CPU device in this process") from error
    there = tensorflow.config.list_logical_devices("CPU")
    if len(there) < count:
        raise UserError(f"--devices {count}: this process already runs TensorFlow on {len(there)} logical CPU devices")
    return [device.name for device in there[:count]]
