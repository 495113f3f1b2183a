"""Training of the full-disk networks: flags and defaults of the published training script."""

import dataclasses

from network_models.settings import TrainingOptions
from tools.options import option

BALANCES = ("none", "weights", "augment", "both")
SCHEDULES = ("constant", "onecycle", "halving", "steps", "plateau")


@dataclasses.dataclass(kw_only=True)
class FullDiskTraining(TrainingOptions):
    """Training of the full-disk networks.

    Epochs, batch size, learning rates, weight decay and schedule are those of the comparison of three networks (Pandey
    et al. 2023, ICMLA); the plateau schedule is that of the explained AlexNet (Pandey et al. 2023, post hoc attention).
    """

    epochs: int = option(50, "passes over the training split", least=1, most=100_000)
    batch_size: int = option(64, "samples per step, over all devices together", least=1, most=65_536)
    optimizer: str = option("sgd", "SGD as in PyTorch, or Adam", choices=("sgd", "adam"))
    learning_rate: float = option(1e-4, "learning rate; the one-cycle schedule takes --max_lr instead", least=0.0, most=100.0)
    weight_decay: float = option(1e-3, "L2 of all weights for SGD, decoupled for Adam", least=0.0, most=100.0)
    momentum: float = option(
        0.0, "of SGD; the one-cycle schedule moves it between 0.95 and 0.85 instead", least=0.0, most=0.999
    )
    schedule: str = option("onecycle", "how the learning rate moves", choices=SCHEDULES)
    max_lr: float = option(1e-5, "learning rate at the top of the one-cycle schedule", least=0.0, most=100.0)
    halve_every: int = option(5, "epochs after which the halving schedule halves the rate", least=1, most=100_000)
    step_every: int = option(
        20, "the schedule of steps multiplies the rate before each epoch that this divides; 0: never", least=0, most=100_000
    )
    steps_from: int = option(
        45, "from this epoch on, the schedule of steps also multiplies the rate before each; 0: never", least=0, most=100_000
    )
    step_factor: float = option(0.1, "by which the schedule of steps multiplies the rate", least=0.0, most=1.0)
    plateau_epochs: int = option(
        4, "epochs without a lower validation loss that the plateau schedule accepts", least=0, most=100_000
    )
    factor: float = option(0.03, "by which the plateau schedule multiplies the rate", least=0.0, most=1.0)
    balance: str = option(
        "weights",
        "against rare flares: class weights in the loss, augmented copies up to equal classes, or each flaring window in four"
        " ways and weights for the rest",
        choices=BALANCES,
    )
    augment_quiet: bool = option(
        False, "show quiet windows a second time in each epoch, flipped or rotated at random (with --balance augment or both)"
    )

    @staticmethod
    def from_stored(values):
        """Rename as `TrainingOptions.from_stored`: ``patience`` was the schedule's, and ``stop_after`` ended training."""
        if "stop_after" not in values:
            return values
        values = {**values, "plateau_epochs": values["patience"], "patience": values["stop_after"]}
        del values["stop_after"]
        return values
