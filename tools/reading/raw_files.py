"""The bytes and text of a file, within stated bounds."""

import os
import pathlib
import stat
import zlib

from tools.errors import UserError

MOST = 1 << 28  # bytes: 256 MiB, above every text and every daily file that the archives have
_PIECE = 1 << 20


def read_bytes(path, *, most=MOST, advice="give another file", error=UserError):
    """Read a regular file as a whole.

    Parameters
    ----------
    path : str or pathlib.Path
    most : int
        Bytes that it may hold.
    advice : str
        Follows the reason in errors.
    error : type
        Of the exception raised, a `UserError`.

    Returns
    -------
    bytes

    Raises
    ------
    UserError
        There is no such file, it is none (a folder, a pipe, a device), cannot be read or is larger.
    """
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise error(f"{path}: is no regular file; {advice}")
        if about.st_size > most:
            raise error(f"{path}: holds {in_words(about.st_size)}, more than the {in_words(most)} expected at most; {advice}")
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise error(f"{path}: no such file; {advice}") from None
    except (OSError, ValueError) as reason:  # ValueError: a name with a zero byte
        raise error(f"{path}: cannot be read ({getattr(reason, 'strerror', None) or reason}); {advice}") from reason
    if len(content) > most:
        raise error(f"{path}: holds more than the {in_words(most)} expected at most; {advice}")
    return content


def read_text(path, *, most=MOST, advice="give another file", error=UserError):
    """Read a UTF-8 text file as a whole, gzipped or plain, without its byte order mark: str.

    Parameters and errors as of `read_bytes` and `unpack`.
    """
    content = read_unpacked(path, most=most, advice=advice, error=error)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise error(f"{path}: is no UTF-8 text (byte {reason.start}); {advice}") from reason


def unpack(content, path, *, most=MOST, advice="fetch it again", error=UserError):
    """Unpack the bytes of a file where they are gzipped.

    Parameters
    ----------
    content : bytes
    path : str or pathlib.Path
        Named in errors.
    most, advice, error
        As of `read_bytes`; `most` bounds what comes out.

    Returns
    -------
    bytes
        As they are where they do not begin like a gzip file.

    Raises
    ------
    UserError
        They are damaged or cut short, something follows them, or they unpack to more.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    pieces, size, rest = [], 0, memoryview(content)
    try:
        while len(rest):
            member = zlib.decompressobj(wbits=31)
            packed = rest
            while not member.eof:
                piece = member.decompress(packed, _PIECE)
                packed = member.unconsumed_tail
                if not piece and not packed and not member.eof:
                    raise error(f"{path}: is truncated: its gzip data end early; {advice}")
                size += len(piece)
                if size > most:
                    raise error(f"{path}: unpacks to more than the {in_words(most)} expected at most; {advice}")
                pieces.append(piece)
            # Some writers fill up the last block of a tape with zeros.
            rest = memoryview(member.unused_data.lstrip(b"\0"))
    except zlib.error as reason:
        raise error(f"{path}: is truncated or damaged gzip ({reason}); {advice}") from reason
    return b"".join(pieces)


def read_unpacked(path, *, most=MOST, advice="fetch it again", error=UserError):
    """Read a file as a whole, gzipped or plain: bytes. Parameters and errors as of `read_bytes` and `unpack`."""
    keywords = {"most": most, "advice": advice, "error": error}
    return unpack(read_bytes(path, **keywords), path, **keywords)


def in_words(count):
    """Write a number of bytes for people.

    Examples
    --------
    >>> in_words(900), in_words(1 << 28), in_words(3_500_000_000)
    ('900 bytes', '268 MB', '3.5 GB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def regular_file(path, *, advice="give another file"):
    """Require a path to be a regular file, before a library opens it: `pathlib.Path`.

    Raises
    ------
    UserError
        There is no such file, or it is a folder, a pipe or a device.
    """
    path = pathlib.Path(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {advice}") from None
    except (OSError, ValueError) as reason:
        raise UserError(f"{path}: cannot be read ({getattr(reason, 'strerror', None) or reason}); {advice}") from reason
    if not stat.S_ISREG(mode):
        raise UserError(f"{path}: is no regular file; {advice}")
    return path
