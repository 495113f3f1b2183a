"""The embedding: what is collected, that groups stay together, and the projector's files."""

import types

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network_models.layers.flare_rates import PowerLawRates
from science.embedding import activations, pictures, projector, tsne
from science.explanation import subject as explanation
from tools import figures
from tools.errors import UserError


def check_groups_and_seed():
    """Groups that are far apart stay together, one seed gives one map, and two give two."""
    random = numpy.random.default_rng(0)
    group = numpy.repeat(numpy.arange(3), 30)
    vectors = random.normal(0, 1, (90, 40)) + 12 * numpy.eye(40)[group]
    maps = {seed: tsne.embed(vectors, seed=seed) for seed in (None, 1, 2)}
    for seed, positions in maps.items():
        distances = numpy.linalg.norm(positions[:, None] - positions[None], axis=-1) + numpy.where(numpy.eye(90), numpy.inf, 0)
        assert (group[distances.argmin(axis=1)] == group).all()
        numpy.testing.assert_array_equal(positions, tsne.embed(vectors, seed=seed))
    for one, other in ((1, 2), (None, 1)):
        assert numpy.abs(maps[one] - maps[other]).max() > 0.1 * numpy.ptp(maps[one])


@pytest.mark.long
def test_groups_stay_together_and_the_seed_decides():
    check_groups_and_seed()


@pytest.mark.parametrize("shape", [(5, 1), (5, 3), (12, 300)])
def test_few_samples_and_few_units(shape):
    positions = tsne.embed(numpy.random.default_rng(0).normal(size=shape))
    assert positions.shape == (shape[0], 2)
    assert numpy.isfinite(positions).all()


def test_a_network_that_says_the_same_of_everything():
    with pytest.raises(UserError, match="the same for every image"):
        tsne.embed(numpy.ones((10, 4)))


def test_collected_activations_are_what_the_output_layer_reads(saved, dataset):
    subject = explanation.load(saved(), dataset)
    collected = activations.collect(subject, batch_size=5)
    weights, bias = subject.model.get_layer("output").get_weights()
    outputs = collected.vectors @ weights + bias
    numpy.testing.assert_allclose(numpy.log10(collected.predictions), outputs[:, 0], rtol=1e-5, atol=1e-5)
    data = subject.data
    times = [*data.times("training"), *data.times("validation")]
    numpy.testing.assert_array_equal(collected.times, times)
    numpy.testing.assert_array_equal(collected.splits, ["training"] * 12 + ["validation"] * 12)
    images = numpy.stack([data.inputs(time)["image"] for time in times])
    expected = subject.model.predict({"image": images}, verbose=0)[:, 0]
    numpy.testing.assert_allclose(outputs[:, 0], expected, rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(collected.truths, [data.truth(time)[0] for time in times])


def test_feature_maps_of_a_named_layer_are_averaged(saved, dataset):
    collected = activations.collect(explanation.load(saved(), dataset), splits=["validation"], layer="first")
    assert collected.vectors.shape == (12, 6)
    assert set(collected.splits) == {"validation"}


def test_the_representation_before_a_nested_head():
    import keras

    from science.gradients.engine import GradientEngine

    image = keras.Input((8,), name="image")
    x = keras.layers.Dense(6, activation="relu", name="body")(image)
    inner = keras.Input((6,))
    head = keras.Model(inner, keras.layers.Activation("relu")(keras.layers.Dense(1, name="read")(inner)), name="head")
    engine = GradientEngine(keras.Model(image, head(x)))
    assert engine.feature_layer().name == "read"
    branches = keras.layers.Add()([keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
    with pytest.raises(UserError, match="choose a layer with --layer"):
        GradientEngine(keras.Model(image, branches)).feature_layer()
    rates, _ = PowerLawRates(name="sizes")([keras.layers.Dense(3)(x), keras.layers.Dense(3, activation="softplus")(x)])
    total = keras.layers.Lambda(lambda value: keras.ops.sum(value, axis=(1, 2))[:, None])(rates)
    with pytest.raises(UserError, match="ends in sizes, which takes several inputs; choose a layer with --layer"):
        GradientEngine(keras.Model(image, total)).feature_layer()


def _table(path):
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}


@pytest.mark.long
def test_a_run_gets_files_that_agree(saved, dataset):
    from google.protobuf import text_format
    from PIL import Image
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    model = saved()
    run = model.parent
    (run / "settings.yml").write_text(f"dataset: {dataset}\ndata_options: {{}}\n")
    tsne.main([str(model), str(dataset), "--channel", "magnetogram"])
    folder = run / "embeddings"
    for base, prefix in ((folder, ""), (run, "embeddings/")):
        config = text_format.Parse((base / "projector_config.pbtxt").read_text(), ProjectorConfig())
        assert [entry.tensor_path for entry in config.embeddings] == [f"{prefix}tsne.tsv", f"{prefix}activations.tsv"]
        for entry in config.embeddings:
            for path in (entry.tensor_path, entry.metadata_path, entry.sprite.image_path):
                assert (base / path).is_file()
    with numpy.load(folder / "embedding.npz", allow_pickle=False) as arrays:
        vectors, positions, truths = arrays["vectors"], arrays["positions"], arrays["truths"]
    numpy.testing.assert_allclose(numpy.loadtxt(folder / "activations.tsv", delimiter="\t"), vectors, rtol=1e-5, atol=1e-6)
    flat = numpy.loadtxt(folder / "tsne.tsv", delimiter="\t")  # a plane in space, which TensorBoard's projector draws
    numpy.testing.assert_allclose(flat[:, :2], positions, rtol=1e-5, atol=1e-5)
    assert (flat[:, 2:] == 0).all()
    table = _table(folder / "metadata.tsv")
    assert list(table) == ["time", "split", "flux", "class", "group", "prediction", "outcome", "note", "simulated"]
    assert len(table["time"]) == len(vectors) == 24
    assert table["time"][0] == "2026-02-01T00:00:00Z"
    assert table["note"][0] == "a b", "a tab within an entry would shift its row"
    numpy.testing.assert_allclose(numpy.array(table["flux"], float), truths, rtol=1e-3)
    with Image.open(folder / "sprite.png") as image:
        assert image.size == (5 * 64, 5 * 64)
    assert (folder / "embedding.png").stat().st_size > 10_000


def test_classification_is_grouped_by_event(saved, dataset):
    subject = explanation.load(saved(), dataset, {"kind": "classification"})
    collected = activations.collect(subject)
    table = activations.labels(subject, collected)
    assert set(table["group"]) == {"event", "no event"}
    assert [group == "event" for group in table["group"]] == list(collected.truths == 1)
    assert ((collected.predictions >= 0) & (collected.predictions <= 1)).all()


@given(count=st.integers(1, 90_000))
@settings(deadline=None, max_examples=30)
def test_sprites_fit_into_a_texture(count):
    size = projector.thumbnail_size(count)
    assert 1 <= size <= 64
    assert int(numpy.ceil(numpy.sqrt(count))) * size <= 8192


def test_thumbnails_lie_row_by_row():
    thumbnails = numpy.arange(5, dtype="uint8")[:, None, None, None] * numpy.ones((1, 2, 2, 3), "uint8")
    sprite = projector.sprite(thumbnails)
    assert sprite.shape == (6, 6, 3)
    numpy.testing.assert_array_equal(sprite[::2, ::2, 0], [[0, 1, 2], [3, 4, 0], [0, 0, 0]])


def test_thumbnails_keep_north_up():
    from dataset_models.solar_data import Channel

    image = numpy.zeros((1, 32, 32, 1), "float32")
    image[0, :4] = 1
    small = projector.Painter(Channel("x"), 0, size=8)(image)
    assert small.shape == (1, 8, 8, 3)
    assert small[0, 0].min() == 255
    assert small[0, 4:].max() == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--count", "2"], "4 samples in training, validation; an embedding needs at least 5"),
        (["--count", "0"], "the training split is empty"),
        (["--channel", "1700"], "--channel 1700: the data set has 171, magnetogram"),
        (["--layer", "nothing"], "--layer nothing: the network has no such layer"),
        (["--perplexity", "nan"], "--perplexity nan: must be at least 1"),
        (["--batch", "0"], "--batch 0: must be at least 1"),
        (["--event", "big"], "--event big: is no GOES class"),
        (["--nearest", "noon"], "--nearest noon: is not a time"),
        (["--nearest", "NaT"], "--nearest NaT: is not a time"),
        (["--nearest", "2026-02-01T03:00+02:00"], "is not a time in UTC"),
        (
            ["--nearest", "2027-01-01"],
            "--nearest 2027-01-01T00:00:00Z: the samples are of 2026-02-01T00:00:00Z to 2026-03-01T11",
        ),
        (["--samples", "validation", "--nearest", "2026-02-01"], "the samples are of 2026-03-01T00:00:00Z"),
        (["--seed", "-1"], "--seed -1: must be at least 0"),
        (["--threshold", "nan"], "--threshold nan: give a probability"),
        (["--neighbours", "0"], "--neighbours 0: must be at least 1"),
    ],
)
def test_faults_write_nothing(saved, dataset, flags, words):
    model = saved()
    with pytest.raises(UserError, match=words):
        tsne.main([str(model), str(dataset), *flags])
    assert [file.name for file in model.parent.iterdir()] == [model.name]


def test_three_dimensions():
    vectors = numpy.random.default_rng(0).normal(size=(40, 8))
    positions = tsne.embed(vectors, dimensions=3)
    assert positions.shape == (40, 3)
    numpy.testing.assert_array_equal(positions, tsne.embed(vectors, dimensions=3))


@pytest.mark.long
def test_many_samples_keep_their_groups(monkeypatch):
    """The same promise by openTSNE, which takes over from `MANY` samples on."""
    monkeypatch.setattr(tsne, "MANY", 50)
    monkeypatch.setattr(tsne, "with_scikit_learn", None)
    check_groups_and_seed()


def test_neighbours_by_hand():
    vectors = numpy.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 2.0]], "float32")
    found, distances = activations.nearest(vectors, 0, 2)
    assert list(found) == [2, 3]
    numpy.testing.assert_allclose(distances, [1.0, 2.0])


def test_outcomes_by_hand(saved, dataset):
    import dataclasses

    subject = explanation.load(saved(), dataset, {"kind": "classification"})
    collected = activations.collect(subject, splits=["validation"])
    count = len(collected.times)
    known = dataclasses.replace(
        collected,
        truths=numpy.resize([1.0, 1.0, 0.0, 0.0], count),
        predictions=numpy.resize([0.6, 0.4, 0.6, 0.4], count),
    )
    assert list(activations.outcomes(subject.data, known)[:4]) == ["hit", "miss", "false alarm", "correct null"]
    assert list(activations.outcomes(subject.data, known, threshold=0.3)[:4]) == ["hit", "hit", "false alarm", "false alarm"]
    flux = explanation.load(saved(), dataset)
    fluxes = dataclasses.replace(
        known,
        truths=numpy.resize([2e-5, 2e-5, 1e-6, 1e-6], count),
        predictions=numpy.resize([1e-5, 9e-6, 1e-5, 9e-6], count),
    )
    assert list(activations.outcomes(flux.data, fluxes)[:4]) == ["hit", "miss", "false alarm", "correct null"]


@pytest.mark.parametrize("dimensions", ["2", "3"])
@pytest.mark.long
def test_pictures_by_class_outcome_date_and_neighbours(saved, dataset, tmp_path, dimensions, capsys):
    out = tmp_path / "out"
    tsne.main([str(saved()), str(dataset), "--out", str(out), "--dimensions", dimensions, "--nearest", "2026-02-01T03:10:00Z"])
    names = {path.name for path in out.glob("*.png")}
    stem = {"2": "embedding", "3": "embedding_3d"}[dimensions]  # so that neither map replaces the other
    assert (out / f"{stem}.npz").is_file()
    assert names == {
        f"{stem}.png",
        f"{stem}_class.png",
        f"{stem}_date.png",
        f"{stem}_outcome.png",
        "nearest_2026-02-01T030000.png",
        "sprite.png",
    }
    assert set(_table(out / "metadata.tsv")["outcome"]) <= set(activations.OUTCOMES)
    assert "neighbours of the sample of 2026-02-01T03:00:00Z drawn" in capsys.readouterr().out


@pytest.mark.long
def test_the_seed_flag_changes_the_map(saved, dataset, tmp_path):
    model, positions = saved(), []
    for number, flags in enumerate(([], [], ["--seed", "1"], ["--seed", "1"], ["--seed", "2"])):
        tsne.main([str(model), str(dataset), "--out", str(tmp_path / str(number)), *flags])
        with numpy.load(tmp_path / str(number) / "embedding.npz") as arrays:
            positions.append(arrays["positions"])
    numpy.testing.assert_array_equal(positions[0], positions[1])
    numpy.testing.assert_array_equal(positions[2], positions[3])
    assert numpy.abs(positions[2] - positions[4]).max() > 0.1
    assert numpy.abs(positions[0] - positions[2]).max() > 0.1


@pytest.mark.parametrize(
    ("groups", "name", "expected"),
    [
        ("BBBBCCCMMAX", "class", ["A", "B", "C", "M", "X"]),
        (["miss", "hit", "hit", "correct null"], "outcome", ["hit", "miss", "false alarm", "correct null"]),
    ],
)
@pytest.mark.long
def test_legends_name_groups_in_their_order_and_not_by_number(monkeypatch, tmp_path, groups, name, expected):
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    collected = types.SimpleNamespace(layer="head")
    data = types.SimpleNamespace(title="", simulated=False, target_label="")
    positions = numpy.random.default_rng(0).normal(size=(len(groups), 2))
    pictures.draw_groups(list(groups), name, collected, positions, data, tmp_path / "map.png", words="from M1.0 on")
    legend = drawn[0].legends[0]
    labels = [text.get_text() for text in legend.get_texts()]
    assert len({round(text.get_window_extent().y0) for text in legend.get_texts()}) == 1  # one row: columns would mix the order
    assert labels == [f"{kind} ({list(groups).count(kind)})" for kind in expected]
    assert legend.get_title().get_text() == f"{name}: from M1.0 on"


def test_classes_keep_their_colours_and_differ_in_grey():
    every, some = (pictures.colours_of(list(letters), "class") for letters in ("ABCMX", "CX"))
    numpy.testing.assert_array_equal(some, every[[2, 4]])
    grey = every @ (0.299, 0.587, 0.114)
    assert (numpy.diff(grey) < -0.08).all()


def test_thumbnails_are_framed_in_the_colours_of_their_groups():
    thumbnails = numpy.full((2, 32, 32, 3), 7, "uint8")
    framed = projector.framed(thumbnails, numpy.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    assert framed[:, 0, 5].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert (framed[:, 2:-2, 2:-2] == 7).all()
    assert (thumbnails == 7).all()
