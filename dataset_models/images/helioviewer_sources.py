"""Helioviewer's numbers of SDO's images (sourceId), and those images as a network sees them."""

import numpy

from dataset_models.images import jpeg2000, quality
from dataset_models.images.headers import Keywords
from tools.errors import UserError

AIA_SOURCES = dict(zip(range(8, 18), (94, 131, 171, 193, 211, 304, 335, 1600, 1700, 4500), strict=True))
HMI_SOURCES = {18: "continuum", 19: "magnetogram"}


def name_of(source):
    """Name a source: str.

    Examples
    --------
    >>> name_of(19), name_of(10), name_of(75)
    ('magnetogram', 'AIA 171', 'source 75')
    """
    if source in AIA_SOURCES:
        return f"AIA {AIA_SOURCES[source]}"
    return HMI_SOURCES.get(source, f"source {source}")


def colours_of(source):
    """Return the colour table of a source's grey levels, as sunpy names it: str."""
    return f"sdoaia{AIA_SOURCES[source]}" if source in AIA_SOURCES else {19: "hmimag"}.get(source, "gray")


def read_grey(path, *, size, decoding, source):
    """Read grey levels of a JPEG 2000 of any source.

    Parameters
    ----------
    path : str or pathlib.Path
    size : int
        Pixels of the result.
    decoding : str
        Of `jpeg2000.MODES`.
    source : int
        Whose image it must be, where its number is known here.

    Returns
    -------
    numpy.ndarray
        float32 (size, size, 1), 0 to 1, row 0 north.

    Raises
    ------
    UserError
        Missing, damaged, of another source, unusable by its QUALITY, or constant.
    """
    jp2 = jpeg2000.read(path)
    keywords = Keywords(jpeg2000.stored_header(jp2), path)
    instrument = keywords.text("INSTRUME").upper()[:3]
    wavelength = f"{keywords.described('WAVELNTH') or 0:.0f}"
    is_other = source in AIA_SOURCES and (instrument != "AIA" or wavelength != str(AIA_SOURCES[source]))
    is_other |= source in HMI_SOURCES and (instrument != "HMI" or HMI_SOURCES[source] not in keywords.text("CONTENT").lower())
    if is_other:
        found = " ".join(filter(None, (keywords.text("INSTRUME"), wavelength.strip("0"), keywords.text("CONTENT"))))
        raise UserError(f"{path}: expected {name_of(source)} (source {source}), but its header gives {found or 'nothing'}")
    damage = quality.damage(keywords.bits("QUALITY"), instrument) if instrument in ("AIA", "HMI") else []
    if damage:
        raise UserError(f"{path}: rejected by its QUALITY: {', '.join(damage)}")
    grey = jpeg2000.decode(jp2, size=size, mode=decoding).grey
    if numpy.ptp(grey) == 0:
        raise UserError(f"{path}: every pixel has the same value; the image is empty")
    return (grey / numpy.float32(255))[..., None]
