import ast
import datetime

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models import flare_catalogue, flare_labels, observation_times
from dataset_models.flare_labels import DAY, FlareIndex, label_table, split_fold, split_folds
from dataset_models.flares import flare_index
from tools.errors import UserError
from tools.goes_class import from_flux, to_flux

HEK, GOES, RECENT = "hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv", "flares_2026.csv"
SIZES = (14788, 15467, 16672, 16722)  # validation windows of the published folds


@pytest.fixture(scope="module")
def hek(shared):
    return flare_catalogue.read(shared / HEK).events


@pytest.fixture(scope="module")
def joined(shared):
    return flare_catalogue.read([shared / HEK, shared / GOES]).events


@pytest.fixture(scope="module")
def published(shared):
    tables = [
        pandas.read_csv(shared / "published_labels" / f"Fold{number}_val.csv", dtype=str, keep_default_na=False)
        for number in (1, 2)
    ]
    return [table.assign(time=observation_times.from_names(table["label"])) for table in tables]


@pytest.fixture(scope="module")
def image_times(shared):
    return observation_times.read_index(shared / "published_labels" / "image_index.csv")[1]


def events_at(*flares):
    """Events from (start, class) pairs; longitude is the position in the list, latitude unknown."""
    return pandas.DataFrame(
        {
            "start": numpy.array([start for start, _ in flares], "datetime64[s]"),
            "flux": [to_flux(name) for _, name in flares],
            "goes_class": [name for _, name in flares],
            "longitude": numpy.arange(len(flares), dtype=float),
            "latitude": numpy.full(len(flares), numpy.nan),
        }
    )


# Golden: the published labels


def test_targets_agree_with_the_published_ones_on_every_hour_the_catalogue_covers(hek, published):
    index, compared = FlareIndex(hek), 0
    for table in published:
        times = table["time"].to_numpy()
        covered = flare_labels.covered(hek, times, DAY)
        target = index.label(times[covered])
        numpy.testing.assert_array_equal(target, table["target"][covered] == "1")
        compared += covered.sum()
    assert compared == 13106 + 14281


def test_the_hek_list_covers_53949_of_the_published_hours(hek, image_times):
    assert flare_labels.covered(hek, image_times, DAY).sum() == 53949


def test_strongest_classes_agree_with_the_published_ones_but_for_two_flares(hek, published):
    different, compared = [], 0
    for table in published:
        times = table["time"].to_numpy()
        covered = flare_labels.covered(hek, times, DAY) & (FlareIndex(hek).peak_flux(times) > 0)
        ours = label_table(FlareIndex(hek), times[covered])["goes_class"].to_numpy()
        theirs = table["goes_class"][covered].to_numpy()
        different.extend(times[covered][ours != theirs])
        compared += covered.sum()
    assert compared == 14420
    # An M4.0 that their list has twice, begun at 18:47 and at 19:05; a C1.3 of 2017-02-23 that it does not have.
    twice, *others = sorted(different)
    assert twice == numpy.datetime64("2014-01-04T19:00:00")
    assert len(others) == 23
    assert (others[0], others[-1]) == (numpy.datetime64("2017-02-22T21:00:00"), numpy.datetime64("2017-02-23T20:00:00"))


def test_fold_sizes_and_class_counts_are_the_published_ones(joined, published, image_times):
    folds = split_folds(image_times)
    assert tuple(len(fold.validation) for fold in folds) == SIZES
    assert all(len(fold.training) == sum(SIZES) - size for fold, size in zip(folds, SIZES, strict=True))
    target = FlareIndex(joined).label(image_times)
    for fold, table in zip(folds, published, strict=False):
        numpy.testing.assert_array_equal(image_times[fold.validation], table["time"].to_numpy())
    assert target[folds[1].validation].sum() == (published[1]["target"] == "1").sum() == 1612
    # The M1.0 of 2011-02-16 01:32 and the M1.1 of 2011-03-10 22:34 are in neither list: 27 published hours more.
    theirs = (published[0]["target"] == "1").to_numpy()
    ours = target[folds[0].validation]
    assert theirs.sum() == 2334
    assert (theirs & ~ours).sum() == 27
    assert not (ours & ~theirs).any()


def test_equally_strong_flares_are_told_apart_as_published(hek, published):
    # Two C2.3 flares in one window: the published location is that of the earlier one, 2015-02-07 17:44.
    row = published[0][published[0]["label"].str.contains("2015.02.06_22")].iloc[0]
    position = FlareIndex(hek).strongest(numpy.array(["2015-02-06T22:00:00"], "datetime64[s]"))[0]
    assert (row["goes_class"], float(row["fl_lon"])) == ("C2.3", pytest.approx(-87.7, abs=0.1))
    assert str(hek["start"].iloc[position]) == "2015-02-07 17:44:00"
    assert hek["longitude"].iloc[hek.index[hek["start"] == "2015-02-07 19:28:00"][0]] == 58


# The window


def test_the_window_opens_after_t_and_ends_a_second_before_a_day_later():
    time = numpy.array(["2014-01-01T00:00:00"], "datetime64[s]")
    for seconds, counts in ((0, False), (1, True), (86399, True), (86400, False)):
        index = FlareIndex(events_at((time[0] + numpy.timedelta64(seconds, "s"), "M1.0")))
        assert index.label(time)[0] == counts


def test_thresholds_are_classes_or_fluxes_and_include_themselves():
    index = FlareIndex(events_at(("2014-01-01T00:30:00", "M1.0")))
    time = numpy.array(["2014-01-01T00:00:00"], "datetime64[s]")
    for threshold, counts in (("C1.0", True), ("M1.0", True), (1e-5, True), ("1e-5", True), ("M1.1", False), ("X1.0", False)):
        assert index.label(time, threshold=threshold)[0] == counts


times_and_flares = st.tuples(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["B9.9", "C1.0", "C5.0", "M1.0", "M1.0", "X10.0"])), max_size=40),
    st.lists(st.integers(-20, 320), min_size=1, max_size=30),
    st.integers(1, 200),
)


@settings(max_examples=200, deadline=None)
@given(times_and_flares)
def test_every_window_is_answered_as_by_looking_at_every_flare(case):
    flares, minutes, width = case
    origin = numpy.datetime64("2014-01-01T00:00:00")
    events = events_at(*((origin + numpy.timedelta64(start, "m"), name) for start, name in flares))
    times = origin + numpy.array(minutes) * numpy.timedelta64(1, "m")
    window = numpy.timedelta64(width, "m")
    expected = []
    for time in times:
        inside = [
            (-to_flux(name), start, number)
            for number, (start, name) in enumerate(flares)
            if time < origin + numpy.timedelta64(start, "m") < time + window
        ]
        expected.append(min(inside)[2] if inside else -1)
    index = FlareIndex(events)
    numpy.testing.assert_array_equal(index.strongest(times, window), expected)
    flux = [to_flux(flares[number][1]) if number >= 0 else 0 for number in expected]
    numpy.testing.assert_array_equal(index.label(times, window=window), numpy.array(flux) >= 1e-5)


@settings(max_examples=30, deadline=None)
@given(times_and_flares)
def test_full_labels_hold_every_flare_of_the_window_once(case):
    flares, minutes, width = case
    origin = numpy.datetime64("2014-01-01T00:00:00")
    events = events_at(*((origin + numpy.timedelta64(start, "m"), name) for start, name in flares))
    times = numpy.unique(origin + numpy.array(minutes) * numpy.timedelta64(1, "m"))
    window = numpy.timedelta64(width, "m")
    table = label_table(FlareIndex(events), times, window=window)
    for time, row in zip(times, table.to_dict("records"), strict=True):
        inside = (events["start"] > time) & (events["start"] < time + window)
        rest = ast.literal_eval(row["rest_lon"])
        stated = [] if row["goes_class"] == "NF" else [row["fl_lon"], *(rest or [])]
        assert sorted(stated) == sorted(events["longitude"][inside])
        fluxes = [events["flux"][number] for number in stated]
        assert fluxes == sorted(fluxes, reverse=True)


def test_windows_of_more_flares_than_a_table_lists_are_refused():
    second = numpy.timedelta64(1, "s")
    start = numpy.datetime64("2014-06-10T00:00:00") + numpy.arange(8000) * second
    events = pandas.DataFrame({"start": start, "flux": 1e-5, "goes_class": "M1.0"})
    index = FlareIndex(events.assign(longitude=1.0, latitude=2.0))
    assert len(label_table(index, start[0] - 60 * second + numpy.arange(60) * second)) == 60  # the same flares: one run
    with pytest.raises(UserError, match=r"windows of 8000 times hold 27,494,500 flares in all, more than the 20,000,000"):
        label_table(index, start, window=5000 * second)


def test_labels_are_written_as_the_published_ones(published):
    events = events_at(("2018-06-29T12:00:00", "B9.0"), ("2018-06-29T12:30:00", "M1.0"), ("2018-06-29T13:00:00", "C1.0"))
    times = numpy.array(["2018-06-29T00:00:00", "2018-06-29T12:40:00", "2018-06-30T22:00:00"], "datetime64[s]")
    table = label_table(FlareIndex(events), times).astype(str)
    assert list(table.columns) == list(published[0].columns[:-1])
    assert table.iloc[0].tolist() == [
        "2018/06/29/HMI.m2018.06.29_00.00.00.jpg", "1", "M1.0", "1.0", "unk", "['C1.0', 'B9.0']", "[2.0, 0.0]", "['unk', 'unk']"
    ]  # fmt: skip
    assert table.iloc[1].tolist()[1:] == ["0", "C1.0", "2.0", "unk", "0", "0", "0"]
    quiet = published[1][published[1]["label"] == table["label"][2]].iloc[0]
    assert table.iloc[2].tolist() == quiet.tolist()[:-1]


# Folds


def test_a_gap_keeps_windows_apart_and_validation_whole(image_times):
    for fold in split_folds(image_times, gap=DAY):
        assert len(fold.validation) == SIZES[fold.number - 1]
        training, validation = image_times[fold.training], image_times[fold.validation]
        together = numpy.sort(numpy.concatenate([training, validation]))
        whose = numpy.isin(together, validation)
        borders = numpy.diff(together)[whose[1:] != whose[:-1]]
        assert (borders >= DAY).all()
        assert set(flare_labels.partition(validation)) == {fold.number}


def test_partitions_are_quarters_of_the_year():
    months = numpy.arange(numpy.datetime64("2016-01"), numpy.datetime64("2018-01"))
    assert flare_labels.partition(months).tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4] * 2


def hours(first, count):
    return numpy.datetime64(first, "s") + numpy.arange(count) * numpy.timedelta64(1, "h")


# Bad input


zoned = pandas.date_range("2014-01-01", periods=3, freq="h", tz="Europe/Brussels")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (hours("2014-01-01", 4)[::-1], "not in order"),
        (numpy.repeat(hours("2014-01-01", 2), 2), "occurs twice"),
        (zoned, "time zone"),
        (pandas.Series(zoned), "time zone"),
        ([datetime.datetime(2014, 1, 1, tzinfo=datetime.UTC)], "time zone"),
        (numpy.array(["2014-01-01", "NaT"], "datetime64[s]"), "missing"),
        ([1.0, 2.0], "numbers"),
    ],
)
def test_times_out_of_order_or_with_a_zone_are_refused(times, expected):
    index = FlareIndex(events_at(("2014-01-01T12:00:00", "C1.0")))
    for refuse in (lambda: label_table(index, times), lambda: split_folds(times)):
        with pytest.raises(UserError, match=expected):
            refuse()


@pytest.mark.parametrize("threshold", ["Q1.0", "M", "0", -1, 5.0, "nan"])
def test_a_threshold_that_is_none_is_refused(threshold):
    index = FlareIndex(events_at(("2014-01-01T12:00:00", "C1.0")))
    with pytest.raises(UserError, match="threshold"):
        index.label(hours("2014-01-01", 2), threshold=threshold)


def test_folds_need_every_quarter_and_a_flare_in_each(tmp_path):
    with pytest.raises(UserError, match="October to December"):
        split_folds(hours("2014-01-01", 24 * 200))
    year = hours("2014-01-01", 24 * 365)
    with pytest.raises(UserError, match="leaves no training"):
        split_folds(year, gap=numpy.timedelta64(5000, "h"))
    events = events_at(("2014-01-01", "C1.0"), ("2014-02-02", "M1.0"), ("2014-05-05", "M2.0"), ("2015-02-01", "C1.0"))
    with pytest.raises(UserError, match="fold 3: no window with a flare in validation"):
        flare_labels.label_images(events, list(map(str, year)), year)
    with pytest.raises(UserError, match="covers none"):
        flare_labels.label_images(events, ["a"], hours("2020-01-01", 1))
    late = hours("2014-03-01T00:07", 24)
    with pytest.raises(UserError, match=r"none of the 24 images was taken a multiple of 12 minutes after midnight.*--cadence"):
        flare_labels.label_images(events, ["a"] * 24, late, cadence=numpy.timedelta64(12, "m"), folds=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("HMI.m2014.01.01_00.00.00.jpg\nreadme.md\n", "no time in 'readme.md'"),
        ("HMI.m2014.13.01_00.00.00.jpg\n", "impossible time"),
        ("HMI.m2014.01.01_00.00.00.jpg\n/data/HMI.m2014.01.01_00.00.00.jpg\n", "occurs twice"),
        ("label,target\n2014-01-01T00:00:00+01:00,1\n", "time zone"),
        ("time,target\n2014-01-01 00:00:00 CET,1\n", "time zone"),
        ("time,target\nnoon,1\n", "not a time"),
    ],
)
def test_a_bad_list_of_images_is_refused_in_one_line(tmp_path, text, expected):
    path = tmp_path / "index.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"index\.csv") as caught:
        observation_times.read_index(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["npy", "jpg", "jpeg", "JPG"])
def test_only_pictures_count_as_images(tmp_path, suffix):
    stem = tmp_path / "2014/01/01/HMI.m2014.01.01_00.00.00"
    stem.parent.mkdir(parents=True)
    for ending in (suffix, "json", "txt", "jpg.part"):
        stem.with_name(f"{stem.name}.{ending}").touch()
    names, times = observation_times.images(tmp_path)
    assert names == [f"2014/01/01/HMI.m2014.01.01_00.00.00.{suffix}"]
    assert [str(time) for time in times] == ["2014-01-01T00:00:00"]
    listed = tmp_path / "index.txt"
    listed.write_text("\n".join(str(path) for path in stem.parent.glob("*[nygG]")))
    assert observation_times.read_index(listed)[0] == names


def test_folders_without_magnetograms_are_refused(tmp_path):
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(UserError, match=folder.name):
            observation_times.images(folder)


# The script


def test_the_script_labels_the_images_of_a_folder(shared, tmp_path, capsys):
    arguments = ["--flares", str(shared / RECENT), "--images", str(shared / "hmi_2026"), "--out", str(tmp_path), "--no-folds"]
    flare_labels.main(arguments)
    assert "left out: 26 outside" in capsys.readouterr().out
    full, simplified = (pandas.read_csv(tmp_path / kind / "all.csv", keep_default_na=False) for kind in ("full", "simplified"))
    # The list ends with a flare at 21:41 on 31 March.
    assert len(full) == 1177 - 26
    assert list(simplified.columns) == ["label", "target"]
    assert all((shared / "hmi_2026" / name).is_file() for name in full["label"])
    target = full.set_index("label")["target"]
    assert target["2026/02/01/HMI.m2026.02.01_00.00.00.jpg"] == 1
    assert from_flux(full["goes_class"].loc[lambda names: names != "NF"].map(to_flux).max()) == "X8.1"


def test_the_script_writes_folds_without_overlap_when_asked_for(shared, tmp_path, capsys):
    common = ["--flares", str(shared / HEK), "--index", str(shared / "published_labels" / "image_index.csv")]
    flare_labels.main([*common, "--gap", "24", "--cadence", "180", "--out", str(tmp_path)])
    assert capsys.readouterr().out.count("wrote 27 tables") == 1
    training, validation = (pandas.read_csv(tmp_path / "simplified" / f"Fold3_{split}.csv") for split in ("train", "val"))
    assert set(observation_times.from_names(validation["label"]).astype("datetime64[M]").astype(int) % 12) == {6, 7, 8}
    assert not set(training["label"]) & set(validation["label"])
    assert training["label"].str.startswith("201").all()


def test_the_script_refuses_a_gap_shorter_than_the_window(shared, tmp_path, command):
    index = ["--index", shared / "published_labels" / "image_index.csv"]
    done = command(flare_labels.__file__, "--flares", shared / HEK, *index, "--gap", "12", "--out", tmp_path / "out")
    assert done.code == 2
    assert "leave a gap of 24 h" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_fold_needs_its_own_quarter_and_another():
    """A month around a New Year has fold 1 of the studies, the same as among four, and neither all four nor fold 2."""
    year = hours("2013-01-01", 24 * 730)
    for fold in split_folds(year, gap=DAY):
        alone = split_fold(year, fold.number, gap=DAY)
        numpy.testing.assert_array_equal(alone.training, fold.training)
        numpy.testing.assert_array_equal(alone.validation, fold.validation)
    month = hours("2013-12-17", 24 * 31)
    fold = split_fold(month, 1)
    assert (len(fold.training), len(fold.validation)) == (24 * 15, 24 * 16)
    with pytest.raises(UserError, match=r"--no-folds"):
        split_folds(month)
    with pytest.raises(UserError, match="fold 2: no observations in April to June; choose another fold, or a split in time"):
        split_fold(month, 2)
    with pytest.raises(UserError, match="fold 1: all are in January to March"):
        split_fold(month[fold.validation], 1)


def test_long_pauses_of_a_list_are_remarked_upon(capsys):
    day = numpy.timedelta64(1, "D")
    starts = numpy.datetime64("2022-01-01T00:00:00") + numpy.array([0, 59, 130, 135, 300]) * day
    events = pandas.DataFrame({"start": starts})
    flare_index.note_pauses(events, starts[0] + numpy.arange(59) * day)
    assert capsys.readouterr().err == ""
    flare_index.note_pauses(events, starts[0] + numpy.arange(150) * day)
    said = " ".join(capsys.readouterr().err.split())
    assert "86 of 150 samples lie where the flare lists hold no flare for over 60 days" in said
    assert "2022-03-01T00:00:00Z to 2022-05-11T00:00:00Z, and 1 more pauses" in said
