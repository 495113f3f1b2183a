"""Base class of the data sets of HMI magnetograms: their files and the download of them."""

import functools

from dataset_models.flare_data import FlareImageData
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.solar_data import Channel, Download
from tools.errors import UserError
from tools.paths import data_path

_HELIOVIEWER = "dataset_models/download/helioviewer.py"


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
        time = ("--start", start, "--end", end)
        other = magnetogram_images.first_beside_jp2(self.image_folder)
        if other is not None:  # .jp2 beside them would make a folder that `scan` refuses
            elsewhere = self.image_folder.with_name(f"{self.image_folder.name}_jp2")
            images = Download(_HELIOVIEWER, (*time, *self._image_flags(elsewhere)))
            pictures = Download("dataset_models/conversion/jp2_to_images.py", (str(elsewhere), "--out", str(self.image_folder)))
            raise UserError(
                f"{self.image_folder}: holds images like {other.name}, and .jp2 files do not mix with them; fetch these into"
                f" another folder ({images}), then convert them as the others were ({pictures})"
            )
        return [*super().downloads(start, end), Download(_HELIOVIEWER, (*time, *self._image_flags(self.image_folder)))]

    def _image_flags(self, folder):
        """Return the flags of the download of images into a folder, beside the time: tuple of str."""
        return ("--out", str(folder))

    @functools.cached_property
    def _source_size(self):
        return magnetogram_images.source_size(next(iter(self.image_files.values())))
