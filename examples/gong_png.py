"""How to add a data set of flares, yes or no: GONG magnetograms as PNG, and any flare list.

One class in one file. Copy it, change it, and give its path to any script:

    python network_models/xray_flux_forecast/starting_point/network.py --dataset examples/gong_png.py --folder /data/gong \\
        --flares /data/flares.csv

Pictures are named as GONG names its files, by site, product, date and minute (``tdzqa240201t0004.png``): the whole disk in
grey, north up, the Sun in the middle of `field` arcseconds. The default is that of 860 pixels of 2.5 arcsec; a picture that was
cut or framed needs its own. Keep sites in folders of their own where they have pictures of the same minute.
"""

import dataclasses
import functools
import re

import numpy

from dataset_models.flare_data import FlareData
from dataset_models.images import earth_view, file_names, jpeg2000, picture_files
from dataset_models.solar_data import Channel
from tools.errors import UserError
from tools.options import option

NAME = re.compile(
    r"[a-z]{2}[bz]q[as](?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)t(?P<hour>\d\d)(?P<minute>\d\d)\.png", re.IGNORECASE
)


@dataclasses.dataclass(kw_only=True)
class GongMagnetograms(FlareData):
    """GONG magnetograms; flare lists or label tables, window, threshold, history and splits come with `FlareData`."""

    title = "GONG magnetograms"
    image_name = "magnetogram"
    file_names = "tdzqa240201t0004.png"

    image_size: int = option(256, "pixels of the image that a network sees", least=8, most=4096)
    field: float = option(2150.0, "arcseconds across a picture", least=1800.0, most=10_000.0)

    @property
    def channels(self):
        return (Channel("magnetogram", "hmimag", "grey level (0 to 1)"),)

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    @functools.cached_property
    def image_files(self):
        pictures = {"expected": self.file_names, "counted": lambda path: path.suffix == ".png"}
        return file_names.by_time(self.image_folder, self.image_time, **pictures)

    def image_time(self, path):
        return file_names.time_in(path, NAME)

    def image_header(self, path):
        look = {"frame": self.field, "telescope": "NSO-GONG", "instrument": "GONG"}
        return earth_view.header(self.image_time(path), self.image_size, **look) if self.image_time(path) else None

    def read_picture(self, path):
        with picture_files.opened(path, ("PNG",)) as picture:
            grey = numpy.asarray(picture.convert("L"))
        if not self.image_size <= len(grey) == grey.shape[1] or numpy.ptp(grey) == 0:
            raise UserError(f"{path}: expected a magnetogram, square and of {self.image_size} pixels or more, received another")
        return jpeg2000.shrink(grey, self.image_size)[..., None] / numpy.float32(255)
