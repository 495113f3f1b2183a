"""Sound files of every kind that the project reads, small, written by the project's own writers or genuine ones of sunpy."""

import csv
import functools
import gzip
import importlib.util
import json
import os
import pathlib
import shutil
import struct

import numpy

TIME = numpy.datetime64("2014-06-17T21:36:00", "s")
PROJECT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("SOLAR_SHARED") or PROJECT.parent / "shared" / "real")
TINY = PROJECT / "software_tests" / "network_models" / "tiny_data.py"


def loaded(path):
    """Import a helper of the other tests by its path."""
    from tools import modules

    return modules.load(path)


def genuine(name):
    """Copy a file of sunpy's test data: callable that takes a folder and returns the path in it."""

    def seed(folder):
        source = pathlib.Path(importlib.util.find_spec("sunpy.data").submodule_search_locations[0], "test", name)
        return pathlib.Path(shutil.copy(source, folder))

    return seed


def shared(name, other):
    """Copy a file of the archives where they are, else take another seed; `other` is a seed."""

    def seed(folder):
        return pathlib.Path(shutil.copy(SHARED / name, folder)) if (SHARED / name).is_file() else other(folder)

    return seed


def text(name, content):
    """Write a text: a seed."""

    def seed(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return seed


@functools.cache
def disk(size, channels=1):
    """A limb-darkened disk with active regions and noise: float32 (size, size, channels), row 0 north."""
    random = numpy.random.default_rng(1)
    row, column = (numpy.mgrid[:size, :size] - (size - 1) / 2) * (2457.6 / size)
    radius = numpy.hypot(row, column) / 945
    image = 60 / (1 + numpy.exp((radius - 1) * 60)) * numpy.sqrt(numpy.clip(1.2 - radius**2, 0, None))
    for east, north, height in ((300, 200, 400), (-500, -250, 900), (100, -300, 150)):
        image += height * numpy.exp(-((column - east) ** 2 + (row + north) ** 2) / (2 * 40.0**2))
    image = image + random.gamma(2, 0.5, image.shape)
    return numpy.stack([image * (1 + channel / 4) for channel in range(channels)], -1).astype("float32")


@functools.cache
def field(size):
    """A magnetogram with two bipoles: float32 (size, size), Gauss, row 0 north, NaN off the disk."""
    row, column = (numpy.mgrid[:size, :size] - (size - 1) / 2) * (2457.6 / size)
    values = numpy.random.default_rng(2).normal(0, 12, row.shape)
    for east, north, strength in ((300, 200, 900), (340, 205, -900), (-400, -300, 500), (-360, -310, -450)):
        values += strength * numpy.exp(-((column - east) ** 2 + (row + north) ** 2) / (2 * 25.0**2))
    values[numpy.hypot(row, column) > 945] = numpy.nan
    return values.astype("float32")


def aia_fits(folder):
    from dataset_models.simulated import archive

    return archive.write_aia_fits(folder, disk(1024, 8), TIME)[2]


def aia_gz(folder):
    path = aia_fits(folder)
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1, mtime=0))
    path.unlink()
    return packed


def aia_level_1(folder):
    files = loaded(PROJECT / "software_tests" / "dataset_models" / "test_aia_level_1.py")
    pixels = files.rate(4096, files.SCALE, files.CENTRE, files.ANGLE)
    pixels += numpy.tile(disk(256)[..., 0], (16, 16)) / 10  # else the disk would be flat
    return files.write(folder / "aia.lev1_euv_12s.2014-06-17T213611Z.171.image_lev1.fits", pixels)


def legacy(folder):
    from dataset_models.simulated import archive

    return archive.write_legacy(folder, disk(1024, 8), TIME)


def simulated_image(folder):
    from dataset_models.simulated import archive

    sun = sun_of()
    return archive._write_flat(folder / sun.image_name(TIME), disk(sun.image_size, len(sun.channels)))


def sun_of():
    """The simulated Sun that reads `simulated_image`."""
    from dataset_models.simulated.sun import SimulatedSun

    return SimulatedSun(start="2014-06-01", days=60, image_size=64)


def hmi_fits(folder):
    from dataset_models.simulated import archive

    return archive.write_hmi_fits(folder, field(512), TIME)


def hmi_plain(folder):
    """Write a magnetogram as HMI does, but neither compressed nor turned."""
    from astropy.io import fits

    source = hmi_fits(folder)
    with fits.open(source) as units:
        header = units[1].header.copy()
    source.unlink()
    header["CROTA2"] = 0.0
    fits.PrimaryHDU(field(512)[::-1], fits.Header(header, copy=True)).writeto(source, checksum=True, output_verify="silentfix")
    return source


def hmi_jpg(folder):
    from dataset_models.simulated import archive

    return archive.write_hmi_jpg(folder, field(256), TIME)


def hmi_npy(folder):
    grey = (numpy.clip(numpy.nan_to_num(field(128)), -256, 256) + 256) / 512
    path = folder / "HMI.m2014.06.17_21.36.00.npy"
    numpy.save(path, grey.astype("float32"))
    files = loaded(PROJECT / "software_tests" / "dataset_models" / "jpeg2000_files.py")
    numbers = ("CRPIX", "CDELT", "CRVAL", "RSUN", "DSUN", "CROTA")
    cards = {key: float(value) if key.startswith(numbers) else value for key, value in files.header(128).items()}
    path.with_suffix(".json").write_text(json.dumps(cards))
    return path


def hmi_npy_header(folder):
    return hmi_npy(folder).with_suffix(".json")


def hmi_jp2(folder):
    files = loaded(PROJECT / "software_tests" / "dataset_models" / "jpeg2000_files.py")
    grey = numpy.rint((numpy.clip(numpy.nan_to_num(field(512)), -256, 256) + 256) * (255 / 512)).astype("uint8")
    return files.write(folder / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2", 512, grey=grey)


def picture_record(folder):
    from dataset_models.images import picture_tree

    hmi_jpg(folder)
    path = folder / picture_tree.RECORD
    path.write_text(json.dumps({"mode": "area", "size": 256, "format": "jpg", "crop": None, "quality": 95}))
    return path


def cached_image(folder):
    path = folder / "20140617T213600-0123456789ab.npy"
    numpy.save(path, disk(64, 8))
    return path


def rejected_note(folder):
    """What the cache remembers of an image that cannot be used."""
    path, cache = folder / "source.fits", cache_of(folder)
    path.write_bytes(b"x")
    from dataset_models.images import image_cache

    note = cache.folder / f"k-{image_cache._fingerprint((path,), folder)}.rejected"
    note.parent.mkdir()
    note.write_text(f"{path}: is truncated")
    return note


def cache_of(folder):
    from dataset_models.images.image_cache import ImageCache

    return ImageCache(folder, {"name": "some", "version": 1}, (64, 64, 8))


def png(folder):
    from PIL import Image

    path = folder / "digit.png"
    Image.fromarray(numpy.clip(disk(28)[..., 0], 0, 255).astype("uint8")).save(path)
    return path


def idx(axes, name):
    def seed(folder):
        shape = (20, 28, 28)[:axes]
        values = (numpy.arange(numpy.prod(shape)) % 251).astype("uint8") if axes > 1 else numpy.arange(20, dtype="uint8") % 10
        content = bytes([0, 0, 8, axes]) + struct.pack(f">{axes}I", *shape) + values.tobytes()
        path = folder / name
        path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
        return path

    return seed


NAMES = "\n".join(f"AIA20140617_21{minute:02d}_{channel:04d}.fits" for minute in (0, 36) for channel in (94, 131, 171)) + "\n"


# X-ray flux


def swpc_json(folder):
    records = [
        {"time_tag": f"2026-08-01T{n // 60:02d}:{n % 60:02d}:00Z", "satellite": 18, "flux": 1e-6 * (1 + n % 7)}
        | {"observed_flux": 1e-6, "electron_contaminaton": False, "energy": "0.1-0.8nm"}
        for n in range(90)
    ]
    path = folder / "xrays-6-hour.json"
    path.write_text(json.dumps(records))
    return path


def goes_fits(folder):
    from dataset_models.flux_series import FluxSeries
    from dataset_models.simulated import archive

    flux = 1e-6 * (2 + numpy.sin(numpy.arange(1440) / 90))
    return archive.write_goes_fits(
        folder, FluxSeries("2014-06-17", flux, calibration="simulated"), numpy.datetime64("2014-06-17")
    )


def flux_store(folder):
    from dataset_models import goes_xrs

    source = folder / "sources"
    source.mkdir()
    files = [swpc_json(source), genuine("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc")(source)]
    store = folder / "xrs.sqlite"
    goes_xrs.import_files(store, files, workers=1)
    shutil.rmtree(source)
    return store


# Flares and regions

INTEGRATED = (
    "start_time,goes_class,fl_lon,fl_lat,peak_time,end_time,noaa_active_region\n"
    "2014-06-17 01:44:00,X2.2,15.1,-21,2014-06-17 01:56:00,2014-06-17 02:06:00,12087\n"
    "2014-06-17 12:10:00,M1.1,-40,12,2014-06-17 12:20:00,2014-06-17 12:40:00,12085\n"
    "2014-06-18 03:00:00,C3.0,,,2014-06-18 03:10:00,2014-06-18 03:20:00,\n"
)
HEK = (
    "event_starttime,event_peaktime,event_endtime,fl_goescls,ar_noaanum,hgs_x,hgs_y,frm_name\n"
    "2014-01-04T18:47:00,2014-01-04T19:46:00,2014-01-04T20:23:00,M4.0,11944,-10,-8,SWPC\n"
    "2014-01-07T18:04:00,2014-01-07T18:32:00,2014-01-07T18:58:00,X1.2,11944,11,-15,SWPC\n"
    "2014-01-08T03:39:00,2014-01-08T03:47:00,2014-01-08T03:54:00,M3.6,11947,88,-11,SSW Latest Events\n"
)
GOES = (
    "DATE,START_TIME,END_TIME,MAX_TIME,LOCATION,CMX,CMX_VALUE,INTENSITY,FLUX,AR,SHARP\n"
    "100102,310,319,313,         ,B,11,1.1e-06,4.4e-05,11039,\n100102,709,740,724,S29W37SF ,C,10,1e-05,0.0012,11039,\n"
)
FLARENET = (
    "Year,Month,Day,Hour Start,Minute Start,Hour End,Minute End,Hour Peak,Minute Peak,Peak Flux\n"
    "2011,8,9,7,48,8,8,8,5,0.00062067\n2012,3,7,0,2,0,40,0,24,0.00054109\n"
)
CATALOGUE = (
    "start,peak,end,goes_class,flux,longitude,latitude,noaa_region,source\n"
    "2014-06-17 01:44:00,2014-06-17 01:56:00,2014-06-17 02:06:00,X2.2,0.00022,15.1,-21,12087,HEK+GOES\n"
    "2014-06-17 12:10:00,,,M1.1,1.1e-05,,,,HEK\n"
)
LMSAL = (
    "<html><body><table>"
    "<tr><td>Event#</td><td>EName</td><td>Start</td><td>Stop</td><td>Peak</td><td>GOES Class</td>"
    "<td>Derived Position</td></tr>\n"
    "<tr><td>1</td><td>gev_20140617_0144</td><td>2014/06/17 01:44:00</td><td>02:06:00</td><td>01:56:00</td><td>X2.2</td>"
    "<td>S21W15 ( 2087 )</td></tr>\n"
    "<tr><td>2</td><td>gev_20140617_1210</td><td>2014/06/17 12:10:00</td><td>12:40:00</td><td>12:20:00</td><td>M1.1</td>"
    "<td>N12E40 ( 2085 )</td></tr></table></body></html>\n"
)
DONKI = json.dumps(
    [
        {"flrID": f"2022-09-0{day}T07:35:00-FLR-001", "instruments": [{"displayName": "GOES-P: EXIS 1.0-8.0"}]}
        | {"beginTime": f"2022-09-0{day}T07:35Z", "peakTime": f"2022-09-0{day}T07:54Z", "endTime": f"2022-09-0{day}T08:12Z"}
        | {"classType": "C3.9", "sourceLocation": "S27E25", "activeRegionNum": 13093, "linkedEvents": None}
        for day in (4, 5, 6)
    ],
    indent=1,
)
SEVEN_DAYS = json.dumps(
    [
        {"time_tag": f"2026-08-0{day}T01:00:00Z", "begin_time": f"2026-08-0{day}T01:00:00Z", "begin_class": "B9.1"}
        | {"max_time": f"2026-08-0{day}T01:10:00Z", "max_class": "M1.2", "max_xrlong": 1.2e-5, "max_ratio": 0.1}
        | {"end_time": f"2026-08-0{day}T01:20:00Z", "end_class": "C5.0", "satellite": 18}
        for day in (1, 2, 3)
    ]
)
HEK_ANSWER = json.dumps(
    {
        "result": [
            {"event_starttime": f"2014-01-0{day}T18:47:00", "event_peaktime": f"2014-01-0{day}T18:50:00"}
            | {"event_endtime": f"2014-01-0{day}T19:00:00", "fl_goescls": "M4.0", "ar_noaanum": 11944, "hgs_x": -10.0}
            | {"hgs_y": -8.0, "frm_name": "SWPC"}
            for day in (4, 5, 6)
        ],
        "overmax": False,
    }
)
CLOSEST = json.dumps({"id": "12345", "date": "2022-08-02 10:47:53", "name": "HMI magnetogram", "sourceId": 19})


def events_text(folder):
    tests = loaded(PROJECT / "software_tests" / "dataset_models" / "test_swpc_flares.py")
    return text("20140225events.txt", tests.EVENTS)(folder)


def manifest(folder):
    from dataset_models.download import manifest as manifests

    (folder / "a.txt").write_text("content")
    book = manifests.Manifest(folder, "Helioviewer")
    record = manifests.Record("a.txt", "https://x/a.txt", "2014-06-17T21:36:00Z", None, 7, "0" * 64, manifests.now(), "jp2", {})
    book.add(record)
    book.remember("question", ["answer", 1])
    book._connection.execute("PRAGMA journal_mode = DELETE")
    book.close()
    return folder / manifests.NAME


# Tables


def _rows(name, header, make, count=30):
    def seed(folder):
        path = folder / name
        with open(path, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *map(make, range(count))])
        return path

    return seed


def _hour(number):
    return str(TIME + number * numpy.timedelta64(3600, "s"))


labels = _rows(
    "Fold1_val.csv",
    ["label", "target", "goes_class", "fl_lon", "fl_lat"],
    lambda n: [f"2011/01/01/HMI.m2011.01.{n // 24 + 1:02d}_{n % 24:02d}.00.00.jpg", n % 3 // 2, "B8.3", -56.0, 30.0],
)
index = text("index.csv", "".join(f"/data/2011/01/01/HMI.m2011.01.01_{hour:02d}.00.00.jpg\n" for hour in range(20)))
forecasts = _rows("forecasts.csv", ["time", "probability", "target"], lambda n: [f"{_hour(n)}Z", f"0.{n:02d}", n % 2])
flux_forecasts = _rows(
    "validation_forecasts.csv",
    ["time", "prediction", "true_delta", "true_value", "prior_value"],
    lambda n: [f"{_hour(n)}Z", f"{1e-6 * (1 + n % 4):.3g}", 0.1, f"{1e-6 * (1 + n % 5):.3g}", f"{1e-6 * (1 + n % 3):.3g}"],
)
limb_forecasts = _rows(
    "alex_m_class.csv",
    ["timestamp", "flare_prob", "goes_class", "fl_lon", "fl_lat", "start_time"],
    lambda n: [_hour(n), f"0.{n:02d}", "M1.2", n - 20, 11.0, _hour(n + 5)],
)
instances = _rows(
    "m_class.csv",
    ["timestamp", "flare_prob", "goes_class", "fl_location", "flare_start"],
    lambda n: [_hour(n), f"0.{n:02d}", "M1.2", f"({n - 20}, 11.0)", _hour(30)],
)
features = _rows(
    "features.csv", ["time", *(f"f{n}" for n in range(25))], lambda n: [_hour(n), *((n * k) % 7 for k in range(25))]
)


flarenet_features = text(
    "HMI_features.csv", "".join(f"201406{n + 1:02d},{','.join(str((n * k) % 7) for k in range(25))}\n" for n in range(28))
)
flarenet_flux = text(
    "Flux_2010_2017_max.csv",
    '"Time","Flux","Count"\n' + "".join(f"2014-06-17 00:{2 * n:02d}:00,{1e-6 * (1 + n):.4e},59\n" for n in range(1, 30)),
)
flux_targets = text(
    "All_Ys_01hrDelay_24hrMax.csv",
    "Date Stamp,Catch Flux,Current Flux,Delta,Filename\n"
    + "".join(f"20140617_00{n:02d},{1e-6 * (2 + n):.4e},1e-06,{1e-6 * (1 + n):.4e},AIA_{n}.fits\n" for n in range(60)),
)
fold = text(
    "Fold1_train.csv",
    "label,target,goes_class,fl_lon,fl_lat\n"
    + "".join(
        f"2011/01/01/HMI.m2011.01.01_{n:02d}.00.00.jpg,{n % 2},{('NF', 'M1.5')[n % 2]},{('unk', '-56.0')[n % 2]},unk\n"
        for n in range(24)
    ),
)


def calibration(folder):
    from network_models.forecasts import calibration as calibrations
    from network_models.forecasts import conformal

    random = numpy.random.default_rng(0)
    probability = random.uniform(0, 1, 900)
    event = random.uniform(0, 1, 900) < probability**2
    times = TIME + numpy.arange(900) * numpy.timedelta64(21600, "s")
    sets = conformal.fit(probability, event, times, coverage=0.8, block=conformal.block_length(27.0))
    path = folder / "calibration.json"
    calibrations.save(path, calibrations.fit(probability, event, kind="isotonic"), conformal=sets, times=times)
    return path


def combination(kind):
    def seed(folder):
        from network_models.forecasts import combination as combinations

        random = numpy.random.default_rng(0)
        probability = random.uniform(0.01, 0.99, (600, 2))
        event = random.uniform(0, 1, 600) < probability[:, 0]
        times = TIME + numpy.arange(600) * numpy.timedelta64(21600, "s")
        path = folder / "combination.json"
        combinations.save(path, combinations.fit(["one", "two"], probability, event, times, kind=kind))
        return path

    return seed


# Networks and runs


def network(name):
    def seed(folder):
        import keras

        keras.utils.set_random_seed(0)
        image = keras.Input((16, 16, 2), name="image")
        x = keras.layers.Conv2D(4, 3, activation="relu")(image)
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x))
        model = keras.Model(image, keras.layers.Dense(1, name="logits")(x))
        path = folder / name
        model.save(path, **({"include_optimizer": False} if name.endswith("hdf5") else {}))
        return path

    return seed


def state_dict(folder):
    import torch

    torch.manual_seed(0)
    path = folder / "weights.pth"
    torch.save({"model_state_dict": torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()}, path)
    return path


def run_arguments(out):
    """Flags of the smallest training there is: list of str."""
    flags = ["--dataset", str(TINY), "--kind", "classification", "--count", "8", "--batch_size", "8", "--epochs", "2"]
    return [*flags, "--block_channels", "2", "--out", str(out)]


def run_folder(member):
    """Train in a few seconds: a seed that returns a member of the run folder."""

    def seed(folder):
        from network_models import experiment, settings
        from network_models.xray_flux_forecast.starting_point import architecture

        chosen = settings.parse(run_arguments(folder), "", network_folder=folder, network=architecture.Options)
        made = experiment.run(architecture.build, chosen).folder
        shutil.rmtree(made.logs)
        return made.path / member

    return seed


def search(member):
    """The folder of a search with one finished trial: a seed that returns a member of it."""

    def seed(folder):
        from network_models.architecture_search import search as search_script

        arguments = ["--network", "fdl1", "--dataset", str(TINY), "--search", str(folder), "--epochs", "1"]
        chosen = search_script.parse(arguments)[0]
        chosen.claim()
        values = {parameter.name: (parameter.bounds or parameter.values)[0] for parameter in chosen.parameters}
        trial = {
            "trial_id": "0000",
            "status": "COMPLETED",
            "score": 0.5,
            "message": None,
            "hyperparameters": {"values": values},
        }
        text("tuner/trial_0000/trial.json", json.dumps(trial, default=list))(folder)
        text("skipped.json", json.dumps([{"values": values, "why": "too wide"}], default=list))(folder)
        return folder / member

    return seed


def issued_forecast():
    """A forecast of the disk and of a region, as `network_models.forecasts.exchange.issued` has it."""
    from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast

    begin = numpy.datetime64("2026-02-01T00:30:00")
    disk = {"C1.0": Probability(0.8, 0.7, 0.9), "M1.0": Probability(0.3, 0.2, 0.4), "X1.0": Probability(0.01)}
    region = RegionForecast(14274, {"M1.0": Probability(0.2)}, longitude=-3.0, latitude=12.0)
    return Issued("made up", begin, begin, begin + numpy.timedelta64(86400, "s"), disk, (region,))


def issued(form, name):
    """A forecast as sent to the flare scoreboard, in a module's format."""

    def seed(folder):
        import importlib

        written = importlib.import_module(f"network_models.forecasts.exchange.{form}").write(issued_forecast())
        path = folder / name
        path.write_bytes(written if isinstance(written, bytes) else written.encode())
        return path

    return seed


def forecast_log(folder):
    """A log of three forecasts."""
    from science.operational_forecast import chain, record

    path = folder / "forecasts.jsonl"
    for _ in range(3):
        chain.append(
            path,
            lambda number, previous, last: record.Record(
                number, previous, "forecast", f"2026-02-01T00:3{number}:00Z", issued_forecast(), ("history",)
            ),
        )
    return path


def forecast_settings(folder):
    """FORECAST.yml without networks, beside its flare list."""
    text("flares.csv", CATALOGUE)(folder)
    content = "name: made up\nflares: [flares.csv]\nfetch: false\nmax_age: 180\nall_clear_below: 0.05\nmap: none\n"
    return text("FORECAST.yml", content)(folder)


def patches(folder):
    """Keywords of SHARPs as JSOC exports them."""
    head = "HARPNUM,T_REC,AREA,USFLUX,MEANGBZ,R_VALUE,NOAA_ARS"
    rows = [f"{1 + number % 3},2014.04.10_{number:02d}:00:00_TAI,2360,3.94e21,20.8,2.5,12036" for number in range(20)]
    return text("sharp.csv", "\n".join([head, *rows]) + "\n")(folder)
