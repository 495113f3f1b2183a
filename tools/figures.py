"""One look for every picture: style, UTC axes, the instruments' colour tables, signed maps.

Pictures are drawn on `matplotlib.figure.Figure` objects, never through pyplot: there is no window, no global state and
nothing to close.
"""

import contextlib
import functools
import io
import pathlib
import re
import sys

import numpy

from tools import atomic_files
from tools.errors import UserError

# Okabe & Ito (2008), told apart with every common colour vision; yellow is left out because it vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
SIGNED = "RdBu_r"  # blue below zero, red above
STRENGTH = "#C800C8"  # of maps without a sign over an image: neither of the colours of signs, nor of grey
QUIET = 45.0  # percent of the pixels of a map without a sign that are not drawn over the image

FORMATS = ("pdf", "svg")  # beside PNG: --format, see `tools.command_line.parser`
SIMULATED = "simulated, not observed"  # in the metadata of a picture whose titles say that it is
_METADATA = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}  # same figure, same file
_REMARKS = {".png": "Comment", ".pdf": "Keywords", ".svg": "Keywords", ".gif": "comment"}  # where metadata have a remark
_WORD = re.compile(r"(?<![\w./-])simulated(?![\w/-]|\.\w)", re.IGNORECASE)  # no part of a path
_chosen = []
_SHOWN_DPI = 80  # of pictures inside a notebook, which keeps them


@contextlib.contextmanager
def style():
    """Matplotlib's settings for all figures of the project, inside a ``with`` block."""
    import cycler
    import matplotlib

    settings = {
        "axes.prop_cycle": cycler.cycler(color=PALETTE),
        "axes.titlesize": "medium",
        "figure.titlesize": "large",
        "figure.constrained_layout.use": True,
        "font.size": 12,
        "image.interpolation": "nearest",
        "image.origin": "upper",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "pdf.fonttype": 42,  # TrueType, as journals ask
        "savefig.dpi": 120,
        "svg.hashsalt": "solar",
    }
    with matplotlib.rc_context(settings):
        yield


def new(rows=1, columns=1, *, figsize=None, **keywords):
    """Make a figure and its axes.

    Parameters
    ----------
    rows, columns : int
    figsize : tuple of float, optional
        Width and height in inches.
    **keywords
        Passed on to `matplotlib.figure.Figure.subplots`, for example ``squeeze=False``.

    Returns
    -------
    matplotlib.figure.Figure, matplotlib.axes.Axes or numpy.ndarray of them
    """
    figure = _figure_class()(figsize=figsize, layout="constrained")
    return figure, figure.subplots(rows, columns, **keywords)


def tiles(rows, columns, *, side, caption=0.0, header=0.5, least_width=0.0):
    """Make a figure of small images at fixed places, without frames: constrained layout would take longer than to draw them.

    Parameters
    ----------
    rows, columns : int
    side : float
        Height and width of an image, inches.
    caption : float
        Room above each of them, for the title of its axes, inches.
    header : float
        Room for the title of all, inches.
    least_width : float
        Of the figure, inches.

    Returns
    -------
    matplotlib.figure.Figure, numpy.ndarray of matplotlib.axes.Axes
        Shape (rows, columns).
    """
    gap = 0.1
    width, height = max(columns * (side + gap) + gap, least_width), header + rows * (side + caption + gap) + gap
    begin = (width - columns * (side + gap) + gap) / 2
    figure = _figure_class()(figsize=(width, height), layout="none")
    axes = numpy.empty((rows, columns), object)
    for row, column in numpy.ndindex(rows, columns):
        left, bottom = begin + column * (side + gap), height - header - (row + 1) * (side + caption + gap) + gap
        axes[row, column] = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes[row, column].set_axis_off()
    return figure, axes


@functools.cache
def _figure_class():
    """Return the class of figures: matplotlib's, which IPython would show of pyplot alone."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that shows itself in a notebook."""

        def _repr_png_(self):
            return png(self)

    return ShownFigure


def png(figure):
    """Write a figure as PNG: bytes, the same for the same figure."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=_SHOWN_DPI, metadata={"Software": None})
        return file.getvalue()


def choose_formats(formats):
    """Let `save` write these of `FORMATS` beside each picture from now on, in this process, instead of those before."""
    _chosen[:] = dict.fromkeys(formats)


def chosen_formats():
    """List the formats of `choose_formats`: tuple of str."""
    return tuple(_chosen)


def save(figure, path, *, formats=None):
    """Write a figure, and beside it in further formats, each file complete or not at all.

    Where a title says simulated, see `title`, the metadata of the files do as well: `SIMULATED`.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or pathlib.Path
        Its suffix gives the format.
    formats : sequence of str, optional
        Beside it; by default those that the user chose, see `choose_formats`.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    path = pathlib.Path(path)
    beside = [path.with_suffix(f".{kind}") for kind in (_chosen if formats is None else formats)]
    files = list(dict.fromkeys((path, *beside)))
    for file in files:
        with atomic_files.replacing(file) as temporary:
            figure.savefig(temporary, metadata=metadata(figure, temporary.suffix))
    return files


def metadata(figure, suffix):
    """List what is written into the file of a figure beside the drawing: dict of str to str or None.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    suffix : str
        Of the file: ".png", ".pdf", ".svg", ".gif".
    """
    titles = [axes.get_title(place) for axes in figure.axes for place in ("left", "center", "right")]
    marked = any(_says_simulated(text) for text in (*titles, *(text.get_text() for text in figure.texts)))
    remark = {_REMARKS[suffix]: SIMULATED} if marked and suffix in _REMARKS else {}
    return _METADATA.get(suffix, {}) | remark


def pictures_of(*paths):
    """List pictures that were written.

    Parameters
    ----------
    *paths : str or pathlib.Path
        Pictures, or folders of which every ``.png`` is meant. What was not drawn, since there was nothing to draw, is left out.

    Returns
    -------
    list of pathlib.Path
    """
    pictures = [picture for path in map(pathlib.Path, paths) for picture in (sorted(path.glob("*.png")) or [path])]
    return [picture for picture in pictures if picture.is_file()]


def show(*paths):
    """Show pictures that were written, in a notebook; elsewhere print where they are. Arguments as of `pictures_of`."""
    pictures = pictures_of(*paths)
    kernel = sys.modules.get("IPython")  # imported by Jupyter before any cell runs
    if kernel is None or kernel.get_ipython() is None:
        print("\n".join(map(str, pictures)))
        return
    from IPython import display

    for picture in pictures:
        display.display(display.Image(str(picture)))


def title(text, *, simulated):
    """Write a title, with the word simulated where it stands over simulated data: str."""
    return f"{text} (simulated)" if simulated and not _says_simulated(text) else text


def _says_simulated(text):
    return _WORD.search(text) is not None


def unit(text):
    """Write the powers of a unit as matplotlib draws them: str.

    Examples
    --------
    >>> unit("W m^-2")
    'W m$^{-2}$'
    """
    return re.sub(r"\^(-?\d+)", r"$^{\1}$", text)


def utc_axis(axes, *, label="time (UTC)"):
    """Give the x axis of `axes` short UTC dates."""
    from matplotlib import dates

    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_xlabel(label)


@functools.cache  # matplotlib copies one each time that it is asked for it
def colour_table(name):
    """Look up a colour map by name, sunpy's included (``"sdoaia171"``, ``"hmimag"``): `matplotlib.colors.Colormap`.

    Raises
    ------
    UserError
        There is no such colour map.
    """
    import matplotlib

    if name not in matplotlib.colormaps:
        import sunpy.visualization.colormaps  # noqa: F401 - registers sunpy's with matplotlib
    if name not in matplotlib.colormaps:
        raise UserError(f"colour table {name!r}: neither matplotlib nor sunpy has it; change the channel of the data set")
    return matplotlib.colormaps[name]


def image_norm(image, *, logarithmic=False):
    """Choose how the values of an image become brightness.

    Parameters
    ----------
    image : numpy.ndarray
        NaN is allowed and stays blank.
    logarithmic : bool
        For intensities: log10(1 + x), which networks see as well.

    Returns
    -------
    matplotlib.colors.Normalize
        Symmetric about 0 when the image has both signs (a magnetogram); else from the lowest to the highest value. The
        outermost 0.1 % are clipped.
    """
    from matplotlib import colors

    values = image[numpy.isfinite(image)]
    low, high = numpy.percentile(values, (0.1, 99.9)) if values.size else (0.0, 1.0)
    if not logarithmic and low < 0 < high:
        high = max(-low, high)
        return colors.Normalize(-high, high, clip=True)
    if not high > low:
        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        high = high if high > low else low + 1
    if logarithmic:
        functions = (lambda x: numpy.log10(1 + numpy.maximum(x, 0)), lambda y: 10.0**y - 1)
        return colors.FuncNorm(functions, max(low, 0.0), max(high, 1e-6), clip=True)
    return colors.Normalize(low, high, clip=True)


def image_look(image, table, *, logarithmic=False):
    """Colour map and scale of one channel: a `matplotlib.colors.Colormap` and a `matplotlib.colors.Normalize`.

    The steps of ``"hmimag"`` stand for fixed field strengths, to 1500 gauss; magnetograms scaled to grey levels have
    none and are drawn grey.
    """
    from matplotlib import colors

    norm = image_norm(image, logarithmic=logarithmic)
    if table != "hmimag":
        return colour_table(table), norm
    return (colour_table(table), colors.Normalize(-1500, 1500)) if norm.vmin < 0 else (colour_table("gray"), norm)


def signed_norm(values, *, percentile=99.8):
    """Make a scale symmetric about zero for signed maps, so that zero is white.

    Parameters
    ----------
    values : numpy.ndarray
    percentile : float
        Of the absolute values, where the scale ends: single pixels do not hide the rest.

    Returns
    -------
    matplotlib.colors.Normalize
    """
    from matplotlib import colors

    size = numpy.abs(values[numpy.isfinite(values)])
    limit = float(numpy.percentile(size, percentile)) if size.size else 0.0
    limit = limit or float(size.max(initial=0.0)) or 1.0
    return colors.Normalize(-limit, limit, clip=True)


def show_image(axes, image, *, table="gray", unit="", logarithmic=False, extent=None, names=(), bar=True):
    """Draw one channel of an image, row 0 at the top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    image : numpy.ndarray
        (height, width).
    table : str
        Colour table.
    unit : str
        For the colour bar.
    logarithmic : bool
        See `image_norm`.
    extent : tuple of float, optional
        West limits and south-north limits in arcsec (left, right, bottom, top); without it axes count pixels.
    names : tuple of str, optional
        Column and row, where pixels are no places on the sky.
    bar : bool
        Draw a colour bar.
    """
    from matplotlib import ticker

    colours, norm = image_look(image, table, logarithmic=logarithmic)
    drawn = axes.imshow(image, cmap=colours, norm=norm, extent=extent)
    label_sky(axes, extent, names)
    if bar:
        colour_bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, label=unit)
        if logarithmic:
            colour_bar.set_ticks(decade_ticks(norm.vmin, norm.vmax))
            colour_bar.ax.minorticks_off()
        else:
            colour_bar.locator = ticker.MaxNLocator(5)
            colour_bar.update_ticks()
    return drawn


def decade_ticks(low, high):
    """Choose the ticks of a logarithmic colour bar between two values: powers of ten, or finer ones where fewer than three fit.

    Returns
    -------
    numpy.ndarray
        float64, in order.
    """
    from matplotlib import ticker

    powers = 10.0 ** numpy.arange(8)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = numpy.array([0.0, *numpy.outer(powers, steps).ravel()])
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 3:
            return ticks
    ticks = ticker.MaxNLocator(4).tick_values(low, high)
    return ticks[(ticks >= low) & (ticks <= high)]


def show_signed(axes, values, *, label="", extent=None, names=(), bar=True):
    """Draw a signed map (height, width) on a scale symmetric about zero; arguments as of `show_image`."""
    drawn = axes.imshow(values, cmap=SIGNED, norm=signed_norm(values), extent=extent)
    label_sky(axes, extent, names)
    if bar:
        colour_bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, label=label, extend="both")
        colour_bar.formatter.set_powerlimits((-2, 3))
    return drawn


def show_overlay(axes, image, values, *, table="gray", logarithmic=False, extent=None, names=()):
    """Draw a map over the image it belongs to, in grey: the stronger, the more opaque. Arguments as of `show_image`.

    The colours of a signed map are those of its signs. One without negative values has a colour of its own, and its
    weakest `QUIET` % are transparent: weights that are nowhere 0 would hide the image.
    """
    from matplotlib import colors

    _, norm = image_look(image, table, logarithmic=logarithmic)
    axes.imshow(image, cmap="gray", norm=norm, extent=extent)
    label_sky(axes, extent, names)
    most = signed_norm(values).vmax
    signed = bool((values < 0).any())
    finite = values[numpy.isfinite(values)]
    least = 0.0
    if not signed and finite.size:
        quiet = numpy.percentile(finite, QUIET, method="lower")
        least = float(min(quiet, finite.min() + 0.5 * numpy.ptp(finite)))  # of a patch larger than that, all is shown
    strength = (numpy.abs(values) - least) / (most - least) if most > least else numpy.ones(values.shape)
    look = {"cmap": SIGNED, "vmin": -1.3, "vmax": 1.3} if signed else {"cmap": colors.ListedColormap([STRENGTH])}
    alpha = numpy.clip(numpy.nan_to_num(strength), 0, 1)
    axes.imshow(numpy.sign(values), alpha=alpha, extent=extent, **look)


def overlay_bars(figure, axes, image, unit, *, logarithmic=False):
    """Draw beside many panels the colour bars of their image and of the maps over it, which share one: from `show_overlay`.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    axes : numpy.ndarray of matplotlib.axes.Axes
        (rows, columns).
    image : matplotlib.image.AxesImage
        As `show_image` returns it.
    unit : str
        Of the image.
    logarithmic : bool
    """
    from matplotlib import cm, colors

    height = {"aspect": 25, "shrink": min(1.0, 1.6 / len(axes)), "pad": 0.01}
    bar = figure.colorbar(image, ax=axes, label=f"image ({unit})" if unit else "image", anchor=(0, 1), **height)
    if logarithmic:
        bar.set_ticks(decade_ticks(image.norm.vmin, image.norm.vmax))
        bar.ax.minorticks_off()
    maps = cm.ScalarMappable(colors.Normalize(-1, 1), SIGNED)
    figure.colorbar(maps, ax=axes, label="map, of its strongest", ticks=(-1, 0, 1), anchor=(0, 1), **height)


def overlay_key(maps):
    """Write what the colours of `show_overlay` mean for some maps: str.

    Examples
    --------
    >>> overlay_key([numpy.array([[0.1, 0.9]])]), overlay_key([numpy.array([[-1.0, 2.0]])])
    ('purple: strength, without a sign', 'blue: against it, red: for it')
    """
    signed = {bool((values < 0).any()) for values in maps}
    words = {True: "blue: against it, red: for it", False: "purple: strength, without a sign"}
    return "; ".join(words[kind] for kind in (True, False) if kind in signed)


def label_sky(axes, extent, names=()):
    """Label the axes of an image: arcsec when it has an extent, else pixels, or the names of column and row where given."""
    if extent is None:
        across, down = names or ("column (pixels, to the west)", "row (pixels, to the south)")
        axes.set(xlabel=across, ylabel=down)
    else:
        axes.set(xlabel="solar x (arcsec)", ylabel="solar y (arcsec)")


def extent_of(header, shape):
    """Find where an image lies on the sky.

    Parameters
    ----------
    header : astropy.io.fits.Header or None
    shape : tuple of int
        (height, width).

    Returns
    -------
    tuple of float or None
        (left, right, bottom, top) in arcsec; None without a header, or when the image is not in arcsec with north up.
    """
    if header is None or any(key not in header for key in ("CDELT1", "CDELT2", "CRPIX1", "CRPIX2")):
        return None
    if any(str(header.get(f"CUNIT{axis}", "")).strip() != "arcsec" for axis in (1, 2)):
        return None
    if abs(float(header.get("CROTA2", 0.0))) > 0.1 or abs(float(header.get("PC1_2", 0.0))) > 2e-3:
        return None
    limits = []
    for axis, count in ((1, shape[1]), (2, shape[0])):
        scale, reference = float(header[f"CDELT{axis}"]), float(header[f"CRPIX{axis}"])
        start = float(header.get(f"CRVAL{axis}", 0.0)) + (0.5 - reference) * scale
        limits += [start, start + count * scale]
    return tuple(limits)
