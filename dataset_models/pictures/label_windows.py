"""How the windows of a data set make its labels: samples in time, what they see, and what their target looks at."""

import numpy

from dataset_models.pictures import samples
from tools import figures, goes_class
from tools.errors import UserError

ROWS = 8  # samples that are drawn


def draw(path, data, split="training", *, rows=ROWS):
    """Draw consecutive samples below the X-ray flux or the flares of the same days.

    The samples are those around the first change of label, or rise of the target. Each is a row: a dot where an image was
    taken, a bar where its target looks.

    Parameters
    ----------
    path : str or pathlib.Path
    data : dataset_models.solar_data.SolarData
        With `windows`.
    split : str
    rows : int

    Raises
    ------
    UserError
        The data set does not say what its samples see and forecast.
    """
    if not data.windows:
        raise UserError(f"{data.title}: does not say which windows its labels look at (SolarData.windows)")
    times = data.require_samples(split)
    times = times[_chosen(data.targets(split), rows, data.task)]
    begin = min(times[0] + window.begin for window in data.windows)
    end = max(times[-1] + window.end for window in data.windows)
    margin = (end - begin) // 40
    with figures.style():
        shape = {"height_ratios": (1, 1.25), "sharex": True, "figsize": (11, 7.2)}
        figure, (sun, axes) = figures.new(2, 1, **shape)
        _draw_sun(sun, data, begin - margin, end + margin)
        described = set()
        for row, time in enumerate(times):
            target = data.target(time)
            event = data.task == "classification" and target > 0.5
            for window in data.windows:
                colour = "black" if window.kind == "input" else figures.PALETTE[1 if event else 0]
                said = window.name if window.kind == "input" else f"{window.name}{_kind_of(data, event)}"
                words = {} if said in described else {"label": said}
                described.add(said)
                _draw_window(axes, row, time, window, colour, words)
            axes.text(1.01, row, samples.label(data, time, target), va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks(range(len(times)), [samples.clock(time) for time in times])
        axes.set_ylim(len(times) - 0.4, -0.6)
        axes.set_xlim(begin - margin, end + margin)
        axes.set_ylabel("sample")
        figures.utc_axis(axes)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.suptitle(figures.title(f"{data.title}: {data.target_label}", simulated=data.simulated))
        figures.save(figure, path)


def _draw_window(axes, row, time, window, colour, words):
    begin, end = time + window.begin, time + window.end
    if begin == end:
        marker = "o" if window.kind == "input" else "D"
        axes.plot([begin], [row], marker, color=colour, markersize=6, linestyle="none", zorder=3, **words)
    else:
        axes.barh(row, end - begin, left=begin, height=0.5, color=colour, alpha=0.75, linewidth=0, **words)


def _draw_sun(axes, data, begin, end):
    """Draw the flux of a span where the data set has it, else the flares of its list."""
    series, events = getattr(data, "flux_series", None), getattr(data, "events", None)
    threshold = goes_class.to_flux(data.threshold)
    if series is not None:
        inside = (series.minutes >= begin) & (series.minutes <= end)
        axes.plot(series.minutes[inside], series.flux[inside], color="0.35", linewidth=0.8)
        highest = numpy.nanmax(series.flux[inside], initial=threshold)
    else:
        start = events["start"].to_numpy("datetime64[s]") if events is not None else numpy.array([], "datetime64[s]")
        inside = (start >= begin) & (start <= end)
        flux = events["flux"].to_numpy("float64")[inside] if events is not None else numpy.array([])
        lowest, highest = (flux.min(), flux.max()) if len(flux) else (1e-6, threshold)
        if len(flux):
            axes.vlines(start[inside], lowest / 3, flux, color="0.35", linewidth=1)
            axes.plot(start[inside], flux, "o", color="0.35", markersize=3)
        axes.set_ylim(lowest / 3, None)
    axes.axhline(threshold, color=figures.PALETTE[1], linewidth=1, linestyle="--")
    axes.annotate(data.threshold, (1.01, threshold), xycoords=("axes fraction", "data"), va="center", color=figures.PALETTE[1])
    axes.set_yscale("log")
    axes.set_ylim(None, 2 * max(highest, threshold))
    what = "flux" if series is not None else "peak flux of flares"
    axes.set_ylabel(figures.unit(f"{what}\n(W m^-2)"))


def _chosen(targets, rows, task):
    """Choose consecutive samples around the first change of label, or the steepest rise: slice."""
    steps = numpy.diff(targets)
    if task == "classification":
        steps = numpy.abs(steps) > 0.5
    place = int(numpy.argmax(steps)) + 1 if len(steps) else 0
    first = int(numpy.clip(place - rows // 2, 0, max(len(targets) - rows, 0)))
    return slice(first, first + rows)


def _kind_of(data, event):
    return f": label {int(event)}" if data.task == "classification" else ""
