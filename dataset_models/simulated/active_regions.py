"""Active regions of the simulated Sun: bipoles that emerge, grow, rotate past and decay.

The same seed gives the same regions whatever span is asked for. The observer sits in the plane of the solar equator
at one astronomical unit: there is no B0 tilt.

Sources of the numbers: differential rotation of magnetic features after Snodgrass (1983); butterfly latitudes, Joy's
tilt and Hale's polarities as in van Driel-Gesztelyi & Green (2015, Living Reviews in Solar Physics 12, 1); the
measure of flux near polarity inversion lines after Schrijver (2007, ApJ 655, L117).
"""

import dataclasses
import functools

import numpy

from dataset_models.images.geometry import SOLAR_RADIUS, rotation_rate

ACTIVITIES = ("natural", "clear cut")
PEAK_FIELD = 300.0  # Gauss, radial, at the centre of a leading polarity smoothed over plage and spots
CENTIMETRES_PER_DEGREE = 100 * SOLAR_RADIUS * numpy.pi / 180  # along a great circle of the photosphere
INVERSION_LINE_FIELD = 100.0  # Gauss on both sides of an inversion line, for it to count
INVERSION_LINE_WIDTH = 1.235  # degrees: 15 Mm, full width at half maximum of the weight around a line

FOLLOWER_WIDTH = 1.2  # in units of the leader's
LARGEST_FLIP = 0.33  # share of the leading spot's flux that has the wrong sign, at complexity 1
LINE_SHARPNESS = 0.3  # degrees

_BLOCK = 30.0  # days of regions drawn from one random stream
_LONGEST_LIFE = 45.0  # days
_CYCLE_MINIMUM = 14222.0  # days since 1970: 2008-12-09, when cycle 24 began
_CYCLE_LENGTH = 11.0 * 365.25
_MOST_PER_DAY = 0.55  # regions that emerge on the whole Sun at maximum
_CLEAR_CUT_PER_DAY = 0.05  # complex regions of the clear-cut activity
_FLUX_RANGE = (4e21, 6e22)  # Mx, total unsigned, at a region's height


def to_days(times):
    """Convert ``datetime64`` times to days since 1970-01-01: float64."""
    return numpy.asarray(times, "datetime64[s]").astype("int64") / 86400.0


def solar_cycle(days):
    """Compute cycle number, phase (0 to 1) and activity (0.06 to 1) at times in days since 1970."""
    count = (numpy.asarray(days, "float64") - _CYCLE_MINIMUM) / _CYCLE_LENGTH
    cycle = numpy.floor(count)
    phase = count - cycle
    # Rises faster than it falls: the maximum is at 0.43 of the cycle.
    activity = 0.06 + 0.94 * numpy.sin(numpy.pi * phase**0.82) ** 2
    return (24 + cycle).astype("int64"), phase, activity


@dataclasses.dataclass(frozen=True)
class Regions:
    """Active regions at one time: arrays of shape (n,), float64 unless stated otherwise.

    Attributes
    ----------
    number : numpy.ndarray
        int64, unique for a seed; the loops and the flares of a region depend on it.
    latitude, longitude : numpy.ndarray
        Stonyhurst heliographic degrees of the centre, longitude in [-180, 180), west positive.
    tilt : numpy.ndarray
        Degrees by which the leading polarity is nearer the equator.
    polarity : numpy.ndarray
        Sign of the leading polarity, -1 or 1.
    side : numpy.ndarray
        -1 or 1: which side of the leading spot is turned over, in a complex region.
    size : numpy.ndarray
        Gaussian width of the leading polarity, degrees.
    separation : numpy.ndarray
        Between the two polarities, degrees.
    complexity : numpy.ndarray
        0 for a simple bipole, 1 when a third of the leading spot has the following polarity.
    flux : numpy.ndarray
        Total unsigned flux, Mx.
    inversion_line_flux : numpy.ndarray
        Unsigned flux near strong polarity inversion lines, Mx: what decides the flare rate. See `inversion_line_flux`.
    """

    number: numpy.ndarray
    latitude: numpy.ndarray
    longitude: numpy.ndarray
    tilt: numpy.ndarray
    polarity: numpy.ndarray
    side: numpy.ndarray
    size: numpy.ndarray
    separation: numpy.ndarray
    complexity: numpy.ndarray
    flux: numpy.ndarray
    inversion_line_flux: numpy.ndarray

    def __len__(self):
        return len(self.number)

    @property
    def angle(self):
        """Heliocentric angle from the centre of the disk, degrees."""
        cosine = numpy.cos(numpy.radians(self.latitude)) * numpy.cos(numpy.radians(self.longitude))
        return numpy.degrees(numpy.arccos(cosine))

    @property
    def area(self):
        """Area where the radial field exceeds half its peak, both polarities: millionths of the hemisphere."""
        square_degrees = 2 * numpy.pi * numpy.log(2) * self.size**2 * (1 + FOLLOWER_WIDTH**2)
        return square_degrees / (2 * numpy.pi * numpy.degrees(1) ** 2) * 1e6

    def take(self, which):
        """Select regions by a mask or by indices."""
        return Regions(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    def without(self, numbers):
        """Select all regions but those of the given numbers."""
        return self.take(~numpy.isin(self.number, numbers))


def one_region(*, latitude=15.0, longitude=0.0, flux=1.5e22, complexity=0.0, number=1, tilt=None, polarity=-1, ratio=5.0):
    """Make a single region of the given properties, to examine how a network depends on each: `Regions`.

    Parameters
    ----------
    latitude, longitude : float
        Stonyhurst degrees.
    flux : float
        Total unsigned flux, Mx.
    complexity : float
        0 to 1.
    number : int
        Decides how its loops are laid.
    tilt : float, optional
        Degrees; half the latitude when not given, as Joy's law has it.
    polarity : int
        Sign of the leading polarity.
    ratio : float
        Separation of the polarities in units of the size.
    """
    size = size_of(flux / (1 - LARGEST_FLIP * complexity))
    tilt = 0.5 * abs(latitude) if tilt is None else tilt
    near_line = inversion_line_flux(size, complexity)
    values = [number, latitude, longitude, tilt, polarity, 1, size, ratio * size, complexity, flux, near_line]
    return Regions(
        *(numpy.atleast_1d(numpy.asarray(value, "int64" if i == 0 else "float64")) for i, value in enumerate(values))
    )


def size_of(flux):
    """Compute the Gaussian width (degrees) of the leading polarity of a simple region from its unsigned flux (Mx)."""
    return numpy.sqrt(numpy.asarray(flux, "float64") / (4 * numpy.pi * PEAK_FIELD)) / CENTIMETRES_PER_DEGREE


def radial_field(along, across, size, separation, complexity, side):
    """Compute the radial field of a region with a positive leading polarity.

    Parameters
    ----------
    along, across : array_like
        Degrees from the region's centre: along its axis towards the leader, and across.
    size, separation, complexity, side : array_like
        As in `Regions`; anything that broadcasts.

    Returns
    -------
    numpy.ndarray
        Gauss.

    Notes
    -----
    Two Gaussian polarities of equal flux. In a complex region part of the leading spot, cut off by a sharp inversion
    line, has the following sign (a delta configuration), and the follower is weaker by as much.
    """
    flipped = LARGEST_FLIP * complexity
    aside, ahead = across * side, along - separation / 2
    leader = numpy.exp((ahead**2 + aside**2) / (-2 * size**2))
    # The line runs obliquely through the leader; what lies beyond it, towards the follower, is turned over.
    beyond = 0.8 * aside - 0.6 * ahead - line_offset(complexity) * size
    leader *= -numpy.tanh(beyond / LINE_SHARPNESS)
    behind = along + separation / 2
    follower = numpy.exp((behind**2 + across**2) / (-2 * (FOLLOWER_WIDTH * size) ** 2))
    return PEAK_FIELD * (leader - (1 - 2 * flipped) / FOLLOWER_WIDTH**2 * follower)


def line_offset(complexity):
    """Compute how far from the leader's centre the inversion line runs, in units of the size."""
    from scipy import special

    return special.ndtri(1 - numpy.maximum(LARGEST_FLIP * complexity, 1e-9))


def measure_inversion_line_flux(field, spacing):
    """Measure the unsigned flux near the strong inversion lines of a radial field on a grid.

    Parameters
    ----------
    field : numpy.ndarray
        Gauss, shape (n, m).
    spacing : float
        Of the grid, degrees of the photosphere.

    Returns
    -------
    float
        Mx.

    Notes
    -----
    Schrijver's R: areas above a threshold of either polarity, dilated, overlap at the line; the overlap, blurred, weighs
    the unsigned field. We use 100 G and a field smoothed over some Mm, he 150 G and MDI's pixels; the weight is 1 at
    the middle of a line and not above.
    """
    from scipy import ndimage

    steps = max(1, round(0.4 / spacing))
    near = [ndimage.maximum_filter(sign * field > INVERSION_LINE_FIELD, 2 * steps + 1) for sign in (1, -1)]
    line = (near[0] & near[1]).astype("float64")
    weight = numpy.minimum(1, ndimage.gaussian_filter(line, INVERSION_LINE_WIDTH / 2.3548 / spacing))
    return float((weight * numpy.abs(field)).sum() * (spacing * CENTIMETRES_PER_DEGREE) ** 2)


def inversion_line_flux(size, complexity):
    """Estimate the unsigned flux near the inversion lines of regions, Mx: interpolated in a table of measured ones.

    Parameters
    ----------
    size : array_like
        Gaussian width of the leading polarity, degrees.
    complexity : array_like
        0 to 1.

    Returns
    -------
    numpy.ndarray
        float64, of the broadcast shape.
    """
    from scipy import interpolate

    sizes, complexities, table = _inversion_line_table()
    size, complexity = numpy.broadcast_arrays(numpy.asarray(size, "float64"), numpy.asarray(complexity, "float64"))
    points = numpy.stack([numpy.clip(size, sizes[0], sizes[-1]), numpy.clip(complexity, 0, 1)], -1)
    # Below the smallest tabulated region the flux falls with the area.
    return interpolate.interpn((sizes, complexities), table, points) * numpy.minimum(1, size / sizes[0]) ** 2


@functools.lru_cache(maxsize=1)
def _inversion_line_table():
    sizes = numpy.array([0.3, 0.45, 0.65, 0.9, 1.2, 1.6, 2.1, 2.7, 3.4])
    complexities = numpy.linspace(0, 1, 17)
    table = numpy.empty((len(sizes), len(complexities)))
    for i, size in enumerate(sizes):
        # A simple bipole's own line lies in weak field (see the range of ratios in `_emerge`): the leader is enough.
        separation = 5 * size
        across, along = numpy.mgrid[-3.2 * size : 3.2 * size : 0.1, -0.7 * size : 5.7 * size : 0.1]
        for j, complexity in enumerate(complexities):
            table[i, j] = measure_inversion_line_flux(radial_field(along, across, size, separation, complexity, 1.0), 0.1)
    return sizes, complexities, table


def _smooth_step(value):
    value = numpy.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


class Population:
    """Every region that lives during a span, and its evolution.

    Parameters
    ----------
    seed : int
    start, end : datetime64
        The span, UTC.
    activity : str
        ``"natural"``: sizes of all kinds, complexity that comes and goes. ``"clear cut"``: simple regions that never
        flare and, now and then, a complex one that flares many times a day for as long as it is in view: a Sun on which
        the forecast is almost certain, to test explanations with.
    """

    def __init__(self, seed, start, end, *, activity="natural"):
        self.activity = activity
        first = int((to_days(start) - _LONGEST_LIFE) // _BLOCK)
        last = int(to_days(end) // _BLOCK)
        blocks = [_emerge(seed, block, activity) for block in range(first, last + 1)]
        for name in blocks[0]:
            setattr(self, name, numpy.concatenate([block[name] for block in blocks]))
        relevant = (self.ends > to_days(start)) & (self.born < to_days(end))
        for name in blocks[0]:
            setattr(self, name, getattr(self, name)[relevant])

    def __len__(self):
        return len(self.number)

    def at(self, time):
        """Select the `Regions` alive at a time (``datetime64``), on both sides of the Sun."""
        days = to_days(time)
        which = numpy.flatnonzero((self.born <= days) & (days < self.ends))
        return self.evolve(which, numpy.full(len(which), days))

    def evolve(self, which, days):
        """Evolve the regions of the indices `which` (n,), each to its own time `days` (n,): `Regions`."""
        age = days - self.born[which]
        life = (self.ends - self.born)[which]
        rise = self.rise[which]
        envelope = _smooth_step(age / rise) * _smooth_step((life - age) / (0.15 * life))
        flux = self.peak_flux[which] * envelope * numpy.exp(-numpy.maximum(0, age - rise) / self.decay[which])
        came = _smooth_step((age - self.complex_from[which]) / 1.5)
        left = _smooth_step((self.complex_until[which] - age) / 2.0)
        complexity = self.peak_complexity[which] * came * left
        size = size_of(flux)
        # The follower of a complex region is weaker by what the leading spot lends it.
        flux = flux * (1 - LARGEST_FLIP * complexity)
        longitude = self.longitude_at_birth[which] + rotation_rate(self.latitude[which]) * age
        return Regions(
            number=self.number[which],
            latitude=self.latitude[which],
            longitude=(longitude + 180) % 360 - 180,
            tilt=self.tilt[which],
            polarity=self.polarity[which],
            side=self.side[which],
            size=size,
            separation=self.ratio[which] * size,
            complexity=complexity,
            flux=flux,
            inversion_line_flux=inversion_line_flux(size, complexity),
        )


def _emerge(seed, block, activity):
    """Draw the properties of the regions that emerge in one block of days: dict of arrays (n,)."""
    clear_cut = activity == "clear cut"
    generator = numpy.random.default_rng([seed, 1, block, int(clear_cut)])
    middle = (block + 0.5) * _BLOCK
    simple = generator.poisson(_BLOCK * _MOST_PER_DAY * solar_cycle(middle)[2])
    loud = generator.poisson(_BLOCK * _CLEAR_CUT_PER_DAY) if clear_cut else 0
    n = simple + loud
    certain = numpy.arange(n) >= simple
    born = _BLOCK * (block + generator.random(n))
    cycle, phase, _ = solar_cycle(born)
    hemisphere = generator.choice([-1.0, 1.0], n)
    latitude = hemisphere * numpy.clip(28 - 21 * phase + 4 * generator.standard_normal(n), 2, 42)
    low, high = _FLUX_RANGE
    flux = low * (1 - generator.random(n) * (1 - (low / high) ** 0.8)) ** (-1 / 0.8)  # a power law, cut off
    rise = 1.0 + 2.5 * generator.random(n)
    decay = 4 + 9 * numpy.sqrt(flux / 2e22) * (0.6 + 0.8 * generator.random(n))
    life = numpy.minimum(rise + 1.8 * decay, _LONGEST_LIFE)
    becomes_complex = generator.random(n) < 0.45
    peak_complexity = numpy.where(becomes_complex, 0.45 + 0.55 * generator.random(n), 0.15 * generator.random(n))
    complex_from = rise * generator.random(n)
    complex_until = complex_from + 5 + 10 * generator.random(n)
    tilt = 0.5 * numpy.abs(latitude) + 8 * generator.standard_normal(n)
    ratio = 4.2 + 1.4 * generator.random(n)
    longitude = 360 * generator.random(n) - 180
    side = generator.choice([-1.0, 1.0], n)
    if clear_cut:
        peak_complexity = numpy.where(certain, 1.0, 0.0)
        complex_from, complex_until = numpy.full(n, -2.0), numpy.full(n, 2 * _LONGEST_LIFE)
        # These come into view full-grown and go out of view before they end.
        flux = numpy.where(certain, 1.2e22 * 3 ** generator.random(n), flux)
        longitude = numpy.where(certain, -145 + 10 * generator.random(n), longitude)
        rise, life = numpy.where(certain, 3.0, rise), numpy.where(certain, 24.0, life)
        decay = numpy.where(certain, 60.0, decay)
    # Leading polarities of the north are negative in even cycles.
    polarity = hemisphere * numpy.where(cycle % 2 == 0, -1.0, 1.0)
    return {
        "number": block * 100 + numpy.arange(n),
        "born": born,
        "ends": born + life,
        "rise": rise,
        "decay": decay,
        "latitude": latitude,
        "longitude_at_birth": longitude,
        "tilt": tilt,
        "polarity": polarity,
        "side": side,
        "ratio": ratio,
        "peak_flux": flux,
        "peak_complexity": peak_complexity,
        "complex_from": complex_from,
        "complex_until": complex_until,
    }
