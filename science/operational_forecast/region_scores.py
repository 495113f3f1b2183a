"""Scores of forecasts of single regions: ours, and those of others that name the same regions' numbers."""

import numpy

from dataset_models import flare_labels, simulation_mark
from dataset_models.flares.flare_index import threshold_flux
from network_models.forecasts.exchange.comparison import probability_of
from science.verification import report
from science.verification.scores import WITHOUT_THRESHOLD, score


def by_method(issued):
    """Group forecasts that hold regions by their methods: dict of str to list of Issued."""
    methods = {}
    for one in issued:
        if one.regions:
            methods.setdefault(one.method, []).append(one)
    return methods


def rows(issued, events, event, *, settings, until=None):
    """Score the region forecasts of one method.

    Parameters
    ----------
    issued : sequence of Issued
    events : pandas.DataFrame
        Flares with ``noaa_region``.
    event : str
    settings : science.verification.report.Settings
        Blocks, samples, seed and level.
    until : numpy.datetime64, optional
        As of `dataset_models.flare_labels.list_span`.

    Returns
    -------
    dict or None
        event, count (regions in windows that the lists cover), events, and each of `WITHOUT_THRESHOLD` with its interval; None
        where nothing of this class was forecast for such a window.

    Notes
    -----
    A region's event is a flare of its NOAA number that starts in the window, which leaves its begin out and has its end; flares
    that the lists give no region to count for none.
    """
    times, probability, flared = _pairs(issued, events, event, until)
    if not len(times):
        return None
    scored = score(probability, flared, bootstrap=report.bootstrap_of(times, numpy.zeros(len(times)), settings))
    row = {"event": event, "count": len(times), "events": int(flared.sum())}
    for name in WITHOUT_THRESHOLD:
        low, high = scored.interval(name, settings.level)
        row |= {name: scored.value[name], f"{name}_low": low, f"{name}_high": high}
    simulated = any(one.simulated for one in issued)
    return row | ({simulation_mark.COLUMN: 1} if simulated else {})


def _pairs(issued, events, event, until):
    """List window begins, probabilities and outcomes of regions; of one window and region the last issue counts."""
    strong = events[(events["flux"] >= threshold_flux(event) * (1 - 1e-9)) & events["noaa_region"].notna()]
    starts, numbers = strong["start"].to_numpy("datetime64[s]"), strong["noaa_region"].to_numpy("int64")
    chosen = {}
    for one in sorted(issued, key=lambda one: one.issued):
        for region in one.regions:
            value = probability_of(region.probabilities, event) if region.numbering == "NOAA" else None
            if value is not None:
                chosen[one.begin, one.end, region.number] = value
    keys = sorted(chosen)
    begins = numpy.array([begin for begin, _, _ in keys], "datetime64[s]")
    windows = {(begin, end) for begin, end, _ in keys}
    known = {(begin, end): flare_labels.covered(events, [begin], end - begin, until=until)[0] for begin, end in windows}
    inside = numpy.array([known[begin, end] for begin, end, _ in keys], bool)
    flared = [bool(((numbers == number) & (starts > begin) & (starts <= end)).any()) for begin, end, number in keys]
    probability = numpy.array([chosen[key] for key in keys], "float64")
    return begins[inside], probability[inside], numpy.array(flared, bool)[inside]
