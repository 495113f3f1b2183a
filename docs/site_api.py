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
    """Write the pages below `folder`: ``index.rst`` and one for each module. Pages of modules that are gone go."""
    found = modules()
    lines = ["API", "===", "", "Every function and class of the four rooms; those above use those below.", ""]
    for room, about in ROOMS.items():
        names = [name for name in found if name.split(".")[0] == room]
        lines += [room, "-" * len(room), "", about, "", ".. list-table::", "   :widths: 40 60", "   :class: modules", ""]
        for name in names:
            lines += [f"   * - :doc:`{name} <{name}>`", f"     - {found[name]}"]
        lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
    site_pages.write(folder / "index.rst", "\n".join(lines))
    for name in found:
        title = name.replace("_", r"\_")
        text = f"{title}\n{'=' * len(title)}\n\n.. automodule:: {name}\n   :members:\n   :member-order: bysource\n"
        site_pages.write(folder / f"{name}.rst", text)
    for path in folder.glob("*.rst"):
        if path.stem not in {*found, "index"}:
            path.unlink()
