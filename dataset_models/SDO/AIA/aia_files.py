"""Which AIA files belong together: names and folders of JSOC's synoptic archive and of FlareNet's arrays."""

import dataclasses
import datetime
import pathlib
import re

import numpy

from tools.errors import UserError

CHANNELS = (94, 131, 171, 193, 211, 304, 335, 1600)  # Angstrom

_FITS_NAME = re.compile(r"AIA(\d{8})_(\d{4})(\d{2})?_(\d{4})\.fits?(\.gz)?", re.IGNORECASE)
_LEGACY_NAME = re.compile(r"(\d{8})_(\d{4})_AIA_08_1024_1024\.dat", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Frame:
    """Files of one time.

    Attributes
    ----------
    time : numpy.datetime64
        From the name, UTC, seconds.
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
            found = f"{len(self.channels)} ({', '.join(missing)} missing)"
            raise UserError(f"{self.paths[0]}: expected {len(CHANNELS)} channels, received {found}")


def key_of(time):
    """A time as part of a file name: ``"20140617T213600"``."""
    return str(numpy.datetime64(time, "s")).replace("-", "").replace(":", "")


def find_frames(folder):
    """Frames in a folder and its subfolders, in the order of time.

    Parameters
    ----------
    folder : str or pathlib.Path
        With ``YYYYMMDD_HHMM_AIA_08_1024_1024.dat`` files, or FITS files named as JSOC's synoptic archive names them,
        ``YYYY/MM/DD/H0000/AIAYYYYMMDD_HHMM_0094.fits``; any other file is ignored. Where both kinds have a time, the FITS
        files are taken.

    Returns
    -------
    list of Frame
        Frames without all eight channels included.
    """
    legacy, channels = {}, {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        time, channel = parse_name(path)
        if time is None:
            continue
        if channel is None:
            legacy[time] = path
        elif channel in CHANNELS:
            channels.setdefault(time, {})[channel] = path
    frames = {time: Frame(time, (path,), CHANNELS) for time, path in legacy.items()}
    for time, found in channels.items():
        present = tuple(channel for channel in CHANNELS if channel in found)
        frames[time] = Frame(time, tuple(found[channel] for channel in present), present)
    return [frames[time] for time in sorted(frames)]


def frame_of(path):
    """The frame that a file belongs to; for FITS the files of the other channels are looked for beside it.

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
        raise UserError(f"{path}: expected a name like {names}, which tells time and channel")
    if channel is None:
        return Frame(time, (path,), CHANNELS)
    beside = {parse_name(other)[1]: other for other in sorted(path.parent.iterdir()) if parse_name(other)[0] == time}
    beside[channel] = path
    present = tuple(channel for channel in CHANNELS if channel in beside)
    return Frame(time, tuple(beside[channel] for channel in present), present)


def parse_name(path):
    """(time, channel) that a file name tells: channel None for legacy arrays, (None, None) for any other file."""
    name = pathlib.Path(path).name
    match, channel = _LEGACY_NAME.fullmatch(name), None
    seconds = ""
    if match is None:
        match = _FITS_NAME.fullmatch(name)
        if match is None:
            return None, None
        seconds, channel = match[3] or "", int(match[4])
    try:
        time = datetime.datetime.strptime(match[1] + match[2] + (seconds or "00"), "%Y%m%d%H%M%S")
    except ValueError:
        return None, None
    return numpy.datetime64(time, "s"), channel
