"""Several machines, one process per device: sums over all of them, and what happens when one is lost.

Each process trains an ordinary network on its share of every batch; gradients, metrics and the request to stop are added up
by the collective operations of `tf.distribute.MultiWorkerMirroredStrategy`. Only the chief, process 0, writes.
"""

import contextlib
import json
import os
import socket

import numpy

from network_models import keras_internals
from network_models.distribution import cluster, weighted_batches
from tools import digests, options
from tools.errors import UserError

_OF_A_LOSS = ("Socket", "Connection", "connection", "heartbeat", "Collective ops is aborted")


def connect(members, settings, *, refusal=""):
    """Wait for the processes of a cluster, check that they run the same, and connect them.

    Parameters
    ----------
    members : network_models.distribution.cluster.Cluster
    settings : network_models.settings.RunSettings
    refusal : str
        Why the chief cannot train, which then ends all processes.

    Returns
    -------
    Workers

    Raises
    ------
    UserError
        A process does not report in time, versions or settings differ, the settings are for one process.
    """
    if settings.training.devices > 1:
        raise UserError(f"--devices {settings.training.devices}: with several processes each has one device")
    if settings.training.xla:
        raise UserError("--xla: cannot be combined with several processes")
    text = os.environ.get("SOLAR_PATIENCE") or str(cluster.PATIENCE)
    if not text.replace(".", "", 1).isdigit():
        raise UserError(f"SOLAR_PATIENCE: {text!r} is no number of seconds")
    cluster.agree(members, _identity(settings), patience=float(text), refusal=refusal)
    return Workers(members)


def _identity(settings):
    """List what has to be the same in every process, by option so that a difference is named: dict of str."""
    identity = cluster.versions()
    # Each machine may have a cache of its own.
    caches = [name for name, key in options.places(settings.data).items() if key == "cache"]
    for group, stored in settings.as_dictionary().items():
        if isinstance(stored, dict):
            shared = {name: value for name, value in stored.items() if group != "data_options" or name not in caches}
            identity |= {f"--{name}": json.dumps(value, default=str) for name, value in shared.items()}
        else:
            identity[group] = stored
    return identity | {"run to resume": _fingerprint(settings.resume.state) if settings.resume else "none"}


def _fingerprint(path):
    """Compute the SHA-256 of a file, or "none" without it."""
    return digests.of_file(path) if path.is_file() else "none"


class Workers:
    """The processes of a cluster, connected; interface and attributes as `network_models.distribution.devices.OneProcess`.

    To be made before TensorFlow computes anything in the process.

    Parameters
    ----------
    members : network_models.distribution.cluster.Cluster
    """

    alone = False

    def __init__(self, members):
        import tensorflow

        self.addresses, self.index = members.addresses, members.index
        self.replicas = len(members.addresses)
        self.shard = (self.index, self.replicas)
        self.is_chief = self.index == 0
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": list(members.addresses)}, "task": {"type": "worker", "index": members.index}}
        )
        gpus = tensorflow.config.list_physical_devices("GPU")
        if len(gpus) > 1:  # one process per device: this one's place among those of its machine
            host = cluster.host_and_port(self.addresses[self.index])[0]
            place = sum(cluster.host_and_port(address)[0] == host for address in self.addresses[: self.index])
            tensorflow.config.set_visible_devices(gpus[place % len(gpus)], "GPU")
        try:
            self._strategy = tensorflow.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise UserError(f"TF_CONFIG: TensorFlow is already running in this process ({error})") from error
        self._request = tensorflow.Variable(0.0, trainable=False)
        self._agreed = tensorflow.Variable(0.0, trainable=False)
        self._sum_now = tensorflow.function(self._sum)

    def scope(self):
        """Return a context of nothing: each process builds an ordinary network."""
        return contextlib.nullcontext()

    def weighting(self, class_weights=None):
        """Return the function for shares of batches, as `OneProcess.weighting`."""
        return weighted_batches.for_processes(self.replicas, class_weights)

    def callbacks(self):
        """Return the callback that shares moving statistics, as `OneProcess.callbacks`."""
        from network_models.training_callbacks import SharedStatistics

        return [SharedStatistics(self)]

    def attach(self, model):
        """Make a compiled model train with the other processes, as `OneProcess.attach`.

        Dropout then draws other masks in each process.

        Parameters
        ----------
        model : keras.Model
            Compiled with a sum as its loss, as `network_models.distribution.weighted_batches` has it.
        """
        self._give_weights_of_chief(model.trainable_variables)
        self._own_random_state(model)
        self._share_gradients_and_metrics(model)

    def _sum(self, vector):
        """Sum a float32 vector over all processes, inside a tf.function."""
        import tensorflow

        def in_replica(value):
            value = tensorflow.identity(value)  # gives it a device
            return tensorflow.distribute.get_replica_context().all_reduce(tensorflow.distribute.ReduceOp.SUM, value)

        return self._strategy.run(in_replica, args=(vector,))

    def sums(self, arrays):
        """Sum arrays over all processes, as `OneProcess.sums`."""
        import tensorflow

        if not arrays:
            return []
        flat = numpy.concatenate([numpy.ravel(array).astype("float64") for array in arrays])
        total = self._sum_now(tensorflow.constant(flat)).numpy()
        ends = numpy.cumsum([array.size for array in arrays])[:-1]
        parts = numpy.split(total, ends)
        return [part.reshape(array.shape).astype(array.dtype) for part, array in zip(parts, arrays, strict=True)]

    def _give_weights_of_chief(self, variables):
        """Give all processes the chief's values of floating-point variables."""
        values = [numpy.asarray(variable) for variable in variables]
        sent = self.sums([value if self.is_chief else numpy.zeros_like(value) for value in values])
        for variable, value in zip(variables, sent, strict=True):
            variable.assign(value)

    def _share_gradients_and_metrics(self, model):
        """Let a compiled network's gradients and metrics be those of all processes."""
        import tensorflow

        def sum_gradients(gradients):
            shapes = [gradient.shape for gradient in gradients]
            flat = [tensorflow.reshape(tensorflow.cast(gradient, "float32"), [-1]) for gradient in gradients]
            flat.append(tensorflow.reshape(self._request, [1]))
            total = self._sum(tensorflow.concat(flat, 0))
            parts = tensorflow.split(total, [*(shape.num_elements() for shape in shapes), 1])
            self._agreed.assign(parts.pop()[0])
            return [
                tensorflow.cast(tensorflow.reshape(part, shape), gradient.dtype)
                for part, shape, gradient in zip(parts, shapes, gradients, strict=True)
            ]

        def sum_metrics():
            if tensorflow.executing_eagerly():  # at the end of an epoch or of validation
                totals = self.sums([numpy.asarray(variable) for variable in model.metrics_variables])
                for variable, total in zip(model.metrics_variables, totals, strict=True):
                    variable.assign(total)

        # Regularisers are the same in every process, and are added up with the rest.
        keras_internals.share_steps(model, sum_gradients=sum_gradients, sum_metrics=sum_metrics, replicas=self.replicas)

    def share_moving_statistics(self, model):
        """Make the moving statistics of normalisation layers the mean of those of all processes."""
        moving = [variable for variable in model.non_trainable_variables if variable.dtype.startswith("float")]
        values = self.sums([numpy.asarray(variable) for variable in moving])
        for variable, value in zip(moving, values, strict=True):
            variable.assign(value / self.replicas)

    def _own_random_state(self, model):
        """Give the dropout of each process masks of its own: adds its index to the seeds, which are the chief's."""
        for variable in model.non_trainable_variables:
            if "seed_generator" in variable.path:
                state = numpy.asarray(variable).copy()
                state[0] += self.index
                variable.assign(state)

    def ask_to_stop(self):
        """Ask all processes to stop after the next step, as `OneProcess.ask_to_stop`."""
        self._request.assign(1.0)

    def agreed_to_stop(self):
        """Return whether any process asked to stop before the last step, as `OneProcess.agreed_to_stop`."""
        return float(self._agreed.numpy()) > 0

    def _lost(self):
        """List addresses of other processes that no longer answer: list of str."""
        gone = []
        for index, address in enumerate(self.addresses):
            if index == self.index:
                continue
            try:
                socket.create_connection(cluster.host_and_port(address), timeout=3).close()
            except OSError:
                gone.append(address)
        return gone

    @contextlib.contextmanager
    def together(self, folder):
        """Surround the training, as `OneProcess.together`."""
        with self._naming_losses(folder):
            yield
            self.sums([numpy.zeros(1)])  # nobody leaves before all are through
        if not self.is_chief:
            chief = self.addresses[0]
            print(f"process {self.index} of {self.replicas} is through; the chief, {chief}, has the results")

    @contextlib.contextmanager
    def _naming_losses(self, folder):
        """End the loss of another process, within this context, in one line that names it."""
        import tensorflow

        try:
            yield
        except (tensorflow.errors.UnavailableError, tensorflow.errors.AbortedError, tensorflow.errors.InternalError,
                tensorflow.errors.DeadlineExceededError, tensorflow.errors.CancelledError) as error:  # fmt: skip
            lines = str(error).splitlines()
            symptom = next((line for line in lines if any(word in line for word in _OF_A_LOSS)), None)
            gone = self._lost()
            if symptom is None and not gone:
                raise  # an error of our own computation
            names = ", ".join(gone) or "another process"
            reason = " ".join((symptom or type(error).__name__).split())[:100]
            how = f"--resume {folder}" if self.is_chief else "--resume and its run folder"
            raise UserError(f"{names}: was lost ({reason}); start all processes again with {how}") from error
