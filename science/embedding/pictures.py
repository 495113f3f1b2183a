"""Pictures of an embedding: scatter plots coloured by value, group and date, and strips of nearest neighbours."""

import numpy

from science.embedding.activations import OUTCOMES, nearest
from tools import figures, goes_class

MANY = 5000  # samples from which on points lie over each other
LEGEND = 6  # entries in a row


def _panels(positions, columns, figsize):
    solid = {"subplot_kw": {"projection": "3d"}} if positions.shape[1] == 3 else {"sharex": True, "sharey": True}
    figure, axes = figures.new(1, columns, figsize=figsize, squeeze=False, **solid)
    for panel in axes[0]:
        panel.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
        if positions.shape[1] == 3:
            panel.set(zlabel="t-SNE 3", zticks=[])
    return figure, list(axes[0])


def _look(positions):
    size = max(12, min(45, 30_000 / len(positions)))  # at least 4 points wide, or shapes are not told apart
    return {"s": size, "linewidths": 0.3, "edgecolors": "0.25", "alpha": 1.0 if len(positions) < MANY else 0.7}


def colours_of(groups, name):
    """Choose the colour that each sample has in the picture of its groups: float64 (n, 3), 0 to 1; see `draw_groups`."""
    from matplotlib import colors

    chosen = _colours(name, _kinds(groups, name))
    return numpy.array([colors.to_rgb(chosen[group]) for group in groups])


def _kinds(groups, name):
    return OUTCOMES if name == "outcome" else tuple(sorted(set(groups)))


def _colours(name, kinds):
    """Choose the colour of each kind: GOES classes go from light to dark, so that a print in grey tells them apart."""
    import matplotlib

    if name == "outcome":
        return dict(zip(OUTCOMES, (figures.PALETTE[2], figures.PALETTE[1], figures.PALETTE[4], "0.72"), strict=True))
    if set(kinds) <= set(goes_class.DECADES):
        shades = matplotlib.colormaps["plasma_r"](numpy.linspace(0.02, 0.98, len(goes_class.DECADES)))
        return {letter: shades[place] for place, letter in enumerate(goes_class.DECADES)}
    return dict(zip(kinds, figures.PALETTE * (1 + len(kinds) // len(figures.PALETTE)), strict=False))


def _heading(figure, activations, data):
    heading = figures.title(f"{activations.layer}: {data.title}", simulated=data.simulated)
    figure.suptitle(f"{heading}\n{data.target_label}", fontsize="medium")


def draw_values(activations, positions, data, path):
    """Draw the samples of each split, coloured by true value and by forecast.

    Parameters
    ----------
    activations : science.embedding.activations.Activations
    positions : numpy.ndarray
        (n, 2) or (n, 3).
    data : SolarData
    path : pathlib.Path
    """
    flux = data.target_quantity == "flux"
    unit = figures.unit(data.target_unit) or ("probability" if data.target_quantity == "event" else data.target_label)
    values = {"true value": activations.truths, "forecast": activations.predictions}
    figure, axes = _panels(positions, 2, (12.5, 5.6))
    norm = _norm(numpy.concatenate(list(values.values())), flux, data.task)
    for panel, (name, colours) in zip(axes, values.items(), strict=True):
        for marker, split in zip(figures.MARKERS, dict.fromkeys(activations.splits), strict=False):
            members = activations.splits == split
            look = {"norm": norm, "cmap": "cividis", "marker": marker, "label": f"{split} ({members.sum()})"}
            drawn = panel.scatter(*positions[members].T, c=colours[members], **look, **_look(positions))
        panel.set_title(name)
    figure.colorbar(drawn, ax=axes, label=unit)
    legend = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    for handle in legend.legend_handles:
        handle.set(array=None, facecolor="0.4", sizes=[40])  # splits differ by shape, not by colour
    _heading(figure, activations, data)
    figures.save(figure, path)


def draw_groups(groups, name, activations, positions, data, path, *, words=""):
    """Draw the samples coloured by group: `groups` are (n,) words, `name` is the legend's title; see `draw_values`.

    `words` stand behind the legend's title: what makes the groups.
    """
    groups = numpy.asarray(groups)
    kinds = _kinds(groups, name)
    colours = _colours(name, kinds)
    classes = name != "outcome" and set(kinds) <= set(goes_class.DECADES)
    shapes = tuple(goes_class.DECADES) if classes else kinds  # a class has its shape in every picture
    figure, (panel,) = _panels(positions, 1, (7.6, 7.2))
    points = {}
    # The rarer kinds are drawn last, over the others.
    for kind in sorted(kinds, key=lambda kind: -(groups == kind).sum()):
        members = groups == kind
        marker = figures.MARKERS[shapes.index(kind) % len(figures.MARKERS)]
        points[kind] = panel.scatter(
            *positions[members].T, color=colours[kind], marker=marker, label=f"{kind} ({members.sum()})", **_look(positions)
        )
    # Below the map: beside it the title, which is centred on the whole figure, would run into it.
    handles = [points[kind] for kind in kinds]
    heading = f"{name}: {words}" if words else name
    legend = figure.legend(handles=handles, loc="outside lower center", title=heading, ncols=min(len(kinds), LEGEND))
    for handle in legend.legend_handles:
        handle.set(sizes=[40])
    _heading(figure, activations, data)
    figures.save(figure, path)


def draw_dates(activations, positions, data, path):
    """Draw the samples coloured by date; arguments of `draw_values`."""
    from matplotlib import dates

    figure, (panel,) = _panels(positions, 1, (8.2, 6.4))
    days = dates.date2num(activations.times)
    drawn = panel.scatter(*positions.T, c=days, cmap="viridis", **_look(positions))
    short = numpy.ptp(days) < 5
    form = dates.DateFormatter("%Y-%m-%d %H:%M" if short else "%Y-%m-%d")
    locator = dates.AutoDateLocator(maxticks=8)
    locator.intervald[dates.MONTHLY] = [1, 2, 3, 4, 6, 12]  # matplotlib's own end at 6, too many for four years
    figure.colorbar(drawn, ax=panel, ticks=locator, format=form, label="time (UTC)")
    _heading(figure, activations, data)
    figures.save(figure, path)


def draw_strip(activations, data, index, count, path):
    """Draw the image of sample `index` and of its `count` nearest neighbours in a row."""
    neighbours, distances = nearest(activations.vectors, index, count)
    channel = data.channels[0]
    places = [index, *neighbours]
    images = [data.inputs(activations.times[place])[data.image_inputs[0]][..., 0] for place in places]
    table, norm = figures.image_look(numpy.stack(images), channel.colour_table, logarithmic=channel.logarithmic)
    figure, axes = figures.new(1, len(places), figsize=(2.3 * len(places), 3.5))
    for axis, image, place, distance in zip(axes, images, places, [None, *distances], strict=True):
        axis.imshow(image, cmap=table, norm=norm)
        axis.set(xticks=[], yticks=[])
        truth, forecast = activations.truths[place], activations.predictions[place]
        if data.target_quantity == "flux":
            words = f"was {goes_class.from_flux(truth)}, forecast {goes_class.from_flux(max(forecast, 1e-9))}"
        elif data.task == "classification":
            words = f"{'event' if truth > 0.5 else 'no event'}, forecast {forecast:.2f}"
        else:
            words = f"was {truth:.3g}, forecast {forecast:.3g}"
        where = "this image" if distance is None else f"distance {distance:.3g}"
        axis.set_title(f"{where}\n{str(activations.times[place])[:16].replace('T', ' ')}\n{words}", fontsize=9)
    heading = f"Nearest neighbours by {activations.layer}, {channel.name}: {data.title}"
    figure.suptitle(figures.title(heading, simulated=data.simulated), fontsize=11)
    figures.save(figure, path)


def _norm(values, flux, task):
    from matplotlib import colors

    if task == "classification":
        return colors.Normalize(0, 1)
    if flux:
        values = numpy.maximum(values, 1e-9)  # a forecast delta can lead below zero
        return colors.LogNorm(values.min(), max(values.max(), 1.01 * values.min()), clip=True)
    return colors.Normalize(values.min(), values.max())
