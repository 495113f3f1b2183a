"""Who takes part in a training on several machines, one process per device, and that all of them run the same.

The cluster is read from TF_CONFIG, or else from SLURM's environment. Process 0 is the chief.
"""

import contextlib
import dataclasses
import json
import os
import platform
import socket
import time

import numpy

from tools.errors import UserError, quoted
from tools.reading import structures

PATIENCE = 180.0  # seconds for all processes to report at the start
_PORT = 12355  # first port on each SLURM node


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


def from_environment(environment=None):
    """Read the cluster that TF_CONFIG, or else SLURM, describes; None for a process on its own.

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
    """Let this process, and those that it starts, be no part of a cluster, whatever the environment describes."""
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        os.environ.pop(name, None)


def _from_tf_config(text):
    shape = '{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = structures.parse_json(text, "TF_CONFIG", kind=dict, advice=f"write it like {shape}")
        groups = {kind: list(config["cluster"].get(kind, [])) for kind in config["cluster"]}
        kind, index = str(config["task"]["type"]), int(config["task"]["index"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UserError(f"TF_CONFIG: is malformed ({type(error).__name__}: {error}); write it like {shape}") from error
    unknown = sorted(set(groups) - {"chief", "worker"})
    if unknown:
        raise UserError(f"TF_CONFIG: has {', '.join(unknown)}; this program knows chief and worker")
    addresses = [*groups.get("chief", []), *groups.get("worker", [])]
    for address in addresses:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise UserError(f"TF_CONFIG: {quoted(address)} is no address; write host:port, with a port from 1 to 65535")
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


def agree(members, about, *, patience=PATIENCE, refusal=""):
    """Wait until every process is there, and check that all of them run the same.

    Parameters
    ----------
    members : Cluster
    about : dict of str to str
        What has to be the same everywhere: versions, settings.
    patience : float
        Seconds.
    refusal : str
        In the chief: why there is to be no training, which every process is told.

    Raises
    ------
    UserError
        A process did not report in time, or differs; the addresses are named. Or the chief refuses.
    """
    about = {name: str(value) for name, value in about.items()}
    problem = _gather(members, about, patience, refusal) if members.index == 0 else _report(members, about, patience)
    if problem:
        raise UserError(problem)


def _gather(members, about, patience, refusal):
    _host, port = host_and_port(members.addresses[0])
    silent = set(range(1, len(members.addresses)))
    callers, problems, end = {}, [], time.monotonic() + patience
    try:
        listening = socket.create_server(("", port), backlog=len(members.addresses))
    except OSError as error:
        return refusal or f"{members.addresses[0]}: cannot listen there ({error.strerror}); is the port taken?"
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
        answer = refusal or (problems[0] if problems else "")
        for caller in callers.values():
            with contextlib.suppress(OSError):
                _send(caller, answer)
                caller.shutdown(socket.SHUT_WR)
                caller.recv(1)  # they close first, so that the port is free at once
    return answer


def _report(members, about, patience):
    host, port = host_and_port(members.addresses[0])
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
        mine, other = ours.get(name, "nothing"), theirs.get(name, "nothing")
        if mine != other:
            return [f"{name} differs: {mine} on {here}, {other} on {there}; make them the same"]
    return []


def host_and_port(address):
    """Split an address such as ``host:12355`` or ``[::1]:12355``: (str, int)."""
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
    """List the versions that have to be the same on all machines: dict of str to str."""
    import keras
    import tensorflow

    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "TensorFlow": tensorflow.__version__,
        "Keras": keras.__version__,
        "numpy": numpy.__version__,
    }
