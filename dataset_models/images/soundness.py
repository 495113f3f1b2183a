"""Is what comes out of a reader an image of the Sun? One check for every instrument, before a cache or a network sees it.

Readers refuse files that are damaged. A file can be whole and still give an image of zeros or NaN, or another part of the
sky: by a header whose numbers are possible and wrong. What is asked here holds for every full-disk image taken from where
SDO is.
"""

import numpy

from tools.errors import UserError

RADIUS = (900.0, 1020.0)  # arcsec, of the Sun: 944 to 976 from the Earth, a little more from L1
EXPOSURE = (1e-4, 60.0)  # seconds; AIA's are 0.005 to 3
_LARGEST = 1e9  # DN/s or gauss: a saturated pixel of AIA's shortest exposure, at its lowest sensitivity, is below
_SQUARE = 1.05  # ratio of a pixel's sides
_LEAST_WIDTH = 0.25  # of the disk in the image
_INNER = 0.9  # of the disk's radius


def require_pointing(wcs, shape, path, *, radius=RADIUS[0]):
    """Raise a `UserError` unless the whole disk of the Sun lies within an image, of a plausible size, not mirrored.

    Parameters
    ----------
    wcs : dataset_models.images.geometry.LinearWcs
    shape : (int, int)
        Rows and columns.
    path : str or pathlib.Path
        Named in errors.
    radius : float
        Arcsec, of the Sun.
    """
    if not RADIUS[0] <= radius <= RADIUS[1]:
        raise _implausible(path, f"a Sun of {radius:.4g} arcsec radius", f"{RADIUS[0]:g} to {RADIUS[1]:g}")
    longest, shortest = numpy.linalg.svd(wcs.matrix, compute_uv=False)
    if numpy.linalg.det(wcs.matrix) < 0:
        raise _implausible(path, "a mirrored image", "west to the right of north up")
    if longest > _SQUARE * shortest:
        raise _implausible(path, f"pixels of {longest:.4g} by {shortest:.4g} arcsec", "square ones")
    across, width = min(shape), 2 * radius / wcs.scale
    if not _LEAST_WIDTH * across <= width <= across:
        raise _implausible(path, f"a disk {width:.4g} pixels wide", f"the full disk within {across} pixels")
    centre = wcs.reference - numpy.linalg.inv(wcs.matrix) @ wcs.value
    # Pixels reach half a pixel beyond their centres.
    room = min(*(centre + 0.5), shape[1] - 0.5 - centre[0], shape[0] - 0.5 - centre[1])
    if not room >= width / 2 - 1:
        column, row = centre
        raise _implausible(path, f"the disk's centre at column {column + 1:.4g}, row {row + 1:.4g}", "the whole disk inside")


def require_exposure(seconds, path):
    """Raise a `UserError` unless an exposure time is one that an instrument of SDO can take."""
    if not EXPOSURE[0] <= seconds <= EXPOSURE[1]:
        raise _implausible(path, f"an exposure of {seconds:g} s", f"{EXPOSURE[0]:g} to {EXPOSURE[1]:g} s")


def require_image(image, path, *, radius=None):
    """Raise a `UserError` unless an image is finite, of possible values, not constant, and has no empty quarter of the disk.

    Parameters
    ----------
    image : numpy.ndarray
        (n, n), or (n, n, channel), the disk in its middle.
    path : str or pathlib.Path
        Named in errors.
    radius : float, optional
        Pixels, of the disk; where it is not given no disk is looked for.
    """
    for channel in numpy.moveaxis(image.reshape(*image.shape[:2], -1), -1, 0):
        if not numpy.isfinite(channel).all():
            raise UserError(
                f"{path}: gives pixels that are no finite numbers; its header or its pixels are damaged, leave it out"
            )
        least, most = float(channel.min()), float(channel.max())
        if max(-least, most) > _LARGEST:
            raise UserError(
                f"{path}: gives pixels of {least:.3g} to {most:.3g}, more than any instrument measures; leave it out"
            )
        if least == most:
            raise UserError(f"{path}: gives an image that is constant ({channel.flat[0]:g} everywhere); leave it out")
        if radius is not None:
            _require_disk(channel, path, radius)


def _require_disk(image, path, radius):
    middle = len(image) // 2
    reach = max(1, min(middle, int(_INNER * radius / numpy.sqrt(2))))  # the square within the disk
    above, below = image[middle - reach : middle], image[len(image) - middle : len(image) - middle + reach]
    for half in (above, below):
        for quarter in (half[:, middle - reach : middle], half[:, len(image) - middle : len(image) - middle + reach]):
            if not quarter.any():  # what interpolation leaves where the file has no pixels
                raise UserError(f"{path}: gives an image without a whole disk (a quarter of it is empty); leave it out")


def _implausible(path, received, expected):
    return UserError(f"{path}: its header gives {received}, expected {expected}; leave it out or fetch it again")
