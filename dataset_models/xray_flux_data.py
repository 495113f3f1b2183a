"""Base class of data sets whose target is X-ray flux: windows, splits, side channels; subclasses bring images and fluxes.

The original FlareNet options keep their names: the lag until the window opens, the catch (its length), the dependent
variable, the number of images composited, the side channels.
"""

import abc
import dataclasses
import functools
import pathlib
import re

import numpy

from dataset_models import observation_times
from dataset_models.observation_times import given_time
from dataset_models.solar_data import SPLITS, Download, SolarData, Window
from tools import goes_class, tables
from tools.errors import UserError, quoted
from tools.options import option
from tools.paths import FILE

DURATIONS = {
    "00min": numpy.timedelta64(0, "m"),
    "12min": numpy.timedelta64(12, "m"),
    "24min": numpy.timedelta64(24, "m"),
    "36min": numpy.timedelta64(36, "m"),
    "01hr": numpy.timedelta64(60, "m"),
    "12hr": numpy.timedelta64(720, "m"),
    "24hr": numpy.timedelta64(1440, "m"),
}
LAGS = tuple(DURATIONS)
CATCHES = LAGS[1:]
DEPENDENT_VARIABLES = ("forecast", "flux delta", "log flux", "flare")
SIDE_CHANNELS = ("current flux", "true value", "hmi features")
HMI_FEATURE_COUNT = 25
_FEATURES = "give a CSV of HMI features"
_DAY = re.compile(r'"?(\d{4})(\d\d)(\d\d)')  # as the rows of FlareNet's HMI_features.csv begin
# Mean and standard deviation of each feature, by which FlareNet standardised its HMI_features.csv, in its order.
FLARENET_MEANS = (
    *(3.84e3, 7.96e23, 8.13e13, 4.70e2, 2.12e13, 5.41e22, 2.35e3, 2.44e4, 1.12e1, 9.24e1, 1.91e2, 2.43e2, 7.88e2),
    *(7.96e2, 3.59e2, 2.25e-2, -1.35, 1.82e-2, 7.56e10, -7.33e3, 7.15e2, -3.17e2, -1.18, -3.34e-2, 3.67e-2),
)
FLARENET_DEVIATIONS = (
    *(3.11e3, 8.75e23, 6.26e13, 6.04e2, 3.21e13, 4.10e22, 1.71e3, 1.28e4, 6.12, 4.95e1, 8.99e1, 1.16e2, 4.35e2),
    *(4.40e2, 1.83e2, 1.18, 1.87e2, 1.21e-1, 5.83e10, 5.93e3, 3.34e3, 6.01e3, 7.55e-1, 3.91e-1, 4.33e-1),
)
MICRO = 1e-6  # W m^-2 in one network unit of "forecast" and "flux delta": losses are then of order 1


@dataclasses.dataclass(kw_only=True)
class XRayFluxData(SolarData):
    """Images with X-ray flux as the target.

    The target looks at [time + lag, time + lag + catch): the largest 1-minute mean there, 1-8 Angstrom. Samples are the
    image times whose window is at least half covered, whose prior value is known, whose earlier images exist and whose
    side channels are there; `refused` counts the others.

    Subclasses implement `flux_series`, `image_times`, `image`, `image_shape`, `channels`, `read_image` and
    `is_downloaded`; its own ``__post_init__``, if any, calls that of this class.
    """

    lag: str = option("00min", "time until the window opens", choices=LAGS)
    catch: str = option("24hr", "length of the window whose maximum is forecast", choices=CATCHES)
    dependent_variable: str = option(
        "log flux",
        "what is forecast: log10 of the maximum, the maximum, its change from now, or whether it reaches the threshold",
        choices=DEPENDENT_VARIABLES,
    )
    threshold: str = option("M1.0", "GOES class that makes a flare, on the flux's own calibration (for 'flare')")
    images: int = option(1, "images composited: the current one and earlier ones", least=1, most=1000)
    image_interval: int = option(12, "minutes between composited images", least=1, most=44_640)
    side_channels: tuple[str, ...] = option(
        (), "side channels; 'true value' is the answer itself, a sanity check", choices=SIDE_CHANNELS
    )
    hmi_features: str | None = option(
        None, f"CSV of a time and {HMI_FEATURE_COUNT} features, or FlareNet's HMI_features.csv (for 'hmi features')", place=FILE
    )
    validation_fraction: float = option(0.2, "last part of the time span that validates", least=0.0, most=1.0)
    validation_start: str | None = option(None, "first time of the validation split, UTC, instead of a fraction")

    def __post_init__(self):
        if len(set(self.side_channels)) < len(self.side_channels):
            raise UserError(f"--side_channels: repeats an entry ({', '.join(self.side_channels)})")
        if ("hmi features" in self.side_channels) != (self.hmi_features is not None):
            raise UserError("--hmi_features and the side channel 'hmi features' are given together; received only one of them")
        try:
            goes_class.to_flux(self.threshold)
        except ValueError as error:
            raise UserError(f"--threshold: {error}") from error
        if self.validation_start is not None:
            given_time("--validation_start", self.validation_start)

    # What a subclass brings

    @property
    @abc.abstractmethod
    def flux_series(self):
        """The flux that targets are made of: `dataset_models.flux_series.FluxSeries`. Cache it."""

    @abc.abstractmethod
    def image_times(self):
        """Return the times of all images: ``datetime64[s]`` (n,), in any order."""

    @abc.abstractmethod
    def image(self, time):
        """Read the image at one of `image_times`: float32 (height, width, channel)."""

    @property
    @abc.abstractmethod
    def image_shape(self):
        """(height, width) of every image."""

    # What goes in and what comes out

    @property
    def image_inputs(self):
        return ("image", *(f"image_prior_{step}" for step in range(1, self.images)))

    @property
    def windows(self):
        lag, catch = (value.astype("timedelta64[s]") for value in (DURATIONS[self.lag], DURATIONS[self.catch]))
        steps = [-step * numpy.timedelta64(60 * self.image_interval, "s") for step in range(self.images)]
        images = [Window("image" if step == 0 else "earlier image", back, back, "input") for step, back in enumerate(steps)]
        return (*images, Window("window", lag, lag + catch, "target"))

    @property
    def input_shapes(self):
        shapes = dict.fromkeys(self.image_inputs, (*self.image_shape, len(self.channels)))
        if self.side_channels:
            shapes["side_channel"] = (len(self.side_channel_names),)
        return shapes

    @property
    def side_channel_names(self):
        names = []
        for channel in self.side_channels:
            names += self._features.names if channel == "hmi features" else [channel]
        return tuple(names)

    @property
    def task(self):
        return "classification" if self.dependent_variable == "flare" else "regression"

    @property
    def target_quantity(self):
        return "event" if self.task == "classification" else "flux"

    @property
    def target_label(self):
        window = f"lag {self.lag}, catch {self.catch}"
        return {
            "log flux": f"log10 of maximum 1-8 Å flux (W m⁻²), {window}",
            "forecast": f"maximum 1-8 Å flux (10⁻⁶ W m⁻²), {window}",
            "flux delta": f"maximum 1-8 Å flux minus current flux (10⁻⁶ W m⁻²), {window}",
            "flare": f"flux of {self.threshold} or more, {window}",
        }[self.dependent_variable]

    # Targets

    def _maximum(self, times, series=None):
        series = self.flux_series if series is None else series
        return series.maximum(times, lag=DURATIONS[self.lag], catch=DURATIONS[self.catch])

    def truths(self, times, series=None):
        """Return true values and priors, as `truth`, of many times: float64 (n,), NaN where `series` (our own) has none."""
        series = self.flux_series if series is None else series
        true = self._maximum(times, series)
        if self.task == "regression":
            return true, series.current(times)
        catch = DURATIONS[self.catch]
        limit = goes_class.to_flux(self.threshold)
        past = series.maximum(times, lag=-catch, catch=catch)
        return tuple(numpy.where(numpy.isnan(flux), numpy.nan, flux >= limit) for flux in (true, past))

    def truth(self, time):
        true, prior = self.truths(numpy.atleast_1d(time))
        return float(true[0]), float(prior[0])

    def truth_if_known(self, time):
        true, prior = self.truths(numpy.atleast_1d(time), self.flux_around(time))
        return float(true[0]), float(prior[0])

    def target(self, time):
        return float(self._in_network_units(*self.truths(numpy.atleast_1d(time)))[0])

    def targets(self, split):
        return self._in_network_units(*self.truths(self.times(split))).astype("float32")

    def _in_network_units(self, true, prior):
        if self.dependent_variable == "log flux":
            return numpy.log10(true)
        if self.dependent_variable == "forecast":
            return true / MICRO
        if self.dependent_variable == "flux delta":
            return (true - prior) / MICRO
        return true

    def value(self, prediction, prior):
        if self.dependent_variable == "log flux":
            return 10.0 ** numpy.asarray(prediction, "float64")
        if self.dependent_variable == "forecast":
            return numpy.asarray(prediction, "float64") * MICRO
        if self.dependent_variable == "flux delta":
            return numpy.asarray(prior, "float64") + numpy.asarray(prediction, "float64") * MICRO
        return prediction

    def metadata(self, time):
        flux = float(self._maximum(numpy.atleast_1d(time))[0])
        return {"flux": flux, "class": goes_class.from_flux(flux) if flux > 0 else "unknown"}

    # Samples

    def times(self, split):
        return self._samples.times[split]

    @property
    def refused(self):
        """Why images are not samples: dict of reason to count. An image is counted for its first reason."""
        return dict(self._samples.refused)

    @functools.cached_property
    def _samples(self):
        times = numpy.unique(numpy.asarray(self.image_times(), "datetime64[s]"))
        true, prior = self.truths(times)
        reasons = [
            ("an earlier image is missing", ~self._has_earlier_images(times)),
            ("less than half of the target window has flux", numpy.isnan(true)),
            ("no flux is known at the time itself", numpy.isnan(prior)),
        ]
        if "current flux" in self.side_channels and self.task == "classification":
            reasons.append(("no current flux", numpy.isnan(self.flux_series.current(times))))
        if "hmi features" in self.side_channels:
            reasons.append(("no HMI features in the last 24 h", self._features.rows(times) < 0))
        refused, accepted = {}, numpy.ones(len(times), bool)
        for reason, hit in reasons:
            refused[reason] = int((hit & accepted).sum())
            accepted &= ~hit
        start = self._validation_start(times)
        validation = times >= start
        straddling = accepted & ~validation & (times + self.reach > start)
        refused["too close before the validation split"] = int(straddling.sum())
        training = accepted & ~validation & ~straddling
        return _Samples({"training": times[training], "validation": times[validation & accepted]}, refused)

    def _has_earlier_images(self, times):
        present = numpy.ones(len(times), bool)
        for step in range(1, self.images):
            present &= numpy.isin(times - step * numpy.timedelta64(self.image_interval, "m"), times)
        return present

    @property
    def reach(self):
        """How far apart samples must be so that neither their windows nor their images are shared."""
        window = DURATIONS[self.lag] + DURATIONS[self.catch]
        return max(window, (self.images - 1) * numpy.timedelta64(self.image_interval, "m") + numpy.timedelta64(1, "s"))

    def _validation_start(self, times):
        if self.validation_start is not None:
            return given_time("--validation_start", self.validation_start)
        if len(times) == 0 or self.validation_fraction == 0:
            return numpy.datetime64("9999-01-01", "s")
        span = (times[-1] - times[0]).astype("int64")
        return times[-1] - numpy.timedelta64(round(self.validation_fraction * span), "s")

    def inputs(self, time):
        return self._around(self.image(time), time)

    def inputs_around(self, image, time, *, origin):
        """Complete an image from a file to inputs: with earlier images and side channel of the data set at its time.

        Parameters
        ----------
        image : numpy.ndarray
            float32 (height, width, channel).
        time : datetime64[s]
            Of the image.
        origin : str or pathlib.Path
            The file, named in errors.

        Raises
        ------
        UserError
            When the data set lacks something at that time; names it.
        """
        time = numpy.datetime64(time, "s")
        if self.images > 1:
            available = numpy.asarray(self.image_times(), "datetime64[s]")
            for step in range(1, self.images):
                earlier = time - step * numpy.timedelta64(self.image_interval, "m")
                if earlier not in available:
                    raise UserError(
                        f"{origin}: the network also needs the image of {earlier}Z, which the data set does not have"
                    )
        series = self.flux_around(time) if "current flux" in self.side_channels else None
        inputs = self._around(image, time, series)
        if self.side_channels:
            for name, value in zip(self.side_channel_names, inputs["side_channel"], strict=True):
                if numpy.isnan(value):
                    why = f": {_gap(series, time)}" if name == "current flux" else ""
                    raise UserError(
                        f"{origin}: the network also needs {name!r} at {time}Z, which the data set does not have{why}"
                    )
        return inputs

    def flux_around(self, time):
        """Return the flux around a time, that of an image or any other: `dataset_models.flux_series.FluxSeries`."""
        return self.flux_series

    def _around(self, image, time, series=None):
        inputs = {"image": image}
        for step in range(1, self.images):
            inputs[f"image_prior_{step}"] = self.image(time - step * numpy.timedelta64(self.image_interval, "m"))
        if self.side_channels:
            inputs["side_channel"] = self._side_channel(time, series)
        return inputs

    def _side_channel(self, time, series=None):
        times = numpy.atleast_1d(time)
        values = []
        for channel in self.side_channels:
            if channel == "current flux":
                values += [numpy.log10((self.flux_series if series is None else series).current(times)[0])]
            elif channel == "true value":
                values += [self.target(time)]
            else:
                values += list(self._features.at(times)[0])
        return numpy.array(values, "float32")

    @functools.cached_property
    def _features(self):
        # Standardised with what training may use: rows from before the validation split.
        return HmiFeatures(self.hmi_features, before=self._validation_start(numpy.sort(self.image_times())))

    def _flux_download(self, store, start, end):
        """Make the command that fetches GOES flux: `Download`; the data set has options ``calibration`` and ``satellite``.

        Raises
        ------
        UserError
            No archive has flux of this calibration.
        """
        if self.calibration not in ("science", "operational"):
            raise UserError(
                f"{self.title}: {self.calibration} flux has no archive; import it yourself (python dataset_models/goes_xrs.py"
                f" FILES... --store {store})"
            )
        flags = ("--start", start, "--end", end, "--store", str(store), "--calibration", self.calibration)
        satellite = () if self.satellite is None else ("--satellite", str(self.satellite))
        return Download("dataset_models/download/goes.py", (*flags, *satellite))

    def describe(self):
        about = super().describe()
        about["refused_images"] = self.refused
        about["flux_calibration"] = self.flux_series.calibration
        about["split_spans"] = {split: _span(self.times(split)) for split in SPLITS}
        return about


def _gap(series, time):
    """Describe how long before a time the flux ends, and what to do about it."""
    last = series.last_known(time)
    action = "import newer files (python dataset_models/goes_xrs.py FILES...)"
    if numpy.isnat(last):
        return f"no X-ray flux is known in the time before; {action}"
    hours = (time - last) / numpy.timedelta64(1, "h")
    return f"the X-ray flux before ends at {last}Z, {hours:.1f} h earlier; {action}"


@dataclasses.dataclass(frozen=True)
class _Samples:
    times: dict
    refused: dict


class HmiFeatures:
    """A table of hand-tailored magnetogram features, standardised.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV whose first column ``time`` is UTC and whose other 25 columns are numbers; not finite counts as missing. Or
        FlareNet's HMI_features.csv: no header, the first column begins with the day as YYYYMMDD, and the row is that day's.
    before : datetime64
        Mean and standard deviation are taken over rows before this time (over all when there are none). Those of FlareNet's
        file are fixed, as there.

    Raises
    ------
    UserError
        The file is missing or no such table.

    Notes
    -----
    FlareNet used 25 SHARP-like parameters with fixed means and deviations (`FLARENET_MEANS`); a missing value became the
    mean, as here. Its file does not say when in the day the features were measured: an image of 00:00 may get what was seen
    later that day.
    """

    def __init__(self, path, *, before):
        path = pathlib.Path(path)
        self._oldest = numpy.timedelta64(24, "h")
        if _DAY.match(tables.read_lines(path, advice=_FEATURES)[0]):
            self._read_flarenet(path)
        else:
            self._read_named(path, before)

    def _read_flarenet(self, path):
        self.names = tuple(f"HMI feature {number}" for number in range(1, HMI_FEATURE_COUNT + 1))
        table = tables.read(path, header=("day", *self.names), numbers=self.names, advice=_FEATURES)
        days = table["day"].astype(str).str.strip()
        wrong = ~days.str.match(_DAY).to_numpy(bool)
        if wrong.any():
            row = int(numpy.argmax(wrong))
            raise UserError(f"{path}: line {row + 1}: {quoted(days.iloc[row])} does not begin with a day as YYYYMMDD")
        texts = days.str.replace(_DAY, r"\1-\2-\3", regex=True).str[:10]
        times = observation_times.from_texts(texts, origin=str(path))
        order = numpy.argsort(times, kind="stable")
        last = numpy.append(numpy.diff(times[order]) > numpy.timedelta64(0, "s"), True)  # of a day the last row stands
        self.times = times[order][last]
        self._oldest -= numpy.timedelta64(1, "s")  # a row is that of its day alone
        values = table[list(self.names)].to_numpy("float64")[order][last]
        scaled = (values - FLARENET_MEANS) / FLARENET_DEVIATIONS
        self.values = numpy.where(numpy.isfinite(scaled), scaled, 0.0)

    def _read_named(self, path, before):
        table = tables.read(path, advice=_FEATURES)
        columns = list(table.columns)
        if columns[:1] != ["time"] or len(columns) != 1 + HMI_FEATURE_COUNT:
            shown = f"{len(columns)} columns ({', '.join(map(str, columns[:3]))}, ...)"
            raise UserError(f"{path}: expected the column time and {HMI_FEATURE_COUNT} features, received {shown}")
        self.names = tuple(map(str, columns[1:]))
        without = table["time"].isna()
        if without.any():
            raise UserError(f"{path}: line {int(without.argmax()) + 2} has no time")
        try:
            times = observation_times.from_texts(table["time"], origin="column time")
            values = table[columns[1:]].to_numpy("float64")
        except (UserError, ValueError) as error:
            reason = " ".join(str(error).split())[:100]
            raise UserError(f"{path}: holds something that is no time or number ({reason})") from error
        order = numpy.argsort(times, kind="stable")
        self.times, values = times[order], values[order]
        values[~numpy.isfinite(values)] = numpy.nan
        training = values[self.times < before] if (self.times < before).any() else values
        present = (~numpy.isnan(training)).sum(axis=0)
        mean = numpy.nansum(training, axis=0) / numpy.maximum(present, 1)
        deviation = numpy.sqrt(numpy.nansum((training - mean) ** 2, axis=0) / numpy.maximum(present, 1))
        self.values = numpy.nan_to_num((values - mean) / numpy.where(deviation > 0, deviation, 1.0))

    def rows(self, times):
        """Find the index of the latest row up to each time and not older than 24 h: int64 (n,), -1 where there is none."""
        times = numpy.asarray(times, "datetime64[s]")
        row = numpy.searchsorted(self.times, times, side="right") - 1
        if len(self.times) == 0:
            return row
        return numpy.where((row >= 0) & (times - self.times[row] <= self._oldest), row, -1)

    def at(self, times):
        """Return standardised features: float64 (n, 25), NaN where there is no row."""
        row = self.rows(times)
        features = numpy.full((len(row), len(self.names)), numpy.nan)
        features[row >= 0] = self.values[row[row >= 0]]
        return features


def _span(times):
    return [] if len(times) == 0 else [f"{times[0]}Z", f"{times[-1]}Z"]
