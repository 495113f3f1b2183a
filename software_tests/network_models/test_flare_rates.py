"""Flare rates that add up: outputs that agree with each other, and the likelihood of a flare list."""

import json
import math

import keras
import numpy
import pandas
import pytest

from network_models.flare_rates import history, images, likelihood, regions
from network_models.flare_rates.rate_outputs import magnitude_of
from network_models.forecasts import files as forecast_files
from network_models.image_inputs import Input
from network_models.layers import flare_rates as layers
from network_models.trained_network import load_network, save_network
from tools.errors import UserError
from tools.goes_class import CLASSES, MAGNITUDES
from tools.paths import PROJECT

CELLS, FEATURES, SCALES, DISK = 5, 37, 9, 13
INPUTS = {"regions": Input((CELLS, FEATURES)), "excitation": Input((CELLS + 1, SCALES)), "side_channel": Input((DISK,))}
NETWORKS = {"regions": regions, "history": history}
DATASET = PROJECT / "dataset_models" / "NOAA" / "active_regions.py"
TRAIN = PROJECT / "network_models" / "flare_rates" / "train.py"


def network(name, seed=0, **options):
    inputs = {key: value for key, value in INPUTS.items() if name == "regions" or key != "regions"}
    return NETWORKS[name].build(inputs, NETWORKS[name].Options(event=options.pop("event", "M1.0"), **options), seed)


def samples(count, seed=0):
    random = numpy.random.default_rng(seed)
    inputs = {name: random.normal(size=(count, *given.shape)).astype("float32") for name, given in INPUTS.items()}
    inputs["excitation"] = numpy.abs(inputs["excitation"])
    inputs["regions"][..., 0] = random.integers(0, 2, (count, CELLS))
    return inputs


def outputs(model, inputs):
    return {name: numpy.asarray(value) for name, value in model({t.name: inputs[t.name] for t in model.inputs}).items()}


def changed(name, seed=1):
    """Make a network with weights that differ from their start."""
    model, random = network(name), numpy.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_the_disk_is_the_sum_of_its_regions(name, tmp_path):
    model, inputs = changed(name), samples(20)
    found = outputs(model, inputs)
    assert found["rates"].shape == (20, CELLS + 1, 4)
    probability = 1 - numpy.exp(-found["rates"][..., 1].sum(axis=1, dtype="float64"))
    numpy.testing.assert_allclose(1 / (1 + numpy.exp(-found["logits"][:, 0].astype("float64"))), probability, rtol=2e-5)
    assert (numpy.diff(found["rates"], axis=-1) < 0).all()  # stronger flares are rarer, in every region
    path = tmp_path / "network.hdf5"
    save_network(model, path)
    again = outputs(load_network(path), inputs)
    for key in found:
        numpy.testing.assert_array_equal(found[key], again[key], err_msg=key)


def test_a_place_without_a_region_has_no_rate():
    model, inputs = changed("regions"), samples(20)
    absent = inputs["regions"][..., 0] == 0
    assert outputs(model, inputs)["rates"][:, :-1][absent].max() < 1e-10
    more = {name: array.copy() for name, array in inputs.items()}
    more["regions"][absent] += numpy.eye(FEATURES, dtype="float32")[5]  # whatever else its row says
    numpy.testing.assert_allclose(outputs(model, more)["rates"], outputs(model, inputs)["rates"], rtol=1e-5, atol=1e-12)


def test_regions_are_forecast_alike_wherever_they_stand():
    model, inputs = changed("regions"), samples(8)
    order = numpy.random.default_rng(3).permutation(CELLS)
    moved = {**inputs, "regions": inputs["regions"][:, order]}
    moved["excitation"] = inputs["excitation"][:, [*order, CELLS]]
    first, second = outputs(model, inputs), outputs(model, moved)
    numpy.testing.assert_allclose(first["rates"][:, order], second["rates"][:, :-1], rtol=1e-5)
    numpy.testing.assert_allclose(first["logits"], second["logits"], rtol=1e-4, atol=1e-5)


def test_more_past_flares_never_lower_the_rate_of_the_history():
    model, inputs = changed("history"), samples(8)
    before = outputs(model, inputs)["rates"][..., 0]
    more = {**inputs, "excitation": inputs["excitation"] + 1}
    assert (outputs(model, more)["rates"][..., 0] > before).all()


@pytest.mark.parametrize("event", ["C1.0", "M1.0", "M2.5", "X1.0"])
def test_any_class_can_be_the_event(event):
    model, inputs = network("regions", event=event), samples(4)
    found = outputs(model, inputs)
    sizes, rate = MAGNITUDES, found["rates"].astype("float64")
    expected = [numpy.exp(numpy.interp(magnitude_of(event), sizes, logs)) for logs in numpy.log(rate).reshape(-1, 4)]
    expected = numpy.reshape(expected, rate.shape[:-1]).sum(axis=1)
    share = 1 / (1 + numpy.exp(-found["logits"][:, 0].astype("float64")))
    numpy.testing.assert_allclose(share, 1 - numpy.exp(-expected), rtol=1e-4)


def test_odds_are_exact_from_the_rarest_to_the_surest():
    rate = numpy.logspace(-12, 2, 57)
    log_rate = numpy.log(rate).astype("float32")
    rate = numpy.exp(log_rate.astype("float64"))
    expected = numpy.where(rate < 30, numpy.log(numpy.expm1(numpy.minimum(rate, 30))), rate)
    numpy.testing.assert_allclose(layers.log_expm1(log_rate), expected, rtol=3e-5, atol=3e-5)
    expected = numpy.log(-numpy.expm1(-rate))
    numpy.testing.assert_allclose(layers.log_probability(log_rate), expected, rtol=3e-5, atol=3e-5)


MARKS = numpy.array(
    [
        [[2.3, 1], [0.4, -1], [-1, -1]],  # an X2 of the second place, a C2.5 of an unknown one
        [[1.2, -1], [-1, -1], [-1, -1]],
        [[-1, -1], [-1, -1], [-1, -1]],
        [[0.5, 0], [0.1, 0], [0.0, 2]],
    ],
    "float32",
)


def rates(seed=0):
    random = numpy.random.default_rng(seed)
    weak, strong = random.uniform(0.5, 1.2, (2, 4, 3, 1))
    first = random.uniform(0.05, 2.0, (4, 3, 1))
    sizes = numpy.array(MAGNITUDES)
    return first * 10 ** -(weak * numpy.minimum(sizes, 1) + strong * numpy.maximum(sizes - 1, 0))


def loss(kind, rate, **keywords):
    packed = likelihood.pack(numpy.zeros(len(MARKS), "float32"), MARKS)
    predicted = numpy.concatenate([numpy.zeros((4, 1)), rate.reshape(4, -1)], axis=1).astype("float32")
    return numpy.asarray(likelihood.FlareListLikelihood(3, kind, reduction="none", **keywords)(packed, predicted))


def test_the_likelihood_of_counts_is_that_of_a_marked_poisson_process():
    rate = rates()
    expected = []
    for sample in range(4):
        total = rate[sample, :, 0].sum()
        for magnitude, place in MARKS[sample].tolist():
            if magnitude < 0:
                continue
            step = 1e-6  # the density by a difference of the rates above two sizes

            def above(size, sample=sample):
                first, second, _, last = rate[sample].T
                weak, strong = numpy.log10(first / second), numpy.log10(second / last)
                return first * 10 ** -(weak * min(size, 1) + strong * max(size - 1, 0))

            density = (above(magnitude) - above(magnitude + step)) / step
            total -= math.log(density[int(place)] if place >= 0 else density.sum())
        expected.append(total)
    numpy.testing.assert_allclose(loss("counts", rate), expected, rtol=2e-3, atol=2e-3)


def test_the_likelihood_of_yes_or_no_leaves_open_what_is_not_known():
    rate = rates()
    no = numpy.exp(-rate)
    yes = 1 - no
    expected = numpy.zeros(4)
    # C1.0: in the second place yes, nothing known of the others for a flare of an unknown place; anywhere; nowhere; two places.
    expected -= numpy.log([yes[0, 1, 0], 1 - no[1, :, 0].prod(), no[2, :, 0].prod(), yes[3, 0, 0] * no[3, 1, 0] * yes[3, 2, 0]])
    for size in (1, 2, 3):
        quiet = no[..., size].prod(axis=1)
        known = no[0, 0, size] * yes[0, 1, size] * no[0, 2, size]
        expected -= numpy.log([known, 1 - quiet[1] if size == 1 else quiet[1], quiet[2], quiet[3]])
    numpy.testing.assert_allclose(loss("yes or no", rate), expected, rtol=1e-4)
    only = loss("yes or no", rate, class_weights=(0, 0, 0, 2))
    assert only[2] == pytest.approx(2 * rate[2, :, 3].sum(), rel=1e-4)
    both = loss("both", rate)
    numpy.testing.assert_allclose(both, loss("yes or no", rate) + likelihood.COUNTS_SHARE * loss("counts", rate), rtol=1e-5)


@pytest.mark.parametrize("kind", likelihood.LIKELIHOODS)
@pytest.mark.long
def test_the_likeliest_rate_is_the_true_one(kind):
    """With one place and one class, the rate of the smallest loss is the mean count, or the one whose chance is the share."""
    counts = numpy.array([0, 0, 1, 2, 0, 0, 0, 3])
    marks = numpy.full((8, 3, 2), -1.0, "float32")
    for row, count in enumerate(counts):
        marks[row, :count] = (0.0, 0.0)
    packed = likelihood.pack(counts > 0, marks)
    grid = numpy.linspace(0.2, 1.5, 261)
    total = []
    for rate in grid:
        sizes = rate * 10.0 ** -numpy.array(MAGNITUDES)
        predicted = numpy.tile(numpy.append(0, sizes), (8, 1)).astype("float32")
        one = likelihood.FlareListLikelihood(1, kind, (1, 0, 0, 0))
        total.append(float(one(packed, predicted)))
    best = grid[int(numpy.argmin(total))]
    share = -math.log(1 - 3 / 8)
    expected = {"counts": 6 / 8, "yes or no": share}
    if kind in expected:
        assert best == pytest.approx(expected[kind], abs=0.01)
    else:
        assert share < best < 6 / 8


def test_inputs_that_are_none_of_regions_are_refused():
    with pytest.raises(UserError, match="give --summaries"):
        regions.build({name: INPUTS[name] for name in ("excitation", "side_channel")}, regions.Options(event="M1.0"))
    with pytest.raises(UserError, match="leave out --summaries"):
        history.build(INPUTS, history.Options(event="M1.0"))
    with pytest.raises(UserError, match="give a data set such as"):
        history.build({"image": Input((64, 64, 1))}, history.Options(event="M1.0"))
    with pytest.raises(UserError, match=r"--event B5.0: is below C1.0"):
        network("regions", event="B5.0")


SUMMARY = """:Issued: 2014 May 20 0030 UTC
I.  Regions with Sunspots.  Locations Valid at 19/2400Z
Nmbr Location  Lo  Area  Z   LL   NN Mag Type
2020 N12W29   274  0400 Dkc  09   20 Beta-Gamma
IA. H-alpha Plages without Spots.  Locations Valid at 19/2400Z May
II. Regions Due to Return 20 May to 22 May
None
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two months of two regions, one of which flares each second day."""
    folder = tmp_path_factory.mktemp("regions")
    table, flares = (
        ["date,noaa_number,location,area,z_class,ll,nn,mag_type_raw"],
        ["start_time,end_time,goes_class,noaa_active_region"],
    )
    for number, day in enumerate(numpy.arange("2014-02-01", "2014-05-20", dtype="datetime64[D]")):
        east = 78 - 13 * (number % 12)
        place = f"S16{'E' if east >= 0 else 'W'}{abs(east):02d}"
        first = 2000 + 2 * (number // 12)
        table += [f"{day},{first},{place},400,Dkc,9,20,BETA-GAMMA", f"{day},{first + 1},{place},10,Axx,1,1,ALPHA"]
        flares.append(f"{day} 06:00,{day} 06:20,C2.0,{first}")
        if number % 2:
            flares.append(f"{day} 12:00,{day} 12:20,M3.0,{first}")
    for name, lines in (("regions.csv", table), ("flares.csv", flares)):
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def flags(archive, name="regions"):
    summaries = ("--summaries", archive / "regions.csv") if name == "regions" else ()
    return (*summaries, "--flares", archive / "flares.csv", "--validation_start", "2014-05-01")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.long
def test_a_network_learns_which_region_flares(name, archive, command, tmp_path):
    rates_folder = tmp_path / "flare_rates"
    rates_folder.mkdir()
    for path in TRAIN.parent.glob("*.py"):
        (rates_folder / path.name).write_text(path.read_text())  # a copied folder trains its own networks
    ended = command(
        rates_folder / "train.py", *flags(archive, name), "--architecture", name, "--epochs", 12, "--learning_rate", "0.01",
        "--tensorboard_images", 0, "--batch_size", 16,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    result = json.loads(ended.out.splitlines()[-1])
    run = rates_folder / "trained_models"
    (best,) = run.rglob("best_performing.hdf5")
    assert result["brier"] < result["persistence_brier"]
    out = tmp_path / "out"
    ended = command(rates_folder / "forecast.py", best, *run.rglob("weights.11*.hdf5"), DATASET, "--out", out)
    assert ended.code == 0, ended.err
    disk, table = (pandas.read_csv(out / f"{part}.csv") for part in ("disk", "regions"))
    assert forecast_files.read(out / "disk.csv").event.any()
    added = table.groupby("time")[[f"expected_{one}" for one in CLASSES]].sum()
    # Networks are averaged as probabilities, so that of the mean rate is a little more.
    probability = disk[[f"probability_{one}" for one in CLASSES]].to_numpy()
    numpy.testing.assert_allclose(1 - numpy.exp(-added.to_numpy()), probability, rtol=0.05)
    assert (disk["low_M1.0"] <= disk["probability_M1.0"]).all()
    assert (disk["high_M1.0"] >= disk["probability_M1.0"]).all()
    for script in ("saliency/saliency.py", "embedding/tsne.py"):
        when = ("2014-05-01T00:30",) if script.startswith("saliency") else ()
        ended = command(PROJECT / "science" / script, best, DATASET, *when)
        assert ended.code == 2
        assert "takes no images, and NOAA active regions has none" in ended.err
    today = tmp_path / "20140520SRS.txt"
    today.write_text(SUMMARY)
    sources = ("--images", today, "--flares_until", "2014-05-20T00:30") if name == "regions" else ()
    ended = command(rates_folder / "forecast.py", best, DATASET, "--out", tmp_path / "today", *sources)
    assert ended.code == 0, ended.err
    if name == "history":
        assert set(table["region"][:-1]) >= {"12014", "elsewhere"}
        return
    assert "2014-05-20T00:30:00Z, flare of M1.0 or more in 24 h" in ended.out
    (new,) = pandas.read_csv(tmp_path / "today" / "disk.csv").itertuples()
    assert (new.has_summary, numpy.isnan(new.target)) == (1, True)
    coming = pandas.read_csv(tmp_path / "today" / "regions.csv")
    assert coming["region"].tolist() == ["12020", "elsewhere"]
    assert coming["flare"].isna().all()  # not known yet
    flaring, plain = (table[table["mcintosh"] == word] for word in ("Dkc", "Axx"))
    assert set(flaring["flare"]) == {"C2.0", "M3.0"}
    assert set(plain["flare"]) == {"NF"}
    assert flaring["probability_M1.0"].min() > 2 * plain["probability_M1.0"].max()


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.slow
def test_parameters_of_patches_train_with_summaries_and_alone(alone, archive, command, tmp_path):
    lines = ["HARPNUM,T_REC,NOAA_ARS,AREA,USFLUX,MEANGBZ,R_VALUE,LON_FWT,LAT_FWT"]
    for number, day in enumerate(numpy.arange("2014-02-01", "2014-05-20", dtype="datetime64[D]")):
        first = 12000 + 2 * (number // 12)
        for region, flux in ((first, 4e22), (first + 1, 4e20)):
            lines.append(f"{region - 11000},{day} 12:00:00,{region},2000,{flux},20,3,{13 * (number % 12) - 78},-16")
    table = tmp_path / "sharp.csv"
    table.write_text("\n".join(lines) + "\n")
    ended = command(
        TRAIN, *flags(archive, "history" if alone else "regions"), "--patches", table, "--epochs", 12, "--batch_size", 16,
        "--learning_rate", "0.01", "--tensorboard_images", 0, "--out", tmp_path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (best,) = tmp_path.rglob("best_performing.hdf5")
    ended = command(TRAIN.parent / "forecast.py", best, DATASET, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    forecasts = pandas.read_csv(tmp_path / "out" / "regions.csv")
    listed = forecasts[(forecasts["region"] != "elsewhere") & (forecasts["longitude"] < 60)]
    strong = listed["region"].astype(int) % 2 == 0
    assert listed[strong]["probability_M1.0"].min() > 2 * listed[~strong]["probability_M1.0"].max()
    if alone:
        today = tmp_path / "20140520SRS.txt"
        today.write_text(SUMMARY)
        ended = command(TRAIN.parent / "forecast.py", best, DATASET, "--out", tmp_path / "today", "--images", today)
        assert (ended.code, len(ended.err.strip().splitlines())) == (2, 1)
        assert "regions are those of --patches here" in ended.err


def test_class_weights_and_events_that_do_not_fit_are_refused(archive, command):
    ended = command(TRAIN, *flags(archive), "--class_weights", 1, 2)
    assert (ended.code, ended.err.strip().splitlines()[-1]) == (
        2,
        "train.py: --class_weights: 2 for the 4 classes C1.0, M1.0, M5.0, X1.0",
    )
    ended = command(TRAIN, *flags(archive), "--event", "X1.0")
    assert ended.code == 2
    assert "--event X1.0: the data set asks for M1.0" in ended.err
    ended = command(TRAIN, "--flares", archive / "flares.csv", "--architecture", "regions")
    assert ended.code == 2
    assert "give --summaries" in ended.err
    ended = command(TRAIN, "--dataset", PROJECT / "dataset_models" / "digits.py")
    assert ended.code == 2
    assert "does not list the flares of each window" in ended.err


def test_losses_and_layers_come_back_from_their_configuration():
    one = likelihood.FlareListLikelihood(3, "both", (1, 2, 3, 4))
    again = keras.losses.deserialize(keras.losses.serialize(one))
    assert (again.places, again.kind, again.class_weights) == (3, "both", [1, 2, 3, 4])


def magnetogram(seed=0, size=64):
    """Make a disk with two bipoles, in Gauss: float32 (1, size, size, 1)."""
    random, rows = numpy.random.default_rng(seed), numpy.indices((size, size)) - (size - 1) / 2
    field = random.normal(0, 2, (size, size))
    for row, column in ((-size // 8, -size // 4), (size // 8, size // 4)):
        for side, polarity in ((-2, 150.0), (2, -150.0)):
            field += polarity * numpy.exp(-((rows[0] - row) ** 2 + (rows[1] - column - side) ** 2) / 4)
    return numpy.where(numpy.hypot(*rows) < 0.78 * size / 2, field, 0).astype("float32")[None, ..., None]


def grey(field, gauss=256.0):
    size = field.shape[1]
    radius = numpy.hypot(*(numpy.indices((size, size)) - (size - 1) / 2))
    inside = (radius < 0.78 * size / 2)[None, ..., None]
    return numpy.where(inside, (field / gauss + 1) / 2, 0).clip(0, 1).astype("float32")


def image_network(seed=0, size=64, **options):
    model = images.build({"image": Input((size, size, 1))}, images.Options(event="M1.0", **options), seed)
    random = numpy.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * random.normal(size=weight.shape))
    return model


def test_rates_of_places_add_up_to_the_forecast(tmp_path):
    model, field = image_network(), numpy.concatenate([magnetogram(seed) for seed in range(3)])
    found = outputs(model, {"image": field})
    assert found["rates"].shape == (3, 32, 32, 4)
    total = found["rates"][..., 1].sum(axis=(1, 2), dtype="float64")
    numpy.testing.assert_allclose(found["logits"][:, 0], numpy.log(numpy.expm1(total)), rtol=1e-4, atol=1e-4)
    save_network(model, tmp_path / "network.hdf5")
    again = outputs(load_network(tmp_path / "network.hdf5"), {"image": field})
    for key in found:
        numpy.testing.assert_array_equal(found[key], again[key], err_msg=key)


def test_larger_places_have_the_rates_of_those_in_them(tmp_path):
    field = numpy.concatenate([magnetogram(seed) for seed in range(2)])
    fine, coarse = (image_network(stride=stride) for stride in (2, 8))
    fine, found = outputs(fine, {"image": field}), outputs(coarse, {"image": field})
    assert found["rates"].shape == (2, 8, 8, 4)
    numpy.testing.assert_allclose(found["rates"], fine["rates"].reshape(2, 8, 4, 8, 4, 4).sum(axis=(2, 4)), rtol=1e-5)
    numpy.testing.assert_allclose(found["logits"], fine["logits"], rtol=1e-6)
    save_network(coarse, tmp_path / "network.keras")
    again = outputs(load_network(tmp_path / "network.keras"), {"image": field})
    numpy.testing.assert_array_equal(found["rates"], again["rates"])


@pytest.mark.parametrize(("filters", "seen"), [((2, 4, 4), 29), ((2, 4, 4, 4), 61)])
def test_each_further_size_sees_twice_as_far(filters, seen):
    model, size = image_network(size=128, filters=filters), 128
    field = numpy.random.default_rng(0).normal(0, 100, (1, size, size, 1)).astype("float32")
    before = outputs(model, {"image": field})["rates"][0, ..., 0]
    field[0, 64, 64] += 300
    rows = numpy.flatnonzero((before != outputs(model, {"image": field})["rates"][0, ..., 0]).any(axis=1))
    assert seen / 4 < rows[-1] - rows[0] + 1 <= (seen + 3) / 2


@pytest.mark.parametrize(
    ("options", "words"),
    [({"filters": (2, 4)}, "give three"), ({"filters": (2,) * 6}, "up to 5"), ({"stride": 6}, "power of two")],
)
def test_filters_and_strides_that_do_not_fit_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        images.Options(event="M1.0", **options)


def test_nothing_flares_without_field():
    model, field = image_network(), magnetogram()
    rate = outputs(model, {"image": field})["rates"][0, ..., 0]
    flat = numpy.abs(field[0, ..., 0]).reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert rate[flat > 40].min() > 1e-4
    assert rate[flat < 1].max() < 1e-15  # sky and quiet Sun
    assert outputs(model, {"image": numpy.zeros_like(field)})["logits"][0, 0] < -40


def test_a_place_knows_nothing_of_what_is_far_away():
    model, field = image_network(), magnetogram()
    other = field.copy()
    other[:, :, 33:] = 0  # the western region, 16 pixels west of the middle
    before, after = (outputs(model, {"image": image})["rates"] for image in (field, other))
    numpy.testing.assert_array_equal(before[:, :, :8], after[:, :, :8])
    assert not numpy.array_equal(before[:, :, 20:], after[:, :, 20:])


def test_grey_levels_are_the_same_field():
    radius = numpy.hypot(*(numpy.indices((64, 64)) - 31.5))
    field = numpy.where(radius[None, ..., None] < 22, magnetogram(), 0)  # none at the limb, which counts as sky
    first = outputs(image_network(), {"image": field})["rates"]
    second = outputs(image_network(field_unit="grey"), {"image": grey(field)})["rates"]
    numpy.testing.assert_allclose(first, second, rtol=2e-3, atol=1e-9)


def test_a_black_spot_is_field_and_black_sky_is_none():
    from network_models.layers.flare_rates import MagneticField

    image = grey(magnetogram(size=128))
    image[0, 60:64, 60:64] = 0.0
    distance = numpy.hypot(*(numpy.indices((128, 128)) - 63.5))
    image[0, (distance >= 49) & (distance < 49.92), 0] = 0.25  # half disk, half sky
    field = numpy.asarray(MagneticField("grey")(image))[0, ..., 0]
    assert (field[distance >= 49] == 0).all()
    assert (field[distance < 47] != 0).mean() > 0.99
    numpy.testing.assert_allclose(field[60:64, 60:64], -2.56)
    assert (field[:5] == 0).all()
    assert (field[:20, :20] == 0).all()


def test_flares_on_a_map_are_of_the_square_around_their_place():
    random = numpy.random.default_rng(0)
    rate = (random.uniform(0.01, 0.2, (1, 5, 6, 1)) * 10.0 ** -numpy.array([0, 1, 1.7, 2])).astype("float32")
    packed = likelihood.pack(numpy.ones(1), numpy.array([[[1.3, 2 * 6 + 3], [0.4, 0]]], "float32"))
    predicted = numpy.concatenate([numpy.zeros((1, 1)), rate.reshape(1, -1)], axis=1).astype("float32")
    squares = [(slice(1, 4), slice(2, 5)), (slice(0, 2), slice(0, 2))]
    expected = 0.0
    for number, least in enumerate(MAGNITUDES):
        one, quiet = rate[0, ..., number].astype("float64"), numpy.ones((5, 6), bool)
        for size, square in zip((1.3, 0.4), squares, strict=True):
            if size >= least:
                expected -= math.log(-math.expm1(-one[square].sum()))
                quiet[square] = False
        expected += one[quiet].sum()
    found = likelihood.FlareListLikelihood((5, 6), "yes or no", reduction="none")(packed, predicted)
    assert float(found[0]) == pytest.approx(expected, rel=1e-5)
    counts = likelihood.FlareListLikelihood((5, 6), "counts", reduction="none")
    moved = likelihood.pack(numpy.ones(1), numpy.array([[[1.3, 3 * 6 + 3], [0.4, 0]]], "float32"))
    change = float(counts(moved, predicted)[0] - counts(packed, predicted)[0])
    ratio = rate[0, 1:4, 2:5, 0].sum() / rate[0, 2:5, 2:5, 0].sum()
    assert change == pytest.approx(math.log(ratio), rel=1e-3)
    again = likelihood.FlareListLikelihood.from_config(counts.get_config())
    assert tuple(again.grid) == (5, 6)
    assert again.places == 30


@pytest.mark.parametrize(
    "inputs",
    [
        {"image": Input((64, 64, 8))},
        {"image": Input((63, 63, 1))},
        {"image": Input((64, 64, 1)), "side_channel": Input((3,))},
        {"regions": Input((5, 37))},
    ],
)
def test_other_inputs_than_a_magnetogram_are_refused(inputs):
    with pytest.raises(UserError, match="takes one magnetogram"):
        images.build(inputs, images.Options(event="M1.0"))


@pytest.mark.long
def test_rates_of_images_train_on_the_simulated_sun(tmp_path):
    from network_models.flare_rates import train

    data = ["--channel_set", "hmi", "--activity", "clear cut", "--dependent_variable", "flare", "--image_size", "32"]
    span = ["--start", "1980-01-01", "--days", "60", "--magnetogram_unit", "grey"]
    training = ["--epochs", "1", "--batch_size", "16", "--filters", "2", "2", "4", "--clip_norm", "1", "--likelihood", "both"]
    sun = str(PROJECT / "dataset_models" / "simulated" / "sun.py")
    result = train.main(["--architecture", "images", "--dataset", sun, *data, *span, *training, "--out", str(tmp_path)])
    stored = result.folder.settings()
    assert stored["network_options"]["field_unit"] == "grey"
    assert stored["network_options"]["event"] == "M1.0"
    assert math.isfinite(result.val_loss)
    assert load_network(result.folder.best).output["rates"].shape[1:] == (16, 16, 4)


@pytest.mark.slow
def test_rates_of_regions_are_the_true_ones_where_these_are_known(tmp_path, command):
    """The simulated Sun knows the rate of each region; its exact parameters, as SHARP's keywords, and its flares tell it."""
    from scipy import stats

    from dataset_models.simulated import archive
    from dataset_models.simulated.sun import SimulatedSun

    span = {"start": "1996-01-01", "days": 9000, "cadence_minutes": 1440}
    archive.write_archive(tmp_path, SimulatedSun(**span), products=("sharp", "flares"))
    data = [
        "--patches",
        tmp_path / "sharp.csv",
        "--flares",
        tmp_path / "flares.csv",
        "--patch_delay_hours",
        0,
        "--issue_hour",
        0,
    ]
    split = ["--start", "1996-02-01", "--end", "2020-08-01", "--validation_start", "2013-01-01"]
    training = ["--likelihood", "both", "--epochs", 60, "--gamma", 0.95, "--learning_rate", 0.004, "--dropout_rate", 0]
    done = command(TRAIN, *data, *split, *training, "--out", tmp_path, "--tensorboard_images", 0)
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["brier_skill"] > 0.34
    (best,) = tmp_path.glob("trained_models/*/best_performing.hdf5")
    assert command(TRAIN.with_name("forecast.py"), best, DATASET, "--out", tmp_path / "forecasts").code == 0

    rates = pandas.read_csv(tmp_path / "forecasts" / "regions.csv")
    rates = rates[rates["region"] != "elsewhere"].astype({"region": "int64"})
    truth = SimulatedSun(**span).ground_truth
    days = {day: truth.regions(numpy.datetime64(day.removesuffix("Z"))).assign(time=day) for day in rates["time"].unique()}
    true = pandas.concat(days.values())
    both = rates.merge(true, left_on=["time", "region"], right_on=["time", "number"])
    both = both[(both["angle"] < 75) & (both["flares_per_day"] > 1e-3)]
    assert len(both) > 1000
    assert stats.spearmanr(both["expected_M1.0"], both["flares_per_day"]).statistic > 0.8
    assert stats.linregress(both["flares_per_day"], both["expected_M1.0"]).slope == pytest.approx(1, abs=0.15)
