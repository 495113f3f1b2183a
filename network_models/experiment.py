"""Train a network on a data set and leave everything about it in a run folder."""

import contextlib
import dataclasses
import json
import math
import sys

from dataset_models import simulation_mark
from network_models import loss_table, run_overview, run_report
from network_models.distribution.devices import devices_of
from network_models.run_folder import RunFolder, provenance
from network_models.training import start
from network_models.training.forecast import Forecast
from tools import atomic_files
from tools.errors import UserError
from tools.views import View


@dataclasses.dataclass(frozen=True, repr=False)
class Result(View):
    """The outcome of a run, which shows itself.

    Attributes
    ----------
    folder : RunFolder
    epochs : int
        Epochs trained so far.
    val_loss : float
        The lowest validation loss.
    scores : dict of str to float
        Scores of the best network on the validation split, and of the baselines beside it.
    """

    folder: RunFolder
    epochs: int
    val_loss: float
    scores: dict[str, float]

    def view(self):
        """List what the run shows of itself: see `tools.views.View.view`."""
        return self.folder.view()


def run(build, settings, *, objective=None, callbacks=(), sampling=None):
    """Train, or continue training, a network.

    Parameters
    ----------
    build : callable
        ``build(inputs, options, seed)`` returns a `keras.Model` with inputs of the names in `inputs`, a dict of str to
        `network_models.image_inputs.Input`.
    settings : network_models.settings.RunSettings
    objective : network_models.training.objective.Objective, optional
        What the network is trained for; by default `network_models.training.forecast.Forecast`, which states what its
        output has to be.
    callbacks : sequence of keras.callbacks.Callback
        Further ones, called before those that write files. What those with ``state()`` and ``restore(state)`` return
        is kept for --resume.
    sampling : object, optional
        What a training epoch consists of, as for `SolarData.pipeline`.

    Returns
    -------
    Result or None
        None in a process that is not the chief of several.

    Raises
    ------
    UserError
        Data are missing, a split is empty, something leaks between the splits, the network is too large, the loss is
        not finite, the run to resume belongs to another process.
    """
    with contextlib.ExitStack() as owner:
        return _run(build, settings, objective or Forecast(settings), callbacks, sampling, owner)


def _run(build, settings, objective, callbacks, sampling, owner):
    """Train as `run`; until `owner` (contextlib.ExitStack) ends, the run folder belongs to this process."""
    data, training, batch = objective.data, settings.training, settings.training.batch_size
    devices = devices_of(settings, owner)
    report = print if devices.is_chief else lambda *_: None
    data.require_downloaded()
    training_count, validation_count = (len(data.require_samples(split)) for split in ("training", "validation"))
    report(data.check_leaks())
    if batch < devices.replicas:
        raise UserError(f"--batch_size {batch}: must be at least the number of devices, {devices.replicas}")
    _refuse_finished(settings)

    with start.precision(training.mixed_precision):
        network, model = start.compiled_network(build, settings, objective, devices, callbacks)
        if not settings.resume:  # before the folder is made: this reads images, which may be damaged
            objective.start(network)
            if training.start_from:
                report(start.take_weights(network, training.start_from))
        record = _Record(settings, objective, devices, network, callbacks, owner)
        state = record.state
        steps = data.steps("training", batch, sampling, training.steps_per_epoch)
        if settings.resume:
            record.go_on(model, steps=steps)
        else:
            record.begin()
        report(
            f"{data.title}: {training_count} training and {validation_count} validation samples;"
            f" {network.count_params():,} parameters; run folder {record.folder}"
        )
        if state.first_epoch >= training.epochs or (state.stopped and not _asks_for_more(settings)):
            return record.finish()  # killed after its last epoch
        state.go_on()

        training_batches, validation_batches = _batches(objective, training, devices, state, sampling)
        with data.reporting_reads(), state.watching_signals(), devices.together(record.folder):
            devices.attach(model)
            state.skip_done_steps(model)
            model.fit(
                training_batches,
                validation_data=validation_batches,
                steps_per_epoch=steps,
                validation_steps=data.steps("validation", batch, most_steps=training.validation_steps),
                initial_epoch=state.first_epoch,
                epochs=training.epochs,
                shuffle=False,  # the pipeline has done it
                callbacks=record.callbacks(),
                verbose=_verbosity(devices),
            )
    return record.finish()


def _batches(objective, training, devices, state, sampling):
    """Make the batches of both splits, their samples weighted, from where a run goes on: two `tf.data.Dataset`."""
    weighting = devices.weighting(objective.class_weights)
    common = {"batch_size": training.batch_size, "shard": devices.shard, "readers": training.readers or None}
    training_batches = objective.data.pipeline(
        "training",
        seed=training.seed,
        first_epoch=state.first_epoch,
        first_step=state.first_step,
        sampling=sampling,
        most_steps=training.steps_per_epoch,
        targets=objective.targets("training"),
        **common,
    )
    validation_batches = objective.data.pipeline(
        "validation", most_steps=training.validation_steps, targets=objective.targets("validation"), **common
    )
    return training_batches.map(weighting), validation_batches.map(weighting)


class _Record:
    """Everything that a run writes: its folder, the state to resume from, the files of each epoch and the scores.

    Parameters
    ----------
    settings, callbacks
        As for `run`.
    objective : network_models.training.objective.Objective
    devices : network_models.distribution.devices.OneProcess or network_models.distribution.workers.Workers
        Where they are not the chief's, nothing is written.
    network : keras.Model
        What is saved.
    owner : contextlib.ExitStack
        Until it ends a new folder belongs to this process.

    Attributes
    ----------
    folder : RunFolder
    state : network_models.training.state.TrainingState
    """

    def __init__(self, settings, objective, devices, network, callbacks, owner):
        from network_models.training.state import TrainingState
        from network_models.training_callbacks import PerformanceTable, SaveNetworks

        self._objective, self._devices, self._network, self._callbacks = objective, devices, network, callbacks
        self._batch_size, self._pictures = settings.training.batch_size, settings.training.tensorboard_images
        self._reports = settings.training.report
        self._stored = settings.as_dictionary()
        if settings.resume:
            self.folder = settings.resume
            # A run of an earlier version keeps its columns; of the training only the epochs may have changed.
            self._stored["training_options"] = {
                **self.folder.settings()["training_options"],
                "epochs": settings.training.epochs,
            }
        elif devices.is_chief:
            self.folder = RunFolder.create(settings.network_folder, owner=owner)
        else:
            self.folder = RunFolder(settings.network_folder / "trained_models")  # of which nothing is used
        self._further = objective.callbacks(self.folder) if devices.is_chief else []
        columns = {}
        for group in ("network_options", "training_options", "data_options"):
            values = self._stored[group].items()
            columns |= {name: json.dumps(value) if isinstance(value, list) else value for name, value in values}
        columns |= simulation_mark.row(objective.data.simulated)
        self._table = PerformanceTable(self.folder, columns)
        self._savers = SaveNetworks(self.folder, network, writes=devices.is_chief, rule=settings.training.skill_rule)
        self.state = TrainingState(
            self.folder,
            self._savers,
            patience=settings.training.patience,
            others=[*callbacks, *self._further, *([self._table] if devices.is_chief else [])],
            every=settings.training.checkpoint_steps,
            devices=devices,
        )

    def begin(self):
        """Write settings.yml and the summary of a new run."""
        if not self._devices.is_chief:
            return
        data = self._objective.data.describe()
        self.folder.write_settings({**self._stored, **data, "parameters": self._network.count_params(), **provenance()})
        lines = []
        self._network.summary(print_fn=lambda line, **_: lines.append(line), expand_nested=True)
        atomic_files.write_text(self.folder.summary, "\n".join(lines) + "\n")

    def go_on(self, model, *, steps):
        """Give `model` the kept state of the run, of so many steps per epoch, and make the loss table that of its epochs."""
        self.state.restore(model, steps=steps, build_metrics=self._objective.build_metrics)
        if self._devices.is_chief:
            self._table.go_on(self.state.first_epoch)

    def callbacks(self):
        """List all callbacks in their order, those of script and objective among them, the one that keeps the state last."""
        from network_models import training_callbacks

        first = [training_callbacks.MeanOverSamples(), *self._devices.callbacks(), *self._callbacks]
        first.append(training_callbacks.StopOnInvalidLoss())
        if not self._devices.is_chief:
            return [*first, self._savers, self.state]
        label, title = self._objective.label, self._objective.title
        curve = training_callbacks.LossCurve(self.folder, self._table, label=label, title=title)
        board = training_callbacks.Board(str(self.folder.logs), write_graph=False)
        pictures = training_callbacks.BoardPictures(
            self.folder,
            self._objective,
            count=self._pictures if self._devices.shard[1] == 1 else 0,  # a forecast of one of several processes could wait
            values=self._table.settings,
            first_epoch=self.state.first_epoch,
        )
        return [*first, self._table, curve, *self._further, self._savers, board, pictures, self.state]

    def finish(self):
        """Score the best network on the validation split, print and store the scores: Result, or None if not the chief."""
        if not self._devices.is_chief:
            return None
        from network_models import training_callbacks

        scores = self._objective.scores(self.folder, batch_size=self._batch_size)
        mark = simulation_mark.entry(self._objective.data.simulated)
        result = _result(self.folder, scores)
        if self._pictures:
            last = self._objective.last_pictures(self.folder)
            training_callbacks.write_pictures(self.folder, last, step=result.epochs)
        training_callbacks.write_text(self.folder, "scores of the best network", scores | mark, step=result.epochs)
        atomic_files.write_text(_scores_file(self.folder), json.dumps(scores | mark, indent=2) + "\n")
        for name, value in scores.items():
            print(f"  {name:24s} {value:9.4f}")
        if self._reports:
            print(f"report {run_report.write_report(self.folder)}")
        line = {"run_folder": str(self.folder), "epochs": result.epochs, "val_loss": result.val_loss, **mark, **scores}
        # One line that a program can read: JSON has no NaN.
        print(json.dumps({key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in line.items()}))
        return result


def finished(settings):
    """Return the outcome of the run to resume, when it lacks nothing and is not asked for more epochs.

    Parameters
    ----------
    settings : network_models.settings.RunSettings

    Returns
    -------
    Result or None
    """
    folder = settings.resume
    if folder is None or not _scores_file(folder).is_file():
        return None
    try:
        result = _result(folder, _read_scores(folder))
    except UserError as error:
        print(f"{error}; both are made anew from the training state and the best network")
        return None
    return result if result.epochs >= settings.training.epochs or not _asks_for_more(settings) else None


def _scores_file(folder):
    return folder.performance / run_overview.SCORES


def _read_scores(folder):
    """Read scores.json: dict of str to float; a `UserError` when it is damaged."""
    path = _scores_file(folder)
    advice = "it is damaged"
    scores = run_overview.read_scores(folder, advice=advice)
    if not scores or any(type(value) not in (int, float) for value in scores.values()):
        raise UserError(f"{path}: holds something else than scores; {advice}")
    return scores


def _result(folder, scores):
    rows = loss_table.read(folder.performance / loss_table.NAME)
    return Result(folder, len(rows), min(float(row["val_loss"]) for row in rows), scores)


def _asks_for_more(settings):
    """Check whether --resume comes with more epochs than the run was begun with."""
    return settings.training.epochs > settings.resume.settings()["training_options"]["epochs"]


def _refuse_finished(settings):
    result = finished(settings)
    if result is not None:
        report = ", or for its report with science/report/report.py" if settings.training.report else ""
        raise UserError(f"{result.folder}: already has {result.epochs} epochs; ask for more with --epochs{report}")


def _verbosity(devices):
    """Choose how Keras shows progress: a bar on a terminal, a line per epoch elsewhere, nothing where another process does."""
    if not devices.is_chief:
        return 0
    return "auto" if sys.stdout.isatty() else 2
