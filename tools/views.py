"""Objects that show themselves, from one description of what there is to see: HTML in a notebook, text anywhere else.

The HTML stands alone: escaped, without scripts, and with its pictures inside, so that a notebook keeps what it showed.
"""

import abc
import base64
import dataclasses
import typing

from tools.web_pages import element


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a view.

    Attributes
    ----------
    caption : str
    columns : sequence of str
    rows : sequence of sequence
        Cells, texts or numbers; the first is the heading of its row.
    """

    caption: str
    columns: tuple
    rows: tuple


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a view.

    Attributes
    ----------
    png : callable
        ``png()`` returns bytes; called where the picture is shown, not where it is only named.
    says : str
        What there is to be seen, for where it is not shown.
    """

    png: typing.Callable
    says: str


class View(abc.ABC):
    """Base class of what shows itself; a subclass says what there is to see."""

    @abc.abstractmethod
    def view(self):
        """List what there is to see, in order: texts, of which the first is the heading, `Table` and `Picture`.

        It raises no `tools.errors.UserError`: what cannot be read is said in words.
        """

    def _repr_html_(self):
        """Write the view as HTML, for IPython: str."""
        heading, *parts = self.view()
        return str(element("div", element("h3", heading), [_html(part) for part in parts]))

    def __str__(self):
        return "\n".join(line for part in self.view() for line in _lines(part))

    def __repr__(self):
        return View.__str__(self)


def _html(part):
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Picture):
        source = f"data:image/png;base64,{base64.b64encode(part.png()).decode()}"
        return element("img", src=source, alt=part.says, style="max-width: 100%")
    return element("p", part)


def _table(part):
    """Write a table whose looks are its own: a notebook has no stylesheet of ours, and aligns all cells to the right."""
    places = range(len(part.columns))
    numbers = [bool(part.rows) and all(_is_number(row[place]) for row in part.rows) for place in places]
    looks = [f"text-align: {'right' if number else 'left'}; white-space: nowrap" for number in numbers]
    heading = [element("th", name, scope="col", style=look) for name, look in zip(part.columns, looks, strict=True)]
    rows = []
    for row in part.rows:
        first = element("th", row[0], scope="row", style=looks[0])
        cells = [element("td", cell, style=look) for cell, look in zip(row[1:], looks[1:], strict=True)]
        rows.append(element("tr", first, cells))
    caption = element("caption", part.caption, style="text-align: left; white-space: nowrap")
    inside = (caption, element("thead", element("tr", heading)), element("tbody", rows))
    return element("div", element("table", inside), style="overflow-x: auto; margin: 0.5em 0")


def _lines(part):
    """Write a part as lines of text: list of str."""
    if isinstance(part, Picture):
        return [f"[picture: {part.says}]"]
    if not isinstance(part, Table):
        return str(part).splitlines()
    cells = [[str(cell) for cell in row] for row in (part.columns, *part.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(part.columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [f"{part.caption}:", *(f"  {line}" for line in lines)]


def _is_number(cell):
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
