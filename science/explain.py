"""Explain a forecast of a run from Python: one image, one method or several, checked as the scripts check it."""

import dataclasses
import pathlib

import numpy

from science import methods
from science.explanation import map_files, passport
from science.explanation import subject as explanation
from science.explanation.attribution import Attribution
from science.side_by_side import side_by_side
from tools import command_line, figures
from tools.errors import UserError
from tools.views import Picture, Table, View


@dataclasses.dataclass(frozen=True, repr=False)
class Explanation(View):
    """A map with what it explains and the checks that it passed or failed; shows itself.

    Attributes
    ----------
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    attribution : Attribution
        In units of the channels.
    passport : dict
        Of `science.explanation.passport.passport`.
    """

    subject: explanation.Subject
    sample: explanation.Sample
    attribution: Attribution
    passport: dict

    def plot(self, channel=None):
        """Draw the current image, its map, and both.

        Parameters
        ----------
        channel : str, optional
            Name of the channel; the last by default, as of the scripts.

        Returns
        -------
        matplotlib.figure.Figure
            Shows itself in a notebook. A failed check is in its title.

        Raises
        ------
        UserError
            The data set has no such channel.
        """
        sample, data = self.sample, self.subject.data
        place = explanation.channel_place(data, channel, default=-1)
        source = data.image_inputs[0]
        name = next(name for name, one in sample.names.items() if one == source)
        values, image = self.attribution.maps[name][0], sample.inputs[name][0]
        values = values[..., place] if values.shape[-1] == image.shape[-1] else values[..., 0]
        places = data.places(sample.time) if sample.time is not None else ()
        title = map_files.heading(sample, self.attribution, self.passport, source, data.channels[place])
        with figures.style():
            return map_files.panels(
                image[..., place], values, data.channels[place], sample.header, places, title, self.attribution
            )

    def save(self, folder=None):
        """Write what the method's script writes: figures, arrays, FITS and passport.

        Parameters
        ----------
        folder : str or pathlib.Path, optional
            By default maps/ of the run.

        Returns
        -------
        list of pathlib.Path

        Raises
        ------
        UserError
            It cannot be written to.
        """
        folder = explanation.output_folder(self.subject, "maps", folder)
        names = map_files.write(folder, self.subject, self.sample, self.attribution, dict(self.passport))
        return [pathlib.Path(folder) / name for name in names]

    def view(self):
        """List what the explanation shows of itself: see `tools.views.View.view`."""
        attribution, checked = self.attribution, self.passport
        explained = attribution.explained
        heading = figures.title(f"{attribution.method}, {self.sample.title}", simulated=self.sample.simulated)
        words = {True: "passed", False: "FAILED: the map "}
        rows = [(name, words[good] + ("" if good else passport.FAILURES[name])) for name, good in checked["checks"].items()]
        rows += [(name, f"not made: {reason}") for name, reason in checked["not_applicable"].items()]
        return [
            heading,
            f"{explained.value_words(checked['output'])}: {explained.words}",
            Picture(lambda: figures.png(self.plot()), f"image, {attribution.method} and both; plot() draws other channels"),
            Table("Checks", ("check", "outcome"), tuple(rows)),
            *(f"note: {note}" for note in checked["notes"]),
        ]


def explain(method, run, image, *, data=None, target=None, baseline="quiet", batch_size=16):
    """Explain what a trained network gives for one image, and check the map.

    Parameters
    ----------
    method : str
        One of `science.methods.NAMES`.
    run : network_models.experiment.Result, network_models.run_folder.RunFolder, str or pathlib.Path
        Its best network is explained.
    image : str, pathlib.Path or numpy.datetime64
        UTC time of a sample, or an image file of the data set.
    data : SolarData, optional
        By default the data set that the network was trained on.
    target : int, optional
        Which output; by default the event's logit or the only output.
    baseline : str
        For methods that have one, see `science.explanation.baselines.choose`.
    batch_size : int
        Samples at once; bounds memory.

    Returns
    -------
    Explanation

    Raises
    ------
    UserError
        There is no such method, run, sample or file; the method does not apply to the network; the output is not finite.
    """
    methods.method(method)  # before the seconds that the network takes
    subject, sample = _found(run, data, image)
    keywords = {"baseline": baseline, "target": target, "batch_size": batch_size}
    attribution, checked = side_by_side.side_by_side(subject, sample, [method], **keywords)[method]
    explanation.finite_output(attribution.outputs, image)
    return Explanation(subject, sample, attribution, checked)


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison(View):
    """Maps of one image by several methods, each with its checks; shows itself.

    Attributes
    ----------
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    explanations : dict of str to tuple
        By method (Attribution, passport).
    left_out : dict of str to str
        Methods that do not apply to the network, and why.
    """

    subject: explanation.Subject
    sample: explanation.Sample
    explanations: dict
    left_out: dict

    def plot(self, channel=None):
        """Draw the image and all maps over it.

        Parameters
        ----------
        channel : str, optional
            Name of the channel; by default the one that most of the maps falls to.

        Returns
        -------
        matplotlib.figure.Figure
            Shows itself in a notebook. Failed checks are in the titles of their maps.

        Raises
        ------
        UserError
            The data set has no such channel.
        """
        return side_by_side.figure_of(self.subject, self.sample, self.explanations, channel=channel)

    def save(self, folder=None, *, channel=None):
        """Write what side_by_side.py writes: figure, arrays and passports.

        Parameters
        ----------
        folder : str or pathlib.Path, optional
            By default maps/ of the run.
        channel : str, optional
            As of `plot`.

        Returns
        -------
        pathlib.Path
            The figure.

        Raises
        ------
        UserError
            It cannot be written to; the data set has no such channel.
        """
        folder = explanation.output_folder(self.subject, "maps", folder)
        return side_by_side.write(pathlib.Path(folder), self.subject, self.sample, self.explanations, channel=channel)

    def view(self):
        """List what the comparison shows of itself: see `tools.views.View.view`."""
        attribution, checked = next(iter(self.explanations.values()))
        explained = attribution.explained
        rows = []
        for name, (_, one) in self.explanations.items():
            bad, share = passport.failures(one), one.get("shares", {}).get("on disk")
            rows.append(
                (name, f"failed: {', '.join(bad)}" if bad else "passed", "–" if share is None else f"{100 * share:.0f} %")
            )
        return [
            figures.title(f"{len(rows)} methods, {self.sample.title}", simulated=self.sample.simulated),
            f"{explained.value_words(checked['output'])}: {explained.words}",
            Picture(lambda: figures.png(self.plot()), "image and all maps over it; plot() draws other channels"),
            Table("Checks", ("method", "checks", "on disk"), tuple(rows)),
            *(f"{name}: left out, {why}" for name, why in self.left_out.items()),
        ]


def compare(run, image, *, names=None, data=None, target=None, baseline="quiet", batch_size=16):
    """Explain what a trained network gives for one image by several methods, and check each map.

    Parameters
    ----------
    run, image, data, target, baseline, batch_size
        As of `explain`.
    names : sequence of str, optional
        Of `science.methods.NAMES`; by default all that apply to the network.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError
        As `explain`; none of the methods applies.
    """
    for name in names or ():
        methods.method(name)
    subject, sample = _found(run, data, image)
    applicable, left_out = methods.applicable(subject.model)
    chosen = [name for name in applicable if names is None or name in names]
    if not chosen:
        raise UserError(f"{', '.join(names)}: none of them applies to this network")
    keywords = {"baseline": baseline, "target": target, "batch_size": batch_size}
    explanations = side_by_side.side_by_side(subject, sample, chosen, **keywords)
    explanation.finite_output(next(iter(explanations.values()))[0].outputs, image)
    side_by_side.add_shares(subject, sample, explanations)
    left_out = {name: why for name, why in left_out.items() if names is None or name in names}
    return Comparison(subject, sample, explanations, left_out)


def _found(run, data, image):
    """Load the network of a run, and an image: `Subject`, `Sample`."""
    command_line.set_up_tensorflow()
    subject = explanation.of_run(run, data)
    if isinstance(image, numpy.datetime64):
        image = image.astype("datetime64[s]")
    return subject, explanation.sample(subject, str(image))
