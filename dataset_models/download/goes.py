"""GOES X-ray flux: daily FITS of the older satellites and NOAA's netCDF of GOES-8 to 19, fetched and put into the flux store.

    python dataset_models/download/goes.py --start 2014-01-01 --end 2015-01-01 --satellite 15 --out data/GOES

sunpy's Fido finds the files; they are fetched by this project's fetcher, opened and checked, entered in the manifest, and
imported into the flux store (--store, goes of config.yml; --no_import leaves that out). Run it again to go on.
"""

import contextlib
import pathlib
import re
import socket
import urllib.parse

import numpy

from dataset_models.download import fetcher, script
from tools import command_line
from tools.errors import UserError
from tools.paths import archive_url, data_path

ARCHIVE = "GOES XRS"
_STALL = 60.0  # seconds; sunpy's search sets no limit of its own


def search(start, end, *, satellite=None, resolution="avg1m"):
    """Files that sunpy's Fido finds: list of (URL, day, satellite).

    Raises
    ------
    UserError
        The archives do not answer.
    """
    from sunpy.net import Fido
    from sunpy.net import attrs as a

    query = [a.Time(str(start), str(end - numpy.timedelta64(1, "s"))), a.Instrument("XRS")]
    if satellite is not None:
        query.append(a.goes.SatelliteNumber(satellite))
    old = start < numpy.datetime64("2001-03-01") or (satellite is not None and satellite < 8)
    if not old:
        query.append(a.Resolution(resolution))
    with _timeout(_STALL):
        try:
            found = Fido.search(*query)
        except Exception as error:  # sunpy lets anything through that a server's answer provokes
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise UserError(f"GOES archives: the search failed ({reason}); check the network or run it again later") from error
    rows = []
    for table in found:
        for row in table:
            if "Physobs" in row.colnames and str(row["Physobs"]) != "irradiance":
                continue
            day = str(numpy.datetime64(row["Start Time"].to_datetime(), "D"))
            rows.append((str(row["url"]), day, int(row["SatelliteNumber"])))
    return rows


@contextlib.contextmanager
def _timeout(seconds):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def wanted_files(rows, *, mirror=""):
    """`fetcher.Wanted` for what a search found; `mirror` takes the place of scheme and host."""
    wanted = []
    for url, day, satellite in rows:
        name = pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name
        if re.search(r"-flsum_|-bkd1d_|-detect", name):
            continue  # summaries, not flux
        if mirror:
            url = mirror + urllib.parse.urlsplit(url).path
        expected = {"day": day, "satellite": satellite}
        path = f"goes{satellite:02d}/{day[:4]}/{name}"
        wanted.append(fetcher.Wanted(url, path, "goes", expected, f"{day}T00:00:00Z"))
    return wanted


def main(arguments=None):
    """Fetch, verify or repair, and import."""
    parser = script.parser(__doc__, out="GOES beside the flux store")
    parser.add_argument("--satellite", type=int, choices=range(1, 20), metavar="1..19", help="(default: every one in service)")
    parser.add_argument("--resolution", choices=("avg1m", "flx1s"), default="avg1m", help="of netCDF files (default: avg1m)")
    parser.add_argument("--store", type=pathlib.Path, metavar="SQLITE", help="flux store (default: goes of config.yml)")
    parser.add_argument("--no_import", action="store_true", help="only fetch")
    flags = parser.parse_args(arguments)
    store = data_path("goes", flags.store)
    folder = flags.out or store.parent / "files"
    limits = script.limits(flags)
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            script.audit(flags, book, lambda: fetcher.Fetcher(limits))
    start, end = script.span(flags)
    mirror = archive_url("goes_mirror", flags.url)
    wanted = wanted_files(search(start, end, satellite=flags.satellite, resolution=flags.resolution), mirror=mirror)
    if not wanted:
        raise UserError(f"GOES: no files of X-ray flux from {flags.start} to {flags.end}; try another --satellite or time")
    fetch = fetcher.Fetcher(limits)
    with script.opened(flags, folder, ARCHIVE) as book:
        if flags.dry_run:
            script.plan(wanted, folder)
            return
        summary = fetch.fetch(wanted, book)
        if not flags.no_import:
            from dataset_models import goes_xrs

            here = [folder / one.path for one in wanted if one.path in book]
            imported = goes_xrs.import_files(store, here, progress=True)
            print(f"{store}: {imported}")
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
