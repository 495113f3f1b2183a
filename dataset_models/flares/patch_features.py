"""Numbers that describe the magnetic field of an active region patch, all of order one, as inputs of a network."""

import numpy

from dataset_models.flares import patch_tables

_MAGNETIC = ("log_patch_area", "log_unsigned_flux", "mean_gradient", "r_value")
NAMES = (
    "has_patch",
    *_MAGNETIC,
    *(f"{name}_change" for name in _MAGNETIC),
    "patch_seen_before",
    "patch_of_mdi",
    "patch_unknown_cells",
    "patch_longitude",
    "patch_distance_from_meridian",
    "patch_record_age",
    "log_regions_in_patch",
)
# Medians of AREA, USFLUX and MEANGBZ of HMI's patches (2010 to 2017) and of MDI's (1996 to 2010) in the tables of Sun et al.:
# MDI's pixels are four times as large and its noise is higher, so that the same Sun gives other numbers.
_TYPICAL = numpy.array([[2.36e3, 3.94e21, 20.8], [2.63e3, 7.05e21, 49.4]])
_DAY = 86_400
_EARLIER = 6 * 3600  # a record that is older than a day by more than this does not stand for the day before


class DescribedPatches:
    """Records of patches, described, and which are the newest at a time.

    Parameters
    ----------
    table : dataset_models.flares.patch_tables.PatchTable

    Attributes
    ----------
    span : tuple of numpy.datetime64
        When the first record and the last are known.
    """

    def __init__(self, table):
        records = table.records
        seconds, known = (records[name].to_numpy("datetime64[s]").astype("int64") for name in ("time", "known"))
        values = features(records)
        order = numpy.argsort(known, kind="stable")
        self._seconds, self._known, self._patch = seconds[order], known[order], records["patch"].to_numpy("int64")[order]
        self._features = values[order]
        self._places = records[["longitude", "latitude"]].to_numpy("float64")[order]
        self._patch_of = patch_tables.patch_of_regions(table.regions)
        self.span = tuple(self._known[[0, -1]].astype("datetime64[s]"))
        numbers = {}
        for number, patch in sorted(self._patch_of.items(), reverse=True):
            numbers[patch] = number
        self._cell_of = numbers  # the smallest of the NOAA numbers that are the patch's own

    @property
    def has_regions(self):
        """Whether any patch has a NOAA number: bool."""
        return bool(self._patch_of)

    def observed(self, time, width):
        """Find the newest record of each patch that became known in [time - width, time].

        Parameters
        ----------
        time : datetime64
        width : timedelta64

        Returns
        -------
        numpy.ndarray
            int64 (k,): rows, in order of patch.
        """
        second = int(numpy.datetime64(time, "s").astype("int64"))
        wide = int(width / numpy.timedelta64(1, "s"))
        first, last = (numpy.searchsorted(self._known, *limit) for limit in ((second - wide, "left"), (second, "right")))
        _, newest = numpy.unique(self._patch[first:last][::-1], return_index=True)
        return last - 1 - newest

    def of_regions(self, numbers, time, width):
        """Describe the patches of regions.

        Parameters
        ----------
        numbers : numpy.ndarray
            int64 (n,): NOAA numbers.
        time, width
            As of `observed`.

        Returns
        -------
        numpy.ndarray
            float32 (n, k) with the columns `NAMES`; 0 for a region without a patch that is known.
        """
        rows = self.observed(time, width)
        row_of = dict(zip(self._patch[rows].tolist(), rows.tolist(), strict=True))
        found = numpy.array([row_of.get(self._patch_of.get(number), -1) for number in numbers.tolist()], "int64")
        result = self._at(found, time)
        shared = (found[:, None] == found).sum(axis=1)
        result[:, NAMES.index("log_regions_in_patch")] = numpy.log(numpy.maximum(shared, 1))
        result[found < 0] = 0
        return result

    def cells(self, time, width):
        """List the patches observed as cells of their own, by flux, the largest first.

        Parameters
        ----------
        time, width
            As of `observed`.

        Returns
        -------
        numbers : numpy.ndarray
            int64 (k,): of each its first NOAA number, or minus its own number where it has none.
        features : numpy.ndarray
            float32 (k, n) with the columns `NAMES`.
        places : numpy.ndarray
            float64 (k, 2): longitude and latitude, NaN where unknown.
        times : numpy.ndarray
            ``datetime64[s]`` (k,): of the records.
        """
        rows = self.observed(time, width)
        rows = rows[numpy.argsort(-self._features[rows, NAMES.index("log_unsigned_flux")], kind="stable")]
        numbers = [self._cell_of.get(patch, -patch) for patch in self._patch[rows].tolist()]
        times = self._seconds[rows].astype("datetime64[s]")
        return numpy.array(numbers, "int64"), self._at(rows, time), self._places[rows], times

    def cells_of_regions(self, numbers):
        """Find the cell, as of `cells`, of each NOAA number: int64 (n,), the number itself where it is of no patch."""
        unique, place = numpy.unique(numpy.asarray(numbers, "int64"), return_inverse=True)
        cells = [self._cell_of[self._patch_of[one]] if one in self._patch_of else one for one in unique.tolist()]
        return numpy.array(cells, "int64")[place] if len(unique) else unique

    def _at(self, rows, time):
        """Describe records as they are known at a time: float32 (n, k)."""
        result = self._features[rows].copy()
        age = numpy.datetime64(time, "s").astype("int64") - self._seconds[rows]
        result[:, NAMES.index("patch_record_age")] = age / _DAY
        return result


def features(records):
    """Describe each record.

    Parameters
    ----------
    records : pandas.DataFrame
        Of `dataset_models.flares.patch_tables.PatchTable`, in order of patch and time.

    Returns
    -------
    numpy.ndarray
        float32 (n, k) with the columns `NAMES`: AREA and USFLUX as decades above the instrument's median, MEANGBZ over its
        median, less 1, R_VALUE / 5 (0: no strong gradient); their changes from a record 24 to 30 hours earlier, 0 where there
        is none; longitude in units of 90 degrees. What is unknown is 0, and counted. The age of a record, in days before the
        newest that could be known, and how many regions share its patch depend on the time of a forecast and are 0 here.
    """
    patch = records["patch"].to_numpy("int64")
    seconds = records["time"].to_numpy("datetime64[s]").astype("int64")
    of_mdi = patch >= patch_tables.TARP
    area, flux, gradient, line = (records[name].to_numpy("float64") for name in patch_tables.KEYWORDS)
    typical = _TYPICAL[of_mdi.astype(int)]
    magnetic = numpy.stack(
        [
            numpy.log10(numpy.maximum(area, 1.0) / typical[:, 0]),
            numpy.log10(numpy.maximum(flux, 1e19) / typical[:, 1]),
            gradient / typical[:, 2] - 1,
            line / 5,
        ],
        axis=1,
    )
    before = _rows_of_day_before(patch, seconds)
    change = numpy.where((before >= 0)[:, None], magnetic - magnetic[before], 0.0)
    longitude = numpy.nan_to_num(records["longitude"].to_numpy("float64")) / 90
    columns = [
        numpy.ones(len(records)),
        *numpy.nan_to_num(magnetic).T,
        *numpy.nan_to_num(change).T,
        before >= 0,
        of_mdi,
        numpy.isnan(magnetic).sum(axis=1),
        longitude,
        numpy.abs(longitude),
        numpy.zeros(len(records)),
        numpy.zeros(len(records)),
    ]
    return numpy.stack([numpy.asarray(column, "float32") for column in columns], axis=1)


def _rows_of_day_before(patch, seconds):
    """Find the newest record of each patch 24 hours or a little more earlier, -1 where it has none: int64 (n,)."""
    key = patch * (1 << 36) + seconds
    place = numpy.searchsorted(key, key - _DAY, "right") - 1
    row = numpy.maximum(place, 0)
    found = (place >= 0) & (patch[row] == patch) & (seconds - seconds[row] <= _DAY + _EARLIER)
    return numpy.where(found, row, -1)
