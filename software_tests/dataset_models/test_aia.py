"""The AIA data set: names, calibration, registration, conversion, and what is refused."""

import functools
import os
import pathlib
import shutil

import numpy
import pytest
from astropy.io import fits

from dataset_models import goes_xrs
from dataset_models.images import fits_files, image_cache, quality
from dataset_models.SDO.AIA import aia_files, aia_images
from dataset_models.SDO.AIA.degradation import degradation, response_table_path
from dataset_models.SDO.AIA.fdl_1 import AIA8
from tools.errors import UserError

START = numpy.datetime64("2014-06-17T21:00", "s")
SOUTH_EAST, NORTH_WEST = (-300.0, -500.0), (600.0, 240.0)  # arcsec, (west, north)


def sun(*, scale=2.4, centre=(511.5, 511.5), angle=0.0, exposure=2.0, factor=1.0):
    """DN of a disk with a bright source in the north-west and a fainter one in the south-east; FITS order."""
    row, column = numpy.indices((1024, 1024))
    x, y = scale * (column - centre[0]), scale * (row - centre[1])
    turn = numpy.radians(angle)
    west, north = numpy.cos(turn) * x - numpy.sin(turn) * y, numpy.sin(turn) * x + numpy.cos(turn) * y
    rate = 40.0 * (numpy.hypot(west, north) < 960)
    for (at_west, at_north), height in ((NORTH_WEST, 2000.0), (SOUTH_EAST, 800.0)):
        rate += height * numpy.exp(-((west - at_west) ** 2 + (north - at_north) ** 2) / (2 * 25.0**2))
    return rate * exposure * factor


def write_synoptic(path, pixels, channel, *, exposure=2.0, quality=0, checksum=False, **cards):
    """A frame as JSOC's synoptic archive has them: Rice in HDU 1, and an OSCNMEAN card that FITS does not allow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = fits.Header()
    header["WAVELNTH"], header["EXPTIME"], header["QUALITY"] = channel, exposure, quality
    header["TELESCOP"], header["INSTRUME"], header["LVL_NUM"] = "SDO/AIA", "AIA_3", 1.5
    header["OSCNMEAN"] = 123456.0
    for axis in (1, 2):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = ("HPLN-TAN", "HPLT-TAN")[axis - 1], "arcsec"
        header[f"CDELT{axis}"], header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = 2.4, 512.5, 0.0
    header["CROTA2"], header["DSUN_OBS"], header["HGLN_OBS"], header["HGLT_OBS"] = 0.0, 1.5e11, 0.01, 1.2
    header.update(cards)
    image = fits.CompImageHDU(numpy.round(pixels).astype("int16"), header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, checksum=checksum)
    if not checksum:
        content = path.read_bytes()
        assert content.count(b"OSCNMEAN=             123456.0") == 1
        path.write_bytes(content.replace(b"OSCNMEAN=             123456.0", b"OSCNMEAN=                 -nan"))
    return path


def write_frame(folder, time, **keywords):
    day, clock = str(time)[:10].replace("-", ""), str(time)[11:16].replace(":", "")
    for channel in aia_files.CHANNELS:
        write_synoptic(folder / f"AIA{day}_{clock}_{channel:04d}.fits", sun(), channel, **keywords)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Four frames 12 minutes apart in JSOC's folders, and a flux store around them."""
    folder = tmp_path_factory.mktemp("aia")
    first = folder / "2014/06/17/H2100"
    write_frame(first, START)
    for step in (1, 2, 4):
        name = str(START + step * numpy.timedelta64(12, "m"))[11:16].replace(":", "")
        for path in sorted(first.glob("AIA20140617_2100_*.fits")):
            shutil.copy(path, first / path.name.replace("_2100_", f"_{name}_"))
    return folder


@pytest.fixture(scope="module")
def flux():
    minutes = 3 * 1440
    values = numpy.full(minutes, 2e-7)
    values[1440 + 22 * 60 : 1440 + 22 * 60 + 5] = 3e-5
    return goes_xrs.FluxSeries("2014-06-16", values, calibration="science", satellite=15)


def data_set(archive, flux, **options):
    data = AIA8(
        **{"folder": str(archive), "image_size": 32, "lag": "00min", "catch": "12min", "validation_fraction": 0.0} | options
    )
    data.__dict__["flux_series"] = flux  # in place of a store
    return data


# Names


def test_names_tell_time_and_channel():
    assert aia_files.parse_name("a/AIA20140617_2136_0094.fits") == (numpy.datetime64("2014-06-17T21:36:00"), 94)
    assert aia_files.parse_name("AIA20140617_213612_1600.fits") == (numpy.datetime64("2014-06-17T21:36:12"), 1600)
    assert aia_files.parse_name("20140617_2136_AIA_08_1024_1024.dat") == (numpy.datetime64("2014-06-17T21:36:00"), None)
    for other in ("AIA20141317_2136_0094.fits", "20140617_2136_AIA_10_512_512.dat", "notes.txt"):
        assert aia_files.parse_name(other) == (None, None)


def test_names_of_jsoc_and_of_the_vso():
    for name, time, channel in (
        ("aia.lev1_euv_12s.2012-07-19T073001Z.171.image.fits", "2012-07-19T07:30:01", 171),
        ("aia.lev1_uv_24s.2014-06-17T213618Z.1600.image_lev1.fits", "2014-06-17T21:36:18", 1600),
        ("aia.lev1.171A_2014-06-17T21_36_11.34Z.image_lev1.fits", "2014-06-17T21:36:11", 171),
        ("aia_lev1_304a_2014_06_17t21_36_07_12z_image_lev1.fits", "2014-06-17T21:36:07", 304),
    ):
        assert aia_files.parse_name(name) == (numpy.datetime64(time), channel)
        assert aia_files.is_level_1(name)
    assert aia_files.parse_name("aia_lev1_304a_2014_13_17t21_36_07_12z_image_lev1.fits") == (None, None)


def test_names_that_no_pattern_knows_are_counted(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("AIA20140617_2136_0171.fits", "newest.fits"):
        (folder / name).touch()
    assert len(aia_files.find_frames(folder)) == 1
    assert "1 file is left out, of names that fit no pattern (newest.fits)" in capsys.readouterr().err


def test_frames_come_in_the_order_of_time_with_their_channels(tmp_path):
    for name in ("AIA20140617_2136_0171.fits", "AIA20140617_2136_0094.fits", "AIA20140617_2136_1700.fits", "x.fits"):
        (tmp_path / name).touch()
    (tmp_path / "20140101_0000_AIA_08_1024_1024.dat").touch()
    legacy, synoptic = aia_files.find_frames(tmp_path)
    assert legacy.is_legacy
    assert legacy.is_complete
    assert synoptic.channels == (94, 171)
    with pytest.raises(UserError, match=r"expected 8 channels, received 2 \(131, 193, 211, 304, 335, 1600 missing\)"):
        synoptic.require_all_channels()


def test_of_one_time_the_complete_frame_is_taken(tmp_path):
    legacy_array = tmp_path / "20140617_2136_AIA_08_1024_1024.dat"
    legacy_array.touch()
    for channel in aia_files.CHANNELS[:-1]:
        (tmp_path / f"AIA20140617_2136_{channel:04d}.fits").touch()
    (frame,) = aia_files.find_frames(tmp_path)
    assert frame.paths == (legacy_array,)
    (tmp_path / "aia.lev1_euv_12s.2014-06-17T213600Z.171.image_lev1.fits").touch()
    (frame,) = aia_files.find_frames(tmp_path)
    assert frame.paths == (legacy_array,)
    (tmp_path / "AIA20140617_2136_1600.fits").touch()
    (frame,) = aia_files.find_frames(tmp_path)
    assert frame.is_complete
    assert not frame.is_legacy
    legacy_array.unlink()
    (tmp_path / "AIA20140617_2136_1600.fits").unlink()
    (frame,) = aia_files.find_frames(tmp_path)
    assert frame.channels == (171,), "of two that lack channels level 1"


# Reading and calibrating


def test_synoptic_file_with_a_malformed_card_is_read_in_dn_per_second(tmp_path):
    path = write_synoptic(tmp_path / "AIA20140617_2136_0171.fits", sun(), 171)
    image = aia_images.read_channel(path, 171)
    assert image.dtype == numpy.float32
    assert image[512, 512] == pytest.approx(40)
    row, column = numpy.unravel_index(image.argmax(), image.shape)
    # 240 arcsec north and 600 west of the centre: above the middle row, right of the middle column
    assert (row, column) == (pytest.approx(511.5 - 100, abs=1), pytest.approx(511.5 + 250, abs=1))


@pytest.mark.long
def test_a_frame_is_corrected_for_degradation_and_row_0_is_north(archive):
    frame = aia_files.find_frames(archive)[0]
    image = aia_images.read_frame(frame.paths, size=32)
    assert image.shape == (32, 32, 8)
    quiet = image[16, 16]
    for index, channel in enumerate(aia_files.CHANNELS):
        assert quiet[index] == pytest.approx(40 / degradation(channel, START), rel=1e-5)
    assert degradation(304, START) < 0.3 < degradation(171, START)
    assert numpy.unravel_index(image[..., 2].argmax(), (32, 32)) == (12, 23)


def test_degradation_is_aiapys(shared):
    table = numpy.genfromtxt(
        shared / "flarenet" / "aia_degradation.csv", delimiter=",", skip_header=1, usecols=range(1, 9), max_rows=400
    )
    # FlareNet's own factors agree in the first year of the mission; later they drift apart.
    ours = [degradation(channel, numpy.datetime64("2011-05-02")) for channel in aia_files.CHANNELS]
    numpy.testing.assert_allclose(ours, table[365], atol=0.06)
    assert degradation(304, numpy.datetime64("2016-01-01")) == pytest.approx(0.079, abs=0.001)


def test_extrapolated_degradation_is_refused():
    with pytest.raises(UserError, match=r"2024-01-01: the response table extrapolates AIA 304 to -0\.0"):
        degradation(304, numpy.datetime64("2024-01-01T12:00"))


# 304 Angstrom in version 10 of the response table, of 2020-10-26: begin of an epoch, effective area in cm2, change per day
VERSION_10 = (
    ("2010-03-24T00:00:00.000", 0.10250, -0.001566),
    ("2011-01-27T15:00:00.000", 0.06487, -0.003126),
    ("2015-05-01T12:00:00.000", 0.01090, -0.000418),
    ("2020-06-01T12:00:00.000", 0.00569, 0.0),
)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 3, 1, 0)])
def test_degradation_follows_a_newer_table_whatever_aiapy_takes_for_the_newest(tmp_path, order):
    ends = [*(begin for begin, *_ in VERSION_10[1:]), "2030-05-01T00:00:00.000"]
    rows = [
        f"2020-10-26T00:14:21.733 {VERSION_10[row][0]} {ends[row]} 10 304_THIN 304 {VERSION_10[row][1]} 303.8"
        f" {VERSION_10[row][2]} 0.0 0.0"
        for row in order
    ]
    table = tmp_path / "aia_V10_response_table.txt"
    head = "DATE T_START T_STOP VER_NUM WAVE_STR WAVELNTH EFF_AREA EFF_WVLN EFFA_P1 EFFA_P2 EFFA_P3"
    table.write_text("\n".join([head, *rows]) + "\n")
    known = {"2016-05-01": 0.01090 / 0.10250 * (1 - 0.000418 * 365.5), "2026-01-01": 0.00569 / 0.10250}
    for day, expected in known.items():
        assert degradation(304, numpy.datetime64(day), table=str(table)) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(UserError, match="no degradation of AIA 171 is known"):
        degradation(171, numpy.datetime64("2016-05-01"), table=str(table))


def test_a_response_table_of_two_versions_is_refused(tmp_path):
    lines = response_table_path().read_text().splitlines()
    mixed = tmp_path / "table.txt"
    mixed.write_text("\n".join([*lines, lines[-1].replace(" 8 ", " 9 ", 1)]) + "\n")
    with pytest.raises(UserError, match="expected one version of the response table, received 2"):
        degradation(171, START, table=str(mixed))
    with pytest.raises(UserError, match="cannot be read as an AIA response table"):
        degradation(171, START, table=str(tmp_path / "absent.txt"))


@pytest.mark.parametrize(
    ("scale", "centre", "angle"), [(2.4, (520.3, 498.9), 0.0), (3.1, (511.5, 511.5), 0.0), (2.4, (508.0, 515.0), 30.0)]
)
def test_registration_puts_sources_where_their_wcs_says(scale, centre, angle):
    cards = {"CDELT1": scale, "CDELT2": scale, "CRPIX1": centre[0] + 1, "CRPIX2": centre[1] + 1, "CROTA2": angle}
    registered = aia_images.register(sun(scale=scale, centre=centre, angle=angle).astype("float32"), cards)
    expected = sun()[::-1]
    inside = numpy.hypot(*(numpy.indices((1024, 1024)) - 511.5)) < 350  # leave the sharp limb out
    assert numpy.abs(registered - expected)[inside].max() < 0.02 * expected.max()


def test_registration_reads_pc_matrices_and_pointing_offsets():
    turn = numpy.radians(30.0)
    cards = {"CDELT1": 2.4, "CDELT2": 2.4, "CRPIX1": 509.0, "CRPIX2": 516.0, "CROTA2": 30.0}
    other = cards | {"PC1_1": numpy.cos(turn), "PC1_2": -numpy.sin(turn), "PC2_1": numpy.sin(turn), "PC2_2": numpy.cos(turn)}
    pixels = sun(centre=(508.0, 515.0), angle=30.0).astype("float32")
    same = aia_images.register(pixels, other)
    numpy.testing.assert_allclose(aia_images.register(pixels, cards), same, atol=1e-2)
    # The same pointing, told by another reference pixel
    moved = {"CDELT1": 2.4, "CDELT2": 2.4, "CRPIX1": 612.5, "CRPIX2": 512.5, "CRVAL1": 240.0, "CUNIT1": "arcsec"}
    numpy.testing.assert_array_equal(aia_images.register(sun().astype("float32"), moved), sun()[::-1].astype("float32"))


def test_real_full_disk_image_is_registered(shared):
    pixels, header = fits_files.read(shared / "fits" / "swap_lv1_20110607_063329.fits")
    image = aia_images.register(pixels, header)
    profile = numpy.hypot(*(numpy.indices(image.shape) - 511.5)) * 2.4
    # The corona at 174 Angstrom falls off outside the limb, alike on all four sides of a centred disk.
    sides = [image[:, :300], image[:, -300:], image[:300], image[-300:]]
    assert image[profile < 900].mean() > 5 * image[profile > 1150].mean()
    assert max(side.mean() for side in sides) < 2.5 * min(side.mean() for side in sides)
    # 3.16 arcsec per pixel become 2.4: the disk grows, its brightness per pixel stays.
    inner = numpy.hypot(*(numpy.indices(pixels.shape) - 511.5)) * header["CDELT1"]
    assert image[profile < 800].mean() == pytest.approx(pixels[inner < 800].mean(), rel=0.01)


def test_a_real_aia_cutout_is_read_but_is_no_full_disk(shared, tmp_path):
    path = shared / "fits" / "aia_171_cutout.fits"
    pixels, header = fits_files.read(path)
    assert pixels.shape == (705, 769)
    assert (header["WAVELNTH"], header["QUALITY"]) == (171, 0)
    with pytest.raises(UserError, match="expected a level 1 image of 4096 x 4096 pixels, received 705 x 769"):
        aia_images.read_channel(path, 171)


@pytest.mark.parametrize(
    ("pixels", "cards", "message"),
    [
        (None, {"quality": 0x20000}, "rejected by its QUALITY: image stabilisation loop open"),
        (None, {"quality": 0x2200}, "more than 1% of pixels missing, eclipse"),
        (None, {"exposure": 0.0}, "has no exposure time"),
        (None, {"WAVELNTH": 193}, "expected channel 171, but its header gives WAVELNTH = 193"),
        (numpy.full((1024, 1024), 7), {}, r"is constant \(7 everywhere\)"),
        (numpy.full((1024, 1024), -32768), {"BLANK": -32768}, "has no valid pixel"),
        (numpy.arange(512 * 512).reshape(512, 512) % 99, {}, "expected 1024 x 1024 pixels, received 512 x 512"),
        (None, {"CDELT1": 0.0}, "gives no pointing"),
    ],
)
def test_bad_fits_is_refused_in_one_line(tmp_path, pixels, cards, message):
    path = write_synoptic(tmp_path / "AIA20140617_2136_0171.fits", sun() if pixels is None else pixels, 171, **cards)
    with pytest.raises(UserError, match=message) as caught:
        aia_images.read_channel(path, 171)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CRPIX1": "nan"}, r"gives no pointing \(CRPIX1 = nan\)"),
        ({"CRVAL2": fits.card.UNDEFINED}, r"gives no pointing \(CRVAL2 is blank\)"),
        ({"EXPTIME": "nan"}, r"gives no exposure time \(EXPTIME = nan\)"),
        ({"QUALITY": "text"}, r"gives no QUALITY word \(QUALITY = text\)"),
        ({"QUALITY": "0x00000200"}, "rejected by its QUALITY: more than 1% of pixels missing"),
        ({"WAVELNTH": "MISSING"}, r"gives no channel \(WAVELNTH = MISSING\)"),
        ({"INSTRUME": "HMI_FRONT2"}, "expected an image of SDO/AIA, but its header gives HMI_FRONT2"),
        ({"CTYPE1": "CRLN-CEA"}, "expected a full-disk image in helioprojective coordinates, received CTYPE1 = CRLN-CEA"),
    ],
)
def test_cards_that_the_result_needs_are_named(tmp_path, cards, message):
    path = write_synoptic(tmp_path / "AIA20140617_2136_0171.fits", sun(), 171)
    with fits.open(path) as hdus:
        pixels, header = hdus[1].data.copy(), hdus[1].header.copy()
    del header["OSCNMEAN"]  # astropy does not write such cards
    header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, header)]).writeto(path, overwrite=True)
    with pytest.raises(UserError, match=message) as caught:
        aia_images.prepare(path, size=64, channel=171)
    assert str(path) in str(caught.value)


def test_cards_as_texts_and_a_time_with_a_leap_second_are_read(tmp_path):
    path = write_synoptic(tmp_path / "AIA20140617_2136_0171.fits", sun(), 171)
    expected = aia_images.prepare(path, size=64)
    with fits.open(path) as hdus:
        pixels, header = hdus[1].data.copy(), hdus[1].header.copy()
    del header["OSCNMEAN"]
    header.update({"EXPTIME": "2.0", "WAVELNTH": "171.0", "QUALITY": "0x40000000", "CRPIX1": "512.5", "HGLN_OBS": "nan"})
    header["DATE-OBS"] = "2012-06-30T23:59:60"
    renamed = tmp_path / "newest.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, header)]).writeto(renamed)
    found = aia_images.prepare(renamed, size=64)
    left = [degradation(171, numpy.datetime64(time)) for time in ("2014-06-17T21:36", "2012-07-01")]
    numpy.testing.assert_allclose(found, expected * left[0] / left[1], rtol=1e-5)


def test_the_genuine_synoptic_frame_is_read_and_kept_in_the_cache(shared, tmp_path):
    genuine = shared / "fits" / "aia_synoptic_lev1.5_94_2014-06-06.fits"
    image = aia_images.prepare(genuine, size=256)
    assert image.shape == (256, 256)
    pixels, _ = fits_files.read(genuine)
    left = degradation(94, numpy.datetime64("2014-06-06"))
    expected = pixels[::-1].reshape(256, 4, 256, 4).mean((1, 3)) / 2.902057 / left
    numpy.testing.assert_allclose(image, expected, atol=1e-4)
    profile = numpy.hypot(*(numpy.indices(image.shape) - 127.5)) * 9.6
    assert image[profile < 900].mean() > 5 * image[profile > 1200].mean()
    cache = image_cache.ImageCache(tmp_path, {"name": "aia94"}, (256, 256))
    convert = functools.partial(prepare_first, size=256)
    assert cache.convert({"a": (genuine,)}, convert, root=genuine.parent, label="convert") == {}
    numpy.testing.assert_array_equal(cache.read("a"), image)


def prepare_first(paths, *, size):
    return aia_images.prepare(paths[0], size=size)


def test_harmless_quality_bits_pass():
    assert quality.damage(0x40000000 | 0x100 | 0x10, "AIA") == []
    assert quality.damage(-2147483648, "AIA") == ["no image"]


def test_damaged_files_are_refused(tmp_path):
    path = write_synoptic(tmp_path / "AIA20140617_2136_0171.fits", sun(), 171)
    content = path.read_bytes()
    for kept, message in ((0.999, "is truncated"), (0.5, "is truncated"), (0.01, "is truncated|holds no image")):
        path.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(UserError, match=message):
            aia_images.read_channel(path, 171)
    path.write_text("<html>not found</html>")
    with pytest.raises(UserError, match="cannot be read as FITS"):
        aia_images.read_channel(path, 171)
    summed = write_synoptic(tmp_path / "AIA20140617_2136_0193.fits", sun(), 193, checksum=True)
    aia_images.read_channel(summed, 193)
    content = bytearray(summed.read_bytes())
    content[-20000] ^= 1
    summed.write_bytes(content)
    with pytest.raises(UserError, match="checksum is wrong"):
        aia_images.read_channel(summed, 193)


# Legacy arrays


def legacy(folder, array, name="20140617_2136_AIA_08_1024_1024.dat"):
    path = folder / name
    with open(path, "wb") as file:
        numpy.save(file, array)
    return path


@pytest.mark.long
def test_both_shapes_of_legacy_arrays_give_the_same_image_with_north_up(tmp_path):
    array = numpy.stack([sun(exposure=1.0, factor=1 + index) for index in range(8)], axis=-1).astype("float32")
    cube = aia_images.read_frame((legacy(tmp_path, array),), size=1024)
    flat = aia_images.read_frame((legacy(tmp_path, array.reshape(-1, 8)),), size=1024)
    numpy.testing.assert_array_equal(cube, flat)
    assert cube[412, 761, 0] == pytest.approx(2040, rel=0.01)  # the source in the north-west
    assert aia_images.read_frame((legacy(tmp_path, array),), size=64).mean() == pytest.approx(array.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (numpy.zeros((1024, 1024, 7), "float32"), "expected 8 channels, received 7"),
        (numpy.zeros((512, 512, 8), "float32"), r"expected numbers of shape .*, received float32 \(512, 512, 8\)"),
        (numpy.zeros((1024 * 1024, 8), "float32"), "channel 94: is constant"),
        (numpy.full((1024 * 1024, 8), numpy.nan, "float32"), "channel 94: has no valid pixel"),
        (numpy.zeros((1024 * 1024, 8), "complex64"), "received complex64"),
    ],
)
def test_bad_legacy_arrays_are_refused(tmp_path, array, message):
    with pytest.raises(UserError, match=message):
        aia_images.read_legacy(legacy(tmp_path, array))


def test_pickles_and_truncated_arrays_are_refused(tmp_path):
    path = tmp_path / "20140617_2136_AIA_08_1024_1024.dat"
    with open(path, "wb") as file:
        numpy.save(file, numpy.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match="pickled objects, which are refused"):
        aia_images.read_legacy(path)
    legacy(tmp_path, numpy.ones((1024 * 1024, 8), "float32"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"is truncated|is no array"):
        aia_images.read_legacy(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"is truncated|is no array"):
        aia_images.read_legacy(path)


# The data set


def test_samples_earlier_images_and_what_is_refused(archive, flux, tmp_path):
    work = tmp_path / "aia"
    shutil.copytree(archive, work)
    frames = sorted(work.rglob("*_2148_*.fits"))
    frames[0].unlink()  # 21:48 lacks a channel
    next(work.rglob("*_2124_0193.fits")).write_bytes(b"SIMPLE")
    data = data_set(work, flux, images=2)
    assert data.refused["channels are missing"] == 1
    assert data.refused["damaged or flagged"] == 1
    assert "0193.fits" in data.rejected["20140617T212400"]
    numpy.testing.assert_array_equal(data.times("training"), numpy.array(["2014-06-17T21:12"], "datetime64[s]"))
    assert data.refused["an earlier image is missing"] == 1
    inputs = data.inputs(data.times("training")[0])
    assert {name: array.shape for name, array in inputs.items()} == data.input_shapes
    assert list(inputs) == ["image", "image_prior_1"]


@pytest.mark.long
def test_conversion_happens_once_and_follows_its_sources(archive, flux, monkeypatch):
    first = data_set(archive, flux)
    images = [first.image(time) for time in first.image_times()]
    assert len(images) == 4
    calls = []
    original = aia_images.read_frame
    monkeypatch.setattr(aia_images, "read_frame", lambda *given, **options: calls.append(given) or original(*given, **options))
    again = data_set(archive, flux)
    for time, image in zip(again.image_times(), images, strict=True):
        numpy.testing.assert_array_equal(again.image(time), image)
    assert calls == []
    path = sorted(pathlib.Path(archive).rglob("*_2100_*.fits"))[0]
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**9))
    assert len(data_set(archive, flux).image_times()) == 4
    assert len(calls) == 1  # only the frame whose file changed


def test_converted_images_lie_aligned_in_memory_and_damage_is_noticed(archive, flux):
    data = data_set(archive, flux)
    time = data.image_times()[0]
    assert data.image(time).ctypes.data % image_cache.ALIGNMENT == 0
    (path,) = data.convert()[0].glob(f"{aia_files.key_of(time)}-*.npy")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="is truncated; delete it"):
        data.image(time)
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        data.image(time)
    numpy.save(path, numpy.zeros((4, 4), "float64"))
    with pytest.raises(UserError, match=r"expected float32 \(32, 32, 8\), received float64"):
        data.image(time)


@pytest.mark.long
def test_a_file_is_read_into_the_same_inputs_as_its_time(archive, flux):
    data = data_set(archive, flux, images=2, side_channels=("current flux",))
    time = data.times("training")[0]
    path = next(pathlib.Path(archive).rglob("AIA20140617_2112_0304.fits"))
    from_file, from_time = data.read_image(path), data.inputs(time)
    for name in data.input_shapes:
        numpy.testing.assert_allclose(from_file[name], from_time[name], rtol=1e-6)
    assert from_file["side_channel"][0] == pytest.approx(numpy.log10(2e-7))
    first = next(pathlib.Path(archive).rglob("AIA20140617_2100_0304.fits"))
    with pytest.raises(UserError, match="also needs the image of 2014-06-17T20:48:00Z"):
        data.read_image(first)
    lone = data_set(archive, flux)
    with pytest.raises(UserError, match="expected a name like"):
        lone.read_image(__file__)
    with pytest.raises(UserError, match="no such file"):
        lone.read_image("AIA20140617_2112_0304.fits")


def test_header_lets_sunpy_place_the_image(archive, flux):
    import astropy.units as u
    import sunpy.map

    data = data_set(archive, flux)
    path = next(pathlib.Path(archive).rglob("AIA20140617_2100_0171.fits"))
    image = data.read_image(path)["image"][..., 2]
    placed = sunpy.map.Map(image[::-1], data.image_header(path))
    row, column = numpy.unravel_index(placed.data.argmax(), placed.data.shape)
    where = placed.pixel_to_world(column * u.pix, row * u.pix)
    assert where.Tx.to_value("arcsec") == pytest.approx(NORTH_WEST[0], abs=40)  # half a pixel of 77 arcsec
    assert where.Ty.to_value("arcsec") == pytest.approx(NORTH_WEST[1], abs=40)
    assert placed.observer_coordinate.lat.to_value("deg") == pytest.approx(1.2)
    assert data.header(START).tostring() == data.image_header(path.with_name(path.name.replace("0171", "0094"))).tostring()
    with pytest.raises(UserError, match="there is no image of 2014-06-18"):
        data.header(numpy.datetime64("2014-06-18", "s"))


def test_what_is_not_there_is_named(tmp_path, archive, flux):
    data = AIA8(folder=str(tmp_path / "none"), goes=str(tmp_path / "none.sqlite"))
    availability = data.is_downloaded()
    assert not availability
    assert "AIA files" in str(availability)
    assert str(tmp_path / "none.sqlite") in str(availability)
    with pytest.raises(UserError, match="missing AIA files"):
        data.download()
    with pytest.raises(UserError, match="image_size: divides 1024; received 100"):
        AIA8(image_size=100)
    assert data_set(archive, flux).is_downloaded().found == 32


@pytest.mark.long
def test_when_no_frame_can_be_used_the_reason_is_told(tmp_path, flux):
    write_frame(tmp_path / "aia", START, quality=0x40000)
    with pytest.raises(UserError, match=r"none of 1 AIA frames can be used; the first: .*calibration image"):
        data_set(tmp_path / "aia", flux).times("training")


@pytest.mark.slow
def test_several_processes_convert_like_one(archive, flux, tmp_path):
    frames = aia_files.find_frames(archive)
    sources = {frame.key: frame.paths for frame in frames}
    converter = functools.partial(aia_images.read_frame, size=16)
    results = []
    for workers in (1, 2):
        cache = image_cache.ImageCache(tmp_path / str(workers), {"name": "x"}, (16, 16, 8))
        assert cache.convert(sources, converter, root=archive, label="convert", workers=workers) == {}
        results.append([cache.read(frame.key) for frame in frames])
    numpy.testing.assert_array_equal(*results)
