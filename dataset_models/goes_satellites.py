"""Which GOES satellite NOAA took solar X-rays from, as its primary and its secondary one, since 1986.

The times are those of the Space Weather Prediction Center's own list, GOES_Primary_Secondary_Status.csv, which K. Moreland of
SWPC gave to the authors of fetchsep on 2024-09-05 (github.com/ktindiana/fetchsep, fetchsep/reference). It ends on 2024-09-06.
It also has GOES-10 as primary from 2007-01-01, against its own rows of GOES-12, GOES-11 and, from 2008-02-10, GOES-10: that
one row is not followed.

After the list's end its last satellites are assumed to go on until GOES-19 took the place of GOES-16 on 2025-04-07, and GOES-18
to be the primary one from then on, as SWPC's event reports and near-real-time JSON of 2026 have it, with GOES-19 second.
"""

import numpy

LISTED_UNTIL = numpy.datetime64("2024-09-06", "m")  # later ones are assumed
NONE = 0
_PRIMARY = (
    ("1986-01-01", 6),
    ("1988-01-26", 7),
    ("1995-03-01", 8),
    ("2003-04-08T15:00", 10),
    ("2003-05-15T15:00", 12),
    ("2007-04-12", 11),
    ("2008-02-10T16:30", 10),
    ("2009-12-01", 14),
    ("2010-10-28", 15),
    ("2012-10-23T16:00", 14),
    ("2012-11-19T16:31", 15),
    ("2015-05-21T18:00", 14),
    ("2015-06-09T16:25", 15),
    ("2016-05-03T13:00", 13),
    ("2016-05-12T17:30", 14),
    ("2016-06-09T17:30", 15),
    ("2017-08-08T20:52", 13),
    ("2017-08-23T21:20", 15),
    ("2019-12-09T17:30", 16),
    ("2025-04-07", 18),
)
_SECONDARY = (
    ("1986-01-01", 5),
    ("1988-01-26", 6),
    ("1994-12-11", 8),
    ("1995-03-01", 7),
    ("1998-07-27", 10),
    ("2003-04-08T15:00", 12),
    ("2003-05-15T15:00", 10),
    ("2006-06-22T14:00", NONE),
    ("2006-06-28", 11),
    ("2007-04-12", 10),
    ("2007-11-21", NONE),
    ("2007-12-05", 10),
    ("2007-12-18", NONE),
    ("2010-09-01", 15),
    ("2010-10-28", NONE),
    ("2011-09-01", 14),
    ("2012-10-23T16:00", 15),
    ("2012-11-19T16:31", 14),
    ("2015-01-26T16:00", NONE),
    ("2015-01-26T16:01", 13),
    ("2016-05-03T13:00", 15),
    ("2016-05-03T14:37", 14),
    ("2016-05-12T17:30", 13),
    ("2016-05-16T17:00", 15),
    ("2016-06-09T17:30", 13),
    ("2017-08-08T20:52", 15),
    ("2017-08-16T19:15", 14),
    ("2017-08-23T21:20", 13),
    ("2017-12-12T16:30", NONE),
    ("2019-12-09T17:30", 15),
    ("2021-08-24", 17),
    ("2023-01-04", 18),
    ("2025-04-07", 19),
)


def primary(times):
    """Look up NOAA's primary satellite for X-rays.

    Parameters
    ----------
    times : array_like of datetime64
        Shape (n,), UTC.

    Returns
    -------
    numpy.ndarray
        GOES number, int64 (n,); 0 before 1986.

    Examples
    --------
    >>> primary(["2011-06-07T06:41", "2012-11-01", "2022-03-30"]).tolist()
    [15, 14, 16]
    """
    return _looked_up(_PRIMARY, times)


def secondary(times):
    """Look up NOAA's secondary satellite for X-rays, as `primary`; 0 where there was none."""
    return _looked_up(_SECONDARY, times)


def _looked_up(changes, times):
    since, numbers = zip(*changes, strict=True)
    begins = numpy.array(since, "datetime64[s]")
    place = numpy.searchsorted(begins, numpy.asarray(times, "datetime64[s]"), side="right")
    return numpy.array([NONE, *numbers], "int64")[place]
