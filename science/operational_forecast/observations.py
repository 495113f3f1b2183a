"""The newest image that a forecast can be made from: not stale, not frozen, not flawed."""

import numpy

from dataset_models import leak_check
from tools.errors import UserError

_BEFORE = 6  # images before the newest, of which it is compared with the last that can be read
_HOUR = numpy.timedelta64(1, "h")


def newest(data, time, *, max_age):
    """Find the newest image of a data set at a time.

    Parameters
    ----------
    data : dataset_models.solar_data.SolarData
        That lists its images, see `SolarData.images_between`.
    time : numpy.datetime64
        Later images are not known.
    max_age : float
        Minutes.

    Returns
    -------
    pathlib.Path
    numpy.datetime64
        Of the observation.
    list of str
        Why newer ones were left out: they cannot be read.

    Raises
    ------
    UserError
        There is none: no image, the newest is too old, pixel by pixel an earlier one, or none can be read.
    """
    oldest = time - numpy.timedelta64(round(60 * max_age), "s")
    known = list(data.images_between(None, time).items())
    if not known:
        raise UserError(f"no image until {time}Z")
    recent = sum(moment >= oldest for moment, _ in known)
    if not recent:
        last = known[-1][0]
        raise UserError(f"the newest image is of {last}Z, {(time - last) / _HOUR:.1f} h old; max_age is {max_age:g} min")
    flawed = []
    for place in range(len(known) - 1, len(known) - recent - 1, -1):
        moment, path = known[place]
        try:
            image = _pixels(data, path)
        except UserError as error:
            flawed.append(str(error))
            continue
        _require_news(data, image, moment, known[max(0, place - _BEFORE) : place])
        return path, moment, flawed
    raise UserError(f"none of the {recent} newest images can be used; the last: {flawed[0]}")


def _pixels(data, path):
    arrays = data.read_image(path)
    name = next(name for name in data.image_inputs if name in arrays)
    return leak_check.content(arrays[name])


def _require_news(data, image, time, earlier):
    """Raise a `UserError` if an image is, pixel by pixel, the one before it: a feed that is frozen."""
    for moment, path in reversed(earlier):
        try:
            before = _pixels(data, path)
        except UserError:
            continue
        if before == image:
            raise UserError(f"the image of {time}Z is, pixel by pixel, that of {moment}Z: the feed is frozen")
        return
