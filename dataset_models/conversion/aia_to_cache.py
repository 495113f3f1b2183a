"""AIA files -> the images that training reads, converted once.

    python dataset_models/conversion/aia_to_cache.py --folder AIA_FOLDER --image_size 256

Calibrates, registers and shrinks every complete frame (eight synoptic or level 1 FITS files, or one of FlareNet's
arrays) into the cache that dataset_models/SDO/AIA/fdl_1.py reads with the same options; it would do the same when first
used. Run it again to go on: what is there is not made again, what was rejected is not tried again.
"""

from dataset_models.conversion import contact_sheet
from dataset_models.SDO.AIA.fdl_1 import AIA8
from tools import command_line, figures, options, spreading

OPTIONS = ("folder", "image_size", "correction_table", "pointing_table", "cache")
_SHOWN = "171"  # the channel on the contact sheet


def summary(folder, counts, rejected):
    """Summarise a conversion in the lines that the script prints.

    Parameters
    ----------
    folder : pathlib.Path
    counts : dict of str to int
        Of these what `AIA8.convert` returns.
    rejected : dict of str to str
        Reason by frame.

    Returns
    -------
    list of str
    """
    files = list(folder.glob("*.npy"))
    size = sum(path.stat().st_size for path in files)
    frames = ", ".join(f"{number} {name}" for name, number in counts.items())
    lines = [f"{folder}: {len(files)} images, {size / 1e6:.1f} MB", f"frames: {frames}"]
    return lines + [f"rejected {reason}" for _, reason in sorted(rejected.items())]


def draw_contact_sheet(data, path):
    """Draw a contact sheet of the usable frames of an `AIA8`, in one channel."""
    times = contact_sheet.pick(data.image_times())
    shown = next(place for place, channel in enumerate(data.channels) if channel.name == _SHOWN)
    images = {f"{time}Z".replace("T", " "): data.image(time)[..., shown] for time in times}
    title = f"AIA {_SHOWN}, {len(data.image_times())} frames from {times[0]}Z to {times[-1]}Z"
    title = figures.title(title, simulated=data.simulated)
    contact_sheet.write(path, images, title=title, table=data.channels[shown].colour_table, logarithmic=True)


def main(arguments=None):
    """Convert, print totals, draw the contact sheet."""
    parser = command_line.parser(__doc__)
    skipped = [name for name in options.fields(AIA8) if name not in OPTIONS]
    options.add_flags(parser, AIA8, title="options, as those of the data set", skip=skipped)
    spreading.add_flags(parser, workers=False)
    flags = parser.parse_args(arguments)
    data = options.build(AIA8, options.take(AIA8, flags), origin="command line")
    with spreading.on(flags.scheduler):
        folder, counts = data.convert()
    print("\n".join(summary(folder, counts, data.rejected)))
    if counts["usable"]:
        draw_contact_sheet(data, folder / "contact_sheet.png")
        print(f"wrote {folder / 'contact_sheet.png'}")


if __name__ == "__main__":
    command_line.run(main)
