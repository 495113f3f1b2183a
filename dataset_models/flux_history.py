"""X-ray flux of the last hours, drawn as a picture of a row an hour, and the flux that follows: no image of the Sun.

    python network_models/xray_flux_forecast/flux_history/network.py --goes xrs.sqlite --calibration science --lag 01hr

A forecast that images are to be held against: what the flux alone tells of its own future.
"""

import dataclasses
import functools
import typing

import numpy

from dataset_models import goes_xrs
from dataset_models.observation_times import given_time
from dataset_models.solar_data import Availability, Channel
from dataset_models.xray_flux_data import DURATIONS, XRayFluxData
from tools.errors import UserError
from tools.options import option
from tools.paths import data_path

NANO = 1e-9  # W m^-2 in one unit of the pictures: quiet Sun and strongest flare lie between 1 and 1e6
_HOUR = numpy.timedelta64(1, "h")
_MINUTE = numpy.timedelta64(1, "m")


@dataclasses.dataclass(kw_only=True)
class FluxHistory(XRayFluxData):
    """Flux of the last hours as (hours, 60, 1): a row is an hour, the oldest first, and a pixel the mean of a minute.

    The last pixel is the minute that ends at the sample's time. Minutes without a flux have the one before; times are refused
    where fewer than half of the minutes have their own.

    Examples
    --------
    >>> data = FluxHistory(hours=6, lag="01hr")
    >>> data.input_shapes, data.target_label
    ({'image': (6, 60, 1)}, 'log10 of maximum 1-8 Å flux (W m⁻²), lag 01hr, catch 24hr')
    """

    title: typing.ClassVar[str] = "GOES X-ray flux"

    goes: str | None = option(None, "X-ray flux store (default: 'goes' of config.yml)", place="goes")
    calibration: str = option("science", "calibration of the X-ray flux", choices=goes_xrs.CALIBRATIONS)
    satellite: int | None = option(None, "GOES number; otherwise the newest one that has a flux", least=1, most=99)
    start: str | None = option(None, "first time, UTC (default: as soon as the store has the hours before)")
    end: str | None = option(None, "samples lie before this time, UTC (default: the end of the store)")
    cadence_minutes: int = option(60, "minutes between samples", least=1, most=44_640)
    hours: int = option(24, "hours of flux that a network sees", least=1, most=720)

    def __post_init__(self):
        super().__post_init__()
        if self.images > 1:
            raise UserError("--images: the picture holds the hours before already; give more of them with --hours")
        for flag, text in (("--start", self.start), ("--end", self.end)):
            if text is not None:
                given_time(flag, text)

    @property
    def channels(self):
        axes = ("minute of the hour", "hour, the last one lowest")
        return (Channel("1-8 Å flux", "inferno", "nW m⁻²", logarithmic=True, axis_names=axes),)

    @property
    def image_shape(self):
        return (self.hours, 60)

    @property
    def windows(self):
        seen, *others = super().windows
        return (seen._replace(name="flux", begin=-self._seen), *others)

    @property
    def reach(self):
        # Unlike images, pictures of two times share what lies before them.
        return super().reach + self._seen

    @property
    def _seen(self):
        return (self.hours * _HOUR).astype("timedelta64[s]")

    # Samples

    @functools.cached_property
    def flux_series(self):
        limits = {}
        if self.start is not None:
            limits["start"] = given_time("--start", self.start) - max(self._seen, DURATIONS["24hr"])
        if self.end is not None:
            limits["end"] = given_time("--end", self.end) + DURATIONS[self.lag] + DURATIONS[self.catch]
        return goes_xrs.series(self._flux_file, calibration=self.calibration, satellite=self.satellite, **limits)

    @functools.cached_property
    def _image_times(self):
        series, step = self.flux_series, numpy.timedelta64(self.cadence_minutes, "m")
        if self.start is None:  # the first whole hour with all hours before it
            first = (series.start + (self.hours + 1) * _HOUR - _MINUTE).astype("datetime64[h]")
        else:
            first = given_time("--start", self.start)
        end = series.end if self.end is None else given_time("--end", self.end)
        times = numpy.arange(first, max(first, end), step).astype("datetime64[s]")
        return times[2 * series.known(times, self._seen) >= self.hours * 60]

    def image_times(self):
        return self._image_times

    @functools.cached_property
    def _filled(self):
        """Fluxes of `flux_series`, with those before in the place of missing ones: float32 (n,), nW m^-2."""
        return (self.flux_series.filled() / NANO).astype("float32")

    def image(self, time):
        end = int((numpy.datetime64(time, "s") - self.flux_series.start) // _MINUTE)
        first = end - self.hours * 60
        if first < 0 or end > len(self._filled):
            raise UserError(f"{self.title}: the flux of the {self.hours} hours before {time}Z is not there")
        return self._filled[first:end].reshape(self.hours, 60, 1)

    def read_image(self, path):
        raise UserError(f"{path}: {self.title} has no image files; give the time of a sample, as 2026-02-01T00:00")

    # Files

    @property
    def _flux_file(self):
        return data_path("goes", self.goes)

    @property
    def archives(self):
        return ([self._flux_file],)

    def downloads(self, start, end):
        return [self._flux_download(self._flux_file, start, end)]

    def is_downloaded(self):
        store = self._flux_file
        there = store.is_file()
        missing = () if there else ("the X-ray flux store (python dataset_models/goes_xrs.py FILES...)",)
        return Availability((str(store),), int(there), missing)
