"""Forecasts of others in any of the formats that are read here, told apart by what they hold."""

from network_models.forecasts.exchange import ccmc_hapi, ccmc_json, ccmc_text, ccmc_xml, met_office, scoreboard, swpc
from tools.errors import UserError
from tools.reading import raw_files, structures

ADVICE = (
    "give a file as sent to the flare scoreboard (JSON, XML, text), an answer of its HAPI, SWPC's solar_probabilities.json or"
    " 3-day-forecast, or a bulletin of the Met Office"
)


def read(path, *, method=None):
    """Read the forecasts of a file.

    Parameters
    ----------
    path : str or pathlib.Path
        Gzipped or plain.
    method : str, optional
        As of `ccmc_hapi.read`.

    Returns
    -------
    list of issued.Issued

    Raises
    ------
    UserError
        It is of no format that is read here, or damaged.
    """
    content, source = scoreboard.content_of(path, most=raw_files.MOST, advice=ADVICE)
    begin = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:4000]
    if begin.startswith(b"["):
        return swpc.read_json(content, source)
    if begin.startswith(b"<"):
        return ccmc_xml.read_all(content, source)
    if begin.startswith(b"{"):
        parsed = structures.parse_json(content, source, kind=dict, advice=ADVICE)
        if "forecast_submission" in parsed:
            return ccmc_json.read_all(content, source)
        if met_office.is_bulletin(parsed):
            return met_office.read(content, source)
        return ccmc_hapi.read(content, source, method=method)
    if b":Product:" in begin or b":Issued:" in begin:
        return swpc.read_text(content, source)
    if b"prediction window" in begin.lower():
        return [ccmc_text.read(content, source)]
    if any(name.encode() in begin for name in ("start_window", "prediction_window_start", "issue_time")) or begin[:4].isdigit():
        return ccmc_hapi.read(content, source, method=method)
    raise UserError(f"{source}: is of no format of forecasts that is read here; {ADVICE}")
