"""Every number that a script or an option takes has bounds, and nothing beyond them, NaN or infinite gets through."""

import argparse
import ast
import dataclasses
import importlib
import inspect
import math
import pathlib
import re
import typing

import pytest

from dataset_models.solar_data import load_solar_data
from tools import command_line, modules, options
from tools.errors import UserError
from tools.options import add_number, option

PROJECT = pathlib.Path(__file__).parents[2]
ROOMS = ("tools", "dataset_models", "network_models", "science", "examples", "benchmarks")
FILES = sorted(path for room in ROOMS for path in (PROJECT / room).rglob("*.py"))
SCRIPTS = [path for path in FILES if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
HOSTILE = ("nan", "inf", "-inf", "1e400", "-1e308", str(10**30), str(-(10**30)), "1" * 5000, "0x10", "")


class Parsed(Exception):
    """Ends a script when it has its parser."""


def parsers_of(path, monkeypatch):
    """The parsers of a script, those of its commands included."""
    found = []

    def caught(parser, *arguments, **keywords):
        found.append(parser)
        raise Parsed

    if path.parts[len(PROJECT.parts)] in ("examples", "benchmarks"):
        monkeypatch.syspath_prepend(str(path.parent))
        script = modules.load(path)
    else:
        script = importlib.import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", caught)
    if not hasattr(script, "main"):
        return []
    with pytest.raises(Parsed):
        script.main([])
    for parser in found:  # grows
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found += dict.fromkeys(action.choices.values())
    return found


def refuses(reads, text):
    with pytest.raises((UserError, argparse.ArgumentTypeError)) as raised:
        reads(text)
    return len(str(raised.value)) < 250


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_flags_of_a_script(path, monkeypatch):
    for parser in parsers_of(path, monkeypatch):
        for action in parser._actions:
            assert action.type not in (int, float, complex), f"{path}: declare {action.option_strings} with add_number"
            if isinstance(action.type, options.Number):
                assert math.isfinite(action.type.least)
                assert math.isfinite(action.type.most)
                for text in HOSTILE:
                    assert refuses(action.type, text), (action.option_strings, text)
                for value in [action.default] if isinstance(action.default, int | float) else []:
                    assert action.type(str(value)) == value


def test_numeric_flags_are_found(monkeypatch):
    (parser,) = parsers_of(PROJECT / "network_models/architecture_search/search.py", monkeypatch)
    numeric = {action.dest for action in parser._actions if isinstance(action.type, options.Number)}
    assert {"trials", "workers", "epochs", "learning_rate", "conv_1_width", "days"} <= numeric


def test_no_script_declares_a_number_otherwise():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", getattr(node.func, "id", "")) != "add_argument":
                continue
            kinds = [keyword.value for keyword in node.keywords if keyword.arg == "type"]
            wrong = [kind for kind in kinds if isinstance(kind, ast.Lambda) or getattr(kind, "id", "") in ("int", "float")]
            assert not wrong or path.name == "options.py", f"{path}:{node.lineno}: use tools.options.add_number"


def owners():
    """Every dataclass with options in the rooms: class by name."""
    found = {}
    for path in FILES:
        if "= option(" not in path.read_text(encoding="utf-8") or path.parts[len(PROJECT.parts)] == "tools":
            continue
        if path.parts[len(PROJECT.parts)] == "examples":
            found[path.stem] = load_solar_data(path)
            continue
        module = importlib.import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts))
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and getattr(kind, "__dataclass_fields__", None) and options.fields(kind):
                found[f"{module.__name__}.{name}"] = kind
    return found


OWNERS = owners()


def test_options_are_found():
    assert len(OWNERS) > 12


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
def test_options_state_their_bounds(owner):
    annotations = typing.get_type_hints(owner)
    for name, field in options.fields(owner).items():
        words = str(annotations[name])
        many = "tuple" in words
        if not re.search(r"\b(int|float)\b", words):
            continue
        limits = field.metadata
        assert limits["choices"] or (limits["least"] is not None and limits["most"] is not None), f"{owner.__name__}.{name}"
        for value in (math.nan, math.inf, -math.inf, -1e308, 10**30, 10**400, -(10**400), 10**5000):
            with pytest.raises(UserError) as raised:
                options.build(owner, {name: [value] if many else value}, origin="a file")
            assert len(str(raised.value)) < 250


def test_an_option_without_bounds_has_the_widest():
    @dataclasses.dataclass(kw_only=True)
    class Users:
        count: int = option(3, "of something")
        share: float = option(0.5, "of something")

    assert options.bounds(Users, "count") == (-(2**31), 2**32 - 1)
    with pytest.raises(UserError, match="share is at most 1e"):
        options.build(Users, {"share": math.inf})
    parser = command_line.parser("")
    options.add_flags(parser, Users)
    with pytest.raises(UserError, match="command line: count is at most 4294967295; received 1000"):
        parser.parse_args(["--count", "1" + "0" * 40])


def test_a_refusal_names_the_flag_and_quotes_little(capsys):
    parser = command_line.parser("", prog="script.py")
    add_number(parser, "--trials", int, least=1, most=9, default=3, help="of something")
    add_number(parser, "--rate", float, least=0, most=1, says="give a share")
    for words, line in (
        (["--trials", "0"], "--trials 0: must be at least 1"),
        (["--trials", "10"], "--trials 10: must be at most 9"),
        (["--rate", "nan"], "--rate nan: give a share"),
        (["--rate", "1e400"], "--rate inf: give a share"),
    ):
        with pytest.raises(UserError) as raised:
            parser.parse_args(words)
        assert str(raised.value) == line
    with pytest.raises(SystemExit):
        parser.parse_args(["--trials", "9" * 5000 + "x"])
    assert len(capsys.readouterr().err) < 200
    with pytest.raises(ValueError, match="bounds"):
        add_number(parser, "--more", float, least=0, most=math.inf)
