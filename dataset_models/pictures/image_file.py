"""An image file of any instrument, with its header: JPEG 2000, FITS, jpg, png or npy."""

import pathlib
import typing
import warnings

import numpy

from dataset_models import simulation_mark
from dataset_models.images import fits_files, jpeg2000, picture_files, picture_tree, solar_grid
from dataset_models.images.geometry import linear_wcs, solar_radius
from dataset_models.images.headers import Keywords
from dataset_models.SDO.HMI import magnetogram_images
from tools import figures, notes
from tools.errors import UserError
from tools.reading import arrays

LARGEST = 1024  # pixels on a side that are drawn
LIMB = 70.0  # degrees of longitude beyond which the studies call a flare near the limb
_SHOWN = (
    "DATE-OBS", "DATE_OBS", "T_OBS", "T_REC", "TELESCOP", "INSTRUME", "DETECTOR", "WAVELNTH", "CONTENT", "BUNIT", "EXPTIME",
    "QUALITY", "LVL_NUM", "NAXIS1", "NAXIS2", "CTYPE1", "CRPIX1", "CRPIX2", "CDELT1", "CRVAL1", "CRVAL2", "CROTA2", "RSUN_OBS",
    "DSUN_OBS", "CRLN_OBS", "CRLT_OBS", "HGLN_OBS", "HGLT_OBS", "NOAA_AR", "HARPNUM", "SIMULATD",
)  # fmt: skip


class ImageFile(typing.NamedTuple):
    """An image and what its file says of it.

    Attributes
    ----------
    path : pathlib.Path
    image : numpy.ndarray
        float32 (height, width), row 0 on top, or uint8 (height, width, 3) of a picture in colours.
    header : astropy.io.fits.Header or None
        Of `image`, in FITS order (``image[::-1]``) and north up; None where it is not known where the Sun is.
    cards : dict of str to str
        The header as it is in the file.
    table : str
        Colour table.
    logarithmic : bool
        Whether brightness spans decades.
    unit : str
    remark : str
        How `header` came about where the file does not state it, or why there is none.
    simulated : bool
    """

    path: pathlib.Path
    image: numpy.ndarray
    header: typing.Any
    cards: dict
    table: str
    logarithmic: bool
    unit: str
    remark: str
    simulated: bool

    @property
    def header_lines(self):
        """All cards, one to a line, as text: list of str."""
        return [f"{name:8} {value}" for name, value in self.cards.items()]


def read(path):
    """Read an image file as it is, shrunk to `LARGEST` pixels; FITS of the full disk is turned north up.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    ImageFile

    Raises
    ------
    UserError
        Missing, damaged, or of an unknown kind.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such image")
    name = path.name.lower().removesuffix(".gz")
    reader = next((reader for suffixes, reader in _READERS if name.endswith(suffixes)), None)
    if reader is None:
        known = ", ".join(suffix for suffixes, _ in _READERS for suffix in suffixes)
        raise UserError(f"{path}: is no image that can be drawn ({known}); images of a data set of your own need its .py file")
    found = reader(path)
    return found._replace(simulated=bool(simulation_mark.of_file(path)))


def draw(path, found, *, places=(), title=None):
    """Draw an image with limb, heliographic grid, the meridians at `LIMB` degrees and its most telling cards.

    Parameters
    ----------
    path : str or pathlib.Path
    found : ImageFile
    places : sequence of (str, float, float)
        As of `SolarData.places`.
    title : str, optional
        Without it the file's name.
    """
    shape = found.image.shape[:2]
    extent = figures.extent_of(found.header, shape)
    twice = "DATE_OBS" if "DATE-OBS" in found.cards else ""
    shown = [card for card in _SHOWN if card != twice and found.cards.get(card) not in (None, "")]
    lines = [f"{card:9}{found.cards[card]}"[:46] for card in shown] or ["the file has no header"]
    with figures.style():
        figure, (axes, text) = figures.new(1, 2, figsize=(12.5, 8), width_ratios=(2.4, 1))
        if found.image.ndim == 3:
            axes.imshow(found.image, extent=extent)
            figures.label_sky(axes, extent)
        else:
            unit = figures.unit(found.unit) or "pixel value (no unit in the header)"
            look = {"table": found.table, "logarithmic": found.logarithmic, "unit": unit}
            figures.show_image(axes, found.image, extent=extent, **look)
        if extent is not None:
            solar_grid.draw(axes, found.header, places, limb=LIMB)
            if found.remark:
                lines += ["", *_wrapped(found.remark)]
            lines += ["", f"dashed: {LIMB:g} degrees east and west"]
        elif found.remark:
            lines += ["", *_wrapped(found.remark)]
        # Not by matplotlib's wrap=True, for which the layout leaves no room.
        axes.set_title("\n".join(_wrapped(figures.title(title or found.path.name, simulated=found.simulated), 72)))
        text.set_axis_off()
        text.text(0, 0.98, "\n".join(lines), va="top", family="monospace", fontsize=9, transform=text.transAxes)
        figures.save(figure, path)


def _wrapped(text, width=42):
    import textwrap

    return textwrap.wrap(text, width)


def _read_jp2(path):
    jp2 = jpeg2000.read(path)
    cards = jpeg2000.stored_header(jp2)
    size = min(LARGEST, jp2.width)
    if jp2.width == jp2.height:
        picture = jpeg2000.decode(jp2, size=size)
        grey, wcs = picture.grey, picture.wcs
    else:
        grey, wcs = _grey(path)[0], {}
    header, remark = _pointed(wcs, path, grey.shape)
    return ImageFile(path, grey, header, cards, _table(cards, grey), False, "grey level (0 to 255)", remark, False)


def _read_fits(path):
    pixels, cards = fits_files.read(path)
    words = {card: " ".join(str(cards[card]).split()) for card in cards if card and card not in ("HISTORY", "COMMENT")}
    image, header, remark = _north_up(pixels, cards, path)
    table, unit = _table(cards, image), words.get("BUNIT", "")
    logarithmic = table.startswith("sdoaia") and numpy.nanpercentile(image, 1) > -100
    return ImageFile(path, image, header, words, table, logarithmic, unit, remark, False)


def _read_picture(path):
    image, comment = _grey(path)
    wcs = picture_tree.from_comment(comment)
    if magnetogram_images.time_of(path) is not None:
        header, remark = magnetogram_images.read(path, size=len(image)).header, ""
        if picture_tree.pointing(wcs) is None:
            remark = "The file states no pointing: drawn where magnetograms of this name lie, seen from the Earth at its time."
    else:
        header, remark = _pointed(wcs or {}, path, image.shape)
    cards = {name: str(value) for name, value in (wcs or {}).items()}
    return ImageFile(path, image, header, cards, _table(cards, image), False, "grey level (0 to 255)", remark, False)


def _read_npy(path):
    image = arrays.read_array(path)
    picture_files.require_modest(path, *image.shape)
    if image.ndim != 2:
        raise UserError(f"{path}: expected numbers of shape (height, width); images of a data set need its .py file")
    wcs = picture_tree.from_file(path) or {}
    header, remark = _pointed(wcs, path, image.shape)
    cards = {name: str(value) for name, value in wcs.items()}
    return ImageFile(path, image.astype("float32"), header, cards, _table(cards, image), False, "", remark, False)


_READERS = (
    ((".jp2",), _read_jp2),
    ((".fits", ".fit", ".fts"), _read_fits),
    ((".jpg", ".jpeg", ".png"), _read_picture),
    ((".npy",), _read_npy),
)


def _grey(path):
    """Read a picture: float32 (height, width), or uint8 (height, width, 3) where it has colours, and its comment."""
    with picture_files.opened(path, ("JPEG2000", *picture_files.COMMON)) as picture:
        comment = picture.info.get("comment")
        pixels = numpy.asarray(picture.convert("L" if picture.mode in ("L", "1", "I", "F", "I;16") else "RGB"))
    if pixels.ndim == 2:
        return pixels.astype("float32"), comment
    return (pixels[..., 0].astype("float32") if (pixels == pixels[..., :1]).all() else pixels), comment


def _pointed(wcs, path, shape):
    """Make the header of a picture whose keywords are known, and a remark where they do not say where the Sun is."""
    from astropy.io import fits

    if not {"CRPIX1", "CRPIX2", "CDELT1", "CDELT2"} <= set(wcs):
        return None, "Neither file nor name says where the Sun is: no limb, no grid."
    header = fits.Header({card: value for card, value in wcs.items() if len(card) <= 8})
    return _with_sun(header, path, shape)


def _with_sun(header, path, shape):
    keywords = Keywords(header, path)
    try:
        header["RSUN_OBS"] = solar_radius(keywords, linear_wcs(keywords))
    except UserError as error:
        return None, f"No limb: {str(error).removeprefix(str(path)).lstrip(': ')}."
    header.setdefault("CUNIT1", "arcsec")
    header.setdefault("CUNIT2", "arcsec")
    if figures.extent_of(header, shape) is None:
        return None, "The image is turned against solar north: no limb, no grid."
    return header, ""


def _north_up(pixels, cards, path):
    """Turn FITS pixels so that row 0 is on top, and north where the whole disk is seen: image, its header, a remark."""
    import scipy.ndimage
    from astropy.io import fits

    plain = _shrunk(pixels[::-1])
    keywords = Keywords(cards, path)
    try:
        wcs = linear_wcs(keywords)
        radius = solar_radius(keywords, wcs)
    except UserError as error:
        return plain, None, f"No limb: {str(error).removeprefix(str(path)).lstrip(': ')}."
    header = fits.Header()
    tilt = keywords.described("CRLT_OBS")
    header["HGLT_OBS"] = (keywords.described("HGLT_OBS") or 0.0) if tilt is None else tilt
    header["HGLN_OBS"], header["RSUN_OBS"] = keywords.described("HGLN_OBS") or 0.0, radius
    header["CUNIT1"] = header["CUNIT2"] = "arcsec"
    middle = numpy.abs(wcs.matrix @ ((numpy.array(pixels.shape[::-1]) - 1) / 2 - wcs.reference) + wcs.value)
    if (middle < radius / 2).all() and min(pixels.shape) * wcs.scale > 1.2 * radius:
        size = min(max(pixels.shape), LARGEST)
        step = max(pixels.shape) * wcs.scale / size
        finer = max(1, round(step / wcs.scale))
        matrix, offset = wcs.sampling(size * finer, step / finer)
        valid = numpy.isfinite(pixels)
        shape = (size * finer,) * 2
        image = scipy.ndimage.affine_transform(numpy.where(valid, pixels, 0), matrix, offset, shape, order=1)
        seen = scipy.ndimage.affine_transform(valid.astype("uint8"), matrix, offset, shape, order=0)
        image = numpy.where(seen, image, numpy.nan).reshape(size, finer, size, finer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # blocks that are blank
            image = numpy.nanmean(image, (1, 3))
        reference, scale = ((size + 1) / 2,) * 2, (step, step)
        header["CRVAL1"] = header["CRVAL2"] = 0.0
        header["CRPIX1"], header["CRPIX2"] = reference
        header["CDELT1"], header["CDELT2"] = scale
        return image.astype("float32"), header, ""
    diagonal = numpy.diag(wcs.matrix)
    if numpy.abs(wcs.matrix - numpy.diag(diagonal)).max() > 2e-3 * wcs.scale or (diagonal <= 0).any():
        return plain, None, "A part of the disk, turned against solar north: no limb, no grid."
    factor = pixels.shape[1] / plain.shape[1]
    for axis in (0, 1):
        header[f"CRPIX{axis + 1}"] = (wcs.reference[axis] + 0.5) / factor + 0.5
        header[f"CDELT{axis + 1}"], header[f"CRVAL{axis + 1}"] = diagonal[axis] * factor, wcs.value[axis]
    return plain, header, ""


def _shrunk(image):
    """Take every n-th pixel of an image that is larger than `LARGEST`: float32."""
    step = -(-max(image.shape) // LARGEST)
    return numpy.ascontiguousarray(image[::step, ::step], "float32")


def _table(cards, image):
    """Choose the colour table: that of sunpy for the instrument, grey where it has none."""
    if image.ndim == 3:
        return "gray"
    words = " ".join(str(cards.get(card, "")) for card in ("TELESCOP", "INSTRUME", "DETECTOR", "CONTENT", "BUNIT")).upper()
    if "HMI" in words or "MDI" in words:
        # Grey levels of pictures are no field strengths, for which alone the steps of hmimag stand.
        return "hmimag" if numpy.nanmin(image) < 0 and "DOPPLER" not in words and "M/S" not in words else "gray"
    number = Keywords(cards, "").described("WAVELNTH")
    if number is None:
        return "gray"
    stem = next((stem for word, stem in (("AIA", "sdoaia"), ("EIT", "sohoeit"), ("EUVI", "euvi")) if word in words), None)
    name = f"{stem}{number:.0f}" if stem else "sdoaia171" if "SWAP" in words else "gray"
    try:
        figures.colour_table(name)
    except UserError:
        notes.note(f"colour table {name}: sunpy has none of this name; drawn grey")
        return "gray"
    return name
