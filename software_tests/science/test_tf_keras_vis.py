"""tf-keras-vis, last released for an older Keras: one module imports it, and it still does what it is used for."""

import ast
import importlib.metadata
import pathlib
import sys
import types

import numpy
import pytest

from science.activation_maximisation import activation_maximisation as maximisation
from tools.errors import UserError

PROJECT = pathlib.Path(__file__).parents[2]
FOLDERS = ("tools", "dataset_models", "network_models", "science", "examples", "benchmarks", "docs")
NAME = "tf_keras_vis.activation_maximization"


def imported(path):
    """Names of the modules that a file imports, wherever in it: list of str."""
    text, names = path.read_text(encoding="utf-8"), []
    for node in ast.walk(ast.parse(text)) if "tf_keras_vis" in text else ():
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tf_keras_vis"):
            names.append(node.value)  # importlib.import_module
    return names


def test_one_module_imports_it_and_once():
    places = [
        path.relative_to(PROJECT).as_posix()
        for folder in FOLDERS
        for path in sorted((PROJECT / folder).rglob("*.py"))
        for name in imported(path)
        if name.split(".")[0] == "tf_keras_vis"
    ]
    assert places == ["science/activation_maximisation/activation_maximisation.py"]


@pytest.fixture
def linear():
    """A network that likes a positive first pixel and a negative second one: its best image is known."""
    import keras

    image = keras.Input((1, 2, 1), name="image")
    model = keras.Model(image, keras.layers.Dense(1, use_bias=False)(keras.layers.Flatten()(image)))
    model.layers[-1].set_weights([numpy.array([[2.0], [-3.0]], "float32")])
    return model


@pytest.mark.long
def test_it_still_works_beside_the_installed_keras(linear):
    """This one is the first to fail when a new Keras or TensorFlow breaks the library."""
    import keras

    image, before, after = maximisation.activation_maximisation(linear, steps=120, low=-1.0, high=1.0)
    versions = f"tf-keras-vis {importlib.metadata.version('tf-keras-vis')} beside Keras {keras.__version__}"
    assert image.ravel() == pytest.approx([1, -1], abs=0.05), f"{versions} no longer finds the best image"
    assert after == pytest.approx(2 * image[0, 0, 0] - 3 * image[0, 1, 0], rel=1e-5), versions
    assert after > before


@pytest.mark.parametrize("broken", [None, types.ModuleType(NAME)], ids=["absent", "without what is used"])
def test_a_broken_library_is_said_in_a_line(linear, monkeypatch, broken):
    monkeypatch.setitem(sys.modules, NAME, broken)
    words = r"^activation maximisation: tf-keras-vis [\d.]+ does not work with Keras [\d.]+ \(.*\); install the versions of "
    with pytest.raises(UserError, match=words) as caught:
        maximisation.activation_maximisation(linear)
    assert "\n" not in str(caught.value)


def test_a_library_that_is_not_installed_is_said_in_a_line(linear, monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setitem(sys.modules, NAME, None)
    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(UserError, match=r"^activation maximisation: tf-keras-vis is not installed \("):
        maximisation.activation_maximisation(linear)
