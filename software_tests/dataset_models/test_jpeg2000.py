"""JPEG 2000: whole or refused, both ways of shrinking, and a WCS that is right to 0.01 pixel in each."""

import importlib.util
import pathlib
import struct

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset_models.images import jpeg2000
from tools.errors import UserError

_place = pathlib.Path(__file__).with_name("jpeg2000_files.py")
_spec = importlib.util.spec_from_file_location("jpeg2000_files", _place)
files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(files)

MAGNETOGRAM = "jp2/2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2"
SIZES = [(1024, 128, 3), (1024, 512, 1), (1024, 1024, 0), (1024, 100, 3), (1024, 300, 1)]


@pytest.mark.parametrize(("source", "size", "level"), SIZES)
@pytest.mark.parametrize("mode", jpeg2000.MODES)
def test_the_spot_lies_where_the_wcs_says(tmp_path, source, size, level, mode):
    jp2 = jpeg2000.read(files.write(tmp_path / "spot.jp2", source))
    picture = jpeg2000.decode(jp2, size=size, mode=mode)
    assert picture.grey.shape == (size, size)
    assert picture.grey.dtype == numpy.float32
    assert picture.level == (level if mode == "reduced" else 0)
    assert files.centroid(picture.grey) == pytest.approx(files.expected(picture.wcs, size), abs=0.01)
    assert picture.wcs["CDELT1"] == pytest.approx(2457.6 / size)


@pytest.mark.parametrize("mode", jpeg2000.MODES)
@pytest.mark.parametrize(("width", "size", "centre"), [(512, 128, None), (512, 256, files.SPOT), (320, 320, files.SPOT)])
def test_crops_keep_the_pointing(tmp_path, mode, width, size, centre):
    jp2 = jpeg2000.read(files.write(tmp_path / "spot.jp2", 1024))
    multiple = width // size if mode == "reduced" else 1
    crop = jpeg2000.centred_crop(jp2, width=width, centre=centre, multiple=multiple)
    picture = jpeg2000.decode(jp2, size=size, mode=mode, crop=crop)
    assert picture.level == (int(numpy.log2(multiple)) if mode == "reduced" else 0)
    if centre is None:
        assert crop == (256, 256, 512)
        whole = jpeg2000.decode(jp2, size=1024 * size // width, mode=mode)
        half = size // 2
        numpy.testing.assert_array_equal(picture.grey, whole.grey[half : half + size, half : half + size])
        assert picture.wcs["CRPIX1"] == pytest.approx(whole.wcs["CRPIX1"] - half)
        assert picture.wcs["CRPIX2"] == pytest.approx(whole.wcs["CRPIX2"] - half)
    else:
        assert files.centroid(picture.grey) == pytest.approx(files.expected(picture.wcs, size), abs=0.01)
        assert files.expected(picture.wcs, size) == pytest.approx((size / 2 - 0.5,) * 2, abs=multiple)


def test_a_file_with_too_few_levels_is_averaged_further(tmp_path):
    jp2 = jpeg2000.read(files.write(tmp_path / "spot.jp2", 1024, levels=1))
    picture = jpeg2000.decode(jp2, size=128, mode="reduced")
    assert (jp2.levels, picture.level) == (1, 1)
    assert files.centroid(picture.grey) == pytest.approx(files.expected(picture.wcs, 128), abs=0.01)


def test_real_magnetogram_in_both_modes(shared):
    path = shared / MAGNETOGRAM
    jp2 = jpeg2000.read(path)
    assert (jp2.width, jp2.height, jp2.levels) == (4096, 4096, 8)
    assert jpeg2000.stored_header(jp2)["QUALITY"] == "1024"
    area, reduced = (jpeg2000.decode(jp2, size=512, mode=mode) for mode in jpeg2000.MODES)
    full = numpy.asarray(Image.open(path), "float64")
    numpy.testing.assert_allclose(area.grey, full.reshape(512, 8, 512, 8).mean((1, 3)), atol=1e-4)
    assert (area.wcs["CRPIX1"], area.wcs["CRPIX2"]) == (256.5, 256.5)
    assert (reduced.wcs["CRPIX1"], reduced.wcs["CRPIX2"]) == (256.9375, 256.0625)
    # How far the two are apart in fact: the shift that explains their difference best, in the middle of the disk.
    import scipy.ndimage

    smooth = [scipy.ndimage.gaussian_filter(picture.grey.astype("float64"), 3)[100:412, 100:412] for picture in (area, reduced)]
    slopes = numpy.gradient((smooth[0] + smooth[1]) / 2)
    system = numpy.stack([slope.ravel() for slope in slopes], axis=1)
    down, right = numpy.linalg.lstsq(system, (smooth[0] - smooth[1]).ravel(), rcond=None)[0]
    assert right == pytest.approx(reduced.wcs["CRPIX1"] - area.wcs["CRPIX1"], abs=0.01)
    assert -down == pytest.approx(reduced.wcs["CRPIX2"] - area.wcs["CRPIX2"], abs=0.01)


def test_every_truncation_is_found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut")
    content = files.write(folder / "whole.jp2", 64).read_bytes()

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(content) - 1))
    def check(kept):
        (folder / "cut.jp2").write_bytes(content[:kept])
        with pytest.raises(UserError, match=r"cut\.jp2"):
            jpeg2000.read(folder / "cut.jp2")

    check()
    (folder / "padded.jp2").write_bytes(content + bytes(7))
    assert jpeg2000.read(folder / "padded.jp2").width == 64


@pytest.mark.parametrize("missing", [1, 2, 3, 1000, 500_000])
def test_real_files_cut_short_are_refused(tmp_path, shared, missing):
    for path in sorted((shared / "jp2").glob("*.jp2")):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-missing])
        with pytest.raises(UserError, match="truncated"):
            jpeg2000.read(tmp_path / path.name)


def test_damage_never_raises_anything_else(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    content = files.write(folder / "whole.jp2", 64).read_bytes()

    refusals = []

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(content) - 1), st.integers(0, 255))
    def check(place, value):
        changed = bytearray(content)
        changed[place] = value
        (folder / "changed.jp2").write_bytes(changed)
        try:
            jp2 = jpeg2000.read(folder / "changed.jp2")
            if jp2.width <= 4096 and jp2.height <= 4096:
                jpeg2000.decode(jp2, size=32, mode="reduced")
        except UserError as raised:
            refusals.append(str(raised))

    check()
    assert refusals
    assert all("changed.jp2" in refusal for refusal in refusals)


def test_averages_keep_the_mean_and_are_exact_for_a_ramp():
    grey = numpy.random.default_rng(0).integers(0, 256, (96, 96)).astype("uint8")
    for size in (96, 95, 64, 48, 37, 1):
        assert jpeg2000.shrink(grey, size).mean() == pytest.approx(grey.mean(), rel=1e-5)
    ramp = numpy.broadcast_to(numpy.arange(5.0, dtype="float32"), (5, 5))
    # Parts of 5/3 pixels: 0 and two thirds of 1; a third of 1, 2 and a third of 3; two thirds of 3 and 4.
    numpy.testing.assert_allclose(jpeg2000.shrink(ramp, 3)[0], [0.4, 2.0, 3.6], rtol=1e-6)
    numpy.testing.assert_allclose(jpeg2000.shrink(ramp.T, 3)[:, 0], [0.4, 2.0, 3.6], rtol=1e-6)


def test_a_page_and_headers_that_are_none(tmp_path):
    path = tmp_path / "page.jp2"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match="not a JPEG 2000"):
        jpeg2000.read(path)
    with pytest.raises(UserError, match="no such file"):
        jpeg2000.read(tmp_path / "none.jp2")
    grey = files.spotted(64, files.header(64))
    path.write_bytes(files.encode(grey, None))
    jp2 = jpeg2000.read(path)
    assert jpeg2000.stored_header(jp2) == {}
    assert jpeg2000.decode(jp2, size=32).wcs == {}
    with pytest.raises(UserError, match="gives no pointing"):
        jpeg2000.centred_crop(jp2, width=16, centre=(0, 0))
    bomb = b'<!DOCTYPE meta [<!ENTITY a "aaaa">]><meta><fits><A>&a;</A></fits></meta>'
    with pytest.raises(UserError, match="declarations"):
        jpeg2000.stored_header(jp2._replace(xml=bomb))
    with pytest.raises(UserError, match="XML header"):
        jpeg2000.stored_header(jp2._replace(xml=b"<meta><fits>"))


def test_what_cannot_be_shrunk_is_refused(tmp_path):
    grey = numpy.zeros((64, 96), "uint8")
    (tmp_path / "wide.jp2").write_bytes(files.encode(grey, None))
    wide = jpeg2000.read(tmp_path / "wide.jp2")
    with pytest.raises(UserError, match="square"):
        jpeg2000.decode(wide, size=32)
    assert jpeg2000.decode(wide, size=32, crop=jpeg2000.Crop(32, 0, 64)).grey.shape == (32, 32)
    with pytest.raises(UserError, match="beyond"):
        jpeg2000.decode(wide, size=32, crop=jpeg2000.Crop(40, 0, 64))
    with pytest.raises(UserError, match="never enlarged"):
        jpeg2000.decode(wide, size=128, crop=jpeg2000.Crop(0, 0, 64))
    Image.fromarray(numpy.arange(4096, dtype="uint16").reshape(64, 64) * 16).save(tmp_path / "deep.jp2", irreversible=False)
    with pytest.raises(UserError, match="8 bits"):
        jpeg2000.read(tmp_path / "deep.jp2")


def test_box_lengths_of_64_bits_are_understood(tmp_path):
    content = files.write(tmp_path / "spot.jp2", 64).read_bytes()
    place = content.index(b"jp2c") - 4
    body = content[place + 8 :]
    (tmp_path / "long.jp2").write_bytes(content[:place] + struct.pack(">I4sQ", 1, b"jp2c", 16 + len(body)) + body)
    (tmp_path / "open.jp2").write_bytes(content[:place] + struct.pack(">I4s", 0, b"jp2c") + body)
    for name in ("long.jp2", "open.jp2"):
        jp2 = jpeg2000.read(tmp_path / name)
        assert (jp2.width, jp2.levels) == (64, 5)


def test_tags_in_lower_case_count(tmp_path):
    jp2 = jpeg2000.read(files.write(tmp_path / "a.jp2", 128))
    lower = jp2._replace(xml=jp2.xml.lower())
    assert jpeg2000.stored_header(lower).keys() == jpeg2000.stored_header(jp2).keys()
    assert jpeg2000.decode(lower, size=64).wcs["CRPIX1"] == jpeg2000.decode(jp2, size=64).wcs["CRPIX1"]
