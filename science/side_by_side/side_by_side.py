"""Every method's map of one image in one figure, each with its checks; of a list of images, a row for each.

    python science/side_by_side/side_by_side.py MODEL.hdf5 DATASET.py IMAGE [MORE ...] [--baseline quiet] [--methods NAME ...]

The image and its maps are drawn in one channel, the one that most of the maps falls to unless --channel names one; the
files hold all of them. Methods that do not apply to the network are named with the reason. Also writes the maps as .npz and
all passports as .json.
"""

import functools

from science import methods
from science.explanation import baselines, image_list, list_results, passport, solar_coordinates
from science.explanation import subject as explanation
from science.explanation.attribution import in_channel_units, strongest_channel
from science.gradients.engine import engine_of
from tools import atomic_files, command_line, figures, spreading
from tools.errors import UserError
from tools.options import add_number

BACKGROUND = 8  # training images, for Deep SHAP
COLUMNS = 4


def side_by_side(subject, sample, names, *, baseline="quiet", target=None, batch_size=16, random_network=None):
    """Explain one sample by several methods.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    names : sequence of str
        From `science.methods.NAMES`.
    baseline : str
        See `science.explanation.baselines.choose`.
    target : int, optional
    batch_size : int
    random_network : keras.Model, optional
        From `science.explanation.passport.shuffled_network`; made here without it.

    Returns
    -------
    dict of str to tuple
        By method (Attribution, passport).
    """
    from tqdm import tqdm

    based = [name for name in names if methods.method(name).takes == "baseline"]
    start = baselines.choose(baseline, subject, sample) if based else None
    background = baselines.background(subject, sample, BACKGROUND) if "Deep SHAP" in names else None
    size = max(array.shape[1] for array in sample.inputs.values() if array.ndim == 4)
    record = passport.baseline_record(sample, baselines.words(baseline), start) if based else None
    records = dict.fromkeys(based, record)
    if background is not None:
        records["Deep SHAP"] = passport.baseline_record(sample, baselines.background_words(background), background)
    own = {"occlusion": {"window": max(size // 8, 1), "stride": max(size // 16, 1)}}
    random_network = random_network or passport.shuffled_network(subject)
    explanations = {}
    for name in tqdm(names, desc="methods", unit="map", disable=None, leave=None):

        def again(model, inputs, name=name):
            keywords = {"baseline": start, "background": background, "target": target, "batch_size": batch_size}
            return in_channel_units(methods.explain(name, model, inputs, **keywords, **own.get(name, {})), subject, inputs)

        attribution = again(subject.model, sample.inputs)
        checked = passport.passport(
            subject, sample, attribution, again, baseline=records.get(name), random_network=random_network
        )
        explanations[name] = attribution, checked
    return explanations


def add_shares(subject, sample, explanations):
    """Add to each passport of `side_by_side` where on the Sun its map is, if the image has a header."""
    if sample.header is None:
        return
    places, name = _places(subject, sample), _image_name(subject, sample)
    for attribution, checked in explanations.values():
        checked["shares"] = solar_coordinates.shares(attribution.maps[name][0], sample.header, places)


def _places(subject, sample):
    return subject.data.places(sample.time) if sample.time is not None else ()


def _image_name(subject, sample):
    """Find the input that holds the current image: str."""
    return next(name for name, source in sample.names.items() if source == subject.data.image_inputs[0])


def draw(path, subject, sample, explanations, *, channel=None):
    """Draw `figure_of` into a file."""
    with figures.style():
        figures.save(figure_of(subject, sample, explanations, channel=channel), path)


def figure_of(subject, sample, explanations, *, channel=None):
    """Draw the image and all maps over it; a map's title names what its failed checks mean.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    sample : science.explanation.subject.Sample
    explanations : dict
        From `side_by_side`.
    channel : str, optional
        Which is drawn; see `strongest_channel`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    data, name = subject.data, _image_name(subject, sample)
    place = explanation.channel_place(data, channel, default=strongest_channel(explanations, name))
    image, header = sample.inputs[name][0], sample.header
    channel = data.channels[place]
    extent = figures.extent_of(header, image.shape[:2])
    places = _places(subject, sample)
    look = {"table": channel.colour_table, "logarithmic": channel.logarithmic, "extent": extent}
    columns = min(COLUMNS, len(explanations) + 1)
    rows = -(-(len(explanations) + 1) // columns)
    across, down = channel.axis_names or ("column (pixels)", "row (pixels)")
    with figures.style():
        size = (4.1 * columns + 1.6, 4.7 * rows + 1.0)
        figure, axes = figures.new(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
        figure.set_layout_engine("compressed", h_pad=0.08)
        panels = list(axes.flat)
        drawn = figures.show_image(panels[0], image[..., place], bar=False, **look)
        panels[0].set_title(f"image, {channel.name}", fontsize=11)
        for panel, (method, (attribution, checked)) in zip(panels[1:], explanations.items(), strict=False):
            values = attribution.maps[name][0]
            values = values[..., place] if values.shape[-1] == image.shape[-1] else values[..., 0]
            figures.show_overlay(panel, image[..., place], values, **look)
            share = checked.get("shares", {}).get("on disk")
            on_disk = [] if share is None else [f"{100 * share:.0f} % on disk"]
            bad = passport.failures(checked)
            words = "\n".join([method, *on_disk, *(f"failed: {check}" for check in bad)])
            panel.set_title(words, fontsize=10, color="#B03A00" if bad else "black")
        for panel in panels:
            panel.set(xlabel="", ylabel="")
            if extent is not None:
                solar_coordinates.draw(panel, header, places)
        for panel in panels[len(explanations) + 1 :]:
            panel.set_visible(False)
        for panel in panels[max(len(explanations) + 1 - columns, 0) : len(explanations) + 1]:  # the lowest one of each column
            panel.set_xlabel("solar x (arcsec)" if extent else across)
            panel.tick_params(labelbottom=True)
        for panel in axes[:, 0]:
            panel.set_ylabel("solar y (arcsec)" if extent else down)
        attribution, checked = next(iter(explanations.values()))
        title = figures.title(f"{sample.title}: {attribution.explained.words}", simulated=sample.simulated)
        title = f"{title}; {attribution.explained.value_words(checked['output'])}"
        key = figures.overlay_key([attribution.maps[name] for attribution, _ in explanations.values()])
        figure.suptitle(f"{title}\n{key}; each map on its own scale")
        figures.overlay_bars(figure, axes, drawn, channel.unit, logarithmic=channel.logarithmic)
        figure.get_layout_engine().execute(figure)  # and again when it is drawn: once leaves no room for the bars' labels
    return figure


def write(folder, subject, sample, explanations, *, channel=None):
    """Write figure, maps (.npz) and passports (.json); arguments as of `figure_of`.

    Returns
    -------
    pathlib.Path
        The figure.
    """
    explained, image = next(iter(explanations.values()))[0].explained, _image_name(subject, sample)
    stem = atomic_files.safe_name(sample.label, "side_by_side", explained.stem)
    drawn = atomic_files.safe_name(stem, channel) if channel else stem
    with atomic_files.results(folder) as unfinished:
        draw(unfinished / f"{drawn}.png", subject, sample, explanations, channel=channel)
        arrays = {atomic_files.safe_name(name): attribution.maps[image][0] for name, (attribution, _) in explanations.items()}
        explanation.write_arrays(unfinished / f"{stem}.npz", simulated=sample.simulated, **arrays)
        passports = {name: checked for name, (_, checked) in explanations.items()}
        (unfinished / f"{stem}.json").write_text(passport.text(passports), encoding="utf-8")
    return folder / f"{drawn}.png"


def explain_list(subject, entries, names, folder, flags, keywords):
    """Explain the images of a list by several methods: a row of a sheet for each, a row of the table for each map.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    entries : sequence of science.explanation.image_list.Entry
    names : sequence of str
        Methods.
    folder : pathlib.Path
    flags : argparse.Namespace
    keywords : dict
        Of `side_by_side`.
    """
    place = explanation.channel_place(subject.data, flags.channel, default=None)
    explain_batch = functools.partial(_explain_batch, names=names, flags=flags, keywords=keywords)
    with list_results.writing(subject, folder, flags, entries, heading="side by side") as results:
        for entry, sample, explanations, probability in results.explained(explain_batch):
            results.add(entry, sample, explanations, probability, place)


def _explain_batch(subject, named, random_network, *, names, flags, keywords):
    """Make every method's map of each image of a batch; see `list_results.ListExplainer`."""
    for entry, sample in named:
        _finite(subject, sample, entry.image, flags)
        yield side_by_side(subject, sample, names, **keywords, random_network=random_network)


def _finite(subject, sample, name, flags):
    """Return a sample once it is sure that the network's output for it is finite."""
    outputs = engine_of(subject.model, target=flags.target).outputs(sample.inputs)
    explanation.finite_output(outputs, name)
    return sample


def main(arguments=None):
    """Explain images of one network by every method."""

    def add(parser):
        parser.add_argument("--baseline", default="quiet", help=baselines.HELP)
        add_number(parser, "--batch", int, least=1, most=65_536, default=16, help="samples at once (default: %(default)s)")
        parser.add_argument("--channel", metavar="NAME", help="channel that is drawn (default: the strongest in the maps)")
        parser.add_argument("--methods", nargs="+", metavar="NAME", help="only these (default: all that apply)")
        list_results.add_flags(parser)

    flags, given = explanation.parse(arguments, __doc__, add=add)
    unknown = sorted(set(flags.methods or ()) - set(methods.NAMES))
    if unknown:
        raise UserError(f"--methods {unknown[0]}: choose from {', '.join(methods.NAMES)}")
    with spreading.on(flags.scheduler):
        _run(flags, given)


def _run(flags, given):
    subject = explanation.load(flags.model, flags.dataset, given)
    explanation.channel_place(subject.data, flags.channel)  # before the minutes that the maps take
    many = image_list.is_list(flags.image)
    entries = image_list.read(flags.image, subject.data) if many else None
    sample = None if many else _finite(subject, explanation.sample(subject, flags.image[0]), flags.image[0], flags)
    folder = explanation.output_folder(subject, "maps", flags.out)
    names, skipped = methods.applicable(subject.model)
    for name, why in skipped.items():
        if not flags.methods or name in flags.methods:
            print(f"{name}: left out, {why}")
    names = [name for name in names if not flags.methods or name in flags.methods]
    if not names:
        raise UserError("--methods: none of them applies to this network")
    keywords = {"baseline": flags.baseline, "target": flags.target, "batch_size": flags.batch}
    if many:
        explain_list(subject, entries, names, folder, flags, keywords)
        return
    explanations = side_by_side(subject, sample, names, **keywords)
    add_shares(subject, sample, explanations)
    print(f"{len(explanations)} methods in {write(folder, subject, sample, explanations, channel=flags.channel)}")
    for name, (_, checked) in explanations.items():
        bad = passport.failures(checked)
        made = "all checks passed" if not checked["not_applicable"] else f"passed; {passport.not_made(checked)}"
        print(f"  {name:24s} {'failed: ' + ', '.join(bad) if bad else made}")


if __name__ == "__main__":
    command_line.run(main)
