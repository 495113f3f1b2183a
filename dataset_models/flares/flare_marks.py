"""Marks of the flares in windows: how strong each was and at which place, as the likelihood of a flare list takes them.

A place is a number along the flattened places of a network's rates: a row of its inputs, or a cell of a map of the disk.
"""

import numpy

from dataset_models.images import geometry, solar_grid

MOST_FLARES = 64  # of a window, the strongest, that have their own term in a likelihood
LEAST_FLUX = 1e-6  # W m^-2, that of C1.0, below which flare lists are not complete
UNKNOWN = -1  # as a place: the list does not say, or the flare was of what the map does not show


def magnitudes(flux):
    """Compute log10 of peak fluxes (W m^-2) over that of C1.0: float64; what a list gives as 9.999e-7 is C1.0, 0."""
    return numpy.round(numpy.log10(numpy.asarray(flux, "float64") / LEAST_FLUX), 6)


def packed(windows):
    """Arrange the flares of windows in one array.

    Parameters
    ----------
    windows : sequence of (array_like, array_like)
        Of each window magnitudes, not negative, and places.

    Returns
    -------
    numpy.ndarray
        float32 (n, k, 2), k at least 1 and at most `MOST_FLARES`, the strongest first: magnitude, -1 behind the last flare; and
        place, `UNKNOWN` where it is not known.

    Examples
    --------
    >>> packed([([0.3, 1.2], [7, -1]), ([], [])]).tolist()[0]
    [[1.2000000476837158, -1.0], [0.30000001192092896, 7.0]]
    """
    longest = max((len(magnitude) for magnitude, _ in windows), default=0)
    result = numpy.full((len(windows), max(min(longest, MOST_FLARES), 1), 2), UNKNOWN, "float32")
    for row, (magnitude, place) in enumerate(windows):
        magnitude, place = numpy.asarray(magnitude, "float64"), numpy.asarray(place, "float64")
        order = numpy.argsort(-magnitude, kind="stable")[: result.shape[1]]
        result[row, : len(order)] = numpy.stack([magnitude[order], place[order]], axis=1)
    return result


def places_on_map(header, shape, grid, longitude, latitude, days):
    """Find the cells of a map of the disk in which flares were to come.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Of the image, in FITS order, see `SolarData.image_header`.
    shape : tuple of int
        (height, width) of the image.
    grid : tuple of int
        (height, width) of the map, which covers the same square.
    longitude, latitude : array_like
        (n,) of the flares, at their times, Stonyhurst degrees; NaN where unknown.
    days : array_like
        (n,) from the image to the flare.

    Returns
    -------
    numpy.ndarray
        int64 (n,): indices into the flattened map, row 0 north; `UNKNOWN` for a position that is not known, or was not on the
        visible disk at the time of the image.

    Notes
    -----
    A place is where the flare's region was in the image: positions are turned back by the differential rotation.
    """
    latitude = numpy.asarray(latitude, "float64")
    known = numpy.isfinite(latitude) & numpy.isfinite(numpy.asarray(longitude, "float64"))
    north = numpy.where(known, latitude, 0.0)
    west = numpy.where(known, longitude, 0.0) - geometry.rotation_rate(north) * numpy.asarray(days, "float64")
    row, column, seen = solar_grid.pixels(header, shape, west, north)
    cell = [
        numpy.floor((position + 0.5) * count / size).astype("int64")
        for position, size, count in zip((row, column), shape, grid, strict=True)
    ]
    inside = known & seen & (cell[0] >= 0) & (cell[0] < grid[0]) & (cell[1] >= 0) & (cell[1] < grid[1])
    return numpy.where(inside, cell[0] * grid[1] + cell[1], UNKNOWN)
