"""Reconstruction as an objective: how a beta-VAE starts, is compiled and is scored."""

import functools

import numpy

from dataset_models import simulation_mark
from dataset_models.solar_data import some_of
from network_models.training import board, forecast
from network_models.training.objective import Objective
from tools import atomic_files, figures, tables
from tools.errors import UserError

from .building_blocks import ACTIVE
from .unit_images import UnitImages


class Reconstruction(Objective):
    """Give images back, with a divergence of the latents that beta or a capacity limits.

    Parameters
    ----------
    settings : network_models.settings.RunSettings
        Its training is a `VAETraining`, its architecture the name of a network of this folder.

    Notes
    -----
    Batches of validation are reconstructed from the mean of the posterior, so that their loss does not vary with the
    noise. In training the noise of a sample depends on the device that it is on.
    """

    label = "loss (nats per image)"

    def __init__(self, settings):
        settings.data.require_downloaded()
        options, architecture = settings.network, settings.architecture
        checked = options.likelihood == "bernoulli"
        self.data = UnitImages(settings.data, sequence=architecture == "sequence", checked=checked, disk=options.disk)
        self.title = figures.title(f"{architecture}: {self.data.title}", simulated=self.data.simulated)
        self._training = settings.training
        self._latents = options.latent_dim

    def start(self, network):
        """Look at some images, and give the network the mean image where it works on the difference to it."""
        _ = self._shown
        start_at_mean_image(network, self.data)

    def compile(self, model, *, replicas):
        """Compile as `Objective.compile`; a capacity is for one device, since it needs the divergence of whole batches."""
        if replicas > 1 and model.capacity:
            raise UserError(f"--capacity {model.capacity:g}: works on one device, not on {replicas}; use --beta")
        model.compile(optimizer=forecast.optimizer_of(self._training), jit_compile=self._training.xla)
        model.optimizer.build(model.trainable_variables)

    def callbacks(self, folder):
        """Return the writers of latent_kl.csv, if there are latents, and of each epoch's pictures: list of callbacks."""
        from .callbacks import LatentKL, Pictures

        pictures = Pictures(folder, self._shown, seed=self._training.seed, channel=self.data.channels[0], title=self.title)
        divergence = LatentKL(folder, self.title, simulated=self.data.simulated, every=self._training.kl_steps)
        return [divergence, pictures] if self._latents else [pictures]

    def pictures(self, model, folder, epoch, count):
        """Show the epoch's pictures of `callbacks` in TensorBoard too."""
        found = {"reconstructions": "reconstructions", "random latents": "samples"}
        paths = {tag: folder.features / f"{name}_{epoch:02d}.png" for tag, name in found.items()}
        paths["latent divergence"] = folder.performance / "latent_kl.png"
        return {tag: board.pixels_of_file(path) for tag, path in paths.items() if path.is_file()}

    def scores(self, folder, *, batch_size):
        """Score the validation split by `scores_of`."""
        path = folder.performance / "validation_reconstructions.csv"
        return scores_of(load(folder.best), self.data, path, batch_size=batch_size)

    @functools.cached_property
    def _shown(self):
        """Evenly spaced samples of the validation split; the first and the last of training are looked at too."""
        for time in self.data.times("training")[[0, -1]]:
            self.data.image(time)
        times = some_of(self.data.times("validation"), self._training.shown)
        return numpy.stack([self.data.image(time) for time in times])


def start_at_mean_image(model, images, *, most=512):
    """Give `RemoveMean` and `AddMean` layers, where a network has them, the mean image of the training split.

    Parameters
    ----------
    model : network_models.layers.variational.BetaVAE
    images : UnitImages
    most : int
        Samples used: all, or this many evenly spaced ones.
    """
    from tqdm import tqdm

    layers = {layer.name: layer for part in (model.encoder, model.decoder) for layer in part.layers}
    if "remove_mean" not in layers:
        return
    times = some_of(images.times("training"), most)
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


def load(path):
    """Load a saved beta-VAE.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    network_models.layers.variational.BetaVAE

    Raises
    ------
    UserError
        As `network_models.trained_network.load_network`; or the network is another one.
    """
    from network_models.trained_network import load_network

    return require_beta_vae(load_network(path), path)


def require_beta_vae(model, path):
    """Raise a `UserError` that names the file `path` unless `model` is a beta-VAE; returns it."""
    from network_models.layers.variational import BetaVAE

    if not isinstance(model, BetaVAE):
        raise UserError(f"{path}: is no beta-VAE; train one with network_models/beta_vae/train.py")
    return model


def scores_of(model, images, path, *, split="validation", batch_size=16):
    """Reconstruction error and divergence of every sample of a split, as a CSV, and their means.

    Parameters
    ----------
    model : network_models.layers.variational.BetaVAE
    images : UnitImages
    path : str or pathlib.Path
        The CSV, with columns time, reconstruction_error (nats), mean_squared_error (of a pixel), kl (nats), and the mark of
        simulated data.
    split : str
    batch_size : int

    Returns
    -------
    dict of str to float
        Means over samples of reconstruction_error, mean_squared_error and kl, the lower bound of the log-likelihood
        (elbo, nats), and active_latents: how many latents have a divergence above `building_blocks.ACTIVE`.
    """
    from tqdm import tqdm

    times = images.require_samples(split)
    rows, latent = [], []
    with images.reporting_reads(), tqdm(total=len(times), desc=f"reconstruct {split}", unit="image", disable=None) as bar:
        for inputs, _ in images.pipeline(split, batch_size=batch_size):
            batch = next(iter(inputs.values()))
            outputs = model(batch, training=False)
            kl = numpy.asarray(model.divergence(outputs))
            error = numpy.asarray(model.reconstruction_error(batch, outputs["output"]))
            squares = (numpy.asarray(model.images(outputs["output"])) - batch.numpy()) ** 2
            rows += zip(error, squares.reshape(len(squares), -1).mean(axis=1), kl.sum(axis=1), strict=True)
            latent.append(kl)
            bar.update(len(error))
    with atomic_files.replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer, mark = tables.Writer(file), simulation_mark.row(images.simulated)
        writer.writerow(["time", "reconstruction_error", "mean_squared_error", "kl", *mark])
        for time, row in zip(times, rows, strict=True):
            writer.writerow([f"{time}Z", *(f"{value:.9g}" for value in row), *mark.values()])
    means = numpy.array(rows, "float64").mean(axis=0)
    active = int((numpy.concatenate(latent).mean(axis=0) > ACTIVE).sum())
    names = ("reconstruction_error", "mean_squared_error", "kl")
    scores = dict(zip(names, map(float, means), strict=True))
    return scores | {"elbo": float(-means[0] - means[2]), "active_latents": active}
