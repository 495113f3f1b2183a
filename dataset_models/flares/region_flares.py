"""Past flares of each active region, as they are known at forecast time: what excites a region's rate.

As in `dataset_models.flares.flare_history` a flare enters when its class is settled, and only what is settled before t is used
at t. A flare is that of the region which its list names; one without a region belongs to none.
"""

import numpy

from dataset_models.flares import flare_history

SCALES = (0.5, 2.0, 7.0)  # days in which the memory of a flare fades
LEAST = {letter: least for letter, (least, _) in flare_history.CLASSES.items()}  # W m^-2
NAMES = tuple(f"{letter}_flares_{days:g}d" for days in SCALES for letter in LEAST)
NO_REGION = 0
ELSEWHERE = "elsewhere"  # than in a listed region, in tables
_REACH = 5.0  # time constants: what fades to less than 1 % is left out
_DAY = 86_400


class RegionFlares:
    """Flares arranged by region and by the time they became known.

    Parameters
    ----------
    events : pandas.DataFrame
        Of :class:`dataset_models.flare_catalogue.Catalogue`; start, peak, end, flux and noaa_region are used.
    """

    def __init__(self, events):
        known = flare_history.known_at(events).astype("int64")
        region = events["noaa_region"].fillna(NO_REGION).to_numpy("int64")
        order = numpy.lexsort((known, region))
        self._known, self._region = known[order], region[order]
        flux = events["flux"].to_numpy("float64")[order]
        self._classes = numpy.stack([flux >= least for least in LEAST.values()], axis=1)
        in_time = numpy.argsort(known, kind="stable")
        self._known_in_time, self._region_in_time = known[in_time], region[in_time]
        self._numbers, self._begin = numpy.unique(self._region, return_index=True)
        self._end = numpy.append(self._begin[1:], len(self._region))

    def faded(self, regions, times):
        """Add up the flares of each region known before each time, faded with their age.

        Parameters
        ----------
        regions : array_like of int (n,)
            NOAA numbers in full; `NO_REGION` for flares without one.
        times : array_like
            ``datetime64`` (n,).

        Returns
        -------
        numpy.ndarray
            float64 (n, k) with the columns `NAMES`: sums of exp(-age / days) over flares of C1.0 and above, M1.0 and above,
            X1.0 and above.
        """
        regions = numpy.asarray(regions, "int64")
        seconds = numpy.asarray(times, "datetime64[s]").astype("int64")
        first, last = self._within(regions, seconds, _REACH * max(SCALES) * _DAY)
        count = last - first
        query = numpy.repeat(numpy.arange(len(regions)), count)
        flare = numpy.arange(count.sum()) + numpy.repeat(first - numpy.cumsum(count) + count, count)
        age = (seconds[query] - self._known[flare]) / _DAY
        columns = []
        for days in SCALES:
            weight = numpy.where(age <= _REACH * days, numpy.exp(-age / days), 0.0)
            for number in range(len(LEAST)):
                columns.append(numpy.bincount(query, weight * self._classes[flare, number], len(regions)))
        return numpy.stack(columns, axis=1)

    def active(self, time, days):
        """List the regions with a flare known in the days before a time, in order: int64 (n,)."""
        second = int(numpy.datetime64(time, "s").astype("int64"))
        first, last = numpy.searchsorted(self._known_in_time, (second - days * _DAY, second), "left")
        regions = numpy.unique(self._region_in_time[first:last])
        return regions[regions != NO_REGION]

    def _within(self, regions, seconds, width):
        """Find the first and one past the last flare of each region known in [t - width, t): two int64 arrays (n,)."""
        first, last = numpy.zeros(len(regions), "int64"), numpy.zeros(len(regions), "int64")
        place = numpy.searchsorted(self._numbers, regions)
        for row in numpy.flatnonzero(place < len(self._numbers)):
            if self._numbers[place[row]] == regions[row]:
                begin, end = self._begin[place[row]], self._end[place[row]]
                window = numpy.searchsorted(self._known[begin:end], (seconds[row] - width, seconds[row]), "left")
                first[row], last[row] = begin + window
        return first, last


def faded(events, regions, times):
    """Compute `RegionFlares.faded` of a list of flares."""
    return RegionFlares(events).faded(regions, times)
