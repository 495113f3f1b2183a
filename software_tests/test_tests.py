"""Tests stand alone and look at what users see: none calls another, none reaches into private parts of what it tests."""

import ast
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent
FILES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("test_*.py"))
# Of named tuples; of keras-tuner, which gives an oracle its folder in no other way; of argparse, which lists flags in no other;
# of re, which takes patterns apart in no other; of IPython, which asks objects to show themselves in no other.
FOREIGN = {"_replace", "_set_project_dir", "_actions", "_SubParsersAction", "_parser", "_repr_html_", "_repr_png_"}


def faults_of(text):
    """List what a test file does that no test should: list of str."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name.startswith("test_"):
                found.append(f"line {node.lineno} calls {name}")
            if name in ("setattr", "delattr"):
                parts = [part.value for part in node.args[:2] if isinstance(part, ast.Constant)]
                found += [f"line {node.lineno} replaces {part}" for part in parts if _is_private(str(part).split(".")[-1])]
        own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and not own:
            found.append(f"line {node.lineno} reads {node.attr}")
        if isinstance(node, ast.ImportFrom):
            found += [f"line {node.lineno} imports {part.name}" for part in node.names if _is_private(part.name)]
    return found


def _is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in FOREIGN


@pytest.mark.parametrize("file", FILES)
def test_a_test_file_keeps_to_what_is_public(file):
    assert faults_of((HERE / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def test_b():\n    test_a()\n", "line 2 calls test_a"),
        ("monkeypatch.setattr(module, '_TABLE', {})\n", "line 1 replaces _TABLE"),
        ("monkeypatch.setattr('module._TABLE', {})\n", "line 1 replaces module._TABLE"),
        ("assert data._files\n", "line 1 reads _files"),
        ("from tools.notes import _SAID\n", "line 1 imports _SAID"),
    ],
)
def test_faults_are_found(text, fault):
    assert faults_of(text) == [fault]
