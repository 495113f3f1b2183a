"""The network of the flux alone: its shapes, what it is told, and that it learns."""

import json

import numpy
import pandas
import pytest

from dataset_models import goes_files, goes_xrs
from network_models import predict
from network_models.image_inputs import Input
from network_models.run_folder import RunFolder
from network_models.xray_flux_forecast.flux_history import architecture, network
from science.saliency import saliency
from tools.errors import UserError


def built(**options):
    inputs = {"image": Input((6, 60, 1), (True,)), "side_channel": Input((1,))}
    return architecture.build(inputs, architecture.Options(**options))


def test_layers_run_along_time():
    model = built()
    assert model.get_layer("line").output.shape == (None, 1, 360, 1)
    assert [model.get_layer(f"pool_{block}").output.shape[2] for block in (1, 2, 3)] == [90, 22, 5]
    assert model.get_layer("with_now").output.shape == (None, 5 * 16 + 4 + 1)
    assert model.output.shape == (None, 1)


def test_rows_follow_each_other_and_the_last_minutes_are_those_of_now():
    model = built()
    import keras

    latest = keras.Model(model.inputs, model.get_layer("latest").output)
    image = numpy.arange(360, dtype="float32").reshape(1, 6, 60, 1)
    now = latest.predict_on_batch({"image": image, "side_channel": numpy.zeros((1, 1), "float32")})
    numpy.testing.assert_allclose(now.ravel(), numpy.log10(1 + numpy.arange(356, 360)), rtol=1e-5)


def test_too_many_blocks_are_refused():
    with pytest.raises(UserError, match="--block_channels: 5 blocks leave nothing of 6 x 60 minutes"):
        built(block_channels=(4,) * 5)


@pytest.mark.long
def test_a_run_its_forecasts_of_another_time_and_a_map(tmp_path, capsys):
    """A flux that swings by a decade in three days: what is to come is seen in what was, and now alone does not tell it."""
    start, minutes = numpy.datetime64("2022-01-01T00:00", "m"), numpy.arange(40 * 1440)
    flux = 1e-6 * 10 ** (0.5 * numpy.sin(2 * numpy.pi * minutes / (3 * 1440)))
    table, store = tmp_path / "flux.csv", tmp_path / "xrs.sqlite"
    times = start + minutes * numpy.timedelta64(1, "m")
    pandas.DataFrame({"time": times, "xrsb": flux}).to_csv(table, index=False)
    goes_xrs.import_files(store, [table], stated=goes_files.Stated(16, "science"))
    data = ["--goes", store, "--hours", 12, "--catch", "12min", "--lag", "12hr"]
    training = ["--end", "2022-01-25", "--epochs", 4, "--learning_rate", 0.003, "--tensorboard_images", 0]
    network.main([str(flag) for flag in (*data, *training, "--out", tmp_path)])
    run = RunFolder(next((tmp_path / "trained_models").iterdir()))
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["skill_persistence"] > 0.5

    later = ["--start", "2022-01-30", "--validation_start", "2022-01-30", "--end", "2022-02-08"]
    out = tmp_path / "later.csv"
    predict.main([str(run.best), "dataset_models/flux_history.py", "--out", str(out), *later])
    forecasts = pandas.read_csv(out)
    assert forecasts["time"].iloc[0].startswith("2022-01-30T00:00")
    assert len(forecasts) == 9 * 24
    error = numpy.log10(forecasts["prediction"] / forecasts["true_value"])
    assert numpy.sqrt((error**2).mean()) < 0.25  # the flux itself varies by 0.35 dex

    time = str(forecasts["time"].iloc[5]).removesuffix("Z")
    saliency.main([str(run.best), "dataset_models/flux_history.py", time, *later, "--out", str(tmp_path / "maps")])
    assert list((tmp_path / "maps").glob("*.png"))
