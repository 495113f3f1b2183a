"""Issued forecasts of one forecaster as a series of probabilities of one event, to be scored beside others."""

import numpy

from network_models.forecasts.exchange.scoreboard import LATE
from network_models.forecasts.files import Forecasts
from tools import goes_class
from tools.errors import UserError, quoted

DAY = numpy.timedelta64(86_400, "s")
_ABOVE = {"A": "B1.0", "B": "C1.0", "C": "M1.0", "M": "X1.0"}


def probability_of(probabilities, event):
    """Find the probability of a flare of a class or more.

    Parameters
    ----------
    probabilities : dict of str to issued.Probability
        As of `issued.Issued`.
    event : str
        ``"M1.0"``.

    Returns
    -------
    float or None
        As forecast; else of the class alone and what is above it, ``1 - (1 - M)(1 - X)``, as if the two were independent; None
        where one of them was not forecast, which is not 0.

    Raises
    ------
    UserError
        `event` is no class.

    Examples
    --------
    >>> from network_models.forecasts.exchange.issued import Probability
    >>> probability_of({"M": Probability(0.5), "X1.0": Probability(0.2)}, "M1")
    0.6
    >>> probability_of({"M": Probability(0.5)}, "M1.0") is None
    True
    """
    try:
        wanted = goes_class.to_flux(event)
    except ValueError as error:
        raise UserError(f"{quoted(event)} is no GOES class; give one like M1.0") from error
    for key, one in probabilities.items():
        if len(key) > 1 and goes_class.to_flux(key) == wanted:
            return one.value
    letter = goes_class.from_flux(wanted)[0]
    if goes_class.to_flux(f"{letter}1.0") != wanted or letter not in probabilities:
        return None
    alone = probabilities[letter].value
    if letter not in _ABOVE:
        return alone
    above = probability_of(probabilities, _ABOVE[letter])
    return None if above is None else round(1 - (1 - alone) * (1 - above), 9)


def in_time(one, *, ahead=DAY, late=False):
    """Check whether a forecast was issued for the window that it states, and not for one of a day after: bool.

    Parameters
    ----------
    one : issued.Issued
    ahead : numpy.timedelta64
        Less `LATE`, by which an edition may come into its first day: forecasts issued this long before their window, or longer,
        do not count. They are those of the second day, and of the third.
    late : bool
        Whether those count that are marked as late, or were issued more than an hour into their window.
    """
    lead = one.begin - one.issued
    return lead < ahead - LATE and (late or (one.mode != "late" and -lead <= LATE))


def forecasts_of(issued, event, *, window=DAY, ahead=DAY, late=False, name=None):
    """Make a series of the forecasts of the disk.

    Parameters
    ----------
    issued : sequence of issued.Issued
        Of one method.
    event : str
        Smallest flare that is an event, see `probability_of`.
    window : numpy.timedelta64
        Forecasts for other windows are left out.
    ahead, late
        Which count, as of `in_time`.
    name : str, optional
        The method's without it.

    Returns
    -------
    network_models.forecasts.files.Forecasts
        The time is the begin of the window, ``event`` None. Of several forecasts for one window the last issued counts.

    Raises
    ------
    UserError
        Nothing is left, they are of several methods, or some are of simulated data and some not.
    """
    methods = sorted({one.method for one in issued})
    if len(methods) > 1:
        raise UserError(f"forecasts of {len(methods)} methods ({', '.join(methods[:4])}); take one of them")
    chosen, simulated = {}, set()
    for one in sorted(issued, key=lambda one: one.issued):
        probability = probability_of(one.probabilities, event)
        if probability is not None and one.end - one.begin == window and in_time(one, ahead=ahead, late=late):
            chosen[one.begin] = probability
            simulated.add(one.simulated)
    what = name or (methods[0] if methods else "forecasts")
    if not chosen:
        hours = window / numpy.timedelta64(3600, "s")
        raise UserError(f"{what}: none of {len(issued)} forecasts is of the disk, of {event} and for {hours:g} h")
    if len(simulated) > 1:
        raise UserError(f"{what}: some forecasts are of simulated data and some are not; nothing compares the two")
    times = numpy.array(sorted(chosen), "datetime64[s]")
    probability = numpy.array([chosen[time] for time in times], "float64")
    return Forecasts(what, times, probability, None, numpy.zeros(len(times), "int64"), simulated=simulated == {True})
