"""Pictures of verification: reliability, ROC, precision-recall, performance, threshold sweep, folds."""

import textwrap

import numpy

from dataset_models import simulation_mark
from science.verification.scores import BINS
from tools import figures, skill_scores
from tools.block_bootstrap import interval

TITLE = 46  # characters of a line over a diagram of reliability


def reliability(path, forecast, *, title=None, bootstrap=None):
    """Draw how often the event followed each forecast probability, and how often each was forecast.

    Parameters
    ----------
    path : pathlib.Path
    forecast : network_models.forecasts.files.Forecasts
    title : str, optional
    bootstrap : tools.block_bootstrap.BlockBootstrap, optional
        For bars that take account of hours that are not independent.
    """
    from matplotlib import ticker

    points = reliability_points(forecast, bootstrap)
    used = points["count"] > 0
    mean, observed, low, high = (points[name][used] for name in ("mean", "observed", "low", "high"))
    with figures.style():
        figure, (axes, below) = figures.new(2, 1, figsize=(5.4, 6.4), sharex=True, gridspec_kw={"height_ratios": (3.2, 1)})
        axes.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1.2, label="reliable")
        axes.axhline(forecast.event.mean(), color="0.6", ls=":", lw=1.2, label="event rate")
        axes.vlines(
            mean, points["consistent_low"][used], points["consistent_high"][used], color="0.78", lw=8, label="consistency"
        )
        lengths = [numpy.maximum(observed - low, 0), numpy.maximum(high - observed, 0)]
        axes.errorbar(mean, observed, lengths, fmt="none", ecolor=figures.PALETTE[0], capsize=3, lw=1.4)
        axes.plot(mean, observed, "o-", color=figures.PALETTE[0], label="observed")
        axes.set(
            ylabel="observed frequency",
            xlim=(0, 1),
            ylim=(-0.02, 1.02),
        )
        words = figures.title(title or forecast.name, simulated=forecast.simulated)
        axes.set_title(textwrap.fill(words, TITLE), fontsize=11)
        axes.legend(loc="upper left", fontsize=10)
        below.bar((numpy.arange(BINS) + 0.5) / BINS, points["count"], 0.9 / BINS, color="0.45")
        below.set(xlabel="forecast probability", ylabel="forecasts", yscale="log")
        below.set_ylim(0.8, 2 * points["count"].max())  # a single forecast is seen
        below.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
        below.yaxis.set_minor_formatter(ticker.NullFormatter())
        empty = int((~used).sum())
        if empty:
            below.set_title(f"{empty} of {BINS} bins without forecasts left out above", fontsize=9)
        figures.save(figure, path)


def reliability_points(forecast, bootstrap=None, *, level=0.95):
    """Compute the numbers of a reliability diagram.

    Parameters
    ----------
    forecast : network_models.forecasts.files.Forecasts
    bootstrap : tools.block_bootstrap.BlockBootstrap, optional
    level : float

    Returns
    -------
    dict of str to numpy.ndarray
        (BINS,) each: count; mean forecast; observed frequency; low and high, its interval from the bootstrap;
        consistent_low and consistent_high, between which the frequency of a reliable forecast would lie; independent,
        the number of independent hours that vary as much as those of the bin. NaN in bins without forecasts, and low
        and high also where too few samples have any.

    References
    ----------
    Broecker & Smith 2007, Weather Forecast. 22, 651.

    Notes
    -----
    Their consistency bars hold for independent forecasts. Here the binomial bars are those of the independent hours:
    count x (binomial variance of the frequency) / (variance in the bootstrap), no more than there are.
    """
    from scipy.stats import binom

    place = skill_scores.bin_of(forecast.probability, BINS)
    inside = place[:, None] == numpy.arange(BINS)
    count, total, events = (
        inside.sum(0),
        (inside * forecast.probability[:, None]).sum(0),
        (inside & forecast.event[:, None]).sum(0),
    )
    mean, observed = _share(total, count), _share(events, count)
    low = high = numpy.full(BINS, numpy.nan)
    independent = count.astype("float64")
    if bootstrap is not None:
        drawn = _share(bootstrap.sums(inside & forecast.event[:, None]), bootstrap.sums(inside))
        low, high = interval(drawn, level)
        for number in numpy.flatnonzero(numpy.isfinite(low) & (events > 0) & (events < count)):
            spread = numpy.nanvar(drawn[:, number])
            if spread > 0:
                independent[number] = min(count[number], max(1.0, observed[number] * (1 - observed[number]) / spread))
    whole = numpy.maximum(numpy.round(independent), 1)
    bounds = [_share(binom.ppf(tail, whole, numpy.nan_to_num(mean)), whole) for tail in ((1 - level) / 2, (1 + level) / 2)]
    consistent = [numpy.where(count > 0, bound, numpy.nan) for bound in bounds]
    values = (count, mean, observed, low, high, *consistent, independent)
    names = ("count", "mean", "observed", "low", "high", "consistent_low", "consistent_high", "independent")
    return dict(zip(names, values, strict=True))


def _share(part, count):
    part, count = numpy.asarray(part, "float64"), numpy.asarray(count, "float64")
    return numpy.divide(part, count, out=numpy.full(part.shape, numpy.nan), where=count > 0)


def as_lists(points):
    """Convert arrays to lists, NaN to None, for JSON."""
    return {name: [None if numpy.isnan(value) else float(value) for value in values] for name, values in points.items()}


def curves(path, forecasts, thresholds, scored):
    """Draw ROC, precision-recall and performance diagram side by side.

    Parameters
    ----------
    path : pathlib.Path
    forecasts : dict of str to Forecasts
        Drawn as curves, with the point of their threshold.
    thresholds : dict of str to numpy.ndarray
        Of each hour.
    scored : dict of str to science.verification.scores.Scored
        For the areas in the legend.
    """
    with figures.style():
        figure, (roc, precision, performance) = figures.new(1, 3, figsize=(15, 5.2))
        _performance_lines(performance)
        for (name, forecast), colour in zip(forecasts.items(), _colours(len(forecasts)), strict=True):
            steps = numpy.unique(forecast.probability)[::-1]
            table = skill_scores.contingency_table(forecast.probability, forecast.event, steps)
            detected, false = skill_scores.probability_of_detection(table), skill_scores.probability_of_false_detection(table)
            right = 1 - skill_scores.false_alarm_ratio(table)
            yes = forecast.probability >= thresholds[name]
            point = skill_scores.contingency_table(yes.astype("float64"), forecast.event, 0.5)
            pod = skill_scores.probability_of_detection(point)
            few = {"marker": "o", "ms": 4} if len(steps) < 12 else {}
            value = scored[name].value
            roc.plot([0, *false], [0, *detected], color=colour, label=f"{name}: {value['auc']:.3f}", **few)
            roc.plot(skill_scores.probability_of_false_detection(point), pod, "o", color=colour, mec="black", zorder=3)
            precision.plot(detected, right, color=colour, label=f"{name}: {value['average_precision']:.3f}", **few)
            performance.plot(right, detected, color=colour, lw=1.0, alpha=0.7)
            performance.plot(
                1 - skill_scores.false_alarm_ratio(point), pod, "o", color=colour, mec="black", label=name, zorder=3
            )
        roc.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1)
        event = next(iter(forecasts.values())).event
        precision.axhline(event.mean(), color="0.6", ls="--", lw=1)
        roc.set(xlabel="probability of false detection", ylabel="probability of detection", title="ROC (legend: area)")
        precision.set(xlabel="probability of detection (recall)", ylabel="1 - FAR (precision)")
        precision.set_title("precision-recall (legend: average precision)")
        performance.set(xlabel="success ratio (1 - FAR)", ylabel="probability of detection", title="performance")
        for axes, place in ((roc, "lower right"), (precision, "upper right"), (performance, "lower left")):
            axes.set(xlim=(0, 1.01), ylim=(0, 1.01))
            axes.legend(fontsize=9, loc=place, frameon=True, framealpha=0.8)
        _mark(figure, forecasts)
        figures.save(figure, path)


def _performance_lines(axes):
    """Draw lines of equal CSI and frequency bias (Roebber 2009, Weather Forecast. 24, 601)."""
    ratio, detected = numpy.meshgrid(numpy.linspace(0.005, 1, 200), numpy.linspace(0.005, 1, 200))
    lines = axes.contour(
        ratio, detected, 1 / (1 / ratio + 1 / detected - 1), numpy.arange(0.1, 1, 0.2), colors="0.75", linewidths=0.8
    )
    axes.clabel(lines, fmt="CSI %.1f", fontsize=8)
    for bias in (0.5, 1, 2, 4):
        axes.plot([0, 1], [0, bias], color="0.8", ls=":", lw=0.9)
        edge = (0.97, 0.97 * bias) if bias <= 1 else (0.97 / bias, 0.97)
        axes.text(*edge, f"bias {bias:g}", fontsize=8, color="0.45", ha="right", va="top")


def sweep(path, forecasts, thresholds):
    """Draw TSS and HSS against the threshold, with the threshold that is used (of each fold) marked."""
    steps = numpy.linspace(0, 1, 201)
    with figures.style():
        figure, panels = figures.new(1, 2, figsize=(10.5, 4.4), sharex=True, sharey=True)
        for axes, (label, function) in zip(
            panels, (("TSS", skill_scores.true_skill_statistic), ("HSS", skill_scores.heidke_skill_score)), strict=True
        ):
            for (name, forecast), colour in zip(forecasts.items(), _colours(len(forecasts)), strict=True):
                values = function(skill_scores.contingency_table(forecast.probability, forecast.event, steps))
                axes.plot(steps, values, color=colour, label=name)
                used = numpy.unique(thresholds[name])
                axes.plot(used, numpy.interp(used, steps, values), "o", color=colour, mec="black", zorder=3)
            axes.set(xlabel="threshold of a yes", ylabel=label, xlim=(0, 1), title=f"{label} (points: threshold used)")
            axes.axhline(0, color="0.6", lw=0.8)
        figure.legend(*panels[1].get_legend_handles_labels(), fontsize=10, loc="outside lower center", ncols=4)
        _mark(figure, forecasts)
        figures.save(figure, path)


def comparison(path, scored, *, names=("tss", "brier_skill", "auc"), folds=None, level=0.95, baselines=(), simulated=False):
    """Draw scores with their intervals, forecasts and baselines below one another, folds as small marks."""
    labels = {"tss": "TSS", "brier_skill": "Brier skill", "auc": "ROC area", "hss": "HSS"}
    with figures.style():
        figure, panels = figures.new(1, len(names), figsize=(4.2 * len(names) + 1.5, 0.42 * len(scored) + 1.6), sharey=True)
        rows, known = numpy.arange(len(scored))[::-1], False
        for axes, name in zip(panels, names, strict=True):
            for row, (forecast, score) in zip(rows, scored.items(), strict=True):
                colour = "0.45" if forecast in baselines else figures.PALETTE[0]
                low, high = score.interval(name, level)
                known |= bool(numpy.isfinite([low, high]).all())
                axes.plot([low, high], [row, row], color=colour, lw=2.2)
                axes.plot(score.value[name], row, "s" if forecast in baselines else "o", color=colour, ms=7)
                for number, parts in (folds or {}).items():
                    axes.plot(parts[forecast].value[name], row, alpha=0)  # so that the number lies inside the axes
                    axes.text(
                        parts[forecast].value[name], row + 0.16, str(number), fontsize=8, ha="center", color=figures.PALETTE[1]
                    )
            axes.axvline(0.5 if name == "auc" else 0, color="0.6", lw=0.8, ls="--")
            axes.set_xlabel(labels.get(name, name))
        panels[0].set_yticks(rows, list(scored))
        words = f"{100 * level:g} % intervals" if known else "without intervals: too few days"
        text = f"{words}; baselines grey" + ("; small numbers: folds" if folds else "")
        figure.suptitle(figures.title(text, simulated=simulated), fontsize=11)
        figures.save(figure, path)


def _mark(figure, forecasts):
    """Write above a figure without a title of its own when its forecasts are of simulated data."""
    if any(forecast.simulated for forecast in forecasts.values()):
        figure.suptitle(simulation_mark.WORDS, fontsize=11)


def _colours(count):
    return [figures.PALETTE[number % len(figures.PALETTE)] for number in range(count)]
