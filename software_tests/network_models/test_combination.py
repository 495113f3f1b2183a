"""Stacking: equal to scikit-learn's, blind to the fold it forecasts, and better than its parts on published forecasts."""

import json

import numpy
import pandas
import pytest

from network_models.forecasts import combination
from network_models.forecasts import files as forecast_files
from tools import skill_scores
from tools.errors import UserError

HOUR = numpy.timedelta64(1, "h")
NETWORKS = ("alex", "vgg", "resnet", "attention")


def parts(count=4000, seed=0):
    random = numpy.random.default_rng(seed)
    truth = random.normal(0, 1.5, count)
    event = random.random(count) < 1 / (1 + numpy.exp(-truth))
    times = numpy.datetime64("2015-01-01T00:00:00") + numpy.arange(count) * HOUR
    probabilities = [1 / (1 + numpy.exp(-2 * truth - random.normal(0, noise, count))) for noise in (1, 2)]
    fold = numpy.arange(count) * 2 // count
    return [forecast_files.Forecasts(name, times, p, event, fold) for name, p in zip("ab", probabilities, strict=True)]


def test_logistic_is_scikit_learns():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    a, b = parts()
    probabilities = numpy.stack([a.probability, b.probability], axis=1)
    fitted = combination.fit("ab", probabilities, a.event, a.times)
    features = StandardScaler().fit_transform(combination.features_of(probabilities, None, None, None))
    expected = LogisticRegression(C=combination.PENALTY, max_iter=5000, tol=1e-8).fit(features, a.event)
    numpy.testing.assert_allclose(fitted.forecast(probabilities), expected.predict_proba(features)[:, 1], rtol=1e-6)


def test_boosting_is_scikit_learns():
    from sklearn.ensemble import GradientBoostingClassifier

    a, b = parts()
    probabilities = numpy.stack([a.probability, b.probability], axis=1)
    fitted = combination.fit("ab", probabilities, a.event, a.times, kind="boosting", seed=4)
    features = combination.features_of(probabilities, None, None, None).astype("float32")
    expected = GradientBoostingClassifier(**combination.BOOSTING, random_state=4).fit(features, a.event)
    numpy.testing.assert_allclose(fitted.forecast(probabilities), expected.predict_proba(features)[:, 1], rtol=1e-9)


def test_a_mean_fits_nothing_and_lies_between_its_parts(tmp_path):
    a, b = parts(1000)
    probabilities = numpy.stack([a.probability, b.probability], axis=1)
    events = pandas.DataFrame({"start": a.times[::50], "flux": numpy.full(20, 2e-5)})
    fitted = combination.fit("ab", probabilities, a.event, a.times, events=events, kind="mean")
    assert fitted.table is None  # flares decide outcomes alone
    found = fitted.forecast(probabilities)
    odds = probabilities / (1 - probabilities)
    numpy.testing.assert_allclose(found / (1 - found), numpy.sqrt(odds[:, 0] * odds[:, 1]), rtol=1e-9)
    other = combination.fit("ab", probabilities[:500], ~a.event[:500], a.times[:500], kind="mean")
    numpy.testing.assert_array_equal(other.forecast(probabilities), found)


def test_a_mean_takes_outcomes_from_lists_that_begin_too_late_for_a_history(tmp_path):
    a, b = parts(200)
    for part in (a, b):
        for fold in (0, 1):
            mine = part.where(part.fold == fold)
            forecast_files.write(tmp_path / f"{part.name}{fold}.csv", mine.times, probability=mine.probability)
    moments = numpy.concatenate([a.times[:1] - HOUR, a.times[60:180:80], a.times[-1:] + 30 * HOUR])
    flares = pandas.DataFrame({"start_time": moments.astype(str), "goes_class": "M2.0"})
    flares.to_csv(tmp_path / "flares.csv", index=False)
    words = [f"{name}={tmp_path}/{name}0.csv,{tmp_path}/{name}1.csv" for name in "ab"]
    lists = ["--flares", str(tmp_path / "flares.csv")]
    combination.main(["cross", *words, "--kind", "mean", *lists, "--out", str(tmp_path / "mean")])
    made = pandas.concat(pandas.read_csv(tmp_path / "mean" / f"fold{fold}.csv") for fold in (1, 2))
    assert len(made) == 200
    assert 0 < made["target"].mean() < 1
    with pytest.raises(UserError, match="flares"):
        combination.main(["cross", *words, *lists, "--out", str(tmp_path / "stack")])


@pytest.mark.parametrize("kind", combination.KINDS)
def test_round_trip(tmp_path, kind):
    a, b = parts(1000)
    probabilities = numpy.stack([a.probability, b.probability], axis=1)
    fitted = combination.fit("ab", probabilities, a.event, a.times, kind=kind)
    combination.save(tmp_path / "c.json", fitted)
    numpy.testing.assert_array_equal(
        combination.load(tmp_path / "c.json").forecast(probabilities), fitted.forecast(probabilities)
    )


def test_a_fold_does_not_see_its_own_outcomes():
    a, b = parts()
    before, threshold = combination.cross_fitted([a, b])
    mine = a.fold == 1
    event = numpy.where(mine, ~a.event, a.event)
    turned = [forecast_files.Forecasts(one.name, one.times, one.probability, event, one.fold) for one in (a, b)]
    after, threshold_after = combination.cross_fitted(turned)
    numpy.testing.assert_array_equal(before[mine], after[mine])
    numpy.testing.assert_array_equal(threshold[mine], threshold_after[mine])
    assert (before[~mine] != after[~mine]).any()


def test_damaged_files_and_bad_input(tmp_path):
    a, b = parts(500)
    probabilities = numpy.stack([a.probability, b.probability], axis=1)
    combination.save(tmp_path / "c.json", combination.fit("ab", probabilities, a.event, a.times))
    content = json.loads((tmp_path / "c.json").read_text())
    del content["model"]["weights"]
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="not a sound combination file"):
        combination.load(tmp_path / "c.json")
    with pytest.raises(UserError, match="give forecasts as NAME=FILE"):
        combination.named(["a.csv"])
    with pytest.raises(UserError, match="all 500 outcomes are no"):
        combination.fit("ab", probabilities, numpy.zeros(500), a.times)
    with pytest.raises(UserError, match="choose one of logistic, boosting"):
        combination.fit("ab", probabilities, a.event, a.times, kind="magic")


def test_apply_refuses_hours_it_was_fitted_on(tmp_path):
    a, b = parts(600)
    words = []
    for one in (a, b):
        path = tmp_path / f"{one.name}.csv"
        columns = {"time": one.times.astype(str), "probability": one.probability, "target": one.event.astype(int)}
        pandas.DataFrame(columns).to_csv(path, index=False)
        words.append(f"{one.name}={path}")
    combination.main(["fit", *words, "--out", str(tmp_path / "c.json")])
    with pytest.raises(UserError, match="was fitted on 600 of these hours"):
        combination.main(["apply", str(tmp_path / "c.json"), *words, "--out", str(tmp_path / "new.csv")])


def test_the_published_networks_with_class_table_and_history(shared):
    """Above the bar on the two folds whose forecasts were published: TSS 0.573, Brier skill 0.250, AUC 0.867."""
    folder = shared / "published_predictions"
    files = {name: [folder / f"fold{fold}_{name}.csv" for fold in (1, 2)] for name in NETWORKS}
    forecasts = combination.named([f"{name}={','.join(map(str, paths))}" for name, paths in files.items()])
    lists = ("hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv", "flarenet/flares_CMX_Flux_2010_2017.csv")
    events = combination.flares([shared / name for name in lists], forecasts[0].times)
    probability, threshold = combination.cross_fitted(forecasts, events=events)
    event = forecasts[0].event
    table = skill_scores.contingency_table((probability >= threshold).astype(float), event)
    assert skill_scores.true_skill_statistic(table) == pytest.approx(0.591, abs=0.003)
    assert skill_scores.brier_skill_score(probability, event) == pytest.approx(0.274, abs=0.003)
    assert skill_scores.roc_area(probability, event) == pytest.approx(0.876, abs=0.002)
