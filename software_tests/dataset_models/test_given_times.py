"""Times that users write, in flags and tables alike; one Sun and one frame for every header."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_models.images import picture_tree
from dataset_models.observation_times import from_names, from_texts, given_time
from tools.errors import UserError

MOMENTS = st.datetimes().map(lambda moment: numpy.datetime64(moment, "s"))


@given(MOMENTS.filter(lambda time: time >= numpy.datetime64("1000-01-01")), st.sampled_from(["Z", "", "+00:00", ".250Z"]))
def test_flags_and_tables_read_the_same_time(time, ending):
    written = f"{time}{ending}"
    for text in (written, written.replace("T", " "), written.replace("-", "/")):
        assert given_time("--start", text) == from_texts([text])[0] == time


@pytest.mark.parametrize("text", ["now", "today", "20260301", "2026-02-30", "2026-3-1", "26-03-01", "2026-03-01T25:00", "1e3"])
def test_neither_takes_what_is_no_time(text):
    with pytest.raises(UserError, match=r"^--start .*: expected a UTC time like"):
        given_time("--start", text)
    with pytest.raises(UserError, match=r"^t\.csv: not a time"):
        from_texts([text], origin="t.csv")


def test_missing_times_and_time_zones_are_named():
    with pytest.raises(UserError, match=r"t\.csv: a time is missing"):
        from_texts(["2026-03-01", "NaT"], origin="t.csv")
    with pytest.raises(UserError, match="carries a time zone"):
        from_texts(["2026-03-01T12:00+01:00"])


@given(st.lists(MOMENTS.filter(lambda time: time >= numpy.datetime64("1000-01-01")), max_size=5))
def test_names_of_magnetograms_are_read_as_they_are_written(times):
    names = picture_tree.names(picture_tree.MAGNETOGRAM, times, "jpg")
    assert from_names(names).tolist() == numpy.array(times, "datetime64[s]").tolist()
    assert names == [str(picture_tree.relative_path("HMI.m", time, "jpg")) for time in times]


def test_headers_agree_on_the_sun_and_the_frame():
    from dataset_models.images.geometry import linear_wcs, solar_radius
    from dataset_models.images.headers import Keywords
    from dataset_models.SDO.AIA.aia_images import grid_header
    from dataset_models.SDO.HMI.magnetogram_images import sky_header
    from dataset_models.simulated import sun
    from science.explanation import solar_coordinates

    time = "2014-06-17T21:00:00"
    hmi = sky_header(time, 256)
    observer = {card: hmi[card] for card in ("DSUN_OBS", "HGLN_OBS", "HGLT_OBS")}
    aia = grid_header(256, time, observer=observer)
    simulated = sun.image_header(256, time)
    radii = [solar_radius(Keywords(header, "x"), linear_wcs(Keywords(header, "x"))) for header in (hmi, aia)]
    assert radii[1] == pytest.approx(radii[0], rel=1e-6)
    assert solar_coordinates.solar_radius(aia) == pytest.approx(radii[1], rel=1e-12)
    assert aia["RSUN_REF"] == simulated["RSUN_REF"]
    assert {header["CDELT1"] * 256 for header in (hmi, aia, simulated)} == {2457.6}
