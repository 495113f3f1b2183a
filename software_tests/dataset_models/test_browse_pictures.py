"""Browse pictures of SDO/AIA: names, colours undone, disk found, channels matched, bad ones left out."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from dataset_models.images import colour_tables, disk, file_names
from dataset_models.images.geometry import FRAME
from dataset_models.SDO.AIA import browse_pictures
from dataset_models.SDO.AIA.browse_pictures import BrowsePictures, time_of, wavelength_of
from dataset_models.simulated import archive as simulated_archive
from dataset_models.simulated.rendering import AIA_CHANNELS, LIMB, Renderer
from dataset_models.simulated.sun import SimulatedSun
from tools.errors import UserError

CORONA = "193"


def grey_sun(size=256, *, row=127.5, column=127.5, radius=100.0, wavelength="304", seed=0):
    """Draw grey levels as of a Sun: at 304 a bright disk that ends at its limb, otherwise a darker one in a fading corona."""
    rows, columns = numpy.indices((size, size))
    away = numpy.hypot(rows - row, columns - column) / radius
    texture = numpy.random.default_rng(seed).normal(0, 4, (size, size))
    inside = 140 if wavelength == "304" else 80
    outside = 60 * numpy.exp(-(away - 1) * 12) if wavelength == "304" else 170 * numpy.exp(-(away - 1) * 8)
    grey = numpy.where(away < 1, inside + texture, outside)
    spot = numpy.hypot(rows - (row - 0.4 * radius), columns - (column + 0.5 * radius)) < 0.06 * radius
    return numpy.clip(numpy.where(spot, 240, grey), 0, 255)


def picture(path, grey, *, wavelength="304", table=None, caption=True, quality=90):
    """Write grey levels as a browse picture: in the instrument's colours, with a caption, as JPEG or PNG."""
    colours = colour_tables.table(f"sdoaia{table or wavelength}")[grey.round().astype(int)].astype("uint8")
    image = Image.fromarray(colours)
    if caption:
        ImageDraw.Draw(image).text((5, round(0.955 * len(grey))), f"SDO/AIA {wavelength} 2011-06-07", fill=(255, 255, 255))
    path.parent.mkdir(exist_ok=True, parents=True)
    image.save(path, **({} if path.suffix == ".png" else {"quality": quality}))
    return path


@pytest.mark.parametrize(
    ("name", "wavelength"),
    [
        ("20110607_063308_512_0304.jpg", "304"),
        ("20110607_063308_4096_4500.jpg", "4500"),
        ("20110607_063308_SDO_AIA_193_512.jpg", "193"),
        ("2011_06_07__06_33_08_120__SDO_AIA_AIA_94.jpg", "94"),
        ("2011_06_07_06_33_08_AIA_171.png", "171"),
        ("2011_06_07_06_33_08_AIA_304__.JPEG", "304"),
    ],
)
def test_names_tell_time_and_channel(name, wavelength):
    assert str(time_of(f"folder/{name}")) == "2011-06-07T06:33:08"
    assert wavelength_of(f"folder/{name}") == wavelength


@pytest.mark.parametrize(
    "name",
    ["20110607_063308_512_HMIB.jpg", "20110607_063308_512_0305.jpg", "latest_512_0304.jpg", "20110607_063308_512_0304.fits"],
)
def test_other_names_are_of_no_channel(name):
    assert wavelength_of(name) is None


@given(st.text(alphabet="0123456789_.AISDOjpg", max_size=40))
def test_any_name_has_a_time_or_none(name):
    time = time_of(name)
    assert time is None or numpy.datetime64("0001-01-01") <= time < numpy.datetime64("9999-12-31T23:59:59")


@pytest.mark.parametrize("wavelength", browse_pictures.WAVELENGTHS)
def test_colours_are_undone_to_the_grey_they_came_from(tmp_path, wavelength):
    grey = numpy.repeat(numpy.linspace(20, 235, 64)[None], 64, axis=0)
    path = picture(tmp_path / "ramp.png", grey, wavelength=wavelength, caption=False)
    undone = colour_tables.to_grey(numpy.asarray(Image.open(path)), f"sdoaia{wavelength}", path)
    assert numpy.abs(undone - grey.round()).max() <= 1.5
    jpeg = picture(tmp_path / "ramp.jpg", grey, wavelength=wavelength, caption=False)
    with Image.open(jpeg) as image:
        undone = colour_tables.to_grey(numpy.asarray(image), f"sdoaia{wavelength}", jpeg)
    assert numpy.sqrt(numpy.mean((undone - grey) ** 2)) < 3


@pytest.mark.parametrize("wavelength", ["304", CORONA])
@pytest.mark.parametrize(("row", "column", "radius"), [(127.5, 127.5, 100.0), (121.3, 133.9, 88.4), (130.0, 124.2, 111.0)])
def test_the_disk_is_found_wherever_it_is(wavelength, row, column, radius):
    grey = grey_sun(row=row, column=column, radius=radius, wavelength=wavelength)
    found = disk.find(grey, "sun.jpg", edge=-1 if wavelength == "304" else 1)
    numpy.testing.assert_allclose(found[:3], (row, column, radius), atol=0.6)
    registered = disk.registered(grey, found, 64)
    expected = disk.registered(grey_sun(), disk.Disk(127.5, 127.5, 100.0, 1.0), 64)
    if wavelength == "304":
        assert numpy.corrcoef(registered.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: picture(path, grey_sun(), table="171"), "its colours are not those of sdoaia304 but those of sdoaia171"),
        (lambda path: picture(path, grey_sun(column=30.0)), "cut off|no whole disk"),
        (lambda path: picture(path, grey_sun(radius=125.0, row=120)), "cut off|no whole disk"),
        (lambda path: picture(path, numpy.zeros((256, 256)), caption=False), "is dark everywhere"),
        (lambda path: picture(path, numpy.random.default_rng(1).uniform(60, 190, (256, 256))), "no whole disk"),
        (lambda path: picture(path, grey_sun()[:200]), "expected a square picture"),
        (lambda path: picture(path, grey_sun(40, row=20, column=20, radius=15)), "expected a square picture of 64 pixels"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 cut short"), "cannot be read"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_in_a_line(tmp_path, make, words):
    path = tmp_path / "20110607_063308_512_0304.jpg"
    make(path)
    with pytest.raises(UserError, match=words) as refused:
        browse_pictures.read(path, size=64)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_captions_are_masked_and_pictures_without_one_are_told(tmp_path):
    image, _, captioned = browse_pictures.read(picture(tmp_path / "20110607_063308_512_0304.png", grey_sun()), size=64)
    bare, _, none = browse_pictures.read(picture(tmp_path / "20110607_063309_512_0304.png", grey_sun(), caption=False), size=64)
    assert (captioned, none) == (True, False)
    numpy.testing.assert_array_equal(image, bare)


@pytest.fixture
def archive(tmp_path):
    """Four days of pictures at 304 and, two to forty minutes later, at 193; and a flare list."""
    for day in range(1, 5):
        for hour in (0, 8, 16):
            clock = f"201106{day:02d}_{hour:02d}"
            picture(
                tmp_path / "304" / f"{clock}0008_512_0304.jpg", grey_sun(64, row=31.5, column=31.5, radius=25, seed=day * hour)
            )
            late = 40 if (day, hour) == (2, 8) else 2
            corona = grey_sun(64, row=31.5, column=31.5, radius=25, wavelength=CORONA, seed=day + hour)
            path = tmp_path / "193" / f"{clock}{late:02d}08_SDO_AIA_193_512.jpg"
            picture(path, corona, wavelength=CORONA, caption=(day, hour) != (1, 0))
    (tmp_path / "193" / "20110604_160208_SDO_AIA_193_512.jpg").write_bytes(b"no picture")
    (tmp_path / "193" / "index.png").write_bytes(b"of an unknown name")
    rows = ["2011-05-20 00:00,C1.0", "2011-06-02 12:00,M2.5", "2011-06-20 00:00,C1.0"]
    (tmp_path / "flares.csv").write_text("\n".join(["start_time,goes_class", *rows]))
    return tmp_path


@pytest.mark.long
def test_channels_are_matched_in_time_and_what_is_left_out_is_counted(archive, capsys):
    options = {"folder": str(archive), "flares": (str(archive / "flares.csv"),), "image_size": 32, "window_hours": 8.0}
    data = BrowsePictures(**options, wavelengths=("304", "193"), cache=str(archive / "cache"), validation_start="2011-06-04")
    assert data.is_downloaded().found == 24
    training, validation = data.times("training"), data.times("validation")
    assert (len(training), len(validation)) == (7, 2)
    assert str(training[0]) == "2011-06-01T00:02:08", "the time of the later picture"
    assert data.left_out == {
        "304 cannot be used": 0,
        "193 cannot be used": 1,
        "304 without others in time": 2,
        "193 without others in time": 1,
    }
    assert data.without_caption == 1
    assert data.describe()["pictures_without_caption"] == 1
    said = capsys.readouterr().err
    assert "1 of 12 pictures of AIA 193 cannot be used and are left out" in said
    assert "1 file is left out, of names that fit no pattern (index.png)" in said
    assert training[data.targets("training") == 1].size == 0, "the picture before the flare has no partner"
    image = data.inputs(training[0])["image"]
    assert image.shape == (32, 32, 2)
    assert image[16, 16, 0] > image[16, 16, 1], "304 first"
    assert data.image_files[training[0]] == archive / "193" / "20110601_000208_SDO_AIA_193_512.jpg"
    numpy.testing.assert_array_equal(image, data.read_image(data.image_files[training[0]])["image"])
    alone = BrowsePictures(**options, cache=str(archive / "cache"), target_kind="log flux", validation_start="2011-06-04")
    assert str(alone.times("training")[0]) == "2011-06-01T00:00:08"
    before = numpy.datetime64("2011-06-02T08:00:08")
    assert alone.target(before) == pytest.approx(numpy.log10(2.5e-5))
    header = alone.header(before)
    assert header["RSUN_OBS"] / header["CDELT1"] == pytest.approx(16 / disk.HALF_WIDTH)


def test_a_forecast_of_one_picture_sees_none_after_it_and_none_that_is_damaged(tmp_path):
    def drawn(clock, **options):
        grey = grey_sun(64, row=31.5, column=31.5, radius=25, wavelength=CORONA, **options)
        return picture(tmp_path / f"20110601_{clock}_512_0193.jpg", grey, wavelength=CORONA)

    path = picture(tmp_path / "20110601_001000_512_0304.jpg", grey_sun(64, row=31.5, column=31.5, radius=25))
    before = drawn("000200", seed=1)
    (tmp_path / "20110601_000900_512_0193.jpg").write_bytes(b"no picture")
    drawn("001100", seed=2)
    data = BrowsePictures(folder=str(tmp_path), wavelengths=("304", CORONA), image_size=32)
    image = data.read_image(path)["image"]
    numpy.testing.assert_array_equal(image[..., 1], browse_pictures.read(before, size=32)[0])
    before.unlink()
    alone = BrowsePictures(folder=str(tmp_path), wavelengths=("304", CORONA), image_size=32)
    with pytest.raises(UserError, match=r"0304\.jpg: .* a usable picture of AIA 193 of the 12 minutes before it, which"):
        alone.read_image(path)


def test_simulated_pictures_are_read_as_simulated_with_their_disk_in_place(tmp_path):
    sun = SimulatedSun(image_size=64, channel_set="aia", start="2014-01-01", days=1)
    written = simulated_archive.write_archive(tmp_path, sun, products=("browse", "flares"), aia_size=512)
    assert written["browse"] == 1
    path = tmp_path / "aia_browse" / "2014" / "01" / "01" / "20140101_000000_512_0304.jpg"
    image, found, captioned = browse_pictures.read(path, size=128)
    assert (found.row, found.column) == pytest.approx((255.5, 255.5), abs=0.5)
    assert found.radius == pytest.approx(LIMB / FRAME * 512, rel=0.015)
    assert not captioned
    data = BrowsePictures(
        folder=str(tmp_path / "aia_browse"), flares=(str(tmp_path / "flares.csv"),), cache=str(tmp_path / "cache")
    )  # fmt: skip
    assert data.simulated
    # A region that is brighter in intensity is brighter in the picture.
    time = numpy.datetime64("2014-01-01", "s")
    truth = Renderer(512, sun.sun_seed).aia(sun.regions(time), time)[..., AIA_CHANNELS.index("304")]
    row, column = numpy.unravel_index(numpy.argmax(truth), truth.shape)
    half_width = found.radius / 1.015 * disk.HALF_WIDTH
    place = [round(64 + (value - 255.5) / half_width * 64) for value in (row, column)]
    assert image[place[0] - 2 : place[0] + 3, place[1] - 2 : place[1] + 3].max() > 1.5 * numpy.median(image[image > 0.1])


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(UserError, match="--wavelengths: give one or several, each once; received 304 304"):
        BrowsePictures(wavelengths=("304", "304"))


def test_two_pictures_of_one_time_are_refused(tmp_path):
    for name in ("20110607_063308_512_0304.jpg", "20110607_063308_1024_0304.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="has the same time as"):
        BrowsePictures(folder=str(tmp_path)).is_downloaded()


def test_impossible_days_are_no_time():
    assert file_names.time_in("20110231_063308_512_0304.jpg", *browse_pictures.NAMES) is None


@pytest.mark.parametrize(("wavelength", "limb"), [("304", 1.015), ("193", 1.005)])
def test_genuine_pictures_have_their_disk_where_the_ephemeris_has_it(shared, wavelength, limb):
    """SDO's browse pictures have 4.8 arcsec per pixel, the Sun in the middle."""
    from sunpy.coordinates import sun

    files = sorted((shared / "aia_browse" / f"AIA_{wavelength}").glob("*.jpg"))
    for path in files[:: len(files) // 4]:
        image, found, captioned = browse_pictures.read(path, size=128)
        expected = sun.angular_radius(str(time_of(path))).to_value("arcsec") / 4.8 * limb
        assert found.radius == pytest.approx(expected, abs=0.6), path.name
        assert (found.row, found.column) == pytest.approx((255.5, 255.5), abs=1.6), path.name
        assert captioned, path.name
        assert image.shape == (128, 128)
        assert 0 <= image.min() < 0.02 < 0.2 < image[40:88, 40:88].mean() < 0.9
