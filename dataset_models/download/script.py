"""What the download scripts share: flags, times, verification and repair, summaries and exit codes.

Exit codes: 0 everything is here; 1 --verify found damaged or missing files; 2 a mistake of the user, no network, or a
refused key; 3 all that the source has is here, some of what was wanted it does not have; 4 something was rejected, refused,
left out or not fetched: run it again.
"""

import contextlib
import dataclasses
import functools
import pathlib
import sys
import tempfile

import numpy

from dataset_models.download import fetcher, manifest
from dataset_models.observation_times import given_time
from tools import atomic_files, command_line, goes_class
from tools.errors import UserError
from tools.options import add_number
from tools.paths import ARCHIVES, PROJECT, Files, archive_url, inside

DATA = PROJECT / "data"
MOST_TIMES = 2_000_000  # of one call: seven years and a half, every two minutes
UNLISTED = "could not be listed: "  # begins the reason of what an archive did not list


def parser(description, *, out, times=True, cadence=None, connections=4, rate=8.0):
    """Make a parser with the flags of every archive.

    Parameters
    ----------
    description : str
        The script's docstring.
    out : str
        Default of --out, in words.
    times : bool
        Whether the archive has a past, to be asked for by --start and --end.
    cadence : float, optional
        Default of --cadence, minutes; None for archives without one.
    connections : int
    rate : float
        Requests per second that the archive is asked for at most.
    """
    made = command_line.parser(description)
    if times:
        text = "UTC, the first time wanted, like 2014-06-01 or 2014-06-01T12:00"
        made.add_argument("--start", "--start_date", dest="start", metavar="TIME", help=text)
        made.add_argument("--end", "--end_date", dest="end", metavar="TIME", help="UTC, the first time not wanted any more")
    if cadence is not None:
        add_number(
            made,
            "--cadence",
            float,
            least=1 / 60,
            most=527_040,
            says="must be some minutes, more than 0 and at most a year",
            default=cadence,
            help="minutes (default: %(default)g)",
        )
    made.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help=f"of the archive on disk (default: {out})")
    made.add_argument("--dry-run", action="store_true", help="say what would be fetched and fetch nothing")
    text = "write what the archive has of what is wanted, and what it lacks and why, before anything is fetched"
    made.add_argument("--list", metavar="CSV", help=text)
    made.add_argument("--verify", action="store_true", help="compare the folder with its manifest, file by file, and stop")
    made.add_argument("--repair", action="store_true", help="as --verify, then fetch damaged and missing files again")
    made.add_argument("--url", help="of the archive or a mirror (default: config.yml)")
    add_number(made, "--connections", int, least=1, most=64, default=connections, help="at once (default: %(default)s)")
    add_number(
        made, "--rate", float, least=0, most=1000, default=rate, help="requests per second; 0: no limit (default: %(default)g)"
    )
    add_number(made, "--tries", int, least=1, most=100, default=6, help="per request (default: %(default)s)")
    return made


def add_flare_flags(made, *, before, words):
    """Give a parser the flags that choose times around flares.

    Parameters
    ----------
    made : argparse.ArgumentParser
    before : float or None
        Default of --before, hours; None where an archive has another default, which `words` names.
    words : str
        Help of --flares.
    """
    made.add_argument("--flares", nargs="+", action=Files, metavar="LIST", help=words)
    made.add_argument("--least_class", default="M1.0", help="weakest of these flares (default: M1.0)")
    hours = {"least": 0, "most": 8784, "says": "must be some hours, at most a year", "metavar": "HOURS"}
    default = "" if before is None else f" (default: {before:g}, without --after and --lead)"
    add_number(made, "--before", float, help=f"frames from so long before each flare's peak on{default}", **hours)
    add_number(made, "--after", float, help="frames until so long after each flare's peak (default: 0)", **hours)
    add_number(made, "--lead", float, help="one frame, so long before each flare's peak", **hours)
    made.add_argument("--list_flares", metavar="CSV", help="write which flares have all their frames, and what others lack")


@dataclasses.dataclass(frozen=True)
class FlareFrames:
    """Frames wanted around a flare: its time (``datetime64[s]``) and class, and the frames' times, ``datetime64[s]`` (n,)."""

    when: numpy.datetime64
    goes_class: str
    times: numpy.ndarray


def frames_around(flags, start, end, step, *, before=None):
    """List the frames around the flares that the flags of `add_flare_flags` choose.

    Parameters
    ----------
    flags : argparse.Namespace
    start, end : datetime64
        Of the flares.
    step : timedelta64
        Between frames.
    before : float, optional
        Hours before each flare where no flag says it.

    Returns
    -------
    list of FlareFrames
        In the order of time.

    Raises
    ------
    UserError
        There are no such flares; --lead and --before or --after are given together; a list of flares is asked for without
        flares.
    """
    if flags.lead is not None and (flags.before is not None or flags.after is not None):
        raise UserError("--lead: is one frame before each flare, --before and --after are many; give one or the other")
    asked = (flags.lead, flags.before, flags.after)
    if not flags.flares:
        if any(value is not None for value in asked) or flags.list_flares:
            raise UserError("--before, --after, --lead and --list_flares: need --flares, the list of flares")
        return []
    if all(value is None for value in asked):
        flags.before = before
    first, last = (-flags.lead,) * 2 if flags.lead is not None else (-(flags.before or 0.0), flags.after or 0.0)
    first, last = (numpy.timedelta64(round(3600 * hours), "s") for hours in (first, last))
    flares = flares_between(flags.flares, start, end, flags.least_class).sort_values("when", kind="stable")
    last += numpy.timedelta64(1, "s")
    require_fewer_times(len(flares) * steps_between(first, last, step), f"around {len(flares)} flares", step)
    frames = []
    for _, flare in flares.iterrows():
        when = numpy.datetime64(flare["when"], "s")
        frames.append(FlareFrames(when, flare["goes_class"], numpy.arange(when + first, when + last, step)))
    return frames


def limits(flags, **others):
    """`fetcher.Limits` from the flags."""
    return fetcher.Limits(connections=flags.connections, rate=flags.rate, tries=flags.tries, **others)


def span(flags):
    """Start and end from the flags: two ``datetime64[s]``.

    Raises
    ------
    UserError
        One is missing or no time, they are reversed, or lie in the future.
    """
    times = []
    for name in ("start", "end"):
        text = getattr(flags, name)
        if not text:
            raise UserError(f"--{name}: is needed, a UTC time like 2014-06-01T00:00")
        time = given_time(f"--{name}", text)
        if time > numpy.datetime64("now", "s"):
            raise UserError(f"--{name} {text}: lies in the future")
        times.append(time)
    start, end = times
    if not start < end:
        raise UserError(f"--start {flags.start} is not before --end {flags.end}")
    return start, end


def cadence(flags):
    """Minutes of --cadence as ``timedelta64[s]``."""
    return numpy.timedelta64(round(60 * flags.cadence), "s")


def times_between(start, end, step):
    """List the times from `start` on and before `end` in steps: ``datetime64[s]`` (n,).

    Raises
    ------
    UserError
        They are more than `MOST_TIMES`.
    """
    require_fewer_times(steps_between(start, end, step), f"from {start}Z to {end}Z", step)
    return numpy.arange(start, end, step)


def steps_between(start, end, step):
    """Count the elements of ``numpy.arange(start, end, step)`` without making them: int."""
    return max(0, int(-((start - end) // step)))


def require_fewer_times(count, words, step):
    """Raise a `UserError` where `count` times, `step` apart, are more than `MOST_TIMES`; `words` say which they are."""
    if count > MOST_TIMES:
        minutes = step / numpy.timedelta64(1, "m")
        raise UserError(
            f"{words} there are {count:,} times {minutes:g} minutes apart, more than the {MOST_TIMES:,} that are asked for at"
            " once; give a longer --cadence, or a part of the time"
        )


def flares(lists):
    """Flares of a catalogue, with the column when: the peak, else the start; pandas.DataFrame."""
    from dataset_models import flare_catalogue

    events = flare_catalogue.read(lists).events
    return events.assign(when=events["peak"].fillna(events["start"]))


def flares_between(lists, start, end, least):
    """Select those of `flares` of at least a GOES class in [start, end): pandas.DataFrame.

    Raises
    ------
    UserError
        There are none.
    """
    try:
        flux = goes_class.to_flux(least)
    except ValueError as error:
        raise UserError(f"--least_class {least}: is no GOES class; write it like M1.0") from error
    events = flares(lists)
    strong = events[(events["when"] >= start) & (events["when"] < end) & (events["flux"] >= flux * (1 - 1e-9))]
    if strong.empty:
        raise UserError(f"{', '.join(map(str, lists))}: no flares of {least} or more from {start} to {end}")
    return strong


def moved(name, flags, url_of):
    """Repair that fetches from the mirror that is set now, by --url, in the environment or config.yml.

    Parameters
    ----------
    name : str
        Of the archive, of `tools.paths.ARCHIVES`.
    flags : argparse.Namespace
    url_of : callable
        ``url_of(url, record)``: where a file of the manifest is below an archive's URL.

    Returns
    -------
    callable
        For `audit`. With no mirror set files come from where they came from.
    """
    url = archive_url(name, flags.url)
    if not flags.url and url == ARCHIVES[name]:
        return fetcher.repair
    return functools.partial(fetcher.repair, url_of=functools.partial(url_of, url))


def audit(flags, book, make_fetcher, *, repair=fetcher.repair):
    """Do what --verify and --repair ask for, and exit.

    Parameters
    ----------
    flags : argparse.Namespace
    book : manifest.Manifest
    make_fetcher : callable
        Returns a `fetcher.Fetcher`; called for --repair alone.
    repair : callable
        ``repair(fetcher, book, findings)`` returns a `fetcher.Summary`.
    """
    if len(book) == 0:
        raise UserError(f"{book.path}: has no files; download something first")
    findings = manifest.verify(book)
    for name in ("damaged", "missing", "extra"):
        for path in getattr(findings, name):
            print(f"{name}: {path}")
    counts = f"{len(findings.damaged)} damaged, {len(findings.missing)} missing, {len(findings.extra)} extra"
    print(f"{book.folder}: {findings.intact} files intact, {counts}")
    if flags.repair and not findings.whole:
        summary = repair(make_fetcher(), book, findings)
        print(fetcher.describe(summary, book.folder))
        sys.exit(summary.exit_code)
    sys.exit(0 if findings.whole else 1)


def finish(summary, book):
    """Print a summary and exit with its code."""
    print(fetcher.describe(summary, book.folder))
    sys.exit(summary.exit_code)


def announced(flags, wanted, folder, *, missing=None, around=(), per_time=1, unanswered=None):
    """Write the lists that are asked for, and for --dry-run print what would be fetched.

    Parameters
    ----------
    flags : argparse.Namespace
    wanted : list of fetcher.Wanted
    folder : pathlib.Path
    missing : dict of str to str
        By time, as ``2014-06-17T21:36:00Z``, and whatever else tells wanted frames apart: what the source lacks, and why.
    around : sequence of FlareFrames
    per_time : int
        Frames wanted at each time, such as one of each source.
    unanswered : fetcher.Summary, optional
        Times for which the archive did not answer; a dry run then exits with code 4.

    Returns
    -------
    bool
        Whether to stop here.
    """
    missing = missing or {}
    if flags.list:
        _write_list(flags.list, wanted, folder, missing)
    if around:
        lacking = [_lacking(one, missing, per_time) for one in around]
        print(f"{lacking.count('')} of {len(around)} flares have all their frames")
        if flags.list_flares:
            columns = {"time": [f"{one.when}Z" for one in around], "goes_class": [one.goes_class for one in around]}
            columns |= {"frames": [per_time * len(one.times) for one in around], "left_out_because": lacking}
            _write(flags.list_flares, columns)
    if flags.dry_run:
        plan(wanted, folder, missing=len(missing), unanswered=unanswered)
    return flags.dry_run


def _write_list(path, wanted, folder, missing):
    wanted = list({one.path: one for one in wanted}.values())
    rows = [
        (
            one.requested or "",
            one.expected.get("time", ""),
            one.path,
            one.url.split("?api_key")[0],
            "there" if _is_there(folder, one.path) else "available",
            "",
        )
        for one in wanted
    ]
    rows += [(time, "", "", "", "missing at the source", why) for time, why in missing.items()]
    names = ("requested", "observed", "path", "url", "state", "reason")
    _write(path, dict(zip(names, zip(*sorted(rows), strict=True), strict=True)) if rows else dict.fromkeys(names, ()))


def _write(path, columns):
    import pandas

    atomic_files.write_table(path, pandas.DataFrame(columns))
    print(f"wrote {path}")


def _lacking(frames, missing, per_time):
    """Say which frames of a flare the source lacks: str, empty where it has all."""
    times = {f"{time}Z" for time in frames.times}
    absent = {name: why for name, why in missing.items() if name.split(" ")[0] in times}
    if not absent:
        return ""
    first = min(absent)
    return f"{len(absent)} of {per_time * len(times)} frames missing; the first, {first}: {absent[first]}"


def _is_there(folder, path):
    with contextlib.suppress(UserError):
        return inside(folder, path).is_file()
    return False


def plan(wanted, folder, *, missing=0, unanswered=None):
    """Print what a run would fetch, for --dry-run; exit with code 4 where the archive did not answer for some (a summary)."""
    wanted = list({one.path: one for one in wanted}.values())
    there = sum(_is_there(folder, one.path) for one in wanted)
    print(f"{len(wanted)} files wanted, {there} of them seem to be there, {missing} times without an image at the source")
    for one in wanted[:5]:
        print(f"  {one.url.split('?api_key')[0]} -> {one.path}")
    if len(wanted) > 5:
        print(f"  and {len(wanted) - 5} more")
    if unanswered is not None and unanswered.exit_code:
        print(fetcher.describe(unanswered, folder))
        sys.exit(unanswered.exit_code)


@contextlib.contextmanager
def opened(flags, folder, archive):
    """Open the manifest of a folder.

    For --verify and --repair there must be one, and --verify writes nothing; for --dry-run where there is none yet it is one
    that is thrown away.
    """
    if flags.verify or flags.repair:
        manifest.require_manifest(folder)
        with manifest.Manifest(folder, archive, read_only=not flags.repair) as book:
            yield book
        return
    if flags.dry_run and not (folder / manifest.NAME).exists():
        with tempfile.TemporaryDirectory() as nowhere, manifest.Manifest(nowhere, archive) as book:
            yield book
        return
    with manifest.Manifest(folder, archive) as book:
        yield book


def add_missing(summary, times):
    """Count times, in words, for which the source has nothing: the summary."""
    for time, why in times.items():
        summary.add(time, "missing at the source", why)
    return summary


def require_listed(unlisted, wanted, missing, *, unit):
    """Raise a `UserError` where nothing is known of any time, because nothing could be listed.

    Parameters
    ----------
    unlisted : fetcher.Summary
        What could not be listed, with reasons that begin with `UNLISTED`.
    wanted, missing : collection
        Files found, and times without one.
    unit : str
        Part of the archive that is listed at once: ``"hours"``.
    """
    if unlisted.troubles and not wanted and not missing:
        first = next(iter(unlisted.troubles.values())).partition(UNLISTED)[2]
        raise UserError(f"{len(unlisted.troubles)} {unit} could not be listed, the first because of {first}")


def merged(*summaries):
    """Add several summaries up: `fetcher.Summary`."""
    total = fetcher.Summary()
    for summary in summaries:
        for name, count in summary.counts.items():
            total.counts[name] += count
        total.troubles |= summary.troubles
        total.bytes += summary.bytes
        total.left_out |= summary.left_out
    return total


def fetched(fetch, wanted, book, *, again=()):
    """Fetch files, those whose path is in `again` although they seem to be there: `fetcher.Summary`."""
    anew = [one for one in wanted if one.path in again]
    return merged(
        fetch.fetch([one for one in wanted if one.path not in again], book), fetch.fetch(anew, book, again=True, desc="again")
    )


def contents(book, records, read):
    """Read files of a manifest; one that cannot be read costs no other.

    Parameters
    ----------
    book : manifest.Manifest
    records : iterable of manifest.Record
    read : callable
        ``read(path)``; raises UserError for what it cannot read.

    Returns
    -------
    held : dict of str to object
        By path: what `read` returned.
    unreadable : dict of str to str
        By path: why it could not be read.
    """
    held, unreadable = {}, {}
    for one in records:
        try:
            held[one.path] = read(book.place(one.path))
        except UserError as error:
            unreadable[one.path] = str(error).removeprefix(f"{book.folder / one.path}: ")
    return held, unreadable


def files_here(book):
    """Records of a manifest whose files are there: list; names the others in a line."""
    here = there(book)
    present = {one.path for one in here}
    gone = [one.path for one in book.records() if one.path not in present]
    if gone:
        named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        print(f"{book.folder}: without {named}, which the manifest names and which is not there any more; run --repair")
    return here


def there(book):
    """List the records of a manifest whose files are there."""
    return [one for one in book.records() if book.has_file(one.path)]


def catalogue(folder, lists):
    """Join downloaded flare lists (flare_lists.FlareList) into folder/catalogue.csv and print what it holds."""
    from dataset_models import flare_catalogue

    lists = [one for one in lists if one.rows]
    if not lists:
        print("no flares in this time: no catalogue written")
        return
    joined = flare_catalogue.joined(lists)
    print("\n".join([*flare_catalogue.summary(joined), *joined.problems]))
    atomic_files.write_table(folder / manifest.CATALOGUE, joined.events)
    print(f"wrote {folder / manifest.CATALOGUE}")
