"""Texts from outside in tables: no formula for a spreadsheet, and read back as they were."""

import csv
import io

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_models.flares import flare_rows
from tools import atomic_files, tables

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    '=HYPERLINK("http://x")',
    "-cmd|' /C calc'!A0",
    "\uff1d1+1",
    "'=1",
)
PLAIN = ("-1.5", "+2e3", "-inf", "flare", "C1.0", "'quoted'", "2014-01-01", "", "a=b")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text_and_read_back(tmp_path, text):
    path = tmp_path / "t.csv"
    atomic_files.write_table(path, pandas.DataFrame({"file": [text, "b"], "flux": [-1.5, 2.0]}))
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == f"'{text}"
    assert rows[1][1] == "-1.5"
    assert tables.read(path)["file"].tolist() == [text, "b"]


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_and_numbers_are_left_alone(text):
    assert tables.guarded(text) == text


def test_names_of_columns_are_guarded_as_well(tmp_path):
    path = tmp_path / "t.csv"
    atomic_files.write_table(path, pandas.DataFrame({"=1+1": [1]}))
    assert path.read_text().startswith("'=1+1\n")
    assert list(tables.read(path)) == ["=1+1"]


words = st.text(st.one_of(st.sampled_from("'=+-@\t\r\n ,\"1a\uff1d"), st.characters(exclude_categories=("Cs",))), max_size=8)


@given(words)
def test_guarding_is_undone_by_reading(text):
    cell = tables.guarded(text)
    assert tables.unguarded(cell) == text
    assert not cell.startswith(("=", "@", "\t", "\r"))
    if cell.startswith(("+", "-")):
        float(cell)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_rows_are_read_as_they_were_written(rows):
    stream = io.StringIO(newline="")
    writer = tables.Writer(stream)
    writer.writerow(["one", "two"])
    writer.writerows(rows)
    read = [list(values.values()) for _, values in flare_rows.csv_rows(stream.getvalue())]
    assert read == [list(row) for row in rows if any(cell.strip() for cell in map(tables.guarded, row))]


def test_kinds_of_columns_stay(tmp_path):
    table = pandas.DataFrame(
        {"a": pandas.array([1, None], "Int64"), "t": pandas.to_datetime(["2014-01-01", None]), "s": ["x", None]}
    )
    atomic_files.write_table(tmp_path / "ours.csv", table)
    table.to_csv(tmp_path / "theirs.csv", index=False)
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
