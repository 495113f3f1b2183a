"""Issue one forecast: what can be said at a time, from what was known then, ready to be logged."""

import contextlib
import dataclasses
import functools
import importlib.metadata

import numpy

from network_models.forecasts import combination
from network_models.forecasts.exchange.issued import Issued, text_of
from science.operational_forecast import combining, maps
from science.operational_forecast.configuration import MEAN, NO_MAP
from science.operational_forecast.members import History, ImageNetworks, RegionRates
from science.operational_forecast.record import PARTS, Record, window_of
from tools.errors import UserError

_ORDER = ("regions", "image", "history")  # of members
_RATES = ("regions", "history", "image")  # whose give the other classes: what came after flares, before what images promise


class NothingKnown(UserError):
    """Neither image nor regions nor history can forecast at a time."""


@dataclasses.dataclass(frozen=True)
class Draft:
    """A forecast that is not logged yet.

    Attributes
    ----------
    make : callable
        ``make(number, previous, logged)`` returns the `Record`.
    image : pathlib.Path or None
        That it was made from.
    regions : tuple of RegionForecast
    """

    make: object
    image: object
    regions: tuple


class Forecaster:
    """Everything that forecasts, opened once.

    Parameters
    ----------
    configuration : science.operational_forecast.configuration.Configuration

    Raises
    ------
    UserError
        A network, a calibration, a combination or a flare list is missing, damaged, or of something else.
    """

    def __init__(self, configuration):
        settings = configuration.settings
        self.configuration = configuration
        self.history = History(settings)
        self.images = ImageNetworks(configuration.image, settings) if configuration.image else None
        self.regions = RegionRates(configuration.regions, settings) if configuration.regions else None
        self.combination = None if settings.combination == MEAN else combination.load(settings.combination)
        if self.combination is not None:
            self._require_names()

    def _require_names(self):
        section = self.configuration.image
        there = [network.name for network in section.networks] if section else []
        there += ["regions"] if self.regions else []
        missing = [name for name in self.combination.names if name not in there]
        if missing:
            raise UserError(
                f"{self.configuration.settings.combination}: combines {', '.join(self.combination.names)};"
                f" {self.configuration.path} has no {', '.join(missing)}"
            )

    def now(self):
        """Find the time to issue at when none is given: that of the newest image, without images that of the last flare."""
        if self.images is None:
            return self.history.events["start"].to_numpy("datetime64[s]").max()
        times = list(self.images.data.images_between(None, None))
        if not times:
            raise UserError(f"{self.configuration.path}: image: there is no image; --time gives a time")
        return times[-1]

    def issue(self, time, mode, *, mapped=True):
        """Forecast.

        Parameters
        ----------
        time : numpy.datetime64
            Of the issue: nothing later is used.
        mode : str
            One of `network_models.forecasts.exchange.issued.MODES`.
        mapped : bool
            Whether the record names a map, which is written apart: where there is an image, and a method for it.

        Returns
        -------
        Draft

        Raises
        ------
        NothingKnown
            Nothing can be said at all; every reason is named.
        """
        said, left_out, path, expected, table = {}, [], None, None, None

        @contextlib.contextmanager
        def part(name):
            try:
                yield
            except UserError as error:
                left_out.append((name, str(error)))

        with part("history"):
            said["history"] = self.history.say(time)
        if self.regions is not None:
            with part("regions"):
                said["regions"], expected, table = self.regions.say(time)
        if self.images is not None:
            with part("image"):
                said["image"], path, flawed = self.images.say(time, with_rates=not said)
                left_out += [("newer image", reason) for reason in flawed]
        if not said:
            raise NothingKnown(f"no forecast at {time}Z: {'; '.join(f'{name}: {why}' for name, why in left_out)}")
        event = self.configuration.settings.event
        members = [member for name in _ORDER if name in said for member in said[name].members]
        samples = [values for name in _ORDER if name in said for values in said[name].samples]
        value = self._combined(members, time, said, left_out)
        chance = combining.interval(value, samples)
        rates = next((said[name].rates for name in _RATES if name in said and said[name].rates), None)
        regions = ()
        if expected is not None:
            regions = combining.of_regions(expected, table, combining.scale_of(event, chance, said["regions"].rates))
        settings = self.configuration.settings
        simulated = any(one.simulated for one in said.values()) or bool(self.combination and self.combination.simulated)
        window = window_of(time, settings.window_hours)
        probabilities = combining.of_all_classes(event, chance, rates)
        forecast = Issued(settings.name, time, *window, probabilities, regions, mode, simulated)
        clear = combining.all_clear(
            event, value, samples, below=settings.all_clear_below, confidence=settings.all_clear_confidence
        )
        parts = {
            "kind": "forecast",
            "forecast": forecast,
            "basis": tuple(name for name in PARTS if name in said),
            "left_out": tuple(left_out),
            "all_clear": clear,
            "members": tuple(members),
            "inputs": _distinct([one for name in said for one in said[name].inputs]),
            "configuration": self.configuration.sha256,
            "software": importlib.metadata.version("solar-forecasting"),
        }
        if mapped and path is not None and settings.map != NO_MAP:
            parts |= {"map": maps.stem_of(time), "map_method": settings.map}
        return Draft(functools.partial(_record, parts), path, regions)

    def _combined(self, members, time, said, left_out):
        """Combine the members' probabilities of the event: float."""
        event = self.configuration.settings.event
        by_name = {member.name: member.probabilities[event] for member in members}
        if self.combination is not None:
            missing = [name for name in self.combination.names if name not in by_name]
            if not missing and "history" in said:
                row = numpy.array([[by_name[name] for name in self.combination.names]])
                asked = self.history.asked(time)
                return float(self.combination.forecast(row, self.history.events, [asked])[0])
            left_out.append(
                ("combination", f"it needs {', '.join(missing) or 'the history'}; the mean of what is there instead")
            )
        # Past flares alone say less than any network that was trained on them too.
        trained = [value for name, value in by_name.items() if name != "history"]
        return float(numpy.mean(trained or list(by_name.values())))


def _record(parts, number, previous, logged):
    return Record(number=number, previous=previous, logged=text_of(logged), **parts)


def _distinct(inputs):
    return tuple(dict.fromkeys(inputs))
