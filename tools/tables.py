"""Tables and lists in text files, as users write them."""

import pathlib

from tools.errors import UserError


def read_lines(path):
    """Read the lines of a text file (UTF-8) that are not blank: list of str, without the space around them.

    Raises
    ------
    UserError
        The file is missing, unreadable, empty or not text.
    """
    try:
        text = pathlib.Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file; give a CSV or a list of image names") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path}: empty file; give a CSV or a list of image names")
    return lines


def read(path):
    """Read a CSV.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    pandas.DataFrame
        Its columns stripped; empty fields, and those that hold nan, are missing.

    Raises
    ------
    UserError
        The file is missing, unreadable, not CSV or without rows.
    """
    import pandas

    read_lines(path)
    try:
        table = pandas.read_csv(
            path, skipinitialspace=True, keep_default_na=False, na_values=["", "nan", "NaN"], low_memory=False
        )
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError) as error:
        raise UserError(f"{path}: not readable as CSV ({error})") from error
    if not len(table):
        raise UserError(f"{path}: no rows below the header")
    return table.rename(columns=lambda name: str(name).strip())
