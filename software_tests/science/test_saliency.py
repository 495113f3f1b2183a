"""The saliency script: what it writes, that sunpy opens it, and how it fails."""

import subprocess
import sys

import numpy
import pytest

from science.saliency import saliency
from tools.errors import UserError

LARGEST = numpy.finfo("float32").max  # twice as much is infinite


def test_saliency_is_the_golden_gradient(golden, golden_network):
    expected = golden["A/attr/saliency_t1"]
    received = saliency.saliency(golden_network(), {"image": golden["x"]})["image"]
    numpy.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * numpy.abs(expected).max())


def test_saliency_of_an_integrating_network_is_its_weights():
    """A linear network's gradient is known without any reference."""
    import keras

    image = keras.Input((4, 5, 2), name="image")
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    weights = numpy.arange(40.0) - 11
    model.layers[-1].set_weights([weights[:, None], numpy.array([3.0])])
    gradient = saliency.saliency(model, {"image": numpy.random.default_rng(0).normal(size=(2, 4, 5, 2))})["image"]
    numpy.testing.assert_array_equal(gradient[1], weights.reshape(4, 5, 2))


def test_files_of_a_sample_with_side_channel(saved, dataset, tmp_path, capsys):
    path = saved(side=3)
    saliency.main([str(path), str(dataset), "2026-03-01T02:00", "--side", "--out", str(tmp_path / "maps")])
    stem = "2026-03-01T020000_saliency"
    assert sorted(file.name for file in (tmp_path / "maps").iterdir()) == sorted(
        [f"{stem}.json", f"{stem}.npz", f"{stem}_image_171.png", f"{stem}_image_magnetogram.png", f"{stem}_side_channel.png"]
    )
    with numpy.load(tmp_path / "maps" / f"{stem}.npz", allow_pickle=False) as arrays:
        assert arrays["image"].shape == (24, 24, 2)
        assert arrays["side_channel"].shape == (3,)
        assert arrays["side_channel"].any()
    assert "no FITS" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sunpy.util.SunpyMetadataWarning:sunpy")  # the reduced header lacks an exposure time
def test_sunpy_opens_the_map_where_the_image_is(saved, dataset, sun_file):
    import astropy.units as u
    import sunpy.map

    pixel = (3, 20) * u.pix
    path = saved()
    saliency.main([str(path), str(dataset), str(sun_file)])
    folder = path.parent / "maps"
    with numpy.load(folder / "magnetogram_saliency.npz", allow_pickle=False) as arrays:
        gradient = arrays["image"]
    image = sunpy.map.Map(sun_file)
    for index, name in enumerate(("171", "magnetogram")):
        opened = sunpy.map.Map(folder / f"magnetogram_saliency_image_{name}.fits")
        numpy.testing.assert_array_equal(opened.data, gradient[::-1, :, index])
        corner = image.pixel_to_world(*pixel)
        there = opened.pixel_to_world(*pixel)
        assert corner.separation(there).arcsec < 1e-6
        assert opened.date == image.date
        assert any("simulated: True" in line for line in opened.meta["history"].splitlines())
        assert opened.meta["simulatd"] is True


FAULTS = {
    "network": (["missing.hdf5", "{dataset}", "2026-02-01"], "missing.hdf5: no such network file"),
    "unreadable network": (["{dataset}", "{dataset}", "2026-02-01"], "cannot be read as a saved network"),
    "data set": (["{model}", "missing.py", "2026-02-01"], "missing.py: no such data set file"),
    "image": (["{model}", "{dataset}", "missing.fits"], "missing.fits: no such image file"),
    "target": (["{model}", "{dataset}", "2026-02-01", "--target", "4"], "--target 4: the network has 1 outputs"),
    "folder": (["{model}", "{dataset}", "2026-02-01", "--out", "{dataset}/x"], "cannot be written to"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_what_is_wrong_and_write_nothing(saved, dataset, fault):
    model = saved()
    arguments, words = FAULTS[fault]
    before = sorted(model.parent.rglob("*"))
    with pytest.raises(UserError, match=words) as caught:
        saliency.main([text.format(model=model, dataset=dataset) for text in arguments])
    assert "\n" not in str(caught.value)
    assert sorted(model.parent.rglob("*")) == before


def test_a_network_that_returns_infinity_is_not_explained(saved, dataset, network):
    model = network()
    model.get_layer("output").set_weights([numpy.full((5, 1), LARGEST), numpy.full(1, LARGEST)])
    with pytest.raises(UserError, match="the network returns inf"):
        saliency.main([str(saved(model)), str(dataset), "2026-02-01"])


@pytest.mark.long
def test_a_full_disk_leaves_nothing(saved, dataset, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numpy, "savez_compressed", full)
    model = saved()
    with pytest.raises(OSError, match="No space left"):
        saliency.main([str(model), str(dataset), "2026-02-01"])
    assert [file.name for file in model.parent.iterdir()] == [model.name]


def test_the_script_as_users_call_it(tmp_path):
    """Exit codes and one line of error, from another directory; --help without TensorFlow."""
    script = saliency.__file__

    def call(*arguments):
        return subprocess.run([sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    failed = call("none.hdf5", "none.py", "none.jpg")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.splitlines() == ["saliency.py: none.hdf5: no such network file"]
    helped = call("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "MODEL.hdf5" in helped.stdout
