"""SWPC's JSON of the last days, in near real time."""

import collections
import math
import re

import numpy

from dataset_models.goes_formats import headers
from dataset_models.goes_formats.minutes import DAY, TIMELESS, Minutes, NotGoes, in_place
from tools.reading import structures

NEAR_REAL_TIME = "near real time"
CONTAMINATED = 1  # quality of a near-real-time minute whose flux SWPC marks as contaminated by electrons
_LONG = "0.1-0.8nm"  # SWPC's name of 1-8 Angstrom
_UNSCALED = 16  # the first satellite whose operational fluxes are true irradiances
_LEAST, _MOST = 1e-9, 0.2  # W m^-2: valid_min and valid_max of NOAA's 1-minute averages, which SWPC's JSON does not state


def read(path, content):
    """Read the 1-minute fluxes in the bytes of a file: `Minutes`."""
    entries = structures.parse_json(content, path, advice="fetch it again", error=NotGoes)
    if not isinstance(entries, list):
        raise NotGoes(f"{path}: is no list of records; give SWPC's xrays-6-hour.json to xrays-7-day.json")
    entries = [entry for entry in entries if isinstance(entry, dict)]
    entries = [entry for entry in entries if re.sub(r"\s", "", str(entry.get("energy"))).lower() == _LONG]
    if not entries:
        raise NotGoes(f"{path}: has no records of {_LONG}; give SWPC's xrays-6-hour.json to xrays-7-day.json")
    faults, rows = collections.Counter(), {}
    for entry in entries:
        time = headers.moment(str(entry.get("time_tag")))
        satellite, flux = _number(entry.get("satellite")), _number(entry.get("flux"))
        if time is None:
            faults[TIMELESS] += 1
        elif not 0 < satellite < 100:
            faults["records without a satellite, left out"] += 1
        elif satellite < _UNSCALED:
            faults[f"records of satellites before GOES-{_UNSCALED}, whose operational flux is scaled by 0.7, left out"] += 1
        elif not _LEAST < flux <= _MOST:
            faults["records without a flux, left out"] += 1
        else:  # of several records of a minute the last one stands
            contaminated = entry.get("electron_contaminaton") or entry.get("electron_contamination")  # the first is SWPC's
            rows[time // 60 * 60, int(satellite)] = flux, CONTAMINATED if contaminated is True else 0
    if not rows:
        reasons = "; ".join(f"{count} {reason.removesuffix(', left out')}" for reason, count in faults.items())
        raise NotGoes(f"{path}: has no good record of {_LONG} ({reasons}); leave it out")
    keys = numpy.array(sorted(rows), "int64")
    # A file holds a week at most, wherever its median lies.
    inside = in_place(path, keys[:, 0], [], 7 * DAY, faults)
    keys = keys[inside]
    flux, quality = zip(*(rows[int(time), int(satellite)] for time, satellite in keys), strict=True)
    satellites = keys[:, 1]
    return Minutes(
        satellite=int(satellites.max()),
        calibration=NEAR_REAL_TIME,
        time=keys[:, 0],
        flux=numpy.array(flux),
        samples=numpy.ones(len(keys), "int64"),
        quality=numpy.array(quality, "int64"),
        satellites=satellites if len(set(satellites.tolist())) > 1 else None,
        faults=dict(faults),
    )


def _number(value):
    """Convert a value of a JSON record to a number: float, NaN where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
