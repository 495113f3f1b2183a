"""Compare training runs: loss curves in one figure, and a table of scores and of the settings that differ.

    python network_models/compare_runs.py FOLDER [MORE ...] [--out FOLDER]

FOLDER is a run folder, or one that holds runs at any depth (trained_models, a search). Writes comparison.csv and comparison.png
into the first FOLDER, and prints the runs, the lowest validation loss first. Of more than seven runs of one kind the best seven
are drawn in colour.
"""

import dataclasses
import json
import pathlib

from network_models import loss_table
from network_models.run_folder import RunFolder
from network_models.run_overview import SCORES, read_scores
from tools import atomic_files, command_line, figures
from tools.errors import Stopped, UserError

GROUPS = ("network_options", "training_options", "data_options")
ALSO = ("data_set", "architecture", "dataset", "samples")  # settings that may differ, beside the options
SHOWN = 3  # settings in a label


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as it is compared.

    Attributes
    ----------
    name : str
    settings : dict of str to object
        Options and what else may differ.
    rows : list of dict of str to str
        Of the loss table.
    scores : dict of str to float
        Empty while the run goes on.
    parameters : int or None
    simulated : bool
    """

    name: str
    settings: dict
    rows: list
    scores: dict
    parameters: int | None
    simulated: bool

    @property
    def best(self):
        """The row of the lowest validation loss: dict."""
        return min(self.rows, key=lambda row: float(row["val_loss"]))

    @property
    def loss(self):
        """Name what the loss is, with its unit: only runs of one loss are compared with each other: str."""
        if "val_kl" in self.rows[0] or "kl" in self.rows[0]:
            return "negative ELBO (nats)"
        training = self.settings.get("training_options", {})
        if "val_tss" not in self.rows[0]:
            return f"mean {training.get('regression_error', 'squared')} error"
        if "likelihood" in training:
            weights = ", weighted" if training.get("class_weights") else ""
            return f"negative log-likelihood ({training['likelihood']}{weights})"
        weighted = training.get("balance", "none") in ("weights", "both")
        return "class-weighted cross-entropy" if weighted else "cross-entropy"


def find(folders):
    """Find the runs in folders.

    Parameters
    ----------
    folders : sequence of str or pathlib.Path

    Returns
    -------
    list of pathlib.Path
        Sorted.

    Raises
    ------
    UserError
        A folder is missing, or none holds a run.
    """
    found = []
    for folder in map(pathlib.Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give run folders, or a trained_models")
        found += [file.parent for file in folder.rglob("settings.yml") if (file.parent / "performance").is_dir()]
    if not found:
        raise UserError(f"{', '.join(map(str, folders))}: no run in it; give run folders, or a trained_models")
    return sorted(set(found))


def read(path, name):
    """Read a run.

    Parameters
    ----------
    path : pathlib.Path
    name : str

    Returns
    -------
    Run

    Raises
    ------
    UserError
        Its settings or loss table cannot be read, or it has no epoch yet.
    """
    folder = RunFolder.open(path)
    stored = folder.settings()
    settings = {key: stored[key] for key in ALSO if key in stored}
    for group in GROUPS:
        settings |= stored.get(group) or {}
    scores = read_scores(folder) if (folder.performance / SCORES).is_file() else {}
    rows = loss_table.read(folder.performance / loss_table.NAME)
    return Run(name, settings, rows, scores, stored.get("parameters"), bool(stored.get("simulated")))


def differing(runs):
    """List the settings that are not the same in all runs of one loss: list of str, in the order of the runs' own.

    Examples
    --------
    >>> first, other = ({"epochs": 3, "seed": 0, "l2": 0.1}, {"epochs": 3, "seed": 1})
    >>> row = {"epoch": "1", "loss": "0.3", "val_loss": "0.4"}
    >>> differing([Run(name, settings, [row], {}, None, False) for name, settings in (("a", first), ("b", other))])
    ['seed', 'l2']
    """
    kinds = {run.loss: [] for run in runs}
    for run in runs:
        kinds[run.loss].append(run)
    found = {}
    for members in kinds.values():
        names = dict.fromkeys(name for run in members for name in run.settings)
        found |= {name: None for name in names if len({_word(run.settings.get(name)) for run in members}) > 1}
    return list(found)


def table(runs):
    """Tabulate runs, the lowest validation loss of each kind of loss first.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    pandas.DataFrame
        run, loss (what it is), epochs, best_epoch, val_loss, seconds, parameters, the scores, and the settings that differ.
    """
    import pandas

    changed = differing(runs)
    rows = []
    for run in runs:
        row = {
            "run": run.name,
            "loss": run.loss,
            "epochs": len(run.rows),
            "best_epoch": int(run.best["epoch"]),
            "val_loss": float(run.best["val_loss"]),
            "seconds": sum(float(one.get("seconds") or "nan") for one in run.rows),
            "parameters": run.parameters,
        }
        scores = {f"{name} (score)" if name in row or name in changed else name: value for name, value in run.scores.items()}
        rows.append(row | scores | {name: _word(run.settings.get(name)) for name in changed})
        if run.simulated:
            rows[-1]["simulated"] = 1
    return pandas.DataFrame(rows).sort_values(["loss", "val_loss"], kind="stable", ignore_index=True)


def draw(path, runs):
    """Draw the loss curves: a row of panels for each kind of loss, training and validation beside each other.

    Parameters
    ----------
    path : pathlib.Path
    runs : sequence of Run
    """
    kinds = sorted({run.loss for run in runs})
    changed = differing(runs)
    with figures.style():
        figure, axes = figures.new(len(kinds), 2, figsize=(12.5, 4.3 * len(kinds) + 0.4), squeeze=False, sharey="row")
        for panels, kind in zip(axes, kinds, strict=True):
            members = sorted((run for run in runs if run.loss == kind), key=lambda run: float(run.best["val_loss"]))
            for rank, run in reversed(list(enumerate(members))):
                named = rank < len(figures.PALETTE)
                look = {"color": figures.PALETTE[rank], "marker": figures.MARKERS[rank]} if named else {"color": "0.8"}
                label = _label(run, changed) if named else None
                epochs = [int(row["epoch"]) for row in run.rows]
                for panel, column in zip(panels, ("loss", "val_loss"), strict=True):
                    panel.plot(epochs, [float(row[column]) for row in run.rows], markersize=5, label=label, **look)
            for panel, split in zip(panels, ("training", "validation"), strict=True):
                panel.set(xlabel="epoch", title=split)
                panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            panels[0].set_ylabel(kind)
            handles, labels = panels[1].get_legend_handles_labels()
            legend = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "fontsize": 10, "title": "best first"}
            panels[1].legend(handles[::-1], labels[::-1], **legend)
        figure.suptitle(figures.title(f"{len(runs)} runs", simulated=any(run.simulated for run in runs)))
        figures.save(figure, path)


def _label(run, changed):
    words = [f"{name} {_word(run.settings.get(name))}" for name in changed if name not in ALSO][:SHOWN]
    return "\n".join([run.name, *(word if len(word) <= 40 else f"{word[:39]}…" for word in words)])


def _word(value):
    """Write the value of a setting: str, empty where a run does not have it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def main(arguments=None):
    """Compare the runs of folders."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="run folders, or folders that hold runs")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="for figure and table (default: the first FOLDER)")
    flags = parser.parse_args(arguments)
    paths = find(flags.folders)
    runs, left_out = [], []
    for path in paths:
        try:
            runs.append(read(path, path.name if len({one.name for one in paths}) == len(paths) else str(path)))
        except UserError as error:
            left_out.append(str(error))
    if not runs:
        raise UserError(left_out[0])
    folder, found = flags.out or pathlib.Path(flags.folders[0]), table(runs)
    atomic_files.write_table(folder / "comparison.csv", found)
    draw(folder / "comparison.png", runs)
    by_name, changed = {run.name: run for run in runs}, differing(runs)
    for row in found.itertuples():
        settings = by_name[row.run].settings
        words = ", ".join(f"{name} {_word(settings[name])}" for name in changed if name in settings)
        print(f"{row.run}: {row.loss} {row.val_loss:.4g} in epoch {row.best_epoch} of {row.epochs}{words and f'; {words}'}")
    print(f"{len(runs)} runs; comparison.png and comparison.csv in {folder}")
    if left_out:
        raise Stopped("\n".join(f"left out: {reason}" for reason in left_out), 4)


if __name__ == "__main__":
    command_line.run(main)
