"""Data sets with X-ray flux as the target: windows, splits, side channels and units."""

import dataclasses
import functools
import typing

import numpy
import pytest

from dataset_models.goes_xrs import FluxSeries
from dataset_models.solar_data import Availability, Channel
from dataset_models.xray_flux_data import HMI_FEATURE_COUNT, XRayFluxData
from tools import options
from tools.errors import UserError

START = numpy.datetime64("2014-01-01T00:00", "s")
MINUTE = numpy.timedelta64(1, "m")


@dataclasses.dataclass(kw_only=True)
class Ramp(XRayFluxData):
    """An image every 12 minutes for two days; the flux rises steadily, with an M5 flare on the second noon."""

    title: typing.ClassVar[str] = "Ramp"
    gaps: typing.ClassVar[tuple] = ()
    missing_images: typing.ClassVar[tuple] = ()

    @functools.cached_property
    def flux_series(self):
        flux = numpy.linspace(1e-7, 2e-7, 4 * 1440)
        flux[2 * 1440 + 720 : 2 * 1440 + 730] = 5e-5
        for begin, end in self.gaps:
            flux[begin:end] = numpy.nan
        return FluxSeries(START - 1440 * MINUTE, flux, calibration="science")

    def image_times(self):
        times = START + numpy.arange(240) * 12 * MINUTE
        return numpy.delete(times, list(self.missing_images))[::-1]  # the order must not matter

    def image(self, time):
        return numpy.full((4, 4, 1), (time - START) // MINUTE, "float32")

    image_shape = (4, 4)
    channels = (Channel("test"),)

    def read_image(self, path):
        return self.inputs_around(numpy.zeros((4, 4, 1), "float32"), numpy.datetime64(path, "s"), origin="a.fits")

    def is_downloaded(self):
        return Availability(("memory",), 240)


def window(data, time):
    """Flux values of the window, looked up minute by minute."""
    lag, catch = {"00min": 0, "12min": 12, "01hr": 60, "24hr": 1440}[data.lag], {"12min": 12, "24hr": 1440}[data.catch]
    series = data.flux_series
    first = int((time - series.start) // MINUTE) + lag
    return series.flux[first : first + catch]


@pytest.mark.parametrize("lag", ["00min", "01hr"])
@pytest.mark.parametrize("catch", ["12min", "24hr"])
def test_targets_are_maxima_of_the_window(lag, catch):
    data = Ramp(lag=lag, catch=catch, dependent_variable="forecast")
    for split in ("training", "validation"):
        times = data.times(split)
        assert len(times) > 10
        expected = [window(data, time).max() / 1e-6 for time in times]
        numpy.testing.assert_allclose(data.targets(split), expected, rtol=1e-6)
        assert data.target(times[3]) == pytest.approx(expected[3])


def test_the_flux_under_way_is_not_the_prior():
    data = Ramp(catch="12min")
    noon = START + (1440 + 720) * MINUTE
    true, prior = data.truth(noon)
    assert true == 5e-5
    assert prior == data.flux_series.flux[2 * 1440 + 719] < 2e-7


@pytest.mark.parametrize("variable", ["forecast", "flux delta", "log flux"])
def test_network_units_come_back_as_flux(variable):
    data = Ramp(catch="12min", dependent_variable=variable)
    times = data.times("training")
    true, prior = data.truths(times)
    targets = data.targets("training")
    assert numpy.abs(targets).max() < 60
    numpy.testing.assert_allclose(data.value(targets, prior), true, rtol=1e-5)


def test_a_flare_is_flux_that_reaches_the_threshold_and_persistence_looks_back():
    data = Ramp(lag="00min", catch="01hr", dependent_variable="flare", threshold="M5.0")
    assert data.task == "classification"
    noon = START + (1440 + 720) * MINUTE
    found = {minutes: data.truth(noon + minutes * MINUTE) for minutes in (-72, -48, 0, 12, 60, 72)}
    assert found == {-72: (0, 0), -48: (1, 0), 0: (1, 0), 12: (0, 1), 60: (0, 1), 72: (0, 0)}
    assert data.value(0.3, 1.0) == 0.3
    assert Ramp(catch="01hr", dependent_variable="flare", threshold="M5.1").truth(noon) == (0, 0)


def test_split_is_in_order_of_time_and_no_window_straddles():
    for options_given in ({"validation_fraction": 0.25}, {"validation_start": "2014-01-02T12:00:00Z"}):
        data = Ramp(lag="01hr", catch="12min", images=3, image_interval=60, **options_given)
        training, validation = data.times("training"), data.times("validation")
        assert (numpy.diff(training) > numpy.timedelta64(0)).all()
        assert training[-1] + 72 * MINUTE <= validation[0]
        assert training[-1] < validation[0] - 120 * MINUTE  # nor is an image shared
    assert validation[0] == numpy.datetime64("2014-01-02T12:00:00")
    assert len(Ramp(validation_fraction=0.0).times("validation")) == 0
    assert len(Ramp(validation_fraction=1.0).times("training")) == 0


def test_what_is_refused_is_counted_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr(Ramp, "gaps", ((1440 + 300, 1440 + 307), (1440 + 600, 1440 + 630)))
    monkeypatch.setattr(Ramp, "missing_images", (100,))
    data = Ramp(lag="00min", catch="12min", images=2, validation_fraction=0.2)
    refused = data.refused
    assert refused["an earlier image is missing"] == 2  # the very first image, and the one after the gap
    # minutes 300 to 306 leave 5 of 12: refused; 600 to 629 take two whole windows and half of a third, which is enough
    assert refused["less than half of the target window has flux"] == 3
    assert refused["no flux is known at the time itself"] == 1  # minute 624: the latest flux ended 24 minutes before
    kept = len(data.times("training")) + len(data.times("validation"))
    assert kept + sum(refused.values()) == len(data.image_times())
    assert data.describe()["refused_images"] == refused


def test_inputs_hold_earlier_images_and_the_side_channel():
    data = Ramp(images=3, image_interval=24, side_channels=("current flux", "true value"), catch="12min")
    assert list(data.input_shapes) == ["image", "image_prior_1", "image_prior_2", "side_channel"]
    time = data.times("training")[20]
    inputs = data.inputs(time)
    minutes = int((time - START) // MINUTE)
    assert [int(inputs[name][0, 0, 0]) for name in data.image_inputs] == [minutes, minutes - 24, minutes - 48]
    true, prior = data.truth(time)
    numpy.testing.assert_allclose(inputs["side_channel"], numpy.log10([prior, true]), rtol=1e-6)
    assert data.side_channel_names == ("current flux", "true value")


def test_a_file_outside_the_data_set_needs_what_the_network_needs():
    data = Ramp(images=2, side_channels=("current flux",), catch="12min")
    assert set(data.read_image("2014-01-01T06:06:00".replace("06:06", "06:12"))) == set(data.input_shapes)
    with pytest.raises(UserError, match=r"a\.fits: the network also needs the image of 2014-01-01T05:54:00Z"):
        data.read_image("2014-01-01T06:06:00")
    with pytest.raises(UserError, match=r"a\.fits: the network also needs 'current flux' at 2019-01-01T00:00:00Z"):
        Ramp(side_channels=("current flux",)).read_image("2019-01-01T00:00:00")
    with pytest.raises(
        UserError, match=r"the X-ray flux before ends at 2014-01-0.*Z, .* h earlier; import newer files \(python"
    ):
        Ramp(side_channels=("current flux",)).read_image("2019-01-01T00:00:00")


def test_pipeline_hands_out_the_samples():
    data = Ramp(catch="12min", images=2, side_channels=("current flux",))
    inputs, targets = next(iter(data.pipeline("validation", batch_size=5)))
    times = data.times("validation")[:5]
    numpy.testing.assert_array_equal(targets, data.targets("validation")[:5])
    for name in data.input_shapes:
        numpy.testing.assert_array_equal(inputs[name], [data.inputs(time)[name] for time in times])


# HMI features


def feature_table(path, times, values):
    names = [f"feature_{number}" for number in range(values.shape[1])]
    rows = [",".join([str(time), *(f"{value:.6g}" for value in row)]) for time, row in zip(times, values, strict=True)]
    path.write_text("\n".join([",".join(["time", *names]), *rows]) + "\n")
    return str(path)


def test_features_are_the_latest_known_standardised_by_training_alone(tmp_path):
    generator = numpy.random.default_rng(0)
    times = START + numpy.arange(0, 48) * 60 * MINUTE
    values = generator.normal(1e23, 3e22, (48, HMI_FEATURE_COUNT))
    values[3, 0] = numpy.nan
    path = feature_table(tmp_path / "hmi.csv", times, values)
    data = Ramp(side_channels=("hmi features",), hmi_features=path, catch="12min", validation_start="2014-01-02T00:00")
    assert data.input_shapes["side_channel"] == (25,)
    assert data.side_channel_names[:2] == ("feature_0", "feature_1")
    at = data.inputs(START + (5 * 60 + 48) * MINUTE)["side_channel"]
    known = values[:24]  # before validation
    expected = (values[5] - numpy.nanmean(known, axis=0)) / numpy.nanstd(known, axis=0)
    numpy.testing.assert_allclose(at, expected, rtol=1e-3, atol=1e-3)
    assert data.inputs(START + 3 * 60 * MINUTE)["side_channel"][0] == 0
    later = values.copy()
    later[24:] *= 7
    changed = Ramp(
        side_channels=("hmi features",),
        hmi_features=feature_table(tmp_path / "later.csv", times, later),
        catch="12min",
        validation_start="2014-01-02T00:00",
    )
    numpy.testing.assert_array_equal(changed.inputs(START + 348 * MINUTE)["side_channel"], at)


def test_samples_without_features_are_refused(tmp_path):
    path = feature_table(tmp_path / "hmi.csv", [START + 720 * MINUTE], numpy.ones((1, HMI_FEATURE_COUNT)))
    data = Ramp(side_channels=("hmi features",), hmi_features=path, catch="12min", validation_fraction=0.0)
    times = data.times("training")
    assert times[0] == START + 720 * MINUTE
    assert times[-1] == START + (720 + 1440) * MINUTE
    assert data.refused["no HMI features in the last 24 h"] == 240 - len(times)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,a,b\n2014-01-01,1,2\n", r"expected the column time and 25 features, received 3 columns \(time, a, b, ...\)"),
        ("", "empty file; give a CSV of HMI features"),
        ("time," + ",".join("abcdefghijklmnopqrstuvwxy") + "\n2014-01-01" + ",x" * 25 + "\n", "is no time or number"),
        ("time," + ",".join("abcdefghijklmnopqrstuvwxy") + "\nnever" + ",1" * 25 + "\n", "is no time or number"),
        ("time," + ",".join("abcdefghijklmnopqrstuvwxy") + "\n" + ",1" * 25 + "\n", "line 2 has no time"),
        (None, "no such file; give a CSV of HMI features"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, text, message):
    path = tmp_path / "hmi.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        Ramp(side_channels=("hmi features",), hmi_features=str(path)).times("training")
    assert str(path) in str(caught.value)


# Options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threshold": "Z1"}, "--threshold: not a GOES class"),
        ({"validation_start": "yesterday"}, "--validation_start yesterday: expected a UTC time"),
        ({"validation_start": "NaT"}, "--validation_start NaT: expected a UTC time"),
        ({"validation_start": "now"}, "--validation_start now: expected a UTC time"),
        ({"side_channels": ("current flux", "current flux")}, "repeats an entry"),
        ({"side_channels": ("hmi features",)}, "are given together"),
        ({"hmi_features": "x.csv"}, "are given together"),
    ],
)
def test_options_that_make_no_sense_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        Ramp(**given)


@pytest.mark.parametrize("given", [{"lag": "5min"}, {"catch": "00min"}, {"side_channels": ["flux"]}, {"images": 0}])
def test_options_have_their_choices(given):
    with pytest.raises(UserError):
        options.build(Ramp, given)
