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
    before, after = middle_frame(images), middle_frame(rebuilt)
    difference = after - before
    limit = max(float(numpy.percentile(numpy.abs(difference), 99.8)), 1e-3)
    count = len(before)
    grey = ("gray", *grey_range(before))
    with figures.style():
        figure, axes = figures.new(3, count, figsize=(max(1.5 * count + 1.3, 6), 5.4), squeeze=False)
        rows = ((before, "image", *grey), (after, "reconstruction", *grey))
        rows = (*rows, (difference, "difference", figures.SIGNED, -limit, limit))
        for panels, (values, label, table, low, high) in zip(axes, rows, strict=True):
            for panel, value in zip(panels, values, strict=True):
                drawn = panel.imshow(value, cmap=table, vmin=low, vmax=high)
                panel.set(xticks=[], yticks=[])
            panels[0].set_ylabel(label, fontsize="small")
            figure.colorbar(drawn, ax=list(panels), shrink=0.9, aspect=12, ticks=[low, (low + high) / 2, high], format="%.2g")
        for panel, label in zip(axes[0], labels, strict=False):
            panel.set_title(label, fontsize=9)
        figure.suptitle(title, fontsize=11)
        figures.save(figure, path)


def grid(path, images, *, columns=8, title=""):
    """Draw images in rows of `columns`; arguments as of `reconstructions`."""
    shown = middle_frame(images)
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    low, high = grey_range(shown)
    with figures.style():
        figure, axes = figures.new(rows, columns, figsize=(max(1.4 * columns, 6), 1.4 * rows + 0.5), squeeze=False)
        for place, panel in enumerate(axes.flat):
            if place < len(shown):
                panel.imshow(shown[place], cmap="gray", vmin=low, vmax=high)
            panel.axis("off")
        figure.suptitle(title, fontsize=11)
        figures.save(figure, path)
