"""A SolarData small enough to train on within a test: the brightness of a blob is the target."""

import dataclasses

import numpy

from dataset_models.solar_data import Availability, Channel, SolarData
from tools.options import option


@dataclasses.dataclass(kw_only=True)
class TinySun(SolarData):
    """Noise with one blob whose brightness the network is asked for."""

    title = "tiny test data"
    simulated = True

    count: int = option(40, "training samples", least=0)
    kind: str = option("regression", "task", choices=("regression", "classification"))
    side: bool = option(False, "a side channel of three numbers")
    broken: int = option(-1, "reading this sample of the training split fails")

    @property
    def input_shapes(self):
        return {"image": (16, 16, 2)} | ({"side_channel": (3,)} if self.side else {})

    @property
    def channels(self):
        return (Channel("171", "sdoaia171", "DN/s", True), Channel("magnetogram", "hmimag", "G"))

    @property
    def side_channel_names(self):
        return ("one", "two", "three") if self.side else ()

    @property
    def task(self):
        return self.kind

    @property
    def target_label(self):
        return "brightness of the blob"

    def times(self, split):
        start, count = ("2015-01-01", self.count) if split == "training" else ("2016-01-01", 13)
        return numpy.datetime64(start, "s") + numpy.arange(count) * numpy.timedelta64(3600, "s")

    def brightness(self, time):
        return float(numpy.random.default_rng(time.astype("int64")).uniform(0, 2))

    def inputs(self, time):
        from tools.errors import UserError

        if 0 <= self.broken < self.count and time == self.times("training")[self.broken]:
            raise UserError(f"{time}.fits: is damaged")
        random = numpy.random.default_rng(time.astype("int64"))
        brightness = random.uniform(0, 2)
        image = random.normal(0, 0.1, (16, 16, 2)).astype("float32") + 5
        row, column = random.integers(3, 13, 2)
        image[row - 2 : row + 2, column - 2 : column + 2] += brightness * 10
        inputs = {"image": image}
        return inputs | ({"side_channel": random.normal(size=3).astype("float32")} if self.side else {})

    def target(self, time):
        value = self.brightness(time)
        return float(value > 1) if self.kind == "classification" else value

    def truth(self, time):
        return self.target(time), self.target(time - numpy.timedelta64(3600, "s"))

    def read_image(self, path):
        return {"image": numpy.load(path, allow_pickle=False)}

    def is_downloaded(self):
        return Availability(("memory",), self.count + 13)
