"""Results of many images: one figure, one table, and their passports in one file."""

import contextlib
import dataclasses
import functools
import sys

from science.explanation import image_list, list_table, map_files, passport
from science.explanation.attribution import strongest_channel
from science.explanation.sheet import Cell, Sheet
from tools import atomic_files, figures, spreading
from tools.errors import Stopped, UserError

SHOWN = 10  # images that are left out and named


def add_flags(parser):
    """Give a parser the flags of lists of images."""
    parser.add_argument("--each", action="store_true", help="of a list, write the files of each image too, as of one alone")
    spreading.add_flags(parser, workers=False)


def tell_left_out(reasons, count, folder):
    """Print why images of a list of `count` were left out, the others being in `folder`; raise `Stopped` if there are any."""
    for reason in reasons[:SHOWN]:
        print(f"left out: {reason}", file=sys.stderr)
    if reasons:
        raise Stopped(f"{len(reasons)} of {count} images left out; the others are in {folder}", 4)


@contextlib.contextmanager
def writing(subject, folder, flags, entries, *, heading=None):
    """Give the results of a list to fill; they appear in `folder` together when the block ends, and are reported.

    Parameters
    ----------
    folder : pathlib.Path
    subject, flags, entries, heading
        As of `ListResults`.

    Raises
    ------
    Stopped
        Images were left out.
    """
    with atomic_files.results(folder) as unfinished, figures.style():
        many = ListResults(unfinished, subject, flags, entries, heading=heading)
        yield many
        many.finish()
    many.report(folder)


class ListExplainer:
    """Explains batches of a list, in this process or another.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    explain : callable
        ``explain(subject, named, random_network)`` yields of each (Entry, Sample) a dict of map and passport by method.
    """

    def __init__(self, subject, explain):
        self._subject, self._explain = subject, explain

    def __reduce__(self):
        return type(self), (self._subject, self._explain)

    @functools.cached_property
    def _random_network(self):
        return passport.shuffled_network(self._subject)

    def __call__(self, entries):
        """Explain a batch: list of (Entry, Sample, explanations, probability or None), and the reasons of images left out."""
        named, left_out = image_list.readable(self._subject, entries)
        if not named:
            return [], left_out
        probabilities = self._probabilities(named)
        explained = self._explain(self._subject, named, self._random_network)
        return [(*pair, maps, one) for pair, maps, one in zip(named, explained, probabilities, strict=True)], left_out

    def _probabilities(self, named):
        """Forecast a batch: list of float, or of None where the network forecasts no probability."""
        data = self._subject.data
        if data.task != "classification":
            return [None] * len(named)
        outputs = self._subject.model.predict_on_batch(image_list.together([sample for _, sample in named]))
        where = [f"{self._subject.model_path}: on {entry.image}" for entry, _ in named]
        return [float(value) for value in data.finite_forecast(outputs, where.__getitem__)]


class ListResults:
    """Results of a list of images: figure, table and passports.

    Parameters
    ----------
    folder : pathlib.Path
        Where they are written.
    subject : science.explanation.subject.Subject
    flags : argparse.Namespace
        With image, batch and each.
    entries : sequence of science.explanation.image_list.Entry
    heading : str, optional
        Name of what was done, for titles and files; of the method by default.
    """

    def __init__(self, folder, subject, flags, entries, *, heading=None):
        self._folder, self._subject, self._flags, self._entries, self._heading = folder, subject, flags, entries, heading
        self._left_out, self._rows, self._passports, self._failed = [], [], {}, {}
        self._stem, self._sheet, self._place = "", None, None

    def explained(self, explain):
        """Explain the images of the list in batches, with a bar, here or on a cluster (`tools.spreading.on`).

        Parameters
        ----------
        explain : callable
            As of `ListExplainer`.

        Yields
        ------
        Entry, Sample, dict, float or None
            As of `add`, in the order of the list.

        Raises
        ------
        UserError
            None of the images can be explained.
        """
        from tqdm import tqdm

        size = self._flags.batch
        groups = [self._entries[first : first + size] for first in range(0, len(self._entries), size)]
        job = ListExplainer(self._subject, explain)
        made = spreading.mapped(job, groups, workers=1, chunk=1, name=lambda group: group[0].image)
        with tqdm(total=len(self._entries), desc="explain", unit="image", disable=None) as bar:
            for group, (results, left_out) in zip(groups, made, strict=True):
                self._left_out += left_out
                yield from results
                bar.update(len(group))
        if len(self._left_out) == len(self._entries):
            raise image_list.none_of(self._left_out)

    def add(self, entry, sample, explanations, probability, place):
        """Take the maps of one image.

        Parameters
        ----------
        entry : science.explanation.image_list.Entry
        sample : science.explanation.subject.Sample
        explanations : dict of str to (Attribution, dict)
            Map and passport by method.
        probability : float or None
        place : int or None
            Of the channel that is drawn; without it the strongest in the maps of the first image, in the whole figure.
        """
        attribution, checked = next(iter(explanations.values()))
        if self._sheet is None:
            self._begin(sample, attribution, checked)
        if self._flags.each:
            for one, record in explanations.values():
                map_files.write_into(self._folder, self._subject, sample, one, record)
        for name, (one, record) in explanations.items():
            self._rows.append(list_table.row(self._subject, entry, sample, one, record, probability))
            for check in passport.failed(record):
                self._failed[name, check] = self._failed.get((name, check), 0) + 1
        records = {name: record for name, (_, record) in explanations.items()}
        self._passports[f"{len(self._passports) + 1} {sample.label}"] = records if self._heading else checked
        value = f"probability {100 * probability:.0f} %" if probability is not None else f"output {checked['output']:.3g}"
        if place is None:
            place = self._place = self._strongest(sample, explanations) if self._place is None else self._place
        self._sheet.add(self._cell(entry, sample, explanations, value, place))

    def _strongest(self, sample, explanations):
        name = next(name for name, source in sample.names.items() if source == self._subject.data.image_inputs[0])
        return strongest_channel(explanations, name)

    def _cell(self, entry, sample, explanations, value, place):
        """Make the cell of one image: `Cell`. The value stands over the map, or of several maps over the image."""
        data = self._subject.data
        name = next(name for name, source in sample.names.items() if source == data.image_inputs[0])
        maps, titles = [], []
        for method, (one, record) in explanations.items():
            values = one.maps[name][0]
            # Copies: a page of views would keep all channels of all its images.
            maps.append(values[..., place if values.shape[-1] == len(data.channels) else 0].copy())
            bad = [f"failed: {words}" for words in passport.failures(record)]
            titles.append("\n".join([method if self._heading else value, *bad]))
        time = list_table.time_of(self._subject, entry, sample)
        title = sample.title if time is None else dataclasses.replace(sample, time=time).title
        facts = entry.words or _known_class(data, sample)
        return Cell(
            sample.inputs[name][0, ..., place].copy(),
            data.channels[place],
            tuple(maps),
            sample.header,
            tuple(data.places(sample.time) if sample.time is not None else ()),
            "\n".join(filter(None, (title, facts, value if self._heading else ""))),
            tuple(titles),
            tuple(bool(passport.failed(record)) for _, record in explanations.values()),
        )

    def report(self, folder):
        """Print what was made, and which checks failed.

        Raises
        ------
        Stopped
            Images were left out.
        """
        count, names = len(self._passports), [*self._sheet.names, f"{self._stem}.csv", f"{self._stem}.json"]
        print(f"{self._stem}: {count} images; {', '.join(names)} in {folder}")
        for (name, check), times in self._failed.items():
            print(f"check failed: {name}, {times} of {count} maps: the map {passport.FAILURES[check]}")
        tell_left_out(self._left_out, len(self._entries), folder)

    def _begin(self, sample, attribution, checked):
        heading = self._heading or checked["method"]
        self._stem = atomic_files.safe_name(image_list.name_of(self._flags.image), heading, attribution.explained.stem)
        title = figures.title(f"{heading}: {attribution.explained.words}", simulated=sample.simulated)
        self._sheet = Sheet(self._folder, self._stem, count=len(self._entries), title=title)

    def finish(self):
        """Write what is left to write."""
        import pandas

        self._sheet.close()
        pandas.DataFrame(self._rows).to_csv(self._folder / f"{self._stem}.csv", index=False)
        (self._folder / f"{self._stem}.json").write_text(passport.text(self._passports), encoding="utf-8")


def _known_class(data, sample):
    """Name the class of the flare that the data set knows for a sample: str, empty without one."""
    try:
        known = data.metadata(sample.time).get("class", "") if sample.time is not None else ""
    except UserError:  # no flare list: a network may need none
        known = ""
    return f"strongest flare {known}" if known else ""
