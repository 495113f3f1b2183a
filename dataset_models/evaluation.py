"""A network's forecasts of a split beside what happened, as a table."""

import math

import numpy

from dataset_models import simulation_mark
from tools import atomic_files, tables
from tools.errors import UserError

EVALUATION_COLUMNS = ("time", "prediction", "true_delta", "true_value", "prior_value")


def write(data, model, path, *, split, batch_size, network, every=1):
    """Forecast the samples of a split and write a CSV; arguments and result as of `SolarData.evaluate`."""
    times = data.require_samples(split)[::every]
    batches = data.pipeline(split, batch_size=batch_size, keep=False, every=every)

    def parts():
        done = 0
        with data.reporting_reads():
            for inputs, targets in batches:
                some = times[done : done + len(targets)]
                yield rows(data, model, some, inputs, split=split, network=network)
                done += len(some)

    return write_rows(data, path, parts(), count=len(times), split=split)


def rows(data, model, times, inputs, *, split, network):
    """Forecast a batch of samples of a split: rows of the CSV, as lists of what stands in them.

    Parameters
    ----------
    data : SolarData
    model : keras.Model
    times : numpy.ndarray
        Of the samples, datetime64[s].
    inputs : dict of str to array
        Of the samples, (n, ...).
    split : str
    network : str or pathlib.Path
        What messages call the network.

    Raises
    ------
    UserError
        A forecast is NaN or infinite.
    """
    outputs, made = model.predict_on_batch(inputs), []
    forecasts = data.finite_forecast(outputs, lambda i: f"{network}: on the {split} sample of {times[i]}Z")
    for time, forecast in zip(times, forecasts, strict=True):
        true, prior = data.truth(time)
        with numpy.errstate(over="ignore"):
            value = float(data.value(forecast, prior))
        if not math.isfinite(value):
            raise UserError(f"{split} sample of {time}Z: the forecast is {value}; check the network's weights")
        made.append([f"{time}Z", *(f"{number:.9g}" for number in (value, true - prior, true, prior))])
    return made


def write_rows(data, path, parts, *, count, split):
    """Write the CSV of a split from lists of `rows`, of `count` samples in all: int, rows written."""
    from tqdm import tqdm

    mark, written = simulation_mark.row(data.simulated), 0
    with atomic_files.replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = tables.Writer(file)
        writer.writerow([*EVALUATION_COLUMNS, *mark])
        with tqdm(total=count, desc=f"forecast {split}", unit="image", disable=None) as bar:
            for part in parts:
                for row in part:
                    writer.writerow([*row, *mark.values()])
                written += len(part)
                bar.update(len(part))
    return written
