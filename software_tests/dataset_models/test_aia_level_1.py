"""AIA level 1: named, pointed, registered, calibrated; the same image as the synoptic frame of the same Sun."""

import numpy
import pytest
import scipy.special
from astropy import units
from astropy.io import fits
from astropy.table import QTable
from astropy.time import Time

from dataset_models.conversion import aia_to_cache
from dataset_models.SDO.AIA import aia_files, aia_images, level_1
from dataset_models.SDO.AIA.degradation import degradation
from dataset_models.SDO.AIA.fdl_1 import AIA8
from dataset_models.simulated import archive
from tools.errors import UserError

TIME = "2014-06-17T21:36:11"
SOURCES = (((600.0, 240.0), 900.0), ((-300.0, -500.0), 400.0))  # arcsec west and north, DN/s
SCALE, CENTRE, ANGLE, EXPOSURE = 0.599489, (2055.06, 2041.9), 0.42, 2.0


def rate(size, scale, centre, angle):
    """DN/s of a disk with two sources: float32 (size, size) in FITS order, `centre` counted from 1."""
    row, column = numpy.ogrid[:size, :size]
    x = (scale * (column + 1 - centre[0])).astype("float32")
    y = (scale * (row + 1 - centre[1])).astype("float32")
    turn = numpy.radians(angle).astype("float32")
    west, north = numpy.cos(turn) * x - numpy.sin(turn) * y, numpy.sin(turn) * x + numpy.cos(turn) * y
    result = 40 * scipy.special.expit((960 - numpy.hypot(west, north)) / 4)
    for (at_west, at_north), height in SOURCES:
        result += height * numpy.exp(-((west - at_west) ** 2 + (north - at_north) ** 2) / (2 * 25.0**2))
    return result


def write(path, pixels, *, scale=SCALE, centre=CENTRE, angle=ANGLE, channel=171, **cards):
    """A level 1 file as JSOC exports them: Rice in HDU 1, integers with BLANK."""
    header = fits.Header()
    header["TELESCOP"], header["INSTRUME"], header["LVL_NUM"] = "SDO/AIA", "AIA_3", 1.0
    header["WAVELNTH"], header["WAVEUNIT"], header["EXPTIME"], header["QUALITY"] = channel, "angstrom", EXPOSURE, 0
    header["DATE-OBS"], header["T_OBS"] = f"{TIME}.34", f"{TIME}.34Z"
    for axis in (1, 2):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = ("HPLN-TAN", "HPLT-TAN")[axis - 1], "arcsec"
        header[f"CDELT{axis}"], header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = scale, centre[axis - 1], 0.0
    header["CROTA2"], header["SAT_ROT"], header["INST_ROT"] = angle, 0.0, angle
    header["RSUN_OBS"], header["R_SUN"], header["DSUN_OBS"] = 945.0, 945.0 / scale, 1.5e11
    header["HGLN_OBS"], header["HGLT_OBS"], header["CRLN_OBS"], header["CRLT_OBS"] = 0.01, 1.2, 100.0, 1.2
    header["PIXLUNIT"] = "DN"
    header.update(cards)
    counts = numpy.rint(pixels * EXPOSURE).astype("int16")
    image = fits.CompImageHDU(counts, header, compression_type="RICE_1")
    image.header["BLANK"] = -32768
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, output_verify="silentfix")
    return path


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    name = "aia.lev1_euv_12s.2014-06-17T213611Z.171.image_lev1.fits"
    return write(tmp_path_factory.mktemp("level_1") / name, rate(4096, SCALE, CENTRE, ANGLE))


def positions(image):
    """(west, north) of the two sources in arcsec, in an image on the common grid."""
    size = len(image)
    step = 2457.6 / size
    row, column = numpy.ogrid[:size, :size]
    west, north = step * (column - (size - 1) / 2), step * ((size - 1) / 2 - row)
    found = []
    for (at_west, at_north), _ in SOURCES:
        weight = numpy.where(numpy.hypot(west - at_west, north - at_north) < 90, numpy.clip(image - 60, 0, None), 0) ** 2
        found.append(((weight * west).sum() / weight.sum(), (weight * north).sum() / weight.sum()))
    return numpy.array(found)


@pytest.mark.long
def test_level_1_is_registered_and_calibrated(observed):
    image = aia_images.prepare(observed, size=512)
    assert image.shape == (512, 512)
    assert image.dtype == numpy.float32
    numpy.testing.assert_allclose(positions(image), [place for place, _ in SOURCES], atol=0.3)  # a pixel is 4.8 arcsec
    left = degradation(171, numpy.datetime64(TIME))
    truth = aia_images.downsample(rate(1024, 2.4, (512.5, 512.5), 0.0)[::-1, :, None], 512)[..., 0] / left
    assert numpy.abs(image - truth).max() < 0.02 * truth.max()
    assert image.mean() == pytest.approx(truth.mean(), rel=2e-3)


@pytest.mark.long
def test_level_1_and_synoptic_of_one_sun_are_the_same_image(observed, tmp_path):
    synoptic = fits.Header({"LVL_NUM": 1.5, "WAVELNTH": 171, "EXPTIME": EXPOSURE, "QUALITY": 0, "CROTA2": 0.0})
    for axis in "12":
        synoptic[f"CDELT{axis}"], synoptic[f"CRPIX{axis}"], synoptic[f"CRVAL{axis}"] = 2.4, 512.5, 0.0
        synoptic[f"CUNIT{axis}"] = "arcsec"
    counts = numpy.rint(rate(1024, 2.4, (512.5, 512.5), 0.0) * EXPOSURE).astype("int16")
    path = tmp_path / "AIA20140617_2136_0171.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(counts, synoptic, compression_type="RICE_1")]).writeto(path)
    one, other = aia_images.prepare(observed, size=256), aia_images.prepare(path, size=256)
    assert numpy.abs(one - other).max() < 0.01 * other.max()
    renamed = tmp_path / "newest.fits"
    renamed.write_bytes(observed.read_bytes())
    numpy.testing.assert_array_equal(aia_images.prepare(renamed, size=256), one)  # the time is in the header as well


@pytest.mark.long
def test_a_pointing_table_replaces_the_pointing_of_the_header(tmp_path):
    path = write(
        tmp_path / "aia.lev1_euv_12s.2014-06-17T213611Z.171.image_lev1.fits",
        rate(4096, SCALE, CENTRE, ANGLE),
        centre=(2040.0, 2060.0),
        angle=0.0,
        scale=0.6,
        X0_MP=2100.0,
        Y0_MP=2000.0,  # whatever the header says of an earlier table
    )
    wrong = positions(aia_images.prepare(path, size=512))
    assert numpy.abs(wrong - [place for place, _ in SOURCES]).max() > 5
    table = QTable(
        {
            "T_START": Time(["2014-06-17T18:00:00", "2014-06-17T21:00:00"]),
            "T_STOP": Time(["2014-06-17T21:00:00", "2014-06-18T00:00:00"]),
            "A_171_X0": [0.0, CENTRE[0] - 1] * units.pix,
            "A_171_Y0": [0.0, CENTRE[1] - 1] * units.pix,
            "A_171_IMSCALE": [0.6, SCALE] * units.arcsec / units.pix,
            "A_171_INSTROT": [0.0, ANGLE] * units.deg,
        }
    )
    table.write(tmp_path / "pointing.ecsv", format="ascii.ecsv")
    right = positions(aia_images.prepare(path, size=512, pointing_table=tmp_path / "pointing.ecsv"))
    numpy.testing.assert_allclose(right, [place for place, _ in SOURCES], atol=0.3)
    table[:1].write(tmp_path / "earlier.ecsv", format="ascii.ecsv")
    with pytest.raises(UserError, match=r"earlier\.ecsv: has no pointing for the time"):
        aia_images.prepare(path, size=512, pointing_table=tmp_path / "earlier.ecsv")
    (tmp_path / "text.ecsv").write_text("T_START\n")
    with pytest.raises(UserError, match=r"text\.ecsv: cannot be read as a pointing table"):
        aia_images.prepare(path, size=512, pointing_table=tmp_path / "text.ecsv")


def test_what_cannot_be_registered_is_refused(tmp_path):
    small = numpy.zeros((64, 64), "float32")
    with pytest.raises(UserError, match="expected a level 1 image of 4096 x 4096 pixels, received 64 x 64"):
        level_1.register(small, fits.Header(), path="small.fits")
    assert level_1.is_level_1({"LVL_NUM": 1.0})
    assert not level_1.is_level_1({"LVL_NUM": 1.5})
    assert not level_1.is_level_1({})
    path = write(tmp_path / "other.fits", numpy.arange(4096.0).reshape(64, 64), channel=1700)
    with pytest.raises(UserError, match="expected one of the channels 94, 131"):
        aia_images.prepare(path, size=64)


def names(second, channels=aia_files.CHANNELS):
    """Level 1 files around a second of a minute, each channel some seconds after it, as the instrument takes them."""
    for place, channel in enumerate(channels):
        series = "uv_24s" if channel == 1600 else "euv_12s"
        yield f"aia.lev1_{series}.2014-06-17T2136{second + place:02}Z.{channel}.image_lev1.fits"


def test_channels_of_one_moment_make_a_frame(tmp_path):
    for second in (0, 12, 24):
        for name in names(second):
            (tmp_path / name).touch()
    (tmp_path / "AIA20140617_2100_0171.fits").touch()
    synoptic, *frames = aia_files.find_frames(tmp_path)
    assert synoptic.channels == (171,)
    assert [str(frame.time)[-2:] for frame in frames] == ["02", "14", "26"]
    assert all(frame.is_complete for frame in frames)
    assert [path.name for path in frames[1].paths][:3] == list(names(12))[:3]
    # 335 and 1600 come 4 and 5 s after 171; nearest to :14 are :18 and :19
    assert [path.name for path in frames[1].paths][6:] == list(names(12))[6:]
    again = aia_files.frame_of(frames[1].paths[2])
    assert again == frames[1]
    late = aia_files.frame_of(frames[2].paths[0])
    assert late.time == numpy.datetime64("2014-06-17T21:36:24")
    assert late.is_complete
    for path in tmp_path.glob("*.94.image_lev1.fits"):
        path.unlink()
    assert not aia_files.find_frames(tmp_path)[1].is_complete


@pytest.mark.long
def test_conversion_to_the_cache_is_what_training_reads(tmp_path, capsys):
    image = numpy.random.default_rng(0).uniform(10, 500, (1024, 1024, 8)).astype("float32")
    for minute in (0, 12, 24):
        archive.write_aia_fits(tmp_path / "aia", image + minute, numpy.datetime64("2012-03-01T00:00:00") + 60 * minute)
    next(iter(tmp_path.rglob("*_0012_0094.fits"))).write_bytes(b"<html>")
    next(iter(tmp_path.rglob("*_0024_1600.fits"))).unlink()
    arguments = ["--folder", str(tmp_path / "aia"), "--cache", str(tmp_path / "cache"), "--image_size", "32"]
    aia_to_cache.main(arguments)
    printed = capsys.readouterr().out
    assert "frames: 1 usable, 1 channels are missing, 1 damaged or flagged" in printed
    assert "rejected" in printed
    assert "_0012_0094.fits" in printed
    assert len(list(tmp_path.rglob("contact_sheet.png"))) == 1
    data = AIA8(folder=str(tmp_path / "aia"), cache=str(tmp_path / "cache"), image_size=32)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    read = data.image(numpy.datetime64("2012-03-01T00:00:00"))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == before
    numpy.testing.assert_allclose(read, aia_images.downsample(image, 32), rtol=0.02)
    with pytest.raises(UserError, match="holds no AIA files"):
        aia_to_cache.main(["--folder", str(tmp_path / "none")])


def test_the_script_refuses_in_one_line(tmp_path, command):
    done = command(aia_to_cache.__file__, "--folder", tmp_path, "--image_size", "100")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "divides 1024" in done.err
