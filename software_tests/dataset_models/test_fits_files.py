"""FITS files of archives are whole by their own bytes; a flipped bit and a missing end are found."""

import gzip

import numpy
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models.images import fits_files
from dataset_models.images.headers import Keywords
from tools.errors import UserError

GENUINE = {
    "aia_synoptic_lev1.5_94_2014-06-06.fits": (1024, 1024),
    "hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits": (377, 744),
    "hmi.sharp_cea_720s.13171.20250504_150000_TAI.magnetogram.fits": (518, 993),
    "aia.lev1_euv_12s.2012-07-19T073001Z.171.image.fits": (501, 371),
    "aia_171_cutout.fits": (705, 769),
    "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits": (1024, 1024),
    "swap_lv1_20110607_063329.fits": (1024, 1024),
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_files_are_intact(shared, name):
    pixels, header = fits_files.read(shared / "fits" / name)
    assert pixels.shape == GENUINE[name]
    assert pixels.dtype == numpy.float32
    assert header["NAXIS1"] == GENUINE[name][1]
    assert numpy.nanstd(pixels) > 0


def test_pixels_and_cards_of_the_genuine_synoptic_frame(shared):
    path = shared / "fits" / "aia_synoptic_lev1.5_94_2014-06-06.fits"
    pixels, header = fits_files.read(path)
    assert (pixels.min(), pixels.max()) == (-4.25, 171.6875)
    keywords = Keywords(header, path)
    assert keywords.number("EXPTIME") == 2.902057
    assert keywords.described("OSCNMEAN") is None
    assert keywords.time() == numpy.datetime64("2014-06-06T00:00:01.120")


def test_blank_pixels_are_nan(shared):
    pixels, _ = fits_files.read(shared / "fits" / "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits")
    assert numpy.isnan(pixels[0]).all()
    assert numpy.isnan(pixels).mean() == pytest.approx(0.287, abs=0.001)


@pytest.mark.parametrize(
    "name", ["aia_synoptic_lev1.5_94_2014-06-06.fits", "hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits"]
)
@pytest.mark.parametrize("part", ["data", "header"])
def test_a_flipped_bit_in_a_genuine_file_is_found(shared, tmp_path, name, part):
    content = bytearray((shared / "fits" / name).read_bytes())
    place = content.index(b"DSUN_OBS= ") + 12 if part == "header" else len(content) // 2
    content[place] ^= 4
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match="its checksum is wrong; fetch it again") as caught:
        fits_files.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_end_is_found_plain_and_compressed(shared, tmp_path):
    content = (shared / "fits" / "aia_synoptic_lev1.5_94_2014-06-06.fits").read_bytes()
    path, packed = tmp_path / "short.fits", tmp_path / "short.fits.gz"
    for missing in (1, 2880, len(content) // 2):
        path.write_bytes(content[:-missing])
        with pytest.raises(UserError, match="is truncated; fetch it again"):
            fits_files.read(path)
    packed.write_bytes(gzip.compress(content))
    assert fits_files.read(packed)[0].shape == (1024, 1024)
    packed.write_bytes(gzip.compress(content)[:-100])
    with pytest.raises(UserError, match="is truncated"):
        fits_files.read(packed)


def write(path, pixels, **cards):
    fits.HDUList([fits.PrimaryHDU(pixels, fits.Header(cards))]).writeto(path, checksum=True, overwrite=True)
    return path


def test_blank_sums_are_not_stated_and_wrong_ones_are_refused(tmp_path):
    path = write(tmp_path / "a.fits", numpy.arange(12, dtype="int16").reshape(3, 4))
    content = path.read_bytes()
    card = content.index(b"CHECKSUM= '") + 11
    path.write_bytes(content[:card] + b" " * 16 + content[card + 16 :])
    assert fits_files.read(path)[0][2, 3] == 11
    for name in (b"CHECKSUM= '", b"DATASUM = '"):
        place = content.index(name) + 11
        path.write_bytes(content[:place] + b"7" + content[place + 1 :])
        with pytest.raises(UserError, match="checksum is wrong"):
            fits_files.read(path)


def test_what_is_no_image_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.fits"
    for content, message in (
        (b"", "cannot be read as FITS"),
        (b"<html>not found</html>", "cannot be read as FITS"),
        (write(path, None).read_bytes(), "holds no image"),
        (write(path, numpy.zeros((2, 3, 4))).read_bytes(), "expected an image of 2 axes, received 4 x 3 x 2"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as caught:
            fits_files.read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such file"):
        fits_files.read(tmp_path / "none.fits")


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_sums_carry_around(content):
    words = [int.from_bytes((content[begin : begin + 4] + bytes(4))[:4], "big") for begin in range(0, len(content), 4)]
    total = fits_files.ones_complement_sum(content)
    assert total % 0xFFFFFFFF == sum(words) % 0xFFFFFFFF
    assert (total == 0) == (sum(words) == 0)
