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

PIECE = 2**20  # numbers made at once: those of a whole layer of VGG16 are 0.8 GB in float64


def state_dicts():
    """Names and shapes of each network's tensors, in the order of its state_dict: dict of dict of str to list."""
    return json.loads((HERE / "pytorch_state_dicts.json").read_text())


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
    for name, size in SIZES.items():
        network = pytorch_network("standard_cnn" if name == "no_attention" else name).eval()
        tensors = {key: torch.from_numpy(value) for key, value in recipe(state_dicts()[name]).items()}
        network.load_state_dict(tensors)
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
    print({name: array.shape for name, array in (outputs | features).items()})


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
