"""SDO/HMI line-of-sight magnetograms as FITS (4096 x 4096) from JSOC, every 720 or 45 seconds, through drms.

    python dataset_models/download/jsoc_hmi.py --start 2014-06-01 --end 2014-06-08 --cadence 60 --out data/HMI_fits --dry-run
    python dataset_models/download/jsoc_hmi.py --start 2014-06-01 --end 2014-06-08 --cadence 60 --out data/HMI_fits \\
        --email YOU@EXAMPLE.ORG
    python dataset_models/download/jsoc_hmi.py --start 2014-01-01 --end 2015-01-01 --series M_45s --out data/HMI_fits \\
        --flares flares.csv --lead 12 --email YOU@EXAMPLE.ORG
    python dataset_models/download/jsoc_hmi.py --out data/HMI_fits --verify

The records of each day are listed first, with their QUALITY; the nearest sound one within --tolerance of each time is
wanted. JSOC then makes the files (an export, some minutes for a hundred) for a registered e-mail address, --email or
JSOC_EMAIL, which is in no file here. Exports are of protocol fits: files as they are on JSOC's disks (url_quick, as-is) need no
waiting, but have no keywords in their headers, neither pointing nor time nor QUALITY, and no reader could tell what they show.
Each file is opened, its checksums, size, pointing, disk, QUALITY, series and time checked, as the HMI data sets do. Run it
again to go on; an export that was begun is taken up.

Tested against a server that answers as JSOC's programs are documented to; JSOC itself has not been tried.
"""

import dataclasses
import functools
import os
import re

import numpy

from dataset_models.download import fetcher, jsoc_client, script
from dataset_models.images import quality
from dataset_models.images.headers import utc_from_tai
from tools import command_line
from tools.options import add_number
from tools.paths import archive_url, data_path

ARCHIVE = "JSOC HMI"
SERIES = {"M_720s": 720, "M_45s": 45, "M_720s_nrt": 720, "M_45s_nrt": 45}  # seconds of a record
SIZE = 4096
BATCH = 100  # records of one export: its request is a URL
PAUSE = 5.0  # seconds until an export is asked for
_KEYS = ("T_REC", "QUALITY")
_RECORD = re.compile(r"\[(\d{4}\.\d\d\.\d\d_\d\d:\d\d:\d\d_TAI)\]")
_BEFORE = 10.0  # hours before a flare
_SETTLED = numpy.timedelta64(30, "D")  # after this the records of a day do not change any more


def time_of(record):
    """Read the time of a record, ``2014.06.01_00:00:00_TAI``: ``datetime64[s]`` UTC. Raises ValueError where it is none."""
    date, clock = record.removesuffix("_TAI").split("_")
    return utc_from_tai(numpy.datetime64(f"{date.replace('.', '-')}T{clock}", "s"))


def path_of(record, series):
    """Find where the file of a record is on disk, under JSOC's name: str."""
    stamp = re.sub("[.:]", "", record)
    return f"{record[:10].replace('.', '/')}/hmi.{series}.{stamp}.magnetogram.fits"


def find(times, series, book, client, *, url, tolerance):
    """Find the sound records nearest to times.

    Parameters
    ----------
    times : numpy.ndarray
        ``datetime64[s]``, UTC.
    series : str
        Of `SERIES`.
    book : manifest.Manifest
        Remembers listings.
    client : drms.Client
    url : str
    tolerance : timedelta64

    Returns
    -------
    list of fetcher.Wanted, dict of time to str, fetcher.Summary
        Files, whose URL is the query of their record until they are exported; for each time without a record, why; and days
        that could not be listed.
    """
    from tqdm import tqdm

    # A day of TAI begins half a minute before that of UTC.
    around = (-tolerance, 0 * tolerance, tolerance + numpy.timedelta64(60, "s"))
    days = {time: {(time + off).astype("datetime64[D]") for off in around} for time in times}
    listings, summary = {}, fetcher.Summary()
    for day in tqdm(sorted(set().union(*days.values())), desc="list days", unit="day", disable=None):
        try:
            listings[day] = _listing(day, series, book, client, url)
        except fetcher.NotFetched as error:
            summary.add(f"{day}", "not fetched", f"{script.UNLISTED}{error}")
    wanted, missing = {}, {}
    for time in times:
        if not days[time] <= set(listings):
            continue  # a nearer record may be of the day that is not known
        near = {}
        for day in days[time]:
            near |= {record: entry for record, entry in listings[day].items() if abs(entry[0] - time) <= tolerance}
        sound = {record: entry for record, entry in near.items() if not entry[1]}
        if not sound:
            damage = next(iter(near.values()))[1] if near else ""
            within = f"no record within {tolerance.astype('timedelta64[m]')}"
            missing[time] = f"no sound record, by QUALITY: {damage}" if near else within
            continue
        record = min(sound, key=lambda one: (abs(sound[one][0] - time), one))
        path = path_of(record, series)
        about = {"series": f"hmi.{series}", "record": record, "size": SIZE}
        about |= {"time": f"{sound[record][0]}Z", "tolerance": float(SERIES[series])}
        wanted[path] = fetcher.Wanted(_query(series, [record]), path, "hmi", about, f"{time}Z")
    return list(wanted.values()), missing, summary


def _listing(day, series, book, client, url):
    """List the records of a day (TAI): dict of record to its time and what its QUALITY names as damage."""
    query = f"hmi.{series}[{str(day).replace('-', '.')}_00:00:00_TAI/1d]"
    remembered = _entries(book.answer(f"{url} {query}") or [])
    if remembered:
        return remembered
    rows = jsoc_client.records(client, query, _KEYS)
    listing = _entries(rows)
    if rows and not listing:
        raise fetcher.NotFetched(f"JSOC answers records that cannot be understood ({', '.join(rows[0])[:60]})")
    if listing and numpy.datetime64("now", "s") - day > _SETTLED:
        book.remember(f"{url} {query}", [list(row) for row in rows])
    return listing


def _entries(rows):
    """Read rows of T_REC and QUALITY; those that are none are left out."""
    listing = {}
    try:
        for record, word in rows:
            if not _RECORD.fullmatch(f"[{record}]"):
                continue
            listing[record] = time_of(record), ", ".join(quality.damage(int(word, 0), "HMI"))
    except (TypeError, ValueError, OverflowError):
        return {}
    return listing


def _query(series, records):
    return f"hmi.{series}[{','.join(records)}]{{magnetogram}}"


def fetch_exported(wanted, book, fetch, client, *, url, address, patience, again=False):
    """Have JSOC make files, and fetch them.

    Parameters
    ----------
    wanted : list of fetcher.Wanted
        As of `find`.
    book : manifest.Manifest
        Remembers exports.
    fetch : fetcher.Fetcher
    client : drms.Client
    url : str
    address : str
        Registered e-mail.
    patience : float
        Seconds for one export to get ready.
    again : bool
        Fetch what seems to be there as well.

    Returns
    -------
    fetcher.Summary
    """
    here = [] if again else [one for one in wanted if fetch.is_there(one, book)]
    summary, paths = fetcher.Summary(), {one.path for one in here}
    for one in here:
        summary.add(one.path, "already there")
    remaining = {one.expected["record"]: one for one in wanted if one.path not in paths}
    if not remaining:
        return summary
    jsoc_client.require_registered(client, address)
    key = f"{url} exports of {wanted[0].expected['series']}"
    begun = _begun(book.answer(key))
    for batch in _batches(remaining, begun):
        try:
            export = jsoc_client.resume_export(client, batch.number) if batch.number else None
            if export is None:
                begun.pop(batch.number, None)
                query = _query(wanted[0].expected["series"].removeprefix("hmi."), batch.records)
                export = jsoc_client.begin_export(client, query, address)
                if export.id:
                    begun[export.id] = batch.records
                book.remember(key, begun)
            links = _by_record(jsoc_client.files_of(export, patience=patience, pause=PAUSE))
        except (fetcher.NotFetched, jsoc_client.NotReady) as error:
            for record in batch.records:
                summary.add(remaining[record].path, "not fetched", str(error))
            continue
        ready = [dataclasses.replace(remaining[one], url=links[one]) for one in batch.records if one in links]
        for record in batch.records:
            if record not in links:
                summary.add(remaining[record].path, "missing at the source", "JSOC's export has no file of it")
        outcome = fetch.fetch(ready, book, again=again)
        if not outcome.counts["not fetched"]:
            begun.pop(export.id, None)  # a file that was rejected or is gone is asked for in a new export
            book.remember(key, begun)
        summary = script.merged(summary, outcome)
    return summary


@dataclasses.dataclass(frozen=True)
class _Batch:
    """Records of one export, and its number where it was begun."""

    records: list
    number: str | None = None


def _begun(answer):
    """Read the exports that earlier runs began and did not end, as a manifest has kept them: dict of number to records."""
    if not isinstance(answer, dict):
        return {}
    return {number: list(map(str, records)) for number, records in answer.items() if isinstance(records, list)}


def _batches(remaining, begun):
    """Divide records into exports, first those that were begun: list of `_Batch`."""
    left, batches = dict.fromkeys(remaining), []
    for number, records in begun.items():
        held = [record for record in records if record in left]
        if held:
            batches.append(_Batch(held, number))
        for record in held:
            del left[record]
    left = list(left)
    return batches + [_Batch(left[start : start + BATCH]) for start in range(0, len(left), BATCH)]


def _by_record(links):
    """Find URLs by the time of their record, that of the first of several files: dict of str to str."""
    found = {}
    for record, link in links.items():
        match = _RECORD.search(record)
        if match:
            found.setdefault(match[1], link)
    return found


def _repaired(flags, fetch, book, findings):
    """Have files made and fetched again that are damaged or missing; those in the manifest have URLs of exports long gone."""
    broken = {*findings.damaged, *findings.missing}
    wanted, summary = {}, fetcher.Summary()
    for one in book.records():
        if one.path not in broken:
            continue
        about = one.expected if isinstance(one.expected, dict) else {}
        if one.kind != "hmi" or about.get("series", "")[4:] not in SERIES or not _RECORD.fullmatch(f"[{about.get('record')}]"):
            summary.add(one.path, "rejected", f"{book.path}: its record is damaged; remove it")
            continue
        wanted.setdefault(about["series"], []).append(fetcher.Wanted(one.url, one.path, one.kind, about, one.requested))
    url = archive_url("jsoc", flags.url)
    client = jsoc_client.open_client(url, fetch)
    keywords = {"url": url, "address": _address(flags), "patience": 60 * flags.export_wait, "again": True}
    return script.merged(summary, *(fetch_exported(of_one, book, fetch, client, **keywords) for of_one in wanted.values()))


def _address(flags):
    return flags.email or os.environ.get("JSOC_EMAIL")


def main(arguments=None):
    """Fetch, verify or repair."""
    parser = script.parser(__doc__, out="hmi of config.yml", cadence=60.0, rate=4.0)
    text = "of 720 or 45 seconds, _nrt near real time (default: %(default)s)"
    parser.add_argument("--series", choices=SERIES, default="M_720s", help=text)
    text = f"registered with JSOC ({jsoc_client.REGISTER}), which makes the files for it (default: JSOC_EMAIL)"
    parser.add_argument("--email", metavar="ADDRESS", help=text)
    text = "minutes of a record from the time wanted (default: %(default)g)"
    says = "must be 0 to 60 minutes"
    add_number(parser, "--tolerance", float, least=0, most=60, says=says, default=12.0, help=text)
    text = "minutes that one export may take (default: %(default)g)"
    add_number(parser, "--export_wait", float, least=0, most=10_080, default=120.0, help=text)
    script.add_flare_flags(parser, before=_BEFORE, words="only frames around these flares")
    flags = parser.parse_args(arguments)
    folder = data_path("hmi", flags.out)
    limits = script.limits(flags)
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=functools.partial(_repaired, flags))
    start, end = script.span(flags)
    step = script.cadence(flags)
    url = archive_url("jsoc", flags.url)
    around = script.frames_around(flags, start, end, step, before=_BEFORE)
    times = numpy.unique(numpy.concatenate([one.times for one in around])) if around else script.times_between(start, end, step)
    fetch = fetcher.Fetcher(limits)
    client = jsoc_client.open_client(url, fetch)
    with script.opened(flags, folder, ARCHIVE) as book:
        tolerance = numpy.timedelta64(round(60 * flags.tolerance), "s")
        wanted, missing, unlisted = find(times, flags.series, book, client, url=url, tolerance=tolerance)
        missing = {f"{time}Z": why for time, why in missing.items()}
        if script.announced(flags, wanted, folder, missing=missing, around=around, unanswered=unlisted):
            return
        script.require_listed(unlisted, wanted, missing, unit="days")
        keywords = {"url": url, "address": _address(flags), "patience": 60 * flags.export_wait}
        summary = fetch_exported(wanted, book, fetch, client, **keywords) if wanted else fetcher.Summary()
        script.finish(script.add_missing(script.merged(summary, unlisted), missing), book)


if __name__ == "__main__":
    command_line.run(main)
