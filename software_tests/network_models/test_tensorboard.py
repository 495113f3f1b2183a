"""What a run leaves for TensorBoard, read back from its event files."""

import pathlib

import numpy
import pandas
import pytest
import sklearn.metrics

from network_models.beta_vae import train
from network_models.training import board, metrics
from network_models.xray_flux_forecast.starting_point import network
from tools import skill_scores

TINY = str(pathlib.Path(__file__).with_name("tiny_data.py"))
FLAGS = ["--dataset", TINY, "--kind", "classification", "--block_channels", "4"]
PICTURES = ("validation samples", "confusion matrix", "precision and recall", "reliability")
SCORES = "scores of the best network"


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
    assert steps["precision and recall"] == steps["reliability"] == [1, 2]
    for name in ("precision and recall", "reliability"):
        assert steps[f"{name} of the best network"] == [1, 2]  # at the end of each part
    assert steps["epoch_loss"] == steps["epoch_tss"] == steps["epoch_hss"] == [1, 2]
    assert steps[SCORES] == [1, 2]
    assert steps["settings"] == [0]
    assert steps["_hparams_/session_start_info"] == [0]  # written once, though the run went on


@pytest.mark.long
def test_pictures_change_nothing(run, tmp_path):
    without = network.main([*FLAGS, "--epochs", "2", "--tensorboard_images", "0", "--out", str(tmp_path)]).folder
    tables = [pandas.read_csv(one.performance / "loss_and_architecture.csv") for one in (run, without)]
    for name in ("loss", "val_loss", "val_tss"):
        numpy.testing.assert_array_equal(tables[0][name], tables[1][name])
    assert not {tag for tag in logged(without) if tag in PICTURES or "of the best network" in tag} - {SCORES}
    assert {"epoch_loss", "settings", SCORES} <= set(logged(without))


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


@pytest.mark.long
def test_curves_of_an_epoch_are_those_of_the_table(monkeypatch, tmp_path):
    drawn = {}
    for name in ("draw_precision_recall", "draw_reliability"):
        calls, real = drawn.setdefault(name, []), getattr(board, name)
        monkeypatch.setattr(
            board, name, lambda *given, calls=calls, real=real, **w: calls.append((given, w)) or real(*given, **w)
        )
    folder = network.main([*FLAGS, "--epochs", "1", "--out", str(tmp_path)]).folder
    table = pandas.read_csv(folder.performance / "validation_forecasts.csv")
    for calls in drawn.values():
        ((probability, event), words), (best, words_of_best) = calls
        assert words["title"].endswith("validation, epoch 1")
        assert words_of_best["title"].endswith("validation, best network")
        assert words["count"].sum() == len(table) == len(best[0])
        assert words["count"] @ event == table["true_value"].sum()
        assert words["count"] @ probability == pytest.approx(table["prediction"].sum(), rel=1e-5)
        for least in numpy.arange(10) / 10:  # what precision, recall and the diagram count
            for happened in (0, 1):
                mine = words["count"][(probability >= least) & (event == happened)].sum()
                assert mine == ((table["prediction"] >= least) & (table["true_value"] == happened)).sum()


def test_bins_of_probability_keep_curve_and_diagram():
    """Against the exact curve: forecasts of rare events, logits far out, samples that do not count, in batches."""
    random = numpy.random.default_rng(0)
    logit = random.normal(-4, 3, 4000).astype("float32")
    logit[:8] = (-90, -12, 12, 90, 0, 0, 0, 0)
    event = (random.random(4000) < 1 / (1 + numpy.exp(-logit.astype("float64")))).astype("float32")
    weight = (random.random(4000) < 0.9).astype("float32") * 2.5
    counted = metrics.CountedProbabilities()
    for begin in range(0, 4000, 1000):
        part = slice(begin, begin + 1000)
        counted.update_state(event[part, None], logit[part, None], weight[part])
    probability, happened, count = metrics.forecasts_of(numpy.asarray(counted.bins))
    counts = weight > 0
    exact = 1 / (1 + numpy.exp(-logit[counts].astype("float64")))
    assert count.sum() == counts.sum() == numpy.sum(counted.counts)
    assert count[happened == 1].sum() == event[counts].sum()
    area = sklearn.metrics.average_precision_score(event[counts], exact)
    assert sklearn.metrics.average_precision_score(happened, probability, sample_weight=count) == pytest.approx(area, abs=3e-3)
    tenths = numpy.bincount((probability * 10).astype(int).clip(0, 9), count, 10)
    numpy.testing.assert_array_equal(tenths, numpy.bincount((exact * 10).astype(int).clip(0, 9), minlength=10))
    doubled = metrics.CountedProbabilities()
    doubled.update_state(event[:, None], numpy.stack([0 * logit, logit], axis=1), weight)
    numpy.testing.assert_allclose(doubled.bins, counted.bins)


@pytest.mark.long
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
