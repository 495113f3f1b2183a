"""What all explanation scripts share: their arguments, what they explain, and where their results go."""

import dataclasses
import os
import pathlib
import unicodedata

import numpy

from dataset_models import observation_times, simulation_mark
from dataset_models.solar_data import SolarData, load_solar_data
from network_models.run_folder import RunFolder
from network_models.trained_network import open_network
from science.gradients.network_structure import default_target, logits_of
from tools import command_line, options
from tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network and the data set whose images it sees.

    Attributes
    ----------
    model : keras.Model
    model_path : pathlib.Path
    data : SolarData
    run : RunFolder or None
        The run that the network belongs to.
    """

    model: object
    model_path: pathlib.Path
    data: SolarData
    run: RunFolder | None


@dataclasses.dataclass(frozen=True)
class Sample:
    """What the network sees at one time.

    Attributes
    ----------
    inputs : dict of str to numpy.ndarray
        float32 with a batch axis of 1, by the names of the model's inputs.
    names : dict of str to str
        The data set's input name of each model input.
    label : str
        For file names: the image file's stem, or the time.
    header : astropy.io.fits.Header or None
        Of the current image, in FITS order (``image[::-1]``).
    time : numpy.datetime64 or None
        Of the sample, where it was asked for by its time.
    simulated : bool
        Whether the data set is simulated, or the image file says that it is.
    """

    inputs: dict[str, numpy.ndarray]
    names: dict[str, str]
    label: str
    header: object
    time: object = None
    simulated: bool = False

    @property
    def title(self):
        """What a figure's title calls it: the time of the sample, or else the label: str."""
        if self.time is None:
            return self.label
        date, clock = str(self.time.astype("datetime64[s]")).split("T")
        return f"{date} {clock.removesuffix(':00')} UTC"


def parse(arguments, description, *, add, image=True, target=True):
    """Read the flags of an explanation script.

    The options of the data set are flags too: ``DATASET.py`` is looked for first, so that ``--help`` lists them.

    Parameters
    ----------
    arguments : list of str or None
    description : str
    add : callable
        Adds the script's own flags to the parser it is given.
    image : bool
        Whether the script explains one image.
    target : bool
        Whether one output of the network is explained in it.

    Returns
    -------
    argparse.Namespace, dict
        The flags, and the data set options that the user gave.
    """
    import sys

    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = command_line.parser(description)
    parser.add_argument("model", metavar="MODEL.hdf5", type=pathlib.Path, help="a trained network")
    parser.add_argument("dataset", metavar="DATASET.py", type=pathlib.Path, help="file that defines a SolarData class")
    if image:
        parser.add_argument("image", metavar="IMAGE", help="image file of the data set, or the UTC time of one of its samples")
        if target:
            parser.add_argument("--target", type=int, help="which output to explain (default: the event, or the only one)")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="where results go (default: in the run folder)")
    add(parser)
    return options.parse_with_file(parser, arguments, load_solar_data)


def load(model_path, dataset, given=None):
    """Load a network and its data set, with the data options of the network's run where it used that data set.

    Parameters
    ----------
    model_path, dataset : str or pathlib.Path
    given : dict, optional
        Data options that override those of the run.

    Returns
    -------
    Subject

    Raises
    ------
    UserError
        A file is missing or unreadable, options are wrong, the network's inputs are not the data set's, or it is a
        beta-VAE, which forecasts nothing.
    """
    trained = open_network(model_path, dataset, given)
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")  # warns of retracing: every method traces functions of its own
    from network_models.layers.variational import BetaVAE

    if isinstance(trained.model, BetaVAE):
        raise UserError(f"{model_path}: is a beta-VAE, which has no forecast to explain; see science/latent_traversal")
    subject = Subject(trained.model, trained.path, trained.data, trained.run)
    model_inputs(subject)
    return subject


def model_inputs(subject):
    """Which data set input feeds each model input: `network_models.trained_network.input_sources` of a Subject."""
    from network_models.trained_network import input_sources

    return input_sources(subject.model, subject.data, subject.model_path)


def sample(subject, image):
    """Read what the network sees, checked.

    Parameters
    ----------
    subject : Subject
    image : str
        A file that the data set reads, or the UTC time of one of its samples (``2026-02-01T00:00``).

    Returns
    -------
    Sample

    Raises
    ------
    UserError
        No such file or time; unreadable; of another shape than the network takes; not finite, or constant.
    """
    from network_models.trained_network import require_shape

    data = subject.data
    path = pathlib.Path(image)
    time, simulated = None, data.simulated
    if path.exists():
        simulated = simulated or bool(simulation_mark.of_file(path))
        arrays, label = data.read_image(path), path.name.split(".fits")[0] if ".fits" in path.name else path.stem
        header = data.image_header(path)
    else:
        time = sample_time(image, data)
        arrays, label, header = data.inputs(time), f"{time}".replace(":", ""), data.header(time)
    names = model_inputs(subject)
    inputs = {}
    for tensor in subject.model.inputs:
        source = names[tensor.name]
        if source not in arrays:
            raise UserError(f"{image}: gives no {source}, which the network takes; it gives {', '.join(arrays)}")
        array = numpy.asarray(arrays[source], "float32")
        require_shape(subject.model_path, tensor.name, tuple(tensor.shape[1:]), array.shape, f"{image} gives {source}")
        if not numpy.isfinite(array).all():
            count = int((~numpy.isfinite(array)).sum())
            amount = "all values are" if count == array.size else f"{count} of {array.size} values are"
            raise UserError(f"{image}: {source}: {amount} NaN or infinite; give a complete image")
        if array.ndim == 3 and numpy.ptp(array) == 0:
            raise UserError(f"{image}: {source}: every pixel is {array.flat[0]:g}; give an image with the Sun on it")
        inputs[tensor.name] = array[None]
    return Sample(inputs, names, label, header, time, simulated)


def channel_place(data, name, default=0):
    """Position of the channel called `name` in a data set's images, `default` without a name: int.

    Raises
    ------
    UserError
        The data set has no such channel.
    """
    names = [channel.name for channel in data.channels]
    if name is not None and name not in names:
        raise UserError(f"--channel {name}: the data set has {', '.join(names)}")
    return default if name is None else names.index(name)


def output_folder(subject, kind, out=None):
    """Where results of one kind go; nothing is made yet.

    Parameters
    ----------
    subject : Subject
    kind : str
        ``"maps"``, ``"features"`` or ``"embeddings"``.
    out : pathlib.Path, optional
        The user's choice. Without it the folder of this kind in the run folder, else beside the network.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    UserError
        It cannot be written to.
    """
    folder = pathlib.Path(out) if out else (subject.run.path if subject.run else subject.model_path.parent) / kind
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be written to; give another folder with --out")
    return folder


def per_meaning(gradient, image, channel):
    """A gradient in the units in which a channel means something.

    Parameters
    ----------
    gradient, image : numpy.ndarray
        (..., height, width): with respect to the pixel values, and these.
    channel : dataset_models.solar_data.Channel

    Returns
    -------
    numpy.ndarray
        For logarithmic channels the gradient with respect to log10(1 + x), which does not favour dark pixels as that
        with respect to x does; otherwise `gradient`.
    """
    return gradient * (1 + numpy.maximum(image, 0)) * numpy.log(10) if channel.logarithmic else gradient


def unit_of(channel, derivative=1):
    """Unit of a map that is a gradient (`derivative` 1) or the square of one (2): str, empty for other maps."""
    if not derivative:
        return ""
    unit = "dex" if channel.logarithmic else channel.unit or "unit"
    squared = f"({unit})²" if "/" in unit or " " in unit else f"{unit}²"
    return f"per {unit}" if derivative == 1 else f"per {squared}"


def meant(attribution, subject, inputs):
    """An attribution in the units in which channels mean something; checks, shares and pictures are all of this one.

    Parameters
    ----------
    attribution : science.explanation.attribution.Attribution
        As a method returns it, of pixel values.
    subject : Subject
    inputs : dict of str to numpy.ndarray
        (n, ...) by model input name: what was explained.

    Returns
    -------
    science.explanation.attribution.Attribution
        Of logarithmic channels gradients are `per_meaning`, and the difference that a product map was made with is one
        of log10(1 + x). Maps that are contributions to the output stay what they are.
    """
    channels = subject.data.channels
    names = model_inputs(subject)
    images = [name for name in attribution.maps if names[name] in subject.data.image_inputs]
    if not any(channel.logarithmic for channel in channels):
        return attribution
    maps, difference = dict(attribution.maps), None if attribution.difference is None else dict(attribution.difference)
    for name in images:
        image = inputs[name]
        if attribution.derivative:
            maps[name] = attribution.maps[name].copy()
            for index, channel in enumerate(channels):
                for _ in range(attribution.derivative):
                    maps[name][..., index] = per_meaning(maps[name][..., index], image[..., index], channel)
        if difference is not None:
            difference[name] = numpy.array(difference[name], "float64")
            for index, channel in enumerate(channels):
                if channel.logarithmic:
                    here = image[..., index].astype("float64")
                    before = here - difference[name][..., index]
                    difference[name][..., index] = _decades(here) - _decades(before)
    return dataclasses.replace(attribution, maps=maps, difference=difference)


def _decades(values):
    return numpy.log10(1 + numpy.maximum(values, 0))


def write_fits(path, values, header, history, *, simulated=False):
    """Write a map in the image's coordinates; sunpy opens it.

    Parameters
    ----------
    path : pathlib.Path
    values : numpy.ndarray
        (height, width), row 0 north.
    header : astropy.io.fits.Header
        Of the image, see `SolarData.image_header`.
    history : sequence of str
        What made the map.
    simulated : bool
        Marks the file, see `dataset_models.simulation_mark`; without it the header's own mark, if any, stays.
    """
    from astropy.io import fits

    kept = header.copy(strip=True)
    # What described the values of the image, or the way they were stored.
    for key in ("BUNIT", "BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "EXTNAME"):
        kept.remove(key, ignore_missing=True, remove_all=True)
    hdu = fits.PrimaryHDU(numpy.ascontiguousarray(values[::-1], "float32"), kept)
    if simulated:
        hdu.header[simulation_mark.KEYWORD] = (True, simulation_mark.WORDS)
    for line in history:
        hdu.header.add_history(_ascii(line))
    hdu.writeto(path, overwrite=True)


def write_arrays(path, *, simulated=False, **arrays):
    """Write arrays as .npz; with those of simulated data goes an entry ``simulated`` that is true."""
    mark = {simulation_mark.COLUMN: numpy.True_} if simulated else {}
    numpy.savez_compressed(path, **arrays, **mark)


def _ascii(text):
    """FITS headers hold ASCII only: Å becomes A, a superscript its digit."""
    decomposed = unicodedata.normalize("NFKD", text).replace("\N{MINUS SIGN}", "-")
    return decomposed.encode("ascii", "ignore").decode("ascii")


def sample_time(text, data):
    """The time of a sample that a word states: ``datetime64[s]``; a `UserError` where there is none."""
    if not text[:4].isdecimal():
        raise UserError(f"{text}: no such image file, nor a UTC time like 2026-02-01T00:00")
    try:
        time = observation_times.from_texts([text], origin=text)[0]
    except UserError as error:
        raise UserError(f"{text}: no such image file, nor a UTC time like 2026-02-01T00:00") from error
    times = numpy.union1d(data.times("training"), data.times("validation"))
    if time not in times:
        near = f"; the nearest is {times[numpy.abs(times - time).argmin()]}" if len(times) else ""
        raise UserError(f"{text}: {data.title} has no sample at this time{near}")
    return time


def finite_output(outputs, image):
    """The explained output of one sample: float; a `UserError` when the network returns NaN or infinity for it."""
    output = float(outputs[0])
    if not numpy.isfinite(output):
        raise UserError(f"{image}: the network returns {output} for this image; there is nothing to explain")
    return output


def output_words(subject, output):
    """The explained output in words; for a single logit also the probability that it means."""
    if subject.data.task == "regression":
        return f"output {output:.3g}"
    if logits_of(subject.model.output).shape[-1] != 1:
        return f"logit {output:.3g}"
    return f"logit {output:.3g} (probability {50 * (1 + numpy.tanh(output / 2)):.0f} %)"


def target_words(subject, target):
    """What one output of the network stands for: str; the event is the second of two, or the only one."""
    label, count = subject.data.target_label, logits_of(subject.model.output).shape[-1]
    if target == default_target(subject.model):
        return label
    other = ", no event" if count == 2 and subject.data.task == "classification" else ""
    return f"output {target}{other}: {label}"


def target_stem(subject, target):
    """For file names, so that no output's results replace another's: str, empty for the event or the only output."""
    return "" if target == default_target(subject.model) else f"output_{target}"
