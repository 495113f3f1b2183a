"""TensorBoard and a real browser show what the embedding script wrote."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy
import pytest

from science.embedding import projector

pytestmark = pytest.mark.browser

COUNT = 60


@pytest.fixture
def chromium():
    """Path of a Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return path


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with an embedding of three groups, red, green and blue."""
    random = numpy.random.default_rng(0)
    group = numpy.arange(COUNT) % 3
    vectors = random.normal(0, 0.2, (COUNT, 8)) + numpy.eye(8)[group] * 4
    thumbnails = numpy.zeros((COUNT, 32, 32, 3), "uint8")
    thumbnails[numpy.arange(COUNT), :, :, group] = 230
    labels = {"time": [f"2026-02-01T{i % 24:02d}:00:00Z" for i in range(COUNT)], "group": [f"{'RGB'[g]}" for g in group]}
    folder = tmp_path / "202602010000"
    (folder / "embeddings").mkdir(parents=True)
    projector.write(folder / "embeddings", {"t-SNE": vectors[:, :2], "activations": vectors}, labels, thumbnails)
    projector.link(folder, "embeddings")
    return folder


@pytest.fixture(params=[".", "embeddings"])
def address(request, run_folder):
    """A TensorBoard that serves the run folder, or its embeddings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logdir = run_folder / request.param
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen([*command, "--load_fast=false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        root = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{root}/data/plugin/projector/runs", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, "TensorBoard ended"
                time.sleep(0.5)
        yield root
    finally:
        server.terminate()
        server.wait(20)


def _get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def test_tensorboard_finds_vectors_metadata_and_sprite(address):
    plugin = f"{address}/data/plugin/projector"
    assert json.loads(_get(f"{plugin}/runs")) == ["."]
    found = json.loads(_get(f"{plugin}/info?run=."))["embeddings"]
    assert [(entry["tensorName"], entry["tensorShape"]) for entry in found] == [
        ("1 t-SNE", [COUNT, 3]),
        ("2 activations", [COUNT, 8]),
    ]
    for entry in found:
        name = entry["tensorName"]
        name = name.replace(" ", "%20")
        assert len(_get(f"{plugin}/tensor?run=.&name={name}")) == COUNT * entry["tensorShape"][1] * 4
        assert _get(f"{plugin}/metadata?run=.&name={name}").decode().splitlines()[0] == "time\tgroup"
        assert _get(f"{plugin}/sprite_image?run=.&name={name}").startswith(b"\x89PNG")


def test_chromium_draws_the_thumbnails(address, chromium, tmp_path):
    from PIL import Image

    picture = tmp_path / "projector.png"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,900", "--virtual-time-budget=20000"]
    command += [f"--screenshot={picture}", f"{address}/#projector"]
    subprocess.run(command, check=True, timeout=150, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Image.open(picture) as image:
        pixels = numpy.asarray(image.convert("RGB")).astype(int)
    centre = pixels[120:, 330:1050]  # between the panels
    for channel in range(3):
        others = centre[..., [c for c in range(3) if c != channel]].max(axis=-1)
        assert ((centre[..., channel] > 150) & (others < 90)).sum() > 200, "RGB"[channel]
