"""AIA level 1 -> level 1.5, by aiapy: pointing from the master pointing table where one is given, registration."""

import functools
import pathlib
import warnings

from tools.errors import UserError

SIZE = 4096  # pixels on a side; 0.6 arcsec each once registered


def is_level_1(header):
    """Check whether a FITS header is that of a level 1 image: not registered yet."""
    try:
        return float(header.get("LVL_NUM", 1.5)) < 1.5
    except (TypeError, ValueError):
        return False


def require_full_size(pixels, path):
    """Raise a `UserError` unless an image has the pixels of a full-disk one, not of a cut-out."""
    if pixels.shape != (SIZE, SIZE):
        shape = " x ".join(map(str, pixels.shape))
        raise UserError(f"{path}: expected a level 1 image of {SIZE} x {SIZE} pixels, received {shape}")


def register(pixels, header, *, pointing_table=None, path="image"):
    """Point and register a full-disk level 1 image.

    Parameters
    ----------
    pixels : numpy.ndarray
        float32 (4096, 4096) in FITS order, finite.
    header : astropy.io.fits.Header
    pointing_table : str or pathlib.Path, optional
        A master pointing table: what aiapy's `get_pointing_table` returns, written as ECSV. Without it the pointing in the
        header stands, which for data older than a week is the final one.
    path : str, optional
        Named in errors.

    Returns
    -------
    (numpy.ndarray, mapping)
        float32 (n, n) in FITS order, 0.6 arcsec per pixel, north up, and its FITS keywords.

    Raises
    ------
    UserError
        Not a full-resolution full-disk image, no usable pointing, or none in the table for its time.

    Notes
    -----
    `aiapy.calibrate.update_pointing` and `aiapy.calibrate.register` (Barnes et al. 2020): a cubic spline, zero outside.
    """
    require_full_size(pixels, path)
    import sunpy.map
    from aiapy.calibrate import register as register_level_1
    from aiapy.calibrate import update_pointing

    table = None if pointing_table is None else _pointing_table(str(pointing_table))
    cards = header.copy()
    cards.pop("BLANK", None)  # of the integers that the file holds; here they are floats
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of level 1 hold keywords that astropy repairs, and a missing pointing entry
        try:
            image = sunpy.map.Map(pixels, cards)
            if table is not None:
                # aiapy 0.11 moves CRPIX by how the table differs from these, and leaves it alone where they are missing.
                image.meta["X0_MP"], image.meta["Y0_MP"] = image.meta["CRPIX1"] - 1, image.meta["CRPIX2"] - 1
                image = update_pointing(image, pointing_table=table)
            registered = register_level_1(image, missing=0.0)
        except IndexError as error:
            raise UserError(f"{pointing_table}: has no pointing for the time of {path}; fetch one that spans it") from error
        except Exception as error:  # sunpy, aiapy and astropy raise many kinds for headers that lack something
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise UserError(f"{path}: cannot be registered ({reason})") from error
    return registered.data, registered.fits_header


@functools.lru_cache(maxsize=4)
def _pointing_table(path):
    from astropy.table import QTable
    from astropy.time import Time

    try:
        table = QTable.read(pathlib.Path(path), format="ascii.ecsv")
        for name in ("T_START", "T_STOP"):
            if not isinstance(table[name], Time):
                table[name] = Time(table[name], scale="utc")
    except Exception as error:  # astropy's table readers raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise UserError(f"{path}: cannot be read as a pointing table ({reason}); write aiapy's as ECSV") from error
    return table
