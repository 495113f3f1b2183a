"""Picture of a record of published forecasts: scores with intervals below one another, baselines marked on every line."""

import numpy

from science.verification import report
from tools import figures

LABELS = {"tss": "TSS", "brier_skill": "Brier skill", "auc": "ROC area"}
LEAST = {"tss": -0.3, "brier_skill": -0.5, "auc": 0.35}  # forecasts below are named at the edge, baselines left out
MARKS = {report.TABLE: "s", "persistence": "^", report.CLIMATOLOGY: "|"}
_ROW = 0.34  # inches
_OURS, _THEIRS, _GREY = figures.PALETTE[1], figures.PALETTE[0], "0.45"


def draw(path, arranged, *, level=0.95, simulated=False):
    """Draw the scores of all forecasts of a record.

    Parameters
    ----------
    path : pathlib.Path
    arranged : dict of str to list of dict
        Of `science.verification.published_record.arranged`.
    level : float
        Of the intervals.
    simulated : bool
    """
    counts = [len(entries) for entries in arranged.values()]
    with figures.style():
        height = _ROW * sum(counts) + 1.0 * len(counts) + 1.1
        grid = {"height_ratios": [count + 0.6 for count in counts]}
        figure, panels = figures.new(len(counts), 3, figsize=(13, height), squeeze=False, gridspec_kw=grid)
        for row, (title, entries) in zip(panels, arranged.items(), strict=True):
            _period(row, title, entries)
        _legend(figure)
        text = f"Published forecasts and ours; in brackets forecasts, and those with an event; {100 * level:g} % intervals"
        figure.suptitle(figures.title(text, simulated=simulated), fontsize=13)
        figures.save(figure, path)


def _period(panels, title, entries):
    places = numpy.arange(len(entries))[::-1]
    names = [_named(entry["plain"]) for entry in entries]
    for axes, (kind, label) in zip(panels, LABELS.items(), strict=True):
        for place, entry in zip(places, entries, strict=True):
            _forecast(axes, kind, place, entry)
        axes.axvline(0.5 if kind == "auc" else 0.0, color="0.75", lw=1, zorder=0)
        axes.set(xlim=(LEAST[kind], 1.0), ylim=(-0.6, len(entries) - 0.4))
        axes.set_xlabel(label)
        axes.set_yticks(places, names if axes is panels[0] else [""] * len(names))
        axes.grid(axis="y", color="0.93", lw=0.8)
        axes.set_axisbelow(True)
    panels[0].set_title(title, loc="left", fontweight="bold")


def _named(row):
    events = "" if numpy.isnan(row["events"]) else f", {row['events']:.0f}"
    return f"{row['forecast']}  ({row['n']}{events})"


def _forecast(axes, kind, place, entry):
    row, again = entry["plain"], entry["calibrated"]
    colour = _OURS if row["role"] == "ours" else _THEIRS
    for name, baseline in entry["baselines"].items():
        if not baseline[kind] >= LEAST[kind]:
            continue
        axes.plot(
            baseline[kind], place, MARKS[name], color=_GREY, ms=6, mew=1.8 if name == report.CLIMATOLOGY else 0.5, zorder=2
        )
    shift = 0.14 if again and kind == "brier_skill" else 0.0
    hollow = row["calibrated"] == "quoted"
    _score(axes, kind, place + shift, row, colour, marker="D" if hollow else "o", filled=not hollow)
    if shift:
        _score(axes, kind, place - shift, again, colour, marker="o", filled=False)


def _score(axes, kind, place, row, colour, *, marker, filled):
    value, low, high = (row[name] for name in (kind, f"{kind}_low", f"{kind}_high"))
    if numpy.isnan(value):
        return
    if value < LEAST[kind]:
        text = f" \N{BLACK LEFT-POINTING SMALL TRIANGLE}{value:.2f}"
        axes.annotate(text, (LEAST[kind], place), va="center", fontsize=10, color=colour)
        return
    if numpy.isfinite(low):
        axes.hlines(place, max(low, LEAST[kind]), high, color=colour, lw=1.8, zorder=3)
    axes.plot(value, place, marker, color=colour, mfc=colour if filled else "white", ms=6.5, mew=1.5, zorder=4)


def _legend(figure):
    from matplotlib.lines import Line2D

    def mark(label, colour, marker, *, filled=True, line=True):
        style = {"lw": 1.8 if line else 0, "marker": marker, "ms": 7, "mew": 1.5}
        return Line2D([], [], color=colour, mfc=colour if filled else "white", label=label, **style)

    handles = [
        mark("published", _THEIRS, "o"),
        mark("ours", _OURS, "o"),
        mark("calibrated on the other folds", "0.2", "o", filled=False),
        mark("quoted", _OURS, "D", filled=False),
        *(mark(f"{name} on the same hours", _GREY, marker, line=False) for name, marker in MARKS.items()),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
