"""One training step of each full-disk network against the same network in PyTorch, on this machine's CPU.

    python benchmarks/training_step.py

Needs the extra `pytorch`. Each measurement is a process of its own; those of one network alternate, so that a change in
the machine's load meets all of them. The networks are the same: the PyTorch ones' weights, imported, give the same
logits. XLA is used where it is faster. Takes about twenty minutes.
"""

import json
import math
import statistics
import subprocess
import sys
import time

from tools import command_line
from tools.errors import UserError
from tools.options import add_number

CASES = {
    "alexnet": (512, 8),
    "vgg16": (256, 2),
    "resnet34": (512, 4),
    "attention": (256, 4),
    "standard_cnn": (256, 4),
}  # pixels, batch
KINDS = ("keras", "keras_xla", "pytorch")
REQUIRED, REQUIRED_MEAN = 1.0, 1.15


def measure(networks=tuple(CASES), *, rounds=2, steps=5):
    """Seconds per training step, ours and PyTorch's.

    Parameters
    ----------
    networks : sequence of str
        Keys of `CASES`.
    rounds, steps : int
        Processes of each kind, and timed steps in each; the fastest counts, as the least disturbed one.

    Returns
    -------
    list of dict
        what, baseline (s), ours (s), ratio, required, passed; the last entry is the geometric mean of the ratios.

    Raises
    ------
    UserError
        PyTorch is absent, or the two networks give different logits.
    """
    rows = []
    for name in networks:
        difference = _in_a_process(name, "difference", steps)[0]
        if not difference < 1e-4:
            raise UserError(f"{name}: logits differ from PyTorch's by {difference:.1e} of the largest; nothing to compare")
        times = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind in KINDS:
                times[kind] += _in_a_process(name, kind, steps)
        fastest = {kind: min(values) for kind, values in times.items()}
        best = min("keras", "keras_xla", key=fastest.get)
        size, batch = CASES[name]
        what = f"{name} {size}x{size}, batch {batch}" + (", XLA" if best == "keras_xla" else "")
        rows.append(_row(what, fastest["pytorch"], fastest[best], REQUIRED))
    mean = math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))
    passed = mean >= REQUIRED_MEAN
    rows.append(
        {
            "what": "geometric mean",
            "baseline": 1.0,
            "ours": 1 / mean,
            "ratio": mean,
            "required": REQUIRED_MEAN,
            "passed": passed,
        }
    )
    return rows


def _row(what, baseline, ours, required):
    ratio = baseline / ours
    return {"what": what, "baseline": baseline, "ours": ours, "ratio": ratio, "required": required, "passed": ratio >= required}


def _in_a_process(name, kind, steps):
    command = [sys.executable, __file__, "--one", name, kind, "--steps", str(steps)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise UserError(f"{name}, {kind}: {(finished.stderr.strip().splitlines() or ['failed'])[-1]}")
    return json.loads(finished.stdout.splitlines()[-1])


def _sample(name):
    import numpy

    size, batch = CASES[name]
    random = numpy.random.default_rng(0)
    return random.random((batch, size, size, 1), "float32"), random.integers(0, 2, batch)


def _keras_model(name):
    from network_models import networks
    from network_models.image_inputs import Input

    network = networks.named(name)
    return network.build({"image": Input((CASES[name][0], CASES[name][0], 1))}, network.Options())


def _keras_step(name, xla):
    import keras

    from network_models.training.sgd import CoupledSGD

    model = _keras_model(name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = {"logits": loss} if isinstance(model.output, dict) else loss
    model.compile(CoupledSGD(1e-4, 0.9), loss, jit_compile=xla)
    images, targets = _sample(name)
    return lambda: model.train_on_batch({"image": images}, targets)


def _pytorch_step(name):
    import torch

    model = pytorch_network(name).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9)
    images, targets = _sample(name)
    images, targets = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(targets)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _difference(name):
    import numpy
    import torch

    from network_models.pytorch_weights import assign_state_dict

    torch.manual_seed(0)
    theirs, ours = pytorch_network(name).eval(), _keras_model(name)
    for parameter in theirs.parameters():
        if parameter.ndim > 1:  # PyTorch's own start lets the image fade before the logits
            torch.nn.init.kaiming_uniform_(parameter, nonlinearity="relu")
    assign_state_dict(ours, {key: tensor.numpy() for key, tensor in theirs.state_dict().items()}, name)
    images = _sample(name)[0][:1]
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    outputs = ours({"image": images}, training=False)
    outputs = numpy.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)
    return float(numpy.abs(outputs - expected).max() / numpy.abs(expected).max())


def pytorch_network(name):
    """The same network as a `torch.nn.Module`, its tensors named as in the published weights."""
    from torch import nn

    def first():
        return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(inplace=True))

    def relu_conv(*arguments, **keywords):
        return nn.Conv2d(*arguments, **keywords), nn.ReLU(inplace=True)

    class Plain(nn.Module):
        def __init__(self, features, bins, classifier):
            super().__init__()
            self.first_conv_layer, self.features, self.classifier = first(), features, classifier
            self.pool = nn.AdaptiveAvgPool2d(bins)

        def forward(self, x):
            return self.classifier(self.pool(self.features(self.first_conv_layer(x))).flatten(1))

    def dense(inputs):
        return nn.Linear(inputs, 4096), nn.ReLU(inplace=True)

    if name == "alexnet":
        features = nn.Sequential(
            *(*relu_conv(3, 64, 11, stride=4, padding=2), nn.MaxPool2d(3, 2)),
            *(*relu_conv(64, 192, 5, padding=2), nn.MaxPool2d(3, 2)),
            *(*relu_conv(192, 384, 3, padding=1), *relu_conv(384, 256, 3, padding=1)),
            *(*relu_conv(256, 256, 3, padding=1), nn.MaxPool2d(3, 2)),
        )
        classifier = nn.Sequential(nn.Dropout(), *dense(9216), nn.Dropout(), *dense(4096), nn.Linear(4096, 2))
        return Plain(features, 6, classifier)
    if name == "vgg16":
        parts, channels = [], 3
        for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                parts += relu_conv(channels, width, 3, padding=1)
                channels = width
            parts.append(nn.MaxPool2d(2))
        classifier = nn.Sequential(*dense(25088), nn.Dropout(), *dense(4096), nn.Dropout(), nn.Linear(4096, 2))
        return Plain(nn.Sequential(*parts), 7, classifier)
    return _pytorch_resnet34(first) if name == "resnet34" else _pytorch_attention(name == "attention")


def _pytorch_resnet34(first):
    from torch import nn

    def convolution(inputs, outputs, width, stride):
        return nn.Conv2d(inputs, outputs, width, stride, width // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.bn1 = convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.conv2, self.bn2 = convolution(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs)
            self.relu, self.downsample = nn.ReLU(inplace=True), None
            if stride > 1:
                self.downsample = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

        def forward(self, x):
            shortcut = x if self.downsample is None else self.downsample(x)
            x = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(x)) + shortcut)

    class ResNet34(nn.Module):
        def __init__(self):
            super().__init__()
            self.first_conv_layer, self.conv1, self.bn1 = first(), convolution(3, 64, 7, 2), nn.BatchNorm2d(64)
            self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
            inputs = 64
            for stage, (outputs, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
                blocks = [Block(inputs, outputs, 2 if stage > 1 else 1)]
                blocks += [Block(outputs, outputs, 1) for _ in range(count - 1)]
                setattr(self, f"layer{stage}", nn.Sequential(*blocks))
                inputs = outputs
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.Linear(512, 2))

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(self.first_conv_layer(x)))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(self.avgpool(x).flatten(1))

    return ResNet34()


def _pytorch_attention(attention):
    import torch
    from torch import nn

    def block(inputs, outputs, **keywords):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, **keywords), nn.BatchNorm2d(outputs), nn.ReLU())

    class OneConvolution(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.op = nn.Conv2d(inputs, outputs, 1, bias=False)

        def forward(self, x):
            return self.op(x)

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            widths = (1, 64, 128, 256, 512, 512)
            for number in range(1, 6):
                setattr(self, f"conv_block{number}", block(widths[number - 1], widths[number], padding=1))
            self.conv_block6, self.dense = block(512, 512, stride=3), nn.Conv2d(512, 512, 2, 2)
            if attention:
                self.projector1 = OneConvolution(256, 512)
                self.attn1, self.attn2, self.attn3 = (OneConvolution(512, 1) for _ in range(3))
            self.classify = nn.Linear(512 * (3 if attention else 1), 2)

        def forward(self, x):
            local = []
            for number in range(1, 6):
                x = getattr(self, f"conv_block{number}")(x)
                local.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.dense(self.conv_block6(x))
            if not attention:
                return self.classify(x.flatten(1))
            local = [self.projector1(local[2]), *local[3:]]
            attended = []
            for image, score in zip(local, (self.attn1, self.attn2, self.attn3), strict=True):
                weights = score(image + x).flatten(2).softmax(2).reshape(len(x), 1, *image.shape[2:])
                attended.append((weights * image).sum((2, 3)))
            return self.classify(torch.cat(attended, 1))

    return Attention()


def _one(name, kind, steps):
    if kind == "difference":
        return [_difference(name)]
    step = _pytorch_step(name) if kind == "pytorch" else _keras_step(name, kind == "keras_xla")
    for _ in range(2):
        step()
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return times


def main(arguments=None):
    """Measure and print; ``--one`` is what the script calls itself with."""
    parser = command_line.parser(__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(CASES)} (default: all)")
    add_number(parser, "--rounds", int, least=1, most=1000, default=2, help="processes of each kind (default: 2)")
    add_number(parser, "--steps", int, least=1, most=100_000, default=5, help="timed steps in each process (default: 5)")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "KIND"), help="one measurement, printed as JSON")
    chosen = parser.parse_args(arguments)
    unknown = sorted({*chosen.networks, *(chosen.one or ())[:1]} - set(CASES))
    if unknown:
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(CASES)}")
    if chosen.one:
        print(json.dumps(_one(*chosen.one, chosen.steps)))
        return
    for row in measure(chosen.networks or tuple(CASES), rounds=chosen.rounds, steps=chosen.steps):
        print("{what:40} {baseline:8.3f} {ours:8.3f} {ratio:6.2f} {required:6.2f} {passed}".format(**row))


if __name__ == "__main__":
    command_line.run(main)
