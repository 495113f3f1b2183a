"""A forecast as it was issued: probabilities of flare classes in one window, of the whole disk and of regions."""

import dataclasses
import math

import numpy

from tools.errors import UserError

NUMBERINGS = ("NOAA", "HARP")
MODES = ("on time", "late", "replayed")


@dataclasses.dataclass(frozen=True)
class Probability:
    """A probability with its interval.

    Attributes
    ----------
    value : float
    low, high : float or None
        Bounds of the interval, where there is one.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self):
        for number in (self.value, self.low, self.high):
            if number is not None and not 0 <= number <= 1:
                raise UserError(f"{number!r} is no probability; give numbers from 0 to 1")
        if (self.low is None) != (self.high is None):
            raise UserError("an interval has two bounds; give both or none")
        if self.low is not None and not self.low <= self.high:
            raise UserError(f"the interval {self.low:g} to {self.high:g} is empty; give the lower bound first")


@dataclasses.dataclass(frozen=True)
class RegionForecast:
    """Probabilities of one region.

    Attributes
    ----------
    number : int
        NOAA's in full (14274, not 4274), or HARP's.
    probabilities : dict of str to Probability
        As of `Issued`.
    numbering : str
        One of `NUMBERINGS`.
    longitude, latitude : float or None
        Stonyhurst degrees at the time of issue.
    """

    number: int
    probabilities: dict[str, Probability]
    numbering: str = "NOAA"
    longitude: float | None = None
    latitude: float | None = None

    def __post_init__(self):
        if self.numbering not in NUMBERINGS:
            raise UserError(f"region {self.number}: numbered by {self.numbering!r}; expected {' or '.join(NUMBERINGS)}")


@dataclasses.dataclass(frozen=True)
class Issued:
    """A forecast as it was issued.

    Attributes
    ----------
    method : str
        Short name of the method or forecaster.
    issued, begin, end : numpy.datetime64
        UTC, in seconds: when it was issued, and the window, which holds what comes after `begin`, until `end`.
    probabilities : dict of str to Probability
        Of the disk; empty when there are regions alone. A key such as ``"M1.0"`` stands for a flare of this class or
        more; a letter alone, ``"M"``, for one from M1.0 up to M9.9, as some forecasters issue it. What is not there was not
        forecast, which is not 0.
    regions : tuple of RegionForecast
    mode : str
        One of `MODES`.
    simulated : bool
    """

    method: str
    issued: numpy.datetime64
    begin: numpy.datetime64
    end: numpy.datetime64
    probabilities: dict[str, Probability]
    regions: tuple[RegionForecast, ...] = ()
    mode: str = "on time"
    simulated: bool = False

    def __post_init__(self):
        if not self.begin < self.end:
            raise UserError(f"{self.method}: the window from {self.begin}Z to {self.end}Z is empty")
        if self.mode not in MODES:
            raise UserError(f"{self.method}: the mode {self.mode!r} is none of {', '.join(MODES)}")
        if not self.probabilities and not self.regions:
            raise UserError(f"{self.method}: the forecast of {self.issued}Z holds neither the disk nor a region")


def text_of(time):
    """Write a time as ``2026-02-01T00:30:00Z``."""
    return f"{numpy.datetime64(time, 's')}Z"


def rounded(number, digits=6):
    """Round a probability for a file: 6 digits after the point; None stays, NaN becomes None."""
    return None if number is None or math.isnan(number) else round(float(number), digits)
