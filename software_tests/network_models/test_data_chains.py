"""Chains of commands that the READMEs name, from archives through conversion or import to a trained network.

Not repeated here: images and flare lists written by dataset_models/simulated/archive.py (test_chains.py).
"""

import importlib.util
import json
import pathlib

import numpy
import pandas
import pytest
from PIL import Image

from dataset_models import goes_xrs
from dataset_models.conversion import aia_to_cache, jp2_to_images
from dataset_models.download import hek, helioviewer
from dataset_models.simulated import archive
from network_models import predict
from network_models.architecture_search import search
from network_models.full_disk_flare_forecast import train
from network_models.trained_network import load_network
from network_models.xray_flux_forecast.fdl1 import aia_only
from network_models.xray_flux_forecast.starting_point import network
from tools.errors import UserError

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
FULL_DISK = str(PROJECT / "dataset_models/SDO/HMI/full_disk.py")
AIA = str(PROJECT / "dataset_models/SDO/AIA/fdl_1.py")
SUN = str(PROJECT / "dataset_models/simulated/sun.py")
TINY = str(HERE / "tiny_data.py")
SMALL = [f"--pool_{number}_{side}={2 - number // 2}" for number in (1, 2) for side in ("width", "height")]
ADAM = ["--optimizer", "adam", "--schedule", "constant", "--batch_size", "16", "--epochs", "1"]

_spec = importlib.util.spec_from_file_location("archive_server", PROJECT / "software_tests/dataset_models/archive_server.py")
archive_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(archive_server)
jpeg2000_files = archive_server.jpeg2000_files


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """--models cnn is a network small enough for a test."""
    monkeypatch.syspath_prepend(str(HERE))
    import small_full_disk

    monkeypatch.setitem(train.NETWORKS, "cnn", small_full_disk)


@pytest.fixture(scope="module")
def magnetograms(tmp_path_factory):
    """Twenty days of simulated magnetograms, two a day, as jpg and as Helioviewer's JPEG 2000, and their flares."""
    folder = tmp_path_factory.mktemp("archive")
    span = ["--start", "2011-11-16", "--days", "20", "--cadence_minutes", "720"]
    archive.main(["--out", str(folder), "--hmi_size", "64", "--products", "hmi_jpg", "flares", *span])
    for path in sorted((folder / "hmi_jpg").rglob("*.jpg")):
        time = numpy.datetime64(path.stem.removeprefix("HMI.m").replace("_", "T").replace(".", "-", 2).replace(".", ":"), "s")
        stamp = str(time).replace("-", "_").replace("T", "__").replace(":", "_")
        target = folder / "hmi_jp2" / f"{stamp}_000__SDO_HMI_HMI_magnetogram.jp2"
        jpeg2000_files.write(target, 64, time=f"{time}.000", grey=numpy.asarray(Image.open(path)), SIMULATD="1")
    return folder


@pytest.mark.long
def test_jpeg_2000_converted_trained_on_and_forecast_from(magnetograms, tmp_path):
    jp2_to_images.main([str(magnetograms / "hmi_jp2"), "--out", str(tmp_path / "hmi"), "--size", "32", "--workers", "1"])
    data = ["--folder", str(tmp_path / "hmi"), "--flares", str(magnetograms / "flares.csv"), "--im_size", "32"]
    flags = ["--models", "cnn", *data, "--validation_start", "2011-11-29", *ADAM, "--out", str(tmp_path)]
    run = train.main(flags).folder
    assert run.settings()["simulated"] is True
    own = pandas.read_csv(run.performance / "validation_forecasts.csv")
    pictures = sorted((tmp_path / "hmi").rglob("*.jpg"))[-1 - len(own) :]
    found = tmp_path / "new.csv"
    predict.main([str(run.best), FULL_DISK, "--images", *map(str, pictures), "--out", str(found)])
    # The window of the last image reaches beyond the list, which decides no outcome for it.
    table = pandas.read_csv(found)
    numpy.testing.assert_allclose(table["probability"][: len(own)], own["prediction"], rtol=1e-4)
    assert table["simulated"].all()
    # A new file as it comes is decoded as the pictures were, or refused.
    new = str(max((magnetograms / "hmi_jp2").glob("*.jp2")))
    with pytest.raises(UserError, match=r"in another way than the pictures in .*hmi were \(--mode reduced,"):
        predict.main([str(run.best), FULL_DISK, "--images", new, "--out", str(tmp_path / "none.csv")])
    predict.main([str(run.best), FULL_DISK, "--images", new, "--decoding", "reduced", "--out", str(found)])
    # What is left is the loss of the jpg.
    assert pandas.read_csv(found)["probability"][0] == pytest.approx(table["probability"].iloc[-1], abs=2e-3)


@pytest.mark.slow
def test_averaged_arrays_of_jpeg_2000_and_the_files_themselves_are_trained_on(magnetograms, tmp_path):
    how = ["--mode", "area", "--format", "npy", "--size", "32", "--workers", "1"]
    jp2_to_images.main([str(magnetograms / "hmi_jp2"), "--out", str(tmp_path / "exact"), *how])
    losses = []
    for folder in (tmp_path / "exact", magnetograms / "hmi_jp2"):
        data = ["--folder", str(folder), "--flares", str(magnetograms / "flares.csv"), "--image_size", "32"]
        flags = ["--validation_start", "2011-11-29", "--epochs", "1", "--block_channels", "4", "--out", str(tmp_path)]
        losses.append(network.main(["--dataset", FULL_DISK, *data, *flags]).val_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_a_network_of_the_simulated_sun_is_trained_further_on_an_archive(magnetograms, tmp_path):
    sun = ["--dataset", SUN, "--activity", "clear cut", "--flaring_within", "60", "--start", "1990-01-01", "--days", "365"]
    common = ["--models", "cnn", "--im_size", "32", *ADAM, "--out", str(tmp_path)]
    first = train.main([*sun, *common, "--lr", "1e-4"]).folder
    data = ["--folder", str(magnetograms / "hmi_jpg"), "--flares", str(magnetograms / "flares.csv")]
    more = ["--start_from", str(first.best), *data, "--validation_start", "2011-11-29", "--lr", "0"]
    second = train.main([*common, *more]).folder
    for a, b in zip(*(load_network(run.best).get_weights() for run in (first, second)), strict=True):
        numpy.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_aia_converted_ahead_of_training(tmp_path):
    span = ["--start", "2012-03-01", "--days", "3", "--cadence_minutes", "480"]
    archive.main(["--out", str(tmp_path), *span, "--products", "aia", "goes"])
    goes_xrs.main([*map(str, sorted((tmp_path / "goes").iterdir())), "--store", str(tmp_path / "xrs.sqlite")])
    images = ["--folder", str(tmp_path / "aia"), "--image_size", "32", "--cache", str(tmp_path / "cache")]
    aia_to_cache.main(images)
    converted = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    flux = ["--goes", str(tmp_path / "xrs.sqlite"), "--calibration", "operational", "--catch", "12min"]
    flags = ["--validation_start", "2012-03-02T06:00", "--epochs", "1", "--out", str(tmp_path / "run"), *SMALL]
    aia_only.main(["--dataset", AIA, *images, *flux, *flags])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")} == converted
    assert len(converted) == 9


@pytest.mark.slow
@pytest.mark.parametrize(("name", "script"), [("fdl1", aia_only), ("starting_point", network)])
def test_what_a_search_found_best_is_trained_by_its_values(name, script, tmp_path, capsys):
    common = ["--dataset", TINY, "--count", "16", "--batch_size", "16", "--epochs", "1"]
    search.main(["--network", name, *common, "--search", str(tmp_path / "s"), "--method", "random", "--trials", "2"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    again = script.main([*common, *found["flags"].split(), "--out", str(tmp_path / "again")])
    assert again.val_loss == pytest.approx(found["val_loss_trained_anew"])


@pytest.mark.slow
def test_downloads_converted_and_trained_on(tmp_path):
    start = numpy.datetime64("2022-08-01T00:00:12")
    images = {str(1000 + n): start + numpy.timedelta64(4 * n, "h") for n in range(30)}

    def closest(query):
        asked = numpy.datetime64(query["date"].removesuffix("Z"), "s")
        name = min(images, key=lambda one: abs(images[one] - asked))
        return json.dumps({"id": name, "date": str(images[name]).replace("T", " ")}).encode()

    def image(query):
        cards = jpeg2000_files.header(32, time=f"{images[query['id']]}.000")
        grey = numpy.random.default_rng(int(query["id"])).integers(90, 160, (32, 32), dtype="uint8")
        return jpeg2000_files.encode(grey, cards, levels=3)

    def flares(query):
        rows = [tuple(f"2022-08-{start}:{minute}:00" for minute in (10, 22, 30)) for start in ("02T10", "04T10", "05T23")]
        names = ("event_starttime", "event_peaktime", "event_endtime")
        common = {"fl_goescls": "M2.0", "ar_noaanum": 13068, "hgs_x": 1.0, "hgs_y": 2.0, "frm_name": "SWPC"}
        return json.dumps({"result": [dict(zip(names, row, strict=True)) | common for row in rows]}).encode()

    with archive_server.ArchiveServer() as server:
        server.add("/v2/getClosestImage/", closest)
        server.add("/v2/getJP2Image/", image)
        server.add("/hek/her", flares)
        span = ["--start", "2022-08-01", "--end", "2022-08-06"]
        images_there = ["--cadence", "240", "--out", str(tmp_path / "HMI_jp2"), "--url", f"{server.url}/v2"]
        list_there = ["--out", str(tmp_path / "HEK"), "--url", f"{server.url}/hek/her"]
        for script, where in ((helioviewer, images_there), (hek, list_there)):
            with pytest.raises(SystemExit) as ended:
                script.main([*span, *where])
            assert not ended.value.code
    jp2_to_images.main([str(tmp_path / "HMI_jp2"), "--out", str(tmp_path / "HMI"), "--size", "16", "--workers", "1"])
    data = ["--folder", str(tmp_path / "HMI"), "--flares", str(tmp_path / "HEK" / "catalogue.csv"), "--image_size", "16"]
    flags = ["--validation_start", "2022-08-04", "--epochs", "1", "--block_channels", "4", "--out", str(tmp_path)]
    run = network.main(["--dataset", FULL_DISK, *data, *flags]).folder
    found = pandas.read_csv(run.performance / "validation_predictions.csv")
    # Windows that reach beyond the list's last flare are left out.
    assert found["time"].tolist() == [f"2022-08-04T{hour:02}:00:12Z" for hour in range(0, 24, 4)]
    assert found["target"].tolist() == [1, 1, 1, 0, 0, 0]
