"""Positions of NOAA active regions, day by day, from NOAA's solar region summaries.

    python dataset_models/download/noaa_regions.py --start 2014-06-01 --end 2014-06-08 --out data/regions

Keeps each day's report as it is, and regions.csv: date, NOAA number, Stonyhurst longitude and latitude (degrees, west and
north positive), area (millionths of the hemisphere), Hale class.
"""

import numpy

from dataset_models.download import fetcher, script
from tools import atomic_files, command_line
from tools.paths import archive_url

ARCHIVE = "NOAA solar region summaries"


def wanted_files(days, url):
    """`fetcher.Wanted` of the summaries of days."""
    wanted = []
    for day in days:
        year, month, number = str(day).split("-")
        path = f"{year}/{month}/{year}{month}{number}SRS.txt"
        wanted.append(fetcher.Wanted(f"{url}/{path}", path, "regions", {"day": str(day)}, f"{day}T00:00:00Z"))
    return wanted


def read(path):
    """Regions with spots of one summary.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    pandas.DataFrame
        date, noaa_region, longitude, latitude, area, hale_class.
    """
    import pandas
    from sunpy.io.special import srs

    table = srs.read_srs(str(path))
    rows = []
    for row in table:
        if str(row["ID"]) != "I":
            continue
        number = int(row["Number"])
        rows.append(
            {
                "date": str(table.meta["issued"])[:10],
                "noaa_region": number + 10000 if number < 5000 else number,
                "longitude": float(row["Longitude"].to_value("deg")),
                "latitude": float(row["Latitude"].to_value("deg")),
                "area": float(row["Area"].value),
                "hale_class": str(row["Mag Type"]),
            }
        )
    return pandas.DataFrame(rows, columns=["date", "noaa_region", "longitude", "latitude", "area", "hale_class"])


def main(arguments=None):
    """Fetch, verify or repair, and list."""
    import pandas

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
    if flags.dry_run:
        script.plan(wanted, folder)
        return
    with script.opened(flags, folder, ARCHIVE) as book:
        summary = fetcher.Fetcher(limits).fetch(wanted, book)
        tables = [read(folder / one.path) for one in script.files_here(book)]
        tables = [table for table in tables if len(table)]
        if tables:
            regions = pandas.concat(tables, ignore_index=True)
            atomic_files.write_table(folder / "regions.csv", regions)
            print(f"{folder / 'regions.csv'}: {len(regions)} positions of {regions['noaa_region'].nunique()} regions")
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
