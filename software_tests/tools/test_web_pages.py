"""Pages are valid, nothing in them is taken for HTML that was given as text, and colours can be told from the paper."""

import pathlib
import re
import struct

import hypothesis
import numpy
import pytest
from hypothesis import strategies

from tools import modules, web_pages

page_checker = modules.load(pathlib.Path(__file__).parents[1] / "page_checker.py")
HOSTILE = "</title></style><script>alert(1)</script>\"'><img src=http://a.b/c onerror=x>&amp;\0\ud800\u202e\ufffe\r"


def page_of(folder, text):
    """A page with everything that pages have, made of one text."""
    png = folder / "a b#1?.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30, 20))
    page = folder / "page.html"
    svg = web_pages.element("text", text, x=1, y=2)
    content = (
        web_pages.element("p", text, web_pages.moment(numpy.datetime64("2026-02-01T00:30"))),
        web_pages.table(f"table {text}", [text, "b"], [[text, 1]], numbers=(1,)),
        web_pages.definitions([("word", text), ("nothing", None)]),
        web_pages.items([text, web_pages.file_link(png, page, text or None)]),
        web_pages.picture(png, page, f"picture of {text}", text),
        web_pages.drawing(10, 10, f"drawing of {text}", svg, wide=True),
    )
    section = web_pages.Section(f"heading {text}", content, "part")
    markup = web_pages.document(f"title {text}", [section], banner=text, description=text, footer=[text])
    web_pages.write(page, markup)
    return page_checker.read(page)


def test_a_page_is_valid(tmp_path):
    found = page_of(tmp_path, "plain")
    assert found.faults == []
    assert found.images == ["a%20b%231%3F.png"]
    assert 'width="30" height="20"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_hostile_text_is_shown_and_does_nothing(tmp_path):
    found = page_of(tmp_path, HOSTILE)
    assert found.faults == []
    assert "".join(found.texts).count("<script>alert(1)</script>") >= 8
    assert found.images == ["a%20b%231%3F.png"]


@hypothesis.given(text=strategies.text(strategies.characters(exclude_categories=()), max_size=40))
@hypothesis.settings(max_examples=60, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_any_text_leaves_a_page_valid(tmp_path, text):
    assert page_of(tmp_path, text).faults == []


@pytest.mark.parametrize(
    ("fragment", "fault"),
    [
        ("<p>a", "unexpected end"),
        ("<blink>a</blink>", "unknown element"),
        ("<img src='#part' alt=''>", "without an alternative"),
        ("<p id='part'>a</p>", "twice"),
        ("<a href='none.txt'>a</a>", "leads nowhere"),
        ("<a href='https://a.b'>a</a>", "not relative"),
        ("<p onclick='x'>a</p>", "has onclick"),
        ("<p style='x'>a</p>", "has style"),
        ("<h4>a</h4>", "unknown element"),
        ("<p>a & b</p>", "unescaped"),
        ("<p><p>a</p></p>", "p in p"),
        ("<script>1</script>", "unknown element"),
    ],
)
def test_the_checker_finds_faults(tmp_path, fragment, fault):
    section = web_pages.Section("part", (web_pages.Markup(fragment),), "part")
    web_pages.write(tmp_path / "page.html", web_pages.document("title", [section]))
    assert any(fault in one for one in page_checker.read(tmp_path / "page.html").faults)


def luminance(colour):
    """Relative luminance of ``#rgb`` or ``#rrggbb`` (WCAG 2.2)."""
    digits = "".join(2 * digit for digit in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_contrast_is_enough_for_wcag_aa(scheme):
    blocks = re.findall(r":root \{([^}]*)\}", web_pages.STYLE)
    assert len(blocks) == 3
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", blocks[("light", "dark", "print").index(scheme)]))
    for ground in ("paper", "panel"):
        for text in ("ink", "faint", "link"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for mark in ("blue", "orange", "open"):  # of drawings, and edges
            assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
    assert contrast(colours["warn-ink"], colours["warn-paper"]) >= 4.5


def test_parts_that_are_missing_are_dashes():
    assert web_pages.interval(None, None) == "–"
    assert web_pages.interval(0.1, float("nan")) == "–"
    assert web_pages.percent(0.0) == "0\N{NARROW NO-BREAK SPACE}%"
    assert web_pages.png_size("no/such/file.png") is None
