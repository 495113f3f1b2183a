"""Forecasts of single regions, scored by region and day."""

import dataclasses
import json

import numpy
import pandas
import pytest

from science.verification import regions
from tools import skill_scores
from tools.paths import PROJECT

SCRIPT = PROJECT / "science" / "verification" / "regions.py"


@pytest.fixture
def table(tmp_path):
    """Two hundred days of a region that flares half of the time, one that rarely does, and what is elsewhere."""
    random = numpy.random.default_rng(0)
    rows = []
    for day in numpy.arange("2014-01-01", "2014-07-20", dtype="datetime64[D]"):
        for region, word, rate in (("12001", "Dkc", 0.7), ("12002", "Axx", 0.02), ("elsewhere", "", 0.1)):
            expected = rate * 10.0 ** -numpy.array([0, 1, 1.699, 2])
            flare = ""
            if random.random() < 1 - numpy.exp(-rate):
                flare = f"{'CMX'[min(int(random.exponential(0.45)), 2)]}1.5"
            probabilities = dict(
                zip((f"probability_{name}" for name in regions.CLASSES), 1 - numpy.exp(-expected), strict=True)
            )
            rows.append({"time": f"{day}T00:30:00Z", "region": region, "mcintosh": word, "flare": flare} | probabilities)
    path = tmp_path / "regions.csv"
    pandas.DataFrame(rows).to_csv(path, index=False)
    return path


def test_regions_are_scored_alike_disks(table, command, tmp_path):
    ended = command(SCRIPT, table, "--samples", 100, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    result = json.loads((tmp_path / "out" / "regions.json").read_text())
    found = result["classes"]["C1.0"]
    forecasts = regions.read(table)
    assert len(forecasts) == found["regions"] == 400  # without elsewhere
    probability, event = forecasts.probability[:, 0], forecasts.event[:, 0]
    assert found["brier_skill"][0] == pytest.approx(skill_scores.brier_skill_score(probability, event))
    assert found["brier_skill"][1] < found["brier_skill"][0] < found["brier_skill"][2]
    assert found["bits_over_climatology"][0] > 0.3
    assert abs(found["bits_over_mcintosh"][0]) < 0.05  # the class says all there is to know
    assert (tmp_path / "out" / "reliability.png").is_file()
    assert "of the regions that are scored" in ended.out


def test_information_gain_is_the_mean_of_logarithms():
    event = numpy.array([True, False, False, False])
    gain = regions.information_gain([0.8, 0.1, 0.1, 0.2], event, [0.25] * 4)[0]
    expected = numpy.log2(0.8 / 0.25) + 2 * numpy.log2(0.9 / 0.75) + numpy.log2(0.8 / 0.75)
    assert gain == pytest.approx(expected)
    assert regions.information_gain([0.25] * 4, event, [0.25] * 4)[0] == 0
    assert numpy.isnan(regions.information_gain([0.5] * 4, numpy.zeros(4, bool), [0.25] * 4)[0])


def test_rates_of_classes_are_shrunk_to_that_of_all(table):
    forecasts = regions.read(table)
    rates = regions.rates_of_classes(forecasts, ["Dkc", "Zzz"])
    mine = forecasts.mcintosh == "Dkc"
    whole = (forecasts.event.sum(axis=0) + 1) / (len(forecasts) + 2)
    numpy.testing.assert_allclose(rates[0], (forecasts.event[mine].sum(axis=0) + whole) / (mine.sum() + 1))
    numpy.testing.assert_allclose(rates[1], whole)


def test_a_class_that_training_never_saw_gives_no_bits(table):
    forecasts = regions.read(table)
    assert forecasts.event[:, 3].any()
    seen = forecasts.event.copy()
    seen[:, 3] = False  # no X flare in training
    found = regions.verify(forecasts, dataclasses.replace(forecasts, event=seen))
    bits = {
        name: [values[f"bits_over_{kind}"][0] for kind in ("climatology", "mcintosh")]
        for name, values in found["classes"].items()
    }
    assert numpy.isnan(bits["X1.0"]).all()
    assert numpy.isfinite(bits["M5.0"]).all()
    assert [line.split()[-2:] for line in regions.lines(found) if line.startswith("X1.0")] == [["undefined", "undefined"]]


def test_the_gerrity_score_rewards_what_it_should():
    random = numpy.random.default_rng(0)
    happened = numpy.array([700, 200, 80, 20])
    assert skill_scores.gerrity_score(numpy.diag(happened)) == pytest.approx(1)
    for constant in range(4):
        counts = numpy.zeros((4, 4))
        counts[constant] = happened
        assert skill_scores.gerrity_score(counts) == pytest.approx(0, abs=1e-12)
    two = random.integers(1, 50, (2, 2))
    tss = two[1, 1] / two[:, 1].sum() - two[1, 0] / two[:, 0].sum()
    assert skill_scores.gerrity_score(two) == pytest.approx(tss)
    far, near = numpy.diag(happened).astype(float), numpy.diag(happened).astype(float)
    far[0, 3] = near[2, 3] = 20  # strong flares missed as none, or by one category
    far[3, 3] = near[3, 3] = 0
    assert skill_scores.gerrity_score(near) > skill_scores.gerrity_score(far)
    never = numpy.diag([700, 200, 0, 20])
    assert skill_scores.gerrity_score(never) == pytest.approx(1)
    assert numpy.isnan(skill_scores.gerrity_score(numpy.diag([5, 0, 0])))


def test_thresholds_make_categories_as_frequent_as_they_are(table):
    forecasts = regions.read(table)
    chosen = regions.categories(forecasts, regions.as_frequent(forecasts))
    assert ((chosen >= 1) & (forecasts.mcintosh == "Dkc")).sum() > 0.5 * (chosen >= 1).sum()
    assert set(chosen) <= {0, 1, 2, 3}


def test_regions_whose_outcome_is_not_known_yet_are_left_out(table, command, tmp_path):
    rows = pandas.read_csv(table, keep_default_na=False)
    before = regions.read(table)  # as of tables that leave regions without a flare empty
    rows["flare"] = rows["flare"].replace("", "NF")
    rows.loc[rows["time"] >= "2014-07-01", "flare"] = ""
    rows.to_csv(table, index=False)
    ended = command(SCRIPT, table, "--samples", 50, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "38 of 400 forecasts of regions are left out, their outcome is not known yet" in ended.err
    forecasts = regions.read(table)
    assert len(forecasts) == 362
    numpy.testing.assert_array_equal(forecasts.event, before.event[:362])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.assign(flare="Q1.0"), "column flare"),
        (lambda rows: rows.assign(flare=""), "no region flared, or outcomes are not known yet"),
        (lambda rows: rows.assign(**{"probability_M1.0": 2}), "holds something else than probabilities"),
        (lambda rows: rows[rows["region"] == "elsewhere"], "holds no region"),
        (lambda rows: rows.drop(columns="mcintosh"), "the column mcintosh is not there"),
    ],
)
def test_tables_that_are_wrong_are_refused(table, command, change, message, tmp_path):
    change(pandas.read_csv(table, keep_default_na=False)).to_csv(table, index=False)
    ended = command(SCRIPT, table, "--out", tmp_path / "out")
    assert ended.code == 2
    assert message in ended.err
