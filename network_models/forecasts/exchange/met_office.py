"""Bulletins of the Met Office's space weather centre: JSON with probabilities of M and X flares for four days.

Of its categories ``XRAY`` alone is read: the first list of per cents is for flares of class M, the second for class X, as the
centre sends them to the flare scoreboard (its method ``MO_TOT1``). Days are those of 24 hours from the time of issue on. The
bulletin does not say whether M means M1.0 or more; it is sent as ``M``, and read as the class alone.
"""

import re

import numpy

from network_models.forecasts.exchange import scoreboard
from tools.errors import UserError
from tools.reading import structures

METHOD = "MO_TOT1"
ADVICE = "give a bulletin of the Met Office"
_DAY = numpy.timedelta64(86_400, "s")
_NAME = re.compile(r"day([1-9]\d?)")


def is_bulletin(content):
    """Check whether parsed JSON is such a bulletin."""
    return isinstance(content, dict) and isinstance(content.get("categories"), list)


def read(file, source=None):
    """Read the forecasts of a bulletin, day by day.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
    source : str, optional
        Named in errors.

    Returns
    -------
    list of issued.Issued

    Raises
    ------
    UserError
        It is no such bulletin, or holds no probability of flares.
    """
    content, source = scoreboard.content_of(file, source, advice=ADVICE)
    content = structures.parse_json(content, source, finite=True, kind=dict, advice=ADVICE)
    categories = content.get("categories") if is_bulletin(content) else ()
    flares = next((one for one in categories if isinstance(one, dict) and one.get("type") == "XRAY"), None)
    if flares is None:
        raise UserError(f"{source}: holds no category XRAY; {ADVICE}")
    issued = scoreboard.time_of(flares.get("saved_dt"), "saved_dt", source)
    try:
        moderate, strong = flares["probabilities"]
        days = sorted({int(_NAME.fullmatch(name)[1]) for name in (*moderate, *strong)})
        forecasts = [_day(issued, day, moderate.get(f"day{day}"), strong.get(f"day{day}"), source) for day in days]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{source}: its category XRAY has no two lists of days ({error!s:.100}); {ADVICE}") from error
    forecasts = [one for one in forecasts if one is not None]
    if not forecasts:
        raise UserError(f"{source}: holds no probability of flares; {ADVICE}")
    return forecasts


def _day(issued, day, moderate, strong, source):
    """Make the forecast of a day, the first is 1: issued.Issued, or None where it has no probability."""
    disk = {}
    for key, percent in (("M", moderate), ("X1.0", strong)):
        value = scoreboard.number_of(percent, f"{key} of day {day}", source)
        if value is not None:
            disk[key] = scoreboard.of_percent(value, f"{key} of day {day}", source)
    begin = issued + (day - 1) * _DAY
    return scoreboard.issued_of(source, METHOD, issued, begin, begin + _DAY, disk, ()) if disk else None
