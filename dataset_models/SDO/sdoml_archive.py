"""SDO-ML v2: images of AIA and HMI in zarr, from a folder or an object store, opened lazily and read chunk by chunk.

A store has a group per year and an array per channel, ``2011/171A`` or ``2011/Bz``: float32 (image, 512, 512) in chunks of 15
images, with the FITS keywords of all images as attributes, each a list: ``T_OBS``, ``QUALITY``, ``DEG_COR``, ``PIXLUNIT``, ...
AIA is in DN/s, corrected for degradation, HMI in gauss; in each image the Sun was brought to a radius of 976 arcsec at 4.8
arcsec a pixel. Rows are those of FITS: the first is the southernmost. Images may be in any order of time.

Written from the programs that make the archive (``aia_fits_to_zarr.py``, ``hmi_fits_to_zarr.py`` of SDOML/SDOMLv2) and from
public programs that read it, which show what these do not: AIA's times are UTC (``2011-01-01T00:00:08.07Z``), HMI's TAI
(``2010.05.01_00:11:04_TAI``). Stores: ``sdomlv2.zarr`` and ``sdomlv2_hmi.zarr``, and ``..._small.zarr``, with one year.

References
----------
Galvez et al. 2019, ApJS 242, 7.
"""

import collections
import concurrent.futures
import dataclasses
import pathlib
import re
import threading

import numpy

from dataset_models import simulation_mark
from dataset_models.images import headers, jpeg2000, quality
from tools.errors import UserError, quoted

AIA = ("94A", "131A", "171A", "193A", "211A", "304A", "335A", "1600A", "1700A")
HMI = ("Bx", "By", "Bz")
ARRAYS = (*AIA, *HMI)
YEARS = tuple(str(year) for year in range(2010, 2051))
RADIUS = 976 / 4.8 / 512  # of the Sun, in widths of an image
INSTALL = "pip install -c constraints.txt -e '.[cloud]'"

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d+)?Z?")
_ANONYMOUS = {"s3": {"anon": True}, "gs": {"token": "anon"}, "gcs": {"token": "anon"}}
_SHOWN = 200  # characters of a reason that messages repeat


@dataclasses.dataclass(frozen=True)
class _Array:
    """One array of a store, as `zarr.Array`, without its attributes: those of a year take a gigabyte."""

    name: str
    pixels: object

    @property
    def chunk(self):
        """Images in a chunk: int."""
        return max(self.pixels.chunks[0], 1)


@dataclasses.dataclass(frozen=True)
class Series:
    """All images of one channel, over years and stores, in order of time.

    Attributes
    ----------
    name : str
        One of `ARRAYS`.
    arrays : tuple
        Where the images are, an entry per store and year.
    times : numpy.ndarray
        ``datetime64[s]`` (n,), UTC, sorted and distinct.
    array, row : numpy.ndarray
        int64 (n,): place in `arrays` and in that array.
    left_out : dict of str to int
        Images that are not among them, by reason; none is 0.
    radius : float
        Of the Sun as the attributes have it, in widths of an image; NaN where they do not say.
    simulated : bool
    """

    name: str
    arrays: tuple
    times: numpy.ndarray
    array: numpy.ndarray
    row: numpy.ndarray
    left_out: dict
    radius: float
    simulated: bool

    @property
    def size(self):
        """Pixels of an image on a side, the smallest of the arrays: int."""
        return min(array.pixels.shape[1] for array in self.arrays)

    @property
    def chunks(self):
        """Number of the chunk of each image, over all arrays: int64 (n,)."""
        counts = [-(-array.pixels.shape[0] // array.chunk) for array in self.arrays]
        lengths = numpy.array([array.chunk for array in self.arrays])
        return (numpy.cumsum(counts) - counts)[self.array] + self.row // lengths[self.array]

    def place(self, number):
        """Name where an image is: str, for messages."""
        return f"{self.arrays[self.array[number]].name}, image {self.row[number]} of {self.times[number]}Z"


def open_series(stores, name, *, years=(), anonymous=True):
    """Open a channel: its times are read, its images are not.

    Parameters
    ----------
    stores : sequence of str
        Folders, or URLs that fsspec knows: ``s3://``, ``gs://``, ``https://``, ``simplecache::https://`` and others.
    name : str
        One of `ARRAYS`.
    years : sequence of str
        Those to be opened; by default all there are.
    anonymous : bool
        Ask object stores without credentials; otherwise with those that the machine has.

    Returns
    -------
    Series

    Raises
    ------
    UserError
        zarr or the file system of a URL is not installed; a store cannot be read; no store has the channel; an array of it
        is none of square images, or has no times.
    """
    arrays, parts = [], []
    for location in stores:
        store = _store(location, anonymous=anonymous)
        for year in years or YEARS:
            opened = _opened(store, location, year, name)
            if opened is not None:
                arrays.append(opened[0])
                parts.append(opened[1])
    if not arrays:
        wanted = f" of {', '.join(years)}" if years else ""
        raise UserError(
            f"{', '.join(stores)}: no array {name}{wanted}; SDO-ML v2 has them as 2011/{name}; see --arrays, --years"
        )
    times = numpy.concatenate([part.times for part in parts])
    array = numpy.repeat(numpy.arange(len(parts)), [len(part.times) for part in parts])
    row = numpy.concatenate([part.rows for part in parts])
    order = numpy.argsort(times, kind="stable")
    new = numpy.append(True, numpy.diff(times[order]) > numpy.timedelta64(0, "s"))[: len(order)]
    left_out = sum((collections.Counter(part.left_out) for part in parts), collections.Counter())
    left_out += collections.Counter({"of a time that another has": int((~new).sum())})
    radii = [part.radius for part in parts if numpy.isfinite(part.radius)]
    order = order[new]
    return Series(
        name,
        tuple(arrays),
        times[order],
        array[order],
        row[order],
        dict(left_out),
        float(numpy.median(radii)) if radii else numpy.nan,
        any(part.simulated for part in parts),
    )


def _store(location, *, anonymous):
    """Open a store for reading: a `zarr.abc.store.Store`."""
    try:
        import zarr
    except ImportError as error:
        raise UserError(f"{location}: reading it needs zarr; install it with: {INSTALL}") from error
    if "://" not in location:
        folder = pathlib.Path(location).expanduser()
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give a store of SDO-ML v2 like sdomlv2.zarr, or its URL")
        return zarr.storage.LocalStore(folder, read_only=True)
    protocol = location.split("://")[0]
    options = _ANONYMOUS.get(protocol, {}) if anonymous else {}
    try:
        return zarr.storage.FsspecStore.from_url(location, storage_options=options or None, read_only=True)
    except ImportError as error:
        if protocol in ("s3", "s3a"):
            text = (
                "s3fs, which constraints.txt does not have; a public bucket also opens as https://BUCKET.s3.amazonaws.com/..."
            )
            raise UserError(f"{location}: reading it needs {text}") from error
        raise UserError(f"{location}: reading it needs more than is installed; try {INSTALL} ({_reason(error)})") from error
    except Exception as error:  # each file system has its own
        raise UserError(f"{location}: cannot be opened ({_reason(error)}); check the URL") from error


@dataclasses.dataclass(frozen=True)
class _Part:
    """Content of the attributes of an array."""

    times: numpy.ndarray
    rows: numpy.ndarray
    left_out: dict
    radius: float
    simulated: bool


def _opened(store, location, year, name):
    """Open an array and read its attributes: (`_Array`, `_Part`), None where the store does not have it."""
    import zarr

    label = f"{location.rstrip('/')}/{year}/{name}"
    try:
        pixels = zarr.open_array(store=store, path=f"{year}/{name}", mode="r")
    except zarr.errors.NodeNotFoundError:
        return None
    except Exception as error:
        raise UserError(f"{label}: cannot be read ({_reason(error)})") from error
    if pixels.ndim != 3 or pixels.shape[1] != pixels.shape[2] or pixels.dtype.kind not in "fiu":
        shown = f"{pixels.dtype} {' x '.join(map(str, pixels.shape))}"
        raise UserError(f"{label}: expected square images as numbers (image, 512, 512), received {shown}")
    attributes = pixels.metadata.attributes
    part = _part(label, attributes, pixels.shape[0], "HMI" if name in HMI else "AIA")
    attributes.clear()
    return _Array(label, pixels), part


def _part(label, attributes, count, instrument):
    texts = attributes.get("T_OBS")
    if not isinstance(texts, list):
        there = "no attribute T_OBS" if texts is None else "an attribute T_OBS that is no list"
        raise UserError(f"{label}: {there}, the times of its images; arrays of SDO-ML v2 have one text for each")
    times = times_of(texts, is_tai=instrument == "HMI")
    left_out = {"without an image": max(len(times) - count, 0), "without a time": max(count - len(times), 0)}
    times = times[:count]
    known = ~numpy.isnat(times)
    left_out["without a time"] += int((~known).sum())
    if not known.any():
        first = f", the first {quoted(texts[0])}" if texts else ""
        raise UserError(
            f"{label}: T_OBS has no time for its {count} images{first}; expected texts like 2011-01-01T00:00:08.07Z"
        )
    damaged = _damaged(attributes.get("QUALITY"), len(times), instrument)
    left_out["of damaging QUALITY"] = int((known & damaged).sum())
    rows = numpy.flatnonzero(known & ~damaged)
    simulated = any(simulation_mark.is_set(value) for value in _some(attributes.get(simulation_mark.KEYWORD)))
    return _Part(times[rows], rows, left_out, _radius(attributes), simulated)


def times_of(texts, *, is_tai):
    """Read T_OBS: ``datetime64[s]`` (n,), UTC, NaT for a text that is no time; fractions of seconds are cut.

    Parameters
    ----------
    texts : list
        ``2011-01-01T00:00:08.07Z`` or ``2010.05.01_00:11:04_TAI``.
    is_tai : bool
        They are TAI also where they do not say so.

    Examples
    --------
    >>> times_of(["2011-01-01T00:00:08.07Z", "MISSING", "2010.05.01_00:11:04_TAI"], is_tai=False).astype(str).tolist()
    ['2011-01-01T00:00:08', 'NaT', '2010-05-01T00:10:30']
    """
    texts = [text if isinstance(text, str) else "" for text in texts]
    if not is_tai and all(map(_ISO.fullmatch, texts)):
        try:
            return numpy.array([text[:19] for text in texts], "datetime64[s]")
        except ValueError:
            pass  # the thirtieth of February: one by one
    times = [headers.parse_time(text, is_tai=is_tai and not text.strip().endswith("Z")) for text in texts]
    return numpy.array([numpy.datetime64("NaT") if time is None else time for time in times], "datetime64[ms]").astype(
        "datetime64[s]"
    )


def _damaged(words, count, instrument):
    """Check which images their QUALITY makes unusable: bool (count,); none where it is not stated."""
    damaged = numpy.zeros(count, bool)
    for number, word in enumerate(_some(words)[:count]):
        damaged[number] = isinstance(word, int) and word != 0 and bool(quality.damage(word, instrument))
    return damaged


def _radius(attributes):
    """Compute the radius of the Sun from attributes, in widths of an image: float, NaN where they do not say."""
    columns = [_some(attributes.get(name)) for name in ("RSUN_OBS", "CDELT1", "NAXIS1")]
    rows = [row for row in zip(*columns, strict=False) if all(isinstance(value, int | float) for value in row)]
    radii = [radius / (step * width) for radius, step, width in rows if step and width]
    return float(numpy.median(radii)) if radii else numpy.nan


def _some(values):
    return values if isinstance(values, list) else [] if values is None else [values]


class FrameCache:
    """Images of the chunks that were read last, brought to one size, for several threads.

    A chunk is read whole, and of it only the images of samples are kept.

    Parameters
    ----------
    series : sequence of Series
    wanted : sequence of numpy.ndarray
        int64 per series: its images that are ever asked for.
    size : int
        Pixels of the images on a side.
    limit : int
        Bytes to keep at most; one chunk is kept in any case.
    """

    def __init__(self, series, wanted, size, limit):
        self._series, self._size, self._limit = tuple(series), size, limit
        self._chunks = [one.chunks for one in self._series]
        self._members = []  # for each series: chunk -> its wanted images
        for all_chunks, numbers in zip(self._chunks, wanted, strict=True):
            chunks = all_chunks[numbers]
            order = numpy.argsort(chunks, kind="stable")
            borders = numpy.flatnonzero(numpy.diff(chunks[order])) + 1
            groups = numpy.split(numpy.asarray(numbers)[order], borders) if len(order) else []
            self._members.append({int(all_chunks[group[0]]): group for group in groups})
        self._kept = collections.OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def bytes_of(self, channel, chunk):
        """Compute the bytes that the images kept of a chunk take: int."""
        return len(self._members[channel].get(int(chunk), ())) * self._size**2 * 4

    def frame(self, channel, number):
        """Read an image: float32 (size, size), row 0 north.

        Parameters
        ----------
        channel : int
            Which series.
        number : int
            Place in its times, one of those wanted.

        Raises
        ------
        UserError
            The chunk cannot be read, or has no image there.
        """
        key = channel, int(self._chunks[channel][number])
        with self._lock:
            future = self._kept.get(key)
            mine = future is None
            if mine:
                future = self._kept[key] = concurrent.futures.Future()
            self._kept.move_to_end(key)
        if mine:
            try:
                future.set_result(self._read(*key))
                self._make_room(key)
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                future.set_exception(error)
                raise
        frame = future.result()[int(number)]
        if isinstance(frame, str):
            raise UserError(frame)
        return frame

    def _read(self, channel, chunk):
        """Read a chunk: dict of place in the times to image, or to what is wrong with it."""
        one, numbers = self._series[channel], self._members[channel][chunk]
        array = one.arrays[one.array[numbers[0]]]
        first = int(one.row[numbers[0]]) // array.chunk * array.chunk
        try:
            pixels = array.pixels[first : first + array.chunk]
        except Exception as error:  # codecs and file systems raise anything
            raise UserError(f"{array.name}: images from {first} on cannot be read ({_reason(error)})") from error
        return {int(number): self._made(one, number, pixels[one.row[number] - first]) for number in numbers}

    def _made(self, one, number, pixels):
        known = numpy.isfinite(pixels)
        if not known.any() or numpy.ptp(pixels[known]) == 0:
            return f"{one.place(number)}: holds no image; leave it out with --without {one.times[number]}Z"
        pixels = numpy.where(known, pixels, 0).astype("float32", copy=False)[::-1]
        return jpeg2000.shrink(pixels, self._size)

    def _make_room(self, key):
        with self._lock:
            self._bytes += self.bytes_of(*key)
            for other in list(self._kept):
                if self._bytes <= self._limit or len(self._kept) == 1:
                    return
                if other != key and self._kept[other].done():
                    del self._kept[other]
                    self._bytes -= self.bytes_of(*other)


def _reason(error):
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__
