"""Hits and false alarms of a table of forecasts, as a list to explain."""

import pytest

from science import instance_tables
from tools.errors import UserError

ROWS = "time,prediction,true_delta,true_value,prior_value\n" + "".join(
    f"2014-01-0{day}T00:00:00Z,{prediction},0,{true},0\n"
    for day, prediction, true in ((1, 0.9, 1), (2, 0.8, 0), (3, 0.7, 1), (4, 0.95, 0), (5, 0.2, 1), (6, 0.1, 0), (7, 0.05, 0))
)


def test_the_surest_hits_and_false_alarms_come_first(tmp_path):
    path = tmp_path / "forecasts.csv"
    path.write_text(ROWS)
    chosen = instance_tables.surest(path, hits=2, false_alarms=1)
    assert chosen.to_dict("list") == {
        "time": ["2014-01-01T00:00:00Z", "2014-01-03T00:00:00Z", "2014-01-04T00:00:00Z"],
        "probability": [0.9, 0.7, 0.95],
        "outcome": ["TP", "TP", "FP"],
    }
    assert len(instance_tables.surest(path, hits=9, false_alarms=9)) == 4
    assert len(instance_tables.surest(path, hits=9, false_alarms=9, threshold="median")) == 4
    with pytest.raises(UserError, match=r"no forecast of 0\.99 or more"):
        instance_tables.surest(path, hits=1, false_alarms=1, threshold=0.99)


def test_the_choice_of_a_simulation_is_marked(tmp_path):
    path = tmp_path / "forecasts.csv"
    path.write_text("time,prediction,true_value,simulated\n2014-01-01T00:00:00Z,0.9,1,1\n")
    assert instance_tables.surest(path, hits=1, false_alarms=1)["simulated"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,flare_prob\n2014-01-01 00:00,0.3\n", "no column true_value"),
        ("time,true_value\n2014-01-01 00:00,1\n", "no column probability, flare_prob, prediction"),
        ("prediction,true_value\n0.3,1\n", "no column label, timestamp, time, timestep, file"),
        ("time,prediction,true_value\n2014-01-01 00:00,1.5,1\n", "1.5 is no probability"),
    ],
)
def test_tables_without_times_probabilities_or_outcomes(text, message, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        instance_tables.surest(path, hits=1, false_alarms=1)
