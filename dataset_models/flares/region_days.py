"""NOAA's active regions day by day: summaries of many days as one table.

Sources are the daily texts, alone or in folders, and tables of them, gzipped or not: those of
`dataset_models.download.noaa_regions`, and others with NOAA's own columns (date, noaa_number, location, area, z_class, ll, nn,
mag_type_raw). A date is that of issue, 00:30 UTC; what a summary says was seen until 24:00 of the day before.
"""

import dataclasses
import pathlib
import re

import numpy

from dataset_models.flares import region_numbers, region_summaries
from tools import tables
from tools.errors import UserError, quoted

COLUMNS = ("date", "noaa_region", "longitude", "latitude", "area", "hale_class", "mcintosh", "extent", "spots")
_NUMBERS = ("longitude", "latitude", "area", "extent", "spots")
_NOAA_COLUMNS = ("date", "noaa_number", "location", "area", "z_class", "ll", "nn", "mag_type_raw")
_MCINTOSH = re.compile(r"[A-H][XRSAHK][XOIC]", re.IGNORECASE)
_HALE = re.compile(r"(?:alpha|beta|gamma|delta)(?:-(?:alpha|beta|gamma|delta))*", re.IGNORECASE)
_FIRST, _LAST = numpy.datetime64("1972-01-05"), numpy.datetime64("2100-01-01")  # region 1 was numbered on the first
_ADVICE = "give summaries of NOAA (YYYYMMDDSRS.txt), their folder, or a table of them"
_LARGEST_AREA = 10_000.0  # millionths; the largest region ever measured had 6132 (April 1947)


@dataclasses.dataclass(frozen=True)
class RegionDays:
    """Regions of many days.

    Attributes
    ----------
    regions : pandas.DataFrame
        A row for each region and day, in order of both, with the columns `COLUMNS`: date (``datetime64[s]``), noaa_region
        (int64, in full), longitude and latitude (Stonyhurst degrees), area (millionths of the hemisphere), extent (degrees),
        spots, NaN where unknown; hale_class as "Beta-Gamma" and mcintosh as "Dkc", "" where unknown.
    days : numpy.ndarray
        ``datetime64[D]`` (n,), in order: those with a summary, spotless ones included.
    spotless : numpy.ndarray
        ``datetime64[D]``: those of `days` within tables that have no row. A table does not tell a spotless day from one that
        it lacks.
    problems : tuple of str
        "file:line: why" of what could not be read.
    """

    regions: object
    days: numpy.ndarray
    spotless: numpy.ndarray
    problems: tuple[str, ...]


def table(summaries):
    """Arrange the regions of `region_summaries.RegionSummary` as a table with the columns `COLUMNS`, in the order given."""
    import pandas

    rows = [
        (
            str(one.issued),
            region.number,
            region.longitude,
            region.latitude,
            region.area,
            region.hale_class or None,
            region.mcintosh or None,
            region.extent,
            region.spots,
        )
        for one in summaries
        for region in one.regions
    ]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def read(paths):
    """Read summaries.

    Parameters
    ----------
    paths : str, pathlib.Path or sequence of them
        Texts, folders of texts (``*SRS.txt``, at any depth), tables. Of a day that is there several times the first counts.

    Returns
    -------
    RegionDays

    Raises
    ------
    UserError
        There is no such file, or it is no summary and no table of them; a folder holds none.
    """
    import pandas

    paths = [paths] if isinstance(paths, str | pathlib.Path) else list(paths)
    parts, taken, spotless, problems = [], numpy.array([], "datetime64[D]"), [], []
    for path in map(pathlib.Path, paths):
        regions, days, trouble = _of_texts(path) if path.is_dir() or path.suffix.lower() == ".txt" else _of_table(path)
        problems += trouble
        new = numpy.setdiff1d(days, taken)
        parts.append(regions[numpy.isin(regions["date"].to_numpy("datetime64[D]"), new)])
        if not path.is_dir() and path.suffix.lower() != ".txt":
            spotless.append(numpy.setdiff1d(new, regions["date"].to_numpy("datetime64[D]")))
        taken = numpy.union1d(taken, new)
    regions = pandas.concat(parts, ignore_index=True).sort_values(["date", "noaa_region"], kind="stable", ignore_index=True)
    quiet = numpy.sort(numpy.concatenate([*spotless, numpy.array([], "datetime64[D]")]))
    return RegionDays(regions, taken, quiet, tuple(problems))


def _of_texts(path):
    """Read a text, or those of a folder: regions, days and problems. A text of a folder that cannot be read is a problem."""
    files = sorted(path.rglob("*SRS.txt")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: holds no solar region summary (*SRS.txt); {_ADVICE}")
    summaries, problems = {}, []
    for file in files:
        try:
            summary = region_summaries.read(file)
        except UserError as error:
            if not path.is_dir():
                raise
            problems.append(str(error))
            continue
        if summary.issued in summaries:
            problems.append(f"{file}: the summary of {summary.issued} is there already, left out")
            continue
        summaries[summary.issued] = summary
        problems += summary.odd
    if not summaries:
        raise UserError(f"{path}: none of its {len(files)} summaries can be read; the first: {problems[0]}")
    return _typed(table(summaries.values())), numpy.sort(numpy.array(list(summaries), "datetime64[D]")), problems


def _of_table(path):
    """Read a table: regions, days (all from its first to its last) and problems."""
    columns = set(tables.header(path))
    if set(COLUMNS) <= columns:
        checked = tables.read(
            path, numbers=("noaa_region", *_NUMBERS), texts=("date", "hale_class", "mcintosh"), advice=_ADVICE
        )
        regions = checked[list(COLUMNS)]
    elif set(_NOAA_COLUMNS) <= columns:
        texts = ("date", "location", "z_class", "mag_type_raw")
        checked = tables.read(path, numbers=("noaa_number", "area", "ll", "nn"), texts=texts, advice=_ADVICE)
        regions = _of_noaa_columns(checked)
    else:
        tables.read(path, advice=_ADVICE)  # says what is wrong with it, if it is no table at all
        wanted = f"{', '.join(COLUMNS)} or {', '.join(_NOAA_COLUMNS)}"
        raise UserError(f"{path}: is no table of regions; it needs the columns {wanted}")
    regions, problems = _checked(regions, path)
    days = regions["date"].to_numpy("datetime64[D]")
    return regions, numpy.arange(days.min(), days.max() + 1), problems


def _of_noaa_columns(rows):
    """Give rows with NOAA's own columns those of `COLUMNS`; a place that is none is NaN."""
    place = rows["location"].str.extract(region_summaries.PLACE)
    west = place[3].astype("float64") * numpy.where(place[2].str.upper() == "W", 1, -1)
    north = place[1].astype("float64") * numpy.where(place[0].str.upper() == "N", 1, -1)
    names = {"noaa_number": "noaa_region", "mag_type_raw": "hale_class", "z_class": "mcintosh", "ll": "extent", "nn": "spots"}
    return rows.rename(columns=names).assign(longitude=west, latitude=north)[list(COLUMNS)]


def _checked(regions, path):
    """Leave out rows without day or number, and make impossible cells unknown: regions and problems."""
    import pandas

    problems = []

    def note(wrong, why, column):
        for row in numpy.flatnonzero(wrong):
            cell = regions[column].iloc[row]
            problems.append(f"{path}:{row + 2}: {why} {quoted(cell) if isinstance(cell, str) else format(cell, 'g')}")

    date = pandas.to_datetime(regions["date"], format="ISO8601", errors="coerce").to_numpy("datetime64[s]")
    number = regions["noaa_region"].to_numpy("float64")
    dated = ~numpy.isnat(date) & (date >= _FIRST) & (date < _LAST)
    zero = numpy.where(
        date < numpy.datetime64(region_numbers.FIRST_ROLL_OVER), 1, 0
    )  # 0000 is region 10000, and nothing before that
    numbered = (number >= zero) & (number < 100_000) & (number % 1 == 0)
    note(~dated, "left out, no date of a summary:", "date")
    note(dated & ~numbered, "left out, no number of a region:", "noaa_region")
    limits = {
        "longitude": (-180, 180),
        "latitude": (-90, 90),
        "area": (0, _LARGEST_AREA),
        "extent": (0, 180),
        "spots": (0, 999),
    }
    cells = {}
    for name, (least, most) in limits.items():
        values = regions[name].to_numpy("float64")
        wrong = (values < least) | (values > most)
        note(wrong, f"{name} left unknown, cannot be", name)
        cells[name] = numpy.where(wrong, numpy.nan, values)
    for name, pattern in (("mcintosh", _MCINTOSH), ("hale_class", _HALE)):
        values = regions[name].fillna("").astype(str).str.strip()
        wrong = ~values.map(lambda text, pattern=pattern: bool(pattern.fullmatch(text))) & (values != "")
        note(wrong.to_numpy(), f"{name} left unknown:", name)
        cells[name] = values.where(~wrong, "")
    kept = dated & numbered
    if not kept.any():
        raise UserError(f"{path}: no row gives the date and the number of a region; {_ADVICE}")
    regions = _typed(regions.assign(date=date, **cells)[kept])
    repeated = regions.duplicated(["date", "noaa_region"]).to_numpy()
    if repeated.any():
        problems.append(f"{path}: {repeated.sum()} rows of a region and day that is there already, left out")
    return regions[~repeated], problems


def _typed(regions):
    """Give a table of regions its types, full region numbers and one way to write classes."""
    date = regions["date"].to_numpy("datetime64[s]")
    numbers = zip(regions["noaa_region"].to_numpy("float64").astype("int64").tolist(), date.tolist(), strict=True)
    number = numpy.array([region_numbers.full_number(number, day) for number, day in numbers], "int64")
    cells = {name: regions[name].to_numpy("float64") for name in _NUMBERS}
    hale = regions["hale_class"].fillna("").str.title()
    mcintosh = regions["mcintosh"].fillna("").str.capitalize()
    return regions.assign(date=date, noaa_region=number, hale_class=hale, mcintosh=mcintosh, **cells)[list(COLUMNS)]
