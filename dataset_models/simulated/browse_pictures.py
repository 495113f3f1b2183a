"""AIA 304 of the simulated Sun as SDO's browse archive makes its pictures: JPEGs in the instrument's colours.

Only 304: the simulated corona fades too softly above the limb of the other EUV channels for their disk to be found.
"""

import pathlib

import numpy

from dataset_models import simulation_mark
from dataset_models.images import colour_tables, picture_tree
from dataset_models.simulated.rendering import AIA_CHANNELS
from tools import atomic_files

CHANNEL = "304"
# As SolarSoft's aia_intscale.pro scales 304: the exposure that counts are brought to, s, and the counts of levels 0 and 255,
# linear in their logarithm.
_EXPOSURE = 4.99941
_COUNTS = (50.0, 2000.0)


def grey_levels(image):
    """Scale intensities of AIA 304, DN/s, to the grey levels of browse pictures: uint8, of the same shape."""
    low, high = numpy.log10(_COUNTS)
    level = (numpy.log10(numpy.clip(image * _EXPOSURE, *_COUNTS)) - low) / (high - low)
    return numpy.rint(255 * level).astype("uint8")


def write(folder, image, time):
    """Write AIA 304 of an image as a JPEG, whose comment marks it as simulated; returns its path.

    Parameters
    ----------
    folder : str or pathlib.Path
        Gets ``YYYY/MM/DD/YYYYMMDD_HHMMSS_512_0304.jpg``, named by its own size.
    image : numpy.ndarray
        float32 (size, size, 8), DN/s, row 0 north.
    time : datetime64

    Returns
    -------
    pathlib.Path
    """
    from PIL import Image

    date, clock = str(numpy.datetime64(time, "s")).split("T")
    name = f"{date.replace('-', '')}_{clock.replace(':', '')}_{len(image)}_{int(CHANNEL):04d}.jpg"
    path = pathlib.Path(folder, date.replace("-", "/"), name)
    colours = colour_tables.table(f"sdoaia{CHANNEL}").astype("uint8")
    picture = Image.fromarray(colours[grey_levels(image[..., AIA_CHANNELS.index(CHANNEL)])])
    with atomic_files.replacing(path) as temporary:
        picture.save(temporary, "JPEG", quality=95, comment=picture_tree.comment({simulation_mark.KEYWORD: True}))
    return path
