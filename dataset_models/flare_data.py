"""Base classes of data sets whose target is flares of lists: windows, splits, history, truth, leak check, places.

A data set of images and the flares that follow them derives from :class:`FlareData` and only brings its images. One with other
samples stands on :class:`FlareImageData` (sequences before flares), or on :class:`FlareListData` where it has no image files
(active regions).
"""

import abc
import dataclasses
import functools
import pathlib
import typing

import numpy

from dataset_models import flare_catalogue, flare_labels, label_tables, leak_check
from dataset_models.flares import flare_history, flare_index, flare_marks
from dataset_models.observation_times import given_time
from dataset_models.solar_data import Availability, Download, SolarData, Window
from tools import goes_class, notes
from tools.errors import UserError
from tools.options import option
from tools.paths import FILE, data_path

QUIET_FLUX = 1e-7  # W m^-2: what a window without a listed flare counts as; flare lists are not complete below C1
CATALOGUE = "catalogue.csv"  # the list that the download of a flare list makes


class FlareListData(SolarData):
    """Flares from lists, the window of a target, and dates.

    Subclasses have the options ``flares``, ``threshold``, ``window_hours``, ``validation_start``, ``start`` and ``end``, and
    ``flares_until`` where it matters how long the lists are complete.
    """

    flares_until = None
    _label_files = ()  # label tables, where targets come from such

    @property
    def events(self):
        """The flares of the lists: `pandas.DataFrame` as `dataset_models.flare_catalogue.Catalogue.events`."""
        return self._events

    @property
    def reach(self):
        return self._window

    # Files

    def _missing_lists(self):
        """Name the flare lists and label tables that are not there: list of str."""
        missing = [f"flare list {path}" for path in self._flare_files if not path.is_file()]
        return missing + [f"label table {path}" for path in self._label_files if not path.is_file()]

    def _list_downloads(self, start, end, *tables):
        """List the commands that fetch flare lists that are missing: list of `Download`.

        Raises
        ------
        UserError
            A missing list, or one of `tables`, is none that a download makes: which one it should be is the user's choice.
        """
        time = ("--start", start, "--end", end)
        lists = [path for path in self._flare_files if not path.is_file()]
        choices = [path for path in lists if path.name != CATALOGUE] + [path for path in tables if not path.is_file()]
        if choices:
            hek = Download("dataset_models/download/hek.py", (*time, "--out", str(choices[0].parent / "HEK")))
            raise UserError(
                f"{self.title}: {', '.join(map(str, choices))} not there, and which list it should be is your choice;"
                f" for example {hek}, and give --flares {choices[0].parent / 'HEK' / CATALOGUE}"
            )
        return [Download("dataset_models/download/hek.py", (*time, "--out", str(path.parent))) for path in lists]

    @functools.cached_property
    def _flare_files(self):
        return [data_path("flares", path) for path in self.flares] or [data_path("flares")]

    @property
    def _lists(self):
        return ", ".join(map(str, self._flare_files))

    # Flares

    @functools.cached_property
    def _events(self):
        return flare_catalogue.read(self._flare_files).events

    @functools.cached_property
    def _index(self):
        return flare_index.FlareIndex(self._events)

    @functools.cached_property
    def _history(self):
        return flare_history.FlareHistory(self._events, until=self._until)

    @functools.cached_property
    def _threshold_flux(self):
        return flare_index.threshold_flux(self.threshold)

    # Times

    @functools.cached_property
    def _window(self):
        return numpy.timedelta64(round(self.window_hours * 3600), "s")

    @functools.cached_property
    def _until(self):
        return given_time("--flares_until", self.flares_until) if self.flares_until else None

    def _within_dates(self, times):
        """Check which times lie from ``start`` on and before ``end``: bool (n,)."""
        inside = numpy.ones(len(times), bool)
        if self.start:
            inside &= times >= given_time("--start", self.start)
        if self.end:
            inside &= times < given_time("--end", self.end)
        return inside

    def _split_in_time(self, times, gap):
        """Split times, at least one, where validation begins: as given, or after three quarters of their span.

        Training ends `gap` before.
        """
        if self.validation_start:
            boundary = given_time("--validation_start", self.validation_start)
        else:
            boundary = times[0] + (times[-1] - times[0]) * 3 // 4
        training = times[(times < boundary) & (times + gap <= boundary)]
        return {"training": training, "validation": times[times >= boundary]}


class FlareImageData(FlareListData):
    """Files of images, and flares of which either the class is forecast or the peak flux.

    Subclasses have the options of `FlareListData`, ``folder`` and ``target_kind``, and bring `image_files`.
    """

    image_name: typing.ClassVar[str] = "image"  # what messages call one
    file_names: typing.ClassVar[str] = ""  # how its files are called, for who looks for them

    # What a subclass brings

    @property
    @abc.abstractmethod
    def image_files(self):
        """Files of images by time: dict of ``numpy.datetime64`` to `pathlib.Path`, in the order of time. Cache it."""

    @property
    def channel_files(self):
        """Files as `image_files`, for each channel that has files of its own: tuple of dict."""
        return (self.image_files,)

    @property
    def found_files(self):
        """Files as `channel_files`, whether or not they can be used: none is opened for it."""
        return self.channel_files

    @functools.cached_property
    def image_folder(self):
        """Folder of the images: `pathlib.Path`."""
        return pathlib.Path(self.folder).expanduser()

    # What goes in and what comes out

    @property
    def task(self):
        return "classification" if self.target_kind == "flare" else "regression"

    @property
    def target_quantity(self):
        return "event" if self.task == "classification" else "flux"

    def value(self, prediction, prior):
        return prediction if self.task == "classification" else 10.0**prediction

    # Files

    def images_between(self, begin, end):
        times = numpy.array(list(self.image_files), "datetime64[s]")
        first = 0 if begin is None else numpy.searchsorted(times, numpy.datetime64(begin, "s"), "left")
        last = len(times) if end is None else numpy.searchsorted(times, numpy.datetime64(end, "s"), "right")
        return {time: self.image_files[time] for time in times[first:last]}

    @property
    def archives(self):
        files = [path for files in self.found_files for path in files.values()] if self.image_folder.is_dir() else []
        return files, [*self._flare_files, *self._label_files]

    def is_downloaded(self):
        looked_in = (str(self.image_folder), *map(str, (*self._flare_files, *self._label_files)))
        missing = self._missing_lists()
        if not self.image_folder.is_dir():
            return Availability(looked_in, 0, (f"folder {self.image_folder}", *missing))
        if not all(self.found_files):
            names = f" ({self.file_names})" if self.file_names else ""
            missing.insert(0, f"{self.image_name}s in {self.image_folder}{names}")
        return Availability(looked_in, sum(map(len, self.found_files)), tuple(missing))

    def downloads(self, start, end):
        return self._list_downloads(start, end, *self._label_files)


@dataclasses.dataclass(kw_only=True)
class FlareData(FlareImageData):
    """Images; whether a flare of at least `threshold` starts within the hours after each, or how strong the strongest is.

    The window is (t, t + hours), open at both ends as in the published studies: a flare that starts at the very time
    of the image does not count.

    With `labels` the targets are those of label tables, whatever window they were made with; `validation_labels` gives the
    validation split, otherwise the labelled images are split like others. A label belongs to the image nearest to it, within
    `label_tolerance`; labels without an image are counted and left out. What happened before an image is taken from the label
    of one window earlier; flare lists are read for the side channel `history` alone, and then tell that as well.

    Subclasses implement `image_files`, `read_picture`, `image_shape` and `channels`; `image_time` where the time stands in the
    file's name, and `image_header` where images have coordinates, which places of flares need. Their own ``__post_init__``, if
    any, calls that of this class.
    """

    folder: str = option(".", "folder of images")
    labels: tuple[str, ...] = option((), "label tables such as Fold1_train.csv, instead of flare lists", place=FILE)
    validation_labels: tuple[str, ...] = option((), "label tables of the validation split, such as Fold1_val.csv", place=FILE)
    label_tolerance: float = option(12.0, "most minutes between a label and its image", least=0.0, most=1440.0)
    flares: tuple[str, ...] = option((), "flare lists (default: flares of config.yml)", place="flares")
    target_kind: str = option(
        "flare", "'flare': is there one; 'log flux': log10 of the strongest", choices=("flare", "log flux")
    )
    threshold: str = option("M1.0", "GOES class that counts as a flare")
    window_hours: float = option(24.0, "hours after the image", least=0.1, most=240.0)
    history: bool = option(False, "what was known of past flares as a side channel")
    history_age: float = option(flare_history.AGE, flare_history.AGE_HELP, least=0.0, most=24_000.0)
    flares_until: str | None = option(None, flare_labels.UNTIL_HELP)
    fold: int = option(
        0, "1 to 4: validate on this quarter of each year, the published folds; 0: split once in time", least=0, most=4
    )
    split: str = option("time", "'time': validation is the later part; 'random': leaks", choices=("time", "random"))
    allow_leaking_split: bool = option(False, "allow --split random: neighbouring hours are nearly the same image")
    validation_start: str | None = option(None, "UTC time at which validation begins (default: the last quarter of the images)")
    start: str | None = option(None, "use images from this UTC time on")
    end: str | None = option(None, "use images before this UTC time")
    gap_hours: float | None = option(
        None, "hours left out around validation (default: the window; for folds none, as published)", least=0.0, most=24_000.0
    )
    split_seed: int = option(0, "seed of a random split", least=0, most=2**32 - 1)

    def __post_init__(self):
        if self.validation_labels and not self.labels:
            raise UserError("--validation_labels: needs --labels, the tables of the training split")

    # What a subclass brings

    @property
    @abc.abstractmethod
    def image_shape(self):
        """(height, width) of every image."""

    @abc.abstractmethod
    def read_picture(self, path):
        """Read a file as an image: float32 (height, width, channel); a `UserError` for one that cannot be used."""

    def image(self, time):
        """Read the image at one of the times of `image_files`: as `read_picture`."""
        return self.read_picture(self.image_files[time])

    # What goes in and what comes out

    @property
    def input_shapes(self):
        shapes = {"image": (*self.image_shape, len(self.channels))}
        return shapes | ({"side_channel": (len(flare_history.NAMES),)} if self.history else {})

    @property
    def side_channel_names(self):
        return flare_history.NAMES if self.history else ()

    @property
    def target_label(self):
        window = f"in the next {self.window_hours:g} h"
        if self.task == "classification":
            return f"flare of {self.threshold} or more {window}"
        return f"log10 of the strongest peak flux {window} (W m$^{{-2}}$)"

    @property
    def windows(self):
        now = numpy.timedelta64(0, "s")
        return Window("image", now, now, "input"), Window("window", now, self._window, "target")

    @property
    def events(self):
        return self._events if self._wants_flares else None

    # Samples

    def times(self, split):
        return self._splits[split]

    def inputs(self, time):
        time = numpy.datetime64(time, "s")
        if time not in self.image_files:
            raise UserError(f"{self.image_folder}: no {self.image_name} of {time}")
        return self._with_history(self.image(time), time, self.image_files[time])

    def target(self, time):
        return float(self._in_network_units(*self._coming([time]))[0])

    def targets(self, split):
        return self._in_network_units(*self._coming(self.times(split))).astype("float32")

    def truth(self, time):
        """Return true value and prior; the prior is of the flares whose class was settled in the hours before the time.

        With label tables and no history it is the label of one window earlier, NaN where there is none.
        """
        number = 0 if self.task == "classification" else 1
        return float(self._coming([time])[number][0]), float(self._past(time)[number])

    def truth_if_known(self, time):
        if self.labels:
            row = self._label_rows(numpy.array([time], "datetime64[s]"))[0]
            return self.truth(time) if row >= 0 else (numpy.nan, float(self._past(time)[self.task != "classification"]))
        true, prior = self.truth(time)
        if not flare_labels.covered(self._events, [time], self._window, until=self._until)[0]:
            true = numpy.nan
        asked = self._history.asked([time], age=self.history_age)
        return true, prior if asked[0] == time else numpy.nan

    def metadata(self, time):
        event, flux = (float(values[0]) for values in self._coming([time]))
        known = {} if numpy.isnan(flux) else {"flux": flux, "class": goes_class.from_flux(flux)}
        return known | {"flare": int(event)}

    def read_image(self, path):
        image = self.read_picture(path)
        if not self.history:
            return {"image": image}
        time = self.image_time(path)
        if time is None:
            raise UserError(f"{path}: neither its name nor its header gives the time, which the flare history needs")
        return self._with_history(image, time, path)

    def header(self, time):
        return self.image_header(self.image_files[numpy.datetime64(time, "s")])

    def places(self, time):
        if self.labels:
            row = self._table[self._label_rows(numpy.array([time], "datetime64[s]"))]
            known = row.event[0] and not numpy.isnan(row.flux[0]) and abs(row.longitude[0]) <= 90
            return ((goes_class.from_flux(row.flux[0]), float(row.longitude[0]), float(row.latitude[0])),) if known else ()
        events, time = self._events, numpy.datetime64(time, "s")
        if "longitude" not in events:
            return ()
        start = events["start"].to_numpy("datetime64[s]")
        coming = (start > time) & (start < time + self._window) & (events["flux"] >= self._threshold_flux).to_numpy()
        seen = coming & (numpy.abs(events["longitude"].to_numpy("float64")) <= 90)
        return tuple((row.goes_class, float(row.longitude), float(row.latitude)) for row in events[seen].itertuples())

    def flare_marks(self, split, grid=None):
        """List the flares of C1.0 and above in each window: how strong, and where their regions are in the image.

        Parameters
        ----------
        split : str
        grid : tuple of int, optional
            (height, width) of the map whose cells are the places; by default that of the image.

        Returns
        -------
        numpy.ndarray
            float32 (n, k, 2) as of `dataset_models.flares.flare_marks.packed`, with the places of
            `dataset_models.flares.flare_marks.places_on_map`: on an image centred on the Sun as seen from the Earth. Of label
            tables the strongest flare alone, its place unknown, since they do not say when in the window it was.

        Raises
        ------
        UserError
            Label tables state 0 and 1 alone.
        """
        times = self.times(split)
        if self.labels:
            return self._marks_of_labels(times)
        shape, marks = self.image_shape, []
        grid = grid or shape
        events = self._events
        placed = "longitude" in events and "latitude" in events
        longitude, latitude = (
            events[name].to_numpy("float64") if placed else numpy.full(len(events), numpy.nan)
            for name in ("longitude", "latitude")
        )
        starts, magnitude = events["start"].to_numpy("datetime64[s]"), flare_marks.magnitudes(events["flux"])
        for time, first, last in zip(times, *self._index.span(times, self._window), strict=True):
            inside = self._index.between(first, last)
            inside = inside[magnitude[inside] >= 0]
            places = numpy.full(len(inside), flare_marks.UNKNOWN)
            if numpy.isfinite(longitude[inside]).any():
                days = (starts[inside] - time) / numpy.timedelta64(1, "D")
                header = self.map_header(time)
                if header is not None:
                    places = flare_marks.places_on_map(header, shape, grid, longitude[inside], latitude[inside], days)
            marks.append((magnitude[inside], places))
        return flare_marks.packed(marks)

    def map_header(self, time):
        """Read the header by which flares find their place in the image of a time, as `header`; None: they find none."""
        return self.header(time)

    def _marks_of_labels(self, times):
        _, flux = self._coming(times)
        if numpy.isnan(flux).any():
            files = ", ".join(map(str, self._label_files))
            raise UserError(f"{files}: states 0 and 1 alone; rates need classes, in the column goes_class, or --flares")
        magnitude = flare_marks.magnitudes(flux)
        return flare_marks.packed([([size], [flare_marks.UNKNOWN]) if size >= 0 else ([], []) for size in magnitude])

    @property
    def split_report(self):
        """Sizes of the splits and how many of their windows overlap: `dataset_models.leak_check.SplitReport`."""
        return self._checked(self._splits)

    def describe(self):
        about = super().describe() | {"overlapping_windows": self.split_report.overlapping}
        return about | ({"labels_without_image": self.labels_without_image} if self.labels else {})

    @property
    def labels_without_image(self):
        """How many labels of each split, or of both together, have no image: dict of str to int."""
        return {name: len(table) - len(self._matched[name][0]) for name, table in self._tables.items()}

    def check_leaks(self):
        splits = [self.times("training"), self.times("validation")]
        compared = 0
        for files in self.channel_files:
            compared += leak_check.check_duplicates(*([files[time] for time in times] for times in splits), times=splits)
        report = f"{self.split_report}; no image is in both splits ({compared} compared by content)"
        if self.labels:
            labels, without = sum(map(len, self._tables.values())), sum(self.labels_without_image.values())
            report += f"; {without} of {labels} labels have no image"
        if self.history and len(splits[0]):
            count = leak_check.check_causality(flare_history.history, self._events, splits[0], names=flare_history.NAMES)
            report += f"; the flare history does not depend on the future (tried at {count} times)"
        return report

    # Parts

    @property
    def _wants_flares(self):
        return not self.labels or self.history

    @functools.cached_property
    def _flare_files(self):
        return super()._flare_files if self._wants_flares else []

    @functools.cached_property
    def _label_files(self):
        return [pathlib.Path(path).expanduser() for path in (*self.labels, *self.validation_labels)]

    @functools.cached_property
    def _tables(self):
        """Label tables by split, or under ``"both"`` where they are to be split: dict of `label_tables.LabelTable`."""
        names = {"training": self.labels, "validation": self.validation_labels}
        names = names if self.validation_labels else {"both": self.labels}
        tables = {split: label_tables.read(paths, threshold=self.threshold) for split, paths in names.items()}
        unstated = sum(table.unstated for table in tables.values())
        if unstated and self.task != "classification":
            files = ", ".join(map(str, self._label_files))
            notes.note(f"{files}: {unstated} classes from X2 on may stand for a flare of X10 or more; they are left out")
            tables = {split: table.stated() for split, table in tables.items()}
        return tables

    @functools.cached_property
    def _table(self):
        """All labels, those of both splits: `label_tables.LabelTable`."""
        table = label_tables.joined(list(self._tables.values()))
        if self.task != "classification" and numpy.isnan(table.flux).any():
            path = next(p for p in self._tables.values() if numpy.isnan(p.flux).any()).paths[0]
            raise UserError(
                f"{path}: states 0 and 1 alone; --target_kind 'log flux' needs tables with classes in the column goes_class"
            )
        return table

    @functools.cached_property
    def _matched(self):
        """Positions of labels and of images that belong together, by the names of `_tables`: dict of two int64 (n,)."""
        times = numpy.array(list(self.image_files), "datetime64[s]")
        matched = {
            name: label_tables.match(table, times, tolerance=self._label_tolerance) for name, table in self._tables.items()
        }
        for name, table in self._tables.items():
            files = ", ".join(map(str, table.paths))
            without, rows = len(table) - len(matched[name][0]), len(table) + table.repeated
            if without == len(table):
                text = f"of its {rows} labels, {table.times[0]} to {table.times[-1]}, none has an image in {self.image_folder}"
                raise UserError(f"{files}: {text} within {self.label_tolerance:g} minutes; give the folder of its images")
            if without or table.repeated:
                repeated = f", {table.repeated} say the same again" if table.repeated else ""
                text = f"{without} of {rows} labels have no image in {self.image_folder}{repeated}; they are left out"
                notes.note(f"{files}: {text}")
        return matched

    @property
    def _label_tolerance(self):
        return numpy.timedelta64(round(60 * self.label_tolerance), "s")

    def _label_rows(self, times):
        """Find the labels of images: int64 (n,), positions in `_table`, -1 where an image has none."""
        return self._table.rows(times, tolerance=self._label_tolerance)

    @functools.cached_property
    def _splits(self):
        times = numpy.array(list(self.image_files), "datetime64[s]")
        times = times[self._within_dates(times)]
        if self.validation_labels:
            return self._given_splits(times)
        if self.labels:
            labelled = numpy.array(list(self.image_files), "datetime64[s]")[self._matched["both"][1]]
            times = times[numpy.isin(times, labelled)]
        else:
            times = times[flare_labels.covered(self._events, times, self._window, until=self._until)]
            flare_index.note_pauses(self._events, times)
        if self.fold and (self.validation_start or self.split == "random"):
            other = "--validation_start" if self.validation_start else "--split random"
            raise UserError(f"--fold {self.fold} and {other} are two ways to split; give one of them (--fold 0: no fold)")
        if self.split == "random" and self.gap_hours is not None:
            raise UserError(f"--gap_hours {self.gap_hours:g}: a random split has no gap; leave it out, or use --split time")
        if self.split == "random":
            return self._random_split(times)
        if not len(times):
            return {"training": times, "validation": times}
        splits = self._fold(times) if self.fold else self._split_in_time(times, self._gap)
        self._checked(splits)
        return splits

    @functools.cached_property
    def _gap(self):
        """Time left out around validation: the window, unless the options give another."""
        if self.gap_hours is not None:
            return numpy.timedelta64(round(self.gap_hours * 3600), "s")
        as_published = self.fold or self.split == "random" or self.validation_labels
        return numpy.timedelta64(0, "s") if as_published else self._window

    def _checked(self, splits):
        return leak_check.check_split(
            splits["training"], splits["validation"], window=self._window, published_folds=self._gap < self._window
        )

    def _given_splits(self, times):
        """Split as the label tables do; training images closer than the gap to one of validation are left out."""
        others = {"--fold": self.fold, "--validation_start": self.validation_start, "--split random": self.split == "random"}
        other = next((flag for flag, given in others.items() if given), None)
        if other:
            raise UserError(f"--validation_labels and {other} are two ways to split; give one of them")
        images = numpy.array(list(self.image_files), "datetime64[s]")
        splits = {name: times[numpy.isin(times, images[places])] for name, (_, places) in self._matched.items()}
        training, validation = splits["training"], splits["validation"]
        if self._gap and len(training) and len(validation):
            away = leak_check.distance(training.astype("int64"), validation.astype("int64"))
            splits["training"] = training[away >= flare_labels.seconds_of(self._gap)]
        self._checked(splits)
        return splits

    def _fold(self, times):
        fold = flare_labels.split_fold(times, self.fold, gap=self._gap)
        if self.task == "classification":
            flare_labels.require_flares(self._coming(times)[0], [fold])
        return {"training": times[fold.training], "validation": times[fold.validation]}

    def _random_split(self, times):
        if not self.allow_leaking_split:
            raise UserError(
                "--split random: neighbouring hours are nearly the same image, so scores would be worthless;"
                " use --split time, or give --allow_leaking_split to do it all the same"
            )
        validation = numpy.zeros(len(times), bool)
        validation[numpy.random.default_rng(self.split_seed).permutation(len(times))[: len(times) // 4]] = True
        return {"training": times[~validation], "validation": times[validation]}

    def _coming(self, times):
        """Find what follows: whether there is a flare, bool (n,), and the strongest peak flux, float64 (n,)."""
        times = numpy.asarray(times, "datetime64[s]")
        if not self.labels:
            flux = self._strongest(times, self._window)
            return flux >= self._threshold_flux, flux
        rows = self._label_rows(times)
        if (rows < 0).any():
            raise UserError(f"{', '.join(map(str, self._label_files))}: no label of {times[numpy.argmax(rows < 0)]}")
        return self._table.event[rows], numpy.maximum(self._table.flux[rows], QUIET_FLUX)

    def _past(self, time):
        """Find what was before, as `_coming` does for one time: bool or NaN, and float."""
        if self._wants_flares:
            flux = max(self._history.peak_flux([time], self._window)[0], QUIET_FLUX)
            return flux >= self._threshold_flux, flux
        row = self._label_rows(numpy.array([time], "datetime64[s]") - self._window)[0]
        return (self._table.event[row], max(self._table.flux[row], QUIET_FLUX)) if row >= 0 else (numpy.nan, numpy.nan)

    def _in_network_units(self, event, flux):
        return event if self.task == "classification" else numpy.log10(flux)

    def _strongest(self, times, window):
        """Find the strongest peak flux of flares that start in (t, t + window), at least `QUIET_FLUX`: float64 (n,)."""
        return numpy.maximum(self._index.peak_flux(numpy.asarray(times, "datetime64[s]"), window), QUIET_FLUX)

    def _with_history(self, image, time, path):
        inputs = {"image": image}
        if self.history:
            asked = self._history.require([time], age=self.history_age, origin=self._lists, subject=path)
            inputs["side_channel"] = self._history.features(asked)[0]
        return inputs
