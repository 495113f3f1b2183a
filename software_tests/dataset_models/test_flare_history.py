import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models import flare_catalogue, flare_labels, leak_check
from dataset_models.flare_labels import FlareIndex
from dataset_models.flares import flare_history
from dataset_models.flares.flare_history import NAMES, history
from tools.errors import UserError
from tools.goes_class import from_flux

ORIGIN = numpy.datetime64("2014-01-10T00:00:00")


def minutes(value):
    return numpy.timedelta64("NaT", "s") if value is None else numpy.timedelta64(60 * value, "s")


def events_of(*flares):
    """Events from (start, peak, end in minutes after ORIGIN or None, flux)."""
    columns = {
        name: numpy.array([ORIGIN + minutes(flare[k]) for flare in flares], "datetime64[s]")
        for k, name in enumerate(("start", "peak", "end"))
    }
    flux = numpy.array([flare[3] for flare in flares], "float64")
    return pandas.DataFrame(columns | {"flux": flux, "goes_class": [from_flux(one) for one in flux]})


def at(*offsets):
    return ORIGIN + numpy.array([60 * offset for offset in offsets], "timedelta64[s]")


def feature(values, name):
    return values[:, NAMES.index(name)]


def test_a_flare_counts_once_it_has_ended():
    events = events_of((0, 10, 30, 2e-5))
    values = history(events, at(10, 29, 30, 31, 30 + 60, 31 + 60))
    assert values.dtype == numpy.float32
    assert values.shape == (6, len(NAMES))
    assert feature(values, "M_flares_1h").tolist() == [0, 0, 0, 1, 1, 0]
    assert feature(values, "M_flares_6h").tolist() == [0, 0, 0, 1, 1, 1]
    numpy.testing.assert_allclose(feature(values, "log10_peak_flux_1h")[3], numpy.log10(2e-5), rtol=1e-6)
    assert feature(values, "log10_peak_flux_1h")[0] == flare_history.QUIET
    numpy.testing.assert_allclose(feature(values, "hours_since_M"), [240, 240, 240, 1 / 60, 1, 61 / 60], rtol=1e-6)


def test_without_end_or_peak_a_flare_counts_later():
    for flare, known in (((0, 10, None, 2e-4), 100), ((0, None, None, 2e-4), 150), ((0, 40, 20, 2e-4), 40)):
        values = history(events_of(flare), at(known, known + 1))
        assert feature(values, "X_flares_24h").tolist() == [0, 1]


def test_hours_since_the_last_m_flare_are_capped():
    events = events_of((0, 1, 2, 1e-5), (0, 1, 2, 9.9e-6))
    values = feature(history(events, at(2 + 60 * 239, 2 + 60 * 241, 60 * 24 * 365)), "hours_since_M")
    assert values.tolist() == [239, 240, 240]


def test_the_strongest_flare_settled_in_a_window():
    events = events_of((0, 10, 30, 2e-5), (20, 90, 95, 3e-4), (40, 41, 42, 5e-6))
    found = flare_history.FlareHistory(events).peak_flux(at(30, 31, 43, 60, 95, 96, 155, 156), minutes(60))
    assert found.tolist() == [0, 2e-5, 2e-5, 2e-5, 5e-6, 3e-4, 3e-4, 0]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 6000),
            st.integers(0, 90),
            st.integers(0, 90),
            st.sampled_from([5e-7, 1e-6, 9.9e-6, 1e-5, 1e-4, 1e-3]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.integers(-10, 11000), min_size=1, max_size=10),
)
def test_features_are_what_looking_at_every_flare_gives(flares, offsets):
    events = events_of(*((start, start + rise, start + rise + fall, flux) for start, rise, fall, flux in flares))
    values = history(events, at(*offsets))
    for row, offset in zip(values, offsets, strict=True):
        expected = []
        for hours in (1, 6, 24, 72):
            inside = [flux for start, rise, fall, flux in flares if offset - 60 * hours <= start + rise + fall < offset]
            expected.append(numpy.log10(max([*inside, 1e-8])))
            expected += [sum(low <= flux < high for flux in inside) for low, high in ((1e-6, 1e-5), (1e-5, 1e-4), (1e-4, 1))]
        since = [
            offset - start - rise - fall for start, rise, fall, flux in flares if flux >= 1e-5 and start + rise + fall < offset
        ]
        expected.append(min([240, *(one / 60 for one in since)]))
        numpy.testing.assert_allclose(row, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv", "flares_2026.csv"])
def test_no_feature_knows_the_future(shared, name):
    events = flare_catalogue.read(shared / name).events
    times = events["start"].to_numpy()[50:-1:7] + numpy.timedelta64(5, "m")
    assert leak_check.check_causality(history, events, times, names=NAMES, samples=40) == 40


def test_an_index_gives_the_features_of_its_events(shared):
    events = flare_catalogue.read(shared / "flares_2026.csv").events
    index = FlareIndex(events)
    times = numpy.datetime64("2026-02-01T00:00:00") + numpy.arange(100) * numpy.timedelta64(1, "h")
    expected = history(events, times)
    numpy.testing.assert_array_equal(history(index, times), expected)
    numpy.testing.assert_array_equal(numpy.concatenate([history(index, times[k : k + 1]) for k in range(100)]), expected)
    # The X8.1 of 23:44 on 1 February is the strongest of the days after.
    numpy.testing.assert_allclose(feature(expected, "log10_peak_flux_72h")[30], numpy.log10(8.1e-4), rtol=1e-6)


def test_an_empty_list_is_a_quiet_sun():
    values = history(events_of().iloc[:0], at(0, 60))
    assert set(numpy.unique(values)) == {-8, 0, 240}


def test_after_the_end_of_a_list_the_history_is_that_of_its_end_for_a_while_then_unknown():
    events = events_of((0, 10, 30, 2e-5), (600, 610, 640, 3e-6))
    known = flare_history.FlareHistory(events)
    hour = 60
    times = at(-1, 0, 599, 600, 620, 641, 600 + 12 * hour, 601 + 12 * hour)
    asked = known.asked(times)
    assert numpy.isnat(asked).tolist() == [True, False, False, False, False, False, False, True]
    # The last flare is known once it is over, and from then on nothing is added.
    settled = at(640)[0] + numpy.timedelta64(1, "s")
    assert asked[1:-1].tolist() == [*times[1:5].tolist(), settled.tolist(), settled.tolist()]
    assert feature(known.features(asked[1:-1]), "C_flares_1h").tolist() == [0, 0, 0, 0, 1, 1]
    assert numpy.isnat(known.asked(times, age=0.0)).tolist() == [True, False, False, False, True, True, True, True]
    assert numpy.isnat(known.asked(times, back=minutes(600))).tolist() == [True] * 3 + [False] * 4 + [True]


def test_a_stated_end_counts_and_never_shortens_a_list():
    events = events_of((0, 10, 30, 2e-5), (600, 610, 640, 3e-6))
    times = at(600, 5000, 5000 + 12 * 60, 5001 + 12 * 60)
    stated = flare_history.FlareHistory(events, until=at(5000)[0])
    assert stated.asked(times).tolist() == [*times[:2].tolist(), times[1].tolist(), None]
    # Until then it has been quiet: that much is known.
    assert feature(stated.features(stated.asked(times[:2])), "C_flares_24h").tolist() == [0, 0]
    assert flare_history.FlareHistory(events, until=at(10)[0]).asked(times[:1])[0] == times[0]


def test_what_is_not_known_is_refused_with_what_to_do():
    events = events_of((0, 10, 30, 2e-5), (600, 610, 640, 3e-6))
    known = flare_history.FlareHistory(events)
    assert (known.require(at(0, 640)) == at(0, 640)).all()
    with pytest.raises(UserError) as caught:
        known.require(at(600, 600 + 30 * 60, 600 + 40 * 60), origin="list.csv", subject="new.jpg")
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(
        "list.csv: the last flare is of 2014-01-10T10:00:00Z, 30.0 h before 2014-01-11T16:00:00Z (new.jpg; 2 of 3"
    )
    for action in ("hek.py --start 2014-01-10 --end 2014-01-12", "--flares_until TIME", "--history_age 30"):
        assert action in text
    known.require(at(600 + 30 * 60), age=30.0)
    with pytest.raises(UserError, match=r"begin with the flare of 2014-01-10T00:00:00Z .*and 72 h of history are needed"):
        known.require(at(60), back=numpy.timedelta64(72, "h"))
    with pytest.raises(UserError, match="hold no flare, so nothing is known"):
        flare_history.FlareHistory(events.iloc[:0]).require(at(0))


def test_training_times_see_no_difference(shared):
    """Where the list covers a window, the history is asked for at the time itself."""
    events = flare_catalogue.read(shared / "flares_2026.csv").events
    known = flare_history.FlareHistory(events)
    times = numpy.datetime64("2026-01-01T00:00:00") + numpy.arange(24 * 100) * numpy.timedelta64(1, "h")
    times = times[flare_labels.covered(events, times, numpy.timedelta64(24, "h"))]
    assert len(times) > 2000
    numpy.testing.assert_array_equal(known.asked(times, age=0.0), times)
