"""Images converted once to what a network reads, and read back as fast as the disk gives them."""

import functools
import hashlib
import json
import os
import pathlib

import numpy

from tools import atomic_files, full_disks, spreading
from tools.errors import UserError
from tools.reading import arrays, raw_files

_LONGEST_REASON = 1 << 16  # bytes
ALIGNMENT = 64  # bytes: TensorFlow takes an array in such memory as a tensor without copying it


class ImageCache:
    """float32 images of one shape, each in a ``.npy`` file.

    The folder's name holds a fingerprint of the recipe, a file's name one of its sources (path, size, modification
    time): images made another way, or from files that changed since, are never taken for these.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where caches live.
    recipe : dict
        Everything that decides what is made of the same sources; JSON-able. Written beside the images.
    shape : tuple of int
        (height, width, channel).
    """

    def __init__(self, folder, recipe, shape):
        text = json.dumps(recipe, sort_keys=True)
        self.folder = pathlib.Path(folder) / f"{recipe['name']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        self.shape = tuple(shape)
        self._recipe = text
        self._files = {}

    def convert(self, sources, converter, *, root, label, workers=None):
        """Convert what is not there yet, with a progress bar.

        Parameters
        ----------
        sources : dict of str to tuple of pathlib.Path
            Per image its key (part of a file name) and the files it is made of.
        converter : callable
            Takes the tuple of paths, returns the image, raises `UserError` for one that cannot be used. Picklable.
        root : pathlib.Path
            Folder that source paths are taken relative to, so that an archive may move.
        label : str
            Shown at the progress bar.
        workers : int, optional
            Processes; by default one per processor (at most 8) for more than a few images. See `tools.spreading.on`.

        Returns
        -------
        dict of str to str
            Keys of the images that cannot be used, with the reason. Damaged ones are remembered and not tried again; those
            whose files could not be read (gone, no permission, a failing disk) are tried again next time.

        Raises
        ------
        UserError, MemoryError, OSError
            Out of memory, or of disk: no fault of an image.
        """
        from tqdm import tqdm

        present = set(os.listdir(self.folder)) if self.folder.is_dir() else set()
        if not present:
            atomic_files.write_text(self.folder / "recipe.json", self._recipe)
        jobs, rejected = [], {}
        for key, paths in sources.items():
            try:
                stem = f"{key}-{_fingerprint(paths, root)}"
            except OSError as error:
                rejected[key] = f"{error.filename}: cannot be read ({error.strerror})"
                continue
            self._files[key] = self.folder / f"{stem}.npy"
            reason = _remembered(self.folder / f"{stem}.rejected") if f"{stem}.rejected" in present else None
            if reason:
                rejected[key] = reason
            elif f"{stem}.npy" not in present:
                jobs.append((key, paths, self._files[key]))
        workers = spreading.worker_count(len(jobs), workers, most=8)
        job = functools.partial(_convert, converter=converter, shape=self.shape)
        with tqdm(total=len(jobs), desc=label, unit="image", disable=None if jobs else True) as bar:
            for key, reason in spreading.mapped(job, jobs, workers=workers, name=_first_source):
                if reason:
                    rejected[key] = reason
                bar.update()
        if jobs:
            atomic_files.sweep(self.folder, below=False)  # what lost processes were writing
        for key in rejected:
            self._files.pop(key, None)
        return rejected

    def read(self, key):
        """Read the image of a key: float32, in memory aligned to 64 bytes.

        Raises
        ------
        UserError
            The file is damaged or gone; the text names the way to make it again.
        """
        return read_aligned(self._files[key], self.shape)


def read_aligned(path, shape):
    """Read a C-ordered float32 ``.npy`` file of a known shape into memory aligned to 64 bytes.

    Raises
    ------
    UserError
        Missing, truncated, or something else.
    """
    count = int(numpy.prod(shape))
    raw_files.regular_file(path, advice="run again to convert it again")
    try:
        with open(path, "rb", buffering=0) as file:
            stored, fortran, dtype = arrays.read_header(file)
            if stored != tuple(shape) or fortran or dtype != numpy.dtype("<f4"):
                raise UserError(
                    f"{path}: expected float32 {tuple(shape)}, received {dtype} {stored}; delete it to convert it again"
                )
            array = empty_aligned(count)
            view = memoryview(array).cast("B")
            done = 0
            while done < len(view):
                got = file.readinto(view[done:])
                if not got:
                    raise UserError(f"{path}: is truncated; delete it to convert it again")
                done += got
            if file.read(1):
                raise UserError(f"{path}: is longer than its header says; delete it to convert it again")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run again to convert it again") from error
    except ValueError as error:
        raise UserError(f"{path}: is damaged; delete it to convert it again") from error
    return array.reshape(shape)


def empty_aligned(count):
    """Make an uninitialised float32 (count,) whose memory starts at a multiple of 64 bytes."""
    raw = numpy.empty(count * 4 + ALIGNMENT, "uint8")
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + count * 4].view("float32")


def _fingerprint(paths, root):
    digest = hashlib.sha256()
    for path in paths:
        about = os.stat(path)
        digest.update(f"{os.path.relpath(path, root)}|{about.st_size}|{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _remembered(path):
    """Read why an image was rejected; None where that cannot be read any more, so that it is tried again."""
    try:
        return " ".join(raw_files.read_text(path, most=_LONGEST_REASON).split())
    except UserError:
        return None


def _first_source(job):
    return job[1][0]


def _convert(job, *, converter, shape):
    key, paths, target = job
    try:
        image = numpy.ascontiguousarray(converter(paths), "<f4")
    except UserError as error:
        if _is_exhausted(error):
            raise
        if not _is_passing(error):
            atomic_files.write_text(target.with_suffix(".rejected"), str(error))
        return key, str(error)
    if image.shape != shape:
        raise ValueError(f"converter made {image.shape} of {paths[0]}, expected {shape}")
    atomic_files.write_array(target, image)
    return key, None


def _causes(error):
    """Return an exception and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_passing(error):
    """Check whether an image was refused for an error of the operating system, which may not come again.

    Readers raise exceptions of their own for damaged images, also an OSError without a number.
    """
    return any(isinstance(cause, OSError) and cause.errno is not None for cause in _causes(error))


def _is_exhausted(error):
    return any(isinstance(cause, MemoryError) for cause in _causes(error)) or full_disks.disk_is_full(error)
