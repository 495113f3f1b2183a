"""Show a log of forecasts, prove that it is as it was written, or take a forecast back.

--verify reads every line and names the first that was changed, removed, added or moved. No log can show of itself that lines
are missing at its end: --expect compares with a SHA-256 that was kept elsewhere, of the last line or of an earlier one.

--correct takes back a forecast that was made from something wrong: a new line says which and why, and the old one stays.
"""

import re

from network_models.forecasts.exchange.issued import text_of
from science.operational_forecast import chain
from science.operational_forecast.record import NO_LINE
from tools import command_line
from tools.errors import Stopped, UserError, quoted
from tools.notes import note
from tools.options import add_number
from tools.reading import structures

CLASSES = ("C1.0", "M1.0", "M5.0", "X1.0")
COLUMNS = ("line", "issued", "mode", "basis", *CLASSES, "all-clear", "regions", "remarks")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def rows(records, last):
    """Write the last lines of a log for people.

    Parameters
    ----------
    records : sequence of science.operational_forecast.record.Record
        All of the log.
    last : int
        How many.

    Returns
    -------
    list of list of str
        A row of each line, by `COLUMNS`; a hyphen where there is nothing.
    """
    later = {}
    for record in records:
        if record.corrects is not None:
            later.setdefault(record.corrects, []).append(f"{_VERBS[record.kind]} by line {record.number}")
    return [_row(record, later.get(record.number, [])) for record in records[-last:]]


_VERBS = {"correction": "corrected", "withdrawal": "withdrawn"}


def _row(record, later):
    issued = record.forecast
    remarks = [f"without {part}: {reason}" for part, reason in record.left_out]
    if record.corrects is not None:
        remarks.insert(0, f"{record.kind} of line {record.corrects}: {record.reason}")
    probabilities = [issued.probabilities.get(name) for name in CLASSES]
    clear = record.all_clear
    return [
        str(record.number),
        text_of(issued.issued),
        f"{issued.mode}, simulated" if issued.simulated else issued.mode,
        _plain(" + ".join(record.basis)) or "-",
        *(f"{one.value:.3f}" if one else "-" for one in probabilities),
        "-" if clear is None else "yes" if clear.clear else "no",
        str(len(issued.regions)),
        _plain("; ".join([*later, *remarks])) or "-",
    ]


def _plain(text):
    """Write text of a log for a terminal, which would obey control characters in it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def show(path, last):
    """Print the last lines of a log as a table."""
    records = chain.read(path, advice="give the log of forecast.py")
    if not records:
        raise UserError(f"{path}: no forecast in it yet")
    table = [list(COLUMNS), *rows(records, last)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def prove(path, expected):
    """Print what a sound log holds.

    Raises
    ------
    UserError
        As of `chain.verify`.
    Stopped
        The lines are sound, and something follows the last one.
    """
    found = chain.verify(path, expected=None if expected is None else _digest(expected))
    if not found.count:
        print(f"{path}: no line yet")
    else:
        written = f"written {text_of(found.begin)} to {text_of(found.end)}"
        changes = f"{_counted(found.corrections, 'correction')}, {_counted(found.withdrawals, 'withdrawal')}"
        print(
            f"{path}: {_counted(found.count, 'line')}, each as written, {written}, {changes}; SHA-256 of the last {found.last}"
        )
    if found.expected == found.count:
        print("nothing is missing: the expected SHA-256 is the last line's")
    elif found.expected is not None:
        follow = _counted(found.count - found.expected, "later line")
        print(f"nothing is missing up to line {found.expected}, which has the expected SHA-256; {follow} cannot be told so")
    if found.torn:
        raise Stopped(
            f"{path}: after line {found.count} come {found.torn} bytes without a line end: a killed writer's, or a damaged"
            " line; the next forecast puts them into a file beside the log",
            4,
        )


def _counted(count, noun):
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"


def _digest(expected):
    """Read an expected SHA-256: itself, or a JSON file that holds it as ``sha256``."""
    if _DIGEST.fullmatch(expected):
        return expected
    content = structures.read_json(expected, most=1 << 24, kind=dict, advice="give 64 hexadecimal digits, or a latest.json")
    digest = content.get("sha256")
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)) or digest == NO_LINE:
        raise UserError(
            f"{expected}: its sha256 is {quoted(digest)}; give the latest.json of a forecast, or 64 hexadecimal digits"
        )
    return digest


def main(arguments=None):
    """Show the last lines of a log, prove it, or withdraw a forecast."""
    parser = command_line.parser(__doc__)
    parser.add_argument("log", metavar="LOG", help="the log of forecast.py")
    add_number(parser, "--last", int, least=1, most=1_000_000, help="how many lines to show (default: 10)")
    parser.add_argument("--verify", action="store_true", help="prove the chain")
    parser.add_argument("--expect", metavar="SHA256", help="of a line, with --verify; or a latest.json that has it")
    add_number(parser, "--correct", int, least=1, most=10**9, metavar="NUMBER", help="line of a forecast to withdraw")
    parser.add_argument("--reason", metavar="TEXT", help="why, with --correct")
    flags = parser.parse_args(arguments)
    if sum((flags.verify, flags.correct is not None, flags.last is not None)) > 1:
        parser.error("--last, --verify and --correct are different things to do; give one")
    if flags.expect is not None and not flags.verify:
        parser.error("--expect belongs to --verify")
    if (flags.correct is None) != (flags.reason is None):
        parser.error("--correct and --reason belong together")
    if flags.verify:
        prove(flags.log, flags.expect)
    elif flags.correct is not None:
        record = chain.withdraw(flags.log, flags.correct, flags.reason)
        if chain.in_hindsight(record):
            note(f"{flags.log}: line {flags.correct} is withdrawn after its window closed; scores should say so")
        print(f"{flags.log}: line {record.number} withdraws line {flags.correct}")
    else:
        show(flags.log, flags.last or 10)


if __name__ == "__main__":
    command_line.run(main)
