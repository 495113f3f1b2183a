"""Flux of the last hours as a picture: what it shows, which times it has, and that the future is not in it."""

import numpy
import pytest

from dataset_models import goes_files, goes_xrs
from dataset_models.flux_history import NANO, FluxHistory
from tools.errors import UserError

MINUTE = numpy.timedelta64(1, "m")
START = numpy.datetime64("2022-01-01T00:00", "m")
DAYS = 5
GAP = slice(3 * 1440, 3 * 1440 + 800)  # more than half of the day before the fourth noon


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Five days whose flux tells the minute; the last hours of the third are missing."""
    folder = tmp_path_factory.mktemp("flux")
    flux = NANO * (100 + numpy.arange(DAYS * 1440))
    lines = [f"{START + minute * MINUTE},{value}" for minute, value in enumerate(flux)]
    del lines[GAP]
    table = folder / "flux.csv"
    table.write_text("\n".join(["time,xrsb", *lines]) + "\n")
    store = folder / "xrs.sqlite"
    goes_xrs.import_files(store, [table], stated=goes_files.Stated(16, "science"))
    return str(store)


def test_the_last_pixel_is_the_minute_before(store):
    data = FluxHistory(goes=store, hours=6, catch="12min")
    time = numpy.datetime64("2022-01-02T10:00", "s")
    image = data.image(time)
    assert (image.shape, image.dtype) == ((6, 60, 1), "float32")
    end = int((time - START) // MINUTE)
    numpy.testing.assert_allclose(image.ravel(), 100 + numpy.arange(end - 360, end), rtol=1e-6)
    assert data.truth(time) == pytest.approx((NANO * (100 + end + 11), NANO * (100 + end - 1)))


def test_missing_minutes_have_the_flux_before_and_empty_days_are_no_samples(store):
    data = FluxHistory(goes=store, hours=24, catch="12min", cadence_minutes=60, validation_fraction=0.0)
    after = START.astype("datetime64[s]") + GAP.stop * MINUTE
    times = data.image_times()
    assert times[0] == numpy.datetime64("2022-01-02T00:00")
    # 800 minutes are missing: with 720 or more of them in the picture there are too few of its own.
    left_out = numpy.setdiff1d(numpy.arange(times[0], times[-1], 60 * MINUTE), times)
    assert left_out[0] == numpy.datetime64("2022-01-04T13:00")
    assert left_out[-1] == numpy.datetime64("2022-01-05T01:00")
    inside = FluxHistory(goes=store, hours=24, catch="12min").image(after.astype("datetime64[h]") + numpy.timedelta64(1, "h"))
    held = 100 + GAP.start - 1
    assert (inside == held).sum() == GAP.stop - GAP.start + 1


def test_nothing_of_the_future_is_seen(store, tmp_path):
    """Other fluxes after a time leave its picture as it was."""
    time = numpy.datetime64("2022-01-02T10:00", "s")
    table = tmp_path / "flux.csv"
    minutes = numpy.arange(int((time - START) // MINUTE))
    rows = [f"{START + minute * MINUTE},{NANO * (100 + minute)}" for minute in minutes]
    rows += [f"{START + (len(minutes) + extra) * MINUTE},1e-4" for extra in range(1440)]
    table.write_text("\n".join(["time,xrsb", *rows]) + "\n")
    goes_xrs.import_files(tmp_path / "xrs.sqlite", [table], stated=goes_files.Stated(16, "science"))
    options = {"hours": 6, "catch": "12min"}
    other = FluxHistory(goes=str(tmp_path / "xrs.sqlite"), **options)
    assert numpy.array_equal(other.image(time), FluxHistory(goes=store, **options).image(time))
    assert other.truth(time)[0] == 1e-4


def test_splits_share_neither_window_nor_picture(store):
    data = FluxHistory(goes=store, hours=6, catch="12min", validation_start="2022-01-03")
    training, validation = data.times("training"), data.times("validation")
    assert validation[0] - training[-1] >= numpy.timedelta64(6, "h") + numpy.timedelta64(12, "m")
    assert data.check_leaks()
    seen = data.windows[0]
    assert (seen.begin, seen.end, seen.kind) == (-numpy.timedelta64(6, "h"), numpy.timedelta64(0, "s"), "input")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 2}, "--images: the picture holds the hours before already"),
        ({"start": "noon"}, "--start"),
        ({"goes": "none.sqlite"}, "none.sqlite: no such flux store"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(UserError, match=message):
        FluxHistory(**options).image_times()


def test_there_are_no_files(store):
    data = FluxHistory(goes=store)
    with pytest.raises(UserError, match="has no image files; give the time of a sample"):
        data.read_image("20220101.fits")
    with pytest.raises(UserError, match="near real time flux has no archive"):
        FluxHistory(goes=store, calibration="near real time").downloads("2022-01-01", "2022-02-01")
    (command,) = data.downloads("2022-01-01", "2022-02-01")
    assert str(command).startswith("python dataset_models/download/goes.py --start 2022-01-01 --end 2022-02-01 --store")
    assert data.is_downloaded()
