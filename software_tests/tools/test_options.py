"""Flags that a .py file among the arguments brings."""

import argparse
import dataclasses

import pytest

from tools import options
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class Fields:
    title = "a test"
    width: int = option(3, "of something")
    split: str = option("a", "also a flag of the script")


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--split", default="script")
    return options.parse_with_file(parser, list(arguments), lambda path: Fields)


def test_a_file_brings_its_flags_and_the_script_keeps_its_own(tmp_path):
    file = tmp_path / "data.py"
    file.write_text("")
    flags, given = parsed("--width", "4", str(file), "--split", "b")
    assert (flags.file, flags.split, given) == (str(file), "b", {"width": 4})
    assert parsed(str(file))[1] == {}


def test_without_the_file_its_flags_are_unknown(tmp_path, capsys):
    flags, given = parsed(str(tmp_path / "none.py"))
    assert (flags.split, given) == ("script", {})
    with pytest.raises(SystemExit):
        parsed(str(tmp_path / "none.py"), "--width", "4")
    assert "unrecognized arguments: --width 4" in capsys.readouterr().err


def test_help_lists_the_flags_of_the_file(tmp_path, capsys):
    file = tmp_path / "data.py"
    file.write_text("")
    with pytest.raises(SystemExit):
        parsed(str(file), "--help")
    assert "data set: a test (default: as in the run)" in capsys.readouterr().out
