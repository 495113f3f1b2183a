"""SDO-ML v2 in zarr: layout, times, channels that match, chunks read once, what is left out and what is said."""

import builtins
import collections
import importlib.util
import pathlib
import re

import numpy
import pytest
import yaml
import zarr
from hypothesis import given
from hypothesis import strategies as st

from dataset_models import batches, goes_xrs
from dataset_models.images import jpeg2000
from dataset_models.SDO import sdoml_archive
from dataset_models.SDO.sdoml_flares import SdomlFlares
from dataset_models.SDO.sdoml_flux import SdomlFlux
from dataset_models.simulated import archive
from dataset_models.simulated.sun import SimulatedSun
from tools import options
from tools.errors import UserError

_spec = importlib.util.spec_from_file_location("sdoml_store", pathlib.Path(__file__).with_name("sdoml_store.py"))
sdoml_store = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sdoml_store)
add_array, frames = sdoml_store.add_array, sdoml_store.frames

PROJECT = pathlib.Path(__file__).parents[2]
START = numpy.datetime64("2011-01-01T00:00:08")
SIX = numpy.timedelta64(6, "m")
CHUNK_KEY = re.compile(r"\d+(\.\d+)+")


@pytest.fixture
def flares(tmp_path):
    path = tmp_path / "flares.csv"
    rows = ["2010-12-20 00:00,C1.0", "2011-01-01 05:00,M2.5", "2011-01-02 06:00,M1.0", "2011-01-20 00:00,C1.0"]
    path.write_text("\n".join(["start_time,goes_class", *rows]))
    return path


@pytest.fixture
def stores(tmp_path):
    """AIA at 6 minutes, its second channel 3 s later and without its second image; HMI at 12 minutes, in no order of time."""
    times = START + SIX * numpy.arange(300)
    add_array(tmp_path / "sdomlv2.zarr", "94A", times, frames(300))
    late = numpy.delete(times, 1) + numpy.timedelta64(3, "s")
    add_array(tmp_path / "sdomlv2.zarr", "171A", late, numpy.delete(frames(300, seed=1), 1, axis=0))
    mixed = numpy.random.default_rng(0).permutation(150)
    fields = frames(150, seed=2) - 700
    add_array(tmp_path / "sdomlv2_hmi.zarr", "Bz", times[::2][mixed], fields[mixed])
    return tmp_path / "sdomlv2.zarr", tmp_path / "sdomlv2_hmi.zarr"


def flare_data(folders, flares, **given):
    folders = folders if isinstance(folders, tuple) else (folders,)
    values = {"image_size": 16, "window_hours": 3.0, "gap_hours": 0.0, "arrays": ("94A",)} | given
    return SdomlFlares(folder=tuple(map(str, folders)), flares=(str(flares),), **values)


@pytest.fixture
def reads(monkeypatch):
    """How often each chunk is fetched from a folder: `collections.Counter` of its path."""
    counted = collections.Counter()
    fetch = zarr.storage.LocalStore.get

    async def get(self, key, *arguments, **keywords):
        if CHUNK_KEY.fullmatch(key.rsplit("/", 1)[-1]):
            counted[f"{self.root}/{key}"] += 1
        return await fetch(self, key, *arguments, **keywords)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", get)
    return counted


def test_images_of_both_instruments_at_times_that_match(stores, flares):
    data = flare_data(stores, flares, arrays=("94A", "171A", "Bz"), cadence=0)
    times = numpy.concatenate([data.times("training"), data.times("validation")])
    assert len(times) == 150, "one for each image of HMI"
    assert times[0] == START + numpy.timedelta64(3, "s"), "the time of the last image"
    assert START + 2 * SIX + numpy.timedelta64(3, "s") in times
    image = data.image(times[1])
    number = int((times[1] - START) / SIX)
    expected = [frames(300)[number], frames(300, seed=1)[number], frames(150, seed=2)[number // 2] - 700]
    for channel, pixels in enumerate(expected):
        numpy.testing.assert_allclose(image[..., channel], jpeg2000.shrink(pixels[::-1], 16), rtol=1e-6)
    assert image[-1, 0, 0] > image[0, 0, 0] + 900, "south-west: the last row, the first column"
    assert [channel.name for channel in data.channels] == ["94", "171", "Bz"]
    assert [channel.logarithmic for channel in data.channels] == [True, True, False]


def test_one_sample_per_hour_by_default(stores, flares):
    data = flare_data(stores[0], flares)
    times = numpy.concatenate([data.times("training"), data.times("validation")])
    assert len(times) == 30
    assert set(numpy.diff(times).astype(int)) == {3600}


@pytest.mark.long
def test_a_pipeline_reads_a_chunk_once_in_an_epoch(tmp_path, stores, flares, reads):
    data = flare_data(stores, flares, arrays=("94A", "171A", "Bz"), cadence=0, validation_start="2011-01-02")
    data.check_leaks()
    data.describe()
    assert not reads, "nothing is read before it is asked for"
    for _ in data.pipeline("training", batch_size=16, seed=1, keep=False).take(2 * data.steps("training", 16)):
        pass
    assert set(reads.values()) == {1}, "of two epochs, since memory has all"
    reads.clear()
    large = beyond_memory(tmp_path, flares, ("94A",))
    count = 0
    for inputs, _ in large.pipeline("training", batch_size=10, seed=3, keep=False).take(large.steps("training", 10)):
        count += len(inputs["image"])
    assert count == len(large.times("training"))
    # What is read ahead of the second epoch comes on top.
    assert sum(reads.values()) <= len(reads) + 4


def beyond_memory(folder, flares, channels, late=0):
    """Sixty chunks for each channel, and room for 16 of them; those of the second may begin some images later."""
    times = START + SIX * numpy.arange(900)
    for number, name in enumerate(channels):
        first = late * number
        add_array(folder / "large.zarr", name, times[first:], frames(900, seed=number)[first:])
    return flare_data(
        folder / "large.zarr", flares, arrays=channels, cadence=0, image_size=32, chunk_memory=len(channels), window_hours=1.0
    )


def epoch_of(data, epoch):
    """Read the images of an epoch of training: positions of the samples in the order they are taken in."""
    times, blocks = data.times("training"), data.reading_blocks("training")
    order = batches.order(len(times), seed=3, epoch=epoch, blocks=blocks)
    for position in order:
        data.image(times[position])
    return order


@pytest.mark.parametrize("channels", [("94A",), ("94A", "171A")])
def test_an_archive_beyond_memory_is_read_once_in_each_epoch(tmp_path, flares, reads, channels):
    data = beyond_memory(tmp_path, flares, channels)
    chunks = -(-len(data.times("training")) // 15) * len(channels)
    first = epoch_of(data, 0)
    assert set(reads.values()) == {1}
    assert len(reads) == chunks > 2 * 16 * len(channels)
    second = epoch_of(data, 1)
    assert max(reads.values()) == 2
    assert sum(reads.values()) > 1.8 * chunks, "what the first left in memory"
    assert not numpy.array_equal(first, second)
    near = numpy.abs(numpy.diff(first)) < 15
    assert near.mean() < 0.2, "neighbours in time are not neighbours in a batch"


def test_channels_whose_chunks_do_not_begin_together_are_read_again_at_the_ends_of_runs_alone(tmp_path, flares, reads):
    data = beyond_memory(tmp_path, flares, ("94A", "171A"), late=4)
    epoch_of(data, 0)
    again = sum(count - 1 for count in reads.values())
    assert max(reads.values()) <= 2
    assert again <= len(reads) / 16 + 1, "one in 8 chunks of the second channel"


def test_where_no_two_samples_share_a_chunk_or_memory_has_all_any_order_will_do(tmp_path, stores, flares):
    assert flare_data(stores[0], flares, cadence=0).reading_blocks("training") is None
    assert flare_data(stores[0], flares, cadence=120, chunk_memory=1).reading_blocks("training") is None
    assert beyond_memory(tmp_path, flares, ("94A",)).reading_blocks("training").mixed >= 4


@pytest.mark.parametrize(("chunk", "spatial"), [(1, None), (7, 16), (300, None)])
def test_other_chunks_give_the_same_images(tmp_path, stores, flares, reads, chunk, spatial):
    times = START + SIX * numpy.arange(300)
    add_array(tmp_path / "other.zarr", "94A", times, frames(300), chunk=chunk, spatial=spatial)
    archived, other = (flare_data(store, flares, cadence=0) for store in (stores[0], tmp_path / "other.zarr"))
    reads.clear()
    for time in archived.times("training")[:40]:
        numpy.testing.assert_array_equal(other.image(time), archived.image(time))
    assert set(reads.values()) == {1}


def test_damaged_images_are_left_out_and_counted(tmp_path, flares, capsys):
    times = START + SIX * numpy.arange(30)
    texts = [f"{time}.07Z" for time in times]
    texts[3], texts[4], texts[6] = "MISSING", None, texts[5]
    words = [0] * 30
    words[7], words[8], words[9] = 0x200, 0x40000000, -(2**31)  # pixels missing, near real time, no image
    add_array(tmp_path / "s.zarr", "94A", times, frames(30), T_OBS=[*texts, texts[0]], QUALITY=words)
    data = flare_data(tmp_path / "s.zarr", flares, cadence=0)
    assert data.left_out == {
        "94A": {"without an image": 1, "without a time": 2, "of damaging QUALITY": 2, "of a time that another has": 1}
    }
    assert data.is_downloaded().found == 25
    assert "of its images are left out: 1 without an image, 2 without a time, 2 of damaging" in capsys.readouterr().err
    assert data.describe()["images_left_out"] == data.left_out


def test_images_that_hold_none_are_named_when_they_are_asked_for(tmp_path, flares):
    times, pixels = START + SIX * numpy.arange(30), frames(30)
    pixels[2], pixels[3], pixels[4, :4] = 0, numpy.nan, numpy.nan
    add_array(tmp_path / "s.zarr", "94A", times, pixels)
    data = flare_data(tmp_path / "s.zarr", flares, cadence=0)
    for number in (2, 3):
        with pytest.raises(UserError, match=rf"2011/94A, image {number} of .* holds no image; leave it out with --without"):
            data.image(times[number])
    image = data.image(times[4])
    assert numpy.isfinite(image).all()
    assert (image[-2:] == 0).all()
    without = flare_data(tmp_path / "s.zarr", flares, cadence=0, without=(f"{times[2]}Z", str(times[3])))
    assert len(without.image_files) == 28


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"drop": ("T_OBS",)}, "s.zarr/2011/94A: no attribute T_OBS, the times of its images"),
        ({"T_OBS": "2011-01-01T00:00:08Z"}, "an attribute T_OBS that is no list"),
        ({"T_OBS": ["yesterday"] * 5}, "T_OBS has no time for its 5 images, the first 'yesterday'"),
        ({"T_OBS": []}, "T_OBS has no time for its 5 images; expected"),
    ],
)
def test_an_array_without_times_is_refused_in_a_line(tmp_path, flares, change, words):
    add_array(tmp_path / "s.zarr", "94A", START + SIX * numpy.arange(5), frames(5), **change)
    with pytest.raises(UserError, match=re.escape(words)) as refused:
        flare_data(tmp_path / "s.zarr", flares).times("training")
    assert "\n" not in str(refused.value)


def test_what_is_no_store_is_refused_in_a_line(tmp_path, stores, flares):
    cases = {
        "no such folder; give a store of SDO-ML v2": (tmp_path / "none.zarr", {}),
        "no array 304A; SDO-ML v2 has them as 2011/304A": (stores[0], {"arrays": ("304A",)}),
        "no array 94A of 2015": (stores[0], {"years": ("2015",)}),
        "images of 32 pixels are smaller than --image_size 64": (stores[0], {"image_size": 64}),
        "s3fs, which constraints.txt does not have": ("s3://bucket/sdomlv2.zarr", {}),
        "cannot be opened (Protocol not known: ftpx)": ("ftpx://host/sdomlv2.zarr", {}),
        "cannot be read": ("http://127.0.0.1:9/sdomlv2.zarr", {"years": ("2011",)}),
    }
    for words, (folder, given_options) in cases.items():
        with pytest.raises(UserError, match=re.escape(words)) as refused:
            flare_data(str(folder), flares, **given_options).times("training")
        assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match="--folder: give one or several stores"):
        SdomlFlares(flares=(str(flares),))
    group = zarr.open_group(stores[0], mode="a", zarr_format=2).require_group("2012")
    group.create_array("94A", shape=(5, 16), chunks=(5, 16), dtype="f4")
    with pytest.raises(UserError, match="2012/94A: expected square images as numbers"):
        flare_data(stores[0], flares).times("training")


def test_a_damaged_chunk_is_named(stores, flares):
    (stores[0] / "2011" / "94A" / "0.0.0").write_bytes(b"no zstd at all")
    data = flare_data(stores[0], flares)
    with pytest.raises(UserError, match=r"2011/94A: images from 0 on cannot be read"):
        data.image(data.times("training")[0])
    assert data.image(data.times("training")[5]).shape == (16, 16, 1)


def test_without_zarr_a_line_names_the_extra(stores, flares, monkeypatch):
    plain = builtins.__import__

    def absent(name, *arguments, **keywords):
        if name == "zarr":
            raise ImportError(name)
        return plain(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"reading it needs zarr; install it with: pip install .*\[cloud\]"):
        flare_data(stores[0], flares).times("training")


@pytest.mark.parametrize("prefix", ["file://", "simplecache::file://"])
def test_a_store_behind_a_url_is_read_like_a_folder(stores, flares, prefix):
    local, remote = flare_data(stores[0], flares), flare_data(f"{prefix}{stores[0]}", flares)
    time = local.times("training")[3]
    numpy.testing.assert_array_equal(local.image(time), remote.image(time))
    assert remote.is_downloaded()
    kept = options.with_places(SdomlFlares, {"folder": [f"{prefix}{stores[0]}", "a.zarr"]})
    assert kept["folder"] == [f"{prefix}{stores[0]}", str(pathlib.Path("a.zarr").absolute())]


def test_stores_of_single_years_are_one(tmp_path, flares):
    for year, count in (("2010", 20), ("2011", 40)):
        times = numpy.datetime64(f"{year}-12-31T00:00:00") + SIX * numpy.arange(count)
        add_array(tmp_path / f"{year}.zarr", "94A", times, frames(count, seed=count))
    series = sdoml_archive.open_series([str(tmp_path / "2011.zarr"), str(tmp_path / "2010.zarr")], "94A")
    assert len(series.times) == 60
    assert (numpy.diff(series.times) > numpy.timedelta64(0, "s")).all()
    assert series.place(0).startswith(f"{tmp_path / '2010.zarr'}/2010/94A, image 0")
    assert len(numpy.unique(series.chunks)) == 2 + 3
    assert series.radius == pytest.approx(sdoml_archive.RADIUS)


@pytest.mark.long
def test_a_radius_of_the_sun_that_differs_between_channels_is_said(stores, tmp_path, flares, capsys):
    times = START + SIX * numpy.arange(30)
    add_array(tmp_path / "h.zarr", "Bx", times, frames(30), CDELT1=[4.03 * 16] * 30)
    data = flare_data((stores[0], tmp_path / "h.zarr"), flares, arrays=("94A", "Bx"), cadence=0)
    data.times("training")
    assert "the Sun's radius differs (pixels of 512: 94A 203.3, Bx 235.7)" in capsys.readouterr().err
    header = data.header(data.times("training")[0])
    assert header["RSUN_OBS"] / header["CDELT1"] == pytest.approx(203.33 * 16 / 512, rel=1e-4)


def test_simulated_stores_say_so(tmp_path, flares):
    add_array(tmp_path / "s.zarr", "94A", START + SIX * numpy.arange(30), frames(30), SIMULATD=["T"] * 30)
    assert flare_data(tmp_path / "s.zarr", flares).simulated


@pytest.mark.long
def test_a_network_trains_on_a_store_and_labels_of_surya_bench(tmp_path, command):
    times = START + SIX * numpy.arange(720)
    add_array(tmp_path / "s.zarr", "193A", times, frames(720))
    hours = (START + numpy.timedelta64(3600, "s") * numpy.arange(72)).astype("datetime64[h]").astype("datetime64[s]")
    rows = [f"{str(hour).replace('T', ' ')},{'M2.0,20.0,1,1' if n % 5 == 0 else 'FQ,0.0,0,0'}" for n, hour in enumerate(hours)]
    header = "timestamp,max_goes_class,cumulative_index,label_max,label_cum"
    for name, some in (("train", rows[:40]), ("validation", [*rows[48:], "2011-06-01 00:00:00,FQ,0.0,0,0"])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *some]))
    words = ["--dataset", PROJECT / "dataset_models/SDO/sdoml_flares.py", "--folder", tmp_path / "s.zarr", "--arrays", "193A"]
    words += ["--labels", tmp_path / "train.csv", "--validation_labels", tmp_path / "validation.csv", "--epochs", "1"]
    network = PROJECT / "network_models/xray_flux_forecast/starting_point/network.py"
    ended = command(network, *words, "--image_size", "32", "--out", tmp_path / "runs")
    assert ended.code == 0, ended.err
    assert "1 of 25 labels have no image" in ended.err
    (settings,) = (tmp_path / "runs").rglob("settings.yml")
    stored = yaml.safe_load(settings.read_text())
    assert stored["samples"] == {"training": 40, "validation": 24}
    assert stored["data_options"]["folder"] == [str(tmp_path / "s.zarr")]


@given(st.lists(st.text(alphabet="0123456789-T:.Z_AI ", max_size=25), max_size=5), st.booleans())
def test_any_text_is_a_time_or_none(texts, is_tai):
    times = sdoml_archive.times_of(texts, is_tai=is_tai)
    assert times.dtype == "datetime64[s]"
    assert len(times) == len(texts)


@pytest.mark.long
def test_flux_after_images(stores, tmp_path):
    sun = SimulatedSun(start="2010-12-30", days=4, cadence_minutes=480)
    archive.write_archive(tmp_path / "sim", sun, products=("goes",))
    for file in sorted((tmp_path / "sim" / "goes").iterdir()):
        goes_xrs.import_file(tmp_path / "xrs.sqlite", file)
    given_options = {"calibration": "operational", "catch": "36min", "goes": str(tmp_path / "xrs.sqlite"), "image_size": 16}
    data = SdomlFlux(folder=(str(stores[0]),), arrays=("94A", "171A"), **given_options)
    assert data.is_downloaded()
    time = data.times("training")[0]
    assert data.inputs(time)["image"].shape == (16, 16, 2)
    assert data.target(time) == pytest.approx(numpy.log10(data.truth(time)[0]))
    assert data.simulated
    with pytest.raises(UserError, match="are no single files; give the time of a sample"):
        data.read_image("a.fits")
    gone = SdomlFlux(folder=(str(tmp_path / "gone.zarr"),), **given_options)
    assert "store" in str(gone.is_downloaded())
