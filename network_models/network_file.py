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
        ``build(inputs, options, seed)`` returns a `keras.Model`; `inputs` is a dict of str to
        `network_models.image_inputs.Input`.
    options : type
        The dataclass whose fields are made by `tools.options.option`.
    varied : dict or None
        The file's ``VARIED``: what an architecture search tries, values by option.
    presets : dict of str to network_models.presets.Preset
        The file's ``PRESETS``.
    """

    path: pathlib.Path
    build: typing.Callable
    options: type
    varied: dict | None = None
    presets: dict = dataclasses.field(default_factory=dict)

    def builder(self, data):
        """Return ``build``: for training scripts that were copied while it depended on the data set."""
        return self.build


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
        As `tools.modules.load`; or the file has no ``build``, one of an earlier version, no options, or several dataclasses
        that could be them and none that is called Options.
    """
    return of_module(modules.load(path), path)


def of_module(module, path=None):
    """Check as `load` a module that has been imported from `path`, by default its own file."""
    path = path or module.__file__
    build = getattr(module, "build", None)
    if not callable(build):
        raise UserError(
            f"{path}: has no function build(inputs, options, seed); give a network's file, such as the architecture.py beside a"
            " training script"
        )
    require_current(build)
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
    return NetworkFile(pathlib.Path(path), build, options, getattr(module, "VARIED", None), getattr(module, "PRESETS", {}))


def require_current(build):
    """Check that a function takes what networks are built from: inputs, options and a seed, by position.

    Parameters
    ----------
    build : callable

    Raises
    ------
    UserError
        It takes something else, as in files and scripts that were copied from earlier versions.
    """
    function = build.func if isinstance(build, functools.partial) else build
    try:
        signature = inspect.signature(build)
        signature.bind("inputs", "options", "seed")
        first = next(iter(signature.parameters.values()))
        if first.name == "inputs" or first.kind is first.VAR_POSITIONAL:
            return
    except (TypeError, ValueError):
        pass
    code = getattr(inspect.unwrap(function), "__code__", None)
    where = code.co_filename if code else "network"
    if function is not build and "logarithmic" in build.keywords:
        raise UserError(
            f"{where}: was given to experiment.run as functools.partial(build, logarithmic=...), as in earlier versions; give"
            " build itself, to which each input states its logarithmic channels (network_models/README.md, Your own network)"
        )
    raise UserError(
        f"{where}: build{inspect.signature(function)} is of an earlier version; it is now build(inputs, options, seed), with"
        " inputs[name].shape and inputs[name].logarithmic (network_models/README.md, Your own network)"
    )
