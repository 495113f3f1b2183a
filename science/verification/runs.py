"""Verify a run from Python: the forecasts that it made of its validation split, beside baselines."""

import numpy

from dataset_models import flare_catalogue, simulation_mark
from network_models.forecasts import files as forecast_files
from network_models.forecasts.files import Forecasts
from network_models.run_folder import RunFolder
from network_models.run_overview import SCORES, read_scores
from science.verification import regression, report
from tools import tables
from tools.errors import UserError

FORECASTS = "validation_forecasts.csv"  # in performance/


def verify(run, *, flares=None, settings=None):
    """Score the validation forecasts of a run's best network.

    Parameters
    ----------
    run : network_models.experiment.Result, network_models.run_folder.RunFolder, str or pathlib.Path
    flares : sequence of str or pathlib.Path, optional
        Flare lists, of which the baselines of verification.py are made. Without them the baselines are those that the run
        knows: the event rate of the training split, and persistence where it is known of every forecast.
    settings : report.Settings, optional

    Returns
    -------
    report.Report or regression.FluxReport
        Of probabilities or of fluxes; shows itself.

    Raises
    ------
    UserError
        It is no run, its training has not ended, its forecasts are neither probabilities nor fluxes.
    """
    folder, settings = RunFolder.of(run), settings or report.Settings()
    path, name = folder.performance / FORECASTS, f"run {folder.path.resolve().name}"
    if not path.is_file():
        raise UserError(f"{path}: is missing; it is written when the training of a forecast ends")
    if regression.is_flux(path):
        if flares is not None:
            raise UserError("flares: are for forecasts of probabilities; leave them out for fluxes")
        return regression.verify(name, *regression.read(path), settings, simulated=bool(simulation_mark.of_file(path)))
    forecasts = forecast_files.read(path, name=name)
    if flares is not None:
        return report.verify([forecasts], flare_catalogue.read(flares).events, settings)
    return report.verify([forecasts], None, settings, references=_known_baselines(folder, path, forecasts))


def _known_baselines(folder, path, forecasts):
    """Make baselines of what a run has written beside its forecasts: list of Forecasts."""
    scores = read_scores(folder)
    if not isinstance(scores.get("climatology"), float | int):
        raise UserError(f"{folder.performance / SCORES}: has no climatology; --resume of the run makes it anew")
    probability = {report.CLIMATOLOGY: numpy.full(len(forecasts), float(scores["climatology"]))}
    prior = tables.read(path, numbers=("prior_value",))["prior_value"].to_numpy("float64")
    if numpy.isfinite(prior).all():
        probability["persistence"] = prior
    return [
        Forecasts(name, forecasts.times, values, None, forecasts.fold, simulated=forecasts.simulated)
        for name, values in probability.items()
    ]
