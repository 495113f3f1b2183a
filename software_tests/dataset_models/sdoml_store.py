"""Writes small stores in the layout of SDO-ML v2, as its own programs write the archive, of images that are no Sun's."""

import numcodecs
import numpy
import zarr

SIZE = 32


def frames(count, *, seed=0, size=SIZE):
    """Images with a mark in the south-west, each of a level of its own: float32 (count, size, size) in FITS order."""
    random = numpy.random.default_rng(seed)
    pixels = random.uniform(1, 2, (count, size, size)) + 10.0 * numpy.arange(count)[:, None, None]
    pixels[:, : size // 8, : size // 8] += 1000
    return pixels.astype("float32")


def add_array(path, name, times, pixels, *, chunk=15, spatial=None, drop=(), **attributes):
    """Write an array and its attributes, as lists with an entry per image; `drop` leaves some out.

    AIA's times are written in UTC with a fraction and Z, HMI's in TAI, both as in the archive.
    """
    size = pixels.shape[1]
    is_hmi = name.startswith("B")
    root = zarr.open_group(path, mode="a", zarr_format=2)
    group = root.require_group(str(times[0])[:4])
    blosc = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.BITSHUFFLE)
    chunks = (chunk, spatial or size, spatial or size)
    array = group.create_array(name, shape=pixels.shape, chunks=chunks, dtype="f4", compressors=blosc)
    array[:] = pixels
    radius = 950.0
    words = {
        "T_OBS": [_tai(time) if is_hmi else f"{time}.07Z" for time in times],
        "QUALITY": [0] * len(times),
        "RSUN_OBS": [radius] * len(times),
        "CDELT1": [4.8 * 512 / size * radius / 976] * len(times),
        "NAXIS1": [float(size)] * len(times),
        "CRPIX1": [(size + 0.5) / 2] * len(times),
        "PIXLUNIT": ["Gauss" if is_hmi else "DN/s"] * len(times),
    }
    words |= {} if is_hmi else {"DEG_COR": [0.9] * len(times)}
    array.update_attributes({key: value for key, value in (words | attributes).items() if key not in drop})


def _tai(time):
    seconds = 34 if time < numpy.datetime64("2012-07-01") else 35
    return f"{time + numpy.timedelta64(seconds, 's')}_TAI".replace("-", ".").replace("T", "_", 1).replace("_AI", "_TAI")
