"""Header of an image of the whole Sun as it is seen from the Earth, for pictures that bring none."""


def header(time, size, *, frame, telescope, instrument):
    """Make the FITS header of an image centred on the Sun, north up, seen from the Earth.

    Parameters
    ----------
    time : datetime64
        UTC.
    size : int
        Pixels along each axis.
    frame : float
        Arcseconds across the image.
    telescope, instrument : str
        For the cards TELESCOP and INSTRUME.

    Returns
    -------
    astropy.io.fits.Header
        With the radius of the Sun and the tilt of its axis at the time, from sunpy.
    """
    import astropy.units as u
    from astropy.io import fits
    from astropy.utils import iers
    from sunpy.coordinates import sun

    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        text = str(time)
        tilt, distance, radius = sun.B0(text), sun.earth_distance(text), sun.angular_radius(text)
    made = fits.Header()
    for axis, name in ((1, "HPLN-TAN"), (2, "HPLT-TAN")):
        made[f"CTYPE{axis}"], made[f"CUNIT{axis}"] = name, "arcsec"
        made[f"CRPIX{axis}"], made[f"CRVAL{axis}"], made[f"CDELT{axis}"] = (size + 1) / 2, 0.0, frame / size
    made["DATE-OBS"] = text
    made["HGLN_OBS"], made["HGLT_OBS"] = 0.0, tilt.to_value(u.deg)
    made["DSUN_OBS"], made["RSUN_OBS"] = distance.to_value(u.m), radius.to_value(u.arcsec)
    made["TELESCOP"], made["INSTRUME"] = telescope, instrument
    return made
