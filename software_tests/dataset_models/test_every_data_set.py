"""Every SolarData passes the same battery, whatever its archive."""

import importlib.util
import pathlib

import numpy
import pytest
import yaml
from astropy.io import fits
from PIL import Image

from dataset_models import goes_xrs
from dataset_models.images import colour_tables
from dataset_models.SDO.AIA.browse_pictures import BrowsePictures
from dataset_models.SDO.AIA.fdl_1 import AIA8
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from dataset_models.SDO.sdoml_flares import SdomlFlares
from dataset_models.SDO.sdoml_flux import SdomlFlux
from dataset_models.simulated import archive
from dataset_models.simulated.sun import SimulatedSun
from dataset_models.solar_data import QUANTITIES, load_solar_data

TINY = pathlib.Path(__file__).parents[1] / "network_models" / "tiny_data.py"
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
SWAP, GONG = EXAMPLES / "swap_174.py", EXAMPLES / "gong_png.py"
CASES = (
    "tiny",
    "tiny with side channel",
    "simulated",
    "simulated flares, three images",
    "magnetograms",
    "magnetogram fits",
    "aia",
    "aia legacy",
    "swap",
    "gong",
    "browse pictures",
    "sdoml",
    "sdoml flux",
)
_spec = importlib.util.spec_from_file_location("sdoml_store", pathlib.Path(__file__).with_name("sdoml_store.py"))
sdoml_store = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sdoml_store)


@pytest.fixture(scope="module")
def simulated_archive(tmp_path_factory):
    """Two days of a simulated Sun as the real archives would hold them, and its flux imported into a store."""
    folder = tmp_path_factory.mktemp("archive")
    sun = SimulatedSun(start="2012-03-01", days=2, cadence_minutes=480)
    archive.write_archive(folder, sun, products=("aia", "legacy", "hmi_jpg", "hmi_fits", "goes", "flares"), hmi_size=128)
    for time in sun.image_times():
        write_swap(folder / "swap", time)
    for name in ("gong", "browse"):
        (folder / name).mkdir()
    for path in sorted((folder / "hmi_jpg").rglob("*.jpg")):
        time = path.stem.removeprefix("HMI.m").replace(".", "").replace("_", "t")
        grey = numpy.asarray(Image.open(path))
        Image.fromarray(grey).save(folder / "gong" / f"tdzqa{time[2:-2]}.png")
        colours = colour_tables.table("sdoaia304")[grey].astype("uint8")
        Image.fromarray(colours).save(folder / "browse" / f"{time.replace('t', '_')}_128_0304.png")
    greys = numpy.stack([numpy.asarray(Image.open(path)) for path in sorted((folder / "hmi_jpg").rglob("*.jpg"))])
    for array, name in (("Bz", "hmi"), ("304A", "aia")):
        times = numpy.sort(sun.image_times())
        sdoml_store.add_array(folder / f"{name}.zarr", array, times, greys[:, ::-1].astype("f4"), SIMULATD=["T"] * len(times))
    for file in sorted((folder / "goes").iterdir()):
        goes_xrs.import_file(folder / "xrs.sqlite", file)
    # A list says nothing about times before its first flare and after its last.
    (folder / "span.csv").write_text(
        "start_time,goes_class,simulated\n2012-02-28 00:00:00,B1.0,1\n2012-03-05 00:00:00,B1.0,1\n"
    )
    return folder


def write_swap(folder, time):
    """An image with the keywords of SWAP's archive, of a disk that is not the Sun."""
    row, column = numpy.indices((1024, 1024))
    pixels = 5.0 + 50.0 * (numpy.hypot(row - 500, column - 511.5) < 300)
    header = fits.Header({"INSTRUME": "SWAP", "DATE-OBS": str(time), "HGLN_OBS": 0.0, "HGLT_OBS": 1.0, "DSUN_OBS": 1.5e11})
    for axis, kind in (("1", "HPLN-TAN"), ("2", "HPLT-TAN")):
        header["CTYPE" + axis], header["CUNIT" + axis] = kind, "arcsec"
        header["CRPIX" + axis], header["CRVAL" + axis], header["CDELT" + axis] = 512.5, 0.0, 3.16
        for other in ("1", "2"):
            header[f"CD{axis}_{other}"] = 3.16 * (axis == other)
    folder.mkdir(exist_ok=True)
    name = str(time).replace("-", "").replace(":", "").replace("T", "_")
    fits.writeto(folder / f"swap_lv1_{name}.fits", pixels.astype("int16"), header)


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    """A data set and, where it has files, the file of one of its validation samples."""
    name = request.param
    if name.startswith("tiny"):
        return load_solar_data(TINY)(side="side" in name), None
    if name.startswith("simulated"):
        options = {"days": 60, "image_size": 32}
        if "three" in name:
            options |= {"dependent_variable": "flare", "images": 3, "side_channels": ("current flux",), "threshold": "C1.0"}
        sun = SimulatedSun(**options)
        return sun, archive.write_image(tmp_path, sun, sun.times("validation")[0])
    folder = request.getfixturevalue("simulated_archive")
    if name.startswith("aia") or name in ("swap", "sdoml flux"):
        options = {"lag": "00min", "catch": "36min", "calibration": "operational", "validation_fraction": 0.4}
        options |= {"goes": str(folder / "xrs.sqlite"), "image_size": 64}
        if name == "swap":
            data = load_solar_data(SWAP)(folder=str(folder / "swap"), **options)
            return data, _file_at(data, data.times("validation")[0])
        if name == "sdoml flux":
            return SdomlFlux(folder=(str(folder / "aia.zarr"),), arrays=("304A",), **options), None
        archived = folder / name.replace(" ", "_")
        data = AIA8(folder=str(archived), cache=str(tmp_path), **options)
        return data, next(iter(_at(archived, data.times("validation")[0])))
    kind = "hmi_jpg" if name == "magnetograms" else "hmi_fits"
    lists = tuple(str(folder / name) for name in ("flares.csv", "span.csv"))
    options = {"flares": lists, "image_size": 32, "window_hours": 6.0, "history": True}
    if name == "sdoml":
        folders = tuple(str(folder / archived) for archived in ("aia.zarr", "hmi.zarr"))
        return SdomlFlares(folder=folders, arrays=("304A", "Bz"), **options), None
    if name in ("gong", "browse pictures"):
        data_class = load_solar_data(GONG) if name == "gong" else BrowsePictures
        data = data_class(folder=str(folder / name.split()[0]), **options)
        return data, _file_at(data, data.times("validation")[0])
    data = FullDiskMagnetograms(folder=str(folder / kind), **options)
    return data, _file_at(data, data.times("validation")[0])


def _file_at(data, time):
    return next(path for path in data.archives[0] if data.image_time(path) == time)


def _at(folder, time):
    stamp = str(time).replace("-", "").replace("T", "_").replace(":", "")[:13]
    return sorted(path for path in folder.rglob(f"*{stamp}*") if path.is_file())


@pytest.mark.long
def test_battery(case):
    data, file = case
    assert data.is_downloaded(), str(data.is_downloaded())
    training, validation = data.times("training"), data.times("validation")
    for times in (training, validation):
        assert times.dtype == "datetime64[s]"
        assert len(times) > 0
        assert (numpy.diff(times) > numpy.timedelta64(0, "s")).all()
    assert training[-1] < validation[0]

    shapes = data.input_shapes
    assert data.image_inputs == tuple(name for name, shape in shapes.items() if len(shape) == 3)
    assert data.image_inputs[0] == "image"
    assert {shapes[name][-1] for name in data.image_inputs} == {len(data.channels)}
    assert ("side_channel" in shapes) == bool(data.side_channel_names)
    if "side_channel" in shapes:
        assert shapes["side_channel"] == (len(data.side_channel_names),)

    for split in ("training", "validation"):
        time = data.times(split)[0]
        inputs = data.inputs(time)
        assert {name: array.shape for name, array in inputs.items()} == shapes
        assert all(numpy.asarray(array).dtype == "float32" and numpy.isfinite(array).all() for array in inputs.values())
        again = data.inputs(time)
        assert all(numpy.array_equal(inputs[name], again[name]) for name in inputs)
        targets = data.targets(split)
        assert targets.dtype == "float32"
        assert targets[0] == pytest.approx(data.target(time), rel=1e-6)
        true, prior = data.truth(time)
        assert data.value(data.target(time), prior) == pytest.approx(true, rel=1e-5)
        if data.task == "classification":
            assert set(numpy.unique(targets)) <= {0.0, 1.0}
            assert {true, prior} <= {0.0, 1.0}
        assert all(isinstance(value, (str, int, float)) for value in data.metadata(time).values())

    (batch, target), *_ = data.pipeline("validation", batch_size=2).take(1)
    expected = data.inputs(validation[0])
    assert all(numpy.array_equal(batch[name][0], expected[name]) for name in shapes)
    assert float(target[0]) == pytest.approx(data.target(validation[0]), rel=1e-6)

    about = yaml.safe_load(yaml.safe_dump(data.describe()))
    assert about["samples"] == {"training": len(training), "validation": len(validation)}
    assert about["simulated"] is data.simulated
    assert isinstance(data.target_label, str)
    assert data.target_quantity in QUANTITIES
    assert (data.target_quantity == "event") == (data.task == "classification")
    assert data.target_unit == ("W m^-2" if data.target_quantity == "flux" else "")
    if data.target_quantity == "flux":
        assert all(value > 0 for value in data.truth(validation[0]))
    assert data.forecast(numpy.zeros((2, 1), "float32")).shape == (2,)

    if file is not None:
        assert data.image_time(file) == validation[0]
        from_file = data.read_image(file)
        for name, array in data.inputs(validation[0]).items():
            numpy.testing.assert_allclose(from_file[name], array, rtol=1e-6)
        header = data.image_header(file)
        assert header["CTYPE1"] == "HPLN-TAN"
        assert header["CRPIX1"] == pytest.approx((shapes["image"][1] + 1) / 2)
        assert {"DSUN_OBS", "HGLN_OBS", "HGLT_OBS"} <= set(header), "without these there are no solar coordinates"
        assert data.header(validation[0]).tostring() == header.tostring()
