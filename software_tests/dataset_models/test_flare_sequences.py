"""Sequences before flares: which frames are chosen, which flares are left out, and what a network receives."""

import importlib.util
import pathlib

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset_models.SDO.HMI import flare_sequences, magnetogram_images
from dataset_models.SDO.HMI.flare_sequences import FlareSequences, choose_frames
from dataset_models.solar_data import load_solar_data
from tools.errors import UserError

_place = pathlib.Path(__file__).with_name("jpeg2000_files.py")
_spec = importlib.util.spec_from_file_location("jpeg2000_files", _place)
files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(files)

START = numpy.datetime64("2026-02-01T00:00:00", "s")
HOUR = numpy.timedelta64(3600, "s")
LIST = """start_time,peak_time,goes_class
2026-01-31 12:00:00,2026-01-31 12:05:00,C1.0
2026-02-01 10:40:00,2026-02-01 11:00:00,M1.5
2026-02-01 11:50:00,2026-02-01 12:10:00,B9.0
2026-02-01 13:20:00,2026-02-01 13:30:00,C3.0
2026-02-01 13:25:00,2026-02-01 13:30:00,C2.0
2026-02-02 09:00:00,2026-02-02 09:10:00,C5.0
2026-02-02 22:00:00,2026-02-02 22:20:00,X1.1
"""


def hourly(folder, hours, size=32):
    """jpgs of distinct content, one per hour from START on; dict of time to path."""
    paths = {}
    for hour in hours:
        time = START + hour * HOUR
        path = folder / f"HMI.m{str(time).replace('-', '.').replace('T', '_').replace(':', '.')}.jpg"
        folder.mkdir(parents=True, exist_ok=True)
        grey = numpy.full((size, size), 40 + 3 * (hour % 60), "uint8")
        grey[8:16, 8:24] = 250
        Image.fromarray(grey).save(path, quality=95)
        paths[time] = path
    return paths


def file_at(data, time):
    """The file of a data set that has the image of a time."""
    (path,) = [path for path in data.archives[0] if data.image_time(path) == time]
    return path


@pytest.fixture
def data(tmp_path):
    """Two days of hourly images without those of hours 16 to 21 of the first day."""
    hourly(tmp_path / "hmi", [*range(16), *range(22, 48)])
    (tmp_path / "flares.csv").write_text(LIST)

    def make(**options):
        options = {"window_hours": 6.0, "frames": 3, "image_size": 16, "validation_start": "2026-02-02T18:00"} | options
        return FlareSequences(
            folder=str(tmp_path / "hmi"), flares=(str(tmp_path / "flares.csv"),), cache=str(tmp_path / "cache"), **options
        )

    return make


@settings(deadline=None, max_examples=300)
@given(
    st.sets(st.integers(0, 40 * 3600), max_size=60),
    st.integers(0, 42 * 3600),
    st.integers(1, 24),
    st.integers(1, 12),
    st.integers(1, 24 * 3600),
)
def test_chosen_frames_keep_every_promise(offsets, end, hours, frames, gap):
    times = START + numpy.array(sorted(offsets), "int64").astype("timedelta64[s]")
    end, window, gap = START + numpy.timedelta64(end, "s"), hours * HOUR, numpy.timedelta64(gap, "s")
    chosen, lacking = choose_frames(times, end, window=window, frames=frames, maximum_gap=gap)
    inside = times[(times >= end - window) & (times <= end)]
    if lacking is None:
        picked = times[chosen]
        assert len(picked) == frames
        assert (numpy.diff(picked) > numpy.timedelta64(0, "s")).all()
        assert set(picked) <= set(inside)
        assert (numpy.diff(numpy.append(picked, end)) <= gap).all()
        ideal = end - window * numpy.arange(frames)[::-1] / max(frames - 1, 1) if frames > 1 else numpy.array([end])
        for wanted, got in zip(ideal, picked, strict=True):
            assert abs(got - wanted) <= min(abs(inside - wanted)) + numpy.timedelta64(1, "s")
    else:
        assert len(chosen) == 0
        assert len(inside) < frames or "uneven" in lacking or "gap" in lacking


def test_a_regular_cadence_gives_regular_frames():
    times = START + numpy.arange(0, 61) * numpy.timedelta64(720, "s")  # 12 minutes
    chosen, lacking = choose_frames(times, times[-1], window=10 * HOUR, frames=6, maximum_gap=3 * HOUR)
    assert lacking is None
    numpy.testing.assert_array_equal(chosen, [10, 20, 30, 40, 50, 60])


def test_samples_are_the_flares_that_have_their_frames(data):
    found = data()
    training, validation = found.times("training"), found.times("validation")
    assert [str(time) for time in (*training, *validation)] == [
        "2026-02-01T11:00:00",
        "2026-02-01T13:30:00",
        "2026-02-02T09:10:00",
        "2026-02-02T22:20:00",
    ]
    assert [str(time)[11:16] for time in found.frame_times(validation[-1])] == ["17:00", "19:00", "22:00"]
    left_out = {(str(one.time), one.goes_class): one.reason for one in found.left_out}
    assert list(left_out) == [("2026-01-31T12:05:00", "C1.0"), ("2026-02-01T13:30:00", "C2.0")]
    assert left_out["2026-01-31T12:05:00", "C1.0"] == "too few images: 0 in the 6 h before, at least 3 needed"
    assert left_out["2026-02-01T13:30:00", "C2.0"] == "another flare at this time: C3.0"
    assert [found.target(time) for time in validation] == [1.0]
    assert [found.metadata(time)["class"] for time in training] == ["M1.5", "C3.0", "C5.0"]
    assert found.describe()["flares_left_out"] == 2


def test_gaps_leave_flares_out(data):
    whole = data(window_hours=12.0, validation_start="2026-02-02")
    assert "2026-02-02T09:10:00" in [str(time) for time in whole.times("validation")]
    strict = data(window_hours=12.0, frames=13, start="2026-02-02", end="2026-02-02T12:00")
    assert [one.reason.split(":")[0] for one in strict.left_out] == ["too few images"]
    strict = data(window_hours=20.0, frames=5, maximum_gap_hours=5.5, start="2026-02-02", end="2026-02-02T12:00")
    assert [one.reason for one in strict.left_out] == ["a gap: 8.0 h, at most 5.5 allowed"]


def test_until_the_start_no_frame_shows_the_flare(data):
    peak, start = data(), data(until="start")
    assert "2026-02-01T10:40:00" in [str(time) for time in start.times("training")]
    for found in (peak, start):
        for split in ("training", "validation"):
            for time in found.times(split):
                assert found.frame_times(time)[-1] <= time
    assert len(start.left_out) == 1  # the two flares of 13:30 start at different times


def test_a_sequence_is_the_images_it_is_made_of(data, tmp_path):
    found = data()
    assert found.input_shapes == {"sequence": (3, 16, 16, 1)}
    for split in ("training", "validation"):
        for time in found.times(split):
            sequence = found.inputs(time)["sequence"]
            assert sequence.dtype == numpy.float32
            paths = [file_at(found, frame) for frame in found.frame_times(time)]
            for image, path in zip(sequence, paths, strict=True):
                numpy.testing.assert_array_equal(image, magnetogram_images.read(path, size=16).image)
            assert len({image.tobytes() for image in sequence}) == 3
    (inputs, target), *_ = found.pipeline("training", batch_size=3)
    numpy.testing.assert_array_equal(inputs["sequence"][1], found.inputs(found.times("training")[1])["sequence"])
    assert target.numpy().tolist() == [1.0, 0.0, 0.0]


def test_a_new_image_brings_the_frames_before_it(data):
    found = data()
    path = file_at(found, START + 15 * HOUR)
    sequence = found.read_image(path)["sequence"]
    for image, hour in zip(sequence, (9, 12, 15), strict=True):
        expected = magnetogram_images.read(file_at(found, START + hour * HOUR), size=16).image
        numpy.testing.assert_array_equal(image, expected)
    assert found.image_header(path)["CRPIX1"] == 8.5
    with pytest.raises(UserError, match="too few images"):
        found.read_image(file_at(found, START))
    with pytest.raises(UserError, match="no such image"):
        found.read_image("HMI.m2026.02.01_23.30.00.jpg")


def test_splits_share_no_image(data):
    found = data(validation_start="2026-02-01T20:00:00")
    used = [{frame for time in found.times(split) for frame in found.frame_times(time)} for split in ("training", "validation")]
    assert all(used)
    assert not used[0] & used[1]
    assert "no image is in both splits" in found.check_leaks()
    close = data(validation_start="2026-02-01T13:00:00")
    assert len(close.times("training")) == 0  # 11:00 is within 6 h of it
    assert found.reach == 6 * HOUR


def test_targets_and_truth(data):
    flux = data(target_kind="log flux")
    time = flux.times("validation")[0]
    assert flux.task == "regression"
    assert flux.target(time) == pytest.approx(numpy.log10(1.1e-4))
    assert flux.truth(time) == (pytest.approx(1.1e-4), pytest.approx(1e-6))
    assert flux.value(flux.target(time), None) == pytest.approx(1.1e-4)
    event = data()
    first, second = event.times("training")[:2]
    assert event.truth(first) == (1.0, 0.0)
    assert event.truth(second) == (0.0, 1.0)  # the M1.5 started within the six hours before


def test_persistence_does_not_know_a_flare_that_is_still_rising(data, tmp_path):
    rows = "2026-02-01 12:50:00,2026-02-01 13:25:00,2026-02-01 13:40:00,X2.0\n2026-02-01 13:20:00,2026-02-01 13:30:00,,C3.0\n"
    rows += "2026-02-01 14:30:00,2026-02-01 14:40:00,,C3.0\n"
    (tmp_path / "flares.csv").write_text("start_time,peak_time,end_time,goes_class\n" + rows)
    found = data(window_hours=3.0, maximum_gap_hours=3.0)
    assert found.truth(numpy.datetime64("2026-02-01T13:30:00")) == (0.0, 0.0)
    assert found.truth(numpy.datetime64("2026-02-01T14:40:00")) == (0.0, 1.0)


@pytest.mark.parametrize("text", ["NaT", "now", "20260201", "2026-02-30"])
def test_what_only_numpy_takes_for_a_time_is_refused(data, text):
    with pytest.raises(UserError, match=f"--validation_start {text}: expected a UTC time"):
        data(validation_start=text).times("training")


def test_damaged_frames_leave_flares_out_and_are_named(data, tmp_path):
    bad = tmp_path / "hmi" / "HMI.m2026.02.02_19.00.00.jpg"
    bad.write_bytes(bad.read_bytes()[:200])
    found = data()
    reasons = [one.reason for one in found.left_out if one.goes_class == "X1.1"]
    assert len(reasons) == 1
    assert reasons[0].startswith(f"unusable image: {bad}")
    assert "X1.1" not in [found.metadata(time)["class"] for split in ("training", "validation") for time in found.times(split)]


def test_one_folder_per_flare(tmp_path):
    for flare, hours in (("flare_20260201_1100", range(5, 12)), ("flare_20260201_1330", range(7, 14))):
        for hour in hours:
            name = f"20260201T{hour:02}0010Z.jp2"
            files.write(tmp_path / "jp2" / flare / "19" / name, 64, time=f"2026-02-01T{hour:02}:00:10")
        files.write(tmp_path / "jp2" / flare / "18" / "20260201T060000Z.jp2", 64)
    (tmp_path / "flares.csv").write_text(LIST)
    options = {"folder": str(tmp_path / "jp2"), "flares": (str(tmp_path / "flares.csv"),), "cache": str(tmp_path / "cache")}
    found = FlareSequences(**options, window_hours=5.0, frames=3, image_size=32, decoding="reduced", end="2026-02-01T12:00")
    assert found.is_downloaded().found == 9
    (time,) = found.times("validation")  # a single flare has nothing before it to train on
    assert [str(frame) for frame in found.frame_times(time)] == [f"2026-02-01T{hour:02}:00:10" for hour in (6, 8, 10)]
    assert found.inputs(time)["sequence"].shape == (3, 32, 32, 1)
    with pytest.raises(UserError, match=r"no images of source 4, only of 18, 19; choose with --source_id"):
        FlareSequences(**options, source_id=4).times("training")


def test_sequences_may_go_on_after_the_flare(data):
    options = {"frames": 3, "window_hours": 2.0, "after_hours": 2.0}
    found = data(**options, validation_start="2026-02-02T09:00")
    flare, next_day = numpy.datetime64("2026-02-01T11:00:00"), numpy.datetime64("2026-02-02T09:10:00")
    assert [str(time)[11:13] for time in found.frame_times(flare)] == ["09", "11", "13"]
    assert flare in found.times("training")
    assert found.times("validation")[0] == next_day
    assert "0 of 2 validation windows" in found.check_leaks()
    for start, kept in (("2026-02-02T13:00", False), ("2026-02-02T13:10", True)):  # all of the four hours lie before
        assert (next_day in data(**options, validation_start=start).times("training")) == kept


AIA_171 = {"INSTRUME": "AIA_3", "WAVELNTH": "171", "CONTENT": ""}


@pytest.fixture
def sources(tmp_path):
    """Two flares with magnetograms and AIA 171 every hour, the latter five minutes later; the second lacks AIA after 9:05."""
    for flare, hours, last in (("20260201_1100", range(5, 12), 12), ("20260201_1330", range(7, 14), 9)):
        for hour in hours:
            name = f"20260201T{hour:02}{{}}.jp2"
            files.write(tmp_path / "jp2" / flare / "19" / name.format("0010"), 64, time=f"2026-02-01T{hour:02}:00:10")
            if hour <= last:
                grey = numpy.full((64, 64), 10 * hour, "uint8")
                grey[20:30, 20:40] = 200
                path = tmp_path / "jp2" / flare / "10" / name.format("0500")
                files.write(path, 64, grey=grey, time=f"2026-02-01T{hour:02}:05:00", **AIA_171)
    (tmp_path / "flares.csv").write_text(LIST)

    def make(**options):
        options = {"window_hours": 4.0, "frames": 3, "image_size": 32, "other_sources": (10,), "end": "2026-02-02"} | options
        places = {"folder": str(tmp_path / "jp2"), "flares": (str(tmp_path / "flares.csv"),), "cache": str(tmp_path / "cache")}
        return FlareSequences(**places, **options)

    return make


def test_several_sources_are_channels(sources, tmp_path):
    found, alone = sources(), sources(other_sources=())
    assert found.input_shapes == {"sequence": (3, 32, 32, 2)}
    assert [(channel.name, channel.colour_table) for channel in found.channels] == [
        ("magnetogram", "hmimag"),
        ("AIA 171", "sdoaia171"),
    ]
    time = numpy.datetime64("2026-02-01T11:00:00")
    sequence = found.inputs(time)["sequence"]
    assert numpy.array_equal(sequence[..., :1], alone.inputs(time)["sequence"])
    assert [str(frame)[11:] for frame in found.frame_times(time, 10)] == ["07:05:00", "09:05:00", "10:05:00"]
    assert (found.frame_times(time, 10) <= time).all()
    corners = 255 * sequence[:, 0, 0, 1]
    assert corners == pytest.approx([70, 90, 100], abs=3)
    assert any(one.reason.startswith("source 10: too few images") for one in found.left_out)
    assert len(alone.left_out) < len(found.left_out)
    assert "no image is in both splits" in found.check_leaks()
    last = next((tmp_path / "jp2").rglob("20260201T100010.jp2"))
    assert found.read_image(last)["sequence"].shape == (3, 32, 32, 2)


def test_sources_that_are_not_there_or_something_else_are_named(sources, tmp_path):
    with pytest.raises(UserError, match=r"has no images of source 18 as <flare>/<source>/<time>\.jp2; fetch them with"):
        sources(other_sources=(10, 18)).times("training")
    with pytest.raises(UserError, match="--other_sources: repeats a source"):
        sources(other_sources=(10, 19))
    wrong = next((tmp_path / "jp2").rglob("10/20260201T090500.jp2"))
    files.write(wrong, 64, time="2026-02-01T09:05:00")
    (reason,) = {one.reason for one in sources().left_out if "expected" in one.reason}
    assert "expected AIA 171 (source 10), but its header gives HMI_FRONT2" in reason


def test_folders_per_flare_and_a_tree_by_date_are_not_mixed(tmp_path):
    one = tmp_path / "flare_20260201_1100" / "19" / "20260201T050010Z.jp2"
    files.write(one, 64, time="2026-02-01T05:00:10")
    files.write(tmp_path / "flare_20260201_1200" / "19" / one.name, 64, time="2026-02-01T05:00:10")
    assert len(flare_sequences.find_images(tmp_path)) == 1
    (other,) = hourly(tmp_path / "2026" / "02" / "01", [6]).values()
    with pytest.raises(UserError) as caught:
        flare_sequences.find_images(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds folders per flare ({one}) and other images ({other}); separate them"


def test_real_images(shared, tmp_path):
    options = {"folder": str(shared / "hmi_2026"), "flares": (str(shared / "flares_2026.csv"),), "cache": str(tmp_path)}
    found = load_solar_data(flare_sequences.__file__)(**options, image_size=32)
    assert found.is_downloaded().found == 1177
    times = numpy.concatenate([found.times("training"), found.times("validation")])
    assert len(times) == 469
    assert len(found.left_out) == 373
    for time in times:
        steps = numpy.diff(numpy.append(found.frame_times(time), time))
        assert (steps[:-1] >= HOUR).all()
        assert (steps <= 4 * HOUR).all()


def test_script_lists_what_is_left_out(data, tmp_path, capsys):
    data()
    arguments = ["--folder", tmp_path / "hmi", "--flares", tmp_path / "flares.csv", "--cache", tmp_path / "cache"]
    arguments += [
        "--window_hours",
        6,
        "--frames",
        3,
        "--image_size",
        16,
        "--validation_start",
        "2026-02-02T18:00",
        "--left_out",
        tmp_path / "left_out.csv",
    ]
    flare_sequences.main([str(argument) for argument in arguments])
    printed = capsys.readouterr().out
    assert "training: 3 sequences of 3 frames (C 2, M 1)" in printed
    assert "validation: 1 sequences of 3 frames (X 1)" in printed
    table = pandas.read_csv(tmp_path / "left_out.csv")
    assert list(table.columns) == ["time", "goes_class", "reason"]
    assert table["goes_class"].tolist() == ["C1.0", "C2.0"]
    with pytest.raises(UserError, match="missing folder"):
        flare_sequences.main(["--folder", str(tmp_path / "none"), "--flares", str(tmp_path / "flares.csv")])
