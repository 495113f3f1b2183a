"""Colours of pictures undone to grey, by the table of the instrument that they were made with."""

import functools

import numpy

from tools.errors import UserError

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, as JPEG stores it: at full resolution, unlike colour
_DARK = 25.0  # luminance below which JPEG leaves no colour to judge by
_MOST_AWAY = 15.0  # median difference from the table's colours: genuine pictures have 2 to 6, of other tables from 28 on


@functools.cache
def table(name):
    """Look up a colour table of sunpy's: float32 (256, 3), red, green and blue, 0 to 255.

    Parameters
    ----------
    name : str
        As sunpy has it: ``"sdoaia304"``.
    """
    from sunpy.visualization import colormaps

    return (colormaps.cmlist[name](numpy.arange(256))[:, :3] * 255).round().astype("float32")


def to_grey(colours, name, path, *, others=()):
    """Undo a colour table: the grey level whose colour is as bright as each pixel's.

    Parameters
    ----------
    colours : numpy.ndarray
        uint8 (height, width, 3).
    name : str
        Of the table, see `table`.
    path : str or pathlib.Path
        Named in errors.
    others : sequence of str
        Tables that an error may say it was.

    Returns
    -------
    numpy.ndarray
        float32 (height, width), 0 to 255.

    Raises
    ------
    UserError
        The picture is dark, or its colours are not those of the table.

    Notes
    -----
    Brightness alone decides: most JPEGs store colour at half the resolution, which would smear the edges of what is bright.
    """
    grey, away = _undone(colours, name)
    if numpy.isnan(away):
        raise UserError(f"{path}: is dark everywhere, which is no picture of the Sun; leave it out")
    if away > _MOST_AWAY:
        matching = next((other for other in others if other != name and _undone(colours, other)[1] <= _MOST_AWAY), None)
        found = f"those of {matching}" if matching else "those of another table"
        raise UserError(f"{path}: its colours are not those of {name} but {found}; leave it out, or correct its name")
    return grey


def _undone(colours, name):
    """Find grey levels, and the median difference of their colours from those of the picture, NaN where it is dark."""
    entries = table(name)
    weights = numpy.array(_LUMINANCE, "float32")
    luminance = colours.astype("float32") @ weights
    levels = numpy.maximum.accumulate(entries @ weights)
    grey = numpy.interp(luminance, levels, numpy.arange(256)).astype("float32")
    some = (slice(None, None, 4),) * 2
    seen = luminance[some] > _DARK
    if seen.mean() < 0.01:
        return grey, numpy.nan
    back = entries[grey[some][seen].round().astype("int64")]
    return grey, float(numpy.median(numpy.abs(back - colours[some][seen]).max(axis=-1)))
