"""Full-disk HMI magnetograms and the flares that followed them.

Images are a folder of magnetograms in one format: the published jpg tree (``2026/02/01/HMI.m2026.02.01_00.00.00.jpg``),
the same as npy, Helioviewer JPEG 2000, or HMI FITS (see :mod:`dataset_models.SDO.HMI.magnetogram_images`). Targets come
from any flare list that :mod:`dataset_models.flare_catalogue` reads.
"""

import dataclasses
import functools

import numpy

from dataset_models import flare_labels, leak_check
from dataset_models.flares import flare_history, flare_index
from dataset_models.images import jpeg2000
from dataset_models.observation_times import given_time
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.magnetogram_data import MagnetogramData
from tools import goes_class
from tools.errors import UserError
from tools.options import option

QUIET_FLUX = 1e-7  # W m^-2: what a window without a listed flare counts as; flare lists are not complete below C1


@dataclasses.dataclass(kw_only=True)
class FullDiskMagnetograms(MagnetogramData):
    """Hourly magnetograms; whether a flare of at least `threshold` starts within the hours after each, or how strong.

    The window is (t, t + hours), open at both ends as in the published studies: a flare that starts at the very time
    of the image does not count.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> scratch = tempfile.TemporaryDirectory()
    >>> folder, flares = pathlib.Path(scratch.name) / "HMI", pathlib.Path(scratch.name) / "flares.csv"
    >>> folder.mkdir()
    >>> for hour in range(4):
    ...     grey = numpy.full((16, 16), 127, "uint8")
    ...     grey[4, 4 + hour] = 255
    ...     Image.fromarray(grey).save(folder / f"HMI.m2026.02.01_0{hour}.00.00.jpg")
    >>> starts = {"2026-02-01 00:00": "C2.0", "2026-02-01 02:30": "M1.1", "2026-02-02 00:00": "C3.0"}
    >>> rows = [f"{time},{name}" for time, name in starts.items()]
    >>> _ = flares.write_text("\\n".join(["start_time,goes_class", *rows]))
    >>> data = FullDiskMagnetograms(
    ...     folder=str(folder), flares=(str(flares),), image_size=8, window_hours=1.0, validation_start="2026-02-01T03:00"
    ... )
    >>> [data.target(time) for time in data.times("training")]
    [0.0, 0.0, 1.0]
    >>> data.metadata(data.times("training")[2])
    {'flux': 1.1e-05, 'class': 'M1.1', 'flare': 1}
    >>> scratch.cleanup()
    """

    title = "SDO/HMI full-disk magnetograms"

    folder: str | None = option(None, "folder of magnetograms (default: hmi of config.yml)", place="hmi")
    flares: tuple[str, ...] = option((), "flare lists (default: flares of config.yml)", place="flares")
    image_size: int = option(256, "pixels of the image that a network sees", least=8, most=4096)
    clip: float = option(256.0, "gauss that map to 0 and 1 when images are FITS", least=1.0, most=10_000.0)
    decoding: str = option(
        "area", "how JPEG 2000 is shrunk: 'area' as published; 'reduced' 20 times faster", choices=jpeg2000.MODES
    )
    target_kind: str = option(
        "flare", "'flare': is there one; 'log flux': log10 of the strongest", choices=("flare", "log flux")
    )
    threshold: str = option("M1.0", "GOES class that counts as a flare")
    window_hours: float = option(24.0, "hours after the image", least=0.1, most=240.0)
    history: bool = option(False, "what was known of past flares as a side channel")
    history_age: float = option(flare_history.AGE, flare_history.AGE_HELP, least=0.0, most=24_000.0)
    flares_until: str | None = option(None, flare_labels.UNTIL_HELP)
    fold: int = option(
        0, "1 to 4: validate on this quarter of each year, the published folds; 0: split once in time", least=0, most=4
    )
    split: str = option("time", "'time': validation is the later part; 'random': leaks", choices=("time", "random"))
    allow_leaking_split: bool = option(False, "allow --split random: neighbouring hours are nearly the same image")
    validation_start: str | None = option(None, "UTC time at which validation begins (default: the last quarter of the images)")
    start: str | None = option(None, "use images from this UTC time on")
    end: str | None = option(None, "use images before this UTC time")
    gap_hours: float | None = option(
        None, "hours left out around validation (default: the window; for folds none, as published)", least=0.0, most=24_000.0
    )
    split_seed: int = option(0, "seed of a random split", least=0, most=2**32 - 1)

    # What goes in and what comes out

    @property
    def input_shapes(self):
        shapes = {"image": (self.image_size, self.image_size, 1)}
        return shapes | ({"side_channel": (len(flare_history.NAMES),)} if self.history else {})

    @property
    def side_channel_names(self):
        return flare_history.NAMES if self.history else ()

    @property
    def target_label(self):
        window = f"in the next {self.window_hours:g} h"
        if self.task == "classification":
            return f"flare of {self.threshold} or more {window}"
        return f"log10 of the strongest peak flux {window} (W m$^{{-2}}$)"

    # Samples

    def times(self, split):
        return self._splits[split]

    def inputs(self, time):
        time = numpy.datetime64(time, "s")
        if time not in self._files:
            raise UserError(f"{self._folder}: no magnetogram of {time}")
        return self._with_history(self._read(self._files[time]).image, time, self._files[time])

    def target(self, time):
        flux = self._strongest([time], self._window)[0]
        return float(flux >= self._threshold_flux) if self.task == "classification" else float(numpy.log10(flux))

    def targets(self, split):
        flux = self._strongest(self.times(split), self._window)
        return (flux >= self._threshold_flux if self.task == "classification" else numpy.log10(flux)).astype("float32")

    def truth(self, time):
        """Return true value and prior; the prior is of the flares whose class was settled in the hours before the time."""
        past = max(self._history.peak_flux([time], self._window)[0], QUIET_FLUX)
        coming = self._strongest([time], self._window)[0]
        if self.task == "classification":
            return float(coming >= self._threshold_flux), float(past >= self._threshold_flux)
        return float(coming), float(past)

    def truth_if_known(self, time):
        true, prior = self.truth(time)
        if not flare_labels.covered(self._events, [time], self._window, until=self._until)[0]:
            true = numpy.nan
        asked = self._history.asked([time], age=self.history_age)
        return true, prior if asked[0] == time else numpy.nan

    def metadata(self, time):
        flux = self._strongest([time], self._window)[0]
        return {"flux": float(flux), "class": goes_class.from_flux(flux), "flare": int(flux >= self._threshold_flux)}

    def read_image(self, path):
        image = self._read(path, any_size=True).image
        if not self.history:
            return {"image": image}
        time = self.image_time(path)
        if time is None:
            raise UserError(f"{path}: neither its name nor its header gives the time, which the flare history needs")
        return self._with_history(image, time, path)

    def image_time(self, path):
        time = magnetogram_images.time_of(path)
        return super().image_time(path) if time is None else time

    def image_header(self, path):
        return self._read(path, any_size=True).header

    def header(self, time):
        return self.image_header(self._files[numpy.datetime64(time, "s")])

    def places(self, time):
        events, time = self._events, numpy.datetime64(time, "s")
        if "longitude" not in events:
            return ()
        start = events["start"].to_numpy("datetime64[s]")
        coming = (start > time) & (start < time + self._window) & (events["flux"] >= self._threshold_flux).to_numpy()
        seen = coming & (numpy.abs(events["longitude"].to_numpy("float64")) <= 90)
        return tuple((row.goes_class, float(row.longitude), float(row.latitude)) for row in events[seen].itertuples())

    @property
    def split_report(self):
        """Sizes of the splits and how many of their windows overlap: `dataset_models.leak_check.SplitReport`."""
        return self._checked(self._splits)

    def describe(self):
        return super().describe() | {"overlapping_windows": self.split_report.overlapping}

    def check_leaks(self):
        splits = [self.times("training"), self.times("validation")]
        paths = [[self._files[time] for time in times] for times in splits]
        compared = leak_check.check_duplicates(*paths, times=splits)
        report = f"{self.split_report}; no image is in both splits ({compared} compared by content)"
        if self.history and len(splits[0]):
            count = leak_check.check_causality(flare_history.history, self._events, splits[0], names=flare_history.NAMES)
            report += f"; the flare history does not depend on the future (tried at {count} times)"
        return report

    # Parts

    @functools.cached_property
    def _index(self):
        return flare_index.FlareIndex(self._events)

    @functools.cached_property
    def _history(self):
        return flare_history.FlareHistory(self._events, until=self._until)

    @functools.cached_property
    def _until(self):
        return given_time("--flares_until", self.flares_until) if self.flares_until else None

    @functools.cached_property
    def _splits(self):
        times = numpy.array(list(self._files), "datetime64[s]")
        times = times[self._within_dates(times)]
        times = times[flare_labels.covered(self._events, times, self._window, until=self._until)]
        if self.fold and (self.validation_start or self.split == "random"):
            other = "--validation_start" if self.validation_start else "--split random"
            raise UserError(f"--fold {self.fold} and {other} are two ways to split; give one of them (--fold 0: no fold)")
        if self.split == "random" and self.gap_hours is not None:
            raise UserError(f"--gap_hours {self.gap_hours:g}: a random split has no gap; leave it out, or use --split time")
        if self.split == "random":
            return self._random_split(times)
        if not len(times):
            return {"training": times, "validation": times}
        if self.fold:
            splits = self._fold(times)
        else:
            boundary = self._boundary(times)
            training = times[(times < boundary) & (times + self._gap <= boundary)]
            splits = {"training": training, "validation": times[times >= boundary]}
        self._checked(splits)
        return splits

    @functools.cached_property
    def _gap(self):
        """Time left out around validation: the window, unless the options give another."""
        if self.gap_hours is not None:
            return numpy.timedelta64(round(self.gap_hours * 3600), "s")
        return numpy.timedelta64(0, "s") if self.fold or self.split == "random" else self._window

    def _checked(self, splits):
        return leak_check.check_split(
            splits["training"], splits["validation"], window=self._window, published_folds=self._gap < self._window
        )

    def _fold(self, times):
        fold = flare_labels.split_fold(times, self.fold, gap=self._gap)
        if self.task == "classification":
            flare_labels.require_flares(self._strongest(times, self._window) >= self._threshold_flux, [fold])
        return {"training": times[fold.training], "validation": times[fold.validation]}

    def _random_split(self, times):
        if not self.allow_leaking_split:
            raise UserError(
                "--split random: neighbouring hours are nearly the same image, so scores would be worthless;"
                " use --split time, or give --allow_leaking_split to do it all the same"
            )
        validation = numpy.zeros(len(times), bool)
        validation[numpy.random.default_rng(self.split_seed).permutation(len(times))[: len(times) // 4]] = True
        return {"training": times[~validation], "validation": times[validation]}

    def _strongest(self, times, window):
        """Find the strongest peak flux of flares that start in (t, t + window), at least `QUIET_FLUX`: float64 (n,)."""
        return numpy.maximum(self._index.peak_flux(numpy.asarray(times, "datetime64[s]"), window), QUIET_FLUX)

    def _read(self, path, *, any_size=False):
        source = None if any_size else self._source_size
        if any_size:
            magnetogram_images.require_making_of(self._folder, path, decoding=self.decoding)
        return magnetogram_images.read(
            path, size=self.image_size, clip=self.clip, decoding=self.decoding, expected_source=source
        )

    def _with_history(self, image, time, path):
        inputs = {"image": image}
        if self.history:
            asked = self._history.require(
                [time], age=self.history_age, origin=", ".join(map(str, self._flare_files)), subject=path
            )
            inputs["side_channel"] = self._history.features(asked)[0]
        return inputs
