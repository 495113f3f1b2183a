"""Handwritten digits, to learn on what a network of images does: scikit-learn's, which need no download, or MNIST.

These are not images of the Sun. They come as a `SolarData` so that every tool of the project takes them; the "time" of
digit number n is n minutes after 1970 began.
"""

import dataclasses
import functools
import math
import pathlib
import struct

import numpy

from dataset_models.images import picture_files
from dataset_models.solar_data import SPLITS, Availability, Channel, SolarData
from tools.errors import UserError
from tools.options import option
from tools.paths import FILE, data_path
from tools.reading import raw_files

MINUTE = numpy.timedelta64(60, "s")
PARTS = {"training": "train", "validation": "t10k"}
ADDRESS = "https://storage.googleapis.com/cvdf-datasets/mnist/"
MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}  # of the .gz files


@dataclasses.dataclass(kw_only=True)
class Digits(SolarData):
    """Images of digits, 0 to 1; the target is the digit.

    scikit-learn's 1,797 digits of 8 x 8 pixels come with it; writer follows writer in them, so that validation, their last
    part, is mostly of other hands than training. MNIST is read from its four IDX files, gzipped or not; without
    --folder Keras downloads them once into the cache.

    Examples
    --------
    >>> data = Digits(image_size=8, most=3)
    >>> [data.target(time) for time in data.times("training")]
    [0.0, 1.0, 2.0]
    >>> data.inputs(data.times("training")[0])["image"].shape
    (8, 8, 1)
    """

    title = "handwritten digits"

    source: str = option("scikit-learn", "whose digits", choices=("scikit-learn", "mnist"))
    folder: str | None = option(
        None, "folder of MNIST's IDX files (default: downloaded into 'cache' of config.yml)", place=FILE
    )
    image_size: int = option(32, "pixels; images are enlarged bilinearly", least=8, most=512)
    most: int = option(0, "use only so many digits of each split; 0: all", least=0, most=1_000_000)
    validation_fraction: float = option(0.2, "last part that validates, of scikit-learn's", least=0.0, most=1.0)

    @property
    def input_shapes(self):
        return {"image": (self.image_size, self.image_size, 1)}

    @property
    def channels(self):
        return (Channel("digit", "gray", "brightness (0 to 1)"),)

    @property
    def target_label(self):
        return "digit"

    # Samples

    def times(self, split):
        training, validation = self._counts
        first, count = (0, training) if split == "training" else (training, validation)
        count = min(count, self.most) if self.most else count
        return numpy.datetime64(0, "s") + (first + numpy.arange(count)) * MINUTE

    def inputs(self, time):
        split, place = self._place(time)
        return {"image": _resized(self._digits[split][0][place], self.image_size)}

    def target(self, time):
        split, place = self._place(time)
        return float(self._digits[split][1][place])

    def truth(self, time):
        """Return the digit, and the mean digit, since nothing is known before."""
        return self.target(time), 4.5

    def sample_name(self, time):
        return f"digit {int(self.target(time))}"

    @property
    def nominal(self):
        return ("digit",)

    def metadata(self, time):
        return {"digit": int(self.target(time))}

    def read_image(self, path):
        with picture_files.opened(path) as picture:
            grey = numpy.asarray(picture.convert("L"), "float32") / 255
        return {"image": _resized(grey, self.image_size)}

    def _place(self, time):
        """Find a sample: (split, position in it)."""
        number = int((numpy.datetime64(time, "s") - numpy.datetime64(0, "s")) // MINUTE)
        training, validation = self._counts
        if not 0 <= number < training + validation:
            raise UserError(f"{self.title}: there is no digit number {number} ({time}); there are {training + validation}")
        return ("training", number) if number < training else ("validation", number - training)

    @functools.cached_property
    def _digits(self):
        """Images (n, height, width), 0 to 1, and digits (n,) of each split."""
        if self.source == "mnist":
            return {split: tuple(self._idx(part)) for split, part in PARTS.items()}
        from sklearn.datasets import load_digits

        digits = load_digits()
        images, labels = (digits.images / 16).astype("float32"), digits.target
        first = round(len(images) * (1 - self.validation_fraction))
        return {"training": (images[:first], labels[:first]), "validation": (images[first:], labels[first:])}

    @property
    def _counts(self):
        return tuple(len(self._digits[split][0]) for split in SPLITS)

    # Files

    @property
    def _folder(self):
        return pathlib.Path(self.folder).expanduser() if self.folder else data_path("cache") / "mnist"

    def _files(self):
        """Find the IDX files by their published names: dict; None where there is none, with a dot or a dash, gzipped or not."""
        paths = {}
        for name in MD5:
            names = [spelling + ending for spelling in (name, name.replace("-idx", ".idx")) for ending in ("", ".gz")]
            paths[name] = next((path for path in map(self._folder.joinpath, names) if path.is_file()), None)
        return paths

    def _idx(self, part):
        files = self._files()
        images = read_idx(files[f"{part}-images-idx3-ubyte"], axes=3)
        labels = read_idx(files[f"{part}-labels-idx1-ubyte"], axes=1)
        if len(images) != len(labels):
            raise UserError(
                f"{self._folder}: {len(images)} images but {len(labels)} labels of {part}; they do not belong together"
            )
        return images.astype("float32") / 255, labels

    def is_downloaded(self):
        if self.source != "mnist":
            return Availability(("scikit-learn",), 0)
        files = self._files()
        missing = tuple(name for name, path in files.items() if path is None)
        return Availability((str(self._folder),), len(files) - len(missing), missing)

    def require_downloaded(self):
        if self.source == "mnist" and not self.folder and not self.is_downloaded():
            self.download()
        return super().require_downloaded()

    def download(self, start=None, end=None):
        """Fetch MNIST's four files into the cache; a `UserError` says where they belong when there is no network."""
        if self.source != "mnist" or self.folder:
            return super().download()
        import keras

        try:  # without this folder Keras would put them into one of its own
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self._folder}: cannot be made ({error.strerror}); set 'cache' in config.yml") from error
        for name, md5 in MD5.items():
            try:
                keras.utils.get_file(
                    f"{name}.gz", f"{ADDRESS}{name}.gz", file_hash=md5, cache_dir=self._folder, cache_subdir=""
                )
            except Exception as error:  # Keras raises a plain Exception without a network, ValueError for a wrong hash
                raise UserError(
                    f"MNIST: {name}.gz cannot be downloaded ({' '.join(str(error).split())[:150]}); put the four IDX files"
                    " into a folder and give --folder, or use --source scikit-learn"
                ) from error
        return self.is_downloaded()


def read_idx(path, *, axes):
    """Read an IDX file of bytes, as MNIST comes in.

    Parameters
    ----------
    path : str or pathlib.Path
        Gzipped where its name ends so.
    axes : int
        How many the array must have.

    Returns
    -------
    numpy.ndarray
        uint8.

    Raises
    ------
    UserError
        The file is missing, damaged, or of another kind.

    Notes
    -----
    Two zero bytes, the type (8: unsigned bytes), the number of axes; then their lengths as big-endian 32-bit integers;
    then the values.
    """
    path = pathlib.Path(path)
    packed = raw_files.read_bytes(path)
    raw = raw_files.unpack(packed, path) if path.suffix == ".gz" else packed
    if raw[:4] != bytes([0, 0, 8, axes]) or len(raw) < 4 + 4 * axes:
        raise UserError(f"{path}: is not an IDX file of bytes with {axes} axes")
    shape = struct.unpack(f">{axes}I", raw[4 : 4 + 4 * axes])
    values = numpy.frombuffer(raw, "uint8", offset=4 + 4 * axes)
    if len(values) != math.prod(shape):
        raise UserError(f"{path}: announces {' x '.join(map(str, shape))} values and holds {len(values)}; it may be cut short")
    return values.reshape(shape)


def _resized(image, size):
    """Resize by bilinear interpolation: (height, width) -> float32 (size, size, 1)."""
    from PIL import Image

    picture = Image.fromarray(numpy.ascontiguousarray(image, "float32"))
    return numpy.clip(numpy.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)), 0, 1)[..., None]
