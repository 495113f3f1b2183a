"""Export forecasts of a log: for the CCMC flare scoreboard, as a table, and the newest as JSON for dashboards.

    python science/operational_forecast/export.py LOG --out FOLDER [--formats ccmc-json csv latest] [--last 24] [--model NAME]

For each forecast Flare_Forecast_<model>_<yyyymmdd_hhmm>.json, .xml and .txt (ccmc-json, ccmc-xml, ccmc-text); forecasts.csv
with a row for each (csv); latest.json with the newest (latest). Every file is read back and compared with the log before any of
them appears. What a format has no room for is named: M5.0 or more in those of the scoreboard, intervals in the text. Forecasts
that were withdrawn are left out, corrected ones are as corrected.

Late and replayed forecasts and those of simulated data are marked as such in every file; they are no forecasts to be sent.
"""

import collections
import dataclasses
import json
import pathlib

import numpy

from dataset_models import simulation_mark
from network_models.forecasts.exchange import ccmc_json, ccmc_text, ccmc_xml
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast, text_of
from science.operational_forecast import chain
from science.operational_forecast import record as lines
from tools import atomic_files, command_line, tables
from tools.errors import Stopped, UserError
from tools.options import add_number
from tools.reading import structures

SENT = {"ccmc-json": (ccmc_json, ".json"), "ccmc-xml": (ccmc_xml, ".xml"), "ccmc-text": (ccmc_text, ".txt")}
FORMATS = (*SENT, "csv", "latest")
CSV, LATEST = "forecasts.csv", "latest.json"
_SHOWN = 3


def main(arguments=None):
    """Export forecasts of a log."""
    parser = command_line.parser(__doc__)
    parser.add_argument("log", type=pathlib.Path, help="of forecast.py")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="files of these names are replaced")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    add_number(parser, "--last", int, least=1, most=10_000_000, metavar="NUMBER", help="the newest alone (default: all)")
    parser.add_argument("--model", metavar="NAME", help="as registered with CCMC (default: the method's name in the log)")
    parser.add_argument("--spase", metavar="ID", help="the model's spase_id, which registration with CCMC gives")
    flags = parser.parse_args(arguments)
    records = standing(flags.log)[-flags.last if flags.last else 0 :]
    refused = {}
    with atomic_files.results(flags.out) as folder:
        for name in dict.fromkeys(flags.formats):
            if name == "csv":
                write_table(folder / CSV, records)
            elif name == "latest":
                write_latest(folder / LATEST, records[-1])
            else:
                refused[name] = send(folder, name, records, model=flags.model, spase=flags.spase)
        if not any(folder.iterdir()):
            raise UserError(f"{flags.log}: {_first(refused)}; nothing was written")
    for name in dict.fromkeys(flags.formats):
        count = len(records) - len(refused.get(name, ())) if name != "latest" else 1
        print(f"{name:<10} {count} forecasts, read back equal to the log{_left_out(name, records)}")
    print(f"wrote {flags.out}")
    if any(refused.values()):
        count = sum(map(len, refused.values()))
        raise Stopped(f"{count} files left out ({_first(refused)}); the others are in {flags.out}", 4)


def standing(log):
    """Read the forecasts of a log that stand.

    Parameters
    ----------
    log : str or pathlib.Path

    Returns
    -------
    list of record.Record
        In order of issue; corrected ones as corrected, without those withdrawn.

    Raises
    ------
    UserError
        As of `chain.read`, or no forecast stands.
    """
    records = chain.current(chain.read(log, advice="give a log of forecast.py"))
    if not records:
        raise UserError(f"{log}: holds no forecast that stands; issue one with forecast.py")
    return records


def send(folder, name, records, *, model=None, spase=None):
    """Write files for the flare scoreboard, and read each back.

    Parameters
    ----------
    folder : pathlib.Path
    name : str
        One of `SENT`.
    records : sequence of record.Record
    model, spase : str, optional
        The model's name, and its identifier in SPASE.

    Returns
    -------
    list of str
        Why forecasts were left out.

    Raises
    ------
    UserError
        A file does not come back as it was, or the model's name is none that a file can carry.
    """
    form, suffix = SENT[name]
    refused = []
    for record in records:
        issued = dataclasses.replace(record.forecast, method=model or record.forecast.method)
        try:
            expected = form.carried(issued)
        except UserError as error:
            if model:
                raise UserError(f"--model {model}: {error}") from error
            refused.append(f"line {record.number}, {name}: {error}")
            continue
        keywords = {"ccmc-json": {"spase": spase}, "ccmc-text": {"inputs": _inputs(record)}}.get(name, {})
        path = folder / f"{pathlib.PurePath(ccmc_text.file_name(issued)).stem}{suffix}"
        if path.exists():  # issued in the same minute, by which the scoreboard names files
            path = path.with_stem(f"{path.stem}_{record.number}")
        path.write_bytes(form.write(issued, **keywords))
        _require_equal(form.read(path), expected, path)
    return refused


def _inputs(record):
    return ", ".join(dict.fromkeys(one.kind for one in record.inputs)) or "----"


def _require_equal(found, expected, path):
    if found != expected:
        raise UserError(f"{path.name}: does not come back as it is in the log; nothing was written, please report this")


def _first(refused):
    return next((reason for reasons in refused.values() for reason in reasons), "holds nothing to write")


def _left_out(name, records):
    """Say which probabilities and intervals of a log a format has no room for: str, empty where there is room for all."""
    if name not in SENT:
        return ""
    missing = collections.Counter()
    for record in records:
        try:
            kept = SENT[name][0].carried(record.forecast).probabilities
        except UserError:
            continue
        for key, one in record.forecast.probabilities.items():
            if key not in kept:
                missing[key] += 1
            elif one.low is not None and kept[key].low is None:
                missing["intervals"] += 1
    return f"; no room for {', '.join(sorted(missing))}" if missing else ""


def write_table(path, records):
    """Write a row for each forecast as CSV, and read it back.

    Columns: ``line`` and ``sha256`` in the log, ``issued``, ``begin``, ``end``, ``method``, ``mode``, ``simulated`` (1 or 0),
    ``basis`` (joined by +), for each class of the disk its probability (``M1.0``) and interval (``M1.0_low``, ``M1.0_high``),
    empty where it was not forecast, ``all_clear`` (1, 0 or empty) and ``regions`` (their number).
    """
    import pandas

    keys = list(dict.fromkeys(key for record in records for key in record.forecast.probabilities))
    rows = []
    for record in records:
        issued = record.forecast
        row = {
            "line": record.number,
            "sha256": _digest(record),
            "issued": text_of(issued.issued),
            "begin": text_of(issued.begin),
            "end": text_of(issued.end),
            "method": issued.method,
            "mode": issued.mode,
            simulation_mark.COLUMN: int(issued.simulated),
            "basis": "+".join(record.basis),
        }
        for key in keys:
            one = issued.probabilities.get(key)
            row |= {key: one and one.value, f"{key}_low": one and one.low, f"{key}_high": one and one.high}
        row["all_clear"] = "" if record.all_clear is None else str(int(record.all_clear.clear))
        row["regions"] = len(issued.regions)
        rows.append(row)
    tables.write(path, pandas.DataFrame(rows))
    table = tables.read(path, texts=["issued", "method", "mode", "sha256"])
    for record, row in zip(records, table.to_dict("records"), strict=True):
        issued = record.forecast
        found = {}
        for key in keys:
            value, low, high = (None if numpy.isnan(row[name]) else row[name] for name in (key, f"{key}_low", f"{key}_high"))
            if value is not None:
                found[key] = Probability(value, low, high)
        marks = (row["method"], row["mode"], simulation_mark.is_set(row[simulation_mark.COLUMN]), row["issued"], row["sha256"])
        expected = (issued.method, issued.mode, issued.simulated, text_of(issued.issued), _digest(record))
        _require_equal((found, marks), (issued.probabilities, expected), path)


def write_latest(path, record):
    """Write the newest forecast as plain JSON, and read it back. ``sha256`` is that of its line in the log."""
    issued = record.forecast
    content = {
        "method": issued.method,
        "issued": text_of(issued.issued),
        "window": {"begin": text_of(issued.begin), "end": text_of(issued.end)},
        "mode": issued.mode,
        "simulated": issued.simulated,
        "basis": list(record.basis),
        "left_out": [{"part": part, "reason": reason} for part, reason in record.left_out],
        "probabilities": _plain(issued.probabilities),
        "regions": [dataclasses.asdict(region) | {"probabilities": _plain(region.probabilities)} for region in issued.regions],
        "all_clear": dataclasses.asdict(record.all_clear) if record.all_clear else None,
        "line": record.number,
        "sha256": _digest(record),
    }
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    found = structures.read_json(path, finite=True, kind=dict)
    window = (numpy.datetime64(found["window"][name].removesuffix("Z")) for name in ("begin", "end"))
    regions = tuple(
        RegionForecast(**(region | {"probabilities": _from_plain(region["probabilities"])})) for region in found["regions"]
    )
    returned = Issued(
        found["method"],
        numpy.datetime64(found["issued"].removesuffix("Z")),
        *window,
        _from_plain(found["probabilities"]),
        regions,
        found["mode"],
        found["simulated"],
    )
    _require_equal((returned, found["sha256"]), (issued, _digest(record)), path)


def _plain(probabilities):
    return {key: {"probability": one.value, "low": one.low, "high": one.high} for key, one in probabilities.items()}


def _from_plain(content):
    return {key: Probability(one["probability"], one["low"], one["high"]) for key, one in content.items()}


def _digest(record):
    return lines.digest_of(lines.to_line(record))


if __name__ == "__main__":
    command_line.run(main)
