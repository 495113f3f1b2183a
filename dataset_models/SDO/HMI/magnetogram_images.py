"""Full-disk line-of-sight magnetograms as a network sees them, from jpg, npy, Helioviewer JPEG 2000 or HMI FITS.

Every reader gives the geometry and scale of Helioviewer's magnetograms, which the published jpg trees keep: 2457.6
arcsec across (0.6 arcsec per pixel at 4096), disk centre in the middle, north up; -`clip` to +`clip` gauss mapped to
0 to 1; 0 off the disk. Pictures that state another pointing (see :mod:`dataset_models.picture_tree`) keep it.

:func:`read` is the whole preparation, for training and for a newly observed image alike: FITS files are turned north up
by their WCS, centred, clipped, blanked beyond the limb, scaled and averaged over areas.
"""

import datetime
import functools
import pathlib
import re
import typing

import numpy

from dataset_models import jpeg2000, picture_tree
from tools.errors import UserError

FRAME = 2457.6  # arcsec across

_TAI_MINUS_UTC = ((2017, 37), (2015.5, 36), (2012.5, 35), (2009, 34))  # years from which each applies; SDO began in 2010


class Magnetogram:
    """An image and where it lies on the sky.

    Attributes
    ----------
    image : numpy.ndarray
        float32 (size, size, 1), row 0 north.
    header : astropy.io.fits.Header or None
        Of its WCS, for rows from the south (``image[::-1]``). Made when it is first asked for: finding where the Earth
        was takes longer than reading a picture, and training does not ask.
    """

    def __init__(self, image, make_header):
        self.image = image
        self._make_header = make_header

    @functools.cached_property
    def header(self):
        return self._make_header()


class _Format(typing.NamedTuple):
    name: str
    pattern: re.Pattern
    tai: bool
    read: typing.Callable


def time_of(path):
    """Observation time that a file name states: ``datetime64[s]`` UTC, or None for a name of no known form."""
    form = _format_of(path)
    if form is None:
        return None
    parts = [int(part) for part in form.pattern.search(pathlib.Path(path).name).groups() if part]
    try:
        time = datetime.datetime(*parts[:6])
    except ValueError:
        return None
    if form.tai:
        year = time.year + (time.month - 1) / 12
        time -= datetime.timedelta(seconds=next(seconds for since, seconds in _TAI_MINUS_UTC if year >= since))
    return numpy.datetime64(time, "s")


def scan(folder):
    """Find the magnetograms below a folder.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    dict of numpy.datetime64 to pathlib.Path
        In the order of time.

    Raises
    ------
    UserError
        Two files of one time, files of several formats, or pictures converted in different ways: their pixels are not
        interchangeable.
    """
    found, formats, records = {}, {}, []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.name == picture_tree.RECORD:
            records.append(path)
        time = time_of(path)
        if time is None:
            continue
        if time in found:
            raise UserError(f"{path}: has the same time as {found[time]}; keep one of them")
        found[time] = path
        formats.setdefault(_format_of(path).name, path)
    if len(formats) > 1:
        raise UserError(f"{folder}: holds images of several formats ({', '.join(map(str, formats.values()))}); separate them")
    picture_tree.require_one_making(folder, records, found.values())
    return dict(sorted(found.items()))


def read(path, *, size, clip=256.0, decoding="area", expected_source=None):
    """Read a magnetogram file.

    Parameters
    ----------
    path : str or pathlib.Path
        Named as the published jpgs, Helioviewer's JPEG 2000 files or JSOC's HMI FITS; other names are told apart by
        their suffix.
    size : int
        Pixels of the result; the source is averaged over areas, never enlarged.
    clip : float
        Gauss that map to 0 and 1; only FITS carry gauss, pictures were scaled when they were made.
    decoding : str
        How JPEG 2000 is shrunk, of `dataset_models.jpeg2000.MODES`; never mix the two.
    expected_source : int, optional
        Size that the file must have, where a data set's images must agree.

    Returns
    -------
    Magnetogram

    Raises
    ------
    UserError
        Missing, damaged, of another kind or size, all NaN or constant.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such image")
    form = _format_of(path) or next((f for f in _FORMATS if _suffix(path) == f.name), None)
    if form is None:
        raise UserError(f"{path}: is not a magnetogram file; expected .jpg, .npy, .jp2 or .fits")
    image, make_header, source = form.read(path, size, clip, decoding)
    if expected_source and source != expected_source:
        raise UserError(f"{path}: is {source} pixels wide, the data set's other images are {expected_source}")
    if numpy.ptp(image) == 0:
        raise UserError(f"{path}: every pixel has the same value; the image is empty")
    return Magnetogram(image[..., None].astype("float32", copy=False), make_header)


def source_size(path):
    """Width in pixels of a picture file without decoding it, None for FITS."""
    from PIL import Image

    if _suffix(path) == "npy":
        return _load(path).shape[1]
    if _suffix(path) not in ("jpg", "jp2"):
        return None
    try:
        with Image.open(path) as picture:
            return picture.size[0]
    except Exception as error:
        raise _damaged(path, error) from error


def sky_header(time, size, *, frame=FRAME):
    """FITS header of an image centred on the Sun and seen from the Earth: `astropy.io.fits.Header`."""
    import astropy.units as u
    from astropy.io import fits
    from astropy.utils import iers
    from sunpy.coordinates import sun

    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        text = str(time)
        tilt, distance, radius = sun.B0(text), sun.earth_distance(text), sun.angular_radius(text)
    header = fits.Header()
    for axis, name in ((1, "HPLN-TAN"), (2, "HPLT-TAN")):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = name, "arcsec"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = (size + 1) / 2, 0.0, frame / size
    header["DATE-OBS"] = text
    header["HGLN_OBS"], header["HGLT_OBS"] = 0.0, tilt.to_value(u.deg)
    header["DSUN_OBS"], header["RSUN_OBS"] = distance.to_value(u.m), radius.to_value(u.arcsec)
    header["TELESCOP"], header["INSTRUME"] = "SDO", "HMI"
    return header


def _suffix(path):
    suffix = pathlib.Path(path).suffix.lower().lstrip(".")
    return {"jpeg": "jpg", "fit": "fits", "fts": "fits"}.get(suffix, suffix)


def _format_of(path):
    return next((form for form in _FORMATS if form.pattern.search(pathlib.Path(path).name)), None)


def _damaged(path, error):
    return UserError(
        f"{path}: cannot be read ({' '.join(str(error).split()) or type(error).__name__}); it may be damaged or truncated"
    )


def _require_square(path, shape, size):
    height, width = shape
    if height != width:
        raise UserError(f"{path}: expected a square full-disk image, received {width} x {height} pixels")
    if width < size:
        raise UserError(f"{path}: is {width} pixels wide, fewer than the {size} asked for; images are never enlarged")


def _read_jpg(path, size, clip, decoding):
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            grey, comment = numpy.asarray(picture.convert("L")), picture.info.get("comment")
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more for damaged files
        raise _damaged(path, error) from error
    _require_square(path, grey.shape, size)
    make_header = functools.partial(_picture_header, path, grey.shape[1], size, picture_tree.from_comment(comment))
    return jpeg2000.shrink(grey, size) / numpy.float32(255), make_header, grey.shape[1]


def _read_npy(path, size, clip, decoding):
    image = numpy.array(_load(path), "float32")
    _require_square(path, image.shape, size)
    if not (numpy.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise UserError(f"{path}: expected values of 0 to 1")
    make_header = functools.partial(_picture_header, path, image.shape[1], size, picture_tree.from_file(path))
    return jpeg2000.shrink(image, size), make_header, image.shape[1]


def _load(path):
    try:
        array = numpy.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy's for pickles, truncated data and foreign formats
        raise _damaged(path, error) from error
    if not isinstance(array, numpy.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
        raise UserError(f"{path}: expected numbers of shape (height, width)")
    return array


def _picture_header(path, source, size, wcs):
    """The header of a picture shrunk from `source` to `size` pixels: as stated with it, or of the common frame."""
    if wcs is not None:
        return _as_header(wcs, size / source)
    time = time_of(path)
    return None if time is None else sky_header(time, size)


def _as_header(wcs, scale=1.0):
    """FITS keywords as an `astropy.io.fits.Header`, for the image shrunk by `scale`; None where they do not point."""
    from astropy.io import fits

    if not {"CRPIX1", "CRPIX2", "CDELT1", "CDELT2"} <= wcs.keys():
        return None
    header = fits.Header(wcs)
    for axis in ("1", "2"):
        header["CRPIX" + axis] = (header["CRPIX" + axis] - 0.5) * scale + 0.5
        header["CDELT" + axis] /= scale
    return header


def _read_jp2(path, size, clip, decoding):
    jp2 = jpeg2000.read(path)
    picture = jpeg2000.decode(jp2, size=size, mode=decoding)
    return picture.grey / numpy.float32(255), functools.partial(_as_header, picture.wcs), jp2.width


def _read_fits(path, size, clip, decoding):
    """Rotate, scale and centre an HMI FITS magnetogram onto the common frame, in one interpolation and area average."""
    import warnings

    import scipy.ndimage
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A Rice-compressed file cut short only warns; reading every HDU with these as errors catches it.
            warnings.filterwarnings("error", message=".*(truncated|[Ee]mpty or corrupt).*")
            with fits.open(path) as hdus:
                hdu = next((h for h in hdus if h.header.get("NAXIS", 0) == 2 and h.is_image), None)
                if hdu is None:
                    raise UserError(f"{path}: holds no image")
                gauss, header = numpy.asarray(hdu.data, "float32"), hdu.header
    except UserError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    if "HPLN" not in str(header.get("CTYPE1", "")):
        raise UserError(f"{path}: expected a full-disk image in helioprojective coordinates, received {header.get('CTYPE1')}")
    if str(header.get("BUNIT", "Gauss")).strip().lower() not in ("gauss", "g"):
        raise UserError(
            f"{path}: expected a magnetogram in gauss, received {header.get('CONTENT', 'values')} in {header['BUNIT']}"
        )
    if not numpy.isfinite(gauss).any():
        raise UserError(f"{path}: every pixel is NaN; the image is empty")
    scale, angle = float(header["CDELT1"]), _rotation(header)
    radius = float(header.get("RSUN_OBS") or header.get("R_SUN", 0) * scale)
    across = min(gauss.shape) * scale
    if not across > 2 * radius > 0:
        raise UserError(f"{path}: expected the full disk ({2 * radius:.0f} arcsec), received a field of {across:.0f} arcsec")
    step = FRAME / size
    if scale > step:
        raise UserError(
            f"{path}: has {scale:.2f} arcsec per pixel, coarser than the {step:.2f} asked for; images are never enlarged"
        )
    finer = int(numpy.ceil(step / scale))
    count = size * finer
    fine = step / finer
    # Output (row, column) counted from the centre -> arcsec -> source pixel. Output row 0 is north.
    cosine, sine = numpy.cos(angle), numpy.sin(angle)
    matrix = numpy.array([[-cosine, -sine], [-sine, cosine]]) * (fine / scale)
    centre = numpy.array([float(header["CRPIX2"]) - 1, float(header["CRPIX1"]) - 1])
    centre -= _rotated(header, cosine, sine) / scale
    middle = (count - 1) / 2
    sampled = scipy.ndimage.affine_transform(
        numpy.nan_to_num(gauss), matrix, centre - matrix @ [middle, middle], (count, count), order=1
    )
    image = (numpy.clip(sampled, -clip, clip) + clip) / (2 * clip)
    row, column = numpy.ogrid[:count, :count]
    image[(row - middle) ** 2 + (column - middle) ** 2 > (radius / fine) ** 2] = 0
    image = image.reshape(size, finer, size, finer).mean((1, 3))
    return image, functools.partial(_fits_header, header, size), gauss.shape[1]


def _fits_header(header, size):
    """The header of a FITS image on the common frame; None where it does not say when it was taken."""
    observed = header.get("DATE-OBS") or header.get("DATE_OBS")
    if not observed:
        return None
    out = sky_header(numpy.datetime64(str(observed).rstrip("Z"), "s"), size)
    for key in ("DSUN_OBS", "RSUN_OBS", "CRLN_OBS", "CRLT_OBS", "HGLN_OBS", "HGLT_OBS", "TELESCOP", "INSTRUME"):
        if key in header:
            out[key] = header[key]
    return out


def _rotation(header):
    """Angle in radians by which the image is turned, from CROTA2 (JSOC) or a PC matrix (files that sunpy wrote)."""
    if "CROTA2" in header:
        return numpy.deg2rad(float(header["CROTA2"]))
    return numpy.arctan2(float(header.get("PC2_1", 0)), float(header.get("PC1_1", 1)))


def _rotated(header, cosine, sine):
    """CRVAL (arcsec) turned into the axes of the source image: (row, column)."""
    x, y = float(header.get("CRVAL1", 0)), float(header.get("CRVAL2", 0))
    return numpy.array([-sine * x + cosine * y, cosine * x + sine * y])


_FORMATS = (
    _Format("jpg", re.compile(r"^HMI\.m(\d{4})\.(\d\d)\.(\d\d)_(\d\d)\.(\d\d)\.(\d\d)\.jpe?g$"), False, _read_jpg),
    _Format("npy", re.compile(r"^HMI\.m(\d{4})\.(\d\d)\.(\d\d)_(\d\d)\.(\d\d)\.(\d\d)\.npy$"), False, _read_npy),
    _Format(
        "jp2", re.compile(r"^(\d{4})_(\d\d)_(\d\d)__(\d\d)_(\d\d)_(\d\d)_\d+__SDO_HMI_\w*magnetogram\.jp2$"), False, _read_jp2
    ),
    _Format(
        "fits",
        re.compile(r"^hmi\.m_\d+s\.(\d{4})\.?(\d\d)\.?(\d\d)_(\d\d)_?(\d\d)_?(\d\d)_TAI\.(?:\d+\.)?magnetogram\.fits$", re.I),
        True,
        _read_fits,
    ),
)
