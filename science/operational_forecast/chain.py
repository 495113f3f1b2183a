"""The log of forecasts: a file that only grows, a line for each forecast, each with the SHA-256 of the line before.

One process writes at a time; others wait for it. A line is written at once and is on the disk before its forecaster is told so.
What a killed writer left of a line is kept beside the log when the next one is written.

That lines are missing at the end cannot be seen from the log alone: it is the sound log of an earlier time. Keep the SHA-256 of
a late line elsewhere, and compare (`verify` with `expected`).
"""

import contextlib
import dataclasses
import datetime
import gc
import os
import pathlib

import numpy

from dataset_models.observation_times import given_time
from network_models.forecasts.exchange.issued import text_of
from science.operational_forecast import record as lines
from tools import atomic_files, locks
from tools.errors import UserError
from tools.notes import note
from tools.reading import raw_files

WAIT = 60.0  # seconds for another writer; an appended line takes some hundredths
MOST = 1 << 29  # bytes of a log: some ten years of a forecast each hour
LONGEST = 1 << 22  # bytes of a line
ADVICE = "keep it as it is and begin another log"
_BEGINNING = b'{"format":"'


@dataclasses.dataclass(frozen=True)
class Verified:
    """Contents of a sound log.

    Attributes
    ----------
    count : int
        Lines.
    last : str
        SHA-256 of the last one, `record.NO_LINE` where there is none.
    begin, end : numpy.datetime64 or None
        When the first and the last line were written.
    corrections, withdrawals : int
        Lines of these kinds.
    torn : int
        Bytes after the last line end, which belong to no line.
    expected : int or None
        Number of the line whose SHA-256 was expected.
    """

    count: int
    last: str
    begin: numpy.datetime64 | None
    end: numpy.datetime64 | None
    corrections: int
    withdrawals: int
    torn: int
    expected: int | None = None


def now():
    """Read this machine's clock, as `record.Record.logged` holds it: str."""
    return text_of(numpy.datetime64(datetime.datetime.now(datetime.UTC).replace(tzinfo=None), "s"))


def append(path, make, *, wait=WAIT):
    """Add a line to a log, or begin one.

    Parameters
    ----------
    path : str or pathlib.Path
    make : callable
        ``make(number, previous, last)`` returns the `record.Record` of this number and this SHA-256 of the line before, or
        None if there is nothing to add. `last` is the Record of the last line, None in a new log. No other process writes
        meanwhile, so that what it finds in the log (`read`) stays so.
    wait : float
        Seconds to wait for another writer.

    Returns
    -------
    Record or None
        As it stands in the log, on the disk; None when `make` returned it.

    Raises
    ------
    UserError
        Another process writes for longer; the file is no log, or its last line is damaged; the record is of a clock before
        the last line's, or corrects what it cannot; the disk is full. The log then holds what it held before.
    ValueError
        The number, or the SHA-256 of the line before, is another.
    """
    path = pathlib.Path(os.path.realpath(path))  # one lock for all names of a log
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: its folder cannot be made ({error.strerror}); choose another place") from error
    with locks.Lock(path.with_name(f"{path.name}.lock"), path, wait=wait):
        last, previous, size, torn = _end(path)
        number = last.number + 1 if last else 1
        record = make(number, previous, last)
        if record is None:
            return None
        if (record.number, record.previous) != (number, previous):
            raise ValueError(f"a record of line {record.number} after {record.previous}, expected {number} after {previous}")
        line = _line(path, record)
        record = lines.from_line(line, f"{path}, line {number} to be")
        if last and _time(record.logged) < _time(last.logged):
            raise UserError(
                f"{path}: this clock says {record.logged}, but line {last.number} was written at {last.logged}; nothing was"
                " added, set the clock"
            )
        if record.corrects is not None:
            _require_correctable(record, {one.number: one for one in read(path)}, f"{path}: nothing was added")
        if size + len(line) > MOST:
            raise UserError(f"{path}: would hold more than {raw_files.in_words(MOST)}; nothing was added, begin another log")
        if torn:
            _put_aside(path, size, torn)
        _write(path, line, size)
    return record


def _line(path, record):
    try:
        line = lines.to_line(record)
    except ValueError as error:  # NaN, half a character
        raise UserError(f"{path}: a forecast that cannot be written as JSON ({error}); nothing was added") from error
    if len(line) > LONGEST:
        size = raw_files.in_words(len(line))
        raise UserError(
            f"{path}: a line of {size}, more than the {raw_files.in_words(LONGEST)} that it may have; nothing was added"
        )
    return line


def _end(path):
    """Read the end of a log: Record of the last line or None, its SHA-256, bytes up to its end, and bytes after it."""
    if not path.exists():
        return None, lines.NO_LINE, 0, b""
    raw_files.regular_file(path, advice="give the file of a log")
    try:
        with open(path, "rb") as file:
            whole = file.seek(0, os.SEEK_END)
            before = max(whole - 2 * LONGEST, 0)
            file.seek(before)
            content = file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); nothing was added") from error
    body, end, torn = content.rpartition(b"\n")
    _require_log(path, torn, first=not end and not before)
    if not end:
        if before:
            raise UserError(f"{path}: its last line is longer than {raw_files.in_words(LONGEST)}; {ADVICE}")
        return None, lines.NO_LINE, 0, torn
    line = body.rpartition(b"\n")[2]
    last = lines.from_line(line, f"{path}, last line")
    return last, lines.digest_of(line), whole - len(torn), torn


def _require_log(path, torn, *, first):
    """Refuse a file without a line that does not even begin like one: somebody else's."""
    if first and torn[: len(_BEGINNING)] != _BEGINNING[: len(torn)]:
        raise UserError(f"{path}: is no forecast log; give another name")


def _put_aside(path, size, torn):
    """Move what follows the last line to a file of its own, and say so."""
    atomic_files.sweep(path.parent, below=False)
    stem = f"{path.name}.torn-{now().replace('-', '').replace(':', '')}"
    names = (path.with_name(f"{stem}-{count}" if count else stem) for count in range(1000))
    aside = next(name for name in names if not name.exists())
    try:
        with atomic_files.replacing(aside) as temporary:
            temporary.write_bytes(torn)
        _sync_folder(path.parent)
        with open(path, "r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(
            f"{path}: the torn line at its end cannot be put aside ({error.strerror}); nothing was added"
        ) from error
    note(f"{path}: ended in {len(torn)} bytes of a line that was never finished; they are in {aside.name} now", about=aside)


def _write(path, line, size):
    """Write a line at the end, at once, to the disk; on failure leave the file as long as it was."""
    new = not path.exists()
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    try:
        if os.fstat(file).st_size != size:
            raise UserError(f"{path}: was written by something else meanwhile; nothing was added, see --verify")
        try:
            written = os.write(file, line)
            if written < len(line):
                raise OSError(0, f"{written} of {len(line)} bytes")
            os.fsync(file)
        except OSError as error:
            os.ftruncate(file, size)
            if new:
                path.unlink(missing_ok=True)
            raise UserError(
                f"{path}: cannot be written ({error.strerror}); nothing was added, free some space and run again"
            ) from error
    finally:
        os.close(file)
    if new:
        _sync_folder(path.parent)


def _sync_folder(folder):
    with contextlib.suppress(OSError):  # file systems that cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path, *, advice=ADVICE):
    """Read a log and check all of it.

    Bytes after the last line end, of a line that is being written or whose writer was killed, are left out with a note.

    Parameters
    ----------
    path : str or pathlib.Path
    advice : str
        Follows the reason where the file cannot be read, or is no log.

    Returns
    -------
    list of Record
        In the order of the lines; empty where there is none.

    Raises
    ------
    UserError
        There is no such file, it is larger than `MOST`, or no log. The first line that is damaged, out of its place, of another
        chain, of a clock before the line before, or corrects what it cannot, is named.
    """
    records, _, torn = _checked(path, advice)
    if torn:
        note(f"{path}: {torn} bytes after the last line belong to no line and are left out", about=("torn", str(path)))
    return records


@contextlib.contextmanager
def _no_collection():
    """Keep the garbage collector out: it takes half the time of making a million small objects that all stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_no_collection()
def _checked(path, advice=ADVICE):
    """Read and check a log: records, the SHA-256 of each, and the number of bytes after the last line end."""
    content = raw_files.read_bytes(path, most=MOST, advice=advice)
    *whole, torn = content.split(b"\n")
    _require_log(path, torn, first=not whole)
    records, digests, earlier = [], [], {}
    previous, logged = lines.NO_LINE, None
    for number, line in enumerate(whole, 1):
        source = f"{path}, line {number}"
        if len(line) >= LONGEST:
            raise UserError(f"{source}: is longer than the {raw_files.in_words(LONGEST)} that a line may have; {ADVICE}")
        record = lines.from_line(line, source)
        if record.number != number:
            raise UserError(f"{source}: is numbered {record.number}; a line was removed, added or moved before it")
        if record.previous != previous:
            raise UserError(f"{source}: follows a line of SHA-256 {record.previous}, but the one before has {previous}")
        time = _time(record.logged)
        if logged is not None and time < logged:
            raise UserError(f"{source}: was written at {record.logged}, before the line before ({text_of(logged)})")
        if record.corrects is not None:
            _require_correctable(record, earlier, source)
        earlier[number] = record
        previous, logged = lines.digest_of(line), time
        records.append(record)
        digests.append(previous)
    return records, digests, len(torn)


def _time(logged):
    return given_time("logged", logged.strip())


def _require_correctable(record, earlier, source):
    """A `UserError` unless a correction is of a forecast before it (records by number), of the same window."""
    corrected = earlier.get(record.corrects)
    what = f"a {record.kind} of line {record.corrects}"
    if corrected is None or corrected.kind != "forecast":
        raise UserError(f"{source}: {what}, which is no forecast; name the line of the forecast itself")
    mine, theirs = record.forecast, corrected.forecast
    if (mine.issued, mine.begin, mine.end) != (theirs.issued, theirs.begin, theirs.end):
        raise UserError(f"{source}: {what}, which was issued at {text_of(theirs.issued)} for another window")


def verify(path, *, expected=None):
    """Prove that a log is as it was written, line by line.

    Parameters
    ----------
    path : str or pathlib.Path
    expected : str, optional
        SHA-256 of a line, kept elsewhere. With the last line's nothing is missing; with an earlier one's nothing up to it.

    Returns
    -------
    Verified

    Raises
    ------
    UserError
        As of `read`, or no line has the expected SHA-256.
    """
    records, digests, torn = _checked(path)
    place = None
    if expected is not None:
        expected = expected.lower()
        if expected not in digests:
            count = f"{len(digests)} line{'s' * (len(digests) != 1)}"
            raise UserError(
                f"{path}: none of its {count} has the SHA-256 {expected}; its end was cut off, or it is another log"
            )
        place = digests.index(expected) + 1
    kinds = [record.kind for record in records]
    return Verified(
        count=len(records),
        last=digests[-1] if digests else lines.NO_LINE,
        begin=_time(records[0].logged) if records else None,
        end=_time(records[-1].logged) if records else None,
        corrections=kinds.count("correction"),
        withdrawals=kinds.count("withdrawal"),
        torn=torn,
        expected=place,
    )


def current(records):
    """List the forecasts that stand: corrected ones as corrected last, without those withdrawn.

    Parameters
    ----------
    records : sequence of Record
        As of `read`.

    Returns
    -------
    list of Record
        In order of issue, those of one time in order of the lines that they came from. What stands for a corrected forecast is
        the correction, with its number.

    Notes
    -----
    Who corrects or withdraws after a flare has come or stayed away (`in_hindsight`) makes a forecast look better than it was:
    scores should say how many there are.
    """
    standing = {}
    for record in records:
        standing[record.number if record.corrects is None else record.corrects] = record
    kept = [(record.forecast.issued, number, record) for number, record in standing.items() if record.kind != "withdrawal"]
    return [record for _, _, record in sorted(kept, key=lambda one: one[:2])]


def in_hindsight(record):
    """Check whether a correction or withdrawal was written after its window had closed, when all was known: bool."""
    return record.corrects is not None and bool(_time(record.logged) >= record.forecast.end)


def withdraw(path, number, reason, *, logged=None, wait=WAIT):
    """Take a forecast back: a new line that repeats it and says why.

    Parameters
    ----------
    path : str or pathlib.Path
    number : int
        Line of the forecast.
    reason : str
    logged : str, optional
        When; by default now.
    wait : float
        As of `append`.

    Returns
    -------
    Record

    Raises
    ------
    UserError
        There is no such log or line, it is no forecast, was withdrawn already, or the reason is empty; or as of `append`.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise UserError(f"{path}: say why line {number} is withdrawn")
    raw_files.regular_file(path, advice="give the file of a log")

    def make(next_number, previous, last):
        records = read(path)
        named = [record for record in records if number in (record.number, record.corrects)]
        if not named:
            raise UserError(f"{path}: has no line {number}; it has {len(records)}")
        if named[0].corrects is not None:
            raise UserError(f"{path}: line {number} is a {named[0].kind}; name the line of the forecast, {named[0].corrects}")
        if named[-1].kind == "withdrawal":
            raise UserError(f"{path}: line {number} was withdrawn already, by line {named[-1].number}")
        changes = {"number": next_number, "previous": previous, "kind": "withdrawal", "logged": logged or now()}
        return dataclasses.replace(named[-1], **changes, corrects=number, reason=reason)

    return append(path, make, wait=wait)
