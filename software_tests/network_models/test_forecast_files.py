"""Forecasts in CSV files: published and our own, and everything that may be wrong with them."""

import numpy
import pandas
import pytest

from network_models import forecast_files
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
