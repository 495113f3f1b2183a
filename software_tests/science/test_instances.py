import types

import numpy
import pytest

from dataset_models.solar_data import Channel
from science.explanation import instances
from science.explanation.subject import Sample
from tools.errors import UserError

ROWS = "time,prediction,true_delta,true_value,prior_value\n" + "".join(
    f"2014-01-0{day}T00:00:00Z,{prediction},0,{true},0\n"
    for day, prediction, true in ((1, 0.9, 1), (2, 0.8, 0), (3, 0.7, 1), (4, 0.95, 0), (5, 0.2, 1), (6, 0.1, 0), (7, 0.05, 0))
)


def test_the_surest_hits_and_false_alarms_come_first(tmp_path):
    path = tmp_path / "forecasts.csv"
    path.write_text(ROWS)
    chosen = instances.choose(path, hits=2, false_alarms=1)
    assert chosen.values.tolist() == [
        ["hit", "2014-01-01T00:00:00", 0.9],
        ["hit", "2014-01-03T00:00:00", 0.7],
        ["false alarm", "2014-01-04T00:00:00", 0.95],
    ]
    assert len(instances.choose(path, hits=9, false_alarms=9)) == 4
    assert len(instances.choose(path, hits=9, false_alarms=9, threshold="median")) == 4
    with pytest.raises(UserError, match=r"no forecast of 0\.99 or more"):
        instances.choose(path, hits=1, false_alarms=1, threshold=0.99)


def test_of_a_list_without_outcomes_the_first_are_taken(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("time,flare_prob\n2014-01-01 00:00,0.3\n2014-01-02 00:00,0.6\n2014-01-03 00:00,0.7\n")
    chosen = instances.choose(path, hits=1, false_alarms=1)
    assert chosen["kind"].tolist() == ["instance"] * 2
    assert chosen["prediction"].tolist() == [0.3, 0.6]


def test_two_instances_of_one_forecast_keep_their_rows(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(instances.figures, "save", lambda figure, path: drawn.append(figure))
    data = types.SimpleNamespace(channels=(Channel("magnetogram"),), image_inputs=("image",), places=lambda time: ())
    subject = types.SimpleNamespace(data=data, model_path=tmp_path / "network.hdf5")
    image = numpy.arange(64.0).reshape(1, 8, 8, 1)
    sample = Sample({"image": image}, {"image": "image"}, "first", None, simulated=True)
    maps = [types.SimpleNamespace(maps={"image": image - 30}, method=name) for name in ("one", "other")]
    instances.draw(tmp_path / "maps.png", subject, [("hit, p = 0.35", sample, maps)] * 2)
    (figure,) = drawn
    assert len(figure.axes) == 6
    assert figure.get_suptitle() == "network.hdf5: 2 instances (simulated)"
