"""One forecast from several: networks, the class table and the flare history, stacked and cross-fitted by fold, or a mean.

    python network_models/forecasts/combination.py cross alex=F1.csv,F2.csv attention=F1.csv,F2.csv --flares LIST --out FOLDER
    python network_models/forecasts/combination.py fit alex=F1.csv,F2.csv attention=F1.csv,F2.csv --flares LIST --out C.json
    python network_models/forecasts/combination.py apply C.json alex=NEW.csv attention=NEW.csv --flares LIST --out NEW.csv

--kind mean averages the log-odds of forecasts and fits nothing, which few folds cannot mislead: for forecasts that are
calibrated, such as a stack and flare rates. Each forecast is named and has one file for each fold, in the same order. With
cross every fold is forecast by a combination of the others and written to FOLDER/fold1.csv, fold2.csv, ...; fit takes all of
them, for later forecasts. Outcomes that the files lack come from the flare lists. apply needs none, and takes forecasts of
now: up to --history_age hours after the end of the lists the flare history is taken as it was known then.
"""

import dataclasses
import pathlib

import numpy

from dataset_models import flare_catalogue, simulation_mark
from dataset_models.flares import flare_history
from network_models.forecasts import calibration
from network_models.forecasts import files as forecast_files
from network_models.forecasts import references as reference_forecasts
from tools import atomic_files, command_line, skill_scores
from tools.errors import Stopped, UserError, quoted
from tools.options import add_number
from tools.paths import given_files

KINDS = ("logistic", "boosting", "mean")
REACH = numpy.timedelta64(72, "h")  # of the flare history
FORMAT = "combination 1"
TABLE = "class_table"
PENALTY = 0.1  # inverse strength of the L2 penalty on standardised features
_MOST_TREES = 10_000
BOOSTING = {"n_estimators": 60, "learning_rate": 0.05, "max_depth": 3, "min_samples_leaf": 200, "subsample": 0.5}


@dataclasses.dataclass(frozen=True)
class Logistic:
    """Log-odds of the event as a weighted sum of standardised features."""

    mean: numpy.ndarray
    deviation: numpy.ndarray
    weights: numpy.ndarray
    offset: float
    kind: str = "logistic"

    def forecast(self, features):
        """Probabilities: float64 (n,) from features (n, k)."""
        return calibration.probability_of((features - self.mean) / self.deviation @ self.weights + self.offset)


@dataclasses.dataclass(frozen=True)
class Boosting:
    """Log-odds of the event as a sum of regression trees.

    Attributes
    ----------
    start : float
        Log-odds before the first tree.
    trees : list of dict of str to list
        left and right (child of each node, -1 at a leaf), feature, threshold (left when not above), value.
    """

    start: float
    trees: list
    kind: str = "boosting"

    def forecast(self, features):
        """Probabilities: float64 (n,) from features (n, k)."""
        features = numpy.asarray(features, "float32")  # as the trees compared them when they grew
        odds = numpy.full(len(features), self.start)
        rows = numpy.arange(len(features))
        for tree in self.trees:
            left, right, feature, threshold, value = (
                numpy.asarray(tree[name]) for name in ("left", "right", "feature", "threshold", "value")
            )
            node = numpy.zeros(len(features), "int64")
            while True:
                inner = left[node] >= 0
                if not inner.any():
                    break
                here = node[inner]
                below = features[rows[inner], feature[here]] <= threshold[here]
                node[inner] = numpy.where(below, left[here], right[here])
            odds += value[node]
        return calibration.probability_of(odds)


@dataclasses.dataclass(frozen=True)
class Mean:
    """The mean of log-odds, each forecast as much as another."""

    kind: str = "mean"

    def forecast(self, features):
        """Probabilities: float64 (n,) from features (n, k)."""
        return calibration.probability_of(numpy.mean(features, axis=1))


@dataclasses.dataclass(frozen=True)
class Combination:
    """A fitted combination.

    Attributes
    ----------
    names : tuple of str
        The forecasts that it takes, in order.
    model : Logistic, Boosting or Mean
    table : reference_forecasts.ClassTable or None
        Without a flare list neither table nor history is used; nor in a mean.
    periods : numpy.ndarray
        ``datetime64[s]`` (k, 2): what it was fitted on.
    simulated : bool
        Whether that was simulated.
    """

    names: tuple[str, ...]
    model: Logistic | Boosting | Mean
    table: reference_forecasts.ClassTable | None
    periods: numpy.ndarray
    simulated: bool = False

    def forecast(self, probabilities, events=None, times=None):
        """Combined probabilities.

        Parameters
        ----------
        probabilities : array_like (n, k)
            Of the forecasts `names`.
        events : pandas.DataFrame, optional
            Flares; needed where there is a table.
        times : array_like, optional
            ``datetime64`` (n,): when the flare history is asked for, as of `flare_history.FlareHistory.asked`.

        Returns
        -------
        numpy.ndarray
            float64 (n,).
        """
        return self.model.forecast(features_of(probabilities, self.table, events, times))


def features_of(probabilities, table, events, times):
    """Stack log-odds of the forecasts and of the class table, and the flare history: float64 (n, k)."""
    columns = [calibration.logit(probabilities)]
    if table is not None:
        columns.append(calibration.logit(table.forecast(events, times))[:, None])
        columns.append(flare_history.history(events, times).astype("float64"))
    return numpy.concatenate(columns, axis=1)


def fit(names, probabilities, event, times, *, events=None, asked=None, kind="logistic", seed=0):
    """Fit a combination.

    Parameters
    ----------
    names : sequence of str
    probabilities : array_like (n, k)
        Forecasts for hours that no network was trained on.
    event : array_like of bool (n,)
    times : array_like
        ``datetime64`` (n,).
    events : pandas.DataFrame, optional
        Flares of `dataset_models.flare_catalogue`; with them the class table and the flare history take part.
    asked : array_like, optional
        ``datetime64`` (n,): when the flare history is asked for, where that is not the times themselves.
    kind : str
        ``"logistic"`` (L2 penalty), ``"boosting"`` (gradient boosting of shallow trees), or ``"mean"`` of the log-odds of the
        forecasts alone, of which nothing is fitted.
    seed : int

    Returns
    -------
    Combination

    Raises
    ------
    UserError
        An unknown kind; hours of one outcome only.
    """
    event = numpy.asarray(event, bool)
    if event.all() or not event.any():
        answer = "yes" if event.all() else "no"
        raise UserError(f"combination: all {len(event)} outcomes are {answer}; give hours of both kinds")
    asked = times if asked is None else asked
    table = None if events is None or kind == "mean" else reference_forecasts.fit_class_table(events, asked, event)
    features = features_of(probabilities, table, events, asked)
    if kind == "logistic":
        model = _logistic(features, event)
    elif kind == "boosting":
        model = _boosting(features, event, seed)
    elif kind == "mean":
        model = Mean()
    else:
        raise UserError(f"combination kind {kind!r}: choose one of {', '.join(KINDS)}")
    return Combination(tuple(names), model, table, calibration.periods(times))


def _logistic(features, event):
    from sklearn.linear_model import LogisticRegression

    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation == 0] = 1.0
    regression = LogisticRegression(C=PENALTY, max_iter=5000, tol=1e-8).fit((features - mean) / deviation, event)
    return Logistic(mean, deviation, regression.coef_[0].copy(), float(regression.intercept_[0]))


def _boosting(features, event, seed):
    from sklearn.ensemble import GradientBoostingClassifier

    classifier = GradientBoostingClassifier(**BOOSTING, random_state=seed).fit(features.astype("float32"), event)
    trees = []
    for (estimator,) in classifier.estimators_:
        tree = estimator.tree_
        trees.append(
            {
                "left": tree.children_left.tolist(),
                "right": tree.children_right.tolist(),
                "feature": tree.feature.tolist(),
                "threshold": tree.threshold.tolist(),
                "value": (classifier.learning_rate * tree.value[:, 0, 0]).tolist(),
            }
        )
    rate = float(event.mean())
    return Boosting(float(numpy.log(rate / (1 - rate))), trees)


def cross_fitted(forecasts, *, events=None, asked=None, kind="logistic", seed=0):
    """Forecasts of several folds, each combined by what was fitted on the other folds.

    Parameters
    ----------
    forecasts : sequence of network_models.forecasts.files.Forecasts
        On the same hours, with outcomes.
    events, asked, kind, seed
        As of `fit`.

    Returns
    -------
    probability, threshold : numpy.ndarray
        float64 (n,). The threshold is that of the highest TSS on the folds that the combination was fitted on.
    """
    first = forecasts[0]
    folds = numpy.unique(first.fold)
    if len(folds) < 2:
        raise UserError(f"{first.name}: one file is one fold; give two or more, each is combined by the others")
    names = [part.name for part in forecasts]
    probabilities = numpy.stack([part.probability for part in forecasts], axis=1)
    result, threshold = numpy.empty(len(first)), numpy.empty(len(first))
    asked = first.times if asked is None else asked
    for fold in folds:
        mine = first.fold == fold
        keywords = {"events": events, "asked": asked[~mine], "kind": kind, "seed": seed}
        fitted = fit(names, probabilities[~mine], first.event[~mine], first.times[~mine], **keywords)
        result[mine] = fitted.forecast(probabilities[mine], events, asked[mine])
        others = fitted.forecast(probabilities[~mine], events, asked[~mine])
        threshold[mine] = skill_scores.best_threshold(others, first.event[~mine])[0]
    return result, threshold


def save(path, combination):
    """Write a combination as JSON, complete or not at all."""
    import json

    model = {
        name: value.tolist() if isinstance(value, numpy.ndarray) else value
        for name, value in dataclasses.asdict(combination.model).items()
    }
    table = combination.table and {name: value.tolist() for name, value in dataclasses.asdict(combination.table).items()}
    content = {
        "format": FORMAT,
        "names": list(combination.names),
        "model": model,
        "class_table": table,
        "history": list(flare_history.NAMES) if table else [],
        "fitted_on": [[f"{moment}Z" for moment in period] for period in combination.periods],
    } | simulation_mark.entry(combination.simulated)
    atomic_files.write_text(path, json.dumps(content, indent=1) + "\n")


def load(path):
    """Read a combination.

    Raises
    ------
    UserError
        The file is missing, not a combination, or of another version of the flare history.
    """
    content = calibration.read_json(path, FORMAT)
    try:
        names, table = content["names"], content["class_table"]
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("no names of forecasts")
        count = len(names) + (0 if table is None else 1 + len(flare_history.NAMES))
        model = _model_of(dict(content["model"]), count)
        if table is not None:
            hours, probability = numpy.array(table["hours"], "int64"), numpy.array(table["probability"], "float64")
            table = reference_forecasts.ClassTable(probability, hours)
            if not ((probability >= 0) & (probability <= 1)).all():
                raise ValueError("no probabilities in the class table")
            if len(probability) != len(reference_forecasts.CLASS_NAMES) or content["history"] != list(flare_history.NAMES):
                raise UserError(f"{path}: was fitted with other classes or another flare history; fit it again")
        texts = [moment.removesuffix("Z") for period in content["fitted_on"] for moment in period]
        spans = numpy.array(texts, "datetime64[s]").reshape(-1, 2)
        return Combination(tuple(names), model, table, spans, bool(content.get("simulated", False)))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{path}: not a sound combination file ({type(error).__name__}: {error}); fit it again") from error


def _model_of(stored, count):
    """Make the model of its stored form for `count` features, or raise a ValueError where it can be none."""
    kind = stored.pop("kind")
    if kind == "logistic":
        arrays = {name: numpy.array(stored[name], "float64") for name in ("mean", "deviation", "weights")}
        offset = float(stored["offset"])
        sound = all(array.shape == (count,) and numpy.isfinite(array).all() for array in arrays.values())
        if not sound or not numpy.isfinite(offset) or not (arrays["deviation"] > 0).all():
            raise ValueError(f"no weights of {count} features")
        return Logistic(**arrays, offset=offset)
    if kind == "mean":
        return Mean()
    if kind != "boosting":
        raise ValueError(f"a model of the kind {quoted(kind)}")
    start, trees = float(stored["start"]), stored["trees"]
    if not numpy.isfinite(start) or not isinstance(trees, list) or not 0 < len(trees) <= _MOST_TREES:
        raise ValueError("no trees")
    return Boosting(start, [_tree_of(tree, count) for tree in trees])


def _tree_of(tree, count):
    """Check a stored tree: its arrays of one length, each child behind its parent, so that every path ends."""
    arrays = {name: numpy.array(tree[name]) for name in ("left", "right", "feature", "threshold", "value")}
    size = len(tree["value"])
    whole = ("left", "right", "feature")
    if size == 0 or any(array.shape != (size,) or array.dtype.kind not in "if" for array in arrays.values()):
        raise ValueError("a tree whose parts are no lists of numbers of one length")
    if any(arrays[name].dtype.kind != "i" for name in whole) or not numpy.isfinite(arrays["value"]).all():
        raise ValueError("a tree of other numbers")
    inner = arrays["left"] >= 0
    children = numpy.stack([arrays["left"], arrays["right"]])[:, inner]
    if (children <= numpy.flatnonzero(inner)).any() or (children >= size).any():
        raise ValueError("a tree whose nodes do not follow their parents")
    if not ((arrays["feature"][inner] >= 0) & (arrays["feature"][inner] < count)).all():
        raise ValueError(f"a tree of more than {count} features")
    if not numpy.isfinite(arrays["threshold"][inner].astype("float64")).all():
        raise ValueError("a tree with a threshold that is no number")
    return {name: array.tolist() for name, array in arrays.items()}


def named(texts, *, target=True, **labels):
    """Read forecasts from words ``NAME=FILE[,FILE...]``: list of `forecast_files.Forecasts` on their common hours.

    Parameters
    ----------
    texts : sequence of str
    target : bool
        Whether outcomes must be there.
    **labels
        Where outcomes come from that the files lack: events, window, threshold, until of `forecast_files.labelled`.

    Raises
    ------
    UserError
        A word without a name, two of one name, files that cannot be read or share no hour, outcomes that are unknown.
    """
    events = labels.pop("events", None)
    asked = None if target and events is None else False
    forecasts, notes = [], []
    for text in texts:
        name, equals, files = text.partition("=")
        if not equals or not name or not files:
            raise UserError(f"{text}: give forecasts as NAME=FILE[,FILE...], one file for each fold")
        part, note = forecast_files.read(given_files(files.split(",")), name=name, target=asked), None
        if target:
            part, note = forecast_files.labelled(part, events, **labels)
        forecasts.append(part)
        notes += [note] if note else []
    if len({part.name for part in forecasts}) < len(forecasts):
        raise UserError("two forecasts have one name; name them differently")
    shared, left_out = forecast_files.common(forecasts)
    notes += [
        f"{part.name}: {count} forecasts left out for times that the others lack"
        for part, count in zip(shared, left_out, strict=True)
        if count
    ]
    print("\n".join(notes), end="\n" if notes else "")
    event, images = (
        next((v for v in (getattr(part, n) for part in shared) if v is not None), None) for n in ("event", "files")
    )
    return [dataclasses.replace(part, event=event, files=images) for part in shared]


def flares(paths, times):
    """Flares of lists that cover the history and, for the table, the windows of times: pandas.DataFrame or None."""
    if not paths:
        return None
    events = flare_catalogue.read(paths).events
    asked_of(events, times, paths)
    return events


def asked_of(events, times, paths, *, age=flare_history.AGE, until=None, all_known=True):
    """When to ask for the flare history of times: ``datetime64[s]`` (n,), as of `flare_history.FlareHistory.require`.

    Without `all_known` it is NaT where the history is not known, as long as that of some time is.
    """
    history = flare_history.FlareHistory(events, until=until)
    asked = history.asked(times, age=age, back=REACH)
    if not all_known and not numpy.isnat(asked).all():
        return asked
    return history.require(times, age=age, back=REACH, origin=", ".join(map(str, paths)), subject="a forecast")


def _write(path, forecasts, probability, threshold=None, *, simulated=False):
    columns = {
        "probability": probability,
        "target": None if forecasts.event is None else forecasts.event.astype(int),
        "threshold": threshold,
    }
    forecast_files.write(path, forecasts.times, files=forecasts.files, simulated=forecasts.simulated or simulated, **columns)


def main(arguments=None):
    """Fit, cross-fit or apply a combination."""
    parser = command_line.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="cross | fit | apply")
    for command, text in (
        ("cross", "forecast each fold by the others"),
        ("fit", "fit on all folds"),
        ("apply", "apply to others"),
    ):
        command_parser = commands.add_parser(command, help=text)
        if command == "apply":
            command_parser.add_argument("combination", help="what fit wrote")
        else:
            command_parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(default: %(default)s)")
            add_number(
                command_parser, "--seed", int, least=0, most=2**32 - 1, default=0, help="of the boosting (default: %(default)s)"
            )
        command_parser.add_argument("forecasts", nargs="+", metavar="NAME=CSV[,CSV...]", help="forecasts, a file for each fold")
        purpose = "the class table and the flare history" + ("" if command == "apply" else ", and outcomes that files lack")
        forecast_files.add_flare_flags(command_parser, purpose)
        command_parser.add_argument("--out", required=True, type=pathlib.Path, help="a folder for cross, else a file")
    flags = parser.parse_args(arguments)
    window, least, until, age = forecast_files.flare_flags(flags)
    events = flare_catalogue.read(flags.flares).events if flags.flares else None
    labels = {"events": events, "window": window, "threshold": least, "until": until}
    applying = flags.command == "apply"
    forecasts = named(flags.forecasts, target=not applying, **labels)
    first, asked = forecasts[0], None
    if not applying and flags.kind == "mean":
        events = None  # it takes outcomes from the lists, and no history
    if events is not None:
        asked = asked_of(events, first.times, flags.flares, age=age, until=until, all_known=not applying)
    if applying:
        _apply(flags, forecasts, events, asked)
        return
    keywords = {"events": events, "asked": asked, "kind": flags.kind, "seed": flags.seed}
    if flags.command == "cross":
        probability, threshold = cross_fitted(forecasts, **keywords)
        for fold in numpy.unique(first.fold):
            mine = first.fold == fold
            _write(flags.out / f"fold{fold + 1}.csv", first.where(mine), probability[mine], threshold[mine])
        print(f"{flags.kind}: {len(first)} hours of {len(numpy.unique(first.fold))} folds, each forecast by the others")
    else:
        probabilities = numpy.stack([part.probability for part in forecasts], axis=1)
        fitted = fit([part.name for part in forecasts], probabilities, first.event, first.times, **keywords)
        save(flags.out, dataclasses.replace(fitted, simulated=first.simulated))
        print(f"{flags.kind} of {', '.join(fitted.names)} on {len(first)} hours")
    print(f"wrote {flags.out}")


def _apply(flags, forecasts, events, asked):
    fitted = load(flags.combination)
    by_name = {part.name: part for part in forecasts}
    if set(by_name) != set(fitted.names):
        raise UserError(f"{flags.combination}: combines {', '.join(fitted.names)}; received {', '.join(by_name)}")
    first = forecasts[0]
    used = calibration.inside(first.times, fitted.periods)
    if used.any():
        raise UserError(f"{flags.combination}: was fitted on {used.sum()} of these hours; give others, or use cross")
    if fitted.table is not None and events is None:
        raise UserError(f"{flags.combination}: uses the flare history; give --flares with lists up to these hours")
    if fitted.table is None:
        asked = first.times
    probabilities = numpy.stack([by_name[name].probability for name in fitted.names], axis=1)
    use = ~numpy.isnat(asked)
    kept, asked = first.where(use), asked[use]
    _write(flags.out, kept, fitted.forecast(probabilities[use], events, asked), simulated=fitted.simulated)
    print(f"{fitted.model.kind} applied to {len(kept)} hours; wrote {flags.out}")
    late = int((asked < kept.times).sum())
    if late:
        print(f"note: {late} of them are later than the flare lists, whose history is taken as of {asked.max()}Z")
    if not use.all():
        raise Stopped(
            f"{(~use).sum()} of {len(first)} forecasts left out, the first {first.times[~use][0]}Z: the flare lists begin less"
            f" than 72 h before, or end more than --history_age {flags.history_age:g} h before; give lists that cover them",
            4,
        )


if __name__ == "__main__":
    command_line.run(main)
