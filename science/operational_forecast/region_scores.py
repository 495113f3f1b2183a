"""Score forecasts of single regions, method by method, by the flares of the regions' NOAA numbers.

    python science/operational_forecast/region_scores.py FILE [FILE ...] --flares LIST --out FOLDER [--gaps GAPS.csv]

Files are those of the flare scoreboard: answers of its HAPI, tables read from it, and files sent to it; verify.py scores the
regions of a log in the same way. Flare lists need the regions of their flares. Prints a table; writes regions.csv.
"""

import pathlib

import numpy

from dataset_models import flare_labels, simulation_mark
from dataset_models.flares.flare_index import threshold_flux, weakest_class
from dataset_models.observation_times import given_time
from network_models.forecasts.exchange import formats
from network_models.forecasts.exchange.comparison import in_time, probability_of
from science.verification import report
from science.verification.scores import WITHOUT_THRESHOLD, score, words
from science.verification.verification import flares_of
from tools import atomic_files, block_bootstrap, command_line, tables
from tools.errors import UserError
from tools.goes_class import CLASSES
from tools.notes import note
from tools.paths import Files

_ADVICE = "give a CSV with the columns begin and end, UTC"


def by_method(issued):
    """Group forecasts that hold regions by their methods: dict of str to list of Issued."""
    methods = {}
    for one in issued:
        if one.regions:
            methods.setdefault(one.method, []).append(one)
    return methods


def rows(issued, events, event, *, settings, until=None, late=False):
    """Score the region forecasts of one method.

    Parameters
    ----------
    issued : sequence of Issued
    events : pandas.DataFrame
        Flares with ``noaa_region``.
    event : str
    settings : science.verification.report.Settings
        Blocks, samples, seed and level.
    until : numpy.datetime64, optional
        As of `dataset_models.flare_labels.list_span`.
    late : bool
        As of `network_models.forecasts.exchange.comparison.in_time`, which says what counts.

    Returns
    -------
    dict or None
        event, count (regions in windows that the lists cover), events, and each of `WITHOUT_THRESHOLD` with its interval; None
        where nothing of this class was forecast for such a window.

    Notes
    -----
    A region's event is a flare of its NOAA number that starts in the window, neither at its begin nor at its end; flares that
    the lists give no region to count for none. Of several forecasts of a region and window the last issued counts.
    """
    times, probability, flared = _pairs([one for one in issued if in_time(one, late=late)], events, event, until)
    if not len(times):
        return None
    scored = score(probability, flared, bootstrap=report.bootstrap_of(times, numpy.zeros(len(times)), settings))
    row = {"event": event, "count": len(times), "events": int(flared.sum())}
    for name in WITHOUT_THRESHOLD:
        low, high = scored.interval(name, settings.level)
        row |= {name: scored.value[name], f"{name}_low": low, f"{name}_high": high}
    simulated = any(one.simulated for one in issued)
    return row | ({simulation_mark.COLUMN: 1} if simulated else {})


def _pairs(issued, events, event, until):
    """List window begins, probabilities and outcomes of regions."""
    strong = events[(events["flux"] >= threshold_flux(event) * (1 - 1e-9)) & events["noaa_region"].notna()]
    starts, numbers = strong["start"].to_numpy("datetime64[s]"), strong["noaa_region"].to_numpy("int64")
    chosen = {}
    for one in sorted(issued, key=lambda one: one.issued):
        for region in one.regions:
            value = probability_of(region.probabilities, event) if region.numbering == "NOAA" else None
            if value is not None:
                chosen[one.begin, one.end, region.number] = value
    keys = sorted(chosen)
    begins = numpy.array([begin for begin, _, _ in keys], "datetime64[s]")
    windows = {(begin, end) for begin, end, _ in keys}
    known = {(begin, end): flare_labels.covered(events, [begin], end - begin, until=until)[0] for begin, end in windows}
    inside = numpy.array([known[begin, end] for begin, end, _ in keys], bool)
    flared = [bool(((numbers == number) & (starts > begin) & (starts < end)).any()) for begin, end, number in keys]
    probability = numpy.array([chosen[key] for key in keys], "float64")
    return begins[inside], probability[inside], numpy.array(flared, bool)[inside]


def table(methods, events, classes, *, settings, until=None, late=()):
    """Score the region forecasts of several methods: list of dict, those of `rows` with ``name`` before them.

    Classes weaker than any flare of the lists are left out, with a note.

    Parameters
    ----------
    methods : dict of str to list of Issued
        Named as the table names them.
    events : pandas.DataFrame
        Flares with ``noaa_region``.
    classes : sequence of str
    settings, until
        As of `rows`.
    late : collection of str
        Methods whose late forecasts count.
    """
    scored, weakest = [], {event: weakest_class(events, event) for event in classes}
    for event in filter(weakest.get, classes):
        note(f"regions, {event}: not scored: the flare lists hold no flare below {weakest[event]}")
    for name, issued in methods.items():
        for event in [event for event in classes if weakest[event] is None and issued]:
            row = rows(issued, events, event, settings=settings, until=until, late=name in late)
            if row is not None:
                scored.append({"name": name} | row)
    return scored


def outside_gaps(issued, gaps):
    """Leave out forecasts whose windows touch times that flare lists do not cover.

    Parameters
    ----------
    issued : sequence of Issued
    gaps : numpy.ndarray
        ``datetime64[s]`` (n, 2): begin and end of each.

    Returns
    -------
    list of Issued
    """
    return [one for one in issued if not ((gaps[:, 0] < one.end) & (gaps[:, 1] > one.begin)).any()]


def read_gaps(path):
    """Read times that flare lists do not cover: ``datetime64[s]`` (n, 2).

    Raises
    ------
    UserError
        No such table, something that is no time, or a gap that ends before it begins.
    """
    columns = tables.read(path, texts=("begin", "end"), advice=_ADVICE)
    gaps = numpy.array([[given_time(f"{path}: {name}", text) for text in columns[name]] for name in ("begin", "end")]).T
    wrong = numpy.flatnonzero(gaps[:, 1] <= gaps[:, 0]) if len(gaps) else ()
    if len(wrong):
        raise UserError(f"{path}, line {wrong[0] + 2}: the gap ends before it begins; {_ADVICE}")
    return gaps.reshape(-1, 2).astype("datetime64[s]")


def shown(scored):
    """Write rows of `table` to print: str."""
    width = max(len(row["name"]) for row in scored) + 2
    lines = [
        "".ljust(width) + f"{'event':>6}{'count':>8}{'events':>8}   " + "".join(f"{n:<26}" for n in WITHOUT_THRESHOLD.values())
    ]
    for row in scored:
        cells = [words(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in WITHOUT_THRESHOLD]
        head = row["name"].ljust(width) + f"{row['event']:>6}{row['count']:>8}{row['events']:>8}   "
        lines.append(head + "".join(f"{cell:<26}" for cell in cells).rstrip())
    return "\n".join(lines)


def main(arguments=None):
    """Score files of region forecasts."""
    import pandas

    parser = command_line.parser(__doc__)
    parser.add_argument("files", nargs="+", action=Files, metavar="FILE", help="of the flare scoreboard")
    parser.add_argument("--flares", nargs="+", action=Files, metavar="LIST", required=True, help="flare lists with regions")
    parser.add_argument("--flares_until", metavar="TIME", help=flare_labels.UNTIL_HELP)
    text = "CSV of begin and end, UTC: times without flares in the lists because nobody listed them"
    parser.add_argument("--gaps", type=pathlib.Path, metavar="FILE", help=text)
    parser.add_argument("--events", nargs="+", choices=CLASSES, default=list(CLASSES), help="classes (default: all)")
    block_bootstrap.add_flags(parser)
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for regions.csv")
    flags = parser.parse_args(arguments)
    events = flares_of("flares", flags.flares)
    if events["noaa_region"].isna().all():
        raise UserError(f"{flags.flares[0]}: names the region of no flare; give lists with NOAA numbers")
    until = given_time("--flares_until", flags.flares_until) if flags.flares_until else None
    methods = by_method([one for path in flags.files for one in formats.read(path)])
    if flags.gaps:
        gaps = read_gaps(flags.gaps)
        methods = {name: outside_gaps(issued, gaps) for name, issued in methods.items()}
    settings = report.Settings(block_days=flags.block, samples=flags.samples, seed=flags.seed)
    scored = table(dict(sorted(methods.items())), events, flags.events, settings=settings, until=until)
    if not scored:
        raise UserError(f"{flags.files[0]}: has no region whose window the flare lists cover; give lists of its dates")
    print(shown(scored))
    atomic_files.write_table(flags.out / "regions.csv", pandas.DataFrame(scored))
    print(f"wrote {flags.out / 'regions.csv'}")


if __name__ == "__main__":
    command_line.run(main)
