"""Instances worth a look: hits and false alarms of a table of forecasts, and maps of several of them in one picture."""

import numpy
import pandas

from dataset_models import observation_times
from science.explanation import solar_coordinates
from tools import figures, tables
from tools.errors import UserError


def choose(path, *, hits, false_alarms, threshold=0.5):
    """Choose the surest hits and the surest false alarms of a table of forecasts.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV as `SolarData.evaluate` writes it. Of a list without outcomes the first ``hits + false_alarms`` rows are taken.
    hits, false_alarms : int
        How many of each; fewer where there are fewer.
    threshold : float or str
        A forecast of at least this is a yes; ``"median"`` for that of the table.

    Returns
    -------
    pandas.DataFrame
        kind (hit, false alarm, or instance), time (str, UTC) and prediction (NaN where the list has none).

    Raises
    ------
    UserError
        The table has no times, or no hit and no false alarm.
    """
    table = tables.read(path)
    times = observation_times.table_times(table, origin=str(path))
    times = numpy.array([str(time) for time in times])
    names = [name for name in ("prediction", "probability", "flare_prob") if name in table.columns]
    prediction = table[names[0]].to_numpy("float64") if names else numpy.full(len(table), numpy.nan)
    if "true_value" not in table.columns:
        rows = slice(hits + false_alarms)
        return pandas.DataFrame({"kind": "instance", "time": times[rows], "prediction": prediction[rows]})
    limit = numpy.median(prediction) if threshold == "median" else threshold
    event = table["true_value"].to_numpy("float64") > 0.5
    chosen = []
    for kind, members, count in (("hit", event, hits), ("false alarm", ~event, false_alarms)):
        places = numpy.flatnonzero(members & (prediction >= limit))
        places = places[numpy.argsort(-prediction[places], kind="stable")][:count]
        chosen += [(kind, times[place], prediction[place]) for place in places]
    if not chosen:
        raise UserError(f"{path}: no forecast of {limit:g} or more; give a lower threshold")
    return pandas.DataFrame(chosen, columns=["kind", "time", "prediction"])


def draw(path, subject, explained):
    """Draw the maps of several instances, a row for each: signed ones over their images, weights in a scale of their own.

    Parameters
    ----------
    path : str or pathlib.Path
    subject : science.explanation.subject.Subject
    explained : list of (str, science.explanation.subject.Sample, list of science.explanation.attribution.Attribution)
        What is written above a row, its sample and its maps, of the same methods in each row.
    """
    channel = subject.data.channels[0]
    columns = 1 + max(len(maps) for _, _, maps in explained)
    size = (3.6 * columns, 3.8 * len(explained) + 0.7)
    with figures.style():
        figure, axes = figures.new(len(explained), columns, figsize=size, squeeze=False)
        for row, (words, sample, maps) in zip(axes, explained, strict=True):
            name = next(name for name, source in sample.names.items() if source == subject.data.image_inputs[0])
            image = sample.inputs[name][0, ..., 0]
            extent = figures.extent_of(sample.header, image.shape)
            look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, "extent": extent}
            figures.show_image(row[0], image, bar=False, **look)
            row[0].set_title(f"{words}\n{sample.title}", fontsize=10)
            for panel, attribution in zip(row[1:], maps, strict=False):
                values = attribution.maps[name][0, ..., 0]
                if (values >= 0).all():
                    figures.show_image(panel, values, table="cividis", extent=extent, bar=False)
                else:
                    figures.show_overlay(panel, image, values, **look)
                panel.set_title(attribution.method, fontsize=10)
            places = subject.data.places(sample.time) if sample.time is not None else ()
            for panel in row:
                if extent is not None:
                    solar_coordinates.draw(panel, sample.header, places)
                panel.label_outer()
        simulated = any(sample.simulated for _, sample, _ in explained)
        figure.suptitle(figures.title(f"{subject.model_path.name}: {len(explained)} instances", simulated=simulated))
        figures.save(figure, path)
