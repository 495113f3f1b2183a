"""Maps of a forecast: what its network saw where, with the regions that it names."""

import numpy

from science import methods
from science.explanation import baselines, map_files, solar_coordinates
from science.explanation import subject as explanation
from science.explanation.attribution import in_channel_units
from tools import atomic_files, figures
from tools.errors import UserError


def stem_of(time):
    """Return the name of the map of a time, without suffix: ``20260201T003000``."""
    return str(numpy.datetime64(time, "s")).replace("-", "").replace(":", "")


def write(folder, stem, subject, path, regions, settings):
    """Explain the forecast of one network, and write the map as FITS and picture.

    Parameters
    ----------
    folder : pathlib.Path
    stem : str
        Of the files, as of `stem_of`.
    subject : science.explanation.subject.Subject
    path : pathlib.Path
        The image.
    regions : sequence of network_models.forecasts.exchange.issued.RegionForecast
        Drawn where their places are known.
    settings : science.operational_forecast.configuration.Settings

    Raises
    ------
    UserError
        The method does not apply to the network.
    """
    sample = explanation.sample(subject, str(path))
    attribution = _explained(subject, sample, settings)
    (name, *_), (values, *_) = zip(*attribution.maps.items(), strict=True)
    source = sample.names[name]
    channel, layer, image = subject.data.channels[0], values[0][..., 0], sample.inputs[name][0][..., 0]
    header = sample.header if source == subject.data.image_inputs[0] else None
    places = [
        (f"AR {region.number}", region.longitude, region.latitude)
        for region in regions
        if region.longitude is not None and abs(region.longitude) <= 90
    ]
    words = attribution.explained.value_words(float(attribution.outputs[0]))
    title = figures.title(f"{sample.title}, {channel.name}", simulated=sample.simulated)
    with atomic_files.results(folder) as unfinished, figures.style():
        heading = f"{title}\n{attribution.explained.words}; {words}"
        map_files.draw(image, layer, channel, header, places, heading, attribution, unfinished / f"{stem}.png")
        if header is not None:
            history = (f"{attribution.method} of {subject.model_path.name}", f"unit: {attribution.unit_words(channel.name)}")
            solar_coordinates.write_fits(unfinished / f"{stem}.fits", layer, header, history, simulated=sample.simulated)


def _explained(subject, sample, settings):
    entry = methods.method(settings.map)
    keywords = {}
    if entry.takes == "baseline":
        keywords["baseline"] = baselines.choose(settings.baseline, subject, sample)
    elif entry.takes:
        raise UserError(f"map: {settings.map} takes images of the training split; choose another method for a forecast")
    if settings.map == "integrated gradients":
        keywords |= {"steps": settings.map_steps, "tolerance": None}
    if settings.map == "rate map":
        keywords |= {"header": sample.header, "days": settings.window_hours / 24}
    attribution = methods.explain(settings.map, subject.model, sample.inputs, **keywords)
    return in_channel_units(attribution, subject, sample.inputs)
