"""Forecast with a trained network: samples of a split, or newly observed images.

    python network_models/predict.py MODEL.hdf5 DATASET.py --out FORECASTS.csv [--split training --every 100] [--calibrated]
    python network_models/predict.py MODEL.hdf5 DATASET.py --out FORECASTS.csv --images NEW.jpg [MORE ...] [--calibrated]

Data options are those of the network's run. With --calibrated the probabilities pass through calibration.json beside the
network (network_models/forecasts/calibration.py fits it); --calibration FILE names another. Conformal sets are written if it
has them. With --scheduler the workers of a Dask cluster do it (docs/machines.md), each with the network opened once.
"""

import pathlib
import sys
import typing

import numpy

from dataset_models import evaluation, leak_check, simulation_mark
from dataset_models.solar_data import EVALUATION_COLUMNS, load_solar_data
from network_models.forecasts import calibration, conformal
from network_models.forecasts import files as forecast_files
from network_models.trained_network import TrainedNetwork, input_sources, open_network, require_shape
from tools import atomic_files, command_line, options, spreading
from tools.errors import Stopped, UserError
from tools.paths import Files

SHOWN = 10  # images that are left out and named
BATCH = 16  # samples of a split that are forecast together


class ImageForecast(typing.NamedTuple):
    """A forecast from one image file.

    Attributes
    ----------
    path : pathlib.Path
    time : numpy.datetime64
        Observation time, UTC, in seconds; NaT where the file has none.
    value : float
        A probability, or a flux in W m^-2.
    true, prior : float
        As of `SolarData.truth_if_known`.
    content : bytes
        Of the image, as of `dataset_models.leak_check.content`.
    """

    path: pathlib.Path
    time: numpy.datetime64
    value: float
    true: float
    prior: float
    content: bytes


class ImageForecaster:
    """Forecasts from one image file after another, in this process or another.

    Parameters
    ----------
    trained : network_models.trained_network.TrainedNetwork
        Its path is what messages call it.

    Raises
    ------
    UserError
        Its inputs are not those of the data set.
    """

    def __init__(self, trained):
        self._trained = trained
        self._sources = input_sources(trained.model, trained.data, trained.path)

    def __reduce__(self):
        return type(self), (self._trained,)

    def __call__(self, path):
        """Forecast from a file: `ImageForecast`, or str, why there is none."""
        try:
            return self._forecast(path)
        except UserError as error:
            return str(error)

    def _forecast(self, path):
        model, data, network = self._trained.model, self._trained.data, self._trained.path
        arrays, batch = data.read_image(path), {}
        for tensor in model.inputs:
            name = self._sources[tensor.name]
            if name not in arrays:
                raise UserError(f"{path}: gives no {name}, which {network} takes; it gives {', '.join(arrays)}")
            array = numpy.asarray(arrays[name], "float32")
            require_shape(network, tensor.name, tuple(tensor.shape[1:]), array.shape, f"{path} gives {name}")
            batch[tensor.name] = array[None]
        time = data.image_time(path)
        # Pixels, not bytes: a frozen feed may get new headers. A sequence is more than this one image.
        image = next((arrays[name] for name in data.image_inputs if name in arrays), path)
        time = numpy.datetime64("NaT", "s") if time is None else time
        true, prior = _known(data, time)
        (forecast,) = data.finite_forecast(model.predict_on_batch(batch), lambda _: f"{network}: on {path}")
        with numpy.errstate(over="ignore"):
            value = float(data.value(forecast, prior))
        if numpy.isinf(value):
            raise UserError(f"{network}: on {path}: the forecast is {value}; check its weights, or train anew")
        if numpy.isnan(value):
            raise UserError(f"{path}: the forecast is a change from the value at {time}Z, which the data set does not know")
        return ImageForecast(path, time, value, true, prior, leak_check.content(image))


class SplitForecaster:
    """Forecasts of batches of samples of a split, in this process or another.

    Parameters
    ----------
    trained : network_models.trained_network.TrainedNetwork
    split : str
    """

    def __init__(self, trained, split):
        self._trained, self._split = trained, split

    def __reduce__(self):
        return type(self), (self._trained, self._split)

    def __call__(self, times):
        """Forecast the samples of some times: rows, see `dataset_models.evaluation.rows`."""
        data, model = self._trained.data, self._trained.model
        arrays = [data.inputs(time) for time in times]
        inputs = {name: numpy.stack([one[name] for one in arrays]) for name in data.input_shapes}
        return evaluation.rows(data, model, times, inputs, split=self._split, network=self._trained.path)


def forecast_images(model, data, paths, *, network="the network", workers=1):
    """Forecasts for image files.

    Parameters
    ----------
    model : keras.Model
    data : SolarData
    paths : sequence of str or pathlib.Path
        Files that the data set reads.
    network : str or pathlib.Path
        What messages call the network; its file, where other processes open it too.
    workers : int
        Processes of this machine. See `tools.spreading.on`.

    Returns
    -------
    forecasts : list of ImageForecast
    left_out : list of str
        Of each other file, why there is no forecast: it cannot be read, its image is of another shape than the network
        takes, what the network takes beside the image is not known at its time, or an earlier file has the same time.
    """
    forecaster, paths = ImageForecaster(TrainedNetwork(model, network, data, None)), list(map(pathlib.Path, paths))
    forecasts, left_out, at = [], [], {}
    for path, forecast in zip(paths, spreading.mapped(forecaster, paths, workers=workers), strict=True):
        if isinstance(forecast, str):
            left_out.append(forecast)
        elif forecast.time in at and not numpy.isnat(forecast.time):
            first = at[forecast.time]
            left_out.append(f"{path}: is of the same time as {first} ({forecast.time}Z); give one of them")
        else:
            at[forecast.time] = path
            forecasts.append(forecast)
    return forecasts, left_out


def _known(data, time):
    """Look up the value forecast at a time, and the one before it, as far as they are known by now; NaN elsewhere."""
    if data.task == "classification" or numpy.isnat(time):
        return numpy.nan, numpy.nan
    try:
        return data.truth_if_known(time)
    except UserError:  # neither flux store nor flare list: a network may need none
        return numpy.nan, numpy.nan


def calibrated(table, saved):
    """Give a table of forecasts the calibrated probability, and the conformal set, in columns of their own.

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
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = command_line.parser(__doc__)
    parser.add_argument("model", metavar="MODEL.hdf5", type=pathlib.Path, help="a trained network")
    parser.add_argument("dataset", metavar="DATASET.py", type=pathlib.Path, help="file that defines a SolarData class")
    parser.add_argument("--out", metavar="CSV", type=pathlib.Path, required=True, help="time or file, and forecast")
    parser.add_argument("--split", choices=("training", "validation"), default="validation", help="(default: %(default)s)")
    options.add_number(
        parser,
        "--every",
        int,
        least=1,
        most=10**9,
        default=1,
        metavar="N",
        help="every N-th sample of a split (default: all)",
    )
    parser.add_argument("--images", nargs="+", action=Files, metavar="FILE", help="images to forecast from, instead of a split")
    parser.add_argument("--calibrated", action="store_true", help=f"use {calibration.NAME} beside the network")
    parser.add_argument("--calibration", type=pathlib.Path, metavar="FILE", help="use this calibration")
    spreading.add_flags(parser, default="this one, all of whose processors TensorFlow uses")
    flags, given = options.parse_with_file(parser, arguments, load_solar_data)
    with spreading.on(flags.scheduler):
        _forecast(flags, given)


def _forecast(flags, given):
    trained = open_network(flags.model, flags.dataset, given)
    model, data = trained.model, trained.data
    saved = calibration.load(flags.calibration or flags.model) if flags.calibrated or flags.calibration else None
    if str(flags.out).endswith(".gz"):
        raise UserError(f"--out {flags.out}: is not compressed; give a name that ends in .csv")
    if saved is not None and data.task != "classification":
        raise UserError(f"{flags.model}: forecasts flux; a calibration is for probabilities")

    from network_models.layers.variational import BetaVAE

    if isinstance(model, BetaVAE):
        raise UserError(f"{flags.model}: is a beta-VAE; science/latent_traversal/latent_forecast.py forecasts from its latents")
    input_sources(model, data, flags.model)
    if flags.images:
        _images(model, data, flags, saved)
    else:
        _split(trained, flags, saved)


def _images(model, data, flags, saved):
    forecasts, left_out = forecast_images(model, data, flags.images, network=flags.model, workers=flags.workers or 1)
    if not forecasts:
        raise UserError(left_out[0] if len(left_out) == 1 else f"none of {len(left_out)} images; the first: {left_out[0]}")
    times = numpy.array([forecast.time for forecast in forecasts])
    leak_check.note_identical(times, [forecast.content for forecast in forecasts])
    values, true, prior = numpy.array([(forecast.value, forecast.true, forecast.prior) for forecast in forecasts]).T
    if data.task == "classification":
        columns = {"probability": values}
    else:  # as of a split, with what is known by now
        columns = dict(zip(EVALUATION_COLUMNS[1:], (values, true - prior, true, prior), strict=True))
    table = forecast_files.table(times, files=[str(forecast.path) for forecast in forecasts], **columns)
    unknown = numpy.isnat(times)
    if unknown.any():
        table["time"] = table["time"].mask(unknown)
        first = forecasts[unknown.argmax()].path
        print(
            f"note: {unknown.sum()} of {len(forecasts)} images do not tell when they were taken, the first {first}",
            file=sys.stderr,
        )
    if saved is not None:
        table = calibrated(table, saved)
        _note_fitted(times, saved)
    marked = data.simulated or simulation_mark.of_any(flags.images) or (saved is not None and saved.simulated)
    table = simulation_mark.marked(table, marked)
    atomic_files.write_table(flags.out, table)
    print(table.to_string(index=False))
    words = f"fluxes in {data.target_unit}" if data.target_quantity == "flux" else data.target_label
    print(f"{words}; wrote {flags.out}")
    if left_out:
        shown = [f"left out: {reason}" for reason in left_out[:SHOWN]]
        shown += [f"and {len(left_out) - SHOWN} more"] if len(left_out) > SHOWN else []
        print("\n".join(shown), file=sys.stderr)
        raise Stopped(f"{len(left_out)} of {len(left_out) + len(forecasts)} images left out; the others are in {flags.out}", 4)


def _split(trained, flags, saved):
    trained.data.require_downloaded()
    with atomic_files.replacing(flags.out) as table:  # nobody finds forecasts there that are not calibrated yet
        _evaluate(trained, flags, table)
        if saved is not None:
            _calibrate(table, saved, simulated=trained.data.simulated)
    print(f"wrote {flags.out}")


def _evaluate(trained, flags, path):
    """Write the forecasts of a split, as `SolarData.evaluate` does."""
    data = trained.data
    if flags.scheduler is None and (flags.workers or 1) == 1:
        data.evaluate(trained.model, path, split=flags.split, batch_size=BATCH, network=flags.model, every=flags.every)
        return
    times = data.require_samples(flags.split)[:: flags.every]
    parts = [times[first : first + BATCH] for first in range(0, len(times), BATCH)]
    job = SplitForecaster(trained, flags.split)
    made = spreading.mapped(job, parts, workers=flags.workers or 1, name=lambda some: f"samples from {some[0]}Z on")
    evaluation.write_rows(data, path, made, count=len(times), split=flags.split)


def _calibrate(path, saved, *, simulated):
    """Put calibrated forecasts in the place of those of a split."""
    import pandas

    columns = {"time": "time", "prediction": "probability", "true_value": "target"}
    with pandas.read_csv(path, chunksize=100_000) as pieces:
        table = pandas.concat([calibrated(piece[list(columns)].rename(columns=columns), saved) for piece in pieces])
    _note_fitted(numpy.array([text.removesuffix("Z") for text in table["time"]], "datetime64[s]"), saved)
    atomic_files.write_table(path, simulation_mark.marked(table, simulated or saved.simulated))


def _note_fitted(times, saved):
    fitted = int(calibration.inside(times[~numpy.isnat(times)], saved.periods).sum())
    if fitted:
        print(f"note: the calibration was fitted on {fitted} of these hours; scores on them flatter")


if __name__ == "__main__":
    command_line.run(main)
