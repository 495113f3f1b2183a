"""Report an architecture search: table, pictures, importance of each option, HParams, the best network trained anew."""

import json
import math
import shutil

import numpy

from dataset_models import simulation_mark
from network_models import loss_table
from network_models.architecture_search import trials as trial_runs
from network_models.architecture_search.spaces import unword, word
from tools import atomic_files, figures, options
from tools.errors import UserError
from tools.reading import structures

REPEATS = 30  # permutations of each option for its importance
LEAST = 10  # trials below which importance means nothing


def write(search):
    """Write all of it into the search's folder, and print the table's top and the best trial as JSON.

    Parameters
    ----------
    search : trials.Search

    Raises
    ------
    UserError
        No trial was completed.
    """
    table = results(search)
    atomic_files.write_table(search.folder / "trials.csv", simulation_mark.marked(table, search.data.simulated))
    done = table[table["status"] == "COMPLETED"]
    if done.empty:
        raise UserError(f"{search.folder}: no trial was completed; trials.csv has their errors")
    parallel_coordinates(search.folder / "trials.png", search, done)
    write_hparams(search, done)
    weights, explained = importance(search, done)
    if weights is not None:
        atomic_files.write_table(search.folder / "importance.csv", simulation_mark.marked(weights, search.data.simulated))
        draw_importance(search.folder / "importance.png", search, weights, explained)
    best = done.iloc[0]
    run, again = _train_best(search, best)
    for row in done.head(5).to_dict("records"):
        values = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in values_of(search, row["trial"]).items()
        )
        print(f"trial {row['trial']}: {search.objective} {row['score']:.4f} ({row['parameters']:,} parameters; {values})")
    failed = int((table["status"] != "COMPLETED").sum())
    print(f"{len(table)} trials, {failed} of them failed; {_skipped(search)} proposals skipped as impossible or too large")
    line = {
        "best_trial": best["trial"],
        search.objective: float(best["score"]),
        f"{search.objective}_trained_anew": again,
        "values": values_of(search, best["trial"]),
        "flags": flags_of(search, best["trial"]),
        "run_folder": str(run),
    } | simulation_mark.entry(search.data.simulated)
    print(json.dumps(line))


def results(search):
    """List the trials of a search, the best first.

    Parameters
    ----------
    search : trials.Search

    Returns
    -------
    pandas.DataFrame
        trial, status, score, epochs, seconds, parameters, run_folder, message, and a column per varied option; NaN where
        an option did not matter.
    """
    import pandas

    rows = []
    for file in sorted(search.folder.glob("tuner/trial_*/trial.json")):
        state = trial_runs.read_trial(file)
        run = trial_runs.existing_run(search.folder / "trials" / state["trial_id"])
        row = {"trial": state["trial_id"], "status": state["status"], "score": state["score"]}
        row |= _training_of(run)
        row |= dict.fromkeys(parameter.name for parameter in search.parameters) | values_of(search, state["trial_id"])
        message = (state["message"] or "").strip().splitlines()
        rows.append({**row, "run_folder": str(run or ""), "message": message[-1] if message else ""})
    table = pandas.DataFrame(rows)
    return table.sort_values("score", ascending=search.direction == "min", kind="stable") if rows else table


def values_of(search, trial):
    """Read the varied options of a trial that mattered: dict of name to value, lists as words."""
    file = search.folder / "tuner" / f"trial_{trial}" / "trial.json"
    values = trial_runs.read_trial(file)["hyperparameters"]["values"]
    return {parameter.name: values[parameter.name] for parameter in search.parameters if parameter.name in values}


def flags_of(search, trial):
    """Write the options that a search set, varied or fixed, as flags of the network's training script: str."""
    fixed = {**search.network_values, **search.space.training, **search.training_values}
    return options.as_flags(fixed | {name: unword(value) for name, value in values_of(search, trial).items()})


def _training_of(run):
    import pandas

    if run is None or not (run.performance / loss_table.NAME).is_file():
        return {"epochs": 0, "seconds": math.nan, "parameters": None}
    rows = loss_table.read(run.performance / loss_table.NAME)
    return {
        "epochs": len(rows),
        "seconds": float(pandas.to_numeric([row.get("seconds") for row in rows], errors="coerce").sum()),
        "parameters": run.settings().get("parameters"),
    }


def _skipped(search):
    file = search.folder / "skipped.json"
    return len(structures.read_json(file, kind=list, advice="start a new --search")) if file.is_file() else 0


def _given(value):
    return value is not None and value == value  # neither None nor NaN


def positions(parameter, values):
    """Place values on a parameter's axis: float (n,), 0 to 1, NaN where the option did not matter.

    Parameters
    ----------
    parameter : spaces.Parameter
    values : sequence
        As in the trials' table.
    """
    if parameter.bounds:
        low, high = numpy.log(parameter.bounds)
        return (numpy.log(numpy.asarray(values, "float64")) - low) / (high - low)
    choices = [word(value) for value in parameter.values]
    last = max(len(choices) - 1, 1)
    return numpy.array([choices.index(value) / last if _given(value) else numpy.nan for value in values])


def parallel_coordinates(path, search, table):
    """Draw a line per trial over an axis per option, coloured by score, the best three drawn thick.

    Parameters
    ----------
    path : pathlib.Path
    search : trials.Search
    table : pandas.DataFrame
        Completed trials, the best first.
    """
    parameters = search.parameters
    heights = numpy.stack([positions(parameter, table[parameter.name].tolist()) for parameter in parameters], axis=1)
    scores = table["score"].to_numpy("float64")
    # Diverged trials would otherwise take the whole colour scale.
    low, high = numpy.quantile(scores, [0.0, 0.9] if search.direction == "min" else [0.1, 1.0])
    import matplotlib

    with figures.style():
        figure, axes = figures.new(figsize=(max(7.0, 0.75 * len(parameters) + 2), 4.6))
        colours = matplotlib.colormaps["viridis" if search.direction == "min" else "viridis_r"]  # the best darkest
        norm = matplotlib.colors.Normalize(low, high if high > low else low + 1)
        offset = numpy.linspace(-0.012, 0.012, len(table))  # lines through the same choices stay apart
        for rank in reversed(range(len(table))):
            line = numpy.where(numpy.isnan(heights[rank]), -0.12, heights[rank]) + offset[rank]
            width, opacity = (2.6, 1.0) if rank < 3 else (1.0, 0.55)
            axes.plot(line, color=colours(norm(scores[rank])), lw=width, alpha=opacity, zorder=2 + (rank < 3))
        for number, parameter in enumerate(parameters):
            axes.axvline(number, color="0.8", lw=0.8, zorder=1)
            for height, label in _ticks(parameter):
                box = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
                axes.text(number + 0.05, height, label, fontsize=8, color="0.15", va="center", zorder=4, bbox=box)
        axes.set_xticks(range(len(parameters)), [parameter.name for parameter in parameters], rotation=40, ha="right")
        unused = bool(numpy.isnan(heights).any())
        axes.set_yticks([-0.12] if unused else [], ["not used"] if unused else [])
        axes.set_ylim(-0.17 if unused else -0.05, 1.05)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(
            matplotlib.cm.ScalarMappable(norm, colours), ax=axes, extend="max" if search.direction == "min" else "min"
        )
        bar.set_label(f"{search.objective} ({'lower' if search.direction == 'min' else 'higher'} is better)")
        heading = f"{search.space.title}: {len(table)} trials, {search.method} search; the best three drawn thick"
        axes.set_title(figures.title(heading, simulated=search.data.simulated))
        figures.save(figure, path)


def _ticks(parameter):
    if parameter.bounds:
        return [(0.0, f"{parameter.bounds[0]:g}"), (1.0, f"{parameter.bounds[1]:g}")]
    last = max(len(parameter.values) - 1, 1)
    shown = range(len(parameter.values)) if len(parameter.values) <= 8 else (0, last // 2, last)
    return [(index / last, str(word(parameter.values[index]))) for index in shown]


def importance(search, table, *, seed=0):
    """Estimate how much of the score each option explains, by a random forest over the trials.

    Parameters
    ----------
    search : trials.Search
    table : pandas.DataFrame
        Completed trials.
    seed : int

    Returns
    -------
    pandas.DataFrame or None
        option, importance (loss of the forest's R^2 when the option's values are shuffled among trials), spread
        (standard deviation over shuffles), the most important first; None with fewer than `LEAST` trials.
    float
        R^2 of the forest on trials that its trees have not seen. Near or below 0 the importances mean nothing.
    """
    import pandas
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    if len(table) < LEAST:
        return None, math.nan
    columns = [positions(parameter, table[parameter.name].tolist()) for parameter in search.parameters]
    features = numpy.nan_to_num(numpy.stack(columns, axis=1), nan=-0.5)
    # Ranks: a few trials that diverged would otherwise be all there is to explain.
    scores = table["score"].rank().to_numpy("float64")
    forest = RandomForestRegressor(500, oob_score=True, min_samples_leaf=2, random_state=seed).fit(features, scores)
    permuted = permutation_importance(forest, features, scores, n_repeats=REPEATS, random_state=seed)
    weights = pandas.DataFrame(
        {
            "option": [parameter.name for parameter in search.parameters],
            "importance": permuted.importances_mean,
            "spread": permuted.importances_std,
        }
    )
    return weights.sort_values("importance", ascending=False, ignore_index=True), float(forest.oob_score_)


def draw_importance(path, search, weights, explained):
    """Draw the importances of `importance` as bars, with how far they can be trusted."""
    with figures.style():
        figure, axes = figures.new(figsize=(7.0, 0.3 * len(weights) + 1.6))
        order = weights.iloc[::-1]
        axes.barh(order["option"], order["importance"], xerr=order["spread"], color="#0072B2", ecolor="0.35")
        axes.set_xlabel("loss of R² when the option's values are shuffled among the trials")
        trust = f"R² on unseen trials {explained:.2f}" + ("" if explained > 0.1 else ": the bars mean little")
        heading = figures.title(f"What decides the {search.objective} of {search.space.title}", simulated=search.data.simulated)
        axes.set_title(f"{heading}\n({trust})")
        figures.save(figure, path)


def write_hparams(search, table):
    """Write what TensorBoard's HParams tab shows, anew, into hparams/.

    Parameters
    ----------
    search : trials.Search
    table : pandas.DataFrame
        Completed trials.
    """
    import tensorflow
    from tensorboard.plugins.hparams import api

    folder = search.folder / "hparams"
    shutil.rmtree(folder, ignore_errors=True)
    for row in table.to_dict("records"):
        values = values_of(search, row["trial"])
        with tensorflow.summary.create_file_writer(str(folder / row["trial"])).as_default():
            api.hparams(values | simulation_mark.entry(search.data.simulated), trial_id=row["trial"])
            tensorflow.summary.scalar(search.objective, row["score"], step=int(row["epochs"]))


def _train_best(search, best):
    """Train the best trial's network anew, for all epochs: its run folder, and its score."""
    folder, values = search.folder / "best", values_of(search, best["trial"])
    planned = json.loads(json.dumps(search.settings(folder, values).as_dictionary()))
    run = trial_runs.existing_run(folder)
    stored = {} if run is None else run.settings()
    if run is not None:
        stored["training_options"] = search.space.training_options.from_stored(stored["training_options"])
    if run is not None and any(stored[key] != planned[key] for key in planned):
        shutil.rmtree(folder)  # of a shorter search that found another best
        run = None
    result = trial_runs.train(search, search.settings(folder, values, resume=run))
    return result.folder, trial_runs.score(search, result)
