"""One picture of many images, to look at what a conversion has made."""

import numpy

from tools import figures

MOST = 48
_THUMBNAIL = 160  # pixels


def pick(items):
    """Pick at most `MOST` of a sequence, evenly spread over it, its first and last among them: list."""
    items = list(items)
    if len(items) <= MOST:
        return items
    return [items[place] for place in numpy.linspace(0, len(items) - 1, MOST).round().astype(int)]


def write(path, images, *, title, table="gray", logarithmic=False):
    """Draw images in rows, each with its label above it, all on one scale.

    Parameters
    ----------
    path : str or pathlib.Path
        A ``.png``.
    images : dict of str to numpy.ndarray
        Label and image (height, width), row 0 at the top. Drawn in their order.
    title : str
    table : str
        Colour table.
    logarithmic : bool
        For intensities.
    """
    columns = min(8, max(1, len(images)))
    rows = -(-len(images) // columns)
    thumbnails = {label: _thumbnail(image) for label, image in images.items()}
    norm = figures.image_norm(numpy.stack(list(thumbnails.values())), logarithmic=logarithmic)
    with figures.style():
        figure, axes = figures.new(rows, columns, figsize=(1.75 * columns, 1.95 * rows + 0.6), squeeze=False)
        for place in axes.flat:
            place.set_axis_off()
        for place, (label, image) in zip(axes.flat, thumbnails.items(), strict=False):
            place.imshow(image, cmap=figures.colour_table(table), norm=norm)
            place.set_title(label, fontsize=8, pad=2)
        figure.suptitle(title, fontsize=11)
        figures.save(figure, path)


def _thumbnail(image):
    from PIL import Image

    small = Image.fromarray(numpy.asarray(image, "float32"))
    side = min(_THUMBNAIL, *small.size)
    return numpy.asarray(small.resize((side, side), Image.Resampling.BOX))
