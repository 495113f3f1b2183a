"""Small simulated archives for the gallery and for first steps: written once into the cache, then only found."""

import dataclasses
import pathlib

from dataset_models.simulated import archive
from dataset_models.simulated.sun import SimulatedSun
from tools import atomic_files
from tools.paths import data_path

MONTH = {"start": archive.MONTH["start"], "days": archive.MONTH["days"], "cadence_minutes": 360}
SMALL = {"start": "2014-01-01", "days": 11, "cadence_minutes": 360}
SEASON = {"start": "2013-10-17", "days": 90, "cadence_minutes": 360}
YEARS = {"start": "2011-01-01", "days": 1461, "cadence_minutes": 1440}
FEWER = {"start": "2011-01-01", "days": 300, "cadence_minutes": 1440}
SIZE = 256  # pixels of magnetograms
_PRODUCTS = ("hmi_jpg", "goes", "flares", "hek", "donki")


@dataclasses.dataclass(frozen=True)
class Practice:
    """Where the parts of an archive lie.

    Attributes
    ----------
    folder : pathlib.Path
    """

    folder: pathlib.Path

    @property
    def magnetograms(self):
        """Folder of full-disk magnetograms, as of HMI: str."""
        return str(self.folder / "hmi_jpg")

    @property
    def flares(self):
        """Flare list: str."""
        return str(self.folder / "flares.csv")

    @property
    def hek(self):
        """Answer of HEK: str."""
        return str(self.folder / "hek.csv")

    @property
    def donki(self):
        """Answer of DONKI: str."""
        return str(self.folder / "donki.json")

    @property
    def goes(self):
        """Daily files of X-ray flux: list of str."""
        return sorted(map(str, (self.folder / "goes").glob("*.fits")))


def forecast_archive(folder):
    """Write the archive that a first configuration of forecasts takes: 90 days of magnetograms, four a day, and their flares.

    Parameters
    ----------
    folder : str or pathlib.Path

    Returns
    -------
    Practice
    """
    return _written(pathlib.Path(folder), SEASON, ("hmi_jpg", "flares"))


def practice(folder=None, *, small=False):
    """Find the archive, or write it where there is none yet: a month, or eleven days, of which nothing is an observation.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Without it a folder in ``cache`` of config.yml.
    small : bool
        Eleven days instead of the month.

    Returns
    -------
    Practice
    """
    folder = pathlib.Path(folder or data_path("cache") / ("practice_small" if small else "practice"))
    return _written(folder, SMALL if small else MONTH, _PRODUCTS)


def flare_years(folder=None, *, small=False):
    """Find the flare list of four years, or of ten months, without images, or write it where there is none yet.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Without it a folder in ``cache`` of config.yml.
    small : bool
        Ten months instead of four years.

    Returns
    -------
    Practice
        Of which there are only the flares.
    """
    folder = pathlib.Path(folder or data_path("cache") / ("flare_months" if small else "flare_years"))
    return _written(folder, FEWER if small else YEARS, ("flares",))


def _written(folder, span, products):
    """Write an archive, or find it written."""
    ready = folder / "complete.txt"
    if not ready.is_file():
        archive.write_archive(folder, SimulatedSun(**span), products=products, hmi_size=SIZE, progress=True)
        atomic_files.write_text(ready, "Written to the end.\n")
    return Practice(folder)
