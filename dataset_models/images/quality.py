"""QUALITY words of SDO's images: what each bit means, and which make an image unusable."""

# AIA: as level-1 processing at JSOC sets them (its source file quallev1.h).
AIA_BITS = {
    0: "no flat field",
    1: "no orbit data",
    2: "no ancillary science data",
    3: "no master pointing",
    4: "limb fit failed",
    8: "pixels missing",
    9: "more than 1% of pixels missing",
    10: "more than 5% of pixels missing",
    11: "more than 25% of pixels missing",
    12: "spacecraft not in science mode",
    13: "eclipse",
    14: "no sun presence",
    15: "spacecraft in safe mode",
    16: "dark image",
    17: "image stabilisation loop open",
    18: "calibration image",
    19: "calibration mode",
    20: "out of focus",
    21: "not registered",
    30: "near real time",
    31: "no image",
}
# Not damaging: missing orbit or ancillary records and the limb fit do not touch the pixels, less than 1% of pixels
# missing is filled, and near-real-time frames differ from the final ones by calibration files alone.
AIA_DAMAGING = frozenset(AIA_BITS) - {1, 2, 4, 8, 30}

# HMI: of the line-of-sight observables (JSOC's doc/data/hmi/Quality_Bits/QUALITY.txt, and HMI_observables.c of its pipeline).
HMI_BITS = {
    5: "poor quality (eclipse, lunar transit, thermal recovery or open stabilisation loop)",
    6: "noise of the target filtergram's sequence",
    7: "no polynomial coefficients",
    8: "eclipse",
    9: "eclipse",  # of later processing: no keywords of the polynomial coefficients, and no observable
    10: "no cosmic-ray hits listed",
    11: "filtergrams left out by their limb fit",
    12: "filtergrams not filled",
    13: "default temperature",
    14: "image stabilisation loop open",
    15: "keywords not interpolated",
    16: "fewer filtergrams than planned",
    17: "too few level-1p filtergrams",
    18: "interpolation in time failed",
    19: "too few filtergrams to interpolate",
    20: "no keywords of the look-up tables",
    21: "no look-up tables",
    22: "no keywords of level-1p filtergrams",
    23: "wrong number of wavelengths",
    24: "no keywords of level-1d filtergrams",
    25: "too few level-1d filtergrams",
    26: "filtergram of another sequence",
    27: "wrong cadence",
    28: "unknown sequence of filtergrams",
    29: "keywords cannot be interpolated",
    30: "target filtergram missing",
    31: "no observable",
}
# From bit 17 on, and at 7, no observable was made. Bits 6, 10 to 13, 15 and 16 are of images made with slightly more noise:
# near-real-time ones (and so all of Helioviewer's) lack cosmic-ray hits, 10, and twice a day calibration takes filtergrams, 16.
HMI_DAMAGING = frozenset(HMI_BITS) - {6, 10, 11, 12, 13, 15, 16}

_INSTRUMENTS = {"AIA": (AIA_BITS, AIA_DAMAGING), "HMI": (HMI_BITS, HMI_DAMAGING)}


def damage(word, instrument):
    """List the damaging conditions that a QUALITY word names.

    Parameters
    ----------
    word : int
        Signed or not.
    instrument : str
        ``"AIA"`` or ``"HMI"``.

    Returns
    -------
    list of str
        Empty for an image that can be used.

    Examples
    --------
    >>> damage(0x40000000, "AIA"), damage(0x00000400, "HMI"), damage(-2147483648, "HMI")
    ([], [], ['no observable'])
    """
    bits, damaging = _INSTRUMENTS[instrument]
    return list(dict.fromkeys(bits[bit] for bit in sorted(damaging) if int(word) >> bit & 1))
