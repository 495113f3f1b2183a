"""NOAA active region numbers in full, from the four digits that lists and texts print.

Region 10000 was numbered on 2002-06-14. Summaries, events and many catalogues go on printing the last four digits, while
regions numbered before that stay on the disk with theirs: in June 2002, 9991 is 9991 and 0005 is 10005.
"""

import datetime
import itertools

FIRST_ROLL_OVER = datetime.date(2002, 6, 14)
# The newest region on a few days, from NOAA's region summaries; between and beyond them the numbers grow steadily.
_NEWEST = (
    (datetime.date(1972, 1, 5), 1),
    (FIRST_ROLL_OVER, 10000),
    (datetime.date(2014, 3, 7), 12000),
    (datetime.date(2026, 2, 1), 14370),
)


def full_number(number, date):
    """Complete a region number that may lack its leading digits.

    Parameters
    ----------
    number : int
        As printed, not negative. Five digits are taken as they are.
    date : datetime.date or datetime.datetime
        When the region was seen.

    Returns
    -------
    int
        Of the numbers with these last four digits the one nearest to the newest region of that time; before the roll-over
        always `number`. Numbers come round every 24 years or so, so that a date and four digits name one region.

    Examples
    --------
    >>> import datetime
    >>> full_number(2192, datetime.date(2014, 10, 23))
    12192
    """
    day = date.date() if isinstance(date, datetime.datetime) else date
    if number >= 10000 or day < FIRST_ROLL_OVER:
        return number
    return number + 10000 * max(round((_newest(day) - number) / 10000), 0)


def _newest(day):
    pairs = itertools.pairwise(_NEWEST)
    (first, low), (second, high) = next((pair for pair in pairs if day < pair[1][0]), _NEWEST[-2:])
    return low + (high - low) * (day - first).days / (second - first).days
