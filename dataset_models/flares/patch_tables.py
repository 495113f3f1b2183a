"""Space-weather parameters of active region patches: SHARP of SDO/HMI and SMARP of SOHO/MDI, as tables of keywords.

A patch is a part of the disk that JSOC follows while it crosses; its number is no NOAA number. Two kinds of tables are read,
gzipped or not: JSOC's keywords (HARPNUM or TARPNUM, T_REC, the four of `KEYWORDS`; NOAA_ARS or NOAA_AR, LON_FWT and LAT_FWT
where they are there), and those of Sun et al. (prefix, arpnum, t_end and the four; t_end, in TAI, is taken as UTC: up to 37
seconds late). JSOC's lists of NOAA numbers
(``HARPNUM NOAA_ARS``: all_harps_with_noaa_ars.txt, all_tarps_with_noaa_ars.txt) are given beside them; they were made when the
patches had crossed the disk.

Tables made for training hold a choice of records. Those of Sun et al. have a record if an M1.0 flare follows within 24 hours or
if there is no flare at all within 24 hours: that there is a record says what is to come. Their records are known when that is
past, 24 hours later.

References
----------
Bobra et al. 2014, Solar Physics 289, 3549 (SHARP); Bobra et al. 2021, ApJS 256, 26 (SMARP); Sun et al. 2022, ApJ 931, 163.
"""

import collections
import dataclasses
import pathlib
import re

import numpy

from dataset_models.flares import region_numbers
from dataset_models.images import headers
from tools import tables
from tools.errors import UserError, quoted

KEYWORDS = ("AREA", "USFLUX", "MEANGBZ", "R_VALUE")
COLUMNS = ("time", "known", "patch", *KEYWORDS, "longitude", "latitude")
TARP = 1_000_000  # added to the numbers of MDI's patches, to tell them from HMI's
CHOSEN_BY = numpy.timedelta64(24, "h")  # after a record: flares until then decide whether a training table has it
_LISTS = {"HARPNUM": 0, "TARPNUM": TARP}
_PLACES = {"longitude": ("LON_FWT", 180.0), "latitude": ("LAT_FWT", 90.0)}
# AREA in millionths of the hemisphere, USFLUX in Mx, MEANGBZ in G/Mm, R_VALUE in log10 Mx: beyond these they are fill values.
_LARGEST = {"AREA": 1e6, "USFLUX": 1e25, "MEANGBZ": 1e4, "R_VALUE": 10.0}
_MISSING = ("MISSING", "--")
_FIRST, _LAST = numpy.datetime64("1996-01-01"), numpy.datetime64("2100-01-01")
_ADVICE = "give a table of SHARP or SMARP keywords"


@dataclasses.dataclass(frozen=True)
class PatchTable:
    """Records of patches.

    Attributes
    ----------
    records : pandas.DataFrame
        In order of patch and time, with the columns `COLUMNS`: time (``datetime64[s]``, UTC), known (the same, or `CHOSEN_BY`
        later where what followed decided whether there is a record), patch (int64: HARP number, or `TARP` plus the TARP
        number), the keywords, and Stonyhurst degrees of its centre of flux; NaN where unknown.
    regions : dict of int to tuple of int
        NOAA numbers of each patch, in full, of those that have any.
    problems : tuple of str
        "file: how many of what" of what could not be used.
    """

    records: object
    regions: dict
    problems: tuple[str, ...]


def name(patch):
    """Write a patch as JSOC calls it: ``"HARP 377"``, ``"TARP 49"``."""
    return f"TARP {patch - TARP}" if patch >= TARP else f"HARP {patch}"


def read(paths):
    """Read tables of keywords and lists of NOAA numbers.

    Parameters
    ----------
    paths : str, pathlib.Path or sequence of them
        Of a record that is there several times the first counts.

    Returns
    -------
    PatchTable

    Raises
    ------
    UserError
        There is no such file, it is neither kind, has a field that is no number, or no record that can be used; or there are
        lists of NOAA numbers alone.
    """
    import pandas

    paths = [paths] if isinstance(paths, str | pathlib.Path) else list(paths)
    parts, regions, problems = [], {}, []
    for path in map(pathlib.Path, paths):
        columns = tables.header(path)
        listed = _is_list(columns)
        records, numbers, trouble = (None, *_of_list(path, columns)) if listed else _of_table(path, columns)
        if records is not None:
            parts.append(records)
        for patch, some in numbers.items():
            regions[patch] = regions.get(patch, ()) + some
        problems += trouble
    if not parts:
        raise UserError(f"{', '.join(map(str, paths))}: a list of NOAA numbers alone; {_ADVICE} beside it")
    records = pandas.concat(parts, ignore_index=True)
    repeated = records.duplicated(["patch", "time"]).to_numpy()
    if repeated.any():
        problems.append(f"{paths[0]}: {repeated.sum()} records of a patch and time that are there already, left out")
    records = records[~repeated].sort_values(["patch", "time"], kind="stable", ignore_index=True)
    seen = numpy.unique(records["patch"].to_numpy())
    first = dict(zip(records["patch"].to_numpy()[::-1].tolist(), records["time"].tolist()[::-1], strict=True))
    known = {
        patch: tuple(dict.fromkeys(region_numbers.full_number(number, first[patch]) for number in sorted(regions[patch])))
        for patch in seen.tolist()
        if regions.get(patch)
    }
    without = len(seen) - len(known)
    if without:
        problems.append(f"{paths[0]}: {without} of {len(seen)} patches have no NOAA number")
    held = collections.Counter(number for numbers in known.values() for number in numbers)
    several = sorted(number for number, patches in held.items() if patches > 1)
    if several:
        problems.append(
            f"{paths[0]}: {len(several)} NOAA numbers are of several patches, the first is {several[0]}; the patch with fewest"
            " numbers has them"
        )
    return PatchTable(records, known, tuple(problems))


def patch_of_regions(regions):
    """Choose the patch of each NOAA number: of several that hold it the one with fewest others, then the first.

    Parameters
    ----------
    regions : dict of int to tuple of int
        As of `PatchTable`.

    Returns
    -------
    dict of int to int
        NOAA number to patch.

    Examples
    --------
    >>> patch_of_regions({3520: (11931, 11935), 3532: (11935,)})
    {11935: 3532, 11931: 3520}
    """
    result = {}
    for patch, numbers in sorted(regions.items(), key=lambda pair: (len(pair[1]), pair[0])):
        for number in numbers:
            result.setdefault(number, patch)
    return result


def _is_list(columns):
    words = " ".join(columns).split()
    return len(words) == 2 and words[0] in _LISTS and words[1] == "NOAA_ARS"


def _of_list(path, columns):
    """Read a list of NOAA numbers, "377 11158" a line: numbers of each patch, and problems."""
    base = _LISTS[" ".join(columns).split()[0]]
    result, odd = {}, []
    for place, line in enumerate(tables.read_lines(path, advice=_ADVICE)[1:], 2):
        patch, _, rest = line.replace(",", " ").partition(" ")
        numbers = _numbers(rest)
        if patch.isdecimal() and numbers:
            result[int(patch) + base] = result.get(int(patch) + base, ()) + numbers
        else:
            odd.append(place)
    return result, [f"{path}: {len(odd)} lines are no patch with NOAA numbers, the first is line {odd[0]}"] if odd else []


def _numbers(text):
    """Read NOAA numbers, separated by anything; 0 is none: tuple of int."""
    return tuple(number for number in map(int, re.findall(r"(?<![\d.])\d{1,5}(?!\d)", text)) if number)


def _of_table(path, columns):
    """Read a table: records, NOAA numbers of each patch, and problems."""
    if {"prefix", "arpnum", "t_end", *KEYWORDS} <= set(columns):
        texts, number, moment = ("prefix", "t_end"), "arpnum", "t_end"
    elif {"T_REC", *KEYWORDS} <= set(columns) and not set(_LISTS).isdisjoint(columns):
        texts, number, moment = ("T_REC",), next(name for name in _LISTS if name in columns), "T_REC"
    else:
        tables.read(path, advice=_ADVICE)  # says what is wrong with it, if it is no table at all
        wanted = f"HARPNUM or TARPNUM, T_REC, {', '.join(KEYWORDS)} (or prefix, arpnum, t_end and those)"
        raise UserError(f"{path}: is no table of patches; it needs the columns {wanted}")
    noaa = [name for name in ("NOAA_ARS", "NOAA_AR") if name in columns][:1]
    places = [column for column, _ in _PLACES.values() if column in columns]
    rows = tables.read(path, numbers=(number, *KEYWORDS, *places), texts=(*texts, *noaa), missing=_MISSING, advice=_ADVICE)
    if "prefix" in texts:
        unknown = ~rows["prefix"].isin(["HARP", "TARP"])
        if unknown.any():
            raise UserError(f"{path}: prefix is HARP or TARP, not {quoted(rows['prefix'][unknown].iloc[0])}; {_ADVICE}")
        base = numpy.where(rows["prefix"] == "TARP", TARP, 0)
    else:
        base = _LISTS[number]
    later, problems = _chosen(rows, path) if moment == "t_end" else (numpy.timedelta64(0, "s"), [])
    records, regions, more = _checked(rows, path, number, moment, base, noaa)
    return records.assign(known=records["time"] + later)[list(COLUMNS)], regions, problems + more


def _chosen(rows, path):
    """Find how long after a record of a table for training it is known, by whether any without M1.0 has a flare to come."""
    if {"label", "flares"} <= set(rows):
        without = rows["label"].astype(str).str.strip().str.lower().isin(["false", "0"])
        if rows["flares"][without].dropna().astype(str).str.strip("| ").ne("").any():
            return numpy.timedelta64(0, "s"), []
    hours = CHOSEN_BY // numpy.timedelta64(1, "h")
    return CHOSEN_BY, [
        f"{path}: its records seem chosen by the flares that follow within {hours} h (without an M1.0 there is none at all);"
        f" each is taken as known {hours} h later"
    ]


def _checked(rows, path, number, moment, base, noaa):
    """Leave out records without patch or time, and make impossible cells unknown: as `_of_table`, without ``known``."""
    import pandas

    problems = []
    texts, place = numpy.unique(rows[moment].to_numpy("U40"), return_inverse=True)
    parsed = [headers.parse_time(text) for text in texts.tolist()]
    times = numpy.array([numpy.datetime64("NaT") if time is None else time for time in parsed], "datetime64[ms]")[place]
    patch = rows[number].to_numpy("float64")
    dated = ~numpy.isnat(times) & (times >= _FIRST) & (times < _LAST)
    numbered = (patch > 0) & (patch < TARP) & (patch % 1 == 0)
    if not (dated & numbered).all():
        wrong = ~(dated & numbered)
        problems.append(
            f"{path}: {wrong.sum()} rows without the number or time of a patch, left out (line {wrong.argmax() + 2})"
        )
    cells = {name: rows[name].to_numpy("float64") for name in KEYWORDS}
    for name, values in cells.items():
        wrong = (values < 0) | (values > _LARGEST[name])
        if wrong.any():
            problems.append(f"{path}: {wrong.sum()} values of {name} cannot be, left unknown (line {wrong.argmax() + 2})")
        cells[name] = numpy.where(wrong, numpy.nan, values)
    for name, (column, most) in _PLACES.items():
        values = rows[column].to_numpy("float64") if column in rows else numpy.full(len(rows), numpy.nan)
        cells[name] = numpy.where(numpy.abs(values) <= most, values, numpy.nan)
    empty = numpy.all([numpy.isnan(cells[name]) for name in KEYWORDS], axis=0) & dated & numbered
    if empty.any():
        problems.append(f"{path}: {empty.sum()} records without any of the keywords, left out")
    kept = dated & numbered & ~empty
    if not kept.any():
        raise UserError(f"{path}: no row gives the number and time of a patch with its keywords; {_ADVICE}")
    patches = numpy.where(kept, patch, 0).astype("int64") + base
    records = pandas.DataFrame({"time": times.astype("datetime64[s]"), "patch": patches} | cells)[kept]
    regions = {}
    if noaa:
        pairs = pandas.DataFrame({"patch": patches[kept], "text": rows[noaa[0]].to_numpy()[kept]}).drop_duplicates()
        for one, text in pairs.itertuples(index=False):
            regions[one] = regions.get(one, ()) + _numbers(text)
    return records, regions, problems
