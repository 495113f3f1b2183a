"""One line of the log: a forecast, what it stands on, the SHA-256 of the line before, and a seal.

The seal is the SHA-256 of the line up to it. It tells a line that was changed by accident, the last one too, which no line
follows that would tell. Against intent only a digest kept elsewhere helps: who changes a line can seal it again.
"""

import dataclasses
import hashlib
import json

import numpy

from dataset_models.observation_times import from_texts
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast, rounded, text_of
from tools.errors import UserError
from tools.reading import structures

FORMAT = "flare forecast 1"
KINDS = ("forecast", "correction", "withdrawal")
NO_LINE = "0" * 64  # in place of the line before the first
_SEAL = b',"seal":"%s"}'
PARTS = ("image", "regions", "history")


@dataclasses.dataclass(frozen=True)
class Input:
    """A file that a forecast was made from: what it is (``image``, ``summary``, ``flare list``), its name, SHA-256 and time."""

    kind: str
    file: str
    sha256: str
    time: str | None = None


@dataclasses.dataclass(frozen=True)
class Member:
    """One of the forecasts that were combined.

    Attributes
    ----------
    name : str
    part : str
        One of `PARTS`.
    networks : tuple of (str, str)
        File name and SHA-256 of each network; none for what needs no network.
    probabilities : dict of str to float
        As the member said; the event's as calibrated.
    uncalibrated : float or None
        What its networks said of the event before calibration.
    """

    name: str
    part: str
    networks: tuple[tuple[str, str], ...]
    probabilities: dict[str, float]
    uncalibrated: float | None = None


@dataclasses.dataclass(frozen=True)
class AllClear:
    """Whether no flare of `event` is expected: the upper end of its interval, at `confidence`, is below `below`."""

    event: str
    below: float
    confidence: float
    clear: bool


@dataclasses.dataclass(frozen=True)
class Record:
    """A line of the log.

    Attributes
    ----------
    number : int
        Of the line, from 1.
    previous : str
        SHA-256 of the line before, without its line end; `NO_LINE` of the first.
    kind : str
        One of `KINDS`. A correction replaces the forecast of an earlier line, a withdrawal repeats it and takes it back.
    logged : str
        When the line was written, by this machine's clock.
    forecast : Issued
    basis : tuple of str
        The `PARTS` that it stands on.
    left_out : tuple of (str, str)
        A part, and why it is missing.
    all_clear : AllClear or None
    members : tuple of Member
    inputs : tuple of Input
    configuration : str
        SHA-256 of the configuration.
    software : str
        Version of this project.
    map : str or None
        Name of the map in the folder ``maps`` beside the log, without suffix: ``.fits`` and ``.png``.
    map_method : str or None
    corrects : int or None
        Number of the line that a correction replaces or a withdrawal takes back; it is a forecast.
    reason : str or None
        Of a correction or withdrawal.
    """

    number: int
    previous: str
    kind: str
    logged: str
    forecast: Issued
    basis: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    all_clear: AllClear | None = None
    members: tuple[Member, ...] = ()
    inputs: tuple[Input, ...] = ()
    configuration: str = ""
    software: str = ""
    map: str | None = None
    map_method: str | None = None
    corrects: int | None = None
    reason: str | None = None


def to_line(record):
    """Write a record as its line: bytes of compact JSON that end in a line end."""
    issued = record.forecast
    content = {
        "format": FORMAT,
        "number": record.number,
        "previous": record.previous,
        "kind": record.kind,
        "logged": record.logged,
        "method": issued.method,
        "issued": text_of(issued.issued),
        "window": [text_of(issued.begin), text_of(issued.end)],
        "mode": issued.mode,
        "simulated": issued.simulated,
        "basis": list(record.basis),
        "left_out": [{"part": part, "reason": reason} for part, reason in record.left_out],
        "disk": _written(issued.probabilities),
        "regions": [
            {
                "number": region.number,
                "numbering": region.numbering,
                "longitude": region.longitude,
                "latitude": region.latitude,
                "probabilities": _written(region.probabilities),
            }
            for region in issued.regions
        ],
        "all_clear": dataclasses.asdict(record.all_clear) if record.all_clear else None,
        "members": [
            dataclasses.asdict(member)
            | {
                "networks": [{"file": name, "sha256": digest} for name, digest in member.networks],
                "probabilities": {name: rounded(value) for name, value in member.probabilities.items()},
                "uncalibrated": rounded(member.uncalibrated),
            }
            for member in record.members
        ],
        "inputs": [dataclasses.asdict(one) for one in record.inputs],
        "configuration": record.configuration,
        "software": record.software,
        "map": record.map,
        "map_method": record.map_method,
        "corrects": record.corrects,
        "reason": record.reason,
    }
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode().removesuffix(b"}")
    return sealed(body) + b"\n"


def sealed(body):
    """End a line, without its line end, with its seal: bytes.

    Parameters
    ----------
    body : bytes
        A JSON object but for the brace that closes it.
    """
    return body + _SEAL % hashlib.sha256(body).hexdigest().encode()


def is_sealed(line):
    """Check whether a line is, to the byte, as it was sealed: bool."""
    line = line.removesuffix(b"\n")
    return sealed(line[: -len(_SEAL % (b"0" * 64))]) == line


def _written(probabilities):
    return {
        name: {"probability": rounded(one.value), "low": rounded(one.low), "high": rounded(one.high)}
        for name, one in probabilities.items()
    }


def digest_of(line):
    """Compute the SHA-256 of a line without its line end: 64 hexadecimal digits."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def from_line(line, source):
    """Read a record from its line.

    Parameters
    ----------
    line : bytes
    source : str
        File and line, named in errors.

    Returns
    -------
    Record

    Raises
    ------
    UserError
        It is no JSON, of another format, not as it was sealed, or lacks something, or something in it is impossible.
    """
    advice = "keep the log as it is and start another"
    content = structures.parse_json(line, source, finite=True, kind=dict, advice=advice)
    if content.get("format") != FORMAT:
        raise UserError(f"{source}: is of the format {content.get('format')!r:.100}, expected {FORMAT!r}; {advice}")
    if not is_sealed(line):
        raise UserError(f"{source}: was changed after it was written (its seal is of other bytes); {advice}")
    try:
        record = _record(content)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{source}: is no line of a forecast log ({type(error).__name__}: {error!s:.100}); {advice}") from error
    return record


def _record(content):
    if content["kind"] not in KINDS:
        raise UserError(f"the kind {content['kind']!r:.100} is none of {', '.join(KINDS)}")
    corrects, reason = content["corrects"], content["reason"]
    if content["kind"] == "forecast":
        whole = corrects is None and reason is None
    else:
        named = type(corrects) is int and 0 < corrects < content["number"]
        whole = named and isinstance(reason, str) and bool(reason.strip())
    if not whole:
        raise UserError(f"a {content['kind']} of line {corrects!r:.20} for the reason {reason!r:.100}")
    begin, end = content["window"]
    issued, begin, end, _ = from_texts([content["issued"], begin, end, content["logged"]])
    forecast = Issued(
        method=_text(content["method"]),
        issued=issued,
        begin=begin,
        end=end,
        probabilities=_probabilities(content["disk"]),
        regions=tuple(
            RegionForecast(
                int(region["number"]),
                _probabilities(region["probabilities"]),
                region["numbering"],
                _number(region["longitude"]),
                _number(region["latitude"]),
            )
            for region in content["regions"]
        ),
        mode=content["mode"],
        simulated=bool(content["simulated"]),
    )
    return Record(
        number=int(content["number"]),
        previous=_text(content["previous"]),
        kind=content["kind"],
        logged=content["logged"],
        forecast=forecast,
        basis=tuple(map(_text, content["basis"])),
        left_out=tuple((_text(one["part"]), _text(one["reason"])) for one in content["left_out"]),
        all_clear=None if content["all_clear"] is None else _all_clear(content["all_clear"]),
        members=tuple(
            Member(
                _text(one["name"]),
                _text(one["part"]),
                tuple((_text(network["file"]), _text(network["sha256"])) for network in one["networks"]),
                {name: float(value) for name, value in one["probabilities"].items()},
                _number(one["uncalibrated"]),
            )
            for one in content["members"]
        ),
        inputs=tuple(
            Input(*(_text(one[name]) for name in ("kind", "file", "sha256")), _text_or_none(one["time"]))
            for one in content["inputs"]
        ),
        configuration=_text(content["configuration"]),
        software=_text(content["software"]),
        map=_text_or_none(content["map"]),
        map_method=_text_or_none(content["map_method"]),
        corrects=corrects,
        reason=reason,
    )


def _all_clear(written):
    if not isinstance(written["clear"], bool):
        raise TypeError(f"clear is {written['clear']!r:.60}, not true or false")
    return AllClear(_text(written["event"]), float(written["below"]), float(written["confidence"]), written["clear"])


def _probabilities(written):
    return {
        name: Probability(float(one["probability"]), _number(one["low"]), _number(one["high"])) for name, one in written.items()
    }


def _number(value):
    return None if value is None else float(value)


def _text(value):
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _text_or_none(value):
    return None if value is None else _text(value)


def window_of(issued, hours):
    """Return the window of a forecast, as begin and end: two `numpy.datetime64`."""
    begin = numpy.datetime64(issued, "s")
    return begin, begin + numpy.timedelta64(round(hours * 3600), "s")
