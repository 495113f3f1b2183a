"""AIA images, from what the archives hold to one common grid: calibrated, registered, downsampled.

Three sources. *Synoptic* frames of JSOC (level 1.5, 1024 x 1024 at 2.4 arcsec per pixel, one FITS file per channel,
Rice-compressed in HDU 1) become DN/s: divided by exposure time and by the degradation factor of their day. *Level 1*
(4096 x 4096, one file per channel) is pointed and registered by aiapy before that. *Legacy* arrays of FlareNet are all
channels in one ``.dat`` file, made from synoptic frames by the same two divisions.

:func:`prepare` (one channel) and :func:`read_frame` (all eight) are the whole way from files to what a network sees, the
same for training and for a newly observed image. Nothing of it needs the network: response and pointing tables are files.

The common grid has the disk centre in the image centre, solar north up, west right, and 2458 arcsec on a side.
"""

import numpy

from dataset_models.images import fits_files, quality, soundness
from dataset_models.images.geometry import FRAME, SOLAR_RADIUS, linear_wcs
from dataset_models.images.headers import Keywords
from dataset_models.SDO.AIA import level_1
from dataset_models.SDO.AIA.aia_files import CHANNELS, parse_name
from dataset_models.SDO.AIA.degradation import degradation
from tools.errors import UserError
from tools.reading import arrays

FULL_SIZE = 1024
PLATE_SCALE = FRAME / FULL_SIZE  # arcsec per pixel: 2.4

_MAXIMUM_MISSING = 0.01
_FINEST = 8  # pixels of a file to one of the grid; level 1 has 4


def read_frame(paths, *, size, correction_table=None, pointing_table=None):
    """Read the image of a frame.

    Parameters
    ----------
    paths : tuple of pathlib.Path
        As in a complete `Frame`: one legacy array, or eight FITS files in the order of `CHANNELS`.
    size : int
        Of the image; divides 1024. Downsampling takes means over areas.
    correction_table, pointing_table : str, optional
        See `prepare`.

    Returns
    -------
    numpy.ndarray
        float32 (size, size, 8), DN/s as at launch, row 0 northernmost.

    Raises
    ------
    UserError
        A file is damaged, of the wrong size or channel, flagged as damaged by its QUALITY, or has no contrast.
    """
    if paths[0].suffix.lower() == ".dat":
        return downsample(read_legacy(paths[0]), size)
    tables = {"correction_table": correction_table, "pointing_table": pointing_table}
    prepared = [prepare(path, size=size, channel=channel, **tables) for channel, path in zip(CHANNELS, paths, strict=True)]
    return numpy.stack(prepared, axis=-1)


def prepare(path, *, size, channel=None, correction_table=None, pointing_table=None):
    """Prepare one channel from FITS, level 1 or synoptic, as a network sees it.

    Parameters
    ----------
    path : str or pathlib.Path
    size : int
        Of the image; divides 1024. Downsampling takes means over areas.
    channel : int, optional
        Angstrom; that of the header when not given.
    correction_table : str, optional
        Response table for aiapy; see `degradation`.
    pointing_table : str, optional
        Master pointing table for level 1; see `dataset_models.SDO.AIA.level_1.register`.

    Returns
    -------
    numpy.ndarray
        float32 (size, size), DN/s as at launch, row 0 northernmost, on the common grid.

    Raises
    ------
    UserError
        As `read_frame`; or no degradation is known for the time of the image.
    """
    pixels, header = fits_files.read(path)
    keywords = Keywords(header, path)
    if channel is None:
        wavelength = keywords.number("WAVELNTH", purpose="channel")
        if wavelength not in CHANNELS:
            raise UserError(f"{path}: expected one of the channels {', '.join(map(str, CHANNELS))}, received {wavelength:g}")
        channel = int(wavelength)
    time, _ = parse_name(path)
    left = degradation(channel, keywords.time().astype("datetime64[s]") if time is None else time, table=correction_table)
    image = _calibrate(pixels, header, channel, path=path, pointing_table=pointing_table) / numpy.float32(left)
    return downsample(image[..., None], size)[..., 0]


def read_legacy(path):
    """Read a legacy array: float32 (1024, 1024, 8), DN/s, row 0 northernmost.

    Notes
    -----
    FlareNet flattened each FITS image in its own row order, so row 0 of the file is the southernmost; it is turned here.
    Its degradation factors drift away from aiapy's after 2014 and are left as they are, as they are not in the file.
    """
    array = arrays.read_array(path, advice="fetch it again")
    count = array.shape[-1] if array.ndim else 0
    if count != len(CHANNELS) and array.ndim in (2, 3):
        raise UserError(f"{path}: expected {len(CHANNELS)} channels, received {count}")
    accepted = [(FULL_SIZE**2, len(CHANNELS)), (FULL_SIZE, FULL_SIZE, len(CHANNELS))]
    if array.shape not in accepted:
        shapes = " or ".join(map(str, accepted))
        raise UserError(f"{path}: expected numbers of shape {shapes}, received {array.dtype} {array.shape}")
    image = array.reshape(FULL_SIZE, FULL_SIZE, len(CHANNELS)).astype("float32", copy=False)
    for index, channel in enumerate(CHANNELS):
        _require_contrast(image[..., index], f"{path}: channel {channel}")
    image = numpy.nan_to_num(image[::-1], nan=0.0, posinf=0.0, neginf=0.0)
    soundness.require_image(image, path, radius=soundness.RADIUS[0] / PLATE_SCALE)
    return image


def read_channel(path, channel, *, pointing_table=None):
    """Read one channel from FITS, divided by its exposure time and registered: float32 (1024, 1024), row 0 northernmost.

    Raises
    ------
    UserError
    """
    return _calibrate(*fits_files.read(path), channel, path=path, pointing_table=pointing_table)


def _calibrate(pixels, header, channel, *, path, pointing_table):
    is_level_1 = level_1.is_level_1(header)
    if is_level_1:
        level_1.require_full_size(pixels, path)
    elif pixels.shape != (FULL_SIZE, FULL_SIZE):
        raise UserError(f"{path}: expected {FULL_SIZE} x {FULL_SIZE} pixels, received {' x '.join(map(str, pixels.shape))}")
    keywords = Keywords(header, path)
    require_usable(keywords, channel)
    soundness.require_pointing(linear_wcs(keywords), pixels.shape, path)
    _require_contrast(pixels, path)
    filled = numpy.where(numpy.isfinite(pixels), pixels, 0).astype("float32")
    if is_level_1:
        filled, header = level_1.register(filled, header, pointing_table=pointing_table, path=path)
    exposure = keywords.number("EXPTIME")
    image = register(filled / numpy.float32(exposure), header, path=path)
    soundness.require_image(image, path, radius=soundness.RADIUS[0] / PLATE_SCALE)
    return image


def require_usable(keywords, channel):
    """Raise a `UserError` unless a header is that of a sound AIA image of a channel, with an exposure time.

    Parameters
    ----------
    keywords : dataset_models.images.headers.Keywords
    channel : int
        Angstrom.
    """
    instrument = keywords.text("INSTRUME") or keywords.text("TELESCOP")
    if instrument and "AIA" not in instrument.upper():
        raise UserError(f"{keywords.path}: expected an image of SDO/AIA, but its header gives {instrument}")
    wavelength = keywords.number("WAVELNTH", purpose="channel")
    if wavelength != channel:
        raise UserError(f"{keywords.path}: expected channel {channel}, but its header gives WAVELNTH = {wavelength:g}")
    exposure = keywords.number("EXPTIME", purpose="exposure time")
    if exposure <= 0:
        raise UserError(f"{keywords.path}: has no exposure time (EXPTIME = {exposure:g})")
    soundness.require_exposure(exposure, keywords.path)
    damage = quality.damage(keywords.bits("QUALITY"), "AIA")
    if damage:
        raise UserError(f"{keywords.path}: rejected by its QUALITY: {', '.join(damage)}")


def _require_contrast(pixels, name):
    finite = numpy.isfinite(pixels)
    if not finite.any():
        raise UserError(f"{name}: has no valid pixel")
    if 1 - finite.mean() > _MAXIMUM_MISSING:
        raise UserError(
            f"{name}: {100 * (1 - finite.mean()):.1f}% of its pixels are missing (at most {100 * _MAXIMUM_MISSING:.0f}%)"
        )
    first = pixels[finite][0] if not finite.all() else pixels.flat[0]
    if numpy.all(pixels[finite] == first):
        raise UserError(f"{name}: is constant ({first:g} everywhere)")


def register(pixels, header, *, path="image"):
    """Put an image on the common grid: disk centre in the centre, north up, 2.4 arcsec per pixel, by its WCS.

    Parameters
    ----------
    pixels : numpy.ndarray
        float32 (n, n) in FITS order, row 0 southernmost, 2.4 arcsec per pixel or finer.
    header : mapping
        CRPIXn, CDELTn, CRVALn, CUNITn and CROTA2 or PCi_j, helioprojective.
    path : str, optional
        Named in errors.

    Returns
    -------
    numpy.ndarray
        float32 (1024, 1024), row 0 northernmost.

    Notes
    -----
    Linear interpolation (`scipy.ndimage.affine_transform`, order 1), zero outside; it keeps intensities per pixel, not
    their sum. Frames that are on the grid to 1/20 of a pixel everywhere, as level 1.5 is, are not interpolated. Images
    with several pixels to one of the grid are put on as much finer a grid, and averaged.
    """
    from scipy import ndimage

    wcs = linear_wcs(Keywords(header, path))
    finer = max(1, round(PLATE_SCALE / wcs.scale))
    if finer > _FINEST:
        raise UserError(f"{path}: its header gives {wcs.scale:.2g} arcsec per pixel, finer than any AIA image")
    size = FULL_SIZE * finer
    last = size - 1
    matrix, offset = wcs.sampling(size, PLATE_SCALE / finer)
    corners = numpy.array([(0, 0), (0, last), (last, 0), (last, last)])
    turned = corners * (-1, 1) + (last, 0)  # rows from the south, and nothing else to do
    if pixels.shape == (size, size) and numpy.abs(corners @ matrix.T + offset - turned).max() <= 0.05:
        registered = pixels[::-1]
    else:
        registered = ndimage.affine_transform(pixels, matrix, offset, (size, size), order=1, output=numpy.float32)
    return downsample(registered[..., None], FULL_SIZE)[..., 0]


def downsample(image, size):
    """Average over areas: (n, n, channel) -> float32 (size, size, channel); size divides n."""
    if size == image.shape[0]:
        return numpy.ascontiguousarray(image, "float32")
    block = image.shape[0] // size
    return image.reshape(size, block, size, block, -1).mean(axis=(1, 3), dtype="float64").astype("float32")


def grid_header(size, time, *, observer):
    """Make the FITS header of an image on the common grid.

    Parameters
    ----------
    size : int
    time : datetime64[s]
    observer : mapping
        Keywords of where SDO was: DSUN_OBS (m), HGLN_OBS, HGLT_OBS (degrees).

    Returns
    -------
    astropy.io.fits.Header
        Of the array in FITS order, ``image[::-1]``.
    """
    from astropy.io import fits

    scale = FRAME / size
    header = fits.Header()
    header["DATE-OBS"] = str(numpy.datetime64(time, "s"))
    header["TELESCOP"] = "SDO/AIA"  # without INSTRUME, from which sunpy would conclude that it is one channel
    header["BUNIT"] = "DN / s"
    for axis, kind in ((1, "HPLN-TAN"), (2, "HPLT-TAN")):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "arcsec"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = (size + 1) / 2, 0.0, scale
    header["RSUN_REF"] = SOLAR_RADIUS
    for keyword in ("DSUN_OBS", "HGLN_OBS", "HGLT_OBS"):
        header[keyword] = float(observer[keyword])
    return header
