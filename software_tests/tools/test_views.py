"""Objects that show themselves: one description, as HTML and as text."""

import base64
import html.parser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import figures
from tools.views import Picture, Table, View

VOID = {"br", "img"}


class Reader(html.parser.HTMLParser):
    """Collects the elements and the text of HTML, and complains of what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


class Shown(View):
    def __init__(self, *parts):
        self.parts = parts

    def view(self):
        return list(self.parts)


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8), min_size=1, max_size=3))
def test_every_text_is_escaped_and_kept(words):
    shown = Shown(words[0], *words[1:], Table(words[0], (words[-1],), ((words[0],),)))
    reader = Reader(shown._repr_html_())
    assert {tag for tag, _ in reader.elements} <= {"div", "h3", "p", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "".join(reader.text).count(words[0]) >= 3 or not words[0]


def test_html_stands_alone_and_holds_its_pictures():
    png = figures.png(figures.new()[0])
    attack = '<script src="http://a.b/c.js">'
    reader = Reader(
        Shown(attack, Picture(lambda: png, attack), Table(attack, (attack, "n"), ((attack, "1e-7"),)))._repr_html_()
    )
    names = [tag for tag, _ in reader.elements]
    assert "script" not in names
    (image,) = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == png
    assert image["alt"] == attack
    assert not any(value.startswith("http") for _, attributes in reader.elements for value in attributes.values())
    looks = [attributes["style"].split(";")[0] for tag, attributes in reader.elements if tag in ("th", "td")]
    assert looks == [f"text-align: {side}" for side in ("left", "right", "left", "right")]


def test_text_lines_up():
    shown = Shown(
        "Heading", Table("Scores", ("score", "network"), (("tss", 0.5), ("brier skill", ""))), Picture(pytest.fail, "a curve")
    )
    lines = ["Heading", "Scores:", "  score        network", "  tss          0.5", "  brier skill", "[picture: a curve]"]
    assert str(shown).splitlines() == lines
    assert repr(shown) == str(shown)


def test_figures_show_themselves_and_the_same_each_time():
    for figure in (figures.new()[0], figures.tiles(1, 2, side=1.0)[0]):
        png = figure._repr_png_()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert png == figures.png(figure)


def test_a_view_says_what_there_is_to_see():
    with pytest.raises(TypeError, match="view"):
        View()
