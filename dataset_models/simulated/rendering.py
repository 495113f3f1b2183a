"""Pictures of the simulated Sun: eight AIA-like channels and a line-of-sight magnetogram from one state.

The disk is limb-darkened in 1600 and limb-brightened in the EUV. Regions carry coronal loops that stand above the
surface, so they are seen before they come round the limb; plage at their feet; and, over their inversion lines, a hot
core whose brightness grows with the flux near those lines. Network, coronal holes and quiet corona rotate
differentially and are renewed every rotation.

Projection is orthographic: at one astronomical unit it differs from the true one by less than half a pixel of AIA's
synoptic images.
"""

import dataclasses
import functools

import numpy

from dataset_models.images.geometry import FRAME, rotation_rate
from dataset_models.simulated import active_regions

AIA_CHANNELS = ("94", "131", "171", "193", "211", "304", "335", "1600")
LIMB = 959.63  # arcsec from the centre at one astronomical unit (Auwers 1891): where the limb is seen
BRIGHTEST = 5600.0  # DN/s: 16 bits of AIA's analogue converter in its usual 2.9 s
MAGNETOGRAM_NOISE = 8.0  # Gauss

_LOOPS, _CORE_LOOPS = 18, 8  # of each region
_PATCH = 0.02  # solar radii
_RENEWAL = 27.2753  # days
_TEXTURE = (360, 720)  # latitudes, longitudes: half a degree


@dataclasses.dataclass(frozen=True)
class _Look:
    """How a channel responds: the quiet disk, its limb, what textures and regions do to it.

    Loops and cores are given in DN/s that a region would have if all their light fell on a square of side `_PATCH`.
    """

    quiet: float  # DN/s at the disk centre
    limb: float  # limb brightening in the EUV; darkening where negative
    above: float  # brightness just above the limb, relative to the quiet disk
    height: float  # scale height above the limb, solar radii
    corona: float  # contrast of the large-scale corona
    network: float  # contrast of the network
    loops: float  # of a region of 1e22 Mx
    core: float  # of a region with 5e20 Mx near inversion lines
    plage: float  # DN/s of plage of full strength


# Levels are of the order of AIA's in its first years; 94 and 131 are dark but for the hot cores.
_LOOKS = {
    "94": _Look(1.2, 0.4, 1.1, 0.09, 0.35, 0.05, 2.5, 45.0, 0.3),
    "131": _Look(5.0, 0.5, 1.1, 0.06, 0.3, 0.12, 25.0, 60.0, 5.0),
    "171": _Look(170.0, 0.8, 1.2, 0.05, 0.35, 0.14, 1800.0, 150.0, 300.0),
    "193": _Look(190.0, 0.8, 1.1, 0.08, 0.75, 0.12, 1700.0, 700.0, 200.0),
    "211": _Look(60.0, 0.8, 1.1, 0.09, 0.8, 0.08, 750.0, 300.0, 70.0),
    "304": _Look(35.0, 0.35, 1.0, 0.025, 0.2, 0.4, 70.0, 60.0, 120.0),
    "335": _Look(2.5, 0.6, 1.1, 0.10, 0.5, 0.08, 26.0, 45.0, 3.0),
    "1600": _Look(60.0, -0.6, 0.02, 0.004, 0.0, 0.25, 0.0, 8.0, 130.0),
}
_FLARE_CORE = 12.0  # cores' worth of light that a flare of M1.0 adds


class Renderer:
    """Draws the simulated Sun in square images, row 0 north and west right.

    Parameters
    ----------
    size : int
        Pixels on a side. The field of view is that of AIA's synoptic images.
    seed : int
        Of the quiet Sun, of the loops and of the noise.

    Attributes
    ----------
    radius : float
        Of the Sun in pixels.
    on_disk : numpy.ndarray
        Bool (size, size).
    """

    def __init__(self, size, seed):
        self.size = size
        self.seed = seed
        self.radius = LIMB / FRAME * size
        middle = (size - 1) / 2
        offset = ((numpy.arange(size) - middle) / self.radius).astype("float32")
        self._x, self._y = numpy.meshgrid(offset, -offset)  # west, north
        distance = numpy.hypot(self._x, self._y)
        self.on_disk = distance <= 1
        self._depth = numpy.sqrt(numpy.maximum(0, 1 - distance**2))  # towards the observer; also the cosine to the normal
        # Beyond the limb the corona of the nearest point of the limb is drawn.
        beyond = numpy.maximum(distance, 1)
        self._latitude = numpy.degrees(numpy.arcsin(numpy.clip(self._y / beyond, -1, 1)))
        self._longitude = numpy.degrees(numpy.arctan2(self._x / beyond, self._depth))
        self._rate = rotation_rate(self._latitude).astype("float32")
        height = _TEXTURE[0]
        row = (90 - self._latitude) * (height / 180) - 0.5
        self._row = numpy.clip(row, 0, height - 1).astype("float32")
        self._looks = list(_LOOKS.values())
        self._quiet, self._corona, self._network = self._quiet_sun(distance)
        # Light of loops is given per this many pixels: they keep their surface brightness at any size of image.
        self._patch = (_PATCH * self.radius) ** 2
        self._loop_points = int(numpy.clip(0.4 * self.radius, 14, 160))
        self._blur = max(0.7, 0.0075 * self.radius)

    def _quiet_sun(self, distance):
        """Compute the brightness of the quiet Sun, and how the two textures change it: float32 (size, size, 8) each."""
        shape = (self.size, self.size, len(self._looks))
        quiet, corona, network = (numpy.zeros(shape, "float32") for _ in range(3))
        cosine = numpy.maximum(self._depth, 0.15)
        for channel, look in enumerate(self._looks):
            disk = 1 + (look.limb * (1 - self._depth) if look.limb < 0 else look.limb * 0.2 * (1 / cosine - 1))
            above = look.above * (1 + max(look.limb, 0)) * numpy.exp(-numpy.maximum(0, distance - 1) / look.height)
            quiet[..., channel] = look.quiet * numpy.where(self.on_disk, disk, above)
            corona[..., channel] = look.quiet * look.corona * numpy.where(self.on_disk, disk, above)
            network[..., channel] = look.quiet * look.network * numpy.where(self.on_disk, 0.3 + 0.7 * self._depth, 0)
        return quiet, corona, network

    @functools.cached_property
    def _textures(self):
        """Large-scale corona, network and quiet field on the sphere: float32 (latitude, longitude, 3)."""
        generator = numpy.random.default_rng([self.seed, 3])
        height, width = _TEXTURE
        latitude = 90 - (numpy.arange(height) + 0.5) * 180 / height
        stretch = numpy.minimum(1 / numpy.cos(numpy.radians(latitude)), 12)[:, None]
        across, around = numpy.fft.fftfreq(2 * height)[:, None], numpy.fft.rfftfreq(width)

        def blurred(cells):
            """Noise of unit variance blurred over so many half degrees of great circle, whatever the latitude."""
            # Blurred in latitude over twice the height: its wrap-around stays away from the poles' rows.
            noise = numpy.fft.rfft2(generator.standard_normal((2 * height, width)))
            noise = numpy.fft.ifft(noise * numpy.exp(-2 * (numpy.pi * cells * across) ** 2), axis=0)[:height]
            noise = numpy.fft.irfft(noise * numpy.exp(-2 * (numpy.pi * cells * stretch * around) ** 2), width, axis=1)
            noise *= numpy.sqrt(stretch)
            return noise / noise[height // 4 : -height // 4].std()

        corona = numpy.tanh(0.6 * blurred(24) + 0.45 * blurred(10) + 0.3 * blurred(4))
        # Coronal holes cover the poles, where longitudes meet.
        polar = numpy.clip((numpy.abs(latitude) - 55) / 20, 0, 1)[:, None]
        corona = corona * (1 - polar) - 0.6 * polar
        cells = blurred(2.2)
        network = numpy.exp(0.7 * cells) * (1 + 0.3 * blurred(1))
        field = numpy.sign(blurred(3)) * numpy.maximum(0, numpy.abs(blurred(1.3)) - 1.2) * 40 * numpy.maximum(0, 0.6 + cells)
        return numpy.stack([corona, network - network.mean(), field], -1).astype("float32")

    def _surface(self, days):
        """Draw the textures as seen at a time: float32 (size, size, 3)."""
        epoch = numpy.floor(days / _RENEWAL)
        share = days / _RENEWAL - epoch
        result = 0
        # Two generations fade into each other; each starts unsheared, at a longitude and hemisphere of its own.
        for generation, weight in ((epoch, 1 - share), (epoch + 1, share)):
            turn, flip = numpy.random.default_rng([self.seed, 4, int(generation)]).random(2)
            elapsed = numpy.float32(days - generation * _RENEWAL)
            column = (self._longitude - self._rate * elapsed + numpy.float32(360 * turn)) * numpy.float32(_TEXTURE[1] / 360)
            textures = self._textures[::-1] if flip < 0.5 else self._textures
            # Blending lowers the contrast of uncorrelated patterns by the root of the sum of squares; made up for here.
            scale = numpy.float32(weight / numpy.sqrt(share**2 + (1 - share) ** 2))
            result = result + scale * self._sample(textures, column)
        return result

    def _sample(self, textures, column):
        width = _TEXTURE[1]
        left = numpy.floor(column)
        if self.size <= 256:
            return textures[self._row.astype("int32"), left.astype("int32") % width]
        above = numpy.floor(self._row)
        top = above.astype("int32")
        below = numpy.minimum(top + 1, _TEXTURE[0] - 1)
        down, right = (self._row - above)[..., None], (column - left)[..., None]
        first, second = left.astype("int32") % width, (left.astype("int32") + 1) % width
        upper = textures[top, first] * (1 - right) + textures[top, second] * right
        lower = textures[below, first] * (1 - right) + textures[below, second] * right
        return upper * (1 - down) + lower * down

    # Regions

    def _frame(self, regions):
        """Compute unit vectors (n, 3) in (west, north, towards us): centre, along the axis to the leader, across it."""
        latitude, longitude, tilt = (numpy.radians(angle) for angle in (regions.latitude, regions.longitude, regions.tilt))
        sin_b, cos_b, sin_l, cos_l = numpy.sin(latitude), numpy.cos(latitude), numpy.sin(longitude), numpy.cos(longitude)
        centre = numpy.stack([cos_b * sin_l, sin_b, cos_b * cos_l], -1)
        west = numpy.stack([cos_l, numpy.zeros_like(cos_l), -sin_l], -1)
        north = numpy.stack([-sin_b * sin_l, cos_b, -sin_b * cos_l], -1)
        equatorward = -numpy.sign(latitude)[:, None] * north
        along = numpy.cos(tilt)[:, None] * west + numpy.sin(tilt)[:, None] * equatorward
        return centre, along, numpy.cross(centre, along)

    def _boxes(self, regions):
        """Return the part of the image that each region on the near side can touch: (index, rows, columns, along, across)."""
        centre, along, across = (vectors.astype("float32") for vectors in self._frame(regions))
        middle = (self.size - 1) / 2
        reach = numpy.radians(regions.separation / 2 + 3.5 * active_regions.FOLLOWER_WIDTH * regions.size) * self.radius
        for i in numpy.flatnonzero((centre[:, 2] > -0.3) & (regions.size > 0)):
            row, column = middle - centre[i, 1] * self.radius, middle + centre[i, 0] * self.radius
            rows = slice(max(0, int(row - reach[i])), max(0, min(self.size, int(row + reach[i]) + 2)))
            columns = slice(max(0, int(column - reach[i])), max(0, min(self.size, int(column + reach[i]) + 2)))
            if rows.start >= rows.stop or columns.start >= columns.stop:
                continue
            x, y, z = self._x[rows, columns], self._y[rows, columns], self._depth[rows, columns]
            degree = numpy.float32(numpy.degrees(1))
            u = (x * along[i, 0] + y * along[i, 1] + z * along[i, 2]) * degree
            v = (x * across[i, 0] + y * across[i, 1] + z * across[i, 2]) * degree
            yield i, rows, columns, u, v

    def _region_field(self, regions):
        """Compute the radial field of all regions, Gauss: float32 (size, size)."""
        field = numpy.zeros((self.size, self.size), "float32")
        for i, rows, columns, u, v in self._boxes(regions):
            shape = (numpy.float32(value[i]) for value in (regions.size, regions.separation, regions.complexity, regions.side))
            field[rows, columns] += numpy.float32(regions.polarity[i]) * active_regions.radial_field(u, v, *shape)
        return field

    def _plage(self, regions):
        """Draw the plage over both polarities, 1 at its strongest: float32 (size, size)."""
        plage = numpy.zeros((self.size, self.size), "float32")
        for i, rows, columns, u, v in self._boxes(regions):
            size, half = numpy.float32(regions.size[i]), numpy.float32(regions.separation[i] / 2)
            wide = size * numpy.float32(1.1 * active_regions.FOLLOWER_WIDTH)
            leader = numpy.exp(((u - half) ** 2 + v**2) / (-2 * (1.1 * size) ** 2))
            follower = numpy.exp(((u + half) ** 2 + v**2) / (-2 * wide**2))
            plage[rows, columns] += leader + numpy.float32(0.7) * follower
        return plage * self.on_disk

    def _loops(self, regions, heat):
        """Draw the light of the coronal loops and of the hot cores, projected: two float32 (size, size)."""
        from scipy import ndimage

        frame = self._frame(regions)
        jitter = numpy.stack([_jitter(self.seed, int(number)) for number in regions.number])  # (n, loops, 6)
        size, half = regions.size[:, None], regions.separation[:, None] / 2
        # Feet in degrees along and across the axis: long loops join the polarities, core loops cross the inversion line.
        large, core = jitter[:, :_LOOPS], jitter[:, _LOOPS:]
        feet = numpy.empty((len(regions), _LOOPS + _CORE_LOOPS, 4))
        feet[:, :_LOOPS, 0] = half + 0.8 * size * large[..., 0]
        feet[:, :_LOOPS, 1] = size * large[..., 1]
        feet[:, :_LOOPS, 2] = -half + active_regions.FOLLOWER_WIDTH * 0.8 * size * large[..., 2]
        feet[:, :_LOOPS, 3] = active_regions.FOLLOWER_WIDTH * size * large[..., 3]
        offset = numpy.clip(active_regions.line_offset(regions.complexity), 0, 2)[:, None] * size
        side = regions.side[:, None]
        spread = 0.7 * size * core[..., 0]  # along the line
        for column, way in ((0, 0.9), (2, -0.9)):  # on either side of it
            away = offset + way * size * (0.6 + 0.15 * core[..., 1])
            feet[:, _LOOPS:, column] = half - 0.6 * away + 0.8 * spread
            feet[:, _LOOPS:, column + 1] = side * (0.8 * away + 0.6 * spread)
        feet = numpy.radians(feet)[:, :, None, :]
        path = numpy.linspace(0, numpy.pi, self._loop_points)
        run = (1 - numpy.cos(path)) / 2
        u = feet[..., 0] + (feet[..., 2] - feet[..., 0]) * run
        v = feet[..., 1] + (feet[..., 3] - feet[..., 1]) * run
        span = numpy.hypot(feet[..., 2] - feet[..., 0], feet[..., 3] - feet[..., 1])
        rise = 0.5 + 0.12 * numpy.clip(jitter[:, :, None, 4], -2, 2)
        height = span * rise * numpy.sin(path)
        centre, along, across = (vectors[:, None, None, :] for vectors in frame)
        # On the sphere at u, v from the centre, then lifted.
        up = numpy.sqrt(numpy.maximum(0, 1 - u**2 - v**2))
        points = (centre * up[..., None] + along * u[..., None] + across * v[..., None]) * (1 + height[..., None])
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        middle = (self.size - 1) / 2
        column = numpy.rint(middle + x * self.radius).astype("int64")
        row = numpy.rint(middle - y * self.radius).astype("int64")
        seen = ((z > 0) | (x**2 + y**2 > 1)) & (column >= 0) & (column < self.size) & (row >= 0) & (row < self.size)
        pixel = row * self.size + column
        # Light per point: the strength of the region, spread over its loops and along each of them.
        strength = numpy.empty(feet.shape[:2])
        strength[:, :_LOOPS] = (regions.flux / 1e22)[:, None] / _LOOPS * numpy.exp(0.4 * large[..., 5])
        strength[:, _LOOPS:] = heat[:, None] / _CORE_LOOPS
        light = numpy.broadcast_to(strength[..., None] * (self._patch / self._loop_points), pixel.shape)
        images = []
        for loops in (slice(None, _LOOPS), slice(_LOOPS, None)):
            points = seen[:, loops]
            image = numpy.bincount(pixel[:, loops][points], light[:, loops][points], self.size**2)
            images.append(image.reshape(self.size, self.size).astype("float32"))
        return [ndimage.gaussian_filter(image, self._blur, mode="constant", truncate=3) for image in images]

    # Pictures

    def aia(self, regions, time, *, flaring=None, noise=True):
        """Draw the eight AIA-like channels.

        Parameters
        ----------
        regions : dataset_models.simulated.active_regions.Regions
        time : datetime64
            Decides the quiet Sun and the noise.
        flaring : array_like, optional
            What flares add to the X-ray flux at the time, by region: W m^-2, (n,).
        noise : bool
            Whether photon and read noise are added.

        Returns
        -------
        numpy.ndarray
            float32 (size, size, 8), DN/s, not negative, in the order of `AIA_CHANNELS`.
        """
        surface = self._surface(active_regions.to_days(time))
        image = self._corona * surface[..., 0:1]
        image += self._quiet
        image += self._network * surface[..., 1:2]
        numpy.maximum(image, 0.05 * self._quiet, out=image)
        regions, flaring = _worth_drawing(regions, flaring)
        if len(regions):
            heat = regions.inversion_line_flux / 5e20 + _FLARE_CORE * (flaring / 1e-5) ** 0.7
            parts = numpy.stack([*self._loops(regions, heat), self._plage(regions)], -1)
            response = numpy.array(
                [[getattr(look, name) for look in self._looks] for name in ("loops", "core", "plage")], "float32"
            )
            image += parts @ response
        if noise:
            generator = numpy.random.default_rng([self.seed, 5, int(numpy.datetime64(time, "s").astype("int64"))])
            # About that of AIA's synoptic images, at any size.
            spread = numpy.sqrt(image)
            spread *= numpy.float32(0.1)
            spread += numpy.float32(0.03)
            spread *= generator.standard_normal(image.shape, "float32")
            image += spread
        return numpy.clip(image, 0, BRIGHTEST, out=image)

    def magnetogram(self, regions, time, *, noise=True):
        """Draw the line-of-sight field, positive towards us.

        Parameters
        ----------
        regions, time, noise
            As for `aia`.

        Returns
        -------
        numpy.ndarray
            float32 (size, size), Gauss, NaN off the disk.
        """
        field = self._surface(active_regions.to_days(time))[..., 2]
        regions, _ = _worth_drawing(regions, None)
        if len(regions):
            field = field + self._region_field(regions)
        field = field * self._depth
        if noise:
            generator = numpy.random.default_rng([self.seed, 6, int(numpy.datetime64(time, "s").astype("int64"))])
            field += numpy.float32(MAGNETOGRAM_NOISE) * generator.standard_normal(field.shape, "float32")
        field[~self.on_disk] = numpy.nan
        return field

    def mask(self, regions, *, field=15.0, light=0.1):
        """Find where a region shows: its field, or its loops and plage against the quiet Sun.

        Parameters
        ----------
        regions : dataset_models.simulated.active_regions.Regions
            Usually one: ``regions.take(slice(i, i + 1))``.
        field : float
            Gauss, unsigned radial field from which on a pixel belongs to the region.
        light : float
            Light of loops, core or plage, relative to the quiet disk of a channel, from which on it does.

        Returns
        -------
        numpy.ndarray
            Bool (size, size).
        """
        regions, _ = _worth_drawing(regions, None)
        if len(regions) == 0:
            return numpy.zeros((self.size, self.size), bool)
        loops, core = self._loops(regions, regions.inversion_line_flux / 5e20)
        plage = self._plage(regions)
        shows = (numpy.abs(self._region_field(regions)) >= field) & self.on_disk
        for look in self._looks:
            shows |= look.loops * loops + look.core * core + look.plage * plage >= light * look.quiet
        return shows


def _worth_drawing(regions, flaring):
    """Select the regions that can be seen from our side, loops above the limb included."""
    near = (regions.angle < 125) & (regions.flux > 2e20)
    flaring = numpy.zeros(len(regions)) if flaring is None else numpy.asarray(flaring, "float64")
    return regions.take(near), flaring[near]


@functools.lru_cache(maxsize=4096)
def _jitter(seed, number):
    """Draw the random numbers that lay the loops of a region: (loops, 6)."""
    return numpy.random.default_rng([seed, 7, number]).standard_normal((_LOOPS + _CORE_LOOPS, 6))
