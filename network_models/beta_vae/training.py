"""Train a beta-VAE and leave everything about it in a run folder, as `network_models.experiment` does for forecasts."""

import csv
import dataclasses
import json

import numpy

from network_models import experiment, workers
from network_models.beta_vae.unit_images import UnitImages
from network_models.run_folder import RunFolder, provenance
from tools import atomic_files
from tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes
    ----------
    folder : RunFolder
    epochs : int
    val_loss : float
        The lowest validation loss, in nats per image.
    scores : dict of str to float
        Of the best network on the validation split: see `scores_of`.
    """

    folder: RunFolder
    epochs: int
    val_loss: float
    scores: dict[str, float]


def run(build, settings, *, architecture):
    """Train, or continue to train, a beta-VAE.

    Parameters
    ----------
    build : callable
        ``build(input_shapes, options, seed=...)`` returns a `network_models.variational.BetaVAE`.
    settings : network_models.settings.RunSettings
        Its training is a `VAETraining`.
    architecture : str
        Stored in settings.yml.

    Returns
    -------
    Result

    Raises
    ------
    UserError
        Data are missing, a split is empty, something leaks between the splits, an image is outside 0 to 1 under a
        Bernoulli loss, the loss is not finite.

    Notes
    -----
    One device. Batches of validation are reconstructed from the mean of the posterior, so that their loss does not vary
    with the noise.
    """
    import keras

    data, training, options = settings.data, settings.training, settings.network
    if training.devices > 1:
        raise UserError(f"--devices {training.devices}: a beta-VAE trains on one device")
    if workers.cluster():
        raise UserError("TF_CONFIG or SLURM: names several processes; a beta-VAE trains in one")
    experiment.refuse_finished(settings)
    data.require_downloaded()
    counts = {split: len(data.require_samples(split)) for split in ("training", "validation")}
    checked = options.likelihood == "bernoulli"
    images = UnitImages(data, sequence=architecture == "sequence", checked=checked, disk=options.disk)
    print(data.check_leaks())

    batch = training.batch_size
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if training.mixed_precision else "float32")
    try:
        keras.utils.set_random_seed(training.seed)
        with experiment.parameter_limit(numpy.inf if training.allow_large else experiment.LARGEST):
            model = build(images.input_shapes, options, seed=training.seed)
        if not settings.resume:
            start_at_mean_image(model, images)
        shown = _some(images, training.shown)  # before the folder is made: this reads images, which may be wrong
        steps = images.steps("training", batch)
        model.compile(optimizer=optimizer_of(training, steps), jit_compile=training.xla)
        model.optimizer.build(model.trainable_variables)
        stored = {"architecture": architecture, **settings.as_dictionary()}
        folder = settings.resume or RunFolder.create(settings.network_folder)
        callbacks = _prepare(folder, model, stored, settings, shown, images)
        state = callbacks[-1]
        first_epoch = state.first_epoch
        print(
            f"{data.title}: {counts['training']} training and {counts['validation']} validation samples;"
            f" {model.count_params():,} parameters; run folder {folder}"
        )
        if first_epoch >= training.epochs or (state.stopped and not experiment.asks_for_more(settings)):
            return _finish(folder, images, batch)  # killed after its last epoch
        state.skip_done_steps(model)
        place = {"first_epoch": first_epoch, "first_step": state.first_step}
        with images.reporting_reads(), state.watching_signals():
            model.fit(
                images.pipeline("training", batch_size=batch, seed=training.seed, **place),
                validation_data=images.pipeline("validation", batch_size=batch),
                steps_per_epoch=steps,
                validation_steps=images.steps("validation", batch),
                initial_epoch=first_epoch,
                epochs=training.epochs,
                shuffle=False,  # the pipeline has done it
                callbacks=callbacks,
                verbose=2,
            )
    finally:
        keras.config.set_dtype_policy(policy)
    return _finish(folder, images, batch)


def start_at_mean_image(model, images, *, most=512):
    """Give `RemoveMean` and `AddMean` layers, where a network has them, the mean image of the training split.

    Parameters
    ----------
    model : network_models.variational.BetaVAE
    images : UnitImages
    most : int
        Samples used: all, or this many evenly spaced ones.
    """
    from tqdm import tqdm

    layers = {layer.name: layer for part in (model.encoder, model.decoder) for layer in part.layers}
    if "remove_mean" not in layers:
        return
    times = images.times("training")
    times = times[numpy.unique(numpy.linspace(0, len(times) - 1, min(most, len(times))).astype(int))]
    total = squares = 0.0
    for time in tqdm(times, desc="mean image", unit="image", disable=None, leave=False):
        image = images.image(time).astype("float64")
        total, squares = total + image, squares + image**2
    mean = total / len(times)
    deviation = float(numpy.sqrt(numpy.maximum(squares / len(times) - mean**2, 0).mean())) or 1.0
    layers["remove_mean"].set_statistics(mean, deviation)
    if model.likelihood == "bernoulli":
        share = numpy.clip(mean, 0.002, 0.998)
        layers["add_mean"].set_statistics(numpy.log(share / (1 - share)), 1.0)
    else:
        layers["add_mean"].set_statistics(mean, deviation)


def optimizer_of(training, steps):
    """The `keras.optimizers.Optimizer` of some options; its rate is multiplied by gamma after every `steps` steps."""
    import keras

    rate = training.learning_rate
    if training.gamma < 1:
        rate = keras.optimizers.schedules.ExponentialDecay(rate, steps, training.gamma, staircase=True)
    decay = training.weight_decay or None
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, weight_decay=decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)


def load(path):
    """Load a saved beta-VAE.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    network_models.variational.BetaVAE

    Raises
    ------
    UserError
        As `network_models.trained_network.load_network`; or the network is another one.
    """
    from network_models.trained_network import load_network
    from network_models.variational import BetaVAE

    model = load_network(path)
    if not isinstance(model, BetaVAE):
        raise UserError(f"{path}: is no beta-VAE; train one with network_models/beta_vae/train.py")
    return model


def scores_of(model, images, path, *, split="validation", batch_size=16):
    """Reconstruction error and divergence of every sample of a split, as a CSV, and their means.

    Parameters
    ----------
    model : network_models.variational.BetaVAE
    images : UnitImages
    path : str or pathlib.Path
        The CSV, with columns time, reconstruction_error (nats), mean_squared_error (of a pixel), kl (nats).
    split : str
    batch_size : int

    Returns
    -------
    dict of str to float
        Means over samples of reconstruction_error, mean_squared_error and kl, the lower bound of the log-likelihood
        (elbo, nats), and active_latents: how many latents have a divergence above 0.01 nats.
    """
    from tqdm import tqdm

    from network_models.variational import divergence

    times = images.require_samples(split)
    rows, latent = [], []
    with images.reporting_reads(), tqdm(total=len(times), desc=f"reconstruct {split}", unit="image", disable=None) as bar:
        for inputs, _ in images.pipeline(split, batch_size=batch_size):
            batch = next(iter(inputs.values()))
            outputs = model(batch, training=False)
            kl = numpy.asarray(divergence(outputs["mean"], outputs["log_variance"]))
            error = numpy.asarray(model.reconstruction_error(batch, outputs["output"]))
            squares = (numpy.asarray(model.images(outputs["output"])) - batch.numpy()) ** 2
            rows += zip(error, squares.reshape(len(squares), -1).mean(axis=1), kl.sum(axis=1), strict=True)
            latent.append(kl)
            bar.update(len(error))
    with atomic_files.replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", "reconstruction_error", "mean_squared_error", "kl"])
        writer.writerows([f"{time}Z", *(f"{value:.9g}" for value in row)] for time, row in zip(times, rows, strict=True))
    means = numpy.array(rows, "float64").mean(axis=0)
    active = int((numpy.concatenate(latent).mean(axis=0) > 0.01).sum())
    names = ("reconstruction_error", "mean_squared_error", "kl")
    scores = dict(zip(names, map(float, means), strict=True))
    return scores | {"elbo": float(-means[0] - means[2]), "active_latents": active}


def _some(images, count):
    """Evenly spaced samples of the validation split; the first and the last of training are looked at too."""
    for time in images.times("training")[[0, -1]]:
        images.image(time)
    times = images.times("validation")
    places = numpy.unique(numpy.linspace(0, len(times) - 1, min(count, len(times))).astype(int))
    return numpy.stack([images.image(time) for time in times[places]])


def _prepare(folder, model, stored, settings, shown, images):
    """Write what is known before training, or restore what was reached; returns the callbacks, the state's the last."""
    import keras

    from network_models import training_callbacks
    from network_models.beta_vae.callbacks import LatentKL, Pictures
    from network_models.training_state import TrainingState
    from tools import figures

    data, training = settings.data, settings.training
    title = figures.title(f"{stored['architecture']}: {data.title}", simulated=data.simulated)
    columns = {}
    for group in ("network_options", "training_options", "data_options"):
        columns |= {name: json.dumps(value) if isinstance(value, list) else value for name, value in stored[group].items()}
    savers = training_callbacks.SaveNetworks(folder, model)
    table = training_callbacks.PerformanceTable(folder, columns)
    latent_kl = LatentKL(folder, title)
    keywords = {"patience": training.stop_after, "every": training.checkpoint_steps}
    state = TrainingState(folder, savers, others=[latent_kl], **keywords)
    if settings.resume:
        table.first_epoch = state.restore(model)
    else:
        folder.write_settings({**stored, **data.describe(), "parameters": model.count_params(), **provenance()})
        lines = []
        for part in (model.encoder, model.decoder):
            part.summary(print_fn=lambda line, **_: lines.append(line))
        atomic_files.write_text(folder.summary, "\n".join(lines) + "\n")
    return [
        training_callbacks.StopOnInvalidLoss(),
        table,
        training_callbacks.LossCurve(folder, table, label="loss (nats per image)", title=title),
        latent_kl,
        Pictures(folder, shown, seed=training.seed, channel=images.channels[0], title=title),
        savers,
        keras.callbacks.TensorBoard(str(folder.logs), write_graph=False),
        state,
    ]


def _finish(folder, images, batch_size):
    import pandas

    history = pandas.read_csv(folder.performance / "loss_and_architecture.csv")
    path = folder.performance / "validation_reconstructions.csv"
    scores = scores_of(load(folder.best), images, path, batch_size=batch_size)
    result = Result(folder, int(history["epoch"].iloc[-1]), float(history["val_loss"].min()), scores)
    atomic_files.write_text(folder.performance / "scores.json", json.dumps(scores, indent=2) + "\n")
    for name, value in scores.items():
        print(f"  {name:24s} {value:9.4f}")
    # One line that a program can read.
    print(json.dumps({"run_folder": str(folder), "epochs": result.epochs, "val_loss": result.val_loss, **scores}))
    return result
