"""Downloads over a bad network: against a server of our own that misbehaves in every way that archives do."""

import base64
import concurrent.futures
import contextlib
import errno
import http.server
import importlib.util
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy
import pytest
import sunpy.data.test
from hypothesis import given
from hypothesis import strategies as st

from dataset_models.download import (
    aia_synoptic,
    checks,
    donki,
    fetcher,
    goes,
    hek,
    helioviewer,
    manifest,
    noaa_regions,
    script,
)
from tools.errors import UserError

_place = pathlib.Path(__file__).with_name("archive_server.py")
_spec = importlib.util.spec_from_file_location("archive_server", _place)
archive_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(archive_server)
ArchiveServer = archive_server.ArchiveServer

QUICK = fetcher.Limits(
    connections=8, rate=0, connect=2.0, stall=0.4, total=1.5, tries=14, pause=0.01, longest_pause=0.2
)  # a stalled answer is given up after 0.4 s
START = numpy.datetime64("2014-06-17T00:00:00")


@pytest.fixture
def tree(tmp_path):
    """An empty folder."""
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(aia_synoptic, "SIZE", archive_server.SIZE)


def _many(server, count):
    """`count` files, FITS and JPEG 2000 in turn, on the server: list of Wanted."""
    wanted = []
    for number in range(count):
        when = START + numpy.timedelta64(12 * number, "m")
        if number % 2:
            path = f"jp2/{number:05d}.jp2"
            server.add(f"/{path}", archive_server.jp2(when))
            expected = {"time": f"{when}Z", "tolerance": 2.0, "source": 19}
            wanted.append(fetcher.Wanted(f"{server.url}/{path}", path, "jp2", expected, f"{when}Z"))
        else:
            path = aia_synoptic.frame_path(when, 171)
            server.add(f"/{path}", archive_server.aia_fits(when, 171))
            expected = {"channel": 171, "size": archive_server.SIZE, "time": f"{when}Z", "tolerance": 120.0}
            wanted.append(fetcher.Wanted(f"{server.url}/{path}", path, "aia", expected, f"{when}Z"))
    return wanted


def _all_intact(server, wanted, folder):
    for one in wanted:
        assert (folder / one.path).read_bytes() == server.files[f"/{one.path}"], one.path
    assert not list(folder.rglob("*.part"))
    with manifest.Manifest(folder, "test") as book:
        assert len(book) == len(wanted)
        findings = manifest.verify(book, progress=False)
    assert findings == manifest.Findings(len(wanted), [], [], [])


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
@pytest.mark.long
def test_every_file_arrives_whole_at_thirty_percent_faults(tree, count):
    with ArchiveServer(archive_server.sometimes(0.3, seed=count)) as server:
        wanted = _many(server, count)
        gone = [fetcher.Wanted(f"{server.url}/gone/{n}.jp2", f"gone/{n}.jp2", "jp2", {}) for n in range(5)]
        with manifest.Manifest(tree, "test") as book:
            summary = fetcher.Fetcher(QUICK, seed=1).fetch(wanted + gone, book)
            assert summary.counts == {
                "fetched": count,
                "already there": 0,
                "missing at the source": 5,
                "rejected": 0,
                "not fetched": 0,
            }
            assert summary.exit_code == 3
            before = server.requests.total()
            again = fetcher.Fetcher(QUICK).fetch(wanted, book)
            assert (again.counts["already there"], again.exit_code) == (count, 0)
            assert server.requests.total() == before, "what is there is not asked for again"
        assert set(server.faulty) == set(archive_server.FAULTS), "every kind of fault was met"
        _all_intact(server, wanted, tree)


@pytest.mark.parametrize("fault", archive_server.FAULTS)
def test_each_fault_once_then_fine(tree, fault):
    with (
        ArchiveServer(lambda path, attempt: fault if attempt == 1 else None) as server,
        manifest.Manifest(tree, "test") as book,
    ):
        wanted = _many(server, 2)
        summary = fetcher.Fetcher(QUICK).fetch(wanted, book)
        assert summary.counts["fetched"] == 2, summary
        book.close()
        _all_intact(server, wanted, tree)


PERMANENT = {
    "html": "rejected: is an HTML page",
    "json error": "rejected: the server answered: {",
    "not found text": "rejected: the server answered: File not found.",
    "empty": "rejected: is empty",
    "cut": "rejected: was cut short",
    "other image": "rejected: ",
    "503": "not fetched: answers 503",
    "stall": "not fetched: sent nothing for 0.4 s",
    "drip": "not fetched: took longer than",
    "404": "missing at the source",
}


@pytest.mark.parametrize("fault", PERMANENT)
def test_a_fault_that_stays_is_named_and_leaves_no_file(tree, fault):
    limits = fetcher.Limits(connections=2, rate=0, stall=0.4, total=0.8, tries=2, pause=0.01)
    with ArchiveServer(lambda path, attempt: fault) as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 2)
        summary = fetcher.Fetcher(limits).fetch(wanted, book)
        assert all(why.startswith(PERMANENT[fault]) for why in summary.troubles.values()), summary.troubles
        assert len(summary.troubles) == 2
        assert summary.exit_code == (3 if fault == "404" else 4)
        assert len(book) == 0
        assert not list(manifest.data_files(tree))
        assert not list(tree.rglob("*.part"))


@pytest.mark.parametrize("status", [400, 401, 403, 407, 451])
def test_a_refusal_is_no_absence_and_not_tried_again(tree, status):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 2)
        server.files[f"/{wanted[0].path}"] = lambda query: (status, b"no")
        summary = fetcher.Fetcher(QUICK).fetch(wanted, book)
        assert summary.counts["not fetched"] == summary.counts["fetched"] == 1
        assert summary.troubles[wanted[0].path].startswith(f"not fetched: answers {status}")
        assert summary.exit_code == 4
        assert server.requests[f"/{wanted[0].path}"] == 1
        refused, gone = f"{server.url}/refused", f"{server.url}/gone"
        server.add("/refused", lambda query: (status, b"no"))
        server.add("/gone", lambda query: (410, b""))
        fetch = fetcher.Fetcher(QUICK)
        assert fetch.get(gone) is None
        with pytest.raises(fetcher.NotFetched, match=f"/refused: answers {status}"):
            fetch.get(refused)


def test_retry_after_holds_for_the_whole_host(tree):
    def fault(path, attempt):
        return "once" if server.requests.total() == 1 else None

    with ArchiveServer(fault) as server, manifest.Manifest(tree, "test") as book:
        (one,) = _many(server, 1)
        content = server.files[f"/{one.path}"]
        server.files[f"/{one.path}"] = lambda query: content if server.requests.total() > 1 else (503, b"")
        sent = server.send
        server.send = lambda handler, status, body, *rest, **more: sent(
            handler, status, body, {"Retry-After": "1"} if status == 503 else {}, **more
        )
        begun = time.monotonic()
        fetch = fetcher.Fetcher(fetcher.Limits(rate=0, pause=0.01, longest_pause=5))
        assert fetch.fetch([one], book).counts["fetched"] == 1
        assert time.monotonic() - begun >= 1.0


def test_a_server_that_wants_hours_of_rest_is_left_alone(tree):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        (one,) = _many(server, 1)
        server.files[f"/{one.path}"] = lambda query: (429, b"")
        sent = server.send
        server.send = lambda handler, status, body, *rest, **more: sent(handler, status, body, {"Retry-After": "7200"})
        begun = time.monotonic()
        summary = fetcher.Fetcher(fetcher.Limits(rate=0, pause=0.01)).fetch([one], book)
        assert "asks to come back in 7200 s" in summary.troubles[one.path]
        assert time.monotonic() - begun < 3


def test_requests_keep_to_the_rate(tree):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 12)
        begun = time.monotonic()
        fetcher.Fetcher(fetcher.Limits(connections=8, rate=20)).fetch(wanted, book)
        assert time.monotonic() - begun >= 11 / 20


def test_no_network_is_said_once(tree):
    with ArchiveServer() as server:
        wanted = _many(server, 6)
    with manifest.Manifest(tree, "test") as book:  # the server is gone
        with pytest.raises(UserError, match=r"127\.0\.0\.1:\d+: cannot be reached \(.*refused.*\); check the network"):
            fetcher.Fetcher(fetcher.Limits(rate=0, pause=0.05)).fetch(wanted, book)
        assert not list(tree.rglob("*.part"))


def test_a_full_disk_ends_with_its_own_error_and_no_file(tree, monkeypatch):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 4)

        def full(handle):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(fetcher.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            fetcher.Fetcher(QUICK).fetch(wanted, book)
        assert not list(manifest.data_files(tree))
        assert not list(tree.rglob("*.part"))
        assert len(book) == 0


def test_a_url_wanted_twice_is_fetched_once(tree):
    import dataclasses

    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        (one,) = _many(server, 1)
        other = dataclasses.replace(one, path="elsewhere/same.fits")
        assert fetcher.Fetcher(QUICK).fetch([one, other], book).counts["fetched"] == 2
        assert server.requests[f"/{one.path}"] == 1
        assert (tree / one.path).read_bytes() == (tree / other.path).read_bytes()
        assert len(book) == 2


def test_verify_names_what_changed_and_repair_fetches_it(tree):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 6)
        fetcher.Fetcher(QUICK).fetch(wanted, book)
        damaged, missing = tree / wanted[0].path, tree / wanted[1].path
        content = bytearray(damaged.read_bytes())
        content[-7] ^= 1
        damaged.write_bytes(content)
        missing.unlink()
        (tree / "stranger.txt").write_text("?")
        found = manifest.verify(book, progress=False)
        assert found == manifest.Findings(4, [wanted[0].path], [wanted[1].path], ["stranger.txt"])
        assert fetcher.repair(fetcher.Fetcher(QUICK), book, found).counts["fetched"] == 2
        assert manifest.verify(book, progress=False).whole


def test_a_file_that_was_renamed_but_not_entered_is_adopted(tree):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 2)
        for one in wanted:
            path = tree / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(server.files[f"/{one.path}"])
        bad = tree / wanted[1].path
        bad.write_bytes(bad.read_bytes()[:-50])
        summary = fetcher.Fetcher(QUICK).fetch(wanted, book)
        assert (summary.counts["already there"], summary.counts["fetched"]) == (1, 1)
        book.close()
        _all_intact(server, wanted, tree)


WORKER = """
import json, pathlib, sys
from dataset_models.download import fetcher, manifest
wanted = [fetcher.Wanted(**one) for one in json.loads(pathlib.Path(sys.argv[1]).read_text())]
limits = fetcher.Limits(connections=4, rate=0, connect=5, stall=0.6, total=3, tries=14, pause=0.01, longest_pause=0.2)
with manifest.Manifest(sys.argv[2], "test") as book:
    print("begun", flush=True)
    print(json.dumps(fetcher.Fetcher(limits).fetch(wanted, book).counts), flush=True)
"""


def _worker(wanted, folder, listed):
    import dataclasses

    listed.write_text(json.dumps([dataclasses.asdict(one) for one in wanted]))
    project = pathlib.Path(fetcher.__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(listed), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(project)},
    )


@pytest.mark.parametrize(
    ("count", "kills"), [(120, 2), pytest.param(2000, 10, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.long
def test_killed_at_random_moments_and_resumed(tree, count, kills):
    random_ = random.Random(count)
    with ArchiveServer(archive_server.sometimes(0.3, seed=1)) as server:
        wanted = _many(server, count)
        folder = tree / "files"
        for _ in range(kills):
            with _worker(wanted, folder, tree / "wanted.json") as process:
                assert process.stdout.readline() == "begun\n"
                time.sleep(random_.uniform(0.0, 0.6 if count < 1000 else 2.5))
                process.send_signal(signal.SIGKILL)
            for one in wanted:  # whatever is there is whole
                path = folder / one.path
                assert not path.exists() or path.read_bytes() == server.files[f"/{one.path}"]
        with manifest.Manifest(folder, "test") as book:
            assert manifest.verify(book, progress=False).whole, "no finished file is lost"
            done = len(book)
        with _worker(wanted, folder, tree / "wanted.json") as process:
            counts = json.loads(process.communicate()[0].splitlines()[-1])
        assert counts["fetched"] + counts["already there"] == count
        assert counts["already there"] >= done
        _all_intact(server, wanted, folder)


@pytest.mark.long
def test_four_processes_in_one_tree(tree):
    with ArchiveServer(archive_server.sometimes(0.2, seed=2)) as server:
        wanted = _many(server, 80)
        folder = tree / "files"
        workers = [_worker(wanted, folder, tree / f"wanted{n}.json") for n in range(4)]
        for worker in workers:
            with worker:
                counts = json.loads(worker.communicate()[0].splitlines()[-1])
                assert counts["fetched"] + counts["already there"] == 80
        _all_intact(server, wanted, folder)


class _Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Authorization"]))
        body = b'[{"classType": "C1.0"}]'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_proxies_and_passwords_of_the_environment_are_used(tree, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine archive.invalid login me password secret\n", encoding="utf-8")
    fields = {"fields": ["classType"]}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as proxy:
        proxy.asked = []
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        for name, value in (("http_proxy", f"http://127.0.0.1:{proxy.server_port}"), ("no_proxy", ""), ("NETRC", str(netrc))):
            monkeypatch.setenv(name, value)
        wanted = [fetcher.Wanted(f"http://archive.invalid/{number}", f"{number}.json", "json", fields) for number in range(3)]
        with manifest.Manifest(tree, "test") as book:
            summary = fetcher.Fetcher(fetcher.Limits(connections=2, rate=0)).fetch(wanted, book)
        proxy.shutdown()
    assert summary.counts["fetched"] == 3
    me = "Basic " + base64.b64encode(b"me:secret").decode()
    assert sorted(proxy.asked) == [(f"http://archive.invalid/{number}", me) for number in range(3)]


def _record(path):
    return manifest.Record(path, "http://127.0.0.1/x", None, None, 3, "0" * 64, manifest.now(), "json", {})


def test_records_of_many_threads_are_written_when_add_returns(tree):
    def add(number):
        book.add(_record(f"{number}.json"))
        with contextlib.closing(sqlite3.connect(book.path)) as other:
            return other.execute("SELECT size FROM files WHERE path = ?", (f"{number}.json",)).fetchone()

    with manifest.Manifest(tree, "test") as book, concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(add, range(400))) == [(3,)] * 400
        assert len(book) == 400


def test_every_thread_is_told_when_its_record_cannot_be_written(tree):
    def add(number):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            book.add(_record(f"{number}.json"))
        return True

    with manifest.Manifest(tree, "test") as book, concurrent.futures.ThreadPoolExecutor(8) as pool:
        with contextlib.closing(sqlite3.connect(book.path)) as other:
            other.execute("DROP TABLE files")
        assert all(pool.map(add, range(40)))


@pytest.fixture
def connections(monkeypatch):
    """All connections that are opened while a test runs."""
    connect, made = sqlite3.connect, []

    def noted(*arguments, **keywords):
        made.append(connect(*arguments, **keywords))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    return made


def _is_closed(connection):
    with contextlib.suppress(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
        return False
    return True


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("UPDATE about SET value = 'Helioviewer' WHERE name = 'archive'", "is the manifest of Helioviewer, not of test"),
        ("UPDATE about SET value = '9' WHERE name = 'version'", "was written by another version of this program"),
        ("DROP TABLE about; CREATE TABLE about (name TEXT)", "cannot be used as a manifest"),
        (None, "cannot be used as a manifest"),
    ],
)
def test_a_manifest_that_is_refused_is_closed(tree, connections, fault, said, read_only):
    with manifest.Manifest(tree, "test") as book:
        assert not _is_closed(connections[0])
    if fault is None:
        book.path.write_bytes(b"no database" * 100)
    else:
        with contextlib.closing(sqlite3.connect(book.path)) as other:
            other.executescript(fault)
    with pytest.raises(UserError, match=said):
        manifest.Manifest(tree, "test", read_only=read_only)
    assert len(connections) == (2 if fault is None else 3)
    assert all(map(_is_closed, connections))
    assert {path.name for path in tree.iterdir()} == {manifest.NAME}


def test_a_manifest_on_a_full_disk_is_named_to_every_thread(tree, connections):
    def add(number):
        with pytest.raises(OSError, match="No space left on device") as raised:
            book.add(_record(f"{number:02000}.json"))
        return raised.value.filename

    with manifest.Manifest(tree, "test") as book, concurrent.futures.ThreadPoolExecutor(4) as pool:
        book.add(_record("before.json"))
        connections[0].execute("PRAGMA max_page_count = 1")  # SQLite lets it keep what it has
        with pytest.raises(OSError, match="No space left on device"):
            for number in range(100, 110):
                book.add(_record(f"{number:02000}.json"))
        assert set(pool.map(add, range(12))) == {str(book.path)}
        with pytest.raises(OSError, match="No space left on device"):
            book.remember("question", "x" * 10_000)
    with manifest.Manifest(tree, "test") as book:
        assert "before.json" in book


def test_a_manifest_that_says_nothing_of_itself_is_refused_when_it_is_read(tree):
    with manifest.Manifest(tree, "test") as book, contextlib.closing(sqlite3.connect(book.path)) as other:
        other.executescript("DELETE FROM about")
    with pytest.raises(UserError, match="is the manifest of something else, not of test"):
        manifest.Manifest(tree, "test", read_only=True)


def test_a_manifest_of_another_archive_is_refused(tree):
    manifest.Manifest(tree, "Helioviewer").close()
    with pytest.raises(UserError, match=r"manifest\.sqlite: is the manifest of Helioviewer, not of HEK"):
        manifest.Manifest(tree, "HEK")
    (tree / "b").mkdir()
    (tree / "b" / manifest.NAME).write_bytes(b"no database" * 100)
    with pytest.raises(UserError, match="cannot be used as a manifest"):
        manifest.Manifest(tree / "b", "HEK")
    (tree / "file").write_text("")
    with pytest.raises(UserError, match="choose another --out"):
        manifest.Manifest(tree / "file", "HEK")


# Checks of content


def test_aia_files_are_judged_by_their_content(tree):
    def verdict(content, **changes):
        path = tree / "one.fits"
        path.write_bytes(content)
        expected = {"channel": 171, "size": 16, "time": "2014-06-17T21:36:00Z", "tolerance": 120.0} | changes
        try:
            return checks.check("aia", path, expected)
        except checks.Rejected as error:
            return str(error)

    when = "2014-06-17T21:36:01.340"
    assert verdict(archive_server.aia_fits(when, 171)) == numpy.datetime64(when)
    in_tai = {"DATE-OBS": "2014-06-17T21:36:36.340", "TIMESYS": "TAI"}
    assert verdict(archive_server.aia_fits(when, 171, **in_tai)) == numpy.datetime64(when)
    assert "expected channel 94, but its header gives WAVELNTH = 171" in verdict(archive_server.aia_fits(when, 171), channel=94)
    assert "expected 1024 x 1024 pixels" in verdict(archive_server.aia_fits(when, 171), size=1024)
    assert "away from" in verdict(archive_server.aia_fits("2014-06-17T22:00", 171))
    assert "no exposure time" in verdict(archive_server.aia_fits(when, 171, EXPTIME=0.0))
    assert "rejected by its QUALITY" in verdict(archive_server.aia_fits(when, 171, QUALITY=1 << 12))
    assert "has a header without an end" in verdict(b"SIMPLE  =   nonsense")
    whole = archive_server.aia_fits(when, 171)
    for place in (-100, 4000, 2900):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        assert "checksum" in verdict(bytes(damaged)) or "cannot be read" in verdict(bytes(damaged))
    assert "is truncated" in verdict(whole[:4000])


def test_genuine_files_pass(tree, shared):
    jp2 = shared / "jp2" / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2"
    expected = {"time": "2022-08-02T10:47:53Z", "tolerance": 2.0, "source": 19}
    assert checks.check("jp2", jp2, expected) == numpy.datetime64("2022-08-02T10:47:53.000")
    with pytest.raises(checks.Rejected, match="not of AIA 171"):
        checks.check("jp2", jp2, expected | {"source": 10})
    aia = shared / "jp2" / "2021_01_06__00_01_41_13__SDO_AIA_AIA_304.jp2"
    checks.check("jp2", aia, {"time": "2021-01-06T00:01:41Z", "tolerance": 2.0, "source": 13})
    synoptic = shared / "fits" / "aia_synoptic_lev1.5_94_2014-06-06.fits"
    expected = {"channel": 94, "size": 1024, "time": "2014-06-06T00:00:00Z", "tolerance": 120.0}
    assert checks.check("aia", synoptic, expected) == numpy.datetime64("2014-06-06T00:00:01.120")
    for name, day in (("go1520110607.fits", "2011-06-07"), ("sci_xrsf-l2-avg1m_g15_d20140101_v1-0-0.nc", "2014-01-01")):
        checks.check("goes", shared / "xrs" / name, {"day": day, "satellite": 15})
        with pytest.raises(checks.Rejected, match="nothing of 2012-01-01"):
            checks.check("goes", shared / "xrs" / name, {"day": "2012-01-01", "satellite": 15})
        with pytest.raises(checks.Rejected, match="not of GOES-14"):
            checks.check("goes", shared / "xrs" / name, {"day": day, "satellite": 14})
    for record in (shared / "json" / "helioviewer_getClosestImage_1record.json",):
        assert helioviewer.parse_closest(record.read_bytes()) == ("191775465", numpy.datetime64("2026-09-06T17:00:05"))
    fields = {"fields": ["beginTime", "classType"]}
    checks.check("json", shared / "json" / "donki_flr_6records.json", fields)


def test_sources_whose_headers_give_a_day_and_a_clock_apart_or_lower_case_tags():
    folder = pathlib.Path(sunpy.data.test.rootdir)
    lasco = folder / "2013_05_13__16_54_06_137__SOHO_LASCO_C3_white-light.jp2"
    expected = {"time": "2013-05-13T16:54:06Z", "tolerance": 2.0, "source": 5}
    assert checks.check("jp2", lasco, expected) == numpy.datetime64("2013-05-13T16:54:06.137")
    with pytest.raises(checks.Rejected, match="away from"):
        checks.check("jp2", lasco, expected | {"time": "2013-05-13T17:54:06Z"})
    continuum = folder / "2023_01_31__03_39_23_200__SDO_HMI_HMI_continuum.jp2"
    expected = {"time": "2023-01-31T03:39:23Z", "tolerance": 2.0, "source": 18}
    assert checks.check("jp2", continuum, expected) == numpy.datetime64("2023-01-31T03:39:23.200")


def test_a_header_with_a_day_alone_counts_for_that_day(tmp_path):
    folder = pathlib.Path(sunpy.data.test.rootdir)
    content = (folder / "2013_05_13__16_54_06_137__SOHO_LASCO_C3_white-light.jp2").read_bytes()
    path = tmp_path / "mdi.jp2"
    path.write_bytes(content.replace(b"TIME_OBS", b"TIME_OBX"))
    expected = {"time": "2013-05-13T16:54:06Z", "tolerance": 2.0, "source": 5}
    assert checks.check("jp2", path, expected) == numpy.datetime64("2013-05-13T16:54:06")
    with pytest.raises(checks.Rejected, match="is of 2013-05-13, not of 2013-05-14"):
        checks.check("jp2", path, expected | {"time": "2013-05-14T00:00:00Z"})


def test_a_flipped_bit_in_a_jpeg_2000_body_is_not_seen(tree):
    """As the documentation says: such a body has no checksum. The manifest sees it when it happens on disk."""
    content = bytearray(archive_server.jp2(START))
    content[-40] ^= 1
    path = tree / "flipped.jp2"
    path.write_bytes(content)
    checks.check("jp2", path, {"time": f"{START}Z", "tolerance": 2.0, "source": 19})


@given(st.binary(max_size=300))
def test_whatever_an_archive_answers_is_understood_or_rejected(body):
    for parse in (helioviewer.parse_closest, hek.parse, aia_synoptic.parse_listing):
        with contextlib.suppress(checks.Rejected):
            parse(body)


# The archives


def _run(main, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--rate", "0"])
    return ended.value.code


def _listing(times, channels=aia_synoptic.CHANNELS):
    names = [aia_synoptic.frame_path(time, channel).rsplit("/", 1)[1] for time in times for channel in channels]
    links = "".join(f'<a href="{name}">{name}</a> <a href="{name}.md5">md5</a>\n' for name in names)
    return f'<html><a href="AIA20140230_0000_0171.fits">a day that does not exist</a>{links}</html>'.encode()


def _aia_archive(server, times, channels=aia_synoptic.CHANNELS):
    for time_ in times:
        for channel in channels:
            server.add(f"/synoptic/{aia_synoptic.frame_path(time_, channel)}", archive_server.aia_fits(time_, channel))
    for hour in {aia_synoptic.hour_path(time_) for time_ in times}:
        inside = [time_ for time_ in times if aia_synoptic.hour_path(time_) == hour]
        server.add(f"/synoptic/{hour}/", _listing(inside, channels))


def test_aia_frames_by_listing(tree, small, capsys):
    """Frames are two minutes late, one is missing, one lacks a channel; the data set reads what was fetched."""
    from dataset_models.SDO.AIA import aia_files

    times = [numpy.datetime64(text) for text in ("2014-06-17T21:02", "2014-06-17T21:37", "2014-06-17T22:00")]
    with ArchiveServer() as server:
        _aia_archive(server, times)
        arguments = ["--start", "2014-06-17T21:00", "--end", "2014-06-17T22:30", "--cadence", "30", "--out", tree / "aia"]
        arguments += ["--url", f"{server.url}/synoptic"]
        aia_synoptic.main([*map(str, arguments), "--dry-run"])
        assert "16 files wanted, 0 of them" in capsys.readouterr().out
        assert not (tree / "aia").exists()
        assert _run(aia_synoptic.main, *arguments) == 3
        printed = capsys.readouterr().out
        assert "16 fetched, 1 missing at the source" in printed
        assert "2014-06-17T21:30:00Z: missing at the source: no frame within" in printed
        frames = aia_files.find_frames(tree / "aia")
        assert [frame.time for frame in frames if frame.is_complete] == [times[0], times[2]]
        before = server.requests.copy()
        assert _run(aia_synoptic.main, *arguments) == 3
        assert server.requests - before == {"/synoptic/2014/06/17/H2000/": 1}, "listings are remembered, but empty ones"
        assert _run(aia_synoptic.main, "--out", tree / "aia", "--verify") == 0
        (tree / "aia" / aia_synoptic.frame_path(times[0], 94)).unlink()
        assert _run(aia_synoptic.main, "--out", tree / "aia", "--verify") == 1
        assert "missing: 2014/06/17/H2100/AIA20140617_2102_0094.fits" in capsys.readouterr().out
        assert _run(aia_synoptic.main, "--out", tree / "aia", "--repair") == 0
        assert _run(aia_synoptic.main, "--out", tree / "aia", "--verify") == 0


@pytest.mark.parametrize("answer", [(403, b"no"), archive_server.HTML])
def test_an_hour_that_could_not_be_listed_is_not_taken_for_empty(tree, small, answer):
    times = [numpy.datetime64("2014-06-17T21:00"), numpy.datetime64("2014-06-17T21:30")]
    with ArchiveServer() as server:
        _aia_archive(server, times)
        hour = f"/synoptic/{aia_synoptic.hour_path(times[0])}/"
        listing, server.files[hour] = server.files[hour], lambda query: answer
        arguments = ["--start", "2014-06-17T21:00", "--end", "2014-06-17T22:00", "--cadence", "30", "--tolerance", "0"]
        arguments += ["--out", tree / "aia"]
        with pytest.raises(UserError, match=r"1 hours could not be listed, .*/H2100/: (answers 403|is no listing)"):
            _run(aia_synoptic.main, *arguments, "--url", f"{server.url}/synoptic", "--tries", "1")
        server.files[hour] = listing
        assert _run(aia_synoptic.main, *arguments, "--url", f"{server.url}/mistyped") == 3
        assert _run(aia_synoptic.main, *arguments, "--url", f"{server.url}/synoptic") == 0
        assert len(list((tree / "aia").rglob("*.fits"))) == 16


def test_quiet_hours_are_those_that_the_list_covers(tree, small):
    start, end = numpy.datetime64("2014-01-01T00:00:00"), numpy.datetime64("2014-02-01T00:00:00")
    loud = numpy.array(["2014-01-14T18:04", "2014-01-17T03:00", "2014-01-17T12:00"], "datetime64[s]")
    step = numpy.timedelta64(1, "h")
    for seed in range(20):
        times = aia_synoptic.times_around_flares({"loud": loud, "all": loud}, start, end, step, seed=seed)
        assert len(times) == 6
        assert loud[0] < times[1:].min()
        assert times.max() <= loud[-1]
    early = numpy.append(loud, numpy.datetime64("2013-12-01", "s"))
    every = [aia_synoptic.times_around_flares({"loud": loud, "all": early}, start, end, step, seed=seed) for seed in range(20)]
    assert min(times.min() for times in every) < loud[0], "flares before the start count as well"
    flares = tree / "flares.csv"  # a list that ends on the second day of a month
    rows = ["2014-06-01 01:10:00,M2.5", "2014-06-02 15:10:00,M2.5"]
    flares.write_text("\n".join(["start_time,goes_class", *rows, ""]))
    with ArchiveServer() as server:
        _aia_archive(server, numpy.arange("2014-06-01", "2014-06-03", dtype="datetime64[h]").astype("datetime64[s]"))
        arguments = ["--start", "2014-06-01", "--end", "2014-07-01", "--flares", flares, "--out", tree / "aia"]
        assert _run(aia_synoptic.main, *arguments, "--url", f"{server.url}/synoptic") == 0


def test_loud_and_quiet_hours_are_as_many():
    start, end = numpy.datetime64("2014-01-01T00:00:00"), numpy.datetime64("2014-02-01T00:00:00")
    loud = numpy.array(["2014-01-07T18:04", "2014-01-07T18:40", "2014-01-20T03:00"], "datetime64[s]")
    every = numpy.sort(numpy.append(loud, numpy.datetime64("2014-01-10T12:00", "s")))
    step = numpy.timedelta64(12, "m")
    times = aia_synoptic.times_around_flares({"loud": loud, "all": every}, start, end, step, seed=3)
    hours = numpy.unique(times.astype("datetime64[h]"))
    assert len(times) == 5 * len(hours) == 20
    assert numpy.isin(numpy.unique(loud.astype("datetime64[h]")), hours).all()
    quiet = numpy.setdiff1d(hours, loud.astype("datetime64[h]")).astype("datetime64[s]")
    assert numpy.abs(quiet[:, None] - every[None]).min() > numpy.timedelta64(5, "h")
    again = aia_synoptic.times_around_flares({"loud": loud, "all": every}, start, end, step, seed=3)
    numpy.testing.assert_array_equal(times, again)


def _helioviewer(server, observed, sources=("19",)):
    """Serve images of times; getClosestImage answers with the nearest one."""
    observed = numpy.array(observed, "datetime64[s]")

    def closest(query):
        if query["sourceId"] not in sources:
            return json.dumps({"error": "Invalid sourceId"}).encode()
        asked = numpy.datetime64(query["date"].removesuffix("Z"), "s")
        index = int(numpy.abs(observed - asked).argmin())
        return json.dumps({"id": str(1000 + index), "date": str(observed[index]).replace("T", " ")}).encode()

    server.add("/v2/getClosestImage/", closest)
    server.add("/v2/getJP2Image/", lambda query: archive_server.jp2(observed[int(query["id"]) - 1000]))


def test_helioviewer_takes_near_images_once(tree, capsys):
    from dataset_models.SDO.HMI import magnetogram_images

    observed = ["2022-08-02T00:00:12", "2022-08-02T00:59:00", "2022-08-02T05:10:00"]
    with ArchiveServer() as server:
        _helioviewer(server, observed)
        arguments = ["--start", "2022-08-02", "--end", "2022-08-02T04:00", "--out", tree, "--url", f"{server.url}/v2"]
        assert _run(helioviewer.main, *arguments, "--cadence", "60") == 3
        printed = capsys.readouterr().out
        assert "2 fetched, 2 missing at the source" in printed
        assert "the closest image is of 2022-08-02T00:59:00Z, further away than 30 minutes" in printed
        found = magnetogram_images.scan(tree)
        assert [str(time_) for time_ in found] == observed[:2]
        images = [path for path in server.requests if "getJP2Image" in path]
        assert _run(helioviewer.main, *arguments, "--cadence", "20") == 3
        assert [path for path in server.requests if "getJP2Image" in path] == images, "no image twice"
        assert _run(helioviewer.main, "--out", tree, "--verify") == 0


def test_helioviewer_before_flares(tree, capsys):
    from dataset_models.SDO.HMI import flare_sequences

    flares = tree / "flares.csv"
    flares.write_text("start_time,goes_class,peak_time\n2022-08-02 11:50:00,M2.5,2022-08-02 12:00:00\n")
    hours = [numpy.datetime64("2022-08-02T02:00:30") + numpy.timedelta64(n, "h") for n in range(11)]
    with ArchiveServer() as server:
        _helioviewer(server, hours)
        arguments = ["--start", "2022-08-02", "--end", "2022-08-03", "--flares", flares, "--out", tree / "out"]
        assert _run(helioviewer.main, *arguments, "--url", f"{server.url}/v2") == 0
    folder = tree / "out" / "20220802T120000_M2.5" / "19"
    assert len(list(folder.glob("*.jp2"))) == 11
    assert (folder / "20220802T020030.jp2").is_file()
    assert len(flare_sequences.find_images(tree / "out")) == 11


@pytest.mark.long
def test_what_is_available_around_flares_is_listed_before_anything_is_fetched(tree, capsys):
    """Two hours before and after the peaks of two flares, of two sources; the second flare lacks a frame."""
    import csv

    from dataset_models.SDO.HMI import flare_sequences

    flares = tree / "flares.csv"
    times = "2022-08-02 11:50:00,M2.5,2022-08-02 12:00:00\n2022-08-03 11:50:00,X1.0,2022-08-03 12:00:00\n"
    flares.write_text(f"start_time,goes_class,peak_time\n{times}")
    hours = [numpy.datetime64("2022-08-02T10:00:30") + numpy.timedelta64(n, "h") for n in (0, 1, 2, 3, 4, 24, 25, 26, 27)]
    lists = {name: tree / f"{name}.csv" for name in ("list", "list_flares")}
    with ArchiveServer() as server:
        _helioviewer(server, hours, ("19", "0"))
        arguments = ["--start", "2022-08-02", "--end", "2022-08-04", "--flares", flares, "--out", tree / "out", "--before", "2"]
        arguments += ["--after", "2", "--source_ids", "19", "0", "--url", f"{server.url}/v2", "--tolerance", "20"]
        listing = [word for name, path in lists.items() for word in (f"--{name}", path)]
        helioviewer.main([*map(str, [*arguments, "--dry-run", *listing])])
        printed = capsys.readouterr().out
        assert "1 of 2 flares have all their frames" in printed
        assert "18 files wanted, 0 of them seem to be there, 2 times without an image" in printed
        assert not any("getJP2Image" in path for path in server.requests)
        rows = list(csv.DictReader(lists["list"].read_text().splitlines()))
        assert [row["state"] for row in rows].count("available") == 18
        lacking = [row for row in rows if row["state"] == "missing at the source"]
        assert {row["requested"] for row in lacking} == {f"2022-08-03T14:00:00Z of source {source}" for source in (19, 0)}
        assert all("further away than 20 minutes" in row["reason"] for row in lacking)
        whole, part = csv.DictReader(lists["list_flares"].read_text().splitlines())
        assert (whole["time"], whole["frames"], whole["left_out_because"]) == ("2022-08-02T12:00:00Z", "10", "")
        assert part["left_out_because"].startswith("2 of 10 frames missing; the first, 2022-08-03T14:00:00Z of source 0: ")
        assert _run(helioviewer.main, *arguments) == 3
        assert "18 fetched, 2 missing at the source" in capsys.readouterr().out
    for source in (19, 0):
        folder = tree / "out" / "20220802T120000_M2.5" / str(source)
        assert len(list(folder.glob("*.jp2"))) == 5
    assert len(flare_sequences.find_images(tree / "out")) == 9


def test_one_frame_of_aia_before_each_flare_and_random_quiet_times(tree, small, capsys):
    flares = tree / "flares.csv"
    rows = ["2014-06-10 11:50:00,C1.0,2014-06-10 12:00:00", "2014-06-15 11:50:00,M2.5,2014-06-15 12:07:00"]
    rows += ["2014-06-17 13:00:00,X1.0,2014-06-17 13:40:00", "2014-06-25 11:50:00,C1.0,2014-06-25 12:00:00"]
    flares.write_text("start_time,goes_class,peak_time\n" + "\n".join(rows) + "\n")
    span = numpy.arange("2014-06-15", "2014-06-18", dtype="datetime64[h]").astype("datetime64[s]")
    with ArchiveServer() as server:
        _aia_archive(server, span, (171,))
        arguments = ["--start", "2014-06-15", "--end", "2014-06-18", "--flares", flares, "--lead", "12", "--tolerance", "30"]
        arguments += ["--channels", "171", "--out", tree / "aia", "--url", f"{server.url}/synoptic"]
        assert _run(aia_synoptic.main, *arguments, "--quiet", "3") == 0
        assert "2 flares and 3 quiet times" in capsys.readouterr().out
        names = sorted(path.name for path in (tree / "aia").rglob("*.fits"))
        assert len(names) == 5
        assert {"AIA20140615_0000_0171.fits", "AIA20140617_0200_0171.fits"} <= set(names)  # nearest to 00:07 and 01:40
        aia_synoptic.main([*map(str, arguments), "--quiet", "3", "--dry-run"])
        assert "5 files wanted, 5 of them seem to be there" in capsys.readouterr().out
        aia_synoptic.main([*map(str, arguments), "--quiet", "3", "--seed", "1", "--dry-run"])
        assert "5 files wanted, 2 of them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--quiet", "3"], "--quiet and --list_flares: are about frames around flares; give --lead"),
        (["--list_flares", "x.csv"], "need --flares, the list of flares"),
        (["--lead", "3"], "need --flares, the list of flares"),
        (["--flares", "flares.csv", "--list_flares", "x.csv"], "are about frames around flares"),
        (["--flares", "flares.csv", "--lead", "3", "--before", "2"], "--lead: is one frame before each flare"),
    ],
)
def test_flags_about_flares_that_say_nothing_are_refused(tree, monkeypatch, more, message):
    monkeypatch.chdir(tree)
    rows = "2014-06-10 11:50:00,C1.0\n2014-06-15 11:50:00,M2.5\n2014-06-25 11:50:00,C1.0\n"
    (tree / "flares.csv").write_text("start_time,goes_class\n" + rows)
    with pytest.raises(UserError, match=message):
        aia_synoptic.main(["--start", "2014-06-15", "--end", "2014-06-16", "--out", "aia", *more])
    assert not (tree / "aia").exists()
    assert not (tree / "x.csv").exists()


@given(st.lists(st.integers(0, 2000), min_size=2, max_size=30), st.integers(0, 48), st.integers(1, 40))
def test_quiet_times_are_quiet(minutes, ahead, count):
    every = START + numpy.array([10 * minute for minute in minutes], "timedelta64[m]")
    step, ahead, six = numpy.timedelta64(720, "s"), numpy.timedelta64(ahead, "h"), numpy.timedelta64(6, "h")
    end = START + numpy.timedelta64(14, "D")
    times = aia_synoptic.quiet_times(every, START, end, step, count, ahead=ahead, seed=3)
    assert len(times) <= count
    assert len(numpy.unique(times)) == len(times)
    for one in times:
        assert not ((every >= one - six) & (every <= one + max(ahead, six))).any()
        assert every.min() < one < every.max()


def test_data_sets_run_the_scripts_of_their_archives(tree, small, monkeypatch, shared):
    """Magnetograms and their flare list, AIA and its flux: each from a loopback archive, by `SolarData.download`."""
    from dataset_models.SDO.AIA.fdl_1 import AIA8
    from dataset_models.SDO.HMI.flare_sequences import FlareSequences
    from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms

    catalogue = tree / "HEK" / "catalogue.csv"
    options = {"folder": str(tree / "hmi"), "flares": (str(catalogue),), "image_size": 16}
    data = FullDiskMagnetograms(**options)
    with pytest.raises(
        UserError, match=r"choose the time: python dataset_models/download/hek\.py --start TIME --end TIME --out"
    ):
        data.download()
    records = _hek_records(3)
    hours = numpy.arange("2014-01-02", "2014-01-03", dtype="datetime64[h]")
    with ArchiveServer() as server:
        _helioviewer(server, hours)
        server.add("/hek", lambda query: json.dumps({"result": records, "overmax": False}).encode())
        monkeypatch.setenv("SOLAR_HELIOVIEWER_URL", f"{server.url}/v2")
        monkeypatch.setenv("SOLAR_HEK_URL", f"{server.url}/hek")
        found = data.download("2014-01-02", "2014-01-02T06:00")
        assert found.found == 6
        assert data.is_downloaded().found == 6
        assert catalogue.is_file()
        assert FullDiskMagnetograms(**options, start="2014-01-02", end="2014-01-02T08:00").download().found == 8
        sequences = FlareSequences(folder=str(tree / "sequences"), flares=(str(catalogue),), image_size=16, window_hours=2.0)
        command = str(sequences.downloads("2014-01-02", "2014-01-03")[-1])
        assert f"--flares {catalogue} --before 2 --after 0 --least_class C1.0 --source 19" in command
    with ArchiveServer() as server:
        time_ = numpy.datetime64("2011-06-07T00:00:00")
        _aia_archive(server, [time_])
        _fits_archive(server, monkeypatch, shared)
        monkeypatch.setenv("SOLAR_JSOC_AIA_URL", f"{server.url}/synoptic")
        options = {"folder": str(tree / "aia"), "goes": str(tree / "xrs.sqlite"), "satellite": 15}
        with pytest.raises(UserError, match="choose the time: python dataset_models/download/aia_synoptic"):
            AIA8(**options).download()
        with pytest.raises(UserError, match="near real time flux has no archive"):
            AIA8(**options, calibration="near real time").download("2011-06-07", "2011-06-08")
        data = AIA8(**options, calibration="operational")
        assert data.download("2011-06-07T00:00", "2011-06-07T00:30").found == 8


def test_unknown_helioviewer_source(tree):
    with ArchiveServer() as server:
        _helioviewer(server, ["2022-08-02T00:00:12"])
        arguments = ["--start", "2022-08-02", "--end", "2022-08-02T01:00", "--out", str(tree), "--url", f"{server.url}/v2"]
        with pytest.raises(UserError, match=r"--source 7777: .*Invalid sourceId"):
            helioviewer.main([*arguments, "--source", "7777", "--tries", "1"])


def _hek_records(count):
    start = numpy.datetime64("2014-01-01T00:30:00")
    return [
        {
            "event_starttime": str(start + numpy.timedelta64(3 * n, "h")),
            "event_peaktime": str(start + numpy.timedelta64(180 * n + 10, "m")),
            "event_endtime": str(start + numpy.timedelta64(180 * n + 20, "m")),
            "fl_goescls": f"C{1 + n % 8}.{n % 10}",
            "ar_noaanum": 11900 + n % 5,
            "hgs_x": 10.0,
            "hgs_y": -5.0,
            "frm_name": "SWPC",
        }
        for n in range(count)
    ]


@pytest.mark.long
def test_hek_month_by_month(tree, capsys):
    from dataset_models import flare_catalogue

    records = _hek_records(300)  # 37 days

    def answer(query):
        begin, end = (numpy.datetime64(query[f"event_{name}time"], "s") for name in ("start", "end"))
        inside = [one for one in records if begin <= numpy.datetime64(one["event_starttime"]) < end]
        inside += inside[:2]  # HEK repeats itself
        page = int(query["page"])
        return json.dumps({"result": inside[(page - 1) * 100 : page * 100], "overmax": len(inside) > page * 100}).encode()

    with ArchiveServer(archive_server.sometimes(0.3, seed=4, faults=("503", "html", "json error", "cut", "empty"))) as server:
        server.add("/hek/her", answer)
        arguments = ["--start", "2014-01-01", "--end", "2014-04-01", "--out", tree, "--url", f"{server.url}/hek/her"]
        assert _run(hek.main, *arguments, "--tries", "12") == 0
        assert "3 fetched" in capsys.readouterr().out
        assert len(flare_catalogue.read([tree / "catalogue.csv"]).events) == 300
        before = server.requests.total()
        assert _run(hek.main, *arguments) == 0
        assert server.requests.total() == before
        (tree / "2014-02.csv").write_text("spoiled")
        assert _run(hek.main, "--out", tree, "--verify") == 1
        assert _run(hek.main, "--out", tree, "--repair", "--url", f"{server.url}/hek/her", "--tries", "12") == 0
        assert _run(hek.main, "--out", tree, "--verify") == 0


def test_a_hek_that_is_not_there_is_no_quiet_month(tree, capsys):
    arguments = ["--start", "2014-01-01", "--end", "2014-02-01", "--out", tree, "--tries", "1"]
    with ArchiveServer() as server:
        assert _run(hek.main, *arguments, "--url", f"{server.url}/hek/mistyped") == 4
        assert "2014-01.csv: not fetched: " in capsys.readouterr().out
        server.add("/hek/her", lambda query: (403, b"no"))
        assert _run(hek.main, *arguments, "--url", f"{server.url}/hek/her") == 4
        assert "answers 403; access is refused" in capsys.readouterr().out
    assert not list(manifest.data_files(tree))


def test_a_malformed_row_of_hek_is_named_and_the_others_kept(tree, capsys):
    from dataset_models import flare_catalogue

    records = _hek_records(6)
    records[1]["event_starttime"] = "soon"
    records[2]["fl_goescls"] = "Z3.0"
    del records[3]["event_starttime"]
    with ArchiveServer() as server:
        server.add("/hek/her", lambda query: json.dumps({"result": records, "overmax": False}).encode())
        arguments = ["--start", "2014-01-01", "--end", "2014-02-01", "--out", tree, "--url", f"{server.url}/hek/her"]
        assert _run(hek.main, *arguments, "--tries", "1") == 0
    printed = capsys.readouterr().out
    for problem in ("3: not a GOES class: 'Z3.0'", "6: not a time: 'soon'", "7: no start time"):
        assert f"2014-01.csv:{problem}" in printed
    assert list(flare_catalogue.read(tree / "catalogue.csv").events["goes_class"]) == ["C1.0", "C5.4", "C6.5"]


def test_a_flare_list_that_is_gone_is_named_and_the_others_joined(tree, capsys):
    from dataset_models import flare_catalogue

    records = _hek_records(300)

    def answer(query):
        begin, end = (numpy.datetime64(query[f"event_{name}time"], "s") for name in ("start", "end"))
        inside = [one for one in records if begin <= numpy.datetime64(one["event_starttime"]) < end]
        return json.dumps({"result": inside, "overmax": False}).encode()

    with ArchiveServer() as server:
        server.add("/hek/her", answer)
        arguments = ["--out", tree, "--url", f"{server.url}/hek/her", "--tries", "1"]
        assert _run(hek.main, "--start", "2014-01-01", "--end", "2014-03-01", *arguments) == 0
        (tree / "2014-01.csv").unlink()
        assert _run(hek.main, "--start", "2014-02-01", "--end", "2014-03-01", *arguments) == 0
    assert "without 2014-01.csv, which the manifest names and which is not there any more; run --repair" in (
        capsys.readouterr().out
    )
    assert flare_catalogue.read(tree / "catalogue.csv").events["start"].min() >= numpy.datetime64("2014-02-01")


def test_a_refused_key_is_named(tree, monkeypatch):
    monkeypatch.setenv("NASA_API_KEY", "secret123")
    with ArchiveServer() as server:
        server.add("/FLR", lambda query: (403, b'{"error": {"code": "API_KEY_INVALID"}}'))
        arguments = ["--start", "2022-09-01", "--end", "2022-10-01", "--out", tree, "--url", f"{server.url}/FLR"]
        with pytest.raises(UserError, match=r"/FLR: refuses the key \(answers 403: .*INVALID.*set NASA_API_KEY") as caught:
            _run(donki.main, *arguments)
    assert "secret123" not in str(caught.value)
    assert not list(manifest.data_files(tree))


def test_donki_windows_without_their_key(tree, shared, monkeypatch, capsys):
    monkeypatch.setenv("NASA_API_KEY", "secret123")
    records = json.loads((shared / "json" / "donki_flr_6records.json").read_text())
    keys = set()

    def answer(query):
        keys.add(query["api_key"])
        inside = [one for one in records if query["startDate"] <= one["beginTime"][:10] <= query["endDate"]]
        return json.dumps(inside).encode()

    with ArchiveServer() as server:
        server.add("/DONKI/FLR", answer)
        arguments = ["--start", "2022-09-01", "--end", "2022-10-01", "--out", tree, "--url", f"{server.url}/DONKI/FLR"]
        assert _run(donki.main, *arguments) == 0
    assert keys == {"secret123"}
    with manifest.Manifest(tree, donki.ARCHIVE) as book:
        assert len(book) == 6, "windows begin at fixed days, whatever --start is"
        assert not any("secret123" in record.url for record in book.records())
    assert (tree / "catalogue.csv").read_text().count("\n") == 1 + sum(one["beginTime"][:7] == "2022-09" for one in records)


def _week(shared, *, count=3):
    """Records like those of DONKI, one on each of some days from 2022-09-04: list of str."""
    record = json.loads((shared / "json" / "donki_flr_6records.json").read_text())[0]
    days = [f"2022-09-{4 + n:02d}" for n in range(count)]
    return [json.dumps(record | {"beginTime": f"{day}T07:35Z", "peakTime": None, "endTime": None}) for day in days]


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (lambda records: [*records, "null"], 3),
        (lambda records: [*records, '"x"'], 3),
        (lambda records: [records[0], "{}", *records[1:]], 3),
        (lambda records: [records[0], records[1].replace('"beginTime"', '"begin"'), records[2]], 2),
        (lambda records: [records[0], records[1].replace('"C', '"\udcff'), records[2]], 2),
        (lambda records: [records[0], records[1].replace(":", "\udcff", 1), records[2]], 2),
    ],
)
def test_a_record_of_donki_that_cannot_be_read_costs_no_other(tree, shared, capsys, damage, kept):
    from dataset_models import flare_catalogue

    records, broken = _week(shared), {"is": True}

    def answer(query):
        if query["startDate"] > "2022-09-04":
            return b"[]"
        listed = damage(records) if broken["is"] else records
        return ("[" + ",\n".join(listed) + "]").encode("utf-8", "surrogateescape")

    arguments = ["--start", "2022-09-04", "--end", "2022-09-11", "--out", tree, "--tries", "1"]
    with ArchiveServer() as server:
        server.add("/FLR", answer)
        assert _run(donki.main, *arguments, "--url", f"{server.url}/FLR") == 4
        printed = capsys.readouterr().out
        assert ".json: left out: 1 of " in printed
        assert len(flare_catalogue.read(tree / "catalogue.csv").events) == kept
        broken["is"] = False
        assert _run(donki.main, *arguments, "--url", f"{server.url}/FLR") == 0, "asked for again"
        assert len(flare_catalogue.read(tree / "catalogue.csv").events) == 3
        before = server.requests.total()
        assert _run(donki.main, *arguments, "--url", f"{server.url}/FLR") == 0
        assert server.requests.total() == before


@pytest.mark.parametrize("body", [b"\xff\xfe\xff" * 200, b"", b"[{", b'{"error": ["busy"]}', b"[null, 1]", b"[" * 100000])
def test_a_week_of_donki_that_cannot_be_read_costs_no_other(tree, shared, capsys, body):
    from dataset_models import flare_catalogue

    good = ("[" + ",".join(_week(shared)) + "]").encode()
    arguments = ["--start", "2022-09-01", "--end", "2022-09-14", "--out", tree, "--tries", "1"]
    with ArchiveServer() as server:
        server.add("/FLR", lambda query: good if "2022-09-04" <= query["endDate"] <= "2022-09-10" else body)
        assert _run(donki.main, *arguments, "--url", f"{server.url}/FLR") == 4
        assert ".json and 1 more: rejected: " in capsys.readouterr().out
        assert 0 < len(flare_catalogue.read(tree / "catalogue.csv").events) <= 3
        server.add("/FLR", lambda query: good)
        assert _run(donki.main, *arguments, "--url", f"{server.url}/FLR") == 0
        week = tree / "2022-09-02.json"
        week.write_bytes(b"?" * week.stat().st_size)  # damaged on the disk, of the same size
        assert _run(donki.main, *arguments, "--url", f"{server.url}/FLR") == 0, "asked for again"
        assert json.loads(week.read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body.replace(b'"C5.4"', b'"C5.\xff"'),
        lambda body: body.replace(b'"fl_goescls": "C5.4"', b'"fl_goescls"\xff "C5.4"'),
        lambda body: body.replace(b'"result": [', b'"result": [null, '),
        lambda body: body.replace(b'"result": [', b'"result": [["x"], '),
    ],
)
def test_a_record_of_hek_that_cannot_be_read_costs_no_other(tree, capsys, damage):
    from dataset_models import flare_catalogue

    body = json.dumps({"result": _hek_records(6), "overmax": False}).encode()
    arguments = ["--start", "2014-01-01", "--end", "2014-02-01", "--out", tree, "--tries", "1"]
    with ArchiveServer() as server:
        server.add("/her", damage(body))
        assert _run(hek.main, *arguments, "--url", f"{server.url}/her") == 4
        assert "2014-01.csv: left out: 1 records; the next run asks for it again" in capsys.readouterr().out
        events = flare_catalogue.read(tree / "catalogue.csv").events
        assert {"C1.0", "C2.1", "C3.2", "C4.3", "C6.5"} <= set(events["goes_class"])
        server.add("/her", body)
        assert _run(hek.main, *arguments, "--url", f"{server.url}/her") == 0, "asked for again"
        assert len(flare_catalogue.read(tree / "catalogue.csv").events) == 6
        before = server.requests.total()
        assert _run(hek.main, *arguments, "--url", f"{server.url}/her") == 0
        assert server.requests.total() == before


def test_a_month_of_hek_that_cannot_be_read_costs_no_other(tree, capsys):
    from dataset_models import flare_catalogue

    records = _hek_records(300)

    def answer(query):
        begin, end = (numpy.datetime64(query[f"event_{name}time"], "s") for name in ("start", "end"))
        if begin == numpy.datetime64("2014-02-01"):
            return b'{"result": [{"event_starttime": "2014-02-01T00:30:00"'
        inside = [one for one in records if begin <= numpy.datetime64(one["event_starttime"]) < end]
        return json.dumps({"result": inside, "overmax": False}).encode()

    arguments = ["--start", "2014-01-01", "--end", "2014-03-01", "--out", tree, "--tries", "1"]
    with ArchiveServer() as server:
        server.add("/her", answer)
        assert _run(hek.main, *arguments, "--url", f"{server.url}/her") == 4
        assert "2014-02.csv: not fetched: " in capsys.readouterr().out
        assert len(flare_catalogue.read(tree / "catalogue.csv").events) == 248
        january = tree / "2014-01.csv"
        january.write_bytes(b"?" * january.stat().st_size)
        assert _run(hek.main, *arguments, "--url", f"{server.url}/her") == 4
        assert len(flare_catalogue.read(tree / "catalogue.csv").events) == 248, "asked for again"


def test_regions_of_a_day(tree, capsys):
    import pandas

    with ArchiveServer() as server:
        server.add("/srs/2014/06/20140617SRS.txt", archive_server.summary("2014-06-17"))
        server.add("/srs/2014/06/20140618SRS.txt", archive_server.summary("2014-06-11"))
        arguments = ["--start", "2014-06-17", "--end", "2014-06-19", "--out", tree, "--url", f"{server.url}/srs"]
        assert _run(noaa_regions.main, *arguments, "--tries", "1") == 4
    assert "was issued on 2014-06-11, not on 2014-06-18" in capsys.readouterr().out
    regions = pandas.read_csv(tree / "regions.csv")
    assert list(regions["noaa_region"]) == [12087, 12085]
    assert list(regions["longitude"]) == [-7.0, 13.0]
    assert list(regions["latitude"]) == [-18.0, -20.0]
    assert list(regions["hale_class"]) == ["Beta-Gamma", "Beta-Gamma-Delta"]
    (tree / "2014/06/20140617SRS.txt").unlink()
    with ArchiveServer() as server:
        server.add("/srs/2014/06/20140618SRS.txt", archive_server.summary("2014-06-18"))
        assert (
            _run(
                noaa_regions.main, "--start", "2014-06-18", "--end", "2014-06-19", *arguments[4:6], "--url", server.url + "/srs"
            )
            == 0
        )
    assert "without 2014/06/20140617SRS.txt" in capsys.readouterr().out
    assert set(pandas.read_csv(tree / "regions.csv")["date"]) == {"2014-06-18"}


def test_a_day_of_regions_that_cannot_be_read_costs_no_other(tree, shared, capsys):
    import pandas

    cases = {path.name[:8]: path.read_bytes() for path in (shared.parent / "cases" / "srs").glob("*.txt")}
    cases["20010315"] = cases["20010315"].replace(b"Regions with Sunspots", b"Reg").replace(b"I.  ", b"")
    arguments = ["--start", "2001-03-11", "--end", "2001-03-18", "--out", tree, "--tries", "1"]
    with ArchiveServer() as server:
        for day, text in cases.items():
            server.add(f"/srs/{day[:4]}/{day[4:6]}/{day}SRS.txt", text)
        assert _run(noaa_regions.main, *arguments, "--url", f"{server.url}/srs") == 4
        printed = capsys.readouterr().out
        assert "2001/03/20010315SRS.txt: rejected: is no solar region summary" in printed
        assert "20010317SRS.txt:11: region 9368: its place, 'N25W??', left unknown" in printed
        regions = pandas.read_csv(tree / "regions.csv")
        assert sorted(set(regions["date"])) == [f"2001-03-{day}" for day in (11, 12, 13, 14, 16, 17)]
        assert len(regions) == 12
        assert regions["hale_class"].isna().sum() == regions["longitude"].isna().sum() == 1

        spoiled = tree / "2001/03/20010313SRS.txt"  # of the same size: only its content shows that it is damaged
        spoiled.write_bytes(b"?" * spoiled.stat().st_size)
        for path in ("/srs/2001/03/20010315SRS.txt", "/srs/2001/03/20010313SRS.txt"):
            body = server.files.pop(path)
        assert _run(noaa_regions.main, *arguments, "--url", f"{server.url}/srs") == 4
        assert "2001/03/20010313SRS.txt: left out: is no solar region summary" in capsys.readouterr().out
        assert "2001-03-13" not in set(pandas.read_csv(tree / "regions.csv")["date"])
        for path in ("/srs/2001/03/20010315SRS.txt", "/srs/2001/03/20010313SRS.txt"):
            server.add(path, body.replace(b"2001 Mar 13", f"2001 Mar {path[-9:-7]}".encode()))
        assert _run(noaa_regions.main, *arguments, "--url", f"{server.url}/srs") == 0
    assert set(pandas.read_csv(tree / "regions.csv")["date"]) == {f"2001-03-{day}" for day in range(11, 18)}


def test_repair_takes_files_from_the_mirror_that_is_set(tree, small, monkeypatch, shared):
    monkeypatch.setenv("NASA_API_KEY", "key")
    time_ = numpy.datetime64("2022-08-02T00:00:12")
    records = (shared / "json" / "donki_flr_6records.json").read_bytes()

    def serve(server, prefix):
        _aia_archive(server, [numpy.datetime64("2014-06-17T21:00")])
        server.add("/srs/2014/06/20140617SRS.txt", archive_server.summary("2014-06-17"))
        server.add("/FLR", records)
        _helioviewer(server, [str(time_)])
        for path in list(server.files):
            server.add(prefix + path, server.files.pop(path))

    cases = {
        "jsoc_aia": (aia_synoptic.main, "synoptic", ["--start", "2014-06-17T21:00", "--end", "2014-06-17T21:30"]),
        "noaa_regions": (noaa_regions.main, "srs", ["--start", "2014-06-17", "--end", "2014-06-18"]),
        "donki": (donki.main, "FLR", ["--start", "2022-09-01", "--end", "2022-09-02"]),
        "helioviewer": (helioviewer.main, "v2", ["--start", "2022-08-02", "--end", "2022-08-02T00:10"]),
    }
    with ArchiveServer() as dead:
        serve(dead, "")
        for name, (main, place, span) in cases.items():
            assert _run(main, *span, "--out", tree / name, "--url", f"{dead.url}/{place}") == 0, name
    with ArchiveServer() as mirror:
        serve(mirror, "/mirror")
        for name, (main, place, _) in cases.items():
            lost = next(tree / name / path for path in manifest.data_files(tree / name))
            lost.unlink()
            with pytest.raises(UserError, match="cannot be reached"):
                _run(main, "--out", tree / name, "--repair", "--tries", "2")
            flag = ["--url", f"{mirror.url}/mirror/{place}"]
            if name == "donki":
                monkeypatch.setenv("SOLAR_DONKI_URL", flag[1])
                flag = []
            assert _run(main, "--out", tree / name, "--repair", *flag, "--tries", "2") == 0, name
            assert lost.is_file()
            with manifest.Manifest(tree / name, main.__globals__["ARCHIVE"]) as book:
                url = book.get(lost.relative_to(tree / name).as_posix()).url
            assert url.startswith(f"{mirror.url}/mirror/{place}"), "the manifest says where it came from"


def test_goes_into_the_store(tree, shared, monkeypatch, capsys):
    from dataset_models import goes_xrs

    names = ["go1520110607.fits", "sci_xrsf-l2-avg1m_g15_d20140101_v1-0-0.nc", "sci_xrsf-l2-flsum_g15_d20101016_v1-0-0.nc"]
    with ArchiveServer(lambda path, attempt: "cut" if attempt == 1 else None) as server:
        for name in names:
            server.add(f"/goes/{name}", (shared / "xrs" / name).read_bytes())
        days = ["2011-06-07", "2014-01-01", "2010-10-16"]
        rows = [(f"https://far.away/goes/{name}", day, 15) for name, day in zip(names, days, strict=True)]
        monkeypatch.setattr(goes, "search", lambda *_, **__: rows)
        store = tree / "xrs.sqlite"
        arguments = ["--start", "2011-01-01", "--end", "2014-12-31", "--store", store, "--url", server.url]
        assert _run(goes.main, *arguments) == 0
    printed = capsys.readouterr().out
    assert "2 fetched" in printed
    assert "xrs.sqlite: 2 files imported, 0 already there" in printed
    assert len(goes_xrs.contents(store)) >= 2
    damaged = tree / "files" / "goes15" / "2011" / names[0]
    damaged.write_bytes(b"?" * damaged.stat().st_size)
    store.unlink()
    assert _run(goes.main, *arguments) == 4, "of the right size, and so taken for whole"
    assert f"{names[0]}: rejected: for the flux store: " in capsys.readouterr().out
    with ArchiveServer() as server:
        server.add(f"/goes/{names[0]}", (shared / "xrs" / names[0]).read_bytes())
        assert _run(goes.main, "--store", store, "--repair", "--url", server.url) == 0


def test_goes_files_are_found_by_sunpy(monkeypatch):
    """GOES-15 until March 2020, GOES-16 and 19 after it, all in one question; listings as NOAA has them."""
    from sunpy.net.dataretriever import XRSClient

    def listing(*names):
        return "".join(f'<a href="{name}">{name}</a>' for name in names).encode()

    with ArchiveServer() as server:
        for name in ("pattern_new", "pattern_r"):
            pattern = getattr(XRSClient, name)
            monkeypatch.setattr(XRSClient, name, f"{server.url}/{pattern.split('/', 3)[3]}")
        old = "/data/goes-space-environment-monitor/access/science/xrs/goes15/xrsf-l2-avg1m_science/2020/03/"
        server.add(old, listing("sci_xrsf-l2-avg1m_g15_d20200303_v2-2-0.nc"))
        for number in (16, 19):
            place = f"/platforms/solar-space-observing-satellites/goes/goes{number}/l2/data/xrsf-l2-avg1m_science/2020/03/"
            names = [f"sci_xrsf-l2-avg1m_g{number}_d202003{day:02d}_v2-2-0.nc" for day in range(1, 8)]
            server.add(place, listing(*names))
        rows = goes.search(numpy.datetime64("2020-03-03", "s"), numpy.datetime64("2020-03-06", "s"))
        found = {(satellite, day) for _, day, satellite in rows}
        days = ("2020-03-03", "2020-03-04", "2020-03-05")
        assert found == {(15, days[0]), *((number, day) for number in (16, 19) for day in days)}
        assert len(rows) == len(found)
        only = goes.search(numpy.datetime64("2020-03-03", "s"), numpy.datetime64("2020-03-06", "s"), satellite=19)
        assert {satellite for _, _, satellite in only} == {19}
    wanted = goes.wanted_files(rows, mirror="http://mirror:8080")
    assert all(one.url.startswith("http://mirror:8080/") for one in wanted)
    assert {one.path.split("/")[0] for one in wanted} == {"goes15", "goes16", "goes19"}


def _fits_archive(server, monkeypatch, shared):
    """NASA's archive of daily FITS, with the listing and the file of one day, of two satellites."""
    from sunpy.net.dataretriever import XRSClient

    monkeypatch.setattr(XRSClient, "pattern_old", f"{server.url}/{XRSClient.pattern_old.split('/', 3)[3]}")
    names = ["go1420110607.fits", "go1520110606.fits", "go1520110607.fits", "go1520110608.fits"]
    server.add("/goes/fits/2011/", "".join(f'<a href="{name}">{name}</a>' for name in names).encode())
    server.add("/goes/fits/2011/go1520110607.fits", (shared / "xrs" / "go1520110607.fits").read_bytes())


def test_operational_days_are_daily_fits_after_2001_too(tree, monkeypatch, shared, capsys):
    """The M2.5 of 2011-06-07 in the flux store, on the scale of its class."""
    from dataset_models import goes_xrs

    with ArchiveServer() as server:
        _fits_archive(server, monkeypatch, shared)
        rows = goes.search(numpy.datetime64("2011-06-07", "s"), numpy.datetime64("2011-06-08", "s"), calibration="operational")
        assert {(url.rsplit("/", 1)[1], day, satellite) for url, day, satellite in rows} == {
            ("go1420110607.fits", "2011-06-07", 14),
            ("go1520110607.fits", "2011-06-07", 15),
        }
        arguments = ["--start", "2011-06-07", "--end", "2011-06-08", "--satellite", "15", "--calibration", "operational"]
        store = tree / "xrs.sqlite"
        assert _run(goes.main, *arguments, "--store", store, "--out", tree / "files") == 0
        assert "1 files imported" in capsys.readouterr().out
        assert _run(goes.main, *arguments, "--store", store, "--out", tree / "files") == 0
    flux = goes_xrs.series(store, calibration="operational", satellite=15).flux
    assert numpy.nanmax(flux) == pytest.approx(2.555e-5, rel=0.005)  # a mean of a minute
    with pytest.raises(UserError, match=r"--end 2021-.*operational daily FITS end with GOES-15 on 2020-03-04"):
        goes.main(["--start", "2020-01-01", "--end", "2021-01-01", "--calibration", "operational", "--out", str(tree)])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start", "2014-02-01", "--end", "2014-01-01"], "--start 2014-02-01 is not before --end 2014-01-01"),
        (["--start_date", "2014-02-01", "--end_date", "2014-01-01"], "--start 2014-02-01 is not before --end 2014-01-01"),
        (["--start", "2014-02-30", "--end", "2014-03-01"], "--start 2014-02-30: expected a UTC time"),
        (["--start", "2014-02-01", "--end", "now"], "--end now: expected a UTC time"),
        (["--start", "NaT", "--end", "2014-02-01"], "--start NaT: expected a UTC time"),
        (["--start", "2014-02-01", "--end", "2999-01-01"], "--end 2999-01-01: lies in the future"),
        (["--end", "2014-03-01"], "--start: is needed"),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--cadence", "0"], "--cadence 0: must be some minutes"),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--cadence", "nan"], "--cadence nan: must be some minutes"),
        (
            ["--start", "1900-01-01", "--end", "2014-02-01", "--cadence", "0.02"],
            "3,600,201,600 times 0.0166667 minutes",
        ),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--connections", "0"], "--connections 0: must be at least 1"),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--url", "ftp://x"], "ftp://x is no http"),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--source", "-3"], "--source -3: unknown source"),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--lead", "12"], "--lead and --list_flares: need --flares"),
        (["--start", "2014-01-01", "--end", "2014-02-01", "--before", "-1"], "--before -1: must be some hours"),
        (["--verify"], "has no files; download something first"),
    ],
)
def test_bad_input_is_named(tree, arguments, words):
    with pytest.raises(UserError, match=words):
        helioviewer.main([*arguments, "--out", str(tree / "out")])
    assert not list(manifest.data_files(tree / "out"))


def test_times_are_counted_before_they_are_made(tree):
    start, end, second = numpy.datetime64("2014-01-01", "s"), numpy.datetime64("2014-01-02", "s"), numpy.timedelta64(1, "s")
    for step in (1, 7, 3600, 86399, 86400, 86401):
        assert script.steps_between(start, end, step * second) == len(numpy.arange(start, end, step * second))
    assert script.steps_between(end, start, second) == 0
    flares = tree / "flares.csv"
    flares.write_text("start_time,goes_class\n" + "".join(f"20{year}-08-02 11:50:00,M2.5\n" for year in range(10, 20)))
    span = ["--start", "1900-01-01", "--end", "2024-02-01", "--out", str(tree / "out")]
    around = [*span, "--flares", str(flares), "--cadence", "0.02", "--before", "8784", "--after", "8784"]
    for main in (aia_synoptic.main, helioviewer.main):
        with pytest.raises(UserError, match=r"from 1900-.*there are 326,311,200 times 0\.2 minutes apart, more than"):
            main([*span, "--cadence", "0.2"])
        with pytest.raises(UserError, match=r"around 10 flares there are 632,448,010 times .*; give a longer --cadence"):
            main(around)
    with pytest.raises(UserError, match=r"from 1900-.* there are "):  # to draw quiet ones from
        aia_synoptic.main([*span, "--flares", str(flares), "--lead", "12", "--cadence", "0.2"])
    assert not (tree / "out").exists()


def test_a_catalogue_without_flares_in_range(tree):
    flares = tree / "flares.csv"
    flares.write_text("start_time,goes_class\n2022-08-02 11:50:00,M2.5\n")
    span = ["--start", "2014-01-01", "--end", "2014-02-01", "--flares", str(flares), "--out", str(tree / "out")]
    for main in (helioviewer.main, aia_synoptic.main):
        with pytest.raises(UserError, match=r"flares\.csv: no flares of M1.0 or more from 2014-01-01"):
            main(span)


@pytest.mark.parametrize("flag", ["--verify", "--repair"])
@pytest.mark.parametrize("main", [aia_synoptic.main, donki.main, goes.main, hek.main, helioviewer.main, noaa_regions.main])
def test_a_mistyped_folder_is_named_and_not_made(tree, main, flag):
    with pytest.raises(UserError, match=r"mistyped: has no files; download something first, or choose another --out"):
        _run(main, "--out", tree / "mistyped", flag)
    assert not (tree / "mistyped").exists()


def test_verifying_writes_nothing(tree):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 2)
        fetcher.Fetcher(QUICK).fetch(wanted, book)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tree.rglob("*") if path.is_file()}
    flags = _Flags()
    flags.verify = True
    with script.opened(flags, tree, "test") as book:
        assert manifest.verify(book, progress=False).whole
        with pytest.raises(UserError, match="readonly"):
            book.remember("a", "b")
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tree.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="is the manifest of test, not of HEK"), script.opened(flags, tree, "HEK"):
        pass


def test_verifying_while_another_process_downloads(tree):
    with ArchiveServer() as server, manifest.Manifest(tree, "test") as book:
        wanted = _many(server, 2)
        fetcher.Fetcher(QUICK).fetch(wanted, book)
        with manifest.Manifest(tree, "test", read_only=True) as other:
            assert manifest.verify(other, progress=False).intact == 2, "what is only in the log counts"


def test_an_unwritable_folder(tree):
    locked = tree / "locked"
    locked.write_text("a file where a folder should be")
    with pytest.raises(UserError, match="choose another --out"), script.opened(_Flags(), locked, "test"):
        pass


class _Flags:
    dry_run = verify = repair = False


@pytest.mark.remote_data
def test_helioviewer_on_line(tree):
    arguments = ["--start", "2022-08-02", "--end", "2022-08-02T01:00", "--out", tree]
    assert _run(helioviewer.main, *arguments) == 0


@pytest.mark.remote_data
def test_jsoc_on_line(tree):
    arguments = ["--start", "2014-06-17T21:30", "--end", "2014-06-17T22:00", "--cadence", "60", "--out", tree]
    assert _run(aia_synoptic.main, *arguments) == 0


@pytest.mark.remote_data
def test_flare_lists_on_line(tree):
    for main, name in ((hek.main, "hek"), (donki.main, "donki")):
        assert _run(main, "--start", "2022-09-01", "--end", "2022-09-20", "--out", tree / name) == 0


@pytest.mark.remote_data
def test_goes_on_line(tree):
    arguments = ["--start", "2014-01-01", "--end", "2014-01-03", "--satellite", "15", "--store", tree / "xrs.sqlite"]
    assert _run(goes.main, *arguments) == 0
