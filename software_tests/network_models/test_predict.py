"""Forecasts of a trained network as a script, with and without calibration."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy
import pandas
import pytest

from network_models import predict
from network_models.forecasts import calibration
from network_models.trained_network import load_network, save_network
from network_models.xray_flux_forecast.starting_point import network
from tools.errors import UserError

TINY = pathlib.Path(__file__).with_name("tiny_data.py")
_spec = importlib.util.spec_from_file_location("dask_cluster", pathlib.Path(__file__).parents[1] / "dask_cluster.py")
dask_cluster = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dask_cluster)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    flags = ["--dataset", str(TINY), "--kind", "classification", "--epochs", "1", "--block_channels", "4", "--out", str(out)]
    return network.main(flags).folder


@pytest.mark.long
def test_a_split_is_that_of_the_run(run, tmp_path):
    predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "f.csv")])
    found = pandas.read_csv(tmp_path / "f.csv")
    expected = pandas.read_csv(run.performance / "validation_forecasts.csv")
    pandas.testing.assert_frame_equal(found, expected)


@pytest.mark.long
def test_every_nth_sample_of_the_training_split(run, tmp_path):
    every, third = tmp_path / "every.csv", tmp_path / "third.csv"
    predict.main([str(run.best), str(TINY), "--out", str(every), "--split", "training"])
    predict.main([str(run.best), str(TINY), "--out", str(third), "--split", "training", "--every", "3"])
    expected = pandas.read_csv(every).iloc[::3].reset_index(drop=True)
    assert 1 < len(expected) < len(pandas.read_csv(every))
    pandas.testing.assert_frame_equal(pandas.read_csv(third), expected, rtol=1e-6)


@pytest.mark.slow  # six times TensorFlow
@pytest.mark.timeout(900)
def test_processes_and_a_cluster_forecast_as_one_process(run, tmp_path):
    """Of images one that cannot be read among them, and of a split."""
    pytest.importorskip("distributed", reason="the extra cluster")
    random = numpy.random.default_rng(0)
    names = [f"{number}.npy" for number in range(9)]
    for name in names:
        numpy.save(tmp_path / name, random.normal(5, 1, (16, 16, 2)).astype("float32"))
    numpy.save(tmp_path / names[4], numpy.zeros((8, 8, 2)))

    def forecast(*arguments):
        command = [sys.executable, predict.__file__, run.best, TINY, *arguments]
        done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, timeout=200)
        said = [
            line for line in done.stderr.splitlines() if line.startswith(("left out", "note", "predict.py"))
        ]  # not TensorFlow
        return done.returncode, done.stdout, said

    split = ["--out", "f.csv", "--split", "training"]
    alone = [forecast("--out", "f.csv", "--images", *names), (tmp_path / "f.csv").read_bytes()]
    alone += [forecast(*split), (tmp_path / "f.csv").read_bytes()]
    assert alone[0][0] == 4
    assert f"1 of {len(names)} images left out" in alone[0][2][-1]
    with dask_cluster.running(tmp_path / "cluster") as cluster:
        for where in (["--scheduler", cluster.address], ["--workers", "2"]):
            found = [forecast("--out", "f.csv", *where, "--images", *names), (tmp_path / "f.csv").read_bytes()]
            found += [forecast(*split, *where), (tmp_path / "f.csv").read_bytes()]
            assert found == alone


def test_a_calibration_is_used_when_asked_for(run, tmp_path):
    fitted = calibration.Scaling("platt", 2.0, -1.0)
    calibration.save(run.path / calibration.NAME, fitted, times=["2000-01-01"])
    predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "plain.csv")])
    predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "f.csv"), "--calibrated"])
    plain, found = pandas.read_csv(tmp_path / "plain.csv"), pandas.read_csv(tmp_path / "f.csv")
    numpy.testing.assert_allclose(found["uncalibrated"], plain["prediction"])
    odds = numpy.log(plain["prediction"] / (1 - plain["prediction"]))
    numpy.testing.assert_allclose(found["probability"], 1 / (1 + numpy.exp(1 - 2 * odds)), rtol=1e-6)


def test_what_is_not_calibrated_yet_has_no_name(run, tmp_path, monkeypatch):
    saved = tmp_path / "saved.json"
    calibration.save(saved, calibration.Scaling("platt", 2.0, -1.0), times=["2000-01-01"])
    out = tmp_path / "out" / "f.csv"
    out.parent.mkdir()
    out.write_text("calibrated before\n")
    monkeypatch.setattr(predict, "calibrated", lambda table, saved: 1 / 0)  # a kill between the two tables
    with pytest.raises(ZeroDivisionError):
        predict.main([str(run.best), str(TINY), "--out", str(out), "--calibration", str(saved)])
    assert list(out.parent.iterdir()) == [out]
    assert out.read_text() == "calibrated before\n"


def test_hours_that_a_calibration_was_fitted_on_are_named(run, tmp_path, capsys):
    predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "plain.csv")])
    times = [text.removesuffix("Z") for text in pandas.read_csv(tmp_path / "plain.csv")["time"]]
    saved = tmp_path / "saved.json"
    calibration.save(saved, calibration.Scaling("platt", 2.0, -1.0), times=[times[0], times[-1]])
    predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "f.csv"), "--calibration", str(saved)])
    assert f"fitted on {len(times)} of these hours" in capsys.readouterr().out


def test_bad_input(run, tmp_path):
    cases = [
        (["none.hdf5", str(TINY)], "none.hdf5: no such network file"),
        ([str(run.best), "none.py"], "none.py: no such data set file"),
        ([str(run.best), str(TINY), "--calibration", "none.json"], "none.json: no such file"),
        ([str(run.best), str(TINY), "--images", "no*.jpg"], r"no file matches no\*\.jpg; check the folder"),
    ]
    for arguments, message in cases:
        with pytest.raises(UserError, match=message):
            predict.main([*arguments, "--out", str(tmp_path / "f.csv")])
    with pytest.raises(UserError, match=r"takes 1 inputs \(image\), the data set gives 2 \(image, side_channel\)"):
        predict.main([str(run.best), str(TINY), "--side", "--out", str(tmp_path / "f.csv")])
    numpy.save(tmp_path / "small.npy", numpy.zeros((8, 8, 2)))
    with pytest.raises(UserError, match=r"input image expects 16 x 16 x 2, .*small\.npy gives image of 8 x 8 x 2"):
        predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "f.csv"), "--images", str(tmp_path / "small.npy")])
    assert not (tmp_path / "f.csv").exists()
    with pytest.raises(UserError, match=r"--out .*f\.csv\.gz: is not compressed"):
        predict.main([str(run.best), str(TINY), "--out", str(tmp_path / "f.csv.gz")])


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_a_network_whose_weights_are_no_numbers_is_refused(run, tmp_path, value):
    model = load_network(run.best)
    model.get_layer("output").bias.assign([value])
    save_network(model, tmp_path / "broken.hdf5")
    with pytest.raises(
        UserError, match=r"broken\.hdf5: its weights hold what is no finite number \(output/bias\); train it anew"
    ):
        load_network(tmp_path / "broken.hdf5")


@pytest.mark.parametrize("value", [numpy.inf, -numpy.inf])
def test_a_network_whose_output_is_not_finite_is_refused(run, tmp_path, value):
    model = load_network(run.best)
    layer = model.get_layer("output")
    largest = numpy.copysign(numpy.finfo("float32").max, value)
    layer.bias.assign([largest])
    layer.kernel.assign(numpy.full(layer.kernel.shape, largest))
    broken = tmp_path / "broken.hdf5"
    save_network(model, broken)
    numpy.save(tmp_path / "new.npy", numpy.zeros((16, 16, 2)))
    kind = ["--kind", "classification", "--out", str(tmp_path / "f.csv")]
    message = rf"broken\.hdf5: on the validation sample of 2016-01-01T00:00:00Z: returns {value}, which is no forecast"
    with pytest.raises(UserError, match=message):
        predict.main([str(broken), str(TINY), *kind])
    with pytest.raises(UserError, match=rf"broken\.hdf5: on .*new\.npy: returns {value}, which is no forecast"):
        predict.main([str(broken), str(TINY), *kind, "--images", str(tmp_path / "new.npy")])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["broken.hdf5", "new.npy"]


def test_a_beta_vae_forecasts_nothing(tmp_path):
    from network_models.beta_vae import burgess
    from network_models.image_inputs import Input
    from network_models.trained_network import save_network

    save_network(burgess.build({"image": Input((32, 32, 1))}, burgess.Options()), tmp_path / "vae.hdf5")
    with pytest.raises(UserError, match=r"vae\.hdf5: is a beta-VAE; .*latent_forecast\.py"):
        predict.main([str(tmp_path / "vae.hdf5"), str(TINY), "--out", str(tmp_path / "f.csv")])
