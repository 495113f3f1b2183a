"""Maps in solar coordinates: how a map's mass is spread over disk, limb and known places, and FITS files."""

import unicodedata

import numpy

from dataset_models import simulation_mark
from dataset_models.images.solar_grid import draw, projected, solar_radius, stonyhurst  # noqa: F401 - for tables and figures of the methods

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
