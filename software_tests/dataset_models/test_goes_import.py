"""Many GOES files at once: what sunpy reads, once each, from several processes, and nothing lost to a bad one."""

import shutil
import warnings

import h5py
import numpy
import pytest

from dataset_models import goes_files, goes_xrs
from tools.errors import UserError

DAYS = ("20101016", "20140101")


def by_sunpy(path):
    """Seconds and fluxes of a netCDF file as sunpy has them."""
    from sunpy.timeseries import TimeSeries

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = TimeSeries(str(path), source="XRS").to_dataframe()
    return table.index.values.astype("datetime64[s]").astype("int64"), table["xrsb"].to_numpy("float64")


def copies(source, folder, count):
    """The same day's file moved to `count` days in a row."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"sci_xrsf-l2-avg1m_g15_d{20140101 + number}_v1-0-0.nc"
        shutil.copy(source, path)
        path.chmod(0o644)
        with h5py.File(path, "r+") as file:
            file["time"][:] = file["time"][:] + 86400 * number
    return sorted(folder.iterdir())


@pytest.mark.parametrize("day", DAYS)
def test_averages_are_read_as_sunpy_reads_them(shared, day):
    path = shared / "xrs" / f"sci_xrsf-l2-avg1m_g15_d{day}_v1-0-0.nc"
    seconds, flux = by_sunpy(path)
    minutes = goes_files.read_minutes(path)
    numpy.testing.assert_array_equal(minutes.flux, flux[numpy.isin(seconds, minutes.time)])
    left_out = flux[~numpy.isin(seconds, minutes.time)]
    assert len(minutes.time) + len(left_out) == 1440
    assert len(left_out) < 40


def test_averages_of_goes_r_too():
    from sunpy.data.test import get_test_filepath

    path = get_test_filepath("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc")
    seconds, flux = by_sunpy(path)
    minutes = goes_files.read_minutes(path)
    assert minutes.satellite == 16
    numpy.testing.assert_array_equal(minutes.flux, flux[numpy.isin(seconds, minutes.time)])


def test_each_content_once_and_bad_files_named(shared, tmp_path):
    files = copies(shared / "xrs" / f"sci_xrsf-l2-avg1m_g15_d{DAYS[1]}_v1-0-0.nc", tmp_path / "files", 3)
    again = shutil.copy(files[0], tmp_path / "files" / "again.nc")
    cut = tmp_path / "files" / "cut.nc"
    cut.write_bytes(files[1].read_bytes()[:200_000])
    store = tmp_path / "xrs.sqlite"
    outcome = goes_xrs.import_files(store, [*files, again, cut, tmp_path / "none.nc"])
    assert outcome.imported == files
    assert outcome.present == [tmp_path / "files" / "again.nc"]
    assert sorted(str(error).split(":")[0] for error in outcome.rejected) == [str(cut), str(tmp_path / "none.nc")]
    ((satellite, calibration, minutes, first, last),) = goes_xrs.contents(store)
    assert (satellite, calibration) == (15, "science")
    assert minutes == 3 * len(goes_files.read_minutes(files[0]).time)
    assert (first, last) == (numpy.datetime64("2014-01-01T00:00"), numpy.datetime64("2014-01-03T23:59"))
    second = goes_xrs.import_files(store, [*files, cut])
    assert (second.imported, second.present, len(second.rejected)) == ([], files, 1)


def test_processes_and_small_transactions_give_the_same_store(shared, tmp_path, monkeypatch):
    files = copies(shared / "xrs" / f"sci_xrsf-l2-avg1m_g15_d{DAYS[0]}_v1-0-0.nc", tmp_path / "files", 5)
    goes_xrs.import_files(tmp_path / "one.sqlite", files, workers=1)
    monkeypatch.setattr(goes_xrs, "FILES_PER_TRANSACTION", 2)
    goes_xrs.import_files(tmp_path / "two.sqlite", files, workers=2)
    one, two = (goes_xrs.series(tmp_path / name, calibration="science") for name in ("one.sqlite", "two.sqlite"))
    assert len(one) == 5 * 1440
    numpy.testing.assert_array_equal(one.flux, two.flux)


def test_a_transaction_that_fails_leaves_whole_ones_behind(shared, tmp_path, monkeypatch):
    files = copies(shared / "xrs" / f"sci_xrsf-l2-avg1m_g15_d{DAYS[1]}_v1-0-0.nc", tmp_path / "files", 4)
    monkeypatch.setattr(goes_xrs, "FILES_PER_TRANSACTION", 2)
    read = goes_files.read_minutes
    monkeypatch.setattr(
        goes_xrs.goes_files, "read_minutes", lambda path: read(path) if path != files[3] else (_ for _ in ()).throw(MemoryError)
    )
    with pytest.raises(MemoryError):
        goes_xrs.import_files(tmp_path / "xrs.sqlite", files)
    assert goes_xrs.contents(tmp_path / "xrs.sqlite")[0][2] == 2 * len(read(files[0]).time)
    monkeypatch.undo()
    outcome = goes_xrs.import_files(tmp_path / "xrs.sqlite", files)
    assert outcome.imported == files[2:]
    with pytest.raises(UserError, match="No such file"):
        goes_xrs.import_file(tmp_path / "xrs.sqlite", tmp_path / "none.nc")
