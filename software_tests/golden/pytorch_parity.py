"""Golden outputs of the published PyTorch architectures, for pictures and weights that anyone can make again.

    python software_tests/golden/pytorch_parity.py

needs the extra `pytorch`; computes pytorch_outputs.npz with PyTorch, in evaluation mode: logits (2, 2) of each network, and
for the attention network its scores before the softmax, (2, height, width, 1). The tests compare Keras's with them.
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
    print({name: array.shape for name, array in outputs.items()})


if __name__ == "__main__":
    main()
