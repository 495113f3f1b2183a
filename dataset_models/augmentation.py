"""Flips and small rotations of full-disk images, and epochs that are filled up with images so changed.

The changes are those of the published full-disk studies (Pandey et al. 2022, 2023): flips east-west and north-south, and
rotations of at most 5 degrees. They keep the disk where it is. A flip east-west exchanges leading and following
polarities, one north-south the hemispheres: neither is a Sun that could be observed in the same cycle, but what makes a
region flare, strong and mixed polarities, stays.
"""

import abc
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


class _Epochs(abc.ABC):
    """Epochs of samples as they are and changed, for `SolarData.pipeline(sampling=...)`.

    Parameters
    ----------
    targets : array_like
        Of the samples, in the order of the split's times; above 0.5 is an event.
    seed : int
        With it, the epoch and the place in the epoch, every change is determined.

    Attributes
    ----------
    count : int
        Entries of an epoch.

    Raises
    ------
    ValueError
        There is only one class.
    """

    def __init__(self, targets, *, seed):
        self._event = numpy.asarray(targets) > 0.5
        if not 0 < self._event.sum() < len(self._event):
            raise ValueError("Expected samples of two classes")
        self.seed = seed
        self._plan = functools.lru_cache(maxsize=4)(self._new_plan)
        self.count = len(self._plan(0)[0])

    @property
    def event_rate(self):
        """Share of the entries of an epoch that are events: float."""
        return float(self._event[self.positions(0)].mean())

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

    @abc.abstractmethod
    def _new_plan(self, epoch):
        """Choose sample, and kind of change (0 none, 1 and 2 flips, 3 rotation), of every entry: two arrays."""

    def _quiet_copies(self, epoch):
        """Draw a change of every sample without an event: samples and kinds."""
        quiet = numpy.flatnonzero(~self._event)
        return quiet, numpy.random.default_rng([self.seed, epoch, 1]).integers(1, 4, len(quiet))


class EqualClasses(_Epochs):
    """Epochs in which two classes are equally frequent: every sample once, then changed copies of the smaller class.

    Copies go through the smaller class evenly: with a class one quarter the size
    of the other, each of its samples appears once as it is and once flipped each way and once rotated. What is left over
    when the sizes are no multiples is drawn anew for each epoch.

    Parameters
    ----------
    targets, seed
        As for every kind of epochs.
    augment_quiet : bool
        Every sample without an event comes a second time, changed at random; the smaller class is filled up accordingly.
    """

    def __init__(self, targets, *, seed, augment_quiet=False):
        self._augment_quiet = augment_quiet
        super().__init__(targets, seed=seed)

    def _new_plan(self, epoch):
        quiet, kinds = self._quiet_copies(epoch) if self._augment_quiet else ([], [])
        counts = (len(quiet) + (~self._event).sum(), self._event.sum())
        smaller = numpy.flatnonzero(self._event if counts[1] <= counts[0] else ~self._event)
        random = numpy.random.default_rng([self.seed, epoch])
        rounds, rest = divmod(abs(int(counts[0] - counts[1])), len(smaller))
        copies = [numpy.tile(smaller, rounds), random.choice(smaller, rest, replace=False), quiet]
        changes = [numpy.repeat(numpy.arange(rounds) % 3 + 1, len(smaller)), random.integers(1, 4, rest), kinds]
        everything = numpy.arange(len(self._event))
        positions = numpy.concatenate([everything, *copies]).astype("int64")
        return positions, numpy.concatenate([numpy.zeros(len(everything), int), *changes]).astype(int)


class EveryWay(_Epochs):
    """Epochs in which every event comes in all four ways: as it is, flipped each way, rotated at random.

    So the studies show them (Pandey et al. 2022, 2023), beside class weights for what is still unequal.

    Parameters
    ----------
    targets, seed
        As for every kind of epochs.
    augment_quiet : bool
        Every sample without an event comes a second time, changed at random, as in the studies.
    """

    def __init__(self, targets, *, seed, augment_quiet=False):
        self._augment_quiet = augment_quiet
        super().__init__(targets, seed=seed)

    def _new_plan(self, epoch):
        events, everything = numpy.flatnonzero(self._event), numpy.arange(len(self._event))
        quiet, kinds = self._quiet_copies(epoch) if self._augment_quiet else ([], [])
        positions = numpy.concatenate([everything, *[events] * 3, quiet]).astype("int64")
        changes = [numpy.zeros(len(everything), int), numpy.repeat([1, 2, 3], len(events)), kinds]
        return positions, numpy.concatenate(changes).astype(int)
