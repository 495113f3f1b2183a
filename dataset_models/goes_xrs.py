"""GOES X-ray flux, 1-8 Angstrom: files of the archives -> a store of 1-minute means -> targets of a forecast.

    python dataset_models/goes_xrs.py FILES... [--store xrs.sqlite]

imports daily FITS files, science-quality netCDF files, SWPC's JSON of the last days (``xrays-*.json``) and FlareNet's tables
(Flux_2010_2017_max.csv), each once however often it is offered; and CSVs of time and xrsb, as sunpy's time series are written,
whose satellite and calibration you state (--table_satellite 16 --table_calibration science).

Calibrations are never mixed unasked. *Operational* fluxes of GOES 8 to 15 carry a scaling that SWPC applied to match
GOES 7; flare classes before 2020 are on that scale. *Science*-quality fluxes have it removed and are true irradiances.
:func:`dataset_models.flux_series.remove_operational_scaling` converts; nothing here does so unasked. *Near real time* fluxes
of GOES-16 and later, from SWPC's JSON, are on the scale of science-quality ones (see
:func:`dataset_models.goes_files.read_minutes`) but preliminary. They are kept beside them, and only a series that is asked for
near real time has them, where there is no science-quality flux. *FlareNet* fluxes are the largest raw operational samples of
two minutes each, as its tables have them.

Only a series that is asked for as *homogenised* goes across satellites and calibrations;
:mod:`dataset_models.flux_homogenisation` says how, and the series says of every minute where it comes from.
"""

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import sqlite3
import time

import numpy

from dataset_models import flux_homogenisation, goes_files
from dataset_models.flux_homogenisation import HOMOGENISED

# Data sets of users import these from here.
from dataset_models.flux_series import OPERATIONAL_SCALING, FluxSeries, remove_operational_scaling  # noqa: F401
from tools import command_line, digests, options, paths, spreading
from tools.errors import Stopped, UserError
from tools.reading import databases

NEAR_REAL_TIME = goes_files.NEAR_REAL_TIME
CALIBRATIONS = ("operational", "science", NEAR_REAL_TIME, goes_files.FLARENET, HOMOGENISED)

_PATIENCE = 60.0  # seconds to wait for another writer
FILES_PER_TRANSACTION = 32
_BEFORE, _AFTER = 0, 4102444800  # seconds since 1970: no minute of GOES lies outside 1970 to 2100
_LONGEST = 40 * 366 * 1440  # minutes of a series: 40 years, 170 MB
_AT_ONCE = 366 * 1440  # minutes whose rows of all satellites are in memory together
_ADVICE = "check it or choose another --store"
_SAME_FLUX = 1e-3  # relative; versions of one file agree to rounding
_DIFFERENT = (
    "minutes have another flux in files imported before, and the larger one stands: import reprocessed files into a store of"
    " their own"
)


# The store

_SCHEMA_VERSION = 2
_READABLE = (1, _SCHEMA_VERSION)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS minutes (
    time INTEGER NOT NULL,         -- start of the minute, seconds since 1970-01-01, UTC
    satellite INTEGER NOT NULL,    -- GOES number
    calibration TEXT NOT NULL,
    flux REAL NOT NULL,            -- 1-8 Angstrom, W m^-2, as in the file
    samples INTEGER NOT NULL,      -- that the mean was made of
    quality INTEGER NOT NULL,      -- the file's flags of that minute, or-ed
    PRIMARY KEY (time, satellite, calibration)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    sha256 TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    satellite INTEGER NOT NULL,
    calibration TEXT NOT NULL,
    minutes INTEGER NOT NULL,
    imported TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    simulated INTEGER NOT NULL DEFAULT 0  -- 1 where the file says SIMULATD = T
) WITHOUT ROWID;
"""
# From version 1 to 2: files have a mark of simulation, and the minutes are gone that earlier versions made of times
# without a value: NaN became 1970-01-01, and the fill value, -9999 s, lies before 1970 or on 2000-01-01 at 09:13, where no
# other minute is near it.
_MARKED = "ALTER TABLE files ADD COLUMN simulated INTEGER NOT NULL DEFAULT 0"
_MIGRATION = """
DELETE FROM minutes WHERE time <= 0 OR time = 946717980 AND NOT EXISTS (
    SELECT 1 FROM minutes AS near WHERE near.satellite = minutes.satellite
        AND near.time BETWEEN 946717980 - 86400 AND 946717980 + 86400 AND near.time <> 946717980
)
"""
# Overlapping files: the mean made of more samples stands, whichever was imported first.
_INSERT = """
INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET flux = excluded.flux, samples = excluded.samples, quality = excluded.quality
WHERE excluded.samples > samples OR (excluded.samples = samples AND excluded.flux > flux)
"""


def import_file(store, path):
    """Put one archive file into the store.

    Parameters
    ----------
    store : str or pathlib.Path
        The SQLite file; made when it does not exist.
    path : str or pathlib.Path
        What :func:`dataset_models.goes_files.read_minutes` reads.

    Returns
    -------
    bool
        True when the file was imported, False when its content was there already.

    Raises
    ------
    UserError
        The file is unreadable or no GOES X-ray file; the store is not one, or busy for more than a minute.

    Notes
    -----
    One transaction per file: after a crash a file is there with all its minutes or not at all. Several processes of one
    machine may import at once (SQLite's write-ahead log does not work across network file systems).
    """
    outcome = import_files(store, [path])
    if outcome.rejected:
        raise outcome.rejected[0]
    return bool(outcome.imported)


@dataclasses.dataclass
class Imported:
    """Result of an import.

    Attributes
    ----------
    imported, present : list of pathlib.Path
        Files imported now, and files whose content was there already.
    rejected : list of goes_files.NotGoes
        Why the other ones could not be read.
    faults : dict of str to list of (pathlib.Path, int)
        What files that were imported now had and sound ones do not: the file and how often.
    """

    imported: list = dataclasses.field(default_factory=list)
    present: list = dataclasses.field(default_factory=list)
    rejected: list = dataclasses.field(default_factory=list)
    faults: dict = dataclasses.field(default_factory=dict)

    def notes(self):
        """Write a line for every fault, with up to three of the files that have it: list of str."""
        lines = []
        for what, where in self.faults.items():
            named = ", ".join(str(path) for path, _ in where[:3])
            more = f" and {len(where) - 3} more files" if len(where) > 3 else ""
            lines.append(f"{sum(count for _, count in where)} {what} ({named}{more})")
        return lines


def import_files(store, files, *, workers=None, progress=False, stated=None):
    """Put archive files into the store, as :func:`import_file` does with one.

    Parameters
    ----------
    store : str or pathlib.Path
        Of observed or of simulated flux; a file of the other kind is rejected.
    files : sequence of str or pathlib.Path
    workers : int, optional
        Processes that read files; by default one per processor (at most 4) for many files.
    progress : bool
        Show a bar.
    stated : goes_files.Stated, optional
        Satellite and calibration of plain tables among the files.

    Returns
    -------
    Imported

    Raises
    ------
    UserError
        The store is not one, or busy for more than a minute.

    Notes
    -----
    A transaction holds up to 32 whole files; after a crash the files of the last one are imported again.
    """
    from tqdm import tqdm

    outcome, by_digest = Imported(), {}
    for path in map(pathlib.Path, files):
        try:
            digest = _digest(path)
        except goes_files.NotGoes as error:
            outcome.rejected.append(error)
            continue
        if digest in by_digest:
            outcome.present.append(path)
        else:
            by_digest[digest] = path
    with _opened(store, writing=True) as connection:
        present = {row[0] for row in connection.execute("SELECT sha256 FROM files")}
    outcome.present += [path for digest, path in by_digest.items() if digest in present]
    new = {digest: path for digest, path in by_digest.items() if digest not in present}
    workers = spreading.worker_count(len(new), workers, most=4)
    with tqdm(total=len(new), desc="import", unit="file", disable=None if progress else True) as bar:
        reader = functools.partial(_read_one, stated=stated)
        read = zip(new.items(), spreading.mapped(reader, list(new.values()), workers=workers), strict=True)
        while batch := list(itertools.islice(read, FILES_PER_TRANSACTION)):
            _insert(store, batch, outcome)
            bar.update(len(batch))
    return outcome


def _insert(store, batch, outcome):
    """Insert files in one transaction; (digest, path), what was read or the error that was met."""
    with _opened(store, writing=True) as connection, _transaction(connection):
        for (digest, path), minutes in batch:
            if isinstance(minutes, goes_files.NotGoes):
                outcome.rejected.append(minutes)
                continue
            marks = {bool(mark) for (mark,) in connection.execute("SELECT DISTINCT simulated FROM files")}
            if marks - {minutes.simulated}:
                kinds = ("simulated", "observed") if minutes.simulated else ("observed", "simulated")
                text = f"{path}: is {kinds[0]}, and {store} holds {kinds[1]} flux; give it a store of its own (--store)"
                outcome.rejected.append(goes_files.NotGoes(text))
                continue
            entry = (digest, path.name, minutes.satellite, minutes.calibration, len(minutes.time), int(minutes.simulated))
            added = connection.execute(
                "INSERT OR IGNORE INTO files (sha256, name, satellite, calibration, minutes, simulated)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                entry,
            ).rowcount
            if added:  # else another process was faster
                differing = _differing(connection, minutes)
                if differing:
                    outcome.faults.setdefault(_DIFFERENT, []).append((path, differing))
                columns = (column.tolist() for column in (minutes.time, minutes.flux, minutes.samples, minutes.quality))
                satellites = itertools.repeat(minutes.satellite, len(minutes.time))
                if minutes.satellites is not None:
                    satellites = minutes.satellites.tolist()
                rows = (
                    (time, satellite, minutes.calibration, flux, samples, quality)
                    for satellite, time, flux, samples, quality in zip(satellites, *columns, strict=True)
                )
                connection.executemany(_INSERT, rows)
                for what, count in minutes.faults.items():
                    outcome.faults.setdefault(what, []).append((path, count))
            (outcome.imported if added else outcome.present).append(path)


def _differing(connection, minutes):
    """Count minutes that the store has from earlier files with another flux of as many samples: int."""
    if not len(minutes.time):
        return 0
    query = "SELECT time, satellite, samples, flux FROM minutes WHERE calibration = ? AND time BETWEEN ? AND ?"
    there = connection.execute(query, (minutes.calibration, int(minutes.time.min()), int(minutes.time.max()))).fetchall()
    if not there:
        return 0
    times, satellites, samples, fluxes = map(numpy.array, zip(*there, strict=True))
    own = minutes.satellite if minutes.satellites is None else minutes.satellites
    keys, new = times * 100 + satellites, numpy.asarray(minutes.time) * 100 + own
    _, old_rows, new_rows = numpy.intersect1d(keys, new, return_indices=True)
    old, flux = fluxes[old_rows], numpy.asarray(minutes.flux)[new_rows]
    alike = samples[old_rows] == numpy.asarray(minutes.samples)[new_rows]
    return int((alike & (numpy.abs(flux - old) > _SAME_FLUX * numpy.maximum(flux, old))).sum())


def _read_one(path, *, stated):
    try:
        return goes_files.read_minutes(path) if stated is None else goes_files.read_minutes(path, stated=stated)
    except goes_files.NotGoes as error:
        return error


def contents(store):
    """List what a store holds.

    Returns
    -------
    list of tuple
        (satellite, calibration, minutes, first, last), the last two datetime64[m], ordered by satellite.
    """
    query = "SELECT satellite, calibration, COUNT(*), MIN(time), MAX(time) FROM minutes GROUP BY 1, 2 ORDER BY 1, 2"
    with _opened(store) as connection:
        rows = connection.execute(query).fetchall()
        return [(*row[:3], *(numpy.datetime64(_moment(time), "s").astype("datetime64[m]") for time in row[3:])) for row in rows]


def name_of(satellite):
    """Name the satellite of a row: str; FlareNet's tables do not tell theirs."""
    return "unknown satellite" if satellite == goes_files.UNKNOWN_SATELLITE else f"GOES-{satellite}"


def is_simulated(store):
    """Check whether a store holds simulated flux, by the marks of its files when they were imported: bool."""
    with _opened(store) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] < _SCHEMA_VERSION:
            return False  # of before files were marked
        mark = connection.execute("SELECT COALESCE(MAX(simulated), 0) FROM files").fetchone()[0]
        return databases.typed(mark, int, "simulated") > 0


def series(store, *, calibration, satellite=None, start=None, end=None):
    """Read the flux of one calibration at every minute.

    Parameters
    ----------
    store : str or pathlib.Path
    calibration : str
        ``"operational"``; ``"science"``; or ``"near real time"``: science-quality flux, and near-real-time flux in the minutes
        that have none; ``"flarenet"``; or ``"homogenised"``: all but FlareNet's, on the scale of science-quality flux, as
        `dataset_models.flux_homogenisation.homogenise` chooses it for every minute.
    satellite : int, optional
        GOES number. Without it every minute comes from the newest satellite (the highest number) that has a flux then;
        of a homogenised series from NOAA's primary or else its secondary one.
    start, end : datetime64, optional
        Span [start, end); from the first minute in the store to the last when not given.

    Returns
    -------
    FluxSeries
        With NaN where the store has nothing. Its calibration is that of its content: asked for near real time, it is
        ``"science and near real time"``, or one of them where the other is not needed. A homogenised one has its
        ``provenance``.

    Raises
    ------
    UserError
        No store, or nothing of this calibration (and satellite) in it; for a homogenised series, nothing that can be used.

    Examples
    --------
    SWPC's JSON of the last days, here of two minutes, as a store and then as a series:

    >>> import json, tempfile
    >>> records = [
    ...     {"time_tag": f"2026-08-01T00:0{minute}:00Z", "satellite": 18, "flux": flux, "energy": "0.1-0.8nm"}
    ...     for minute, flux in ((0, 1e-6), (2, 2e-6))
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, store = pathlib.Path(folder) / "xrays-1-day.json", pathlib.Path(folder) / "xrs.sqlite"
    ...     _ = file.write_text(json.dumps(records))
    ...     _ = import_files(store, [file])
    ...     flux = series(store, calibration="near real time")
    >>> flux
    FluxSeries(2026-08-01T00:00 to 2026-08-01T00:03, near real time, 2 of 3 minutes)
    >>> flux.flux.tolist()
    [1e-06, nan, 2e-06]
    """
    if calibration == HOMOGENISED:
        return _homogenised(store, satellite, start, end)
    accepted = ("science", NEAR_REAL_TIME) if calibration == NEAR_REAL_TIME else (calibration,)
    first, minutes = _span(store, accepted, calibration, satellite, start, end)
    rows = _rows(store, accepted, satellite, first, minutes)
    near_real_time = rows["calibration"] == flux_homogenisation.SOURCES.index(NEAR_REAL_TIME)
    flux, preliminary = numpy.full(minutes, numpy.nan), numpy.zeros(minutes, bool)
    place = (rows["time"] - first) // 60
    for kind in (True, False):  # of several rows of a minute the last one stands: of science quality, of the newest satellite
        of_kind = near_real_time == kind
        flux[place[of_kind]], preliminary[place[of_kind]] = rows["flux"][of_kind], kind
    if calibration == NEAR_REAL_TIME:
        kinds = {"science": ~numpy.isnan(flux) & ~preliminary, NEAR_REAL_TIME: preliminary}
        calibration = " and ".join(kind for kind, minutes in kinds.items() if minutes.any()) or calibration
    return FluxSeries(numpy.datetime64(first, "s"), flux, calibration=calibration, satellite=satellite)


def _homogenised(store, satellite, start, end):
    """Read a homogenised series, a year at a time: decades of several satellites are many rows."""
    accepted = flux_homogenisation.SOURCES
    first, minutes = _span(store, accepted, HOMOGENISED, satellite, start, end)
    fluxes, parts = [], []
    for done in range(0, max(minutes, 1), _AT_ONCE):
        begin, count = first + 60 * done, min(_AT_ONCE, minutes - done)
        rows = _rows(store, accepted, satellite, begin, count)
        moment = numpy.datetime64(begin, "s")
        flux, part = flux_homogenisation.homogenise(moment, count, rows, any_satellite=satellite is not None)
        fluxes.append(flux)
        parts.append(part)
    flux, provenance = numpy.concatenate(fluxes), flux_homogenisation.joined(parts)
    if provenance.left_out and numpy.isnan(flux).all():
        reasons = "; ".join(f"{count} {reason}" for reason, count in provenance.left_out.items())
        raise UserError(
            f"{store}: has nothing for a homogenised flux ({reasons}); import files of NOAA's primary or secondary satellite"
        )
    about = {"calibration": HOMOGENISED, "satellite": satellite, "provenance": provenance}
    return FluxSeries(numpy.datetime64(first, "s"), flux, **about)


def source_rows(store, *, start, end):
    """Read all minutes of a span that a homogenised series can be made of, of every satellite.

    Parameters
    ----------
    store : str or pathlib.Path
    start, end : datetime64
        Span [start, end).

    Returns
    -------
    numpy.ndarray
        Fields ``time`` (start of the minute, seconds since 1970, UTC), ``satellite`` (GOES number), ``calibration`` (place in
        `dataset_models.flux_homogenisation.SOURCES`) and ``flux`` (W m^-2, as in the file), ordered by time and satellite.

    Raises
    ------
    UserError
        No store, or nothing of these calibrations in it.
    """
    first, minutes = _span(store, flux_homogenisation.SOURCES, HOMOGENISED, None, start, end)
    return _rows(store, flux_homogenisation.SOURCES, None, first, minutes)


def _condition(accepted, satellite):
    """Write the condition for rows of some calibrations, and of a satellite where one is given: (SQL, its values)."""
    condition, values = f"calibration IN ({', '.join('?' * len(accepted))})", [*accepted]
    return (condition, values) if satellite is None else (f"{condition} AND satellite = ?", [*values, satellite])


def _span(store, accepted, calibration, satellite, start, end):
    """Find the first second and the number of minutes of a series; it raises where there is none."""
    condition, values = _condition(accepted, satellite)
    with _opened(store) as connection:
        first, last = connection.execute(f"SELECT MIN(time), MAX(time) FROM minutes WHERE {condition}", values).fetchone()
        if first is None:
            wanted = f"{calibration} flux" if satellite is None else f"{calibration} flux of GOES-{satellite}"
            kinds = connection.execute("SELECT DISTINCT satellite, calibration FROM minutes ORDER BY 1, 2")
            present = [f"{name_of(number)} {kind}" for number, kind in kinds]
            raise UserError(f"{store}: has no {wanted}; it holds {', '.join(present) or 'nothing yet'}")
        first = _seconds(start) if start is not None else _moment(first)
        last = _seconds(end) if end is not None else _moment(last) + 60
        minutes = max(0, (last - first) // 60)
        if minutes > _LONGEST:
            span = f"{numpy.datetime64(first, 's')} to {numpy.datetime64(last, 's')}"
            years = _LONGEST // 527040
            raise UserError(f"{store}: {span} is more than the {years} years that a series has; give a shorter span")
        return first, minutes


def _rows(store, accepted, satellite, first, minutes):
    """Read the rows of some calibrations in the minutes from a second on, ordered by time and satellite."""
    condition, values = _condition(accepted, satellite)
    with _opened(store) as connection:
        places = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(flux_homogenisation.SOURCES))
        query = f"""
            SELECT time, satellite, CASE calibration {places} ELSE -1 END, flux FROM minutes
            WHERE {condition} AND time >= ? AND time < ? ORDER BY time, satellite
        """
        columns = [("time", "i8"), ("satellite", "i8"), ("calibration", "i1"), ("flux", "f8")]
        rows = numpy.fromiter(connection.execute(query, [*values, first, first + 60 * minutes]), columns)
        if not ((rows["flux"] > 0) & (rows["flux"] < 1)).all():  # NaN too
            raise ValueError("a row's flux is no flux in W m^-2")
    return rows


def _seconds(time):
    return int(numpy.datetime64(time, "m").astype("datetime64[s]").astype("int64"))


def _moment(seconds):
    """Return the time of a row, or raise a ValueError where it is none of GOES: int, seconds since 1970."""
    if not _BEFORE <= databases.typed(seconds, int, "time") < _AFTER:
        raise ValueError("a row's time lies outside 1970 to 2100")
    return seconds


def _digest(path):
    try:
        return digests.of_file(path)
    except OSError as error:
        raise goes_files.NotGoes(f"{path}: cannot be read ({error.strerror}); give a GOES XRS file") from error


@contextlib.contextmanager
def _opened(store, *, writing=False):
    store = pathlib.Path(store)
    if not writing and not store.is_file():
        raise UserError(
            f"{store}: no such flux store; fill one with python dataset_models/goes_xrs.py FILES... --store {store}"
        )
    if store.exists():
        databases.require_database(store, kind="a flux store", advice=_ADVICE)
    try:
        if writing:
            store.parent.mkdir(parents=True, exist_ok=True)
            address = f"{store.absolute().as_uri()}?mode=rwc"
        elif os.access(store.parent, os.W_OK):
            address = f"{store.absolute().as_uri()}?mode=ro"
        else:  # readers of a write-ahead log need its side files, which a read-only folder cannot have
            address = f"{store.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
            if writing:
                _prepare(connection)
            if connection.execute("PRAGMA user_version").fetchone()[0] not in _READABLE:
                raise UserError(f"{store}: is not a flux store of this version; choose another --store")
            with contextlib.nullcontext() if writing else databases.damage_named(store, kind="a flux store", advice=_ADVICE):
                yield connection
    except sqlite3.Error as error:
        raise UserError(f"{store}: cannot be used as a flux store ({error}); {_ADVICE}") from error
    except OSError as error:
        raise UserError(f"{store}: cannot be used as a flux store ({error.strerror}); choose another --store") from error


def _prepare(connection):
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == _SCHEMA_VERSION:
        return
    if version in _READABLE:
        with _transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone()[0] < _SCHEMA_VERSION:  # else another process was faster
                connection.execute(_MARKED)
                connection.execute(_MIGRATION)
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        return
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if tables:
        return  # someone else's database, refused by the version check
    _begin_log(connection)
    with _transaction(connection):
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _begin_log(connection):
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:  # SQLite does not always wait by itself when several open a new store
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def _transaction(connection):
    connection.execute("BEGIN IMMEDIATE")  # takes the write lock now: a transaction that waits later can fail
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def main(arguments=None):
    """Import files into a store and print what it then holds."""
    parser = command_line.parser(__doc__)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="daily GOES FITS, science-quality netCDF (1 or 2 s, or 1-minute), SWPC's xrays-*.json, FlareNet's Flux_*.csv, or a"
        " CSV of time and xrsb; plain or gzipped",
    )
    parser.add_argument("--store", help="SQLite file (default: 'goes' of config.yml)")
    text = "GOES number of CSVs with time and xrsb, which do not state it"
    options.add_number(parser, "--table_satellite", int, least=1, most=99, metavar="GOES", help=text)
    kinds = goes_files.TABLE_CALIBRATIONS
    parser.add_argument("--table_calibration", choices=kinds, help="calibration of these CSVs")
    flags = parser.parse_args(arguments)
    if (flags.table_satellite is None) != (flags.table_calibration is None):
        raise UserError("--table_satellite and --table_calibration are given together; received only one of them")
    stated = goes_files.Stated(flags.table_satellite, flags.table_calibration) if flags.table_calibration else None
    store = paths.data_path("goes", flags.store)
    files, unmatched = paths.matching(flags.files)
    if not files:
        raise paths.no_file(unmatched)
    done = import_files(store, files, progress=True, stated=stated)
    print(f"{store}: {len(done.imported)} imported, {len(done.present)} already there, {len(done.rejected)} rejected")
    for satellite, calibration, minutes, first, last in contents(store):
        print(f"{name_of(satellite)} {calibration}: {minutes} minutes, {first}Z to {last}Z")
    for pattern in unmatched:
        print(f"no file matches {pattern}")
    for note in done.notes():
        print(f"note: {note}")
    for error in done.rejected:
        print(f"rejected {error}")
    if done.rejected and not done.imported and not done.present:
        raise done.rejected[0]
    if done.rejected:
        raise Stopped(f"{len(done.rejected)} of {len(files)} files rejected, as named; the others are in {store}", 4)


if __name__ == "__main__":
    command_line.run(main)
