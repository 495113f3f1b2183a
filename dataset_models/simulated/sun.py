"""A simulated Sun: no download, repeatable, and the region that flares is known. These are not observations.

What it simulates, and where its numbers come from: `dataset_models.simulated.active_regions` (regions and their
evolution), ``.rendering`` (images) and ``.flares`` (X-ray flux). ``sun.ground_truth`` holds what observations never show.
`dataset_models.simulated.archive` writes the same Sun as files in the formats of the real archives.
"""

import dataclasses
import functools
import pathlib
import re

import numpy

from dataset_models import simulation_mark
from dataset_models.flares import flare_marks
from dataset_models.flux_series import FluxSeries
from dataset_models.images import soundness
from dataset_models.images.geometry import FRAME, SOLAR_RADIUS
from dataset_models.observation_times import given_time
from dataset_models.simulated.active_regions import ACTIVITIES, Population
from dataset_models.simulated.flares import XRays
from dataset_models.simulated.ground_truth import GroundTruth
from dataset_models.simulated.rendering import AIA_CHANNELS, LIMB, Renderer
from dataset_models.solar_data import Availability, Channel
from dataset_models.xray_flux_data import DURATIONS, XRayFluxData
from tools.errors import UserError
from tools.options import option
from tools.reading import arrays

PLACES = 6  # regions, the strongest, that figures name
CHANNEL_SETS = {"aia": "AIA_08", "hmi": "HMI_01", "both": "AIA_HMI_09"}
MAGNETOGRAMS = {unit: Channel("magnetogram", "hmimag", words) for unit, words in (("G", "G"), ("grey", "grey level (0 to 1)"))}

_IMAGE_NAME = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)_(AIA_08|HMI_01|AIA_HMI_09)_(\d+)_(\d+)\.dat")
_BEHIND_THE_LIMB = 125.0  # degrees: what is farther does not come into view within a day
_IMAGE_NOISE, _TARGET_NOISE = 1001, 1002  # of random streams of their own
_MARGIN = numpy.timedelta64(2, "D")  # of flux before the first image and after the last one


@dataclasses.dataclass(kw_only=True)
class SimulatedSun(XRayFluxData):
    """X-ray flux of a simulated Sun from its images.

    The default is a sample a day over four years around the maximum of a cycle.

    Some options make it a test of the training itself, as FlareNet's synthetic data were: channels of nothing but noise, which
    a network must learn to leave out; another scale of the signal; noise of known size in the target, below which no loss on
    the training split can fall without memorising; fewer samples. None of them changes the truth that forecasts are scored
    against.

    Examples
    --------
    >>> sun = SimulatedSun(image_size=32, days=20)
    >>> time = sun.times("training")[0]
    >>> sun.inputs(time)["image"].shape, sun.simulated
    ((32, 32, 8), True)
    >>> true, prior = sun.truth(time)  # W m^-2: the largest flux to come, and the flux now
    >>> 1e-9 < prior <= true < 1e-2
    True
    """

    title = "simulated Sun (not observations)"
    simulated = True

    sun_seed: int = option(0, "decides the regions, their flares, the quiet Sun and the noise", least=0, most=2**32 - 1)
    image_size: int = option(128, "pixels on a side", least=16, most=4096)
    channel_set: str = option("aia", "eight AIA channels, an HMI magnetogram, or both", choices=tuple(CHANNEL_SETS))
    start: str = option("2011-01-01", "time of the first image, UTC")
    days: int = option(1461, "days simulated", least=1, most=15_000)
    cadence_minutes: int = option(1440, "minutes between images", least=1, most=527_040)
    activity: str = option(
        "natural", "'clear cut' makes one region in view either flare many times a day or not at all", choices=ACTIVITIES
    )
    flaring_within: float = option(
        180.0,
        "leave out images with a complex region farther than this from the disk centre, degrees, where foreshortening or "
        "the limb hides what it is; 180: none",
        least=10.0,
        most=180.0,
    )
    magnetogram_clip: float = option(256.0, "largest field in a magnetogram, Gauss", least=1.0, most=10_000.0)
    magnetogram_unit: str = option(
        "G",
        "of a magnetogram's pixels: Gauss, or grey levels as full-disk images of HMI have them: 0.5 no field, 0 off the disk",
        choices=tuple(MAGNETOGRAMS),
    )
    noise_channels: int = option(0, "further channels, of noise alone", least=0, most=64)
    noise_scale: float = option(1.0, "standard deviation of the noise channels", least=0.0, most=1e6)
    signal_scale: float = option(1.0, "factor on the other channels", least=0.0, most=1e6)
    target_noise: float = option(
        0.0, "standard deviation of noise added to log10 of the target's flux, dex", least=0.0, most=10
    )
    training_size: int = option(0, "training samples, evenly drawn from all; 0: all", least=0, most=10_000_000)
    validation_size: int = option(0, "validation samples, evenly drawn from all; 0: all", least=0, most=10_000_000)

    def __post_init__(self):
        super().__post_init__()
        if self.target_noise and self.task == "classification":
            raise UserError("--target_noise: is for targets that are fluxes; choose another --dependent_variable than flare")
        if not (numpy.datetime64("1975-01-01") <= self._start <= numpy.datetime64("2099-01-01")):
            raise UserError(f"--start: {self.start} is not between 1975 and 2099")

    @functools.cached_property
    def _start(self):
        return given_time("--start", self.start).astype("datetime64[m]").astype("datetime64[s]")

    # The Sun itself

    @functools.cached_property
    def population(self):
        """Every region of the span: `dataset_models.simulated.active_regions.Population`."""
        begin, end = self._span
        return Population(self.sun_seed, begin, end, activity=self.activity)

    @functools.cached_property
    def xrays(self):
        """Flares and X-ray flux of the span: `dataset_models.simulated.flares.XRays`."""
        return XRays(self.population, self.sun_seed, *self._span)

    @property
    def _span(self):
        return self._start - _MARGIN, self._start + numpy.timedelta64(self.days, "D") + _MARGIN

    @functools.cached_property
    def renderer(self):
        """Draws the images: `dataset_models.simulated.rendering.Renderer`."""
        return Renderer(self.image_size, self.sun_seed)

    @functools.cached_property
    def ground_truth(self):
        """The truth behind the samples: `dataset_models.simulated.ground_truth.GroundTruth`."""
        return GroundTruth(self)

    def regions(self, time):
        """List all regions at a time, those behind the limb too: `dataset_models.simulated.active_regions.Regions`.

        Raises
        ------
        UserError
            The time lies outside the simulated span.
        """
        begin, end = self._span
        if not (begin <= numpy.datetime64(time, "s") < end):
            raise UserError(f"{self.title}: {time} is outside {begin} to {end}; set --start and --days to cover it")
        return self.population.at(time)

    def image_of(self, regions, time):
        """Draw the image that a Sun with the given regions would give at a time.

        Parameters
        ----------
        regions : dataset_models.simulated.active_regions.Regions
        time : datetime64
            Decides the quiet Sun, the noise and the flares in progress.

        Returns
        -------
        numpy.ndarray
            float32 (height, width, channel): DN/s, and for a magnetogram `magnetogram_unit`.
        """
        return self._with_noise(self._in_unit(self.drawn(regions, time)), time)

    def _with_noise(self, image, time):
        """Scale the signal of an image and append the channels of noise, which the time decides."""
        if self.signal_scale != 1:
            image = image * numpy.float32(self.signal_scale)
        if not self.noise_channels:
            return image
        seed = [self.sun_seed, _IMAGE_NOISE, int(numpy.datetime64(time, "s").astype("int64"))]
        shape = (*self.image_shape, self.noise_channels)
        noise = numpy.random.default_rng(seed).standard_normal(shape, "float32") * numpy.float32(self.noise_scale)
        return numpy.concatenate([image, noise], axis=-1)

    # Targets and sizes

    def times(self, split):
        times, wanted = super().times(split), getattr(self, f"{split}_size")
        if not wanted:
            return times
        if wanted > len(times):
            raise UserError(f"--{split}_size {wanted}: there are {len(times)} {split} samples; raise --days")
        return times[numpy.arange(wanted) * len(times) // wanted]

    def target(self, time):
        return float(self._noisy(numpy.atleast_1d(time))[0])

    def targets(self, split):
        return self._noisy(self.times(split)).astype("float32")

    def _noisy(self, times):
        """Return targets in network units, with their noise, which the time of each decides: float64 (n,)."""
        true, prior = self.truths(times)
        if self.target_noise:
            seconds = numpy.asarray(times, "datetime64[s]").astype("int64").tolist()
            draws = [numpy.random.default_rng([self.sun_seed, _TARGET_NOISE, second]).normal() for second in seconds]
            true = true * 10.0 ** (self.target_noise * numpy.array(draws))
        return self._in_network_units(true, prior)

    def drawn(self, regions, time):
        """Draw as `image_of` does, with magnetograms in Gauss (0 off the disk) whatever their unit is here."""
        parts = []
        if self.channel_set != "hmi":
            parts.append(self.renderer.aia(regions, time, flaring=self.xrays.flaring(regions.number, time)))
        if self.channel_set != "aia":
            field = numpy.nan_to_num(self.renderer.magnetogram(regions, time), nan=0.0)
            parts.append(numpy.clip(field, -self.magnetogram_clip, self.magnetogram_clip)[..., None])
        return parts[0] if len(parts) == 1 else numpy.concatenate(parts, axis=-1)

    def _in_unit(self, image):
        """Convert an image whose magnetogram, the last channel if any, is in Gauss."""
        if self.channel_set != "aia" and self.magnetogram_unit == "grey":
            image = image.copy()
            grey = (image[..., -1] + self.magnetogram_clip) / (2 * self.magnetogram_clip)
            image[..., -1] = numpy.where(self.renderer.on_disk, grey, 0)
        return image

    def flare_marks(self, split, grid=None):
        """List the flares of C1.0 and above that peak in each window: how strong, and where their region is in the image.

        Parameters
        ----------
        split : str
        grid : tuple of int, optional
            (height, width) of the map whose cells are the places; by default that of the image.

        Returns
        -------
        numpy.ndarray
            float32 (n, k, 2) as of `dataset_models.flares.flare_marks.packed`, with the places of
            `dataset_models.flares.flare_marks.places_on_map`.

        Notes
        -----
        The class is that of the flux at the peak, all sources together, as GOES's. A window in which the flux only decays from
        an earlier flare has the event and no mark.
        """
        grid = grid or self.image_shape
        flares, marks = self.xrays.flares, []
        opens, closes = (DURATIONS[self.lag].astype("timedelta64[s]"), (DURATIONS[self.lag] + DURATIONS[self.catch]))
        minute = (flares.peak_time - self.flux_series.start.astype("datetime64[s]")) // numpy.timedelta64(60, "s")
        minute = minute.astype("int64").clip(0, len(self.flux_series) - 1)
        magnitude = flare_marks.magnitudes(self.flux_series.flux[minute])
        for time in self.times(split):
            first, last = numpy.searchsorted(flares.peak_time, [time + opens, time + closes])
            inside = first + numpy.flatnonzero(magnitude[first:last] >= 0)
            days = (flares.peak_time[inside] - time) / numpy.timedelta64(1, "D")
            where = (flares.longitude[inside], flares.latitude[inside], days)
            places = flare_marks.places_on_map(image_header(self.image_size, time), self.image_shape, grid, *where)
            marks.append((magnitude[inside], places))
        return flare_marks.packed(marks)

    # What XRayFluxData needs

    @property
    def channels(self):
        aia = tuple(Channel(name, f"sdoaia{name}", "DN/s", True) for name in AIA_CHANNELS)
        magnetogram = MAGNETOGRAMS[self.magnetogram_unit]
        noise = tuple(Channel(f"noise {number}", unit="noise") for number in range(1, self.noise_channels + 1))
        return {"aia": aia, "hmi": (magnetogram,), "both": (*aia, magnetogram)}[self.channel_set] + noise

    @property
    def image_shape(self):
        return (self.image_size, self.image_size)

    @functools.cached_property
    def flux_series(self):
        return FluxSeries(self._span[0], self.xrays.flux, calibration="simulated")

    def image_times(self):
        count = self.days * 1440 // self.cadence_minutes
        times = self._start + numpy.arange(max(1, count)) * numpy.timedelta64(60 * self.cadence_minutes, "s")
        if self.flaring_within >= 180:
            return times
        kept = times[[not self._hides_flaring(time) for time in times]]
        if len(kept) == 0:
            raise UserError(f"--flaring_within {self.flaring_within:g}: leaves no image; raise it, or --days")
        return kept

    def _hides_flaring(self, time):
        """Check whether a complex region is beyond `flaring_within` and can flare within a day in view of the observer."""
        regions = self.regions(time)
        complex_ones = regions.complexity > 0.05
        if not complex_ones.any():
            return False
        cosine = numpy.cos(numpy.radians(regions.latitude)) * numpy.cos(numpy.radians(regions.longitude))
        angle = numpy.degrees(numpy.arccos(numpy.clip(cosine[complex_ones], -1, 1)))
        return bool(((angle > self.flaring_within) & (angle < _BEHIND_THE_LIMB)).any())

    def _has_earlier_images(self, times):
        # Any time can be drawn; the earliest image of a composite must lie within the span.
        reach = (self.images - 1) * numpy.timedelta64(self.image_interval, "m")
        return times - reach >= self._span[0]

    def image(self, time):
        return self.image_of(self.regions(time), time)

    def metadata(self, time):
        return super().metadata(time) | {"simulated": "yes"}

    def is_downloaded(self):
        return Availability(looked_in=("memory: simulated on demand",), found=0)

    # Images as files

    def image_name(self, time):
        """Return the name of the file that holds the image of a time, as `read_image` takes it."""
        stamp = str(numpy.datetime64(time, "m")).replace("-", "").replace("T", "_").replace(":", "")
        return f"{stamp}_{CHANNEL_SETS[self.channel_set]}_{self.image_size}_{self.image_size}.dat"

    def read_image(self, path):
        """Read an image that the simulated Sun wrote: see `dataset_models.simulated.archive.write_image`."""
        path = pathlib.Path(path)
        time = self._time_of(path)
        image = arrays.read_array(path)
        expected = (*self.image_shape, len(self.channels) - self.noise_channels)
        if image.ndim == 2 and image.shape == (expected[0] * expected[1], expected[2]):
            image = image.reshape(expected)
        if image.shape[-1:] != expected[-1:]:
            received = image.shape[-1] if image.ndim else 0
            raise UserError(f"{path}: expected {expected[-1]} channels, received {received}; set --channel_set")
        if image.shape != expected:
            received = " x ".join(map(str, image.shape))
            raise UserError(f"{path}: expected {' x '.join(map(str, expected))} values, received {received}; set --image_size")
        image = image.astype("float32")
        soundness.require_image(image, path)
        self.regions(time)  # refuses times outside the span
        return self._around(self._with_noise(self._in_unit(image[::-1]), time), time)

    def _time_of(self, path):
        match = _IMAGE_NAME.fullmatch(path.name)
        if match is None:
            raise UserError(
                f"{path}: not an image of the simulated Sun; its name reads like {self.image_name(self._start)} "
                "(python dataset_models/simulated/archive.py writes them)"
            )
        year, month, day, hour, minute = match.groups()[:5]
        try:
            return numpy.datetime64(f"{year}-{month}-{day}T{hour}:{minute}", "s")
        except ValueError as error:
            raise UserError(f"{path}: its name holds no time that exists") from error

    def image_time(self, path):
        return self._time_of(pathlib.Path(path))

    def image_header(self, path):
        return self.header(self.image_time(path))

    def header(self, time):
        """Make the FITS header of the image of a time, for the array in FITS order (row 0 southernmost): `astropy` Header."""
        return image_header(self.image_size, time)

    def places(self, time):
        table = self.ground_truth.regions(time).nlargest(PLACES, "flux")
        return tuple((f"region {row.number}", float(row.longitude), float(row.latitude)) for row in table.itertuples())


def image_header(size, time):
    """Make the FITS header of a simulated image: helioprojective coordinates as seen from one astronomical unit, no B0 tilt.

    Parameters
    ----------
    size : int
        Pixels on a side.
    time : datetime64

    Returns
    -------
    astropy.io.fits.Header
    """
    from astropy.io import fits

    header = fits.Header()
    header["DATE-OBS"] = str(numpy.datetime64(time, "s"))
    header["ORIGIN"] = "simulated Sun"
    header[simulation_mark.KEYWORD] = (True, simulation_mark.WORDS)
    for axis, kind in ((1, "HPLN-TAN"), (2, "HPLT-TAN")):
        header[f"CTYPE{axis}"] = kind
        header[f"CUNIT{axis}"] = "arcsec"
        header[f"CRPIX{axis}"] = (size + 1) / 2
        header[f"CRVAL{axis}"] = 0.0
        header[f"CDELT{axis}"] = (FRAME / size, "arcsec")
    header["CROTA2"] = 0.0
    header["RSUN_REF"] = SOLAR_RADIUS
    header["RSUN_OBS"] = (LIMB, "arcsec")
    header["DSUN_OBS"] = 149597870700.0
    header["HGLN_OBS"] = 0.0
    header["HGLT_OBS"] = 0.0
    header.add_comment("Simulated data: not an observation of the Sun.")
    return header
