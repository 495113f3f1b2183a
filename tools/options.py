"""Dataclass fields <-> command line flags <-> plain dictionaries: one definition of every option.

An option is a dataclass field made by :func:`option`. Scripts turn the fields into flags, run folders store them as
YAML, and a dictionary read back is checked: unknown keys and wrong types fail, with the names that exist.
"""

import argparse
import dataclasses
import math
import pathlib
import shlex
import types
import typing

from tools import paths
from tools.errors import UserError, quoted

_QUOTED = 60  # characters of what was given that messages repeat
LONGEST_DAYS = 36_525  # of a length of time: a century
_SECONDS = {"days": 86_400, "hours": 3600, "minutes": 60}
_WIDEST = {int: (-(2**31), 2**32 - 1), float: (-1e12, 1e12)}  # where an option states no bounds


def option(default, help, *, choices=None, least=None, most=None, place=None):
    """Make a dataclass field that is also a command line flag.

    Parameters
    ----------
    default : object
        Its type is given by the field's annotation: bool, int, float, str, ``X | None`` or ``tuple[X, ...]``.
    help : str
        One line, with the unit.
    choices : sequence, optional
        The allowed values (of each element, for tuples).
    least, most : number, optional
        Inclusive bounds; without them those of 32-bit integers, or 1e12 either way. A float is finite in any case.
    place : str, optional
        The option holds where data of this kind are, one of `tools.paths.KEYS`, or `tools.paths.FILE`; see `with_places`.
    """
    metadata = {"help": help, "choices": choices, "least": least, "most": most, "place": place}
    return dataclasses.field(default=default, metadata=metadata)


class Number:
    """Reader of a number of a command line: finite and within bounds, or refused in a line that names the flag.

    Parameters
    ----------
    kind : type
        int or float.
    least, most : number
        Inclusive bounds, finite.
    refused : callable
        ``refused(value, bound)`` returns the line, where `bound` is like "at least 1".

    Raises
    ------
    ValueError
        A bound is missing or not finite.
    """

    def __init__(self, kind, least, most, refused):
        if kind not in (int, float) or not (math.isfinite(least) and math.isfinite(most) and least <= most):
            raise ValueError(f"bounds {least} to {most} of {kind.__name__}")
        self.kind, self.least, self.most, self._refused = kind, least, most, refused

    def __call__(self, text):
        try:
            value = self.kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"invalid {self.kind.__name__} value: {str(text)[:_QUOTED]!r}") from error
        bound = _bound(value, self.least, self.most)
        if bound:
            raise UserError(self._refused(_shown(value, self.kind), bound))
        return value


def add_number(parser, flag, kind, *, least, most, says=None, alias=None, **keywords):
    """Give a parser a flag that takes a number, or with ``nargs`` several: no script declares one otherwise.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    flag : str
        With its dashes.
    kind : type
        int or float.
    least, most : number
        Inclusive bounds, finite.
    says : str, optional
        What a refusal says after the flag and what was given; by default "must be at least ..." or "at most".
    alias : str, optional
        A second name of the flag.
    **keywords
        Passed on to ``add_argument``.
    """

    def refused(value, bound):
        return f"{flag} {value}: {says or f'must be {bound}'}"

    parser.add_argument(*filter(None, (flag, alias)), type=Number(kind, least, most, refused), **keywords)


def add_duration(parser, flag, unit, **keywords):
    """Give a parser a flag that takes a length of time, from a second to a century, as a float.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    flag : str
        With its dashes.
    unit : str
        ``"days"``, ``"hours"`` or ``"minutes"``.
    **keywords
        Passed on to ``add_argument``.
    """
    seconds = _SECONDS[unit]
    bounds = {"least": 1 / seconds, "most": LONGEST_DAYS * 86_400 / seconds}
    says = f"give a time of at least a second, at most {LONGEST_DAYS} days, in {unit}"
    add_number(parser, flag, float, **bounds, says=says, metavar=unit.upper(), **keywords)


def _bound(value, least, most):
    """The bound that a number breaks, in words, or None; NaN breaks the lower one."""
    if not value >= least:
        return f"at least {_plain(least)}"
    return None if value <= most else f"at most {_plain(most)}"


def _plain(number):
    return f"{number:g}" if isinstance(number, float) else str(number)


def _shown(value, kind):
    """A number as a message shows it: str, however long it is."""
    if kind is float:
        return f"{value:g}"
    return str(value) if abs(value) < 10**_QUOTED else f"a number of more than {_QUOTED} digits"


def bounds(owner, name):
    """Return the inclusive bounds of a numeric option of a dataclass: two numbers."""
    field = fields(owner)[name]
    return _limits(_kind(typing.get_type_hints(owner)[name])[0], field.metadata)


def _limits(kind, metadata):
    widest = _WIDEST[kind]
    return tuple(widest[i] if metadata[name] is None else metadata[name] for i, name in enumerate(("least", "most")))


def fields(owner):
    """List the options of a dataclass (a class or an instance), by name."""
    return {field.name: field for field in dataclasses.fields(owner) if "help" in field.metadata}


def add_flags(parser, owner, *, title=None, skip=(), aliases=None, defaults=None):
    """Give `parser` a flag ``--name`` for each option of the dataclass `owner`.

    Flags that the user does not give stay out of the parsed namespace (so a run's stored value is not overwritten).
    Booleans read ``--name`` and ``--no-name``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    owner : type
    title : str, optional
        Heading of these flags in ``--help``.
    skip : sequence of str
        Options that get no flag.
    aliases : dict of str to str, optional
        Second names: alias to option. Those of other owners' options are ignored.
    defaults : dict, optional
        Values that ``--help`` shows instead of the dataclass's own, where a script sets others.
    """
    group = parser.add_argument_group(title or owner.__name__)
    annotations = typing.get_type_hints(owner)
    for name, field in fields(owner).items():
        if name in skip:
            continue
        kind, many, _ = _kind(annotations[name])
        default = (defaults or {}).get(name, field.default)
        default = " ".join(map(str, default)) if many else default
        text = field.metadata["help"] + ("" if default is None else f" (default: {default})")
        keywords = {"dest": name, "default": argparse.SUPPRESS, "help": text.replace("%", "%%")}
        if kind is bool:
            keywords["action"] = argparse.BooleanOptionalAction
        else:
            keywords["type"] = kind if kind not in _WIDEST else _number(name, kind, field)
            keywords["metavar"] = kind.__name__.upper()
            if field.metadata["choices"]:
                keywords["choices"] = field.metadata["choices"]
                keywords.pop("metavar")
            if many:
                keywords["nargs"] = "*"
            if many and field.metadata["place"]:
                keywords["action"] = paths.Files
        others = [f"--{alias}" for alias, target in (aliases or {}).items() if target == name]
        group.add_argument(f"--{name}", *others, **keywords)


def _number(name, kind, field):
    def refused(value, bound):
        return f"command line: {name} is {bound}; received {value}"

    return Number(kind, *_limits(kind, field.metadata), refused)


def take(owner, namespace):
    """Collect the options of `owner` that the user gave, as a dictionary."""
    return {name: getattr(namespace, name) for name in fields(owner) if hasattr(namespace, name)}


def parse_with_file(parser, arguments, load):
    """Parse flags, those of the options that a ``.py`` file among the arguments defines included.

    The file is looked for first, so that ``--help`` lists its options too. Where the parser has a flag of the same name, the
    flag is the parser's.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    arguments : list of str
    load : callable
        ``load(path)`` returns the dataclass of options that the file defines, which has a ``title``; for example
        `dataset_models.solar_data.load_solar_data`.

    Returns
    -------
    argparse.Namespace, dict
        All flags, and the options of the file that the user gave; none without such a file.
    """
    file = next((pathlib.Path(text) for text in arguments if text.endswith(".py") and pathlib.Path(text).is_file()), None)
    if file is None:
        return parser.parse_args(arguments), {}
    owner = load(file)
    names = {action.dest for action in parser._actions}
    add_flags(parser, owner, title=f"data set: {owner.title} (default: as in the run)", skip=names)
    flags = parser.parse_args(arguments)
    return flags, {name: value for name, value in take(owner, flags).items() if name not in names}


def places(owner):
    """List the options of a dataclass that hold places of data: dict of name to kind, see `option`."""
    return {name: field.metadata["place"] for name, field in fields(owner).items() if field.metadata.get("place")}


def with_places(owner, values):
    """Make the options that hold places of data independent of the folder and environment of a run.

    Parameters
    ----------
    owner : type
        A dataclass whose fields were made by :func:`option`.
    values : dict
        Those that were given.

    Returns
    -------
    dict
        The same, with places as absolute paths; one that was not given is taken from the environment, if it is set there
        (see `tools.paths.environment_path`). So a run keeps it like a flag.
    """
    options = dict(values)
    for name, key in places(owner).items():
        many = isinstance(fields(owner)[name].default, tuple)
        given = values.get(name)
        if given:
            options[name] = [_absolute(path) for path in given] if many else _absolute(given)
        elif (place := paths.environment_path(key)) is not None:
            options[name] = [_absolute(place)] if many else _absolute(place)
    return options


def _absolute(path):
    if "://" in str(path):  # of an object store
        return str(path)
    return str(pathlib.Path(path).expanduser().absolute())


def as_dictionary(instance):
    """List the option values of a dataclass instance: dict of plain YAML-able values."""
    values = {name: getattr(instance, name) for name in fields(instance)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def as_flags(values):
    """Write option values as the flags of :func:`add_flags`: str, quoted for a shell where that is needed.

    Examples
    --------
    >>> as_flags({"steps": 5, "wide": False})
    '--steps 5 --no-wide'
    """
    words = []
    for name, value in values.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, list | tuple):
            words += [f"--{name}", *map(str, value)]
        elif value is not None:
            # One word, so that a value that begins with a dash is no flag.
            words += [f"--{name}={value}"] if str(value).startswith("-") else [f"--{name}", str(value)]
    return shlex.join(words)


def build(owner, values, *, origin="options"):
    """Make an instance of the dataclass `owner` from a dictionary, checked.

    Parameters
    ----------
    owner : type
        A dataclass whose fields were made by :func:`option`.
    values : dict
        Option names and values; missing ones keep their defaults.
    origin : str
        Named in errors: a file name, or "command line".

    Raises
    ------
    UserError
        Unknown names, wrong types, values outside their bounds or choices.

    Examples
    --------
    >>> @dataclasses.dataclass(kw_only=True)
    ... class Options:
    ...     steps: int = option(10, "steps of the integral", least=1)
    >>> build(Options, {"steps": 5})
    Options(steps=5)
    >>> build(Options, {"steps": 0})
    Traceback (most recent call last):
    tools.errors.UserError: options: steps is at least 1; received 0
    """
    options = fields(owner)
    if not isinstance(values, dict):
        raise UserError(f"{origin}: expected options of {owner.__name__} by name, received {quoted(values)}")
    unknown = sorted(set(map(str, values)) - set(options))
    if unknown:
        raise UserError(f"{origin}: {owner.__name__} has no option {', '.join(unknown)}; it has {', '.join(options) or 'none'}")
    annotations = typing.get_type_hints(owner)
    return owner(**{name: _checked(value, annotations[name], options[name], origin) for name, value in values.items()})


def _kind(annotation):
    """Read an annotation: (element type, whether it is a tuple, whether it may be None)."""
    optional = False
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not types.NoneType]
        optional, annotation = True, parts[0]
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0], True, optional
    return annotation, False, optional


def _checked(value, annotation, field, origin):
    kind, many, optional = _kind(annotation)
    if value is None and optional:
        return None
    if many:
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            raise UserError(f"{origin}: {field.name} expects a list, received {quoted(value)}")
        return tuple(_checked_element(element, kind, field, origin) for element in value)
    return _checked_element(value, kind, field, origin)


def _checked_element(value, kind, field, origin):
    limits = field.metadata
    bound = None
    if kind in _WIDEST and (type(value) is kind or (kind is float and type(value) is int)):
        bound = _bound(value, *_limits(kind, limits))
        value = value if bound else kind(value)
    if type(value) is not kind and not bound:
        raise UserError(f"{origin}: {field.name} expects {kind.__name__}, received {quoted(value)}")
    if limits["choices"] and value not in limits["choices"]:
        choices = ", ".join(map(str, limits["choices"]))
        raise UserError(f"{origin}: {field.name} is one of {choices}; received {quoted(value)}")
    if bound:
        raise UserError(f"{origin}: {field.name} is {bound}; received {quoted(value)}")
    return value
