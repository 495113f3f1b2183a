"""Forecasts read back from the CCMC flare scoreboard: answers of its HAPI interface as JSON or CSV, and tables made of them.

A record has a window, a time of issue, and probabilities in the fields C, M (the class alone), CPlus, MPlus (it or more) and
X, of the disk (``..._FULLDISK``) or of a region (``..._REGIONS``), each with ``_uncertainty`` or the bounds ``_value_lower``
and ``_value_higher``. -1, what the answer's header states as fill, and empty fields are missing, not 0: NOAA sends no C of the
disk.

Where M and MPlus are both there and MPlus is M + X to the last digit, somebody has added them up, at times to more than 1:
such an MPlus is nobody's forecast and is left out, and so is a CPlus that is C + M + X. Numbers are single precision, and
rounded to 6 digits.
"""

import csv
import io
import pathlib

from network_models.forecasts.exchange import scoreboard
from network_models.forecasts.exchange.issued import Probability, RegionForecast, rounded
from tools import notes
from tools.errors import UserError
from tools.reading import raw_files, structures

ADVICE = "give an answer of the flare scoreboard's HAPI, or a table of one"
FIELDS = {"C": "C", "M": "M", "CPlus": "C1.0", "MPlus": "M1.0", "X": "X1.0"}
# The order of the fields of the disk in answers without a header.
DISK = (
    ["start_window", "end_window", "issue_time", *FIELDS]
    + [f"{name}_{what}" for what in ("uncertainty", "value_lower", "value_higher", "level") for name in FIELDS]
)  # fmt: skip

_TIMES = {
    "begin": ("start_window", "prediction_window_start"),
    "end": ("end_window", "prediction_window_end"),
    "issued": ("issue_time", "issued"),
}
_REGIONS = {"NOAA": ("NOAARegionId", "noaaID"), "HARP": ("HARPRegionId",)}
_PLACE = {"longitude": ("NOAALongitude", "lon"), "latitude": ("NOAALatitude", "lat")}
_METHOD = ("model", "method")
_OUTSIDE, _UNNUMBERED = "probabilities outside 0 to 1", "records of regions without a number"
_EMPTY, _EARLIER = "empty records", "earlier records of the same"
_SUM = 1e-6  # single precision
_KINDS = ("_FULLDISK", "_REGIONS")


def read(file, source=None, *, method=None):
    """Read all forecasts of an answer or a table.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
        Gzipped or plain.
    source : str, optional
        Named in errors.
    method : str, optional
        Whose they are, where no field says it; without it the name of the file, less ``_FULLDISK`` or ``_REGIONS``.

    Returns
    -------
    list of issued.Issued
        In order of issue, window and method; the regions of one forecast together. Records without any probability,
        records of a region that neither NOAA nor HARP numbers, and probabilities outside 0 to 1 are left out, with a remark
        that counts them; of several records of one forecast the last counts.

    Raises
    ------
    UserError
        It is neither, a field is missing or damaged, or there is no forecast.
    """
    content, source = scoreboard.content_of(file, source, most=raw_files.MOST, advice=ADVICE)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: is no UTF-8 text (byte {error.start}); {ADVICE}") from error
    records, fills = _json(text, source) if text.lstrip().startswith("{") else _csv(text, source)
    if method is None:
        method = pathlib.PurePath(source).name.split(".")[0]
        for kind in _KINDS:
            method = method.removesuffix(kind)
    forecasts = _Answer(source, fills).forecasts(records, method)
    if not forecasts:
        raise UserError(f"{source}: holds no forecast; {ADVICE}")
    return forecasts


def _json(text, source):
    """Take an answer apart: (iterable of (where, dict of field to value), dict of field to fill)."""
    content = structures.parse_json(text, source, finite=True, kind=dict, advice=ADVICE)
    names, fills = _parameters(content, source)
    rows = content.get("data")
    if not isinstance(rows, list):
        raise UserError(f"{source}: holds no data; {ADVICE}")
    return _named(((f"record {count}", row) for count, row in enumerate(rows, 1)), names, source), fills


def _csv(text, source):
    """Take a CSV apart, with HAPI's header of # lines, a line of names, or neither: as `_json`."""
    lines = text.splitlines()
    header = "\n".join(line[1:] for line in lines if line.startswith("#"))
    body = [(count, line) for count, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    names, fills = None, {}
    if header.strip().startswith("{"):
        names, fills = _parameters(structures.parse_json(header, source, kind=dict, advice=ADVICE), source)
    if not body:
        raise UserError(f"{source}: holds no data; {ADVICE}")
    first = [cell.strip() for cell in _cells(body[0][1], source)[0]]
    if set(_TIMES["begin"]) & set(first):
        names, body = first, body[1:]
    elif names is None and first[0][:4].isdigit() and len(first) in (8, len(DISK)):
        names = DISK[: len(first)]
    if names is None:
        raise UserError(f"{source}: has no field {' or '.join(_TIMES['begin'])}, and no header of HAPI; {ADVICE}")
    rows = _cells("\n".join(line for _, line in body), source)
    if len(rows) != len(body):
        raise UserError(f"{source}: a quoted field goes on over several lines; {ADVICE}")
    numbered = ((f"line {count}", row) for (count, _), row in zip(body, rows, strict=True))
    return _named(numbered, names, source), fills


def _cells(text, source):
    """Take rows apart into their cells: list of list of str."""
    try:
        return list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise UserError(f"{source}: not readable as CSV ({error}); {ADVICE}") from error


def _parameters(content, source):
    parameters = content.get("parameters")
    if not isinstance(parameters, list) or not all(isinstance(one, dict) and "name" in one for one in parameters):
        raise UserError(f"{source}: holds no parameters, which name its fields (include=header); {ADVICE}")
    return [str(one["name"]) for one in parameters], {str(one["name"]): one.get("fill") for one in parameters}


def _named(rows, names, source):
    for where, row in rows:
        if not isinstance(row, list) or len(row) != len(names):
            count = len(row) if isinstance(row, list) else "no"
            raise UserError(f"{source}: {where} has {count} fields where {len(names)} belong; {ADVICE}")
        yield f"{source}, {where}", dict(zip(names, row, strict=True))


def _padded(text, apart, joined):
    return joined.join(part.zfill(2) for part in text.split(apart))


class _Answer:
    """The fields of one answer, and what of them was left out."""

    def __init__(self, source, fills):
        self.source, self._fills = source, fills
        self._left_out = dict.fromkeys((_OUTSIDE, _UNNUMBERED, _EMPTY, _EARLIER), 0)

    def forecasts(self, records, method):
        """Make the forecasts of the records: list of issued.Issued."""
        found = {}
        for where, record in records:
            begin, end, issued = (self._time(record, kind, where) for kind in ("begin", "end", "issued"))
            name = next((str(record[field]).strip() for field in _METHOD if record.get(field)), method)
            disk, regions = found.setdefault((issued, begin, name, end), ({}, {}))
            probabilities = self._probabilities(record, where)
            if not probabilities:
                self._left_out[_EMPTY] += 1
            elif any(field in record for fields in _REGIONS.values() for field in fields):
                region = self._region(record, probabilities, issued, where)
                if region is None:
                    self._left_out[_UNNUMBERED] += 1
                else:
                    self._left_out[_EARLIER] += (region.numbering, region.number) in regions
                    regions[region.numbering, region.number] = region
            else:
                self._left_out[_EARLIER] += bool(disk)
                disk.clear()
                disk.update(probabilities)
        told = [f"{count} {what}" for what, count in self._left_out.items() if count]
        if told:
            notes.note(f"{self.source}: left out {', '.join(told)}")
        return [
            scoreboard.issued_of(self.source, name, issued, begin, end, disk, regions.values())
            for (issued, begin, name, end), (disk, regions) in sorted(found.items(), key=lambda item: item[0])
            if disk or regions
        ]

    def _field(self, record, names):
        return next(((name, record[name]) for name in names if name in record), (names[0], None))

    def _time(self, record, kind, where):
        name, value = self._field(record, _TIMES[kind])
        text = str(value or "").strip()
        if "/" in text:  # as spreadsheets write them: 2023/1/1 0:00
            date, _, clock = text.partition(" ")
            text = f"{_padded(date, '/', '-')}T{_padded(clock, ':', ':')}"
        return scoreboard.time_of(text, name, where)

    def _number(self, record, name, where, *fills):
        """Read a number, None where it is one of the fills."""
        number = scoreboard.number_of(record.get(name), name, where)
        for fill in (self._fills.get(name), *fills):
            try:
                if number is not None and fill is not None and number == float(fill):
                    return None
            except (TypeError, ValueError):
                continue  # "" of times
        return number

    def _probabilities(self, record, where):
        values = {}
        for name, key in FIELDS.items():
            value = self._number(record, name, where, -1)
            if value is not None:
                values[key] = value
        for alone, more, above in (("M", "M1.0", ("X1.0",)), ("C", "C1.0", ("M", "X1.0"))):
            parts = [values.get(key) for key in (alone, *above)]
            if more in values and None not in parts and abs(values[more] - sum(parts)) < _SUM:
                del values[more]
        probabilities = {}
        for name, key in FIELDS.items():
            if key not in values:
                continue
            if not 0 <= rounded(values[key]) <= 1:
                self._left_out[_OUTSIDE] += 1
                continue
            probabilities[key] = self._with_interval(record, name, rounded(values[key]), where)
        return probabilities

    def _with_interval(self, record, name, value, where):
        both, low, high = (
            self._number(record, f"{name}_{what}", where, -1) for what in ("uncertainty", "value_lower", "value_higher")
        )
        if low is not None and high is not None and 0 <= low <= high <= 1:
            return Probability(value, rounded(low), rounded(high))
        return scoreboard.around(value, both, both) if both is not None and both >= 0 else Probability(value)

    def _region(self, record, probabilities, issued, where):
        for numbering, fields in _REGIONS.items():
            name, _ = self._field(record, fields)
            value = self._number(record, name, where, -1)
            number = scoreboard.region_number(value, issued, f"{where}, {name}", numbering)
            if number is not None:
                place = (self._degrees(record, fields, where) for fields in _PLACE.values())
                longitude, latitude = place if numbering == "NOAA" else (None, None)
                return RegionForecast(number, probabilities, numbering, longitude, latitude)
        return None

    def _degrees(self, record, fields, where):
        name, _ = self._field(record, fields)
        value = self._number(record, name, where, 999)
        return None if value is None or abs(value) > 180 else value
