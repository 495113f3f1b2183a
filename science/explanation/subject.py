"""Common part of all explanation scripts: their arguments, what they explain, and where their results go."""

import dataclasses
import os
import pathlib

import numpy

from dataset_models import observation_times, simulation_mark
from dataset_models.solar_data import SolarData, load_solar_data
from network_models.run_folder import RunFolder, resolve_dataset
from network_models.trained_network import TrainedNetwork, input_sources, load_network, open_network, places_of
from tools import command_line, options
from tools.errors import UserError
from tools.options import add_number
from tools.paths import Files


@dataclasses.dataclass(frozen=True)
class Subject:
    """Network and data set whose images it takes. Pickled, it is loaded again: in another process, or on another machine.

    Attributes
    ----------
    model : keras.Model
    model_path : pathlib.Path
    data : SolarData
    run : RunFolder or None
        The run that the network belongs to.
    input_sources : dict of str to str
        Data set input of each model input, see `network_models.trained_network.input_sources`; empty for a beta-VAE.
    """

    model: object
    model_path: pathlib.Path
    data: SolarData
    run: RunFolder | None
    input_sources: dict[str, str] = dataclasses.field(default_factory=dict)

    def __reduce__(self):
        return load, places_of(self.model_path, self.data)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Inputs of a network at one time.

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
    observed : numpy.datetime64 or None
        Of an image file, where its name or header has it.
    simulated : bool
        Whether the data set is simulated, or the image file is marked so.
    """

    inputs: dict[str, numpy.ndarray]
    names: dict[str, str]
    label: str
    header: object
    time: object = None
    simulated: bool = False
    observed: object = None

    @property
    def title(self):
        """Name in a figure's title: the time of the sample or of the image file, or else the label: str."""
        time = self.observed if self.time is None else self.time
        if time is None:
            return self.label
        date, clock = str(time.astype("datetime64[s]")).split("T")
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
        Whether the script explains images: one, or a list, whose flags are added too.
    target : bool
        Whether one output of the network is explained in it.

    Returns
    -------
    argparse.Namespace, dict
        The flags, and the data set options that the user gave. ``image`` is a list of str.
    """
    import sys

    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = command_line.parser(description, draws=True)
    parser.add_argument("model", metavar="MODEL.hdf5", type=pathlib.Path, help="a trained network")
    parser.add_argument("dataset", metavar="DATASET.py", type=pathlib.Path, help="file that defines a SolarData class")
    if image:
        parser.add_argument(
            "image",
            metavar="IMAGE",
            nargs="+",
            action=Files,
            help="image file of the data set, or the UTC time of one of its samples; several, or a CSV with times: a list",
        )
        if target:
            add_number(
                parser,
                "--target",
                int,
                least=0,
                most=1_000_000,
                help="which output to explain (default: the event, or the only one)",
            )
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
        A file is missing or unreadable, options are wrong, the network's inputs are not the data set's, it takes no images,
        or it is a beta-VAE, which forecasts nothing.
    """
    return _checked(open_network(model_path, dataset, given))


def of_run(run, data=None):
    """Take the best network of a run, and the data set that it was trained on or another one.

    Parameters
    ----------
    run : network_models.experiment.Result, network_models.run_folder.RunFolder, str or pathlib.Path
    data : SolarData, optional

    Returns
    -------
    Subject

    Raises
    ------
    UserError
        It is no run, or as `load`.
    """
    run = RunFolder.of(run)
    if data is None:
        return load(run.best, resolve_dataset(run.settings()["dataset"]))
    return _checked(TrainedNetwork(load_network(run.best), run.best, data, run))


def _checked(trained):
    """Make the `Subject` of a `TrainedNetwork`, once it is sure that its forecasts from images can be explained."""
    from network_models.layers.variational import BetaVAE

    model_path = trained.path
    if isinstance(trained.model, BetaVAE):
        raise UserError(f"{model_path}: is a beta-VAE, which has no forecast to explain; see science/latent_traversal")
    sources = input_sources(trained.model, trained.data, trained.path)
    if not any(len(shape) >= 3 for shape in trained.data.input_shapes.values()):
        raise UserError(f"{model_path}: takes no images, and {trained.data.title} has none; images are what is explained here")
    return Subject(trained.model, trained.path, trained.data, trained.run, sources)


def sample(subject, image):
    """Read and check the inputs of the network.

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
    time, observed, simulated = None, None, data.simulated
    if path.exists():
        simulated = simulated or bool(simulation_mark.of_file(path))
        arrays, label = data.read_image(path), path.name.split(".fits")[0] if ".fits" in path.name else path.stem
        header, observed = data.image_header(path), data.image_time(path)
    else:
        time = sample_time(image, data)
        arrays, label, header = data.inputs(time), f"{time}".replace(":", ""), data.header(time)
    names = subject.input_sources
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
    return Sample(inputs, names, label, header, time, simulated, observed)


def channel_place(data, name, default=0):
    """Find the position of the channel called `name` in a data set's images, `default` without a name: int.

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
    """Choose the folder where results of one kind go; nothing is made yet.

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


def write_arrays(path, *, simulated=False, **arrays):
    """Write arrays as .npz; with those of simulated data goes an entry ``simulated`` that is true."""
    numpy.savez_compressed(path, **arrays, **simulation_mark.entry(simulated))


def sample_time(text, data):
    """Find the sample whose time a word states: ``datetime64[s]``; a `UserError` where there is none."""
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
    """Check the explained output of one sample: float; a `UserError` when the network returns NaN or infinity for it."""
    output = float(outputs[0])
    if not numpy.isfinite(output):
        raise UserError(f"{image}: the network returns {output} for this image; there is nothing to explain")
    return output
