"""One forecast from its members: a probability, its interval, and the other classes so that rates add up."""

import numpy

from network_models.forecasts.calibration import logit, probability_of
from network_models.forecasts.exchange.issued import Probability, RegionForecast
from science.operational_forecast.record import AllClear
from tools.goes_class import CLASSES

LEVEL = 0.9  # of the intervals
_SURE = 1 - 1e-6  # a probability above would be an endless rate


def spread(value, samples):
    """Spread a combined probability as its members are spread.

    Parameters
    ----------
    value : float
    samples : sequence of numpy.ndarray
        Of each member, probabilities that it holds equally likely.

    Returns
    -------
    probabilities, weights : numpy.ndarray
        float64 (n,), in order: all samples, each member of weight 1, their log-odds moved so that the mean is that of `value`.
        Empty where there is one sample alone, which says nothing of its uncertainty.
    """
    odds = logit(numpy.concatenate(samples))
    if len(odds) < 2:
        return numpy.empty(0), numpy.empty(0)
    weights = numpy.concatenate([numpy.full(len(part), 1 / len(part)) for part in samples]) / len(samples)
    moved = probability_of(odds - weights @ odds + float(logit(numpy.array([value]))[0]))
    order = numpy.argsort(moved)
    return moved[order], weights[order]


def quantile(probabilities, weights, share):
    """Find the value below which a share of the weight lies: float, between the samples linear."""
    middle = numpy.cumsum(weights) - weights / 2
    return float(numpy.interp(share, middle, probabilities))


def interval(value, samples):
    """Make the probability of the event with its interval: `Probability`."""
    probabilities, weights = spread(value, samples)
    if not len(probabilities):
        return Probability(value)
    low, high = (quantile(probabilities, weights, share) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Probability(value, min(low, value), max(high, value))


def all_clear(event, value, samples, *, below, confidence):
    """Decide on an all-clear: `AllClear`; never clear where nothing is known of the uncertainty."""
    probabilities, weights = spread(value, samples)
    clear = bool(len(probabilities)) and quantile(probabilities, weights, confidence) < below
    return AllClear(event, below, confidence, clear)


def of_all_classes(event, chance, rates):
    """Extend the probability of an event to all classes: rates keep the ratios that they have in `rates`.

    Parameters
    ----------
    event : str
    chance : Probability
    rates : dict of str to float or None
        Expected flares; without them there is the event alone.

    Returns
    -------
    dict of str to Probability
    """
    if rates is None:
        return {event: chance}
    return {name: _scaled(chance, rates[name] / rates[event]) for name in CLASSES}


def scale_of(event, chance, rates):
    """Find the factor by which rates are multiplied, so that the event's is that of its probability: float."""
    return float(-numpy.log1p(-min(chance.value, _SURE)) / rates[event])


def of_regions(expected, table, scale):
    """Make the forecasts of regions: tuple of `RegionForecast`.

    Parameters
    ----------
    expected : numpy.ndarray
        float64 (networks, regions + 1, 4), as of `RegionRates.say`.
    table : pandas.DataFrame
        noaa_region, longitude and latitude.
    scale : float
        Of `scale_of`: what multiplies the disk's rates multiplies each region's, and they go on to add up.
    """
    regions = []
    for place, row in enumerate(table.itertuples()):
        each = -numpy.expm1(-scale * expected[:, place])
        value = -numpy.expm1(-scale * expected[:, place].mean(axis=0))
        bounds = [None] * 2
        if len(each) > 1:
            bounds = numpy.quantile(each, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        probabilities = {
            name: Probability(float(value[column]), *(None if row is None else float(row[column]) for row in bounds))
            for column, name in enumerate(CLASSES)
        }
        where = [None if numpy.isnan(degrees) else float(degrees) for degrees in (row.longitude, row.latitude)]
        regions.append(RegionForecast(int(row.noaa_region), probabilities, "NOAA", *where))
    return tuple(regions)


def _scaled(chance, ratio):
    """Multiply the rate that a probability, and its bounds, stand for: `Probability`."""

    def scaled(probability):
        return None if probability is None else float(-numpy.expm1(ratio * numpy.log1p(-min(probability, _SURE))))

    return Probability(*(scaled(part) for part in (chance.value, chance.low, chance.high)))
