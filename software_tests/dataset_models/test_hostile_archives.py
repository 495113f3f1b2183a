"""Downloads from servers that mean harm: endless, slow, huge, or with names that lead elsewhere."""

import contextlib
import importlib.util
import json
import os
import pathlib
import socket
import sqlite3
import threading
import time

import numpy
import pytest

from dataset_models.download import checks, fetcher, hek, helioviewer, manifest
from tools.errors import UserError

_spec = importlib.util.spec_from_file_location("archive_server", pathlib.Path(__file__).with_name("archive_server.py"))
archive_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(archive_server)
ArchiveServer = archive_server.ArchiveServer

SOON = fetcher.Limits(connections=4, rate=0, connect=2.0, stall=2.0, total=1.0, tries=1, pause=0.01, longest_pause=0.1)


@contextlib.contextmanager
def raw_server(talk):
    """A server that hands each connection, its request read, to ``talk(connection, stop)``; yields its URL."""
    stop, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            talk(connection, stop)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.close()


def _dripping(head, piece, pause=0.05):
    def talk(connection, stop):
        connection.sendall(head)
        while not stop.wait(pause):
            connection.sendall(piece)

    return talk


OK = b"HTTP/1.1 200 OK\r\n"
SLOW = {
    "status line": _dripping(b"HTTP/1.1 ", b" "),
    "headers": _dripping(OK + b"X-Padding: ", b"a"),
    "continue": _dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": _dripping(OK + b"Content-Length: 100000\r\n\r\n", b"a"),
    "body without a length": _dripping(OK + b"\r\n", b"a"),
    "chunk line": _dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunk extension": _dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"),
    "chunks": _dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "trailer": _dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n"),
    "words of an error": _dripping(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n", b"a"),
    "body of a redirect": _dripping(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9999\r\n\r\n", b"a"),
}


@pytest.mark.parametrize("slow", SLOW)
def test_the_time_limit_holds_wherever_a_server_drips(tmp_path, slow):
    with raw_server(SLOW[slow]) as url, manifest.Manifest(tmp_path, "test") as book:
        begun = time.monotonic()
        summary = fetcher.Fetcher(SOON).fetch([fetcher.Wanted(f"{url}/a", "a.json", "json", {"fields": []})], book)
        assert time.monotonic() - begun < 4
    (why,) = summary.troubles.values()
    assert "took longer than 1 s" in why or "redirects more than 5 times" in why
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(("manifest", "user"))] == []


def _flood(head, piece):
    def talk(connection, stop):
        connection.sendall(head)
        while not stop.is_set():
            connection.sendall(piece)

    return talk


FLOODS = {
    "body": (_flood(OK + b"\r\n", bytes(65536)), "more than the 4194304 bytes"),
    "chunks": (
        _flood(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n"),
        "more than the 4194304",
    ),
    "stated length": (_flood(OK + b"Content-Length: 99999999999\r\n\r\n", b""), "has 99999999999 bytes"),
    "header line": (_flood(OK + b"X: ", b"a" * 65536), "line"),
    "headers": (_flood(OK, b"X: a\r\n"), "100 headers"),
    "chunk line": (_flood(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536), "cut short"),
    "redirect": (_flood(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", bytes(65536)), "redirects more than 5 times"),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_what_never_ends_is_cut_off(tmp_path, flood):
    talk, words = FLOODS[flood]
    limits = fetcher.Limits(rate=0, connect=2.0, stall=2.0, total=20.0, tries=1, pause=0.01)
    with raw_server(talk) as url, manifest.Manifest(tmp_path, "test") as book:
        begun = time.monotonic()
        summary = fetcher.Fetcher(limits).fetch([fetcher.Wanted(f"{url}/a", "a.txt", "regions", {"day": "2014-06-17"})], book)
        assert time.monotonic() - begun < 15
    assert summary.exit_code == 4
    (why,) = summary.troubles.values()
    assert words in why


@pytest.mark.parametrize("headers", ["Content-Length: \u00b2", "Content-Length: " + "9" * 5000, "Retry-After: \u00b2"])
def test_numbers_in_headers_may_be_anything(tmp_path, headers):
    def talk(connection, stop):
        connection.sendall(f"HTTP/1.1 503 Busy\r\n{headers}\r\nConnection: close\r\n\r\n".encode())

    with raw_server(talk) as url, manifest.Manifest(tmp_path, "test") as book:
        summary = fetcher.Fetcher(SOON).fetch([fetcher.Wanted(f"{url}/a", "a.txt", "regions", {"day": "2014-06-17"})], book)
    assert "answers 503" in summary.troubles["a.txt"]


def test_a_redirect_names_the_host_that_failed(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    def talk(connection, stop):
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/b\r\nContent-Length: 0\r\n\r\n".encode())

    with raw_server(talk) as url, manifest.Manifest(tmp_path, "test") as book:
        wanted = [fetcher.Wanted(f"{url}/{name}", f"{name}.txt", "regions", {"day": "2014-06-17"}) for name in "ab"]
        with pytest.raises(UserError, match=rf"^127\.0\.0\.1:{port}: cannot be reached \(redirected to 127\.0\.0\.1:{port}: "):
            fetcher.Fetcher(SOON).fetch(wanted, book)


OUTSIDE = (
    "../outside.json",
    "a/../../outside.json",
    "/tmp/outside.json",
    "a\0.json",
    "a//b.json",
    "./a.json",
    "",
    "..",
    "a\\..\\..\\b.json",
    "C:/a.json",
    "NUL",
    "com1.json",
    "a/" * 600 + "a.json",
    "a" * 300 + ".json",
    ".hidden.json",
    "a\n.json",
    "\udcff.json",
    "manifest.sqlite",
    "manifest.sqlite-wal",
    "catalogue.csv",
    "link/a.json",
    "linked.json",
    "circle",
    "folder",
    "pipe",
)


@pytest.fixture
def folder(tmp_path):
    """A folder with what leads outside of it."""
    folder = tmp_path / "in" / "archive"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    (folder / "linked.json").symlink_to(tmp_path / "linked.json")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    return folder


def _record(path, url, **changes):
    content = {"kind": "json", "expected": {"fields": []}} | changes
    return manifest.Record(path, url, None, None, 3, "0" * 64, manifest.now(), content["kind"], content["expected"])


def _files(place):
    return {path for path in place.rglob("*") if path.is_file() and not path.name.startswith("manifest.sqlite")}


def test_repair_writes_nothing_outside_of_the_folder(folder, tmp_path, monkeypatch):
    before = _files(tmp_path)
    names = [name for name in OUTSIDE if name != "\udcff.json"]  # SQLite takes no such text
    with ArchiveServer() as server, manifest.Manifest(folder, "test") as book:
        server.add("/a", b"[]")
        for name in [*names, "inside/a.json"]:
            book.add(_record(name, f"{server.url}/a"))
        findings = manifest.verify(book, progress=False)
        summary = fetcher.repair(fetcher.Fetcher(SOON), book, findings)
    assert set(findings.damaged) == set(names)
    assert (summary.counts["fetched"], summary.counts["rejected"], summary.exit_code) == (1, len(names), 4)
    assert _files(tmp_path) - before == {folder / "inside" / "a.json"}
    assert not list(pathlib.Path("/tmp").glob("outside.json"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_elsewhere_costs_no_other_file(folder, tmp_path, name):
    before = _files(tmp_path)
    with ArchiveServer() as server, manifest.Manifest(folder, "test") as book:
        server.add("/a", b"[]")
        wanted = [fetcher.Wanted(f"{server.url}/{where}", path, "json", {"fields": []}) for where, path in
                  (("a", "first.json"), ("a?", name), ("a", "last.json"))]  # fmt: skip
        summary = fetcher.Fetcher(SOON).fetch(wanted, book)
    assert (summary.counts["fetched"], summary.counts["rejected"]) == (2, 1)
    assert _files(tmp_path) - before == {folder / "first.json", folder / "last.json"}


def change(folder, text, values=()):
    """Change a manifest as another program would."""
    with contextlib.closing(sqlite3.connect(folder / manifest.NAME)) as connection, connection:
        connection.execute(text, values)


def test_a_damaged_record_is_named_and_the_others_are_repaired(folder):
    with ArchiveServer() as server, manifest.Manifest(folder, "test") as book:
        server.add("/a", b"[]")
        book.add(_record("good.json", f"{server.url}/a"))
        book.add(_record("strange.json", f"{server.url}/a", kind="executable"))
        for place, row in enumerate(
            [(None, None, "x", "json", "{}"), (b"\xff", 3, "0", "json", "{}"), ("a", 3, "0", "json", "{")]
        ):
            path, size, digest, kind, expected = row
            values = (path, f"{server.url}/{place}", None, None, size, digest, "now", kind, expected)
            change(folder, "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        summary = fetcher.repair(fetcher.Fetcher(SOON), book, manifest.verify(book, progress=False))
    assert (summary.counts["fetched"], summary.counts["rejected"]) == (1, 4)


def test_a_manifest_that_is_damaged_within_is_named(folder):
    with manifest.Manifest(folder, "test") as book:
        book.add(_record("a.json", "http://127.0.0.1:9/a"))
        change(folder, "UPDATE files SET url = CAST(x'ff' AS TEXT)")
        with pytest.raises(UserError, match=r"manifest\.sqlite: cannot be used as a manifest"):
            book.records()


def _page(records, more):
    return json.dumps({"result": records, "overmax": more}).encode()


def _flare(number):
    record = dict.fromkeys(hek.COLUMNS, "") | {"fl_goescls": "C1.0", "frm_name": "SWPC"}
    return record | {"event_starttime": str(numpy.datetime64("2014-01-01T00:00:00") + 600 * number)}


@pytest.mark.parametrize(
    ("answer", "requests", "rows"),
    [
        (lambda page: _page([_flare(number) for number in range(5)], True), 2, 5),
        (lambda page: _page([], True), 1, 0),
        (lambda page: _page([_flare(page)], True), 200, 200),
        (lambda page: _page([_flare(page)], page < 3), 3, 3),
    ],
    ids=["repeated", "empty", "ever new", "three"],
)
@pytest.mark.long
def test_pages_of_hek_come_to_an_end(tmp_path, capsys, answer, requests, rows):
    with ArchiveServer() as server:
        server.add("/her", lambda query: answer(int(query["page"])))
        with pytest.raises(SystemExit) as left:
            hek.main(["--start", "2014-01-01", "--end", "2014-02-01", "--out", str(tmp_path / "hek"), "--rate", "0",
                      "--url", f"{server.url}/her"])  # fmt: skip
    assert sum(server.requests.values()) == requests
    assert len((tmp_path / "hek" / "2014-01.csv").read_text().splitlines()) == 1 + rows
    ended_early = requests in (2, 200)
    assert left.value.code == (4 if ended_early else 0)
    assert ("left out: whatever comes after page" in capsys.readouterr().out) == ended_early


NONSENSE = [b"<html>", b"[" * 100_000, b'{"id": 1e999, "date": "2014-01-01"}', b'{"id": "1", "date": "NaT"}', b"\xff", b"{}",
            b'{"id": ' + b"9" * 5000 + b', "date": "2014-01-01 00:00:00"}', b'{"id": "1", "date": "999999999-01-01"}',
            b'{"error": "no such source"}']  # fmt: skip


@pytest.mark.parametrize("body", NONSENSE)
def test_one_answer_that_is_nonsense_costs_no_other(tmp_path, capsys, body):
    when = numpy.datetime64("2014-06-17T00:00:00")
    arguments = [
        "--start",
        str(when),
        "--end",
        "2014-06-17T02:00",
        "--out",
        str(tmp_path / "jp2"),
        "--tries",
        "1",
        "--rate",
        "0",
    ]
    with ArchiveServer() as server:
        server.add("/getJP2Image/", archive_server.jp2(when))
        sound = json.dumps({"id": "7", "date": str(when).replace("T", " ")}).encode()
        server.add("/getClosestImage/", lambda query: sound if "T00" in query["date"] else body)
        for more, code in ((["--dry-run"], 4), ([], 4)):
            with pytest.raises(SystemExit) as left:
                helioviewer.main([*arguments, "--url", server.url, *more])
            assert left.value.code == code
            assert "2014-06-17T01:00:00Z: not fetched: " in capsys.readouterr().out
    assert len(list((tmp_path / "jp2").rglob("*.jp2"))) == 1


def test_a_file_that_is_there_and_makes_its_reader_fail_is_named(tmp_path, monkeypatch):
    def broken(path, expected):
        raise ZeroDivisionError("of the reader")

    monkeypatch.setitem(checks.KINDS, "json", broken)
    (tmp_path / "a.json").write_bytes(b"[]")
    with ArchiveServer() as server, manifest.Manifest(tmp_path, "test") as book:
        server.add("/a", b"[]")
        server.add("/b", archive_server.summary("2014-06-17"))
        summary = fetcher.Fetcher(SOON).fetch(
            [
                fetcher.Wanted(f"{server.url}/a", "a.json", "json", {"fields": []}),
                fetcher.Wanted(f"{server.url}/b", "b.txt", "regions", {"day": "2014-06-17"}),
            ],
            book,
        )
    assert summary.troubles["a.json"] == "rejected: cannot be read (ZeroDivisionError: of the reader)"
    assert summary.counts["fetched"] == 1


@pytest.mark.parametrize("name", [".a.99999999999999999999.abc.part", ".a.\u00b2.abc.part", ".a.1x.abc.part"])
def test_names_of_parts_may_be_anything(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    (tmp_path / ".folder.999999999.abc.part").mkdir()
    fetcher.remove_abandoned_parts(tmp_path)
    assert (tmp_path / name).exists()
