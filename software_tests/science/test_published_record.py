"""The record of published forecasts: what it scores on which hours, what it quotes, and what it refuses."""

import dataclasses
import re

import numpy
import pandas
import pytest
import yaml

from science.verification import published_record, published_sources, report
from tools import skill_scores
from tools.errors import UserError
from tools.paths import PROJECT

SCRIPT = PROJECT / "science" / "verification" / "published_record.py"
PAGE = PROJECT / "docs" / "how_good.md"
DAYS = numpy.arange("2016-01-01", "2016-08-01", dtype="datetime64[D]")


def flaring():
    """Activity that lasts for weeks: a day's probability, and whether it flared, from four months before `DAYS` on."""
    days = numpy.arange("2015-09-01", DAYS[-1] + 3, dtype="datetime64[D]")
    random = numpy.random.default_rng(0)
    chance = numpy.repeat(random.beta(0.5, 1.2, len(days) // 10 + 1), 10)[: len(days)]
    return days, chance, random.random(len(days)) < chance


@pytest.fixture
def folder(tmp_path):
    """A flare list, two methods of which one knows half the days, percents, a forecast of ours, and their YAML."""
    days, chance, event = flaring()
    rows = [
        f"{day}T12:00:00,{day}T12:10:00,{day}T12:20:00,{'M2.0' if one else 'C2.0'}"
        for day, one in zip(days, event, strict=True)
    ]
    (tmp_path / "flares.csv").write_text("\n".join(["start_time,peak_time,end_time,goes_class", *rows]))
    mine = (days >= DAYS[0]) & (days <= DAYS[-1])
    chance, event = chance[mine], event[mine]
    half = numpy.where(numpy.arange(len(DAYS)) % 2, numpy.nan, chance)
    table = {"VALID_DATE": DAYS.astype(str), "SHARP": chance, "HALF": half, "rlz.M1": event.astype(int)}
    pandas.DataFrame(table).to_csv(tmp_path / "methods.csv", index=False)
    lines = [f"{str(day).replace('-', ' ')} 00 30 {round(100 * one)} 1" for day, one in zip(DAYS, chance, strict=True)]
    (tmp_path / "percents.txt").write_text("\n".join(lines) + "\n")
    ours = {"time": [f"{day}T00:30:00Z" for day in DAYS], "probability": chance, "target": event.astype(int)}
    pandas.DataFrame(ours).to_csv(tmp_path / "ours.csv", index=False)
    write(tmp_path)
    return tmp_path


def write(folder, **changes):
    period = {
        "title": "2016",
        "flares": ["flares.csv"],
        "split_at": ["2016-04-15"],
        "calibration": "platt",
        "daily": True,
        "forecasts": [
            {"kind": "methods", "files": ["methods.csv"]},
            {"kind": "percents", "name": "percents", "files": ["percents.txt"]},
            {"kind": "forecasts", "name": "mine", "ours": True, "files": ["ours.csv"]},
            {"kind": "quoted", "name": "theirs", "n": 7, "brier_skill": [0.3, 0.06, 0.49], "page": "README.md"},
        ],
    }
    period = {name: value for name, value in (period | changes).items() if value is not None}
    (folder / "sources.yml").write_text(yaml.safe_dump({"periods": [period]}))


def test_every_forecast_is_scored_on_its_own_days_beside_baselines_on_the_same(folder):
    record = published_record.score(published_sources.read(folder / "sources.yml"), report.Settings(samples=20))
    table, differences = record.table, record.differences
    plain = table[table["calibrated"] == "no"].set_index("forecast")
    methods = pandas.read_csv(folder / "methods.csv")
    for name in ("SHARP", "HALF"):
        known = methods[name].notna()
        probability, event = methods[name][known].to_numpy(), methods["rlz.M1"][known].to_numpy() > 0
        row = plain.loc[name]
        assert (row["n"], row["events"]) == (len(event), event.sum())
        assert row["brier_skill"] == pytest.approx(skill_scores.brier_skill_score(probability, event), abs=1e-6)
        assert row["auc"] == pytest.approx(skill_scores.roc_area(probability, event), abs=1e-6)
        assert row["brier_skill_low"] < row["brier_skill"] < row["brier_skill_high"]
        beside = table[(table["hours"] == row["hours"]) & (table["role"] == "baseline")]
        assert beside["forecast"].tolist() == ["climatology", "class table", "persistence"]
        assert set(beside["n"]) == {len(event)}
    assert plain.loc["mine", "role"] == "ours"
    assert plain.loc["mine", "brier_skill"] == plain.loc["SHARP", "brier_skill"]
    pair = differences[(differences["forecast"] == "SHARP") & (differences["other"] == "mine")]
    assert (pair[["difference", "low", "high"]].to_numpy() == 0).all()
    assert len(pair) == 3


@pytest.mark.long
def test_what_the_command_writes(folder, command):
    ended = command(SCRIPT, folder / "sources.yml", "--out", folder / "out", "--samples", 20)
    assert ended.code == 0, ended.err
    assert "theirs" in ended.out
    assert (folder / "out" / "record.png").is_file()
    text = (folder / "out" / "record.md").read_text()
    assert "| theirs, quoted from [this page](README.md) | 7 |  | 0.30 [0.06, 0.49] |" in text
    assert "| methods.csv | " in text
    tables = [pandas.read_csv(folder / "out" / name) for name in ("record.csv", "differences.csv")]
    assert "\n".join(published_record.markdown(*tables)) in text


def test_a_calibration_does_not_see_the_days_that_it_is_scored_on(folder):
    settings = report.Settings(samples=0)
    (period,) = published_sources.read(folder / "sources.yml")
    before = published_record.score([period], settings).table
    methods = pandas.read_csv(folder / "methods.csv")
    late = methods["VALID_DATE"] > "2016-04-16"
    overstated = methods.assign(SHARP=methods["SHARP"].where(late, methods["SHARP"] ** 0.3))
    overstated.to_csv(folder / "methods.csv", index=False)
    after = published_record.score([period], settings).table
    rows = [table[(table["forecast"] == "SHARP")].set_index("calibrated")["brier_skill"] for table in (before, after)]
    assert rows[1]["no"] < rows[0]["no"]
    assert rows[1]["yes"] < rows[0]["yes"]  # the second half is calibrated by a first half that now says too much


def test_what_cannot_be_calibrated_is_said(folder):
    methods = pandas.read_csv(folder / "methods.csv")
    methods.assign(SHARP=1 - methods["SHARP"]).to_csv(folder / "methods.csv", index=False)
    record = published_record.score(published_sources.read(folder / "sources.yml"), report.Settings(samples=0))
    assert any("SHARP is not calibrated (calibration: hours with higher forecasts" in note for note in record.notes)
    (line,) = [line for line in published_record.markdown(record.table, record.differences) if line.startswith("| SHARP ")]
    assert line.split("|")[5].strip() == ""


def test_what_was_fitted_by_folds_already_is_not_calibrated_again(folder):
    source = {"kind": "forecasts", "name": "mine", "files": ["ours.csv"], "calibrate": False}
    write(folder, forecasts=[source])
    table = published_record.score(published_sources.read(folder / "sources.yml"), report.Settings(samples=0)).table
    assert table[table["forecast"] == "mine"]["calibrated"].tolist() == ["no"]


def test_another_column_is_of_another_event_whose_outcomes_the_lists_have(folder):
    ours = pandas.read_csv(folder / "ours.csv")
    others = ours.assign(**{"probability_C1.0": 0.75 + ours["probability"] / 5})
    others.to_csv(folder / "ours.csv", index=False)
    lines = (folder / "flares.csv").read_text().splitlines()
    dropped = [line for line in lines if "C2.0" not in line or int(line[8:10]) % 3]  # now some days have no flare at all
    (folder / "flares.csv").write_text("\n".join(dropped))
    write(
        folder,
        event="C1.0",
        forecasts=[{"kind": "forecasts", "name": "a", "files": ["ours.csv"], "column": "probability_C1.0"}],
    )
    (period,) = published_sources.read(folder / "sources.yml")
    events, _ = published_sources.flares_of(period)
    (found,), _ = published_sources.forecasts_of(period, period.sources[0], events)
    numpy.testing.assert_allclose(found.probability, others["probability_C1.0"])
    kept = {line[:10] for line in dropped[1:]}
    assert found.event.tolist() == [str(day) in kept for day in DAYS]
    assert 0 < (found.event != ours["target"].to_numpy(bool)).mean() < 1
    source = dataclasses.replace(period.sources[0], kind="methods", name="", files=(folder / "methods.csv",), column=None)
    read_in, _ = published_sources.forecasts_of(period, source, events)
    published = max(read_in, key=len)  # whose outcomes come before those of the lists
    (found,), _ = published_sources.forecasts_of(period, period.sources[0], events, published)
    assert found.event.tolist() == published.event.tolist()


def test_outcomes_that_the_lists_would_decide_otherwise_are_counted(folder):
    methods = pandas.read_csv(folder / "methods.csv")
    methods.loc[3, "rlz.M1"] ^= 1
    methods.to_csv(folder / "methods.csv", index=False)
    write(folder, forecasts=[{"kind": "methods", "files": ["methods.csv"]}])
    record = published_record.score(published_sources.read(folder / "sources.yml"), report.Settings(samples=0))
    assert f"2016: the flare lists would decide 1 of {len(DAYS)} outcomes otherwise (SHARP)" in record.notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flares": None}, r"sources\.yml: period 1: flares is missing"),
        ({"event": "Q1"}, "Q1"),
        ({"colour": "red"}, r"period 1: unknown entry 'colour'; known are title"),
        ({"daily": "yes"}, "daily is 'yes', of another type"),
        ({"window_hours": 0}, "window_hours is 0; give hours"),
        ({"split_at": ["2016-04-15", "2016-03-15"]}, "the times of split_at do not increase"),
        ({"split_at": None}, "SHARP has one fold; give a time amid it with split_at"),
        ({"split_at": ["2016-33-01"]}, "split_at"),
        ({"calibration": "none"}, "calibration is 'none'; give isotonic, platt, temperature"),
        ({"fitted_before": "2010-01-01"}, "the flare lists hold no flare of the time that is needed"),
        ({"forecasts": [{"kind": "guess"}]}, "forecasts 1: kind is 'guess'; give forecasts, methods"),
        ({"forecasts": [{"kind": "forecasts", "name": "a", "files": ["gone.csv"]}]}, r"gone\.csv: no such file"),
        ({"forecasts": [{"kind": "forecasts", "files": ["ours.csv"]}]}, "forecasts 1: name is missing"),
        ({"forecasts": [{"kind": "methods", "files": ["methods.csv", "ours.csv"]}]}, "several files of kind methods"),
        (
            {"forecasts": [{"kind": "forecasts", "name": "a", "files": ["ours.csv"], "column": "p"}]},
            r"ours\.csv: no column of the probability \(p\); it has time, probability, target",
        ),
        ({"forecasts": [{"kind": "methods", "files": ["methods.csv"], "column": "p"}]}, "column is for kind forecasts"),
        (
            {"forecasts": [{"kind": "quoted", "name": "a", "n": 7, "page": "p", "auc": [1, 2]}]},
            r"auc is \[1, 2\]; give a number",
        ),
        ({"forecasts": 2 * [{"kind": "forecasts", "name": "a", "files": ["ours.csv"]}]}, "a is the name of another forecast"),
        ({"forecasts": [{"kind": "forecasts", "name": "persistence", "files": ["ours.csv"]}]}, "or baseline too"),
    ],
)
def test_sources_that_are_wrong_are_named(folder, changes, message):
    write(folder, **changes)
    with pytest.raises(UserError, match=message):
        published_record.score(published_sources.read(folder / "sources.yml"), report.Settings(samples=0))


def test_two_forecasts_of_a_day_are_refused(folder, command):
    ours = pandas.read_csv(folder / "ours.csv")
    again = ours.assign(time=ours["time"].str.replace("00:30", "12:30"))
    pandas.concat([ours, again]).sort_values("time").to_csv(folder / "ours.csv", index=False)
    ended = command(SCRIPT, folder / "sources.yml", "--out", folder / "out")
    assert ended.code == 2
    assert "mine: has several forecasts for a day" in ended.err
    assert not (folder / "out").exists()


def test_forecasts_issued_late_in_the_day_that_is_scored_are_refused(folder):
    ours = pandas.read_csv(folder / "ours.csv")
    ours.assign(time=ours["time"].str.replace("00:30", "23:30")).to_csv(folder / "ours.csv", index=False)
    with pytest.raises(UserError, match="mine: issued up to 23:30 of the day that is scored; give forecasts issued by 01:00"):
        published_record.score(published_sources.read(folder / "sources.yml"), report.Settings(samples=0))


def committed():
    """The numbers that the page is made of: table and differences."""
    return [pandas.read_csv(PAGE.with_name(name)) for name in ("how_good.csv", "how_good_differences.csv")]


def test_the_page_has_the_table_of_the_committed_numbers():
    assert "\n".join(published_record.markdown(*committed())) in PAGE.read_text(encoding="utf-8")


def test_every_interval_in_the_words_of_the_page_is_in_the_committed_numbers():
    table, differences = committed()
    kinds = ("tss", "brier_skill", "auc")
    known = [row for kind in kinds for row in table[[kind, f"{kind}_low", f"{kind}_high"]].to_numpy()]
    known = {
        tuple(f"{number:+.2f}" for number in row) for row in [*known, *differences[["difference", "low", "high"]].to_numpy()]
    }
    known |= {tuple(f"{-number:+.2f}" for number in row) for row in differences[["difference", "high", "low"]].to_numpy()}
    words = "\n".join(line for line in PAGE.read_text(encoding="utf-8").splitlines() if not line.startswith("|"))
    stated = re.findall(r"([+-]?\d\.\d\d)\s+\[([+-]?\d\.\d\d), ([+-]?\d\.\d\d)\]", words)
    assert len(stated) > 10
    assert {tuple(f"{float(number):+.2f}" for number in one) for one in stated} <= known


@pytest.mark.long
def test_the_committed_numbers_come_out_again(shared):
    """Operational methods of 2016 and 2017: every score of the committed table, from the files."""
    content = yaml.safe_load(PAGE.with_name("how_good.yml").read_text(encoding="utf-8"))
    (period,) = [one for one in content["periods"] if one["event"] == "M1.0" and "2016 and 2017" in one["title"]]
    methods = [one for one in period["forecasts"] if one["kind"] == "methods"]
    periods = published_sources.parse({"periods": [period | {"forecasts": methods}]}, shared, "how_good.yml")
    found = published_record.score(periods, report.Settings(samples=0)).table
    table, _ = committed()
    table = table[table["period"] == period["title"]].set_index(["forecast", "calibrated"])
    found = found[found["role"] != "baseline"].set_index(["forecast", "calibrated"])
    assert len(found) > 30
    for name in ("n", "events", "tss", "brier_skill", "auc"):
        numpy.testing.assert_allclose(found[name].to_numpy(float), table.loc[found.index, name].to_numpy(float), atol=2e-6)
