"""A run folder as one web page: settings, curves, scores beside baselines, pictures, passport, and links to every file.

The page shows what is there, of whatever kind of run and at whatever stage, and says what is not, and what makes it.
"""

import math
import pathlib

from dataset_models import simulation_mark
from network_models import loss_table
from network_models.run_folder import RunFolder
from network_models.run_overview import SCORES, count, figure, read_scores, score_rows, word
from tools import digests
from tools.errors import UserError
from tools.reading import raw_files, structures
from tools.web_pages import (
    Section,
    definitions,
    details,
    document,
    element,
    file_link,
    joined,
    listing,
    picture,
    png_size,
    table,
    write,
)

NAME = "report.html"
SIMULATED = "SIMULATED: this network was trained on simulated data, not on observations"
SHOWN = 24  # pictures of a section; the others are linked
_EPOCHS = 200  # rows of the table of epochs
_LARGEST = 1 << 20  # bytes of a text that is shown
_GROUPS = {"network_options": "Network", "training_options": "Training", "data_options": "Data set"}
_DRAWN = {  # what pictures show, by the beginning of their name
    "loss_curve": "Loss of the training and of the validation split after each epoch",
    "latent_kl": "Divergence of each latent variable from its prior, by epoch",
    "reconstructions": "Images of the validation split, what the network rebuilds of them, and the difference",
    "samples": "Images that the network makes of random latent variables",
    "traversal": "What changes in the image as one latent variable after the other moves",
    "latents": "How the latent variables of the samples are distributed",
    "zeroed": "What reconstructions lose without each latent variable",
    "activations": "Mean images of the lowest and highest activations of each latent variable",
    "anomalies": "Reconstruction error of every image by time",
    "most_unusual": "Images that the network rebuilds worst, with their reconstructions",
    "correlations": "Rank correlation of latent variables with features of the Sun",
    "embedding": "Samples placed so that those which the network finds alike lie close together",
    "nearest": "Samples that the network finds most alike",
    "sprite": "Thumbnails of the embedded samples",
    "weights": "Distribution of the weights of each layer",
    "kernels": "Kernels of a convolution",
    "diagram": "Layers of the network as boxes and arrows",
    "reliability": "How often the event came, against the probability that was forecast",
}


def write_report(run, path=None):
    """Write the page of a run.

    Parameters
    ----------
    run : str, pathlib.Path, network_models.run_folder.RunFolder or network_models.experiment.Result
    path : str or pathlib.Path, optional
        Of the page, from which all links are relative; by default report.html in the run's folder.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    UserError
        It is no run folder, its settings cannot be read, or the page cannot be written. Anything else that is missing or
        damaged is said on the page.
    """
    run = RunFolder.of(run)
    page = run.path / NAME if path is None else pathlib.Path(path)
    page = page / NAME if page.is_dir() else page
    settings = run.settings()
    files = files_of(run, page)
    sections = [
        _settings(settings),
        _curves(run, page, settings),
        _scores(run),
        _pictures("Maps", "maps", run, page, files, "the methods of science/ explain single images, for example saliency.py"),
        _pictures("Features", "features", run, page, files, "latent_traversal.py and the epochs of a beta-VAE draw some"),
        _pictures("Embedding", "embeddings", run, page, files, "tsne.py of science/embedding makes one"),
        _passport(run, settings),
        _files(run, page, files),
    ]
    kind = " ".join(str(settings[name]) for name in ("architecture", "data_set") if settings.get(name))
    markup = document(
        f"Run {run.path.resolve().name}",
        sections,
        lead=[element("p", kind, class_="faint")] if kind else [],
        banner=SIMULATED if settings.get("simulated") else None,
        description=f"Settings, scores and pictures of a training run: {kind}",
    )
    write(page, markup)
    return page


def files_of(run, page):
    """List the files of a run, sorted, without hidden ones, its lock, and the page: list of pathlib.Path."""
    found = []
    for path in sorted(run.path.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(run.path).parts)
        if path.is_file() and not hidden and path != run.lock and path.resolve() != page.resolve():
            found.append(path)
    return found


def _settings(settings):
    content = [
        definitions(
            [
                ("Data set", settings.get("data_set")),
                ("File of the data set", settings["dataset"]),
                ("Architecture", settings.get("architecture")),
                ("Samples", word(settings["samples"]) if "samples" in settings else None),
                ("Parameters", count(settings.get("parameters"))),
                ("Command", element("code", settings["command"]) if "command" in settings else None),
                ("Begun", settings.get("started")),
            ]
        )
    ]
    for group, title in _GROUPS.items():
        options = settings.get(group)
        if options:
            rows = [[name, word(value)] for name, value in options.items()]
            content.append(details(f"{title}: {len(rows)} options", table(f"Options: {title}", ("Option", "Value"), rows)))
    return Section("Settings", tuple(content), "settings")


def _curves(run, page, settings):
    content, rows = [], []
    try:
        rows = loss_table.read(run.performance / loss_table.NAME)
    except UserError as error:
        content.append(_missing(str(error).replace(f"{run.path}/", "")))
    for path in sorted(run.performance.glob("*.png"), key=lambda one: (one.stem != "loss_curve", one.name)):
        said = _said(path)
        if path.name == "loss_curve.png" and rows:
            losses = [f"{float(rows[place]['val_loss']):.3g}" for place in (0, -1)]
            said += f": {len(rows)} epochs, that of validation from {losses[0]} to {losses[1]}"
        content.append(_shown(path, page, said))
    if rows:
        best = min(range(len(rows)), key=lambda place: float(rows[place]["val_loss"]))
        content.append(
            element("p", f"{len(rows)} epochs; the lowest validation loss, {rows[best]['val_loss']}, in epoch {best + 1}.")
        )
        options = {simulation_mark.COLUMN, *(name for group in _GROUPS for name in settings.get(group) or ())}
        columns = [name for name in rows[0] if name not in options]
        every = math.ceil(len(rows) / _EPOCHS)
        places = [place for place in range(len(rows)) if place % every == 0 or place in (best, len(rows) - 1)]
        cells = [[figure(rows[place][name]) for name in columns] for place in places]
        caption = "Loss and metrics by epoch" + (f", every {every}th shown, and the best" if every > 1 else "")
        shown = table(caption, columns, cells, numbers=range(len(columns)))
        content.append(details(f"Table of {len(rows)} epochs", shown))
    return Section("Curves", tuple(content), "curves")


def _scores(run):
    path = run.performance / SCORES
    if not path.is_file():
        return Section("Scores", (_missing("no scores.json: it is written when a training ends"),), "scores")
    try:
        scores = read_scores(run)
    except UserError as error:
        return Section("Scores", (_missing(str(error).replace(f"{run.path}/", "")),), "scores")
    columns, rows = score_rows(scores)
    shown = table("Scores of the best network on the validation split", columns, rows, numbers=(1, 2))
    compared = any("skill" in name for name in scores)
    words = "Skill is measured against a baseline: above 0 is better than it, 1 is perfect." if compared else None
    return Section("Scores", (shown, element("p", words, class_="faint") if words else None), "scores")


def _pictures(heading, folder, run, page, files, maker):
    mine = [path for path in files if path.relative_to(run.path).parts[0] == folder]
    drawn = [path for path in mine if png_size(path)]
    others = len(mine) - len(drawn)
    if not mine:
        return Section(heading, (_missing(f"nothing in {folder}/: {maker}"),), folder)
    passports = {path.stem: path for path in mine if path.suffix == ".json"}
    content = [element("div", [_shown(path, page, _said(path, passports)) for path in drawn[:SHOWN]], class_="pictures")]
    words = []
    if len(drawn) > SHOWN:
        words.append(f"{len(drawn) - SHOWN} more pictures")
    if others:
        words.append(f"{others} {'file' if others == 1 else 'files'} of other kinds")
    if words:
        content.append(element("p", f"{' and '.join(words)} are ", element("a", "among the files", href="#files"), "."))
    return Section(heading, tuple(content), folder)


def _said(path, passports=None):
    """Say what a picture shows: by the passport beside a map, by its name, or that nobody knows."""
    stem = max((stem for stem in passports or () if path.stem.startswith(stem)), key=len, default=None)
    if stem is not None:
        try:
            about = structures.read_json(passports[stem], most=_LARGEST, kind=dict)
        except UserError:
            about = {}
        if "method" in about and "image" in about:
            checks = about.get("checks")
            failed = [name for name, passed in checks.items() if passed is False] if isinstance(checks, dict) else []
            words = f"Image, map and both: {about['method']} for {about['image']}, explained is {about.get('explains')}"
            return words + (f"; failed checks: {', '.join(failed)}" if failed else "; no check failed")
    known = next((words for name, words in _DRAWN.items() if path.stem.startswith(name)), None)
    return known or f"Picture {path.stem}, of which the run says no more"


def _shown(path, page, said):
    return picture(path, page, f"{said}.", joined([said, ": ", file_link(path, page)]))


def _passport(run, settings):
    networks = [path for path in (run.best, run.most_skilful) if path.is_file()]
    rows = [[path.name, element("code", digests.of_file(path))] for path in networks]
    content = [table("Networks", ("File", "SHA-256"), rows) if rows else _missing("no network is saved yet")]
    versions = settings.get("versions")
    content.append(
        definitions(
            [
                ("Git commit", settings.get("git_commit")),
                ("Versions", word(versions) if versions else None),
                ("Times of the samples (SHA-256, begin)", settings.get("sample_times_sha256")),
                ("Files of the data (SHA-256, begin)", word(settings["files_sha256"]) if "files_sha256" in settings else None),
            ]
        )
    )
    if run.summary.is_file():
        try:
            text = raw_files.read_text(run.summary, most=_LARGEST)
            content.append(details("Layers", listing(text, "Layers of the network")))
        except UserError as error:
            content.append(_missing(str(error).replace(f"{run.path}/", "")))
    return Section("Passport", tuple(content), "passport")


def _files(run, page, files):
    content, folders = [element("p", f"{len(files)} files.")], {}
    for path in files:
        folders.setdefault(path.relative_to(run.path).parent.as_posix(), []).append(path)
    for folder, members in folders.items():
        rows = [[file_link(path, page), raw_files.in_words(path.stat().st_size)] for path in members]
        name = "The run's folder" if folder == "." else folder
        content.append(details(f"{name}: {len(rows)}", table(name, ("File", "Size"), rows, numbers=(1,))))
    return Section("Files", tuple(content), "files")


def _missing(words):
    return element("p", f"Not there: {words}.", class_="faint")
