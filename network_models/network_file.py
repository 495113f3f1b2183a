"""Networks in files: a function ``build`` and its options, found beside a training script or wherever a path points."""

import dataclasses
import functools
import inspect
import pathlib
import typing

from tools import modules
from tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class NetworkFile:
    """The content of a network's file.

    Attributes
    ----------
    path : pathlib.Path
    build : callable
        ``build(input_shapes, options, seed=...)`` returns a `keras.Model`.
    options : type
        The dataclass whose fields are made by `tools.options.option`.
    varied : dict or None
        The file's ``VARIED``: what an architecture search tries, values by option.
    """

    path: pathlib.Path
    build: typing.Callable
    options: type
    varied: dict | None = None

    def builder(self, data):
        """``build(input_shapes, options, seed=...)`` for the images of `data`, a SolarData.

        A ``build`` with an argument ``logarithmic`` receives which channels are whitened by their logarithm.
        """
        if "logarithmic" not in inspect.signature(self.build).parameters:
            return self.build
        return functools.partial(self.build, logarithmic=[channel.logarithmic for channel in data.channels])


def load(path):
    """Read a network's file.

    A training script loads its neighbours by this, so that a copied folder uses its own files and not the original's.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    NetworkFile

    Raises
    ------
    UserError
        As `tools.modules.load`; or the file has no ``build``, no options, or several dataclasses that could be them and none
        that is called Options.
    """
    return of_module(modules.load(path), path)


def of_module(module, path=None):
    """Check as `load` a module that has been imported from `path`, by default its own file."""
    path = path or module.__file__
    build = getattr(module, "build", None)
    if not callable(build):
        raise UserError(
            f"{path}: has no function build(input_shapes, options, seed=...); give a network's file, such as the"
            " architecture.py beside a training script"
        )
    dataclasses_here = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and dataclasses.is_dataclass(value)
    }
    only = next(iter(dataclasses_here.values())) if len(dataclasses_here) == 1 else None
    options = getattr(module, "Options", None) or only
    if not dataclasses.is_dataclass(options):
        several = f"several dataclasses ({', '.join(dataclasses_here)})" if dataclasses_here else "no dataclass"
        raise UserError(f"{path}: has {several} of options; call the one that build takes Options")
    if not all("help" in field.metadata for field in dataclasses.fields(options)):
        wrong = next(field.name for field in dataclasses.fields(options) if "help" not in field.metadata)
        raise UserError(f"{path}: {options.__name__}.{wrong} is no option; make it by tools.options.option(default, help)")
    return NetworkFile(pathlib.Path(path), build, options, getattr(module, "VARIED", None))
