import contextlib
import dataclasses
import gzip
import json
import os
import sqlite3
import zipfile
import zlib

import hypothesis
import hypothesis.strategies as st
import numpy
import pytest

from tools import options
from tools.errors import UserError, quoted, shortened
from tools.reading import databases, raw_files, structures
from tools.reading.arrays import read_arrays


def failure(function, *arguments, **keywords):
    with pytest.raises(UserError) as raised:
        function(*arguments, **keywords)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 900
    return message


def test_gzip_files_of_several_members_and_with_padding_are_unpacked(tmp_path):
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + bytes(512)
    path = tmp_path / "list.csv.gz"
    path.write_bytes(packed)
    assert raw_files.read_unpacked(path) == b"one two"
    assert raw_files.unpack(b"plain", path) == b"plain"


@hypothesis.given(st.binary(max_size=3000), st.data())
def test_a_cut_or_changed_gzip_file_never_gives_other_bytes(content, data):
    packed = gzip.compress(content, mtime=0)
    assert raw_files.unpack(packed, "f") == content
    cut = data.draw(st.integers(2, len(packed) - 1))
    assert "f: " in failure(raw_files.unpack, packed[:cut], "f")
    place = data.draw(st.integers(10, len(packed) - 1))
    changed = bytearray(packed)
    changed[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(UserError):  # bytes of the header that say nothing of the content may differ
        assert raw_files.unpack(bytes(changed), "f") == content


def test_a_bomb_ends_before_it_fills_the_memory(tmp_path):
    squeezer = zlib.compressobj(wbits=31)
    bomb = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(400)) + squeezer.flush()
    message = failure(raw_files.unpack, bomb, "bomb.gz", most=1 << 24)
    assert message == "bomb.gz: unpacks to more than the 16.8 MB expected at most; fetch it again"


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path in (pipe, tmp_path, "/dev/zero"):
        assert failure(raw_files.read_bytes, path) == f"{path}: is no regular file; give another file"
        assert failure(raw_files.regular_file, path) == f"{path}: is no regular file; give another file"
    assert "no such file" in failure(raw_files.read_bytes, tmp_path / "none")
    for odd in (loop, tmp_path / ("n" * 300), "a\0b"):
        assert "cannot be read (" in failure(raw_files.read_bytes, odd)


def test_a_file_may_be_as_large_as_expected_and_no_larger(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(bytes(100))
    assert len(raw_files.read_bytes(path, most=100)) == 100
    assert failure(raw_files.read_bytes, path, most=99).startswith(f"{path}: holds 100 bytes, more than the 99 bytes")
    path.write_bytes(b"\xffno text")
    assert "is no UTF-8 text (byte 0)" in failure(raw_files.read_text, path)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@hypothesis.given(values)
def test_json_of_modest_values_is_read_as_it_is(value):
    assert structures.parse_json(json.dumps(value), "f", finite=True) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1', "is no sound JSON"),
        ("[" * 41 + "]" * 41, "nested more than 40 deep"),
        ("[" * 100_000, "is no sound JSON"),
        ('{"a":' * 100_000, "nested too deep"),
        ("1" * 5000, "an integer of 5000 digits"),
        ("NaN", "the value NaN"),
        ("[1E400]", "the number 1E400"),
        ("-Infinity", "the value -Infinity"),
        (b"\xff\xfe{}", "is no sound JSON"),
    ],
)
def test_other_json_is_refused(text, reason):
    message = failure(structures.parse_json, text, "f.json", finite=True, advice="fetch it again")
    assert message.startswith("f.json: is no sound JSON (")
    assert message.endswith("); fetch it again")
    assert reason in message


def test_json_of_another_kind_is_named(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("[1, 2]")
    assert failure(structures.read_json, path, kind=dict) == f"{path}: holds a list where an object belongs; give another file"


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: 2014-13-45",
        "a: 2014-01-01 25:61:61",
        "? [1, 2]\n: 3",
        "? {a: 1}\n: 3",
        "a: !!python/object/apply:os.system ['true']",
        "a: !!int x",
        "a: !!float ''",
        "a: !!timestamp x",
        "- " * 100 + "1",
        "[" * 50_000,
        "a: &a [*a]",
        "a: " + "1" * 5000,
        "<<: 1",
        "\x00",
    ],
)
def test_yaml_that_its_own_reader_stumbles_over_is_refused(text, tmp_path):
    path = tmp_path / "settings.yml"
    path.write_text(text)
    assert failure(structures.read_yaml, path, kind=dict).startswith(f"{path}: ")


def test_yaml_aliases_count_each_time(tmp_path):
    path = tmp_path / "settings.yml"
    lines = ["a0: &a0 [[], [], [], [], [], [], [], [], [], []]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    path.write_text("\n".join(lines))
    assert "more than 2000000 parts" in failure(structures.read_yaml, path)
    path.write_text("a: &x [1, 2]\nb: *x\n")
    assert structures.read_yaml(path) == {"a": [1, 2], "b": [1, 2]}


def test_damage_of_a_database_is_named_at_any_query(tmp_path):
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x" * 50) for i in range(1000)])
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(content)
    databases.require_database(path)

    def read():
        with databases.damage_named(path, kind="a store", advice="make it again"), sqlite3.connect(path) as connection:
            connection.execute("SELECT * FROM t").fetchall()

    message = failure(read)
    assert message.startswith(f"{path}: cannot be used as a store (")
    assert message.endswith("; make it again")
    path.write_text("a,b\n")
    assert "it is no SQLite database" in failure(databases.require_database, path)


def test_rows_with_other_values_are_named():
    assert databases.typed(3, float, "flux") == 3.0
    for value, kind in ((None, int), ("3", int), (3.5, int), (b"x", str), (True, int)):
        with pytest.raises(ValueError, match="a row's time is "):
            databases.typed(value, kind, "time")


def test_options_that_are_none_are_refused():
    assert "expected options of" in failure(options.build, Count, [1, 2])
    assert "has no option 3" in failure(options.build, Count, {3: 4})
    assert len(failure(options.build, Count, {"n": "x" * 100_000})) < 300


@dataclasses.dataclass
class Count:
    n: int = options.option(1, "things", least=0, most=9)


def test_messages_quote_at_most_200_characters():
    path = "/a/" + "b" * 240 + "/c.csv"
    assert shortened(f"{path}: no flare") == f"{path}: no flare"
    assert len(shortened(f"f: {'x' * 10_000} y")) == 205
    assert len(shortened("word " * 10_000)) == 2000
    assert len(quoted(10**5000)) <= 120
    assert len(quoted(["x" * 10_000])) == 120
    assert len(str(UserError("y" * 10_000))) == 200


def test_a_long_integer_in_a_record_leaves_the_others():
    assert structures.parse_json("[1, " + "9" * 400 + ", 12345678901234567890123]", "f") == [
        1,
        float("inf"),
        1.2345678901234568e22,
    ]


def test_files_of_arrays_are_read_whole_or_not_at_all(tmp_path):
    path = tmp_path / "state.npz"
    arrays = {
        "a": numpy.arange(6.0).reshape(2, 3),
        "b": numpy.asfortranarray(numpy.eye(3, dtype="float32")),
        "c": numpy.array("text"),
    }
    numpy.savez_compressed(path, **arrays)
    found = read_arrays(path, most=10_000)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        numpy.testing.assert_array_equal(found[name], array)
    assert "expected at most; give another file" in failure(read_arrays, path, most=100)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        found = {}
        with contextlib.suppress(UserError):
            found = read_arrays(path, most=10_000)
        for name in found.keys() & arrays.keys():  # names and times of members are in no checksum
            numpy.testing.assert_array_equal(found[name], arrays[name])
    numpy.savez(path, objects=numpy.array([{}], dtype=object))
    assert "holds pickled objects, which are refused" in failure(read_arrays, path, most=10_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"'''")
    assert "is no array saved by numpy" in failure(read_arrays, path, most=10_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(1 << 26))
    assert "declares 67.1 MB of arrays, more than the 1 MB" in failure(read_arrays, path, most=10**6)
