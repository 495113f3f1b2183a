"""A strict reader of the project's pages: says what no valid, accessible page that stands alone would have."""

import datetime
import html.parser
import itertools
import pathlib
import re
import urllib.parse

VOID = {"br", "hr", "img", "meta"}
PHRASING = {"a", "code", "span", "strong", "time", "br", "img"}
SVG = {"line", "rect", "path", "text"}
FLOW = PHRASING | {"p", "ul", "dl", "figure", "div", "table", "section", "h2", "h3", "details", "svg", "pre"}
PARENTS = {  # of elements that stand in few others; of None: at the top
    "html": {None},
    "head": {"html"},
    "body": {"html"},
    "meta": {"head"},
    "title": {"head"},
    "style": {"head"},
    "header": {"body"},
    "main": {"body"},
    "footer": {"body"},
    "nav": {"header"},
    "h1": {"header"},
    "section": {"main"},
    "li": {"ul"},
    "dt": {"dl"},
    "dd": {"dl"},
    "table": {"div"},
    "caption": {"table"},
    "thead": {"table"},
    "tbody": {"table"},
    "tr": {"thead", "tbody"},
    "th": {"tr"},
    "td": {"tr"},
    "figcaption": {"figure"},
    "summary": {"details"},
    "svg": {"figure", "div"},
    **{name: {"svg"} for name in SVG},
}
ONLY_PHRASING = {"p", "h1", "h2", "h3", "caption", "dt", "summary", "span", "strong", "code", "time", "a", "th", "pre"}
ONLY = {"ul": {"li"}, "dl": {"dt", "dd"}, "tr": {"th", "td"}, "table": {"caption", "thead", "tbody"}, "svg": SVG}
EVERYWHERE = {"class", "id", "role", "tabindex", "hidden", "aria-label", "aria-labelledby"}
DRAWN = {"x", "y", "x1", "x2", "y1", "y2", "d", "width", "height", "opacity", "font-size", "text-anchor"}
DRAWN |= {"stroke-width", "stroke-linecap"}
ATTRIBUTES = {
    "html": {"lang"},
    "meta": {"charset", "name", "content", "http-equiv"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "loading", "decoding"},
    "th": {"scope"},
    "time": {"datetime"},
    "details": {"open"},
    "svg": {"viewbox"},
    **dict.fromkeys(SVG, DRAWN),
}


class Reader(html.parser.HTMLParser):
    """Reads one page; `faults` are what is wrong with it, `texts` what a reader sees, `images` and `links` the addresses."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.faults, self.open, self.ids, self.levels = [], [], [], []
        self.images, self.links, self.texts, self.alternatives, self.policy, self.language = [], [], [], [], "", ""

    @property
    def words(self):
        """What a reader sees, elements apart by a space: str."""
        return " ".join("".join(self.texts).replace("\N{NARROW NO-BREAK SPACE}", " ").split())

    def fault(self, words):
        self.faults.append(f"line {self.getpos()[0]}: {words}")

    def handle_starttag(self, tag, attributes):
        parent = self.open[-1] if self.open else None
        self.texts.append(" ")
        if tag not in PARENTS and tag not in FLOW:
            self.fault(f"unknown element {tag}")
        elif parent not in PARENTS.get(tag, {parent}) or tag not in ONLY.get(parent, {tag}):
            self.fault(f"{tag} in {parent}")
        if tag not in PHRASING and parent in ONLY_PHRASING:
            self.fault(f"{tag} in {parent}")
        if tag == "a" and "a" in self.open:
            self.fault("a link in a link")
        names = [name for name, _ in attributes]
        if len(set(names)) != len(names):
            self.fault(f"an attribute of {tag} twice")
        self.faults += [f"{tag} has {name}" for name in names if name not in EVERYWHERE | ATTRIBUTES.get(tag, set())]
        self._check(tag, dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.fault(f"{tag} ends itself")

    def handle_endtag(self, tag):
        self.texts.append(" ")
        if not self.open or self.open.pop() != tag:
            self.fault(f"unexpected end of {tag}")

    def handle_data(self, data):
        if self.open[-1:] == ["style"]:
            return
        if "<" in data or "&" in data:
            self.fault(f"unescaped {data[:40]!r}")
        if data.strip() and (not self.open or self.open[-1] in {*ONLY, "html", "head", "body", "main", "thead", "tbody"}):
            self.fault(f"text {data[:40]!r} in {self.open[-1:]}")
        self.texts.append(data)

    def handle_entityref(self, name):
        if name not in ("lt", "gt", "amp", "quot"):
            self.fault(f"entity {name}")
        self.texts.append(html.unescape(f"&{name};"))

    def handle_charref(self, name):
        self.texts.append(html.unescape(f"&#{name};"))

    def handle_comment(self, data):
        self.fault("a comment")

    def _check(self, tag, given):
        if "id" in given:
            self.ids.append(given["id"])
            if not re.fullmatch(r"[a-z][a-z0-9-]*", given["id"] or ""):
                self.fault(f"id {given['id']!r}")
        if tag == "html":
            self.language = given.get("lang", "")
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.images.append(given.get("src", ""))
            self.alternatives.append(given.get("alt") or "")
            if len((given.get("alt") or "").split()) < 2:
                self.fault("an image without an alternative")
        if tag == "svg" and (given.get("role") != "img" or not given.get("aria-label")):
            self.fault("a drawing without an alternative")
        if tag == "svg" and 'viewBox="' not in self.get_starttag_text():
            self.fault("a drawing without viewBox")
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "th" and given.get("scope") not in ("row", "col"):
            self.fault("a heading of a table without scope")
        if tag == "time":
            datetime.datetime.strptime(given["datetime"], "%Y-%m-%dT%H:%M:%SZ")
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]


def read(path):
    """Read a page: `Reader`, with every fault found, those of its links to files and of its headings too."""
    path = pathlib.Path(path)
    text = path.read_bytes().decode("utf-8")
    reader = Reader()
    if not text.startswith('<!DOCTYPE html>\n<html lang="'):
        reader.fault("no doctype, or no language")
    if '<meta charset="utf-8">' not in text[:1024]:
        reader.fault("no charset at the beginning")
    if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\u202a-\u202e\u2066-\u2069]", text):
        reader.fault("a control character")
    reader.feed(text)
    reader.close()
    if reader.open:
        reader.fault(f"not closed: {reader.open}")
    reader.faults += [f"id {name} twice" for name in set(reader.ids) if reader.ids.count(name) > 1]
    levels = reader.levels
    if levels[:1] != [1] or levels.count(1) != 1 or any(low + 1 < high for low, high in itertools.pairwise(levels)):
        reader.fault(f"headings of levels {levels}")
    if text.count("<table>") != text.count("<caption>"):
        reader.fault("a table without a caption")
    for address in [*reader.images, *reader.links]:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme or parts.netloc or address.startswith("/"):
            reader.fault(f"{address} is not relative")
            continue
        file = path.parent / urllib.parse.unquote(parts.path)
        if not (file.exists() if parts.path else parts.fragment in reader.ids):
            reader.fault(f"{address} leads nowhere")
    if not reader.policy.startswith("default-src 'none'; img-src 'self'; style-src 'sha256-"):
        reader.fault(f"policy {reader.policy}")
    return reader
