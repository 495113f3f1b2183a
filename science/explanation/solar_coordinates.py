"""Maps in solar coordinates: limb, heliographic grid, known places, how a map's mass is spread over them, and FITS files."""

import unicodedata

import numpy

from dataset_models import simulation_mark
from dataset_models.images.geometry import SOLAR_RADIUS

LIMB = 70.0  # degrees from the disk's centre; beyond it is near the limb
REACH = 100.0  # arcsec around a known place that count as its own
RING = 0.03  # of the radius, inside and outside of the limb; at least `_RING_PIXELS`
SECTORS = 36  # of the ring, by position angle
_RING_PIXELS = 1.5


def geometry(header, shape):
    """Compute where the pixels of an image lie on the disk.

    Parameters
    ----------
    header : astropy.io.fits.Header
        In FITS order, see `SolarData.image_header`.
    shape : tuple of int
        (height, width).

    Returns
    -------
    x, y : numpy.ndarray
        float64 (height, width), arcsec to the west and north, row 0 north.
    radius : float
        Of the solar disk, arcsec.
    """
    rows, columns = numpy.indices(shape)
    x = (columns + 1 - header["CRPIX1"]) * header["CDELT1"] + header.get("CRVAL1", 0.0)
    y = (shape[0] - rows - header["CRPIX2"]) * header["CDELT2"] + header.get("CRVAL2", 0.0)
    return x, y, solar_radius(header)


def solar_radius(header):
    """Find the radius of the disk in arcsec: the header's, else that at its distance or date."""
    for key in ("RSUN_OBS", "R_SUN"):
        if header.get(key):
            return float(header[key]) * (1.0 if key == "RSUN_OBS" else float(header["CDELT1"]))
    if header.get("DSUN_OBS"):
        return float(numpy.degrees(numpy.arcsin(SOLAR_RADIUS / float(header["DSUN_OBS"]))) * 3600)
    from sunpy.coordinates import sun

    return float(sun.angular_radius(header["DATE-OBS"]).to_value("arcsec"))


def shares(values, header, places=()):
    """Compute how the absolute mass of a map is spread.

    Parameters
    ----------
    values : numpy.ndarray
        (height, width) or (height, width, channel), row 0 north.
    header : astropy.io.fits.Header
    places : sequence of (str, float, float)
        Names, longitudes and latitudes (Stonyhurst degrees) of known places, see `SolarData.places`.

    Returns
    -------
    dict of str to float
        ``on disk``, ``off disk``, ``near the limb`` (more than `LIMB` degrees from the centre, part of the disk), and for
        each place the share within `REACH` arcsec of it; empty for a map that is 0.

    Examples
    --------
    >>> import numpy
    >>> header = {"CRPIX1": 2, "CRPIX2": 2, "CDELT1": 600.0, "CDELT2": 600.0, "RSUN_OBS": 960.0}
    >>> shares(numpy.array([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]]), header)
    {'on disk': 1.0, 'off disk': 0.0, 'near the limb': 0.0}
    """
    mass = numpy.abs(numpy.asarray(values, "float64"))
    mass = mass.sum(axis=-1) if mass.ndim == 3 else mass
    total = mass.sum()
    if not total > 0:
        return {}
    x, y, radius = geometry(header, mass.shape)
    distance = numpy.hypot(x, y) / radius
    on = distance <= 1
    result = {
        "on disk": mass[on].sum() / total,
        "off disk": mass[~on].sum() / total,
        "near the limb": mass[on & (distance > numpy.sin(numpy.radians(LIMB)))].sum() / total,
    }
    for name, at_x, at_y in projected(header, places):
        result[name] = mass[numpy.hypot(x - at_x, y - at_y) <= REACH].sum() / total
    return {name: float(value) for name, value in result.items()}


def limb_ring(values, header):
    """Compute how much of a map's absolute mass lies in an even ring at the limb.

    Parameters
    ----------
    values : numpy.ndarray
        (height, width) or (height, width, channel), row 0 north.
    header : astropy.io.fits.Header

    Returns
    -------
    share, even, disk : float
        Share of the mass within `RING` of the limb; that share if every one of `SECTORS` sectors had what the middle one
        has, so that active regions at the limb, which lie in some of them, do not count; and the share that an evenly
        filled disk has there. NaN for a map that is 0, or an image without the whole limb.
    """
    mass = numpy.abs(numpy.asarray(values, "float64"))
    mass = mass.sum(axis=-1) if mass.ndim == 3 else mass
    x, y, radius = geometry(header, mass.shape)
    distance = numpy.hypot(x, y) / radius
    width = max(RING, _RING_PIXELS * abs(float(header["CDELT1"])) / radius)
    ring = numpy.abs(distance - 1) <= width
    # Few pixels make few sectors, of at least eight each.
    sectors = int(numpy.clip(ring.sum() // 8, 4, SECTORS))
    sector = ((numpy.arctan2(y, x) / (2 * numpy.pi) % 1) * sectors).astype(int).clip(0, sectors - 1)[ring]
    count = numpy.bincount(sector, minlength=sectors)
    total = mass.sum()
    if not total > 0 or not count.all():
        return (float("nan"),) * 3
    in_sector = numpy.bincount(sector, weights=mass[ring], minlength=sectors)
    even = numpy.median(in_sector / count) * count.sum()
    return float(in_sector.sum() / total), float(even / total), float(2 * width - width**2)


def projected(header, places):
    """Project places on the visible disk to arcsec: list of (name, x, y)."""
    visible = []
    for name, longitude, latitude in places:
        x, y, front = _project(header, numpy.array([longitude]), numpy.array([latitude]))
        if front[0]:
            visible.append((name, float(x[0]), float(y[0])))
    return visible


def draw(axes, header, places=(), *, colour="0.45"):
    """Draw limb, heliographic grid (15 degrees) and known places on axes in arcsec.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    header : astropy.io.fits.Header
    places : sequence of (str, float, float)
    colour : str
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
    for name, x, y in projected(header, places):
        axes.plot(x, y, "o", mfc="none", mec="black", ms=16, mew=2.4)
        axes.plot(x, y, "o", mfc="none", mec="#E69F00", ms=16, mew=1.2)
        axes.annotate(name, (x, y), (9, 9), textcoords="offset points", fontsize=9, color="black", bbox=_BOX)
    axes.set(xlim=limits[0], ylim=limits[1])


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
    x, y : float
        Arcsec to the west and north.

    Returns
    -------
    longitude, latitude : float
        Stonyhurst degrees; NaN off the disk.
    """
    tilt = numpy.radians(float(header.get("CRLT_OBS", header.get("HGLT_OBS", 0.0)) or 0.0))
    distance, radius = numpy.hypot(x, y), solar_radius(header)
    if distance > radius:
        return float("nan"), float("nan")
    seen = numpy.radians(distance / 3600)
    angle = numpy.arcsin(min(numpy.sin(seen) / numpy.sin(numpy.radians(radius / 3600)), 1.0)) - seen
    across, towards = numpy.sin(angle) / max(distance, 1e-9), numpy.cos(angle)
    north = numpy.arcsin(across * y * numpy.cos(tilt) + towards * numpy.sin(tilt))
    west = numpy.arctan2(across * x, towards * numpy.cos(tilt) - across * y * numpy.sin(tilt))
    return float(numpy.degrees(west)) + float(header.get("HGLN_OBS", 0.0) or 0.0), float(numpy.degrees(north))


def write_fits(path, values, header, history, *, simulated=False):
    """Write a map in the image's coordinates; sunpy opens it.

    Parameters
    ----------
    path : pathlib.Path
    values : numpy.ndarray
        (height, width), row 0 north.
    header : astropy.io.fits.Header
        Of the image, see `SolarData.image_header`.
    history : sequence of str
        What made the map.
    simulated : bool
        Marks the file, see `dataset_models.simulation_mark`; without it the header's own mark, if any, stays.
    """
    from astropy.io import fits

    kept = header.copy(strip=True)
    # What described the values of the image, or the way they were stored.
    for key in ("BUNIT", "BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "EXTNAME"):
        kept.remove(key, ignore_missing=True, remove_all=True)
    hdu = fits.PrimaryHDU(numpy.ascontiguousarray(values[::-1], "float32"), kept)
    if simulated:
        hdu.header[simulation_mark.KEYWORD] = (True, simulation_mark.WORDS)
    for line in history:
        hdu.header.add_history(_ascii(line))
    hdu.writeto(path, overwrite=True)


def _ascii(text):
    """Convert text to ASCII, which FITS headers hold: Å becomes A, a superscript its digit."""
    decomposed = unicodedata.normalize("NFKD", text).replace("\N{MINUS SIGN}", "-")
    return decomposed.encode("ascii", "ignore").decode("ascii")
