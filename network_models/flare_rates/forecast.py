"""Forecast flares with trained rates: for the disk and for each region, of C1.0, M1.0, M5.0 and X1.0 or more.

    python network_models/flare_rates/forecast.py MODEL.hdf5 [MORE.hdf5 ...] dataset_models/NOAA/active_regions.py --out FOLDER
    python network_models/flare_rates/forecast.py MODEL.hdf5 dataset_models/NOAA/active_regions.py --out FOLDER --images SRS.txt

Writes disk.csv, which science/verification/verification.py reads, and regions.csv, whose rates add up to the disk's. Several
networks, such as runs of several folds or seeds, are averaged, and their spread gives intervals. Data options are those of the
first network's run; flags override them. With --images the summaries that the files hold are forecast from, not a split.
"""

import pathlib
import sys

import numpy

from dataset_models import simulation_mark
from dataset_models.flares.flare_index import NO_FLARE, threshold_flux
from dataset_models.flares.region_flares import ELSEWHERE
from dataset_models.solar_data import load_solar_data
from network_models.trained_network import input_sources, load_network, open_network
from tools import atomic_files, command_line, goes_class, options
from tools.errors import UserError
from tools.goes_class import CLASSES
from tools.paths import Files

LEVEL = 0.9  # of the intervals: from the 5th to the 95th percentile of the networks
_AT_ONCE = 512  # samples


def expected_flares(models, data, inputs):
    """Compute the flares that each network expects.

    Parameters
    ----------
    models : sequence of keras.Model
        With an output ``rates``.
    data : dataset_models.solar_data.SolarData
    inputs : list of dict of str to numpy.ndarray
        Of each sample, as `SolarData.inputs`.

    Returns
    -------
    numpy.ndarray
        float64 (networks, samples, places, 4): in the window, of `CLASSES`.

    Raises
    ------
    UserError
        A network returns no rates, takes other inputs, or returns something that is no rate.
    """
    result = []
    for model in models:
        names = input_sources(model, data, model.name)
        parts = []
        for first in range(0, len(inputs), _AT_ONCE):
            some = inputs[first : first + _AT_ONCE]
            batch = {tensor.name: numpy.stack([sample[names[tensor.name]] for sample in some]) for tensor in model.inputs}
            parts.append(numpy.asarray(model(batch, training=False)["rates"], "float64"))
        rates = numpy.concatenate(parts)
        if not (numpy.isfinite(rates).all() and (rates >= 0).all()):
            raise UserError(f"{model.name}: returns something else than rates; check its weights, or train anew")
        result.append(rates)
    return numpy.stack(result)


def probabilities(expected):
    """Turn the flares that networks expect into probabilities of at least one: mean, lower and upper bound.

    Parameters
    ----------
    expected : numpy.ndarray
        (networks, ...).

    Returns
    -------
    tuple of numpy.ndarray
        Three float64 (...); bounds are NaN of a single network.
    """
    each = -numpy.expm1(-expected)
    low, high = numpy.quantile(each, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    unknown = numpy.full(low.shape, numpy.nan)
    return each.mean(axis=0), *((low, high) if len(each) > 1 else (unknown, unknown))


def disk_table(data, times, expected, *, simulated=False):
    """Arrange forecasts of the whole disk.

    Parameters
    ----------
    data : dataset_models.NOAA.active_regions.ActiveRegions
        Or another data set of regions: it has ``threshold`` and ``has_summary``.
    times : array_like
        ``datetime64`` (n,).
    expected : numpy.ndarray
        Of `expected_flares`.
    simulated : bool

    Returns
    -------
    pandas.DataFrame
        time, probability and target of the data set's own event where it is one of `CLASSES`, target missing where it is not
        known; for each class its probability, low and high; has_summary.
    """
    import pandas

    mean, low, high = probabilities(expected.sum(axis=2))
    table = pandas.DataFrame({"time": [f"{time}Z" for time in times]})
    own = goes_class.from_flux(threshold_flux(data.threshold))
    if own in CLASSES:
        table["probability"] = mean[:, CLASSES.index(own)]
    table["target"] = [data.truth_if_known(time)[0] for time in times]
    for place, name in enumerate(CLASSES):
        for part, values in (("probability", mean), ("low", low), ("high", high)):
            table[f"{part}_{name}"] = values[:, place]
    table["has_summary"] = [int(data.has_summary(time)) for time in times]
    return simulation_mark.marked(table, simulated)


def region_table(data, times, expected, *, simulated=False):
    """Arrange forecasts region by region, and of what is elsewhere.

    Parameters
    ----------
    data, times, expected, simulated
        As of `disk_table`.

    Returns
    -------
    pandas.DataFrame
        time, region (NOAA number, or `ELSEWHERE`), what `region_table` of the data says; for each class the expected flares,
        probability, low and high; and flare, the class of the region's strongest flare in the window, `NO_FLARE` for none and
        missing where it is not known.
    """
    import pandas

    parts = []
    for row, time in enumerate(times):
        about = data.region_table(time).rename(columns={"noaa_region": "region"}).astype({"region": object})
        count = len(about)
        about.loc[count, "region"] = ELSEWHERE
        here = expected[:, row, [*range(count), expected.shape[2] - 1]]
        mean, low, high = probabilities(here)
        columns = {"time": f"{time}Z"} | {name: about[name] for name in about}
        for place, name in enumerate(CLASSES):
            columns[f"expected_{name}"] = here[..., place].mean(axis=0)
            columns |= {f"probability_{name}": mean[:, place], f"low_{name}": low[:, place], f"high_{name}": high[:, place]}
        known = not numpy.isnan(data.truth_if_known(time)[0])
        columns["flare"] = _strongest(data.flaring_regions(time), about["region"]) if known else None
        parts.append(pandas.DataFrame(columns))
    table = pandas.concat(parts, ignore_index=True)
    return simulation_mark.marked(table, simulated)


def _strongest(flaring, regions):
    """Name the strongest flare of each region, and of all others for the last row: list of str."""
    listed = set(regions[:-1])
    others = max((flux for number, flux in flaring.items() if number not in listed), default=0.0)
    fluxes = [*(flaring.get(number, 0.0) for number in regions[:-1]), others]
    return [goes_class.from_flux(flux) if flux else NO_FLARE for flux in fluxes]


def _print(regions, disk):
    """Print one forecast: probabilities of each region and of the disk."""
    import pandas

    lines = pandas.concat([regions, pandas.DataFrame([disk])], ignore_index=True)
    lines = lines.rename(columns=lambda name: name.removeprefix("probability_"))
    print(lines.to_string(index=False, na_rep="", float_format="%.3g"))


def main(arguments=None):
    """Forecast and write disk.csv and regions.csv."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = command_line.parser(__doc__)
    parser.add_argument("models", metavar="MODEL.hdf5", nargs="+", type=pathlib.Path, help="trained networks of flare rates")
    parser.add_argument(
        "dataset", metavar="DATASET.py", type=pathlib.Path, help="file that defines a SolarData class of regions"
    )
    parser.add_argument("--out", metavar="FOLDER", type=pathlib.Path, required=True, help="for disk.csv and regions.csv")
    parser.add_argument("--split", choices=("training", "validation"), default="validation", help="(default: %(default)s)")
    parser.add_argument(
        "--images", nargs="+", action=Files, metavar="FILE", help="summaries to forecast from, instead of a split"
    )
    flags, given = options.parse_with_file(parser, arguments, load_solar_data)
    trained = open_network(flags.models[0], flags.dataset, given)
    data, models = trained.data, [trained.model, *map(load_network, flags.models[1:])]
    for path, model in zip(flags.models, models, strict=True):
        if not isinstance(model.output, dict) or "rates" not in model.output or not hasattr(data, "flaring_regions"):
            raise UserError(f"{path}: is no network of rates of regions; train one with network_models/flare_rates/train.py")
    data.require_downloaded()
    if flags.images:
        times = [data.image_time(path) for path in flags.images]
        data = data.with_summary(*flags.images)
    else:
        times = data.require_samples(flags.split)
    inputs = [data.inputs(time) for time in times]
    expected = expected_flares(models, data, inputs)
    disk = disk_table(data, times, expected, simulated=data.simulated)
    regions = region_table(data, times, expected, simulated=data.simulated)
    with atomic_files.results(flags.out) as folder:
        atomic_files.write_table(folder / "disk.csv", disk)
        atomic_files.write_table(folder / "regions.csv", regions)
    if len(times) == 1:
        shown = ["region", "longitude", "latitude", "mcintosh", *(f"probability_{name}" for name in CLASSES)]
        whole = {"region": "disk"} | {name: disk[name].iloc[0] for name in shown if name.startswith("probability")}
        print(f"{times[0]}Z, {data.target_label}")
        _print(regions[shown], whole)
    without = len(disk) - int(disk["has_summary"].sum())
    if without:
        print(f"note: {without} of {len(disk)} forecasts are of the flare history alone, without a summary of their day")
    print(f"wrote {flags.out}: {len(disk)} forecasts of the disk, {len(regions)} of regions")


if __name__ == "__main__":
    command_line.run(main)
