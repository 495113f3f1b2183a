"""Does the network use what a map shows? Deletion, insertion, sensitivity, and what happens without a region.

References
----------
Petsiuk, Das & Saenko 2018, arXiv:1806.07421 (deletion, insertion); Yeh et al. 2019, arXiv:1901.09392 (max-sensitivity).
"""

import numpy

STEPS = 16


def deletion_and_insertion(outputs, image, strength, baseline, *, steps=STEPS):
    """Measure how the output falls when the strongest pixels are taken away first, and rises when they are put in first.

    Parameters
    ----------
    outputs : callable
        ``outputs(images)`` returns the explained output of images (n, height, width, channel): float (n,).
    image, baseline : numpy.ndarray
        (height, width, channel).
    strength : numpy.ndarray
        (height, width).
    steps : int

    Returns
    -------
    dict of str to float
        ``deletion`` (less is better) and ``insertion`` (more is better): mean outputs along the curves, 0 at the output of
        the baseline and 1 at that of the image. NaN when these are equal.

    Examples
    --------
    >>> import numpy
    >>> image, baseline = numpy.array([[[1.0], [0.0], [0.0], [0.0]]]), numpy.zeros((1, 4, 1))
    >>> strength = image[..., 0]  # a map that shows the only pixel that counts
    >>> deletion_and_insertion(lambda images: images.sum(axis=(1, 2, 3)), image, strength, baseline, steps=3)
    {'deletion': 0.25, 'insertion': 0.75}
    """
    order = numpy.argsort(-strength.ravel(), kind="stable")
    place = numpy.empty(len(order), "int64")
    place[order] = numpy.arange(len(order))
    place = place.reshape(strength.shape)
    counts = numpy.linspace(0, len(order), steps + 1).astype(int)
    gone = place[None] < counts[:, None, None]
    deleted = numpy.where(gone[..., None], baseline, image).astype("float32")
    inserted = numpy.where(gone[..., None], image, baseline).astype("float32")
    falling, rising = outputs(deleted), outputs(inserted)
    span = falling[0] - falling[-1]
    if span == 0:
        return {"deletion": float("nan"), "insertion": float("nan")}
    return {
        "deletion": float(numpy.mean((falling - falling[-1]) / span)),
        "insertion": float(numpy.mean((rising - falling[-1]) / span)),
    }


def max_sensitivity(explain, image, *, radius=0.02, samples=4, seed=0):
    """Measure the largest relative change of a map under small noise on the image; less is better.

    Parameters
    ----------
    explain : callable
        ``explain(images)`` returns maps (n, ...) of images (n, height, width, channel).
    image : numpy.ndarray
        (height, width, channel).
    radius : float
        Of the uniform noise, as a share of the image's range.
    samples, seed : int

    Returns
    -------
    float
        NaN for a map that is 0.
    """
    random = numpy.random.default_rng(seed)
    noise = random.uniform(-radius, radius, (samples, *image.shape)) * numpy.ptp(image)
    maps = explain(numpy.concatenate([image[None], image + noise]).astype("float32")).astype("float64")
    maps = maps.reshape(len(maps), -1)
    size = numpy.linalg.norm(maps[0])
    return float(numpy.linalg.norm(maps[1:] - maps[0], axis=1).max() / size) if size > 0 else float("nan")


def counterfactual(outputs, image, without):
    """Measure how much of an output goes when a region is painted over.

    Parameters
    ----------
    outputs : callable
        As of `deletion_and_insertion`.
    image : numpy.ndarray
        (height, width, channel).
    without : sequence of numpy.ndarray
        The same without one region each.

    Returns
    -------
    numpy.ndarray
        float64 (k,): output of the image minus output without each region.
    """
    values = numpy.asarray(outputs(numpy.stack([image, *without]).astype("float32")), "float64")
    return values[0] - values[1:]
