"""Command line, atomic files, options, paths and GOES classes."""

import dataclasses
import errno
import json
import os
import pathlib
import shlex
import subprocess
import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import atomic_files, command_line, digests, goes_class, options, paths, tables
from tools.errors import UserError
from tools.options import option


@given(st.sampled_from("ABCMX"), st.integers(10, 99))
def test_goes_class_round_trip(letter, tenths):
    name = f"{letter}{tenths / 10:.1f}"
    assert goes_class.from_flux(goes_class.to_flux(name)) == name


@given(st.integers(10, 999))
def test_goes_class_beyond_x10(tenths):
    name = f"X{tenths / 10:.1f}"
    assert goes_class.from_flux(goes_class.to_flux(name)) == name


def test_goes_class_known_values():
    assert goes_class.to_flux("M2.5") == 2.5e-5
    assert goes_class.to_flux(" x10 ") == 1e-3
    assert goes_class.to_flux("X10") > goes_class.to_flux("X9.9")
    assert goes_class.from_flux(9.99e-6) == "C9.9"  # cut, not rounded to M1.0
    assert goes_class.from_flux(3e-9) == "A0.3"


@pytest.mark.parametrize("text", ["", "M", "Y1.0", "M-1", "M1.0.0", "M0", "5e-5", "nan", None])
def test_malformed_goes_class(text):
    with pytest.raises(ValueError, match="GOES class"):
        goes_class.to_flux(text)


@pytest.mark.parametrize("flux", [0.0, -1e-6, float("nan"), float("inf")])
def test_flux_without_class(flux):
    with pytest.raises(ValueError, match="not a flux"):
        goes_class.from_flux(flux)


def test_file_appears_complete_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with pytest.raises(RuntimeError), atomic_files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    atomic_files.write_text(path, "whole")
    with pytest.raises(RuntimeError), atomic_files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_second_name_given_twice_leaves_nothing_else(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    path, name = folder / "state.npz", folder / "before.npz"
    path.write_bytes(b"one")
    for _ in range(2):
        atomic_files.second_name(path, name)
    assert sorted(folder.iterdir()) == [name, path]
    path.unlink()
    path.write_bytes(b"two")
    assert name.read_bytes() == b"one"
    atomic_files.second_name(path, name)
    assert name.read_bytes() == b"two"
    assert sorted(folder.iterdir()) == [name, path]


def test_full_disk_names_the_file_that_was_wanted(tmp_path):
    path = tmp_path / "map.npz"
    with pytest.raises(OSError, match="space") as raised, atomic_files.replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(path)
    assert list(tmp_path.glob("*.npz")) == []


def write_script(body, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from tools import command_line\nfrom tools.errors import UserError\n" + body)
    return script


def run_script(body, tmp_path):
    return run_with_output(subprocess.PIPE, write_script(body, tmp_path))


def run_with_output(output, script):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, str(script)], stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, env=environment
    )


def test_user_error_is_one_line_and_code_2(tmp_path):
    body = "def main(arguments=None):\n    raise UserError('night.fits: expected 8 channels,\\n received 7')\n"
    done = run_script(body + "command_line.run(main)\n", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "script.py: night.fits: expected 8 channels, received 7\n"


def test_full_disk_is_one_line_and_code_2(tmp_path):
    body = "def main(arguments=None):\n    open('/dev/full', 'w', 1).write('x' * 10 + '\\n')\ncommand_line.run(main)\n"
    done = run_script(body, tmp_path)
    assert done.returncode == 2
    assert "no space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


SAYS_SO = "script.py: no space left on device while writing the output: free some space and run again\n"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("print('done')", SAYS_SO),
        ("print('done', flush=True)", SAYS_SO),
        ("command_line.parser('does things').parse_args(['--help'])", SAYS_SO),
        ("print('some are missing'); raise SystemExit(3)", SAYS_SO),
        ("print('begun'); raise UserError('night.fits: is damaged')", "script.py: night.fits: is damaged\n"),
    ],
)
def test_standard_output_on_a_full_disk_is_one_line_and_code_2(tmp_path, statement, said):
    script = write_script(f"def main(arguments=None):\n    {statement}\ncommand_line.run(main)\n", tmp_path)
    with open("/dev/full", "w") as full:
        done = run_with_output(full, script)
    assert (done.returncode, done.stderr) == (2, said)


def test_standard_error_on_a_full_disk_leaves_the_code(tmp_path):
    body = "import os, sys\nos.dup2(os.open('/dev/full', os.O_WRONLY), 2)\n"
    body += "def main(arguments=None):\n    print('begun', file=sys.stderr)\ncommand_line.run(main)\n"
    assert run_script(body, tmp_path).returncode == 2


def test_a_stream_thrown_away_on_a_full_disk_is_told_where_python_tells_us(tmp_path):
    body = "def main(arguments=None):\n    open('/dev/full', 'w').write('lost')\ncommand_line.run(main)\n"
    done = run_script(body, tmp_path)
    if sys.version_info < (3, 13):
        assert (done.returncode, done.stderr) == (0, "")  # a file that is not closed is lost unseen: ours all are
    else:
        assert (done.returncode, done.stderr) == (2, SAYS_SO.replace("the output", "/dev/full"))


def test_a_closed_pipe_ends_quietly(tmp_path):
    script = write_script("def main(arguments=None):\n    print('done')\ncommand_line.run(main)\n", tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    done = run_with_output(writer, script)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_finaliser_that_fails_otherwise_is_still_reported(tmp_path):
    body = "class Defect:\n    def __del__(self):\n        1 / 0\n"
    done = run_script(body + "def main(arguments=None):\n    Defect()\ncommand_line.run(main)\n", tmp_path)
    assert (done.returncode, "ZeroDivisionError" in done.stderr) == (0, True)


def test_defects_keep_their_traceback(tmp_path):
    done = run_script("def main(arguments=None):\n    1 / 0\ncommand_line.run(main)\n", tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_usage_error_is_one_line_and_code_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        command_line.parser("does things").parse_args(["--unknown"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@dataclasses.dataclass(kw_only=True)
class Example:
    """Options of every kind."""

    lag: str = option("01hr", "hours", choices=("00min", "01hr"))
    size: int = option(128, "pixels", least=8, most=1024)
    rate: float = option(0.5, "share, in %", least=0.0)
    shuffle: bool = option(True, "mix")
    folder: str | None = option(None, "folder")
    names: tuple[str, ...] = option(("a",), "names")
    counts: tuple[int, ...] = option((1, 2), "counts", least=1)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "lag": st.sampled_from(("00min", "01hr")),
            "size": st.integers(8, 1024),
            "rate": st.floats(0, 1e6),
            "shuffle": st.booleans(),
            "folder": st.none() | st.text(),
            "names": st.lists(st.text()),
            "counts": st.lists(st.integers(1, 9)),
        },
    )
)
def test_options_survive_storing(values):
    import yaml

    built = options.build(Example, values)
    stored = yaml.safe_load(yaml.safe_dump(options.as_dictionary(built)))
    assert options.build(Example, stored) == built


def test_flags_give_only_what_was_said():
    parser = command_line.parser("")
    options.add_flags(parser, Example)
    assert options.take(Example, parser.parse_args([])) == {}
    given_flags = ["--size", "64", "--no-shuffle", "--counts", "3", "4", "--folder", "x"]
    taken = options.take(Example, parser.parse_args(given_flags))
    assert taken == {"size": 64, "shuffle": False, "counts": [3, 4], "folder": "x"}
    assert options.build(Example, taken).counts == (3, 4)
    assert "share, in %" in parser.format_help()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "size": st.integers(8, 1024),
            "rate": st.floats(0, 1e6),
            "shuffle": st.booleans(),
            "folder": st.text(),
            "names": st.lists(st.from_regex(r"[a-z' ]+", fullmatch=True)),
            "counts": st.lists(st.integers(1, 9)),
        },
    )
)
def test_values_as_flags_are_read_back(values):
    parser = command_line.parser("")
    options.add_flags(parser, Example)
    assert options.take(Example, parser.parse_args(shlex.split(options.as_flags(values)))) == values
    assert options.as_flags({"folder": None}) == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "no option sise"),
        ({"size": "3"}, "size expects int"),
        ({"size": True}, "size expects int"),
        ({"size": 4}, "at least 8"),
        ({"size": 4096}, "at most 1024"),
        ({"rate": float("nan")}, "at least 0"),
        ({"lag": "2hr"}, "one of 00min, 01hr"),
        ({"names": "abc"}, "expects a list"),
        ({"counts": [0]}, "at least 1"),
        ({"size": None}, "size expects int"),
    ],
)
def test_wrong_options_are_named(values, message):
    with pytest.raises(UserError, match=message) as raised:
        options.build(Example, values, origin="settings.yml")
    assert str(raised.value).startswith("settings.yml: ")


def test_data_paths(tmp_path, monkeypatch):
    config = tmp_path / "config.yml"
    config.write_text("aia: here/AIA\nhmi: /there\n")
    monkeypatch.setenv("SOLAR_CONFIG", str(config))
    assert paths.data_path("aia") == tmp_path / "here/AIA"
    assert paths.data_path("hmi") == pathlib.Path("/there")
    monkeypatch.setenv("SOLAR_AIA", "/elsewhere")
    assert paths.data_path("aia") == pathlib.Path("/elsewhere")
    assert paths.data_path("aia", "flag") == pathlib.Path("flag")
    with pytest.raises(UserError, match="no entry 'goes'"):
        paths.data_path("goes")
    for content, message in (("aia: [", "no sound YAML"), ("- aia", "write entries"), ("sdo: x", "unknown entries sdo")):
        config.write_text(content)
        with pytest.raises(UserError, match=message):
            paths.data_path("goes")
    config.unlink()
    with pytest.raises(UserError, match="no such file"):
        paths.data_path("goes")


def test_no_file_hides_a_library():
    """A script's own folder comes first on sys.path: a neighbour named like a library would replace it."""
    import importlib.metadata

    taken = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions()) - set(paths_of_rooms())
    ours = [p for room in paths_of_rooms() for p in (paths.PROJECT / room).rglob("*.py") if p.name != "__init__.py"]
    assert ours
    assert [p for p in ours if p.stem in taken] == []


def paths_of_rooms():
    return ("tools", "dataset_models", "network_models", "science")


def test_arrays_are_written_without_objects(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        atomic_files.write_array(tmp_path / "a.npy", numpy.array([{}], object))
    assert list(tmp_path.glob("*.npy")) == []
    atomic_files.write_arrays(tmp_path / "a.npz", state=numpy.array(json.dumps({"a": 1})))
    with numpy.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert json.loads(str(stored["state"])) == {"a": 1}


def test_results_appear_together_or_not_at_all(tmp_path):
    folder = tmp_path / "a" / "b"
    with pytest.raises(OSError, match="No space left") as raised, atomic_files.results(folder) as unfinished:
        (unfinished / "one").write_text("1")
        raise OSError(28, "full", str(unfinished / "one"))
    assert raised.value.filename == str(folder)  # not a name that the user never saw
    assert not (tmp_path / "a").exists()
    with atomic_files.results(folder) as unfinished:
        (unfinished / "one").write_text("1")
        assert not (folder / "one").exists()
    assert [path.name for path in folder.iterdir()] == ["one"]


def test_file_names_are_safe():
    assert atomic_files.safe_name("a/b c:d", "x", "", "1.5") == "a_b_c_d_x_1.5"


def test_digest_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # the first example of FIPS 180-4
    assert digests.of_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(("content", "message"), [(b"", "empty"), (b"\xff\xfe\x00", "is no UTF-8 text"), (b"a,b\n", "no rows")])
def test_tables_that_are_none(content, message, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"t\.csv: {message}"):
        tables.read(tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        tables.read(tmp_path / "none.csv")


def test_patterns_expand_in_the_order_of_the_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("b.csv", "a.csv", "day [1].csv", "deep/er/c.csv"):
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).touch()
    words = ["z.csv", "?.csv", "no*.jpg", "day [1].csv", "**/c.csv", "none[0-9]"]
    expected = ["z.csv", "a.csv", "b.csv", "day [1].csv", "deep/er/c.csv"]
    assert paths.matching(words) == (expected, ["no*.jpg", "none[0-9]"])
    parser = command_line.parser("")
    parser.add_argument("--images", nargs="+", action=paths.Files)
    assert parser.parse_args(["--images", *words]).images == expected
    assert [line.split(": ", 1)[1] for line in capsys.readouterr().err.splitlines()] == [
        "note: no file matches no*.jpg",
        "note: no file matches none[0-9]",
    ]
    with pytest.raises(UserError, match=r"^no file matches no\*\.jpg; check the folder and the pattern$"):
        parser.parse_args(["--images", "no*.jpg"])


def test_places_of_several_files_take_patterns(tmp_path):
    @dataclasses.dataclass(kw_only=True)
    class Lists:
        flares: tuple[str, ...] = option((), "lists", place="flares")

    (tmp_path / "a.csv").touch()
    parser = command_line.parser("")
    options.add_flags(parser, Lists)
    parsed = parser.parse_args(["--flares", str(tmp_path / "*.csv"), "other.csv"])
    assert options.take(Lists, parsed) == {"flares": [str(tmp_path / "a.csv"), "other.csv"]}
    assert options.take(Lists, parser.parse_args(["--flares"])) == {"flares": []}
    with pytest.raises(UserError, match=r"no file matches .*\*\.txt"):
        parser.parse_args(["--flares", str(tmp_path / "*.txt")])
