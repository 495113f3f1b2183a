"""Look at data: a labelled batch as a network sees it, one sample, how windows make labels, or an image file with its header.

    python dataset_models/look.py DATASET.py --out FOLDER [--split training --batch 0 --count 16 --augment]
    python dataset_models/look.py DATASET.py --out FOLDER --time 2014-01-05T12:00
    python dataset_models/look.py DATASET.py --out FOLDER --windows
    python dataset_models/look.py IMAGE [IMAGE ...] --out FOLDER

Batches come from the pipeline that training reads, in the order of --seed. --time draws all channels of a sample, or the frames
before a flare. Images are JPEG 2000, FITS, jpg, png or npy of any instrument; their headers are printed. Options of the
data set are flags; ask DATASET.py --help.
"""

import pathlib
import sys

import numpy

from dataset_models import augmentation
from dataset_models.observation_times import given_time
from dataset_models.pictures import image_file, label_windows, samples
from dataset_models.solar_data import SPLITS, load_solar_data
from tools import atomic_files, command_line, options
from tools.errors import Stopped, UserError


def look_at_batch(folder, data, stem, flags):
    """Draw a batch; returns the name of the picture and a line about it."""
    sampling = None
    if flags.augment:
        if data.task != "classification" or not data.image_inputs:
            raise UserError(f"--augment: {data.title} has no two classes of images; it is for classifications")
        try:
            sampling = augmentation.EqualClasses(data.targets(flags.split), seed=flags.seed)
        except ValueError:
            raise UserError(f"--augment: the {flags.split} split of {data.title} has windows of one kind only") from None
    seed = flags.seed if flags.split == "training" else None
    found = samples.batch(data, flags.split, number=flags.batch, size=flags.count, seed=seed, sampling=sampling)
    channel = _channel(data, flags.channel)
    steps = data.steps(flags.split, flags.count, sampling)
    title = f"{flags.split}, batch {flags.batch} of {steps}" + (f", order of seed {seed}" if seed is not None else "")
    name = atomic_files.safe_name(stem, flags.split, "batch", str(flags.batch)) + ".png"
    samples.draw_batch(folder / name, data, found, channel=channel, title=title)
    words = [f"{len(found.times)} samples"]
    if data.task == "classification":
        words.append(f"{int((found.targets > 0.5).sum())} with an event")
    if flags.augment:
        words.append(f"{int(found.changed.sum())} changed")
    return name, ", ".join(words)


def look_at_sample(folder, data, stem, flags):
    """Draw the sample of --time; returns as `look_at_batch`."""
    time = given_time("--time", flags.time)
    times = numpy.union1d(*(data.times(split) for split in SPLITS))
    if time not in times:
        near = f"; the nearest is {times[numpy.abs(times - time).argmin()]}" if len(times) else ""
        raise UserError(f"--time {flags.time}: {data.title} has no sample at this time{near}")
    name = atomic_files.safe_name(stem, str(time).replace(":", "")) + ".png"
    samples.draw_sample(folder / name, data, time)
    return name, samples.label(data, time, data.target(time))


def look_at_windows(folder, data, stem, flags):
    """Draw how windows make labels; returns as `look_at_batch`."""
    name = atomic_files.safe_name(stem, "windows") + ".png"
    label_windows.draw(folder / name, data, flags.split)
    words = [f"{window.name}: {window.words}" for window in data.windows]
    return name, "; ".join(words)


def look_at_files(folder, paths):
    """Draw image files and print their headers; those that cannot be read are named: list of (name, line), list of str."""
    done, refused = [], []
    for path in paths:
        try:
            found = image_file.read(path)
        except UserError as error:
            refused.append(str(error))
            continue
        name = f"{atomic_files.safe_name(found.path.name)}.png"
        image_file.draw(folder / name, found)
        print("\n".join([f"{path}:", *(f"    {line}" for line in found.header_lines)]))
        shape = " x ".join(map(str, found.image.shape[1::-1]))
        done.append((name, f"drawn at {shape} pixels. {found.remark}".rstrip(". ")))
    return done, refused


def _channel(data, name):
    names = [channel.name for channel in data.channels]
    if name is not None and name not in names:
        raise UserError(f"--channel {name}: the data set has {', '.join(names)}")
    return 0 if name is None else names.index(name)


def _parse(arguments):
    """Read the flags: argparse.Namespace, and the data set or None."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("what", nargs="+", metavar="DATASET.py | IMAGE", help="file that defines a data set, or image files")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="FOLDER", help="where the pictures go")
    parser.add_argument("--split", choices=SPLITS, default="training", help="of the data set (default: %(default)s)")
    text = "of the epoch, from 0 (default: %(default)s)"
    options.add_number(parser, "--batch", int, least=0, most=10_000_000, default=0, metavar="NUMBER", help=text)
    text = "samples in a batch (default: %(default)s)"
    options.add_number(parser, "--count", int, least=1, most=100, default=16, metavar="SAMPLES", help=text)
    text = "of the order of training samples and of their changes (default: %(default)s)"
    options.add_number(parser, "--seed", int, least=0, most=2**32 - 1, default=0, help=text)
    text = "fill the smaller class up with flipped and rotated images, as train.py --balance augment does"
    parser.add_argument("--augment", action="store_true", help=text)
    parser.add_argument("--channel", metavar="NAME", help="channel of the batch that is drawn (default: the first)")
    parser.add_argument("--time", metavar="TIME", help="draw every image of the sample of this UTC time instead")
    parser.add_argument("--windows", action="store_true", help="draw how windows make labels instead")
    file = next((text for text in arguments if text.endswith(".py")), None)
    if file is None:
        return parser.parse_args(arguments), None
    owner = load_solar_data(file)
    names = {action.dest for action in parser._actions}
    options.add_flags(parser, owner, title=f"options of {owner.title}", skip=names)
    flags = parser.parse_args(arguments)
    if len(flags.what) > 1:
        raise UserError(f"{file} and {len(flags.what) - 1} other files: give a data set, or images")
    given = {name: value for name, value in options.take(owner, flags).items() if name not in names}
    return flags, options.build(owner, given, origin="command line")


def main(arguments=None):
    """Draw what was asked for and print where it is."""
    flags, data = _parse(arguments)
    refused = []
    with atomic_files.results(flags.out) as folder:
        if data is None:
            done, refused = look_at_files(folder, flags.what)
            if not done:
                several = f"none of {len(refused)} images can be drawn: " if len(refused) > 1 else ""
                raise UserError(several + refused[0])
        else:
            data.require_downloaded()
            look = look_at_sample if flags.time else look_at_windows if flags.windows else look_at_batch
            done = [look(folder, data, pathlib.Path(flags.what[0]).stem, flags)]
    for name, words in done:
        print(f"{flags.out / name}: {words}")
    for line in refused:
        print(f"left out: {line}")
    if refused:
        raise Stopped(f"{len(refused)} of {len(flags.what)} images were left out", 4)


if __name__ == "__main__":
    command_line.run(main)
