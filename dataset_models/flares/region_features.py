"""Numbers that describe an active region of NOAA's summaries, all of order one, as inputs of a network."""

import numpy

ZURICH, PENUMBRA, COMPACTNESS = "ABCDEFH", "XRSAHK", "XOIC"
POLARITIES = ("Alpha", "Beta", "Gamma", "Delta")
NAMES = (
    "present",
    "log_area",
    "root_area",
    "extent",
    "log_spots",
    "longitude",
    "distance_from_meridian",
    "near_limb",
    "latitude",
    "area_change",
    "spots_change",
    "extent_change",
    "seen_before",
    "age",
    "gone",
    "unknown_cells",
    *(f"zurich_{letter}" for letter in ZURICH),
    *(f"penumbra_{letter}" for letter in PENUMBRA),
    *(f"compactness_{letter}" for letter in COMPACTNESS),
    *(f"hale_{name.lower()}" for name in POLARITIES),
)
LIMB = 75.0  # degrees from the meridian: nearer to the limb little is seen of a region
ROTATION = 13.2  # degrees a day, as seen from the Earth
_GONE_FROM = 65.0  # degrees: regions that were west of this on the day before and are listed no longer went over the limb
_AGE = 14.0  # days: a crossing of the disk


class DescribedRegions:
    """Regions of many days, described.

    Parameters
    ----------
    regions : pandas.DataFrame
        Of `dataset_models.flares.region_days.RegionDays`, in order of day and number.

    Attributes
    ----------
    numbers : numpy.ndarray
        int64 (n,): NOAA's.
    features : numpy.ndarray
        float32 (n, k): `features`.
    """

    def __init__(self, regions):
        self.numbers = regions["noaa_region"].to_numpy("int64")
        self.features = features(regions)

    def gone(self, before, listed):
        """Find the regions that went over the west limb since the day before.

        Parameters
        ----------
        before : slice
            Rows of that day.
        listed : numpy.ndarray
            int64: numbers of the regions of today.

        Returns
        -------
        numbers : numpy.ndarray
            int64 (m,).
        features : numpy.ndarray
            float32 (m, k): as they were, a day further west, marked as gone.
        """
        west = self.features[before, NAMES.index("longitude")] > _GONE_FROM / 90
        left = west & ~numpy.isin(self.numbers[before], listed)
        result = self.features[before][left]
        longitude = result[:, NAMES.index("longitude")] + numpy.float32(ROTATION / 90)
        result[:, NAMES.index("longitude")] = result[:, NAMES.index("distance_from_meridian")] = longitude
        result[:, [NAMES.index("near_limb"), NAMES.index("gone")]] = 1
        return self.numbers[before][left], result


def features(regions):
    """Describe each region of each day.

    Parameters
    ----------
    regions : pandas.DataFrame
        As of `DescribedRegions`.

    Returns
    -------
    numpy.ndarray
        float32 (n, k) with the columns `NAMES`. Areas are in millionths of the hemisphere: log(1 + A / 10), sqrt(A) / 10;
        extent in units of 10 degrees, spots as log(1 + n), longitude in units of 90 and latitude of 30 degrees. Changes are
        from the day before, 0 where the region was not listed then; age is in units of 14 days since it was first listed.
        Classes are 0 or 1. What is unknown is 0, and counted in ``unknown_cells``.
    """
    date = regions["date"].to_numpy("datetime64[D]").astype("int64")
    number = regions["noaa_region"].to_numpy("int64")
    cells = {name: regions[name].to_numpy("float64") for name in ("area", "extent", "spots", "longitude", "latitude")}
    classes = regions["mcintosh"].astype(str).str.upper()
    hale = regions["hale_class"].astype(str).str.title()
    unknown = sum(numpy.isnan(values).astype(int) for values in cells.values()) + (classes == "") + (hale == "")
    area, extent, spots, longitude, latitude = (numpy.nan_to_num(values) for values in cells.values())
    log_area, log_spots = numpy.log1p(area / 10), numpy.log1p(spots)
    before = _rows_of_day_before(date, number)
    seen = before >= 0

    def change(values):
        return numpy.where(seen, values - values[before], 0.0)

    columns = [
        numpy.ones(len(regions)),
        log_area,
        numpy.sqrt(area) / 10,
        extent / 10,
        log_spots,
        longitude / 90,
        numpy.abs(longitude) / 90,
        numpy.abs(longitude) > LIMB,
        latitude / 30,
        change(log_area),
        change(log_spots),
        change(extent / 10),
        seen,
        numpy.minimum((date - _first_listed(date, number)) / _AGE, 1.0),
        numpy.zeros(len(regions)),
        unknown,
    ]
    for place, letters in enumerate((ZURICH, PENUMBRA, COMPACTNESS)):
        columns += [(classes.str[place] == letter).to_numpy() for letter in letters]
    columns += [hale.str.contains(name, regex=False).to_numpy() for name in POLARITIES]
    return numpy.stack([numpy.asarray(column, "float32") for column in columns], axis=1)


def _rows_of_day_before(date, number):
    """Find the row of each region on the day before, -1 where it has none: int64 (n,)."""
    keys = number * 1_000_000 + date
    order = numpy.argsort(keys, kind="stable")
    place = numpy.searchsorted(keys[order], keys - 1)
    place[place == len(keys)] = 0
    row = order[place]
    return numpy.where(keys[row] == keys - 1, row, -1)


def _first_listed(date, number):
    """Find the first day of each row's region: int64 (n,)."""
    _, group = numpy.unique(number, return_inverse=True)
    first = numpy.full(group.max() + 1 if len(group) else 0, numpy.iinfo("int64").max)
    numpy.minimum.at(first, group, date)
    return first[group]
