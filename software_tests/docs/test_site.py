"""The site's sources: each section on one page, links that lead somewhere, notebooks and modules with a page each."""

import ast
import itertools
import os
import pathlib
import re
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
GALLERY = sorted((PROJECT / "examples" / "gallery").glob("*.py"))


@pytest.fixture(scope="module")
def site_modules():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(PROJECT / "docs"))
        import site_api
        import site_gallery
        import site_pages

        yield site_pages, site_api, site_gallery


@pytest.fixture(scope="module")
def sources(site_modules, tmp_path_factory):
    """What Sphinx reads: folder."""
    folder = tmp_path_factory.mktemp("site")
    pages, api, _ = site_modules
    pages.Site().write(folder)
    (folder / "api").mkdir()
    (folder / "api" / "science.gone.rst").touch()
    api.write(folder / "api")
    return folder


@pytest.fixture
def small(site_modules, tmp_path, monkeypatch):
    """Make a project of two files: a page of docs, and the README of a room. The function that takes their texts."""
    pages, *_ = site_modules
    monkeypatch.setattr(pages, "PROJECT", tmp_path)
    monkeypatch.setattr(pages, "SOURCE", tmp_path / "docs")
    monkeypatch.setattr(pages, "GALLERY", tmp_path / "examples" / "gallery")

    def make(readme, **texts):
        (tmp_path / "docs").mkdir()
        (tmp_path / "science").mkdir()
        (tmp_path / "science" / "README.md").write_text(readme, encoding="utf-8")
        for name, text in texts.items():
            (tmp_path / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
        return pages.Site()

    return make


def prose(text):
    """The lines of a page that are neither code nor directives: list of str."""
    lines, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and not line.startswith("    "):
            lines.append(line)
    return lines


def test_every_section_of_a_readme_is_on_the_site(site_modules):
    site = site_modules[0].Site()
    assert site.left_out() == []
    folders = ("tools", "dataset_models", "network_models", "science", "benchmarks", "examples")
    readmes = {path.relative_to(PROJECT).as_posix() for folder in folders for path in (PROJECT / folder).rglob("*.md")}
    readmes = {readme for readme in readmes if "trained_models" not in readme}
    assert len(readmes) > 10
    assert readmes <= set(site.parts)


def test_links_of_the_pages_lead_somewhere(sources, site_modules):
    notebooks = {f"gallery/{path.stem}.rst" for path in GALLERY} | {"gallery/index.rst"}
    checked = 0
    for page in sources.rglob("*.md"):
        for target, anchor in re.findall(
            r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)", "\n".join(prose(page.read_text(encoding="utf-8")))
        ):
            if "://" in target:
                continue
            path = pathlib.Path(os.path.normpath(page.parent / target)) if target else page
            inside = path.relative_to(sources).as_posix() if path.is_relative_to(sources) else ""
            assert path.is_file() or inside in notebooks, f"{page.name}: {target}"
            if anchor:
                headings = [line.lstrip("# ") for line in prose(path.read_text(encoding="utf-8")) if line.startswith("#")]
                assert anchor in map(site_modules[0].slug_of, headings), f"{page.name}: {target}#{anchor}"
            checked += 1
    assert checked > 80


def test_files_that_pages_include_are_there(sources):
    included = {}
    for page in sources.rglob("*.md"):
        for name in re.findall(r"^```\{literalinclude\} (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            included[name] = (page.parent / name).is_file()
    assert len(included) == 4
    assert all(included.values()), included


def test_headings_of_a_page_begin_with_one_title_and_leave_no_level_out(sources):
    for page in sources.rglob("*.md"):
        levels = [len(line) - len(line.lstrip("#")) for line in prose(page.read_text(encoding="utf-8")) if line.startswith("#")]
        assert levels[0] == 1, page
        assert levels.count(1) == 1, page
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), page


def test_every_page_is_in_a_table_of_contents(sources):
    named = set()
    for page in sources.rglob("*.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            entries = [re.sub(r".+<(.+)>$", r"\1", line) for line in block.splitlines() if line and not line.startswith(":")]
            named |= {os.path.normpath((page.parent / entry).relative_to(sources)) for entry in entries}
    pages = {page.relative_to(sources).with_suffix("").as_posix() for page in sources.rglob("*.md")}
    assert pages - named == {"index"}
    assert named - pages == {"gallery/index", "api/index"}


def test_sections_stand_where_pages_name_them(small, tmp_path):
    readme = "# Science\n\nLead, [mine](#maps).\n\n## Maps\n\n### How\n\nSee [that](../docs/b.md), [code](saliency.py).\n"
    readme += "\n## Rest\n\nend\n"
    site = small(
        readme,
        a="[x](../science/README.md#maps) <!-- as title -->\n\nown\n",
        b="# B\n\n[y](../science/README.md) <!-- as section -->\n",
    )
    (tmp_path / "science" / "saliency.py").touch()
    assert site.page("a.md", site.texts["a.md"], tmp_path / "out").split("\n") == [
        *("# Maps", "", "## How", "", "See [that](b.md), [code](api/science.saliency.rst).", "", "", "", "own", ""),
    ]
    assert site.page("b.md", site.texts["b.md"], tmp_path / "out").split("\n") == [
        *("# B", "", "## Science", "", "Lead, [mine](a.md).", "", "### Rest", "", "end", "", ""),
    ]
    assert site.left_out() == []


def test_what_no_page_takes_is_named(small):
    site = small(
        "# S\n\n## A\n\n## B\n",
        a="[x](../science/README.md) <!-- as lead -->\n\n[x](../science/README.md#a) <!-- as text -->\n",
    )
    assert site.left_out() == [("science/README.md", "b")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[x](../science/README.md#gone) <!-- as title -->\n", "has no section gone"),
        (
            "[x](../science/README.md#a) <!-- as title -->\n\n[x](../science/README.md#a) <!-- as text -->\n",
            "stands on p.md already",
        ),
    ],
)
def test_pages_that_name_what_is_not_there_or_twice_are_refused(small, text, words):
    with pytest.raises(ValueError, match=words):
        small("# S\n\n## A\n", p=text)


def test_headings_inside_code_are_no_sections(site_modules):
    parts = site_modules[0].parts_of("# T\n\n```\n## no\n```\n\n## Yes\n")
    assert [part.heading for part in parts] == ["T", "Yes"]


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_notebooks_keep_their_code_and_text(path, site_modules):
    text = path.read_text(encoding="utf-8")
    converted = site_modules[2].converted(text)
    assert ast.dump(ast.parse(text)) == ast.dump(ast.Module(ast.parse(converted).body[1:], []))
    title, line, *_ = ast.get_docstring(ast.parse(converted)).splitlines()
    assert title == re.search(r"^# # (.+)$", text, re.MULTILINE)[1]
    assert line == "=" * len(title)
    headings = re.findall(r"^# ## (.+)$", text, re.MULTILINE)
    assert all(f"# %%\n# {heading}\n# {'-' * len(heading)}\n" in converted for heading in headings)


def test_text_of_notebooks_becomes_restructured(site_modules):
    text = "# %% [markdown]\n# # T\n#\n# `a.py` of [us](https://x.y/z)\n\n# %%\nx = 1\n"
    assert site_modules[2].converted(text) == '"""\nT\n=\n\n\n``a.py`` of `us <https://x.y/z>`__\n"""\n\n# %%\nx = 1\n'


def test_pictures_appear_below_the_cell_that_shows_them(site_modules, tmp_path, monkeypatch):
    pytest.importorskip("sphinx_gallery")
    from tools import figures

    gallery = site_modules[2]
    monkeypatch.setattr(figures, "show", figures.show)  # put back at the end
    gallery.reset({}, "")
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(name.encode())
    figures.show(tmp_path / "b.png", tmp_path / "none.png", tmp_path / "a.png")
    places = iter([str(tmp_path / f"page_{number}.png") for number in range(4)])
    variables = {"image_path_iterator": places, "example_globals": {}}
    text = gallery.scraper((), variables, {"src_dir": str(tmp_path)})
    assert set(re.findall(r"page_\d", text)) == {"page_0", "page_1"}
    assert (tmp_path / "page_0.png").read_bytes() == b"b.png"
    assert gallery.scraper((), variables, {"src_dir": str(tmp_path)}) == ""

    class Figure:
        def _repr_png_(self):
            return b"drawn"

    variables["example_globals"]["___"] = Figure()  # what a cell ends with, as sphinx-gallery keeps it
    assert "page_2" in gallery.scraper((), variables, {"src_dir": str(tmp_path)})
    assert (tmp_path / "page_2.png").read_bytes() == b"drawn"
    assert gallery.scraper((), variables, {"src_dir": str(tmp_path)}) == ""  # a cell without a last value


def test_every_module_has_a_page_and_gone_ones_none(sources, site_modules):
    rooms = site_modules[1].ROOMS
    names = {path.stem for path in (sources / "api").glob("*.rst")} - {"index", *rooms}
    files = {path.relative_to(PROJECT).with_suffix("") for room in rooms for path in (PROJECT / room).rglob("*.py")}
    files = {file for file in files if file.name != "__init__" and "trained_models" not in file.parts}
    assert {".".join(file.parts) for file in files} <= names
    assert "science.gone" not in names
    assert {"science.saliency.saliency", "network_models.layers"} <= names
    listed = "".join((sources / "api" / f"{room}.rst").read_text(encoding="utf-8") for room in rooms)
    assert [name for name in sorted(names) if f" <{name}>`" not in listed] == []


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx_gallery")
    command = [sys.executable, str(PROJECT / "docs" / "build.py"), "--no-gallery", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    loaded = set()
    for page in (tmp_path / "html").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded |= set(re.findall(r'<(?:script|img|iframe)[^>]* src="((?:https?:)?//[^"]*)"', text))
        loaded |= set(re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="((?:https?:)?//[^"]*)"', text))
    assert loaded == set()  # nothing from elsewhere
