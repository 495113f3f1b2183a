"""What setup.py allows, what constraints.txt pins and what the Makefile accepts are one statement."""

import ast
import pathlib
import re
import shutil
import subprocess

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT = pathlib.Path(__file__).parents[1]


def setup_keywords():
    """What setup.py passes to setuptools as it stands there: dict."""
    tree = ast.parse((PROJECT / "setup.py").read_text(encoding="utf-8"))
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup")
    wanted = ("install_requires", "extras_require", "python_requires")
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg in wanted}


def requirements():
    keywords = setup_keywords()
    return [
        Requirement(text) for group in (keywords["install_requires"], *keywords["extras_require"].values()) for text in group
    ]


@pytest.fixture(scope="module")
def pins():
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every line pins one version"
    named = {canonicalize_name(name): version for name, version in pairs}
    assert len(named) == len(pairs), "a package is pinned twice"
    return named


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_a_pin_lies_within_its_range_and_the_range_ends(requirement, pins):
    assert canonicalize_name(requirement.name) in pins
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    assert any(one.operator == "<" for one in requirement.specifier), "what comes later has not been tried"


@pytest.mark.parametrize(
    ("name", "next_version"), [("keras", "3.16.0"), ("keras-tuner", "1.5.0"), ("aiapy", "0.13.0"), ("drms", "0.10.0")]
)
def test_packages_whose_private_members_are_used_are_not_taken_untried(name, next_version):
    (specifier,) = (one.specifier for one in requirements() if one.name == name)
    assert not specifier.contains(next_version)


def test_the_makefile_accepts_the_versions_of_python_that_setup_allows():
    allowed = SpecifierSet(setup_keywords()["python_requires"])
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    first, last = re.search(r"\(3, (\d+)\) <= sys.version_info\[:2\] <= \(3, (\d+)\)", makefile).groups()
    for minor in range(9, 20):
        assert allowed.contains(f"3.{minor}.4") == (int(first) <= minor <= int(last))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
@pytest.mark.parametrize(("asked", "code"), [("3.12", 0), ("3.13", 2)])
def test_make_uses_no_environment_of_another_python_than_asked_for(tmp_path, asked, code):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    for place, version in (("venv/bin/python", "3.12"), ("asked", asked)):
        (tmp_path / place).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / place).chmod(0o755)
    command = ["make", "-n", "test", f"PYTHON={tmp_path / 'asked'}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert ("holds another Python than" in done.stderr) == (code != 0)


def test_the_conda_file_takes_an_allowed_python_and_the_pins():
    lines = (PROJECT / "environment.yml").read_text(encoding="utf-8").splitlines()
    python = next(line.split("python=")[1] for line in lines if "python=" in line)
    assert SpecifierSet(setup_keywords()["python_requires"]).contains(f"{python}.0")
    assert {"      - --constraint constraints.txt", "      - --editable ."} <= set(lines)
