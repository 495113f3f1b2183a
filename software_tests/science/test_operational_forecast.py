"""Forecasts that are issued: what they say, what they refuse, and what they never use."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import hypothesis
import keras
import numpy
import pytest
import yaml
from hypothesis import strategies
from PIL import Image

from dataset_models.flares import patch_features
from dataset_models.solar_data import Download, SolarData
from network_models.flare_rates import regions as region_network
from network_models.forecasts import calibration, combination
from network_models.forecasts.exchange.issued import Probability
from network_models.image_inputs import Input
from science.operational_forecast import chain, combining, configuration, fetching, forecast
from science.operational_forecast.issue import Forecaster, NothingKnown
from science.operational_forecast.record import from_line, to_line
from tools.errors import UserError
from tools.goes_class import CLASSES

PROJECT = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("archive_server", PROJECT / "software_tests/dataset_models/archive_server.py")
archive_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(archive_server)

SIZE = 16
FIRST, LAST = (numpy.datetime64(text) for text in ("2014-01-01T00:00:00", "2014-03-02T00:00:00"))
TIME = numpy.datetime64("2014-02-20T12:00:00")
DATASET = "dataset_models/SDO/HMI/full_disk.py"


def magnetogram(seed):
    """A disk with one bright and one dark spot, as grey levels."""
    rows, columns = numpy.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    grey = numpy.where(numpy.hypot(rows, columns) < 0.45 * SIZE, 127, 0).astype("uint8")
    place = 5 + seed % 6
    grey[place, 6:8], grey[place, 8:10] = 230, 30
    return grey


def write_flares(path, last=LAST, extra=()):
    """A C flare every eight hours, an M flare every third day, both over within half an hour."""
    rows = ["start_time,peak_time,end_time,goes_class,noaa_active_region"]
    starts = numpy.arange(FIRST, last, numpy.timedelta64(8, "h"))
    for number, start in enumerate(starts):
        name = "M2.0" if number % 9 == 4 else "C3.0"
        rows.append(f"{start},{start + 600},{start + 1800},{name},{11960 + number % 2}")
    path.write_text("\n".join([*rows, *extra]) + "\n")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of small magnetograms, its weights not trained."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 1), name="image")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3, activation="relu")(image))
    path = tmp_path_factory.mktemp("network") / "best_performing.hdf5"
    keras.Model([image], keras.layers.Dense(1, name="logits")(x)).save(path)
    calibration.save(path.parent / calibration.NAME, calibration.Scaling("platt", 1.5, -0.5))
    return path


@pytest.fixture
def archive(tmp_path, network):
    """Magnetograms until `TIME`, a flare list, and FORECAST.yml; a function that changes entries of this."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for number, hour in enumerate(range(-18, 1, 6)):
        stamp = str(TIME + numpy.timedelta64(hour, "h")).replace("-", ".").replace("T", "_").replace(":", ".")
        Image.fromarray(magnetogram(number)).save(folder / f"HMI.m{stamp}.jpg", quality=95)
    write_flares(tmp_path / "flares.csv")
    content = {
        "name": "test",
        "flares": ["flares.csv"],
        "fetch": False,
        "map": "saliency",
        "image": {
            "dataset": DATASET,
            "options": {"folder": "archive", "image_size": SIZE},
            "networks": [{"name": "cnn", "file": str(network), "calibration": str(network.parent / calibration.NAME)}],
        },
    }

    def write(**changes):
        path = tmp_path / "FORECAST.yml"
        kept = {name: value for name, value in (content | changes).items() if value is not None}
        path.write_text(yaml.safe_dump(kept, sort_keys=False))
        return path

    return write


def issued(path, time=TIME, **keywords):
    """Issue one forecast: its record."""
    draft = Forecaster(configuration.read(path)).issue(time, "replayed", **keywords)
    return draft.make(1, "0" * 64, time)


def test_image_and_history_make_one_forecast(archive):
    record = issued(archive())
    disk, members = record.forecast.probabilities, {member.name: member for member in record.members}
    assert record.basis == ("image", "history")
    assert list(disk) == list(CLASSES)
    own = members["cnn"]
    assert own.probabilities["M1.0"] == pytest.approx(disk["M1.0"].value, abs=1e-9)
    expected = calibration.apply(calibration.Scaling("platt", 1.5, -0.5), [own.uncalibrated])[0]
    assert own.probabilities["M1.0"] == pytest.approx(expected)
    values = [disk[name].value for name in CLASSES]
    assert values == sorted(values, reverse=True)
    assert all(one.low <= one.value <= one.high for one in disk.values())
    # Other classes stand to the event as the flares before say.
    said = members["history"].probabilities
    ratio = numpy.log1p(-said["C1.0"]) / numpy.log1p(-said["M1.0"])
    assert numpy.log1p(-disk["C1.0"].value) / numpy.log1p(-disk["M1.0"].value) == pytest.approx(ratio)
    assert record.map == "20140220T120000"
    assert [one.kind for one in record.inputs] == ["flare list", "image"]
    assert not any("/" in one.file for one in record.inputs)


def test_history_counts_what_followed_flares_like_the_last_one(archive):
    record = issued(archive(image=None))
    # Each third day has an M flare, and no window of a day has two: a third of the hours.
    assert record.basis == ("history",)
    assert record.forecast.probabilities["M1.0"].value == pytest.approx(1 / 3, abs=0.2)
    assert record.forecast.probabilities["C1.0"].value > 0.99
    assert record.all_clear.clear is False
    assert record.map is None


def test_nothing_later_than_the_issue_is_used(archive, tmp_path):
    def said():
        record = issued(archive())
        return record.forecast, record.members

    before = said()
    later = TIME + numpy.timedelta64(60, "s")
    extra = [f"{later},{later + 600},{later + 1800},X9.0,11960"]
    write_flares(tmp_path / "flares.csv", extra=extra)
    stamp = str(TIME + numpy.timedelta64(1, "h")).replace("-", ".").replace("T", "_").replace(":", ".")
    Image.fromarray(255 - magnetogram(3)).save(tmp_path / "archive" / f"HMI.m{stamp}.jpg")
    assert said() == before
    # The same flare an hour earlier is known.
    early = TIME - numpy.timedelta64(3600, "s")
    write_flares(tmp_path / "flares.csv", extra=[f"{early},{early + 600},{early + 1800},X9.0,11960"])
    assert said() != before


def test_stale_image_is_named_and_the_rest_forecasts(archive):
    record = issued(archive(max_age=60.0), TIME + numpy.timedelta64(2, "h"))
    assert record.basis == ("history",)
    assert record.left_out == (("image", "the newest image is of 2014-02-20T12:00:00Z, 2.0 h old; max_age is 60 min"),)


def test_frozen_feed_is_named(archive, tmp_path):
    files = sorted((tmp_path / "archive").iterdir())
    files[-1].write_bytes(files[-2].read_bytes())
    record = issued(archive())
    assert record.basis == ("history",)
    text = "the image of 2014-02-20T12:00:00Z is, pixel by pixel, that of 2014-02-20T06:00:00Z: the feed is frozen"
    assert record.left_out == (("image", text),)


def test_flawed_frame_is_named_and_the_one_before_taken(archive, tmp_path):
    newest = max((tmp_path / "archive").iterdir())
    newest.write_bytes(newest.read_bytes()[:200])
    record = issued(archive(max_age=600.0))
    assert record.basis == ("image", "history")
    ((part, reason),) = record.left_out
    assert part == "newer image"
    assert newest.name in reason
    assert record.inputs[-1].time == "2014-02-20T06:00:00Z"
    record = issued(archive(max_age=60.0))
    assert record.basis == ("history",)


def test_without_history_the_network_says_its_event_alone(archive, tmp_path):
    write_flares(tmp_path / "flares.csv", last=TIME - numpy.timedelta64(30, "h"))
    record = issued(archive())
    assert record.basis == ("image",)
    assert list(record.forecast.probabilities) == ["M1.0"]
    assert record.forecast.probabilities["M1.0"].low is None
    assert record.all_clear.clear is False
    assert record.left_out[0][0] == "history"
    assert "history_age" in record.left_out[0][1]


def test_nothing_known_names_every_reason(archive, tmp_path):
    write_flares(tmp_path / "flares.csv", last=TIME - numpy.timedelta64(30, "h"))
    path = archive(max_age=10.0)
    with pytest.raises(NothingKnown, match=r"history: .* image: the newest image") as raised:
        issued(path, TIME + numpy.timedelta64(1, "h"))
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError):
        forecast.main([str(path), "--time", "2014-02-20T13:00"])
    assert not (tmp_path / "forecasts.jsonl").exists()
    assert not (tmp_path / "maps").exists()


def test_a_forecast_is_logged_once(archive, tmp_path, capsys):
    path = archive(late=60.0)
    forecast.main([str(path), "--time", "2014-02-20T12:00"])
    assert "late" in capsys.readouterr().out
    line = (tmp_path / "forecasts.jsonl").read_bytes()
    forecast.main([str(path), "--time", "2014-02-20T12:00"])
    assert "already" in capsys.readouterr().out
    assert (tmp_path / "forecasts.jsonl").read_bytes() == line
    assert sorted(file.name for file in (tmp_path / "maps").iterdir()) == ["20140220T120000.fits", "20140220T120000.png"]
    (record,) = chain.read(tmp_path / "forecasts.jsonl")
    assert record.forecast.mode == "late"


@pytest.mark.parametrize(("hours", "mode"), [(0, "on time"), (3, "late")])
def test_a_forecast_is_as_late_as_its_line_is_written(archive, tmp_path, monkeypatch, hours, mode):
    now = [TIME + numpy.timedelta64(60, "s")]
    monkeypatch.setattr(forecast, "clock", lambda: now[-1])
    monkeypatch.setattr(fetching, "fetch", lambda *_: now.append(now[0] + numpy.timedelta64(hours, "h")))
    forecast.main([str(archive(fetch=True, map="none", late=60.0)), "--time", "2014-02-20T12:00"])
    (record,) = chain.read(tmp_path / "forecasts.jsonl")
    assert record.forecast.mode == mode
    assert record.logged == f"{now[-1]}Z"


def test_replay_marks_counts_and_goes_on(archive, tmp_path, capsys):
    path = archive()
    forecast.main([str(path), "--replay", "2014-02-20T00:00", "2014-02-20T10:00", "--every", "5"])
    forecast.main([str(path), "--replay", "2014-02-20T00:00", "2014-02-20T13:00", "--every", "5"])
    text = capsys.readouterr().out
    assert "1 forecasts logged" in text
    assert "2 were there already" in text
    assert "from image, history" in text
    records = chain.read(tmp_path / "forecasts.jsonl")
    assert [record.forecast.mode for record in records] == ["replayed"] * 3
    assert not (tmp_path / "maps").exists()
    assert all(record.map is None for record in records)


def test_a_replay_says_what_a_single_forecast_says(archive, tmp_path):
    path = archive()
    forecast.main([str(path), "--replay", "2014-02-20T06:00", "2014-02-20T13:00", "--every", "6"])
    last = chain.read(tmp_path / "forecasts.jsonl")[-1]
    assert last.forecast == from_line(to_line(issued(path)), "alone").forecast


def test_archives_that_cannot_be_reached_are_noted(archive, monkeypatch, capsys):
    asked = []

    def refuse(self, start, end):
        asked.append((start, end))
        raise UserError("helioviewer: no network connection")

    monkeypatch.setattr(SolarData, "download", refuse)
    path = archive(fetch=True, fetch_hours=24.0)
    forecast.main([str(path), "--time", "2014-02-20T12:00"])
    out = capsys.readouterr()
    assert asked == [("2014-02-19T12:00", "2014-02-20T12:01:00")]
    assert "no network connection" in out.err
    assert "from image, history" in out.out
    forecast.main([str(path), "--time", "2014-02-20T12:00", "--offline"])
    assert len(asked) == 1


def test_archives_are_asked_until_now_and_not_for_what_is_to_come(archive, monkeypatch):
    ends = []
    monkeypatch.setattr(SolarData, "download", lambda self, start, end: ends.append(numpy.datetime64(end)))
    now = numpy.datetime64("2014-02-20T12:00:07")
    fetching.fetch(configuration.read(archive(fetch=True)), now.astype("datetime64[m]").astype("datetime64[s]"), now)
    assert ends == [now]


def test_lists_and_summaries_are_asked_for_once_each_run_there_or_not(archive, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(Download, "run", lambda self: asked.append((self.script.rpartition("/")[2], self.arguments)))
    monkeypatch.setattr(SolarData, "download", lambda self, start, end: None)
    section = of_regions(tmp_path, {"summaries": ["srs"]})
    own = configuration.read(archive(image=None, regions=section, flares=["hek/catalogue.csv", "flares.csv"], fetch=True))
    now, hek, srs = TIME - numpy.timedelta64(12 * 3600 - 300, "s"), str(tmp_path / "hek"), str(tmp_path / "srs")
    expected = [  # five past midnight: the summary of the day is not out
        ("hek.py", ("--start", "2013-12-22T00:05:00", "--end", "2014-02-20T00:05:00", "--out", hek)),
        ("noaa_regions.py", ("--start", "2014-02-16T23:35:00", "--end", "2014-02-19T23:35:00", "--out", srs)),
    ]
    fetching.fetch(own, now, now)
    assert asked == expected
    assert f"not refreshed: {tmp_path / 'flares.csv'}; only a catalogue.csv" in capsys.readouterr().err
    for folder in ("hek", "srs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.sqlite").touch()
    write_flares(tmp_path / "hek" / "catalogue.csv")
    fetching.fetch(own, now, now)
    assert asked == 2 * expected
    (tmp_path / "hek" / "manifest.sqlite").unlink()  # somebody's own list, which a download would replace
    fetching.fetch(own, now, now)
    assert asked[4:] == expected[1:]
    assert "hek/catalogue.csv" in capsys.readouterr().err


@pytest.mark.long
def test_a_list_that_is_fetched_grows_and_is_enough_to_forecast(archive, tmp_path, monkeypatch):
    now = forecast.clock().astype("datetime64[m]").astype("datetime64[s]")
    hours = now - numpy.arange(75 * 24, 0, -8) * numpy.timedelta64(1, "h")
    records = [
        {"event_starttime": str(start), "event_peaktime": str(start + 600), "event_endtime": str(start + 1200)}
        | {"fl_goescls": "M2.0" if number % 9 == 4 else "C3.0", "ar_noaanum": 11960, "frm_name": "SWPC"}
        for number, start in enumerate(hours)
    ]
    own = configuration.read(archive(image=None, flares=["hek/catalogue.csv"], fetch=True))
    served = records[:-3]
    with archive_server.ArchiveServer() as server:
        server.add("/hek", lambda query: json.dumps({"result": served, "overmax": False}).encode())
        monkeypatch.setenv("SOLAR_HEK_URL", f"{server.url}/hek")
        assert fetching.fetch(own, now, now) == now
        with pytest.raises(NothingKnown, match="history_age"):  # the last flare that is served is a day old
            Forecaster(own).issue(now, "on time")
        quiet = Forecaster(configuration.complete_until(own, now))  # since when there was none
        assert quiet.issue(now, "on time").make(1, "0" * 64, now).basis == ("history",)
        served = records
        fetching.fetch(own, now, now)
    assert Forecaster(own).issue(now, "on time").make(1, "0" * 64, now).basis == ("history",)


def test_lists_are_complete_until_they_were_refreshed_or_later(archive, tmp_path):
    section = of_regions(tmp_path, {"summaries": ["srs"]})
    own = configuration.read(archive(regions=section))
    changed = configuration.complete_until(own, TIME)
    assert changed.settings.flares_until == changed.regions.options["flares_until"] == "2014-02-20T12:00:00Z"
    assert "flares_until" not in own.regions.options
    later = configuration.read(archive(regions=section, flares_until="2014-03-01"))
    assert configuration.complete_until(later, TIME).settings.flares_until == "2014-03-01T00:00:00Z"


def test_log_of_another_method_is_refused(archive, tmp_path):
    forecast.main([str(archive()), "--time", "2014-02-20T12:00"])
    line = (tmp_path / "forecasts.jsonl").read_bytes()
    with pytest.raises(UserError, match="is the log of 'test', not of 'other'"):
        forecast.main([str(archive(name="other")), "--time", "2014-02-20T11:00"])
    assert (tmp_path / "forecasts.jsonl").read_bytes() == line


def test_clock_behind_the_log_is_refused(archive, tmp_path, monkeypatch):
    forecast.main([str(archive()), "--time", "2014-02-20T12:00"])
    monkeypatch.setattr(forecast, "clock", lambda: numpy.datetime64("2014-02-20T12:01:00"))
    with pytest.raises(UserError, match="clock"):
        forecast.main([str(archive()), "--time", "2014-02-20T11:00"])
    assert len(chain.read(tmp_path / "forecasts.jsonl")) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "has no option colour"),
        ({"event": "M2.0"}, "event"),
        ({"all_clear_below": 2.0}, "all_clear_below is at most"),
        ({"flares": []}, "names no flare list"),
        ({"flares": ["nowhere.csv"]}, "nowhere.csv"),
        ({"combination": "nowhere.json"}, "nowhere.json: no such file"),
        ({"regions": {"dataset": DATASET}}, "regions: expected dataset, networks"),
        ({"map": "crystal ball"}, "map"),
        ({"flares_until": "soon"}, "flares_until"),
        ({"image": {"dataset": DATASET, "networks": []}}, "expected a list of networks"),
        ({"image": {"dataset": "nowhere.py", "networks": [1]}}, "nowhere.py: no such file"),
        ({"image": {"dataset": DATASET, "networks": [{"name": "cnn", "file": "x.hdf5"}]}}, "calibration"),
        ({"image": {"dataset": DATASET, "networks": [{"name": "cnn", "file": "x", "calibration": "none"}]}}, "no such file"),
        ({"image": {"dataset": DATASET, "options": {"colour": 1}, "networks": [1]}}, "has no option colour"),
    ],
)
def test_wrong_configurations_end_in_one_line(archive, tmp_path, changes, words):
    path = archive(**changes)
    with pytest.raises(UserError, match=words) as raised:
        forecast.main([str(path), "--time", "2014-02-20T12:00"])
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "forecasts.jsonl").exists()


def test_paths_from_the_home_folder_lead_there(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    section = yaml.safe_load(archive().read_text())["image"]
    section["options"]["folder"] = "~/images"
    path = archive(log="~/logs/forecasts.jsonl", flares=["~/flares.csv", "flares.csv"], image=section)
    own = configuration.read(path)
    assert own.log == tmp_path / "home" / "logs" / "forecasts.jsonl"
    assert own.maps == tmp_path / "home" / "logs" / "maps"
    assert own.settings.flares == (str(tmp_path / "home" / "flares.csv"), str(tmp_path / "flares.csv"))
    assert own.image.options["folder"] == str(tmp_path / "home" / "images")
    assert list(own.image.options["flares"]) == list(own.settings.flares)


def test_networks_of_something_else_are_refused(archive, network, tmp_path):
    section = yaml.safe_load(archive().read_text())["image"]
    other_size = section | {"options": section["options"] | {"image_size": 32}}
    with pytest.raises(UserError, match=r"image.*32"):
        issued(archive(image=other_size))
    other_event = section | {"options": section["options"] | {"threshold": "C1.0"}}
    with pytest.raises(UserError, match=r"forecasts flares of C1.0, the configuration M1.0"):
        issued(archive(image=other_event))
    with pytest.raises(UserError, match=r"forecasts 24 h, the configuration 12"):
        issued(archive(window_hours=12.0))


def test_probabilities_that_are_not_calibrated_must_be_said_to_be(archive):
    section = yaml.safe_load(archive().read_text())["image"]
    (network,) = section["networks"]
    record = issued(archive(image=section | {"networks": [network | {"calibration": "none"}]}))
    (member, _) = record.members
    assert member.uncalibrated is None
    calibrated = issued(archive()).members[0]
    assert member.probabilities["M1.0"] == calibrated.uncalibrated


def test_a_combination_takes_members_by_name(archive, tmp_path):
    generator = numpy.random.default_rng(0)
    hours = FIRST + numpy.timedelta64(1, "D") + numpy.arange(600) * numpy.timedelta64(1, "h")
    values = generator.random(600)
    fitted = combination.fit(["cnn"], values[:, None], generator.random(600) < values, hours)
    combination.save(tmp_path / "combination.json", fitted)
    record = issued(archive(combination="combination.json"))
    own = record.members[0].probabilities["M1.0"]
    assert record.forecast.probabilities["M1.0"].value == pytest.approx(float(fitted.forecast([[own]])[0]))
    combination.save(tmp_path / "combination.json", combination.Combination(("other",), *list(vars(fitted).values())[1:]))
    with pytest.raises(UserError, match=r"combines other; .* has no other"):
        issued(archive(combination="combination.json"))


def summaries_of(path, places):
    """Write a table of summaries of regions: days after `FIRST`, numbers and locations."""
    rows = ["date,noaa_number,location,area,z_class,ll,nn,mag_type_raw"]
    for day, number, place in places:
        rows.append(f"{str(FIRST + numpy.timedelta64(day, 'D'))[:10]},{number},{place},240,Dkc,8,15,BETA-GAMMA")
    path.write_text("\n".join(rows) + "\n")


def of_regions(tmp_path, options, width=37, seeds=(0,)):
    """Make a section of regions with networks that were not trained, of regions with so many numbers."""
    inputs = {"regions": Input((24, width)), "excitation": Input((25, 9)), "side_channel": Input((13,))}
    models = []
    for seed in seeds:
        model = region_network.build(inputs, region_network.Options(event="M1.0"), seed)
        for layer in model.layers:  # as after training: no region is like another
            generator = numpy.random.default_rng(seed)
            layer.set_weights([one + 0.05 * generator.standard_normal(one.shape) for one in layer.get_weights()])
        models.append(tmp_path / f"regions_{seed}.hdf5")
        model.save(models[-1])
    return {"dataset": "dataset_models/NOAA/active_regions.py", "options": options, "networks": list(map(str, models))}


def longitudes(path, times):
    """Find where forecasts of times have their first region: float64 (n,)."""
    forecaster = Forecaster(configuration.read(path))
    drafts = [forecaster.issue(time, "replayed", mapped=False) for time in times]
    return numpy.array([draft.regions[0].longitude for draft in drafts])


def test_regions_rotate_through_midnight_from_their_summary(archive, tmp_path):
    places = {48: "S16E33", 49: "S16E20", 50: "S16E07", 51: "S16W07"}
    summaries_of(tmp_path / "regions.csv", [(day, 1960, place) for day, place in places.items()])
    path = archive(image=None, regions=of_regions(tmp_path, {"summaries": ["regions.csv"]}))
    midnight = numpy.datetime64("2014-02-20", "s")
    minutes = numpy.array([-1440, -720, -1, 0, 15, 29, 30, 31, 720])
    found = longitudes(path, midnight + minutes * numpy.timedelta64(60, "s"))
    numpy.testing.assert_allclose(found, -7 + 13.4 * minutes / 1440, atol=0.8)  # summaries have whole degrees


def test_patches_rotate_from_their_records(archive, tmp_path):
    rows = ["HARPNUM,T_REC,AREA,USFLUX,MEANGBZ,R_VALUE,NOAA_ARS,LON_FWT,LAT_FWT"]
    start = numpy.datetime64("2014-02-19", "s")
    for hour in range(48):
        moment = start + numpy.timedelta64(hour, "h")
        t_rec = f"{str(moment)[:10].replace('-', '.')}_{str(moment)[11:]}_TAI"
        rows.append(f"3563,{t_rec},3000,5e22,100,4.5,11960,{-20 + 13.4 * hour / 24:.3f},-16")
    (tmp_path / "patches.csv").write_text("\n".join(rows) + "\n")
    width = 1 + len(patch_features.NAMES)
    path = archive(image=None, regions=of_regions(tmp_path, {"patches": ["patches.csv"]}, width=width))
    hours = numpy.array([12, 20, 24, 30, 44])
    found = longitudes(path, start + hours * numpy.timedelta64(1, "h"))
    numpy.testing.assert_allclose(found, -20 + 13.4 * hours / 24, atol=0.2)


def test_regions_add_up_to_the_disk(archive, tmp_path):
    places = [(day, number, place) for day in range(45, 52) for number, place in ((1960, "S16E20"), (1961, "N10W30"))]
    summaries_of(tmp_path / "regions.csv", places)
    section = of_regions(tmp_path, {"summaries": ["regions.csv"]}, seeds=(0, 1))
    record = issued(archive(regions=section))
    assert record.basis == ("image", "regions", "history")
    assert [region.number for region in record.forecast.regions] == [11960, 11961]
    assert [region.longitude for region in record.forecast.regions] == pytest.approx([-13.4, 36.7], abs=0.2)  # half a day later
    disk = record.forecast.probabilities
    for name in CLASSES:
        rates = [-numpy.log1p(-region.probabilities[name].value) for region in record.forecast.regions]
        assert 0 < sum(rates) < -numpy.log1p(-disk[name].value)  # the rest is elsewhere
    without = issued(archive(regions=section), TIME + numpy.timedelta64(5, "D"))
    assert "regions" not in without.basis
    assert any(part == "regions" and "no region summary" in reason for part, reason in without.left_out)


probability = strategies.floats(1e-6, 0.999)


@hypothesis.given(probability, strategies.lists(strategies.lists(probability, min_size=1, max_size=5), min_size=1, max_size=3))
def test_intervals_hold_the_probability(value, samples):
    one = combining.interval(value, [numpy.array(part) for part in samples])
    assert one.low is None or one.low <= one.value <= one.high
    assert (one.low is None) == (sum(map(len, samples)) < 2)
    clear = combining.all_clear("M1.0", value, [numpy.array(part) for part in samples], below=0.05, confidence=0.9)
    assert not clear.clear or sum(map(len, samples)) > 1


@hypothesis.given(probability, strategies.lists(strategies.floats(1e-6, 50), min_size=4, max_size=4))
def test_classes_agree(value, rates):
    rates = dict(zip(CLASSES, sorted(rates, reverse=True), strict=True))
    disk = combining.of_all_classes("M1.0", Probability(value, value, value), rates)
    values = [disk[name].value for name in CLASSES]
    assert values == sorted(values, reverse=True)
    assert disk["M1.0"].value == pytest.approx(value)


def run(path, *arguments):
    """Start forecast.py: subprocess.Popen."""
    command = [sys.executable, forecast.__file__, str(path), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.long
def test_two_processes_at_one_minute_make_one_forecast(archive, tmp_path):
    path = archive(map="none")
    both = [run(path, "--time", "2014-02-20T12:00") for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(chain.read(tmp_path / "forecasts.jsonl")) == 1
    assert sorted("already" in out for out, _ in outputs) == [False, True]


@pytest.mark.long
def test_first_configuration_works_as_it_is(tmp_path):
    path = tmp_path / "FORECAST.yml"
    forecast.main([str(path), "--init"])
    forecast.main([str(path)])
    (record,) = chain.read(tmp_path / "forecasts.jsonl")
    assert record.basis == ("history",)
    assert record.forecast.simulated
    with pytest.raises(UserError, match="is there already"):
        forecast.main([str(path), "--init"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_lose_and_double_nothing(archive, tmp_path):
    """kill -9 at random moments of a replay: each line is whole and there once, and the replay ends as an undisturbed one."""
    path, generator = archive(max_age=1440.0), numpy.random.default_rng(0)
    arguments = ("--replay", "2014-02-19T18:00", "2014-02-20T12:00", "--every", "0.5", "--maps")
    log, kept = tmp_path / "forecasts.jsonl", []
    for _ in range(20):
        process = run(path, *arguments)
        try:
            process.communicate(timeout=float(generator.uniform(2.0, 14.0)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if log.exists():
            lines = log.read_bytes().splitlines(keepends=True)
            whole = [line for line in lines if line.endswith(b"\n")]
            assert whole[: len(kept)] == kept
            kept = whole
    process = run(path, *arguments)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    records = chain.read(log)
    times = [record.forecast.issued for record in records]
    assert len(set(times)) == len(times) == 36
    hidden = [file for folder in (tmp_path, tmp_path / "maps") for file in folder.glob(".*") if "lock" not in file.name]
    assert not hidden
    assert {json.loads(line)["number"] for line in log.read_bytes().splitlines()} == set(range(1, 37))
