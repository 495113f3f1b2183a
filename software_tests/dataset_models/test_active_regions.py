"""NOAA's active regions as a data set: summaries of many days, their numbers, past flares of each, and what follows."""

import gzip
import shutil
import tarfile

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_models import flare_catalogue, leak_check
from dataset_models.flares import flare_marks, region_days, region_features, region_flares
from dataset_models.NOAA.active_regions import SIDE_CHANNEL, ActiveRegions
from tools.errors import UserError

DAY = numpy.timedelta64(1, "D")
HEAD = "date,noaa_number,location,area,z_class,ll,nn,mag_type_raw"
FLARES = "start_time,peak_time,end_time,goes_class,noaa_active_region"


def rows(day, *regions):
    return [f"2014-04-{day:02d},{cells}" for cells in regions]


@pytest.fixture
def table(tmp_path):
    """Twelve days of a growing region, a plain one, and one that goes over the limb on the 13th."""
    lines = [HEAD]
    for day in range(10, 22):
        east = 80 - 13 * (day - 10)
        place = f"S16{'E' if east >= 0 else 'W'}{abs(east):02d}"
        lines += rows(day, f"2036,{place},{40 * (day - 9)},Dkc,{day - 5},{2 * day},BETA-GAMMA-DELTA")
        lines += rows(day, f"2035,N05{'E' if east >= 0 else 'W'}{abs(east):02d},10,Axx,1,1,ALPHA") if day < 18 else []
        lines += rows(day, f"2030,N20W{66 + 12 * (day - 11)},100,Hsx,2,1,ALPHA") if day in (11, 12) else []
    path = tmp_path / "regions.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def flares(tmp_path):
    """A C flare of region 12036 every day at 6, an M flare of it on three days, and one of no region on the 16th."""
    lines = [FLARES]
    for day in numpy.arange("2014-03-01", "2014-05-01", dtype="datetime64[D]"):
        lines.append(f"{day} 06:00,{day} 06:10,{day} 06:20,C2.0,2036")
        if str(day) in ("2014-04-12", "2014-04-15", "2014-04-18"):
            lines.append(f"{day} 12:00,{day} 12:10,{day} 12:20,M3.0,2036")
    lines.append("2014-04-16 20:00,2014-04-16 20:05,2014-04-16 20:30,X1.0,")
    path = tmp_path / "flares.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def data(table, flares, **options):
    return ActiveRegions(summaries=(str(table),), flares=(str(flares),), **options)


def test_tables_and_texts_of_a_year_say_the_same(shared, tmp_path):
    with tarfile.open(shared / "regions" / "srs_texts" / "srs_2014_and_two_odd.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    texts = region_days.read(tmp_path)
    years = region_days.read(shared / "regions" / "srs_regions_1996_2017.csv.gz")
    assert (len(texts.days), len(texts.regions), texts.problems) == (367, 2446, ())
    assert (len(years.days), len(years.regions), len(years.spotless), years.problems) == (8032, 33523, 1201, ())
    both = years.regions.merge(texts.regions, on=["date", "noaa_region"], suffixes=("", "_text"))
    assert len(both) == 2444
    for name in region_days.COLUMNS[2:]:
        assert (both[name] == both[f"{name}_text"]).all(), name
    # The roll-over: 0000 of June 2002 is region 10000.
    assert len(years.regions[years.regions["noaa_region"] == 10000]) == 7


def test_our_own_table_is_read_back(table, tmp_path):
    first = region_days.read(table)
    path = tmp_path / "again.csv"
    first.regions.to_csv(path, index=False)
    with gzip.open(tmp_path / "again.csv.gz", "wb") as packed, open(path, "rb") as plain:
        shutil.copyfileobj(plain, packed)
    for other in (path, tmp_path / "again.csv.gz"):
        pandas.testing.assert_frame_equal(region_days.read(other).regions, first.regions)
    assert region_days.read([table, path]).regions.equals(first.regions)  # of a day that is there twice the first counts


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2014-04-30,2036,S16E80,-5,Dkc,8,15,BETA", "area left unknown, cannot be -5"),
        ("2014-04-30,2036,S16E80,5,Qqq,8,15,BETA", "mcintosh left unknown: 'Qqq'"),
        ("2014-04-30,2036,S16E80,5,Dkc,8,15,WILD", "hale_class left unknown: 'WILD'"),
        ("2014-04-30,2036.5,S16E80,5,Dkc,8,15,BETA", "left out, no number of a region: 2036.5"),
        ("yesterday,2036,S16E80,5,Dkc,8,15,BETA", "left out, no date of a summary: 'yesterday'"),
        ("2014-04-10,2036,S16E80,5,Dkc,8,15,BETA", "1 rows of a region and day that is there already, left out"),
    ],
)
def test_odd_cells_cost_themselves_and_are_named(table, line, problem):
    with table.open("a") as file:
        file.write(line + "\n")
    (found,) = region_days.read(table).problems
    assert problem in found
    assert str(table) in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "is no table of regions; it needs the columns"),
        (HEAD + "\nnever,2036,S16E80,5,Dkc,8,15,BETA\n", "no row gives the date and the number of a region"),
        (HEAD + "\n", "no rows below the header"),
    ],
)
def test_other_tables_are_refused(tmp_path, content, message):
    path = tmp_path / "other.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        region_days.read(path)
    with pytest.raises(UserError, match="holds no solar region summary"):
        region_days.read(tmp_path)


def test_features_say_what_a_region_is_and_how_it_changed(table):
    described = region_features.DescribedRegions(region_days.read(table).regions)
    column = {name: described.features[:, place] for place, name in enumerate(region_features.NAMES)}
    mine = numpy.flatnonzero(described.numbers == 12036)
    area = 40.0 * numpy.arange(1, 13)
    numpy.testing.assert_allclose(column["log_area"][mine], numpy.log1p(area / 10), rtol=1e-6)
    numpy.testing.assert_allclose(column["area_change"][mine][1:], numpy.diff(numpy.log1p(area / 10)), rtol=1e-4)
    assert column["area_change"][mine][0] == column["seen_before"][mine][0] == 0
    assert column["seen_before"][mine][1:].all()
    numpy.testing.assert_allclose(column["age"][mine], numpy.arange(12) / 14, rtol=1e-6)
    for name in ("zurich_D", "penumbra_K", "compactness_C", "hale_beta", "hale_gamma", "hale_delta", "present"):
        assert column[name][mine].all(), name
    assert not column["hale_alpha"][mine].any()
    assert not column["unknown_cells"].any()


def test_a_region_goes_on_for_a_day_behind_the_limb(table, flares):
    sun = data(table, flares)
    regions = {str(day): sun.regions_at(f"2014-04-{day}T00:30").tolist() for day in (12, 13, 14)}
    assert regions == {"12": [12036, 12030, 12035], "13": [12036, 12030, 12035], "14": [12036, 12035]}
    features = sun.inputs("2014-04-13T00:30")["regions"][1]
    assert features[region_features.NAMES.index("gone")] == 1
    assert features[region_features.NAMES.index("longitude")] == pytest.approx((78 + 13.2) / 90)
    assert [name for name, *_ in sun.places("2014-04-13T00:30")] == ["AR 12035", "AR 12036"]


def test_flares_of_a_window_are_those_of_their_regions(table, flares):
    sun = data(table, flares, validation_start="2014-04-16")
    times = sun.times("validation")
    assert times[0] == numpy.datetime64("2014-04-16T00:30:00")
    marks = sun.flare_marks("validation")
    first = marks[0]  # the X flare of no region, then the C flare of the first region
    numpy.testing.assert_allclose(first[:2], [[2.0, -1.0], [numpy.log10(2.0), 0.0]], atol=1e-5)
    assert (first[2:] == -1).all()
    assert sun.targets("validation")[:3].tolist() == [1.0, 0.0, 1.0]
    few = data(table, flares, validation_start="2014-04-16", most_regions=1)
    assert few.regions_at(times[0]).tolist() == [12036]
    alone = data(table.parent / "regions.csv", flares, validation_start="2014-04-16", threshold="X1.0")
    assert alone.targets("validation").tolist() == [1.0] + [0.0] * (len(times) - 1)


def test_windows_are_closed_where_they_begin_and_open_where_they_end(table, flares):
    early = data(table, flares, issue_hour=12.0, validation_start="2014-04-15")
    assert early.target("2014-04-15T12:00") == 1  # the M flare of that very moment
    assert early.target("2014-04-14T12:00") == 0


def test_nothing_that_was_seen_in_the_window_is_used(table, flares):
    late, early = data(table, flares), data(table, flares, lag_hours=-12.5)
    time = "2014-04-15T18:30"  # after the M flare, which lies in the window that began at 6:00
    name = region_flares.NAMES.index("M_flares_0.5d")
    position = late.regions_at(time).tolist().index(12036)
    assert late.inputs(time)["excitation"][position, name] > 0.5
    assert early.inputs(time)["excitation"][position, name] < 0.01
    assert early.target(time) == 1
    assert early.truth(time)[1] == 0
    assert "12.5 h before the issue" in early.check_leaks()


def test_a_summary_of_what_was_seen_in_the_window_is_not_used(table, flares):
    time, log_areas = "2014-04-15T00:30", []
    for lag in (0.0, -0.5, -0.75, -24.0):
        log_areas.append(data(table, flares, lag_hours=lag).inputs(time)["regions"][0, 1])
    # Until midnight of the 15th, where the window begins then or later, else until that of the 14th.
    numpy.testing.assert_allclose(log_areas, numpy.log1p(numpy.array([240.0, 240.0, 200.0, 200.0]) / 10), rtol=1e-6)


def test_a_summary_is_known_half_an_hour_after_midnight(table, flares):
    sun = data(table, flares)
    area = [sun.inputs(time)["regions"][0, 1] for time in ("2014-04-15T00:29", "2014-04-15T00:30", "2014-04-15T23:00")]
    numpy.testing.assert_allclose(area, numpy.log1p(numpy.array([200.0, 240.0, 240.0]) / 10), rtol=1e-6)


def test_a_day_without_summary_is_of_the_history_alone(table, flares):
    sun = data(table, flares, end="2014-04-28", validation_start="2014-04-20")
    times = sun.times("validation")
    assert times[-1] == numpy.datetime64("2014-04-27T00:30:00")
    assert [sun.has_summary(time) for time in times] == [True, True] + [False] * 6
    without = sun.inputs(times[-1])
    assert not without["regions"].any()
    assert without["side_channel"][SIDE_CHANNEL.index("has_summary")] == 0
    assert without["excitation"][-1].max() > 0.5  # flares of region 12036 are those of no listed region then
    assert sun.describe()["days_without_summary"] == 6


def test_without_summaries_regions_are_those_that_flared(flares):
    sun = ActiveRegions(flares=(str(flares),), validation_start="2014-04-20")
    assert list(sun.input_shapes) == ["excitation", "side_channel"]
    assert sun.regions_at("2014-04-20T00:30").tolist() == [12036]
    inputs = sun.inputs("2014-04-20T00:30")
    assert inputs["excitation"][0].max() > 1
    assert {name: array.shape for name, array in inputs.items()} == sun.input_shapes


def test_a_text_of_today_is_read_as_the_day_of_a_table(shared, tmp_path):
    with tarfile.open(shared / "regions" / "srs_texts" / "srs_2014_and_two_odd.tar.gz") as archive:
        archive.extractall(tmp_path / "texts", filter="data")
    texts = {path.name: path for path in (tmp_path / "texts").rglob("*.txt")}
    rows = region_days.read(list(texts.values())).regions
    rows[rows["date"] < "2014-10-23"].to_csv(tmp_path / "before.csv", index=False)
    lists = str(shared / "hek_flares_2011_2018.csv")
    later = ActiveRegions(summaries=(str(tmp_path / "texts"),), flares=(lists,))
    sun = ActiveRegions(summaries=(str(tmp_path / "before.csv"),), flares=(lists,))
    path = texts["20141023SRS.txt"]
    assert sun.image_time(path) == numpy.datetime64("2014-10-23T00:30:00")
    for name, array in sun.read_image(path).items():
        numpy.testing.assert_array_equal(array, later.inputs("2014-10-23T00:30")[name], err_msg=name)
    assert later.metadata("2014-10-23T00:30") == {"flux": 1.1e-05, "class": "M1.1", "flare": 1, "regions": 5}


def test_outcomes_are_those_that_were_published(shared):
    lists = (str(shared / "flare_lists" / "goes_flares_c1_1986_201905.csv.gz"),)
    options = {"flares": lists, "lag_hours": -0.5, "start": "2016-01-01", "end": "2018-01-01", "validation_start": "2016-01-01"}
    for letter in "CM":
        published = pandas.read_csv(shared / "forecasts" / "leka_2016_2017" / f"{letter}1_forecasts.csv")
        sun = ActiveRegions(**options, threshold=f"{letter}1.0")
        times = sun.times("validation")
        assert times.astype("datetime64[D]").astype(str).tolist() == published["VALID_DATE"].tolist()
        different = sun.targets("validation") != published[f"rlz.{letter}1"]
        # The list lacks the flares of twelve days on which those who published saw one of C1.0 or a little more.
        assert different.sum() == (12 if letter == "C" else 0)
        assert not sun.targets("validation")[different].any()


def test_faded_flares_are_sums_of_exponentials():
    moments = numpy.array(["2014-04-01T00:00", "2014-04-03T00:00", "2014-04-03T12:00"], "datetime64[s]")
    events = pandas.DataFrame({"start": moments, "peak": moments, "end": moments, "flux": [2e-6, 3e-5, 2e-4]})
    events["noaa_region"] = pandas.array([5, 5, None], dtype="Int64")
    time = numpy.datetime64("2014-04-04T00:00", "s")
    found = region_flares.faded(events, [5, region_flares.NO_REGION, 6], [time] * 3)
    ages = {5: [3.0, 1.0], region_flares.NO_REGION: [0.5]}
    for row, number in enumerate(ages):
        for place, days in enumerate(region_flares.SCALES):
            expected = sum(numpy.exp(-age / days) for age in ages[number] if age <= 5 * days)
            assert found[row, 3 * place] == pytest.approx(expected)
    assert found[0, 1] == pytest.approx(numpy.exp(-1 / 0.5))
    assert (found[0, 2], found[1, 2]) == (0, pytest.approx(numpy.exp(-1)))
    assert not found[2].any()
    assert region_flares.RegionFlares(events).active(time, 2).tolist() == [5]


@given(st.lists(st.integers(0, 400), min_size=2, max_size=30, unique=True), st.integers(1, 399))
@pytest.mark.long
def test_no_number_depends_on_what_came_later(hours, now):
    start = numpy.datetime64("2014-04-01", "s") + numpy.array(sorted(hours)) * numpy.timedelta64(1, "h")
    end = start + numpy.timedelta64(40, "m")
    events = pandas.DataFrame({"start": start, "peak": start, "end": end, "flux": 1e-5, "goes_class": "M1.0"})
    events["noaa_region"] = pandas.array([12036] * len(events), dtype="Int64")
    time = numpy.datetime64("2014-04-01", "s") + now * numpy.timedelta64(1, "h")
    altered = leak_check.altered(events, time)
    before, after = (region_flares.faded(table, [12036], [time]) for table in (events, altered))
    numpy.testing.assert_array_equal(before, after)


def test_folds_and_dates_split_without_overlap(table, flares):
    with pytest.raises(UserError, match="--fold 1 and --validation_start are two ways to split"):
        data(table, flares, fold=1, validation_start="2014-04-15").times("training")
    sun = data(table, flares, validation_start="2014-04-16")
    assert sun.times("training")[-1] + DAY <= sun.times("validation")[0]
    assert "0 of" in sun.check_leaks()


def test_lists_that_end_before_the_issue_are_named(table, flares, tmp_path):
    short = tmp_path / "short.csv"
    kept = [line for line in flares.read_text().splitlines() if line < "2014-04-14 00:00" or line.startswith("start")]
    short.write_text("\n".join(kept))
    with pytest.raises(UserError, match=r"short.csv: the last flare is of 2014-04-13T06:00:00Z, 42.5 h before"):
        data(table, short).inputs("2014-04-15T00:30")
    empty = tmp_path / "empty.csv"
    empty.write_text(FLARES + "\n")
    with pytest.raises(UserError, match=r"empty.csv"):
        data(table, empty).times("training")


def test_files_that_are_not_there_come_with_the_commands_that_fetch_them(tmp_path):
    sun = ActiveRegions(summaries=(str(tmp_path / "regions"),), flares=(str(tmp_path / "catalogue.csv"),))
    assert not sun.is_downloaded()
    commands = [str(command) for command in sun.downloads("2014-04-01", "2014-05-01")]
    assert [command.split()[1] for command in commands] == [
        "dataset_models/download/noaa_regions.py",
        "dataset_models/download/hek.py",
    ]


def test_a_missing_list_that_no_download_writes_is_the_users_choice(tmp_path):
    sun = ActiveRegions(flares=(str(tmp_path / "mine.csv"),))
    with pytest.raises(UserError, match=r"mine\.csv not there, and which list it should be is your choice; for example python"):
        sun.downloads("2014-04-01", "2014-05-01")


def test_an_issue_where_validation_begins_is_not_in_training_too(table, flares):
    sun = data(table, flares, validation_start="2014-04-14T00:30", gap_hours=0.0)
    assert str(sun.times("validation")[0]) == "2014-04-14T00:30:00"
    assert str(sun.times("training")[-1]) == "2014-04-13T00:30:00"


def test_flares_are_those_of_the_catalogue(table, flares):
    sun = data(table, flares)
    assert sun.events.equals(flare_catalogue.read(flares).events)
    assert sun.flare_marks("training").shape[1] <= flare_marks.MOST_FLARES
