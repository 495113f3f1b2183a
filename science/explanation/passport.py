"""The passport of a map: what made it, what it belongs to, and the checks that it passed or failed."""

import functools
import hashlib
import json

import numpy

from network_models import keras_internals
from science.explanation import solar_coordinates, solar_disk
from science.explanation.attribution import COMPLETE, labelled
from science.gradients.engine import engine_of
from science.gradients.network_structure import explainable, logits_of
from tools import digests

ALIKE = 0.5  # rank correlation from which on a map is too much like one that does not depend on the network
FAILURES = {  # what a failed check means
    "complete": "is incomplete",
    "shows something": "shows nothing",
    "depends on the weights": "does not depend on the weights",
    "is no edge detector": "is like an edge detector's",
    "lies on the disk": "lies mostly off the disk",
    "is no ring at the limb": "is a ring at the limb",
}
SATURATED = 15.0  # logits beyond leave a probability without digits
ON_DISK = 0.5  # share of a map's mass that the disk has at least
EVEN_RING = 1.7  # times what an evenly filled disk has in a ring at the limb, as of `check_disk`


def passport(subject, sample, attribution, method, *, baseline=None, seed=0, random_network=None):
    """Check a map of one sample.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    attribution : Attribution
        Of this sample alone, and `science.explanation.attribution.in_channel_units`.
    method : callable
        ``method(model, inputs)`` makes the same map of another network of this architecture.
    baseline : dict, optional
        Of `baseline_record`, where the method was given one.
    seed : int
        Of the random weights.
    random_network : keras.Model, optional
        From `shuffled_network`, where maps of several samples or methods are checked: each would make its own otherwise.

    Returns
    -------
    dict
        Plain values: method, parameters, baseline, target, target_tensor, output, model and inputs (names and SHA-256),
        residual, relu_count, side_channel_share, randomised_correlation and edge_correlation (rank correlations of absolute
        maps, by input; of multipliers where a map is a product with the image), units (of the map, by channel), notes,
        ``checks``: dict of name to whether it was passed, and ``not_applicable``: dict of the names of other checks to why
        they could not be made.

    References
    ----------
    Adebayo et al. 2018, arXiv:1810.03292 (random weights, edge detectors).
    """
    attribution = labelled(attribution, subject)
    random = method(random_network or shuffled_network(subject, seed=seed), sample.inputs)
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
    checks["shows something"] = any(numpy.ptp(values) > 1e-6 * values.max() for values in shown)
    checks["depends on the weights"] = all(not value >= ALIKE for value in to_random.values())
    checks["is no edge detector"] = all(not value >= ALIKE for value in to_edges.values())
    on_disk, not_applicable, disk = check_disk(sample, next(iter(images.items()), None), subject.data)
    checks |= on_disk
    notes = list(attribution.notes)
    output = float(attribution.outputs[0])
    if subject.data.task == "classification" and abs(logit := _logit(subject.model, sample, output)) > SATURATED:
        notes.append(
            f"the network is saturated here (logit {logit:.1f}): its probability hardly changes, the logit is explained"
        )
    return {
        "method": attribution.method,
        "parameters": attribution.parameters,
        "baseline": baseline,
        "target": attribution.target,
        "target_tensor": attribution.target_tensor,
        "explains": attribution.explained.words,
        "output": output,
        "image": sample.label,
        "simulated": sample.simulated,
        "model": {"file": subject.model_path.name, "sha256": _digest(subject.model_path)},
        "inputs": {sample.names[name]: _sha(array) for name, array in sample.inputs.items()},
        "residual": None if attribution.residual is None else _number(attribution.residual[0]),
        "relu_count": attribution.relu_count,
        "units": {channel: attribution.unit_words(channel) for channel in attribution.units},
        "side_channel_share": _number(attribution.side_channel_share[0]),
        "randomised_correlation": {sample.names[name]: _number(value) for name, value in to_random.items()},
        "edge_correlation": {sample.names[name]: _number(value) for name, value in to_edges.items()},
        "disk": disk,
        "checks": checks,
        "not_applicable": not_applicable,
        "notes": notes,
    }


def _logit(model, sample, output):
    """Compute the logit of a probability: float, the explained output, or of two (no event, event) their difference."""
    if logits_of(model.output).shape[-1] != 2:
        return output
    engine = engine_of(model)
    none, event = numpy.asarray(logits_of(engine.model([sample.inputs[name] for name in engine.input_names])))[0]
    return float(event - none)


def check_disk(sample, shown, data):
    """Check that a map's mass lies on the disk, and not in a ring at the limb.

    Parameters
    ----------
    sample : science.explanation.subject.Sample
    shown : tuple of (str, numpy.ndarray) or None
        Model input and map (1, height, width, channel) of the current image.
    data : SolarData

    Returns
    -------
    checks : dict of str to bool
        ``"lies on the disk"``: at least `ON_DISK` of the absolute mass does. ``"is no ring at the limb"``: the even part of
        the ring there (`science.explanation.solar_coordinates.limb_ring`) holds less than `EVEN_RING` times what an evenly
        filled disk has.
    not_applicable : dict of str to str
        Names of checks that could not be made, and why.
    numbers : dict of str to float or None
        What was compared.

    Notes
    -----
    Measured on two states (after 2 and 3 epochs) of a network trained on 256-pixel magnetograms of February 2026, without
    skill on March, for four images of 1, 7, 14 and 30 March. An evenly filled disk has 0.059, so that the bound lies at
    0.10. Even parts of the ring of integrated gradients against the quiet Sun of February: unscaled 0.05, 0.04, 0.13, 0.17
    (whole ring 0.18, 0.13, 0.37, 0.30) after 3 epochs, 0.12, 0.08, 0.27, 0.22 after 2; with its disk scaled 0.03, 0.02,
    0.07, 0.05 (whole ring 0.12, 0.07, 0.20, 0.09) after 3, 0.06, 0.05, 0.13 after 2 (14 March still fails). Other methods:
    0.00 to 0.07. On the disk were 0.54 to 1.00 of every map, of SmoothGrad least; the disk has 0.48 of the image.
    """
    names = ("lies on the disk", "is no ring at the limb")
    if shown is None or not data.image_inputs or sample.names[shown[0]] != data.image_inputs[0]:
        return {}, dict.fromkeys(names, "the map is not of the current image"), {}
    if sample.header is None:
        return {}, dict.fromkeys(names, "the image has no coordinates, so where its disk lies is not known"), {}
    values = shown[1][0]
    if solar_disk.of_header(sample.header, values.shape[:2]) is None:
        return {}, dict.fromkeys(names, "the header does not give where the disk lies"), {}
    share = solar_coordinates.shares(values, sample.header)
    if not share:
        return {}, dict.fromkeys(names, "the map is 0"), {}
    ring, even, expected = solar_coordinates.limb_ring(values, sample.header)
    numbers = {"on_disk": share["on disk"], "limb_ring": ring, "even_limb_ring": even, "limb_ring_of_even_disk": expected}
    checks, missing = {names[0]: share["on disk"] >= ON_DISK}, {}
    if numpy.isfinite(even):
        checks[names[1]] = even < EVEN_RING * expected
    else:
        missing[names[1]] = "the image does not show the whole limb"
    return checks, missing, {name: _number(value) for name, value in numbers.items()}


def failed(passport):
    """List the names of the checks that a map failed: list of str."""
    return [name for name, good in passport["checks"].items() if not good]


def failures(passport):
    """Describe what is wrong with a map, in words that cannot be read as praise: list of str, one for each failed check.

    Examples
    --------
    >>> failures({"checks": {"complete": True, "is no edge detector": False}})
    ["is like an edge detector's"]
    """
    return [FAILURES[name] for name in failed(passport)]


def not_made(passport):
    """Describe the checks that could not be made and why: str, empty where all were made."""
    reasons = {}
    for name, reason in passport["not_applicable"].items():
        reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: not applicable, {reason}" for reason, names in reasons.items())


def text(passport):
    """Write a passport, or several by name, as JSON that every reader takes: no NaN."""
    return json.dumps(passport, indent=1, allow_nan=False) + "\n"


def baseline_record(sample, words, arrays):
    """Describe a baseline for the passport: dict of its words and, by data set input, the SHA-256 of its float32 array."""
    return {"words": words, "sha256": {sample.names[name]: _sha(array) for name, array in arrays.items()}}


def shuffled_network(subject, *, seed=0):
    """Make the network of random weights that maps are held against: `randomised`, as it is explained."""
    return randomised(explainable(subject.model), seed=seed)


def randomised(model, *, seed=0, layers=None):
    """Copy a network with its trained weights shuffled, each array in itself.

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
    for layer in keras_internals.layers_within(copy):
        if isinstance(layer, keras.Model) or (layers is not None and layer.name not in layers):
            continue
        for variable in keras_internals.own_trainable_variables(layer):
            values = numpy.array(variable)
            if numpy.ptp(values) == 0:  # shuffling would change nothing, as of biases at their start
                continue
            variable.assign(random.permutation(values.ravel()).reshape(values.shape))
    return copy


def strength(values):
    """Add the channels of an absolute map: float64 (height, width) from (height, width, channel)."""
    return numpy.abs(numpy.asarray(values, "float64")).sum(axis=-1)


def edges(image):
    """Compute Sobel's edge strength, channels added: float64 (height, width); each channel in units of its own deviation."""
    from scipy import ndimage

    total = 0.0
    for channel in numpy.moveaxis(numpy.asarray(image, "float64"), -1, 0):
        if channel.min() >= 0 and channel.max() > 100:  # intensities range over decades
            channel = numpy.log10(1 + channel)
        total = total + numpy.hypot(*(ndimage.sobel(channel, axis) for axis in (0, 1))) / max(channel.std(), 1e-12)
    return total


def rank_correlation(first, second):
    """Compute Spearman's correlation of two maps where not both are 0: float, NaN when one is constant there.

    The sky around the disk, where many maps are 0, would make any two of them alike.

    Examples
    --------
    >>> rank_correlation([0, 0, 1, 2, 3], [0, 0, 3, 5, 9])
    1.0
    """
    from scipy import stats

    first, second = numpy.ravel(first), numpy.ravel(second)
    used = numpy.isfinite(first) & numpy.isfinite(second) & ((first != 0) | (second != 0))
    first, second = first[used], second[used]
    if not used.any():
        return float("nan")
    if numpy.ptp(first) == 0 or numpy.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)


def _digest(path):
    """Compute the SHA-256 of a network's file, once as long as it does not change: hundreds of MB, for each of many maps."""
    state = path.stat()
    return _digest_of(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _digest_of(path, size, changed):
    return digests.of_file(path)


def _sha(array):
    return hashlib.sha256(numpy.ascontiguousarray(array, "float32").tobytes()).hexdigest()


def _number(value):
    return float(value) if numpy.isfinite(value) else None
