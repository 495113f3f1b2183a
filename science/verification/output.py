"""Output of a verification: the tables that it prints, verification.json and the pictures."""

import json
import math
import pathlib

import numpy

from dataset_models import simulation_mark
from science.verification import pictures as diagrams
from science.verification import report
from tools import atomic_files, tables

LABELS = {"tss": "TSS", "brier_skill": "Brier skill", "auc": "ROC area"}
CELL = 27  # characters of "-12.345 [-12.345, -12.345]" and a gap
TABLE = ("hits", "false_alarms", "misses", "correct_nulls")


def write(folder, result, settings):
    """Write verification.json, scores.csv, scores.md and the pictures of a `report.Report`.

    Parameters
    ----------
    folder : pathlib.Path
    result : report.Report
    settings : report.Settings
    """
    folder = pathlib.Path(folder)
    atomic_files.write_text(folder / "verification.json", json.dumps(as_dictionary(result, settings), indent=1) + "\n")
    atomic_files.write_table(folder / "scores.csv", scores_table(result, settings))
    atomic_files.write_text(folder / "scores.md", markdown(result, settings))
    everything = result.forecasts | result.baselines
    drawn = result.forecasts | {
        name: forecast for name, forecast in result.baselines.items() if name in ("class table", "flare rate")
    }
    for name, forecast in everything.items():
        value, bounds = result.scored[name].value, result.scored[name].interval("brier_skill", settings.level)
        interval = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if math.isfinite(bounds[0]) else ""
        title = f"{name}: Brier skill {value['brier_skill']:.3f}{interval}"
        path = folder / f"reliability_{name.replace(' ', '_')}.png"
        diagrams.reliability(
            path, forecast, title=title, bootstrap=report.bootstrap_of(forecast.times, forecast.fold, settings)
        )
    diagrams.curves(folder / "curves.png", drawn, result.thresholds, result.scored)
    diagrams.sweep(folder / "threshold_sweep.png", drawn, result.thresholds)
    diagrams.comparison(
        folder / "comparison.png",
        result.scored,
        folds=result.folds,
        level=settings.level,
        baselines=tuple(result.baselines),
        simulated=result.simulated,
    )


def as_dictionary(result, settings):
    """Convert a `report.Report` to plain values; undefined numbers are null."""

    def plain(score):
        rows = {}
        for name, value in score.value.items():
            low, high = score.interval(name, settings.level)
            rows[name] = [_null(value), _null(low), _null(high)] if score.samples else _null(value)
        return rows

    first = next(iter(result.forecasts.values()))
    return {
        "simulated": result.simulated,
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
        "thresholds": {name: numpy.unique(value).tolist() for name, value in result.thresholds.items()},
        "scores": {name: plain(score) for name, score in result.scored.items()},
        "baselines": list(result.baselines),
        "folds": {str(number): {name: plain(score) for name, score in parts.items()} for number, parts in result.folds.items()},
        "subsets": {part: {name: plain(score) for name, score in scored.items()} for part, scored in result.subsets.items()},
        "reliability_diagram": {
            name: diagrams.as_lists(
                diagrams.reliability_points(forecast, report.bootstrap_of(forecast.times, forecast.fold, settings))
            )
            for name, forecast in (result.forecasts | result.baselines).items()
        },
        "differences": [
            dict(zip(("forecast", "other", "score", "difference", "low", "high"), map(_plain, row), strict=True))
            for row in result.differences(settings.level)
        ],
        "added_skill": [
            dict(zip(("forecast", "score", "baseline", "difference", "low", "high"), map(_plain, row), strict=True))
            for row in result.added_skill(settings.level)
        ],
        "notes": result.notes,
    }


def _null(value):
    return None if not math.isfinite(value) else float(value)


def _plain(value):
    return value if isinstance(value, str) else _null(value)


def scores_table(result, settings):
    """Make the table of scores, all that there are: a row for each forecast and baseline.

    Parameters
    ----------
    result : report.Report
    settings : report.Settings

    Returns
    -------
    pandas.DataFrame
        forecast, kind (``"forecast"`` or ``"baseline"``), hours, events, and by score its value, with intervals also
        ``<score>_low`` and ``<score>_high``; NaN where undefined. That of simulated forecasts has the mark of such.
    """
    import pandas

    first = next(iter(result.forecasts.values()))
    rows = []
    for name, score in result.scored.items():
        kind = "baseline" if name in result.baselines else "forecast"
        row = {"forecast": name, "kind": kind, "hours": len(first), "events": int(first.event.sum())}
        for label, value in score.value.items():
            row[label] = value
            if score.samples:
                row[f"{label}_low"], row[f"{label}_high"] = score.interval(label, settings.level)
        rows.append(row)
    return simulation_mark.marked(pandas.DataFrame(rows), result.simulated)


def markdown(result, settings):
    """Write the first table that is printed as Markdown, for a paper or a README: str."""
    import pandas

    heads = {label: [] for label in ("forecast", *LABELS.values(), "HSS", "bias")}
    for name, score in result.scored.items():
        cells = [name, *(_cell(score, kind, settings.level) for kind in LABELS)]
        cells += [float(score.value[kind]) for kind in ("hss", "frequency_bias")]
        for values, cell in zip(heads.values(), cells, strict=True):
            values.append(cell)
    words = table(result, settings)[0] + (", simulated" if result.simulated else "")
    return f"{words}\n\n{tables.markdown(pandas.DataFrame(heads))}"


def table(result, settings):
    """Write the table to print: list of lines."""
    first = next(iter(result.forecasts.values()))
    width = max(len(name) for name in result.scored) + 2
    lines = [
        f"{len(first)} forecasts, {first.times[0]} to {first.times[-1]}, {int(first.event.sum())} with an event"
        f" ({100 * first.event.mean():.1f} %); {100 * settings.level:g} % intervals, blocks of {settings.block_days:g} days",
        "forecast".ljust(width) + "".join(f"{name:>{CELL}}" for name in LABELS.values()) + "     HSS    bias",
    ]
    for name, score in result.scored.items():
        if name == next(iter(result.baselines), None):
            lines.append("-" * (width + 3 * CELL + 16))
        cells = [_cell(score, kind, settings.level) for kind in LABELS]
        tail = "".join(f"{score.value[kind]:8.3f}" for kind in ("hss", "frequency_bias"))
        lines.append(name.ljust(width) + "".join(f"{cell:>{CELL}}" for cell in cells) + tail)
    if len(result.folds) > 1:
        lines.append("folds, mean and standard deviation:")
        for name in result.scored:
            values = [[parts[name].value[kind] for parts in result.folds.values()] for kind in LABELS]
            cells = [f"{numpy.mean(v):.3f} ± {numpy.std(v, ddof=1):.3f}" for v in values]
            lines.append(name.ljust(width) + "".join(f"{cell:>{CELL}}" for cell in cells))
    lines += _all_scores(result, width)
    for part, scored in result.subsets.items():
        first = next(iter(scored.values())).value
        count, events = (sum(first[cell] for cell in cells) for cells in (TABLE, ("hits", "misses")))
        lines.append(f"{part}: {count:.0f} forecasts, {events:.0f} with an event")
        for name, score in scored.items():
            cells = [_cell(score, kind, settings.level) for kind in LABELS]
            lines.append(name.ljust(width) + "".join(f"{cell:>{CELL}}" for cell in cells))
    if result.baselines:
        gains = result.added_skill(settings.level)
        for name, kind, best, gain, low, high in gains:
            word = "adds" if gain > 0 else "lacks"
            lines.append(
                f"{name} {word} {abs(gain):.3f} {LABELS[kind]} against {best}, the best baseline [{low:+.3f}, {high:+.3f}]"
            )
        equal = [name for name in result.forecasts if not any(row[0] == name for row in gains)]
        if equal:
            lines.append(f"no difference to the best baseline that excludes zero: {', '.join(equal)}")
    return [*lines, *(f"note: {note}" for note in result.notes)]


def _all_scores(result, width):
    """List the scores that the first table leaves out, values only; their intervals are in verification.json."""
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
    skill = {f"brier_skill_{name.replace(' ', '_')}": name for name in result.baselines if name.startswith("climatology")}
    heads = {"brier_skill_climatology": "BSS clim", "brier_skill_climatology_120_days": "BSS 120d"}
    names |= {key: heads[key] for key in skill if key in heads}
    lines = ["".ljust(width) + "".join(f"{label:>10}" for label in names.values())]
    for name, score in result.scored.items():
        values = (score.value.get(key, math.nan) for key in names)
        lines.append(
            name.ljust(width) + "".join(f"{value:10.3f}" if math.isfinite(value) else f"{'-':>10}" for value in values)
        )
    return lines


def _cell(score, kind, level):
    value = score.value[kind]
    if math.isnan(value):
        return "undefined"
    low, high = score.interval(kind, level)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if score.samples else f"{value:.3f}"
