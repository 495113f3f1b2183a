"""JSON and YAML, within stated bounds of size, depth and numbers."""

import itertools
import json
import math

from tools.errors import UserError
from tools.reading import raw_files

DEPTH = 40
_PARTS = 2_000_000
_DIGITS = 20
_YAML_MOST = 1 << 18
_CONTAINERS = (dict, list, tuple, set)


def parse_json(text, source, *, finite=False, kind=None, advice="give another file", error=UserError, strict=True):
    """Parse JSON.

    Parameters
    ----------
    text : str or bytes
    source : str or pathlib.Path
        The file or address, named in errors.
    finite : bool
        Refuse NaN, infinities, numbers beyond float64 and integers of more than 20 digits, wherever they stand. Otherwise
        such an integer comes as a float.
    kind : type, optional
        What it must be: dict or list.
    advice : str
        Follows the reason in errors.
    error : type
        Of the exception raised, a `UserError`.
    strict : bool
        Refuse control characters within strings.

    Returns
    -------
    object
        Nested at most `DEPTH` deep.

    Raises
    ------
    UserError
        It is no JSON, or not within these bounds.
    """
    hooks = {"parse_int": _integer}
    if finite:
        hooks = {"parse_int": _short_integer, "parse_constant": _refused_constant, "parse_float": _finite_float}
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        value = json.loads(text, strict=strict, **hooks)
        _require_modest(value)
    except (ValueError, RecursionError) as reason:
        raise error(f"{source}: is no sound JSON ({_in_line(reason)}); {advice}") from reason
    return _require_kind(value, kind, source, advice, error)


def read_json(path, *, most=raw_files.MOST, advice="give another file", error=UserError, **keywords):
    """Read a JSON file. Parameters, result and errors as of `raw_files.read_bytes` and `parse_json`."""
    text = raw_files.read_bytes(path, most=most, advice=advice, error=error)
    return parse_json(text, path, advice=advice, error=error, **keywords)


def read_yaml(path, *, kind=None, advice="give another file"):
    """Read a YAML file of plain values; tags of Python objects are refused.

    Parameters
    ----------
    path : str or pathlib.Path
        At most 256 KiB.
    kind, advice
        As of `parse_json`.

    Returns
    -------
    object

    Raises
    ------
    UserError
        The file is missing, unreadable, no YAML, or nested too deep.
    """
    import yaml

    text = raw_files.read_text(path, most=_YAML_MOST, advice=advice)
    try:
        value = yaml.safe_load(text)
        _require_modest(value)
    # Constructors of dates, numbers and keys raise errors of their own.
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as reason:
        raise UserError(f"{path}: is no sound YAML ({_in_line(reason)}); {advice}") from reason
    return _require_kind(value, kind, path, advice, UserError)


def _require_kind(value, kind, source, advice, error):
    if kind is not None and not isinstance(value, kind):
        expected, received = _NAMES.get(kind, kind.__name__), _NAMES.get(type(value), type(value).__name__)
        raise error(f"{source}: holds {received} where {expected} belongs; {advice}")
    return value


_NAMES = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number", type(None): "nothing"}


def _integer(text):
    # Beyond 64 bits it is no count of anything; a float says how large it is, and is infinite beyond 308 digits.
    return int(text) if len(text) <= _DIGITS else float(text)


def _short_integer(text):
    if len(text) > _DIGITS:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _finite_float(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:30]}")
    return value


def _refused_constant(name):
    raise ValueError(f"the value {name}")


def _require_modest(value):
    """Raise a ValueError where containers are nested too deep; those that YAML's aliases repeat count each time."""
    level, count = [value] if isinstance(value, _CONTAINERS) else [], 0
    for _ in range(DEPTH):
        if not level:
            return
        parts = (part for holder in level for part in (holder.values() if isinstance(holder, dict) else holder))
        level = list(itertools.islice((part for part in parts if isinstance(part, _CONTAINERS)), _PARTS + 1))
        count += len(level)
        if count > _PARTS:
            raise ValueError(f"more than {_PARTS} parts")
    raise ValueError(f"nested more than {DEPTH} deep")


def _in_line(reason):
    if isinstance(reason, RecursionError):
        return "nested too deep"
    return " ".join(str(reason).split())[:200]
