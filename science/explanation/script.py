"""Common part of the scripts of the explanation methods: explain one image or a list, and check the maps."""

import functools

from science.explanation import baselines, image_list, list_results, passport
from science.explanation import subject as explanation
from science.explanation.attribution import in_channel_units
from science.explanation.map_files import write
from science.gradients.engine import engine_of
from tools import spreading
from tools.options import add_number


def run(arguments, description, method, *, add=None, keywords=None, after=None):
    """Explain one image, or a list of them, by a method, as its script does.

    Parameters
    ----------
    arguments : list of str or None
    description : str
        The script's docstring.
    method : callable
        ``method(model, inputs, *, target, batch_size, **own)`` returns a `science.explanation.attribution.Attribution`.
    add : callable, optional
        Adds the method's flags to a parser.
    keywords : callable, optional
        ``keywords(flags, subject, sample)`` returns the method's own arguments, of a list those of all its images.
    after : callable, optional
        ``after(subject, sample, folder, flags)`` writes and prints more, once a single image has been explained.
    """

    def add_all(parser):
        add_number(
            parser,
            "--batch",
            int,
            least=1,
            most=65_536,
            default=16,
            help="samples at once; bounds memory (default: %(default)s)",
        )
        list_results.add_flags(parser)
        parser.add_argument("--channel", metavar="NAME", help="channel that a list's figure shows (default: the strongest)")
        if add is not None:
            add(parser)

    flags, given = explanation.parse(arguments, description, add=add_all)
    with spreading.on(flags.scheduler):
        _run(flags, given, method, keywords, after)


def _run(flags, given, method, keywords, after):
    subject = explanation.load(flags.model, flags.dataset, given)
    place = explanation.channel_place(subject.data, flags.channel, default=None)
    folder = explanation.output_folder(subject, "maps", flags.out)
    if image_list.is_list(flags.image):
        explain_list(subject, method, keywords, folder, flags, place)
        return
    sample = explanation.sample(subject, flags.image[0])
    explain(subject, sample, method, keywords(flags, subject, sample) if keywords else {}, folder, flags)
    if after is not None:
        after(subject, sample, folder, flags)


def explain(subject, sample, method, own, folder, flags):
    """Explain, check, write and report; arguments as of `run`."""
    attribution, checked = next(_explained(subject, [(flags.image[0], sample)], method, own, flags))
    names = write(folder, subject, sample, attribution, checked)
    explained = attribution.explained
    words = f"{explained.value_words(checked['output'])}: {explained.words}"
    print(f"{attribution.method} of {words}; {len(names)} files in {folder}")
    for words in passport.failures(checked):
        print(f"check failed: the map {words}")
    if checked["not_applicable"]:
        print(f"check not made: {passport.not_made(checked)}")
    for note in checked["notes"]:
        print(f"note: {note}")
    if sample.header is None:
        print("no FITS: only an image whose coordinates are known gives one")


def _explained(subject, named, method, own, flags, random_network=None):
    """Explain samples together and check each map.

    Parameters
    ----------
    subject, method, flags
        As of `run`.
    named : sequence of (str, science.explanation.subject.Sample)
        With the names that errors call them by.
    own : dict
        The method's own arguments. Those with a baseline are of one sample.
    random_network : keras.Model, optional
        See `passport.passport`.

    Yields
    ------
    Attribution, dict
        In the units of the channels, and the passport.
    """

    def again(model, inputs):
        return in_channel_units(method(model, inputs, target=flags.target, batch_size=flags.batch, **own), subject, inputs)

    inputs = image_list.together([sample for _, sample in named])
    engine = engine_of(subject.model, target=flags.target)
    for (name, _), output in zip(named, engine.outputs(inputs, batch_size=flags.batch), strict=True):
        explanation.finite_output([output], name)
    baseline = None
    if "background" in own:
        baseline = passport.baseline_record(named[0][1], baselines.background_words(own["background"]), own["background"])
    elif "baseline" in own:
        baseline = passport.baseline_record(named[0][1], baselines.words(flags.baseline), own["baseline"])
    attribution = again(subject.model, inputs)
    if random_network is None:
        random_network = passport.shuffled_network(subject)
    random = again(random_network, inputs)
    for row, (_, sample) in enumerate(named):
        one, other = attribution.of_sample(row), random.of_sample(row)
        made = functools.partial(_made, other)
        yield one, passport.passport(subject, sample, one, made, baseline=baseline, random_network=random_network)


def _made(attribution, model, inputs):
    """Return a map that was made with those of other samples, as `passport.passport` asks for it."""
    return attribution


def explain_list(subject, method, keywords, folder, flags, place):
    """Explain the images of a list: one figure, one table, the passports in one file.

    Parameters
    ----------
    subject, method, keywords, flags
        As of `run`.
    folder : pathlib.Path
    place : int or None
        Of the channel that is drawn.

    Raises
    ------
    UserError
        A CSV is none, a time in it is unknown, or no image can be explained.
    Stopped
        Some images could not be explained; the others are done.
    """
    entries = image_list.read(flags.image, subject.data)
    explain_batch = functools.partial(_explain_batch, method=method, keywords=keywords, flags=flags)
    with list_results.writing(subject, folder, flags, entries) as many:
        for entry, sample, explanations, probability in many.explained(explain_batch):
            many.add(entry, sample, explanations, probability, place)


def _explain_batch(subject, named, random_network, *, method, keywords, flags):
    """Make the maps of a batch: at once, or one by one where each image has a baseline of its own; see `ListExplainer`."""
    first = keywords(flags, subject, named[0][1]) if keywords else {}
    if not {"baseline", "background"} & set(first):
        images = [(entry.image, sample) for entry, sample in named]
        for attribution, checked in _explained(subject, images, method, first, flags, random_network):
            yield {checked["method"]: (attribution, checked)}
        return
    for number, (entry, sample) in enumerate(named):
        own = first if number == 0 else keywords(flags, subject, sample)
        attribution, checked = next(_explained(subject, [(entry.image, sample)], method, own, flags, random_network))
        yield {checked["method"]: (attribution, checked)}
