import collections
import gzip
import json

import hypothesis
import numpy
import pytest
from hypothesis import strategies

from network_models.forecasts.exchange import (
    ccmc_hapi,
    ccmc_json,
    ccmc_text,
    ccmc_xml,
    comparison,
    formats,
    met_office,
    swpc,
)
from network_models.forecasts.exchange.issued import MODES, NUMBERINGS, Issued, Probability, RegionForecast
from tools.errors import UserError
from tools.reading import markup

TIME = numpy.datetime64("2026-02-01T00:30:00")
DAY = numpy.timedelta64(86_400, "s")
FORMATS = (ccmc_json, ccmc_xml, ccmc_text)

# Written card by card after public copies of the product; the numbers are those of 18 February 2022.
THREE_DAYS = """\
:Product: 3-Day Forecast
:Issued: 2022 Feb 18 1230 UTC
# Prepared by the U.S. Dept. of Commerce, NOAA, Space Weather Prediction Center
#
A. NOAA Geomagnetic Activity Observation and Forecast

NOAA Kp index breakdown Feb 18-Feb 20 2022

            Feb 18     Feb 19     Feb 20
00-03UT        0          2          2
21-00UT        1          1          5 (G1)

B. NOAA Solar Radiation Activity Observation and Forecast

Solar Radiation Storm Forecast for Feb 18-Feb 20 2022

              Feb 18  Feb 19  Feb 20
S1 or greater    1%      1%      1%

C. NOAA Radio Blackout Activity and Forecast

No radio blackouts were observed over the past 24 hours.

Radio Blackout Forecast for Feb 18-Feb 20 2022

              Feb 18        Feb 19        Feb 20
R1-R2            5%            5%           10%
R3 or greater    1%            1%            1%

Rationale: a slight chance for R1-R2 (Minor-Moderate) radio blackouts on 20 Feb.
"""

# The fields of SWPC's JSON; the second record as services give it when values are missing.
PROBABILITIES = [
    {
        "date": "2026-06-04T00:00:00",
        **{f"{name}_class_{day}_day": value for name, value in (("c", 99), ("m", 50), ("x", "10")) for day in (1, 2, 3)},
        **{f"10mev_protons_{day}_day": 5 for day in (1, 2, 3)},
        "polar_cap_absorption": "green",
    },
    {
        "date": "2026-06-03",
        **{f"{name}_class_{day}_day": -1 for name in "cmx" for day in (2, 3)},
        "c_class_1_day": None,
        "M_Class_1_day": "05",
        "x_class_1_day": 0,
        "polar_cap_absorption": "green",
    },
]

# A record of the disk and of a region, as programs that read the interface keep them, fills as numbers and as texts.
DISK = ["2026-09-24T12:30:00.0", "2026-09-25T12:30:00.0", "2026-09-24T12:30:04.0", "-1", "-1", 0.91, 0.31, 0.01] + ["-1"] * 20
REGION = ["2024-05-14T12:30:00.0", "2024-05-15T12:30:00.0", "2024-05-14T12:30:31.0", -1, -1, 0.05, 0.01, 0.01]
PLACE = {"NOAARegionId": (-1, 3667), "NOAALocationTime": (-1, "2024-05-14T00:30:00.0"), "NOAALatitude": (999, 27)}
PLACE |= {"NOAALongitude": (999, 46), "CataniaRegionId": (-1, 92)}

# Cards and columns of the scoreboard's public example; the region is that of a reader's example.
TEXT = """\
#File name format: Flare_Forecast_modelname_yyyymmdd_hhmm.txt
Forecasting method: MAG4
Issue Time: 2016-03-22T12:00Z
Prediction Window Start Time: 2016-03-22T12:00Z
Prediction Window End Time: 2016-03-23T12:00Z
Probability Bins: M+
Input data: SDO/HMI LOS_Magnetogram
Prediction window (hours): 24
#Full Disk Forecast
#X_prob X_uncert X_Level M_prob M_uncert M_Level C_prob C_uncert C_Level
0.0100 ---- 1 0.1500 0.0500 2 ---- ---- ----
#Region Forecast
#ID Time Location NOAA_AR X_prob X_uncert X_Level M_prob M_uncert M_Level C_prob C_uncert C_Level
1 2016-03-22T12:00Z N15E06 2524 0.0000 ---- ---- 0.0600 ---- ---- ---- ---- ----
2 2016-03-22T12:00Z S10W76 ---- 0.0000 ---- ---- 0.0100 ---- ---- ---- ---- ----
"""


BULLETIN = json.dumps(
    {
        "categories": [
            {"type": "XRAY", "saved_dt": "2016-03-22T00:01:57Z", "probabilities": [{"day1": 5, "day2": 5}, {"day1": 1}]}
        ]
    }
).encode()
ANSWER = json.dumps({"parameters": [{"name": name, "fill": -1} for name in ccmc_hapi.DISK], "data": [DISK]}).encode()


def example(**changes):
    """A forecast of the disk and of two regions."""
    probabilities = {"C1.0": Probability(0.8, 0.7, 0.9), "M1.0": Probability(0.3, 0.2, 0.4), "X1.0": Probability(0.01)}
    regions = (
        RegionForecast(14274, {"M1.0": Probability(0.2), "X1.0": Probability(0.0)}, longitude=-3.6, latitude=12.0),
        RegionForecast(12345, {"M1.0": Probability(0.1)}, "HARP"),
    )
    parts = {"method": "AlexNet & <regions>", "issued": TIME, "begin": TIME, "end": TIME + DAY}
    return Issued(**(parts | {"probabilities": probabilities, "regions": regions} | changes))


units = strategies.floats(0, 1)
intervals = strategies.tuples(units, units).map(sorted)
probability = strategies.builds(Probability, units) | strategies.builds(
    lambda value, bounds: Probability(value, *bounds), units, intervals
)
classes = strategies.dictionaries(strategies.sampled_from(["C1.0", "M1.0", "M5.0", "X1.0", "C", "M"]), probability, max_size=5)
seconds = strategies.integers(0, 3_000_000_000).map(lambda count: numpy.datetime64(count, "s"))
region = strategies.builds(
    RegionForecast,
    strategies.integers(10_000, 99_999),
    classes,
    strategies.sampled_from(NUMBERINGS),
    strategies.none() | strategies.floats(-200, 200),
    strategies.none() | strategies.floats(-90, 90),
)


@strategies.composite
def forecasts(draw):
    begin = draw(seconds)
    disk, regions = draw(classes), draw(strategies.lists(region, max_size=3))
    hypothesis.assume(disk or regions)
    return Issued(
        method=draw(strategies.text(strategies.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30)),
        issued=draw(seconds),
        begin=begin,
        end=begin + numpy.timedelta64(draw(strategies.integers(1, 10**7)), "s"),
        probabilities=disk,
        regions=tuple(regions),
        mode=draw(strategies.sampled_from(MODES)),
        simulated=draw(strategies.booleans()),
    )


@pytest.mark.parametrize("form", FORMATS)
@hypothesis.given(forecasts())
def test_what_is_written_is_read_back(form, issued):
    try:
        expected = form.carried(issued)
    except UserError:
        with pytest.raises(UserError, match=r"no class that the flare scoreboard has|room for one kind"):
            form.write(issued)
        return
    assert form.read(form.write(issued)) == expected


@pytest.mark.parametrize("form", FORMATS)
def test_the_disk_and_noaas_regions_are_in_every_format(form):
    issued = form.read(form.write(example(mode="replayed", simulated=True)))
    assert {key: one.value for key, one in issued.probabilities.items()} == {"X1.0": 0.01, "M1.0": 0.3, "C1.0": 0.8}
    assert issued.regions[0].number == 14274
    assert issued.regions[0].probabilities["X1.0"] == Probability(0.0)
    assert "C1.0" not in issued.regions[0].probabilities
    assert (issued.method, issued.mode, issued.simulated) == ("AlexNet & <regions>", "replayed", True)
    assert (issued.issued, issued.begin, issued.end) == (TIME, TIME, TIME + DAY)


def test_a_class_alone_stays_apart_from_the_class_or_more():
    both = {"M": Probability(0.3), "M1.0": Probability(0.35), "X1.0": Probability(0.07)}
    for form in (ccmc_json, ccmc_xml):
        assert form.read(form.write(example(probabilities=both))).probabilities == both
    alone = example(probabilities={"M": Probability(0.3)}, regions=())
    assert ccmc_text.read(ccmc_text.write(alone)).probabilities == {"M": Probability(0.3)}
    with pytest.raises(UserError, match="M alone and M or more"):
        ccmc_text.write(example(probabilities={"M": Probability(0.3)}))


def test_only_a_forecast_on_time_of_the_real_sun_is_called_a_forecast():
    modes = {}
    for mode in MODES:
        for simulated in (False, True):
            content = json.loads(ccmc_json.write(example(mode=mode, simulated=simulated)))
            modes[mode, simulated] = content["forecast_submission"]["mode"]
            assert set(content) == {"forecast_submission"} or (mode, simulated) != ("on time", False)
    assert [place for place, mode in modes.items() if mode == "forecast"] == [("on time", False)]
    assert {mode for (_, simulated), mode in modes.items() if simulated} == {"test"}


@pytest.mark.parametrize("name", ["", " AlexNet", "Alex\nNet", "Alex\x00Net", "\ud800", "n" * 101])
@pytest.mark.parametrize("form", FORMATS)
def test_a_method_whose_name_no_file_can_carry_is_refused(form, name):
    with pytest.raises(UserError, match="printable letters") as raised:
        form.write(example(method=name))
    assert "\n" not in str(raised.value)


def test_small_probabilities_are_decimals_in_xml():
    assert b"<value>0.000001</value>" in ccmc_xml.write(example(probabilities={"X1.0": Probability(1e-6)}))


def test_the_scoreboard_has_no_bin_for_m5():
    assert "M5.0" not in ccmc_json.carried(example(probabilities={"M5.0": Probability(0.1)})).probabilities
    with pytest.raises(UserError, match="no class that the flare scoreboard has a bin for"):
        ccmc_json.write(example(probabilities={"M5.0": Probability(0.1)}, regions=()))


def test_genuine_files(shared):
    folder = shared / "forecasts" / "ccmc_file_examples"
    disk = ccmc_xml.read(folder / "MO_TOT1_2016-03-22T00-01-57Z_day1.xml")
    assert disk.probabilities == {"M": Probability(0.05), "X1.0": Probability(0.01)}
    assert str(disk.end) == "2016-03-23T00:01:57"
    regions = ccmc_xml.read(folder / "MO_AR1_2016-03-22T08-59-56Z.xml")
    assert regions.probabilities == {"M": Probability(0.06), "X1.0": Probability(0.0)}
    assert regions.regions == (RegionForecast(12524, regions.probabilities, "NOAA", -6.0, 15.0),)
    days = formats.read(folder / "2016-03-22T00-01-57Z.json")
    assert days[0] == disk
    assert [str(day.begin)[:10] for day in days] == ["2016-03-22", "2016-03-23", "2016-03-24", "2016-03-25"]


def test_the_table_of_regions_of_2023(shared, capsys):
    found = ccmc_hapi.read(shared / "forecasts" / "ccmc_scoreboard_regions_2023.csv.gz")
    counts = collections.Counter()
    for one in found:
        counts[one.method] += len(one.regions)
    assert counts == {"NOAA_1": 609, "AMOS_v1": 597, "MAG4_LOS_FEr": 573, "MAG4_LOS_r": 573, "ASAP_1": 394, "DAFFS": 125}
    parts = {one.method: one.regions[0].probabilities for one in reversed(found) if one.regions[0].number == 13180}
    assert parts["AMOS_v1"].keys() == {"C1.0", "M1.0", "X1.0"}
    assert parts["NOAA_1"].keys() == {"C", "M", "X1.0"}  # its MPlus is a sum
    assert parts["ASAP_1"]["M"].value == 0.223
    assert capsys.readouterr().err == ""  # the six sums above 1 are no probabilities left out


@pytest.mark.parametrize(
    ("form", "change"),
    [
        (ccmc_xml, (b"0.3<", b"1.3<")),
        (ccmc_xml, (b"0.3<", b"high<")),
        (ccmc_xml, (b"Full Disk", b"Half Disk")),
        (ccmc_xml, (b'"M+"', b'"Q"')),
        (ccmc_xml, (b'"M+"', b'"C+"')),
        (ccmc_xml, (b"<issuetime>2026", b"<issuetime>26")),
        (ccmc_xml, (b"<method>", b"<metod>")),
        (ccmc_xml, (b"14274", b"14274.5")),
        (ccmc_json, (b'"probability": 0.3', b'"probability": NaN')),
        (ccmc_json, (b'"probability": 0.3', b'"probability": true')),
        (ccmc_json, (b'"probability": 0.3', b'"probability": -0.3')),
        (ccmc_json, (b'"uncertainty_low": 0.1', b'"uncertainty_low": -0.1')),
        (ccmc_json, (b"short_name", b"name")),
        (ccmc_json, (b"2026-02-02T00:30Z", b"2026-01-02T00:30Z")),
        (ccmc_json, (b"2026-02-02T00:30Z", b"2026-02-30T00:30Z")),
        (ccmc_json, (b"flare_probabilities", b"probabilities")),
        (ccmc_json, (b"forecast_submission", b"submission")),
        (ccmc_text, (b"0.3000", b"1.3000")),
        (ccmc_text, (b"0.3000 ----", b"0.3000")),
        (ccmc_text, (b"Issue Time", b"Time of Issue")),
        (ccmc_text, (b"14274", b"AR")),
        (ccmc_text, (b"Bins: X, M+", b"Bins: M, M+")),
    ],
)
def test_damaged_files_are_refused_in_one_line(form, change):
    content = form.write(example())
    assert change[0] in content
    with pytest.raises(UserError, match=r"^sent\.file") as raised:
        form.read(content.replace(*change), "sent.file")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (ccmc_json.read, ccmc_json.write(example())),
        (ccmc_xml.read, ccmc_xml.write(example())),
        (ccmc_text.read, ccmc_text.write(example())),
        (ccmc_text.read, TEXT.encode()),
        (swpc.read_text, THREE_DAYS.encode()),
        (swpc.read_json, json.dumps(PROBABILITIES).encode()),
        (met_office.read, BULLETIN),
        (ccmc_hapi.read, ANSWER),
        (ccmc_hapi.read, f"{','.join(ccmc_hapi.DISK)}\n{','.join(map(str, DISK))}".encode()),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value.__module__.rpartition(".")[2],
)
@hypothesis.given(
    place=strategies.floats(0, 1),
    length=strategies.integers(0, 9),
    inserted=strategies.binary(max_size=20) | strategies.text(max_size=9).map(lambda text: text.encode("utf-8", "replace")),
)
def test_any_bytes_end_in_forecasts_or_one_line(read, content, place, length, inserted):
    place, refused = round(place * len(content)), ""
    try:
        read(content[:place] + inserted + content[place + length :], "sent.file")
    except UserError as error:
        refused = str(error)
    assert not refused or (refused.startswith("sent.file") and "\n" not in refused)


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (place, b"&l%d;" % (place - 1) * 10) for place in range(1, 10))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'<!DOCTYPE m [<!ENTITY l0 "ha">' + LAUGHS + b"]><message>&l9;</message>", "document type"),
        (b'<!DOCTYPE m [<!ENTITY f SYSTEM "file:///proc/version">]><message>&f;</message>', "document type"),
        (b'<!DOCTYPE m SYSTEM "http://127.0.0.1:9/m.dtd"><message/>', "document type"),
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE m><message/>'.encode("utf-16"), "document type"),
        (b"<message>&f;</message>", "no sound XML"),
        (b"<a>" * 50 + b"</a>" * 50, "nested more than 40 deep"),
        (b"<a>" + b"<b/>" * 100_001 + b"</a>", "more than 100000 elements"),
        (b"<a>" + b" " * markup.MOST + b"</a>", "more than"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "no sound XML"),
        (b"", "no sound XML"),
    ],
)
def test_hostile_xml_is_refused(content, reason):
    with pytest.raises(UserError, match=reason) as raised:
        ccmc_xml.read(content, "sent.xml")
    assert str(raised.value).startswith("sent.xml: ")
    assert "Linux" not in str(raised.value)


def test_a_gzip_bomb_is_refused(tmp_path):
    path = tmp_path / "sent.xml.gz"
    path.write_bytes(gzip.compress(b" " * (markup.MOST + 10)))
    with pytest.raises(UserError, match="unpacks to more than"):
        ccmc_xml.read(path)


def test_xml_of_sidc_and_of_noaa():
    content = b"""<message><forecast><method>SIDC_v2</method><issuetime>2026-09-24T12:30:04</issuetime>
<predictionwindow><begin>2026-09-24T12:30:00</begin><end>2026-09-25T12:30:00</end></predictionwindow>
<group><forecasttype>Full Disk</forecasttype><entry><fluxbin name="C+"/><probability><value/></probability></entry>
<entry><fluxbin name="M+"/><probability><value>0.31</value><uncertainty>0.1</uncertainty></probability></entry></group>
<group><forecasttype>Region</forecasttype>
<group><sourceregion><id scheme="Catania_sunspot_group_number">92</id></sourceregion>
<sourceregion><id scheme="NOAA_AR_numbering_scheme">3667</id></sourceregion>
<entry><fluxbin name="X+"/><probability><value>0.01</value></probability></entry></group>
<group><sourceregion><id scheme="Catania_sunspot_group_number">93</id></sourceregion>
<entry><fluxbin name="X+"/><probability><value>0.02</value></probability></entry></group></group></forecast></message>"""
    issued = ccmc_xml.read(content)
    assert issued.probabilities == {"M1.0": Probability(0.31, 0.21, 0.41)}
    assert issued.regions == (RegionForecast(13667, {"X1.0": Probability(0.01)}),)


def test_text_after_the_scoreboards_example():
    issued = ccmc_text.read(TEXT.encode())
    assert issued.probabilities == {"X1.0": Probability(0.01), "M1.0": Probability(0.15, 0.1, 0.2)}
    assert issued.regions == (RegionForecast(12524, {"X1.0": Probability(0.0), "M1.0": Probability(0.06)}, "NOAA", -6.0, 15.0),)
    alone = ccmc_text.read(TEXT.replace("Probability Bins: M+", "Probability Bins: ----").encode())
    assert alone.probabilities.keys() == {"X1.0", "M"}
    assert ccmc_text.file_name(issued) == "Flare_Forecast_MAG4_20160322_1200.txt"


def test_answers_of_hapi():
    parameters = [{"name": name, "fill": "" if "time" in name or "window" in name else -1} for name in ccmc_hapi.DISK]
    answer = json.dumps({"parameters": parameters, "data": [DISK]}).encode()
    (disk,) = ccmc_hapi.read(answer, "SIDC_Operator_FULLDISK.json")
    assert disk.method == "SIDC_Operator"
    assert disk.probabilities == {"C1.0": Probability(0.91), "M1.0": Probability(0.31), "X1.0": Probability(0.01)}
    line = ",".join(map(str, DISK))
    commented = "\n".join(f"#{part}" for part in json.dumps({"parameters": parameters}, indent=1).splitlines())
    for text in (line, f"{commented}\n{line}", f"{','.join(ccmc_hapi.DISK)}\n{line}"):
        assert ccmc_hapi.read(text.encode(), "SIDC_Operator_FULLDISK.csv") == [disk]
    bounds = dict(zip(ccmc_hapi.DISK, DISK, strict=True)) | {"MPlus_value_lower": 0.2, "MPlus_value_higher": 0.5, "C": 0.8}
    (disk,) = ccmc_hapi.read(json.dumps({"parameters": parameters, "data": [list(bounds.values())]}).encode(), method="SIDC")
    assert disk.probabilities["M1.0"] == Probability(0.31, 0.2, 0.5)
    assert disk.probabilities["C"] == Probability(0.8)


def test_of_a_forecast_sent_twice_the_last_counts(capsys):
    later = [*DISK[:7], 0.02, *DISK[8:]]
    rows = "\n".join(",".join(map(str, row)) for row in (DISK, later))
    (issued,) = ccmc_hapi.read(rows.encode(), "SIDC.csv")
    assert issued.probabilities["X1.0"] == Probability(0.02)
    assert "1 earlier records of the same" in capsys.readouterr().err


def test_regions_of_hapi(capsys):
    names = [*ccmc_hapi.DISK[:8], *PLACE]
    parameters = [{"name": name, "fill": PLACE.get(name, (-1,))[0]} for name in names]
    rows = [REGION + [value for _, value in PLACE.values()], REGION + [fill for fill, _ in PLACE.values()]]
    rows += [[*REGION[:3], -1, -1, -1, 1.2, -1, 3668, "", 999, 999], [*REGION[:3], *[-1] * 5, 3669, "", 999, 999]]
    rows = [[*row, -1][:13] for row in rows]
    (issued,) = ccmc_hapi.read(json.dumps({"parameters": parameters, "data": rows}).encode(), "SIDC_Operator_REGIONS.json")
    assert issued.probabilities == {}
    (region,) = issued.regions
    assert (region.number, region.longitude, region.latitude) == (13667, 46, 27)
    told = capsys.readouterr().err
    assert "1 probabilities outside 0 to 1, 1 records of regions without a number, 2 empty records" in told


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'{"parameters": [], "data": []}',
        b'{"parameters": [{"name": "start_window"}], "data": [[]]}',
        b"start_window,end_window,issue_time,X\n",
        b"start_window,end_window,issue_time,X\n2026-01-01T00:00,2026-01-02T00:00,2026-01-01T00:00,much\n",
        b"start_window,end_window,issue_time,X\n2026-01-01T00:00,2026-01-02T00:00,,0.1\n",
        b"start_window,end_window,issue_time,X\n2026-01-01T00:00,2026-01-02T00:00,2026-01-01T00:00\n",
        b"start_window,end_window,issue_time,X\n2026-01-02T00:00,2026-01-01T00:00,2026-01-01T00:00,0.1\n",
        b'start_window,end_window,issue_time,X\n"2026-01-02T00:00,2026-01-01T00:00,2026-01-01T00:00,0.1\n',
        b"a,b\n1,2\n",
        b"\xff\xfe",
    ],
)
def test_damaged_answers_are_refused_in_one_line(content):
    with pytest.raises(UserError, match=r"^answer") as raised:
        ccmc_hapi.read(content, "answer")
    assert "\n" not in str(raised.value)


def test_three_day_forecast():
    days = swpc.read_text(THREE_DAYS.encode())
    assert [str(day.begin) for day in days] == [f"2022-02-{day}T00:00:00" for day in (18, 19, 20)]
    assert days[2].probabilities == {"M": Probability(0.1), "X1.0": Probability(0.01)}
    assert [day.mode for day in days] == ["late", "on time", "on time"]
    morning = swpc.read_text(THREE_DAYS.replace("18 1230", "18 0030").encode())
    assert {day.mode for day in morning} == {"on time"}


def test_three_days_over_the_new_year():
    text = THREE_DAYS.replace("Feb 18", "Dec 31").replace("Feb 19", "Jan 01").replace("Feb 20", "Jan 02")
    assert [str(day.begin)[:10] for day in swpc.read_text(text.encode())] == ["2022-12-31", "2023-01-01", "2023-01-02"]


@pytest.mark.parametrize(
    "change",
    [
        (":Issued:", ":Made:"),
        ("2022 Feb 18", "2022 Fev 18"),
        ("2022 Feb 18 1230", "2022 Feb 30 1230"),
        ("Radio Blackout Forecast for", "Forecast for"),
        ("R1-R2            5%", "R1-R2             "),
        ("R3 or greater    1%", "R3 or greater  101%"),
        ("R3 or greater", "R3"),
        ("Feb 20\nR1", "Feb 32\nR1"),
    ],
)
def test_a_damaged_three_day_forecast_is_refused(change):
    assert change[0] in THREE_DAYS
    with pytest.raises(UserError, match=r"^3-day") as raised:
        swpc.read_text(THREE_DAYS.replace(*change).encode(), "3-day")
    assert "\n" not in str(raised.value)


def test_swpcs_probabilities_are_of_days_from_midnight_on():
    days = swpc.read_json(json.dumps(PROBABILITIES).encode())
    assert [str(day.begin)[:10] for day in days] == ["2026-06-03", "2026-06-04", "2026-06-05", "2026-06-06"]
    assert days[0].probabilities == {"M": Probability(0.05), "X1.0": Probability(0.0)}
    assert days[1].probabilities == {"C": Probability(0.99), "M": Probability(0.5), "X1.0": Probability(0.1)}


@pytest.mark.parametrize("content", ["[]", "{}", "[1]", '[{"date": "2026-06-04", "m_class_1_day": 120}]', '[{"date": "soon"}]'])
def test_damaged_probabilities_of_swpc_are_refused(content):
    with pytest.raises(UserError, match=r"^solar_probabilities\.json"):
        swpc.read_json(content.encode(), "solar_probabilities.json")


@pytest.mark.parametrize(
    "content",
    [
        {"categories": []},
        {"categories": [{"type": "XRAY", "saved_dt": "2016-03-22T00:01:57Z", "probabilities": [{"day1": 5}]}]},
        {"categories": [{"type": "XRAY", "saved_dt": "2016-03-22T00:01:57Z", "probabilities": [{"day1": 500}, {"day1": 1}]}]},
        {"categories": [{"type": "XRAY", "probabilities": [{"day1": 5}, {"day1": 1}]}]},
        {"categories": [{"type": "XRAY", "saved_dt": "2016-03-22T00:01:57Z", "probabilities": [{"today": 5}, {"day1": 1}]}]},
        {"categories": [{"type": "XRAY", "saved_dt": "2016-03-22T00:01:57Z", "probabilities": [{"day1": None}, {}]}]},
    ],
)
def test_damaged_bulletins_are_refused(content):
    with pytest.raises(UserError, match=r"^bulletin\.json"):
        met_office.read(json.dumps(content).encode(), "bulletin.json")


def test_a_day_that_a_bulletin_lacks_is_no_other_day():
    probabilities = [{"day2": 5, "day3": None}, {"day2": 0}]
    content = {"categories": [{"type": "XRAY", "saved_dt": "2016-03-22T00:01:57Z", "probabilities": probabilities}]}
    (issued,) = met_office.read(json.dumps(content).encode())
    assert str(issued.begin) == "2016-03-23T00:01:57"
    assert issued.probabilities == {"M": Probability(0.05), "X1.0": Probability(0.0)}


def test_formats_are_told_apart(tmp_path):
    contents = {
        "a": ccmc_json.write(example()),
        "b": ccmc_xml.write(example()),
        "c": ccmc_text.write(example()),
        "d": json.dumps(PROBABILITIES).encode(),
        "e": THREE_DAYS.encode(),
        "f": ANSWER,
        "g": ",".join(map(str, DISK)).encode(),
        "h": TEXT.encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    methods = [formats.read(tmp_path / name)[0].method for name in contents]
    assert methods == ["AlexNet & <regions>"] * 3 + ["SWPC"] * 2 + ["f", "g", "MAG4"]
    (tmp_path / "z").write_text("nothing of the kind")
    with pytest.raises(UserError, match="of no format of forecasts"):
        formats.read(tmp_path / "z")


def test_m_or_more_of_m_and_x():
    both = {"M": Probability(0.5), "X1.0": Probability(0.2)}
    assert comparison.probability_of(both, "M1.0") == 0.6
    assert comparison.probability_of(both | {"C": Probability(0.5)}, "C1.0") == 0.8
    assert comparison.probability_of(both | {"M1.0": Probability(0.55)}, "M1") == 0.55
    assert comparison.probability_of({"M": Probability(0.5)}, "M1.0") is None
    assert comparison.probability_of(both, "C1.0") is None
    assert comparison.probability_of(both, "M5.0") is None
    assert comparison.probability_of({"M": Probability(0.0), "X1.0": Probability(0.0)}, "M1.0") == 0.0


def test_a_series_holds_the_last_forecast_of_each_day_that_was_on_time():
    days = swpc.read_text(THREE_DAYS.encode()) + swpc.read_text(THREE_DAYS.replace("18 1230", "18 0030").encode())
    series = comparison.forecasts_of(days, "M1.0")
    # The first day of the noon edition is late, its second is newer than that of midnight, its third more than a day ahead.
    assert series.times.astype(str).tolist() == ["2022-02-18T00:00:00", "2022-02-19T00:00:00"]
    numpy.testing.assert_allclose(series.probability, [1 - 0.95 * 0.99] * 2)
    assert (series.name, series.event, series.simulated) == ("SWPC", None, False)
    assert len(comparison.forecasts_of(days, "X1.0", ahead=3 * DAY, late=True)) == 3
    # The edition of 00:30 alone: its second day is 23.5 h ahead, and no forecast of the next day all the same.
    early = swpc.read_text(THREE_DAYS.replace("18 1230", "18 0030").encode())
    assert comparison.forecasts_of(early, "M1.0").times.astype(str).tolist() == ["2022-02-18T00:00:00"]


def test_what_was_issued_well_into_its_window_does_not_count():
    late, later = (example(issued=TIME + numpy.timedelta64(minutes, "m"), regions=()) for minutes in (60, 61))
    assert len(comparison.forecasts_of([late], "M1.0")) == 1
    assert len(comparison.forecasts_of([later], "M1.0", late=True)) == 1
    with pytest.raises(UserError, match="none of 1 forecasts"):
        comparison.forecasts_of([later], "M1.0")


def test_a_series_is_of_one_method_one_window_and_one_sun():
    one = example(regions=())
    with pytest.raises(UserError, match="2 methods"):
        comparison.forecasts_of([one, example(method="other")], "M1.0")
    with pytest.raises(UserError, match="none of 1 forecasts"):
        comparison.forecasts_of([one], "M1.0", window=DAY // 2)
    with pytest.raises(UserError, match="simulated"):
        later = {"issued": TIME + DAY, "begin": TIME + DAY, "end": TIME + 2 * DAY}
        comparison.forecasts_of([one, example(simulated=True, **later)], "M1.0")
    with pytest.raises(UserError, match="no GOES class"):
        comparison.forecasts_of([one], "big")
