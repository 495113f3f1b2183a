"""A network's forecasts of a split beside what happened, as a table."""

import math

import numpy

from dataset_models import simulation_mark
from tools import atomic_files, tables
from tools.errors import UserError

EVALUATION_COLUMNS = ("time", "prediction", "true_delta", "true_value", "prior_value")


def write(data, model, path, *, split, batch_size, network, every=1):
    """Forecast the samples of a split and write a CSV; arguments and result as of `SolarData.evaluate`."""
    from tqdm import tqdm

    times = data.require_samples(split)[::every]
    batches = data.pipeline(split, batch_size=batch_size, keep=False, every=every)
    mark = simulation_mark.columns(data.simulated, 1)
    name, row = f"{network}: on the {split} sample", 0
    with atomic_files.replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = tables.Writer(file)
        writer.writerow([*EVALUATION_COLUMNS, *mark])
        with data.reporting_reads(), tqdm(total=len(times), desc=f"forecast {split}", unit="image", disable=None) as bar:
            for inputs, _ in batches:
                outputs = model.predict_on_batch(inputs)
                forecasts = data.finite_forecast(outputs, lambda i, row=row: f"{name} of {times[row + i]}Z")
                for forecast in forecasts:
                    true, prior = data.truth(times[row])
                    with numpy.errstate(over="ignore"):
                        value = float(data.value(forecast, prior))
                    if not math.isfinite(value):
                        text = f"{split} sample of {times[row]}Z: the forecast is {value}; check the network's weights"
                        raise UserError(text)
                    numbers = (value, true - prior, true, prior, *(int(column[0]) for column in mark.values()))
                    writer.writerow([f"{times[row]}Z", *(f"{number:.9g}" for number in numbers)])
                    row += 1
                bar.update(len(forecasts))
    return row
