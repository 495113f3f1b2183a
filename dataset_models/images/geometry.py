"""Where an image lies on the sky: its linear WCS and the Sun's radius, from header cards as archives write them."""

import typing

import numpy

from tools.errors import UserError

SOLAR_RADIUS = 6.957e8  # m, of the photosphere: the nominal value of IAU 2015 Resolution B3, which sunpy takes too
FRAME = 2457.6  # arcsec across a full-disk image of SDO: 4096 pixels of 0.6, or 1024 of 2.4

_DEGREE, _RADIAN = 3600.0, 206_264.806
_ARCSEC = {"arcsec": 1.0, "arcmin": 60.0, "deg": _DEGREE, "degree": _DEGREE, "degrees": _DEGREE, "rad": _RADIAN}
_HELIOPROJECTIVE = ("HPLN", "HPLT", "SOLARX", "SOLARY", "SOLAR-X", "SOLAR-Y", "SOLAR_X", "SOLAR_Y")
_POINTING = "pointing"
_SIZE = "how large the Sun is"


def rotation_rate(latitude):
    """Compute the synodic rotation of magnetic features at a latitude (degrees): degrees per day, after Snodgrass (1983)."""
    sine = numpy.sin(numpy.radians(latitude))
    return 14.366 - 2.297 * sine**2 - 1.624 * sine**4 - 0.9856


class LinearWcs(typing.NamedTuple):
    """arcsec = matrix @ (pixel - reference) + value, each (x, y), pixels counted from 0, rows from the south.

    Attributes
    ----------
    matrix : numpy.ndarray
        (2, 2), arcsec per pixel.
    reference, value : numpy.ndarray
        (2,), pixel and its helioprojective arcsec west and north.
    """

    matrix: numpy.ndarray
    reference: numpy.ndarray
    value: numpy.ndarray

    @property
    def scale(self):
        """Arcsec per pixel, the geometric mean over both axes: float."""
        return float(numpy.sqrt(abs(numpy.linalg.det(self.matrix))))

    def sampling(self, size, step):
        """Find where the pixels of a north-up image centred on the Sun lie in this one.

        Parameters
        ----------
        size : int
            Pixels of the new image on a side, row 0 north.
        step : float
            Arcsec per pixel of it.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            Matrix (2, 2) and offset (2,) for `scipy.ndimage.affine_transform`, which counts (row, column).
        """
        inverse = numpy.linalg.inv(self.matrix)
        per_pixel = step * inverse @ numpy.array([[0.0, 1.0], [-1.0, 0.0]])  # (x, y) here per (row, column) there
        middle = (size - 1) / 2
        centre = self.reference - inverse @ self.value
        offset = centre - per_pixel @ (middle, middle)
        return per_pixel[::-1], offset[::-1]


def linear_wcs(keywords):
    """Read the linear part of a helioprojective WCS (Greisen & Calabretta 2002, Thompson 2006).

    Parameters
    ----------
    keywords : dataset_models.images.headers.Keywords
        CRPIXn, and CDELTn with PCi_j or CROTA2, or CDi_j; CRVALn and CUNITn where they are not 0 and arcsec.

    Returns
    -------
    LinearWcs

    Raises
    ------
    UserError
        A card that is needed is missing or no finite number, the coordinates are of another kind, or cannot be inverted.
    """
    units = []
    for axis in "12":
        kind, unit = keywords.text("CTYPE" + axis), keywords.text("CUNIT" + axis).lower()
        if kind and not kind.upper().startswith(_HELIOPROJECTIVE):
            raise UserError(
                f"{keywords.path}: expected a full-disk image in helioprojective coordinates, received CTYPE{axis} = {kind}"
            )
        if unit and unit not in _ARCSEC:
            raise keywords.refusal("CUNIT" + axis, _POINTING)
        units.append(_ARCSEC[unit or "arcsec"])
    units = numpy.array(units)

    def pair(name, *default):
        return numpy.array([keywords.number(f"{name}{axis}", *default, purpose=_POINTING) for axis in "12"])

    def square(name, defaults):
        return numpy.array(
            [[keywords.number(f"{name}{i}_{j}", defaults[i == j], purpose=_POINTING) for j in (1, 2)] for i in (1, 2)]
        )

    has = {name: any(f"{name}{i}_{j}" in keywords for i in (1, 2) for j in (1, 2)) for name in ("CD", "PC")}
    if has["CD"] and not has["PC"]:
        matrix = square("CD", (0.0, 0.0)) * units[:, None]
    else:
        scale = pair("CDELT") * units
        if not scale.all():
            raise keywords.refusal("CDELT1" if not scale[0] else "CDELT2", _POINTING)
        if has["PC"]:
            turn = square("PC", (0.0, 1.0))
        else:
            angle, ratio = numpy.radians(keywords.number("CROTA2", 0.0, purpose=_POINTING)), scale[1] / scale[0]
            turn = numpy.array([[numpy.cos(angle), -numpy.sin(angle) * ratio], [numpy.sin(angle) / ratio, numpy.cos(angle)]])
        matrix = scale[:, None] * turn
    if not numpy.isfinite(matrix).all() or abs(numpy.linalg.det(matrix)) < 1e-12:
        raise keywords.refusal("CD1_1" if has["CD"] and not has["PC"] else "PC1_1" if has["PC"] else "CDELT1", _POINTING)
    return LinearWcs(matrix, pair("CRPIX") - 1, pair("CRVAL", 0.0) * units)


def solar_radius(keywords, wcs):
    """Find the angular radius of the Sun in an image: arcsec.

    Parameters
    ----------
    keywords : dataset_models.images.headers.Keywords
    wcs : LinearWcs

    Returns
    -------
    float
        RSUN_OBS or RSUN_ARC (arcsec), from RSUN_REF and DSUN_OBS (m), R_SUN (pixels), or as seen from the Earth at the
        time of the observation: the first that the header gives.

    Raises
    ------
    UserError
        It gives none.
    """
    stated = {card: keywords.described(card) or 0.0 for card in ("RSUN_OBS", "RSUN_ARC", "DSUN_OBS", "RSUN_REF", "R_SUN")}
    for card in ("RSUN_OBS", "RSUN_ARC"):
        if stated[card] > 0:
            return stated[card]
    reference = stated["RSUN_REF"] if stated["RSUN_REF"] > 0 else SOLAR_RADIUS
    if stated["DSUN_OBS"] > reference:
        return float(numpy.degrees(numpy.arcsin(reference / stated["DSUN_OBS"])) * 3600)
    if stated["R_SUN"] > 0:
        return stated["R_SUN"] * wcs.scale
    try:
        time = keywords.time()
    except UserError as error:
        raise keywords.refusal("RSUN_OBS", _SIZE) from error
    from astropy.utils import iers
    from sunpy.coordinates import sun

    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        return float(sun.angular_radius(str(time)).to_value("arcsec"))
