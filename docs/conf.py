"""Sphinx's settings. `make docs` writes the sources of the site to docs/_build/pages (build.py) and begins here."""

import pathlib
import re

PROJECT = pathlib.Path(__file__).resolve().parents[1]

project = "Deep learning on images of the Sun"
author = "The developers of this project"
project_copyright = author
release = version = re.search(r"^version: (.+)$", (PROJECT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
default_role = "py:obj"
add_module_names = False
highlight_language = "none"  # indented blocks of the pages are commands
smartquotes = False  # flags begin with two hyphens
nitpicky = False  # numpydoc's words of types are no links

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_typehints = "none"
autodoc_inherit_docstrings = False  # Keras writes its own in Markdown
numpydoc_show_class_members = False  # automodule has them

sphinx_gallery_conf = {
    "examples_dirs": "../gallery_scripts",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "image_scrapers": ("site_gallery.scraper",),
    "reset_modules": ("site_gallery.reset",),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": False,
    "show_signature": False,
    "write_computation_times": False,  # their page loads scripts from elsewhere
    "ignore_repr_types": "Figure",  # shown as pictures
}

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "Solar forecasting"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_toc_level": 2,
}
html_sidebars = {"index": []}
copybutton_exclude = ".linenos, .gp, .go"


def commands_as_code(app, what, name, obj, options, lines):
    """Show the indented lines of a module's docstring, which are commands, as such."""
    if what != "module":
        return
    for number in reversed(range(1, len(lines))):
        before = next((line for line in reversed(lines[:number]) if line), "")
        if (
            lines[number].startswith("    ")
            and not lines[number - 1]
            and not before.startswith(" ")
            and not before.endswith("::")
        ):
            lines[number:number] = ["::", ""]


def without_places(app, docname, source):
    """Leave out where the site was built, which notebooks print with the files that they read."""
    if docname.startswith("gallery/"):
        source[0] = source[0].replace(f"{app.srcdir.parent}/", "")


def setup(app):
    """Connect the above."""
    app.connect("source-read", without_places)
    app.connect("autodoc-process-docstring", commands_as_code, priority=100)  # before numpydoc
