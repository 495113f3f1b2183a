"""Flips and small rotations of full-disk images, and epochs in which the smaller class is filled up with them.

The changes are those of the published full-disk studies (Pandey et al. 2022, 2023): flips east-west and north-south, and
rotations of at most 5 degrees. They keep the disk where it is. A flip east-west exchanges leading and following
polarities, one north-south the hemispheres: neither is a Sun that could be observed in the same cycle, but what makes a
region flare, strong and mixed polarities, stays.
"""

import functools

import numpy

LARGEST_ANGLE = 5.0  # degrees


def flipped_east_west(image):
    """Mirror an image (height, width, channel) left to right: a new array.

    Examples
    --------
    >>> flipped_east_west(numpy.arange(4.0).reshape(2, 2, 1))[..., 0].tolist()
    [[1.0, 0.0], [3.0, 2.0]]
    """
    return numpy.ascontiguousarray(image[:, ::-1])


def flipped_north_south(image):
    """Mirror an image (height, width, channel) top to bottom: a new array.

    Examples
    --------
    >>> flipped_north_south(numpy.arange(4.0).reshape(2, 2, 1))[..., 0].tolist()
    [[2.0, 3.0], [0.0, 1.0]]
    """
    return numpy.ascontiguousarray(image[::-1])


def rotated(image, degrees):
    """Turn an image about its centre.

    Parameters
    ----------
    image : numpy.ndarray
        float32 (height, width, channel).
    degrees : float
        Positive is counter-clockwise as seen on a screen (row 0 on top), from north towards east on the Sun.

    Returns
    -------
    numpy.ndarray
        float32, the same shape. Interpolated linearly; corners from beyond the edge repeat its nearest pixel.

    Notes
    -----
    The studies take the nearest pixel, and black corners.
    """
    import scipy.ndimage

    angle = numpy.deg2rad(degrees)
    cosine, sine = numpy.cos(angle), numpy.sin(angle)
    matrix = numpy.array([[cosine, sine], [-sine, cosine]])  # output (row, column) from the centre -> source
    centre = (numpy.array(image.shape[:2]) - 1) / 2
    out = numpy.empty(image.shape, "float32")
    for channel in range(image.shape[-1]):
        scipy.ndimage.affine_transform(
            image[..., channel], matrix, centre - matrix @ centre, output=out[..., channel], order=1, mode="nearest"
        )
    return out


class EqualClasses:
    """Epochs in which two classes are equally frequent: every sample once, then changed copies of the smaller class.

    For `SolarData.pipeline(sampling=...)`. Copies go through the smaller class evenly: with a class one quarter the size
    of the other, each of its samples appears once as it is and once flipped each way and once rotated. What is left over
    when the sizes are no multiples is drawn anew for each epoch.

    Parameters
    ----------
    targets : array_like
        Of the samples, in the order of the split's times; above 0.5 is an event.
    seed : int
        With it, the epoch and the place in the epoch, every change is determined.

    Attributes
    ----------
    count : int
        Entries of an epoch: twice the size of the larger class.

    Raises
    ------
    ValueError
        There is only one class.
    """

    def __init__(self, targets, *, seed):
        event = numpy.asarray(targets) > 0.5
        classes = [numpy.flatnonzero(~event), numpy.flatnonzero(event)]
        smaller, larger = sorted(classes, key=len)
        if not len(smaller):
            raise ValueError("Expected samples of two classes")
        self.seed = seed
        self.count = 2 * len(larger)
        self._all, self._smaller, self._missing = len(event), smaller, len(larger) - len(smaller)
        self._plan = functools.lru_cache(maxsize=4)(self._new_plan)

    def positions(self, epoch):
        """List the sample of each entry of an epoch: int64 (count,), not shuffled."""
        return self._plan(epoch)[0]

    def changed(self, arrays, epoch, entry):
        """Change the arrays of a sample as an entry of an epoch has them.

        Parameters
        ----------
        arrays : list of numpy.ndarray
            Images (height, width, channel), all changed alike, and vectors, which stay. Not written to.
        epoch, entry : int

        Returns
        -------
        list of numpy.ndarray
        """
        kind = self._plan(epoch)[1][entry]
        if kind == 0:
            return arrays
        if kind == 3:
            angle = numpy.random.default_rng([self.seed, epoch, entry]).uniform(-LARGEST_ANGLE, LARGEST_ANGLE)
            change = functools.partial(rotated, degrees=angle)
        else:
            change = flipped_east_west if kind == 1 else flipped_north_south
        return [change(array) if array.ndim == 3 else array for array in arrays]

    def _new_plan(self, epoch):
        """Choose sample, and kind of change (0 none, 1 and 2 flips, 3 rotation), of every entry."""
        random = numpy.random.default_rng([self.seed, epoch])
        rounds, rest = divmod(self._missing, len(self._smaller))
        copies = [numpy.tile(self._smaller, rounds), random.choice(self._smaller, rest, replace=False)]
        kinds = [numpy.repeat(numpy.arange(rounds) % 3 + 1, len(self._smaller)), random.integers(1, 4, rest)]
        positions = numpy.concatenate([numpy.arange(self._all), *copies]).astype("int64")
        return positions, numpy.concatenate([numpy.zeros(self._all, int), *kinds])
