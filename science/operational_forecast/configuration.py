"""What a forecast is made from: FORECAST.yml, read, checked and written as a commented first version."""

import dataclasses
import pathlib

from dataset_models.flares import flare_history
from dataset_models.observation_times import given_time
from dataset_models.solar_data import load_solar_data
from science import methods
from tools import atomic_files, digests, options, paths
from tools.errors import UserError
from tools.goes_class import CLASSES
from tools.options import option
from tools.reading import structures

CLOCK, NEWEST = "clock", "newest image"
NO_MAP, MEAN, NOT_CALIBRATED = "none", "mean", "none"
_ADVICE = "mend it, or begin with forecast.py --init"


@dataclasses.dataclass(kw_only=True)
class Settings:
    """Settings of the forecast as a whole."""

    name: str = option("forecast", "short name of the method, as others will read it")
    log: str = option("forecasts.jsonl", "the log; maps lie in the folder maps beside it")
    flares: tuple[str, ...] = option((), "flare lists, for the history and for what networks take of it")
    flares_until: str | None = option(None, "UTC time until which the lists are complete, if later than their last flare")
    history_age: float = option(flare_history.AGE, flare_history.AGE_HELP, least=0.0, most=24_000.0)
    event: str = option("M1.0", "that networks of images forecast, or more", choices=CLASSES)
    window_hours: float = option(24.0, "after the issue", least=0.1, most=240.0)
    now: str = option(
        CLOCK, "issue at the clock's time, or, of an archive, at that of its newest image", choices=(CLOCK, NEWEST)
    )
    fetch: bool = option(True, "fetch images, flares of HEK and NOAA's summaries before each forecast")
    fetch_hours: float = option(48.0, "how far back to ask the archives for images", least=1.0, most=8760.0)
    max_age: float = option(180.0, "most minutes from an image to the forecast", least=1.0, most=100_000.0)
    late: float = option(60.0, "minutes after its time from which on a forecast counts as late", least=1.0, most=100_000.0)
    combination: str = option(MEAN, "how members become one: mean, or a file of network_models/forecasts/combination.py")
    all_clear_below: float = option(0.05, "probability of the event that an all-clear stays below", least=1e-6, most=0.999)
    all_clear_confidence: float = option(0.9, "how surely it does", least=0.5, most=0.999)
    map: str = option("integrated gradients", "method of the map, or none", choices=(*methods.NAMES, NO_MAP))
    baseline: str = option("zero", "that the map is against, where its method has one: zero, quiet, mean, or an image")
    map_steps: int = option(16, "of the integral of integrated gradients", least=1, most=1600)


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of images: its name in records and combinations, its file, and its calibration or None."""

    name: str
    file: pathlib.Path
    calibration: pathlib.Path | None


@dataclasses.dataclass(frozen=True)
class Section:
    """Networks of one data set.

    Attributes
    ----------
    dataset : pathlib.Path
        The file that defines the SolarData class.
    options : dict
        Of the data set, paths absolute.
    networks : tuple
        Of `Network`, or of pathlib.Path for regions, whose networks are averaged.
    """

    dataset: pathlib.Path
    options: dict
    networks: tuple


@dataclasses.dataclass(frozen=True)
class Configuration:
    """A configuration.

    Attributes
    ----------
    path : pathlib.Path
        Its file; relative paths in it start there.
    settings : Settings
        Paths in it absolute.
    image, regions : Section or None
    sha256 : str
        Of the file.
    """

    path: pathlib.Path
    settings: Settings
    image: Section | None
    regions: Section | None
    sha256: str

    @property
    def log(self):
        """The log: pathlib.Path."""
        return pathlib.Path(self.settings.log)

    @property
    def maps(self):
        """The folder of maps: pathlib.Path."""
        return self.log.parent / "maps"


def read(path):
    """Read a configuration.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Configuration

    Raises
    ------
    UserError
        The file is missing or no YAML; something in it is unknown, of another kind, out of bounds, or a file that is not there.
    """
    path = pathlib.Path(path)
    content = structures.read_yaml(path, kind=dict, advice=_ADVICE)
    sections = {name: content.pop(name, None) for name in ("image", "regions")}
    settings = options.build(Settings, content, origin=str(path))
    if not settings.flares:
        raise UserError(f"{path}: flares: names no flare list; a forecast is never made without what flared before")
    if settings.flares_until:
        given_time(f"{path}: flares_until", settings.flares_until)
    folder = path.parent.absolute()
    changed = {"log": _place(folder, settings.log), "flares": tuple(_place(folder, flare) for flare in settings.flares)}
    if settings.combination != MEAN:
        changed["combination"] = str(_file(path, folder, "combination", settings.combination))
    settings = dataclasses.replace(settings, **changed)
    image = _section(path, folder, "image", sections["image"], settings, _network)
    regions = _section(path, folder, "regions", sections["regions"], settings, _region_network)
    names = [network.name for network in image.networks] if image else []
    twice = {name for name in names if names.count(name) > 1 or name in ("history", "regions")}
    if twice:
        raise UserError(f"{path}: image: networks: the name {min(twice)} is taken; name each network otherwise")
    return Configuration(path, settings, image, regions, digests.of_file(path))


def complete_until(own, time):
    """Say that flare lists are complete until a time, unless the configuration names a later one: Configuration.

    Parameters
    ----------
    own : Configuration
    time : numpy.datetime64
    """
    kept = own.settings.flares_until
    until = f"{time if kept is None else max(time, given_time('flares_until', kept))}Z"

    def section(one):
        if one is None or "flares_until" not in options.fields(load_solar_data(one.dataset)):
            return one
        return dataclasses.replace(one, options=one.options | {"flares_until": until})

    settings = dataclasses.replace(own.settings, flares_until=until)
    return dataclasses.replace(own, settings=settings, image=section(own.image), regions=section(own.regions))


def _section(path, folder, name, content, settings, network_of):
    """Read a section, or return None where there is none."""
    if content is None:
        return None
    known = ("dataset", "options", "networks")
    if not isinstance(content, dict) or not set(content) <= set(known) or not {"dataset", "networks"} <= set(content):
        raise UserError(f"{path}: {name}: expected dataset, networks and, if need be, options; {_ADVICE}")
    if not isinstance(content["networks"], list) or not content["networks"]:
        raise UserError(f"{path}: {name}: networks: expected a list of networks; leave the section out to do without")
    dataset = _file(path, folder, f"{name}: dataset", content["dataset"])
    given = content.get("options") or {}
    data_class = load_solar_data(dataset)
    if not isinstance(given, dict):
        raise UserError(f"{path}: {name}: options: expected options of the data set by name; {_ADVICE}")
    shared = {"flares": settings.flares, "flares_until": settings.flares_until, "history_age": settings.history_age}
    fields = options.fields(data_class)
    given = {key: value for key, value in shared.items() if key in fields and value is not None} | given
    for key in options.places(data_class):
        if isinstance(given.get(key), str):
            given[key] = _place(folder, given[key])
        elif isinstance(given.get(key), list | tuple):
            given[key] = [_place(folder, str(one)) for one in given[key]]
    options.as_dictionary(options.build(data_class, given, origin=f"{path}: {name}"))
    networks = tuple(network_of(path, folder, name, one) for one in content["networks"])
    return Section(dataset, given, networks)


def _network(path, folder, name, content):
    keys = {"name", "file", "calibration"}
    if not isinstance(content, dict) or set(content) != keys or not isinstance(content["name"], str):
        raise UserError(
            f"{path}: {name}: networks: each has name, file and calibration (a file, or {NOT_CALIBRATED}, if its probabilities"
            " are to be taken as they are)"
        )
    calibration = content["calibration"]
    if calibration != NOT_CALIBRATED:
        calibration = _file(path, folder, f"{name}: calibration", calibration)
    return Network(
        content["name"],
        _file(path, folder, f"{name}: file", content["file"]),
        None if calibration == NOT_CALIBRATED else calibration,
    )


def _region_network(path, folder, name, content):
    return _file(path, folder, f"{name}: networks", content)


def _place(folder, text):
    """Find where a path leads from a folder, ~ being the user's: str."""
    return str(folder / pathlib.Path(text).expanduser())


def _file(path, folder, what, text):
    """Find a file from where the configuration is, or of the project: pathlib.Path."""
    if not isinstance(text, str) or not text:
        raise UserError(f"{path}: {what}: expected the name of a file")
    for place in (folder / pathlib.Path(text).expanduser(), paths.PROJECT / text):
        if place.is_file():
            return place
    raise UserError(f"{path}: {what}: {text}: no such file; paths start where {path.name} is, or in the project")


TEMPLATE = """\
# A forecast of solar flares: python science/operational_forecast/forecast.py {name}
# Paths start at this file; data set files of the project are found by their names in it.

name: {method}
log: forecasts.jsonl         # one line per forecast, never rewritten; log.py --verify proves it
# Flare lists. HEK's flares are fetched into the folder of one that is named catalogue.csv, like flares/catalogue.csv.
flares: [{flares}]
history_age: {history_age:g}             # hours after the end of the lists up to which their history counts
# flares_until: 2026-03-01     # the lists are complete until then, if that is later than their last flare
event: M1.0                  # that networks of images forecast, or more
window_hours: 24

now: {now}          # clock, or of an archive that has ended: newest image
fetch: {fetch}                 # images, flares of HEK and NOAA's summaries first; --offline leaves that out
fetch_hours: 48
max_age: {max_age:g}                 # minutes: an older image is refused, and history and regions forecast alone
late: 60                     # minutes after its time from which on a forecast counts as late

combination: mean            # of the members, or a file of network_models/forecasts/combination.py fit
all_clear_below: 0.05        # an all-clear: the probability of the event is below this,
all_clear_confidence: 0.9    # as surely as this
map: {map_method:<22}  # rate map, integrated gradients, saliency, ... or none
baseline: zero
map_steps: 16

# Networks of images. Each needs a calibration (network_models/forecasts/calibration.py), or: calibration: none
{image}
# Rates of regions, averaged over the networks (network_models/flare_rates/train.py).
# regions:
#   dataset: dataset_models/NOAA/active_regions.py
#   options: {{summaries: [srs]}}   # a folder: the summaries of the last days are fetched into it
#   networks: [runs/regions/best_performing.hdf5]
"""
_NO_IMAGE = """\
# image:
#   dataset: dataset_models/SDO/HMI/full_disk.py
#   options: {{folder: {folder}, image_size: 256}}
#   networks:
#     - {{name: cnn, file: runs/cnn/best_performing.hdf5, calibration: runs/cnn/calibration.json}}
"""
_IMAGE = """\
image:
  dataset: dataset_models/SDO/HMI/full_disk.py
  options: {{folder: {folder}, image_size: {image_size}}}
  networks:
    - {{name: {network}, file: {file}, calibration: {calibration}}}
"""


def write_first(
    path,
    *,
    folder,
    flares,
    simulated,
    network=None,
    calibration=NOT_CALIBRATED,
    image_size=256,
    map_method="integrated gradients",
):
    """Write a configuration with comments.

    Parameters
    ----------
    path : str or pathlib.Path
    folder : str
        Of magnetograms.
    flares : str
        The flare list.
    simulated : bool
        Of an archive that has ended and is not fetched.
    network : str, optional
        A network of these images, called "cnn".
    calibration : str
        Its calibration.
    image_size : int
    map_method : str

    Raises
    ------
    UserError
        The file is there already.
    """
    path = pathlib.Path(path)
    if path.exists():
        raise UserError(f"{path}: is there already; give another file to --init, or edit this one")
    about = {"folder": folder, "image_size": image_size, "network": "cnn", "file": network, "calibration": calibration}
    text = TEMPLATE.format(
        name=path.name,
        method="simulated Sun" if simulated else "my forecast",
        flares=flares,
        history_age=flare_history.AGE,
        now=NEWEST if simulated else f"{CLOCK}       ",
        fetch="false" if simulated else "true ",
        max_age=720 if simulated else 180,
        map_method=map_method,
        image=(_IMAGE if network else _NO_IMAGE).format(**about),
    )
    atomic_files.write_text(path, text)
