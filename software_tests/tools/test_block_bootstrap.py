"""The block bootstrap against drawing rows one by one, and whether its intervals cover what they promise."""

import numpy
import pytest

from tools import skill_scores
from tools.block_bootstrap import BlockBootstrap, interval

DAY = numpy.timedelta64(24, "h")


@pytest.fixture
def sample():
    random = numpy.random.default_rng(5)
    hours = numpy.sort(random.choice(60 * 24, 900, replace=False))  # with gaps
    times = numpy.datetime64("2014-01-01", "s") + hours * numpy.timedelta64(1, "h")
    probability = numpy.round(random.random(900), 2)
    return times, probability, random.random(900) < probability


def rows_of(bootstrap, number):
    """The hours of one bootstrap sample, written out."""
    return numpy.repeat(numpy.arange(len(bootstrap.block)), bootstrap.weights[number][bootstrap.block])


def test_weighted_scores_are_those_of_the_drawn_rows(sample):
    times, probability, event = sample
    bootstrap = BlockBootstrap(times, days=3, samples=12, seed=1)
    sums = bootstrap.sums((probability - event) ** 2)
    areas, precisions = bootstrap.roc_areas(probability, event), bootstrap.average_precisions(probability, event)
    for number in range(len(bootstrap)):
        rows = rows_of(bootstrap, number)
        assert sums[number] / len(rows) == pytest.approx(skill_scores.brier_score(probability[rows], event[rows]))
        assert areas[number] == pytest.approx(skill_scores.roc_area(probability[rows], event[rows]))
        assert precisions[number] == pytest.approx(skill_scores.average_precision(probability[rows], event[rows]))


def test_the_whole_is_the_sample_itself(sample):
    times, probability, event = sample
    whole = BlockBootstrap(times, samples=5).whole()
    assert whole.sums(event) == event.sum()
    assert whole.roc_areas(probability, event) == pytest.approx(skill_scores.roc_area(probability, event))


def test_blocks_are_whole_days_and_every_sample_has_as_many_of_each_stratum(sample):
    times = sample[0]
    days = (times - times[0].astype("datetime64[D]")) // DAY
    fold = (days >= 30).astype(int)
    bootstrap = BlockBootstrap(times, days=5, samples=50, strata=fold)
    assert [len(numpy.unique(bootstrap.block[days == day])) for day in numpy.unique(days)] == [1] * len(numpy.unique(days))
    assert bootstrap.count == 12
    first = numpy.isin(numpy.arange(12), bootstrap.block[fold == 0])
    assert set(bootstrap.weights[:, first].sum(axis=1)) == {6}


def test_one_seed_gives_the_same_samples(sample):
    one, same, other = (BlockBootstrap(sample[0], samples=20, seed=seed).weights for seed in (7, 7, 8))
    numpy.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_score_that_is_undefined_in_many_samples_has_no_interval():
    times = numpy.datetime64("2014-01-01", "s") + numpy.arange(10) * 7 * DAY
    event = numpy.arange(10) == 4  # one block in ten: absent from a third of the samples
    areas = BlockBootstrap(times, samples=300).roc_areas(numpy.linspace(0, 1, 10), event)
    assert 0.2 < numpy.isnan(areas).mean() < 0.5
    assert numpy.isnan(interval(areas)).all()
    numpy.testing.assert_allclose(interval(numpy.append(numpy.linspace(0, 1, 101), numpy.nan)), (0.025, 0.975))


def simulated(random, days):
    """Hourly forecasts and outcomes that stay alike for days: an activity with a memory of 1.5 days, chance by the day."""
    from scipy.signal import lfilter

    memory = numpy.exp(-1 / 36)
    activity = lfilter([numpy.sqrt(1 - memory**2)], [1, -memory], random.normal(size=days * 24))
    chance = numpy.repeat(random.normal(size=days), 24)
    return 1 / (1 + numpy.exp(1.5 - 1.5 * activity)), activity + chance > 1.2


@pytest.mark.long
def test_intervals_cover_the_truth_as_often_as_they_say_and_those_of_single_hours_do_not():
    random = numpy.random.default_rng(0)
    long = simulated(random, 40000)
    truth = {"brier": skill_scores.brier_score(*long), "auc": skill_scores.roc_area(*long)}
    days, repeats = 364, 150
    times = numpy.datetime64("2014-01-01", "s") + numpy.arange(days * 24) * numpy.timedelta64(1, "h")
    inside = {"brier": 0, "auc": 0, "brier by hours": 0}
    for number in range(repeats):
        probability, event = simulated(random, days)
        error = (probability - event) ** 2
        blocks = BlockBootstrap(times, days=7, samples=200, seed=number)
        found = {"brier": blocks.sums(error) / blocks.sums(numpy.ones(len(error))), "auc": blocks.roc_areas(probability, event)}
        # Means of independently drawn hours: normal, by the central limit theorem.
        found["brier by hours"] = random.normal(error.mean(), error.std() / numpy.sqrt(len(error)), 1000)
        for name, samples in found.items():
            low, high = interval(samples)
            inside[name] += low <= truth[name.split()[0]] <= high
    share = {name: count / repeats for name, count in inside.items()}
    # 95 % promised; a standard deviation of 1.8 % over the repeats, and few blocks make intervals a little short.
    assert 0.88 <= share["brier"] <= 0.99
    assert 0.88 <= share["auc"] <= 0.99
    assert share["brier by hours"] < 0.6


def test_groups_are_drawn_like_blocks_of_the_same_members(sample):
    times, probability, _ = sample
    days = (times - times[0].astype("datetime64[D]")) // DAY
    blocks = BlockBootstrap(times, days=1, samples=30, seed=3)
    groups = BlockBootstrap.of_groups(1000 - days, samples=30, seed=3)  # whatever the numbers are
    assert groups.count == blocks.count == len(numpy.unique(days))
    numpy.testing.assert_array_equal(groups.weights, blocks.weights)
    for number in (0, 29):
        rows = rows_of(groups, number)
        assert groups.sums(probability)[number] == pytest.approx(probability[rows].sum())
        for day in numpy.unique(days):
            assert len(set(numpy.bincount(rows, minlength=len(days))[days == day])) == 1
