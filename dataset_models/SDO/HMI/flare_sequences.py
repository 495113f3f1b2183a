"""Short sequences of HMI magnetograms in the hours before flares.

    python dataset_models/SDO/HMI/flare_sequences.py [--folder FOLDER] [--flares LIST] [--left_out LEFT_OUT.csv]

converts the frames once and prints how many flares have a sequence, and which have none and why.

Images are either a tree that :mod:`dataset_models.SDO.HMI.full_disk` reads (jpg, npy, JPEG 2000 or FITS) or one folder per
flare, ``<flare>/<source id>/<timestamp>.jp2``, as :mod:`dataset_models.download` fetches them. Either way all images are
one pool: a flare takes its frames from those of the hours before it, whichever folder they lie in.
"""

import collections
import dataclasses
import functools
import pathlib
import typing

import numpy
import pandas

from dataset_models import leak_check
from dataset_models.flares import flare_history, flare_index
from dataset_models.images import jpeg2000
from dataset_models.images.image_cache import ImageCache
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.magnetogram_data import MagnetogramData
from dataset_models.SDO.HMI.sequence_frames import MAGNETOGRAM, choose_frames, find_images, time_of
from tools import atomic_files, command_line, goes_class, options
from tools.errors import UserError
from tools.options import option
from tools.paths import data_path

_RECIPE_VERSION = 1  # raise it when the same files and options come to give other images


class LeftOut(typing.NamedTuple):
    """A flare without a sequence: its time (``datetime64[s]``, UTC), GOES class, and why."""

    time: numpy.datetime64
    goes_class: str
    reason: str


@dataclasses.dataclass(kw_only=True)
class FlareSequences(MagnetogramData):
    """Magnetograms of the hours before each flare; whether it reaches `threshold`, or how strong it gets.

    A sample is a flare; its time is that of the flare's peak (its start where the list has no peak). Its one input,
    ``sequence``, has shape (frames, image_size, image_size, 1), float32, the earliest frame first, 0 to 1. Frames are as
    evenly spaced as the images allow, and none is later than the sample's time. Flares that lack frames are in
    `left_out`.

    With ``until="peak"`` the last frames may show the flare under way, as in the published sequences; for a forecast
    use ``until="start"``.
    """

    title = "SDO/HMI magnetogram sequences before flares"

    folder: str | None = option(None, "folder of magnetograms (default: hmi of config.yml)", place="hmi")
    flares: tuple[str, ...] = option((), "flare lists (default: flares of config.yml)", place="flares")
    least_class: str = option("C1.0", "weakest GOES class whose flares are taken")
    frames: int = option(6, "magnetograms in a sequence", least=1, most=1000)
    window_hours: float = option(10.0, "hours that a sequence spans", least=0.1, most=240.0)
    maximum_gap_hours: float | None = option(
        None,
        "most hours between frames, and from the last one to the flare (default: twice the even spacing)",
        least=0.0,
        most=2400.0,
    )
    until: str = option("peak", "what sequences lead up to: the flare's peak or its start", choices=("peak", "start"))
    image_size: int = option(512, "pixels of each frame", least=8, most=4096)
    clip: float = option(256.0, "gauss that map to 0 and 1 when images are FITS", least=1.0, most=10_000.0)
    decoding: str = option(
        "area", "how JPEG 2000 is shrunk: 'area' as published; 'reduced' 20 times faster", choices=jpeg2000.MODES
    )
    source_id: int = option(MAGNETOGRAM, "Helioviewer source, where images lie in one folder per flare", least=0, most=10_000)
    target_kind: str = option(
        "flare", "'flare': does it reach the threshold; 'log flux': log10 of its peak", choices=("flare", "log flux")
    )
    threshold: str = option("M1.0", "GOES class that counts as a flare for the target")
    validation_start: str | None = option(None, "UTC time at which validation begins (default: the last quarter of the time)")
    start: str | None = option(None, "use flares from this UTC time on")
    end: str | None = option(None, "use flares before this UTC time")
    cache: str | None = option(None, "folder for converted images (default: 'cache' of config.yml)", place="cache")

    # What goes in and what comes out

    @property
    def input_shapes(self):
        return {"sequence": (self.frames, self.image_size, self.image_size, 1)}

    @property
    def target_label(self):
        if self.task == "classification":
            return f"flare of {self.threshold} or more"
        return "log10 of the flare's peak flux (W m$^{-2}$)"

    # Samples

    def times(self, split):
        return self._splits[split]

    def inputs(self, time):
        cache, _ = self._converted
        return {"sequence": numpy.stack([cache.read(_key(frame)) for frame in self.frame_times(time)])}

    def frame_times(self, time):
        """Return the times of a sample's frames: ``datetime64[s]`` (frames,)."""
        return self._sample(time).frames

    def target(self, time):
        flux = self._sample(time).flux
        return float(flux >= self._threshold_flux) if self.task == "classification" else float(numpy.log10(flux))

    def truth(self, time):
        """Return true value and prior; the prior is of the flares whose class was settled in the window before the start."""
        sample = self._sample(time)
        past = float(self._history.peak_flux([sample.start], self._window)[0])
        if self.task == "classification":
            return float(sample.flux >= self._threshold_flux), float(past >= self._threshold_flux)
        return sample.flux, max(past, flare_index.threshold_flux(self.least_class))

    def metadata(self, time):
        sample = self._sample(time)
        return {"flux": sample.flux, "class": sample.goes_class, "first frame": str(sample.frames[0])}

    @property
    def left_out(self):
        """Flares of `least_class` and above that have no sequence, in the order of time: list of `LeftOut`."""
        return self._usable[1]

    def read_image(self, path):
        """Read the sequence that leads up to a magnetogram, which is its last frame; the others are images of the data set."""
        path = pathlib.Path(path)
        if not path.is_file():
            raise UserError(f"{path}: no such image")
        last = self.image_time(path)
        times = numpy.array([time for time in self._files if last is not None and time < last] + [last], "datetime64[s]")
        if last is None:
            raise UserError(
                f"{path}: neither its name nor its header gives the time, which choosing the frames before it needs"
            )
        places, lacking = choose_frames(times, last, window=self._window, frames=self.frames, maximum_gap=self._maximum_gap)
        if lacking:
            raise UserError(f"{path}: has no sequence before it in {self._folder}: {lacking}")
        paths = [path if time == last else self._files[time] for time in times[places]]
        return {"sequence": numpy.stack([self._read((frame,)) for frame in paths])}

    def image_time(self, path):
        time = time_of(path)
        return super().image_time(path) if time is None else time

    def image_header(self, path):
        return magnetogram_images.read(path, size=self.image_size, clip=self.clip, decoding=self.decoding).header

    def _image_flags(self):
        hours = ("--before", f"{self.window_hours:g}", "--least_class", self.least_class, "--source", str(self.source_id))
        return (*super()._image_flags(), "--flares", *map(str, self._flare_files), *hours)

    # Splits

    def check_leaks(self):
        report = leak_check.check_split(self.times("training"), self.times("validation"), self.reach)
        used = [
            sorted({frame for time in self.times(split) for frame in self.frame_times(time)})
            for split in ("training", "validation")
        ]
        compared = leak_check.check_duplicates(*([self._files[frame] for frame in frames] for frames in used), times=used)
        return f"{report}; no image is in both splits ({compared} compared by content)"

    def describe(self):
        return super().describe() | {"flares_left_out": len(self.left_out)}

    # Parts

    @functools.cached_property
    def _files(self):
        return find_images(self._folder, source_id=self.source_id)

    @functools.cached_property
    def _history(self):
        return flare_history.FlareHistory(self._events)

    @functools.cached_property
    def _maximum_gap(self):
        if self.maximum_gap_hours is not None:
            return numpy.timedelta64(round(self.maximum_gap_hours * 3600), "s")
        return 2 * self._window // max(self.frames - 1, 1)

    @functools.cached_property
    def _candidates(self):
        """(samples by time, flares left out), as far as the times of images and flares allow."""
        events = self._events[self._events["flux"] >= flare_index.threshold_flux(self.least_class)]
        has_peak = events["peak"].notna() if self.until == "peak" else numpy.zeros(len(events), bool)
        events = events.assign(time=events["start"].mask(has_peak, events["peak"]))
        events = events.sort_values(["time", "flux"], ascending=[True, False], kind="stable")
        times = events["time"].to_numpy("datetime64[s]")
        inside = self._within_dates(times)
        images = numpy.array(list(self._files), "datetime64[s]")
        samples, left_out = {}, []
        rows = zip(times, events["start"].to_numpy("datetime64[s]"), events["flux"], events["goes_class"], strict=True)
        for (time, start, flux, name), within in zip(rows, inside, strict=True):
            if not within:
                continue
            if time in samples and samples[time].flux >= flux:
                left_out.append(LeftOut(time, name, f"another flare at this time: {samples[time].goes_class}"))
                continue
            places, lacking = choose_frames(
                images, time, window=self._window, frames=self.frames, maximum_gap=self._maximum_gap
            )
            if lacking:
                left_out.append(LeftOut(time, name, lacking))
            else:
                samples[time] = _Sample(images[places], start, float(flux), name)
        return samples, left_out

    @property
    def _read(self):
        return functools.partial(
            _read, size=self.image_size, clip=self.clip, decoding=self.decoding, expected_source=self._source_size
        )

    @functools.cached_property
    def _converted(self):
        """(cache, rejected): the frames that sequences need, converted, and why some could not be."""
        recipe = {"name": f"magnetogram-{self.image_size}", "version": _RECIPE_VERSION, "size": self.image_size}
        recipe |= {"clip": self.clip, "decoding": self.decoding, "source": self._source_size}
        recipe |= {"simulated": True} if self.simulated else {}
        cache = ImageCache(data_path("cache", self.cache), recipe, (self.image_size, self.image_size, 1))
        needed = sorted({frame for sample in self._candidates[0].values() for frame in sample.frames})
        sources = {_key(time): (self._files[time],) for time in needed}
        rejected = cache.convert(sources, self._read, root=self._folder, label="convert magnetograms")
        if sources and len(rejected) == len(sources):
            raise UserError(f"none of {len(sources)} magnetograms can be used; the first: {rejected[min(rejected)]}")
        return cache, rejected

    @functools.cached_property
    def _usable(self):
        """(samples by time, flares left out), once the images themselves have been looked at."""
        samples, left_out = self._candidates
        if not samples:
            return samples, left_out
        _, rejected = self._converted
        usable, left_out = {}, list(left_out)
        for time, sample in samples.items():
            bad = next((_key(frame) for frame in sample.frames if _key(frame) in rejected), None)
            if bad is None:
                usable[time] = sample
            else:
                left_out.append(LeftOut(time, sample.goes_class, f"unusable image: {rejected[bad]}"))
        return usable, sorted(left_out, key=lambda flare: flare.time)

    @functools.cached_property
    def _splits(self):
        times = numpy.array(sorted(self._usable[0]), "datetime64[s]")
        if not len(times):
            return {"training": times, "validation": times}
        boundary = self._boundary(times)
        # A sequence of validation reaches back over its window: none of its images is in a sequence of training.
        return {"training": times[times + self._window <= boundary], "validation": times[times >= boundary]}

    def _sample(self, time):
        time = numpy.datetime64(time, "s")
        try:
            return self._usable[0][time]
        except KeyError:
            raise UserError(f"{self.title}: there is no sequence before a flare at {time}Z in {self._folder}") from None


class _Sample(typing.NamedTuple):
    frames: numpy.ndarray  # datetime64[s] (frames,)
    start: numpy.datetime64
    flux: float
    goes_class: str


def _read(paths, **keywords):
    return magnetogram_images.read(paths[0], **keywords).image


def _key(time):
    return str(time).replace("-", "").replace(":", "")


def summary(data):
    """Summarise what a data set of sequences holds, in the lines that the script prints.

    Parameters
    ----------
    data : FlareSequences

    Returns
    -------
    list of str
    """
    reasons = collections.Counter(flare.reason.split(":")[0] for flare in data.left_out)
    lines = []
    for split in ("training", "validation"):
        times = data.times(split)
        classes = collections.Counter(data.metadata(time)["class"][0] for time in times)
        counted = ", ".join(f"{letter} {classes[letter]}" for letter in goes_class.DECADES if classes[letter])
        span = f", {times[0]}Z to {times[-1]}Z" if len(times) else ""
        lines.append(f"{split}: {len(times)} sequences of {data.frames} frames ({counted or 'none'}){span}")
    lines.append(f"{len(data.left_out)} flares left out")
    lines += [f"    {count:6} {reason}" for reason, count in reasons.most_common()]
    return lines


def main(arguments=None):
    """Convert the frames, print what there is, and write which flares are left out when asked to."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--left_out", metavar="CSV", help="write the flares without a sequence: time, goes_class, reason")
    options.add_flags(parser, FlareSequences, title="options of the data set")
    namespace = parser.parse_args(arguments)
    data = options.build(FlareSequences, options.take(FlareSequences, namespace), origin="command line")
    data.require_downloaded()
    print("\n".join(summary(data)))
    if namespace.left_out:
        table = pandas.DataFrame(data.left_out, columns=list(LeftOut._fields))
        atomic_files.write_table(namespace.left_out, table)
        print(f"wrote {namespace.left_out}")


if __name__ == "__main__":
    command_line.run(main)
