"""Train a beta-VAE: on digits, on magnetograms, on sequences of magnetograms before flares, on the simulated Sun.

    python network_models/beta_vae/train.py --beta 4 [--latent_dim 10 ...]

takes a few minutes on two cores with scikit-learn's digits and comes to a reconstruction error of 370 nats per image, with
four of ten latents in use (1.0 to 1.5 nats each, the others 0.005 at most). See README.md beside this script for the other
data sets, and science/latent_traversal for what to do with the result.
"""

import pathlib

from network_models import experiment, settings
from tools import command_line, modules

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = {name: modules.load(HERE / f"{name}.py") for name in ("burgess", "full_disk", "sequence")}  # a copied folder's own
VAETraining = modules.load(HERE / "building_blocks.py").VAETraining
ALIASES = {"lr": "learning_rate", "loss": "likelihood"}
DATASET = "dataset_models/digits.py"
SIZES = {"burgess": 32, "full_disk": 128, "sequence": 512}


def choice():
    """Make the flag ``--architecture``: `network_models.settings.NetworkChoice`."""
    options = {name: module.Options for name, module in NETWORKS.items()}
    return settings.NetworkChoice("--architecture", "burgess", options)


def train(run_settings):
    """Train, or continue to train, a beta-VAE.

    Parameters
    ----------
    run_settings : network_models.settings.RunSettings
        Its training is a `VAETraining`, its architecture a key of `NETWORKS`.

    Returns
    -------
    network_models.experiment.Result

    Raises
    ------
    UserError
        As `network_models.experiment.run`.
    """
    from network_models.training import schedules

    objective = modules.load(HERE / "reconstruction.py").Reconstruction(run_settings)
    gamma, rate = run_settings.training.gamma, run_settings.training.learning_rate
    callbacks = [schedules.StepDecay(rate, gamma)] if gamma < 1 else []
    return experiment.run(NETWORKS[run_settings.architecture].build, run_settings, objective=objective, callbacks=callbacks)


def main(arguments=None):
    """Train with the given flags; the last line printed is the result as JSON."""
    return train(
        settings.parse(
            arguments,
            __doc__,
            network_folder=HERE,
            choose_network=choice(),
            training=VAETraining,
            dataset=DATASET,
            data_defaults=lambda name, given: {"image_size": SIZES[name]},
            aliases=ALIASES,
            presets=modules.load(HERE / "presets.py").PRESETS,
        )
    )


if __name__ == "__main__":
    command_line.run(main)
