import itertools

import hypothesis
import numpy
import pandas
import pytest
from hypothesis import strategies as st

from dataset_models import flare_catalogue, goes_flares, goes_xrs
from dataset_models.flares import flare_finder
from dataset_models.flux_series import FluxSeries


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from sunpy.data.test import get_test_filepath

    path = tmp_path_factory.mktemp("goes") / "xrs.sqlite"
    goes_xrs.import_file(path, get_test_filepath("go1520110607.fits"))
    return path


def listed(path, rows):
    path.write_text("start_time,peak_time,end_time,goes_class\n" + "".join(f"{','.join(row)}\n" for row in rows))
    return path


# SWPC's event report of 2011-06-07: 0616 0641 0659 G15 5 XRA 1-8A M2.5
GREAT = ("2011-06-07 06:16:00", "2011-06-07 06:41:00", "2011-06-07 06:59:00", "M2.5")


def test_the_great_flare_of_a_genuine_day_is_found_where_noaa_has_it(store):
    series = goes_xrs.series(store, calibration="operational")
    flares = flare_finder.find_flares(series)
    great = flares.loc[flares["flux"].idxmax()]
    start, peak, end = pandas.to_datetime(list(GREAT[:3]))
    assert great["goes_class"] == "M2.5"
    assert abs(great["peak"] - peak) <= pandas.Timedelta("1min")
    assert abs(great["start"] - start) <= pandas.Timedelta("10min")
    assert abs(great["end"] - end) <= pandas.Timedelta("2min")


def test_the_script_draws_and_compares(store, tmp_path, capsys):
    flares = listed(tmp_path / "flares.csv", [GREAT])
    out = tmp_path / "out"
    goes_flares.main(
        ["--store", str(store), "--out", str(out), "--calibration", "operational", "--satellite", "15", "--flares", str(flares)]
    )
    lines = capsys.readouterr().out.splitlines()
    assert "M1.0 and above: 1 of 1 listed flares found; 1 of 1 found ones listed; peak flux" in lines[-1]
    events = flare_catalogue.read(out / "flares.csv").events  # a flare list like others
    assert "M2.5" in set(events["goes_class"])
    assert set(events["source"]) == {"GOES-15 operational, found in the flux"}
    assert sorted(path.name for path in out.iterdir()) == ["flares.csv", "flux.png"]


series_of = st.lists(st.one_of(st.floats(1e-8, 1e-3), st.just(float("nan"))), max_size=60)


@hypothesis.given(series_of, st.floats(1.0, 3.0), st.integers(2, 6))
def test_every_flare_fulfils_the_definition_and_none_overlaps(flux, rise, minutes):
    series = FluxSeries("2026-02-01T00:00", flux, calibration="science")
    flares = flare_finder.find_flares(series, rise=rise, minutes=minutes)
    minute = {name: ((flares[name].to_numpy("datetime64[m]") - series.start).astype(int)) for name in ("start", "peak", "end")}
    begins = []
    for place in range(len(flux) - minutes + 1):
        part = flux[place : place + minutes]
        if all(later > earlier for earlier, later in itertools.pairwise(part)) and part[-1] > rise * part[0]:
            begins.append(place)
    assert set(minute["start"]) <= set(begins)
    inside = [
        any(first <= place <= last for first, last in zip(minute["start"], minute["end"], strict=True)) for place in begins
    ]
    assert all(inside)
    for start, peak, end in zip(*minute.values(), strict=True):
        assert start < peak <= end
        assert flux[peak] == numpy.nanmax(flux[start : end + 1])
    assert (minute["start"][1:] >= minute["end"][:-1]).all()


def test_a_new_rise_ends_a_flare_and_a_gap_ends_one():
    double = [1, 1.2, 1.6, 3, 10, 9, 8, 9, 10.5, 13, 20, 8, 2]
    flares = flare_finder.find_flares(FluxSeries("2026-02-01T00:00", numpy.array(double) * 1e-6, calibration="science"))
    assert flares["peak"].dt.minute.tolist() == [4, 10]
    assert flares["end"][0] == flares["start"][1]
    broken = [1, 1.2, 1.6, 3, 10, *[numpy.nan] * 61, 9, 8]
    flares = flare_finder.find_flares(FluxSeries("2026-02-01T00:00", numpy.array(broken) * 1e-6, calibration="science"))
    assert flares["end"].tolist() == [pandas.Timestamp("2026-02-01 00:04")]


def test_agreement_counts_only_minutes_with_a_flux():
    flux = numpy.array([1, 1.2, 1.6, 3, 10, 4, *[numpy.nan] * 10, 1, 1]) * 1e-6
    series = FluxSeries("2026-02-01T00:00", flux, calibration="science")
    found = flare_finder.find_flares(series)
    peaks = ["2026-02-01 00:06", "2026-02-01 00:12", "2026-02-02 00:00", None]
    others = pd_events(peaks, [9e-6, 5e-6, 5e-6, 5e-6])
    result = flare_finder.agreement(found, others, series, least_class="C1.0")
    assert (result.listed, result.recalled, result.found, result.confirmed) == (0, 0, 1, 0)
    result = flare_finder.agreement(found, pd_events(["2026-02-01 00:05"], [9e-6]), series, least_class="C1.0")
    assert result[1:5] == (1, 1, 1, 1)
    assert result.error == pytest.approx(numpy.log10(10 / 9))
    assert "no flare listed" in str(flare_finder.agreement(found, others, series, least_class="X1.0"))


def pd_events(peaks, flux):
    return pandas.DataFrame({"peak": pandas.to_datetime(peaks), "flux": flux})


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [("goes16_2022-01-01_2022-08-14", (0.62, 0.89), (0.92, 0.96)), ("goes_2025-01-01_2025-04-06", (0.52, 0.74), (0.90, 0.98))],
)
def test_agreement_with_swpc_in_2022_and_2025(shared, name, recall, precision):
    table = pandas.read_csv(shared / "xrs_1min" / f"{name}.csv.gz", parse_dates=["time"]).set_index("time")["xrsb"]
    table = table.reindex(pandas.date_range(table.index[0], table.index[-1], freq="min"))
    series = FluxSeries(table.index[0], table.where(table > 1e-9), calibration="science")
    catalogue = flare_catalogue.read(shared / "flare_lists" / "swpc_flares_2022_and_2025.csv.gz").events
    found = flare_finder.find_flares(series)
    for least_class, hits, confirmed in zip(("C1.0", "M1.0"), recall, precision, strict=True):
        result = flare_finder.agreement(found, catalogue, series, least_class=least_class)
        print(result)
        assert result.recalled >= hits * result.listed
        assert result.confirmed >= confirmed * result.found
        assert abs(result.error) < 0.02


def test_spans_without_flux_and_other_options_end_in_one_line(store, tmp_path):
    from tools.errors import UserError

    common = ["--store", str(store), "--out", str(tmp_path / "out")]
    for flags, words in (
        (["--calibration", "operational", "--start", "2011-06-08"], "has no operational flux in this span"),
        ([], "has no science flux"),
        (["--calibration", "operational", "--rise", "nan"], "--rise nan: must be at least 1"),
        (["--calibration", "operational", "--start", "yesterday"], "--start"),
    ):
        with pytest.raises(UserError, match=words):
            goes_flares.main([*common, *flags])
    assert not (tmp_path / "out").exists()


def test_a_span_without_flares_is_drawn_and_its_list_is_empty(store, tmp_path, capsys):
    span = ["--calibration", "operational", "--start", "2011-06-07T03:00", "--end", "2011-06-07T03:05"]
    goes_flares.main(["--store", str(store), "--out", str(tmp_path / "out"), *span])
    assert "5 of 5 minutes): flares found: none" in capsys.readouterr().out
    assert (tmp_path / "out" / "flares.csv").read_text().count("\n") == 1
