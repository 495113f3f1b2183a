"""Rate map: where a network of flare rates expects the flares that its forecast is the sum of.

    python science/rate_map/rate_map.py MODEL.hdf5 DATASET.py IMAGE [--reach 8]

Explains nothing after the fact: the network adds up these rates. Beside the files of every method, the figure and the FITS in
flares per day per 100 square degrees, writes and prints a table region by region, whose rows add up to the disk: of the
places that the data set knows at the time of the image.
"""

import numpy

from dataset_models import simulation_mark
from dataset_models.flares.region_flares import ELSEWHERE
from science.explanation import image_list, solar_coordinates
from science.explanation import script as explanation_script
from science.explanation.attribution import Attribution, resized
from science.gradients.engine import engine_of
from science.gradients.network_structure import layers_of
from tools import atomic_files, command_line, goes_class
from tools.errors import UserError
from tools.goes_class import CLASSES
from tools.options import add_number

REACH = 8.0  # degrees around a region's place that count as its own
NOTHING = 1e-20  # flares: a closed gate leaves a little less
_SQUARE_DEGREES = numpy.degrees(1.0) ** 2  # per steradian
_PER = 100.0  # square degrees


def rate_map(model, inputs, *, target=None, header=None, days=1.0, batch_size=16):
    """Map the rates of the event that a network adds up to its forecast.

    Parameters
    ----------
    model : keras.Model
        With an output ``rates`` (n, height, width, 4), as `network_models.flare_rates.images.build` makes it.
    inputs : dict of str to numpy.ndarray
        The image, (n, height, width, 1), by input name.
    target : int, optional
        There is one.
    header : astropy.io.fits.Header, optional
        Of the image, in FITS order: the map is then per day and area on the Sun, see `density`.
    days : float
        Length of the forecast window.
    batch_size : int

    Returns
    -------
    science.explanation.attribution.Attribution
        Map (n, height, width, 1) of the flares of the event expected in the window, per pixel: the rate of a place is spread
        over its pixels and, bilinear, those next to them. The sum R of the map is the forecast, p = 1 - exp(-R), and the
        residual is that of this.

    Raises
    ------
    UserError
        The network has no rates of places in an image.

    Examples
    --------
    >>> import numpy
    >>> from network_models.flare_rates import images
    >>> from network_models.image_inputs import Input
    >>> model = images.build({"image": Input((32, 32, 1))}, images.Options(event="M1.0"))
    >>> field = numpy.zeros((1, 32, 32, 1), "float32")
    >>> field[0, 10:14, 10:14] = 100.0  # Gauss
    >>> explanation = rate_map(model, {"image": field})
    >>> rate = explanation.maps["image"].sum(dtype="float64")
    >>> bool(abs(numpy.log(numpy.expm1(rate)) - explanation.outputs[0]) < 1e-4)
    True
    """
    from network_models.layers import DiskLogit, PowerLawRates

    require_rates(model)
    engine = engine_of(model, target=target)
    layers = layers_of(engine.model)
    sizes, disk = (next(layer for layer in layers if isinstance(layer, kind)) for kind in (PowerLawRates, DiskLogit))
    (log_rates,), _ = engine.activations(inputs, disk, which="input", batch_size=batch_size)
    outputs = engine.outputs(inputs, batch_size=batch_size)
    ((name, image),) = inputs.items()
    values = spread(numpy.exp(log_rates.astype("float64"))[..., None], image.shape[1:3])
    total = values.sum(axis=(1, 2, 3))
    expected = numpy.logaddexp(0, outputs.astype("float64"))  # R of the log-odds log(exp(R) - 1)
    residual = numpy.abs(total - expected) / numpy.maximum(expected, NOTHING)
    event = goes_class.from_flux(goes_class.to_flux("C1.0") * 10**sizes.event * (1 + 1e-5))  # names are cut, not rounded
    unit = "per pixel"
    if header is not None:
        values, unit = density(values, header, days), f"per day per {_PER:.0f} deg²"
    return Attribution(
        "rate map",
        {name: values.astype("float32")},
        outputs,
        engine.target,
        f"{disk.name}, the rates that it adds up",
        {"event": event, "map_size": list(log_rates.shape[1:]), "days": days},
        residual=residual,
        own_unit=f"{event}+ flares {unit}",
    )


def require_rates(model):
    """Raise a `UserError` unless a network returns rates of places in an image."""
    rates = model.output.get("rates") if isinstance(model.output, dict) else None
    if rates is None or len(rates.shape) != 4:
        raise UserError(
            f"{model.name}: has no rates of places in an image; train one with network_models/flare_rates/train.py"
            " --architecture images"
        )


def spread(rates, shape):
    """Spread the rates of places over the pixels of an image, so that their sum stays.

    Parameters
    ----------
    rates : numpy.ndarray
        (n, height, width, k).
    shape : tuple of int
        (height, width) of the image.

    Returns
    -------
    numpy.ndarray
        float64 (n, height, width, k), what is below `NOTHING` as 0.
    """
    values = resized(rates, shape).astype("float64")
    total, spread_total = (array.sum(axis=(1, 2), keepdims=True) for array in (rates, values))
    values = values * numpy.divide(total, spread_total, out=numpy.zeros_like(total), where=spread_total > 0)
    return numpy.where(values < NOTHING, 0.0, values)


def density(values, header, days):
    """Convert flares per pixel to flares per day per 100 square degrees of the solar surface; 0 off the disk.

    Parameters
    ----------
    values : numpy.ndarray
        (n, height, width, k): expected in the window.
    header : astropy.io.fits.Header
    days : float
        Length of the window.

    Returns
    -------
    numpy.ndarray
        float64, of the shape of `values`.
    """
    x, y, radius = solar_coordinates.geometry(header, values.shape[1:3])
    towards = numpy.sqrt(numpy.maximum(1 - (x**2 + y**2) / radius**2, 0))  # cosine of the angle to the line of sight
    across = abs(header["CDELT1"] * header["CDELT2"]) / radius**2 * _SQUARE_DEGREES
    return values * (_PER * towards / across / days)[..., None]


def region_table(rates, header, places, *, reach=REACH, simulated=False):
    """Add up the rates of the surroundings of places on the Sun.

    Parameters
    ----------
    rates : numpy.ndarray
        (height, width, 4): expected flares of `CLASSES` in the window, per pixel, row 0 north.
    header : astropy.io.fits.Header or None
        Of the image, in FITS order. Without it there is the disk alone.
    places : sequence of (str, float, float)
        Names, longitudes and latitudes, as of `SolarData.places`. One within `reach` of an earlier one belongs to that.
    reach : float
        Degrees of a great circle; a pixel is of the nearest place, if that is as near.
    simulated : bool

    Returns
    -------
    pandas.DataFrame
        region, longitude, latitude; for each class expected flares in the window and the probability of at least one. Last
        ``elsewhere``, and ``disk``, the sum of all others.
    """
    import pandas

    named, rows = [], []
    rest = rates
    if header is not None:
        x, y, _ = solar_coordinates.geometry(header, rates.shape[:2])
        pixels = _vectors(*solar_coordinates.stonyhurst(header, x, y))
        for place in places:
            if all(_distance(_vectors(*place[1:]), _vectors(*other[1:])) > reach for other in named):
                named.append(place)
    if named:
        away = numpy.stack([_distance(pixels, _vectors(*place[1:])) for place in named])
        away = numpy.where(numpy.isnan(away), numpy.inf, away)  # off the disk
        owner = numpy.where(away.min(axis=0) <= reach, away.argmin(axis=0), -1)
        rows = [(*place, rates[owner == index].sum(axis=0)) for index, place in enumerate(named)]
        rest = rates[owner == -1]
    nowhere = (numpy.nan, numpy.nan)
    rows += [(ELSEWHERE, *nowhere, rest.reshape(-1, len(CLASSES)).sum(axis=0))]
    rows += [("disk", *nowhere, rates.sum(axis=(0, 1)))]
    table = pandas.DataFrame([row[:3] for row in rows], columns=["region", "longitude", "latitude"])
    expected = numpy.stack([row[3] for row in rows])
    for column, name in enumerate(CLASSES):
        table[f"expected_{name}"] = expected[:, column]
        table[f"probability_{name}"] = -numpy.expm1(-expected[:, column])
    return simulation_mark.marked(table, simulated)


def _vectors(longitude, latitude):
    """Make unit vectors of places on a sphere (degrees): float64 (..., 3)."""
    west, north = numpy.radians(longitude), numpy.radians(latitude)
    return numpy.stack([numpy.cos(north) * numpy.cos(west), numpy.cos(north) * numpy.sin(west), numpy.sin(north)], axis=-1)


def _distance(first, second):
    return numpy.degrees(numpy.arccos(numpy.clip((first * second).sum(axis=-1), -1, 1)))


def _window_days(data):
    """Find the length of the forecast window of a data set: float, 1 where it does not say."""
    window = next((window for window in data.windows if window.kind == "target"), None)
    return 1.0 if window is None else float((window.end - window.begin) / numpy.timedelta64(1, "D"))


def _write_table(subject, sample, folder, flags):
    """Write and print the table of one image."""
    (image,) = sample.inputs.values()
    rates = numpy.asarray(subject.model(sample.inputs, training=False)["rates"], "float64")
    places = subject.data.places(sample.time) if sample.time is not None else ()
    pixels = spread(rates, image.shape[1:3])[0]
    table = region_table(pixels, sample.header, places, reach=flags.reach, simulated=sample.simulated)
    path = folder / f"{atomic_files.safe_name(sample.label, 'rate map regions')}.csv"
    atomic_files.write_table(path, table)
    shown = table[["region", "longitude", "latitude", *(f"probability_{name}" for name in CLASSES), f"expected_{CLASSES[1]}"]]
    shown = shown.rename(columns=lambda name: name.removeprefix("probability_"))
    print(shown.to_string(index=False, na_rep="", float_format="%.3g"))
    print(f"wrote {path}")


def main(arguments=None):
    """Map the rates of one image, or of a list."""

    def add(parser):
        add_number(
            parser, "--reach", float, least=0.1, most=90.0, default=REACH, help="degrees around a region (default: %(default)s)"
        )

    def keywords(flags, subject, sample):
        if image_list.is_list(flags.image):  # of which each has coordinates of its own
            return {}
        return {"header": sample.header, "days": _window_days(subject.data)}

    explanation_script.run(arguments, __doc__, rate_map, add=add, keywords=keywords, after=_write_table)


if __name__ == "__main__":
    command_line.run(main)
