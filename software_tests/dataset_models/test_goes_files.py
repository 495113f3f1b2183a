"""Files of GOES X-ray flux as archives write them, and with every fault that one was seen with or could have."""

import gzip
import json
import math
import shutil

import h5py
import hypothesis
import numpy
import pytest
from astropy.io import fits
from hypothesis import strategies
from sunpy.data.test import get_test_filepath

from dataset_models import goes_files
from dataset_models.download import checks
from tools import goes_class

DAY = 86400
X1 = "sci_xrsf-l2-avg1m_g16_d20220330_v2-1-0.nc"
OLD = "go1520110607.fits"  # a genuine one, which comes with sunpy


VARIABLES = ("time", "xrsb_flux", "xrsb_flag", "xrsb_num")


@pytest.fixture(scope="module")
def compact(shared_or_none, tmp_path_factory):
    """The genuine day with its variables in one piece each, not one that takes long to copy and open; else one made like it."""
    path = tmp_path_factory.mktemp("compact") / X1
    if shared_or_none is None:
        write_day(path)
        return path
    with h5py.File(shared_or_none / "xrs" / X1) as file, h5py.File(path, "w") as copy:
        copy.attrs.update(file.attrs)
        for name in VARIABLES:
            copy[name] = file[name][:]
            copy[name].attrs.update(
                {key: value for key, value in file[name].attrs.items() if key.islower() or key == "_FillValue"}
            )
    return path


def write_day(path):
    """Write a day as NOAA does: an X1.3 flare at 17:37, an hour of eclipse, and bad minutes around it."""
    minute = numpy.arange(1440)
    random = numpy.random.default_rng(3)
    after = numpy.clip(minute - 1057, -12, None)
    flare = 1.36e-4 * numpy.where(after < 0, 1 + after / 12, numpy.exp(-after / 15))
    flux = (1.4e-6 * (1 + 0.3 * numpy.sin(minute / 200)) * random.uniform(0.98, 1.02, 1440) + flare).astype("float32")
    flag = numpy.zeros(1440, "uint8")
    flag[500:576], flag[508:568] = 1, 2
    flux[flag == 2] = -9999.0
    masks, values = [3, 1, 2, 4, 8, 8, 48, 48], [0, 1, 2, 4, 0, 8, 16, 32]
    meanings = "good_data eclipse bad_data e_contam_significant e_correction_valid e_correction_invalid"
    meanings += " e_correction_interp e_correction_decay"
    with h5py.File(path, "w") as file:
        for name, value in {
            "id": X1,
            "time_coverage_start": "2022-03-30T00:00:00.000Z",
            "time_coverage_end": "2022-03-31T00:00:00.000Z",
            "title": "L2 XRS 1 minute average",
            "platform": "g16",
        }.items():
            file.attrs[name] = numpy.bytes_(value.encode())
        noon = int(numpy.datetime64("2000-01-01T12:00:00", "s").astype("int64"))
        arrays = (start("2022-03-30") - noon + 60.0 * minute, flux, flag, numpy.full(1440, 60, "uint8"))
        for name, array in zip(VARIABLES, arrays, strict=True):
            file[name] = array
        fills = (-9999.0, numpy.float32(-9999.0), numpy.uint8(255), numpy.uint8(255))
        for name, fill in zip(VARIABLES, fills, strict=True):
            file[name].attrs["_FillValue"] = numpy.array([fill])
        file["time"].attrs["units"] = numpy.bytes_(b"seconds since 2000-01-01 12:00:00")
        limits = {"valid_min": numpy.array([1e-9], "float32"), "valid_max": numpy.array([0.2], "float32")}
        file["xrsb_flux"].attrs.update({"units": numpy.bytes_(b"W/m2"), **limits})
        masks = {"flag_masks": numpy.array(masks, "uint8"), "flag_values": numpy.array(values, "uint8")}
        file["xrsb_flag"].attrs.update({**masks, "flag_meanings": numpy.bytes_(meanings.encode())})


@pytest.fixture
def edited(compact, tmp_path):
    """A function that copies the genuine day, applies `edit` to it as an open h5py file, and returns its path."""

    def edited(edit, *, name=X1):
        path = tmp_path / name
        shutil.copy(compact, path)
        with h5py.File(path, "r+") as file:
            edit(file)
        return path

    return edited


@pytest.fixture
def genuine(compact):
    return goes_files.read_minutes(compact)


def start(day):
    return int(numpy.datetime64(day, "s").astype("int64"))


# A day with an X1.3


def test_genuine_day_with_an_x_flare(shared):
    genuine = goes_files.read_minutes(shared / "xrs" / X1)
    assert (genuine.satellite, genuine.calibration, genuine.faults) == (16, "science", {})
    assert len(genuine.time) == 1362  # 70 minutes of eclipse and what the flags reject around it
    assert (genuine.time // DAY == start("2022-03-30") // DAY).all()
    peak = genuine.flux.argmax()
    assert numpy.datetime64(int(genuine.time[peak]), "s") == numpy.datetime64("2022-03-30T17:37:00")
    assert genuine.flux[peak] == pytest.approx(1.3797796e-4, rel=1e-7)
    assert goes_class.from_flux(genuine.flux[peak]) == "X1.3"


def test_gzipped_files_are_read_by_their_content(compact, tmp_path, genuine):
    path = tmp_path / "unnamed"
    path.write_bytes(gzip.compress(compact.read_bytes(), 1))
    numpy.testing.assert_array_equal(goes_files.read_minutes(path).flux, genuine.flux)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(goes_files.NotGoes, match="unnamed: is truncated"):
        goes_files.read_minutes(path)


# Times


@pytest.mark.parametrize("value", [-9999.0, math.nan, math.inf, -math.inf, 9.96921e36])
def test_records_without_a_time_are_left_out_and_counted(edited, genuine, value):
    def spoil(file):
        file["time"][[5, 700, 1439]] = value

    minutes = goes_files.read_minutes(edited(spoil))
    gone = start("2022-03-30") + 60 * numpy.array([5, 700, 1439])
    kept = ~numpy.isin(genuine.time, gone)
    numpy.testing.assert_array_equal(minutes.time, genuine.time[kept])
    numpy.testing.assert_array_equal(minutes.flux, genuine.flux[kept])
    assert minutes.faults == {"records without a time, left out": 3}


def test_many_records_without_a_time_cost_no_good_one_but_all_of_them_the_file(edited):
    def half(file):
        file["time"][:720] = -9999.0

    def whole(file):
        file["time"][:] = -9999.0

    minutes = goes_files.read_minutes(edited(half))
    assert minutes.time[0] >= start("2022-03-30T12:00")
    assert minutes.faults == {"records without a time, left out": 720}
    with pytest.raises(goes_files.NotGoes, match="none of its 1440 records has a time; fetch it again"):
        goes_files.read_minutes(edited(whole))


def test_valid_range_of_times_is_obeyed(edited, genuine):
    def spoil(file):
        file["time"].attrs["valid_min"] = file["time"][0]
        file["time"].attrs["valid_max"] = file["time"][719]

    minutes = goes_files.read_minutes(edited(spoil))
    assert len(minutes.time) == (genuine.time < start("2022-03-30T12:00")).sum()


@pytest.mark.parametrize("away", [-8030 * DAY, -DAY, -3600, 61, DAY, 20 * DAY])
def test_few_stray_records_are_left_out_and_more_refuse_the_file(edited, genuine, away):
    def stray(count):
        def spoil(file):
            records = slice(0, count) if away < 0 else slice(1440 - count, 1440)
            file["time"][records] = (file["time"][0] if away < 0 else file["time"][0] + DAY) + away

        return spoil

    minutes = goes_files.read_minutes(edited(stray(3)))
    assert set(minutes.time) < set(genuine.time)
    assert minutes.faults == {"records outside the file's own time, left out": 3}
    path = edited(stray(15))
    with pytest.raises(goes_files.NotGoes, match="15 of 1440 records lie outside the time of its name and header") as caught:
        goes_files.read_minutes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "(2022-03-30T00:00:00Z to 2022-03-31T00:00:00Z)" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shift", [-DAY, -3600, 3600, DAY, 365 * DAY])
@pytest.mark.parametrize("name", [X1, "renamed.nc"])  # its name, or its attributes say the day
def test_a_file_of_another_time_than_it_says_is_refused(edited, shift, name):
    def spoil(file):
        file["time"][:] = file["time"][:] + shift

    with pytest.raises(goes_files.NotGoes, match="records lie outside the time of its name and header"):
        goes_files.read_minutes(edited(spoil, name=name))


def test_first_and_last_sample_and_leap_second_may_leave_the_day(edited, genuine):
    def leap(file):
        file["time"][1439] = file["time"][1438] + 61  # 23:59:60 in seconds that do not count it is the next midnight

    minutes = goes_files.read_minutes(edited(leap))
    assert len(minutes.time) == len(genuine.time)
    assert minutes.faults == {}


@pytest.mark.parametrize(
    "name", ["sci_xrsf-l2-avg1m_g16_s20170207_e20231231_v2-2-0.nc", "sci_xrsf-l2-avg1m_g16_y2022_v2-2-0.nc"]
)
def test_files_of_a_mission_or_a_year_hold_more_than_a_day(edited, name):
    def spread(file):
        file.attrs["id"] = name
        file["time"][:] = file["time"][0] + DAY * (numpy.arange(1440) // 10)

    minutes = goes_files.read_minutes(edited(spread, name=name))
    assert minutes.time[-1] - minutes.time[0] == 143 * DAY
    assert minutes.faults == {}


def test_name_and_header_of_different_days_are_told(edited, genuine):
    path = edited(lambda file: None, name="sci_xrsf-l2-avg1m_g16_d20220401_v2-1-0.nc")
    minutes = goes_files.read_minutes(path)
    numpy.testing.assert_array_equal(minutes.time, genuine.time)
    assert minutes.faults == {"name and header of different days": 1}


def test_a_file_that_promises_nothing_is_measured_by_its_median(edited, genuine):
    def spoil(file):
        for name in ("id", "time_coverage_start", "time_coverage_end"):
            file.attrs[name] = " "
        file.attrs["title"] = "GOES 1-15 L2 XRS 1-minute Irradiance averages"
        file["time"][:2] = file["time"][0] - 5000 * DAY

    minutes = goes_files.read_minutes(edited(spoil, name="goes16.nc"))
    assert minutes.time[0] >= genuine.time[0]
    assert minutes.faults == {"records outside the file's own time, left out": 2}


def test_a_file_with_no_record_in_its_time_is_refused_however_short(edited):
    def cut(file):
        file["time"][3:] = -9999.0
        file["time"][:3] = file["time"][:3] + 2 * DAY

    with pytest.raises(goes_files.NotGoes, match="3 of 3 records lie outside the time of its name and header"):
        goes_files.read_minutes(edited(cut))


def test_order_of_records_does_not_matter(edited, genuine):
    order = numpy.random.default_rng(0).permutation(1440)

    def shuffle(file):
        for name in ("time", "xrsb_flux", "xrsb_flag", "xrsb_num"):
            file[name][:] = file[name][:][order]

    minutes = goes_files.read_minutes(edited(shuffle))
    numpy.testing.assert_array_equal(minutes.time, genuine.time)
    numpy.testing.assert_array_equal(minutes.flux, genuine.flux)


# Values


@pytest.mark.parametrize(
    "limit",
    [numpy.float32(1e-4), numpy.array([1e-4], "float32"), numpy.array([1e-4, 1.0]), "1e-4", b"0.0001", numpy.bytes_(b"1e-4 ")],
)
def test_valid_max_is_obeyed_however_it_is_written(edited, genuine, limit):
    def spoil(file):
        file["xrsb_flux"].attrs["valid_max"] = limit

    minutes = goes_files.read_minutes(edited(spoil))
    numpy.testing.assert_array_equal(minutes.flux, genuine.flux[genuine.flux <= 1e-4])
    assert len(minutes.flux) < len(genuine.flux)


@pytest.mark.parametrize(
    "limit", [math.nan, numpy.array([math.nan], "float32"), "none", b"", h5py.Empty("f4"), numpy.array([])]
)
def test_limits_that_are_no_numbers_limit_nothing(edited, genuine, limit):
    def spoil(file):
        for name in ("xrsb_flux", "xrsb_flag", "time"):
            file[name].attrs["valid_min"] = limit
            file[name].attrs["valid_max"] = limit

    numpy.testing.assert_array_equal(goes_files.read_minutes(edited(spoil)).flux, genuine.flux)


def test_valid_min_valid_range_and_missing_value_are_obeyed(edited, genuine):
    def spoil(file):
        attributes = file["xrsb_flux"].attrs
        del attributes["valid_min"], attributes["valid_max"]
        attributes["valid_range"] = numpy.array([2e-6, 1e-5])
        attributes["missing_value"] = numpy.float32(file["xrsb_flux"][100])

    flux = genuine.flux
    minutes = goes_files.read_minutes(edited(spoil))
    expected = flux[(flux >= 2e-6) & (flux <= 1e-5) & (genuine.time != start("2022-03-30T01:40"))]
    numpy.testing.assert_array_equal(minutes.flux, expected)


def test_limits_have_the_precision_of_the_variable(edited, genuine):
    """1e-9 as float64 is more than 1e-9 as float32: a flux at the limit is valid."""
    least = genuine.flux.min()

    def spoil(file):
        file["xrsb_flux"].attrs["valid_min"] = numpy.nextafter(least, 1.0)

    assert goes_files.read_minutes(edited(spoil)).flux.min() == least


def test_flags_outside_their_valid_range_say_nothing_good(edited, genuine):
    def spoil(file):
        file["xrsb_flag"].attrs["valid_max"] = 15
        file["xrsb_flag"][600:610] = 64

    minutes = goes_files.read_minutes(edited(spoil))
    lost = set(genuine.time) - set(minutes.time)
    assert set(range(start("2022-03-30T10:00"), start("2022-03-30T10:10"), 60)) <= lost


@pytest.mark.parametrize("unit", ["W/m2", "W m-2", "W m^-2", "W/m^2", "watts/m2", "W /m**2", "", None])
def test_spellings_of_the_unit(edited, genuine, unit):
    def spoil(file):
        del file["xrsb_flux"].attrs["units"]
        if unit is not None:
            file["xrsb_flux"].attrs["units"] = unit

    numpy.testing.assert_array_equal(goes_files.read_minutes(edited(spoil)).flux, genuine.flux)


def rename(old, new):
    def edit(file):
        file[new] = file[old]
        del file[old]

    return edit


def attribute(variable, name, value):
    def edit(file):
        file[variable].attrs[name] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (attribute("xrsb_flux", "units", "counts"), "its xrsb_flux is in 'counts', expected W/m2"),
        (attribute("xrsb_flux", "units", "mW/m2"), "its xrsb_flux is in 'mW/m2', expected W/m2"),
        (attribute("time", "units", "fortnights since 2000-01-01"), "its times are in 'fortnights since 2000-01-01'"),
        (attribute("time", "units", "seconds since then"), "its times are in 'seconds since then'"),
        (rename("xrsb_flux", "other"), "has no variable xrsb_flux or b_flux"),
        (rename("xrsb_flag", "other"), "has no variable xrsb_flag or xrsb_flags or b_flags"),
        (rename("time", "other"), "has no variable time"),
        (lambda file: file["xrsb_flag"].attrs.__delitem__("flag_meanings"), "does not give the meanings of its flags"),
        (lambda file: file["xrsb_flux"].__setitem__(slice(None), -9999.0), "holds no minute with good samples"),
    ],
)
def test_netcdf_that_cannot_be_used_is_one_line(edited, edit, message):
    path = edited(edit)
    with pytest.raises(goes_files.NotGoes) as caught:
        goes_files.read_minutes(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


# Daily FITS


@pytest.fixture
def old(tmp_path):
    """A function that applies `edit` to the HDUs of the genuine daily FITS file; returns the path of the result."""

    def old(edit, *, name=OLD):
        with fits.open(get_test_filepath(OLD)) as file:
            hdus = edit(file) or file
            fits.HDUList(list(hdus)).writeto(tmp_path / name, output_verify="ignore", overwrite=True)
        return tmp_path / name

    return old


@pytest.fixture
def genuine_old():
    return goes_files.read_minutes(get_test_filepath(OLD))


def broken(path, name, old, new):
    """Replace bytes in the header of an HDU."""
    content = bytearray(path.read_bytes())
    at = content.index(f"EXTNAME = '{name:<8}'".encode())
    begin = content.rindex(b"XTENSION", 0, at)
    place = content.index(old, begin)
    assert place < begin + 5760
    content[place : place + len(new)] = new
    path.write_bytes(content)
    return path


NO_STATUS = {"status table that cannot be read: its samples count as good": 1}


@pytest.mark.parametrize(
    ("edit", "faults"),
    [
        (lambda file: file[:3], {}),
        (lambda file: [*file[:3], fits.BinTableHDU(file[3].data[:0], file[3].header)], {}),
        (lambda file: [file[0], file[2], file[3]], {}),
        (lambda file: [file[0], file[3], file[2]], {}),
        (lambda file: [*file[:3], fits.ImageHDU(numpy.zeros((2, 3)), name="STATUS")], NO_STATUS),
        (lambda file: [*file[:3], fits.BinTableHDU.from_columns(file[3].columns[:1], name="STATUS")], NO_STATUS),
    ],
    ids=["none", "no rows", "no edges", "another order", "an image", "a missing column"],
)
def test_fits_gives_its_good_flux_whatever_its_other_hdus_are(old, genuine_old, edit, faults):
    minutes = goes_files.read_minutes(old(edit))
    numpy.testing.assert_array_equal(minutes.time, genuine_old.time)
    numpy.testing.assert_array_equal(minutes.flux, genuine_old.flux)
    assert minutes.faults == faults


@pytest.mark.parametrize("name", ["EDGES", "STATUS"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"TFORM1  = '", b"TFORM1  = '?"),
        (b"NAXIS1  = ", b"NAXIS1  = 'x' "),
        (b"BITPIX  =  ", b"BITPIX  ? '"),
        (b"TFIELDS =", b"TFIELDZ ="),
        (b"XTENSION", b"XTENSIOM"),
    ],
)
def test_one_broken_hdu_costs_only_itself(old, genuine_old, name, before, after):
    minutes = goes_files.read_minutes(broken(old(lambda file: None), name, before, after))
    numpy.testing.assert_array_equal(minutes.time, genuine_old.time)
    numpy.testing.assert_array_equal(minutes.flux, genuine_old.flux)


@pytest.mark.parametrize("begin", [0, 80, 800])
def test_a_broken_primary_hdu_costs_no_flux(old, genuine_old, begin):
    path = old(lambda file: None)
    content = bytearray(path.read_bytes())
    content[begin : begin + 80] = b"\xff" * 80
    path.write_bytes(content)
    numpy.testing.assert_array_equal(goes_files.read_minutes(path).flux, genuine_old.flux)


def test_fits_with_rows_of_samples(old, genuine_old):
    """One row per sample instead of one row of arrays."""

    def turn(file):
        record = file[2].data[0]
        columns = [fits.Column("TIME", "D", "s", array=record["TIME"]), fits.Column("FLUX", "2E", array=record["FLUX"])]
        return [file[0], fits.BinTableHDU.from_columns(columns, name="FLUXES")]

    numpy.testing.assert_array_equal(goes_files.read_minutes(old(turn)).flux, genuine_old.flux)


def test_nan_negative_and_missing_fluxes_and_times_of_a_fits(old, genuine_old):
    def spoil(file):
        data = file[2].data
        data["FLUX"][0][1:7, 0] = [numpy.nan, -1.0, -99999.0, 0.0, numpy.inf, -numpy.inf]
        data["TIME"][0][600:700] = numpy.nan
        data["TIME"][0][1000:1002] = 5 * DAY

    minutes = goes_files.read_minutes(old(spoil))
    assert minutes.samples[0] == genuine_old.samples[0] - 6
    assert minutes.flux[0] == pytest.approx(genuine_old.flux[0], rel=0.01)
    assert set(minutes.time) < set(genuine_old.time)
    assert minutes.faults == {
        "records without a time, left out": 100,
        "records outside the file's own time, left out": 2,
    }


def set_card(number, name, value):
    def edit(file):
        file[number].header[name] = value

    return edit


@pytest.mark.parametrize("text", ["07/06/11", "2011-06-07", "2011-06-07T00:00:00.000", "", "MISSING"])
def test_day_of_a_fits_in_every_form(old, genuine_old, text):
    numpy.testing.assert_array_equal(goes_files.read_minutes(old(set_card(0, "DATE-OBS", text))).time, genuine_old.time)


def stop_clock(file):
    file[2].data["TIME"][0] = 100.0


def shift_times(file):
    file[2].data["TIME"][0] += DAY


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda file: [*file[:2], fits.BinTableHDU(file[2].data[:0], file[2].header), file[3]],
            "its table FLUXES has no rows, so the file holds no flux",
        ),
        (lambda file: [*file[:2], file[3]], "has no table FLUXES with TIME and FLUX"),
        (lambda file: file[:1], "has no table FLUXES with TIME and FLUX"),
        (lambda file: [file[0], fits.BinTableHDU.from_columns(file[2].columns[:1], name="FLUXES")], "has no table FLUXES with"),
        (set_card(2, "TUNIT2", "counts"), "its FLUX is in 'counts', expected W/m2"),
        (set_card(0, "TELESCOP", "PROBA2"), "its TELESCOP is PROBA2, not GOES"),
        (stop_clock, "all of its 42177 records have the same time"),
        (shift_times, "42147 of 42177 records lie outside the time of its name and header"),
    ],
)
def test_fits_that_cannot_be_used_is_one_line(old, edit, message):
    path = old(edit)
    with pytest.raises(goes_files.NotGoes) as caught:
        goes_files.read_minutes(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_broken_table_of_fluxes_is_named(old):
    path = broken(old(lambda file: None), "FLUXES", b"TFIELDS =", b"TFIELDZ =")
    with pytest.raises(goes_files.NotGoes, match="FLUXES cannot be read"):
        goes_files.read_minutes(path)


# SWPC's JSON

SWPC = "swpc_xrays-1-day.json.gz"


def record(minute, flux, **fields):
    time = numpy.datetime64("2026-08-01T00:00:00") + numpy.timedelta64(int(minute), "m")
    common = {"time_tag": f"{time}Z", "satellite": 18, "flux": flux, "observed_flux": flux, "energy": "0.1-0.8nm"}
    return common | {"electron_correction": 0.0, "electron_contaminaton": False} | fields


def write(folder, entries, name="xrays-7-day.json"):
    path = folder / name
    path.write_text(json.dumps(entries))
    return path


def test_genuine_json_of_swpc(shared):
    minutes = goes_files.read_minutes(shared / "json" / SWPC)
    assert (minutes.satellite, minutes.calibration, minutes.satellites, minutes.faults) == (18, "near real time", None, {})
    assert len(minutes.time) == 1438
    assert numpy.datetime64(int(minutes.time[0]), "s") == numpy.datetime64("2026-08-01T07:19:00")
    assert minutes.flux[0] == 8.620440894446801e-07  # corrected for electrons, not the observed 8.67e-07
    peak = minutes.flux.argmax()
    assert numpy.datetime64(int(minutes.time[peak]), "s") == numpy.datetime64("2026-08-02T05:35:00")
    assert minutes.flux[peak] == 6.356698122544913e-06
    one = goes_files.read_minutes(shared / "json" / "swpc_xrays_1record.json")
    assert (len(one.time), one.flux[0]) == (1, 3.7229077065603633e-07)


valid = strategies.builds(
    record,
    strategies.integers(0, 300),
    strategies.floats(1e-8, 1e-3),
    satellite=strategies.sampled_from([16, 18, 19]),
    electron_contaminaton=strategies.booleans(),
)
nothing = strategies.one_of(
    strategies.none(),
    strategies.integers(),
    strategies.text(max_size=3),
    strategies.lists(strategies.none(), max_size=2),
    strategies.builds(
        record,
        strategies.integers(0, 300),
        strategies.sampled_from([None, 0, -1.0, -99999, math.nan, math.inf, 1e-9, 1.0, "", True, [], {}, 10**400]),
    ),
    strategies.builds(
        record, strategies.just(0), strategies.just(1e-6), energy=strategies.sampled_from(["0.05-0.4nm", None, 1])
    ),
    strategies.builds(
        record,
        strategies.just(0),
        strategies.just(1e-6),
        time_tag=strategies.sampled_from([None, "", "now", "2026-13-01T00:00:00Z", "2026-08-01T25:00:00Z", 1785542400, []]),
    ),
    strategies.builds(
        record,
        strategies.just(0),
        strategies.just(1e-6),
        satellite=strategies.sampled_from([None, 0, 13, 15, -1, "GOES", True, 1e30, math.nan]),
    ),
)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=60)
@hypothesis.given(
    good=strategies.lists(valid, min_size=1, unique_by=lambda one: (one["time_tag"], one["satellite"])),
    bad=strategies.lists(nothing, max_size=8),
    order=strategies.randoms(use_true_random=False),
)
@pytest.mark.long
def test_good_records_of_swpc_get_in_and_nothing_else(tmp_path, good, bad, order):
    entries = good + bad + good[:2]  # with duplicates
    order.shuffle(entries)
    minutes = goes_files.read_minutes(write(tmp_path, entries))
    satellites = [minutes.satellite] * len(minutes.time) if minutes.satellites is None else minutes.satellites.tolist()
    found = set(zip(minutes.time.tolist(), satellites, minutes.flux.tolist(), minutes.quality.tolist(), strict=True))
    expected = {
        (start(one["time_tag"].removesuffix("Z")), one["satellite"], one["flux"], int(one["electron_contaminaton"]))
        for one in good
    }
    assert found == expected
    assert len(minutes.time) == len(expected)
    assert (numpy.diff(minutes.time) >= 0).all()
    assert minutes.satellite == max(one["satellite"] for one in good)


def test_what_is_wrong_with_records_of_swpc_is_counted(tmp_path):
    entries = [record(minute, 1e-6) for minute in range(10)]
    entries += [record(20, None), record(21, -1.0), record(22, 1e-6, time_tag=None), record(23, 1e-6, satellite=15)]
    minutes = goes_files.read_minutes(write(tmp_path, entries))
    assert len(minutes.time) == 10
    assert sorted(minutes.faults.items()) == [
        ("records of satellites before GOES-16, whose operational flux is scaled by 0.7, left out", 1),
        ("records without a flux, left out", 2),
        ("records without a time, left out", 1),
    ]


def test_stray_records_of_swpc_do_not_stretch_the_series(tmp_path):
    week = [record(minute, 1e-6) for minute in range(0, 7 * 1440, 10)]
    minutes = goes_files.read_minutes(write(tmp_path, [*week, record(-9_000_000, 1e-6), record(9_000_000, 1e-6)]))
    assert len(minutes.time) == len(week)
    assert minutes.faults == {"records outside the file's own time, left out": 2}
    for minutes in (range(0, 90 * 1440, 60), (0, 90 * 1440)):
        with pytest.raises(goes_files.NotGoes, match="lie outside the time around its median"):
            goes_files.read_minutes(write(tmp_path, [record(minute, 1e-6) for minute in minutes]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "has no records of 0.1-0.8nm"),
        ('{"error": "not found"}', "is no list of records"),
        ("[1, 2]", "has no records of 0.1-0.8nm"),
        ('[{"time_tag": "2026-08-01', "is no sound JSON"),
        ("[" * 100_000, "is no sound JSON"),
        (json.dumps([record(0, None)]), "has no good record of 0.1-0.8nm (1 records without a flux)"),
        (
            json.dumps([record(0, 1e-6, satellite=15)]),
            "has no good record of 0.1-0.8nm (1 records of satellites before GOES-16",
        ),
        ("<html>busy</html>", "is an HTML page"),
        ("", "is empty"),
        ("CDF\x01", "is netCDF 3"),
        ("time,flux\n", "is no file of GOES X-ray flux"),
    ],
)
def test_texts_that_cannot_be_used_are_one_line(tmp_path, text, message):
    path = tmp_path / "xrays-1-day.json"
    path.write_text(text)
    with pytest.raises(goes_files.NotGoes) as caught:
        goes_files.read_minutes(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_downloaded_file_is_mostly_of_its_day(compact, edited):
    path = compact
    assert checks.check("goes", path, {"day": "2022-03-30", "satellite": 16}) == numpy.datetime64("2022-03-30T00:00:00")
    with pytest.raises(checks.Rejected, match="nothing of 2022-03-29"):
        checks.check("goes", path, {"day": "2022-03-29"})

    def split(file):
        for name in ("time_coverage_start", "time_coverage_end", "id"):
            file.attrs[name] = "sci_"
        file["time"][:] = file["time"][:] + 18 * 3600

    with pytest.raises(checks.Rejected, match=r"only \d+ of \d+ minutes of 2022-03-30"):
        checks.check("goes", edited(split, name="g16.nc"), {"day": "2022-03-30"})
