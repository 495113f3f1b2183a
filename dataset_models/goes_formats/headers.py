"""The name and the header of a GOES file: its satellite, the unit of its flux, and the time that its records are of."""

import re

import numpy

from dataset_models.goes_formats.minutes import DAY, NotGoes


def plain_text(value):
    """Decode an attribute of a file, which may be bytes: str."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def short_reason(error, path):
    """Shorten the text of a library's error to a part of one line: str."""
    text = str(error).replace(str(path), "it")
    return " ".join(f"{type(error).__name__}: {text}".split())[:120]


def satellite_number(path, header):
    """Read the number of the GOES satellite from the header, in lower case, or from the file's name: int."""
    for text in (header.get("id", ""), header.get("telescop", ""), path.name, header.get("platform", "")):
        match = re.search(r"(?:_g|^go?|goes[ _-]*)(\d{2})|goes[ _-]*(\d)(?!\d)", text, re.IGNORECASE)
        if match:
            return int(match[1] or match[2])
    raise NotGoes(f"{path}: neither name nor header gives its GOES satellite; give it its archive name")


def require_watts(path, name, unit):
    """Refuse a flux whose unit is stated and not W m^-2, in any spelling."""
    text = "" if unit is None else plain_text(unit).strip()
    plain = re.sub(r"[\s*^().]|-(?=2$)", "", text.lower()).replace("watts", "w").replace("watt", "w").replace("/", "")
    if plain not in ("", "wm2"):
        raise NotGoes(f"{path}: its {name} is in {text!r}, expected W/m2; give the archive's own file")


def named_span(name):
    """Read the span in an archive name, a day, first and last day, or a year: (first, end) in seconds since 1970, or None."""
    day = re.search(r"_d(\d{8})(?!\d)|^go\d\d(\d{8}|\d{6})(?!\d)", name, re.IGNORECASE)
    days = re.search(r"_s(\d{8})_e(\d{8})(?!\d)", name)
    year = re.search(r"_y(\d{4})(?!\d)", name)
    if day:
        first = start_of_day(day[1] or day[2])
        return first and (first, first + DAY)
    if days:
        first, last = start_of_day(days[1]), start_of_day(days[2])
        return first and last and (first, last + DAY)
    if year:
        first, end = start_of_day(f"{year[1]}0101"), start_of_day(f"{int(year[1]) + 1}0101")
        return first and end and (first, end)
    return None


def start_of_day(digits):
    """Convert YYYYMMDD or YYMMDD to the seconds since 1970 of its start: int, None where there is no such day."""
    if len(digits) == 6:
        digits = ("19" if digits >= "70" else "20") + digits
    return moment(f"{digits[:-4]}-{digits[-4:-2]}-{digits[-2:]}")


def moment(text):
    """Convert an ISO time in UTC to seconds since 1970: int, None where it is none."""
    match = re.fullmatch(r"\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d*)?)?))?(?:Z|\+00:?00)?\s*", text)
    if not match:
        return None
    try:
        return int(numpy.datetime64("T".join(filter(None, match.groups())), "ms").astype("int64")) // 1000
    except ValueError:
        return None


def coverage(header):
    """Read the span of the attributes ``time_coverage_...``: (first, end) in seconds since 1970, or None."""
    first, end = (moment(header.get(f"time_coverage_{name}", "")) for name in ("start", "end"))
    return (first, end) if first is not None and end is not None and first < end else None
