"""SDO-ML v2, the archive of AIA and HMI in zarr, and the flares that followed its images.

    python network_models/xray_flux_forecast/starting_point/network.py --dataset dataset_models/SDO/sdoml_flares.py \\
        --folder sdomlv2.zarr sdomlv2_hmi.zarr --arrays 193A Bz --flares /data/flares.csv

Stores are folders or URLs, see :mod:`dataset_models.SDO.sdoml_archive`; reading them needs the extra ``cloud``. Targets come
from any flare list, or from label tables such as SuryaBench's (``--labels``).
"""

import dataclasses
import functools

from dataset_models.flare_data import FlareData
from dataset_models.SDO.sdoml_images import SdomlImages
from dataset_models.solar_data import Availability


@dataclasses.dataclass(kw_only=True)
class SdomlFlares(SdomlImages, FlareData):
    """AIA and HMI of SDO-ML v2; lists or label tables, window, threshold, history and splits: see `FlareData`.

    Images are not compared by their content between the splits, which would read the whole archive.
    """

    title = "SDO-ML v2 and flares"

    # Images: no files, so that the times are all that `FlareData` sees of them.

    @functools.cached_property
    def image_files(self):
        return dict.fromkeys(self._image_times, self.image_folder)

    channel_files = ()

    @property
    def image_folder(self):
        return ", ".join(self.folder)

    def read_picture(self, path):
        return self.read_image(path)

    # Files

    @property
    def archives(self):
        return [], [*self._flare_files, *self._label_files]

    def is_downloaded(self):
        missing = self._missing_stores()
        found = 0 if missing else sum(len(one.times) for one in self.series)
        missing += self._missing_lists()
        return Availability((*self.folder, *map(str, (*self._flare_files, *self._label_files))), found, tuple(missing))
