"""The place of the solar disk in an image, and images moved so that their disk lies where another's does."""

import typing

import numpy

from science.explanation import solar_coordinates

_SAME = 0.01  # pixels: disks that differ by less are left where they are
_LEVELS = (0.3, 0.5, 0.7)  # shares of the step from sky to disk at which an edge is looked for
_SHARP = 0.02  # most by which radii at these levels, and height and width, may differ


class Disk(typing.NamedTuple):
    """Solar disk in an image: middle and radius in pixels, row and column from 0 at the middle of the first pixel."""

    row: float
    column: float
    radius: float


def of_header(header, shape):
    """Read the disk that a header states.

    Parameters
    ----------
    header : astropy.io.fits.Header or None
        In FITS order, see `SolarData.image_header`.
    shape : tuple of int
        (height, width) of the image, row 0 north.

    Returns
    -------
    Disk or None
        None where the header does not state it.
    """
    try:
        scale = float(header["CDELT1"])
        row = shape[0] - float(header["CRPIX2"]) + float(header.get("CRVAL2", 0.0)) / float(header["CDELT2"])
        column = float(header["CRPIX1"]) - 1 - float(header.get("CRVAL1", 0.0)) / scale
        disk = Disk(row, column, solar_coordinates.solar_radius(header) / scale)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return disk if numpy.isfinite(disk).all() and disk.radius > 0 else None


def measured(image):
    """Measure the disk in an image, where it ends in a sharp edge against an even sky, as that of a magnetogram does.

    Parameters
    ----------
    image : numpy.ndarray
        (height, width, channel).

    Returns
    -------
    Disk or None
        None where no channel has such an edge all around: the corona has none.
    """
    for channel in numpy.moveaxis(numpy.asarray(image, "float64"), -1, 0):
        disk = _measured(channel)
        if disk is not None:
            return disk
    return None


def _measured(channel):
    from scipy import ndimage

    height, width = channel.shape
    side = max(min(height, width) // 32, 1)
    ends = slice(side), slice(-side, None)
    corners = [channel[rows, columns] for rows in ends for columns in ends]
    contrast = numpy.abs(channel - numpy.median(corners))
    step = numpy.median(contrast[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None])
    if not step > 0:
        return None
    radii = []
    for level in _LEVELS:
        mask = ndimage.binary_fill_holes(contrast > level * step)
        names, count = ndimage.label(mask)
        if not count:
            return None
        mask = names == 1 + numpy.argmax(numpy.bincount(names.ravel())[1:])
        rows, columns = numpy.flatnonzero(mask.any(axis=1)), numpy.flatnonzero(mask.any(axis=0))
        if rows[0] == 0 or columns[0] == 0 or rows[-1] == height - 1 or columns[-1] == width - 1:
            return None
        radius = numpy.sqrt(mask.sum() / numpy.pi)
        extent = (len(rows) / 2, len(columns) / 2)
        if max(abs(half - radius) for half in extent) > max(1.0, _SHARP * radius):
            return None
        radii.append(radius)
        if level == 0.5:
            middle = ndimage.center_of_mass(mask)
    if numpy.ptp(radii) > max(1.0, _SHARP * radii[1]):
        return None
    return Disk(float(middle[0]), float(middle[1]), float(radii[1]))


def find(header, image):
    """Find the disk of an image: as its header states, else as `measured`, else None."""
    stated = of_header(header, image.shape[:2])
    return measured(image) if stated is None else stated


def moved(image, disk, onto):
    """Move and scale an image's disk onto another.

    Parameters
    ----------
    image : numpy.ndarray
        float32 (height, width, channel).
    disk, onto : Disk or None
        Where the disk is, and where it is to be.

    Returns
    -------
    numpy.ndarray
        float32, interpolated linearly, its border continued; `image` itself where a disk is unknown or the two are one.
    """
    from scipy import ndimage

    if disk is None or onto is None or numpy.abs(numpy.subtract(disk, onto)).max() < _SAME:
        return image
    scale = disk.radius / onto.radius
    offset = (disk.row - scale * onto.row, disk.column - scale * onto.column)
    result = numpy.empty_like(image)
    for channel in range(image.shape[-1]):
        ndimage.affine_transform(
            image[..., channel], numpy.array([scale, scale]), offset, output=result[..., channel], order=1, mode="nearest"
        )
    return result
