"""Web pages that stand alone: HTML5 without scripts, one stylesheet inside, pictures as files beside it.

What is written is data of others: every text is escaped, and what no page may hold, or what turns the order of letters around,
is shown as the replacement character. The pages' own policy lets a browser load nothing but pictures from where the page is.
"""

import base64
import dataclasses
import hashlib
import html
import math
import os
import pathlib
import re
import struct
import urllib.parse

import numpy

from tools import atomic_files

# Control characters, surrogates, non-characters, and marks that reverse the direction of the text around them.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\u202a-\u202e\u2066-\u2069"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)
_VOID = {"br", "hr", "img", "meta", "link"}  # elements without an end
_GAP = "\N{NARROW NO-BREAK SPACE}"

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --panel: #f3f5f7; --ink: #16191d; --faint: #50575f; --line: #c3c9d0;
  --link: #0057a3; --blue: #0072b2; --orange: #b84c00; --warn-paper: #ffe9a8; --warn-ink: #3a2c00; --open: #6f7780; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --panel: #1e2329; --ink: #e9ecef; --faint: #aeb6bf;
  --line: #424a53; --link: #8cc4ff; --blue: #56b4e9; --orange: #f28e4b; --warn-paper: #4a3a00; --warn-ink: #ffeeb5;
  --open: #8f98a2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0.75rem 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.4rem 0; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 0.4rem; }
p, ul, dl { margin: 0.5rem 0; max-width: 46rem; }
ul { padding-left: 1.3rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem; padding: 0; list-style: none; max-width: none; }
nav a { display: inline-block; padding: 0.25rem 0; }
.banner { margin: 0; padding: 0.6rem 1rem; text-align: center; font-weight: 700; background: var(--warn-paper);
  color: var(--warn-ink); max-width: none; }
.faint, figcaption, caption { color: var(--faint); }
.key { font-size: 1.2rem; padding: 0.5rem 0.8rem; border-left: 0.35rem solid var(--blue); background: var(--panel); }
.key.alert { border-color: var(--orange); }
.scroll { overflow-x: auto; max-width: 100%; margin: 0.7rem 0; overflow-wrap: normal; }
.scroll:focus-visible, a:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0.2rem 0; max-width: min(46rem, calc(100vw - 2rem)); }
section:first-child > h2 { margin-top: 0.6rem; }
th, td { padding: 0.25rem 0.8rem 0.25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
td.number, th.number { text-align: right; }
td.number, tbody th, td time { white-space: nowrap; }
td:not(.number) { min-width: 7rem; }
@media (max-width: 30rem) { th, td { padding-right: 0.5rem; font-size: 0.92rem; } }
tbody th { font-weight: 600; }
code { font: 0.9em ui-monospace, monospace; }
summary { cursor: pointer; padding: 0.3rem 0; }
pre { margin: 0; font: 0.85rem/1.4 ui-monospace, monospace; }
dt { font-weight: 600; }
dd { margin: 0 0 0.4rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 0 1.2rem; }
svg { display: block; width: 100%; height: auto; }
.drawing { max-width: 27rem; }
.wide.drawing { max-width: none; }
.wide svg { min-width: 40rem; }
svg text { fill: var(--ink); font-family: system-ui, sans-serif; }
svg .axis, svg .grid { stroke: var(--line); stroke-width: 1; }
svg .first { fill: var(--blue); stroke: var(--blue); }
svg .second { fill: var(--orange); stroke: var(--orange); }
svg .third { fill: var(--ink); stroke: var(--ink); }
svg .open { fill: var(--open); stroke: var(--open); }
svg .line { fill: none; }
svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
@media print { :root { --paper: #fff; --panel: #fff; --ink: #000; --faint: #333; --line: #999; --link: #000; --blue: #0072b2;
  --orange: #b84c00; --warn-paper: #fff; --warn-ink: #000; --open: #666; }
  nav { display: none; } .banner { border: 2px solid #000; } .scroll { overflow: visible; }
  h2, h3, caption { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""


class Markup(str):
    """HTML, as against a text that is yet to be escaped."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page, under a heading of the second level.

    Attributes
    ----------
    heading : str
    content : tuple
        Of `Markup`, or texts.
    name : str
        By which links on the page find it; no other section of the page has it.
    """

    heading: str
    content: tuple
    name: str


def escaped(text):
    """Write a text for a page: `Markup`.

    Examples
    --------
    >>> escaped('<b title="x">'), escaped("a\\x00b")
    ('&lt;b title=&quot;x&quot;&gt;', 'a\ufffdb')
    """
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", str(text))))


def element(name, /, *content, **attributes):
    """Write an element.

    Parameters
    ----------
    name : str
    *content
        `Markup`, texts or numbers, which are escaped, or lists and tuples of them; None is nothing.
    **attributes
        ``class_`` is written class, other underscores become hyphens. True stands for an attribute without a value, None
        for no attribute.

    Returns
    -------
    Markup

    Examples
    --------
    >>> element("p", "a < b", element("br"), class_="faint", hidden=True, id=None)
    '<p class="faint" hidden>a &lt; b<br></p>'
    """
    written = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            written.append(key)
        elif value is not None:
            written.append(f'{key}="{escaped(value)}"')
    begin = f"<{' '.join(written)}>"
    return Markup(begin if name in _VOID else f"{begin}{joined(content)}</{name}>")


def joined(parts):
    """Join what `element` takes as content: `Markup`."""
    written = []
    for part in parts:
        if isinstance(part, list | tuple):
            written.append(joined(part))
        elif part is not None:
            written.append(part if isinstance(part, Markup) else escaped(part))
    return Markup("".join(written))


def moment(time):
    """Write a UTC time (`numpy.datetime64`), to the minute where it is a whole one: `Markup`, an element ``time``.

    Examples
    --------
    >>> moment(numpy.datetime64("2026-02-01T00:30"))
    '<time datetime="2026-02-01T00:30:00Z">2026-02-01 00:30 UTC</time>'
    """
    text = str(numpy.datetime64(time, "s"))
    return element("time", f"{text.replace('T', ' ').removesuffix(':00')} UTC", datetime=f"{text}Z")


def percent(share):
    """Write a probability, a share from 0 to 1, in percent: str. Small ones are not rounded away, nor is what is nearly 1.

    Examples
    --------
    >>> [percent(share).replace("\N{NARROW NO-BREAK SPACE}", " ") for share in (0.304, 0.034, 0.00004, 0.9999, 1.0)]
    ['30 %', '3.4 %', '< 0.1 %', '> 99 %', '100 %']
    """
    value = 100 * share
    if 0 < value < 0.1:
        return f"<{_GAP}0.1{_GAP}%"
    if 99 < value < 100:
        return f">{_GAP}99{_GAP}%"
    return f"{value:.1f}{_GAP}%" if 0 < value < 9.95 else f"{value:.0f}{_GAP}%"


def interval(low, high, write=percent):
    """Write an interval by a function of each bound: str; a dash where there is none (None or NaN)."""
    if any(bound is None or not math.isfinite(bound) for bound in (low, high)):
        return "–"
    return f"{write(low)} to {write(high)}"


def table(caption, columns, rows, *, numbers=()):
    """Write a table that scrolls within itself where it is wider than the screen.

    Parameters
    ----------
    caption : str
    columns : sequence
        Headings.
    rows : sequence of sequence
        Cells, of which the first is the heading of its row.
    numbers : collection of int
        Columns that are aligned to the right.

    Returns
    -------
    Markup
    """
    looks = ["number" if place in numbers else None for place in range(len(columns))]
    heading = [element("th", one, scope="col", class_=look) for one, look in zip(columns, looks, strict=True)]
    lines = []
    for row in rows:
        cells = [element("td", cell, class_=look) for cell, look in zip(row, looks, strict=True)]
        cells[0] = element("th", row[0], scope="row", class_=looks[0])
        lines.append(element("tr", cells))
    inside = [element("caption", caption), element("thead", element("tr", heading)), element("tbody", lines)]
    # What scrolls can be reached by the keyboard, and says what it is.
    return element("div", element("table", inside), class_="scroll", tabindex=0, role="region", aria_label=caption)


def listing(text, name):
    """Write a text with its line breaks, as of a program, which scrolls within itself: `Markup`."""
    return element("div", element("pre", text), class_="scroll", tabindex=0, role="region", aria_label=name)


def definitions(pairs):
    """Write pairs of a word and what belongs to it: `Markup`; what is None is left out."""
    return element("dl", [(element("dt", name), element("dd", value)) for name, value in pairs if value is not None])


def details(summary, *content):
    """Write content that is shown when its summary is chosen, without a script: `Markup`."""
    return element("details", element("summary", summary), content)


def items(entries):
    """Write a list: `Markup`."""
    return element("ul", [element("li", entry) for entry in entries])


def reference(path, page):
    """Write the address of a file as seen from a page, relative: str.

    Parameters
    ----------
    path, page : str or pathlib.Path

    Examples
    --------
    >>> reference("run/maps/a b#1.png", "run/report.html")
    'maps/a%20b%231.png'
    """
    path = pathlib.Path(path)
    relative = pathlib.PurePath(os.path.relpath(path.parent.resolve() / path.name, pathlib.Path(page).parent.resolve()))
    return urllib.parse.quote(os.fsencode(relative.as_posix()))


def file_link(path, page, text=None):
    """Link a file, shown as `text` or by its name: `Markup`."""
    return element("a", pathlib.Path(path).name if text is None else text, href=reference(path, page))


def picture(path, page, alternative, caption=None):
    """Show a picture that is a file.

    Parameters
    ----------
    path, page : str or pathlib.Path
    alternative : str
        Says what there is to be seen, for whom it is not.
    caption : str or Markup, optional

    Returns
    -------
    Markup
    """
    width, height = png_size(path) or (None, None)
    source = reference(path, page)
    image = element("img", src=source, alt=alternative, width=width, height=height, loading="lazy")
    return element("figure", element("a", image, href=source), element("figcaption", caption) if caption else None)


def png_size(path):
    """Read width and height of a PNG, pixels: (int, int), or None where it is none."""
    try:
        with open(path, "rb") as file:
            begin = file.read(24)
    except OSError:
        return None
    whole = len(begin) == 24 and begin[:8] == b"\x89PNG\r\n\x1a\n" and begin[12:16] == b"IHDR"
    return struct.unpack(">II", begin[16:24]) if whole else None


def drawing(width, height, alternative, *content, wide=False):
    """Write a drawing into the page, in the page's colours.

    Parameters
    ----------
    width, height : float
        Of its coordinates, which `content`, elements of SVG, is given in.
    alternative : str
        Says what there is to be seen.
    *content : Markup
    wide : bool
        It scrolls on a narrow screen rather than shrinks until its letters cannot be read.

    Returns
    -------
    Markup
    """
    svg = element("svg", content, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=alternative)
    if not wide:
        return element("figure", svg, class_="drawing")
    return element("figure", element("div", svg, class_="scroll", tabindex=0), class_="wide drawing")


def document(title, sections, *, lead=(), banner=None, description="", footer=()):
    """Write a page.

    Parameters
    ----------
    title : str
        Also its heading.
    sections : sequence of Section
    lead : sequence, optional
        Between heading and contents.
    banner : str, optional
        Above everything.
    description : str
    footer : sequence, optional

    Returns
    -------
    Markup
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src 'self'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="description", content=description) if description else None,
        element("title", title),
        element("style", Markup(STYLE)),
    ]
    contents = [element("a", one.heading, href=f"#{one.name}") for one in sections]
    body = [
        element("p", banner, class_="banner", role="note") if banner else None,
        element("header", element("h1", title), lead, element("nav", items(contents), aria_label="On this page")),
        element("main", [_section(one) for one in sections]),
        element("footer", footer) if footer else None,
    ]
    return Markup(f"<!DOCTYPE html>\n{element('html', element('head', head), element('body', body), lang='en')}\n")


def _section(section):
    heading = element("h2", section.heading, id=section.name)
    return element("section", heading, section.content, aria_labelledby=section.name)


def write(path, markup):
    """Write a page, complete or not at all."""
    atomic_files.write_text(path, markup)
