"""Small JPEG 2000 files with what Helioviewer's have: an XML box with the FITS header, wavelet levels, 8-bit grey."""

import io
import struct

import numpy
from PIL import Image

SCALE = 4.8  # arcsec per pixel of a 512-pixel image
SPOT = (305.5, -421.3)  # arcsec west and north of disk centre


def header(size, *, time="2022-08-02T10:47:53.000", **changes):
    """FITS keywords of a full-disk magnetogram of `size` pixels, slightly off centre."""
    cards = {
        "SIMPLE": "T",
        "DATE-OBS": time,
        "TELESCOP": "SDO",
        "INSTRUME": "HMI_FRONT2",
        "CONTENT": "MAGNETOGRAM",
        "WAVELNTH": "6173.00",
        "CTYPE1": "HPLN-TAN",
        "CTYPE2": "HPLT-TAN",
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        "CRVAL1": "0.00000",
        "CRVAL2": "0.00000",
        "CRPIX1": f"{size / 2 + 0.5 + 3.3}",
        "CRPIX2": f"{size / 2 + 0.5 - 1.7}",
        "CDELT1": f"{SCALE * 512 / size}",
        "CDELT2": f"{SCALE * 512 / size}",
        "CROTA2": "0.00000",
        "RSUN_OBS": "945.4",
        "DSUN_OBS": "1.5184889e+11",
        "CRLT_OBS": "5.9",
        "CRLN_OBS": "120.5",
    }
    return cards | changes


def spotted(size, cards):
    """A grey disk with one bright Gaussian spot at `SPOT`: uint8 (size, size), row 0 north."""
    scale = float(cards["CDELT1"])
    column, row = numpy.arange(size), numpy.arange(size)[:, None]
    x = (column + 1 - float(cards["CRPIX1"])) * scale
    y = (size - row - float(cards["CRPIX2"])) * scale
    grey = 20 + 230 * numpy.exp(-((x - SPOT[0]) ** 2 + (y - SPOT[1]) ** 2) / (2 * 60.0**2))
    return numpy.rint(grey).astype("uint8")


def encode(grey, cards, *, levels=5):
    """The content of a .jp2 file; `cards` None leaves the XML box out."""
    stream = io.BytesIO()
    Image.fromarray(grey).save(
        stream, "JPEG2000", num_resolutions=levels + 1, irreversible=True, quality_mode="rates", quality_layers=[2]
    )
    content = stream.getvalue()
    if cards is None:
        return content
    entries = "".join(f"<{key}>{value}</{key}>" for key, value in cards.items())
    xml = f'<?xml version="1.0" encoding="utf-8"?><meta><fits>{entries}</fits><helioviewer/></meta>'.encode()
    place = content.index(b"jp2c") - 4
    return content[:place] + struct.pack(">I4s", 8 + len(xml), b"xml ") + xml + content[place:]


def write(path, size=256, *, levels=5, grey=None, **changes):
    """Write a file; returns its path."""
    cards = header(size, **changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(spotted(size, cards) if grey is None else grey, cards, levels=levels))
    return path


def centroid(image):
    """(column, row) of the bright spot; weighted by squares, so that neither noise nor a threshold moves it."""
    weight = (image.astype("float64") - numpy.median(image)) ** 2
    rows, columns = numpy.indices(image.shape)
    return (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()


def expected(wcs, size):
    """(column, row) where FITS keywords put the spot, row 0 at the top."""
    column = SPOT[0] / wcs["CDELT1"] + wcs["CRPIX1"] - 1
    return column, size - (SPOT[1] / wcs["CDELT2"] + wcs["CRPIX2"])
