"""The loss table of a run, performance/loss_and_architecture.csv: read with every row checked, restored where it is damaged."""

import csv
import math

from tools.errors import UserError
from tools.reading import raw_files

NAME = "loss_and_architecture.csv"
SECONDS = ("training_seconds", "validation_seconds", "seconds")  # columns of how long an epoch took; the last is the sum
_NEEDED = ("epoch", "loss", "val_loss")
_LARGEST = 64 << 20  # bytes


def read(path):
    """Read a whole loss table.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    list of dict of str to str
        Rows of the epochs from 1 on, none missing.

    Raises
    ------
    UserError
        The file is missing, or damaged: the first row that is not whole is named.
    """
    rows, problem = _parsed(path)
    problem = problem or next(
        (f"epoch {row['epoch']} follows epoch {place}" for place, row in enumerate(rows) if int(row["epoch"]) != place + 1),
        None,
    )
    if problem or not rows:
        raise UserError(f"{path}: damaged ({problem or 'no rows'}); --resume of the run restores it from training_state.npz")
    return rows


def whole_rows(path):
    """Read what is whole in a loss table: dict of epoch (int) to row (dict of str to str), and what is wrong or None (str)."""
    rows, problem = _parsed(path)
    return {int(row["epoch"]): row for row in rows}, problem


def _parsed(path):
    """(rows, problem): the rows that are whole in themselves, and what is wrong with the first that is not (or None)."""
    try:
        data = raw_files.read_bytes(path, most=_LARGEST, advice="")
    except UserError as error:
        return [], str(error).removeprefix(f"{path}: ").rstrip("; ")
    text = data.decode("utf-8", "replace")
    rows, problem = [], None
    try:
        reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
        if missing := [name for name in _NEEDED if name not in (reader.fieldnames or ())]:
            return [], f"no column {', '.join(missing)}"
        for number, row in enumerate(reader, 1):
            wrong = _wrong(row)
            problem = problem or (wrong and f"row {number}: {wrong}")
            if not wrong:
                rows.append(row)
    except csv.Error as error:
        problem = problem or str(error)
    if rows and not text.endswith("\n") and problem is None:
        rows.pop()  # its last field may have been cut
        problem = "the last row is cut"
    return rows, problem


def _wrong(row):
    """Find what is wrong with a row in itself: str or None."""
    if None in row or None in row.values():
        return "cut, or of another number of fields than the header"
    epoch = row["epoch"]
    if not (epoch.isascii() and epoch.isdigit() and 0 < len(epoch) < 10):
        return f"the epoch {epoch[:40]!r} is no number"
    for name in _NEEDED[1:]:
        try:
            finite = math.isfinite(float(row[name]))
        except ValueError:
            finite = False
        if not finite:
            return f"the {name} {row[name][:40]!r} is no number"
    if any("�" in text or "\0" in text for text in row.values()):
        return "bytes that are no text"
    return None
