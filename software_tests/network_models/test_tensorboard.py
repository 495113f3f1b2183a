"""What a run leaves for TensorBoard, read back from its event files."""

import pathlib

import numpy
import pandas
import pytest

from network_models.beta_vae import train
from network_models.training import board
from network_models.xray_flux_forecast.starting_point import network
from tools import skill_scores

TINY = str(pathlib.Path(__file__).with_name("tiny_data.py"))
FLAGS = ["--dataset", TINY, "--kind", "classification", "--block_channels", "4"]


def logged(run):
    """Steps of what the validation logs hold: dict of tag to list of int."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.logs / "validation"), size_guidance={"tensors": 0})
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch that went on to two."""
    out = tmp_path_factory.mktemp("run")
    folder = network.main([*FLAGS, "--epochs", "1", "--out", str(out)]).folder
    return network.main(["--resume", str(folder), "--epochs", "2"]).folder


@pytest.mark.long
def test_pictures_of_each_epoch(run):
    steps = logged(run)
    assert steps["validation samples"] == steps["confusion matrix"] == [1, 2]  # epochs are counted from 1, as in every file
    assert steps["precision and recall"] == steps["reliability"] == [1, 2]  # of the best network, at the end of each part
    assert steps["epoch_loss"] == steps["epoch_tss"] == steps["epoch_hss"] == [1, 2]
    assert steps["scores of the best network"] == [1, 2]
    assert steps["settings"] == [0]
    assert steps["_hparams_/session_start_info"] == [0]  # written once, though the run went on


@pytest.mark.long
def test_pictures_change_nothing(run, tmp_path):
    without = network.main([*FLAGS, "--epochs", "2", "--tensorboard_images", "0", "--out", str(tmp_path)]).folder
    tables = [pandas.read_csv(one.performance / "loss_and_architecture.csv") for one in (run, without)]
    for name in ("loss", "val_loss", "val_tss"):
        numpy.testing.assert_array_equal(tables[0][name], tables[1][name])
    pictures = {"validation samples", "confusion matrix", "precision and recall", "reliability"}
    assert not pictures & set(logged(without))
    assert {"epoch_loss", "settings", "scores of the best network"} <= set(logged(without))


@pytest.mark.long
def test_the_confusion_matrix_is_that_of_the_table(run, monkeypatch, tmp_path):
    drawn = []
    real = board.draw_confusion
    monkeypatch.setattr(board, "draw_confusion", lambda counts, **words: drawn.append(counts) or real(counts, **words))
    folder = network.main([*FLAGS, "--epochs", "1", "--out", str(tmp_path)]).folder
    table = pandas.read_csv(folder.performance / "validation_forecasts.csv")
    expected = skill_scores.contingency_table(table["prediction"].to_numpy(), table["true_value"].to_numpy())
    assert drawn[0].sum() == len(table)
    numpy.testing.assert_allclose(sorted(drawn[0]), sorted(numpy.ravel(list(expected))))


def test_samples_are_drawn_with_their_gradients(run, monkeypatch, tmp_path):
    drawn = []
    real = board.draw_samples
    monkeypatch.setattr(board, "draw_samples", lambda *given, **words: drawn.append((given, words)) or real(*given, **words))
    network.main([*FLAGS, "--epochs", "1", "--out", str(tmp_path)])
    ((images, *_), words) = drawn[0]
    assert words["maps"].shape == images.shape
    assert numpy.isfinite(words["maps"]).all()
    assert words["maps"].any()
    alone, beside = real(images, drawn[0][0][1], drawn[0][0][2], title="t"), real(*drawn[0][0], **words)
    assert beside.shape[0] > 1.7 * alone.shape[0]


def test_reliability_of_forecasts_without_an_event_or_at_the_very_ends():
    for event in (numpy.zeros(3), numpy.array([0.0, 1.0, 1.0])):
        assert board.draw_reliability(numpy.array([0.0, 0.4, 1.0]), event, title="some").dtype == numpy.uint8


def test_a_curve_needs_an_event():
    assert board.draw_precision_recall(numpy.array([0.2, 0.4]), numpy.zeros(2), title="none") is None
    pixels = board.draw_precision_recall(numpy.array([0.2, 0.4, 0.9]), numpy.array([0.0, 1.0, 1.0]), title="some")
    assert pixels.dtype == numpy.uint8
    assert pixels.shape[2] == 3


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.long
def test_the_divergence_within_an_epoch(tmp_path):
    flags = ["--most", "100", "--epochs", "2", "--shown", "2", "--kl_steps", "3", "--latent_dim", "3", "--out", str(tmp_path)]
    folder = train.main(flags).folder
    steps = pandas.read_csv(folder.path / "latent_kl_steps.csv")
    assert set(steps["epoch"]) == {1, 2}
    epochs = pandas.read_csv(folder.path / "latent_kl.csv")
    numpy.testing.assert_allclose(steps["kl"], steps[[f"latent_{place}" for place in range(3)]].sum(axis=1), rtol=1e-4)
    assert (steps["step"] % 3 == 0).all()
    assert len(epochs) == 4
    assert {"reconstructions", "random latents", "latent divergence"} <= set(logged(folder))
