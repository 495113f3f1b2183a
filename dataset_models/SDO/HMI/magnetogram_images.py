"""Full-disk line-of-sight magnetograms as a network sees them, from jpg, npy, Helioviewer JPEG 2000 or HMI FITS.

Every reader gives the geometry and scale of Helioviewer's magnetograms, which the published jpg trees keep: 2457.6
arcsec across (0.6 arcsec per pixel at 4096), disk centre in the middle, north up; -`clip` to +`clip` gauss mapped to
0 to 1; 0 off the disk. Pictures that state another pointing (see :mod:`dataset_models.images.picture_tree`) keep it.

:func:`read` is the whole preparation, for training and for a newly observed image alike: FITS files are turned north up
by their WCS, centred, clipped, blanked beyond the limb, scaled and averaged over areas.
"""

import contextlib
import datetime
import functools
import pathlib
import re
import typing

import numpy

from dataset_models import simulation_mark
from dataset_models.images import earth_view, fits_files, jpeg2000, picture_files, picture_tree, quality, soundness
from dataset_models.images.geometry import FRAME, linear_wcs, solar_radius
from dataset_models.images.headers import Keywords, utc_from_tai
from tools import notes
from tools.errors import UserError
from tools.reading import arrays

_EXPECTED = "HMI.m2026.02.01_00.00.00.jpg or hmi.M_720s.20260201_000000_TAI.magnetogram.fits"
_PICTURES = ("JPEG", "PNG", "JPEG2000")
_INNER = 0.98  # of the disk's radius, where a magnetogram has no blank pixels
_MAXIMUM_MISSING = 0.01


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
    """Read the observation time that a file name states: ``datetime64[s]`` UTC, or None for a name of no known form."""
    form = _format_of(path)
    if form is None:
        return None
    parts = [int(part) for part in form.pattern.search(pathlib.Path(path).name).groups() if part]
    try:
        time = datetime.datetime(*parts[:6])
    except ValueError:
        return None
    time = numpy.datetime64(time, "s")
    return utc_from_tai(time) if form.tai else time


def first_beside_jp2(folder):
    """Find a magnetogram below a folder that is no JPEG 2000 file: pathlib.Path, or None where there is none."""
    formats = ((path, _format_of(path)) for path in pathlib.Path(folder).rglob("*"))
    return next((path for path, form in formats if form is not None and form.name != "jp2"), None)


def scan(folder):
    """Find the magnetograms below a folder.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    dict of numpy.datetime64 to pathlib.Path
        In the order of time. Files whose names fit no pattern are counted in a note.

    Raises
    ------
    UserError
        Two files of one time, files of several formats, or pictures converted in different ways: their pixels are not
        interchangeable.
    """
    paths, formats, records, unknown = {}, {}, [], []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.name == picture_tree.RECORD:
            records.append(path)
        time = time_of(path)
        if time is None:
            if path.is_file() and not picture_tree.is_by_product(path):
                unknown.append(path)
            continue
        if time in paths:
            raise UserError(f"{path}: has the same time as {paths[time]}; keep one of them")
        paths[time] = path
        formats.setdefault(_format_of(path).name, path)
    notes.note_unknown_names(
        folder, unknown, expected="HMI.m2026.02.01_00.00.00.jpg or hmi.M_720s.20260201_000000_TAI.magnetogram.fits"
    )
    if len(formats) > 1:
        raise UserError(f"{folder}: holds images of several formats ({', '.join(map(str, formats.values()))}); separate them")
    picture_tree.require_one_making(folder, records, paths.values())
    return dict(sorted(paths.items()))


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
        How JPEG 2000 is shrunk, of `dataset_models.images.jpeg2000.MODES`; never mix the two.
    expected_source : int, optional
        Size that the file must have, where a data set's images must agree.

    Returns
    -------
    Magnetogram

    Raises
    ------
    UserError
        Missing, damaged, of another instrument, observable or size, unusable by its QUALITY, with pixels missing on the
        disk, or constant.
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
    image = image[..., None].astype("float32", copy=False)
    soundness.require_image(image, path)
    return Magnetogram(image, make_header)


def require_making_of(folder, path, *, decoding):
    """Refuse a JPEG 2000 file that would be shrunk in another way than the pictures of a converted folder were.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of a data set; where it holds no record of a conversion, everything passes.
    path : str or pathlib.Path
        A new image, of any format.
    decoding : str
        How JPEG 2000 would be shrunk, see `read`.

    Raises
    ------
    UserError
        The pictures are cut-outs, or were made in the other mode.
    """
    record = picture_tree.read_record(folder) if _suffix(path) == "jp2" else None
    if record and (record.get("crop") or record.get("mode", decoding) != decoding):
        made = f"--mode {record.get('mode')}" + (f" --crop {record['crop']}" if record.get("crop") else "")
        raise UserError(
            f"{path}: would be shrunk in another way than the pictures in {folder} were ({made}, see {picture_tree.RECORD});"
            " convert it likewise with jp2_to_images.py and give the picture"
        )


def source_size(path):
    """Read the width in pixels of a picture file without decoding it, None for FITS."""
    if _suffix(path) == "npy":
        return _load(path).shape[1]
    if _suffix(path) not in ("jpg", "jp2"):
        return None
    with picture_files.opened(path, _PICTURES) as picture:
        return picture.size[0]


def sky_header(time, size, *, frame=FRAME):
    """Make the FITS header of an image centred on the Sun and seen from the Earth: `astropy.io.fits.Header`."""
    return earth_view.header(time, size, frame=frame, telescope="SDO", instrument="HMI")


def _suffix(path):
    suffix = pathlib.Path(path).suffix.lower().lstrip(".")
    return {"jpeg": "jpg", "fit": "fits", "fts": "fits"}.get(suffix, suffix)


def _format_of(path):
    return next((form for form in _FORMATS if form.pattern.search(pathlib.Path(path).name)), None)


def _require_square(path, shape, size):
    height, width = shape
    if height != width:
        raise UserError(f"{path}: expected a square full-disk image, received {width} x {height} pixels")
    if width < size:
        raise UserError(f"{path}: is {width} pixels wide, fewer than the {size} asked for; images are never enlarged")


def require_magnetogram(keywords, *, named=False):
    """Raise a `UserError` where an image is, by its header, no sound line-of-sight magnetogram of SDO/HMI.

    Parameters
    ----------
    keywords : dataset_models.images.headers.Keywords
    named : bool
        Whether the file's name states what it is. Where neither does, a note is printed, once.

    Notes
    -----
    Unusable by QUALITY are images of which `dataset_models.images.quality.HMI_DAMAGING` names a bit.
    """
    telescope, instrument, content = (keywords.text(card).upper() for card in ("TELESCOP", "INSTRUME", "CONTENT"))
    wavelength = keywords.described("WAVELNTH")
    is_other = not instrument.startswith("HMI") if instrument else telescope and not telescope.startswith("SDO")
    # SHARPs have "HMI observable", which leaves it to their units
    is_other = is_other or (content and "MAGNETOGRAM" not in content and content != "HMI OBSERVABLE")
    if is_other or (wavelength and abs(wavelength - 6173) > 5):
        words = [keywords.text(card) for card in ("TELESCOP", "INSTRUME", "DETECTOR", "CONTENT", "WAVELNTH")]
        raise UserError(
            f"{keywords.path}: expected an SDO/HMI magnetogram, but its header gives {' '.join(filter(None, words))}"
        )
    if not (named or instrument or "MAGNETOGRAM" in content):
        text = f"{keywords.path}: neither its name nor its header gives what it is; it is taken for an HMI magnetogram"
        notes.note(text, about="no magnetogram by name or header")
    damage = quality.damage(keywords.bits("QUALITY"), "HMI")
    if damage:
        raise UserError(f"{keywords.path}: rejected by its QUALITY: {', '.join(damage)}")


def _is_named(path):
    """Check whether a file's name is that of an HMI magnetogram; a `UserError` where it is that of another picture."""
    name = pathlib.Path(path).name
    if re.match(r"AIA\.|HMI\.(?!m)", name) and _suffix(path) in ("jpg", "npy"):
        raise UserError(f"{path}: expected an SDO/HMI magnetogram, but its name is of {name.split('.20')[0]}")
    return _format_of(path) is not None


def _read_jpg(path, size, clip, decoding):
    with picture_files.opened(path, _PICTURES) as picture:
        picture.load()
        grey, comment = numpy.asarray(picture.convert("L")), picture.info.get("comment")
    _require_square(path, grey.shape, size)
    wcs = picture_tree.from_comment(comment)
    require_magnetogram(Keywords(wcs or {}, path), named=_is_named(path))
    make_header = functools.partial(_picture_header, path, grey.shape[1], size, wcs)
    return jpeg2000.shrink(grey, size) / numpy.float32(255), make_header, grey.shape[1]


def _read_npy(path, size, clip, decoding):
    image = numpy.array(_load(path), "float32")
    _require_square(path, image.shape, size)
    if not (numpy.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise UserError(f"{path}: expected values of 0 to 1")
    wcs = picture_tree.from_file(path)
    require_magnetogram(Keywords(wcs or {}, path), named=_is_named(path))
    make_header = functools.partial(_picture_header, path, image.shape[1], size, wcs)
    return jpeg2000.shrink(image, size), make_header, image.shape[1]


def _load(path):
    array = arrays.read_array(path)
    if array.ndim != 2 or not array.size:
        raise UserError(f"{path}: expected numbers of shape (height, width), received {array.shape}")
    return array


def _picture_header(path, source, size, wcs):
    """Make the header of a picture shrunk from `source` to `size` pixels: as stated with it, or of the common frame."""
    if picture_tree.pointing(wcs) is not None:
        return _as_header(wcs, size / source)
    time = time_of(path)
    return None if time is None else sky_header(time, size)


def _as_header(wcs, scale=1.0):
    """Convert FITS keywords to an `astropy.io.fits.Header`, for the image shrunk by `scale`; None where they do not point."""
    from astropy.io import fits

    keywords = Keywords(wcs, "a picture")
    pointing = {name + axis: keywords.described(name + axis) for axis in ("1", "2") for name in ("CRPIX", "CDELT")}
    if None in pointing.values() or not all(pointing.values()):
        return None
    header = fits.Header()
    for card, value in (wcs | pointing).items():
        with contextlib.suppress(ValueError):  # lists, NaN, names that are none: such a card only describes
            header[card] = value
    for axis in ("1", "2"):
        header["CRPIX" + axis] = (header["CRPIX" + axis] - 0.5) * scale + 0.5
        header["CDELT" + axis] /= scale
    return header


def _read_jp2(path, size, clip, decoding):
    jp2 = jpeg2000.read(path)
    keywords = Keywords(jpeg2000.stored_header(jp2), path)
    require_magnetogram(keywords, named=_is_named(path))
    picture = jpeg2000.decode(jp2, size=size, mode=decoding)
    if picture.wcs:
        soundness.require_pointing(linear_wcs(keywords), (jp2.height, jp2.width), path)
    return picture.grey / numpy.float32(255), functools.partial(_as_header, picture.wcs), jp2.width


def checked_fits(path, *, named=True):
    """Read an HMI FITS magnetogram as it is, and check all that preparing it needs.

    Parameters
    ----------
    path : str or pathlib.Path
    named : bool
        As of `require_magnetogram`.

    Returns
    -------
    gauss : numpy.ndarray
        (height, width), in the order of the file.
    keywords : dataset_models.images.headers.Keywords
    wcs : dataset_models.images.geometry.LinearWcs
    radius : float
        Of the disk, arcsec.
    valid : numpy.ndarray
        bool (height, width), where `gauss` is finite.

    Raises
    ------
    UserError
        As `read`.
    """
    gauss, header = fits_files.read(path)
    keywords = Keywords(header, path)
    require_magnetogram(keywords, named=named)
    wcs = linear_wcs(keywords)
    unit = keywords.text("BUNIT")
    if unit and unit.lower().replace(" ", "") not in _GAUSS:
        raise UserError(f"{path}: expected a magnetogram in gauss, received {keywords.text('CONTENT') or 'values'} in {unit}")
    radius = solar_radius(keywords, wcs)
    across = min(gauss.shape) * wcs.scale
    if not across > 2 * radius > 0:
        raise UserError(f"{path}: expected the full disk ({2 * radius:.0f} arcsec), received a field of {across:.0f} arcsec")
    soundness.require_pointing(wcs, gauss.shape, path, radius=radius)
    valid = numpy.isfinite(gauss)
    _require_whole_disk(path, valid, wcs, radius)
    return gauss, keywords, wcs, radius, valid


def _read_fits(path, size, clip, decoding):
    """Rotate, scale and centre an HMI FITS magnetogram onto the common frame, in one interpolation and area average."""
    import scipy.ndimage

    gauss, keywords, wcs, radius, valid = checked_fits(path, named=_is_named(path))
    step = FRAME / size
    if wcs.scale > step:
        raise UserError(
            f"{path}: has {wcs.scale:.2f} arcsec per pixel, coarser than the {step:.2f} asked for; images are never enlarged"
        )
    finer = int(numpy.ceil(step / wcs.scale))
    count = size * finer
    fine = step / finer
    matrix, offset = wcs.sampling(count, fine)
    sampled = scipy.ndimage.affine_transform(numpy.where(valid, gauss, 0), matrix, offset, (count, count), order=1)
    image = (numpy.clip(sampled, -clip, clip) + clip) / (2 * clip)
    middle = (count - 1) / 2
    row, column = numpy.ogrid[:count, :count]
    image[(row - middle) ** 2 + (column - middle) ** 2 > (radius / fine) ** 2] = 0
    image = image.reshape(size, finer, size, finer).mean((1, 3))
    return image, functools.partial(_fits_header, keywords, size), gauss.shape[1]


_GAUSS = ("gauss", "g", "mx/cm^2", "mx/cm**2", "mxcm-2", "mxcm^-2", "mx/cm2")


def _require_whole_disk(path, valid, wcs, radius):
    """Raise a `UserError` where pixels of the disk are missing, not read them as 0 G."""
    import scipy.ndimage

    count = 512
    step = 2 * radius / count
    matrix, offset = wcs.sampling(count, step)
    seen = scipy.ndimage.affine_transform(valid.astype("uint8"), matrix, offset, (count, count), order=0)
    row, column = numpy.ogrid[:count, :count]
    middle = (count - 1) / 2
    inside = (row - middle) ** 2 + (column - middle) ** 2 < (_INNER * count / 2) ** 2
    missing = 1 - seen[inside].mean()
    if missing > _MAXIMUM_MISSING:
        raise UserError(
            f"{path}: {100 * missing:.1f}% of the disk is missing (at most {100 * _MAXIMUM_MISSING:.0f}%); leave it out"
        )


def _fits_header(keywords, size):
    """Make the header of a FITS image on the common frame; None where the image has no time."""
    try:
        time = keywords.time()
    except UserError:
        return None
    out = sky_header(time.astype("datetime64[s]"), size)
    for card in ("DSUN_OBS", "RSUN_OBS", "CRLN_OBS", "CRLT_OBS", "HGLN_OBS", "HGLT_OBS"):
        number = keywords.described(card)
        if number is not None:
            out[card] = number
    for card in ("TELESCOP", "INSTRUME"):
        if keywords.text(card):
            out[card] = keywords.text(card)
    if simulation_mark.is_set(keywords.text(simulation_mark.KEYWORD)):
        out[simulation_mark.KEYWORD] = True
    return out


def _name(suffix):
    return re.compile(f"^{picture_tree.name_pattern(picture_tree.MAGNETOGRAM, suffix)}$")


_FORMATS = (
    _Format("jpg", _name("jpe?g"), False, _read_jpg),
    _Format("npy", _name("npy"), False, _read_npy),
    _Format(
        "jp2", re.compile(r"^(\d{4})_(\d\d)_(\d\d)__(\d\d)_(\d\d)_(\d\d)_\d+__SDO_HMI_\w*magnetogram\.jp2$"), False, _read_jp2
    ),
    _Format(
        "fits",
        # JSOC's names, near-real-time ones too, and those of the VSO: hmi_m_45s_2011_06_07_06_33_00_tai_magnetogram.fits
        re.compile(
            r"^hmi[._]m_\d+s(?:_nrt)?[._](\d{4})[._]?(\d\d)[._]?(\d\d)_(\d\d)_?(\d\d)_?(\d\d)_TAI"
            r"(?:[._]\d+)?(?:[._]magnetogram)?\.fits(?:\.gz)?$",
            re.IGNORECASE,
        ),
        True,
        _read_fits,
    ),
)
