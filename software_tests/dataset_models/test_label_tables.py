"""Label tables as they were published, and magnetograms whose targets come from them."""

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataset_models import flare_labels, label_tables, leak_check
from dataset_models.flares.flare_index import FlareIndex
from dataset_models.SDO.HMI.full_disk import QUIET_FLUX, FullDiskMagnetograms
from tools.errors import UserError

HOUR = numpy.timedelta64(3600, "s")
START = numpy.datetime64("2012-03-01T00:00:00")
NAMES = [f"2012/03/0{1 + n // 24}/HMI.m2012.03.0{1 + n // 24}_{n % 24:02d}.00.00.jpg" for n in range(72)]


def write(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8-sig")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three days of hourly pictures without that of hour 5."""
    folder = tmp_path_factory.mktemp("hmi")
    random = numpy.random.default_rng(2)
    for number, name in enumerate(NAMES):
        if number != 5:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (32, 32), dtype="uint8")).save(folder / name)
    return folder


def magnetograms(folder, training, validation=(), **options):
    labels, others = ([str(path) for path in paths] for paths in (training, validation))
    return FullDiskMagnetograms(
        folder=str(folder), labels=tuple(labels), validation_labels=tuple(others), image_size=16, **options
    )


@pytest.fixture
def folds(tmp_path):
    """Simplified tables as in the older repository, and full ones: a flare of M1.5 follows hours 10 to 33."""
    event = [int(10 <= n < 34) for n in range(72)]
    simple = [f"{name},{flag}" for name, flag in zip(NAMES, event, strict=True)]
    words = ["M1.5,-21.5,12.0,0,0,0" if flag else "NF,unk,unk,0,0,0" for flag in event]
    full = [f"{name},{flag},{text}" for name, flag, text in zip(NAMES, event, words, strict=True)]
    header = "label,target,goes_class,fl_lon,fl_lat,rest_fl,rest_lon,rest_lat"
    return {
        "train": write(tmp_path / "Fold1_train.csv", "label,goes_class", simple[:24]),
        "val": write(tmp_path / "Fold1_val.csv", "label,target", simple[24:]),
        "full_train": write(tmp_path / "full_train.csv", header, full[:24]),
        "full_val": write(tmp_path / "full_val.csv", header, full[24:]),
    }


def test_published_folds_are_read_as_they_are(shared):
    for name in ("Fold1_val.csv", "Fold2_val.csv"):
        path = shared / "published_labels" / name
        table, whole = label_tables.read([path]), pandas.read_csv(path)
        assert len(table) + table.repeated == len(whole)
        assert int(table.event.sum()) == int(whole["target"].sum())
        assert numpy.isfinite(table.flux).all()
        assert ((table.flux >= 1e-5) == table.event).all()
        without = whole["fl_lon"].str.lower() == "unk"
        assert numpy.isnan(table.longitude).sum() == without.sum() > 0
    assert label_tables.read([shared / "published_predictions" / "alex_x_class.csv"]).event.all()


def test_simplified_and_full_tables_give_the_same_samples(folder, folds):
    simple = magnetograms(folder, [folds["train"]], [folds["val"]])
    full = magnetograms(folder, [folds["full_train"]], [folds["full_val"]])
    for split, count in (("training", 23), ("validation", 48)):
        assert len(simple.times(split)) == count
        assert numpy.array_equal(simple.times(split), full.times(split))
        assert numpy.array_equal(simple.targets(split), full.targets(split))
        assert simple.targets(split).tolist() == [simple.target(time) for time in simple.times(split)]
    assert simple.is_downloaded()
    assert simple.labels_without_image == {"training": 1, "validation": 0}
    time = START + 12 * HOUR
    assert simple.metadata(time) == {"flare": 1}
    assert full.metadata(time) == {"flux": 1.5e-5, "class": "M1.5", "flare": 1}
    assert full.places(time) == (("M1.5", -21.5, 12.0),)
    assert full.places(START) == simple.places(time) == ()
    for data in (simple, full):
        assert data.truth(START + 34 * HOUR) == (0.0, 1.0)  # what the label a day earlier says
        assert data.truth(START + 24 * HOUR) == (1.0, 0.0)
        true, prior = data.truth(START)
        assert true == 0
        assert numpy.isnan(prior)
        assert numpy.isnan(data.truth_if_known(START + 200 * HOUR)).all()
    flux = magnetograms(folder, [folds["full_train"]], [folds["full_val"]], target_kind="log flux")
    assert flux.target(time) == pytest.approx(numpy.log10(1.5e-5))
    assert flux.truth(START + 24 * HOUR) == pytest.approx((1.5e-5, QUIET_FLUX))
    with pytest.raises(UserError, match=r"Fold1_train\.csv: states 0 and 1 alone; --target_kind 'log flux' needs"):
        magnetograms(folder, [folds["train"]], [folds["val"]], target_kind="log flux").targets("training")


def test_leaks_are_looked_for_in_given_splits(folder, folds, tmp_path, capsys):
    data = magnetograms(folder, [folds["train"]], [folds["val"]])
    found = data.check_leaks()
    assert "23 of 48 validation windows (47.9 %) overlap a training window" in found
    assert "1 of 72 labels have no image" in found
    assert "1 of 24 labels have no image in" in capsys.readouterr().err
    apart = magnetograms(folder, [folds["train"]], [folds["val"]], gap_hours=12.0)
    assert apart.times("training")[-1] == START + 12 * HOUR
    both = write(tmp_path / "both.csv", "label,target", [f"{NAMES[23]},1", f"{NAMES[40]},0"])
    with pytest.raises(UserError, match="1 times are in training and in validation"):
        magnetograms(folder, [folds["train"]], [both]).times("training")
    same = tmp_path / "same"
    for number in (0, 40):
        (same / NAMES[number]).parent.mkdir(parents=True, exist_ok=True)
        (same / NAMES[number]).write_bytes((folder / NAMES[0]).read_bytes())
    with pytest.raises(UserError, match="1 images are in training and in validation"):
        magnetograms(same, [folds["train"]], [folds["val"]]).check_leaks()


def test_labels_without_a_validation_table_are_split_in_time(folder, folds):
    data = magnetograms(folder, [folds["train"], folds["val"]], validation_start="2012-03-03T00:00")
    assert data.times("validation")[0] == START + 48 * HOUR
    assert data.times("training")[-1] == START + 24 * HOUR
    assert "0 of 24 validation windows" in data.check_leaks()
    for options, flag in (({"fold": 1}, "--fold"), ({"validation_start": "2012-03-02"}, "--validation_start")):
        with pytest.raises(UserError, match=f"--validation_labels and {flag} are two ways to split"):
            magnetograms(folder, [folds["train"]], [folds["val"]], **options).times("training")
    with pytest.raises(UserError, match="--validation_labels: needs --labels"):
        magnetograms(folder, [], [folds["val"]])


def test_images_are_found_by_time_within_the_tolerance(folds, tmp_path):
    name = "HMI.m2012.03.01_{}.jpg"
    for text in ("00.07.30", "01.00.12", "01.50.00", "03.30.00"):
        Image.fromarray(numpy.random.default_rng(0).integers(0, 255, (32, 32), dtype="uint8")).save(
            tmp_path / name.format(text)
        )
    data = magnetograms(tmp_path, [folds["train"]], validation_start="2012-03-01T01:30")
    assert [str(time)[11:] for time in data.times("validation")] == ["01:50:00"]
    assert data.labels_without_image == {"both": 21}
    strict = magnetograms(tmp_path, [folds["train"]], label_tolerance=1.0)
    assert strict.labels_without_image == {"both": 23}
    with pytest.raises(UserError, match=r"of its 24 labels, 2012-03-01T00:00:00 to .*, none has an image in"):
        magnetograms(tmp_path, [folds["train"]], label_tolerance=0.0).times("training")


@given(st.lists(st.integers(0, 5000), unique=True), st.lists(st.integers(0, 5000), unique=True), st.integers(0, 40))
def test_matching_is_one_to_one_and_nearest(labels, images, minutes):
    labels, images = (START + numpy.array(sorted(seconds), "timedelta64[s]") for seconds in (labels, images))
    count = len(labels)
    table = label_tables.LabelTable((), labels, numpy.zeros(count, bool), *numpy.full((3, count), numpy.nan))
    tolerance = numpy.timedelta64(minutes, "s")
    rows, places = label_tables.match(table, images, tolerance=tolerance)
    assert (numpy.diff(rows) > 0).all()
    assert (numpy.diff(places) > 0).all()
    away = numpy.abs(labels[rows] - images[places])
    assert (away <= tolerance).all()
    for row, distance in zip(rows, away, strict=True):
        assert numpy.abs(images - labels[row]).min() == distance
    exact = numpy.intersect1d(labels, images)
    assert set(exact) <= set(labels[rows])


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("label,flare", [f"{NAMES[0]},1"], "no column target or goes_class; it has label, flare"),
        ("name,target", [f"{NAMES[0]},1"], "no column label, timestamp, time, timestep, file; it has name, target"),
        ("label,target", ["yesterday,1"], "not a time: 'yesterday'"),
        ("label,target", [f"{NAMES[0]},1", "HMI.m2012.jpg,0"], "no time in 'HMI.m2012.jpg'"),
        ("label,target", [f"{NAMES[0]},1", f"{NAMES[1]},2"], "line 3: target is '2', neither 0 nor 1"),
        ("label,target", [f"{NAMES[0]},1", f"{NAMES[1]},"], "line 3: target is 'nan', neither 0 nor 1"),
        ("label,goes_class", [f"{NAMES[0]},M1.0", f"{NAMES[1]},flare"], "line 3: 'flare' is no GOES class and not NF"),
        (
            "label,target,goes_class",
            [f"{NAMES[0]},1,M1.0", f"{NAMES[1]},1,C5.0"],
            "line 3: target 1 for C5.0 is not that of M1",
        ),
        ("label,target", [f"{NAMES[0]},1", f"{NAMES[0]},0"], "2012-03-01T00:00:00 is labelled with a flare and without"),
        ("label,target", [], "no rows below the header"),
    ],
)
def test_other_tables_end_in_one_line(folder, tmp_path, header, rows, message):
    path = write(tmp_path / "fold.csv", header, rows)
    with pytest.raises(UserError, match=message) as raised:
        magnetograms(folder, [path]).times("training")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


SURYA = "timestamp,max_goes_class,cumulative_index,label_max,label_cum"
# The first row is one of the published table; X3.1 hides an X13.3, as the class is the last by the alphabet.
SURYA_ROWS = [
    "2012-03-01 00:00:00,B8.3,0.0,0,0",
    "2012-03-01 01:00:00,FQ,0.0,0,0",
    "2012-03-01 02:00:00,X1.2,1450.0,1,1",
    "2012-03-01 03:00:00,X3.1,1645.5,1,1",
    "2012-03-01 04:00:00,X3.1,315.5,1,1",
    "2012-03-01 06:00:00,M1.0,10.0,1,1",
    "2012-03-01 07:00:00,C9.9,19.8,0,1",
    "2012-03-01 08:00:00,X13.3,1330.0,1,1",
]


@pytest.mark.parametrize("name", ["timestamp", "timestep"])
def test_surya_bench_is_read_without_its_order_by_the_alphabet(tmp_path, name):
    table = label_tables.read([write(tmp_path / "train.csv", SURYA.replace("timestamp", name), SURYA_ROWS)])
    assert table.times[5] == START + 6 * HOUR
    assert table.event.tolist() == [False, False, True, True, True, True, False, True]
    numpy.testing.assert_allclose(table.flux, [8.3e-7, 0, 1.2e-4, numpy.nan, 3.1e-4, 1e-5, 9.9e-6, 1.33e-3])
    assert table.unstated == 1
    assert len(table.stated()) == 7
    assert table.stated().stated() is not None


def test_without_the_sum_no_class_from_x2_on_is_believed(tmp_path):
    rows = ["2012-03-01 00:00:00,X1.9,1", "2012-03-01 01:00:00,X2.0,1", "2012-03-01 02:00:00,X10.0,1"]
    table = label_tables.read([write(tmp_path / "t.csv", "timestamp,max_goes_class,label_max", rows)])
    numpy.testing.assert_allclose(table.flux, [1.9e-4, numpy.nan, 1e-3])


def test_magnetograms_train_from_surya_bench_and_say_what_is_left_out(folder, tmp_path, capsys):
    train = write(tmp_path / "train.csv", SURYA, SURYA_ROWS)
    validation = write(
        tmp_path / "validation.csv", SURYA, ["2012-03-03 01:00:00,M2.0,20.0,1,1", "2012-03-09 01:00:00,FQ,0,0,0"]
    )
    data = magnetograms(folder, [train], [validation])
    assert data.targets("training").tolist() == [0, 0, 1, 1, 1, 1, 0, 1]
    assert data.metadata(START + 3 * HOUR) == {"flare": 1}, "no class where none is sure"
    assert "1 of 2 labels have no image" in capsys.readouterr().err
    strongest = magnetograms(folder, [train], [validation], target_kind="log flux")
    assert len(strongest.times("training")) == 7
    assert strongest.targets("training")[-1] == pytest.approx(numpy.log10(1.33e-3))
    assert "1 classes from X2 on may stand for a flare of X10 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            "timestamp,max_goes_class,cumulative_index",
            ["2012-03-01 00:00:00,FQ,0"],
            "no column label_max; a table of SuryaBench has",
        ),
        (SURYA, ["2012-03-01 00:00:00,M5.0,50.0,0,1"], "label_max 0 for M5.0 is not that of M1.0; give the --threshold"),
        (SURYA, ["2012-03-01 00:00:00,M5,50,maybe,1"], "line 2: label_max is 'maybe', neither 0 nor 1"),
        (SURYA, ["2012-03-01 00:00:00,QF,0.0,0,0"], "line 2: 'QF' is no GOES class"),
    ],
)
def test_other_tables_of_surya_bench_end_in_one_line(tmp_path, header, rows, message):
    path = write(tmp_path / "train.csv", header, rows)
    with pytest.raises(UserError, match=message) as raised:
        label_tables.read([path])
    assert str(path) in str(raised.value)


def test_the_leak_check_names_the_columns_of_surya_bench_that_are_answers(tmp_path):
    days = [f"2012-{month:02d}-{day:02d} 00:00:00" for month in (3, 9) for day in range(1, 29)]
    rows = [f"{time},M2.0,20.0,1,1" if number % 4 == 0 else f"{time},C1.0,1.0,0,0" for number, time in enumerate(days)]
    tables = [write(tmp_path / f"{name}.csv", SURYA, some) for name, some in (("a", rows[:28]), ("b", rows[28:]))]
    _, leaks = leak_check.check_tables(*tables)
    assert len(leaks) == 2
    assert all(name in leaks[0] for name in ("max_goes_class", "cumulative_index", "label_cum"))
    assert not any("label_max" in leak for leak in leaks)


def test_what_flare_labels_writes_is_read_back(folder, tmp_path):
    starts = numpy.array(["2012-03-02T06:00", "2012-03-02T07:00"], "datetime64[s]")
    columns = {"start": starts, "flux": [2e-6, 3e-5], "goes_class": ["C2.0", "M3.0"]}
    events = pandas.DataFrame(columns | {"longitude": [1.0, numpy.nan], "latitude": [2.0, numpy.nan]})
    times = START + numpy.arange(48) * HOUR
    index = FlareIndex(events)
    table = flare_labels.located(flare_labels.label_table(index, times), index, times)
    labelled = flare_labels.Labelled(table, times, [], 0, 0, [])
    flare_labels.write(labelled, tmp_path)
    for kind in ("full", "simplified", "located"):
        read = label_tables.read([tmp_path / kind / "all.csv"])
        assert numpy.array_equal(read.event, table["target"].to_numpy() == 1)
    located = pandas.read_csv(tmp_path / "located" / "all.csv")
    assert list(located.columns) == ["label", "target", "goes_class", "fl_location", "flare_start"]
    assert located.iloc[8].tolist()[1:] == [1, "M3.0", "unk", "2012-03-02 07:00:00"]
    assert located.iloc[7].tolist()[1:] == [0, "C2.0", "(1.0, 2.0)", "2012-03-02 06:00:00"]
    assert located.iloc[40].tolist()[1:] == [0, "NF", "unk", "unk"]


def test_starts_and_places_are_those_of_the_published_instances(shared):
    """X-class instances of the published AlexNet: the class and start that NOAA's list gives for the same hours."""
    from dataset_models import flare_catalogue

    events = flare_catalogue.read([shared / "hek_flares_2011_2018.csv", shared / "goes_flares_2010_2017.csv"]).events
    published = pandas.read_csv(shared / "published_predictions" / "alex_x_class.csv").sort_values("timestamp")
    table = label_tables.read([shared / "published_predictions" / "alex_x_class.csv"])
    index = FlareIndex(events)
    ours = flare_labels.located(flare_labels.label_table(index, table.times), index, table.times)
    same = ours["flare_start"].to_numpy() == published.drop_duplicates("timestamp")["flare_start"].to_numpy()
    assert same.mean() > 0.95
