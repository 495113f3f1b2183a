"""SolarData: how images of the Sun and their targets reach a network.

A data set is one class in one ``.py`` file: a subclass of :class:`SolarData`, decorated with
``@dataclasses.dataclass(kw_only=True)``, whose fields made by :func:`tools.options.option` are its options (and its
command line flags). Copy one, change it, and give its path to any script. Everything downstream takes a SolarData.
"""

import abc
import dataclasses
import functools
import hashlib
import inspect
import math
import pathlib
import shlex
import typing

import numpy

from dataset_models import batches, data_view, evaluation, simulation_mark
from dataset_models.evaluation import EVALUATION_COLUMNS  # noqa: F401
from dataset_models.sample_memory import SampleMemory
from tools import digests, modules, options
from tools.errors import Stopped, UserError
from tools.paths import FILE, PROJECT
from tools.views import View

SPLITS = ("training", "validation")
QUANTITIES = ("flux", "event", "number")  # that a target can be
UNITS = {"flux": "W m^-2", "event": "", "number": ""}
_ALL_THERE_IS = 3  # exit code of a download that fetched all that its archive has


@dataclasses.dataclass(frozen=True)
class Channel:
    """One channel of an image: how it is called and how the field draws it.

    Attributes
    ----------
    name : str
        Short, for file names and labels: ``"171"``, ``"magnetogram"``.
    colour_table : str
        A colour map name that matplotlib knows once sunpy's are registered: ``"sdoaia171"``, ``"hmimag"``.
    unit : str
        Of the pixel values, for colour bars.
    logarithmic : bool
        Whether the pixel values span decades and mean more by their logarithm: intensities yes, magnetograms no.
        Networks whiten, and pictures stretch, accordingly.
    axis_names : tuple of str
        What columns and rows are, where pixels are no places on the sky.
    """

    name: str
    colour_table: str = "gray"
    unit: str = ""
    logarithmic: bool = False
    axis_names: tuple[str, ...] = ()


class Window(typing.NamedTuple):
    """Time that a sample sees, or that its target looks at, relative to the sample's time.

    Attributes
    ----------
    name : str
        For figures: ``"image"``, ``"flare of M1.0 or more"``.
    begin, end : numpy.timedelta64
        Seconds after the sample's time, negative before it; both the same for a moment.
    kind : str
        ``"input"`` or ``"target"``.
    """

    name: str
    begin: numpy.timedelta64
    end: numpy.timedelta64
    kind: str

    @property
    def words(self):
        """Begin and end in hours: str."""
        hours = [f"{limit / numpy.timedelta64(3600, 's'):+g}" for limit in (self.begin, self.end)]
        return f"{hours[0]} h" if self.begin == self.end else f"{hours[0]} h to {hours[1]} h"


@dataclasses.dataclass(frozen=True)
class Availability:
    """Whether a data set's files are there: true where nothing is missing.

    Attributes
    ----------
    looked_in : tuple of str
        Folders and files that were looked at.
    found : int
        Files found.
    missing : tuple of str
        What is missing, in words or as file names.
    """

    looked_in: tuple[str, ...]
    found: int
    missing: tuple[str, ...] = ()

    def __bool__(self):
        return not self.missing

    def __str__(self):
        if self:
            return f"{self.found} files in {', '.join(self.looked_in)}"
        few = ", ".join(self.missing[:4]) + (f" and {len(self.missing) - 4} more" if len(self.missing) > 4 else "")
        return f"missing {few}; looked in {', '.join(self.looked_in)}"


@dataclasses.dataclass(frozen=True)
class Download:
    """A command that fetches files of a data set.

    Attributes
    ----------
    script : str
        Of an archive, relative to the project's folder: ``"dataset_models/download/helioviewer.py"``.
    arguments : tuple of str
    """

    script: str
    arguments: tuple[str, ...]

    def __str__(self):
        return shlex.join(["python", self.script, *self.arguments])

    def run(self):
        """Run it in this process; a `Stopped` where it ends with something rejected or not fetched."""
        try:
            modules.load(PROJECT / self.script).main(list(self.arguments))
        except SystemExit as error:
            if error.code not in (None, 0, _ALL_THERE_IS):
                text = f"{self.script} ended with code {error.code}, as it says above; run it again: {self}"
                raise Stopped(text, error.code) from error


class SolarData(View):
    """Images of the Sun, side information and targets at given times, split into training and validation.

    Images are float32 arrays of shape (height, width, channel), north up and west right: row 0 is solar north. Times
    are UTC, timezone-naive ``datetime64[s]``. A data set shows itself in a notebook, and as a text when it is printed.

    Subclasses state `title`; they implement the abstract members below, and `archives` where files are read.
    """

    title: typing.ClassVar[str]
    memory_budget: typing.ClassVar[int] = 2**30  # bytes of samples kept after their first read

    # What goes in and what comes out

    @property
    @abc.abstractmethod
    def input_shapes(self):
        """Input names and shapes without the batch axis, in the order networks see them.

        ``image`` is the image at the time itself, ``image_prior_1``, ... earlier ones, each (height, width, channel);
        ``side_channel`` is a vector (n,).

        Returns
        -------
        dict of str to tuple of int
        """

    @property
    @abc.abstractmethod
    def channels(self):
        """The channels of every image input: tuple of `Channel`."""

    @property
    def side_channel_names(self):
        """Names of the entries of the side channel, in order: tuple of str."""
        return ()

    @property
    def image_inputs(self):
        """Names of the inputs that are images, the current one first: tuple of str."""
        return tuple(name for name, shape in self.input_shapes.items() if len(shape) == 3)

    @property
    def task(self):
        """``"regression"`` (one number) or ``"classification"`` (event or none in the window)."""
        return "regression"

    @property
    def target_quantity(self):
        """Quantity of `truth` and `value`, one of `QUANTITIES`: str.

        ``"flux"``: peak X-ray flux, 1-8 Angstrom, above zero, which has a GOES class; ``"event"``: whether something
        happens in the window, forecast as a probability (a classification); ``"number"``: anything else.
        """
        return "event" if self.task == "classification" else "number"

    @property
    def target_unit(self):
        """Unit of `truth` and `value`: str, empty where they have none."""
        return UNITS[self.target_quantity]

    @property
    @abc.abstractmethod
    def target_label(self):
        """Axis label of the target as the network gives it, with the unit: str. Only people read it."""

    @property
    def windows(self):
        """List what samples see and what their targets look at: tuple of `Window`, empty where the data set does not say."""
        return ()

    # Samples

    @abc.abstractmethod
    def times(self, split):
        """Return the sample times of ``"training"`` or ``"validation"``: sorted ``datetime64[s]`` array without duplicates."""

    @abc.abstractmethod
    def inputs(self, time):
        """Read the inputs at one time: dict of float32 arrays with the names and shapes of `input_shapes`."""

    @abc.abstractmethod
    def target(self, time):
        """Return the value that the network should give at one time, in its own units: float."""

    @abc.abstractmethod
    def truth(self, time):
        """Return the true value and the value known at the time itself (the prior): two floats in physical units.

        For flux forecasts W m^-2; for classification 1.0 or 0.0, the prior being whether such an event happened in
        the window just past (the persistence forecast).
        """

    def truth_if_known(self, time):
        """Return `truth` of any time: NaN for what is not known, such as what comes after a newly observed image."""
        try:
            return self.truth(time)
        except (UserError, KeyError):
            return math.nan, math.nan

    def value(self, prediction, prior):
        """Turn network outputs (network's units) and priors into physical units: arrays (n,)."""
        return prediction

    def view(self):
        """List what the data set shows of itself: inputs, target, splits and a few samples; see `tools.views.View.view`."""
        return data_view.parts(self, SPLITS)

    def samples(self, split):
        """List the samples of a split, by what is known of them beside their images.

        Returns
        -------
        pandas.DataFrame
            Columns time, target (as the network should give it), true_value and prior_value (as of `truth`), and `metadata`.

        Raises
        ------
        UserError
            When the split is empty.
        """
        import pandas

        return pandas.DataFrame(data_view.rows(self, self.require_samples(split)))

    def sample_name(self, time):
        """Name a sample in a picture: its time to the minute, UTC: str."""
        return str(numpy.datetime64(time, "m")).replace("T", " ")

    def images_between(self, begin, end):
        """List the files of the images of a time, whether or not anything is known of what followed.

        Parameters
        ----------
        begin, end : datetime64 or None
            From and up to which; None leaves that side open.

        Returns
        -------
        dict of numpy.datetime64 to pathlib.Path
            In order of time, of files that `read_image` reads.

        Raises
        ------
        UserError
            The images of the data set are no single files.
        """
        raise UserError(f"{self.title}: its images are no single files that could be listed by their times")

    @property
    def nominal(self):
        """Names of the numbers in `metadata` that are kinds, not amounts: tuple of str."""
        return ()

    def metadata(self, time):
        """Describe a sample for people, beside its time: dict of short name to str or number."""
        return {"value": self.truth(time)[0]}

    @abc.abstractmethod
    def read_image(self, path):
        """Read an image file into inputs: as `inputs`, for the time given by the file.

        Raises
        ------
        UserError
            The file is missing, damaged, of another format or size; names the file and what was expected.
        """

    def image_time(self, path):
        """Read the observation time of an image file: ``datetime64[s]``, UTC, or None where neither name nor header has it."""
        header = self.image_header(path)
        text = str(header.get("DATE-OBS") or header.get("DATE_OBS") or "") if header is not None else ""
        try:
            time = numpy.datetime64(text.strip().removesuffix("Z"), "s")
        except ValueError:
            return None
        return None if numpy.isnat(time) else time

    def image_header(self, path):
        """Read the FITS header (`astropy.io.fits.Header`) of the image as `read_image` returns it, or None.

        Its WCS belongs to the array in FITS order (row 0 is the southernmost): ``image[::-1]``.
        """
        return None

    def header(self, time):
        """Read `image_header` of the current image of a sample; None where the image has no coordinates."""
        return None

    def places(self, time):
        """List known places on the Sun at a time: sequence of (name, longitude, latitude), Stonyhurst degrees."""
        return ()

    # Files

    @property
    def archives(self):
        """Files that may be marked as simulated, by archive (images, flare lists): sequence of lists of paths."""
        return ()

    @functools.cached_property
    def simulated(self):
        """Whether the data are simulated, by the marks of their files: bool, see `dataset_models.simulation_mark`.

        A few files of each archive stand for all of it. A data set without files sets it for the class.
        """
        return simulation_mark.of_archives(self.archives)

    @abc.abstractmethod
    def is_downloaded(self):
        """Check whether the files are there, and if not what is missing and where it was looked for: `Availability`."""

    def downloads(self, start, end):
        """List the commands that fetch the files of a time, in order: list of `Download`, empty where there is no archive.

        Parameters
        ----------
        start, end : str
            UTC, from and before which, as the flags ``--start`` and ``--end`` of the scripts.
        """
        return []

    def download(self, start=None, end=None):
        """Fetch the files of a time with the archives' own scripts; what is there already is not fetched again.

        Parameters
        ----------
        start, end : str, optional
            UTC; by default the options of these names, where the data set has them.

        Returns
        -------
        Availability

        Raises
        ------
        UserError
            The data set has no archive, or a choice is needed (the time, a flare list); the text names what is missing and
            the commands that fetch it.
        tools.errors.Stopped
            A script could not fetch everything that its archive has.
        """
        start, end = start or getattr(self, "start", None), end or getattr(self, "end", None)
        commands = self.downloads(start or "TIME", end or "TIME")
        if not commands:
            if self.is_downloaded():
                return self.is_downloaded()
            raise UserError(f"{self.title}: there is nothing to download automatically; {self.is_downloaded()}")
        if not (start and end):
            raise UserError(f"{self.title}: {self.is_downloaded()}; choose the time: {'; '.join(map(str, commands))}")
        for command in commands:
            command.run()
        for name in list(vars(self)):  # what was found before
            if isinstance(getattr(type(self), name, None), functools.cached_property):
                del vars(self)[name]
        return self.require_downloaded()

    def require_downloaded(self):
        """Raise a `UserError` that names what is missing and where it was looked for, unless everything is there."""
        availability = self.is_downloaded()
        if not availability:
            raise UserError(f"{self.title}: {availability}")
        return availability

    def require_samples(self, split):
        """Return the times of a split; a `UserError` when there are none."""
        times = self.times(split)
        if len(times) == 0:
            raise UserError(f"{self.title}: the {split} split is empty; check its dates and {self.is_downloaded()}")
        return times

    @property
    def reach(self):
        """How far a sample reaches in time: samples of two splits closer than this share what they see or forecast."""
        return numpy.timedelta64(1, "s")

    def check_leaks(self):
        """Refuse splits between which something leaks; `network_models.experiment` calls this before training.

        Returns
        -------
        str
            What was checked and found, in a line.

        Raises
        ------
        UserError
            A time is in both splits, or samples of the two are closer than `reach`.
        """
        from dataset_models import leak_check

        return str(leak_check.check_split(self.times("training"), self.times("validation"), self.reach))

    def describe(self):
        """Describe options, sizes and a fingerprint of the samples, for settings.yml: dict of plain values."""
        digest = hashlib.sha256()
        counts = {}
        for split in SPLITS:
            times = self.times(split)
            counts[split] = len(times)
            digest.update(times.astype("<i8").tobytes())
        return {
            "data_set": self.title,
            "simulated": self.simulated,
            "data_options": options.as_dictionary(self),
            "file_count": self.is_downloaded().found,
            "samples": counts,
            "sample_times_sha256": digest.hexdigest()[:16],
        } | self._digests()

    def _digests(self):
        """Compute the SHA-256 of the files that flags alone name: dict, empty without any."""
        found = {}
        for name, kind in options.places(self).items():
            given = getattr(self, name) or ()
            files = [pathlib.Path(path).expanduser() for path in ((given,) if isinstance(given, str) else given)]
            if kind == FILE and files and all(file.is_file() for file in files):
                found[name] = [digests.of_file(file)[:16] for file in files]
        return {"files_sha256": found} if found else {}

    # Pipelines

    def steps(self, split, batch_size, sampling=None, most_steps=0):
        """Count the batches in one epoch of a split, the last one possibly smaller; parameters as of `pipeline`."""
        count = math.ceil((sampling.count if sampling else len(self.times(split))) / batch_size)
        return min(count, most_steps or count)

    def targets(self, split):
        """Return the targets of a split, in the order of `times`: float32 (n,)."""
        return numpy.array([self.target(time) for time in self.times(split)], "float32")

    def pipeline(
        self,
        split,
        *,
        batch_size,
        seed=None,
        first_epoch=0,
        first_step=0,
        shard=(0, 1),
        readers=None,
        sampling=None,
        most_steps=0,
        keep=True,
        every=1,
        targets=None,
    ):
        """Make batches of (inputs, target), as a `tf.data.Dataset`.

        Parameters
        ----------
        split : str
            ``"training"`` or ``"validation"``.
        batch_size : int
            Samples per batch, over all shards together.
        seed : int, optional
            Given: endless epochs, each in the order that seed and epoch number determine; take `steps` batches per
            epoch. Not given: one pass in the order of time.
        first_epoch : int
            Number of the first epoch, to continue an interrupted training with the same orders.
        first_step : int
            Batches of the first epoch that are left out, to continue it.
        shard : tuple of int
            (index, count): of each batch take every count-th sample, for one worker of several.
        readers : int, optional
            Samples of a batch that are read at once. The order of samples does not depend on it.
        sampling : object, optional
            What an epoch consists of, if not every sample once: it has ``count`` entries;
            ``sampling.positions(epoch)``, int64 (count,), gives the sample of each one; ``sampling.changed(arrays,
            epoch, entry)`` returns its inputs, given those of the sample in the order of `input_shapes`. Entries are
            shuffled as samples are. For example `dataset_models.augmentation.EqualClasses`.
        most_steps : int
            Batches of an epoch at most; 0: all. With `seed` the first ones of its order, so other samples in every epoch;
            without it samples evenly over the split.
        keep : bool
            Keep samples in memory for the next pass, up to `memory_budget`.
        every : int
            Take every n-th sample of the split.
        targets : numpy.ndarray, optional
            float32 (n,) or (n, k): of the samples of the split, instead of `targets`.

        Returns
        -------
        tf.data.Dataset
            Of (dict of float32 (batch, ...), float32 (batch,) or (batch, k)). Reads run ahead. With several shards, of (dict of
            float32 (share, ...), float32 (share,), float32 (batch,)): the last are the targets of the whole batch. A share
            without samples has one in its inputs nonetheless, and no target.

        Raises
        ------
        UserError
            When the split is empty.
        """
        times = self.require_samples(split)[::every]
        blocks = self.reading_blocks(split)
        return batches.batches(
            functools.partial(self._memory.arrays, self, keep=keep),
            times,
            (self.targets(split) if targets is None else targets)[::every],
            self.input_shapes,
            batch_size=batch_size,
            seed=seed,
            first_epoch=first_epoch,
            first_step=first_step,
            shard=shard,
            readers=readers,
            sampling=sampling,
            most_steps=most_steps,
            blocks=blocks and blocks._replace(block=blocks.block[::every]),
        )

    def reading_blocks(self, split):
        """Tell which samples of a split are stored together, so that an epoch reads what they share once.

        Returns
        -------
        dataset_models.batches.Blocks or None
            None: each is read by itself, and an epoch may take them in any order.
        """
        return None

    def kept_inputs(self, time):
        """Read `inputs` of a sample that is read again and again: kept in memory up to `memory_budget`; never change them."""
        seconds = int(numpy.datetime64(time, "s").astype("int64"))
        return dict(zip(self.input_shapes, self._memory.arrays(self, seconds), strict=True))

    def reporting_reads(self):
        """Inside this block an error met while a pipeline reads is raised as itself, not as TensorFlow's wrapping."""
        return self._memory.reporting()

    @functools.cached_property
    def _memory(self):
        return SampleMemory()

    # Scoring

    def forecast(self, outputs):
        """Turn the network outputs of a batch into one number per sample: flux in the network's units, or a probability.

        Parameters
        ----------
        outputs : array or dict of arrays
            Shape (n, 1) or (n, 2); of a network with several named outputs, the one named ``"logits"``. For
            classification these are logits: of the event, or of (no event, event).

        Returns
        -------
        numpy.ndarray
            float64 (n,).
        """
        if isinstance(outputs, dict):
            outputs = outputs["logits"]
        outputs = numpy.asarray(outputs, "float64").reshape(len(outputs), -1)
        if self.task == "regression":
            return outputs[:, 0]
        logit = outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs[:, 0]
        return 0.5 * (1 + numpy.tanh(logit / 2))

    def finite_forecast(self, outputs, where):
        """Turn network outputs into numbers as `forecast`, once it is sure that they are finite.

        Parameters
        ----------
        outputs : array or dict of arrays
            As of `forecast`.
        where : callable
            ``where(i)`` names the i-th sample of the batch, with the network where it is known.

        Raises
        ------
        UserError
            The network returns NaN or infinity for a sample, which is named.
        """
        used = numpy.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs, "float64")
        used = used.reshape(len(used), -1)
        wrong = ~numpy.isfinite(used).all(axis=1)
        if wrong.any():
            first = int(wrong.argmax())
            value = used[first][~numpy.isfinite(used[first])][0]
            raise UserError(f"{where(first)}: returns {value:g}, which is no forecast; check its weights, or train anew")
        return self.forecast(outputs)

    def evaluate(self, model, path, *, split="validation", batch_size=16, network="the network", every=1):
        """Forecast the samples of a split and write a CSV; memory does not grow with the number of samples.

        Parameters
        ----------
        model : keras.Model
        path : str or pathlib.Path
            The CSV, with columns time, prediction, true_delta, true_value, prior_value: in W m^-2 for flux
            forecasts, probability and 0 or 1 for classification. true_delta is true_value - prior_value. Of simulated
            data with a column simulated of ones besides.
        split : str
        batch_size : int
        network : str or pathlib.Path
            What messages call the network.
        every : int
            Every n-th sample only.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        UserError
            The network returns NaN or infinity for a sample; nothing is written then.
        """
        return evaluation.write(self, model, path, split=split, batch_size=batch_size, network=network, every=every)


def some_of(times, most):
    """Choose some of many times, evenly spaced: an array (m,), m at most `most`.

    Examples
    --------
    >>> some_of(numpy.arange(10), 4).tolist(), some_of(numpy.arange(2), 4).tolist()
    ([0, 3, 6, 9], [0, 1])
    """
    return times[numpy.unique(numpy.linspace(0, len(times) - 1, min(most, len(times))).astype(int))]


def load_solar_data(path):
    """Load the SolarData class of a ``.py`` file.

    The file is imported by `tools.modules.load`.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    type
        The one concrete subclass of `SolarData` that the file defines.

    Raises
    ------
    UserError
        No such file, it cannot be imported, it defines no such class, or several.

    Examples
    --------
    >>> from tools.paths import PROJECT
    >>> data = load_solar_data(PROJECT / "dataset_models" / "digits.py")(image_size=8, most=4)
    >>> data.title, data.task, data.target_quantity, data.input_shapes
    ('handwritten digits', 'regression', 'number', {'image': (8, 8, 1)})
    >>> time = data.times("training")[0]
    >>> data.inputs(time)["image"].shape, data.target(time)
    ((8, 8, 1), 0.0)
    >>> [target.tolist() for _, target in data.pipeline("training", batch_size=3).as_numpy_iterator()]
    [[0.0, 1.0, 2.0], [3.0]]
    """
    path = pathlib.Path(path)
    if path.suffix != ".py" or not path.is_file():
        raise UserError(f"{path}: no such data set file; give the path of a .py file that defines a SolarData class")
    module = modules.load(path)
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, SolarData) and value.__module__ == module.__name__
    ]
    concrete = [value for value in classes if not inspect.isabstract(value)]
    if not concrete:
        abstract = f"; {classes[0].__name__} lacks {', '.join(sorted(classes[0].__abstractmethods__))}" if classes else ""
        raise UserError(f"{path}: defines no SolarData class{abstract}")
    if len(concrete) > 1:
        raise UserError(f"{path}: defines several SolarData classes ({', '.join(c.__name__ for c in concrete)}); keep one")
    return concrete[0]
