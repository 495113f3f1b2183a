"""Lists of images to explain: files, times of samples, and CSVs of instances."""

import dataclasses
import pathlib

import numpy

from dataset_models import observation_times
from science import instance_tables
from science.explanation import subject as explanation
from tools import goes_class, tables
from tools.errors import UserError

SHOWN = 3  # unknown times that are named


@dataclasses.dataclass(frozen=True)
class Entry:
    """One image of a list.

    Attributes
    ----------
    image : str
        As `science.explanation.subject.sample` takes it.
    goes_class : str
        Of the flare that the list gives it, empty where it gives none.
    longitude, latitude : float
        Of that flare: Stonyhurst degrees, NaN where unknown.
    flare_start : str
        ISO 8601 with Z, empty where unknown.
    outcome : str
        TP, FP, FN or TN, empty where the list states none.
    """

    image: str
    goes_class: str = ""
    longitude: float = float("nan")
    latitude: float = float("nan")
    flare_start: str = ""
    outcome: str = ""

    @property
    def words(self):
        """Describe the flare and the outcome: str, such as ``"TP: M1.3 at W30 S12"``, empty where the list has neither.

        Examples
        --------
        >>> Entry("2014-01-01", "M1.3", -30.0, 12.0, outcome="FN").words
        'FN: M1.3 at E30 N12'
        """
        place = ""
        if numpy.isfinite(self.longitude) and numpy.isfinite(self.latitude):
            east, north = "WE"[self.longitude < 0], "NS"[self.latitude < 0]
            place = f"at {east}{abs(self.longitude):.0f} {north}{abs(self.latitude):.0f}"
        flare = " ".join(filter(None, (self.goes_class, place)))
        return ": ".join(filter(None, (self.outcome, flare)))

    def facts(self):
        """Return the columns of a table that tell them: dict, empty where the list gives none."""
        if not self.goes_class and not self.outcome:
            return {}
        place = {"fl_lon": self.longitude, "fl_lat": self.latitude}
        return {"goes_class": self.goes_class, **place, "flare_start": self.flare_start, "outcome": self.outcome}


def is_list(images):
    """Check whether words of the command line are more than one image: several, or a CSV."""
    return len(images) > 1 or _is_table(images[0])


def name_of(images):
    """Choose the name of a list for its files: the CSV's, else ``images``."""
    return pathlib.Path(images[0]).stem if len(images) == 1 else "images"


def read(images, data):
    """Read a list.

    Parameters
    ----------
    images : sequence of str
        Image files, times of samples, and CSVs: of the columns that `dataset_models.observation_times.table_times` reads, and
        if it has them those of `science.instance_tables`. A row's file is taken where it is there, else the sample of its time.
    data : dataset_models.solar_data.SolarData

    Returns
    -------
    list of Entry

    Raises
    ------
    UserError
        A CSV cannot be read, or the data set has no sample at a time in it.
    """
    entries = []
    for image in images:
        entries += _of_table(pathlib.Path(image), data) if _is_table(image) else [Entry(image)]
    return entries


def readable(subject, entries):
    """Read some images of a list.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    entries : sequence of Entry

    Returns
    -------
    named : list of (Entry, science.explanation.subject.Sample)
    left_out : list of str
        The reason of each image that cannot be explained.
    """
    named, left_out = [], []
    for entry in entries:
        try:
            named.append((entry, explanation.sample(subject, entry.image)))
        except UserError as error:
            left_out.append(str(error))
    return named, left_out


def each(subject, entries, left_out):
    """Read the images of a list one after another.

    Parameters
    ----------
    subject, entries
        As of `readable`.
    left_out : list of str
        Gets the reason of each image that cannot be explained.

    Yields
    ------
    Entry, science.explanation.subject.Sample

    Raises
    ------
    UserError
        None of the images can be explained.
    """
    for entry in entries:
        named, reasons = readable(subject, [entry])
        left_out += reasons
        yield from named
    if len(left_out) == len(entries):
        raise none_of(left_out)


def none_of(left_out):
    """Make the error for a list of whose images none can be explained, by their reasons: `UserError`."""
    return UserError(left_out[0] if len(left_out) == 1 else f"none of {len(left_out)} images; the first: {left_out[0]}")


def together(samples):
    """Stack the inputs of samples: dict of float32 arrays (n, ...) by model input name."""
    return {name: numpy.concatenate([sample.inputs[name] for sample in samples]) for name in samples[0].inputs}


def _is_table(image):
    return pathlib.Path(image).suffix.lower() == ".csv"


def _of_table(path, data):
    table = tables.read(path, advice="give a CSV with a column time or file")
    times = observation_times.table_times(table, origin=str(path))
    files = [_existing(path, name) for name in instance_tables.files_of(table)]
    _require_samples(path, times[[not file for file in files]], data)
    facts = _facts(table, times, path)
    return [Entry(file or f"{time}Z", **fact) for file, time, fact in zip(files, times, facts, strict=True)]


def _existing(path, name):
    """Find the file that a row of the CSV `path` names, beside the CSV or from here: str, empty where there is none."""
    found = (place for place in (path.parent / name, pathlib.Path(name)) if name and place.is_file())
    return str(next(found, ""))


def _require_samples(path, times, data):
    known = numpy.union1d(data.times("training"), data.times("validation"))
    unknown = times[~numpy.isin(times, known)]
    if len(unknown):
        words = ", ".join(f"{time}Z" for time in unknown[:SHOWN])
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise UserError(f"{path}: {data.title} has no sample at {words}{more}; give times of its samples, or image files")


def _facts(table, times, path):
    """Read what an instance table tells of each row beside its time: list of dict."""
    facts = [{} for _ in range(len(table))]
    if "outcome" in table.columns:
        for fact, text in zip(facts, instance_tables.texts(table["outcome"]), strict=True):
            fact["outcome"] = text
    if instance_tables.has_flares(table):
        flares = instance_tables.flares_of(table, times, path)
        for row, fact in enumerate(facts):
            flux, start = flares["flux"][row], flares["flare_start"][row]
            fact["goes_class"] = goes_class.from_flux(flux) if flux > 0 else ""
            fact["longitude"], fact["latitude"] = float(flares["longitude"][row]), float(flares["latitude"][row])
            fact["flare_start"] = "" if numpy.isnat(start) else f"{start}Z"
    return facts
