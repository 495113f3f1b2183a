"""Positions of NOAA active regions, day by day, from NOAA's solar region summaries.

    python dataset_models/download/noaa_regions.py --start 2014-06-01 --end 2014-06-08 --out data/regions

Keeps each day's report as it is, and regions.csv: date of issue, NOAA number, Stonyhurst longitude and latitude (degrees, west
and north positive), area (millionths of the hemisphere), Hale class, McIntosh class, extent (degrees of longitude) and number
of spots. Cells and rows that cannot be read are named; a day that cannot be read is named, left out, and asked for again by the
next run.
"""

import numpy

from dataset_models.download import fetcher, script
from dataset_models.flares import region_days, region_summaries
from tools import atomic_files, command_line
from tools.paths import archive_url

ARCHIVE = "NOAA solar region summaries"


def wanted_files(days, url):
    """List the `fetcher.Wanted` of the summaries of days."""
    wanted = []
    for day in days:
        year, month, number = str(day).split("-")
        path = f"{year}/{month}/{year}{month}{number}SRS.txt"
        wanted.append(fetcher.Wanted(f"{url}/{path}", path, "regions", {"day": str(day)}, f"{day}T00:00:00Z"))
    return wanted


def read(path):
    """Read the regions with spots of one summary.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    pandas.DataFrame
        With the columns `region_days.COLUMNS`; a cell that the summary lacks is missing.

    Raises
    ------
    UserError
        As :func:`dataset_models.flares.region_summaries.read`.
    """
    return region_days.table([region_summaries.read(path)])


def main(arguments=None):
    """Fetch, verify or repair, and list."""
    parser = script.parser(__doc__, out="data/regions")
    flags = parser.parse_args(arguments)
    folder = flags.out or script.DATA / "regions"
    limits = script.limits(flags)
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            repair = script.moved("noaa_regions", flags, lambda url, record: f"{url}/{record.path}")
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=repair)
    start, end = script.span(flags)
    days = numpy.arange(start.astype("datetime64[D]"), (end - numpy.timedelta64(1, "s")).astype("datetime64[D]") + 1)
    wanted = wanted_files(days, archive_url("noaa_regions", flags.url))
    if script.announced(flags, wanted, folder):
        return
    with script.opened(flags, folder, ARCHIVE) as book:
        again = script.contents(book, script.there(book), region_summaries.read)[1]
        summary = script.fetched(fetcher.Fetcher(limits), wanted, book, again=again)
        days, summary.left_out = script.contents(book, script.files_here(book), region_summaries.read)
        for odd in (odd for day in days.values() for odd in day.odd):
            print(odd)
        regions = region_days.table(days.values())
        if len(regions):
            atomic_files.write_table(folder / "regions.csv", regions)
            print(f"{folder / 'regions.csv'}: {len(regions)} positions of {regions['noaa_region'].nunique()} regions")
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
