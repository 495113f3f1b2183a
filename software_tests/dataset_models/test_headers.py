"""Header cards as archives write them: numbers, bits, times; one line names file and card."""

import datetime
import math

import numpy
import pytest
from astropy.io import fits
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models.images.geometry import linear_wcs, solar_radius
from dataset_models.images.headers import Keywords, parse_time, utc_from_tai
from tools.errors import UserError

POINTING = {"CRPIX1": 10.0, "CRPIX2": 20.0, "CDELT1": 0.5, "CDELT2": 0.5, "CUNIT1": "arcsec", "CUNIT2": "arcsec"}
NO_NUMBERS = ["nan", "'nan'", "-nan", "inf", "MISSING", "", "  ", "0x10", True, float("nan"), fits.card.UNDEFINED]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_number_is_named_where_it_is_needed_and_left_out_where_it_describes(value):
    keywords = Keywords({"CRPIX1": value}, "a.fits")
    assert keywords.described("CRPIX1") is None
    for default in ((), (0.0,)):
        with pytest.raises(UserError, match=r"^a\.fits: its header gives no pointing \(CRPIX1 (=|is)"):
            keywords.number("CRPIX1", *default, purpose="pointing")


@pytest.mark.parametrize(("value", "number"), [("2048.50", 2048.5), ("1.5D+11", 1.5e11), (" 3 ", 3.0), (numpy.int32(4), 4.0)])
def test_numbers_in_texts(value, number):
    assert Keywords({"X": value}, "a").number("X") == number


def test_a_missing_card_has_its_default_or_is_named():
    assert Keywords({}, "a").number("CRVAL1", 0.0) == 0.0
    with pytest.raises(UserError, match="CRVAL1 is missing"):
        Keywords({}, "a").number("CRVAL1")


def test_quality_in_every_form():
    forms = [-2147483648, 2147483648, "0x80000000", "2147483648", 2147483648.0, "0X80000000"]
    assert {Keywords({"QUALITY": form}, "a").bits("QUALITY") for form in forms} == {0x80000000}
    assert Keywords({}, "a").bits("QUALITY") == 0
    for form in ("nan", "", "good", 1.5, "0xgood", 2**40, float("nan"), fits.card.UNDEFINED):
        with pytest.raises(UserError, match=r"a: its header gives no QUALITY word \(QUALITY"):
            Keywords({"QUALITY": form}, "a").bits("QUALITY")


@pytest.mark.parametrize(
    ("cards", "time"),
    [
        ({"DATE-OBS": "2014-06-06T00:00:01.12"}, "2014-06-06T00:00:01.120"),
        ({"DATE-OBS": "2014-06-06T00:00:02.57Z"}, "2014-06-06T00:00:02.570"),
        ({"DATE-OBS": "2016-12-31T23:59:60"}, "2017-01-01T00:00:00"),
        ({"DATE-OBS": "2016-12-31T23:59:60.50Z"}, "2017-01-01T00:00:00.500"),
        ({"DATE-OBS": "MISSING", "T_OBS": "2022.08.02_10:48:52.509_TAI"}, "2022-08-02T10:48:15.509"),
        ({"DATE-OBS": "nan", "DATE_OBS": "2013-05-13 16:54:06"}, "2013-05-13T16:54:06"),
        ({"DATE_OBS": "2013/05/13", "TIME_OBS": "16:54:06.137"}, "2013-05-13T16:54:06.137"),
        ({"DATE-OBS": "2001-01-01", "TIME-OBS": "00:01:02"}, "2001-01-01T00:01:02"),
        ({"DATE-OBS": "2001-01-01", "T_OBS": "2001-01-01T05:00:00"}, "2001-01-01T05:00:00"),
        ({"DATE-OBS": "2015-06-30T12:00:00", "TIMESYS": "TAI"}, "2015-06-30T11:59:25"),
    ],
)
def test_times_of_observations(cards, time):
    assert Keywords(cards, "a").time() == numpy.datetime64(time)


@pytest.mark.parametrize(
    "cards", [{}, {"DATE-OBS": "MISSING"}, {"DATE-OBS": "2001-01-01"}, {"DATE-OBS": "2001-02-30T00:00:00"}, {"DATE-OBS": 5.0}]
)
def test_no_time_is_one_line(cards):
    with pytest.raises(UserError, match=r"^a: its header gives no time \(DATE-OBS"):
        Keywords(cards, "a").time()


def test_a_day_without_a_clock_time():
    assert Keywords({"DATE_OBS": "2013/05/13"}, "a").day() == numpy.datetime64("2013-05-13")
    assert Keywords({"DATE_OBS": "2013/05/13", "TIME_OBS": "16:54:06"}, "a").day() is None
    assert Keywords({}, "a").day() is None


@settings(deadline=None)
@given(st.datetimes(min_value=datetime.datetime(1996, 1, 2), max_value=datetime.datetime(2026, 12, 31)))
def test_tai_is_as_astropy_has_it(moment):
    time = numpy.datetime64(moment.replace(microsecond=0), "s")
    expected = Time(str(time), scale="tai").utc
    if expected.iso[17:19] != "60":  # a leap second counts as the first of the next day
        assert utc_from_tai(time) == numpy.datetime64(Time(expected, precision=0).isot, "s")


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text):
    time = parse_time(text)
    assert time is None or not numpy.isnat(time)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["QUALITY", "DATE-OBS", "CRPIX1", "CDELT1", "CUNIT1", "PC1_1"]), st.text(max_size=12)))
def test_texts_raise_nothing_but_one_line(cards):
    keywords = Keywords(cards, "a")
    for ask in (lambda: keywords.bits("QUALITY"), keywords.time, keywords.day, lambda: linear_wcs(keywords)):
        try:
            answer = ask()
        except UserError as error:
            answer = str(error)
        assert not isinstance(answer, str) or answer.startswith("a: ")


def sky(wcs, pixel):
    return wcs.matrix @ (numpy.array(pixel) - wcs.reference) + wcs.value


def test_one_pointing_in_every_form():
    angle = math.radians(30)
    turn = {"1_1": math.cos(angle), "1_2": -math.sin(angle), "2_1": math.sin(angle), "2_2": math.cos(angle)}
    degrees = {f"CDELT{axis}": 0.5 / 3600 for axis in "12"} | {f"CUNIT{axis}": "deg" for axis in "12"}
    scales = {"CDELT1", "CDELT2"}
    forms = [
        POINTING | {"CROTA2": 30.0},
        POINTING | {f"PC{place}": value for place, value in turn.items()},
        {card: value for card, value in POINTING.items() if card not in scales}
        | {f"CD{place}": 0.5 * value for place, value in turn.items()},
        POINTING | degrees | {"CROTA2": "30."},
        {card: str(value) for card, value in (POINTING | {"CROTA2": 30.0}).items()},
    ]
    wanted = sky(linear_wcs(Keywords(forms[0], "a")), (100, 50))
    for form in forms[1:]:
        wcs = linear_wcs(Keywords(form, "a"))
        assert sky(wcs, (100, 50)) == pytest.approx(wanted, abs=1e-6)
        assert wcs.scale == pytest.approx(0.5)


def test_sampling_puts_north_up_and_the_centre_in_the_middle():
    wcs = linear_wcs(Keywords(POINTING | {"CROTA2": 180.0, "CRVAL1": 3.0}, "a"))
    matrix, offset = wcs.sampling(64, 2.0)
    for row, column in ((0, 0), (63, 5), (31.5, 31.5)):
        y, x = matrix @ (row, column) + offset
        assert sky(wcs, (x, y)) == pytest.approx((2 * (column - 31.5), 2 * (31.5 - row)), abs=1e-9)


@pytest.mark.parametrize(
    ("cards", "card"),
    [
        ({"CRPIX1": "nan"}, "CRPIX1 = nan"),
        ({"CRVAL2": float("nan")}, "CRVAL2 = nan"),
        ({"CROTA2": fits.card.UNDEFINED}, "CROTA2 is blank"),
        ({"CDELT1": 0.0}, "CDELT1 = 0.0"),
        ({"PC1_2": "text"}, "PC1_2 = text"),
        ({"CUNIT1": "furlong"}, "CUNIT1 = furlong"),
        ({"PC1_1": 1.0, "PC1_2": 1.0, "PC2_1": 1.0, "PC2_2": 1.0}, "PC1_1 = 1.0"),
    ],
)
def test_pointing_that_cannot_be_used_is_named(cards, card):
    with pytest.raises(UserError, match="gives no pointing") as caught:
        linear_wcs(Keywords(POINTING | cards, "a"))
    assert f"({card})" in str(caught.value)


def test_the_radius_of_the_sun_from_what_there_is():
    wcs = linear_wcs(Keywords(POINTING, "a"))
    for cards, radius in (
        ({"RSUN_OBS": 950.0, "DSUN_OBS": 1.0}, 950.0),
        ({"RSUN_OBS": "nan", "DSUN_OBS": 1.51786249141e11, "RSUN_REF": 6.96e8}, 945.809),
        ({"DSUN_OBS": "nan", "R_SUN": 1900.0}, 950.0),
        ({"DATE-OBS": "2014-06-06T00:00:00"}, 945.8),
    ):
        assert solar_radius(Keywords(cards, "a"), wcs) == pytest.approx(radius, abs=1.0)
    with pytest.raises(UserError, match=r"how large the Sun is \(RSUN_OBS is missing\)"):
        solar_radius(Keywords({}, "a"), wcs)
