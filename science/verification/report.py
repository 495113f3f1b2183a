"""Verification of several forecasts on the same hours: scores, baselines, folds, and what may be claimed."""

import dataclasses

import numpy

from dataset_models import leak_check
from dataset_models.flare_labels import covered
from dataset_models.flares import flare_history
from dataset_models.flares.flare_index import DAY, FlareIndex
from network_models.forecasts import files as forecast_files
from network_models.forecasts import references as reference_forecasts
from network_models.forecasts.files import Forecasts
from science.verification import activity
from science.verification.scores import DIFFERENCES, Scored, difference, score
from science.verification.scores import words as cell_words
from tools import figures, skill_scores
from tools.block_bootstrap import BlockBootstrap
from tools.errors import UserError
from tools.views import Table, View

CLIMATOLOGY, TABLE, RECENT = "climatology", "class table", "climatology 120 days"
BASELINES = (CLIMATOLOGY, TABLE, RECENT, "persistence", "flare rate")
PAST = {  # those that are made of the flares before
    "persistence": reference_forecasts.persistence,
    "flare rate": reference_forecasts.flare_rate,
    RECENT: reference_forecasts.recent_climatology,
}
BEFORE = numpy.timedelta64(25, "h")  # that the flare lists must reach back, for the class table
LEAST_TRAINING = 24 * 30  # hours to fit climatology and class table on
LEAST_BLOCKS = 6  # of fewer, samples are too alike for an interval
COLUMNS = {"tss": "TSS", "hss": "HSS", "brier_skill": "Brier skill", "auc": "ROC area", "frequency_bias": "bias"}
HEADINGS = ("name", "kind", *COLUMNS.values())
SHOWN = ("tss", "hss", "pod", "far", "frequency_bias", "brier_skill", "auc", "log_loss")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a verification.

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
    history_age : float
        Most hours from the end of the flare lists to a forecast that baselines are given for.
    flares_until : numpy.datetime64 or None
        Until when the lists are complete, where that is later than their last flare.
    """

    threshold: float | None = 0.5
    score_from: numpy.datetime64 | None = None
    window: numpy.timedelta64 = DAY
    event: str = "M1.0"
    block_days: float = 7.0
    samples: int = 1000
    seed: int = 0
    level: float = 0.95
    history_age: float = flare_history.AGE
    flares_until: numpy.datetime64 | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Report(View):
    """Results of a verification, which show themselves as a table of scores.

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
    subsets : dict of str to dict of str to Scored
        On the hours of `activity.subsets`; empty without a flare list.
    notes : list of str
        What was left out, and why.
    settings : Settings
    """

    forecasts: dict[str, Forecasts]
    baselines: dict[str, Forecasts]
    scored: dict[str, Scored]
    thresholds: dict[str, numpy.ndarray]
    folds: dict[int, dict[str, Scored]]
    subsets: dict[str, dict[str, Scored]]
    notes: list[str]
    settings: Settings = dataclasses.field(default_factory=Settings)

    def view(self):
        """List what the verification shows of itself: see `tools.views.View.view`."""
        level, first = self.settings.level, next(iter(self.forecasts.values()))
        heading = f"{len(first)} forecasts, {int(first.event.sum())} with an event"
        words = f"{first.times[0]}Z to {first.times[-1]}Z"
        if any(scored.samples for scored in self.scored.values()):
            words += f"; {100 * level:g} % intervals, blocks of {self.settings.block_days:g} days"
        table = Table("Scores", HEADINGS, self.rows())
        gains = [
            f"{name} {'adds' if gain > 0 else 'lacks'} {abs(gain):.3f} {COLUMNS[score]} against {best}, the best baseline"
            f" [{low:+.3f}, {high:+.3f}]"
            for name, score, best, gain, low, high in self.added_skill(level)
        ]
        if self.baselines and not gains:
            gains = ["no difference to the best baseline that excludes zero"]
        return [figures.title(heading, simulated=self.simulated), words, table, *gains, *(f"note: {one}" for one in self.notes)]

    def rows(self):
        """Write the scores of each forecast and baseline, with intervals, under `HEADINGS`: tuple of tuple of str."""
        rows = []
        for name, scored in self.scored.items():
            kind = "baseline" if name in self.baselines else "forecast"
            cells = [cell_words(scored.value[score], *scored.interval(score, self.settings.level)) for score in COLUMNS]
            rows.append((name, kind, *cells))
        return tuple(rows)

    @property
    def simulated(self):
        """Whether the forecasts are of simulated data: bool."""
        return any(forecast.simulated for forecast in self.forecasts.values())

    def best_baseline(self, name):
        """Find the baseline with the highest value of a score: str, or None."""
        defined = [baseline for baseline in self.baselines if numpy.isfinite(self.scored[baseline].value[name])]
        return max(defined, key=lambda baseline: self.scored[baseline].value[name], default=None)

    def added_skill(self, level=0.95):
        """List what each forecast adds to the best baseline, where the interval of the difference excludes zero.

        Returns
        -------
        list of tuple
            (forecast, score, baseline, difference, lower, upper)
        """
        gains = []
        for name in self.forecasts:
            for kind in DIFFERENCES:
                best = self.best_baseline(kind)
                if best is None:
                    continue
                gain, low, high = difference(self.scored[name], self.scored[best], kind, level)
                if low > 0 or high < 0:
                    gains.append((name, kind, best, gain, low, high))
        return gains

    def differences(self, level=0.95):
        """List how much higher each forecast scores than every other forecast and baseline on the same hours.

        Returns
        -------
        list of tuple
            (forecast, other, score, difference, lower, upper)
        """
        names, rows = [*self.forecasts, *self.baselines], []
        for place, name in enumerate(self.forecasts):
            for other in names[place + 1 :]:
                for kind in DIFFERENCES:
                    rows.append((name, other, kind, *difference(self.scored[name], self.scored[other], kind, level)))
        return rows


def verify(forecasts, events=None, settings=None, *, training=None, subsets=True, references=()):
    """Verify forecasts.

    Parameters
    ----------
    forecasts : sequence of Forecasts
        Only the hours that all share are compared. Those without outcomes take the outcomes of those that have them, so that
        all are scored on the same; where none has them, they come from the flares.
    events : pandas.DataFrame, optional
        Flares of `dataset_models.flare_catalogue`. With them baselines are built.
    settings : Settings, optional
    training : pandas.DataFrame, optional
        Flares of another time, on which climatology and class table are fitted instead.
    subsets : bool
        Whether the hours of `activity.subsets` are scored by themselves too.
    references : sequence of Forecasts
        Baselines that are known already, for every hour of the forecasts; those of the flares come beside them.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        No common hour, none to score, outcomes that differ or are unknown.
    """
    settings = settings or Settings()
    notes = []
    shared = _shared(forecasts, events, settings, notes)
    scored_hours = _scored_hours(shared[0].times, settings)
    baselines = _baselines(events, shared[0], scored_hours, settings, notes, training, silent=bool(references))
    baselines |= {reference.name: _reference(reference, shared[0]) for reference in references}
    used = _used_hours(events, shared[0].times, scored_hours, baselines, settings, notes)
    thresholds = {forecast.name: _thresholds(forecast, scored_hours, settings, notes)[used] for forecast in shared}
    thresholds |= {name: baseline.threshold[used] for name, baseline in baselines.items()}
    forecasts = {forecast.name: forecast.where(used) for forecast in shared}
    baselines = {name: baseline.where(used) for name, baseline in baselines.items()}
    first = forecasts[shared[0].name]
    event, fold = first.event, first.fold
    if event.all() or not event.any():
        notes.append(f"all {len(event)} outcomes are {'yes' if event.all() else 'no'}: TSS, HSS, AUC and skill are undefined")

    def scores(hours=slice(None), bootstrap=None):
        return _scores(forecasts | baselines, thresholds, event, hours, bootstrap)

    parts = {}
    if events is not None and subsets:
        keywords = {"window": settings.window, "threshold": settings.event, "until": settings.flares_until}
        for name, hours in activity.subsets(events, first.times, event, **keywords).items():
            if event[hours].any() and not event[hours].all():
                parts[name] = scores(hours, bootstrap_of(first.times[hours], fold[hours], settings))
            else:
                notes.append(f"{name}: {hours.sum()} forecasts with one outcome only, left out")
    folds = {}
    if len(numpy.unique(fold)) > 1:
        folds = {int(number) + 1: scores(fold == number) for number in numpy.unique(fold)}
    bootstrap = bootstrap_of(first.times, fold, settings)
    if bootstrap is None and settings.samples:
        notes.append(f"fewer than {LEAST_BLOCKS} blocks of {settings.block_days:g} days: no intervals, and no skill is claimed")
    elif bootstrap is not None and bootstrap.count < 2 * LEAST_BLOCKS:
        notes.append(f"only {bootstrap.count} blocks of {settings.block_days:g} days: intervals are too narrow")
    return Report(forecasts, baselines, scores(bootstrap=bootstrap), thresholds, folds, parts, notes, settings)


def _shared(forecasts, events, settings, notes):
    """Give forecasts their outcomes and keep the hours that all share: list of Forecasts."""
    published = next((forecast for forecast in forecasts if forecast.event is not None), None)
    pairs = [_labelled(forecast, events, settings, published) for forecast in forecasts]
    notes += [note for _, note in pairs if note]
    shared, left_out = forecast_files.common([forecast for forecast, _ in pairs])
    for forecast, count in zip(shared, left_out, strict=True):
        if count:
            notes.append(f"{forecast.name}: {count} forecasts left out for times that the others lack")
    if shared[0].simulated:
        notes.append("the forecasts are of simulated data, not of observations")
    return shared


def _scored_hours(times, settings):
    """Select the hours that are scored, not training time: bool (n,)."""
    if settings.score_from is None:
        return numpy.ones(len(times), bool)
    scored_hours = times >= settings.score_from
    if not scored_hours.any():
        raise UserError(f"--score_from {settings.score_from}: no forecast is that late; the last is of {times[-1]}")
    if scored_hours.all():
        raise UserError(f"--score_from {settings.score_from}: no forecast is earlier, so there is no training time")
    return scored_hours


def _used_hours(events, times, scored_hours, baselines, settings, notes):
    """Select the hours to score for which all baselines exist: bool (n,)."""
    used = scored_hours.copy()
    for baseline in baselines.values():
        used &= ~numpy.isnan(baseline.probability)
    if not used.any():
        flare_history.FlareHistory(events, until=settings.flares_until).require(
            times[scored_hours], age=settings.history_age, back=BEFORE, origin="--flares", subject="to score"
        )
        raise UserError("--flares: the lists do not reach back far enough for any of the hours to score; give lists that do")
    if (scored_hours & ~used).any():
        notes.append(
            f"{(scored_hours & ~used).sum()} forecasts left out for which the flare lists do not reach back far enough, or end"
            f" more than {settings.history_age:g} h before (--history_age)"
        )
    return used


def _scores(forecasts, thresholds, event, hours, bootstrap):
    """Score every forecast at some hours, each with all others as references: dict of str to Scored."""
    probabilities = {name: forecast.probability[hours] for name, forecast in forecasts.items()}
    return {
        name: score(
            probability,
            event[hours],
            threshold=thresholds[name][hours],
            references={key.replace(" ", "_"): other for key, other in probabilities.items() if key != name},
            bootstrap=bootstrap,
        )
        for name, probability in probabilities.items()
    }


def bootstrap_of(times, fold, settings):
    """Draw the bootstrap of some hours, blocks within folds; None when none is asked for or there are too few blocks."""
    if not settings.samples:
        return None
    strata = fold if len(numpy.unique(fold)) > 1 else None
    bootstrap = BlockBootstrap(times, days=settings.block_days, samples=settings.samples, seed=settings.seed, strata=strata)
    return bootstrap if bootstrap.count >= LEAST_BLOCKS else None


def _labelled(forecast, events, settings, published):
    """Give a forecast outcomes, and a note: its files' own, else published ones of another, else those that flares give it."""
    keywords = {"window": settings.window, "threshold": settings.event, "until": settings.flares_until}
    if forecast.event is not None or published is None:
        return forecast_files.labelled(forecast, events, **keywords)
    forecast = forecast_files.with_outcomes_of(forecast, published)
    note = f"{forecast.name}: has no outcomes of its own, takes those in the files of {published.name}"
    if events is None or not len(forecast):
        return forecast, note
    inside = covered(events, forecast.times, settings.window, until=settings.flares_until)
    labels = FlareIndex(events).label(forecast.times, window=settings.window, threshold=settings.event)
    different = inside & (labels != forecast.event)
    if different.any():
        note += (
            f"; the lists of --flares would give {different.sum()} of {inside.sum()} otherwise, the first at"
            f" {forecast.times[different][0]}: those files were labelled from another list"
        )
    return forecast, note


def _baselines(events, like, scored_hours, settings, notes, training=None, *, silent=False):
    """Fit baselines for all hours of `like`, each fold with what was fitted outside of it: dict of name to Forecasts.

    Each has the threshold of its highest TSS on its training hours, whatever the threshold of the forecasts is: a baseline
    with a bad threshold is too easy to beat. NaN where the flares do not reach back far enough.
    """
    if events is None:
        if not silent:
            notes.append("no flare list (--flares), so no baselines")
        return {}
    keywords = {"window": settings.window, "threshold": settings.event}
    times = like.times
    history = flare_history.FlareHistory(events, until=settings.flares_until)
    asked = history.asked(times, age=settings.history_age, back=BEFORE)
    blind = numpy.isnat(asked)
    asked = numpy.where(blind, times, asked)
    probability = _past_baselines(events, asked, history.last, settings)
    if numpy.isnan(probability[RECENT][scored_hours]).mean() > 0.1:
        del probability[RECENT]
        notes.append("climatology of the 120 days before left out: the flare lists begin too late for it")
    threshold = {name: numpy.full(len(times), 0.5) for name in probability}
    fitted = {name: numpy.empty(len(times)) for name in (CLIMATOLOGY, TABLE)}
    threshold |= {name: numpy.full(len(times), 0.5) for name in fitted}
    fitted_on = events if training is None else training
    index = FlareIndex(fitted_on)
    groups = (
        [numpy.ones(len(times), bool)] if settings.score_from else [like.fold == number for number in numpy.unique(like.fold)]
    )
    for group in groups:
        hours = reference_forecasts.training_hours(
            fitted_on,
            times[group],
            window=settings.window,
            before=settings.score_from,
            until=settings.flares_until if training is None else None,
        )
        flared = index.label(hours, **keywords) if len(hours) else numpy.zeros(0, bool)
        if len(hours) < LEAST_TRAINING or flared.all() or not flared.any():
            notes.append(
                f"climatology and class table left out: {len(hours)} training hours in the flare lists, {flared.sum()} flaring"
            )
            fitted = {}
            break
        fitted[CLIMATOLOGY][group] = reference_forecasts.climatology(flared)
        table = reference_forecasts.fit_class_table(fitted_on, hours, flared)
        fitted[TABLE][group] = table.forecast(events, asked[group])
        threshold[TABLE][group] = skill_scores.best_threshold(table.forecast(fitted_on, hours), flared)[0]
        for name in ("flare rate", RECENT):
            past = PAST[name](fitted_on, hours, **keywords)
            defined = ~numpy.isnan(past)
            if name in probability and flared[defined].any() and not flared[defined].all():
                threshold[name][group] = skill_scores.best_threshold(past[defined], flared[defined])[0]
    return {
        name: Forecasts(
            name, times, numpy.where(blind, numpy.nan, values), like.event, like.fold, threshold[name], simulated=like.simulated
        )
        for name, values in (fitted | probability).items()
    }


def _reference(reference, like):
    """Take the hours of a forecast from a baseline that is known already: Forecasts with a threshold."""
    times, place = reference.times, numpy.searchsorted(reference.times, like.times)
    if not numpy.isin(like.times, times).all() or not numpy.isfinite(reference.probability[place]).all():
        raise UserError(f"{reference.name}: lacks hours of {like.name}; give a reference for all of them")
    threshold = numpy.full(len(times), 0.5) if reference.threshold is None else reference.threshold
    whole = dataclasses.replace(reference, event=None, threshold=threshold).where(place)
    return dataclasses.replace(whole, event=like.event, fold=like.fold)


def _past_baselines(events, times, last, settings):
    """Compute the baselines that need the flares before each time alone: dict of name to probability, float64 (n,)."""
    keywords = {"window": settings.window, "threshold": settings.event}
    probability = {name: PAST[name](events, times, **keywords) for name in ("persistence", "flare rate")}
    # Its windows have to be over, so it cannot be asked for what was settled just after the list's last flare began.
    probability[RECENT] = PAST[RECENT](events, numpy.minimum(times, last), until=settings.flares_until, **keywords)
    return probability


def _thresholds(forecast, scored_hours, settings, notes):
    """Choose the threshold of every hour of a forecast: float64 (n,)."""
    if settings.threshold is not None:
        return numpy.full(len(forecast), settings.threshold)
    if forecast.threshold is not None:
        return forecast.threshold
    result = numpy.full(len(forecast), 0.5)
    folds = numpy.unique(forecast.fold)
    if settings.score_from is not None:
        # No window of a training hour reaches into what is scored.
        groups = [(numpy.ones(len(forecast), bool), forecast.times + settings.window <= settings.score_from)]
    elif len(folds) > 1:
        groups = [(forecast.fold == number, _apart(forecast, forecast.fold == number, settings.window)) for number in folds]
    else:
        raise UserError("--threshold best: needs training hours; give several folds, or --score_from")
    for group, training in groups:
        best = (
            skill_scores.best_threshold(forecast.probability[training], forecast.event[training])[0]
            if training.any()
            else numpy.nan
        )
        if numpy.isnan(best):
            notes.append(f"{forecast.name}: the training hours have one outcome only; threshold 0.5 instead of the best")
        else:
            result[group] = best
    return result


def _apart(forecast, group, window):
    """Find hours whose windows do not overlap one of a group: bool (n,)."""
    seconds = forecast.times.astype("int64")
    return leak_check.distance(seconds, seconds[group]) >= window / numpy.timedelta64(1, "s")
