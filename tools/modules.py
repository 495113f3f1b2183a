"""Python files that users copy and change, as modules: each is executed once, and its neighbours are its own."""

import hashlib
import importlib
import importlib.util
import pathlib
import sys
import types

from tools.errors import UserError
from tools.paths import PROJECT

ROOMS = ("tools", "dataset_models", "network_models", "science")


def load(path):
    """Import a ``.py`` file by its path.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    types.ModuleType
        A file inside a room of the project is imported by its dotted name (executing it by path would make a second copy of
        its classes). Any other file is executed once, under a name that belongs to its folder alone: two files that are
        called alike do not meet, and neither replaces a library of that name.

    Raises
    ------
    UserError
        No such file, or it cannot be imported.

    Notes
    -----
    A folder outside the rooms is a package here, without an ``__init__.py``: ``from .building_blocks import logits`` in one
    of its files means the neighbour, in the project and in a copy alike.
    """
    shown, path = path, pathlib.Path(path).resolve()
    if path.suffix != ".py" or not path.is_file():
        raise UserError(f"{shown}: no such .py file")
    try:
        parts = path.relative_to(PROJECT).with_suffix("").parts if path.is_relative_to(PROJECT) else ("",)
        if parts[0] in ROOMS and all(part.isidentifier() for part in parts):
            return importlib.import_module(".".join(parts))
        name = f"{_package(path.parent)}.{path.stem if path.stem.isidentifier() else f'file_{_digest(path)}'}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look their module up here
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{shown}: cannot be imported ({reason})") from error


def _package(folder):
    """Return the name of the package that stands for a folder: str."""
    name = f"folder_{_digest(folder)}"
    if name not in sys.modules:
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def _digest(path):
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
