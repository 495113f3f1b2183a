"""Every reader of files that others made, or that may have been damaged since they were written, in one table.

A reader takes a path, consumes what is there as the scripts do, and returns what it made of it. What it returns is checked
(`AssertionError`) where a wrong result would look like a right one: images must be finite, with contrast and a disk.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import typing

import numpy
import seeds


@dataclasses.dataclass(frozen=True)
class Reader:
    """One way from a file to what is made of it.

    Attributes
    ----------
    name, area : str
    seed : callable
        Takes an empty folder, fills it, returns the path of the file that is to be changed.
    read : callable
        Takes that path, somewhere else.
    form : str or None
        Of `mutator.FORMS`.
    unseen : str
        Why a changed file may be accepted.
    share : float
        Inputs compared with those of the other readers: slow ones get fewer.
    quick : bool
        Whether it takes part where there is half a minute for all.
    places : bool
        Whether the file can be renamed and be replaced by what is no file.
    """

    name: str
    area: str
    seed: typing.Callable
    read: typing.Callable
    form: str | None = None
    unseen: str = ""
    share: float = 1.0
    quick: bool = True
    places: bool = True


PIXELS = "pixels and descriptive cards of a file without a sum are as good as others, within what an image can be"
ROWS = "a row with other values is another row; nothing in the file sums them up"
WEIGHTS = "a weight is as good as another, as long as it is finite"


def of_images(image, *, disk=True):
    """Check an image as a network would get it, and return it."""
    image = numpy.asarray(image)
    assert image.dtype == numpy.float32, f"{image.dtype}"
    assert numpy.isfinite(image).all(), "pixels that are not finite"
    for channel in numpy.moveaxis(image.reshape(*image.shape[:2], -1), -1, 0):
        assert channel.max() > channel.min(), f"constant: {channel.min():g}"
        if disk:
            size = len(channel)
            row, column = numpy.mgrid[:size, :size] - (size - 1) / 2
            inside = numpy.hypot(row, column) < 0.3 * size
            quarters = [channel[inside & up & left] for up in (row < 0, row >= 0) for left in (column < 0, column >= 0)]
            assert all(numpy.ptp(quarter) > 0 for quarter in quarters), "a quarter of the disk is constant"
    return image


def _aia(path):
    from dataset_models.SDO.AIA import aia_images

    return of_images(aia_images.prepare(path, size=64))


def _aia_frame(path):
    from dataset_models.SDO.AIA import aia_files, aia_images

    frame = aia_files.frame_of(path)
    frame.require_all_channels()
    return of_images(aia_images.read_frame(frame.paths, size=64))


def _aia_header(path):
    from dataset_models.SDO.AIA.fdl_1 import AIA8

    return AIA8(folder=str(path.parent)).image_header(path)


def _aia_names(path):
    """Make the files that the lines name, empty, and ask for what a data set asks of them first."""
    from dataset_models.SDO.AIA.fdl_1 import AIA8
    from tools.errors import UserError

    folder = path.parent / "aia"
    folder.mkdir()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[:50]:
        with contextlib.suppress(OSError, ValueError):
            (folder / pathlib.PurePath(line.strip()).name).touch()
    data = AIA8(folder=str(folder), goes=str(path.parent / "xrs.sqlite"), cache=str(path.parent / "cache"))
    with contextlib.suppress(UserError):
        _ = data.flux_series
    return data.convert()[1]


def _names_seed(folder):
    seeds.flux_store(folder)
    return seeds.text("names.txt", seeds.NAMES)(folder)


def _legacy(path):
    from dataset_models.SDO.AIA import aia_images

    return of_images(aia_images.downsample(aia_images.read_legacy(path), 64))


def _simulated(path):
    return of_images(seeds.sun_of().read_image(path)["image"], disk=False)


def _magnetogram(decoding="area", size=64, *, disk=True):
    def read(path):
        from dataset_models.SDO.HMI import magnetogram_images

        found = magnetogram_images.read(path, size=size, decoding=decoding)
        image = of_images(found.image, disk=disk)
        assert image.min() >= 0, f"{image.min()}"
        assert image.max() <= 1, f"{image.max()}"
        return image, found.header

    return read


def _sidecar(path):
    from dataset_models.images import picture_tree

    if picture_tree.header_path(path.with_suffix(".npy")) != path:
        return None
    return _magnetogram(disk=False)(path.with_suffix(".npy"))


def _converted(path):
    from dataset_models.conversion import jp2_to_images

    out = path.parent / "out"
    recipe = jp2_to_images.Recipe(mode="area", size=64, format="jpg")
    outcome = jp2_to_images.convert([path], out, recipe, workers=1)
    _refused(outcome.rejected.values())
    from PIL import Image

    images = []
    for picture in sorted(out.rglob("*.jpg")):
        with Image.open(picture) as opened:
            images.append((numpy.asarray(opened), opened.info.get("comment")))
    return images


def _refused(reasons):
    """Raise the first reason that a script prints of files it leaves out."""
    from tools.errors import UserError

    for reason in reasons:
        raise UserError(str(reason))


def _tree(path):
    from dataset_models.SDO.HMI import magnetogram_images

    return [found.name for found in magnetogram_images.scan(path.parent).values()]


def _cached(path):
    from dataset_models.images import image_cache

    return image_cache.read_aligned(path, (64, 64, 8))


def _remembered(path):
    from tools.errors import UserError

    folder = path.parent.parent
    cache = seeds.cache_of(folder)

    def convert(paths):
        raise UserError(f"{paths[0]}: is truncated")

    # The file's own time differs in a copy: put the note where this copy's is looked for.
    from dataset_models.images import image_cache

    source = folder / "source.fits"
    note = cache.folder / f"k-{image_cache._fingerprint((source,), folder)}.rejected"
    if note != path and os.path.lexists(path) and not path.is_dir():
        os.rename(path, note)
    return list(cache.convert({"k": (source,)}, convert, root=folder, label="x", workers=1))


def _digit(path):
    from dataset_models.digits import Digits

    return of_images(Digits().read_image(path)["image"], disk=False)


def _idx(axes):
    def read(path):
        from dataset_models import digits

        return digits.read_idx(path, axes=axes)

    return read


def _mark(path):
    from dataset_models import simulation_mark

    return simulation_mark.of_file(path)


def _goes(path):
    from dataset_models import goes_files

    minutes = goes_files.read_minutes(path)
    assert numpy.isfinite(minutes.flux).all(), "fluxes that are not finite"
    assert (minutes.flux > 0).all(), "fluxes that are not positive"
    return minutes


def _store(path):
    from dataset_models import goes_xrs

    found = goes_xrs.contents(path), goes_xrs.is_simulated(path)
    series = [goes_xrs.series(path, calibration=kind) for kind in ("science", "near real time")]
    return found, [(str(one.start), one.flux) for one in series]


def _flares(path):
    from dataset_models import flare_catalogue

    catalogue = flare_catalogue.read(path)
    flux = catalogue.events["flux"].to_numpy()
    assert (numpy.isfinite(flux) & (flux > 0)).all(), "fluxes that are none"
    return catalogue.events, catalogue.counts


def _regions(path):
    from dataset_models.flares import region_summaries

    found = region_summaries.read(path)
    return found.issued, found.regions, len(found.odd)


def _index(path):
    from dataset_models import observation_times

    return observation_times.read_index(path)


def _labels(path):
    from dataset_models import leak_check

    return leak_check.check_tables(path, path)


def _features(path):
    from dataset_models.xray_flux_data import HmiFeatures

    found = HmiFeatures(path, before=numpy.datetime64("2014-06-18", "s"))
    assert numpy.isfinite(found.values).all(), "features that are not finite"
    return found.names, found.times, found.values


def _fold(path):
    from dataset_models import label_tables

    table = label_tables.read([path])
    assert (numpy.diff(table.times) > numpy.timedelta64(0, "s")).all(), "times out of order"
    assert not (numpy.isfinite(table.flux) & (table.event != (table.flux >= 1e-5))).any(), "labels that contradict the class"
    return table.times, table.event, table.flux, table.longitude


def _flux_targets(path):
    from dataset_models import flux_tables

    table = flux_tables.FluxTable(path)
    values = numpy.concatenate([*table.windows.values(), table.current(table.times)])
    assert (numpy.isnan(values) | ((values > 0) & (values <= 1))).all(), "fluxes that are none"
    return table.times, values


def _other_source(path):
    from dataset_models.images import helioviewer_sources

    return of_images(helioviewer_sources.read_grey(path, size=64, decoding="area", source=19), disk=False)  # cut-outs too


def _to_look_at(path):
    from dataset_models.pictures import image_file

    found = image_file.read(path)
    assert numpy.isfinite(found.image).any(), "no pixel is finite"
    return found.image, found.header, found.cards, found.remark


def _instances(path):
    from science import instance_tables

    found = instance_tables.read([path])
    assert found["probability"].between(0, 1).all(), "no probabilities"
    assert (found["flux"].ge(0) & found["flux"].le(1)).all(), "fluxes that are none"
    return found


def _manifest(path):
    from dataset_models.download import manifest

    with manifest.Manifest(path.parent, "Helioviewer", read_only=True) as book:
        found = manifest.verify(book, workers=1, progress=False)
        return book.records(), book.answer("question"), found


def _hek_answer(path):
    from dataset_models.download import hek

    return hek.parse(path.read_bytes())


def _closest(path):
    from dataset_models.download import helioviewer

    return helioviewer.parse_closest(path.read_bytes())


def _check(kind, expected):
    def read(path):
        from dataset_models.download import checks

        return checks.check(kind, path, expected)

    return read


def _forecasts(path):
    from network_models.forecasts import files

    found = files.read(path, target=False)
    return found.times, found.probability, found.event


def _flux_forecasts(path):
    from science.verification import regression

    return regression.is_flux(path), regression.read(path)


def _limb(path):
    from science.near_limb import near_limb

    return near_limb.read([path])


def _calibration(path):
    from network_models.forecasts import calibration

    saved = calibration.load(path)
    values = calibration.apply(saved.calibration, numpy.linspace(0, 1, 11))
    assert ((values >= 0) & (values <= 1)).all(), "no probabilities"
    sets = None if saved.conformal is None else saved.conformal.sets(numpy.linspace(0, 1, 11))
    return values, saved.periods, saved.simulated, sets


def _combination(path):
    from network_models.forecasts import combination

    saved = combination.load(path)
    values = saved.forecast(numpy.stack([numpy.linspace(0.1, 0.9, 5)] * len(saved.names), axis=-1))
    assert ((values >= 0) & (values <= 1)).all(), "no probabilities"
    return saved.names, values, saved.periods


def _network(path):
    """Load a network and forecast with it; outputs beyond all numbers are refused by who asks for them, see `_predicted`."""
    import keras

    from network_models.trained_network import load_network

    model = load_network(path)
    batch = [numpy.linspace(0, 1, int(numpy.prod(tensor.shape[1:])), dtype="float32") for tensor in model.inputs]
    assert all(len(one) < 10_000_000 for one in batch), "an input of more than 10 million numbers"
    batch = [one.reshape(1, *tensor.shape[1:]) for one, tensor in zip(batch, model.inputs, strict=True)]
    outputs = [numpy.asarray(one) for one in keras.tree.flatten(model.predict_on_batch(batch))]
    assert all(numpy.isfinite(one).all() for one in model.get_weights()), "weights that are not finite"
    return [numpy.nan_to_num(one) for one in outputs]


def _predicted(path):
    """As `predict.py`: a forecast, or why there is none."""
    from network_models import predict
    from network_models.trained_network import open_network

    trained = open_network(path, seeds.TINY)
    image = path.parent / "image.npy"
    numpy.save(image, numpy.random.default_rng(0).normal(5, 1, (16, 16, 2)).astype("float32"))
    forecasts, left_out = predict.forecast_images(trained.model, trained.data, [image], network=path)
    _refused(left_out)
    assert numpy.isfinite(forecasts[0].value), f"forecast {forecasts[0].value}"
    return forecasts[0].value


def _state_dict(path):
    from network_models import pytorch_weights

    tensors = pytorch_weights.read_state_dict(path)
    assert all(numpy.isfinite(one).all() for one in tensors.values()), "weights that are not finite"
    return tensors


def _run(path):
    """Find the run folder that a member lies in."""
    from network_models.run_folder import RunFolder

    return RunFolder(next(parent for parent in path.parents if parent.parent.name == "trained_models"))


def _settings(path):
    from network_models.run_folder import RunFolder

    return RunFolder.open(path.parent).settings()


def _begun(path):
    """Begin a run with a settings file, as far as its flags."""
    from network_models import settings
    from network_models.xray_flux_forecast.starting_point import architecture

    chosen = settings.parse(["--settings", str(path)], "", network_folder=path.parent, network=architecture.Options)
    return chosen.as_dictionary()


def _resumed(path):
    from network_models import settings
    from network_models.xray_flux_forecast.starting_point import architecture

    run = _run(path)
    arguments = ["--resume", str(run), "--epochs", "3"]
    chosen = settings.parse(arguments, "", network_folder=run.path.parent, network=architecture.Options)
    return chosen.as_dictionary()


def _finished(path):
    from network_models import experiment, settings
    from network_models.xray_flux_forecast.starting_point import architecture

    run = _run(path)
    arguments = ["--resume", str(run)]
    found = experiment.finished(settings.parse(arguments, "", network_folder=run.path.parent, network=architecture.Options))
    return None if found is None else (found.epochs, found.val_loss, found.scores)


def _state(path):
    """Go on with a run for an epoch, from whatever state it finds."""
    from network_models import experiment, settings
    from network_models.xray_flux_forecast.starting_point import architecture

    run = _run(path)
    arguments = ["--resume", str(run), "--epochs", "3"]
    chosen = settings.parse(arguments, "", network_folder=run.path.parent, network=architecture.Options)
    result = experiment.run(architecture.build, chosen)
    with open(run.performance / "loss_and_architecture.csv") as file:
        epochs = [line.split(",")[0] for line in file.read().splitlines()[1:]]
    assert epochs == ["1", "2", "3"], f"epochs {' '.join(epochs)}"
    return result.epochs


def _scored(path):
    from dataset_models.solar_data import load_solar_data
    from network_models.training import forecast

    return forecast.scores_of(path, load_solar_data(seeds.TINY)(kind="classification", count=8))


def _search(path):
    from network_models.architecture_search import report
    from network_models.architecture_search import search as search_script

    folder = path
    while not (folder / "tuner").is_dir():
        folder = folder.parent
    chosen = search_script.parse(["--network", "fdl1", "--dataset", str(seeds.TINY), "--search", str(folder), "--epochs", "1"])[
        0
    ]
    chosen.claim()
    return report.results(chosen).drop(columns="run_folder", errors="ignore"), report._skipped(chosen)


def _config(path):
    from tools import paths

    before = os.environ.get("SOLAR_CONFIG")
    os.environ["SOLAR_CONFIG"] = str(path)
    try:
        return [paths.data_path(key).name for key in paths.KEYS], paths.archive_url("hek")
    finally:
        os.environ.pop("SOLAR_CONFIG")
        if before is not None:
            os.environ["SOLAR_CONFIG"] = before


def _cluster(path):
    from network_models.distribution import cluster

    return cluster.from_environment({"TF_CONFIG": path.read_bytes().decode("utf-8", "replace")})


def _projector(path):
    from science.embedding import projector

    projector.link(path.parent.parent, path.parent.name)
    return (path.parent.parent / projector.CONFIG).read_text()


def _response(path):
    from dataset_models.SDO.AIA import degradation

    factor = degradation.degradation(171, seeds.TIME, table=str(path))
    degradation._response_table.cache_clear()
    assert 0 < factor < 10, f"{factor}"
    return factor


def _response_seed(folder):
    from dataset_models.SDO.AIA import degradation

    return pathlib.Path(shutil.copy(degradation.response_table_path(None), folder / "response.txt"))


def _issued(path):
    from network_models.forecasts.exchange import formats

    return formats.read(path)


def _log(path):
    from science.operational_forecast import chain

    records = chain.read(path)
    numbers = [record.number for record in records]
    assert numbers == list(range(1, len(records) + 1)), f"lines {numbers}"
    return records


def _forecast_settings(path):
    from science.operational_forecast import configuration

    return configuration.read(path).settings


def _patches(path):
    from dataset_models.flares import patch_tables

    return patch_tables.read([path])


def _reader(area, name, seed, read, form=None, **keywords):
    return Reader(name, area, seed, read, form, **keywords)


def _listed(name, content, form):
    return _reader("flare lists", name, seeds.text(name, content), _flares, form, unseen=ROWS)


TIME = f"{seeds.TIME}Z"
CLUSTER = json.dumps({"cluster": {"worker": ["a:1234", "b:1234"]}, "task": {"type": "worker", "index": 0}})

READERS = (
    _reader("FITS images", "AIA synoptic", seeds.aia_fits, _aia, "fits", unseen=PIXELS),
    _reader(
        "FITS images",
        "AIA synoptic, genuine",
        seeds.shared("fits/aia_synoptic_lev1.5_94_2014-06-06.fits", seeds.aia_fits),
        _aia,
        "fits",
        unseen=PIXELS,
    ),
    _reader("FITS images", "AIA synoptic .gz", seeds.aia_gz, _aia, "fits.gz", unseen=PIXELS, share=0.5),
    _reader("FITS images", "AIA frame", seeds.aia_fits, _aia_frame, "fits", unseen=PIXELS, share=0.3),
    _reader("FITS images", "AIA header", seeds.aia_fits, _aia_header, "fits", unseen=PIXELS, share=0.5),
    _reader("FITS images", "AIA level 1", seeds.aia_level_1, _aia, "fits", unseen=PIXELS, share=0.08, quick=False),
    _reader(
        "FITS images",
        "AIA names",
        _names_seed,
        _aia_names,
        "text",
        unseen="another name is another time",
        places=False,
        share=0.5,
    ),
    _reader("FITS images", "HMI", seeds.hmi_fits, _magnetogram(), "fits", unseen=PIXELS),
    _reader("FITS images", "HMI, not compressed", seeds.hmi_plain, _magnetogram(), "fits", unseen=PIXELS),
    _reader("FITS images", "mark", seeds.hmi_fits, _mark, "fits", unseen="no mark: the image's reader names the fault"),
    _reader(
        "FITS images",
        "AIA as downloaded",
        seeds.aia_fits,
        _check("aia", {"channel": 171, "size": 1024, "time": TIME, "tolerance": 60}),
        "fits",
        unseen=PIXELS,
        places=False,
        share=0.5,
    ),
    _reader("JPEG 2000", "HMI area", seeds.hmi_jp2, _magnetogram(disk=False), "jp2", unseen=PIXELS),
    _reader("JPEG 2000", "HMI reduced", seeds.hmi_jp2, _magnetogram("reduced", disk=False), "jp2", unseen=PIXELS),
    _reader("JPEG 2000", "of any source", seeds.hmi_jp2, _other_source, "jp2", unseen=PIXELS),
    _reader("JPEG 2000", "conversion", seeds.hmi_jp2, _converted, "jp2", unseen=PIXELS),
    _reader(
        "JPEG 2000",
        "conversion, genuine",
        seeds.genuine("2013_06_24__17_31_30_84__SDO_AIA_AIA_193.jp2"),
        _converted,
        "jp2",
        unseen=PIXELS,
        share=0.5,
    ),
    _reader("JPEG 2000", "mark", seeds.hmi_jp2, _mark, "jp2", unseen="no mark: the image's reader names the fault", share=0.5),
    _reader(
        "JPEG 2000",
        "as downloaded",
        seeds.hmi_jp2,
        _check("jp2", {"source": 19, "time": "2022-08-02T10:47:53Z", "tolerance": 60}),
        "jp2",
        unseen=PIXELS,
        places=False,
    ),
    _reader("pictures", "HMI jpg", seeds.hmi_jpg, _magnetogram(disk=False), "jpeg", unseen=PIXELS),
    _reader("pictures", "HMI npy", seeds.hmi_npy, _magnetogram(disk=False), "npy", unseen=PIXELS),
    _reader(
        "pictures",
        "keywords beside npy",
        seeds.hmi_npy_header,
        _sidecar,
        "json",
        unseen="cards that do not point leave the picture without a header",
    ),
    _reader(
        "pictures",
        "record of a tree",
        seeds.picture_record,
        _tree,
        "json",
        unseen="says how pictures came about, not what they are",
    ),
    _reader("pictures", "digit", seeds.png, _digit, "png", unseen=PIXELS),
    _reader(
        "pictures",
        "mark of a jpg",
        seeds.hmi_jpg,
        _mark,
        "jpeg",
        unseen="no mark: the image's reader names the fault",
        share=0.5,
    ),
    _reader("pictures", "jp2 to look at", seeds.hmi_jp2, _to_look_at, "jp2", unseen=PIXELS, share=0.5),
    _reader("pictures", "FITS to look at", seeds.hmi_fits, _to_look_at, "fits", unseen=PIXELS, share=0.5),
    _reader("pictures", "jpg to look at", seeds.hmi_jpg, _to_look_at, "jpeg", unseen=PIXELS, share=0.5),
    _reader("pictures", "npy to look at", seeds.hmi_npy, _to_look_at, "npy", unseen=PIXELS, share=0.5),
    _reader("arrays", "image cache", seeds.cached_image, _cached, "npy", unseen="float32 values carry no sum"),
    _reader(
        "arrays",
        "note in the image cache",
        seeds.rejected_note,
        _remembered,
        "text",
        unseen="the reason is only shown",
        share=0.5,
    ),
    _reader("arrays", "FlareNet's .dat", seeds.legacy, _legacy, "npy", unseen=PIXELS, share=0.2),
    _reader("arrays", "simulated .dat", seeds.simulated_image, _simulated, "npy", unseen=PIXELS),
    _reader("arrays", "IDX images", seeds.idx(3, "t10k-images-idx3-ubyte"), _idx(3), "idx", unseen="bytes carry no sum"),
    _reader(
        "arrays", "IDX images .gz", seeds.idx(3, "t10k-images-idx3-ubyte.gz"), _idx(3), "idx.gz", unseen="bytes carry no sum"
    ),
    _reader(
        "arrays", "IDX labels", seeds.idx(1, "t10k-labels-idx1-ubyte"), _idx(1), "idx", unseen="bytes carry no sum", share=0.5
    ),
    _reader("X-ray flux", "daily FITS", seeds.goes_fits, _goes, "fits", unseen=ROWS, share=0.5),
    _reader(
        "X-ray flux", "daily FITS, genuine .gz", seeds.genuine("go1520120601.fits.gz"), _goes, "fits.gz", unseen=ROWS, share=0.5
    ),
    _reader(
        "X-ray flux", "netCDF, 1 min", seeds.genuine("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc"), _goes, "hdf5", unseen=ROWS
    ),
    _reader(
        "X-ray flux",
        "netCDF, 2 s",
        seeds.genuine("sci_gxrs-l2-irrad_g15_d20131028_truncated.nc"),
        _goes,
        "hdf5",
        unseen=ROWS,
        share=0.5,
    ),
    _reader(
        "X-ray flux",
        "netCDF, 1 s",
        seeds.genuine("sci_xrsf-l2-flx1s_g17_d20201016_truncated.nc"),
        _goes,
        "hdf5",
        unseen=ROWS,
        share=0.5,
    ),
    _reader("X-ray flux", "table of FlareNet", seeds.flarenet_flux, _goes, "csv", unseen=ROWS),
    _reader("X-ray flux", "JSON of SWPC", seeds.swpc_json, _goes, "json", unseen=ROWS),
    _reader("X-ray flux", "flux store", seeds.flux_store, _store, "sqlite", unseen=ROWS),
    _reader(
        "X-ray flux",
        "mark of a store",
        seeds.flux_store,
        _mark,
        "sqlite",
        unseen="no mark: the store's reader names the fault",
        share=0.5,
    ),
    _reader(
        "X-ray flux",
        "as downloaded",
        seeds.genuine("sci_xrsf-l2-avg1m_g16_d20210101_truncated.nc"),
        _check("goes", {"day": "2021-01-01", "satellite": 16}),
        "hdf5",
        unseen=ROWS,
        places=False,
        share=0.5,
    ),
    _listed("integrated.csv", seeds.INTEGRATED, "csv"),
    _listed("hek.csv", seeds.HEK, "csv"),
    _listed("goes.csv", seeds.GOES, "csv"),
    _listed("flarenet.csv", seeds.FLARENET, "csv"),
    _listed("catalogue.csv", seeds.CATALOGUE, "csv"),
    _listed("lmsal.html", seeds.LMSAL, "text"),
    _listed("donki.json", seeds.DONKI, "json"),
    _listed("seven_days.json", seeds.SEVEN_DAYS, "json"),
    _reader("flare lists", "SWPC events", seeds.events_text, _flares, "text", unseen=ROWS),
    _reader(
        "flare lists",
        "mark",
        seeds.text("flares.csv", seeds.INTEGRATED),
        _mark,
        "csv",
        unseen="no mark: the list's reader names the fault",
        share=0.5,
    ),
    _reader(
        "flare lists",
        "HEK's answer",
        seeds.text("answer.json", seeds.HEK_ANSWER),
        _hek_answer,
        "json",
        unseen=ROWS,
        places=False,
    ),
    _reader(
        "flare lists",
        "Helioviewer's answer",
        seeds.text("answer.json", seeds.CLOSEST),
        _closest,
        "json",
        unseen=ROWS,
        places=False,
        share=0.5,
    ),
    _reader("regions", "summary 2015", seeds.genuine("SRS/20150906SRS.txt"), _regions, "text", unseen=ROWS),
    _reader("regions", "summary 2002", seeds.genuine("SRS/20020624SRS.txt"), _regions, "text", unseen=ROWS),
    _reader("regions", "patches", seeds.patches, _patches, "csv", unseen=ROWS, share=0.5),
    _reader("issued forecasts", "log", seeds.forecast_log, _log, "json", unseen="lines at its end are missing"),
    _reader("issued forecasts", "settings", seeds.forecast_settings, _forecast_settings, "yaml", unseen=ROWS),
    _reader("issued forecasts", "scoreboard JSON", seeds.issued("ccmc_json", "sent.json"), _issued, "json", unseen=ROWS),
    _reader("issued forecasts", "scoreboard XML", seeds.issued("ccmc_xml", "sent.xml"), _issued, "text", unseen=ROWS),
    _reader("issued forecasts", "scoreboard text", seeds.issued("ccmc_text", "sent.txt"), _issued, "text", unseen=ROWS),
    _reader("tables", "labels", seeds.labels, _labels, "csv", unseen=ROWS),
    _reader("tables", "image index", seeds.index, _index, "text", unseen=ROWS),
    _reader("tables", "HMI features", seeds.features, _features, "csv", unseen=ROWS),
    _reader("tables", "HMI features of FlareNet", seeds.flarenet_features, _features, "csv", unseen=ROWS),
    _reader("tables", "targets of FlareNet", seeds.flux_targets, _flux_targets, "csv", unseen=ROWS),
    _reader("tables", "published fold", seeds.fold, _fold, "csv", unseen=ROWS),
    _reader("tables", "forecasts", seeds.forecasts, _forecasts, "csv", unseen=ROWS),
    _reader("tables", "flux forecasts", seeds.flux_forecasts, _flux_forecasts, "csv", unseen=ROWS),
    _reader("tables", "forecasts near the limb", seeds.limb_forecasts, _limb, "csv", unseen=ROWS),
    _reader("tables", "instances", seeds.instances, _instances, "csv", unseen=ROWS),
    _reader("tables", "AIA response table", _response_seed, _response, "text", unseen=ROWS, share=0.5),
    _reader("own JSON and YAML", "calibration", seeds.calibration, _calibration, "json", unseen=ROWS),
    _reader("own JSON and YAML", "combination, logistic", seeds.combination("logistic"), _combination, "json", unseen=ROWS),
    _reader("own JSON and YAML", "combination, boosting", seeds.combination("boosting"), _combination, "json", unseen=ROWS),
    _reader(
        "own JSON and YAML",
        "config.yml",
        seeds.text("config.yml", (seeds.PROJECT / "config.yml").read_text()),
        _config,
        "yaml",
        unseen="any text is a path",
    ),
    _reader(
        "own JSON and YAML",
        "TF_CONFIG",
        seeds.text("tf_config.json", CLUSTER),
        _cluster,
        "json",
        unseen=ROWS,
        places=False,
        share=0.5,
    ),
    _reader(
        "own JSON and YAML",
        "projector configuration",
        seeds.text("latents/projector_config.pbtxt", 'embeddings {\n  tensor_path: "x.tsv"\n}\n'),
        _projector,
        "text",
        unseen="TensorBoard reads it",
        share=0.3,
    ),
    _reader("manifests", "manifest", seeds.manifest, _manifest, "sqlite", unseen=ROWS),
    _reader("networks", "hdf5", seeds.network("network.hdf5"), _network, "hdf5", unseen=WEIGHTS),
    _reader("networks", "keras", seeds.network("network.keras"), _network, "zip", unseen=WEIGHTS),
    _reader("networks", "predict", seeds.network("network.hdf5"), _predicted, "hdf5", unseen=WEIGHTS),
    _reader("networks", "PyTorch", seeds.state_dict, _state_dict, "zip", unseen=WEIGHTS, share=0.5),
    _reader("run folder", "settings", seeds.run_folder("settings.yml"), _settings, "yaml", unseen=ROWS, share=0.5),
    _reader("run folder", "settings to begin with", seeds.run_folder("settings.yml"), _begun, "yaml", unseen=ROWS),
    _reader("run folder", "settings to resume", seeds.run_folder("settings.yml"), _resumed, "yaml", unseen=ROWS),
    _reader("run folder", "scores", seeds.run_folder("performance/scores.json"), _finished, "json", unseen=ROWS),
    _reader(
        "run folder", "loss table", seeds.run_folder("performance/loss_and_architecture.csv"), _finished, "csv", unseen=ROWS
    ),
    _reader("run folder", "forecasts", seeds.run_folder("performance/validation_forecasts.csv"), _scored, "csv", unseen=ROWS),
    _reader(
        "run folder",
        "state to resume",
        seeds.run_folder("training_state.npz"),
        _state,
        "zip",
        unseen=WEIGHTS,
        share=0.15,
        quick=False,
    ),
    _reader(
        "run folder",
        "loss table to resume",
        seeds.run_folder("performance/loss_and_architecture.csv"),
        _state,
        "csv",
        unseen=ROWS,
        share=0.15,
        quick=False,
    ),
    _reader(
        "architecture search", "trial", seeds.search("tuner/trial_0000/trial.json"), _search, "json", unseen=ROWS, share=0.5
    ),
    _reader("architecture search", "search.yml", seeds.search("search.yml"), _search, "yaml", unseen=ROWS, share=0.5),
    _reader(
        "architecture search",
        "skipped.json",
        seeds.search("skipped.json"),
        _search,
        "json",
        unseen="they are counted",
        share=0.3,
    ),
)
