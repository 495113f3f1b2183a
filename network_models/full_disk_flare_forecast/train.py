"""Forecast flares of M1.0 and above in the next 24 hours from full-disk magnetograms.

    python network_models/full_disk_flare_forecast/train.py --models attention --fold 1 [--epochs 50 --max_lr 1e-3 ...]

needs magnetograms and a flare list (config.yml, or --folder and --flares). See README.md beside this script for what
the published studies set, what to expect, and training on a cluster.
"""

import functools
import pathlib

from network_models import experiment, settings
from network_models.training.forecast import Forecast
from tools import command_line, modules
from tools.errors import UserError

HERE = pathlib.Path(__file__).resolve().parent
networks = modules.load(HERE / "networks.py")  # a copied folder's own
NETWORKS = networks.NETWORKS
FullDiskTraining = modules.load(HERE / "training_options.py").FullDiskTraining
PRESETS = modules.load(HERE / "presets.py").PRESETS
SHORTCUTS = {"--attention": ("cnn", "attention"), "--no-attention": "cnn"}
ALIASES = {"lr": "learning_rate", "im_size": "image_size"}
DATASET = "dataset_models/SDO/HMI/full_disk.py"


def choice():
    """Make the flag ``--models`` and its shortcuts: `network_models.settings.NetworkChoice`."""
    options = {name: module.Options for name, module in NETWORKS.items()}
    return settings.NetworkChoice("--models", "alex", options, networks.SPELLINGS, SHORTCUTS)


def train(run_settings):
    """Train, or continue to train, one of the five networks.

    Parameters
    ----------
    run_settings : network_models.settings.RunSettings
        Its training is a `FullDiskTraining`, its architecture a key of `NETWORKS`.

    Returns
    -------
    network_models.experiment.Result

    Raises
    ------
    UserError
        As `experiment.run`; a split has windows of one kind only; quiet windows are to be augmented and flaring ones are not.
    """
    from dataset_models.augmentation import EqualClasses, EveryWay

    data, training = run_settings.data, run_settings.training
    data.require_downloaded()
    if data.task != "classification":
        raise UserError(f"{data.title}: these networks forecast whether there is a flare; choose a target of that kind")
    rate = _event_rate(data, "training")
    _event_rate(data, "validation")
    sampling = None
    if training.balance in ("augment", "both"):
        kind = EqualClasses if training.balance == "augment" else EveryWay
        sampling = kind(data.targets("training"), seed=training.seed, augment_quiet=training.augment_quiet)
        rate = sampling.event_rate
    elif training.augment_quiet:
        raise UserError(f"--augment_quiet: has no meaning with --balance {training.balance}; give --balance augment or both")
    weights = (rate, 1 - rate) if training.balance in ("weights", "both") else None
    objective = Forecast(run_settings, optimizer=functools.partial(optimizer_of, training), class_weights=weights)
    return experiment.run(
        NETWORKS[run_settings.architecture].build,
        run_settings,
        objective=objective,
        callbacks=schedule_of(training),
        sampling=sampling,
    )


def optimizer_of(training):
    """Make the optimizer of the options: keras.optimizers.Optimizer."""
    import keras

    from network_models.training.sgd import CoupledSGD

    if training.optimizer == "adam":
        return keras.optimizers.Adam(training.learning_rate, weight_decay=training.weight_decay or None)
    moving = training.momentum > 0 or training.schedule == "onecycle"
    return CoupledSGD(training.learning_rate, training.momentum if moving else None, training.weight_decay)


def schedule_of(training):
    """Make the callbacks that move the learning rate: list, empty for a constant one."""
    from network_models.training import schedules

    if training.schedule == "onecycle":
        return [schedules.OneCycle(training.max_lr)]
    if training.schedule == "halving":
        return [schedules.StepDecay(training.learning_rate, 0.5, training.halve_every)]
    if training.schedule == "steps":
        every, since = training.step_every, training.steps_from
        return [schedules.StepsBefore(training.learning_rate, training.step_factor, every=every, since=since)]
    if training.schedule == "plateau":
        return [schedules.ReduceOnPlateau(training.factor, training.plateau_epochs)]
    return []


def data_defaults(name, given):
    """Data set options unless the user sets them: the studies' image sizes, and their first fold if no other split.

    A data set that could give other images, or other targets, is asked for grey magnetograms and flares.
    """
    defaults = {"image_size": 256 if name in ("attention", "cnn") else 512, "dependent_variable": "flare"}
    defaults |= {"channel_set": "hmi", "magnetogram_unit": "grey"}
    return defaults if {"validation_start", "split", "labels"} & set(given) else defaults | {"fold": 1}


def _event_rate(data, split):
    data.require_samples(split)
    rate = float(data.targets(split).mean())
    if not 0 < rate < 1:
        kind = "only windows with" if rate else "no window with"
        raise UserError(f"{data.title}: {kind} a flare in the {split} split; check the flare list, the threshold and the dates")
    return rate


def main(arguments=None):
    """Train with the given flags; the last line printed is the result as JSON."""
    run_settings = settings.parse(
        arguments,
        __doc__,
        network_folder=HERE,
        choose_network=choice(),
        training=FullDiskTraining,
        dataset=DATASET,
        data_defaults=data_defaults,
        aliases=ALIASES,
        presets=PRESETS,
    )
    if run_settings.resume and run_settings.training.schedule == "onecycle":
        planned = run_settings.resume.settings()["training_options"]["epochs"]
        if run_settings.training.epochs != planned:
            raise UserError(
                f"--epochs {run_settings.training.epochs}: the one-cycle schedule of this run ends at epoch {planned}"
            )
    return train(run_settings)


if __name__ == "__main__":
    command_line.run(main)
