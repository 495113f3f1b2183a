"""Every network that has a name in programs: the training scripts, the import of published weights, the search."""

from network_models.beta_vae import burgess, sequence
from network_models.full_disk_flare_forecast import networks as full_disk
from network_models.xray_flux_forecast.fdl1 import architecture as fdl1
from network_models.xray_flux_forecast.starting_point import architecture as starting_point

NETWORKS = {"fdl1": fdl1, "starting_point": starting_point, **full_disk.NETWORKS, "burgess": burgess}
NETWORKS |= {"sequence": sequence}


def name_of(text):
    """Return the name in `NETWORKS` of a network that is called `text`, which may be its second spelling: str."""
    return full_disk.SPELLINGS.get(text, text)


def named(text):
    """Return the module of a network, with its ``build`` and ``Options``, by either spelling of its name."""
    return NETWORKS[name_of(text)]
