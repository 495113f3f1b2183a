"""Short sequences of HMI magnetograms in the hours before flares.

    python dataset_models/SDO/HMI/flare_sequences.py [--folder FOLDER] [--flares LIST] [--left_out LEFT_OUT.csv]

converts the frames once and prints how many flares have a sequence, and which have none and why.

Images are either a tree that :mod:`dataset_models.SDO.HMI.full_disk` reads (jpg, npy, JPEG 2000 or FITS) or one folder per
flare, ``<flare>/<source id>/<timestamp>.jp2``, as :mod:`dataset_models.download` fetches them. Either way all images are
one pool: a flare takes its frames from those of the hours before it, whichever folder they lie in. With ``--other_sources``
frames of further sources, chosen by the same rule, become channels beside the magnetogram's.
"""

import collections
import dataclasses
import functools
import pathlib
import typing

import numpy
import pandas

from dataset_models import leak_check, simulation_mark
from dataset_models.flares import flare_index
from dataset_models.images import helioviewer_sources, jpeg2000
from dataset_models.images.image_cache import ImageCache
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.magnetogram_data import MagnetogramData
from dataset_models.SDO.HMI.sequence_frames import MAGNETOGRAM, choose_frames, find_images, find_others, time_of
from dataset_models.solar_data import Channel, Window
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
    ``sequence``, has shape (frames, image_size, image_size, channel), float32, the earliest frame first, 0 to 1: the
    magnetogram, and a channel of grey levels for each of `other_sources`. The frames of each are as evenly spaced as its images
    allow, and none is later than the sample's time, unless `after_hours` asks for it. Flares that lack frames are in
    `left_out`.

    With ``until="peak"`` the last frames may show the flare under way, as in the published sequences; for a forecast
    use ``until="start"``. With `after_hours` sequences show the whole flare: for autoencoders, never for a forecast.
    """

    title = "SDO/HMI magnetogram sequences before flares"

    folder: str | None = option(None, "folder of magnetograms (default: hmi of config.yml)", place="hmi")
    flares: tuple[str, ...] = option((), "flare lists (default: flares of config.yml)", place="flares")
    least_class: str = option("C1.0", "weakest GOES class whose flares are taken")
    frames: int = option(6, "magnetograms in a sequence", least=1, most=1000)
    window_hours: float = option(10.0, "hours before the flare that a sequence spans", least=0.1, most=240.0)
    after_hours: float = option(0.0, "hours after it that a sequence spans as well: no forecast", least=0.0, most=240.0)
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
    other_sources: tuple[int, ...] = option(
        (), "further Helioviewer sources as channels: 18 HMI continuum, 8 to 17 AIA 94 to 4500", least=0, most=10_000
    )
    target_kind: str = option(
        "flare", "'flare': does it reach the threshold; 'log flux': log10 of its peak", choices=("flare", "log flux")
    )
    threshold: str = option("M1.0", "GOES class that counts as a flare for the target")
    validation_start: str | None = option(None, "UTC time at which validation begins (default: the last quarter of the time)")
    start: str | None = option(None, "use flares from this UTC time on")
    end: str | None = option(None, "use flares before this UTC time")
    cache: str | None = option(None, "folder for converted images (default: 'cache' of config.yml)", place="cache")

    def __post_init__(self):
        if len({self.source_id, *self.other_sources}) <= len(self.other_sources):
            raise UserError(f"--other_sources: repeats a source ({self.source_id}; {', '.join(map(str, self.other_sources))})")

    # What goes in and what comes out

    @property
    def input_shapes(self):
        return {"sequence": (self.frames, self.image_size, self.image_size, len(self.channels))}

    @property
    def channels(self):
        others = (
            Channel(helioviewer_sources.name_of(source), helioviewer_sources.colours_of(source), "grey level (0 to 1)")
            for source in self.other_sources
        )
        return (*super().channels, *others)

    @property
    def target_label(self):
        if self.task == "classification":
            return f"flare of {self.threshold} or more"
        return "log10 of the flare's peak flux (W m$^{-2}$)"

    @property
    def windows(self):
        now = numpy.timedelta64(0, "s")
        kind = f"{self.until} of the flare"
        return Window(f"time of {self.frames} frames", -self._window, now, "input"), Window(kind, now, now, "target")

    # Samples

    def times(self, split):
        return self._splits[split]

    def inputs(self, time):
        sample = self._sample(time)
        channels = [
            numpy.stack([cache.read(_key(frame)) for frame in sample.of(source)])
            for source, (cache, _) in self._converted_sources.items()
        ]
        return {"sequence": channels[0] if len(channels) == 1 else numpy.concatenate(channels, axis=-1)}

    def frame_times(self, time, source=None):
        """Return the times of a sample's frames, or of those of another source: ``datetime64[s]`` (frames,)."""
        return self._sample(time).of(source)

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
        times = numpy.array([time for time in self.image_files if last is not None and time < last] + [last], "datetime64[s]")
        if last is None:
            raise UserError(
                f"{path}: neither its name nor its header gives the time, which choosing the frames before it needs"
            )
        places, lacking = self._choose(times, last)
        if lacking:
            raise UserError(f"{path}: has no sequence before it in {self.image_folder}: {lacking}")
        paths = [path if time == last else self.image_files[time] for time in times[places]]
        channels = [numpy.stack([self._read((frame,)) for frame in paths])]
        for source, files in self._other_files.items():
            times = numpy.array(list(files), "datetime64[s]")
            places, lacking = self._choose(times, last)
            if lacking:
                raise UserError(f"{path}: has no sequence of source {source} before it in {self.image_folder}: {lacking}")
            channels.append(numpy.stack([self._reader(source)((files[time],)) for time in times[places]]))
        return {"sequence": numpy.concatenate(channels, axis=-1)}

    def image_time(self, path):
        time = time_of(path)
        return super().image_time(path) if time is None else time

    def image_header(self, path):
        return magnetogram_images.read(path, size=self.image_size, clip=self.clip, decoding=self.decoding).header

    def _image_flags(self, folder):
        hours = ("--before", f"{self.window_hours:g}", "--after", f"{self.after_hours:g}", "--least_class", self.least_class)
        hours += ("--source", *map(str, (self.source_id, *self.other_sources)))
        return (*super()._image_flags(folder), "--flares", *map(str, self._flare_files), *hours)

    # Splits

    def check_leaks(self):
        report = leak_check.check_split(self.times("training"), self.times("validation"), self.reach)
        compared = 0
        for source, files in ((None, self.image_files), *self._other_files.items()):
            used = [
                sorted({frame for time in self.times(split) for frame in self.frame_times(time, source)})
                for split in ("training", "validation")
            ]
            compared += leak_check.check_duplicates(*([files[frame] for frame in frames] for frames in used), times=used)
        return f"{report}; no image is in both splits ({compared} compared by content)"

    def describe(self):
        return super().describe() | {"flares_left_out": len(self.left_out)}

    # Parts

    @functools.cached_property
    def image_files(self):
        return find_images(self.image_folder, source_id=self.source_id)

    @functools.cached_property
    def _other_files(self):
        """Images of `other_sources`: dict of source to dict of time to path."""
        return find_others(self.image_folder, self.other_sources) if self.other_sources else {}

    def _choose(self, times, end):
        """Choose frames that lead up to a time, as `sequence_frames.choose_frames` does."""
        return choose_frames(times, end, window=self.reach, frames=self.frames, maximum_gap=self._maximum_gap)

    @functools.cached_property
    def _after(self):
        return numpy.timedelta64(round(self.after_hours * 3600), "s")

    @property
    def reach(self):
        """All the time that a sequence spans: sequences further apart share no image."""
        return self._window + self._after

    @functools.cached_property
    def _maximum_gap(self):
        if self.maximum_gap_hours is not None:
            return numpy.timedelta64(round(self.maximum_gap_hours * 3600), "s")
        return 2 * self.reach // max(self.frames - 1, 1)

    @functools.cached_property
    def _candidates(self):
        """(samples by time, flares left out), as far as the times of images and flares allow."""
        events = self._events[self._events["flux"] >= flare_index.threshold_flux(self.least_class)]
        has_peak = events["peak"].notna() if self.until == "peak" else numpy.zeros(len(events), bool)
        events = events.assign(time=events["start"].mask(has_peak, events["peak"]))
        events = events.sort_values(["time", "flux"], ascending=[True, False], kind="stable")
        times = events["time"].to_numpy("datetime64[s]")
        inside = self._within_dates(times)
        images = numpy.array(list(self.image_files), "datetime64[s]")
        others = {source: numpy.array(list(files), "datetime64[s]") for source, files in self._other_files.items()}
        samples, left_out = {}, []
        rows = zip(times, events["start"].to_numpy("datetime64[s]"), events["flux"], events["goes_class"], strict=True)
        for (time, start, flux, name), within in zip(rows, inside, strict=True):
            if not within:
                continue
            if time in samples and samples[time].flux >= flux:
                left_out.append(LeftOut(time, name, f"another flare at this time: {samples[time].goes_class}"))
                continue
            places, lacking = self._choose(images, time + self._after)
            chosen = {source: self._choose(moments, time + self._after) for source, moments in others.items()}
            lacking = lacking or next((f"source {source}: {why}" for source, (_, why) in chosen.items() if why), None)
            if lacking:
                left_out.append(LeftOut(time, name, lacking))
            else:
                frames = {source: others[source][rows] for source, (rows, _) in chosen.items()}
                samples[time] = _Sample(images[places], start, float(flux), name, frames)
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
        recipe |= simulation_mark.entry(self.simulated)
        cache = ImageCache(data_path("cache", self.cache), recipe, (self.image_size, self.image_size, 1))
        needed = sorted({frame for sample in self._candidates[0].values() for frame in sample.frames})
        sources = {_key(time): (self.image_files[time],) for time in needed}
        rejected = cache.convert(sources, self._read, root=self.image_folder, label="convert magnetograms")
        if sources and len(rejected) == len(sources):
            raise UserError(f"none of {len(sources)} magnetograms can be used; the first: {rejected[min(rejected)]}")
        return cache, rejected

    def _reader(self, source):
        """Return what reads an image of another source: takes a tuple of one path, as `_read`."""
        return functools.partial(_read_grey, size=self.image_size, decoding=self.decoding, source=source)

    @functools.cached_property
    def _converted_sources(self):
        """(cache, rejected) as of `_converted`, by source; None is the first one, of magnetograms."""
        converted = {None: self._converted}
        for source, files in self._other_files.items():
            recipe = {"name": f"source-{source}-{self.image_size}", "version": _RECIPE_VERSION, "size": self.image_size}
            recipe |= {"decoding": self.decoding} | simulation_mark.entry(self.simulated)
            cache = ImageCache(data_path("cache", self.cache), recipe, (self.image_size, self.image_size, 1))
            needed = sorted({frame for sample in self._candidates[0].values() for frame in sample.of(source)})
            label = f"convert {helioviewer_sources.name_of(source)}"
            sources = {_key(time): (files[time],) for time in needed}
            rejected = cache.convert(sources, self._reader(source), root=self.image_folder, label=label)
            if sources and len(rejected) == len(sources):
                raise UserError(f"none of {len(sources)} images of source {source} can be used; {rejected[min(rejected)]}")
            converted[source] = cache, rejected
        return converted

    @functools.cached_property
    def _usable(self):
        """(samples by time, flares left out), once the images themselves have been looked at."""
        samples, left_out = self._candidates
        if not samples:
            return samples, left_out
        usable, left_out = {}, list(left_out)
        for time, sample in samples.items():
            reasons = (
                rejected[_key(frame)]
                for source, (_, rejected) in self._converted_sources.items()
                for frame in sample.of(source)
                if _key(frame) in rejected
            )
            bad = next(reasons, None)
            if bad is None:
                usable[time] = sample
            else:
                left_out.append(LeftOut(time, sample.goes_class, f"unusable image: {bad}"))
        return usable, sorted(left_out, key=lambda flare: flare.time)

    @functools.cached_property
    def _splits(self):
        times = numpy.array(sorted(self._usable[0]), "datetime64[s]")
        if not len(times):
            return {"training": times, "validation": times}
        # A sequence of validation reaches back over its window, one of training on after its flare: they share no image.
        return self._split_in_time(times, self.reach)

    def _sample(self, time):
        time = numpy.datetime64(time, "s")
        try:
            return self._usable[0][time]
        except KeyError:
            raise UserError(f"{self.title}: there is no sequence before a flare at {time}Z in {self.image_folder}") from None


class _Sample(typing.NamedTuple):
    frames: numpy.ndarray  # datetime64[s] (frames,)
    start: numpy.datetime64
    flux: float
    goes_class: str
    others: dict  # of source to datetime64[s] (frames,)

    def of(self, source):
        """Return the times of the frames of a source, None for the first one."""
        return self.frames if source is None else self.others[source]


def _read_grey(paths, **keywords):
    return helioviewer_sources.read_grey(paths[0], **keywords)


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
        atomic_files.write_table(namespace.left_out, simulation_mark.marked(table, data.simulated))
        print(f"wrote {namespace.left_out}")


if __name__ == "__main__":
    command_line.run(main)
