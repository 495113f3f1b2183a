"""The passport of a map: what made it, what it belongs to, and the checks that it passed or failed."""

import hashlib
import json

import numpy

from science import explanation
from science.attribution import COMPLETE

ALIKE = 0.5  # rank correlation from which on a map is too much like one that knows nothing of the network
SATURATED = 15.0  # logits beyond leave a probability without digits


def passport(subject, sample, attribution, method, *, baseline=None, seed=0):
    """Check a map of one sample.

    Parameters
    ----------
    subject : science.explanation.Subject
    sample : science.explanation.Sample
    attribution : Attribution
        Of this sample alone, and `science.explanation.meant`.
    method : callable
        ``method(model, inputs)`` makes the same map of another network of this architecture.
    baseline : dict, optional
        Of `baseline_record`, where the method was given one.
    seed : int
        Of the random weights.

    Returns
    -------
    dict
        Plain values: method, parameters, baseline, target, target_tensor, output, model and inputs (names and SHA-256),
        residual, relu_count, side_channel_share, randomised_correlation and edge_correlation (rank correlations of absolute
        maps, by input; of multipliers where a map is a product with the image), units (of the map, by channel), notes, and
        ``checks``: dict of name to whether it was passed.

    References
    ----------
    Adebayo et al. 2018, arXiv:1810.03292 (random weights, edge detectors).
    """
    from science.network_structure import explainable

    random = method(randomised(explainable(subject.model), seed=seed), sample.inputs)
    images = {name: values for name, values in attribution.maps.items() if sample.inputs[name].ndim == 4}
    to_random = {
        name: rank_correlation(strength(attribution.multipliers(name)[0]), strength(random.multipliers(name)[0]))
        for name in images
    }
    to_edges = {name: rank_correlation(strength(values[0]), edges(sample.inputs[name][0])) for name, values in images.items()}
    checks = {}
    if attribution.residual is not None:
        checks["complete"] = bool(attribution.residual[0] < COMPLETE)
    # A map without structure correlates with nothing, and would pass the checks below.
    shown = [strength(values[0]) for values in images.values()]
    checks["shows something"] = any(numpy.ptp(one) > 1e-6 * one.max() for one in shown)
    checks["depends on the weights"] = all(not value >= ALIKE for value in to_random.values())
    checks["is no edge detector"] = all(not value >= ALIKE for value in to_edges.values())
    notes = list(attribution.notes)
    output = float(attribution.outputs[0])
    if subject.data.task == "classification" and abs(output) > SATURATED:
        notes.append(
            f"the network is saturated here (logit {output:.1f}): its probability says nothing, the logit is explained"
        )
    return {
        "method": attribution.method,
        "parameters": attribution.parameters,
        "baseline": baseline,
        "target": attribution.target,
        "target_tensor": attribution.target_tensor,
        "explains": explanation.target_words(subject, attribution.target),
        "output": output,
        "image": sample.label,
        "simulated": sample.simulated,
        "model": {"file": subject.model_path.name, "sha256": fingerprint(subject.model_path)},
        "inputs": {sample.names[name]: _sha(array) for name, array in sample.inputs.items()},
        "residual": None if attribution.residual is None else _number(attribution.residual[0]),
        "relu_count": attribution.relu_count,
        "units": {
            channel.name: f"output {explanation.unit_of(channel, attribution.derivative)}".strip()
            for channel in subject.data.channels
        },
        "side_channel_share": _number(attribution.side_channel_share[0]),
        "randomised_correlation": {sample.names[name]: _number(value) for name, value in to_random.items()},
        "edge_correlation": {sample.names[name]: _number(value) for name, value in to_edges.items()},
        "checks": checks,
        "notes": notes,
    }


def failed(passport):
    """Names of the checks that a map failed: list of str."""
    return [name for name, good in passport["checks"].items() if not good]


def text(passport):
    """A passport, or several by name, as JSON that every reader takes: no NaN."""
    return json.dumps(passport, indent=1, allow_nan=False) + "\n"


def baseline_record(sample, words, arrays):
    """What a baseline was, for the passport: dict of its words and, by data set input, the SHA-256 of its float32 array."""
    return {"words": words, "sha256": {sample.names[name]: _sha(array) for name, array in arrays.items()}}


def randomised(model, *, seed=0, layers=None):
    """A copy of a network whose trained weights are shuffled, each array in itself.

    Parameters
    ----------
    model : keras.Model
        Functional.
    seed : int
    layers : sequence of str, optional
        Only those of these layers; all by default.

    Returns
    -------
    keras.Model
        Statistics (whitening, moving means) stay as they are.
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    random = numpy.random.default_rng(seed)
    for layer in copy._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model) or (layers is not None and layer.name not in layers):
            continue
        for variable in layer._trainable_variables:
            values = numpy.array(variable)
            if numpy.ptp(values) == 0:  # shuffling would change nothing, as of biases at their start
                continue
            variable.assign(random.permutation(values.ravel()).reshape(values.shape))
    return copy


def strength(values):
    """The absolute map, channels added: float64 (height, width) from (height, width, channel)."""
    return numpy.abs(numpy.asarray(values, "float64")).sum(axis=-1)


def edges(image):
    """Sobel's edge strength, channels added: float64 (height, width); each channel in units of its own deviation."""
    from scipy import ndimage

    total = 0.0
    for channel in numpy.moveaxis(numpy.asarray(image, "float64"), -1, 0):
        if channel.min() >= 0 and channel.max() > 100:  # intensities range over decades
            channel = numpy.log10(1 + channel)
        total = total + numpy.hypot(*(ndimage.sobel(channel, axis) for axis in (0, 1))) / max(channel.std(), 1e-12)
    return total


def rank_correlation(one, other):
    """Spearman's correlation of two maps where not both are 0: float, NaN when one is constant there.

    The sky around the disk, where many maps are 0, would make any two of them alike.
    """
    from scipy import stats

    one, other = numpy.ravel(one), numpy.ravel(other)
    used = numpy.isfinite(one) & numpy.isfinite(other) & ((one != 0) | (other != 0))
    one, other = one[used], other[used]
    if not used.any():
        return float("nan")
    if numpy.ptp(one) == 0 or numpy.ptp(other) == 0:
        return float("nan")
    return float(stats.spearmanr(one, other).statistic)


def fingerprint(path):
    """SHA-256 of a file: str."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha(array):
    return hashlib.sha256(numpy.ascontiguousarray(array, "float32").tobytes()).hexdigest()


def _number(value):
    return float(value) if numpy.isfinite(value) else None
