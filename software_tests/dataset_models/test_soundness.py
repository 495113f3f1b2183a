"""What comes out of the readers of images: finite, with a disk, and nothing larger than a file can hold is made room for."""

import math

import numpy
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataset_models.images import fits_files, image_cache, picture_files, soundness
from dataset_models.images.geometry import LinearWcs, linear_wcs
from dataset_models.images.headers import Keywords
from dataset_models.SDO.AIA import aia_files, aia_images
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.simulated import archive
from tools.errors import UserError
from tools.reading import arrays

TIME = numpy.datetime64("2014-06-17T21:36:00", "s")
SHAPE = (1024, 1024)


@pytest.fixture(scope="module")
def aia(tmp_path_factory):
    """Pixels and header of one AIA file that the project writes."""
    row, column = numpy.mgrid[:1024, :1024] - 511.5
    image = 100 * (numpy.hypot(row, column) < 400) + numpy.random.default_rng(0).gamma(2, 5, SHAPE)
    paths = archive.write_aia_fits(tmp_path_factory.mktemp("aia"), numpy.repeat(image[..., None], 8, -1), TIME)
    pixels, header = fits_files.read(paths[2])
    return pixels, header, paths[2].name


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CRPIX1": 4000.0}, "the disk's centre at column 4000"),
        ({"CRPIX2": -1e6}, "the disk's centre at column 512.5, row -1e.06"),
        ({"CRVAL1": 900.0}, "the disk's centre"),
        ({"CDELT1": -2.4}, "a mirrored image"),
        ({"CDELT1": 4.8}, "square ones"),
        ({"CDELT1": 24.0, "CDELT2": 24.0}, "a disk 75 pixels wide"),
        ({"CDELT1": 0.24, "CDELT2": 0.24}, "a disk 7500 pixels wide"),
        ({"EXPTIME": 1e30}, "an exposure of 1e.30 s"),
        ({"EXPTIME": 1e-30}, "an exposure of 1e-30 s"),
    ],
)
def test_possible_headers_of_impossible_images_are_refused(aia, tmp_path, cards, message):
    pixels, header, name = aia
    changed = header.copy()
    changed.update(cards)
    fits.PrimaryHDU(pixels, changed).writeto(tmp_path / name, output_verify="silentfix")
    with pytest.raises(UserError, match=message) as caught:
        aia_images.prepare(tmp_path / name, size=64)
    assert str(tmp_path / name) in str(caught.value)


def test_the_file_itself_is_an_image(aia, tmp_path):
    pixels, header, name = aia
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / name, output_verify="silentfix")
    assert numpy.isfinite(aia_images.prepare(tmp_path / name, size=64)).all()


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0.1, 10), st.floats(0, 2 * math.pi))
def test_a_pointing_passes_where_the_disk_is_inside(column, row, scale, angle):
    turn = numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    wcs = LinearWcs(scale * turn, numpy.array([column, row]), numpy.zeros(2))
    radius = 960 / scale
    inside = all(radius - 1.5 <= place <= 1023 - radius + 1.5 for place in (column, row)) and radius >= 128
    outside = any(place < radius - 3 or place > 1026 - radius for place in (column, row)) or radius < 127
    try:
        soundness.require_pointing(wcs, SHAPE, "x", radius=960)
    except UserError:
        assert not (inside and all(radius - 1 <= place <= 1024 - radius for place in (column, row)))
    else:
        assert not outside


def test_genuine_pointings_are_plausible(shared):
    for name in ("aia_synoptic_lev1.5_94_2014-06-06.fits", "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits"):
        pixels, header = fits_files.read(shared / "fits" / name)
        soundness.require_pointing(linear_wcs(Keywords(header, name)), pixels.shape, name)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"NAXIS1": 10**9, "NAXIS2": 10**9}, "is truncated"),
        ({"NAXIS": 10**6}, "announces what no file can hold .NAXIS"),
        ({"NAXIS1": "1E9"}, "announces what no file can hold .NAXIS1"),
        ({"NAXIS1": -5}, "announces what no file can hold .NAXIS1"),
        ({"TFIELDS": 999_999_999}, "announces what no file can hold .TFIELDS"),
        ({"ZNAXIS1": 10**9}, "pixels, expected 1 to"),
        ({"ZTILE1": 10**9}, "pixels, expected 1 to"),
    ],
)
def test_sizes_are_looked_at_before_room_is_made(tmp_path, cards, message):
    path = tmp_path / "x.fits"
    image = fits.CompImageHDU(numpy.arange(4096, dtype="int16").reshape(64, 64), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    content = bytearray(path.read_bytes())
    place = {name: content.index(f"{name:8}=".encode(), 2880) for name in cards}
    for name, value in cards.items():
        content[place[name] : place[name] + 30] = f"{name:8}= {value:>20}".encode()
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        fits_files.read(path)


def test_bytes_inserted_into_arrays_or_appended_are_refused(tmp_path):
    path, values = tmp_path / "x.npy", numpy.arange(24, dtype="float32").reshape(4, 6)
    numpy.save(path, values)
    numpy.testing.assert_array_equal(arrays.read_array(path), values)
    content = path.read_bytes()
    for changed in (content + b"\0", content[:200] + b"\0" + content[200:], content[:-1], content[:-4]):
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"x.npy: is (truncated|longer than its header says)"):
            arrays.read_array(path)
        with pytest.raises(UserError, match=r"x.npy: is (truncated|longer than its header says|damaged)"):
            image_cache.read_aligned(path, (4, 6))
    numpy.savez(tmp_path / "x.npz", values)
    path.write_bytes((tmp_path / "x.npz").read_bytes())
    with pytest.raises(UserError, match="is no array saved by numpy"):
        arrays.read_array(path)


def test_pictures_announce_no_more_than_they_may(tmp_path):
    path = tmp_path / "HMI.m2014.06.17_21.36.00.jpg"
    Image.new("L", (8000, 5000)).save(path)
    for read in (lambda: magnetogram_images.read(path, size=64), lambda: magnetogram_images.source_size(path)):
        with pytest.raises(UserError, match="announces 8000 x 5000 pixels"):
            read()
    with pytest.raises(UserError, match="expected 1 to"):
        picture_files.require_modest("x", 0, 5)
    Image.new("L", (8, 8)).save(path, "GIF")
    with pytest.raises(UserError, match="cannot be read"):
        magnetogram_images.source_size(path)


def test_years_without_sdo_are_no_times_of_files():
    assert aia_files.parse_name("AIA99991231_0000_0094.fits") == (None, None)
    assert aia_files.parse_name("19000101_0000_AIA_08_1024_1024.dat") == (None, None)
    assert aia_files.parse_name("AIA20140617_2136_0094.fits") == (TIME, 94)
