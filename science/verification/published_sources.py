"""Which published forecasts a record is made of: a YAML file of periods, and in each the forecasts that are scored on it.

    periods:
    - title: Next day, 2016 and 2017      # a heading of the table
      event: M1.0                         # smallest flare that counts (M1.0)
      window_hours: 24                    # that a forecast is for (24)
      flares: [goes_flares.csv]           # lists, for the baselines and for outcomes that files lack
      fitted_before: 2016-01-01           # climatology and class table know flares until then; else all outside the fold scored
      split_at: [2017-01-01]              # folds of what is one file: calibration and threshold come from the other ones
      calibration: platt                  # two numbers; isotonic (the default) wants hundreds of events
      daily: true                         # one forecast a day, issued by 01:00, of the day from 00:00 on
      forecasts:
      - {kind: methods, files: [M1_forecasts.csv]}
      - {kind: percents, name: SWPC, files: [SWPC_fcast.txt]}
      - {kind: forecasts, name: AlexNet, files: [fold1.csv, fold2.csv]}
      - {kind: forecasts, name: flare rates, ours: true, files: [disk.csv], column: probability_M1.0}
      - {kind: forecasts, name: combined, calibrate: false, files: [fold1.csv, fold2.csv]}  # fitted fold by fold already
      - {kind: quoted, name: AlexNet of here, ours: true, n: 479, events: 11, auc: [0.645, 0.45, 0.81], page: README.md}

``methods`` is a table of `science.verification.method_tables`; ``percents`` one of
`network_models.forecasts.exchange.daily_percents`; ``forecasts`` are CSVs, a file for each fold; `column` names their
probabilities where there are several. Outcomes that a file lacks, or has of another event, are those of a table of methods
of the same period, else those of the lists. ``quoted`` states numbers of a page, for forecasts whose files are not at hand:
they are marked as quoted and nothing is computed of them.
"""

import dataclasses
import pathlib

import numpy

from dataset_models import flare_catalogue, observation_times
from dataset_models.flares.flare_index import threshold_flux
from network_models.forecasts import calibration
from network_models.forecasts import files as forecast_files
from network_models.forecasts.exchange import daily_percents
from science.verification import method_tables
from science.verification.scores import DIFFERENCES
from tools.errors import UserError, quoted
from tools.reading import structures

KINDS = ("forecasts", "methods", "percents", "quoted")
_ADVICE = "see the help of published_record.py"
_OF_PERIOD = {
    "title": str,
    "event": str,
    "window_hours": (int, float),
    "flares": list,
    "fitted_before": object,
    "split_at": list,
    "calibration": str,
    "daily": bool,
    "forecasts": list,
}
_OF_SOURCE = {"kind": str, "name": str, "files": list, "ours": bool, "calibrate": bool, "column": str}
_OF_QUOTED = {"kind": str, "name": str, "ours": bool, "n": int, "events": int, "page": str} | dict.fromkeys(DIFFERENCES, object)


@dataclasses.dataclass(frozen=True)
class Source:
    """Forecasts of one file, table or page.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Empty for methods, whose table names them.
    files : tuple of pathlib.Path
    ours : bool
        Whether they are of networks of this project.
    calibrate : bool
        False for what was itself fitted fold by fold on the outcomes of the others: a calibration of it would have seen all.
    column : str or None
        Of the probabilities, in files with several.
    quoted : dict
        Of kind quoted: n, events, page, and by name of a score (value, low, high); NaN for what is not stated.
    """

    kind: str
    name: str
    files: tuple[pathlib.Path, ...]
    ours: bool
    calibrate: bool
    column: str | None
    quoted: dict


@dataclasses.dataclass(frozen=True)
class Period:
    """Forecasts of one event in one span of time.

    Attributes
    ----------
    title, event : str
    window : numpy.timedelta64
    flares : tuple of pathlib.Path
    fitted_before : numpy.datetime64 or None
    split_at : numpy.ndarray
        ``datetime64[s]``, increasing; may be empty.
    calibration : str
        One of `network_models.forecasts.calibration.KINDS`.
    daily : bool
    sources : tuple of Source
    """

    title: str
    event: str
    window: numpy.timedelta64
    flares: tuple[pathlib.Path, ...]
    fitted_before: numpy.datetime64 | None
    split_at: numpy.ndarray
    calibration: str
    daily: bool
    sources: tuple[Source, ...]

    @property
    def files(self):
        """All files that the period is made of, each once: list of pathlib.Path."""
        return list(dict.fromkeys([*self.flares, *(file for source in self.sources for file in source.files)]))


def read(path, folder=None):
    """Read which forecasts there are.

    Parameters
    ----------
    path : str or pathlib.Path
    folder : str or pathlib.Path, optional
        Where the files lie that it names; its own folder without it.

    Returns
    -------
    list of Period

    Raises
    ------
    UserError
        It is no such YAML: an entry is missing, unknown or of another type, two periods have one title, a file is not there.
    """
    content = structures.read_yaml(path, kind=dict, advice=_ADVICE)
    return parse(content, pathlib.Path(path).parent if folder is None else folder, str(path))


def parse(content, folder, origin):
    """Convert the contents of such a file, a dict: list of Period. Parameters and errors as of `read`; `origin` names it."""
    folder = pathlib.Path(folder)
    _require(content, {"periods": list}, ("periods",), origin)
    periods = [_period(one, folder, f"{origin}: period {number}") for number, one in enumerate(content["periods"], start=1)]
    titles = [period.title for period in periods]
    for title in titles:
        if titles.count(title) > 1:
            raise UserError(f"{origin}: two periods have the title {quoted(title)}; give each its own")
    return periods


def _period(entry, folder, origin):
    _require(entry, _OF_PERIOD, ("title", "flares", "forecasts"), origin)
    origin = f"{origin} ({entry['title'][:60]})"
    event, hours = entry.get("event", "M1.0"), entry.get("window_hours", 24)
    threshold_flux(event)
    if not 0 < hours <= 240:
        raise UserError(f"{origin}: window_hours is {hours!r}; give hours above 0, at most 240")
    split_at = [_time(value, f"{origin}, split_at") for value in entry.get("split_at", ())]
    if sorted(set(split_at)) != split_at:
        raise UserError(f"{origin}: the times of split_at do not increase; sort them")
    before, kind = entry.get("fitted_before"), entry.get("calibration", calibration.KINDS[0])
    if kind not in calibration.KINDS:
        raise UserError(f"{origin}: calibration is {quoted(kind)}; give {', '.join(calibration.KINDS)}")
    sources = [_source(one, folder, f"{origin}, forecasts {number}") for number, one in enumerate(entry["forecasts"], start=1)]
    return Period(
        title=entry["title"],
        event=event,
        window=numpy.timedelta64(round(hours * 3600), "s"),
        flares=_files(entry["flares"], folder, f"{origin}, flares"),
        fitted_before=None if before is None else _time(before, f"{origin}, fitted_before"),
        split_at=numpy.array(split_at, "datetime64[s]"),
        calibration=kind,
        daily=entry.get("daily", False),
        sources=tuple(sources),
    )


def _source(entry, folder, origin):
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind not in KINDS:
        raise UserError(f"{origin}: kind is {quoted(kind)}; give {', '.join(KINDS)}")
    if kind == "quoted":
        _require(entry, _OF_QUOTED, ("name", "page", "n"), origin)
        values = {name: _stated(entry.get(name), f"{origin}, {name}") for name in DIFFERENCES}
        values |= {"n": entry["n"], "events": entry.get("events", numpy.nan), "page": entry["page"]}
        return Source(kind, entry["name"], (), entry.get("ours", False), False, None, values)
    _require(entry, _OF_SOURCE, ("files",) if kind == "methods" else ("name", "files"), origin)
    files = _files(entry["files"], folder, f"{origin}, files")
    if len(files) > 1 and kind != "forecasts":
        raise UserError(f"{origin}: several files of kind {kind}; give each an entry")
    column = entry.get("column")
    if column and kind != "forecasts":
        raise UserError(f"{origin}: column is for kind forecasts, not {kind}; leave it out")
    return Source(kind, entry.get("name", ""), files, entry.get("ours", False), entry.get("calibrate", True), column, {})


def _require(entry, types, needed, origin):
    """Raise a `UserError` unless an entry is a mapping of these names to these types, the needed ones among them."""
    if not isinstance(entry, dict):
        raise UserError(f"{origin}: is no mapping of names to values; {_ADVICE}")
    for name, value in entry.items():
        if name not in types:
            raise UserError(f"{origin}: unknown entry {quoted(name)}; known are {', '.join(types)}")
        flag = isinstance(value, bool) and types[name] is not bool and types[name] is not object
        if flag or not isinstance(value, types[name]):
            raise UserError(f"{origin}: {name} is {quoted(value)}, of another type than it has; {_ADVICE}")
    for name in needed:
        if not (name in entry and (entry[name] or entry[name] == 0)):
            raise UserError(f"{origin}: {name} is missing; {_ADVICE}")


def _files(names, folder, origin):
    paths = tuple(folder / str(name) for name in names)
    for path in paths:
        if not path.is_file():
            raise UserError(f"{origin}: {path}: no such file; fetch it, or give its folder with --data")
    return paths


def _time(value, origin):
    return observation_times.given_time(origin, str(value))


def _stated(value, origin):
    """Read a score that is quoted, a number or [value, low, high]: tuple of three floats, NaN for what is not stated."""
    numbers = value if isinstance(value, list) else [value]
    numbers = [numpy.nan if number is None else number for number in numbers]
    sound = len(numbers) in (1, 3) and all(isinstance(number, (int, float)) for number in numbers)
    if not sound:
        raise UserError(f"{origin} is {quoted(value)}; give a number, or its value and both bounds")
    return tuple(map(float, (*numbers, numpy.nan, numpy.nan)[:3]))


def flares_of(period):
    """Read the flares of a period: those of its lists, and those known when climatology and class table are fitted.

    Returns
    -------
    pandas.DataFrame
        Of `dataset_models.flare_catalogue`.
    pandas.DataFrame or None
        None without `Period.fitted_before`.

    Raises
    ------
    UserError
        The lists hold no flare, or none before that time.
    """
    events = flare_catalogue.read(period.flares).events
    before = period.fitted_before
    earlier = None if before is None else events[events["start"].to_numpy("datetime64[s]") < before]
    if not len(events) or (earlier is not None and not len(earlier)):
        raise UserError(f"{period.title}: the flare lists hold no flare of the time that is needed; give longer ones")
    return events, earlier


def forecasts_of(period, source, events, published=None):
    """Read the forecasts of a source.

    Parameters
    ----------
    period : Period
    source : Source
        Of any kind but quoted.
    events : pandas.DataFrame
        For outcomes that files lack.
    published : network_models.forecasts.files.Forecasts, optional
        Whose outcomes are taken before those of the lists, by forecasts all of whose times it has.

    Returns
    -------
    list of network_models.forecasts.files.Forecasts
        With outcomes and folds.
    list of str
        What was left out.

    Raises
    ------
    UserError
        A file is none of its kind, there are several forecasts of a day in a daily period or one issued late in it, or there
        is but one fold.
    """
    if source.kind == "methods":
        read_in = method_tables.read(source.files[0])
    elif source.kind == "percents":
        read_in = [daily_percents.read(source.files[0], period.event, name=source.name)]
    else:
        read_in = [forecast_files.read(source.files, name=source.name, target=False, column=source.column)]
    result, notes = [], []
    for forecast in read_in:
        if period.daily:
            days = method_tables.days_of(forecast, f"{period.title}: {forecast.name}")
            forecast = dataclasses.replace(forecast, times=days.astype("datetime64[s]"))
        if forecast.event is None and published is not None and numpy.isin(forecast.times, published.times).all():
            forecast = forecast_files.with_outcomes_of(forecast, published)
        forecast, note = forecast_files.labelled(forecast, events, window=period.window, threshold=period.event)
        notes += [note] if note else []
        if len(source.files) == 1:
            fold = numpy.searchsorted(period.split_at, forecast.times, side="right")
            forecast = dataclasses.replace(forecast, fold=fold)
        if len(numpy.unique(forecast.fold)) < 2:
            raise UserError(
                f"{period.title}: {forecast.name} has one fold; give a time amid it with split_at, or several files"
            )
        result.append(forecast)
    return result, notes
