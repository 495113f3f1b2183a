"""The examples in docstrings give what they show."""

import ast
import doctest
import importlib
import pathlib
import re

import pytest

ROOMS = ("tools", "dataset_models", "network_models", "science")
PROJECT = pathlib.Path(__file__).parents[1]
CALLED_FROM_PYTHON = {  # by users: their examples are not to get lost
    "tools.digests",
    "tools.figures",
    "tools.paths",
    "dataset_models.flare_catalogue",
    "dataset_models.flares.flare_index",
    "dataset_models.flare_labels",
    "dataset_models.flux_series",
    "dataset_models.goes_xrs",
    "dataset_models.images.headers",
    "dataset_models.images.picture_tree",
    "dataset_models.observation_times",
    "dataset_models.solar_data",
    "network_models.trainers",
    "science.methods",
}


EXAMPLES = re.compile(r"^Examples?\n-+$", re.MULTILINE)


def modules_with_examples():
    """Names of the modules whose text has a doctest: list of str."""
    return [
        ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        for room in ROOMS
        for path in sorted((PROJECT / room).rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_docstrings(name):
    results = doctest.testmod(importlib.import_module(name), verbose=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_modules_that_users_call_have_examples():
    assert set(modules_with_examples()) >= CALLED_FROM_PYTHON


@pytest.mark.parametrize("room", ROOMS)
def test_every_block_of_examples_is_run(room):
    """A block without a prompt would be an example that nothing checks."""
    blocks, without = 0, []
    for path in sorted((PROJECT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = EXAMPLES.split(ast.get_docstring(node) or "")
                blocks += len(text) - 1
                without += [(path.name, getattr(node, "name", "")) for block in text[1:] if ">>> " not in block]
    assert blocks > 5
    assert without == []
