"""Files of one image's map: figures, arrays, FITS and passport."""

import numpy

from science.explanation import passport, solar_coordinates
from science.explanation import subject as explanation
from science.explanation.attribution import show_map
from tools import atomic_files, figures


def write(folder, subject, sample, attribution, checked):
    """Write figures, arrays, FITS and passport of one sample's map.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    attribution : science.explanation.attribution.Attribution
        From `science.explanation.attribution.in_channel_units`.
    checked : dict
        Of `passport.passport`; what the map's mass lies on is added to it.

    Returns
    -------
    list of str
        Names of the files.
    """
    with atomic_files.results(folder) as unfinished, figures.style():
        return write_into(unfinished, subject, sample, attribution, checked)


def write_into(folder, subject, sample, attribution, checked):
    """Write the files of `write` into a folder that is still unfinished; arguments and result as there."""
    data = subject.data
    stem = atomic_files.safe_name(sample.label, attribution.method, attribution.explained.stem)
    names = []
    places = data.places(sample.time) if sample.time is not None else ()

    def path(*parts):
        names.append(f"{atomic_files.safe_name(stem, *parts[:-1])}{parts[-1]}")
        return folder / names[-1]

    for name, values in attribution.maps.items():
        source, values, image = sample.names[name], values[0], sample.inputs[name][0]
        if source not in data.image_inputs:
            _draw_side_channel(values, data, sample, attribution, path(source, ".png"))
            continue
        header = sample.header if source == data.image_inputs[0] else None  # earlier images lie elsewhere
        if header is not None:
            checked["shares"] = solar_coordinates.shares(values, header, places)
        for index, channel in enumerate(data.channels):
            layer = values[..., min(index, values.shape[-1] - 1)]
            title = heading(sample, attribution, checked, source, channel)
            file = path(source, channel.name, ".png")
            draw(image[..., index], layer, channel, header, places, title, attribution, file)
            if header is not None:
                history = _history(subject, checked, channel, attribution)
                file = path(source, channel.name, ".fits")
                solar_coordinates.write_fits(file, layer, header, history, simulated=sample.simulated)
            if values.shape[-1] == 1 and len(data.channels) > 1:
                break  # one map for all channels, shown over the first
    arrays = {sample.names[name]: values[0] for name, values in attribution.maps.items()}
    output = numpy.float64(checked["output"])
    explanation.write_arrays(path(".npz"), simulated=sample.simulated, output=output, **arrays)
    path(".json").write_text(passport.text(checked), encoding="utf-8")
    return names


def heading(sample, attribution, checked, source, channel):
    """Write the title of a map's figure: image, channel, what is explained, and what is wrong with the map."""
    words = channel.name if source == "image" else f"{channel.name} ({source.replace('_', ' ')})"
    lines = [figures.title(f"{sample.title}, {words}", simulated=sample.simulated)]
    lines.append(f"{attribution.explained.words}; {attribution.explained.value_words(checked['output'])}")
    failures = passport.failures(checked)
    if failures:
        lines.append(f"CHECK FAILED: the map {', '.join(failures)}")
    return "\n".join(lines)


def draw(image, values, channel, header, places, title, attribution, path):
    """Write the figure of `panels` to a file."""
    figures.save(panels(image, values, channel, header, places, title, attribution), path)


def panels(image, values, channel, header, places, title, attribution):
    """Draw image, map, and both, side by side.

    Parameters
    ----------
    image, values : numpy.ndarray
        (height, width).
    channel : dataset_models.solar_data.Channel
    header : astropy.io.fits.Header or None
    places : sequence
        See `SolarData.places`.
    title : str
    attribution : science.explanation.attribution.Attribution
        From `science.explanation.attribution.in_channel_units`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    extent = figures.extent_of(header, image.shape)
    unit = attribution.units[channel.name]
    label = f"{attribution.method}, {unit}" if unit else attribution.method
    where = {"extent": extent, "names": channel.axis_names}
    look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, **where}
    height = 5.4 + 0.3 * max(title.count("\n") - 1, 0)  # of the panels the width decides
    figure, axes = figures.new(1, 3, figsize=(15.5, height), sharex=True, sharey=True)
    figures.show_image(axes[0], image, unit=channel.unit, **look)
    show_map(axes[1], values, label=label, **where)
    figures.show_overlay(axes[2], image, values, **look)
    for panel, name in zip(axes, ("image", attribution.method, "both"), strict=True):
        panel.set_title(name)
        if extent is not None:
            solar_coordinates.draw(panel, header, places)
    for panel in axes[1:]:
        panel.set_ylabel("")
    figure.suptitle(title)
    return figure


def _history(subject, checked, channel, attribution):
    failures = passport.failures(checked)
    return (
        f"{checked['method']}, channel {channel.name}, tensor {checked['target_tensor']}",
        f"unit: {attribution.unit_words(channel.name)}",
        f"network {subject.model_path.name}, output {checked['output']:.6g}: {checked['explains']}",
        f"checks failed: the map {', '.join(failures)}" if failures else "checks passed",
        *([f"checks not made: {passport.not_made(checked)}"] if checked["not_applicable"] else ()),
        f"simulated: {checked['simulated']}",
    )


def _draw_side_channel(values, data, sample, attribution, path):
    names = list(data.side_channel_names) or [str(index) for index in range(len(values))]
    figure, axes = figures.new(figsize=(8, 1.8 + 0.32 * len(values)))
    colours = [figures.PALETTE[1] if value > 0 else figures.PALETTE[0] for value in values]
    axes.barh(numpy.arange(len(values)), values, color=colours)
    axes.set_yticks(numpy.arange(len(values)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    share = attribution.side_channel_share[0]
    axes.set(xlabel=attribution.method)
    title = figures.title(f"{sample.title}, side channel", simulated=sample.simulated)
    axes.set_title(f"{title}: {100 * share:.0f} % of the absolute map" if numpy.isfinite(share) else title)
    figures.save(figure, path)
