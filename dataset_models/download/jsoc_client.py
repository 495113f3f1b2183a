"""JSOC's data record management system (DRMS) asked through drms, with the patience of our own requests.

drms asks by urllib, once, with a timeout that starts anew at each byte, and takes bodies cut short. Here its questions go
through `patient_requests`: tried again, within limits of time and size, and an answer that is no JSON object with a status is
none. What drms does is to know the programs on the server, their arguments, and exports.
"""

import functools
import time

from dataset_models.download import checks, fetcher
from tools.errors import UserError
from tools.reading import structures

REGISTER = "http://jsoc.stanford.edu/ajax/register_email.html"
LONGEST_PAUSE = 60.0  # seconds between two questions whether an export is ready


class NotReady(UserError):
    """An export is still being made."""


def open_client(url, fetch):
    """Make a client of an archive.

    Parameters
    ----------
    url : str
        Of JSOC or a mirror; its programs are in ``cgi-bin/ajax`` below it.
    fetch : dataset_models.download.patient_requests.PatientRequests

    Returns
    -------
    drms.Client
    """
    import drms

    class Answer:
        def __init__(self, data):
            self.data = data

    class Patient(drms.HttpJsonClient):
        def _json_request(self, asked):
            answer = fetch.get(asked, _object)
            if answer is None:
                raise fetcher.NotFetched(f"{asked.split('?')[0]}: answers 404; check the archive's URL")
            return Answer(answer)

    server = drms.ServerConfig(
        name="ours",
        cgi_baseurl=f"{url}/cgi-bin/ajax/",
        cgi_show_series="show_series",
        cgi_jsoc_info="jsoc_info",
        cgi_jsoc_fetch="jsoc_fetch",
        cgi_check_address="checkAddress.sh",
        http_download_baseurl=f"{url}/",
    )
    client = drms.Client(server)
    client._json = Patient(server)
    return client


def _object(body):
    """Read an answer of the server: dict with a status, which each of its programs gives."""
    try:
        answer = structures.parse_json(body, "the answer")
    except UserError:
        raise checks.Rejected(f"answers {body[:80].decode('utf-8', 'replace')!r} instead of JSON") from None
    if not isinstance(answer, dict) or not str(answer.get("status")).lstrip("-").isdecimal():
        raise checks.Rejected(f"answers {body[:80].decode('utf-8', 'replace')!r}, which holds no status")
    return answer


def _understood(ask):
    """Turn what drms raises for an answer that it cannot take apart into `fetcher.NotFetched`; a decorator."""

    @functools.wraps(ask)
    def asked(*arguments, **keywords):
        import drms

        try:
            return ask(*arguments, **keywords)
        except (drms.DrmsQueryError, drms.DrmsExportError) as error:
            raise fetcher.NotFetched(f"JSOC answers: {' '.join(str(error).split())[:200]}") from error
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise fetcher.NotFetched(f"JSOC answers what cannot be understood ({type(error).__name__})") from error

    return asked


@_understood
def records(client, query, keys):
    """List records of a series.

    Parameters
    ----------
    client : drms.Client
    query : str
        Such as ``hmi.M_720s[2014.06.01_00:00:00_TAI/1d]``.
    keys : sequence of str

    Returns
    -------
    list of tuple of str
        The values of `keys`, record by record.

    Raises
    ------
    fetcher.NotFetched
        No sound answer, or JSOC's complaint.
    """
    table = client.query(query, key=list(keys), convert_numeric=False)
    return [] if table.empty else list(zip(*(table[key].astype(str) for key in keys), strict=True))


def require_registered(client, address):
    """Raise a `UserError` where JSOC does not know an e-mail address, which it makes exports for."""
    if not address:
        raise UserError(f"--email: is needed, JSOC makes files for registered addresses only; register yours at {REGISTER}")
    if not _understood(client.check_email)(address):
        raise UserError(f"--email {address}: is not registered with JSOC; register it at {REGISTER} and confirm its e-mail")


@_understood
def begin_export(client, query, address):
    """Ask for FITS files with headers of all keywords: the export (drms.ExportRequest), ready or not.

    Raises
    ------
    fetcher.NotFetched
        It is refused: too large, too many at once.
    """
    export = client.export(query, method="url", protocol="fits", filenamefmt=False, email=address)
    if export.has_failed(skip_update=True):
        export.wait()  # raises what the server says
    return export


@_understood
def resume_export(client, number):
    """Look up an export that an earlier run began: drms.ExportRequest, or None where JSOC has it no more."""
    export = client.export_from_id(number)
    lost = export.has_failed(skip_update=True) or export.status == 6
    return None if lost else export


@_understood
def files_of(export, *, patience, pause):
    """Wait until an export is ready.

    Parameters
    ----------
    export : drms.ExportRequest
    patience : float
        Seconds.
    pause : float
        Seconds until it is asked for, doubled up to `LONGEST_PAUSE`.

    Returns
    -------
    dict of str to str
        URL of each file by its record, ``hmi.M_720s[2014.06.01_00:00:00_TAI][3]{magnetogram}``.

    Raises
    ------
    NotReady
        After `patience` it is still being made.
    fetcher.NotFetched
        It failed.
    """
    end = time.monotonic() + patience
    while not export.has_finished(skip_update=True):
        if time.monotonic() + pause > end:
            raise NotReady(f"JSOC's export {export.id} is not ready after {patience / 60:g} minutes; run it again to go on")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        export.has_finished()
    pairs = zip(export.urls["record"], export.urls["url"], strict=True)
    return {record: link for record, link in pairs if isinstance(record, str) and isinstance(link, str)}
