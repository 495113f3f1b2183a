"""GOES X-ray flux: daily FITS of the older satellites and NOAA's netCDF of GOES-8 to 19, fetched and put into the flux store.

    python dataset_models/download/goes.py --start 2014-01-01 --end 2015-01-01 --satellite 15 --out data/GOES
    python dataset_models/download/goes.py --start 2012-01-01 --end 2012-02-01 --satellite 15 --calibration operational

--calibration operational takes the daily FITS of NASA's Solar Data Analysis Center, which go on to March 2020 with GOES-15:
fluxes as they were when flares were classified. sunpy's Fido finds the files; they are fetched by this project's fetcher,
opened and checked, entered in the manifest, and imported into the flux store (--store, goes of config.yml; --no_import leaves
that out). Run it again to go on.
"""

import contextlib
import itertools
import pathlib
import re
import socket
import urllib.parse

import numpy

from dataset_models.download import fetcher, script
from tools import command_line
from tools.errors import UserError
from tools.options import add_number
from tools.paths import archive_url, data_path

ARCHIVE = "GOES XRS"
_STALL = 60.0  # seconds; sunpy's search sets no limit of its own
_LOST_AFTER = 3  # searches in a row without an answer
_NETCDF = numpy.datetime64("2001-03-01", "s")  # from here on NOAA's netCDF, before it daily FITS
_GOES_R = numpy.datetime64("2017-02-07", "s")  # GOES-16 and later
_GOES_R_ALONE = numpy.datetime64("2020-03-04", "s")  # GOES-15 and earlier end
CALIBRATIONS = ("science", "operational")
_SATELLITE = re.compile(r"_g(\d\d)_|^go(\d\d)")


def search(start, end, *, satellite=None, resolution="avg1m", calibration="science", unanswered=None):
    """Find files by sunpy's client for GOES X-ray flux, the one behind Fido.

    Parameters
    ----------
    start, end : numpy.datetime64
    satellite : int, optional
        GOES number; by default all.
    resolution : str
        Of NOAA's netCDF files: ``"avg1m"`` or ``"flx1s"``.
    calibration : str
        Of `CALIBRATIONS`. ``"operational"``: daily FITS for all of the time, https://umbra.nascom.nasa.gov/goes/fits, one for
        each satellite and day, as ``2012/go1520120103.fits`` (before 1999 ``1995/go07950603.fits``).
    unanswered : fetcher.Summary, optional
        Takes the times for which the archives gave no answer that sunpy understands.

    Returns
    -------
    list of (str, str, int)
        URL, day, satellite.

    Raises
    ------
    UserError
        The archives do not answer, and there is no `unanswered`, or they have not answered three times in a row.

    Notes
    -----
    Asked in pieces, because sunpy chooses the archive by the end of the time asked for, and about GOES-19, which it does not
    list. Daily FITS files are those before March 2001, and operational ones. Of days before March 2001 the archives have no
    others.
    """
    from sunpy.net import attrs as a
    from sunpy.net.dataretriever import XRSClient

    if calibration == "operational" and end > _GOES_R_ALONE:
        raise UserError(
            f"--end {end}: operational daily FITS end with GOES-15 on {_GOES_R_ALONE.astype('datetime64[D]')}; later satellites"
            " have one calibration, see --calibration science"
        )
    rows, failures = [], 0
    for begin, stop in _pieces(start, end):
        query = [a.Time(str(begin), str(stop - numpy.timedelta64(1, "s"))), a.Instrument("XRS")]
        old, new = begin < _GOES_R_ALONE, stop > _GOES_R
        numbers = [number for number in range(8, 20) if (old if number < 16 else new)]
        daily_fits = begin < _NETCDF or calibration == "operational"
        if satellite is not None or daily_fits:
            numbers = [satellite]
        for number in numbers:
            asked = list(query)
            if daily_fits:
                asked.append(a.Provider("SDAC"))
            else:
                asked += [a.goes.SatelliteNumber(str(number)), a.Resolution(resolution)]
            try:
                with _timeout(_STALL):
                    rows += _readable(XRSClient().search(*asked), satellite)
                failures = 0
            except Exception as error:  # sunpy lets anything through that a server's answer provokes
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
                text = f"the search failed ({reason}); check the network or run it again later"
                failures += 1
                if unanswered is None or failures == _LOST_AFTER:
                    raise UserError(f"GOES archives: {text}") from error
                unanswered.add(f"{begin}Z to {stop}Z" + (f", GOES-{number}" if number else ""), "not fetched", text)
    return rows


def _readable(answer, satellite):
    """List URL, day and satellite of what sunpy found."""
    rows = []
    for row in answer:
        url = str(row["url"])
        match = _SATELLITE.search(url.rsplit("/", 1)[1])
        number = int(match[1] or match[2]) if match else None
        if number is not None and satellite in (None, number):
            rows.append((url, str(numpy.datetime64(row["Start Time"].to_datetime(), "D")), number))
    return rows


def _pieces(start, end):
    """Divide a time into pieces of at most a year that no change of archive divides: list of (begin, end)."""
    years = numpy.arange(start.astype("datetime64[Y]") + 1, end.astype("datetime64[Y]") + 1).astype("datetime64[s]")
    cuts = [cut for cut in (_NETCDF, _GOES_R_ALONE) if start < cut < end]
    edges = numpy.unique(numpy.array([start, *years, *cuts, end], "datetime64[s]"))
    edges = edges[(edges >= start) & (edges <= end)]
    return list(itertools.pairwise(edges))


@contextlib.contextmanager
def _timeout(seconds):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _mirrored(mirror, record):
    return mirror + urllib.parse.urlsplit(record.url).path


def wanted_files(rows, *, mirror=""):
    """List the `fetcher.Wanted` of a search's rows; `mirror` takes the place of scheme and host."""
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
    add_number(parser, "--satellite", int, least=1, most=19, metavar="1..19", help="(default: every one in service)")
    text = "operational: daily FITS until 2020 (default: science; before March 2001 there is nothing else than daily FITS)"
    parser.add_argument("--calibration", choices=CALIBRATIONS, default="science", help=text)
    parser.add_argument("--resolution", choices=("avg1m", "flx1s"), default="avg1m", help="of netCDF files (default: avg1m)")
    parser.add_argument("--store", type=pathlib.Path, metavar="SQLITE", help="flux store (default: goes of config.yml)")
    parser.add_argument("--no_import", action="store_true", help="only fetch")
    flags = parser.parse_args(arguments)
    store = data_path("goes", flags.store)
    folder = flags.out or store.parent / "files"
    limits = script.limits(flags)
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            repair = script.moved("goes_mirror", flags, _mirrored)
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=repair)
    start, end = script.span(flags)
    mirror = archive_url("goes_mirror", flags.url)
    unanswered = fetcher.Summary()
    choice = {"satellite": flags.satellite, "resolution": flags.resolution, "calibration": flags.calibration}
    rows = search(start, end, **choice, unanswered=unanswered)
    wanted = wanted_files(rows, mirror=mirror)
    if not wanted and not unanswered.troubles:
        raise UserError(f"GOES: no files of X-ray flux from {flags.start} to {flags.end}; try another --satellite or time")
    fetch = fetcher.Fetcher(limits)
    with script.opened(flags, folder, ARCHIVE) as book:
        if script.announced(flags, wanted, folder, unanswered=unanswered):
            return
        summary = script.merged(fetch.fetch(wanted, book), unanswered)
        if not flags.no_import:
            from dataset_models import goes_xrs

            here = [book.place(one.path) for one in wanted if one.path in book and book.has_file(one.path)]
            imported = goes_xrs.import_files(store, here, progress=True)
            print(f"{store}: {len(imported.imported)} files imported, {len(imported.present)} already there")
            for note in imported.notes():
                print(f"note: {note}")
            for error in imported.rejected:
                path, _, why = str(error).partition(": ")
                summary.add(path, "rejected", f"for the flux store: {why}")
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
