"""Scores of a log: what is closed, who is compared with whom, and what all-clears were worth."""

import dataclasses

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue
from network_models.forecasts.exchange import ccmc_json, formats
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from network_models.forecasts.files import Forecasts
from science.operational_forecast import record, region_scores, verify
from science.verification import report
from tools import skill_scores
from tools.errors import UserError

FIRST = numpy.datetime64("2014-01-01T00:00:00")
DAY = numpy.timedelta64(86400, "s")


@pytest.fixture(scope="module")
def events():
    """An M flare at noon of every fourth day, and a C flare each day."""
    rows = []
    for day in range(60):
        start = FIRST + day * DAY + numpy.timedelta64(12, "h")
        rows.append((start, start, start + 600, "M1.5" if day % 4 == 1 else "C2.0", 1.5e-5 if day % 4 == 1 else 2e-6))
    return pandas.DataFrame(rows, columns=["start", "peak", "end", "goes_class", "flux"])


def records_of(probability, times, *, mode="replayed", clear=None, hours=24):
    """Records of M1.0 forecasts."""
    result = []
    for number, (value, time) in enumerate(zip(probability, times, strict=True)):
        chances = {"M1.0": Probability(float(value))}
        forecast = Issued("test", time, *record.window_of(time, hours), chances, (), mode)
        stated = None if clear is None else record.AllClear("M1.0", 0.05, 0.9, bool(clear[number]))
        result.append(
            record.Record(
                number + 1, record.NO_LINE, "forecast", "2014-04-01T00:00:00Z", forecast, ("history",), all_clear=stated
            )
        )
    return result


@pytest.fixture(scope="module")
def times():
    """Midnights of seventy days, of which the flare list covers sixty."""
    return FIRST + numpy.arange(70) * DAY


def flaring(times):
    """Days with an M flare."""
    return (times - FIRST) // DAY % 4 == 1


def test_open_windows_wait(events, times):
    closed = verify.closed_of(records_of(numpy.full(70, 0.3), times), events)
    assert closed.times[0] == FIRST + DAY  # the list begins at noon
    assert len(closed.records) == 58
    assert closed.open == 12
    later = verify.closed_of(records_of(numpy.full(70, 0.3), times), events, until=FIRST + 65 * DAY)
    assert len(later.records) == 64


def test_nothing_closed_says_what_to_do(events, times):
    with pytest.raises(UserError, match=r"cover none of the 70 windows.*flares_until"):
        verify.closed_of(records_of(numpy.full(70, 0.3), times + 365 * DAY), events)
    with pytest.raises(UserError, match=r"no forecast is on time; give other --modes"):
        verify.closed_of(records_of(numpy.full(70, 0.3), times), events, modes=["on time"])
    both = records_of([0.3], times[:1]) + records_of([0.3], times[1:2], hours=12)
    with pytest.raises(UserError, match="windows of 2 lengths"):
        verify.closed_of(both, events)


def test_scores_are_those_of_the_outcomes(events, times):
    generator = numpy.random.default_rng(0)
    probability = numpy.clip(0.6 * flaring(times) + 0.3 * generator.random(70), 0.01, 0.99)
    closed = verify.closed_of(records_of(probability, times), events)
    settings = report.Settings(samples=0)
    other = Forecasts("other", times[10:30], numpy.full(20, 0.25), None, numpy.zeros(20, int))
    reports = verify.verify(closed, events, "M1.0", settings, rivals=[other], match=numpy.timedelta64(0, "s"))
    ours = reports[verify.ALL].scored[verify.OURS].value
    used = reports[verify.ALL].forecasts[verify.OURS]
    place = numpy.searchsorted(times, used.times)
    assert used.event.tolist() == flaring(times)[place].tolist()
    assert ours["brier"] == pytest.approx(skill_scores.brier_score(probability[place], flaring(times)[place]))
    assert ours["auc"] == 1.0
    beside = reports["beside other"]
    assert set(beside.forecasts) == {"forecast", "other"}
    assert beside.scored["other"].value["brier_skill"] == pytest.approx(0.0, abs=0.02)
    assert len(beside.forecasts["other"]) == 20
    rows = verify.rows_of("M1.0", reports, 0.95)
    assert {row["hours"] for row in rows} == {verify.ALL, "beside other"}
    with pytest.raises(UserError, match=r"the log has no forecasts of X1.0"):
        verify.verify(closed, events, "X1.0", settings, match=numpy.timedelta64(0, "s"))


def test_others_get_our_last_forecast_before_their_window(times):
    hours = numpy.arange(FIRST, FIRST + 3 * DAY, numpy.timedelta64(3600, "s"))
    ours = Forecasts("forecast", hours, numpy.linspace(0, 1, len(hours)), None, numpy.zeros(len(hours), int))
    theirs = numpy.array([FIRST + DAY + numpy.timedelta64(40, "m"), FIRST + 5 * DAY])
    other = Forecasts("other", theirs, numpy.array([0.2, 0.3]), None, numpy.zeros(2, int))
    mine, also = verify.beside(ours, other, numpy.timedelta64(60, "m"))
    assert mine.times.tolist() == theirs[:1].tolist() == also.times.tolist()
    assert mine.probability[0] == ours.probability[24]
    with pytest.raises(UserError, match=r"other: none of its 2 windows begins up to 30 minutes"):
        verify.beside(ours, other, numpy.timedelta64(30, "m"))


def test_all_clears_are_counted(events, times):
    clear = ~flaring(times)
    clear[5] = True  # a day with a flare
    closed = verify.closed_of(records_of(numpy.full(70, 0.3), times, clear=clear), events)
    assert verify.all_clears(closed, events) == {
        "event": "M1.0",
        "forecasts": 58,
        "all_clear": 44,
        "missed": 1,
        "quiet": 43,
        "quiet_and_clear": 43,
    }
    assert verify.all_clears(verify.closed_of(records_of(numpy.full(70, 0.3), times), events), events) is None


def test_months_are_scored_by_themselves(times):
    event = flaring(times)
    sure = Forecasts("forecast", times, event.astype(float), event, numpy.zeros(70, int))
    rate = dataclasses.replace(sure, name="climatology", probability=numpy.full(70, 0.25))
    rows = verify.months(sure, rate)
    assert [row["month"] for row in rows] == ["2014-01", "2014-02", "2014-03"]
    assert [row["events"] for row in rows] == [8, 7, 3]
    assert [row["brier_skill"] for row in rows] == [1.0, 1.0, 1.0]
    assert numpy.isnan(verify.months(sure.where(slice(0, 3)), rate.where(slice(0, 3)))[0]["brier_skill"])


def test_command_writes_tables_and_pictures(events, times, tmp_path, capsys):
    flares = tmp_path / "flares.csv"
    named = events.rename(columns={"start": "start_time", "peak": "peak_time", "end": "end_time"})
    named.drop(columns="flux").to_csv(flares, index=False)
    log = tmp_path / "log.jsonl"
    previous, lines = record.NO_LINE, []
    for one in records_of(numpy.where(flaring(times), 0.7, 0.1), times, clear=~flaring(times)):
        lines.append(record.to_line(dataclasses.replace(one, previous=previous)))
        previous = record.digest_of(lines[-1])
    log.write_bytes(b"".join(lines))
    out = tmp_path / "scores"
    verify.main([str(log), "--flares", str(flares), "--out", str(out), "--events", "M1.0", "X1.0", "--samples", "20"])
    text = capsys.readouterr()
    assert "58 closed forecasts (58 replayed), 12 whose windows are open" in text.out
    assert "all-clears of M1.0: 43 of 58, 0 of them missed a flare" in text.out
    assert "X1.0: not scored" in text.err
    names = {"scores.csv", "months.csv", "all_clear.csv", "verification_M1.0.json", "reliability_M1.0.png"}
    assert {file.name for file in out.iterdir()} == names | {"brier_skill_by_month.png"}
    table = pandas.read_csv(out / "scores.csv")
    ours = table[(table["name"] == "forecast") & (table["hours"] == verify.ALL)].iloc[0]
    assert ours["brier_skill"] > 0.5
    assert ours["brier_skill_low"] <= ours["brier_skill"] <= ours["brier_skill_high"]
    # What an earlier run wrote of other classes and regions is not shown beside the new table; others' files stay.
    for name in ("reliability_C1.0.png", "verification_C1.0.json", "regions.csv", "reliability_of_mine.png"):
        (out / name).write_text("earlier")
    command = [str(log), "--flares", str(flares), "--out", str(out), "--samples", "20", "--events"]
    with pytest.raises(UserError, match="no class can be scored"):
        verify.main([*command, "X1.0"])
    assert (out / "regions.csv").exists()
    verify.main([*command, "M1.0"])
    assert {file.name for file in out.iterdir()} == names | {"brier_skill_by_month.png", "reliability_of_mine.png"}


def test_regions_are_scored_by_method(events):
    flares = events.assign(noaa_region=[12000 + day % 2 for day in range(60)])
    forecasts = []
    for day in range(1, 50):
        begin = FIRST + day * DAY
        for method, sure in (("sharp", 0.9), ("blunt", 0.4)):
            strong = sure if day % 4 == 1 else 1 - sure
            regions = (
                RegionForecast(12001, {"M1.0": Probability(strong)}),  # that of odd days, the M flares among them
                RegionForecast(12000, {"M1.0": Probability(0.01)}),
                RegionForecast(12001, {"M1.0": Probability(0.5)}, "HARP"),
            )
            forecasts.append(Issued(method, begin, begin, begin + DAY, {}, regions))
    methods = region_scores.by_method(forecasts)
    assert set(methods) == {"sharp", "blunt"}
    settings = report.Settings(samples=50)
    table = region_scores.table(methods, flares, ["M1.0", "X1.0"], settings=settings)
    rows = {row["name"]: row for row in table}
    assert [row["event"] for row in table] == ["M1.0", "M1.0"]  # nobody forecast X1.0
    assert rows["sharp"]["count"] == 2 * 49
    assert rows["sharp"]["events"] == 13
    assert rows["sharp"]["auc"] == 1.0
    assert rows["sharp"]["brier_skill"] > rows["blunt"]["brier_skill"]
    assert rows["sharp"]["brier_skill_low"] <= rows["sharp"]["brier_skill"] <= rows["sharp"]["brier_skill_high"]
    assert region_scores.rows(methods["sharp"], flares, "X1.0", settings=settings) is None


def test_genuine_region_forecasts_need_flares_of_their_time(shared):
    issued = formats.read(shared / "forecasts" / "ccmc_scoreboard_regions_2023.csv.gz")
    methods = region_scores.by_method(issued)
    assert {name: sum(len(one.regions) for one in part) for name, part in methods.items()}["NOAA_1"] == 609
    events = flare_catalogue.read([shared / "flares_2026.csv"]).events.assign(noaa_region=numpy.nan)
    assert region_scores.rows(methods["NOAA_1"], events, "M1.0", settings=report.Settings()) is None


def test_regions_count_as_the_disk_does(events):
    flares = events.assign(noaa_region=12001, start=events["start"].where(events["flux"] < 1e-5, FIRST + 9 * DAY))
    begin = FIRST + 8 * DAY  # an M flare at the very end of its window

    def of(issued, chance, mode="on time"):
        return Issued("one", issued, begin, begin + DAY, {}, (RegionForecast(12001, {"M1.0": Probability(chance)}),), mode)

    settings = report.Settings(samples=0)
    row = region_scores.rows([of(begin, 0.5)], flares, "M1.0", settings=settings)
    assert (row["count"], row["events"]) == (1, 0)
    hours = numpy.timedelta64(1, "h")
    for one in (of(begin + 2 * hours, 0.9), of(begin + 30 * hours, 0.9), of(begin - 24 * hours, 0.9), of(begin, 0.9, "late")):
        assert region_scores.rows([one], flares, "M1.0", settings=settings) is None
    late = region_scores.rows([of(begin, 0.9, "late")], flares, "M1.0", settings=settings, late=True)
    assert late["count"] == 1


def test_lists_without_weak_flares_do_not_tell_of_them(events, times, capsys):
    strong = events[events["flux"] >= 1e-5].assign(noaa_region=12001)
    weak = Forecasts("one", times, numpy.full(70, 0.5), None, numpy.zeros(70, int))
    with pytest.raises(UserError, match=r"one: the flare lists hold no flare below M1\.0"):
        report.verify([weak], strong, report.Settings(event="C1.0", samples=0))
    issued = [Issued("one", t, t, t + DAY, {}, (RegionForecast(12001, {"C1.0": Probability(0.5)}),)) for t in times[2:40]]
    assert region_scores.table({"one": issued}, strong, ["C1.0"], settings=report.Settings(samples=0)) == []
    assert "C1.0: not scored: the flare lists hold no flare below M1.0" in capsys.readouterr().err


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Files of forecasts of a region for sixteen days, each sure of its M flares on every fourth day, and a list of these."""
    folder = tmp_path_factory.mktemp("sent")
    flares = ["start_time,goes_class,noaa_active_region"]
    for day in range(18):
        begin = FIRST + day * DAY
        flares.append(f"{begin + numpy.timedelta64(12, 'h')},{'M1.5' if day % 4 == 1 else 'C2.0'},12001")
        if 1 <= day < 17:
            region = RegionForecast(12001, {"M1.0": Probability(0.9 if day % 4 == 1 else 0.1)})
            content = ccmc_json.write(Issued("sure", begin, begin, begin + DAY, {}, (region,)))
            (folder / f"{day:02d}.json").write_bytes(content)
    (folder / "flares.csv").write_text("\n".join(flares) + "\n")
    return folder


def test_files_of_regions_are_scored_without_a_log(sent, tmp_path, capsys):
    scoring = [
        *map(str, sorted(sent.glob("*.json"))),
        "--flares",
        str(sent / "flares.csv"),
        "--events",
        "M1.0",
        "--samples",
        "20",
    ]
    region_scores.main([*scoring, "--out", str(tmp_path / "all")])
    assert "Brier skill" in capsys.readouterr().out
    [row] = pandas.read_csv(tmp_path / "all" / "regions.csv").to_dict("records")
    assert (row["name"], row["event"], row["count"], row["events"]) == ("sure", "M1.0", 16, 4)
    assert (row["auc"], row["best_tss"]) == (1.0, 1.0)
    assert row["brier_skill"] == pytest.approx(1 - 0.01 / (0.25 * 0.75))
    gaps = tmp_path / "gaps.csv"
    gaps.write_text("begin,end\n2014-01-02T12:00,2014-01-02T18:00\n2014-01-05,2014-01-07\n")
    region_scores.main([*scoring, "--gaps", str(gaps), "--out", str(tmp_path / "some")])
    [row] = pandas.read_csv(tmp_path / "some" / "regions.csv").to_dict("records")
    assert (row["count"], row["events"]) == (13, 2)  # without 2 (M1.5), 5 and 6 (M1.5) January; windows may touch a gap's ends


@pytest.mark.parametrize(
    ("gaps", "reason"),
    [
        ("begin,end\n2014-01-03,2014-01-02\n", "line 2: the gap ends before it begins"),
        ("begin,end\n2014-01-03,monday\n", "monday"),
        ("from,until\n2014-01-03,2014-01-04\n", "the column begin is not there"),
        ("begin,end\n2014-01-01,2014-02-01\n", "no region whose window the flare lists cover"),
    ],
)
def test_gaps_that_are_none_and_gaps_that_leave_nothing(sent, tmp_path, gaps, reason):
    (tmp_path / "gaps.csv").write_text(gaps)
    scoring = [str(sent / "01.json"), "--flares", str(sent / "flares.csv"), "--gaps", str(tmp_path / "gaps.csv")]
    with pytest.raises(UserError, match=reason):
        region_scores.main([*scoring, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_lists_without_regions_are_refused(sent, tmp_path):
    (tmp_path / "flares.csv").write_text("start_time,goes_class\n2014-01-01T12:00,M1.0\n2014-02-01T12:00,M1.0\n")
    with pytest.raises(UserError, match="names the region of no flare"):
        region_scores.main([str(sent / "01.json"), "--flares", str(tmp_path / "flares.csv"), "--out", str(tmp_path / "out")])
