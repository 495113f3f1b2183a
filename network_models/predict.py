"""Forecast with a trained network: samples of a split, or newly observed images.

    python network_models/predict.py MODEL.hdf5 DATASET.py --out FORECASTS.csv [--split validation] [--calibrated]
    python network_models/predict.py MODEL.hdf5 DATASET.py --out FORECASTS.csv --images NEW.jpg [MORE ...] [--calibrated]

Data options are those of the network's run. With --calibrated the probabilities pass through calibration.json beside the
network (network_models/calibration.py fits it); --calibration FILE names another. Conformal sets are written if it has
them.
"""

import pathlib

import numpy

from network_models import calibration, conformal
from network_models.run_folder import run_folder_of
from tools import atomic_files, command_line, options
from tools.errors import UserError


def forecast_images(model, data, paths, *, network="the network"):
    """Forecasts for image files.

    Parameters
    ----------
    model : keras.Model
    data : SolarData
    paths : sequence of str or pathlib.Path
        Files that the data set reads.
    network : str or pathlib.Path
        What messages call the network.

    Returns
    -------
    numpy.ndarray
        float64 (n,): as of `SolarData.forecast`.

    Raises
    ------
    UserError
        A file cannot be read, or its image is of another shape than the network takes.
    """
    from network_models.trained_network import input_sources, require_shape

    sources = input_sources(model, data, network)
    found = []
    for path in paths:
        arrays = data.read_image(pathlib.Path(path))
        batch = {}
        for tensor in model.inputs:
            name = sources[tensor.name]
            if name not in arrays:
                raise UserError(f"{path}: gives no {name}, which {network} takes; it gives {', '.join(arrays)}")
            array = numpy.asarray(arrays[name], "float32")
            require_shape(network, tensor.name, tuple(tensor.shape[1:]), array.shape, f"{path} gives {name}")
            batch[tensor.name] = array[None]
        found.append(data.forecast(model.predict_on_batch(batch))[0])
    return numpy.array(found)


def calibrated(table, saved):
    """A table of forecasts with the calibrated probability, and the conformal set, in columns of their own.

    Parameters
    ----------
    table : pandas.DataFrame
        With a column probability.
    saved : calibration.Saved

    Returns
    -------
    pandas.DataFrame
        The network's own probability moves to ``uncalibrated``.
    """
    own = table["probability"].to_numpy("float64")
    table = table.assign(probability=calibration.apply(saved.calibration, own), uncalibrated=own)
    if saved.conformal is not None:
        table["set"] = conformal.words(saved.conformal.sets(own))
    return table


def main(arguments=None):
    """Forecast and write a CSV."""
    import sys

    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = command_line.parser(__doc__)
    parser.add_argument("model", metavar="MODEL.hdf5", type=pathlib.Path, help="a trained network")
    parser.add_argument("dataset", metavar="DATASET.py", type=pathlib.Path, help="file that defines a SolarData class")
    parser.add_argument("--out", metavar="CSV", type=pathlib.Path, required=True, help="time or file, and forecast")
    parser.add_argument("--split", choices=("training", "validation"), default="validation", help="(default: %(default)s)")
    parser.add_argument("--images", nargs="+", metavar="FILE", help="images to forecast from, instead of a split")
    parser.add_argument("--calibrated", action="store_true", help=f"use {calibration.NAME} beside the network")
    parser.add_argument("--calibration", type=pathlib.Path, metavar="FILE", help="use this calibration")
    file = next((pathlib.Path(text) for text in arguments if text.endswith(".py") and pathlib.Path(text).is_file()), None)
    if file is None:
        flags = parser.parse_args(arguments)
        raise UserError(f"{flags.dataset}: no such data set file")
    from dataset_models.solar_data import load_solar_data

    data_class = load_solar_data(file)
    taken = {action.dest for action in parser._actions}
    options.add_flags(parser, data_class, title=f"data set: {data_class.title} (default: as in the run)", skip=taken)
    flags = parser.parse_args(arguments)
    if not flags.model.is_file():
        raise UserError(f"{flags.model}: no such network file")
    run = run_folder_of(flags.model)
    stored = run.data_options(file) if run else {}
    given = {name: value for name, value in options.take(data_class, flags).items() if name not in taken}
    data = options.build(data_class, {**stored, **given}, origin="command line")
    saved = calibration.load(flags.calibration or flags.model) if flags.calibrated or flags.calibration else None
    if saved is not None and data.task != "classification":
        raise UserError(f"{flags.model}: forecasts flux; a calibration is for probabilities")

    from network_models.trained_network import input_sources, load_network
    from network_models.variational import BetaVAE

    model = load_network(flags.model)
    if isinstance(model, BetaVAE):
        raise UserError(f"{flags.model}: is a beta-VAE; science/latent_traversal/latent_forecast.py forecasts from its latents")
    input_sources(model, data, flags.model)
    if flags.images:
        _images(model, data, flags, saved)
    else:
        _split(model, data, flags, saved)


def _images(model, data, flags, saved):
    import pandas

    name = "probability" if data.task == "classification" else "forecast"
    found = forecast_images(model, data, flags.images, network=flags.model)
    table = pandas.DataFrame({"file": [str(path) for path in flags.images], name: found})
    table = table if saved is None else calibrated(table, saved)
    atomic_files.write_table(flags.out, table)
    print(table.to_string(index=False))
    print(f"{data.target_label}; wrote {flags.out}")


def _split(model, data, flags, saved):
    import pandas

    data.require_downloaded()
    data.evaluate(model, flags.out, split=flags.split)
    if saved is None:
        print(f"wrote {flags.out}")
        return
    columns = {"time": "time", "prediction": "probability", "true_value": "target"}
    pieces = pandas.read_csv(flags.out, chunksize=100_000)
    table = pandas.concat([calibrated(piece[list(columns)].rename(columns=columns), saved) for piece in pieces])
    times = numpy.array([text.removesuffix("Z") for text in table["time"]], "datetime64[s]")
    fitted = int(calibration.inside(times, saved.periods).sum())
    atomic_files.write_table(flags.out, table)
    if fitted:
        print(f"note: the calibration was fitted on {fitted} of these hours; scores on them flatter")
    print(f"wrote {flags.out}")


if __name__ == "__main__":
    command_line.run(main)
