"""Helioviewer's JPEG 2000 files: whole or not, their FITS header, and their pixels at a smaller size in two ways.

``"area"`` decodes everything and averages over areas, as the published studies did. ``"reduced"`` decodes only the
wavelet level that is nearest above the size asked for, about twenty times faster. The two are not interchangeable: a
wavelet level holds low-pass samples at every 2**level-th pixel, so at level 3 its image lies 0.44 of its own pixels away
from the area average and differs from it by 33 to 38 dB. The WCS that is returned belongs to the way taken.

A JPEG 2000 body carries no checksum. A missing end is found here; a flipped bit inside mostly cannot be.
"""

import io
import struct
import typing

import numpy

from dataset_models.images import picture_files
from dataset_models.images.geometry import linear_wcs
from dataset_models.images.headers import Keywords
from tools.errors import UserError
from tools.reading import raw_files

MODES = ("area", "reduced")

_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_START, _SIZE, _CODING, _TILE, _END = b"\xff\x4f", b"\xff\x51", b"\xff\x52", b"\xff\x90", b"\xff\xd9"
_TEXT_KEYS = ("DATE-OBS", "TELESCOP", "INSTRUME", "DETECTOR", "CONTENT", "CTYPE1", "CTYPE2", "CUNIT1", "CUNIT2", "SIMULATD")
_POINTING_KEYS = ("CRVAL1", "CRVAL2", "CROTA2")
_DESCRIBING_KEYS = (
    "WAVELNTH",
    "DSUN_OBS",
    "RSUN_OBS",
    "CRLN_OBS",
    "CRLT_OBS",
    "HGLN_OBS",
    "HGLT_OBS",
)


class Jpeg2000(typing.NamedTuple):
    """A file that is whole as far as its boxes show.

    Attributes
    ----------
    path : str or pathlib.Path
    content : bytes
        The file.
    width, height : int
        Pixels.
    levels : int
        Wavelet levels that can be left out when decoding.
    xml : bytes
        Content of the first XML box, empty where there is none.
    """

    path: typing.Any
    content: bytes
    width: int
    height: int
    levels: int
    xml: bytes


class Crop(typing.NamedTuple):
    """A square of the full image: its first column and row (from 0, row 0 at the top) and its width, in pixels."""

    left: int
    top: int
    width: int


class Picture(typing.NamedTuple):
    """Pixels and where they lie.

    Attributes
    ----------
    grey : numpy.ndarray
        float32 (height, width), grey levels 0 to 255, row 0 at the top.
    level : int
        Wavelet levels left out in decoding; 0 in ``"area"`` mode.
    wcs : dict of str to (str or float)
        FITS keywords of `grey` (for rows from the bottom, ``grey[::-1]``); empty where the file states no pointing.
    """

    grey: numpy.ndarray
    level: int
    wcs: dict


def boxes(content, *, path="file"):
    """List the boxes of a JP2 file (ISO/IEC 15444-1, annex I).

    Parameters
    ----------
    content : bytes
    path : str or pathlib.Path, optional
        Named in errors.

    Returns
    -------
    list of (bytes, int, int)
        Type, and first and one past last byte of the content, in the order of the file.

    Raises
    ------
    UserError
        No JP2 file, or a box reaches beyond the end of the file.
    """
    if not content.startswith(_SIGNATURE):
        raise UserError(f"{path}: is not a JPEG 2000 file")
    contents, place = [], 0
    while place < len(content):
        head = content[place : place + 16]
        if len(head) < 8:
            if content[place:].strip(b"\x00"):
                raise _truncated(path)
            break  # padding
        length, kind = struct.unpack(">I4s", head[:8])
        begin = place + 8
        if length == 1 and len(head) == 16:  # a longer length follows
            length, begin = struct.unpack(">Q", head[8:])[0], place + 16
        end = len(content) if length == 0 else place + length  # 0: to the end of the file
        if length == 0 and not kind.strip(b"\x00"):
            break  # padding
        if end < begin or end > len(content):
            raise _truncated(path)
        contents.append((kind, begin, end))
        place = end
    return contents


def read(path):
    """Read a file and check that it is whole, without decoding it.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Jpeg2000

    Raises
    ------
    UserError
        Missing, not JPEG 2000, truncated by as little as a byte, or with more than 8 bits per pixel.
    """
    content = raw_files.read_bytes(path, advice="fetch it again")
    contents = boxes(content, path=path)
    streams = [(begin, end) for kind, begin, end in contents if kind == b"jp2c"]
    if not streams:
        raise _truncated(path)
    begin, end = streams[0]
    if content[begin : begin + 2] != _START:
        raise UserError(f"{path}: is damaged (its code stream has no start); fetch it again")
    # Files of Helioviewer may let this box reach to the end of the file, where some carry padding.
    if not content[max(begin, end - 64) : end].rstrip(b"\x00").endswith(_END):
        raise _truncated(path)
    width, height, levels = _main_header(content, begin, end, path)
    xml = next((content[start:stop] for kind, start, stop in contents if kind == b"xml "), b"")
    return Jpeg2000(path, content, width, height, levels, xml)


def _main_header(content, begin, end, path):
    """Read width, height and wavelet levels, from the marker segments before the first tile."""
    size = levels = None
    place = begin + 2
    try:
        while content[place : place + 2] != _TILE:
            marker, (length,) = content[place : place + 2], struct.unpack_from(">H", content, place + 2)
            if marker == _SIZE:
                size = struct.unpack_from(">4I", content, place + 6)
                bits = (content[place + 40] & 0x7F) + 1
            elif marker == _CODING:
                levels = content[place + 9]
            place += 2 + length
            if length < 2 or place >= end:
                raise ValueError("no tile")
        right, bottom, left, top = size
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is damaged (its main header cannot be read); fetch it again") from error
    if bits > 8:
        raise UserError(f"{path}: expected 8 bits per pixel as Helioviewer has them, received {bits}")
    if left or top or levels is None:
        levels = 0  # the phase of wavelet samples would depend on the offset
    picture_files.require_modest(path, right - left, bottom - top)
    return right - left, bottom - top, levels


def stored_header(jp2):
    """Read the FITS keywords that Helioviewer stores as XML: dict of str (upper case) to str, empty where there are none.

    Raises
    ------
    UserError
        The XML cannot be read.
    """
    import xml.etree.ElementTree as ElementTree

    text = jp2.xml.rstrip(b"\x00").decode("utf-8", "replace").strip()
    if not text:
        return {}
    if "<!" in text.replace("<!--", ""):  # a document type could define entities that expand without end
        raise UserError(f"{jp2.path}: its XML header holds declarations, which Helioviewer's do not")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"{jp2.path}: its XML header cannot be read ({error})") from error
    entries = next((element for element in (root, *root) if element.tag.lower() == "fits"), ())
    return {entry.tag.upper(): (entry.text or "").strip() for entry in entries}


def level_for(jp2, *, size, crop=None):
    """Count the wavelet levels to leave out so that at least `size` pixels are left of the crop's width, and its borders fit.

    Returns
    -------
    int
        At most ``jp2.levels``; 0 is a full decode.
    """
    crop = crop or _whole(jp2)
    level = 0
    while (
        level < jp2.levels
        and crop.width >> (level + 1) >= size
        and not any(number % (2 << level) for number in (*crop, jp2.width, jp2.height))
    ):
        level += 1
    return level


def decode(jp2, *, size, mode="area", crop=None):
    """Decode to a picture of a size, mostly a square one.

    Parameters
    ----------
    jp2 : Jpeg2000
    size : int or (int, int)
        Pixels on a side, or height and width: of the same square, whose pixels are then no squares.
    mode : str
        ``"area"``: averages over areas of the full image. ``"reduced"``: the nearest wavelet level that has no fewer
        pixels; what is left to shrink, for sizes that are no level or files with too few, is averaged over areas.
    crop : Crop, optional
        The part that becomes the result; without it the whole image, which must be square.

    Returns
    -------
    Picture

    Raises
    ------
    UserError
        Not square, the crop reaches beyond the image, the result would be enlarged, or the code stream is damaged.
    """
    from PIL import Image

    if mode not in MODES:
        raise ValueError(f"mode is one of {MODES}; received {mode!r}")
    crop = crop or _whole(jp2)
    left, top, width = crop
    if min(left, top) < 0 or left + width > jp2.width or top + width > jp2.height:
        raise UserError(f"{jp2.path}: is {jp2.width} x {jp2.height} pixels; {_in_words(crop)} reach beyond it")
    longer = max(_sides(size))
    if width < longer:
        raise UserError(f"{jp2.path}: is {width} pixels wide, fewer than the {longer} asked for; images are never enlarged")
    level = level_for(jp2, size=longer, crop=crop) if mode == "reduced" else 0
    try:
        with Image.open(io.BytesIO(jp2.content), formats=["JPEG2000"]) as picture:
            picture.reduce = level
            picture.load()
            grey = numpy.asarray(picture if picture.mode == "L" else picture.convert("L"))
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{jp2.path}: cannot be decoded ({reason}); fetch it again") from error
    step = 1 << level
    grey = grey[top // step : (top + width) // step, left // step : (left + width) // step]
    return Picture(shrink(grey, size), level, _wcs(jp2, crop, size, level))


def _sides(size):
    """Height and width of a size given as one number or two."""
    return (size, size) if isinstance(size, int | numpy.integer) else tuple(size)


def shrink(grey, size):
    """Average over areas, exactly: a square image (n, n), n >= size -> float32 (size, size), or of (height, width) if given.

    Where `size` does not divide n, pixels on a border count in both areas with their shares. (Pillow's BOX filter counts
    them whole in one of the two, which moves pixels by up to half of one of the full image.)
    """
    width = len(grey)
    height_out, width_out = _sides(size)
    if height_out != width_out:
        return _averaged_rows(_averaged_rows(grey, height_out).T, width_out).T.astype("float32", order="C")
    size = width_out
    if width == size:
        return numpy.ascontiguousarray(grey, "float32")
    if width % size == 0:
        block = width // size
        rows = grey.reshape(size, block, width).sum(axis=1, dtype="float32")  # exact below 2**24 for 8-bit pixels
        return rows.reshape(size, size, block).sum(axis=2) / numpy.float32(block * block)
    return _averaged_rows(_averaged_rows(grey, size).T, size).T.astype("float32", order="C")


def _averaged_rows(image, size):
    """Average over `size` equal parts of the rows: (n, m) -> float64 (size, m)."""
    borders = numpy.linspace(0, len(image), size + 1)
    whole = numpy.minimum(borders.astype("int64"), len(image) - 1)
    sums = numpy.cumsum(image, axis=0, dtype="float64")
    before = numpy.where(whole[:, None] > 0, sums[whole - 1], 0.0)  # of the rows that lie wholly before a border
    return numpy.diff(before + (borders - whole)[:, None] * image[whole], axis=0) * (size / len(image))


def centred_crop(jp2, *, width, centre=(0.0, 0.0), multiple=1):
    """Place a square of `width` pixels around a point of the sky, or around the middle of the image.

    Parameters
    ----------
    jp2 : Jpeg2000
    width : int
        Pixels of the full image.
    centre : (float, float) or None
        Helioprojective arcsec, west and north of disk centre. None: the middle of the image.
    multiple : int
        The crop begins at multiples of it, so that a wavelet level can be cut (see `level_for`).

    Returns
    -------
    Crop

    Raises
    ------
    UserError
        The file states no pointing, which a centre on the sky needs; the card is named.
    """
    if centre is None:
        column, row = jp2.width / 2, jp2.height / 2
    else:
        wcs = linear_wcs(Keywords(stored_header(jp2), jp2.path))
        x, y = wcs.reference + numpy.linalg.inv(wcs.matrix) @ (numpy.array(centre) - wcs.value)
        column, row = x + 0.5, jp2.height - (y + 0.5)
    left, top = (multiple * round((place - width / 2) / multiple) for place in (column, row))
    return Crop(left, top, width)


def _wcs(jp2, crop, size, level):
    """Make the FITS keywords of the crop at a size, rows from the bottom."""
    stored = stored_header(jp2)
    keywords = Keywords(stored, jp2.path)
    wcs = {key: keywords.text(key) for key in _TEXT_KEYS if keywords.text(key)}
    wcs |= {key: number for key in _DESCRIBING_KEYS if (number := keywords.described(key)) is not None}
    if not all(stored.get(name + axis) for name in ("CRPIX", "CDELT") for axis in "12"):
        return {}
    wcs |= {key: keywords.number(key, purpose="pointing") for key in _POINTING_KEYS if stored.get(key)}
    pointing = {name: [keywords.number(name + axis, purpose="pointing") for axis in "12"] for name in ("CRPIX", "CDELT")}
    step = 1 << level
    scales = [sides / crop.width for sides in reversed(_sides(size))]
    shift = (step - 1) / 2  # a wavelet sample stands at the first of its pixels, not in their middle
    # Columns count from the left and rows from the top in the code stream; rows from the bottom in FITS.
    from_left = pointing["CRPIX"][0] - crop.left + shift
    from_bottom = pointing["CRPIX"][1] - (jp2.height - crop.top - crop.width) - shift
    for axis, place, width, scale in zip("12", (from_left, from_bottom), pointing["CDELT"], scales, strict=True):
        wcs["CRPIX" + axis] = (place - 0.5) * scale + 0.5
        wcs["CDELT" + axis] = width / scale
    return wcs


def _whole(jp2):
    if jp2.width != jp2.height:
        raise UserError(f"{jp2.path}: expected a square full-disk image, received {jp2.width} x {jp2.height} pixels")
    return Crop(0, 0, jp2.width)


def _in_words(crop):
    return f"{crop.width} pixels from column {crop.left} and row {crop.top} on"


def _truncated(path):
    return UserError(f"{path}: is truncated (its end marker is missing); fetch it again")
