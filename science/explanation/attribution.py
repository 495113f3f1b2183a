"""An explanation: the map that a method returns, its units, and the words and file name for what it explains."""

import dataclasses
import textwrap

import numpy

from science.gradients.network_structure import default_target, logits_of
from tools import figures
from tools.errors import UserError
from tools.views import Table, View

COMPLETE = 0.01  # relative residual up to which a map counts as complete


@dataclasses.dataclass(frozen=True)
class Target:
    """Output of a network that is explained, in words.

    Attributes
    ----------
    index : int
    words : str
        What the output stands for.
    stem : str
        For file names, so that no output's results replace another's: empty for the event or the only output.
    quantity : str
        ``"output"`` of a regression, ``"logit"``, or ``"logit of a probability"`` where it is the only one.
    """

    index: int
    words: str
    stem: str
    quantity: str

    def value_words(self, value):
        """Write a value of this output in words; a single logit with the probability that it means.

        Examples
        --------
        >>> Target(0, "a flare of M1.0 or more", "", "logit of a probability").value_words(1.2)
        'logit 1.2 (probability 77 %)'
        """
        if self.quantity != "logit of a probability":
            return f"{self.quantity} {value:.3g}"
        return f"logit {value:.3g} (probability {50 * (1 + numpy.tanh(value / 2)):.0f} %)"


def target_of(subject, index):
    """Describe one output of a network.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    index : int

    Returns
    -------
    Target
        Of two outputs the second is the event.
    """
    label, count = subject.data.target_label, logits_of(subject.model.output).shape[-1]
    forecast = subject.data.task == "classification"
    quantity = "output" if not forecast else "logit" if count != 1 else "logit of a probability"
    if index == default_target(subject.model):
        return Target(index, label, "", quantity)
    other = ", no event" if count == 2 and forecast else ""
    return Target(index, f"output {index}{other}: {label}", f"output_{index}", quantity)


@dataclasses.dataclass(frozen=True, repr=False)
class Attribution(View):
    """Explanation of a network's output for some samples, which shows itself.

    Attributes
    ----------
    method : str
        In words.
    maps : dict of str to numpy.ndarray
        float32 by model input name, of the inputs' shapes (n, ...); of methods that give places only (Grad-CAM,
        attention) (n, height, width, 1), for images alone.
    outputs : numpy.ndarray
        float (n,): the logit or regression output that is explained.
    target : int
        Which output.
    target_tensor : str
        What was explained, and for methods that read a layer its tensor.
    parameters : dict
        Plain values that repeat it.
    residual : numpy.ndarray, optional
        float64 (n,): ``|sum of the map - (f(x) - f(baseline))| / |f(x) - f(baseline)|``, for methods where it should be 0.
    relu_count : int, optional
        ReLU operations whose backward pass was replaced.
    notes : tuple of str
    difference : dict of str to numpy.ndarray, optional
        What the maps are products with: the image, or its difference to a baseline. Comparisons of networks divide by
        it, since otherwise any two maps are alike where the image is dark.
    derivative : int
        1 for maps that are gradients, 2 for squares and variances of these, 0 for those in units of the output or in
        none: what the units of a channel mean for the map, see `in_channel_units`.
    explained : Target, optional
        What `target` stands for, see `labelled`.
    units : dict of str to str, optional
        Unit of the map by channel (``"per dex"``), empty for maps in units of the output, see `labelled`.
    own_unit : str, optional
        Unit of a map that is neither in units of the output nor per unit of a channel: a rate.
    """

    method: str
    maps: dict[str, numpy.ndarray]
    outputs: numpy.ndarray
    target: int
    target_tensor: str
    parameters: dict
    residual: numpy.ndarray | None = None
    relu_count: int | None = None
    notes: tuple[str, ...] = ()
    difference: dict[str, numpy.ndarray] | None = None
    derivative: int = 0
    explained: Target | None = None
    units: dict[str, str] | None = None
    own_unit: str | None = None

    def view(self):
        """List what there is to see of the maps, without drawing them: see `tools.views.View.view`."""
        explains = self.explained.words if self.explained else f"output {self.target}"
        facts = {"explained": explains, "tensor": self.target_tensor, "outputs": _few(self.outputs)}
        facts |= {name: str(value) for name, value in self.parameters.items()}
        if self.residual is not None:
            facts["residual of completeness"] = _few(self.residual)
        rows = [
            (name, " x ".join(map(str, values.shape)), f"{values.min():.3g}", f"{values.max():.3g}")
            for name, values in self.maps.items()
        ]
        maps = Table("Maps", ("input", "shape", "lowest", "highest"), tuple(rows))
        return [self.method, Table("Attribution", ("what", "as it is"), tuple(facts.items())), maps, *self.notes]

    def plot(self, row=0, *, channel=-1, name=None):
        """Draw the map of one sample and channel, alone: it does not hold the image (`science.explain.Explanation` does).

        Parameters
        ----------
        row : int
            Which sample.
        channel : int
            Which channel; a map for all channels is drawn whatever it is.
        name : str, optional
            Model input; by default the first one that is an image.

        Returns
        -------
        matplotlib.figure.Figure
            Shows itself in a notebook.

        Raises
        ------
        UserError
            There is no such sample, channel or input.
        """
        images = [one for one, values in self.maps.items() if values.ndim == 4]
        name = name or next(iter(images), None)
        if name not in images:
            raise UserError(f"input {name!r}: no map of an image; there are maps of {', '.join(images) or 'no image'}")
        values = self.maps[name]
        if not -len(values) <= row < len(values):
            raise UserError(f"row {row}: there are maps of {len(values)} samples")
        count = values.shape[-1]
        if count > 1 and not -count <= channel < count:
            raise UserError(f"channel {channel}: the map of {name} has {count} channels")
        drawn, unit = f"channel {channel % count}", ""
        if self.units and len(self.units) == count:
            drawn, unit = list(self.units.items())[channel]
        words = self.explained.words if self.explained else f"output {self.target}"
        title = f"{name}, {drawn}: {words}" if count > 1 else f"{name}: {words}"
        with figures.style():
            figure, axes = figures.new(figsize=(6.2, 5.4))
            show_map(axes, values[row, ..., channel if count > 1 else 0], label=", ".join(filter(None, (self.method, unit))))
            axes.set_title("\n".join(textwrap.wrap(title, 50)))
        return figure

    def unit_words(self, channel):
        """Write the unit of the map of a channel, by its name, in words: str."""
        return self.own_unit or f"output {self.units[channel]}".strip()

    def multipliers(self, name):
        """Divide the map of an input by what it was multiplied with: float64, NaN where that is 0."""
        values = self.maps[name].astype("float64")
        if self.difference is None:
            return values
        below = numpy.broadcast_to(self.difference[name], values.shape)
        return numpy.divide(values, below, out=numpy.full(values.shape, numpy.nan), where=numpy.abs(below) > 1e-6)

    def of_sample(self, row):
        """Select the map of one sample: `Attribution` of arrays (1, ...)."""
        part = slice(row, row + 1)
        difference = self.difference
        if difference is not None:
            difference = {name: values[part] if len(values) > 1 else values for name, values in difference.items()}
        return dataclasses.replace(
            self,
            maps={name: values[part] for name, values in self.maps.items()},
            outputs=self.outputs[part],
            residual=None if self.residual is None else self.residual[part],
            difference=difference,
        )

    @property
    def side_channel_share(self):
        """Share of the absolute map on inputs that are not images: float64 (n,); NaN where the map is 0."""
        images, all_of_it = 0.0, 0.0
        for values in self.maps.values():
            total = numpy.abs(values.astype("float64")).reshape(len(values), -1).sum(axis=1)
            all_of_it = all_of_it + total
            images = images + (total if values.ndim == 4 else 0.0)
        share = numpy.full(len(self.outputs), numpy.nan)
        return numpy.divide(all_of_it - images, all_of_it, out=share, where=all_of_it > 0)

    @property
    def complete(self):
        """Whether the residual is below `COMPLETE`: bool (n,), or None for methods without one."""
        return None if self.residual is None else self.residual < COMPLETE


def show_map(axes, values, *, label="", extent=None, names=()):
    """Draw a map (height, width): symmetric about 0 where it has both signs; arguments as of `tools.figures.show_signed`."""
    if (values >= 0).all():
        figures.show_image(axes, values, table="cividis", unit=label, extent=extent, names=names)
    else:
        figures.show_signed(axes, values, label=label, extent=extent, names=names)


def _few(values):
    """Write the first of many numbers: str."""
    return ", ".join(f"{value:.3g}" for value in values[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")


def residual(maps, difference):
    """Compute the relative residual of completeness.

    Parameters
    ----------
    maps : dict of str to numpy.ndarray
        (n, ...).
    difference : array_like (n,)
        f(x) - f(baseline).

    Returns
    -------
    numpy.ndarray
        float64 (n,); 0 where both are 0.

    Examples
    --------
    >>> import numpy
    >>> residual({"image": numpy.array([[0.5, 1.4]])}, [2.0]).round(3)
    array([0.05])
    """
    total = sum(values.astype("float64").reshape(len(values), -1).sum(axis=1) for values in maps.values())
    difference = numpy.asarray(difference, "float64")
    return numpy.abs(total - difference) / numpy.maximum(numpy.abs(difference), 1e-12)


def per_unit(gradient, image, channel):
    """Convert a gradient with respect to pixel values to one per unit of their channel.

    Parameters
    ----------
    gradient, image : numpy.ndarray
        (..., height, width): with respect to the pixel values, and these.
    channel : dataset_models.solar_data.Channel

    Returns
    -------
    numpy.ndarray
        For logarithmic channels the gradient with respect to log10(1 + x), which does not favour dark pixels as that
        with respect to x does; otherwise `gradient`.

    Examples
    --------
    >>> import numpy
    >>> from dataset_models.solar_data import Channel
    >>> per_unit(numpy.array([[0.01]]), numpy.array([[99.0]]), Channel("171", logarithmic=True)).round(3)
    array([[2.303]])
    """
    return gradient * (1 + numpy.maximum(image, 0)) * numpy.log(10) if channel.logarithmic else gradient


def unit_of(channel, derivative=1):
    """Name the unit of a map that is a gradient (`derivative` 1) or the square of one (2): str, empty for other maps.

    Examples
    --------
    >>> from dataset_models.solar_data import Channel
    >>> unit_of(Channel("171", unit="DN/s", logarithmic=True)), unit_of(Channel("magnetogram", unit="G"), derivative=2)
    ('per dex', 'per G²')
    """
    if not derivative:
        return ""
    unit = "dex" if channel.logarithmic else channel.unit or "unit"
    squared = f"({unit})²" if "/" in unit or " " in unit else f"{unit}²"
    return f"per {unit}" if derivative == 1 else f"per {squared}"


def labelled(attribution, subject):
    """Add the words and units that figures, files and passports share, unless the attribution has them.

    Parameters
    ----------
    attribution : Attribution
    subject : science.explanation.subject.Subject

    Returns
    -------
    Attribution
    """
    if attribution.explained is not None:
        return attribution
    own = attribution.own_unit
    units = {channel.name: own or unit_of(channel, attribution.derivative) for channel in subject.data.channels}
    return dataclasses.replace(attribution, explained=target_of(subject, attribution.target), units=units)


def in_channel_units(attribution, subject, inputs):
    """Convert an attribution to units of the channels, and label it: checks, shares and pictures are all made from this one.

    Parameters
    ----------
    attribution : Attribution
        As a method returns it, of pixel values.
    subject : science.explanation.subject.Subject
    inputs : dict of str to numpy.ndarray
        (n, ...) by model input name: what was explained.

    Returns
    -------
    Attribution
        `labelled`. Gradients of logarithmic channels are `per_unit`, and the difference that a product map was made with
        is one of log10(1 + x). Maps that are contributions to the output stay what they are.
    """
    channels = subject.data.channels
    maps, difference = dict(attribution.maps), None if attribution.difference is None else dict(attribution.difference)
    logarithmic = [index for index, channel in enumerate(channels) if channel.logarithmic]
    images = [name for name in maps if subject.input_sources[name] in subject.data.image_inputs] if logarithmic else []
    for name in images:
        if attribution.derivative:
            maps[name] = maps[name].copy()
        if difference is not None:
            difference[name] = numpy.array(difference[name], "float64")
        for index in logarithmic:
            image = inputs[name][..., index]
            for _ in range(attribution.derivative):
                maps[name][..., index] = per_unit(maps[name][..., index], image, channels[index])
            if difference is not None:
                image = image.astype("float64")
                difference[name][..., index] = _decades(image) - _decades(image - difference[name][..., index])
    return labelled(dataclasses.replace(attribution, maps=maps, difference=difference), subject)


def _decades(values):
    return numpy.log10(1 + numpy.maximum(values, 0))


def resized(maps, shape):
    """Resize maps (n, height, width, 1) to another (height, width), bilinear between pixel centres: float32."""
    import tensorflow

    return tensorflow.image.resize(maps, shape, method="bilinear").numpy().astype("float32")


def strongest_channel(explanations, name):
    """Find the channel that the largest part of the maps falls to, each map counting alike: int.

    Parameters
    ----------
    explanations : dict
        By method (Attribution, passport).
    name : str
        Of the network's input.

    Notes
    -----
    Only maps in units of the output are compared, where there are any: gradients per gauss and per DN/s are not.
    """
    maps = {method: attribution.maps[name] for method, (attribution, _) in explanations.items()}
    several = {method: values for method, values in maps.items() if values.shape[-1] > 1}
    alike = [values for method, values in several.items() if not any((explanations[method][0].units or {}).values())]
    total = 0.0
    for values in alike or several.values():
        strength = numpy.abs(values).sum(axis=tuple(range(values.ndim - 1)), dtype="float64")
        total = total + strength / (strength.sum() or 1.0)
    return int(numpy.argmax(total))
