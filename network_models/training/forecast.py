"""Forecasts as an objective: losses, starts and scores of networks that forecast a data set's target."""

import functools
import math

import numpy

from dataset_models import simulation_mark
from dataset_models.solar_data import some_of
from network_models.training import board, start
from network_models.training.objective import Objective
from tools import atomic_files, figures, skill_scores, tables
from tools.errors import UserError

_MADE_ANEW = "remove it, and it is made anew"
_SHOWN_BYTES = 64 << 20  # of the samples kept for TensorBoard


class Forecast(Objective):
    """Forecast the target of a data set: a number, or whether there is an event.

    Parameters
    ----------
    settings : network_models.settings.RunSettings
    optimizer : callable, optional
        ``optimizer()`` returns the `keras.optimizers.Optimizer`; without it the settings decide.
    class_weights : sequence of float, optional
        For classification: weights of samples without and with an event, in the loss of a batch and in the losses reported
        (`network_models.distribution.weighted_batches`).

    Notes
    -----
    A network's output is (n, 1): the target, or for classification the logit of the event; or (n, 2): logits of no
    event and event; or a dict whose entry ``"logits"`` is one of these.
    """

    def __init__(self, settings, *, optimizer=None, class_weights=None):
        self.data = settings.data
        error = f"mean {settings.training.regression_error} error"
        self.label = "cross-entropy" if self.data.task == "classification" else error
        self.title = figures.title(f"{self.data.target_label}\n{self.data.title}", simulated=self.data.simulated)
        self.class_weights = class_weights
        self._training = settings.training
        self._kept = None
        self._optimizer = optimizer or functools.partial(optimizer_of, settings.training)

    def start(self, network):
        """Fill `Whiten` layers and set the bias of the last layer: see `network_models.training.start`."""
        start.fit_statistics(network, self.data)
        start.start_at_climatology(network, self.data)

    def trained_part(self, network):
        """Return the network up to its target or logits: Keras pairs targets and metrics with the first of several outputs."""
        import keras

        return keras.Model(network.input, network.output["logits"]) if isinstance(network.output, dict) else network

    def compile(self, model, *, replicas):
        """Compile with the loss of `loss_of`, and a metric that repeats it as a mean over samples."""
        from network_models.training.metrics import CountedProbabilities, MeanLoss, TrueSkillStatistic

        kind, keywords = self.loss_of(model)
        # Samples that carry weights: network_models.distribution.weighted_batches.
        reduction = "sum" if replicas > 1 or self.class_weights is not None else "sum_over_batch_size"
        loss = kind(reduction=reduction, **keywords)
        metrics = [MeanLoss(kind(reduction="none", **keywords), self.class_weights)]
        if self.data.task == "classification":
            metrics += [TrueSkillStatistic(), CountedProbabilities()]
        xla = self._training.xla
        model.compile(optimizer=self._optimizer(), loss=loss, weighted_metrics=metrics, jit_compile=xla)
        model.optimizer.build(model.trainable_variables)  # here, since its variables belong to the devices of this scope

    def loss_of(self, model):
        """Choose the loss: its class, and its arguments beside the reduction.

        Raises
        ------
        UserError
            The model cannot be trained for the data set's task.
        """
        import keras

        data, width = self.data, model.output.shape[-1]
        if data.task == "regression" and width != 1:
            raise UserError(f"{model.name} has {width} outputs and {data.title} asks for one number; choose another target")
        if data.task == "regression":
            absolute = self._training.regression_error == "absolute"
            return keras.losses.MeanAbsoluteError if absolute else keras.losses.MeanSquaredError, {}
        if width == 1:
            return keras.losses.BinaryCrossentropy, {"from_logits": True}
        return keras.losses.SparseCategoricalCrossentropy, {"from_logits": True}

    def build_metrics(self, model):
        """Make the variables of the metrics, as `Objective.build_metrics`."""
        import keras

        target = keras.ops.zeros((1, 1))
        model.compute_metrics(None, target, keras.ops.zeros((1, model.output.shape[-1])), target)
        model.reset_metrics()

    def pictures(self, model, folder, epoch, count):
        """Draw validation samples with forecasts and gradients.

        Of a classification also the confusion matrix of the split, precision and recall, and reliability.
        """
        from network_models.training.metrics import forecasts_of

        data, drawn = self.data, {}
        if data.image_inputs and data.channels:
            times, inputs, images = self._shown(count)
            outputs, gradients = _outputs_and_gradients(model, inputs, self.data.image_inputs[0])
            titles = [
                f"{str(time).removesuffix(':00').replace('T', ' ')} UTC\nforecast {forecast:.3g}, true {data.target(time):.3g}"
                for time, forecast in zip(times, data.forecast(outputs), strict=True)
            ]
            title = f"{self.title}\nvalidation, epoch {epoch}"
            drawn["validation samples"] = board.draw_samples(images, data.channels[0], titles, title=title, maps=gradients)
        counted = next((metric for metric in _metrics(model) if hasattr(metric, "bins")), None)
        # Of several processes each may have counted its own share.
        if counted is not None and round(float(numpy.sum(counted.counts))) == len(data.times("validation")):
            title = f"{self.title}\nvalidation, epoch {epoch}"
            drawn["confusion matrix"] = board.draw_confusion(numpy.asarray(counted.counts), title=f"{title}, yes from 0.5 on")
            drawn |= _probability_pictures(*forecasts_of(numpy.asarray(counted.bins)), title=title)
        return drawn

    def last_pictures(self, folder):
        """Draw precision and recall, and reliability, of the best network's validation forecasts, of a classification."""
        import pandas

        if self.data.task != "classification":
            return {}
        table = pandas.read_csv(folder.performance / "validation_forecasts.csv")
        probability, event = (table[name].to_numpy("float64") for name in ("prediction", "true_value"))
        drawn = _probability_pictures(probability, event, title=f"{self.title}\nvalidation, best network")
        return {f"{tag} of the best network": pixels for tag, pixels in drawn.items()}

    def _shown(self, count):
        """Read evenly spaced validation samples, once: times, inputs by name, and the first channel of their images."""
        if self._kept is None:
            size = sum(4 * math.prod(shape) for shape in self.data.input_shapes.values())
            count = max(1, min(count, _SHOWN_BYTES // size))
            times = some_of(self.data.times("validation"), count)
            samples = [self.data.inputs(time) for time in times]
            inputs = {name: numpy.stack([numpy.asarray(one[name], "float32") for one in samples]) for name in samples[0]}
            self._kept = times, inputs, inputs[self.data.image_inputs[0]][..., 0]
        return self._kept

    def scores(self, folder, *, batch_size):
        """Write the forecasts of the validation split; returns `scores_of` them and, for classification, the best skill."""
        from network_models.trained_network import load_network

        predictions = folder.performance / "validation_forecasts.csv"
        self.data.evaluate(load_network(folder.best), predictions, batch_size=batch_size)
        scores = scores_of(predictions, self.data)
        if self.data.task == "classification":
            scores |= _most_skilful_forecasts(folder, self.data, batch_size)
        return scores


def _probability_pictures(probability, event, count=None, *, title):
    """Draw precision and recall where there is an event, and reliability: pictures by tag; arguments as of `board`."""
    curve = board.draw_precision_recall(probability, event, title=title, count=count)
    drawn = {} if curve is None else {"precision and recall": curve}
    return drawn | {"reliability": board.draw_reliability(probability, event, title=title, count=count)}


def _outputs_and_gradients(model, inputs, image):
    """Compute outputs, and what they change by with the first channel of the image called `image`.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        (n, ...) by name.
    image : str

    Returns
    -------
    outputs : numpy.ndarray
        (n, k).
    gradients : numpy.ndarray or None
        float32 (n, height, width), of the target, or of the logit of the event; None where the network does not take the image.
    """
    import keras
    import tensorflow

    given = {tensor.name: tensorflow.convert_to_tensor(inputs[tensor.name]) for tensor in model.inputs}
    if image not in given:
        return keras.ops.convert_to_numpy(model(given, training=False)), None
    with tensorflow.GradientTape() as tape:
        tape.watch(given[image])
        outputs = model(given, training=False)
        logits = tensorflow.cast(outputs, "float32")
        explained = logits[:, 1] - logits[:, 0] if logits.shape[-1] == 2 else logits[:, 0]
    gradients = tape.gradient(explained, given[image])
    return keras.ops.convert_to_numpy(outputs), None if gradients is None else gradients.numpy()[..., 0]


def _metrics(model):
    """List the metrics that a model was compiled with, those inside Keras's containers too."""
    found = list(model.metrics)
    for metric in found:
        found += getattr(metric, "metrics", ())
    return found


def optimizer_of(training):
    """Make the `keras.optimizers.Optimizer` of some `TrainingOptions`."""
    import keras

    rate = training.learning_rate
    decay = training.weight_decay or None
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, weight_decay=decay)
    if training.optimizer == "adadelta":  # Zeiler 2012, arXiv:1212.5701; the epsilon that Keras had in 2017
        return keras.optimizers.Adadelta(rate, rho=0.95, epsilon=1e-8, weight_decay=decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)


def scores_of(path, data):
    """Score a file written by `SolarData.evaluate`, beside those of the baselines on the same samples.

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
        every value is a flux. Persistence is judged on the samples of which the prior is known, with label tables not all, and
        left out where it is known of none.
    """
    names = ("prediction", "true_value", "prior_value")
    table = tables.read(path, numbers=names, advice=_MADE_ANEW)
    forecast, truth, prior = (table[name].to_numpy() for name in names)
    known = ~numpy.isnan(prior)
    if not all(numpy.isfinite(values).all() for values in (forecast, truth, prior[known])):
        raise UserError(f"{path}: holds values that are no numbers; {_MADE_ANEW}")
    if data.task == "classification":
        climatology = float(data.targets("training").mean())
        scores = skill_scores.probability_scores(forecast, truth, reference=climatology)
        persistence = skill_scores.probability_scores(prior[known], truth[known], reference=climatology) if known.any() else {}
        rate = {"climatology": climatology, "event_rate": float(truth.mean())}
        return scores | {f"persistence_{name}": value for name, value in persistence.items()} | rate
    past = numpy.array([data.truth(time)[0] for time in data.times("training")], "float64")
    if (
        data.target_quantity == "flux"
        and (forecast > 0).all()
        and (truth > 0).all()
        and (prior[known] > 0).all()
        and (past > 0).all()
    ):
        forecast, truth, prior, past = (numpy.log10(values) for values in (forecast, truth, prior, past))
    if known.all():
        return skill_scores.regression_scores(forecast, truth, {"climatology": past.mean(), "persistence": prior})
    scores = skill_scores.regression_scores(forecast, truth, {"climatology": past.mean()})
    if known.any():
        against = skill_scores.regression_scores(forecast[known], truth[known], {"persistence": prior[known]})
        scores |= {name: value for name, value in against.items() if name not in scores}
    return scores


def _most_skilful_forecasts(folder, data, batch_size):
    """Write time, probability and target of the validation split as the most skilful network has it; returns its skill.

    The skill is that of the epoch chosen on this very split, and so flatters a little.
    """
    from network_models.trained_network import load_network

    network = folder.most_skilful if folder.most_skilful.is_file() else folder.best
    source = folder.performance / "validation_forecasts.csv"
    path = folder.performance / "validation_predictions.csv"
    if not network.samefile(folder.best):
        data.evaluate(load_network(network), path, batch_size=batch_size)
        source = path
    columns = {"time": "time", "prediction": "probability", "true_value": "target"}
    table = tables.read(source, numbers=("prediction", "true_value"), texts=("time",), advice=_MADE_ANEW)
    table = table[list(columns)].rename(columns=columns).astype({"target": int})
    atomic_files.write_table(path, simulation_mark.marked(table, data.simulated))
    counts = skill_scores.contingency_table(table["probability"], table["target"])
    return {
        "most_skilful_tss": float(skill_scores.true_skill_statistic(counts)),
        "most_skilful_hss": float(skill_scores.heidke_skill_score(counts)),
    }
