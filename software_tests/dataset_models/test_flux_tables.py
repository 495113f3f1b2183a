"""FlareNet's tables: flux into the store, targets for every lag and catch out and in, HMI features."""

import numpy
import pandas
import pytest

from dataset_models import flux_tables, goes_files, goes_xrs
from dataset_models.flux_series import FluxSeries
from dataset_models.SDO.AIA.fdl_1 import AIA8
from dataset_models.xray_flux_data import CATCHES, DURATIONS, FLARENET_DEVIATIONS, FLARENET_MEANS, LAGS, HmiFeatures
from tools.errors import UserError

MINUTE = numpy.timedelta64(1, "m")
HOUR = 60 * MINUTE
START = numpy.datetime64("2014-06-17T00:00")


@pytest.fixture(scope="module")
def genuine(shared):
    return shared / "flarenet" / "goes_flux_2014.csv"


# Flux into the store


def test_genuine_rows_become_two_minutes_each(genuine, tmp_path, capsys):
    store = tmp_path / "xrs.sqlite"
    goes_xrs.main([str(genuine), "--store", str(store)])
    assert "unknown satellite flarenet: 7218 minutes, 2013-12-31T23:58Z to 2014-01-31T23:47Z" in capsys.readouterr().out
    series = goes_xrs.series(store, calibration="flarenet")
    table = pandas.read_csv(genuine, parse_dates=["Time"])
    times = table["Time"].to_numpy("datetime64[s]")
    assert series.current(times).tolist() == table["Flux"].tolist()
    assert series.calibration == "flarenet"
    with pytest.raises(UserError, match="has no operational flux; it holds unknown satellite flarenet"):
        goes_xrs.series(store, calibration="operational")


def test_a_table_of_every_two_minutes_gives_flarenets_maxima(tmp_path):
    """As Flux_2010_2017_max.csv: the row of a time has the samples of the two minutes before it; NA and -Inf are missing."""
    random = numpy.random.default_rng(4)
    times = START + 2 * MINUTE * numpy.arange(1, 1441)
    flux = 10 ** random.uniform(-7, -4, 1440)
    words = [f"{value:.4e}" for value in flux]
    words[100], words[101] = "NA", "-Inf"
    rows = [f"{str(time).replace('T', ' ')}:00,{word},59" for time, word in zip(times, words, strict=True)]
    path = tmp_path / "Flux_2010_2017_max.csv"
    path.write_text("\n".join(['"Time","Flux","Count"', *rows]) + "\n")
    assert goes_xrs.import_file(tmp_path / "xrs.sqlite", path)
    series = goes_xrs.series(tmp_path / "xrs.sqlite", calibration="flarenet")
    assert numpy.isnan(series.flux).sum() == 4
    image = START + 300 * MINUTE
    window = (times > image + HOUR) & (times <= image + 2 * HOUR)
    largest = max(float(word) for word, inside in zip(words, window, strict=True) if inside)
    assert series.maximum([image], lag=HOUR, catch=HOUR)[0] == largest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time,Flux_1h\n2014-01-01,1\n", "is no file of GOES|has no columns Time and Flux"),
        ("Time,Flux\nnever,1e-6\n", "has no row with a time and a flux"),
        ("Time,Flux\n2014-01-01 00:02:00,NA\n", "has no row with a time and a flux"),
    ],
)
def test_flux_tables_that_are_none_are_refused(tmp_path, text, message):
    path = tmp_path / "Flux_2010_2017_max.csv"
    path.write_text(text)
    with pytest.raises(goes_files.NotGoes, match=message):
        goes_files.read_minutes(path)


def test_rows_that_cannot_be_read_are_counted(tmp_path):
    path = tmp_path / "Flux.csv"
    path.write_text("Time,Flux,Count\n2014-01-01 00:02:00,1e-6,59\nnever,1e-6,59\n2014-01-01 00:06:00,7,59\n")
    minutes = goes_files.read_minutes(path)
    assert minutes.flux.tolist() == [1e-6, 1e-6]
    assert sum(minutes.faults.values()) == 2


# Tables of targets


@pytest.fixture
def series():
    flux = 10 ** numpy.random.default_rng(1).uniform(-7, -4, 4 * 1440)
    flux[2000:2100] = numpy.nan
    return FluxSeries(START, flux, calibration="operational")


def test_every_lag_and_catch_is_written_and_read_back(series, tmp_path):
    times = (START + 12 * MINUTE * numpy.arange(40)).astype("datetime64[s]")
    names = [f"AIA_{number}.fits" for number in range(40)]
    written = flux_tables.write(tmp_path, series, times, names)
    assert len(written) == len(LAGS) * len(CATCHES)
    assert len(list(tmp_path.glob("All_Ys_*.csv"))) == len(written)
    for lag in LAGS:
        for catch in CATCHES:
            table = flux_tables.FluxTable(tmp_path / f"All_Ys_{lag}Delay_{catch}Max.csv")
            keywords = {"lag": DURATIONS[lag], "catch": DURATIONS[catch]}
            assert list(table.windows) == [(lag, catch)]
            numpy.testing.assert_allclose(table.maximum(times[1:], **keywords), series.maximum(times[1:], **keywords))
            numpy.testing.assert_allclose(table.current(times), series.current(times))
    rows = (tmp_path / "All_Ys_01hrDelay_24hrMax.csv").read_text().splitlines()
    assert rows[0] == "Date Stamp,Catch Flux,Current Flux,Delta,Filename"
    assert rows[1].startswith("20140617_0012,")
    _, largest, current, delta, name = rows[1].split(",")
    assert (float(largest) - float(current)) == pytest.approx(float(delta))
    assert name == "AIA_1.fits"


def test_the_script_takes_times_from_image_names(genuine, tmp_path, capsys):
    goes_xrs.import_file(tmp_path / "xrs.sqlite", genuine)
    for number in (94, 131):
        (tmp_path / "aia").mkdir(exist_ok=True)
        (tmp_path / "aia" / f"AIA20140102_0136_{number:04d}.fits").touch()
    arguments = ["--store", str(tmp_path / "xrs.sqlite"), "--calibration", "flarenet", "--times", str(tmp_path / "aia")]
    with pytest.raises(UserError, match="covers none of the 1 times"):  # rows of every 12 minutes cover no window by half
        flux_tables.main([*arguments, "--out", str(tmp_path / "y"), "--catches", "24hr", "--lags", "01hr"])
    with pytest.raises(UserError, match="no file whose name states a time"):
        (tmp_path / "empty").mkdir()
        flux_tables.main([*arguments[:-1], str(tmp_path / "empty"), "--out", str(tmp_path / "y")])
    day = tmp_path / "day.sqlite"
    flux = "".join(f"2014-01-02 {n // 30:02d}:{2 * (n % 30):02d}:00,{1e-6 * (n + 1):.4e},59\n" for n in range(1, 700))
    (tmp_path / "Flux_day.csv").write_text("Time,Flux,Count\n" + flux)
    goes_xrs.import_file(day, tmp_path / "Flux_day.csv")
    flux_tables.main(["--store", str(day), *arguments[2:], "--out", str(tmp_path / "y"), "--catches", "12min", "01hr"])
    assert "wrote 14 tables" in capsys.readouterr().out
    text = (tmp_path / "y" / "All_Ys_00minDelay_12minMax.csv").read_text()
    assert text.splitlines()[1] == "20140102_0136,5.5e-05,4.9e-05,6e-06,AIA20140102_0136_0094.fits".replace(
        "6e-06", str(5.5e-05 - 4.9e-05)
    )


def test_the_feather_table_gives_an_hour_of_lag_and_not_what_its_names_get_wrong(genuine, tmp_path):
    table = flux_tables.read(genuine, lag="01hr", catch="12min")
    assert table.windows.keys() == {("01hr", "12min"), ("01hr", "01hr")}
    times = numpy.array(["2014-01-01T00:00", "2014-01-01T00:06"], "datetime64[s]")
    assert table.maximum(times[:1], lag=HOUR, catch=12 * MINUTE)[0] == 4.5013e-6
    assert table.maximum(times[:1], lag=HOUR - 12 * MINUTE, catch=12 * MINUTE).tolist() != [4.5013e-6]
    assert table.maximum(times[:1] + 12 * MINUTE, lag=48 * MINUTE, catch=12 * MINUTE)[0] == 4.5013e-6
    assert numpy.isnan(table.current(times)).tolist() == [False, True]
    with pytest.raises(UserError, match="no maxima for lag 01hr and catch 24hr; give --lag 01hr --catch 12min or"):
        flux_tables.read(genuine, lag="01hr", catch="24hr")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("y.csv", "Date Stamp,Catch Flux,Current Flux\n20140101_0000,1e-6,1e-6\n", "its name gives no lag and catch"),
        ("All_Ys_02hrDelay_24hrMax.csv", "Date Stamp,Catch Flux,Current Flux\n20140101_0000,1,1\n", "gives no lag and catch"),
        ("a.csv", "when,Flux\n2014-01-01,1\n", "has neither a column Date Stamp nor Time"),
        ("a.csv", "Time,Flux\n2014-01-01,1\n", "the column Flux_1h_1h12m is not there"),
        ("All", "Date Stamp,Catch Flux,Current Flux\n2014-01-01,1e-6,1e-6\n", "line 2: '2014-01-01' is no time like"),
        ("All", "Date Stamp,Catch Flux,Current Flux\n20140101_0000,1e-6,high\n", "line 2: Current Flux is no number"),
        ("All", "Date Stamp,Catch Flux,Current Flux\n20140101_0000,7,1e-6\n", "line 2: Catch Flux is 7, no flux"),
        ("All", "Date Stamp,Catch Flux,Current Flux\n" + 2 * "20140101_0000,1e-6,1e-6\n", "occurs twice"),
        ("All", None, "no such file"),
    ],
)
def test_other_tables_end_in_one_line(tmp_path, name, text, message):
    path = tmp_path / ("All_Ys_01hrDelay_24hrMax.csv" if name == "All" else name)
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        flux_tables.FluxTable(path)
    assert str(path) in str(raised.value)


def test_aia_trains_from_a_table_without_a_store(series, tmp_path):
    """Legacy arrays; missing values were written as 0."""
    folder = tmp_path / "aia"
    folder.mkdir()
    times = (START + 12 * MINUTE * numpy.arange(30)).astype("datetime64[s]")
    for number, time in enumerate(times):
        stamp = str(time)[:16].replace("-", "").replace(":", "").replace("T", "_")
        with open(folder / f"{stamp}_AIA_08_1024_1024.dat", "wb") as file:
            numpy.save(file, numpy.full((64, 8), 100.0 + number, "float32"))
    flux_tables.write(tmp_path, series, times, [""] * len(times), lags=("01hr",), catches=("12min",))
    path = tmp_path / "All_Ys_01hrDelay_12minMax.csv"
    options = {"folder": str(folder), "flux_table": str(path), "lag": "01hr"}
    data = AIA8(**options, catch="12min", dependent_variable="flux delta")
    assert data.is_downloaded().looked_in == (str(folder), str(path))
    true, prior = data.truths(times[1:])
    numpy.testing.assert_allclose(true, series.maximum(times[1:], lag=HOUR, catch=12 * MINUTE))
    numpy.testing.assert_allclose(prior, series.current(times[1:]))
    assert data.flux_series.calibration == "flarenet"
    with pytest.raises(UserError, match="has no maxima for lag 01hr and catch 24hr"):
        AIA8(**options, catch="24hr").truths(times)
    path.unlink()
    assert f"the table {path}" in str(AIA8(**options, catch="12min").is_downloaded())


# HMI features


def flarenet_rows(values, days):
    return "".join(f"{day},{','.join(f'{value:.6g}' for value in row)}\n" for day, row in zip(days, values, strict=True))


def test_flarenets_features_have_its_means_and_deviations(tmp_path):
    path = tmp_path / "HMI_features.csv"
    values = numpy.tile(FLARENET_MEANS, (3, 1))
    values[1] += FLARENET_DEVIATIONS
    values[2, 0], values[2, 1] = numpy.inf, numpy.nan
    path.write_text(flarenet_rows(values, ["20140101", "20140102_TAI", "20140104"]))
    features = HmiFeatures(path, before=numpy.datetime64("2014-01-02"))
    assert len(features.names) == 25
    times = numpy.array(["2014-01-01T12:00", "2014-01-02T23:59:59", "2014-01-03T00:00", "2014-01-04"], "datetime64[s]")
    at = features.at(times)
    numpy.testing.assert_allclose(at[0], 0, atol=1e-4)
    numpy.testing.assert_allclose(at[1], 1, atol=1e-2)
    assert numpy.isnan(at[2]).all(), "the row of a day is no other day's"
    assert at[3, :2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20140101,1,2,3\n", "expected 26 columns, received 4"),
        ("20140101" + 25 * ",1" + "\n2014" + 25 * ",1" + "\n", "line 2: '2014' does not begin with a day"),
        ("20140101" + 25 * ",1" + "\n20140230" + 25 * ",1" + "\n", "not a time: '2014-02-30'"),
        ("20140101" + 25 * ",1" + "\n20140102" + 25 * ",x" + "\n", "line 2: HMI feature 1 is no number"),
    ],
)
def test_other_feature_files_end_in_one_line(tmp_path, text, message):
    path = tmp_path / "HMI_features.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        HmiFeatures(path, before=numpy.datetime64("2014-01-02"))
