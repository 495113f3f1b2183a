"""Times as users write them in flags and options."""

import re

import numpy

from tools.errors import UserError

_TIME = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?)?)?Z?")


def given_time(flag, text):
    """A UTC time from a flag.

    Parameters
    ----------
    flag : str
        Named in errors: ``"--start"``.
    text : str
        ``2026-03-01`` or ``2026-03-01T12:00``, shorter or longer, with or without a final Z.

    Returns
    -------
    numpy.datetime64
        In seconds.

    Raises
    ------
    UserError
        It is something else, of which numpy would take ``now``, ``NaT`` and ``20260301`` (a year) for times.
    """
    wrong = UserError(f"{flag} {text}: expected a UTC time like 2026-03-01 or 2026-03-01T12:00")
    if not _TIME.fullmatch(text):
        raise wrong
    try:
        return numpy.datetime64(text.removesuffix("Z"), "s")
    except ValueError as error:  # the thirtieth of February
        raise wrong from error
