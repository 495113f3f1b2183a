import json

import hypothesis
import numpy
import pytest
from hypothesis import strategies

from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from science.operational_forecast import record
from tools.errors import UserError

TIME = numpy.datetime64("2026-02-01T00:30:00")


def example(**changes):
    """A record with everything in it."""
    probabilities = {"C1.0": Probability(0.8, 0.7, 0.9), "M1.0": Probability(0.3, 0.2, 0.4), "X1.0": Probability(0.01)}
    region = RegionForecast(14274, {"M1.0": Probability(0.2)}, longitude=-3.5, latitude=12.0)
    parts = {
        "number": 1,
        "previous": record.NO_LINE,
        "kind": "forecast",
        "logged": "2026-02-01T00:31:05Z",
        "forecast": Issued("alexnet and regions", TIME, *record.window_of(TIME, 24), probabilities, (region,)),
        "basis": ("image", "history"),
        "left_out": (("regions", "no summary of 2026-02-01"),),
        "all_clear": record.AllClear("M1.0", 0.05, 0.9, False),
        "members": (record.Member("alexnet", "image", (("best_performing.hdf5", "ab" * 32),), {"M1.0": 0.3}, 0.61),),
        "inputs": (record.Input("image", "HMI.m2026.02.01_00.00.00.jpg", "cd" * 32, "2026-02-01T00:00:00Z"),),
        "configuration": "ef" * 32,
        "software": "2.0",
        "map": "20260201T003000",
        "map_method": "rate map",
    }
    return record.Record(**(parts | changes))


def test_a_record_comes_back_from_its_line():
    line = record.to_line(example())
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert record.from_line(line, "log, line 1") == example()
    assert record.to_line(record.from_line(line, "log, line 1")) == line


def test_digest_leaves_the_line_end_out():
    line = record.to_line(example())
    assert record.digest_of(line) == record.digest_of(line[:-1])
    assert record.digest_of(line) != record.digest_of(line.replace(b"0.3", b"0.4"))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "flare forecast 9"},
        {"kind": "guess"},
        {"disk": {"M1.0": {"probability": 1.2, "low": None, "high": None}}},
        {"disk": {"M1.0": {"probability": 0.2, "low": 0.3, "high": 0.1}}},
        {"disk": {}, "regions": []},
        {"window": ["2026-02-01T00:30:00Z", "2026-02-01T00:30:00Z"]},
        {"window": ["2026-02-01T00:30:00Z"]},
        {"issued": "yesterday"},
        {"mode": "perhaps"},
        {"members": [{"name": "alexnet"}]},
        {"inputs": [{"file": "image.jpg"}]},
        {"all_clear": {"clear": True}},
        {"basis": 7},
    ],
)
def test_a_line_with_something_wrong_is_named(change):
    content = json.loads(record.to_line(example())) | change
    del content["seal"]
    line = record.sealed(json.dumps(content).encode().removesuffix(b"}"))
    with pytest.raises(UserError, match=r"^log, line 1: ") as raised:
        record.from_line(line, "log, line 1")
    assert "\n" not in str(raised.value)
    assert "seal" not in str(raised.value)


def test_every_changed_byte_breaks_the_seal():
    line = record.to_line(example())
    assert record.is_sealed(line)
    assert record.is_sealed(line[:-1])
    for place in range(len(line) - 1):
        for other in (line[place] ^ 1, line[place] ^ 0x20, 0x0A):
            assert not record.is_sealed(line[:place] + bytes([other]) + line[place + 1 :])
    with pytest.raises(UserError, match="log, line 1: was changed after it was written"):
        record.from_line(line.replace(b"0.3", b"0.4"), "log, line 1")


@pytest.mark.parametrize("kind", ["correction", "withdrawal"])
def test_corrections_and_withdrawals_name_their_line_and_reason(kind):
    changes = {"number": 3, "kind": kind, "corrects": 2, "reason": "of another day's magnetogram"}
    line = record.to_line(example(**changes))
    assert record.from_line(line, "log, line 3") == example(**changes)
    for wrong in (
        {"corrects": None},
        {"corrects": 3},
        {"corrects": 0},
        {"reason": None},
        {"reason": " "},
        {"kind": "forecast"},
    ):
        with pytest.raises(UserError, match=r"^log, line 3: a (correction|withdrawal|forecast) of line"):
            record.from_line(record.to_line(example(**(changes | wrong))), "log, line 3")


@hypothesis.given(strategies.binary(max_size=60), strategies.integers(0, 900))
def test_any_bytes_end_in_a_record_or_one_line(inserted, place):
    line = record.to_line(example())
    damaged, refused = line[:place] + inserted + line[place:], ""
    try:
        record.from_line(damaged, "log, line 1")
    except UserError as error:
        refused = str(error)
    assert not refused or refused.startswith("log, line 1: ")
