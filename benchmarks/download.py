"""2,000 small files from a server on loopback with 20 ms latency: the fetcher against a sequential loop over requests.

    python benchmarks/download.py

The baseline gets each file and writes it. Ours also checks its length and content, flushes it to disk, renames it, and
enters it with its SHA-256 in the manifest. The server runs in a process of its own.
"""

import functools
import http.server
import multiprocessing
import pathlib
import tempfile
import time

from dataset_models.download import fetcher, manifest
from tools import command_line

FILES = 2000
LATENCY = 0.020
CONNECTIONS = 32
REQUIRED = 8.0
_BODY = b'[{"beginTime": "2022-09-04T07:35Z", "classType": "C3.9", "note": "' + b"x" * 2000 + b'"}]'


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(LATENCY)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY))

    def log_message(self, *_):
        pass


def _serve(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    port.send(server.server_port)
    server.serve_forever()


def baseline(urls, folder):
    """Get and write one file after the other: seconds."""
    import requests

    begun = time.perf_counter()
    for number, url in enumerate(urls):
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
        (folder / f"{number}.json").write_bytes(answer.content)
    return time.perf_counter() - begun


def ours(urls, folder):
    """Fetch with every check: seconds."""
    fields = {"fields": ["beginTime", "classType"]}
    wanted = [fetcher.Wanted(url, f"{number // 100}/{number}.json", "json", fields) for number, url in enumerate(urls)]
    begun = time.perf_counter()
    with manifest.Manifest(folder, "benchmark") as book:
        summary = fetcher.Fetcher(fetcher.Limits(connections=CONNECTIONS, rate=0)).fetch(wanted, book)
        assert len(book) == summary.counts["fetched"] == FILES
    return time.perf_counter() - begun


def measure():
    """Rows of benchmarks/benchmark_table.py."""
    mine, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        port = mine.recv()
        urls = [f"http://127.0.0.1:{port}/{number}" for number in range(FILES)]
        with tempfile.TemporaryDirectory() as folder:
            run = functools.partial(pathlib.Path, folder)
            run("ours").mkdir()
            run("baseline").mkdir()
            seconds = ours(urls, run("ours"))
            loop = baseline(urls, run("baseline"))
    finally:
        server.terminate()
        server.join()
    what = f"{FILES:,} files at {1000 * LATENCY:.0f} ms latency, s: fetcher against a loop over requests"
    ratio = loop / seconds
    return [
        {"what": what, "baseline": loop, "ours": seconds, "ratio": ratio, "required": REQUIRED, "passed": ratio >= REQUIRED}
    ]


def main(arguments=None):
    """Measure and print."""
    from benchmark_table import show

    command_line.parser(__doc__).parse_args(arguments)
    show(measure())


if __name__ == "__main__":
    command_line.run(main)
