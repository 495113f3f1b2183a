"""Match the records of flare lists that are about the same flare.

Two sources have the same flare when they put its start, and its peak where both give one, within `SAME_TIME`; with no two
peaks to compare, their fluxes must agree within a factor `SAME_FLUX`. Starts may be up to `NEAR_TIME` apart when both peak and
flux agree. Within one source, and in files of one format without peaks, only records of identical start are the same flare.
"""

import bisect
import collections
import math
import typing

import numpy

SAME_TIME = numpy.timedelta64(2, "m")  # starts, and peaks, of one flare in two lists
NEAR_TIME = numpy.timedelta64(5, "m")  # starts of one flare in two lists that agree in its peak and its flux
SAME_FLUX = 2.0  # ratio of two peak fluxes that may be of one flare

_SAME, _NEAR = (int(span / numpy.timedelta64(1, "s")) for span in (SAME_TIME, NEAR_TIME))


class Record(typing.NamedTuple):
    """Fields of a record that decide about a match.

    Attributes
    ----------
    start : int
        Seconds.
    peak : int or None
        Seconds.
    flux : float
        W m^-2.
    source : str
    file : tuple
        The file, and within it the source.
    """

    start: int
    peak: int | None
    flux: float
    source: str
    file: tuple


class _Flare:
    """Records of one flare, none earlier than the one before: what a further one has to agree with, without a look at each."""

    def __init__(self, number, record):
        self.number = number
        self.start, self.flux, self.peak = record.start, record.flux, None  # of the first record; of the first with a peak
        self.start_of_file, self.start_of_source = {}, {}
        self.fluxes = (record.flux, record.flux)
        self.peaks = None
        self.since, self.fluxes_since = [], []  # starts of records with a peak, and the range of flux up to there
        self.peakless = None  # start of the first record without a peak, and the range of flux of all of them
        self.peakless_sources = {}
        self.add(record)

    def add(self, record):
        """Add a record that agrees with all others."""
        self.start_of_file.setdefault(record.file, record.start)
        self.start_of_source.setdefault(record.source, record.start)
        self.fluxes = _widened(self.fluxes, record.flux)
        if record.peak is None:
            start, *fluxes = self.peakless or (record.start, record.flux, record.flux)
            self.peakless = (start, *_widened(fluxes, record.flux))
            self.peakless_sources.setdefault(record.source, record.start)
            return
        if self.peaks is None:
            self.peak = record.peak
        self.peaks = _widened(self.peaks or (record.peak, record.peak), record.peak)
        fluxes = _widened(self.fluxes_since[-1] if self.since else (record.flux, record.flux), record.flux)
        if self.since and self.since[-1] == record.start:
            self.fluxes_since[-1] = fluxes
        else:
            self.since.append(record.start)
            self.fluxes_since.append(fluxes)

    @property
    def cells(self):
        """Keys under which it is found: by flux for records without a peak, and for all while it has none itself."""
        flux = math.frexp(self.flux)[1]  # a power of two, as `SAME_FLUX` is
        return ("any", flux), ("peakless", flux) if self.peaks is None else ("peak", self.peak // _SAME)

    def agrees(self, record):
        """Check a record, no earlier than any here, against every one: bool."""
        start, peak, flux, source, file = record
        if self.start_of_file.get(file, start) != start:
            return False
        if peak is None:
            near = start - self.start <= _SAME
            return near and self.start_of_source.get(source, start) == start and _same_flux(flux, *self.fluxes)
        if self.peakless:
            first, *fluxes = self.peakless
            near = start - first <= _SAME
            if not (near and self.peakless_sources.get(source, start) == start and _same_flux(flux, *fluxes)):
                return False
        if self.peaks is None:
            return True
        if max(self.peaks[1] - peak, peak - self.peaks[0]) > _SAME:
            return False
        apart = bisect.bisect_left(self.since, start - _SAME)  # records whose start alone is too far away
        return apart == 0 or _same_flux(flux, *self.fluxes_since[apart - 1])


def _widened(span, value):
    return min(span[0], value), max(span[1], value)


def _same_flux(flux, least, most):
    return most <= SAME_FLUX * flux and flux <= SAME_FLUX * least


class _OpenFlares:
    """Flares that may still grow, by cells of peak or flux and by the files that they have records of."""

    def __init__(self):
        self._by_files = collections.defaultdict(lambda: collections.defaultdict(collections.OrderedDict))
        self._of_file = collections.defaultdict(dict)

    def enter(self, flare):
        """Take in a flare."""
        files = frozenset(flare.start_of_file)
        for cell in flare.cells:
            self._by_files[cell][files][flare.number] = flare
            for file, start in flare.start_of_file.items():
                self._of_file[cell, file, start][flare.number] = flare

    def withdraw(self, flare):
        """Take out a flare that is to change."""
        files = frozenset(flare.start_of_file)
        for cell in flare.cells:
            self._by_files[cell][files].pop(flare.number, None)
            for file, start in flare.start_of_file.items():
                self._of_file[cell, file, start].pop(flare.number)

    def agreeing(self, record):
        """List the flares that a record, no earlier than any before, agrees with."""
        flares = []
        for cell in _cells_around(record):
            # Two records of one file are of one flare only where their starts are the same.
            flares += self._of_file.get((cell, record.file, record.start), {}).values()
            for files, others in self._by_files.get(cell, {}).items():
                while others and record.start - next(iter(others.values())).start > _NEAR:
                    others.popitem(last=False)
                if record.file not in files:
                    flares += others.values()
        return [flare for flare in flares if record.start - flare.start <= _NEAR and flare.agrees(record)]


def match(records):
    """Number the flares that records belong to.

    Parameters
    ----------
    records : iterable of Record
        In order of start.

    Returns
    -------
    numpy.ndarray
        int64 (n,). A record belongs to a flare when it agrees with each of its records; where there are several such
        flares, to the nearest in time, then in flux.

    Notes
    -----
    A record is compared with flares whose peak, or flux where one of them has no peak, is in the same cell or one beside it:
    cells are as wide as the agreement that is asked for. A flare keeps the range of its records, so that many equal ones
    cost no more than one. 100,000 equal records take a second, where a comparison of each with each took hours.
    """
    numbers, count, flares, newest = [], 0, _OpenFlares(), -math.inf
    for record in records:
        if record.start - newest > _NEAR:
            flares = _OpenFlares()  # none of those before can grow any more
        agreeing = flares.agreeing(record)
        if not agreeing:
            flare = _Flare(count, record)
            count, newest = count + 1, record.start
            flares.enter(flare)
        else:
            flare = agreeing[0] if len(agreeing) == 1 else min(agreeing, key=lambda one: _distance(one, record))
            if record.file in flare.start_of_file and (record.peak is None or flare.peaks):
                flare.add(record)
            else:
                flares.withdraw(flare)
                flare.add(record)
                flares.enter(flare)
        numbers.append(flare.number)
    return numpy.array(numbers, "int64")


def _distance(flare, record):
    return record.start - flare.start, abs(numpy.log(record.flux / flare.flux)), flare.number


def _cells_around(record):
    if record.peak is None:
        cell = math.frexp(record.flux)[1]
        return [("any", cell - 1), ("any", cell), ("any", cell + 1)]
    cell, flux = record.peak // _SAME, math.frexp(record.flux)[1]
    peakless = [("peakless", flux - 1), ("peakless", flux), ("peakless", flux + 1)]
    return [("peak", cell - 1), ("peak", cell), ("peak", cell + 1), *peakless]
