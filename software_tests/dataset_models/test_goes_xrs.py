"""GOES X-ray flux: archive files, the store, and the questions a forecast asks of a series."""

import itertools
import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import h5py
import hypothesis
import numpy
import pytest
from astropy.io import fits
from hypothesis import strategies

from dataset_models import goes_files, goes_xrs
from tools import goes_class
from tools.errors import Stopped, UserError

MINUTE = numpy.timedelta64(1, "m")
HOUR = numpy.timedelta64(1, "h")
SCRIPT = goes_xrs.__file__


def sunpy_file(name):
    from sunpy.data.test import get_test_filepath

    return get_test_filepath(name)


@pytest.fixture(scope="module")
def operational(tmp_path_factory):
    """A store with the daily FITS file of 2011-06-07."""
    store = tmp_path_factory.mktemp("store") / "xrs.sqlite"
    goes_xrs.import_file(store, sunpy_file("go1520110607.fits"))
    return store


# Series


@hypothesis.given(
    flux=strategies.lists(strategies.one_of(strategies.just(math.nan), strategies.floats(1e-9, 1e-3)), min_size=1, max_size=60),
    begin=strategies.integers(-90 * 60, 90 * 60),
    lag=strategies.integers(-30, 30),
    catch=strategies.integers(1, 40),
)
def test_maximum_agrees_with_looking_at_every_minute(flux, begin, lag, catch):
    start = numpy.datetime64("2014-01-01T00:00", "m")
    series = goes_xrs.FluxSeries(start, flux, calibration="science")
    moment = start.astype("datetime64[s]") + numpy.timedelta64(begin, "s")
    first, end = moment + lag * MINUTE, moment + (lag + catch) * MINUTE
    inside = [value for index, value in enumerate(flux) if first <= start + index * MINUTE < end and not math.isnan(value)]
    expected = max(inside) if 2 * len(inside) >= catch else math.nan
    found = series.maximum([moment], lag=lag * MINUTE, catch=catch * MINUTE)
    assert found.tolist() == pytest.approx([expected], nan_ok=True, rel=0)


@hypothesis.given(
    flux=strategies.lists(strategies.one_of(strategies.just(math.nan), strategies.floats(1e-9, 1e-3)), max_size=40),
    second=strategies.integers(-300, 4000),
)
def test_current_is_the_latest_mean_that_was_complete(flux, second):
    start = numpy.datetime64("2014-01-01T00:00", "m")
    series = goes_xrs.FluxSeries(start, flux, calibration="science")
    known = [
        value
        for index, value in enumerate(flux)
        if 60 * (index + 1) <= second <= 60 * (index + 1) + 600 and not math.isnan(value)
    ]
    found = series.current([start.astype("datetime64[s]") + numpy.timedelta64(second, "s")])
    assert found.tolist() == pytest.approx([known[-1] if known else math.nan], nan_ok=True, rel=0)


def test_current_does_not_know_the_minute_under_way():
    series = goes_xrs.FluxSeries("2014-01-01", [1e-6, 9e-6], calibration="science")
    times = numpy.array(["2014-01-01T00:01:59", "2014-01-01T00:02:00"], "datetime64[s]")
    numpy.testing.assert_array_equal(series.current(times), [1e-6, 9e-6])


def test_a_window_needs_half_of_its_minutes():
    flux = numpy.full(100, numpy.nan)
    flux[10:16] = [1, 2, 3, 4, 5, 6]
    series = goes_xrs.FluxSeries("2014-01-01", flux, calibration="science")
    start = series.start
    window = {"lag": numpy.timedelta64(0, "m"), "catch": 12 * MINUTE}
    numpy.testing.assert_array_equal(series.maximum([start + 4 * MINUTE, start + 3 * MINUTE], **window), [6, math.nan])
    with pytest.raises(ValueError, match="whole number of minutes"):
        series.maximum([start], lag=MINUTE, catch=numpy.timedelta64(90, "s"))


def test_a_year_of_hourly_targets_is_a_matter_of_milliseconds():
    generator = numpy.random.default_rng(0)
    series = goes_xrs.FluxSeries("2014-01-01", generator.lognormal(-14, 1, 525_600), calibration="science")
    hours = series.start + numpy.arange(8760) * HOUR
    begin = time.perf_counter()
    series.maximum(hours, lag=HOUR, catch=24 * HOUR)
    series.current(hours)
    assert time.perf_counter() - begin < 0.5


def test_scaling_is_removed_only_from_operational_series():
    operational = goes_xrs.FluxSeries("2011-06-07", [2.555e-5], calibration="operational", satellite=15)
    true = goes_xrs.remove_operational_scaling(operational)
    assert true.flux[0] == pytest.approx(3.65e-5, rel=1e-3)
    assert true.calibration not in goes_xrs.CALIBRATIONS
    with pytest.raises(ValueError, match="expected an operational series"):
        goes_xrs.remove_operational_scaling(true)


# Files


def test_real_operational_day_and_its_m25_flare():
    from sunpy.timeseries import TimeSeries

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sunpy's use of pandas
        full = TimeSeries(sunpy_file("go1520110607.fits"), source="XRS").to_dataframe()["xrsb"]
    assert full.max() == pytest.approx(2.555e-5, rel=1e-3)
    assert full.idxmax().strftime("%H:%M") == "06:41"
    minutes = goes_files.read_minutes(sunpy_file("go1520110607.fits"))
    assert (minutes.satellite, minutes.calibration, len(minutes.time)) == (15, "operational", 1440)
    peak = minutes.flux.argmax()
    assert numpy.datetime64(int(minutes.time[peak]), "s") == numpy.datetime64("2011-06-07T06:41:00")
    assert minutes.flux[peak] == pytest.approx(2.5446e-5, rel=1e-4)
    # A mean over 06:41 computed another way
    assert full["2011-06-07 06:41:00":"2011-06-07 06:41:59.999"].mean() == pytest.approx(minutes.flux[peak], rel=1e-6)


@pytest.mark.parametrize(
    ("name", "satellite", "calibration", "count"),
    [
        ("go1520120601.fits.gz", 15, "operational", 1440),
        ("sci_gxrs-l2-irrad_g13_d20170901_truncated.nc", 13, "science", 21),
        ("sci_gxrs-l2-irrad_g15_d20131028_truncated.nc", 15, "science", 21),
        ("sci_xrsf-l2-avg1m_g15_d20190102_truncated.nc", 15, "science", 51),
        ("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc", 16, "science", 100),
        ("sci_xrsf-l2-flx1s_g17_d20201016_truncated.nc", 17, "science", 1),
        ("goes_13_leap_second.nc", 13, "science", 3),
    ],
)
def test_files_of_every_kind_are_read(name, satellite, calibration, count):
    minutes = goes_files.read_minutes(sunpy_file(name))
    assert (minutes.satellite, minutes.calibration, len(minutes.time)) == (satellite, calibration, count)
    assert (minutes.time % 60 == 0).all()
    assert (numpy.diff(minutes.time) > 0).all()
    assert ((minutes.flux > 0) & (minutes.flux < 1e-3)).all()


def test_flagged_minutes_of_a_real_netcdf_are_left_out(shared):
    path = shared / "xrs" / "sci_xrsf-l2-avg1m_g15_d20101016_v1-0-0.nc"
    minutes = goes_files.read_minutes(path)
    with h5py.File(path) as file:
        bad = (file["xrsb_flag"][:] & 7) != 0
        flux = file["xrsb_flux"][:]
    assert len(minutes.time) == 1440 - bad.sum() == 1409
    numpy.testing.assert_array_equal(minutes.flux, flux[~bad].astype("float64"))
    assert set(minutes.quality.tolist()) == {16}  # no electron correction: kept, and told


def edited(tmp_path, name, edit):
    path = tmp_path / name
    shutil.copy(sunpy_file(name), path)
    path.chmod(0o644)
    edit(path)
    return path


def test_flags_and_fill_values_of_samples_are_left_out_of_the_mean(tmp_path):
    name = "sci_gxrs-l2-irrad_g15_d20131028_truncated.nc"
    clean = goes_files.read_minutes(sunpy_file(name))

    def spoil(path):
        with h5py.File(path, "r+") as file:
            file["b_flux"][0:5] = [1.0, 0.0, -99999.0, -1e-7, 1.0]
            file["b_flags"][0] = 64  # spike
            file["b_flags"][4] = 65535  # fill
            file["b_flux"][60:80] = 1.0
            file["b_flags"][60:80] = 4  # eclipsed by Earth: two thirds of the third minute

    spoiled = goes_files.read_minutes(edited(tmp_path, name, spoil))
    assert spoiled.time[0] == clean.time[0]
    assert spoiled.samples[0] == clean.samples[0] - 5
    assert spoiled.flux[0] == pytest.approx(clean.flux[0], rel=0.01)
    assert spoiled.quality[0] & 64
    assert len(spoiled.time) == len(clean.time) - 1
    assert clean.time[2] not in spoiled.time


def test_minutes_flagged_bad_or_without_a_flag_are_left_out(tmp_path):
    def spoil(path):
        with h5py.File(path, "r+") as file:
            # eclipse; bad data; both; the fill value, which says nothing; significant electrons, which are corrected
            file["xrsb_flag"][0:5] = [1, 2, 3, 255, 4]

    name = "sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc"
    clean, spoiled = goes_files.read_minutes(sunpy_file(name)), goes_files.read_minutes(edited(tmp_path, name, spoil))
    numpy.testing.assert_array_equal(spoiled.time, clean.time[4:])


def test_status_words_of_a_daily_fits_are_obeyed(tmp_path):
    def flag(path):
        with fits.open(path) as file:
            status = fits.BinTableHDU.from_columns(
                [
                    fits.Column("TIME", "2E", array=[[2.009, 4.059]]),
                    fits.Column("STATUS", "4E", array=[[0.0, 2.0, 0.0, 0.0]]),  # calibrated; then nothing
                ],
                name="STATUS",
            )
            file[2].data["FLUX"][0][1:3, 0] = 1.0
            fits.HDUList([*file[:3], status]).writeto(path.with_name("go1520110608.fits"))

    edited(tmp_path, "go1520110607.fits", flag)
    minutes = goes_files.read_minutes(tmp_path / "go1520110608.fits")
    assert minutes.samples[0] == 28
    assert minutes.quality[0] == 2
    assert minutes.flux[0] == pytest.approx(1 / 28, rel=1e-3)  # the second spoilt sample is not flagged


@pytest.mark.parametrize("kept", [0.9, 0.3, 0.001])
@pytest.mark.parametrize("name", ["go1520110607.fits", "sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # readers leave damaged files open
def test_truncated_files_are_refused(tmp_path, name, kept):
    path = edited(tmp_path, name, lambda path: path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)]))
    with pytest.raises(UserError) as caught:
        goes_files.read_minutes(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_goes_flux_is_refused(tmp_path, shared):
    page = tmp_path / "go1520110609.fits"
    page.write_text("<html>not found</html>")
    image = shared / "fits" / "swap_lv1_20110607_063329.fits"
    summary = shared / "xrs" / "sci_xrsf-l2-flsum_g15_d20101016_v1-0-0.nc"
    for path in (page, image, summary, tmp_path / "none.nc"):
        with pytest.raises(goes_files.NotGoes, match=str(path)):
            goes_files.read_minutes(path)


def test_netcdf_that_is_not_science_quality_is_refused(tmp_path):
    name = "sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc"

    def rename(path):
        with h5py.File(path, "r+") as file:
            file.attrs["id"] = "dn_xrsf-l2-avg1m_g16_d20210101_v2-1-0.nc"

    with pytest.raises(goes_files.NotGoes, match="calibration is unknown"):
        goes_files.read_minutes(edited(tmp_path, name, rename))


# Store


def test_targets_around_a_real_flare(operational):
    series = goes_xrs.series(operational, calibration="operational")
    times = numpy.datetime64("2011-06-07T05:00") + numpy.arange(0, 5) * 12 * MINUTE
    targets = series.maximum(times, lag=HOUR, catch=12 * MINUTE)
    expected = [3.9441e-7, 3.2538e-6, 2.4368e-5, 2.5446e-5, 2.0954e-5]
    numpy.testing.assert_allclose(targets, expected, rtol=1e-4)
    assert series.current([numpy.datetime64("2011-06-07T06:36")])[0] == pytest.approx(2.3774e-5, rel=1e-4)


def test_an_hour_of_lag_agrees_with_flarenets_own_targets(shared, tmp_path):
    """FlareNet's table of 2014: maxima of operational flux 1 h later within 12 minutes; this store is science-quality."""
    store = tmp_path / "xrs.sqlite"
    goes_xrs.import_file(store, shared / "xrs" / "sci_xrsf-l2-avg1m_g15_d20140101_v1-0-0.nc")
    series = goes_xrs.series(store, calibration="science")
    table = numpy.genfromtxt(
        shared / "flarenet" / "goes_flux_2014.csv",
        delimiter=",",
        skip_header=1,
        dtype=None,
        max_rows=110,
        usecols=(0, 3),
        encoding="utf-8",
    )
    times = numpy.array([text.strip('"').replace(" ", "T") for text in table["f0"]], "datetime64[s]")
    ours = series.maximum(times, lag=HOUR, catch=12 * MINUTE)
    known = numpy.isfinite(ours) & (times < numpy.datetime64("2014-01-01T22:00"))
    assert known.sum() > 80
    ratio = table["f1"][known] / ours[known]
    lower, middle, upper = numpy.percentile(ratio, [25, 50, 75])
    assert middle == pytest.approx(goes_xrs.OPERATIONAL_SCALING, rel=0.05)  # raw samples there, means of a minute here
    assert upper - lower < 0.04


def test_calibrations_and_satellites_are_kept_apart(operational, shared, tmp_path):
    store = tmp_path / "xrs.sqlite"
    shutil.copy(operational, store)
    for day in ("20101016", "20140101"):
        assert goes_xrs.import_file(store, shared / "xrs" / f"sci_xrsf-l2-avg1m_g15_d{day}_v1-0-0.nc")
    assert [row[:3] for row in goes_xrs.contents(store)] == [(15, "operational", 1440), (15, "science", 2849)]
    science = goes_xrs.series(
        store, calibration="science", start=numpy.datetime64("2014-01-01"), end=numpy.datetime64("2014-01-02")
    )
    assert len(science) == 1440
    assert not numpy.isnan(science.flux).any()
    across = goes_xrs.series(store, calibration="science")
    assert numpy.isfinite(across.flux).sum() == 2849  # gaps are missing, and the operational day in between stays out
    with pytest.raises(UserError, match="no operational flux of GOES-14; it holds GOES-15 operational, GOES-15 science"):
        goes_xrs.series(store, calibration="operational", satellite=14)


def write_minutes(monkeypatch, store, name, **fields):
    """Import what a file reader gives, so that overlaps can be chosen."""
    path = store.parent / name
    path.write_text(name)
    fields = {"calibration": "science", "samples": [29, 29], "quality": [0, 0]} | fields
    arrays = {name: numpy.array(value) if isinstance(value, list) else value for name, value in fields.items()}
    monkeypatch.setattr(goes_files, "read_minutes", lambda _: goes_files.Minutes(**arrays))
    return goes_xrs.import_files(store, [path])


def test_newest_satellite_with_a_flux_stands(tmp_path, monkeypatch):
    store = tmp_path / "xrs.sqlite"
    write_minutes(monkeypatch, store, "new", satellite=16, time=[60, 120], flux=[1e-6, 2e-6])
    write_minutes(monkeypatch, store, "old", satellite=15, time=[0, 60], flux=[8e-6, 9e-6])
    numpy.testing.assert_array_equal(goes_xrs.series(store, calibration="science").flux, [8e-6, 1e-6, 2e-6])
    numpy.testing.assert_array_equal(goes_xrs.series(store, calibration="science", satellite=15).flux, [8e-6, 9e-6])


@pytest.mark.parametrize("order", [("partial", "full"), ("full", "partial")])
def test_overlapping_files_give_the_same_in_any_order(tmp_path, monkeypatch, order):
    content = {
        "partial": {"time": [0, 60], "flux": [1e-6, 2e-6], "samples": [29, 15]},
        "full": {"time": [60, 120], "flux": [3e-6, 4e-6], "samples": [29, 29]},
    }
    for name in order:
        write_minutes(monkeypatch, tmp_path / "xrs.sqlite", name, satellite=15, **content[name])
    series = goes_xrs.series(tmp_path / "xrs.sqlite", calibration="science")
    numpy.testing.assert_array_equal(series.flux, [1e-6, 3e-6, 4e-6])


@pytest.mark.parametrize("order", [("first", "again"), ("again", "first")])
def test_a_reprocessed_file_is_noted(tmp_path, monkeypatch, order):
    content = {"first": [1e-6, 2e-6, 3e-6], "again": [1e-6, 2.00001e-6, 3.1e-6]}
    outcomes = []
    for name in order:
        outcomes.append(
            write_minutes(
                monkeypatch,
                tmp_path / "xrs.sqlite",
                name,
                satellite=16,
                time=[0, 60, 120],
                flux=content[name],
                samples=[60, 60, 60],
                quality=[0, 0, 0],
            )
        )
    assert outcomes[0].notes() == []
    assert len(outcomes[1].notes()) == 1
    assert re.match(r"1 minutes have another flux in files imported before.*reprocessed", outcomes[1].notes()[0])


def write_kinds(monkeypatch, store, order):
    """GOES-16 science, and near-real-time flux of GOES-16 and 19 that goes on for longer."""
    content = {
        "science": {"satellite": 16, "time": [60, 120], "flux": [1e-6, 2e-6], "samples": [60, 60]},
        "16": {"satellite": 16, "time": [60, 120], "flux": [3e-6, 4e-6], "calibration": goes_xrs.NEAR_REAL_TIME},
        "19": {
            "satellite": 19,
            "time": [120, 180],
            "flux": [5e-6, 6e-6],
            "samples": [900, 900],
            "calibration": goes_xrs.NEAR_REAL_TIME,
        },
    }
    for name in order:
        write_minutes(monkeypatch, store, name, **content[name])


@pytest.mark.parametrize("order", list(itertools.permutations(["science", "16", "19"])))
def test_science_quality_wins_over_near_real_time_and_never_the_reverse(tmp_path, monkeypatch, order):
    store = tmp_path / "xrs.sqlite"
    write_kinds(monkeypatch, store, order)
    science = goes_xrs.series(store, calibration="science")
    assert (science.flux.tolist(), science.calibration) == ([1e-6, 2e-6], "science")
    both = goes_xrs.series(store, calibration="near real time")
    assert (both.flux.tolist(), both.calibration) == ([1e-6, 2e-6, 6e-6], "science and near real time")
    one = goes_xrs.series(store, calibration="near real time", satellite=19)
    assert (one.flux.tolist(), one.calibration) == ([5e-6, 6e-6], "near real time")
    early = goes_xrs.series(store, calibration="near real time", end=numpy.datetime64(120, "s"))
    assert (early.flux.tolist(), early.calibration) == ([1e-6], "science")
    assert [row[:3] for row in goes_xrs.contents(store)] == [
        (16, "near real time", 2),
        (16, "science", 2),
        (19, "near real time", 2),
    ]
    with pytest.raises(UserError, match="no operational flux; it holds GOES-16 near real time, GOES-16 science, GOES-19 near"):
        goes_xrs.series(store, calibration="operational")


def test_near_real_time_flux_is_no_science_quality_flux(shared, tmp_path, capsys):
    store = tmp_path / "xrs.sqlite"
    goes_xrs.main([str(shared / "json" / "swpc_xrays-1-day.json.gz"), "--store", str(store)])
    assert "GOES-18 near real time: 1438 minutes, 2026-08-01T07:19Z to 2026-08-02T07:16Z" in capsys.readouterr().out
    with pytest.raises(UserError, match="has no science flux; it holds GOES-18 near real time"):
        goes_xrs.series(store, calibration="science")
    series = goes_xrs.series(store, calibration="near real time")
    assert series.calibration == "near real time"
    assert numpy.nanmax(series.flux) == 6.356698122544913e-06
    assert series.minutes[numpy.nanargmax(series.flux)] == numpy.datetime64("2026-08-02T05:35")
    with pytest.raises(ValueError, match="expected an operational series, received near real time"):
        goes_xrs.remove_operational_scaling(series)


def test_every_minute_of_json_keeps_its_satellite(tmp_path):
    """The primary satellite changes within a file."""
    common = {"energy": "0.1-0.8nm", "flux": 1e-6}
    satellites = {0: (18,), 1: (18, 19), 2: (19,)}
    records = [
        common | {"satellite": satellite, "time_tag": f"2026-08-01T00:0{minute}:00Z"}
        for minute, both in satellites.items()
        for satellite in both
    ]
    path = tmp_path / "xrays-6-hour.json"
    path.write_text(json.dumps(records))
    goes_xrs.import_file(tmp_path / "xrs.sqlite", path)
    assert [row[:3] for row in goes_xrs.contents(tmp_path / "xrs.sqlite")] == [
        (18, "near real time", 2),
        (19, "near real time", 2),
    ]


def test_genuine_x_flare_through_script_store_and_series(shared, tmp_path, capsys):
    store = tmp_path / "xrs.sqlite"
    goes_xrs.main([str(shared / "xrs" / "sci_xrsf-l2-avg1m_g16_d20220330_v2-1-0.nc"), "--store", str(store)])
    assert capsys.readouterr().out.splitlines() == [
        f"{store}: 1 imported, 0 already there, 0 rejected",
        "GOES-16 science: 1362 minutes, 2022-03-30T00:00Z to 2022-03-30T23:59Z",
    ]
    series = goes_xrs.series(store, calibration="science")
    assert len(series) == 1440
    peak = numpy.nanargmax(series.flux)
    assert series.minutes[peak] == numpy.datetime64("2022-03-30T17:37")
    assert goes_class.from_flux(series.flux[peak]) == "X1.3"
    before = series.maximum([numpy.datetime64("2022-03-30T17:00")], lag=numpy.timedelta64(0, "m"), catch=HOUR)
    assert before[0] == series.flux[peak] == pytest.approx(1.3797796e-4, rel=1e-7)


VERSION_1 = """
CREATE TABLE minutes (
    time INTEGER NOT NULL, satellite INTEGER NOT NULL, calibration TEXT NOT NULL, flux REAL NOT NULL,
    samples INTEGER NOT NULL, quality INTEGER NOT NULL, PRIMARY KEY (time, satellite, calibration)
) WITHOUT ROWID;
CREATE TABLE files (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, satellite INTEGER NOT NULL, calibration TEXT NOT NULL,
    minutes INTEGER NOT NULL, imported TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
"""


def version_1(path, rows):
    """A store as earlier versions wrote them."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.executemany("INSERT INTO minutes VALUES (?, ?, 'science', ?, 1, 0)", rows)
    connection.execute("INSERT INTO files VALUES ('0', 'old.nc', 15, 'science', 1, '2026-01-01')")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_stores_of_version_1_work_and_lose_their_false_minutes(shared, tmp_path):
    store, day = tmp_path / "xrs.sqlite", 1388534400  # 2014-01-01
    good = [(day + 60 * minute, 15, 1e-6) for minute in range(10)] + [
        (946717920 + 60 * minute, 10, 2e-6) for minute in range(3)
    ]
    version_1(store, [*good, (946717980, 15, 1e-3), (-10020, 13, 1e-3), (0, 15, 1e-3)])
    before = goes_xrs.series(store, calibration="science", satellite=15, start=numpy.datetime64(day, "s"))
    numpy.testing.assert_array_equal(before.flux, [1e-6] * 10)
    goes_xrs.import_file(store, shared / "json" / "swpc_xrays_1record.json")
    assert [row[:4] for row in goes_xrs.contents(store)] == [
        (10, "science", 3, numpy.datetime64("2000-01-01T09:12")),  # this satellite did see that minute
        (15, "science", 10, numpy.datetime64("2014-01-01T00:00")),
        (18, "near real time", 1, numpy.datetime64("2026-09-06T17:20")),
    ]
    after = goes_xrs.series(store, calibration="science", satellite=15)
    numpy.testing.assert_array_equal(after.flux, before.flux)
    assert not goes_xrs.import_file(store, shared / "json" / "swpc_xrays_1record.json")


def test_a_file_is_imported_once_whatever_its_name(operational, tmp_path):
    copy = tmp_path / "renamed.fits"
    shutil.copy(sunpy_file("go1520110607.fits"), copy)
    assert not goes_xrs.import_file(operational, copy)
    assert goes_xrs.contents(operational)[0][2] == 1440


def test_an_import_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    store = tmp_path / "xrs.sqlite"
    with pytest.raises(UserError, match="NOT NULL"):  # the second row is impossible
        write_minutes(monkeypatch, store, "bad", satellite=15, time=[0, 60], flux=[1e-6, numpy.nan])
    assert goes_xrs.contents(store) == []
    assert write_minutes(monkeypatch, store, "bad", satellite=15, time=[0, 60], flux=[1e-6, 2e-6])


def test_many_writers_share_a_new_store(tmp_path, monkeypatch):
    """Connections of threads lock each other out as those of processes do."""

    def fields(path):
        number = int(path.name) % 6  # every content is offered twice
        minutes = numpy.arange(number * 50, number * 50 + 100) * 60
        return goes_files.Minutes(15, "science", minutes, numpy.full(100, 1e-6), numpy.full(100, 1 + number), numpy.zeros(100))

    monkeypatch.setattr(goes_files, "read_minutes", fields)
    for number in range(12):
        (tmp_path / str(number)).write_text(str(number % 6))
    imported = []
    ready = threading.Barrier(12)

    def work(number):
        ready.wait()
        imported.append(goes_xrs.import_file(tmp_path / "xrs.sqlite", tmp_path / str(number)))

    threads = [threading.Thread(target=work, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(imported) == [False] * 6 + [True] * 6
    assert goes_xrs.contents(tmp_path / "xrs.sqlite")[0][2] == 350


@pytest.mark.slow
def test_several_processes_import_into_a_new_store(tmp_path):
    names = [
        "go1520110607.fits",
        "sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc",
        "sci_gxrs-l2-irrad_g13_d20170901_truncated.nc",
    ]
    files = [sunpy_file(name) for name in names]
    store = tmp_path / "xrs.sqlite"
    commands = [
        [sys.executable, SCRIPT, *order, "--store", str(store)] for order in (files, files[::-1], files[1:] + files[:1])
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], outputs
    counts = [[int(word) for word in output.splitlines()[0].split(": ")[-1].split() if word.isdigit()] for output, _ in outputs]
    assert sum(imported for imported, _, _ in counts) == 3
    assert [(row[0], row[2]) for row in goes_xrs.contents(store)] == [(13, 21), (15, 1440), (16, 100)]


def test_script_reports_and_refuses(tmp_path, capsys, shared):
    store = str(tmp_path / "xrs.sqlite")
    good, bad = sunpy_file("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc"), str(tmp_path / "none.nc")
    with pytest.raises(Stopped, match=r"1 of 3 files rejected, as named; the others are in .*xrs\.sqlite") as stopped:
        goes_xrs.main([good, good, bad, "--store", store])
    assert stopped.value.code == 4
    printed = capsys.readouterr().out
    assert "1 imported, 1 already there, 1 rejected" in printed
    assert "GOES-16 science: 100 minutes" in printed
    assert f"rejected {bad}" in printed
    with pytest.raises(UserError, match=r"none\.nc"):
        goes_xrs.main([bad, "--store", store])


def test_patterns_without_a_match_are_named_and_cost_nothing(tmp_path, capsys):
    store, good = str(tmp_path / "xrs.sqlite"), sunpy_file("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc")
    goes_xrs.main([good, str(tmp_path / "*.fits"), str(tmp_path / "go[01]?"), "--store", store])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("1 imported, 0 already there, 0 rejected")
    assert printed[2:] == [f"no file matches {tmp_path / name}" for name in ("*.fits", "go[01]?")]
    with pytest.raises(UserError, match=r"no file matches .*\*\.nc; check the folder and the pattern"):
        goes_xrs.main([str(tmp_path / "*.nc"), "--store", str(tmp_path / "other.sqlite")])
    assert not (tmp_path / "other.sqlite").exists()
    shutil.copy(good, tmp_path / "quoted.nc")
    shutil.copy(sunpy_file("go1520110607.fits"), tmp_path / "day [1].fits")
    goes_xrs.main([str(tmp_path / "*.nc"), str(tmp_path / "day [1].fits"), "--store", store])
    assert "1 imported, 1 already there, 0 rejected" in capsys.readouterr().out


def test_faults_of_files_are_summed_up_in_a_line_each(tmp_path, capsys):
    common = {"energy": "0.1-0.8nm", "satellite": 18}
    files = []
    for hour in range(5):
        good, bad = (common | {"flux": flux, "time_tag": f"2026-08-01T0{hour}:00:00Z"} for flux in (1e-6, None))
        files.append(str(tmp_path / f"{hour}.json"))
        (tmp_path / f"{hour}.json").write_text(json.dumps([good, bad, bad]))
    goes_xrs.main([*files, "--store", str(tmp_path / "xrs.sqlite")])
    named = ", ".join(files[:3])
    assert f"note: 10 records without a flux, left out ({named} and 2 more files)" in capsys.readouterr().out


def test_script_ends_with_code_4_when_some_files_are_bad(tmp_path, command):
    bad = tmp_path / "xrays-1-day.json"
    bad.write_text("[{")
    done = command(SCRIPT, sunpy_file("go1520110607.fits"), bad, "--store", tmp_path / "xrs.sqlite")
    assert done.code == 4
    assert f"rejected {bad}: is no sound JSON" in done.out
    assert done.err.splitlines()[-1].endswith(f"1 of 2 files rejected, as named; the others are in {tmp_path / 'xrs.sqlite'}")
    assert "Traceback" not in done.err


def test_stores_that_are_none_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such flux store; fill one with"):
        goes_xrs.series(tmp_path / "none.sqlite", calibration="science")
    (tmp_path / "text.sqlite").write_text("not a database, though long enough to be read as one" * 20)
    with pytest.raises(UserError, match="cannot be used as a flux store"):
        goes_xrs.contents(tmp_path / "text.sqlite")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    for use in (goes_xrs.contents, lambda store: goes_xrs.import_file(store, sunpy_file("go1520110607.fits"))):
        with pytest.raises(UserError, match="is not a flux store"):
            use(tmp_path / "other.sqlite")
