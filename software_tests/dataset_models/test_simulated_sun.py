"""The simulated Sun: physics that must hold, the truth it tells, and the images it reads back."""

import dataclasses
import inspect

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models.images import geometry
from dataset_models.simulated import active_regions, archive, flares
from dataset_models.simulated.rendering import AIA_CHANNELS, Renderer
from dataset_models.simulated.sun import SimulatedSun
from dataset_models.solar_data import load_solar_data
from tools import goes_class
from tools.errors import UserError

DAY = numpy.timedelta64(1, "D")
MONTH = {"start": "2013-06-01", "days": 30, "image_size": 64}


@pytest.fixture(scope="module")
def sun():
    return SimulatedSun()


@pytest.fixture(scope="module")
def month():
    return SimulatedSun(**MONTH)


@pytest.fixture(scope="module")
def clear_cut():
    return SimulatedSun(activity="clear cut", dependent_variable="flare")


@pytest.fixture(scope="module")
def renderer():
    return Renderer(256, 0)


def _at(renderer, region, **changes):
    return renderer.magnetogram(dataclasses.replace(region, **changes), numpy.datetime64("2014-01-01"), noise=False)


# The same Sun again


def test_the_same_seed_gives_the_same_sun(month):
    time = month.times("training")[3]
    again = SimulatedSun(**MONTH)
    numpy.testing.assert_array_equal(month.image(time), again.image(time))
    numpy.testing.assert_array_equal(month.flux_series.flux, again.flux_series.flux)


def test_another_seed_gives_another_sun(month):
    other = SimulatedSun(sun_seed=1, **MONTH)
    time = month.times("training")[3]
    assert not set(other.regions(time).latitude) & set(month.regions(time).latitude)
    assert numpy.abs(other.image(time) - month.image(time)).max() > 100


def test_the_sun_does_not_depend_on_the_span_asked_for(month):
    longer = SimulatedSun(**MONTH | {"start": "2013-03-07", "days": 150, "cadence_minutes": 77})
    time = numpy.datetime64("2013-06-11T05:00")
    numpy.testing.assert_array_equal(month.image(time), longer.image(time))
    window = {"lag": 0 * DAY, "catch": DAY}
    times = month.times("validation")
    numpy.testing.assert_allclose(
        month.flux_series.maximum(times, **window), longer.flux_series.maximum(times, **window), rtol=1e-12
    )
    numpy.testing.assert_allclose(month.ground_truth.probability(times), longer.ground_truth.probability(times), atol=1e-12)


# Regions


def test_rotation_agrees_with_magnetic_features_in_sunpy():
    from astropy import units
    from sunpy.sun.models import differential_rotation

    latitude = numpy.array([0.0, 15, 30, 45])
    theirs = differential_rotation(1 * units.day, latitude * units.deg, model="howard", frame_time="synodic").to_value("deg")
    numpy.testing.assert_allclose(geometry.rotation_rate(latitude), theirs, atol=0.1)


def test_regions_obey_hale_joy_and_the_butterfly():
    population = active_regions.Population(0, "2009-06-01", "2030-01-01")
    cycle, phase, _ = active_regions.solar_cycle(population.born)
    north = population.latitude > 0
    assert set(population.polarity[north & (cycle == 24)]) == {-1.0}
    assert set(population.polarity[~north & (cycle == 24)]) == {1.0}
    assert set(population.polarity[north & (cycle == 25)]) == {1.0}
    early, late = (numpy.abs(population.latitude[mask]).mean() for mask in (phase < 0.3, phase > 0.7))
    assert early > late + 8
    slope = numpy.polyfit(numpy.abs(population.latitude), population.tilt, 1)[0]
    assert 0.3 < slope < 0.7
    # More regions at the maximum of 2013 than at the minimum of 2019.
    count = [len(population.at(f"{year}-06-01")) for year in (2013, 2019)]
    assert count[0] > 3 * count[1]


def test_regions_emerge_grow_and_decay():
    population = active_regions.Population(0, "2013-01-01", "2014-01-01")
    for index in range(0, len(population), 17):
        days = numpy.linspace(population.born[index], population.ends[index], 101)
        flux = population.evolve(numpy.full(101, index), days).flux
        highest = flux.argmax()
        assert flux[0] < 1e-3 * flux.max()
        assert flux[-1] < 1e-3 * flux.max()
        assert 0 < highest < 60
        nominal = population.evolve(numpy.full(101, index), days).size ** 2
        assert (numpy.diff(nominal[: nominal.argmax()]) >= 0).all()
        assert (numpy.diff(nominal[nominal.argmax() :]) <= 0).all()


@pytest.mark.parametrize("complexity", [0.0, 0.5, 1.0])
def test_a_region_carries_the_flux_it_states(complexity):
    region = active_regions.one_region(flux=2e22, complexity=complexity)
    across, along = numpy.mgrid[-12:12:0.1, -16:16:0.1]
    shape = (region.size, region.separation, region.complexity, region.side)
    field = active_regions.radial_field(along, across, *shape)
    area = (0.1 * active_regions.CENTIMETRES_PER_DEGREE) ** 2
    assert numpy.abs(field).sum() * area == pytest.approx(2e22, rel=0.12)
    assert abs(field.sum()) < 0.02 * numpy.abs(field).sum()
    measured = active_regions.measure_inversion_line_flux(field, 0.1)
    assert measured == pytest.approx(float(region.inversion_line_flux[0]), rel=0.1, abs=1e18)


def test_big_simple_regions_have_no_strong_inversion_line():
    size = active_regions.size_of([4e21, 2e22, 6e22])
    numpy.testing.assert_array_equal(active_regions.inversion_line_flux(size, 0.0), 0)
    near_line = active_regions.inversion_line_flux(size[:, None], numpy.linspace(0.6, 1, 5))
    assert (numpy.diff(near_line, axis=0) > 0).all()
    assert (numpy.diff(near_line, axis=1) > 0).all()


# Pictures


@pytest.mark.parametrize(("latitude", "longitude"), [(20, 40), (-15, -50), (5, 0)])
def test_regions_appear_where_the_wcs_says(renderer, latitude, longitude):
    from astropy import units
    from astropy.coordinates import SkyCoord
    from sunpy.coordinates import HeliographicStonyhurst
    from sunpy.map import Map

    from dataset_models.simulated.sun import image_header

    time = numpy.datetime64("2014-01-01")
    region = active_regions.one_region(latitude=latitude, longitude=longitude, flux=1e22, ratio=4.5)
    image = renderer.aia(region, time, noise=False) - renderer.aia(region.take([]), time, noise=False)
    light = image[..., AIA_CHANNELS.index("1600")]
    row, column = (numpy.average(grid, weights=light) for grid in numpy.indices(light.shape))
    header = image_header(256, time)
    seen = Map(light[::-1], header)
    place = SkyCoord(
        longitude * units.deg, latitude * units.deg, 695700 * units.km, frame=HeliographicStonyhurst(obstime=str(time))
    )
    expected = seen.wcs.world_to_pixel(place.transform_to(seen.coordinate_frame))
    assert column == pytest.approx(float(expected[0]), abs=2.5)  # plage of two polarities: centred on them to some pixels
    assert 255 - row == pytest.approx(float(expected[1]), abs=2.5)


def test_north_is_up_and_west_is_right(renderer):
    region = active_regions.one_region(latitude=30, longitude=45)
    field = numpy.abs(numpy.nan_to_num(_at(renderer, region) - _at(renderer, region, flux=numpy.zeros(1))))
    row, column = numpy.unravel_index(field.argmax(), field.shape)
    assert row < 100
    assert column > 156


def test_leading_polarity_is_west_and_nearer_the_equator(renderer):
    region = active_regions.one_region(latitude=20, longitude=0, tilt=15, polarity=-1, flux=3e22)
    field = numpy.nan_to_num(_at(renderer, region) - _at(renderer, region, flux=numpy.zeros(1)))
    leader, follower = (numpy.unravel_index(pole, field.shape) for pole in (field.argmin(), field.argmax()))
    assert leader[1] > follower[1]
    assert leader[0] > follower[0]


def test_disk_is_darkened_in_1600_and_brightened_in_the_corona(renderer):
    nothing = active_regions.one_region().take([])
    months = numpy.arange("2014-01", "2014-09", dtype="datetime64[M]")
    quiet = numpy.mean([renderer.aia(nothing, month, noise=False) for month in months], axis=0)
    distance = numpy.hypot(*(numpy.indices((256, 256)) - 127.5)) / renderer.radius
    for name, low, high in (("1600", 0.3, 0.75), ("171", 1.25, 3), ("193", 1.25, 3), ("304", 1.02, 2)):
        channel = quiet[..., AIA_CHANNELS.index(name)]
        ratio = channel[(distance > 0.96) & (distance < 0.99)].mean() / channel[distance < 0.5].mean()
        assert low < ratio < high, name
    assert (quiet[distance > 1.15].mean(axis=0) < quiet[distance < 0.9].mean(axis=0)).all()


def test_complexity_shows_in_the_hot_channels_and_little_in_the_cool_ones(renderer):
    time = numpy.datetime64("2014-01-01")
    simple, mixed = (
        renderer.aia(active_regions.one_region(flux=2e22, complexity=complexity), time, noise=False) for complexity in (0, 1)
    )
    hot, cool = AIA_CHANNELS.index("94"), AIA_CHANNELS.index("171")
    assert mixed[..., hot].max() > 3 * simple[..., hot].max()
    assert mixed[..., cool].sum() == pytest.approx(simple[..., cool].sum(), rel=0.02)


def test_loops_show_before_their_region_comes_round_the_limb(renderer):
    time = numpy.datetime64("2014-01-01")
    hidden = active_regions.one_region(longitude=-98, latitude=0, flux=4e22)
    light = renderer.aia(hidden, time, noise=False) - renderer.aia(hidden.take([]), time, noise=False)
    assert light[~renderer.on_disk][:, AIA_CHANNELS.index("171")].max() > 20
    distance = numpy.hypot(*(numpy.indices((256, 256)) - 127.5)) / renderer.radius
    assert light[distance < 0.97].max() < 0.01
    far = active_regions.one_region(longitude=180, latitude=0, flux=4e22)
    assert (renderer.aia(far, time, noise=False) == renderer.aia(far.take([]), time, noise=False)).all()


def test_the_quiet_sun_rotates(renderer):
    nothing = active_regions.one_region().take([])
    times = numpy.datetime64("2014-01-05") + numpy.array([0, 24]) * numpy.timedelta64(1, "h")
    field = [numpy.nan_to_num(renderer.magnetogram(nothing, time, noise=False)) for time in times]
    # Near the centre of the disk one day is 13.4 degrees, or 23 pixels of 256.
    middle = slice(108, 148)
    first = field[0][middle, 100:150]
    match = [numpy.corrcoef(first.ravel(), field[1][middle, 100 + s : 150 + s].ravel())[0, 1] for s in range(40)]
    assert abs(numpy.argmax(match) - 23) <= 1
    assert max(match) > 0.5


@pytest.mark.parametrize("size", [100, 300])
def test_images_are_float32_at_any_size(size):
    time = numpy.datetime64("2014-01-01")
    region = active_regions.one_region(complexity=1.0)
    drawn = Renderer(size, 3)
    assert drawn.aia(region, time).dtype == numpy.float32
    assert drawn.magnetogram(region, time).dtype == numpy.float32


def test_the_sun_looks_the_same_at_every_size():
    time = numpy.datetime64("2014-01-01")
    region = active_regions.one_region(flux=3e22, complexity=0.8, longitude=-20)
    small, large = (Renderer(size, 0).aia(region, time, noise=False) for size in (128, 512))
    shrunk = large.reshape(128, 4, 128, 4, 8).mean((1, 3))
    light = small.sum((0, 1)) / shrunk.sum((0, 1))
    numpy.testing.assert_allclose(light, 1, atol=0.03)
    for channel in range(8):
        assert numpy.corrcoef(small[..., channel].ravel(), shrunk[..., channel].ravel())[0, 1] > 0.9


# X-rays


@given(st.floats(5e-7, 1e-3), st.sampled_from(sorted(flares.LAWS)))
@settings(max_examples=30, deadline=None)
def test_drawn_peaks_follow_the_power_law(peak, activity):
    law = flares.LAWS[activity]
    drawn = law.draw_peaks((numpy.arange(20000) + 0.5) / 20000)
    assert drawn.min() >= law.smallest_peak * 0.999
    assert drawn.max() <= flares.LARGEST_PEAK
    assert (drawn >= peak).mean() == pytest.approx(float(law.exceeds(peak)), abs=1e-3)


def test_flares_rise_fast_and_decay_slowly(month):
    events, series = month.xrays.flares, month.flux_series
    loud = events.take(events.flux > 3e-6)
    assert len(loud) > 10
    for index in range(len(loud)):
        minute = int((loud.peak_time[index] - series.start) // numpy.timedelta64(60, "s"))
        if not 30 < minute < len(series) - 120:
            continue
        alone = month.xrays.background[minute] + loud.flux[index]
        assert series.flux[minute] >= alone * (1 - 1e-9)
        assert loud.start[index] < loud.peak_time[index] < loud.end[index]
        assert loud.peak_time[index] - loud.start[index] < 3 * (loud.end[index] - loud.peak_time[index])
    minutes = numpy.arange(-30, 31)
    shape = flares.profile(minutes, 3.0, 15.0)
    assert shape.max() == shape[30] == 1
    assert shape[30 + 12] > 10 * shape[30 - 12]


def test_flares_come_from_regions_with_flux_near_inversion_lines(month):
    truth = month.ground_truth
    table = truth.flares("2013-06-01", "2013-07-01")
    assert len(table) > 50
    for row in table.iloc[::10].itertuples():
        regions = month.regions(row.peak)
        own = regions.take(regions.number == row.region)
        assert own.inversion_line_flux[0] > 0
        assert own.angle[0] < 101
        assert own.longitude[0] == pytest.approx(row.longitude, abs=1)
        assert goes_class.to_flux(row.goes_class) == pytest.approx(row.flux, rel=0.1)


def test_best_forecast_is_calibrated_and_beats_climatology_and_persistence(sun):
    times = sun.image_times()
    for threshold in ("C3.0", "M1.0"):
        other = dataclasses.replace(sun, threshold=threshold, dependent_variable="flare")
        happened, past = other.truths(times)
        probability = other.ground_truth.probability(times)
        spread = numpy.sqrt((probability * (1 - probability)).sum())
        assert abs(probability.sum() - happened.sum()) < 3.5 * spread
        for low, high in ((0.05, 0.3), (0.3, 0.6), (0.6, 0.95)):
            those = (probability >= low) & (probability < high)
            spread = numpy.sqrt((probability * (1 - probability))[those].sum())
            assert abs(probability[those].sum() - happened[those].sum()) < 3.5 * spread
        scores = flares.best_scores(probability, happened)
        assert scores["brier"] < 0.75 * happened.mean() * (1 - happened.mean())
        assert scores["brier"] < 0.6 * numpy.mean((past - happened) ** 2)
        assert scores["tss"] > 0.5


def test_flux_near_inversion_lines_forecasts_better_than_persistence(sun):
    """A regression on what the images show: the demonstration has something to learn."""
    times = sun.image_times()
    window = {"catch": DAY}
    target = numpy.log10(sun.flux_series.maximum(times, lag=0 * DAY, **window))
    past = numpy.log10(sun.flux_series.maximum(times, lag=-DAY, **window))
    rows = []
    for time in times:
        regions = sun.regions(time)
        regions = regions.take(regions.angle < 90)
        near_line = regions.inversion_line_flux.sum()
        rows.append([1, numpy.log10(1e19 + near_line), near_line / 1e20, numpy.log10(1e20 + regions.flux.sum())])
    train, test = slice(0, 1100), slice(1110, None)

    def error(features):
        weights = numpy.linalg.lstsq(features[train], target[train], rcond=None)[0]
        return numpy.mean((features[test] @ weights - target[test]) ** 2)

    climatology = numpy.mean((target[train].mean() - target[test]) ** 2)
    persistence = error(numpy.stack([numpy.ones_like(past), past], -1))
    regression = error(numpy.array(rows))
    best = numpy.mean((sun.ground_truth.expected_log_flux(times[test]) - target[test]) ** 2)
    assert best < 0.7 * regression
    assert regression < 0.95 * persistence
    assert persistence < 0.6 * climatology


def test_scores_of_a_sample_without_events_are_undefined_not_zero():
    scores = flares.best_scores([0.1, 0.2], [False, False])
    assert numpy.isnan(scores["tss"])
    assert numpy.isnan(scores["brier_skill"])
    assert scores["brier"] == pytest.approx(0.025)


# The truth


def test_masks_hold_what_a_region_adds(month):
    time = next(time for time in month.image_times() if len(month.ground_truth.masks(time)) >= 3)
    image = month.image(time)
    for number, mask in month.ground_truth.masks(time).items():
        assert mask.dtype == bool
        change = numpy.abs(image - month.ground_truth.image_without(time, number))[..., :-1].sum(axis=-1)
        if change.sum() < 500:
            continue
        assert change[mask].sum() > 0.7 * change.sum()
        assert mask.mean() < 0.1


def test_painting_out_every_region_leaves_the_quiet_sun(month):
    time = month.image_times()[4]
    quiet = month.image_of(month.regions(time).take([]), time)
    numpy.testing.assert_array_equal(month.ground_truth.image_without(time, month.regions(time).number), quiet)


def test_clear_cut_forecasts_are_nearly_certain_and_the_flaring_region_known(clear_cut):
    truth = clear_cut.ground_truth
    scores = truth.best_scores()
    assert 0.25 < scores["rate"] < 0.75
    assert scores["tss"] > 0.95
    times = clear_cut.times("validation")
    happened = clear_cut.targets("validation") > 0
    assert happened.sum() >= 150
    for time, event in list(zip(times, happened, strict=True))[::20]:
        number = truth.flaring_region(time)
        assert (number is not None) == event
        if number is not None:
            assert clear_cut.regions(time + DAY).inversion_line_flux[clear_cut.regions(time + DAY).number == number] > 2e20


def test_flaring_region_has_the_strongest_flare_of_the_window(sun):
    found = 0
    for time in sun.image_times()[400:600]:
        number = sun.ground_truth.flaring_region(time)
        if number is None:
            continue
        table = sun.ground_truth.flares(time, time + DAY)
        assert table.loc[table["flux"].idxmax(), "region"] == number
        assert sun.truth(time)[0] >= 1e-5
        found += 1
    assert found > 20


def test_tables_and_factors_are_complete(month):
    time = month.image_times()[10]
    table = month.ground_truth.regions(time)
    assert (table["angle"] < 90).all()
    assert len(month.ground_truth.regions(time, visible=False)) > len(table)
    factors = month.ground_truth.factors(time)
    assert factors["background"] < month.flux_series.current([time])[0] * 1.01
    near = table[table["angle"] < 75]
    assert factors["regions on the disk"] == len(near)
    assert factors["log flux of the largest region"] == pytest.approx(numpy.log10(near["flux"].max()))


# A data set like the others


def test_the_default_learns_from_a_thousand_days(sun):
    assert load_solar_data(inspect.getfile(SimulatedSun)) is SimulatedSun
    training, validation = sun.times("training"), sun.times("validation")
    assert 600 <= len(training) <= 1200
    assert training[-1] + DAY <= validation[0]
    assert sun.simulated
    assert "not observations" in sun.title
    assert sun.metadata(validation[0])["simulated"] == "yes"
    inputs = sun.inputs(validation[0])
    assert inputs["image"].shape == (128, 128, 8)
    assert inputs["image"].dtype == numpy.float32
    assert numpy.isfinite(inputs["image"]).all()
    assert inputs["image"].min() >= 0
    assert sun.targets("training").std() > 0.5


def test_magnetograms_are_clipped_and_zero_off_the_disk():
    both = SimulatedSun(**MONTH | {"channel_set": "both", "magnetogram_clip": 100.0})
    time = both.image_times()[10]
    image = both.image(time)
    assert [channel.name for channel in both.channels] == [*AIA_CHANNELS, "magnetogram"]
    assert numpy.abs(image[..., 8]).max() == 100
    assert (image[~both.renderer.on_disk][:, 8] == 0).all()
    only = SimulatedSun(**MONTH | {"channel_set": "hmi", "magnetogram_clip": 100.0})
    numpy.testing.assert_array_equal(only.image(time)[..., 0], image[..., 8])
    grey = SimulatedSun(**MONTH | {"channel_set": "both", "magnetogram_clip": 100.0, "magnetogram_unit": "grey"})
    on_disk = both.renderer.on_disk
    numpy.testing.assert_allclose(grey.image(time)[on_disk][:, 8], (image[on_disk][:, 8] + 100) / 200, atol=1e-6)
    assert (grey.image(time)[~on_disk][:, 8] == 0).all()
    numpy.testing.assert_array_equal(grey.image(time)[..., :8], image[..., :8])
    assert (grey.channels[8].unit, both.channels[8].unit) == ("grey level (0 to 1)", "G")


def test_earlier_images_are_drawn_at_any_time():
    sun = SimulatedSun(**MONTH, images=3, image_interval=12)
    assert sun.refused["an earlier image is missing"] == 0
    time = sun.times("training")[0]
    inputs = sun.inputs(time)
    numpy.testing.assert_array_equal(inputs["image_prior_2"], sun.image(time - numpy.timedelta64(24, "m")))


@pytest.mark.parametrize(
    ("options", "named"),
    [({"start": "yesterday"}, "--start"), ({"start": "1960-01-01"}, "--start"), ({"threshold": "Z1"}, "--threshold")],
)
def test_impossible_options_are_named(options, named):
    with pytest.raises(UserError, match=named):
        SimulatedSun(**options).times("training")


# Image files


@pytest.mark.parametrize(
    ("channel_set", "unit"), [("aia", "G"), ("hmi", "G"), ("both", "G"), ("hmi", "grey"), ("both", "grey")]
)
def test_an_image_file_reads_back(tmp_path, channel_set, unit):
    sun = SimulatedSun(**MONTH | {"channel_set": channel_set, "magnetogram_unit": unit})
    time = sun.times("validation")[0]
    path = archive.write_image(tmp_path, sun, time)
    numpy.testing.assert_array_equal(sun.read_image(path)["image"], sun.image(time))
    header = sun.image_header(path)
    assert header["SIMULATD"]
    assert header["DATE-OBS"] == str(time)
    assert header["CDELT1"] * 64 == pytest.approx(2457.6)


def _save(path, array, **keywords):
    with open(path, "wb") as file:
        numpy.save(file, array, **keywords)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("20130605_0000_AIA_08_64_64.dat", None, "no such file"),
        ("image.dat", numpy.ones((4096, 8)), "its name reads like"),
        ("20131305_0000_AIA_08_64_64.dat", numpy.ones((4096, 8)), "no time that exists"),
        ("20130605_0000_AIA_08_64_64.dat", numpy.ones((4096, 7)), "expected 8 channels, received 7"),
        ("20130605_0000_AIA_08_64_64.dat", numpy.ones((1024, 8)), "expected 64 x 64 x 8"),
        ("20130605_0000_AIA_08_64_64.dat", numpy.ones((4096, 8)), "is constant .1 everywhere"),
        ("20130605_0000_AIA_08_64_64.dat", numpy.full((4096, 8), numpy.nan), "no finite numbers"),
        ("20130605_0000_AIA_08_64_64.dat", numpy.array([{}], dtype=object), "pickled"),
        ("20130605_0000_AIA_08_64_64.dat", b"", "cut short"),
        ("20130605_0000_AIA_08_64_64.dat", b"\x93NUMPY\x01\x00v\x00{'descr': ", "is truncated"),
        ("20130605_0000_AIA_08_64_64.dat", numpy.full((4096, 8), "a"), "expected numbers"),
        ("20180605_0000_AIA_08_64_64.dat", numpy.random.default_rng(0).random((4096, 8)), "outside"),
    ],
)
def test_damaged_images_are_refused_in_one_line(tmp_path, month, name, make, says):
    path = tmp_path / name
    if isinstance(make, bytes):
        path.write_bytes(make)
    elif make is not None:
        _save(path, make, allow_pickle=True)
    with pytest.raises(UserError, match=says) as caught:
        month.read_image(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_image_is_refused(tmp_path, month):
    path = archive.write_image(tmp_path, month, month.image_times()[3])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"dat: is truncated"):
        month.read_image(path)


def test_flaring_within_leaves_out_hidden_flares_only():
    keywords = {"activity": "clear cut", "days": 200, "channel_set": "hmi", "dependent_variable": "flare"}
    everything, clear = SimulatedSun(**keywords), SimulatedSun(**keywords, flaring_within=60.0)
    kept = clear.image_times()
    left_out = numpy.setdiff1d(everything.image_times(), kept)
    assert len(kept)
    assert len(left_out)
    assert numpy.isin(kept, everything.image_times()).all()

    def farthest(time):
        regions = everything.regions(time)
        cosine = numpy.cos(numpy.radians(regions.latitude)) * numpy.cos(numpy.radians(regions.longitude))
        angle = numpy.degrees(numpy.arccos(cosine))[regions.complexity > 0.05]
        return angle[angle < 125]

    assert all((farthest(time) <= 60).all() for time in kept)
    assert all((farthest(time) > 60).any() for time in left_out)


def test_flaring_within_that_leaves_nothing_is_named():
    sun = SimulatedSun(activity="clear cut", days=1, start="2011-01-01", flaring_within=60.0)
    with pytest.raises(UserError, match="--flaring_within 60: leaves no image"):
        sun.image_times()


# Knobs that test the training itself


def _sun(**options):
    return SimulatedSun(**({"start": "2012-01-01", "days": 60, "image_size": 32} | options))


def test_without_knobs_nothing_changes():
    """Targets and pixels of the default are those of before there were knobs."""
    plain, stated = _sun(), _sun(noise_scale=5.0, training_size=0)
    time = plain.times("training")[3]
    image = plain.inputs(time)["image"]
    assert image.dtype == numpy.float32
    assert numpy.array_equal(image, plain.drawn(plain.regions(time), time))
    assert numpy.array_equal(image, stated.inputs(time)["image"])
    for split in ("training", "validation"):
        true, _ = plain.truths(plain.times(split))
        assert numpy.array_equal(plain.targets(split), numpy.log10(true).astype("float32"))


def test_noise_channels_and_the_scale_of_the_signal(tmp_path):
    plain, noisy = _sun(), _sun(noise_channels=2, noise_scale=3.0, signal_scale=0.5)
    time, other = plain.times("training")[:2]
    image = noisy.inputs(time)["image"]
    assert image.shape == (32, 32, 10) == noisy.input_shapes["image"]
    assert [channel.name for channel in noisy.channels[-2:]] == ["noise 1", "noise 2"]
    assert numpy.array_equal(image[..., :8], plain.inputs(time)["image"] * numpy.float32(0.5))
    assert image[..., 8:].std() == pytest.approx(3.0, rel=0.1)
    assert numpy.array_equal(image, noisy.inputs(time)["image"])
    assert not numpy.array_equal(image[..., 8:], noisy.inputs(other)["image"][..., 8:])
    path = archive.write_image(tmp_path, noisy, time)
    numpy.testing.assert_allclose(noisy.read_image(path)["image"], image, rtol=1e-6)
    assert numpy.array_equal(noisy.targets("training"), plain.targets("training"))


def test_target_noise_has_the_size_asked_for_and_leaves_the_truth_alone():
    plain, noisy = _sun(days=600), _sun(days=600, target_noise=0.3)
    times = plain.times("training")
    away = noisy.targets("training") - plain.targets("training")
    assert away.std() == pytest.approx(0.3, rel=0.15)
    assert abs(away.mean()) < 0.06
    assert noisy.truth(times[0]) == plain.truth(times[0])
    assert noisy.target(times[5]) == pytest.approx(noisy.targets("training")[5], rel=1e-6)
    with pytest.raises(UserError, match="--target_noise: is for targets that are fluxes"):
        _sun(target_noise=0.1, dependent_variable="flare")


def test_set_sizes_are_those_asked_for():
    plain, small = _sun(), _sun(training_size=7, validation_size=3)
    for split, count in (("training", 7), ("validation", 3)):
        times = small.times(split)
        assert len(times) == len(small.targets(split)) == count
        assert set(times) <= set(plain.times(split))
        assert (numpy.diff(times) > numpy.timedelta64(0)).all()
    with pytest.raises(UserError, match=r"--training_size 5000: there are \d+ training samples; raise --days"):
        _sun(training_size=5000).times("training")
