"""A server on loopback that has the archives' URL layouts and misbehaves on demand."""

import collections
import datetime
import http.server
import importlib.util
import io
import json
import pathlib
import random
import socket
import struct
import threading
import time
import urllib.parse

import numpy
from astropy.io import fits

_spec = importlib.util.spec_from_file_location("jpeg2000_files", pathlib.Path(__file__).with_name("jpeg2000_files.py"))
jpeg2000_files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(jpeg2000_files)

FAULTS = (
    "503",
    "429",
    "408",
    "cut",
    "cut without a length",
    "html",
    "other image",
    "json error",
    "not found text",
    "empty",
    "bit flip",
    "stall",
    "drip",
    "drop",
    "redirect",
)
SIZE = 16
HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>"


def aia_fits(time, channel, *, size=SIZE, **cards):
    """A small synoptic image with checksums: bytes."""
    pixels = numpy.random.default_rng(channel + int(numpy.datetime64(time, "s").astype(int))).normal(100, 5, (size, size))
    unit = fits.PrimaryHDU(pixels.astype("float32"))
    base = {"DATE-OBS": str(numpy.datetime64(time, "ms")), "WAVELNTH": channel, "EXPTIME": 2.0, "QUALITY": 0}
    for key, value in (base | cards).items():
        unit.header[key] = value
    unit.add_checksum()
    stream = io.BytesIO()
    unit.writeto(stream)
    return stream.getvalue()


_GREY = jpeg2000_files.spotted(32, jpeg2000_files.header(32))
_PLAIN = jpeg2000_files.encode(_GREY, None, levels=3)


def jp2(time, **changes):
    """A small magnetogram in JPEG 2000 of a time: bytes."""
    cards = jpeg2000_files.header(32, time=str(numpy.datetime64(time, "ms")), **changes)
    entries = "".join(f"<{key}>{value}</{key}>" for key, value in cards.items())
    xml = f'<?xml version="1.0" encoding="utf-8"?><meta><fits>{entries}</fits></meta>'.encode()
    place = _PLAIN.index(b"jp2c") - 4
    return _PLAIN[:place] + struct.pack(">I4s", 8 + len(xml), b"xml ") + xml + _PLAIN[place:]


def summary(day):
    """A solar region summary: bytes."""
    date = datetime.date.fromisoformat(day)
    text = f""":Product: {date:%m%d}SRS.txt
:Issued: {date:%Y %b %d} 0030 UTC
# Prepared jointly by the U.S. Dept. of Commerce, NOAA,
# Space Weather Prediction Center and the U.S. Air Force.
#
Joint USAF/NOAA Solar Region Summary
SRS Number {date:%j} Issued at 0030Z on {date:%d %b %Y}
Report compiled from data received at SWO on {date:%d %b}
I.  Regions with Sunspots.  Locations Valid at {date:%d}/2400Z
Nmbr Location  Lo  Area  Z   LL   NN Mag Type
2087 S18E07   182  0190 Dai  08   12 Beta-Gamma
2085 S20W13   202  0290 Ekc  12   20 Beta-Gamma-Delta
IA. H-alpha Plages without Spots.  Locations Valid at {date:%d}/2400Z Jun
Nmbr  Location  Lo
2083  N14W69   258
II. Regions Due to Return 18 Jun to 20 Jun
Nmbr Lat    Lo
2074 S12    084
"""
    return text.encode()


class ArchiveServer:
    """Serves paths on loopback.

    Parameters
    ----------
    faults : callable, optional
        ``faults(path, attempt)`` names a fault for the nth request of a path (with query), or None.
    latency : float
        Seconds before each answer.
    """

    def __init__(self, faults=None, *, latency=0.0):
        self.files = {}
        self.answers = {}
        self.faults = faults or (lambda path, attempt: None)
        self.latency = latency
        self.requests = collections.Counter()
        self.served = collections.Counter()
        self.faulty = collections.Counter()
        self.waiting = threading.Event()
        self._lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner._answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # clients give up on stalled answers, as they should

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.waiting.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, path, content):
        """Serve bytes, or what a callable of the query returns, under a path."""
        self.files[path] = content

    def _answer(self, handler):
        path, _, query = handler.path.partition("?")
        with self._lock:
            self.requests[handler.path] += 1
            attempt = self.requests[handler.path]
        if self.latency:
            time.sleep(self.latency)
        fault = self.faults(handler.path, attempt)
        if fault:
            with self._lock:
                self.faulty[fault] += 1
        content = self.files.get(path)
        status = 200
        if callable(content):
            content = content(dict(urllib.parse.parse_qsl(query)))
        if isinstance(content, tuple):
            status, content = content
        if content is None:
            status, content = 404, b"<html>404 Not Found</html>"
        elif fault != "404" and fault in FAULTS:
            if self._misbehave(handler, fault, content, path, query):
                return
        elif fault == "404":
            status, content = 404, b"<html>404 Not Found</html>"
        else:
            with self._lock:
                self.served[path] += 1
        self.send(handler, status, content)

    def send(self, handler, status, body, headers=None, *, length=True):
        handler.send_response(status)
        handler.send_header("Accept-Ranges", "bytes")  # a promise that is not kept
        if length:
            handler.send_header("Content-Length", str(len(body)))
        else:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def _misbehave(self, handler, fault, content, path, query):
        if fault == "503":
            self.send(handler, 503, b"busy")
        elif fault == "408":
            self.send(handler, 408, b"")
        elif fault == "429":
            self.send(handler, 429, b"", {"Retry-After": "0"})
        elif fault == "html":
            self.send(handler, 200, HTML)
        elif fault == "json error":
            self.send(handler, 200, json.dumps({"error": "internal", "errno": 12}).encode())
        elif fault == "not found text":
            self.send(handler, 200, b"File not found.")
        elif fault == "empty":
            self.send(handler, 200, b"")
        elif fault == "other image":
            other = aia_fits("2001-01-01", 171) if content[:6] == b"SIMPLE" else jp2("2001-01-01")
            self.send(handler, 200, other)
        elif fault == "bit flip":
            damaged = bytearray(content)
            damaged[-100 if content[:6] == b"SIMPLE" else 2] ^= 16  # in pixels; elsewhere where it can be seen
            self.send(handler, 200, bytes(damaged))
        elif fault == "cut":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2])
            handler.close_connection = True
        elif fault == "cut without a length":
            self.send(handler, 200, content[: len(content) // 2], length=False)
        elif fault == "stall":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[:10])
            handler.wfile.flush()
            self.waiting.wait(20)
            handler.close_connection = True
        elif fault == "drip":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            for byte in content:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self.waiting.wait(0.05):
                    break
            handler.close_connection = True
        elif fault == "drop":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif fault == "redirect":
            target = f"/moved{path}{'?' + query if query else ''}"
            self.files[f"/moved{path}"] = self.files[path]
            self.send(handler, 302, b"", {"Location": target})
        else:
            return False
        return True


def sometimes(share, seed=0, faults=FAULTS):
    """Faults at random: each request fails with probability `share`, in one of `faults` ways."""
    random_ = random.Random(seed)
    lock = threading.Lock()

    def fault(path, attempt):
        if path.startswith("/moved"):
            return None
        with lock:
            return random_.choice(faults) if random_.random() < share else None

    return fault
