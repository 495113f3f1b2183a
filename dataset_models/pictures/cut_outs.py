"""The region of a flare, cut out of the full-disk magnetograms of the hours before."""

import pathlib

import numpy

from dataset_models.images import solar_grid
from dataset_models.pictures.samples import clock
from dataset_models.SDO.HMI import magnetogram_images
from tools import figures
from tools.errors import UserError

_DEGREES_PER_DAY = (14.38, -1.95, -2.17)  # sidereal, of magnetic features: Komm, Howard and Harvey 1993
_EARTH = 0.9856  # degrees a day


def longitude_at(longitude, latitude, days):
    """Rotate a place with the Sun: Stonyhurst longitude so many days later, degrees."""
    square = numpy.sin(numpy.radians(latitude)) ** 2
    first, second, third = _DEGREES_PER_DAY
    return longitude + days * (first + second * square + third * square**2 - _EARTH)


def strongest(events, *, count, within=60.0):
    """Choose the strongest flares that happened where their region can be seen well for a day or two before.

    Parameters
    ----------
    events : pandas.DataFrame
        Of a `dataset_models.flare_catalogue.Catalogue`.
    count : int
    within : float
        Degrees of longitude east and west of the central meridian.

    Returns
    -------
    pandas.DataFrame
        Rows of `events`, the strongest first.

    Raises
    ------
    UserError
        The list has no such flare, or no positions at all.
    """
    placed = events[events["longitude"].abs() < within]
    if placed.empty:
        known = int(events["longitude"].notna().sum())
        raise UserError(
            f"{known} of {len(events)} flares have a position, none within {within:g} degrees of the meridian; give HEK's list"
        )
    return placed.nlargest(count, "flux")


def before(flare, folder, *, hours, width, size=512):
    """Cut the place of a flare out of each magnetogram of the hours before its peak.

    Parameters
    ----------
    flare : namedtuple
        A row of `dataset_models.flare_catalogue.Catalogue.events`: start, peak, longitude and latitude.
    folder : str or pathlib.Path
        Of magnetograms.
    hours : float
    width : int
        Pixels of a cut-out.
    size : int
        Pixels of the full disk that it is cut from.

    Returns
    -------
    dict of numpy.datetime64 to numpy.ndarray
        float32 (width, width), in the order of time; without images in which the place was still behind the limb.

    Raises
    ------
    UserError
        There is no image in these hours, or the flare has no place.
    """
    peak = numpy.datetime64(flare.peak if flare.peak == flare.peak else flare.start, "s")  # NaT is not itself
    if not numpy.isfinite([flare.longitude, flare.latitude]).all():
        raise UserError(f"the flare of {peak}: its list gives no position")
    first = peak - numpy.timedelta64(round(3600 * hours), "s")
    found = {}
    for time, path in magnetogram_images.scan(pathlib.Path(folder)).items():
        if not first <= time <= peak:
            continue
        image = magnetogram_images.read(path, size=size)
        longitude = longitude_at(flare.longitude, flare.latitude, (time - peak) / numpy.timedelta64(1, "D"))
        if solar_grid.projected(image.header, [("", longitude, flare.latitude)]):
            found[time] = solar_grid.cut_out(image.image[..., 0], image.header, longitude, flare.latitude, width=width)
    if not found:
        raise UserError(f"{folder}: has no magnetogram of the {hours:g} hours before {peak} that shows the place of the flare")
    return found


def draw(path, found, flare, *, simulated=False):
    """Draw cut-outs in the order of time.

    Parameters
    ----------
    path : str or pathlib.Path
    found : dict of numpy.datetime64 to numpy.ndarray
        From `before`.
    flare : namedtuple
    simulated : bool
        Said in the title.
    """
    columns = min(6, len(found))
    rows = -(-len(found) // columns)
    norm = figures.image_norm(numpy.stack(list(found.values())))
    with figures.style():
        wide = max(2.3, 7 / columns)
        figure, axes = figures.new(rows, columns, figsize=(wide * columns, (wide + 0.2) * rows + 0.4), squeeze=False)
        for place in axes.flat:
            place.set_axis_off()
        for place, (time, image) in zip(axes.flat, found.items(), strict=False):
            place.imshow(image, cmap=figures.colour_table("gray"), norm=norm)
            place.set_title(clock(time), fontsize=9)
        north, west = round(flare.latitude), round(flare.longitude)
        where = f"{'N' if north >= 0 else 'S'}{abs(north):02d}{'W' if west >= 0 else 'E'}{abs(west):02d}"
        title = f"before the {flare.goes_class} of {clock(flare.start)}, {where}"
        figure.suptitle(figures.title(title, simulated=simulated), fontsize=12)
        figures.save(figure, path)
