"""Limb, heliographic grid and known places on an image of the Sun."""

import numpy

from dataset_models.images.geometry import SOLAR_RADIUS
from tools import figures
from tools.errors import UserError


def solar_radius(header):
    """Find the radius of the disk in arcsec: the header's, else that at its distance or date."""
    for key in ("RSUN_OBS", "R_SUN"):
        if header.get(key):
            return float(header[key]) * (1.0 if key == "RSUN_OBS" else float(header["CDELT1"]))
    if header.get("DSUN_OBS"):
        return float(numpy.degrees(numpy.arcsin(SOLAR_RADIUS / float(header["DSUN_OBS"]))) * 3600)
    from sunpy.coordinates import sun

    return float(sun.angular_radius(header["DATE-OBS"]).to_value("arcsec"))


def projected(header, places):
    """Project places on the visible disk to arcsec: list of (name, x, y)."""
    visible = []
    for name, longitude, latitude in places:
        x, y, front = _project(header, numpy.array([longitude]), numpy.array([latitude]))
        if front[0]:
            visible.append((name, float(x[0]), float(y[0])))
    return visible


def pixels(header, shape, longitude, latitude):
    """Find where places on the Sun are in an image.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Of it, in FITS order, see `SolarData.image_header`.
    shape : tuple of int
        (height, width, ...).
    longitude, latitude : array_like
        Stonyhurst degrees, of the same shape.

    Returns
    -------
    row, column : numpy.ndarray
        float64, from 0, row 0 north.
    seen : numpy.ndarray
        Whether the place is on the visible side: bool.
    """
    x, y, front = _project(header, numpy.asarray(longitude, "float64"), numpy.asarray(latitude, "float64"))
    column = header["CRPIX1"] - 1 + (x - header.get("CRVAL1", 0.0)) / header["CDELT1"]
    row = shape[0] - header["CRPIX2"] - (y - header.get("CRVAL2", 0.0)) / header["CDELT2"]
    return row, column, front


def cut_out(image, header, longitude, latitude, *, width):
    """Cut a square around a place on the disk.

    Parameters
    ----------
    image : numpy.ndarray
        (height, width, ...), row 0 north.
    header : astropy.io.fits.Header
        Of it, in FITS order, see `SolarData.image_header`.
    longitude, latitude : float
        Of its middle, Stonyhurst degrees.
    width : int
        Pixels on a side; near the edge of the image the square is moved inside.

    Returns
    -------
    numpy.ndarray
        (width, width, ...), a copy.

    Raises
    ------
    UserError
        The place is behind the limb, or the image smaller than the square.
    """
    found = projected(header, [("", longitude, latitude)])
    if not found:
        raise UserError(f"longitude {longitude:g}, latitude {latitude:g}: is behind the limb")
    if min(image.shape[:2]) < width:
        raise UserError(f"a cut-out of {width} pixels needs a larger image than {image.shape[1]} x {image.shape[0]}")
    row, column, _ = pixels(header, image.shape, longitude, latitude)
    top, left = (
        int(numpy.clip(round(middle - (width - 1) / 2), 0, size - width))
        for middle, size in zip((row, column), image.shape, strict=False)
    )
    return image[top : top + width, left : left + width].copy()


def draw(axes, header, places=(), *, colour="0.45", limb=None):
    """Draw limb, heliographic grid (15 degrees) and known places on axes in arcsec.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    header : astropy.io.fits.Header
    places : sequence of (str, float, float)
    colour : str
    limb : float, optional
        Longitude east and west of which flares are near the limb, degrees: drawn as dashed meridians.
    """
    radius = solar_radius(header)
    limits = axes.get_xlim(), axes.get_ylim()
    angle = numpy.linspace(0, 2 * numpy.pi, 361)
    axes.plot(radius * numpy.cos(angle), radius * numpy.sin(angle), color=colour, lw=1.2)
    line = numpy.linspace(-90, 90, 91)
    for degrees in range(-75, 90, 15):
        for longitude, latitude in ((numpy.full(91, float(degrees)), line), (line, numpy.full(91, float(degrees)))):
            x, y, front = _project(header, longitude, latitude)
            axes.plot(numpy.where(front, x, numpy.nan), numpy.where(front, y, numpy.nan), color=colour, lw=0.4, alpha=0.7)
    if limb is not None:
        for longitude in (-limb, limb):
            x, y, front = _project(header, numpy.full(91, longitude), line)
            x, y = numpy.where(front, x, numpy.nan), numpy.where(front, y, numpy.nan)
            axes.plot(x, y, color="black", lw=1.8)  # an edge that shows on bright and dark
            axes.plot(x, y, color=figures.PALETTE[4], lw=1.0, ls=(0, (4, 2)))
    found = projected(header, places)
    for _, x, y in found:
        axes.plot(x, y, "o", mfc="none", mec="black", ms=16, mew=2.4)
        axes.plot(x, y, "o", mfc="none", mec="#E69F00", ms=16, mew=1.2)
    for name, x, y in labels(found, apart=_APART * radius):
        offset, side = ((-9, 9), "right") if x > 0 else ((9, 9), "left")  # towards the middle: never out of the picture
        axes.annotate(name, (x, y), offset, textcoords="offset points", ha=side, fontsize=9, color="black", bbox=_BOX)
    axes.set(xlim=limits[0], ylim=limits[1])


def labels(found, *, apart):
    """Join the names of places that lie so near each other that one would cover the other.

    Parameters
    ----------
    found : sequence of (str, float, float)
        Names and places, as of `projected`.
    apart : float
        In the unit of the places.

    Returns
    -------
    list of (str, float, float)
        Where the first of each group is; different names a line each.

    Examples
    --------
    >>> labels([("M1.6", 0.0, 0.0), ("C2.0", 900.0, 0.0), ("M1.1", 30.0, 0.0), ("M1.6", 0.0, 20.0)], apart=100.0)
    [('M1.6\\nM1.1', 0.0, 0.0), ('C2.0', 900.0, 0.0)]
    """
    groups = []
    for name, x, y in found:
        near = next((group for group in groups if numpy.hypot(x - group[1], y - group[2]) < apart), None)
        if near is None:
            groups.append(([name], x, y))
        elif name not in near[0]:
            near[0].append(name)
    return [("\n".join(names), x, y) for names, x, y in groups]


_APART = 0.2  # solar radii between labels
_BOX = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def _project(header, longitude, latitude):
    """Project Stonyhurst degrees to arcsec on the sky, and whether they are on the visible side."""
    tilt = numpy.radians(float(header.get("CRLT_OBS", header.get("HGLT_OBS", 0.0)) or 0.0))
    west = numpy.radians(longitude - float(header.get("HGLN_OBS", 0.0) or 0.0))
    north = numpy.radians(latitude)
    radius = solar_radius(header)
    towards = numpy.sin(north) * numpy.sin(tilt) + numpy.cos(north) * numpy.cos(tilt) * numpy.cos(west)
    # Perspective: the limb lies where the line of sight touches the surface, nearer than 90 degrees.
    size = numpy.sin(numpy.radians(radius / 3600))
    scale = radius * numpy.cos(numpy.radians(radius / 3600)) / (1 - towards * size)
    x = scale * numpy.cos(north) * numpy.sin(west)
    y = scale * (numpy.sin(north) * numpy.cos(tilt) - numpy.cos(north) * numpy.sin(tilt) * numpy.cos(west))
    return x, y, towards > size


def stonyhurst(header, x, y):
    """Find the place on the Sun that is seen at a place on the sky, as `projected` has it.

    Parameters
    ----------
    header : astropy.io.fits.Header
    x, y : array_like
        Arcsec to the west and north.

    Returns
    -------
    longitude, latitude : numpy.ndarray
        Stonyhurst degrees, of the same shape; NaN off the disk.
    """
    tilt = numpy.radians(float(header.get("CRLT_OBS", header.get("HGLT_OBS", 0.0)) or 0.0))
    distance, radius = numpy.hypot(x, y), solar_radius(header)
    seen = numpy.radians(distance / 3600)
    angle = numpy.arcsin(numpy.minimum(numpy.sin(seen) / numpy.sin(numpy.radians(radius / 3600)), 1.0)) - seen
    across, towards = numpy.sin(angle) / numpy.maximum(distance, 1e-9), numpy.cos(angle)
    north = numpy.arcsin(across * y * numpy.cos(tilt) + towards * numpy.sin(tilt))
    west = numpy.arctan2(across * x, towards * numpy.cos(tilt) - across * y * numpy.sin(tilt))
    longitude = numpy.degrees(west) + float(header.get("HGLN_OBS", 0.0) or 0.0)
    return tuple(numpy.where(distance <= radius, angle, numpy.nan) for angle in (longitude, numpy.degrees(north)))
