"""A data set as it shows itself, and its samples as a table."""

import numpy

from tools import figures
from tools.errors import UserError
from tools.views import Table

_SHOWN = 4  # samples


def parts(data, splits):
    """List what a data set shows of itself, as `tools.views.View.view`; no image is read.

    Parameters
    ----------
    data : SolarData
    splits : sequence of str
    """
    try:
        return [figures.title(data.title, simulated=data.simulated), _facts(data), *_samples(data, splits)]
    except UserError as error:
        return [data.title, f"not readable: {error}"]


def rows(data, times):
    """Describe samples: iterator of dict, see `SolarData.samples`."""
    for time in times:
        true, prior = data.truth(time)
        yield {"time": time, "target": data.target(time), "true_value": true, "prior_value": prior, **data.metadata(time)}


def _facts(data):
    unit = f", in {data.target_unit}" if data.target_unit else ""
    facts = {
        "inputs": "; ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in data.input_shapes.items()),
        "channels": _channels(data),
        "side channel": ", ".join(data.side_channel_names),
        "target": data.target_label,
        "task": f"{data.task} ({data.target_quantity}{unit})",
        "windows": "; ".join(f"{window.name} {window.words}" for window in data.windows),
    }
    return Table("Data set", ("what", "as it is"), tuple((name, words) for name, words in facts.items() if words))


def _channels(data):
    """List channels, those of one unit together: str."""
    names = {}
    for channel in data.channels:
        names.setdefault(channel.unit, []).append(channel.name)
    return "; ".join(", ".join(some) + (f" ({unit})" if unit else "") for unit, some in names.items())


def _samples(data, splits):
    availability = data.is_downloaded()
    if not availability:
        return [f"files: {availability}"]
    times = {split: data.times(split) for split in splits}
    counts = [(split, len(some), *map(_moment, some[[0, -1]] if len(some) else ("", ""))) for split, some in times.items()]
    shown = [Table("Samples", ("split", "samples", "first (UTC)", "last (UTC)"), tuple(counts))]
    split = next((split for split in splits if len(times[split])), None)
    if split is None:
        return [*shown, f"no sample in any split; {availability}"]
    every = -(-len(times[split]) // _SHOWN)
    some = [{"time": time, "target": data.target(time), **data.metadata(time)} for time in times[split][::every]]
    columns = tuple(dict.fromkeys(name for row in some for name in row))
    cells = tuple(tuple(_word(row.get(name, "")) for name in columns) for row in some)
    return [*shown, Table(f"Some of the {split} samples", columns, cells)]


def _moment(time):
    return str(numpy.datetime64(time, "m")).replace("T", " ") if time != "" else ""


def _word(value):
    if isinstance(value, numpy.datetime64):
        return _moment(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
