"""How to add a data set: PROBA2/SWAP images at 174 Angstrom, with GOES X-ray flux as the target.

One class in one file. Copy it, change it, and give its path to any script:

    python network_models/xray_flux_forecast/starting_point/network.py --dataset examples/swap_174.py --folder /data/swap

Files are level-1 FITS of the SWAP archive (``swap_lv1_20110607_063329.fits``): 1024 x 1024 pixels of 3.16 arcsec in
DN/s, Sun in the middle, north up.
"""

import dataclasses
import functools
import pathlib
import re

import numpy

from dataset_models import goes_xrs
from dataset_models.images import fits_files
from dataset_models.images.headers import Keywords
from dataset_models.SDO.AIA.aia_images import downsample
from dataset_models.solar_data import Availability, Channel
from dataset_models.xray_flux_data import XRayFluxData
from tools.errors import UserError
from tools.options import option
from tools.paths import data_path

SIZE = 1024
NAME = re.compile(r"swap_lv1_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)\.fits")


@dataclasses.dataclass(kw_only=True)
class Swap174(XRayFluxData):
    """SWAP images; lag, catch, dependent variable and split come with `XRayFluxData`."""

    title = "PROBA2/SWAP 174"

    folder: str = option(".", "folder of swap_lv1_*.fits")
    image_size: int = option(256, "pixels of the image that a network sees; divides 1024", least=8, most=SIZE)
    goes: str | None = option(None, "X-ray flux store (default: 'goes' of config.yml)", place="goes")
    calibration: str = option("operational", "calibration of the X-ray flux", choices=goes_xrs.CALIBRATIONS)

    @property
    def channels(self):
        return (Channel("174", "sdoaia171", "DN / s", logarithmic=True),)

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    @functools.cached_property
    def _files(self):
        return {time_of(path): path for path in sorted(pathlib.Path(self.folder).rglob("swap_lv1_*.fits")) if time_of(path)}

    def image_times(self):
        return numpy.array(list(self._files), "datetime64[s]")

    def image(self, time):
        return self._read(self._files[time])

    @functools.cached_property
    def flux_series(self):
        return goes_xrs.series(data_path("goes", self.goes), calibration=self.calibration)

    def read_image(self, path):
        time = time_of(path)
        if time is None:
            raise UserError(f"{path}: expected a name like swap_lv1_20110607_063329.fits, which tells the time")
        return self.inputs_around(self._read(path), time, origin=path)

    def image_time(self, path):
        return time_of(path)

    def image_header(self, path):
        header = fits_files.read(path)[1]
        factor = SIZE // self.image_size
        for axis in ("1", "2"):
            header["CRPIX" + axis] = (header["CRPIX" + axis] - 0.5) / factor + 0.5
            header["CDELT" + axis] *= factor
            header[f"CD{axis}_1"] *= factor  # SWAP gives the scale twice
            header[f"CD{axis}_2"] *= factor
        return header

    def header(self, time):
        return self.image_header(self._files[numpy.datetime64(time, "s")])

    @property
    def archives(self):
        return (list(self._files.values()), [data_path("goes", self.goes)])

    def is_downloaded(self):
        store = data_path("goes", self.goes)
        missing = [] if self._files else ["swap_lv1_*.fits"]
        missing += [] if store.is_file() else [f"X-ray flux store {store}"]
        return Availability((str(self.folder), str(store)), len(self._files), tuple(missing))

    def _read(self, path):
        pixels, header = fits_files.read(path)
        instrument = Keywords(header, path).text("INSTRUME")
        if pixels.shape != (SIZE, SIZE) or instrument != "SWAP":
            found = f"{instrument or 'no instrument'} of {' x '.join(map(str, pixels.shape))}"
            raise UserError(f"{path}: expected a SWAP image of {SIZE} x {SIZE} pixels, received {found}")
        image = downsample(pixels[::-1, :, None], self.image_size)
        if numpy.ptp(image) == 0 or not numpy.isfinite(image).all():
            raise UserError(f"{path}: is empty or has invalid pixels")
        return image


def time_of(path):
    """Time in a SWAP file name: ``datetime64[s]``, or None."""
    match = NAME.fullmatch(pathlib.Path(path).name)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    return numpy.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "s")
