"""NOAA's region summaries as they came since 1996, and region numbers across the roll-over of June 2002."""

import csv
import datetime
import gzip
import importlib.util
import pathlib
import tarfile

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models.download import checks
from dataset_models.flares import region_numbers, region_summaries
from tools.errors import UserError

SUMMARY = """:Product: 0416SRS.txt
:Issued: 2014 Apr 16 1220 UTC
# Prepared jointly by the U.S. Dept. of Commerce, NOAA,
Joint USAF/NOAA Solar Region Summary
**** CORRECTION****
SRS Number 106 Issued at 0030Z on 16 Apr 2014
Report compiled from data received at SWO on 15 Apr
I.  Regions with Sunspots.  Locations Valid at 15/2400Z
Nmbr Location  Lo  Area  Z   LL   NN Mag Type
2032 N12W29   274  0160 Cso  06   03 Beta
2035 S19E26   219  0190 Fac  16   18 Beta-Gamma
2155 S20E75   116  0090 Hax  02    Alpha
2156 S01W98        0000 Axx  00   01 Beta-Gamma-Delta
IA. H-alpha Plages without Spots.  Locations Valid at 15/2400Z Apr
Nmbr  Location  Lo
2030  N08W65   005
II. Regions Due to Return 16 Apr to 18 Apr
Nmbr Lat    Lo
None
"""
ROWS = range(9, 13)  # lines of SUMMARY, counted from 0


@pytest.fixture(scope="module")
def texts(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    with tarfile.open(shared / "regions" / "srs_texts" / "srs_2014_and_two_odd.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return sorted(folder.rglob("*.txt"))


def place(text):
    return int(text[4:]) * (1 if text[3] == "W" else -1), int(text[1:3]) * (1 if text[0] == "N" else -1)


def test_every_genuine_text_is_read_and_says_what_another_reading_of_them_says(texts, shared):
    summaries = {str(one.issued): one for one in map(region_summaries.read, texts)}
    assert len(texts) == len(summaries) == 367
    for path in texts:
        day = f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}"
        assert checks.check("regions", path, {"day": day}) == numpy.datetime64(day)
    assert not [odd for one in summaries.values() for odd in one.odd]
    with gzip.open(shared / "regions" / "srs_regions_1996_2017.csv.gz", "rt") as file:
        known = {}
        for row in csv.DictReader(file):
            if row["date"] in summaries:
                region = (10000 + int(row["noaa_number"]), *place(row["location"]), int(row["area"]), row["mag_type_raw"])
                known.setdefault(row["date"], set()).add(region)
    found = {
        day: {(r.number, r.longitude, r.latitude, r.area, r.hale_class) for r in one.regions} for day, one in summaries.items()
    }
    assert sum(map(len, known.values())) == 2444
    assert all(known[day] <= found[day] for day in known)
    # Two days whose number of spots is missing have a region that the other reading has not.
    more = {(day, region[0]) for day in known for region in found[day] - known[day]}
    assert more == {("2011-07-25", 11260), ("2014-09-04", 12155)}
    assert summaries["2019-10-11"].regions == ()


def test_texts_that_sunpy_reads_say_the_same(texts):
    from sunpy.io.special import srs

    place_of_sunpy = pathlib.Path(importlib.util.find_spec("sunpy").origin).parent / "data" / "test" / "SRS"
    for path in [*sorted(place_of_sunpy.glob("*.txt")), *texts[10:14]]:
        table = srs.read_srs(str(path))
        ours = region_summaries.read(path).regions
        rows = [row for row in table if str(row["ID"]) == "I"]
        assert [one.number % 10000 for one in ours] == [row["Number"] % 10000 for row in rows], path
        for one, row in zip(ours, rows, strict=True):
            theirs = [float(row[name].value) for name in ("Longitude", "Latitude", "Area")]
            assert [one.longitude, one.latitude, one.area] == theirs, path
            assert one.hale_class == str(row["Mag Type"]).title()


@pytest.mark.parametrize(
    ("day", "regions", "odd"),
    [
        ("20010311", [(9368, 73, 25, 210, "Beta"), (9370, 51, 10, 150, "Beta-Gamma")], []),
        ("20010312", [(9368, 73, 25, 210, "Beta"), (9370, 51, 10, 150, "Beta-Gamma")], ["19: no row of section II: '99999'"]),
        (
            "20010314",
            [(9368, 73, 25, 210, "Beta"), (9370, 51, 10, 150, "Beta-Gamma"), (9371, 51, -10, 0, "")],
            ["13: region 9371: its magnetic class left unknown"],
        ),
        ("20010315", [], []),
        ("20010317", [(9368, None, None, 210, "Beta")], ["11: region 9368: its place, 'N25W??', left unknown"]),
        ("20020615", [(9991, 43, -20, 290, "Beta-Gamma-Delta"), (10001, -13, 20, 290, "Beta")], []),
    ],
)
def test_odd_texts_cost_their_cell_and_no_more(shared, day, regions, odd):
    path = shared.parent / "cases" / "srs" / f"{day}SRS.txt"
    summary = region_summaries.read(path)
    found = [
        tuple(None if value != value else value for value in (r.number, r.longitude, r.latitude, r.area, r.hale_class))
        for r in summary.regions
    ]
    assert found == regions
    assert summary.odd == tuple(f"{path}:{one}" for one in odd)


def test_forms_of_all_years_are_read():
    plain = region_summaries.parse(SUMMARY, "day.txt")
    assert (plain.issued, plain.odd) == (datetime.date(2014, 4, 16), ())
    assert [r.number for r in plain.regions] == [12032, 12035, 12155, 12156]
    assert [(r.longitude, r.latitude, r.area) for r in plain.regions][2:] == [(-75, -20, 90), (98, -1, 0)]
    assert [(r.mcintosh, r.extent, r.spots) for r in plain.regions[:2]] == [("Cso", 6, 3), ("Fac", 16, 18)]
    assert (plain.regions[2].mcintosh, plain.regions[2].extent) == ("Hax", 2)
    assert numpy.isnan(plain.regions[2].spots)
    for text in (SUMMARY.upper(), SUMMARY.lower(), SUMMARY.replace("\n", "\r\n"), SUMMARY + "PLAIN\nRegion 5 is 10005\n"):
        assert region_summaries.parse(text, "day.txt") == plain
    assert region_summaries.parse(SUMMARY.replace(":Issued:", ":Isued:"), "day.txt").issued == plain.issued
    cells = region_summaries.parse(SUMMARY.replace("0190 Fac", "01?0 Fac").replace("2032 N12W29", "20x2 N12W29"), "day.txt")
    assert numpy.isnan(cells.regions[0].area)
    assert cells.odd == (
        "day.txt:10: left out: not a region's number: '20x2'",
        "day.txt:11: region 12035: its area left unknown",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is no solar region summary"),
        (SUMMARY[: SUMMARY.index("I.  Regions")], "is no solar region summary"),
        (SUMMARY[: SUMMARY.index("2155")], "is cut short"),
        (SUMMARY.replace("2014", "20l4"), "does not give its date of issue"),
        (SUMMARY.replace("Apr", "Feb").replace(" 16 ", " 31 "), "does not give its date of issue"),
    ],
)
def test_a_day_that_cannot_be_read_is_refused_in_one_line(tmp_path, text, expected):
    path = tmp_path / "day.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=expected) as caught:
        region_summaries.read(path)
    assert str(caught.value).startswith(str(path))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_byte_or_line_costs_no_other(data):
    whole = region_summaries.parse(SUMMARY, "day.txt")
    lines = SUMMARY.encode().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    line = bytearray(lines[number])
    what = data.draw(st.sampled_from(["byte", "insert", "line", "delete"]))
    place = data.draw(st.integers(0, len(line) - 1))
    if what == "byte":
        line[place] = data.draw(st.integers(0, 255))
    elif what == "insert":
        line.insert(place, data.draw(st.integers(0, 255)))
    else:
        line = data.draw(st.binary(max_size=60)) if what == "line" else b""
    lines[number] = bytes(line)
    try:
        damaged = region_summaries.parse(b"\n".join(lines).decode("utf-8", "replace"), "day.txt")
    except UserError:
        assert number not in ROWS
        return
    if number in ROWS:
        kept = [region for row, region in zip(ROWS, whole.regions, strict=True) if row != number]
        assert [region for region in damaged.regions if region in kept] == kept
        assert damaged.issued == whole.issued


@pytest.mark.parametrize(
    ("number", "date", "full"),
    [
        (4745, "1986-09-08", 4745),
        (100, "1998-01-01", 100),
        (9991, "2002-06-13", 9991),
        (9991, "2002-06-16", 9991),
        (9987, "2002-06-28", 9987),
        (0, "2002-06-15", 10000),
        (1, "2002-06-20", 10001),
        (10005, "2002-06-21", 10005),
        (486, "2003-10-28", 10486),
        (1158, "2011-02-15", 11158),
        (4366, "2026-02-01", 14366),
        (13664, "2024-05-10", 13664),
        (9998, "2046-01-01", 19998),
        (3, "2050-01-01", 20003),
    ],
)
def test_region_numbers_are_completed_by_date(number, date, full):
    assert region_numbers.full_number(number, datetime.date.fromisoformat(date)) == full
    assert region_numbers.full_number(number, datetime.datetime.fromisoformat(f"{date}T12:00")) == full


def test_regions_keep_their_numbers_while_they_cross_the_disk(shared):
    """A region seen on two days in a row has one number and one Carrington longitude, in all 33,523 region-days."""
    with gzip.open(shared / "regions" / "srs_regions_1996_2017.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    newest = 0
    for row in rows:
        day = datetime.date.fromisoformat(row["date"])
        full = region_numbers.full_number(int(row["noaa_number"]), day)
        assert -60 < newest - full < 60 or full > newest, row
        newest = max(newest, full) if newest else full
        assert full < 10000 or day > datetime.date(2002, 6, 14)
    assert newest == 12692
