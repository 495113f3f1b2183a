"""What scripts make of simulated data says so: each of them is run, and every file that it leaves is looked at.

A script that is added has no entry in `RUNS` or `WITHOUT` and fails here until it has one.
"""

import functools
import pathlib
import re

import numpy
import pandas
import pytest
import yaml

from dataset_models import goes_xrs, simulation_mark
from dataset_models.simulated import archive
from network_models import predict
from network_models.beta_vae import train as beta_vae
from network_models.flare_rates import forecast as rates_forecast
from network_models.flare_rates import train as flare_rates
from network_models.forecasts.exchange import ccmc_json
from network_models.forecasts.exchange.issued import Issued, Probability, RegionForecast
from network_models.full_disk_flare_forecast import train as full_disk
from network_models.xray_flux_forecast.starting_point import network as starting_point
from science.operational_forecast import forecast as operational
from tools import figures, modules

PROJECT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ("dataset_models", "network_models", "science", "examples")
SCRIPTS = sorted(
    path.relative_to(PROJECT).as_posix()
    for room in ROOMS
    for path in (PROJECT / room).rglob("*.py")
    if re.search(r"^def main\(", path.read_text(encoding="utf-8"), re.MULTILINE)
)
FULL_DISK, SUN, NOAA = (
    str(PROJECT / "dataset_models" / name) for name in ("SDO/HMI/full_disk.py", "simulated/sun.py", "NOAA/active_regions.py")
)
HMI = ["--channel_set", "hmi", "--image_size", "32", "--activity", "clear cut", "--dependent_variable", "flare"]
PRODUCTS = ["--products", "hmi_jpg", "flares", "hek", "donki", "goes"]
SEARCHED = ["--image_size", "32", "--trials", "1", "--method", "random", "--epochs", "1"]
SPLIT = ["--start", "2011-11-06", "--validation_start", "2011-12-01"]
STUDIES = ["--dataset", SUN, *HMI, "--image_size", "192", "--days", "160", "--epochs", "1"]
STUDIES += ["--batch_size", "2", "--steps_per_epoch", "1", "--validation_steps", "2", "--tensorboard_images", "0"]
SMALL = ["--block_channels", "4"]
QUICK = ["--samples", "20"]

# Files without a mark of their own, and why.
UNMARKED = {
    r".*\.hdf5": "a network: settings.yml beside it says so",
    r"training_state(_before)?\.npz": "of the training, for --resume alone",
    r"summary\.txt": "layers and numbers of weights",
    r"projector_config\.pbtxt|activations\.tsv|tsne(3d)?\.tsv": "TensorBoard's own formats; metadata.tsv beside them says so",
    r".*\.lock": "of a process that writes",
    r"oracle\.json|trial\.json|tuner0\.json": "keras-tuner's own; search.yml and trials.csv beside them say so",
    r"\d{8}T\d{6}-[0-9a-f]+\.npy": "of a cache; recipe.json beside it says so",
    r".*\.sqlite-(shm|wal)": "SQLite's own, of the store beside it",
    r"FORECAST\.yml": "what a user writes",
    r"complete\.txt": "that an archive is whole; each of its files says so",
}
# Scripts that make nothing of simulated data, and why.
ARCHIVE = "asks an archive of observations"
WITHOUT = {
    "dataset_models/download/aia_synoptic.py": ARCHIVE,
    "dataset_models/download/donki.py": ARCHIVE,
    "dataset_models/download/goes.py": ARCHIVE,
    "dataset_models/download/hek.py": ARCHIVE,
    "dataset_models/download/helioviewer.py": ARCHIVE,
    "dataset_models/download/jsoc_hmi.py": ARCHIVE,
    "dataset_models/download/noaa_regions.py": ARCHIVE,
    "dataset_models/download/swpc.py": ARCHIVE,
    "dataset_models/leak_check.py": "writes no file",
    "network_models/convert_network.py": "makes the same network, for which settings.yml beside it speaks",
    "network_models/diagram.py": "draws layers, not what they have learned",
    "network_models/pytorch_weights.py": "takes published weights",
    "examples/demo.py": "runs other scripts",
    "examples/operational/simulated.py": "runs other scripts",
}


class Made:
    """What scripts read: simulated archives and networks trained on them, each made when a script needs it.

    Parameters
    ----------
    folder : pathlib.Path
    """

    def __init__(self, folder):
        self.folder = folder

    @functools.cached_property
    def archive(self):
        """Forty days of magnetograms, four a day, with X-ray fluxes and flares as lists of three kinds."""
        span = ["--start", "2011-11-01", "--days", "40", "--cadence_minutes", "360"]
        archive.main(["--out", str(self.folder / "archive"), "--hmi_size", "64", *PRODUCTS, *span])
        return self.folder / "archive"

    @functools.cached_property
    def aia(self):
        """Two frames of eight channels."""
        span = ["--start", "2012-03-01", "--days", "1", "--cadence_minutes", "720"]
        archive.main(["--out", str(self.folder / "aia"), "--products", "aia", *span])
        return self.folder / "aia" / "aia"

    @functools.cached_property
    def flares(self):
        return str(self.archive / "flares.csv")

    @functools.cached_property
    def data(self):
        return ["--folder", str(self.archive / "hmi_jpg"), "--flares", self.flares]

    @functools.cached_property
    def store(self):
        goes_xrs.import_files(self.folder / "xrs.sqlite", sorted((self.archive / "goes").glob("*.fits")))
        return str(self.folder / "xrs.sqlite")

    @functools.cached_property
    def run(self):
        flags = ["--epochs", "1", "--image_size", "64", *SPLIT, *SMALL, "--out", str(self.folder / "run")]
        return starting_point.main(["--dataset", FULL_DISK, *self.data, *flags]).folder

    @functools.cached_property
    def attention(self):
        return full_disk.main(["--models", "attention", *STUDIES, "--out", str(self.folder / "attention")]).folder

    @functools.cached_property
    def flux(self):
        """A network of the X-ray flux."""
        flags = ["--days", "120", "--image_size", "32", "--epochs", "1", *SMALL]
        return starting_point.main([*flags, "--out", str(self.folder / "flux")]).folder

    @functools.cached_property
    def best(self):
        return [str(self.run.best), FULL_DISK]

    @functools.cached_property
    def images(self):
        return sorted(map(str, (self.archive / "hmi_jpg").rglob("*.jpg")))[-12:-8]

    @functools.cached_property
    def latents(self):
        flags = ["--epochs", "1", "--latent_dim", "3", "--shown", "2", "--loss", "gaussian", "--days", "160", "--kl_steps", "1"]
        where = ["--dataset", SUN, *HMI, "--out", str(self.folder / "latents")]
        return beta_vae.main(["--architecture", "full_disk", *flags, *where]).folder

    @functools.cached_property
    def rates(self):
        """A network of rates of places."""
        span = ["--days", "160", "--magnetogram_unit", "grey"]
        training = ["--epochs", "1", "--batch_size", "16", "--filters", "2", "2", "4"]
        where = ["--dataset", SUN, *HMI, *span, "--out", str(self.folder / "rates")]
        return flare_rates.main(["--architecture", "images", *training, *where]).folder

    @functools.cached_property
    def regions(self):
        """A network of rates of NOAA's regions, and the flags of its data."""
        table, flares = self.folder / "regions.csv", self.folder / "region_flares.csv"
        rows, flaring = [], ["start_time,end_time,goes_class,noaa_active_region,simulated"]
        for number, day in enumerate(f"{date:%Y-%m-%d}" for date in pandas.date_range("2014-02-01", "2014-04-10")):
            place, region = 78 - 13 * (number % 12), 2000 + number // 12
            rows.append(f"{day},{region},S16{'E' if place >= 0 else 'W'}{abs(place):02d},400,Dkc,9,20,BETA")
            flaring.append(f"{day} 06:00,{day} 06:20,{'M2.0' if number % 2 else 'C2.0'},{region},1")
        table.write_text("\n".join(["date,noaa_number,location,area,z_class,ll,nn,mag_type_raw", *rows]) + "\n")
        flares.write_text("\n".join(flaring) + "\n")
        data = ["--summaries", str(table), "--flares", str(flares), "--validation_start", "2014-04-01"]
        out = ["--epochs", "1", "--out", str(self.folder / "regions")]
        return flare_rates.main(["--architecture", "regions", "--dataset", NOAA, *data, *out]).folder

    @functools.cached_property
    def regional(self):
        rates_forecast.main([str(self.regions.best), NOAA, "--out", str(self.folder / "regional")])
        return self.folder / "regional"

    @functools.cached_property
    def forecasts(self):
        """Probabilities of both splits, nearer to what happened than the network's."""
        paths = [self.folder / f"{split}.csv" for split in ("training", "validation")]
        for path in paths:
            predict.main([*self.best, "--split", path.stem, "--out", str(path)])
            table = pandas.read_csv(path)
            noise = numpy.random.default_rng(0).normal(0, 0.1, len(table))
            table["prediction"] = (0.3 + 0.4 * table["true_value"] + noise).clip(0.01, 0.99)
            table.to_csv(path, index=False)
        return [str(path) for path in paths]

    @functools.cached_property
    def log(self):
        """A log of forecasts of the simulated Sun."""
        path = self.folder / "now" / "FORECAST.yml"
        operational.main([str(path), "--init"])
        operational.main([str(path), "--replay", "2014-01-10T00:00", "2014-01-12T00:00", "--every", "12"])
        return path.with_name("forecasts.jsonl")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"))


def first_time(run):
    """The first sample of the validation split: str."""
    return pandas.read_csv(run.performance / "validation_forecasts.csv")["time"][0].removesuffix("Z")


def explained(*flags, alone=False):
    """Flags with which an explanation script is run: for one image, with pictures in every format, and for several together."""

    def lines(made, out):
        yield [*made.best, made.images[0], *flags, "--out", str(out / "one"), "--format", *figures.FORMATS]
        if not alone:
            yield [*made.best, *made.images[:2], *flags, "--out", str(out / "several"), "--format", *figures.FORMATS]

    return lines


def looked_at(made, out):
    for name, flags in {"batch": ["--count", "4"], "time": ["--time", first_time(made.run)], "windows": ["--windows"]}.items():
        yield [FULL_DISK, *made.data, *SPLIT, "--image_size", "64", *flags, "--out", str(out / name)]
    yield [*made.images[:2], "--out", str(out / "files")]


def calibrated(made, out):
    training, validation = made.forecasts
    yield ["fit", training, "--kind", "platt", "--out", str(out / "calibration.json")]
    yield ["apply", str(out / "calibration.json"), validation, "--out", str(out / "applied.csv")]
    yield ["cross", training, validation, "--kind", "platt", "--out", str(out / "crossed")]


def combined(made, out):
    training, validation = made.forecasts
    flares = ["--flares", made.flares]
    yield ["cross", *(f"{name}={training},{validation}" for name in "ab"), *flares, "--out", str(out / "crossed")]
    yield ["fit", *(f"{name}={training}" for name in "ab"), *flares, "--out", str(out / "combined.json")]
    new = [f"{name}={validation}" for name in "ab"]
    yield ["apply", str(out / "combined.json"), *new, *flares, "--out", str(out / "combined.csv")]


def published(made, out):
    forecasts = [{"kind": "forecasts", "name": "mine", "files": list(made.forecasts)}]
    period = {"title": "two splits", "flares": [made.flares], "calibration": "platt", "forecasts": forecasts}
    (made.folder / "sources.yml").write_text(yaml.safe_dump({"periods": [period]}))
    yield [str(made.folder / "sources.yml"), *QUICK, "--out", str(out)]


def exported(made, out):
    formats = ["ccmc-json", "ccmc-xml", "ccmc-text", "csv", "latest"]
    yield [str(made.log), "--formats", *formats, "--out", str(out)]


def scored_regions(made, out):
    flares = ["start_time,goes_class,noaa_active_region,simulated"]
    for day in map(numpy.datetime64, ("2014-02-01", "2014-02-02", "2014-02-03", "2014-02-04")):
        flares.append(f"{day}T12:00,{'M1.0' if day == numpy.datetime64('2014-02-02') else 'C1.0'},12001,1")
        begin = day.astype("datetime64[s]")
        region = RegionForecast(12001, {"M1.0": Probability(0.3)})
        forecast = Issued("made", begin, begin, begin + numpy.timedelta64(86_400, "s"), {}, (region,), simulated=True)
        (made.folder / f"{day}.json").write_bytes(ccmc_json.write(forecast))
    (made.folder / "of_a_region.csv").write_text("\n".join(flares) + "\n")
    files = sorted(map(str, made.folder.glob("2014-02-0?.json")))
    yield [*files, "--flares", str(made.folder / "of_a_region.csv"), *QUICK, "--out", str(out)]


def issued(made, out):
    yield [str(out / "FORECAST.yml"), "--init"]
    yield [str(out / "FORECAST.yml")]


def trained(architecture, *flags):
    """Flags with which a training script is run on an archive, with its report."""

    def lines(made, out):
        data = [*made.data, "--image_size", "64", *SPLIT, "--epochs", "1", "--report"]
        yield [*architecture, "--dataset", FULL_DISK, *data, *flags, "--out", str(out)]

    return lines


# Script: the command lines with which it is run.
RUNS = {
    "dataset_models/SDO/HMI/flare_sequences.py": lambda made, out: [
        [*made.data, "--threshold", "C1.0", "--image_size", "32", "--left_out", str(out / "left_out.csv")]
    ],
    "dataset_models/conversion/aia_to_cache.py": lambda made, out: [
        ["--folder", str(made.aia), "--image_size", "32", "--cache", str(out)]
    ],
    "dataset_models/flare_catalogue.py": lambda made, out: [
        [str(made.archive / name), "--out", str(out / f"{name}.csv"), "--figures", str(out / name)]
        for name in ("flares.csv", "hek.csv", "donki.json")
    ],
    "dataset_models/flare_labels.py": lambda made, out: [
        ["--flares", made.flares, "--images", str(made.archive / "hmi_jpg"), "--no-folds", "--out", str(out)]
    ],
    "dataset_models/flux_agreement.py": lambda made, out: [
        ["--store", made.store, "--flares", made.flares, "--minutes", "--out", str(out)]
    ],
    "dataset_models/flux_tables.py": lambda made, out: [["--store", made.store, "--cadence", "360", "--out", str(out)]],
    "dataset_models/goes_flares.py": lambda made, out: [
        ["--store", made.store, "--calibration", "operational", "--flares", made.flares, "--out", str(out)]
    ],
    "dataset_models/goes_xrs.py": lambda made, out: [
        [*map(str, sorted((made.archive / "goes").iterdir())[:2]), "--store", str(out / "xrs.sqlite")]
    ],
    "dataset_models/look.py": looked_at,
    "dataset_models/simulated/archive.py": lambda made, out: [
        [*PRODUCTS, "hmi_fits", "--hmi_size", "64", "--days", "1", "--cadence_minutes", "720", "--out", str(out)]
    ],
    "network_models/architecture_search/search.py": lambda made, out: [
        ["--network", "starting_point", "--dataset", FULL_DISK, *made.data, *SEARCHED, "--search", str(out)]
    ],
    "network_models/beta_vae/train.py": trained(
        ["--architecture", "full_disk"], "--latent_dim", "3", "--shown", "2", "--loss", "gaussian", "--kl_steps", "1"
    ),
    "network_models/compare_runs.py": lambda made, out: [[str(made.run.path), str(made.latents.path), "--out", str(out)]],
    "network_models/flare_rates/forecast.py": lambda made, out: [[str(made.regions.best), NOAA, "--out", str(out)]],
    "network_models/flare_rates/train.py": trained(["--architecture", "images"], "--filters", "2", "2", "4"),
    "network_models/forecasts/calibration.py": calibrated,
    "network_models/forecasts/combination.py": combined,
    "network_models/full_disk_flare_forecast/train.py": lambda made, out: [
        ["--models", "attention", *STUDIES, "--out", str(out)]
    ],
    "network_models/network_weights.py": lambda made, out: [[str(made.run.best), "--out", str(out)]],
    "network_models/predict.py": lambda made, out: [
        [*made.best, "--split", "validation", "--out", str(out / "split.csv")],
        [*made.best, "--images", *made.images, "--out", str(out / "images.csv")],
    ],
    "network_models/xray_flux_forecast/fdl1/aia_only.py": lambda made, out: [
        ["--days", "120", "--image_size", "32", "--epochs", "1", "--out", str(out)]
    ],
    "network_models/xray_flux_forecast/flux_history/network.py": lambda made, out: [
        ["--goes", made.store, "--calibration", "operational", "--hours", "6", "--epochs", "1", "--out", str(out)]
    ],
    "network_models/xray_flux_forecast/starting_point/network.py": trained([], *SMALL),
    "science/activation_maximisation/activation_maximisation.py": explained("--steps", "2", alone=True),
    "science/attention_maps/attention_maps.py": lambda made, out: [
        [str(made.attention.best), SUN, first_time(made.attention), "--out", str(out)]
    ],
    "science/deconvolutional/deconvolutional.py": explained(),
    "science/deep_shap/deep_shap.py": explained("--background", "2"),
    "science/embedding/tsne.py": lambda made, out: [
        [*made.best, "--nearest", first_time(made.run), "--out", str(out / "flat")],
        [*made.best, "--dimensions", "3", "--out", str(out / "space")],
    ],
    "science/grad_cam/grad_cam.py": explained(),
    "science/guided_backpropagation/guided_backpropagation.py": explained(),
    "science/integrated_gradients/integrated_gradients.py": explained("--steps", "8"),
    "science/latent_traversal/anomalies.py": lambda made, out: [[str(made.latents.best), SUN, "--out", str(out)]],
    "science/latent_traversal/disentanglement.py": lambda made, out: [[str(made.latents.path), "--out", str(out)]],
    "science/latent_traversal/latent_forecast.py": lambda made, out: [
        [str(made.latents.best), SUN, *QUICK, "--block", "2", "--out", str(out)]
    ],
    "science/latent_traversal/latent_traversal.py": lambda made, out: [
        [str(made.latents.best), SUN, "--strips", "2", "--samples", "4", "--out", str(out)]
    ],
    "science/near_limb/near_limb.py": lambda made, out: [
        [made.forecasts[1], "--flares", made.flares, "--threshold", "0.1", "--out", str(out)]
    ],
    "science/occlusion/occlusion.py": explained(),
    "science/operational_forecast/export.py": exported,
    "science/operational_forecast/forecast.py": issued,
    "science/operational_forecast/log.py": lambda made, out: [[str(made.log), "--verify"]],
    "science/operational_forecast/page.py": lambda made, out: [
        [str(made.log), "--flares", str(made.log.parent / operational.SIMULATED / "flares.csv"), "--out", str(out)]
    ],
    "science/operational_forecast/region_scores.py": scored_regions,
    "science/operational_forecast/verify.py": lambda made, out: [
        [str(made.log), "--flares", str(made.log.parent / operational.SIMULATED / "flares.csv"), *QUICK, "--out", str(out)]
    ],
    "science/rate_map/rate_map.py": lambda made, out: [[str(made.rates.best), SUN, first_time(made.rates), "--out", str(out)]],
    "science/report/report.py": lambda made, out: [[str(made.run.path), "--out", str(out / "report.html")]],
    "science/saliency/saliency.py": explained(),
    "science/side_by_side/side_by_side.py": explained(alone=True),
    "science/smooth_gradients/smooth_gradients.py": explained("--samples", "2"),
    "science/verification/published_record.py": published,
    "science/verification/regions.py": lambda made, out: [
        [str(made.regional / "regions.csv"), *QUICK, "--out", str(out)],
    ],
    "science/verification/verification.py": lambda made, out: [
        [made.forecasts[1], *QUICK, "--flares", made.flares, "--out", str(out / "one")],
        [f"a={made.forecasts[1]}", f"b={made.forecasts[1]}", *QUICK, "--flares", made.flares, "--out", str(out / "two")],
        [str(made.flux.performance / "validation_forecasts.csv"), *QUICK, "--out", str(out / "flux")],
    ],
}
SAYING = ("science/operational_forecast/log.py",)  # prints, and writes no file
# Scripts whose tests elsewhere look at the marks, since they train for minutes or need files that are large.
ELSEWHERE = {
    "dataset_models/conversion/jp2_to_images.py": "dataset_models/test_simulation_mark.py",
    "science/explanation_quality/study.py": "science/test_explanation_quality.py",
}


def says_simulated(path):
    """Whether a file says that it is of simulated data."""
    if path.suffix in (".txt", ".md", ".html", ".xml", ".jsonl"):
        text = path.read_text(encoding="utf-8")
        return re.search(r"(?<![\w./-])simulated(?![\w/-]|\.\w)", text, re.IGNORECASE) is not None
    if path.name.startswith("events.out"):
        return any(b"simulated" in other.read_bytes() for other in path.parents[1].rglob("events.out*"))
    return simulation_mark.of_file(path)


def silent(folder):
    """List the files below a folder that do not say it, and that have no reason in `UNMARKED`: list of str."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = [path for path in files if not any(re.fullmatch(pattern, path.name) for pattern in UNMARKED)]
    return [path.relative_to(folder).as_posix() for path in named if not says_simulated(path)]


def test_every_script_is_here():
    assert sorted([*RUNS, *WITHOUT, *ELSEWHERE]) == SCRIPTS
    for test in ELSEWHERE.values():
        assert "simulation_mark" in (PROJECT / "software_tests" / test).read_text(encoding="utf-8")


SLOW = (  # trains in processes of its own, or a network of large images; or takes ten seconds
    "dataset_models/SDO/HMI/flare_sequences.py",
    "dataset_models/flux_tables.py",
    "dataset_models/look.py",
    "network_models/architecture_search/search.py",
    "network_models/compare_runs.py",
    "network_models/flare_rates/forecast.py",
    "network_models/flare_rates/train.py",
    "network_models/full_disk_flare_forecast/train.py",
    "science/attention_maps/attention_maps.py",
    "science/deconvolutional/deconvolutional.py",
    "science/deep_shap/deep_shap.py",
    "science/integrated_gradients/integrated_gradients.py",
    "science/latent_traversal/latent_forecast.py",
    "science/latent_traversal/latent_traversal.py",
    "science/rate_map/rate_map.py",
    "science/side_by_side/side_by_side.py",
    "science/smooth_gradients/smooth_gradients.py",
    "science/verification/verification.py",
)


@pytest.mark.long
@pytest.mark.parametrize("script", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in RUNS])
def test_what_a_script_leaves_says_simulated(script, made, tmp_path):
    main, out = modules.load(PROJECT / script).main, tmp_path / "out"
    out.mkdir()
    for arguments in RUNS[script](made, out):
        main(arguments)
    assert silent(out) == []
    assert any(out.iterdir()) or script in SAYING


def test_files_that_do_not_say_it_are_found(tmp_path):
    tmp_path = tmp_path / "some"
    tmp_path.mkdir()
    (tmp_path / "a.csv").write_text("time,value\n2014-01-01,1\n")
    (tmp_path / "b.csv").write_text("time,simulated\n2014-01-01,1\n")
    (tmp_path / "c.json").write_text('{"simulated": false}')
    (tmp_path / "d.md").write_text("made of simulated/flares.csv and /data/simulated")
    (tmp_path / "e.md").write_text("Scores (simulated)")
    numpy.savez(tmp_path / "f.npz", simulated=False)
    for name, words in {"g": "scores", "h": "scores (simulated)", "i": "simulated_1.jpg"}.items():
        figure, axes = figures.new(figsize=(1, 1))
        axes.set_title(words)
        figures.save(figure, tmp_path / f"{name}.png", formats=figures.FORMATS)
    names = ["a.csv", "c.json", "d.md", "f.npz", *(f"{name}.{suffix}" for name in "gi" for suffix in ("pdf", "png", "svg"))]
    assert silent(tmp_path) == names
