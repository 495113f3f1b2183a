"""Base class of the data sets of HMI magnetograms: their files and the download of them."""

import functools

from dataset_models.flare_data import FlareImageData
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.solar_data import Channel, Download
from tools.paths import data_path


class MagnetogramData(FlareImageData):
    """Magnetograms, and flares of which either the class is forecast or the peak flux.

    Subclasses have the options of `FlareImageData`.
    """

    image_name = "magnetogram"
    file_names = "HMI.m*.jpg, Helioviewer .jp2 or hmi.m_*.fits"

    @property
    def channels(self):
        return (Channel("magnetogram", "hmimag", "grey level (0 to 1)"),)

    @functools.cached_property
    def image_folder(self):
        return data_path("hmi", self.folder)

    @functools.cached_property
    def image_files(self):
        return magnetogram_images.scan(self.image_folder)

    def downloads(self, start, end):
        images = Download("dataset_models/download/helioviewer.py", ("--start", start, "--end", end, *self._image_flags()))
        return [*super().downloads(start, end), images]

    def _image_flags(self):
        """Return the flags of the download of images, beside the time: tuple of str."""
        return ("--out", str(self.image_folder))

    @functools.cached_property
    def _source_size(self):
        return magnetogram_images.source_size(next(iter(self.image_files.values())))
