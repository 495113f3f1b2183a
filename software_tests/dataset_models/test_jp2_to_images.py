"""JPEG 2000 -> the tree of pictures: names, pixels, pointing, going on after an interruption, and no mixing."""

import functools
import importlib.util
import json
import pathlib
import subprocess
import sys
import time

import numpy
import pytest
from PIL import Image

from dataset_models.conversion import contact_sheet, jp2_to_images
from dataset_models.conversion.jp2_to_images import Recipe, convert
from dataset_models.images import jpeg2000, picture_tree
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from tools.errors import UserError


def beside(name):
    """Load a file of helpers that lies beside the tests."""
    spec = importlib.util.spec_from_file_location(pathlib.Path(name).name, pathlib.Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


files = beside("jpeg2000_files")
dask_cluster = beside("../dask_cluster")


def magnetograms(folder, hours, size=256, **options):
    """Files named as Helioviewer's, one per hour of 2026-02-01."""
    return [
        files.write(
            folder / f"2026_02_01__{hour:02}_00_12_700__SDO_HMI_HMI_magnetogram.jp2",
            size,
            time=f"2026-02-01T{hour:02}:00:12.700",
            **options,
        )
        for hour in hours
    ]


@pytest.mark.parametrize("mode", jpeg2000.MODES)
@pytest.mark.parametrize("format", jp2_to_images.FORMATS)
def test_pictures_are_read_with_their_pointing(tmp_path, mode, format):
    (source,) = magnetograms(tmp_path / "jp2", [7], size=512)
    recipe = Recipe(mode=mode, size=128, format=format)
    outcome = convert([source], tmp_path / "out", recipe)
    path = tmp_path / "out/2026/02/01" / f"HMI.m2026.02.01_07.00.12.{format}"
    assert outcome.converted == [path]
    assert list(magnetogram_images.scan(tmp_path / "out").values()) == [path]
    direct = jpeg2000.decode(jpeg2000.read(source), size=128, mode=mode)
    for size in (128, 64):
        magnetogram = magnetogram_images.read(path, size=size)
        wanted = files.expected(magnetogram.header, size)
        assert files.centroid(magnetogram.image[..., 0]) == pytest.approx(wanted, abs=0.02 if format == "jpg" else 0.01)
        assert magnetogram.header["RSUN_OBS"] == 945.4
    error = 255 * magnetogram_images.read(path, size=128).image[..., 0] - direct.grey
    assert numpy.sqrt((error**2).mean()) < (1.2 if format == "jpg" else 1e-4)
    assert magnetogram_images.read(path, size=128).header["CRPIX1"] == pytest.approx(direct.wcs["CRPIX1"])


def test_what_is_there_is_not_made_again(tmp_path):
    sources = magnetograms(tmp_path / "jp2", range(4))
    first = convert(sources[:2], tmp_path / "out", Recipe(size=64))
    stamps = {path: path.stat().st_mtime_ns for path in first.converted}
    broken = tmp_path / "out/2026/02/01" / ".HMI.m2026.02.01_02.00.12.abc.jpg"  # what a killed process leaves
    broken.write_bytes(b"half")
    second = convert(sources, tmp_path / "out", Recipe(size=64))
    assert (len(second.converted), second.present) == (2, sorted(stamps))
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert len(magnetogram_images.scan(tmp_path / "out")) == 4


def test_several_processes_make_the_same_pictures(tmp_path):
    sources = magnetograms(tmp_path / "jp2", range(6), size=128)
    sources.insert(3, files.write(tmp_path / "jp2" / "page.jp2", 64, INSTRUME="LASCO"))
    one = convert(sources, tmp_path / "one", Recipe(size=32), workers=1)
    two = convert(sources, tmp_path / "two", Recipe(size=32), workers=2)
    assert [path.name for path in one.converted] == [path.name for path in two.converted]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one.converted, two.converted, strict=True))
    assert list(one.rejected) == list(two.rejected) == [sources[3]]


def content(tree):
    """Pictures and records of a tree by place: dict of bytes. The sheet has the folder's name in its title."""
    found = (path for path in tree.rglob("*") if path.is_file() and path.name != "contact_sheet.png")
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in found}


@pytest.mark.long
def test_a_cluster_that_loses_a_worker_converts_each_file_once(tmp_path):
    pytest.importorskip("distributed", reason="the extra cluster")
    sources = []
    for day, hour in [divmod(number, 24) for number in range(50)]:
        name = f"2026_02_{day + 1:02}__{hour:02}_00_12_700__SDO_HMI_HMI_magnetogram.jp2"
        observed = f"2026-02-{day + 1:02}T{hour:02}:00:12.700"
        sources.append(files.write(tmp_path / "jp2" / name, 1024, time=observed, CRPIX1=f"{500 + hour}"))
    sources[7].write_bytes(sources[7].read_bytes()[:-20])
    alone = convert(sources, tmp_path / "alone", Recipe(size=64, mode="area", format="npy"), workers=1)
    command = [sys.executable, jp2_to_images.__file__, "jp2", "--out", "spread", "--size", "64", "--mode", "area"]
    with dask_cluster.running(tmp_path / "cluster") as cluster:
        command += ["--format", "npy", "--scheduler", cluster.address]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not (there := len(list((tmp_path / "spread").rglob("HMI*.npy")))) and process.poll() is None:
            time.sleep(0.01)
        cluster.workers[0].kill()
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert 0 < there < 49
    lines = out.splitlines()
    assert lines[0] == "spread: 49 converted, 0 there, 1 rejected"
    assert lines[3] == f"rejected {alone.rejected[sources[7]]}".replace(f"{tmp_path}/", "")
    assert len(alone.converted) == 49
    assert content(tmp_path / "spread") == content(tmp_path / "alone")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mode": "area"}, "mode reduced, not area"),
        ({"size": 32}, "size 64, not 32"),
        ({"crop": 128}, "crop None, not 128"),
        ({"format": "npy"}, "format jpg, not npy"),
        ({"quality": 80}, "quality 95, not 80"),
    ],
)
def test_pictures_made_in_two_ways_never_share_a_tree(tmp_path, changed, message):
    sources = magnetograms(tmp_path / "jp2", [1])
    convert(sources, tmp_path / "out", Recipe(size=64))
    with pytest.raises(UserError, match=message):
        convert(sources, tmp_path / "out", Recipe(**({"size": 64} | changed)))


def test_a_tree_of_unknown_making_is_not_added_to(tmp_path):
    sources = magnetograms(tmp_path / "jp2", [1])
    published = tmp_path / "out/2026/01/31/HMI.m2026.01.31_00.00.00.jpg"
    published.parent.mkdir(parents=True)
    Image.new("L", (64, 64)).save(published)
    with pytest.raises(UserError, match="holds pictures without the record"):
        convert(sources, tmp_path / "out", Recipe(size=64))


def test_a_data_set_refuses_trees_made_in_two_ways(tmp_path):
    (tmp_path / "flares.csv").write_text("start_time,goes_class\n2026-01-30 00:00:00,B1.0\n2026-02-03 00:00:00,B1.0\n")
    early, late = magnetograms(tmp_path / "jp2", [1, 2])
    convert([early], tmp_path / "data/a", Recipe(size=64))
    data = FullDiskMagnetograms(folder=str(tmp_path / "data"), flares=(str(tmp_path / "flares.csv"),), image_size=32)
    assert data.is_downloaded().found == 1
    convert([late], tmp_path / "data/b", Recipe(size=64, mode="area"))
    with pytest.raises(UserError, match="in different ways"):
        magnetogram_images.scan(tmp_path / "data")
    (tmp_path / "data/b/conversion.json").unlink()
    with pytest.raises(UserError, match="lies outside the tree of"):
        magnetogram_images.scan(tmp_path / "data")
    (tmp_path / "data/a/conversion.json").write_text("{")
    with pytest.raises(UserError, match="record of a conversion"):
        magnetogram_images.scan(tmp_path / "data")


def test_one_folder_per_flare_and_names_that_tell_less(tmp_path):
    for flare in ("flare_1", "flare_2"):
        files.write(tmp_path / "jp2" / flare / "19" / "20260201T070012Z.jp2", 64, time="2026-02-01T07:00:12.700")
    files.write(tmp_path / "jp2/flare_2/18/20260201T070010Z.jp2", 64, time="2026-02-01T07:00:10", CONTENT="CONTINUUM INTENSITY")
    files.write(
        tmp_path / "jp2/flare_2/10/20260201T070009Z.jp2", 64, time="2026-02-01T07:00:09", INSTRUME="AIA_3", WAVELNTH="171"
    )
    files.write(tmp_path / "jp2/flare_2/4/20260201T070008Z.jp2", 64, INSTRUME="LASCO")
    files.write(tmp_path / "jp2/flare_2/19/20260201T080008Z.jp2", 64, time="soon")
    outcome = convert(jp2_to_images.find([tmp_path / "jp2"]), tmp_path / "out", Recipe(size=32))
    names = ["AIA.171.2026.02.01_07.00.09.jpg", "HMI.c2026.02.01_07.00.10.jpg", "HMI.m2026.02.01_07.00.12.jpg"]
    assert sorted(path.name for path in outcome.converted) == names
    reasons = " ".join(outcome.rejected.values())
    assert len(outcome.rejected) == 2
    assert "neither its name nor its header" in reasons
    assert "gives no time (DATE-OBS = soon)" in reasons


def test_cut_outs(tmp_path):
    sources = magnetograms(tmp_path / "jp2", [3], size=512)
    for mode in jpeg2000.MODES:
        recipe = Recipe(mode=mode, size=64, crop=128, centre=files.SPOT, format="npy")
        (path,) = convert(sources, tmp_path / mode, recipe).converted
        magnetogram = magnetogram_images.read(path, size=64)
        assert magnetogram.header["CDELT1"] == pytest.approx(9.6)
        assert files.centroid(magnetogram.image[..., 0]) == pytest.approx(files.expected(magnetogram.header, 64), abs=0.01)
    outcome = convert(sources, tmp_path / "edge", Recipe(size=64, crop=128, centre=(1200.0, 0.0)))
    assert "reach beyond it" in outcome.rejected[sources[0]]
    with pytest.raises(UserError, match="never enlarged"):
        Recipe(size=64, crop=32)
    with pytest.raises(UserError, match="--centre"):
        Recipe(centre=(0.0, 0.0))


@pytest.mark.parametrize("mode", jpeg2000.MODES)
@pytest.mark.parametrize("sides", [(64, 128), (96, 40), (256, 32)])
def test_pictures_of_any_height_and_width_show_the_same_field(tmp_path, mode, sides):
    (source,) = magnetograms(tmp_path / "jp2", [7])
    height, width = sides
    recipe = Recipe(mode=mode, format="npy", height=height, width=width)
    (path,) = convert([source], tmp_path / "out", recipe).converted
    image = numpy.load(path)
    assert image.shape == sides
    file = jpeg2000.read(source)
    square = jpeg2000.decode(file, size=max(sides), mode=mode)
    rows = jpeg2000.shrink(square.grey, max(sides)).sum(axis=0) / max(sides)
    if max(sides) % width == 0:
        expected = rows.reshape(width, -1).mean(axis=1)
        numpy.testing.assert_allclose(255 * image.mean(axis=0), expected, atol=0.01)
    wcs = json.loads(path.with_suffix(".json").read_text())
    for axis, side in (("1", width), ("2", height)):
        assert wcs[f"CDELT{axis}"] * side == pytest.approx(square.wcs[f"CDELT{axis}"] * max(sides))
        assert (wcs[f"CRPIX{axis}"] - 0.5) / side == pytest.approx((square.wcs[f"CRPIX{axis}"] - 0.5) / max(sides))
    with pytest.raises(UserError, match=f"expected a square full-disk image, received {width} x {height}"):
        magnetogram_images.read(path, size=16)
    with pytest.raises(UserError, match="its pictures were made with height"):
        convert([source], tmp_path / "out", Recipe(mode=mode, format="npy", size=width))


@pytest.fixture
def run(command):
    return functools.partial(command, jp2_to_images.__file__)


def test_script(tmp_path, run):
    magnetograms(tmp_path / "jp2", [1, 2])
    magnetograms(tmp_path / "jp2", [3], levels=1)
    flat = files.encode(numpy.full((256, 256), 7, "uint8"), files.header(256))
    (tmp_path / "jp2/2026_02_01__04_00_00_000__SDO_HMI_HMI_magnetogram.jp2").write_bytes(flat)
    (tmp_path / "jp2/2026_02_01__05_00_00_000__SDO_HMI_HMI_magnetogram.jp2").write_bytes(flat[:-2])
    done = run(tmp_path / "jp2", "--out", tmp_path / "out", "--size", 64, "--workers", 1)
    assert done.code == 0, done.err
    assert "3 converted, 0 there, 2 rejected" in done.out
    assert "3 pictures of 64 x 64 as jpg, mode reduced" in done.out
    assert "1 with fewer wavelet levels" in done.out
    assert "every pixel has the same value" in done.out
    assert "is truncated" in done.out
    with Image.open(tmp_path / "out/contact_sheet.png") as sheet:
        assert sheet.size[0] > 300
    record = json.loads((tmp_path / "out/conversion.json").read_text())
    assert record == Recipe(size=64).record()
    again = run(tmp_path / "jp2", "--out", tmp_path / "out", "--size", 64)
    assert "0 converted, 3 there, 2 rejected" in again.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/none", "--out", "{}/out"], "no such file or folder"),
        (["{}/empty", "--out", "{}/out"], "holds no .jp2 files"),
        (["{}/jp2", "--out", "{}/out"], "is truncated"),
        (["{}/jp2", "--out", "{}/out", "--size", "0"], "at least 1"),
        (["{}/jp2", "--out", "{}/jp2/cut.jp2"], "cannot be"),
        (["{}/jp2", "--out", "{}/out", "--crop", "100"], "never enlarged"),
        (["{}/jp2", "--out", "{}/out", "--crop", "100", "--size", "8", "--width", "101"], "fewer than a side of 101"),
    ],
)
def test_bad_input_is_one_line(tmp_path, run, arguments, message):
    (tmp_path / "empty").mkdir()
    path = files.write(tmp_path / "jp2/cut.jp2", 64)
    path.write_bytes(path.read_bytes()[:-1])
    done = run(*(argument.format(tmp_path) for argument in arguments))
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.rglob("*.jpg"))


def test_real_files(tmp_path, shared):
    outcome = convert(jp2_to_images.find([shared / "jp2"]), tmp_path / "out", Recipe())
    assert sorted(path.name for path in outcome.converted) == [
        "AIA.171.2014.02.03_02.08.47.jpg",
        "AIA.171.2014.02.03_02.30.23.jpg",
        "AIA.304.2021.01.06_00.01.41.jpg",
        "HMI.m2022.08.02_10.47.53.jpg",
    ]
    ((time, path),) = magnetogram_images.scan(tmp_path / "out").items()
    assert time == numpy.datetime64("2022-08-02T10:47:53")
    magnetogram = magnetogram_images.read(path, size=512)
    assert magnetogram.header["CRPIX1"] == 256.9375
    # The limb of the picture is centred where the header says.
    bright = magnetogram.image[..., 0] > 0.2
    columns, rows = numpy.flatnonzero(bright[256]), numpy.flatnonzero(bright[:, 256])
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(magnetogram.header["CRPIX1"] - 1, abs=0.6)
    assert 511 - (rows[0] + rows[-1]) / 2 == pytest.approx(magnetogram.header["CRPIX2"] - 1, abs=0.6)


def test_contact_sheets_show_a_selection_from_first_to_last():
    assert contact_sheet.pick(range(5)) == [0, 1, 2, 3, 4]
    chosen = contact_sheet.pick(range(1000))
    assert (len(chosen), chosen[0], chosen[-1]) == (contact_sheet.MOST, 0, 999)
    assert max(numpy.diff(chosen)) - min(numpy.diff(chosen)) <= 1


def test_pictures_keep_foreign_comments_apart(tmp_path):
    path = tmp_path / "HMI.m2026.02.01_00.00.00.jpg"
    Image.fromarray(files.spotted(64, files.header(64))).save(path, comment=b"made by someone else")
    assert magnetogram_images.read(path, size=64).header["CRPIX1"] == 32.5
    assert picture_tree.from_comment(b"FITS keywords {") is None
    assert picture_tree.from_comment(picture_tree.comment({"CRPIX1": 1.5})) == {"CRPIX1": 1.5}


def test_headers_as_they_come_and_unusable_quality(tmp_path):
    """Odd cards are named or left out; what QUALITY calls unusable becomes no picture."""
    recipe = Recipe(size=64, mode="area")
    cases = {
        "leap.jp2": ({"DATE-OBS": "2016-12-31T23:59:60"}, "2017/01/01/HMI.m2017.01.01_00.00.00.jpg"),
        "untold.jp2": ({"DSUN_OBS": "nan", "CRLN_OBS": "", "RSUN_OBS": "MISSING"}, "2022/08/02/HMI.m2022.08.02_10.47.53.jpg"),
        "pointless.jp2": ({"CRPIX1": "nan", "DATE-OBS": "2022-08-02T11:00:00"}, r"gives no pointing (CRPIX1 = nan)"),
        "flagged.jp2": ({"QUALITY": "0x80000000", "DATE-OBS": "2022-08-02T12:00:00"}, "QUALITY: no observable"),
        "timeless.jp2": ({"DATE-OBS": "MISSING"}, "gives no time (DATE-OBS = MISSING)"),
    }
    for name, (cards, expected) in cases.items():
        cards = files.header(128) | cards
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(files.encode(files.spotted(128, files.header(128)), cards))
        kind, result = jp2_to_images.convert_file(path, out=tmp_path / "out", recipe=recipe)
        if expected.endswith(".jpg"):
            assert (kind, result) == ("converted", tmp_path / "out" / expected)
            assert magnetogram_images.read(result, size=64).header["CRPIX1"] > 0
        else:
            assert kind == "rejected"
            assert str(path) in result
            assert expected in result
