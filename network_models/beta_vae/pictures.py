"""Grids of images of 0 to 1, as beta-VAEs take and return them."""

import numpy

from tools import figures


def middle_frame(images):
    """Take the first channel, and of sequences the last frame: (n, ...) -> (n, height, width)."""
    return images[:, -1, ..., 0] if images.ndim == 5 else images[..., 0]


def grey_range(images):
    """Choose the values drawn black and white: 0 and 1, or less than 1 for white where no image comes near: float, float."""
    brightest = float(images.max())
    return 0.0, brightest if 0 < brightest < 0.5 else 1.0


def reconstructions(path, images, rebuilt, *, labels=(), title=""):
    """Draw images, what became of them, and the signed difference, as three rows.

    Parameters
    ----------
    path : pathlib.Path
    images, rebuilt : numpy.ndarray
        (n, height, width, channel) or (n, frames, height, width, channel); of sequences the last frame is drawn.
    labels : sequence of str
        Over the columns.
    title : str
    """
    from matplotlib.figure import Figure

    before, after = middle_frame(images), middle_frame(rebuilt)
    difference = after - before
    limit = max(float(numpy.percentile(numpy.abs(difference), 99.8)), 1e-3)
    count = len(before)
    grey = ("gray", *grey_range(before))
    with figures.style():
        width, height = max(1.5 * count + 1.6, 6), 5.4
        figure = Figure(figsize=(width, height), layout="none")  # constrained layout takes longer than all the rest
        places = {"left": 0.4 / width, "right": 1 - 1.1 / width, "bottom": 0.1 / height, "top": 1 - 0.7 / height}
        axes = figure.subplots(3, count, squeeze=False, gridspec_kw={**places, "wspace": 0.06, "hspace": 0.06})
        rows = ((before, "image", *grey), (after, "reconstruction", *grey))
        rows = (*rows, (difference, "difference", figures.SIGNED, -limit, limit))
        for panels, (values, label, table, low, high) in zip(axes, rows, strict=True):
            for panel, value in zip(panels, values, strict=True):
                drawn = panel.imshow(value, cmap=table, vmin=low, vmax=high)
                panel.set(xticks=[], yticks=[])
            panels[0].set_ylabel(label, fontsize="small")
            place = panels[-1].get_position()
            bar = figure.add_axes((1 - 0.95 / width, place.y0 + 0.05 * place.height, 0.12 / width, 0.9 * place.height))
            figure.colorbar(drawn, cax=bar, ticks=[low, (low + high) / 2, high], format="%.2g")
        for panel, label in zip(axes[0], labels, strict=False):
            panel.set_title(label, fontsize=9)
        figure.text(0.5, 1 - 0.1 / height, title, ha="center", va="top", fontsize=11)
        figures.save(figure, path)


def grid(path, images, *, columns=8, title=""):
    """Draw images in rows of `columns`; arguments as of `reconstructions`."""
    shown = middle_frame(images)
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    low, high = grey_range(shown)
    with figures.style():
        figure, axes = figures.tiles(rows, columns, side=1.3, least_width=6)
        for panel, image in zip(axes.flat, shown, strict=False):
            panel.imshow(image, cmap="gray", vmin=low, vmax=high)
        figure.text(0.5, 1 - 0.1 / figure.get_figheight(), title, ha="center", va="top", fontsize=11)
        figures.save(figure, path)
