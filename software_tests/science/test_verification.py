"""The verification script and its report: published numbers, honest claims, pictures, and what may be wrong with the input."""

import json

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue
from dataset_models.flare_labels import FlareIndex
from network_models.forecasts import files as forecast_files
from network_models.forecasts.files import Forecasts
from science.verification import activity, regression, report, verification
from science.verification import pictures as diagrams
from science.verification.scores import score
from tools import skill_scores
from tools.block_bootstrap import BlockBootstrap
from tools.errors import UserError

HOUR = numpy.timedelta64(1, "h")
START = numpy.datetime64("2014-01-01T00:00:00")
QUICK = report.Settings(samples=60)


def hourly(days=120, *, seed=0, name="network", start=START, fold=0):
    """Forecasts that mean what they say, of activity that lasts for days."""
    random = numpy.random.default_rng(seed)
    probability = numpy.repeat(random.beta(0.8, 2, days), 24)
    event = numpy.repeat(random.random(days), 24) < probability
    times = start + numpy.arange(days * 24) * HOUR
    return Forecasts(name, times, probability, event, numpy.full(len(times), fold))


def flares(days=200, *, seed=1, start=START - 60 * 24 * HOUR):
    """Flares of all classes, about four a day."""
    random = numpy.random.default_rng(seed)
    first = start + (numpy.sort(random.random(days * 4)) * days * 86400).astype("timedelta64[s]")
    flux = numpy.minimum(8e-7 / (1 - random.random(len(first))), 5e-4)
    minute = numpy.timedelta64(60, "s")
    return pandas.DataFrame({"start": first, "peak": first + 8 * minute, "end": first + 20 * minute, "flux": flux})


def write_csv(path, one, **columns):
    table = {"time": one.times.astype(str), "probability": one.probability}
    if one.event is not None:
        table["target"] = one.event.astype(int)
    pandas.DataFrame(table | columns).to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize(
    ("name", "tss", "hss"),
    [
        ("alex", 0.5621, 0.4385),
        ("vgg", 0.5641, 0.4512),
        ("resnet", 0.5900, 0.4621),
        ("attention", 0.5838, 0.4600),
        ("no_attention", 0.4770, 0.3992),
    ],
)
def test_published_forecasts_of_fold_1_score_as_published(shared, name, tss, hss):
    one = forecast_files.read(shared / "published_predictions" / f"fold1_{name}.csv")
    found = score(one.probability, one.event).value
    assert found["tss"] == pytest.approx(tss, abs=5e-5)
    assert found["hss"] == pytest.approx(hss, abs=5e-5)


def test_no_published_network_adds_probability_skill_to_the_class_table(shared):
    names = ("hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv")
    events = flare_catalogue.read([shared / name for name in names]).events
    forecasts = [
        forecast_files.read([shared / "published_predictions" / f"fold{fold}_{name}.csv" for fold in (1, 2)], name=name)
        for name in ("resnet", "attention")
    ]
    found = report.verify(forecasts, events, report.Settings(threshold=None, samples=200))
    assert found.notes == []
    table = found.scored["class table"]
    assert found.best_baseline("brier_skill") == "class table"
    assert table.value["brier_skill"] == pytest.approx(0.205, abs=0.005)
    for name in ("resnet", "attention"):
        assert found.scored[name].value["brier_skill"] < 0
        low, high = found.scored[name].interval("auc")
        assert low < table.value["auc"] < high
    claims = found.added_skill()
    assert {(row[0], row[1]) for row in claims} == {("resnet", "brier_skill"), ("attention", "brier_skill")}
    assert all(row[3] < row[5] < 0 for row in claims)  # what is stated is that they lack it


def test_scores_and_their_samples_are_those_of_skill_scores():
    one = hourly()
    found = score(one.probability, one.event, references={"half": numpy.full(len(one), 0.5)})
    table = skill_scores.contingency_table(one.probability, one.event)
    for name, function in skill_scores.TABLE_SCORES.items():
        assert found.value[name] == pytest.approx(function(table), nan_ok=True)
    assert found.value["brier_skill_half"] == pytest.approx(skill_scores.brier_skill_score(one.probability, one.event, 0.5))
    whole = BlockBootstrap(one.times, samples=1).whole()
    samples = score(one.probability, one.event, bootstrap=whole).samples
    for name, values in samples.items():
        assert values[0] == pytest.approx(found.value[name], nan_ok=True), name


def test_a_forecast_that_knows_the_future_adds_skill_and_one_of_chance_none():
    events = flares()
    times = hourly().times
    event = FlareIndex(events).label(times)
    random = numpy.random.default_rng(3)
    knowing = numpy.where(event, 0.9, 0.1)
    fold = numpy.zeros(len(times), int)
    forecasts = [
        Forecasts("knowing", times, knowing, event, fold),
        Forecasts("chance", times, random.random(len(times)), event, fold),
    ]
    claims = report.verify(forecasts, events, QUICK).added_skill()
    assert {row[1] for row in claims if row[0] == "knowing" and row[3] > 0} == {"tss", "brier_skill", "auc"}
    assert not [row for row in claims if row[0] == "chance" and row[3] > 0]


def test_few_blocks_give_no_intervals_and_no_claims():
    events = flares()
    one = hourly(days=20)
    knowing = Forecasts("knowing", one.times, *2 * [FlareIndex(events).label(one.times).astype(float)], one.fold)
    found = report.verify([knowing], events, QUICK)
    assert found.added_skill() == []
    assert any("no intervals" in note for note in found.notes)


def test_thresholds_are_chosen_on_hours_whose_windows_end_before_what_is_scored():
    one = hourly()
    limit = START + 80 * 24 * HOUR
    found = report.verify([one], None, report.Settings(threshold=None, score_from=limit, samples=0))
    training = one.times + 24 * HOUR <= limit
    best = skill_scores.best_threshold(one.probability[training], one.event[training])[0]
    assert numpy.unique(found.thresholds["network"]) == best
    # What happens later, or within the windows in between, has no say.
    changed = Forecasts("network", one.times, one.probability, numpy.where(training, one.event, ~one.event), one.fold)
    again = report.verify([changed], None, report.Settings(threshold=None, score_from=limit, samples=0))
    assert numpy.unique(again.thresholds["network"]) == best
    assert found.forecasts["network"].times[0] == limit


def test_thresholds_of_folds_come_from_the_other_folds():
    parts = [hourly(days=40, seed=fold, start=START + fold * 100 * 24 * HOUR, fold=fold) for fold in (0, 1)]
    parts[1] = Forecasts("network", parts[1].times, parts[1].probability / 2, parts[1].event, parts[1].fold)
    joined = [numpy.concatenate([getattr(part, name) for part in parts]) for name in ("times", "probability", "event", "fold")]
    found = report.verify([Forecasts("network", *joined)], None, report.Settings(threshold=None, samples=0))
    for fold, other in ((0, 1), (1, 0)):
        used = numpy.unique(found.thresholds["network"][joined[3] == fold])
        assert used == skill_scores.best_threshold(parts[other].probability, parts[other].event)[0]


def test_baselines_know_nothing_of_the_fold_they_forecast():
    one, events = hourly(), flares()
    found = report.verify([one], events, report.Settings(samples=0))
    inside = (events["start"] > one.times[0]) & (events["start"] < one.times[-1] + 24 * HOUR)
    other = events.assign(flux=numpy.where(inside, 3e-5, events["flux"]))
    again = report.verify([one], other, report.Settings(samples=0))
    numpy.testing.assert_array_equal(found.baselines["climatology"].probability, again.baselines["climatology"].probability)
    assert (found.thresholds["class table"] == again.thresholds["class table"]).all()


def test_forecasts_without_outcomes_get_them_from_the_flares():
    one, events = hourly(), flares(days=150)
    bare = Forecasts("bare", one.times, one.probability, None, one.fold)
    found = report.verify([bare], events, report.Settings(samples=0))
    kept = found.forecasts["bare"]
    assert kept.times[-1] + 24 * HOUR <= events["start"].max()
    numpy.testing.assert_array_equal(kept.event, FlareIndex(events).label(kept.times))
    with pytest.raises(UserError, match="give --flares"):
        report.verify([bare], None, QUICK)


def test_hours_where_activity_changes():
    day = 24 * HOUR
    start = [START - 60 * day, START + 10 * day, START + 11 * day, START + 60 * day]
    events = pandas.DataFrame({"start": start, "flux": [1e-6, 2e-5, 3e-5, 1e-6]})
    times = START + numpy.arange(30 * 24) * HOUR
    event = FlareIndex(events).label(times)
    found = activity.subsets(events, times, event, quiet_days=2)
    changes = times[found["activity changes"]]
    # The day before the first flare, and the day from the last flare on.
    expected = [*(START + 9 * day + numpy.arange(1, 24) * HOUR), *(START + 11 * day + numpy.arange(24) * HOUR)]
    numpy.testing.assert_array_equal(changes, expected)
    quiet = times[found["after quiet days"]]
    assert START + 10 * day - HOUR in quiet
    assert START + 12 * day not in quiet
    assert START + 13 * day in quiet


@pytest.mark.parametrize("outcome", [False, True])
def test_one_outcome_only_is_undefined_never_zero(outcome, tmp_path, capsys):
    one = hourly()
    path = write_csv(
        tmp_path / "one.csv", Forecasts("one", one.times, one.probability, numpy.full(len(one), outcome), one.fold)
    )
    verification.main([path, "--samples", "20", "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert printed.count("undefined") >= 3
    assert f"all {len(one)} outcomes are {'yes' if outcome else 'no'}" in printed
    found = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert found["scores"]["one"]["tss"] == [None, None, None]
    assert found["scores"]["one"]["auc"] == [None, None, None]


def test_reliability_bars_of_dependent_hours_are_wider_and_empty_bins_stay_empty():
    one = hourly(days=300)
    one = one.where((one.probability < 0.3) | (one.probability > 0.5))
    alone, blocks = diagrams.reliability_points(one), diagrams.reliability_points(one, BlockBootstrap(one.times, samples=200))
    assert alone["count"].sum() == len(one)
    empty = alone["count"] == 0
    assert empty[3:5].all()
    assert numpy.isnan(alone["observed"][empty]).all()
    assert numpy.isnan(blocks["consistent_low"][empty]).all()
    full = numpy.flatnonzero(alone["count"] > 100)
    widths = [(found["consistent_high"] - found["consistent_low"])[full] for found in (alone, blocks)]
    assert (widths[1] >= widths[0]).all()
    # Days are drawn as a whole, so that 24 hours count as about one.
    assert 10 < numpy.median(blocks["count"][full] / blocks["independent"][full]) < 60


@pytest.mark.long
def test_the_script_writes_one_file_and_pictures(tmp_path, capsys):
    from PIL import Image

    events = flares(days=400, start=START - 150 * 24 * HOUR)
    table = pandas.DataFrame({"start_time": events["start"].astype(str), "goes_class": [f"C{f * 1e6:.1f}" if f < 1e-5 else
        (f"M{f * 1e5:.1f}" if f < 1e-4 else f"X{f * 1e4:.1f}") for f in events["flux"].clip(lower=1e-6)]})  # fmt: skip
    table.to_csv(tmp_path / "flares.csv", index=False)
    words = []
    for name, seed in (("first", 0), ("second", 5)):
        paths = []
        for fold in (0, 1):
            one = hourly(days=60, seed=seed + fold, start=START + fold * 100 * 24 * HOUR)
            event = FlareIndex(flare_catalogue.read(tmp_path / "flares.csv").events).label(one.times)
            probability = numpy.clip(one.probability * 0.5 + event * 0.4, 0, 1)
            paths.append(write_csv(tmp_path / f"{name}{fold}.csv", Forecasts(name, one.times, probability, event, one.fold)))
        words.append(f"{name}={','.join(paths)}")
    out = tmp_path / "out"
    flags = ["--flares", str(tmp_path / "flares.csv"), "--threshold", "best", "--samples", "40", "--out", str(out)]
    verification.main([*words, *flags])
    printed = capsys.readouterr().out
    assert "first adds" in printed
    assert "activity changes:" in printed
    found = json.loads((out / "verification.json").read_text())
    assert set(found["folds"]) == {"1", "2"}
    value, low, high = found["scores"]["first"]["tss"]
    assert low < value < high
    assert {row["other"] for row in found["differences"] if row["forecast"] == "first"} == {"second", *found["baselines"]}
    scores = pandas.read_csv(out / "scores.csv").set_index("forecast")
    assert list(scores.index[:2]) == ["first", "second"]
    assert scores["kind"].value_counts().to_dict() == {"forecast": 2, "baseline": len(found["baselines"])}
    assert scores.loc["first", ["tss", "tss_low", "tss_high"]].tolist() == pytest.approx([value, low, high])
    assert scores.loc["first", "hours"] == found["hours"]
    lines = (out / "scores.md").read_text().splitlines()
    assert lines[2:4] == ["| forecast | TSS | Brier skill | ROC area | HSS | bias |", "|---|---|---|---|---:|---:|"]
    assert lines[4].startswith(f"| first | {value:.3f} [{low:.3f}, {high:.3f}] | ")
    assert len(lines) == 4 + len(scores)
    assert found["scores"]["first"]["brier_skill_second"][0] == pytest.approx(
        1 - found["scores"]["first"]["brier"][0] / found["scores"]["second"]["brier"][0]
    )
    pictures = {path.name for path in out.glob("*.png")}
    assert {"curves.png", "threshold_sweep.png", "comparison.png", "reliability_first.png"} <= pictures
    for name in pictures:
        assert numpy.asarray(Image.open(out / name).convert("L")).std() > 5
    verification.main([*words, *flags[:-1], str(tmp_path / "again")])
    assert (tmp_path / "again" / "verification.json").read_bytes() == (out / "verification.json").read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--threshold", "1.5"], "--threshold 1.5"),
        (["--threshold", "high"], "--threshold high"),
        (["--threshold", "best"], "needs training hours"),
        (["--level", "95"], "--level 95"),
        (["--block", "0"], "--block"),
        (["--block", "inf"], "--block inf: give a time of at least a second, at most 36525 days, in days"),
        (["--window", "inf"], "--window inf: give a time"),
        (["--window", "1e-9"], "--window 1e-09: give a time of at least a second"),
        (["--flares", "{empty}"], "--flares: the lists hold no flare"),
        (["--training_flares", "{empty}"], "--training_flares: the lists hold no flare"),
        (["one=missing.csv"], "missing.csv: no such file"),
        (["{path}"], "one is the name of another forecast too; name it otherwise: NAME=FILE"),
        (["x="], "x=: names no file; write NAME=FILE.csv"),
        (["x=,"], "x=,: names no file"),
        (["--event", "Q1"], "not a GOES class"),
        (["--score_from", "2030-01-01"], "no forecast is that late"),
        (["--score_from", "2010-01-01"], "no training time"),
    ],
)
def test_a_wrong_flag_is_named_and_nothing_is_written(tmp_path, flags, message):
    path = write_csv(tmp_path / "one.csv", hourly())
    (tmp_path / "empty.csv").write_text("start_time,goes_class\n")
    flags = [flag.format(path=path, empty=tmp_path / "empty.csv") for flag in flags]
    with pytest.raises(UserError, match=message) as caught:
        verification.main([path, *flags, "--out", str(tmp_path / "out")])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_persistence_of_real_fluxes_scored_in_dex(shared, tmp_path, capsys):
    table = pandas.read_csv(shared / "flarenet" / "goes_flux_2014.csv").iloc[::5]
    table = table[(table["Flux"] > 0) & (table["Flux_1h_1d1h_top1"] > 0)]
    truth, now = table["Flux_1h_1d1h_top1"].to_numpy(), table["Flux"].to_numpy()
    columns = {"time": table["Time"], "prediction": now * 4, "true_delta": truth - now, "true_value": truth, "prior_value": now}
    pandas.DataFrame(columns).to_csv(tmp_path / "flux.csv", index=False)
    verification.main([f"flux={tmp_path / 'flux.csv'}", "--samples", "50", "--out", str(tmp_path / "out")])
    found = json.loads((tmp_path / "out" / "verification.json").read_text())["flux"]
    error = numpy.log10(4 * now / truth)
    assert found["rmse"] == pytest.approx(numpy.sqrt(numpy.mean(error**2)))
    assert found["bias"] == pytest.approx(error.mean())
    assert found["correlation"] == pytest.approx(numpy.corrcoef(numpy.log10(now), numpy.log10(truth))[0, 1])
    assert found["skill_persistence"] == pytest.approx(1 - numpy.mean(error**2) / numpy.mean(numpy.log10(now / truth) ** 2))
    assert sum(row["hours"] for row in found["classes"].values()) == len(table)
    assert "M1.0" in found["classes_as_probabilities"]
    assert (tmp_path / "out" / "flux" / "flux.png").is_file()
    scores = pandas.read_csv(tmp_path / "out" / "scores.csv").set_index("true_class")
    assert scores.loc["all", "rmse"] == pytest.approx(found["rmse"])
    assert scores.loc["M", "bias"] == pytest.approx(found["classes"]["M"]["bias"])
    assert scores["forecasts"].drop("all").sum() == scores.loc["all", "forecasts"] == len(table)
    assert "| flux | all |" in (tmp_path / "out" / "scores.md").read_text()


def write_flux(path, *, days=60, seed=0):
    """A CSV of flux forecasts as a run writes it."""
    random = numpy.random.default_rng(seed)
    truth = 10 ** random.normal(-6, 0.6, days * 24)
    table = {"time": (START + numpy.arange(days * 24) * HOUR).astype(str), "prediction": truth * 2, "true_delta": truth}
    pandas.DataFrame(table | {"true_value": truth, "prior_value": truth / 2}).to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{flux}", "--threshold", "best"], "--threshold best: is chosen for probabilities"),
        (["{flux}", "--score_from", "2014-02-01"], "--score_from: is for forecasts of probabilities; leave it out for fluxes"),
        (["{flux}", "--flares", "{flux}"], "--flares: is for forecasts of probabilities"),
        (["{flux}", "--training_flares", "{flux}"], "--training_flares: is for"),
        (["{flux}", "--event", "X1.0"], "--event: is for"),
        (["{flux}", "--window", "12"], "--window: is for"),
        (["{flux}", "{other}"], "flux is the name of another forecast too; name it otherwise: NAME=FILE"),
        (["same name={flux}", "same_name={other}"], "same name is the name of another forecast too"),
        (["persistence={flux}"], "persistence is the name of a baseline too"),
        (["{flux}", "{probability}"], "flux.csv holds fluxes, .*probability.csv does not"),
        (["{probability}", "{flux}"], "flux.csv holds fluxes, .*probability.csv does not"),
        (["x={probability},{flux}"], "flux.csv holds fluxes, .*probability.csv does not"),
        (["x={flux},{other}"], "flux forecasts are verified file by file"),
        (["good={flux}", "bad={negative}"], "negative.csv: column prediction: 1 values are not above zero"),
        (["good={flux}", "bad={text}"], "text.csv: holds something else than numbers"),
    ],
)
def test_what_fluxes_cannot_have_is_said_before_anything_is_written(tmp_path, words, message, capsys):
    (tmp_path / "other").mkdir()
    files = {"flux": write_flux(tmp_path / "flux.csv"), "other": write_flux(tmp_path / "other" / "flux.csv", seed=1)}
    files["probability"] = write_csv(tmp_path / "probability.csv", hourly())
    for name, value in (("negative", -1e-6), ("text", "high")):
        table = pandas.read_csv(files["flux"]).astype({"prediction": object})
        table.loc[7, "prediction"] = value
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        files[name] = str(tmp_path / f"{name}.csv")
    with pytest.raises(UserError, match=message) as caught:
        verification.main([*(word.format(**files) for word in words), "--samples", "0", "--out", str(tmp_path / "out")])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().out == ""


def test_an_equals_sign_in_a_path_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thr=0.5").mkdir()
    (tmp_path / "thr=0.5" / "f.csv").write_text("")
    (tmp_path / "a=b.csv").write_text("")
    assert verification.parse("thr=0.5/f.csv") == (None, ["thr=0.5/f.csv"])
    assert verification.parse("a=b.csv,thr=0.5/f.csv") == (None, ["a=b.csv", "thr=0.5/f.csv"])
    assert verification.parse(f"{tmp_path}/thr=0.7/f.csv") == (None, [f"{tmp_path}/thr=0.7/f.csv"])
    assert verification.parse("mine=thr=0.5/f.csv") == ("mine", ["thr=0.5/f.csv"])
    assert verification.parse("mine=one.csv,two.csv") == ("mine", ["one.csv", "two.csv"])
    assert verification.parse("..=one.csv") == (None, ["..=one.csv"])


def test_class_probabilities_of_a_flux_forecast():
    assert regression.class_probability([1e-5], 1e-5, 0.3)[0] == pytest.approx(0.5)
    assert regression.class_probability([1e-5], 10**-4.7, 0.3)[0] == pytest.approx(0.158655, abs=1e-6)  # one deviation


def test_baselines_use_the_history_of_the_end_of_the_lists_for_a_while_and_then_leave_hours_out():
    one, events = hourly(), flares()
    end = START + 90 * 24 * HOUR + 30 * 60 * numpy.timedelta64(1, "s")
    short = events[events["start"] <= end]
    last = short["start"].max().to_numpy().astype("datetime64[s]")
    for age in (0.0, 12.0, 48.0):
        found = report.verify([one], short, report.Settings(samples=0, history_age=age))
        times = found.forecasts["network"].times
        assert times[-1] == one.times[one.times <= last + numpy.timedelta64(int(age), "h")][-1]
        late = times > last
        assert late.sum() == int(age)
        assert any("--history_age" in note for note in found.notes)
        for baseline in ("persistence", "flare rate", "climatology 120 days"):
            if baseline in found.baselines:
                values = found.baselines[baseline].probability
                assert len(numpy.unique(values[late])) <= 1, "what was known at the end, and nothing else"
    # Stated to be complete until later, the lists cover more.
    settings = report.Settings(samples=0, flares_until=last + numpy.timedelta64(10, "D"))
    assert (
        report.verify([one], short, settings).forecasts["network"].times[-1]
        == one.times[one.times <= last + numpy.timedelta64(10, "D") + 12 * HOUR][-1]
    )
    with pytest.raises(UserError, match=r"--flares: the last flare is of .* h before .*--history_age 12"):
        report.verify([one.where(one.times > last + 20 * HOUR)], short, QUICK)


def test_outcomes_in_a_file_count_for_those_without_too():
    """A file labelled from another list, and one without targets: one truth for both, and where the lists differ is said."""
    events = flares()
    one = hourly()
    label = FlareIndex(events).label(one.times)
    label[[100, 200]] = ~label[[100, 200]]
    published = Forecasts("published", one.times, one.probability, label, one.fold)
    bare = Forecasts("bare", one.times[5:], one.probability[5:], None, one.fold[5:])
    found = report.verify([bare, published], events, QUICK)
    assert found.scored["bare"].value["brier"] == found.scored["published"].value["brier"]
    (note,) = [note for note in found.notes if note.startswith("bare: has no outcomes")]
    assert "takes those in the files of published; the lists of --flares would give 2 of " in note
    assert f"the first at {one.times[100]}: those files were labelled from another list" in note
    # Without a list as well.
    found = report.verify([bare, published], None, QUICK)
    assert found.scored["bare"].value["brier"] == found.scored["published"].value["brier"]


@pytest.mark.long
def test_the_part_of_flux_forecasts_that_is_scored_as_classes_is_explained(tmp_path, capsys):
    times = numpy.datetime64("2014-01-01", "s") + numpy.arange(293) * numpy.timedelta64(1, "D")
    truth = 10 ** numpy.random.default_rng(0).normal(-6, 0.5, len(times))
    table = pandas.DataFrame(
        {"time": times, "prediction": truth * 1.1, "true_value": truth, "prior_value": numpy.roll(truth, 1)}
    )
    table["true_delta"] = table["true_value"] - table["prior_value"]
    table.to_csv(tmp_path / "f.csv", index=False)
    verification.main([str(tmp_path / "f.csv"), "--samples", "0", "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "these are the later 147 of 293 forecasts; the 146 before give bias and spread of the errors" in printed
    assert "147 forecasts, 2014-" in printed
    assert " hours" not in printed  # they are daily


def test_patterns_are_forecasts_of_their_own_or_folds_of_one(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("a1.csv", "a2.csv")]
    for name in files:
        open(name, "w").close()
    every, none = str(tmp_path / "a?.csv"), str(tmp_path / "b*.csv")
    assert verification.files_of([every, none]) == [(None, files[:1]), (None, files[1:])]
    assert f"no file matches {none}" in capsys.readouterr().err
    assert verification.files_of([f"mine={every}", f"other={none},{files[0]}"]) == [("mine", files), ("other", files[:1])]
    with pytest.raises(UserError, match=r"no file matches .*b\*\.csv; check the folder and the pattern"):
        verification.files_of([f"mine={none}"])
