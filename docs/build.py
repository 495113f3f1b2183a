"""Build the site: `make docs`. Its sources are assembled in docs/_build/pages, the site is docs/_build/html/index.html.

The notebooks of the gallery are run, those that have changed since they were last. Nothing is fetched.
"""

import argparse
import os
import pathlib
import re
import sys
import time

import site_api
import site_gallery
import site_pages

BUILD = site_pages.SOURCE / "_build"


def assemble(build):
    """Write what Sphinx reads below `build`: pages, the API's pages and the gallery's scripts."""
    site = site_pages.Site()
    site.write(build / "pages")
    site_api.write(build / "pages" / "api")
    site_gallery.write(build / "gallery_scripts")


def build_site(build, *, gallery=True):
    """Assemble and build the site.

    Parameters
    ----------
    build : pathlib.Path
        The folder for it.
    gallery : bool
        Run the notebooks.

    Returns
    -------
    int
        0, or another number where there was a warning.
    """
    from sphinx.cmd.build import main as sphinx

    assemble(build)
    if gallery:
        from dataset_models.simulated.practice import practice

        practice()  # or its three minutes would be those of the first notebook
    run = "1" if gallery else "0"
    folders = ["-c", site_pages.SOURCE, "-d", build / "doctrees", build / "pages", build / "html"]
    return sphinx(["-W", "--keep-going", "-q", "-D", f"plot_gallery={run}", *map(str, folders)])


def seconds_of_notebooks(pages):
    """List how long each notebook took when it was last run: dict of str to float, seconds by name."""
    found = {}
    for path in sorted((pages / "gallery").glob("*.rst")):
        if match := re.search(r"Total running time.*?\((\d+) minutes ([\d.]+) seconds\)", path.read_text(encoding="utf-8")):
            found[path.stem] = 60 * int(match[1]) + float(match[2])
    return found


def main(arguments=None):
    """Build the site, and say how long it took and how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-gallery", action="store_true", help="do not run the notebooks: their pages have no pictures")
    parser.add_argument("--out", type=pathlib.Path, default=BUILD, help="folder for all that is written (docs/_build)")
    given = parser.parse_args(arguments)
    os.environ.setdefault("SOLAR_CACHE", str(given.out.resolve() / "cache"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    start = time.monotonic()
    code = build_site(given.out.resolve(), gallery=not given.no_gallery)
    html = given.out.resolve() / "html"
    size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
    seconds = seconds_of_notebooks(given.out.resolve() / "pages")
    for name, took in seconds.items():
        print(f"{name}: {took:.0f} s")
    print(f"all notebooks, when they were last run: {sum(seconds.values()):.0f} s")
    print(f"{html / 'index.html'}: {time.monotonic() - start:.0f} s, {size / 1e6:.0f} MB")
    return code


if __name__ == "__main__":
    sys.exit(main())
