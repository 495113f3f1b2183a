"""Train a network on a data set and leave everything about it in a run folder."""

import contextlib
import dataclasses
import json
import math

import numpy

from network_models.distribution import devices as distribution
from network_models.distribution import weighted_batches
from network_models.run_folder import RunFolder, provenance
from network_models.trained_network import load_network
from network_models.training.forecast import Forecast
from tools import atomic_files
from tools.errors import UserError

LARGEST = 150_000_000  # parameters


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run came to.

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


def run(build, settings, *, objective=None, architecture=None, callbacks=(), sampling=None):
    """Train, or continue training, a network.

    Parameters
    ----------
    build : callable
        ``build(input_shapes, options, seed=...)`` returns a `keras.Model` with inputs of the names in `input_shapes`.
    settings : network_models.settings.RunSettings
    objective : network_models.training.objective.Objective, optional
        What the network is trained for; by default `network_models.training.forecast.Forecast`, which states what its
        output has to be.
    architecture : str, optional
        Stored in settings.yml for scripts that train several.
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
        not finite.
    """
    import keras

    from network_models.training.schedules import Schedule
    from network_models.training_callbacks import PerformanceTable

    objective = objective or Forecast(settings)
    data, training, batch = objective.data, settings.training, settings.training.batch_size
    workers = distribution.workers(settings, architecture)
    strategy = None if workers else distribution.strategy(training.devices, xla=training.xla)
    replicas = workers.count if workers else strategy.num_replicas_in_sync if strategy else 1
    data.require_downloaded()
    counts = {split: len(data.require_samples(split)) for split in ("training", "validation")}
    chief = workers is None or workers.is_chief
    say = print if chief else lambda *_: None
    say(data.check_leaks())
    if batch < replicas:
        raise UserError(f"--batch_size {batch}: must be at least the number of devices, {replicas}")
    done = finished(settings)
    if done is not None:
        raise UserError(f"{done.folder}: already has {done.epochs} epochs; ask for more with --epochs")

    with _precision(training.mixed_precision):
        keras.utils.set_random_seed(training.seed)
        limit = math.inf if training.allow_large else LARGEST
        with distribution.scope(strategy), parameter_limit(limit):
            network = build(data.input_shapes, settings.network, seed=training.seed)
            model = objective.trained_part(network)
            objective.compile(model, replicas=replicas)
            if training.scale_rate and replicas > 1:
                model.optimizer.learning_rate = replicas * training.learning_rate
                for callback in callbacks:
                    if isinstance(callback, Schedule):
                        callback.scale = replicas
        if not settings.resume:  # before the folder is made: this reads images, which may be damaged
            objective.start(network)
            if training.start_from:
                take_weights(network, training.start_from)
        stored = {"architecture": architecture} if architecture else {}
        stored |= settings.as_dictionary()
        if settings.resume or not chief:
            folder = settings.resume or RunFolder(settings.network_folder / "trained_models")  # of which nothing is used
        else:
            folder = RunFolder.create(settings.network_folder)
        writers, state = _writers(folder, network, stored, objective, training, callbacks, workers)
        first_epoch = first_step = 0
        if settings.resume:
            first_epoch = state.restore(model)
            first_step = state.first_step
            for writer in writers:
                if isinstance(writer, PerformanceTable):
                    writer.first_epoch = first_epoch
        elif chief:
            folder.write_settings({**stored, **data.describe(), "parameters": network.count_params(), **provenance()})
            lines = []
            network.summary(print_fn=lambda line, **_: lines.append(line), expand_nested=True)
            atomic_files.write_text(folder.summary, "\n".join(lines) + "\n")
        say(
            f"{data.title}: {counts['training']} training and {counts['validation']} validation samples;"
            f" {network.count_params():,} parameters; run folder {folder}"
        )
        if first_epoch >= training.epochs or (state.stopped and not _asks_for_more(settings)):
            return _finish(folder, objective, batch) if chief else None  # killed after its last epoch
        state.go_on()

        steps = data.steps("training", batch, sampling)
        shard = (workers.index, workers.count) if workers else (0, 1)
        training_batches = data.pipeline(
            "training",
            batch_size=batch,
            seed=training.seed,
            first_epoch=first_epoch,
            first_step=first_step,
            shard=shard,
            sampling=sampling,
        )
        validation_batches = data.pipeline("validation", batch_size=batch, shard=shard)
        spread = weighted_batches.for_processes if workers else weighted_batches.for_devices
        convert = spread(replicas, objective.class_weights)
        training_batches, validation_batches = (batches.map(convert) for batches in (training_batches, validation_batches))
        if first_step:
            objective.build_metrics(model)  # a state is about to be restored to them
        losses = workers.naming_losses(folder if chief else None) if workers else contextlib.nullcontext()
        with losses, data.reporting_reads(), state.watching_signals():
            if workers:
                workers.spread(model.trainable_variables)
                workers.own_random_state(model)
                workers.connect(model)
            state.skip_done_steps(model)
            model.fit(
                training_batches,
                validation_data=validation_batches,
                steps_per_epoch=steps,
                validation_steps=data.steps("validation", batch),
                initial_epoch=first_epoch,
                epochs=training.epochs,
                shuffle=False,  # the pipeline has done it
                callbacks=writers,
                verbose=0 if not chief else "auto" if _interactive() else 2,
            )
            if workers:
                workers.sums([numpy.zeros(1)])  # nobody leaves before all are through
    if not chief:
        print(f"process {workers.index} of {workers.count} is through; the chief, {workers.addresses[0]}, has the results")
        return None
    return _finish(folder, objective, batch)


def finished(settings):
    """What the run to resume came to, when it lacks nothing and is not asked for more epochs.

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
    result = _result(folder, json.loads(_scores_file(folder).read_text(encoding="utf-8")))
    return result if result.epochs >= settings.training.epochs or not _asks_for_more(settings) else None


def _scores_file(folder):
    return folder.performance / "scores.json"


def _result(folder, scores):
    import pandas

    history = pandas.read_csv(folder.performance / "loss_and_architecture.csv")
    return Result(folder, int(history["epoch"].iloc[-1]), float(history["val_loss"].min()), scores)


def _asks_for_more(settings):
    """Whether --resume comes with more epochs than the run was begun with."""
    return settings.training.epochs > settings.resume.settings()["training_options"]["epochs"]


def _finish(folder, objective, batch_size):
    scores = objective.scores(folder, batch_size=batch_size)
    mark = {"simulated": True} if objective.data.simulated else {}
    result = _result(folder, scores)
    atomic_files.write_text(_scores_file(folder), json.dumps(scores, indent=2) + "\n")
    for name, value in scores.items():
        print(f"  {name:24s} {value:9.4f}")
    line = {"run_folder": str(folder), "epochs": result.epochs, "val_loss": result.val_loss, **mark, **scores}
    # One line that a program can read: JSON has no NaN.
    print(json.dumps({key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in line.items()}))
    return result


def _writers(folder, network, stored, objective, training, callbacks, workers=None):
    """Callbacks in their order, those of script and objective among them, and the one that keeps the state, the last."""
    import keras

    from network_models import training_callbacks
    from network_models.training.state import TrainingState

    chief = workers is None or workers.is_chief
    savers = training_callbacks.SaveNetworks(folder, network, writes=chief)
    further = objective.callbacks(folder) if chief else []
    state = TrainingState(
        folder,
        savers,
        patience=training.stop_after,
        others=[*callbacks, *further],
        every=training.checkpoint_steps,
        workers=workers,
    )
    first = [training_callbacks.MeanOverSamples()]
    if workers:
        first.append(training_callbacks.SharedStatistics(workers))
    first += [*callbacks, training_callbacks.StopOnInvalidLoss()]
    if not chief:
        return [*first, savers, state], state

    columns = {}
    for group in ("network_options", "training_options", "data_options"):
        columns |= {name: json.dumps(value) if isinstance(value, list) else value for name, value in stored[group].items()}
    table = training_callbacks.PerformanceTable(folder, columns)
    curve = training_callbacks.LossCurve(folder, table, label=objective.label, title=objective.title)
    board = keras.callbacks.TensorBoard(str(folder.logs), write_graph=False)
    return [*first, table, curve, *further, savers, board, state], state


def take_weights(network, path):
    """Give a network the weights of a saved one, statistics of whitening and normalisation included.

    Parameters
    ----------
    network : keras.Model
    path : str or pathlib.Path
        A saved network, whose weights have to be of the same shapes in the same order.

    Raises
    ------
    UserError
        As `network_models.trained_network.load_network`; or the network is another one.
    """
    received = load_network(path).weights
    if [tuple(weight.shape) for weight in received] != [tuple(weight.shape) for weight in network.weights]:
        raise UserError(f"--start_from {path}: has other layers than this network; give the same options as it was made with")
    for mine, theirs in zip(network.weights, received, strict=True):
        mine.assign(theirs)


@contextlib.contextmanager
def parameter_limit(limit):
    """Inside this block a network is refused before the layer that makes it too large takes its memory.

    Parameters
    ----------
    limit : int
        Parameters; a network with more raises a `UserError`.
    """
    import keras

    add_weight, count = keras.layers.Layer.add_weight, 0

    def counted(layer, shape=None, *arguments, **keywords):
        nonlocal count
        count += math.prod(shape or ())
        if count > limit:
            raise UserError(
                f"the network has more than {limit:,} parameters (layer {layer.name} brings them to {count:,}); make it"
                " smaller or give --allow_large"
            )
        return add_weight(layer, shape, *arguments, **keywords)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


@contextlib.contextmanager
def _precision(mixed):
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _interactive():
    import sys

    return sys.stdout.isatty()
