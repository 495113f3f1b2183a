"""Magnetogram readers: jpg, JPEG 2000 and FITS give one geometry, and damaged files are refused."""

import pathlib
import warnings

import astropy.units as u
import numpy
import pytest
import sunpy.data.test
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.io import fits
from PIL import Image

from dataset_models.images import fits_files
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from tools.errors import UserError

SPOT = (310.0, -455.0)  # arcsec, west and north of disk centre


def write_fits(path, *, angle, rice=False, matrix=False, size=400, centre=(203.2, 197.9)):
    """A magnetogram of 5.2 arcsec per pixel with one spot of 200 G at SPOT, rotated by `angle` degrees, NaN off the disk."""
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "HPLN-TAN", "HPLT-TAN"
    header["CUNIT1"] = header["CUNIT2"] = "arcsec"
    header["CDELT1"] = header["CDELT2"] = 5.2
    header["CRPIX1"], header["CRPIX2"] = centre
    header["CRVAL1"], header["CRVAL2"] = 3.5, -2.5
    if matrix:
        cosine, sine = numpy.cos(numpy.deg2rad(angle)), numpy.sin(numpy.deg2rad(angle))
        header["PC1_1"], header["PC1_2"], header["PC2_1"], header["PC2_2"] = cosine, -sine, sine, cosine
    else:
        header["CROTA2"] = angle
    header["RSUN_OBS"] = 960.0
    header["DATE-OBS"] = "2014-03-01T00:00:27"
    header["BUNIT"] = "Gauss"
    header["DSUN_OBS"], header["HGLN_OBS"], header["HGLT_OBS"] = 1.485e11, 0.0, -7.2
    row, column = numpy.mgrid[:size, :size].astype(float)
    turn = numpy.deg2rad(angle)
    dx, dy = 5.2 * (column + 1 - centre[0]), 5.2 * (row + 1 - centre[1])
    x = 3.5 + numpy.cos(turn) * dx - numpy.sin(turn) * dy
    y = -2.5 + numpy.sin(turn) * dx + numpy.cos(turn) * dy
    gauss = 200 * numpy.exp(-((x - SPOT[0]) ** 2 + (y - SPOT[1]) ** 2) / (2 * 40.0**2))
    gauss[x**2 + y**2 > 960**2] = numpy.nan
    hdu = fits.CompImageHDU if rice else fits.ImageHDU
    keywords = {"compression_type": "RICE_1", "quantize_level": -0.01} if rice else {}
    fits.HDUList([fits.PrimaryHDU(), hdu(gauss.astype("float32"), header, **keywords)]).writeto(path)
    return path


@pytest.mark.parametrize("angle", [0.0, 179.93, 31.0])
@pytest.mark.parametrize("kind", ["plain", "rice", "matrix"])
def test_fits_is_turned_north_up(tmp_path, angle, kind):
    path = tmp_path / "hmi.m_720s.20140301_000125_TAI.magnetogram.fits"
    write_fits(path, angle=angle, rice=kind == "rice", matrix=kind == "matrix")
    magnetogram = magnetogram_images.read(path, size=128)
    image, header = magnetogram.image, magnetogram.header
    assert image.shape == (128, 128, 1)
    assert image.dtype == numpy.float32
    excess = numpy.where(image[..., 0] > 0, image[..., 0] - 0.5, 0)
    excess[excess < 0.05] = 0
    rows, columns = numpy.mgrid[:128, :128]
    row, column = (excess * rows).sum() / excess.sum(), (excess * columns).sum() / excess.sum()
    step = magnetogram_images.FRAME / 128
    assert (column - 63.5) * step == pytest.approx(SPOT[0], abs=2)
    assert (63.5 - row) * step == pytest.approx(SPOT[1], abs=2)
    assert image.max() == pytest.approx(0.5 + 200 / 512, abs=0.02)
    here = sunpy.map.Map(image[::-1, :, 0], header)
    x, y = here.world_to_pixel(SkyCoord(SPOT[0] * u.arcsec, SPOT[1] * u.arcsec, frame=here.coordinate_frame))
    assert (127 - y.value, x.value) == pytest.approx((row, column), abs=0.2)


def test_off_the_disk_is_zero_as_in_the_published_pictures(tmp_path):
    path = write_fits(tmp_path / "disk.fits", angle=0.0, rice=False)
    image = magnetogram_images.read(path, size=128).image
    assert image[:5].max() == 0
    assert image[64, 64, 0] == pytest.approx(0.5, abs=0.01)


def test_real_jpeg_2000(shared):
    path = shared / "jp2" / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2"
    magnetogram = magnetogram_images.read(path, size=512)
    image, header = magnetogram.image, magnetogram.header
    full = numpy.asarray(Image.open(path), "float32")
    assert image[100, 200, 0] == pytest.approx(full[800:808, 1600:1608].mean() / 255)
    assert header["CDELT1"] == pytest.approx(4.8)
    assert header["CRPIX1"] == 256.5
    here = sunpy.map.Map(image[::-1, :, 0], header)
    assert here.observatory == "SDO"
    # The limb, found in the picture, lies where the header says.
    bright = numpy.flatnonzero(image[256, :, 0] > 0.2)
    assert (bright[-1] - bright[0] + 1) / 2 * 4.8 == pytest.approx(here.rsun_obs.value, abs=8)


def test_real_jpg_has_the_same_geometry(shared):
    paths = magnetogram_images.scan(shared / "hmi_2026")
    assert len(paths) == 1177
    time, path = next(iter(paths.items()))
    assert time == numpy.datetime64("2026-02-01T00:00:00")
    magnetogram = magnetogram_images.read(path, size=256)
    image, header = magnetogram.image, magnetogram.header
    bright = numpy.flatnonzero(image[128, :, 0] > 0.2)
    assert (bright[-1] - bright[0] + 1) / 2 * header["CDELT1"] == pytest.approx(header["RSUN_OBS"], abs=12)


def test_file_names_tell_the_time_and_tai_is_not_utc():
    time_of = magnetogram_images.time_of
    assert time_of("HMI.m2026.02.01_07.00.00.jpg") == numpy.datetime64("2026-02-01T07:00:00")
    assert time_of("2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2") == numpy.datetime64("2022-08-02T10:47:53")
    assert time_of("hmi.M_720s.20140301_000000_TAI.1.magnetogram.fits") == numpy.datetime64("2014-02-28T23:59:25")
    assert time_of("hmi.m_45s.2011.06.07_06_33_00_TAI.magnetogram.fits") == numpy.datetime64("2011-06-07T06:32:26")
    assert time_of("HMI.m2026.02.31_07.00.00.jpg") is None
    assert time_of("notes.txt") is None


def test_refusals(tmp_path, shared):
    jp2 = (shared / "jp2" / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2").read_bytes()
    names = {
        "cut.jp2": (jp2[:-2], "truncated"),
        "page.jp2": (b"<html>not found</html>", "not a JPEG 2000"),
        "page.jpg": (b"<html>not found</html>", "cannot be read"),
        "text.txt": (b"", "not a magnetogram file"),
    }
    for name, (content, message) in names.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=message) as raised:
            magnetogram_images.read(tmp_path / name, size=64)
        assert name in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="no such image"):
        magnetogram_images.read(tmp_path / "none.jpg", size=64)
    Image.new("L", (64, 64), 9).save(tmp_path / "flat.jpg")
    with pytest.raises(UserError, match="same value"):
        magnetogram_images.read(tmp_path / "flat.jpg", size=64)
    with pytest.raises(UserError, match="never enlarged"):
        magnetogram_images.read(tmp_path / "flat.jpg", size=128)
    Image.new("L", (64, 32), 9).save(tmp_path / "wide.jpg")
    with pytest.raises(UserError, match="square"):
        magnetogram_images.read(tmp_path / "wide.jpg", size=32)
    sharp = shared / "fits" / "hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits"
    with pytest.raises(UserError, match="expected a full-disk image"):
        magnetogram_images.read(sharp, size=64)


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_truncated_fits_is_refused(tmp_path, kept):
    path = write_fits(tmp_path / "cut.fits", angle=0.0, rice=True)
    content = path.read_bytes()
    data = content.rstrip(b"\x00")
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"cut\.fits"):
        magnetogram_images.read(path, size=64)


def test_two_files_of_one_time_and_mixed_formats_are_refused(tmp_path):
    name = "HMI.m2026.02.01_07.00.00.jpg"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    with pytest.raises(UserError, match="same time"):
        magnetogram_images.scan(tmp_path)
    (tmp_path / "b" / name).rename(tmp_path / "b" / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2")
    with pytest.raises(UserError, match="several formats"):
        magnetogram_images.scan(tmp_path)


def test_headers_are_made_when_they_are_asked_for(shared, monkeypatch):
    def unexpected(*arguments, **keywords):
        raise AssertionError("a header was made though nobody asked for it")

    path = next(iter(magnetogram_images.scan(shared / "hmi_2026").values()))
    monkeypatch.setattr(magnetogram_images, "sky_header", unexpected)
    magnetogram = magnetogram_images.read(path, size=64)
    assert magnetogram.image.shape == (64, 64, 1)
    with pytest.raises(AssertionError):
        _ = magnetogram.header


def test_arrays_that_are_no_pictures_are_refused(tmp_path):
    name = "HMI.m2026.02.01_07.00.00.npy"
    for array, message in (
        (numpy.full((64, 64), 2.0), "values of 0 to 1"),
        (numpy.full((64, 64), numpy.nan), "values of 0 to 1"),
        (numpy.zeros((64, 64, 3)), r"shape \(height, width\)"),
        (numpy.array([{}, []], dtype=object), "holds pickled objects, which are refused"),
    ):
        numpy.save(tmp_path / name, array)
        with pytest.raises(UserError, match=message):
            magnetogram_images.read(tmp_path / name, size=32)
    numpy.save(tmp_path / name, numpy.eye(64, dtype="float32"))
    magnetogram = magnetogram_images.read(tmp_path / name, size=32)
    assert magnetogram.image.mean() == pytest.approx(1 / 64)
    assert magnetogram.header["CRPIX1"] == 16.5


def test_the_way_of_decoding_is_an_option_of_the_data_set(shared, tmp_path):
    (tmp_path / "flares.csv").write_text("start_time,goes_class\n2022-08-01 00:00:00,B1.0\n2022-08-04 00:00:00,B1.0\n")
    path = shared / "jp2" / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2"
    images = []
    for decoding in ("area", "reduced"):
        data = FullDiskMagnetograms(folder=str(shared / "jp2"), flares=(str(tmp_path / "flares.csv"),), decoding=decoding)
        images.append(data.read_image(path)["image"])
        numpy.testing.assert_array_equal(images[-1], magnetogram_images.read(path, size=256, decoding=decoding).image)
        assert data.describe()["data_options"]["decoding"] == decoding
        shift = 0.0 if decoding == "area" else 15 / 32
        assert data.image_header(path)["CRPIX1"] == pytest.approx(128.5 + shift)
    assert 0 < numpy.abs(images[0] - images[1]).mean() < 0.05


# Archives' own headers, and what is no magnetogram


def changed(path, **cards):
    """The file with other cards; None takes one away."""
    with fits.open(path) as hdus:
        gauss, header = hdus[1].data.copy(), hdus[1].header.copy()
    for card, value in cards.items():
        card = card.replace("__", "-")
        if value is None:
            header.remove(card, ignore_missing=True)
        else:
            header[card] = value
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(gauss, header)]).writeto(path, overwrite=True, checksum=True)
    return path


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CROTA2": "nan"}, r"gives no pointing \(CROTA2 = nan\)"),
        ({"CRVAL1": fits.card.UNDEFINED}, r"gives no pointing \(CRVAL1 is blank\)"),
        ({"CRPIX2": None}, r"gives no pointing \(CRPIX2 is missing\)"),
        ({"CDELT1": "text"}, r"gives no pointing \(CDELT1 = text\)"),
        ({"QUALITY": "0x80000000"}, "rejected by its QUALITY: no observable"),
        ({"QUALITY": 0x4000}, "rejected by its QUALITY: image stabilisation loop open"),
        ({"QUALITY": "nan"}, r"no QUALITY word \(QUALITY = nan\)"),
        ({"BUNIT": "DN/s"}, "expected a magnetogram in gauss, received values in DN/s"),
        ({"CONTENT": "CONTINUUM INTENSITY"}, "expected an SDO/HMI magnetogram, but its header gives CONTINUUM INTENSITY"),
        ({"TELESCOP": "SOHO", "INSTRUME": "MDI"}, "expected an SDO/HMI magnetogram, but its header gives SOHO MDI"),
        ({"WAVELNTH": 171}, "but its header gives 171"),
        ({"RSUN_OBS": "nan", "DSUN_OBS": None, "DATE__OBS": "MISSING"}, r"how large the Sun is \(RSUN_OBS = nan\)"),
    ],
)
def test_headers_that_cannot_be_used_are_one_line(tmp_path, cards, message):
    path = changed(write_fits(tmp_path / "hmi.m_720s.20140301_000125_TAI.magnetogram.fits", angle=0.0), **cards)
    with pytest.raises(UserError, match=message) as caught:
        magnetogram_images.read(path, size=64)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "cards",
    [
        {"QUALITY": 0x400},
        {"QUALITY": "0x00010000"},
        {"RSUN_OBS": "nan"},
        {"RSUN_OBS": None, "DSUN_OBS": None},
        {"HGLN_OBS": "nan", "DSUN_OBS": "nan", "CRLN_OBS": fits.card.UNDEFINED},
        {"DATE__OBS": "2016-12-31T23:59:60"},
        {"CRVAL1": "3.5", "BUNIT": "Mx/cm^2"},
    ],
)
def test_headers_that_only_lack_a_description_are_read(tmp_path, cards):
    path = write_fits(tmp_path / "hmi.m_720s.20140301_000125_TAI.magnetogram.fits", angle=20.0)
    expected = magnetogram_images.read(path, size=64)
    found = magnetogram_images.read(changed(path, **cards), size=64)
    assert numpy.abs(found.image - expected.image)[16:48, 16:48].max() < 1e-6
    assert numpy.mean(found.image != expected.image) < 0.06, "the limb, where the radius was found in another way"
    assert all(numpy.isfinite(value) for value in found.header.values() if isinstance(value, float))


def test_degrees_in_place_of_arcsec_as_sunpy_writes_them(tmp_path):
    path = write_fits(tmp_path / "hmi.m_720s.20140301_000125_TAI.magnetogram.fits", angle=20.0)
    expected = magnetogram_images.read(path, size=64).image
    source = sunpy.map.Map(str(path))
    target = source.wcs.deepcopy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of radii that differ in the last digit
        reprojected = source.reproject_to(target)
    saved = tmp_path / "saved" / path.name
    saved.parent.mkdir()
    reprojected.save(saved)
    _, header = fits_files.read(saved)
    assert header["CUNIT1"] == "deg"
    assert "RSUN_OBS" not in header
    found = magnetogram_images.read(saved, size=64).image
    assert numpy.abs(found - expected)[16:48, 16:48].max() < 2e-3


def test_missing_pixels_on_the_disk_are_refused_not_read_as_0_gauss(tmp_path):
    path = write_fits(tmp_path / "hmi.m_720s.20140301_000125_TAI.magnetogram.fits", angle=0.0)
    with fits.open(path) as hdus:
        gauss, header = hdus[1].data.copy(), hdus[1].header.copy()
    for lost, message in ((gauss.shape[0] // 2, "% of the disk is missing"), (3, None)):
        damaged = gauss.copy()
        damaged[:lost] = numpy.nan
        damaged[200, 200] = numpy.inf
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(damaged, header)]).writeto(path, overwrite=True)
        if message:
            with pytest.raises(UserError, match=message):
                magnetogram_images.read(path, size=64)
        else:
            assert 0 < magnetogram_images.read(path, size=64).image[32, 32, 0] < 1


def test_other_instruments_and_observables_are_refused_by_name(shared):
    folder = pathlib.Path(sunpy.data.test.rootdir)
    others = {
        folder / "2013_05_13__16_54_06_137__SOHO_LASCO_C3_white-light.jp2": "SOHO LASCO C3",
        folder / "2013_06_24__17_31_30_84__SDO_AIA_AIA_193.jp2": "SDO AIA_2 193",
        folder / "2023_01_31__03_39_23_200__SDO_HMI_HMI_continuum.jp2": "SDO HMI_FRONT2 CONTINUUM INTENSITY",
        folder / "2022_04_01__00_00_45__SOLO-EUI-FSI_EUI_FSI_174.jp2": "SOLO/EUI/FSI EUI FSI 174",
        folder / "resampled_hmi.fits": "SDO/HMI HMI_FRONT2 HMI CONTINUUM INTENSITY",
        folder / "aia_171_level1.fits": "SDO/AIA AIA_3 AIA 171",
        shared / "fits" / "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits": "SOHO MDI Full Disk 96m Magnetogram",
        shared / "fits" / "swap_lv1_20110607_063329.fits": "PROBA2 SWAP",
        shared / "fits" / "aia_synoptic_lev1.5_94_2014-06-06.fits": "SDO/AIA AIA_4 94",
    }
    for path, words in others.items():
        with pytest.raises(UserError, match="expected an SDO/HMI magnetogram, but its header gives") as caught:
            magnetogram_images.read(path, size=64)
        assert words in str(caught.value)


def test_where_nothing_says_what_it_is_the_user_is_told_once(tmp_path, capsys):
    for name in ("a.jpg", "b.jpg", "HMI.m2026.02.01_00.00.00.jpg"):
        Image.fromarray(numpy.arange(4096, dtype="uint8").reshape(64, 64)).save(tmp_path / name)
        magnetogram_images.read(tmp_path / name, size=64)
    said = capsys.readouterr().err
    assert said.count("neither its name nor its header gives what it is; it is taken for an HMI magnetogram") == 1
    assert str(tmp_path / "a.jpg") in said
    Image.fromarray(numpy.arange(4096, dtype="uint8").reshape(64, 64)).save(tmp_path / "AIA.171.2026.02.01_00.00.00.jpg")
    with pytest.raises(UserError, match=r"expected an SDO/HMI magnetogram, but its name is of AIA\.171"):
        magnetogram_images.read(tmp_path / "AIA.171.2026.02.01_00.00.00.jpg", size=64)


def test_names_of_the_vso_and_of_near_real_time():
    time_of = magnetogram_images.time_of
    assert time_of("hmi.M_720s_nrt.20250504_150000_TAI.1.magnetogram.fits") == numpy.datetime64("2025-05-04T14:59:23")
    assert time_of("hmi.M_720s_nrt.20250504_150000_TAI.fits") == numpy.datetime64("2025-05-04T14:59:23")
    assert time_of("hmi_m_45s_2011_06_07_06_33_00_tai_magnetogram.fits") == numpy.datetime64("2011-06-07T06:32:26")
    assert time_of("hmi.ic_45s.2011.06.07_06_33_00_TAI.continuum.fits") is None


def test_names_that_no_pattern_knows_are_counted_and_three_are_named(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("HMI.m2026.02.01_00.00.00.jpg", "a.fits", "b.fits", "c.fits", "d.fits", "conversion.json", "manifest.sqlite"):
        (folder / name).write_text("{}")
    for _ in range(2):
        assert len(magnetogram_images.scan(folder)) == 1
    said = capsys.readouterr().err
    assert said.count("4 files are left out, of names that fit no pattern (a.fits, b.fits, c.fits, ...)") == 1
