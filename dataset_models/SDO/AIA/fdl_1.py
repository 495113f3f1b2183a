"""AIA8: full-disk images in eight AIA channels with X-ray flux as the target.

Reads FlareNet's legacy arrays (``20140617_2136_AIA_08_1024_1024.dat``), JSOC's synoptic FITS files, one per channel
(``2014/06/17/H2100/AIA20140617_2136_0094.fits``), or its level 1 ones, and the flux store of :mod:`dataset_models.goes_xrs`.
"""

import dataclasses
import functools
import pathlib
import typing

import numpy

from dataset_models import flux_tables, goes_xrs, simulation_mark
from dataset_models.images import fits_files, geometry
from dataset_models.images.headers import Keywords
from dataset_models.images.image_cache import ImageCache
from dataset_models.SDO.AIA import aia_files, aia_images
from dataset_models.SDO.AIA.degradation import response_table_path
from dataset_models.solar_data import Availability, Channel, Download
from dataset_models.xray_flux_data import DURATIONS, XRayFluxData
from tools import digests, paths
from tools.errors import UserError
from tools.options import option

_RECIPE_VERSION = 1  # raise it when the same files and options come to give other images


@dataclasses.dataclass(kw_only=True)
class AIA8(XRayFluxData):
    """AIA at 94, 131, 171, 193, 211, 304, 335 and 1600 Angstrom.

    Images are DN/s corrected for degradation, registered to a common plate scale with the disk centre in the centre (see
    :mod:`dataset_models.SDO.AIA.aia_images`), and converted once to the size asked for; the conversion is kept in the
    cache folder. Frames that lack channels or are damaged are refused and counted.

    Examples
    --------
    >>> data = AIA8(image_size=64)
    >>> [channel.name for channel in data.channels]
    ['94', '131', '171', '193', '211', '304', '335', '1600']
    >>> data.input_shapes, data.target_quantity, data.target_unit
    ({'image': (64, 64, 8)}, 'flux', 'W m^-2')
    """

    title: typing.ClassVar[str] = "AIA, 8 channels"

    folder: str | None = option(None, "folder of AIA files (default: 'aia' of config.yml)", place="aia")
    image_size: int = option(256, "height and width of images in pixels; divides 1024", least=8, most=1024)
    goes: str | None = option(None, "X-ray flux store (default: 'goes' of config.yml)", place="goes")
    flux_table: str | None = option(
        None, "table of targets, as All_Ys_01hrDelay_24hrMax.csv, instead of the flux store", place=paths.FILE
    )
    calibration: str = option("science", "calibration of the X-ray flux", choices=goes_xrs.CALIBRATIONS)
    satellite: int | None = option(None, "GOES number; otherwise the newest one that has a flux", least=1, most=99)
    correction_table: str | None = option(None, "AIA response table of SolarSoft (default: the one in aiapy)", place=paths.FILE)
    pointing_table: str | None = option(
        None, "master pointing table as ECSV, for level 1 (default: as in the files)", place=paths.FILE
    )
    cache: str | None = option(None, "folder for converted images (default: 'cache' of config.yml)", place="cache")

    def __post_init__(self):
        super().__post_init__()
        if aia_images.FULL_SIZE % self.image_size:
            raise UserError(f"--image_size: divides {aia_images.FULL_SIZE}; received {self.image_size}")

    @property
    def channels(self):
        return tuple(Channel(str(channel), f"sdoaia{channel}", "DN / s", True) for channel in aia_files.CHANNELS)

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    # Images

    @functools.cached_property
    def _frames(self):
        return aia_files.find_frames(paths.data_path("aia", self.folder))

    @functools.cached_property
    def _frame_at(self):
        return {frame.time: frame for frame in self._frames}

    @property
    def _read(self):
        tables = {"correction_table": self.correction_table, "pointing_table": self.pointing_table}
        return functools.partial(aia_images.read_frame, size=self.image_size, **tables)

    @functools.cached_property
    def _converted(self):
        """(cache, rejected): all complete frames converted, and why some could not be."""
        recipe = {
            "name": f"aia8-{self.image_size}",
            "version": _RECIPE_VERSION,
            "channels": aia_files.CHANNELS,
            "size": self.image_size,
            "arcsec_per_pixel": geometry.FRAME / self.image_size,
            "correction_table": _digest(response_table_path(self.correction_table), "--correction_table"),
        }
        if self.pointing_table is not None:
            recipe["pointing_table"] = _digest(pathlib.Path(self.pointing_table), "--pointing_table")
        recipe |= simulation_mark.entry(self.simulated)
        cache = ImageCache(paths.data_path("cache", self.cache), recipe, (*self.image_shape, len(aia_files.CHANNELS)))
        sources = {frame.key: frame.paths for frame in self._frames if frame.is_complete}
        rejected = cache.convert(sources, self._read, root=paths.data_path("aia", self.folder), label="convert AIA")
        if sources and len(rejected) == len(sources):
            raise UserError(f"none of {len(sources)} AIA frames can be used; the first: {rejected[min(rejected)]}")
        return cache, rejected

    @functools.cached_property
    def _image_times(self):
        _, rejected = self._converted
        usable = [frame.time for frame in self._frames if frame.is_complete and frame.key not in rejected]
        return numpy.array(usable, "datetime64[s]")

    def convert(self):
        """Convert every complete frame that is not in the cache yet, as the first use of the data set would do.

        Returns
        -------
        (pathlib.Path, dict of str to int)
            The folder of converted images, and how many frames are usable, lack channels, or are damaged or flagged;
            `rejected` holds the reasons.
        """
        if not self._frames:
            folder = paths.data_path("aia", self.folder)
            raise UserError(f"{folder}: holds no AIA files (AIAYYYYMMDD_HHMM_0094.fits, ..., level 1, or .dat); fetch some")
        cache, rejected = self._converted
        incomplete = sum(not frame.is_complete for frame in self._frames)
        usable = len(self._frames) - incomplete - len(rejected)
        return cache.folder, {"usable": usable, "channels are missing": incomplete, "damaged or flagged": len(rejected)}

    def image_times(self):
        return self._image_times

    def image(self, time):
        cache, _ = self._converted
        if time not in self._image_times:
            raise UserError(
                f"{self.title}: there is no usable image of {time}Z; looked in {paths.data_path('aia', self.folder)}"
            )
        return cache.read(aia_files.key_of(time))

    @property
    def refused(self):
        """Why frames are not samples: dict of reason to count, those without an image first."""
        incomplete = sum(not frame.is_complete for frame in self._frames)
        return {"channels are missing": incomplete, "damaged or flagged": len(self.rejected)} | super().refused

    @property
    def rejected(self):
        """Reason why each damaged or flagged frame was rejected: dict of time key to one line that names the file."""
        return dict(self._converted[1])

    def read_image(self, path):
        frame = aia_files.frame_of(path)
        frame.require_all_channels()
        return self.inputs_around(self._read(frame.paths), frame.time, origin=path)

    def image_time(self, path):
        return aia_files.frame_of(path).time

    def image_header(self, path):
        frame = aia_files.frame_of(path)
        observer = _earth(frame.time)
        if not frame.is_legacy:
            keywords = Keywords(fits_files.read(path)[1], path)
            stated = {card: keywords.described(card) for card in observer}
            observer |= {card: number for card, number in stated.items() if number is not None}
        return aia_images.grid_header(self.image_size, frame.time, observer=observer)

    def header(self, time):
        time = numpy.datetime64(time, "s")
        if time not in self._frame_at:
            folder = paths.data_path("aia", self.folder)
            raise UserError(f"{self.title}: there is no image of {time}Z; looked in {folder}")
        return self.image_header(self._frame_at[time].paths[0])

    # Flux and files

    @functools.cached_property
    def flux_series(self):
        if not self._frames:
            self.require_downloaded()
        return self._flux(self._frames[0].time, self._frames[-1].time)

    def flux_around(self, time):
        if self._frames and self._frames[0].time <= time <= self._frames[-1].time:
            return self.flux_series
        return self._flux(time, time)  # a newly observed image, later than all of the folder

    def _flux(self, first, last):
        """Read the flux that samples from a first to a last time need."""
        if self.flux_table is not None:
            return flux_tables.read(self.flux_table, lag=self.lag, catch=self.catch)
        margin = numpy.timedelta64(1, "D") + DURATIONS[self.lag] + DURATIONS[self.catch]
        return goes_xrs.series(
            paths.data_path("goes", self.goes),
            calibration=self.calibration,
            satellite=self.satellite,
            start=first - margin,
            end=last + margin,
        )

    @property
    def archives(self):
        return ([frame.paths[0] for frame in self._frames], [self._flux_file])

    @property
    def _flux_file(self):
        table = self.flux_table
        return paths.data_path("goes", self.goes) if table is None else pathlib.Path(table).expanduser()

    def downloads(self, start, end):
        time = ("--start", start, "--end", end)
        folder, store = paths.data_path("aia", self.folder), self._flux_file
        images = Download("dataset_models/download/aia_synoptic.py", (*time, "--out", str(folder)))
        if self.flux_table is not None:
            if not store.is_file():
                raise UserError(f"{self.title}: the table {store} is not there; make it with dataset_models/flux_tables.py")
            return [images]
        return [images, self._flux_download(store, start, end)]

    def is_downloaded(self):
        folder, store = paths.data_path("aia", self.folder), self._flux_file
        missing = []
        if not self._frames:
            missing.append("AIA files (AIAYYYYMMDD_HHMM_0094.fits, ..., or YYYYMMDD_HHMM_AIA_08_1024_1024.dat)")
        if not store.is_file():
            name = "the X-ray flux store (python dataset_models/goes_xrs.py FILES...)"
            missing.append(name if self.flux_table is None else f"the table {store} (see dataset_models/flux_tables.py)")
        count = sum(len(frame.paths) for frame in self._frames)
        return Availability((str(folder), str(store)), count, tuple(missing))


def _digest(path, flag):
    try:
        return digests.of_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check {flag}") from error


def _earth(time):
    """Find where Earth is, and SDO to 0.03 degrees: header keywords."""
    from sunpy.coordinates import get_earth

    earth = get_earth(str(time))
    return {"DSUN_OBS": float(earth.radius.to_value("m")), "HGLN_OBS": 0.0, "HGLT_OBS": float(earth.lat.to_value("deg"))}
