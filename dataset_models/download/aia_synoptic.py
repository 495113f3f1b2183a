"""SDO/AIA synoptic images (1024 x 1024, level 1.5) from JSOC, eight channels per time.

    python dataset_models/download/aia_synoptic.py --start 2014-06-01 --end 2014-06-08 --cadence 60 --out data/AIA
    python dataset_models/download/aia_synoptic.py --start 2014-01-01 --end 2015-01-01 --cadence 12 --out data/AIA \\
        --flares flares.csv --least_class M1.0
    python dataset_models/download/aia_synoptic.py --start 2014-01-01 --end 2015-01-01 --out data/AIA \\
        --flares flares.csv --lead 12
    python dataset_models/download/aia_synoptic.py --out data/AIA --verify

With --flares only the hours of these flares are fetched, and as many quiet hours, drawn at random (--seed) from those
between the list's first and last flare without any flare of it within six hours. With --lead 12 it is one frame twelve hours
before each flare's peak, with --before and --after those in between, at the cadence; and as many single quiet times (--quiet
gives another number), without a flare in the six hours before and in the six, or as many as the lead, after. Frames are
found by listing the archive's hours, not by guessing minutes: the nearest one within --tolerance that has all channels is
taken. Files go where dataset_models/SDO/AIA/fdl_1.py reads them. Each is opened, its checksums, size, pixels, exposure,
QUALITY and time checked. Run it again to go on.
"""

import re

import numpy

from dataset_models.download import checks, fetcher, script
from dataset_models.SDO.AIA.aia_files import CHANNELS
from tools import command_line
from tools.errors import UserError
from tools.options import add_number
from tools.paths import archive_url, data_path

ARCHIVE = "JSOC AIA synoptic"
_LINK = re.compile(r"AIA(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)_(\d{4})\.fits(?![.\w])")
_WITHIN = 120.0  # seconds of the observation from the minute in the name
_SETTLED = numpy.timedelta64(14, "D")  # after this a listing does not change any more; frames come a week late
_QUIET = numpy.timedelta64(6, "h")  # around a quiet hour without a flare
SIZE = 1024


def parse_listing(body):
    """Frames that a listing of an hour names: dict of ``datetime64[s]`` to set of channels.

    Parameters
    ----------
    body : bytes
        HTML with links to ``AIA20140617_2136_0171.fits``.

    Raises
    ------
    dataset_models.download.checks.Rejected
        It is no listing: a page without a single link, such as one about maintenance.
    """
    frames = {}
    for year, month, day, hour, minute, channel in _LINK.findall(body.decode("utf-8", "replace")):
        try:
            time = numpy.datetime64(f"{year}-{month}-{day}T{hour}:{minute}", "s")
        except ValueError:
            continue
        frames.setdefault(time, set()).add(int(channel))
    if not frames and b"href" not in body.lower():
        raise checks.Rejected("is no listing of a folder")
    return frames


def hour_path(time):
    """Find where the frames of a time are, in the archive and on disk: str."""
    date, clock = str(numpy.datetime64(time, "h")).split("T")
    return f"{date.replace('-', '/')}/H{clock}00"


def frame_path(time, channel):
    """Find where one image of a frame is: str."""
    stamp = str(numpy.datetime64(time, "m")).replace("-", "").replace(":", "").replace("T", "_")
    return f"{hour_path(time)}/AIA{stamp}_{channel:04d}.fits"


def times_around_flares(flares, start, end, step, *, seed=0):
    """Times in the hours of flares, and in as many quiet hours.

    Parameters
    ----------
    flares : dict
        ``loud``: times of the flares wanted; ``all``: of every flare of the list (``datetime64[s]``), those outside of
        `start` and `end` included.
    start, end : datetime64
    step : timedelta64
    seed : int

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]``, in order.
    """
    hours = numpy.arange(start.astype("datetime64[h]"), (end - numpy.timedelta64(1, "s")).astype("datetime64[h]") + 1)
    loud = numpy.unique(flares["loud"].astype("datetime64[h]"))
    every = numpy.sort(flares["all"].astype("datetime64[s]"))
    before = numpy.searchsorted(every, hours.astype("datetime64[s]") - _QUIET)
    after = numpy.searchsorted(every, (hours + 1).astype("datetime64[s]") + _QUIET)
    # Before its first flare and after its last one a list holds nothing: an hour counts as quiet between two known flares.
    quiet = hours[(before == after) & (before > 0) & (before < len(every))]
    drawn = numpy.random.default_rng(seed).choice(quiet, min(len(loud), len(quiet)), replace=False)
    wanted = numpy.union1d(loud, drawn).astype("datetime64[s]")[:, None]
    within = script.times_between(numpy.timedelta64(0, "s"), numpy.timedelta64(1, "h"), step)
    script.require_fewer_times(len(wanted) * len(within), f"in {len(wanted)} hours", step)
    times = (wanted + within).ravel()
    return times[(times >= start) & (times < end)]


def quiet_times(every, start, end, step, count, *, ahead, seed=0):
    """Draw times at random around which a list has no flare.

    Parameters
    ----------
    every : numpy.ndarray
        ``datetime64[s]``, of every flare of the list.
    start, end : datetime64
        From and before which.
    step : timedelta64
        They are multiples of it after midnight.
    count : int
        How many, or all that there are.
    ahead : timedelta64
        At least so long after the time there is no flare, and six hours in any case.
    seed : int

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]``, in order.
    """
    grid = script.times_between(start.astype("datetime64[D]").astype("datetime64[s]"), end, step)
    grid = grid[grid >= start]
    every = numpy.sort(every.astype("datetime64[s]"))
    before = numpy.searchsorted(every, grid - _QUIET)
    after = numpy.searchsorted(every, grid + max(ahead, _QUIET), side="right")
    quiet = grid[(before == after) & (before > 0) & (before < len(every))]
    return numpy.sort(numpy.random.default_rng(seed).choice(quiet, min(count, len(quiet)), replace=False))


def find(times, book, fetch, *, url, tolerance, channels=CHANNELS):
    """Frames nearest to times.

    Parameters
    ----------
    times : numpy.ndarray
        ``datetime64[s]``.
    book : manifest.Manifest
        Remembers listings.
    fetch : fetcher.Fetcher
    url : str
    tolerance : timedelta64
    channels : sequence of int

    Returns
    -------
    list of fetcher.Wanted, dict of time to str, fetcher.Summary
        Files; for each time without a frame, why; and hours that could not be listed.
    """
    hours = {hour_path(time + off): time + off for time in times for off in (-tolerance, 0 * tolerance, tolerance)}
    listings, remaining, summary = {}, [], fetcher.Summary()
    for path in hours:
        listing = _remembered(book.answer(f"{url}/{path}/"))
        if listing is None:
            remaining.append(f"{url}/{path}/")
        else:
            listings[path] = listing
    for asked, answer in fetch.get_all(remaining, parse_listing, desc="list hours"):
        path = asked.removeprefix(f"{url}/").rstrip("/")
        if isinstance(answer, fetcher.NotFetched):
            summary.add(f"{path}/", "not fetched", f"{script.UNLISTED}{answer}")
            continue
        listings[path] = answer or {}
        # An hour without frames is asked for again next time: a wrong page may look like one.
        if listings[path] and numpy.datetime64("now", "s") - hours[path] > _SETTLED:
            book.remember(asked, {str(time): sorted(has) for time, has in listings[path].items()})
    wanted, missing = {}, {}
    for time in times:
        near = {}
        around = {hour_path(time + off) for off in (-tolerance, 0 * tolerance, tolerance)}
        if not around <= set(listings):
            continue  # a nearer frame may be in the hour that is not known
        for path in around:
            near |= listings[path]
        complete = [frame for frame, has in near.items() if has >= set(channels) and abs(frame - time) <= tolerance]
        if not complete:
            some = any(abs(frame - time) <= tolerance for frame in near)
            missing[time] = "no frame has all channels" if some else f"no frame within {tolerance.astype('timedelta64[m]')}"
            continue
        frame = min(complete, key=lambda one: (abs(one - time), one))
        for channel in channels:
            path = frame_path(frame, channel)
            expected = {"channel": channel, "size": SIZE, "time": f"{frame}Z", "tolerance": _WITHIN}
            wanted[path] = fetcher.Wanted(f"{url}/{path}", path, "aia", expected, f"{time}Z")
    return list(wanted.values()), missing, summary


def _remembered(answer):
    """Read a listing that a manifest has kept; None where it is none."""
    try:
        listing = {numpy.datetime64(time, "s"): set(has) for time, has in answer.items()}
    except (AttributeError, ValueError, TypeError):
        return None
    return None if any(numpy.isnat(time) for time in listing) else listing


def main(arguments=None):
    """Fetch, verify or repair."""
    parser = script.parser(__doc__, out="aia of config.yml", cadence=60.0)
    channels = {"choices": CHANNELS, "default": CHANNELS, "help": "(default: all eight)"}
    add_number(parser, "--channels", int, least=94, most=4500, nargs="+", metavar="ANGSTROM", **channels)
    add_number(
        parser,
        "--tolerance",
        float,
        least=0,
        most=60,
        says="must be 0 to 60 minutes",
        default=6.0,
        help="minutes of a frame from the time wanted (default: 6)",
    )
    words = "only the hours of these flares, or with --lead, --before and --after frames around them; and as many quiet ones"
    script.add_flare_flags(parser, before=None, words=words)
    text = "quiet times beside frames around flares (default: as many as flares)"
    add_number(parser, "--quiet", int, least=0, most=10_000_000, metavar="COUNT", help=text)
    add_number(parser, "--seed", int, least=0, most=2**32 - 1, default=0, help="of the quiet hours or times (default: 0)")
    flags = parser.parse_args(arguments)
    folder = data_path("aia", flags.out)
    limits = script.limits(flags)
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            repair = script.moved("jsoc_aia", flags, lambda url, record: f"{url}/{record.path}")
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=repair)
    start, end = script.span(flags)
    step = script.cadence(flags)
    url = archive_url("jsoc_aia", flags.url)
    around = script.frames_around(flags, start, end, step)
    hours = flags.lead if flags.lead is not None else flags.before
    if hours is None and flags.after is None and (flags.quiet is not None or flags.list_flares):
        raise UserError("--quiet and --list_flares: are about frames around flares; give --lead, --before or --after with them")
    if around and (hours is not None or flags.after is not None):
        every = script.flares(flags.flares)["when"].to_numpy("datetime64[s]")
        count = len(around) if flags.quiet is None else flags.quiet
        ahead = numpy.timedelta64(round(3600 * (hours or 0)), "s")
        quiet = quiet_times(every, start, end, step, count, ahead=ahead, seed=flags.seed)
        times = numpy.unique(numpy.concatenate([*(one.times for one in around), quiet]))
        print(f"{len(around)} flares and {len(quiet)} quiet times")
    elif around:
        every, around = script.flares(flags.flares), []
        loud = script.flares_between(flags.flares, start, end, flags.least_class)
        both = {"loud": loud["when"].to_numpy("datetime64[s]"), "all": every["when"].to_numpy("datetime64[s]")}
        times = times_around_flares(both, start, end, step, seed=flags.seed)
    else:
        times = script.times_between(start, end, step)
    fetch = fetcher.Fetcher(limits)
    with script.opened(flags, folder, ARCHIVE) as book:
        tolerance = numpy.timedelta64(round(60 * flags.tolerance), "s")
        wanted, missing, unlisted = find(times, book, fetch, url=url, tolerance=tolerance, channels=tuple(flags.channels))
        missing = {f"{time}Z": why for time, why in missing.items()}
        if script.announced(flags, wanted, folder, missing=missing, around=around, unanswered=unlisted):
            return
        script.require_listed(unlisted, wanted, missing, unit="hours")
        script.finish(script.add_missing(script.merged(fetch.fetch(wanted, book), unlisted), missing), book)


if __name__ == "__main__":
    command_line.run(main)
