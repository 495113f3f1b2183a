"""A run as it shows itself: settings that matter, curves, scores beside baselines, and where it is."""

import json
import math

from dataset_models import simulation_mark
from network_models import loss_table
from tools.errors import UserError
from tools.reading import raw_files, structures
from tools.views import Picture, Table

SCORES = "scores.json"  # in performance/
TRAINING = ("epochs", "batch_size", "optimizer", "learning_rate", "seed")  # options that are shown
_BASELINE = "persistence_"  # before the name of a score
_LARGEST = 1 << 20  # bytes of scores.json
_LARGEST_PICTURE = 4 << 20  # bytes of the curve inside a notebook


def parts(folder):
    """List what a run shows of itself, as `tools.views.View.view`.

    Parameters
    ----------
    folder : network_models.run_folder.RunFolder
        At whatever stage.
    """
    heading = f"Run {folder.path.resolve().name}"
    try:
        settings = folder.settings()
    except UserError as error:
        return [heading, f"no settings: {error}"]
    mark = " (trained on simulated data, not on observations)" if settings.get("simulated") else ""
    shown = [f"{heading}{mark}", _settings(settings), *_curves(folder), *_scores(folder)]
    return [*shown, f"in {folder.path.resolve()}"]


def _settings(settings):
    training = settings.get("training_options") or {}
    rows = {
        "network": settings.get("architecture"),
        "data set": settings.get("data_set"),
        "samples": word(settings["samples"]) if "samples" in settings else None,
        "parameters": count(settings.get("parameters")),
        **{name: training.get(name) for name in TRAINING},
        "begun": settings.get("started"),
    }
    return Table("Settings", ("what", "as it was"), tuple((name, value) for name, value in rows.items() if value is not None))


def _curves(folder):
    try:
        rows = loss_table.read(folder.performance / loss_table.NAME)
    except UserError as error:
        return [f"no epochs: {error}"]
    best = min(range(len(rows)), key=lambda place: float(rows[place]["val_loss"]))
    columns = ("epoch", "loss", "val_loss")
    places = dict.fromkeys((0, best, len(rows) - 1))
    cells = tuple((place + 1, *(figure(rows[place][name]) for name in columns[1:])) for place in places)
    words = f"{len(rows)} epochs, the lowest validation loss in epoch {best + 1}"
    shown = [Table(f"First, best and last of {words}" if len(places) > 1 else words, columns, cells)]
    try:
        png = raw_files.read_bytes(folder.performance / "loss_curve.png", most=_LARGEST_PICTURE, advice="")
    except UserError:
        return shown
    return [*shown, Picture(lambda: png, f"loss of the training and of the validation split, {words}")]


def _scores(folder):
    try:
        scores = read_scores(folder, advice="it is written when a training ends")
    except UserError as error:
        return [f"no scores: {error}"]
    columns, rows = score_rows(scores)
    return [Table("Scores of the best network on the validation split", columns, rows)]


def read_scores(folder, *, advice="--resume of the run makes it anew"):
    """Read the scores of a run, without the mark of simulated data beside them.

    Parameters
    ----------
    folder : network_models.run_folder.RunFolder
    advice : str
        Follows the reason in errors.

    Returns
    -------
    dict
        By name: numbers, as far as the file is undamaged.

    Raises
    ------
    UserError
        The file is missing, or no JSON object.
    """
    scores = structures.read_json(folder.performance / SCORES, most=_LARGEST, kind=dict, advice=advice)
    return {name: value for name, value in scores.items() if name != simulation_mark.COLUMN}


def score_rows(scores):
    """Arrange the scores of a run, those of persistence beside the network's: headings and rows, tuples of str.

    Examples
    --------
    >>> score_rows({"tss": 0.51234, "persistence_tss": 0.3, "event_rate": 0.1})
    (('Score', 'Network', 'Persistence'), (('tss', '0.5123', '0.3'), ('event_rate', '0.1', '–')))
    """
    beside = {name.removeprefix(_BASELINE): value for name, value in scores.items() if name.startswith(_BASELINE)}
    rows = []
    for name in dict.fromkeys([*(name for name in scores if not name.startswith(_BASELINE)), *beside]):
        row = [name, figure(scores.get(name, ""))]
        rows.append((*row, figure(beside.get(name, ""))) if beside else tuple(row))
    return ("Score", "Network", "Persistence")[: 3 if beside else 2], tuple(rows)


def word(value):
    """Write the value of a setting: str."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {word(one)}" for name, one in value.items())
    return "none" if value in (None, "", [], ()) else value if isinstance(value, str) else json.dumps(value, default=str)


def count(number):
    """Write a whole number with its thousands apart; what is none stays as it is."""
    return f"{number:,}" if type(number) is int else number


def figure(value):
    """Write a number of a table of scores with four digits, what is none as it is: str."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value if isinstance(value, str) and value else "–"
    return f"{number:.4g}" if math.isfinite(number) else "–"
