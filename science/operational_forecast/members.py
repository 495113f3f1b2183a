"""The forecasts that make one: networks of images, rates of regions, and what flares alone say."""

import dataclasses
import hashlib
import pathlib

import numpy

from dataset_models import flare_catalogue, simulation_mark
from dataset_models.flares.flare_history import FlareHistory
from dataset_models.flares.flare_index import FlareIndex, threshold_flux
from dataset_models.images import geometry
from dataset_models.observation_times import given_time
from network_models.flare_rates import forecast as rate_forecast
from network_models.forecasts import calibration, references
from network_models.predict import forecast_images
from network_models.trained_network import input_sources, load_network, open_network
from science.explanation import subject as explanation
from science.operational_forecast import observations
from science.operational_forecast.record import Input, Member
from tools import digests
from tools.errors import UserError
from tools.goes_class import CLASSES

LEAST_HOURS = 24 * 30  # of flares before, for the class table
BACK = numpy.timedelta64(25, "h")  # that the class table looks back
_QUANTILES = (numpy.arange(20) + 0.5) / 20
_BETA_DRAWS = 4000


@dataclasses.dataclass(frozen=True)
class Said:
    """One part of a forecast.

    Attributes
    ----------
    members : tuple of Member
    samples : tuple of numpy.ndarray
        Of each member, float64 (k,): probabilities of the event that it holds equally likely, one for a single network.
    rates : dict of str to float or None
        Expected flares of each class in the window, of the disk.
    inputs : tuple of Input
    simulated : bool
    """

    members: tuple[Member, ...]
    samples: tuple[numpy.ndarray, ...]
    rates: dict[str, float] | None
    inputs: tuple[Input, ...]
    simulated: bool


class History:
    """Probabilities by the class of the strongest recent flare, from flare lists alone.

    Parameters
    ----------
    settings : science.operational_forecast.configuration.Settings

    Attributes
    ----------
    events : pandas.DataFrame
    """

    def __init__(self, settings):
        self._settings = settings
        self._inputs = _inputs_of("flare list", settings.flares)
        self.events = flare_catalogue.read(settings.flares).events
        if not len(self.events):
            raise UserError(
                f"{', '.join(settings.flares)}: the lists hold no flare; give lists of the time before the forecast"
            )
        self._until = given_time("flares_until", settings.flares_until) if settings.flares_until else None
        self._known = FlareHistory(self.events, until=self._until)
        self._index = FlareIndex(self.events)
        self._simulated = simulation_mark.of_any(settings.flares)
        self._day, self._tables = None, {}

    def asked(self, time):
        """Find the time whose history a forecast may use: ``datetime64``; a `UserError` where it is not known."""
        keywords = {"age": self._settings.history_age, "back": BACK, "origin": ", ".join(self._settings.flares)}
        return self._known.require([time], **keywords, subject="the forecast")[0]

    def say(self, time):
        """Forecast from the flares known at a time: `Said`.

        The tables are fitted on hours whose windows had ended when the day of the forecast began. Hours overlap, so that each
        class counts as the days that its hours fill: that many trials, with one more yes and one more no, give the samples.

        Raises
        ------
        UserError
            The lists do not cover the time before, or are too short to fit on.
        """
        asked = self.asked(time)
        tables = self._fitted(time.astype("datetime64[D]").astype("datetime64[s]"))
        place = int(references.recent_class(self.events, [asked])[0])
        probabilities = numpy.minimum.accumulate([float(tables[name].probability[place]) for name in CLASSES])
        event = self._settings.event
        days = int(tables[event].hours[place]) / 24
        share = probabilities[CLASSES.index(event)]
        draws = numpy.random.default_rng(0).beta(share * days + 0.5, (1 - share) * days + 0.5, _BETA_DRAWS)
        member = Member("history", "history", (), dict(zip(CLASSES, map(float, probabilities), strict=True)))
        rates = dict(zip(CLASSES, (-numpy.log1p(-probabilities)).tolist(), strict=True))
        return Said((member,), (numpy.quantile(draws, _QUANTILES),), rates, self._inputs, self._simulated)

    def _fitted(self, day):
        if self._day != day:
            window = numpy.timedelta64(round(self._settings.window_hours * 3600), "s")
            hours = references.training_hours(self.events, [], window=window, before=day, until=self._until)
            if len(hours) < LEAST_HOURS:
                raise UserError(f"the flare lists cover {len(hours)} hours before {day}Z; {LEAST_HOURS} are needed to fit on")
            labels = {name: self._index.label(hours, window=window, threshold=name) for name in CLASSES}
            self._tables = {name: references.fit_class_table(self.events, hours, label) for name, label in labels.items()}
            self._day = day
        return self._tables


class ImageNetworks:
    """Calibrated networks that take the newest image.

    Parameters
    ----------
    section : science.operational_forecast.configuration.Section
    settings : science.operational_forecast.configuration.Settings

    Attributes
    ----------
    subjects : list of science.explanation.subject.Subject
        Of each network.

    Raises
    ------
    UserError
        A network is none, takes other images, or forecasts another event or window.
    """

    def __init__(self, section, settings):
        self._settings = settings
        self._networks, self._saved, self.subjects = section.networks, [], []
        for network in section.networks:
            trained = open_network(network.file, section.dataset, section.options)
            data = trained.data
            if data.task != "classification":
                raise UserError(f"{network.file}: forecasts flux; networks of this forecast say whether there is a flare")
            sources = input_sources(trained.model, data, network.file)
            self.subjects.append(explanation.Subject(trained.model, network.file, data, trained.run, sources))
            _require_same(network.file, data, settings)
            self._saved.append(calibration.load(network.calibration) if network.calibration else None)
        self._digests = [(network.file.name, digests.of_file(network.file)) for network in section.networks]

    @property
    def data(self):
        """The data set of the first network."""
        return self.subjects[0].data

    def say(self, time, *, with_rates=True):
        """Forecast from the newest image: `Said`, its path, and notes on newer ones that are flawed (list of str).

        Parameters
        ----------
        time : numpy.datetime64
        with_rates : bool
            Whether the rates are asked for, of the first network that has them.

        Raises
        ------
        UserError
            There is no such image, or a network does not take it.
        """
        path, moment, flawed = observations.newest(self.data, time, max_age=self._settings.max_age)
        members, samples, rates = [], [], None
        simulated = simulation_mark.of_any([path])
        for network, subject, saved, digest in zip(self._networks, self.subjects, self._saved, self._digests, strict=True):
            forecasts, left_out = forecast_images(subject.model, subject.data, [path], network=network.file)
            if not forecasts:
                raise UserError(left_out[0])
            own = forecasts[0].value
            value = own if saved is None else float(calibration.apply(saved.calibration, [own])[0])
            probabilities = {self._settings.event: value}
            if with_rates and rates is None:
                rates = self._expected(subject, path)
            members.append(Member(network.name, "image", (digest,), probabilities, own if saved is not None else None))
            samples.append(numpy.array([value]))
            simulated = simulated or subject.data.simulated or (saved is not None and saved.simulated)
        used = Input("image", path.name, digests.of_file(path), f"{moment}Z")
        return Said(tuple(members), tuple(samples), rates, (used,), simulated), path, flawed

    def _expected(self, subject, path):
        """Add up the rates of a network that has them: dict of str to float, or None."""
        if not isinstance(subject.model.output, dict) or "rates" not in subject.model.output:
            return None
        sample = explanation.sample(subject, str(path))
        rates = numpy.asarray(subject.model(sample.inputs, training=False)["rates"], "float64")
        return dict(zip(CLASSES, rates.reshape(-1, len(CLASSES)).sum(axis=0).tolist(), strict=True))


class RegionRates:
    """Rates of NOAA's regions, averaged over networks.

    Parameters
    ----------
    section : science.operational_forecast.configuration.Section
    settings : science.operational_forecast.configuration.Settings

    Raises
    ------
    UserError
        A network is none of rates of regions, or is for another window.
    """

    def __init__(self, section, settings):
        self._settings = settings
        trained = open_network(section.networks[0], section.dataset, section.options)
        self.data = trained.data
        self._models = [trained.model, *map(load_network, section.networks[1:])]
        for path, model in zip(section.networks, self._models, strict=True):
            if not isinstance(model.output, dict) or "rates" not in model.output or not hasattr(self.data, "flaring_regions"):
                raise UserError(
                    f"{path}: is no network of rates of regions; train one with network_models/flare_rates/train.py"
                )
        _require_same(section.networks[0], self.data, settings, event=False)
        self._digests = tuple((path.name, digests.of_file(path)) for path in section.networks)
        self._inputs = _inputs_of("summary", getattr(self.data, "summaries", ()))

    def say(self, time):
        """Forecast from the newest summary: `Said`; expected flares, float64 (networks, regions + 1, 4); a table of regions.

        The table is that of `ActiveRegions.region_table`, places at the time; the last row of rates is what no region holds.

        Raises
        ------
        UserError
            There is no summary, or the flare lists do not cover the time before.
        """
        data = self.data
        if getattr(data, "summaries", ()) and not data.has_summary(time):
            raise UserError(f"no region summary of the day of {time}Z")
        expected = rate_forecast.expected_flares(self._models, data, [data.inputs(time)])[:, 0]
        table = _rotated(data.region_table(time), time - data.place_times(time))
        expected = expected[:, [*range(len(table)), expected.shape[1] - 1]]
        disk = expected.sum(axis=1)
        mean = -numpy.expm1(-disk).mean(axis=0)
        member = Member("regions", "regions", self._digests, dict(zip(CLASSES, mean.tolist(), strict=True)))
        samples = -numpy.expm1(-disk[:, CLASSES.index(self._settings.event)])
        rates = dict(zip(CLASSES, disk.mean(axis=0).tolist(), strict=True))
        return Said((member,), (samples,), rates, self._inputs, data.simulated), expected, table


def _rotated(table, age):
    """Rotate the places of regions by their age, ``timedelta64`` of all or of each: pandas.DataFrame."""
    days = age / numpy.timedelta64(1, "D")
    latitude = table["latitude"].to_numpy("float64")
    return table.assign(longitude=table["longitude"].to_numpy("float64") + geometry.rotation_rate(latitude) * days)


def _require_same(path, data, settings, *, event=True):
    """Raise a `UserError` unless a data set forecasts the event and window of the settings."""
    hours = getattr(data, "window_hours", settings.window_hours)
    if hours != settings.window_hours:
        raise UserError(
            f"{path}: forecasts {hours:g} h, the configuration {settings.window_hours:g}; give window_hours {hours:g}"
        )
    threshold = getattr(data, "threshold", settings.event)
    if event and threshold_flux(threshold) != threshold_flux(settings.event):
        raise UserError(f"{path}: forecasts flares of {threshold}, the configuration {settings.event}; give event {threshold}")


def _inputs_of(kind, paths):
    """Describe files or folders that forecasts are made from: tuple of `Input`."""
    return tuple(Input(kind, pathlib.Path(path).name, _digest(path)) for path in paths)


def _digest(path):
    """Compute the digest of a file; of a folder, that of the names and sizes in it."""
    path = pathlib.Path(path)
    if path.is_file():
        return digests.of_file(path)
    listed = sorted((str(file.relative_to(path)), file.stat().st_size) for file in path.rglob("*") if file.is_file())
    return hashlib.sha256(repr(listed).encode()).hexdigest()
