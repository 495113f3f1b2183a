"""Sheets: many images with their maps in one figure, page by page."""

import dataclasses

import numpy

from science.explanation import solar_coordinates
from tools import figures

PANELS = 6  # side by side, at most where an image and its maps are fewer
ROWS = 4  # on a page
MARK = "black cross: strongest pixel"


@dataclasses.dataclass(frozen=True)
class Cell:
    """An image of a sheet with its maps.

    Attributes
    ----------
    image : numpy.ndarray
        (height, width), of the channel that is drawn.
    channel : dataset_models.solar_data.Channel
    maps : sequence of numpy.ndarray
        (height, width).
    header : astropy.io.fits.Header or None
    places : sequence
        See `SolarData.places`.
    words : str
        Over the image.
    titles : sequence of str
        Over the maps.
    failed : sequence of bool
        Whether a check of the map failed.
    """

    image: numpy.ndarray
    channel: object
    maps: tuple
    header: object
    places: tuple
    words: str
    titles: tuple
    failed: tuple


class Sheet:
    """Draws cells as they come, a page at a time.

    Parameters
    ----------
    folder : pathlib.Path
        Where pages are written.
    stem : str
        Of the files: ``stem.png``, or ``stem_page_1.png`` and so on.
    count : int
        Cells that are to come, at most.
    title : str

    Attributes
    ----------
    names : list of str
        Of the files, complete after `close`.

    Notes
    -----
    A PDF, where it is chosen (`tools.figures.choose_formats`), is one file of all pages.
    """

    def __init__(self, folder, stem, *, count, title):
        self.names = []
        self._folder, self._stem, self._title = folder, stem, title
        self._cells, self._count, self._drawn, self._book = [], count, 0, None
        self._pages = 0

    def add(self, cell):
        """Take a cell, and draw a page when it is full."""
        self._cells.append(cell)
        if len(self._cells) == ROWS * self._columns(cell):
            self._page()

    def close(self):
        """Draw what is left, and give the files their names."""
        if self._cells:
            self._page()
        if self._pages == 1:
            pages, self.names = self.names, []
            for name in pages:
                only = self._folder / f"{self._stem}{(self._folder / name).suffix}"
                (self._folder / name).rename(only)
                self.names.append(only.name)
        if self._book is not None:
            self._book.close()
            self.names.append(f"{self._stem}.pdf")

    @staticmethod
    def _columns(cell):
        return max(1, PANELS // (1 + len(cell.maps)))

    def _page(self):
        cells, self._cells = self._cells, []
        self._pages += 1
        block, columns = 1 + len(cells[0].maps), min(self._columns(cells[0]), len(cells))
        rows = -(-len(cells) // columns)
        size = (2.75 * block * columns + 0.6, 3.3 * rows + 1.1)
        with figures.style():
            figure, axes = figures.new(rows, block * columns, figsize=size, squeeze=False)
            figure.get_layout_engine().set(w_pad=0.03, h_pad=0.06, wspace=0.01)
            for place in range(rows * columns):
                row, column = divmod(place, columns)
                panels = axes[row, column * block : (column + 1) * block]
                if place < len(cells):
                    _draw(panels, cells[place])
                    _label(panels, cells[place], left=column == 0, lowest=place + columns >= len(cells))
                else:
                    for panel in panels:
                        panel.set_visible(False)
            first = self._drawn + 1
            self._drawn += len(cells)
            numbers = f", {first} to {self._drawn}" if self._drawn < self._count or first > 1 else ""
            key = figures.overlay_key([values for cell in cells for values in cell.maps])
            figure.suptitle(f"{self._title}{numbers}\n{key}, each map on its own scale; {MARK}", fontsize=14)
            self._save(figure)

    def _save(self, figure):
        chosen = figures.chosen_formats()
        if "pdf" in chosen:
            from matplotlib.backends.backend_pdf import PdfPages

            self._book = self._book or PdfPages(self._folder / f"{self._stem}.pdf", metadata=figures.metadata(figure, ".pdf"))
            self._book.savefig(figure)
        page = self._folder / f"{self._stem}_page_{self._pages}.png"
        self.names += [file.name for file in figures.save(figure, page, formats=[kind for kind in chosen if kind != "pdf"])]


def _draw(panels, cell):
    extent = figures.extent_of(cell.header, cell.image.shape)
    look = {"table": cell.channel.colour_table, "logarithmic": cell.channel.logarithmic, "extent": extent}
    figures.show_image(panels[0], cell.image, bar=False, **look)
    panels[0].set_title(cell.words, fontsize=11, loc="left")
    for panel, values, title, failed in zip(panels[1:], cell.maps, cell.titles, cell.failed, strict=True):
        figures.show_overlay(panel, cell.image, values, **look)
        panel.set_title(title, fontsize=11, loc="left", color="#B03A00" if failed else "black")
        x, y = _at(strongest(values), values.shape, extent)
        panel.plot(x, y, "+", color="white", markersize=13, markeredgewidth=3, zorder=4)  # above names of regions
        panel.plot(x, y, "+", color="black", markersize=12, markeredgewidth=1.4, zorder=4)
    if extent is not None:
        for panel in panels:
            solar_coordinates.draw(panel, cell.header, cell.places)
            for name in panel.texts:
                name.set_in_layout(False)  # or long names would make room for themselves between the panels


def _label(panels, cell, *, left, lowest):
    sky = figures.extent_of(cell.header, cell.image.shape) is not None
    for panel in panels:
        panel.set(xlabel="", ylabel="")
        panel.tick_params(labelsize=9, labelleft=left and panel is panels[0], labelbottom=lowest)
        panel.locator_params(nbins=3)
        if lowest:
            panel.set_xlabel("solar x (arcsec)" if sky else "column (pixels)", fontsize=10)
    if left:
        panels[0].set_ylabel("solar y (arcsec)" if sky else "row (pixels)", fontsize=10)


def strongest(values):
    """Find the pixel of the largest absolute value of a map (height, width): row and column, int."""
    row, column = numpy.unravel_index(numpy.argmax(numpy.abs(values)), values.shape)
    return int(row), int(column)


def _at(pixel, shape, extent):
    row, column = pixel
    if extent is None:
        return column, row
    left, right, bottom, top = extent
    return left + (column + 0.5) * (right - left) / shape[1], top + (row + 0.5) * (bottom - top) / shape[0]
