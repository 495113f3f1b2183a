"""FITS files as archives write them: whole or not, by the bytes that are on the disk, and the first image inside."""

import io
import re
import warnings

import numpy

from dataset_models.images import picture_files
from tools.errors import UserError
from tools.reading import raw_files

_CARD = 80
_RIGHT = 0xFFFFFFFF  # of a unit with its own CHECKSUM in place: minus zero in ones' complement
_CHECKSUM = re.compile(rb"CHECKSUM= *'([^']*)'")
_DATASUM = re.compile(rb"DATASUM = *'?([^'/]*)")
_BLOCK = 2880
_LONGEST_HEADER = 200  # blocks: 7200 cards, ten times those of SDO's
_AXES = 999  # of an image, and fields of a table: the most that the standard allows
_COUNT = re.compile(rb"(Z?NAXIS\d*|TFIELDS|PCOUNT|GCOUNT|THEAP|ZTILE\d+) *= *([^/]*)")


def read(path):
    """Read pixels and header of the first image in a FITS file, which must be whole.

    Parameters
    ----------
    path : str or pathlib.Path
        Plain or, named ``.gz``, compressed as a whole; the image plain or Rice-compressed, in any unit.

    Returns
    -------
    (numpy.ndarray, astropy.io.fits.Header)
        Pixels float32 (height, width) in FITS order, row 0 southernmost; pixels that FITS declares blank are NaN.

    Raises
    ------
    UserError
        Missing, truncated, with a wrong CHECKSUM or DATASUM, without an image, one of more than two axes, or one that
        announces more pixels than `dataset_models.images.picture_files.LARGEST`.

    Notes
    -----
    Sums are those of the FITS standard 4.0, appendix J, over the bytes as they are. astropy computes them after it has
    repaired cards that are not standard (``OSCNMEAN= nan`` of every AIA synoptic frame), and would find them wrong.
    """
    from astropy.io import fits

    try:
        content = _content(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what astropy warns of is checked here, or repaired
            require_modest(content, path)
            _check_units(content, path)
            with fits.open(io.BytesIO(content)) as file:
                unit = next((unit for unit in file if unit.is_image and unit.header.get("NAXIS", 0) >= 2), None)
                if unit is None:
                    raise UserError(f"{path}: holds no image")
                # Synoptic headers carry malformed cards (OSCNMEAN = nan); repairing them makes the others readable.
                unit.verify("silentfix+ignore")
                pixels, header = numpy.array(unit.data, "float32"), unit.header.copy()
    except UserError:
        raise
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:100]
        raise UserError(f"{path}: cannot be read as FITS ({reason})") from error
    except Exception as error:  # astropy raises anything on damaged files
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise UserError(f"{path}: cannot be read as FITS ({reason})") from error
    if pixels.ndim != 2:
        raise UserError(f"{path}: expected an image of 2 axes, received {' x '.join(map(str, pixels.shape[::-1]))}")
    return pixels, header


def headers(path):
    """Read the headers of all units of a FITS file, whose sums are not looked at: list of `astropy.io.fits.Header`.

    Raises
    ------
    UserError
        Missing, or its headers announce what no file can hold.
    Exception
        astropy raises anything on damaged files.
    """
    from astropy.io import fits

    content = _content(path)
    require_modest(content, path)
    with fits.open(io.BytesIO(content)) as file:
        return [unit.header for unit in file]


def require_modest(content, path):
    """Raise a `UserError` where headers announce what a file cannot hold, before astropy makes room for it.

    Parameters
    ----------
    content : bytes
        Of the file.
    path : str or pathlib.Path
        Named in errors.
    """
    place = 0
    while content[place : place + 8] in (b"SIMPLE  ", b"XTENSION"):
        counts, length = _counts(content, place, path)
        naxis, bits = counts.get("NAXIS", 0), abs(counts.get("BITPIX", 8))
        for card in ("NAXIS", "ZNAXIS", "TFIELDS"):
            if counts.get(card, 0) > _AXES:
                raise _immodest(path, card, counts[card])
        axes = [counts.get(f"NAXIS{axis}", 0) for axis in range(1, naxis + 1)]
        size = counts.get("GCOUNT", 1) * (counts.get("PCOUNT", 0) + _product(axes)) * bits // 8 if axes else 0
        if place + length + size > len(content):
            raise UserError(f"{path}: is truncated; fetch it again")
        compressed = [counts.get(f"ZNAXIS{axis}", 1) for axis in range(1, counts.get("ZNAXIS", 0) + 1)]
        tile = [counts.get(f"ZTILE{axis}", 1) for axis in range(1, counts.get("ZNAXIS", 0) + 1)]
        for sizes in (compressed, tile):
            if sizes:
                picture_files.require_modest(path, *sizes)
        place += length + -(-size // _BLOCK) * _BLOCK


def _counts(content, place, path):
    """Read the counts in a header, the largest where a card is repeated, and how long it is: (dict of str to int, int)."""
    counts = {}
    last = min(len(content), place + _LONGEST_HEADER * _BLOCK)
    for begin in range(place, last - _CARD + 1, _CARD):
        card = content[begin : begin + _CARD]
        if card[:8] == b"END     ":
            return counts, -(-(begin + _CARD - place) // _BLOCK) * _BLOCK
        match = _COUNT.match(card) or re.match(rb"(BITPIX) *= *([^/]*)", card)
        if match is None:
            continue
        name, value = match[1].decode("ascii"), match[2].decode("latin-1").strip()
        if not re.fullmatch(r"\d{1,15}" if name != "BITPIX" else r"-?\d\d?", value):
            raise _immodest(path, name, value)
        counts[name] = max(int(value), counts.get(name, int(value)))
    raise UserError(f"{path}: has a header without an end; fetch it again")


def _product(sizes):
    total = 1
    for size in sizes:
        total *= size
    return total


def _immodest(path, card, value):
    return UserError(f"{path}: its header announces what no file can hold ({card} = {str(value)[:30]}); fetch it again")


def _content(path):
    content = raw_files.read_bytes(path)
    return raw_files.unpack(content, path) if str(path).lower().endswith(".gz") else content


def _check_units(content, path):
    """Raise a `UserError` where a unit reaches beyond the end of the file, or its bytes do not add up to its sums."""
    from astropy.io import fits

    with fits.open(io.BytesIO(content), disable_image_compression=True) as file:
        for unit in file:
            place = unit.fileinfo()
            first, data = place["hdrLoc"], place["datLoc"]
            if data + place["datSpan"] > len(content):
                raise UserError(f"{path}: is truncated; fetch it again")
            head, body = content[first:data], content[data : data + place["datSpan"]]
            if not _adds_up(head, body):
                raise UserError(f"{path}: its checksum is wrong; fetch it again")


def _adds_up(head, body):
    """Check whether the bytes of a unit's header and data agree with the CHECKSUM and DATASUM that the header states."""
    cards = [head[begin : begin + _CARD] for begin in range(0, len(head), _CARD)]
    checksum, datasum = (_stated(pattern, cards) for pattern in (_CHECKSUM, _DATASUM))
    if not (checksum or datasum):
        return True
    total = ones_complement_sum(body)
    if datasum and not (datasum.isdigit() and int(datasum) % _RIGHT == total % _RIGHT):  # there are two zeros
        return False
    return not checksum or _folded(ones_complement_sum(head) + total) == _RIGHT


def _stated(pattern, cards):
    """Return the value of the first card that matches, empty where there is none or it is blank: str."""
    match = next(filter(None, map(pattern.match, cards)), None)
    return match[1].decode("latin-1").strip() if match else ""


def ones_complement_sum(content):
    """Sum of big-endian 32-bit words in ones' complement, as CHECKSUM and DATASUM take it: int.

    Parameters
    ----------
    content : bytes
        A last word that is cut short counts as if zeros followed.
    """
    padded = content + bytes(-len(content) % 4)
    return _folded(int(numpy.frombuffer(padded, ">u4").sum(dtype="uint64")))


def _folded(total):
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
