"""A page for each module of the rooms, and one that lists them, made from what the files say."""

import ast

import site_pages

ROOMS = {
    "science": "What a trained network has learned.",
    "network_models": "The networks and how they are trained.",
    "dataset_models": "How solar data reaches a network.",
    "tools": "Helpers that know nothing of the Sun's archives.",
}


def modules():
    """Find the public modules of the rooms that have a docstring: dict of str to str, name and first line."""
    found = {}
    for room in ROOMS:
        for path in sorted((site_pages.PROJECT / room).rglob("*.py")):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            hidden = any(part.startswith("_") and part != "__init__" for part in path.with_suffix("").parts)
            if text and not hidden and "trained_models" not in path.parts:
                found[site_pages.module_of(path)] = text.split("\n\n")[0].replace("\n", " ")
    return found


def write(folder):
    """Write the pages below `folder`: ``index.rst``, one for each room and module. Pages of modules that are gone go."""
    found = modules()
    lines = ["API", "===", "", "Every function and class of the four rooms; those above use those below.", ""]
    for room, about in ROOMS.items():
        lines += [f":doc:`{room}`", f"   {about}", ""]
    site_pages.write(folder / "index.rst", "\n".join([*lines, *_contents({room: room for room in ROOMS})]))
    for room, about in ROOMS.items():
        names = {name: name.partition(".")[2] for name in found if name.startswith(f"{room}.")}
        lines = [*_title(room), about, ""]
        for name, short in names.items():
            lines += [f":doc:`{short} <{name}>`", f"   {found[name]}", ""]
        site_pages.write(folder / f"{room}.rst", "\n".join([*lines, *_contents(names)]))
    for name in found:
        lines = [*_title(name), f".. automodule:: {name}", "   :members:", "   :member-order: bysource", ""]
        site_pages.write(folder / f"{name}.rst", "\n".join(lines))
    for path in folder.glob("*.rst"):
        if path.stem not in {*found, *ROOMS, "index"}:
            path.unlink()


def _title(name):
    name = name.replace("_", r"\_")
    return [name, "=" * len(name), ""]


def _contents(names):
    return [".. toctree::", "   :hidden:", "", *(f"   {short} <{name}>" for name, short in names.items()), ""]
