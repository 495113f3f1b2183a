"""Browse pictures of SDO/AIA, JPEG or PNG in the instrument's colours, and the flares that followed them.

    python network_models/xray_flux_forecast/starting_point/network.py --dataset dataset_models/SDO/AIA/browse_pictures.py \\
        --folder /data/browse --flares /data/flares.csv --wavelengths 304 193

Names tell time and channel, as in SDO's archive (``20110607_063308_512_0304.jpg``, ``20110607_063308_SDO_AIA_304_512.jpg``) or
at Helioviewer (``2011_06_07__06_33_08_120__SDO_AIA_AIA_304.jpg``, ``2011_06_07_06_33_08_AIA_304.png``). Pictures are undone to
grey once, their caption is masked, and the disk brought to one size and place; the conversion is kept in the cache.
"""

import dataclasses
import functools
import pathlib
import re

import numpy

from dataset_models import observation_times, simulation_mark
from dataset_models.flare_data import FlareData
from dataset_models.images import colour_tables, disk, earth_view, file_names, picture_files
from dataset_models.images.image_cache import ImageCache
from dataset_models.solar_data import Channel
from tools import notes
from tools.errors import UserError
from tools.options import option
from tools.paths import data_path

WAVELENGTHS = ("94", "131", "171", "193", "211", "304", "335", "1600", "1700", "4500")
SUFFIXES = (".jpg", ".jpeg", ".png")
# How far out the limb of pictures is, in radii of the photosphere: 304 and 193 as measured on SDO's pictures of 2010-09 to
# 2011-09; the other coronal channels, bright at the limb, are taken to be as 193, and those from below as the photosphere.
LIMB = {"304": 1.015, "1600": 1.0, "1700": 1.0, "4500": 1.0}
_CORONAL_LIMB = 1.005
_CAPTION = (0.95, 0.6)  # rows from, and columns up to, in parts of the picture
_WHITE, _LEAST_TEXT = 150, 0.003  # luminance of a caption, and the share of its field that has it
_RECIPE_VERSION = 1  # raise it when the same files and options come to give other images
_FACTS = ("row", "column", "radius", "caption")  # kept behind the pixels of a converted picture

_DAY, _CLOCK = (
    separator.join(f"(?P<{name}>{digits})" for name, digits in names)
    for separator, names in (
        ("_?", (("year", r"\d{4}"), ("month", r"\d\d"), ("day", r"\d\d"))),
        ("_?", (("hour", r"\d\d"), ("minute", r"\d\d"), ("second", r"\d\d"))),
    )
)
_STAMP, _PICTURE = f"{_DAY}__?{_CLOCK}_", r"\.(?:jpe?g|png)"
NAMES = (
    re.compile(_STAMP + r"\d{3,4}_0*(?P<wavelength>\d{2,4})" + _PICTURE, re.IGNORECASE),
    re.compile(_STAMP + r"SDO_AIA_0*(?P<wavelength>\d{2,4})_\d+" + _PICTURE, re.IGNORECASE),
    re.compile(_STAMP + r"\d+__SDO_AIA_AIA_(?P<wavelength>\d{2,4})" + _PICTURE, re.IGNORECASE),
    re.compile(_STAMP + r"(?:SDO_)?AIA_(?:AIA_)?(?P<wavelength>\d{2,4})_*" + _PICTURE, re.IGNORECASE),
)


@dataclasses.dataclass(kw_only=True)
class BrowsePictures(FlareData):
    """Pictures of one or several AIA channels; lists or label tables, window, threshold, history and splits: see `FlareData`.

    A sample of several channels takes one picture of each, at most `tolerance` minutes apart; its time is that of the last one,
    so that none shows what comes after. Grey levels are the pictures' own, which follow no fixed scale of intensity.
    """

    title = "SDO/AIA browse pictures"
    image_name = "picture"

    wavelengths: tuple[str, ...] = option(("304",), "channels, angstrom", choices=WAVELENGTHS)
    tolerance: float = option(12.0, "most minutes between pictures of two channels", least=0.0, most=1440.0)
    image_size: int = option(256, "pixels of the image that a network sees", least=16, most=4096)
    cache: str | None = option(None, "folder for converted images (default: 'cache' of config.yml)", place="cache")

    def __post_init__(self):
        super().__post_init__()
        if not self.wavelengths or len(set(self.wavelengths)) < len(self.wavelengths):
            raise UserError(f"--wavelengths: give one or several, each once; received {' '.join(self.wavelengths) or 'none'}")

    # What goes in and what comes out

    @property
    def channels(self):
        return tuple(Channel(name, f"sdoaia{name}", "grey level (0 to 1)") for name in self.wavelengths)

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    # Files

    @property
    def file_names(self):
        return ", ".join(f"20110607_063308_512_{int(name):04d}.jpg" for name in self.wavelengths)

    @functools.cached_property
    def found_files(self):
        def is_unknown(path):
            return path.suffix.lower() in SUFFIXES and wavelength_of(path) is None

        def of_channel(path, name):
            return time_of(path) if wavelength_of(path) == name else None

        known = {"expected": self.file_names, "counted": is_unknown}
        return tuple(
            file_names.by_time(self.image_folder, functools.partial(of_channel, name=name), **known)
            for name in self.wavelengths
        )

    @functools.cached_property
    def channel_files(self):
        times, chosen = self._matched
        return tuple(
            {time: files[moment] for time, moment in zip(times, moments, strict=True)}
            for files, moments in zip(self.found_files, chosen, strict=True)
        )

    @functools.cached_property
    def image_files(self):
        """The last picture of each sample, whose time is that of the sample: dict of datetime64[s] to pathlib.Path."""
        times, chosen = self._matched
        return {time: self.channel_files[place][time] for time, place in zip(times, chosen.argmax(axis=0), strict=True)}

    @functools.cached_property
    def _matched(self):
        """Times of samples, and of their pictures of each channel: datetime64[s] (n,) and (channels, n)."""
        usable = [
            numpy.array([time for time in files if _key(time) not in rejected], "datetime64[s]")
            for files, (_, rejected) in zip(self.found_files, self._converted, strict=True)
        ]
        chosen = observation_times.together(usable, tolerance=numpy.timedelta64(round(60 * self.tolerance), "s"))
        return chosen.max(axis=0), chosen

    @property
    def left_out(self):
        """Pictures of each channel that cannot be used, or have no partner in the other channels: dict of str to int."""
        found = zip(self.wavelengths, self.found_files, self._converted, strict=True)
        counts = {f"{name} cannot be used": len(rejected) for name, _, (_, rejected) in found}
        for name, files in zip(self.wavelengths, self.found_files, strict=True):
            counts[f"{name} without others in time"] = len(files) - counts[f"{name} cannot be used"] - len(self._matched[0])
        return counts

    @property
    def without_caption(self):
        """How many pictures of the samples had no caption: int. The place of captions is masked in all of them."""
        places = zip(self._converted, self._matched[1], strict=True)
        return sum(not cache.read(_key(time))[-1] for (cache, _), times in places for time in times)

    def describe(self):
        return super().describe() | {"pictures_left_out": self.left_out, "pictures_without_caption": self.without_caption}

    # Images

    @functools.cached_property
    def _converted(self):
        """(cache, rejected) of each channel: its pictures converted, and why some could not be."""
        converted = []
        for name, files in zip(self.wavelengths, self.found_files, strict=True):
            recipe = {"name": f"aia-browse-{name}-{self.image_size}", "version": _RECIPE_VERSION, "size": self.image_size}
            recipe |= {"wavelength": name, "half_width": disk.HALF_WIDTH} | simulation_mark.entry(self.simulated)
            cache = ImageCache(data_path("cache", self.cache), recipe, (self.image_size**2 + len(_FACTS),))
            reader = functools.partial(_record, size=self.image_size)
            sources = {_key(time): (path,) for time, path in files.items()}
            rejected = cache.convert(sources, reader, root=self.image_folder, label=f"convert AIA {name}")
            if rejected:
                first = rejected[min(rejected)]
                if len(rejected) == len(sources):
                    raise UserError(f"none of {len(sources)} pictures of AIA {name} can be used; the first: {first}")
                text = f"{len(rejected)} of {len(sources)} pictures of AIA {name} cannot be used and are left out; the first:"
                notes.note(f"{text} {first}")
            converted.append((cache, rejected))
        return converted

    def image(self, time):
        times, chosen = self._matched
        moments = chosen[:, numpy.searchsorted(times, time)]
        return self._stacked(cache.read(_key(moment)) for (cache, _), moment in zip(self._converted, moments, strict=True))

    def _stacked(self, records):
        pixels = [record[: -len(_FACTS)].reshape(self.image_shape) for record in records]
        return pixels[0][..., None] if len(pixels) == 1 else numpy.stack(pixels, axis=-1)

    def read_picture(self, path):
        """Read a picture of one channel, and the last usable ones of the others up to its time: as `image`."""
        name, time = wavelength_of(path), time_of(path)
        if len(self.wavelengths) == 1:
            return self._stacked([_record((path,), size=self.image_size, wavelength=self.wavelengths[0])])
        if time is None or name not in self.wavelengths:
            raise UserError(f"{path}: its name gives no time and channel; expected one like {self.file_names}")
        records = []
        for other, files in zip(self.wavelengths, self.found_files, strict=True):
            if other == name:
                record = _record((path,), size=self.image_size, wavelength=name)
            else:
                record = self._last(other, files, time)
            if record is None:
                text = f"the network also needs a usable picture of AIA {other} of the {self.tolerance:g} minutes before it"
                raise UserError(f"{path}: {text}, which {self.image_folder} does not have")
            records.append(record)
        return self._stacked(records)

    def _last(self, wavelength, files, time):
        """Read the last usable picture of a channel up to a time, none older than the tolerance: its record, or None."""
        oldest = time - numpy.timedelta64(round(60 * self.tolerance), "s")
        for moment in sorted((moment for moment in files if oldest <= moment <= time), reverse=True):
            try:
                return _record((files[moment],), size=self.image_size, wavelength=wavelength)
            except UserError:
                continue  # a damaged one is in no sample either
        return None

    def image_time(self, path):
        return time_of(path)

    def image_header(self, path):
        return None if time_of(path) is None else _header(time_of(path), self.image_size)

    def header(self, time):
        return _header(numpy.datetime64(time, "s"), self.image_size)


def time_of(path):
    """Read the time that a picture's name gives: ``datetime64[s]``, None for a name of no known form."""
    return file_names.time_in(path, *NAMES)


def wavelength_of(path):
    """Read the channel that a picture's name gives: str, one of `WAVELENGTHS`, None where it gives none.

    Examples
    --------
    >>> wavelength_of("20110607_063308_512_0304.jpg"), wavelength_of("2011_06_07__06_33_08_120__SDO_AIA_AIA_94.png")
    ('304', '94')
    """
    match = next(filter(None, (pattern.fullmatch(pathlib.Path(path).name) for pattern in NAMES)), None)
    return match["wavelength"] if match and match["wavelength"] in WAVELENGTHS else None


def read(path, *, size, wavelength=None):
    """Read a picture as grey levels, with the disk of the Sun in the middle and of one size.

    Parameters
    ----------
    path : str or pathlib.Path
        A square JPEG or PNG, in colours or grey.
    size : int
        Pixels of the result, `dataset_models.images.disk.HALF_WIDTH` solar radii from the middle to its edges.
    wavelength : str, optional
        One of `WAVELENGTHS`; by default as its name says.

    Returns
    -------
    image : numpy.ndarray
        float32 (size, size), 0 to 1, row 0 north.
    found : dataset_models.images.disk.Disk
        Where the limb was in the file.
    captioned : bool
        Whether there was a caption, lower left; its place is 0 in any case.

    Raises
    ------
    UserError
        Missing, damaged, not square, too small, of a channel that the name does not give, in the colours of another table,
        without a disk or with one that is cut off.
    """
    wavelength = wavelength or wavelength_of(path)
    if wavelength is None:
        raise UserError(f"{path}: its name gives no AIA channel; expected one like 20110607_063308_512_0304.jpg")
    with picture_files.opened(path, ("JPEG", "PNG")) as picture:
        plain = picture.mode in ("L", "LA", "1", "I;16")
        pixels = numpy.asarray(picture.convert("L" if plain else "RGB"))
    height, width = pixels.shape[:2]
    if height != width or width < size:
        raise UserError(f"{path}: expected a square picture of {size} pixels or more, received {width} x {height}")
    names = tuple(f"sdoaia{name}" for name in WAVELENGTHS)
    grey = pixels.astype("float32") if plain else colour_tables.to_grey(pixels, f"sdoaia{wavelength}", path, others=names)
    field = (slice(round(_CAPTION[0] * height), None), slice(None, round(_CAPTION[1] * width)))
    text = pixels[field] if plain else pixels[field].min(axis=-1)  # captions are white
    captioned = bool((text > _WHITE).mean() > _LEAST_TEXT)
    grey[field] = 0
    found = disk.find(grey, path, edge=-1 if wavelength in LIMB else 1)
    sized = found._replace(radius=found.radius / LIMB.get(wavelength, _CORONAL_LIMB))
    return disk.registered(grey, sized, size) / numpy.float32(255), found, captioned


def _record(paths, *, size, wavelength=None):
    """Make what the cache keeps of a picture: its pixels and `_FACTS`, float32 (size * size + 4,)."""
    image, found, captioned = read(paths[0], size=size, wavelength=wavelength)
    return numpy.concatenate([image.ravel(), [found.row, found.column, found.radius, captioned]]).astype("float32")


def _header(time, size):
    made = earth_view.header(time, size, frame=1.0, telescope="SDO", instrument="AIA")
    for axis in ("1", "2"):
        made["CDELT" + axis] = 2 * disk.HALF_WIDTH * made["RSUN_OBS"] / size
    return made


def _key(time):
    return str(time).replace("-", "").replace(":", "")
