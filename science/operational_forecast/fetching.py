"""Fetch what is new before a forecast: flares of HEK, NOAA's region summaries, and what else data sets download."""

import functools
import pathlib

import numpy

from dataset_models.download import manifest
from dataset_models.flare_data import CATALOGUE
from dataset_models.NOAA.active_regions import SUMMARY_ISSUED
from dataset_models.solar_data import Download, load_solar_data
from tools import notes, options
from tools.errors import Stopped, UserError

_MINUTE = numpy.timedelta64(60, "s")
_FLARES = numpy.timedelta64(60, "D")  # the 30 of the class table, a window of at most 10, and days until the first flare
_SUMMARIES = numpy.timedelta64(3, "D")  # that of the day, and those before in case they came late


def fetch(own, time, now):
    """Fetch what is new; where that fails a note says so, and what is there is used.

    Parameters
    ----------
    own : science.operational_forecast.configuration.Configuration
    time : numpy.datetime64
        Of the forecast.
    now : numpy.datetime64
        Archives are not asked for what is to come.

    Returns
    -------
    numpy.datetime64 or None
        Until when flares are known, whether there were any or not; None where no list was refreshed.
    """
    hours = numpy.timedelta64(round(own.settings.fetch_hours * 60), "m")
    start, end = time - hours, min(time + _MINUTE, now)
    sections = filter(None, (own.image, own.regions))
    data = [options.build(load_solar_data(one.dataset), one.options, origin=str(own.path)) for one in sections]
    refreshed = [_done(command.run) for command in lists(own, data, end)]
    for command in summaries(data, start, end):
        _done(command.run)
    for one in data:
        _done(functools.partial(one.download, str(start.astype("datetime64[m]")), str(end)))
    return end if any(refreshed) else None


def _done(step):
    """Take a step, or note why that failed: bool."""
    try:
        step()
    except (UserError, Stopped) as error:
        notes.note(f"not everything could be fetched, so what is there is used: {error}")
        return False
    return True


def lists(own, data, end):
    """List the commands that refresh flare lists, and note those that are the user's own: list of `Download`.

    A catalogue.csv is refreshed if hek.py made it, or it is not there. Months that have settled are not asked for again.

    Parameters
    ----------
    own : science.operational_forecast.configuration.Configuration
    data : list of dataset_models.solar_data.SolarData
    end : numpy.datetime64
    """
    files = map(pathlib.Path, (*own.settings.flares, *(path for one in data for path in getattr(one, "flares", ()))))
    files = list(dict.fromkeys(files))
    fetched = [file for file in files if file.name == CATALOGUE and (not file.exists() or _was_fetched(file.parent))]
    kept = [str(file) for file in files if file not in fetched and file.exists()]
    if kept:
        notes.note(f"not refreshed: {', '.join(kept)}; only a {CATALOGUE} in a folder of dataset_models/download/hek.py is")
    time = ("--start", str(end - _FLARES), "--end", str(end))
    return [Download("dataset_models/download/hek.py", (*time, "--out", str(file.parent))) for file in fetched]


def summaries(data, start, end):
    """List the commands that fetch region summaries of the last days into folders, there or not: list of `Download`.

    Parameters
    ----------
    data : list of dataset_models.solar_data.SolarData
    start, end : numpy.datetime64
    """
    end = end - SUMMARY_ISSUED
    time = ("--start", str(min(start, end - _SUMMARIES)), "--end", str(end))
    folders = [pathlib.Path(path).expanduser() for one in data for path in getattr(one, "summaries", ())]
    folders = [folder for folder in dict.fromkeys(folders) if folder.is_dir() or not folder.suffix]
    return [Download("dataset_models/download/noaa_regions.py", (*time, "--out", str(folder))) for folder in folders]


def _was_fetched(folder):
    return (folder / manifest.NAME).is_file()
