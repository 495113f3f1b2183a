"""The notebooks of examples/gallery as sphinx-gallery takes them, and the pictures that they show."""

import pathlib
import re

import site_pages

HEADER = """Gallery
=======

Each of these notebooks was run, on the simulated archive, when these pages were built: the simulated month that they share was
written before the first. What networks trained for one to ten epochs say of flares is worth nothing; the first cell of each has
the places of your own data and network. :doc:`How to start them </guides/notebooks>`.
"""


def write(folder):
    """Write the scripts and the header of the gallery to `folder`."""
    site_pages.write(folder / "GALLERY_HEADER.rst", HEADER)
    for path in sorted(site_pages.GALLERY.glob("*.py")):
        site_pages.write(folder / path.name, converted(path.read_text(encoding="utf-8")))


def converted(text):
    """Turn a notebook in percent format, with text cells in Markdown, into one with text in reStructuredText.

    Parameters
    ----------
    text : str
        Begins with a text cell whose first line is the title.

    Returns
    -------
    str
        The title and the text below it are the docstring.
    """
    first, *cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
    parts = [f'"""\n{_text(first)}\n"""\n']
    for cell in cells:
        if cell.startswith(" [markdown]"):
            commented = "\n".join(f"# {line}".rstrip() for line in _text(cell).splitlines())
            parts.append(f"# %%\n{commented}\n")
        else:
            parts.append(f"# %%\n{cell.strip()}\n")
    return "\n".join(parts)


def _text(cell):
    """Write the Markdown of a text cell as reStructuredText: str."""
    lines = []
    for line in cell.strip().splitlines()[1:]:
        line = line.removeprefix("#").removeprefix(" ")
        line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)
        line = re.sub(r"\[([^\]]+)\]\((https?://[^)\s]+)\)", r"`\1 <\2>`__", line)
        if heading := re.match(r"(#+) (.+)", line):
            lines += [heading[2], ("=", "-", "~")[len(heading[1]) - 1] * len(heading[2]), ""]
        else:
            lines.append(line)
    return "\n".join(lines).strip()


class _Shown:
    """Pictures that a cell has asked for and no page has yet, and the last figure that a cell ended with."""

    pictures = ()
    figure = None

    @classmethod
    def add(cls, *paths):
        from tools import figures

        cls.pictures = (*cls.pictures, *figures.pictures_of(*paths))


def reset(gallery_conf, name):
    """Have `tools.figures.show` note pictures for `scraper` instead of printing where they are."""
    from tools import figures

    figures.show = _Shown.add
    _Shown.pictures, _Shown.figure = (), None


def scraper(block, block_vars, gallery_conf):
    """Put the pictures that a cell has shown, and a figure that it ends with, below it: str, reStructuredText."""
    from sphinx_gallery.scrapers import figure_rst

    shown = [picture.read_bytes() for picture in _Shown.pictures]
    last = block_vars["example_globals"].get("___")  # of this cell, or of one before
    if hasattr(last, "_repr_png_") and last is not _Shown.figure:
        shown.append(last._repr_png_())
    _Shown.pictures, _Shown.figure = (), last
    names = []
    for picture, place in zip(shown, block_vars["image_path_iterator"], strict=False):
        pathlib.Path(place).write_bytes(picture)
        names.append(str(place))
    return figure_rst(names, gallery_conf["src_dir"])
