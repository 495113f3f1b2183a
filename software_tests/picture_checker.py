"""Pictures compared with small copies that are kept, by tolerance, as `software_tests/golden/README.md` says."""

import numpy
from PIL import Image

WIDTH = 240  # pixels of the pictures that are kept
TOLERANCE = 2.0  # grey levels, mean of all pixels: other versions of the fonts stay below, see test_pictures.py
PLACE = 8.0  # grey levels, mean of any block of BLOCK pixels
BLOCK = 20


def reduced(path, width=WIDTH):
    """Read a picture and shrink it: `PIL.Image.Image`, `width` pixels wide."""
    with Image.open(path) as picture:
        return picture.convert("RGB").resize((width, round(picture.height * width / picture.width)), Image.Resampling.BOX)


def differences(one, other):
    """Compare two pictures of one size: mean absolute difference, and the largest mean of a block, grey levels."""
    size = numpy.abs(numpy.asarray(one, "float64") - numpy.asarray(other, "float64")).mean(axis=-1)
    rows, columns = (count // BLOCK for count in size.shape)
    blocks = size[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))
    return size.mean(), blocks.max()


def require_as_kept(path, kept, *, tolerance=TOLERANCE, place=PLACE, width=WIDTH):
    """Fail where a picture looks otherwise than its copy, with what to look at and what to copy.

    Parameters
    ----------
    path, kept : pathlib.Path
        The picture, and the small copy of what it was when somebody looked at it.
    tolerance, place : float
        Largest differences.
    width : int
        Pixels of the copy.
    """
    now = path.parent / "small" / kept.name
    now.parent.mkdir(exist_ok=True)
    reduced(path, width).save(now, optimize=True)
    advice = f"look at {path}; if it is right, copy {now} to {kept.parent}"
    assert kept.is_file(), advice
    with Image.open(kept) as picture:
        before = picture.convert("RGB")
    drawn = reduced(now, width)
    assert abs(before.height - drawn.height) <= 2, advice
    mean, block = differences(drawn, before.resize(drawn.size))
    assert mean <= tolerance, f"{advice} ({mean:.1f} grey levels)"
    assert block <= place, f"{advice} ({block:.1f} grey levels in one place)"
