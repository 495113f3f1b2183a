"""Pictures as Pillow opens them, of known formats, and of a size that was looked at before anything is decoded."""

import contextlib
import io
import warnings

from tools.errors import UserError
from tools.reading import raw_files

LARGEST = 1 << 25  # pixels: twice those of SDO's full-resolution images
COMMON = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM")


def require_modest(path, *sizes):
    """Raise a `UserError` where an image announces no pixels, or more than `LARGEST`.

    Parameters
    ----------
    path : str or pathlib.Path
        Named in errors.
    sizes : int
        Pixels along each axis.
    """
    count = 1
    for size in sizes:
        count *= size
    if min(sizes) < 1 or count > LARGEST:
        shape = " x ".join(map(str, sizes))
        raise UserError(f"{path}: announces {shape} pixels, expected 1 to {LARGEST} in all; it is damaged, fetch it again")


@contextlib.contextmanager
def opened(path, formats=COMMON):
    """Open a picture without decoding it.

    Parameters
    ----------
    path : str or pathlib.Path
    formats : sequence of str
        Pillow's names of those that are taken: some that it knows run other programs.

    Yields
    ------
    PIL.Image.Image

    Raises
    ------
    UserError
        The file is missing, no regular file, too large, damaged, of another format, or announces too many pixels. What goes
        wrong inside the block, where it is decoded, becomes one too.
    """
    from PIL import Image

    raw = raw_files.read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is looked at here
            picture = Image.open(io.BytesIO(raw), formats=formats)
        with picture:
            require_modest(path, *picture.size)
            yield picture
    except UserError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more for damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: cannot be read ({reason}); it may be damaged or truncated") from error
