"""Golden outputs of the published PyTorch architectures, for pictures and weights that anyone can make again.

    python software_tests/golden/pytorch_parity.py

needs the extra `pytorch`; computes pytorch_outputs.npz with PyTorch, in evaluation mode: logits (2, 2) of each network, and
for the attention network its scores before the softmax, (2, height, width, 1). And torchvision_features.npz: the last features
of the networks that torchvision has too, as means over positions, (2, channel). The tests compare Keras's with them.
"""

import json
import pathlib
import sys

import numpy

HERE = pathlib.Path(__file__).parent
SIZES = {"alexnet": 512, "vgg16": 512, "resnet34": 512, "attention": 256, "no_attention": 256}

UNITS = 64  # of the hidden dense layers of VGG16, where its 4096 would take gigabytes in the default tests
PIECE = 2**20  # numbers made at once: those of a whole layer of VGG16 are 0.8 GB in float64


def state_dicts():
    """Names and shapes of each network's tensors, in the order of its state_dict: dict of dict of str to list."""
    return json.loads((HERE / "pytorch_state_dicts.json").read_text())


def few_units(shapes):
    """Shapes of VGG16's tensors when its hidden dense layers have `UNITS`: dict of name to list."""
    return {name: [UNITS if size == 4096 else size for size in shape] for name, shape in shapes.items()}


def recipe(shapes):
    """Reproducible weights: dict of name to shape -> dict of float32 arrays."""
    return {name: _tensor(number, name, shape) for number, (name, shape) in enumerate(shapes.items())}


def _tensor(number, name, shape):
    if name.endswith("num_batches_tracked"):
        return numpy.zeros(shape, "float32")
    random, values = numpy.random.default_rng(number), numpy.empty(int(numpy.prod(shape)), "float32")
    for begin in range(0, len(values), PIECE):
        piece = values[begin : begin + PIECE]
        piece[:] = _scaled(2 * random.random(len(piece)) - 1, name, shape)
    return values.reshape(shape)


def _scaled(spread, name, shape):
    """Bring numbers from -1 to 1 to the size that weights of a name and a shape have."""
    if name.endswith("running_mean"):
        return 0.05 * spread
    if name.endswith("running_var"):
        return 1 + 0.2 * spread**2
    if len(shape) == 1:
        return 0.5 + 0.1 * spread if name.endswith(".weight") else 0.05 * spread
    return spread * numpy.sqrt(6 / numpy.prod(shape[1:]))


TORCHVISION = {"alexnet": "features.", "vgg16": "features.", "resnet34": ("conv1", "bn1", "layer")}  # beginnings of names
FEATURES_SIZE = 128  # pixels


def torchvision_tensors(name):
    """Reproducible weights under the names that torchvision gives them: dict of float32 arrays.

    All tensors of the network but its last layers, which the import passes over: these are empty here.
    """
    shapes = {key: shape for key, shape in state_dicts()[name].items() if key.startswith(TORCHVISION[name])}
    behind = ("fc.weight", "fc.bias") if name == "resnet34" else ("classifier.6.weight", "classifier.6.bias")
    return recipe(shapes) | {key: numpy.zeros((1000, 0) if key.endswith("weight") else 1000, "float32") for key in behind}


def front():
    """Reproducible weights of the convolution before torchvision's networks: dict of float32 arrays by PyTorch name."""
    return recipe({"first_conv_layer.0.weight": [3, 1, 3, 3], "first_conv_layer.0.bias": [3]})


SEQUENCES = {"sequence": "dropout", "sequence_batchnorm": "batchnorm"}  # names here, and in the thesis


def sequence_shapes(name):
    """Names and shapes of the tensors of a sequence network of the thesis, in the order of its state_dict: dict."""
    norm = SEQUENCES[name] == "batchnorm"
    kernels = ((6, 1, 3, 4, 4), (12, 6, 3, 3, 3), (24, 12, 2, 3, 3), (24, 24, 1, 3, 3))
    backwards = ((24, 24, 1, 3, 3), (24, 12, 2, 3, 3), (12, 6, 3, 3, 3), (6, 1, 3, 4, 4))  # inputs before outputs
    shapes = {}

    def normalisation(place, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{place}.{part}"] = [channels]
        shapes[f"{place}.num_batches_tracked"] = []

    for place, kernel in zip((0, 3, 6, 9), kernels, strict=True):
        shapes |= {f"encoder.{place}.weight": list(kernel), f"encoder.{place}.bias": [kernel[0]]}
        if norm and place < 9:
            normalisation(f"encoder.{place + 1}", kernel[0])
    features = 24 * 31 * 31
    for head in ("fc_mu", "fc_logvar"):
        shapes |= {f"{head}.weight": [32, features], f"{head}.bias": [32]}
    shapes |= {"decoder_fc.weight": [features, 32], "decoder_fc.bias": [features]}
    for place, kernel in zip((0, 2, 5, 8) if norm else (0, 3, 6, 9), backwards, strict=True):
        shapes |= {f"decoder.{place}.weight": list(kernel), f"decoder.{place}.bias": [kernel[1]]}
        if norm and place in (2, 5):
            normalisation(f"decoder.{place + 1}", kernel[1])
    return shapes


def sequence_tensors(name):
    """Reproducible weights of a sequence network, its log-variances small: dict of float32 arrays."""
    tensors = recipe(sequence_shapes(name))
    # Of a transposed kernel the first axis is that of inputs, of which each output has few.
    return {key: 2 * value if key.startswith("decoder.") and value.ndim == 5 else value for key, value in tensors.items()}


def sequences():
    """A sequence of magnetogram-like frames: float32 (1, 6, 512, 512, 1)."""
    both = pictures(512)
    shares = numpy.linspace(0, 1, 6, dtype="float32")[:, None, None, None]
    return ((1 - shares) * both[0] + shares * both[1])[None]


def sequence_outputs(name):
    """Compute what PyTorch makes of `sequences`: dict of mean, log_variance (1, 32) and decoded (1, 6, 512, 512, 1)."""
    import torch
    from torch import nn

    tensors = {key: torch.from_numpy(value) for key, value in sequence_tensors(name).items()}

    def stack(side, kind, last):
        places = {int(key.split(".")[1]) for key in tensors if key.startswith(f"{side}.")}
        layers = []
        for place in range(max(places) + 1):
            weight = tensors.get(f"{side}.{place}.weight")
            if weight is None:
                layers.append(nn.ReLU())  # also where there is dropout, which does nothing here: a second ReLU neither
            elif weight.ndim == 1:
                layers.append(nn.BatchNorm3d(len(weight)))
            else:
                inputs, outputs = (weight.shape[1], weight.shape[0]) if kind is nn.Conv3d else weight.shape[:2]
                layers.append(kind(inputs, outputs, tuple(weight.shape[2:]), (1, 2, 2)))
        return nn.Sequential(*layers, *last)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = stack("encoder", nn.Conv3d, (nn.ReLU(), nn.Flatten()))
            self.fc_mu, self.fc_logvar = nn.Linear(23064, 32), nn.Linear(23064, 32)
            self.decoder_fc = nn.Linear(32, 23064)
            self.decoder = stack("decoder", nn.ConvTranspose3d, (nn.Sigmoid(),))

    network = Network().eval()
    network.load_state_dict(tensors)
    with torch.no_grad():
        features = network.encoder(torch.from_numpy(sequences()).permute(0, 4, 1, 2, 3).contiguous())
        mean = network.fc_mu(features)
        decoded = network.decoder(network.decoder_fc(mean).reshape(-1, 24, 1, 31, 31)).permute(0, 2, 3, 4, 1)
    outputs = {"mean": mean, "log_variance": network.fc_logvar(features).detach(), "decoded": decoded}
    return {key: value.numpy() for key, value in outputs.items()}


def pictures(size):
    """Two grey disks with bipolar regions and noise: float32 (2, size, size, 1), multiples of 1/255."""
    random = numpy.random.default_rng(20260203)
    rows, columns = numpy.indices((size, size)) / size - 0.5
    images = []
    for _ in range(2):
        grey = 128 + random.normal(0, 6, (size, size))
        for x, y in random.uniform(-0.25, 0.25, (5, 2)):
            for side, sign in ((-0.01, 1), (0.01, -1)):
                grey += sign * 110 * numpy.exp(-((columns - x - side) ** 2 + (rows - y) ** 2) / 1e-4)
        images.append(numpy.where(numpy.hypot(rows, columns) < 0.39, numpy.rint(numpy.clip(grey, 0, 255)), 0))
    return (numpy.stack(images)[..., None] / 255).astype("float32")


def main():
    """Compute and write the golden outputs."""
    import torch

    sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))
    from training_step import pytorch_network

    outputs = {}
    for name, size in (SIZES | {"vgg16_few_units": SIZES["vgg16"]}).items():
        study_name = name.removesuffix("_few_units")
        network = pytorch_network("standard_cnn" if name == "no_attention" else study_name).eval()
        shapes = state_dicts()[study_name]
        if name != study_name:
            shapes = few_units(shapes)
            for place in ("0", "3", "6"):
                network.classifier[int(place)] = torch.nn.Linear(*shapes[f"classifier.{place}.weight"][::-1])
        network.load_state_dict({key: torch.from_numpy(value) for key, value in recipe(shapes).items()})
        scores = []

        def keep(module, inputs, found, scores=scores):
            scores.append(found.permute(0, 2, 3, 1))

        for key, module in network.named_modules():
            if key in ("attn1", "attn2", "attn3"):
                module.register_forward_hook(keep)
        with torch.no_grad():
            outputs[f"{name}/logits"] = network(torch.from_numpy(pictures(size)).permute(0, 3, 1, 2).contiguous()).numpy()
        outputs |= {f"{name}/attention_scores_{place}": found.numpy() for place, found in enumerate(scores, 1)}
    numpy.savez_compressed(HERE / "pytorch_outputs.npz", **outputs)
    features = {name: features_of(pytorch_network(name), name).mean((2, 3)) for name in TORCHVISION}
    numpy.savez_compressed(HERE / "torchvision_features.npz", **features)
    sequences = {f"{name}/{key}": thinned(value) for name in SEQUENCES for key, value in sequence_outputs(name).items()}
    numpy.savez_compressed(HERE / "sequence_outputs.npz", **sequences)
    print({name: array.shape for name, array in (outputs | features | sequences).items()})


def thinned(value):
    """Every 37th row and column of images; everything of vectors."""
    return value[:, :, ::37, ::37] if value.ndim == 5 else value


def features_of(network, name):
    """Compute the last features of a `torch.nn.Module` with the weights of `front` and `torchvision_tensors`.

    Parameters
    ----------
    network : torch.nn.Module
        Named as in the study: torchvision's network behind ``first_conv_layer``.
    name : str
        Of `TORCHVISION`.

    Returns
    -------
    numpy.ndarray
        (2, channel, height, width), before the last pooling.
    """
    import torch

    weights = {key: torch.from_numpy(value) for key, value in (front() | torchvision_tensors(name)).items() if value.size}
    weights = {key: value for key, value in weights.items() if not key.startswith(("classifier.", "fc."))}
    unexpected = network.eval().load_state_dict(weights, strict=False).unexpected_keys
    assert not unexpected, unexpected
    found = []
    last = network.features if name != "resnet34" else network.layer4
    last.register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        network(torch.from_numpy(pictures(FEATURES_SIZE)).permute(0, 3, 1, 2).contiguous())
    return found[0].numpy()


if __name__ == "__main__":
    main()
