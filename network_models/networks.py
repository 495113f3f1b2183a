"""Every network that has a name in programs: the training scripts, the import of published weights, the search, diagrams."""

from network_models.beta_vae import burgess, sequence
from network_models.beta_vae import full_disk as full_disk_vae
from network_models.full_disk_flare_forecast import networks as full_disk
from network_models.image_inputs import Input
from network_models.xray_flux_forecast.fdl1 import architecture as fdl1
from network_models.xray_flux_forecast.starting_point import architecture as starting_point

NETWORKS = {"fdl1": fdl1, "starting_point": starting_point, **full_disk.NETWORKS}
NETWORKS |= {"burgess": burgess, "full_disk": full_disk_vae, "sequence": sequence}
SIZES = {"burgess": 32}  # pixels, where it is not 256


def name_of(text):
    """Return the name in `NETWORKS` of a network that is called `text`, which may be its second spelling: str."""
    return full_disk.SPELLINGS.get(text, text)


def inputs_of(name, size=None, *, channels=1, frames=6):
    """Describe images, or of the network that takes them sequences, as a network by its name could be given.

    Parameters
    ----------
    name : str
        In `NETWORKS`, or a second spelling.
    size : int, optional
        Height and width in pixels; 256 without it, or 32 for burgess.
    channels, frames : int

    Returns
    -------
    dict of str to network_models.image_inputs.Input
    """
    name = name_of(name)
    size = size or SIZES.get(name, 256)
    if name == "sequence":
        return {"sequence": Input((frames, size, size, channels))}
    return {"image": Input((size, size, channels))}


def named(text):
    """Return the module of a network, with its ``build`` and ``Options``, by either spelling of its name."""
    return NETWORKS[name_of(text)]
