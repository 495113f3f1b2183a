"""Frames of a sequence: magnetograms found in folders, and those chosen from them by their times."""

import collections
import pathlib
import re

import numpy

from dataset_models.SDO.HMI import magnetogram_images
from tools.errors import UserError

MAGNETOGRAM = 19  # Helioviewer's number of HMI magnetograms
_HOUR = numpy.timedelta64(3600, "s")
_STAMP = re.compile(r"(\d{4})\D?(\d\d)\D?(\d\d)\D{0,2}(\d\d)\D?(\d\d)\D?(\d\d)")


def choose_frames(times, end, *, window, frames, maximum_gap):
    """Choose images for a sequence, as evenly spaced as they allow.

    Parameters
    ----------
    times : numpy.ndarray
        ``datetime64[s]`` (n,) of the images, sorted.
    end : datetime64
        What the sequence leads up to. No image after it is chosen.
    window : timedelta64
        Images before ``end - window`` are not chosen either.
    frames : int
        How many; the moments they should have divide the window evenly and include both its ends. Each frame is the
        image nearest to its moment.
    maximum_gap : timedelta64
        Between neighbouring frames, and between the last one and `end`.

    Returns
    -------
    places : numpy.ndarray
        int64 (frames,), positions in `times`, increasing.
    lacking : str or None
        Why there is no such sequence; `places` is then empty.

    Notes
    -----
    The published sequences (mai-thesis-public) take every k-th file of a flare's folder instead, which is the same where
    no image is missing and stretches time where some are.

    Examples
    --------
    >>> times = numpy.datetime64("2014-06-10T00:00:00") + numpy.arange(10) * numpy.timedelta64(3600, "s")
    >>> span = {"window": numpy.timedelta64(6, "h"), "maximum_gap": numpy.timedelta64(4, "h")}
    >>> places, lacking = choose_frames(times, times[8], frames=3, **span)
    >>> places.tolist(), lacking
    ([2, 5, 8], None)
    >>> choose_frames(times[:4], times[8], frames=3, **span)[1]
    'too few images: 2 in the 6 h before, at least 3 needed'
    """
    nothing = numpy.empty(0, "int64")
    hours = window / _HOUR
    first, last = numpy.searchsorted(times, end - window, "left"), numpy.searchsorted(times, end, "right")
    if last - first < frames:
        return nothing, f"too few images: {last - first} in the {hours:g} h before, at least {frames} needed"
    here = times[first:last].astype("datetime64[s]").astype("int64")
    final = numpy.datetime64(end, "s").astype("int64")
    moments = numpy.linspace(final - int(window / numpy.timedelta64(1, "s")), final, frames) if frames > 1 else [final]
    after = numpy.clip(numpy.searchsorted(here, moments), 1, len(here) - 1) if len(here) > 1 else numpy.zeros(frames, "int64")
    places = numpy.where(moments - here[after - 1] <= here[after] - moments, after - 1, after) if len(here) > 1 else after
    if (numpy.diff(places) == 0).any():
        return nothing, f"uneven images: {last - first} in {hours:g} h do not give {frames} frames"
    widest = numpy.diff(numpy.append(here[places], final)).max()
    if widest > maximum_gap / numpy.timedelta64(1, "s"):
        return nothing, f"a gap: {widest / 3600:.1f} h, at most {maximum_gap / _HOUR:.1f} allowed"
    return first + places.astype("int64"), None


def find_images(folder, *, source_id=MAGNETOGRAM):
    """Find the magnetograms below a folder, in a tree by date or in one folder per flare.

    Parameters
    ----------
    folder : str or pathlib.Path
    source_id : int
        Which images to take where they lie in ``<flare>/<source id>/<timestamp>.jp2``. The image of one time may lie in
        the folders of several flares; any of them is taken.

    Returns
    -------
    dict of numpy.datetime64 to pathlib.Path
        In the order of time.

    Raises
    ------
    UserError
        Both layouts at once, only images of other sources, or as :func:`magnetogram_images.scan`.
    """
    folder = pathlib.Path(folder)
    by_source, of_flares = collections.defaultdict(dict), set()
    for path in sorted(folder.glob("*/*/*.jp2")):
        flare, source, _ = path.relative_to(folder).parts
        number = re.fullmatch(r"(?:source_)?(\d+)", source)
        time = time_of(path)
        if number and time is not None and not re.fullmatch(r"\d{4}", flare):  # .../2026/02/ is part of a tree by date
            by_source[int(number[1])].setdefault(time, path)
            of_flares.add(path)
    if not by_source:
        return magnetogram_images.scan(folder)
    others = (path for path in sorted(folder.rglob("*")) if path not in of_flares)
    other = next((path for path in others if magnetogram_images.time_of(path) is not None), None)
    if other is not None:
        raise UserError(f"{folder}: holds folders per flare ({min(of_flares)}) and other images ({other}); separate them")
    if source_id not in by_source:
        present = ", ".join(map(str, sorted(by_source)))
        raise UserError(f"{folder}: has no images of source {source_id}, only of {present}; choose with --source_id")
    return dict(sorted(by_source[source_id].items()))


def find_others(folder, sources):
    """Find the images of further sources, which lie in one folder per flare and source.

    Parameters
    ----------
    folder : str or pathlib.Path
    sources : sequence of int

    Returns
    -------
    dict of int to dict of numpy.datetime64 to pathlib.Path
        By source, in the order of time.

    Raises
    ------
    UserError
        One has no images there.
    """
    folder = pathlib.Path(folder)
    found = {source: {} for source in sources}
    for path in sorted(folder.glob("*/*/*.jp2")):
        _, name, _ = path.relative_to(folder).parts
        number, time = re.fullmatch(r"(?:source_)?(\d+)", name), time_of(path)
        if number and time is not None and int(number[1]) in found:
            found[int(number[1])].setdefault(time, path)
    empty = [str(source) for source, images in found.items() if not images]
    if empty:
        raise UserError(
            f"{folder}: has no images of source {', '.join(empty)} as <flare>/<source>/<time>.jp2; fetch them with"
            " python dataset_models/download/helioviewer.py --flares LIST --source ..., or leave them out of --other_sources"
        )
    return {source: dict(sorted(images.items())) for source, images in found.items()}


def time_of(path):
    """Read the observation time from a name of a known form, or from one that begins with a timestamp; else None."""
    time = magnetogram_images.time_of(path)
    match = _STAMP.match(pathlib.Path(path).name) if time is None else None
    if match:
        try:
            time = numpy.datetime64("{}-{}-{}T{}:{}:{}".format(*match.groups()), "s")
        except ValueError:
            return None
    return time
