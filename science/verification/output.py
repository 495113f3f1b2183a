"""What a verification prints and writes: the tables, verification.json and the pictures."""

import json
import math
import pathlib

import numpy

from science.verification import report
from tools import atomic_files

LABELS = {"tss": "TSS", "brier_skill": "Brier skill", "auc": "ROC area"}
CELL = 27  # characters of "-12.345 [-12.345, -12.345]" and a gap
TABLE = ("hits", "false_alarms", "misses", "correct_nulls")


def write(folder, found, settings):
    """Write verification.json and the pictures of a `report.Report`.

    Parameters
    ----------
    folder : pathlib.Path
    found : report.Report
    settings : report.Settings
    """
    from science.verification import pictures as diagrams

    folder = pathlib.Path(folder)
    atomic_files.write_text(folder / "verification.json", json.dumps(as_dictionary(found, settings), indent=1) + "\n")
    everything = found.forecasts | found.baselines
    drawn = found.forecasts | {name: one for name, one in found.baselines.items() if name in ("class table", "flare rate")}
    for name, one in everything.items():
        value, bounds = found.scored[name].value, found.scored[name].interval("brier_skill", settings.level)
        interval = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if math.isfinite(bounds[0]) else ""
        title = f"{name}: Brier skill {value['brier_skill']:.3f}{interval}"
        path = folder / f"reliability_{name.replace(' ', '_')}.png"
        diagrams.reliability(path, one, title=title, bootstrap=report.bootstrap_of(one.times, one.fold, settings))
    diagrams.curves(folder / "curves.png", drawn, found.thresholds, found.scored)
    diagrams.sweep(folder / "threshold_sweep.png", drawn, found.thresholds)
    diagrams.comparison(
        folder / "comparison.png",
        found.scored,
        folds=found.folds,
        level=settings.level,
        baselines=tuple(found.baselines),
        simulated=found.simulated,
    )


def as_dictionary(found, settings):
    """A `report.Report` as plain values; undefined numbers are null."""

    from science.verification import pictures as diagrams

    def plain(one):
        rows = {}
        for name, value in one.value.items():
            low, high = one.interval(name, settings.level) if name in one.samples else (math.nan, math.nan)
            rows[name] = [_null(value), _null(low), _null(high)] if one.samples else _null(value)
        return rows

    first = next(iter(found.forecasts.values()))
    return {
        "simulated": found.simulated,
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
        "subsets": {part: {name: plain(one) for name, one in scored.items()} for part, scored in found.subsets.items()},
        "reliability_diagram": {
            name: diagrams.as_lists(diagrams.reliability_points(one, report.bootstrap_of(one.times, one.fold, settings)))
            for name, one in (found.forecasts | found.baselines).items()
        },
        "differences": [
            dict(zip(("forecast", "other", "score", "difference", "low", "high"), map(_plain, row), strict=True))
            for row in found.differences(settings.level)
        ],
        "added_skill": [
            dict(zip(("forecast", "score", "baseline", "difference", "low", "high"), map(_plain, row), strict=True))
            for row in found.added_skill(settings.level)
        ],
        "notes": found.notes,
    }


def _null(value):
    return None if not math.isfinite(value) else float(value)


def _plain(value):
    return value if isinstance(value, str) else _null(value)


def table(found, settings):
    """The printed table: list of lines."""
    first = next(iter(found.forecasts.values()))
    width = max(len(name) for name in found.scored) + 2
    lines = [
        f"{len(first)} forecasts, {first.times[0]} to {first.times[-1]}, {int(first.event.sum())} with an event"
        f" ({100 * first.event.mean():.1f} %); {100 * settings.level:g} % intervals, blocks of {settings.block_days:g} days",
        "forecast".ljust(width) + "".join(f"{name:>{CELL}}" for name in LABELS.values()) + "     HSS    bias",
    ]
    for name, one in found.scored.items():
        if name == next(iter(found.baselines), None):
            lines.append("-" * (width + 3 * CELL + 16))
        cells = [_cell(one, kind, settings.level) for kind in LABELS]
        tail = "".join(f"{one.value[kind]:8.3f}" for kind in ("hss", "frequency_bias"))
        lines.append(name.ljust(width) + "".join(f"{cell:>{CELL}}" for cell in cells) + tail)
    if len(found.folds) > 1:
        lines.append("folds, mean and standard deviation:")
        for name in found.scored:
            values = [[parts[name].value[kind] for parts in found.folds.values()] for kind in LABELS]
            cells = [f"{numpy.mean(v):.3f} ± {numpy.std(v, ddof=1):.3f}" for v in values]
            lines.append(name.ljust(width) + "".join(f"{cell:>{CELL}}" for cell in cells))
    lines += _all_scores(found, width)
    for part, scored in found.subsets.items():
        first = next(iter(scored.values())).value
        count, events = (sum(first[cell] for cell in cells) for cells in (TABLE, ("hits", "misses")))
        lines.append(f"{part}: {count:.0f} forecasts, {events:.0f} with an event")
        for name, one in scored.items():
            cells = [_cell(one, kind, settings.level) for kind in LABELS]
            lines.append(name.ljust(width) + "".join(f"{cell:>{CELL}}" for cell in cells))
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


def _all_scores(found, width):
    """Lines of the scores that the first table leaves out, values only; their intervals are in verification.json."""
    names = {
        "pod": "POD",
        "pofd": "POFD",
        "far": "FAR",
        "csi": "CSI",
        "gss": "GSS",
        "accuracy": "accuracy",
        "apss": "ApSS",
        "average_precision": "avg.prec",
        "log_loss": "log-loss",
        "brier": "Brier",
        "reliability": "reliab.",
        "resolution": "resol.",
    }
    skill = {f"brier_skill_{name.replace(' ', '_')}": name for name in found.baselines if name.startswith("climatology")}
    heads = {"brier_skill_climatology": "BSS clim", "brier_skill_climatology_120_days": "BSS 120d"}
    names |= {key: heads[key] for key in skill if key in heads}
    lines = ["".ljust(width) + "".join(f"{label:>10}" for label in names.values())]
    for name, one in found.scored.items():
        values = (one.value.get(key, math.nan) for key in names)
        lines.append(
            name.ljust(width) + "".join(f"{value:10.3f}" if math.isfinite(value) else f"{'-':>10}" for value in values)
        )
    return lines


def _cell(one, kind, level):
    value = one.value[kind]
    if math.isnan(value):
        return "undefined"
    low, high = one.interval(kind, level)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if one.samples else f"{value:.3f}"
