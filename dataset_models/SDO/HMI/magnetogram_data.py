"""Base class of the data sets of HMI magnetograms: their files, flare lists, dates, and flares as targets."""

import functools

import numpy

from dataset_models import flare_catalogue
from dataset_models.flares import flare_index
from dataset_models.observation_times import given_time
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.solar_data import Availability, Channel, Download, SolarData
from tools.errors import UserError
from tools.paths import data_path

CATALOGUE = "catalogue.csv"  # the list that the download of a flare list makes


class MagnetogramData(SolarData):
    """Magnetograms, and flares of which either the class is forecast or the peak flux.

    Subclasses have the options ``folder``, ``flares``, ``target_kind``, ``threshold``, ``window_hours``,
    ``validation_start``, ``start`` and ``end``, and bring `_files`.
    """

    # What goes in and what comes out

    @property
    def channels(self):
        return (Channel("magnetogram", "hmimag", "grey level (0 to 1)"),)

    @property
    def task(self):
        return "classification" if self.target_kind == "flare" else "regression"

    @property
    def target_quantity(self):
        return "event" if self.task == "classification" else "flux"

    def value(self, prediction, prior):
        return prediction if self.task == "classification" else 10.0**prediction

    @property
    def reach(self):
        return self._window

    @property
    def events(self):
        """The flares of the lists: `pandas.DataFrame` as `dataset_models.flare_catalogue.Catalogue.events`."""
        return self._events

    def images_between(self, begin, end):
        times = numpy.array(list(self._files), "datetime64[s]")
        inside = numpy.ones(len(times), bool)
        inside &= True if begin is None else times >= numpy.datetime64(begin, "s")
        inside &= True if end is None else times <= numpy.datetime64(end, "s")
        return {time: self._files[time] for time in times[inside]}

    # Files

    @property
    def archives(self):
        return list(self._files.values()) if self._folder.is_dir() else [], [*self._flare_files, *self._label_files]

    def is_downloaded(self):
        looked_in = (str(self._folder), *map(str, (*self._flare_files, *self._label_files)))
        missing = [f"flare list {path}" for path in self._flare_files if not path.is_file()]
        missing += [f"label table {path}" for path in self._label_files if not path.is_file()]
        if not self._folder.is_dir():
            return Availability(looked_in, 0, (f"folder {self._folder}", *missing))
        if not self._files:
            missing.insert(0, f"magnetograms in {self._folder} (HMI.m*.jpg, Helioviewer .jp2 or hmi.m_*.fits)")
        return Availability(looked_in, len(self._files), tuple(missing))

    def downloads(self, start, end):
        time = ("--start", start, "--end", end)
        commands = []
        for path in self._flare_files:
            if not path.is_file() and path.name == CATALOGUE:
                commands.append(Download("dataset_models/download/hek.py", (*time, "--out", str(path.parent))))
        missing = [path for path in (*self._flare_files, *self._label_files) if not path.is_file() and path.name != CATALOGUE]
        if missing:
            hek = Download("dataset_models/download/hek.py", (*time, "--out", str(missing[0].parent / "HEK")))
            raise UserError(
                f"{self.title}: {', '.join(map(str, missing))} not there, and which list it should be is your choice;"
                f" for example {hek}, and give --flares {missing[0].parent / 'HEK' / CATALOGUE}"
            )
        return [*commands, Download("dataset_models/download/helioviewer.py", (*time, *self._image_flags()))]

    def _image_flags(self):
        """Return the flags of the download of images, beside the time: tuple of str."""
        return ("--out", str(self._folder))

    # Parts

    _label_files = ()  # label tables, where targets come from such

    @functools.cached_property
    def _folder(self):
        return data_path("hmi", self.folder)

    @functools.cached_property
    def _flare_files(self):
        return [data_path("flares", path) for path in self.flares] or [data_path("flares")]

    @functools.cached_property
    def _files(self):
        """Magnetograms by time: dict of numpy.datetime64 to pathlib.Path, in the order of time."""
        return magnetogram_images.scan(self._folder)

    @functools.cached_property
    def _events(self):
        return flare_catalogue.read(self._flare_files).events

    @functools.cached_property
    def _window(self):
        return numpy.timedelta64(round(self.window_hours * 3600), "s")

    @functools.cached_property
    def _threshold_flux(self):
        return flare_index.threshold_flux(self.threshold)

    @functools.cached_property
    def _source_size(self):
        return magnetogram_images.source_size(next(iter(self._files.values())))

    def _within_dates(self, times):
        """Check which times lie from ``start`` on and before ``end``: bool (n,)."""
        inside = numpy.ones(len(times), bool)
        if self.start:
            inside &= times >= given_time("--start", self.start)
        if self.end:
            inside &= times < given_time("--end", self.end)
        return inside

    def _boundary(self, times):
        """Return the time at which validation begins: as given, or after three quarters of the span of `times`."""
        if self.validation_start:
            return given_time("--validation_start", self.validation_start)
        return times[0] + (times[-1] - times[0]) * 3 // 4
