"""Published PyTorch weights give in Keras what they give in PyTorch."""

import functools
import gc
import hashlib
import importlib
import importlib.util
import json
import pathlib
import pickle
import re
import sys

import numpy
import pytest

from network_models import networks, pytorch_weights
from network_models.full_disk_flare_forecast import alexnet, vgg16
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


@pytest.fixture
def few_units(monkeypatch):
    """Give AlexNet and VGG16 small dense layers: of VGG16's 0.5 GB of weights all but 60 MB are those of the dense ones."""
    for network in (alexnet, vgg16):
        monkeypatch.setattr(network, "UNITS", parity.UNITS)


@pytest.mark.parametrize(
    "architecture", ["alexnet", "resnet34", "attention", "standard_cnn", pytest.param("vgg16", marks=pytest.mark.slow)]
)
@pytest.mark.long
def test_outputs_are_those_of_pytorch(architecture, golden_folder, shared_or_none, state_dicts):
    """For generated pictures everywhere, and for two magnetograms where they are at hand."""
    study_name = STUDY_NAMES.get(architecture, architecture)
    _require_outputs_of_pytorch(architecture, study_name, state_dicts[study_name], golden_folder, shared_or_none)


@pytest.mark.long
def test_outputs_of_vgg16_are_those_of_pytorch(golden_folder, state_dicts, few_units):
    """As the slow test of all its weights, through the same layers."""
    shapes = parity.few_units(state_dicts["vgg16"])
    _require_outputs_of_pytorch("vgg16", "vgg16_few_units", shapes, golden_folder)


def _require_outputs_of_pytorch(architecture, study_name, shapes, golden_folder, shared_or_none=None):
    model = built(architecture)
    assign_state_dict(model, recipe(shapes), architecture)
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


@pytest.mark.long
def test_every_weight_is_imported(state_dicts):
    """The tables leave no weight of any network at its random start (shapes only, nothing is computed)."""
    described = {name: STUDY_NAMES.get(name, name) for name in ARCHITECTURES if not name.startswith(("burgess", "sequence"))}
    for architecture, study_name in described.items():
        known, shapes = ARCHITECTURES[architecture], state_dicts[study_name]
        ends = ("num_batches_tracked",)
        expected = sum(int(numpy.prod(shape)) for name, shape in shapes.items() if not name.endswith(ends))
        assert {name.rpartition(".")[0] for name in shapes} == set(known.layers), architecture
        if architecture not in ("vgg", "alex"):  # the parity tests build the two large ones
            assert built(architecture).count_params() == expected
    assert state_dicts["vgg16"]["classifier.0.weight"][0] == vgg16.UNITS
    assert state_dicts["alexnet"]["classifier.1.weight"][0] == alexnet.UNITS


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
@pytest.mark.long
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


# ImageNet weights of torchvision's networks

LAST = {"alexnet": "pool_5", "vgg16": "pool_5", "resnet34": "stage4_block2_relu2"}


def last_features(model, name):
    """Features of the golden pictures before the last pooling: (2, height, width, channel)."""
    import keras

    network = keras.Model(model.inputs, model.get_layer(LAST[name]).output)
    return numpy.asarray(network([parity.pictures(parity.FEATURES_SIZE)], training=False))


def behind_the_front(name):
    """Fill a network with the golden ImageNet-like weights: keras.Model, and digests of the weights before by path (dict)."""
    model = built(name, parity.FEATURES_SIZE)
    front = parity.front()
    model.get_layer("first_conv").set_weights(
        [front["first_conv_layer.0.weight"].transpose(2, 3, 1, 0), front["first_conv_layer.0.bias"]]
    )
    before = {weight.path: _digest(weight) for weight in model.weights}
    tensors = parity.torchvision_tensors(name)
    count = assign_state_dict(model, tensors, name)
    assert count == sum(value.size for key, value in tensors.items() if value.ndim and not key.startswith(("classifier", "fc")))
    return model, before


def _digest(weight):
    """Compute a digest of a weight: a copy of all those of VGG16 takes half a gigabyte."""
    return hashlib.sha256(numpy.asarray(weight).data).hexdigest()


@pytest.fixture(autouse=True)
def memory():
    """Give back the weights of a test at its end, not at that of the file: VGG16 and its copies take gigabytes."""
    import keras

    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("name", parity.TORCHVISION)
@pytest.mark.long
def test_imagenet_weights_give_the_features_of_pytorch(name, golden_folder, few_units):
    model, before = behind_the_front(name)
    with numpy.load(golden_folder / "torchvision_features.npz", allow_pickle=False) as golden:
        expected = golden[name]
    features = last_features(model, name).mean((1, 2))
    assert numpy.abs(features - expected).max() <= 1e-5 * numpy.abs(expected).max()
    new = ("first_conv", "dense_", "logits")
    for weight in model.weights:
        changed = before[weight.path] != _digest(weight)
        assert changed != weight.path.startswith(new) or weight.path.startswith("seed_generator"), weight.path


@pytest.mark.parametrize("name", ["alexnet", "resnet34"])
@pytest.mark.long
def test_every_feature_is_that_of_pytorch(name, few_units):
    pytest.importorskip("torch")
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benchmarks"))
    try:
        from training_step import pytorch_network
    finally:
        sys.path.pop(0)
    expected = parity.features_of(pytorch_network(name), name).transpose(0, 2, 3, 1)
    features = last_features(behind_the_front(name)[0], name)
    assert numpy.abs(features - expected).max() <= 1e-5 * numpy.abs(expected).max()


@pytest.fixture(scope="module")
def imagenet_file(tmp_path_factory):
    """Write a file as torchvision's of a network, with random weights: its path."""
    torch = pytest.importorskip("torch", reason="reads PyTorch files")

    @functools.cache
    def write(name):
        path = tmp_path_factory.mktemp("imagenet") / f"{name}-random.pth"
        torch.save({key: torch.from_numpy(value) for key, value in parity.torchvision_tensors(name).items()}, path)
        return path

    return write


@pytest.fixture
def imagenet(imagenet_file):
    return imagenet_file("resnet34")


@pytest.mark.parametrize(
    ("name", "size", "kept"),
    [
        ("alexnet", 95, {"features.3.weight": ("conv_2", "kernel"), "features.10.bias": ("conv_5", "bias")}),
        pytest.param(
            "resnet34",
            32,
            {"conv1.weight": ("conv1", "kernel"), "layer4.2.bn2.weight": ("stage4_block2_bn2", "gamma")},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_starts_from_imagenet(name, size, kept, imagenet_file, few_units, tmp_path, capsys):
    from network_models.full_disk_flare_forecast import train
    from network_models.trained_network import load_network

    imagenet = imagenet_file(name)

    sun = pathlib.Path(__file__).parents[2] / "dataset_models" / "simulated" / "sun.py"
    flags = ["--models", name, "--dataset", sun, "--days", 365, "--im_size", size, "--out", tmp_path, "--epochs", 1]
    flags += ["--steps_per_epoch", 1, "--validation_steps", 1, "--batch_size", 8, "--schedule", "constant", "--lr", 0]
    result = train.main([str(flag) for flag in [*flags, "--start_from", imagenet]])
    told = re.search(name + r"-random\.pth: ([\d,]+) of ([\d,]+) parameters start from it", capsys.readouterr().out)
    taken, whole = (int(number.replace(",", "")) for number in told.groups())
    network = load_network(result.folder.best)
    last = [layer for layer in network.layers if layer.name.startswith(("dense_", "logits"))]
    assert whole - taken == (9 * 3 + 3) + sum(layer.count_params() for layer in last)  # the first convolution, the last layers
    theirs = parity.torchvision_tensors(name)
    for key, (layer, variable) in kept.items():
        value = theirs[key].transpose(2, 3, 1, 0) if variable == "kernel" else theirs[key]
        numpy.testing.assert_array_equal(getattr(network.get_layer(layer), variable), value)
    assert result.folder.settings()["training_options"]["start_from"] == str(imagenet)


def test_the_script_says_how_much_comes_from_imagenet(imagenet, tmp_path, capsys):
    pytorch_weights.main([str(imagenet), "resnet34", str(tmp_path / "network.hdf5"), "--size", "32"])
    assert "of them from" in capsys.readouterr().out


def test_imagenet_weights_of_other_networks_are_refused(imagenet, tmp_path):
    from network_models.full_disk_flare_forecast import resnet34
    from network_models.training import start
    from network_models.xray_flux_forecast.fdl1 import architecture as fdl1

    network = resnet34.build({"image": Input((32, 32, 1))}, resnet34.Options())
    tensors = parity.torchvision_tensors("resnet34")
    smaller = {name: value for name, value in tensors.items() if not name.startswith("layer3.5")}
    with pytest.raises(UserError, match=r"not weights of resnet34 .*lacks layer3\.5\.conv1\.weight"):
        assign_state_dict(network, smaller, "resnet34")
    deeper = tensors | {"layer1.0.conv3.weight": numpy.zeros((256, 64, 1, 1), "float32")}
    with pytest.raises(UserError, match=r"has unknown layer1\.0\.conv3\.weight"):
        assign_state_dict(network, deeper, "resnet34")
    with pytest.raises(UserError, match="PyTorch weights of fdl1 are unknown; known are those of alex"):
        start.take_weights(fdl1.build({"image": Input((64, 64, 1))}, fdl1.Options()), imagenet)
    with pytest.raises(UserError, match=r"none\.pth: no such file of weights"):
        start.take_weights(network, tmp_path / "none.pth")
    from network_models.full_disk_flare_forecast import standard_cnn

    other = standard_cnn.build({"image": Input((192, 192, 1))}, standard_cnn.Options())
    with pytest.raises(UserError, match=r"resnet34-random\.pth: not weights of standard_cnn"):
        start.take_weights(other, imagenet)


# Checkpoints of the thesis


@pytest.fixture(scope="module")
def sequence_networks():
    """Networks of sequences with the golden weights: dict of name to keras.Model."""
    from network_models.beta_vae import sequence

    made = {}
    for name in parity.SEQUENCES:
        options = sequence.Options(**ARCHITECTURES[name].options)
        made[name] = sequence.build({"sequence": Input((6, 512, 512, 1))}, options)
        count = assign_state_dict(made[name], parity.sequence_tensors(name), name)
        assert count == made[name].count_params() - 1  # the counter of steps
    return made


@pytest.mark.parametrize("name", parity.SEQUENCES)
def test_sequences_are_those_of_pytorch(name, sequence_networks, golden_folder):
    model = sequence_networks[name]
    outputs = model({"sequence": parity.sequences()}, training=False)
    found = {"mean": outputs["mean"], "log_variance": outputs["log_variance"], "decoded": model.images(outputs["output"])}
    with numpy.load(golden_folder / "sequence_outputs.npz", allow_pickle=False) as golden:
        for key, value in found.items():
            expected = golden[f"{name}/{key}"]
            value = parity.thinned(numpy.asarray(value))
            assert numpy.abs(value - expected).max() <= 1e-5 * numpy.abs(expected).max(), key
        assert golden[f"{name}/decoded"].std() > 0.01


def test_a_checkpoint_of_lightning_is_read(tmp_path, capsys):
    """As the thesis's training loop leaves it: under state_dict, each name behind 'model.'."""
    torch = pytest.importorskip("torch", reason="reads PyTorch files")
    from network_models.trained_network import load_network

    tensors = parity.sequence_tensors("sequence")
    content = {f"model.{name}": torch.from_numpy(value) for name, value in tensors.items()}
    extra = {
        "epoch": 99,
        "global_step": 38600,
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "loops": {"a": {"b": 1}},
    }
    path = tmp_path / "epoch=99-step=38600.ckpt"
    torch.save({**extra, "state_dict": content}, path)
    pytorch_weights.main([str(path), "sequence", str(tmp_path / "thesis.hdf5")])
    assert capsys.readouterr().out.strip().endswith("thesis.hdf5: sequence, 2,262,582 parameters")
    model = load_network(tmp_path / "thesis.hdf5")
    kernel = numpy.asarray(model.encoder.get_layer("mean_and_log_variance").kernel)
    assert kernel.shape == (23064, 64)
    by_place = tensors["fc_logvar.weight"].reshape(32, 24, 31, 31)  # the only frame is left out
    assert kernel[24 * (31 * 2 + 5) + 7, 2 * 3 + 1] == by_place[3, 7, 2, 5]


def test_sequences_of_another_network_are_refused():
    from network_models.beta_vae import sequence

    model = sequence.build({"sequence": Input((6, 512, 512, 1))}, sequence.Options())
    tensors = parity.sequence_tensors("sequence_batchnorm")
    with pytest.raises(UserError, match=r"not weights of sequence .*lacks decoder\.9\..*has unknown decoder\.2"):
        assign_state_dict(model, tensors, "sequence")
    fewer = parity.sequence_tensors("sequence")
    del fewer["fc_logvar.bias"]
    with pytest.raises(UserError, match=r"lacks fc_mu, fc_logvar\.bias; has unknown fc_mu\.bias"):
        assign_state_dict(model, fewer, "sequence")
    small = sequence.build({"sequence": Input((6, 256, 256, 1))}, sequence.Options())
    with pytest.raises(UserError, match=r"has misshapen .*decoder_fc\.weight"):
        assign_state_dict(small, parity.sequence_tensors("sequence"), "sequence")
