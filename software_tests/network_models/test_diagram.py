import keras
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from network_models import diagram, networks

SCRIPT = "network_models/diagram.py"
SIZES = {"burgess": 32, "attention": 192, "cnn": 192, "alex": 95}
BETA_VAES = ("burgess", "full_disk", "sequence")


def built(name):
    module = networks.named(name)
    return module.build(networks.inputs_of(name, SIZES.get(name, 64)), module.Options(), 0)


@pytest.mark.parametrize("name", ["fdl1", "attention", "resnet34", *BETA_VAES])
def test_every_parameter_is_in_a_box_and_every_box_is_reached(name):
    model = built(name)
    found = diagram.boxes(model)
    networks_within = [layer for layer in model.layers if hasattr(layer, "layers")] or [model]
    assert sum(box.parameters for box in found) == sum(one.count_params() for one in networks_within)
    for number, box in enumerate(found):
        assert all(found.index(source) < number for source in box.sources)
        first = type(box.layers[0]).__name__
        assert bool(box.sources) != (first == "InputLayer") or name in BETA_VAES


def test_residual_blocks_of_a_stage_are_drawn_once():
    groups = diagram.blocks(diagram.boxes(built("resnet34")))
    assert [count for group, count in groups if len(group) > 1] == [3, 1, 3, 1, 5, 1, 2]  # 3, 4, 6 and 3 blocks
    total = sum(count * sum(box.parameters for box in group) for group, count in groups)
    assert total == built("resnet34").count_params()


def test_other_networks_are_drawn_too(tmp_path):
    first, second = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="side_channel")
    inner = keras.Sequential([keras.layers.Conv2D(2, 3), keras.layers.Flatten()], name="inner")
    joined = keras.layers.Concatenate()([inner(first), second])
    outputs = keras.layers.Dense(1)(keras.layers.Dropout(0.2)(keras.layers.Dense(4, activation="relu")(joined)))
    model = keras.Model([first, second], outputs)
    lines = [line for box in diagram.boxes(model) for line in box.lines]
    assert "Sequential network of 2 layers" in lines
    assert "Dense relu" in lines
    assert "Dropout 0.2" in lines
    diagram.draw(tmp_path / "network.svg", model, title="a network")
    assert "</svg>" in (tmp_path / "network.svg").read_text()


@pytest.mark.parametrize("count", [1, 3])
def test_a_long_title_stays_in_the_picture_and_above_the_boxes(count, tmp_path, monkeypatch):
    """Also where the network has one column of boxes, so that the picture is narrow."""
    drawn = []
    monkeypatch.setattr(diagram.figures, "save", lambda figure, path: drawn.append(figure))
    image = keras.Input((8, 8, 1), name="image")
    diagram.draw(tmp_path / "a.png", keras.Model(image, keras.layers.Flatten()(image)), title="202611251605/" * count)
    renderer = FigureCanvasAgg(drawn[0]).get_renderer()
    (axes,) = drawn[0].axes
    title = axes.texts[0].get_window_extent(renderer)
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches]
    assert 0 <= title.x0 <= title.x1 <= drawn[0].bbox.width
    assert max(box.y1 for box in boxes if box.height > 10) <= title.y0 <= title.y1 <= drawn[0].bbox.height


def test_the_script_draws_by_name_and_from_a_file(tmp_path, command):
    code, out, _ = command(SCRIPT, "fdl1", "--image_size", 32, "--channels", 2, "--out", tmp_path / "fdl1.png")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'fdl1.png'}: ")
    model = built("fdl1")
    model.save(tmp_path / "network.hdf5")
    code, out, _ = command(SCRIPT, tmp_path / "network.hdf5")
    assert code == 0
    assert f"{tmp_path / 'diagram.png'}: " in out
    assert f"{model.count_params():,} parameters" in out
    code, out, _ = command(SCRIPT, "sequence", "--image_size", 64, "--frames", 7, "--out", tmp_path / "sequence.svg")
    assert code == 0
    assert "7 \N{MULTIPLICATION SIGN} 64 \N{MULTIPLICATION SIGN} 64" in (tmp_path / "sequence.svg").read_text()
    for wrong in (("alexnett",), (tmp_path / "none.hdf5",), ("fdl1", "--out", tmp_path / "fdl1.txt")):
        code, _, error = command(SCRIPT, *wrong)
        assert (code, error.count("\n")) == (2, 1)
