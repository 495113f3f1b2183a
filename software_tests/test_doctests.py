"""The examples in docstrings give what they show."""

import doctest
import importlib
import pathlib

import pytest

ROOMS = ("tools", "dataset_models", "network_models", "science")
PROJECT = pathlib.Path(__file__).parents[1]


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
