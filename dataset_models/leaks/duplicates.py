"""Images that are one and the same, in two splits or at several times."""

import collections
import hashlib
import pathlib
import sys

import numpy

from tools import digests
from tools.errors import UserError

SHOWN = 6  # times, and groups of them, that are named
_COMPARING = {"desc": "compare images", "unit": "file", "disable": None}


def content(source):
    """Compute a digest of an image, whatever its name: of a file's bytes, or of the shape and values of an array: bytes."""
    if isinstance(source, numpy.ndarray):
        return hashlib.sha256(f"{source.shape} {source.dtype.str}".encode() + source.tobytes()).digest()
    return bytes.fromhex(digests.of_file(source))


def identical(times, contents):
    """Describe images of several times that are one and the same, as from a feed that stands still.

    Parameters
    ----------
    times : sequence of datetime64
        (n,), UTC.
    contents : sequence of bytes
        (n,), of `content`.

    Returns
    -------
    str or None
        One line with the times; None where all differ.
    """
    groups = {}
    for time, digest in zip(times, contents, strict=True):
        groups.setdefault(digest, set()).add(time)
    groups = sorted(sorted(group) for group in groups.values() if len(group) > 1)
    if not groups:
        return None
    words = []
    for group in groups[:SHOWN]:
        named = [f"{time}Z" for time in group]
        if len(named) > SHOWN:
            named = [*named[: SHOWN - 1], f"... to {named[-1]}"]
        words.append(f"{len(group)} images are identical ({', '.join(named)})")
    more = f"; and {len(groups) - SHOWN} more groups" if len(groups) > SHOWN else ""
    return f"{'; '.join(words)}{more}: a frozen feed?"


def note_identical(times, contents):
    """Print what `identical` finds as a note on standard error."""
    text = identical(times, contents)
    if text:
        print(f"note: {text}", file=sys.stderr)


def check_duplicates(training_paths, validation_paths, *, times=None):
    """Refuse splits of which a file of training has the content of one of validation, whatever their names.

    Parameters
    ----------
    training_paths, validation_paths : sequence of str or pathlib.Path
        Image files.
    times : tuple of array_like, optional
        ``datetime64`` of the training and of the validation files. With them identical files of one split are noted
        as well: see `identical`.

    Returns
    -------
    int
        Files compared with the other split by content; only files whose size occurs in both need to be read.

    Raises
    ------
    UserError
        Two files are the same, or one cannot be read.
    """
    splits = [[pathlib.Path(path) for path in paths] for paths in (training_paths, validation_paths)]
    try:
        sizes = [[path.stat().st_size for path in paths] for paths in splits]
        common = set(sizes[0]) & set(sizes[1])
        repeated = {size for size, count in collections.Counter(sizes[0] + sizes[1]).items() if count > 1}
        contents = _contents(splits, sizes, common if times is None else repeated)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error
    if times is not None:
        moments = [own[place] for own, by_place in zip(times, contents, strict=True) for place in by_place]
        note_identical(moments, [digest for by_place in contents for digest in by_place.values()])
    first = [
        {digest: paths[place] for place, digest in reversed(by_place.items())}
        for paths, by_place in zip(splits, contents, strict=True)
    ]
    twice = first[0].keys() & first[1].keys()
    if twice:
        path, other = min((first[0][digest], first[1][digest]) for digest in twice)
        raise UserError(f"{len(twice)} images are in training and in validation: {path} is {other}; remove one of each pair")
    return sum(size in common for size in sizes[0] + sizes[1])


def _contents(splits, sizes, wanted):
    """Read the files whose size is among `wanted`: for each split a dict of place in it to digest."""
    from tqdm import tqdm

    contents = [{} for _ in splits]
    with tqdm(total=sum(size in wanted for own in sizes for size in own), **_COMPARING) as bar:
        for by_place, paths, own in zip(contents, splits, sizes, strict=True):
            for place, (path, size) in enumerate(zip(paths, own, strict=True)):
                if size in wanted:
                    by_place[place] = content(path)
                    bar.update()
    return contents
