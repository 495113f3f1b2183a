"""Tables and lists in text files, as users write them.

A spreadsheet evaluates a cell whose text begins with ``=``, ``+``, ``-`` or ``@``, whatever archive or file name it came from.
Such texts are written with an apostrophe before them, which marks a text; what reads them here takes it away again. Numbers
stay what they are.
"""

import csv
import io
import math
import re

from tools.errors import UserError, quoted
from tools.reading import raw_files

_MOST_COLUMNS = 10_000  # more take pandas minutes
_ADVICE = "give a CSV or a list of image names"

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four as in East Asian input
_NUMBER = re.compile(r"[+-](?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-](?:inf|nan)", re.IGNORECASE)


def guarded(value):
    """Write a text such that no spreadsheet evaluates it; any other value, and a number as text, stays what it is.

    Examples
    --------
    >>> guarded("=1+1"), guarded("-1.5"), guarded("flare"), guarded(-3)
    ("'=1+1", '-1.5', 'flare', -3)
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def unguarded(value):
    """Read a text as it was before `guarded`.

    Examples
    --------
    >>> unguarded("'=1+1"), unguarded("'quoted'"), unguarded(guarded("'=1"))
    ('=1+1', "'quoted'", "'=1")
    """
    if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value):
        return value[1:]
    return value


class Writer:
    """Writes rows of a CSV, texts guarded.

    Parameters
    ----------
    file : file object
        Text, opened with ``newline=""``.
    """

    def __init__(self, file):
        self._plain = csv.writer(file, lineterminator="\n")
        self._quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def writerow(self, row):
        """Write one row."""
        cells = [guarded(value) for value in row]
        self._writer(cells).writerow(cells)

    def writerows(self, rows):
        """Write rows."""
        for row in rows:
            self.writerow(row)

    def _writer(self, cells):
        # A carriage return alone ends a line, unless it is quoted.
        return self._quoted if any(isinstance(cell, str) and "\r" in cell for cell in cells) else self._plain


def write(path, table, **formats):
    """Write a `pandas.DataFrame` as CSV without its index, texts and names of columns guarded.

    Parameters
    ----------
    path : str or pathlib.Path
    table : pandas.DataFrame
    **formats
        Of `pandas.DataFrame.to_csv`.
    """
    texts = _of_texts(table, guarded)
    returns = any(isinstance(value, str) and "\r" in value for place in _text_columns(texts) for value in texts.iloc[:, place])
    texts.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL, **formats)


def markdown(table):
    """Write a `pandas.DataFrame` as a Markdown table, without its index; numbers have three decimals, what is missing is empty.

    Examples
    --------
    >>> import pandas
    >>> print(markdown(pandas.DataFrame({"name": ["a|b", "c"], "score": [0.5, float("nan")], "hours": [3, 4]})), end="")
    | name | score | hours |
    |---|---:|---:|
    | a\\|b | 0.500 | 3 |
    | c |  | 4 |
    """
    from pandas.api import types

    def cell(value):
        if isinstance(value, float):
            return f"{value:.3f}" if math.isfinite(value) else ""
        return " ".join(str(value).split()).replace("|", "\\|")

    rows = [table.columns, *(row for row in table.itertuples(index=False, name=None))]
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    marks = ["---:" if types.is_numeric_dtype(kind) else "---" for kind in table.dtypes]
    return "\n".join([lines[0], f"|{'|'.join(marks)}|", *lines[1:]]) + "\n"


def _text_columns(table):
    """List the positions of columns that may hold texts; names may be there twice."""
    from pandas.api import types

    kinds = enumerate(table.dtypes)
    return [place for place, kind in kinds if not (types.is_numeric_dtype(kind) or types.is_datetime64_any_dtype(kind))]


def _of_texts(table, change):
    """Change the texts of a table and the names of its columns: a new table."""
    changed = table.copy(deep=False)
    for place in _text_columns(table):
        values = table.iloc[:, place].tolist()
        others = [change(value) for value in values]
        if any(one is not other for one, other in zip(values, others, strict=True)):
            changed.isetitem(place, others)
    changed.columns = [change(name) for name in table.columns]
    return changed


def header(path):
    """Read the names of the columns of a CSV from its first line that is not blank: list of str, empty where there is none.

    For a look at what kind of file it is; `read` says what is wrong with one.
    """
    try:
        text = raw_files.read_text(path)
    except UserError:
        return []
    line = next((line for line in text.splitlines() if line.strip()), "")
    return [unguarded(name.strip()) for row in csv.reader([line], skipinitialspace=True) for name in row]


def read_lines(path, *, advice=_ADVICE):
    """Read the lines of a text file (UTF-8) that are not blank: list of str, without the space around them.

    Raises
    ------
    UserError
        The file is missing, unreadable, empty or not text.
    """
    return [line.strip() for line in _text(path, advice).splitlines() if line.strip()]


def read(path, *, numbers=(), texts=(), header=None, missing=(), advice=_ADVICE):
    """Read a CSV.

    Parameters
    ----------
    path : str or pathlib.Path
    numbers, texts : sequence of str
        Columns that it must have. Those of numbers come as float64, an empty field as NaN; those of texts as str, "" for an
        empty field.
    header : sequence of str, optional
        Names of the columns of a file that has no header.
    missing : sequence of str
        What else than an empty field and nan stands for a missing value.
    advice : str
        Follows the reason in errors.

    Returns
    -------
    pandas.DataFrame
        Its columns stripped; empty fields, and those that hold nan, are missing; texts as they were before `guarded`.

    Raises
    ------
    UserError
        The file is missing, unreadable, not CSV or without rows; a column is missing, twice there, or has a field that is no
        number, which is named with its line.
    """
    import pandas

    text = io.StringIO(_text(path, advice))
    columns = text.getvalue().lstrip("\n").partition("\n")[0].count(",") + 1
    if columns > _MOST_COLUMNS:
        raise UserError(f"{path}: has {columns} columns, more than the {_MOST_COLUMNS} that a table has; {advice}")
    keywords = {
        "skipinitialspace": True,
        "keep_default_na": False,
        "na_values": ["", "nan", "NaN", *missing],
        "low_memory": False,
    }
    if header is not None:
        keywords |= {"header": None, "names": list(header), "index_col": False}
        if columns != len(header):
            raise UserError(f"{path}: expected {len(header)} columns, received {columns}; {advice}")
    try:
        table = pandas.read_csv(text, **keywords)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as CSV ({reason}); {advice}") from error
    if not len(table):
        raise UserError(f"{path}: no rows below the header; {advice}")
    table = _of_texts(table.rename(columns=lambda name: str(name).strip()), unguarded)
    for name in (*numbers, *texts):
        if list(table.columns).count(name) != 1:
            state = "twice" if name in table.columns else "not"
            raise UserError(f"{path}: the column {name} is {state} there; {advice}")
    for name in numbers:
        values = pandas.to_numeric(table[name], errors="coerce")
        wrong = values.isna() & table[name].notna()
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            line = row + (2 if header is None else 1)
            raise UserError(f"{path}: line {line}: {name} is no number ({quoted(table[name].iloc[row])}); {advice}")
        table[name] = values.astype("float64")
    for name in texts:
        table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
    return table


def _text(path, advice):
    text = raw_files.read_text(path, advice=advice)
    if not text.strip():
        raise UserError(f"{path}: empty file; {advice}")
    if "\0" in text:
        raise UserError(f"{path}: not a text file; {advice}")
    return text
