"""Near the limb: how often a network forecasts flares, by where on the disk they happen.

    python science/near_limb/near_limb.py FORECASTS.csv [MORE.csv ...] [--threshold 0.5] [--cell 5] [--format svg]

Projection foreshortens the magnetic field towards the limb, and networks trained on full disks miss flares there. The
CSV has a time, a probability and, in each hour before an M or X flare, the strongest flare's class and place: columns
goes_class and fl_location ("(longitude, latitude)") or fl_lon and fl_lat, as the full-disk studies publish them. With
--flares LIST class and place come from a flare catalogue. Printed, drawn and written as CSV is the recall in cells of
5 degrees, in the centre and beyond 70 degrees of longitude, for X and M flares and both together. The hours themselves go into
x_class.csv, m_class.csv and c_class.csv, each with its outcome: lists that the explanation scripts take.
"""

import dataclasses
import pathlib

import numpy

from dataset_models import flare_catalogue, simulation_mark
from dataset_models.flare_labels import DAY
from science import instance_tables
from science.near_limb import pictures as maps
from science.verification.report import LEAST_BLOCKS
from tools import atomic_files, command_line, figures
from tools.block_bootstrap import BlockBootstrap, interval
from tools.errors import UserError
from tools.options import add_number
from tools.paths import Files

CELL = 5.0  # degrees; divides 90
LIMB = 70.0  # degrees of longitude; beyond it the line-of-sight field is hardly measured
CLASSES = {"X": (1e-4, numpy.inf), "M": (1e-5, 1e-4), "M and X": (1e-5, numpy.inf)}


@dataclasses.dataclass(frozen=True)
class Instances:
    """Hours before M or X flares, each with the strongest flare of its window.

    Attributes
    ----------
    probability : numpy.ndarray
        float64 (n,).
    flux : numpy.ndarray
        Peak flux of the flare, W m^-2, float64 (n,).
    longitude, latitude : numpy.ndarray
        Of the flare: Stonyhurst degrees, west and north positive, NaN where unknown; float64 (n,).
    flare : numpy.ndarray
        int64 (n,), the same number for hours before the same flare.
    """

    probability: numpy.ndarray
    flux: numpy.ndarray
    longitude: numpy.ndarray
    latitude: numpy.ndarray
    flare: numpy.ndarray

    def __len__(self):
        return len(self.probability)

    def of_class(self, name):
        """Select those of ``"X"``, ``"M"`` or ``"M and X"``."""
        least, most = CLASSES[name]
        return self.where((self.flux >= least) & (self.flux < most))

    def where(self, rows):
        """Select rows by a bool array (n,)."""
        return Instances(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    @property
    def on_disk(self):
        """Whether the flare has a position on the visible disk: bool (n,)."""
        return (numpy.abs(self.longitude) <= 90) & (numpy.abs(self.latitude) <= 90)


@dataclasses.dataclass(frozen=True)
class Recall:
    """Hits among instances.

    Attributes
    ----------
    instances, hits, flares : int
        Hours before flares, those with a forecast of at least the threshold, and distinct flares.
    low, high : float
        95 % interval of the recall, NaN of fewer than `LEAST_BLOCKS` flares.
    """

    instances: int
    hits: int
    flares: int
    low: float
    high: float

    @property
    def value(self):
        """Share of hits, NaN without instances."""
        return self.hits / self.instances if self.instances else float("nan")

    def __str__(self):
        if not self.instances:
            return "undefined: no instances"
        bounds = "too few flares for an interval" if numpy.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.value:.3f} ({bounds}; {self.instances} hours before {self.flares} flares)"


def recall(instances, *, threshold=0.5, samples=2000, seed=0):
    """Compute the recall of instances, with an interval from drawing flares, not hours.

    Parameters
    ----------
    instances : Instances
    threshold : float
        A forecast of at least this is a yes.
    samples : int
        Bootstrap samples.
    seed : int

    Returns
    -------
    Recall

    Notes
    -----
    Up to 24 hours stand before the same flare and are hit or missed together; drawing them one by one would make the
    interval several times too narrow. A few flares drawn again and again say nothing of other flares: no interval is given.

    Examples
    --------
    Two hours before each of six flares, and of the first two alone:

    >>> import numpy
    >>> flux, place, flare = numpy.full(12, 2e-5), numpy.zeros(12), numpy.arange(12) // 2
    >>> probability = numpy.array([0.9, 0.8, 0.4, 0.7, 0.9, 0.9, 0.1, 0.2, 0.6, 0.4, 0.8, 0.7])
    >>> several = Instances(probability, flux, place, place, flare)
    >>> print(recall(several))
    0.667 (0.333 to 0.917; 12 hours before 6 flares)
    >>> print(recall(several.where(flare < 2)))
    0.750 (too few flares for an interval; 4 hours before 2 flares)
    """
    if not len(instances):
        return Recall(0, 0, 0, float("nan"), float("nan"))
    hit = instances.probability >= threshold
    bootstrap = BlockBootstrap.of_groups(instances.flare, samples=samples, seed=seed)
    hits, count = bootstrap.sums(numpy.stack([hit, numpy.ones(len(hit))], axis=1)).T
    bounds = interval(hits / count) if bootstrap.count >= LEAST_BLOCKS else (float("nan"), float("nan"))
    return Recall(len(hit), int(hit.sum()), bootstrap.count, *bounds)


def centre_and_limb(instances, *, threshold=0.5, limb=LIMB):
    """Compute the recall of each class in the centre and near the limb.

    Parameters
    ----------
    instances : Instances
    threshold : float
    limb : float
        Degrees of longitude from the central meridian; what lies beyond is near the limb, what lies at it is not.

    Returns
    -------
    dict of str to dict of str to Recall
        By class (`CLASSES`), then ``centre``, ``limb``, ``elsewhere`` (a position, but not on the visible disk) and
        ``unknown`` (no position).
    """
    result = {}
    for name in CLASSES:
        members = instances.of_class(name)
        located = ~(numpy.isnan(members.longitude) | numpy.isnan(members.latitude))
        far = numpy.abs(members.longitude) > limb
        groups = {
            "centre": members.on_disk & ~far,
            "limb": members.on_disk & far,
            "elsewhere": located & ~members.on_disk,
            "unknown": ~located,
        }
        result[name] = {group: recall(members.where(inside), threshold=threshold) for group, inside in groups.items()}
    return result


def cells(instances, *, threshold=0.5, size=CELL):
    """Compute the recall in cells of longitude and latitude.

    Parameters
    ----------
    instances : Instances
    threshold : float
    size : float
        Degrees; divides 90.

    Returns
    -------
    pandas.DataFrame
        One row per cell that holds instances: class (`CLASSES`), longitude, latitude (float64, the cell's eastern and
        southern edge in degrees), instances, hits, flares (int64), recall (float64). A cell includes its eastern and
        southern edge; the cells at 90 degrees include both.
    """
    import pandas

    rows = []
    for name in CLASSES:
        members = instances.of_class(name)
        members = members.where(members.on_disk)
        places = [
            numpy.clip(numpy.floor(values / size), -round(90 / size), round(90 / size) - 1) * size
            for values in (members.longitude, members.latitude)
        ]
        table = pandas.DataFrame({"longitude": places[0], "latitude": places[1], "flare": members.flare})
        table["hit"] = (members.probability >= threshold).astype("int64")
        groups = table.groupby(["longitude", "latitude"])
        counted = groups.agg(instances=("hit", "size"), hits=("hit", "sum"), flares=("flare", "nunique")).reset_index()
        rows.append(counted.assign(**{"class": name, "recall": counted["hits"] / counted["instances"]}))
    columns = ["class", "longitude", "latitude", "instances", "hits", "flares", "recall"]
    return pandas.concat(rows, ignore_index=True)[columns]


def read(paths, *, flares=None, window=DAY):
    """Read the hours before M and X flares; arguments and errors as of `science.instance_tables.read`.

    Returns
    -------
    Instances
        Of all files; rows whose strongest flare is below M1.0 are left out.
    """
    return of_table(instance_tables.read(paths, flares=flares, window=window), paths)


def of_table(table, paths=()):
    """Select the hours before M and X flares of a table from `science.instance_tables.read`: `Instances`.

    Raises
    ------
    UserError
        There is none in `paths`.
    """
    strong = table[table["flux"] >= CLASSES["M"][0]]
    if not len(strong):
        raise UserError(f"{', '.join(map(str, paths))}: no hour before an M or X flare; give forecasts of active times")
    return Instances(*(strong[field.name].to_numpy() for field in dataclasses.fields(Instances)))


def unlocated(groups):
    """Describe what a recall by place leaves out: str, empty where every flare has a position.

    Parameters
    ----------
    groups : dict of str to Recall
        Of one class, as of `centre_and_limb`.
    """
    missing, total = groups["unknown"].instances, sum(group.instances for group in groups.values())
    return f"without {missing} of {total} hours ({100 * missing / total:.0f} %) of unknown position" if missing else ""


def summary(results, instances, *, threshold, limb=LIMB, simulated=False):
    """Write the result in lines to print: list of str.

    Each recall by place is followed by which share of the hours could not take part, because the flare's position is missing.
    """
    lines = [f"{len(instances)} hours before M and X flares; a yes is a probability of {threshold:g} or more"]
    if simulated:
        lines.append("note: the forecasts are of simulated data, not of observations")
    lines.append("recall with 95 % intervals from drawing flares:")
    for name, groups in results.items():
        left_out = f", {unlocated(groups)}" if unlocated(groups) else ""
        lines.append(f"  {name:8} up to {limb:g} degrees  {groups['centre']}{left_out}")
        lines.append(f"  {'':8} beyond            {groups['limb']}{left_out}")
        for group, words in (("unknown", "without a position"), ("elsewhere", "beyond 90 degrees")):
            if groups[group].instances:
                lines.append(f"  {'':8} {words:17} {groups[group]}")
    return lines


def main(arguments=None):
    """Print, draw and write recall by position."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("forecasts", nargs="+", action=Files, metavar="CSV", help="forecasts, all of the same network")
    add_number(
        parser,
        "--threshold",
        float,
        least=1e-9,
        most=1 - 1e-9,
        says="give a probability between 0 and 1",
        default=0.5,
        help="probability from which on a forecast is a yes (default: 0.5)",
    )
    add_number(
        parser,
        "--limb",
        float,
        least=1e-6,
        most=90 - 1e-6,
        says="give a longitude between 0 and 90 degrees",
        default=LIMB,
        help="longitude that ends the centre, degrees (default: %(default)g)",
    )
    add_number(parser, "--cell", float, least=1, most=90, default=CELL, help="size of cells, degrees (default: %(default)g)")
    parser.add_argument("--flares", nargs="+", metavar="LIST", help="flare lists that give class and place")
    parser.add_argument("--out", metavar="FOLDER", help="where pictures and table go (default: near_limb beside the first CSV)")
    options = parser.parse_args(arguments)
    if 90 % options.cell:
        raise UserError(f"--cell {options.cell:g}: must divide 90; give 5, 7.5, 10 or 15")
    events = flare_catalogue.read(options.flares).events if options.flares else None
    hours = instance_tables.read(options.forecasts, flares=events)
    instances = of_table(hours, options.forecasts)
    results = centre_and_limb(instances, threshold=options.threshold, limb=options.limb)
    simulated = simulation_mark.of_any([*options.forecasts, *(options.flares or ())])
    print("\n".join(summary(results, instances, threshold=options.threshold, limb=options.limb, simulated=simulated)))

    folder = pathlib.Path(options.out) if options.out else pathlib.Path(options.forecasts[0]).parent / "near_limb"
    table = cells(instances, threshold=options.threshold, size=options.cell)
    atomic_files.write_table(folder / "cells.csv", simulation_mark.marked(table, simulated))
    lists = instance_tables.write(folder, hours, threshold=options.threshold, simulated=simulated)
    names = [name for name in CLASSES if (table["class"] == name).any()]
    for name in names:
        place = table[table["class"] == name]
        stem = name.replace(" ", "_")
        heading = figures.title(f"{name} flares, forecast of {options.threshold:g} or more", simulated=simulated)
        heading = "\n".join(filter(None, (heading, unlocated(results[name]))))
        look = {"title": heading, "limb": options.limb, "size": options.cell}
        maps.disk(place, folder / f"disk_{stem}.png", **look)
        maps.plane(place, folder / f"map_{stem}.png", **look)
    print(f"wrote {2 * len(names)} pictures, cells.csv and {', '.join(lists)} to {folder}")


if __name__ == "__main__":
    command_line.run(main)
