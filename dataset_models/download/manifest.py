"""What an archive on disk holds, so that it can be proven whole: an SQLite file beside the data.

Every file that was fetched has a row with its URL, requested and actual time, size, SHA-256, when it was fetched, and the
check that it passed. Several processes may write at once.
"""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import sqlite3
import threading

import numpy

from tools import digests, full_disks
from tools.errors import UserError
from tools.paths import inside

NAME = "manifest.sqlite"
CATALOGUE = "catalogue.csv"
_MADE = {CATALOGUE, "regions.csv"}  # from the files of a folder, and made anew each time
_VERSION = 1
_COLUMNS = "path, url, requested, observed, size, sha256, fetched, kind, expected"
_WAIT = 60.0  # seconds for another process's transaction
_TOGETHER = 100  # records in one statement: SQLite takes 999 values in any version


@dataclasses.dataclass(frozen=True)
class Record:
    """One file.

    Attributes
    ----------
    path : str
        Relative to the folder of the manifest, with ``/``.
    url : str
    requested, observed : str or None
        UTC.
    size : int
        Bytes.
    sha256 : str
    fetched : str
        UTC.
    kind : str
        Of `dataset_models.download.checks.KINDS`; None for a row of the manifest that is no record.
    expected : dict
        What the check was given.
    """

    path: str
    url: str
    requested: str | None
    observed: str | None
    size: int
    sha256: str
    fetched: str
    kind: str | None
    expected: dict


class Manifest:
    """The manifest of a folder, made when there is none.

    Parameters
    ----------
    folder : str or pathlib.Path
    archive : str
        What is kept here, for example ``"Helioviewer"``.
    read_only : bool
        Write nothing, not even a new manifest: the folder may be on a disk that cannot be written.

    Raises
    ------
    UserError
        The folder cannot be written, or has no manifest to read; or its manifest is of another archive, damaged or newer.
    """

    def __init__(self, folder, archive, *, read_only=False):
        self.folder = pathlib.Path(folder)
        self.archive = archive
        self.path = self.folder / NAME
        self._lock, self._waiting = threading.Lock(), collections.deque()
        if read_only:
            require_manifest(self.folder)
        try:
            with contextlib.ExitStack() as refused:  # closes the connection unless this is a manifest to use
                self._connection = refused.enter_context(contextlib.closing(self._connected(read_only)))
                if not read_only:
                    self._prepare()
                self._require_ours()
                refused.pop_all()
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written ({error.strerror}); choose another --out") from error
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: cannot be used as a manifest ({error})") from error

    def _connected(self, read_only):
        if read_only:
            return _connected_to_read(self.path)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13))
        return sqlite3.connect(self.path, timeout=_WAIT, check_same_thread=False, isolation_level=None)

    def _prepare(self):
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, url TEXT, requested TEXT, observed TEXT, size INTEGER,"
            " sha256 TEXT, fetched TEXT, kind TEXT, expected TEXT)"
        )
        self._connection.execute("CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, answer TEXT)")
        about = {"archive": self.archive, "version": str(_VERSION)}
        for name, value in about.items():
            self._connection.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
        self._connection.execute("COMMIT")

    def _require_ours(self):
        about = dict(self._connection.execute("SELECT name, value FROM about"))
        archive, version = about.get("archive", "something else"), about.get("version")
        if archive != self.archive:
            raise UserError(f"{self.path}: is the manifest of {archive}, not of {self.archive}; choose another --out")
        if version != str(_VERSION):
            raise UserError(f"{self.path}: was written by another version of this program ({version})")

    def close(self):
        """Close the file."""
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __contains__(self, path):
        return self.get(path) is not None

    def __len__(self):
        return self._run("SELECT COUNT(*) FROM files")[0][0]

    def _run(self, text, values=()):
        try:
            with self._lock:
                return self._rows(text, values)
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: cannot be used as a manifest ({error}); move it away to begin a new one") from error

    def _rows(self, text, values):
        try:
            return self._connection.execute(text, values).fetchall()
        except sqlite3.Error as error:
            if full_disks.disk_is_full(error):
                raise full_disks.full_disk(self.path) from error
            raise

    def place(self, path):
        """Find a file of the folder by the name that a record or an archive gives it: pathlib.Path.

        Raises
        ------
        UserError
            As `tools.paths.inside`; or the name is that of the manifest itself, or of a file that is made from others.
        """
        if str(path).lower().startswith(NAME) or path in _MADE:
            raise UserError(f"{self.folder}: {str(path)[:120]!r} is no name of a file of the archive")
        return inside(self.folder, path)

    def has_file(self, path):
        """Check whether a file of the folder is there: bool; False for a name that is none."""
        try:
            return self.place(path).is_file()
        except UserError:
            return False

    def get(self, path):
        """Return the record of a file, or None."""
        rows = self._run(f"SELECT {_COLUMNS} FROM files WHERE path = ?", (str(path),))
        return _record(rows[0]) if rows else None

    def add(self, record):
        """Write a record, in place of an older one of the same file; when this returns it is written.

        Records that other threads are waiting to write go into the same transaction.
        """
        self._waiting.append([*dataclasses.astuple(record)[:-1], json.dumps(record.expected)])
        with self._lock:
            while self._waiting:  # unless another thread has written ours
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
                rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(batch))
                values = [value for row in batch for value in row]
                try:
                    self._rows(f"INSERT OR REPLACE INTO files VALUES {rows}", values)
                except (sqlite3.Error, OSError):
                    self._waiting.extendleft(reversed(batch))  # for the threads whose they are, so that each is told
                    raise

    def records(self):
        """All records by path: list of `Record`."""
        return [_record(row) for row in self._run(f"SELECT {_COLUMNS} FROM files ORDER BY path")]

    def answer(self, question):
        """Look up what an archive answered to a question before; None when it was not asked."""
        rows = self._run("SELECT answer FROM answers WHERE question = ?", (question,))
        try:
            return json.loads(rows[0][0]) if rows else None
        except (TypeError, ValueError, RecursionError):
            return None  # ask again

    def remember(self, question, answer):
        """Keep an answer, so that a resumed download need not ask again."""
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?)", (question, json.dumps(answer)))


def require_manifest(folder):
    """Raise a `UserError` unless a folder has a manifest; makes neither."""
    if not (pathlib.Path(folder) / NAME).is_file():
        raise UserError(f"{folder}: has no files; download something first, or choose another --out")


def _connected_to_read(path):
    # SQLite makes files beside a database in WAL mode even to read it, unless told that nobody changes it meanwhile; where
    # somebody does, or was killed while doing so, its log is there.
    mode = "mode=ro" if path.with_name(f"{NAME}-wal").exists() else "immutable=1"
    address = f"{path.resolve().as_uri()}?{mode}"
    return sqlite3.connect(address, uri=True, timeout=_WAIT, check_same_thread=False, isolation_level=None)


def _record(row):
    """Make a `Record` of a row; that of a row which is none has kind None."""
    *values, expected = row
    path, url, requested, observed, size, digest, fetched, kind = values
    texts = all(isinstance(text, str) for text in (path, url, digest, fetched, kind))
    try:
        expected = json.loads(expected)
    except (TypeError, ValueError, RecursionError):
        expected = None
    if not (texts and isinstance(size, int) and isinstance(expected, dict)):
        path, url, kind, expected = path if isinstance(path, str) else repr(path), str(url), None, {}
    return Record(path, url, requested, observed, size, digest, fetched, kind, expected)


def now():
    """Return the time, UTC, to the second: str."""
    return f"{numpy.datetime64('now', 's')}Z"


@dataclasses.dataclass(frozen=True)
class Findings:
    """How a folder differs from its manifest.

    Attributes
    ----------
    intact : int
        Files that are as they were fetched.
    damaged, missing, extra : list of str
        Paths.
    """

    intact: int
    damaged: list
    missing: list
    extra: list

    @property
    def whole(self):
        return not (self.damaged or self.missing)


def verify(manifest, *, workers=4, progress=True):
    """Read every file again and compare it with the manifest: `Findings`."""
    import concurrent.futures

    from tqdm import tqdm

    records = manifest.records()

    def state(record):
        try:
            path = manifest.place(record.path)
            if path.stat().st_size != record.size:
                return "damaged"
            return "intact" if digests.of_file(path) == record.sha256 else "damaged"
        except FileNotFoundError:
            return "missing"
        except (OSError, UserError):
            return "damaged"

    paths = {"intact": [], "damaged": [], "missing": []}
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        states = pool.map(state, records)
        bar = tqdm(states, total=len(records), desc="verify", unit="file", disable=None if progress else True)
        for record, kind in zip(records, bar, strict=True):
            paths[kind].append(record.path)
    recorded = {record.path for record in records}
    extra = sorted(path for path in data_files(manifest.folder) if path not in recorded)
    return Findings(len(paths["intact"]), paths["damaged"], paths["missing"], extra)


def data_files(folder):
    """Files below a folder that are neither the manifest nor a download under way: iterator of str."""
    folder = pathlib.Path(folder)
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith((NAME, ".")) and name not in _MADE:
            yield name
