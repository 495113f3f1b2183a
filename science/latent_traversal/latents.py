"""Common part of the scripts about latent spaces: loading a beta-VAE with its data set, and encoding samples."""

import dataclasses
import pathlib

import numpy

from dataset_models.solar_data import SPLITS
from network_models.beta_vae.building_blocks import ACTIVE  # noqa: F401 - for the scripts beside this file
from network_models.trained_network import open_network
from science.explanation import subject as explanation
from tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Latents and reconstruction errors of the samples of one or both splits.

    Attributes
    ----------
    times : numpy.ndarray
        ``datetime64[s]`` (n,), each split in the order of time.
    splits : numpy.ndarray
        str (n,).
    mean, log_variance : numpy.ndarray
        float64 (n, k), of the posterior of each latent.
    error : numpy.ndarray
        float64 (n,): reconstruction error in nats, of the reconstruction from the mean.
    squares : numpy.ndarray
        float64 (n,): mean squared error of a pixel.
    """

    times: numpy.ndarray
    splits: numpy.ndarray
    mean: numpy.ndarray
    log_variance: numpy.ndarray
    error: numpy.ndarray
    squares: numpy.ndarray

    @property
    def kl(self):
        """Divergence of each latent from the prior, mean over samples: float64 (k,), nats."""
        return 0.5 * (self.mean**2 + numpy.exp(self.log_variance) - 1 - self.log_variance).mean(axis=0)

    @property
    def order(self):
        """Latents by their divergence, the strongest first: int64 (k,)."""
        return numpy.argsort(-self.kl, kind="stable")

    def of(self, split):
        """Select the samples of one split: `Encoded`."""
        members = self.splits == split
        return Encoded(*(getattr(self, field.name)[members] for field in dataclasses.fields(self)))


def load(model_path, dataset, given=None):
    """Load a beta-VAE and its data set, with the data options of its run where that used this data set.

    Parameters
    ----------
    model_path, dataset : str or pathlib.Path
    given : dict, optional
        Data options that override those of the run.

    Returns
    -------
    science.explanation.subject.Subject
        Its data is a `network_models.beta_vae.unit_images.UnitImages`, what the network takes; ``data.data`` is the data
        set itself.

    Raises
    ------
    UserError
        A file is missing or unreadable, the network is no beta-VAE, options are wrong, the images have another shape.
    """
    from network_models.beta_vae import reconstruction
    from network_models.beta_vae.building_blocks import shape_words
    from network_models.beta_vae.unit_images import UnitImages

    trained = open_network(model_path, dataset, given)
    model, data = reconstruction.require_beta_vae(trained.model, model_path), trained.data
    checked = model.likelihood == "bernoulli"
    images = UnitImages(data, sequence=len(model.image_shape) == 4, checked=checked, disk=model.disk)
    received = next(iter(images.input_shapes.values()))
    if received != model.image_shape:
        raise UserError(
            f"{model_path}: takes {shape_words(model.image_shape)} values, {data.title} gives {shape_words(received)};"
            " choose the data options that it was trained with"
        )
    data.require_downloaded()
    return explanation.Subject(model, trained.path, images, trained.run)


def encode(subject, *, splits=SPLITS, batch_size=16):
    """Encode and reconstruct the samples of splits.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
        From `load`.
    splits : sequence of str
    batch_size : int

    Returns
    -------
    Encoded
    """
    from tqdm import tqdm

    model, images = subject.model, subject.data
    times = {split: images.require_samples(split) for split in splits}
    parts = []
    total = sum(map(len, times.values()))
    with images.reporting_reads(), tqdm(total=total, desc="encode", unit="image", disable=None) as bar:
        for split in splits:
            for inputs, _ in images.pipeline(split, batch_size=batch_size):
                batch = next(iter(inputs.values()))
                outputs = model(batch, training=False)
                error = model.reconstruction_error(batch, outputs["output"])
                squares = (numpy.asarray(model.images(outputs["output"])) - batch.numpy()) ** 2
                squares = squares.reshape(len(squares), -1).mean(axis=1)
                parts.append([outputs["mean"], outputs["log_variance"], error, squares])
                bar.update(len(squares))
    arrays = [numpy.concatenate([numpy.asarray(part[place], "float64") for part in parts]) for place in range(4)]
    if not all(numpy.isfinite(array).all() for array in arrays):
        raise UserError(f"{subject.model_path}: returns values that are not finite; check the network and the images")
    every = numpy.concatenate(list(times.values()))
    return Encoded(every, numpy.repeat(list(times), [len(part) for part in times.values()]), *arrays)


def image_of(subject, text):
    """Read the network's input from an image file, or at the time of a sample: float32 array, and a name for it.

    Raises
    ------
    UserError
        No such file or time.
    """
    path = pathlib.Path(text)
    if path.exists():
        return next(iter(subject.data.read_image(path).values())), path.stem
    time = explanation.sample_time(text, subject.data)
    return subject.data.image(time), str(time).replace("T", " ")
