import numpy
import pytest
from PIL import Image

from dataset_models import augmentation, look
from dataset_models.images import solar_grid
from dataset_models.pictures import image_file, label_windows, samples
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from dataset_models.simulated.sun import SimulatedSun, image_header
from tools.errors import UserError

SCRIPT = "dataset_models/look.py"
SUN = ("dataset_models/simulated/sun.py", "--image_size", "16", "--days", "40", "--dependent_variable", "flare")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Three days of magnetograms, one region each, and flares that make labels of both kinds in training and validation."""
    folder = tmp_path_factory.mktemp("hmi")
    random = numpy.random.default_rng(0)
    for hour in range(72):
        time = numpy.datetime64("2026-02-01T00", "h") + hour
        text = str(time).replace("T", "_").replace("-", ".")
        grey = random.integers(100, 150, (32, 32)).astype("uint8")
        grey[:4] = 0
        Image.fromarray(grey).save(folder / f"HMI.m{text}.00.00.jpg", quality=95)
    flares = folder.parent / "flares.csv"
    starts = {"2026-01-31 00:00": "C1.0", "2026-02-01 12:30": "M1.5", "2026-02-03 12:30": "X1.0", "2026-02-05 00:00": "C2.0"}
    flares.write_text("start_time,goes_class\n" + "".join(f"{time},{name}\n" for time, name in starts.items()))
    return folder, flares


def data_of(tree, **given):
    folder, flares = tree
    return FullDiskMagnetograms(folder=str(folder), flares=(str(flares),), image_size=16, window_hours=6.0, **given)


def test_a_batch_shows_what_training_is_given(tree):
    data = data_of(tree)
    sampling = augmentation.EqualClasses(data.targets("training"), seed=3)
    found = samples.batch(data, "training", number=1, size=12, seed=3, sampling=sampling)
    assert found.changed.any()
    assert not found.changed.all()
    for index, time in enumerate(found.times):
        assert found.targets[index] == data.target(time)
        assert (found.inputs["image"][index] == data.inputs(time)["image"]).all() == (not found.changed[index])


def test_batches_in_the_order_of_time_and_their_end(tree):
    data = data_of(tree)
    count = len(data.times("validation"))
    last = samples.batch(data, "validation", number=(count - 1) // 5, size=5)
    assert last.times.tolist() == data.times("validation")[(count - 1) // 5 * 5 :].tolist()
    with pytest.raises(UserError, match=r"--batch 99: an epoch of the validation split has \d+ batches of 5"):
        samples.batch(data, "validation", number=99, size=5)


def test_the_script_draws_a_batch_a_sample_and_windows(tree, tmp_path, command):
    folder, flares = tree
    flags = ("dataset_models/SDO/HMI/full_disk.py", "--folder", folder, "--flares", flares, "--image_size", 16)
    flags += ("--window_hours", 6, "--out", tmp_path)
    for more, name, words in (
        (("--augment", "--count", 9), "full_disk_training_batch_0.png", "9 samples"),
        (("--windows",), "full_disk_windows.png", "image: +0 h; window: +0 h to +6 h"),
        (("--time", "2026-02-01T07:00"), "full_disk_2026-02-01T070000.png", "label 1, M1.5"),
    ):
        code, out, error = command(SCRIPT, *flags, *more)
        assert (code, error) == (0, "")
        assert out.startswith(f"{tmp_path / name}: {words}")
        assert (tmp_path / name).is_file()
    code, _, error = command(SCRIPT, *flags, "--time", "2026-02-01T07:10")
    assert (code, error.count("\n")) == (2, 1)
    assert "the nearest is 2026-02-01T07:00:00" in error


@pytest.mark.parametrize("more", [("--lag", "01hr", "--images", "2"), ("--dependent_variable", "log flux")])
def test_windows_of_flux_are_those_of_the_options(more, tmp_path, command):
    code, out, _ = command(SCRIPT, *SUN, *more, "--windows", "--out", tmp_path)
    assert code == 0
    asked = "image: +0 h; earlier image: -0.2 h; window: +1 h to +25 h" if more[0] == "--lag" else "window: +0 h to +24 h"
    assert asked in out


def test_rows_are_drawn_where_labels_change(tree, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(label_windows.figures, "save", lambda figure, path: drawn.append(figure))
    data = data_of(tree)
    label_windows.draw(tmp_path / "windows.png", data)
    labels = [text.get_text().split(",")[0] for text in drawn[0].axes[1].texts]
    assert {"label 0", "label 1"} == set(labels)
    times = [numpy.datetime64(text.get_text().replace(" ", "T")) for text in drawn[0].axes[1].get_yticklabels()]
    assert labels == [f"label {data.target(time):.0f}" for time in times]


def test_images_that_cannot_be_read_cost_no_others(tree, tmp_path, command):
    folder, _ = tree
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    good = min(folder.iterdir())
    code, out, error = command(SCRIPT, good, bad, "--out", tmp_path / "out")
    assert code == 4
    assert f"{good.name}.png: drawn at 32 x 32 pixels" in out
    assert f"left out: {bad}: cannot be read" in out
    assert error == "look.py: 1 of 2 images were left out\n"
    for wrong in (bad, tmp_path / "none.fits", "README.md"):
        code, _, error = command(SCRIPT, wrong, "--out", tmp_path / "other")
        assert (code, error.count("\n")) == (2, 1)
    assert not (tmp_path / "other").exists()


def test_a_data_set_and_images_are_not_mixed(tree, tmp_path, command):
    code, _, error = command(SCRIPT, SUN[0], min(tree[0].iterdir()), "--out", tmp_path)
    assert (code, error.count("\n")) == (2, 1)
    code, _, error = command(SCRIPT, *SUN[:5], "--augment", "--out", tmp_path)
    assert (code, error.count("\n")) == (2, 1)
    assert "--augment" in error


@pytest.mark.parametrize("angle", [0.0, 30.0, 180.0])
def test_fits_are_turned_north_up(angle, tmp_path):
    """A bright spot north-west comes to lie north-west, whatever way the camera stood."""
    from astropy.io import fits

    size, scale = 101, 24.0
    turn = numpy.radians(angle)
    x, y = 400.0, 600.0  # arcsec west and north of the spot
    column = 50 + (numpy.cos(turn) * x + numpy.sin(turn) * y) / scale
    row = 50 + (-numpy.sin(turn) * x + numpy.cos(turn) * y) / scale
    pixels = numpy.ones((size, size), "float32")
    pixels[round(row), round(column)] = 1000
    header = fits.Header()
    for axis, kind in ((1, "HPLN-TAN"), (2, "HPLT-TAN")):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"], header[f"CDELT{axis}"] = kind, "arcsec", scale
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = 51.0, 0.0
    header["CROTA2"], header["RSUN_OBS"], header["DATE-OBS"] = angle, 960.0, "2014-01-01T00:00:00"
    path = tmp_path / "turned.fits"
    fits.writeto(path, pixels, header)
    found = image_file.read(path)
    top, left = numpy.unravel_index(numpy.nanargmax(found.image), found.image.shape)
    assert top == pytest.approx(50 - y / scale, abs=1.1)
    assert left == pytest.approx(50 + x / scale, abs=1.1)


def test_the_dashed_meridians_lie_at_the_limb_of_the_studies():
    axes = look_axes()
    header = image_header(64, numpy.datetime64("2014-01-01"))
    solar_grid.draw(axes, header, limb=70.0)
    widest = [numpy.nanmax(numpy.abs(line.get_xdata())) for line in axes.lines if line.is_dashed()]
    assert len(widest) == 2
    assert widest == pytest.approx([header["RSUN_OBS"] * numpy.sin(numpy.radians(70))] * 2, rel=2e-3)


def look_axes():
    from tools import figures

    _, axes = figures.new()
    return axes


@pytest.mark.parametrize(
    ("file", "table", "disk"),
    [
        ("jp2/2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2", "gray", True),
        ("jp2/2021_01_06__00_01_41_13__SDO_AIA_AIA_304.jp2", "sdoaia304", True),
        ("fits/aia_synoptic_lev1.5_94_2014-06-06.fits", "sdoaia94", True),
        ("fits/mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits", "hmimag", True),
        ("fits/swap_lv1_20110607_063329.fits", "sdoaia171", True),
        ("fits/hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits", "hmimag", False),
    ],
)
def test_genuine_files_of_many_instruments(shared, file, table, disk):
    found = image_file.read(shared / file)
    assert (found.table, found.header is not None, found.simulated) == (table, disk, False)
    assert any(line.startswith("TELESCOP") for line in found.header_lines)
    if disk:  # corners are sky, the middle is not
        size = len(found.image)
        brightness = numpy.nan_to_num(numpy.abs(found.image - (0 if table == "hmimag" else found.image[2, 2])))
        assert brightness[size // 3 : -size // 3, size // 3 : -size // 3].mean() > 3 * brightness[:20, :20].mean()


def test_a_simulated_image_says_so(tmp_path):
    from dataset_models.simulated import archive

    sun = SimulatedSun(image_size=32, days=3)
    time = sun.image_times()[1]
    archive.write_aia_fits(tmp_path, sun.image(time), time)
    found = image_file.read(next(tmp_path.rglob("*_0171.fits")))
    assert found.simulated
    assert found.table == "sdoaia171"


def test_help_names_the_options_of_the_data_set(capsys):
    with pytest.raises(SystemExit):
        look.main([SUN[0], "--help"])
    assert "--cadence_minutes" in capsys.readouterr().out
