"""Score the homogenised X-ray flux: where satellites or calibrations overlap, and against the classes of flare lists.

    python dataset_models/flux_agreement.py --store xrs.sqlite --out agreement/ [--flares LIST...] [--start TIME --end TIME]

prints ratios of flux by satellite and year, their median and their range from 5 to 95 %, and writes them as `agreement.csv` and
`agreement.png`. Of two sources (a satellite with a calibration) they are those of the minutes that both have, from B1.0 on; of
a flare that of the largest 1-minute mean within two minutes of its peak to the flux of its class. `flares.csv` has each flare.

Classes were issued on the operational scale until GOES-16 became NOAA's primary satellite on 2019-12-09 and are divided by 0.7
until then. Give `--classes true` for lists that were made of science-quality data. NOAA cuts classes to one decimal: a perfect
flux has ratios of 1.00 to 1.10 at C1.0, and of 1.00 to 1.01 at C9.9. It is also said how many flares have, cut like that, a
class below or above the one that is listed.
"""

import itertools
import pathlib
import typing

import numpy
import pandas

from dataset_models import flare_catalogue, flux_homogenisation, goes_satellites, goes_xrs, simulation_mark
from dataset_models.flux_series import OPERATIONAL_SCALING
from dataset_models.observation_times import given_time
from tools import atomic_files, command_line, figures, goes_class
from tools.errors import UserError
from tools.paths import Files, data_path

AROUND = 2  # minutes before and after the peak of a list
FLOOR = "B1.0"  # overlaps are compared from here on: below, backgrounds and their corrections differ
TRUE_SINCE = numpy.datetime64("2019-12-09T17:30", "s")  # GOES-16, whose classes carry no factor, is the primary satellite
CLASSES = ("as issued", "true")
FLARE_CLASSES = "flare classes"  # as a reference
COLUMNS = ("kind", "source", "reference", "year", "count", "median", "low", "high", "below", "above")


class Ratios(typing.NamedTuple):
    """Ratios of the flux of a source to a reference in one year.

    Attributes
    ----------
    kind : str
        ``"overlap"`` or ``"flares"``.
    source, reference : str
        Satellite and calibration; the reference of flares is ``"flare classes"``.
    year, count : int
    median, low, high : float
        The last two at 5 and at 95 %.
    below, above : int, optional
        Flares whose flux, cut to a class, is below or above the class that is listed.
    """

    kind: str
    source: str
    reference: str
    year: int
    count: int
    median: float
    low: float
    high: float
    below: int | None = None
    above: int | None = None

    def __str__(self):
        what = ("minute" if self.kind == "overlap" else "flare") + ("s" if self.count > 1 else "")
        spread = f"{self.median:.3f} in the median, {self.low:.3f} to {self.high:.3f} (5 to 95 %)"
        classes = "" if self.below is None else f"; {self.below} below the class listed, {self.above} above it"
        return f"{self.source} / {self.reference}, {self.year}: {self.count} {what}, {spread}{classes}"


def _ratios(kind, source, reference, year, values, **others):
    low, median, high = numpy.percentile(values, [5, 50, 95]).tolist()
    return Ratios(kind, source, reference, int(year), len(values), median, low, high, **others)


def source_name(satellite, calibration):
    """Name a satellite with a calibration, the factor of it included: str.

    Examples
    --------
    >>> source_name(15, "operational"), source_name(16, "science")
    ('GOES-15 operational/0.7', 'GOES-16 science')
    """
    factor = f"/{OPERATIONAL_SCALING}" if calibration == flux_homogenisation.OPERATIONAL else ""
    return f"{goes_xrs.name_of(satellite)} {calibration}{factor}"


def overlaps(rows, *, floor=FLOOR):
    """Compare the sources of rows in the minutes that two of them have.

    Parameters
    ----------
    rows : numpy.ndarray
        As `dataset_models.goes_xrs.source_rows` returns them.
    floor : str
        GOES class. Minutes in which the geometric mean of the two fluxes is below its flux are left out; a limit on one of
        them would choose by its errors.

    Returns
    -------
    list of Ratios
        By pair and year; of two satellites the newer one's flux is divided by the older one's, of one satellite the less
        preferred calibration by the other.
    """
    flux = flux_homogenisation.scaled(rows)
    known = ~numpy.isnan(flux)
    rows, flux = rows[known], flux[known]
    years = rows["time"].astype("datetime64[s]").astype("datetime64[Y]").astype("int64") + 1970
    keys = numpy.stack([years, rows["satellite"], rows["calibration"]])
    kinds, which = numpy.unique(keys, axis=1, return_inverse=True)
    found, limit = [], goes_class.to_flux(floor)
    for first, second in itertools.combinations(range(kinds.shape[1]), 2):
        if kinds[0, first] != kinds[0, second]:
            continue
        one, other = (numpy.flatnonzero(which == place) for place in (first, second))
        _, here, there = numpy.intersect1d(rows["time"][one], rows["time"][other], assume_unique=True, return_indices=True)
        reference, value = flux[one[here]], flux[other[there]]
        strong = numpy.sqrt(reference * value) >= limit
        if strong.any():
            names = [
                source_name(int(kinds[1, place]), flux_homogenisation.SOURCES[kinds[2, place]]) for place in (second, first)
            ]
            found.append(_ratios("overlap", *names, kinds[0, first], value[strong] / reference[strong]))
    return found


def flare_ratios(series, flares, *, classes="as issued"):
    """Measure the flares of a list in a homogenised series.

    Parameters
    ----------
    series : dataset_models.flux_series.FluxSeries
        With its provenance.
    flares : pandas.DataFrame
        With ``peak`` (datetime64, NaT where unknown), ``goes_class`` and ``flux``, as
        `dataset_models.flare_catalogue.Catalogue.events` has them.
    classes : str
        Of `CLASSES`: the scale of the classes.

    Returns
    -------
    pandas.DataFrame
        ``peak``, ``goes_class``, ``listed`` (W m^-2, on the scale of the series), ``measured`` (W m^-2), ``ratio``,
        ``measured_class`` (on the scale of the list), ``source`` and ``filled`` of the minute measured; flares without a known
        peak or with less than three of the five minutes about it are not in it.
    """
    flares = flares[flares["peak"].notna()]
    peak = flares["peak"].to_numpy("datetime64[s]")
    listed = flares["flux"].to_numpy("float64")
    if classes == "as issued":
        listed = numpy.where(peak < TRUE_SINCE, listed / OPERATIONAL_SCALING, listed)
    length = 2 * AROUND + 1
    first = (peak.astype("datetime64[m]") - series.start).astype("int64") - AROUND
    padded = numpy.concatenate([series.flux, [numpy.nan]])
    place = first[:, None] + numpy.arange(length)
    place = numpy.where((place >= 0) & (place < len(series)), place, len(series))
    around = padded[place]
    measurable = (~numpy.isnan(around)).sum(axis=1) > length // 2
    if not measurable.any():
        return pandas.DataFrame()
    flares, peak, listed, place, around = (of[measurable] for of in (flares, peak, listed, place, around))
    rows = numpy.arange(len(flares))
    best = numpy.nanargmax(around, axis=1)
    minute, measured = place[rows, best], around[rows, best]
    provenance = series.provenance
    pairs = zip(provenance.satellite[minute].tolist(), provenance.calibration[minute].tolist(), strict=True)
    return pandas.DataFrame(
        {
            "peak": peak,
            "goes_class": flares["goes_class"].to_numpy(),
            "listed": listed,
            "measured": measured,
            "ratio": measured / listed,
            "measured_class": [goes_class.from_flux(flux) for flux in measured * (flares["flux"].to_numpy("float64") / listed)],
            "source": [source_name(satellite, flux_homogenisation.SOURCES[kind]) for satellite, kind in pairs],
            "filled": provenance.filled[minute],
        }
    )


def by_source_and_year(flares):
    """Sum up what `flare_ratios` measured: list of Ratios."""
    found = []
    for (source, year), part in flares.groupby(["source", flares["peak"].dt.year], sort=True):
        own, listed = (part[name].map(goes_class.to_flux) for name in ("measured_class", "goes_class"))
        beside = {"below": int((own < listed).sum()), "above": int((own > listed).sum())}
        found.append(_ratios("flares", source, FLARE_CLASSES, year, part["ratio"].to_numpy(), **beside))
    return found


def draw(path, ratios, flares, *, simulated=False):
    """Draw ratios by year, and the flares that were measured where there are any.

    Parameters
    ----------
    path : str or pathlib.Path
        Suffix ``.png``, ``.pdf`` or ``.svg``.
    ratios : list of Ratios
    flares : pandas.DataFrame
        As `flare_ratios` returns them; may be empty.
    simulated : bool
        Said in the titles.
    """
    groups = {}
    for one in ratios:
        groups.setdefault((one.kind, one.source, one.reference), []).append(one)
    looks = {}
    for number, group in enumerate(sorted(groups)):
        place = number % len(figures.PALETTE)
        looks[group] = {"color": figures.PALETTE[place], "marker": figures.MARKERS[place], "linestyle": "none"}
    with figures.style():
        columns = 2 if len(flares) else 1
        figure, axes = figures.new(1, columns, figsize=(6.5 * columns, 6), squeeze=False)
        by_year = axes[0, 0]
        for number, (group, look) in enumerate(looks.items()):
            years, middle, low, high = numpy.array([(one.year, one.median, one.low, one.high) for one in groups[group]]).T
            beside = 0.5 * (number + 1) / (len(groups) + 1) - 0.25
            reach = numpy.array([middle - low, high - middle])
            by_year.errorbar(years + beside, middle, yerr=reach, capsize=4, label=" / ".join(group[1:]), **look)
        by_year.axhline(1, color="0.6", linewidth=0.8, zorder=0)
        by_year.set_xlim(min(one.year for one in ratios) - 1, max(one.year for one in ratios) + 1)
        by_year.xaxis.get_major_locator().set_params(integer=True)
        by_year.set_ylabel("ratio, median and 5 to 95 %")
        by_year.set_title(figures.title("Ratio by year", simulated=simulated))
        if len(flares):
            by_flare = axes[0, 1]
            for source, part in flares.groupby("source", sort=True):
                look = looks["flares", source, FLARE_CLASSES]
                by_flare.plot(part["listed"], part["measured"], markersize=3, alpha=0.6, **look)
            ends = [flares["listed"].min() / 1.5, flares["listed"].max() * 1.5]
            by_flare.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
            by_flare.set_xscale("log")
            by_flare.set_yscale("log")
            by_flare.set_xlabel(figures.unit("flux of the class, true scale (W m^-2)"))
            by_flare.set_ylabel(figures.unit("homogenised flux at the peak (W m^-2)"))
            by_flare.set_title(figures.title(f"{len(flares)} listed flares", simulated=simulated))
        figure.legend(loc="outside lower center", ncols=columns, fontsize="small")
        figures.save(figure, path)


def _all_overlaps(store, floor, start, end):
    """Compare sources year by year, so that decades need the memory of one: list of Ratios."""
    contents = [row for row in goes_xrs.contents(store) if row[1] in flux_homogenisation.SOURCES]
    first = max([min(row[3] for row in contents), *([start] if start is not None else [])])
    last = min([max(row[4] for row in contents), *([end] if end is not None else [])])
    found = []
    for year in numpy.arange(first.astype("datetime64[Y]"), last.astype("datetime64[Y]") + 1):
        begin, stop = max(first, year.astype("datetime64[m]")), min(last + 1, (year + 1).astype("datetime64[m]"))
        if len({row[:2] for row in contents if row[3] < stop and row[4] >= begin}) > 1:
            found += overlaps(goes_xrs.source_rows(store, start=begin, end=stop), floor=floor)
    return found


def _listed_flares(flags, series, simulated, store):
    """Measure the flares of the lists that are given: (pandas.DataFrame, how many are listed)."""
    catalogue = flare_catalogue.read(flags.flares)
    simulation_mark.refuse_mixture({str(store): simulated, str(flags.flares[0]): catalogue.simulated})
    events = catalogue.events
    strong = events[events["flux"] >= goes_class.to_flux(flags.least_class) * (1 - 1e-9)]
    measured = flare_ratios(series, strong, classes=flags.classes)
    if len(measured) == 0:
        days = strong["start"].dropna().dt.date
        of = f", {days.min()} to {days.max()}," if len(days) else ""
        raise UserError(
            f"{', '.join(map(str, flags.flares))}: none of {len(strong)} flares of {flags.least_class} or more{of} peaks where"
            f" {store} has homogenised flux ({series.start}Z to {series.end}Z, with gaps); give a list of that time"
        )
    return measured, len(strong)


def _minutes(series):
    """List the minutes of a homogenised series that have a flux: pandas.DataFrame."""
    present = ~numpy.isnan(series.flux)
    provenance = series.provenance
    return pandas.DataFrame(
        {
            "time": numpy.datetime_as_string(series.minutes[present]),
            "flux": series.flux[present],
            "satellite": provenance.satellite[present],
            "calibration": numpy.array(flux_homogenisation.SOURCES)[provenance.calibration[present]],
            "filled": provenance.filled[present],
        }
    )


def _print_provenance(series):
    for (satellite, calibration, filled), number in series.provenance.counts().items():
        print(f"{source_name(satellite, calibration)}: {number} minutes{', filled in as secondary' if filled else ''}")
    for reason, number in series.provenance.left_out.items():
        print(f"left out: {number} {reason}")
    assumed = (~numpy.isnan(series.flux) & (series.minutes >= goes_satellites.LISTED_UNTIL)).sum()
    if assumed and series.satellite is None:
        print(
            f"note: {assumed} minutes lie after {goes_satellites.LISTED_UNTIL}Z, where NOAA's list of primaries ends (assumed)"
        )


def main(arguments=None):
    """Compare, print, and write table and picture."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--store", help="flux store (default: 'goes' of config.yml)")
    text = "folder for agreement.csv, agreement.png and flares.csv"
    parser.add_argument("--out", required=True, metavar="FOLDER", help=text)
    parser.add_argument("--flares", nargs="+", action=Files, metavar="LIST", help="flare lists to compare with")
    parser.add_argument("--classes", choices=CLASSES, default=CLASSES[0], help="scale of their classes (default: %(default)s)")
    parser.add_argument(
        "--least_class", default="C1.0", metavar="CLASS", help="weakest flare, as listed (default: %(default)s)"
    )
    text = "weakest flux compared between satellites (default: %(default)s)"
    parser.add_argument("--floor", default=FLOOR, metavar="CLASS", help=text)
    parser.add_argument("--start", metavar="TIME", help="first minute, UTC (default: of the store)")
    parser.add_argument("--end", metavar="TIME", help="minute after the last, UTC (default: of the store)")
    text = "also write minutes.csv: every minute's flux, satellite, calibration, and whether it was filled in"
    parser.add_argument("--minutes", action="store_true", help=text)
    flags = parser.parse_args(arguments)
    for name in ("least_class", "floor"):
        try:
            goes_class.to_flux(getattr(flags, name))
        except ValueError as error:
            raise UserError(f"--{name}: {error}") from error
    store, out = data_path("goes", flags.store), pathlib.Path(flags.out)
    span = {name: given_time(f"--{name}", getattr(flags, name)) for name in ("start", "end") if getattr(flags, name)}
    series = goes_xrs.series(store, calibration=goes_xrs.HOMOGENISED, **span)
    if numpy.isnan(series.flux).all():
        raise UserError(f"{store}: has no homogenised flux in this span; choose another --start and --end")
    simulated = goes_xrs.is_simulated(store)
    flares, ratios = pandas.DataFrame(), _all_overlaps(store, flags.floor, span.get("start"), span.get("end"))
    alone = "" if ratios else f"no two satellites or calibrations share a minute of {flags.floor} or more"
    if flags.flares:
        flares, listed = _listed_flares(flags, series, simulated, store)
        ratios += by_source_and_year(flares)
    elif alone:
        raise UserError(f"{store}: {alone}; import files that overlap, or give flare lists (--flares)")
    _print_provenance(series)
    with atomic_files.results(out) as folder:
        table = pandas.DataFrame(ratios, columns=COLUMNS).astype({"below": "Int64", "above": "Int64"})
        atomic_files.write_table(folder / "agreement.csv", simulation_mark.marked(table, simulated))
        if len(flares):
            atomic_files.write_table(folder / "flares.csv", simulation_mark.marked(flares, simulated))
        if flags.minutes:
            atomic_files.write_table(folder / "minutes.csv", simulation_mark.marked(_minutes(series), simulated))
        draw(folder / "agreement.png", ratios, flares, simulated=simulated)
    if alone:
        print(f"{alone}: only flares are compared")
    for one in ratios:
        print(one)
    if len(flares):
        print(f"{len(flares)} of {listed} listed flares of {flags.least_class} or more peak where there is flux")
    print(f"wrote {out}")


if __name__ == "__main__":
    command_line.run(main)
