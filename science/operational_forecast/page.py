"""Write the web page of a log of forecasts: the newest with its map, regions and reasons, and what the last ones were worth.

    python science/operational_forecast/page.py LOG --out FOLDER [--flares LIST ...] [--scores FOLDER] [--title TEXT]

FOLDER/index.html is a static page for any web server, or to be opened as a file: no script, nothing from elsewhere. The map is
taken from the folder maps beside LOG, reliability and skill from what verify.py wrote into --scores. Written again after each
forecast it shows the newest one; pictures come first, the page last, and those that only an earlier page had go.
"""

import contextlib
import datetime
import pathlib
import shutil

import numpy

from dataset_models import flare_catalogue, flare_labels, simulation_mark
from dataset_models.observation_times import given_time
from network_models.forecasts.exchange.issued import text_of
from science.operational_forecast import chain, page_history, page_sections
from tools import atomic_files, command_line, tables, web_pages
from tools.errors import UserError
from tools.paths import Files, inside
from tools.reading import raw_files

PAGE = "index.html"
TITLE = "Flare forecast"
SIMULATED = "SIMULATED: this is a forecast of a simulated Sun, not of the real one"
_MAP, _SCORE = "forecast-map_", "forecast-scores_"  # of pictures; they sort before the page, which refers to them


def write(folder, log, *, catalogue=None, until=None, scores=None, title=TITLE, now=None):
    """Write the page of a log.

    Parameters
    ----------
    folder : str or pathlib.Path
    log : str or pathlib.Path
    catalogue : dataset_models.flare_catalogue.Catalogue, optional
    until : numpy.datetime64, optional
        When the flare lists are complete beyond their last flare.
    scores : str or pathlib.Path, optional
        Folder that verify.py wrote.
    title : str
    now : numpy.datetime64, optional
        Time of the page; by default that of the clock.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    UserError
        The log is broken or empty, the scores cannot be read, simulated flares or scores are given for observed forecasts or
        the other way round, or `folder` cannot be written to. Nothing is written then.
    """
    folder, log = pathlib.Path(folder), pathlib.Path(log)
    now = numpy.datetime64(datetime.datetime.now(datetime.UTC).replace(tzinfo=None), "s") if now is None else now
    raw_files.regular_file(log, advice="give a log that forecast.py wrote")
    state = chain.verify(log)
    records = chain.read(log)[: state.count]  # a line may have come since
    standing = chain.current(records)
    if not standing:
        raise UserError(f"{log}: holds no forecast that stands; make one with forecast.py")
    newest = standing[-1]
    found = map_beside(log, newest)
    table, pictures = (None, []) if scores is None else read_scores(scores)
    given = {"--flares": None if catalogue is None else catalogue.simulated}
    given["--scores"] = None if table is None else simulation_mark.of_table(table)
    for flag, simulated in given.items():
        if simulated is not None and simulated != newest.forecast.simulated:
            words = ("observed", "simulated")
            kinds = f"{words[simulated]}, the forecasts of {log} {words[newest.forecast.simulated]}"
            raise UserError(f"{flag}: is of a Sun that is {kinds}; give what belongs to them")
    history = page_history.gather(standing, catalogue, now, until=until)
    with atomic_files.results(folder) as unfinished:
        page = unfinished / PAGE
        shown = None
        if found is not None:
            shown = _copied(found, unfinished / f"{_MAP}{found.name}")
        drawn = [_copied(path, unfinished / f"{_SCORE}{atomic_files.safe_name(path.name)}") for path in pictures]
        sections = [
            page_sections.forecast(newest),
            page_sections.map_of(newest, shown, page),
            page_sections.regions(newest),
            page_sections.reasons(newest),
            page_sections.last_days(history),
            page_sections.skill(table, drawn, page),
            page_sections.passport(newest),
            page_sections.log(state, sum(map(chain.in_hindsight, records)), newest, log),
        ]
        markup = web_pages.document(
            title,
            sections,
            lead=page_sections.warnings(newest, now),
            banner=SIMULATED if newest.forecast.simulated else None,
            description=f"Probabilities of solar flares, issued {text_of(newest.forecast.issued)}",
            footer=[web_pages.element("p", "Page made ", web_pages.moment(now), ".", class_="faint")],
        )
        web_pages.write(page, markup)
    kept = {path.name for path in (shown, *drawn) if path is not None}
    for path in [*folder.glob(f"{_MAP}*.png"), *folder.glob(f"{_SCORE}*.png")]:
        if path.name not in kept:
            with contextlib.suppress(OSError):
                path.unlink()
    return folder / PAGE


def map_beside(log, newest):
    """Find the map of a forecast beside its log: pathlib.Path, or None where there is none.

    Raises
    ------
    UserError
        The name in the log is none of a file in the folder ``maps``.
    """
    if newest.map is None:
        return None
    path = inside(log.parent / "maps", f"{newest.map}.png")
    return path if web_pages.png_size(path) else None


def read_scores(folder):
    """Read what verify.py wrote.

    Parameters
    ----------
    folder : str or pathlib.Path

    Returns
    -------
    pandas.DataFrame
        A row for each source of forecasts and event: name, event, brier_skill, and other scores.
    list of pathlib.Path
        Pictures, those of M1.0 first.

    Raises
    ------
    UserError
        scores.csv is missing or damaged.
    """
    folder = pathlib.Path(folder)
    path = folder / "scores.csv"
    numbers = [name for name in tables.header(path) if name.startswith(page_sections.SCORES)]
    hours = ["hours"] if "hours" in tables.header(path) else []  # which forecasts are compared
    needed = ("brier_skill", "brier_skill_low", "brier_skill_high")
    advice = "make it with verify.py"
    table = tables.read(path, numbers=dict.fromkeys((*needed, *numbers)), texts=("name", "event", *hours), advice=advice)
    pictures = sorted(folder.glob("*.png"), key=lambda one: ("M1.0" not in one.name, one.name))
    return table, [path for path in pictures if web_pages.png_size(path)]


def _copied(path, to):
    try:
        shutil.copyfile(path, to)
    except OSError as error:
        if error.filename == str(path):
            raise UserError(f"{path}: cannot be read ({error.strerror}); give another file") from error
        raise
    return to


def main(arguments=None):
    """Write the page."""
    parser = command_line.parser(__doc__)
    parser.add_argument("log", metavar="LOG", type=pathlib.Path, help="log of forecasts")
    parser.add_argument("--out", metavar="FOLDER", type=pathlib.Path, required=True, help="for the page and its pictures")
    parser.add_argument("--flares", nargs="+", action=Files, metavar="LIST", help="flare lists, for what came")
    parser.add_argument("--flares_until", metavar="TIME", help=flare_labels.UNTIL_HELP)
    parser.add_argument("--scores", metavar="FOLDER", type=pathlib.Path, help="what verify.py wrote")
    parser.add_argument("--title", default=TITLE, help="of the page (default: %(default)s)")
    flags = parser.parse_args(arguments)
    until = given_time("--flares_until", flags.flares_until) if flags.flares_until else None
    catalogue = flare_catalogue.read(flags.flares) if flags.flares else None
    page = write(flags.out, flags.log, catalogue=catalogue, until=until, scores=flags.scores, title=flags.title)
    print(page)


if __name__ == "__main__":
    command_line.run(main)
