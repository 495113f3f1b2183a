"""Every script of the project answers --help at once, from any folder, without the libraries that take seconds."""

import json
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


# One process for all of them: what a script imports is what is there after it and was not before.
HELP = """
import contextlib, io, json, os, runpy, sys
for script in sys.argv[1:]:
    before, out, err = set(sys.modules), io.StringIO(), io.StringIO()
    sys.argv, sys.path[0] = [script, "--help"], os.path.dirname(script)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(script, run_name="__main__")
            code = None
        except SystemExit as ended:
            code = ended.code
    line = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "imported": sorted(set(sys.modules) - before)}
    print(json.dumps(line))
"""


@pytest.fixture(scope="module")
def helped(tmp_path_factory):
    """What each script answers to --help, and what it imports for it: dict of script to dict."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-c", HELP, *(str(PROJECT / script) for script in SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=folder)
    assert done.returncode == 0, done.stderr
    return dict(zip(SCRIPTS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script, helped):
    answer = helped[script]
    assert (answer["code"], answer["err"]) == (0, "")
    assert answer["out"].startswith(f"usage: {pathlib.Path(script).name}")
    assert set(answer["imported"]).isdisjoint(SLOW)


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_flag_is_one_line_and_code_2(script, command):
    done = command(PROJECT / script, "--no-such-flag")
    assert done.code == 2
    assert done.err.count("\n") == 1, done.err
    assert done.out == ""
