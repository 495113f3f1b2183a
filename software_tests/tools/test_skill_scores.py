"""Verification scores against scikit-learn, against values worked out by hand, and against what must always hold."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tools import skill_scores

# Finley's tornado forecasts of 1884, the best-known contingency table (Wilks 2011, table 8.1) and its scores there.
FINLEY = skill_scores.ContingencyTable(28, 72, 23, 2680)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tss", 0.523),
        ("hss", 0.355),
        ("gss", 0.216),
        ("pod", 0.549),
        ("pofd", 0.0262),
        ("far", 0.720),
        ("csi", 0.228),
        ("frequency_bias", 1.96),
        ("accuracy", 0.966),
    ],
)
def test_finleys_tornadoes_score_as_in_the_textbook(name, value):
    assert skill_scores.TABLE_SCORES[name](FINLEY) == pytest.approx(value, rel=3e-3)


def test_always_saying_no_beats_finley_by_the_appleman_score():
    # (28 + 23 events - 72 false alarms - 23 misses) / 51
    assert skill_scores.appleman_skill_score(FINLEY) == pytest.approx(-44 / 51)


@pytest.fixture
def forecasts():
    random = numpy.random.default_rng(3)
    probability = numpy.round(random.random(800), 2)  # with ties
    return probability, random.random(800) < probability**2


def test_scores_equal_those_of_scikit_learn(forecasts):
    from sklearn import metrics

    probability, event = forecasts
    yes = probability >= 0.4
    table = skill_scores.contingency_table(probability, event, 0.4)
    pairs = [
        (skill_scores.true_skill_statistic(table), metrics.balanced_accuracy_score(event, yes, adjusted=True)),
        (skill_scores.heidke_skill_score(table), metrics.cohen_kappa_score(event, yes)),
        (skill_scores.probability_of_detection(table), metrics.recall_score(event, yes)),
        (1 - skill_scores.false_alarm_ratio(table), metrics.precision_score(event, yes)),
        (skill_scores.critical_success_index(table), metrics.jaccard_score(event, yes)),
        (skill_scores.accuracy(table), metrics.accuracy_score(event, yes)),
        (skill_scores.brier_score(probability, event), metrics.brier_score_loss(event, probability)),
        (skill_scores.roc_area(probability, event), metrics.roc_auc_score(event, probability)),
        (skill_scores.average_precision(probability, event), metrics.average_precision_score(event, probability)),
        (
            skill_scores.log_loss(probability, event),
            metrics.log_loss(event, numpy.clip(probability, 1e-7, 1 - 1e-7)),
        ),
    ]
    ours, theirs = zip(*pairs, strict=True)
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-12)
    false, detected, _ = skill_scores.roc_curve(probability, event)
    their_false, their_detected, _ = metrics.roc_curve(event, probability, drop_intermediate=False)
    numpy.testing.assert_allclose([false, detected], [their_false, their_detected], rtol=1e-12)


def test_many_thresholds_at_once_are_the_single_ones(forecasts):
    probability, event = forecasts
    thresholds = numpy.linspace(0, 1, 23)
    many = skill_scores.true_skill_statistic(skill_scores.contingency_table(probability, event, thresholds))
    single = [skill_scores.true_skill_statistic(skill_scores.contingency_table(probability, event, one)) for one in thresholds]
    numpy.testing.assert_array_equal(many, single)


def test_the_parts_of_the_brier_score_add_up():
    # Two bins of one probability each: nothing is lost within bins.
    probability = numpy.repeat([0.25, 0.75], [8, 4])
    event = numpy.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0], bool)
    parts = skill_scores.brier_parts([8, 4], [2.0, 3.0], [4, 3])
    rate = 7 / 12
    expected = (8 * 0.25**2 / 12, (8 * (0.5 - rate) ** 2 + 4 * (0.75 - rate) ** 2) / 12, rate * (1 - rate))
    assert parts == pytest.approx(expected)
    assert parts[0] - parts[1] + parts[2] == pytest.approx(skill_scores.brier_score(probability, event))


def test_gerritys_score_of_two_and_three_classes_by_hand():
    two = numpy.array([[90, 10], [20, 30]])
    table = skill_scores.ContingencyTable(30, 20, 10, 90)
    assert skill_scores.gandin_murphy_gerrity_score(two) == pytest.approx(skill_scores.true_skill_statistic(table))
    assert skill_scores.gandin_murphy_gerrity_score(numpy.diag([50, 30, 5])) == pytest.approx(1)
    chance = numpy.outer([0.5, 0.3, 0.2], [0.6, 0.3, 0.1])
    assert skill_scores.gandin_murphy_gerrity_score(chance) == pytest.approx(0, abs=1e-12)
    # Equally frequent classes: odds 2 and 1/2, rewards 1.25, 0.125 and -1 (extremes), 0.5 (middle), -0.25.
    counts = numpy.array([[2, 1, 0], [1, 1, 1], [0, 1, 2]])
    rewards = numpy.array([[1.25, -0.25, -1], [-0.25, 0.5, -0.25], [-1, -0.25, 1.25]])
    assert skill_scores.gandin_murphy_gerrity_score(counts) == pytest.approx((counts * rewards).sum() / 9)


@pytest.mark.parametrize("event", [numpy.zeros(20, bool), numpy.ones(20, bool)])
def test_scores_that_need_both_outcomes_are_undefined_without_them(event):
    probability = numpy.linspace(0, 1, 20)
    table = skill_scores.contingency_table(probability, event)
    assert numpy.isnan(skill_scores.true_skill_statistic(table))
    assert numpy.isnan(skill_scores.appleman_skill_score(table))
    assert numpy.isnan(skill_scores.roc_area(probability, event))
    assert numpy.isnan(skill_scores.brier_skill_score(probability, event))
    assert numpy.isnan(skill_scores.best_threshold(probability, event)).all()


def test_forecasts_that_never_say_yes_have_no_false_alarm_ratio_but_a_pod_of_zero():
    table = skill_scores.contingency_table(numpy.zeros(4), [0, 1, 0, 1])
    assert numpy.isnan(skill_scores.false_alarm_ratio(table))
    assert skill_scores.probability_of_detection(table) == 0


pairs = some.lists(some.tuples(some.integers(0, 20), some.booleans()), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_the_best_threshold_is_as_good_as_any(drawn):
    probability, event = numpy.array([one[0] for one in drawn]) / 20, numpy.array([one[1] for one in drawn])
    threshold, best = skill_scores.best_threshold(probability, event)
    if event.all() or not event.any():
        assert numpy.isnan(best)
        return
    everywhere = skill_scores.true_skill_statistic(
        skill_scores.contingency_table(probability, event, numpy.linspace(0, 1, 101))
    )
    assert best >= numpy.nanmax(everywhere) - 1e-12
    reached = skill_scores.true_skill_statistic(skill_scores.contingency_table(probability, event, threshold))
    assert reached == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_turning_yes_and_no_round_keeps_tss_hss_and_accuracy(drawn):
    probability, event = numpy.array([one[0] for one in drawn]) / 20, numpy.array([one[1] for one in drawn])
    table = skill_scores.contingency_table(probability, event, 0.525)
    turned = skill_scores.contingency_table(1 - probability, ~event, 0.475)
    assert turned == (table.correct_nulls, table.misses, table.false_alarms, table.hits)
    for score in (skill_scores.true_skill_statistic, skill_scores.heidke_skill_score, skill_scores.accuracy):
        assert score(turned) == pytest.approx(score(table), nan_ok=True)
