import csv
import dataclasses
import json
import pathlib

import numpy
import pytest

from dataset_models import simulation_mark
from network_models.forecasts.exchange import ccmc_json, ccmc_text, ccmc_xml, formats
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from science.operational_forecast import export, record
from tools import modules

SCRIPT = pathlib.Path(export.__file__)
TIME = numpy.datetime64("2026-02-01T00:30:00")
HOUR = numpy.timedelta64(3600, "s")


def a_record(hour, **changes):
    """A record of a forecast so many hours after `TIME`; changes of the forecast."""
    issued = TIME + hour * HOUR
    probabilities = {
        "C1.0": Probability(0.8, 0.7, 0.9),
        "M1.0": Probability(0.300001, 0.2, 0.4),
        "M5.0": Probability(0.05, 0.01, 0.1),
        "X1.0": Probability(0.0),
    }
    regions = (RegionForecast(14274, {"M1.0": Probability(0.2)}, longitude=-3.5, latitude=12.25),)
    parts = {"method": "=alexnet and regions", "probabilities": probabilities, "regions": regions, "mode": "replayed"}
    window = record.window_of(issued, 24)
    return record.Record(
        number=1,
        previous=record.NO_LINE,
        kind="forecast",
        logged="2026-02-01T00:31:05Z",
        forecast=Issued(issued=issued, begin=window[0], end=window[1], **(parts | changes)),
        basis=("image", "history"),
        left_out=(("regions", "no summary of 2026-02-01"),),
        all_clear=record.AllClear("M1.0", 0.05, 0.9, False),
        inputs=(record.Input("image", "HMI.m2026.02.01.jpg", "cd" * 32), record.Input("flare list", "flares.csv", "ab" * 32)),
    )


@pytest.fixture
def log(tmp_path):
    """Write records as a log: a function of them that returns its path."""

    def write(*records):
        previous, content = record.NO_LINE, b""
        for number, one in enumerate(records, 1):
            line = record.to_line(dataclasses.replace(one, number=number, previous=previous))
            content, previous = content + line, record.digest_of(line)
        (tmp_path / "log.jsonl").write_bytes(content)
        return tmp_path / "log.jsonl"

    return write


def test_every_format_comes_back_as_it_is_in_the_log(log, tmp_path, command):
    path = log(a_record(0), a_record(1, simulated=False), a_record(2, mode="on time", regions=()))
    ended = command(SCRIPT, path, "--out", tmp_path / "out")
    assert (ended.code, ended.err) == (0, "")
    assert "ccmc-json  3 forecasts, read back equal to the log; no room for M5.0\n" in ended.out
    assert "ccmc-text  3 forecasts, read back equal to the log; no room for M5.0, intervals\n" in ended.out
    assert "csv        3 forecasts, read back equal to the log\n" in ended.out
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    stems = [f"Flare_Forecast_alexnet_and_regions_20260201_0{hour}30" for hour in range(3)]
    sent = [f"{stem}{suffix}" for stem in stems for suffix in (".json", ".txt", ".xml")]
    assert names == [*sent, "forecasts.csv", "latest.json"]
    for form, suffix in ((ccmc_json, ".json"), (ccmc_xml, ".xml"), (ccmc_text, ".txt")):
        (found,) = formats.read(tmp_path / "out" / f"{stems[1]}{suffix}")
        assert found == form.carried(a_record(1).forecast)
        assert found.mode == "replayed"
        assert found.probabilities["X1.0"].value == 0


def test_table_carries_no_formula_and_leaves_missing_empty(log, tmp_path, command):
    path = log(a_record(0), a_record(1, probabilities={"M1.0": Probability(0.0)}))
    command(SCRIPT, path, "--out", tmp_path / "out", "--formats", "csv")
    with open(tmp_path / "out" / "forecasts.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["method"] == "'=alexnet and regions"
    assert (first["M1.0"], first["M1.0_low"], first["M5.0"]) == ("0.300001", "0.2", "0.05")
    assert (second["M1.0"], second["M1.0_low"], second["C1.0"]) == ("0.0", "", "")
    assert (first["basis"], first["mode"], first["simulated"], first["all_clear"]) == ("image+history", "replayed", "0", "0")


def test_latest_is_the_newest_and_names_its_line(log, tmp_path, command):
    path = log(a_record(1), a_record(0))
    command(SCRIPT, path, "--out", tmp_path / "out", "--formats", "latest")
    latest = json.loads((tmp_path / "out" / "latest.json").read_text())
    assert latest["issued"] == "2026-02-01T01:30:00Z"
    assert latest["sha256"] == record.digest_of(path.read_bytes().splitlines()[0])
    assert latest["probabilities"]["X1.0"] == {"probability": 0.0, "low": None, "high": None}
    assert latest["regions"][0]["latitude"] == 12.25
    assert latest["all_clear"] == {"event": "M1.0", "below": 0.05, "confidence": 0.9, "clear": False}


def test_simulated_stays_marked_in_every_file(log, tmp_path, command):
    command(SCRIPT, log(a_record(0, simulated=True, mode="on time")), "--out", tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) == 5
    for file in files:
        marked = [one.simulated for one in formats.read(file)] if file.name.startswith("Flare") else []
        assert marked == [True] or simulation_mark.of_file(file), file.name
    sent = json.loads(next(file for file in files if file.name.startswith("Flare") and file.suffix == ".json").read_text())
    assert sent["forecast_submission"]["mode"] == "test"


def test_last_forecasts_under_the_registered_name(log, tmp_path, command):
    path = log(a_record(0), a_record(1), a_record(2))
    flags = ("--last", 2, "--model", "SolarNet", "--spase", "spase://CCMC/SimulationModel/SolarNet/1")
    command(SCRIPT, path, "--out", tmp_path / "out", "--formats", "ccmc-json", *flags)
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["Flare_Forecast_SolarNet_20260201_0130.json", "Flare_Forecast_SolarNet_20260201_0230.json"]
    sent = json.loads((tmp_path / "out" / names[0]).read_text())["forecast_submission"]
    assert sent["model"] == {"short_name": "SolarNet", "spase_id": "spase://CCMC/SimulationModel/SolarNet/1"}


def test_corrected_forecasts_are_exported_as_corrected(log, tmp_path, command):
    right = a_record(0, probabilities={"M1.0": Probability(0.25)})
    path = log(a_record(0), a_record(1), dataclasses.replace(right, kind="correction", corrects=1, reason="wrong image"))
    ended = command(SCRIPT, path, "--out", tmp_path / "out", "--formats", "csv")
    assert "2 forecasts" in ended.out
    with open(tmp_path / "out" / "forecasts.csv", newline="") as file:
        assert [row["M1.0"] for row in csv.DictReader(file)] == ["0.25", "0.300001"]


def test_withdrawn_forecasts_are_left_out(log, tmp_path, command):
    withdrawn = dataclasses.replace(a_record(1), kind="withdrawal", corrects=2, reason="wrong image")
    ended = command(SCRIPT, log(a_record(0), a_record(1), withdrawn), "--out", tmp_path / "out", "--formats", "csv", "latest")
    assert "csv        1 forecasts" in ended.out
    assert json.loads((tmp_path / "out" / "latest.json").read_text())["line"] == 1


def test_two_forecasts_of_one_minute_are_two_files(log, tmp_path, command):
    second = a_record(0)
    later = dataclasses.replace(second.forecast, issued=TIME + numpy.timedelta64(20, "s"))
    path = log(a_record(0), dataclasses.replace(second, forecast=later))
    command(SCRIPT, path, "--out", tmp_path / "out", "--formats", "ccmc-xml")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_what_no_format_can_carry_is_left_out_and_named(log, tmp_path, command):
    path = log(a_record(0), a_record(1, probabilities={"M5.0": Probability(0.1)}, regions=()))
    ended = command(SCRIPT, path, "--out", tmp_path / "out", "--formats", "ccmc-json", "csv")
    assert ended.code == 4
    assert "1 files left out (line 2, ccmc-json: the forecast of 2026-02-01T01:30:00Z holds no class" in ended.err
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no forecast"),
        (b"{}\n", "line 1: "),
        (b"\x1f\x8b", "is no forecast log"),
        (record.to_line(a_record(0)) * 2, "line 2: "),
    ],
)
def test_a_damaged_log_is_refused_and_nothing_is_written(tmp_path, command, content, reason):
    (tmp_path / "log.jsonl").write_bytes(content)
    ended = command(SCRIPT, tmp_path / "log.jsonl", "--out", tmp_path / "out")
    assert ended.code == 2
    assert reason in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_log_and_odd_names_are_refused(log, tmp_path, command):
    ended = command(SCRIPT, tmp_path / "none.jsonl", "--out", tmp_path / "out")
    assert (ended.code, "no such file" in ended.err) == (2, True)
    ended = command(SCRIPT, log(a_record(0)), "--out", tmp_path / "out", "--model", "Solar\nNet")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "--model" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", export.SENT)
def test_a_file_that_does_not_come_back_stops_the_export(log, tmp_path, command, monkeypatch, name):
    form, _ = export.SENT[name]
    write = form.write
    monkeypatch.setattr(form, "write", lambda issued, **keywords: write(issued, **keywords).replace(b"0.8", b"0.7"))
    monkeypatch.setattr(modules, "load", lambda script: export)
    ended = command(SCRIPT, log(a_record(0)), "--out", tmp_path / "out")
    assert ended.code == 2
    assert "does not come back as it is in the log" in ended.err
    assert not (tmp_path / "out").exists()
