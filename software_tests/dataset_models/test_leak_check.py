import shutil

import numpy
import pandas
import pytest

from dataset_models import flare_catalogue, flare_labels, leak_check, observation_times
from dataset_models.flares import flare_history
from dataset_models.leak_check import check_columns, check_duplicates, check_split
from tools.errors import UserError

DAY = numpy.timedelta64(24, "h")


def hours(first, count, step=1):
    return numpy.datetime64(first, "s") + numpy.arange(count) * numpy.timedelta64(step, "h")


def test_windows_may_touch_but_not_overlap():
    training, validation = hours("2014-01-01", 48), hours("2014-01-03T23", 48)
    report = check_split(training, validation, DAY)
    assert (report.overlapping, report.nearest) == (0, DAY)
    with pytest.raises(UserError, match="1 of 49 validation windows"):
        check_split(training, numpy.append(validation, validation[0] - numpy.timedelta64(1, "s")), DAY)
    assert check_split(training, validation, numpy.timedelta64(26, "h"), published_folds=True).overlapping == 2


def test_overlap_is_counted_as_by_comparing_every_pair():
    random = numpy.random.default_rng(3)
    times = numpy.unique(hours("2014-01-01", 3000)[random.integers(0, 3000, 400)])
    chosen = random.random(len(times)) < 0.1
    apart = numpy.abs(times[chosen][:, None] - times[~chosen])
    report = check_split(times[~chosen], times[chosen], numpy.timedelta64(9, "h"), published_folds=True)
    assert report.overlapping == (apart < numpy.timedelta64(9, "h")).any(axis=1).sum()
    assert report.nearest == apart.min()


def test_a_time_on_both_sides_is_refused_even_in_the_published_folds():
    for folds in (False, True):
        with pytest.raises(UserError, match="2014-01-02"):
            check_split(hours("2014-01-01", 25), hours("2014-01-02", 5), DAY, published_folds=folds)


def test_empty_splits_have_no_overlap():
    none = numpy.empty(0, "datetime64[s]")
    assert check_split(none, hours("2014-01-01", 3), DAY).overlapping == 0
    assert check_split(hours("2014-01-01", 3), none, DAY).nearest is None


def test_times_with_a_zone_are_refused():
    with pytest.raises(UserError, match="validation times"):
        check_split(hours("2014-01-01", 3), pandas.date_range("2015-01-01", periods=3, tz="UTC"), DAY)


def test_the_published_folds_overlap_at_the_borders_of_the_quarters(shared):
    times = observation_times.read_index(shared / "published_labels" / "image_index.csv")[1]
    overlaps = []
    for fold in flare_labels.split_folds(times):
        training, validation = times[fold.training], times[fold.validation]
        overlaps.append(check_split(training, validation, DAY, published_folds=True).overlapping)
        with pytest.raises(UserError, match=f"{overlaps[-1]} of {len(validation)}"):
            check_split(training, validation, DAY)
    # Below a day of hours at each of the (at most 16) borders.
    assert overlaps == [320, 307, 364, 352]


def test_one_image_under_two_names_is_found(shared, tmp_path):
    images = sorted((shared / "hmi_2026").rglob("*.jpg"))[:40:4]
    training, validation = images[:5], images[5:]
    sizes = [[path.stat().st_size for path in paths] for paths in (training, validation)]
    alike = sum(size in sizes[1] for size in sizes[0]) + sum(size in sizes[0] for size in sizes[1])
    assert check_duplicates(training, validation) == alike
    padded = tmp_path / "padded.jpg"
    padded.write_bytes(validation[0].read_bytes().ljust(max(sizes[0] + sizes[1]) + 1, b" "))
    altered = tmp_path / "altered.jpg"
    altered.write_bytes(padded.read_bytes()[:-1] + b"!")
    assert check_duplicates([*training, padded], [*validation, altered]) == alike + 2, "of one size, not of one content"
    copy = shutil.copy(training[3], tmp_path / "HMI.m2030.01.01_00.00.00.jpg")
    with pytest.raises(UserError, match=f"1 images are in training and in validation: {training[3]}"):
        check_duplicates(training, [*validation, copy])
    with pytest.raises(UserError, match=r"absent\.jpg"):
        check_duplicates(training, [tmp_path / "absent.jpg"])


def test_equal_sizes_alone_are_no_duplicates(tmp_path):
    for name, content in (("a", b"123"), ("b", b"124"), ("c", b"12345")):
        (tmp_path / name).write_bytes(content)
    assert check_duplicates([tmp_path / "a"], [tmp_path / "b", tmp_path / "c"]) == 2


def began(events, times):
    """Counts flares by their start, though their class is not known then."""
    starts, flux = events["start"].to_numpy(), events["flux"].to_numpy()
    return numpy.array([[flux[starts < time].sum(), 0.0] for time in times])


def tomorrow(events, times):
    """A feature that looks a day ahead."""
    return flare_labels.FlareIndex(events).peak_flux(times)[:, None]


def test_features_of_the_future_are_named(shared):
    events = flare_catalogue.read(shared / "hek_flares_2011_2018.csv").events
    under_way = events["start"].to_numpy()[10:2000:20] + numpy.timedelta64(2, "m")
    with pytest.raises(UserError, match="feature flux so far at 20"):
        leak_check.check_causality(began, events, under_way, names=("flux so far", "zero"))
    with pytest.raises(UserError, match="feature number 0"):
        leak_check.check_causality(tomorrow, events, under_way)
    assert leak_check.check_causality(flare_history.history, events, under_way, samples=10) == 10


def test_the_alteration_leaves_the_past_alone(shared):
    events = flare_catalogue.read(shared / "hek_flares_2011_2018.csv").events
    time = numpy.datetime64("2014-03-29T17:45:00")  # amid the X1.0 of 17:35 to 17:54, peak 17:48
    altered = leak_check.altered(events, time)
    over = (events["end"] < time) & (events["peak"] < time)
    pandas.testing.assert_frame_equal(altered.iloc[: over.sum()], events[over])
    under_way = altered[altered["start"] == "2014-03-29 17:35:00"].iloc[0]
    assert under_way["flux"] == 10 * events["flux"][events["start"] == "2014-03-29 17:35:00"].iloc[0]
    assert (altered["start"] >= time).sum() == 50


def published_fold(shared):
    return pandas.read_csv(shared / "published_labels" / "Fold1_val.csv", keep_default_na=False)


def test_the_class_of_the_coming_window_foretells_the_target(shared):
    table = published_fold(shared)
    with pytest.raises(UserError, match=r"goes_class \(1\.000\)") as caught:
        check_columns(table.drop(columns=["label", "target"]), table["target"])
    assert "fl_lon" not in str(caught.value)


def test_columns_that_foretell_are_told_from_those_that_help():
    random = numpy.random.default_rng(0)
    target = random.random(4000) < 0.1
    table = pandas.DataFrame(
        {
            "noise": random.normal(size=4000),
            "helps": random.normal(size=4000) + 1.5 * target,
            "constant": 1.0,
            "season": numpy.where(random.random(4000) < 0.5, "summer", "winter"),
            "name": [f"image {number}" for number in range(4000)],
            "when": pandas.date_range("2014-01-01", periods=4000, freq="h"),
        }
    )
    scores = check_columns(table, target)
    assert set(scores) == {"noise", "helps", "season"}
    assert scores["noise"] < 0.55
    assert 0.75 < scores["helps"] < 0.95
    answers = {
        "inverse": -1.0 * target + random.normal(size=4000) / 10,
        "words": numpy.where(target, "active", "quiet"),
        "gaps": numpy.where(target, random.normal(size=4000), numpy.nan),
        "numbers as text": (target * 3).astype(str),
        "integers": pandas.array(target * 1, dtype="Int64"),
    }
    for name, column in answers.items():
        with pytest.raises(UserError, match=name):
            check_columns(table.assign(**{name: column}), target)


def test_a_target_that_is_a_number_is_ranked():
    random = numpy.random.default_rng(1)
    target = random.normal(size=500)
    assert check_columns(pandas.DataFrame({"noise": random.normal(size=500)}), target)["noise"] < 0.2
    with pytest.raises(UserError, match="monotone"):
        check_columns(pandas.DataFrame({"monotone": -numpy.exp(target)}), target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (["yes", "no"] * 20, "target: 'yes' is no number"),
        (["1", "M1.0"] * 20, "target: 'M1.0' is no number"),
        ([None] * 40, "target: every value is missing"),
    ],
)
def test_a_target_of_words_is_refused(tmp_path, target, expected):
    table = table_of("2014-01-01", 40)
    with pytest.raises(UserError, match=expected):
        check_columns(table[["flux"]].assign(name=target), target)
    flags = tables(tmp_path, table, table_of("2015-01-01", 40).assign(target=target))
    with pytest.raises(UserError, match=f"validation.csv: column {expected}"):
        leak_check.main([str(flag) for flag in flags])


def test_a_target_may_be_missing_or_text_of_numbers():
    random = numpy.random.default_rng(2)
    target = random.integers(0, 2, 200)
    table = pandas.DataFrame({"helps": random.normal(size=200) + target})
    expected = check_columns(table, target)
    assert check_columns(table, target.astype(str)) == expected
    gaps = pandas.DataFrame({"helps": [*table["helps"], 100.0]})
    assert check_columns(gaps, [*target.tolist(), None]) == expected


def tables(folder, training, validation):
    paths = [folder / "training.csv", folder / "validation.csv"]
    for path, table in zip(paths, (training, validation), strict=True):
        table.to_csv(path, index=False)
    return ["--training", paths[0], "--validation", paths[1]]


def table_of(first, count=200):
    random = numpy.random.default_rng(count)
    return pandas.DataFrame(
        {"time": hours(first, count), "flux": random.normal(size=count), "target": random.integers(0, 2, count)}
    )


def test_the_script_passes_clean_tables_and_names_every_leak(tmp_path, command):
    training, validation = table_of("2014-01-01"), table_of("2015-01-01", 100)
    clean = command(leak_check.__file__, *tables(tmp_path, training, validation))
    assert (clean.code, clean.err) == (0, "")
    assert "0 of 100 validation windows" in clean.out
    overlapping = table_of("2014-01-09T08", 100).assign(flux=lambda table: table["target"])
    leaking = command(leak_check.__file__, *tables(tmp_path, training, overlapping))
    assert leaking.code == 2
    assert leaking.out.count("LEAK") == 2
    assert len(leaking.err.strip().splitlines()) == 1
    assert "23 of 100" in leaking.err
    assert "validation.csv: columns that foretell" in leaking.err


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda table: table.drop(columns="time"), "no column label, timestamp, time"),
        (lambda table: pandas.concat([table, table]), "occurs twice"),
        (lambda table: table.assign(time=table["time"].astype(str) + "+01:00"), "time zone"),
        (lambda table: table.iloc[:0], "no rows"),
    ],
)
def test_tables_that_cannot_be_checked_are_refused(tmp_path, change, expected):
    flags = tables(tmp_path, table_of("2014-01-01"), change(table_of("2015-01-01", 100)))
    with pytest.raises(UserError, match=expected) as caught:
        leak_check.main([str(flag) for flag in flags])
    assert "validation.csv" in str(caught.value)


def test_features_that_a_table_lacks_are_named(tmp_path):
    flags = tables(tmp_path, table_of("2014-01-01"), table_of("2015-01-01", 100))
    with pytest.raises(UserError, match="no column magnetic_flux"):
        leak_check.main([str(flag) for flag in [*flags, "--features", "magnetic_flux"]])


def test_identical_images_are_said_with_their_times(tmp_path, capsys):
    hours = numpy.datetime64("2026-02-01T00:00:00") + numpy.arange(20) * numpy.timedelta64(1, "h")
    random = numpy.random.default_rng(0)
    images = [random.random((4, 4, 1), dtype="float32") for _ in hours]
    assert leak_check.identical(hours, [leak_check.content(image) for image in images]) is None
    frozen = [images[0]] * 3 + images[3:]
    found = leak_check.identical(hours, [leak_check.content(image) for image in frozen])
    named = "2026-02-01T00:00:00Z, 2026-02-01T01:00:00Z, 2026-02-01T02:00:00Z"
    assert found == f"3 images are identical ({named}): a frozen feed?"
    every = leak_check.identical(hours, [leak_check.content(images[0])] * 20)
    assert every.startswith("20 images are identical (2026-02-01T00:00:00Z, ")
    assert every.endswith(", ... to 2026-02-01T19:00:00Z): a frozen feed?")
    assert leak_check.identical(hours[[0, 0]], [b"", b""]) is None, "one time is no feed"
    # Values, not the memory they lie in; shapes count.
    assert leak_check.content(images[0]) == leak_check.content(numpy.asfortranarray(images[0]))
    assert leak_check.content(images[0]) != leak_check.content(images[0].reshape(2, 8, 1))

    paths = [tmp_path / f"{number}" for number in range(6)]
    for path, text in zip(paths, ("same", "same", "other", "more", "less", "a longer one"), strict=True):
        path.write_text(text)
    assert check_duplicates(paths[:3], paths[3:], times=(hours[:3], hours[3:6])) == 4
    assert capsys.readouterr().err.count("note: 2 images are identical (2026-02-01T00:00:00Z, 2026-02-01T01:00:00Z)") == 1
