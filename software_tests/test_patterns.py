"""No regular expression of the rooms takes quadratic time, whatever a long line holds."""

import ast
import contextlib
import importlib
import pathlib
import re
import signal
import time
import typing
from re import _parser

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ("tools", "dataset_models", "network_models", "science")
LENGTH = 40_000  # characters of a line; a linear pattern takes a few milliseconds
SURE, FLOOR = 0.5, 0.02  # seconds of computing: more is quadratic in any case, less is none
RATIO = 3.0  # of the seconds for `LENGTH` and for half of it, 2 where linear and 4 where quadratic
MANY = 100  # a repeat that may be as long makes lines long; squares of less are constants
USES = {  # of a pattern on a line
    "match": re.Pattern.match,
    "fullmatch": re.Pattern.fullmatch,
    "search": re.Pattern.search,
    "findall": lambda pattern, line: sum(1 for _ in pattern.finditer(line)),
    "sub": lambda pattern, line: pattern.sub(line[:0], line),
    "split": re.Pattern.split,
}
USES |= {"finditer": USES["findall"], "subn": USES["sub"]}
FLAGS = {"compile": 1, "sub": 4, "subn": 4, "split": 3}  # which argument holds them; the third of all others
OF_PANDAS = {"match": "match", "fullmatch": "fullmatch", "contains": "search", "extract": "search", "replace": "sub"}
LOCALS = {"suffix": "jpe?g", "first": ['{"a"']}  # values of names within functions that patterns are made with


class Found(typing.NamedTuple):
    """A pattern, where it is written, and how it is used."""

    place: str
    pattern: re.Pattern
    uses: tuple[str, ...]


# Patterns in the source


def patterns_of(text, place, names):
    """List the patterns of a module.

    Parameters
    ----------
    text : str
        Its source.
    place : str
    names : dict
        What is defined in it.

    Returns
    -------
    list of Found
    """
    tree = ast.parse(text)
    assigned = {}  # a call of re.compile to the name of its result
    used = {}  # a name in capitals to what is done with it; "" has the patterns in tables and local names
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned[node.value] = node.targets[0].id
        if isinstance(node, ast.Attribute) and node.attr in USES and not _is_re(node):
            name = node.value.id if isinstance(node.value, ast.Name) and node.value.id.isupper() else ""
            if name or node.attr != "split":  # of texts
                used.setdefault(name, set()).add(node.attr)
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        method, of_pandas = node.func.attr, getattr(node.func.value, "attr", None) == "str"
        if _is_re(node.func) and (method == "compile" or method in USES):
            uses = used.get(assigned.get(node), used.get("", set(USES))) if method == "compile" else {method}
        elif of_pandas and method in OF_PANDAS and _is_pattern(node, names):
            uses = {OF_PANDAS[method]}
        else:
            continue
        for pattern in _values(node.args[0], names):
            if not isinstance(pattern, re.Pattern):
                pattern = re.compile(pattern, _flags(node, names))
            found.append(Found(f"{place}:{node.lineno}", pattern, tuple(sorted(uses))))
    return found


def _is_re(attribute):
    return isinstance(attribute.value, ast.Name) and attribute.value.id == "re"


def _is_pattern(call, names):
    """Whether a method of pandas takes its first argument for a pattern."""
    given = {keyword.arg: _values(keyword.value, names)[0] for keyword in call.keywords if keyword.arg == "regex"}
    return given.get("regex", call.func.attr != "replace")


def _flags(call, names):
    place = FLAGS.get(call.func.attr, 2)
    given = [keyword.value for keyword in call.keywords if keyword.arg == "flags"] or call.args[place : place + 1]
    return _values(given[0], names)[0] if given else 0


def _values(node, names):
    """Values of an expression: both where it has a condition."""
    if isinstance(node, ast.IfExp):
        return _values(node.body, names) + _values(node.orelse, names)
    return [eval(compile(ast.Expression(node), "<pattern>", "eval"), {**LOCALS, **names})]


def patterns_of_rooms():
    found = []
    for room in ROOMS:
        for path in sorted((PROJECT / room).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if re.search(r"^import re$|\.str\.", text, re.MULTILINE):
                place = path.relative_to(PROJECT)
                names = vars(importlib.import_module(".".join(place.with_suffix("").parts)))
                found += patterns_of(text, place.as_posix(), names)
    return found


# Hostile lines of a pattern

LETTERS = "a0Z .\t\n,-_+/:;'\"()[]{}<>=*#\\\0\u00e9"
CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}


def _takes(parts, letter):
    """Whether a set takes a letter."""
    denied, inside = False, False
    for kind, value in parts:
        match str(kind):
            case "NEGATE":
                denied = True
            case "LITERAL":
                inside |= ord(letter) == value
            case "RANGE":
                inside |= value[0] <= ord(letter) <= value[1]
            case "CATEGORY":
                name = str(value).removeprefix("CATEGORY_")
                inside |= bool(re.match(CATEGORIES[name.removeprefix("NOT_")], letter)) != name.startswith("NOT_")
    return inside != denied


def _letters(kind, value):
    """Letters of each sort that one part of a pattern takes: str."""
    if kind == "LITERAL":
        return chr(value)
    if kind == "ANY":
        return LETTERS.replace("\n", "")
    parts = [("NEGATE", None), ("LITERAL", value)] if kind == "NOT_LITERAL" else value
    named = [chr(one if str(sort) == "LITERAL" else one[0]) for sort, one in parts if str(sort) in ("LITERAL", "RANGE")]
    return "".join(letter for letter in dict.fromkeys([*LETTERS, *named]) if _takes(parts, letter))


def _shortest(parts, before, repeats):
    """Write the shortest text that parts of a pattern take, and add (text before, text repeated) of all long repeats."""
    text = ""
    for kind, value in parts:
        kind = str(kind)
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            text += _letters(kind, value)[0]
        elif kind in ("SUBPATTERN", "ATOMIC_GROUP"):
            text += _shortest(value[-1] if kind == "SUBPATTERN" else value, before + text, repeats)
        elif kind == "BRANCH":
            shortest = [_shortest(branch, before + text, repeats) for branch in value[1]]  # each, for its repeats
            text += shortest[0]
        elif kind.endswith("_REPEAT"):
            least, most, body = value
            one = _shortest(body, before + text, repeats)
            if most >= MANY:
                repeats += [(before + text, unit) for unit in _units(body)]
            text += one * least
    return text


def _units(parts):
    """Texts that a repeat may consist of: list of str."""
    if len(parts) == 1:
        kind, value = str(parts[0][0]), parts[0][1]
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return list(_letters(kind, value))
        if kind == "SUBPATTERN":
            return _units(value[-1])
        if kind == "BRANCH":
            return [unit for branch in value[1] for unit in _units(branch)]
    return [_shortest(parts, "", [])]


def lines_of(pattern):
    """Lines that make a pattern try for long: dict of a unit's description to a function of the length."""
    repeats = []
    binary = isinstance(pattern.pattern, bytes)
    whole = _shortest(_parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG), "", repeats)
    units = dict.fromkeys((before, unit) for before, unit in repeats if unit)
    units |= dict.fromkeys([("", before + unit) for before, unit in units] + [("", whole)] * bool(whole))

    def line(before, unit, end):
        def of(length):
            text = before + unit * (length // len(unit)) + end
            return text.encode("latin-1", "replace") if binary else text

        return of

    return {
        f"{before!r} + {unit!r} * n + {end!r}": line(before, unit, end) for before, unit in units for end in ("", "\0", "\n\0")
    }


# Seconds


class _TooLongError(Exception):
    pass


@contextlib.contextmanager
def _no_longer(seconds):
    """Raise within this block once this thread has computed for some seconds; matching looks for signals in between."""
    began = time.thread_time()

    def ring(*_):
        if time.thread_time() - began > seconds:
            raise _TooLongError

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds / 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _seconds(use, pattern, line):
    began = time.thread_time()
    with contextlib.suppress(_TooLongError), _no_longer(SURE):
        USES[use](pattern, line)
    return time.thread_time() - began


def faults_of(found):
    """List the lines on which a pattern takes too long: list of str."""
    faults = []
    for unit, line in lines_of(found.pattern).items():
        for use in found.uses:
            whole = _seconds(use, found.pattern, line(LENGTH))
            if FLOOR < whole < SURE:  # what came between counts once
                whole = min(whole, _seconds(use, found.pattern, line(LENGTH)))
            half = _seconds(use, found.pattern, line(LENGTH // 2)) if FLOOR < whole < SURE else None
            if whole >= SURE or (half is not None and whole > RATIO * half):
                faults.append(f"{found.place}: {use} of {found.pattern.pattern!r} takes {whole:.2g} s on {unit}, n = {LENGTH}")
                break
        if faults:
            break
    return faults


@pytest.mark.long
def test_no_pattern_is_quadratic():
    found = patterns_of_rooms()
    assert len(found) > 90
    assert [fault for one in found for fault in faults_of(one)] == []


@pytest.mark.parametrize(
    ("pattern", "use", "is_quadratic"),
    [
        (r"\s+$", "search", True),
        (r"\s+$", "match", False),
        (r"(\d+)[^,]*:", "sub", True),
        (r"=(\d+)\s*\+?\s+[AB]?\s*end", "match", True),  # cubic
        (r"=(\d++)\s*+(?:\+\s++)?[AB]?\s*+end", "match", False),
        (r"(?:\w+-?)*!", "fullmatch", True),  # exponential
        (r"\(\s*([^,()]+?)\s*\)", "fullmatch", True),
        (rb"KEY= *'([^']*)'", "search", False),
        (r"KEY=[^']*'", "search", True),
        (r"(?:b|\d)*(?:b|\d)*x", "match", True),
    ],
)
def test_quadratic_patterns_are_told(pattern, use, is_quadratic):
    assert bool(faults_of(Found("here", re.compile(pattern), (use,)))) is is_quadratic


def test_patterns_are_found_where_they_are_written():
    text = """
import re
_ONE = re.compile("a" + OTHER, re.IGNORECASE)
_TABLE = (re.compile("b"),)

def f(column, suffix, text, long):
    _ONE.search(text)
    next(filter(_ONE.fullmatch, [text]))
    [one.match(text) for one in _TABLE]
    re.sub(r"c" if long else r"d", "", text, flags=re.DOTALL)
    column.str.replace("e", "")
    column.str.replace(_ONE, "", regex=True).str.contains(f"f{suffix}")
"""
    found = patterns_of(text, "x.py", {"re": re, "OTHER": "z", "_ONE": re.compile("g")})
    assert sorted((one.place, one.pattern.pattern, one.uses) for one in found) == [
        ("x.py:10", "c", ("sub",)),
        ("x.py:10", "d", ("sub",)),
        ("x.py:12", "fjpe?g", ("search",)),
        ("x.py:12", "g", ("sub",)),
        ("x.py:3", "az", ("fullmatch", "search")),
        ("x.py:4", "b", ("match",)),
    ]
    assert found[0].pattern.flags & re.IGNORECASE
