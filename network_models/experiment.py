"""Train a forecasting network on a data set and leave everything about it in a run folder."""

import contextlib
import dataclasses
import json
import math

import numpy

from network_models import distribution
from network_models.run_folder import RunFolder, provenance
from tools import atomic_files, skill_scores
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


def run(build, settings, *, architecture=None, callbacks=(), optimizer=None, sampling=None, class_weights=None):
    """Train, or continue training, a network.

    Parameters
    ----------
    build : callable
        ``build(input_shapes, options, seed=...)`` returns a `keras.Model` with inputs of the names in `input_shapes`.
        Its output is (n, 1): the target, or for classification the logit of the event; or (n, 2): logits of no event
        and event; or a dict whose entry ``"logits"`` is one of these.
    settings : network_models.settings.RunSettings
    architecture : str, optional
        Stored in settings.yml for scripts that train several.
    callbacks : sequence of keras.callbacks.Callback
        Further ones, called before those that write files. What those with ``state()`` and ``restore(state)`` return
        is kept for --resume.
    optimizer : callable, optional
        ``optimizer()`` returns the `keras.optimizers.Optimizer`; without it the settings decide.
    sampling : object, optional
        What a training epoch consists of, as for `SolarData.pipeline`.
    class_weights : sequence of float, optional
        For classification: weights of samples without and with an event. The loss of a batch, and the losses reported,
        are then sum(w l) / sum(w), as of ``torch.nn.CrossEntropyLoss(weight)``.

    Returns
    -------
    Result

    Raises
    ------
    UserError
        Data are missing, a split is empty, something leaks between the splits, the network is too large, the loss is
        not finite.
    """
    import keras

    from network_models.training_callbacks import PerformanceTable

    data, training = settings.data, settings.training
    workers = distribution.workers(settings, architecture)
    strategy = None if workers else distribution.strategy(training.devices)
    replicas = workers.count if workers else strategy.num_replicas_in_sync if strategy else 1
    data.require_downloaded()
    counts = {split: len(data.require_samples(split)) for split in ("training", "validation")}
    chief = workers is None or workers.is_chief
    say = print if chief else lambda *_: None
    say(data.check_leaks())
    if training.batch_size < replicas:
        raise UserError(f"--batch_size {training.batch_size}: must be at least the number of devices, {replicas}")
    refuse_finished(settings)

    with _precision(training.mixed_precision):
        keras.utils.set_random_seed(training.seed)
        limit = math.inf if training.allow_large else LARGEST
        with distribution.scope(strategy), parameter_limit(limit):
            network = build(data.input_shapes, settings.network, seed=training.seed)
            model = _trained_part(network)
            _compile(model, data, training, replicas, optimizer, class_weights)
            if training.scale_rate and replicas > 1:
                model.optimizer.learning_rate = replicas * float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        if not settings.resume:  # before the folder is made: this reads images, which may be damaged
            fit_statistics(network, data)
            start_at_climatology(network, data)
        stored = {"architecture": architecture} if architecture else {}
        stored |= settings.as_dictionary()
        if settings.resume or not chief:
            folder = settings.resume or RunFolder(settings.network_folder / "trained_models")  # of which nothing is used
        else:
            folder = RunFolder.create(settings.network_folder)
        writers, state = _writers(folder, network, stored, data, training, callbacks, workers)
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
            network.summary(print_fn=lambda line, **_: lines.append(line))
            atomic_files.write_text(folder.summary, "\n".join(lines) + "\n")
        say(
            f"{data.title}: {counts['training']} training and {counts['validation']} validation samples;"
            f" {network.count_params():,} parameters; run folder {folder}"
        )
        if first_epoch >= training.epochs or (state.stopped and not asks_for_more(settings)):
            return _finish(folder, data, training.batch_size) if chief else None  # killed after its last epoch
        if workers:
            workers.spread(model.trainable_variables)
            workers.own_random_state(model)
            workers.connect(model)

        batch = training.batch_size
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
        convert = _for_workers(workers.count, class_weights) if workers else _for_fit(replicas, class_weights)
        training_batches, validation_batches = (batches.map(convert) for batches in (training_batches, validation_batches))
        if first_step:
            _build_metrics(model)
        state.skip_done_steps(model)
        losses = workers.naming_losses(folder if chief else None) if workers else contextlib.nullcontext()
        with losses, data.reporting_reads(), state.watching_signals():
            model.fit(
                training_batches,
                validation_data=validation_batches,
                steps_per_epoch=data.steps("training", batch, sampling),
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
    return _finish(folder, data, batch)


def refuse_finished(settings):
    """Raise a `UserError` when --resume names a run that lacks nothing and is not asked for more epochs."""
    import pandas

    folder = settings.resume
    if folder is None or not (folder.performance / "scores.json").is_file():
        return
    epochs = int(pandas.read_csv(folder.performance / "loss_and_architecture.csv")["epoch"].iloc[-1])
    if epochs >= settings.training.epochs or not asks_for_more(settings):
        raise UserError(f"{folder}: already has {epochs} epochs; ask for more with --epochs")


def asks_for_more(settings):
    """Whether --resume comes with more epochs than the run was begun with."""
    return settings.training.epochs > settings.resume.settings()["training_options"]["epochs"]


def fit_statistics(model, data, *, most=512):
    """Fill every `Whiten` layer from the training split.

    Parameters
    ----------
    model : keras.Model
        Whiten layers are found by their names, ``whiten_<input>``.
    data : SolarData
    most : int
        Samples used: all, or this many evenly spaced ones.
    """
    from tqdm import tqdm

    from network_models.layers import Whiten

    layers = {layer.name.removeprefix("whiten_"): layer for layer in model.layers if isinstance(layer, Whiten)}
    if not layers:
        return
    times = data.times("training")
    times = times[numpy.unique(numpy.linspace(0, len(times) - 1, min(most, len(times))).astype(int))]
    totals = {name: numpy.zeros((3, data.input_shapes[name][-1])) for name in layers}
    for time in tqdm(times, desc="statistics", unit="image", disable=None, leave=False):
        inputs = data.inputs(time)
        for name, layer in layers.items():
            values = numpy.asarray(layer.transform(inputs[name][None]), "float64").reshape(-1, inputs[name].shape[-1])
            totals[name] += numpy.stack([numpy.full(values.shape[1], len(values)), values.sum(0), (values**2).sum(0)])
    for name, layer in layers.items():
        count, total, squares = totals[name]
        mean = total / count
        layer.set_statistics(mean, numpy.sqrt(numpy.maximum(squares / count - mean**2, 0)))


def start_at_climatology(model, data):
    """Set the bias of the last layer so that an untrained network forecasts the mean of the training split.

    Applies to networks whose last layer is named ``output`` and has one unit: it gets the mean target, or for
    classification the logit of the event rate (kept within 0.1 % and 99.9 %).
    """
    layer = next((layer for layer in model.layers if layer.name == "output"), None)
    if layer is None or layer.bias is None or layer.bias.shape != (1,):
        return
    mean = float(data.targets("training").mean())
    if data.task == "classification":
        rate = min(max(mean, 0.001), 0.999)
        mean = math.log(rate / (1 - rate))
    layer.bias.assign([mean])


def scores_of(path, data):
    """Scores of a file written by `SolarData.evaluate`, beside those of the baselines on the same samples.

    Parameters
    ----------
    path : str or pathlib.Path
    data : SolarData
        Its training split gives climatology.

    Returns
    -------
    dict of str to float
        For classification TSS, HSS, AUC, Brier score and Brier skill against the event rate of the training split,
        and the same for persistence; otherwise errors, and skill against climatology and persistence, in dex where
        every value is a flux.
    """
    import pandas

    table = pandas.read_csv(path)
    forecast, truth, prior = (table[name].to_numpy("float64") for name in ("prediction", "true_value", "prior_value"))
    if data.task == "classification":
        climatology = float(data.targets("training").mean())
        scores = skill_scores.probability_scores(forecast, truth, reference=climatology)
        persistence = skill_scores.probability_scores(prior, truth, reference=climatology)
        rate = {"climatology": climatology, "event_rate": float(truth.mean())}
        return scores | {f"persistence_{name}": value for name, value in persistence.items()} | rate
    past = numpy.array([data.truth(time)[0] for time in data.times("training")], "float64")
    if (forecast > 0).all() and (truth > 0).all() and (prior > 0).all() and (past > 0).all():
        forecast, truth, prior, past = (numpy.log10(values) for values in (forecast, truth, prior, past))
    return skill_scores.regression_scores(forecast, truth, {"climatology": past.mean(), "persistence": prior})


def _finish(folder, data, batch_size):
    import pandas

    from network_models.trained_network import load_network

    history = pandas.read_csv(folder.performance / "loss_and_architecture.csv")
    predictions = folder.performance / "validation_forecasts.csv"
    data.evaluate(load_network(folder.best), predictions, batch_size=batch_size)
    scores = scores_of(predictions, data)
    if data.task == "classification":
        scores |= _most_skilful_forecasts(folder, data, batch_size)
    result = Result(folder, int(history["epoch"].iloc[-1]), float(history["val_loss"].min()), scores)
    atomic_files.write_text(folder.performance / "scores.json", json.dumps(scores, indent=2) + "\n")
    for name, value in scores.items():
        print(f"  {name:24s} {value:9.4f}")
    line = {"run_folder": str(folder), "epochs": result.epochs, "val_loss": result.val_loss, **scores}
    # One line that a program can read: JSON has no NaN.
    print(json.dumps({key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in line.items()}))
    return result


def _most_skilful_forecasts(folder, data, batch_size):
    """Write time, probability and target of the validation split as the most skilful network has it; returns its skill.

    The skill is that of the epoch chosen on this very split, and so flatters a little.
    """
    import pandas

    from network_models.trained_network import load_network

    chosen = folder.most_skilful if folder.most_skilful.is_file() else folder.best
    source = folder.performance / "validation_forecasts.csv"
    path = folder.performance / "validation_predictions.csv"
    if not chosen.samefile(folder.best):
        data.evaluate(load_network(chosen), path, batch_size=batch_size)
        source = path
    columns = {"time": "time", "prediction": "probability", "true_value": "target"}
    table = pandas.read_csv(source)[list(columns)].rename(columns=columns).astype({"target": int})
    atomic_files.write_table(path, table)
    found = skill_scores.contingency_table(table["probability"], table["target"])
    return {
        "most_skilful_tss": float(skill_scores.true_skill_statistic(found)),
        "most_skilful_hss": float(skill_scores.heidke_skill_score(found)),
    }


def _trained_part(network):
    """The network up to its target or logits: Keras pairs targets and metrics with the first of several outputs."""
    import keras

    return keras.Model(network.input, network.output["logits"]) if isinstance(network.output, dict) else network


def _compile(model, data, training, replicas, optimizer, class_weights):
    """Compile with the loss of the data set's task, and a metric that repeats it as a mean over samples."""
    import keras

    from network_models.metrics import HeidkeSkillScore, MeanLoss, TrueSkillStatistic

    width = model.output.shape[-1]
    if data.task == "regression" and width != 1:
        raise UserError(f"{model.name} has {width} outputs and {data.title} asks for one number; choose another target")
    # On several devices, and with class weights, samples carry weights that make a plain sum the mean over the global batch.
    reduction = "sum" if replicas > 1 or class_weights is not None else "sum_over_batch_size"
    if data.task == "regression":
        kind, keywords = keras.losses.MeanSquaredError, {}
    elif width == 1:
        kind, keywords = keras.losses.BinaryCrossentropy, {"from_logits": True}
    else:
        kind, keywords = keras.losses.SparseCategoricalCrossentropy, {"from_logits": True}
    loss = kind(reduction=reduction, **keywords)
    metrics = [MeanLoss(kind(reduction="none", **keywords), class_weights)]
    if data.task == "classification":
        metrics += [TrueSkillStatistic(), HeidkeSkillScore()]
    optimizer = optimizer() if optimizer else _optimizer(training)
    model.compile(optimizer=optimizer, loss=loss, weighted_metrics=metrics, jit_compile=training.xla)
    model.optimizer.build(model.trainable_variables)  # here, since its variables belong to the devices of this scope


def _build_metrics(model):
    """Make the variables of the metrics, which Keras does in the first step: a state is about to be restored to them."""
    import keras

    one = keras.ops.zeros((1, 1))
    model.compute_metrics(None, one, keras.ops.zeros((1, model.output.shape[-1])), one)
    model.reset_metrics()


def _optimizer(training):
    import keras

    decay = training.weight_decay or None
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(training.learning_rate, momentum=0.9, weight_decay=decay)
    return keras.optimizers.Adam(training.learning_rate, weight_decay=decay)


def _for_fit(replicas, class_weights=None):
    """Batches as Keras's losses want them: targets (n, 1), and weights where there are several devices or class weights.

    The weights of a batch add up to 1, so that the sum over devices of weighted losses is their mean over the global
    batch. Samples of weight 0 are added until every device gets equally many: Keras fails on a first batch of uneven parts,
    convolutions on an empty one.
    """

    def convert(inputs, target):
        target = target[:, None]
        if replicas == 1 and class_weights is None:
            return inputs, target
        import tensorflow

        none, event = (1.0, 1.0) if class_weights is None else class_weights
        weight = tensorflow.where(target > 0.5, float(event), float(none))
        weight = weight / tensorflow.reduce_sum(weight)
        fill = tensorflow.math.floormod(-tensorflow.shape(target)[0], replicas)

        def filled(tensor):
            return tensorflow.concat([tensor, tensorflow.repeat(tensor[-1:], fill, axis=0)], 0)

        inputs = {name: filled(tensor) for name, tensor in inputs.items()}
        return inputs, filled(target), tensorflow.concat([weight, tensorflow.zeros((fill, 1))], 0)

    return convert


def _for_workers(count, class_weights=None):
    """Shares of batches, as `SolarData.pipeline` gives them to one of several processes, for Keras's losses.

    As `_for_fit`: weights add up to 1 over the batch of all processes; shares are filled up until all have equally many
    samples, with weight 0.
    """

    def convert(inputs, target, whole):
        import tensorflow

        none, event = (1.0, 1.0) if class_weights is None else class_weights

        def weights(targets):
            return tensorflow.where(targets > 0.5, float(event), float(none))

        rows = (tensorflow.size(whole) + count - 1) // count
        weight = weights(target) / tensorflow.reduce_sum(weights(whole))
        there = tensorflow.shape(next(iter(inputs.values())))[0]
        inputs = {
            name: tensorflow.concat([tensor, tensorflow.repeat(tensor[-1:], rows - there, axis=0)], 0)
            for name, tensor in inputs.items()
        }
        lacking = tensorflow.zeros((rows - tensorflow.size(target),))
        return inputs, tensorflow.concat([target, lacking], 0)[:, None], tensorflow.concat([weight, lacking], 0)[:, None]

    return convert


def _writers(folder, network, stored, data, training, callbacks, workers=None):
    """Callbacks in their order, those of the script among them, and the one that keeps the state, which is the last."""
    import keras

    from network_models import training_callbacks
    from network_models.training_state import TrainingState

    chief = workers is None or workers.is_chief
    savers = training_callbacks.SaveNetworks(folder, network, writes=chief)
    state = TrainingState(
        folder, savers, patience=training.stop_after, others=callbacks, every=training.checkpoint_steps, workers=workers
    )
    first = [training_callbacks.MeanOverSamples()]
    if workers:
        first.append(training_callbacks.SharedStatistics(workers))
    if not chief:
        return [*first, *callbacks, training_callbacks.StopOnInvalidLoss(), savers, state], state

    columns = {}
    for group in ("network_options", "training_options", "data_options"):
        columns |= {name: json.dumps(value) if isinstance(value, list) else value for name, value in stored[group].items()}
    table = training_callbacks.PerformanceTable(folder, columns)
    label = "cross-entropy" if data.task == "classification" else "mean squared error"
    curve = training_callbacks.LossCurve(folder, table, label=label, title=f"{data.target_label}\n{data.title}")
    board = keras.callbacks.TensorBoard(str(folder.logs), write_graph=False)
    return [*first, *callbacks, training_callbacks.StopOnInvalidLoss(), table, curve, savers, board, state], state


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
