"""What NOAA's Space Weather Prediction Center publishes in near real time: X-ray flux, flares and its own flare probabilities.

    python dataset_models/download/swpc.py --out data/SWPC [--what flux flares probabilities]

fetches the JSON of the last seven days: the X-ray flux of the primary and of the secondary GOES satellite, flares found
automatically and edited events, and the probabilities of C, M and X flares in the next three days. What was fetched on a day
(UTC) stays in a folder of that day, whose files are replaced when the script runs again on it. SWPC keeps no older ones: run it
at least once a week, and flux and flares have no gap. The flux goes into the flux store (--store, goes of config.yml;
--no_import leaves that out) as near real time, the flares of all days into catalogue.csv. Forecasts are held against the
probabilities by science/operational_forecast/verify.py.
"""

import dataclasses
import pathlib

import numpy

from dataset_models.download import fetcher, script
from dataset_models.flares import flare_lists
from tools import command_line
from tools.paths import archive_url, data_path

ARCHIVE = "SWPC near real time"
_HOURS = numpy.timedelta64(24, "h")  # a feed whose newest minute is older stands still
_DAYS = numpy.timedelta64(2, "D")  # probabilities are issued once a day
# What is asked for, and of each file its place below the archive and the kind of its check.
FLUX = {f"goes/{rank}/xrays-7-day.json": "near real time" for rank in ("primary", "secondary")}
FLARES = {
    "edited_events.json": ["begin_datetime", "type"],
    "goes/primary/xray-flares-7-day.json": ["begin_time", "max_class"],
}  # the preferred first
PROBABILITIES = "solar_probabilities.json"
PRODUCTS = ("flux", "flares", "probabilities")


def clock():
    """Read this machine's clock, UTC: ``datetime64[s]``."""
    return numpy.datetime64("now", "s")


def wanted_files(products, url, now):
    """List the `fetcher.Wanted` of products.

    Parameters
    ----------
    products : collection of str
        Of `PRODUCTS`.
    url : str
    now : datetime64
        UTC; decides the folder, and what is too old to be true.
    """
    expected = {}
    if "flux" in products:
        expected |= {name: (kind, {"not_before": f"{now - _HOURS}Z"}) for name, kind in FLUX.items()}
    if "flares" in products:
        expected |= {name: ("json", {"fields": fields}) for name, fields in FLARES.items()}
    if "probabilities" in products:
        expected[PROBABILITIES] = "probabilities", {"not_before": f"{now - _DAYS}Z"}
    folder = now.astype("datetime64[D]")
    return [
        fetcher.Wanted(f"{url}/{name}", f"{folder}/{name}", kind, about, f"{now}Z") for name, (kind, about) in expected.items()
    ]


def _name(path):
    """Cut the day off the path of a file: str."""
    return path.partition("/")[2]


def _catalogue(book, folder):
    """Join the flares of all days, those of the newest first: which files could not be read, or in part, and why."""
    order = {name: place for place, name in enumerate(FLARES)}
    records = [one for one in script.files_here(book) if _name(one.path) in order]
    records.sort(key=lambda one: one.path, reverse=True)
    records.sort(key=lambda one: order[_name(one.path)])
    lists, unreadable = script.contents(book, records, flare_lists.read_list)
    script.catalogue(folder, lists.values())
    partly = {path: f"{one.malformed} of {one.rows} records" for path, one in lists.items() if one.malformed}
    return unreadable | partly


def _import(book, store, summary):
    """Put the flux of all days into the store; what it refuses is counted in the summary."""
    from dataset_models import goes_xrs

    here = [book.place(one.path) for one in script.files_here(book) if _name(one.path) in FLUX]
    if not here:
        return
    imported = goes_xrs.import_files(store, here, workers=1)
    print(f"{store}: {len(imported.imported)} files imported, {len(imported.present)} already there")
    for note in imported.notes():
        print(f"note: {note}")
    for error in imported.rejected:
        path, _, why = str(error).partition(": ")
        summary.add(path, "rejected", f"for the flux store: {why}")


def _repairing(flags, today):
    """Make a repair that asks only for files of today: SWPC has no others any more."""
    repair = script.moved("swpc", flags, lambda url, record: f"{url}/{_name(record.path)}")

    def of_today(fetch, book, findings):
        parts = {name: getattr(findings, name) for name in ("damaged", "missing")}
        current = {name: [path for path in paths if path.startswith(f"{today}/")] for name, paths in parts.items()}
        summary = repair(fetch, book, dataclasses.replace(findings, **current))
        for path in sorted({*parts["damaged"], *parts["missing"]} - {*current["damaged"], *current["missing"]}):
            summary.add(path, "missing at the source", f"SWPC has no file of {path.partition('/')[0]} any more")
        return summary

    return of_today


def main(arguments=None):
    """Fetch, verify or repair, import and join."""
    parser = script.parser(__doc__, out="data/SWPC", times=False)
    parser.add_argument("--what", nargs="+", choices=PRODUCTS, default=PRODUCTS, help="(default: all)")
    parser.add_argument("--store", type=pathlib.Path, metavar="SQLITE", help="flux store (default: goes of config.yml)")
    parser.add_argument("--no_import", action="store_true", help="leave the flux store as it is")
    flags = parser.parse_args(arguments)
    folder = flags.out or script.DATA / "SWPC"
    limits, now = script.limits(flags), clock()
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            repair = _repairing(flags, now.astype("datetime64[D]"))
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=repair)
    wanted = wanted_files(flags.what, archive_url("swpc", flags.url), now)
    if script.announced(flags, wanted, folder):
        return
    with script.opened(flags, folder, ARCHIVE) as book:
        summary = fetcher.Fetcher(limits).fetch(wanted, book, again=True)  # what is there of today is older
        if "flux" in flags.what and not flags.no_import:
            _import(book, data_path("goes", flags.store), summary)
        if "flares" in flags.what:
            summary.left_out = _catalogue(book, folder)
        script.finish(summary, book)


if __name__ == "__main__":
    command_line.run(main)
