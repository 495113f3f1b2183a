"""The log of forecasts: a sound chain, every damage found, and no line lost, whatever happens to its writers."""

import errno
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import hypothesis
import numpy
import pytest
from hypothesis import strategies

from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from science.operational_forecast import chain, record
from tools import locks, modules
from tools.errors import UserError

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parents[1]
SCRIPT = PROJECT / "science" / "operational_forecast" / "log.py"
MINUTE = numpy.timedelta64(1, "m")

entry = modules.load(HERE / "log_writer.py").entry


def add(path, minute, **changes):
    """Log the forecast of some minute: its record."""
    return chain.append(path, lambda number, previous, last: entry(number, previous, minute, **changes), wait=5)


@pytest.fixture
def log(tmp_path):
    """A log of four forecasts."""
    path = tmp_path / "log" / "forecasts.jsonl"
    for minute in range(4):
        add(path, minute, logged=f"2020-06-01T00:00:0{minute}Z")
    return path


def written(path):
    """The lines of a log, with their ends."""
    return path.read_bytes().splitlines(keepends=True)


def refusal(path):
    """What is wrong with a log."""
    with pytest.raises(UserError) as raised:
        chain.read(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_lines_come_back_as_they_were_added(log):
    records = chain.read(log)
    assert [one.number for one in records] == [1, 2, 3, 4]
    assert records[0].previous == record.NO_LINE
    assert [one.previous for one in records[1:]] == [record.digest_of(line) for line in written(log)[:-1]]
    found = chain.verify(log)
    assert (found.count, found.last, found.torn) == (4, record.digest_of(written(log)[-1]), 0)
    assert (str(found.begin), str(found.end)) == ("2020-06-01T00:00:00", "2020-06-01T00:00:03")
    assert [path.name for path in log.parent.iterdir()] == [log.name]  # no lock is left


PROBABILITIES = strategies.floats(0, 1)
FORECASTS = strategies.builds(
    Issued,
    method=strategies.text(max_size=20),
    issued=strategies.integers(0, 10**6).map(lambda minutes: numpy.datetime64("2026-01-01T00:00:00") + minutes * MINUTE),
    begin=strategies.just(numpy.datetime64("2026-01-01T00:00:00")),
    end=strategies.just(numpy.datetime64("2026-01-02T00:00:00")),
    probabilities=strategies.dictionaries(
        strategies.sampled_from(["C1.0", "M1.0", "X"]), PROBABILITIES.map(Probability), min_size=1
    ),
    regions=strategies.lists(
        strategies.builds(RegionForecast, number=strategies.integers(1, 99999), probabilities=strategies.just({})), max_size=2
    ).map(tuple),
    simulated=strategies.booleans(),
)


@hypothesis.settings(max_examples=25)
@hypothesis.given(strategies.lists(strategies.tuples(FORECASTS, strategies.text(max_size=40)), min_size=1, max_size=4))
def test_any_forecasts_make_a_sound_chain(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("chain") / "log"
    added = []
    for forecast, reason in made:
        parts = {"kind": "forecast", "logged": "2020-06-01T00:00:00Z", "forecast": forecast, "basis": ("image",)}

        def make(number, previous, last, parts=parts, reason=reason):
            assert last == (added[-1] if added else None)
            return record.Record(number, previous, left_out=(("history", reason),), **parts)

        added.append(chain.append(path, make))
    assert chain.read(path) == added
    assert [one.left_out[0][1] for one in added] == [reason for _, reason in made]
    assert chain.verify(path).last == record.digest_of(written(path)[-1])


def test_every_changed_byte_is_found(tmp_path):
    path = tmp_path / "log"
    for minute in range(2):
        add(path, minute, software="1")
    content = path.read_bytes()
    assert len(content) < 2000
    ends = list(itertools.accumulate(map(len, written(path))))
    for place in range(len(content)):
        changed = content[place] ^ (1 << place % 8)
        path.write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
        if place == len(content) - 1:
            assert chain.verify(path).torn == ends[-1] - ends[-2]
            continue
        with pytest.raises(UserError) as raised:
            chain.verify(path)
        line = sum(place >= end for end in ends) + 1
        assert str(raised.value).startswith(f"{path}, line {line}: "), place


@pytest.mark.parametrize(
    ("order", "broken"),
    [
        ((1, 0, 2, 3), 1),
        ((0, 2, 1, 3), 2),
        ((1, 2, 3), 1),
        ((0, 1, 3), 3),
        ((0, 1, 1, 2, 3), 3),
        ((0, 1, 2, 3, 3), 5),
        ((0, 1, 2, 3, 0), 5),
    ],
)
def test_moved_removed_and_repeated_lines_are_found(log, order, broken):
    lines = written(log)
    log.write_bytes(b"".join(lines[place] for place in order))
    assert refusal(log).startswith(f"{log}, line {broken}: is numbered {order[broken - 1] + 1}; a line was removed")


def test_a_line_of_another_chain_is_found(log, tmp_path):
    other = tmp_path / "other"
    for minute in (7, 8, 9):
        add(other, minute, logged="2020-06-01T00:00:01Z")
    lines, others = written(log), written(other)
    log.write_bytes(b"".join([*lines[:2], others[2]]))
    assert f"{log}, line 3: follows a line of SHA-256 {record.digest_of(others[1])}, but" in refusal(log)


def test_lines_that_were_sealed_again_break_the_chain(log):
    lines = written(log)
    first = record.from_line(lines[0], "line")
    lines[0] = record.to_line(entry(1, record.NO_LINE, 90, logged=first.logged))
    log.write_bytes(b"".join(lines))
    assert refusal(log).startswith(f"{log}, line 2: follows a line of")


@pytest.mark.parametrize(
    "changed",
    [
        {"all_clear": "yes"},
        {"all_clear": {"event": "M1.0", "below": 0.05, "confidence": 0.9, "clear": "no"}},
        {"all_clear": {"event": "M1.0"}},
        {"inputs": [{"kind": "image", "file": 3, "sha256": "0", "time": None}]},
        {"inputs": [{"kind": "image"}]},
        {"map": 7},
        {"map_method": ["saliency"]},
        {"members": [{"name": None}]},
    ],
)
def test_values_of_other_kinds_are_refused_though_sealed(log, changed):
    content = json.loads(written(log)[0]) | changed
    del content["seal"]
    body = json.dumps(content, separators=(",", ":")).encode().removesuffix(b"}")
    with pytest.raises(UserError, match="line 1: is no line of a forecast log"):
        record.from_line(record.sealed(body), "line 1")


def test_a_cut_end_is_seen_by_what_was_kept_elsewhere(log):
    digests = [record.digest_of(line) for line in written(log)]
    assert chain.verify(log, expected=digests[3]).expected == 4
    assert chain.verify(log, expected=digests[1].upper()).expected == 2
    log.write_bytes(b"".join(written(log)[:3]))
    assert chain.verify(log).count == 3
    with pytest.raises(UserError, match=f"none of its 3 lines has the SHA-256 {digests[3]}; its end was cut off"):
        chain.verify(log, expected=digests[3])


@pytest.mark.parametrize("torn", [b"{", b'{"format":"flare forecast 1","number":5', b"\0" * 900, b"\xff\xfe"])
def test_what_a_killed_writer_left_is_kept_beside_the_log(log, torn, capsys):
    before = log.read_bytes()
    log.write_bytes(before + torn)
    assert len(chain.read(log)) == 4
    assert f"{len(torn)} bytes after the last line belong to no line" in capsys.readouterr().err
    assert chain.verify(log).torn == len(torn)
    assert log.read_bytes() == before + torn  # nothing that only reads changes it
    assert add(log, 4).number == 5
    (aside,) = log.parent.glob(f"{log.name}.torn-*")
    assert aside.read_bytes() == torn
    assert f"ended in {len(torn)} bytes of a line that was never finished; they are in {aside.name}" in capsys.readouterr().err
    assert log.read_bytes().startswith(before)
    assert chain.verify(log).count == 5
    log.write_bytes(log.read_bytes() + torn)
    add(log, 5)
    assert len(list(log.parent.glob(f"{log.name}.torn-*"))) == 2
    assert chain.verify(log).count == 6


def test_a_torn_first_line(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b'{"format":"flare for')
    assert chain.read(path) == []
    assert add(path, 0).number == 1
    assert chain.verify(path).count == 1
    (aside,) = tmp_path.glob("log.torn-*")
    assert aside.read_bytes() == b'{"format":"flare for'


@pytest.mark.parametrize("content", [b"\xff\xd8 a picture", b"# Notes", b"one\ntwo\n", b"one\ntwo", b"\n", b"{}\n", b"\0\0"])
def test_files_of_others_stay_as_they_are(tmp_path, content):
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(UserError, match="^" + str(path)):
        add(path, 0)
    with pytest.raises(UserError, match="^" + str(path)):
        chain.read(path)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["notes"]


def test_a_damaged_last_line_is_not_built_upon(log):
    content = log.read_bytes().replace(b'"number":4', b'"number":5')
    log.write_bytes(content)
    with pytest.raises(UserError, match="last line: was changed after it was written"):
        add(log, 4)
    assert log.read_bytes() == content


def test_folders_pipes_and_logs_that_are_missing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UserError, match="is no regular file"):
            add(path, 0)
        with pytest.raises(UserError, match="is no regular file"):
            chain.read(path)
    with pytest.raises(UserError, match="no such file; give the log"):
        chain.read(tmp_path / "none", advice="give the log")
    with pytest.raises(UserError, match="no such file"):
        chain.withdraw(tmp_path / "none", 1, "reason")
    (tmp_path / "empty").touch()
    assert chain.read(tmp_path / "empty") == []
    assert chain.verify(tmp_path / "empty").last == record.NO_LINE


def test_a_clock_that_went_back_is_refused(log):
    before = log.read_bytes()
    with pytest.raises(
        UserError, match=r"this clock says 2020-06-01T00:00:02Z, but line 4 was written at 2020-06-01T00:00:03Z"
    ):
        add(log, 4, logged="2020-06-01T00:00:02Z")
    assert log.read_bytes() == before
    assert add(log, 4, logged="2020-06-01T00:00:03Z").number == 5
    last = written(log)[-1]
    line = record.to_line(entry(6, record.digest_of(last), 5, logged="2020-05-31T00:00:00Z"))
    log.write_bytes(log.read_bytes() + line)
    assert refusal(log).startswith(f"{log}, line 6: was written at 2020-05-31T00:00:00Z, before the line before")


def test_nothing_is_added_where_there_is_nothing_to_add(log, tmp_path):
    before = log.read_bytes()
    assert chain.append(log, lambda number, previous, last: None) is None
    assert log.read_bytes() == before
    assert chain.append(tmp_path / "new", lambda number, previous, last: None) is None
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("wrong", [{"method": "\ud800"}, {"uncalibrated": float("inf")}])
def test_what_no_line_can_hold_is_refused(log, wrong):
    before = log.read_bytes()
    member = record.Member(wrong.get("method", "alexnet"), "image", (), {}, wrong.get("uncalibrated"))
    with pytest.raises(UserError, match=r"cannot be written as JSON .* nothing was added"):
        add(log, 4, members=(member,))
    with pytest.raises(UserError, match=r"a line of 4\.2 MB, more than the 4\.19 MB"):
        add(log, 4, configuration="x" * chain.LONGEST)
    with pytest.raises(ValueError, match="a record of line 9"):
        chain.append(log, lambda number, previous, last: entry(9, previous, 4))
    assert log.read_bytes() == before


# Corrections


def test_corrections_replace_and_withdrawals_remove(log):
    correct(log, 3, 2)
    correct(log, 1, 0)
    assert [one.number for one in chain.current(chain.read(log))] == [6, 2, 5, 4]
    correct(log, 3, 2)
    withdrawn = chain.withdraw(log, 1, " of the \n wrong day ", logged="2020-06-01T00:00:09Z")
    assert (withdrawn.kind, withdrawn.corrects, withdrawn.reason) == ("withdrawal", 1, "of the wrong day")
    assert withdrawn.forecast == chain.read(log)[5].forecast
    assert [one.number for one in chain.current(chain.read(log))] == [2, 7, 4]
    assert chain.in_hindsight(withdrawn)
    assert not chain.in_hindsight(chain.read(log)[0])
    correct(log, 1, 0)
    assert [one.number for one in chain.current(chain.read(log))] == [9, 2, 7, 4]
    found = chain.verify(log)
    assert (found.count, found.corrections, found.withdrawals) == (9, 4, 1)


def correct(path, corrects, minute):
    """Log a correction, of the forecast of some minute."""
    changes = {"kind": "correction", "corrects": corrects, "reason": "a wrong list", "logged": "2020-06-01T00:00:09Z"}
    return add(path, minute, **changes)


def test_forecasts_are_listed_in_order_of_issue(tmp_path):
    for minute in (5, 2, 9, 2):
        add(tmp_path / "log", minute)
    assert [one.number for one in chain.current(chain.read(tmp_path / "log"))] == [2, 4, 1, 3]


def test_what_cannot_be_corrected_is_refused(log):
    chain.withdraw(log, 2, "a frozen feed", logged="2020-06-01T00:00:09Z")
    before = log.read_bytes()
    for number, reason, message in (
        (9, "why", "has no line 9; it has 5"),
        (2, "why", "line 2 was withdrawn already, by line 5"),
        (5, "why", "line 5 is a withdrawal; name the line of the forecast, 2"),
        (1, " \n", "say why line 1 is withdrawn"),
    ):
        with pytest.raises(UserError, match=message):
            chain.withdraw(log, number, reason, logged="2020-06-01T00:00:09Z")
    with pytest.raises(UserError, match="a correction of line 1, which was issued at 2020-02-01T00:00:00Z for another window"):
        correct(log, 1, 3)
    with pytest.raises(UserError, match="a correction of line 5, which is no forecast"):
        correct(log, 5, 1)
    assert log.read_bytes() == before


# Several writers


def _write_many(path, first, count):
    for minute in range(first, first + count):
        add(path, minute, software="y" * 500)


def _write_one_minute(path):
    def make(number, previous, last):
        time.sleep(0.01)
        return None if last and last.forecast.issued == issued else entry(number, previous, 7)

    issued = entry(1, "", 7).forecast.issued
    for _ in range(3):
        chain.append(path, make)


def together(count, function, arguments):
    """Call a function in several processes at once: their exit codes."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=function, args=arguments(number)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_eight_writers_at_once_lose_nothing(tmp_path):
    path = tmp_path / "log"
    assert together(8, _write_many, lambda number: (path, 10 * number, 6)) == [0] * 8
    records = chain.read(path)
    minutes = [int((one.forecast.issued - records[0].forecast.begin) / MINUTE) for one in records]
    first = min(minutes)
    assert sorted(minute - first for minute in minutes) == [10 * one + other for one in range(8) for other in range(6)]
    assert chain.verify(path).count == 48


def test_processes_of_one_minute_make_one_forecast(tmp_path):
    path = tmp_path / "log"
    assert together(4, _write_one_minute, lambda number: (path,)) == [0] * 4
    assert chain.verify(path).count == 1


def test_a_writer_that_is_never_done_is_named(log):
    before = log.read_bytes()
    with locks.Lock(log.with_name(f"{log.name}.lock"), log):
        with pytest.raises(UserError, match=f"{log}: belongs to process {os.getpid()} on"):
            chain.append(log, entry, wait=0.2)
        (log.parent / "alias").symlink_to(log)
        with pytest.raises(UserError, match=f"{log}: belongs to process"):
            chain.append(log.parent / "alias", entry, wait=0.05)
        assert len(chain.read(log)) == 4  # reading needs no lock
    assert log.read_bytes() == before


# Full disks, and kill -9


def full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def short(descriptor, line, write=os.write):
    return write(descriptor, line[:100])


@pytest.mark.parametrize(
    ("name", "fault", "reason"),
    [
        ("write", full, "No space left on device"),
        ("write", short, r"100 of \d+ bytes"),
        ("fsync", full, "No space left on device"),
    ],
)
def test_a_full_disk_leaves_the_log_as_it_was(log, monkeypatch, name, fault, reason):
    before = log.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fault)
        for path in (log, log.parent / "new"):
            with pytest.raises(UserError, match=rf"{path}: cannot be written \({reason}\); nothing was added, free some space"):
                add(path, 4)
    assert log.read_bytes() == before
    assert [path.name for path in log.parent.iterdir()] == [log.name]
    assert add(log, 4).number == 5


def test_a_bound_on_the_size_of_files_leaves_the_log_as_it_was(log):
    before = log.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))  # some systems write the first hundred bytes
    try:
        with pytest.raises(
            UserError, match=rf"{log}: cannot be written \((100 of \d+ bytes|File too large)\); nothing was added"
        ):
            add(log, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.read_bytes() == before


def test_a_full_disk_keeps_a_torn_line(log, monkeypatch):
    before = log.read_bytes() + b'{"format":"flare'
    log.write_bytes(before)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        UserError, match=r"the torn line at its end cannot be put aside \(No space left on device\); nothing was"
    ):
        add(log, 4)
    assert log.read_bytes() == before
    assert [path.name for path in log.parent.iterdir()] == [log.name]


def _killed_at(path, name, call):
    """Add lines until the process kills itself, at some call of a function of the system; of ``write``, with half a line."""
    genuine, calls = getattr(os, name), itertools.count(1)

    def last_call(descriptor, *arguments):
        if next(calls) == call:
            if name == "write":
                genuine(descriptor, arguments[0][: len(arguments[0]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return genuine(descriptor, *arguments)

    setattr(os, name, last_call)
    _write_many(path, 20, 3)


@pytest.mark.parametrize(
    ("name", "call", "lines", "torn"),
    [("write", 1, 0, True), ("write", 2, 1, True), ("fsync", 1, 1, False), ("ftruncate", 1, 0, False), ("unlink", 1, 1, False)],
)
def test_killed_at_each_step(log, name, call, lines, torn):
    before = log.read_bytes()
    assert together(1, _killed_at, lambda number: (log, name, call)) == [-signal.SIGKILL]
    assert log.read_bytes().startswith(before)
    assert len(chain.read(log)) == 4 + lines
    assert bool(chain.verify(log).torn) == torn
    assert add(log, 40).number == 5 + lines
    assert len(list(log.parent.glob(f"{log.name}.torn-*"))) == torn
    assert chain.verify(log).count == 5 + lines


def test_killed_while_putting_a_torn_line_aside(log):
    torn = b'{"format":"flare forecast 1","num'
    log.write_bytes(log.read_bytes() + torn)
    for call in (1, 2, 3):  # of the copy, of its folder, of the log without it
        assert together(1, _killed_at, lambda number, call=call: (log, "fsync", call)) == [-signal.SIGKILL]
    assert len(chain.read(log)) == 4
    add(log, 50)
    assert chain.verify(log).count == 5
    kept = [path.read_bytes() for path in log.parent.glob(f"{log.name}.torn-*")]
    assert kept
    assert set(kept) == {torn}


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_loses_no_line(tmp_path, kills):
    path, chance = tmp_path / "log", random.Random(kills)
    acknowledged = []
    for kill in range(kills):
        command = [sys.executable, HERE / "log_writer.py", path, 10_000 * kill, 10_000]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment) as process:
            said = [process.stdout.readline()]
            time.sleep(chance.uniform(0, 0.15))
            process.kill()
            said += process.stdout.readlines()
        acknowledged += [tuple(map(int, line.split())) for line in said if line.endswith("\n")]
    records = chain.read(path)
    assert [one.number for one in records] == list(range(1, len(records) + 1))
    begin = entry(1, "", 0).forecast.issued
    minutes = [int((one.forecast.issued - begin) / MINUTE) for one in records]
    assert len(set(minutes)) == len(minutes)
    assert len(acknowledged) >= kills
    assert {(number, minute) for number, minute in enumerate(minutes, 1)} >= set(acknowledged)
    assert len(records) <= len(acknowledged) + kills
    assert add(path, 10**6).number == len(records) + 1


@pytest.mark.benchmark
def test_ten_thousand_lines_are_read_in_seconds(tmp_path):
    path, previous = tmp_path / "log", record.NO_LINE
    with open(path, "wb") as file:
        for number in range(1, 10_001):
            line = record.to_line(entry(number, previous, number))
            file.write(line)
            previous = record.digest_of(line)
    begun = time.process_time()
    assert chain.verify(path).count == 10_000
    assert time.process_time() - begun < 4


# The command


def test_the_command_shows_the_last_lines(log, command):
    chain.withdraw(log, 3, "a magnetogram \x1b[31mof another day")
    add(
        log,
        8,
        logged=chain.now(),
        left_out=(("regions", "no summary of 2020-02-01"),),
        all_clear=record.AllClear("M1.0", 0.1, 0.9, True),
    )
    done = command(SCRIPT, log)
    assert done.code == 0
    header, *rows = done.out.splitlines()
    words = ["line", "issued", "mode", "basis", "C1.0", "M1.0", "M5.0", "X1.0", "all-clear", "regions", "remarks"]
    assert header.split() == words
    assert [row.split()[0] for row in rows] == list("123456")
    assert rows[0].split() == ["1", "2020-02-01T00:00:00Z", "on", "time", "history", "-", "0.000", "-", "-", "-", "0", "-"]
    assert rows[2].endswith("withdrawn by line 5")
    assert rows[4].endswith("withdrawal of line 3: a magnetogram  [31mof another day")
    assert rows[5].endswith("yes        0        without regions: no summary of 2020-02-01")
    assert command(SCRIPT, log, "--last", "2").out.splitlines()[1:][0].startswith("5 ")


def test_the_command_proves_the_chain(log, command):
    digest = record.digest_of(written(log)[-1])
    done = command(SCRIPT, log, "--verify")
    assert (done.code, done.err) == (0, "")
    span = "written 2020-06-01T00:00:00Z to 2020-06-01T00:00:03Z"
    assert (
        done.out == f"{log}: 4 lines, each as written, {span}, no corrections, no withdrawals; SHA-256 of the last {digest}\n"
    )
    latest = log.parent / "latest.json"
    latest.write_text(json.dumps({"sha256": digest}))
    for expected in (digest, latest):
        done = command(SCRIPT, log, "--verify", "--expect", expected)
        assert done.code == 0
        assert "nothing is missing: the expected SHA-256 is the last line's" in done.out
    earlier = record.digest_of(written(log)[1])
    assert "nothing is missing up to line 2, which" in command(SCRIPT, log, "--verify", "--expect", earlier).out
    whole = log.read_bytes()
    log.write_bytes(b"".join(written(log)[:3]))
    done = command(SCRIPT, log, "--verify", "--expect", latest)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("; its end was cut off, or it is another log\n")
    log.write_bytes(whole[:-1])
    done = command(SCRIPT, log, "--verify")
    assert done.code == 4
    assert "after line 3 come" in done.err
    log.write_bytes(whole.replace(b'"number":2', b'"number":7'))
    done = command(SCRIPT, log, "--verify")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{log}, line 2: was changed after it was written" in done.err


def test_the_command_takes_a_forecast_back(log, command):
    before = log.read_bytes()
    done = command(SCRIPT, log, "--correct", "2", "--reason", "a frozen feed")
    assert (done.code, done.out) == (0, f"{log}: line 5 withdraws line 2\n")
    assert f"note: {log}: line 2 is withdrawn after its window closed" in done.err
    assert log.read_bytes().startswith(before)
    assert [one.number for one in chain.current(chain.read(log))] == [1, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--correct", "2"], "--correct and --reason belong together"),
        (["--reason", "why"], "--correct and --reason belong together"),
        (["--correct", "0", "--reason", "why"], "--correct 0: must be at least 1"),
        (["--correct", "7", "--reason", "why"], "has no line 7; it has 4"),
        (["--correct", "1", "--reason", ""], "say why line 1 is withdrawn"),
        (["--expect", "ab"], "--expect belongs to --verify"),
        (["--verify", "--expect", "ab"], "ab: no such file; give 64 hexadecimal digits, or a latest.json"),
        (["--verify", "--expect", "LATEST"], "its sha256 is None; give the latest.json of a forecast"),
        (["--verify", "--last", "3"], "are different things to do; give one"),
        (["--last", "0"], "--last 0: must be at least 1"),
    ],
)
def test_mistakes_are_one_line(log, command, arguments, message):
    (log.parent / "latest.json").write_text("{}")
    before = log.read_bytes()
    done = command(SCRIPT, log, *(str(log.parent / "latest.json") if one == "LATEST" else one for one in arguments))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err
    assert log.read_bytes() == before


def test_an_empty_log_is_one_line(tmp_path, command):
    (tmp_path / "log").touch()
    done = command(SCRIPT, tmp_path / "log")
    assert (done.code, done.out) == (2, "")
    assert "log: no forecast in it yet" in done.err
    assert "no line yet" in command(SCRIPT, tmp_path / "log", "--verify").out
