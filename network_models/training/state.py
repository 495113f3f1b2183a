"""Survival: everything that a run needs to go on as if nothing had happened, kept after epochs, steps and at signals.

A state holds weights, optimizer, random state of dropout, the running metrics of the epoch, the position in the data, and
what the other callbacks remember. It is written atomically, and the one before is kept beside it.
"""

import contextlib
import json
import signal
import threading

import keras
import numpy

from network_models import keras_internals
from network_models.distribution.devices import OneProcess
from tools import atomic_files
from tools.errors import Stopped, UserError

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

    def restore(self, model):
        """Give `model` (compiled, its optimizer built) the stored variables; returns the number of finished epochs.

        `first_epoch` and `first_step` are then where training goes on.

        Raises
        ------
        UserError
            The file is missing, damaged or of another network.
        """
        state, arrays = self._read()
        for prefix, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
            expected = {f"{prefix}_{i}": tuple(v.shape) for i, v in enumerate(variables)}
            received = {name: array.shape for name, array in arrays.items() if name.startswith(prefix + "_")}
            if expected != received:
                raise UserError(f"{self.path}: holds the state of another network; --resume needs the settings of that run")
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"{prefix}_{i}"])
        self.savers.best, self.savers.best_epoch = state["best_loss"], state["best_epoch"]
        self.savers.skill = state["skill"]
        for name, other in self.others.items():
            other.restore(state["callbacks"][name])
        self.first_epoch, self.first_step = state["finished_epochs"], state["step"]
        self.stopped, self._patient_from = state["stopped"], state["patient_from"]
        count = sum(name.startswith("metric_") for name in arrays)
        metrics = [arrays[f"metric_{i}"] for i in range(count)]
        if not self.devices.is_chief:
            metrics = [numpy.zeros_like(value) for value in metrics]  # the chief has the sum of all
        self._metrics = metrics or None
        return self.first_epoch

    def go_on(self):
        """Let a run that was stopped train on, with its whole patience."""
        if self.stopped:
            self.stopped, self._patient_from = False, self.first_epoch

    def _read(self):
        problem = None
        for path in (self.path, self.before):
            try:
                with open(path, "rb") as file, numpy.load(file, allow_pickle=False) as stored:
                    state = json.loads(str(stored["state"]))
                    arrays = {name: stored[name] for name in stored.files if name != "state"}
            except FileNotFoundError as error:
                problem = problem or (f"{path}: no such file; the run ended before its first state, start a new one", error)
            except Exception as error:
                problem = problem or (f"{path}: cannot be read ({' '.join(str(error).split())})", error)
            else:
                if path == self.before:
                    print(f"{problem[0]}; going on from {path.name}, the state before")
                return state, arrays
        raise UserError(problem[0]) from problem[1]

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
