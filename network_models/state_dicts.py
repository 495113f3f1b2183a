"""State dicts of PyTorch -> weights of networks of this project: which tensor belongs to which layer, in which order of axes.

Files are read in PyTorch's weights-only mode, so that nothing in them is executed. A state dict is taken plain, under
'model_state_dict' or 'state_dict' (Lightning), and with or without the prefix 'module.' that DataParallel adds, or 'model.'.
"""

import math
import pathlib
import typing
import zipfile

import numpy

from tools.errors import UserError


class Architecture(typing.NamedTuple):
    """The correspondence of the tensors of a PyTorch network to those of a Keras network.

    Attributes
    ----------
    network : str
        Name in `network_models.networks.NETWORKS`.
    model : str
        Name of the `keras.Model` that it builds.
    image_size : int
        Height and width that the published weights were trained at, in pixels.
    layers : dict of str to str
        PyTorch module name -> Keras layer name, or ``layer.weight`` where one layer holds several; a layer inside a
        network inside the network is ``inner/layer``.
    flattened : dict of str to tuple of int, optional
        Keras dense layers behind a flattened image, and its shape (height, width, channel), or with frames before it: PyTorch
        flattens as (channel, height, width).
    unflattened : dict of str to tuple of int, optional
        Keras dense layers whose output becomes an image, and its shape likewise.
    alternating : dict of str to tuple of str, optional
        Modules of PyTorch whose outputs alternate in one Keras layer, by the name that they have in `layers` together.
    frames : int
        Of the sequence that the network takes; 0: it takes an image.
    options : dict, optional
        Of the network, where its defaults are not the published ones.
    torchvision : tuple of str
        How the names of those modules begin that torchvision's network has too: its ImageNet weights fill these, and what lies
        before and behind them starts anew.
    """

    network: str
    model: str
    image_size: int
    layers: dict[str, str]
    flattened: dict[str, tuple[int, int, int]] | None = None
    unflattened: dict[str, tuple[int, int, int]] | None = None
    alternating: dict[str, tuple[str, ...]] | None = None
    frames: int = 0
    options: dict | None = None
    torchvision: tuple[str, ...] = ()

    def shared_with_torchvision(self, tensors):
        """Whether tensors are those of torchvision's own network, which has no convolution in front."""
        return bool(self.torchvision) and not any(name.startswith(FRONT) for name in tensors)


def _vgg16():
    table = {"first_conv_layer.0": "first_conv", "classifier.0": "dense_1", "classifier.3": "dense_2", "classifier.6": "logits"}
    place = 0
    for block, count in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(1, count + 1):
            table[f"features.{place}"] = f"conv_{block}_{number}"
            place += 2  # the convolution and its ReLU
        place += 1  # the pooling
    return table


def _resnet34():
    table = {"first_conv_layer.0": "first_conv", "conv1": "conv1", "bn1": "bn1", "fc.0": "logits"}
    for stage, count in enumerate((3, 4, 6, 3), 1):
        for block in range(count):
            for part in ("conv1", "bn1", "conv2", "bn2"):
                table[f"layer{stage}.{block}.{part}"] = f"stage{stage}_block{block}_{part}"
        if stage > 1:
            table[f"layer{stage}.0.downsample.0"] = f"stage{stage}_block0_shortcut"
            table[f"layer{stage}.0.downsample.1"] = f"stage{stage}_block0_shortcut_bn"
    return table


def _standard_cnn():
    table = {"dense": "global_conv", "classify": "logits"}
    for number in range(1, 7):
        table |= {f"conv_block{number}.0": f"block_{number}_conv", f"conv_block{number}.1": f"block_{number}_bn"}
    return table


def _attention():
    estimators = {f"attn{number}.op": f"attention_{number}.score" for number in (1, 2, 3)}
    return {**_standard_cnn(), "projector1.op": "attention_1.projector", **estimators}


def _burgess(size):
    last = ["64"] if size == 64 else []
    table = {f"encoder.conv{n}" if n != "64" else "encoder.conv_64": f"encoder/conv_{n}" for n in ("1", "2", "3", *last)}
    table |= {f"encoder.lin{n}": f"encoder/dense_{n}" for n in (1, 2)}
    table |= {"encoder.mu_logvar_gen": "encoder/mean_and_log_variance"}
    table |= {f"decoder.lin{n}": f"decoder/dense_{n}" for n in (1, 2, 3)}
    names = {"64": "decoder.convT_64"} | {n: f"decoder.convT{n}" for n in "123"}
    table |= {names[n]: f"decoder/transposed_{n}" for n in (*last, "1", "2", "3")}
    inner = (4, 4, 32)
    return Architecture("burgess", f"burgess_{size}", size, table, {"encoder/dense_1": inner}, {"decoder/dense_3": inner})


def _sequence(encoder, decoder, *, encoder_norms=(), decoder_norms=(), **options):
    """Tables of the thesis's networks of sequences, by the places of their convolutions in ``encoder`` and ``decoder``."""
    table = {f"encoder.{place}": f"encoder/conv_{number}" for number, place in enumerate(encoder, 1)}
    table |= {f"encoder.{place}": f"encoder/conv_{number}_bn" for number, place in enumerate(encoder_norms, 1)}
    table |= {"fc_mu, fc_logvar": "encoder/mean_and_log_variance", "decoder_fc": "decoder/dense"}
    table |= {f"decoder.{place}": f"decoder/transposed_{number}" for number, place in enumerate(decoder, 1)}
    table |= {f"decoder.{place}": f"decoder/transposed_{number}_bn" for number, place in enumerate(decoder_norms, 2)}
    inner = (1, 31, 31, 24)
    return Architecture(
        "sequence",
        "sequence",
        512,
        table,
        {"encoder/mean_and_log_variance": inner},
        {"decoder/dense": inner},
        alternating={"fc_mu, fc_logvar": ("fc_mu", "fc_logvar")},
        frames=6,
        options={"mean_image": False, **options},
    )


ARCHITECTURES = {
    "alex": Architecture(
        network="alex",
        model="alexnet",
        image_size=512,
        layers={
            "first_conv_layer.0": "first_conv",
            "features.0": "conv_1",
            "features.3": "conv_2",
            "features.6": "conv_3",
            "features.8": "conv_4",
            "features.10": "conv_5",
            "classifier.1": "dense_1",
            "classifier.4": "dense_2",
            "classifier.6": "logits",
        },
        flattened={"dense_1": (6, 6, 256)},
        torchvision=("features.",),
    ),
    "vgg": Architecture("vgg", "vgg16", 512, _vgg16(), {"dense_1": (7, 7, 512)}, torchvision=("features.",)),
    "resnet": Architecture("resnet", "resnet34", 512, _resnet34(), torchvision=("conv1", "bn1", "layer")),
    "attention": Architecture("attention", "attention", 256, _attention()),
    "cnn": Architecture("cnn", "standard_cnn", 256, _standard_cnn()),
    "burgess_32": _burgess(32),
    "burgess_64": _burgess(64),
    "sequence": _sequence((0, 3, 6, 9), (0, 3, 6, 9)),  # ModelDepth6Layer4Dropout, of the runs version_112 and version_128
    "sequence_layer4_1": _sequence((0, 2, 4, 6), (0, 2, 4, 6)),
    "sequence_batchnorm": _sequence((0, 3, 6, 9), (0, 2, 5, 8), encoder_norms=(1, 4, 7), decoder_norms=(3, 6), normalised=True),
}

# Keras weight -> PyTorch tensor of the same module.
TENSORS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
IGNORED = "num_batches_tracked"  # counts batches; the average itself does not need it
FRONT = "first_conv_layer."  # the convolution that the studies put before torchvision's networks
BEHIND = ("classifier.", "fc.")  # what torchvision's networks end with, a thousand classes
SUFFIXES = (".pth", ".pt", ".ckpt")
_CONTENTS = ("model_state_dict", "state_dict")
_PREFIXES = ("module.", "model.")


def read_state_dict(path):
    """Read the tensors of a PyTorch file.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    dict of str to numpy.ndarray
        Without the prefix ``module.`` or ``model.`` that all names have.

    Raises
    ------
    UserError
        PyTorch is absent, or the file is missing, is not one of weights only, or holds no state dict.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file of weights")
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"{path}: reading it needs PyTorch; install it with: pip install -c constraints.txt -e '.[pytorch]'"
        ) from error
    _require_stored_size(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises UnpicklingError, RuntimeError, EOFError, KeyError and more for files that are not plain tensors.
        reason = str(error).strip().partition("\n")[0][:120] or type(error).__name__
        raise UserError(f"{path}: refused, not a PyTorch file of weights only ({reason})") from error
    if isinstance(content, dict):
        content = next((content[name] for name in _CONTENTS if name in content), content)
    if not isinstance(content, dict) or not content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise UserError(f"{path}: holds no state dict (names and tensors, plain or under 'model_state_dict')")
    return _without_prefix({str(name): tensor.detach().float().numpy() for name, tensor in content.items()})


def _require_stored_size(path):
    """Raise a `UserError` for an archive that declares more than it holds: PyTorch would make room for all of it."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UserError(f"{path}: refused, a damaged archive ({error})") from error
    if declared > path.stat().st_size:
        raise UserError(f"{path}: refused, it declares {declared} bytes of weights and holds {path.stat().st_size}")


def _without_prefix(tensors):
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def assign_state_dict(model, tensors, architecture, *, origin="state dict"):
    """Fill a Keras network from PyTorch tensors; all of them fit, or nothing changes.

    Tensors of torchvision's own AlexNet, VGG16 or ResNet34 fill what the networks of this project have in common with them: the
    convolutions, and batch normalisation. The added first convolution and the dense layers stay as they are.

    Parameters
    ----------
    model : keras.Model
        As the architecture's ``build`` returns it.
    tensors : dict of str to numpy.ndarray
        Names and shapes as in PyTorch's state dict.
    architecture : str
        A key of `ARCHITECTURES`, or the name of its model (alexnet for alex).
    origin : str or pathlib.Path
        Named in errors.

    Returns
    -------
    int
        How many parameters were filled.

    Raises
    ------
    UserError
        Tensors are missing, left over or misshapen.
    """
    table = architecture_of(architecture)
    tensors = _alternated(tensors, table.alternating or {})
    left = {name for name in tensors if not name.endswith(IGNORED)}
    missing, misshapen, assignments = [], [], []
    partly = table.shared_with_torchvision(tensors)
    if partly:
        left = {name for name in left if not name.startswith(BEHIND)}
    for module, target in table.layers.items():
        if partly and not module.startswith(table.torchvision):
            continue
        layer_name, _, single = target.partition(".")
        for variable in _layer(model, layer_name).weights:
            if single and variable.name != single:
                continue
            name = f"{module}.{TENSORS.get(variable.name, 'weight')}"
            if name not in tensors:
                missing.append(name)
                continue
            left.discard(name)
            value = _from_pytorch(tensors[name], (table.flattened or {}).get(layer_name), matrix=len(variable.shape) == 2)
            value = _channels_last(value, (table.unflattened or {}).get(layer_name))
            if value is None or value.shape != tuple(variable.shape):
                misshapen.append(f"{name} {tuple(tensors[name].shape)}")
                continue
            assignments.append((variable, value))
    problems = {"lacks": missing, "has unknown": sorted(left), "has misshapen": misshapen}
    problems = [f"{kind} {_few(names)}" for kind, names in problems.items() if names]
    if problems:
        raise UserError(f"{origin}: not weights of {architecture} ({model.count_params():,} parameters): {'; '.join(problems)}")
    for variable, value in assignments:
        variable.assign(value)
    return sum(value.size for _, value in assignments)


def _alternated(tensors, alternating):
    """Put modules whose outputs alternate in one layer together under one name, where all of their tensors are there."""
    tensors = dict(tensors)
    for name, modules in alternating.items():
        for part in ("weight", "bias"):
            parts = [tensors.get(f"{module}.{part}") for module in modules]
            if all(found is not None and found.ndim and found.shape == parts[0].shape for found in parts):
                tensors[f"{name}.{part}"] = numpy.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
                for module in modules:
                    del tensors[f"{module}.{part}"]
    return tensors


def _from_pytorch(tensor, flattened, *, matrix):
    """Bring a tensor into Keras's order of axes: numpy.ndarray, or None when it cannot be."""
    if tensor.ndim == 5:
        return tensor.transpose(2, 3, 4, 1, 0)
    if tensor.ndim == 4:
        kernel = tensor.transpose(2, 3, 1, 0)
        if not matrix:
            return kernel
        return kernel[0, 0] if kernel.shape[:2] == (1, 1) else None
    if tensor.ndim == 2 and flattened:
        *positions, channels = flattened
        if tensor.shape[1] != math.prod(flattened):
            return None
        by_position = tensor.reshape(-1, channels, *positions)
        return by_position.transpose(*range(2, by_position.ndim), 1, 0).reshape(math.prod(flattened), -1)
    return tensor.T


def _channels_last(value, unflattened):
    """Bring the units of a dense layer's kernel or bias into the order (height, width, channel), or with frames before it."""
    if value is None or not unflattened:
        return value
    *positions, channels = unflattened
    if not value.ndim or value.shape[-1] != math.prod(unflattened):
        return None
    by_position = value.reshape(-1, channels, *positions)
    return by_position.transpose(0, *range(2, by_position.ndim), 1).reshape(value.shape)


def _layer(model, name):
    """Find the layer of a name, which may lead through networks inside the network."""
    for part in name.split("/"):
        model = model.get_layer(part)
    return model


def architecture_of(name):
    """Return an architecture by its key in `ARCHITECTURES` or by the name of its model: Architecture.

    Raises
    ------
    UserError
        There is none.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    for table in ARCHITECTURES.values():
        if table.model == name:
            return table
    raise UserError(f"PyTorch weights of {name} are unknown; known are those of {', '.join(ARCHITECTURES)}")


def _few(names):
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
