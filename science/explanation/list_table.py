"""A row for each map of a list of images: what was explained, the checks, and where the map is strongest."""

import numpy

from dataset_models import simulation_mark
from science.explanation import passport, solar_coordinates
from science.explanation.sheet import strongest


def row(subject, entry, sample, attribution, checked, probability):
    """Tabulate one map.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    entry : science.explanation.image_list.Entry
    sample : science.explanation.subject.Sample
    attribution : science.explanation.attribution.Attribution
        Of this sample alone.
    checked : dict
        Of `science.explanation.passport.passport`.
    probability : float or None
        The forecast, of classifications.

    Returns
    -------
    dict of str to object
        Columns of the table, see science/README.md.
    """
    time = time_of(subject, entry, sample)
    columns = {
        "time": "" if time is None else f"{time}Z",
        "file": "" if sample.time is not None else entry.image,
        "method": checked["method"],
        "explains": checked["explains"],
        "output": checked["output"],
    }
    if probability is not None:
        columns["probability"] = probability
    columns |= entry.facts()
    columns |= {
        "residual": checked["residual"],
        "side_channel_share": checked["side_channel_share"],
        "randomised_correlation": _largest(checked["randomised_correlation"]),
        "edge_correlation": _largest(checked["edge_correlation"]),
        "on_disk": checked["disk"].get("on_disk"),
    }
    for name in passport.FAILURES:
        passed = checked["checks"].get(name)
        columns[f"check: {name}"] = "" if passed is None else int(passed)
    columns["failed"] = "; ".join(passport.failed(checked))
    columns |= _maximum(subject, sample, attribution)
    return columns | simulation_mark.row(sample.simulated)


def time_of(subject, entry, sample):
    """Find the time of a sample, of an image file as its name or header has it: ``datetime64[s]`` or None."""
    return sample.observed if sample.time is None else sample.time


def _largest(correlations):
    return max((value for value in correlations.values() if value is not None), default=None)


def _maximum(subject, sample, attribution):
    """Find the pixel where all channels of the current image's map together are strongest: dict of columns."""
    name = next((name for name, source in sample.names.items() if source in subject.data.image_inputs[:1]), None)
    if name not in attribution.maps:
        return {}
    values = attribution.maps[name][0]
    line, column = strongest(passport.strength(values))
    found = {"maximum_row": line, "maximum_column": column, "maximum": float(values[line, column].sum())}
    if sample.header is None:
        return found
    x, y, _ = solar_coordinates.geometry(sample.header, values.shape[:2])
    longitude, latitude = solar_coordinates.stonyhurst(sample.header, x[line, column], y[line, column])
    place = {"x": x[line, column], "y": y[line, column], "longitude": longitude, "latitude": latitude}
    return found | {f"maximum_{name}": round(float(value), 2) for name, value in place.items() if numpy.isfinite(value)}
