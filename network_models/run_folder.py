"""The folder of one training run: where everything about it is, and nothing else.

<network>/trained_models/<YYYYMMDDHHMM>/
    best_performing.hdf5   the network of the epoch with the lowest validation loss
    most_skilful.hdf5      classification: that of the highest TSS, by --skill_rule
    summary.txt            its layers
    settings.yml           every argument, seed, version, data set, git commit
    epochs/                the network after each epoch
    performance/           loss_and_architecture.csv, loss curve, forecasts and scores of the validation split
    maps/ features/ embeddings/   written by the tools in science/
    logs/                  TensorBoard

While a run trains it belongs to one process, whose host and process id are in its run.lock. Readers need no lock: networks and
settings are replaced whole. What science/ and calibration write are files of their own, whole too, of which the last one stays.
"""

import contextlib
import datetime
import os
import pathlib
import subprocess
import sys

from dataset_models.solar_data import load_solar_data
from network_models import run_overview
from tools import atomic_files, locks, options, paths
from tools.errors import UserError
from tools.reading import structures
from tools.views import View

PROJECT = pathlib.Path(__file__).resolve().parents[1]
_KINDS = {str: "text", dict: "section of options"}
_SECTIONS = {"dataset": str, "architecture": str, "data_options": dict, "network_options": dict, "training_options": dict}
_BEFORE_TRAINING = {"run.lock", "settings.yml", "summary.txt", "logs"}  # all that a run has before its first state


class RunFolder(View):
    """Paths inside one run folder, and its settings. Shows the run in a notebook; printed it is its path.

    Parameters
    ----------
    path : str or pathlib.Path
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.best = self.path / "best_performing.hdf5"
        self.most_skilful = self.path / "most_skilful.hdf5"
        self.summary = self.path / "summary.txt"
        self.settings_file = self.path / "settings.yml"
        self.epochs = self.path / "epochs"
        self.performance = self.path / "performance"
        self.maps = self.path / "maps"
        self.features = self.path / "features"
        self.embeddings = self.path / "embeddings"
        self.logs = self.path / "logs"
        self.state = self.path / "training_state.npz"
        self.lock = self.path / "run.lock"

    def __str__(self):
        return str(self.path)

    def view(self):
        """List what the run shows of itself: see `tools.views.View.view`."""
        return run_overview.parts(self)

    @classmethod
    def of(cls, run):
        """Return the folder of a run: what has it as ``folder`` (`network_models.experiment.Result`), itself, or its path.

        Raises
        ------
        UserError
            As `open`.
        """
        run = getattr(run, "folder", run)
        return run if isinstance(run, cls) else cls.open(run)

    @classmethod
    def create(cls, network_folder, *, now=None, owner=None):
        """Make a new run folder ``<network_folder>/trained_models/<YYYYMMDDHHMM>``.

        A second run in the same minute gets ``<YYYYMMDDHHMM>_2``, and so on.

        Parameters
        ----------
        network_folder : str or pathlib.Path
        now : datetime.datetime, optional
        owner : contextlib.ExitStack, optional
            Until it ends the folder, which appears with its lock, belongs to this process; and runs in ``trained_models``
            that were killed before they had a state are removed first, which standard error is told.
        """
        now = now or datetime.datetime.now(datetime.UTC)
        parent = pathlib.Path(network_folder) / "trained_models"
        name = f"{now:%Y%m%d%H%M}"
        number = 1
        try:
            parent.mkdir(parents=True, exist_ok=True)
            if owner is not None:
                _remove_abandoned(parent)
            while True:
                folder = cls(parent / (name if number == 1 else f"{name}_{number}"))
                try:
                    if owner is None:
                        folder.path.mkdir()
                    else:
                        folder._appear_owned(owner)
                    break
                except FileExistsError:
                    number += 1
        except OSError as error:
            raise UserError(f"{parent}: cannot be written to ({error.strerror}); give another folder with --out") from error
        return folder

    def _appear_owned(self, owner):
        """Make the folder with its lock in it, which `owner` releases; `FileExistsError` when it is there."""
        with atomic_files.new_folder(self.path.parent) as made:
            lock = locks.Lock(made / self.lock.name, self)
            lock.take()
            try:
                if self.path.exists():  # an empty folder would be replaced
                    raise FileExistsError(str(self.path))
                try:
                    made.rename(self.path)
                except OSError as error:  # a folder that is not empty: another run of this minute
                    raise (FileExistsError(str(self.path)) if self.path.exists() else error) from error
            except BaseException:
                lock.release()
                raise
            lock.path = self.lock
            owner.callback(lock.release)

    def owned(self):
        """Make this folder belong to this process: a context; a `UserError` when it belongs to another one.

        Temporary files that killed processes left in it are removed.
        """

        @contextlib.contextmanager
        def held():
            with locks.Lock(self.lock, self):
                atomic_files.sweep(self.path)
                yield

        return held()

    @classmethod
    def open(cls, path):
        """Open an existing run folder; a `UserError` when `path` is not one."""
        folder = cls(path)
        if not folder.path.is_dir():
            raise UserError(f"{path}: no such run folder")
        if not folder.settings_file.is_file():
            raise UserError(f"{path}: is not a run folder (it has no settings.yml)")
        return folder

    def write_settings(self, settings):
        """Write settings.yml from a dictionary of plain values."""
        import yaml

        atomic_files.write_text(self.settings_file, yaml.safe_dump(settings, sort_keys=False, width=120))

    def settings(self):
        """Read settings.yml: dict."""
        advice = "give another run, or a sound copy of this file"
        settings = structures.read_yaml(self.settings_file, kind=dict, advice=advice)
        if not {"dataset", "data_options"} <= set(settings):
            raise UserError(f"{self.settings_file}: is not the settings file of a run")
        for name, kind in _SECTIONS.items():
            if name in settings and not isinstance(settings[name], kind):
                raise UserError(f"{self.settings_file}: {name} is no {_KINDS[kind]}; {advice}")
        return settings

    def data_options(self, dataset):
        """Options of the data set of this run when `dataset` (a path) is that data set's file, else ``{}``.

        Where the data were is among them, whether it came from a flag or from the environment: a run reads the data that it
        was trained on, whatever SOLAR_AIA and its like are by now. A difference is noted on standard error.
        """
        settings = self.settings()
        if resolve_dataset(settings["dataset"]).resolve() != pathlib.Path(dataset).resolve():
            return {}
        stored = dict(settings["data_options"])
        for name, key in options.places(load_solar_data(dataset)).items():
            variable, kept = f"SOLAR_{key.upper()}", stored.get(name)
            current = paths.environment_path(key) if os.environ.get(variable) else None
            kept = [kept] if isinstance(kept, str) else kept
            if current is not None and kept and str(current.absolute()) not in kept:
                text = f"note: {', '.join(kept)}, as in the run, not {variable}={current}; --{name} chooses another"
                print(text, file=sys.stderr)
        return stored


def _remove_abandoned(parent):
    """Remove what runs that were killed before their first state left in the folder of runs `parent`; they hold nothing."""
    atomic_files.sweep(parent, below=False)
    for path in sorted(parent.iterdir()):
        folder = RunFolder(path)
        if not _is_abandoned(folder):
            continue
        with contextlib.suppress(UserError, OSError), locks.Lock(folder.lock, folder):
            if _is_abandoned(folder, held=True):
                with atomic_files.new_folder(parent) as away:
                    path.rename(away / path.name)
                print(f"note: removed {path}: it was killed before its first state", file=sys.stderr)


def _is_abandoned(folder, *, held=False):
    """Check whether a run has nothing that was trained and its process was killed; `held`: its lock is ours by now."""
    if not folder.lock.is_file() or not folder.path.is_dir():
        return False
    names = {path.name for path in folder.path.iterdir() if not path.name.startswith(".")}
    return names <= _BEFORE_TRAINING and (held or locks.Lock(folder.lock, folder).left_by_the_dead())


def run_folder_of(model_path):
    """Find the run folder that holds a saved network (best_performing.hdf5 or one of epochs/), or None."""
    model_path = pathlib.Path(model_path).resolve()
    for folder in (model_path.parent, model_path.parent.parent):
        if (folder / "settings.yml").is_file():
            return RunFolder(folder)
    return None


def portable_dataset(path):
    """Write a data set file's path as settings.yml stores it: relative to the project when inside it."""
    path = pathlib.Path(path).resolve()
    return path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else str(path)


def resolve_dataset(stored):
    """Return the path of a data set file stored by `portable_dataset`."""
    return PROJECT / stored


def provenance():
    """Collect versions of what computes, the command and the git commit: dict of plain values."""
    import importlib.metadata
    import platform

    packages = ("tensorflow", "keras", "numpy", "astropy", "sunpy", "aiapy", "pandas", "scikit-learn", "h5py")
    return {
        "started": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "command": " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}},
        "git_commit": _git_commit(),
    }


def _git_commit():
    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (" (with uncommitted changes)" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
