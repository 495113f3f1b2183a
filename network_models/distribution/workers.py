"""Several machines, one process per device: who they are, that they agree, and sums over all of them.

Each process trains an ordinary network on its share of every batch; gradients, metrics and the wish to stop are added up
by the collective operations of `tf.distribute.MultiWorkerMirroredStrategy`, which is configured from TF_CONFIG or from
SLURM's environment. Only the chief, process 0, writes.
"""

import contextlib
import dataclasses
import json
import os
import platform
import socket
import time

import numpy

from tools.errors import UserError

PATIENCE = 180.0  # seconds for all processes to report at the start
_PORT = 12355  # first port on each SLURM node
_OF_A_LOSS = ("Socket", "Connection", "connection", "heartbeat", "Collective ops is aborted")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Who takes part.

    Attributes
    ----------
    addresses : tuple of str
        ``host:port`` of each process; the first is the chief.
    index : int
        Which of them this process is.
    """

    addresses: tuple
    index: int


def cluster(environment=None):
    """The cluster that TF_CONFIG, or else SLURM, describes; None for a process on its own.

    Parameters
    ----------
    environment : mapping, optional
        By default that of the process.

    Returns
    -------
    Cluster or None

    Raises
    ------
    UserError
        It is malformed.
    """
    environment = os.environ if environment is None else environment
    if environment.get("TF_CONFIG", "").strip():
        return _from_tf_config(environment["TF_CONFIG"])
    if (environment.get("SLURM_STEP_NUM_TASKS") or "1") != "1":
        return _from_slurm(environment)
    return None


def train_alone():
    """Let this process, and those that it starts, be no part of a cluster, whatever the environment says."""
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        os.environ.pop(name, None)


def _from_tf_config(text):
    shape = '{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
        groups = {kind: list(config["cluster"].get(kind, [])) for kind in config["cluster"]}
        kind, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"TF_CONFIG: is malformed ({type(error).__name__}: {error}); write it like {shape}") from error
    unknown = sorted(set(groups) - {"chief", "worker"})
    if unknown:
        raise UserError(f"TF_CONFIG: has {', '.join(unknown)}; this program knows chief and worker")
    addresses = [*groups.get("chief", []), *groups.get("worker", [])]
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise UserError(f"TF_CONFIG: {address!r} is no address; write host:port, with a port from 1 to 65535")
    if len(set(addresses)) != len(addresses):
        raise UserError("TF_CONFIG: an address is listed twice")
    if kind not in groups or not 0 <= index < len(groups[kind]):
        raise UserError(f"TF_CONFIG: there is no task {kind} {index} in {', '.join(addresses) or 'an empty cluster'}")
    place = index + (len(groups.get("chief", [])) if kind == "worker" else 0)
    return Cluster(tuple(addresses), place) if len(addresses) > 1 else None


def _from_slurm(environment):
    import tensorflow

    before = dict(os.environ)
    os.environ.update(environment)
    try:
        base, tasks = int(environment.get("SOLAR_PORT") or _PORT), int(environment["SLURM_STEP_NUM_TASKS"])
        resolver = tensorflow.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=base, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False, rpc_layer="grpc"
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
        index = int(environment["SLURM_PROCID"])
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        raise UserError(
            f"SLURM's environment: cannot be understood ({type(error).__name__}: {error}); set TF_CONFIG"
        ) from error
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
    return Cluster(tuple(addresses), index)


def agree(members, about, *, patience=PATIENCE):
    """Wait until every process is there, and check that all of them run the same.

    Parameters
    ----------
    members : Cluster
    about : dict of str to str
        What has to be the same everywhere: versions, settings.
    patience : float
        Seconds.

    Raises
    ------
    UserError
        A process did not report in time, or differs; the addresses are named.
    """
    about = {name: str(value) for name, value in about.items()}
    problem = (_gather if members.index == 0 else _report)(members, about, patience)
    if problem:
        raise UserError(problem)


def _gather(members, about, patience):
    _host, port = _split(members.addresses[0])
    silent = set(range(1, len(members.addresses)))
    callers, problems, end = {}, [], time.monotonic() + patience
    try:
        listening = socket.create_server(("", port), backlog=len(members.addresses))
    except OSError as error:
        return f"{members.addresses[0]}: cannot listen there ({error.strerror}); is the port taken?"
    with listening, contextlib.ExitStack() as stack:
        while silent and time.monotonic() < end:
            listening.settimeout(max(0.1, end - time.monotonic()))
            try:
                caller, _ = listening.accept()
            except TimeoutError:
                break
            stack.enter_context(caller)
            caller.settimeout(10)
            try:
                index, theirs = json.loads(_receive(caller))
            except (ValueError, OSError):
                continue  # a stranger
            if index not in silent:
                continue
            silent.discard(index)
            callers[index] = caller
            problems += _differences(about, theirs, members.addresses[0], members.addresses[index])
        if silent:
            names = ", ".join(members.addresses[index] for index in sorted(silent))
            problems.insert(0, f"{names}: did not report within {patience:.0f} s; start every process, with the same cluster")
        answer = problems[0] if problems else ""
        for caller in callers.values():
            with contextlib.suppress(OSError):
                _send(caller, answer)
                caller.shutdown(socket.SHUT_WR)
                caller.recv(1)  # they close first, so that the port is free at once
    return answer


def _report(members, about, patience):
    host, port = _split(members.addresses[0])
    end, reason = time.monotonic() + patience, "no answer"
    while time.monotonic() < end:
        try:
            with socket.create_connection((host, port), timeout=5) as chief:
                _send(chief, json.dumps([members.index, about]))
                chief.settimeout(max(1.0, end - time.monotonic()) + 5)
                return _receive(chief)
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            time.sleep(0.2)
    return f"{members.addresses[0]}: does not answer ({reason}) within {patience:.0f} s; is process 0 running there?"


def _differences(ours, theirs, here, there):
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name, "nothing"), theirs.get(name, "nothing")
        if one != other:
            return [f"{name} differs: {one} on {here}, {other} on {there}; make them the same"]
    return []


def _split(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _send(connection, text):
    data = text.encode()
    connection.sendall(len(data).to_bytes(4, "big") + data)


def _receive(connection):
    def take(count):
        data = b""
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    length = int.from_bytes(take(4), "big")
    if length > 1 << 20:
        raise ValueError("no report")
    return take(length).decode()


def versions():
    """What has to be the same on all machines: dict of str to str."""
    import keras
    import tensorflow

    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "TensorFlow": tensorflow.__version__,
        "Keras": keras.__version__,
        "numpy": numpy.__version__,
    }


class Workers:
    """The processes of a cluster, connected. To be made before TensorFlow computes anything in the process.

    Parameters
    ----------
    members : Cluster
    """

    def __init__(self, members):
        import tensorflow

        self.addresses, self.index = members.addresses, members.index
        self.count = len(members.addresses)
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": list(members.addresses)}, "task": {"type": "worker", "index": members.index}}
        )
        gpus = tensorflow.config.list_physical_devices("GPU")
        if len(gpus) > 1:  # one process per device: this one's place among those of its machine
            host = _split(self.addresses[self.index])[0]
            place = sum(_split(address)[0] == host for address in self.addresses[: self.index])
            tensorflow.config.set_visible_devices(gpus[place % len(gpus)], "GPU")
        try:
            self._strategy = tensorflow.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise UserError(f"TF_CONFIG: TensorFlow is already running in this process ({error})") from error
        self._wish = tensorflow.Variable(0.0, trainable=False)
        self._agreed = tensorflow.Variable(0.0, trainable=False)
        self._sum_now = tensorflow.function(self._sum)

    @property
    def is_chief(self):
        return self.index == 0

    def _sum(self, vector):
        """Sum of a float32 vector over all processes, inside a tf.function."""
        import tensorflow

        def in_replica(value):
            value = tensorflow.identity(value)  # gives it a device
            return tensorflow.distribute.get_replica_context().all_reduce(tensorflow.distribute.ReduceOp.SUM, value)

        return self._strategy.run(in_replica, args=(vector,))

    def sums(self, arrays):
        """Sums of arrays over all processes, which have to call this together: list of numpy.ndarray."""
        import tensorflow

        if not arrays:
            return []
        flat = numpy.concatenate([numpy.ravel(array).astype("float64") for array in arrays])
        total = self._sum_now(tensorflow.constant(flat)).numpy()
        ends = numpy.cumsum([array.size for array in arrays])[:-1]
        parts = numpy.split(total, ends)
        return [part.reshape(array.shape).astype(array.dtype) for part, array in zip(parts, arrays, strict=True)]

    def spread(self, variables):
        """Give all processes the chief's values of floating-point variables."""
        values = [numpy.asarray(variable) for variable in variables]
        sent = self.sums([value if self.is_chief else numpy.zeros_like(value) for value in values])
        for variable, value in zip(variables, sent, strict=True):
            variable.assign(value)

    def connect(self, model):
        """Let a compiled network's gradients and metrics be those of all processes.

        Dropout then draws other masks in each process.

        Parameters
        ----------
        model : keras.Model
            Its loss has to be a sum whose weights add up to 1 over the batch of all processes.
        """
        import tensorflow

        apply, results, additional = model.optimizer.apply, model.get_metrics_result, model._aggregate_additional_loss

        def apply_summed(gradients, trainable_variables=None):
            gradients = list(gradients)
            shapes = [gradient.shape for gradient in gradients]
            flat = [tensorflow.reshape(tensorflow.cast(gradient, "float32"), [-1]) for gradient in gradients]
            flat.append(tensorflow.reshape(self._wish, [1]))
            total = self._sum(tensorflow.concat(flat, 0))
            parts = tensorflow.split(total, [*(shape.num_elements() for shape in shapes), 1])
            self._agreed.assign(parts.pop()[0])
            summed = [
                tensorflow.cast(tensorflow.reshape(part, shape), gradient.dtype)
                for part, shape, gradient in zip(parts, shapes, gradients, strict=True)
            ]
            return apply(summed, trainable_variables)

        def results_of_all():
            if tensorflow.executing_eagerly():  # at the end of an epoch or of validation
                totals = self.sums([numpy.asarray(variable) for variable in model.metrics_variables])
                for variable, total in zip(model.metrics_variables, totals, strict=True):
                    variable.assign(total)
            return results()

        # Regularisers are the same in every process, and are added up with the rest.
        model._aggregate_additional_loss = lambda loss: additional(loss) / self.count
        model.optimizer.apply = apply_summed
        model.get_metrics_result = results_of_all

    def share_moving_statistics(self, model):
        """Make the moving statistics of normalisation layers the mean of those of all processes."""
        moving = [variable for variable in model.non_trainable_variables if variable.dtype.startswith("float")]
        values = self.sums([numpy.asarray(variable) for variable in moving])
        for variable, value in zip(moving, values, strict=True):
            variable.assign(value / self.count)

    def own_random_state(self, model):
        """Give the dropout of each process masks of its own: adds its index to the seeds, which are the chief's."""
        for variable in model.non_trainable_variables:
            if "seed_generator" in variable.path:
                state = numpy.asarray(variable).copy()
                state[0] += self.index
                variable.assign(state)

    def ask_to_stop(self):
        """Ask all processes to stop after the next step."""
        self._wish.assign(1.0)

    def agreed_to_stop(self):
        """Whether any process asked for it before the last step."""
        return float(self._agreed.numpy()) > 0

    def lost(self):
        """Addresses of other processes that no longer answer: list of str."""
        gone = []
        for index, address in enumerate(self.addresses):
            if index == self.index:
                continue
            try:
                socket.create_connection(_split(address), timeout=3).close()
            except OSError:
                gone.append(address)
        return gone

    @contextlib.contextmanager
    def naming_losses(self, folder):
        """Inside this block the loss of another process ends in one line that names it."""
        import tensorflow

        try:
            yield
        except (tensorflow.errors.UnavailableError, tensorflow.errors.AbortedError, tensorflow.errors.InternalError,
                tensorflow.errors.DeadlineExceededError, tensorflow.errors.CancelledError) as error:  # fmt: skip
            told = next((line for line in str(error).splitlines() if any(word in line for word in _OF_A_LOSS)), None)
            gone = self.lost()
            if told is None and not gone:
                raise  # an error of our own computation
            names = ", ".join(gone) or "another process"
            reason = " ".join((told or type(error).__name__).split())[:100]
            how = f"--resume {folder}" if folder else "--resume and its run folder"
            raise UserError(f"{names}: was lost ({reason}); start all processes again with {how}") from error
