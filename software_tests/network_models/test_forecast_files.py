"""Forecasts in CSV files: published and our own, and everything that may be wrong with them."""

import json

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue, flare_labels
from network_models.forecasts import calibration, combination
from network_models.forecasts import files as forecast_files
from science.verification import verification
from tools.errors import UserError


def written(path, probability=(0.1, 0.7, 0.4), target=(0, 1, 0), **columns):
    times = [f"2014-01-01 0{hour}:00:00" for hour in range(len(probability))]
    pandas.DataFrame({"time": times, "probability": probability, "target": target} | columns).to_csv(path, index=False)
    return path


def test_the_published_folds_are_read_with_their_times(shared):
    folder = shared / "published_predictions"
    both = forecast_files.read([folder / "fold1_alex.csv", folder / "fold2_alex.csv"], name="alex")
    assert len(both) == 14788 + 15467
    assert both.times[0] == numpy.datetime64("2011-01-01T00:00:00")
    months = both.times.astype("datetime64[M]").astype(int) % 12
    assert set(months[both.fold == 0]) == {0, 1, 2}
    assert set(months[both.fold == 1]) == {3, 4, 5}
    assert (numpy.diff(both.times) > numpy.timedelta64(0)).all()


def test_files_without_outcomes_are_read_when_none_are_needed(shared):
    path = shared / "alexnet_operational_predictions_2026.csv"
    assert forecast_files.read(path, target=False).event is None
    with pytest.raises(UserError, match="no column of the outcome"):
        forecast_files.read(path)


def test_outcomes_that_nobody_knows_yet(tmp_path, capsys):
    path = written(tmp_path / "open.csv", target=(0, 1, numpy.nan))
    assert forecast_files.read(path, target=False).event is None  # a list knows all of them by and by
    assert len(forecast_files.read(path, target=False)) == 3
    for target in (True, None):
        known = forecast_files.read(path, target=target)
        assert known.event.tolist() == [False, True]
    assert "1 of 3 forecasts left out, whose outcome is not known yet" in capsys.readouterr().err
    new = written(tmp_path / "new.csv", target=(numpy.nan, numpy.nan, numpy.nan))
    for target in (False, None):
        assert forecast_files.read(new, target=target).event is None
    with pytest.raises(UserError, match=r"new.csv: column target holds no outcome yet"):
        forecast_files.read(new)


def test_a_forecast_of_now_is_calibrated_combined_and_verified_later(tmp_path, capsys):
    times = numpy.arange("2014-01-01", "2014-03-02", dtype="datetime64[D]").astype("datetime64[s]")
    flaring = numpy.arange(60) % 4 == 0
    flares = tmp_path / "flares.csv"
    rows = [f"{time + numpy.timedelta64(6, 'h')},M1.0" for time in times[flaring]]
    flares.write_text("\n".join(["start_time,goes_class", *rows, "2014-04-01T00:00,C1.0"]) + "\n")
    probability = numpy.where(flaring, 0.6, 0.2) + 0.01 * (numpy.arange(60) % 7)
    known, new = tmp_path / "known.csv", tmp_path / "new.csv"
    forecast_files.write(known, times[:50], probability=probability[:50], target=flaring[:50].astype(int))
    forecast_files.write(new, times[50:], probability=probability[50:], target=numpy.full(10, numpy.nan))
    calibration.main(["fit", str(known), "--out", str(tmp_path / "calibration.json"), "--kind", "platt"])
    calibration.main(["apply", str(tmp_path / "calibration.json"), str(new), "--out", str(tmp_path / "calibrated.csv")])
    assert len(forecast_files.read(tmp_path / "calibrated.csv", target=False)) == 10
    pairs = [f"{name}={known}" for name in "ab"]
    combination.main(["fit", *pairs, "--kind", "mean", "--out", str(tmp_path / "mean.json")])
    pairs = [f"{name}={new}" for name in "ab"]
    combination.main(["apply", str(tmp_path / "mean.json"), *pairs, "--out", str(tmp_path / "mean.csv")])
    assert len(forecast_files.read(tmp_path / "mean.csv", target=False)) == 10
    verification.main([str(new), "--flares", str(flares), "--samples", "10", "--out", str(tmp_path / "verified")])
    assert "10 forecasts" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"new: no column of the outcome .*give --flares"):
        verification.main([str(new), "--samples", "10", "--out", str(tmp_path / "unknown")])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"probability": (0.1, 1.2, 0.3)}, "1.2 is no probability"),
        ({"probability": (0.1, -0.2, 0.3)}, "-0.2 is no probability"),
        ({"probability": (0.1, numpy.nan, 0.3)}, "nan is no probability"),
        ({"probability": (0.1, "high", 0.3)}, "something else than numbers"),
        ({"target": (0, 2, 0)}, "outcome 2.* is neither 0 nor 1"),
        ({"time": ("2014-01-01", "2014-01-02", "2014-01-01")}, "2014-01-01T00:00:00 occurs twice"),
        ({"time": ("2014-01-01", "soon", "2014-01-03")}, "not a time: 'soon'"),
        ({"threshold": (0.5, 0.5, 7)}, "7 is no probability"),
    ],
)
def test_a_fault_is_named_in_one_line_with_the_file(tmp_path, columns, message):
    path = written(tmp_path / "faulty.csv", **columns)
    with pytest.raises(UserError, match=message) as caught:
        forecast_files.read(path)
    assert "faulty.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_common_hours_are_compared_and_the_others_counted(tmp_path):
    one = forecast_files.read(written(tmp_path / "one.csv"))
    two = forecast_files.read(written(tmp_path / "two.csv", (0.2, 0.6), (0, 1)))
    shared, left_out = forecast_files.common([one, two])
    assert left_out == [1, 0]
    assert [len(forecast) for forecast in shared] == [2, 2]
    numpy.testing.assert_array_equal(shared[0].times, shared[1].times)


def test_forecasts_of_other_hours_or_other_outcomes_are_not_compared(tmp_path):
    one = forecast_files.read(written(tmp_path / "one.csv"))
    later = written(tmp_path / "later.csv", time=("2015-01-01", "2015-01-02", "2015-01-03"))
    with pytest.raises(UserError, match="no hour is common"):
        forecast_files.common([one, forecast_files.read(later)])
    other = written(tmp_path / "other.csv", target=(0, 1, 1))
    with pytest.raises(UserError, match="1 outcomes differ from those of one, the first at 2014-01-01T02"):
        forecast_files.common([one, forecast_files.read(other)])


def test_what_is_written_is_read_with_its_files(tmp_path):
    times = numpy.datetime64("2014-01-01T00:00:00") + numpy.arange(3) * numpy.timedelta64(1, "h")
    files = ["c.jpg", "a.jpg", "b.jpg"]
    forecast_files.write(tmp_path / "f.csv", times[::-1], files=files, probability=[0.3, 0.2, 0.1], target=None)
    assert (tmp_path / "f.csv").read_text().splitlines()[:2] == ["time,file,probability", "2014-01-01T02:00:00Z,c.jpg,0.3"]
    one = forecast_files.read(tmp_path / "f.csv", target=False)
    assert one.times.tolist() == times.tolist()
    assert one.probability.tolist() == [0.1, 0.2, 0.3]
    assert one.files.tolist() == files[::-1]
    assert one.where([1]).files.tolist() == ["a.jpg"]


def test_the_name_of_the_file_tells_the_time_only_where_nothing_else_does(tmp_path):
    names = [f"/x/HMI.m2014.01.01_0{hour}.00.00.jpg" for hour in range(3)]
    pandas.DataFrame({"file": names, "probability": 0.5}).to_csv(tmp_path / "older.csv", index=False)
    assert forecast_files.read(tmp_path / "older.csv", target=False).times[2] == numpy.datetime64("2014-01-01T02:00:00")
    both = forecast_files.read(written(tmp_path / "both.csv", file=["image.fits", "other.jp2", "third"]))
    assert both.times[1] == numpy.datetime64("2014-01-01T01:00:00")
    other = (
        "2026_02_01__00_00_15_340__SDO_HMI_HMI_magnetogram.jp2",
        "AIA20260201_0012_0094.fits",
        "20260201_0024_AIA_08_9_9.dat",
    )
    pandas.DataFrame({"file": other, "probability": 0.5}).to_csv(tmp_path / "other.csv", index=False)
    times = forecast_files.read(tmp_path / "other.csv", target=False).times
    assert [str(time)[11:] for time in times] == ["00:00:15", "00:12:00", "00:24:00"]
    for name in ("image.fits", "hmi.m_720s.20260201_000000_TAI.1.magnetogram.fits"):
        pandas.DataFrame({"file": [name], "probability": 0.5}).to_csv(tmp_path / "none.csv", index=False)
        with pytest.raises(UserError, match=rf"none\.csv: no UTC time in '{name}', and no column time"):
            forecast_files.read(tmp_path / "none.csv", target=False)


def test_outcomes_come_from_the_list_where_there_are_none(shared):
    events = flare_catalogue.read(shared / "flares_2026.csv").events
    one = forecast_files.read(shared / "alexnet_operational_predictions_2026.csv", target=False)
    labelled, note = forecast_files.labelled(one, events)
    times = one.times[flare_labels.covered(events, one.times, flare_labels.DAY)]
    assert labelled.times.tolist() == times.tolist()
    assert (note is None) == (len(times) == len(one))
    numpy.testing.assert_array_equal(labelled.event, flare_labels.FlareIndex(events).label(times))
    assert forecast_files.labelled(labelled, None) == (labelled, None)
    early = events[events["start"] < "2026-02-20"]
    cut, note = forecast_files.labelled(one, early)
    assert len(cut) < len(one)
    assert f"{len(one) - len(cut)} forecasts left out whose windows the flare lists do not cover" in note
    longer, _ = forecast_files.labelled(one, early, until=numpy.datetime64("2026-02-21T12:00:00"))
    assert len(longer) > len(cut)
    with pytest.raises(UserError, match=r"no column of the outcome .*give --flares"):
        forecast_files.labelled(one, None)
    with pytest.raises(UserError, match=r"cover no window of it .*--flares_until TIME"):
        forecast_files.labelled(one, events[events["start"] < "2026-01-10"])


def test_forecasts_of_simulated_data_stay_marked_through_calibration_and_never_meet_others(tmp_path):
    times = numpy.datetime64("2014-01-01T00", "s") + numpy.arange(400) * numpy.timedelta64(3600, "s")
    random = numpy.random.default_rng(0)
    probability = random.random(400)
    table = pandas.DataFrame(
        {"time": times, "probability": probability, "target": (random.random(400) < probability).astype(int)}
    )
    table.iloc[:200].assign(simulated=1).to_csv(tmp_path / "first.csv", index=False)
    table.iloc[200:].assign(simulated=1).to_csv(tmp_path / "later.csv", index=False)
    table.iloc[200:].to_csv(tmp_path / "observed.csv", index=False)
    assert forecast_files.read(tmp_path / "first.csv").where(slice(3)).simulated
    assert not forecast_files.read(tmp_path / "observed.csv").simulated
    with pytest.raises(UserError, match=r"first.csv is of simulated data and .*observed.csv is not"):
        forecast_files.read([tmp_path / "first.csv", tmp_path / "observed.csv"])
    calibration.main(["fit", str(tmp_path / "first.csv"), "--out", str(tmp_path / "c.json")])
    assert json.loads((tmp_path / "c.json").read_text())["simulated"] is True
    for name in ("later", "observed"):  # what a simulation calibrated is no forecast from observations alone
        calibration.main(["apply", str(tmp_path / "c.json"), str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / "o.csv")])
        assert forecast_files.read(tmp_path / "o.csv").simulated
