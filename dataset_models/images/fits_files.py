"""FITS files as archives write them: whole or not, by the bytes that are on the disk, and the first image inside."""

import gzip
import io
import re
import warnings
import zlib

import numpy

from tools.errors import UserError

_CARD = 80
_RIGHT = 0xFFFFFFFF  # of a unit with its own CHECKSUM in place: minus zero in ones' complement
_CHECKSUM = re.compile(rb"CHECKSUM= *'([^']*)'")
_DATASUM = re.compile(rb"DATASUM = *'?([^'/]*)")


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
        Missing, truncated, with a wrong CHECKSUM or DATASUM, without an image, or one of more than two axes.

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
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: is truncated or no gzip file; fetch it again") from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:100]
        raise UserError(f"{path}: cannot be read as FITS ({reason})") from error
    except Exception as error:  # astropy raises anything on damaged files
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise UserError(f"{path}: cannot be read as FITS ({reason})") from error
    if pixels.ndim != 2:
        raise UserError(f"{path}: expected an image of 2 axes, received {' x '.join(map(str, pixels.shape[::-1]))}")
    return pixels, header


def _content(path):
    opener = gzip.open if str(path).lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        return file.read()


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
