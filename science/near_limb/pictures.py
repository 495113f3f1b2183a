"""Recall by position, drawn on the solar disk and on a plane of longitude and latitude."""

import numpy

from tools import figures

COLOURS = "viridis"
DISTANCE = 149_597_870.7  # km; the observer's


def disk(table, path, *, title, limb, size):
    """Draw cells on the disk as seen from the Earth, with limb and grid.

    Parameters
    ----------
    table : pandas.DataFrame
        Cells of one class, as of `near_limb.cells`.
    path : str or pathlib.Path
    title : str
    limb : float
        Longitude of the dashed meridians, degrees.
    size : float
        Of a cell, degrees.

    Notes
    -----
    Flares of all years share the picture, so that the disk is drawn as seen from the solar equator (B0 = 0), from
    1 au.
    """
    from matplotlib.collections import PolyCollection

    sky = _blank_map()
    with figures.style():
        figure, axes = figures.new(figsize=(8.2, 7.6), subplot_kw={"projection": sky})
        look = _look()
        outlines = [_outline(sky, row.longitude, row.latitude, size) for row in table.itertuples()]
        missed = (table["hits"] == 0).to_numpy()
        shapes = [outline for outline, miss in zip(outlines, missed, strict=True) if not miss]
        drawn = axes.add_collection(PolyCollection(shapes, array=table["recall"].to_numpy()[~missed], linewidths=0, **look))
        shapes = [outline for outline, miss in zip(outlines, missed, strict=True) if miss]
        axes.add_collection(PolyCollection(shapes, **_missed()))
        sky.draw_limb(axes=axes, color="black", linewidth=1.5)
        grid = sky.draw_grid(axes=axes, grid_spacing=15 * _degree(), color="0.35", linewidth=0.5, alpha=0.6, annotate=False)
        for coordinate in grid:
            coordinate.set_ticks_visible(False)
            coordinate.set_ticklabel_visible(False)
        for longitude in (-limb, limb):
            axes.plot(*_pixels(sky, numpy.full(91, longitude), numpy.linspace(-90, 90, 91)), "--", color="black", linewidth=1.2)
        for name, coordinate in zip("xy", axes.coords, strict=True):
            coordinate.set_axislabel(f"solar {name} (arcsec)")
            coordinate.set_major_formatter("s")
            coordinate.grid(False)
            coordinate.set_ticks_position("bl")
        axes.set(xlim=(0, sky.data.shape[1] - 1), ylim=(0, sky.data.shape[0] - 1), title=title)
        axes.set_aspect("equal")
        figure.colorbar(drawn, ax=axes, label="recall", shrink=0.8)
        _key(figure, limb, missed.any())
        figures.save(figure, path)


def plane(table, path, *, title, limb, size):
    """Draw cells on a plane of longitude and latitude, and recall by longitude below it; parameters as for `disk`."""
    from matplotlib.collections import PolyCollection

    with figures.style():
        figure, (axes, below) = figures.new(2, 1, figsize=(11, 7.2), sharex=True, height_ratios=(3, 2))
        corners = numpy.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
        boxes = table[["longitude", "latitude"]].to_numpy()[:, None] + corners
        missed = (table["hits"] == 0).to_numpy()
        shares = table["recall"].to_numpy()[~missed]
        drawn = axes.add_collection(PolyCollection(boxes[~missed], array=shares, linewidths=0, **_look()))
        axes.add_collection(PolyCollection(boxes[missed], **_missed()))
        top = max(35.0, numpy.abs(boxes[..., 1]).max())
        axes.set(xlim=(-90, 90), ylim=(-top, top), ylabel="latitude (degrees)", title=title)
        axes.grid(color="0.8", linewidth=0.5, zorder=0)
        figure.colorbar(drawn, ax=axes, label="recall")
        totals = table.groupby("longitude")[["instances", "hits"]].sum().reindex(numpy.arange(-90, 90, size))
        below.bar(totals.index, totals["instances"], width=size, align="edge", color="0.85", edgecolor="white")
        below.set(ylabel="hours before flares", xlabel="longitude (degrees, west positive)", ylim=(0, None))
        share = below.twinx()
        share.plot(totals.index + size / 2, totals["hits"] / totals["instances"], "o-", color=figures.PALETTE[0])
        share.set(ylim=(0, 1.03))
        share.set_ylabel("recall", color=figures.PALETTE[0])
        below.set_xticks(numpy.arange(-90, 91, 15))
        for panel in (axes, below):
            for longitude in (-limb, limb):
                panel.axvline(longitude, color="black", linestyle="--", linewidth=1.2)
        _key(figure, limb, missed.any())
        figures.save(figure, path)


def _look():
    from matplotlib.colors import Normalize

    return {"cmap": COLOURS, "norm": Normalize(0, 1), "zorder": 2}


def _missed():
    return {"facecolors": "white", "edgecolors": figures.PALETTE[1], "hatch": "xxxx", "linewidths": 0.8, "zorder": 2.1}


def _key(figure, limb, any_missed):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    look = _missed()
    missed = Patch(facecolor="white", edgecolor=look["edgecolors"], hatch=look["hatch"], label="misses only")
    line = Line2D([], [], color="black", linestyle="--", label=f"{limb:g} degrees of longitude")
    figure.legend(handles=[missed, line] if any_missed else [line], loc="outside lower center", ncols=2)


def _degree():
    from astropy import units

    return units.deg


def _blank_map():
    """Make an empty map, 2100 arcsec wide, seen from Stonyhurst longitude 0, latitude 0: `sunpy.map.GenericMap`."""
    import sunpy.map
    from astropy import units
    from astropy.coordinates import SkyCoord
    from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
    from sunpy.map.header_helper import make_fitswcs_header

    date = "2014-01-01T00:00:00"  # any: Stonyhurst positions are relative to the observer's meridian
    observer = HeliographicStonyhurst(0 * units.deg, 0 * units.deg, DISTANCE * units.km, obstime=date)
    centre = SkyCoord(0 * units.arcsec, 0 * units.arcsec, frame=Helioprojective(observer=observer, obstime=date))
    scale = [10, 10] * units.arcsec / units.pix
    pixels = numpy.full((210, 210), numpy.nan, "float32")
    return sunpy.map.Map(pixels, make_fitswcs_header(pixels.shape, centre, scale=scale))


def _pixels(sky, longitude, latitude):
    """Project Stonyhurst positions in degrees to pixels of the map: two arrays."""
    from astropy import units
    from astropy.coordinates import SkyCoord
    from sunpy.coordinates import HeliographicStonyhurst

    frame = HeliographicStonyhurst(obstime=sky.date)
    return sky.wcs.world_to_pixel(SkyCoord(longitude * units.deg, latitude * units.deg, frame=frame))


def _outline(sky, longitude, latitude, size):
    """Draw the outline of a cell in pixels, its edges following meridians and parallels: float64 (20, 2)."""
    along = numpy.linspace(0, size, 5, endpoint=False)
    zero, full = numpy.zeros(5), numpy.full(5, size)
    east = numpy.concatenate([along, full, size - along, zero])
    north = numpy.concatenate([zero, along, full, size - along])
    return numpy.stack(_pixels(sky, longitude + east, latitude + north), axis=-1)
