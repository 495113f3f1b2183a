"""Settings of a training run: one definition for flags, dataclasses and settings.yml."""

import argparse
import dataclasses
import difflib
import functools
import inspect
import pathlib
import typing

from dataset_models.solar_data import SolarData, load_solar_data
from network_models import presets as presets_module
from network_models.run_folder import RunFolder, portable_dataset, resolve_dataset
from tools import command_line, options
from tools.errors import UserError
from tools.options import option
from tools.paths import FILE

DEFAULT_DATASET = "dataset_models/simulated/sun.py"
OPTIMIZERS = ("adam", "sgd", "adadelta")
SKILL_RULES = ("hss held", "both higher", "tss alone")  # of network_models.training_callbacks.more_skilful
RESUMED_WITH = ("epochs", "readers", "cpu", "report")  # training options that may differ when a run is continued


@dataclasses.dataclass(kw_only=True)
class TrainingOptions:
    """Training of a network, whatever it is."""

    epochs: int = option(20, "passes over the training split", least=1, most=100_000)
    batch_size: int = option(16, "samples per step, over all devices together", least=1, most=65_536)
    optimizer: str = option("adam", "Adam, SGD, or Adadelta, for which give --learning_rate 1", choices=OPTIMIZERS)
    regression_error: str = option("squared", "error whose mean is the loss of a regression", choices=("squared", "absolute"))
    learning_rate: float = option(1e-3, "learning rate", least=0.0, most=100.0)
    weight_decay: float = option(0.0, "decoupled weight decay, of all weights and biases", least=0.0, most=100.0)
    patience: int = option(0, "stop after this many epochs without a lower validation loss; 0: never", least=0, most=100_000)
    steps_per_epoch: int = option(
        0, "steps of an epoch at most, of samples drawn anew for each; 0: the whole split", least=0, most=10**9
    )
    validation_steps: int = option(
        0, "batches of an epoch's validation at most, evenly over the split; 0: all of it", least=0, most=10**9
    )
    seed: int = option(0, "seed of weights, dropout and the order of samples", least=0, most=2**32 - 1)
    skill_rule: str = option(
        "hss held",
        "what makes a network most_skilful.hdf5, beside a higher TSS: an HSS at most 0.02 lower, a higher one, or nothing",
        choices=SKILL_RULES,
    )
    start_from: str = option(
        "", "begin with the weights of this saved network of the same layers, or of PyTorch's (.pth)", place=FILE
    )
    devices: int = option(0, "devices; 0: all visible GPUs, else the CPU", least=0, most=1024)
    cpu: bool = option(False, "train on the CPU, whatever GPUs there are")
    readers: int = option(0, "samples that are read at once; 0: as many as processors, at most 8", least=0, most=256)
    scale_rate: bool = option(False, "multiply the learning rate by the number of devices or processes")
    checkpoint_steps: int = option(
        0, "steps between states within an epoch; 0: after epochs and at signals", least=0, most=10**9
    )
    tensorboard_images: int = option(
        8, "validation samples that TensorBoard shows after each epoch, beside scores drawn; 0: no pictures", least=0, most=64
    )
    report: bool = option(False, "write report.html, the run as a web page, at the end")
    mixed_precision: bool = option(False, "compute in float16 where it is safe")
    xla: bool = option(False, "compile the network with XLA; benchmarks/training_step.py measures if a step gets faster by it")
    allow_large: bool = option(False, "allow networks with more than 150 million parameters")

    @staticmethod
    def from_stored(values):
        """Return option values as a run folder of any age has them under the names of today: dict."""
        return values


@dataclasses.dataclass(frozen=True)
class NetworkChoice:
    """A flag by which the user chooses one of several networks.

    Attributes
    ----------
    flag : str
    default : str
        A key of `networks`.
    networks : dict of str to type
        Options dataclass of each network by its name.
    spellings : dict of str to str
        Second spellings of names.
    shortcuts : dict of str to str or tuple of str
        Flags that stand for a name, or for the two that 0 and 1 after it stand for, the second without either.
    """

    flag: str
    default: str
    networks: dict
    spellings: dict = dataclasses.field(default_factory=dict)
    shortcuts: dict = dataclasses.field(default_factory=dict)

    def name_of(self, text):
        """Return the name of the network that is called `text`: str."""
        return self.spellings.get(text, text)

    def add_flags(self, parser):
        """Give a parser the flag and its shortcuts, which set ``choice``."""
        text = f"architecture (default: {self.default})"
        parser.add_argument(self.flag, dest="choice", type=self.name_of, choices=tuple(self.networks), help=text)
        for shortcut, name in self.shortcuts.items():
            if isinstance(name, str):
                keywords = {"action": "store_const", "const": name, "help": f"the same as {self.flag} {name}"}
            else:
                no, yes = name
                keywords = {"nargs": "?", "const": "1", "metavar": "1|0", "type": functools.partial(_yes_or_no, no, yes)}
                keywords["help"] = f"the same as {self.flag} {yes}; 0: as {self.flag} {no}"
            parser.add_argument(shortcut, dest="choice", **keywords)


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Everything that determines a run.

    Attributes
    ----------
    data : SolarData
    dataset : pathlib.Path
        The file that defines the data set.
    network : object
        The options dataclass of the network.
    training : TrainingOptions
        Or a subclass with further options.
    network_folder : pathlib.Path
        Where ``trained_models`` is made.
    resume : RunFolder or None
    architecture : str or None
        Name of the network, for scripts that train several.
    """

    data: SolarData
    dataset: pathlib.Path
    network: typing.Any
    training: TrainingOptions
    network_folder: pathlib.Path
    resume: RunFolder | None = None
    architecture: str | None = None

    def as_dictionary(self):
        """Return the stored form: dict of plain values."""
        name = {"architecture": self.architecture} if self.architecture else {}
        return name | {
            "dataset": portable_dataset(self.dataset),
            "data_options": options.as_dictionary(self.data),
            "network_options": options.as_dictionary(self.network),
            "training_options": options.as_dictionary(self.training),
        }


def parse(
    arguments,
    description,
    *,
    network_folder,
    network=None,
    choose_network=None,
    training=TrainingOptions,
    dataset=DEFAULT_DATASET,
    data_defaults=None,
    aliases=None,
    presets=None,
):
    """Read a training script's flags.

    Every option of the data set, of the network and of the training is a flag. ``--dataset`` is read first, so that
    ``--help`` lists the options of the chosen data set.

    Parameters
    ----------
    arguments : list of str or None
    description : str
    network_folder : pathlib.Path
        Where ``trained_models`` is made, unless ``--out`` is another place.
    network : type
        The options dataclass of the network.
    choose_network : NetworkChoice, optional
        Instead of `network`; its name becomes the architecture of the settings.
    training : type
        `TrainingOptions` or a subclass.
    dataset : str
        The data set file without ``--dataset``, relative to the project.
    data_defaults : callable, optional
        ``data_defaults(choice, given)`` returns data set options (dict) that this script sets unless the user does, when
        the network is `choice` and the user has set those in `given`; names that the data set lacks are ignored.
    aliases : dict of str to str, optional
        Second names of flags: alias to option.
    presets : dict of str to network_models.presets.Preset, optional
        What ``--preset`` offers.

    Returns
    -------
    RunSettings

    Notes
    -----
    Options for the place of data (`tools.options.option`, ``place``) are kept with the run as absolute paths, also when
    they come from the environment. Later a flag wins over what the run has kept, that over the environment of the day, and
    that over config.yml.

    Raises
    ------
    UserError
        Unknown or wrong values, in flags or in a settings file, conflicting flags, an unknown preset or one of another network,
        a resumed folder that is not a run of this network.
    """
    if choose_network and not isinstance(choose_network, NetworkChoice):
        raise UserError(
            f"{network_folder}: its training script is of an earlier version; copy the folder anew, or give settings.parse a"
            " NetworkChoice"
        )
    subject = _subject(arguments, network, choose_network, training, dataset, presets or {})
    data_defaults = data_defaults or (lambda choice, given: {})
    refuse_clashes(subject.owners, subject.dataset)
    begun = subject.begun(aliases or {})

    parser = command_line.parser(description, draws=True, epilog=presets_module.described(presets))
    parser.add_argument("--dataset", help=f"a .py file that defines a SolarData class (default: {dataset})")
    changeable = ", ".join(f"--{name}" for name in RESUMED_WITH)
    parser.add_argument("--resume", metavar="RUN_FOLDER", help=f"continue a run; takes {changeable}, and where data are now")
    parser.add_argument("--out", metavar="FOLDER", help="make trained_models here (default: beside the script)")
    presets_module.add_flags(parser)
    if choose_network:
        choose_network.add_flags(parser)
    titles = ("training", "network", f"data set: {subject.data.title}")
    for owner, title in zip(subject.owners, titles, strict=True):
        shown = data_defaults(subject.choice, begun[owner]) if owner is subject.data else {}
        options.add_flags(parser, owner, title=title, aliases=aliases, defaults={**shown, **begun[owner]})
    flags = parser.parse_args(arguments)

    given = {owner: options.take(owner, flags) for owner in subject.owners}
    if subject.resume:
        _refuse_changes(subject, given, flags, choose_network)
        values = {owner: {**kept, **given[owner]} for owner, kept in _kept_options(subject).items()}
    else:
        given = {owner: {**begun[owner], **given[owner]} for owner in subject.owners}
        values = _options_of_a_new_run(subject, given, data_defaults)
    origin = str(subject.resume.settings_file) if subject.resume else "command line"
    built = {owner: options.build(owner, values[owner], origin=origin) for owner in (subject.data, subject.network, training)}
    settings = RunSettings(
        data=built[subject.data],
        dataset=subject.dataset,
        network=built[subject.network],
        training=built[training],
        network_folder=pathlib.Path(flags.out) if flags.out else pathlib.Path(network_folder),
        resume=subject.resume,
        architecture=subject.choice,
    )
    if subject.resume:
        _require_same_samples(settings, subject, given)
    return settings


def of_objects(data, values, *, network_folder, network, training=TrainingOptions, architecture=None, aliases=None):
    """Make the settings of a run from a data set and option values, as `parse` does from flags.

    Parameters
    ----------
    data : SolarData
        Its class is in a file, by which the run finds it again.
    values : dict
        Options of the network and of the training, by name.
    network_folder : str or pathlib.Path
        Where ``trained_models`` is made.
    network : type
        The options dataclass of the network.
    training : type
        `TrainingOptions` or a subclass.
    architecture : str, optional
        Name of the network, for scripts that train several.
    aliases : dict of str to str, optional
        Other names of options, as of `parse`.

    Returns
    -------
    RunSettings
        Its data set keeps places as absolute paths, see `parse`.

    Raises
    ------
    UserError
        An option is unknown, has a wrong value, or is one of the data set; the class of the data set is in no file.
    """
    dataset, kind = dataset_of(data), type(data)
    refuse_clashes((training, network, kind), dataset)
    owners = {name: owner for owner in (network, training, kind) for name in options.fields(owner)}
    full = {name: name if name in owners else (aliases or {}).get(name, name) for name in values}
    twice = [name for name in full if name != full[name] and full[name] in values]
    if twice:
        raise UserError(f"{twice[0]}, {full[twice[0]]}: are one option; give one of them")
    values = {full[name]: value for name, value in values.items()}
    unknown = [name for name in values if name not in owners]
    if unknown:
        known = [name for name, owner in owners.items() if owner is not kind]
        close = difflib.get_close_matches(unknown[0], known, 1)
        words = f"the closest is {close[0]}" if close else f"they have {', '.join(known)}"
        raise UserError(f"{', '.join(unknown)}: no option of network or training; {words}")
    of_data = [name for name in values if owners[name] is kind]
    if of_data:
        raise UserError(f"{', '.join(of_data)}: of the data set; give it there: {kind.__name__}({of_data[0]}=...)")
    given = {owner: {name: value for name, value in values.items() if owners[name] is owner} for owner in (network, training)}
    built = {owner: options.build(owner, given[owner], origin="options") for owner in given}
    plain = options.with_places(kind, options.as_dictionary(data))
    checked = options.build(kind, plain, origin=kind.__name__)  # a class takes what no flag would
    same = options.as_dictionary(checked) == options.as_dictionary(data)
    return RunSettings(
        data=data if same else checked,
        dataset=dataset,
        network=built[network],
        training=built[training],
        network_folder=pathlib.Path(network_folder),
        architecture=architecture,
    )


def dataset_of(data):
    """Find the file that defines the class of a data set, as ``--dataset`` would name it: pathlib.Path.

    Raises
    ------
    UserError
        It is in no file, as a class that was typed into a notebook, or the file has no such class, or several.
    """
    kind = type(data)
    try:
        path = None if kind.__module__ == "__main__" else inspect.getfile(kind)
    except (TypeError, OSError):
        path = None
    if path is None:
        raise UserError(
            f"{kind.__name__}: a run finds its data set again by the file of the class; write the class to a .py file"
            " (%%writefile my_data.py in a notebook) and import it from there"
        )
    if load_solar_data(path).__name__ != kind.__name__:
        raise UserError(f"{path}: defines another data set than {kind.__name__}; keep each in a file of its own")
    return pathlib.Path(path)


@dataclasses.dataclass(frozen=True)
class _Subject:
    """Choices of --dataset, --resume and network, which determine the options that are flags.

    Attributes
    ----------
    resume : RunFolder or None
    stored : dict
        The settings of the run to resume.
    dataset : pathlib.Path
    choice : str or None
        Name of the network, for scripts that train several.
    training, network, data : type
        The classes whose options are flags.
    preset : network_models.presets.Preset or None
    file : network_models.presets.SettingsFile or None
    """

    resume: RunFolder | None
    stored: dict
    dataset: pathlib.Path
    choice: str | None
    training: type
    network: type
    data: type
    preset: presets_module.Preset | None = None
    file: presets_module.SettingsFile | None = None

    @property
    def owners(self):
        return self.training, self.network, self.data

    def begun(self, aliases):
        """Collect what the preset sets, and over it what the settings file sets: dict of class to dict."""
        begun = presets_module.preset_values(self.preset, self.owners)
        if self.file:
            found = self.file.values(self.owners, dataset=self.dataset, architecture=self.choice, aliases=aliases)
            begun = {owner: {**begun[owner], **found[owner]} for owner in self.owners}
        return begun


def _subject(arguments, network, choose_network, training, default_dataset, presets):
    """Read the flags that determine which others there are; arguments as of `parse`."""
    parser = command_line.parser("", add_help=False)
    parser.add_argument("--dataset")
    parser.add_argument("--resume")
    presets_module.add_flags(parser)
    if choose_network:
        choose_network.add_flags(parser)
    flags, _ = parser.parse_known_args(arguments)
    folder = RunFolder.open(flags.resume) if flags.resume else None
    stored = folder.settings() if folder else {}
    preset = presets_module.named(flags.preset, presets) if flags.preset else None
    file = presets_module.read(flags.settings) if flags.settings else None
    begun = stored.get("dataset") or (file and file.dataset) or default_dataset
    dataset = pathlib.Path(flags.dataset) if flags.dataset else resolve_dataset(begun)
    data = load_solar_data(dataset)
    choice = None
    if choose_network:
        begun = stored.get("architecture") or (file and file.architecture)
        begun = begun or next(iter(preset.networks if preset else ()), choose_network.default)
        choice = flags.choice or choose_network.name_of(begun)
        if choice not in choose_network.networks:
            names = ", ".join(choose_network.networks)
            raise UserError(f"{folder or file.path}: has the architecture {choice!r}; this script has {names}")
        if preset and preset.networks and choice not in preset.networks:
            raise UserError(
                f"--preset {flags.preset}: is for {', '.join(preset.networks)}, not for {choice}; choose one of them"
            )
        network = choose_network.networks[choice]
    return _Subject(folder, stored, dataset, choice, training, network, data, preset, file)


def _refuse_changes(subject, given, flags, choose_network):
    """Raise a `UserError` when --resume comes with anything but `RESUMED_WITH` and places of data."""
    places = options.places(subject.data)
    changed = [*given[subject.network], *(name for name in given[subject.data] if name not in places)]
    changed += [name for name in given[subject.training] if name not in RESUMED_WITH]
    changed += [name for name in ("preset", "settings") if getattr(flags, name)]
    if choose_network and subject.choice != subject.stored.get("architecture"):
        changed.append(choose_network.flag.removeprefix("--"))
    if changed or flags.out or flags.dataset:
        names = ", ".join(f"--{name}" for name in changed) or "--dataset, --out"
        raise UserError(f"--resume continues the run as it is; remove {names}")


def _kept_options(subject):
    """Return the options of the run to resume: dict of class to dict."""
    return {
        subject.network: subject.stored.get("network_options", {}),
        subject.data: subject.resume.data_options(subject.dataset),
        subject.training: subject.training.from_stored(subject.stored.get("training_options", {})),
    }


def _options_of_a_new_run(subject, given, data_defaults):
    """Add to what the user gave the script's defaults of the data set, and where data are: dict of class to dict."""
    defaults = data_defaults(subject.choice, given[subject.data])
    defaults = {name: value for name, value in defaults.items() if name in options.fields(subject.data)}
    given = {**given, subject.data: {**defaults, **given[subject.data]}}
    return {owner: options.with_places(owner, values) for owner, values in given.items()}


def _require_same_samples(settings, subject, given):
    """Raise a `UserError` when a run is to be resumed on data in another place that are not the same."""
    moved = {name: kind for name, kind in options.places(subject.data).items() if name in given[subject.data]}
    if not moved:
        return
    settings.data.require_downloaded()
    found, begun = settings.data.describe(), subject.stored
    if found["sample_times_sha256"] != begun.get("sample_times_sha256"):
        raise _moved(subject, moved, "other samples")
    files, before = (about.get("files_sha256", {}) for about in (found, begun))
    changed = [name for name, kind in moved.items() if kind == FILE and files.get(name) != before.get(name)]
    if changed:
        raise _moved(subject, changed, "another content")


def _moved(subject, names, what):
    flags = ", ".join(f"--{name}" for name in names)
    return UserError(f"{flags}: {what} than {subject.resume} was begun with; give the place of the same data")


def refuse_clashes(owners, dataset):
    """Raise a `UserError` when two options have one name, and so one flag.

    Parameters
    ----------
    owners : sequence of type
        Options dataclasses of the training, of the network and of the data set.
    dataset : pathlib.Path
        The data set's file.
    """
    owner_of = {}
    for owner in owners:
        clash = set(options.fields(owner)) & set(owner_of)
        if clash:
            name = min(clash)
            where, what = (dataset, "data set") if owner is owners[-1] else (f"{owner.__module__}.{owner.__name__}", "network")
            raise UserError(f"{where}: option {name} is also an option of {owner_of[name]}; rename it in the {what}")
        owner_of |= dict.fromkeys(options.fields(owner), owner.__name__)


def _yes_or_no(no, yes, text):
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"expected 0 or 1, received {text!r}")
    return yes if text == "1" else no
