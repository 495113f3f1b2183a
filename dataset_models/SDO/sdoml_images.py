"""Samples of SDO-ML v2: channels at times that match, as the data sets `sdoml_flares.py` and `sdoml_flux.py` share them."""

import dataclasses
import functools
import pathlib

import numpy

from dataset_models import observation_times, simulation_mark
from dataset_models.batches import Blocks
from dataset_models.images import earth_view
from dataset_models.observation_times import given_time
from dataset_models.SDO import sdoml_archive
from dataset_models.SDO.sdoml_archive import AIA, ARRAYS, HMI, RADIUS
from dataset_models.solar_data import Channel, SolarData
from tools import notes
from tools.errors import UserError
from tools.options import option
from tools.paths import FILE

_RUN = 8  # chunks that stay together where those of several channels do not begin at the same time
_UNLIKE = 0.01  # of the Sun's radius, between channels


@dataclasses.dataclass(kw_only=True)
class SdomlImages:
    """Images of one or several arrays of SDO-ML v2.

    A sample takes one image of each array, at most `tolerance` minutes apart; its time is that of the last one, so that none
    shows what comes after. HMI's are averages over 12 minutes around their time. Nothing but times is read before a sample is
    asked for. Then its chunks are read whole, and their images of samples kept, up to `chunk_memory`; training takes samples in
    an order in which an epoch reads each chunk once (see `reading_blocks`).
    """

    folder: tuple[str, ...] = option((), "stores: folders or URLs, as sdomlv2.zarr sdomlv2_hmi.zarr", place=FILE)
    arrays: tuple[str, ...] = option(AIA[:-1], "channels, by the names of their arrays", choices=ARRAYS)
    years: tuple[str, ...] = option((), "years to open (default: all there are)", choices=sdoml_archive.YEARS)
    anonymous: bool = option(True, "ask object stores without credentials")
    tolerance: float = option(6.0, "most minutes between images of two channels", least=0.0, most=1440.0)
    cadence: float = option(60.0, "minutes of which one sample is taken; 0: all", least=0.0, most=44_640.0)
    without: tuple[str, ...] = option((), "UTC times of images that cannot be used")
    image_size: int = option(256, "pixels of the image that a network sees", least=8, most=512)
    chunk_memory: int = option(1024, "megabytes of images kept of chunks that were read", least=1, most=2_000_000)

    def __post_init__(self):
        super().__post_init__()
        if not self.folder:
            raise UserError("--folder: give one or several stores of SDO-ML v2, such as sdomlv2.zarr sdomlv2_hmi.zarr")
        if not self.arrays or len(set(self.arrays)) < len(self.arrays):
            raise UserError(f"--arrays: give one or several, each once; received {' '.join(self.arrays) or 'none'}")
        for text in self.without:
            given_time("--without", text)

    # What goes in

    @property
    def channels(self):
        return tuple(
            Channel(name, "hmimag", "G") if name in HMI else Channel(name[:-1], f"sdoaia{name[:-1]}", "DN / s", True)
            for name in self.arrays
        )

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    # Times

    @functools.cached_property
    def series(self):
        """The arrays, opened: tuple of `dataset_models.SDO.sdoml_archive.Series`."""
        years = {"years": self.years, "anonymous": self.anonymous}
        opened = tuple(sdoml_archive.open_series(self.folder, name, **years) for name in self.arrays)
        for one in opened:
            if one.size < self.image_size:
                place = one.arrays[0].name
                raise UserError(f"{place}: images of {one.size} pixels are smaller than --image_size {self.image_size}")
            if one.left_out:
                counts = ", ".join(f"{count} {reason}" for reason, count in one.left_out.items())
                notes.note(f"{one.arrays[0].name}: of its images are left out: {counts}")
        radii = {one.name: one.radius for one in opened if numpy.isfinite(one.radius)}
        if radii and max(radii.values()) > min(radii.values()) * (1 + _UNLIKE):
            shown = ", ".join(f"{name} {radius * 512:.1f}" for name, radius in radii.items())
            notes.note(f"{', '.join(self.folder)}: by their attributes the Sun's radius differs (pixels of 512: {shown})")
        return opened

    @functools.cached_property
    def _samples_of(self):
        """Times of samples, and the places of their images in each series: ``datetime64[s]`` (n,), int64 (channels, n)."""
        without = numpy.array([given_time("--without", text) for text in self.without], "datetime64[s]")
        times = [one.times[~numpy.isin(one.times, without)] for one in self.series]
        chosen = observation_times.together(times, tolerance=numpy.timedelta64(round(60 * self.tolerance), "s"))
        last = chosen.max(axis=0)
        if self.cadence:
            # The first of each interval: within one an image shows what the others show.
            _, first = numpy.unique(last.astype("int64") // max(round(60 * self.cadence), 1), return_index=True)
            last, chosen = last[first], chosen[:, first]
        places = [numpy.searchsorted(one.times, moments) for one, moments in zip(self.series, chosen, strict=True)]
        return last, numpy.array(places, "int64").reshape(len(self.series), -1)

    @functools.cached_property
    def _image_times(self):
        return self._samples_of[0]

    @property
    def left_out(self):
        """Images of each array that cannot be used, by reason: dict of str to dict of str to int."""
        return {one.name: one.left_out for one in self.series}

    def describe(self):
        return super().describe() | {"images_left_out": self.left_out}

    @functools.cached_property
    def simulated(self):
        return any(one.simulated for one in self.series) or simulation_mark.of_archives(self.archives)

    # Images

    @functools.cached_property
    def _frames(self):
        return sdoml_archive.FrameCache(self.series, self._samples_of[1], self.image_size, self.chunk_memory * 10**6)

    def image(self, time):
        times, places = self._samples_of
        sample = int(numpy.searchsorted(times, numpy.datetime64(time, "s")))
        if sample == len(times) or times[sample] != time:
            raise UserError(f"{', '.join(self.folder)}: no images of {time}Z")
        frames = [self._frames.frame(channel, number) for channel, number in enumerate(places[:, sample])]
        return numpy.stack(frames, axis=-1)

    def reading_blocks(self, split):
        """Tell which samples share chunks: see `dataset_models.solar_data.SolarData.reading_blocks`.

        Returns
        -------
        dataset_models.batches.Blocks or None
            None where no two samples share a chunk, or `chunk_memory` holds all chunks of the split. Where channels have no
            chunks of the same times, a block is a run of several of the first one's; at its ends chunks of the others are
            read once more.
        """
        samples = numpy.searchsorted(self._image_times, self.times(split))
        chunks = [one.chunks[places] for one, places in zip(self.series, self._samples_of[1][:, samples], strict=True)]
        if all(len(numpy.unique(some)) == len(some) for some in chunks):
            return None
        block = numpy.unique(chunks[0], return_inverse=True)[1]
        if any(len(_pairs(block, some)) > len(numpy.unique(some)) for some in chunks[1:]):
            block = block // _RUN
        size = numpy.zeros(int(block.max()) + 1)
        total = 0
        for channel, some in enumerate(chunks):
            for number, chunk in _pairs(block, some):
                size[number] += self._frames.bytes_of(channel, chunk)
            total += sum(self._frames.bytes_of(channel, chunk) for chunk in numpy.unique(some))
        limit = self.chunk_memory * 10**6
        # Those mixed now and those that come next are kept at the same time.
        return None if total <= limit else Blocks(block, max(1, int(limit // (2 * size.max()))))

    def header(self, time):
        time = numpy.datetime64(time, "s")
        radius = self.series[0].radius
        instrument = "HMI" if self.arrays[0] in HMI else "AIA"
        made = earth_view.header(time, self.image_size, frame=1.0, telescope="SDO", instrument=instrument)
        for axis in ("1", "2"):
            made["CDELT" + axis] = made["RSUN_OBS"] / ((radius if numpy.isfinite(radius) else RADIUS) * self.image_size)
        return made

    def image_time(self, path):
        return None

    def image_header(self, path):
        return None

    def read_image(self, path):
        raise UserError(f"{path}: images of {self.title} are no single files; give the time of a sample")

    images_between = SolarData.images_between  # no single files

    # Files

    def _missing_stores(self):
        local = [store for store in self.folder if "://" not in store]
        return [f"store {store}" for store in local if not pathlib.Path(store).expanduser().is_dir()]


def _pairs(blocks, chunks):
    """List the distinct (block, chunk): int64 (k, 2)."""
    return numpy.unique(numpy.stack([blocks, chunks], axis=1), axis=0)
