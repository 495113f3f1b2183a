"""The examples in docstrings of what users call from Python: tools and data sets."""

import doctest
import importlib

import pytest

MODULES = (
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
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0
