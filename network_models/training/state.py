"""Survival: everything that a run needs to go on as if nothing had happened, kept after epochs, steps and at signals.

A state holds weights, optimizer, random state of dropout, the running metrics of the epoch, the position in the data, and
what the other callbacks remember. It is written atomically, and the one before is kept beside it.
"""

import contextlib
import json
import math
import signal
import threading

import keras
import numpy

from network_models import keras_internals
from network_models.distribution.devices import OneProcess
from tools import atomic_files
from tools.errors import Stopped, UserError
from tools.reading import structures
from tools.reading.arrays import read_arrays

SIGNALS = ("SIGTERM", "SIGUSR1")


class TrainingState(keras.callbacks.Callback):
    """Keep everything that a run needs to continue: training_state.npz, and the one before as training_state_before.npz.

    Must be the last of the callbacks.

    Parameters
    ----------
    folder : network_models.run_folder.RunFolder
    savers : network_models.training_callbacks.SaveNetworks
        Whose lowest loss is kept.
    patience : int
        Stop after so many epochs without a lower validation loss; 0: never. Kept here because it must survive. A run that
        it ended and that is asked for more epochs is given as many anew.
    others : sequence of keras.callbacks.Callback
        Those that have ``state()`` and ``restore(state)`` are kept too.
    every : int
        Steps between states within an epoch; 0: only after epochs and at signals.
    devices : network_models.distribution.devices.OneProcess or network_models.distribution.workers.Workers, optional
        Those trained on; only the chief of several processes writes.

    Attributes
    ----------
    first_epoch, first_step : int
        Where training continues; 0, 0 for a new run.
    stopped : bool
        Whether the patience had come to its end.
    """

    def __init__(self, folder, savers, *, patience=0, others=(), every=0, devices=None):
        super().__init__()
        self.path = folder.state
        self.run = folder
        self.savers = savers
        self.patience = patience
        self.every = every
        self.devices = devices or OneProcess()
        self.others = {type(other).__name__: other for other in others if hasattr(other, "state")}
        self.first_epoch = self.first_step = 0
        self.stopped = False
        self._patient_from = 0
        self._epoch = self._step = 0
        self._metrics = None
        self._training_metrics = None
        self._signal = None

    # Writing

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._step = epoch, 0
        self._training_metrics = None
        if epoch == self.first_epoch and self._metrics is not None:
            for variable, value in zip(self.model.metrics_variables, self._metrics, strict=True):
                variable.assign(value)
            self._metrics = None

    def on_train_batch_begin(self, batch, logs=None):
        self._pass_signal_on()

    def on_train_batch_end(self, batch, logs=None):
        self._step = batch + 1
        if self._epoch == self.first_epoch and self._step <= self.first_step:
            return  # done before the run was interrupted
        self._pass_signal_on()
        if self.devices.agreed_to_stop():
            self._stop()
        elif self.every and self._step % self.every == 0:
            self._save(self._epoch, self._step, self._metrics_now())

    def on_test_begin(self, logs=None):
        # Keras is about to reset them; the epoch's training is over, its validation is not.
        if self.devices.alone:
            self._training_metrics = self._metrics_now()

    def on_test_batch_end(self, batch, logs=None):
        if self._signal is not None and self.devices.alone:
            self._stop()

    def on_epoch_end(self, epoch, logs=None):
        best_epoch = self.savers.best_epoch
        if self.patience and best_epoch is not None:
            waited = epoch - max(best_epoch, self._patient_from - 1)
            if waited >= self.patience:
                self.model.stop_training = self.stopped = True
        self._epoch, self._step, self._training_metrics = epoch + 1, 0, None
        self._save(epoch + 1, 0, [])
        if self._signal is not None and self.devices.alone:
            self._stop(saved=True)

    def _metrics_now(self):
        return self.devices.sums([numpy.asarray(variable) for variable in self.model.metrics_variables])

    def _pass_signal_on(self):
        if self._signal is not None:
            self.devices.ask_to_stop()

    def _stop(self, *, saved=False):
        if not saved:
            metrics = self._training_metrics if self._training_metrics is not None else self._metrics_now()
            self._save(self._epoch, self._step, metrics)
        number = self._signal or signal.SIGTERM
        where = f"epoch {self._epoch + 1}, step {self._step}" if self._step else f"epoch {self._epoch}"
        name = signal.Signals(number).name
        raise Stopped(f"stopped by {name} after {where}; go on with --resume {self.run}", 128 + number)

    def _save(self, epoch, step, metrics):
        """Write the state after `epoch` complete epochs and `step` steps of the next one."""
        if not self.devices.is_chief:
            return
        state = {"finished_epochs": epoch, "step": step, "stopped": self.stopped, "skill": self.savers.skill}
        state |= {"patient_from": self._patient_from}
        state |= {"best_loss": float(self.savers.best), "best_epoch": self.savers.best_epoch}
        state |= {"callbacks": {name: other.state() for name, other in self.others.items()}}
        # model.variables include the random state of dropout layers.
        arrays = {f"model_{i}": numpy.asarray(v) for i, v in enumerate(self.model.variables)}
        arrays |= {f"optimizer_{i}": numpy.asarray(v) for i, v in enumerate(self.model.optimizer.variables)}
        arrays |= {f"metric_{i}": value for i, value in enumerate(metrics)}
        if self.path.is_file():
            atomic_files.second_name(self.path, self.before)
        atomic_files.write_arrays(self.path, state=numpy.array(json.dumps(state)), **arrays)

    @property
    def before(self):
        """Path of the state before the last one."""
        return self.path.with_name(f"{self.path.stem}_before{self.path.suffix}")

    # Reading

    def restore(self, model, *, steps=None, build_metrics=None):
        """Give `model` (compiled, its optimizer built) the stored variables; returns the number of finished epochs.

        `first_epoch` and `first_step` are then where training goes on. A state that is missing, damaged or impossible gives
        place to the one before, with a line that says so.

        Parameters
        ----------
        model : keras.Model
        steps : int, optional
            Of an epoch.
        build_metrics : callable, optional
            ``build_metrics(model)`` makes the variables of the metrics, to which a state within an epoch is to be restored.

        Raises
        ------
        UserError
            Neither of the two files is there, or whole and of this network: the reason of the first.
        """
        problem = None
        for path in (self.path, self.before):
            try:
                state, arrays = _read(path, _expected(model))
                metrics = self._checked(path, state, arrays, model, build_metrics)
                if steps is not None and state["step"] > steps:
                    raise UserError(f"{path}: is of step {state['step']} of an epoch, which has {steps}; the data are others")
            except UserError as error:
                problem = problem or error
                continue
            if path == self.before:
                print(f"{problem}; going on from {path.name}, the state before")
            break
        else:
            raise problem
        for prefix, variables in _variables(model):
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"{prefix}_{i}"])
        self.savers.best, self.savers.best_epoch = state["best_loss"], state["best_epoch"]
        self.savers.skill = state["skill"]
        for name, other in self.others.items():
            if name in state["callbacks"] or name not in _SINCE:
                other.restore(state["callbacks"][name])
        self.first_epoch, self.first_step = state["finished_epochs"], state["step"]
        self.stopped, self._patient_from = state["stopped"], state["patient_from"]
        if not self.devices.is_chief:
            metrics = [numpy.zeros_like(value) for value in metrics]  # the chief has the sum of all
        self._metrics = metrics or None
        return self.first_epoch

    def _checked(self, path, state, arrays, model, build_metrics):
        """Check that a state that could be read is one that this run can have had: the metrics in it, list of numpy.ndarray."""
        problem = _impossible(state) or self._foreign(state)
        if problem:
            raise UserError(f"{path}: damaged ({problem})")
        for name, shape in _expected(model).items():
            if name not in arrays or arrays[name].shape != shape:
                raise UserError(f"{path}: holds the state of another network; --resume needs the settings of that run")
        for prefix, variables in _variables(model):
            for i, variable in enumerate(variables):
                if not numpy.can_cast(arrays[f"{prefix}_{i}"].dtype, numpy.asarray(variable).dtype, "same_kind"):
                    raise UserError(f"{path}: damaged ({prefix}_{i} is of {arrays[f'{prefix}_{i}'].dtype})")
        for name, array in arrays.items():
            if array.dtype.kind not in "fiub" or not numpy.isfinite(array).all():
                raise UserError(f"{path}: damaged ({name} holds what is no finite number)")
        metrics = {name: array for name, array in arrays.items() if name.startswith("metric_")}
        if set(arrays) != set(_expected(model)) | {f"metric_{i}" for i in range(len(metrics))} or bool(metrics) != (
            state["step"] > 0
        ):
            raise UserError(f"{path}: damaged (its arrays are not those of a state)")
        metrics = [metrics[f"metric_{i}"] for i in range(len(metrics))]
        if metrics and build_metrics is not None:
            build_metrics(model)
            shapes = [tuple(variable.shape) for variable in model.metrics_variables]
            if len(metrics) == len(shapes) - 1 and model.metrics_variables[-1].name == "bins":
                metrics.append(numpy.zeros(shapes[-1]))  # of an earlier version: for pictures of validation, of which it is not
            if [value.shape for value in metrics] != shapes:
                raise UserError(f"{path}: damaged (its metrics are not those of this run)")
        return metrics

    def _foreign(self, state):
        """Find what is wrong with the memory of the other callbacks in a state: str or None."""
        for name, other in self.others.items():
            if name not in state["callbacks"]:
                if name not in _SINCE:
                    return f"nothing of {name} in it"
            elif not _like(other.state(), state["callbacks"][name]):
                return f"what it holds of {name} is not that of a run"
        return None

    def go_on(self):
        """Let a run that was stopped train on, with its whole patience."""
        if self.stopped:
            self.stopped, self._patient_from = False, self.first_epoch

    def skip_done_steps(self, model):
        """Let ``fit`` pass over the steps of its first epoch that were taken before the interruption, without data."""
        if self.first_step:
            keras_internals.skip_steps(model, self.first_step)

    # Signals

    @contextlib.contextmanager
    def watching_signals(self):
        """Inside this block SIGTERM and SIGUSR1 end training after the step under way, its state kept.

        Raises
        ------
        tools.errors.Stopped
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}

        def note(number, frame):
            self._signal = number

        for name in SIGNALS:
            if hasattr(signal, name):
                number = getattr(signal, name)
                before[number] = signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _variables(model):
    """List the variables that a state has the values of: pairs of prefix and list of variables."""
    return (("model", model.variables), ("optimizer", model.optimizer.variables))


def _expected(model):
    """Shapes of the arrays that every state of a model has: dict of name to tuple."""
    return {f"{prefix}_{i}": tuple(v.shape) for prefix, variables in _variables(model) for i, v in enumerate(variables)}


def _read(path, expected):
    """Read a state: (dict, arrays by name); a `UserError` when it cannot be, or declares more than such a state holds."""
    limit = 8 * sum(math.prod(shape) for shape in expected.values()) + _BESIDE_WEIGHTS
    if not path.exists():
        raise UserError(f"{path}: no such file; the run ended before its first state, start a new one")
    advice = "it is no state of this run"
    arrays = read_arrays(path, most=limit, advice=advice)
    state = arrays.pop("state", None)
    if state is None or state.dtype.kind != "U" or state.size != 1:
        raise UserError(f"{path}: holds no state; {advice}")
    return structures.parse_json(str(state.item()), path, kind=dict, advice=advice), arrays


def _impossible(state):
    """Find what is wrong with the numbers of a state in themselves: str or None."""
    if not isinstance(state, dict):
        return "its state is no dictionary"
    for name, sound in _NUMBERS.items():
        if name not in state:
            return f"it has no {name}"
        if not sound(state[name]):
            return f"{name} is {str(state[name])[:40]}"
    epochs, best = state["finished_epochs"], state["best_epoch"]
    if state["patient_from"] > epochs or (best is None) != (epochs == 0) or (best is not None and best >= epochs):
        return f"best_epoch {best} and patient_from {state['patient_from']} do not go with {epochs} finished epochs"
    rows = state["callbacks"].get("PerformanceTable")
    if rows is None:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return "its loss table is none"
    if not all(isinstance(value, str) for row in rows for value in row.values()):
        return "its loss table holds what is no text"
    if [row.get("epoch") for row in rows] != [str(epoch) for epoch in range(1, epochs + 1)]:
        return f"its loss table is not that of {epochs} finished epochs"
    try:
        losses = [float(row["val_loss"]) for row in rows]
    except (KeyError, ValueError):
        return "its loss table has no val_loss"
    if losses and not (
        math.isclose(losses[best], state["best_loss"], rel_tol=1e-6, abs_tol=1e-12)
        and losses[best] <= min(losses) + 1e-6 * abs(min(losses))
    ):
        return f"best_loss {state['best_loss']} is not the lowest of its loss table"
    return None


def _like(template, value):
    """Check whether a callback's stored memory has the form of what it remembers now, before anything happened."""
    if isinstance(template, dict):
        return isinstance(value, dict) and set(value) == set(template) and all(_like(template[k], value[k]) for k in template)
    if isinstance(template, list | tuple):
        return isinstance(value, list)
    if isinstance(template, bool) or isinstance(value, bool):
        return type(template) is type(value)
    if isinstance(template, int | float):
        return isinstance(value, int | float) and not math.isnan(value)
    return template is None or isinstance(value, type(template))


def _is_whole(value):
    return type(value) is int and 0 <= value < 2**31


def _is_finite(value):
    return type(value) in (int, float) and math.isfinite(value)


_BESIDE_WEIGHTS = 64 << 20  # bytes of a state that are not variables: metrics, and what callbacks remember
_SINCE = {"PerformanceTable"}  # whose memory states of earlier versions lack
_NUMBERS = {
    "finished_epochs": _is_whole,
    "step": _is_whole,
    "stopped": lambda value: type(value) is bool,
    "patient_from": _is_whole,
    "best_loss": lambda value: _is_finite(value) or value == math.inf,
    "best_epoch": lambda value: value is None or _is_whole(value),
    "skill": lambda value: value is None or (isinstance(value, list) and len(value) == 2 and all(map(_is_finite, value))),
    "callbacks": lambda value: isinstance(value, dict),
}
