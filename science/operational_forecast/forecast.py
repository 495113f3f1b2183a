"""Forecast flares now: from the newest image, regions and flares to probabilities, sealed in a log.

    python science/operational_forecast/forecast.py FORECAST.yml [--time TIME] [--offline]
    python science/operational_forecast/forecast.py FORECAST.yml --replay START END [--every 1]
    python science/operational_forecast/forecast.py FORECAST.yml --init

Fetches what is new, takes the newest image and what was known of flares, and adds one line to the log: probabilities of C1.0,
M1.0, M5.0 and X1.0 or more in the window, of the disk and of each region, with intervals; an all-clear or none; what it was
made from; and the SHA-256 of the line before. What cannot be used is named in it (an image that is stale, frozen or flawed, a
flare list that ends too early), and the rest still forecasts. A time that is in the log already gets no second line.

--init writes FORECAST.yml with comments, and beside it ninety days of the simulated Sun, with which it works as it is. --replay
issues past forecasts with what was known then, marked as replayed. See README.md beside this script.
"""

import collections
import dataclasses
import pathlib
import re

import numpy

from dataset_models.observation_times import from_texts, given_time
from dataset_models.simulated import practice
from network_models.forecasts.exchange.issued import text_of
from science.operational_forecast import chain, configuration, fetching, maps
from science.operational_forecast.configuration import CLOCK, NEWEST, NO_MAP
from science.operational_forecast.issue import Forecaster, NothingKnown
from tools import command_line
from tools.errors import UserError
from tools.options import add_duration, add_number

_MOST = 100_000  # forecasts of a replay
_SHOWN = 5
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
SIMULATED = "simulated_sun"  # folder beside a first configuration


def clock():
    """Read this machine's clock, UTC: ``datetime64[s]``."""
    return from_texts([chain.now()])[0]


def log(forecaster, time, *, mapped, mode=None, issued=()):
    """Issue one forecast and add it to the log, unless its time is there.

    Parameters
    ----------
    forecaster : science.operational_forecast.issue.Forecaster
    time : numpy.datetime64
    mapped : bool
        Write the map, where the configuration names a method.
    mode : str, optional
        As of `Forecaster.issue`; by default that of `mode_of` when the line is written, however long the making took.
    issued : set of numpy.datetime64
        As of `issued_times`; what others add meanwhile is looked up.

    Returns
    -------
    science.operational_forecast.record.Record or None
        None where the log has a forecast of this time.

    Raises
    ------
    UserError
        Nothing can be said, the log is damaged or of another method, or the clock is behind it.
    """
    if time in issued:
        return None
    own = forecaster.configuration
    draft = forecaster.issue(time, mode or "on time", mapped=mapped)

    def make(number, previous, last):
        if last is not None and number - 1 != len(issued) and time in issued_times(own):
            return None
        logged = clock()
        record = draft.make(number, previous, logged)
        said = dataclasses.replace(record.forecast, mode=mode or mode_of(own, time, logged))
        return dataclasses.replace(record, forecast=said)

    if mapped and draft.image is not None and own.settings.map != NO_MAP:
        subject = forecaster.images.subjects[0]
        maps.write(own.maps, maps.stem_of(time), subject, draft.image, draft.regions, own.settings)
    return chain.append(own.log, make)


def issued_times(own):
    """List the times of the forecasts in a log: set of numpy.datetime64, empty where there is none.

    Parameters
    ----------
    own : science.operational_forecast.configuration.Configuration

    Raises
    ------
    UserError
        The log is damaged, or of another method.
    """
    records = chain.read(own.log) if own.log.is_file() else []
    if records and records[-1].forecast.method != own.settings.name:
        method = records[-1].forecast.method
        raise UserError(f"{own.log}: is the log of {method!r}, not of {own.settings.name!r}; give each method its own log")
    return {record.forecast.issued for record in records}


def replay(forecaster, times, *, mapped):
    """Issue past forecasts with what was known then: (forecasts logged, times that were there, reasons of those left out).

    Parameters
    ----------
    forecaster : science.operational_forecast.issue.Forecaster
    times : numpy.ndarray
        ``datetime64[s]`` (n,).
    mapped : bool
    """
    from tqdm import tqdm

    issued = issued_times(forecaster.configuration)
    records, there, refused = [], 0, []
    for time in tqdm(times, desc="replay", unit="forecast", disable=None):
        try:
            record = log(forecaster, time, mode="replayed", mapped=mapped, issued=issued)
        except NothingKnown as error:
            refused.append(str(error))
            continue
        if record is None:
            there += 1
        else:
            records.append(record)
            issued.add(time)
    return records, there, refused


def describe(record):
    """Write a forecast in a few lines: str."""
    issued = record.forecast
    lines = [f"{text_of(issued.issued)}, until {text_of(issued.end)}, {issued.mode}, from {', '.join(record.basis)}"]
    for name, one in issued.probabilities.items():
        bounds = "" if one.low is None else f" ({100 * one.low:.3g} to {100 * one.high:.3g} %)"
        lines.append(f"  {name} or more: {100 * one.value:.3g} %{bounds}")
    for region in issued.regions:
        shown = ", ".join(f"{name} {100 * one.value:.3g} %" for name, one in region.probabilities.items())
        lines.append(f"  AR {region.number}: {shown}")
    clear = record.all_clear
    if clear is not None:
        words = "all clear" if clear.clear else "no all-clear"
        lines.append(f"  {words}: {clear.event} below {100 * clear.below:g} % at {100 * clear.confidence:g} % confidence")
    lines += [f"  left out: {part}: {reason}" for part, reason in record.left_out]
    return "\n".join(lines)


def write_first(path):
    """Write a first configuration, and beside it the simulated archive that it takes."""
    folder = path.absolute().parent / SIMULATED
    configuration.write_first(path, folder=f"{SIMULATED}/hmi_jpg", flares=f"{SIMULATED}/flares.csv", simulated=True)
    practice.forecast_archive(folder)
    print(f"wrote {path}, and a simulated Sun in {folder}; none of it is an observation")


def main(arguments=None):
    """Forecast, replay, or write a first configuration."""
    parser = command_line.parser(__doc__)
    parser.add_argument("configuration", type=pathlib.Path, metavar="FORECAST.yml", help="what to forecast from")
    parser.add_argument("--init", action="store_true", help="write FORECAST.yml, and a simulated Sun beside it")
    parser.add_argument("--time", metavar="TIME", help="issue at this UTC time (default: as the configuration says, now)")
    parser.add_argument("--offline", action="store_true", help="fetch nothing, use what is there")
    add_number(
        parser,
        "--max_age",
        float,
        least=1.0,
        most=100_000.0,
        metavar="MINUTES",
        help="most from an image to the forecast (default: the configuration's)",
    )
    parser.add_argument("--replay", nargs=2, metavar=("START", "END"), help="issue past forecasts, from START to before END")
    add_duration(parser, "--every", "hours", default=1.0, help="between forecasts of a replay (default: %(default)g)")
    parser.add_argument("--maps", action="store_true", help="write the maps of a replay too")
    flags = parser.parse_args(arguments)
    if flags.init:
        write_first(flags.configuration)
        return
    own = configuration.read(flags.configuration)
    if flags.max_age is not None:
        own = dataclasses.replace(own, settings=dataclasses.replace(own.settings, max_age=flags.max_age))
    if flags.replay:
        _replay(own, flags)
    else:
        _forecast(own, flags)


def _forecast(own, flags):
    given = given_time("--time", flags.time) if flags.time else None
    if given is not None and given > clock():
        raise UserError(f"--time {flags.time}: is in the future; forecasts are issued from what is known")
    now, issued = clock(), issued_times(own)
    time = now.astype("datetime64[m]").astype("datetime64[s]") if given is None and own.settings.now == CLOCK else given
    record = None
    if time not in issued:
        if own.settings.fetch and not flags.offline:
            until = fetching.fetch(own, now if time is None else time, now)
            own = own if until is None else configuration.complete_until(own, until)  # a quiet Sun is no list that ended
        forecaster = Forecaster(own)
        time = forecaster.now() if time is None else time
        record = log(forecaster, time, mapped=True, issued=issued)
    if record is None:
        print(f"{text_of(time)} is in {own.log} already")
        return
    print(describe(record))
    print(f"line {record.number} of {own.log}")


def mode_of(own, time, logged):
    """Tell how late a forecast is logged: one of `network_models.forecasts.exchange.issued.MODES`."""
    if own.settings.now == NEWEST:
        return "replayed"  # an archive that has ended
    return "late" if logged - time > numpy.timedelta64(round(60 * own.settings.late), "s") else "on time"


def _replay(own, flags):
    start, end = (given_time("--replay", text) for text in flags.replay)
    step = numpy.timedelta64(round(flags.every * 3600), "s")
    if not start < end <= clock():
        raise UserError(f"--replay {' '.join(flags.replay)}: give a past time, its start before its end")
    if (end - start) // step > _MOST:
        raise UserError(
            f"--replay: {(end - start) // step} forecasts are more than {_MOST}; give a longer --every, or less time"
        )
    records, there, refused = replay(Forecaster(own), numpy.arange(start, end, step), mapped=flags.maps)
    reasons = collections.Counter(_without_numbers(f"{part}: {why}") for record in records for part, why in record.left_out)
    reasons.update(_without_numbers(text) for text in refused)
    print(f"{len(records)} forecasts logged in {own.log}, {there} were there already, {len(refused)} times without any")
    for basis, count in collections.Counter(", ".join(record.basis) for record in records).most_common():
        print(f"  {count} from {basis}")
    for text, count in reasons.most_common(_SHOWN):
        print(f"  {count} times: {text}")


def _without_numbers(text):
    """Write a reason so that those of many times are one: times, ages and paths become dots."""
    words = text.split()
    for place, word in enumerate(words):
        age = words[place + 1 : place + 2] == ["h"] and word.replace(".", "").isdigit()
        if age or "/" in word or "\\" in word or _DATE.match(word):
            words[place] = f"...{word[-1] if word[-1] in ':;,' else ''}"
    return " ".join(words)


if __name__ == "__main__":
    command_line.run(main)
