"""Flares of NASA CCMC's DONKI, in windows of seven days.

    python dataset_models/download/donki.py --start 2022-01-01 --end 2023-01-01 --out data/DONKI

The key is read from NASA_API_KEY in the environment; without one DEMO_KEY is used, which NASA allows some thirty requests
an hour. Each window is kept as the JSON that the archive sent; all of them together, de-duplicated, as catalogue.csv. A record
or a window that cannot be read is named and left out of it, and the next run asks for that window again.
"""

import os

import numpy

from dataset_models.download import fetcher, script
from dataset_models.flares import flare_lists
from tools import command_line
from tools.paths import archive_url

ARCHIVE = "DONKI"
_DAYS = 7
_SETTLED = numpy.timedelta64(30, "D")
_EPOCH = numpy.datetime64("2010-01-01", "D")  # windows begin at multiples of seven days from here, whatever --start is


def windows(start, end):
    """List the first days of the windows that cover [start, end): ``datetime64[D]``."""
    first = (start.astype("datetime64[D]") - _EPOCH).astype(int) // _DAYS
    last = ((end - numpy.timedelta64(1, "s")).astype("datetime64[D]") - _EPOCH).astype(int) // _DAYS
    return _EPOCH + _DAYS * numpy.arange(first, last + 1)


def wanted_files(days, url):
    """List the `fetcher.Wanted` of windows."""
    wanted = []
    for day in days:
        last = day + (_DAYS - 1)
        link = f"{url}?startDate={day}&endDate={last}"
        wanted.append(fetcher.Wanted(link, f"{day}.json", "json", {"fields": ["beginTime", "classType"]}, f"{day}T00:00:00Z"))
    return wanted


def _left_out(weeks, unreadable):
    """Name by path the windows that cannot be read, and what cannot be read in others."""
    partly = {path: f"{week.malformed} of {week.rows} records" for path, week in weeks.items() if week.malformed}
    return unreadable | partly


def main(arguments=None):
    """Fetch, verify or repair, and join."""
    parser = script.parser(__doc__, out="data/DONKI", connections=2, rate=1.0)
    flags = parser.parse_args(arguments)
    folder = flags.out or script.DATA / "DONKI"
    limits = script.limits(flags, stall=90.0)
    key = os.environ.get("NASA_API_KEY") or "DEMO_KEY"
    fetch = fetcher.Fetcher(limits, secret={"api_key": key}, key_setting="NASA_API_KEY")
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            repair = script.moved("donki", flags, lambda url, record: f"{url}?{record.url.partition('?')[2]}")
            script.audit(flags, book, lambda: fetch, repair=repair)
    days = windows(*script.span(flags))
    url = archive_url("donki", flags.url)
    if script.announced(flags, wanted_files(days, url), folder):
        return
    with script.opened(flags, folder, ARCHIVE) as book:
        over = numpy.datetime64("now", "D") - (days + _DAYS) > _SETTLED
        again = _left_out(*script.contents(book, script.there(book), flare_lists.read_list))
        summary = script.fetched(fetch, wanted_files(days[over], url), book, again=again)
        # What is recent may have grown since it was fetched.
        summary = script.merged(summary, fetch.fetch(wanted_files(days[~over], url), book, again=True))
        weeks, unreadable = script.contents(book, script.files_here(book), flare_lists.read_list)
        script.catalogue(folder, weeks.values())
        summary.left_out = _left_out(weeks, unreadable)
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
