"""Baselines: values worked out by hand, and that none knows anything of the future."""

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from dataset_models import flare_catalogue
from dataset_models.flare_labels import FlareIndex
from network_models.forecasts import files as forecast_files
from network_models.forecasts import references as reference_forecasts
from tools import skill_scores

HOUR, MINUTE = numpy.timedelta64(1, "h"), numpy.timedelta64(1, "m")
T = numpy.datetime64("2014-06-10T12:00:00")


def flares(*rows):
    """Events of (hours from T to the start, peak flux); a flare peaks after 10 minutes and ends after 20."""
    start = numpy.array([T + round(hours * 60) * MINUTE for hours, _ in rows], "datetime64[s]")
    flux = [flux for _, flux in rows]
    return pandas.DataFrame({"start": start, "peak": start + 10 * MINUTE, "end": start + 20 * MINUTE, "flux": flux})


def test_persistence_counts_flares_that_were_settled_in_the_day_before():
    for hours, expected in ((-1, 1), (-24.2, 1), (-24.5, 0), (-0.3, 0), (0.5, 0)):
        assert reference_forecasts.persistence(flares((hours, 2e-5)), [T])[0] == expected
    assert reference_forecasts.persistence(flares((-1, 9e-6)), [T])[0] == 0


def test_the_flare_rate_of_five_flares_in_ten_days():
    events = flares(*((-24 * day, 1e-5) for day in (1, 2, 3, 7, 9)), (-30 * 24, 1e-5), (-2, 1e-6))
    found = reference_forecasts.flare_rate(events, [T], days=10)[0]
    assert found == pytest.approx(1 - numpy.exp(-5.5 / 10.5))


def test_recent_climatology_is_the_share_of_hours_whose_windows_held_a_flare():
    # One flare puts the 24 hours before its start (23 to 24 on the hour) into flaring windows, of 10 days' 240.
    events = flares((-24 * 40, 1e-6), (-24 * 5, 3e-5), (24, 1e-6))
    assert reference_forecasts.recent_climatology(events, [T], days=10)[0] == pytest.approx(23 / 240)


def test_recent_climatology_does_not_use_a_flare_that_has_just_begun():
    ends = (-24 * 40, 1e-6), (24, 1e-6)
    one, other = flares(*ends), flares(*ends, (-0.5, 3e-5))
    assert reference_forecasts.recent_climatology(other, [T], days=10) == reference_forecasts.recent_climatology(
        one, [T], days=10
    )


def test_recent_climatology_is_undefined_where_the_list_begins_too_late():
    events = flares((-24 * 5, 3e-5), (24, 1e-6))
    assert numpy.isnan(reference_forecasts.recent_climatology(events, [T], days=10)[0])


def test_recent_classes_at_their_bounds():
    for flux, number in ((5e-7, 0), (1e-6, 1), (2e-6, 2), (9.9e-6, 3), (1e-5, 4), (4.9e-5, 5), (5e-5, 6), (1e-4, 7)):
        assert reference_forecasts.recent_class(flares((-5, flux)), [T])[0] == number
    # (t - 25 h, t - 1 h]: a flare in the last hour is not used, one that began 25 hours ago no longer.
    for hours, number in ((-0.9, 0), (-1, 4), (-24.9, 4), (-25, 0)):
        assert reference_forecasts.recent_class(flares((hours, 1e-5)), [T])[0] == number


def test_a_long_flare_is_not_used_before_its_class_was_settled():
    events = flares((-2, 3e-5)).assign(end=[T + HOUR], peak=[T - HOUR])
    hours = T + numpy.arange(4) * HOUR
    numpy.testing.assert_array_equal(reference_forecasts.recent_class(events, hours), [0, 0, 5, 5])


rows = some.lists(some.tuples(some.integers(-72 * 4, 72 * 4), some.sampled_from([2e-7, 3e-6, 1e-5, 6e-5, 2e-4])), max_size=12)


@settings(max_examples=80, deadline=None)
@given(rows, rows)
def test_nothing_that_happens_after_the_forecast_changes_a_baseline(past, future):
    settled = [(quarters / 4, flux) for quarters, flux in past if quarters < -1]
    later = [(abs(quarters) / 4, flux) for quarters, flux in future]
    ends = ((-3000, 2e-7), (3000, 2e-7))  # both lists cover the same time
    one, other = flares(*ends, *settled), flares(*ends, *settled, *later)
    for function in (reference_forecasts.persistence, reference_forecasts.flare_rate, reference_forecasts.recent_class):
        assert function(one, [T]) == function(other, [T])
    recent = reference_forecasts.recent_climatology
    assert recent(one, [T], days=30) == recent(other, [T], days=30)


def test_the_class_table_never_decreases_and_keeps_off_certainty():
    random = numpy.random.default_rng(2)
    hours = T + numpy.arange(24 * 300) * HOUR
    events = flares(*zip(random.uniform(0, 7200, 400), 10 ** random.uniform(-6.5, -3.8, 400), strict=True))
    event = FlareIndex(events).label(hours)
    table = reference_forecasts.fit_class_table(events, hours, event)
    assert (numpy.diff(table.probability) >= 0).all()
    assert ((table.probability > 0) & (table.probability < 1)).all()
    assert table.hours.sum() == len(hours)
    numpy.testing.assert_array_equal(table.forecast(events, hours[:50]), table.probability[table_classes(events, hours[:50])])


def table_classes(events, hours):
    """The class of the strongest flare of (t - 25 h, t - 1 h], one hour at a time."""
    found = []
    for hour in hours:
        known = events[(events["start"] > hour - 25 * HOUR) & (events["start"] <= hour - HOUR)]
        found.append(int((known["flux"].max() >= numpy.array(reference_forecasts.CLASS_BOUNDS)).sum()) if len(known) else 0)
    return found


def test_training_hours_keep_away_from_what_is_scored_and_from_what_comes_later():
    events = flares((0, 2e-6), (24 * 200, 2e-6))
    scored = T + (24 * 100 + numpy.arange(48)) * HOUR
    hours = reference_forecasts.training_hours(events, scored)
    assert numpy.abs(hours[:, None] - scored).min() >= 49 * HOUR
    assert hours.min() < scored.min() < scored.max() < hours.max()
    before = reference_forecasts.training_hours(events, scored, before=scored[0])
    assert (before + 24 * HOUR).max() == scored[0]


def test_the_table_of_other_folds_is_as_good_as_others_found(shared):
    names = ("hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv")
    events = flare_catalogue.read([shared / name for name in names]).events
    folds = [forecast_files.read(shared / "published_predictions" / f"fold{number}_alex.csv") for number in (1, 2)]
    probability = []
    for fold in folds:
        hours = reference_forecasts.training_hours(events, fold.times)
        table = reference_forecasts.fit_class_table(events, hours, FlareIndex(events).label(hours))
        probability.append(table.forecast(events, fold.times))
    probability, event = numpy.concatenate(probability), numpy.concatenate([fold.event for fold in folds])
    # On all four folds +0.22 and 0.852 were found; these are two of them.
    assert skill_scores.brier_skill_score(probability, event) == pytest.approx(0.22, abs=0.03)
    assert skill_scores.roc_area(probability, event) == pytest.approx(0.852, abs=0.015)
