"""SWPC's own flare lists: edited events as texts and JSON, and the flares of the last seven days."""

import itertools
import json
import time

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models import flare_catalogue
from dataset_models.flares import flare_lists
from tools.errors import UserError

EVENTS = """:Product: 20140225events.txt
:Created: 2014 Feb 28 0357 UT
:Date: 2014 02 25
# Prepared by the U.S. Dept. of Commerce, NOAA, Space Weather Prediction Center
#
# Missing data: ////
#                            Edited Events for 2014 Feb 25
#
#Event    Begin    Max       End  Obs  Q  Type  Loc/Frq   Particulars       Reg#
#-------------------------------------------------------------------------------

4470 +     0039   0049      0103  G15  5   XRA  1-8A      X4.9    4.1E-01   1990
4470      U0040  U0046      0110  LEA  3   FLA  S12E82    2B      ERU       1990
4470       0041   ////      0050  LEA  C   RSP  025-180   II/2    1972

4480       0412   0415      0420  LEA  3   FLA  N05W10    SF                1987
4480      B0413   0416     A0421  G15  5   XRA  1-8A      C2.0    1.0E-03

4490       1200   1204      1209  G15  5   XRA  1-8A      C1.1    5.0E-04   1989
4490       1201   1203      1207  SVI  3   FLA  N05W10    SF                1987

4500       ////   1304      1309  G15  5   XRA  1-8A      C1.3    5.0E-04   1989

4510 +     2344   2357      0004  G15  5   XRA  1-8A      M8.1    4.0E-01   1990
"""


def written(folder, text, name="20140225events.txt"):
    path = folder / name
    path.write_text(text)
    return path


def test_genuine_edited_events_are_the_flares_that_other_lists_have(shared):
    folder = shared / "flare_lists" / "swpc_event_reports"
    paths = sorted(folder.glob("*.txt"))
    lists = [flare_lists.read_list(path) for path in paths]
    assert [(one.source, one.rows, len(one.flares), one.problems) for one in lists] == [
        ("SWPC", 21, 21, ()),
        ("SWPC", 18, 18, ()),
    ]
    strongest = max(lists[0].flares, key=lambda flare: flare.flux)
    assert (strongest.flux, strongest.region) == (8.1e-4, 14366)
    assert [str(moment) for moment in strongest[:3]] == ["2026-02-01 23:44:00", "2026-02-01 23:57:00", "2026-02-02 00:04:00"]
    located = [flare for flare in lists[1].flares if not numpy.isnan(flare.latitude)]
    assert [(flare.start.hour, flare.longitude, flare.latitude) for flare in located] == [(7, -30, 14), (14, -25, 13)]
    joined = flare_catalogue.read([*paths, shared / "flares_2026.csv"])
    assert joined.counts["merged"] == 39
    of_both = joined.events[joined.events["source"] == "SWPC+integrated"]
    assert len(of_both) == 39
    assert {"M1.7", "X8.1", "X2.8"} <= set(of_both["goes_class"])


def test_particulars_of_edited_events(tmp_path):
    found = flare_lists.read_list(written(tmp_path, EVENTS))
    rows = [(f.start.strftime("%H%M"), f.flux, f.longitude, f.latitude, f.region) for f in found.flares]
    nowhere = pytest.approx(numpy.nan, nan_ok=True)
    assert rows == [
        ("0039", 4.9e-4, -82, -12, 11990),
        ("0413", 2.0e-6, 10, 5, None),
        ("1200", 1.1e-6, nowhere, nowhere, 11989),  # the optical flare of this event is of another region
        ("1304", 1.3e-6, nowhere, nowhere, 11989),
        ("2344", 8.1e-5, nowhere, nowhere, 11990),
    ]
    assert str(found.flares[-1].end) == "2014-02-26 00:04:00"
    assert found.repaired == 1
    assert [problem.split("events.txt:")[1] for problem in found.problems] == ["22: no start: its peak is taken for it"]
    assert {what: len(places) for what, places in found.remarks.items() if "began" in what} == {
        "began, peaked or ended before the time given": 1,
        "began, peaked or ended after the time given": 1,
    }


def row(event, begin, kind, place, region):
    particulars = "C1.0" if kind == "XRA" else "SF"
    return f"{event:4}       {begin:04}   ////      2359  SVI  3   {kind}  {place}    {particulars:8}  {region}\n"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_place_is_that_of_the_nearest_optical_flare_of_the_region(tmp_path_factory, data):
    moments, regions = st.sampled_from([0, 1, 2, 30, 31]), st.sampled_from(["", "1990", "1987"])
    kinds, places = st.sampled_from(["FLA", "XFL"]), st.sampled_from(["S12E82", "N05W10", "N30E01", "1-8A", "S01E01"])
    optical = data.draw(st.lists(st.tuples(moments, kinds, places, regions), max_size=12))
    begin, region = data.draw(moments), data.draw(regions)
    text = EVENTS[: EVENTS.index("\n4470")] + "".join(row(4470, *one) for one in optical)
    path = written(tmp_path_factory.mktemp("places"), text + row(4470, begin, "XRA", "1-8A  ", region))
    (flare,) = flare_lists.read_list(path).flares
    rows = [one for one in optical if one[2] != "1-8A" and (not region or one[3] in ("", region))]
    nearest = min(rows, key=lambda one: (one[1] != "FLA", abs(one[0] - begin)), default=None)
    expected = {"S12E82": (-12, -82), "N05W10": (5, 10), "N30E01": (30, -1), "S01E01": (-1, -1)}
    if nearest is None:
        assert numpy.isnan([flare.latitude, flare.longitude]).all()
    else:
        assert (flare.latitude, flare.longitude) == expected[nearest[2]]


def test_many_flares_of_one_event_take_no_time_of_squares(tmp_path):
    lines = [row(4470, number % 60, "FLA", "S12E82", 1000 + number) for number in range(5000)]
    lines += [row(4470, number % 60, "XRA", "1-8A  ", 1000 + number) for number in range(5000)]
    path = written(tmp_path, EVENTS[: EVENTS.index("\n4470")] + "".join(lines))
    began = time.process_time()
    flares = flare_lists.read_list(path).flares
    assert time.process_time() - began < 5  # 10 s and more where each was compared with each
    assert len(flares) == 5000
    assert {flare.longitude for flare in flares} == {-82}


def test_texts_of_other_years_and_quiet_days(tmp_path):
    whole = flare_lists.read_list(written(tmp_path, EVENTS)).flares
    variants = {
        "crlf": EVENTS.replace("\n", "\r\n"),
        "lower": EVENTS.lower(),
        "no date": EVENTS.replace(":Date:", ":Dat:"),
        "no header": EVENTS[EVENTS.index("#Event") :].replace("#Event", "# Edited Events for 2014 Feb 25\n#Event"),
        "wide": EVENTS.replace("\n4", "\n   4"),
    }
    for name, text in variants.items():
        assert flare_lists.read_list(written(tmp_path, text)).flares[0][:8] == whole[0][:8], name
    quiet = EVENTS[: EVENTS.index("\n4470")] + "NO EVENT REPORTS.\n"
    assert flare_lists.read_list(written(tmp_path, quiet)).flares == ()
    june = EVENTS.replace("2014 02 25", "2002 06 20").replace("1990", "9991").replace("1989", "0000")
    assert {f.region for f in flare_lists.read_list(written(tmp_path, june)).flares} == {9991, 10000, None}
    none = EVENTS.replace("1989", "0000")
    assert {f.region for f in flare_lists.read_list(written(tmp_path, none)).flares} == {11990, None}
    with pytest.raises(UserError, match="does not give its day"):
        flare_lists.read_list(written(tmp_path, EVENTS.replace("2014", "2O14")))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_line_costs_no_other(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "20140225events.txt"
    path.write_text(EVENTS)
    whole = flare_lists.read_list(path).flares
    lines = EVENTS.encode().split(b"\n")
    flares = [number for number, line in enumerate(lines) if b"XRA" in line]
    number = data.draw(st.sampled_from(flares))
    line = bytearray(lines[number])
    place = data.draw(st.integers(0, len(line) - 1))
    if data.draw(st.booleans()):
        line[place] = data.draw(st.integers(1, 255))
    else:
        line = bytearray(data.draw(st.binary(max_size=80)).replace(b"\0", b"?"))
    lines[number] = bytes(line)
    path.write_bytes(b"\n".join(lines))
    found = flare_lists.read_list(path)
    kept = [flare for row, flare in zip(flares, whole, strict=True) if row != number]
    assert all(str(flare[:8]) in [str(other[:8]) for other in found.flares] for flare in kept)


SEVEN_DAYS = {
    "time_tag": "2026-02-01T23:44:00Z",
    "begin_time": "2026-02-01T23:44:00Z",
    "begin_class": "M1.2",
    "max_time": "2026-02-01T23:57:00Z",
    "max_class": "X8.1",
    "max_xrlong": 8.11e-4,
    "max_ratio": 0.4,
    "max_ratio_time": "2026-02-01T23:55:00Z",
    "current_int_xrlong": 0.39,
    "end_time": "2026-02-02T00:05:00Z",
    "end_class": "X4.2",
    "satellite": 18,
}


def test_the_flares_of_seven_days(tmp_path, shared):
    rising = SEVEN_DAYS | {"begin_time": "2026-02-02T00:29:00Z", "current_class": "M6.1"}
    rising |= {"max_time": "Unk", "max_class": "Unk", "max_xrlong": None, "end_time": None, "end_class": "Unk"}
    path = written(tmp_path, json.dumps([SEVEN_DAYS, rising, rising | {"begin_time": None}]), "xray-flares-7-day.json")
    found = flare_lists.read_list(path)
    assert (found.source, found.rows, found.malformed) == ("SWPC 7-day", 3, 1)
    assert [(flare.flux, flare.region, str(flare.peak)) for flare in found.flares] == [
        (8.1e-4, None, "2026-02-01 23:57:00"),
        (6.1e-5, None, "None"),
    ]
    assert found.remarks["still rises; its class so far is a lower bound"] == (f"{path}:1: M6.1",)
    events = shared / "flare_lists" / "swpc_event_reports" / "20260201events.txt"
    joined = flare_catalogue.read([events, path])
    strongest = joined.events.loc[joined.events["flux"].idxmax()]
    assert (strongest["source"], strongest["noaa_region"], str(strongest["end"])) == (
        "SWPC+SWPC 7-day",
        14366,
        "2026-02-02 00:04:00",
    )


def test_edited_events_as_json(tmp_path):
    record = {"begin_datetime": "2024-05-28T06:38:00", "begin_quality": "", "max_datetime": "2024-05-28T06:43:00", "bin": 7000}
    record |= {"end_datetime": "2024-05-28T06:48:00", "observatory": "G16", "type": "XRA", "location": "", "region": 3697}
    record |= {"particulars1": "C4.1", "particulars2": "1.4E-03", "frequency": "1-8A", "end_quality": "A", "max_quality": None}
    optical = record | {"type": "FLA", "location": "S18E64", "particulars1": "SF", "begin_datetime": "2024-05-28T06:40:00"}
    radio = record | {"type": "RBR", "particulars1": "120", "region": None}
    path = written(tmp_path, json.dumps([optical, radio, record]), "edited_events.json")
    (flare,) = flare_lists.read_list(path).flares
    assert (flare.flux, flare.longitude, flare.latitude, flare.region, flare.source) == (4.1e-6, -64, -18, 13697, "SWPC")
    assert flare_lists.read_list(written(tmp_path, json.dumps([radio]), "radio.json")).flares == ()


def test_a_flare_that_was_rising_is_the_one_that_the_next_day_has(tmp_path):
    over = SEVEN_DAYS | {"begin_time": "2026-08-01T12:05:00Z", "max_class": "X1.5"}
    over |= {"max_time": "2026-08-01T12:25:00Z", "end_time": "2026-08-01T12:40:00Z"}
    rising = over | {"current_class": "C4.0", "max_time": None, "max_class": None, "end_time": None}
    still = rising | {"current_class": "M2.0"}
    days = []
    for day, row in enumerate((rising, still, over)):
        (tmp_path / str(day)).mkdir()
        days.append(written(tmp_path / str(day), json.dumps([row]), "xray-flares-7-day.json"))
    hek = tmp_path / "hek.csv"
    hek.write_text("start_time,peak_time,goes_class\n2026-08-01 12:05:00,2026-08-01 12:25:00,X1.6\n")
    for order in itertools.permutations(days):
        catalogue = flare_catalogue.read(order)
        (event,) = catalogue.events.itertuples()
        assert (event.goes_class, str(event.peak), event.source) == ("X1.5", "2026-08-01 12:25:00", "SWPC 7-day")
        assert catalogue.counts["repeated"] == 2
        (event,) = flare_catalogue.read([*order, hek]).events.itertuples()
        assert event.goes_class == "X1.5"
    (event,) = flare_catalogue.read(days[:2]).events.itertuples()
    assert event.goes_class == "M2.0"
