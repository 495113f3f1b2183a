"""Tables of daily forecasts in percent: the issue for the day, and what is refused."""

import numpy
import pytest

from dataset_models import flare_catalogue
from network_models.forecasts import files as forecast_files
from network_models.forecasts.exchange import daily_percents
from tools import skill_scores
from tools.errors import UserError

LINES = """2014 01 01 00 59 60 50 40 30 20 10
2014 01 01 13 42 99 99 99 99 99 99
2014 01 01 23 10 61 0 0 21 0 0
2014 01 02 02 40 62 0 0 22 0 0
2014 01 03 05 00 63 0 0 23 0 0
2014 01 04 00 30 nan 0 0 24 0 0
"""


def test_the_issue_closest_to_midnight_is_for_the_day(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text(LINES)
    found = daily_percents.read(path, name="one")
    assert found.times.astype("datetime64[D]").astype(str).tolist() == ["2014-01-01", "2014-01-02"]
    assert found.probability.tolist() == [0.6, 0.61]
    strong = daily_percents.read(path, "X1.0")
    assert strong.probability.tolist() == [0.3, 0.21, 0.24]
    path.write_text("2015 07 10 2358 30 5\n")  # hours and minutes in one word
    assert daily_percents.read(path).times.astype(str).tolist() == ["2015-07-11T00:00:00"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2014 01 01 00 00 60 50 40", "line 2: .* is no line of such a table"),
        ("2014 01 01 00 00 60 50 40 30 20 x", "line 2: a percentage is no number"),
        ("2014 01 01 00 00 60 50 40 30 20 101", "line 2: 101 is no percentage"),
        ("2014 01 41 00 00 60 50 40 30 20 10", "line 2"),
        ("2014 01", "line 2: .* is no line of such a table"),
    ],
)
def test_lines_that_are_none_are_named(tmp_path, line, message):
    path = tmp_path / "table.txt"
    path.write_text(f"{LINES.splitlines()[0]}\n{line}\n")
    with pytest.raises(UserError, match=message):
        daily_percents.read(path)


def test_tables_without_what_is_asked_for_are_refused(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("2014 01 01 13 42 60 20\n")
    with pytest.raises(UserError, match="no issue within 3 hours of midnight"):
        daily_percents.read(path)
    with pytest.raises(UserError, match=r"not of C1\.0"):
        daily_percents.read(path, "C1.0")


def test_forecasts_of_swpc_as_issued(shared):
    """923 days, 191 of them with a flare: Brier skill and ROC area as this project has stated them since it first read them."""
    events = flare_catalogue.read([shared / "flare_lists" / "goes_flares_c1_1986_201905.csv.gz"]).events
    found = daily_percents.read(shared / "forecasts" / "moswoc_2014_2016" / "SWPC_fcast.txt", name="SWPC")
    found, _ = forecast_files.labelled(found, events)
    assert (len(found), found.event.sum()) == (923, 191)
    assert numpy.unique(numpy.diff(found.times)).astype(int).min() == 86_400
    assert skill_scores.brier_skill_score(found.probability, found.event) == pytest.approx(0.17, abs=0.005)
    assert skill_scores.roc_area(found.probability, found.event) == pytest.approx(0.81, abs=0.005)
