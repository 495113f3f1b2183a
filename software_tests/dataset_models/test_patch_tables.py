"""SHARP and SMARP parameters: tables of patches, their numbers, and regions that are described by them."""

import gzip
import itertools

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_models import flare_catalogue
from dataset_models.flares import patch_features, patch_tables, region_features
from dataset_models.NOAA.active_regions import SIDE_CHANNEL, ActiveRegions
from tools.errors import UserError

HEAD = "HARPNUM,T_REC,AREA,USFLUX,MEANGBZ,R_VALUE,NOAA_ARS,LON_FWT,LAT_FWT"
TRAINING = "prefix,arpnum,t_start,t_end,label,flares,FLARE_INDEX,AREA,USFLUX,MEANGBZ,R_VALUE,fold"
KEPT = "1,2014.04.10_00:00:00_TAI,2360,3.94e21,20.8,2.5,12036,-60,10"
# Of JSOC's all_harps_with_noaa_ars.txt: regions with strong flares, patches that hold several, and quiet ones.
HARPS = """HARPNUM NOAA_ARS
362 11153
377 11158
401 11166
833 11283
1321 11401,11402,11405,11407
1449 11429,11430
1638 11476
1806 11513,11516,11517
1807 11514,11515
2137 11598
2748 11748
2887 11778
3291 11875
3295 11877,11879
3520 11931,11934,11935,11939
3535 11936,11940,11941
3686 11967,11972,11975
3784 11987,11989,11993,11994,12001
3894 12017,12018
4197 12080,12085,12088
4225 12087,12092
4698 12192
4920 12235,12237,12238,12242
5298 12297
6327 12496,12497
7115 12673
"""


@pytest.fixture
def table(tmp_path):
    """Records every 12 hours of two patches: 1 of region 12036, whose flux grows, and 2 of regions 12035 and 12037."""
    lines = [HEAD]
    for number, moment in enumerate(numpy.arange("2014-04-10", "2014-04-20", numpy.timedelta64(12, "h"), "datetime64[m]")):
        t_rec = str(moment).replace("-", ".").replace("T", "_") + ":00_TAI"
        lines.append(f'1,{t_rec},2360,{3.94e21 * 10 ** (number / 10):.6e},20.8,2.5,"12036",{-60 + 6 * number},10')
        lines.append(f'2,{t_rec},23.6,3.94e20,41.6,0,"12035,12037",{-70 + 6 * number},-5')
    path = tmp_path / "sharp.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def flares(tmp_path):
    """A C flare of region 12036 every day at 6, and an M flare of region 12037 on the 16th at 9."""
    lines = ["start_time,peak_time,end_time,goes_class,noaa_active_region"]
    for day in numpy.arange("2014-03-01", "2014-05-01", dtype="datetime64[D]"):
        lines.append(f"{day} 06:00,{day} 06:10,{day} 06:20,C2.0,2036")
        lines += [f"{day} 09:00,{day} 09:10,{day} 09:20,M1.0,2037"] if str(day) == "2014-04-16" else []
    path = tmp_path / "flares.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def summaries(tmp_path):
    """Regions 12036, 12037 and 12040, which has no patch, from the 10th to the 19th."""
    lines = ["date,noaa_number,location,area,z_class,ll,nn,mag_type_raw"]
    for day, (number, area) in itertools.product(range(10, 20), ((2036, 300), (2037, 200), (2040, 100))):
        lines.append(f"2014-04-{day},{number},N10W10,{area},Dkc,8,15,BETA")
    path = tmp_path / "regions.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def column(features, name):
    return features[..., patch_features.NAMES.index(name)]


def test_features_are_decades_above_what_is_usual_and_their_changes(table):
    records = patch_tables.read(table).records
    features = patch_features.features(records)
    first = records["patch"].to_numpy() == 1
    numpy.testing.assert_allclose(column(features[first], "log_unsigned_flux"), numpy.arange(20) / 10, atol=1e-6)
    numpy.testing.assert_allclose(column(features[first], "log_unsigned_flux_change"), [0, 0] + [0.2] * 18, atol=1e-6)
    assert column(features, "patch_seen_before").tolist() == 2 * ([0, 0] + [1] * 18)
    numpy.testing.assert_allclose(column(features[~first], "log_patch_area"), -2, atol=1e-6)
    numpy.testing.assert_allclose(column(features[~first], "mean_gradient"), 1, atol=1e-6)
    assert column(features[first], "r_value")[0] == 0.5
    assert not column(features, "patch_unknown_cells").any()


def test_times_of_jsoc_are_in_tai(table):
    assert patch_tables.read(table).records["time"][0] == pandas.Timestamp("2014-04-09T23:59:25")


@pytest.mark.parametrize(
    ("line", "problem", "records"),
    [
        (KEPT, "1 records of a patch and time that are there already, left out", 40),
        ("0,2014.04.10_00:00:00_TAI,2360,3.94e21,20.8,2.5,12036,0,0", "1 rows without the number or time of a patch", 40),
        ("1.5,2014.04.10_01:00:00_TAI,2360,3.94e21,20.8,2.5,12036,0,0", "1 rows without the number or time of a patch", 40),
        ("1,MISSING,2360,3.94e21,20.8,2.5,12036,0,0", "1 rows without the number or time of a patch, left out (line 42)", 40),
        ("1,2014.04.31_00:00:00_TAI,2360,3.94e21,20.8,2.5,12036,0,0", "1 rows without the number or time of a patch", 40),
        ("1,2014.04.30_00:00:00_TAI,,nan,MISSING,,12036,0,0", "1 records without any of the keywords, left out", 40),
        ("1,2014.04.30_00:00:00_TAI,-1,3.94e21,20.8,2.5,12036,0,0", "1 values of AREA cannot be, left unknown (line 42)", 41),
        ("1,2014.04.30_00:00:00_TAI,1,3.94e21,20.8,99,12036,0,0", "1 values of R_VALUE cannot be, left unknown", 41),
        ("1,2014.04.30_00:00:00_TAI,1,inf,20.8,9,12036,0,0", "1 values of USFLUX cannot be, left unknown", 41),
        ("3,2014.04.30_00:00:00_TAI,1,1e21,20.8,2,0,0,0", "1 of 3 patches have no NOAA number", 41),
        ("3,2014.04.30_00:00:00_TAI,1,1e21,20.8,2,12037,0,0", "1 NOAA numbers are of several patches, the first is 12037", 41),
    ],
)
def test_odd_records_are_counted(table, line, problem, records):
    with table.open("a") as file:
        file.write(line + "\n")
    found = patch_tables.read(table)
    (text,) = found.problems
    assert problem in text
    assert text.startswith(str(table))
    assert len(found.records) == records
    assert numpy.isfinite(patch_features.features(found.records)).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "is no table of patches; it needs the columns HARPNUM or TARPNUM, T_REC, AREA, USFLUX"),
        (HEAD.replace("USFLUX", "USFLUXX") + "\n" + KEPT + "\n", "is no table of patches"),
        (HEAD + "\n" + KEPT.replace("3.94e21", "much") + "\n", "line 2: USFLUX is no number"),
        (HEAD + "\n" + KEPT.replace("2014.04", "2014.44") + "\n", "no row gives the number and time of a patch"),
        (TRAINING + "\nNOAA,1,,2014-04-10 00:00:00,False,,0,1,1,1,1,0\n", "prefix is HARP or TARP, not 'NOAA'"),
        ("HARPNUM NOAA_ARS\n1 12036\n", "a list of NOAA numbers alone; give a table"),
        ("", "empty file"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "other.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        patch_tables.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_of_numbers_are_of_their_instrument(tmp_path):
    rows = [f"{kind},7,,2001-04-0{day} 00:00:00,False,,0,9,1e21,30,2,0" for kind in ("HARP", "TARP") for day in (1, 2)]
    (tmp_path / "both.csv").write_text("\n".join([TRAINING, *rows]) + "\n")
    (tmp_path / "harps.txt").write_text("HARPNUM NOAA_ARS\n7 9001\nseven 9002\n8\n")
    with gzip.open(tmp_path / "tarps.txt.gz", "wt") as file:
        file.write("TARPNUM NOAA_ARS\n7 9005,9003\n7 9003\n")
    found = patch_tables.read([tmp_path / name for name in ("both.csv", "harps.txt", "tarps.txt.gz")])
    assert found.regions == {7: (9001,), patch_tables.TARP + 7: (9003, 9005)}
    assert [patch_tables.name(patch) for patch in found.regions] == ["HARP 7", "TARP 7"]
    assert any("harps.txt: 2 lines are no patch with NOAA numbers, the first is line 3" in text for text in found.problems)
    of_mdi = column(patch_features.features(found.records), "patch_of_mdi")
    assert of_mdi.tolist() == [0, 0, 1, 1]


def test_regions_are_described_by_their_patch(table, flares, summaries):
    sun = ActiveRegions(summaries=(str(summaries),), patches=(str(table),), flares=(str(flares),))
    time = "2014-04-15T00:30"
    assert sun.regions_at(time).tolist() == [12036, 12037, 12040]
    plain = ActiveRegions(summaries=(str(summaries),), flares=(str(flares),))
    inputs, own = sun.inputs(time), len(region_features.NAMES)
    numpy.testing.assert_array_equal(inputs["regions"][:, :own], plain.inputs(time)["regions"])
    assert {name: array.shape for name, array in inputs.items()} == sun.input_shapes
    of_patches = inputs["regions"][:3, own:]
    assert column(of_patches, "has_patch").tolist() == [1, 1, 0]
    assert not of_patches[2].any()
    # Three hours before the issue the newest record is that of noon on the day before.
    assert column(of_patches, "log_unsigned_flux")[0] == pytest.approx(0.9)
    assert column(of_patches, "patch_record_age")[0] == pytest.approx((9.5 * 3600 + 35) / 86400)
    assert sun.describe()["regions_with_patch"] == pytest.approx(16 / 27, abs=1e-3)  # none before the issue of the first day
    few = ActiveRegions(summaries=(str(summaries),), patches=(str(table),), flares=(str(flares),), patch_age_hours=6.0)
    assert not column(few.inputs(time)["regions"][:3, own:], "has_patch").any()


def test_regions_that_share_a_patch_say_so(table, flares, tmp_path):
    lines = ["date,noaa_number,location,area,z_class,ll,nn,mag_type_raw"]
    lines += [f"2014-04-{day},{number},N10W10,300,Dkc,8,15,BETA" for day in range(10, 20) for number in (2035, 2036, 2037)]
    (tmp_path / "two.csv").write_text("\n".join(lines) + "\n")
    sun = ActiveRegions(summaries=(str(tmp_path / "two.csv"),), patches=(str(table),), flares=(str(flares),))
    shared = column(sun.inputs("2014-04-15T00:30")["regions"][:3, len(region_features.NAMES) :], "log_regions_in_patch")
    numpy.testing.assert_allclose(shared, [numpy.log(2), 0, numpy.log(2)], rtol=1e-6)


def test_patches_alone_are_the_regions(table, flares):
    sun = ActiveRegions(patches=(str(table),), flares=(str(flares),), validation_start="2014-04-15")
    time = numpy.datetime64("2014-04-16T00:30:00")
    assert sun.regions_at(time).tolist() == [12036, 12035]  # by flux
    assert {name: array.shape for name, array in sun.inputs(time).items()} == sun.input_shapes
    assert sun.region_names == ("present", *patch_features.NAMES)
    assert sun.inputs(time)["regions"][:, 0].sum() == 2
    # The flare of 12037 is of the patch that is called by its first region, 12035.
    assert sun.flaring_regions(time) == {12036: pytest.approx(2e-6), 12035: pytest.approx(1e-5)}
    marks = sun.flare_marks("validation")[sun.times("validation").tolist().index(time.item())]
    numpy.testing.assert_allclose(marks[:2], [[1, 1], [numpy.log10(2), 0]], atol=1e-6)
    assert [name for name, *_ in sun.places(time)] == ["AR 12036", "AR 12035"]
    assert sun.region_table(time)["longitude"].tolist() == [6, -4]
    assert sun.has_summary(time)
    assert not sun.has_summary("2014-04-28T00:30")
    assert sun.inputs("2014-04-28T00:30")["side_channel"][SIDE_CHANNEL.index("has_summary")] == 0
    assert "records until 3 h before that" in sun.check_leaks()
    with pytest.raises(UserError, match="regions are those of --patches here"):
        sun.with_summary("20140416SRS.txt")


def test_summaries_need_patches_with_noaa_numbers(flares, summaries, tmp_path):
    (tmp_path / "bare.csv").write_text(f"{HEAD}\n{KEPT.replace('12036', '')}\n")
    sun = ActiveRegions(summaries=(str(summaries),), patches=(str(tmp_path / "bare.csv"),), flares=(str(flares),))
    with pytest.raises(UserError, match=r"bare.csv: no patch has a NOAA number; give JSOC's list"):
        sun.inputs("2014-04-10T03:30")
    alone = ActiveRegions(patches=(str(tmp_path / "bare.csv"),), flares=(str(flares),))
    assert alone.regions_at("2014-04-10T03:30").tolist() == [-1]
    missing = ActiveRegions(patches=(str(tmp_path / "none.csv"),), flares=(str(flares),)).is_downloaded()
    assert "none.csv (fetched by hand: keywords of hmi.sharp_cea_720s" in str(missing)


@given(st.integers(0, 240), st.integers(1, 60))
def test_no_number_depends_on_records_that_are_known_later(hour, width):
    times = numpy.datetime64("2014-04-01", "s") + numpy.arange(0, 240, 7) * numpy.timedelta64(1, "h")
    random = numpy.random.default_rng(5)
    records = pandas.DataFrame({"time": numpy.tile(times, 2), "patch": numpy.repeat([3, 8], len(times))})
    records["known"] = records["time"] + patch_tables.CHOSEN_BY
    for name in patch_tables.KEYWORDS:
        records[name] = random.uniform(1, 5, len(records))
    records = records.assign(longitude=numpy.nan, latitude=numpy.nan)
    time, width = times[0] + numpy.timedelta64(hour, "h"), numpy.timedelta64(width, "h")
    past = records[records["known"] <= time]
    whole = patch_features.DescribedPatches(patch_tables.PatchTable(records, {3: (12036,)}, ()))
    found = whole.cells(time, width)
    assert len(found[0]) == 2 * bool(((past["known"] >= time - width) & (past["patch"] == 3)).any())
    if len(past):
        known = patch_features.DescribedPatches(patch_tables.PatchTable(past, {3: (12036,)}, ()))
        for one, other in zip(found, known.cells(time, width), strict=True):
            numpy.testing.assert_array_equal(one, other)


def test_records_that_flares_to_come_chose_are_known_when_those_are_past(tmp_path):
    rows = [
        "HARP,377,,2011-02-12 00:00:00,True,C1.0|M6.6,0,9,1e21,30,2,0",
        "HARP,377,,2011-02-11 00:00:00,False,,0,9,1e21,30,2,0",
    ]
    path = tmp_path / "labels.csv"
    for more, late in (([], 24), (["HARP,378,,2011-02-11 00:00:00,False,||C1.2,0,9,1e21,30,2,0"], 0)):
        path.write_text("\n".join([TRAINING, *rows, *more]) + "\n")
        found = patch_tables.read(path)
        assert (found.records["known"] - found.records["time"] == pandas.Timedelta(late, "h")).all()
        assert any("chosen by the flares that follow within 24 h" in text for text in found.problems) == bool(late)


def test_genuine_tables(shared, tmp_path):
    (tmp_path / "harps.txt").write_text(HARPS)
    path = shared / "sharp" / "sharp_24h_labels_2010_2017.csv.gz"
    found = patch_tables.read([path, tmp_path / "harps.txt"])
    assert len(found.records) == 61254
    assert len(found.regions) == 23  # the others are not in the table
    # Not one of the 58,654 records without an M1.0 to come is followed by a weaker flare: the table is a choice.
    assert "chosen by the flares that follow" in found.problems[0]
    labelled = pandas.read_csv(path)
    labelled = labelled[labelled["arpnum"].isin(found.regions)]
    events = flare_catalogue.read(shared / "flare_lists" / "goes_flares_c1_1986_201905.csv.gz").events
    strong = events[events["flux"] >= 0.9999e-5]
    followed = numpy.zeros(len(labelled), bool)
    ends = pandas.to_datetime(labelled["t_end"]).to_numpy("datetime64[s]")
    for patch, numbers in found.regions.items():
        starts = strong["start"][strong["noaa_region"].isin(numbers)].to_numpy("datetime64[s]")
        after = starts[:, None] - ends
        followed |= ((after >= 0) & (after <= patch_tables.CHOSEN_BY)).any(axis=0) & (labelled["arpnum"] == patch).to_numpy()
    assert (followed == labelled["label"]).all()
    assert (followed.sum(), len(followed)) == (940, 1123)
    features = patch_features.features(found.records)
    assert numpy.isfinite(features).all()
    assert numpy.abs(features).max() < 4


def test_genuine_patches_of_mdi_are_regions_of_their_own(shared):
    sun = ActiveRegions(
        patches=(str(shared / "sharp" / "smarp_24h_labels.csv.gz"),),
        flares=(str(shared / "flare_lists" / "goes_flares_c1_1986_201905.csv.gz"),),
    )
    time = sun.times("training")[1000]
    cells = sun.regions_at(time)
    assert len(cells)
    assert (cells < -patch_tables.TARP).all()
    assert (sun.inputs(time)["regions"][: len(cells), 1 + patch_features.NAMES.index("patch_of_mdi")] == 1).all()
