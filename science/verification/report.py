"""Verification of several forecasts on the same hours: scores, baselines, folds, and what may be claimed."""

import dataclasses

import numpy

from dataset_models.flare_labels import DAY, FlareIndex, covered
from network_models import forecast_files, reference_forecasts
from network_models.forecast_files import Forecasts
from science.verification.scores import DIFFERENCES, Scored, difference, score
from tools import skill_scores
from tools.block_bootstrap import BlockBootstrap
from tools.errors import UserError

CLIMATOLOGY, RECENT = "climatology", "climatology 120 days"
SHOWN = ("tss", "hss", "pod", "far", "frequency_bias", "brier_skill", "auc", "log_loss")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How forecasts are verified.

    Attributes
    ----------
    threshold : float or None
        Of a yes; None takes the column of this name where the files have it, else that of the highest TSS on training
        hours: other folds, or those before `score_from`.
    score_from : numpy.datetime64 or None
        Hours before are training time, only later ones are scored.
    window : numpy.timedelta64
    event : str
        GOES class of an event, for the baselines.
    block_days : float
    samples : int
        Of the bootstrap; 0 leaves intervals out.
    seed : int
    level : float
        Of the intervals.
    """

    threshold: float | None = 0.5
    score_from: numpy.datetime64 | None = None
    window: numpy.timedelta64 = DAY
    event: str = "M1.0"
    block_days: float = 7.0
    samples: int = 1000
    seed: int = 0
    level: float = 0.95


@dataclasses.dataclass(frozen=True)
class Report:
    """What verification found.

    Attributes
    ----------
    forecasts, baselines : dict of str to Forecasts
        On the hours that were scored.
    scored : dict of str to Scored
        Of both.
    thresholds : dict of str to numpy.ndarray
        Of each hour.
    folds : dict of int to dict of str to Scored
        Without intervals; empty for one fold.
    changes : dict of str to Scored
        On the hours where activity changes; empty without a flare list.
    notes : list of str
        What was left out, and why.
    """

    forecasts: dict[str, Forecasts]
    baselines: dict[str, Forecasts]
    scored: dict[str, Scored]
    thresholds: dict[str, numpy.ndarray]
    folds: dict[int, dict[str, Scored]]
    changes: dict[str, Scored]
    notes: list[str]

    def best_baseline(self, name):
        """The baseline with the highest value of a score, or None."""
        known = [one for one in self.baselines if numpy.isfinite(self.scored[one].value[name])]
        return max(known, key=lambda one: self.scored[one].value[name], default=None)

    def added_skill(self, level=0.95):
        """What each forecast adds to the best baseline, where the interval of the difference excludes zero.

        Returns
        -------
        list of tuple
            (forecast, score, baseline, difference, lower, upper)
        """
        found = []
        for name in self.forecasts:
            for kind in DIFFERENCES:
                best = self.best_baseline(kind)
                if best is None:
                    continue
                gain, low, high = difference(self.scored[name], self.scored[best], kind, level)
                if low > 0 or high < 0:
                    found.append((name, kind, best, gain, low, high))
        return found


def verify(forecasts, events=None, settings=None):
    """Verify forecasts.

    Parameters
    ----------
    forecasts : sequence of Forecasts
        With outcomes. Only the hours that all share are compared.
    events : pandas.DataFrame, optional
        Flares of `dataset_models.flare_catalogue`. With them baselines are built.
    settings : Settings, optional

    Returns
    -------
    Report

    Raises
    ------
    UserError
        No common hour, none to score, or outcomes that differ.
    """
    settings = settings or Settings()
    notes = []
    shared, left_out = forecast_files.common(forecasts)
    for one, count in zip(shared, left_out, strict=True):
        if count:
            notes.append(f"{one.name}: {count} hours left out that the others lack")
    times, event = shared[0].times, shared[0].event
    scored_hours = numpy.ones(len(times), bool) if settings.score_from is None else times >= settings.score_from
    if not scored_hours.any():
        raise UserError(f"--score_from {settings.score_from}: no forecast is that late; the last is of {times[-1]}")
    if settings.score_from is not None and scored_hours.all():
        raise UserError(f"--score_from {settings.score_from}: no forecast is earlier, so there is no training time")
    baselines = _baselines(events, shared[0], scored_hours, settings, notes)
    known = numpy.all([~numpy.isnan(one.probability) for one in baselines.values()], axis=0) if baselines else True
    use = scored_hours & known
    if not use.any():
        raise UserError("no hour to score has all baselines; give flare lists that cover the 120 days before the forecasts")
    if (scored_hours & ~use).any():
        notes.append(f"{(scored_hours & ~use).sum()} hours left out that a baseline lacks (the flare list begins too late)")
    everything = {one.name: one for one in shared} | baselines
    thresholds = {name: _thresholds(one, scored_hours, settings, notes) for name, one in everything.items()}
    kept = {name: one.where(use) for name, one in everything.items()}
    thresholds = {name: value[use] for name, value in thresholds.items()}
    event, times, fold = event[use], times[use], shared[0].fold[use]
    if event.all() or not event.any():
        notes.append(f"all {len(event)} outcomes are {'yes' if event.all() else 'no'}: TSS, HSS, AUC and skill are undefined")
    bootstrap = None
    if settings.samples:
        strata = fold if len(numpy.unique(fold)) > 1 else None
        bootstrap = BlockBootstrap(times, days=settings.block_days, samples=settings.samples, seed=settings.seed, strata=strata)
        if bootstrap.count < 10:
            notes.append(f"only {bootstrap.count} blocks of {settings.block_days:g} days: intervals are rough")
    references = {name.replace(" ", "_"): kept[name].probability for name in (CLIMATOLOGY, RECENT) if name in kept}

    def scores(chosen=None, bootstrap=None):
        part = slice(None) if chosen is None else chosen
        return {
            name: score(
                one.probability[part],
                event[part],
                threshold=thresholds[name][part],
                references={key: value[part] for key, value in references.items()},
                bootstrap=bootstrap,
            )
            for name, one in kept.items()
        }

    changes = {}
    if events is not None:
        past = reference_forecasts.persistence(events, times, window=settings.window, threshold=settings.event) > 0
        if (past != event).any():
            changes = scores(past != event)
    folds = {}
    if len(numpy.unique(fold)) > 1:
        folds = {int(number) + 1: scores(fold == number) for number in numpy.unique(fold)}
    names = {one.name for one in shared}
    return Report(
        {name: one for name, one in kept.items() if name in names},
        {name: one for name, one in kept.items() if name not in names},
        scores(bootstrap=bootstrap),
        thresholds,
        folds,
        changes,
        notes,
    )


def _baselines(events, like, scored_hours, settings, notes):
    """Baselines for all hours of `like`, each fold with what was fitted outside of it: dict of name to Forecasts."""
    if events is None:
        notes.append("no flare list (--flares), so no baselines")
        return {}
    keywords = {"window": settings.window, "threshold": settings.event}
    times = like.times
    fitted = {CLIMATOLOGY: numpy.empty(len(times)), "class table": numpy.empty(len(times))}
    index = FlareIndex(events)
    groups = [numpy.ones(len(times), bool)] if settings.score_from else [like.fold == one for one in numpy.unique(like.fold)]
    for group in groups:
        hours = reference_forecasts.training_hours(events, times[group], window=settings.window, before=settings.score_from)
        flared = index.label(hours, **keywords) if len(hours) else numpy.zeros(0, bool)
        if len(hours) < 24 * 30 or flared.all() or not flared.any():
            notes.append(
                f"climatology and class table left out: {len(hours)} training hours in the flare lists, {flared.sum()} flaring"
            )
            fitted = {}
            break
        fitted[CLIMATOLOGY][group] = reference_forecasts.climatology(flared)
        table = reference_forecasts.fit_class_table(events, hours, flared)
        fitted["class table"][group] = table.forecast(events, times[group])
    fitted |= {
        "persistence": reference_forecasts.persistence(events, times, **keywords),
        "flare rate": reference_forecasts.flare_rate(events, times, **keywords),
    }
    recent = reference_forecasts.recent_climatology(events, times, **keywords)
    if numpy.isnan(recent[scored_hours]).mean() <= 0.1:
        fitted[RECENT] = recent
    else:
        notes.append("climatology of the 120 days before left out: the flare lists begin too late for it")
    reach = numpy.timedelta64(25, "h")
    blind = scored_hours & ~covered(events, times - reach, reach)
    if blind.any():
        raise UserError(f"--flares: the lists do not cover the day before {times[blind][0]} ({blind.sum()} such hours)")
    return {name: Forecasts(name, times, probability, like.event, like.fold) for name, probability in fitted.items()}


def _thresholds(one, scored_hours, settings, notes):
    """The threshold of every hour of a forecast: float64 (n,)."""
    if settings.threshold is not None:
        return numpy.full(len(one), settings.threshold)
    if one.threshold is not None:
        return one.threshold
    result = numpy.full(len(one), 0.5)
    folds = numpy.unique(one.fold)
    usable = ~numpy.isnan(one.probability)
    if settings.score_from is not None:
        groups = [(numpy.ones(len(one), bool), ~scored_hours)]
    elif len(folds) > 1:
        groups = [(one.fold == number, one.fold != number) for number in folds]
    else:
        raise UserError("--threshold best: needs training hours; give several folds, or --score_from")
    for group, training in groups:
        training = training & usable
        best = skill_scores.best_threshold(one.probability[training], one.event[training])[0] if training.any() else numpy.nan
        if numpy.isnan(best):
            notes.append(f"{one.name}: the training hours have one outcome only; threshold 0.5 instead of the best")
        else:
            result[group] = best
    return result
