"""The likelihood of a flare list as an objective: how many flares, how strong, and in which region."""

import functools
import math

import keras
import numpy

from dataset_models.solar_data import some_of
from network_models.layers.flare_rates import log_probability
from network_models.training import forecast
from tools.errors import UserError
from tools.goes_class import CLASSES, MAGNITUDES

from .rate_outputs import LIKELIHOODS

COUNTS_SHARE = 0.1  # of the likelihood of counts, where both are used: it is of tens of flares, the other of one answer
AROUND = 3  # cells of a map, along each axis, that are the place of a flare
_TINY = 1e-12
_TRIED, _AT_ONCE = 64, 16  # samples that show what an untrained network expects, in batches
_FEW = 1e-3  # flares in a window: where a list has none


@keras.saving.register_keras_serializable(package="solar")
class FlareListLikelihood(keras.losses.Loss):
    """Minus the log-likelihood of the flares in a window, given rates of places and sizes.

    Parameters
    ----------
    grid : int or tuple of int
        Places of the rates, or of a map (height, width).
    kind : str
        ``"counts"``: a marked Poisson process. With the rate density r(i, m) of place i and size m, the sum of all rates R, and
        flares k of size m_k, it is R - sum log r(i_k, m_k) for flares whose place is known, and with the sum over all places
        where it is not. ``"yes or no"``: of each class, whether there was a flare of it or stronger, in each place with
        1 - exp(-rate), and anywhere; while a flare of unknown place is in the window, no place is known to have had none.
        On a map a flare's place is a square of `AROUND` x `AROUND` cells, whose rates are added in its term: positions in flare
        lists are good to a few degrees. Of its other cells it is then not known whether they had none. Flares whose squares
        overlap have a term each, as if they were apart.
        ``"both"``: the second, and `COUNTS_SHARE` of the first.
    class_weights : sequence of float
        Of C1.0, M1.0, M5.0 and X1.0 in yes or no.

    Notes
    -----
    Takes y_true (n, 1 + 2 k), packed by `pack`, and y_pred (n, 1 + 4 places): the logit of the event, which has no part in it,
    and rates. The density of sizes is a power law between the classes' sizes, its exponents those that the rates imply.

    References
    ----------
    Daley & Vere-Jones 2003, An Introduction to the Theory of Point Processes I, section 7.3 (marked processes).
    """

    def __init__(self, grid, kind="yes or no", class_weights=(1.0, 1.0, 1.0, 1.0), name="flare_list", **keywords):
        super().__init__(name=name, **keywords)
        if kind not in LIKELIHOODS:
            raise ValueError(f"Expected one of {LIKELIHOODS}. Received: {kind!r}")
        self.grid, self.kind = (grid,) if isinstance(grid, int) else tuple(grid), kind
        self.class_weights = [float(weight) for weight in class_weights]

    def call(self, y_true, y_pred):
        magnitude, place = unpacked(y_true)
        rates = keras.ops.reshape(y_pred[:, 1:], (-1, self.places, len(MAGNITUDES)))
        around = rates
        if len(self.grid) == 2:
            around = keras.ops.reshape(rates, (-1, *self.grid, len(MAGNITUDES)))
            around = keras.ops.reshape(_added(around, AROUND), (-1, self.places, len(MAGNITUDES)))
        log_rates, around = keras.ops.log(rates + _TINY), keras.ops.log(around + _TINY)
        loss = 0.0
        if self.kind != "counts":
            loss = loss + self._yes_or_no(log_rates, around, magnitude, place)
        if self.kind != "yes or no":
            share = 1.0 if self.kind == "counts" else COUNTS_SHARE
            loss = loss + share * self._counts(log_rates, around, magnitude, place)
        return loss

    @property
    def places(self):
        return math.prod(self.grid)

    def _counts(self, log_rates, around, magnitude, place):
        there = keras.ops.cast(magnitude >= 0, "float32")
        known = there * keras.ops.cast(place >= 0, "float32")
        anywhere = keras.ops.logsumexp(size_density(log_rates, magnitude), axis=-1)
        own = keras.ops.sum(self._one_hot(place) * size_density(around, magnitude), axis=-1)
        flares = keras.ops.sum(known * own + (there - known) * anywhere, axis=1)
        return keras.ops.sum(keras.ops.exp(log_rates[..., 0]), axis=1) - flares

    def _one_hot(self, place):
        return keras.ops.one_hot(keras.ops.cast(place, "int32"), self.places)  # a place of -1 is none of them

    def _yes_or_no(self, log_rates, around, magnitude, place):
        places = self._one_hot(place)
        loss = 0.0
        for number, (least, weight) in enumerate(zip(MAGNITUDES, self.class_weights, strict=True)):
            if not weight:
                continue
            strong = keras.ops.cast(magnitude >= least - 1e-4, "float32")
            here = keras.ops.max(strong[..., None] * places, axis=1)  # (n, places)
            unplaced = keras.ops.max(strong * keras.ops.cast(place < 0, "float32"), axis=1)
            log_rate = log_rates[..., number]
            quiet = (1 - self._near(here)) * (1 - unplaced[:, None]) * keras.ops.exp(log_rate)
            likelihood = keras.ops.sum(here * log_probability(around[..., number]) - quiet, axis=1)
            alone = unplaced * (1 - keras.ops.max(here, axis=1))
            likelihood = likelihood + alone * log_probability(keras.ops.logsumexp(log_rate, axis=1))
            loss = loss - weight * likelihood
        return loss

    def _near(self, here):
        """Mark the places that belong to those of flares, (n, places)."""
        if len(self.grid) == 1:
            return here
        near = keras.ops.max_pool(keras.ops.reshape(here, (-1, *self.grid, 1)), AROUND, strides=1, padding="same")
        return keras.ops.reshape(near, (-1, self.places))

    def get_config(self):
        return {**super().get_config(), "grid": self.grid, "kind": self.kind, "class_weights": self.class_weights}


def size_density(log_rates, magnitude):
    """Compute the logarithm of the rate density of flares of given sizes in each place.

    Parameters
    ----------
    log_rates : tensor
        (n, places, 4): of C1.0, M1.0, M5.0 and X1.0 and above.
    magnitude : tensor
        (n, k): log10 of the peak flux over that of C1.0.

    Returns
    -------
    tensor
        (n, k, places), per unit of magnitude.
    """
    weak = log_rates[..., 0] - log_rates[..., 1]  # natural exponents per decade, below and above M1.0
    strong = (log_rates[..., 1] - log_rates[..., 3]) / (MAGNITUDES[3] - MAGNITUDES[1])
    below, above = keras.ops.clip(magnitude, 0.0, 1.0), keras.ops.maximum(magnitude - 1.0, 0.0)
    weak, strong, rate = weak[:, None], strong[:, None], log_rates[:, None, :, 0]
    slope = keras.ops.where(magnitude[..., None] < 1.0, weak, strong)
    return rate - weak * below[..., None] - strong * above[..., None] + keras.ops.log(slope + _TINY)


def _added(maps, width):
    """Add the values of maps (n, height, width, k) in a square around each place, as far as the map goes."""
    reach = width // 2
    padded = keras.ops.pad(maps, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    return width**2 * keras.ops.average_pool(padded, width, strides=1, padding="valid")


def pack(event, marks):
    """Put the flares of windows into one row each, as a target: float32 (n, 1 + 2 k).

    Parameters
    ----------
    event : numpy.ndarray
        (n,): whether there is the event that scores are about.
    marks : numpy.ndarray
        float32 (n, k, 2): sizes and places, as of `dataset_models.flares.flare_marks.packed`.
    """
    return numpy.concatenate([event[:, None], marks.reshape(len(marks), -1)], axis=1).astype("float32")


def unpacked(target):
    """Take sizes and places, both (n, k), from rows made by `pack`."""
    marks = keras.ops.reshape(target[:, 1:], (-1, (target.shape[1] - 1) // 2, 2))
    return marks[..., 0], marks[..., 1]


def _optimizer_of(training):
    """Make the optimizer of a `train.RateTraining`, which shortens long gradients."""
    optimizer = forecast.optimizer_of(training)
    optimizer.global_clipnorm = training.clip_norm or None
    return optimizer


class FlareRates(forecast.Forecast):
    """Give each place a rate of flares of each size, by the likelihood of the flare list.

    Parameters
    ----------
    settings : network_models.settings.RunSettings
        Its data have ``flare_marks(split, grid)``, which lists the flares of each window with places on a given grid; its
        training is a `train.RateTraining`.

    Raises
    ------
    UserError
        The data set forecasts no flares, or does not tell of each window which there were.
    """

    def __init__(self, settings):
        super().__init__(settings, optimizer=functools.partial(_optimizer_of, settings.training))
        data, self._grid = self.data, None  # places along each axis, once the network is there
        if data.task != "classification" or not hasattr(data, "flare_marks"):
            raise UserError(f"{data.title}: does not list the flares of each window; give a data set with flare_marks")
        self.label = "minus log-likelihood of the flare list"

    def targets(self, split):
        """Pack the flares of each window of a split: float32 (n, 1 + 2 k), `k` the same for both splits."""
        return pack(self.data.targets(split), self._marks(split))

    @functools.cache  # noqa: B019 - an objective lives as long as its run
    def _marks(self, split):
        return self.data.flare_marks(split, self._grid)

    def start(self, network):
        """Fill `Whiten` layers, and set biases so that the untrained network expects as many flares as training has."""
        from network_models.training import start

        data = self.data
        start.fit_statistics(network, data)
        times = some_of(data.times("training"), _TRIED)
        expected = 0.0
        for first in range(0, len(times), _AT_ONCE):
            some = [data.inputs(time) for time in times[first : first + _AT_ONCE]]
            inputs = {tensor.name: numpy.stack([sample[tensor.name] for sample in some]) for tensor in network.inputs}
            expected += float(numpy.asarray(network(inputs, training=False)["rates"])[..., 0].sum()) / len(times)
        if expected < _TINY:
            raise UserError(f"{data.title}: has nothing that the network gives a rate to; check --field_unit and --gate_none")
        listed = float((self._marks("training")[..., 0] >= 0).sum()) / len(data.times("training"))
        for layer in network.layers:
            if layer.name.endswith("_rate"):
                layer.bias.assign(layer.bias + math.log(max(listed, _FEW) / expected))

    def trained_part(self, network):
        """Return the network with its two outputs side by side, (n, 1 + 4 places): a loss and metrics take one tensor."""
        self._grid = tuple(network.output["rates"].shape[1:-1])
        rates = keras.layers.Flatten(name="flat_rates")(network.output["rates"])
        joined = keras.layers.Concatenate(dtype="float32", name="logit_and_rates")([network.output["logits"], rates])
        return keras.Model(network.input, joined)

    def loss_of(self, model):
        """Choose the likelihood of the options, as `Forecast.loss_of`."""
        weights = self._training.class_weights or (1.0,) * len(MAGNITUDES)
        if len(weights) != len(MAGNITUDES):
            raise UserError(f"--class_weights: {len(weights)} for the {len(MAGNITUDES)} classes {', '.join(CLASSES)}")
        return FlareListLikelihood, {"grid": self._grid, "kind": self._training.likelihood, "class_weights": weights}
