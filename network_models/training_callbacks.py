"""Files written while a network trains. Epochs are numbered from 1 in every file."""

import csv
import os
import time

import keras
import numpy

from network_models import loss_table
from network_models.trained_network import save_network
from tools import atomic_files, tables
from tools.errors import UserError

SECONDS = 1.0  # between pictures of the loss, of which one takes 0.2


class MeanOverSamples(keras.callbacks.Callback):
    """Report as ``loss`` and ``val_loss`` what `network_models.training.metrics.MeanLoss` measured: the mean over samples."""

    def on_epoch_end(self, epoch, logs=None):
        for prefix in ("", "val_"):
            if f"{prefix}mean_loss" in (logs or {}):
                logs[prefix + "loss"] = logs.pop(f"{prefix}mean_loss")


class SharedStatistics(keras.callbacks.Callback):
    """Make moving statistics those of all processes before they are used or saved.

    Parameters
    ----------
    workers : network_models.distribution.workers.Workers
    """

    def __init__(self, workers):
        super().__init__()
        self.workers = workers

    def on_test_begin(self, logs=None):
        self.workers.share_moving_statistics(self.model)


class StopOnInvalidLoss(keras.callbacks.Callback):
    """End training in one line when the loss is no longer a number."""

    def on_epoch_end(self, epoch, logs=None):
        for name in ("loss", "val_loss"):
            if not numpy.isfinite((logs or {}).get(name, 0.0)):
                raise UserError(f"{name} is {logs[name]} in epoch {epoch + 1}; lower --learning_rate or check the images")


class SaveNetworks(keras.callbacks.Callback):
    """Save the network after each epoch; the one with the lowest validation loss is also best_performing.hdf5.

    Where TSS and HSS are measured, most_skilful.hdf5 is the network that Pandey et al. (2023) keep, by one of their rules:
    see `more_skilful`.

    Parameters
    ----------
    folder : network_models.run_folder.RunFolder
    network : keras.Model
        What is saved: the whole network, of which the model that is trained may be a part.
    writes : bool
        Otherwise only the best is kept account of, as in the processes that are not the chief.
    rule : str
        As of `more_skilful`.

    Attributes
    ----------
    best : float
        The lowest validation loss so far.
    best_epoch : int or None
        The epoch (from 0) that had it first.
    skill : list of float or None
        TSS and HSS of the most skilful network so far.
    """

    def __init__(self, folder, network, *, writes=True, rule="hss held"):
        super().__init__()
        self.rule = rule
        self.folder = folder
        self.network = network
        self.writes = writes
        self.best = float("inf")
        self.best_epoch = None
        self.skill = None

    def on_epoch_end(self, epoch, logs=None):
        path = self.folder.epochs / f"weights.{epoch + 1:02d}-{logs['val_loss']:.2f}.hdf5"
        if self.writes:
            save_network(self.network, path)
        if logs["val_loss"] < self.best:
            self.best, self.best_epoch = float(logs["val_loss"]), epoch
            self._link(path, self.folder.best)
        skill = [float(logs.get(name, numpy.nan)) for name in ("val_tss", "val_hss")]
        if numpy.isfinite(skill).all() and more_skilful(skill, self.skill, self.rule):
            self.skill = skill
            self._link(path, self.folder.most_skilful)

    def _link(self, path, name):
        """Give the file `path` a second name."""
        if self.writes:
            atomic_files.second_name(path, name)


def more_skilful(skill, before, rule="hss held"):
    """Decide whether an epoch replaces the one that was kept as most skilful.

    Parameters
    ----------
    skill : sequence of float
        Validation TSS and HSS.
    before : sequence of float or None
        Those of the epoch kept; None keeps the first.
    rule : str
        Beside a higher TSS, ``"hss held"`` asks for an HSS at most 0.02 lower (the comparison of three networks), ``"both
        higher"`` for a higher HSS (the attention study), ``"tss alone"`` for nothing (the comparison without a schedule).

    Returns
    -------
    bool

    Examples
    --------
    >>> [more_skilful((0.6, 0.39), (0.5, 0.4), rule) for rule in ("hss held", "both higher", "tss alone")]
    [True, False, True]
    """
    if before is None:
        return True
    gain = skill[1] - before[1]
    return skill[0] > before[0] and {"hss held": gain >= -0.02, "both higher": gain > 0, "tss alone": True}[rule]


class PerformanceTable(keras.callbacks.Callback):
    """Append a row per epoch, with its scores, seconds and every setting, to performance/loss_and_architecture.csv.

    Seconds are those of training, of validation, and of both.
    Scores are kept with the training state too, so that a row that was cut or changed can be written anew.

    Parameters
    ----------
    folder : RunFolder
    settings : dict
        Columns that are the same in every row.
    first_epoch : int
        When a run is resumed, rows of this epoch and later ones (written after the state that it continues from) go.
    """

    def __init__(self, folder, settings, first_epoch=0):
        super().__init__()
        self.path = folder.performance / loss_table.NAME
        self.settings = {name: tables.guarded(value) for name, value in settings.items()}
        self.first_epoch = first_epoch
        self.rows = []
        self._kept = None

    # What --resume needs

    def state(self):
        without = {*loss_table.SECONDS, *self.settings}
        return [{name: str(value) for name, value in row.items() if name not in without} for row in self.rows]

    def restore(self, state):
        self._kept = state

    def go_on(self, first_epoch):
        """Make the table, in the file too, that of the first `first_epoch` epochs.

        Raises
        ------
        UserError
            A row is damaged or missing, and the state is of an earlier version, which did not keep it.
        """
        self.first_epoch = first_epoch
        found, problem = loss_table.whole_rows(self.path)
        self.rows, anew = [], []
        for epoch in range(1, first_epoch + 1):
            row = found.get(epoch)
            kept = self._kept[epoch - 1] if self._kept else None
            if kept is not None and (row is None or any(row.get(name) != value for name, value in kept.items())):
                anew.append(epoch)
                row = {**kept, **{name: (row or {}).get(name, "") for name in loss_table.SECONDS}, **self.settings}
            if row is None:
                raise UserError(
                    f"{self.path}: the row of epoch {epoch} is missing ({problem or 'nothing else is wrong'}), and"
                    " training_state.npz is of an earlier version, which did not keep it; put the file back, or start a new run"
                )
            self.rows.append(row)
        if anew:
            reason = problem or "another number than in the training state"
            print(f"{self.path}: damaged ({reason}); restored epoch {', '.join(map(str, anew))} from training_state.npz")
        if self.rows:
            self._rewrite()

    def on_train_begin(self, logs=None):
        if self.first_epoch and not self.rows and self.path.is_file():
            self.go_on(self.first_epoch)

    def on_epoch_begin(self, epoch, logs=None):
        self.began = self.trained = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.trained = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        scores = {name: f"{value:.9g}" for name, value in (logs or {}).items()}
        end = time.perf_counter()
        spent = (self.trained - self.began, end - self.trained, end - self.began)
        seconds = {name: f"{value:.3f}" for name, value in zip(loss_table.SECONDS, spent, strict=True)}
        self.rows.append({"epoch": epoch + 1, **scores, **seconds, **self.settings})
        if len(self.rows) == 1:
            self._rewrite()
            return
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.rows[0], lineterminator="\n", extrasaction="ignore").writerow(self.rows[-1])
            file.flush()
            os.fsync(file.fileno())

    def _rewrite(self):
        """Write all rows, in the columns of the first: those of before are of the run's beginning."""
        with atomic_files.replacing(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.rows[0], lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)


class LossCurve(keras.callbacks.Callback):
    """Redraw performance/loss_curve.png after each epoch, of those that take less than `SECONDS` not after every one.

    Parameters
    ----------
    folder : RunFolder
    table : PerformanceTable
        Whose rows are drawn; it must come before this one among the callbacks.
    label : str
        What the loss is, with its unit.
    title : str
    """

    def __init__(self, folder, table, *, label, title):
        super().__init__()
        self.path = folder.performance / "loss_curve.png"
        self.table = table
        self.label = label
        self.title = title
        self._drawn, self._due = -SECONDS, False

    def on_epoch_end(self, epoch, logs=None):
        self._due = True
        if time.monotonic() - self._drawn > SECONDS:
            self._draw()

    def on_train_end(self, logs=None):
        if self._due:
            self._draw()

    def _draw(self):
        from tools import figures

        epochs = [int(row["epoch"]) for row in self.table.rows]
        with figures.style():
            figure, axes = figures.new(figsize=(6, 4))
            for name, label in (("loss", "training"), ("val_loss", "validation")):
                axes.plot(epochs, [float(row[name]) for row in self.table.rows], marker="o", label=label)
            axes.set(xlabel="epoch", ylabel=self.label, title=self.title)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.legend()
            figures.save(figure, self.path)
        self._drawn, self._due = time.monotonic(), False


class Board(keras.callbacks.TensorBoard):
    """Writes losses and scores for TensorBoard, epochs counted from 1 as in every file of a run: Keras counts them from 0."""

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch + 1, logs)


class BoardPictures(keras.callbacks.Callback):
    """After each epoch, the objective's pictures in TensorBoard; at the beginning, the hyperparameters, also as text.

    Parameters
    ----------
    folder : RunFolder
    objective : network_models.training.objective.Objective
    count : int
        Validation samples shown; 0: no pictures.
    values : dict
        Hyperparameters by name.
    first_epoch : int
        Of the run so far: those of a run that goes on are in its logs already.
    """

    def __init__(self, folder, objective, *, count, values, first_epoch=0):
        super().__init__()
        self.folder = folder
        self.objective = objective
        self.count = count
        self.values = values
        self.first_epoch = first_epoch

    def on_train_begin(self, logs=None):
        if self.first_epoch == 0:
            write_hyperparameters(self.folder, self.values)
            write_text(self.folder, "settings", self.values, step=0)

    def on_epoch_end(self, epoch, logs=None):
        if self.count:
            write_pictures(self.folder, self.objective.pictures(self.model, self.folder, epoch + 1, self.count), step=epoch + 1)


def write_pictures(folder, pictures, *, step):
    """Write pictures (uint8 by tag, as of `network_models.training.objective.Objective.pictures`) into a run's logs.

    `step` is the epoch, from 1.
    """
    import tensorflow

    if not pictures:
        return
    writer = tensorflow.summary.create_file_writer(str(folder.logs / "validation"))
    with writer.as_default():
        for tag, pixels in pictures.items():
            tensorflow.summary.image(tag, pixels[None], step=step)
    writer.close()


def write_text(folder, tag, values, *, step):
    """Write names and values into a run's logs as a table, which TensorBoard shows under Text; `step` as of `write_pictures`.

    Parameters
    ----------
    folder : RunFolder
    tag : str
    values : dict
        Numbers, texts, or what is written as one.
    """
    import pandas
    import tensorflow

    words = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values.values()]
    writer = tensorflow.summary.create_file_writer(str(folder.logs / "validation"))
    with writer.as_default():
        tensorflow.summary.text(tag, tables.markdown(pandas.DataFrame({"name": list(values), "value": words})), step=step)
    writer.close()


def write_hyperparameters(folder, values):
    """Write what TensorBoard's HParams tab shows, beside the validation scores that it sets them against."""
    import tensorflow
    from tensorboard.plugins.hparams import api

    plain = {name: value if isinstance(value, (bool, int, float, str)) else str(value or "") for name, value in values.items()}
    writer = tensorflow.summary.create_file_writer(str(folder.logs / "validation"))
    with writer.as_default():
        api.hparams(plain, trial_id=folder.path.name)
    writer.close()
