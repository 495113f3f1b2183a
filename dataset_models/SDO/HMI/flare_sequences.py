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
import re
import typing

import numpy
import pandas

from dataset_models import flare_catalogue, leak_check
from dataset_models.flares import flare_history, flare_index
from dataset_models.images import jpeg2000
from dataset_models.images.image_cache import ImageCache
from dataset_models.observation_times import given_time
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.solar_data import Availability, Channel, SolarData
from tools import atomic_files, command_line, goes_class, options
from tools.errors import UserError
from tools.options import option
from tools.paths import data_path

MAGNETOGRAM = 19  # Helioviewer's number of HMI magnetograms
_RECIPE_VERSION = 1  # raise it when the same files and options come to give other images
_HOUR = numpy.timedelta64(3600, "s")
_STAMP = re.compile(r"(\d{4})\D?(\d\d)\D?(\d\d)\D{0,2}(\d\d)\D?(\d\d)\D?(\d\d)")


class LeftOut(typing.NamedTuple):
    """A flare without a sequence: its time (``datetime64[s]``, UTC), GOES class, and why."""

    time: numpy.datetime64
    goes_class: str
    reason: str


@dataclasses.dataclass(kw_only=True)
class FlareSequences(SolarData):
    """Magnetograms of the hours before each flare; whether it reaches `threshold`, or how strong it gets.

    A sample is a flare; its time is that of the flare's peak (its start where the list knows no peak). Its one input,
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
        None, "most hours between frames, and from the last one to the flare (default: twice the even spacing)", least=0.0
    )
    until: str = option("peak", "what sequences lead up to: the flare's peak or its start", choices=("peak", "start"))
    image_size: int = option(512, "pixels of each frame", least=8, most=4096)
    clip: float = option(256.0, "gauss that map to 0 and 1 when images are FITS", least=1.0)
    decoding: str = option(
        "area", "how JPEG 2000 is shrunk: 'area' as published; 'reduced' 20 times faster", choices=jpeg2000.MODES
    )
    source_id: int = option(MAGNETOGRAM, "Helioviewer source, where images lie in one folder per flare", least=0)
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
    def channels(self):
        return (Channel("magnetogram", "hmimag", "grey level (0 to 1)"),)

    @property
    def task(self):
        return "classification" if self.target_kind == "flare" else "regression"

    @property
    def target_quantity(self):
        return "event" if self.task == "classification" else "flux"

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
        """Times of a sample's frames: ``datetime64[s]`` (frames,)."""
        return self._sample(time).frames

    def target(self, time):
        flux = self._sample(time).flux
        return float(flux >= self._threshold_flux) if self.task == "classification" else float(numpy.log10(flux))

    def truth(self, time):
        """As for every data set; known before are the flares whose class was settled in the window before the start."""
        sample = self._sample(time)
        past = float(self._history.peak_flux([sample.start], self._window)[0])
        if self.task == "classification":
            return float(sample.flux >= self._threshold_flux), float(past >= self._threshold_flux)
        return sample.flux, max(past, flare_index.threshold_flux(self.least_class))

    def value(self, prediction, prior):
        return prediction if self.task == "classification" else 10.0**prediction

    def metadata(self, time):
        sample = self._sample(time)
        return {"flux": sample.flux, "class": sample.goes_class, "first frame": str(sample.frames[0])}

    @property
    def left_out(self):
        """Flares of `least_class` and above that have no sequence, in the order of time: list of `LeftOut`."""
        return self._complete[1]

    def read_image(self, path):
        """Read the sequence that leads up to a magnetogram, which is its last frame; the others are images of the data set."""
        path = pathlib.Path(path)
        if not path.is_file():
            raise UserError(f"{path}: no such image")
        last = self.image_time(path)
        times = numpy.array([time for time in self._files if last is not None and time < last] + [last], "datetime64[s]")
        if last is None:
            raise UserError(
                f"{path}: neither its name nor its header tells the time, which choosing the frames before it needs"
            )
        chosen, lacking = choose_frames(times, last, window=self._window, frames=self.frames, maximum_gap=self._maximum_gap)
        if lacking:
            raise UserError(f"{path}: has no sequence before it in {self._folder}: {lacking}")
        paths = [path if time == last else self._files[time] for time in times[chosen]]
        return {"sequence": numpy.stack([self._read((one,)) for one in paths])}

    def image_time(self, path):
        time = _time_of(path)
        return super().image_time(path) if time is None else time

    def image_header(self, path):
        return magnetogram_images.read(path, size=self.image_size, clip=self.clip, decoding=self.decoding).header

    # Splits

    @property
    def reach(self):
        return self._window

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

    # Files

    @property
    def archives(self):
        return list(self._files.values()) if self._folder.is_dir() else [], self._flare_files

    def is_downloaded(self):
        looked_in = (str(self._folder), *map(str, self._flare_files))
        missing = [f"flare list {path}" for path in self._flare_files if not path.is_file()]
        if not self._folder.is_dir():
            return Availability(looked_in, 0, (f"folder {self._folder}", *missing))
        if not self._files:
            missing.insert(0, f"magnetograms in {self._folder} (HMI.m*.jpg, Helioviewer .jp2 or hmi.m_*.fits)")
        return Availability(looked_in, len(self._files), tuple(missing))

    # Parts

    @functools.cached_property
    def _folder(self):
        return data_path("hmi", self.folder)

    @functools.cached_property
    def _flare_files(self):
        return [data_path("flares", path) for path in self.flares] or [data_path("flares")]

    @functools.cached_property
    def _files(self):
        return find_images(self._folder, source_id=self.source_id)

    @functools.cached_property
    def _events(self):
        return flare_catalogue.read(self._flare_files).events

    @functools.cached_property
    def _history(self):
        return flare_history.FlareHistory(self._events)

    @functools.cached_property
    def _threshold_flux(self):
        return flare_index.threshold_flux(self.threshold)

    @functools.cached_property
    def _window(self):
        return _span(self.window_hours)

    @functools.cached_property
    def _maximum_gap(self):
        if self.maximum_gap_hours is not None:
            return _span(self.maximum_gap_hours)
        return 2 * self._window // max(self.frames - 1, 1)

    @functools.cached_property
    def _chosen(self):
        """(samples by time, flares left out), as far as the times of images and flares allow."""
        events = self._events[self._events["flux"] >= flare_index.threshold_flux(self.least_class)]
        known = events["peak"].notna() if self.until == "peak" else numpy.zeros(len(events), bool)
        events = events.assign(time=events["start"].mask(known, events["peak"]))
        events = events.sort_values(["time", "flux"], ascending=[True, False], kind="stable")
        times = events["time"].to_numpy("datetime64[s]")
        inside = numpy.ones(len(times), bool)
        if self.start:
            inside &= times >= given_time("--start", self.start)
        if self.end:
            inside &= times < given_time("--end", self.end)
        images = numpy.array(list(self._files), "datetime64[s]")
        samples, left_out = {}, []
        rows = zip(times, events["start"].to_numpy("datetime64[s]"), events["flux"], events["goes_class"], strict=True)
        for (time, start, flux, name), wanted in zip(rows, inside, strict=True):
            if not wanted:
                continue
            if time in samples and samples[time].flux >= flux:
                left_out.append(LeftOut(time, name, f"another flare at this time: {samples[time].goes_class}"))
                continue
            chosen, lacking = choose_frames(
                images, time, window=self._window, frames=self.frames, maximum_gap=self._maximum_gap
            )
            if lacking:
                left_out.append(LeftOut(time, name, lacking))
            else:
                samples[time] = _Sample(images[chosen], start, float(flux), name)
        return samples, left_out

    @functools.cached_property
    def _source_size(self):
        return magnetogram_images.source_size(next(iter(self._files.values())))

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
        needed = sorted({frame for sample in self._chosen[0].values() for frame in sample.frames})
        sources = {_key(time): (self._files[time],) for time in needed}
        rejected = cache.convert(sources, self._read, root=self._folder, label="convert magnetograms")
        if sources and len(rejected) == len(sources):
            raise UserError(f"none of {len(sources)} magnetograms can be used; the first: {rejected[min(rejected)]}")
        return cache, rejected

    @functools.cached_property
    def _complete(self):
        """(samples by time, flares left out), once the images themselves have been looked at."""
        samples, left_out = self._chosen
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
        return usable, sorted(left_out, key=lambda one: one.time)

    @functools.cached_property
    def _splits(self):
        times = numpy.array(sorted(self._complete[0]), "datetime64[s]")
        if not len(times):
            return {"training": times, "validation": times}
        first = times[0] + (times[-1] - times[0]) * 3 // 4
        boundary = given_time("--validation_start", self.validation_start) if self.validation_start else first
        # A sequence of validation reaches back over its window: none of its images is in a sequence of training.
        return {"training": times[times + self._window <= boundary], "validation": times[times >= boundary]}

    def _sample(self, time):
        time = numpy.datetime64(time, "s")
        try:
            return self._complete[0][time]
        except KeyError:
            raise UserError(f"{self.title}: there is no sequence before a flare at {time}Z in {self._folder}") from None


class _Sample(typing.NamedTuple):
    frames: numpy.ndarray  # datetime64[s] (frames,)
    start: numpy.datetime64
    flux: float
    goes_class: str


def choose_frames(times, end, *, window, frames, maximum_gap):
    """Choose images for a sequence, as evenly spaced as they allow.

    Parameters
    ----------
    times : numpy.ndarray
        ``datetime64[s]`` (n,) of the images, sorted.
    end : datetime64
        What the sequence leads up to. No image after it is chosen.
    window : timedelta64
        Images before ``end - window`` are not chosen either.
    frames : int
        How many; the moments they should have divide the window evenly and include both its ends. Each frame is the
        image nearest to its moment.
    maximum_gap : timedelta64
        Between neighbouring frames, and between the last one and `end`.

    Returns
    -------
    chosen : numpy.ndarray
        int64 (frames,), positions in `times`, increasing.
    lacking : str or None
        Why there is no such sequence; `chosen` is then empty.

    Notes
    -----
    The published sequences (mai-thesis-public) take every k-th file of a flare's folder instead, which is the same where
    no image is missing and stretches time where some are.
    """
    nothing = numpy.empty(0, "int64")
    hours = window / _HOUR
    first, last = numpy.searchsorted(times, end - window, "left"), numpy.searchsorted(times, end, "right")
    if last - first < frames:
        return nothing, f"too few images: {last - first} in the {hours:g} h before, at least {frames} needed"
    here = times[first:last].astype("datetime64[s]").astype("int64")
    final = numpy.datetime64(end, "s").astype("int64")
    wanted = numpy.linspace(final - int(window / numpy.timedelta64(1, "s")), final, frames) if frames > 1 else [final]
    after = numpy.clip(numpy.searchsorted(here, wanted), 1, len(here) - 1) if len(here) > 1 else numpy.zeros(frames, "int64")
    chosen = numpy.where(wanted - here[after - 1] <= here[after] - wanted, after - 1, after) if len(here) > 1 else after
    if (numpy.diff(chosen) == 0).any():
        return nothing, f"uneven images: {last - first} in {hours:g} h do not give {frames} frames"
    widest = numpy.diff(numpy.append(here[chosen], final)).max()
    if widest > maximum_gap / numpy.timedelta64(1, "s"):
        return nothing, f"a gap: {widest / 3600:.1f} h, at most {maximum_gap / _HOUR:.1f} allowed"
    return first + chosen.astype("int64"), None


def find_images(folder, *, source_id=MAGNETOGRAM):
    """Magnetograms below a folder, in a tree by date or in one folder per flare.

    Parameters
    ----------
    folder : str or pathlib.Path
    source_id : int
        Which images to take where they lie in ``<flare>/<source id>/<timestamp>.jp2``. The image of one time may lie in
        the folders of several flares; any of them is taken.

    Returns
    -------
    dict of numpy.datetime64 to pathlib.Path
        In the order of time.

    Raises
    ------
    UserError
        Both layouts at once, only images of other sources, or as :func:`magnetogram_images.scan`.
    """
    folder = pathlib.Path(folder)
    by_source, of_flares = collections.defaultdict(dict), set()
    for path in sorted(folder.glob("*/*/*.jp2")):
        flare, source, _ = path.relative_to(folder).parts
        number = re.fullmatch(r"(?:source_)?(\d+)", source)
        time = _time_of(path)
        if number and time is not None and not re.fullmatch(r"\d{4}", flare):  # .../2026/02/ is part of a tree by date
            by_source[int(number[1])].setdefault(time, path)
            of_flares.add(path)
    if not by_source:
        return magnetogram_images.scan(folder)
    others = (path for path in sorted(folder.rglob("*")) if path not in of_flares)
    other = next((path for path in others if magnetogram_images.time_of(path) is not None), None)
    if other is not None:
        raise UserError(f"{folder}: holds folders per flare ({min(of_flares)}) and other images ({other}); separate them")
    if source_id not in by_source:
        present = ", ".join(map(str, sorted(by_source)))
        raise UserError(f"{folder}: has no images of source {source_id}, only of {present}; choose with --source_id")
    return dict(sorted(by_source[source_id].items()))


def _time_of(path):
    """Observation time from a name of a known form, or from one that begins with a timestamp; else None."""
    time = magnetogram_images.time_of(path)
    match = _STAMP.match(pathlib.Path(path).name) if time is None else None
    if match:
        try:
            time = numpy.datetime64("{}-{}-{}T{}:{}:{}".format(*match.groups()), "s")
        except ValueError:
            return None
    return time


def _read(paths, **keywords):
    return magnetogram_images.read(paths[0], **keywords).image


def _key(time):
    return str(time).replace("-", "").replace(":", "")


def _span(hours):
    return numpy.timedelta64(round(hours * 3600), "s")


def summary(data):
    """Summarise what a data set of sequences holds, in the lines that the script prints.

    Parameters
    ----------
    data : FlareSequences

    Returns
    -------
    list of str
    """
    reasons = collections.Counter(one.reason.split(":")[0] for one in data.left_out)
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
