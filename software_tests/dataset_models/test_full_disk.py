"""Full-disk magnetograms with targets from a flare list."""

import numpy
import pytest
from PIL import Image

from dataset_models.flares import flare_history
from dataset_models.SDO.HMI.full_disk import QUIET_FLUX, FullDiskMagnetograms
from dataset_models.solar_data import Download
from tools.errors import UserError

DAY = numpy.timedelta64(24, "h")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten days of pictures, one every three hours, and a list of four flares."""
    folder = tmp_path_factory.mktemp("hmi")
    random = numpy.random.default_rng(1)
    for hour in range(0, 240, 3):
        time = numpy.datetime64("2020-05-01T00:00:00") + numpy.timedelta64(hour, "h")
        date = str(time).replace("-", ".").replace("T", "_").replace(":", ".")
        path = folder / date[:10].replace(".", "/") / f"HMI.m{date}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (64, 64), dtype="uint8")).save(path)
    flares = "2020-04-30 00:10:00,C1.0\n2020-05-03 12:00:00,M1.0\n2020-05-08 07:30:00,X1.5\n2020-05-20 00:00:00,C2.0\n"
    (folder / "flares.csv").write_text("start_time,goes_class\n" + flares)
    return folder


def data(folder, **options):
    return FullDiskMagnetograms(folder=str(folder), flares=(str(folder / "flares.csv"),), image_size=32, **options)


def test_split_is_ordered_in_time_with_a_gap_of_one_window(folder):
    sun = data(folder)
    training, validation = sun.times("training"), sun.times("validation")
    assert validation[0] - training[-1] >= DAY
    assert (numpy.diff(training) > numpy.timedelta64(0)).all()
    assert len(training) + len(validation) == 52 + 20
    later = data(folder, validation_start="2020-05-09T12:00Z", gap_hours=0.0)
    assert later.times("validation")[0] == numpy.datetime64("2020-05-09T12:00:00")
    assert later.times("training")[-1] == numpy.datetime64("2020-05-09T09:00:00")


def test_a_flare_at_the_time_of_the_image_does_not_count(folder):
    sun = data(folder)
    flare = numpy.datetime64("2020-05-03T12:00:00")
    hours = numpy.timedelta64(3, "h")
    assert sun.target(flare) == 0
    assert sun.target(flare - hours) == 1
    assert sun.target(flare - DAY + hours) == 1
    assert sun.target(flare - DAY) == 0
    assert sun.truth(flare + hours) == (0, 1)  # persistence: one in the day before
    # A list with neither peak nor end: the class counts as settled 150 minutes after the start.
    settled = flare + numpy.timedelta64(150, "m")
    second = numpy.timedelta64(1, "s")
    for time, known in ((settled, 0), (settled + second, 1), (settled + DAY, 1), (settled + DAY + second, 0)):
        assert sun.truth(time) == (0, known)
    assert sun.metadata(flare - hours) == {"flux": 1e-5, "class": "M1.0", "flare": 1}


def test_persistence_does_not_know_a_flare_that_is_still_rising(folder, tmp_path):
    text = "start_time,goes_class,peak_time,end_time\n2020-05-01 00:00:00,C1.0,,\n"
    text += "2020-05-03 11:50:00,X2.0,2020-05-03 12:20:00,2020-05-03 12:40:00\n2020-05-20 00:00:00,C1.0,,\n"
    (tmp_path / "flares.csv").write_text(text)
    options = {"folder": str(folder), "flares": (str(tmp_path / "flares.csv"),), "image_size": 32}
    rising, over = numpy.datetime64("2020-05-03T12:00:00"), numpy.datetime64("2020-05-03T15:00:00")
    event, flux = FullDiskMagnetograms(**options), FullDiskMagnetograms(**options, target_kind="log flux")
    assert [event.truth(time)[1] for time in (rising, over)] == [0, 1]
    assert [flux.truth(time)[1] for time in (rising, over)] == pytest.approx([QUIET_FLUX, 2e-4])


def test_targets_of_a_split_are_those_of_its_times(folder):
    for options in ({}, {"target_kind": "log flux"}, {"threshold": "C1.0", "window_hours": 6.0}):
        sun = data(folder, **options)
        for split in ("training", "validation"):
            assert list(sun.targets(split)) == pytest.approx([sun.target(time) for time in sun.times(split)])
    sun = data(folder, target_kind="log flux")
    assert sun.task == "regression"
    assert sun.target(numpy.datetime64("2020-05-08T06:00:00")) == pytest.approx(numpy.log10(1.5e-4))
    assert sun.target(numpy.datetime64("2020-05-05T00:00:00")) == pytest.approx(numpy.log10(QUIET_FLUX))
    assert sun.value(numpy.array([-4.0]), 0.0) == pytest.approx([1e-4])


def test_history_is_a_side_channel(folder):
    sun = data(folder, history=True)
    assert sun.side_channel_names == flare_history.NAMES
    time = sun.times("validation")[0]
    assert sun.inputs(time)["side_channel"].shape == sun.input_shapes["side_channel"] == (len(flare_history.NAMES),)
    path = next(folder.rglob("HMI.m2020.05.09_00.00.00.jpg"))
    from_file = sun.read_image(path)
    for name, array in sun.inputs(numpy.datetime64("2020-05-09T00:00:00")).items():
        numpy.testing.assert_array_equal(array, from_file[name])


def test_a_random_split_needs_an_explicit_flag(folder):
    with pytest.raises(UserError, match="--allow_leaking_split"):
        data(folder, split="random").times("training")
    sun = data(folder, split="random", allow_leaking_split=True)
    both = numpy.concatenate([sun.times("training"), sun.times("validation")])
    assert len(numpy.unique(both)) == len(both) == 80


def test_jp2_files_are_not_fetched_into_a_folder_of_pictures(folder, monkeypatch):
    monkeypatch.setattr(Download, "run", lambda self: pytest.fail(f"ran {self}"))
    with pytest.raises(UserError, match=r"holds images like HMI\.m.*\.jpg, and .jp2 files do not mix with them") as raised:
        data(folder).download("2020-05-01", "2020-05-02")
    text = str(raised.value)
    images = data(folder).image_folder
    assert f"helioviewer.py --start 2020-05-01 --end 2020-05-02 --out {images}_jp2)" in text
    assert f"jp2_to_images.py {images}_jp2 --out {images})" in text
    assert "\n" not in text


def test_jp2_files_are_fetched_into_a_folder_of_theirs(folder, tmp_path):
    (tmp_path / "2026_02_01__04_00_12_700__SDO_HMI_HMI_magnetogram.jp2").touch()
    sun = FullDiskMagnetograms(folder=str(tmp_path), flares=(str(folder / "flares.csv"),))
    (command,) = sun.downloads("2026-02-01", "2026-02-02")
    assert str(command).endswith(f"helioviewer.py --start 2026-02-01 --end 2026-02-02 --out {tmp_path}")


def test_what_is_missing_is_said(tmp_path, folder):
    here = FullDiskMagnetograms(folder=str(tmp_path / "none"), flares=(str(tmp_path / "none.csv"),))
    availability = here.is_downloaded()
    assert not availability
    assert str(tmp_path / "none") in str(availability)
    assert "none.csv" in str(availability)
    with pytest.raises(UserError, match=r"missing folder .*none"):
        here.require_downloaded()
    with pytest.raises(
        UserError, match=r"none\.csv not there.*your choice; for example python dataset_models/download/hek\.py"
    ):
        here.download()
    (tmp_path / "empty").mkdir()
    empty = FullDiskMagnetograms(folder=str(tmp_path / "empty"), flares=(str(folder / "flares.csv"),))
    assert "magnetograms in" in str(empty.is_downloaded())
    with pytest.raises(UserError, match="training split is empty"):
        data(folder, start="2021-01-01").require_samples("training")
    with pytest.raises(UserError, match="no magnetogram of 2021"):
        data(folder).inputs(numpy.datetime64("2021-01-01T00:00:00"))


def test_bad_options_and_images_of_another_size(folder, tmp_path):
    for options, message in (
        ({"threshold": "Z1"}, "GOES class"),
        ({"validation_start": "May"}, "--validation_start May: expected a UTC time"),
        ({"validation_start": "NaT"}, "--validation_start NaT: expected a UTC time"),
        ({"end": "now"}, "--end now: expected a UTC time"),
        ({"split": "random", "allow_leaking_split": True, "gap_hours": 24.0}, "--gap_hours 24: a random split has no gap"),
        ({"start": "2020-13-01"}, "--start 2020-13-01"),
    ):
        with pytest.raises(UserError, match=message):
            data(folder, **options).targets("training")
    other = folder / "2020/05/02/HMI.m2020.05.02_00.00.00.jpg"
    kept = other.read_bytes()
    try:
        Image.fromarray(numpy.random.default_rng(0).integers(0, 255, (96, 96), dtype="uint8")).save(other)
        with pytest.raises(UserError, match="96 pixels wide, the data set's other images are 64"):
            data(folder).inputs(numpy.datetime64("2020-05-02T00:00:00"))
    finally:
        other.write_bytes(kept)


def test_real_february_and_march_2026(shared):
    sun = FullDiskMagnetograms(
        folder=str(shared / "hmi_2026"), flares=(str(shared / "flares_2026.csv"),), validation_start="2026-03-01"
    )
    assert sun.is_downloaded().found == 1177
    training, validation = sun.times("training"), sun.times("validation")
    assert (len(training), len(validation)) == (649, 479)
    assert training[-1] + DAY <= validation[0]
    assert int(sun.targets("validation").sum()) == 111
    image = sun.inputs(training[0])["image"]
    assert image.shape == (256, 256, 1)
    assert 0 <= image.min() < image.max() <= 1


def test_leaks_are_looked_for_before_training(folder):
    sun = data(folder, history=True)
    found = sun.check_leaks()
    assert "0 of 20 validation windows (0.0 %) overlap" in found
    assert "no image is in both splits" in found
    assert "does not depend on the future" in found
    published = data(folder, gap_hours=0.0).check_leaks()
    assert "7 of 20 validation windows" in published  # those of the first day, every three hours from 180 h on


def test_the_same_image_under_two_names_is_found(folder):
    early, late = folder / "2020/05/01/HMI.m2020.05.01_00.00.00.jpg", folder / "2020/05/10/HMI.m2020.05.10_00.00.00.jpg"
    kept = late.read_bytes()
    try:
        late.write_bytes(early.read_bytes())
        with pytest.raises(UserError, match="1 images are in training and in validation"):
            data(folder).check_leaks()
    finally:
        late.write_bytes(kept)


def test_the_history_of_a_new_image_is_that_of_the_lists_end_or_refused(folder, tmp_path):
    path = next(folder.rglob("HMI.m2020.05.09_00.00.00.jpg"))
    text = (folder / "flares.csv").read_text().splitlines()
    (tmp_path / "flares.csv").write_text("\n".join(text[:-1]) + "\n")  # ends with the X1.5 of 2020-05-08 07:30
    options = {"folder": str(folder), "flares": (str(tmp_path / "flares.csv"),), "image_size": 32, "history": True}
    with pytest.raises(UserError, match=r"flares\.csv: the last flare is of 2020-05-08T07:30:00Z, 16\.5 h before .*05\.09_00"):
        FullDiskMagnetograms(**options).read_image(path)
    known = FullDiskMagnetograms(**options, history_age=17.0).read_image(path)["side_channel"]
    stated = FullDiskMagnetograms(**options, flares_until="2020-05-09T00:00Z").read_image(path)["side_channel"]
    x_flares = [flare_history.NAMES.index(f"X_flares_{hours}h") for hours in (1, 24)]
    assert known[x_flares].tolist() == [1, 1], "just settled, when the list ended"
    assert stated[x_flares].tolist() == [0, 1]
    assert stated[-1] == 14.0  # hours since it was settled, 150 minutes after its start
    with pytest.raises(UserError, match="--flares_until soon: expected a UTC time"):
        FullDiskMagnetograms(**options, flares_until="soon").read_image(path)


def test_a_picture_without_a_time_in_its_name_may_tell_it_in_its_header(folder, tmp_path):
    sun = data(folder, history=True)
    plain = tmp_path / "now.jpg"
    plain.write_bytes(next(folder.rglob("HMI.m2020.05.09_00.00.00.jpg")).read_bytes())
    assert sun.image_time(plain) is None
    with pytest.raises(UserError, match=r"now\.jpg: neither its name nor its header gives the time"):
        sun.read_image(plain)


def test_a_frozen_feed_is_said_before_training(folder, tmp_path, capsys):
    for path in sorted(folder.rglob("HMI.m2020.05.0*.jpg")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    first = (tmp_path / "HMI.m2020.05.02_00.00.00.jpg").read_bytes()
    (tmp_path / "HMI.m2020.05.02_03.00.00.jpg").write_bytes(first)
    sun = FullDiskMagnetograms(folder=str(tmp_path), flares=(str(folder / "flares.csv"),), image_size=32)
    sun.check_leaks()
    assert capsys.readouterr().err.count("note: 2 images are identical (2020-05-02T00:00:00Z, 2020-05-02T03:00:00Z)") == 1
