"""Flares of NOAA's list from the Heliophysics Events Knowledgebase, month by month.

    python dataset_models/download/hek.py --start 2010-05-01 --end 2019-01-01 --out data/HEK

Each month becomes a CSV that dataset_models/flare_catalogue.py reads; all of them together, de-duplicated, catalogue.csv.
Months that are over are not asked for again. A record that is none, or that holds bytes which are no text, is left out and
counted, and the next run asks for its month again; rows that the catalogue cannot read are named and left out of it.
"""

import io
import re
import urllib.parse

import numpy

from dataset_models.download import checks, fetcher, manifest, script
from dataset_models.flares import flare_lists, flare_rows
from tools import atomic_files, command_line, digests, tables
from tools.errors import UserError
from tools.paths import archive_url
from tools.reading import structures

ARCHIVE = "HEK"
COLUMNS = ("event_starttime", "event_peaktime", "event_endtime", "fl_goescls", "ar_noaanum", "hgs_x", "hgs_y", "frm_name")
_PAGE = 500  # records of an answer
_MOST_PAGES = 200  # of a month; the most active ones have two
_MONTH = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])\.csv")
_SETTLED = numpy.timedelta64(30, "D")


def question(url, begin, end, page):
    """URL of one page of the flares of a time."""
    query = {
        "cosec": "2",
        "cmd": "search",
        "type": "column",
        "event_type": "fl",
        "event_starttime": str(begin),
        "event_endtime": str(end),
        "event_coordsys": "helioprojective",
        "x1": "-5000",
        "x2": "5000",
        "y1": "-5000",
        "y2": "5000",
        "param0": "FRM_NAME",
        "op0": "=",
        "value0": "SWPC",
        "result_limit": str(_PAGE),
        "page": str(page),
    }
    return f"{url}?{urllib.parse.urlencode(query)}"


def parse(body):
    """Read one answer: (list of records, whether there are more, how many records cannot be read).

    Raises
    ------
    dataset_models.download.checks.Rejected
        It is none.
    """
    text = body.decode("utf-8", "replace")
    try:
        answer = structures.parse_json(text, "the answer", strict=False)
        records, more = (answer.get("result"), answer.get("overmax")) if isinstance(answer, dict) else (None, False)
    except UserError:
        records, more = _salvaged(text)
    readable = [one for one in records if isinstance(one, dict) and _is_text(one)] if isinstance(records, list) else []
    if not isinstance(records, list) or (records and not any("event_starttime" in one for one in readable)):
        raise checks.Rejected(f"answers {' '.join(text.split())[:100]}")
    return readable, bool(more), len(records) - len(readable)


def _salvaged(text):
    """Save the records of an answer that is no JSON somewhere, None for those that are lost; and whether there are more."""
    begin, end = text.find("[", text.find('"result"')), text.rfind("]")
    if '"result"' not in text or not text.rstrip().endswith("}") or not 0 <= begin < end:
        raise checks.Rejected("answers no JSON")
    try:
        records = [record for _, record in flare_rows.json_rows(text[begin : end + 1])]
    except (ValueError, RecursionError):
        raise checks.Rejected("answers no JSON") from None
    return records, re.search(r'"overmax"\s*:\s*true', text) is not None


def _is_text(record):
    """Check that none of the fields that are kept holds a byte that was no text: bool."""
    return not any("\ufffd" in str(record.get(name)) for name in COLUMNS)


def month_of_flares(fetch, url, begin, end):
    """Ask for the flares that start in [begin, end).

    Parameters
    ----------
    fetch : fetcher.Fetcher
    url : str
    begin, end : numpy.datetime64

    Returns
    -------
    records : list of dict
        Each flare once, by time. Records whose start cannot be read are among them: the catalogue leaves them out, counts and
        names them.
    left_out : str
        What could not be read, in words; empty where everything could.

    Raises
    ------
    dataset_models.download.fetcher.NotFetched
        The archive gives no answer, or knows no such page.
    """
    flares, seen, lost, end_of_pages = {}, set(), 0, ""
    for page in range(1, _MOST_PAGES + 1):
        answer = fetch.get(question(url, begin, end, page), parse)
        if answer is None:
            raise fetcher.NotFetched(f"{url}: there is no such page; check --url")
        records, more, unreadable = answer
        lost += unreadable
        before = len(seen)
        for one in records:
            kept = {name: one.get(name, "") for name in COLUMNS}
            seen.add(str(kept))
            start = _start(one)
            if one.get("fl_goescls") and (start is None or begin <= start < end):
                key = str((one.get("event_starttime"), one["fl_goescls"], one.get("ar_noaanum")))
                flares.setdefault(key, kept)
        if not more or not records:
            break
        if len(seen) == before:
            end_of_pages = f"whatever comes after page {page}, which brings nothing new"
            break
    else:
        end_of_pages = f"whatever comes after page {_MOST_PAGES}"
    left_out = ", ".join(([f"{lost} records"] if lost else []) + ([end_of_pages] if end_of_pages else []))
    return [flares[key] for key in sorted(flares)], left_out


def _start(record):
    try:
        start = numpy.datetime64(str(record.get("event_starttime")), "s")
    except ValueError:
        return None
    return None if numpy.isnat(start) else start


def write_month(book, path, url, begin, end, records, left_out=""):
    """Write the CSV of a month and enter it in the manifest, with what could not be read."""
    text = io.StringIO()
    writer = tables.Writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([record[name] for name in COLUMNS] for record in records)
    target = book.place(path)
    expected = {"rows": len(records)} | ({"left_out": left_out} if left_out else {})
    with atomic_files.replacing(target) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
        checks.check("flares", temporary, expected)
    size, digest = target.stat().st_size, digests.of_file(target)
    link = question(url, begin, end, 1)
    book.add(manifest.Record(path, link, f"{begin}Z", None, size, digest, manifest.now(), "flares", expected))


def wanted_files(months, url):
    """`fetcher.Wanted` of months, which stand for the files made of the archive's answers."""
    wanted = []
    for month in months:
        begin, end = month.astype("datetime64[s]"), (month + 1).astype("datetime64[s]")
        wanted.append(fetcher.Wanted(question(url, begin, end, 1), f"{month}.csv", "flares", {}, f"{begin}Z"))
    return wanted


def fetch_months(fetch, book, url, months, *, again=()):
    """Fetch months (``datetime64[M]``) that are not there, not over, or in `again`: `fetcher.Summary`."""
    from tqdm import tqdm

    summary = fetcher.Summary()
    for month in tqdm(months, desc="HEK", unit="month", disable=None):
        path = f"{month}.csv"
        begin, end = month.astype("datetime64[s]"), (month + 1).astype("datetime64[s]")
        over = numpy.datetime64("now", "s") - end > _SETTLED
        try:
            book.place(path)
        except UserError as error:
            summary.add(path, "rejected", str(error))
            continue
        record = book.get(path)
        there = record is not None and book.has_file(path) and book.place(path).stat().st_size == record.size
        if there and over and path not in again and not record.expected.get("left_out"):
            summary.add(path, "already there")
            continue
        try:
            records, left_out = month_of_flares(fetch, url, begin, end)
            write_month(book, path, url, begin, end, records, left_out)
        except fetcher.NotFetched as error:
            summary.add(path, "not fetched", str(error))
        except checks.Rejected as error:
            summary.add(path, "rejected", str(error))
        else:
            summary.add(path, "fetched", size=book.place(path).stat().st_size)
    return summary


def _in_words(left_out):
    """Describe what a record has as left out; manifests of before have the number of records alone."""
    return f"{left_out} records" if isinstance(left_out, int) else str(left_out)


def main(arguments=None):
    """Fetch, verify or repair, and join."""
    parser = script.parser(__doc__, out="data/HEK", connections=1, rate=1.0)
    flags = parser.parse_args(arguments)
    folder = flags.out or script.DATA / "HEK"
    limits = script.limits(flags, stall=90.0)
    url = archive_url("hek", flags.url)

    def repair(fetch, book, findings):
        broken = {*findings.damaged, *findings.missing}
        summary = fetcher.Summary()
        for path in [path for path in broken if not _MONTH.fullmatch(path)]:
            broken.remove(path)
            summary.add(path, "rejected", f"{book.path}: is no month of flares; remove its record")
        months = sorted(numpy.datetime64(path.removesuffix(".csv"), "M") for path in broken)
        return script.merged(fetch_months(fetch, book, url, months, again=broken), summary)

    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=repair)
    start, end = script.span(flags)
    months = numpy.arange(start.astype("datetime64[M]"), (end - numpy.timedelta64(1, "s")).astype("datetime64[M]") + 1)
    if script.announced(flags, wanted_files(months, url), folder):
        return
    with script.opened(flags, folder, ARCHIVE) as book:
        again = script.contents(book, script.there(book), flare_lists.read_list)[1]
        summary = fetch_months(fetcher.Fetcher(limits), book, url, months, again=again)
        here = script.files_here(book)
        lists, unreadable = script.contents(book, here, flare_lists.read_list)
        script.catalogue(folder, lists.values())
        summary.left_out = unreadable | {
            one.path: _in_words(one.expected["left_out"]) for one in here if one.expected.get("left_out")
        }
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
