"""Simulated data say so in every kind of file, and all that is made of them goes on saying so."""

import importlib.util
import json
import pathlib

import numpy
import pandas
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataset_models import flare_catalogue, flare_labels, goes_xrs, simulation_mark
from dataset_models.conversion import contact_sheet, jp2_to_images
from dataset_models.images import picture_tree
from dataset_models.SDO.AIA.fdl_1 import AIA8
from dataset_models.SDO.HMI import magnetogram_images
from dataset_models.SDO.HMI.flare_sequences import FlareSequences
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from dataset_models.simulated import archive
from dataset_models.simulated.sun import SimulatedSun
from tools.errors import UserError

_place = pathlib.Path(__file__).with_name("jpeg2000_files.py")
_spec = importlib.util.spec_from_file_location("jpeg2000_files", _place)
files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(files)

TIME = numpy.datetime64("2013-11-03T06:00:00")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Four days of magnetograms, flares and flux, and one small AIA frame."""
    folder = tmp_path_factory.mktemp("archive")
    sun = SimulatedSun(start="2013-11-03", days=4, cadence_minutes=360, activity="clear cut")
    archive.write_archive(folder, sun, products=("hmi_jpg", "hmi_fits", "goes", "flares"), hmi_size=256)
    archive.write_legacy(folder / "legacy", sun.image(TIME), TIME)
    archive.write_aia_fits(folder / "aia", sun.image(TIME), TIME)
    return folder


@pytest.mark.parametrize("value", [True, 1, "T", "t", "'T'", " T ", "1", "true", "TRUE", "yes"])
def test_yes(value):
    assert simulation_mark.is_set(value)


@given(st.one_of(st.just(False), st.just(0), st.sampled_from(["F", "false", "0", "no", "", "nan"]), st.none()))
def test_no(value):
    assert not simulation_mark.is_set(value)


@pytest.mark.long
def test_every_file_of_the_archive_is_marked(written):
    found = [path for path in written.rglob("*") if path.is_file() and path.suffix not in (".txt", ".json")]
    assert {path.suffix for path in found} == {".jpg", ".fits", ".csv", ".dat"}
    assert [path for path in found if not simulation_mark.of_file(path)] == []


def test_a_flux_store_keeps_the_mark_and_takes_one_kind(written, shared, tmp_path):
    store, observed = tmp_path / "flux", tmp_path / "observed.sqlite"
    goes_xrs.import_files(store, sorted((written / "goes").glob("*.fits")))
    goes_xrs.import_file(observed, shared / "json" / "swpc_xrays_1record.json")
    assert [simulation_mark.of_file(path) for path in (store, observed)] == [True, False]
    with pytest.raises(UserError, match=r"1record.json: is observed, and .*flux holds simulated flux; give it a store"):
        goes_xrs.import_file(store, shared / "json" / "swpc_xrays_1record.json")
    assert {row[1] for row in goes_xrs.contents(store)} == {"operational"}
    assert AIA8(folder=str(tmp_path), goes=str(store)).simulated
    assert not AIA8(folder=str(tmp_path), goes=str(observed)).simulated


def test_every_genuine_file_is_not(shared):
    found = [*(shared / "fits").iterdir(), *(shared / "jp2").iterdir(), *sorted((shared / "hmi_2026").rglob("*.jpg"))[:3]]
    found += [shared / "flares_2026.csv", *sorted((shared / "json").iterdir())[:2]]
    assert len(found) > 10
    assert {simulation_mark.of_file(path) for path in found} == {False}


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    for name in ("a.fits", "b.jpg", "c.jp2", "d.json"):
        (tmp_path / name).write_bytes(b"\x00 no file of this kind")
        assert simulation_mark.of_file(tmp_path / name) is None
        assert simulation_mark.of_file(tmp_path / "absent" / name) is None
    assert simulation_mark.of_archive(sorted(tmp_path.iterdir())) is False


@pytest.mark.parametrize("hdu", [0, 1])
@pytest.mark.parametrize("suffix", [".fits", ".fts", ".fits.gz"])
def test_the_mark_of_any_hdu_counts(tmp_path, hdu, suffix):
    units = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(numpy.arange(256, dtype="int16").reshape(16, 16))])
    units[hdu].header["SIMULATD"] = "T"
    path = tmp_path / f"image{suffix}"
    units.writeto(path)
    assert simulation_mark.of_file(path)


def test_archives_are_all_simulated_or_not_at_all(written, tmp_path):
    simulated = sorted((written / "hmi_jpg").rglob("*.jpg"))
    folder = tmp_path / "hmi"
    for path in simulated:
        target = folder / path.relative_to(written / "hmi_jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    last = sorted(folder.rglob("*.jpg"))[-1]
    Image.open(last).copy().save(last, comment=b"")
    data = FullDiskMagnetograms(folder=str(folder), flares=(str(written / "flares.csv"),), image_size=64)
    with pytest.raises(UserError, match=r"is simulated \(SIMULATD\), and .* is not; keep them in different folders"):
        data.describe()


@pytest.mark.parametrize("kind", ["hmi_jpg", "hmi_fits"])
@pytest.mark.parametrize("which", [FullDiskMagnetograms, FlareSequences])
def test_data_sets_know_it_from_their_images(written, tmp_path, kind, which):
    unmarked = pandas.read_csv(written / "flares.csv").drop(columns="simulated")
    unmarked.to_csv(tmp_path / "flares.csv", index=False)
    size = {"image_size": 64}
    data = which(folder=str(written / kind), flares=(str(tmp_path / "flares.csv"),), **size)
    assert data.simulated is True
    nothing = which(folder=str(tmp_path / "none"), flares=(str(tmp_path / "flares.csv"),), **size)
    assert nothing.simulated is False
    listed = which(folder=str(tmp_path / "none"), flares=(str(written / "flares.csv"),), **size)
    assert listed.simulated is True


@pytest.mark.parametrize("name", ["aia", "legacy"])
def test_aia_keeps_simulated_images_in_a_cache_of_their_own(written, tmp_path, monkeypatch, name):
    folder = written / name
    if name == "legacy":  # the reader takes the archive's size only
        folder = tmp_path / "legacy"
        folder.mkdir()
        for suffix in (".dat", ".json"):
            (source,) = (written / name).glob(f"*{suffix}")
            (folder / f"20131103_0600_AIA_08_1024_1024{suffix}").write_bytes(source.read_bytes())
    data = AIA8(folder=str(folder), cache=str(tmp_path / "cache"), image_size=64)
    assert data.simulated is True
    recipes = []
    monkeypatch.setattr(
        "dataset_models.SDO.AIA.fdl_1.ImageCache", lambda folder, recipe, shape: recipes.append(recipe) or Fake()
    )
    data.rejected  # noqa: B018 - converts
    assert recipes[0]["simulated"] is True
    observed = AIA8(folder=str(tmp_path / "none"), cache=str(tmp_path / "cache"), image_size=64)
    observed.rejected  # noqa: B018
    assert "simulated" not in recipes[1]


class Fake:
    def convert(self, *_, **__):
        return {}


def test_pictures_keep_pointing_and_mark(written):
    path = sorted((written / "hmi_jpg").rglob("*.jpg"))[0]
    header = magnetogram_images.read(path, size=64).header
    assert header["SIMULATD"] is True
    assert header["RSUN_OBS"] == pytest.approx(959.63)
    assert header["CDELT1"] == pytest.approx(2457.6 / 64)
    (path,) = sorted((written / "hmi_fits").glob("*20131103_060035*"))
    assert magnetogram_images.read(path, size=64).header["SIMULATD"] is True


@pytest.mark.parametrize("format", ["jpg", "npy"])
@pytest.mark.parametrize("pointing", [True, False])
def test_jpeg_2000_through_the_conversion(tmp_path, monkeypatch, format, pointing):
    titles = []
    monkeypatch.setattr(contact_sheet, "write", lambda path, images, *, title: titles.append(title))
    keywords = {"SIMULATD": "1"} | ({} if pointing else {"CRPIX1": ""})
    grey = files.spotted(64, files.header(64))
    for hour in (1, 2):
        name = f"2026_02_01__{hour:02}_00_12_700__SDO_HMI_HMI_magnetogram.jp2"
        files.write(tmp_path / "jp2" / name, 64, time=f"2026-02-01T{hour:02}:00:12.700", grey=grey, **keywords)
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--size", "32", "--format", format]
    jp2_to_images.main([str(tmp_path / "jp2"), *arguments])
    assert titles[0].endswith("(simulated)")
    pictures = sorted(out.rglob(f"*.{format}"))
    assert len(pictures) == 2
    assert all(simulation_mark.of_file(path) for path in pictures)
    assert json.loads((out / picture_tree.RECORD).read_text())["simulated"] is True
    header = magnetogram_images.read(pictures[0], size=32).header
    assert header["DATE-OBS"].startswith("2026-02-01T01:00:12")  # stated, or of the name: never lost
    files.write(tmp_path / "real" / "2026_02_01__05_00_12_700__SDO_HMI_HMI_magnetogram.jp2", 64, time="2026-02-01T05:00:12.700")
    with pytest.raises(UserError, match="its pictures were made with simulated True, not None"):
        jp2_to_images.main([str(tmp_path / "real"), *arguments])


def test_a_mark_that_says_no_is_none(tmp_path):
    files.write(tmp_path / "a.jp2", 64, SIMULATD="F")
    assert simulation_mark.of_file(tmp_path / "a.jp2") is False
    (tmp_path / "list.csv").write_text("start_time,goes_class,simulated\n2014-01-01,M1.0,0\n")
    assert simulation_mark.of_file(tmp_path / "list.csv") is False


def test_catalogues_and_labels_of_simulated_flares(written, tmp_path):
    out = tmp_path / "catalogue.csv"
    flare_catalogue.main([str(written / "flares.csv"), "--out", str(out)])
    assert simulation_mark.of_file(out)
    assert len(flare_catalogue.read(out).events) == len(pandas.read_csv(written / "flares.csv"))
    flare_labels.main(
        [
            "--flares",
            str(out),
            "--images",
            str(written / "hmi_jpg"),
            "--no-folds",
            "--threshold",
            "B1.0",
            "--out",
            str(tmp_path),
        ]
    )
    assert simulation_mark.of_file(tmp_path / "full" / "all.csv")
    assert simulation_mark.of_file(tmp_path / "simplified" / "all.csv")
