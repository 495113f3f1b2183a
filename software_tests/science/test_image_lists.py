"""Lists of images: every explanation script makes one figure and one table of them."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy
import pandas
import pytest

from dataset_models.simulated.sun import image_header
from dataset_models.solar_data import Channel
from science.attention_maps import attention_maps
from science.deconvolutional import deconvolutional
from science.deep_shap import deep_shap
from science.explanation import image_list, passport, sheet, solar_coordinates
from science.explanation import subject as explanation
from science.grad_cam import grad_cam
from science.guided_backpropagation import guided_backpropagation
from science.integrated_gradients import integrated_gradients
from science.occlusion import occlusion
from science.saliency import saliency
from science.side_by_side import side_by_side
from science.smooth_gradients import smooth_gradients
from tools.errors import Stopped, UserError

_spec = importlib.util.spec_from_file_location("dask_cluster", pathlib.Path(__file__).parents[1] / "dask_cluster.py")
dask_cluster = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dask_cluster)

TIMES = [f"2026-03-01T{hour:02d}:00" for hour in range(5)]
SMALL = {
    integrated_gradients: ["--steps", "4", "--baseline", "mean"],
    occlusion: ["--window", "12", "--stride", "12", "--baseline", "zero"],
    deep_shap: ["--background", "2"],
    smooth_gradients: ["--samples", "2"],
}

LARGEST = numpy.finfo("float32").max  # twice as much is infinite


@pytest.fixture
def instances(tmp_path):
    """Instances as near_limb writes them."""
    table = pandas.DataFrame({"time": [f"{time}:00Z" for time in TIMES[:3]], "goes_class": ["M1.3", "X1.0", "C2.0"]})
    table["fl_lon"], table["fl_lat"] = [-30.0, numpy.nan, 5.0], [12.0, numpy.nan, -5.0]
    table["flare_start"], table["outcome"] = ["2026-03-01T07:00:00Z"] * 3, ["TP", "FN", "TN"]
    table["file"] = ""
    table.to_csv(tmp_path / "hits.csv", index=False)
    return tmp_path / "hits.csv"


@pytest.mark.long
def test_a_list_makes_one_figure_and_one_table(saved, dataset, instances, tmp_path, capsys):
    """The numbers are those of each image alone, though they were explained in batches."""
    path, out = saved(), tmp_path / "out"
    flags = ["--kind", "classification", "--batch", "2", "--out", str(out), "--channel", "171"]
    saliency.main([str(path), str(dataset), str(instances), *flags])
    assert sorted(file.name for file in out.iterdir()) == [f"hits_saliency.{suffix}" for suffix in ("csv", "json", "png")]
    table = pandas.read_csv(out / "hits_saliency.csv")
    assert table["time"].tolist() == [f"{time}:00Z" for time in TIMES[:3]]
    assert table["outcome"].tolist() == ["TP", "FN", "TN"]
    assert table["fl_lon"].tolist()[0] == -30.0
    assert table["simulated"].tolist() == [1, 1, 1]
    subject = explanation.load(path, dataset, {"kind": "classification"})
    for row, time in zip(table.itertuples(), TIMES, strict=False):
        sample = explanation.sample(subject, time)
        alone = saliency.explain(subject.model, sample.inputs)
        assert row.output == pytest.approx(alone.outputs[0], rel=1e-5)
        assert row.probability == pytest.approx(1 / (1 + numpy.exp(-row.output)), rel=1e-5)
    passports = json.loads((out / "hits_saliency.json").read_text())
    saliency.main([str(path), str(dataset), TIMES[1], "--kind", "classification", "--out", str(tmp_path / "alone")])
    (file,) = (tmp_path / "alone").glob("*.json")
    alone, among = json.loads(file.read_text()), passports["2 2026-03-01T010000"]
    assert alone["checks"] == among["checks"]
    assert alone["randomised_correlation"]["image"] == pytest.approx(among["randomised_correlation"]["image"], abs=1e-3)
    assert "3 images; hits_saliency.png, hits_saliency.csv, hits_saliency.json" in capsys.readouterr().out


@pytest.mark.slow  # TensorFlow in four processes
@pytest.mark.timeout(900)
def test_a_cluster_explains_a_list_as_one_process(saved, dataset, instances, tmp_path):
    """By a script that hands on functions of its own, with a time that the data set does not have among the images."""
    pytest.importorskip("distributed", reason="the extra cluster")
    command = [sys.executable, integrated_gradients.__file__, saved(), dataset, instances, "2001-01-01T00:00"]
    command += ["--kind", "classification", "--batch", "2", *SMALL[integrated_gradients]]

    def explain(out, *where):
        done = subprocess.run(list(map(str, [*command, "--out", out, *where])), cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 4, done.stderr
        return done.stdout.replace(out, "OUT"), {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}

    alone = explain("alone")
    with dask_cluster.running(tmp_path / "cluster") as cluster:
        assert explain("spread", "--scheduler", cluster.address) == alone


@pytest.mark.parametrize(
    "script", [smooth_gradients, guided_backpropagation, grad_cam, integrated_gradients, deep_shap, occlusion]
)
@pytest.mark.long
def test_every_script_takes_a_list(script, saved, dataset, tmp_path):
    out = tmp_path / "out"
    flags = ["--out", str(out), "--format", "pdf", *SMALL.get(script, [])]
    script.main([str(saved()), str(dataset), *TIMES[:2], *flags])
    (table,) = out.glob("images_*.csv")
    found = pandas.read_csv(table)
    assert found["time"].tolist() == [f"{time}:00Z" for time in TIMES[:2]]
    assert (found["maximum_row"].between(0, 23) & found["maximum_column"].between(0, 23)).all()
    assert table.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert table.with_suffix(".png").is_file()


@pytest.mark.long
def test_attention_maps_take_a_list(dataset, saved, tmp_path):
    import keras

    from network_models.layers import LinearAttention

    image = keras.Input((24, 24, 2), name="image")
    local = keras.layers.Conv2D(4, 3, strides=4)(image)
    attended, _, _ = LinearAttention(name="estimator")([local, keras.layers.GlobalAveragePooling2D()(local)])
    path = saved(keras.Model(image, keras.layers.Dense(1)(attended)))
    attention_maps.main([str(path), str(dataset), *TIMES[:2], "--estimator", "1", "--out", str(tmp_path / "out")])
    assert len(pandas.read_csv(tmp_path / "out" / "images_attention_estimator_1.csv")) == 2


def test_noise_is_the_same_for_an_image_alone_and_among_others(saved, dataset):
    subject = explanation.load(saved(), dataset)
    samples = [explanation.sample(subject, time) for time in TIMES[:3]]
    together = smooth_gradients.smooth_gradients(subject.model, image_list.together(samples), samples=3)
    for row, sample in enumerate(samples):
        alone = smooth_gradients.smooth_gradients(subject.model, sample.inputs, samples=3).maps["image"]
        numpy.testing.assert_allclose(together.maps["image"][row], alone[0], rtol=1e-4, atol=1e-7)


@pytest.mark.long
def test_side_by_side_and_deconvolution_take_a_list(saved, dataset, instances, tmp_path, capsys):
    path, out = saved(), tmp_path / "out"
    pandas.read_csv(instances)[:2].to_csv(instances, index=False)
    flags = ["--methods", "saliency", "Grad-CAM", "--baseline", "zero", "--each", "--out", str(out)]
    side_by_side.main([str(path), str(dataset), str(instances), *flags])
    table = pandas.read_csv(out / "hits_side_by_side.csv")
    assert table["method"].tolist() == ["saliency", "Grad-CAM"] * 2
    assert (out / "2026-03-01T010000_Grad-CAM.npz").is_file()
    deconvolutional.main([str(path), str(dataset), *TIMES[:2], "--count", "2", "--out", str(out)])
    table = pandas.read_csv(out / "images_deconvolution.csv")
    assert set(table["layer"]) == {"first", "second"}
    assert (table["activation"] > 0).all()
    assert "2 images" in capsys.readouterr().out


@pytest.mark.long
def test_pages(saved, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "ROWS", 1)
    saliency.main([str(saved()), str(dataset), *TIMES, "--out", str(tmp_path / "out")])
    assert {file.name for file in (tmp_path / "out").glob("*.png")} == {f"images_saliency_page_{page}.png" for page in (1, 2)}


def test_an_image_that_is_listed_twice_keeps_both_rows(saved, dataset, tmp_path):
    saliency.main([str(saved()), str(dataset), TIMES[0], TIMES[0], "--out", str(tmp_path / "out")])
    assert len(pandas.read_csv(tmp_path / "out" / "images_saliency.csv")) == 2
    assert list(json.loads((tmp_path / "out" / "images_saliency.json").read_text())) == [
        "1 2026-03-01T000000", "2 2026-03-01T000000",
    ]  # fmt: skip


@pytest.mark.parametrize(("least", "key"), [(0.1, "purple: strength, without a sign"), (-1.0, "blue: against it, red: for it")])
def test_a_sheet_says_what_its_colours_mean(least, key, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(sheet.figures, "save", lambda figure, path, formats: drawn.append(figure) or path.touch() or [path])
    values = numpy.linspace(least, 2.0, 64).reshape(8, 8)
    one = sheet.Cell(values, Channel("magnetogram"), (values,), None, (), "", ("a map",), (False,))
    pages = sheet.Sheet(tmp_path, "maps", count=1, title="maps")
    pages.add(one)
    pages.close()
    (figure,) = drawn
    assert f"\n{key}, each map on its own scale" in figure.get_suptitle()


def test_unknown_times_and_bad_lists(saved, dataset, instances, tmp_path):
    path, out = saved(), tmp_path / "out"
    table = pandas.read_csv(instances)
    table["time"] = [f"20{year}-03-01T00:00:00Z" for year in (26, 27, 28)]
    table.to_csv(tmp_path / "other.csv", index=False)
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    cases = {
        "other.csv": r"other\.csv: spots has no sample at 2027-03-01T00:00:00Z, 2028-03-01T00:00:00Z; give times",
        "columns.csv": r"columns\.csv: no column label, timestamp, time, timestep, file; it has a, b",
        "empty.csv": r"empty\.csv: empty file",
        "missing.csv": r"missing\.csv: ",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=message):
            saliency.main([str(path), str(dataset), str(tmp_path / name), "--out", str(out)])
    with pytest.raises(UserError, match=r"none of 2 images; the first: none\.npy"):
        saliency.main([str(path), str(dataset), "none.npy", "neither.npy", "--out", str(out)])
    assert not out.exists()


def test_images_that_cannot_be_read_are_left_out_and_named(saved, dataset, tmp_path, capsys):
    numpy.save(tmp_path / "good.npy", numpy.random.default_rng(0).normal(size=(24, 24, 2)).astype("float32"))
    numpy.save(tmp_path / "small.npy", numpy.zeros((8, 8, 2), "float32"))
    (tmp_path / "list.csv").write_text("time,file\n2026-03-01T00:00:00Z,good.npy\n2027-01-01T00:00:00Z,small.npy\n")
    with pytest.raises(Stopped, match="1 of 2 images left out") as stopped:
        saliency.main([str(saved()), str(dataset), str(tmp_path / "list.csv"), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 4
    assert "small.npy" in capsys.readouterr().err
    table = pandas.read_csv(tmp_path / "out" / "list_saliency.csv")
    assert [file.rsplit("/", 1)[-1] for file in table["file"]] == ["good.npy"]


def test_a_network_that_returns_infinity_for_a_list_leaves_nothing(saved, dataset, network, tmp_path):
    model = network()
    model.get_layer("output").set_weights([numpy.full((5, 1), LARGEST), numpy.full(1, LARGEST)])
    with pytest.raises(UserError, match=f"{TIMES[0]}: the network returns inf"):
        saliency.main([str(saved(model)), str(dataset), *TIMES[:2], "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_the_network_of_random_weights_is_made_once(saved, dataset, tmp_path, monkeypatch):
    made, shuffled = [], passport.shuffled_network
    monkeypatch.setattr(passport, "shuffled_network", lambda subject, **given: made.append(1) or shuffled(subject, **given))
    saliency.main([str(saved()), str(dataset), *TIMES, "--batch", "2", "--out", str(tmp_path / "out")])
    assert len(made) == 1


def test_places_on_the_disk_are_found_back():
    header = image_header(100, numpy.datetime64("2014-03-01"))
    header["HGLT_OBS"], header["HGLN_OBS"] = -7.0, 0.0
    for longitude, latitude in ((0, 0), (30, 15), (-60, -20), (75, 40), (-80, 5)):
        ((_, x, y),) = solar_coordinates.projected(header, [("place", longitude, latitude)])
        assert solar_coordinates.stonyhurst(header, x, y) == pytest.approx((longitude, latitude), abs=0.05)
    assert numpy.isnan(solar_coordinates.stonyhurst(header, 1200.0, 0.0)).all()


def test_entries_in_words():
    assert image_list.Entry("x").words == ""
    assert image_list.Entry("x", outcome="FP").words == "FP"
    assert image_list.Entry("x", "C1.0", 91.0, -3.0).words == "C1.0 at W91 S3"


def test_a_real_list_of_magnetograms(shared, saved, tmp_path):
    """Instances of the published kind by the names of their images."""
    import keras

    image = keras.Input((64, 64, 1), name="image")
    x = keras.layers.Conv2D(4, 5, strides=2, activation="relu")(image)
    path = saved(keras.Model({"image": image}, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))))
    names = sorted(file.relative_to(shared / "hmi_2026").as_posix() for file in (shared / "hmi_2026").rglob("*01_0[0-3]*.jpg"))
    table = pandas.DataFrame({"timestamp": names[:3], "flare_prob": 0.5, "goes_class": "M1.0"})
    table["fl_location"], table["flare_start"] = "(10.5, -12)", "2026-02-02 00:44:00"
    table.to_csv(tmp_path / "m_class.csv", index=False)
    data = str(saliency.__file__).split("science")[0] + "dataset_models/SDO/HMI/full_disk.py"
    flags = ["--folder", str(shared / "hmi_2026"), "--flares", str(shared / "flares_2026.csv"), "--image_size", "64"]
    saliency.main([str(path), data, str(tmp_path / "m_class.csv"), *flags, "--out", str(tmp_path / "out")])
    found = pandas.read_csv(tmp_path / "out" / "m_class_saliency.csv")
    assert found["goes_class"].tolist() == ["M1.0"] * 3
    assert found["maximum_x"].abs().max() < 1300
    assert found["on_disk"].between(0, 1).all()
