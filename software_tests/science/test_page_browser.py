"""Headless Chromium shows the pages at the widths of a phone, a tablet and a screen, light and dark."""

import base64
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time
import urllib.request

import numpy
import pytest

from dataset_models import flare_catalogue
from network_models import run_report
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from network_models.run_folder import RunFolder
from science.operational_forecast import page, record
from tools import figures

pytestmark = pytest.mark.browser

WIDTHS = (360, 768, 1440)
BEGIN = numpy.datetime64("2026-01-25T00:30:00")
LOOK = """JSON.stringify({width: innerWidth, wide: document.documentElement.scrollWidth,
  broken: [...document.images].filter(one => !one.complete || !one.naturalWidth).map(one => one.src),
  beyond: [...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll') &&
    one.getBoundingClientRect().right > innerWidth + 1).map(one => one.tagName),
  paper: getComputedStyle(document.body).backgroundColor,
  letters: Math.min(99, ...[...document.querySelectorAll('svg text')].map(one => one.getBoundingClientRect().height))})"""


class Browser:
    """Chromium by its debugging protocol, over a web socket.

    Parameters
    ----------
    path : str
        Of Chromium.
    profile : pathlib.Path
    """

    def __init__(self, path, profile):
        command = [path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
        command += [
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = profile / "DevToolsActivePort"
        for _ in range(600):
            if port.is_file() and port.read_text().count("\n"):
                break
            time.sleep(0.1)
        number = int(port.read_text().split()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/json", timeout=30) as answer:
            address = next(one for one in json.load(answer) if one["type"] == "page")["webSocketDebuggerUrl"]
        self._socket = socket.create_connection(("127.0.0.1", number), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        path = address.split(f":{number}", 1)[1]
        ask = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{number}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._socket.sendall(f"{ask}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self._stream = self._socket.makefile("rb")
        while self._stream.readline().strip():
            pass
        self._number, self.events = 0, []

    def ask(self, method, **parameters):
        """Call a method of the protocol: dict. What happened meanwhile is added to `events`."""
        self._number += 1
        payload = json.dumps({"id": self._number, "method": method, "params": parameters}).encode()
        mask, size = os.urandom(4), len(payload)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + struct.pack(">H", size)
        self._socket.sendall(head + mask + masked)
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def _message(self):
        parts, last = [], False
        while not last:
            first, size = self._stream.read(2)
            last, size = bool(first & 0x80), size & 0x7F
            if size > 125:
                size = int.from_bytes(self._stream.read(2 if size == 126 else 8), "big")
            parts.append(self._stream.read(size))
        return json.loads(b"".join(parts))

    def show(self, path, width, scheme):
        """Load a page: dict of what `LOOK` finds on it."""
        self.events.clear()
        self.ask("Page.enable")
        self.ask("Log.enable")
        self.ask("Network.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url=path.as_uri())
        for _ in range(200):  # until the page before is gone and this one is there
            if self.value("!window.seen && document.readyState") == "complete":
                break
            time.sleep(0.05)
        self.value("window.seen = true")
        # Pictures that load late are asked for at once.
        self.value("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
        for _ in range(200):
            found = json.loads(self.value(LOOK))
            if not found["broken"]:
                break
            time.sleep(0.05)
        return found

    def value(self, expression):
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, path, width):
        """Write a picture of the whole page."""
        height = self.value("document.documentElement.getBoundingClientRect().height")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        self._stream.close()
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    found = Browser(path, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page of forty days of forecasts with everything on it, and long words."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "maps").mkdir()
    (folder / "scores").mkdir()
    random, lines, previous = numpy.random.default_rng(0), [], record.NO_LINE
    for number in range(1, 161):
        time_of_issue = BEGIN + numpy.timedelta64(6 * number, "h")
        share = float(0.3 + 0.25 * numpy.sin(number / 12) + 0.05 * random.uniform())

        def with_interval(value):
            return Probability(value, 0.7 * value, min(1.0, 1.3 * value))

        probabilities = {
            name: with_interval(share * part) for name, part in (("C1.0", 1.6), ("M1.0", 1), ("M5.0", 0.2), ("X1.0", 0.1))
        }
        regions = tuple(
            RegionForecast(14360 + place, {name: with_interval(one.value / (place + 2)) for name, one in probabilities.items()},
                           longitude=-60.0 + 30 * place, latitude=(-1) ** place * 12.0)
            for place in range(4)
        )  # fmt: skip
        issued = Issued("alexnet and regions", time_of_issue, *record.window_of(time_of_issue, 24), probabilities, regions)
        member = record.Member("alexnet", "image", (("best_performing.hdf5", "ab" * 32),), {"M1.0": share}, 0.61)
        past = record.Member("history", "history", (), {name: one.value for name, one in probabilities.items()})
        one = record.Record(
            number, previous, "forecast", f"{time_of_issue}Z", issued, ("image", "history"),
            (("regions", "no summary of the day: " + "x" * 200),), record.AllClear("M1.0", 0.05, 0.9, False), (member, past),
            (record.Input("image", f"HMI.m{'long_' * 20}.jpg", "cd" * 32, f"{time_of_issue - numpy.timedelta64(40, 'm')}Z"),),
            "ef" * 32, "2.0", "newest", "integrated gradients",
        )  # fmt: skip
        lines.append(record.to_line(one))
        previous = record.digest_of(lines[-1])
    log = folder / "log.jsonl"
    log.write_bytes(b"".join(lines))
    names = ("maps/newest", "scores/reliability_M1.0", "scores/brier_skill_by_month")
    for name in names:
        with figures.style():
            figure, axes = figures.new(figsize=(9, 5))
            axes.plot([0, 1], [0, 1])
            axes.set_title(name)
            figures.save(figure, folder / f"{name}.png")
    columns = "name,event,count,events,brier_skill,brier_skill_low,brier_skill_high,auc,auc_low,auc_high\n"
    rows = [
        f"{name},{event},160,31,0.2,0.1,0.3,0.8,0.7,0.9\n" for event in ("M1.0", "X1.0") for name in ("ours", "persistence")
    ]
    (folder / "scores" / "scores.csv").write_text(columns + "".join(rows))
    flares = folder / "flares.csv"
    starts = ["2026-02-21 23:44:00,X8.1", "2026-02-22 13:58:00,X1.5", "2026-02-05 04:25:00,M2.7", "2026-03-05 04:00:00,C2.0"]
    flares.write_text("\n".join(["start_time,goes_class", *starts]) + "\n")
    now = numpy.datetime64("2026-03-06T01:00:00")
    return page.write(folder / "site", log, catalogue=flare_catalogue.read(flares), scores=folder / "scores", now=now)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a run with long values, pictures and many columns, all of it unfolded."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "202602010000")
    run.performance.mkdir(parents=True)
    words = "long_" * 40
    options = {f"option_{number}": words if number == 3 else number for number in range(12)}
    run.write_settings(
        {"dataset": "sun.py", "data_options": options, "network_options": {}, "command": f"train.py --folder /{words}",
         "versions": {"python": words}, "simulated": True}
    )  # fmt: skip
    run.summary.write_text(f"conv_1 {words}\n" * 3)
    columns = ["epoch", "loss", "val_loss", *(f"val_metric_of_skill_{number}" for number in range(12))]
    rows = [[number, 1 / number, 1 / number, *[0.123456] * 12] for number in range(1, 6)]
    text = "\n".join(",".join(map(str, row)) for row in [columns, *rows])
    (run.performance / "loss_and_architecture.csv").write_text(f"{text}\n")
    (run.performance / "scores.json").write_text('{"tss": 0.3, "persistence_tss": 0.2}')
    for folder, name in ((run.performance, "loss_curve"), (run.maps, words), (run.embeddings, "embedding")):
        folder.mkdir(exist_ok=True)
        figure, axes = figures.new(figsize=(15, 5))
        axes.plot([0, 1], [0, 1])
        figures.save(figure, folder / f"{name}.png")
    page_of_run = run_report.write_report(run)
    text = page_of_run.read_text(encoding="utf-8")
    page_of_run.write_text(text.replace("<details>", "<details open>"), encoding="utf-8")
    return page_of_run


@pytest.mark.parametrize("kind", ["site", "report"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_its_screen(browser, request, tmp_path, kind, width, scheme):
    found = browser.show(request.getfixturevalue(kind), width, scheme)
    assert found["width"] == width
    assert found["wide"] <= width
    assert found["beyond"] == []
    assert found["broken"] == []
    assert kind == "report" or found["letters"] >= 9
    assert found["paper"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    # The page's own policy refuses nothing of it, and nothing is asked of anybody.
    assert [one for one in browser.events if one["method"] == "Log.entryAdded"] == []
    asked = [one["params"]["request"]["url"] for one in browser.events if one["method"] == "Network.requestWillBeSent"]
    assert asked
    assert all(url.startswith("file:///") for url in asked)
    folder = pathlib.Path(os.environ.get("SOLAR_SCREENSHOTS") or tmp_path)
    picture = folder / f"{kind}_{width}_{scheme}.png"
    browser.picture(picture, width)
    assert picture.stat().st_size > 20_000
