"""The page of a log: valid, whole or not there, and never what a line of the log would make of it."""

import dataclasses
import pathlib

import numpy
import pytest

from dataset_models import flare_catalogue
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from science.operational_forecast import chain, page, page_history, record
from tools import figures, modules
from tools.errors import UserError

SCRIPT = page.__file__
page_checker = modules.load(pathlib.Path(__file__).parents[1] / "page_checker.py")
BEGIN = numpy.datetime64("2026-02-01T00:30:00")
HOUR = numpy.timedelta64(1, "h")
HOSTILE = "<script>alert(1)</script>\"'><img src=http://a.b/c onerror=x>\u202e\0"


def forecast(time, probability=0.3, **changes):
    """A record with everything in it but its place in the log; `changes` are of the record or of what was issued."""
    low, high = 0.8 * probability, min(1.0, 1.2 * probability)
    probabilities = {
        "C1.0": Probability(0.8, 0.7, 0.9),
        "M1.0": Probability(probability, low, high),
        "X1.0": Probability(0.01),
    }
    region = RegionForecast(14274, {"M1.0": Probability(0.2, 0.1, 0.3)}, longitude=-3.5, latitude=12.0)
    issued = Issued("alexnet and regions", time, *record.window_of(time, 24), probabilities, (region,))
    of_issue = {name: value for name, value in changes.items() if name in Issued.__dataclass_fields__}
    parts = {
        "kind": "forecast",
        "logged": f"{time}Z",
        "forecast": dataclasses.replace(issued, **of_issue),
        "basis": ("image", "history"),
        "left_out": (("regions", "no summary of 2026-02-01"),),
        "all_clear": record.AllClear("M1.0", 0.05, 0.9, False),
        "members": (record.Member("alexnet", "image", (("best_performing.hdf5", "ab" * 32),), {"M1.0": 0.3}, 0.61),),
        "inputs": (record.Input("image", "/home/me/HMI.m2026.02.01.jpg", "cd" * 32, f"{time - HOUR}Z"),),
        "configuration": "ef" * 32,
        "software": "2.0",
        "map": "20260201T003000",
        "map_method": "rate map",
    }
    return parts | {name: value for name, value in changes.items() if name not in of_issue}


def write_log(path, *forecasts):
    """Write a log of what `forecast` returns, with a map beside it."""
    previous, lines = record.NO_LINE, []
    for number, parts in enumerate(forecasts, 1):
        lines.append(record.to_line(record.Record(number=number, previous=previous, **parts)))
        previous = record.digest_of(lines[-1])
    path.write_bytes(b"".join(lines))
    return path


def draw_map(folder, name="20260201T003000"):
    (folder / "maps").mkdir(exist_ok=True)
    figure, axes = figures.new(figsize=(2, 2))
    axes.imshow(numpy.eye(4))
    figures.save(figure, folder / "maps" / f"{name}.png")


@pytest.fixture
def log(tmp_path):
    """A log of ten days, a forecast every twelve hours, and the map of the last."""
    draw_map(tmp_path)
    times = [BEGIN + 12 * place * HOUR for place in range(20)]
    return write_log(tmp_path / "log.jsonl", *(forecast(time, 0.1 + 0.02 * place) for place, time in enumerate(times)))


@pytest.fixture
def flares(tmp_path):
    """A flare list that ends a day before the last window of `log` does."""
    path = tmp_path / "flares.csv"
    rows = ["2026-01-30 01:00:00,C1.0", "2026-02-03 04:00:00,X1.2", "2026-02-07 04:00:00,M2.5", "2026-02-10 13:00:00,C2.0"]
    path.write_text("\n".join(["start_time,goes_class", *rows]) + "\n")
    return path


def test_the_page_has_the_newest_forecast(log, flares, tmp_path, command):
    done = command(SCRIPT, log, "--out", tmp_path / "site", "--flares", flares, "--title", "Flares <today>")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{tmp_path / 'site' / 'index.html'}\n"
    found = page_checker.read(tmp_path / "site" / "index.html")
    assert found.faults == []
    assert found.images == ["forecast-map_20260201T003000.png"]
    assert "NOAA 14274 at N12 E04" in found.alternatives[0]
    words = found.words
    assert "Flares <today>" in words
    assert "Issued 2026-02-10 12:30 UTC for 2026-02-10 12:30 UTC to 2026-02-11 12:30 UTC" in words
    assert "M1.0 or more 48 % 38 % to 58 %" in words
    assert "X1.0 or more 1.0 % –" in words
    assert "No all-clear: that the probability of a flare of M1.0 or more is below 5.0 % cannot be said" in words
    assert "regions : no summary of 2026-02-01" in words
    assert "image HMI.m2026.02.01.jpg 2026-02-10 11:30 UTC 60 min" in words
    assert "/home/me" not in words
    assert "ab" * 32 in words
    assert record.digest_of(log.read_bytes().splitlines()[-1]) in words
    assert "None were computed for this page" in words
    assert "SIMULATED" not in words


def test_what_came_is_told_from_what_is_not_known(log, flares):
    records = chain.current(chain.read(log))
    found = page_history.gather(records, flare_catalogue.read(flares), numpy.datetime64("2026-02-11T01:00:00"))
    assert found.event == "M1.0"
    assert found.words[2:6] == ["none", "X1.2, 02-03 04:00", "X1.2, 02-03 04:00", "none"]
    assert found.words[17:] == [
        "none",
        "the list ends before; so far C2.0, 02-10 13:00",
        "window open; so far C2.0, 02-10 13:00",
    ]
    assert found.settled.tolist() == [True] * 18 + [False] * 2
    assert [goes_class for _, goes_class in found.flares] == ["X1.2", "M2.5"]
    assert found.last_of_each_day() == list(range(1, 20, 2))


def test_a_list_that_is_complete_for_longer_settles_more(log, flares):
    records = chain.current(chain.read(log))
    now = numpy.datetime64("2026-02-11T01:00:00")
    found = page_history.gather(records, flare_catalogue.read(flares), now, until=now)
    assert found.settled.tolist() == [True] * 19 + [False]
    assert found.words[18] == "C2.0, 02-10 13:00"


def test_without_a_list_nothing_is_settled(log):
    records = chain.current(chain.read(log))
    found = page_history.gather(records, None, numpy.datetime64("2026-03-01T00:00:00"))
    assert not found.settled.any()
    assert set(found.words) == {"not known"}


def test_a_window_that_closed_and_late_issue_are_said_first(tmp_path):
    log = write_log(tmp_path / "log.jsonl", forecast(BEGIN, mode="late"))
    page.write(tmp_path, log, now=BEGIN + 30 * HOUR)
    words = page_checker.read(tmp_path / "index.html").words
    assert "Late: issued when its window had begun already." in words
    assert "The window of this forecast closed 2026-02-02 00:30 UTC : nothing newer has been issued." in words
    page.write(tmp_path, log, now=BEGIN + HOUR)
    assert "nothing newer" not in page_checker.read(tmp_path / "index.html").words


@pytest.mark.parametrize("clear", [True, False])
def test_only_a_plain_yes_is_all_clear(tmp_path, clear):
    log = write_log(tmp_path / "log.jsonl", forecast(BEGIN, all_clear=record.AllClear("M1.0", 0.05, 0.9, clear)))
    words = page_checker.read(page.write(tmp_path, log)).words
    assert ("All clear: with a confidence of 90 %" in words) == (clear is True)
    assert ("No all-clear" in words) == (clear is not True)


def test_simulated_is_a_banner(tmp_path):
    log = write_log(tmp_path / "log.jsonl", forecast(BEGIN, simulated=True))
    found = page_checker.read(page.write(tmp_path, log))
    assert found.faults == []
    assert "SIMULATED: this is a forecast of a simulated Sun" in found.words
    assert '<body><p class="banner"' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_flares_of_another_sun_are_refused(log, flares, tmp_path, command):
    write_log(log, forecast(BEGIN, simulated=True))
    done = command(SCRIPT, log, "--out", tmp_path / "site", "--flares", flares)
    assert done.code == 2
    assert "--flares: is of a Sun that is observed, the forecasts of" in done.err
    assert not (tmp_path / "site").exists()


def test_hostile_text_of_a_record_does_nothing(tmp_path):
    statement = record.AllClear(HOSTILE, 0.05, 0.9, False)
    parts = forecast(
        BEGIN,
        method=HOSTILE,
        left_out=((HOSTILE, HOSTILE),),
        basis=(HOSTILE,),
        all_clear=statement,
        members=(record.Member(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), {HOSTILE: 0.3}),),
        inputs=(record.Input(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        configuration=HOSTILE,
        software=HOSTILE,
        map_method=HOSTILE,
        probabilities={HOSTILE: Probability(0.5), "M1.0": Probability(0.5)},
    )
    draw_map(tmp_path)
    found = page_checker.read(page.write(tmp_path, write_log(tmp_path / "log.jsonl", parts), title=HOSTILE))
    assert found.faults == []
    assert found.images == ["forecast-map_20260201T003000.png"]
    assert found.words.count("<script>alert(1)</script>") > 15


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", ".hidden", "a/../b"])
def test_a_map_elsewhere_is_refused(tmp_path, name):
    log = write_log(tmp_path / "log.jsonl", forecast(BEGIN, map=name))
    (tmp_path / "maps").mkdir()
    with pytest.raises(UserError, match="is no name of a file"):
        page.write(tmp_path / "site", log)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("state", ["missing", "damaged", "none"])
def test_a_map_that_is_not_there_is_said(log, tmp_path, state):
    picture = tmp_path / "maps" / "20260201T003000.png"
    picture.unlink()
    if state == "damaged":
        picture.write_bytes(b"no picture")
    if state == "none":
        write_log(log, forecast(BEGIN, map=None, map_method=None))
    found = page_checker.read(page.write(tmp_path / "site", log))
    assert found.faults == []
    assert found.images == []
    expected = "The forecast has no map." if state == "none" else "The map 20260201T003000 is not beside the log."
    assert expected in found.words


def test_regions_alone_and_members_without_networks(tmp_path):
    parts = forecast(BEGIN, probabilities={}, members=(), inputs=(), left_out=(), all_clear=None)
    found = page_checker.read(page.write(tmp_path, write_log(tmp_path / "log.jsonl", parts)))
    assert found.faults == []
    words = found.words
    for expected in (
        "Nothing was forecast for the whole disk",
        "No network took part",
        "No statement of all-clear was made",
        "no probability of an event for the disk",
    ):
        assert expected in words
    parts = forecast(BEGIN, regions=())
    assert "No region was forecast." in page_checker.read(page.write(tmp_path, write_log(tmp_path / "log.jsonl", parts))).words


def test_a_correction_takes_the_place_of_a_forecast(tmp_path):
    wrong, right = forecast(BEGIN, 0.9), forecast(BEGIN, 0.2, kind="correction", corrects=1, reason="wrong image")
    words = page_checker.read(page.write(tmp_path, write_log(tmp_path / "log.jsonl", wrong, right))).words
    assert "M1.0 or more 20 %" in words
    assert "It corrects line 1: wrong image" in words
    assert "Lines 2 Corrections 1 Withdrawals 0 Of both, written when the window had closed 0" in words


def test_a_forecast_that_was_withdrawn_is_not_shown(tmp_path, command):
    log = write_log(tmp_path / "log.jsonl", forecast(BEGIN, 0.2), forecast(BEGIN + HOUR, 0.9))
    chain.withdraw(log, 2, "wrong image", logged=f"{BEGIN + 48 * HOUR}Z")
    words = page_checker.read(page.write(tmp_path / "site", log)).words
    assert "M1.0 or more 20 %" in words
    assert "M1.0 or more 90 %" not in words
    assert "Withdrawals 1 Of both, written when the window had closed 1" in words
    chain.withdraw(log, 1, "wrong image too", logged=f"{BEGIN + 49 * HOUR}Z")
    done = command(SCRIPT, log, "--out", tmp_path / "other")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "holds no forecast that stands" in done.err
    assert not (tmp_path / "other").exists()


def test_scores_have_their_intervals_and_pictures(log, tmp_path):
    scores = tmp_path / "scores"
    scores.mkdir()
    columns = "name,event,count,events,brier_skill,brier_skill_low,brier_skill_high,auc,hours\n"
    rows = "alexnet,M1.0,240,31,0.214,0.101,0.333,0.84,all\n<b>climatology</b>,M1.0,240,31,,,,0.5,all\n"
    (scores / "scores.csv").write_text(columns + rows)
    draw_map(tmp_path, "one")
    for name in ("reliability_M1.0.png", "brier_skill_by_month.png"):
        (scores / name).write_bytes((tmp_path / "maps" / "one.png").read_bytes())
    found = page_checker.read(page.write(tmp_path / "site", log, scores=scores))
    assert found.faults == []
    words = found.words
    assert "Scores of forecasts of M1.0 or more, all " in words
    assert "alexnet 240 31 0.21 0.10 to 0.33 0.84" in words
    assert "<b>climatology</b> 240 31 – – 0.50" in words
    assert found.images[1:] == ["forecast-scores_reliability_M1.0.png", "forecast-scores_brier_skill_by_month.png"]
    assert found.alternatives[1].startswith("M1.0 or more. Reliability diagram")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("name,event\nalexnet,M1.0\n", "brier_skill"),
        ("name,event,brier_skill,brier_skill_low,brier_skill_high\na,M1.0,much,0,1\n", "line 2"),
    ],
)
def test_scores_that_cannot_be_read_leave_the_page_as_it_was(log, tmp_path, command, content, words):
    before = page.write(tmp_path / "site", log).read_bytes()
    (tmp_path / "scores").mkdir()
    if content is not None:
        (tmp_path / "scores" / "scores.csv").write_text(content)
    done = command(SCRIPT, log, "--out", tmp_path / "site", "--scores", tmp_path / "scores")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "scores.csv" in done.err
    assert words in done.err
    assert (tmp_path / "site" / "index.html").read_bytes() == before


@pytest.mark.parametrize(("content", "words"), [(b"", "holds no"), (b"{}\n", "line 1"), (None, "no such file")])
def test_a_log_that_is_none_is_one_line(tmp_path, command, content, words):
    log = tmp_path / "log.jsonl"
    if content is not None:
        log.write_bytes(content)
    done = command(SCRIPT, log, "--out", tmp_path / "site")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "log.jsonl" in done.err
    assert words in done.err
    assert not (tmp_path / "site").exists()


def test_a_broken_chain_is_refused(log, tmp_path):
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4] + lines[5:]))
    with pytest.raises(UserError, match="line 5"):
        page.write(tmp_path / "site", log)
    assert not (tmp_path / "site").exists()


def test_pictures_of_an_earlier_page_go(log, tmp_path):
    site = tmp_path / "site"
    scores = tmp_path / "scores"
    scores.mkdir()
    header = "name,event,brier_skill,brier_skill_low,brier_skill_high\n"
    (scores / "scores.csv").write_text(f"{header}ours,M1.0,0.1,0,0.2\n")
    (scores / "reliability_M1.0.png").write_bytes((tmp_path / "maps" / "20260201T003000.png").read_bytes())
    page.write(site, log, scores=scores)
    assert (site / "forecast-scores_reliability_M1.0.png").is_file()
    (site / "ours.png").write_bytes(b"x")
    draw_map(tmp_path, "20260301T003000")
    write_log(log, forecast(BEGIN), forecast(BEGIN + 700 * HOUR, map="20260301T003000"))
    page.write(site, log)
    assert sorted(path.name for path in site.iterdir()) == ["forecast-map_20260301T003000.png", "index.html", "ours.png"]


def test_a_page_that_fails_leaves_nothing(log, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("made on purpose")

    monkeypatch.setattr(page.web_pages, "write", fail)
    with pytest.raises(OSError, match="made on purpose"):
        page.write(tmp_path / "site", log)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_forecasts_and_gaps_are_drawn(tmp_path, count):
    times = [BEGIN + 24 * place * HOUR * (3 if place == 4 else 1) for place in range(count)]
    log = write_log(tmp_path / "log.jsonl", *(forecast(time) for time in times))
    assert page_checker.read(page.write(tmp_path, log)).faults == []
    drawn = (tmp_path / "index.html").read_text(encoding="utf-8").split('stroke-width="1.2"')[0].rsplit("<path", 1)[1]
    assert drawn.count("M") == (2 if count == 5 else 1)
