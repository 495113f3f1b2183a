"""The Sun's disk in a picture that does not say where it is: found by its limb, and brought to one size and place."""

import typing

import numpy

from dataset_models.images import jpeg2000
from tools.errors import UserError

HALF_WIDTH = 1.25  # solar radii from the middle to the edge of what `registered` returns
_RADII = (0.2, 0.5)  # of the disk, in widths of the picture, between which it is looked for
_STARTS = 5  # circles that are tried
_COARSE = 128  # pixels at which it is looked for
_ANGLES = 240
_SMOOTH = 5  # neighbouring angles over which edges are averaged
_REACH = 8.0  # pixels around the limb in which its edge is looked for, of a picture of 512
_NEAR = 1.5  # pixels of such a picture from the circle within which an edge is of the limb
_LEAST = 0.5  # share of angles that must show the limb; noise gives up to 0.4
_FAINT = 0.3  # of the steepness of most edges, below which an angle has none


class Disk(typing.NamedTuple):
    """Where the disk is: its middle, as indices of the array, and its radius, in pixels.

    `share` is that of the limb that was seen.
    """

    row: float
    column: float
    radius: float
    share: float


def find(grey, path, *, edge=0):
    """Find the Sun's disk by its limb, where pictures in all wavelengths have their longest edge.

    Parameters
    ----------
    grey : numpy.ndarray
        (n, n), any unit.
    path : str or pathlib.Path
        Named in errors.
    edge : int
        1 where the limb is brighter than the disk beside it, as in the corona; -1 where it is darker outside; 0: either.

    Returns
    -------
    Disk
        Its radius is that of the limb in the picture: at 304 angstrom, which shows the chromosphere, 1.5 % outside that of the
        photosphere. In SDO's pictures of 512 pixels it scatters by 0.1 to 0.2 pixels about the ephemeris.

    Raises
    ------
    UserError
        There is no disk, it is cut off, or less than half of its limb can be seen.

    Notes
    -----
    A mean profile over all angles is steep when taken around the disk's middle: the steepest ones give starts. Through the
    steepest place of the profile at each angle a circle is fitted, without those that are off or faint; the circle with most of
    them on it is taken.
    """
    size = len(grey)
    grey = numpy.asarray(grey, "float32")
    fits = [_refined(grey, start) for start in _starts(grey, edge)]
    share, row, column, radius = max(fits, default=(0.0, 0.0, 0.0, 0.0))
    if share < _LEAST:
        raise UserError(f"{path}: shows no whole disk of the Sun (its limb fits a circle on {share:.0%} of its length)")
    if min(row, column) - radius < 0 or max(row, column) + radius > size - 1:
        text = f"radius {radius:.0f}, middle at {column:.0f}, {row:.0f} of {size} pixels"
        raise UserError(f"{path}: its disk is cut off ({text}); leave it out")
    return Disk(float(row), float(column), float(radius), share)


def registered(grey, disk, size):
    """Bring the disk to one size and place, in one interpolation and area average.

    Parameters
    ----------
    grey : numpy.ndarray
        (n, n).
    disk : Disk
    size : int
        Pixels of the result, `HALF_WIDTH` solar radii from the middle to its edges.

    Returns
    -------
    numpy.ndarray
        float32 (size, size), 0 outside of the picture.
    """
    import scipy.ndimage

    step = 2 * HALF_WIDTH * disk.radius / size  # pixels of the picture
    finer = max(int(numpy.ceil(step)), 1)
    step /= finer
    offset = [place - step * (size * finer - 1) / 2 for place in (disk.row, disk.column)]
    fine = scipy.ndimage.affine_transform(
        numpy.asarray(grey, "float32"), [step, step], offset, (size * finer, size * finer), order=1
    )
    return jpeg2000.shrink(fine, size)


def _starts(grey, edge):
    """Look for circles across which the mean profile is steep, in a small copy: `_STARTS` of (row, column, radius, sign)."""
    coarse = jpeg2000.shrink(grey, min(len(grey), _COARSE))
    middle, scale = (len(coarse) - 1) / 2, len(grey) / len(coarse)
    radii = numpy.arange(_RADII[0] * len(coarse), _RADII[1] * len(coarse))
    steps = numpy.arange(-5, 6) * (len(coarse) / 64)
    places = [(middle + row, middle + column) for row in steps for column in steps]
    slopes = numpy.stack([numpy.diff(_profiles(coarse, *place, radii, _ANGLES // 4).mean(axis=0)) for place in places])
    if edge:
        slopes = numpy.where(numpy.sign(slopes) == edge, slopes, 0)
    starts = []
    while len(starts) < _STARTS and slopes.any():
        place, step = numpy.unravel_index(numpy.abs(slopes).argmax(), slopes.shape)
        row, column = ((index + 0.5) * scale - 0.5 for index in places[place])
        starts.append((row, column, (radii[step] + 0.5) * scale, numpy.sign(slopes[place, step])))
        slopes[:, max(step - 4, 0) : step + 5] = 0
    return starts


def _refined(grey, start):
    """Fit a circle to the edges near a start, in three rounds: share of angles on it, row, column and radius."""
    row, column, radius, sign = start
    size, share = len(grey), 0.0
    pixel = size / 512
    for reach in (2 * _REACH, _REACH, _REACH):
        row, column, radius, share = _fitted(grey, row, column, radius, reach * pixel, sign, pixel)
        if not (0 < radius < size and 0 < row < size and 0 < column < size):
            return 0.0, 0.0, 0.0, 0.0
    return share, row, column, radius


def _profiles(grey, row, column, radii, angles):
    """Sample a picture along radii: float32 (angles, radii)."""
    import scipy.ndimage

    angle = numpy.arange(angles) * (2 * numpy.pi / angles)
    places = row + numpy.outer(numpy.sin(angle), radii), column + numpy.outer(numpy.cos(angle), radii)
    return scipy.ndimage.map_coordinates(grey, places, order=1, mode="nearest")


def _fitted(grey, row, column, radius, reach, sign, pixel):
    """Fit a circle to the edges near another one: row, column, radius, and the share of angles whose edge is on it."""
    import scipy.ndimage

    radii = numpy.arange(radius - reach, radius + reach, pixel / 2)
    profiles = _profiles(grey, row, column, radii, _ANGLES)
    profiles = scipy.ndimage.uniform_filter1d(profiles, _SMOOTH, axis=0, mode="wrap")
    slopes = sign * (profiles[:, 2:] - profiles[:, :-2])
    place, steepness = slopes.argmax(axis=1), slopes.max(axis=1)
    strong = steepness > _FAINT * numpy.percentile(steepness, 80)
    angle = numpy.arange(_ANGLES) * (2 * numpy.pi / _ANGLES)
    edge = radii[place + 1] - radius
    design = numpy.stack([numpy.ones(_ANGLES), numpy.sin(angle), numpy.cos(angle)], axis=1)
    kept = strong | ~strong.any()
    for _ in range(6):
        solution, *_ = numpy.linalg.lstsq(design[kept], edge[kept], rcond=None)
        off = numpy.abs(edge - design @ solution)
        width = max(_NEAR * pixel, 2 * float(numpy.median(off)) * pixel)
        kept = strong & (off < width) if strong.any() else kept
    return row + solution[1], column + solution[2], radius + solution[0], float((strong & (off < _NEAR * pixel)).mean())
