"""SDO-ML v2, the archive of AIA and HMI in zarr, with GOES X-ray flux as the target.

    python network_models/xray_flux_forecast/starting_point/network.py --dataset dataset_models/SDO/sdoml_flux.py \\
        --folder sdomlv2.zarr --arrays 94A 171A --goes /data/xrs.sqlite

Stores are folders or URLs, see :mod:`dataset_models.SDO.sdoml_archive`; reading them needs the extra ``cloud``.
"""

import dataclasses
import functools

from dataset_models import goes_xrs
from dataset_models.SDO.sdoml_images import SdomlImages
from dataset_models.solar_data import Availability
from dataset_models.xray_flux_data import XRayFluxData
from tools.options import option
from tools.paths import data_path


@dataclasses.dataclass(kw_only=True)
class SdomlFlux(SdomlImages, XRayFluxData):
    """AIA and HMI of SDO-ML v2; lag, catch, dependent variable and split come with `XRayFluxData`."""

    title = "SDO-ML v2 and X-ray flux"

    goes: str | None = option(None, "X-ray flux store (default: 'goes' of config.yml)", place="goes")
    calibration: str = option("science", "calibration of the X-ray flux", choices=goes_xrs.CALIBRATIONS)
    satellite: int | None = option(None, "GOES number; otherwise the newest one that has a flux", least=1, most=99)

    def image_times(self):
        return self._image_times

    @functools.cached_property
    def flux_series(self):
        return goes_xrs.series(self._flux_file, calibration=self.calibration, satellite=self.satellite)

    # Files

    @property
    def _flux_file(self):
        return data_path("goes", self.goes)

    @property
    def archives(self):
        return [], [self._flux_file]

    def is_downloaded(self):
        missing, store = self._missing_stores(), self._flux_file
        found = 0 if missing else sum(len(one.times) for one in self.series)
        missing += [] if store.is_file() else [f"X-ray flux store {store}"]
        return Availability((*self.folder, str(store)), found, tuple(missing))
