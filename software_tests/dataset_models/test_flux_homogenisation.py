"""One flux across satellites and calibrations: NOAA's list, the choice of every minute, and the default that never mixes."""

import hypothesis
import numpy
import pytest
from hypothesis import strategies as st

from dataset_models import flux_homogenisation, goes_files, goes_satellites, goes_xrs
from tools.errors import UserError

MINUTE = numpy.timedelta64(1, "m")
COLUMNS = [("time", "i8"), ("satellite", "i8"), ("calibration", "i1"), ("flux", "f8")]


def sunpy_file(name):
    from sunpy.data.test import get_test_filepath

    return get_test_filepath(name)


@pytest.fixture
def write_minutes(monkeypatch, tmp_path):
    """Put minutes into a store, as a file of them would."""
    store = tmp_path / "xrs.sqlite"

    def write(satellite, calibration, start, flux):
        time = int(numpy.datetime64(start, "s").astype("int64")) + 60 * numpy.arange(len(flux))
        count = numpy.ones(len(flux), "int64")
        made = goes_files.Minutes(satellite, calibration, time, numpy.array(flux, "float64"), count, 0 * count)
        path = tmp_path / f"{satellite}_{calibration}_{start.replace(':', '')}"
        path.write_text(path.name)
        with monkeypatch.context() as patch:
            patch.setattr(goes_files, "read_minutes", lambda _: made)
            goes_xrs.import_files(store, [path], workers=1)
        return store

    return write


@pytest.mark.parametrize(
    ("time", "primary", "secondary"),
    [
        ("1985-12-31", 0, 0),
        ("1989-03-13", 7, 6),
        ("2003-10-28T11:10", 12, 10),
        ("2007-03-01", 12, 11),
        ("2009-12-01", 14, 0),
        ("2010-10-16", 14, 15),
        ("2011-06-07T06:41", 15, 0),
        ("2012-11-19T16:30", 14, 15),
        ("2012-11-19T16:31", 15, 14),
        ("2017-09-06T12:02", 15, 13),
        ("2019-12-09T17:29", 15, 0),
        ("2019-12-09T17:30", 16, 15),
        ("2024-09-06", 16, 18),
        ("2026-02-01", 18, 19),
    ],
)
def test_satellites_as_noaa_lists_them(time, primary, secondary):
    assert goes_satellites.primary([time]).tolist() == [primary]
    assert goes_satellites.secondary([time]).tolist() == [secondary]


def test_no_satellite_is_both_at_once():
    hours = numpy.arange("1986-01-01", "2026-12-01", 60, "datetime64[m]")
    primary, secondary = goes_satellites.primary(hours), goes_satellites.secondary(hours)
    assert not (primary == secondary).any()
    assert set(primary.tolist()) == {6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 18}


rows_of = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([7, 13, 14, 15, 16]),
        st.integers(0, 2),
        st.floats(1e-8, 1e-3),
    ),
    max_size=30,
    unique_by=lambda row: row[:3],
)


@hypothesis.given(rows_of, st.sampled_from(["2012-11-19T16:28", "2015-01-26T15:58", "2011-01-01T00:00"]), st.booleans())
def test_every_minute_is_the_best_of_its_candidates(listed, start, any_satellite):
    first = numpy.datetime64(start, "m")
    seconds = int(first.astype("datetime64[s]").astype("int64"))
    rows = numpy.array([(seconds + 60 * minute, *rest) for minute, *rest in listed], COLUMNS)
    flux, provenance = flux_homogenisation.homogenise(first, 6, rows, any_satellite=any_satellite)
    for minute in range(6):
        time = first + minute * MINUTE
        roles = [goes_satellites.primary([time])[0], goes_satellites.secondary([time])[0]]
        best = None
        for place, satellite, calibration, value in listed:
            scaled = calibration == 1
            if place != minute or (scaled and satellite not in range(8, 16)):
                continue
            if not any_satellite and satellite not in roles:
                continue
            role = 0 if any_satellite else roles.index(satellite)
            key = (calibration == 2, role, calibration, -satellite)
            if best is None or key < best[0]:
                best = key, value / (0.7 if scaled else 1.0), satellite, calibration, role == 1
        if best is None:
            assert numpy.isnan(flux[minute])
            assert (provenance.satellite[minute], provenance.calibration[minute], provenance.filled[minute]) == (0, -1, False)
        else:
            own = provenance.satellite[minute], provenance.calibration[minute], provenance.filled[minute]
            assert (flux[minute], *own) == (pytest.approx(best[1], rel=1e-12), *best[2:])
    assert sum(provenance.counts().values()) == (~numpy.isnan(flux)).sum()
    assert sum(provenance.left_out.values()) + (~numpy.isnan(flux)).sum() <= len(rows)
    assert provenance.preliminary.sum() == (provenance.calibration == 2).sum()


def test_genuine_files_of_three_calibrations_become_one_flux(tmp_path, shared):
    store = tmp_path / "xrs.sqlite"
    real = ["xrs/sci_xrsf-l2-avg1m_g15_d20140101_v1-0-0.nc", "xrs/sci_xrsf-l2-avg1m_g16_d20220330_v2-1-0.nc"]
    paths = [sunpy_file("go1520110607.fits"), *(shared / name for name in [*real, "json/swpc_xrays-1-day.json.gz"])]
    goes_xrs.import_files(store, paths, workers=1)
    series = goes_xrs.series(store, calibration="homogenised")
    assert repr(series).startswith("FluxSeries(2011-06-07T00:00 to 2026-08-0")
    counts = series.provenance.counts()
    assert list(counts) == [
        (15, "science", False),
        (15, "operational", False),
        (16, "science", False),
        (18, "near real time", False),
    ]
    assert all(number > 1300 for number in counts.values())
    assert series.provenance.preliminary.sum() == counts[18, "near real time", False]
    # The M2.5 of 2011-06-07 is an M3.6 in true irradiance.
    assert series.current(["2011-06-07T06:42"])[0] == pytest.approx(2.555e-5 / 0.7, rel=0.01)
    for calibration, day in (("science", "2014-01-01"), ("science", "2022-03-30")):
        span = {"start": numpy.datetime64(day), "end": numpy.datetime64(day) + 1}
        alone = goes_xrs.series(store, calibration=calibration, **span)
        numpy.testing.assert_array_equal(goes_xrs.series(store, calibration="homogenised", **span).flux, alone.flux)
    # What is not asked for is not mixed.
    assert (~numpy.isnan(goes_xrs.series(store, calibration="operational").flux)).sum() == counts[15, "operational", False]
    assert numpy.isnan(goes_xrs.series(store, calibration="science").current(["2011-06-07T06:42"]))[0]
    assert goes_xrs.series(store, calibration="science").provenance is None


def test_gaps_are_filled_from_the_secondary_satellite_alone(write_minutes):
    start = "2014-06-10T12:00"  # GOES-15, then GOES-14
    write_minutes(15, "science", start, [1e-6, 1e-6])
    write_minutes(14, "science", start, [2e-6, 2e-6, 2e-6])
    store = write_minutes(13, "science", start, [3e-6] * 4)
    series = goes_xrs.series(store, calibration="homogenised")
    assert series.flux.tolist() == pytest.approx([1e-6, 1e-6, 2e-6, numpy.nan], nan_ok=True)
    assert series.provenance.filled.tolist() == [False, False, True, False]
    assert series.provenance.satellite.tolist() == [15, 15, 14, 0]
    assert series.provenance.left_out == {"minutes of a satellite that was neither NOAA's primary nor its secondary one": 4}
    alone = goes_xrs.series(store, calibration="homogenised", satellite=13)
    assert alone.flux.tolist() == [3e-6] * 4
    assert not alone.provenance.filled.any()


def test_a_store_without_a_satellite_of_the_list_is_named_in_one_line(write_minutes):
    store = write_minutes(13, "science", "2014-06-10T12:00", [3e-6] * 4)
    with pytest.raises(
        UserError, match=r"xrs\.sqlite: has nothing for a homogenised flux \(4 minutes of a satellite.*; import files of NOAA"
    ):
        goes_xrs.series(store, calibration="homogenised")
    store = write_minutes(7, "operational", "1990-06-10T12:00", [3e-6] * 4)
    with pytest.raises(UserError, match=r"4 operational minutes of satellites other than GOES 8 to 15.*not documented"):
        goes_xrs.series(store, calibration="homogenised", satellite=7)


def test_years_follow_each_other_without_a_seam(write_minutes):
    flux = numpy.geomspace(1e-7, 1e-5, 2 * 1440)
    write_minutes(16, "science", "2021-12-31T00:00", flux)
    store = write_minutes(17, "science", "2022-12-31T12:00", flux[::-1])
    series = goes_xrs.series(store, calibration="homogenised", start=numpy.datetime64("2021-01-01"))
    assert len(series) == len(series.provenance.satellite) == (365 + 366) * 1440 + 720
    present = ~numpy.isnan(series.flux)
    numpy.testing.assert_array_equal(series.flux[present], [*flux, *flux[::-1]])
    assert series.minutes[present][[0, 2879, 2880, -1]].astype(str).tolist() == [
        "2021-12-31T00:00",
        "2022-01-01T23:59",
        "2022-12-31T12:00",
        "2023-01-02T11:59",
    ]
    assert series.provenance.counts() == {(16, "science", False): 2880, (17, "science", True): 2880}


def test_scripts_take_it_by_its_name(write_minutes, tmp_path, capsys):
    from dataset_models import flux_tables, goes_flares

    write_minutes(15, "operational", "2014-01-01T00:00", [0.7e-6] * 90)
    store = write_minutes(14, "science", "2014-01-01T01:00", [2e-6] * 60)
    common = ["--store", str(store), "--calibration", "homogenised", "--out"]
    flux_tables.main([*common, str(tmp_path / "tables"), "--lags", "00min", "--catches", "12min"])
    assert "FluxSeries(2014-01-01T00:00 to 2014-01-01T02:00, homogenised, 120 of 120 minutes)" in capsys.readouterr().out
    (table,) = (tmp_path / "tables").iterdir()
    rows = [line.split(",")[:2] for line in table.read_text().splitlines()[1:]]
    assert {float(flux) for _, flux in rows} == {1e-6, 2e-6}
    goes_flares.main([*common, str(tmp_path / "flares")])
    assert "homogenised, 120 of 120 minutes): flares found: none" in capsys.readouterr().out
