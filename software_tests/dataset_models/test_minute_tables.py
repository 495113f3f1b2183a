"""Plain tables of GOES flux, whose satellite and calibration the user states."""

import gzip

import hypothesis
import numpy
import pytest
from hypothesis import strategies as st

from dataset_models import goes_files, goes_xrs
from tools.errors import UserError

STATED = goes_files.Stated(16, "science")
HEAD = "time,xrsa,xrsb,xrsb_flag\n"


def written(path, text):
    path.write_text(text)
    return path


def test_a_genuine_table_has_what_noaas_own_file_of_a_day_has(shared):
    table = goes_files.read_minutes(shared / "xrs_1min" / "goes16_2022-01-01_2022-08-14.csv.gz", stated=STATED)
    day = goes_files.read_minutes(shared / "xrs" / "sci_xrsf-l2-avg1m_g16_d20220330_v2-1-0.nc")
    common, of_table, of_day = numpy.intersect1d(table.time, day.time, return_indices=True)
    assert len(common) == 1362 == len(day.time)
    numpy.testing.assert_allclose(table.flux[of_table], day.flux[of_day], rtol=1e-4)  # it has five digits
    assert (table.satellite, table.calibration) == (16, "science")
    assert table.faults == {"rows that their flag rejects, left out": 4569}
    assert len(table.time) + 4569 == 325440


def test_a_table_that_nobody_states_anything_of_is_refused(tmp_path, capsys):
    path = written(tmp_path / "flux.csv", HEAD + "2022-01-01 00:01:00,1e-8,2e-7,0\n")
    with pytest.raises(UserError, match=r"flux\.csv: is a table, .*; give --table_satellite and --table_calibration"):
        goes_files.read_minutes(path)
    with pytest.raises(UserError, match="are given together; received only one of them"):
        goes_xrs.main([str(path), "--store", str(tmp_path / "xrs.sqlite"), "--table_satellite", "16"])
    assert not (tmp_path / "xrs.sqlite").exists()
    stated = ["--table_satellite", "16", "--table_calibration", "science"]
    goes_xrs.main([str(path), "--store", str(tmp_path / "xrs.sqlite"), *stated])
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:] == ["GOES-16 science: 1 minutes, 2022-01-01T00:01Z to 2022-01-01T00:01Z"], "without a note"


def test_missing_and_flagged_rows_and_rows_without_a_time_are_left_out(tmp_path):
    rows = ["2022-01-01T00:00Z,1,2e-7,0", "2022-01-01 00:01,1,,0", "2022-01-01 00:02,1,1e-9,0", "2022-01-01 00:03,1,3e-7,1"]
    rows += ["soon,1,3e-7,0", "1822-01-01,1,3e-7,0", "2022-01-01 00:04,1,3e-7,", "2022-01-01 00:05,1,4e-7,0.0"]
    minutes = goes_files.read_minutes(written(tmp_path / "flux.csv", HEAD + "\n".join(rows)), stated=STATED)
    assert minutes.flux.tolist() == [2e-7, 4e-7]
    assert minutes.faults == {
        "rows that their flag rejects, left out": 2,
        "rows without a flux, left out": 2,
        "records without a time, left out": 2,
    }


@pytest.mark.parametrize(
    ("satellite", "name", "count"),
    [(15, "sci_xrsf-l2-avg1m_g15_d20140101_v1-0-0.nc", 1440), (16, "sci_xrsf-l2-avg1m_g16_d20220330_v2-1-0.nc", 1362)],
)
def test_a_time_series_of_sunpy_has_the_minutes_of_its_file(shared, tmp_path, satellite, name, count):
    from sunpy.timeseries import TimeSeries

    path = tmp_path / "series.csv"
    TimeSeries(shared / "xrs" / name).to_dataframe().to_csv(path)
    series = goes_files.read_minutes(path, stated=goes_files.Stated(satellite, "science"))
    noaa = goes_files.read_minutes(shared / "xrs" / name)
    assert len(series.time) == count
    numpy.testing.assert_array_equal(series.time, noaa.time)
    numpy.testing.assert_allclose(series.flux, noaa.flux, rtol=1e-6)


@pytest.mark.parametrize(
    ("stated", "step", "good"),
    [
        ((15, "science"), 60, [0, 8, 16, 64]),
        ((16, "science"), 60, [0, 4, 8, 16, 64]),
        ((15, "operational"), 60, [0]),
        ((16, "science"), 1, [0]),
    ],
)
def test_the_bits_that_reject_are_those_of_one_minute_means(tmp_path, stated, step, good):
    flags = [0, 1, 2, 4, 8, 16, 17, 18, 64, -1, "", 2**40]
    rows = []
    for number, flag in enumerate(flags):  # means of a minute, or a minute of samples
        begin = numpy.datetime64("2014-01-01") + numpy.timedelta64(number, "m")
        rows += [f"{begin + numpy.timedelta64(second, 's')}Z,1e-8,{number + 1}e-7,{flag}" for second in range(0, 60, step)]
    minutes = goes_files.read_minutes(written(tmp_path / "a.csv", HEAD + "\n".join(rows)), stated=goes_files.Stated(*stated))
    kept = [flags[number] for number in (minutes.time // 60 - minutes.time[0] // 60)]
    assert kept == good
    assert minutes.faults == {"rows that their flag rejects, left out": (len(flags) - len(good)) * 60 // step}


def test_the_index_of_a_time_series_has_no_name_and_samples_become_means(tmp_path):
    rows = [f"2022-01-01 00:0{second // 60}:{second % 60:02d}.5,1e-8,{1 + second % 2}e-7" for second in range(0, 180)]
    path = tmp_path / "series.csv.gz"
    path.write_bytes(gzip.compress((",xrsa,xrsb\n" + "\n".join(rows)).encode()))
    minutes = goes_files.read_minutes(path, stated=goes_files.Stated(15, "operational"))
    assert minutes.flux.tolist() == pytest.approx([1.5e-7] * 3)
    assert minutes.samples.tolist() == [60] * 3
    assert (minutes.satellite, minutes.calibration) == (15, "operational")


@hypothesis.given(st.text(st.characters(codec="utf-8"), max_size=200))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_whatever_follows_the_header_is_read_or_refused_in_one_line(tmp_path, text):
    path = tmp_path / "flux.csv"
    path.write_text(HEAD + text, encoding="utf-8", newline="")
    outcome = goes_xrs.import_files(tmp_path / "xrs.sqlite", [path], workers=1, stated=STATED)
    for error in outcome.rejected:
        assert "\n" not in str(error)
    if not outcome.rejected:
        minutes = goes_files.read_minutes(path, stated=STATED)
        assert ((minutes.flux > 1e-9) & (minutes.flux <= 0.2)).all()
