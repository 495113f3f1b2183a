"""Runs, maps and scores from a notebook: what its lines give is what the scripts give, and shows itself."""

import ast
import json
import pathlib
import re

import numpy
import pandas
import pytest

from network_models.run_folder import RunFolder
from network_models.trained_network import save_network
from science import explain as notebook
from science.explanation.attribution import Attribution
from science.saliency import saliency
from science.side_by_side import side_by_side
from science.verification import report, runs
from science.verification.scores import score
from tools import quiet_tensorflow
from tools.errors import UserError

README = pathlib.Path(__file__).parents[2] / "science" / "README.md"
START = numpy.datetime64("2026-02-01", "s")


def lines_of_the_readme():
    """The lines of the section In a notebook: list of str."""
    section = re.search(r"^## In a notebook\n(.*?)^## ", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    return [line[4:] for line in section.splitlines() if line.startswith("    ")]


def run_cells(lines):
    """Run lines as cells of a notebook: the objects that it would show, by line, and the namespace."""
    shown, namespace = {}, {"__name__": "__main__"}
    for node in ast.parse("\n".join(lines)).body:
        source = ast.unparse(node)
        if isinstance(node, ast.Expr):
            shown[source] = eval(compile(source, "<cell>", "eval"), namespace)
        else:
            exec(compile(source, "<cell>", "exec"), namespace)
    return shown, namespace


@pytest.mark.long
def test_the_lines_of_the_readme_train_explain_and_verify(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quiet_tensorflow, "install", lambda: None)
    lines = lines_of_the_readme()
    assert len(lines) <= 15
    shown, namespace = run_cells(lines)
    for name in ("sun", "sun.samples('validation')", "run", "map_", "verify(run)"):
        markup = shown[name]._repr_html_()
        assert "<table" in markup
        assert not re.search(r"<script|https?://|javascript:", markup)
    assert len(shown["sun.samples('validation')"]) == len(namespace["sun"].times("validation"))
    run, scores = shown["run"], shown["verify(run)"]
    assert run.folder.path.parent == pathlib.Path("my_runs/trained_models")
    assert scores.scored["climatology"].value["brier"] == pytest.approx(
        numpy.mean((run.scores["climatology"] - scores.forecasts[next(iter(scores.forecasts))].event) ** 2)
    )
    assert next(iter(scores.scored.values())).value["tss"] == pytest.approx(run.scores["tss"])
    assert scores.scored["persistence"].value["tss"] == pytest.approx(run.scores["persistence_tss"])
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert shown["map_"].plot()._repr_png_().startswith(b"\x89PNG")
    assert "(simulated)" in str(scores)


@pytest.fixture
def run(tmp_path, network, dataset):
    """A run with a small network that was not trained, on the spots."""
    folder = RunFolder.create(tmp_path / "runs")
    save_network(network(), folder.best)
    folder.write_settings({"dataset": str(dataset), "data_options": {}})
    return folder


@pytest.mark.long
def test_a_map_is_that_of_the_script(run, dataset, tmp_path):
    found = notebook.explain("saliency", run, "2026-02-01T00:00")
    saliency.main([str(run.best), str(dataset), "2026-02-01T00:00", "--out", str(tmp_path / "script")])
    (record,) = (tmp_path / "script").glob("*.json")
    assert found.passport == json.loads(record.read_text())
    saved = found.save(tmp_path / "python")
    assert {path.name for path in saved} == {path.name for path in (tmp_path / "script").iterdir()}
    (arrays,) = [path for path in saved if path.suffix == ".npz"]
    with numpy.load(arrays) as ours, numpy.load(tmp_path / "script" / arrays.name) as theirs:
        numpy.testing.assert_array_equal(ours["image"], theirs["image"])

    text, markup = str(found), found._repr_html_()
    for name, good in found.passport["checks"].items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
        assert ("passed" in line) == good
        assert ("FAILED: the map" in line) != good
    assert markup.count("data:image/png;base64,") == 1
    assert markup.count("not made: ") == len(found.passport["not_applicable"])
    titles = [found.plot(name).get_suptitle().splitlines()[0] for name in ("171", "magnetogram", None)]
    assert titles == [f"2026-02-01 00:00 UTC, {name} (simulated)" for name in ("171", "magnetogram", "magnetogram")]
    with pytest.raises(UserError, match="--channel 94: the data set has 171, magnetogram"):
        found.plot("94")


@pytest.mark.long
def test_maps_beside_each_other_are_those_of_the_script(run, dataset, tmp_path):
    names, time = ("saliency", "input x gradient"), "2026-02-01T00:00"
    found = notebook.compare(run, time, names=("attention 1", *names))
    script = tmp_path / "script"
    side_by_side.main([str(run.best), str(dataset), time, "--methods", *names, "--out", str(script)])
    picture = found.save(tmp_path / "python")
    assert picture.read_bytes() == (script / picture.name).read_bytes()
    assert {path.name for path in picture.parent.iterdir()} == {path.name for path in script.iterdir()}
    (record,), (arrays,) = script.glob("*.json"), script.glob("*.npz")
    assert (picture.parent / record.name).read_text() == record.read_text()
    with numpy.load(picture.parent / arrays.name) as ours, numpy.load(arrays) as theirs:
        assert all(numpy.array_equal(ours[name], theirs[name]) for name in theirs)
    text, markup = str(found), found._repr_html_()
    assert text.startswith("2 methods, 2026-02-01 00:00 UTC (simulated)")
    assert "attention 1: left out, " in text
    for name in names:
        failed = not all(json.loads(record.read_text())[name]["checks"].values())
        (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
        assert ("failed: " in line) == failed
    assert markup.count("data:image/png;base64,") == 1
    assert "image, 171" in [axes.get_title() for axes in found.plot("171").axes]
    with pytest.raises(UserError, match="attention 1: none of them applies to this network"):
        notebook.compare(run, time, names=("attention 1",))
    with pytest.raises(UserError, match="method 'salience': choose from saliency"):
        notebook.compare(run, time, names=("saliency", "salience"))


def test_times_results_and_other_data_sets_are_taken(run, dataset):
    from dataset_models.solar_data import load_solar_data

    data = load_solar_data(dataset)(count=3)
    by_text = notebook.explain("input x gradient", str(run), "2026-02-01T01:00")
    by_time = notebook.explain("input x gradient", run, data.times("training")[1], data=data)
    assert by_time.subject.data is data
    numpy.testing.assert_array_equal(by_text.attribution.maps["image"], by_time.attribution.maps["image"])
    with pytest.raises(UserError, match="has no sample at this time"):
        notebook.explain("saliency", run, "2026-02-01T05:00", data=data)
    with pytest.raises(UserError, match="method 'salience': choose from saliency"):
        notebook.explain("salience", run, "2026-02-01T00:00")
    with pytest.raises(UserError, match="no such run folder"):
        notebook.explain("saliency", "none", "2026-02-01T00:00")


def test_maps_alone_are_drawn_by_sample_and_channel():
    values = numpy.zeros((2, 4, 4, 3), "float32")
    values[1, 2, 1, 0], values[1, 0, 0, 2] = -3, 5
    maps = Attribution("a <method>", {"image": values, "side_channel": numpy.ones((2, 3))}, numpy.array([1.5, -2]), 0, "t", {})
    assert "&lt;method&gt;" in maps._repr_html_()
    assert "2 x 4 x 4 x 3  -3" in str(maps)
    assert "1.5, -2" in str(maps)
    for channel, expected in ((0, values[1, ..., 0]), (-1, values[1, ..., 2])):
        (drawn,) = maps.plot(1, channel=channel).axes[0].get_images()
        numpy.testing.assert_array_equal(drawn.get_array(), expected)
    assert "channel 2" in maps.plot(1).axes[0].get_title()
    for keywords, message in (
        ({"row": 2}, "row 2: there are maps of 2 samples"),
        ({"channel": 3}, "channel 3: the map of image has 3 channels"),
        ({"name": "side_channel"}, "input 'side_channel': no map of an image; there are maps of image"),
    ):
        with pytest.raises(UserError, match=message):
            maps.plot(**keywords)


def forecasts_of(folder, *, flux=False, prior=1.0, count=240):
    """Write what a run leaves of its forecasts: (probability or flux, truth, prior)."""
    random = numpy.random.default_rng(4)
    true = 10 ** random.normal(-5.5, 0.6, count) if flux else (random.random(count) < 0.3).astype(float)
    forecast = (
        true * 10 ** random.normal(0, 0.3, count) if flux else numpy.clip(0.3 + 0.3 * true + random.normal(0, 0.1, count), 0, 1)
    )
    before = numpy.roll(true, 1) * prior
    times = [f"{time}Z" for time in START + numpy.arange(count) * numpy.timedelta64(6, "h")]
    columns = {"time": times, "prediction": forecast, "true_delta": true - before, "true_value": true, "prior_value": before}
    folder.performance.mkdir()
    pandas.DataFrame(columns | {"simulated": 1}).to_csv(folder.performance / runs.FORECASTS, index=False)
    (folder.performance / "scores.json").write_text(json.dumps({"climatology": 0.25}))
    return forecast, true, before


def test_probabilities_of_a_run_are_scored_beside_what_it_knows(run):
    forecast, true, before = forecasts_of(run)
    found = runs.verify(run, settings=report.Settings(samples=40))
    assert list(found.baselines) == ["climatology", "persistence"]
    for scored, probability in zip(found.scored.values(), (forecast, numpy.full(len(true), 0.25), before), strict=True):
        expected = score(probability, true.astype(bool)).value
        for name in ("tss", "hss", "brier", "auc"):
            assert scored.value[name] == pytest.approx(expected[name], abs=1e-6), name
    text, markup = str(found), found._repr_html_()
    assert "240 forecasts" in text
    value, (low, high) = found.scored["persistence"].value["tss"], found.scored["persistence"].interval("tss")
    assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in text
    assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in markup
    assert re.search(r"run \d+ adds .* against", text)
    assert "no flare list" not in text


def test_persistence_that_is_not_known_everywhere_is_no_baseline(run):
    forecasts_of(run, prior=numpy.where(numpy.arange(240) == 7, numpy.nan, 1.0))
    assert list(runs.verify(run, settings=report.Settings(samples=0)).baselines) == ["climatology"]


def test_fluxes_of_a_run_are_scored_in_dex(run):
    forecast, true, _ = forecasts_of(run, flux=True)
    found = runs.verify(run, settings=report.Settings(samples=40))
    rmse = numpy.sqrt(numpy.mean(numpy.log10(forecast / true) ** 2))
    assert found.errors["rmse"] == pytest.approx(rmse)
    text = str(found)
    assert f"rmse               {rmse:.3f} [" in text
    assert set(found.classes) == {"C", "M"} or set(found.classes) == {"C", "M", "X"}
    assert "(simulated)" in text.splitlines()[0]
    assert "<table" in found._repr_html_()
    with pytest.raises(UserError, match="flares: are for forecasts of probabilities"):
        runs.verify(run, flares=["list.csv"])


def test_a_run_without_forecasts_is_named(run):
    with pytest.raises(UserError, match=r"validation_forecasts\.csv: is missing; it is written when"):
        runs.verify(run)
    forecasts_of(run)
    (run.performance / "scores.json").write_text("{}")
    with pytest.raises(UserError, match="has no climatology; --resume of the run makes it anew"):
        runs.verify(run)


def test_references_cover_the_hours_that_are_scored():
    times, event = START + numpy.arange(30) * numpy.timedelta64(1, "h"), numpy.arange(30) % 3 == 0
    mine = report.Forecasts("mine", times, numpy.linspace(0, 1, 30), event, numpy.zeros(30, int))
    longer = report.Forecasts(
        "more", START + numpy.arange(-5, 40) * numpy.timedelta64(1, "h"), numpy.full(45, 0.2), None, numpy.zeros(45, int)
    )
    found = report.verify([mine], settings=report.Settings(samples=0), references=[longer])
    numpy.testing.assert_array_equal(found.baselines["more"].times, times)
    with pytest.raises(UserError, match="more: lacks hours of mine"):
        report.verify([mine], settings=report.Settings(samples=0), references=[longer.where(slice(0, 20))])
