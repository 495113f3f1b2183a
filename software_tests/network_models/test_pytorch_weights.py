"""Published PyTorch weights give in Keras what they give in PyTorch."""

import importlib
import importlib.util
import json
import pathlib
import pickle
import sys

import numpy
import pytest

from network_models import networks, pytorch_weights
from network_models.image_inputs import Input
from network_models.pytorch_weights import ARCHITECTURES, assign_state_dict, import_state_dict
from tools.errors import UserError

# h5py copies Keras variables through numpy's older protocol.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")

STUDY_NAMES = {"standard_cnn": "no_attention", "cnn": "no_attention", "alex": "alexnet", "vgg": "vgg16", "resnet": "resnet34"}


_place = pathlib.Path(__file__).parents[1] / "golden" / "pytorch_parity.py"
_spec = importlib.util.spec_from_file_location("pytorch_parity", _place)
parity = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(parity)
recipe = parity.recipe


def built(architecture, size=None, **options):
    network = networks.named(architecture)
    size = size or ARCHITECTURES[networks.name_of(architecture)].image_size
    return network.build({"image": Input((size, size, 1))}, network.Options(**options))


@pytest.fixture(scope="module")
def state_dicts():
    return parity.state_dicts()


@pytest.fixture(scope="module")
def standard_tensors(state_dicts):
    return recipe(state_dicts["no_attention"])


def magnetograms(shared, names, size):
    from PIL import Image

    images = numpy.stack([numpy.asarray(Image.open(shared / "hmi_2026" / name).convert("L"), "float32") for name in names])
    images /= 255
    if size == 256:
        images = images.reshape(len(images), 256, 2, 256, 2).mean((2, 4))
    return images[..., None]


@pytest.mark.parametrize("architecture", ["alexnet", "resnet34", "attention", "standard_cnn", "vgg16"])
def test_outputs_are_those_of_pytorch(architecture, golden_folder, shared_or_none, state_dicts):
    """For generated pictures everywhere, and for two magnetograms where they are at hand."""
    study_name = STUDY_NAMES.get(architecture, architecture)
    model = built(architecture)
    assign_state_dict(model, recipe(state_dicts[study_name]), architecture)
    size = ARCHITECTURES[networks.name_of(architecture)].image_size
    cases = [(parity.pictures(size), golden_folder / "pytorch_outputs.npz")]
    if shared_or_none:
        folder = shared_or_none / "pytorch_parity"
        names = json.loads((folder / "state_dict_keys.json").read_text())["images"]
        cases.append((magnetograms(shared_or_none, names, size), folder / "outputs.npz"))
    for images, path in cases:
        outputs = model({"image": images}, training=False)
        outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
        golden = numpy.load(path, allow_pickle=False)
        expected = {name.removeprefix(f"{study_name}/"): golden[name] for name in golden if name.startswith(f"{study_name}/")}
        assert set(outputs) == set(expected)
        for name, value in expected.items():
            assert numpy.abs(outputs[name] - value).max() <= 1e-4 * numpy.abs(value).max(), name


def test_every_weight_is_imported(state_dicts):
    """The tables leave no weight of any network at its random start (shapes only, nothing is computed)."""
    described = {name: STUDY_NAMES.get(name, name) for name in ARCHITECTURES if not name.startswith("burgess")}
    for architecture, study_name in described.items():
        known, shapes = ARCHITECTURES[architecture], state_dicts[study_name]
        ends = ("num_batches_tracked",)
        expected = sum(int(numpy.prod(shape)) for name, shape in shapes.items() if not name.endswith(ends))
        assert {name.rpartition(".")[0] for name in shapes} == set(known.layers), architecture
        if architecture not in ("vgg", "alex"):  # the parity test builds the two large ones
            assert built(architecture).count_params() == expected


def test_weights_of_another_network_are_refused_and_change_nothing(state_dicts):
    model = built("standard_cnn")
    before = model.get_weights()
    with pytest.raises(UserError) as caught:
        assign_state_dict(model, recipe(state_dicts["resnet34"]), "standard_cnn", origin="res.pth")
    message = str(caught.value)
    assert message.startswith("res.pth: not weights of standard_cnn")
    assert "lacks dense.weight" in message
    assert "has unknown bn1.bias" in message
    assert "\n" not in message
    assert all(numpy.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda tensors: tensors.pop("classify.bias"), "lacks classify.bias"),
        (lambda tensors: tensors.update(extra=numpy.zeros(1)), "has unknown extra"),
        (
            lambda tensors: tensors.update({"classify.weight": numpy.zeros((3, 512))}),
            r"has misshapen classify.weight \(3, 512\)",
        ),
        (lambda tensors: tensors.update({"dense.bias": numpy.zeros(())}), r"has misshapen dense.bias \(\)"),
    ],
)
def test_missing_extra_and_misshapen_tensors_are_named(change, complaint, standard_tensors):
    tensors = dict(standard_tensors)
    change(tensors)
    with pytest.raises(UserError, match=complaint):
        assign_state_dict(built("standard_cnn"), tensors, "standard_cnn")


def test_weights_of_the_attention_network_are_not_those_of_its_twin(state_dicts):
    tensors = recipe(state_dicts["attention"])
    with pytest.raises(UserError, match=r"has unknown attn1.op.weight.*has misshapen classify.weight"):
        assign_state_dict(built("standard_cnn"), tensors, "standard_cnn")


@pytest.mark.parametrize("form", ["plain", "model_state_dict", "module prefix"])
def test_file_of_each_form(form, tmp_path, standard_tensors):
    torch = pytest.importorskip("torch", reason="reads PyTorch files")
    content = {name: torch.from_numpy(value) for name, value in standard_tensors.items()}
    if form == "module prefix":
        content = {f"module.{name}": value for name, value in content.items()}
    if form == "model_state_dict":
        content = {"epoch": 3, "model_state_dict": content, "optimizer_state_dict": {"state": {}, "param_groups": []}}
    torch.save(content, tmp_path / "weights.pth")
    model = import_state_dict(tmp_path / "weights.pth", "standard_cnn", image_size=224)
    numpy.testing.assert_array_equal(model.get_layer("logits").kernel, standard_tensors["classify.weight"].T)
    numpy.testing.assert_array_equal(
        model.get_layer("block_2_bn").moving_variance, standard_tensors["conv_block2.1.running_var"]
    )


class Dangerous:
    def __reduce__(self):
        return (print, ("executed",))


def test_files_that_are_not_weights_only_are_refused(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="reads PyTorch files")
    pickled, whole, text, other = (tmp_path / name for name in ("pickle.pth", "whole.pt", "text.pth", "list.pth"))
    pickled.write_bytes(pickle.dumps(Dangerous()))
    torch.save(torch.nn.Linear(2, 2), whole)
    text.write_text("<html>not found</html>")
    torch.save([1, 2], other)
    for path in (pickled, whole, text):
        with pytest.raises(UserError, match=f"{path.name}: refused, not a PyTorch file of weights only"):
            pytorch_weights.read_state_dict(path)
    with pytest.raises(UserError, match=r"list.pth: holds no state dict"):
        pytorch_weights.read_state_dict(other)
    with pytest.raises(UserError, match=r"absent.pth: no such file"):
        pytorch_weights.read_state_dict(tmp_path / "absent.pth")
    assert "executed" not in capsys.readouterr().out


def test_absent_pytorch_is_said_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "weights.pth").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r"pip install -c constraints\.txt -e '\.\[pytorch\]'"):
        pytorch_weights.read_state_dict(tmp_path / "weights.pth")


def test_script_writes_a_network_that_loads(tmp_path, standard_tensors):
    torch = pytest.importorskip("torch", reason="reads PyTorch files")
    from network_models.trained_network import load_network

    torch.save({name: torch.from_numpy(value) for name, value in standard_tensors.items()}, tmp_path / "weights.pth")
    out = tmp_path / "new" / "network.hdf5"
    pytorch_weights.main([str(tmp_path / "weights.pth"), "standard_cnn", str(out), "--size", "224"])
    model = load_network(out)
    assert model.input["image"].shape == (None, 224, 224, 1)
    numpy.testing.assert_array_equal(model.get_layer("global_conv").bias, standard_tensors["dense.bias"])


def test_script_refuses_in_one_line_and_writes_nothing(tmp_path, command):
    (tmp_path / "text.pth").write_text("not weights")
    out = tmp_path / "network.hdf5"
    finished = command(pytorch_weights.__file__, tmp_path / "text.pth", "alexnet", out)
    assert finished.code == 2
    assert len(finished.err.splitlines()) == 1
    assert "text.pth" in finished.err
    assert not out.exists()
