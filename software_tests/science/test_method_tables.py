"""Published tables of several methods beside forecasts of ours, each on its own days."""

import numpy
import pandas
import pytest

from network_models.forecasts import files as forecast_files
from science.verification import method_tables, report
from tools import skill_scores
from tools.errors import UserError
from tools.paths import PROJECT

SCRIPT = PROJECT / "science" / "verification" / "verification.py"
SETTINGS = report.Settings(samples=50)


@pytest.fixture
def files(tmp_path):
    """A hundred days: a sharp method, one of half the days, one that never forecasts; ours as the sharp one."""
    random = numpy.random.default_rng(0)
    days = numpy.arange("2016-01-01", "2016-04-10", dtype="datetime64[D]")
    event = random.random(len(days)) < 0.3
    sharp = numpy.clip(0.8 * event + 0.1 + 0.1 * random.random(len(days)), 0, 1)
    half = numpy.where(numpy.arange(len(days)) % 2, numpy.nan, 0.3)
    table = {"VALID_DATE": days.astype(str), "SHARP": sharp, "HALF": half, "NEVER": -1.0, "rlz.M1": event.astype(int)}
    pandas.DataFrame(table).to_csv(tmp_path / "methods.csv", index=False)
    times = [f"{day}T00:30:00Z" for day in days]
    pandas.DataFrame({"time": times, "probability": sharp}).to_csv(tmp_path / "ours.csv", index=False)
    return tmp_path, event, sharp


def test_methods_are_read_on_the_days_that_they_forecast(files):
    folder, event, sharp = files
    first, second = method_tables.read(folder / "methods.csv")
    assert (first.name, second.name) == ("SHARP", "HALF")
    assert (len(first), len(second)) == (100, 50)
    numpy.testing.assert_array_equal(first.event, event)
    numpy.testing.assert_allclose(first.probability, sharp)
    assert method_tables.is_table(folder / "methods.csv")
    assert not method_tables.is_table(folder / "ours.csv")


def test_the_same_forecast_has_no_difference(files, command):
    folder, event, sharp = files
    ended = command(SCRIPT, folder / "methods.csv", f"ours={folder / 'ours.csv'}", "--samples", 50, "--out", folder / "out")
    assert ended.code == 0, ended.err
    table = pandas.read_csv(folder / "out" / "methods.csv")
    same = table[(table["on_the_days_of"] == "SHARP") & (table["forecast"] == "ours")].iloc[0]
    assert same[["brier_skill_more", "brier_skill_more_low", "auc_more_high"]].tolist() == [0, 0, 0]
    assert same["brier_skill"] == pytest.approx(skill_scores.brier_skill_score(sharp, event))
    half = table[table["on_the_days_of"] == "HALF"]
    assert half["days"].tolist() == [50, 50]
    assert half["brier_skill_more"].iloc[1] > 0
    assert (folder / "out" / "methods.png").is_file()
    assert "SHARP        100" in ended.out


def test_published_methods_have_the_scores_that_were_stated(shared):
    methods = {one.name: one for one in method_tables.read(shared / "forecasts" / "leka_2016_2017" / "M1_forecasts.csv")}
    assert len(methods) == 18
    for name, skill, area in (("NICT", 0.44, 0.82), ("NOAA", 0.33, 0.89), ("MOSWOC", 0.19, 0.89), ("AMOS", 0.09, 0.83)):
        one = methods[name]
        assert skill_scores.brier_skill_score(one.probability, one.event) == pytest.approx(skill, abs=0.005)
        assert skill_scores.roc_area(one.probability, one.event) == pytest.approx(area, abs=0.005)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(SHARP=1.5), "column SHARP: 1.5 is no probability"),
        (lambda table: table.assign(**{"rlz.M1": 2}), "column rlz.M1 holds something else than 0 and 1"),
        (lambda table: table.assign(rlz=1), "needs one column rlz of the outcome"),
        (lambda table: table.drop(columns=["SHARP", "HALF"]), "no method has a forecast"),
        (lambda table: pandas.concat([table, table]), "VALID_DATE"),
    ],
)
def test_tables_that_are_wrong_are_refused(files, command, change, message):
    folder, *_ = files
    change(pandas.read_csv(folder / "methods.csv")).to_csv(folder / "wrong.csv", index=False)
    ended = command(SCRIPT, folder / "wrong.csv", folder / "ours.csv", "--out", folder / "out")
    assert ended.code == 2
    assert message in ended.err
    assert not (folder / "out").exists()


def test_forecasts_that_cannot_be_compared_are_refused(files, command):
    folder, *_ = files
    ours = pandas.read_csv(folder / "ours.csv")
    twice = pandas.concat([ours, ours.assign(time=ours["time"].str.replace("00:30", "12:30"))]).sort_values("time")
    twice.to_csv(folder / "twice.csv", index=False)
    later = ours.assign(time=ours["time"].str.replace("2016", "2012"))
    later.to_csv(folder / "later.csv", index=False)
    late = ours.assign(time=ours["time"].str.replace("04-09T00:30", "04-09T12:30"))  # hours of that day are known by then
    late.to_csv(folder / "late.csv", index=False)
    messages = {
        "twice": "has several forecasts for a day",
        "later": "no day of the table is forecast",
        "late": "late: issued up to 12:30 of the day that is scored; give forecasts issued by 01:00",
    }
    for name, message in messages.items():
        with pytest.raises(UserError, match=message):
            forecasts = [forecast_files.read(folder / f"{name}.csv", target=False)]
            method_tables.compare(method_tables.read(folder / "methods.csv"), forecasts, SETTINGS)
    ended = command(SCRIPT, folder / "methods.csv", "--out", folder / "out")
    assert "is a table of methods; give one such table, and forecasts to compare with it" in ended.err
