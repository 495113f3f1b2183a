"""The page of a run: valid whatever the run has, complete, and with nothing in it but what the files say."""

import json
import pathlib
import shutil
import urllib.parse

import numpy
import pytest

from network_models import run_report
from network_models.run_folder import RunFolder
from network_models.xray_flux_forecast.fdl1 import aia_only
from tools import digests, figures, modules
from tools.errors import UserError

TESTS = pathlib.Path(__file__).parents[1]
SCRIPT = TESTS.parent / "science" / "report" / "report.py"
TINY = TESTS / "network_models" / "tiny_data.py"
page_checker = modules.load(TESTS / "page_checker.py")
HOSTILE = "<script>alert(1)</script>\"'&\u202e"


def draw(path):
    path.parent.mkdir(exist_ok=True)
    figure, axes = figures.new(figsize=(2, 2))
    axes.imshow(numpy.eye(4))
    figures.save(figure, path)


@pytest.fixture
def run(tmp_path):
    """A finished run, simulated, with a map of one image and an embedding."""
    folder = RunFolder(tmp_path / "runs" / "202602010000")
    folder.path.mkdir(parents=True)
    settings = {
        "architecture": "alex",
        "data_set": f"a Sun {HOSTILE}",
        "simulated": True,
        "dataset": "dataset_models/simulated/sun.py",
        "data_options": {"image_size": 32, "folder": None},
        "network_options": {"filters": [2, 4]},
        "training_options": {"epochs": 3, "report": True},
        "samples": {"training": 40, "validation": 13},
        "parameters": 12345,
        "command": "train.py --epochs 3",
        "versions": {"python": "3.11"},
        "git_commit": "abc",
    }
    folder.write_settings(settings)
    folder.best.write_bytes(b"network")
    folder.summary.write_text("conv_1 <Conv2D>\n")
    folder.lock.write_text("{}")
    (folder.path / ".hidden.csv").write_text("x")
    folder.performance.mkdir()
    rows = ["epoch,loss,val_loss,val_tss,epochs", "1,0.9,0.8,0.1,3", "2,0.5,0.4,0.3,3", "3,0.4,0.6,0.2,3"]
    (folder.performance / "loss_and_architecture.csv").write_text("\n".join(rows) + "\n")
    scores = {"tss": 0.31234, "brier_skill": float("nan"), "persistence_tss": 0.2, "climatology": 0.1}
    (folder.performance / "scores.json").write_text(json.dumps(scores))
    draw(folder.performance / "loss_curve.png")
    draw(folder.maps / "a b#1_saliency_171.png")
    passport = {"method": f"saliency {HOSTILE}", "image": "2026-02-01", "explains": "the event", "checks": {"complete": False}}
    (folder.maps / "a b#1_saliency.json").write_text(json.dumps(passport))
    draw(folder.embeddings / "embedding_class.png")
    return folder


def test_the_report_has_all_of_a_run(run, command):
    done = command(SCRIPT, run)
    assert (done.code, done.out, done.err) == (0, f"{run.path / 'report.html'}\n", "")
    found = page_checker.read(run.path / "report.html")
    assert found.faults == []
    words = found.words
    assert "SIMULATED" in words
    assert "<script>alert(1)</script>\"'&\ufffd" in words
    assert "filters [2, 4]" in words
    assert "Parameters 12,345" in words
    assert "3 epochs; the lowest validation loss, 0.4, in epoch 2." in words
    assert "epoch loss val_loss val_tss 1 0.9 0.8 0.1 2 0.5 0.4 0.3" in words
    assert "Score Network Persistence tss 0.3123 0.2 brier_skill – – climatology 0.1 –" in words
    assert digests.of_file(run.best) in words
    assert "conv_1 <Conv2D>" in words
    curve, one_map, embedding = found.alternatives
    assert "3 epochs, that of validation from 0.8 to 0.6" in curve
    assert "for 2026-02-01, explained is the event; failed checks: complete" in one_map
    assert embedding.startswith("Samples placed so that")
    assert "Not there: nothing in features/" in words


def linked(found):
    """Files that the page links: set of str, as names relative to it."""
    return {urllib.parse.unquote(link) for link in found.links if not link.startswith("#")}


def test_every_file_is_linked_but_what_is_nobodys_business(run):
    run_report.write_report(run)
    found = page_checker.read(run_report.write_report(run))
    files = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}
    assert linked(found) == files - {"report.html", "run.lock", ".hidden.csv"}


def test_a_report_elsewhere_links_the_run(run, tmp_path, command):
    out = tmp_path / "pages" / "one.html"
    assert command(SCRIPT, run, "--out", out).code == 0
    found = page_checker.read(out)
    assert found.faults == []
    assert "../runs/202602010000/settings.yml" in linked(found)
    assert not (run.path / "report.html").exists()
    (tmp_path / "shortcut").symlink_to(tmp_path / "pages")
    assert page_checker.read(run_report.write_report(run, tmp_path / "shortcut" / "two.html")).faults == []


def test_a_run_that_has_only_begun(run):
    for folder in (run.performance, run.maps, run.embeddings):
        shutil.rmtree(folder)
    run.best.unlink()
    run.summary.unlink()
    found = page_checker.read(run_report.write_report(run))
    assert found.faults == []
    for words in ("no such file", "no scores.json", "nothing in maps/", "nothing in embeddings/", "no network is saved yet"):
        assert words in found.words


@pytest.mark.parametrize("name", ["loss_and_architecture.csv", "scores.json", "loss_curve.png"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff{", b"[1]"])
def test_a_damaged_file_is_said_and_the_rest_is_there(run, name, content):
    (run.performance / name).write_bytes(content)
    found = page_checker.read(run_report.write_report(run))
    assert found.faults == []
    assert name == "loss_curve.png" or f"Not there: performance/{name}: " in found.words
    assert "filters [2, 4]" in found.words
    assert str(run.path) not in found.words


def test_pictures_beyond_the_first_are_linked(run):
    for number in range(run_report.SHOWN + 3):
        shutil.copy(run.performance / "loss_curve.png", run.maps / f"map_{number:03d}.png")
    found = page_checker.read(run_report.write_report(run))
    assert len(found.images) == run_report.SHOWN + 2
    assert "4 more pictures and 1 file of other kinds are among the files" in found.words
    assert f"maps/map_{run_report.SHOWN + 2:03d}.png" in linked(found)


def test_what_is_no_run_is_one_line(tmp_path, command):
    for place in (tmp_path / "none", tmp_path):
        done = command(SCRIPT, place)
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert str(place) in done.err


def test_settings_that_are_damaged_leave_the_report_as_it_was(run):
    before = run_report.write_report(run).read_bytes()
    run.settings_file.write_bytes(b"\x00")
    with pytest.raises(UserError, match=r"settings\.yml"):
        run_report.write_report(run)
    assert (run.path / "report.html").read_bytes() == before


SMALL = ["--tensorboard_images", "0", "--pool_1_height", "2", "--pool_1_width", "2", "--pool_1_stride", "2"]
SMALL += ["--conv_1_stride", "1", "--conv_1_channels", "4", "--pool_2_width", "1", "--pool_2_height", "1"]
SMALL += ["--pool_2_stride", "1", "--dense_1_count", "8", "--batch_size", "8"]


@pytest.mark.long
def test_a_training_writes_its_report_when_asked(tmp_path, capsys):
    folder = aia_only.main(["--dataset", str(TINY), "--out", str(tmp_path), "--epochs", "1", *SMALL]).folder
    assert not (folder.path / "report.html").exists()
    capsys.readouterr()
    aia_only.main(["--resume", str(folder), "--epochs", "2", "--report"])
    *_, said, last = capsys.readouterr().out.splitlines()
    assert said == f"report {folder.path / 'report.html'}"
    assert json.loads(last)["epochs"] == 2
    found = page_checker.read(folder.path / "report.html")
    assert found.faults == []
    assert "2 epochs; the lowest validation loss" in found.words
    assert "persistence_skill" in found.words or "skill_persistence" in found.words
    assert linked(found) >= {"performance/scores.json", "settings.yml", "best_performing.hdf5"}
    with pytest.raises(UserError, match=r"already has 2 epochs.*science/report/report\.py"):
        aia_only.main(["--resume", str(folder), "--report"])
