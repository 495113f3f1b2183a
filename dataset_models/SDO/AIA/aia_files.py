"""Group the AIA files of one time: names of JSOC's synoptic archive, of its level 1 exports, and of FlareNet's arrays."""

import bisect
import dataclasses
import datetime
import pathlib
import re

import numpy

from dataset_models.images import picture_tree
from tools import notes
from tools.errors import UserError

CHANNELS = (94, 131, 171, 193, 211, 304, 335, 1600)  # Angstrom
REFERENCE = 171  # the channel that gives a level 1 frame its time: each channel has exposures of its own
YEARS = range(2010, 2100)  # of SDO: one misnamed file would otherwise stretch a data set over millennia
APART = numpy.timedelta64(24, "s")  # of exposures in one level 1 frame; the cadence at 1600 Angstrom

_FITS_NAME = re.compile(r"AIA(\d{8})_(\d{4})(\d{2})?_(\d{4})\.fits?(\.gz)?", re.IGNORECASE)
_LEVEL_1_NAMES = (
    # JSOC's: aia.lev1_euv_12s.2014-06-17T213610Z.171.image_lev1.fits, and with only .image where that segment was asked for
    re.compile(
        r"aia\.lev1(?:_\w+)?\.(?P<date>\d{4}-\d\d-\d\d)T(?P<clock>\d{6})Z\.(?P<channel>\d+)\.image(?:_lev1)?\.fits",
        re.IGNORECASE,
    ),
    # The VSO's, as sunpy writes them: aia.lev1.171A_2014-06-17T21_36_11.34Z.image_lev1.fits, or all with underscores
    re.compile(
        r"aia[._]lev1(?:_\w+?)?[._](?P<channel>\d+)a_(?P<date>\d{4}[-_]\d\d[-_]\d\d)t(?P<clock>\d\d_?\d\d_?\d\d)"
        r"(?:[._]\d+)?z[._]image(?:_lev1)?\.fits",
        re.IGNORECASE,
    ),
)
_LEGACY_NAME = re.compile(r"(\d{8})_(\d{4})_AIA_08_1024_1024\.dat", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Frame:
    """Files of one time.

    Attributes
    ----------
    time : numpy.datetime64
        From the name, UTC, seconds; of level 1 that of `REFERENCE`.
    paths : tuple of pathlib.Path
        One ``.dat`` file, or FITS files in the order of `channels`.
    channels : tuple of int
        Channels present, Angstrom.
    """

    time: numpy.datetime64
    paths: tuple
    channels: tuple

    @property
    def is_legacy(self):
        return self.paths[0].suffix.lower() == ".dat"

    @property
    def is_complete(self):
        return self.channels == CHANNELS

    @property
    def key(self):
        return key_of(self.time)

    def require_all_channels(self):
        """Raise a `UserError` that names missing channels."""
        missing = [str(channel) for channel in CHANNELS if channel not in self.channels]
        if missing:
            present = f"{len(self.channels)} ({', '.join(missing)} missing)"
            raise UserError(f"{self.paths[0]}: expected {len(CHANNELS)} channels, received {present}")


def key_of(time):
    """Return a time as part of a file name: ``"20140617T213600"``."""
    return str(numpy.datetime64(time, "s")).replace("-", "").replace(":", "")


def find_frames(folder):
    """Find the frames in a folder and its subfolders, in the order of time.

    Parameters
    ----------
    folder : str or pathlib.Path
        With ``YYYYMMDD_HHMM_AIA_08_1024_1024.dat`` files, or FITS files named as JSOC's synoptic archive names them,
        ``YYYY/MM/DD/H0000/AIAYYYYMMDD_HHMM_0094.fits``, or as it names level 1,
        ``aia.lev1_euv_12s.2014-06-17T213610Z.171.image_lev1.fits``, or as sunpy names level 1 from the VSO. Files with
        other names are counted in a note. Where several kinds have a time, one with all channels is taken before one that
        lacks some, then level 1 before synoptic before legacy.

    Returns
    -------
    list of Frame
        Frames without all eight channels included.
    """
    legacy, channels, level_1, unknown = {}, {}, [], []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        time, channel = parse_name(path)
        if time is None:
            if path.is_file() and not picture_tree.is_by_product(path):
                unknown.append(path)
            continue
        if channel is None:
            legacy[time] = path
        elif is_level_1(path):
            level_1.append(path)
        elif channel in CHANNELS:
            channels.setdefault(time, {})[channel] = path
    notes.note_unknown_names(folder, unknown, expected="AIA20140617_2136_0171.fits")
    candidates = [Frame(time, (path,), CHANNELS) for time, path in legacy.items()]
    for time, paths in channels.items():
        present = tuple(channel for channel in CHANNELS if channel in paths)
        candidates.append(Frame(time, tuple(paths[channel] for channel in present), present))
    candidates += _level_1_frames(level_1)
    candidates.sort(key=lambda frame: frame.is_complete)  # stable: of two that are complete the later kind
    frames = {frame.time: frame for frame in candidates}
    return [frames[time] for time in sorted(frames)]


def frame_of(path):
    """Find the frame that a file belongs to; for FITS the files of the other channels are looked for beside it.

    Raises
    ------
    UserError
        No such file, or a name of neither kind.
    """
    path = pathlib.Path(path)
    time, channel = parse_name(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if time is None:
        names = "20140617_2136_AIA_08_1024_1024.dat or AIA20140617_2136_0171.fits"
        raise UserError(f"{path}: expected a name like {names}, which gives time and channel")
    if channel is None:
        return Frame(time, (path,), CHANNELS)
    if is_level_1(path):
        images = _by_channel([other for other in sorted(path.parent.iterdir()) if is_level_1(other)])
        return _level_1_frame(images | {channel: ([time], [path])}, time)
    beside = {parse_name(other)[1]: other for other in sorted(path.parent.iterdir()) if parse_name(other)[0] == time}
    beside[channel] = path
    present = tuple(channel for channel in CHANNELS if channel in beside)
    return Frame(time, tuple(beside[channel] for channel in present), present)


def is_level_1(path):
    """Check whether a file has the name of a level 1 image."""
    return _level_1_match(path) is not None


def _level_1_match(path):
    name = pathlib.Path(path).name
    return next((match for pattern in _LEVEL_1_NAMES if (match := pattern.fullmatch(name))), None)


def _level_1_frames(paths):
    """Make a frame for every image of the reference channel."""
    images = _by_channel(paths)
    times, _ = images.get(REFERENCE, ((), ()))
    return [_level_1_frame(images, time) for time in times]


def _by_channel(paths):
    """List times and paths of level 1 images, in the order of time: dict of channel to (list, list)."""
    images = {}
    for time, channel, path in sorted((*parse_name(path), path) for path in paths):
        if channel in CHANNELS:
            times, files = images.setdefault(channel, ([], []))
            times.append(time)
            files.append(path)
    return images


def _level_1_frame(images, time):
    """Find the image of each channel that is nearest to a time."""
    paths = {}
    for channel, (times, files) in images.items():
        after = bisect.bisect_left(times, time)
        nearest = min(range(max(after - 1, 0), min(after + 1, len(times))), key=lambda place: abs(times[place] - time))
        if abs(times[nearest] - time) <= APART:
            paths[channel] = files[nearest]
    present = tuple(channel for channel in CHANNELS if channel in paths)
    return Frame(time, tuple(paths[channel] for channel in present), present)


def parse_name(path):
    """Read the (time, channel) that a file name states: channel None for legacy arrays, (None, None) for any other file."""
    name = pathlib.Path(path).name
    match = _level_1_match(path)
    if match:
        time = _time_of(re.sub(r"\D", "", match["date"] + match["clock"]))
        return (None, None) if time is None else (time, int(match["channel"]))
    match, channel = _LEGACY_NAME.fullmatch(name), None
    seconds = ""
    if match is None:
        match = _FITS_NAME.fullmatch(name)
        if match is None:
            return None, None
        seconds, channel = match[3] or "", int(match[4])
    time = _time_of(match[1] + match[2] + (seconds or "00"))
    return (None, None) if time is None else (time, channel)


def _time_of(digits):
    """Read a time as year to second: ``datetime64[s]``; None for one that does not exist, or at which SDO does not observe."""
    try:
        time = datetime.datetime.strptime(digits, "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return numpy.datetime64(time, "s") if time.year in YEARS else None
