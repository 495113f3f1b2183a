"""Verify flare forecasts: every score with an interval, beside the baselines that a forecast has to beat.

    python science/verification/verification.py [NAME=]FORECASTS.csv[,FOLD2.csv...] [MORE ...] --flares LIST --out FOLDER

A CSV has a time (time, timestamp, label or file: UTC, or file names that state it), a probability and a target, or gets
the target from the flare lists; several files joined by commas are folds of one cross-validation. With flare lists the
baselines are climatology, climatology of the 120 days before, persistence, flare rate and class table, fitted outside
the fold that is scored. --threshold best takes the threshold of the highest TSS on other folds, or on the hours before
--score_from. Flux forecasts (a run's
performance/validation_forecasts.csv) are verified by themselves, in dex and as forecasts of classes; the flags about
flares, events and training hours are not for them.

A published table of several methods (a date, an outcome rlz, a column of probabilities for each method) is compared with the
other files: each method on the days that it covers, and ours on the same days. Writes methods.csv and methods.png.

Prints a table and writes it with all scores as verification.json, and the pictures.
"""

import dataclasses
import pathlib

from dataset_models import flare_catalogue, simulation_mark
from network_models.forecasts import files as forecast_files
from science.verification import method_tables, output, regression, report
from tools import atomic_files, block_bootstrap, command_line, notes
from tools.errors import UserError
from tools.options import add_number
from tools.paths import Files, matching, no_file


def parse(text):
    """Split a word ``[NAME=]FILE[,FILE...]`` into (name or None, list of files).

    A path of a file that is there, and one with a folder before its first equals sign, has no name before it.

    Raises
    ------
    UserError
        No file is named.

    Examples
    --------
    >>> parse("AlexNet=fold1.csv,fold2.csv")
    ('AlexNet', ['fold1.csv', 'fold2.csv'])
    >>> parse("forecasts.csv")
    (None, ['forecasts.csv'])
    """
    name, equals, files = text.partition("=")
    path = pathlib.PurePath(name).name != name or name == ".." or pathlib.Path(text.split(",")[0]).exists()
    if not equals or path:
        name, files = None, text
    files = [part for part in files.split(",") if part]
    if not files:
        raise UserError(f"{text}: names no file; write NAME=FILE.csv" if text else "an empty word names no file")
    return name, files


def main(arguments=None):
    """Verify the forecasts of the given files."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument("forecasts", nargs="+", metavar="[NAME=]CSV[,CSV...]", help="forecasts, a file for each fold")
    forecast_files.add_flare_flags(parser, "the baselines and for outcomes that the files lack")
    text = (
        "of another time, on which climatology and class table are fitted (default: those of --flares outside what is scored)"
    )
    parser.add_argument("--training_flares", nargs="+", action=Files, metavar="LIST", help=text)
    parser.add_argument("--threshold", default="0.5", help="of a yes, or best: chosen on training hours (default: %(default)s)")
    parser.add_argument("--score_from", metavar="TIME", help="earlier hours are training time, later ones are scored")
    block_bootstrap.add_flags(parser)
    add_number(
        parser,
        "--level",
        float,
        least=1e-6,
        most=1 - 1e-6,
        says="give a share between 0 and 1, for example 0.95",
        default=0.95,
        help="of the intervals (default: %(default)s)",
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for verification.json and pictures")
    flags = parser.parse_args(arguments)
    words = files_of(flags.forecasts)
    settings = _settings(flags)
    files = [file for _, several in words for file in several]
    for file in files:
        if not pathlib.Path(file).is_file():
            raise UserError(f"{file}: no such file")
    published = [file for file in files if method_tables.is_table(file)]
    if published:
        _compare_methods(words, published, settings, flags)
        return
    fluxes = [file for file in files if regression.is_flux(file)]
    if fluxes:
        others = [file for file in files if file not in fluxes]
        if others:
            raise UserError(f"{fluxes[0]} holds fluxes, {others[0]} does not; verify fluxes and probabilities apart")
        _require_no_flags_of_probabilities(parser, flags)
    reserved = report.BASELINES if flags.flares or fluxes else ()
    names = [(name or pathlib.Path(several[0]).stem).replace("_", " ") for name, several in words]  # as pictures are called
    for place, name in enumerate(names):
        if name in names[:place] or name in reserved:
            what = "a baseline" if name in reserved else "another forecast"
            raise UserError(f"{words[place][1][0]}: {name} is the name of {what} too; name it otherwise: NAME=FILE")
    if fluxes:
        regression.run(words, settings, flags.out)
        return
    target = False if flags.flares else None
    forecasts = [forecast_files.read(several, name=name, target=target) for name, several in words]
    events, training = (flares_of(name, getattr(flags, name)) for name in ("flares", "training_flares"))
    if simulation_mark.of_any([*(flags.flares or ()), *(flags.training_flares or ())]):
        forecasts = [dataclasses.replace(forecast, simulated=True) for forecast in forecasts]
    result = report.verify(forecasts, events, settings, training=training)
    print("\n".join(output.table(result, settings)))
    output.write(flags.out, result, settings)
    print(f"wrote {flags.out}")


def files_of(texts):
    """Parse the words that name forecasts, patterns expanded: list of (name or None, files).

    The files of a pattern are folds after a name or beside a comma, else forecasts of their own, as from the shell.
    """
    words, unmatched = [], []
    for text in texts:
        name, parts = parse(text)
        files, missing = matching(parts)
        unmatched += missing
        alone = name is None and len(parts) == 1
        words += [(name, [file]) for file in files] if alone else [(name, files)] if files else []
    if not words:
        raise no_file(unmatched)
    for pattern in unmatched:
        notes.note(f"no file matches {pattern}")
    return words


def _compare_methods(words, published, settings, flags):
    """Compare a published table of methods with the forecasts of the other files."""
    others = [(name, several) for name, several in words if several[0] not in published]
    if len(published) > 1 or not others or any(len(several) > 1 for _, several in words if several[0] in published):
        raise UserError(f"{published[0]}: is a table of methods; give one such table, and forecasts to compare with it")
    if flags.flares or flags.training_flares or flags.score_from:
        raise UserError(f"{published[0]}: a table of methods has its own outcomes; leave out --flares and --score_from")
    methods = method_tables.read(published[0])
    ours = [forecast_files.read(several, name=name, target=False) for name, several in others]
    rows = method_tables.compare(methods, ours, settings)
    print("\n".join(method_tables.lines(rows, settings)))
    with atomic_files.results(flags.out) as folder:
        title = f"{pathlib.Path(published[0]).stem.replace('_', ' ')}: each method on its own days"
        simulated = any(forecast.simulated for forecast in ours)
        method_tables.write(folder, rows, settings, title=title, simulated=simulated)
    print(f"wrote {flags.out}")


def _require_no_flags_of_probabilities(parser, flags):
    """Raise a `UserError` for a flag that means nothing for fluxes, rather than results that it had no part in."""
    if flags.threshold == "best":
        raise UserError("--threshold best: is chosen for probabilities; fluxes are read as classes with one that you give")
    for name in ("flares", "training_flares", "score_from", "event", "window", "flares_until", "history_age"):
        if getattr(flags, name) != parser.get_default(name):
            raise UserError(f"--{name}: is for forecasts of probabilities; leave it out for fluxes")


def flares_of(name, paths):
    """Read the flares of the lists given with a flag: pandas.DataFrame, or None without lists."""
    if not paths:
        return None
    events = flare_catalogue.read(paths).events
    if not len(events):
        raise UserError(f"--{name}: the lists hold no flare; give lists of the forecasts' dates")
    return events


def _settings(flags):
    """Check flags and convert them to `report.Settings`."""
    from dataset_models import observation_times

    try:
        threshold = None if flags.threshold == "best" else float(flags.threshold)
    except ValueError as error:
        raise UserError(f"--threshold {flags.threshold}: give a probability, or best") from error
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold {threshold:g}: give a probability from 0 to 1, or best")
    window, event, until, age = forecast_files.flare_flags(flags)
    return report.Settings(
        threshold=threshold,
        score_from=observation_times.given_time("--score_from", flags.score_from) if flags.score_from else None,
        window=window,
        event=event,
        block_days=flags.block,
        samples=flags.samples,
        seed=flags.seed,
        level=flags.level,
        history_age=age,
        flares_until=until,
    )


if __name__ == "__main__":
    command_line.run(main)
