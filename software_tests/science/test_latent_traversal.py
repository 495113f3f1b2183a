"""Latent spaces: traversal, what is measured, correlations, disentanglement, forecasts, anomalies, files, bad input."""

import json
import pathlib
import re
import types

import numpy
import pandas
import pytest
from PIL import Image

from dataset_models.SDO.HMI.flare_sequences import FlareSequences
from dataset_models.simulated.sun import SimulatedSun
from network_models.beta_vae import sequence, train
from network_models.image_inputs import Input
from network_models.trained_network import save_network
from science.latent_traversal import (
    anomalies,
    correlations,
    disentanglement,
    generated,
    latent_forecast,
    latent_traversal,
    latents,
)
from tools.errors import UserError

# h5py copies Keras variables through numpy's older protocol.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")

PROJECT = pathlib.Path(__file__).parents[2]
ROOM = PROJECT / "science" / "latent_traversal"
SUN = PROJECT / "dataset_models" / "simulated" / "sun.py"
FEW = ["--strips", "2", "--samples", "4", "--zeroed", "1", "--extremes", "2"]  # images in each picture
OPTIONS = ["--channel_set", "hmi", "--image_size", "32", "--dependent_variable", "flare", "--threshold", "C1.0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A beta-VAE after two epochs of 160 days of a simulated Sun."""
    more = ["--days", "160", "--epochs", "2", "--shown", "2", "--latent_dim", "4", "--loss", "gaussian"]
    out = ["--out", str(tmp_path_factory.mktemp("run"))]
    return train.main(["--architecture", "full_disk", "--dataset", str(SUN), *OPTIONS, *more, *out]).folder


@pytest.fixture(scope="module")
def subject(run):
    return latents.load(run.best, SUN)


@pytest.fixture(scope="module")
def encoded(subject):
    return latents.encode(subject)


def made(mean, log_variance=None, splits=None):
    """Encoded samples of given means."""
    count = len(mean)
    times = numpy.datetime64("2026-01-01", "s") + numpy.arange(count) * numpy.timedelta64(1, "h")
    splits = numpy.repeat("training", count) if splits is None else splits
    log_variance = numpy.zeros_like(mean) if log_variance is None else log_variance
    error = numpy.arange(count, dtype="float64")
    return latents.Encoded(times, splits, numpy.asarray(mean, "float64"), log_variance, error, error / 100)


# Encoding


@pytest.mark.long
def test_samples_are_encoded_as_the_network_sees_them(subject, encoded):
    data = subject.data.data
    assert isinstance(data, SimulatedSun)
    expected = numpy.concatenate([data.times("training"), data.times("validation")])
    numpy.testing.assert_array_equal(encoded.times, expected)
    image = (data.inputs(expected[7])["image"] + 256) / 512
    numpy.testing.assert_allclose(encoded.mean[7], subject.model.encoder(image[None])[0][0], rtol=1e-4, atol=1e-4)
    rebuilt = numpy.asarray(subject.model.images(subject.model(image[None], training=False)["output"]))
    assert encoded.squares[7] == pytest.approx(((rebuilt - image) ** 2).mean(), rel=1e-3)
    assert len(encoded.of("validation").times) == len(data.times("validation"))


def test_latents_are_ordered_by_their_divergence():
    found = made(numpy.tile([0.1, 2.0, 1.0], (5, 1)))
    numpy.testing.assert_allclose(found.kl, [0.005, 2.0, 0.5])
    numpy.testing.assert_array_equal(found.order, [1, 2, 0])
    assert list(latent_traversal.latent_table(found)["latent"]) == [1, 2, 0]


# Traversal


def test_a_traversal_is_drawn_in_greys_that_show_it():
    change = numpy.linspace(-0.02, 0.02, 5, dtype="float32")[None, :, None, None] * numpy.ones((1, 1, 4, 4), "float32")
    low, high = latent_traversal.grey_range(0.5 + change)  # a magnetogram
    numpy.testing.assert_allclose((low, high), (0.44, 0.56), atol=1e-6)
    numpy.testing.assert_allclose(latent_traversal.grey_range(0.1 + change), (0, 0.12), atol=1e-6)  # an intensity
    assert latent_traversal.grey_range(0.7 + change) == (0, 1)


def test_a_traversal_moves_one_latent_at_a_time(subject):
    base = numpy.array([0.5, -1.0, 0.0, 2.0])
    images, values = latent_traversal.traverse(subject.model, base, [2, 0], steps=5)
    assert images.shape == (2, 5, 32, 32, 1)
    numpy.testing.assert_allclose(values, [-3, -1.5, 0, 1.5, 3])
    point = base.copy()
    point[0] = 1.5
    numpy.testing.assert_allclose(images[1, 3], subject.model.decode(point[None].astype("float32"))[0], atol=1e-6)
    numpy.testing.assert_allclose(images[0, 2], subject.model.decode(base[None].astype("float32"))[0], atol=1e-6)


@pytest.mark.long
def test_what_the_script_writes(run, tmp_path, capsys):
    sun = SimulatedSun(days=160)
    time = str(sun.times("validation")[0])
    arguments = [str(run.best), str(SUN), "--around", time, "--count", "2", "--steps", "3", "--out", str(tmp_path / "out")]
    latent_traversal.main([*arguments, *FEW])
    names = {"samples.png", "zeroed.png", "activations.png"}  # of random latents, without single ones, of strong ones
    names |= {"traversal.png", "latents.png", "latents.csv", "reconstructions.png", "correlations.csv", "correlations.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"latents.npz"}
    table = pandas.read_csv(tmp_path / "out" / "latents.csv")
    assert (table["kl"].diff().dropna() <= 0).all()
    found = pandas.read_csv(tmp_path / "out" / "correlations.csv")
    assert {"unsigned flux", "regions", "largest west", "flare in the window", "day"} <= set(found["quantity"])
    assert found[["training", "validation"]].abs().max().max() <= 1
    with numpy.load(tmp_path / "out" / "latents.npz") as stored:
        assert stored["traversal"].shape == (2, 3, 32, 32, 1)
    assert "latents above 0.1 nats" in capsys.readouterr().out


@pytest.mark.long
def test_sequences_are_animated(tmp_path):
    model = sequence.build({"sequence": Input((6, 32, 32, 1))}, sequence.Options(latent_dim=3))
    save_network(model, tmp_path / "sequence.hdf5")
    flags = ["--channel_set", "hmi", "--image_size", "32", "--images", "6", "--image_interval", "60", "--days", "20"]
    arguments = [str(tmp_path / "sequence.hdf5"), str(SUN), *flags, "--steps", "2", "--count", "1", "--out", str(tmp_path)]
    latent_traversal.main([*arguments, *FEW])
    with Image.open(tmp_path / "traversal.gif") as animation:
        assert animation.n_frames == 6
    assert (tmp_path / "traversal.png").is_file()


# Correlations


def magnetogram(*spots, size=64):
    """A disk of radius 24 with square spots (column, row, gauss)."""
    image = numpy.full((size, size), 0.5)
    for column, row, gauss in spots:
        image[row - 2 : row + 3, column - 2 : column + 3] = gauss / 512 + 0.5
    return image


def test_regions_are_measured_where_they_are():
    found = correlations.measure(magnetogram((44, 20, 200), (20, 40, -100)), radius=24)
    assert found["regions"] == 2
    assert found["largest west"] == pytest.approx((44 - 31.5) / 24, abs=1e-6)
    assert found["largest north"] == pytest.approx((31.5 - 20) / 24, abs=1e-6)
    assert found["largest region"] == pytest.approx(2 / 3, abs=0.01)
    disk = (numpy.hypot(*(numpy.mgrid[:64, :64] - 31.5)) < 0.95 * 24).sum()
    assert found["unsigned flux"] == pytest.approx(25 * 300 / disk)
    assert found["signed flux"] == pytest.approx(25 * 100 / disk)


def test_a_quiet_sun_and_what_lies_off_the_disk():
    image = magnetogram()
    image[:, :4] = 0  # off the disk
    found = correlations.measure(image, radius=24)
    assert found["regions"] == found["unsigned flux"] == 0
    assert numpy.isnan(found["largest west"])


def test_rank_correlations_are_scipys():
    from scipy.stats import spearmanr

    random = numpy.random.default_rng(0)
    mean = random.normal(size=(50, 2))
    value = mean[:, 0] + random.normal(size=50)
    value[3] = numpy.nan
    found = correlations.rank_correlations(mean, {"value": value, "constant": numpy.ones(50)})
    usable = numpy.isfinite(value)
    for latent in (0, 1):
        assert found[latent, 0] == pytest.approx(spearmanr(mean[usable, latent], value[usable]).statistic)
    assert numpy.isnan(found[:, 1]).all()


def test_a_kind_is_no_amount():
    """A digit is ten quantities, none of them an order from 0 to 9; magnetograms and fluxes stay amounts."""
    from dataset_models.digits import Digits
    from network_models.beta_vae.unit_images import UnitImages

    images = UnitImages(Digits(most=30))
    times = images.data.times("training")
    found = correlations.quantities(types.SimpleNamespace(data=images), times)
    assert list(found) == [f"digit {kind}" for kind in range(10)]
    numpy.testing.assert_array_equal(numpy.stack(list(found.values())).sum(axis=0), 1)
    numpy.testing.assert_array_equal(found["digit 3"], [images.data.target(time) == 3 for time in times])


# Disentanglement


def test_separate_latents_have_a_gap_and_mixed_ones_none():
    random = numpy.random.default_rng(0)
    factors = {name: random.uniform(size=4000) for name in ("a", "b")}
    values = numpy.stack(list(factors.values()), axis=1)
    separate = disentanglement.measure(numpy.concatenate([values**3, random.normal(size=(4000, 2))], axis=1), factors)
    assert separate.mig > 0.9
    assert separate.sap > 0.7
    turned = values @ numpy.array([[1, -1], [1, 1]]) / numpy.sqrt(2)
    mixed = disentanglement.measure(turned, factors)
    assert mixed.mig < 0.05
    assert mixed.sap < 0.05
    assert disentanglement.measure(random.normal(size=(4000, 3)), factors).mig < 0.01


def test_missing_and_constant_factors():
    random = numpy.random.default_rng(0)
    value = random.uniform(size=500)
    missing = numpy.where(random.random(500) < 0.2, numpy.nan, value)
    found = disentanglement.measure(numpy.stack([value, -value], axis=1), {"missing": missing, "constant": numpy.ones(500)})
    assert found.factors == ("missing",)
    assert found.mig == pytest.approx(0, abs=0.01)  # both latents tell the same, but for samples on the edge of a bin
    with pytest.raises(UserError, match="no factor varies"):
        disentanglement.measure(numpy.zeros((500, 2)), {"constant": numpy.ones(500)})
    with pytest.raises(UserError, match="at least two latents"):
        disentanglement.measure(numpy.zeros((500, 1)), {"value": value})


@pytest.mark.parametrize("count", [30, 100, 400])
def test_few_samples_share_no_information_by_chance(count):
    """Histograms of few samples in 20 bins find most of a factor's entropy in pure noise."""
    told = []
    for seed in range(20):
        values = numpy.random.default_rng(seed).normal(size=(count, 4))
        told.append(disentanglement.measure(values[:, :3], {"factor": values[:, 3]}).information)
    assert numpy.min(told) >= 0
    assert numpy.mean(told) < 0.04
    values = numpy.random.default_rng(0).normal(size=(count, 2))
    same = disentanglement.measure(values, {"first": values[:, 0]})
    assert same.information[0, 0] == pytest.approx(1)
    assert same.mig > 0.9


def test_a_latent_that_tells_nothing_new_at_all():
    factor = numpy.repeat([0, 1], 50)
    assert disentanglement.shared_information(numpy.zeros(100, int), factor) == 0
    assert disentanglement.shared_information(numpy.arange(100), factor) == 0  # a bin for each sample
    assert disentanglement.shared_information(factor, factor) == pytest.approx(1)


def test_bins_hold_equally_many():
    values = numpy.random.default_rng(0).normal(size=1000)
    assert (numpy.bincount(disentanglement.binned(values, 10)) == 100).all()
    numpy.testing.assert_array_equal(disentanglement.binned(numpy.array([3.0, 1, 3, 7])), [1, 0, 1, 2])


def test_disentanglement_of_a_run(run, tmp_path, capsys):
    disentanglement.main([str(run), "--out", str(tmp_path)])
    table = pandas.read_csv(tmp_path / "disentanglement.csv")
    assert table["beta"].tolist() == [1.0]
    assert 0 <= table["mig"][0] <= 1
    assert "gap: total flux" in table
    assert (tmp_path / "information_beta1_seed0.png").is_file()
    assert "active_latents" in capsys.readouterr().out


# Forecast and anomalies


def test_a_latent_that_tells_is_used():
    random = numpy.random.default_rng(0)
    vectors = random.normal(size=(600, 3))
    event = vectors[:, 1] + 0.3 * random.normal(size=600) > 0.8
    times = numpy.datetime64("2026-01-01", "s") + numpy.arange(600) * numpy.timedelta64(3600, "s")
    for kind in latent_forecast.KINDS:
        own = latent_forecast.cross_fitted(kind, vectors, event, times, gap=numpy.timedelta64(24, "h"))
        assert own[event].mean() > own[~event].mean() + 0.4


def test_no_forecast_comes_from_neighbours():
    """A latent that only tells the time cannot forecast parts that were left out."""
    count = 500
    times = numpy.datetime64("2026-01-01", "s") + numpy.arange(count) * numpy.timedelta64(3600, "s")
    event = numpy.arange(count) % 100 < 20
    vectors = numpy.arange(count)[:, None] / 10.0
    own = latent_forecast.cross_fitted("gradient boosting", vectors, event, times, gap=numpy.timedelta64(24, "h"))
    for part in numpy.array_split(numpy.arange(count), latent_forecast.FOLDS):
        assert numpy.ptp(own[part[30:-30]]) < 0.35


@pytest.mark.parametrize("begin", [0, 150, 450])
def test_validation_alone_is_scored_wherever_it_lies(begin):
    """Validation before, amid and after training: each score is of its samples, each forecast with its own outcome."""
    count, random = 600, numpy.random.default_rng(0)
    times = numpy.datetime64("2026-01-01", "s") + numpy.arange(count) * numpy.timedelta64(3600, "s")
    event = random.random(count) < 0.3
    inside = (numpy.arange(count) >= begin) & (numpy.arange(count) < begin + 150)
    order = numpy.concatenate([numpy.flatnonzero(~inside), numpy.flatnonzero(inside)])
    splits = numpy.where(inside, "validation", "training")[order]
    vectors = (event + 0.1 * random.normal(size=count))[:, None]  # tells the outcome
    nothing = numpy.zeros(count)
    encoded = latents.Encoded(times[order], splits, vectors[order], vectors[order] * 0, nothing, nothing)
    truth = dict(zip(times.tolist(), event.tolist(), strict=True))
    data = types.SimpleNamespace(
        task="classification",
        title="hours",
        simulated=True,
        reach=numpy.timedelta64(24, "h"),
        truth=lambda time: (float(truth[time.item()]), 0.0),
    )
    made = latent_forecast.forecasts(types.SimpleNamespace(data=data), encoded)
    checked, _ = latent_forecast.verify(made, None, window=numpy.timedelta64(1, "h"), event="M1.0", block_days=0.5, samples=20)
    for name, forecast in checked.forecasts.items():
        numpy.testing.assert_array_equal(forecast.times, times[inside])
        numpy.testing.assert_array_equal(forecast.event, event[inside])
        assert checked.scored[name].value["tss"] > 0.95


@pytest.mark.parametrize(
    ("lag", "catch", "hours", "other"),
    [("00min", "24hr", 24, ""), ("00min", "01hr", 1, ""), ("12hr", "24hr", 24, r"is \+12 h to \+36 h after a sample")],
)
def test_baselines_are_of_the_window_of_the_target(lag, catch, hours, other):
    sun = SimulatedSun(dependent_variable="flare", lag=lag, catch=catch)
    length, said = latent_forecast.window_of(sun)
    assert length == numpy.timedelta64(hours, "h")
    assert re.search(other, said) if other else said == ""


def test_flares_that_are_the_samples_have_no_window():
    length, said = latent_forecast.window_of(FlareSequences(until="start"))
    assert length == numpy.timedelta64(0, "h")
    assert said.endswith("is at the start of the flare, the time of the sample")


@pytest.mark.long
def test_a_later_window_has_climatology_alone_beside_it(run, tmp_path, capsys):
    more = ["--samples", "50", "--block", "2", "--out", str(tmp_path), "--lag", "12hr"]
    latent_forecast.main([str(run.best), str(SUN), *more])
    printed = capsys.readouterr().out
    assert "climatology" in printed
    assert "persistence" not in printed
    assert (
        "climatology of the training split alone: the target of simulated Sun (not observations) is +12 h to +36 h" in printed
    )
    found = json.loads((tmp_path / "latent_forecast" / "verification.json").read_text())
    assert found["settings"]["window_hours"] == 24


def test_flares_are_of_both_splits_whichever_is_first():
    days = numpy.arange("2026-01-01", "2026-01-11", dtype="datetime64[D]").astype("datetime64[s]")
    truth = types.SimpleNamespace(flares=lambda begin, end: (begin, end))
    data = types.SimpleNamespace(times={"validation": days[:3], "training": days[3:]}.get, ground_truth=truth)
    assert latent_forecast.events_of(data) == (days[0], days[-1] + numpy.timedelta64(1, "D"))


@pytest.mark.long
def test_the_forecast_is_verified_beside_baselines(run, tmp_path, capsys):
    more = ["--samples", "100", "--block", "2", "--out", str(tmp_path)]
    latent_forecast.main([str(run.best), str(SUN), *more])
    printed = capsys.readouterr().out
    for name in ("latents logistic regression", "latents gradient boosting", "climatology", "persistence"):
        assert name in printed
    folder = tmp_path / "latent_forecast"
    table = pandas.read_csv(folder / "latents_logistic_regression.csv")
    assert list(table) == ["time", "probability", "target", "simulated"]
    data = latents.load(run.best, SUN).data
    assert len(table) == sum(len(data.times(split)) for split in ("training", "validation"))
    assert table["probability"].between(0, 1).all()
    assert (folder / "verification.json").is_file()


def test_a_flux_is_no_event(run):
    subject = latents.load(run.best, SUN, {"dependent_variable": "log flux"})
    with pytest.raises(UserError, match="the target is no event"):
        latent_forecast.forecasts(subject, latents.encode(subject))


def test_anomaly_scores_are_deviations_from_training():
    splits = numpy.repeat(["training", "validation"], 5)
    score = anomalies.scores(made(numpy.zeros((10, 2)), splits=splits))
    assert score[:5].mean() == pytest.approx(0)
    assert score[:5].std() == pytest.approx(1)
    assert score[9] == pytest.approx((9 - 2) / numpy.sqrt(2))


def test_the_most_unusual_images_are_days_apart():
    times = numpy.datetime64("2026-01-01", "s") + numpy.arange(100) * numpy.timedelta64(3600, "s")
    found = anomalies.distinct(numpy.arange(100.0), times, 3, apart=numpy.timedelta64(24, "h"))
    assert found == [99, 75, 51]


@pytest.mark.long
def test_anomalies_of_a_run(run, tmp_path):
    anomalies.main([str(run.best), str(SUN), "--count", "2", "--out", str(tmp_path)])
    table = pandas.read_csv(tmp_path / "anomalies.csv")
    names = ["time", "split", "reconstruction_error", "mean_squared_error", "score", "true_value", "simulated"]
    assert list(table) == names
    assert table.loc[table["split"] == "training", "score"].mean() == pytest.approx(0, abs=1e-4)
    assert (tmp_path / "anomalies.png").is_file()
    assert (tmp_path / "most_unusual.png").is_file()


# Bad input


def test_images_of_another_size(run):
    with pytest.raises(UserError, match=r"takes 32 x 32 x 1 values, .* gives 64 x 64 x 1; choose the data options"):
        latents.load(run.best, SUN, {"image_size": 64})


def test_a_time_without_a_sample(subject):
    with pytest.raises(UserError, match="has no sample at this time; the nearest is"):
        latents.image_of(subject, "2011-03-01T05:00")
    for text in ("nowhere.fits", "NaT", "2011-03-01T00:00+01:00"):
        with pytest.raises(UserError, match="no such image file, nor a UTC time"):
            latents.image_of(subject, text)


def test_digits_have_no_known_factors():
    from dataset_models.digits import Digits

    with pytest.raises(UserError, match="hidden variables are not known"):
        disentanglement.factors_of(Digits(), Digits().times("training"))


def test_a_beta_vae_has_no_forecast_to_explain(run, tmp_path):
    from science.embedding import tsne
    from science.saliency import saliency

    arguments = [str(run.best), str(SUN), "--out", str(tmp_path / "out")]
    for script, more in ((saliency, ["2012-01-01"]), (tsne, [])):
        with pytest.raises(UserError, match="is a beta-VAE, which has no forecast to explain"):
            script.main([*arguments[:2], *more, *arguments[2:]])
    assert not (tmp_path / "out").exists()


def test_another_network_is_refused(saved):
    with pytest.raises(UserError, match="is no beta-VAE"):
        latents.load(saved(), SUN)


@pytest.mark.parametrize("script", ["latent_traversal", "latent_forecast", "anomalies"])
def test_a_missing_network_is_one_line(script, tmp_path, command):
    done = command(ROOM / f"{script}.py", "missing.hdf5", SUN, "--out", tmp_path / "out")
    assert done.code == 2
    assert done.err == f"{script}.py: missing.hdf5: no such network file\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        (latent_traversal, ["--steps", "1"], "--steps 1: must be at least 2"),
        (latent_traversal, ["--reach", "0"], "--reach 0: must be above 0"),
        (latent_forecast, ["--block", "0"], "--block 0: give a time of at least a second"),
        (latent_forecast, ["--block", "inf"], "--block inf: give a time of at least a second, at most 36525 days, in days"),
        (anomalies, ["--count", "0"], "--count 0: must be at least 1"),
    ],
)
def test_flags_are_checked_first(script, flags, message):
    with pytest.raises(UserError, match=message):
        script.main(["missing.hdf5", str(SUN), *flags])


@pytest.mark.long
def test_images_of_the_network_itself(subject, encoded, run, tmp_path):
    drawn, points = generated.samples(subject.model, 5, seed=1)
    assert drawn.shape == (5, 32, 32, 1)
    again, other = generated.samples(subject.model, 5, seed=1)[1], generated.samples(subject.model, 5, seed=2)[1]
    numpy.testing.assert_array_equal(points, again)
    assert (points != other).any()
    every = list(range(4))
    decoded = generated.zeroed(subject.model, encoded.mean[:2], every)
    whole = numpy.asarray(subject.model.decode(encoded.mean[:2].astype("float32")))
    numpy.testing.assert_allclose(decoded[:, 0], whole, atol=1e-6)
    numpy.testing.assert_allclose(decoded[:, -1], whole, atol=1e-6)  # nothing is lost with all latents selected
    flags = ["--samples", "0", "--extremes", "3", "--zeroed", "2", "--out", str(tmp_path / "out")]
    latent_traversal.main([str(run.best), str(SUN), *flags])
    names = {file.name for file in (tmp_path / "out").glob("*.png")}
    assert {"zeroed.png", "activations.png"} <= names
    assert "samples.png" not in names


def test_the_images_of_low_and_high_activation():
    random = numpy.random.default_rng(0).normal(size=30)
    low, high = generated.extremes(random, 5)
    assert random[low].max() < numpy.median(random) < random[high].min()
    assert [len(part) for part in generated.extremes(random[:3], 5)] == [1, 1]
