"""The examples work as the README says."""

import importlib.util
import json
import pathlib
import shutil

import numpy
import pytest
import sunpy.map

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


PICTURES = ("performance/loss_curve.png", "maps/*.png", "maps/*.fits", "features/*.png", "embeddings/embedding.png")


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


@pytest.mark.long
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
