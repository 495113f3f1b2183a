"""The flare scoreboard's JSON: ``forecast_submission``, for the disk and for regions.

Bins are named as `scoreboard` says: a plus is a class or more, a letter alone is the class alone. A probability that is null
or not there was not forecast. ``uncertainty_low`` and ``uncertainty_high`` are taken as distances from the probability, as
their name says, ``uncertainty`` as both at once; the schema, which would settle it, could not be read. Intervals that do not
hold their value are left out. A region has NOAA's number in full, or HARP's.

The mode is ``forecast`` only for what was issued on time; late and replayed forecasts are ``historical``, those of simulated
data ``test``. These carry two members more beside the submission, ``simulated`` and ``forecast_mode`` (one of `issued.MODES`),
so that nobody takes them for forecasts and that they come back as they were.
"""

import json

from network_models.forecasts.exchange import scoreboard
from network_models.forecasts.exchange.issued import MODES, NUMBERINGS, RegionForecast, rounded
from tools.errors import UserError, quoted
from tools.reading import structures


def carried(issued):
    """Reduce a forecast to what the format has room for, see `scoreboard.carried`."""
    return scoreboard.carried(issued, numberings=NUMBERINGS, inside=True)


def write(issued, *, spase=None):
    """Write a forecast.

    Parameters
    ----------
    issued : issued.Issued
    spase : str, optional
        The model's identifier in SPASE, ``spase://CCMC/SimulationModel/NAME/VERSION``, which registration with CCMC gives.

    Returns
    -------
    bytes

    Raises
    ------
    UserError
        As of `scoreboard.carried`.
    """
    issued = carried(issued)
    window = {"start_time": scoreboard.short_time(issued.begin), "end_time": scoreboard.short_time(issued.end)}
    submission = {
        "model": {"short_name": issued.method} | ({"spase_id": spase} if spase else {}),
        "issue_time": scoreboard.short_time(issued.issued),
        "mode": "test" if issued.simulated else "forecast" if issued.mode == "on time" else "historical",
    }
    if issued.probabilities:
        submission["full_disk_forecasts"] = [
            {"prediction_window": window, "flare_probabilities": _written(issued.probabilities)}
        ]
    if issued.regions:
        submission["region_forecasts"] = [
            {
                "prediction_window": window,
                "region_ids": [{"type": region.numbering, "number": region.number}],
                "flare_probabilities": _written(region.probabilities),
            }
            for region in issued.regions
        ]
    content = {"forecast_submission": submission}
    if issued.simulated or issued.mode != "on time":
        content |= {"simulated": issued.simulated, "forecast_mode": issued.mode}
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"


def _written(probabilities):
    return [
        {
            "class": scoreboard.BINS[key],
            "probability": one.value,
            "uncertainty": None,
            "uncertainty_low": None if one.low is None else rounded(one.value - one.low),
            "uncertainty_high": None if one.high is None else rounded(one.high - one.value),
        }
        for key, one in probabilities.items()
    ]


def read(file, source=None):
    """Read the one forecast of a file: `issued.Issued`. Parameters and errors as of `read_all`."""
    forecasts = read_all(file, source)
    return scoreboard.only(forecasts, source or (file if not isinstance(file, bytes) else "the forecast"))


def read_all(file, source=None):
    """Read the forecasts of a file, one for each window.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
    source : str, optional
        Named in errors.

    Returns
    -------
    list of issued.Issued
        In order of window.

    Raises
    ------
    UserError
        It is no JSON, no submission, or something in it is impossible.
    """
    content, source = scoreboard.content_of(file, source)
    content = structures.parse_json(content, source, finite=True, kind=dict, advice=scoreboard.ADVICE)
    submission = content.get("forecast_submission")
    if not isinstance(submission, dict):
        raise UserError(f"{source}: holds no forecast_submission; {scoreboard.ADVICE}")
    try:
        return _read(content, submission, source)
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error!s:.100}"
        raise UserError(f"{source}: is no submission of a flare forecast ({reason}); {scoreboard.ADVICE}") from error


def _read(content, submission, source):
    method = submission["model"]["short_name"]
    if not isinstance(method, str) or not method.strip():
        raise UserError(f"{source}: the model's short_name is missing; {scoreboard.ADVICE}")
    issued = scoreboard.time_of(submission.get("issue_time"), "issue_time", source)
    windows = {}
    for kind in ("full_disk_forecasts", "region_forecasts"):
        for one in submission.get(kind) or ():
            window = one["prediction_window"]
            times = tuple(scoreboard.time_of(window.get(name), name, source) for name in ("start_time", "end_time"))
            disk, regions = windows.setdefault(times, ({}, []))
            probabilities = _probabilities(one["flare_probabilities"], source)
            if kind == "region_forecasts":
                numbering, number = _region(one["region_ids"], issued, source)
                if number is not None and probabilities:
                    regions.append(RegionForecast(number, probabilities, numbering))
            elif disk and probabilities:
                raise UserError(f"{source}: two forecasts of the disk for one window; {scoreboard.ADVICE}")
            else:
                disk.update(probabilities)
    mode = content.get("forecast_mode", "replayed" if submission.get("mode") == "historical" else "on time")
    if mode not in MODES:
        raise UserError(f"{source}: forecast_mode {quoted(mode)} is none of {', '.join(MODES)}; {scoreboard.ADVICE}")
    simulated = content.get("simulated", False) is True or submission.get("mode") == "test"
    forecasts = []
    for (begin, end), (disk, regions) in sorted(windows.items(), key=lambda item: item[0]):
        if disk or regions:
            forecasts.append(scoreboard.issued_of(source, method.strip(), issued, begin, end, disk, regions, mode, simulated))
    if not forecasts:
        raise UserError(f"{source}: holds no probability; {scoreboard.ADVICE}")
    return forecasts


def _probabilities(entries, source):
    probabilities = {}
    for one in entries or ():
        key = scoreboard.key_of(one["class"], source)
        names = ("probability", "uncertainty", "uncertainty_low", "uncertainty_high")
        value, both, low, high = (scoreboard.number_of(one.get(name), name, source) for name in names)
        if value is None:
            continue
        if key in probabilities:
            raise UserError(f"{source}: the class {key} is there twice; {scoreboard.ADVICE}")
        if low is None or high is None:
            low = high = both
        try:
            probabilities[key] = scoreboard.around(value, low, high)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
    return probabilities


def _region(identifiers, time, source):
    """Choose among the numbers of a region, NOAA's before HARP's: (numbering, number), None where it has neither."""
    numbers = {str(one.get("type", "")).strip().upper(): one.get("number") for one in identifiers}
    for numbering in NUMBERINGS:
        number = scoreboard.region_number(numbers.get(numbering), time, source, numbering)
        if number is not None:
            return numbering, number
    return None, None
