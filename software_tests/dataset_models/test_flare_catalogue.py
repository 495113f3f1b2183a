import json
import re
import time

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models import flare_catalogue
from dataset_models.flare_labels import FlareIndex
from dataset_models.flares import flare_lists, flare_rows
from tools.errors import UserError

HEK, GOES, RECENT = "hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv", "flares_2026.csv"
FLARENET, DONKI = "flarenet/flares_CMX_Flux_2010_2017.csv", "json/donki_flr_6records.json"

INTEGRATED = "start_time,goes_class,fl_lon,fl_lat\n2011-02-15 01:44:00,X2.2,15.1,-21\n"


def written(folder, text, name="list.csv"):
    path = folder / name
    path.write_text(text)
    return path


def event(catalogue, start):
    found = catalogue.events[catalogue.events["start"] == pandas.Timestamp(start)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize(
    ("name", "source", "rows", "events", "repaired"),
    [
        (HEK, "HEK", 7093, 7075, 5),
        (GOES, "GOES", 7040, 7035, 40),
        (RECENT, "integrated", 982, 978, 0),
        (FLARENET, "FlareNet", 8249, 8238, 136),
        (DONKI, "DONKI", 6, 6, 0),
    ],
)
def test_real_lists_are_read_whole(shared, name, source, rows, events, repaired):
    catalogue = flare_catalogue.read(shared / name)
    assert catalogue.counts["rows"] == rows
    assert (catalogue.counts["malformed"], catalogue.counts["incomplete"], catalogue.problems) == (0, 0, ())
    assert catalogue.counts["repaired"] == repaired
    assert len(catalogue.events) == events == rows - catalogue.counts["repeated"]
    assert set(catalogue.events["source"]) == {source}
    assert catalogue.events["start"].is_monotonic_increasing
    assert catalogue.events["start"].dtype == numpy.dtype("datetime64[s]")
    for moment in ("peak", "end"):
        stated = catalogue.events[moment].dropna()
        assert (stated >= catalogue.events.loc[stated.index, "start"]).all()


def test_famous_flares_have_their_textbook_values(shared):
    hek = flare_catalogue.read(shared / HEK)
    strongest = hek.events.loc[hek.events["flux"].idxmax()]
    assert strongest["goes_class"] == "X9.3"
    assert strongest["flux"] == 9.3e-4
    assert (str(strongest["start"]), str(strongest["peak"])) == ("2017-09-06 11:53:00", "2017-09-06 12:02:00")
    assert (strongest["longitude"], strongest["latitude"], strongest["noaa_region"]) == (33, -8, 12673)
    assert event(flare_catalogue.read(shared / GOES), "2011-08-09 07:48")["goes_class"] == "X6.9"


def test_times_across_midnight_move_to_the_next_day(shared):
    hek = event(flare_catalogue.read(shared / HEK), "2012-04-05 23:50")
    assert (str(hek["peak"]), str(hek["end"])) == ("2012-04-06 00:00:00", "2012-04-06 00:05:00")
    goes = event(flare_catalogue.read(shared / GOES), "2010-05-04 19:11")
    assert (str(goes["peak"]), str(goes["end"])) == ("2010-05-05 00:23:00", "2010-05-05 00:34:00")


def test_positions_are_west_and_north_positive_and_unknown_ones_missing(shared):
    hek = flare_catalogue.read(shared / HEK)
    row = event(hek, "2011-10-01 08:56")
    assert (row["longitude"], row["latitude"]) == (6, 10)
    assert numpy.isnan(event(hek, "2011-10-01 03:50")["longitude"])  # 0, 0 in the file
    assert not ((hek.events["longitude"] == 0) & (hek.events["latitude"] == 0)).any()
    donki = flare_catalogue.read(shared / DONKI)
    assert donki.events[["longitude", "latitude", "noaa_region"]].values.tolist()[:3] == [
        [-25, -27, 13093],
        [85, -23, 13089],
        [98, 18, 13098],
    ]


def test_records_of_json_are_named_by_their_line(tmp_path):
    records = [
        '{"beginTime": "2022-09-04T07:35Z", "classType": "C3.9", "activeRegionNum": null}',
        '{\n"classType": "M1.0"}',
        "7",
    ]
    path = written(tmp_path, "[\n" + ",\n".join(records) + "\n]")
    catalogue = flare_catalogue.read(path)
    assert len(catalogue.events) == 1
    assert catalogue.problems == (f"{path}:3: no start time", f"{path}:5: not as many fields as the header has")


def test_optical_importance_is_no_part_of_the_longitude(tmp_path):
    header = "DATE,START_TIME,END_TIME,MAX_TIME,LOCATION,CMX,CMX_VALUE,INTENSITY,FLUX,AR,SHARP\n"
    rows = "100102,2,15,7,S32W481F ,X,170,1.7e-3,0.1,11039,\n"
    row = flare_catalogue.read(written(tmp_path, header + rows)).events.iloc[0]
    assert (row["longitude"], row["latitude"], row["goes_class"], str(row["start"])) == (
        48,
        -32,
        "X17.0",
        "2010-01-02 00:02:00",
    )


LMSAL_PAGE = """<html><table><tr><td>Click on a map</td></tr></table>
<table border=1><tr><th>Event#</th><th>EName</th><th>Start</th><th>Stop</th>
<th>Peak</th><th>GOES Class</th><th>Derived Position</th></tr>
<tr align=center><td>1</td>
<td><A HREF="gev_20251102_1233/index.html">gev_20251102_1233</A></td>
<td>2025/11/02 12:33:00</td><td>12:56:00</td><td>12:46:00</td><td>C8.2</td>
<td><A HREF="x.html">N00W60</A><font size=-1> ( 4267 )</font></td>
<tr align=center><td>2</td><td>gev_20251102_2350</td><td>2025/11/02 23:50:00</td><td>00:31:00</td><td>00:04:00</td>
<td>M1.1</td><td>S09E77</td></table></html>
"""


def test_lmsal_pages_and_their_tables_say_the_same(tmp_path):
    rows = [
        "1,gev_20251102_1233,2025/11/02 12:33:00,12:56:00,12:46:00,C8.2,N00W60 ( 4267 )",
        "2,gev_20251102_2350,2025/11/02 23:50:00,00:31:00,00:04:00,M1.1,S09E77",
    ]
    header = "Event#,EName,Start,Stop,Peak,GOES Class,Derived Position"
    page = flare_catalogue.read(written(tmp_path, LMSAL_PAGE, "index.html"))
    table = flare_catalogue.read(written(tmp_path, "\n".join([header, *rows])))
    pandas.testing.assert_frame_equal(page.events, table.events)
    first, second = page.events.to_dict("records")
    assert (first["noaa_region"], first["longitude"], first["latitude"]) == (14267, 60, 0)
    assert (str(second["peak"]), str(second["end"])) == ("2025-11-03 00:04:00", "2025-11-03 00:31:00")
    assert page.counts["repaired"] == 1
    short = flare_catalogue.read(written(tmp_path, "Start,GOES Class,Class_Type\n2026-01-01 00:56:00,C1.7,C\n", "short.csv"))
    assert short.events.iloc[0][["goes_class", "source"]].tolist() == ["C1.7", "LMSAL"]


def test_one_flare_of_two_lists_is_one_event_and_both_rows_are_kept(shared):
    both = flare_catalogue.read([shared / HEK, shared / GOES])
    assert both.counts["merged"] == 3825
    assert len(both.records) == 7093 + 7040
    assert len(both.events) == len(both.records) - both.counts["merged"] - both.counts["repeated"]
    merged = event(both, "2011-10-01 08:56")
    assert merged["source"] == "HEK+GOES"
    rows = both.records[both.records["event"] == merged.name]
    assert sorted(rows["source"]) == ["GOES", "HEK"]
    for _, row in rows.iterrows():
        line = (shared / {"HEK": HEK, "GOES": GOES}[row["source"]]).read_text().splitlines()[row["line"] - 1]
        assert "08:56" in line if row["source"] == "HEK" else ",856," in line


def test_what_the_first_list_does_not_know_comes_from_the_next(tmp_path):
    bare = written(tmp_path, "start_time,goes_class\n2011-02-15 01:44:00,X2.2\n2011-02-15 04:27:00,C4.8\n", "bare.csv")
    header = "kb_archivid,event_starttime,event_peaktime,event_endtime,fl_goescls,ar_noaanum,event_coord1,event_coord2"
    hek = written(tmp_path, header + "\nx,2011-02-15 01:45:00,2011-02-15 01:56:00,,X2.3,1158,21,-21\n", "hek.csv")
    catalogue = flare_catalogue.read([bare, hek])
    assert len(catalogue.events) == 2
    row = catalogue.events.iloc[0]
    assert (str(row["start"]), row["goes_class"], row["source"]) == ("2011-02-15 01:44:00", "X2.2", "integrated+HEK")
    assert (str(row["peak"]), row["longitude"], row["noaa_region"]) == ("2011-02-15 01:56:00", 21, 11158)
    assert flare_catalogue.read([hek, bare]).events.iloc[0]["goes_class"] == "X2.3"


def test_neighbouring_flares_of_one_list_stay_apart(tmp_path):
    text = "start_time,goes_class\n2026-02-08 11:30:00,C6.3\n2026-02-08 11:32:00,C6.4\n2026-02-08 11:33:00,M6.4\n"
    assert len(flare_catalogue.read(written(tmp_path, text)).events) == 3


def test_rows_of_one_source_and_start_are_one_flare_the_strongest_of_which_counts(tmp_path):
    text = "start_time,goes_class\n2026-02-08 11:32:00,C6.4\n2026-02-08 11:32:00,M6.4\n"
    catalogue = flare_catalogue.read(written(tmp_path, text))
    assert catalogue.events["goes_class"].tolist() == ["M6.4"]
    assert catalogue.counts["repeated"] == 1


@pytest.mark.parametrize("name", [HEK, GOES, RECENT])
def test_merging_within_a_list_changes_no_maximum(shared, name):
    merged, apart = (flare_catalogue.read(shared / name, merge=merge).events for merge in (True, False))
    assert len(merged) < len(apart)
    first = merged["start"].iloc[0].to_numpy()
    times = first + numpy.arange(24 * 90) * numpy.timedelta64(1, "h")
    for hours in (1, 24):
        window = numpy.timedelta64(hours, "h")
        numpy.testing.assert_array_equal(
            FlareIndex(merged).peak_flux(times, window), FlareIndex(apart).peak_flux(times, window)
        )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("ABCM"), st.integers(10, 99)),
            st.tuples(st.just("X"), st.integers(10, 450)),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_classes_become_fluxes_and_classes_again(tmp_path_factory, classes):
    texts = [f"{letter}{tenths // 10}.{tenths % 10}" for letter, tenths in classes]
    rows = [f"2014-01-{day + 1:02} 00:00:00,{text}" for day, text in enumerate(texts)]
    path = written(tmp_path_factory.mktemp("classes"), "\n".join(["start_time,goes_class", *rows]))
    events = flare_catalogue.read(path).events
    assert events["goes_class"].tolist() == texts
    ranks = ["ABCMX".index(letter) * 1000 + tenths for letter, tenths in classes]
    assert numpy.array_equal(numpy.argsort(events["flux"], kind="stable"), numpy.argsort(ranks, kind="stable"))


def test_x10_is_stronger_than_x9(tmp_path):
    rows = ["2003-10-28 09:51:00,X17.2", "2003-10-29 20:37:00,X10", "2003-11-02 17:03:00,X8.3", "2017-09-06 11:53:00,X9.3"]
    events = flare_catalogue.read(written(tmp_path, "\n".join(["start_time,goes_class", *rows]))).events
    assert events.sort_values("flux")["goes_class"].tolist() == ["X8.3", "X9.3", "X10.0", "X17.2"]


def test_malformed_rows_are_named_and_counted_and_unreadable_fields_left_unknown(tmp_path):
    rows = [
        "start_time,goes_class,fl_lon,fl_lat",
        "2011-02-15 01:44:00,X2.2,15,-21",
        "2011-02-16 01:44:00,Q2.2,15,-21",
        "yesterday,C1.0,15,-21",
        "2011-02-17,C1.0,15,-21",
        "2011-02-18 01:44:00,C1.0",
        ",C1.0,15,-21",
        "2011-02-19 01:44:00,C1.0,15,west",
        "2011-02-20 01:44:00,C1.0,unk,unk",
        "2011-02-21 01:44:00,C1.0,15,95",
        "2011-02-22 01:44:00,C0.0,15,9",
    ]
    path = written(tmp_path, "\n".join(rows))
    catalogue = flare_catalogue.read(path)
    assert catalogue.counts["rows"] == 10
    assert catalogue.counts["malformed"] == 6
    assert catalogue.counts["incomplete"] == 2
    assert [problem.split(": ")[0] for problem in catalogue.problems] == [
        f"{path}:{line}" for line in (3, 4, 5, 6, 7, 8, 10, 11)
    ]
    assert catalogue.events["start"].dt.day.tolist() == [15, 19, 20, 21]
    assert catalogue.events["latitude"].isna().tolist() == [False, True, True, True]


def test_an_end_days_before_the_start_is_left_unknown(tmp_path):
    header = "event_starttime,event_peaktime,event_endtime,fl_goescls,ar_noaanum,event_coord1,event_coord2\n"
    rows = "2014-05-25 23:49:00,2014-05-26 00:00:00,2014-05-20 00:04:00,C3.8,0,0,0\n"
    catalogue = flare_catalogue.read(written(tmp_path, header + rows))
    assert numpy.isnat(catalogue.events["end"].to_numpy()[0])
    assert (catalogue.counts["incomplete"], catalogue.counts["repaired"]) == (1, 0)
    assert "end left unknown" in catalogue.problems[0]


def test_a_written_catalogue_is_read_as_it_was(shared, tmp_path, capsys):
    out = tmp_path / "out" / "catalogue.csv"
    flare_catalogue.main([str(shared / HEK), str(shared / GOES), str(shared / FLARENET), "--out", str(out)])
    assert "found in several lists" in capsys.readouterr().out
    events = flare_catalogue.read([shared / HEK, shared / GOES, shared / FLARENET]).events
    again = flare_catalogue.read(out)
    assert again.counts["merged"] == again.counts["repeated"] == 0
    pandas.testing.assert_frame_equal(again.events, events)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty file"),
        ("start_time,fl_lon\n2011-02-15 01:44:00,3\n", "without goes_class"),
        ("DATE,START_TIME,CMX\n100102,310,B\n", "without END_TIME, MAX_TIME, CMX_VALUE, AR"),
        ("a,b\n1,2\n", "known are HEK"),
        ("start_time,goes_class,fl_goescls,event_starttime\n2011-02-15 01:44:00,C1.0,C1.0,x\n", "HEK and integrated"),
        ("start_time,goes_class\n2011-02-15T01:44:00+02:00,C1.0\n", ":2: the time 2011-02-15T01:44:00+02:00 has a time zone"),
        ("start_time,goes_class\nnever,C1.0\nnever,C2.0\n", "none of its 2 rows"),
        ('[{"beginTime": "2022-01-01T10:42Z", "classType": ', "not readable"),
        ('{"beginTime": "2022-01-01T10:42Z"}', "no known flare list"),
        ('[{"beginTime": "2022-01-01T10:42Z"}]', "without classType"),
        ("<html><body>502 Bad Gateway</body></html>", "no known flare list"),
        ("start_time,goes_class\n2011-02-15 01:44:00,C1\0\n", "not a text file"),
    ],
)
def test_a_bad_list_is_refused_in_one_line_that_names_it(tmp_path, text, expected):
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=r"list\.csv") as caught:
        flare_catalogue.read(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_refused(tmp_path):
    binary = tmp_path / "image.jpg"
    binary.write_bytes(bytes(range(256)))
    for path in (tmp_path / "absent.csv", tmp_path, binary):
        with pytest.raises(UserError, match=re.escape(path.name)):
            flare_catalogue.read(path)


def test_days_without_flares_are_no_error(tmp_path):
    for text in ("[]", "start_time,goes_class\n"):
        catalogue = flare_catalogue.read(written(tmp_path, text))
        assert len(catalogue.events) == 0
        assert list(catalogue.events.columns) == list(flare_catalogue.COLUMNS)


def test_each_format_is_claimed_by_its_own_reader_alone():
    for form in flare_lists.FORMATS:
        assert [other.name for other in flare_lists.FORMATS if other.can_read(form.required)] == [form.name]


def test_the_script_ends_with_code_2_and_writes_nothing(tmp_path, command):
    path, out = written(tmp_path, "a,b\n1,2\n"), tmp_path / "catalogue.csv"
    done = command(flare_catalogue.__file__, written(tmp_path, INTEGRATED, "good.csv"), path, "--out", out)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "list.csv" in done.err
    assert not out.exists()


C1, POSITIONS, RECENT_AND_2022 = (
    f"flare_lists/{name}.csv.gz"
    for name in ("goes_flares_c1_1986_201905", "swpc_lmsal_flares_positions_2010_2018", "swpc_flares_2022_and_2025")
)


@pytest.mark.parametrize(
    ("name", "source", "rows", "incomplete", "repaired"),
    [(C1, "HEK", 39037, 87, 10), (POSITIONS, "HEK", 8606, 0, 140), (RECENT_AND_2022, "integrated", 2676, 0, 10)],
)
def test_compressed_lists_are_read_and_their_regions_completed(shared, name, source, rows, incomplete, repaired):
    found = flare_lists.read_list(shared / name)
    assert (found.source, found.rows, len(found.flares)) == (source, rows, rows)
    assert (found.incomplete, found.repaired) == (incomplete, repaired)
    regions = numpy.array([flare.region or 0 for flare in found.flares])
    years = numpy.array([flare.start.year for flare in found.flares])
    assert regions[(years > 2002) & (regions > 0)].min() > 10200
    assert (regions > 0).mean() > 0.6
    steps = numpy.diff(regions[regions > 0])
    assert numpy.abs(steps).max() < 1000  # even where years of the list are missing


def test_flares_that_noaas_list_of_1991_to_1996_has_twice_count_once(shared):
    catalogue = flare_catalogue.read(shared / C1)
    years = pandas.DataFrame({"rows": catalogue.records["start"].dt.year.value_counts()})
    years["flares"] = catalogue.events["start"].dt.year.value_counts()
    twice = (years["rows"] - years["flares"]).sort_index()
    assert twice.loc[1991:1996].to_dict() == {1991: 645, 1992: 1121, 1993: 602, 1994: 172, 1995: 80, 1996: 44}
    assert twice.drop(range(1991, 1997)).sum() == 20 == catalogue.counts["repeated"] - twice.loc[1991:1996].sum()
    flare = event(catalogue, "1992-01-01 12:32")
    assert (flare["goes_class"], str(flare["end"]), flare["noaa_region"]) == ("C7.0", "1992-01-01 13:03:00", 6994)
    assert not (catalogue.events["start"] == "1992-01-01 12:43").any()


@pytest.mark.parametrize(
    ("second", "flares"),
    [
        ("12:43:00,12:54:00,13:14:00,C7.0,6994", 1),
        ("12:43:00,12:50:00,13:14:00,C7.0,", 1),
        ("12:43:00,,,C7.0,6994", 1),
        ("12:43:00,12:54:00,13:14:00,C7.0,6995", 2),
        ("12:43:00,12:54:00,13:14:00,C7.1,6994", 2),
        ("13:03:00,13:06:00,13:14:00,C7.0,6994", 2),
    ],
)
def test_rows_of_one_class_that_overlap_are_one_flare_unless_they_name_two_regions(tmp_path, second, flares):
    head = "start_time,peak_time,end_time,goes_class,noaa_active_region\n"
    times = [part and f"2026-01-01 {part}" for part in second.split(",")[:3]]
    rows = ["2026-01-01 12:32:00,2026-01-01 12:54:00,2026-01-01 13:03:00,C7.0,6994"]
    rows += [",".join([*times, *second.split(",")[3:]])]
    catalogue = flare_catalogue.read(written(tmp_path, head + "\n".join(rows)))
    assert (len(catalogue.events), catalogue.counts["repeated"]) == (flares, 2 - flares)


def test_a_row_of_days_repeats_no_flare(tmp_path):
    head = "start_time,peak_time,end_time,goes_class,noaa_active_region\n"
    rows = ["1998-12-15 00:22,1998-12-16 02:31,1998-12-16 02:38,C1.3,"]
    rows += ["1998-12-15 17:52,1998-12-15 18:01,1998-12-15 18:15,C1.3,"]
    assert len(flare_catalogue.read(written(tmp_path, head + "\n".join(rows))).events) == 2


@pytest.mark.timeout(60)  # each row compared with all others would take minutes
def test_crowds_of_overlapping_rows_of_other_regions_stay_apart(tmp_path):
    head = "start_time,peak_time,end_time,goes_class,noaa_active_region\n"
    rows = [f"2026-01-01 00:{row % 60:02d},,2026-01-01 09:00,C1.0,{14000 + row % 5000}" for row in range(20_000)]
    catalogue = flare_catalogue.read(written(tmp_path, head + "\n".join(rows), "crowd.csv"))
    assert len(catalogue.events) + catalogue.counts["repeated"] == 20_000


def test_another_list_with_the_second_of_two_rows_has_the_same_flare(tmp_path):
    head = "start_time,peak_time,end_time,goes_class,noaa_active_region\n"
    second = "2014-01-04 19:05,2014-01-04 19:46,2014-01-04 20:23,M4.0,"
    twice = written(tmp_path, f"{head}2014-01-04 18:47,2014-01-04 19:46,2014-01-04 20:23,M4.0,\n{second}\n")
    donki = {"beginTime": "2014-01-04T19:05Z", "peakTime": "2014-01-04T19:46Z", "classType": "M4.0", "activeRegionNum": None}
    other = written(tmp_path, json.dumps([donki]), "donki.json")
    catalogue = flare_catalogue.read([twice, other])
    assert (len(catalogue.events), catalogue.counts["repeated"], catalogue.counts["merged"]) == (1, 1, 1)


def test_regions_keep_their_numbers_around_the_roll_over(shared):
    flares = flare_lists.read_list(shared.parent / "cases" / "flare_lists" / "june2002.csv").flares
    assert [flare.region for flare in flares] == [9991, 9991, 10001, 10005]


def test_one_flare_of_two_methods_is_one_event_with_the_place_that_one_of_them_knows(shared, capsys):
    path = shared.parent / "cases" / "flare_lists" / "hek_multi_frm.csv"
    catalogue = flare_catalogue.read(path)
    columns = ["start", "goes_class", "longitude", "latitude", "noaa_region", "source"]
    both = "HEK+HEK/SSW Latest Events"
    assert [(str(row[0]), *row[1:]) for row in catalogue.events[columns].itertuples(index=False)] == [
        ("2014-01-04 18:47:00", "M4.0", -10, -8, 11944, both),
        ("2014-01-07 18:04:00", "X1.2", 11, -15, 11944, both),
        ("2014-01-08 03:39:00", "M3.6", 88, -11, 11947, "HEK"),
    ]
    assert (catalogue.counts["merged"], catalogue.counts["malformed"]) == (2, 1)
    flare_catalogue.main([str(path)])
    assert "taken from the first of: HEK, HEK/SSW Latest Events" in capsys.readouterr().out


def test_the_preferred_method_comes_first_wherever_its_row_is(shared, tmp_path):
    lines = (shared.parent / "cases" / "flare_lists" / "hek_multi_frm.csv").read_text().splitlines()
    turned = flare_catalogue.read(written(tmp_path, "\n".join([lines[0], *lines[:0:-1]])))
    assert str(event(turned, "2014-01-07 18:04")["longitude"]) == "11.0"


def test_methods_of_one_list_are_sources_of_their_own(tmp_path):
    header = "event_starttime,event_peaktime,fl_goescls,frm_name"
    rows = ["2014-01-07T18:03:00,2014-01-07T18:32:00,X1.1,B+C", "2014-01-07T18:04:00,2014-01-07T18:32:00,X1.2,A"]
    found = flare_catalogue.read(written(tmp_path, "\n".join([header, *rows])))
    assert found.events[["goes_class", "source"]].values.tolist() == [["X1.1", "HEK/B C+HEK/A"]]
    of_one = flare_catalogue.read(written(tmp_path, "\n".join([header, *rows]).replace("B+C", "A")))
    assert len(of_one.events) == 2
    found.events.to_csv(tmp_path / "again.csv", index=False)
    assert len(flare_catalogue.read(tmp_path / "again.csv").events) == 1


@pytest.mark.parametrize(
    ("second", "flares"),
    [
        ("2014-01-07 18:08:00,2014-01-07 18:33:00,X1.1", 1),
        ("2014-01-07 18:10:00,2014-01-07 18:33:00,X1.1", 2),  # starts 6 minutes apart
        ("2014-01-07 18:08:00,2014-01-07 18:35:00,X1.1", 2),  # peaks 3 minutes apart
        ("2014-01-07 18:08:00,2014-01-07 18:33:00,M4.0", 2),  # a third of the flux
        ("2014-01-07 18:05:00,,X1.1", 1),
        ("2014-01-07 18:07:00,,X1.1", 2),
        ("2014-01-07 18:05:00,,M4.0", 2),
    ],
)
def test_flares_of_two_lists_are_one_when_times_and_flux_agree(tmp_path, second, flares):
    header = "start_time,peak_time,goes_class\n"
    one = written(tmp_path, header + "2014-01-07 18:04:00,2014-01-07 18:32:00,X1.2\n", "one.csv")
    hek = written(tmp_path, "event_starttime,event_peaktime,fl_goescls\n" + second + "\n", "two.csv")
    assert len(flare_catalogue.read([one, hek]).events) == flares


def test_odd_classes_and_times_of_hek(shared, capsys):
    path = shared.parent / "cases" / "flare_lists" / "hek_classes.csv"
    catalogue = flare_catalogue.read(path)
    classes = dict(zip(catalogue.events["start"].astype(str), catalogue.events["goes_class"], strict=True))
    assert classes["2003-11-04 19:29:00"] == "X28.0"
    assert classes["2009-01-03 00:10:00"] == "X1.0"
    assert classes["2009-01-05 00:10:00"] == "M1.5"
    assert "2009-01-04 00:10:00" not in classes  # M without a number
    assert classes["2017-01-01 00:00:00"] == "C1.0"  # the leap second
    assert str(event(catalogue, "2015-06-30 23:55")["peak"]) == "2015-07-01 00:00:00"
    assert str(event(catalogue, "2014-01-01 23:50")["end"]) == "2014-01-02 00:12:00"
    late = event(catalogue, "2014-01-03 12:50")
    assert (numpy.isnat(late["peak"].to_numpy()), str(late["end"])) == (True, "2014-01-03 13:12:00")
    flare_catalogue.main([str(path)])
    printed = capsys.readouterr().out
    assert f"2 rows: peak flux is a lower bound; the first is {path}:4: >X17" in printed
    assert f"1 row: peak flux is an estimate; the first is {path}:5: X28e" in printed
    assert f"1 row: peak after the end, left unknown; the first is {path}:19: peak 2014-01-03 13:40:00" in printed
    assert f"{path}:19: peak left unknown: 2014-01-03 13:40:00 is after the end, 2014-01-03 13:12:00" in printed


@pytest.mark.parametrize("cut", [slice(None, 40), slice(None, -9), slice(12, None)])
def test_a_broken_compressed_list_is_refused_in_one_line(tmp_path, cut):
    import gzip

    path = tmp_path / "list.csv.gz"
    packed = gzip.compress(INTEGRATED.encode() * 20)
    path.write_bytes(packed)
    assert len(flare_lists.read_list(path).flares) > 0
    path.write_bytes(packed[cut])
    with pytest.raises(UserError, match=r"list\.csv\.gz: ") as caught:
        flare_lists.read_list(path)
    assert "\n" not in str(caught.value)


def test_a_byte_that_is_no_text_costs_its_field(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(INTEGRATED.encode() + b"2011-02-16 01:44:00,C2.\xff,1,1\n2011-02-17 01:44:00,C3.0,1,\xe9\n")
    found = flare_lists.read_list(path)
    assert [flare.start.day for flare in found.flares] == [15, 17]
    assert (found.malformed, found.incomplete) == (1, 1)


RECORD = '{"flrID": "%d", "beginTime": "2022-09-0%dT07:35Z", "classType": "C3.9", "linkedEvents": [{"a": 1}]}'


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_record_of_json_costs_no_other(tmp_path_factory, data):
    records = [RECORD % (day, day) for day in range(1, 6)]
    number = data.draw(st.integers(1, 4))
    damaged = bytearray(records[number].encode())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(1, 255))
    texts = [record.encode() for record in records]
    texts[number] = bytes(damaged)
    path = tmp_path_factory.mktemp("damaged") / "week.json"
    path.write_bytes(b"[" + b",\n".join(texts) + b"]")
    found = flare_lists.read_list(path)
    days = [flare.start.day for flare in found.flares if flare.flux == 3.9e-6 and flare.start.month == 9]
    assert set(days) >= {1, 2, 3, 4, 5} - {number + 1}
    assert found.rows >= 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", '\\"', "\\ud83d\\ude00", "1", "\u00e9", "]"]), max_size=4), st.integers(16_270, 16_390))
def test_a_record_may_be_longer_than_a_piece(tmp_path_factory, letters, length):
    """Records are decoded in pieces of 16,384 letters, which may end anywhere within one."""
    texts = [f'{{"flrID": "{"x" * length}{"".join(letters)}", "note": [-1.25e3, true, null, "{"".join(letters)}"]}}', "{}"]
    found = list(flare_rows.json_rows(f"[{', '.join(texts)}]"))
    assert [record for _, record in found] == [{k: "" if v is None else v for k, v in json.loads(t).items()} for t in texts]


@pytest.mark.parametrize("name", ["records", "cell"])
@pytest.mark.long
def test_damage_in_many_places_takes_no_time_of_squares(tmp_path, name):
    records = [RECORD % (number, 1 + number % 9) for number in range(40_000)]
    damaged = [record.replace(":", ";", 1 - number % 2) for number, record in enumerate(records)]
    cell = LMSAL_PAGE.split("<tr align=center><td>2")[0] + "<tr><td>gev_2" + "<b>0123456789" * 400_000
    path = written(tmp_path, {"records": f"[{', '.join(damaged)}]", "cell": cell}[name])
    began = time.process_time()
    found = flare_lists.read_list(path)
    assert time.process_time() - began < 12  # minutes where each fault or tag is searched for from the beginning
    assert len(found.flares) == {"records": 20_000, "cell": 1}[name]


def test_a_list_of_more_sources_than_are_told_apart_is_refused(tmp_path):
    """A flare is compared by all sources that have it."""
    header = "event_starttime,fl_goescls,frm_name\n"
    rows = "".join(f"2014-01-04T18:47:00,M4.0,method {number}\n" for number in range(101))
    assert len(flare_catalogue.read(written(tmp_path, header + rows.rpartition("2014")[0])).events) == 1
    with pytest.raises(UserError, match=r"list\.csv: its flares are of 101 sources \(frm_name\), more than the 100"):
        flare_catalogue.read(written(tmp_path, header + rows))
