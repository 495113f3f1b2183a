"""All runs of a folder side by side, and the weights of a saved network."""

import pathlib

import numpy
import pandas
import pytest

from network_models import compare_runs, network_weights
from network_models.trained_network import save_network
from network_models.xray_flux_forecast.starting_point import network
from tools.errors import Stopped, UserError

TINY = str(pathlib.Path(__file__).with_name("tiny_data.py"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that differ in their seed, one epoch each."""
    out = tmp_path_factory.mktemp("runs")
    flags = ["--dataset", TINY, "--kind", "classification", "--block_channels", "4", "--epochs", "1", "--out", str(out)]
    return out, [network.main([*flags, "--seed", seed]) for seed in ("0", "1")]


@pytest.mark.long
def test_runs_side_by_side(runs, capsys):
    folder, results = runs
    compare_runs.main([str(folder)])
    found = pandas.read_csv(folder / "comparison.csv")
    assert found["val_loss"].tolist() == sorted(found["val_loss"])
    assert set(found["val_loss"].round(5)) == {round(result.val_loss, 5) for result in results}
    assert set(found["seed"]) == {0, 1}
    assert not {"epochs_option", "batch_size", "kernel_size"} & set(found.columns)  # the same in both
    assert {"tss", "parameters", "seconds", "simulated"} <= set(found.columns)
    assert (folder / "comparison.png").is_file()
    lines = capsys.readouterr().out.splitlines()
    assert any("cross-entropy" in line and line.endswith("seed 1") for line in lines)


@pytest.mark.parametrize(
    ("training", "row", "loss"),
    [
        ({"balance": "augment"}, {"val_tss": "0.1"}, "cross-entropy"),
        ({"balance": "both"}, {"val_tss": "0.1"}, "class-weighted cross-entropy"),
        ({"likelihood": "counts"}, {"val_tss": "0.1"}, "negative log-likelihood (counts)"),
        ({"likelihood": "both", "class_weights": [1, 2, 1, 1]}, {"val_tss": "0.1"}, "negative log-likelihood (both, weighted)"),
        ({"regression_error": "absolute"}, {}, "mean absolute error"),
    ],
)
def test_losses_are_called_what_they_are(training, row, loss):
    run = compare_runs.Run("a run", {"training_options": training}, [row], {}, None, simulated=False)
    assert run.loss == loss


@pytest.mark.long
def test_folders_without_runs_and_damaged_runs(runs, tmp_path):
    with pytest.raises(UserError, match="no run in it; give run folders"):
        compare_runs.main([str(tmp_path)])
    with pytest.raises(UserError, match="none: no such folder"):
        compare_runs.main([str(tmp_path / "none")])
    damaged = tmp_path / "damaged"
    (damaged / "performance").mkdir(parents=True)
    (damaged / "settings.yml").write_text("dataset: x.py\ndata_options: {}\n")
    with pytest.raises(UserError, match=r"loss_and_architecture\.csv: damaged"):
        compare_runs.main([str(damaged)])
    with pytest.raises(Stopped, match=r"left out: .*damaged") as stopped:
        compare_runs.main([str(runs[0]), str(damaged), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 4
    assert len(pandas.read_csv(tmp_path / "out" / "comparison.csv")) == 2


@pytest.mark.long
def test_weights_of_a_network(runs, capsys):
    result = runs[1][0]
    network_weights.main([str(result.folder.best)])
    found = pandas.read_csv(result.folder.features / "weights.csv")
    assert found["count"].sum() == pandas.Series(found["count"]).sum() > 0
    kernels = found[found["weight"] == "kernel"]
    assert (kernels["deviation"] > 0).all()
    (picture,) = result.folder.features.glob("kernels_*.png")
    assert picture.name in capsys.readouterr().out
    with pytest.raises(UserError, match="--layer none: no convolution of the network; it has"):
        network_weights.main([str(result.folder.best), "--layer", "none"])


def test_the_first_convolution_the_strongest_filter_first(tmp_path, monkeypatch):
    import keras

    image = keras.Input((8, 8, 2), name="image")
    inner = keras.Sequential([keras.layers.Conv2D(3, 3, name="first"), keras.layers.Conv2D(2, 3, name="second")], name="in")
    model = keras.Model({"image": image}, keras.layers.Dense(1)(keras.layers.Flatten()(inner(image))))
    values = numpy.zeros((3, 3, 2, 3), "float32")
    values[1, 1, 0], values[0, 0, 1, 2] = (1.0, 3.0, 2.0), 0.5
    model.get_layer("in").get_layer("first").set_weights([values, numpy.zeros(3)])
    save_network(model, tmp_path / "model.hdf5")
    titles, real = [], network_weights.figures.save
    monkeypatch.setattr(
        network_weights.figures,
        "save",
        lambda figure, path: titles.append([panel.get_title() for panel in figure.axes]) or real(figure, path),
    )
    network_weights.main([str(tmp_path / "model.hdf5"), "--out", str(tmp_path / "out")])
    assert titles[1][:3:2] == ["1, from 0", "2, from 0"]
    table = pandas.read_csv(tmp_path / "out" / "weights.csv")
    first = table[(table["layer"] == "first") & (table["weight"] == "kernel")].iloc[0]
    assert (first["shape"], first["count"], first["largest"]) == ("3 x 3 x 2 x 3", 54, 3.0)
    assert first["zeros"] == pytest.approx(50 / 54)
    assert len(table) == 6  # three kernels, three biases


def test_a_network_without_convolutions(tmp_path, capsys):
    import keras

    save_network(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), tmp_path / "dense.hdf5")
    network_weights.main([str(tmp_path / "dense.hdf5"), "--out", str(tmp_path / "out")])
    assert "note: the network has no convolution" in capsys.readouterr().out
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"weights.csv", "weights.png"}
