"""Pages say what is there: links, paths, names of functions, pinned versions. Their commands: test_readmes.py."""

import ast
import pathlib
import re

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ("tools", "dataset_models", "network_models", "science")
FOLDERS = (*ROOMS, "software_tests", "benchmarks", "examples", "docs")
PAGES = sorted(
    path.relative_to(PROJECT).as_posix()
    for path in [*PROJECT.glob("*.md"), *(file for folder in FOLDERS for file in (PROJECT / folder).rglob("*.md"))]
    if not {"trained_models", "_build"} & set(path.parts)
)


def text_of(page):
    return (PROJECT / page).read_text(encoding="utf-8")


def anchors(page):
    """Anchors of a page's headings, as GitHub makes them: set of str."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def definitions():
    """Names that the rooms define, alone and as ``file.name`` and ``Class.method``: set of str."""
    found = set()
    for room in ROOMS:
        for path in (PROJECT / room).rglob("*.py"):
            stem = path.parent.name if path.stem == "__init__" else path.stem
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    found |= {node.name, f"{stem}.{node.name}"}
                if isinstance(node, ast.ClassDef):
                    found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
                    found |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


def test_the_readme_is_short():
    assert text_of("README.md").count("\n") < 150


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_lead_somewhere(page):
    text = text_of(page)
    here = (PROJECT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (here / file).resolve() if file else PROJECT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.relative_to(PROJECT)), target
    for path in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w/.]*)`", text):
        assert (PROJECT / path).exists(), path


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)\s#]+\.md)", text_of(page))
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text_of(page), re.DOTALL):
            entries = [re.sub(r".+<(.+)>$", r"\1", line) for line in block.splitlines() if line and line[0] != ":"]
            targets += [f"{entry}.md" for entry in entries if entry not in MADE]
        for target in targets:
            if "://" not in target:
                waiting.append(((PROJECT / page).parent / target).resolve().relative_to(PROJECT).as_posix())
    assert set(PAGES) - reached <= {"software_tests/golden/README.md"}  # CONTRIBUTING.md names the folder


def test_names_of_the_architecture_page_are_defined():
    known = definitions()
    words = re.findall(r"`([A-Za-z_][\w.]*)`", text_of("docs/architecture.md"))
    names = [word for word in words if not word.endswith((".py", ".yml")) and word not in FOREIGN]
    assert len(names) > 60
    assert [name for name in names if name not in known] == []


@pytest.mark.parametrize("room", ROOMS)
def test_the_picture_of_the_architecture_page_has_every_folder(room):
    picture = text_of("docs/architecture.md").split("```")[1]
    part = re.search(rf"^{room}/(.*?)(?:^▼|\Z)", picture, re.MULTILINE | re.DOTALL).group(1)
    words = [word for word in part.replace("│", " ").split() if word.endswith(("/", ".py"))]
    assert [word for word in words if not (PROJECT / room / word).exists()] == []
    named_by_the_one_above = {"SDO", "fdl1", "starting_point", "flux_history"}
    folders = {path.parent.name for path in (PROJECT / room).rglob("__init__.py")} - {room, *named_by_the_one_above}
    folders = {folder for folder in folders if not folder.startswith("copied_in_a_test")}  # by test_network_file.py
    assert {folder for folder in folders if not any(folder in word.split("/") for word in words)} == set()


MADE = {"gallery/index", "api/index"}  # when the site is built
FOREIGN = {"Conv2D", "MirroredStrategy", "options.block_channels", "loss", "val_loss", "software_tests", "benchmarks"}


def test_pre_commit_has_the_pinned_version_of_ruff():
    pinned = re.search(r"^ruff==(.+)$", text_of("constraints.txt"), re.MULTILINE).group(1)
    hooks = text_of(".pre-commit-config.yaml")
    assert re.search(r"ruff-pre-commit\n\s+rev: v(.+)", hooks).group(1) == pinned
