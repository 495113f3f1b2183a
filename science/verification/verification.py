"""Verify flare forecasts: every score with an interval, beside the baselines that a forecast has to beat.

    python science/verification/verification.py [NAME=]FORECASTS.csv[,FOLD2.csv...] [MORE ...] --flares LIST --out FOLDER

A CSV has a time (label, timestamp or time: UTC, or file names that state it), a probability and a target; several files
joined by commas are folds of one cross-validation. With flare lists the baselines are climatology, climatology of the
120 days before, persistence, flare rate and class table, fitted outside the fold that is scored. --threshold best takes
the threshold of the highest TSS on other folds, or on the hours before --score_from. Flux forecasts (a run's
performance/validation_forecasts.csv) are verified in dex and as forecasts of classes.

Prints a table and writes it with all scores as verification.json, and the pictures.
"""

import json
import math
import pathlib

import numpy

from dataset_models import flare_catalogue
from network_models import forecast_files
from science.verification import report
from tools import atomic_files, command_line
from tools.errors import UserError

LABELS = {"tss": "TSS", "brier_skill": "Brier skill", "auc": "ROC area"}


def parse(text):
    """A word ``[NAME=]FILE[,FILE...]`` as (name or None, list of files)."""
    name, equals, files = text.partition("=")
    if not equals:
        name, files = None, text
    return name, [part for part in files.split(",") if part]


def write(folder, found, settings):
    """Write verification.json and the pictures of a `report.Report`.

    Parameters
    ----------
    folder : pathlib.Path
    found : report.Report
    settings : report.Settings
    """
    from science.verification import diagrams

    folder = pathlib.Path(folder)
    atomic_files.write_text(folder / "verification.json", json.dumps(as_dictionary(found, settings), indent=1) + "\n")
    everything = found.forecasts | found.baselines
    drawn = found.forecasts | {name: one for name, one in found.baselines.items() if name in ("class table", "flare rate")}
    for name, one in everything.items():
        value, bounds = found.scored[name].value, found.scored[name].interval("brier_skill", settings.level)
        title = f"{name}: Brier skill {value['brier_skill']:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]"
        path = folder / f"reliability_{name.replace(' ', '_')}.png"
        diagrams.reliability(path, one, title=title, bootstrap=diagrams.bootstrap_of(one, settings), seed=settings.seed)
    diagrams.curves(folder / "curves.png", drawn, found.thresholds, found.scored)
    diagrams.sweep(folder / "threshold_sweep.png", drawn, found.thresholds)
    diagrams.comparison(
        folder / "comparison.png", found.scored, folds=found.folds, level=settings.level, baselines=tuple(found.baselines)
    )


def as_dictionary(found, settings):
    """A `report.Report` as plain values; undefined numbers are null."""

    def plain(one):
        rows = {}
        for name, value in one.value.items():
            low, high = one.interval(name, settings.level) if name in one.samples else (math.nan, math.nan)
            rows[name] = [_null(value), _null(low), _null(high)] if one.samples else _null(value)
        return rows

    first = next(iter(found.forecasts.values()))
    return {
        "hours": len(first),
        "events": int(first.event.sum()),
        "first": f"{first.times[0]}Z",
        "last": f"{first.times[-1]}Z",
        "settings": {
            "threshold": settings.threshold if settings.threshold is not None else "best",
            "score_from": None if settings.score_from is None else f"{settings.score_from}Z",
            "event": settings.event,
            "window_hours": settings.window / numpy.timedelta64(1, "h"),
            "block_days": settings.block_days,
            "samples": settings.samples,
            "seed": settings.seed,
            "level": settings.level,
        },
        "thresholds": {name: numpy.unique(value).tolist() for name, value in found.thresholds.items()},
        "scores": {name: plain(one) for name, one in found.scored.items()},
        "baselines": list(found.baselines),
        "folds": {str(number): {name: plain(one) for name, one in parts.items()} for number, parts in found.folds.items()},
        "hours_where_activity_changes": {name: plain(one) for name, one in found.changes.items()},
        "added_skill": [
            dict(zip(("forecast", "score", "baseline", "difference", "low", "high"), row, strict=True))
            for row in found.added_skill(settings.level)
        ],
        "notes": found.notes,
    }


def _null(value):
    return None if not math.isfinite(value) else float(value)


def table(found, settings):
    """The printed table: list of lines."""
    first = next(iter(found.forecasts.values()))
    width = max(len(name) for name in found.scored) + 2
    lines = [
        f"{len(first)} hours, {first.times[0]} to {first.times[-1]}, {int(first.event.sum())} with an event"
        f" ({100 * first.event.mean():.1f} %); {100 * settings.level:g} % intervals, blocks of {settings.block_days:g} days",
        "forecast".ljust(width) + "".join(f"{name:>24}" for name in ("TSS", "Brier skill", "ROC area")) + "     HSS    bias",
    ]
    for name, one in found.scored.items():
        if name == next(iter(found.baselines), None):
            lines.append("-" * (width + 88))
        cells = [_cell(one, kind, settings.level) for kind in ("tss", "brier_skill", "auc")]
        tail = "".join(f"{one.value[kind]:8.3f}" for kind in ("hss", "frequency_bias"))
        lines.append(name.ljust(width) + "".join(f"{cell:>24}" for cell in cells) + tail)
    if len(found.folds) > 1:
        lines.append("folds, mean and standard deviation:")
        for name in found.scored:
            values = {
                kind: [parts[name].value[kind] for parts in found.folds.values()] for kind in ("tss", "brier_skill", "auc")
            }
            cells = "".join(f"{numpy.mean(v):16.3f} ± {numpy.std(v, ddof=1):.3f}" for v in values.values())
            lines.append(name.ljust(width) + cells)
    if found.changes:
        hours = sum(
            next(iter(found.changes.values())).value[cell] for cell in ("hits", "false_alarms", "misses", "correct_nulls")
        )
        lines.append(f"the {hours:.0f} hours where activity changes (a flare after a day without, or none after one with):")
        for name, one in found.changes.items():
            lines.append(name.ljust(width) + "".join(f"{LABELS[kind]} {one.value[kind]:7.3f}  " for kind in LABELS))
    if found.baselines:
        gains = found.added_skill(settings.level)
        for name, kind, best, gain, low, high in gains:
            word = "adds" if gain > 0 else "lacks"
            lines.append(
                f"{name} {word} {abs(gain):.3f} {LABELS[kind]} against {best}, the best baseline [{low:+.3f}, {high:+.3f}]"
            )
        silent = [name for name in found.forecasts if not any(row[0] == name for row in gains)]
        if silent:
            lines.append(f"no difference to the best baseline that excludes zero: {', '.join(silent)}")
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _cell(one, kind, level):
    value = one.value[kind]
    if math.isnan(value):
        return "undefined"
    low, high = one.interval(kind, level)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if one.samples else f"{value:.3f}"


def main(arguments=None):
    """Verify the forecasts of the given files."""
    parser = command_line.parser(__doc__)
    parser.add_argument("forecasts", nargs="+", metavar="[NAME=]CSV[,CSV...]", help="forecasts, a file for each fold")
    parser.add_argument("--flares", nargs="+", metavar="LIST", help="flare lists, for the baselines")
    parser.add_argument("--threshold", default="0.5", help="of a yes, or best: chosen on training hours (default: %(default)s)")
    parser.add_argument("--score_from", metavar="TIME", help="earlier hours are training time, later ones are scored")
    parser.add_argument("--event", default="M1.0", help="smallest flare that is an event (default: %(default)s)")
    parser.add_argument(
        "--window", type=float, default=24, metavar="HOURS", help="that a forecast is for (default: %(default)s)"
    )
    parser.add_argument(
        "--block", type=float, default=7, metavar="DAYS", help="drawn together by the bootstrap (default: %(default)s)"
    )
    parser.add_argument("--samples", type=int, default=1000, help="of the bootstrap; 0: no intervals (default: %(default)s)")
    parser.add_argument("--level", type=float, default=0.95, help="of the intervals (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for verification.json and pictures")
    chosen = parser.parse_args(arguments)
    words = [parse(text) for text in chosen.forecasts]
    from science.verification import regression

    if any(regression.is_flux(files[0]) for _, files in words):
        regression.run(words, chosen)
        return
    settings = _settings(chosen)
    forecasts = [forecast_files.read(files, name=name) for name, files in words]
    if len({one.name for one in forecasts}) < len(forecasts):
        raise UserError("two forecasts have one name; name them: NAME=FILE")
    events = flare_catalogue.read(chosen.flares).events if chosen.flares else None
    found = report.verify(forecasts, events, settings)
    print("\n".join(table(found, settings)))
    write(chosen.out, found, settings)
    print(f"wrote {chosen.out}")


def _settings(chosen):
    """Flags as `report.Settings`, checked."""
    from dataset_models import observation_times
    from dataset_models.flare_labels import threshold_flux

    try:
        threshold = None if chosen.threshold == "best" else float(chosen.threshold)
    except ValueError as error:
        raise UserError(f"--threshold {chosen.threshold}: give a probability, or best") from error
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold {threshold:g}: give a probability from 0 to 1, or best")
    if not 0 < chosen.level < 1:
        raise UserError(f"--level {chosen.level:g}: give a share between 0 and 1, for example 0.95")
    if not chosen.block > 0 or not chosen.window > 0:
        raise UserError("--block and --window: give a time above zero")
    if chosen.samples < 0 or chosen.seed < 0:
        raise UserError("--samples and --seed: give 0 or more")
    threshold_flux(chosen.event)
    return report.Settings(
        threshold=threshold,
        score_from=observation_times.from_texts([chosen.score_from], origin="--score_from")[0] if chosen.score_from else None,
        window=numpy.timedelta64(round(chosen.window * 3600), "s"),
        event=chosen.event,
        block_days=chosen.block,
        samples=chosen.samples,
        seed=chosen.seed,
        level=chosen.level,
    )


if __name__ == "__main__":
    command_line.run(main)
