"""How the homogenised flux agrees: between satellites, between calibrations, and with the classes of flare lists."""

import csv
import gzip

import numpy
import pandas
import pytest

from dataset_models import flux_agreement, flux_homogenisation, goes_files, goes_xrs
from dataset_models.flux_series import FluxSeries
from tools.errors import UserError

COLUMNS = [("time", "i8"), ("satellite", "i8"), ("calibration", "i1"), ("flux", "f8")]
SCIENCE, OPERATIONAL = 0, 1


def seconds(text):
    return int(numpy.datetime64(text, "s").astype("int64"))


def rows_of(*parts):
    """Rows of (first minute, satellite, calibration, fluxes)."""
    rows = [
        (seconds(start) + 60 * place, satellite, calibration, value)
        for start, satellite, calibration, flux in parts
        for place, value in enumerate(flux)
    ]
    return numpy.array(sorted(rows), COLUMNS)


@pytest.fixture
def store(tmp_path):
    """Give a function that writes tables of (name, satellite, calibration, first minute, fluxes) into a store."""

    def write(*parts):
        for name, satellite, calibration, start, flux in parts:
            times = pandas.date_range(start, periods=len(flux), freq="min")
            path = tmp_path / f"{name}.csv"
            pandas.DataFrame({"time": times, "xrsb": flux}).to_csv(path, index=False)
            goes_xrs.import_files(tmp_path / "xrs.sqlite", [path], workers=1, stated=goes_files.Stated(satellite, calibration))
        return tmp_path / "xrs.sqlite"

    return write


def test_ratios_of_satellites_and_of_calibrations_by_year():
    flux = numpy.geomspace(1e-7, 1e-5, 101)
    rows = rows_of(
        ("2013-12-31T23:00", 15, SCIENCE, flux),
        ("2013-12-31T23:00", 14, SCIENCE, 0.9 * flux),
        ("2013-12-31T23:00", 15, OPERATIONAL, 0.7 * 1.01 * flux),
    )
    found = {(one.source, one.reference, one.year): one for one in flux_agreement.overlaps(rows, floor="B1.0")}
    assert {year for *_, year in found} == {2013, 2014}
    satellites = found["GOES-15 science", "GOES-14 science", 2014]
    assert satellites.count == 41
    assert satellites[5:8] == pytest.approx([1 / 0.9] * 3)
    calibrations = found["GOES-15 operational/0.7", "GOES-15 science", 2013]
    assert calibrations[4:8] == pytest.approx([60, 1.01, 1.01, 1.01])
    assert found["GOES-15 science", "GOES-14 science", 2013].count == 58, "two minutes lie below the floor"
    assert str(calibrations).startswith("GOES-15 operational/0.7 / GOES-15 science, 2013: 60 minutes, 1.010 in the median")
    assert flux_agreement.overlaps(rows, floor="M2.0") == []


def test_percentiles_are_those_of_the_minutes_in_common():
    rng = numpy.random.default_rng(0)
    factor = rng.lognormal(0, 0.1, 1001)
    rows = rows_of(("2023-01-05", 16, SCIENCE, [1e-6] * 1001), ("2023-01-05", 18, SCIENCE, 1e-6 * factor))
    (found,) = flux_agreement.overlaps(rows)
    assert found[4:8] == pytest.approx([1001, *numpy.percentile(factor, [50, 5, 95])])


def homogenised(start, flux, satellite, calibration):
    count = len(flux)
    provenance = flux_homogenisation.Provenance(
        numpy.full(count, satellite, "int16"), numpy.full(count, calibration, "int8"), numpy.zeros(count, bool)
    )
    return FluxSeries(start, flux, calibration="homogenised", provenance=provenance)


def listed(peaks, flux):
    return pandas.DataFrame({"peak": pandas.to_datetime(peaks), "flux": flux, "goes_class": ["M1.0"] * len(flux)})


@pytest.mark.parametrize(
    ("day", "classes", "expected"),
    [
        ("2014-01-01", "as issued", 1.4e-5 / (1e-5 / 0.7)),
        ("2014-01-01", "true", 1.4),
        ("2019-12-09", "as issued", 1.4e-5 / (1e-5 / 0.7)),
        ("2019-12-10", "as issued", 1.4),
    ],
)
def test_classes_are_brought_to_the_scale_of_the_flux(day, classes, expected):
    flux = [1e-6] * 60
    flux[31], flux[34] = 1.4e-5, 9e-5
    series = homogenised(f"{day}T00:00", flux, 15, SCIENCE)
    measured = flux_agreement.flare_ratios(series, listed([f"{day} 00:30"], [1e-5]), classes=classes)
    assert measured["ratio"].tolist() == pytest.approx([expected]), "of the five minutes about the peak"
    assert measured["source"].tolist() == ["GOES-15 science"]
    (found,) = flux_agreement.by_source_and_year(measured)
    lower = expected < 1
    assert measured["measured_class"].tolist() == ["C9.8" if lower else "M1.4"]
    assert (found.year, found.count, found.below, found.above) == (int(day[:4]), 1, int(lower), int(not lower))


def test_flares_without_a_peak_or_a_flux_are_left_out():
    flux = numpy.full(60, 1e-6)
    flux[[9, 10, 11]] = numpy.nan
    series = homogenised("2014-01-01T00:00", flux, 15, SCIENCE)
    peaks = [None, "2014-01-01 00:10", "2014-01-01 00:12", "2014-01-01 00:59", "2014-01-01 01:00", "2013-12-31 23:59"]
    measured = flux_agreement.flare_ratios(series, listed(peaks, [1e-6] * 6))
    assert measured["peak"].dt.strftime("%H:%M").tolist() == ["00:12", "00:59"]
    assert len(flux_agreement.flare_ratios(series, listed(["2031-01-01"], [1e-6]))) == 0


def test_genuine_flares_of_an_x_flare_day(shared, tmp_path, capsys):
    store = tmp_path / "xrs.sqlite"
    goes_xrs.import_file(store, shared / "xrs" / "sci_xrsf-l2-avg1m_g16_d20220330_v2-1-0.nc")
    with gzip.open(shared / "flare_lists" / "swpc_flares_2022_and_2025.csv.gz", "rt") as file:
        days = [line for line in file if line.startswith(("start_time", "2022-03-30"))]
    flares, out = tmp_path / "flares.csv", tmp_path / "out"
    flares.write_text("".join(days))
    flux_agreement.main(["--store", str(store), "--out", str(out), "--flares", str(flares), "--minutes"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "GOES-16 science: 1362 minutes"
    assert "no two satellites or calibrations share a minute of B1.0 or more: only flares are compared" in lines
    assert sorted(path.name for path in out.iterdir()) == ["agreement.csv", "agreement.png", "flares.csv", "minutes.csv"]
    table = pandas.read_csv(out / "flares.csv").set_index("goes_class")
    assert len(table) >= 5
    assert table["ratio"]["X1.3"] == pytest.approx(1.05, abs=0.05)
    assert table["ratio"].between(0.98, 1.10).all()
    with open(out / "minutes.csv") as file:
        minutes = list(csv.DictReader(file))
    assert len(minutes) == 1362
    assert {(row["satellite"], row["calibration"], row["filled"]) for row in minutes} == {("16", "science", "False")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "count", "others"),
    [("goes16_2022-01-01_2022-08-14.csv.gz", 1130, (8, 6)), ("goes_2025-01-01_2025-04-06.csv.gz", 815, (5, 217))],
)
def test_classes_of_2022_and_2025(shared, tmp_path, name, count, others):
    """In 2022 they are the flux cut to one decimal; the table of 2025, which names no satellite, is about 1 % brighter."""
    store, out = tmp_path / "xrs.sqlite", tmp_path / "out"
    stated = goes_files.Stated(16, "science")
    goes_xrs.import_files(store, [shared / "xrs_1min" / name], workers=1, stated=stated)
    flares = shared / "flare_lists" / "swpc_flares_2022_and_2025.csv.gz"
    flux_agreement.main(["--store", str(store), "--out", str(out), "--flares", str(flares)])
    (row,) = pandas.read_csv(out / "agreement.csv").itertuples()
    assert row.count == count
    assert (row.below, row.above) == others
    assert 1.015 < row.median < 1.027
    assert 1.0 < row.low < row.high < 1.07


def test_overlaps_through_the_script(store, tmp_path, capsys):
    flux = numpy.geomspace(2e-7, 2e-6, 30)
    path = store(
        ("new", 16, "science", "2019-12-31T23:50", 1.02 * flux),
        ("old", 15, "science", "2019-12-31T23:50", flux),
        ("scaled", 15, "operational", "2019-12-31T23:50", 0.7 * flux),
    )
    flux_agreement.main(["--store", str(path), "--out", str(tmp_path / "out"), "--end", "2020-01-01T00:10"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "GOES-16 science: 20 minutes"
    assert [line for line in lines if line.startswith("GOES-16 science / GOES-15 science, ")] == [
        f"GOES-16 science / GOES-15 science, {year}: 10 minutes, 1.020 in the median, 1.020 to 1.020 (5 to 95 %)"
        for year in (2019, 2020)
    ]
    assert len(pandas.read_csv(tmp_path / "out" / "agreement.csv")) == 6
    assert not (tmp_path / "out" / "flares.csv").exists()


def test_nothing_to_compare_ends_in_one_line_and_writes_nothing(store, tmp_path):
    path = store(("old", 15, "science", "2014-01-01T00:00", [1e-6] * 9), ("new", 16, "science", "2022-01-01T00:00", [1e-6] * 9))
    flares = tmp_path / "flares.csv"
    flares.write_text("start_time,peak_time,goes_class\n1999-01-01 00:01:00,1999-01-01 00:02:00,M1.0\n")
    common = ["--store", str(path), "--out", str(tmp_path / "out")]
    for more, words in (
        ([], r"xrs\.sqlite: no two satellites or calibrations share a minute of B1\.0 or more; import files that overlap"),
        (
            ["--flares", str(flares)],
            r"flares\.csv: none of 1 flares of C1\.0 or more, 1999-01-01 to 1999-01-01, peaks where .*of that time",
        ),
        (["--start", "2015-01-01", "--end", "2016-01-01"], r"has no homogenised flux in this span"),
        (["--least_class", "Z1"], "--least_class: not a GOES class"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            flux_agreement.main([*common, *more])
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
