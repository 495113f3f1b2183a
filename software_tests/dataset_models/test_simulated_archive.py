"""Files that the simulated Sun writes, read back by sunpy and by the readers of the real archives."""

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue, goes_xrs
from dataset_models.flares import patch_tables
from dataset_models.images import fits_files
from dataset_models.NOAA.active_regions import ActiveRegions
from dataset_models.SDO.AIA import aia_images
from dataset_models.SDO.AIA.fdl_1 import AIA8
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.simulated import archive
from dataset_models.simulated.rendering import AIA_CHANNELS, Renderer
from dataset_models.simulated.sun import SimulatedSun
from tools import goes_class
from tools.errors import UserError

TIME = numpy.datetime64("2013-11-03T06:00:00")
SPAN = {"start": "2013-11-03T06:00", "days": 1, "cadence_minutes": 1440}


@pytest.fixture(scope="module")
def sun():
    return SimulatedSun(**SPAN, activity="clear cut")


@pytest.fixture(scope="module")
def written(sun, tmp_path_factory):
    """One time of everything, AIA in the archives' full size."""
    folder = tmp_path_factory.mktemp("archive")
    counts = archive.write_archive(folder, sun, hmi_size=512)
    return folder, counts


@pytest.fixture(scope="module")
def truth(sun):
    """Images of the only time, without going through files: AIA (1024, 1024, 8) and field (512, 512)."""
    regions = sun.regions(TIME)
    flaring = sun.xrays.flaring(regions.number, TIME)
    return Renderer(1024, 0).aia(regions, TIME, flaring=flaring), Renderer(512, 0).magnetogram(regions, TIME)


@pytest.mark.long
def test_names_and_folders_are_those_of_the_archives(written):
    folder, counts = written
    assert counts == {"aia": 8, "legacy": 1, "hmi_jpg": 1, "hmi_fits": 1, "goes": 3, "flares": 1}
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "README.txt",
        "aia_legacy/20131103_0600_AIA_08_1024_1024.dat",
        "aia_legacy/20131103_0600_AIA_08_1024_1024.json",
        "hmi_jpg/2013/11/03/HMI.m2013.11.03_06.00.00.jpg",
        "hmi_fits/hmi.m_720s.20131103_060035_TAI.1.magnetogram.fits",
        *(f"goes/go1520131{day}.fits" for day in ("102", "103", "104")),
        "flares.csv",
        *(f"aia/2013/11/03/H0600/AIA20131103_0600_{int(channel):04d}.fits" for channel in AIA_CHANNELS),
    }


@pytest.mark.long
def test_every_fits_file_says_that_it_is_simulated_and_is_valid(written):
    from astropy.io import fits

    found = sorted(written[0].rglob("*.fits"))
    assert len(found) == 12
    for path in found:
        with fits.open(path, checksum=True) as file:
            file.verify("exception")
            header = file[1].header if "SIMULATD" in file[1].header else file[0].header
            assert header["SIMULATD"] is True
            assert "not an observation" in str(header["COMMENT"])


@pytest.mark.long
def test_sunpy_opens_the_synoptic_files(written, truth):
    import sunpy.map

    for index, channel in enumerate(AIA_CHANNELS):
        seen = sunpy.map.Map(next(written[0].rglob(f"AIA*_{int(channel):04d}.fits")))
        assert isinstance(seen, sunpy.map.sources.AIAMap)
        assert seen.wavelength.to_value("angstrom") == int(channel)
        assert seen.date.isot.startswith("2013-11-03T06:00:00")
        assert seen.scale.axis1.to_value("arcsec / pix") == 2.4
        assert (numpy.abs(seen.data - seen.data.round()) == 0).all()
        assert numpy.corrcoef(seen.data.ravel(), truth[0][::-1, :, index].ravel())[0, 1] > 0.95, channel


@pytest.mark.long
def test_sunpy_opens_the_magnetogram_turned_like_the_real_ones(written, truth):
    import sunpy.map

    seen = sunpy.map.Map(next((written[0] / "hmi_fits").iterdir()))
    assert isinstance(seen, sunpy.map.sources.HMIMap)
    assert seen.rotation_matrix[0, 0] == pytest.approx(-1)
    assert numpy.isnan(seen.data[0, 0])
    numpy.testing.assert_allclose(seen.data[::-1][::-1, ::-1], truth[1], atol=0.06)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, of a call inside sunpy's reader
@pytest.mark.long
def test_sunpy_reads_the_flux_whose_minute_means_are_the_series(written, sun):
    import sunpy.timeseries

    series = sunpy.timeseries.TimeSeries(written[0] / "goes" / "go1520131103.fits")
    assert series.observatory == "GOES-15"
    table = series.to_dataframe()
    assert len(table) == pytest.approx(86400 / 2.048, abs=1)
    means = table["xrsb"].resample("1min").mean()
    first = int((numpy.datetime64("2013-11-03", "m") - sun.flux_series.start).astype(int))
    numpy.testing.assert_allclose(means.to_numpy(), sun.flux_series.flux[first : first + 1440], rtol=1e-5)
    assert (table["xrsa"] < table["xrsb"]).all()


@pytest.mark.long
def test_the_flux_store_gives_the_targets_of_the_simulation(written, sun, tmp_path):
    goes_xrs.main([*map(str, sorted((written[0] / "goes").iterdir())), "--store", str(tmp_path / "xrs.sqlite")])
    read = goes_xrs.series(tmp_path / "xrs.sqlite", calibration="operational", start="2013-11-02", end="2013-11-05")
    times = TIME + numpy.arange(0, 12) * numpy.timedelta64(1, "h")
    for lag, catch in ((0, 12), (60, 12), (0, 1440)):
        window = {"lag": numpy.timedelta64(lag, "m"), "catch": numpy.timedelta64(catch, "m")}
        numpy.testing.assert_allclose(read.maximum(times, **window), sun.flux_series.maximum(times, **window), rtol=1e-5)


@pytest.mark.long
def test_the_aia_reader_recovers_the_image(written, truth, tmp_path):
    """Through degradation, exposure, rounding to counts and compression, back to DN/s as at launch."""
    goes_xrs.main([*map(str, sorted((written[0] / "goes").iterdir())), "--store", str(tmp_path / "xrs.sqlite")])
    data = AIA8(
        folder=str(written[0] / "aia"),
        goes=str(tmp_path / "xrs.sqlite"),
        calibration="operational",
        image_size=256,
        cache=str(tmp_path / "cache"),
        validation_fraction=0.0,
    )
    assert list(data.times("training")) == [TIME]
    image = data.inputs(TIME)["image"]
    expected = aia_images.downsample(truth[0], 256)
    for index, channel in enumerate(AIA_CHANNELS):
        counts = archive.EXPOSURES[channel] * aia_images.degradation(int(channel), TIME)
        # Rounding errors of at most half a count; averaged over sixteen pixels much less.
        error = numpy.abs(image[..., index] - expected[..., index])
        assert error.max() <= 0.5 / counts + 1e-3 * expected[..., index].max()
    name = f"AIA20131103_0600_{171:04d}.fits"
    numpy.testing.assert_array_equal(data.read_image(next(written[0].rglob(name)))["image"], image)


@pytest.mark.long
def test_the_legacy_array_recovers_the_image(written, truth):
    image = aia_images.read_legacy(written[0] / "aia_legacy" / "20131103_0600_AIA_08_1024_1024.dat")
    numpy.testing.assert_array_equal(image, truth[0])


@pytest.mark.long
def test_the_magnetogram_readers_agree_with_the_truth(written, truth):
    grey = (numpy.clip(numpy.nan_to_num(truth[1], nan=-256.0), -256, 256) + 256) / 512
    for path, tolerance in (
        (next((written[0] / "hmi_jpg").rglob("*.jpg")), 0.008),
        (next((written[0] / "hmi_fits").rglob("*.fits")), 0.002),
    ):
        assert magnetogram_images.time_of(path) == TIME
        image = magnetogram_images.read(path, size=512).image[..., 0]
        inside = numpy.hypot(*(numpy.indices((512, 512)) - 255.5)) < 190
        difference = numpy.abs(image - grey)[inside]
        assert difference.mean() < tolerance
        assert numpy.corrcoef(image[inside], grey[inside])[0, 1] > 0.97
        assert (image[:20] <= 0.02).all()


@pytest.mark.long
def test_the_flare_list_is_read_and_holds_the_flares_of_the_series(written, sun):
    catalogue = flare_catalogue.read([written[0] / "flares.csv"])
    events = catalogue.events
    assert not catalogue.problems
    assert len(events) > 10
    day = events[(events["peak"] >= "2013-11-03") & (events["peak"] < "2013-11-04")]
    largest = sun.flux_series.maximum(
        [numpy.datetime64("2013-11-03")], lag=numpy.timedelta64(0), catch=numpy.timedelta64(1440, "m")
    )
    assert day["flux"].max() == pytest.approx(largest[0], rel=0.1)  # a class keeps one decimal of the multiplier
    assert (events["start"] < events["peak"]).all()
    assert (events["peak"] < events["end"]).all()
    assert events["longitude"].abs().max() <= 101
    # Each flare's place is where its region was.
    for row in day.iloc[::5].itertuples():
        regions = sun.regions(row.peak)
        away = numpy.hypot(regions.latitude - row.latitude, regions.longitude - row.longitude)
        assert away.min() < 1
    assert all(goes_class.to_flux(name) >= 1e-7 for name in events["goes_class"])


def test_parameters_of_the_regions_are_read_as_sharps_and_their_flares_belong_to_them(tmp_path):
    sun = SimulatedSun(start="2013-11-03", days=40, cadence_minutes=1440, activity="clear cut")
    archive.write_archive(tmp_path, sun, products=("sharp", "flares"))
    table = patch_tables.read(tmp_path / "sharp.csv")
    assert not table.problems
    time = max(sun.image_times(), key=lambda time: sun.ground_truth.regions(time)["inversion_line_flux"].max())
    records = table.records[table.records["time"] == time].set_index("patch")
    truth = sun.ground_truth.regions(time).set_index("number").loc[records.index]
    numpy.testing.assert_allclose(records["USFLUX"], truth["flux"], rtol=1e-4)
    numpy.testing.assert_allclose(records["longitude"], truth["longitude"], atol=0.01)
    lines = truth["inversion_line_flux"].to_numpy() / archive.R_UNIT
    assert lines.max() > 3000
    numpy.testing.assert_allclose(10 ** records["R_VALUE"], numpy.maximum(lines, 1), rtol=1e-3)

    lists = {"patches": (str(tmp_path / "sharp.csv"),), "flares": (str(tmp_path / "flares.csv"),)}
    data = ActiveRegions(**lists, patch_delay_hours=0, issue_hour=0, validation_start="2013-12-01", threshold="M1.0")
    assert data.simulated
    flaring = [time for time in data.times("validation") if data.target(time)]
    assert len(flaring) >= 3
    for time in flaring:
        strongest = data.flaring_regions(time)
        number = sun.ground_truth.flaring_region(time)
        if number is not None:
            assert max(strongest, key=strongest.get) == number


def test_a_sun_without_regions_has_no_patches(tmp_path):
    sun = SimulatedSun(start="2008-12-09", days=1, cadence_minutes=1440, sun_seed=1)
    assert len(sun.regions(sun.image_times()[0])) == len(sun.xrays.flares) == 0
    with pytest.raises(UserError, match=r"sharp\.csv: there is no region on the disk at any of 1 times; simulate more days"):
        archive.write_archive(tmp_path, sun, products=("sharp",))


def test_an_undegraded_archive_keeps_the_counts_of_launch(tmp_path, sun):
    image = Renderer(64, 0).aia(sun.regions(TIME), TIME)
    new = archive.write_aia_fits(tmp_path / "new", image, TIME, degraded=False)
    aged = archive.write_aia_fits(tmp_path / "aged", image, TIME, degraded=True)
    index = AIA_CHANNELS.index("304")
    pixels = [fits_files.read(files[index])[0].sum() for files in (new, aged)]
    assert pixels[1] / pixels[0] == pytest.approx(aia_images.degradation(304, TIME), rel=0.02)
    assert pixels[1] < 0.8 * pixels[0]


def test_the_script_writes_a_flaring_validation_image(tmp_path, capsys):
    options = ["--start", "2013-10-01", "--days", "60", "--image_size", "32"]
    archive.main(["--out", str(tmp_path), "--image", "validation", *options])
    path = capsys.readouterr().out.strip()
    sun = SimulatedSun(start="2013-10-01", days=60, image_size=32)
    image = sun.read_image(path)["image"]
    strongest = max(sun.times("validation"), key=lambda time: sun.truth(time)[0])
    numpy.testing.assert_array_equal(image, sun.image(strongest))


def test_the_script_writes_an_archive_of_the_products_asked_for(tmp_path, capsys):
    options = ["--start", "2013-11-03", "--days", "1", "--cadence_minutes", "720", "--hmi_size", "64"]
    archive.main(["--out", str(tmp_path), *options, "--products", "hmi_jpg", "flares"])
    assert "2 hmi_jpg, 1 flares" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("*.jpg"))) == 2
    assert not list(tmp_path.rglob("*.fits"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--image", "noon"],
        ["--image", "now"],
        ["--start", "tomorrow"],
        ["--start", "NaT"],
        ["--aia_size", "4"],
        ["--image", "1999-01-01"],
        ["--image_size", "7"],
        ["--start", "2024-05-01", "--products", "hmi_jpg", "aia"],
    ],
)
def test_impossible_arguments_write_nothing(tmp_path, arguments):
    out = tmp_path / "out"
    with pytest.raises(UserError) as caught:
        archive.main(["--out", str(out), *arguments])
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_an_archive_beyond_the_response_table_is_written_as_at_launch(tmp_path):
    options = ["--start", "2024-05-01", "--days", "1", "--cadence_minutes", "1440", "--aia_size", "64"]
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"2024-05-01: .*simulate earlier days, or AIA as at launch \(--no-degraded\)"):
        archive.main(["--out", str(out), *options])
    assert not out.exists()
    archive.main(["--out", str(out), *options, "--products", "aia", "--no-degraded"])
    assert len(list(out.rglob("*.fits"))) == 8
    archive.main(["--out", str(tmp_path / "other"), *options, "--products", "flares"])


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--out: .*file/out cannot be made"):
        archive.main(["--out", str(tmp_path / "file" / "out"), "--days", "1"])


def test_an_archive_without_flags_fills_both_splits_with_flares_and_quiet(tmp_path):
    """For the README's next commands: a split in time, the first published fold, X-ray flux, and the labels of each year."""
    from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms

    sun = SimulatedSun(**archive.MONTH)
    archive.write_archive(tmp_path, sun, products=("hmi_jpg", "flares"), hmi_size=16)
    given = {"folder": str(tmp_path / "hmi_jpg"), "flares": (str(tmp_path / "flares.csv"),), "image_size": 16}
    for split in ({}, {"fold": 1}, {"validation_start": "2014-01-06"}):
        data = FullDiskMagnetograms(**given, **split)
        for part in ("training", "validation"):
            targets = data.targets(part)
            assert 2 <= targets.sum() <= len(targets) - 2, (split, part)
    for part, least in (("training", 20), ("validation", 5)):
        flux = sun.truths(sun.times(part))[0]
        assert len(flux) >= least
        assert flux.min() < 1e-5 <= flux.max()


def test_the_month_is_the_default_and_each_part_of_it_can_be_changed(tmp_path, capsys):
    archive.main(["--out", str(tmp_path), "--products", "flares"])
    days = pandas.read_csv(tmp_path / "flares.csv")["start_time"]
    assert days.min() < "2013-12-20"
    assert days.max() > "2014-01-15"
    archive.main(["--out", str(tmp_path / "two"), "--products", "hmi_jpg", "--hmi_size", "16", "--days", "2"])
    assert len(list((tmp_path / "two").rglob("*.jpg"))) == 2
