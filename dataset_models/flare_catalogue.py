"""Flare events from any list, or several, as one table.

    python dataset_models/flare_catalogue.py LIST [LIST ...] [--out CATALOGUE.csv] [--figures FOLDER]

prints what was read and every row that gave trouble; the formats are those of :mod:`dataset_models.flares.flare_lists`. The
figures are of classes, durations, and flares per year or month. Where
several lists have a flare, the first of them on the command line that knows a value gives it; within a list of the HEK, NOAA's
own rows (frm_name SWPC) come before those of other methods.
"""

import dataclasses
import pathlib

import numpy
import pandas

from dataset_models import simulation_mark
from dataset_models.flares import flare_lists, flare_matching, flare_pictures, flare_repeats
from tools import atomic_files, command_line, goes_class
from tools.errors import UserError
from tools.paths import Files, data_path

COLUMNS = ("start", "peak", "end", "goes_class", "flux", "longitude", "latitude", "noaa_region", "source")
_MOST_SOURCES = 100  # of one list; the HEK has some ten methods


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Flares of one or several lists.

    Attributes
    ----------
    events : pandas.DataFrame
        One row per flare, sorted by start, with the columns `COLUMNS`: start, peak, end (``datetime64[s]``, UTC; peak
        and end may be NaT), goes_class (str, one decimal), flux (float64, peak in 1-8 Angstrom, W m^-2), longitude and
        latitude (float64, Stonyhurst degrees, west and north positive, NaN where unknown), noaa_region (Int64, may be
        missing), source (str: the lists that have the flare, as "HEK+GOES").
    records : pandas.DataFrame
        One row per well-formed row of the files, as read: the columns of `events`, file, line, and event, the
        position in `events` of the flare it belongs to. Nothing of either list is lost in merging.
    counts : dict of str to int
        rows (read), malformed (left out), incomplete (kept, a field unknown), repaired (an end or peak moved across
        midnight), repeated (the same flare again in one list), merged (the same flare in another list).
    lists : tuple of flare_lists.FlareList
        The files, with their own counts.
    problems : tuple of str
        "file:line: why" of every malformed or incomplete row.
    remarks : dict of str to tuple of str
        By what is remarked upon: "file:line: detail" of every row.
    """

    events: pandas.DataFrame
    records: pandas.DataFrame
    counts: dict
    lists: tuple
    problems: tuple
    remarks: dict

    @property
    def simulated(self):
        """Whether one of the lists is marked as simulated, see `dataset_models.simulation_mark`: bool."""
        return simulation_mark.of_any(one.path for one in self.lists)


def read(paths, *, merge=True):
    """Read flare lists into one table.

    Parameters
    ----------
    paths : str, pathlib.Path or sequence of them
        The order is the order of preference: where several lists have a flare, the first of them gives its start,
        class and flux; what that one lacks (peak, end, position, region) comes from the next.
    merge : bool
        Whether rows about the same flare become one event.

    Returns
    -------
    Catalogue

    Raises
    ------
    UserError
        As :func:`dataset_models.flares.flare_lists.read_list`; or the flares of a list are of more than 100 sources.

    Notes
    -----
    :mod:`dataset_models.flares.flare_matching` decides which rows are about the same flare: by start, peak and flux. Sources
    are files, and within a list of the HEK its methods (frm_name). The region does not count: GOES sees the whole Sun, and
    sources name different regions, or none, for one flare.

    Within one source, and in files of one format without peaks, only rows with identical start are the same flare: lists
    hold revisions of a flare as further rows (HEK has nine such pairs in 2011 to 2018), and the largest flux among them
    counts, so that merging changes no maximum over a window. A row without a peak, as of a flare that was rising when its
    list was fetched, need not agree in flux with another one of its source (:mod:`dataset_models.flares.flare_repeats`).

    Rows of one source that overlap, of equal class and without two different regions, are one flare too, which begins with the
    first of them: NOAA's list of August 1991 to 1996 has 2,664 of 9,668 rows twice (20 of the other 29,369), times of other
    observations beside those of the X-rays.

    Measured: of 7,093 rows of HEK and 7,040 of NOAA's GOES reports, 3,825 flares are in both, 3 of these with starts 1 or 2
    minutes apart. Five lists of 70,025 rows hold 38,982 flares; only two pairs that stay apart have one peak and starts within
    5 minutes of each other in different lists.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "flares.csv"
    ...     _ = path.write_text("start_time,goes_class\\n2026-02-01 12:10:00,M1.1\\n2026-02-01 12:10:00,M1.2\\n")
    ...     catalogue = read(path)
    >>> catalogue.events[["start", "goes_class", "flux"]].astype(str).values.tolist()
    [['2026-02-01 12:10:00', 'M1.2', '1.2e-05']]
    >>> catalogue.counts["rows"], catalogue.counts["repeated"]
    (2, 1)
    """
    paths = [paths] if isinstance(paths, str | pathlib.Path) else list(paths)
    return joined([flare_lists.read_list(path) for path in paths], merge=merge)


def joined(lists, *, merge=True):
    """Join lists that are read already, the preferred first, as `read` does.

    Parameters
    ----------
    lists : sequence of flare_lists.FlareList
    merge : bool

    Returns
    -------
    Catalogue
    """
    lists = tuple(lists)
    records = _records(lists)
    records["leader"] = flare_repeats.leaders(records) if merge else numpy.arange(len(records))
    records["event"] = _groups(records) if merge else numpy.arange(len(records))
    events = _events(records)
    counts = {name: sum(getattr(one, name) for one in lists) for name in ("rows", "malformed", "incomplete", "repaired")}
    flares_per_source = len(records.drop_duplicates(["event", "source"]))
    counts["repeated"] = len(records) - flares_per_source
    counts["merged"] = flares_per_source - len(events)
    problems = tuple(problem for one in lists for problem in one.problems)
    remarks = {}
    for what, places in (item for one in lists for item in one.remarks.items()):
        remarks[what] = remarks.get(what, ()) + places
    return Catalogue(events, records.drop(columns=["order", "rank", "leader"]), counts, lists, problems, remarks)


def table(flares):
    """Arrange flares as a data frame with the columns `COLUMNS`, in the order given.

    Parameters
    ----------
    flares : sequence of flare_lists.Flare

    Returns
    -------
    pandas.DataFrame
        As `Catalogue.events`.
    """
    moments = {name: numpy.array([getattr(flare, name) for flare in flares], "datetime64[s]") for name in COLUMNS[:3]}
    return pandas.DataFrame(
        moments
        | {
            "goes_class": pandas.array([goes_class.from_flux(flare.flux) for flare in flares], dtype="str"),
            "flux": numpy.array([flare.flux for flare in flares], "float64"),
            "longitude": numpy.array([flare.longitude for flare in flares], "float64"),
            "latitude": numpy.array([flare.latitude for flare in flares], "float64"),
            "noaa_region": pandas.array([flare.region for flare in flares], dtype="Int64"),
            "source": pandas.array([flare.source for flare in flares], dtype="str"),
        }
    )


def _records(lists):
    records = table([flare for one in lists for flare in one.flares])
    records["file"] = pandas.array([str(one.path) for one in lists for _ in one.flares], dtype="str")
    records["line"] = numpy.array([flare.line for one in lists for flare in one.flares], "int64")
    records["order"] = numpy.repeat(numpy.arange(len(lists)), [len(one.flares) for one in lists])
    ranks = []
    for one in lists:
        places = {source: place for place, source in enumerate(_sources(one))}
        ranks += [places.get(flare.source, 0) for flare in one.flares]
    records["rank"] = numpy.array(ranks, "int64")
    return records.sort_values(["start", "order", "line"], kind="stable", ignore_index=True)


def _groups(records):
    """Number of the flare that each record, in order of start, belongs to: int64 (n,)."""
    starts, peaks = (records[name].to_numpy("datetime64[s]").astype("int64").tolist() for name in ("start", "peak"))
    no_peak = numpy.datetime64("NaT", "s").astype("int64")
    peaks = [None if peak == no_peak else peak for peak in peaks]
    files = zip(records["order"].tolist(), records["rank"].tolist(), strict=True)
    numbers = flare_matching.match(
        map(flare_matching.Record, starts, peaks, records["flux"].tolist(), records["source"].tolist(), files)
    )
    return flare_repeats.linked(numbers, records["leader"].to_numpy())


def _events(records):
    """Make one event per group of records; renumbers the records' groups by the events' start."""
    # Rows of one source about one flare are preferred as the first of them is; the strongest of them counts.
    places = (records["order"] * _MOST_SOURCES + records["rank"]).groupby(records["leader"]).transform("min")
    order = ["event", "place", "flux"]
    best_first = records.assign(place=places).sort_values(order, ascending=[True, True, False], kind="stable")
    groups = best_first.groupby("event", sort=True)
    events = best_first.drop_duplicates("event").set_index("event")
    for name in ("peak", "end", "noaa_region"):
        events[name] = events[name].where(events[name].notna(), groups[name].first())
    located = best_first[best_first["latitude"].notna()].drop_duplicates("event").set_index("event")
    for name in ("longitude", "latitude"):  # the pair of one list, never a mixture
        events[name] = located[name].reindex(events.index)
    sources = {}
    for event, source in best_first[["event", "source"]].drop_duplicates().itertuples(index=False):
        sources.setdefault(event, []).append(source)
    events["source"] = pandas.array(["+".join(names) for names in sources.values()], dtype="str")  # both sorted by event
    events = events.sort_values("start", kind="stable")
    number = pandas.Series(numpy.arange(len(events)), index=events.index)
    records["event"] = number.reindex(records["event"]).to_numpy("int64")
    return events.reset_index(drop=True)[list(COLUMNS)]


def summary(catalogue):
    """Summarise what was read, in lines to print: one per file, totals, preferences, flares by class, remarks."""
    lines = [f"{'list':10} {'rows':>7} {'flares':>7} {'malformed':>9} {'incomplete':>10} {'repaired':>8}  file"]
    for one in catalogue.lists:
        numbers = f"{one.rows:7} {len(one.flares):7} {one.malformed:9} {one.incomplete:10} {one.repaired:8}"
        lines.append(f"{one.source:10} {numbers}  {one.path}")
    events, counts = catalogue.events, catalogue.counts
    lines.append(
        f"{len(events)} flares after joining {counts['merged']} found in several lists and {counts['repeated']} repeated in one"
    )
    sources = list(dict.fromkeys(source for one in catalogue.lists for source in _sources(one)))
    if len(sources) > 1:
        lines.append(f"where sources differ, values are taken from the first of: {', '.join(sources)}")
    if len(events):
        lines.append(f"from {events['start'].iloc[0]} to {events['start'].iloc[-1]} UTC")
        by_class = events["goes_class"].str[0].value_counts()
        lines.append(", ".join(f"{letter} {by_class.get(letter, 0)}" for letter in goes_class.DECADES))
        lines.append(
            f"{int(events['latitude'].notna().sum())} with a position, {int(events['peak'].notna().sum())} with a peak"
        )
    for what, places in catalogue.remarks.items():
        lines.append(f"{len(places)} {'row' if len(places) == 1 else 'rows'}: {what}; the first is {places[0]}")
    return lines


def _sources(one):
    """List the sources of a list, the preferred first: its own, then others as they come. A catalogue is one, being joined."""
    if one.source == "catalogue":
        return [one.source]
    sources = sorted(dict.fromkeys(flare.source for flare in one.flares), key=lambda source: source != one.source)
    if len(sources) > _MOST_SOURCES:
        text = f"its flares are of {len(sources)} sources (frm_name), more than the {_MOST_SOURCES} that are told apart"
        raise UserError(f"{one.path}: {text}; keep the methods that are wanted")
    return sources


def main(arguments=None):
    """Print what flare lists hold and what is wrong with them; write them merged when asked to."""
    parser = command_line.parser(__doc__)
    parser.add_argument(
        "lists",
        nargs="*",
        action=Files,
        metavar="LIST",
        help="flare lists, the preferred first (default: flares of config.yml)",
    )
    parser.add_argument("--out", metavar="CSV", help="write the joined catalogue")
    parser.add_argument("--figures", metavar="FOLDER", type=pathlib.Path, help="draw classes, durations and flares over time")
    options = parser.parse_args(arguments)
    paths = options.lists or [data_path("flares")]
    catalogue = read(paths)
    if options.figures and not len(catalogue.events):
        raise UserError(f"{', '.join(map(str, paths))}: no flare to draw; leave out --figures")
    print("\n".join([*summary(catalogue), *catalogue.problems]))
    if options.out:
        atomic_files.write_table(options.out, simulation_mark.marked(catalogue.events, catalogue.simulated))
        print(f"wrote {options.out}")
    if options.figures:
        with atomic_files.results(options.figures) as folder:
            lines = flare_pictures.draw(folder, catalogue.events, simulated=catalogue.simulated)
        print("\n".join(f"{options.figures}/{line}" for line in lines))


if __name__ == "__main__":
    command_line.run(main)
