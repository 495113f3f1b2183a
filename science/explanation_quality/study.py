"""Study which explanation methods find the region that flares, on the simulated Sun, where it is known.

    python science/explanation_quality/study.py --out FOLDER [--model RUN/best_performing.hdf5] [--images 150]

Trains the starting point on magnetograms of a Sun on which one region within 60 degrees of the disk centre flares or none
does (nearer to the limb the sharp inversion line that distinguishes them is hidden by foreshortening), explains validation
images with a coming flare by every method, and scores the maps against the true region, the other regions, and the
network's own behaviour; beside them an edge detector, the image itself and a random map. Writes quality.csv,
quality.json and quality.png. About fifteen minutes on two cores, training included; without training --model takes the
network of an earlier run on the simulated Sun.
"""

import json
import pathlib

import numpy

from dataset_models import simulation_mark
from science import methods
from science.explanation import baselines, passport
from science.explanation import subject as explanation
from science.explanation.attribution import in_channel_units
from science.explanation_quality.faithfulness import counterfactual, deletion_and_insertion, max_sensitivity
from science.explanation_quality.localisation import localisation, strength_of
from science.explanation_quality.randomisation import cascade
from science.gradients.engine import engine_of
from tools import atomic_files, command_line, figures
from tools.block_bootstrap import BlockBootstrap, interval
from tools.errors import UserError
from tools.options import add_number

DATASET = pathlib.Path(__file__).parents[2] / "dataset_models" / "simulated" / "sun.py"
TRAINING = [
    *("--channel_set", "hmi", "--activity", "clear cut", "--flaring_within", "60", "--dependent_variable", "flare"),
    *("--image_size", "128", "--start", "1976-01-01", "--days", "8000", "--block_channels", "16", "32", "32", "32"),
    *("--epochs", "6", "--batch_size", "32", "--dropout_rate", "0.2"),
]
CONTROLS = ("edge detector", "image magnitude", "random map")
SCORES = {
    "pointing": "pointing game",
    "mass": "relevance mass",
    "rank": "relevance rank",
    "distractor mass": "mass on other regions (less is better)",
    "deletion": "deletion (less is better)",
    "insertion": "insertion",
}
FEW = 8  # images for the slow checks: sensitivity and random weights
BACKGROUND = 8
BLOCK = 14.0  # days: a region crosses the disk in them


def chosen_times(subject, count):
    """Choose validation times with a coming flare, of a known region, that the network forecasts: evenly spaced.

    Returns
    -------
    numpy.ndarray, dict
        ``datetime64[s]`` (n,), n at most `count`, and how many there were of which kind.
    """
    data = subject.data
    model = engine_of(subject.model).model  # it returns logits
    times = data.times("validation")
    probability = numpy.concatenate(
        [
            data.forecast(model([numpy.stack([data.inputs(time)["image"] for time in times[first : first + 64]])]))
            for first in range(0, len(times), 64)
        ]
    )
    event = data.targets("validation") > 0.5
    correct = (probability >= 0.5) == event
    truth = data.ground_truth
    usable = [time for time in times[event & correct] if _region(truth, time) is not None]
    report = {"validation images": len(times), "accuracy": float(correct.mean()), "hits of a known region": len(usable)}
    picked = numpy.unique(numpy.linspace(0, max(len(usable) - 1, 0), min(count, len(usable))).astype(int))
    return numpy.array(usable, "datetime64[s]")[picked], report


def _region(truth, time):
    number = truth.flaring_region(time)
    return number if number is not None and number in truth.masks(time) else None


def study(subject, times, *, seed=0):
    """Score all methods and controls.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
        Of a network on a `dataset_models.simulated.sun.SimulatedSun` with one channel.
    times : array_like
        ``datetime64`` (n,): see `chosen_times`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row for each time and method: time, method, `SCORES`.
    pandas.DataFrame
        A row for each method: sensitivity (max-sensitivity, median over a few images), and by layer the correlation of
        its multipliers with those of the network with all layers from the last down to this one random.
    dict
        Of the counterfactual: mean change of the logit without the flaring region, and without each other one.
    """
    import pandas
    from tqdm import tqdm

    data, truth = subject.data, subject.data.ground_truth
    engine = engine_of(subject.model)
    name = engine.input_names[0]
    random = numpy.random.default_rng(seed)
    first = explanation.sample(subject, f"{times[0]}")
    start = baselines.choose("quiet", subject, first)
    background = baselines.background(subject, first, BACKGROUND)
    names, _ = methods.applicable(subject.model)
    size = first.inputs[name].shape[1]
    own = {"occlusion": {"window": max(size // 8, 2), "stride": max(size // 16, 1)}}

    def explain(method, images, model=subject.model):
        keywords = {"baseline": start, "background": background, **own.get(method, {})}
        return in_channel_units(methods.explain(method, model, {name: images}, **keywords), subject, {name: images})

    def outputs(images):
        return engine.outputs({name: images}, batch_size=64)

    rows, without, others_without = [], [], []
    for time in tqdm(times, desc="explain", unit="image", disable=None):
        image = data.inputs(time)["image"]
        masks = truth.masks(time)
        number = truth.flaring_region(time)
        mask = masks[number]
        others = numpy.any([other for key, other in masks.items() if key != number] or [numpy.zeros_like(mask)], axis=0)
        maps = {method: strength_of(explain(method, image[None]).maps[name][0]) for method in names}
        maps["edge detector"] = passport.edges(image)
        maps["image magnitude"] = strength_of(image - start[name][0], positive=False)
        maps["random map"] = random.random(mask.shape)
        for method, strength in maps.items():
            scores = localisation(strength, mask, others)
            scores |= deletion_and_insertion(outputs, image, strength, start[name][0])
            rows.append({"time": f"{time}Z", "method": method, **scores})
        visible = [key for key in masks if key != number]
        changed = counterfactual(outputs, image, [truth.image_without(time, key) for key in (number, *visible)])
        without.append(changed[0])
        others_without.extend(changed[1:])
    images = [data.inputs(time)["image"] for time in times[:: max(len(times) // FEW, 1)][:FEW]]
    checks = _checks(explain, engine.model, names, name, images, seed)
    change = {
        "without the flaring region": float(numpy.mean(without)),
        "without another region": float(numpy.mean(others_without)) if others_without else float("nan"),
    }
    return pandas.DataFrame(rows), pandas.DataFrame(checks), change


def _checks(explain, model, names, image_input, images, seed):
    """Measure the sensitivity and the cascade of each method: list of dict."""
    from tqdm import tqdm

    rows = []
    for name in tqdm(names, desc="checks", unit="method", disable=None):

        def maps(values, name=name):
            return explain(name, values).maps[image_input]

        sensitivity = [max_sensitivity(maps, image, seed=seed) for image in images]
        falls = cascade(model, lambda network, name=name: explain(name, images[0][None], network), seed=seed)
        rows.append({"method": name, "sensitivity": float(numpy.nanmedian(sensitivity)), **falls})
    return rows


def summary(table, *, samples=1000, seed=0):
    """Average every score of each method, with its 95 % interval from blocks of `BLOCK` days: pandas.DataFrame."""
    import pandas

    rows = []
    for method, part in table.groupby("method", sort=False):
        times = numpy.array([text.removesuffix("Z") for text in part["time"]], "datetime64[s]")
        bootstrap = BlockBootstrap(times, days=BLOCK, samples=samples, seed=seed)
        row = {"method": method, "images": len(part)}
        for score in SCORES:
            values = part[score].to_numpy("float64")
            defined = numpy.isfinite(values)
            sums = bootstrap.sums(numpy.stack([numpy.where(defined, values, 0.0), defined], axis=1))
            with numpy.errstate(invalid="ignore", divide="ignore"):
                low, high = interval(sums[:, 0] / sums[:, 1])
            mean = float(values[defined].mean()) if defined.any() else float("nan")
            row |= {score: mean, f"{score} low": low, f"{score} high": high}
        rows.append(row)
    return pandas.DataFrame(rows).sort_values("mass", ascending=False, ignore_index=True)


def draw(path, table, *, title):
    """Draw the table of `summary`: a panel for each score, methods below one another."""
    with figures.style():
        figure, panels = figures.new(2, 3, figsize=(14, 0.62 * len(table) + 2.2), sharey=True)
        rows = numpy.arange(len(table))[::-1]
        control = table["method"].isin(CONTROLS).to_numpy()
        for axes, (score, words) in zip(panels.flat, SCORES.items(), strict=True):
            for part, colour, marker in ((~control, figures.PALETTE[0], "o"), (control, "0.45", "s")):
                middle, low, high = (table[name].to_numpy()[part] for name in (score, f"{score} low", f"{score} high"))
                axes.hlines(rows[part], low, high, color=colour, lw=2)
                axes.plot(middle, rows[part], marker, color=colour, ms=6)
            axes.set_title(words, fontsize=11)
            axes.grid(axis="x", color="0.9")
            if score in ("pointing", "mass", "rank", "distractor mass"):
                axes.set_xlim(-0.02, 1.02)
        for axes in panels[:, 0]:
            axes.set_yticks(rows, table["method"])
        figure.suptitle(f"{title}\n95 % intervals; controls grey", fontsize=12)
        figures.save(figure, path)


def main(arguments=None):
    """Train, explain, score."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for the results")
    parser.add_argument("--model", type=pathlib.Path, metavar="MODEL.hdf5", help="of an earlier run; otherwise one is trained")
    add_number(
        parser, "--images", int, least=2, most=100_000, default=150, help="with a coming flare, at most (default: %(default)s)"
    )
    add_number(
        parser,
        "--seed",
        int,
        least=0,
        most=2**32 - 1,
        default=0,
        help="of random map, noise and weights (default: %(default)s)",
    )
    flags = parser.parse_args(arguments)
    model = flags.model
    if model is None:
        from network_models.xray_flux_forecast.starting_point import network

        model = network.main([*TRAINING, "--dataset", str(DATASET), "--out", str(flags.out)]).folder.best
    subject = explanation.load(model, DATASET)
    if subject.data.task != "classification" or len(subject.data.channels) != 1:
        raise UserError(f"{model}: the study takes a flare forecast from simulated magnetograms; train without --model")
    times, report = chosen_times(subject, flags.images)
    if len(times) < 2:
        raise UserError(f"{model}: forecasts {len(times)} flares of known regions; train a better network")
    print(f"{report['hits of a known region']} hits of known regions among {report['validation images']} validation images; "
          f"accuracy {100 * report['accuracy']:.1f} %; {len(times)} explained")  # fmt: skip
    table, checks, change = study(subject, times, seed=flags.seed)
    scores = summary(table)
    for name, found in (("quality_per_image", table), ("quality", scores), ("randomisation", checks)):
        atomic_files.write_table(flags.out / f"{name}.csv", simulation_mark.marked(found, subject.data.simulated))
    results = {"network": report, "counterfactual": change, "scores": scores.to_dict("records")}
    results |= simulation_mark.entry(subject.data.simulated)
    text = json.dumps(results, indent=1).replace("NaN", "null")
    atomic_files.write_text(flags.out / "quality.json", text + "\n")
    title = f"Simulated Sun: which maps find the flaring region? {len(times)} images, accuracy {100 * report['accuracy']:.0f} %"
    draw(flags.out / "quality.png", scores, title=title)
    with_digits = scores[["method", *SCORES]].to_string(index=False, float_format=lambda value: f"{value:.3f}")
    print(with_digits)
    print(checks.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    print(", ".join(f"change of the logit {words}: {value:.2f}" for words, value in change.items()))
    print(f"wrote {flags.out}")


if __name__ == "__main__":
    command_line.run(main)
