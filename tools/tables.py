"""Tables and lists in text files, as users write them."""

import io

from tools.errors import UserError, quoted
from tools.reading import raw_files

_ADVICE = "give a CSV or a list of image names"


def read_lines(path):
    """Read the lines of a text file (UTF-8) that are not blank: list of str, without the space around them.

    Raises
    ------
    UserError
        The file is missing, unreadable, empty or not text.
    """
    return [line.strip() for line in _text(path, _ADVICE).splitlines() if line.strip()]


def read(path, *, numbers=(), texts=(), advice=_ADVICE):
    """Read a CSV.

    Parameters
    ----------
    path : str or pathlib.Path
    numbers, texts : sequence of str
        Columns that it must have. Those of numbers come as float64, an empty field as NaN; those of texts as str, "" for an
        empty field.
    advice : str
        Follows the reason in errors.

    Returns
    -------
    pandas.DataFrame
        Its columns stripped; empty fields, and those that hold nan, are missing.

    Raises
    ------
    UserError
        The file is missing, unreadable, not CSV or without rows; a column is missing, twice there, or has a field that is no
        number, which is named with its line.
    """
    import pandas

    text = io.StringIO(_text(path, advice))
    keywords = {"skipinitialspace": True, "keep_default_na": False, "na_values": ["", "nan", "NaN"], "low_memory": False}
    try:
        table = pandas.read_csv(text, **keywords)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: not readable as CSV ({error}); {advice}") from error
    if not len(table):
        raise UserError(f"{path}: no rows below the header; {advice}")
    table = table.rename(columns=lambda name: str(name).strip())
    for name in (*numbers, *texts):
        if list(table.columns).count(name) != 1:
            state = "twice" if name in table.columns else "not"
            raise UserError(f"{path}: the column {name} is {state} there; {advice}")
    for name in numbers:
        values = pandas.to_numeric(table[name], errors="coerce")
        wrong = values.isna() & table[name].notna()
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise UserError(f"{path}: line {row + 2}: {name} is no number ({quoted(table[name].iloc[row])}); {advice}")
        table[name] = values.astype("float64")
    for name in texts:
        table[name] = table[name].fillna("").astype(str)
    return table


def _text(path, advice):
    text = raw_files.read_text(path, advice=advice)
    if not text.strip():
        raise UserError(f"{path}: empty file; {advice}")
    if "\0" in text:
        raise UserError(f"{path}: not a text file; {advice}")
    return text
