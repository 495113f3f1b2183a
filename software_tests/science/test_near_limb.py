"""Skill by position: published recalls, cells, and flares without a position."""

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue
from science import instance_tables
from science.near_limb import near_limb
from tools.errors import UserError


def test_published_recalls(shared):
    folder = shared / "published_predictions"
    found = near_limb.centre_and_limb(near_limb.read([folder / "alex_x_class.csv", folder / "alex_m_class.csv"]))
    for name, centre, limb in (("X", 0.919, 0.651), ("M", 0.797, 0.557)):
        assert round(found[name]["centre"].value, 3) == centre
        assert round(found[name]["limb"].value, 3) == limb
    assert found["M and X"]["centre"].instances == found["M"]["centre"].instances + found["X"]["centre"].instances


def table(rows):
    columns = ("timestamp", "flare_prob", "goes_class", "fl_lon", "fl_lat")
    return pandas.DataFrame(rows, columns=columns)


ROWS = [
    ("2014-01-01 00:00:00", 0.9, "X1.0", "10.0", "12.0"),
    ("2014-01-01 01:00:00", 0.4, "X1.0", "10.0", "12.0"),
    ("2014-01-05 00:00:00", 0.2, "M2.0", "-75.0", "-8.0"),
    ("2014-01-07 00:00:00", 0.8, "M1.0", "unk", "unk"),
    ("2014-01-09 00:00:00", 0.8, "C9.9", "0.0", "0.0"),
]


@pytest.fixture
def path(tmp_path):
    table(ROWS).to_csv(tmp_path / "f.csv", index=False)
    return tmp_path / "f.csv"


def test_groups_and_cells(path):
    instances = near_limb.read([path])
    assert len(instances) == 4  # the C flare is none
    found = near_limb.centre_and_limb(instances)
    assert found["X"]["centre"].value == 0.5
    assert (found["M"]["limb"].hits, found["M"]["limb"].instances) == (0, 1)
    assert found["M"]["unknown"].instances == 1
    assert numpy.isnan(found["X"]["limb"].value)
    assert "undefined" in str(found["X"]["limb"])
    cells = near_limb.cells(instances)
    both = cells[cells["class"] == "M and X"]
    assert both[["longitude", "latitude", "instances", "hits", "flares"]].to_numpy().tolist() == [
        [-75, -10, 1, 0, 1],
        [10, 10, 2, 1, 1],
    ]


def test_intervals_draw_flares_not_hours():
    random = numpy.random.default_rng(0)
    flare = numpy.repeat(numpy.arange(30), 24)
    probability = numpy.repeat(random.random(30), 24)
    flux, zero = numpy.full(720, 1e-5), numpy.zeros(720)
    together = near_limb.recall(near_limb.Instances(probability, flux, zero, zero, flare))
    apart = near_limb.recall(near_limb.Instances(probability, flux, zero, zero, numpy.arange(720)))
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_a_few_flares_have_no_interval():
    flare = numpy.repeat(numpy.arange(6), 12)
    flux, zero = numpy.full(72, 1e-5), numpy.zeros(72)
    six = near_limb.Instances(numpy.where(flare < 4, 0.9, 0.1), flux, zero, zero, flare)
    assert near_limb.recall(six).low < near_limb.recall(six).value < near_limb.recall(six).high
    hit = near_limb.recall(six.where(flare < 4))
    assert (hit.value, hit.flares) == (1, 4)
    assert numpy.isnan([hit.low, hit.high]).all()
    assert str(hit) == "1.000 (too few flares for an interval; 48 hours before 4 flares)"


@pytest.mark.long
def test_script_writes_pictures(path, tmp_path, capsys):
    near_limb.main([str(path), "--out", str(tmp_path / "out")])
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"cells.csv", "disk_M_and_X.png", "map_M_and_X.png"} <= names
    assert "without a position" in capsys.readouterr().out


@pytest.mark.slow
def test_instances_are_tables_that_can_be_read_again(path, tmp_path):
    near_limb.main([str(path), "--out", str(tmp_path / "out"), "--format", "svg", "--cell", "15", "--threshold", "0.45"])
    cells = pandas.read_csv(tmp_path / "out" / "cells.csv")
    assert cells[cells["class"] == "M and X"]["longitude"].tolist() == [-75.0, 0.0]
    assert (tmp_path / "out" / "map_X.svg").read_text().startswith("<?xml")
    tables = {name: pandas.read_csv(tmp_path / "out" / f"{name}_class.csv") for name in "xmc"}
    assert {name: found["outcome"].tolist() for name, found in tables.items()} == {
        "x": ["TP", "FN"],
        "m": ["FN", "TP"],
        "c": ["FP"],
    }
    assert tables["x"]["time"].tolist() == ["2014-01-01T00:00:00Z", "2014-01-01T01:00:00Z"]
    assert tables["m"]["goes_class"].tolist() == ["M2.0", "M1.0"]
    assert tables["m"]["fl_lon"].isna().tolist() == [False, True]
    again = near_limb.read([tmp_path / "out" / f"{name}_class.csv" for name in "xmc"])
    assert str(near_limb.recall(again)) == str(near_limb.recall(near_limb.read([path])))
    with pytest.raises(UserError, match="--cell 7: must divide 90"):
        near_limb.main([str(path), "--out", str(tmp_path / "none"), "--cell", "7"])
    assert not (tmp_path / "none").exists()


def test_published_instances_come_back_with_their_files(shared, tmp_path):
    source = shared / "published_predictions" / "alex_x_class.csv"
    published = pandas.read_csv(source)
    (name,) = instance_tables.write(tmp_path, instance_tables.read([source]), threshold=0.5)
    assert name == "x_class.csv"
    found = pandas.read_csv(tmp_path / name)
    assert found["file"].tolist() == published["timestamp"].tolist()
    assert found["goes_class"].tolist() == published["goes_class"].tolist()
    assert (found["flare_start"] == published["flare_start"].str.replace(" ", "T") + "Z").all()
    assert (found["outcome"] == "TP").sum() == (published["flare_prob"] >= 0.5).sum()


def test_class_and_place_from_a_catalogue(tmp_path):
    pandas.DataFrame({"time": ["2014-01-01 00:00:00"], "probability": [0.7]}).to_csv(tmp_path / "f.csv", index=False)
    (tmp_path / "list.csv").write_text(
        "start_time,goes_class,fl_lon,fl_lat\n2014-01-01 05:00:00,M3.0,80.0,5.0\n2014-01-09 05:00:00,C3.0,1.0,5.0\n"
    )
    events = flare_catalogue.read([tmp_path / "list.csv"]).events
    instances = near_limb.read([tmp_path / "f.csv"], flares=events)
    assert instances.longitude.tolist() == [80.0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("2014-01-01 00:00:00", 1.4, "X1.0", "1", "2"), "1.4 is no probability"),
        (("2014-01-01 02:00:00", 0.4, "Z1.0", "1", "2"), "row 6"),
        (("2014-01-01 02:00:00", 0.4, "X1.0", "200", "2"), "no place on the Sun"),
        (("2014-01-01 00:00:00", 0.4, "X1.0", "10.0", "12.0"), "occurs twice"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    table([*ROWS, row]).to_csv(tmp_path / "f.csv", index=False)
    with pytest.raises(UserError, match=message):
        near_limb.read([tmp_path / "f.csv"])


def test_fluxes_are_no_probabilities(tmp_path):
    """Fluxes lie between 0 and 1, so nothing else would say that each of them is a no."""
    columns = {"prediction": [2e-5, 3e-6], "true_value": [1e-5, 1e-6], "prior_value": [1e-6, 1e-6]}
    times = {"time": ["2014-01-01 00:00:00", "2014-01-01 01:00:00"]}
    pandas.DataFrame(times | columns).to_csv(tmp_path / "f.csv", index=False)
    (tmp_path / "list.csv").write_text("start_time,goes_class,fl_lon,fl_lat\n2014-01-01 05:00:00,M3.0,80.0,5.0\n")
    with pytest.raises(UserError, match=r"f.csv: holds flux forecasts \(W m\^-2\), no probabilities"):
        near_limb.main([str(tmp_path / "f.csv"), "--flares", str(tmp_path / "list.csv"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_empty_flare_list(path, tmp_path):
    (tmp_path / "list.csv").write_text("start_time,goes_class,fl_lon,fl_lat\n")
    with pytest.raises(UserError, match="--flares: the lists hold no flare"):
        near_limb.main([str(path), "--flares", str(tmp_path / "list.csv"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_what_has_no_position_is_said_beside_the_recall(path, tmp_path, capsys, monkeypatch):
    titles = []
    monkeypatch.setattr("science.near_limb.pictures.disk", lambda *_, title, **__: titles.append(title))
    monkeypatch.setattr("science.near_limb.pictures.plane", lambda *_, title, **__: titles.append(title))
    near_limb.main([str(path), "--out", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    (both,) = [line for line in lines if line.strip().startswith("M and X")]
    assert both.endswith("2 hours before 1 flares), without 1 of 4 hours (25 %) of unknown position")
    of_m = [line for line in lines if "1 of 2 hours (50 %)" in line]
    assert len(of_m) == 2  # centre and limb
    (of_x,) = [line for line in lines if line.strip().startswith("X ")]
    assert "unknown position" not in of_x
    assert titles[0] == "X flares, forecast of 0.5 or more"
    assert titles[-1].splitlines()[1] == "without 1 of 4 hours (25 %) of unknown position"


@pytest.mark.parametrize("where", ["forecasts", "list"])
def test_simulated_forecasts_or_flares_are_said_to_be(path, tmp_path, capsys, monkeypatch, where):
    titles = []
    monkeypatch.setattr("science.near_limb.pictures.disk", lambda *_, title, **__: titles.append(title))
    monkeypatch.setattr("science.near_limb.pictures.plane", lambda *_, title, **__: titles.append(title))
    arguments = [str(path), "--out", str(tmp_path / "out")]
    if where == "forecasts":
        pandas.read_csv(path).assign(simulated=1).to_csv(path, index=False)
    else:
        (tmp_path / "list.csv").write_text(
            "start_time,goes_class,fl_lon,fl_lat,simulated\n2014-01-01 12:00:00,X1.0,10.0,12.0,1\n"
        )
        arguments += ["--flares", str(tmp_path / "list.csv")]
    near_limb.main(arguments)
    assert "simulated data, not of observations" in capsys.readouterr().out
    assert all("(simulated)" in title for title in titles)
    assert set(pandas.read_csv(tmp_path / "out" / "cells.csv")["simulated"]) == {1}
