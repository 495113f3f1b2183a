"""One trial of an architecture search: a training run like any other, in a folder of its own."""

import concurrent.futures
import dataclasses
import json
import math
import multiprocessing
import os
import pathlib
import shutil

from dataset_models import simulation_mark
from dataset_models.solar_data import load_solar_data
from network_models.architecture_search import spaces
from network_models.image_inputs import inputs_of
from network_models.run_folder import RunFolder, portable_dataset, resolve_dataset
from network_models.settings import RunSettings
from tools import atomic_files, command_line, locks, options, processes, skill_scores
from tools.errors import UserError
from tools.reading import structures

DIRECTIONS = {"val_loss": "min", "rmse": "min", "mae": "min", "brier": "min"}  # others: "max"
STORED = "search.yml"


@dataclasses.dataclass(frozen=True)
class Search:
    """Everything that determines a search.

    Attributes
    ----------
    folder : pathlib.Path
        ``trials/<number>/trained_models/<time>``, search.yml, and what `report` writes.
    network : str
        Key of `spaces.SPACES`, or a network's file, relative to the project when inside it.
    space : spaces.Space
    data : SolarData
    dataset : pathlib.Path
        The file that defines it.
    network_values, training_values : dict
        Options that the user set; they are not varied.
    method, objective : str
    trials, seed : int
    parameter_limit : int
        Larger networks are not tried.
    """

    folder: pathlib.Path
    network: str
    space: spaces.Space
    data: object
    dataset: pathlib.Path
    network_values: dict
    training_values: dict
    method: str
    objective: str
    trials: int
    seed: int
    parameter_limit: int

    @property
    def direction(self):
        """``"min"`` or ``"max"``."""
        return DIRECTIONS.get(self.objective, "max")

    @property
    def parameters(self):
        """Parameters that are varied: tuple of `spaces.Parameter`."""
        return self.space.free({*self.network_values, *self.training_values})

    @property
    def epochs(self):
        """Epochs of a full training: int."""
        return self.training({}).epochs

    def training(self, values):
        """Make the training options of a trial with `values` (dict)."""
        values = {"seed": self.seed, **self.space.training, **self.training_values, **values}
        return options.build(self.space.training_options, values, origin="search")

    def settings(self, folder, values, *, epochs=None, resume=None):
        """Settings of the run of a trial, `network_models.settings.RunSettings`.

        Parameters
        ----------
        folder : pathlib.Path
            In which ``trained_models`` is made.
        values : dict
            As keras-tuner proposes them.
        epochs : int, optional
            Fewer than a full training.
        resume : RunFolder, optional
        """
        network, training = self.space.split(values)
        network = options.build(self.space.network_options, {**self.network_values, **network}, origin="search")
        training = self.training({**training, **({"epochs": epochs} if epochs else {})})
        return RunSettings(self.data, self.dataset, network, training, pathlib.Path(folder), resume, self.network)

    def stored(self):
        """Return the content of search.yml; a folder with another content is another search."""
        return {
            "network": self.network,
            "dataset": portable_dataset(self.dataset),
            "method": self.method,
            "objective": self.objective,
            "seed": self.seed,
            "parameter_limit": self.parameter_limit,
            "trials": self.trials,
            "network_options": self.network_values,
            "training_options": self.training_values,
            "data_options": options.as_dictionary(self.data),
            "varied": {parameter.name: parameter.described() for parameter in self.parameters},
        }

    @classmethod
    def from_stored(cls, folder, stored):
        """Make the search in a folder from what `stored` returned."""
        network, dataset = stored["network"], resolve_dataset(stored["dataset"])
        _, space = spaces.of(network if network in spaces.SPACES else str(resolve_dataset(network)))
        return cls(
            folder=folder,
            space=space,
            data=options.build(load_solar_data(dataset), stored["data_options"], origin="search"),
            dataset=dataset,
            network_values=stored["network_options"],
            training_values=stored["training_options"],
            **{name: stored[name] for name in ("network", "method", "objective", "trials", "seed", "parameter_limit")},
        )

    def owned(self):
        """Make the search belong to this process, the chief of several: a context; a `UserError` when it is another's.

        The folder has to be there.
        """
        return locks.Lock(self.folder / "search.lock", self.folder)

    def claim(self):
        """Write search.yml, or check the one that is there.

        Raises
        ------
        UserError
            The folder holds another search, or something else.
        """
        import yaml

        file, mine = self.folder / STORED, self.stored()
        if file.is_file():
            theirs = structures.read_yaml(file, kind=dict, advice="give another --search")
            # The number of trials may grow.
            different = [key for key in mine if key != "trials" and theirs.get(key) != _plain(mine[key])]
            if different:
                raise UserError(f"{self.folder}: holds another search ({', '.join(different)} differ); give another --search")
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise UserError(f"{self.folder}: is neither empty nor the folder of a search; give another --search")
        mine |= simulation_mark.entry(self.data.simulated)
        atomic_files.write_text(file, yaml.safe_dump(_plain(mine), sort_keys=False, width=120))


def require_sound(folder):
    """Raise a `UserError` where a file that keras-tuner keeps of a search is damaged, before it reads them itself."""
    for file in sorted(folder.glob("tuner/oracle.json")):
        structures.read_json(file, kind=dict, advice="start a new --search")
    for file in sorted(folder.glob("tuner/trial_*/trial.json")):
        read_trial(file)


def read_trial(file):
    """Read what keras-tuner keeps of a trial: dict. Raises a `UserError` where it is damaged."""
    advice = "remove the folder of that trial, or start a new --search"
    state = structures.read_json(file, kind=dict, advice=advice)
    missing = {"trial_id", "status", "score", "message", "hyperparameters"} - state.keys()
    kinds = {"trial_id": str, "status": str, "score": float | int | None, "message": str | None, "hyperparameters": dict}
    if missing or not all(isinstance(state[name], kind) for name, kind in kinds.items()):
        raise UserError(f"{file}: is no trial of keras-tuner; {advice}")
    if not isinstance(state["hyperparameters"].get("values"), dict):
        raise UserError(f"{file}: is no trial of keras-tuner; {advice}")
    return state


def _plain(value):
    return json.loads(json.dumps(value))


def problem(search, values):
    """Find the reason, in a line, why a network cannot be built or is too large; None when neither.

    Parameters
    ----------
    search : Search
    values : dict

    Returns
    -------
    str or None
    """
    import keras

    from network_models.network_size import parameter_limit

    settings = search.settings(search.folder, values)
    try:
        with parameter_limit(search.parameter_limit):
            search.space.network.build(inputs_of(search.data), settings.network)
    except (UserError, ValueError) as error:  # Keras raises ValueError when a window does not fit
        return " ".join(str(error).split())
    finally:
        keras.backend.clear_session()
    return None


def run(search, name, values):
    """Train the network of one trial, or go on with it, and return its score.

    Parameters
    ----------
    search : Search
    name : str
        The trial's number.
    values : dict
        As keras-tuner proposes them; Hyperband's name the trial that it continues, and the epochs.

    Returns
    -------
    float

    Raises
    ------
    UserError
        The score is undefined, or as `experiment.run`.
    """
    import keras

    keras.backend.clear_session()  # a week of trials in one process
    folder = search.folder / "trials" / name
    earlier = values.get("tuner/trial_id")
    resume = existing_run(folder)
    if resume is None and earlier:
        resume = _continued(existing_run(search.folder / "trials" / earlier), folder)
    settings = search.settings(folder, values, epochs=values.get("tuner/epochs"), resume=resume)
    return score(search, train(search, settings))


class Processes:
    """Runs trials in a process of their own, one at a time: a crash costs a trial, not the search.

    Parameters
    ----------
    search : Search
    """

    def __init__(self, search):
        self.search = search
        self.pool = None

    def run(self, name, values):
        """Run a trial as the function `run` does; a `UserError` when the process died."""
        if self.pool is None:
            # Not forked: TensorFlow's threads would not survive it.
            context = multiprocessing.get_context("spawn")
            self.pool = concurrent.futures.ProcessPoolExecutor(1, context, processes.die_with, (os.getpid(),))
        try:
            return self.pool.submit(_run, self.search.folder, self.search.stored(), name, values).result()
        except concurrent.futures.process.BrokenProcessPool as error:
            self.close()
            raise UserError(f"trial {name}: its process died (out of memory, or a crash inside TensorFlow)") from error

    def close(self):
        """End the process."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
            self.pool = None


def _run(folder, stored, name, values):
    command_line.set_up_libraries()
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")  # warns of retracing: every trial is another network
    return run(Search.from_stored(folder, stored), name, values)


def train(search, settings):
    """Train as the network's own script does, unless that has been done: `experiment.Result`."""
    from network_models import experiment

    done = experiment.finished(settings)
    if done is not None:
        return done
    if search.space.full_disk:
        from network_models.full_disk_flare_forecast.train import train as train_full_disk

        return train_full_disk(settings)
    return experiment.run(search.space.network.build, settings)


def score(search, result):
    """Return the objective's value in an `experiment.Result`: float."""
    value = {"val_loss": result.val_loss, **result.scores}.get(search.objective, math.nan)
    if not math.isfinite(value):
        raise UserError(f"{result.folder}: {search.objective} is undefined")
    return float(value)


def objectives(data):
    """List what a search on a SolarData can optimise: names of scores, the validation loss first."""
    if data.task == "classification":
        return ("val_loss", *skill_scores.probability_scores([0.2, 0.8], [0, 1]))
    scores = skill_scores.regression_scores([0.0, 1.0], [0.0, 1.0], {"climatology": 0.5, "persistence": 0.4})
    return ("val_loss", *(name for name in scores if name != "bias"))  # which is best at neither end


def existing_run(folder):
    """Find the run of a trial that can be gone on with: `RunFolder` or None. One without a checkpoint is removed.

    Raises
    ------
    UserError
        Another process is beginning it.
    """
    latest = None
    for path in sorted(folder.glob("trained_models/*")):
        run = RunFolder(path)
        if run.state.is_file():
            latest = run
        else:
            with run.owned():
                shutil.rmtree(path)
    return latest


def _continued(earlier, folder):
    """Copy the run that a trial continues, so that each trial has a whole run folder of its own."""
    if earlier is None:
        return None
    target = folder / "trained_models" / earlier.path.name
    temporary = folder / "copying"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(earlier.path, temporary)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.rename(target)
    return RunFolder(target)
