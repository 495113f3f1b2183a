"""Calibration and conformal sets: parameters found again, promises kept by simulation, files that survive."""

import json

import numpy
import pandas
import pytest

from network_models.forecasts import calibration, conformal
from network_models.forecasts import files as forecast_files
from tools.errors import UserError

HOUR = numpy.timedelta64(1, "h")
START = numpy.datetime64("2015-01-01T00:00:00")


def simulated(count=40_000, slope=0.5, offset=-1.0, seed=0):
    """Overconfident forecasts whose true log-odds are slope * log-odds + offset."""
    random = numpy.random.default_rng(seed)
    odds = random.normal(0, 2, count)
    event = random.random(count) < calibration.probability_of(slope * odds + offset)
    return calibration.probability_of(odds), event, START + numpy.arange(count) * HOUR


def test_platt_and_temperature_find_their_parameters():
    probability, event, _ = simulated()
    found = calibration.fit(probability, event, kind="platt")
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.offset == pytest.approx(-1.0, abs=0.03)
    probability, event, _ = simulated(offset=0.0)
    found = calibration.fit(probability, event, kind="temperature")
    assert (found.slope, found.offset) == (pytest.approx(0.5, abs=0.02), 0.0)


@pytest.mark.parametrize("kind", calibration.KINDS)
def test_order_is_kept_and_the_score_improves(kind):
    probability, event, _ = simulated(offset=0.0)
    after = calibration.fit(probability, event, kind=kind).apply(probability)
    order = numpy.argsort(probability)
    assert (numpy.diff(after[order]) >= 0).all()
    assert ((after > 0) & (after < 1)).all()
    assert numpy.mean((after - event) ** 2) < numpy.mean((probability - event) ** 2)


def test_isotonic_never_calls_anything_certain():
    found = calibration.fit([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert found.apply([0.0, 1.0]) == pytest.approx([1 / 6, 5 / 6])


@pytest.mark.parametrize("kind", calibration.KINDS)
def test_round_trip(tmp_path, kind):
    probability, event, times = simulated(2000)
    fitted = calibration.fit(probability, event, kind=kind)
    sets = conformal.fit(probability, event, times)
    calibration.save(tmp_path / "c.json", fitted, conformal=sets, times=times)
    again = calibration.load(tmp_path / "c.json")
    numpy.testing.assert_array_equal(again.calibration.apply(probability), fitted.apply(probability))
    numpy.testing.assert_array_equal(again.conformal.sets(probability), sets.sets(probability))
    assert calibration.inside(times, again.periods).all()
    assert not calibration.inside([times[-1] + 48 * HOUR], again.periods).any()
    some = calibration.periods(times[::100])  # as predict.py --every 100 leaves them
    assert len(some) == 1
    assert calibration.inside(times[: (len(times) - 1) // 100 * 100 + 1], some).all()


@pytest.mark.parametrize("damage", ["{}", "[1", '{"format": "calibration 1", "kind": "platt"}'])
def test_damaged_files_are_named(tmp_path, damage):
    (tmp_path / "c.json").write_text(damage)
    with pytest.raises(UserError, match=r"c\.json: (is no sound JSON|holds a list|not)"):
        calibration.load(tmp_path / "c.json")


def test_a_decreasing_calibration_is_refused(tmp_path):
    calibration.save(tmp_path / "c.json", calibration.Isotonic(numpy.array([0.1, 0.9]), numpy.array([0.8, 0.2])))
    with pytest.raises(UserError, match="does not increase"):
        calibration.load(tmp_path / "c.json")


def forecasts(count=3000, folds=2):
    probability, event, times = simulated(count)
    return forecast_files.Forecasts("one", times, probability, event, numpy.arange(count) * folds // count)


def test_a_fold_does_not_see_its_own_outcomes():
    one = forecasts()
    before = calibration.cross_fitted(one)
    mine = one.fold == 0
    turned = one.event ^ (mine & (numpy.arange(len(one)) % 5 == 0))
    after = calibration.cross_fitted(forecast_files.Forecasts("one", one.times, one.probability, turned, one.fold))
    numpy.testing.assert_array_equal(before[mine], after[mine])
    assert (before[~mine] != after[~mine]).any()


def test_windows_that_overlap_the_fold_are_not_fitted_on():
    """Outcomes of the other fold within a day of this one change nothing, those a day away do."""
    one = forecasts()
    one = forecast_files.Forecasts("one", one.times, one.probability, one.event, (numpy.arange(len(one)) >= len(one) // 2) * 1)
    first = one.fold == 0
    day = numpy.timedelta64(24, "h")
    before = calibration.cross_fitted(one, window=day)
    gap = one.times - one.times[first][-1]
    for hours, same in (((gap > 0 * day) & (gap < day), True), ((gap >= day) & (gap < 2 * day), False)):
        turned = forecast_files.Forecasts("one", one.times, one.probability, one.event ^ hours, one.fold)
        assert hours.sum() > 20
        assert (calibration.cross_fitted(turned, window=day)[first] == before[first]).all() == same
        assert (calibration.cross_fitted(turned)[first] != calibration.cross_fitted(one)[first]).any()


def test_bad_forecasts():
    cases = [
        (([0.1, 0.2], [0, 0]), "all 2 outcomes are no"),
        (([0.1, 0.9], [1, 0]), "do not flare more often"),
        (([0.1, 1.2], [0, 1]), "1.2 is no probability"),
        (([0.1, numpy.nan], [0, 1]), "nan is no probability"),
        (([0.1, 0.2], [0, 2]), "neither 0 nor 1"),
    ]
    for arguments, message in cases:
        with pytest.raises(UserError, match=message):
            calibration.fit(*arguments, kind="platt")
    with pytest.raises(UserError, match="one file is one fold"):
        calibration.cross_fitted(forecasts(folds=1))


def test_scripts_fit_apply_and_refuse_fitted_hours(tmp_path, capsys):
    one = forecasts(1000)
    names = []
    for fold in (0, 1):
        part = one.where(one.fold == fold)
        names.append(tmp_path / f"f{fold}.csv")
        columns = {"time": part.times.astype(str), "flare_prob": part.probability, "target": part.event.astype(int)}
        pandas.DataFrame(columns).to_csv(names[-1], index=False)
    first, second = map(str, names)
    calibration.main(["fit", first, "--out", str(tmp_path / "c.json"), "--coverage", "0.9", "--block", "1"])
    calibration.main(["apply", str(tmp_path / "c.json"), second, "--out", str(tmp_path / "out.csv")])
    found = pandas.read_csv(tmp_path / "out.csv")
    assert set(found["set"]) <= {"no", "yes", "no or yes", "neither"}
    with pytest.raises(UserError, match=r"500 of 500 hours were used to fit"):
        calibration.main(["apply", str(tmp_path / "c.json"), first, "--out", str(tmp_path / "no.csv")])
    assert not (tmp_path / "no.csv").exists()
    calibration.main(["cross", first, second, "--out", str(tmp_path / "crossed")])
    crossed = pandas.read_csv(tmp_path / "crossed" / "f1.csv")
    expected = calibration.cross_fitted(one, window=numpy.timedelta64(24, "h"))[one.fold == 1]  # that of --window
    numpy.testing.assert_allclose(crossed["probability"], expected)
    assert "Brier score" in capsys.readouterr().out


def test_conformal_sets_cover_as_stated_in_new_blocks():
    """Blocks of hours that share their luck: the stated coverage holds for the hours of a block not fitted on."""
    random = numpy.random.default_rng(2)
    held = {False: [], True: []}
    for _ in range(60):
        shift = numpy.repeat(random.normal(0, 1, 41), 100)
        odds = random.normal(0, 1.5, len(shift))
        event = random.random(len(shift)) < calibration.probability_of(odds + shift)
        times = START.astype("datetime64[D]").astype("datetime64[s]") + numpy.arange(len(shift)) * 24 * HOUR / 100
        block = numpy.arange(len(shift)) // 100
        probability = calibration.probability_of(odds)
        fitted = conformal.fit(
            probability[block < 40], event[block < 40], times[block < 40], coverage=0.9, block=numpy.timedelta64(1, "D")
        )
        sets = fitted.sets(probability[block == 40])
        for outcome in (False, True):
            held[outcome].append(sets[event[block == 40] == outcome, int(outcome)].mean())
    for outcome in (False, True):
        assert 0.86 < numpy.mean(held[outcome]) < 0.96


def test_few_blocks_exclude_nothing():
    probability, event, times = simulated(200)
    fitted = conformal.fit(probability, event, times, coverage=0.95, block=numpy.timedelta64(5, "D"))
    assert fitted.yes.limit == 1
    assert conformal.words(fitted.sets([0.5])) == ["no or yes"]
    assert "never excluded" in "\n".join(fitted.statement())


def test_conformal_bad_input():
    probability, event, times = simulated(100)
    with pytest.raises(UserError, match="--coverage 1: give a share"):
        conformal.fit(probability, event, times, coverage=1)
    with pytest.raises(UserError, match="no hour with an event"):
        conformal.fit(probability, numpy.zeros(100, bool), times)
    with pytest.raises(UserError, match="--block 0"):
        conformal.block_length(0)
    assert json.dumps(conformal.fit(probability, event, times).as_dictionary())
