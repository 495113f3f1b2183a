"""Presets and settings files: values of options that a new run begins with, where no flag says otherwise.

A network's file declares ``PRESETS``, a dict of name to `Preset`; ``--preset NAME`` takes one. ``--settings FILE.yml`` takes
the settings.yml of a run, or a file written by hand. Flags win over the file, the file over the preset, that over defaults.
"""

import dataclasses
import datetime
import pathlib
import textwrap

from network_models.run_folder import resolve_dataset
from tools import options
from tools.errors import UserError, quoted
from tools.reading import structures

_SECTIONS = {"training_options": 0, "network_options": 1, "data_options": 2}  # place of their owner among the three
_OF_A_RUN = {"started", "versions"}  # what settings.yml of a run has, and nobody writes by hand
_ADVICE = "give the settings.yml of a run, or a file of options and their values"


@dataclasses.dataclass(frozen=True)
class Preset:
    """Values of options under one name, such as those of a published study.

    Attributes
    ----------
    text : str
        Whose values they are, for ``--help``.
    values : dict
        Of options of the network, the training and the data set, whose names differ. Those of a data set count where it has
        them.
    networks : tuple of str
        For scripts with several networks: those that the preset is for, the first unless another is chosen.

    Examples
    --------
    >>> Preset("a first look", {"epochs": 2, "steps_per_epoch": 10}).flags
    '--epochs 2 --steps_per_epoch 10'
    """

    text: str
    values: dict
    networks: tuple[str, ...] = ()

    @property
    def flags(self):
        """The values as flags: str."""
        return options.as_flags(self.values)


@dataclasses.dataclass(frozen=True)
class SettingsFile:
    """The content of a settings file, not yet held against the options that there are.

    Attributes
    ----------
    path : pathlib.Path
    architecture, dataset : str or None
        As in settings.yml of a run.
    sections : dict of str to dict
        Options by section, as in settings.yml of a run.
    others : dict
        Everything else: options by name, or what describes a run.
    of_a_run : bool
        Whether a run wrote it.
    """

    path: pathlib.Path
    architecture: str | None
    dataset: str | None
    sections: dict
    others: dict
    of_a_run: bool

    def values(self, owners, *, dataset, architecture, aliases):
        """Sort the values by owner.

        Parameters
        ----------
        owners : sequence of type
            Options dataclasses of the training, the network and the data set.
        dataset : pathlib.Path
            The data set's file: options of another one are left out.
        architecture : str or None
            The network's name: options of another one are left out.
        aliases : dict of str to str
            Second names of options.

        Returns
        -------
        dict of type to dict

        Raises
        ------
        UserError
            No option has a name, a value is not one of its option, an option stands twice.
        """
        found = {owner: {} for owner in owners}
        foreign = {
            "network_options": self.architecture is not None and self.architecture != architecture,
            "data_options": self.dataset is not None and resolve_dataset(self.dataset).resolve() != dataset.resolve(),
        }
        for section, place in _SECTIONS.items():
            values = self.sections.get(section, {})
            if section == "training_options":
                values = owners[place].from_stored(values)
            if not foreign.get(section):
                found[owners[place]] |= values
        unknown = []
        for given, value in self.others.items():
            name = aliases.get(given, given)
            owner = next((owner for owner in owners if name in options.fields(owner)), None)
            if owner is None:
                unknown.append(given)
            elif name in found[owner]:
                raise UserError(f"{self.path}: {name} stands twice; leave one of them out")
            else:
                found[owner][name] = value
        if unknown and not self.of_a_run:
            names = ", ".join(sorted(unknown))
            raise UserError(
                f"{self.path}: no option is called {names[:200]}; --help lists those of network, training and data set"
            )
        for owner, values in found.items():
            found[owner] = {name: _as_option(value, options.fields(owner).get(name)) for name, value in values.items()}
            options.build(owner, found[owner], origin=str(self.path))
        return found


def read(path):
    """Read a settings file.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    SettingsFile

    Raises
    ------
    UserError
        It is missing, no YAML, or no names with values.
    """
    content = dict(structures.read_yaml(path, kind=dict, advice=_ADVICE))
    wrong = next((name for name in content if not isinstance(name, str)), None)
    if wrong is not None:
        raise UserError(f"{path}: no option is called {quoted(wrong)}; {_ADVICE}")
    sections = {}
    for name in _SECTIONS:
        values = content.pop(name, None)
        if values is not None and not (isinstance(values, dict) and all(isinstance(key, str) for key in values)):
            raise UserError(f"{path}: {name} is no section of options; {_ADVICE}")
        sections[name] = values or {}
    names = {name: content.pop(name, None) for name in ("architecture", "dataset")}
    for name, value in names.items():
        if value is not None and not isinstance(value, str):
            raise UserError(f"{path}: {name} is no text; {_ADVICE}")
    return SettingsFile(pathlib.Path(path), **names, sections=sections, others=content, of_a_run=set(content) >= _OF_A_RUN)


def named(name, presets):
    """Return the preset of a name: Preset; a `UserError` that lists them when there is none."""
    if name not in presets:
        known = f"presets are {', '.join(presets)}" if presets else "this network has none"
        raise UserError(f"--preset {name}: is unknown; {known}")
    return presets[name]


def preset_values(preset, owners):
    """Sort the values of a preset by owner, without those that the data set lacks: dict of type to dict.

    Parameters
    ----------
    preset : Preset or None
    owners : sequence of type
        Options dataclasses of the training, the network and the data set.
    """
    values = preset.values if preset else {}
    return {owner: {name: value for name, value in values.items() if name in options.fields(owner)} for owner in owners}


def add_flags(parser):
    """Give a parser ``--preset`` and ``--settings``."""
    parser.add_argument("--preset", metavar="NAME", help="begin with the values of a preset, listed below")
    parser.add_argument(
        "--settings", metavar="FILE.yml", help="begin with the values of a settings file, as settings.yml of a run"
    )


def described(presets):
    """List presets for the end of ``--help``: str, empty without any."""
    if not presets:
        return ""
    lines = ["presets (--preset NAME; flags, and a settings file, win over their values):"]
    for name, preset in presets.items():
        for_networks = f" [{', '.join(preset.networks)}]" if preset.networks else ""
        lines += textwrap.wrap(f"{name}{for_networks}: {preset.text}", 110, initial_indent="  ", subsequent_indent="      ")
        lines += textwrap.wrap(preset.flags, 110, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join(lines)


def _as_option(value, field):
    """Turn what YAML makes of an unquoted time, or of 1e-3, into what was written."""
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if field is not None and isinstance(field.default, float) and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
