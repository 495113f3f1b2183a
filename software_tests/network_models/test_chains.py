"""Chains of commands that the READMEs name, on the simulated Sun: each step reads what the step before wrote.

From archives of other formats to a trained network: test_data_chains.py. `make demo`: software_tests/examples. Latents of the
simulated Sun: test_latent_traversal.py. Which test runs which command of a README: software_tests/test_readmes.py.
"""

import pathlib
import shutil

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue, flare_labels, goes_xrs, leak_check
from dataset_models.SDO.HMI import flare_sequences
from dataset_models.simulated import archive
from network_models import predict
from network_models.beta_vae import train as beta_vae
from network_models.forecasts import calibration, combination
from network_models.forecasts import files as forecast_files
from network_models.xray_flux_forecast.starting_point import network
from science.deconvolutional import deconvolutional
from science.embedding import tsne
from science.integrated_gradients import integrated_gradients
from science.latent_traversal import anomalies, latent_forecast, latent_traversal
from science.near_limb import near_limb
from science.saliency import saliency
from science.side_by_side import side_by_side
from science.verification import verification
from tools.errors import Stopped, UserError

PROJECT = pathlib.Path(__file__).resolve().parents[2]
FULL_DISK = str(PROJECT / "dataset_models/SDO/HMI/full_disk.py")
SEQUENCES = str(PROJECT / "dataset_models/SDO/HMI/flare_sequences.py")
DIGITS = str(PROJECT / "dataset_models/digits.py")
AIA = str(PROJECT / "dataset_models/SDO/AIA/fdl_1.py")
SUN = str(PROJECT / "dataset_models/simulated/sun.py")
SMALL = ["--block_channels", "4"]
QUICK = ["--samples", "20"]
LAST_FLARE = numpy.datetime64("2011-12-07T00:37:00")  # of the simulated archive below


@pytest.fixture(scope="module")
def magnetograms(tmp_path_factory):
    """Forty days of simulated magnetograms, four a day, and their flares; then two days that the list does not reach."""
    folder = tmp_path_factory.mktemp("archive")
    flags = ["--hmi_size", "64", "--products", "hmi_jpg", "flares"]
    span = ["--start", "2011-11-01", "--days", "40", "--cadence_minutes", "360"]
    archive.main(["--out", str(folder), *flags, *span])
    later = ["--start", "2011-12-07T01:00", "--days", "2", "--cadence_minutes", "300"]
    archive.main(["--out", str(folder / "now"), *flags[:-1], *later])
    return folder


@pytest.fixture(scope="module")
def run(magnetograms, tmp_path_factory):
    """A network with the flare history, trained on them; its run and the flags of its data."""
    data = ["--folder", str(magnetograms / "hmi_jpg"), "--flares", str(magnetograms / "flares.csv")]
    flags = ["--image_size", "32", "--history", "--start", "2011-11-06", "--epochs", "2", *SMALL]
    out = tmp_path_factory.mktemp("run")
    return network.main(["--dataset", FULL_DISK, *data, *flags, "--out", str(out)]).folder


@pytest.fixture(scope="module")
def splits(run, tmp_path_factory):
    """Forecasts of both splits, and another forecaster's, which is right more often than not."""
    out = tmp_path_factory.mktemp("splits")
    random = numpy.random.default_rng(1)
    for split in ("training", "validation"):
        predict.main([str(run.best), FULL_DISK, "--split", split, "--out", str(out / f"{split}.csv")])
        table = pandas.read_csv(out / f"{split}.csv")
        knowing = numpy.clip(0.2 + 0.5 * table["true_value"] + random.normal(0, 0.2, len(table)), 0.01, 0.99)
        table.assign(prediction=knowing).to_csv(out / f"other_{split}.csv", index=False)
    return out


def pictures(magnetograms, times):
    """Pictures of the archive at times as tables have them."""
    names = flare_labels.image_names(times.str.removesuffix("Z").to_numpy("datetime64[s]"))
    return [str(magnetograms / "hmi_jpg" / name) for name in names]


def images_of_now(magnetograms):
    return sorted(map(str, (magnetograms / "now").rglob("*.jpg")))


@pytest.mark.long
def test_the_list_ends_where_these_tests_take_it_to_end(magnetograms):
    assert flare_catalogue.read(magnetograms / "flares.csv").events["start"].max() == LAST_FLARE


@pytest.mark.slow
def test_a_split_through_verification_calibration_and_combination(magnetograms, run, splits, tmp_path):
    flares = ["--flares", str(magnetograms / "flares.csv")]
    verification.main([str(run.performance / "validation_predictions.csv"), *flares, *QUICK, "--out", str(tmp_path / "own")])
    fitted = run.path / calibration.NAME
    calibration.main(["fit", str(splits / "other_training.csv"), "--kind", "platt", "--out", str(fitted)])
    try:
        predict.main([str(run.best), FULL_DISK, "--calibrated", "--out", str(tmp_path / "calibrated.csv")])
        applied = ["apply", str(run.best), str(splits / "validation.csv"), "--out", str(tmp_path / "applied.csv")]
        calibration.main(applied)
    finally:
        fitted.unlink()
    both = [pandas.read_csv(tmp_path / f"{name}.csv")["probability"] for name in ("calibrated", "applied")]
    numpy.testing.assert_allclose(*both, rtol=1e-6)
    folds = [
        f"{name}={splits / f'{prefix}training.csv'},{splits / f'{prefix}validation.csv'}"
        for name, prefix in (("mine", ""), ("other", "other_"))
    ]
    combination.main(["cross", *folds, *flares, "--out", str(tmp_path / "crossed")])
    crossed = ",".join(str(tmp_path / "crossed" / f"fold{number}.csv") for number in (1, 2))
    others = [f"{name}={tmp_path / name}.csv" for name in ("calibrated", "applied")]
    verification.main([f"crossed={crossed}", *others, *flares, *QUICK, "--out", str(tmp_path / "verified")])
    alone = [f"crossed={crossed}", *flares, *QUICK, "--threshold", "best"]
    verification.main([*alone, "--out", str(tmp_path / "alone")])
    assert all((tmp_path / name / "verification.json").is_file() for name in ("verified", "alone"))
    other = [str(splits / f"other_{split}.csv") for split in ("training", "validation")]
    calibration.main(["cross", *other, "--kind", "platt", "--out", str(tmp_path / "recalibrated")])
    near_limb.main([str(tmp_path / "recalibrated" / "other_validation.csv"), *flares, "--out", str(tmp_path / "limb")])


@pytest.mark.long
def test_images_without_targets_get_them_from_the_list_everywhere(magnetograms, run, splits, tmp_path):
    flares = ["--flares", str(magnetograms / "flares.csv")]
    validation = pandas.read_csv(splits / "validation.csv")
    files = pictures(magnetograms, validation["time"])
    new = str(tmp_path / "new.csv")
    predict.main([str(run.best), FULL_DISK, "--images", *files[::-1], "--out", new])
    table = pandas.read_csv(new)
    assert list(table.columns) == ["time", "file", "probability", "simulated"]
    assert list(table["file"]) == files[::-1]
    assert list(table["time"]) == list(validation["time"][::-1])
    numpy.testing.assert_allclose(table["probability"][::-1], validation["prediction"], rtol=1e-4)

    verification.main([new, *flares, *QUICK, "--out", str(tmp_path / "verified")])
    calibration.main(["fit", new, *flares, "--kind", "isotonic", "--out", str(tmp_path / "c.json")])
    with pytest.raises(UserError, match=r"new: no column of the outcome .*give --flares"):
        calibration.main(["fit", new, "--out", str(tmp_path / "c.json")])
    words = [f"mine={new}", f"other={splits / 'other_validation.csv'}"]
    combination.main(["fit", *words, *flares, "--out", str(tmp_path / "combined.json")])
    with pytest.raises(UserError, match=r"mine: no column of the outcome .*give --flares"):
        combination.main(["fit", f"mine={new}", "--out", str(tmp_path / "none.json")])
    # The list gives what the data set had.
    fitted = combination.load(tmp_path / "combined.json")
    named = combination.named(words, events=flare_catalogue.read(magnetograms / "flares.csv").events)
    numpy.testing.assert_array_equal(named[0].event, validation["true_value"] == 1)
    assert fitted.names == ("mine", "other")

    # Files that were written before there was a column of the time.
    table.drop(columns="time").to_csv(tmp_path / "older.csv", index=False)
    older, newer = (forecast_files.read(tmp_path / f"{name}.csv", target=False) for name in ("older", "new"))
    for name in ("times", "probability", "files"):
        numpy.testing.assert_array_equal(getattr(older, name), getattr(newer, name))


@pytest.mark.long
def test_a_forecast_for_now_uses_the_history_as_long_as_it_is_known(magnetograms, run, splits, tmp_path, capsys):
    images, new = images_of_now(magnetograms), tmp_path / "now.csv"
    with pytest.raises(Stopped, match=r"6 of 9 images left out; the others are in .*now\.csv") as stopped:
        predict.main([str(run.best), FULL_DISK, "--images", *images, "--out", str(new)])
    assert stopped.value.code == 4
    table = pandas.read_csv(new)
    assert list(table["time"]) == [f"2011-12-07T{hour}:00:00Z" for hour in ("01", "06", "11")]
    said = capsys.readouterr().err
    assert said.count("left out:") == 6
    assert "flares.csv: the last flare is of 2011-12-07T00:37:00Z, 15.4 h before 2011-12-07T16:00:00Z" in said
    assert "hek.py --start 2011-12-07 --end 2011-12-08" in said
    # Refused as a whole where none is left, and nothing is written.
    with pytest.raises(UserError, match=r"none of 6 images; the first: .*--history_age 16 to use what was known"):
        predict.main([str(run.best), FULL_DISK, "--images", *images[3:], "--out", str(tmp_path / "none.csv")])
    assert not (tmp_path / "none.csv").exists()
    for flags in (["--history_age", "48"], ["--flares_until", "2011-12-09T00:00"]):
        predict.main([str(run.best), FULL_DISK, "--images", *images, *flags, "--out", str(tmp_path / "all.csv")])
        every = pandas.read_csv(tmp_path / "all.csv")
        assert len(every) == 9
    # A list that is complete until then says that it has been quiet; one that ends says nothing of the kind.
    assert (every["probability"].to_numpy()[:3] != table["probability"].to_numpy()).any()

    flares = ["--flares", str(magnetograms / "flares.csv")]
    words = [f"mine={splits / 'validation.csv'}", f"other={splits / 'other_validation.csv'}"]
    combined = str(tmp_path / "combined.json")
    combination.main(["fit", *words, *flares, "--out", combined])
    words = [f"mine={new}", f"other={new}"]
    combination.main(["apply", combined, *words, *flares, "--out", str(tmp_path / "combined.csv")])
    assert "3 of them are later than the flare lists" in capsys.readouterr().out
    found = pandas.read_csv(tmp_path / "combined.csv")
    assert list(found.columns) == ["time", "file", "probability", "simulated"]
    assert list(found["time"]) == list(table["time"])
    assert list(found["file"]) == list(table["file"])
    words = [f"mine={tmp_path / 'all.csv'}", f"other={tmp_path / 'all.csv'}"]
    with pytest.raises(Stopped, match="6 of 9 forecasts left out, the first 2011-12-07T16:00:00Z") as stopped:
        combination.main(["apply", combined, *words, *flares, "--out", str(tmp_path / "some.csv")])
    assert stopped.value.code == 4
    assert list(pandas.read_csv(tmp_path / "some.csv")["time"]) == list(table["time"])
    with pytest.raises(UserError, match=r"3 of 3 times\), more than --history_age 0: a quiet Sun cannot be told"):
        some = [f"mine={new}", f"other={new}", *flares, "--history_age", "0"]
        combination.main(["apply", combined, *some, "--out", str(tmp_path / "refused.csv")])
    assert not (tmp_path / "refused.csv").exists()


def test_a_frozen_feed_is_said_once_with_its_times(magnetograms, run, tmp_path, capsys):
    images = [pathlib.Path(path) for path in images_of_now(magnetograms)[:2]]
    frozen = [tmp_path / images[0].name.replace("01.00.00", f"{hour:02}.00.00") for hour in (2, 3)]
    for path in frozen:
        shutil.copy(images[0], path)
    files = list(map(str, (*images, *frozen)))
    predict.main([str(run.best), FULL_DISK, "--images", *files, "--out", str(tmp_path / "now.csv")])
    times = ", ".join(f"2011-12-07T0{hour}:00:00Z" for hour in (1, 2, 3))
    assert capsys.readouterr().err.count(f"note: 3 images are identical ({times}): a frozen feed?\n") == 1
    assert len(pandas.read_csv(tmp_path / "now.csv")) == 4
    # The same file twice is no frozen feed: one of the two is left out.
    with pytest.raises(Stopped, match="1 of 2 images left out"):
        predict.main([str(run.best), FULL_DISK, "--images", files[0], files[0], "--out", str(tmp_path / "twice.csv")])
    said = capsys.readouterr().err
    assert "identical" not in said
    assert "is of the same time as" in said


@pytest.mark.slow
def test_flux_of_the_simulated_sun_through_prediction_and_verification(tmp_path):
    data = ["--days", "120", "--image_size", "32"]
    run = network.main(["--dataset", SUN, *data, "--epochs", "1", *SMALL, "--out", str(tmp_path / "run")]).folder
    times = pandas.read_csv(run.performance / "validation_forecasts.csv")["time"].str.removesuffix("Z")
    for time in times:
        archive.main(["--image", time, *data, "--out", str(tmp_path / "images")])
    files = sorted(map(str, (tmp_path / "images").glob("*.dat")))
    predict.main([str(run.best), SUN, "--images", *files, "--out", str(tmp_path / "new.csv")])
    found, expected = (pandas.read_csv(path) for path in (tmp_path / "new.csv", run.performance / "validation_forecasts.csv"))
    assert list(found.columns[:2]) == ["time", "file"]
    pandas.testing.assert_frame_equal(found.drop(columns="file"), expected, rtol=1e-4)
    verification.main([str(tmp_path / "new.csv"), *QUICK, "--out", str(tmp_path / "verified")])
    assert (tmp_path / "verified" / "verification.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_aia_and_goes_through_import_training_and_prediction(tmp_path):
    span = ["--start", "2012-03-01", "--days", "3", "--cadence_minutes", "480"]
    archive.main(["--out", str(tmp_path), *span, "--products", "aia", "goes"])
    store = ["--store", str(tmp_path / "xrs.sqlite")]
    goes_xrs.main([*map(str, sorted((tmp_path / "goes").iterdir())[:3]), *store])  # up to 2 March
    data = ["--folder", str(tmp_path / "aia"), "--goes", store[1], "--cache", str(tmp_path / "cache"), "--image_size", "32"]
    flags = ["--calibration", "operational", "--side_channels", "current flux", "--catch", "12min", *SMALL]
    flags += ["--validation_start", "2012-03-02T06:00", "--epochs", "1", "--out", str(tmp_path / "run")]
    run = network.main(["--dataset", AIA, *data, *flags]).folder
    expected = pandas.read_csv(run.performance / "validation_forecasts.csv")
    stamps = [time[:16].replace("-", "").replace("T", "_").replace(":", "") for time in expected["time"]]
    files = [next((tmp_path / "aia").rglob(f"AIA{stamp}_0094.fits")) for stamp in stamps]
    assert len(files) == 2
    # The last image is of now: the flux of its own time is not there yet.
    files.append(next((tmp_path / "aia").rglob("AIA20120303_0800_0094.fits")))
    with pytest.raises(Stopped, match="1 of 3 images left out"):
        predict.main([str(run.best), AIA, "--images", *map(str, files), "--out", str(tmp_path / "new.csv")])
    found = pandas.read_csv(tmp_path / "new.csv")
    assert list(found["file"]) == list(map(str, files[:2]))
    pandas.testing.assert_frame_equal(found.drop(columns="file"), expected, rtol=1e-4)
    message = r"'current flux' at 2012-03-03T08:00:00Z, .*the X-ray flux before ends at 2012-03-03T00:00:00Z, 8\.0 h earlier"
    with pytest.raises(UserError, match=message):
        predict.main([str(run.best), AIA, "--images", str(files[2]), "--out", str(tmp_path / "now.csv")])


@pytest.mark.slow
def test_labels_of_an_archive_through_the_leak_check(tmp_path, capsys):
    span = ["--start", "2012-01-01", "--days", "366", "--cadence_minutes", "1440"]
    archive.main(["--out", str(tmp_path), *span, "--hmi_size", "64", "--products", "hmi_jpg", "flares"])
    images = ["--images", str(tmp_path / "hmi_jpg")]
    flags = ["--flares", str(tmp_path / "flares.csv"), *images, "--gap", "24", "--out", str(tmp_path / "labels")]
    flare_labels.main(flags)
    folder = tmp_path / "labels" / "simplified"
    tables = ["--training", str(folder / "Fold1_train.csv"), "--validation", str(folder / "Fold1_val.csv")]
    leak_check.main([*tables, *images])
    assert "no image in both splits" in capsys.readouterr().out


@pytest.mark.long
def test_a_run_is_calibrated_forecasts_new_images_and_is_verified(magnetograms, run, splits, tmp_path):
    flares = ["--flares", str(magnetograms / "flares.csv")]
    own, new = run.performance / "validation_predictions.csv", tmp_path / "new.csv"
    fitted = run.path / calibration.NAME
    calibration.main(["fit", str(splits / "training.csv"), "--coverage", "0.9", "--block", "1", "--out", str(fitted)])
    try:
        files = pictures(magnetograms, pandas.read_csv(own)["time"])
        predict.main([str(run.best), FULL_DISK, "--images", *files, "--out", str(new), "--calibrated"])
    finally:
        fitted.unlink()
    table = pandas.read_csv(new)
    assert list(table.columns)[:4] == ["time", "file", "probability", "uncalibrated"]
    scored = pandas.read_csv(splits / "validation.csv")
    numpy.testing.assert_allclose(table["uncalibrated"], scored["prediction"], rtol=1e-4)
    # The list decides the outcomes that the data set had.
    numpy.testing.assert_array_equal(forecast_files.read(own).event, scored["true_value"] == 1)
    verification.main([str(new), *flares, *QUICK, "--out", str(tmp_path / "new")])
    assert (tmp_path / "new" / "verification.json").is_file()
    near_limb.main([str(own), *flares, "--out", str(tmp_path / "limb")])
    assert pandas.read_csv(tmp_path / "limb" / "cells.csv")["simulated"].all()


@pytest.mark.long
def test_images_of_an_archive_are_explained(magnetograms, run, capsys):
    image, *others = images_of_now(magnetograms)
    for script, name in ((saliency, "saliency"), (integrated_gradients, "integrated_gradients")):
        script.main([str(run.best), FULL_DISK, image])
        maps = f"{pathlib.Path(image).stem}_{name}_image_magnetogram"
        assert all((run.path / "maps" / f"{maps}.{suffix}").is_file() for suffix in ("png", "fits"))
    # The network has the flare history, which is not known for the last image.
    with pytest.raises(UserError, match=r"the last flare is of 2011-12-07T00:37:00Z, .*--history_age"):
        saliency.main([str(run.best), FULL_DISK, others[-1]])


@pytest.mark.slow
def test_a_run_on_an_archive_through_every_method(magnetograms, run):
    (image,) = pictures(magnetograms, pandas.read_csv(run.performance / "validation_forecasts.csv")["time"].tail(1))
    deconvolutional.main([str(run.best), FULL_DISK, image])
    side_by_side.main([str(run.best), FULL_DISK, image])
    tsne.main([str(run.best), FULL_DISK])
    name = pathlib.Path(image).stem
    assert list((run.path / "features").glob(f"{name}_deconvolution_*.png"))
    assert (run.path / "maps" / f"{name}_side_by_side.png").is_file()
    assert (run.path / "embeddings" / "embedding.png").is_file()


LATENTS = ["--epochs", "1", "--latent_dim", "3", "--shown", "2"]
LATENT_FILES = {"traversal.png", "latents.png", "reconstructions.png", "anomalies.csv"}


def latents(run, dataset):
    """Through the scripts of latent spaces; the names of the files that they leave."""
    before = set(run.features.iterdir())
    latent_traversal.main([str(run.best), dataset])
    anomalies.main([str(run.best), dataset, "--count", "2"])
    return {path.name for path in set(run.features.iterdir()) - before}


@pytest.mark.slow
def test_latents_of_magnetograms(magnetograms, tmp_path):
    data = ["--folder", str(magnetograms / "hmi_jpg"), "--flares", str(magnetograms / "flares.csv"), "--image_size", "32"]
    flags = ["--loss", "gaussian", "--disk", "0.745", "--lr", "1e-3", *LATENTS, "--out", str(tmp_path)]
    trained = beta_vae.main(["--architecture", "full_disk", "--dataset", FULL_DISK, *data, *flags]).folder
    assert latents(trained, FULL_DISK) >= LATENT_FILES
    latent_forecast.main([str(trained.best), FULL_DISK, *QUICK, "--block", "2"])
    (forecasts,) = (trained.features / "latent_forecast").glob("latents_logistic*.csv")
    verification.main([str(forecasts), *data[2:4], *QUICK, "--out", str(tmp_path / "verified")])


@pytest.mark.slow
def test_latents_of_digits(tmp_path):
    trained = beta_vae.main(["--beta", "4", "--most", "96", *LATENTS, "--out", str(tmp_path)]).folder
    assert latents(trained, DIGITS) >= LATENT_FILES
    with pytest.raises(UserError, match="handwritten digits: the target is no event"):
        latent_forecast.main([str(trained.best), DIGITS])


@pytest.mark.slow
def test_latents_of_sequences_before_flares(magnetograms, tmp_path):
    data = ["--folder", str(magnetograms / "hmi_jpg"), "--flares", str(magnetograms / "flares.csv")]
    data += ["--window_hours", "48", "--image_size", "32", "--threshold", "C5.0"]
    flare_sequences.main([*data, "--left_out", str(tmp_path / "left_out.csv")])
    flags = ["--batch_size", "4", *LATENTS, "--out", str(tmp_path)]
    trained = beta_vae.main(["--architecture", "sequence", "--dataset", SEQUENCES, *data, *flags]).folder
    assert latents(trained, SEQUENCES) >= LATENT_FILES
    latent_forecast.main([str(trained.best), SEQUENCES, *QUICK, "--block", "2"])
