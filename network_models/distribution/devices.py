"""The devices that a network trains on, as one object: one process with one or several, or one process of many machines."""

import contextlib

from network_models.distribution import cluster, weighted_batches
from tools.errors import UserError


def devices_of(settings, owner=None):
    """Open the devices of a run; with several processes this waits until all of them are there and agree.

    Parameters
    ----------
    settings : network_models.settings.RunSettings
    owner : contextlib.ExitStack, optional
        Until it ends the run to resume belongs to this process, or to the chief of several.

    Returns
    -------
    OneProcess or network_models.distribution.workers.Workers
        The second, of the same interface, when TF_CONFIG or SLURM's environment describes other processes.

    Raises
    ------
    UserError
        Fewer devices are there than asked for; the environment is malformed, a process does not report in time, versions or
        settings differ; the run belongs to another process; --cpu comes after GPUs were used in the process.
    """
    if settings.training.cpu:
        _hide_gpus()
    members = cluster.from_environment()
    refusal = ""
    if owner is not None and settings.resume and (members is None or members.index == 0):
        try:
            owner.enter_context(settings.resume.owned())
        except UserError as error:
            if members is None:
                raise
            refusal = str(error)  # which all processes are told, instead of waiting for the chief
    if members is None:
        return OneProcess(strategy(settings.training.devices, xla=settings.training.xla))
    from network_models.distribution import workers

    return workers.connect(members, settings, refusal=refusal)


class OneProcess:
    """The devices of a process on its own.

    Parameters
    ----------
    strategy : tf.distribute.MirroredStrategy, optional
        How training is spread over several devices; without it there is one.

    Attributes
    ----------
    replicas : int
        Devices over which each batch is spread, those of all processes together.
    shard : tuple of int
        (index, count): which share of each batch this process reads, as for `SolarData.pipeline`.
    is_chief : bool
        Whether this process writes and prints.
    alone : bool
        Whether there are no other processes, so that this one may stop at any time.
    """

    shard = (0, 1)
    is_chief = True
    alone = True

    def __init__(self, strategy=None):
        self._strategy = strategy
        self._asked_to_stop = False
        self.replicas = 1 if strategy is None else strategy.num_replicas_in_sync

    def scope(self):
        """Return the context in which a network is built and compiled, so that its variables are on all devices."""
        return contextlib.nullcontext() if self._strategy is None else self._strategy.scope()

    def weighting(self, class_weights=None):
        """Return the function that is mapped over the batches of `SolarData.pipeline`, see `weighted_batches`: callable."""
        return weighted_batches.for_devices(self.replicas, class_weights)

    def callbacks(self):
        """Return the callbacks that keep the processes together, called before all others: list of keras.callbacks.Callback."""
        return []

    def attach(self, model):
        """Make a compiled model train with the other processes: same weights, gradients and metrics of all."""

    def sums(self, arrays):
        """Sum arrays over all processes, which have to call this together: list of numpy.ndarray."""
        return arrays

    def ask_to_stop(self):
        """Ask all processes to stop after the step under way, or the next one."""
        self._asked_to_stop = True

    def agreed_to_stop(self):
        """Return whether all processes stop now, after a step, because one of them was asked to."""
        return self._asked_to_stop

    @contextlib.contextmanager
    def together(self, folder):
        """Surround the training: the context ends when all processes are through, and names one that is lost.

        Parameters
        ----------
        folder : network_models.run_folder.RunFolder
            The run to resume after a loss, for the message.
        """
        yield


def strategy(devices=0, *, xla=False):
    """Choose how the training of one process is spread over devices.

    Parameters
    ----------
    devices : int
        0: all visible GPUs, or the CPU where there is none. n: the first n GPUs; without GPUs, the CPU as n logical
        devices, which runs the same code path and so tests it. Logical devices can only be made before TensorFlow
        has been used in the process.
    xla : bool
        Whether the network is to be compiled with XLA, which cannot address logical CPU devices.

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

    gpus = tensorflow.config.list_logical_devices("GPU") if tensorflow.config.get_visible_devices("GPU") else []
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


def _hide_gpus():
    """Let TensorFlow see no GPU in this process."""
    import tensorflow

    try:
        tensorflow.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise UserError("--cpu: TensorFlow already runs on a GPU in this process; train in one of its own") from error


def _logical_cpus(count):
    import tensorflow

    cpu = tensorflow.config.list_physical_devices("CPU")[0]
    try:
        if tensorflow.config.get_logical_device_configuration(cpu) is None:
            parts = [tensorflow.config.LogicalDeviceConfiguration() for _ in range(count)]
            tensorflow.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        raise UserError(f"--devices {count}: TensorFlow is already running on one CPU device in this process") from error
    logical = tensorflow.config.list_logical_devices("CPU")
    if len(logical) < count:
        raise UserError(f"--devices {count}: this process already runs TensorFlow on {len(logical)} logical CPU devices")
    return [device.name for device in logical[:count]]
