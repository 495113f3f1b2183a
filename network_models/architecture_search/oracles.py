"""keras-tuner's strategies, made to survive a kill at any moment and to propose only what can be built.

keras-tuner writes its state in place, forgets a trial that was begun but not yet listed when the process died, repeats
one that was finished but not yet listed, and counts a network that cannot be built as a failure. Here state is written
beside and renamed, a reloaded search completes what it had begun, and impossible proposals never become trials.
"""

import json
import warnings

import keras_tuner
import numpy
from sklearn.exceptions import ConvergenceWarning

from network_models.architecture_search.spaces import word
from tools import atomic_files
from tools.reading import structures

RUNNING, STOPPED = "RUNNING", "STOPPED"  # of keras-tuner's trials
ATTEMPTS = 500  # proposals looked at for one trial before the space counts as exhausted


def hyperparameters(parameters):
    """Make `keras_tuner.HyperParameters` of each `spaces.Parameter`; one that needs another is active when that is not 0."""
    space = keras_tuner.HyperParameters()
    by_name = {parameter.name: parameter for parameter in parameters}

    def declare(parameter):
        if parameter.bounds:
            low, high = parameter.bounds
            space.Float(parameter.name, low, high, sampling="log")
        else:
            space.Choice(parameter.name, [word(value) for value in parameter.values], ordered=_numbers(parameter))

    for parameter in parameters:
        if parameter.needs in by_name:
            with space.conditional_scope(parameter.needs, [value for value in by_name[parameter.needs].values if value]):
                declare(parameter)
        else:
            declare(parameter)
    return space


def _numbers(parameter):
    return all(isinstance(value, (int, float)) for value in parameter.values) or None


class _Durable:
    """Mixed into an oracle; `problem` and `folder` are set by `oracle`."""

    def save(self):
        atomic_files.write_text(self._get_oracle_fname(), json.dumps(self.get_state()))

    def _save_trial(self, trial):
        atomic_files.write_text(f"{self._get_trial_dir(trial.trial_id)}/trial.json", json.dumps(trial.get_state()))

    def reload(self):
        super().reload()
        unfinished = [trial.trial_id for trial in self.trials.values() if trial.status == RUNNING]
        # Those begun last are listed first: the queue is taken from its end.
        self._retry_queue = sorted(unfinished, reverse=True)
        for name, trial in sorted(self.trials.items()):
            self._record_values(trial)
            if name not in self.start_order:
                self.start_order.append(name)
                # The process died before its random state was written: the values that it drew are not drawn again.
                self._seed_state += len(self.hyperparameters.space)
            if trial.status != RUNNING and name not in self.end_order:
                self.end_order.append(name)
        self.save()

    def _random_values(self):
        for _ in range(ATTEMPTS):
            values = super()._random_values()
            if values is None or self._accepts(values):
                return values
        return None

    def _accepts(self, values):
        """Check that values may become a trial: neither tried before nor impossible, which is noted."""
        if self._duplicate(values):
            return False
        problem = self.problem(values)
        if problem:
            self._tried_so_far.add(self._compute_values_hash(values))
            self.skipped.append({"values": values, "why": problem})
            atomic_files.write_text(self.skipped_file, json.dumps(self.skipped, indent=1))
        return not problem


class Random(_Durable, keras_tuner.oracles.RandomSearchOracle):
    """Values drawn at random."""


class Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    """Many networks for few epochs, the best of them for more (Li et al. 2018, JMLR 18, 185)."""


class Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Values where a Gaussian process over the trials so far expects, or does not exclude, the best score."""

    def populate_space(self, trial_id):
        # Not part of keras-tuner's state: set from the number of trials, a resumed search goes on as it would have.
        self._random_state = numpy.random.RandomState(self.seed + len(self.trials))
        with warnings.catch_warnings():
            # With few trials the length scale of the process ends at a bound, with a warning at every proposal.
            warnings.simplefilter("ignore", ConvergenceWarning)
            response = super().populate_space(trial_id)
        if response["status"] != RUNNING or trial_id in self.trials:
            return response
        values = response["values"]
        if self._duplicate(values) or not self._accepts(values):
            values = self._random_values()
        if values is None:
            return {"status": STOPPED, "values": None}
        return {"status": RUNNING, "values": values}


def oracle(method, parameters, *, objective, direction, trials, epochs, seed, folder, problem):
    """Make the strategy of a search.

    Parameters
    ----------
    method : str
        ``"bayesian"``, ``"hyperband"`` or ``"random"``.
    parameters : sequence of spaces.Parameter
    objective, direction : str
        Name of the score, and ``"min"`` or ``"max"``.
    trials : int
        How many at most.
    epochs : int
        The longest training; only Hyperband uses it.
    seed : int
    folder : pathlib.Path
        Where skipped.json goes.
    problem : callable
        ``problem(values)`` returns a line with the reason why values cannot be built, or None.

    Returns
    -------
    keras_tuner.Oracle
    """
    keywords = {
        "objective": keras_tuner.Objective(objective, direction),
        "hyperparameters": hyperparameters(parameters),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": seed + 1,  # 0 would mean a random one
        "max_consecutive_failed_trials": 5,
    }
    if method == "hyperband":
        made = Hyperband(max_epochs=epochs, **keywords)
        made.max_trials = trials
    elif method == "bayesian":
        # A third at random: keras-tuner's own default would leave a search of this size nothing to model.
        made = Bayesian(max_trials=trials, num_initial_points=max(3, trials // 3), **keywords)
    else:
        made = Random(max_trials=trials, **keywords)
    made.verbose = 0
    made.problem, made.skipped_file = problem, folder / "skipped.json"
    advice = "remove it, and combinations that were left out are tried once more"
    made.skipped = structures.read_json(made.skipped_file, kind=list, advice=advice) if made.skipped_file.is_file() else []
    return made
