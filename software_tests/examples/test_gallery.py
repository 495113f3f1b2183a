"""The notebooks of the gallery run from end to end, in a small version."""

import pathlib
import sys
import types

import pytest

from tools import modules

GALLERY = pathlib.Path(__file__).parents[2] / "examples" / "gallery"
TESTS = pathlib.Path(__file__).parents[1]
KEPT = TESTS / "golden" / "gallery"
PICTURES = {
    "attention_maps_of_hits_and_a_false_alarm": ("attention_maps/*_side_by_side.png",),
    "compare_methods": ("comparison/*_side_by_side*.png",),
    "cut_outs_before_flares": ("cut_outs_0.png", "cut_outs_1.png", "cut_outs_2.png"),
    "donki_flares": ("classes.png", "durations.png", "frames.png"),
    "embed_activations": ("embedding/embedding_class.png", "embedding/embedding.png", "embedding/sprite.png"),
    "explain_a_forecast": ("maps/*_integrated_gradients_image_94.png",),
    "explanations_of_instances": ("explanations/instances_side_by_side.png",),
    "flare_rates": ("reliability.png", "trained_models/*/best_performing.hdf5"),
    "flux_database": ("flux.png",),
    "full_disk_forecasts": ("attention_forecasts/disk.png", "attention_forecasts/verification/*.png"),
    "hek_flares": ("hek_classes.png", "hek_over_time.png"),
    "latents_of_digits": ("trained_models/*/features/traversal.png",),
    "latents_of_solar_images": ("trained_models/*/features/traversal.png",),
    "near_the_limb": ("near_limb/plane.png",),
    "operational_replay": ("replay/scores/reliability_C1.0.png", "replay/page/index.html"),
    "train_a_forecast": ("trained_models/*/performance/loss_curve.png",),
    "verify_forecasts": ("verification/comparison.png", "verification/scores.md"),
}  # what each leaves; the first is compared with what it was when somebody looked at it
WIDTH = 160  # pixels of what is kept
UNTRAINED = ("cut_outs_before_flares", "donki_flares", "flux_database", "hek_flares", "operational_replay")  # the same anywhere
CHAOTIC = ("embed_activations",)  # t-SNE: other rounding is another map, of the same layout
QUICK = ("flux_database", "hek_flares", "operational_replay")
picture_checker = modules.load(TESTS / "picture_checker.py")
VARIANTS = {"full_disk_forecasts": ('NAME = "attention"', 'NAME = "cnn"', ("cnn_forecasts/disk.png",))}


@pytest.fixture(scope="module")
def archive_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(path, monkeypatch, folder, cache, change=("", "")):
    """Run a notebook as a program in `folder`, with its switch SMALL on, and one of its words changed."""
    source = path.read_text(encoding="utf-8").replace(*change, 1)
    assert source.count("\nSMALL = False  # True:") == 1
    assert change[1] in source
    monkeypatch.setenv("SOLAR_CACHE", str(cache))
    monkeypatch.chdir(folder)
    module = types.ModuleType(f"gallery_{path.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source.replace("\nSMALL = False", "\nSMALL = True"), str(path), "exec"), module.__dict__)


def test_every_notebook_has_an_entry():
    assert {path.stem for path in GALLERY.glob("*.py")} == set(PICTURES) == {path.stem for path in KEPT.glob("*.png")}
    table = (GALLERY / "README.md").read_text(encoding="utf-8")
    assert all(f"[`{name}.py`]({name}.py)" in table for name in PICTURES)


def tolerances(name):
    """How far a picture may be from what it was, grey levels in the mean and in one place: of trained networks farther."""
    if name in UNTRAINED:
        return {}
    return {"tolerance": 12.0, "place": 255.0} if name in CHAOTIC else {"tolerance": 4.0, "place": 40.0}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(PICTURES)]
)
@pytest.mark.long
def test_notebooks_run_and_leave_their_pictures(name, tmp_path, monkeypatch, capsys, archive_cache):
    run(GALLERY / f"{name}.py", monkeypatch, tmp_path, archive_cache)
    for pattern in PICTURES[name]:
        assert list((tmp_path / "gallery_output").glob(pattern)), pattern
    first = min((tmp_path / "gallery_output").glob(PICTURES[name][0]))
    picture_checker.require_as_kept(first, KEPT / f"{name}.png", width=WIDTH, **tolerances(name))
    assert ".png" in capsys.readouterr().out  # where the pictures are, without Jupyter


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_notebooks_run_in_their_variants(name, tmp_path, monkeypatch, archive_cache):
    *change, pictures = VARIANTS[name]
    run(GALLERY / f"{name}.py", monkeypatch, tmp_path, archive_cache, change)
    assert all((tmp_path / "gallery_output" / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_notebooks_are_cells_of_few_lines(name):
    cells = (GALLERY / f"{name}.py").read_text(encoding="utf-8").split("# %%")
    assert cells[0] == ""
    assert cells[1].startswith(" [markdown]\n# # ")
    code = [cell.strip().splitlines() for cell in cells[1:] if not cell.startswith(" [markdown]")]
    assert all(len(lines) <= 20 for lines in code)
    assert not any(line.startswith(("def ", "class ")) for lines in code for line in lines)
