"""The flare scoreboard's text: ``Flare_Forecast_<model>_yyyymmdd_hhmm.txt``, cards, a row for the disk and one for each region.

Probabilities have four decimals, ``----`` is missing, which is not 0. ``Probability Bins`` says whether a column M_prob is for
a flare of class M or more (``M+``) or for class M alone (``M``); where it names one kind for some letters, the others are of
that kind as well, and without it a letter is the class alone. A file has room for one of the two kinds, and not for intervals
of two sides: ours are left out, an uncertainty of another's file is taken as the same to both sides. The level (1 low, 2
medium, 3 high) is the sender's own judgement: not written, not read. A region has NOAA's number; those that only a model
numbers are left out.

``Input data`` says of simulated data that they are; a line ``#Mode`` is there only where a forecast was not issued on time.
The scoreboard's manual could not be read: cards and columns are those of public examples, the row of a region that of public
readers.
"""

import re

import numpy

from dataset_models import simulation_mark
from network_models.forecasts.exchange import scoreboard
from network_models.forecasts.exchange.issued import MODES, RegionForecast
from tools import atomic_files
from tools.errors import UserError, quoted

DIGITS = 4
_NO = "----"
_HEADER = " ".join(f"{letter}_{what}" for letter in "XMC" for what in ("prob", "uncert", "Level"))
_COLUMNS = [(letter, what) for letter in "XMC" for what in ("prob", "uncert", "level")]
_NAMES = re.compile(r"\b([XMC])_(prob|uncert|level)", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z][A-Za-z /()]*")  # of a card, before its colon
_REGION = re.compile(r"(\S+)\s+(\d{4}-\d\d-\d\dT\S+|-+)\s+(\S+)\s+(\S+)\s+(\S.*)")
_METHOD, _ISSUED, _BEGIN, _END, _BINS = (
    "Forecasting method",
    "Issue Time",
    "Prediction Window Start Time",
    "Prediction Window End Time",
    "Probability Bins",
)


def file_name(issued):
    """Name the file of a forecast as the scoreboard wants it: by model and time of issue.

    Examples
    --------
    >>> from network_models.forecasts.exchange.issued import Issued, Probability
    >>> day = numpy.datetime64("2026-02-01T00:30:00"), numpy.datetime64("2026-02-02T00:30:00")
    >>> file_name(Issued("AlexNet", day[0], *day, {"M1.0": Probability(0.2)}))
    'Flare_Forecast_AlexNet_20260201_0030.txt'
    """
    stamp = str(numpy.datetime64(issued.issued, "m")).replace("-", "").replace(":", "").replace("T", "_")
    return f"Flare_Forecast_{atomic_files.safe_name(issued.method)}_{stamp}.txt"


def carried(issued):
    """Reduce a forecast to what the format has room for, see `scoreboard.carried`."""
    issued = scoreboard.carried(issued, digits=DIGITS, places=True, intervals=False, one_kind=True)
    keys = _all_keys(issued)
    for letter in "MC":
        if {letter, f"{letter}1.0"} <= keys:
            raise UserError(
                f"the forecast of {issued.issued}Z: {letter} alone and {letter} or more; the text has room for one kind"
            )
    return issued


def _all_keys(issued):
    return {key for part in (issued, *issued.regions) for key in part.probabilities}


def write(issued, *, inputs=_NO):
    """Write a forecast.

    Parameters
    ----------
    issued : issued.Issued
    inputs : str
        What it was made from, for the card ``Input data``.

    Returns
    -------
    bytes

    Raises
    ------
    UserError
        As of `scoreboard.carried`, or it mixes a class alone and the class or more.
    """
    issued = carried(issued)
    bins = [name for key, name in scoreboard.BINS.items() if key in _all_keys(issued)]
    if issued.simulated:
        inputs = simulation_mark.WORDS
    hours = (issued.end - issued.begin) / numpy.timedelta64(3600, "s")
    lines = [
        f"{_METHOD}: {issued.method}",
        f"{_ISSUED}: {scoreboard.short_time(issued.issued)}",
        f"{_BEGIN}: {scoreboard.short_time(issued.begin)}",
        f"{_END}: {scoreboard.short_time(issued.end)}",
        f"{_BINS}: {', '.join(bins)}",
        f"Input data: {' '.join(inputs.split()) or _NO}",
        f"Prediction window (hours): {hours:g}",
    ]
    if issued.mode != "on time":
        lines.append(f"#Mode: {issued.mode}")
    lines += ["#Full Disk Forecast", f"#{_HEADER}", _row(issued.probabilities)]
    if issued.regions:
        lines += ["#Region Forecast", f"#ID Time Location NOAA_AR {_HEADER}"]
        lines += [
            f"{place} {scoreboard.short_time(issued.issued)} {scoreboard.written_place(region) or _NO} {region.number}"
            f" {_row(region.probabilities)}"
            for place, region in enumerate(issued.regions, 1)
        ]
    return "\n".join([*lines, ""]).encode()


def _row(probabilities):
    cells = []
    for letter in "XMC":
        one = probabilities.get(f"{letter}1.0", probabilities.get(letter))
        cells += [_NO if one is None else f"{one.value:.{DIGITS}f}", _NO, _NO]
    return " ".join(cells)


def read(file, source=None):
    """Read the forecast of a file.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
    source : str, optional
        Named in errors.

    Returns
    -------
    issued.Issued

    Raises
    ------
    UserError
        A card is missing, a row is damaged or holds something impossible, or there is none.
    """
    content, source = scoreboard.content_of(file, source)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: is no UTF-8 text (byte {error.start}); {scoreboard.ADVICE}") from error
    cards, disk, regions = _parts(text, source)
    for name in (_METHOD, _ISSUED, _BEGIN, _END):
        if not cards.get(name.lower()):
            raise UserError(f"{source}: the card {name} is missing; {scoreboard.ADVICE}")
    issued, begin, end = (scoreboard.time_of(cards[name.lower()], name, source) for name in (_ISSUED, _BEGIN, _END))
    mode = cards.get("mode", "on time")
    if mode not in MODES:
        raise UserError(f"{source}: the mode {quoted(mode)} is none of {', '.join(MODES)}; {scoreboard.ADVICE}")
    keys = _keys(cards.get(_BINS.lower(), ""), source)
    probabilities = {}
    if disk:
        probabilities = _probabilities(*disk, keys, source)
    found = []
    for number, place, columns, line, cells in regions:
        number = scoreboard.region_number(number, issued, f"{source}, line {line}")
        forecast = _probabilities(columns, line, cells, keys, source)
        if number is not None and forecast:
            found.append(RegionForecast(number, forecast, "NOAA", *scoreboard.place_of(place)))
    simulated = simulation_mark.WORDS in cards.get("input data", "")
    return scoreboard.issued_of(source, cards[_METHOD.lower()], issued, begin, end, probabilities, found, mode, simulated)


def _parts(text, source):
    """Split a file: (cards by name, (columns, line, cells) of the disk or None, the same of each region after AR and place)."""
    cards, disk, regions, section, columns = {}, None, [], None, _COLUMNS
    for count, line in enumerate(text.splitlines(), 1):
        plain = line.strip().lstrip("#").strip()
        names = [(letter.upper(), what.lower()) for letter, what in _NAMES.findall(plain)]
        card = _card(line)
        if not plain:
            continue
        if plain.lower().startswith(("full disk forecast", "region forecast")):
            section, columns = plain.lower().split()[0], _COLUMNS
        elif card and section is None:
            cards.setdefault(card[0].lower(), card[1])
        elif names:
            columns = names
        elif line.strip().startswith("#") or section is None:
            continue
        elif section == "full":
            if disk:
                raise UserError(f"{source}: line {count} is a second row of the disk; {scoreboard.ADVICE}")
            disk = columns, count, plain.split()
        else:
            row = _REGION.fullmatch(plain)
            if row is None:
                raise UserError(f"{source}: line {count} is no row of a region ({quoted(plain)}); {scoreboard.ADVICE}")
            regions.append((row[4], row[3], columns, count, row[5].split()))
    return cards, disk, regions


def _card(line):
    """Take a card apart: (name, value), or None for a line that is none."""
    name, colon, value = line.strip().removeprefix("#").partition(":")
    name = name.strip()
    return (name, value.strip()) if colon and _KEY.fullmatch(name) else None


def _keys(bins, source):
    """Decide what the columns X, M and C stand for: dict of letter to key."""
    keys = {}
    for name in re.split(r"[\s,;/]+", bins):
        if name.strip("-"):
            key = scoreboard.key_of(name, f"{source}: {_BINS}")
            if keys.setdefault(key[0], key) != key:
                raise UserError(f"{source}: {_BINS} has two kinds of {key[0]}; {scoreboard.ADVICE}")
    more = {len(key) > 1 for letter, key in keys.items() if letter != "X"}
    for letter in "MC":
        keys.setdefault(letter, f"{letter}1.0" if more == {True} else letter)
    return {"X": "X1.0"} | keys


def _probabilities(columns, line, cells, keys, source):
    source = f"{source}, line {line}"
    if len(cells) != len(columns):
        raise UserError(f"{source}: {len(cells)} values where {len(columns)} belong; {scoreboard.ADVICE}")
    values = {name: scoreboard.number_of(cell, "_".join(name), source) for name, cell in zip(columns, cells, strict=True)}
    probabilities = {}
    for letter in "XMC":
        value, uncertainty = values.get((letter, "prob")), values.get((letter, "uncert"))
        if value is not None:
            try:
                probabilities[keys[letter]] = scoreboard.around(value, uncertainty, uncertainty)
            except UserError as error:
                raise UserError(f"{source}: {error}; {scoreboard.ADVICE}") from error
    return probabilities
