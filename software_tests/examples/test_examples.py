"""The examples work as the README says."""

import importlib.util
import json
import pathlib
import shutil

import numpy
import pytest
import sunpy.map
from PIL import Image

from dataset_models import goes_xrs
from dataset_models.solar_data import load_solar_data
from science.operational_forecast import chain
from tools import modules
from tools.errors import UserError

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def test_a_real_swap_image_through_the_example_data_set(shared, tmp_path):
    file = shared / "fits" / "swap_lv1_20110607_063329.fits"
    shutil.copy(file, tmp_path)
    goes_xrs.import_file(tmp_path / "xrs.sqlite", shared / "xrs" / "go1520110607.fits")
    data_class = load_solar_data(EXAMPLES / "swap_174.py")
    data = data_class(folder=str(tmp_path), goes=str(tmp_path / "xrs.sqlite"), catch="36min", validation_fraction=0.0)
    assert data.is_downloaded()
    (time,) = data.times("training")
    assert time == numpy.datetime64("2011-06-07T06:33:29")
    # The M2.5 of that day peaks eight minutes after the image.
    assert 10 ** data.target(time) == pytest.approx(2.54e-5, rel=0.01)
    image = data.read_image(file)["image"]
    assert image.shape == data.input_shapes["image"] == (256, 256, 1)
    there = sunpy.map.Map(image[::-1, :, 0], data.image_header(file))
    assert data.header(time).tostring() == data.image_header(file).tostring()
    original = sunpy.map.Map(file)
    corner = there.pixel_to_world(*(numpy.array([-0.5, -0.5]) * there.dimensions[0].unit))
    assert corner.separation(original.bottom_left_coord).arcsec < 2 * original.scale.axis1.value
    assert there.data.mean() == pytest.approx(original.data.mean(), rel=1e-5)
    with pytest.raises(UserError, match="expected a SWAP image"):
        other = tmp_path / "swap_lv1_20150101_000000.fits"
        shutil.copy(shared / "fits" / "aia_171_cutout.fits", other)
        data.read_image(other)


def _gong_picture(path, *, size=430, radius=190.0, spot=(120, 260)):
    """Draw a picture as GONG's: a grey disk in the middle of a black sky, and a pair of spots of both polarities."""
    row, column = numpy.indices((size, size)) - (size - 1) / 2
    grey = numpy.where(numpy.hypot(row, column) < radius, 128, 0).astype("uint8")
    grey[spot[0] : spot[0] + 8, spot[1] : spot[1] + 16] = numpy.repeat([255, 0], 8)
    Image.fromarray(grey).save(path)


def test_gong_pictures_through_the_example_data_set(tmp_path, capsys):
    folder = tmp_path / "gong"
    folder.mkdir()
    for day in range(1, 9):
        for hour in (0, 12):
            _gong_picture(folder / f"tdzqa2402{day:02d}t{hour:02d}04.png")
    _gong_picture(folder / "preview.png")
    rows = [
        "2024-01-25 00:00,C1.0,,",
        "2024-02-02 12:04,M1.2,20,-10",
        "2024-02-04 01:00,X1.1,-30,15",
        "2024-02-12 00:00,C1.0,,",
    ]
    (tmp_path / "flares.csv").write_text("\n".join(["start_time,goes_class,fl_lon,fl_lat", *rows]))
    options = {"folder": str(folder), "flares": (str(tmp_path / "flares.csv"),), "image_size": 43}
    data_class = load_solar_data(EXAMPLES / "gong_png.py")
    data = data_class(**options, validation_start="2024-02-06T00:00")
    assert data.is_downloaded().found == 16
    assert "1 file is left out, of names that fit no pattern (preview.png)" in capsys.readouterr().err
    training, validation = data.times("training"), data.times("validation")
    # A day before validation belongs to neither; the flare that starts with an image is of the windows before it alone.
    assert [str(training[0]), str(training[-1]), str(validation[0])] == [
        "2024-02-01T00:04:00",
        "2024-02-04T12:04:00",
        "2024-02-06T00:04:00",
    ]
    flaring = training[data.targets("training") == 1]
    assert [str(time)[:16] for time in flaring] == ["2024-02-02T00:04", "2024-02-03T12:04", "2024-02-04T00:04"]
    time = numpy.datetime64("2024-02-03T12:04:00")
    assert data.metadata(time) == {"flux": 1.1e-4, "class": "X1.1", "flare": 1}
    assert data.places(time) == (("X1.1", -30.0, 15.0),)
    header = data.header(time)
    assert header["RSUN_OBS"] / header["CDELT1"] == pytest.approx(19, abs=1), "the disk is as large as the header says"
    magnitude, place = data.flare_marks("training")[list(training).index(time), 0]
    assert magnitude == pytest.approx(numpy.log10(110))
    assert (place // 43 < 21, place % 43 < 21) == (True, True), "north and east"
    image = data.inputs(time)["image"]
    assert image.shape == data.input_shapes["image"] == (43, 43, 1)
    # Means over 10 x 10 pixels: 64 white, 16 black and 20 grey ones, and beside them 48 black and 52 grey ones.
    numpy.testing.assert_allclose(image[12, 26:28, 0] * 255, [188.8, 66.56], rtol=1e-5)
    with pytest.raises(UserError, match="images are in training and in validation"):
        data.check_leaks()  # every picture is the same
    with pytest.raises(UserError, match="--split random: neighbouring hours are nearly the same image"):
        data_class(**options, split="random").times("training")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("cut", r"cannot be read .*damaged or truncated"),
        ("oblong", "expected a magnetogram, square and of 43 pixels or more"),
        ("small", "expected a magnetogram, square and of 43 pixels or more"),
        ("blank", "expected a magnetogram"),
        ("jpeg", "cannot be read"),
    ],
)
def test_a_gong_picture_that_is_none_is_refused_in_a_line(tmp_path, damage, words):
    path = tmp_path / "tdzqa240201t0004.png"
    _gong_picture(path)
    with Image.open(path) as picture:
        picture.load()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    elif damage == "oblong":
        picture.crop((0, 0, 430, 300)).save(path)
    elif damage == "small":
        picture.resize((40, 40)).save(path)
    elif damage == "blank":
        Image.new("L", (430, 430), 128).save(path)
    else:
        picture.save(path, format="JPEG")
    data = load_solar_data(EXAMPLES / "gong_png.py")(folder=str(tmp_path), image_size=43)
    with pytest.raises(UserError, match=words) as refused:
        data.read_image(path)
    assert str(path) in str(refused.value)


def _demo():
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_demonstration_writes_to_a_folder_beside_the_user(tmp_path, monkeypatch):
    module, calls = _demo(), []

    def run(script, *arguments):
        calls.append((script, *arguments))
        return json.dumps({"run_folder": str(tmp_path / "here" / "run")})

    monkeypatch.setattr(module, "run_script", run)
    monkeypatch.chdir(tmp_path)
    module.main(["--out", "here"])
    assert calls[0][1:] == ("--out", str(tmp_path / "here"))
    calls.clear()
    module.main([])
    assert len(calls[0]) == 1


def test_pictures_of_pages_are_copied_all_or_none(tmp_path):
    module, run, pages = _demo(), tmp_path / "run", tmp_path / "pages"
    pages.mkdir()
    for number, pattern in enumerate(module.SHOWN.values()):
        path = run / pattern.replace("*", "2014")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]))
    module.copy_pictures(run, pages)
    assert {path.stem: path.read_bytes() for path in pages.iterdir()} == {
        name: bytes([number]) for number, name in enumerate(module.SHOWN)
    }
    assert set(module.SHOWN) <= {path.stem for path in (EXAMPLES / "pictures").glob("*.png")}
    for picture in pages.iterdir():
        picture.unlink()
    (run / "maps" / "2015_saliency_image_94.png").touch()
    with pytest.raises(UserError, match=r"expected one picture maps/.*, found 2"):
        module.copy_pictures(run, pages)
    assert not list(pages.iterdir())


PICTURES = ("performance/loss_curve.png", "maps/*.png", "maps/*.fits", "features/*.png", "embeddings/embedding.png")


@pytest.mark.long
def test_a_short_demonstration_leaves_a_picture_of_every_tool(tmp_path, monkeypatch, capsys):
    """As `make demo`, of magnetograms of a smaller Sun, its scripts in this process."""
    module = _demo()

    def run_script(script, *arguments):
        modules.load(module.PROJECT / script).main(list(arguments))
        return capsys.readouterr().out.strip().splitlines()[-1]

    monkeypatch.setattr(module, "run_script", run_script)
    data = ["--image_size", "32", "--days", "60", "--channel_set", "hmi"]
    pools = [f"--pool_{number}_{part}={4 // number}" for number in (1, 2) for part in ("width", "height", "stride")]
    folder = module.demo(tmp_path, data=data, training=["--epochs", "1", *pools])
    for pattern in PICTURES:
        assert list(folder.glob(pattern)), pattern
    assert f"Everything is in {folder}" in capsys.readouterr().out
    assert "simulated: true" in (folder / "settings.yml").read_text()


@pytest.mark.slow
def test_the_demonstration_leaves_a_picture_of_every_tool(tmp_path):
    folder = _demo().demo(tmp_path)
    for pattern in PICTURES:
        assert list(folder.glob(pattern)), pattern
    scores = json.loads((folder / "performance" / "scores.json").read_text())
    assert scores["skill_climatology"] > 0.5
    assert scores["skill_persistence"] > 0.5


@pytest.mark.slow
def test_the_operational_example_ends_with_its_page(tmp_path):
    example = modules.load(EXAMPLES / "operational" / "simulated.py")
    page = example.forecast(tmp_path, training=("--epochs", "1"))
    assert (page / "index.html").is_file()
    text = (page / "index.html").read_text()
    assert "SIMULATED" in text
    records = chain.current(chain.read(tmp_path / "forecasts.jsonl"))
    assert records[-1].forecast.issued == numpy.datetime64("2014-01-14T18:00:00")
    assert records[-1].basis == ("image", "history")
    assert f"{records[-1].map}.png" in text
    assert (tmp_path / "maps" / f"{records[-1].map}.fits").is_file()
    assert (tmp_path / "scores" / "scores.csv").is_file()
