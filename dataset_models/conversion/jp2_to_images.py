"""Helioviewer's JPEG 2000 files -> small pictures in the tree that the data sets read.

    python dataset_models/conversion/jp2_to_images.py JP2_FOLDER --out PICTURES
    python dataset_models/conversion/jp2_to_images.py JP2_FOLDER --out PICTURES --mode area --format npy
    python dataset_models/conversion/jp2_to_images.py JP2_FOLDER --out CUTOUTS --size 512 --crop 512 --centre -300 250
    python dataset_models/conversion/jp2_to_images.py JP2_FOLDER --out FLAT --height 256 --width 512 --mode area

writes ``PICTURES/2026/02/01/HMI.m2026.02.01_00.00.00.jpg`` (the observation's own time), ``conversion.json`` with how they
were made, and ``contact_sheet.png``. Run it again to go on: what is there is not made again. Pictures made in another
way are refused in the same folder.

--mode reduced decodes only the wavelet level that fits, about 20 times faster; --mode area decodes everything and
averages over areas, as the published studies did. --height and --width give pictures that are no squares, of the same field;
the data sets of this project take squares. The images of the two differ: see dataset_models/images/jpeg2000.py.
"""

import collections
import dataclasses
import functools
import json
import pathlib
import re

import numpy

from dataset_models import simulation_mark
from dataset_models.conversion import contact_sheet
from dataset_models.images import jpeg2000, picture_files, picture_tree, quality
from dataset_models.images.headers import Keywords, parse_time
from tools import atomic_files, command_line, figures, spreading
from tools.errors import UserError
from tools.options import add_number
from tools.paths import Files
from tools.reading import arrays

FORMATS = ("jpg", "npy")
_VERSION = 1  # raise it when the same files and options come to give other pictures
_MANY = 16  # files that are worth starting processes for
_NAME = re.compile(
    r"^(\d{4})_(\d\d)_(\d\d)__(\d\d)_(\d\d)_(\d\d)_\d+__SDO_(?:AIA_AIA_(\d+)|HMI_HMI_(\w+))\.jp2$", re.IGNORECASE
)
_HMI_KINDS = {"magnetogram": picture_tree.MAGNETOGRAM, "continuum": picture_tree.CONTINUUM}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How pictures are made.

    Attributes
    ----------
    mode : str
        Of `dataset_models.images.jpeg2000.MODES`.
    size : int
        Pixels on a side.
    format : str
        ``"jpg"``, 8-bit grey; or ``"npy"``, float32 grey levels 0 to 1 without the losses of jpg.
    quality : int
        Of jpg, up to 100. At 95 the error is 1.2 grey levels (root mean square), at 75 it is 2.5.
    crop : int or None
        Pixels of the full image that are kept; None: all.
    centre : tuple of float or None
        Middle of the crop, helioprojective arcsec west and north of disk centre; None: the middle of the image.
    height, width : int or None
        Pixels, where the picture is no square of `size`.
    """

    mode: str = "reduced"
    size: int = 512
    format: str = "jpg"
    quality: int = 95
    crop: int | None = None
    centre: tuple | None = None
    height: int | None = None
    width: int | None = None

    def __post_init__(self):
        if self.crop is not None and max(self.sides) > self.crop:
            longer = f"--size {self.size}" if len(set(self.sides)) == 1 else f"a side of {max(self.sides)}"
            raise UserError(f"--crop: keeps {self.crop} pixels, fewer than {longer}; images are never enlarged")
        if self.centre is not None and self.crop is None:
            raise UserError("--centre: needs --crop, how many pixels to keep around it")

    def record(self):
        """Return the recipe as it stands in a tree's record: dict of plain values."""
        values = {"version": _VERSION, **dataclasses.asdict(self)}
        if self.format != "jpg":
            del values["quality"]
        values["centre"] = None if self.centre is None else list(self.centre)
        if self.height is None and self.width is None:  # as it stood in records before pictures could be other than squares
            del values["height"], values["width"]
        return values

    @property
    def sides(self):
        """Height and width of a picture: two int."""
        return self.height or self.size, self.width or self.size


@dataclasses.dataclass
class Outcome:
    """Result of a conversion.

    Attributes
    ----------
    converted, present : list of pathlib.Path
        Pictures made now, and pictures that were there.
    rejected : dict of pathlib.Path to str
        Files that cannot be used, with the reason.
    averaged_further : int
        Of `converted` in mode ``"reduced"``: those with fewer wavelet levels than `Recipe.size` asks for.
    """

    converted: list = dataclasses.field(default_factory=list)
    present: list = dataclasses.field(default_factory=list)
    rejected: dict = dataclasses.field(default_factory=dict)
    averaged_further: int = 0


def convert(sources, out, recipe, *, workers=None, progress=False):
    """Convert files into a tree.

    Parameters
    ----------
    sources : sequence of pathlib.Path
        JPEG 2000 files of SDO.
    out : str or pathlib.Path
        The tree; made when it does not exist.
    recipe : Recipe
    workers : int, optional
        Processes; by default one per processor for more than a few files. See `tools.spreading.on`.
    progress : bool
        Show a bar.

    Returns
    -------
    Outcome

    Raises
    ------
    UserError
        `out` holds pictures that were made in another way, or cannot be written to; some files are simulated and some not.

    Notes
    -----
    Each picture appears complete or not at all, so a conversion that was interrupted goes on where it stopped. One
    observation is converted once, however many of the files hold it.
    """
    from tqdm import tqdm

    out = pathlib.Path(out)
    mark = simulation_mark.entry(simulation_mark.of_archive(sources))
    picture_tree.begin(out, recipe.record() | mark)
    job = functools.partial(convert_file, out=out, recipe=recipe)
    outcome, before, made = Outcome(), picture_tree.pictures(out), set()
    workers = spreading.worker_count(len(sources), workers, many=_MANY)
    with tqdm(total=len(sources), desc="convert", unit="image", disable=None if progress else True) as bar:
        for source, (kind, result) in zip(sources, spreading.mapped(job, sources, workers=workers), strict=True):
            if kind == "rejected":
                outcome.rejected[source] = result
            elif result in made or (kind == "present" and result in before):
                outcome.present.append(result)
            else:  # also what is there now, made by a process that was lost before it could say so
                outcome.converted.append(result)
                made.add(result)
            outcome.averaged_further += kind == "averaged further"
            bar.update()
    atomic_files.sweep(out)  # what lost processes were writing
    outcome.present = sorted(set(outcome.present) - made)
    return outcome


def convert_file(source, *, out, recipe):
    """Convert one file.

    Returns
    -------
    (str, pathlib.Path or str)
        ``"converted"``, ``"averaged further"`` (converted; it has fewer wavelet levels than needed) or ``"present"`` with
        the picture, or ``"rejected"`` with the reason.
    """
    try:
        target = _target(source, None, out, recipe)
        if target is not None and target.exists():
            return "present", target
        jp2 = jpeg2000.read(source)
        keywords = Keywords(jpeg2000.stored_header(jp2), source)
        if target is None:
            target = _target(source, keywords, out, recipe)
            if target.exists():
                return "present", target
        instrument = keywords.text("INSTRUME").upper()[:3]
        damage = quality.damage(keywords.bits("QUALITY"), instrument) if instrument in ("AIA", "HMI") else []
        if damage:
            raise UserError(f"{source}: rejected by its QUALITY: {', '.join(damage)}")
        picture = jpeg2000.decode(jp2, size=recipe.sides, mode=recipe.mode, crop=_crop(jp2, recipe))
        if simulation_mark.of_header(jpeg2000.stored_header(jp2)):
            picture = picture._replace(wcs={**picture.wcs, simulation_mark.KEYWORD: True})
        if numpy.ptp(picture.grey) == 0:
            raise UserError(f"{source}: every pixel has the same value; the image is empty")
        _write(target, picture, recipe)
    except UserError as error:
        return "rejected", str(error)
    wanted = (recipe.crop or jp2.width) // max(recipe.sides)
    fewer = recipe.mode == "reduced" and jp2.levels < wanted.bit_length() - 1
    return "averaged further" if fewer else "converted", target


def _target(source, keywords, out, recipe):
    """Find where the picture of a file goes; None where neither its name shows it nor a header is given."""
    match = _NAME.match(source.name)
    if match:
        digits = match.groups()[:6]
        time = parse_time(f"{'-'.join(digits[:3])}T{':'.join(digits[3:])}")
        wave, product = match[7], (match[8] or "").lower()
        if time is None:
            raise UserError(f"{source}: its name states an impossible time")
    elif keywords is None:
        return None
    else:
        time = keywords.time()
        instrument = keywords.text("INSTRUME").upper()
        wave = f"{keywords.described('WAVELNTH') or 0:.0f}" if instrument.startswith("AIA") else None
        product = keywords.text("CONTENT").lower() if instrument.startswith("HMI") else ""
        product = "continuum" if "continuum" in product else product
    kind = f"AIA.{int(wave)}." if wave and wave.isdigit() and int(wave) else _HMI_KINDS.get(product)
    if kind is None:
        raise UserError(f"{source}: neither its name nor its header gives AIA, an HMI magnetogram or HMI continuum")
    return out / picture_tree.relative_path(kind, time.astype("datetime64[s]"), recipe.format)


def _crop(jp2, recipe):
    if recipe.crop is None:
        return None
    multiple = 1
    if recipe.mode == "reduced":  # a crop that begins and ends between wavelet samples could not use them
        while (
            multiple < 1 << jp2.levels
            and recipe.crop % (2 * multiple) == 0
            and recipe.crop // (2 * multiple) >= max(recipe.sides)
        ):
            multiple *= 2
    return jpeg2000.centred_crop(jp2, width=recipe.crop, centre=recipe.centre, multiple=multiple)


def _write(target, picture, recipe):
    if recipe.format == "npy":
        atomic_files.write_text(picture_tree.header_path(target), json.dumps(picture.wcs))
        atomic_files.write_array(target, picture.grey / numpy.float32(255))
        return
    from PIL import Image

    grey = Image.fromarray((picture.grey + numpy.float32(0.5)).astype("uint8"))
    with atomic_files.replacing(target) as temporary:
        grey.save(temporary, "JPEG", quality=recipe.quality, comment=picture_tree.comment(picture.wcs))


def find(places):
    """Find the JPEG 2000 files among files and below folders: sorted list of `pathlib.Path`.

    Raises
    ------
    UserError
        A place does not exist, or there are none.
    """
    paths = set()
    for place in map(pathlib.Path, places):
        if not place.exists():
            raise UserError(f"{place}: no such file or folder")
        paths |= {path for path in place.rglob("*.jp2") if not path.name.startswith(".")} if place.is_dir() else {place}
    if not paths:
        raise UserError(f"{', '.join(map(str, places))}: holds no .jp2 files; fetch some, or give another folder")
    return sorted(paths)


def summary(outcome, out, recipe):
    """Summarise what was done and what there is now, in the lines that the script prints.

    Parameters
    ----------
    outcome : Outcome
    out : str or pathlib.Path
    recipe : Recipe

    Returns
    -------
    list of str
    """
    pictures = sorted(outcome.converted + outcome.present, key=lambda path: path.name)
    lines = [f"{out}: {len(outcome.converted)} converted, {len(outcome.present)} there, {len(outcome.rejected)} rejected"]
    size = sum(path.stat().st_size for path in pictures)
    making = f"mode {recipe.mode}" + (f", {recipe.crop} pixels of the full image" if recipe.crop else "")
    height, width = recipe.sides
    lines.append(f"{len(pictures)} pictures of {width} x {height} as {recipe.format}, {making}; {size / 1e6:.1f} MB")
    kinds = collections.Counter(_kind(path) for path in pictures)
    lines += [f"    {kind}: {count}" for kind, count in sorted(kinds.items())]
    if outcome.averaged_further:
        lines.append(f"{outcome.averaged_further} with fewer wavelet levels than needed, averaged further")
    return lines + [f"rejected {reason}" for reason in outcome.rejected.values()]


def _kind(path):
    return re.match(r"HMI\.[mc]|AIA\.\d+", path.name)[0]


def draw_contact_sheet(pictures, path, *, title):
    """Draw a contact sheet of pictures of a tree."""
    images = {}
    for picture in contact_sheet.pick(pictures):
        if picture.suffix == ".npy":
            images[picture.stem] = arrays.read_array(picture)
        else:
            with picture_files.opened(picture, ("JPEG",)) as opened:
                images[picture.stem] = numpy.asarray(opened, "float32") / 255
    contact_sheet.write(path, images, title=title)


def main(arguments=None):
    """Convert, print totals, draw the contact sheet."""
    parser = command_line.parser(__doc__)
    parser.add_argument("sources", nargs="+", action=Files, metavar="FOLDER_OR_FILE", help=".jp2 files, or folders of them")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the tree of pictures")
    add_number(parser, "--size", int, least=1, most=16_384, default=512, metavar="PIXELS", help="(default: 512)")
    for side in ("height", "width"):
        text = "instead of --size, where pictures shall be no squares"
        add_number(parser, f"--{side}", int, least=1, most=16_384, metavar="PIXELS", help=text)
    parser.add_argument("--mode", choices=jpeg2000.MODES, default="reduced", help="see above (default: reduced)")
    parser.add_argument("--format", choices=FORMATS, default="jpg", help="(default: jpg)")
    add_number(parser, "--quality", int, least=1, most=100, default=95, metavar="1..100", help="of jpg (default: 95)")
    add_number(
        parser, "--crop", int, least=1, most=16_384, metavar="PIXELS", help="keep a square of so many pixels of the full image"
    )
    add_number(
        parser,
        "--centre",
        float,
        least=-5000,
        most=5000,
        nargs=2,
        metavar=("X", "Y"),
        help="arcsec west and north, middle of the crop (default: disk)",
    )
    spreading.add_flags(parser)
    flags = parser.parse_args(arguments)
    centre = tuple(flags.centre) if flags.centre else None
    sides = (flags.height, flags.width)
    recipe = Recipe(flags.mode, flags.size, flags.format, flags.quality, flags.crop, centre, *sides)
    sources = find(flags.sources)
    with spreading.on(flags.scheduler):
        outcome = convert(sources, flags.out, recipe, workers=flags.workers, progress=True)
    print("\n".join(summary(outcome, flags.out, recipe)))
    pictures = sorted(outcome.converted + outcome.present, key=lambda path: path.name)
    if not pictures:
        raise UserError(next(iter(outcome.rejected.values())))
    sheet = pathlib.Path(flags.out) / "contact_sheet.png"
    title = f"{len(pictures)} pictures of {flags.out}, mode {recipe.mode}"
    draw_contact_sheet(pictures, sheet, title=figures.title(title, simulated=simulation_mark.of_archive(pictures)))
    print(f"wrote {sheet}")


if __name__ == "__main__":
    command_line.run(main)
