"""Train a beta-VAE: on digits, on magnetograms, on sequences of magnetograms before flares, on the simulated Sun.

    python network_models/beta_vae/train.py --beta 4 --epochs 60 --lr 1e-3 --gamma 0.98 [--latent_dim 10 ...]

takes two minutes on scikit-learn's digits and comes to a reconstruction error of 374 nats per image (beta 1: 360), with
four latents in use (beta 1: six). See README.md beside this script for the other data sets, and
science/latent_traversal for what to do with the result.
"""

import pathlib

from network_models import experiment, settings
from tools import command_line, modules

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = {name: modules.load(HERE / f"{name}.py") for name in ("burgess", "full_disk", "sequence")}  # a copied folder's own
ALIASES = {"lr": "learning_rate", "loss": "likelihood"}
DATASET = "dataset_models/digits.py"
SIZES = {"burgess": 32, "full_disk": 128, "sequence": 512}


def main(arguments=None):
    """Train with the given flags; the last line printed is the result as JSON."""
    chosen, name = settings.parse(
        arguments,
        __doc__,
        network_folder=HERE,
        choose_network=("--architecture", "burgess", {name: module.Options for name, module in NETWORKS.items()}),
        training=modules.load(HERE / "vae_options.py").VAETraining,
        dataset=DATASET,
        data_defaults=lambda name, given: {"image_size": SIZES[name]},
        aliases=ALIASES,
    )
    from network_models import schedules

    objective = modules.load(HERE / "training.py").Reconstruction(chosen, name)
    gamma, rate = chosen.training.gamma, chosen.training.learning_rate
    callbacks = [schedules.StepDecay(rate, gamma)] if gamma < 1 else []
    return experiment.run(NETWORKS[name].build, chosen, objective=objective, architecture=name, callbacks=callbacks)


if __name__ == "__main__":
    command_line.run(main)
