"""The flare scoreboard's XML, after the standard of ISES: ``forecast`` with a group for the disk and one for each region.

    <fluxbin name="M+"/><probability><value>0.06</value></probability>

Bins are named as `scoreboard` says: a plus is a class or more, a letter alone is the class alone. What has no value was not
forecast. ``value_lower`` and ``value_upper`` are the bounds of the interval. Senders differ: the window is ``starttime`` and
``endtime`` (``endttime`` in files of the Met Office), or ``begin`` and ``end`` (SIDC); regions are groups, or groups within
one; their numbers may lack leading digits. All of that is read. We write the Met Office's form with NOAA's number in full;
regions that NOAA has not numbered have no scheme that we know, and are left out here.

``input_data`` says of simulated data that they are; ``mode`` is there only where a forecast was not issued on time. Neither
the schema nor the standard could be read. A document type is refused, see `tools.reading.markup`.
"""

import numpy

from dataset_models import simulation_mark
from network_models.forecasts.exchange import scoreboard
from network_models.forecasts.exchange.issued import MODES, Probability, RegionForecast, text_of
from tools.errors import UserError, quoted
from tools.reading import markup

SCHEME = "NOAA_AR_numbering_scheme"
_BEGIN, _END = ("starttime", "begin", "start"), ("endtime", "end", "endttime")


def carried(issued):
    """Reduce a forecast to what the format has room for, see `scoreboard.carried`."""
    return scoreboard.carried(issued, places=True)


def write(issued):
    """Write a forecast: bytes.

    Raises
    ------
    UserError
        As of `scoreboard.carried`.
    """
    from xml.etree import ElementTree

    issued = carried(issued)
    message = ElementTree.Element("message")
    forecast = ElementTree.SubElement(message, "forecast")
    _add(forecast, "method", issued.method)
    _add(forecast, "issuetime", text_of(issued.issued))
    window = _add(forecast, "predictionwindow")
    _add(window, "starttime", text_of(issued.begin))
    _add(window, "endtime", text_of(issued.end))
    if issued.simulated:
        _add(forecast, "input_data", simulation_mark.WORDS)
    if issued.mode != "on time":
        _add(forecast, "mode", issued.mode)
    if issued.probabilities:
        group = _add(forecast, "group")
        _add(group, "forecasttype", "Full Disk")
        _add_entries(group, issued.probabilities)
    for region in issued.regions:
        group = _add(forecast, "group")
        _add(group, "forecasttype", "Region")
        place = _add(group, "sourceregion")
        _add(place, "id", str(region.number), scheme=SCHEME)
        if scoreboard.written_place(region):
            _add(place, "location", scoreboard.written_place(region), time=text_of(issued.issued))
        _add_entries(group, region.probabilities)
    ElementTree.indent(message, " ")
    return ElementTree.tostring(message, encoding="utf-8", xml_declaration=True) + b"\n"


def _add(parent, tag, text=None, **attributes):
    from xml.etree import ElementTree

    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _add_entries(group, probabilities):
    for key, one in probabilities.items():
        entry = _add(group, "entry")
        _add(entry, "fluxbin", name=scoreboard.BINS[key])
        probability = _add(entry, "probability")
        _add(probability, "value", _decimal(one.value))
        if one.low is not None:
            _add(probability, "value_lower", _decimal(one.low))
            _add(probability, "value_upper", _decimal(one.high))


def _decimal(number):
    return numpy.format_float_positional(number, trim="0")  # 0.000001, where str writes 1e-06


def read(file, source=None):
    """Read the one forecast of a file: `issued.Issued`. Parameters and errors as of `read_all`."""
    forecasts = read_all(file, source)
    return scoreboard.only(forecasts, source or (file if not isinstance(file, bytes) else "the forecast"))


def read_all(file, source=None):
    """Read the forecasts of a file.

    Parameters
    ----------
    file : bytes, str or pathlib.Path
    source : str, optional
        Named in errors.

    Returns
    -------
    list of issued.Issued
        As the file has them.

    Raises
    ------
    UserError
        It is no XML, has a document type, holds no forecast, or something in it is impossible.
    """
    content, source = scoreboard.content_of(file, source)
    root = markup.parse_xml(content, source, advice=scoreboard.ADVICE)
    found = [root] if root.tag == "forecast" else list(root.iter("forecast"))
    if not found:
        raise UserError(f"{source}: holds no element forecast; {scoreboard.ADVICE}")
    return [_forecast(one, source) for one in found]


def _forecast(forecast, source):
    method = " ".join((forecast.findtext("method") or "").split())
    if not method:
        raise UserError(f"{source}: the method is missing; {scoreboard.ADVICE}")
    issued = scoreboard.time_of(forecast.findtext("issuetime"), "issuetime", source)
    begin, end = (
        scoreboard.time_of(_first(forecast, names), f"predictionwindow/{names[0]}", source) for names in (_BEGIN, _END)
    )
    mode = (forecast.findtext("mode") or "on time").strip()
    if mode not in MODES:
        raise UserError(f"{source}: the mode {quoted(mode)} is none of {', '.join(MODES)}; {scoreboard.ADVICE}")
    disk, regions = {}, []
    for outer in forecast.findall("group"):
        kind = (outer.findtext("forecasttype") or "").strip().lower()
        if kind not in ("full disk", "region"):
            raise UserError(f"{source}: the forecasttype {quoted(kind)} is neither Full Disk nor Region; {scoreboard.ADVICE}")
        for group in [outer, *outer.findall("group")]:
            probabilities = _probabilities(group, source)
            if not probabilities:
                continue
            if kind == "full disk":
                if disk:
                    raise UserError(f"{source}: two forecasts of the disk; {scoreboard.ADVICE}")
                disk = probabilities
                continue
            number, longitude, latitude = _region(group, issued, source)
            if number is not None:
                regions.append(RegionForecast(number, probabilities, "NOAA", longitude, latitude))
    simulated = simulation_mark.WORDS in (forecast.findtext("input_data") or "")
    return scoreboard.issued_of(source, method, issued, begin, end, disk, regions, mode, simulated)


def _first(forecast, names):
    return next((text for name in names if (text := forecast.findtext(f"predictionwindow/{name}"))), None)


def _probabilities(group, source):
    probabilities = {}
    for entry in group.findall("entry"):
        flux = entry.find("fluxbin")
        key = scoreboard.key_of("" if flux is None else flux.get("name", ""), source)
        value, both, low, high = (
            scoreboard.number_of(entry.findtext(f"probability/{name}"), f"{key}, {name}", source)
            for name in ("value", "uncertainty", "value_lower", "value_upper")
        )
        if value is None:
            value = scoreboard.number_of(entry.findtext("value"), f"{key}, value", source)
        if value is None:
            continue
        if key in probabilities:
            raise UserError(f"{source}: the fluxbin {key} is there twice; {scoreboard.ADVICE}")
        try:
            bounds = low is not None and high is not None
            probabilities[key] = Probability(value, low, high) if bounds else scoreboard.around(value, both, both)
        except UserError as error:
            raise UserError(f"{source}: {error}; {scoreboard.ADVICE}") from error
    return probabilities


def _region(group, time, source):
    """Read NOAA's number of a region and its place: (number, longitude, latitude), None where it has no such number."""
    for place in group.findall("sourceregion"):
        identifier = place.find("id")
        if identifier is not None and "noaa" in identifier.get("scheme", SCHEME).lower():
            number = scoreboard.region_number(identifier.text, time, source)
            return number, *scoreboard.place_of(place.findtext("location"))
    return None, None, None
