"""Pictures look as they did when somebody looked at them: each is compared with a small one that is kept, by tolerance."""

import pathlib
import types

import numpy
import pytest
from PIL import Image

from dataset_models.solar_data import Channel
from network_models.training import board
from science.activation_maximisation import activation_maximisation
from science.deconvolutional import deconvolutional
from science.embedding import pictures
from science.explanation.subject import Sample
from science.side_by_side import side_by_side
from science.verification import regression
from tools import figures, modules

picture_checker = modules.load(pathlib.Path(__file__).parents[1] / "picture_checker.py")
AIA = Channel("171", "sdoaia171", "DN/s", True)
MAGNETOGRAM = Channel("magnetogram", "hmimag", "G")
DATA = types.SimpleNamespace(
    title="made for a test",
    simulated=True,
    target_label="flare tomorrow",
    target_quantity="event",
    target_unit="",
    task="classification",
    channels=(AIA, MAGNETOGRAM, Channel("304", "sdoaia304", "DN/s", True)),
    image_inputs=("image",),
    places=lambda time: (),
)
TIME = numpy.datetime64("2014-06-01T12:00:00")


def disc(size=48):
    """An AIA disc with a bright spot, a magnetogram with two, and an empty channel: float32 (size, size, 3)."""
    y, x = numpy.mgrid[:size, :size] / size - 0.5
    inside = numpy.hypot(x, y) < 0.4
    spots = [numpy.exp(-((x - at) ** 2 + (y + 0.1) ** 2) / 0.004) for at in (0.1, 0.2)]
    return numpy.stack([inside * (40 + 900 * spots[0]), inside * 800 * (spots[0] - spots[1]), inside * 1.0], -1).astype(
        "float32"
    )


def maps(size=48):
    """A signed map of three channels, mostly in the first, and one without a sign that is nowhere 0."""
    y, x = numpy.mgrid[:size, :size] / size - 0.5
    signed = numpy.sin(30 * x) * numpy.exp(-((x - 0.1) ** 2 + (y + 0.1) ** 2) / 0.02)
    weights = 0.6 + 0.4 * numpy.exp(-((x + 0.1) ** 2 + y**2) / 0.01)
    return signed[..., None] * (1.0, 0.3, 0.01), weights[..., None]


def sample():
    return Sample({"image": disc()[None]}, {"image": "image"}, "a", None, TIME, simulated=True)


def draw_overlays(path):
    signed, weights = maps()
    with figures.style():
        figure, axes = figures.new(1, 4, figsize=(16, 4.4))
        figures.show_image(axes[0], disc()[..., 0], table="sdoaia171", unit="DN/s", logarithmic=True)
        figures.show_signed(axes[1], signed[..., 0], label="per dex")
        for panel, values in zip(axes[2:], (signed[..., 0], weights[..., 0]), strict=True):
            figures.show_overlay(panel, disc()[..., 0], values, table="sdoaia171", logarithmic=True)
        figures.save(figure, path)


def points(count=60):
    random = numpy.random.default_rng(0)
    kind = numpy.arange(count) % 5
    positions = random.normal(0, 0.5, (count, 2)) + numpy.stack([kind, kind % 2], axis=1) * 2
    times = numpy.datetime64("2013-11-01", "s") + numpy.arange(count) * numpy.timedelta64(2, "D")
    return types.SimpleNamespace(layer="head", times=times), positions, kind


def draw_classes(path):
    activations, positions, kind = points()
    pictures.draw_groups(numpy.array(list("ABCMX"))[kind], "class", activations, positions, DATA, path)


def draw_outcomes(path):
    activations, positions, kind = points()
    words = "yes from a probability of 0.5 on"
    outcomes = numpy.array(pictures.OUTCOMES)[kind % 4]
    pictures.draw_groups(outcomes, "outcome", activations, positions, DATA, path, words=words)


def draw_dates(path):
    activations, positions, _ = points()
    pictures.draw_dates(activations, positions, DATA, path)


def draw_projections(path):
    signed, _ = maps()
    responses = numpy.abs(signed[None, ::2, ::2, 0]) * [[[2.0]], [[1.0]]]
    projected = numpy.stack([signed, signed[:, ::-1]]).astype("float32") * (0.01, 0.02, 1e-4)
    found = deconvolutional.Projections("conv_1", numpy.array([3, 5]), responses, {"image": projected})
    deconvolutional.write(path.parent, types.SimpleNamespace(data=DATA), sample(), [found])
    next(path.parent.glob("*.png")).rename(path)


def draw_methods(path):
    signed, weights = maps()
    target = types.SimpleNamespace(words="logit of a flare tomorrow", value_words=lambda output: f"output {output:.2g}")
    explanations = {
        name: (types.SimpleNamespace(maps={"image": values[None]}, explained=target, units={}), checked)
        for name, values, checked in (
            ("integrated gradients", signed, {"checks": {}, "output": 1.0, "shares": {"on disk": 0.9}}),
            ("saliency", signed[::-1], {"checks": {"is no edge detector": False}, "output": 1.0}),
            ("Grad-CAM++", weights, {"checks": {}, "output": 1.0}),
        )
    }
    side_by_side.draw(path, types.SimpleNamespace(data=DATA), sample(), explanations)


def draw_made(path):
    activation_maximisation.draw(path, disc()[..., 0], AIA, DATA, "log10 of flux\noutput 82, of noise -6.2\nBEYOND ALL TARGETS")


def draw_fluxes(path):
    truth = 10 ** numpy.linspace(-7, -3.5, 60)
    forecast = truth ** (0.8 + 0.05 * numpy.sin(numpy.arange(60)))
    errors = {"rmse": 0.71, "skill_persistence": 0.12}
    title = regression.title_of("network", errors, 60, simulated=True)
    regression.draw(path, points()[0].times, forecast, truth, title=title)


def draw_board(path):
    probability = numpy.linspace(0, 1, 200) ** 2
    event = (numpy.arange(200) * 7919 % 200) / 200 < probability
    parts = [
        board.draw_confusion((20, 15, 9, 156), title="validation, epoch 1"),
        board.draw_precision_recall(probability, event, title="validation"),
        board.draw_reliability(probability, event, title="validation"),
    ]
    signed, _ = maps()
    parts.append(board.draw_samples(disc()[None, ..., 0], AIA, ["a time"], title="validation", maps=signed[None, ..., 0]))
    whole = Image.new("RGB", (sum(part.shape[1] for part in parts), max(part.shape[0] for part in parts)), "white")
    left = 0
    for part in parts:
        whole.paste(Image.fromarray(part), (left, 0))
        left += part.shape[1]
    whole.save(path)


DRAWN = {
    "overlays": draw_overlays,
    "embedding_class": draw_classes,
    "embedding_outcome": draw_outcomes,
    "embedding_date": draw_dates,
    "deconvolution": draw_projections,
    "side_by_side": draw_methods,
    "activation_maximisation": draw_made,
    "flux": draw_fluxes,
    "tensorboard": draw_board,
}


@pytest.mark.parametrize("name", sorted(DRAWN))
@pytest.mark.long
def test_a_picture_looks_as_it_did(name, tmp_path, golden_folder):
    with figures.style():
        DRAWN[name](tmp_path / f"{name}.png")
    picture_checker.require_as_kept(tmp_path / f"{name}.png", golden_folder / "pictures" / f"{name}.png")


def test_every_picture_kept_is_drawn(golden_folder):
    assert {path.stem for path in (golden_folder / "pictures").glob("*.png")} == set(DRAWN)


@pytest.mark.long
def test_faults_are_seen_and_what_no_one_sees_is_not(tmp_path, monkeypatch):
    """Another colour of maps without a sign is a fault; all moved by a pixel of the large picture is none."""
    draw_overlays(tmp_path / "right.png")
    picture_checker.reduced(tmp_path / "right.png").save(tmp_path / "kept.png")
    with Image.open(tmp_path / "right.png") as picture:
        moved = Image.fromarray(numpy.roll(numpy.asarray(picture.convert("RGB")), 1, axis=1))
    moved.save(tmp_path / "moved.png")
    picture_checker.require_as_kept(tmp_path / "moved.png", tmp_path / "kept.png")
    monkeypatch.setattr(figures, "STRENGTH", "#D00000")
    draw_overlays(tmp_path / "wrong.png")
    with pytest.raises(AssertionError, match=r"look at .*wrong\.png; if it is right, copy"):
        picture_checker.require_as_kept(tmp_path / "wrong.png", tmp_path / "kept.png")
    with pytest.raises(AssertionError, match=r"look at .*wrong\.png; if it is right, copy"):
        picture_checker.require_as_kept(tmp_path / "wrong.png", tmp_path / "missing.png")
