"""Arrays that numpy saved: plain numbers, as many as the header announces, within a stated bound."""

import io
import math

import numpy

from tools.errors import UserError
from tools.reading import raw_files

_MAGIC = b"\x93NUMPY"


def read_array(path, *, most=raw_files.MOST, kinds="fiu", advice="give another file"):
    """Read a ``.npy`` file of numbers, whatever its name ends in.

    Parameters
    ----------
    path : str or pathlib.Path
    most : int
        Bytes that it may hold.
    kinds : str
        Of numpy's types that the numbers may have.
    advice : str
        Follows the reason in errors.

    Returns
    -------
    numpy.ndarray
        Read-only.

    Raises
    ------
    UserError
        The file is missing, no regular file, too large, of another format (an archive of arrays, pickled objects), or holds
        more or fewer bytes than its header announces.
    """
    raw = raw_files.read_bytes(path, most=most, advice=advice)
    if not raw.startswith(_MAGIC):
        raise UserError(f"{path}: is no array saved by numpy, or is cut short; {advice}")
    file = io.BytesIO(raw)
    try:
        shape, fortran, dtype = read_header(file)
    except ValueError as error:
        raise UserError(f"{path}: is truncated or no numpy array (its header cannot be read); {advice}") from error
    if dtype.hasobject:
        raise UserError(f"{path}: holds pickled objects, which are refused; {advice}")
    if dtype.kind not in kinds or dtype.names or not all(type(size) is int and size >= 0 for size in shape):
        raise UserError(f"{path}: expected numbers, received {dtype} {shape}; {advice}")
    announced, held = math.prod(shape) * dtype.itemsize, len(raw) - file.tell()
    if announced != held:
        what = "is truncated" if held < announced else "is longer than its header says"
        raise UserError(f"{path}: {what} ({announced} bytes of numbers announced, {held} there); {advice}")
    values = numpy.frombuffer(raw, dtype, offset=file.tell())
    return values.reshape(shape, order="F" if fortran else "C")


def read_header(file):
    """Read the header of an array that numpy saved: (shape, whether in Fortran's order, numpy.dtype).

    Parameters
    ----------
    file : file object
        Opened for bytes; stands at the first number afterwards.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        version = numpy.lib.format.read_magic(file)
        if version == (1, 0):
            return numpy.lib.format.read_array_header_1_0(file)
        return numpy.lib.format.read_array_header_2_0(file)
    except OSError:
        raise
    except Exception as error:  # it is parsed as Python, which fails in many ways
        raise ValueError(f"no header of an array ({type(error).__name__})") from None
