import json

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue, simulation_mark
from dataset_models.images import solar_grid
from dataset_models.pictures import cut_outs
from dataset_models.simulated import archive, practice
from dataset_models.simulated.sun import SimulatedSun, image_header
from tools import figures
from tools.errors import UserError


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    sun = SimulatedSun(start="2014-01-03", days=6)
    archive.write_archive(folder, sun, products=("flares", "hek", "donki"))
    return folder


def test_answers_of_hek_and_donki_hold_the_flares_of_the_list(lists):
    own = flare_catalogue.read(lists / "flares.csv").events
    hek = flare_catalogue.read(lists / "hek.csv")
    assert hek.lists[0].source == "HEK"
    columns = ["start", "goes_class", "longitude", "latitude"]
    assert hek.events[columns].to_string() == own[columns].to_string()
    donki = flare_catalogue.read(lists / "donki.json")
    assert donki.lists[0].source == "DONKI"
    strong = own[own["flux"] >= 1e-6].reset_index(drop=True)
    assert donki.events["goes_class"].tolist() == strong["goes_class"].tolist()
    assert (donki.events["start"] - strong["start"]).abs().max() < numpy.timedelta64(60, "s")
    assert (donki.events["longitude"] - strong["longitude"]).abs().max() <= 0.51
    assert not [*hek.problems, *donki.problems]
    assert simulation_mark.of_file(lists / "hek.csv")
    assert simulation_mark.of_file(lists / "donki.json")
    assert flare_catalogue.read([lists / "hek.csv", lists / "donki.json"]).counts["merged"] == len(strong)


def test_a_genuine_answer_of_donki_is_not_called_simulated(tmp_path):
    (tmp_path / "donki.json").write_text(json.dumps([{"flrID": "2022-09-04T07:35:00-FLR-001", "classType": "C3.9"}]))
    assert simulation_mark.of_file(tmp_path / "donki.json") is False


@pytest.mark.long
def test_the_practice_archive_is_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(practice, "SMALL", {"start": "2014-01-03", "days": 1, "cadence_minutes": 720})
    monkeypatch.setattr(practice, "SIZE", 32)
    found = practice.practice(tmp_path, small=True)
    assert len(list(tmp_path.rglob("*.jpg"))) == 2
    assert len(found.goes) == 3
    (tmp_path / "complete.txt").unlink()  # as after a kill
    assert practice.practice(tmp_path, small=True) == found
    monkeypatch.setattr(archive, "write_archive", lambda *_, **__: pytest.fail("is written again"))
    assert practice.practice(tmp_path, small=True) == found


@pytest.mark.parametrize(("longitude", "latitude"), [(0.0, 0.0), (50.0, 20.0), (-50.0, -30.0)])
def test_a_cut_out_has_its_place_in_the_middle(longitude, latitude):
    header = image_header(128, numpy.datetime64("2014-01-01"))
    rows, columns = numpy.indices((128, 128))
    ((_, x, y),) = solar_grid.projected(header, [("", longitude, latitude)])
    scale = header["CDELT1"]
    distance = numpy.hypot((columns - 63.5) * scale - x, (63.5 - rows) * scale - y)
    cut = solar_grid.cut_out(distance, header, longitude, latitude, width=31)
    place = numpy.unravel_index(cut.argmin(), cut.shape)
    assert numpy.abs(numpy.subtract(place, 15)).max() <= 1
    assert solar_grid.cut_out(distance, header, longitude, latitude, width=128).shape == (128, 128)
    for words, width in ((200.0, 8), (longitude, 129)):
        with pytest.raises(UserError):
            solar_grid.cut_out(distance, header, words, latitude, width=width)


def test_places_rotate_with_the_sun():
    assert cut_outs.longitude_at(10.0, 0.0, 0.0) == 10.0
    assert cut_outs.longitude_at(0.0, 0.0, 27.0) == pytest.approx(361.7, abs=1)  # the equator, in a synodic rotation
    assert cut_outs.longitude_at(0.0, 60.0, 1.0) < cut_outs.longitude_at(0.0, 30.0, 1.0) < cut_outs.longitude_at(0.0, 0.0, 1.0)


def test_pictures_are_named_where_there_is_no_jupyter(tmp_path, capsys):
    (tmp_path / "b.png").touch()
    (tmp_path / "a.png").touch()
    figures.show(tmp_path, tmp_path / "b.png", tmp_path / "not_drawn.png")
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}\n{tmp_path / 'b.png'}\n{tmp_path / 'b.png'}\n"


def test_the_strongest_flares_are_those_whose_region_was_seen():
    events = pandas.DataFrame({"longitude": [10.0, -70.0, numpy.nan, -20.0], "flux": [1e-6, 1e-4, 1e-3, 2e-6]})
    assert cut_outs.strongest(events, count=3)["flux"].tolist() == [2e-6, 1e-6]
    with pytest.raises(UserError, match=r"1 of 2 flares have a position, none within 60 degrees"):
        cut_outs.strongest(events.iloc[1:3], count=3)
