"""Schedules of the learning rate: one cycle, steps down at given epochs, or reduction on a plateau.

Each schedule is a callback. All but the last are functions of the step or epoch alone; that one has a memory, which
`network_models.training.state.TrainingState` keeps, so that an interrupted run continues as if it had not been.
All write the rate of an epoch's last step as ``rate`` into its logs.
"""

import math

import keras

INITIAL_DIVISOR = 25.0
FINAL_DIVISOR = 1e4
RISING = 0.3  # share of the steps
MOMENTA = (0.85, 0.95)  # at the highest learning rate, at the ends


def one_cycle(step, steps, highest):
    """Compute learning rate and momentum of the one-cycle policy with cosine annealing, as PyTorch's ``OneCycleLR``.

    Parameters
    ----------
    step : int
        From 0 to `steps` - 1.
    steps : int
        Of the whole training.
    highest : float
        The rate at the top; the cycle starts at `highest` / 25 and ends at `highest` / 250,000.

    Returns
    -------
    tuple of float
        Learning rate, and momentum: 0.95 at the ends, 0.85 at the top.

    References
    ----------
    Smith & Topin 2019, "Super-convergence".
    """
    initial = highest / INITIAL_DIVISOR
    top, end = RISING * steps - 1, steps - 1
    low, high = MOMENTA
    # As in PyTorch the top may lie between two steps; of a training of at most three steps it lies before the first.
    if step <= top:
        part = step / top if top else 1.0
        return _cosine(initial, highest, part), _cosine(high, low, part)
    part = (step - top) / (end - top)
    return _cosine(highest, initial / FINAL_DIVISOR, part), _cosine(low, high, part)


def stepped_down(epoch, initial, factor, every=1):
    """Compute the rate in an epoch (counted from 0) when it starts at `initial`, times `factor` after each `every` epochs."""
    return initial * factor ** (epoch // every)


def stepped_before(epoch, initial, factor, *, every=0, since=0):
    """Compute the rate in an epoch that is multiplied by `factor` before every so many epochs, and before each of the last.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    initial, factor : float
    every : int
        Before each epoch that it divides; 0: never.
    since : int
        Before this epoch and each one after it, besides; 0: never.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(stepped_before(epoch, 1.0, 0.5, every=3, since=5), 4) for epoch in range(1, 7)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.0625]
    """
    times = (epoch // every if every else 0) + (max(epoch - since + 1, 0) if since else 0)
    return initial * factor**times


def _cosine(start, end, part):
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


class Schedule(keras.callbacks.Callback):
    """A schedule of the learning rate: the part that all share.

    Attributes
    ----------
    scale : float
        By which all rates are multiplied, with --scale_rate on several devices.
    """

    scale = 1.0

    @property
    def optimizer(self):
        optimizer = self.model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)  # mixed precision wraps it

    def rate(self):
        """Return the learning rate now, on one device or several: float."""
        return float(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(self.optimizer.learning_rate)))

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["rate"] = self.rate()


class OneCycle(Schedule):
    """Set learning rate and momentum before each step by `one_cycle`; an optimizer without momentum keeps none.

    Parameters
    ----------
    highest : float
    """

    def __init__(self, highest):
        super().__init__()
        self.highest = highest

    def on_epoch_begin(self, epoch, logs=None):
        self.first_step = epoch * self.params["steps"]

    def on_train_batch_begin(self, batch, logs=None):
        rate, momentum = one_cycle(self.first_step + batch, self.params["epochs"] * self.params["steps"], self.highest)
        self.optimizer.learning_rate = self.scale * rate
        if hasattr(self.optimizer, "set_momentum"):
            self.optimizer.set_momentum(momentum)


class StepDecay(Schedule, keras.callbacks.LearningRateScheduler):
    """Multiply the learning rate by `factor` after each `every` epochs, by Keras's own scheduler.

    Parameters
    ----------
    initial : float
    factor : float
    every : int

    Notes
    -----
    The rate is written as `Schedule` writes it: Keras's scheduler would call it ``learning_rate``, an option of the run.
    `keras.optimizers.schedules.ExponentialDecay` computes in float32, which differs by up to 3e-6 of a rate, and in an
    optimizer takes the place of the variable that stored states hold.
    """

    def __init__(self, initial, factor, every=1):
        super().__init__(lambda epoch: float(self.scale * stepped_down(epoch, initial, factor, every)))


class StepsBefore(Schedule, keras.callbacks.LearningRateScheduler):
    """Set the learning rate before each epoch by `stepped_before`, with Keras's own scheduler.

    Parameters
    ----------
    initial, factor, every, since
        As of `stepped_before`.
    """

    def __init__(self, initial, factor, *, every=0, since=0):
        self.factor, self.every, self.since = factor, every, since
        super().__init__(lambda epoch: float(self.scale * stepped_before(epoch + 1, initial, factor, every=every, since=since)))


class ReduceOnPlateau(Schedule):
    """Multiply the learning rate by `factor` when the validation loss has not fallen for more than `patience` epochs.

    Parameters
    ----------
    factor : float
    patience : int

    Notes
    -----
    As PyTorch's ``ReduceLROnPlateau``: a loss has fallen when it is below (1 - 1e-4) times the lowest before; after a
    reduction the count starts again; a change of less than 1e-8 is not made. Keras's callback waits one epoch less.
    """

    def __init__(self, factor, patience):
        super().__init__()
        self.factor = factor
        self.patience = patience
        self.lowest = math.inf
        self.waited = 0

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if logs["val_loss"] < self.lowest * (1 - 1e-4):
            self.lowest, self.waited = logs["val_loss"], 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            if self.rate() * (1 - self.factor) > 1e-8:
                self.optimizer.learning_rate = self.rate() * self.factor
            self.waited = 0

    def state(self):
        """Return what must survive an interruption, beside the optimizer's variables: dict of numbers."""
        return {"lowest": self.lowest, "waited": self.waited}

    def restore(self, state):
        """Take up a stored `state`."""
        self.lowest, self.waited = state["lowest"], state["waited"]
