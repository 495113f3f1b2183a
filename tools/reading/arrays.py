"""Arrays that numpy saved: plain numbers, as many as the header announces, within a stated bound."""

import io
import math
import zipfile

import numpy

from tools.errors import UserError
from tools.reading import raw_files

_MAGIC = b"\x93NUMPY"
_MEMBERS = 100_000


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
    return _parsed(raw, path, kinds, advice)


def read_arrays(path, *, most, kinds="biufU", only=None, advice="give another file"):
    """Read the arrays of a ``.npz`` file.

    Parameters
    ----------
    path : str or pathlib.Path
    most : int
        Bytes that its arrays may take together.
    kinds, advice
        As of `read_array`.
    only : collection of str, optional
        Names of those that are wanted, where they are there; by default every one.

    Returns
    -------
    dict of str to numpy.ndarray
        Read-only, by name.

    Raises
    ------
    UserError
        The file is missing, no regular file, no archive of arrays, damaged, larger, or holds something else than arrays of
        these kinds.
    """
    raw_files.regular_file(path, advice=advice)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if only is None or one.filename.removesuffix(".npy") in only]
            declared = sum(member.file_size for member in members)
            if declared > most or len(members) > _MEMBERS:
                size, limit = raw_files.in_words(declared), raw_files.in_words(most)
                raise UserError(f"{path}: declares {size} of arrays, more than the {limit} expected at most; {advice}")
            contents = {member.filename.removesuffix(".npy"): _unpacked(archive, member) for member in members}
    except UserError:
        raise
    except Exception as error:  # what zipfile and zlib raise for a file that means harm has no bounds
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"{path}: cannot be read as a file of arrays ({reason}); {advice}") from error
    if len(contents) != len(members):
        raise UserError(f"{path}: holds an array twice; {advice}")
    return {name: _parsed(content, f"{path}: {name}", kinds, advice) for name, content in contents.items()}


def _unpacked(archive, member):
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)  # past the end, so that its CRC is checked
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename} holds another number of bytes than declared")
    return content


def _parsed(raw, path, kinds, advice):
    """Make an array of the bytes of a ``.npy`` file; `path` is named in errors."""
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
