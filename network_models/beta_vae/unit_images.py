"""Any data set as the input of a beta-VAE: one image, or one sequence, with values from 0 to 1."""

import numpy

from dataset_models.solar_data import SolarData
from tools.errors import UserError

from .building_blocks import shape_words

DECADES = 5  # of an intensity: 1 stands for 10^5


class UnitImages(SolarData):
    """The images of a data set, scaled: a `SolarData` with one input.

    The one input is the current image; or, with ``sequence``, its earlier images and the current one as frames, the
    earliest first. A data set whose own input is a sequence keeps it. Fields in gauss are mapped from the data
    set's clip to 0 to 1, intensities by log10(1 + x) / 5; other values stay as they are.

    Parameters
    ----------
    data : SolarData
    sequence : bool
        Make a sequence of a data set with several images.
    checked : bool
        Refuse images with values outside 0 to 1, as a Bernoulli loss needs.
    disk : float
        Blank pixels farther from the centre than this share of half the width: 0.5 in magnetograms, no field, and 0 in
        intensities; 0: none.
    """

    def __init__(self, data, *, sequence=False, checked=True, disk=0.0):
        self.data = data
        self.title, self.simulated = data.title, data.simulated
        self.checked = checked
        images = [name for name, shape in data.input_shapes.items() if len(shape) in (3, 4)]
        whole = [name for name in images if len(data.input_shapes[name]) == 4]
        if not images:
            raise UserError(f"{data.title}: gives no images; a beta-VAE takes nothing else")
        if whole:
            self._name, self._names = whole[0], whole[:1]
        elif sequence and len(images) > 1:
            self._name, self._names = "sequence", images[::-1]
        else:
            self._name, self._names = images[0], images[:1]
        self._blank = None
        if disk:
            height, width = data.input_shapes[self._names[0]][-3:-1]
            row, column = numpy.mgrid[:height, :width]
            squares = (row - (height - 1) / 2) ** 2 + (column - (width - 1) / 2) ** 2
            self._blank = (squares > (disk * width / 2) ** 2)[..., None]
            nothing = [0.0 if channel.logarithmic else 0.5 for channel in data.channels] or [0.5]
            self._nothing = numpy.array(nothing, "float32")

    @property
    def input_shapes(self):
        shape = self.data.input_shapes[self._names[0]]
        return {self._name: shape if len(self._names) == 1 else (len(self._names), *shape)}

    @property
    def is_sequence(self):
        """Whether the input has frames."""
        return len(self.input_shapes[self._name]) == 4

    @property
    def channels(self):
        return self.data.channels

    @property
    def task(self):
        return self.data.task

    @property
    def target_quantity(self):
        return self.data.target_quantity

    @property
    def target_unit(self):
        return self.data.target_unit

    @property
    def target_label(self):
        return self.data.target_label

    def times(self, split):
        return self.data.times(split)

    def reading_blocks(self, split):
        return self.data.reading_blocks(split)

    def inputs(self, time):
        return {self._name: self._unit(self.data.inputs(time), f"{self.title}: the image of {time}Z")}

    def image(self, time):
        """Return the image or sequence of a time: float32 of the shape in `input_shapes`."""
        return self.inputs(time)[self._name]

    def read_image(self, path):
        return {self._name: self._unit(self.data.read_image(path), path)}

    def target(self, time):
        return self.data.target(time)

    def targets(self, split):
        """Return zeros: a beta-VAE learns from images alone."""
        return numpy.zeros(len(self.times(split)), "float32")

    def truth(self, time):
        return self.data.truth(time)

    def sample_name(self, time):
        return self.data.sample_name(time)

    @property
    def nominal(self):
        return self.data.nominal

    def metadata(self, time):
        return self.data.metadata(time)

    def header(self, time):
        return self.data.header(time)

    def image_time(self, path):
        return self.data.image_time(path)

    def image_header(self, path):
        return self.data.image_header(path)

    def is_downloaded(self):
        return self.data.is_downloaded()

    def require_downloaded(self):
        return self.data.require_downloaded()

    @property
    def reach(self):
        return self.data.reach

    def check_leaks(self):
        return self.data.check_leaks()

    def describe(self):
        return self.data.describe()

    def _unit(self, inputs, origin):
        frames = [self._scaled(numpy.asarray(inputs[name], "float32")) for name in self._names]
        image = frames[0] if len(frames) == 1 else numpy.stack(frames)
        expected = self.input_shapes[self._name]
        if image.shape != expected:
            raise UserError(f"{origin}: expected {shape_words(expected)} values, received {shape_words(image.shape)}")
        if self._blank is not None:
            image = numpy.where(self._blank, self._nothing, image)
        low, high = image.min(), image.max()
        if not (numpy.isfinite(low) and numpy.isfinite(high)):
            raise UserError(f"{origin}: has values that are NaN or infinite; give complete images")
        if self.checked and not (low >= -1e-6 and high <= 1 + 1e-6):
            raise UserError(
                f"{origin}: has values from {low:.4g} to {high:.4g}; a Bernoulli loss needs 0 to 1, so scale them in the data"
                " set, or give --loss gaussian"
            )
        return image

    def _scaled(self, image):
        channels = self.data.channels
        if not any(channel.unit == "G" or channel.logarithmic for channel in channels):
            return image
        clip = float(getattr(self.data, "magnetogram_clip", 256.0))
        image = image.copy()
        for place, channel in enumerate(channels):
            values = image[..., place]
            if channel.unit == "G":
                image[..., place] = (numpy.clip(values, -clip, clip) + clip) / (2 * clip)
            elif channel.logarithmic:
                image[..., place] = numpy.minimum(numpy.log10(1 + numpy.maximum(values, 0)) / DECADES, 1)
        return image
