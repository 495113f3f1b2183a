"""FlareNet's tables of X-ray flux: Flux_2010_2017_max.csv, and Flux_FeatherAIA2014.csv of the image times alone.

A row has the largest of the raw samples (operational flux, about 2 s apart) in the two minutes that end at its Time, and how
many there were. Both minutes get this flux. It is no mean, so it is kept under a calibration of its own, ``"flarenet"``.
"""

import collections
import csv
import io
import math

import numpy

from dataset_models.goes_formats import headers
from dataset_models.goes_formats.minutes import TIMELESS, Minutes, NotGoes

FLARENET = "flarenet"
COLUMNS = ("Time", "Flux")
UNKNOWN_SATELLITE = 0  # the tables do not name it
_MINUTES = 2
_MOST = 0.2  # W m^-2, as of NOAA's 1-minute averages
_NONE = {"NA", "NaN", "", "-Inf"}  # as R writes an interval without samples


def read(path, content):
    """Read the bytes of a table: `Minutes`, two for each row with a flux."""
    text = content.decode("utf-8-sig", "replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise NotGoes(f"{path}: has no columns {' and '.join(COLUMNS)}; give FlareNet's Flux_2010_2017_max.csv or the like")
    faults, minutes = collections.Counter(), {}
    for row in rows:
        end, count = headers.moment(str(row["Time"])), _number(row.get("Count"))
        words = str(row["Flux"]).strip()
        flux = _number(words)
        if end is None:
            faults[TIMELESS] += 1
        elif words in _NONE:
            continue
        elif not 0 < flux <= _MOST:
            faults["records without a flux, left out"] += 1
        else:
            samples = int(count) if math.isfinite(count) and 0 < count < 1e6 else 1
            for number in range(1, _MINUTES + 1):
                minutes[end // 60 * 60 - 60 * number] = flux, max(1, samples // _MINUTES)
    if not minutes:
        raise NotGoes(f"{path}: has no row with a time and a flux; fetch it again")
    times = numpy.array(sorted(minutes), "int64")
    flux, samples = zip(*(minutes[time] for time in times.tolist()), strict=True)
    return Minutes(
        satellite=UNKNOWN_SATELLITE,
        calibration=FLARENET,
        time=times,
        flux=numpy.array(flux),
        samples=numpy.array(samples, "int64"),
        quality=numpy.zeros(len(times), "int64"),
        faults=dict(faults),
    )


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
