"""SWPC's near-real-time JSON through the downloader, against a server on loopback."""

import gzip
import importlib.util
import json
import pathlib
import re

import numpy
import pytest

from dataset_models import flare_catalogue, goes_xrs
from dataset_models.download import checks, swpc
from tools.errors import UserError

_place = pathlib.Path(__file__).with_name("archive_server.py")
_spec = importlib.util.spec_from_file_location("archive_server", _place)
archive_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(archive_server)

MINUTE = numpy.timedelta64(60, "s")
LISTS = ("edited_events.json", "goes/primary/xray-flares-7-day.json")
FILES = ("goes/primary/xrays-7-day.json", "goes/secondary/xrays-7-day.json", *LISTS, "solar_probabilities.json")


def now():
    return numpy.datetime64("now", "s")


def flux(satellite, *, until, minutes=90, value=2e-6):
    """SWPC's JSON of some minutes, both bands: bytes."""
    records = []
    for back in range(minutes, 0, -1):
        tag = f"{until - back * MINUTE}Z"
        for energy, factor in (("0.05-0.4nm", 0.1), ("0.1-0.8nm", 1.0)):
            records.append({"time_tag": tag, "satellite": satellite, "flux": factor * value, "energy": energy})
    return json.dumps(records).encode()


def flare(begin, goes_class):
    times = {name: f"{begin + late * MINUTE}Z" for name, late in (("begin_time", 0), ("max_time", 9), ("end_time", 20))}
    return {"time_tag": times["end_time"], **times, "begin_class": "C1.0", "max_class": goes_class, "satellite": 18}


def events(begin, goes_class):
    times = {f"{name}_datetime": str(begin + late * MINUTE) for name, late in (("begin", 0), ("max", 9), ("end", 20))}
    return [{**times, "bin": 10, "type": "XRA", "location": "1-8A", "particulars1": goes_class, "region": 4300}]


def percentages(date, **others):
    classes = {f"{letter}_class_{day}_day": value for letter, value in (("c", 95), ("m", 40), ("x", 5)) for day in (1, 2, 3)}
    return {"date": str(date), **classes, "10mev_protons_1_day": 5, "polar_cap_absorption": "green"} | others


@pytest.fixture
def feed():
    """A server that has all of SWPC's files, as of now."""
    time = now()
    today = time.astype("datetime64[D]")
    with archive_server.ArchiveServer() as server:
        served = (
            flux(18, until=time),
            flux(19, until=time, value=3e-6),
            json.dumps(events(time - 60 * MINUTE, "M1.1")).encode(),
            json.dumps([flare(time - 60 * MINUTE, "M1.1"), flare(time - 400 * MINUTE, "C3.0")]).encode(),
            json.dumps([percentages(today), percentages(today - 1)]).encode(),
        )
        for name, content in zip(FILES, served, strict=True):
            server.add(f"/{name}", content)
        yield server


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        swpc.main([*map(str, arguments), "--rate", "0", "--tries", "1"])
    return ended.value.code


def test_flux_flares_and_probabilities_of_now(feed, tmp_path, capsys):
    tree, store = tmp_path / "tree", tmp_path / "xrs.sqlite"
    arguments = ["--out", tree, "--url", feed.url, "--store", store]
    assert run(*arguments) == 0
    printed = capsys.readouterr().out
    assert "5 fetched" in printed
    assert "xrs.sqlite: 2 files imported, 0 already there" in printed
    folders = {path.name for path in tree.iterdir() if path.is_dir()}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", name) for name in folders)
    assert {path.relative_to(tree).as_posix().partition("/")[2] for path in tree.rglob("*.json")} == set(FILES)
    assert [row[:3] for row in goes_xrs.contents(store)] == [(18, "near real time", 90), (19, "near real time", 90)]
    series = goes_xrs.series(store, calibration="homogenised")
    assert series.provenance.preliminary.all()
    assert set(series.provenance.satellite.tolist()) == {18}, "the primary one"
    events_ = flare_catalogue.read(tree / "catalogue.csv").events
    assert events_["goes_class"].tolist() == ["C3.0", "M1.1"]
    assert events_["noaa_region"].tolist()[1] == 14300, "edited events know the region"
    assert run("--out", tree, "--verify") == 0


@pytest.fixture
def at(monkeypatch):
    """Set the clock of the script."""
    return lambda time: monkeypatch.setattr(swpc, "clock", lambda: numpy.datetime64(time, "s"))


def test_the_genuine_file_of_a_day_and_the_same_a_day_later(shared, tmp_path, at, capsys):
    """A feed that stands still is told from one that goes on, and costs nothing that is there."""
    tree, store = tmp_path / "tree", tmp_path / "xrs.sqlite"
    content = gzip.decompress((shared / "json" / "swpc_xrays-1-day.json.gz").read_bytes())
    with archive_server.ArchiveServer() as server:
        server.add(f"/{FILES[0]}", content)
        arguments = ["--out", tree, "--url", server.url, "--store", store, "--what", "flux"]
        at("2026-08-02T07:20:00")
        assert run(*arguments) == 3, "the secondary one is missing at the source"
        assert [row[:3] for row in goes_xrs.contents(store)] == [(18, "near real time", 1438)]
        capsys.readouterr()
        at("2026-08-03T07:20:00")
        assert run(*arguments) == 4
        printed = capsys.readouterr().out
        assert "rejected: ends at 2026-08-02T07:16:00Z, before 2026-08-02T07:20:00Z: the feed stands still" in printed
        assert [path.relative_to(tree).as_posix() for path in tree.rglob("*.json")] == [f"2026-08-02/{FILES[0]}"]


def test_what_was_fetched_today_is_replaced_and_older_days_stay(feed, tmp_path, at, capsys):
    tree = tmp_path / "tree"
    arguments = ["--out", tree, "--url", feed.url, "--what", "flares"]
    at("2026-11-03T06:00:00")
    assert run(*arguments) == 0
    feed.add(f"/{LISTS[0]}", b"[]")
    for hour, goes_class in ((7, "X1.0"), (9, "X2.0")):
        at(f"2026-11-08T0{hour}:00:00")
        feed.add(f"/{LISTS[1]}", json.dumps([flare(now() + 90 * MINUTE, goes_class)]).encode())
        assert run(*arguments) == 0
    assert flare_catalogue.read(tree / "catalogue.csv").events["goes_class"].tolist() == ["C3.0", "M1.1", "X2.0"]
    assert {path.name for path in tree.iterdir() if path.is_dir()} == {"2026-11-03", "2026-11-08"}
    # A file of a past day cannot be fetched again; one of today can.
    at("2026-11-08T10:00:00")
    for day in ("2026-11-03", "2026-11-08"):
        (tree / day / LISTS[1]).unlink()
    assert run("--out", tree, "--verify") == 1
    capsys.readouterr()
    assert run("--out", tree, "--repair", "--url", feed.url) == 3
    printed = capsys.readouterr().out
    assert f"2026-11-03/{LISTS[1]}: missing at the source: SWPC has no file of 2026-11-03 any more" in printed
    assert (tree / "2026-11-08" / LISTS[1]).is_file()


@pytest.mark.parametrize("fault", ["cut", "cut without a length", "html", "json error", "empty", "drop", "503"])
def test_each_fault_once_then_fine(tmp_path, fault):
    tree = tmp_path / "tree"
    with archive_server.ArchiveServer(lambda path, attempt: fault if attempt == 1 else None) as server:
        server.add(f"/{FILES[-1]}", json.dumps([percentages(now().astype("datetime64[D]"))]).encode())
        with pytest.raises(SystemExit) as ended:
            swpc.main(["--out", str(tree), "--url", server.url, "--what", "probabilities", "--rate", "0", "--tries", "3"])
        assert ended.value.code == 0
        assert server.faulty[fault] == 1
    assert not list(tree.rglob("*.part"))


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("near real time", b"[]", "has no records of 0.1-0.8nm"),
        ("near real time", b'{"error": "busy"}', "is no list of records"),
        ("near real time", b"Time,Flux\n2026-08-01 00:02,1e-6\n", "is flarenet flux, not near real time"),
        ("near real time", flux(18, until=numpy.datetime64("2026-08-01T00:00:00")), "the feed stands still"),
        ("near real time", flux(18, until=numpy.datetime64("2026-08-09T00:00:00"))[:-40], "is no JSON|is not JSON|JSON"),
        ("probabilities", b"[]", "has no record"),
        ("probabilities", json.dumps([{"m_class_1_day": 5}]).encode(), "record 1 has no date"),
        ("probabilities", json.dumps([percentages("2026-08-09", x_class_2_day=105)]).encode(), "x_class_2_day of 105, not 0"),
        ("probabilities", json.dumps([percentages("2026-08-09", c_class_1_day=True)]).encode(), "c_class_1_day of True, not 0"),
        ("probabilities", json.dumps([percentages("soon")]).encode(), "soon"),
        ("probabilities", json.dumps([{"date": "2026-08-09"}]).encode(), "no record with m_class_1_day"),
        ("probabilities", json.dumps([percentages("2026-08-01")]).encode(), "ends at 2026-08-01T00:00:00Z, before 2026-08-08"),
        ("probabilities", b'{"date": "2026-08-09"}', "list"),
    ],
)
def test_what_is_wrong_is_rejected_and_why_is_said(tmp_path, kind, content, words):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(checks.Rejected, match=words) as caught:
        checks.check(kind, path, {"not_before": "2026-08-08T00:00:00Z"})
    assert "\n" not in str(caught.value)


def test_a_missing_percentage_is_no_fault(tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps([percentages("2026-08-09", c_class_3_day=None, x_class_3_day=-1)]))
    newest = checks.check("probabilities", path, {"not_before": "2026-08-08T00:00:00Z"})
    assert newest == numpy.datetime64("2026-08-09", "s")


def test_nothing_is_fetched_for_a_dry_run_and_no_past_can_be_asked_for(feed, tmp_path, capsys):
    swpc.main(["--out", str(tmp_path / "tree"), "--url", feed.url, "--dry-run"])
    assert "5 files wanted, 0 of them seem to be there" in capsys.readouterr().out
    assert not (tmp_path / "tree").exists()
    assert not feed.requests
    assert run("--out", tmp_path / "tree", "--start", "2014-01-01") == 2
    assert "unrecognized arguments: --start" in capsys.readouterr().err
    with pytest.raises(UserError, match="mistyped: has no files; download something first"):
        swpc.main(["--out", str(tmp_path / "mistyped"), "--verify"])


@pytest.mark.remote_data
def test_swpc_on_line(tmp_path):
    assert run("--out", tmp_path / "tree", "--store", tmp_path / "xrs.sqlite") == 0
