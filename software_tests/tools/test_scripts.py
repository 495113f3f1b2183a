"""Every script of the project answers --help at once, from any folder, without the libraries that take seconds."""

import pathlib
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).parents[2]
ROOMS = ("tools", "dataset_models", "network_models", "science", "examples", "benchmarks")
SCRIPTS = sorted(
    path.relative_to(PROJECT).as_posix()
    for room in ROOMS
    for path in (PROJECT / room).rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
SLOW = ("tensorflow", "keras", "torch", "sunpy.map", "aiapy", "matplotlib.pyplot", "sklearn")


def test_scripts_are_found():
    assert "science/saliency/saliency.py" in SCRIPTS
    assert len(SCRIPTS) > 10


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script, tmp_path):
    command = [sys.executable, "-X", "importtime", str(PROJECT / script), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.startswith("usage: ")
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert imported.isdisjoint(SLOW)


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_flag_is_one_line_and_code_2(script, tmp_path):
    command = [sys.executable, str(PROJECT / script), "--no-such-flag"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
