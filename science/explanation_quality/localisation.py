"""Does a map find the place that it should? Scores of one map against masks of the truth.

References
----------
Zhang et al. 2018, IJCV 126, 1084 (pointing game); Arras et al. 2022, Inf. Fusion 81, 14 (relevance mass and rank).
"""

import numpy


def strength_of(values, *, positive=True):
    """Compute the relevance of each pixel of a map: float64 (height, width).

    Parameters
    ----------
    values : numpy.ndarray
        (height, width) or (height, width, channel).
    positive : bool
        Keep what raises the output; otherwise the absolute map.
    """
    values = numpy.asarray(values, "float64")
    values = values.sum(axis=-1) if values.ndim == 3 else values
    return numpy.maximum(values, 0) if positive else numpy.abs(values)


def pointing_game(strength, mask):
    """Score whether the strongest pixel lies in the mask: 1.0 or 0.0, NaN for a map that is 0."""
    if not strength.max() > 0:
        return float("nan")
    return float(mask.ravel()[numpy.argmax(strength)])


def relevance_mass(strength, mask):
    """Compute the share of a map's mass in the mask: float, NaN for a map that is 0."""
    total = strength.sum()
    return float(strength[mask].sum() / total) if total > 0 else float("nan")


def relevance_rank(strength, mask):
    """Compute the share of the mask's pixels among as many strongest pixels; NaN for an empty mask or a map that is 0."""
    count = int(mask.sum())
    if not count or not strength.max() > 0:
        return float("nan")
    strongest = numpy.argpartition(-strength.ravel(), count - 1)[:count]
    return float(mask.ravel()[strongest].mean())


def localisation(strength, mask, others):
    """Compute all scores of one map.

    Parameters
    ----------
    strength : numpy.ndarray
        float (height, width), not negative.
    mask : numpy.ndarray
        bool (height, width): the place to find.
    others : numpy.ndarray
        bool (height, width): places that resemble it and are not.

    Returns
    -------
    dict of str to float
        ``pointing``, ``mass``, ``rank``, ``distractor mass`` (less is better).

    Examples
    --------
    >>> import numpy
    >>> strength = numpy.array([[4.0, 3.0], [1.0, 0.0]])
    >>> region, other = numpy.array([[True, False], [True, False]]), numpy.array([[False, True], [False, False]])
    >>> localisation(strength, region, other)
    {'pointing': 1.0, 'mass': 0.625, 'rank': 0.5, 'distractor mass': 0.375}
    """
    return {
        "pointing": pointing_game(strength, mask),
        "mass": relevance_mass(strength, mask),
        "rank": relevance_rank(strength, mask),
        "distractor mass": relevance_mass(strength, others & ~mask),
    }
