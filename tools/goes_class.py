"""GOES flare class <-> peak flux in the 1-8 Angstrom band, exactly.

A class is a letter for the decade (A 1e-8, B 1e-7, C 1e-6, M 1e-5, X 1e-4 W m^-2) and a multiplier: M2.5 is
2.5e-5 W m^-2. Only X goes on beyond 9.9: X10 is 1e-3 W m^-2. Before 2020 classes were given on the operational
scale of the satellites of the time; see :mod:`dataset_models.goes_xrs`.
"""

import decimal
import math
import re

DECADES = {"A": -8, "B": -7, "C": -6, "M": -5, "X": -4}
CLASSES = ("C1.0", "M1.0", "M5.0", "X1.0")  # from which on flares are forecast
MAGNITUDES = (0.0, 1.0, math.log10(50), 2.0)  # log10 of the peak flux of `CLASSES` over that of C1.0

_CLASS = re.compile(r"([ABCMX])\s*(\d+(?:\.\d*)?|\.\d+)", re.IGNORECASE)


def to_flux(goes_class):
    """Convert a GOES class to its peak flux.

    Parameters
    ----------
    goes_class : str
        For example ``"C3.9"``, ``"X10"``, ``"m1"``.

    Returns
    -------
    float
        W m^-2, the double nearest to the decimal value.

    Raises
    ------
    ValueError
        When the text is not a GOES class, or its multiplier is zero.

    Examples
    --------
    >>> to_flux("M2.5"), to_flux("X10")
    (2.5e-05, 0.001)
    """
    match = _CLASS.fullmatch(str(goes_class).strip())
    if match is None or float(match[2]) == 0:
        raise ValueError(f"not a GOES class: {goes_class!r} (expected a letter A, B, C, M or X and a number, as in M2.5)")
    return float(f"{match[2]}e{DECADES[match[1].upper()]}")


def from_flux(flux):
    """Convert a flux to its GOES class, the multiplier cut (not rounded) to one decimal as NOAA does.

    Parameters
    ----------
    flux : float
        W m^-2, positive. Below A1.0 the multiplier falls below 1.

    Returns
    -------
    str
        For example ``"M2.5"``; fluxes from 1e-3 W m^-2 on give ``"X10.0"`` and more.

    Raises
    ------
    ValueError
        When the flux is not positive and finite.

    Examples
    --------
    >>> from_flux(2.59e-5), from_flux(1e-3)
    ('M2.5', 'X10.0')
    """
    flux = float(flux)
    if not (math.isfinite(flux) and flux > 0):
        raise ValueError(f"not a flux: {flux} (expected a positive number of W m^-2)")
    exact = decimal.Decimal(repr(flux))
    letter = next((name for name in "XMCB" if exact >= decimal.Decimal(1).scaleb(DECADES[name])), "A")
    multiplier = exact.scaleb(-DECADES[letter]).quantize(decimal.Decimal("0.1"), rounding=decimal.ROUND_DOWN)
    return f"{letter}{multiplier}"
