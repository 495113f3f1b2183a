"""NOAA's solar region summaries, the daily texts YYYYMMDDSRS.txt of 1996 to now: upper case until October 2000, with
corrections, comments and messages to users anywhere, and cells that were forgotten.

Section I lists regions with spots, IA plages, II regions due to return. What cannot be read costs its cell or its line: both
are noted by line, the rest of the day is kept.
"""

import dataclasses
import datetime
import math
import pathlib
import re

from dataset_models.flares import region_numbers
from tools.errors import UserError
from tools.reading import raw_files

_LARGEST = 1 << 20  # bytes
_HEADINGS = (
    ("I", re.compile(r"\A\s*I\.(\s|$)|\bregions\s+with\s+sunspots", re.IGNORECASE)),
    ("IA", re.compile(r"\A\s*IA\.(\s|$)|\bplages?\s+without\s+spots", re.IGNORECASE)),
    ("II", re.compile(r"\A\s*II\.(\s|$)|\bregions\s+due\s+to\s+return", re.IGNORECASE)),
    ("comments", re.compile(r"\A\s*(III\.|comments?\b|plain\s*$|n{3,4}\s*$|effective\s+\d)", re.IGNORECASE)),
)
_NO_ROW = re.compile(r"\s*($|#|:|none\b|nmbr\b|\*+\s*correct)", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISSUED = (
    re.compile(r"^[^\S\n]*:\s*Issued\s*:\s*(?P<year>\d{4})\s+(?P<month>[a-z]{3})[a-z]*\s+(?P<day>\d{1,2})\b", re.I | re.M),
    re.compile(r"\bIssued\s+at\s+\d{4}Z?\s+on\s+(?P<day>\d{1,2})\s+(?P<month>[a-z]{3})[a-z]*\s+(?P<year>\d{4})\b", re.I),
)
_NUMBER = re.compile(r"\d{4,5}")
PLACE = re.compile(r"([NS])(\d{1,2})([EW])(\d{1,3})", re.IGNORECASE)
_HALE = re.compile(r"\b(?:alpha|beta|gamma|delta)\b(?:[\s-]+(?:alpha|beta|gamma|delta)\b)*", re.IGNORECASE)
_MCINTOSH = re.compile(r"[A-HX][XRSAHK][XOIC]", re.IGNORECASE)  # with X where an observer was not sure
_PLAGE_OR_RETURN = re.compile(r"\s*\d{4,5}\s+[NS]\d", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Region:
    """One region with spots.

    Attributes
    ----------
    number : int
        NOAA's, in full.
    longitude, latitude : float
        Stonyhurst degrees, west and north positive; NaN where the text does not state it.
    area : float
        Millionths of the hemisphere; NaN where the text does not state it.
    hale_class : str
        As "Beta-Gamma"; "" where the text does not state it.
    mcintosh : str
        Modified Zurich class, penumbra and compactness, as "Dkc"; "" where the text does not state it.
    extent : float
        Degrees of longitude; NaN where the text does not state it.
    spots : float
        How many; NaN where the text does not state it.
    """

    number: int
    longitude: float
    latitude: float
    area: float
    hale_class: str
    mcintosh: str = ""
    extent: float = math.nan
    spots: float = math.nan


@dataclasses.dataclass(frozen=True)
class RegionSummary:
    """One day's text: its date of issue, its regions with spots, and "file:line: why" of what could not be read."""

    issued: datetime.date
    regions: tuple[Region, ...]
    odd: tuple[str, ...]


def read(path):
    """Read one summary.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    RegionSummary

    Raises
    ------
    UserError
        The file cannot be read, is no region summary, does not give its date of issue, lacks section I, or is cut short
        within it.
    """
    path = pathlib.Path(path)
    text = raw_files.read_bytes(path, most=_LARGEST, advice="give a solar region summary").decode("utf-8", "replace")
    return parse(text, path)


def parse(text, name):
    """Read the text of a summary, as `read` does; `name` is what errors and notes call it."""
    lines = re.split(r"\r\n|\r|\n", text)
    issued = _date_of_issue(text)
    section, headings, regions, odd, strays = None, set(), [], [], {}
    for place, line in enumerate(lines, 1):
        heading = next((label for label, pattern in _HEADINGS if pattern.search(line)), None)
        if heading:
            section = heading
            headings.add(section)
            continue
        if section in (None, "comments") or _NO_ROW.match(line):
            continue
        tokens = line.split()
        if section == "I" and issued and _is_row(tokens):
            try:
                region, unread = _region(tokens, line, issued)
            except ValueError as error:
                odd.append((place, f"left out: {error}"))
                continue
            regions.append(region)
            odd.extend((place, f"region {region.number}: {what} left unknown") for what in unread)
        elif section == "I" or not _PLAGE_OR_RETURN.match(line):
            strays.setdefault(section, []).append((place, line.strip()))
    if "I" not in headings:
        raise UserError(f"{name}: is no solar region summary (it has no list of regions with sunspots)")
    if issued is None:
        raise UserError(f"{name}: does not give its date of issue (:Issued:)")
    # Some days of a spotless Sun end after the heading of section I, without "None".
    if headings.isdisjoint({"IA", "II"}) and (regions or "I" in strays):
        raise UserError(f"{name}: is cut short")
    for label, stray in strays.items():
        more = f", and {len(stray) - 1} more lines" if len(stray) > 1 else ""
        odd.append((stray[0][0], f"no row of section {label}: {stray[0][1][:60]!r}{more}"))
    return RegionSummary(issued, tuple(regions), tuple(f"{name}:{place}: {why}" for place, why in sorted(odd)))


def _date_of_issue(text):
    for pattern in _ISSUED:
        match = pattern.search(text)
        if match and match["month"].lower() in _MONTHS:
            try:
                return datetime.date(int(match["year"]), _MONTHS.index(match["month"].lower()) + 1, int(match["day"]))
            except ValueError:
                continue
    return None


def _is_row(tokens):
    """Check whether a line of section I is meant as a row: it begins with a number, or has a place after a word."""
    return len(tokens) > 1 and (tokens[0].isdecimal() or bool(PLACE.fullmatch(tokens[1])))


def _region(tokens, line, issued):
    """Read a row: its region, and the names of the cells that could not be read."""
    if not _NUMBER.fullmatch(tokens[0]):
        raise ValueError(f"not a region's number: {tokens[0]!r}")
    hale = _HALE.search(line)
    cells = tokens[2:]
    letters = next((place for place, cell in enumerate(cells) if _MCINTOSH.fullmatch(cell)), None)
    if len(cells) < 2 or (letters is None and hale is None):
        raise ValueError(f"not a row of a region with spots: {line.strip()[:60]!r}")
    unread = []
    try:
        longitude, latitude = _place(tokens[1])
    except ValueError:
        longitude = latitude = math.nan
        unread.append(f"its place, {tokens[1]!r},")
    area = _area(cells, letters)
    extent, spots = _extent_and_spots(cells, letters)
    mcintosh = cells[letters].capitalize() if letters is not None else ""
    hale_class = "-".join(re.split(r"[\s-]+", hale[0])).title() if hale else ""
    if math.isnan(area):
        unread.append("its area")
    unread += [name for name, text in (("its McIntosh class", mcintosh), ("its magnetic class", hale_class)) if not text]
    number = region_numbers.full_number(int(tokens[0]), issued)
    return Region(number, longitude, latitude, area, hale_class, mcintosh, extent, spots), unread


def _place(text):
    match = PLACE.fullmatch(text)
    if match is None or int(match[2]) > 90 or int(match[4]) > 180:
        raise ValueError(f"not a place on the Sun: {text!r}")
    west, north = int(match[4]) * (1 if match[3] in "Ww" else -1), int(match[2]) * (1 if match[1] in "Nn" else -1)
    return float(west), float(north)


def _area(cells, letters):
    """Read the area from the cells after the place: the second before the McIntosh class, else the one of four digits."""
    before = cells[:letters] if letters is not None else cells
    text = before[1] if letters == 2 else next((cell for cell in before if re.fullmatch(r"\d{4}", cell)), "")
    return float(text) if re.fullmatch(r"[0-9]{1,5}", text) else math.nan


def _extent_and_spots(cells, letters):
    """Read the extent and the number of spots, the two cells after the McIntosh class: two floats."""
    if letters is None:
        return math.nan, math.nan
    after = (*cells[letters + 1 : letters + 3], "", "")
    extent, spots = (float(cell) if re.fullmatch(r"[0-9]{1,3}", cell) else math.nan for cell in after[:2])
    return extent, spots
