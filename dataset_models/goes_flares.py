"""Draw the X-ray flux of a store, find the flares in it by NOAA's definition, and hold them against flare lists.

    python dataset_models/goes_flares.py --store xrs.sqlite --out flares/ [--start TIME --end TIME] [--flares LIST...]

writes `flux.png`, the flux with the lines of the GOES classes and the flares, and `flares.csv`, start, peak, end, class and
flux of each. Flares of lists are compared by the time of their peaks; before 2020 their classes are on the operational scale,
so compare them with `--calibration operational`.
"""

import pathlib

import numpy

from dataset_models import flare_catalogue, goes_xrs, simulation_mark
from dataset_models.flares import flare_finder
from dataset_models.observation_times import given_time
from tools import atomic_files, command_line, figures, goes_class, options
from tools.errors import UserError
from tools.paths import Files, data_path

COMPARED = ("C1.0", "M1.0")
_NAMED = 12  # flares that carry their class in the figure


def draw(path, series, flares, *, simulated=False):
    """Draw a series of flux with class lines and its flares.

    Parameters
    ----------
    path : str or pathlib.Path
        Suffix ``.png``, ``.pdf`` or ``.svg``.
    series : dataset_models.flux_series.FluxSeries
    flares : pandas.DataFrame
        As `dataset_models.flares.flare_finder.find_flares` returns them; the greatest of them carry their class.
    simulated : bool
        Said in the title.
    """
    valid = series.flux[~numpy.isnan(series.flux)]
    top = max(valid.max() * 3, 2e-4)
    bottom = min(numpy.percentile(valid, 1) / 2, 5e-7)  # not the minutes at the edges of eclipses
    with figures.style():
        figure, axes = figures.new(figsize=(11, 5))
        axes.plot(series.minutes, series.flux, color=figures.PALETTE[0], linewidth=1, label="1-minute means")
        if len(flares):
            colour = figures.PALETTE[1]
            axes.plot(flares["peak"], flares["flux"], "v", color=colour, markersize=5, label="peaks of flares found")
            for row in _apart(flares, len(series) // _NAMED // 2):
                text = {"textcoords": "offset points", "xytext": (0, 6), "ha": "center", "fontsize": "small"}
                axes.annotate(row.goes_class, (row.peak, row.flux), color=colour, **text)
        axes.set_yscale("log")
        axes.set_ylim(bottom, top)
        for letter in goes_class.DECADES:
            level = goes_class.to_flux(f"{letter}1")
            if bottom < level < top:
                axes.axhline(level, color="0.75", linewidth=0.8, zorder=0)
            if bottom < 3 * level < top:
                place = {"transform": axes.get_yaxis_transform(), "va": "center", "color": "0.35"}
                axes.text(1.01, level * 10**0.5, letter, **place)
        axes.set_ylabel(figures.unit("X-ray flux, 1-8 \N{ANGSTROM SIGN} (W m^-2)"))
        figures.utc_axis(axes)
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(
            figures.title(f"{_satellite(series)}, {series.calibration}; letters are GOES classes", simulated=simulated)
        )
        figures.save(figure, path)


def _apart(flares, minutes):
    """Choose the greatest flares whose names do not touch: list of rows."""
    chosen = []
    for row in flares.sort_values("flux", ascending=False, kind="stable").itertuples():
        if all(abs(row.peak - other.peak) > numpy.timedelta64(minutes, "m") for other in chosen):
            chosen.append(row)
        if len(chosen) == _NAMED:
            break
    return chosen


def _satellite(series):
    return "GOES" if series.satellite is None else f"GOES-{series.satellite}"


def _as_list(flares, series, simulated):
    """Give found flares the columns of a joined flare list, so that every script reads them."""
    return flares.assign(
        longitude=numpy.nan,
        latitude=numpy.nan,
        noaa_region=numpy.nan,
        source=f"{_satellite(series)} {series.calibration}, found in the flux",
        **simulation_mark.columns(simulated, len(flares)),
    )


def main(arguments=None):
    """Find flares in a store, write them and their picture, and print how they agree with flare lists."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("--store", help="flux store (default: 'goes' of config.yml)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder for flux.png and flares.csv")
    parser.add_argument("--calibration", choices=goes_xrs.CALIBRATIONS, default="science", help="(default: %(default)s)")
    options.add_number(
        parser, "--satellite", int, least=1, most=99, metavar="GOES", help="(default: the newest at each minute)"
    )
    parser.add_argument("--start", metavar="TIME", help="first minute, UTC (default: of the store)")
    parser.add_argument("--end", metavar="TIME", help="minute after the last, UTC (default: of the store)")
    parser.add_argument("--flares", nargs="+", action=Files, metavar="LIST", help="flare lists to compare with")
    text = "flux after the rise over flux before it (default: %(default)g, NOAA's)"
    options.add_number(parser, "--rise", float, least=1.0, most=100.0, default=flare_finder.RISE, help=text)
    text = "length of the rise (default: %(default)d, NOAA's)"
    options.add_number(parser, "--minutes", int, least=2, most=60, default=flare_finder.MINUTES, metavar="MINUTES", help=text)
    flags = parser.parse_args(arguments)
    store, out = data_path("goes", flags.store), pathlib.Path(flags.out)
    span = {name: given_time(f"--{name}", getattr(flags, name)) for name in ("start", "end") if getattr(flags, name)}
    series = goes_xrs.series(store, calibration=flags.calibration, satellite=flags.satellite, **span)
    if numpy.isnan(series.flux).all():
        raise UserError(f"{store}: has no {flags.calibration} flux in this span; choose another --start and --end")
    catalogue = flare_catalogue.read(flags.flares) if flags.flares else None
    simulated = goes_xrs.is_simulated(store)
    if catalogue is not None:
        simulation_mark.refuse_mixture({str(store): simulated, str(flags.flares[0]): catalogue.simulated})
    flares = flare_finder.find_flares(series, rise=flags.rise, minutes=flags.minutes)
    with atomic_files.results(out) as folder:
        atomic_files.write_table(folder / "flares.csv", _as_list(flares, series, simulated))
        draw(folder / "flux.png", series, flares, simulated=simulated)
    letters = flares["goes_class"].str[0].value_counts()
    counts = ", ".join(f"{letters[letter]} {letter}" for letter in goes_class.DECADES if letter in letters) or "none"
    print(f"{series!r}: flares found: {counts}; in {out}")
    if catalogue is not None:
        for least_class in COMPARED:
            print(flare_finder.agreement(flares, catalogue.events, series, least_class=least_class))


if __name__ == "__main__":
    command_line.run(main)
