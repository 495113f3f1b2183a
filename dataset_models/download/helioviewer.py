"""JPEG 2000 images of SDO from Helioviewer: HMI magnetograms, continuum, AIA, or any other source it has.

    python dataset_models/download/helioviewer.py --start 2022-08-01 --end 2022-08-08 --cadence 60 --out data/HMI_jp2
    python dataset_models/download/helioviewer.py --source 18 --cadence 12 --start 2022-08-01 --end 2022-08-02 --out data/HMI_c
    python dataset_models/download/helioviewer.py --flares flares.csv --least_class M1.0 --cadence 60 \\
        --start 2022-01-01 --end 2023-01-01 --out data/before_flares
    python dataset_models/download/helioviewer.py --flares flares.csv --before 6 --after 6 --cadence 12 --source 18 19 \\
        --start 2022-01-01 --end 2023-01-01 --out data/around_flares --dry-run --list frames.csv --list_flares flares_with.csv
    python dataset_models/download/helioviewer.py --out data/HMI_jp2 --repair

The archive is first asked which image is closest to each time; one further away than --tolerance is not fetched. The others
are fetched by their number, DATE_OBS in each file is compared, and it is stored under its own time, so that no image is
fetched twice. With --flares: from ten hours before each flare's peak to the peak, or as --before, --after and --lead say, as
<flare>/<source>/<time>.jp2. Several sources are fetched at the same times. What no check can see is a flipped bit inside a
JPEG 2000 body, which has no checksum.
"""

import contextlib
import json
import re

import numpy

from dataset_models.download import checks, fetcher, script
from tools import command_line
from tools.errors import UserError
from tools.options import add_number
from tools.paths import archive_url, data_path
from tools.reading import structures

ARCHIVE = "Helioviewer"
MAGNETOGRAM = 19
_BEFORE = 10.0  # hours before a flare
_WITHIN = 2.0  # seconds of DATE_OBS from the time that the archive says
_SETTLED = numpy.timedelta64(3, "D")  # after this the closest image stays the closest


def parse_closest(body):
    """Read the answer of getClosestImage: (number, ``datetime64[s]``).

    Raises
    ------
    dataset_models.download.checks.Rejected
        It answers something else.
    """
    try:
        answer = structures.parse_json(body, "the answer")
    except UserError:
        raise checks.Rejected(f"answers {body[:80].decode('utf-8', 'replace')!r} instead of JSON") from None
    if not isinstance(answer, dict) or "id" not in answer or "date" not in answer:
        complaint = answer.get("error") or answer.get("message") if isinstance(answer, dict) else None
        raise checks.Rejected(f"answers: {str(complaint or json.dumps(answer))[:100]}")
    try:
        return _image(answer["id"], str(answer["date"]).replace(" ", "T").removesuffix("Z"))
    except (ValueError, TypeError, OverflowError) as error:
        raise checks.Rejected(f"answers {json.dumps(answer)[:100]}, which holds no number and time") from error


def _image(number, time):
    """Check the number and the time of an image: str, ``datetime64[s]``. Raises ValueError, TypeError or OverflowError."""
    number, time = int(number), numpy.datetime64(time, "s")
    if not (0 <= number < 1 << 63 and numpy.datetime64("1990", "s") <= time < numpy.datetime64("2200", "s")):
        raise ValueError("no number or time of an image")
    return str(number), time


def name_of(time, source):
    """Return the name of an image in a tree by date: str."""
    date, clock = str(numpy.datetime64(time, "s")).split("T")
    kind = {18: "HMI_HMI_continuum", 19: "HMI_HMI_magnetogram"}.get(source)
    if source in checks.AIA_SOURCES:
        kind = f"AIA_AIA_{checks.AIA_SOURCES[source]}"
    stamp = f"{date.replace('-', '_')}__{clock.replace(':', '_')}_000"
    return f"{date.replace('-', '/')}/{stamp}__{f'SDO_{kind}' if kind else f'source_{source}'}.jp2"


def folder_of(flare):
    """Folder of the images of a flare (`script.FlareFrames`): its peak and class."""
    return f"{re.sub('[-:]', '', str(flare.when))}_{flare.goes_class}"


def find(places, source, book, fetch, *, url, tolerance):
    """Images closest to times.

    Parameters
    ----------
    places : list of (numpy.datetime64, callable)
        Time wanted, and ``place(observed)``, which gives the path of the image.
    source : int
    book : manifest.Manifest
    fetch : fetcher.Fetcher
    url : str
    tolerance : timedelta64

    Returns
    -------
    list of fetcher.Wanted, dict of time to str, fetcher.Summary
        Files; times for which the archive has nothing near, and why; and times that it did not answer for.
    """
    questions = {}
    for time, _ in places:
        questions.setdefault(f"{url}/getClosestImage/?date={time}Z&sourceId={source}", time)
    answers, summary = {}, fetcher.Summary()
    for asked, time in questions.items():
        with contextlib.suppress(ValueError, TypeError, LookupError, OverflowError):  # none remembered, or none that is one
            answers[time] = _image(*book.answer(asked))
    remaining = [asked for asked, time in questions.items() if time not in answers]
    for asked, answer in fetch.get_all(remaining, parse_closest, desc="closest images"):
        time = questions[asked]
        if isinstance(answer, fetcher.NotFetched):
            summary.add(f"{time}Z", "not fetched", str(answer))
            continue
        answers[time] = answer
        if answer is not None and numpy.datetime64("now", "s") - time > _SETTLED:
            book.remember(asked, [answer[0], str(answer[1])])
    of_source = [why for why in summary.troubles.values() if "source" in why.lower()]
    if of_source and not answers:
        raise UserError(f"--source {source}: {of_source[0].removeprefix('not fetched: ')}")
    wanted, missing = [], {}
    for time, place in places:
        if time not in answers:
            continue
        number, observed = answers[time] or (None, None)
        away = None if number is None else abs(observed - time)
        if number is None or away > tolerance:
            most = tolerance.astype("timedelta64[m]")
            near = f"the closest image is of {observed}Z, further away than {most}"
            missing[time] = "no image" if number is None else near
            continue
        expected = {"time": f"{observed}Z", "tolerance": _WITHIN, "source": source}
        link = f"{url}/getJP2Image/?id={number}"
        wanted.append(fetcher.Wanted(link, place(observed), "jp2", expected, f"{time}Z"))
    return wanted, missing, summary


def _tree(times, source):
    """List times and places in a tree by date, as `find` takes them."""
    return [(time, lambda observed: name_of(observed, source)) for time in times]


def _places(around, source):
    """List times and places around flares, in one folder per flare and source."""

    def place_of(inside):
        return lambda observed: f"{inside}/{source}/{re.sub('[-:]', '', str(observed))}.jp2"

    return [(time, place) for flare in around for place in [place_of(folder_of(flare))] for time in flare.times]


def main(arguments=None):
    """Fetch, verify or repair."""
    parser = script.parser(__doc__, out="hmi of config.yml", cadence=60.0, connections=3, rate=5.0)
    sources = "19 HMI magnetogram, 18 HMI continuum, 8 to 17 AIA 94 to 4500, any other (default: 19)"
    add_number(
        parser,
        "--source",
        int,
        least=0,
        most=10_000,
        says="unknown source; 19 is the HMI magnetogram",
        alias="--source_ids",
        nargs="+",
        default=[MAGNETOGRAM],
        metavar="ID",
        help=f"one or several sourceId: {sources}",
    )
    add_number(
        parser,
        "--tolerance",
        float,
        least=0,
        most=527_040,
        says="must be some minutes",
        help="minutes of an image from the time wanted (default: half the cadence)",
    )
    script.add_flare_flags(parser, before=_BEFORE, words="only frames around these flares")
    flags = parser.parse_args(arguments)
    folder = data_path("hmi", flags.out)
    limits = script.limits(flags)
    if flags.verify or flags.repair:
        with script.opened(flags, folder, ARCHIVE) as book:
            repair = script.moved(
                "helioviewer", flags, lambda url, record: f"{url}/getJP2Image/?{record.url.partition('?')[2]}"
            )
            script.audit(flags, book, lambda: fetcher.Fetcher(limits), repair=repair)
    start, end = script.span(flags)
    step = script.cadence(flags)
    minutes = flags.tolerance if flags.tolerance is not None else step / numpy.timedelta64(2, "m")
    url = archive_url("helioviewer", flags.url)
    around = script.frames_around(flags, start, end, step, before=_BEFORE)
    sources = list(dict.fromkeys(flags.source))
    tolerance = numpy.timedelta64(round(60 * minutes), "s")
    fetch = fetcher.Fetcher(limits)
    wanted, missing, summaries = [], {}, []
    times = [] if around else script.times_between(start, end, step)
    with script.opened(flags, folder, ARCHIVE) as book:
        for source in sources:
            places = _places(around, source) if around else _tree(times, source)
            found, lacking, unanswered = find(places, source, book, fetch, url=url, tolerance=tolerance)
            wanted += found
            summaries.append(unanswered)
            of = f" of source {source}" if len(sources) > 1 else ""
            missing |= {f"{time}Z{of}": why for time, why in lacking.items()}
        if script.announced(
            flags, wanted, folder, missing=missing, around=around, per_time=len(sources), unanswered=script.merged(*summaries)
        ):
            return
        summary = script.merged(fetch.fetch(wanted, book), *summaries)
        script.finish(script.add_missing(summary, missing), book)


if __name__ == "__main__":
    command_line.run(main)
