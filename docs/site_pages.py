"""Pages of the site: those of this folder, with the sections of folder READMEs that they name put where they name them.

A line ``[Look at it](../../dataset_models/README.md#look-at-it) <!-- as section -->`` is a link where Markdown is read as it
is, and the section itself on the site. ``as title`` makes its heading the page's, ``as text`` leaves the heading out. A link
to a file without a section takes all that no other line names; ``as lead`` the title alone with what stands below it.
So a text stands in one place, and links between folders lead to the pages that have it.
"""

import functools
import os
import pathlib
import re
import typing

PROJECT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = PROJECT / "docs"
ROOMS = ("tools", "dataset_models", "network_models", "science")
GALLERY = PROJECT / "examples" / "gallery"
NOT_ON_THE_SITE = {("README.md", "where-to-read-on")}  # the site's navigation stands for it
_LINE = re.compile(
    r"^\[[^\]]+\]\((?P<file>[^)#]+)(?:#(?P<section>[^)]+))?\) <!-- as (?P<kind>title|section|text|lead) -->$", re.M
)
_LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<target>[^)\s]+)\)")
_INCLUDED = re.compile(r"^(```\{literalinclude\}) (\S+)$")
_HEADING = re.compile(r"^(#+) (.+)$")


class Part(typing.NamedTuple):
    """A section of a Markdown file: the level and text of its heading, and its lines, headings below it among them."""

    level: int
    heading: str
    lines: tuple

    @property
    def slug(self):
        """The anchor of its heading, as GitHub makes it; None of what stands above the first section."""
        return slug_of(self.heading) if self.level == 2 else None

    @property
    def slugs(self):
        """Anchors of the headings below its own: list of str."""
        return [slug_of(match[2]) for _, match in _headings(self.lines) if match]

    def as_lines(self, shift):
        """Write it with its headings `shift` levels further down: list of str, its own heading first."""
        below = [f"{'#' * (len(match[1]) + shift)} {match[2]}" if match else line for line, match in _headings(self.lines)]
        return [f"{'#' * (self.level + shift)} {self.heading}", *below]


def slug_of(heading):
    """Make the anchor of a heading, as GitHub does: str.

    Examples
    --------
    >>> slug_of("On a cluster (SLURM)")
    'on-a-cluster-slurm'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def parts_of(text):
    """Split a Markdown file at its title and its sections of the second level: list of Part."""
    parts = []
    for line, match in _headings(text.splitlines()):
        if match and len(match[1]) <= 2:
            parts.append(Part(len(match[1]), match[2], ()))
        elif parts:
            parts[-1] = parts[-1]._replace(lines=(*parts[-1].lines, line))
    return parts


def pages():
    """List the pages of this folder, relative to it: list of str."""
    found = (path.relative_to(SOURCE) for path in SOURCE.rglob("*.md"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_build")


class Site:
    """Which page has which section of which file.

    Raises
    ------
    ValueError
        A page names a section that is not there or that another page has.
    """

    def __init__(self):
        self.texts = {page: (SOURCE / page).read_text(encoding="utf-8") for page in pages()}
        self.places = {}  # (file, section): (page, kind); section None for what stands above the first one
        for page, text in self.texts.items():
            for match in _LINE.finditer(text):
                key = (_inside((SOURCE / page).parent / match["file"]), match["section"])
                if key in self.places:
                    raise ValueError(f"docs/{page}: {key[0]} {key[1] or ''} stands on {self.places[key][0]} already")
                self.places[key] = (page, match["kind"])
        self.parts = {file: parts_of((PROJECT / file).read_text(encoding="utf-8")) for file, _ in self.places}
        for file, section in self.places:
            if section and section not in {part.slug for part in self.parts[file]}:
                raise ValueError(f"docs/{self.places[file, section][0]}: {file} has no section {section}")

    def left_out(self):
        """List what no page has of the files that pages take sections of: list of (file, section)."""
        left = []
        for file, parts in self.parts.items():
            rest = self.places.get((file, None), (None, "lead"))[1] != "lead"
            wanted = {part.slug for part in parts} - ({part.slug for part in parts} if rest else set())
            left += [(file, section) for section in wanted if (file, section) not in self.places]
        return sorted(set(left) - NOT_ON_THE_SITE, key=str)

    def write(self, folder):
        """Write all pages below `folder`, those that have changed."""
        for page, text in self.texts.items():
            write(folder / page, self.page(page, text, folder))

    def page(self, page, text, folder):
        """Write one page with the sections that it names: str."""
        own, lines = _inside(SOURCE / page), []
        for line in text.splitlines():
            match = _LINE.match(line)
            if match is None:
                if included := _INCLUDED.match(line):
                    path = (SOURCE / page).parent / included[2]
                    line = f"{included[1]} {os.path.relpath(path.resolve(), (folder / page).parent)}"
                lines.append((own, line))
                continue
            file = _inside((SOURCE / page).parent / match["file"])
            taken = self._taken(file, match["section"], match["kind"])
            shift = (2 if match["kind"] == "section" else 1) - taken[0].level
            written = [line for part in taken for line in part.as_lines(shift)][match["kind"] == "text" :]
            lines += [(file, line) for line in [*written, ""]]
        linked = functools.partial(self._linked, page=page, folder=folder)
        code, texts = False, []
        for file, line in lines:
            begins = line.startswith("    ") and not (texts and texts[-1])
            code = begins or (code and (not line or line.startswith("    ")))
            texts.append(line if code else linked(file, line))
        return "\n".join(texts) + "\n"

    def _linked(self, file, line, *, page, folder):
        return _LINK.sub(lambda match: self._link(match["text"], match["target"], file, page, folder), line)

    def _taken(self, file, section, kind):
        if section:
            return [part for part in self.parts[file] if part.slug == section]
        if kind == "lead":
            return [part for part in self.parts[file] if part.slug is None]
        return [part for part in self.parts[file] if (file, part.slug) not in self.places or part.slug is None]

    def _link(self, text, target, file, page, folder):
        if "://" in target or target.startswith("mailto:"):
            return f"{text}({target})"
        path, _, anchor = target.partition("#")
        absolute = ((PROJECT / file).parent / path).resolve() if path else PROJECT / file
        if absolute.is_dir():
            return text[1:-1]
        place = self._page_of(_inside(absolute), anchor)
        if place is None:
            return f"{text}({os.path.relpath(absolute, (folder / page).parent)})"
        target, anchor = place
        target = "" if target == page and anchor else os.path.relpath(folder / target, (folder / page).parent)
        return f"{text}({target}{'#' + anchor if anchor else ''})"

    def _page_of(self, file, anchor):
        path = PROJECT / file
        if path.suffix == ".md" and path.is_relative_to(SOURCE):
            return path.relative_to(SOURCE).as_posix(), anchor
        if path.suffix == ".py" and path.is_relative_to(GALLERY):
            return f"gallery/{path.stem}.rst", ""
        if path.suffix == ".py" and file.split("/")[0] in ROOMS:
            return f"api/{module_of(path)}.rst", ""
        for part in self.parts.get(file, ()):
            if anchor and part.level > 1 and anchor in (part.slug, *part.slugs):
                alone = self.places.get((file, part.slug))
                page, kind = alone or self.places[file, None]
                return page, "" if alone and kind in ("text", "title") and anchor == part.slug else anchor
        found = self.places.get((file, None)) or next((place for key, place in self.places.items() if key[0] == file), None)
        return (found[0], "") if found else None


def module_of(path):
    """Name the module of a file of a room: str.

    Examples
    --------
    >>> module_of(PROJECT / "science" / "saliency" / "saliency.py")
    'science.saliency.saliency'
    """
    parts = path.resolve().relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def write(path, text):
    """Write a file unless it has that text already: Sphinx then reads again what has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _inside(path):
    return path.resolve().relative_to(PROJECT).as_posix()


def _headings(lines):
    """Pair each line with the match of its heading, or None; within fences there are none."""
    fenced = False
    for line in lines:
        fenced ^= line.startswith("```")
        yield line, None if fenced else _HEADING.match(line)
