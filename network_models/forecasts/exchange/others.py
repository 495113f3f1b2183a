"""Others' forecasts of the whole disk as a series, in whatever form they come."""

from dataset_models.flares.flare_index import threshold_flux
from network_models.forecasts import files
from network_models.forecasts.exchange import comparison, formats
from tools import tables
from tools.errors import UserError


def series(name, paths, event, *, window, of_csv="M1.0"):
    """Read the forecasts of one forecaster.

    Parameters
    ----------
    name : str
    paths : sequence of str or pathlib.Path
        CSVs as of `files.read`, or files of any format of `formats.read`, each of one issue or of many.
    event : str
        Smallest flare that is an event.
    window : numpy.timedelta64
        Of those that state their windows, others are left out.
    of_csv : str
        Event of the probabilities in CSVs, which do not state it.

    Returns
    -------
    network_models.forecasts.files.Forecasts

    Raises
    ------
    UserError
        A file is of no such format, or holds no forecast of this event, disk and window.
    """
    published = [is_series(path) for path in paths]
    if all(published):
        if threshold_flux(of_csv) != threshold_flux(event):
            raise UserError(f"{name}: its probabilities are of {of_csv}, not of {event}")
        return files.read(list(paths), name=name, target=False)
    if any(published):
        raise UserError(f"{name}: {paths[published.index(True)]} is a series of its own; name it apart from the other files")
    issued = [one for path in paths for one in formats.read(path)]
    return comparison.forecasts_of(issued, event, window=window, name=name)


def is_series(path):
    """Check whether a file is a CSV with a column of probabilities, as of `network_models.forecasts.files.read`: bool."""
    if not str(path).lower().endswith((".csv", ".csv.gz")):
        return False
    columns = tables.read(path).columns
    return any(name in columns for name in files.PROBABILITY_COLUMNS)
