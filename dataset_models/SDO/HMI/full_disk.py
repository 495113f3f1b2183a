"""Full-disk HMI magnetograms and the flares that followed them.

Images are a folder of magnetograms in one format: the published jpg tree (``2026/02/01/HMI.m2026.02.01_00.00.00.jpg``),
the same as npy, Helioviewer JPEG 2000, or HMI FITS (see :mod:`dataset_models.SDO.HMI.magnetogram_images`). Targets come
from any flare list that :mod:`dataset_models.flare_catalogue` reads, or from label tables as they were published (see
:mod:`dataset_models.label_tables`).
"""

import dataclasses

# Data sets of users import these from here.
from dataset_models.flare_data import QUIET_FLUX, FlareData  # noqa: F401
from dataset_models.images import jpeg2000
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.magnetogram_data import MagnetogramData
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class FullDiskMagnetograms(MagnetogramData, FlareData):
    """Hourly magnetograms; whether a flare of at least `threshold` starts within the hours after each, or how strong.

    Window, label tables, history and splits come with `FlareData`.

    Examples
    --------
    >>> import numpy, pathlib, tempfile
    >>> from PIL import Image
    >>> scratch = tempfile.TemporaryDirectory()
    >>> folder, flares = pathlib.Path(scratch.name) / "HMI", pathlib.Path(scratch.name) / "flares.csv"
    >>> folder.mkdir()
    >>> for hour in range(4):
    ...     grey = numpy.full((16, 16), 127, "uint8")
    ...     grey[4, 4 + hour] = 255
    ...     Image.fromarray(grey).save(folder / f"HMI.m2026.02.01_0{hour}.00.00.jpg")
    >>> starts = {"2026-02-01 00:00": "C2.0", "2026-02-01 02:30": "M1.1", "2026-02-02 00:00": "C3.0"}
    >>> rows = [f"{time},{name}" for time, name in starts.items()]
    >>> _ = flares.write_text("\\n".join(["start_time,goes_class", *rows]))
    >>> data = FullDiskMagnetograms(
    ...     folder=str(folder), flares=(str(flares),), image_size=8, window_hours=1.0, validation_start="2026-02-01T03:00"
    ... )
    >>> [data.target(time) for time in data.times("training")]
    [0.0, 0.0, 1.0]
    >>> data.metadata(data.times("training")[2])
    {'flux': 1.1e-05, 'class': 'M1.1', 'flare': 1}
    >>> scratch.cleanup()
    """

    title = "SDO/HMI full-disk magnetograms"

    folder: str | None = option(None, "folder of magnetograms (default: hmi of config.yml)", place="hmi")
    image_size: int = option(256, "pixels of the image that a network sees", least=8, most=4096)
    clip: float = option(256.0, "gauss that map to 0 and 1 when images are FITS", least=1.0, most=10_000.0)
    decoding: str = option(
        "area", "how JPEG 2000 is shrunk: 'area' as published; 'reduced' 20 times faster", choices=jpeg2000.MODES
    )

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    # Images

    def image(self, time):
        return self._read(self.image_files[time], expected_source=self._source_size).image

    def read_picture(self, path):
        return self._read_of_user(path).image

    def image_time(self, path):
        time = magnetogram_images.time_of(path)
        return super().image_time(path) if time is None else time

    def image_header(self, path):
        return self._read_of_user(path).header

    def map_header(self, time):
        # Not that of the file, which would be read for it: places in all formats are those of the common frame.
        return magnetogram_images.sky_header(time, self.image_size)

    def _read_of_user(self, path):
        magnetogram_images.require_making_of(self.image_folder, path, decoding=self.decoding)
        return self._read(path)

    def _read(self, path, *, expected_source=None):
        return magnetogram_images.read(
            path, size=self.image_size, clip=self.clip, decoding=self.decoding, expected_source=expected_source
        )
