import numpy
import pandas
import pytest

from dataset_models import flare_catalogue
from dataset_models.flares import flare_pictures
from tools import goes_class

ROWS = "start_time,peak_time,end_time,goes_class\n" + "".join(
    f"2014-0{month}-03 10:00,2014-0{month}-03 10:0{month},2014-0{month}-03 10:{10 * month},{name}\n"
    for month, name in enumerate(("C1.0", "C2.5", "M1.0", "X1.2"), 1)
)


def events_of(path, text=ROWS):
    path.write_text(text)
    return flare_catalogue.read(path).events


@pytest.mark.long
def test_each_picture_says_what_it_counts(tmp_path):
    events = events_of(tmp_path / "flares.csv")
    lines = flare_pictures.draw(tmp_path, events)
    assert lines == [
        "classes.png: 2 C, 1 M, 1 X",
        "durations.png: median duration C 15 min, M 30 min, X 40 min",
        "over_time.png: 4 months",
    ]
    assert {path.name for path in tmp_path.glob("*.png")} == set(flare_pictures.PICTURES)


def test_a_few_weeks_are_counted_by_day_in_bars_as_wide(tmp_path, monkeypatch):
    rows = "start_time,goes_class\n2014-01-03 10:00,M1.0\n2014-01-03 20:00,M1.5\n2014-01-09 10:00,M2.0\n"
    drawn = []
    monkeypatch.setattr(flare_pictures.figures, "save", lambda figure, path: drawn.append(figure))
    assert flare_pictures.over_time(tmp_path / "over_time.png", events_of(tmp_path / "flares.csv", rows)) == "7 days"
    (axes,) = drawn[0].axes
    assert [bar.get_height() for bar in axes.patches] == [2, 0, 0, 0, 0, 0, 1]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.9] * 7)


def test_bars_hold_every_flare_once(tmp_path, monkeypatch):
    flux = numpy.concatenate([10.0 ** numpy.array([-6, -5, -4, -3]), 1e-6 * numpy.arange(10, 100) / 10, [2.3e-8]])
    names = [goes_class.from_flux(value) for value in flux]
    start = pandas.Timestamp("2003-12-31") + pandas.to_timedelta(numpy.arange(len(flux)) * 40, "D")
    none = pandas.Series(pandas.NaT, range(len(flux)), "datetime64[s]")
    events = pandas.DataFrame({"start": start, "peak": none, "end": none, "goes_class": names, "flux": flux})
    seen = []
    monkeypatch.setattr(flare_pictures.figures, "save", lambda figure, path: seen.append(figure))
    lines = flare_pictures.draw(tmp_path, events, simulated=True)
    assert lines[1] == "durations.png: not drawn, since the list has neither peaks nor ends"
    assert lines[2] == "over_time.png: 12 years"
    assert all("(simulated)" in figure.get_suptitle() for figure in seen)
    (_, histogram), years = seen[0].axes, seen[1].axes
    assert sum(bar.get_height() for bar in histogram.patches) == len(flux)
    assert sum(bar.get_height() for axes in years for bar in axes.patches) == len(flux)
    # A round class belongs to the step that it begins.
    begins = [bar.get_x() for bar in histogram.patches if bar.get_height() and bar.get_x() > 0.5e-4]
    assert begins == pytest.approx([1e-4, 1e-3], rel=1e-5)


@pytest.mark.long
def test_the_script_draws_lists_and_refuses_empty_ones(tmp_path, command):
    events_of(tmp_path / "flares.csv")
    script = "dataset_models/flare_catalogue.py"
    code, out, _ = command(script, str(tmp_path / "flares.csv"), "--figures", str(tmp_path / "figures"))
    assert code == 0
    assert f"{tmp_path}/figures/classes.png: 2 C, 1 M, 1 X" in out
    (tmp_path / "none.csv").write_text("start_time,goes_class\n")
    code, _, error = command(script, str(tmp_path / "none.csv"), "--figures", str(tmp_path / "empty"))
    assert code == 2
    assert error.count("\n") == 1
    assert not (tmp_path / "empty").exists()
